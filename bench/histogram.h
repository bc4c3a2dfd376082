/* A log-linear histogram of latencies with HdrHistogram's layout: 2,048 sub-buckets, three significant digits.
 *
 * Values are whole nanoseconds, from 1 up. Bucket 0 counts 0 to 2,047 one by one; bucket b counts values from
 * 2^(b+10) to 2^(b+11) - 1 in 1,024 steps of 2^b, so a value is known to one part in 1,024. Counts lie in one array:
 *
 *     bucket 0: 2,048 counts | bucket 1: 1,024 | bucket 2: 1,024 | ...
 *
 * which is the counts array of HdrHistogram (Gil Tene) for a lowest discernible value of 1; percentile files come out
 * the same. Source: HdrHistogram, AbstractHistogram.java. */
#ifndef SNT_HISTOGRAM_H
#define SNT_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

enum { SNT_SUB_BUCKETS_LOG2 = 11, SNT_SUB_BUCKETS = 1 << SNT_SUB_BUCKETS_LOG2 };

/* One hour in nanoseconds: what a latency may be before it is counted as the highest. */
#define SNT_HISTOGRAM_HOUR_NS UINT64_C(3600000000000)

struct snt_histogram {
	uint64_t *counts;
	uint32_t counts_len;
	uint32_t bucket_count;
	uint64_t highest; /* greater values are counted as this one */
	uint64_t total;
	uint64_t max; /* greatest value recorded, as it was */
};

/* Room for values up to `highest` (at least SNT_SUB_BUCKETS, at most 2^62). 0, -EINVAL or -ENOMEM. */
int snt_histogram_init(struct snt_histogram *h, uint64_t highest);

/* Frees; harmless on a zeroed struct. */
void snt_histogram_fini(struct snt_histogram *h);

/* Forgets every value. */
void snt_histogram_reset(struct snt_histogram *h);

/* Where a value is counted: 0 to counts_len - 1 for values up to `highest`. */
static inline uint32_t snt_histogram_index(uint64_t value)
{
	/* the bucket is how far the value's top bit lies above bucket 0's */
	unsigned bucket = 64u - (unsigned)__builtin_clzll(value | (SNT_SUB_BUCKETS - 1)) - SNT_SUB_BUCKETS_LOG2;

	return (bucket << (SNT_SUB_BUCKETS_LOG2 - 1)) + (uint32_t)(value >> bucket);
}

static inline void snt_histogram_record(struct snt_histogram *h, uint64_t value)
{
	if (value > h->highest)
		value = h->highest;
	h->counts[snt_histogram_index(value)]++;
	h->total++;
	if (value > h->max)
		h->max = value;
}

/* Adds every value of `from`, which must have the same highest value. */
void snt_histogram_merge(struct snt_histogram *to, const struct snt_histogram *from);

/* Greatest value that is counted together with `value`. */
uint64_t snt_histogram_equivalent_max(uint64_t value);

/* The value below or at which `percentile` (0 to 100) of all values lie, as the greatest of its equivalents; 0 when
 * nothing was recorded. */
uint64_t snt_histogram_percentile(const struct snt_histogram *h, double percentile);

double snt_histogram_mean(const struct snt_histogram *h);
double snt_histogram_stddev(const struct snt_histogram *h);

/* Writes HdrHistogram's percentile distribution (".hgrm"), `ticks` lines for each halving of the distance to 100 %.
 * 0, or -EIO when the stream failed. */
int snt_histogram_write(const struct snt_histogram *h, FILE *to, unsigned ticks);

#endif
