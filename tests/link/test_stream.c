/* The link's stream and its first records, over a socketpair: pieces, full buffers, lost and lying peers. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "hello.h"
#include "stream.h"

TestSuite(stream, .timeout = 60);
TestSuite(hello, .timeout = 60);

static struct snt_stream near_end, far_end;
static struct snt_key_list list, learnt;
static struct snt_error error;

static void open_streams(void)
{
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	snt_stream_init(&near_end, ends[0]);
	snt_stream_init(&far_end, ends[1]);
}

static void close_streams(void)
{
	snt_stream_fini(&near_end);
	snt_stream_fini(&far_end);
	snt_stream_fini(&far_end);
}

/* The record number `n` as its sender fills it. */
static struct snt_request record(uint64_t n)
{
	struct snt_request r = {.stamp = n, .tag = ~n, .op = SNT_OP_ECHO};

	memset(r.digest, (int)n, sizeof r.digest);
	return r;
}

static void check_record(const struct snt_request *got, uint64_t n)
{
	struct snt_request expected = record(n);

	cr_assert_not_null(got, "record %lu", (unsigned long)n);
	cr_assert_eq((uintptr_t)got % 64, 0, "a record that is cast must lie on its boundary");
	cr_assert_eq(memcmp(got, &expected, sizeof expected), 0, "record %lu", (unsigned long)n);
}

static void send_bytes(int fd, const void *bytes, size_t count)
{
	cr_assert_eq(send(fd, bytes, count, MSG_NOSIGNAL), (ssize_t)count);
}

Test(stream, a_batch_split_anywhere_arrives_whole_and_in_order)
{
	struct snt_request batch[3];

	for (size_t split = 1; split <= sizeof batch; split++) {
		uint64_t n = 0;
		const struct snt_request *r;

		open_streams();
		for (uint64_t i = 0; i < 3; i++)
			batch[i] = record(i);
		send_bytes(far_end.fd, batch, split);
		cr_assert_eq(snt_stream_receive(&near_end), (int)split);
		while ((r = snt_stream_next(&near_end, sizeof *r)) != NULL)
			check_record(r, n++);
		cr_assert_eq(n, split / sizeof *r);
		if (split < sizeof batch) {
			send_bytes(far_end.fd, (const char *)batch + split, sizeof batch - split);
			cr_assert_eq(snt_stream_receive(&near_end), (int)(sizeof batch - split));
		}
		while ((r = snt_stream_next(&near_end, sizeof *r)) != NULL)
			check_record(r, n++);
		cr_assert_eq(n, 3);
		cr_assert_eq(snt_stream_receive(&near_end), 0);
		close_streams();
	}
}

/* Many laps of both buffers, a byte more in flight each time, so that every record is split sooner or later. */
Test(stream, records_in_pieces_survive_the_buffers_end)
{
	struct snt_request r;
	uint64_t received = 0;
	size_t sent = 0;

	open_streams();
	for (size_t piece = 1; piece < sizeof r * 64; piece++) {
		const struct snt_request *got;

		for (size_t left = piece; left > 0;) {
			size_t at = sent % sizeof r, n = sizeof r - at < left ? sizeof r - at : left;

			r = record(sent / sizeof r);
			send_bytes(far_end.fd, (const char *)&r + at, n);
			sent += n;
			left -= n;
		}
		while (snt_stream_receive(&near_end) > 0)
			while ((got = snt_stream_next(&near_end, sizeof *got)) != NULL)
				check_record(got, received++);
		cr_assert_eq(received, sent / sizeof r);
	}
	close_streams();
}

