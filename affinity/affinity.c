/* Chooses cores by hwloc, pins threads, and measures the tick counter. */
#define _GNU_SOURCE
#include "affinity.h"

#include <errno.h>
#include <hwloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sentinel_atomic.h"

/* What the choice starts from; tests bring their own. */
struct snt_machine {
	hwloc_topology_t topology;
	hwloc_bitmap_t allowed;  /* processors this process may use */
	hwloc_bitmap_t isolated; /* kept free of other work by the administrator */
};

/* How good a core is, in order of weight. */
struct snt_core_rank {
	unsigned tier;   /* 0 isolated, 1 ordinary, 2 processor 0's */
	unsigned shared; /* how many cores in use share its last-level cache */
	unsigned room;   /* how many of those still wanted its last-level cache has room for, in this tier */
	int cpu;
};

static pthread_once_t affinity_once = PTHREAD_ONCE_INIT;
static cpu_set_t affinity_at_start;
static int affinity_errno;

/* The process's mask before this code pinned anything: later, a pinned thread would see its one processor and take
 * the machine for that small. */
static void read_affinity(void)
{
	if (sched_getaffinity(getpid(), sizeof affinity_at_start, &affinity_at_start) < 0)
		affinity_errno = errno;
}

/* Cores; on machines that tell of none, processors. */
static int core_depth(const struct snt_machine *m)
{
	return hwloc_get_type_or_below_depth(m->topology, HWLOC_OBJ_CORE);
}

/* The largest cache around a core; without any, the machine. */
static hwloc_obj_t last_level_cache(hwloc_obj_t core)
{
	hwloc_obj_t found = NULL, obj;

	for (obj = core; obj->parent != NULL; obj = obj->parent) {
		if (hwloc_obj_type_is_dcache(obj->type))
			found = obj;
	}
	return found != NULL ? found : obj;
}

/* The processor to use of a core: none in use, isolated first, lowest number first, processor 0 last; -1 if none. */
static int core_cpu(const struct snt_machine *m, hwloc_obj_t core, hwloc_const_bitmap_t used)
{
	int best = -1, best_cost = 0, cpu;

	hwloc_bitmap_foreach_begin(cpu, core->cpuset) {
		int cost = cpu == 0 ? 2 : !hwloc_bitmap_isset(m->isolated, (unsigned)cpu);

		if (hwloc_bitmap_isset(m->allowed, (unsigned)cpu) && !hwloc_bitmap_isset(used, (unsigned)cpu) &&
		    (best < 0 || cost < best_cost)) {
			best = cpu;
			best_cost = cost;
		}
	} hwloc_bitmap_foreach_end();
	return best;
}

static unsigned core_tier(const struct snt_machine *m, hwloc_obj_t core, int cpu)
{
	/* complete_cpuset, because processor 0 disturbs its siblings also when this process may not use it */
	if (hwloc_bitmap_isset(core->complete_cpuset, 0))
		return 2;
	return hwloc_bitmap_isset(m->isolated, (unsigned)cpu) ? 0 : 1;
}

/* False when the core has nothing to offer. A core in use is whole only to those who do not mind SMT siblings. */
static bool core_rank(const struct snt_machine *m, hwloc_obj_t core, hwloc_const_bitmap_t used, bool siblings,
		      unsigned wanted, struct snt_core_rank *rank)
{
	hwloc_obj_t cache = last_level_cache(core), other = NULL;

	rank->cpu = core_cpu(m, core, used);
	if (rank->cpu < 0 || (!siblings && hwloc_bitmap_intersects(core->complete_cpuset, used)))
		return false;
	rank->tier = core_tier(m, core, rank->cpu);
	rank->shared = 0;
	rank->room = 0;
	while ((other = hwloc_get_next_obj_by_depth(m->topology, core_depth(m), other)) != NULL) {
		int cpu = core_cpu(m, other, used);

		if (last_level_cache(other) != cache)
			continue;
		if (hwloc_bitmap_intersects(other->complete_cpuset, used))
			rank->shared++;
		else if (cpu >= 0 && core_tier(m, other, cpu) == rank->tier && rank->room < wanted)
			rank->room++;
	}
	return true;
}

static bool better(const struct snt_core_rank *a, const struct snt_core_rank *b)
{
	if (a->tier != b->tier)
		return a->tier < b->tier;
	if (a->shared != b->shared)
		return a->shared > b->shared;
	if (a->room != b->room)
		return a->room > b->room;
	return a->cpu < b->cpu;
}

/* The next processor, or -1. */
static int choose_one(const struct snt_machine *m, hwloc_const_bitmap_t used, bool siblings, unsigned wanted)
{
	struct snt_core_rank best = {.cpu = -1}, rank;
	hwloc_obj_t core = NULL;

	while ((core = hwloc_get_next_obj_by_depth(m->topology, core_depth(m), core)) != NULL) {
		if (core_rank(m, core, used, siblings, wanted, &rank) && (best.cpu < 0 || better(&rank, &best)))
			best = rank;
	}
	return best.cpu;
}

