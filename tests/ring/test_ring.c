/* The rings from both ends in one thread: order, credit, wrap-around, and exactly one completion a request. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>

#include "region.h"
#include "sentinel.h"

TestSuite(ring, .timeout = 60);

enum { CAPACITY_MOST = 64 };
static const uint64_t ticks_per_s = 1000000000;
static const uint64_t firsts[] = {0, (UINT64_C(1) << 32) - 3, UINT64_MAX - 2};

/* The client's and the engine's end of one region. */
struct pair {
	struct snt_region region;
	struct snt_session session;
	uint64_t cursor; /* the engine's */
};

/* A pair whose next sequence is `first`: the slots carry the stamps of the lap before. */
static void open_pair(struct pair *p, uint32_t capacity, uint64_t first)
{
	cr_assert_eq(snt_region_create(&p->region, capacity, ticks_per_s), 0);
	cr_assert_eq(snt_attach(&p->session, p->region.base, p->region.bytes), 0);
	p->session.next = p->session.oldest = p->cursor = first;
	for (uint64_t i = first - capacity; first != 0 && i != first; i++) {
		p->session.requests[i & p->session.mask].stamp = i + 1;
		p->session.responses[i & p->session.mask].stamp = i + 1;
	}
}

static void close_pair(struct pair *p)
{
	snt_close(&p->session);
	snt_region_destroy(&p->region);
}

static void digest_of(uint64_t tag, uint8_t digest[32])
{
	for (unsigned i = 0; i < 32; i++)
		digest[i] = (uint8_t)((tag * 0x9e3779b97f4a7c15u) >> (i % 8 * 8)) ^ (uint8_t)(i * 37);
}

static enum snt_status submit(struct pair *p, uint64_t tag)
{
	uint8_t digest[32];

	digest_of(tag, digest);
	return snt_submit(&p->session, (uint32_t)tag + 7, SNT_OP_ECDSA_RECOVERABLE, digest, tag + 9, tag);
}

static enum snt_status sign(struct pair *p, uint64_t timeout_ns, struct snt_completion *out)
{
	uint8_t digest[32];

	digest_of(0, digest);
	return snt_sign(&p->session, 7, SNT_OP_ECDSA_RECOVERABLE, digest, timeout_ns, out);
}

static bool take(struct pair *p, struct snt_request *request)
{
	if (!snt_ring_take(&p->region.ring, p->cursor, request))
		return false;
	p->cursor++;
	return true;
}

static void answer(struct pair *p, uint64_t sequence, uint64_t tag)
{
	struct snt_response response = {.tag = tag, .op = SNT_OP_ECDSA_RECOVERABLE, .recovery_id = tag & 3};

	digest_of(tag, response.signature);
	digest_of(~tag, response.signature + 32);
	snt_ring_answer(&p->region.ring, sequence, &response);
}

/* The completion is the whole answer to `tag`. */
static void check_answered(const struct snt_completion *c, uint64_t tag)
{
	uint8_t signature[64];

	digest_of(tag, signature);
	digest_of(~tag, signature + 32);
	cr_assert_eq(c->status, SNT_OK);
	cr_assert_eq(c->tag, tag);
	cr_assert_eq(c->op, SNT_OP_ECDSA_RECOVERABLE);
	cr_assert_eq(c->recovery_id, tag & 3);
	cr_assert_eq(memcmp(c->signature, signature, sizeof signature), 0);
}

static void check_unavailable(const struct snt_completion *c, uint64_t tag)
{
	static const uint8_t zero[64];

	cr_assert_eq(c->status, SNT_UNAVAILABLE);
	cr_assert_eq(c->tag, tag);
	cr_assert_eq(c->op, SNT_OP_ECDSA_RECOVERABLE);
	cr_assert_eq(memcmp(c->signature, zero, sizeof zero), 0);
}

