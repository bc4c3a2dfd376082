/* Two threads on one region, each payload checked at both ends: exit 0, or 1 at the first byte that is wrong.
 *
 * CAPACITY is the compiler's argument. What a wrong order of stores would let through shows as a wrong payload on
 * machines that reorder, and as a race under ThreadSanitizer everywhere. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "region.h"
#include "sentinel.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif
#ifdef SANITIZED
enum { MESSAGES = 200000 };
#else
enum { MESSAGES = 2000000 };
#endif
enum { SPINS_BEFORE_YIELD = 256, BURST = 16 };

/* Every 64th request is one of snt_sign() that gives up at once: nobody may see its answer. */
static bool abandoned(uint64_t sequence)
{
	return sequence % 64 == 0;
}

static struct snt_region region;

/* Spins, and gives the core away after a while: the other thread may need it. */
static void wait_a_little(unsigned *rounds)
{
	if (++*rounds % SPINS_BEFORE_YIELD == 0)
		(void)sched_yield();
	else
		snt_pause();
}

static uint64_t word(uint64_t tag, unsigned i)
{
	return (tag + 1) * 0x9e3779b97f4a7c15u + i;
}

static void fill(uint8_t *bytes, unsigned words, uint64_t tag)
{
	for (unsigned i = 0; i < words; i++) {
		uint64_t value = word(tag, i);

		memcpy(bytes + 8 * i, &value, sizeof value);
	}
}

static bool holds(const uint8_t *bytes, unsigned words, uint64_t tag)
{
	for (unsigned i = 0; i < words; i++) {
		uint64_t value;

		memcpy(&value, bytes + 8 * i, sizeof value);
		if (value != word(tag, i))
			return false;
	}
	return true;
}

static bool request_is_right(const struct snt_request *r, uint64_t sequence)
{
	return r->stamp == sequence + 1 && r->key == (uint32_t)sequence && r->op == SNT_OP_ECHO &&
	       holds(r->digest, 4, sequence) &&
	       (abandoned(sequence) ? r->tag == 0 : r->tag == sequence && r->deadline == ~sequence);
}

/* The engine's thread. Answers two alone and then two from the back, so that completions come out of order too. */
static void *serve(void *wrong)
{
	struct snt_response response = {.op = SNT_OP_ECHO};
	unsigned rounds = 0, batch;

	for (uint64_t taken = 0; taken < MESSAGES; taken += batch) {
		batch = taken % 4 == 2 ? 2 : 1;
		for (uint64_t i = taken; i < taken + batch; i++) {
			struct snt_request r;

			while (!snt_ring_take(&region.ring, i, &r))
				wait_a_little(&rounds);
			if (!request_is_right(&r, i)) {
				(void)fprintf(stderr, "request %llu arrived changed\n", (unsigned long long)i);
				*(bool *)wrong = true;
			}
		}
		for (uint64_t i = taken + batch; i-- > taken;) {
			response.tag = i;
			response.recovery_id = i & 3;
			fill(response.signature, 8, ~i);
			snt_ring_answer(&region.ring, i, &response);
		}
	}
	return NULL;
}

/* Asks for the request number `sequence`. False when there is no room. */
static bool ask(struct snt_session *s, uint64_t sequence)
{
	struct snt_completion unseen;
	uint8_t digest[32];

	fill(digest, 4, sequence);
	if (abandoned(sequence))
		return snt_sign(s, (uint32_t)sequence, SNT_OP_ECHO, digest, 0, &unseen) != SNT_WOULD_BLOCK;
	return snt_submit(s, (uint32_t)sequence, SNT_OP_ECHO, digest, ~sequence, sequence) == SNT_OK;
}

/* The client's thread. False at the first completion that is not the next one, whole. */
static bool ask_all(struct snt_session *s)
{
	struct snt_completion done[BURST];
	uint64_t asked = 0, seen = 0;
	unsigned rounds = 0;

	while (asked < MESSAGES || snt_in_flight(s) > 0) {
		unsigned n;

		while (asked < MESSAGES && ask(s, asked))
			asked++;
		n = snt_poll(s, done, BURST);
		for (unsigned i = 0; i < n; i++, seen++) {
			seen += abandoned(seen);
			if (done[i].tag != seen || done[i].status != SNT_OK || done[i].op != SNT_OP_ECHO ||
			    done[i].recovery_id != (seen & 3) || !holds(done[i].signature, 8, ~seen)) {
				(void)fprintf(stderr, "answer %llu arrived changed\n", (unsigned long long)seen);
				return false;
			}
		}
		if (n == 0)
			wait_a_little(&rounds);
	}
	return seen == MESSAGES;
}

int main(void)
{
	struct snt_session s;
	pthread_t engine;
	bool wrong = false, right;

	if (snt_region_create(&region, CAPACITY, 1000000000) < 0 || snt_attach(&s, region.base, region.bytes) < 0 ||
	    pthread_create(&engine, NULL, serve, &wrong) != 0) {
		(void)fprintf(stderr, "no memory or no thread to test with\n");
		return 1;
	}
	right = ask_all(&s);
	if (!right)
		return 1; /* the engine's thread may be waiting for what will not come */
	(void)pthread_join(engine, NULL);
	snt_close(&s);
	snt_region_destroy(&region);
	return wrong ? 1 : 0;
}
