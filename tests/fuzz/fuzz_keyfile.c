/* Feeds arbitrary bytes to the key directory: as a whole file, and as what a good seal holds.
 *
 * The first byte chooses: even, the rest is the file's content; odd, it is the sealed plain text (a forger who has the
 * seal key), so that what lies behind the box is reached too. */
#define _GNU_SOURCE
#include "../../engine/worker/keydir.c"

#define REQUIRE(condition)                                                                                             \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			abort();                                                                                       \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t seal[SNT_SEAL_KEY_BYTES] = {1};
static char dir[] = "/tmp/snt-fuzz-XXXXXX";
static char file_path[64];

static void clean(void)
{
	(void)unlink(file_path);
	(void)rmdir(dir);
}

static void start(void)
{
	REQUIRE(sodium_init() >= 0);
	REQUIRE(mkdtemp(dir) != NULL);
	(void)snprintf(file_path, sizeof file_path, "%s/a.key", dir);
	(void)atexit(clean);
}

static void put_file(const uint8_t *data, size_t size)
{
	int fd = open(file_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	REQUIRE(fd >= 0 && write_all(fd, data, size) == 0);
	(void)close(fd);
}

static void list_and_load(void)
{
	uint8_t secret[SNT_SECRET_KEY_BYTES], pubkey[SNT_PUBKEY_SIZE] = {0}, derived[SNT_PUBKEY_SIZE];
	struct snt_keydir_entry *entries = NULL;
	struct snt_error error = {""};
	size_t count = 0;
	int listed = snt_keydir_list(dir, &entries, &count, &error), loaded;

	REQUIRE(listed == 0 ? count == 1 : listed == -EBADMSG && entries == NULL && error.text[0] != '\0');
	error.text[0] = '\0';
	loaded = snt_keydir_load(dir, "a", seal, secret, pubkey, &error);
	if (loaded == 0) {
		REQUIRE(listed == 0 && memcmp(entries[0].pubkey, pubkey, sizeof pubkey) == 0);
		REQUIRE(derive_pubkey(secret, derived) == 0 && memcmp(derived, pubkey, sizeof derived) == 0);
	} else {
		REQUIRE(loaded == -EBADMSG && error.text[0] != '\0');
		REQUIRE(sodium_is_zero(secret, sizeof secret) && sodium_is_zero(pubkey, sizeof pubkey));
	}
	free(entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;

	if (!started)
		start();
	started = true;
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0) {
		put_file(data + 1, size - 1);
	} else {
		struct keyfile file = {.pubkey = {2,    0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac,
						  0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07, 0x02,
						  0x9b, 0xfc, 0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2,
						  0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98}}; /* of the secret 1 */
		uint8_t plain[sizeof(struct plain)] = {[31] = 1, [32] = 'a'};

		/* what the input is short of stays good: the empty one is a key that must open */
		memcpy(plain, data + 1, size - 1 < sizeof plain ? size - 1 : sizeof plain);
		memcpy(file.magic, magic, sizeof magic);
		(void)crypto_secretbox_easy(file.box, plain, sizeof plain, file.nonce, seal);
		put_file((const uint8_t *)&file, sizeof file);
		if (size == 1) {
			uint8_t secret[SNT_SECRET_KEY_BYTES], pubkey[SNT_PUBKEY_SIZE];

			REQUIRE(snt_keydir_load(dir, "a", seal, secret, pubkey, NULL) == 0);
		}
	}
	list_and_load();
	return 0;
}
