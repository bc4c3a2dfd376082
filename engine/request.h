/* What poller and signer both do with a request's private copy: check it, refuse it. */
#ifndef SNT_REQUEST_H
#define SNT_REQUEST_H

#include <stdbool.h>
#include <string.h>

#include "sentinel_abi.h"
#include "sentinel_atomic.h"

/* A known operation, and reserved bytes that are zero. */
static inline bool snt_request_well_formed(const struct snt_request *request)
{
	return request->op >= SNT_OP_ECHO && request->op < SNT_OP_END &&
	       (request->reserved[0] | request->reserved[1] | request->reserved[2]) == 0;
}

/* True once the request's deadline, if it has one, has passed. */
static inline bool snt_request_expired(const struct snt_request *request)
{
	return request->deadline != 0 && snt_ticks() > request->deadline;
}

/* The answer to a request that is not signed. All but the stamp is written. */
static inline void snt_response_refuse(struct snt_response *response, const struct snt_request *request,
				       enum snt_status status)
{
	memset(response, 0, sizeof *response);
	response->tag = request->tag;
	response->op = request->op;
	response->status = (uint8_t)status;
}

#endif
