/* Starts and ends a sentineld of the test's own. */
#define _GNU_SOURCE
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_recovery.h>
#include <secp256k1_schnorrsig.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "worker/keydir.h"

extern char **environ;

/* Every engine there was, in copies: the callers' structs may be gone when the process exits. */
static struct path_engine engines[8];

/* The copy of this engine, or the first free one. */
static struct path_engine *copy_of(const struct path_engine *engine)
{
	for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
		if (engines[i].dir[0] == 0 || strcmp(engines[i].dir, engine->dir) == 0)
			return &engines[i];
	PATH_CHECK(false, "too many engines in one test");
	return NULL;
}

static void set_pid(struct path_engine *engine, pid_t pid)
{
	engine->pid = pid;
	*copy_of(engine) = *engine;
}

static void take_down(void)
{
	for (size_t i = 0; i < sizeof engines / sizeof engines[0] && engines[i].dir[0] != 0; i++) {
		char command[256];

		if (engines[i].pid > 0)
			path_kill(&engines[i]);
		(void)snprintf(command, sizeof command, "cat %.95s >&2; rm -rf %.31s", engines[i].log, engines[i].dir);
		if (system(command) != 0)
			(void)fprintf(stderr, "could not remove %s\n", engines[i].dir);
	}
}

static void on_alarm(int number)
{
	(void)number;
	(void)fprintf(stderr, "the test took too long\n");
	exit(1);
}

static void write_file(const char *path, const void *bytes, size_t count)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	PATH_CHECK(fd >= 0 && write(fd, bytes, count) == (ssize_t)count, "%s: %s", path, strerror(errno));
	(void)close(fd);
}

static const uint8_t seal[SNT_SEAL_KEY_BYTES] = {7};

void path_init(struct path_engine *engine, const char *lanes_and_keys)
{
	char text[8192], path[96];
	size_t n;

	if (engines[0].dir[0] == 0) {
		(void)atexit(take_down);
		(void)signal(SIGALRM, on_alarm);
	}
	memset(engine, 0, sizeof *engine);
	(void)strcpy(engine->dir, "/tmp/sentinel-test-XXXXXX");
	PATH_CHECK(mkdtemp(engine->dir) != NULL, "%s", strerror(errno));
	PATH_CHECK(chmod(engine->dir, 0755) == 0, "%s", strerror(errno)); /* other users connect in some tests */
	(void)snprintf(engine->socket, sizeof engine->socket, "%s/socket", engine->dir);
	(void)snprintf(engine->config, sizeof engine->config, "%s/sentinel.conf", engine->dir);
	(void)snprintf(engine->log, sizeof engine->log, "%s/log", engine->dir);
	set_pid(engine, 0);
	(void)snprintf(path, sizeof path, "%s/keys", engine->dir);
	PATH_CHECK(mkdir(path, 0700) == 0, "%s", strerror(errno));
	(void)snprintf(path, sizeof path, "%s/seal.key", engine->dir);
	write_file(path, seal, sizeof seal);
	n = (size_t)snprintf(text, sizeof text, "[engine]\nsocket = %s\nkey_dir = %s/keys\nseal_key = %s/seal.key\n",
			     engine->socket, engine->dir, engine->dir);
	for (const char *c = lanes_and_keys; *c != 0; c++) {
		PATH_CHECK(n + sizeof engine->dir < sizeof text, "configuration too long");
		if (*c == '@')
			n += (size_t)snprintf(text + n, sizeof text - n, "%s", engine->dir);
		else
			text[n++] = *c;
	}
	write_file(engine->config, text, n);
}

void path_add_key(const struct path_engine *engine, const char *name, const uint8_t secret[32])
{
	struct snt_error error;
	char keys[96];

	(void)snprintf(keys, sizeof keys, "%s/keys", engine->dir);
	PATH_CHECK(snt_keydir_store(keys, name, secret, seal, NULL, &error) == 0, "%s", error.text);
}

void path_start(struct path_engine *engine)
{
	const char *program = getenv("SENTINELD");
	char *arguments[] = {(char *)(uintptr_t)program, (char[]){"--config"}, engine->config, NULL};
	posix_spawn_file_actions_t actions;
	struct timespec nap = {0, 5000000};
	struct snt_session session;
	int rc = -ENOENT;

	PATH_CHECK(program != NULL, "set SENTINELD to the program's path");
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, engine->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	(void)posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	PATH_CHECK(posix_spawn(&engine->pid, program, &actions, NULL, arguments, environ) == 0, "%s", program);
	set_pid(engine, engine->pid);
	(void)posix_spawn_file_actions_destroy(&actions);
	for (int i = 0; i < 2000 && rc != 0; i++) {
		int status;

		if (waitpid(engine->pid, &status, WNOHANG) != 0) {
			set_pid(engine, 0);
			PATH_CHECK(false, "sentineld ended with wait status %#x", (unsigned)status);
		}
		/* Connecting succeeds before the engine is ready; the welcome comes when it is. */
		rc = snt_open(&session, engine->socket, 0);
		(void)nanosleep(&nap, NULL);
	}
	PATH_CHECK(rc == 0, "sentineld does not answer: %s", strerror(-rc));
	snt_close(&session);
}

