/* What a trading process includes: open a session, submit requests, poll for signatures. Header only, C11 or C++17.
 *
 *     struct snt_session s;
 *     struct snt_key key;
 *     int rc = snt_open(&s, "/run/sentinel/sentinel.sock", 0);
 *     if (rc == 0)
 *             rc = snt_key_find(&s, "desk-1", &key);
 *     ...
 *     enum snt_status st = snt_sign(&s, key.id, SNT_OP_ECDSA, digest, 1000000, &done);
 *
 * A session belongs to one thread: no function here may run in two threads at once on one session, and a forked
 * child must not use its parent's. Open one session per thread.
 *
 * snt_submit() and snt_poll() make no system call while answers keep coming. When nothing has been answered for
 * 10 ms although something is due, polling asks the kernel once whether the engine is still there, so an engine
 * that dies is noticed without any call of yours.
 *
 * Every request that snt_submit() accepts is completed exactly once, in the order of submission: with a signature or
 * with a status that says why there is none.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SENTINEL_H
#define SENTINEL_H

#include "sentinel_abi.h"
#include "sentinel_atomic.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef MADV_DONTFORK /* -std=c11 without _DEFAULT_SOURCE hides what Linux has */
#define MADV_DONTFORK 10
#define MAP_POPULATE 0x8000
extern int madvise(void *address, size_t length, int advice);
#endif

/* What became of one request. */
struct snt_completion {
	uint64_t tag;          /* as given to snt_submit() */
	enum snt_status status;
	uint8_t op;            /* enum snt_op, as submitted */
	uint8_t recovery_id;   /* 0 to 3 for SNT_OP_ECDSA_RECOVERABLE */
	uint8_t signature[64]; /* valid when status is SNT_OK */
};

/* A key that this session may use. */
struct snt_key {
	uint32_t id;                     /* what requests carry */
	uint32_t ops;                    /* bit n set: operation n of enum snt_op is allowed */
	uint8_t pubkey[SNT_PUBKEY_SIZE]; /* SEC 1 compressed */
};

/* One thread's connection. Read what you like; write nothing. */
struct snt_session {
	struct snt_request *requests;
	struct snt_response *responses;
	uint64_t mask;             /* capacity - 1 */
	uint64_t next;             /* sequence of the next request */
	uint64_t oldest;           /* sequence of the oldest request not yet completed */
	uint8_t *claimed;          /* per slot: 1 when snt_sign() reports this request, so snt_poll() must not */
	uint64_t idle_polls;
	uint64_t idle_since;       /* ticks; when polling last found something or last asked the kernel */
	uint64_t ticks_per_s;
	uint64_t ticks_per_ns_q32; /* ticks per nanosecond, 32.32 fixed point */
	bool engine_gone;
	int fd;                    /* control socket, -1 when closed */
	unsigned lookups_due;      /* lookups whose answers have not been read */
	void *region;
	size_t region_bytes;
	uint32_t page_bytes;       /* 4096, or 2097152 when the rings lie in a reserved huge page */
	struct snt_welcome engine; /* lane, processor, link */
};

/* A status in words, never NULL. Any thread. */
static inline const char *snt_status_str(enum snt_status status)
{
	static const char *const text[SNT_STATUS_END] = {
		"ok",
		"would block: as many requests are unanswered as the session has slots; poll first",
		"timed out: no answer within the time given",
		"expired: the request's deadline had passed, nothing was signed",
		"unavailable: the engine or its signer is gone; open the session again when it is back",
		"unknown key: no key of that name or number is configured",
		"denied: the configuration does not let this user or group use this key",
		"operation denied: the key may not be used for this operation",
		"bad request: unknown operation, or reserved bytes that are not zero",
		"bad version: client and engine speak different ABI versions; rebuild the older one",
		"full: the engine has no free session; raise sessions= in its configuration",
		"signing failed: the signing library refused the key or digest",
	};
	return (unsigned)status < SNT_STATUS_END ? text[status] : "unknown status";
}

/* Nanoseconds to ticks of snt_ticks(), rounded down, at most 2^63 - 1: a deadline,
 * snt_ticks() + snt_ticks_from_ns(s, ns), never wraps, and UINT64_MAX means for ever. */
static inline uint64_t snt_ticks_from_ns(const struct snt_session *s, uint64_t ns)
{
	__extension__ typedef unsigned __int128 snt_u128;
	snt_u128 ticks = ((snt_u128)ns * s->ticks_per_ns_q32) >> 32;

	return ticks < (snt_u128)INT64_MAX ? (uint64_t)ticks : (uint64_t)INT64_MAX;
}

/* Requests submitted and not yet completed, 0 to the capacity. */
static inline uint64_t snt_in_flight(const struct snt_session *s)
{
	return s->next - s->oldest;
}

