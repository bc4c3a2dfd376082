/* Verifies what was signed: ECDSA with low s, recovery to the very key, BIP-340, and the echo. */
#include "verify.h"

#include <errno.h>
#include <string.h>

#include <secp256k1_recovery.h>
#include <secp256k1_schnorrsig.h>

#include "sentinel.h"

int snt_verify_init(struct snt_verify *v, const uint8_t pubkey[SNT_PUBKEY_SIZE])
{
	memset(v, 0, sizeof *v);
	v->context = secp256k1_context_create(SECP256K1_CONTEXT_VERIFY);
	if (v->context == NULL)
		return -ENOMEM;
	if (!secp256k1_ec_pubkey_parse(v->context, &v->pubkey, pubkey, SNT_PUBKEY_SIZE) ||
	    !secp256k1_xonly_pubkey_from_pubkey(v->context, &v->xonly, NULL, &v->pubkey)) {
		snt_verify_fini(v);
		return -EINVAL;
	}
	return 0;
}

void snt_verify_fini(struct snt_verify *v)
{
	if (v->context != NULL)
		secp256k1_context_destroy(v->context);
	memset(v, 0, sizeof *v);
}

static const char *check_echo(const uint8_t digest[32], const struct snt_verify_answer *answer)
{
	static const uint8_t zeros[32];

	if (memcmp(answer->signature, digest, 32) != 0 || memcmp(answer->signature + 32, zeros, 32) != 0)
		return "the echo is not the digest that was sent";
	return NULL;
}

static const char *check_ecdsa(const struct snt_verify *v, const uint8_t digest[32],
			       const struct snt_verify_answer *answer)
{
	secp256k1_ecdsa_signature signature;

	if (!secp256k1_ecdsa_signature_parse_compact(v->context, &signature, answer->signature))
		return "r or s is not a scalar";
	if (secp256k1_ecdsa_signature_normalize(v->context, NULL, &signature))
		return "s is not in the lower half";
	if (!secp256k1_ecdsa_verify(v->context, &signature, digest, &v->pubkey))
		return "the signature does not verify under the key";
	return NULL;
}

/* A recovered key equal to ours is itself the proof, but says nothing about s. */
static const char *check_recoverable(const struct snt_verify *v, const uint8_t digest[32],
				     const struct snt_verify_answer *answer)
{
	secp256k1_ecdsa_recoverable_signature recoverable;
	secp256k1_ecdsa_signature signature;
	secp256k1_pubkey recovered;

	if (answer->recovery_id > 3 || !secp256k1_ecdsa_recoverable_signature_parse_compact(
					       v->context, &recoverable, answer->signature, answer->recovery_id))
		return "r, s or the recovery id is out of range";
	(void)secp256k1_ecdsa_recoverable_signature_convert(v->context, &signature, &recoverable);
	if (secp256k1_ecdsa_signature_normalize(v->context, NULL, &signature))
		return "s is not in the lower half";
	if (!secp256k1_ecdsa_recover(v->context, &recovered, &recoverable, digest) ||
	    secp256k1_ec_pubkey_cmp(v->context, &recovered, &v->pubkey) != 0)
		return "the signature does not recover to the key";
	return NULL;
}

const char *snt_verify_check(const struct snt_verify *v, enum snt_op op, const uint8_t digest[32],
			     const struct snt_verify_answer *answer)
{
	if (answer->status != SNT_OK)
		return snt_status_str((enum snt_status)answer->status);
	switch (op) {
	case SNT_OP_ECHO: return check_echo(digest, answer);
	case SNT_OP_ECDSA: return check_ecdsa(v, digest, answer);
	case SNT_OP_ECDSA_RECOVERABLE: return check_recoverable(v, digest, answer);
	case SNT_OP_SCHNORR:
		if (!secp256k1_schnorrsig_verify(v->context, answer->signature, digest, 32, &v->xonly))
			return "the BIP-340 signature does not verify under the key";
		return NULL;
	default: return "unknown operation";
	}
}

/* The finaliser of SplitMix64: a bijection, so no two numbers give the same first word. */
static uint64_t mixed(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void snt_verify_digest(uint8_t digest[32], uint64_t number)
{
	uint64_t words[4];

	for (unsigned i = 0; i < 4; i++)
		words[i] = mixed(number + i * UINT64_C(0x9e3779b97f4a7c15));
	memcpy(digest, words, sizeof words);
}
