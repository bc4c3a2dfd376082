/* Requests written by hand, with everything wrong that can be: each is answered with the status that says so. */
#include "path.h"

#include <string.h>

enum { KEY_MINE, KEY_LIMITED, KEY_THEIRS, KEY_COUNT }; /* keys are numbered as the configuration lists them */

struct attempt {
	const char *what;
	uint32_t key;
	uint8_t op, reserved[3];
	enum { NO_DEADLINE, PAST, LONG_PAST, FUTURE, NEVER } deadline;
	enum snt_status expected;
};

static const struct attempt attempts[] = {
	{"ecdsa", KEY_MINE, SNT_OP_ECDSA, {0}, NO_DEADLINE, SNT_OK},
	{"recoverable", KEY_MINE, SNT_OP_ECDSA_RECOVERABLE, {0}, NO_DEADLINE, SNT_OK},
	{"schnorr", KEY_MINE, SNT_OP_SCHNORR, {0}, NO_DEADLINE, SNT_OK},
	{"schnorr with the key that is for that alone", KEY_LIMITED, SNT_OP_SCHNORR, {0}, NO_DEADLINE, SNT_OK},
	{"echo", KEY_MINE, SNT_OP_ECHO, {0}, NO_DEADLINE, SNT_OK},
	{"echo with no such key", UINT32_MAX, SNT_OP_ECHO, {0}, NO_DEADLINE, SNT_OK},
	{"echo with another user's key", KEY_THEIRS, SNT_OP_ECHO, {0}, NO_DEADLINE, SNT_OK},
	{"operation 0", KEY_MINE, 0, {0}, NO_DEADLINE, SNT_BAD_REQUEST},
	{"the first unknown operation", KEY_MINE, SNT_OP_END, {0}, NO_DEADLINE, SNT_BAD_REQUEST},
	{"operation 64", KEY_MINE, 64, {0}, NO_DEADLINE, SNT_BAD_REQUEST},
	{"operation 255", KEY_MINE, 255, {0}, NO_DEADLINE, SNT_BAD_REQUEST},
	{"first reserved byte", KEY_MINE, SNT_OP_ECDSA, {1, 0, 0}, NO_DEADLINE, SNT_BAD_REQUEST},
	{"second reserved byte", KEY_MINE, SNT_OP_ECDSA, {0, 128, 0}, NO_DEADLINE, SNT_BAD_REQUEST},
	{"third reserved byte", KEY_MINE, SNT_OP_ECDSA, {0, 0, 255}, NO_DEADLINE, SNT_BAD_REQUEST},
	{"reserved byte of an echo", KEY_MINE, SNT_OP_ECHO, {0, 0, 1}, NO_DEADLINE, SNT_BAD_REQUEST},
	{"the first number that is no key", KEY_COUNT, SNT_OP_ECDSA, {0}, NO_DEADLINE, SNT_UNKNOWN_KEY},
	{"key 256", 256, SNT_OP_ECDSA, {0}, NO_DEADLINE, SNT_UNKNOWN_KEY},
	{"key 2^31", UINT32_C(1) << 31, SNT_OP_SCHNORR, {0}, NO_DEADLINE, SNT_UNKNOWN_KEY},
	{"key 2^32 - 1", UINT32_MAX, SNT_OP_ECDSA, {0}, NO_DEADLINE, SNT_UNKNOWN_KEY},
	{"ecdsa with a schnorr key", KEY_LIMITED, SNT_OP_ECDSA, {0}, NO_DEADLINE, SNT_OP_DENIED},
	{"recoverable with a schnorr key", KEY_LIMITED, SNT_OP_ECDSA_RECOVERABLE, {0}, NO_DEADLINE, SNT_OP_DENIED},
	{"another user's key", KEY_THEIRS, SNT_OP_ECDSA, {0}, NO_DEADLINE, SNT_DENIED},
	{"another user's key, schnorr", KEY_THEIRS, SNT_OP_SCHNORR, {0}, NO_DEADLINE, SNT_DENIED},
	{"a deadline that has just passed", KEY_MINE, SNT_OP_ECDSA, {0}, PAST, SNT_EXPIRED},
	{"a deadline at tick 1", KEY_MINE, SNT_OP_SCHNORR, {0}, LONG_PAST, SNT_EXPIRED},
	{"an echo too late", KEY_MINE, SNT_OP_ECHO, {0}, PAST, SNT_EXPIRED},
	{"a deadline in an hour", KEY_MINE, SNT_OP_ECDSA, {0}, FUTURE, SNT_OK},
	{"the last deadline there is", KEY_MINE, SNT_OP_ECDSA_RECOVERABLE, {0}, NEVER, SNT_OK},
};
enum { ATTEMPTS = sizeof attempts / sizeof attempts[0] };