/* A socket buffer that is small and no multiple of a record: sends are partial, and cut records. */
Test(stream, full_buffers_hold_back_and_lose_nothing)
{
	uint64_t queued = 0, received = 0;
	bool was_cut = false;
	int small = 2500;

	open_streams();
	cr_assert_eq(setsockopt(near_end.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
	for (unsigned round = 0; round < 400 || received < queued; round++) {
		const struct snt_request *got;
		struct snt_request *room;

		while (round < 400 && (room = snt_stream_queue(&near_end, sizeof *room)) != NULL)
			*room = record(queued++);
		cr_assert_eq(snt_stream_send(&near_end), 0);
		was_cut = was_cut || near_end.out_begin % sizeof *room != 0;
		if (round % 3 == 0)
			continue;
		cr_assert_geq(snt_stream_receive(&far_end), 0);
		while ((got = snt_stream_next(&far_end, sizeof *got)) != NULL)
			check_record(got, received++);
	}
	cr_assert(was_cut);
	cr_assert_gt(queued, 1000);
	close_streams();
}

Test(stream, a_full_receive_buffer_waits_for_its_reader)
{
	static struct snt_request many[SNT_STREAM_BUFFER / sizeof(struct snt_request) + 1];

	open_streams();
	for (uint64_t i = 0; i < sizeof many / sizeof many[0]; i++)
		many[i] = record(i);
	send_bytes(far_end.fd, many, sizeof many);
	cr_assert_eq(snt_stream_receive(&near_end), SNT_STREAM_BUFFER);
	cr_assert_eq(snt_stream_receive(&near_end), 0);
	check_record(snt_stream_next(&near_end, sizeof many[0]), 0);
	cr_assert_eq(snt_stream_receive(&near_end), 64);
	for (uint64_t i = 1; i < sizeof many / sizeof many[0]; i++)
		check_record(snt_stream_next(&near_end, sizeof many[0]), i);
	cr_assert_null(snt_stream_next(&near_end, sizeof many[0]));
	close_streams();
}

Test(stream, a_peer_that_closes_within_a_record_is_reported_after_what_was_whole)
{
	struct snt_request pair[2] = {record(0), record(1)};

	for (size_t bytes = 0; bytes <= sizeof pair; bytes++) {
		open_streams();
		if (bytes > 0)
			send_bytes(far_end.fd, pair, bytes);
		snt_stream_fini(&far_end);
		if (bytes > 0)
			cr_assert_eq(snt_stream_receive(&near_end), (int)bytes);
		for (uint64_t i = 0; i < bytes / 64; i++)
			check_record(snt_stream_next(&near_end, 64), i);
		cr_assert_null(snt_stream_next(&near_end, 64));
		cr_assert_eq(snt_stream_receive(&near_end), -ECONNRESET);
		cr_assert_null(snt_stream_next(&near_end, 64));
		cr_assert_eq(snt_stream_send(&near_end), 0);
		*(struct snt_request *)snt_stream_queue(&near_end, 64) = pair[0];
		cr_assert_eq(snt_stream_send(&near_end), -EPIPE);
		close_streams();
	}
}

static void fill_keys(unsigned count)
{
	memset(&list, 0, sizeof list);
	list.count = count;
	for (unsigned i = 0; i < count; i++) {
		list.keys[i].name[0] = (char)('a' + i % 26);
		list.keys[i].name[1] = (char)('a' + i / 26);
		list.keys[i].pubkey[0] = (uint8_t)(2 + i % 2);
		list.keys[i].ops = 1u << SNT_OP_ECDSA;
	}
}

/* What snt_hello_offer() makes of a peer that says these bytes and no more. */
static int offer_to(const void *bytes, size_t count)
{
	static struct snt_key_list untouched;
	int ends[2], rc;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	if (count > 0)
		send_bytes(ends[1], bytes, count);
	cr_assert_eq(shutdown(ends[1], SHUT_WR), 0);
	memset(&learnt, 0x5a, sizeof learnt);
	memset(&untouched, 0x5a, sizeof untouched);
	error.text[0] = 0;
	rc = snt_hello_offer(ends[0], &learnt, &error);
	if (rc < 0) {
		cr_assert_eq(memcmp(&learnt, &untouched, sizeof learnt), 0, "written on failure");
		cr_assert_neq(error.text[0], 0);
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
	return rc;
}

static int accept_from(const void *bytes, size_t count)
{
	int ends[2], rc;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	if (count > 0)
		send_bytes(ends[1], bytes, count);
	cr_assert_eq(shutdown(ends[1], SHUT_WR), 0);
	rc = snt_hello_accept(ends[0], &list);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return rc;
}

/* A worker's whole answer. */
static struct {
	struct snt_link_hello hello;
	struct snt_key_public keys[SNT_KEYS_MAX + 1];
} answer;

static size_t fill_answer(unsigned count)
{
	fill_keys(count);
	memset(&answer, 0, sizeof answer);
	answer.hello = (struct snt_link_hello){.magic = SNT_LINK_MAGIC, .version = SNT_ABI_VERSION, .keys = count};
	memcpy(answer.keys, list.keys, sizeof list.keys);
	return sizeof answer.hello + count * sizeof answer.keys[0];
}

static void *accept_in_thread(void *fd)
{
	return (void *)(intptr_t)snt_hello_accept(*(int *)fd, &list);
}

Test(hello, both_sides_agree_with_no_key_and_with_all)
{
	for (unsigned count = 0; count <= SNT_KEYS_MAX; count += SNT_KEYS_MAX / 2) {
		int ends[2];
		pthread_t worker;
		void *rc;

		fill_keys(count);
		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		cr_assert_eq(pthread_create(&worker, NULL, accept_in_thread, &ends[1]), 0);
		cr_assert_eq(snt_hello_offer(ends[0], &learnt, &error), 0);
		cr_assert_eq(pthread_join(worker, &rc), 0);
		cr_assert_null(rc);
		cr_assert_eq(memcmp(&learnt, &list, sizeof list), 0);
		(void)close(ends[0]);
		(void)close(ends[1]);
	}
}

Test(hello, what_is_no_worker_is_named_as_such)
{
	size_t bytes = fill_answer(2);

	answer.hello.magic++;
	cr_expect_eq(offer_to(&answer, bytes), -EPROTO);
	cr_expect_not_null(strstr(error.text, "sentinel-worker"), "%s", error.text);
	cr_expect_eq(accept_from(&answer, sizeof answer.hello), -EPROTO);
	bytes = fill_answer(2);
	answer.hello.keys = SNT_KEYS_MAX + 1;
	cr_expect_eq(offer_to(&answer, sizeof answer), -EPROTO);
	answer.hello.keys = UINT32_MAX;
	cr_expect_eq(offer_to(&answer, sizeof answer), -EPROTO);
	bytes = fill_answer(2);
	answer.hello.reserved[47] = 1;
	cr_expect_eq(offer_to(&answer, bytes), -EPROTO);
	cr_expect_eq(accept_from(&answer, sizeof answer.hello), -EPROTO);
}

Test(hello, another_version_is_named_with_ours)
{
	size_t bytes = fill_answer(1);
	char ours[24], theirs[24];

	answer.hello.version = 4242;
	answer.hello.keys = SNT_KEYS_MAX + 1; /* whatever that means there */
	cr_expect_eq(offer_to(&answer, bytes), -EPROTONOSUPPORT);
	(void)snprintf(ours, sizeof ours, "%u", SNT_ABI_VERSION);
	(void)snprintf(theirs, sizeof theirs, "%u", 4242u);
	cr_expect(strstr(error.text, ours) != NULL && strstr(error.text, theirs) != NULL, "%s", error.text);
	cr_expect_eq(accept_from(&answer, sizeof answer.hello), -EPROTONOSUPPORT);
}

Test(hello, malformed_keys_are_refused)
{
#define REFUSED(change)                                                                                                \
	do {                                                                                                           \
		size_t bytes = fill_answer(3);                                                                         \
		struct snt_key_public *key = &answer.keys[2];                                                          \
		change;                                                                                                \
		cr_expect_eq(offer_to(&answer, bytes), -EPROTO, "%s", #change);                                        \
	} while (0)
	REFUSED(memset(key->name, 'a', sizeof key->name));
	REFUSED(key->name[0] = 0);
	REFUSED(key->name[0] = '-');
	REFUSED(key->name[1] = '\n');
	REFUSED(key->pubkey[0] = 0);
	REFUSED(key->pubkey[0] = 4);
	REFUSED(key->reserved[2] = 1);
	REFUSED(key->reserved2[23] = 1);
}

Test(hello, a_peer_that_ends_too_early_is_lost)
{
	(void)fill_answer(2);
	for (size_t bytes = 0; bytes < 200; bytes++) {
		cr_assert_eq(offer_to(&answer, bytes), -ECONNRESET, "after %zu bytes", bytes);
		if (bytes < sizeof answer.hello)
			cr_assert_eq(accept_from(&answer, bytes), -ECONNRESET, "after %zu bytes", bytes);
	}
	cr_assert_eq(offer_to(&answer, fill_answer(2)), 0);
}

static double seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

Test(hello, silence_is_borne_for_a_second)
{
	double start = seconds(), took;
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	cr_assert_eq(snt_hello_offer(ends[0], &learnt, &error), -ETIMEDOUT);
	took = seconds() - start;
	cr_assert(took > 0.9 && took < 5, "%.3f s", took);
	start = seconds();
	cr_assert_eq(snt_hello_accept(ends[0], &list), -ETIMEDOUT);
	took = seconds() - start;
	cr_assert(took > 0.9 && took < 5, "%.3f s", took);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

Test(hello, garbage_is_refused)
{
	uint32_t chance = 2463534242u;

	for (unsigned round = 0; round < 200; round++) {
		uint8_t noise[512];

		for (size_t i = 0; i < sizeof noise; i++) {
			chance ^= chance << 13;
			chance ^= chance >> 17;
			chance ^= chance << 5;
			noise[i] = (uint8_t)chance;
		}
		cr_assert_eq(offer_to(noise, sizeof noise), -EPROTO);
		cr_assert_eq(accept_from(noise, sizeof noise), -EPROTO);
	}
}
