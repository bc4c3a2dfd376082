/* Keeps one worker process running and connected. */
#define _GNU_SOURCE
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../link/hello.h"
#include "../unix_socket.h"

extern char **environ;

enum { RETRY_FIRST_MS = 10, RETRY_DOUBLINGS = 7 };

uint64_t snt_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void retry_later(struct snt_worker *worker)
{
	unsigned doublings = worker->failures < RETRY_DOUBLINGS ? worker->failures : RETRY_DOUBLINGS;

	worker->failures++;
	worker->retry_at_ms = snt_now_ms() + ((uint64_t)RETRY_FIRST_MS << doublings);
}

/* sentinel-worker lies beside the running program; for ringbench, in sbin/ beside bin/ or in the build tree's engine/. */
static int find_program(char *path, size_t bytes)
{
	static const char *const places[] = {"sentinel-worker", "../sbin/sentinel-worker", "../engine/sentinel-worker"};
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash;

	if (n < 0)
		return -errno;
	self[n] = 0;
	slash = strrchr(self, '/');
	if (slash == NULL)
		return -ENOENT;
	slash[1] = 0;
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
		if ((size_t)snprintf(path, bytes, "%s%s", self, places[i]) < bytes && access(path, X_OK) == 0)
			return 0;
	return -ENOENT;
}

static int start(struct snt_worker *worker, struct snt_error *event)
{
	char program[4200], cpu[16];
	char *arguments[] = {
		program, (char[]){"--config"}, (char *)(uintptr_t)worker->config->path,
		(char[]){"--lane"}, (char *)(uintptr_t)worker->lane_config->name,
		(char[]){"--cpu"}, cpu,
		(char[]){"--wait"}, worker->wait == SNT_WAIT_YIELD ? (char[]){"yield"} : (char[]){"spin"},
		NULL};
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int rc = find_program(program, sizeof program);

	if (rc < 0)
		return snt_fail(event, rc, "lane %s: sentinel-worker is not installed beside this program",
				worker->lane_config->name);
	if (worker->cpu >= 0)
		(void)snprintf(cpu, sizeof cpu, "%d", worker->cpu);
	else
		(void)snprintf(cpu, sizeof cpu, "auto");
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setsigdefault(&attributes, &all);
	rc = posix_spawn(&worker->pid, program, NULL, &attributes, arguments, environ);
	(void)posix_spawnattr_destroy(&attributes);
	if (rc != 0) {
		worker->pid = 0;
		return snt_fail(event, -rc, "lane %s: cannot start %s: %s", worker->lane_config->name, program,
				strerror(rc));
	}
	worker->pid_fd = (int)syscall(SYS_pidfd_open, worker->pid, 0);
	if (worker->pid_fd >= 0)
		(void)fcntl(worker->pid_fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

static void forget(struct snt_worker *worker)
{
	if (worker->pid_fd >= 0)
		(void)close(worker->pid_fd);
	worker->pid_fd = -1;
	worker->pid = 0;
	worker->connected = false;
}

/* True when the process has ended; says how. */
static bool reap(struct snt_worker *worker, struct snt_error *event)
{
	int status;
	pid_t pid = worker->pid;
	pid_t ended = waitpid(pid, &status, WNOHANG);

	if (ended == 0 || (ended < 0 && errno != ECHILD))
		return false;
	if (ended < 0)
		status = 0; /* reaped by the kernel: this process was started with SIGCHLD ignored */
	forget(worker);
	if (WIFEXITED(status))
		worker->exit_status = WEXITSTATUS(status);
	if (WIFSIGNALED(status))
		(void)snt_fail(event, 0, "lane %s: worker %d was ended by signal %d (%s); starting another",
			       worker->lane_config->name, (int)pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		(void)snt_fail(event, 0, "lane %s: worker %d ended with exit status %d; starting another",
			       worker->lane_config->name, (int)pid, WEXITSTATUS(status));
	return true;
}

/* Connects, greets, compares keys, and hands the link to the lane. 0, or -errno with a sentence; -EAGAIN when the
 * worker is not listening yet. */
static int bring_up(struct snt_worker *worker, struct snt_key_list *keys, bool *keys_known, struct snt_error *event)
{
	struct snt_key_list theirs;
	struct snt_error why;
	struct ucred peer;
	socklen_t size = sizeof peer;
	int fd = snt_unix_connect(worker->lane_config->link_path);
	int rc;

	if (fd < 0)
		return -EAGAIN;
	/* Another process's socket on this path is nobody's to trust; our worker says itself why it cannot listen. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid != worker->pid) {
		(void)close(fd);
		return -EAGAIN;
	}
	rc = snt_hello_offer(fd, &theirs, &why);
	if (rc < 0) {
		(void)close(fd);
		return snt_fail(event, rc, "lane %s: %s", worker->lane_config->name, why.text);
	}
	if (*keys_known && memcmp(keys, &theirs, sizeof theirs) != 0) {
		(void)close(fd);
		return snt_fail(event, -ESTALE,
				"lane %s: worker %d holds other keys than the engine started with; restart the engine",
				worker->lane_config->name, (int)worker->pid);
	}
	*keys = theirs;
	*keys_known = true;
	snt_lane_link_up(worker->lane, fd);
	return 0;
}

int snt_worker_supervise(struct snt_worker *worker, struct snt_key_list *keys, bool *keys_known,
			 struct snt_error *event)
{
	int rc;

	if (worker->pid > 0 && reap(worker, event)) {
		retry_later(worker);
		return 1;
	}
	if (!snt_lane_link_is_down(worker->lane) || snt_now_ms() < worker->retry_at_ms)
		return 0;
	if (worker->connected) {
		worker->connected = false;
		(void)kill(worker->pid, SIGKILL);
		(void)snt_fail(event, 0, "lane %s: worker %d broke off or fell silent; ending it", worker->lane_config->name,
			       (int)worker->pid);
		return 1;
	}
	if (worker->pid == 0) {
		rc = start(worker, event);
		if (rc < 0)
			retry_later(worker);
		return rc < 0;
	}
	rc = bring_up(worker, keys, keys_known, event);
	if (rc == -EAGAIN)
		return 0;
	if (rc < 0) {
		(void)kill(worker->pid, SIGKILL);
		retry_later(worker);
		return 1;
	}
	worker->connected = true;
	worker->failures = 0;
	(void)snt_fail(event, 0, "lane %s: worker %d is up on %s", worker->lane_config->name, (int)worker->pid,
		       worker->lane_config->link_path);
	return 1;
}

void snt_worker_end(struct snt_worker *worker)
{
	struct timespec nap = {0, 10000000};

	if (worker->pid <= 0)
		return;
	(void)kill(worker->pid, SIGTERM);
	for (int i = 0; i < 200; i++) {
		pid_t ended = waitpid(worker->pid, NULL, WNOHANG);

		if (ended == worker->pid || (ended < 0 && errno == ECHILD)) {
			forget(worker);
			return;
		}
		(void)nanosleep(&nap, NULL);
	}
	(void)kill(worker->pid, SIGKILL);
	(void)waitpid(worker->pid, NULL, 0);
	forget(worker);
}
