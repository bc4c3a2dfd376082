/* What a session makes of its region's header, the conversion of time, and the words for each status. */
#include <criterion/criterion.h>
#include <errno.h>

#include "region.h"
#include "sentinel.h"

TestSuite(attach, .timeout = 60);

Test(attach, every_status_has_its_own_words)
{
	for (int i = 0; i < SNT_STATUS_END; i++) {
		cr_assert_not_null(snt_status_str((enum snt_status)i));
		for (int j = 0; j < i; j++)
			cr_assert_str_neq(snt_status_str((enum snt_status)i), snt_status_str((enum snt_status)j));
	}
	cr_assert_str_eq(snt_status_str(SNT_STATUS_END), "unknown status");
	cr_assert_str_eq(snt_status_str((enum snt_status)255), "unknown status");
}

Test(attach, ticks_from_nanoseconds_are_within_a_part_in_2_32)
{
	static const uint64_t rates[] = {24000000, 1000000000, 2599998000, 3693749123, 5000000000};

	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		struct snt_region region;
		struct snt_session s;

		cr_assert_eq(snt_region_create(&region, 2, rates[i]), 0);
		cr_assert_eq(snt_attach(&s, region.base, region.bytes), 0);
		cr_assert_eq(snt_ticks_from_ns(&s, 0), 0);
		for (uint64_t ns = 1; ns < UINT64_C(1) << 60; ns = ns * 3 + 1) {
			long double exact = (long double)ns * (long double)rates[i] / 1e9L;
			long double error = exact - (long double)snt_ticks_from_ns(&s, ns);

			cr_assert(error > -1 && error < 1 + (long double)ns / 4294967296.0L, "%lu ns at %lu Hz",
				  (unsigned long)ns, (unsigned long)rates[i]);
		}
		cr_assert_leq(snt_ticks_from_ns(&s, UINT64_MAX), INT64_MAX);
		cr_assert_geq(snt_ticks_from_ns(&s, UINT64_MAX), snt_ticks_from_ns(&s, UINT64_MAX / 2));
		snt_close(&s);
		snt_region_destroy(&region);
	}
}

/* The header with one field changed, in turn. */
Test(attach, a_malformed_region_is_refused)
{
	struct snt_region region;
	struct snt_session s;
	const struct snt_region_header *h;

	cr_assert_eq(snt_region_create(&region, 64, 1000000000), 0);
	h = region.base;
#define REFUSED(field, value)                                                                                          \
	do {                                                                                                           \
		struct snt_region_header good = *h;                                                                    \
		((struct snt_region_header *)region.base)->field = (value);                                            \
		cr_expect_eq(snt_attach(&s, region.base, region.bytes), -EPROTO, "%s = %s", #field, #value);           \
		*(struct snt_region_header *)region.base = good;                                                       \
	} while (0)
	REFUSED(magic, 0);
	REFUSED(magic, SNT_CONTROL_MAGIC);
	REFUSED(version, 0);
	REFUSED(version, SNT_ABI_VERSION + 1);
	REFUSED(version, SNT_ABI_VERSION | UINT64_C(1) << 32);
	REFUSED(bytes, h->bytes - 1);
	REFUSED(bytes, h->bytes + 4096);
	REFUSED(capacity, 0);
	REFUSED(capacity, 1);
	REFUSED(capacity, 63);
	REFUSED(capacity, 2 * SNT_CAPACITY_MAX);
	REFUSED(capacity, UINT32_MAX);
	REFUSED(request_offset, (uint32_t)region.bytes);
	REFUSED(request_offset, (uint32_t)region.bytes - 64 * 64 + 64);
	REFUSED(request_offset, UINT32_MAX);
	REFUSED(request_offset, 0);
	REFUSED(request_offset, h->request_offset + 4);
	REFUSED(request_offset, h->response_offset);
	REFUSED(response_offset, 0);
	REFUSED(response_offset, h->response_offset - 64);
	REFUSED(response_offset, h->response_offset + 8);
	REFUSED(response_offset, (uint32_t)region.bytes);
	REFUSED(response_offset, (uint32_t)region.bytes - 64 * 128 + 128);
	REFUSED(response_offset, UINT32_MAX);
	REFUSED(ticks_per_s, 0);
	cr_assert_eq(snt_attach(&s, region.base, region.bytes - 4096), -EPROTO);
	cr_assert_eq(snt_attach(&s, region.base, region.bytes), 0);
	snt_close(&s);
	snt_close(&s);
	snt_region_destroy(&region);
}

/* Answers a lookup as an engine does, with `number` as the key's. */
static void describe(int fd, uint32_t number)
{
	struct snt_key_info info = {.status = SNT_OK, .key = number};

	cr_assert_eq(send(fd, &info, sizeof info, 0), (ssize_t)sizeof info);
}

Test(attach, a_late_answer_to_a_lookup_is_not_the_next_ones_and_hides_no_end)
{
	struct timeval patience = {0, 20000};
	struct snt_session s = {.fd = -1};
	struct snt_key key;
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	cr_assert_eq(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
	s.fd = ends[0];
	cr_assert_eq(snt_key_find(&s, "first", &key), -ETIMEDOUT);
	describe(ends[1], 1);
	cr_assert_eq(snt_key_find(&s, "second", &key), -ETIMEDOUT);
	describe(ends[1], 2);
	describe(ends[1], 3);
	cr_assert_eq(snt_key_find(&s, "third", &key), 0);
	cr_assert_eq(key.id, 3);
	describe(ends[1], 4);
	cr_assert(snt_engine_alive(&s));
	(void)close(ends[1]);
	cr_assert_not(snt_engine_alive(&s));
	(void)close(ends[0]);
}
