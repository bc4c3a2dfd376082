/* What ringbench prints and writes of its rows: a table, JSON, percentile files. */
#ifndef SNT_REPORT_H
#define SNT_REPORT_H

#include <stdio.h>

#include "rows.h"

void snt_report_table(const struct snt_rows *rows, const struct snt_rows_options *options, const struct snt_host *host,
		      FILE *to);

void snt_report_json(const struct snt_rows *rows, const struct snt_rows_options *options, const struct snt_host *host,
		     FILE *to);

/* Writes each measured row's HdrHistogram percentile file: to `path` itself when a single row was asked for by --only,
 * else with "-ROW" before the extension. 0, or -errno with a sentence that names the file. */
int snt_report_hgrm(const struct snt_rows *rows, const struct snt_rows_options *options, const char *path,
		    struct snt_error *error);

#endif
