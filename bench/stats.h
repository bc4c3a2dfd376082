/* The median and the spread of a handful of figures, one a block. */
#ifndef SNT_BENCH_STATS_H
#define SNT_BENCH_STATS_H

#include <stdint.h>

struct snt_spread {
	double median, min, max;
};

/* Of `count` values (0 to SNT_ROUNDS_MAX); all zero when there is none. The lower of the middle two is the median, so
 * that it is always a figure that was measured. */
enum { SNT_ROUNDS_MAX = 1000 };
struct snt_spread snt_spread_of(const double *values, uint32_t count);

#endif
