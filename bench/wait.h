/* How ringbench's loops wait: spin, and now and then look whether to yield, to give up or to end. */
#ifndef SNT_BENCH_WAIT_H
#define SNT_BENCH_WAIT_H

#include <stdbool.h>
#include <stdint.h>

enum { SNT_WAIT_SPINS = 1024 };

/* One wait for one event; zero it and keep it on the stack. */
struct snt_waiter {
	uint32_t spins;
	int64_t since_s;
};

/* Set once before threads start: with fewer cores than spinning threads, a wait must give its core up. */
void snt_wait_set_yielding(bool yielding);
bool snt_wait_is_yielding(void);

/* Asks every loop to end. Any thread, or a signal handler. `reason` is the signal's number, or any other non-zero. */
void snt_wait_stop(int reason);

/* What snt_wait_stop() was called with first, 0 if it was not. */
int snt_wait_stopped(void);

/* The part of a wait that is not a spin. 0, -EINTR (the run is to end) or -ETIMEDOUT (10 s without the event). */
int snt_wait_look(struct snt_waiter *waiter);

/* One turn of a wait: 0 to go on. Costs an increment and a test that is nearly always false. */
static inline int snt_wait_turn(struct snt_waiter *waiter)
{
	if ((++waiter->spins & (SNT_WAIT_SPINS - 1)) != 0)
		return 0;
	return snt_wait_look(waiter);
}

#endif
