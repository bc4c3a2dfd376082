/* A session's memory: one sealed memfd, on a reserved huge page where there is one.
 *
 * Layout in client/sentinel_abi.h. Sealed against growing and shrinking before anyone else sees it, so a client cannot
 * truncate it under the engine. It can still punch holes (see snt_region_guard()). Cold: may block and allocate. */
#ifndef SNT_REGION_H
#define SNT_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring.h"

struct snt_region {
	void *base;
	size_t bytes;
	uint32_t capacity;
	uint32_t page_bytes; /* 2097152 on a reserved huge page, else 4096 */
	int fd;
	struct snt_ring ring;
};

/* Creates a region with rings of `capacity` slots (a power of two, SNT_CAPACITY_MIN to _MAX), zeroed, every page
 * present. A reserved huge page is tried first; `page_bytes` says what was got. `ticks_per_s` goes into the header.
 * 0, -EINVAL (capacity), -ENOMEM, -EMFILE, or another negative errno. */
int snt_region_create(struct snt_region *region, uint32_t capacity, uint64_t ticks_per_s);

/* Unmaps and closes; harmless on a zeroed struct. The client's own mapping lives on. */
void snt_region_destroy(struct snt_region *region);

/* Installs the process's SIGBUS handler (once, from any thread; 0 or -errno).
 *
 * A client owns its region's memory as much as the engine does and may punch a hole into it; when no huge page is left
 * to fill the hole, the engine's next access raises SIGBUS. The handler puts private zero pages over that one region,
 * so the engine reads zeros (no request) and goes on; every other SIGBUS is passed to the default action. Source:
 * mmap(2), "SIGBUS"; fallocate(2), FALLOC_FL_PUNCH_HOLE. */
int snt_region_guard(void);

/* True when the handler had to replace this region's memory: its client has lost its rings. Any thread. */
bool snt_region_lost(const struct snt_region *region);

#endif
