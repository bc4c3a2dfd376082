/* Seals, opens, lists and removes the files of the key directory. */
#define _GNU_SOURCE
#include "keydir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <secp256k1.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../config.h"

static const uint8_t magic[8] = {'S', 'N', 'T', 'K', 'E', 'Y', '1', '\n'};
static const char suffix[] = ".key";
static const char credential[] = "credential:";

/* What is in the box. */
struct plain {
	uint8_t secret[SNT_SECRET_KEY_BYTES];
	char name[SNT_KEY_NAME_SIZE];
};

/* The table in keydir.h. */
struct keyfile {
	uint8_t magic[8];
	uint8_t pubkey[SNT_PUBKEY_SIZE];
	uint8_t reserved[7];
	uint8_t nonce[crypto_secretbox_NONCEBYTES];
	uint8_t box[crypto_secretbox_MACBYTES + sizeof(struct plain)];
	uint8_t reserved2[8];
};
_Static_assert(sizeof(struct plain) == 96, "size of what is sealed");
_Static_assert(sizeof(struct keyfile) == SNT_KEYFILE_BYTES, "size of a key file");
_Static_assert(offsetof(struct keyfile, pubkey) == 8, "pubkey moved");
_Static_assert(offsetof(struct keyfile, reserved) == 41, "reserved moved");
_Static_assert(offsetof(struct keyfile, nonce) == 48, "nonce moved");
_Static_assert(offsetof(struct keyfile, box) == 72, "box moved");
_Static_assert(offsetof(struct keyfile, reserved2) == 184, "reserved2 moved");
_Static_assert(SNT_SEAL_KEY_BYTES == crypto_secretbox_KEYBYTES, "size of the seal key");

/* The forms a thing that only its owner may touch can take, and how they are spoken of. */
struct guarded {
	const char *what;
	mode_t type;    /* of S_IFMT */
	mode_t refused; /* permission bits it must not have */
	mode_t wanted;  /* what to advise then */
	bool own;       /* must be the caller's */
};
static const struct guarded key_directory = {"key directory", S_IFDIR, 077, 0700, true};
static const struct guarded key_file = {"key file", S_IFREG, 077, 0600, true};
static const struct guarded seal_file = {"seal key", S_IFREG, 077, 0600, true};
/* systemd lets a service read its credential by an ACL, which shows as the group's right to read, on root's file. */
static const struct guarded credential_file = {"credential", S_IFREG, 027, 0400, false};

/* Opens `file` under `at` and judges what was opened, not the path, which may mean something else by then. `path` is
 * for the sentence. A descriptor, or -errno; what to say to -ENOENT is left to the caller, who knows what makes the
 * thing. */
static int open_guarded(const struct guarded *as, int at, const char *file, const char *path, struct stat *status,
			struct snt_error *error)
{
	int fd, rc = 0;

	/* O_NONBLOCK: opening a FIFO that someone put there must not hang */
	fd = openat(at, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == ELOOP)
		return snt_fail(error, -EPERM,
				"%s %s is a symbolic link, which can be pointed elsewhere: name the thing itself",
				as->what, path);
	if (fd < 0 && errno == EACCES)
		return snt_fail(error, -EACCES, "%s %s may not be opened by uid %u: run this as its owner", as->what,
				path, (unsigned)geteuid());
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0) {
		rc = -errno;
		return snt_fail(error, rc, "%s %s cannot be opened (%s): check the path", as->what, path,
				strerror(-rc));
	}
	if (fstat(fd, status) < 0) {
		rc = -errno;
		rc = snt_fail(error, rc, "%s %s cannot be examined (%s): check its file system", as->what, path,
			      strerror(-rc));
	} else if ((status->st_mode & S_IFMT) != as->type) {
		rc = snt_fail(error, as->type == S_IFDIR ? -ENOTDIR : -EPERM,
			      "%s %s is not a %s: remove it or name another", as->what, path,
			      as->type == S_IFDIR ? "directory" : "regular file");
	} else if (as->own && status->st_uid != geteuid()) {
		rc = snt_fail(error, -EPERM,
			      "%s %s belongs to uid %u, and this runs as uid %u: run it as its owner, or chown %u %s",
			      as->what, path, (unsigned)status->st_uid, (unsigned)geteuid(), (unsigned)geteuid(), path);
	} else if ((status->st_mode & as->refused) != 0) {
		rc = snt_fail(error, -EPERM, "%s %s is %s by group or others (mode %04o): chmod %o %s", as->what, path,
			      (status->st_mode & as->refused & 044) != 0 ? "readable" : "accessible",
			      (unsigned)(status->st_mode & 07777), (unsigned)as->wanted, path);
	}
	if (rc == 0)
		return fd;
	(void)close(fd);
	return rc;
}