static uint64_t deadline_of(const struct attempt *attempt, const struct snt_session *session)
{
	switch (attempt->deadline) {
	case PAST: return snt_ticks() - 1;
	case LONG_PAST: return 1;
	case FUTURE: return snt_ticks() + 3600 * session->ticks_per_s;
	case NEVER: return UINT64_MAX;
	case NO_DEADLINE: break;
	}
	return 0;
}

/* As snt_submit(), with fields that it would not write. */
static void submit(struct snt_session *session, const struct attempt *attempt, const uint8_t digest[32], uint64_t tag)
{
	struct snt_request *slot = &session->requests[session->next & session->mask];

	slot->tag = tag;
	slot->deadline = deadline_of(attempt, session);
	slot->key = attempt->key;
	slot->op = attempt->op;
	memcpy(slot->reserved, attempt->reserved, sizeof slot->reserved);
	memcpy(slot->digest, digest, sizeof slot->digest);
	/* request: pairs with the acquire in snt_ring_take() */
	snt_store_release(&slot->stamp, ++session->next);
}

static void check(struct snt_session *session, const struct snt_key *key, const struct attempt *attempt, uint64_t tag)
{
	static const struct snt_response zero;
	const struct snt_response *slot = &session->responses[session->next & session->mask];
	struct snt_completion done;
	uint8_t digest[32];

	path_digest(digest, tag);
	submit(session, attempt, digest, tag);
	while (snt_poll(session, &done, 1) == 0)
		continue;
	PATH_CHECK(done.status == attempt->expected, "%s: %s", attempt->what, snt_status_str(done.status));
	PATH_CHECK(done.tag == tag && done.op == attempt->op, "%s: another's answer", attempt->what);
	PATH_CHECK(memcmp(slot->reserved, zero.reserved, sizeof zero.reserved) == 0, "%s: reserved bytes", attempt->what);
	if (done.status == SNT_OK)
		PATH_CHECK(path_verify(&done, digest, key[attempt->op == SNT_OP_ECHO ? KEY_MINE : attempt->key].pubkey),
			   "%s: does not verify", attempt->what);
	else
		PATH_CHECK(memcmp(done.signature, zero.signature, sizeof zero.signature) == 0 && done.recovery_id == 0,
			   "%s: a signature although refused", attempt->what);
}

static void check_link(const char *link)
{
	struct path_engine engine;
	struct snt_session session;
	struct snt_key key[KEY_COUNT];
	char config[512];
	unsigned uid = (unsigned)geteuid();

	(void)snprintf(config, sizeof config,
		       "[lane a]\nlink = %s\n[key mine]\nuid = %u\n[key limited]\nuid = %u\nops = schnorr\n[key theirs]\nuid = "
		       "%u\n",
		       link, uid, uid, uid + 1);
	path_init(&engine, config);
	path_add_key(&engine, "mine", (const uint8_t[32]){[31] = 1});
	path_add_key(&engine, "limited", (const uint8_t[32]){[31] = 2});
	path_add_key(&engine, "theirs", (const uint8_t[32]){[31] = 3});
	path_start(&engine);
	path_open(&engine, &session, 16); /* so that slots are used again and stale bytes would show */
	key[KEY_MINE] = path_key(&session, "mine");
	key[KEY_LIMITED] = path_key(&session, "limited");
	PATH_CHECK(key[KEY_MINE].id == KEY_MINE && key[KEY_LIMITED].id == KEY_LIMITED, "keys are numbered otherwise");
	PATH_CHECK(key[KEY_LIMITED].ops == 1u << SNT_OP_SCHNORR, "operations %#x", key[KEY_LIMITED].ops);
	for (uint64_t i = 0; i < 3 * ATTEMPTS; i++)
		check(&session, key, &attempts[i % ATTEMPTS], i);
	snt_close(&session);
	path_stop(&engine);
	(void)printf("%s: %d requests written by hand, three times\n", link, ATTEMPTS);
}

int main(void)
{
	path_time_limit(120);
	check_link("direct");
	check_link("unix:@/worker");
	return 0;
}