/* Fills the ring, answers it from the back, and sees nothing before the oldest is answered. */
static void one_lap(struct pair *p, uint32_t capacity, uint64_t tag)
{
	struct snt_completion out[CAPACITY_MOST];
	struct snt_request r;
	uint8_t digest[32];

	for (uint64_t i = 0; i < capacity; i++) {
		cr_assert_eq(snt_in_flight(&p->session), i);
		cr_assert_eq(submit(p, tag + i), SNT_OK);
	}
	cr_assert_eq(submit(p, 99), SNT_WOULD_BLOCK);
	cr_assert_eq(snt_in_flight(&p->session), capacity);
	for (uint64_t i = 0; i < capacity; i++) {
		cr_assert(take(p, &r));
		digest_of(tag + i, digest);
		cr_assert_eq(r.stamp, p->cursor);
		cr_assert(r.tag == tag + i && r.key == (uint32_t)(tag + i) + 7 && r.deadline == tag + i + 9 &&
			  r.op == SNT_OP_ECDSA_RECOVERABLE && memcmp(r.digest, digest, 32) == 0);
	}
	cr_assert_not(take(p, &r));
	for (uint64_t i = capacity; i-- > 1;)
		answer(p, p->cursor - capacity + i, tag + i);
	cr_assert_eq(snt_poll(&p->session, out, CAPACITY_MOST), 0);
	cr_assert_eq(submit(p, 99), SNT_WOULD_BLOCK);
	answer(p, p->cursor - capacity, tag);
	cr_assert_eq(snt_poll(&p->session, out, 0), 0);
	cr_assert_eq(snt_poll(&p->session, out, 1), 1);
	cr_assert_eq(snt_in_flight(&p->session), capacity - 1);
	cr_assert_eq(snt_poll(&p->session, out + 1, CAPACITY_MOST), capacity - 1);
	cr_assert_eq(snt_poll(&p->session, out, 1), 0);
	for (uint64_t i = 0; i < capacity; i++)
		check_answered(&out[i], tag + i);
}

Test(ring, order_and_credit_at_every_capacity_and_at_wrap_around)
{
	for (uint32_t capacity = SNT_CAPACITY_MIN; capacity <= CAPACITY_MOST; capacity *= 2) {
		for (size_t f = 0; f < sizeof firsts / sizeof firsts[0]; f++) {
			struct pair p;

			open_pair(&p, capacity, firsts[f]);
			for (uint64_t lap = 0; lap < 4; lap++)
				one_lap(&p, capacity, 1000 * lap);
			close_pair(&p);
		}
	}
}

/* What one end does by chance, checked against the promise: in order, each once, and no claimed one. */
struct model {
	struct pair p;
	uint32_t capacity, chance;
	uint64_t next_tag, next_seen;
	uint64_t sequence_of[CAPACITY_MOST]; /* by tag */
	uint64_t tags[CAPACITY_MOST];        /* by slot */
	bool answered[CAPACITY_MOST];        /* by slot */
};

static uint32_t roll(struct model *m, uint32_t sides)
{
	m->chance ^= m->chance << 13;
	m->chance ^= m->chance >> 17;
	m->chance ^= m->chance << 5;
	return m->chance % sides;
}

static void model_submit(struct model *m)
{
	uint64_t sequence = m->p.session.next;
	bool room = snt_in_flight(&m->p.session) < m->capacity;

	cr_assert_eq(submit(&m->p, m->next_tag), room ? SNT_OK : SNT_WOULD_BLOCK);
	if (!room)
		return;
	m->sequence_of[m->next_tag % m->capacity] = sequence;
	m->tags[sequence % m->capacity] = m->next_tag++;
	m->answered[sequence % m->capacity] = false;
}

/* snt_sign() with the answer there before it asks, or never in time. */
static void model_sign(struct model *m)
{
	uint64_t sequence = m->p.session.next;
	struct snt_completion out;
	bool early = roll(m, 2) == 0, room;

	snt_skip_claimed(&m->p.session);
	room = snt_in_flight(&m->p.session) < m->capacity;
	if (room && early)
		answer(&m->p, sequence, 0);
	cr_assert_eq(sign(&m->p, 0, &out), !room ? SNT_WOULD_BLOCK : early ? SNT_OK : SNT_TIMEOUT);
	if (!room)
		return;
	m->tags[sequence % m->capacity] = 0;
	m->answered[sequence % m->capacity] = early;
	if (early)
		check_answered(&out, 0);
}

