/* A session's memory: seals, page kinds, header, and the guard against a client that takes its pages away. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "region.h"
#include "sentinel.h"

TestSuite(region, .timeout = 60);

enum { HUGE_PAGE = 2 << 20, SMALL_PAGE = 4096 };
static const uint64_t ticks_per_s = 1000000000;

/* Reserves every huge page that is free; released when the test's process ends. */
static void take_huge_pages(void)
{
	while (mmap(NULL, HUGE_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) != MAP_FAILED)
		continue;
}

/* One request published through a mapping of the client's own. */
static void publish(const struct snt_region *region, struct snt_session *s, void **mapping)
{
	static const uint8_t digest[32] = {1};

	*mapping = mmap(NULL, region->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, region->fd, 0);
	cr_assert_neq(*mapping, MAP_FAILED);
	cr_assert_eq(snt_attach(s, *mapping, region->bytes), 0);
	cr_assert_eq(snt_submit(s, 0, SNT_OP_ECHO, digest, 0, 7), SNT_OK);
}

/* Lays pages that raise SIGBUS over `bytes` bytes: a file's, beyond its end. */
static void make_unbacked(void *address, size_t bytes)
{
	int fd = memfd_create("unbacked", MFD_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_assert_eq(mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), address);
	(void)close(fd);
}

Test(region, the_header_describes_what_is_there)
{
	for (uint32_t capacity = SNT_CAPACITY_MIN; capacity <= SNT_CAPACITY_MAX; capacity *= 2) {
		struct snt_region region;
		const struct snt_region_header *h;
		const char *byte;

		cr_assert_eq(snt_region_create(&region, capacity, 123), 0);
		h = region.base;
		cr_assert(h->magic == SNT_REGION_MAGIC && h->version == SNT_ABI_VERSION && h->bytes == region.bytes);
		cr_assert(h->capacity == capacity && region.capacity == capacity && h->ticks_per_s == 123);
		cr_assert(h->page_bytes == region.page_bytes && region.bytes % region.page_bytes == 0);
		cr_assert(h->request_offset == 4096 && h->response_offset == 4096 + 64 * capacity);
		cr_assert_leq(h->response_offset + 128 * (size_t)capacity, region.bytes);
		cr_assert_eq((const char *)region.ring.requests, (const char *)region.base + h->request_offset);
		cr_assert_eq((char *)region.ring.responses, (char *)region.base + h->response_offset);
		cr_assert_eq(region.ring.mask, capacity - 1);
		cr_assert_not(snt_region_lost(&region));
		byte = region.base;
		for (size_t i = offsetof(struct snt_region_header, reserved); i < region.bytes; i++)
			cr_assert_eq(byte[i], 0);
		snt_region_destroy(&region);
	}
}

Test(region, nobody_can_resize_or_reseal_it)
{
	struct snt_region region;

	cr_assert_eq(snt_region_create(&region, 64, ticks_per_s), 0);
	cr_assert(ftruncate(region.fd, 0) < 0 && errno == EPERM);
	cr_assert(ftruncate(region.fd, (off_t)region.bytes + HUGE_PAGE) < 0 && errno == EPERM);
	cr_assert(fcntl(region.fd, F_ADD_SEALS, F_SEAL_WRITE) < 0 && errno == EPERM);
	cr_assert(fcntl(region.fd, F_GETFD) & FD_CLOEXEC);
	snt_region_destroy(&region);
}

Test(region, impossible_capacities_are_refused)
{
	static const uint32_t capacities[] = {0, 1, 3, 6, 8191, 8193, 16384, UINT32_MAX, 1u << 31};

	for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
		struct snt_region region = {.fd = 12345};

		cr_expect_eq(snt_region_create(&region, capacities[i], ticks_per_s), -EINVAL);
		cr_expect_eq(region.fd, 12345, "written on failure");
	}
}

Test(region, a_lack_of_descriptors_is_reported)
{
	struct rlimit limit, none;
	struct snt_region region;
	int rc;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	rc = snt_region_create(&region, 64, ticks_per_s);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0); /* Criterion needs some to speak */
	cr_assert_eq(rc, -EMFILE);
}

