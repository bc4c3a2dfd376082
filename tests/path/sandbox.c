/* What the worker's sandbox lets through and what it kills for, and that a running worker is in it. */
#define _GNU_SOURCE
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "worker/sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

enum { NOBODY = 65534, LEFT_ALIVE = 42 };

extern char **environ;

static void do_nothing(void)
{
}

static void do_yield(void)
{
	if (sched_yield() < 0)
		_exit(1);
}

static void do_write_error(void)
{
	if (write(STDERR_FILENO, "", 0) != 0)
		_exit(1);
}

static void do_write_output(void)
{
	(void)!write(STDOUT_FILENO, "", 0);
}

static void do_open(void)
{
	(void)open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void do_socket(void)
{
	(void)socket(AF_UNIX, SOCK_STREAM, 0);
}

static void do_connect(void)
{
	(void)connect(0, NULL, 0);
}

static void do_ptrace(void)
{
	(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void do_read_other(void)
{
	(void)syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0);
}

static void do_fork(void)
{
	(void)syscall(SYS_fork);
}

static void do_exec(void)
{
	(void)execl("/bin/true", "true", NULL);
}

static void do_make_executable(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_kill(void)
{
	(void)kill(1, 0);
}

static void do_dumpable(void)
{
	(void)syscall(SYS_prctl, 4, 1, 0, 0, 0); /* PR_SET_DUMPABLE */
}

static const struct {
	const char *what;
	void (*call)(void);
	bool killed;
} calls[] = {
	{"nothing", do_nothing, false},
	{"sched_yield", do_yield, false},
	{"write to standard error", do_write_error, false},
	{"write to standard output", do_write_output, true},
	{"open", do_open, true},
	{"socket", do_socket, true},
	{"connect", do_connect, true},
	{"ptrace", do_ptrace, true},
	{"process_vm_readv", do_read_other, true},
	{"fork", do_fork, true},
	{"exec", do_exec, true},
	{"executable memory", do_make_executable, true},
	{"kill", do_kill, true},
	{"prctl", do_dumpable, true},
};

static void check_calls(void)
{
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		pid_t child = fork();
		int status = 0;

		if (child == 0) {
			struct snt_error error;

			if (snt_sandbox_enter(&error) < 0)
				_exit(2);
			calls[i].call();
			_exit(LEFT_ALIVE);
		}
		PATH_CHECK(waitpid(child, &status, 0) == child, "%s", strerror(errno));
		if (calls[i].killed)
			PATH_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: wait status %#x", calls[i].what,
				   (unsigned)status);
		else
			PATH_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == LEFT_ALIVE, "%s: wait status %#x",
				   calls[i].what, (unsigned)status);
	}
}

/* The number behind `field` in the process's status; -1 when there is none. */
static long status_field(pid_t pid, const char *field)
{
	char path[64], line[256];
	long value = -1;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	PATH_CHECK(file != NULL, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':')
			value = strtol(line + strlen(field) + 1, NULL, 10);
	(void)fclose(file);
	return value;
}

/* 0, or the errno with which the process's memory cannot be opened. */
static int memory_closed(pid_t pid)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

/* Not root: the engine and its worker, which run as the same user, must be closed to that user's other processes. */
static void check_hidden(const struct path_engine *engine, pid_t worker)
{
	char *arguments[] = {(char[]){"sleep"}, (char[]){"60"}, NULL};
	struct timespec nap = {0, 1000000};
	pid_t open_process;
	int closed = 0;

	PATH_CHECK(posix_spawn(&open_process, "/bin/sleep", NULL, NULL, arguments, environ) == 0, "/bin/sleep");
	/* posix_spawn() returns a moment before the kernel opens the new program's memory to its user. */
	for (int i = 0; i < 1000 && (closed = memory_closed(open_process)) != 0; i++)
		(void)nanosleep(&nap, NULL);
	(void)kill(open_process, SIGKILL);
	(void)waitpid(open_process, NULL, 0);
	PATH_CHECK(closed == 0, "the check cannot tell: no memory can be opened: %s", strerror(closed));
	PATH_CHECK(memory_closed(worker) == EACCES, "the worker's memory: %s", strerror(memory_closed(worker)));
	PATH_CHECK(memory_closed(engine->pid) == EACCES, "the engine's memory: %s", strerror(memory_closed(engine->pid)));
	PATH_CHECK(ptrace(PTRACE_SEIZE, worker, NULL, NULL) < 0 && errno == EPERM, "the worker can be traced");
	PATH_CHECK(ptrace(PTRACE_SEIZE, engine->pid, NULL, NULL) < 0 && errno == EPERM, "the engine can be traced");
	(void)printf("memory of engine and worker is closed to their own user\n");
}

static void check_running(void)
{
	static const uint8_t secret[32] = {[31] = 7};
	struct path_engine engine;
	struct snt_session session;
	struct snt_completion done;
	struct snt_key key;
	uint8_t digest[32] = {1};
	char config[256];
	pid_t worker;

	(void)snprintf(config, sizeof config, "[lane a]\nlink = unix:@/worker\n[key k]\nuid = %u\n", (unsigned)geteuid());
	path_init(&engine, config);
	path_add_key(&engine, "k", secret);
	path_start(&engine);
	path_open(&engine, &session, 0);
	key = path_key(&session, "k");
	worker = path_worker_pid(&engine);
	PATH_CHECK(worker > 0, "there is no worker");
	for (unsigned i = 0; i < 2; i++) {
		PATH_CHECK(status_field(worker, "NoNewPrivs") == 1, "NoNewPrivs is %ld", status_field(worker, "NoNewPrivs"));
		PATH_CHECK(status_field(worker, "Seccomp") == 2, "Seccomp is %ld", status_field(worker, "Seccomp"));
		PATH_CHECK(SANITIZED || status_field(worker, "Threads") == 1, "%ld threads", status_field(worker, "Threads"));
		/* What it is, it is also after some work. */
		for (unsigned j = 0; j < 300; j++)
			PATH_CHECK(snt_sign(&session, key.id, SNT_OP_ECDSA + j % 3, digest, 30000000000, &done) == SNT_OK, "%s",
				   snt_status_str(done.status));
	}
	if (geteuid() != 0)
		check_hidden(&engine, worker);
	snt_close(&session);
	path_stop(&engine);
	(void)printf("as uid %u: the worker is in the sandbox and signs\n", (unsigned)geteuid());
}

/* The same as another user, since nothing is closed to root. */
static void check_unprivileged(void)
{
	const char *program = getenv("SENTINELD");
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
			exit(1);
		if (program == NULL || access(program, X_OK) < 0) {
			(void)printf("not as another user: it may not run %s\n", program != NULL ? program : "SENTINELD");
			exit(0);
		}
		path_time_limit(120);
		check_running();
		exit(0);
	}
	PATH_CHECK(waitpid(child, &status, 0) == child && status == 0, "as another user: wait status %#x", (unsigned)status);
}

int main(void)
{
	path_time_limit(120);
	if (!SANITIZED)
		check_calls();
	if (geteuid() == 0)
		check_unprivileged();
	check_running();
	if (SANITIZED)
		(void)printf("skipped: a sanitizer's runtime needs calls that no release lets through\n");
	return SANITIZED ? PATH_SKIPPED : 0;
}
