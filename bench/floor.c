/* Bounces one cache line between two pinned threads. */
#include "floor.h"

#include <errno.h>
#include <pthread.h>

#include "affinity.h"
#include "sentinel_atomic.h"
#include "wait.h"

struct bounce {
	/* alone in its pair of lines: processors fetch lines in pairs */
	_Alignas(128) uint64_t line;
	_Alignas(128) uint64_t rounds;
	int cpu;
	int pin_rc;
	uint64_t ready;
};

/* Waits until the line carries `value`, with the pause between two looks that client and lane make too: without it two
 * spinners fall into step or out of it, and the same cores give anything from 50 to 120 ns. */
static int await(const uint64_t *line, uint64_t value)
{
	struct snt_waiter waiter = {0};
	int rc;

	/* floor: pairs with the release of the other side's store */
	while (snt_load_acquire(line) != value) {
		snt_pause();
		rc = snt_wait_turn(&waiter);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void *partner(void *argument)
{
	struct bounce *b = argument;

	b->pin_rc = snt_pin_self(b->cpu);
	/* ready: pairs with the acquire in snt_floor_measure(); makes pin_rc visible */
	snt_store_release(&b->ready, 1);
	for (uint64_t i = 0; i < b->rounds && b->pin_rc == 0; i++) {
		if (await(&b->line, 2 * i + 1) != 0)
			break;
		snt_store_release(&b->line, 2 * i + 2);
	}
	return NULL;
}

int snt_floor_measure(uint64_t *ticks, uint32_t count, uint32_t warmup, int partner_cpu)
{
	struct bounce b = {.rounds = (uint64_t)warmup + count, .cpu = partner_cpu};
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, partner, &b);

	if (rc != 0)
		return -rc;
	rc = await(&b.ready, 1);
	if (rc == 0)
		rc = b.pin_rc;
	for (uint64_t i = 0; i < b.rounds && rc == 0; i++) {
		uint64_t began = snt_ticks();

		snt_store_release(&b.line, 2 * i + 1);
		rc = await(&b.line, 2 * i + 2);
		if (i >= warmup)
			ticks[i - warmup] = snt_ticks() - began;
	}
	if (rc != 0)
		snt_wait_stop(-1); /* a partner that is still waiting must not wait for us */
	(void)pthread_join(thread, NULL);
	return rc;
}
