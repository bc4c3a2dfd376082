/* Published vectors through the whole path: client, ring, lane, link, signer and back, over both links. */
#include "path.h"

#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define N_MINUS_1 "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140"
#define ONE "0000000000000000000000000000000000000000000000000000000000000001"
#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"

/* A signing request and its published answer. `message` is hashed with SHA-256, unless it is NULL: then `digest` is the
 * published digest. */
struct vector {
	const char *source, *secret, *aux, *message, *digest, *signature;
	enum snt_op op;
	int recovery_id; /* -1: none published */
};

static const struct vector vectors[] = {
	/* RFC 6979 with SHA-256 on secp256k1: the vectors that Bitcoin's CoreBitcoin, python-ecdsa and Trezor share. */
	{"rfc6979 1", ONE, ZERO, "Satoshi Nakamoto", NULL,
	 "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
	 "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
	 SNT_OP_ECDSA, -1},
	{"rfc6979 2", ONE, ZERO, "All those moments will be lost in time, like tears in rain. Time to die...", NULL,
	 "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b"
	 "547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21",
	 SNT_OP_ECDSA, -1},
	{"rfc6979 3", N_MINUS_1, ZERO, "Satoshi Nakamoto", NULL,
	 "fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d0"
	 "6b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5",
	 SNT_OP_ECDSA, -1},
	{"rfc6979 4", "f8b8af8ce3c7cca5e300d33939540c10d45ce001b8f252bfbc57ba0342904181", ZERO, "Alan Turing", NULL,
	 "7063ae83e7f62bbb171798131b4a0564b956930092b33b07b395615d9ec7e15c"
	 "58dfcc1e00a35e1572f366ffe34ba0fc47db1e7189759b9fb233c5b05ab388ea",
	 SNT_OP_ECDSA, -1},
	{"rfc6979 5", "e91671c46231f833a6406ccbea0e3e392c76c167bac1cb013f6f1013980455c2", ZERO,
	 "There is a computer disease that anybody who works with computers knows about. It's a very serious disease and "
	 "it interferes completely with the work. The trouble with computers is that you 'play' with them!",
	 NULL,
	 "b552edd27580141f3b2a5463048cb7cd3e047b97c9f98076c32dbdf85a68718b"
	 "279fa72dd19bfae05577e06c7c0c1900c371fcd5893f7e1d56a37d30174671f6",
	 SNT_OP_ECDSA, -1},
	/* EIP-155, "Example": r and s are published in decimal; v = 37 is recovery id 0 on chain 1. */
	{"eip-155", "4646464646464646464646464646464646464646464646464646464646464646", ZERO, NULL,
	 "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53",
	 "28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
	 "67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83",
	 SNT_OP_ECDSA_RECOVERABLE, 0},
	/* BIP-340, test-vectors.csv, indexes 0 to 3: those with a secret key and a 32-byte message. */
	{"bip340 0", "0000000000000000000000000000000000000000000000000000000000000003", ZERO, NULL, ZERO,
	 "e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca8215"
	 "25f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0",
	 SNT_OP_SCHNORR, -1},
	{"bip340 1", "b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef", ONE, NULL,
	 "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
	 "6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de3341"
	 "8906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a",
	 SNT_OP_SCHNORR, -1},
	{"bip340 2", "c90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b14e5c9",
	 "c87aa53824b4d7ae2eb035a2b5bbbccc080e76cdc6d1692c4b0b62d798e6d906", NULL,
	 "7e2d58d8b3bcdf1abadec7829054f90dda9805aab56c77333024b9d0a508b75c",
	 "5831aaeed7b44bb74e5eab94ba9d4294c49bcf2a60728d8b4c200f50dd313c1b"
	 "ab745879a5ad954a72c45a91c3a51d3c7adea98d82f8481e0e1e03674a6f3fb7",
	 SNT_OP_SCHNORR, -1},
	{"bip340 3", "0b432b2677937381aef05bb02a66ecd012773062cf3fa2549e44f58ed2401710",
	 "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", NULL,
	 "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	 "7eb0509757e246f19449885651611cb965ecc1a187dd51b64fda1edc9637d5ec"
	 "97582b9cb13db3933705b32ba982af5af25fd78881ebb32771fc5922efc66ea3",
	 SNT_OP_SCHNORR, -1},
};
enum { VECTORS = sizeof vectors / sizeof vectors[0] };

static void check_vector(struct snt_session *session, unsigned i)
{
	const struct vector *vector = &vectors[i];
	uint8_t digest[32], signature[64];
	struct snt_completion done;
	struct snt_key key;
	char name[16];

	(void)snprintf(name, sizeof name, "key-%u", i);
	key = path_key(session, name);
	if (vector->message != NULL)
		(void)crypto_hash_sha256(digest, (const uint8_t *)vector->message, strlen(vector->message));
	else
		path_unhex(digest, sizeof digest, vector->digest);
	path_unhex(signature, sizeof signature, vector->signature);
	PATH_CHECK(snt_sign(session, key.id, vector->op, digest, 1000000000, &done) == SNT_OK, "%s: %s", vector->source,
		   snt_status_str(done.status));
	PATH_CHECK(memcmp(done.signature, signature, sizeof signature) == 0, "%s: another signature", vector->source);
	PATH_CHECK(vector->recovery_id < 0 || done.recovery_id == vector->recovery_id, "%s: recovery id %u",
		   vector->source, done.recovery_id);
	PATH_CHECK(path_verify(&done, digest, key.pubkey), "%s: does not verify", vector->source);
}

static void check_link(const char *link)
{
	struct path_engine engine;
	struct snt_session session;
	char config[8192];
	size_t n = (size_t)snprintf(config, sizeof config, "[lane a]\nlink = %s\n", link);

	for (unsigned i = 0; i < VECTORS; i++)
		n += (size_t)snprintf(config + n, sizeof config - n, "[key key-%u]\nuid = %u\nschnorr_aux = %s\n", i,
				      (unsigned)geteuid(), vectors[i].aux);
	path_init(&engine, config);
	for (unsigned i = 0; i < VECTORS; i++) {
		uint8_t secret[32];
		char name[16];

		(void)snprintf(name, sizeof name, "key-%u", i);
		path_unhex(secret, sizeof secret, vectors[i].secret);
		path_add_key(&engine, name, secret);
	}
	path_start(&engine);
	path_open(&engine, &session, 0);
	for (unsigned i = 0; i < VECTORS; i++)
		check_vector(&session, i);
	snt_close(&session);
	path_stop(&engine);
	(void)printf("%s: %d published signatures\n", link, VECTORS);
}

int main(void)
{
	PATH_CHECK(sodium_init() >= 0, "libsodium");
	check_link("direct");
	check_link("unix:@/worker");
	return 0;
}
