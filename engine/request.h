/* Checks on a request's private copy that poller and signer both make. */
#ifndef SNT_REQUEST_H
#define SNT_REQUEST_H

#include <stdbool.h>

#include "sentinel_abi.h"

/* A known operation, and reserved bytes that are zero. */
static inline bool snt_request_well_formed(const struct snt_request *request)
{
	return request->op >= SNT_OP_ECHO && request->op < SNT_OP_END &&
	       (request->reserved[0] | request->reserved[1] | request->reserved[2]) == 0;
}

#endif
