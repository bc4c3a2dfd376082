/* Holds the keys in secret memory and signs with libsecp256k1's public API. */
#include "signer.h"

#include <errno.h>
#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_preallocated.h>
#include <secp256k1_recovery.h>
#include <secp256k1_schnorrsig.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "../request.h"
#include "keydir.h"
#include "secret.h"

/* One key's secrets, two cache lines, in secret memory. */
struct key_secret {
	uint8_t scalar[SNT_SECRET_KEY_BYTES];
	secp256k1_keypair keypair;
};
_Static_assert(sizeof(struct key_secret) == 128, "a key's secrets are two cache lines");

struct snt_signer {
	secp256k1_context *context; /* in secret memory too: its blinding is as secret as a key */
	struct key_secret *secrets;
	struct snt_secret memory;
	struct snt_key_list list;
	uint8_t aux[SNT_KEYS_MAX][32];
};

static int load_keys(struct snt_signer *signer, const struct snt_config *config, uint8_t *seal,
		     struct snt_error *error)
{
	int rc = config->key_count == 0 ? 0 : snt_seal_key_read(seal, config->seal_key, error);

	for (unsigned i = 0; rc == 0 && i < config->key_count; i++) {
		struct snt_key_public *public = &signer->list.keys[i];
		struct key_secret *secret = &signer->secrets[i];

		rc = snt_keydir_load(config->key_dir, config->keys[i].name, seal, secret->scalar, public->pubkey, error);
		if (rc < 0)
			break;
		if (!secp256k1_keypair_create(signer->context, &secret->keypair, secret->scalar))
			rc = snt_fail(error, -EBADMSG, "key \"%s\" holds no valid secret: import it again",
				      config->keys[i].name);
		memcpy(public->name, config->keys[i].name, sizeof public->name);
		public->ops = config->keys[i].ops;
		memcpy(signer->aux[i], config->keys[i].schnorr_aux, sizeof signer->aux[i]);
	}
	signer->list.count = config->key_count;
	return rc;
}

int snt_signer_create(struct snt_signer **out, const struct snt_config *config, struct snt_error *error)
{
	/* seal key and context seed, then the context, then the keys: each part on its own cache lines */
	size_t context_bytes = (secp256k1_context_preallocated_size(SECP256K1_CONTEXT_NONE) + 63) & ~(size_t)63;
	size_t key_bytes = SNT_KEYS_MAX * sizeof(struct key_secret);
	struct snt_signer *signer;
	uint8_t *scratch;
	int rc;

	if (sodium_init() < 0)
		return snt_fail(error, -EIO, "libsodium found no source of random numbers");
	signer = calloc(1, sizeof *signer);
	if (signer == NULL)
		return snt_fail(error, -ENOMEM, "no memory for the signer");
	rc = snt_secret_create(&signer->memory, 64 + context_bytes + key_bytes, error);
	if (rc < 0) {
		free(signer);
		return rc;
	}
	scratch = signer->memory.base;
	signer->context = secp256k1_context_preallocated_create(scratch + 64, SECP256K1_CONTEXT_NONE);
	signer->secrets = (void *)(scratch + 64 + context_bytes);
	randombytes_buf(scratch, 32);
	if (!secp256k1_context_randomize(signer->context, scratch))
		rc = snt_fail(error, -EIO, "libsecp256k1 could not blind its context");
	if (rc == 0)
		rc = load_keys(signer, config, scratch, error);
	sodium_memzero(scratch, 64);
	if (rc < 0) {
		snt_signer_destroy(signer);
		return rc;
	}
	*out = signer;
	return 0;
}

void snt_signer_destroy(struct snt_signer *signer)
{
	if (signer == NULL)
		return;
	secp256k1_context_preallocated_destroy(signer->context);
	snt_secret_destroy(&signer->memory);
	free(signer);
}

const struct snt_key_list *snt_signer_keys(const struct snt_signer *signer)
{
	return &signer->list;
}

static enum snt_status sign_ecdsa(const struct snt_signer *signer, const struct key_secret *key, const uint8_t *digest,
				  struct snt_response *response)
{
	secp256k1_ecdsa_signature signature;

	if (!secp256k1_ecdsa_sign(signer->context, &signature, digest, key->scalar, NULL, NULL))
		return SNT_SIGN_FAILED;
	(void)secp256k1_ecdsa_signature_serialize_compact(signer->context, response->signature, &signature);
	return SNT_OK;
}

static enum snt_status sign_recoverable(const struct snt_signer *signer, const struct key_secret *key,
					const uint8_t *digest, struct snt_response *response)
{
	secp256k1_ecdsa_recoverable_signature signature;
	int recovery_id;

	if (!secp256k1_ecdsa_sign_recoverable(signer->context, &signature, digest, key->scalar, NULL, NULL))
		return SNT_SIGN_FAILED;
	(void)secp256k1_ecdsa_recoverable_signature_serialize_compact(signer->context, response->signature, &recovery_id,
								      &signature);
	response->recovery_id = (uint8_t)recovery_id;
	return SNT_OK;
}

static enum snt_status sign(const struct snt_signer *signer, const struct snt_request *request,
			    struct snt_response *response)
{
	const struct key_secret *key;

	if (!snt_request_well_formed(request))
		return SNT_BAD_REQUEST;
	if (request->op == SNT_OP_ECHO) {
		memcpy(response->signature, request->digest, sizeof request->digest);
		return SNT_OK;
	}
	if (request->key >= signer->list.count)
		return SNT_UNKNOWN_KEY;
	if ((signer->list.keys[request->key].ops >> request->op & 1) == 0)
		return SNT_OP_DENIED;
	key = &signer->secrets[request->key];
	switch (request->op) {
	case SNT_OP_ECDSA: return sign_ecdsa(signer, key, request->digest, response);
	case SNT_OP_ECDSA_RECOVERABLE: return sign_recoverable(signer, key, request->digest, response);
	default: /* well-formed: SNT_OP_SCHNORR */
		return secp256k1_schnorrsig_sign32(signer->context, response->signature, request->digest, &key->keypair,
						   signer->aux[request->key])
			       ? SNT_OK
			       : SNT_SIGN_FAILED;
	}
}

void snt_signer_sign(struct snt_signer *signer, const struct snt_request *request, struct snt_response *response)
{
	memset(response, 0, sizeof *response);
	response->tag = request->tag;
	response->op = request->op;
	response->status = (uint8_t)sign(signer, request, response);
	if (response->status == SNT_SIGN_FAILED)
		memset(response->signature, 0, sizeof response->signature);
}
