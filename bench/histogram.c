/* Percentiles, moments and HdrHistogram's percentile file. */
#include "histogram.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { HALF_LOG2 = SNT_SUB_BUCKETS_LOG2 - 1 };

static unsigned bucket_at(uint32_t index)
{
	return index < SNT_SUB_BUCKETS ? 0 : (index >> HALF_LOG2) - 1;
}

/* Least value counted at `index`. */
static uint64_t value_at(uint32_t index)
{
	unsigned bucket = bucket_at(index);

	return (uint64_t)(index - (bucket << HALF_LOG2)) << bucket;
}

static uint64_t value_at_max(uint32_t index)
{
	return value_at(index) + (UINT64_C(1) << bucket_at(index)) - 1;
}

int snt_histogram_init(struct snt_histogram *h, uint64_t highest)
{
	uint32_t buckets = 1;
	uint64_t *counts;
	uint32_t length;

	if (highest < SNT_SUB_BUCKETS || highest > UINT64_C(1) << 62)
		return -EINVAL;
	while (highest >> (SNT_SUB_BUCKETS_LOG2 + buckets - 1) != 0)
		buckets++;
	length = (buckets + 1) << HALF_LOG2;
	counts = calloc(length, sizeof *counts);
	if (counts == NULL)
		return -ENOMEM;
	*h = (struct snt_histogram){
		.counts = counts, .counts_len = length, .bucket_count = buckets, .highest = highest};
	return 0;
}

void snt_histogram_fini(struct snt_histogram *h)
{
	free(h->counts);
	memset(h, 0, sizeof *h);
}

void snt_histogram_reset(struct snt_histogram *h)
{
	memset(h->counts, 0, h->counts_len * sizeof *h->counts);
	h->total = 0;
	h->max = 0;
}

void snt_histogram_merge(struct snt_histogram *to, const struct snt_histogram *from)
{
	for (uint32_t i = 0; i < from->counts_len; i++)
		to->counts[i] += from->counts[i];
	to->total += from->total;
	if (from->max > to->max)
		to->max = from->max;
}

uint64_t snt_histogram_equivalent_max(uint64_t value)
{
	return value_at_max(snt_histogram_index(value));
}

uint64_t snt_histogram_percentile(const struct snt_histogram *h, double percentile)
{
	uint64_t wanted, seen = 0;

	if (h->total == 0)
		return 0;
	/* one step down first, as HdrHistogram does: 99.9 % of 1,000 is 999, and not what 999.0000000001 rounds up to
	 */
	wanted = (uint64_t)ceil(nextafter(percentile, 0) * (double)h->total / 100.0);
	if (wanted < 1)
		wanted = 1;
	if (wanted > h->total)
		wanted = h->total;
	for (uint32_t i = 0; i < h->counts_len; i++) {
		seen += h->counts[i];
		if (seen >= wanted)
			return value_at_max(i);
	}
	return h->max;
}

/* The middle of what is counted at `index`: the least biased stand-in for each value there. */
static double middle_at(uint32_t index)
{
	return (double)(value_at(index) + ((UINT64_C(1) << bucket_at(index)) >> 1));
}

double snt_histogram_mean(const struct snt_histogram *h)
{
	double sum = 0;

	if (h->total == 0)
		return 0;
	for (uint32_t i = 0; i < h->counts_len; i++)
		if (h->counts[i] != 0)
			sum += middle_at(i) * (double)h->counts[i];
	return sum / (double)h->total;
}

double snt_histogram_stddev(const struct snt_histogram *h)
{
	double mean = snt_histogram_mean(h), squares = 0;

	if (h->total == 0)
		return 0;
	for (uint32_t i = 0; i < h->counts_len; i++) {
		double away = middle_at(i) - mean;

		if (h->counts[i] != 0)
			squares += away * away * (double)h->counts[i];
	}
	return sqrt(squares / (double)h->total);
}

/* The next level of the walk: each half of the remaining distance to 100 % is cut into `ticks` steps. */
static double next_level(double level, unsigned ticks)
{
	double halvings = trunc(log2(100.0 / (100.0 - level))) + 1;

	return level + 100.0 / (ticks * exp2(halvings));
}

int snt_histogram_write(const struct snt_histogram *h, FILE *to, unsigned ticks)
{
	uint64_t seen = 0;
	double level = 0;

	(void)fprintf(to, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
	for (uint32_t i = 0; i < h->counts_len && seen < h->total; i++) {
		if (h->counts[i] == 0)
			continue;
		seen += h->counts[i];
		while (100.0 * (double)seen / (double)h->total >= level) {
			(void)fprintf(to, "%12.3f %2.12f %10llu %14.2f\n", (double)value_at_max(i), level / 100.0,
				      (unsigned long long)seen, 1.0 / (1.0 - level / 100.0));
			level = next_level(level, ticks);
			if (seen == h->total) /* levels without end would follow */
				break;
		}
	}
	/* 1/(1 - 1) is no number: HdrHistogram leaves the last line's fourth column out */
	if (h->total != 0)
		(void)fprintf(to, "%12.3f %2.12f %10llu\n", (double)snt_histogram_equivalent_max(h->max), 1.0,
			      (unsigned long long)h->total);
	(void)fprintf(to, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", snt_histogram_mean(h),
		      snt_histogram_stddev(h));
	(void)fprintf(to, "#[Max     = %12.3f, Total count    = %12llu]\n",
		      h->total == 0 ? 0.0 : (double)snt_histogram_equivalent_max(h->max), (unsigned long long)h->total);
	(void)fprintf(to, "#[Buckets = %12u, SubBuckets     = %12u]\n", h->bucket_count, (unsigned)SNT_SUB_BUCKETS);
	return fflush(to) != 0 || ferror(to) ? -EIO : 0;
}
