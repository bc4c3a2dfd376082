/* Creates, seals, guards and destroys the memory behind a session. */
#define _GNU_SOURCE
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SMALL_PAGE = 4096, HUGE_PAGE = 2 << 20, GUARDED_MAX = 1024 };

/* What the SIGBUS handler may look at: plain words, because it runs in the middle of anything. */
static struct {
	uint64_t base; /* 0: free */
	uint64_t bytes;
	uint64_t lost;
} guarded[GUARDED_MAX];

static int guard_add(const struct snt_region *region)
{
	for (int i = 0; i < GUARDED_MAX; i++) {
		uint64_t free_slot = 0;

		if (!__atomic_compare_exchange_n(&guarded[i].base, &free_slot, 1, false, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		snt_store_release(&guarded[i].bytes, region->bytes); /* after the base was taken */
		snt_store_relaxed(&guarded[i].lost, 0);
		/* guard: pairs with the acquire in guard_find(); the length is set before the base can match */
		snt_store_release(&guarded[i].base, (uint64_t)(uintptr_t)region->base);
		return 0;
	}
	return -ENOMEM;
}

/* The guard of the region that `address` lies in, or -1. Other threads may give guards away meanwhile, so base and
 * length belong together only when the base has not changed; what is found is returned, not looked up again. */
static int guard_find(uint64_t address, uint64_t *base, uint64_t *bytes)
{
	for (int i = 0; i < GUARDED_MAX; i++) {
		/* guard: pairs with the release in guard_add(); the length is set before the base can match */
		*base = snt_load_acquire(&guarded[i].base);
		*bytes = snt_load_acquire(&guarded[i].bytes);
		if (*base > 1 && address >= *base && address - *base < *bytes &&
		    snt_load_relaxed(&guarded[i].base) == *base)
			return i;
	}
	return -1;
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	bool sent = info->si_code <= 0; /* by kill(2): si_addr is no address, and no access will fault again */
	uint64_t base, bytes;
	int i = sent ? -1 : guard_find((uint64_t)(uintptr_t)info->si_addr, &base, &bytes);

	(void)context;
	if (i >= 0 && mmap((void *)(uintptr_t)base, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) {
		snt_store_relaxed(&guarded[i].lost, 1);
		errno = saved;
		return;
	}
	(void)signal(number, SIG_DFL);
	if (sent)
		(void)raise(number);
	errno = saved;
}

int snt_region_guard(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_sigaction = on_sigbus;
	action.sa_flags = SA_SIGINFO;
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

bool snt_region_lost(const struct snt_region *region)
{
	uint64_t base, bytes;
	int i = guard_find((uint64_t)(uintptr_t)region->base, &base, &bytes);

	return i >= 0 && snt_load_relaxed(&guarded[i].lost) != 0;
}

/* One memfd of `bytes` bytes, allocated and mapped; -errno when this kind of page is not to be had. */
static int map_pages(struct snt_region *region, size_t bytes, unsigned flags)
{
	int fd = memfd_create("sentinel-session", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	void *base;
	int rc;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) < 0 || fallocate(fd, 0, 0, (off_t)bytes) < 0) {
		rc = -errno;
		(void)close(fd);
		return rc;
	}
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (base == MAP_FAILED || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		rc = -errno;
		if (base != MAP_FAILED)
			(void)munmap(base, bytes);
		(void)close(fd);
		return rc;
	}
	region->base = base;
	region->bytes = bytes;
	region->fd = fd;
	return 0;
}

int snt_region_create(struct snt_region *region, uint32_t capacity, uint64_t ticks_per_s)
{
	struct snt_region made = {.fd = -1, .capacity = capacity};
	struct snt_region_header *header;
	size_t needed = SMALL_PAGE + (size_t)capacity * (sizeof(struct snt_request) + sizeof(struct snt_response));
	int rc;

	if (capacity < SNT_CAPACITY_MIN || capacity > SNT_CAPACITY_MAX || (capacity & (capacity - 1)) != 0)
		return -EINVAL;
	made.page_bytes = HUGE_PAGE;
	rc = map_pages(&made, HUGE_PAGE, MFD_HUGETLB | MFD_HUGE_2MB);
	if (rc < 0) {
		made.page_bytes = SMALL_PAGE;
		rc = map_pages(&made, (needed + SMALL_PAGE - 1) & ~(size_t)(SMALL_PAGE - 1), 0);
		if (rc == 0)
			(void)madvise(made.base, made.bytes, MADV_HUGEPAGE);
	}
	if (rc < 0)
		return rc;
	(void)madvise(made.base, made.bytes, MADV_DONTFORK);
	header = made.base;
	header->magic = SNT_REGION_MAGIC;
	header->bytes = made.bytes;
	header->request_offset = SMALL_PAGE;
	header->response_offset = SMALL_PAGE + capacity * (uint32_t)sizeof(struct snt_request);
	header->capacity = capacity;
	header->page_bytes = made.page_bytes;
	header->ticks_per_s = ticks_per_s;
	made.ring.requests = (const void *)((const char *)made.base + header->request_offset);
	made.ring.responses = (void *)((char *)made.base + header->response_offset);
	made.ring.mask = capacity - 1;
	/* region: pairs with the acquire in snt_attach(); the header is complete */
	snt_store_release(&header->version, SNT_ABI_VERSION);
	rc = guard_add(&made);
	if (rc < 0) {
		(void)munmap(made.base, made.bytes);
		(void)close(made.fd);
		return rc;
	}
	*region = made;
	return 0;
}

void snt_region_destroy(struct snt_region *region)
{
	uint64_t base, bytes;
	int i;

	if (region->base == NULL)
		return;
	i = guard_find((uint64_t)(uintptr_t)region->base, &base, &bytes);
	if (i >= 0)
		snt_store_release(&guarded[i].base, 0);
	(void)munmap(region->base, region->bytes);
	if (region->fd >= 0)
		(void)close(region->fd);
	memset(region, 0, sizeof *region);
	region->fd = -1;
}
