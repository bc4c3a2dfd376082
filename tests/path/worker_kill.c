/* Ends the worker with 10,000 requests in flight: each is completed once, in order, and the next worker goes on. */
#define _GNU_SOURCE
#include "path.h"

#include <signal.h>
#include <string.h>

enum { SESSIONS = 2, REQUESTS = 10000, ROUNDS = 6, ATTEMPTS = 30, BEFORE_KILL = 50 };

/* How many of a round's requests each session carries; both rings are larger. */
static const unsigned shares[SESSIONS] = {8000, REQUESTS - 8000};

struct side {
	struct snt_session session;
	struct snt_key key;
	uint64_t first; /* tag of the round's first request */
	unsigned share, completed, signed_ok, unavailable;
};

static enum snt_op op_of(uint64_t tag)
{
	static const enum snt_op ops[] = {SNT_OP_ECDSA, SNT_OP_SCHNORR, SNT_OP_ECDSA_RECOVERABLE, SNT_OP_ECHO};

	return ops[tag % 4];
}

static void submit_all(struct side *side, uint64_t first)
{
	side->first = first;
	side->completed = side->signed_ok = side->unavailable = 0;
	for (uint64_t tag = first; tag < first + side->share; tag++) {
		uint8_t digest[32];

		path_digest(digest, tag);
		PATH_CHECK(snt_submit(&side->session, side->key.id, op_of(tag), digest, 0, tag) == SNT_OK, "request %llu",
			   (unsigned long long)tag);
	}
}

/* Takes what is there. The order of tags is the order of submission, so a lost or doubled completion shows at once. */
static void collect(struct side *side)
{
	struct snt_completion done[64];
	unsigned n = snt_poll(&side->session, done, 64);

	for (unsigned i = 0; i < n; i++) {
		uint64_t tag = side->first + side->completed++;
		uint8_t digest[32];

		PATH_CHECK(side->completed <= side->share, "more completions than requests");
		PATH_CHECK(done[i].tag == tag, "tag %llu in place of %llu", (unsigned long long)done[i].tag,
			   (unsigned long long)tag);
		PATH_CHECK(done[i].op == op_of(tag), "operation %u in place of %u", done[i].op, op_of(tag));
		if (done[i].status == SNT_UNAVAILABLE) {
			side->unavailable++;
			continue;
		}
		path_digest(digest, tag);
		PATH_CHECK(path_verify(&done[i], digest, side->key.pubkey), "request %llu: %s, and does not verify",
			   (unsigned long long)tag, snt_status_str(done[i].status));
		side->signed_ok++;
	}
}

/* Until the new worker is connected the answer is UNAVAILABLE, at once. */
static void sign_again(struct side *side)
{
	for (unsigned i = 0; i < 8; i++) {
		struct snt_completion done;
		enum snt_status status;
		uint8_t digest[32];

		path_digest(digest, i);
		while ((status = snt_sign(&side->session, side->key.id, op_of(i), digest, 30000000000, &done)) ==
		       SNT_UNAVAILABLE)
			path_nap_ms(2);
		PATH_CHECK(status == SNT_OK && path_verify(&done, digest, side->key.pubkey), "after the restart: %s",
			   snt_status_str(status));
	}
}

/* False when the worker had answered all before it could be ended, so that the round shows nothing. */
static bool run(const struct path_engine *engine, struct side *sides, uint64_t first, int signal_number)
{
	pid_t worker = path_worker_pid(engine), next;
	unsigned signed_ok = 0, unavailable = 0;

	PATH_CHECK(worker != 0, "there is no worker");
	for (unsigned i = 0; i < SESSIONS; i++) {
		submit_all(&sides[i], first);
		first += sides[i].share;
	}
	while (sides[0].completed < BEFORE_KILL)
		collect(&sides[0]);
	PATH_CHECK(kill(worker, signal_number) == 0, "the worker is gone");
	for (unsigned i = 0; i < SESSIONS; i++) {
		while (sides[i].completed < sides[i].share)
			collect(&sides[i]);
		PATH_CHECK(snt_in_flight(&sides[i].session) == 0, "requests are left");
		signed_ok += sides[i].signed_ok;
		unavailable += sides[i].unavailable;
	}
	next = path_next_worker(engine, worker);
	for (unsigned i = 0; i < SESSIONS; i++) {
		sign_again(&sides[i]);
		collect(&sides[i]); /* fails on a completion that comes after the last */
	}
	(void)printf("signal %2d: worker %d, then %d; %u signed and verified, %u unavailable\n", signal_number, (int)worker,
		     (int)next, signed_ok, unavailable);
	PATH_CHECK(signed_ok + unavailable == REQUESTS, "%u completions", signed_ok + unavailable);
	return unavailable > 0;
}

int main(void)
{
	static const uint8_t secret[32] = {[31] = 5};
	struct path_engine engine;
	struct side sides[SESSIONS];
	char config[256];
	unsigned rounds = 0;

	path_time_limit(240);
	(void)snprintf(config, sizeof config, "[lane a]\nlink = unix:@/worker\n[key k]\nuid = %u\n", (unsigned)geteuid());
	path_init(&engine, config);
	path_add_key(&engine, "k", secret);
	path_start(&engine);
	memset(sides, 0, sizeof sides);
	for (unsigned i = 0; i < SESSIONS; i++) {
		path_open(&engine, &sides[i].session, i == 0 ? 8192 : 2048);
		sides[i].key = path_key(&sides[i].session, "k");
		sides[i].share = shares[i];
	}
	for (unsigned i = 0; i < ATTEMPTS && rounds < ROUNDS; i++)
		rounds += run(&engine, sides, (uint64_t)i * REQUESTS, rounds % 3 == 2 ? SIGTERM : SIGKILL);
	PATH_CHECK(rounds == ROUNDS, "the worker was never ended in time");
	for (unsigned i = 0; i < SESSIONS; i++)
		snt_close(&sides[i].session);
	path_stop(&engine);
	return 0;
}