/* Puts one request into the ring and returns at once.
 *
 *   key       number from snt_key_find(); 0 with SNT_OP_ECHO
 *   op        enum snt_op
 *   digest    32 bytes, copied
 *   deadline  in ticks (snt_ticks()); a request the engine reaches later is answered SNT_EXPIRED. 0: none
 *   tag       handed back in the completion
 *
 * SNT_OK: it will be completed. SNT_WOULD_BLOCK: no slot is free, nothing was submitted. SNT_UNAVAILABLE: the engine
 * is gone, nothing was submitted. */
static inline enum snt_status snt_submit(struct snt_session *s, uint32_t key, enum snt_op op,
					 const uint8_t digest[32], uint64_t deadline, uint64_t tag)
{
	uint64_t sequence = s->next;
	struct snt_request *r = &s->requests[sequence & s->mask];

	if (sequence - s->oldest > s->mask)
		return SNT_WOULD_BLOCK;
	if (s->engine_gone)
		return SNT_UNAVAILABLE;
	if (sequence == s->oldest)
		s->idle_since = 0;
	r->tag = tag;
	r->deadline = deadline;
	r->key = key;
	r->op = (uint8_t)op;
	memset(r->reserved, 0, sizeof r->reserved);
	memcpy(r->digest, digest, sizeof r->digest);
	/* request: pairs with the acquire in snt_ring_take(); makes the request's bytes visible */
	snt_store_release(&r->stamp, sequence + 1);
	s->next = sequence + 1;
	return SNT_OK;
}