static void model_answer(struct model *m)
{
	struct snt_request r;

	for (uint32_t n = roll(m, 4); n > 0 && take(&m->p, &r); n--)
		cr_assert_eq(r.tag, m->tags[(m->p.cursor - 1) % m->capacity]);
	for (uint64_t i = m->p.session.oldest; i != m->p.session.next && m->p.cursor - i - 1 < m->capacity; i++) {
		if (!m->answered[i % m->capacity] && roll(m, 2) == 0) {
			answer(&m->p, i, m->tags[i % m->capacity]);
			m->answered[i % m->capacity] = true;
		}
	}
}

static void model_poll(struct model *m, unsigned max)
{
	struct snt_completion out[CAPACITY_MOST];
	unsigned n = snt_poll(&m->p.session, out, max);

	cr_assert_leq(n, max);
	for (unsigned i = 0; i < n; i++, m->next_seen++) {
		if (m->answered[m->sequence_of[m->next_seen % m->capacity] % m->capacity])
			check_answered(&out[i], m->next_seen);
		else
			check_unavailable(&out[i], m->next_seen);
		cr_assert(m->p.session.engine_gone || out[i].status == SNT_OK);
	}
}

static void model_run(uint32_t capacity, uint64_t first, uint32_t seed)
{
	struct model m = {.capacity = capacity, .chance = seed, .next_tag = 1, .next_seen = 1};

	open_pair(&m.p, capacity, first);
	for (unsigned step = 0; step < 2000; step++) {
		switch (roll(&m, 8)) {
		case 0:
		case 1:
		case 2: model_submit(&m); break;
		case 3: model_sign(&m); break;
		case 4:
		case 5: model_answer(&m); break;
		default: model_poll(&m, roll(&m, capacity + 1)); break;
		}
		cr_assert_leq(snt_in_flight(&m.p.session), capacity);
	}
	m.p.session.engine_gone = true;
	model_poll(&m, CAPACITY_MOST);
	cr_assert_eq(m.next_seen, m.next_tag);
	cr_assert_eq(snt_in_flight(&m.p.session), 0);
	cr_assert_eq(submit(&m.p, 1), SNT_UNAVAILABLE);
	close_pair(&m.p);
}

Test(ring, any_mix_of_calls_completes_each_request_once_and_in_order)
{
	for (uint32_t capacity = SNT_CAPACITY_MIN; capacity <= CAPACITY_MOST; capacity *= 2)
		for (size_t f = 0; f < sizeof firsts / sizeof firsts[0]; f++)
			for (uint32_t seed = 1; seed <= 10; seed++)
				model_run(capacity, firsts[f], seed * 2654435761u);
}

Test(ring, only_its_own_stamp_makes_a_slot_valid)
{
	struct snt_completion out;
	struct snt_request r;
	struct pair p;

	for (size_t f = 0; f < sizeof firsts / sizeof firsts[0]; f++) {
		open_pair(&p, 8, firsts[f] + 1000);
		cr_assert_eq(submit(&p, 5), SNT_OK);
		for (uint64_t lap = 1; lap < 4; lap++) {
			p.session.requests[p.cursor & 7].stamp = p.cursor + 1 - 8 * lap;
			cr_assert_not(snt_ring_take(&p.region.ring, p.cursor, &r));
			p.session.requests[p.cursor & 7].stamp = p.cursor + 1 + 8 * lap;
			cr_assert_not(snt_ring_take(&p.region.ring, p.cursor, &r));
			answer(&p, p.cursor - 8 * lap, 5);
			cr_assert_eq(snt_poll(&p.session, &out, 1), 0);
			answer(&p, p.cursor + 8 * lap, 5);
			cr_assert_eq(snt_poll(&p.session, &out, 1), 0);
		}
		close_pair(&p);
	}
}

Test(ring, what_was_taken_is_a_private_copy)
{
	struct snt_request r;
	struct pair p;

	open_pair(&p, 2, 0);
	cr_assert_eq(submit(&p, 5), SNT_OK);
	cr_assert(take(&p, &r));
	memset(p.session.requests, 0xff, 2 * sizeof r);
	cr_assert(r.stamp == 1 && r.tag == 5 && r.op == SNT_OP_ECDSA_RECOVERABLE && r.reserved[0] == 0);
	close_pair(&p);
}

