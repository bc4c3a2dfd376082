/* What a figure depends on: the machine, and where on it the two threads ran. */
#ifndef SNT_HOST_H
#define SNT_HOST_H

#include <stdint.h>
#include <stdio.h>

struct snt_host {
	char processor[128];
	char kernel[128];
	char isolated[128]; /* list of processors kept from the scheduler, "none" */
	unsigned cores_usable;
	uint64_t ticks_per_s;
	uint64_t tick_step; /* what two readings of the tick counter in a row differ by */
	uint32_t page_bytes;
	int client_cpu;
	int lane_cpu; /* -1: not pinned */
	int share_l3; /* 1 yes, 0 no, -1 not known */
	const char *link;
};

/* Reads what does not depend on the run; takes about 20 ms for the tick rate. Never fails: what cannot be read is
 * "unknown". */
void snt_host_read(struct snt_host *host);

/* Notes the two processors and whether they share a last-level cache. */
void snt_host_place(struct snt_host *host, int client_cpu, int lane_cpu);

void snt_host_print(const struct snt_host *host, FILE *to);
/* A JSON object, no newline. */
void snt_host_json(const struct snt_host *host, FILE *to);

/* Writes `text` as a JSON string. */
void snt_host_json_string(const char *text, FILE *to);

static inline uint64_t snt_host_ns(const struct snt_host *host, uint64_t ticks)
{
	return (uint64_t)((double)ticks * 1e9 / (double)host->ticks_per_s + 0.5);
}

#endif
