/* The engine's side of a session's two rings: take a request, answer it.
 *
 * Slot-stamped, single producer, single consumer. A slot carries its own sequence number, so one cache-line transfer
 * moves a request and no index is shared; the engine keeps its cursor in private memory and believes nothing it reads
 * here. The client's side is in client/sentinel.h; docs/memory-model.md has the edges.
 *
 * Only the lane that owns the session may call these. */
#ifndef SNT_RING_H
#define SNT_RING_H

#include <stdbool.h>
#include <string.h>

#include "sentinel_abi.h"
#include "sentinel_atomic.h"

struct snt_ring {
	const struct snt_request *requests; /* in the client's region: may change at any time */
	struct snt_response *responses;
	uint64_t mask; /* capacity - 1 */
};

/* Copies request `sequence` out of its slot. False when the client has not published it. The copy is made once;
 * whatever is checked afterwards is the copy. */
static inline bool snt_ring_take(const struct snt_ring *ring, uint64_t sequence, struct snt_request *out)
{
	const struct snt_request *slot = &ring->requests[sequence & ring->mask];

	/* request: pairs with the release in snt_submit(); the request's bytes are visible after it */
	if (snt_load_acquire(&slot->stamp) != sequence + 1)
		return false;
	memcpy(out, slot, sizeof *out);
	/* The compiler may not go back to the slot for a second look: the client can write there meanwhile. */
	__asm__ __volatile__("" : "+m"(*out));
	out->stamp = sequence + 1;
	return true;
}

/* Publishes the answer to request `sequence`. `answer->stamp` need not be set. */
static inline void snt_ring_answer(const struct snt_ring *ring, uint64_t sequence, const struct snt_response *answer)
{
	struct snt_response *slot = &ring->responses[sequence & ring->mask];

	memcpy(slot->signature, answer->signature, sizeof slot->signature);
	memcpy(&slot->tag, &answer->tag, SNT_CACHE_LINE - sizeof slot->stamp);
	/* response: pairs with the acquire in snt_answer(); makes the response's bytes visible */
	snt_store_release(&slot->stamp, sequence + 1);
}

#endif
