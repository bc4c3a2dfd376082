/* The key directory: what is stored comes back, and nothing else does. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keydir.h"

/* The public key of 1 is the curve's generator (SEC 2, 2.4.1), that of 2 its double. */
static const uint8_t one[32] = {[31] = 1}, two[32] = {[31] = 2};
static const char generator[] = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
static const uint8_t seal[32] = {1, 2, 3}, other_seal[32] = {1, 2, 4};

static char dir[64];
static struct snt_error error;
static uint8_t secret[32], pubkey[33];

static const char *in_dir(const char *name)
{
	static char paths[4][160];
	static unsigned next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
	return path;
}

static void write_file(const char *path, const void *bytes, size_t size, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	cr_assert_eq(fchmod(fd, mode), 0);
	(void)close(fd);
}

static void read_file(const char *path, uint8_t bytes[SNT_KEYFILE_BYTES])
{
	int fd = open(path, O_RDONLY);

	cr_assert_geq(fd, 0);
	cr_assert_eq(read(fd, bytes, SNT_KEYFILE_BYTES), SNT_KEYFILE_BYTES);
	(void)close(fd);
}

static void make_dir(void)
{
	const char *parent = getenv("TMPDIR");

	cr_assert_geq(sodium_init(), 0);
	(void)snprintf(dir, sizeof dir, "%.40s/snt-keydir-XXXXXX", parent != NULL ? parent : "/tmp");
	cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void)
{
	char command[128];

	(void)snprintf(command, sizeof command, "rm -rf -- '%s'", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(keydir, .init = make_dir, .fini = remove_dir);

static int load(const char *name)
{
	memset(secret, 0xaa, sizeof secret);
	memset(pubkey, 0xaa, sizeof pubkey);
	(void)strcpy(error.text, "untouched");
	return snt_keydir_load(dir, name, seal, secret, pubkey, &error);
}

static void store(const char *name, const uint8_t value[32])
{
	cr_assert_eq(snt_keydir_store(dir, name, value, seal, NULL, &error), 0, "%s", error.text);
}

/* Refused as `rc`, in a sentence with `thing` and `remedy` in it, the secret zeroed, the public key untouched. */
static void refused(const char *name, int rc, const char *thing, const char *remedy)
{
	int got = load(name);

	cr_assert_eq(got, rc, "%d: %s", got, error.text);
	cr_assert(strstr(error.text, thing) != NULL && strstr(error.text, remedy) != NULL, "%s", error.text);
	cr_assert(sodium_is_zero(secret, sizeof secret), "the secret is not zeroed");
	for (size_t i = 0; i < sizeof pubkey; i++)
		cr_assert_eq(pubkey[i], 0xaa, "the public key was written");
}

static int list(struct snt_keydir_entry **entries, size_t *count)
{
	*entries = (void *)dir;
	*count = 77;
	return snt_keydir_list(dir, entries, count, &error);
}

Test(keydir, round_trip)
{
	uint8_t stored[33], file[SNT_KEYFILE_BYTES];
	char hex[67];
	struct stat status;

	cr_assert_eq(snt_keydir_store(dir, "hot.1_a-B", one, seal, stored, &error), 0, "%s", error.text);
	cr_assert_eq(load("hot.1_a-B"), 0, "%s", error.text);
	cr_assert_str_eq(error.text, "untouched");
	cr_assert_arr_eq(secret, one, 32);
	cr_assert_arr_eq(pubkey, stored, 33);
	cr_assert_str_eq(sodium_bin2hex(hex, sizeof hex, pubkey, 33), generator);

	cr_assert_eq(stat(in_dir("hot.1_a-B.key"), &status), 0);
	cr_assert_eq(status.st_mode & 07777, 0600);
	cr_assert_eq(status.st_size, SNT_KEYFILE_BYTES);
	read_file(in_dir("hot.1_a-B.key"), file);
	cr_assert_null(memmem(file, sizeof file, one, sizeof one), "the secret lies open in the file");
}

Test(keydir, umask_does_not_open_files)
{
	(void)umask(0);
	store("a", one);
	cr_assert_eq(load("a"), 0, "%s", error.text);
}

Test(keydir, the_same_key_twice_is_two_files)
{
	uint8_t a[SNT_KEYFILE_BYTES], b[SNT_KEYFILE_BYTES];

	store("a", one);
	read_file(in_dir("a.key"), a);
	cr_assert_eq(snt_keydir_delete(dir, "a", &error), 0);
	store("a", one);
	read_file(in_dir("a.key"), b);
	cr_assert_neq(memcmp(a + 48, b + 48, 24), 0, "a nonce was used twice");
}

Test(keydir, every_length_but_the_right_one)
{
	uint8_t file[2 * SNT_KEYFILE_BYTES] = {0};
	struct snt_keydir_entry *entries;
	size_t count;

	store("a", one);
	read_file(in_dir("a.key"), file);
	for (size_t size = 0; size <= sizeof file; size++) {
		if (size == SNT_KEYFILE_BYTES)
			continue;
		write_file(in_dir("a.key"), file, size, 0600);
		refused("a", -EBADMSG, "a.key", "restore");
		cr_assert_eq(list(&entries, &count), -EBADMSG);
		cr_assert(strstr(error.text, "a.key") != NULL, "%s", error.text);
	}
}

Test(keydir, every_bit)
{
	uint8_t file[SNT_KEYFILE_BYTES];

	store("a", two);
	read_file(in_dir("a.key"), file);
	for (size_t bit = 0; bit < 8 * sizeof file; bit++) {
		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
		write_file(in_dir("a.key"), file, sizeof file, 0600);
		refused("a", -EBADMSG, "a.key", "restore");
		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	write_file(in_dir("a.key"), file, sizeof file, 0600);
	cr_assert_eq(load("a"), 0, "%s", error.text);
}

/* The head is outside the box: another key's valid public key there must be noticed. */
Test(keydir, another_public_key)
{
	uint8_t a[SNT_KEYFILE_BYTES], b[SNT_KEYFILE_BYTES];

	store("a", one);
	store("b", two);
	read_file(in_dir("a.key"), a);
	read_file(in_dir("b.key"), b);
	memcpy(a + 8, b + 8, 33);
	write_file(in_dir("a.key"), a, sizeof a, 0600);
	refused("a", -EBADMSG, "a.key", "public key");
}

Test(keydir, renamed)
{
	store("a", one);
	cr_assert_eq(rename(in_dir("a.key"), in_dir("ab.key")), 0);
	refused("ab", -EBADMSG, "ab.key", "it holds the key \"a\"");
	refused("a", -ENOENT, "\"a\"", "sentinel keys list");
}

Test(keydir, wrong_seal)
{
	store("a", one);
	cr_assert_eq(snt_keydir_load(dir, "a", other_seal, secret, pubkey, &error), -EBADMSG);
	cr_assert(strstr(error.text, "another seal key") != NULL, "%s", error.text);
	cr_assert(sodium_is_zero(secret, sizeof secret));
}

Test(keydir, modes)
{
	struct snt_keydir_entry *entries;
	size_t count;

	store("a", one);
	for (mode_t bit = 1; bit < 0100; bit <<= 1) {
		cr_assert_eq(chmod(in_dir("a.key"), 0600 | bit), 0);
		refused("a", -EPERM, "a.key", "chmod 600");
		cr_assert_eq(list(&entries, &count), -EPERM);
		cr_assert(entries == (void *)dir && count == 77, "written on failure");
		cr_assert_eq(chmod(in_dir("a.key"), 0600), 0);

		cr_assert_eq(chmod(dir, 0700 | bit), 0);
		refused("a", -EPERM, dir, "chmod 700");
		cr_assert_eq(list(&entries, &count), -EPERM);
		cr_assert_eq(snt_keydir_store(dir, "b", two, seal, NULL, &error), -EPERM);
		cr_assert_eq(snt_keydir_delete(dir, "a", &error), -EPERM);
		cr_assert_eq(chmod(dir, 0700), 0);
	}
	cr_assert_eq(chmod(in_dir("a.key"), 0644), 0);
	refused("a", -EPERM, "is readable by group or others (mode 0644)", "chmod 600");
	cr_assert_neq(access(in_dir("b.key"), F_OK), 0);
	cr_assert_eq(chmod(in_dir("a.key"), 0400), 0);
	cr_assert_eq(load("a"), 0, "%s", error.text);
}

Test(keydir, owner)
{
	if (geteuid() != 0) {
		remove_dir(); /* a skipped test has no .fini */
		cr_skip_test("only root can give files away");
	}
	store("a", one);
	cr_assert_eq(chown(in_dir("a.key"), 65534, (gid_t)-1), 0);
	refused("a", -EPERM, "belongs to uid 65534", "run it as its owner");
	cr_assert_eq(chown(in_dir("a.key"), 0, (gid_t)-1), 0);
	cr_assert_eq(chown(dir, 65534, (gid_t)-1), 0);
	refused("a", -EPERM, dir, "run it as its owner");
	cr_assert_eq(chown(dir, 0, (gid_t)-1), 0);
}

Test(keydir, not_a_file)
{
	store("a", one);
	cr_assert_eq(symlink("a.key", in_dir("link.key")), 0);
	refused("link", -EPERM, "link.key", "symbolic link");
	cr_assert_eq(mkfifo(in_dir("fifo.key"), 0600), 0);
	refused("fifo", -EPERM, "fifo.key", "not a regular file");
	cr_assert_eq(mkdir(in_dir("dir.key"), 0700), 0);
	refused("dir", -EPERM, "dir.key", "not a regular file");
}

Test(keydir, not_a_directory)
{
	char real[sizeof dir];

	(void)strcpy(real, dir);
	(void)snprintf(dir, sizeof dir, "%.50s/none", real);
	refused("a", -ENOENT, dir, "install -d -m 700");
	cr_assert_eq(snt_keydir_store(dir, "a", one, seal, NULL, &error), -ENOENT);
	write_file(dir, "", 0, 0600);
	refused("a", -ENOTDIR, dir, "not a directory");
	cr_assert_eq(unlink(dir), 0);
	cr_assert_eq(symlink(real, dir), 0);
	refused("a", -EPERM, dir, "symbolic link");
	(void)strcpy(dir, real);
}

Test(keydir, names)
{
	static const char *const bad[] = {"", ".", "..", ".a", "-a", "a/b", "../a", "a b", "a\n", "\xc3\xa4"};
	char name[SNT_KEY_NAME_SIZE + 1];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cr_assert_eq(load(bad[i]), -EINVAL, "\"%s\"", bad[i]);
		cr_assert_eq(snt_keydir_store(dir, bad[i], one, seal, NULL, &error), -EINVAL);
		cr_assert_eq(snt_keydir_delete(dir, bad[i], &error), -EINVAL);
	}
	memset(name, 'n', sizeof name);
	name[64] = '\0';
	cr_assert_eq(snt_keydir_store(dir, name, one, seal, NULL, &error), -ENAMETOOLONG);
	name[63] = '\0';
	store(name, one);
	cr_assert_eq(load(name), 0, "%s", error.text);
}

Test(keydir, exists)
{
	store("a", one);
	cr_assert_eq(snt_keydir_store(dir, "a", two, seal, pubkey, &error), -EEXIST);
	cr_assert(strstr(error.text, "\"a\" already exists") != NULL && strstr(error.text, "another name") != NULL);
	cr_assert_eq(load("a"), 0);
	cr_assert_arr_eq(secret, one, 32);
	/* and the attempt leaves nothing behind */
	cr_assert_eq(unlink(in_dir("a.key")), 0);
	cr_assert_eq(rmdir(dir), 0);
	cr_assert_eq(mkdir(dir, 0700), 0);
}

Test(keydir, no_key_of_the_curve)
{
	uint8_t order[32];
	char hex[] = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

	cr_assert_eq(sodium_hex2bin(order, 32, hex, 64, NULL, NULL, NULL), 0);
	cr_assert_eq(snt_keydir_store(dir, "a", order, seal, NULL, &error), -EINVAL);
	cr_assert(strstr(error.text, "curve's order") != NULL, "%s", error.text);
	memset(secret, 0, sizeof secret);
	cr_assert_eq(snt_keydir_store(dir, "a", secret, seal, NULL, &error), -EINVAL);
	order[31]--;
	store("a", order);
	cr_assert_eq(load("a"), 0);
	cr_assert_arr_eq(secret, order, 32);
}

Test(keydir, lists_sorted)
{
	struct snt_keydir_entry *entries;
	char hex[67], name[8];
	size_t count;

	cr_assert_eq(list(&entries, &count), 0);
	cr_assert_eq(count, 0);
	free(entries);
	for (int i = 39; i >= 0; i--) {
		(void)snprintf(name, sizeof name, "k%02d", i);
		store(name, i == 7 ? one : two);
	}
	cr_assert_eq(list(&entries, &count), 0, "%s", error.text);
	cr_assert_eq(count, 40);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof name, "k%02d", i);
		cr_assert_str_eq(entries[i].name, name);
	}
	cr_assert_str_eq(sodium_bin2hex(hex, sizeof hex, entries[7].pubkey, 33), generator);
	free(entries);
}

