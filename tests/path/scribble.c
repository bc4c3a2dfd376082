/* A client that writes rubbish all over its memory, or takes the memory away, harms nobody but itself.
 *
 * SCRIBBLE_SECONDS in the environment says for how long, half of it on each link (default 10). */
#define _GNU_SOURCE
#include "path.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum { CAPACITY = 256, WINDOW = 16, REFERENCES = 12, HOLES = 300 };

static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static time_t now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* A request that may pass or be refused at any of the checks. */
static void plausible(struct snt_request *request)
{
	uint64_t r = next_random();

	request->tag = next_random();
	request->op = (uint8_t)(r % 8 == 0 ? r >> 8 : r % 6);
	request->key = (uint32_t)(r >> 16) % (r % 5 == 0 ? UINT32_MAX : 3);
	request->deadline = r % 3 == 0 ? next_random() : 0;
	request->reserved[r % 3] = (uint8_t)(r % 16 == 0);
	for (unsigned i = 0; i < 32; i++)
		request->digest[i] = (uint8_t)(r >> i);
}

/* The child: rubbish everywhere, and stamps for the sequences around the one that seems due, so that the engine takes
 * it. Tells how many answers it saw. */
static void scribble(const struct path_engine *engine, int seconds, int out)
{
	struct snt_session session;
	uint64_t sequence = 0, answers = 0, unmoved = 0;
	time_t end = now_s() + seconds;
	volatile uint64_t *words;

	random_state = 0x9e3779b97f4a7c15;
	if (snt_open(&session, engine->socket, CAPACITY) != 0)
		_exit(1);
	words = session.region;
	while (now_s() < end) {
		for (unsigned i = 0; i < 64; i++)
			words[next_random() % (session.region_bytes / sizeof *words)] = next_random();
		for (uint64_t s = sequence > WINDOW ? sequence - WINDOW : 0; s < sequence + WINDOW; s++) {
			struct snt_request *request = &session.requests[s & session.mask];

			plausible(request);
			snt_store_release(&request->stamp, s + 1);
		}
		if (snt_load_acquire(&session.responses[sequence & session.mask].stamp) == sequence + 1) {
			sequence++;
			answers++;
			unmoved = 0;
		} else if (++unmoved % 1024 == 0) {
			sequence++; /* the answer was scribbled over, perhaps */
		}
	}
	if (write(out, &answers, sizeof answers) != (ssize_t)sizeof answers)
		_exit(1);
	_exit(0);
}

/* The child: takes pages out of its own memory while requests are in them. */
static void punch(const struct path_engine *engine, int out)
{
	struct snt_session session;
	struct snt_completion done[8];
	uint64_t holes = 0;
	uint8_t digest[32] = {1};

	if (snt_open(&session, engine->socket, CAPACITY) != 0)
		_exit(1);
	for (unsigned i = 0; i < HOLES; i++) {
		for (unsigned j = 0; j < 8; j++)
			(void)snt_submit(&session, 0, SNT_OP_ECDSA, digest, 0, j);
		if (madvise(session.region, session.region_bytes, MADV_REMOVE) < 0)
			_exit(2);
		(void)snt_poll(&session, done, 8);
		holes++;
	}
	if (write(out, &holes, sizeof holes) != (ssize_t)sizeof holes)
		_exit(1);
	_exit(0);
}

/* Signs all the time while `child` lives; each answer must be, bit for bit, the one given before there was a child. */
static uint64_t watch(struct snt_session *session, const struct snt_key *key, const struct snt_completion *references,
		      pid_t child)
{
	uint64_t checked = 0;
	int status = 0;

	while (waitpid(child, &status, WNOHANG) == 0) {
		for (unsigned i = 0; i < 4 * REFERENCES; i++) {
			struct snt_completion done;
			uint8_t digest[32];
			uint64_t tag = checked + i;

			path_digest(digest, i < REFERENCES ? i : tag);
			PATH_CHECK(snt_submit(session, key->id, i < REFERENCES ? SNT_OP_ECDSA + i % 3 : SNT_OP_ECHO, digest, 0,
					      tag) == SNT_OK,
				   "submit");
			while (snt_poll(session, &done, 1) == 0)
				continue;
			PATH_CHECK(done.status == SNT_OK && done.tag == tag, "%s, tag %llu", snt_status_str(done.status),
				   (unsigned long long)done.tag);
			if (i < REFERENCES)
				PATH_CHECK(memcmp(done.signature, references[i].signature, 64) == 0 &&
						   done.recovery_id == references[i].recovery_id,
					   "another signature for digest %u", i);
			else
				PATH_CHECK(memcmp(done.signature, digest, 32) == 0, "another echo");
		}
		checked += 4 * REFERENCES;
	}
	PATH_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the bad client itself failed: wait status %#x",
		   (unsigned)status);
	return checked;
}

static void check_link(const char *link, int seconds)
{
	static const uint8_t secret[32] = {[31] = 8};
	struct snt_completion references[REFERENCES];
	struct path_engine engine;
	struct snt_session session;
	struct snt_key key;
	char config[256];

	(void)snprintf(config, sizeof config,
		       "[lane a]\nlink = %s\n[key k]\nuid = %u\n[key limited]\nuid = %u\nops = schnorr\n", link,
		       (unsigned)geteuid(), (unsigned)geteuid());
	path_init(&engine, config);
	path_add_key(&engine, "k", secret);
	path_add_key(&engine, "limited", secret);
	path_start(&engine);
	path_open(&engine, &session, 64);
	key = path_key(&session, "k");
	for (unsigned i = 0; i < REFERENCES; i++) {
		uint8_t digest[32];

		path_digest(digest, i);
		PATH_CHECK(snt_sign(&session, key.id, SNT_OP_ECDSA + i % 3, digest, 30000000000, &references[i]) == SNT_OK &&
				   path_verify(&references[i], digest, key.pubkey),
			   "%s", snt_status_str(references[i].status));
	}
	for (unsigned bad = 0; bad < 2; bad++) {
		uint64_t told = 0, checked;
		int result[2];
		pid_t child;

		PATH_CHECK(pipe(result) == 0, "%s", strerror(errno));
		child = fork();
		if (child == 0) {
			(void)signal(SIGALRM, SIG_DFL);
			if (bad == 0)
				scribble(&engine, seconds, result[1]);
			else
				punch(&engine, result[1]);
		}
		checked = watch(&session, &key, references, child);
		PATH_CHECK(read(result[0], &told, sizeof told) == (ssize_t)sizeof told && told > 0, "the bad client did nothing");
		(void)close(result[0]);
		(void)close(result[1]);
		(void)printf("%s: %s %llu; %llu answers to another as before\n", link,
			     bad == 0 ? "scribbled, answers seen" : "holes punched", (unsigned long long)told,
			     (unsigned long long)checked);
	}
	snt_close(&session);
	path_stop(&engine);
}

int main(void)
{
	const char *text = getenv("SCRIBBLE_SECONDS");
	int seconds = text != NULL ? (int)strtol(text, NULL, 10) : 10;

	path_time_limit(120 + (unsigned)seconds);
	check_link("direct", (seconds + 1) / 2);
	check_link("unix:@/worker", (seconds + 1) / 2);
	return 0;
}
