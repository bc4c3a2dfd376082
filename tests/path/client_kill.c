/* Kills clients with requests in flight: their sessions come free again, and nobody else notices. */
#define _GNU_SOURCE
#include "path.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* Four sessions at most: with one held throughout, a fourth client would be refused if those of the first three leaked. */
enum { CLIENTS = 50, IN_FLIGHT = 96, CLIENT_CAPACITY = 1024 };

/* Keeps its ring full until it is killed; says when it first was. */
static void client(const struct path_engine *engine, int out, unsigned number)
{
	struct snt_completion done[16];
	struct snt_session session;
	uint8_t digest[32];
	struct snt_key key = {0};
	int rc = snt_open(&session, engine->socket, CLIENT_CAPACITY);

	if (rc == 0)
		rc = snt_key_find(&session, "k", &key);
	if (rc < 0) {
		(void)fprintf(stderr, "client %u: %s\n", number, strerror(-rc));
		_exit(1);
	}
	for (uint64_t tag = 0;; tag++) {
		path_digest(digest, tag);
		while (snt_submit(&session, key.id, number % 2 == 0 ? SNT_OP_ECDSA : SNT_OP_ECHO, digest, 0, tag) ==
		       SNT_WOULD_BLOCK)
			(void)snt_poll(&session, done, 16);
		if (tag == (number * 41) % CLIENT_CAPACITY && write(out, "", 1) != 1)
			_exit(1);
	}
}

static void submit(struct snt_session *session, uint32_t key, uint64_t first)
{
	for (uint64_t tag = first; tag < first + IN_FLIGHT; tag++) {
		uint8_t digest[32];

		path_digest(digest, tag);
		PATH_CHECK(snt_submit(session, key, SNT_OP_ECHO + (unsigned)tag % 4, digest, 0, tag) == SNT_OK, "submit");
	}
}

static void collect(struct snt_session *session, const struct snt_key *key, uint64_t first)
{
	for (uint64_t tag = first; tag < first + IN_FLIGHT;) {
		struct snt_completion done;
		uint8_t digest[32];

		if (snt_poll(session, &done, 1) == 0)
			continue;
		path_digest(digest, tag);
		PATH_CHECK(done.tag == tag && path_verify(&done, digest, key->pubkey), "request %llu: %s",
			   (unsigned long long)tag, snt_status_str(done.status));
		tag++;
	}
}

/* Descriptors the engine holds; -1 where that may not be looked at. */
static int descriptors(const struct path_engine *engine)
{
	char path[64];
	int count = 0;
	DIR *fds;

	(void)snprintf(path, sizeof path, "/proc/%d/fd", (int)engine->pid);
	fds = opendir(path);
	if (fds == NULL)
		return -1;
	while (readdir(fds) != NULL)
		count++;
	(void)closedir(fds);
	return count;
}

static void check_link(const char *link)
{
	static const uint8_t secret[32] = {[31] = 6};
	struct path_engine engine;
	struct snt_session session;
	struct snt_key key;
	char config[256];
	int held, wait = 0;

	(void)snprintf(config, sizeof config, "sessions = 4\n[lane a]\nlink = %s\n[key k]\nuid = %u\n", link,
		       (unsigned)geteuid());
	path_init(&engine, config);
	path_add_key(&engine, "k", secret);
	path_start(&engine);
	path_open(&engine, &session, 1024);
	key = path_key(&session, "k"); /* answered after the end of the session that path_start() had open */
	held = descriptors(&engine);
	for (unsigned i = 0; i < CLIENTS; i++) {
		int ready[2], status;
		char byte;
		pid_t pid;

		PATH_CHECK(pipe(ready) == 0, "%s", strerror(errno));
		submit(&session, key.id, (uint64_t)i * 2 * IN_FLIGHT);
		pid = fork();
		if (pid == 0)
			client(&engine, ready[1], i);
		(void)close(ready[1]);
		PATH_CHECK(pid > 0 && read(ready[0], &byte, 1) == 1, "client %u got no session", i);
		(void)close(ready[0]);
		collect(&session, &key, (uint64_t)i * 2 * IN_FLIGHT);
		submit(&session, key.id, ((uint64_t)i * 2 + 1) * IN_FLIGHT);
		PATH_CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "client %u", i);
		collect(&session, &key, ((uint64_t)i * 2 + 1) * IN_FLIGHT);
	}
	while (held >= 0 && descriptors(&engine) != held) {
		PATH_CHECK(wait++ < 4000, "the engine holds %d descriptors, and %d before", descriptors(&engine), held);
		path_nap_ms(5);
	}
	snt_close(&session);
	path_stop(&engine);
	(void)printf("%s: %d clients killed, %d answers to another verified, %d descriptors before and after\n", link,
		     CLIENTS, 2 * CLIENTS * IN_FLIGHT, held);
}

int main(void)
{
	path_time_limit(120);
	check_link("direct");
	path_time_limit(120);
	check_link("unix:@/worker");
	return 0;
}
