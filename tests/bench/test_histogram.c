/* The histogram against HdrHistogram's documented layout, known sequences, and its own percentile file read back. */
#include "histogram.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct snt_histogram h;

static void init(void)
{
	cr_assert_eq(snt_histogram_init(&h, SNT_HISTOGRAM_HOUR_NS), 0);
}

static void fini(void)
{
	snt_histogram_fini(&h);
}

/* HdrHistogram's own tests, for 3 significant digits up to 3,600,000,000: 22 buckets, 2,048 sub-buckets, 23,552 counts
 * (hdr_histogram_test.c, test_create; HistogramTest.java, testConstructionArgumentGets). */
Test(histogram, size_as_documented)
{
	cr_assert_eq(snt_histogram_init(&h, UINT64_C(3600000000)), 0);
	cr_expect_eq(h.bucket_count, 22);
	cr_expect_eq(h.counts_len, 23552);
	cr_expect_eq(SNT_SUB_BUCKETS, 2048);
	fini();
	cr_expect_eq(snt_histogram_init(&h, 100), -EINVAL);
	cr_expect_eq(snt_histogram_init(&h, UINT64_MAX), -EINVAL);
}

/* AbstractHistogram.countsArrayIndex(), written out as it is there. */
static uint32_t reference_index(uint64_t value)
{
	int bucket = 64 - __builtin_clzll(value | 2047) - 11;
	int sub = (int)(value >> bucket);

	return (uint32_t)(((bucket + 1) << 10) + (sub - 1024));
}

Test(histogram, index_is_the_reference_formula, .init = init, .fini = fini)
{
	for (uint64_t value = 0; value < 100000; value++)
		cr_assert_eq(snt_histogram_index(value), reference_index(value), "%llu", (unsigned long long)value);
	for (uint64_t value = 100000; value <= SNT_HISTOGRAM_HOUR_NS; value += value / 977)
		cr_assert_eq(snt_histogram_index(value), reference_index(value), "%llu", (unsigned long long)value);
	cr_expect_lt(snt_histogram_index(SNT_HISTOGRAM_HOUR_NS), h.counts_len);
	/* known places: the last of bucket 0, the first of buckets 1 and 2 */
	cr_expect_eq(snt_histogram_index(2047), 2047);
	cr_expect_eq(snt_histogram_index(2048), 2048);
	cr_expect_eq(snt_histogram_index(2049), 2048);
	cr_expect_eq(snt_histogram_index(4096), 3072);
}

Test(histogram, exact_below_2048_and_to_a_thousandth_above)
{
	for (uint64_t value = 0; value < 2048; value++)
		cr_assert_eq(snt_histogram_equivalent_max(value), value);
	for (uint64_t value = 2048; value <= SNT_HISTOGRAM_HOUR_NS; value += value / 3001 + 1) {
		uint64_t most = snt_histogram_equivalent_max(value);

		cr_assert_geq(most, value);
		cr_assert_leq((double)(most - value), (double)value / 1000.0, "%llu", (unsigned long long)value);
		cr_assert_eq(snt_histogram_index(most), snt_histogram_index(value));
		cr_assert_eq(snt_histogram_index(most + 1), snt_histogram_index(value) + 1);
	}
}

Test(histogram, percentiles_of_a_known_sequence, .init = init, .fini = fini)
{
	cr_expect_eq(snt_histogram_percentile(&h, 50), 0, "an empty one has none");
	for (uint64_t value = 1; value <= 1000; value++)
		snt_histogram_record(&h, value);
	cr_expect_eq(snt_histogram_percentile(&h, 0), 1);
	cr_expect_eq(snt_histogram_percentile(&h, 50), 500);
	cr_expect_eq(snt_histogram_percentile(&h, 90), 900);
	cr_expect_eq(snt_histogram_percentile(&h, 99.9), 999);
	cr_expect_eq(snt_histogram_percentile(&h, 99.99), 1000);
	cr_expect_eq(snt_histogram_percentile(&h, 100), 1000);
	cr_expect_float_eq(snt_histogram_mean(&h), 500.5, 1e-9);
	cr_expect_float_eq(snt_histogram_stddev(&h), sqrt((1000.0 * 1000.0 - 1) / 12), 1e-6);
}

Test(histogram, too_great_counts_as_the_highest, .init = init, .fini = fini)
{
	snt_histogram_record(&h, UINT64_MAX);
	cr_expect_eq(h.total, 1);
	cr_expect_eq(h.max, SNT_HISTOGRAM_HOUR_NS);
}

Test(histogram, merge_is_the_sum, .init = init, .fini = fini)
{
	struct snt_histogram other;

	cr_assert_eq(snt_histogram_init(&other, SNT_HISTOGRAM_HOUR_NS), 0);
	for (uint64_t value = 1; value <= 500; value++) {
		snt_histogram_record(&h, value);
		snt_histogram_record(&other, value + 500);
	}
	snt_histogram_merge(&h, &other);
	cr_expect_eq(h.total, 1000);
	cr_expect_eq(h.max, 1000);
	cr_expect_eq(snt_histogram_percentile(&h, 75), 750);
	snt_histogram_reset(&h);
	cr_expect_eq(h.total, 0);
	cr_expect_eq(snt_histogram_percentile(&h, 75), 0);
	snt_histogram_fini(&other);
}

/* The file says what the histogram says: each line's value holds its percentile, totals never fall, the footer ends it.
 */
Test(histogram, percentile_file_read_back, .init = init, .fini = fini)
{
	static const char head[] = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n";
	char *text = NULL, *line, *rest;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	uint64_t last_total = 0;
	double last_percentile = -1;
	unsigned lines = 0;

	for (uint64_t value = 1; value <= 100000; value++)
		snt_histogram_record(&h, value * 3);
	cr_assert_eq(snt_histogram_write(&h, file, 5), 0);
	cr_assert_eq(fclose(file), 0);
	cr_assert_eq(strncmp(text, head, sizeof head - 1), 0);
	for (line = strtok_r(text + sizeof head - 1, "\n", &rest); line != NULL && line[0] != '#';
	     line = strtok_r(NULL, "\n", &rest)) {
		double value, percentile, inverse;
		unsigned long long total;
		int fields = sscanf(line, "%lf %lf %llu %lf", &value, &percentile, &total, &inverse);

		cr_assert_geq(fields, 3, "%s", line);
		cr_assert_gt(percentile, last_percentile);
		cr_assert_geq(total, last_total);
		cr_assert_eq((uint64_t)value, snt_histogram_percentile(&h, percentile * 100), "%s", line);
		if (fields == 4)
			cr_expect_lt(fabs(inverse - 1 / (1 - percentile)) / inverse, 0.01, "%s", line);
		else
			cr_expect_eq(percentile, 1.0);
		last_percentile = percentile;
		last_total = total;
		lines++;
	}
	/* five steps a halving, for as many halvings as it takes to leave only the last count's 44 values or fewer */
	cr_expect_geq(lines, 5 * 11);
	cr_expect_leq(lines, 5 * 12 + 2);
	cr_expect_eq(last_percentile, 1.0);
	cr_expect_eq(last_total, 100000);
	cr_assert_not_null(line);
	cr_expect_eq(strncmp(line, "#[Mean    = ", 12), 0, "%s", line);
	line = strtok_r(NULL, "\n", &rest);
	cr_expect_not_null(strstr(line, "Total count    =       100000]"), "%s", line);
	line = strtok_r(NULL, "\n", &rest);
	cr_expect_str_eq(line, "#[Buckets =           32, SubBuckets     =         2048]");
	free(text);
}
