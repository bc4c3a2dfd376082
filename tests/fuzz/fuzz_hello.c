/* A link's first records from a peer that says anything: no crash, no wait, and what is accepted is well formed. */
#include "../../engine/link/hello.c"

#include <stdlib.h>
#include <unistd.h>

#define REQUIRE(condition)                                                                                             \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			abort();                                                                                       \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct snt_key_list learnt, untouched, mine = {.count = 1, .keys = {{.name = "a", .pubkey = {2}}}};

/* A socket on which a peer has said these bytes and will say no more. */
static int said(const uint8_t *data, size_t size, int *peer)
{
	int ends[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	REQUIRE(size == 0 || send(ends[1], data, size, MSG_DONTWAIT) == (ssize_t)size);
	REQUIRE(shutdown(ends[1], SHUT_WR) == 0);
	*peer = ends[1];
	return ends[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct snt_error error = {""};
	int peer, fd, rc;

	if (size > sizeof(struct snt_link_hello) + sizeof learnt.keys)
		return 0;
	fd = said(data, size, &peer);
	memset(&learnt, 0x5a, sizeof learnt);
	memset(&untouched, 0x5a, sizeof untouched);
	rc = snt_hello_offer(fd, &learnt, &error);
	if (rc == 0) {
		REQUIRE(size >= sizeof(struct snt_link_hello) + learnt.count * sizeof learnt.keys[0]);
		for (unsigned i = 0; i < learnt.count; i++)
			REQUIRE(snt_key_name_check(learnt.keys[i].name, NULL) == 0 &&
				learnt.keys[i].pubkey[0] / 2 == 1);
	} else {
		REQUIRE(rc == -EPROTO || rc == -EPROTONOSUPPORT || rc == -ECONNRESET);
		REQUIRE(error.text[0] != '\0' && memcmp(&learnt, &untouched, sizeof learnt) == 0);
	}
	(void)close(fd);
	(void)close(peer);
	fd = said(data, size, &peer);
	rc = snt_hello_accept(fd, &mine);
	REQUIRE(rc == 0 || rc == -EPROTO || rc == -EPROTONOSUPPORT || rc == -ECONNRESET);
	(void)close(fd);
	(void)close(peer);
	return 0;
}
