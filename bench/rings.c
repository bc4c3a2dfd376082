/* Runs every kind of ring in alternating short blocks and prints the medians, with the ratio of each pair of blocks. */
#define _GNU_SOURCE
#include "rings.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "affinity.h"
#include "bench_config.h"
#include "histogram.h"
#include "host.h"
#include "sentinel_atomic.h"
#include "stats.h"
#include "wait.h"

enum { HUGE_PAGE = 2 << 20, ONE_WAY_FACTOR = 64 };

static const struct snt_ring_kind *const kinds[] = {
	&snt_ring_ours,
#if SNT_HAVE_CK
	&snt_ring_ck,
#endif
#if SNT_HAVE_RTE
	&snt_ring_rte,
#endif
	&snt_ring_ours_burst,
#if SNT_HAVE_RTE
	&snt_ring_rte_burst,
#endif
	&snt_ring_ours_answered,
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

struct contender {
	void *ring;
	uint32_t page_bytes;
	uint64_t next;         /* number of the next message: sequences go on from block to block */
	double *million_s;     /* one way, a block each */
	double *round_trip_ns; /* p50, a block each */
};

struct partner {
	const struct snt_ring_kind *kind;
	void *ring;
	uint64_t first, count;
	bool round_trips;
	int cpu, rc;
	uint64_t ready, done;
};

static size_t rounded_up(size_t bytes)
{
	return (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
}

void *snt_rings_map(size_t bytes, uint32_t *page_bytes)
{
	void *memory = mmap(NULL, rounded_up(bytes), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);

	*page_bytes = HUGE_PAGE;
	if (memory != MAP_FAILED)
		return memory;
	*page_bytes = 4096;
	memory =
		mmap(NULL, rounded_up(bytes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

void snt_rings_unmap(void *memory, size_t bytes)
{
	(void)munmap(memory, rounded_up(bytes));
}

static void *other_side(void *argument)
{
	struct partner *p = argument;

	p->rc = snt_pin_self(p->cpu);
	snt_store_release(&p->ready, 1);
	if (p->rc == 0)
		p->rc = (p->round_trips ? p->kind->pong : p->kind->consume)(p->ring, p->first, p->count);
	/* done: pairs with the acquire in run_block(); the last message has been taken */
	snt_store_release(&p->done, 1);
	return NULL;
}

static int await(const uint64_t *flag)
{
	struct snt_waiter waiter = {0};
	int rc = 0;

	while (rc == 0 && snt_load_acquire(flag) == 0)
		rc = snt_wait_turn(&waiter);
	return rc;
}

/* One block between this thread and a new one; the time from the first message to the last in *block_ticks. */
static int run_block(const struct snt_ring_kind *kind, struct contender *c, uint64_t count, uint64_t *ticks,
		     int other_cpu, uint64_t *block_ticks)
{
	struct partner p = {.kind = kind,
			    .ring = c->ring,
			    .first = c->next,
			    .count = count,
			    .cpu = other_cpu,
			    .round_trips = ticks != NULL};
	pthread_t thread;
	uint64_t began;
	int rc = pthread_create(&thread, NULL, other_side, &p);

	if (rc != 0)
		return -rc;
	rc = await(&p.ready);
	began = snt_ticks();
	if (rc == 0)
		rc = ticks != NULL ? kind->ping(c->ring, c->next, count, ticks)
				   : kind->produce(c->ring, c->next, count);
	if (rc == 0)
		rc = await(&p.done);
	*block_ticks = snt_ticks() - began;
	if (rc != 0)
		snt_wait_stop(-1);
	(void)pthread_join(thread, NULL);
	c->next += count;
	return rc != 0 ? rc : p.rc;
}

static int measure(unsigned k, struct contender *c, const struct snt_rings_options *o, const struct snt_host *host,
		   uint32_t round, uint64_t *ticks, struct snt_histogram *histogram)
{
	/* whole turns of the ring, so that a block starts where the credit of the last one ended */
	uint64_t count = (o->count + SNT_RINGS_CAPACITY - 1) / SNT_RINGS_CAPACITY * SNT_RINGS_CAPACITY;
	uint64_t block;
	int rc = run_block(kinds[k], c, count * ONE_WAY_FACTOR, NULL, host->lane_cpu, &block);

	if (rc != 0)
		return rc;
	c->million_s[round] = (double)count * ONE_WAY_FACTOR / ((double)block / (double)host->ticks_per_s) / 1e6;
	if (kinds[k]->ping == NULL)
		return 0;
	rc = run_block(kinds[k], c, count, ticks, host->lane_cpu, &block);
	if (rc != 0)
		return rc;
	snt_histogram_reset(histogram);
	for (uint64_t i = 0; i < count / SNT_RINGS_GROUP; i++)
		snt_histogram_record(histogram, snt_host_ns(host, ticks[i]));
	c->round_trip_ns[round] = (double)snt_histogram_percentile(histogram, 50) / SNT_RINGS_GROUP;
	return 0;
}

/* Ours over theirs of the same round, whichever way is better being above 1; whose ours depends on the bargain. */
static struct snt_spread ratio(const double *ours, const double *theirs, uint32_t rounds, bool more_is_better)
{
	static double ratios[SNT_ROUNDS_MAX];

	for (uint32_t i = 0; i < rounds; i++)
		ratios[i] = more_is_better ? ours[i] / theirs[i] : theirs[i] / ours[i];
	return snt_spread_of(ratios, rounds);
}

/* Which of our rows a kind is judged by: message by message, or in bursts; NULL for our own. */
static const struct contender *rival(const struct contender *all, unsigned k)
{
	const struct snt_ring_kind *ours = NULL;

	if (kinds[k] == &snt_ring_ours || kinds[k] == &snt_ring_ours_burst || kinds[k] == &snt_ring_ours_answered)
		return NULL;
	ours = kinds[k]->ping != NULL ? &snt_ring_ours : &snt_ring_ours_burst;
	for (unsigned i = 0; i < KINDS; i++)
		if (kinds[i] == ours)
			return &all[i];
	return NULL;
}

static void print_table(const struct contender *all, uint32_t rounds, FILE *to)
{
	(void)fprintf(to, "\n%-24s %28s %10s %26s %10s\n", "64-byte messages", "one way, million/s", "ours/it",
		      "round trip, p50 ns", "it/ours");
	for (unsigned k = 0; k < KINDS; k++) {
		const struct contender *ours = rival(all, k);
		struct snt_spread s = snt_spread_of(all[k].million_s, rounds);

		(void)fprintf(to, "%-24s %10.1f (%6.1f - %6.1f)", kinds[k]->name, s.median, s.min, s.max);
		if (ours != NULL)
			(void)fprintf(to, " %10.2f", ratio(ours->million_s, all[k].million_s, rounds, true).median);
		else
			(void)fprintf(to, " %10s", "");
		if (kinds[k]->ping != NULL) {
			s = snt_spread_of(all[k].round_trip_ns, rounds);
			(void)fprintf(to, " %10.0f (%5.0f - %5.0f)", s.median, s.min, s.max);
			if (ours != NULL)
				(void)fprintf(to, " %10.2f",
					      ratio(ours->round_trip_ns, all[k].round_trip_ns, rounds, false).median);
		}
		(void)fprintf(to, "\n");
	}
	(void)fprintf(to,
		      "\nMedians of %u blocks each, least and greatest in brackets; ratios above 1: ours is ahead.\n",
		      rounds);
	if (!SNT_HAVE_CK)
		(void)fprintf(to, "ck_ring: not built in (install libck-dev and configure again)\n");
	if (!SNT_HAVE_RTE)
		(void)fprintf(to, "rte_ring: not built in (install libdpdk-dev and configure again)\n");
}

static void print_spread(const char *name, struct snt_spread s, FILE *to)
{
	(void)fprintf(to, ", \"%s\": %.3f, \"%s_min\": %.3f, \"%s_max\": %.3f", name, s.median, name, s.min, name,
		      s.max);
}

static void print_json(const struct contender *all, uint32_t rounds, const struct snt_host *host, FILE *to)
{
	(void)fprintf(to, "{\"host\": ");
	snt_host_json(host, to);
	(void)fprintf(to, ",\n \"capacity\": %d, \"message_bytes\": 64, \"rounds\": %u,\n \"rings\": [",
		      SNT_RINGS_CAPACITY, rounds);
	for (unsigned k = 0; k < KINDS; k++) {
		const struct contender *c = &all[k], *ours = rival(all, k);

		(void)fprintf(to, "%s\n  {\"name\": \"%s\", \"page_bytes\": %u", k == 0 ? "" : ",", kinds[k]->name,
			      c->page_bytes);
		print_spread("one_way_million_per_s", snt_spread_of(c->million_s, rounds), to);
		if (kinds[k]->ping != NULL)
			print_spread("round_trip_p50_ns", snt_spread_of(c->round_trip_ns, rounds), to);
		if (ours != NULL)
			print_spread("one_way_ratio", ratio(ours->million_s, c->million_s, rounds, true), to);
		if (ours != NULL && kinds[k]->ping != NULL)
			print_spread("round_trip_ratio", ratio(ours->round_trip_ns, c->round_trip_ns, rounds, false),
				     to);
		(void)fprintf(to, "}");
	}
	(void)fprintf(to, "\n ]}\n");
}

static int place(struct snt_host *host)
{
	int cpus[2], own = snt_cores_choose(cpus, 2, NULL, 0), rc;

	if (own < 0)
		return own;
	if (cpus[1] < 0)
		cpus[1] = cpus[0];
	rc = snt_pin_self(cpus[1]);
	if (rc != 0)
		return rc;
	snt_wait_set_yielding(own < 2);
	snt_host_place(host, cpus[1], cpus[0]);
	return 0;
}

int snt_rings_run(const struct snt_rings_options *o, struct snt_host *host)
{
	struct contender all[KINDS] = {0};
	struct snt_histogram histogram = {0};
	uint64_t *ticks = calloc(o->count + SNT_RINGS_CAPACITY, sizeof *ticks);
	int rc = ticks == NULL ? -ENOMEM : snt_histogram_init(&histogram, SNT_HISTOGRAM_HOUR_NS);

	if (rc == 0)
		rc = place(host);
	for (unsigned k = 0; k < KINDS && rc == 0; k++) {
		all[k].million_s = calloc(o->rounds, sizeof(double));
		all[k].round_trip_ns = calloc(o->rounds, sizeof(double));
		rc = all[k].million_s == NULL || all[k].round_trip_ns == NULL
			     ? -ENOMEM
			     : kinds[k]->create(&all[k].ring, &all[k].page_bytes, host->ticks_per_s);
	}
	/* each round begins with another ring, so none is always first after another's mess */
	for (uint32_t round = 0; round < o->rounds && rc == 0; round++)
		for (unsigned i = 0; i < KINDS && rc == 0; i++) {
			unsigned k = (i + round) % KINDS;

			rc = measure(k, &all[k], o, host, round, ticks, &histogram);
			if (rc == -EBADMSG)
				(void)fprintf(stderr, "ringbench: %s lost or mixed up a message\n", kinds[k]->name);
		}
	if (rc == 0) {
		host->page_bytes = all[0].page_bytes;
		if (o->table != NULL) {
			snt_host_print(host, o->table);
			print_table(all, o->rounds, o->table);
		}
		if (o->json != NULL)
			print_json(all, o->rounds, host, o->json);
	} else if (rc != -EBADMSG && rc != -EINTR) {
		(void)fprintf(stderr, "ringbench: rings: %s\n", strerror(-rc));
	}
	for (unsigned k = 0; k < KINDS; k++) {
		if (all[k].ring != NULL)
			kinds[k]->destroy(all[k].ring);
		free(all[k].million_s);
		free(all[k].round_trip_ns);
	}
	snt_histogram_fini(&histogram);
	free(ticks);
	return rc;
}
