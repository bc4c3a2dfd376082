/* A worker that is stopped, not ended: its requests are answered after two seconds, it is replaced, and signing goes on. */
#define _GNU_SOURCE
#include "path.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { REQUESTS = 200 };

int main(void)
{
	static const uint8_t secret[32] = {[31] = 5}, digest[32] = {3};
	unsigned answered[REQUESTS] = {0}, signed_ok = 0, unavailable = 0;
	struct path_engine engine;
	struct snt_session session;
	struct snt_completion done;
	struct snt_key key;
	char config[256];
	pid_t worker;

	path_time_limit(120);
	(void)snprintf(config, sizeof config, "[lane a]\nlink = unix:@/worker\n[key k]\nuid = %u\n", (unsigned)geteuid());
	path_init(&engine, config);
	path_add_key(&engine, "k", secret);
	path_start(&engine);
	path_open(&engine, &session, 256);
	key = path_key(&session, "k");
	worker = path_worker_pid(&engine);
	PATH_CHECK(worker > 0 && kill(worker, SIGSTOP) == 0, "no worker to stop");
	for (uint64_t tag = 0; tag < REQUESTS; tag++)
		PATH_CHECK(snt_submit(&session, key.id, SNT_OP_ECDSA, digest, 0, tag) == SNT_OK, "tag %u", (unsigned)tag);
	while (snt_in_flight(&session) > 0) {
		if (snt_poll(&session, &done, 1) == 0)
			continue;
		PATH_CHECK(done.tag < REQUESTS && answered[done.tag]++ == 0, "tag %u twice", (unsigned)done.tag);
		if (done.status == SNT_OK)
			signed_ok += path_verify(&done, digest, key.pubkey);
		else
			unavailable += done.status == SNT_UNAVAILABLE;
	}
	PATH_CHECK(signed_ok + unavailable == REQUESTS, "%u signed, %u unavailable", signed_ok, unavailable);
	PATH_CHECK(unavailable > 0, "the stopped worker answered everything");
	for (unsigned tries = 0; snt_sign(&session, key.id, SNT_OP_ECDSA, digest, 1000000000, &done) != SNT_OK; tries++) {
		PATH_CHECK(tries < 1000, "it never signs again: %s", snt_status_str(done.status));
		(void)usleep(10000);
	}
	PATH_CHECK(path_verify(&done, digest, key.pubkey), "a wrong signature");
	PATH_CHECK(path_worker_pid(&engine) != worker, "the stopped worker was kept");
	(void)printf("%u signed, %u unavailable, none lost; another worker signs\n", signed_ok, unavailable);
	snt_close(&session);
	path_stop(&engine);
	return 0;
}
