/* Builds and loads the worker's seccomp filter. */
#include "sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static const int allowed[] = {
	SCMP_SYS(accept4),    SCMP_SYS(recvfrom),   SCMP_SYS(sendto),       SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt), SCMP_SYS(poll),       SCMP_SYS(ppoll),        SCMP_SYS(close),
	SCMP_SYS(munmap),     SCMP_SYS(brk),        SCMP_SYS(sched_yield), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),       SCMP_SYS(exit_group), SCMP_SYS(clock_gettime), /* the last where there is no vDSO for it */
#ifdef SANITIZED /* the sanitizers' own runtime; no release is built so */
	SCMP_SYS(mmap),       SCMP_SYS(mprotect),   SCMP_SYS(madvise),      SCMP_SYS(futex),
	SCMP_SYS(getpid),     SCMP_SYS(gettid),     SCMP_SYS(read),         SCMP_SYS(openat),
	SCMP_SYS(readlink),   SCMP_SYS(sigaltstack), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
	SCMP_SYS(clone),      SCMP_SYS(prctl),      SCMP_SYS(wait4),        SCMP_SYS(getrandom),
	SCMP_SYS(newfstatat), SCMP_SYS(lseek),      SCMP_SYS(tgkill),
#endif
};

int snt_sandbox_enter(struct snt_error *error)
{
	const struct scmp_arg_cmp to_stderr = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = STDERR_FILENO};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = filter == NULL ? -ENOMEM : 0;

	for (size_t i = 0; rc == 0 && i < sizeof allowed / sizeof allowed[0]; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (rc == 0)
		rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, &to_stderr);
	if (rc == 0)
		rc = seccomp_load(filter);
	if (filter != NULL)
		seccomp_release(filter);
	if (rc < 0)
		return snt_fail(error, rc, "cannot enter the sandbox: %s; the kernel needs CONFIG_SECCOMP_FILTER",
				strerror(-rc));
	return 0;
}
