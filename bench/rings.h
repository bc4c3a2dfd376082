/* ringbench --rings: the project's ring beside ck_ring and rte_ring, driven by the same loops on the same two cores. */
#ifndef SNT_RINGS_H
#define SNT_RINGS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct snt_host;

enum {
	SNT_RINGS_CAPACITY = 1024, /* slots of every ring: the engine's default */
	SNT_RINGS_BURST = 32,      /* messages a call of the rows that move many at once */
	SNT_RINGS_GROUP = 8,       /* round trips timed together: a tick counter may step by a tenth of one */
	SNT_RINGS_PAUSES = 64,     /* of a consumer between two looks at an empty ring, message by message */
};

/* What the other rings carry: one cache line. Ours carries struct snt_request, which is as long. */
struct snt_ring_message {
	uint64_t number;
	uint64_t words[7];
};

/* One kind of ring. Each loop starts with message `first` and moves `count`, both multiples of the capacity, and
 * returns 0, -EINTR, -ETIMEDOUT, or -EBADMSG when a message was lost, doubled or out of order. */
struct snt_ring_kind {
	const char *name;
	/* Allocates it, on huge pages where there are any (*page_bytes). 0 or -errno. */
	int (*create)(void **ring, uint32_t *page_bytes, uint64_t ticks_per_s);
	void (*destroy)(void *ring);
	/* One way: the caller's side, and the other thread's. */
	int (*produce)(void *ring, uint64_t first, uint64_t count);
	int (*consume)(void *ring, uint64_t first, uint64_t count);
	/* Round trips, one at a time; `ticks` receives the time of each SNT_RINGS_GROUP of them. NULL: this kind is
	 * measured one way only. */
	int (*ping)(void *ring, uint64_t first, uint64_t count, uint64_t *ticks);
	int (*pong)(void *ring, uint64_t first, uint64_t count);
};

/* ring_ours.c: the ring through snt_submit() and snt_ring_take(), message by message; taken 32 at a time; and with
 * every message answered and polled. */
extern const struct snt_ring_kind snt_ring_ours, snt_ring_ours_burst, snt_ring_ours_answered;
/* ring_ck.c, ring_rte.c: where the build found them. */
extern const struct snt_ring_kind snt_ring_ck, snt_ring_rte, snt_ring_rte_burst;

/* `bytes` of zeroed, present memory on reserved huge pages if there are enough, else on ordinary ones with huge ones
 * asked for. NULL when there is no memory. Free with snt_rings_unmap() and the same number. */
void *snt_rings_map(size_t bytes, uint32_t *page_bytes);
void snt_rings_unmap(void *memory, size_t bytes);

struct snt_rings_options {
	uint32_t count;  /* round trips a block; one way sends 64 times as many */
	uint32_t rounds; /* blocks of each kind */
	FILE *table;     /* NULL: none */
	FILE *json;      /* NULL: none */
};

/* Measures and reports. 0, or -errno with a sentence on stderr. */
int snt_rings_run(const struct snt_rings_options *options, struct snt_host *host);

#endif
