/* Who is let in, which keys they see, and what is said to a client that greets or asks wrongly. */
#define _GNU_SOURCE
#include "path.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/wait.h>

enum { NOBODY = 65534, SOME_GROUP = 54321, IDLERS = 20 };

/* What a user without rights of its own meets; 0 when it is as expected. Runs in a child. */
static int visit(const struct path_engine *engine, gid_t group, bool supplementary, int open_expected)
{
	static const char long_name[] = "a-name-that-has-sixty-four-characters-and-so-is-one-too-long-xxxx";
	const gid_t groups[1] = {group};
	struct snt_session session;
	struct snt_completion done;
	struct snt_key key;
	uint8_t digest[32] = {1};
	int rc;

	if (setgroups(supplementary ? 1 : 0, groups) < 0 || setgid(supplementary ? NOBODY : group) < 0 || setuid(NOBODY) < 0)
		return 1;
	rc = snt_open(&session, engine->socket, 0);
	if (rc != open_expected) {
		(void)fprintf(stderr, "snt_open: %s\n", strerror(-rc));
		return 2;
	}
	if (rc < 0)
		return 0;
	if (snt_key_find(&session, "theirs", &key) != 0)
		return 3;
	if (snt_sign(&session, key.id, SNT_OP_ECDSA, digest, 30000000000, &done) != SNT_OK ||
	    !path_verify(&done, digest, key.pubkey))
		return 4;
	if (snt_key_find(&session, "mine", &key) != -EACCES)
		return 5;
	if (snt_key_find(&session, "nobodys", &key) != -ENOENT)
		return 6;
	if (snt_key_find(&session, long_name, &key) != -ENAMETOOLONG)
		return 7;
	if (snt_key_find(&session, "", &key) != -ENOENT)
		return 8;
	if (session.engine.keys != 1)
		return 9;
	/* A number guessed is no way round: "mine" is key 0. */
	if (snt_sign(&session, 0, SNT_OP_ECDSA, digest, 30000000000, &done) != SNT_DENIED)
		return 10;
	snt_close(&session);
	return 0;
}

static void send_visitor(const char *rule, gid_t group, bool supplementary, int open_expected)
{
	static const uint8_t mine[32] = {[31] = 1}, theirs[32] = {[31] = 2};
	struct path_engine engine;
	char config[256];
	int status = 0;
	pid_t child;

	(void)snprintf(config, sizeof config, "[lane a]\n[key mine]\nuid = %u\n[key theirs]\n%s\n", (unsigned)geteuid(), rule);
	path_init(&engine, config);
	path_add_key(&engine, "mine", mine);
	path_add_key(&engine, "theirs", theirs);
	path_start(&engine);
	child = fork();
	if (child == 0)
		_exit(visit(&engine, group, supplementary, open_expected));
	PATH_CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
		   "theirs: %s: visitor in group %u: step %d", rule, (unsigned)group, WEXITSTATUS(status));
	path_stop(&engine);
	(void)printf("%s: a visitor in group %u is %s\n", rule, (unsigned)group, open_expected == 0 ? "admitted" : "refused");
}

static int call(const struct path_engine *engine)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {30, 0};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", engine->socket);
	PATH_CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
			   connect(fd, (const struct sockaddr *)&address, sizeof address) == 0,
		   "%s", strerror(errno));
	return fd;
}

/* Sends `bytes` as a first packet: the engine must refuse it so, tell its version and hang up. */
static void greet(const struct path_engine *engine, const char *what, const void *bytes, size_t count,
		  enum snt_status expected)
{
	struct snt_welcome welcome;
	int fd = call(engine), memfd = -1, rc;
	char byte;

	PATH_CHECK(send(fd, bytes, count, MSG_NOSIGNAL) == (ssize_t)count, "%s: %s", what, strerror(errno));
	rc = snt_receive_welcome(fd, &welcome, &memfd);
	PATH_CHECK(rc == 0, "%s: %s", what, strerror(-rc));
	PATH_CHECK(welcome.status == expected, "%s: status %u", what, welcome.status);
	PATH_CHECK(welcome.version == SNT_ABI_VERSION, "%s: version %u", what, welcome.version);
	PATH_CHECK(memfd < 0, "%s: memory for a client that was refused", what);
	PATH_CHECK(recv(fd, &byte, 1, 0) == 0, "%s: the connection stays", what);
	(void)close(fd);
}

