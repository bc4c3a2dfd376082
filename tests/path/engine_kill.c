/* Kills the engine with requests in flight: each is completed once, nothing hangs, and the next engine takes over. */
#define _GNU_SOURCE
#include "path.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>

enum { REQUESTS = 4000, FROZEN_REQUESTS = 100, BEFORE_KILL = 20 };

/* How the client meets the end. */
enum way {
	POLLING, /* in a loop of nothing but snt_poll() */
	SIGNING, /* in snt_sign() */
	FROZEN,  /* the engine takes nothing any more when the requests are made */
	WAYS
};
static const char *const way_names[WAYS] = {"polling", "signing", "engine frozen first"};

struct tally {
	unsigned completed, signed_ok, unavailable;
};

static void submit(struct snt_session *session, uint32_t key, unsigned count)
{
	for (unsigned tag = 0; tag < count; tag++) {
		uint8_t digest[32];

		path_digest(digest, tag);
		PATH_CHECK(snt_submit(session, key, SNT_OP_ECDSA + tag % 3, digest, 0, tag) == SNT_OK, "submit");
	}
}

static void collect(struct snt_session *session, const struct snt_key *key, struct tally *tally, unsigned until)
{
	while (tally->completed < until) {
		struct snt_completion done;
		uint8_t digest[32];

		if (snt_poll(session, &done, 1) == 0)
			continue;
		PATH_CHECK(done.tag == tally->completed, "tag %llu in place of %u", (unsigned long long)done.tag,
			   tally->completed);
		PATH_CHECK(done.op == SNT_OP_ECDSA + tally->completed % 3, "operation %u", done.op);
		path_digest(digest, tally->completed++);
		if (done.status == SNT_UNAVAILABLE) {
			tally->unavailable++;
		} else {
			PATH_CHECK(path_verify(&done, digest, key->pubkey), "request %llu: %s",
				   (unsigned long long)done.tag, snt_status_str(done.status));
			tally->signed_ok++;
		}
	}
}

static void sign(const struct path_engine *engine)
{
	struct snt_session session;
	struct snt_completion done;
	struct snt_key key;
	uint8_t digest[32];

	path_digest(digest, 1);
	path_open(engine, &session, 0);
	key = path_key(&session, "k");
	PATH_CHECK(snt_sign(&session, key.id, SNT_OP_ECDSA, digest, 30000000000, &done) == SNT_OK &&
			   path_verify(&done, digest, key.pubkey),
		   "the next engine: %s", snt_status_str(done.status));
	snt_close(&session);
}

static void check(struct path_engine *engine, enum way way)
{
	unsigned requests = way == FROZEN ? FROZEN_REQUESTS : REQUESTS;
	struct pollfd worker = {.fd = -1, .events = POLLIN};
	struct tally tally = {0};
	struct snt_session session;
	struct snt_completion done;
	struct snt_key key, again;
	uint8_t digest[32] = {1};
	pid_t worker_pid;
	int rc;

	path_start(engine);
	path_open(engine, &session, 4096);
	key = path_key(&session, "k");
	worker_pid = path_worker_pid(engine);
	if (worker_pid != 0) {
		worker.fd = (int)syscall(SYS_pidfd_open, worker_pid, 0);
		PATH_CHECK(worker.fd >= 0, "%s", strerror(errno));
	}
	if (way == FROZEN)
		path_freeze(engine);
	submit(&session, key.id, requests);
	if (way != FROZEN)
		collect(&session, &key, &tally, BEFORE_KILL);
	path_kill(engine);
	if (way == SIGNING)
		PATH_CHECK(snt_sign(&session, key.id, SNT_OP_ECDSA, digest, 100000000000, &done) == SNT_UNAVAILABLE, "%s",
			   snt_status_str(done.status));
	collect(&session, &key, &tally, requests);
	PATH_CHECK(way != FROZEN || tally.signed_ok == 0, "%u signed by a frozen engine", tally.signed_ok);
	PATH_CHECK(snt_poll(&session, &done, 1) == 0 && snt_in_flight(&session) == 0, "more completions than requests");
	PATH_CHECK(snt_submit(&session, key.id, SNT_OP_ECDSA, digest, 0, 0) == SNT_UNAVAILABLE || tally.unavailable == 0,
		   "a request was taken after the end");
	PATH_CHECK(snt_sign(&session, key.id, SNT_OP_ECDSA, digest, 100000000000, &done) == SNT_UNAVAILABLE, "%s",
		   snt_status_str(done.status));
	rc = snt_key_find(&session, "k", &again);
	PATH_CHECK(rc == -ECONNRESET, "%s", strerror(-rc));
	rc = snt_open(&(struct snt_session){.fd = -1}, engine->socket, 0);
	PATH_CHECK(rc == -ECONNREFUSED, "%s", strerror(-rc));
	if (worker.fd >= 0) {
		/* Readable when the process has ended. */
		PATH_CHECK(poll(&worker, 1, 20000) == 1, "the worker outlives its engine");
		(void)close(worker.fd);
	}
	path_start(engine); /* on the socket and the lock that the dead one left */
	sign(engine);
	snt_close(&session);
	path_stop(engine);
	(void)printf("  %s: %u signed and verified, %u unavailable\n", way_names[way], tally.signed_ok, tally.unavailable);
}

static void check_link(const char *link)
{
	static const uint8_t secret[32] = {[31] = 7};
	struct path_engine engine;
	char config[256];

	(void)printf("%s\n", link);
	(void)snprintf(config, sizeof config, "[lane a]\nlink = %s\n[key k]\nuid = %u\n", link, (unsigned)geteuid());
	path_init(&engine, config);
	path_add_key(&engine, "k", secret);
	for (enum way way = 0; way < WAYS; way++) {
		path_time_limit(120);
		check(&engine, way);
	}
}

int main(void)
{
	check_link("direct");
	check_link("unix:@/worker");
	return 0;
}
