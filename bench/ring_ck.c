/* concurrencykit's ck_ring for --rings: single producer, single consumer, 64-byte structs in the ring's own buffer. */
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" /* of its assembly */
#include <ck_ring.h>
#pragma GCC diagnostic pop

#include "rings.h"

CK_RING_PROTOTYPE(message, snt_ring_message)

struct one_ck {
	_Alignas(128) struct ck_ring ring;
	_Alignas(4096) struct snt_ring_message buffer[SNT_RINGS_CAPACITY];
};

struct two_ck {
	struct one_ck there, back;
};

#define RING two_ck
#include "ring_loops.h"

static inline enum ring_got put(struct one_ck *one, uint64_t i)
{
	struct snt_ring_message message = {.number = i};

	return ck_ring_enqueue_spsc_message(&one->ring, one->buffer, &message) ? RING_MESSAGE : RING_NOTHING;
}

static inline enum ring_got get(struct one_ck *one, uint64_t i)
{
	struct snt_ring_message message;

	if (!ck_ring_dequeue_spsc_message(&one->ring, one->buffer, &message))
		return RING_NOTHING;
	/* all 64 bytes are wanted, as snt_ring_take() copies all of them */
	__asm__ __volatile__("" : "+m"(message));
	return message.number == i ? RING_MESSAGE : RING_WRONG;
}

static inline enum ring_got ring_send(struct two_ck *r, uint64_t i)
{
	return put(&r->there, i);
}

static inline enum ring_got ring_take(struct two_ck *r, uint64_t i)
{
	return get(&r->there, i);
}

static inline enum ring_got ring_ask(struct two_ck *r, uint64_t i)
{
	return put(&r->there, i);
}

static inline enum ring_got ring_asked(struct two_ck *r, uint64_t i)
{
	return get(&r->there, i);
}

static inline enum ring_got ring_reply(struct two_ck *r, uint64_t i)
{
	return put(&r->back, i);
}

static inline enum ring_got ring_replied(struct two_ck *r, uint64_t i)
{
	return get(&r->back, i);
}

static int ck_create(void **ring, uint32_t *page_bytes, uint64_t ticks_per_s)
{
	struct two_ck *r = snt_rings_map(sizeof *r, page_bytes);

	(void)ticks_per_s;
	if (r == NULL)
		return -ENOMEM;
	ck_ring_init(&r->there.ring, SNT_RINGS_CAPACITY);
	ck_ring_init(&r->back.ring, SNT_RINGS_CAPACITY);
	*ring = r;
	return 0;
}

static void ck_destroy(void *ring)
{
	snt_rings_unmap(ring, sizeof(struct two_ck));
}

const struct snt_ring_kind snt_ring_ck = {
	"ck_ring", ck_create, ck_destroy, ring_produce, ring_consume, ring_ping, ring_pong,
};
