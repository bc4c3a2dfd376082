/* The control socket's packets from a peer that says anything: each is answered or ends the connection.
 *
 * The input is packets, each one byte of length and then that many bytes. The lane is a stub. */
#include "../../engine/poller/control.c"

#include <fcntl.h>

#define REQUIRE(condition)                                                                                             \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			abort();                                                                                       \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int attached;

void snt_lane_attach(struct snt_lane *lane, struct snt_lane_session *session)
{
	REQUIRE(lane != NULL && session->ring.requests != NULL && session->key_count == 2);
	attached++;
}

void snt_lane_detach(struct snt_lane *lane, struct snt_lane_session *session)
{
	REQUIRE(lane != NULL && session->ring.requests != NULL);
	attached--;
}

uint64_t snt_now_ms(void)
{
	return 0;
}

/* Two keys, of which this process may use the first. */
static void configure(struct snt_config *config, struct snt_key_list *keys)
{
	snt_config_init(config);
	config->sessions = 1;
	config->lane_count = 1;
	config->lanes[0].link = SNT_LINK_DIRECT;
	config->key_count = keys->count = 2;
	for (unsigned i = 0; i < 2; i++) {
		config->keys[i].name[0] = keys->keys[i].name[0] = (char)('a' + i);
		config->keys[i].ops = keys->keys[i].ops = 1u << SNT_OP_ECDSA;
		config->keys[i].uid_count = 1;
		config->keys[i].uids[0] = getuid() + i;
	}
}

/* Takes the answer away and closes what came with it. */
static void read_answer(int fd, bool welcome)
{
	char control[CMSG_SPACE(sizeof(int))];
	uint8_t bytes[sizeof(struct snt_welcome) + 1];
	struct iovec iov = {bytes, sizeof bytes};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *header;
	uint32_t status;

	REQUIRE(recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == (ssize_t)sizeof(struct snt_welcome));
	memcpy(&status, bytes + (welcome ? offsetof(struct snt_welcome, status) : 0), sizeof status);
	REQUIRE(status < SNT_STATUS_END);
	header = CMSG_FIRSTHDR(&message);
	REQUIRE((header != NULL) == (welcome && status == SNT_OK));
	if (header != NULL) {
		int memfd;

		memcpy(&memfd, CMSG_DATA(header), sizeof memfd);
		(void)close(memfd);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct snt_config config;
	static struct snt_key_list keys;
	static struct snt_lane lane = {.cpu = -1};
	struct snt_lane *lanes[] = {&lane};
	struct snt_client *clients[1];
	struct snt_control control = {.config = &config,
				      .keys = &keys,
				      .lanes = lanes,
				      .lane_count = 1,
				      .ticks_per_s = 1000000000,
				      .clients = clients,
				      .client_max = 1};
	struct snt_client *client = calloc(1, sizeof *client);
	bool open = true;
	int ends[2];

	if (config.lane_count == 0)
		configure(&config, &keys);
	REQUIRE(client != NULL && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) == 0);
	client->fd = ends[0];
	client->region.fd = -1;
	REQUIRE(snt_peer_read(&client->peer, ends[0]) == 0);
	clients[control.client_count++] = client;
	while (open && size > 1) {
		size_t bytes = data[0] < size - 1 ? data[0] : size - 1;
		bool greeting = !client->welcomed;

		REQUIRE(send(ends[1], data + 1, bytes, MSG_NOSIGNAL) == (ssize_t)bytes);
		open = serve_client(&control, client);
		REQUIRE(open || greeting || bytes == 0);
		if (bytes > 0)
			read_answer(ends[1], greeting);
		data += 1 + bytes;
		size -= 1 + bytes;
	}
	REQUIRE(attached == (int)client->welcomed);
	remove_client(&control, 0);
	REQUIRE(attached == 0 && control.client_count == 0);
	(void)close(ends[1]);
	return 0;
}