/* What a crash, an editor or a backup leaves behind is no key, and hides none. */
Test(keydir, leftovers)
{
	static const char *const junk[] = {
		".new-0123456789abcdef", ".key", ".#a.key", "a.key~", "a.key.bak", "b.ke", "b .key", "README"};
	struct snt_keydir_entry *entries;
	size_t count;

	for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++)
		write_file(in_dir(junk[i]), "junk", 4, 0644);
	store("a", one);
	cr_assert_eq(list(&entries, &count), 0, "%s", error.text);
	cr_assert_eq(count, 1);
	cr_assert_str_eq(entries[0].name, "a");
	free(entries);
	cr_assert_eq(load("a"), 0, "%s", error.text);
}

Test(keydir, deletes)
{
	store("a", one);
	cr_assert_eq(snt_keydir_delete(dir, "a", &error), 0, "%s", error.text);
	refused("a", -ENOENT, "\"a\"", "sentinel keys list");
	cr_assert_eq(snt_keydir_delete(dir, "a", &error), -ENOENT);
	cr_assert(strstr(error.text, "no key \"a\"") != NULL, "%s", error.text);
}

static void seal_refused(const char *where, int rc, const char *thing, const char *remedy)
{
	uint8_t got[32];
	int result;

	memset(got, 0xaa, sizeof got);
	result = snt_seal_key_read(got, where, &error);
	cr_assert_eq(result, rc, "%d: %s", result, error.text);
	cr_assert(strstr(error.text, thing) != NULL && strstr(error.text, remedy) != NULL, "%s", error.text);
	for (size_t i = 0; i < sizeof got; i++)
		cr_assert_eq(got[i], 0xaa, "written on failure");
}

