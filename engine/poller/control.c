/* Serves the control socket. */
#define _GNU_SOURCE
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "access.h"
#include "region.h"
#include "supervisor.h"

/* Connections beyond the sessions: for those that have not said hello yet or are about to be told that it is full. */
enum { CLIENTS_SPARE = 32, HELLO_PATIENCE_MS = 5000 };

/* One connection; a session once it was welcomed. */
struct snt_client {
	int fd;
	bool welcomed;
	uint64_t since_ms;
	struct snt_peer peer;
	unsigned keys; /* how many it may use */
	struct snt_lane *lane;
	struct snt_region region;
	struct snt_lane_session session;
};

static void say(const struct snt_control *control, const struct snt_error *line)
{
	if (control->log != NULL)
		control->log(control->log_context, line->text);
}

static void client_end(struct snt_client *client)
{
	/* The lane lets go first; only then may the memory go, and the socket's end tells the client last. */
	if (client->welcomed)
		snt_lane_detach(client->lane, &client->session);
	snt_region_destroy(&client->region);
	(void)close(client->fd);
	free(client);
}

static unsigned sessions(const struct snt_control *control)
{
	unsigned n = 0;

	for (unsigned i = 0; i < control->client_count; i++)
		n += control->clients[i]->welcomed;
	return n;
}

static unsigned quietest_lane(const struct snt_control *control)
{
	unsigned best = 0;

	for (unsigned i = 1; i < control->lane_count; i++)
		if (control->lanes[i]->session_count < control->lanes[best]->session_count)
			best = i;
	return best;
}

static int send_welcome(int fd, const struct snt_welcome *welcome, int memfd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {(void *)(uintptr_t)welcome, sizeof *welcome};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	memset(&control, 0, sizeof control);
	if (memfd >= 0) {
		struct cmsghdr *header = &control.align;

		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof memfd);
		memcpy(CMSG_DATA(header), &memfd, sizeof memfd);
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof control.bytes;
	}
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Is this hello one that can be served? */
static enum snt_status judge(const struct snt_control *control, const struct snt_client *client,
			     const struct snt_hello *hello, size_t bytes)
{
	static const uint8_t zero[sizeof hello->reserved];

	if (bytes < offsetof(struct snt_hello, capacity) || hello->magic != SNT_CONTROL_MAGIC)
		return SNT_BAD_REQUEST;
	if (hello->version != SNT_ABI_VERSION)
		return SNT_BAD_VERSION;
	if (bytes != sizeof *hello || memcmp(hello->reserved, zero, sizeof zero) != 0)
		return SNT_BAD_REQUEST;
	if (client->keys == 0)
		return SNT_DENIED;
	if (sessions(control) >= control->config->sessions)
		return SNT_FULL;
	return SNT_OK;
}

static enum snt_status make_region(struct snt_control *control, struct snt_client *client, uint32_t capacity)
{
	struct snt_error line;
	int rc = snt_region_create(&client->region, capacity != 0 ? capacity : control->config->capacity,
				   control->ticks_per_s);

	if (rc == -EINVAL)
		return SNT_BAD_REQUEST;
	if (rc < 0) {
		(void)snt_fail(&line, rc, "no memory for a session of uid %u: %s", (unsigned)client->peer.uid,
			       strerror(-rc));
		say(control, &line);
		return SNT_FULL;
	}
	if (client->region.page_bytes < 2u << 20 && !control->told_small_pages) {
		(void)snt_fail(&line, 0,
			       "no reserved huge page is free: sessions use 4 KiB pages; sysctl vm.nr_hugepages=%u gives "
			       "every session one",
			       control->config->sessions);
		say(control, &line);
		control->told_small_pages = true;
	}
	client->session.ring = client->region.ring;
	client->session.key_count = control->keys->count;
	return SNT_OK;
}

/* Answers a hello. False when the connection is to be closed. */
static bool greet(struct snt_control *control, struct snt_client *client, const struct snt_hello *hello, size_t bytes)
{
	struct snt_welcome welcome = {.magic = SNT_CONTROL_MAGIC, .version = SNT_ABI_VERSION};
	unsigned lane = quietest_lane(control);
	struct snt_error line;
	enum snt_status status = judge(control, client, hello, bytes);

	if (status == SNT_OK)
		status = make_region(control, client, hello->capacity);
	welcome.status = status;
	welcome.engine_pid = (uint32_t)getpid();
	if (status != SNT_OK) {
		(void)send_welcome(client->fd, &welcome, -1);
		(void)snt_fail(&line, 0, "refused a session to process %d of uid %u: status %u", (int)client->peer.pid,
			       (unsigned)client->peer.uid, (unsigned)status);
		say(control, &line);
		return false;
	}
	client->lane = control->lanes[lane];
	welcome.lane = lane;
	welcome.lane_cpu = client->lane->cpu >= 0 ? (uint32_t)client->lane->cpu : UINT32_MAX;
	welcome.keys = client->keys;
	welcome.yields = client->lane->wait == SNT_WAIT_YIELD;
	welcome.link = (uint8_t)control->config->lanes[lane].link;
	snt_lane_attach(client->lane, &client->session);
	client->welcomed = true;
	if (send_welcome(client->fd, &welcome, client->region.fd) < 0)
		return false;
	/* The mapping is all the engine needs: one descriptor a session, not two. */
	(void)close(client->region.fd);
	client->region.fd = -1;
	return true;
}