static void *serve_four(void *argument)
{
	struct pair *p = argument;
	struct snt_request r;

	while (p->cursor < 4) {
		if (take(p, &r))
			answer(p, p->cursor - 1, r.tag);
		else
			snt_pause();
	}
	return NULL;
}

Test(ring, sign_leaves_what_is_outstanding_to_poll)
{
	struct snt_completion out[4], signature;
	pthread_t engine;
	struct pair p;

	open_pair(&p, 4, 0);
	for (uint64_t tag = 1; tag <= 3; tag++)
		cr_assert_eq(submit(&p, tag), SNT_OK);
	cr_assert_eq(pthread_create(&engine, NULL, serve_four, &p), 0);
	cr_assert_eq(sign(&p, UINT64_C(30000000000), &signature), SNT_OK);
	cr_assert_eq(pthread_join(engine, NULL), 0);
	check_answered(&signature, 0);
	cr_assert_eq(snt_in_flight(&p.session), 4);
	cr_assert_eq(sign(&p, 0, &signature), SNT_WOULD_BLOCK);
	cr_assert_eq(snt_poll(&p.session, out, 4), 3);
	for (uint64_t tag = 1; tag <= 3; tag++)
		check_answered(&out[tag - 1], tag);
	cr_assert_eq(snt_poll(&p.session, out, 4), 0);
	cr_assert_eq(snt_in_flight(&p.session), 0);
	close_pair(&p);
}

Test(ring, a_late_answer_is_dropped_once)
{
	struct snt_completion out;
	struct snt_request r;
	struct pair p;
	uint64_t before, after, wait;

	open_pair(&p, 2, 0);
	before = snt_ticks();
	cr_assert_eq(sign(&p, 1000000, &out), SNT_TIMEOUT);
	after = snt_ticks();
	cr_assert(out.status == SNT_TIMEOUT && out.op == SNT_OP_ECDSA_RECOVERABLE && out.tag == 0);
	cr_assert(take(&p, &r));
	wait = snt_ticks_from_ns(&p.session, 1000000);
	cr_assert(r.deadline >= before + wait && r.deadline < after);
	cr_assert_eq(submit(&p, 1), SNT_OK);
	cr_assert_eq(submit(&p, 2), SNT_WOULD_BLOCK);
	answer(&p, 1, 1);
	cr_assert_eq(snt_poll(&p.session, &out, 1), 0);
	answer(&p, 0, 77);
	cr_assert_eq(snt_poll(&p.session, &out, 1), 1);
	check_answered(&out, 1);
	cr_assert_eq(snt_in_flight(&p.session), 0);
	/* Its slot's next tenant is nobody's late answer. */
	cr_assert_eq(submit(&p, 2), SNT_OK);
	answer(&p, 2, 2);
	cr_assert_eq(snt_poll(&p.session, &out, 1), 1);
	check_answered(&out, 2);
	close_pair(&p);
}

Test(ring, an_engine_that_dies_is_noticed_and_every_request_completed)
{
	struct snt_completion out[4];
	struct pair p;
	int ends[2];
	unsigned n = 0;

	open_pair(&p, 4, 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	p.session.fd = ends[0];
	for (uint64_t tag = 1; tag <= 4; tag++)
		cr_assert_eq(submit(&p, tag), SNT_OK);
	for (uint64_t start = snt_ticks(); snt_ticks() - start < ticks_per_s / 10;)
		cr_assert_eq(snt_poll(&p.session, out, 4), 0);
	cr_assert_not(p.session.engine_gone);
	answer(&p, 1, 2);
	(void)close(ends[1]);
	while (n < 4)
		n += snt_poll(&p.session, out + n, 4 - n);
	check_unavailable(&out[0], 1);
	check_answered(&out[1], 2);
	check_unavailable(&out[2], 3);
	check_unavailable(&out[3], 4);
	cr_assert_eq(snt_poll(&p.session, out, 4), 0);
	cr_assert_eq(submit(&p, 5), SNT_UNAVAILABLE);
	cr_assert_eq(sign(&p, 0, out), SNT_UNAVAILABLE);
	p.session.fd = -1;
	(void)close(ends[0]);
	close_pair(&p);
}
