/* A session with a long queue delays another by a request at a time, and lanes share the sessions among them.
 *
 * The engine is frozen to look at it, so what is compared was true at one moment and no time is measured. */
#define _GNU_SOURCE
#include "path.h"

#include <string.h>

enum { BUSY_QUEUE = 4096, PROBE = 256, PROBES = 12, LINK_WINDOW = 256 };

/* Requests answered so far. */
static uint64_t answered(const struct snt_session *session)
{
	uint64_t n = session->oldest;

	while (n != session->next && snt_load_acquire(&session->responses[n & session->mask].stamp) == n + 1)
		n++;
	return n;
}

static void fill(struct snt_session *session, uint32_t key)
{
	static const uint8_t digest[32] = {2};

	while (snt_submit(session, key, SNT_OP_ECDSA, digest, 0, 0) == SNT_OK)
		continue;
}

static void drain(struct snt_session *session)
{
	struct snt_completion done;

	while (snt_in_flight(session) > 0)
		if (snt_poll(session, &done, 1) == 1)
			PATH_CHECK(done.status == SNT_OK, "%s", snt_status_str(done.status));
}

/* While one session has thousands queued, the other comes with its requests: from then on the first may get no more
 * answers than the other, but for one, and for those that were on the link already. */
static void probe(const struct path_engine *engine, struct snt_session *busy, struct snt_session *other, uint32_t key,
		  uint64_t allowance)
{
	uint64_t busy_before, busy_more, other_more;

	path_freeze(engine);
	fill(busy, key);
	busy_before = answered(busy);
	fill(other, key);
	for (unsigned ms = 1;; ms = ms < 64 ? 2 * ms : ms) {
		path_thaw(engine);
		path_nap_ms(ms);
		path_freeze(engine);
		busy_more = answered(busy) - busy_before;
		other_more = answered(other) - other->oldest;
		if (other_more == PROBE)
			break; /* too late to compare: nothing of the other's is waiting any more */
		PATH_CHECK(busy_more <= other_more + 1 + allowance, "%llu answers to one, %llu to the other",
			   (unsigned long long)busy_more, (unsigned long long)other_more);
		PATH_CHECK(other_more <= busy_more + 1 || busy_before + busy_more == busy->next,
			   "%llu answers to one, %llu to the other", (unsigned long long)busy_more,
			   (unsigned long long)other_more);
	}
	path_thaw(engine);
	drain(other);
}

static void check_turns(const char *link, uint64_t allowance)
{
	static const uint8_t secret[32] = {[31] = 4};
	struct path_engine engine;
	struct snt_session busy, other;
	char config[256];
	uint32_t key;

	(void)snprintf(config, sizeof config, "[lane a]\nlink = %s\n[key k]\nuid = %u\n", link, (unsigned)geteuid());
	path_init(&engine, config);
	path_add_key(&engine, "k", secret);
	path_start(&engine);
	path_open(&engine, &busy, BUSY_QUEUE);
	path_open(&engine, &other, PROBE);
	key = path_key(&busy, "k").id;
	for (unsigned i = 0; i < PROBES; i++) {
		struct snt_completion done;

		probe(&engine, &busy, &other, key, allowance);
		/* Room for the next round; the rest of the queue stays. */
		for (unsigned j = 0; j < 2 * PROBE && snt_poll(&busy, &done, 1) == 1; j++)
			PATH_CHECK(done.status == SNT_OK, "%s", snt_status_str(done.status));
	}
	drain(&busy);
	snt_close(&busy);
	snt_close(&other);
	path_stop(&engine);
	(void)printf("%s: %d times %d requests beside %d\n", link, PROBES, PROBE, BUSY_QUEUE);
}

/* Two lanes: each new session goes to the lane that has fewer, and keys work in both. */
static void check_lanes(void)
{
	static const uint8_t secret[32] = {[31] = 5};
	struct path_engine engine;
	struct snt_session sessions[4];
	unsigned on_lane[2] = {0, 0};
	char config[256];

	(void)snprintf(config, sizeof config, "wait = yield\n[lane a]\n[lane b]\n[key k]\nuid = %u\n[key l]\nuid = %u\n",
		       (unsigned)geteuid(), (unsigned)geteuid());
	path_init(&engine, config);
	path_add_key(&engine, "k", secret);
	path_add_key(&engine, "l", (const uint8_t[32]){[31] = 6});
	path_start(&engine);
	for (unsigned i = 0; i < 4; i++) {
		path_open(&engine, &sessions[i], 64);
		PATH_CHECK(sessions[i].engine.lane < 2 && sessions[i].engine.yields == 1, "lane %u", sessions[i].engine.lane);
		on_lane[sessions[i].engine.lane]++;
		PATH_CHECK(i % 2 == 0 || on_lane[0] == on_lane[1], "%u sessions on one lane, %u on the other", on_lane[0],
			   on_lane[1]);
	}
	for (unsigned i = 0; i < 400; i++) {
		struct snt_session *session = &sessions[i % 4];
		struct snt_key key = path_key(session, i / 4 % 2 == 0 ? "k" : "l");
		struct snt_completion done;
		uint8_t digest[32];

		path_digest(digest, i);
		PATH_CHECK(snt_sign(session, key.id, SNT_OP_ECDSA + i % 3, digest, 30000000000, &done) == SNT_OK &&
				   path_verify(&done, digest, key.pubkey),
			   "lane %u: %s", session->engine.lane, snt_status_str(done.status));
	}
	for (unsigned i = 0; i < 4; i++)
		snt_close(&sessions[i]);
	path_stop(&engine);
	(void)printf("two lanes: 400 signatures in 4 sessions\n");
}

int main(void)
{
	path_time_limit(120);
	check_turns("direct", 0);
	path_time_limit(120);
	check_turns("unix:@/worker", LINK_WINDOW);
	path_time_limit(120);
	check_lanes();
	return 0;
}
