/* Counts the lane's system calls while it answers a million warm requests: there must be none.
 *
 * A tracer seizes the lane's thread and is stopped at each of its system calls; a second count, on a lane that is
 * configured to yield, shows that the counter counts. */
#define _GNU_SOURCE
#include "path.h"

#include <dirent.h>
#include <fcntl.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WARM_UP = 10000, REQUESTS = 1000000, CONTROL_REQUESTS = 200, SIGNED_EVERY = 16, IDLE_US = 20000 };

static pid_t lane_thread(pid_t engine)
{
	char path[64], name[32];
	struct dirent *entry;
	pid_t found = 0;
	DIR *tasks;

	(void)snprintf(path, sizeof path, "/proc/%d/task", (int)engine);
	tasks = opendir(path);
	PATH_CHECK(tasks != NULL, "%s: %s", path, strerror(errno));
	while ((entry = readdir(tasks)) != NULL) {
		char comm[400];
		FILE *file;

		(void)snprintf(comm, sizeof comm, "%s/%s/comm", path, entry->d_name);
		file = fopen(comm, "r");
		if (file == NULL)
			continue;
		if (fgets(name, sizeof name, file) != NULL && strcmp(name, "snt-lane-0\n") == 0)
			found = (pid_t)strtol(entry->d_name, NULL, 10);
		(void)fclose(file);
	}
	(void)closedir(tasks);
	PATH_CHECK(found != 0, "no thread is called snt-lane-0");
	return found;
}

/* Makes `count` requests, as many in flight as the session holds, and checks that each is answered OK. */
static bool sign_many(struct snt_session *session, uint32_t key, int count)
{
	static const uint8_t digest[32] = {1};
	struct snt_completion done[64];
	int submitted = 0, completed = 0;

	while (completed < count) {
		unsigned n;

		while (submitted < count) {
			enum snt_op op = submitted % SIGNED_EVERY == 0 ? SNT_OP_ECDSA + (unsigned)(submitted / SIGNED_EVERY) % 3
								       : SNT_OP_ECHO;

			if (snt_submit(session, op == SNT_OP_ECHO ? 0 : key, op, digest, 0, 0) != SNT_OK)
				break;
			submitted++;
		}
		n = snt_poll(session, done, 64);
		for (unsigned i = 0; i < n; i++)
			if (done[i].status != SNT_OK)
				return false;
		completed += (int)n;
	}
	return true;
}

/* The child: warms up, says so, waits for a byte, makes the requests, idles a little, says so, waits for a
 * byte and leaves. */
static void client(const struct path_engine *engine, int requests, int in, int out)
{
	struct snt_session session;
	char byte = 0;
	uint32_t key;

	path_open(engine, &session, 256);
	key = path_key(&session, "k").id;
	for (int phase = 0; phase < 2; phase++) {
		if (!sign_many(&session, key, phase == 0 ? WARM_UP : requests))
			_exit(1);
		(void)usleep(IDLE_US);
		if (write(out, &byte, 1) != 1 || read(in, &byte, 1) != 1)
			_exit(1);
	}
	snt_close(&session);
	_exit(0);
}

/* System calls of the lane's thread while a client makes `requests` warm requests. */
static unsigned long count(const char *wait_mode, int requests)
{
	struct path_engine *engine = calloc(1, sizeof *engine); /* lives until exit, which takes it down */
	static const uint8_t secret[32] = {[31] = 9};
	struct timespec nap = {0, 1000000};
	char config[256], byte = 0;
	int to[2], from[2], status;
	unsigned long calls = 0;
	pid_t lane, child;

	PATH_CHECK(engine != NULL, "memory");
	(void)snprintf(config, sizeof config, "wait = %s\n[lane a]\n[key k]\nuid = %u\n", wait_mode, (unsigned)geteuid());
	path_init(engine, config);
	path_add_key(engine, "k", secret);
	path_start(engine);
	PATH_CHECK(pipe(to) == 0 && pipe(from) == 0, "pipe");
	child = fork();
	if (child == 0)
		client(engine, requests, to[0], from[1]);
	PATH_CHECK(read(from[0], &byte, 1) == 1, "the client failed while warming up");

	lane = lane_thread(engine->pid);
	if (ptrace(PTRACE_SEIZE, lane, NULL, (void *)PTRACE_O_TRACESYSGOOD) < 0) {
		(void)printf("skipped: no permission to trace: %s\n", strerror(errno));
		(void)kill(child, SIGKILL);
		exit(PATH_SKIPPED);
	}
	PATH_CHECK(ptrace(PTRACE_INTERRUPT, lane, NULL, NULL) == 0, "%s", strerror(errno));
	PATH_CHECK(waitpid(lane, &status, __WALL) == lane, "%s", strerror(errno));
	PATH_CHECK(ptrace(PTRACE_SYSCALL, lane, NULL, NULL) == 0, "%s", strerror(errno));
	PATH_CHECK(write(to[1], &byte, 1) == 1, "the client is gone");
	for (;;) {
		pid_t stopped = waitpid(lane, &status, __WALL | WNOHANG);

		if (stopped == lane) {
			PATH_CHECK(WIFSTOPPED(status), "the lane ended");
			calls += WSTOPSIG(status) == (SIGTRAP | 0x80);
			PATH_CHECK(ptrace(PTRACE_SYSCALL, lane, NULL, NULL) == 0, "%s", strerror(errno));
			continue;
		}
		if (fcntl(from[0], F_SETFL, O_NONBLOCK) == 0 && read(from[0], &byte, 1) == 1)
			break;
		PATH_CHECK(waitpid(child, &status, WNOHANG) == 0, "the client failed");
		(void)nanosleep(&nap, NULL);
	}
	PATH_CHECK(ptrace(PTRACE_INTERRUPT, lane, NULL, NULL) == 0, "%s", strerror(errno));
	/* One stop, of whichever kind: a system call's takes a pending interrupt with it. */
	PATH_CHECK(waitpid(lane, &status, __WALL) == lane, "%s", strerror(errno));
	(void)ptrace(PTRACE_DETACH, lane, NULL, NULL);
	PATH_CHECK(write(to[1], &byte, 1) == 1 && waitpid(child, &status, 0) == child && status == 0, "the client failed");
	path_stop(engine);
	/* A stop at the entry and one at the exit. */
	return calls / 2;
}

int main(void)
{
	unsigned long spinning = count("spin", REQUESTS);
	unsigned long yielding = count("yield", CONTROL_REQUESTS);

	(void)printf("a spinning lane: %lu system calls in %d warm requests\n", spinning, REQUESTS);
	(void)printf("a yielding lane: %lu system calls in %d warm requests\n", yielding, CONTROL_REQUESTS);
	PATH_CHECK(yielding > 0, "the counter does not count");
	PATH_CHECK(spinning == 0, "the hot path has a system call");
	return 0;
}
