/* Gets, locks, hides, wipes and returns the memory that secrets live in. */
#define _GNU_SOURCE
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* memfd_secret(2). The kernel locks these pages and keeps them out of core dumps by itself; a mapping that is shared
 * cannot be wiped on fork, so a child gets none of it. */
static void *map_memfd(size_t bytes)
{
	void *base = MAP_FAILED;
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

	if (fd < 0)
		return MAP_FAILED;
	if (ftruncate(fd, (off_t)bytes) == 0)
		base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (base != MAP_FAILED && madvise(base, bytes, MADV_DONTFORK) < 0) {
		(void)munmap(base, bytes);
		base = MAP_FAILED;
	}
	return base;
}

static int map_locked(void **base, size_t bytes)
{
	void *made = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	if (made == MAP_FAILED)
		return -errno;
	if (mlock(made, bytes) < 0 || madvise(made, bytes, MADV_DONTDUMP) < 0 ||
	    madvise(made, bytes, MADV_WIPEONFORK) < 0) {
		rc = -errno;
		(void)munmap(made, bytes);
		return rc;
	}
	*base = made;
	return 0;
}

int snt_secret_create(struct snt_secret *secret, size_t bytes, struct snt_error *error)
{
	struct snt_secret made = {.kind = SNT_SECRET_MEMFD};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct rlimit limit = {0};
	int rc;

	if (bytes == 0 || bytes > SIZE_MAX / 2)
		return snt_fail(error, -EINVAL,
				"cannot get %zu bytes of secret memory: ask for at least 1 and a sane number", bytes);
	made.bytes = (bytes + page - 1) / page * page;
	made.base = map_memfd(made.bytes);
	if (made.base == MAP_FAILED) {
		/* An old kernel, a filter that refuses the call, or no memory to lock: the last fails below too, with
		 * the one sentence for it. */
		made.kind = SNT_SECRET_MLOCK;
		rc = map_locked(&made.base, made.bytes);
		if (rc < 0) {
			(void)getrlimit(RLIMIT_MEMLOCK, &limit);
			return snt_fail(error, rc,
					"cannot lock %zu bytes of memory for secrets (%s): raise RLIMIT_MEMLOCK, now "
					"%llu bytes "
					"(LimitMEMLOCK= in a systemd unit, `ulimit -l` in a shell)",
					made.bytes, strerror(-rc), (unsigned long long)limit.rlim_cur);
		}
	}
	memset(made.base, 0, made.bytes); /* every page present, before anything depends on it */
	*secret = made;
	return 0;
}

void snt_secret_destroy(struct snt_secret *secret)
{
	if (secret->base == NULL)
		return;
	sodium_memzero(secret->base, secret->bytes);
	(void)munmap(secret->base, secret->bytes);
	memset(secret, 0, sizeof *secret);
}
