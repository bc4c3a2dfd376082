/* Checks an answer against its request with libsecp256k1, outside every timed part. */
#ifndef SNT_VERIFY_H
#define SNT_VERIFY_H

#include <stdint.h>

#include <secp256k1.h>
#include <secp256k1_extrakeys.h>

#include "sentinel_abi.h"

struct snt_verify {
	secp256k1_context *context;
	secp256k1_pubkey pubkey;
	secp256k1_xonly_pubkey xonly;
};

/* What came back of one request. */
struct snt_verify_answer {
	uint8_t signature[64];
	uint8_t status; /* enum snt_status */
	uint8_t recovery_id;
};

/* For one public key, SEC 1 compressed. 0, -EINVAL (not a point of the curve) or -ENOMEM. */
int snt_verify_init(struct snt_verify *v, const uint8_t pubkey[SNT_PUBKEY_SIZE]);

/* Frees; harmless on a zeroed struct. */
void snt_verify_fini(struct snt_verify *v);

/* NULL when `answer` is right for `digest` under `op`, else what is wrong with it, in words. */
const char *snt_verify_check(const struct snt_verify *v, enum snt_op op, const uint8_t digest[32],
			     const struct snt_verify_answer *answer);

/* Request `number`'s digest: distinct for every number, cheap enough to be made between two requests. */
void snt_verify_digest(uint8_t digest[32], uint64_t number);

#endif