Test(keydir, seal_key_file)
{
	uint8_t got[32], bytes[40] = {9};
	const char *path = in_dir("seal");

	seal_refused("", -EINVAL, "seal key", "credential:NAME");
	seal_refused(path, -ENOENT, path, "head -c 32 /dev/urandom");
	for (size_t size = 0; size <= sizeof bytes; size++) {
		write_file(path, bytes, size, 0600);
		if (size != 32)
			seal_refused(path, -EBADMSG, path, "not 32");
	}
	write_file(path, seal, 32, 0600);
	cr_assert_eq(snt_seal_key_read(got, path, &error), 0, "%s", error.text);
	cr_assert_arr_eq(got, seal, 32);
	for (mode_t bit = 1; bit < 0100; bit <<= 1) {
		cr_assert_eq(chmod(path, 0600 | bit), 0);
		seal_refused(path, -EPERM, path, "chmod 600");
	}
	cr_assert_eq(chmod(path, 0644), 0);
	seal_refused(path, -EPERM, "is readable by group or others (mode 0644)", "chmod 600");
	cr_assert_eq(chmod(path, 0600), 0);
	cr_assert_eq(symlink("seal", in_dir("link")), 0);
	seal_refused(in_dir("link"), -EPERM, "link", "symbolic link");
	seal_refused(dir, -EPERM, dir, "not a regular file");
	if (geteuid() == 0) {
		cr_assert_eq(chown(path, 65534, (gid_t)-1), 0);
		seal_refused(path, -EPERM, "belongs to uid 65534", "chown");
	}
}