/* Answers a key lookup. False when the connection is to be closed. */
static bool look_up(const struct snt_control *control, const struct snt_client *client, const struct snt_lookup *lookup,
		    size_t bytes)
{
	struct snt_key_info info = {.status = SNT_UNKNOWN_KEY};

	if (bytes != sizeof *lookup || memchr(lookup->name, 0, sizeof lookup->name) == NULL) {
		info.status = SNT_BAD_REQUEST;
		return send(client->fd, &info, sizeof info, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
	}
	for (unsigned i = 0; i < control->keys->count; i++) {
		const struct snt_key_public *key = &control->keys->keys[i];

		if (strcmp(key->name, lookup->name) != 0)
			continue;
		info.status = client->session.ops[i] != 0 ? SNT_OK : SNT_DENIED;
		if (info.status == SNT_OK) {
			info.key = i;
			info.ops = client->session.ops[i];
			memcpy(info.pubkey, key->pubkey, sizeof info.pubkey);
		}
	}
	return send(client->fd, &info, sizeof info, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static bool serve_client(struct snt_control *control, struct snt_client *client)
{
	union {
		struct snt_hello hello;
		struct snt_lookup lookup;
		char bytes[sizeof(struct snt_lookup) + 1]; /* one more, so that a longer packet shows */
	} packet;
	ssize_t n;

	memset(&packet, 0, sizeof packet);
	n = recv(client->fd, &packet, sizeof packet, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	if (!client->welcomed)
		return greet(control, client, &packet.hello, (size_t)n);
	return look_up(control, client, &packet.lookup, (size_t)n);
}

static void remove_client(struct snt_control *control, unsigned index)
{
	client_end(control->clients[index]);
	control->clients[index] = control->clients[--control->client_count];
}

/* Makes room by closing the connection that has said nothing for longest: anyone may connect, and none may keep others
 * out by doing no more. */
static void evict_idler(struct snt_control *control)
{
	unsigned oldest = control->client_count;

	for (unsigned i = 0; i < control->client_count; i++)
		if (!control->clients[i]->welcomed && (oldest == control->client_count ||
						       control->clients[i]->since_ms < control->clients[oldest]->since_ms))
			oldest = i;
	if (oldest < control->client_count)
		remove_client(control, oldest);
}

static void accept_client(struct snt_control *control)
{
	int fd = accept4(control->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct timespec nap = {0, 10000000};
	struct snt_client *client;

	if (fd < 0) {
		/* Out of descriptors: the connection stays pending, and poll(2) would report it again at once. */
		if (errno == EMFILE || errno == ENFILE)
			(void)nanosleep(&nap, NULL);
		return;
	}
	if (control->client_count == control->client_max)
		evict_idler(control);
	client = control->client_count < control->client_max ? calloc(1, sizeof *client) : NULL;
	if (client == NULL || snt_peer_read(&client->peer, fd) < 0) {
		struct snt_welcome full = {.magic = SNT_CONTROL_MAGIC, .version = SNT_ABI_VERSION, .status = SNT_FULL};

		(void)send_welcome(fd, &full, -1);
		(void)close(fd);
		free(client);
		return;
	}
	client->keys = snt_access_resolve(control->config, control->keys, &client->peer, client->session.ops);
	client->fd = fd;
	client->region.fd = -1;
	client->since_ms = snt_now_ms();
	control->clients[control->client_count++] = client;
}

int snt_control_open(struct snt_control *control, struct snt_error *error)
{
	int rc;

	control->client_max = control->config->sessions + CLIENTS_SPARE;
	control->client_count = 0;
	control->clients = calloc(control->client_max, sizeof(struct snt_client *));
	if (control->clients == NULL)
		return snt_fail(error, -ENOMEM, "no memory for %u clients", control->client_max);
	/* Anyone may connect: who is admitted is decided by SO_PEERCRED, not by the file's mode. */
	rc = snt_listener_open(&control->listener, control->config->socket, SOCK_SEQPACKET, 0666, error);
	if (rc < 0) {
		free(control->clients);
		control->clients = NULL;
	}
	return rc == 0 || rc == -EADDRINUSE ? rc : -EADDRNOTAVAIL;
}

void snt_control_close(struct snt_control *control)
{
	if (control->clients == NULL)
		return;
	while (control->client_count > 0)
		remove_client(control, control->client_count - 1);
	snt_listener_close(&control->listener);
	free(control->clients);
	control->clients = NULL;
}

unsigned snt_control_poll_set(const struct snt_control *control, struct pollfd *set)
{
	set[0] = (struct pollfd){.fd = control->listener.fd, .events = POLLIN};
	for (unsigned i = 0; i < control->client_count; i++)
		set[i + 1] = (struct pollfd){.fd = control->clients[i]->fd, .events = POLLIN};
	return control->client_count + 1;
}

void snt_control_handle(struct snt_control *control, const struct pollfd *set)
{
	/* From the end, because removing a client moves the last one into its place. */
	for (unsigned i = control->client_count; i-- > 0;)
		if (set[i + 1].revents != 0 && !serve_client(control, control->clients[i]))
			remove_client(control, i);
	if (set[0].revents != 0)
		accept_client(control);
}

void snt_control_housekeep(struct snt_control *control)
{
	uint64_t now = snt_now_ms();

	for (unsigned i = control->client_count; i-- > 0;) {
		const struct snt_client *client = control->clients[i];
		struct snt_error line;

		if (!client->welcomed && now - client->since_ms > HELLO_PATIENCE_MS) {
			remove_client(control, i);
		} else if (client->welcomed && snt_region_lost(&client->region)) {
			(void)snt_fail(&line, 0, "closed the session of process %d, uid %u: it took its own memory away",
				       (int)client->peer.pid, (unsigned)client->peer.uid);
			say(control, &line);
			remove_client(control, i);
		}
	}
}
