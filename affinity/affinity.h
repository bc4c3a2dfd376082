/* Which core a thread gets, and how fast the tick counter runs. */
#ifndef SNT_AFFINITY_H
#define SNT_AFFINITY_H

#include <stdint.h>

enum { SNT_PLAN_MAX = 64 };

/* Chooses processors for `count` threads that will spin: distinct physical cores out of those this process may use,
 * sharing a last-level cache where possible, isolated ones (/sys/devices/system/cpu/isolated) first, processor 0 and
 * its SMT siblings last of all, lowest number first otherwise. Processors in `taken` (may be NULL) are not chosen again.
 * Writes `count` numbers to `cpus` and returns how many got a physical core of their own; the rest share and are
 * written too, or -1 where nothing is left. By hwloc. Cold. Negative errno when the topology cannot be read. */
int snt_cores_choose(int *cpus, unsigned count, const int *taken, unsigned taken_count);

/* Physical cores this process may run on; at least 1. By hwloc. */
unsigned snt_cores_usable(void);

/* Pins the calling thread to one processor. 0 or -errno. */
int snt_pin_self(int cpu);

/* Ticks of snt_ticks() a second, measured against CLOCK_MONOTONIC_RAW over about 20 ms (best of several tries). */
uint64_t snt_ticks_per_s(void);

#endif
