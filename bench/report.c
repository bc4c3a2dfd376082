/* Formats medians over blocks; every figure in the table is also in the JSON. */
#include "report.h"

#include <errno.h>
#include <string.h>

static struct snt_spread quantile(const struct snt_row *row, unsigned q)
{
	return snt_spread_of(row->quantile_ns[q], row->blocks);
}

/* What the engine adds to a signature: ecdsa less inprocess, round by round. False when either was not measured. */
static bool added_ns(const struct snt_rows *rows, struct snt_spread *added)
{
	const struct snt_row *with = &rows->row[SNT_ROW_ECDSA], *without = &rows->row[SNT_ROW_INPROCESS];
	static double difference[SNT_ROUNDS_MAX];

	if (with->blocks == 0 || with->blocks != without->blocks)
		return false;
	for (uint32_t i = 0; i < with->blocks; i++)
		difference[i] = with->quantile_ns[0][i] - without->quantile_ns[0][i];
	*added = snt_spread_of(difference, with->blocks);
	return true;
}

static void print_row(const struct snt_row *row, FILE *to)
{
	struct snt_spread p50 = quantile(row, 0);

	if (row->blocks == 0)
		return;
	(void)fprintf(to, "%-18s", row->name);
	for (unsigned q = 0; q < SNT_QUANTILES; q++)
		(void)fprintf(to, " %9.0f", quantile(row, q).median);
	(void)fprintf(to, " %10.0f", snt_spread_of(row->per_s, row->blocks).median);
	if (row->times_floor[0] > 0)
		(void)fprintf(to, " %8.1f", snt_spread_of(row->times_floor, row->blocks).median);
	else
		(void)fprintf(to, " %8s", "n/a");
	(void)fprintf(to, "   %.0f - %.0f\n", p50.min, p50.max);
}

static void print_method(const struct snt_rows_options *o, FILE *to)
{
	(void)fprintf(
		to,
		"\nNanoseconds. Each figure is the median of %u block%s of %u requests, each block beside its own "
		"floor block;\nthe last column is the spread of p50 over the blocks. ",
		o->rounds, o->rounds == 1 ? "" : "s", o->count);
	if (o->rate > 0)
		(void)fprintf(to, "Open loop: %.0f requests a second, timed from the moment\neach was due.\n", o->rate);
	else
		(void)fprintf(to,
			      "Closed loop: one request in flight;\nper_s: up to 256 in flight (inprocess: one).\n");
}

void snt_report_table(const struct snt_rows *rows, const struct snt_rows_options *options, const struct snt_host *host,
		      FILE *to)
{
	uint64_t count = 0, verified = 0;
	struct snt_spread added;

	snt_host_print(host, to);
	(void)fprintf(to, "\n%-18s %9s %9s %9s %9s %9s %9s %10s %8s   %s\n", "", "p50", "p90", "p99", "p99.9", "p99.99",
		      "max", "per_s", "x floor", "p50 of blocks");
	for (unsigned i = 0; i < SNT_ROW_COUNT; i++) {
		const struct snt_row *row = &rows->row[i];

		print_row(row, to);
		if (i != SNT_ROW_FLOOR) {
			count += row->count;
			verified += row->verified;
		}
	}
	if (added_ns(rows, &added))
		(void)fprintf(to, "%-18s %9.0f %*s   %.0f - %.0f\n", "ecdsa - inprocess", added.median, 69, "",
			      added.min, added.max);
	print_method(options, to);
	(void)fprintf(to, "%llu of %llu answers verified with libsecp256k1.\n", (unsigned long long)verified,
		      (unsigned long long)count);
	if (rows->row[SNT_ROW_FLOOR].unmeasured != NULL)
		(void)fprintf(to, "floor: n/a, %s\n", rows->row[SNT_ROW_FLOOR].unmeasured);
	for (unsigned i = SNT_ROW_ECHO; i < SNT_ROW_COUNT; i++)
		if (rows->row[i].unmeasured != NULL && (options->only & (1u << i)) != 0)
			(void)fprintf(to, "%s: not measured, %s\n", rows->row[i].name, rows->row[i].unmeasured);
	if (options->rate > 0)
		for (unsigned i = SNT_ROW_ECHO; i < SNT_ROW_COUNT; i++) {
			const struct snt_row *row = &rows->row[i];
			double reached = snt_spread_of(row->per_s, row->blocks).median;

			if (row->blocks != 0 && reached < 0.9 * options->rate)
				(void)fprintf(to,
					      "%s: reached %.0f/s of the %.0f/s asked for; its latencies are those of "
					      "a growing queue\n",
					      row->name, reached, options->rate);
		}
}

