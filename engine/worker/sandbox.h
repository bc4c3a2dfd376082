/* The worker's sandbox: after it, a handful of system calls and nothing else. */
#ifndef SNT_SANDBOX_H
#define SNT_SANDBOX_H

#include "../error.h"

/* Allows what serving a listening socket needs (accept4, recvfrom, sendto, setsockopt, getsockopt, poll, close,
 * sched_yield, clock_gettime), what leaving needs (munmap, brk, exit, exit_group, rt_sigreturn) and write to standard error; any other call
 * kills the process (SIGSYS). For the whole process, for good; sets no_new_privs. 0, or -errno with a sentence.
 * Source: seccomp(2). */
int snt_sandbox_enter(struct snt_error *error);

#endif
