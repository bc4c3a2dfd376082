/* The floor: one cache line to another core and back, which no exchange between two cores can beat. */
#ifndef SNT_FLOOR_H
#define SNT_FLOOR_H

#include <stdint.h>

/* Bounces one line `count` times between the calling thread (already pinned) and a thread pinned to `partner_cpu`,
 * after `warmup` unrecorded times; each round trip's ticks go to `ticks`. The line carries a number that grows by one
 * with each step, so each round trip is also checked. 0, -errno (thread, pinning), or -EINTR when the run is to end. */
int snt_floor_measure(uint64_t *ticks, uint32_t count, uint32_t warmup, int partner_cpu);

#endif
