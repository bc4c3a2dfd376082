/* DPDK's rte_ring for --rings: single producer, single consumer, 64-byte elements, on memory of our own, without EAL.
 */
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wcast-qual"
#include <rte_ring_elem.h>
#pragma GCC diagnostic pop

#include "rings.h"

/* rte_ring_init() fills the head; the elements follow it, as rte_ring_create_elem() lays them out. */
struct one_rte {
	_Alignas(128) struct rte_ring ring;
	struct snt_ring_message buffer[SNT_RINGS_CAPACITY];
	_Alignas(4096) char end[1];
};

struct two_rte {
	struct one_rte there, back;
};

#define RING two_rte
#include "ring_loops.h"

static inline enum ring_got put(struct one_rte *one, uint64_t i)
{
	struct snt_ring_message message = {.number = i};

	return rte_ring_sp_enqueue_elem(&one->ring, &message, sizeof message) == 0 ? RING_MESSAGE : RING_NOTHING;
}

static inline enum ring_got get(struct one_rte *one, uint64_t i)
{
	struct snt_ring_message message;

	if (rte_ring_sc_dequeue_elem(&one->ring, &message, sizeof message) != 0)
		return RING_NOTHING;
	/* all 64 bytes are wanted, as snt_ring_take() copies all of them */
	__asm__ __volatile__("" : "+m"(message));
	return message.number == i ? RING_MESSAGE : RING_WRONG;
}

static inline enum ring_got ring_send(struct two_rte *r, uint64_t i)
{
	return put(&r->there, i);
}

static inline enum ring_got ring_take(struct two_rte *r, uint64_t i)
{
	return get(&r->there, i);
}

static inline enum ring_got ring_ask(struct two_rte *r, uint64_t i)
{
	return put(&r->there, i);
}

static inline enum ring_got ring_asked(struct two_rte *r, uint64_t i)
{
	return get(&r->there, i);
}

static inline enum ring_got ring_reply(struct two_rte *r, uint64_t i)
{
	return put(&r->back, i);
}

static inline enum ring_got ring_replied(struct two_rte *r, uint64_t i)
{
	return get(&r->back, i);
}

/* Messages are prepared and looked at one by one, and moved in bursts. */
static int burst_produce(void *ring, uint64_t first, uint64_t count)
{
	struct two_rte *r = ring;
	struct snt_ring_message messages[SNT_RINGS_BURST] = {0};
	enum ring_got got;

	for (uint64_t i = first; i < first + count; i += SNT_RINGS_BURST) {
		for (unsigned k = 0; k < SNT_RINGS_BURST; k++)
			messages[k].number = i + k;
		RING_UNTIL(got, rte_ring_sp_enqueue_bulk_elem(&r->there.ring, messages, sizeof messages[0],
							      SNT_RINGS_BURST, NULL) != 0
					? RING_MESSAGE
					: RING_NOTHING);
	}
	return 0;
}

static int burst_consume(void *ring, uint64_t first, uint64_t count)
{
	struct two_rte *r = ring;
	struct snt_ring_message messages[SNT_RINGS_BURST];
	struct snt_waiter waiter = {0};
	uint64_t i = first;

	while (i < first + count) {
		unsigned n = rte_ring_sc_dequeue_burst_elem(&r->there.ring, messages, sizeof messages[0],
							    SNT_RINGS_BURST, NULL);

		for (unsigned k = 0; k < n; k++) {
			__asm__ __volatile__("" : "+m"(messages[k]));
			if (messages[k].number != i++)
				return -EBADMSG;
		}
		if (n != 0) {
			waiter = (struct snt_waiter){0};
		} else {
			int rc = snt_wait_turn(&waiter);

			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

static int init_one(struct one_rte *one)
{
	return rte_ring_init(&one->ring, "ringbench", SNT_RINGS_CAPACITY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int rte_create(void **ring, uint32_t *page_bytes, uint64_t ticks_per_s)
{
	struct two_rte *r = snt_rings_map(sizeof *r, page_bytes);

	(void)ticks_per_s;
	if (r == NULL)
		return -ENOMEM;
	if (init_one(&r->there) != 0 || init_one(&r->back) != 0) {
		snt_rings_unmap(r, sizeof *r);
		return -EINVAL;
	}
	*ring = r;
	return 0;
}

static void rte_destroy(void *ring)
{
	snt_rings_unmap(ring, sizeof(struct two_rte));
}

const struct snt_ring_kind snt_ring_rte = {
	"rte_ring", rte_create, rte_destroy, ring_produce, ring_consume, ring_ping, ring_pong,
};

const struct snt_ring_kind snt_ring_rte_burst = {
	"rte_ring, bursts of 32", rte_create, rte_destroy, burst_produce, burst_consume, NULL, NULL,
};