Test(keydir, seal_key_credential)
{
	static const mode_t refused_bits[] = {020, 04, 02, 01};
	uint8_t got[32];

	cr_assert_eq(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	seal_refused("credential:seal", -ENOENT, "CREDENTIALS_DIRECTORY", "LoadCredential=seal:");
	cr_assert_eq(setenv("CREDENTIALS_DIRECTORY", dir, 1), 0);
	seal_refused("credential:../seal", -EINVAL, "credential:../seal", "without a slash");
	seal_refused("credential:..", -EINVAL, "credential:..", "credential:NAME");
	seal_refused("credential:", -EINVAL, "credential:", "credential:NAME");
	seal_refused("credential:seal", -ENOENT, in_dir("seal"), "LoadCredential=");
	write_file(in_dir("seal"), seal, 31, 0400);
	seal_refused("credential:seal", -EBADMSG, in_dir("seal"), "not 32");
	cr_assert_eq(unlink(in_dir("seal")), 0);
	write_file(in_dir("seal"), seal, 32, 0440);
	cr_assert_eq(snt_seal_key_read(got, "credential:seal", &error), 0, "%s", error.text);
	cr_assert_arr_eq(got, seal, 32);
	for (size_t i = 0; i < 4; i++) {
		cr_assert_eq(chmod(in_dir("seal"), 0400 | refused_bits[i]), 0);
		seal_refused("credential:seal", -EPERM, in_dir("seal"), "chmod 400");
	}
}