static void json_row(const struct snt_row *row, FILE *to)
{
	static const char *const names[SNT_QUANTILES] = {"p50_ns", "p90_ns", "p99_ns", "p999_ns", "p9999_ns", "max_ns"};
	struct snt_spread p50 = quantile(row, 0);

	(void)fprintf(to,
		      "{\"name\": \"%s\", \"link\": \"%s\", \"nonce\": \"%s\", \"count\": %llu, \"verified\": %llu, "
		      "\"timed\": %llu",
		      row->name, row->link, row->nonce, (unsigned long long)row->count,
		      (unsigned long long)row->verified, (unsigned long long)row->timed);
	for (unsigned q = 0; q < SNT_QUANTILES; q++)
		(void)fprintf(to, ", \"%s\": %.0f", names[q], quantile(row, q).median);
	(void)fprintf(to, ", \"per_s\": %.0f, \"p50_min_ns\": %.0f, \"p50_max_ns\": %.0f, \"times_floor\": ",
		      snt_spread_of(row->per_s, row->blocks).median, p50.min, p50.max);
	if (row->times_floor[0] > 0)
		(void)fprintf(to, "%.3f}", snt_spread_of(row->times_floor, row->blocks).median);
	else
		(void)fprintf(to, "null}");
}

void snt_report_json(const struct snt_rows *rows, const struct snt_rows_options *options, const struct snt_host *host,
		     FILE *to)
{
	const struct snt_row *floor = &rows->row[SNT_ROW_FLOOR];
	struct snt_spread added;
	const char *comma = "";

	(void)fprintf(to, "{\"host\": ");
	snt_host_json(host, to);
	(void)fprintf(to, ",\n \"loop\": \"%s\", \"rate_per_s\": %.0f, \"block_count\": %u, \"rounds\": %u,\n",
		      options->rate > 0 ? "open" : "closed", options->rate, options->count, options->rounds);
	if (floor->blocks != 0)
		(void)fprintf(to, " \"floor_ns\": %.0f,\n", quantile(floor, 0).median);
	else
		(void)fprintf(to, " \"floor_ns\": null,\n");
	if (added_ns(rows, &added))
		(void)fprintf(to, " \"ecdsa_less_inprocess_ns\": %.0f,\n", added.median);
	(void)fprintf(to, " \"rows\": [");
	for (unsigned i = 0; i < SNT_ROW_COUNT; i++) {
		if (rows->row[i].blocks == 0)
			continue;
		(void)fprintf(to, "%s\n  ", comma);
		json_row(&rows->row[i], to);
		comma = ",";
	}
	(void)fprintf(to, "\n ]}\n");
}

/* "run.hgrm" and "echo" to "run-echo.hgrm". */
static void row_path(char *out, size_t size, const char *path, const char *row)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
	int stem;

	if (dot == NULL || dot == path || (slash != NULL && dot <= slash + 1))
		dot = path + strlen(path);
	stem = (int)(dot - path);
	(void)snprintf(out, size, "%.*s-%s%s", stem, path, row, dot);
}

int snt_report_hgrm(const struct snt_rows *rows, const struct snt_rows_options *options, const char *path,
		    struct snt_error *error)
{
	bool single = __builtin_popcount(options->only & ~(1u << SNT_ROW_FLOOR)) == 1;

	for (unsigned i = 0; i < SNT_ROW_COUNT; i++) {
		char name[4096];
		FILE *file;
		int rc;

		if (rows->row[i].blocks == 0 || (options->only & (1u << i)) == 0)
			continue;
		if (single)
			(void)snprintf(name, sizeof name, "%s", path);
		else
			row_path(name, sizeof name, path, rows->row[i].name);
		file = fopen(name, "we");
		if (file == NULL)
			return snt_fail(error, -errno, "%s: %s", name, strerror(errno));
		rc = snt_histogram_write(&rows->row[i].all, file, 5);
		if (fclose(file) != 0 || rc != 0)
			return snt_fail(error, -EIO, "%s: could not be written in full; is the disk full?", name);
	}
	return 0;
}
