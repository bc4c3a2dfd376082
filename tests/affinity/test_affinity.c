/* The choice of cores, on machines made up by hwloc, and the two functions that touch this one. */
#include "affinity.c"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct snt_machine m;

/* A machine by hwloc's description, all of it allowed, nothing isolated. */
static void build(const char *synthetic, const char *allowed, const char *isolated)
{
	m.allowed = hwloc_bitmap_alloc();
	m.isolated = hwloc_bitmap_alloc();
	cr_assert_eq(hwloc_topology_init(&m.topology), 0);
	cr_assert_eq(hwloc_topology_set_synthetic(m.topology, synthetic), 0);
	cr_assert_eq(hwloc_topology_load(m.topology), 0);
	if (allowed == NULL)
		hwloc_bitmap_fill(m.allowed);
	else
		cr_assert_geq(hwloc_bitmap_list_sscanf(m.allowed, allowed), 0);
	cr_assert_geq(hwloc_bitmap_list_sscanf(m.isolated, isolated), 0);
}

/* Asks for `count` and compares. */
static void expect(unsigned count, const int *taken, unsigned taken_count, int alone, const int *expected)
{
	int cpus[SNT_PLAN_MAX];

	cr_expect_eq(choose(&m, cpus, count, taken, taken_count), alone, "another number of cores than %d", alone);
	for (unsigned i = 0; i < count; i++)
		cr_expect_eq(cpus[i], expected[i], "thread %u of %u got processor %d, not %d", i, count, cpus[i],
			     expected[i]);
}

#define EXPECT(count, alone, ...)               expect(count, NULL, 0, alone, (const int[]){__VA_ARGS__})
#define EXPECT_BESIDE(taken, count, alone, ...) expect(count, &(const int){taken}, 1, alone, (const int[]){__VA_ARGS__})

Test(affinity, two_cores)
{
	build("l3:1 core:2 pu:1", NULL, "");
	EXPECT(1, 1, 1);
	EXPECT(2, 2, 1, 0);
	EXPECT(3, 2, 1, 0, -1);
	EXPECT_BESIDE(1, 1, 1, 0);
	EXPECT_BESIDE(0, 2, 1, 1, -1);
	EXPECT_BESIDE(-1, 2, 2, 1, 0); /* -1: a thread that is not pinned */
	cr_expect_eq(count_cores(&m), 2);
	machine_fini(&m);
}

/* Processors 2i and 2i + 1 are siblings; 0 to 7 are the first package. */
#define TWO_PACKAGES "pack:2 l3:1 core:4 pu:2"

Test(affinity, stays_in_one_cache_with_room)
{
	build(TWO_PACKAGES, NULL, "");
	EXPECT(1, 1, 2);
	EXPECT(3, 3, 2, 4, 6);        /* fit beside processor 0's core */
	EXPECT(4, 4, 8, 10, 12, 14);  /* do not */
	EXPECT_BESIDE(2, 2, 2, 4, 6); /* near what is taken */
	EXPECT_BESIDE(10, 3, 3, 8, 12, 14);
	EXPECT_BESIDE(3, 1, 1, 4); /* its core, not only its processor, is taken */
	cr_expect_eq(count_cores(&m), 8);
	machine_fini(&m);
}

Test(affinity, siblings_and_processor_0_come_last)
{
	int cpus[16], alone;

	build(TWO_PACKAGES, NULL, "");
	alone = choose(&m, cpus, 16, NULL, 0);
	cr_expect_eq(alone, 8);
	for (unsigned i = 0; i < 16; i++) {
		for (unsigned j = 0; j < i; j++) {
			cr_expect_neq(cpus[i], cpus[j]);
			cr_expect(i >= 8 || cpus[i] / 2 != cpus[j] / 2, "%d and %d are siblings", cpus[i], cpus[j]);
		}
	}
	cr_expect_eq(cpus[7], 1, "of processor 0's core its sibling, after all other cores");
	cr_expect_eq(cpus[15], 0);
	machine_fini(&m);
}

Test(affinity, isolated_first)
{
	build(TWO_PACKAGES, NULL, "10-11,14-15");
	EXPECT(2, 2, 10, 14);
	EXPECT(3, 3, 10, 14, 8);
	EXPECT_BESIDE(2, 2, 2, 10, 14);
	machine_fini(&m);
	build(TWO_PACKAGES, NULL, "5");
	EXPECT(2, 2, 5, 2); /* the isolated one of the core's two */
	machine_fini(&m);
}

Test(affinity, only_what_is_allowed)
{
	build(TWO_PACKAGES, "0-1,9,12", "2-3");
	EXPECT(4, 3, 9, 12, 1, 0);
	EXPECT(5, 3, 9, 12, 1, 0, -1);
	cr_expect_eq(count_cores(&m), 3);
	machine_fini(&m);
	build(TWO_PACKAGES, "0", "");
	EXPECT(1, 1, 0);
	cr_expect_eq(count_cores(&m), 1);
	machine_fini(&m);
}

Test(affinity, machines_that_tell_little)
{
	build("pu:4", NULL, "");
	EXPECT(4, 4, 1, 2, 3, 0);
	machine_fini(&m);
}

Test(affinity, list_of_isolated)
{
	char path[] = "/tmp/sentinel-test-affinity-XXXXXX";
	hwloc_bitmap_t isolated = hwloc_bitmap_alloc();
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "2-3,7\n", 6), 6);
	read_isolated(isolated, path);
	cr_expect_eq(hwloc_bitmap_weight(isolated), 3);
	cr_expect(hwloc_bitmap_isset(isolated, 7));
	hwloc_bitmap_zero(isolated);
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(pwrite(fd, "\n", 1, 0), 1);
	read_isolated(isolated, path);
	cr_expect(hwloc_bitmap_iszero(isolated), "the kernel writes an empty line when none is");
	(void)close(fd);
	(void)unlink(path);
	read_isolated(isolated, path);
	cr_expect(hwloc_bitmap_iszero(isolated));
	hwloc_bitmap_free(isolated);
}

Test(affinity, this_machine)
{
	int cpus[2];
	unsigned usable = snt_cores_usable();

	cr_assert_geq(usable, 1);
	cr_assert_geq(snt_cores_choose(cpus, 2, NULL, 0), 1);
	cr_expect_neq(cpus[0], cpus[1]);
	cr_assert_eq(snt_pin_self(cpus[0]), 0);
	cr_expect_eq(sched_getcpu(), cpus[0]);
	cr_expect_eq(snt_cores_usable(), usable, "pinning one thread does not shrink the machine");
	cr_expect_eq(snt_pin_self(-1), -EINVAL);
	cr_expect_eq(snt_pin_self(CPU_SETSIZE), -EINVAL);
}

Test(affinity, tick_rate_repeats)
{
	uint64_t a = snt_ticks_per_s(), b = snt_ticks_per_s();

	cr_expect_gt(a, 1000000);
	cr_expect_lt((a > b ? a - b : b - a), a / 1000);
}