static int open_dir(const char *dir, struct snt_error *error)
{
	struct stat status;
	int fd = open_guarded(&key_directory, AT_FDCWD, dir, dir, &status, error);

	if (fd == -ENOENT)
		return snt_fail(error, -ENOENT,
				"key directory %s does not exist: create it with `install -d -m 700 %s`", dir, dir);
	return fd;
}

/* Exactly `bytes` bytes, or -EBADMSG when there are fewer. */
static int read_all(int fd, void *to, size_t bytes)
{
	for (size_t got = 0; got < bytes;) {
		ssize_t n = read(fd, (uint8_t *)to + got, bytes - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		got += (size_t)n;
	}
	return 0;
}

static int write_all(int fd, const void *from, size_t bytes)
{
	for (size_t put = 0; put < bytes;) {
		ssize_t n = write(fd, (const uint8_t *)from + put, bytes - put);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		put += (size_t)n;
	}
	return 0;
}

int snt_seal_key_read(uint8_t seal[SNT_SEAL_KEY_BYTES], const char *where, struct snt_error *error)
{
	const struct guarded *as = &seal_file;
	uint8_t read_bytes[SNT_SEAL_KEY_BYTES];
	char path[PATH_MAX];
	struct stat status;
	int fd, rc;

	if (strncmp(where, credential, sizeof credential - 1) == 0) {
		const char *name = where + sizeof credential - 1;
		const char *directory = getenv("CREDENTIALS_DIRECTORY");

		as = &credential_file;
		if (name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			return snt_fail(
				error, -EINVAL,
				"seal key %s is no credential's name: write credential:NAME without a slash, or a path",
				where);
		if (directory == NULL || directory[0] == '\0')
			return snt_fail(
				error, -ENOENT,
				"seal key %s: CREDENTIALS_DIRECTORY is not set: start this from a systemd unit with "
				"LoadCredential=%s:FILE or LoadCredentialEncrypted=, or give a path",
				where, name);
		if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
			return snt_fail(error, -ENAMETOOLONG, "seal key %s: its path is too long: use a shorter name",
					where);
	} else if (where[0] == '\0') {
		return snt_fail(error, -EINVAL, "no seal key is named: give a path or credential:NAME");
	} else if (snprintf(path, sizeof path, "%s", where) >= (int)sizeof path) {
		return snt_fail(error, -ENAMETOOLONG, "the path of the seal key is too long: use a shorter one");
	}
	fd = open_guarded(as, AT_FDCWD, path, path, &status, error);
	if (fd == -ENOENT && as == &credential_file)
		return snt_fail(error, fd,
				"credential %s does not exist: add LoadCredential= with its name to the systemd unit",
				path);
	if (fd == -ENOENT)
		return snt_fail(error, fd,
				"seal key %s does not exist: make one with `(umask 077; head -c 32 /dev/urandom > %s)`",
				path, path);
	if (fd < 0)
		return fd;
	rc = status.st_size == SNT_SEAL_KEY_BYTES ? read_all(fd, read_bytes, sizeof read_bytes) : -EBADMSG;
	(void)close(fd);
	if (rc == 0)
		memcpy(seal, read_bytes, sizeof read_bytes);
	else if (rc == -EBADMSG)
		rc = snt_fail(error, rc,
			      "%s %s has %lld bytes, not %d: it must be the raw bytes, as `head -c 32 /dev/urandom` "
			      "makes them",
			      as->what, path, (long long)status.st_size, SNT_SEAL_KEY_BYTES);
	else
		rc = snt_fail(error, rc, "%s %s cannot be read (%s): check its file system", as->what, path,
			      strerror(-rc));
	sodium_memzero(read_bytes, sizeof read_bytes);
	return rc;
}

/* -EINVAL when `secret` is 0 or not below the curve's order. */
static int derive_pubkey(const uint8_t secret[SNT_SECRET_KEY_BYTES], uint8_t pubkey[SNT_PUBKEY_SIZE])
{
	secp256k1_context *context = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	size_t bytes = SNT_PUBKEY_SIZE;
	secp256k1_pubkey point;
	uint8_t blind[32];
	int valid;

	/* blinded: the multiplication below must not tell a neighbour on the core about the secret */
	randombytes_buf(blind, sizeof blind);
	valid = secp256k1_context_randomize(context, blind) && secp256k1_ec_pubkey_create(context, &point, secret);
	if (valid)
		(void)secp256k1_ec_pubkey_serialize(context, pubkey, &bytes, &point, SECP256K1_EC_COMPRESSED);
	sodium_memzero(blind, sizeof blind);
	secp256k1_context_destroy(context);
	return valid ? 0 : -EINVAL;
}

/* All that can be told about a file without the seal key. */
static int check_head(const struct keyfile *file, const char *path, struct snt_error *error)
{
	secp256k1_pubkey point;

	if (memcmp(file->magic, magic, sizeof magic) != 0)
		return snt_fail(error, -EBADMSG,
				"key file %s is not of this version's format: restore it from a backup", path);
	if (!sodium_is_zero(file->reserved, sizeof file->reserved) ||
	    !sodium_is_zero(file->reserved2, sizeof file->reserved2) ||
	    !secp256k1_ec_pubkey_parse(secp256k1_context_static, &point, file->pubkey, sizeof file->pubkey))
		return snt_fail(error, -EBADMSG, "key file %s was altered: restore it from a backup", path);
	return 0;
}

static int make_keyfile(struct keyfile *file, const char *name, const uint8_t secret[SNT_SECRET_KEY_BYTES],
			const uint8_t seal[SNT_SEAL_KEY_BYTES])
{
	struct plain plain;
	int rc;

	memset(file, 0, sizeof *file);
	memset(&plain, 0, sizeof plain);
	rc = derive_pubkey(secret, file->pubkey);
	if (rc < 0)
		return rc;
	memcpy(file->magic, magic, sizeof magic);
	randombytes_buf(file->nonce, sizeof file->nonce);
	memcpy(plain.secret, secret, sizeof plain.secret);
	memcpy(plain.name, name, strlen(name));
	(void)crypto_secretbox_easy(file->box, (const uint8_t *)&plain, sizeof plain, file->nonce, seal);
	sodium_memzero(&plain, sizeof plain);
	return 0;
}

/* Proves the file in full: whole, sealed with `seal`, under its own name, and its public key the secret's. */
static int open_keyfile(const struct keyfile *file, const char *path, const char *name,
			const uint8_t seal[SNT_SEAL_KEY_BYTES], uint8_t secret[SNT_SECRET_KEY_BYTES],
			uint8_t pubkey[SNT_PUBKEY_SIZE], struct snt_error *error)
{
	char padded[SNT_KEY_NAME_SIZE] = {0};
	uint8_t derived[SNT_PUBKEY_SIZE];
	struct plain plain;
	int rc = check_head(file, path, error);

	if (rc < 0)
		return rc;
	memcpy(padded, name, strlen(name));
	if (crypto_secretbox_open_easy((uint8_t *)&plain, file->box, sizeof file->box, file->nonce, seal) != 0) {
		rc = snt_fail(error, -EBADMSG,
			      "key file %s does not open: it was sealed with another seal key, or altered; name the "
			      "right seal key, "
			      "or restore the file from a backup",
			      path);
	} else if (memcmp(plain.name, padded, sizeof padded) != 0) {
		plain.name[SNT_KEY_NAME_SIZE - 1] = '\0';
		if (snt_key_name_check(plain.name, NULL) < 0)
			plain.name[0] = '\0';
		rc = snt_fail(error, -EBADMSG,
			      "key file %s was renamed: it holds the key \"%s\"; give it its own name again", path,
			      plain.name);
	} else if (derive_pubkey(plain.secret, derived) < 0 || memcmp(derived, file->pubkey, sizeof derived) != 0) {
		rc = snt_fail(
			error, -EBADMSG,
			"key file %s was altered: its public key is not that of its secret; restore it from a backup",
			path);
	} else {
		memcpy(secret, plain.secret, sizeof plain.secret);
		memcpy(pubkey, derived, sizeof derived);
	}
	sodium_memzero(&plain, sizeof plain);
	return rc;
}

static int no_such_key(const char *dir, const char *name, struct snt_error *error)
{
	return snt_fail(error, -ENOENT, "there is no key \"%s\" in %s: `sentinel keys list` names those there are",
			name, dir);
}

/* Reads and judges one file of an open directory, up to what needs no seal key. No sentence for -ENOENT. */
static int read_keyfile(int dir_fd, const char *dir, const char *name, struct keyfile *file, char path[PATH_MAX],
			struct snt_error *error)
{
	char file_name[SNT_KEY_NAME_SIZE + sizeof suffix];
	struct stat status;
	int fd, rc;

	(void)snprintf(file_name, sizeof file_name, "%s%s", name, suffix);
	(void)snprintf(path, PATH_MAX, "%s/%s", dir, file_name);
	fd = open_guarded(&key_file, dir_fd, file_name, path, &status, error);
	if (fd < 0)
		return fd;
	rc = status.st_size == sizeof *file ? read_all(fd, file, sizeof *file) : -EBADMSG;
	(void)close(fd);
	if (rc == -EBADMSG)
		return snt_fail(error, rc, "key file %s has %lld bytes, not %zu: restore it from a backup", path,
				(long long)status.st_size, sizeof *file);
	if (rc < 0)
		return snt_fail(error, rc, "key file %s cannot be read (%s): check its file system", path,
				strerror(-rc));
	return check_head(file, path, error);
}

int snt_keydir_load(const char *dir, const char *name, const uint8_t seal[SNT_SEAL_KEY_BYTES],
		    uint8_t secret[SNT_SECRET_KEY_BYTES], uint8_t pubkey[SNT_PUBKEY_SIZE], struct snt_error *error)
{
	struct keyfile file;
	char path[PATH_MAX];
	int dir_fd, rc;

	sodium_memzero(secret, SNT_SECRET_KEY_BYTES);
	rc = snt_key_name_check(name, error);
	if (rc < 0)
		return rc;
	if (sodium_init() < 0)
		return snt_fail(error, -EIO, "libsodium cannot start: see that getrandom(2) is allowed");
	dir_fd = open_dir(dir, error);
	if (dir_fd < 0)
		return dir_fd;
	rc = read_keyfile(dir_fd, dir, name, &file, path, error);
	(void)close(dir_fd);
	if (rc == -ENOENT)
		return no_such_key(dir, name, error);
	if (rc < 0)
		return rc;
	return open_keyfile(&file, path, name, seal, secret, pubkey, error);
}

/* The new file appears under its name whole, or not at all. The temporary name begins with a dot, as no key's does. */
static int place_keyfile(int dir_fd, const struct keyfile *file, const char *name)
{
	char temporary[32], file_name[SNT_KEY_NAME_SIZE + sizeof suffix];
	uint64_t number;
	int fd, rc;

	randombytes_buf(&number, sizeof number);
	(void)snprintf(temporary, sizeof temporary, ".new-%016llx", (unsigned long long)number);
	(void)snprintf(file_name, sizeof file_name, "%s%s", name, suffix);
	fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = write_all(fd, file, sizeof *file);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	(void)close(fd);
	/* rename, not link and unlink: a crash in between must not leave a second copy that deleting would miss */
	if (rc == 0 && renameat2(dir_fd, temporary, dir_fd, file_name, RENAME_NOREPLACE) < 0)
		rc = -errno;
	if (rc < 0)
		(void)unlinkat(dir_fd, temporary, 0);
	else if (fsync(dir_fd) < 0)
		rc = -errno;
	return rc;
}

int snt_keydir_store(const char *dir, const char *name, const uint8_t secret[SNT_SECRET_KEY_BYTES],
		     const uint8_t seal[SNT_SEAL_KEY_BYTES], uint8_t pubkey[SNT_PUBKEY_SIZE], struct snt_error *error)
{
	struct keyfile file;
	int dir_fd, rc;

	rc = snt_key_name_check(name, error);
	if (rc < 0)
		return rc;
	if (sodium_init() < 0)
		return snt_fail(error, -EIO, "libsodium cannot start: see that getrandom(2) is allowed");
	if (make_keyfile(&file, name, secret, seal) < 0)
		return snt_fail(error, -EINVAL,
				"the secret of key \"%s\" is no secp256k1 key (it is 0, or not below the curve's "
				"order): give another",
				name);
	dir_fd = open_dir(dir, error);
	if (dir_fd < 0)
		return dir_fd;
	rc = place_keyfile(dir_fd, &file, name);
	(void)close(dir_fd);
	if (rc == -EEXIST)
		return snt_fail(error, rc,
				"key \"%s\" already exists in %s: choose another name, or delete that one first", name,
				dir);
	if (rc == -EINVAL)
		return snt_fail(
			error, -EOPNOTSUPP,
			"key directory %s is on a file system without RENAME_NOREPLACE: keep keys on a local one", dir);
	if (rc < 0)
		return snt_fail(
			error, rc,
			"key \"%s\" cannot be written to %s (%s): see that there is space and it may be written", name,
			dir, strerror(-rc));
	if (pubkey != NULL)
		memcpy(pubkey, file.pubkey, sizeof file.pubkey);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct snt_keydir_entry *left = a, *right = b;

	return strcmp(left->name, right->name);
}

/* Copies the NAME of "NAME.key". False for what no key's file is called: temporaries, editors' leftovers. */
static bool name_of(const char *file_name, char name[SNT_KEY_NAME_SIZE])
{
	size_t length = strlen(file_name), tail = sizeof suffix - 1;

	if (length <= tail || length - tail >= SNT_KEY_NAME_SIZE || strcmp(file_name + length - tail, suffix) != 0)
		return false;
	memset(name, 0, SNT_KEY_NAME_SIZE);
	memcpy(name, file_name, length - tail);
	return snt_key_name_check(name, NULL) == 0;
}

int snt_keydir_list(const char *dir, struct snt_keydir_entry **entries, size_t *count, struct snt_error *error)
{
	struct snt_keydir_entry *made = NULL, *larger;
	size_t used = 0, room = 0;
	struct dirent *item;
	struct keyfile file;
	char path[PATH_MAX];
	DIR *stream;
	int rc = open_dir(dir, error);

	if (rc < 0)
		return rc;
	stream = fdopendir(rc);
	if (stream == NULL) {
		(void)close(rc);
		return snt_fail(error, -ENOMEM, "key directory %s cannot be listed: memory is short", dir);
	}
	for (rc = 0; rc == 0;) {
		char name[SNT_KEY_NAME_SIZE];

		errno = 0;
		item = readdir(stream);
		if (item == NULL) {
			if (errno != 0)
				rc = snt_fail(error, -errno,
					      "key directory %s cannot be listed (%s): check its file system", dir,
					      strerror(errno));
			break;
		}
		if (!name_of(item->d_name, name))
			continue;
		rc = read_keyfile(dirfd(stream), dir, name, &file, path, error);
		if (rc == -ENOENT) { /* deleted meanwhile */
			rc = 0;
			continue;
		}
		if (rc == 0 && used == room) {
			room = room == 0 ? 16 : 2 * room;
			larger = reallocarray(made, room, sizeof *made);
			if (larger == NULL)
				rc = snt_fail(error, -ENOMEM, "key directory %s cannot be listed: memory is short",
					      dir);
			else
				made = larger;
		}
		if (rc == 0) {
			memcpy(made[used].name, name, sizeof name);
			memcpy(made[used++].pubkey, file.pubkey, sizeof file.pubkey);
		}
	}
	(void)closedir(stream);
	if (rc < 0) {
		free(made);
		return rc;
	}
	if (used > 1)
		qsort(made, used, sizeof *made, by_name);
	*entries = made;
	*count = used;
	return 0;
}

int snt_keydir_delete(const char *dir, const char *name, struct snt_error *error)
{
	char file_name[SNT_KEY_NAME_SIZE + sizeof suffix];
	int dir_fd, rc;

	rc = snt_key_name_check(name, error);
	if (rc < 0)
		return rc;
	dir_fd = open_dir(dir, error);
	if (dir_fd < 0)
		return dir_fd;
	(void)snprintf(file_name, sizeof file_name, "%s%s", name, suffix);
	if (unlinkat(dir_fd, file_name, 0) < 0 || fsync(dir_fd) < 0)
		rc = -errno;
	(void)close(dir_fd);
	if (rc == -ENOENT)
		return no_such_key(dir, name, error);
	if (rc < 0)
		return snt_fail(error, rc, "key \"%s\" cannot be removed from %s (%s): see that it may be written",
				name, dir, strerror(-rc));
	return 0;
}