/* Asks the kernel whether the engine still holds its end of the control socket. Cold: one system call. */
static inline bool snt_engine_alive(struct snt_session *s)
{
	struct pollfd p = {s->fd, 0, 0};

	/* Not recv(): the late answer to a lookup would hide the end that is behind it. */
	if (!s->engine_gone && s->fd >= 0 && poll(&p, 1, 0) > 0)
		s->engine_gone = (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
	return !s->engine_gone;
}

/* Nothing was ready although something is due: pauses, every 16th time looks at the clock, and after 10 ms at the
 * engine. Where the engine yields because cores are short, so does this.
 *
 * The pause makes answers faster, not slower: an answer's two lines are written in order, and a client that reads the
 * first one without pause takes it away from the engine before its stamp is in it, which costs one more transfer. */
static inline void snt_idle(struct snt_session *s)
{
	uint64_t now;

	snt_pause();
	if ((++s->idle_polls & 63u) == 0 && s->engine.yields)
		(void)sched_yield();
	if ((s->idle_polls & 15u) != 0)
		return;
	now = snt_ticks();
	if (s->idle_since == 0) {
		s->idle_since = now;
	} else if (now - s->idle_since > s->ticks_per_s / 100) {
		s->idle_since = now;
		(void)snt_engine_alive(s);
	}
}

/* Copies the answer to one request out of its slot. False while there is none; once the engine is gone, what it
 * left unanswered is SNT_UNAVAILABLE. */
static inline bool snt_answer(const struct snt_session *s, uint64_t sequence, struct snt_completion *out)
{
	const struct snt_response *r = &s->responses[sequence & s->mask];

	/* Both lines of the answer cross at once, not one after the other. */
	__builtin_prefetch(r->signature);
	/* response: pairs with the release in snt_ring_answer(); the response's bytes are visible after it */
	if (snt_load_acquire(&r->stamp) == sequence + 1) {
		out->tag = r->tag;
		out->status = (enum snt_status)r->status;
		out->op = r->op;
		out->recovery_id = r->recovery_id;
		memcpy(out->signature, r->signature, sizeof out->signature);
		return true;
	}
	if (!s->engine_gone)
		return false;
	memset(out, 0, sizeof *out);
	out->tag = s->requests[sequence & s->mask].tag;
	out->op = s->requests[sequence & s->mask].op;
	out->status = SNT_UNAVAILABLE;
	return true;
}

/* Steps past requests that snt_sign() has reported and that are answered. */
static inline void snt_skip_claimed(struct snt_session *s)
{
	while (s->oldest != s->next && s->claimed[s->oldest & s->mask]) {
		uint64_t stamp = snt_load_acquire(&s->responses[s->oldest & s->mask].stamp);

		if (stamp != s->oldest + 1 && !s->engine_gone)
			break;
		s->claimed[s->oldest & s->mask] = 0;
		s->oldest++;
	}
}

/* Takes up to `max` completions, oldest first; returns how many were written to `out`, 0 when none is ready. Never
 * waits. */
static inline unsigned snt_poll(struct snt_session *s, struct snt_completion *out, unsigned max)
{
	unsigned n = 0;

	while (n < max && s->oldest != s->next) {
		if (s->claimed[s->oldest & s->mask]) {
			snt_skip_claimed(s);
			if (s->oldest == s->next || s->claimed[s->oldest & s->mask])
				break;
		}
		if (!snt_answer(s, s->oldest, &out[n]))
			break;
		s->oldest++;
		n++;
	}
	if (n != 0)
		s->idle_since = 0;
	else if (s->oldest != s->next)
		snt_idle(s);
	return n;
}

/* Submits one request and spins until it is answered or `timeout_ns` nanoseconds have passed; that moment is also
 * the request's deadline, so what timed out waiting in a queue is not signed later. Requests in flight through
 * snt_submit() stay for snt_poll(). The tag in `out` is 0.
 *
 * Returns out->status: what the engine answered, SNT_TIMEOUT (the late answer is dropped), or SNT_WOULD_BLOCK and
 * SNT_UNAVAILABLE as snt_submit(). */
static inline enum snt_status snt_sign(struct snt_session *s, uint32_t key, enum snt_op op, const uint8_t digest[32],
				       uint64_t timeout_ns, struct snt_completion *out)
{
	uint64_t deadline = snt_ticks() + snt_ticks_from_ns(s, timeout_ns);
	uint64_t sequence = s->next;
	enum snt_status status;

	snt_skip_claimed(s);
	status = snt_submit(s, key, op, digest, deadline, 0);
	if (status == SNT_OK) {
		s->claimed[sequence & s->mask] = 1;
		while (!snt_answer(s, sequence, out)) {
			snt_idle(s);
			if ((s->idle_polls & 15u) == 0 && snt_ticks() > deadline) {
				status = SNT_TIMEOUT;
				break;
			}
		}
		snt_skip_claimed(s);
	}
	if (status == SNT_WOULD_BLOCK)
		snt_idle(s); /* nobody else may be polling: an engine that died must still be noticed */
	if (status != SNT_OK) {
		memset(out, 0, sizeof *out);
		out->status = status;
		out->op = (uint8_t)op;
	}
	return out->status;
}

/* Points a session at a mapped region. For snt_open() and for tests that bring their own memory.
 * 0, or -EPROTO when the header does not describe a region of `bytes` bytes. */
static inline int snt_attach(struct snt_session *s, void *region, size_t bytes)
{
	const struct snt_region_header *h = (const struct snt_region_header *)region;
	uint64_t capacity = h->capacity;

	/* region: pairs with the release in snt_region_create(); the header is complete */
	if (snt_load_acquire(&h->version) != SNT_ABI_VERSION || h->magic != SNT_REGION_MAGIC || h->bytes != bytes ||
	    capacity < SNT_CAPACITY_MIN || capacity > SNT_CAPACITY_MAX || (capacity & (capacity - 1)) != 0 ||
	    h->request_offset < sizeof *h || h->request_offset % SNT_CACHE_LINE != 0 ||
	    h->response_offset < h->request_offset + capacity * sizeof(struct snt_request) ||
	    h->response_offset % SNT_CACHE_LINE != 0 ||
	    h->response_offset + capacity * sizeof(struct snt_response) > bytes || h->ticks_per_s == 0)
		return -EPROTO;
	memset(s, 0, sizeof *s);
	s->claimed = (uint8_t *)calloc(capacity, 1);
	if (s->claimed == NULL)
		return -ENOMEM;
	s->requests = (struct snt_request *)(void *)((char *)region + h->request_offset);
	s->responses = (struct snt_response *)(void *)((char *)region + h->response_offset);
	s->mask = capacity - 1;
	s->ticks_per_s = h->ticks_per_s;
	s->ticks_per_ns_q32 = (uint64_t)((double)h->ticks_per_s / 1e9 * 4294967296.0);
	s->page_bytes = h->page_bytes;
	s->region = region;
	s->region_bytes = bytes;
	s->fd = -1;
	return 0;
}

/* Ends the session and frees all it held. Requests in flight are forgotten. Harmless on a closed or zeroed session. */
static inline void snt_close(struct snt_session *s)
{
	if (s->region == NULL)
		return;
	if (s->fd >= 0) {
		(void)munmap(s->region, s->region_bytes);
		(void)close(s->fd);
	}
	free(s->claimed);
	memset(s, 0, sizeof *s);
	s->fd = -1;
}

/* Why the last call on the control socket failed. */
static inline int snt_socket_errno(void)
{
	if (errno == EAGAIN)
		return -ETIMEDOUT;
	if (errno == EPIPE)
		return -ECONNRESET;
	return -errno;
}

/* Receives the welcome and the memfd that comes with it. */
static inline int snt_receive_welcome(int fd, struct snt_welcome *welcome, int *memfd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr msg;
	struct cmsghdr *c;
	ssize_t n;

	memset(&msg, 0, sizeof msg);
	iov.iov_base = welcome;
	iov.iov_len = sizeof *welcome;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control.bytes;
	msg.msg_controllen = sizeof control.bytes;
	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return snt_socket_errno();
	if (n == 0)
		return -ECONNRESET;
	c = CMSG_FIRSTHDR(&msg);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(memfd, CMSG_DATA(c), sizeof *memfd);
	return n == (ssize_t)sizeof *welcome && welcome->magic == SNT_CONTROL_MAGIC ? 0 : -EPROTO;
}

/* What a refusal in the welcome or in a key's description means as an errno. */
static inline int snt_status_errno(uint32_t status)
{
	switch (status) {
	case SNT_OK: return 0;
	case SNT_UNKNOWN_KEY: return -ENOENT;
	case SNT_DENIED: return -EACCES;
	case SNT_BAD_VERSION: return -EPROTONOSUPPORT;
	case SNT_FULL: return -EUSERS;
	case SNT_BAD_REQUEST: return -EINVAL;
	case SNT_UNAVAILABLE: return -EAGAIN;
	default: return -EPROTO;
	}
}

/* Opens a session.
 *
 *   path      the engine's control socket
 *   capacity  requests that may be unanswered at once: a power of two from 2 to 8192, or 0 for the engine's choice
 *
 * 0, or: -ENOENT or -ECONNREFUSED (no engine at `path`), -EACCES (the configuration gives this user and group no key,
 * or the socket's directory is closed to them), -EPROTONOSUPPORT (ABI versions differ), -EUSERS (no free session),
 * -EINVAL (capacity), -ETIMEDOUT (no answer in 5 s), -ENAMETOOLONG, -EPROTO (not an engine), or another negative errno
 * from the kernel. On failure the session is closed. */
static inline int snt_open(struct snt_session *s, const char *path, uint32_t capacity)
{
	struct sockaddr_un address;
	struct timeval patience = {5, 0};
	struct snt_hello hello;
	struct snt_welcome welcome;
	struct stat st;
	void *region = MAP_FAILED;
	int fd, memfd = -1, rc;

	memset(s, 0, sizeof *s);
	s->fd = -1;
	memset(&address, 0, sizeof address);
	address.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience); /* bounds connect() too */
	memset(&hello, 0, sizeof hello);
	hello.magic = SNT_CONTROL_MAGIC;
	hello.version = SNT_ABI_VERSION;
	hello.capacity = capacity;
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
	    send(fd, &hello, sizeof hello, MSG_NOSIGNAL) < 0)
		rc = snt_socket_errno();
	else
		rc = snt_receive_welcome(fd, &welcome, &memfd);
	if (rc == 0)
		rc = snt_status_errno(welcome.status);
	if (rc == 0 && (memfd < 0 || fstat(memfd, &st) < 0 || st.st_size < 4096))
		rc = -EPROTO;
	if (rc == 0) {
		region = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memfd, 0);
		rc = region == MAP_FAILED ? -errno : snt_attach(s, region, (size_t)st.st_size);
	}
	if (memfd >= 0)
		(void)close(memfd);
	if (rc != 0) {
		if (region != MAP_FAILED)
			(void)munmap(region, (size_t)st.st_size);
		(void)close(fd);
		return rc;
	}
	(void)madvise(region, (size_t)st.st_size, MADV_DONTFORK);
	s->fd = fd;
	s->engine = welcome;
	return 0;
}

