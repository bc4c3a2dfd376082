/* What ringbench accepts and what it must refuse, with signatures made here and then spoilt. */
#include "verify.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <secp256k1_recovery.h>
#include <secp256k1_schnorrsig.h>

static secp256k1_context *context;
static struct snt_verify v;
static uint8_t secret[32], digest[32];

static void init(void)
{
	secp256k1_pubkey pubkey;
	uint8_t bytes[SNT_PUBKEY_SIZE];
	size_t length = sizeof bytes;

	memset(secret, 7, sizeof secret);
	snt_verify_digest(digest, 1);
	context = secp256k1_context_create(SECP256K1_CONTEXT_SIGN);
	cr_assert(secp256k1_ec_pubkey_create(context, &pubkey, secret));
	(void)secp256k1_ec_pubkey_serialize(context, bytes, &length, &pubkey, SECP256K1_EC_COMPRESSED);
	cr_assert_eq(snt_verify_init(&v, bytes), 0);
}

static void fini(void)
{
	snt_verify_fini(&v);
	secp256k1_context_destroy(context);
}

/* s to n - s: as valid for the curve, and refused for its high s. */
static void raise_s(uint8_t signature[64])
{
	cr_assert(secp256k1_ec_seckey_negate(context, signature + 32));
}

Test(verify, ecdsa, .init = init, .fini = fini)
{
	struct snt_verify_answer answer = {.status = SNT_OK};
	secp256k1_ecdsa_signature signature;

	cr_assert(secp256k1_ecdsa_sign(context, &signature, digest, secret, NULL, NULL));
	(void)secp256k1_ecdsa_signature_serialize_compact(context, answer.signature, &signature);
	cr_expect_null(snt_verify_check(&v, SNT_OP_ECDSA, digest, &answer));
	answer.signature[5] ^= 1;
	cr_expect_not_null(snt_verify_check(&v, SNT_OP_ECDSA, digest, &answer));
	answer.signature[5] ^= 1;
	raise_s(answer.signature);
	cr_expect_str_eq(snt_verify_check(&v, SNT_OP_ECDSA, digest, &answer), "s is not in the lower half");
	memset(answer.signature, 0xff, 64);
	cr_expect_not_null(snt_verify_check(&v, SNT_OP_ECDSA, digest, &answer));
}

Test(verify, recoverable, .init = init, .fini = fini)
{
	struct snt_verify_answer answer = {.status = SNT_OK};
	secp256k1_ecdsa_recoverable_signature signature;
	int id;

	cr_assert(secp256k1_ecdsa_sign_recoverable(context, &signature, digest, secret, NULL, NULL));
	(void)secp256k1_ecdsa_recoverable_signature_serialize_compact(context, answer.signature, &id, &signature);
	answer.recovery_id = (uint8_t)id;
	cr_expect_null(snt_verify_check(&v, SNT_OP_ECDSA_RECOVERABLE, digest, &answer));
	answer.recovery_id ^= 1;
	cr_expect_str_eq(snt_verify_check(&v, SNT_OP_ECDSA_RECOVERABLE, digest, &answer),
			 "the signature does not recover to the key");
	raise_s(answer.signature); /* with the other id this recovers to the key */
	cr_expect_str_eq(snt_verify_check(&v, SNT_OP_ECDSA_RECOVERABLE, digest, &answer), "s is not in the lower half");
	answer.recovery_id = 4;
	cr_expect_not_null(snt_verify_check(&v, SNT_OP_ECDSA_RECOVERABLE, digest, &answer));
}

Test(verify, schnorr, .init = init, .fini = fini)
{
	struct snt_verify_answer answer = {.status = SNT_OK};
	secp256k1_keypair pair;

	cr_assert(secp256k1_keypair_create(context, &pair, secret));
	cr_assert(secp256k1_schnorrsig_sign32(context, answer.signature, digest, &pair, NULL));
	cr_expect_null(snt_verify_check(&v, SNT_OP_SCHNORR, digest, &answer));
	answer.signature[63] ^= 1;
	cr_expect_not_null(snt_verify_check(&v, SNT_OP_SCHNORR, digest, &answer));
}

Test(verify, echo, .init = init, .fini = fini)
{
	struct snt_verify_answer answer = {.status = SNT_OK};

	memcpy(answer.signature, digest, 32);
	cr_expect_null(snt_verify_check(&v, SNT_OP_ECHO, digest, &answer));
	answer.signature[40] = 1;
	cr_expect_not_null(snt_verify_check(&v, SNT_OP_ECHO, digest, &answer));
}

Test(verify, a_status_is_said_in_words, .init = init, .fini = fini)
{
	struct snt_verify_answer answer = {.status = SNT_EXPIRED};

	cr_expect_eq(strncmp(snt_verify_check(&v, SNT_OP_ECDSA, digest, &answer), "expired", 7), 0);
}

Test(verify, key_off_the_curve)
{
	static const uint8_t nonsense[SNT_PUBKEY_SIZE] = {5};

	cr_expect_eq(snt_verify_init(&v, nonsense), -EINVAL);
}

Test(verify, digests_differ)
{
	static uint8_t digests[4096][32];

	for (uint64_t i = 0; i < 4096; i++) {
		snt_verify_digest(digests[i], i);
		for (uint64_t k = i > 64 ? i - 64 : 0; k < i; k++)
			cr_assert_neq(memcmp(digests[i], digests[k], 8), 0);
	}
}
