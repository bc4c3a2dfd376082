/* The slow side of waiting: clock, stop flag, sched_yield(). */
#include "wait.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

enum { PATIENCE_S = 10 };

static bool yields;
static volatile sig_atomic_t stopped;

void snt_wait_set_yielding(bool yielding)
{
	yields = yielding;
}

bool snt_wait_is_yielding(void)
{
	return yields;
}

void snt_wait_stop(int reason)
{
	if (stopped == 0)
		stopped = reason;
}

int snt_wait_stopped(void)
{
	return stopped;
}

int snt_wait_look(struct snt_waiter *waiter)
{
	struct timespec now;

	if (stopped != 0)
		return -EINTR;
	if (yields)
		(void)sched_yield();
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (waiter->since_s == 0)
		waiter->since_s = now.tv_sec + 1; /* never 0 */
	return now.tv_sec + 1 - waiter->since_s > PATIENCE_S ? -ETIMEDOUT : 0;
}