/* Looks a key up by name. 0, or, with `out` zeroed, -ENOENT (no such key), -EACCES (not for this caller),
 * -ENAMETOOLONG (63 characters at most), -ETIMEDOUT, -ECONNRESET (the engine is gone), -EPROTO. Cold: waits for the
 * engine's control thread. */
static inline int snt_key_find(struct snt_session *s, const char *name, struct snt_key *out)
{
	struct snt_lookup lookup;
	struct snt_key_info info;
	ssize_t n;
	int rc;

	memset(out, 0, sizeof *out);
	memset(&lookup, 0, sizeof lookup);
	if (strlen(name) >= sizeof lookup.name)
		return -ENAMETOOLONG;
	memcpy(lookup.name, name, strlen(name));
	if (send(s->fd, &lookup, sizeof lookup, MSG_NOSIGNAL) < 0)
		return snt_socket_errno();
	/* Answers come in order: those to lookups that timed out come first, and are of other keys. */
	s->lookups_due++;
	do {
		n = recv(s->fd, &info, sizeof info, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return snt_socket_errno();
		if (n == 0)
			return -ECONNRESET;
		s->lookups_due--;
	} while (s->lookups_due > 0);
	if (n != (ssize_t)sizeof info)
		return -EPROTO;
	rc = snt_status_errno(info.status);
	if (rc == 0) {
		out->id = info.key;
		out->ops = info.ops;
		memcpy(out->pubkey, info.pubkey, sizeof out->pubkey);
	}
	return rc;
}

#ifdef __cplusplus
}
#endif
#endif
