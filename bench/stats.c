/* Sorts a copy and looks at its middle and ends. */
#include "stats.h"

#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

struct snt_spread snt_spread_of(const double *values, uint32_t count)
{
	/* a row has one block a round; the floor has one for each block of every row */
	static double sorted[SNT_ROUNDS_MAX * 8];

	if (count == 0 || count > sizeof sorted / sizeof sorted[0])
		return (struct snt_spread){0, 0, 0};
	memcpy(sorted, values, count * sizeof *values);
	qsort(sorted, count, sizeof *sorted, ascending);
	return (struct snt_spread){sorted[(count - 1) / 2], sorted[0], sorted[count - 1]};
}
