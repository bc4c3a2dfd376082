/* The project's ring for --rings, through the calls a client and a lane make: what is compared is what is used.
 *
 * One way there is no answer to each message, so room has to come back some other way: the consumer answers the last
 * message of each quarter of the ring, and the producer, out of room, looks for that one answer and takes the quarter
 * back. This is the index caching of other rings in terms of ours. */
#include <stdlib.h>
#include <string.h>

#include "region.h"
#include "rings.h"
#include "sentinel.h"

struct ours {
	struct snt_region region;
	struct snt_session session;
};

enum { QUARTER = SNT_RINGS_CAPACITY / 4 };

#define RING ours
#include "ring_loops.h"

static const uint8_t digest[32] = "thirty-two bytes, always alike.";

static inline enum ring_got ring_ask(struct ours *r, uint64_t i)
{
	return snt_submit(&r->session, 0, SNT_OP_ECHO, digest, 0, i) == SNT_OK ? RING_MESSAGE : RING_NOTHING;
}

static inline enum ring_got ring_send(struct ours *r, uint64_t i)
{
	struct snt_session *s = &r->session;
	struct snt_completion credit;

	if (ring_ask(r, i) == RING_MESSAGE)
		return RING_MESSAGE;
	if (snt_answer(s, s->oldest + QUARTER - 1, &credit))
		s->oldest += QUARTER;
	return RING_NOTHING;
}

static inline enum ring_got ring_asked(struct ours *r, uint64_t i)
{
	struct snt_request request;

	if (!snt_ring_take(&r->region.ring, i, &request))
		return RING_NOTHING;
	return request.tag == i ? RING_MESSAGE : RING_WRONG;
}

static inline enum ring_got ring_reply(struct ours *r, uint64_t i)
{
	struct snt_response response = {.tag = i, .op = SNT_OP_ECHO};

	memcpy(response.signature, digest, sizeof digest);
	snt_ring_answer(&r->region.ring, i, &response);
	return RING_MESSAGE;
}

static inline enum ring_got ring_take(struct ours *r, uint64_t i)
{
	enum ring_got got = ring_asked(r, i);

	if (got == RING_MESSAGE && (i + 1) % QUARTER == 0)
		(void)ring_reply(r, i);
	return got;
}

static inline enum ring_got ring_replied(struct ours *r, uint64_t i)
{
	struct snt_completion done;

	if (snt_poll(&r->session, &done, 1) == 0)
		return RING_NOTHING;
	return done.tag == i ? RING_MESSAGE : RING_WRONG;
}

static int ours_create(void **ring, uint32_t *page_bytes, uint64_t ticks_per_s)
{
	struct ours *r = calloc(1, sizeof *r);
	int rc;

	if (r == NULL)
		return -ENOMEM;
	rc = snt_region_create(&r->region, SNT_RINGS_CAPACITY, ticks_per_s);
	if (rc == 0)
		rc = snt_attach(&r->session, r->region.base, r->region.bytes);
	if (rc != 0) {
		snt_region_destroy(&r->region);
		free(r);
		return rc;
	}
	*page_bytes = r->region.page_bytes;
	*ring = r;
	return 0;
}

static void ours_destroy(void *ring)
{
	struct ours *r = ring;

	snt_close(&r->session);
	snt_region_destroy(&r->region);
	free(r);
}

/* A block ends with everything taken; the last quarters' credit is collected here, so the next block starts even. */
static int ours_produce(void *ring, uint64_t first, uint64_t count)
{
	struct ours *r = ring;
	struct snt_completion credit;
	enum ring_got got;
	int rc = ring_produce(ring, first, count);

	while (rc == 0 && snt_in_flight(&r->session) != 0) {
		RING_UNTIL(got, snt_answer(&r->session, r->session.oldest + QUARTER - 1, &credit) ? RING_MESSAGE
												  : RING_NOTHING);
		r->session.oldest += QUARTER;
	}
	return rc;
}

/* Every message answered with 128 bytes and polled: both directions at once, with the ring kept full. */
static int answered_produce(void *ring, uint64_t first, uint64_t count)
{
	struct ours *r = ring;
	struct snt_completion done[SNT_RINGS_BURST];
	struct snt_waiter waiter = {0};
	uint64_t sent = first, back = first;

	while (back < first + count) {
		unsigned n;
		int rc;

		for (unsigned k = 0; k < SNT_RINGS_BURST && sent < first + count && ring_ask(r, sent) == RING_MESSAGE;
		     k++)
			sent++;
		n = snt_poll(&r->session, done, SNT_RINGS_BURST);
		for (unsigned k = 0; k < n; k++)
			if (done[k].tag != back++)
				return -EBADMSG;
		if (n != 0) {
			waiter = (struct snt_waiter){0};
			continue;
		}
		rc = snt_wait_turn(&waiter);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Takes 32 at a time: once the last of a burst is stamped, so are those before it. */
static int burst_consume(void *ring, uint64_t first, uint64_t count)
{
	struct ours *r = ring;
	enum ring_got got;

	for (uint64_t i = first; i < first + count; i += SNT_RINGS_BURST) {
		const struct snt_request *last =
			&r->region.ring.requests[(i + SNT_RINGS_BURST - 1) & r->region.ring.mask];

		RING_UNTIL(got, snt_load_acquire(&last->stamp) == i + SNT_RINGS_BURST ? RING_MESSAGE : RING_NOTHING);
		for (uint64_t k = i; k < i + SNT_RINGS_BURST; k++)
			RING_UNTIL(got, ring_take(r, k));
	}
	return 0;
}

const struct snt_ring_kind snt_ring_ours_burst = {
	"sentinel, bursts of 32", ours_create, ours_destroy, ours_produce, burst_consume, NULL, NULL,
};

const struct snt_ring_kind snt_ring_ours = {
	"sentinel", ours_create, ours_destroy, ours_produce, ring_consume, ring_ping, ring_pong,
};

const struct snt_ring_kind snt_ring_ours_answered = {
	"sentinel, each answered", ours_create, ours_destroy, answered_produce, ring_pong, NULL, NULL,
};
