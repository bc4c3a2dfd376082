/* Memory for secrets: never swapped, dumped, inherited by a fork, or left behind.
 *
 * memfd_secret(2) where the kernel has it: pages that leave the kernel's own map, so neither /proc/kcore nor a kernel
 * read primitive reaches them. Else anonymous memory with mlock(2), MADV_DONTDUMP and MADV_WIPEONFORK. Either way
 * MADV_DONTFORK or WIPEONFORK keeps it from a child. Cold: system calls. */
#ifndef SNT_SECRET_H
#define SNT_SECRET_H

#include <stddef.h>

#include "../error.h"

enum snt_secret_kind {
	SNT_SECRET_MEMFD = 1, /* memfd_secret */
	SNT_SECRET_MLOCK = 2, /* anonymous, locked, not dumped, wiped on fork */
};

struct snt_secret {
	void *base; /* page-aligned, zeroed */
	size_t bytes;
	enum snt_secret_kind kind;
};

/* Gets at least `bytes` bytes. 0, or -errno with a sentence (RLIMIT_MEMLOCK is the usual reason and is named). Never
 * falls back to memory that can be swapped. */
int snt_secret_create(struct snt_secret *secret, size_t bytes, struct snt_error *error);

/* Wipes and unmaps; harmless on a zeroed struct. */
void snt_secret_destroy(struct snt_secret *secret);

#endif
