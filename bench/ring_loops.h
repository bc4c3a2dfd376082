/* The four loops that drive a ring, made for one kind of ring by including this file, so that its calls are inlined.
 *
 * The including file defines, for its `struct RING`:
 *
 *     ring_send(r, i), ring_take(r, i)      one way
 *     ring_ask(r, i), ring_asked(r, i)      a round trip's first half
 *     ring_reply(r, i), ring_replied(r, i)  its second half
 *
 * Each returns RING_MESSAGE when message i went in or came out, RING_NOTHING when there was no room or no message, and
 * RING_WRONG when what came out is not message i. */
#include <errno.h>

#include "sentinel_atomic.h"
#include "wait.h"

enum ring_got { RING_NOTHING, RING_MESSAGE, RING_WRONG };

static inline enum ring_got ring_send(struct RING *r, uint64_t i);
static inline enum ring_got ring_take(struct RING *r, uint64_t i);
static inline enum ring_got ring_ask(struct RING *r, uint64_t i);
static inline enum ring_got ring_asked(struct RING *r, uint64_t i);
static inline enum ring_got ring_reply(struct RING *r, uint64_t i);
static inline enum ring_got ring_replied(struct RING *r, uint64_t i);

/* Turns a step that may have to wait into one that has happened. One way, the consumer of every kind of ring pauses
 * when it finds nothing: one that looks again at once takes the line from the producer that is about to write it, the
 * two move in lockstep, and every ring here moves less. */
#define RING_UNTIL(got, step) RING_UNTIL_PAUSING(got, step, 0)
#define RING_UNTIL_PAUSING(got, step, pauses)                                                                          \
	do {                                                                                                           \
		struct snt_waiter waiter_ = {0};                                                                       \
                                                                                                                       \
		while (((got) = (step)) == RING_NOTHING) {                                                             \
			int rc_ = snt_wait_turn(&waiter_);                                                             \
                                                                                                                       \
			for (int p_ = 0; p_ < (pauses); p_++)                                                          \
				snt_pause();                                                                           \
			if (rc_ != 0)                                                                                  \
				return rc_;                                                                            \
		}                                                                                                      \
		if ((got) == RING_WRONG)                                                                               \
			return -EBADMSG;                                                                               \
	} while (0)

static int ring_produce(void *ring, uint64_t first, uint64_t count)
{
	struct RING *r = ring;
	enum ring_got got;

	for (uint64_t i = first; i < first + count; i++)
		RING_UNTIL(got, ring_send(r, i));
	return 0;
}

static int ring_consume(void *ring, uint64_t first, uint64_t count)
{
	struct RING *r = ring;
	enum ring_got got;

	for (uint64_t i = first; i < first + count; i++)
		RING_UNTIL_PAUSING(got, ring_take(r, i), SNT_RINGS_PAUSES);
	return 0;
}

static int ring_ping(void *ring, uint64_t first, uint64_t count, uint64_t *ticks)
{
	struct RING *r = ring;
	enum ring_got got;

	for (uint64_t i = first; i < first + count; i += SNT_RINGS_GROUP) {
		uint64_t began = snt_ticks();

		for (uint64_t k = i; k < i + SNT_RINGS_GROUP; k++) {
			RING_UNTIL(got, ring_ask(r, k));
			RING_UNTIL(got, ring_replied(r, k));
		}
		*ticks++ = snt_ticks() - began;
	}
	return 0;
}

static int ring_pong(void *ring, uint64_t first, uint64_t count)
{
	struct RING *r = ring;
	enum ring_got got;

	for (uint64_t i = first; i < first + count; i++) {
		RING_UNTIL(got, ring_asked(r, i));
		RING_UNTIL(got, ring_reply(r, i));
	}
	return 0;
}
