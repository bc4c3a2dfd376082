/* A sentence for a person, made where the cause is known and printed by the program. */
#ifndef SNT_ERROR_H
#define SNT_ERROR_H

/* Names the thing and the remedy, without a newline. Written only on failure. */
struct snt_error {
	char text[512];
};

/* Formats into `error` (may be NULL) and returns `rc`, so that `return snt_fail(error, -EPERM, "...")` reads well. */
__attribute__((format(printf, 3, 4))) int snt_fail(struct snt_error *error, int rc, const char *format, ...);

#endif
