/* Secret memory, both kinds: locked, not dumped, not in a child, wiped before it is given back. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int wiped = -1; /* what the last munmap() found: 1 all zeros, 0 not */

static int watched_munmap(void *base, size_t bytes)
{
	const uint8_t *byte = base;

	wiped = 1;
	for (size_t i = 0; i < bytes; i++)
		if (byte[i] != 0)
			wiped = 0;
	return munmap(base, bytes);
}

/* The source itself, so that its munmap() can be watched, and its mlock() locks: the sanitizers make that do nothing.
 */
#define munmap             watched_munmap
#define mlock(base, bytes) ((int)syscall(SYS_mlock, base, bytes))
#include "../../engine/worker/secret.c"
#undef munmap
#undef mlock

/* Makes memfd_secret(2) fail as on a kernel without it, or under a filter. */
static void refuse_memfd(int with)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	cr_assert_not_null(filter);
	cr_assert_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)with), SCMP_SYS(memfd_secret), 0), 0);
	cr_assert_eq(seccomp_load(filter), 0);
	seccomp_release(filter);
}

/* The VmFlags of the mapping that begins at `base`, from /proc/self/smaps. */
static void flags_of(const void *base, char *flags, size_t room)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[512];
	bool here = false;
	unsigned long start, end;

	cr_assert_not_null(maps);
	flags[0] = '\0';
	while (fgets(line, sizeof line, maps) != NULL) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= (unsigned long)(uintptr_t)base && (unsigned long)(uintptr_t)base < end;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			(void)snprintf(flags, room, "%s", line + 8);
	}
	(void)fclose(maps);
}

static void check_flags(const struct snt_secret *secret)
{
	char flags[512];

	flags_of(secret->base, flags, sizeof flags);
	cr_assert(strstr(flags, " dd") != NULL, "is dumped:%s", flags);
	cr_assert(strstr(flags, " lo") != NULL, "is not locked:%s", flags);
	cr_assert(strstr(flags, secret->kind == SNT_SECRET_MEMFD ? " dc" : " wf") != NULL, "goes to a child:%s", flags);
}

static void check_child(const struct snt_secret *secret)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		const volatile uint8_t *byte = secret->base;
		int seen = 0;

		(void)signal(SIGSEGV, SIG_DFL);
		for (size_t i = 0; i < secret->bytes; i++)
			seen |= byte[i];
		_exit(seen != 0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	if (secret->kind == SNT_SECRET_MEMFD)
		cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "the child could read: %d", status);
	else
		cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child saw the secret: %d", status);
}

/* Everything that is promised of either kind. */
static void check_promises(enum snt_secret_kind kind)
{
	struct snt_secret secret = {0};
	struct snt_error error = {"untouched"};
	const uint8_t *byte;
	unsigned char vector[2];
	void *base;

	cr_assert_eq(snt_secret_create(&secret, 5000, &error), 0, "%s", error.text);
	cr_assert_str_eq(error.text, "untouched");
	cr_assert_eq(secret.kind, kind);
	cr_assert_geq(secret.bytes, 5000);
	cr_assert_eq((uintptr_t)secret.base % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
	byte = secret.base;
	for (size_t i = 0; i < secret.bytes; i++)
		cr_assert_eq(byte[i], 0);
	memset(secret.base, 0x5a, secret.bytes);
	check_flags(&secret);
	check_child(&secret);
	cr_assert(byte[0] == 0x5a && byte[secret.bytes - 1] == 0x5a);

	base = secret.base;
	wiped = -1;
	snt_secret_destroy(&secret);
	cr_assert_eq(wiped, 1, "given back unwiped");
	cr_assert(secret.base == NULL && secret.bytes == 0);
	cr_assert(mincore(base, 4096, vector) < 0 && errno == ENOMEM, "still mapped");
	snt_secret_destroy(&secret);
}

Test(secret, memfd)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);

	if (fd < 0)
		cr_skip_test("this kernel has no memfd_secret");
	(void)close(fd);
	check_promises(SNT_SECRET_MEMFD);
}

Test(secret, falls_back_without_memfd_secret)
{
	refuse_memfd(ENOSYS);
	check_promises(SNT_SECRET_MLOCK);
}

Test(secret, falls_back_when_refused)
{
	refuse_memfd(EPERM);
	check_promises(SNT_SECRET_MLOCK);
}

Test(secret, refuses_no_bytes_and_too_many)
{
	struct snt_secret secret = {0};
	struct snt_error error = {""};

	cr_assert_eq(snt_secret_create(&secret, 0, &error), -EINVAL);
	cr_assert_neq(error.text[0], '\0');
	cr_assert_eq(snt_secret_create(&secret, SIZE_MAX, NULL), -EINVAL);
	cr_assert_null(secret.base);
}

Test(secret, names_the_limit)
{
	static const struct rlimit none = {4096, 4096};
	struct snt_secret secret = {0};
	struct snt_error error = {""};
	int rc;

	cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
	if (geteuid() == 0) /* the limit does not bind root */
		cr_assert_eq(setresuid(65534, 65534, 65534), 0);
	rc = snt_secret_create(&secret, 1 << 20, &error);
	cr_assert_lt(rc, 0, "got memory beyond the limit");
	cr_assert(strstr(error.text, "RLIMIT_MEMLOCK") != NULL && strstr(error.text, "4096") != NULL, "%s", error.text);
	cr_assert(secret.base == NULL && secret.bytes == 0, "written on failure");
}