/* snt_cores_choose() on a given machine. */
static int choose(const struct snt_machine *m, int *cpus, unsigned count, const int *taken, unsigned taken_count)
{
	hwloc_bitmap_t used = hwloc_bitmap_alloc();
	bool siblings = false;
	int alone = 0;

	if (used == NULL)
		return -ENOMEM;
	for (unsigned i = 0; taken != NULL && i < taken_count; i++) {
		if (taken[i] >= 0)
			(void)hwloc_bitmap_set(used, (unsigned)taken[i]);
	}
	for (unsigned i = 0; i < count; i++) {
		cpus[i] = choose_one(m, used, siblings, count - i);
		if (cpus[i] < 0 && !siblings) {
			siblings = true;
			cpus[i] = choose_one(m, used, siblings, count - i);
		}
		if (cpus[i] < 0)
			continue;
		(void)hwloc_bitmap_set(used, (unsigned)cpus[i]);
		if (!siblings)
			alone++;
	}
	hwloc_bitmap_free(used);
	return alone;
}

static unsigned count_cores(const struct snt_machine *m)
{
	hwloc_obj_t core = NULL;
	unsigned count = 0;

	while ((core = hwloc_get_next_obj_by_depth(m->topology, core_depth(m), core)) != NULL) {
		if (hwloc_bitmap_intersects(core->cpuset, m->allowed))
			count++;
	}
	return count > 0 ? count : 1;
}

static void machine_fini(struct snt_machine *m)
{
	if (m->topology != NULL)
		hwloc_topology_destroy(m->topology);
	hwloc_bitmap_free(m->allowed);
	hwloc_bitmap_free(m->isolated);
}

/* A kernel without the file has nothing isolated. */
static void read_isolated(hwloc_bitmap_t isolated, const char *path)
{
	char list[4096];
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return;
	if (fgets(list, sizeof list, f) != NULL) {
		list[strcspn(list, "\n")] = '\0'; /* hwloc would refuse the list for it */
		if (hwloc_bitmap_list_sscanf(isolated, list) < 0)
			hwloc_bitmap_zero(isolated);
	}
	(void)fclose(f);
}

/* This machine. 0 or -errno; nothing to free on failure. */
static int machine_init(struct snt_machine *m)
{
	int rc = 0;

	(void)pthread_once(&affinity_once, read_affinity);
	if (affinity_errno != 0)
		return -affinity_errno;
	*m = (struct snt_machine){.allowed = hwloc_bitmap_alloc(), .isolated = hwloc_bitmap_alloc()};
	if (m->allowed == NULL || m->isolated == NULL) {
		rc = -ENOMEM;
	} else if (hwloc_topology_init(&m->topology) < 0) {
		m->topology = NULL;
		rc = -ENOMEM;
	} else if (hwloc_topology_load(m->topology) < 0) {
		rc = errno != 0 ? -errno : -EIO;
	}
	if (rc < 0) {
		machine_fini(m);
		return rc;
	}
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &affinity_at_start))
			(void)hwloc_bitmap_set(m->allowed, (unsigned)cpu);
	}
	read_isolated(m->isolated, "/sys/devices/system/cpu/isolated");
	return 0;
}

int snt_cores_choose(int *cpus, unsigned count, const int *taken, unsigned taken_count)
{
	struct snt_machine m;
	int rc = machine_init(&m);

	if (rc < 0)
		return rc;
	rc = choose(&m, cpus, count, taken, taken_count);
	machine_fini(&m);
	return rc;
}

unsigned snt_cores_usable(void)
{
	struct snt_machine m;
	unsigned count;

	if (machine_init(&m) < 0)
		return 1;
	count = count_cores(&m);
	machine_fini(&m);
	return count;
}

int snt_pin_self(int cpu)
{
	cpu_set_t set;

	(void)pthread_once(&affinity_once, read_affinity);
	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return -EINVAL;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof set, &set) < 0 ? -errno : 0;
}

/* One reading of both clocks at the same moment, as near as can be: of several, the one that took least time. */
static void read_clocks(uint64_t *ticks, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < 64; i++) {
		struct timespec t;
		uint64_t before = snt_ticks(), after;

		(void)clock_gettime(CLOCK_MONOTONIC_RAW, &t);
		after = snt_ticks();
		if (after - before < best) {
			best = after - before;
			*ticks = before + best / 2;
			*ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
		}
	}
}

uint64_t snt_ticks_per_s(void)
{
	struct timespec pause = {0, 20 * 1000 * 1000};
	uint64_t ticks0, ticks1, ns0, ns1;

	read_clocks(&ticks0, &ns0);
	(void)nanosleep(&pause, NULL); /* cut short by a signal, it measures a little less exactly */
	read_clocks(&ticks1, &ns1);
	return (uint64_t)((double)(ticks1 - ticks0) * 1e9 / (double)(ns1 - ns0) + 0.5);
}
