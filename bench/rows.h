/* The rows of ringbench's table, and the rounds of alternating blocks that fill them. */
#ifndef SNT_ROWS_H
#define SNT_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "histogram.h"
#include "host.h"
#include "sentinel_abi.h"
#include "stats.h"

enum snt_row_id {
	SNT_ROW_FLOOR,
	SNT_ROW_ECHO,
	SNT_ROW_ECDSA,
	SNT_ROW_RECOVERABLE,
	SNT_ROW_SCHNORR,
	SNT_ROW_INPROCESS,
	SNT_ROW_COUNT,
};

enum { SNT_QUANTILES = 6 };

/* 50, 90, 99, 99.9, 99.99, 100 */
extern const double snt_quantiles[SNT_QUANTILES];

struct snt_row {
	const char *name;
	const char *nonce;
	const char *link;       /* "none" when no engine is involved */
	const char *unmeasured; /* why there are no figures; NULL when there are */
	uint64_t count;         /* everything sent or bounced: timed, warm-up and throughput */
	uint64_t timed;         /* values in `all` */
	uint64_t verified;      /* how many of `count` were checked and right */
	struct snt_histogram all;
	uint32_t blocks;
	double *quantile_ns[SNT_QUANTILES]; /* a value a block */
	double *per_s;                      /* a value a block */
	double *times_floor;                /* p50 over the p50 of the floor block just before */
};

struct snt_rows_options {
	const char *socket;
	const char *key; /* name of the engine's key to sign with */
	uint32_t count;  /* timed requests a block */
	uint32_t rounds;
	double rate;   /* requests a second, open loop; 0: closed loop */
	unsigned only; /* bit n: row n is wanted */
	bool progress; /* draw a bar on stderr */
};

struct snt_rows {
	struct snt_row row[SNT_ROW_COUNT];
};

/* "ecdsa" and the like to a row's number; -1 when there is none of that name. */
int snt_row_find(const char *name);
const char *snt_row_name(unsigned row);

/* Measures every wanted row on the engine at `socket` and verifies every answer; pins the calling thread. Fills in the
 * host's places, pages and link. 0; -EBADMSG (an answer was wrong), -ECONNRESET, -EINTR, or another -errno, with a
 * sentence. Free with snt_rows_fini() in any case. */
int snt_rows_measure(struct snt_rows *rows, const struct snt_rows_options *options, struct snt_host *host,
		     struct snt_error *error);
void snt_rows_fini(struct snt_rows *rows);

#endif
