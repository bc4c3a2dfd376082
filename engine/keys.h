/* What may be known of a signer's keys outside the signer. */
#ifndef SNT_KEYS_H
#define SNT_KEYS_H

#include "config.h"

/* struct snt_key_public, 128 bytes; also what a worker sends of each key when a link comes up.
 *
 *     offset  size  field
 *     0       64    name, zero-padded
 *     64      33    pubkey, SEC 1 compressed
 *     97      3     reserved, zero
 *     100     4     ops, bit n: operation n of enum snt_op
 *     104     24    reserved, zero */
struct snt_key_public {
	char name[SNT_KEY_NAME_SIZE];
	uint8_t pubkey[SNT_PUBKEY_SIZE];
	uint8_t reserved[3];
	uint32_t ops;
	uint8_t reserved2[24];
};
_Static_assert(sizeof(struct snt_key_public) == 128, "size of a key's public part");
_Static_assert(offsetof(struct snt_key_public, pubkey) == 64, "pubkey moved");
_Static_assert(offsetof(struct snt_key_public, ops) == 100, "ops moved");

struct snt_key_list {
	unsigned count;
	struct snt_key_public keys[SNT_KEYS_MAX];
};

#endif