void path_stop(struct path_engine *engine)
{
	struct timespec nap = {0, 5000000};
	int status = -1;
	pid_t ended = 0;

	PATH_CHECK(kill(engine->pid, SIGTERM) == 0, "sentineld is not there any more");
	for (int i = 0; i < 2000 && ended == 0; i++) {
		ended = waitpid(engine->pid, &status, WNOHANG);
		(void)nanosleep(&nap, NULL);
	}
	PATH_CHECK(ended == engine->pid, "sentineld ignores SIGTERM");
	set_pid(engine, 0);
	PATH_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "sentineld ended with wait status %#x", (unsigned)status);
}

void path_kill(struct path_engine *engine)
{
	(void)kill(engine->pid, SIGKILL);
	(void)waitpid(engine->pid, NULL, 0);
	set_pid(engine, 0);
}

pid_t path_worker_pid(const struct path_engine *engine)
{
	char path[96];
	int pid = 0;
	FILE *children;

	(void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)engine->pid, (int)engine->pid);
	children = fopen(path, "r");
	if (children == NULL)
		return 0;
	if (fscanf(children, "%d", &pid) != 1)
		pid = 0;
	(void)fclose(children);
	return pid;
}

pid_t path_next_worker(const struct path_engine *engine, pid_t old)
{
	for (int i = 0; i < 4000; i++) {
		pid_t now = path_worker_pid(engine);

		if (now != 0 && now != old)
			return now;
		path_nap_ms(5);
	}
	PATH_CHECK(false, "no worker was started in place of %d", (int)old);
	return 0;
}

void path_freeze(const struct path_engine *engine)
{
	int status = 0;

	/* The stop is reported when the last thread has stopped. */
	PATH_CHECK(kill(engine->pid, SIGSTOP) == 0 && waitpid(engine->pid, &status, WUNTRACED) == engine->pid &&
			   WIFSTOPPED(status),
		   "sentineld cannot be stopped: wait status %#x", (unsigned)status);
}

void path_thaw(const struct path_engine *engine)
{
	int status = 0;

	PATH_CHECK(kill(engine->pid, SIGCONT) == 0 && waitpid(engine->pid, &status, WCONTINUED) == engine->pid &&
			   WIFCONTINUED(status),
		   "sentineld does not go on: wait status %#x", (unsigned)status);
}

void path_nap_ms(unsigned ms)
{
	struct timespec nap = {ms / 1000, (long)(ms % 1000) * 1000000};

	(void)nanosleep(&nap, NULL);
}

void path_time_limit(unsigned seconds)
{
	(void)alarm(seconds);
}

void path_digest(uint8_t digest[32], uint64_t number)
{
	for (unsigned i = 0; i < 32; i++)
		digest[i] = (uint8_t)((number >> 8 * (i % 8)) ^ i * 37);
}

void path_open(const struct path_engine *engine, struct snt_session *session, uint32_t capacity)
{
	int rc = snt_open(session, engine->socket, capacity);

	PATH_CHECK(rc == 0, "snt_open: %s", strerror(-rc));
}

struct snt_key path_key(struct snt_session *session, const char *name)
{
	struct snt_key key;
	int rc = snt_key_find(session, name, &key);

	PATH_CHECK(rc == 0, "snt_key_find(%s): %s", name, strerror(-rc));
	return key;
}

void path_unhex(uint8_t *bytes, size_t count, const char *hex)
{
	PATH_CHECK(strlen(hex) == 2 * count, "%s", hex);
	for (size_t i = 0; i < count; i++) {
		unsigned byte;

		PATH_CHECK(sscanf(hex + 2 * i, "%2x", &byte) == 1, "%s", hex);
		bytes[i] = (uint8_t)byte;
	}
}

bool path_verify(const struct snt_completion *done, const uint8_t digest[32], const uint8_t pubkey[33])
{
	static secp256k1_context *context;
	secp256k1_ecdsa_recoverable_signature recoverable;
	secp256k1_ecdsa_signature signature;
	secp256k1_xonly_pubkey xonly;
	secp256k1_pubkey key, recovered;

	if (context == NULL)
		context = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	if (done->status != SNT_OK || !secp256k1_ec_pubkey_parse(context, &key, pubkey, 33))
		return false;
	switch (done->op) {
	case SNT_OP_ECHO: return memcmp(done->signature, digest, 32) == 0;
	case SNT_OP_SCHNORR:
		return secp256k1_xonly_pubkey_from_pubkey(context, &xonly, NULL, &key) &&
		       secp256k1_schnorrsig_verify(context, done->signature, digest, 32, &xonly);
	case SNT_OP_ECDSA_RECOVERABLE:
		if (!secp256k1_ecdsa_recoverable_signature_parse_compact(context, &recoverable, done->signature,
									 done->recovery_id) ||
		    !secp256k1_ecdsa_recover(context, &recovered, &recoverable, digest) ||
		    secp256k1_ec_pubkey_cmp(context, &recovered, &key) != 0)
			return false;
		break;
	default: break;
	}
	/* secp256k1_ecdsa_verify() accepts low-s signatures only. */
	return secp256k1_ecdsa_signature_parse_compact(context, &signature, done->signature) &&
	       secp256k1_ecdsa_verify(context, &signature, digest, &key);
}
