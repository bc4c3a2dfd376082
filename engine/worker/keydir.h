/* The key directory: one sealed file a key.
 *
 * The directory is mode 0700, its files 0600, both the caller's own; anything else is refused, not mended. A file is
 * NAME.key, 192 bytes:
 *
 *     offset  size  field
 *     0       8     magic "SNTKEY1\n"
 *     8       33    public key, SEC 1 compressed; for listing without the seal key, checked against the secret
 *     41      7     reserved, zero
 *     48      24    nonce
 *     72      16+96 crypto_secretbox (XSalsa20-Poly1305, libsodium) of: 32 secret bytes, 64 name bytes
 *     184     8     reserved, zero
 *
 * The name inside the box is compared with the file's, so a renamed file does not open. Written to a temporary file,
 * fsync()ed and renamed into place, never over another: a crash leaves the old state or the new, and perhaps a file
 * ".new-*", which nothing here reads. No symbolic link is followed to the directory, a key or a seal key. Cold; any
 * thread. Secrets go only to memory that the caller gives (struct snt_secret) or wiped stack buffers. */
#ifndef SNT_KEYDIR_H
#define SNT_KEYDIR_H

#include <stdint.h>

#include "../error.h"
#include "sentinel_abi.h"

enum { SNT_KEYFILE_BYTES = 192, SNT_SEAL_KEY_BYTES = 32, SNT_SECRET_KEY_BYTES = 32 };

struct snt_keydir_entry {
	char name[SNT_KEY_NAME_SIZE];
	uint8_t pubkey[SNT_PUBKEY_SIZE]; /* what the file says; proven only when the key is loaded */
};

/* Reads the seal key: `where` is a path (a regular file of 32 bytes, the caller's own, no rights for group or others)
 * or "credential:NAME" (a file of 32 bytes in $CREDENTIALS_DIRECTORY, not readable by others; systemd.exec(5),
 * LoadCredential=). 0, or -errno with a sentence. */
int snt_seal_key_read(uint8_t seal[SNT_SEAL_KEY_BYTES], const char *where, struct snt_error *error);

/* Seals `secret` (a valid secp256k1 scalar, big-endian) under `name`. 0, -EEXIST, -EINVAL (not a valid secret or name),
 * or -errno, with a sentence. The public key goes to `pubkey` if that is not NULL. */
int snt_keydir_store(const char *dir, const char *name, const uint8_t secret[SNT_SECRET_KEY_BYTES],
		     const uint8_t seal[SNT_SEAL_KEY_BYTES], uint8_t pubkey[SNT_PUBKEY_SIZE], struct snt_error *error);

/* Opens one key. 0, -ENOENT, -EBADMSG (truncated, altered, renamed, or another seal key), -EPERM (modes, owner, or a
 * symbolic link), or -errno, with a sentence. `secret` is zeroed on failure. */
int snt_keydir_load(const char *dir, const char *name, const uint8_t seal[SNT_SEAL_KEY_BYTES],
		    uint8_t secret[SNT_SECRET_KEY_BYTES], uint8_t pubkey[SNT_PUBKEY_SIZE], struct snt_error *error);

/* Lists by name, sorted; needs no seal key. `*entries` is malloc()ed (NULL when there are none), the caller frees it.
 * 0 or -errno. Files that no key can be called are passed over; a NAME.key that is refused, or whose head is no key's,
 * fails the call with a sentence that names it. */
int snt_keydir_list(const char *dir, struct snt_keydir_entry **entries, size_t *count, struct snt_error *error);

/* Removes one key's file. 0, -ENOENT, or -errno. */
int snt_keydir_delete(const char *dir, const char *name, struct snt_error *error);

#endif