Test(region, a_reserved_huge_page_is_taken_first)
{
	struct snt_region region;
	void *probe = mmap(NULL, HUGE_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (probe == MAP_FAILED)
		cr_skip("no reserved huge page is free (sysctl vm.nr_hugepages)");
	(void)munmap(probe, HUGE_PAGE);
	cr_assert_eq(snt_region_create(&region, 64, ticks_per_s), 0);
	cr_assert_eq(region.page_bytes, HUGE_PAGE);
	cr_assert_eq(region.bytes, HUGE_PAGE);
	snt_region_destroy(&region);
}

Test(region, without_one_small_pages_do)
{
	struct snt_region region;

	take_huge_pages();
	cr_assert_eq(snt_region_create(&region, 64, ticks_per_s), 0);
	if (region.page_bytes != SMALL_PAGE)
		cr_skip("another process gave a huge page back meanwhile");
	cr_assert_eq(region.bytes, 4096 + 64 * 192);
	snt_region_destroy(&region);
}

Test(region, destroying_is_harmless_twice_and_leaves_the_client_its_mapping)
{
	struct snt_region region;
	struct snt_session s;
	void *mapping;
	size_t bytes;

	cr_assert_eq(snt_region_create(&region, 64, ticks_per_s), 0);
	bytes = region.bytes;
	publish(&region, &s, &mapping);
	snt_region_destroy(&region);
	cr_assert(region.base == NULL && region.fd == -1);
	snt_region_destroy(&region);
	cr_assert_eq(s.requests[0].tag, 7);
	snt_close(&s);
	(void)munmap(mapping, bytes);
}

/* After its memory went: no request, no death, and the neighbour never knew. */
static void check_lost(const struct snt_region *lost, const struct snt_region *neighbour)
{
	static const struct snt_response nothing;
	struct snt_request r;

	cr_assert_not(snt_ring_take(&lost->ring, 0, &r));
	cr_assert(snt_region_lost(lost));
	snt_ring_answer(&lost->ring, 0, &nothing);
	cr_assert_not(snt_region_lost(neighbour));
	cr_assert(snt_ring_take(&neighbour->ring, 0, &r));
	cr_assert_eq(r.tag, 7);
}

Test(region, a_client_that_takes_its_memory_away_hurts_itself_alone)
{
	struct snt_region lost, neighbour, again;
	struct snt_session s[2];
	void *mappings[2];

	cr_assert_eq(snt_region_guard(), 0);
	cr_assert_eq(snt_region_create(&lost, 64, ticks_per_s), 0);
	cr_assert_eq(snt_region_create(&neighbour, 64, ticks_per_s), 0);
	publish(&lost, &s[0], &mappings[0]);
	publish(&neighbour, &s[1], &mappings[1]);
	make_unbacked(lost.base, lost.bytes);
	check_lost(&lost, &neighbour);
	snt_region_destroy(&lost);
	/* The next session may get the same guard and the same address. */
	cr_assert_eq(snt_region_create(&again, 64, ticks_per_s), 0);
	cr_assert_not(snt_region_lost(&again));
	snt_region_destroy(&again);
	snt_region_destroy(&neighbour);
}

Test(region, a_hole_in_a_huge_page_that_cannot_be_filled)
{
	struct snt_region lost, neighbour;
	struct snt_session s[2];
	void *mappings[2];
	struct snt_request r;

	cr_assert_eq(snt_region_guard(), 0);
	cr_assert_eq(snt_region_create(&lost, 64, ticks_per_s), 0);
	cr_assert_eq(snt_region_create(&neighbour, 64, ticks_per_s), 0);
	if (lost.page_bytes != HUGE_PAGE || neighbour.page_bytes != HUGE_PAGE)
		cr_skip("no reserved huge page is free (sysctl vm.nr_hugepages)");
	publish(&lost, &s[0], &mappings[0]);
	publish(&neighbour, &s[1], &mappings[1]);
	take_huge_pages();
	cr_assert_eq(fallocate(lost.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HUGE_PAGE), 0);
	take_huge_pages();
	cr_assert_not(snt_ring_take(&lost.ring, 0, &r));
	if (!snt_region_lost(&lost))
		cr_skip("another process gave a huge page back meanwhile");
	check_lost(&lost, &neighbour);
	snt_region_destroy(&lost);
	snt_region_destroy(&neighbour);
}

Test(region, any_other_sigbus_still_kills)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		volatile char *page;
		struct rlimit none = {0, 0};
		struct snt_region region;

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGBUS, SIG_DFL);
		if (snt_region_guard() < 0 || snt_region_create(&region, 64, ticks_per_s) < 0)
			_exit(2);
		page = mmap(NULL, SMALL_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		make_unbacked((void *)(uintptr_t)page, SMALL_PAGE);
		_exit(*page == 0 ? 0 : 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "status %#x", (unsigned)status);
}
