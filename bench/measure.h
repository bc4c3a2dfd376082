/* One block of requests: sent, timed, kept. Nothing is verified, converted or counted in here. */
#ifndef SNT_MEASURE_H
#define SNT_MEASURE_H

#include <stdint.h>

#include <secp256k1.h>

#include "sentinel.h"
#include "verify.h"

enum { SNT_FLOOD_WINDOW = 256 };

/* Requests number `first` to `first` + `count` - 1: the digests follow from the numbers. */
struct snt_block {
	uint64_t first;
	uint32_t count;
	uint64_t *latency_ticks;           /* `count`, written by all but snt_measure_flood() */
	struct snt_verify_answer *answers; /* `count`, written */
	uint64_t elapsed_ticks;            /* from the first request's (intended) sending to the last answer; written */
};

/* Where requests go: through a session, or (session NULL) straight to libsecp256k1. */
struct snt_target {
	struct snt_session *session;
	uint32_t key;
	enum snt_op op;
	const secp256k1_context *context; /* in process: signing context and secret */
	const uint8_t *secret;
};

/* Each returns 0, -ECONNRESET (the engine is gone), -ETIMEDOUT (10 s without an answer), -EINTR (the run is to end). */

/* Closed loop: the next request leaves when the last one's answer has been read. */
int snt_measure_closed(const struct snt_target *target, struct snt_block *block);

/* Open loop: request i is meant to leave at i * ticks_per_s / rate, and its latency counts from that moment, whether or
 * not it could leave then. So a stall is charged to every request that it delays (no coordinated omission). */
int snt_measure_open(const struct snt_target *target, struct snt_block *block, double rate, uint64_t ticks_per_s);

/* Throughput: up to SNT_FLOOD_WINDOW requests in flight, as many as there is room for. In process: as closed, untimed.
 */
int snt_measure_flood(const struct snt_target *target, struct snt_block *block);

#endif
