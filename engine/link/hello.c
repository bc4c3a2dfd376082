/* Exchanges the first records of a link. */
#define _GNU_SOURCE
#include "hello.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

/* A peer that sends a byte now and then keeps nobody longer than this. */
enum { PATIENCE_S = 2 };

static time_t now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static int exactly(int fd, void *bytes, size_t count, time_t until_s)
{
	size_t done = 0;

	while (done < count) {
		ssize_t n = recv(fd, (char *)bytes + done, count - done, 0);

		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		done += (size_t)n;
		if (done < count && now_s() > until_s)
			return -ETIMEDOUT;
	}
	return 0;
}

static int say(int fd, const void *bytes, size_t count)
{
	ssize_t n = send(fd, bytes, count, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return (size_t)n == count ? 0 : -ETIMEDOUT;
}

static void set_patience(int fd)
{
	struct timeval second = {1, 0};

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
}

static int check(const struct snt_link_hello *hello)
{
	static const uint8_t zero[sizeof hello->reserved];

	if (hello->magic != SNT_LINK_MAGIC)
		return -EPROTO;
	if (hello->version != SNT_ABI_VERSION)
		return -EPROTONOSUPPORT; /* before the rest, to which another version may give a meaning */
	return hello->keys <= SNT_KEYS_MAX && memcmp(hello->reserved, zero, sizeof zero) == 0 ? 0 : -EPROTO;
}

static bool key_well_formed(const struct snt_key_public *key)
{
	static const uint8_t zero[sizeof key->reserved2];

	return memchr(key->name, 0, sizeof key->name) != NULL && snt_key_name_check(key->name, NULL) == 0 &&
	       (key->pubkey[0] == 2 || key->pubkey[0] == 3) && memcmp(key->reserved, zero, sizeof key->reserved) == 0 &&
	       memcmp(key->reserved2, zero, sizeof key->reserved2) == 0;
}

int snt_hello_offer(int fd, struct snt_key_list *keys, struct snt_error *error)
{
	struct snt_link_hello mine = {.magic = SNT_LINK_MAGIC, .version = SNT_ABI_VERSION}, theirs;
	struct snt_key_list list;
	time_t until_s = now_s() + PATIENCE_S;
	int rc;

	memset(&list, 0, sizeof list);
	set_patience(fd);
	rc = say(fd, &mine, sizeof mine);
	if (rc == 0)
		rc = exactly(fd, &theirs, sizeof theirs, until_s);
	if (rc == 0)
		rc = check(&theirs);
	if (rc == 0) {
		list.count = theirs.keys;
		rc = exactly(fd, list.keys, list.count * sizeof list.keys[0], until_s);
	}
	for (unsigned i = 0; rc == 0 && i < list.count; i++)
		if (!key_well_formed(&list.keys[i]))
			rc = -EPROTO;
	if (rc == -EPROTONOSUPPORT)
		return snt_fail(error, rc, "the worker speaks version %u and this engine %u: install both from one release",
				theirs.version, SNT_ABI_VERSION);
	if (rc == -EPROTO)
		return snt_fail(error, rc, "what answers is no sentinel-worker: check the lane's link");
	if (rc < 0)
		return snt_fail(error, rc, "the worker did not say hello: %s", strerror(-rc));
	*keys = list;
	return 0;
}

int snt_hello_accept(int fd, const struct snt_key_list *keys)
{
	struct snt_link_hello mine = {.magic = SNT_LINK_MAGIC, .version = SNT_ABI_VERSION, .keys = keys->count}, theirs;
	int rc;

	set_patience(fd);
	rc = exactly(fd, &theirs, sizeof theirs, now_s() + PATIENCE_S);
	if (rc == 0)
		rc = check(&theirs);
	/* A parent of another version is told ours, so that it can name both. */
	if (rc == 0 || rc == -EPROTONOSUPPORT) {
		int said = say(fd, &mine, sizeof mine);

		if (said == 0)
			said = say(fd, keys->keys, keys->count * sizeof keys->keys[0]);
		rc = rc < 0 ? rc : said;
	}
	return rc;
}
