/* The signer: holds the keys, turns a request into a response. Everything that touches a secret while signing. */
#ifndef SNT_SIGNER_H
#define SNT_SIGNER_H

#include "../config.h"
#include "../keys.h"

struct snt_signer;

/* Loads every [key] of `config` from its key directory into secret memory. 0, or -errno with a sentence. Cold. */
int snt_signer_create(struct snt_signer **signer, const struct snt_config *config, struct snt_error *error);

/* Wipes every key and frees the signer; NULL is fine. */
void snt_signer_destroy(struct snt_signer *signer);

/* What it holds, in the order of the configuration; a request's `key` is an index into this. Valid as long as the
 * signer. */
const struct snt_key_list *snt_signer_keys(const struct snt_signer *signer);

/* Answers one request: fills all of `response` but its stamp, reserved bytes zeroed. Never fails: what cannot be signed
 * gets a status. One thread at a time; no system call, no allocation. The request is validated here in full, because
 * the signer trusts nobody in front of it; ACLs and deadlines are the poller's. Nonces: RFC 6979 for ECDSA, BIP-340's
 * own derivation with the key's auxiliary data for Schnorr. */
void snt_signer_sign(struct snt_signer *signer, const struct snt_request *request, struct snt_response *response);

#endif