static void check_greetings(const struct path_engine *engine)
{
	const struct snt_hello good = {.magic = SNT_CONTROL_MAGIC, .version = SNT_ABI_VERSION};
	struct {
		struct snt_hello hello;
		char more[64];
	} large = {good, {0}};
	struct snt_hello bad;

	bad = good;
	bad.version = SNT_ABI_VERSION + 1;
	greet(engine, "a later version", &bad, sizeof bad, SNT_BAD_VERSION);
	greet(engine, "a later version, shorter", &bad, 12, SNT_BAD_VERSION);
	bad.version = 0;
	greet(engine, "version 0", &bad, sizeof bad, SNT_BAD_VERSION);
	bad = good;
	bad.magic ^= 1;
	greet(engine, "another magic", &bad, sizeof bad, SNT_BAD_REQUEST);
	memset(&bad, 0xa5, sizeof bad);
	greet(engine, "rubbish", &bad, sizeof bad, SNT_BAD_REQUEST);
	greet(engine, "one byte", &good, 1, SNT_BAD_REQUEST);
	greet(engine, "one byte short", &good, sizeof good - 1, SNT_BAD_REQUEST);
	greet(engine, "one byte more", &large, sizeof good + 1, SNT_BAD_REQUEST);
	greet(engine, "three times as long", &large, sizeof large, SNT_BAD_REQUEST);
	for (size_t i = 0; i < sizeof good.reserved; i++) {
		bad = good;
		bad.reserved[i] = 1;
		greet(engine, "reserved bytes", &bad, sizeof bad, SNT_BAD_REQUEST);
	}
	for (uint32_t capacity = 1; capacity != 0; capacity = capacity == 1 ? 3 : capacity == 3 ? 16384 : 0) {
		struct snt_session session;
		int rc = snt_open(&session, engine->socket, capacity);

		PATH_CHECK(rc == -EINVAL, "capacity %u: %s", capacity, strerror(-rc));
	}
}

/* Asks with `count` bytes of `name` and some; the connection must outlive a bad question. */
static void ask(struct snt_session *session, const char *what, const void *bytes, size_t count, enum snt_status expected)
{
	struct snt_key_info info;

	PATH_CHECK(send(session->fd, bytes, count, MSG_NOSIGNAL) == (ssize_t)count, "%s: %s", what, strerror(errno));
	PATH_CHECK(recv(session->fd, &info, sizeof info, 0) == (ssize_t)sizeof info && info.status == expected,
		   "%s: status %u", what, info.status);
}

static void check_questions(const struct path_engine *engine)
{
	struct snt_session session;
	char name[SNT_KEY_NAME_SIZE + 1] = "k";

	path_open(engine, &session, 0);
	ask(&session, "a good name", name, sizeof(struct snt_lookup), SNT_OK);
	ask(&session, "65 bytes", name, sizeof name, SNT_BAD_REQUEST);
	ask(&session, "3 bytes", name, 3, SNT_BAD_REQUEST);
	memset(name, 'k', sizeof name);
	ask(&session, "a name without end", name, sizeof(struct snt_lookup), SNT_BAD_REQUEST);
	(void)path_key(&session, "k");
	snt_close(&session);
}

/* Some who connect and say nothing: others are served meanwhile, and the silent ones are sent away. */
static void check_silence(const struct path_engine *engine)
{
	struct snt_session session;
	int fds[IDLERS];
	char byte;

	for (unsigned i = 0; i < IDLERS; i++)
		fds[i] = call(engine);
	path_open(engine, &session, 0);
	(void)path_key(&session, "k");
	for (unsigned i = 0; i < IDLERS; i++) {
		PATH_CHECK(recv(fds[i], &byte, 1, 0) == 0, "a silent connection stays: %s", strerror(errno));
		(void)close(fds[i]);
	}
	(void)path_key(&session, "k");
	snt_close(&session);
}

/* Three sessions are configured; the fourth has to wait until one is closed. */
static void check_full(const struct path_engine *engine)
{
	struct snt_session session[3], fourth;
	int rc;

	for (unsigned i = 0; i < 3; i++)
		path_open(engine, &session[i], 0);
	for (unsigned i = 0; i < 6; i++) {
		rc = snt_open(&fourth, engine->socket, 0);
		PATH_CHECK(rc == -EUSERS, "a fourth session: %s", strerror(-rc));
		snt_close(&session[i % 3]);
		path_open(engine, &session[i % 3], 0);
		(void)path_key(&session[i % 3], "k");
	}
	for (unsigned i = 0; i < 3; i++)
		snt_close(&session[i]);
}

int main(void)
{
	static const uint8_t secret[32] = {[31] = 3};
	struct path_engine engine;
	char config[128];

	path_time_limit(120);
	(void)snprintf(config, sizeof config, "sessions = 3\n[lane a]\n[key k]\nuid = %u\n", (unsigned)geteuid());
	path_init(&engine, config);
	path_add_key(&engine, "k", secret);
	path_start(&engine);
	check_greetings(&engine);
	check_questions(&engine);
	check_full(&engine);
	check_silence(&engine);
	path_stop(&engine);
	if (geteuid() != 0) {
		(void)printf("skipped: only root can become another user to be refused\n");
		return PATH_SKIPPED;
	}
	path_time_limit(120);
	send_visitor("uid = 0", NOBODY, false, -EACCES);
	send_visitor("uid = 65534", NOBODY, false, 0);
	send_visitor("gid = 54321", NOBODY, false, -EACCES);
	send_visitor("gid = 54321", SOME_GROUP, false, 0);
	send_visitor("gid = 54321", SOME_GROUP, true, 0);
	return 0;
}
