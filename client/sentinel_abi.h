/* The bytes that a trading process and the engine share: records, region, control messages.
 *
 * Nothing here is parsed. Each record has one size, fixed-width little-endian fields, and reserved bytes that are
 * zero. The same request and response bytes lie in the ring, travel on the link and are handed to the signer.
 *
 * A session's region, one memfd:
 *
 *     offset               size              what
 *     0                    4096              struct snt_region_header, then zeros
 *     request_offset       capacity *  64    request slots
 *     response_offset      capacity * 128    response slots
 *
 * Request i (from 0) is written to request slot i mod capacity and answered in response slot i mod capacity. A slot
 * is valid for i when its stamp is i + 1; the stamp is stored last, with release. There is no head and no tail: a
 * client with at most `capacity` unanswered requests cannot overwrite anything unread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SENTINEL_ABI_H
#define SENTINEL_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define SNT_STATIC_ASSERT static_assert
#else
#define SNT_STATIC_ASSERT _Static_assert
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the records are little-endian and are cast: a big-endian machine would have to swap them"
#endif

#define SNT_ABI_VERSION 1u
#define SNT_REGION_MAGIC UINT64_C(0x314e4752544e5324)  /* "$SNTRGN1" */
#define SNT_CONTROL_MAGIC UINT64_C(0x314c5443544e5324) /* "$SNTCTL1" */

#define SNT_CACHE_LINE 64u
#define SNT_CAPACITY_MIN 2u
#define SNT_CAPACITY_MAX 8192u /* 4 KiB + 8192 * 192 bytes still fit one 2 MiB page */
#define SNT_KEY_NAME_SIZE 64u  /* with the terminating zero */
#define SNT_PUBKEY_SIZE 33u    /* SEC 1 compressed point */

/* What a request asks for. */
enum snt_op {
	SNT_OP_ECHO = 1,              /* the whole path and no key: the digest comes back in the signature's first half */
	SNT_OP_ECDSA = 2,             /* r || s, 32 bytes each, big-endian, low s */
	SNT_OP_ECDSA_RECOVERABLE = 3, /* the same and the recovery id (0 to 3) */
	SNT_OP_SCHNORR = 4,           /* BIP-340: R.x || s */
	SNT_OP_END                    /* one past the last */
};

/* Every request gets exactly one of these. */
enum snt_status {
	SNT_OK = 0,
	SNT_WOULD_BLOCK = 1, /* client only: `capacity` requests are unanswered, poll first */
	SNT_TIMEOUT = 2,     /* client only: snt_sign() gave up waiting */
	SNT_EXPIRED = 3,     /* the request's deadline had passed: nothing was signed */
	SNT_UNAVAILABLE = 4, /* the engine or the signer behind it is gone; the request may or may not have been signed */
	SNT_UNKNOWN_KEY = 5, /* no key has this number or name */
	SNT_DENIED = 6,      /* the configuration does not let this caller use this key */
	SNT_OP_DENIED = 7,   /* the key may be used, but not for this operation */
	SNT_BAD_REQUEST = 8, /* unknown operation, or reserved bytes that are not zero */
	SNT_BAD_VERSION = 9, /* the two sides speak different ABI versions */
	SNT_FULL = 10,       /* the engine has no free session */
	SNT_SIGN_FAILED = 11,/* the signing library refused; not expected with a valid key */
	SNT_STATUS_END       /* one past the last */
};

/* struct snt_request, 64 bytes, one cache line
 *
 *     offset  size  field
 *     0       8     stamp        sequence + 1, stored last
 *     8       8     tag          the caller's own; returned untouched
 *     16      8     deadline     in ticks; 0 for none
 *     24      4     key          number from snt_key_find()
 *     28      1     op           enum snt_op
 *     29      3     reserved     zero
 *     32      32    digest       what is signed */
struct snt_request {
	uint64_t stamp;
	uint64_t tag;
	uint64_t deadline;
	uint32_t key;
	uint8_t op;
	uint8_t reserved[3];
	uint8_t digest[32];
};

/* struct snt_response, 128 bytes, two cache lines
 *
 *     offset  size  field
 *     0       8     stamp        the request's
 *     8       8     tag          the request's
 *     16      1     status       enum snt_status
 *     17      1     op           the request's
 *     18      1     recovery_id  0 to 3, for SNT_OP_ECDSA_RECOVERABLE; else 0
 *     19      45    reserved     zero
 *     64      64    signature    zero unless status is SNT_OK */
struct snt_response {
	uint64_t stamp;
	uint64_t tag;
	uint8_t status;
	uint8_t op;
	uint8_t recovery_id;
	uint8_t reserved[45];
	uint8_t signature[64];
};

/* struct snt_region_header, 64 bytes at the start of the region. Written by the engine before the memfd is handed
 * over, `version` last; never read back by the engine.
 *
 *     offset  size  field
 *     0       8     magic            SNT_REGION_MAGIC
 *     8       8     version          SNT_ABI_VERSION
 *     16      8     bytes            size of the memfd
 *     24      4     request_offset
 *     28      4     response_offset
 *     32      4     capacity         slots in each ring, a power of two
 *     36      4     page_bytes       4096, or 2097152 when the region is a reserved huge page
 *     40      8     ticks_per_s      rate of snt_ticks()
 *     48      16    reserved         zero */
struct snt_region_header {
	uint64_t magic;
	uint64_t version;
	uint64_t bytes;
	uint32_t request_offset;
	uint32_t response_offset;
	uint32_t capacity;
	uint32_t page_bytes;
	uint64_t ticks_per_s;
	uint8_t reserved[16];
};

/* Control socket (AF_UNIX, SOCK_SEQPACKET): one record a packet, each way. First struct snt_hello, answered by
 * struct snt_welcome with the region's memfd attached when status is SNT_OK; then any number of struct snt_lookup,
 * each answered by struct snt_key_info. Closing the socket ends the session. */

/* struct snt_hello, 32 bytes
 *
 *     offset  size  field
 *     0       8     magic      SNT_CONTROL_MAGIC
 *     8       4     version    SNT_ABI_VERSION
 *     12      4     capacity   a power of two, SNT_CAPACITY_MIN to _MAX; 0 lets the engine choose
 *     16      16    reserved   zero */
struct snt_hello {
	uint64_t magic;
	uint32_t version;
	uint32_t capacity;
	uint8_t reserved[16];
};

/* struct snt_welcome, 64 bytes
 *
 *     offset  size  field
 *     0       8     magic      SNT_CONTROL_MAGIC
 *     8       4     version    the engine's SNT_ABI_VERSION
 *     12      4     status     enum snt_status
 *     16      4     lane       number of the lane that serves this session
 *     20      4     lane_cpu   the processor it is pinned to; UINT32_MAX when it is not
 *     24      4     engine_pid
 *     28      4     keys       how many keys this caller may use
 *     32      1     link       enum snt_link_kind
 *     33      1     yields     1 when the engine's idle threads yield: fewer cores than threads that want to spin
 *     34      30    reserved   zero */
struct snt_welcome {
	uint64_t magic;
	uint32_t version;
	uint32_t status;
	uint32_t lane;
	uint32_t lane_cpu;
	uint32_t engine_pid;
	uint32_t keys;
	uint8_t link;
	uint8_t yields;
	uint8_t reserved[30];
};

/* How a lane reaches its signer. */
enum snt_link_kind {
	SNT_LINK_DIRECT = 1, /* a function call: poller and signer in one thread */
	SNT_LINK_UNIX = 2    /* a worker process behind a UNIX stream socket */
};

/* struct snt_lookup, 64 bytes: a key's name, zero-terminated and zero-padded, at offset 0. */
struct snt_lookup {
	char name[SNT_KEY_NAME_SIZE];
};

/* struct snt_key_info, 64 bytes
 *
 *     offset  size  field
 *     0       4     status     SNT_OK, SNT_UNKNOWN_KEY or SNT_DENIED
 *     4       4     key        its number in requests
 *     8       4     ops        bit n set: operation n is allowed to this caller
 *     12      4     reserved   zero
 *     16      33    pubkey     SEC 1 compressed; BIP-340's x-only key is its last 32 bytes
 *     49      15    reserved2  zero */
struct snt_key_info {
	uint32_t status;
	uint32_t key;
	uint32_t ops;
	uint32_t reserved;
	uint8_t pubkey[SNT_PUBKEY_SIZE];
	uint8_t reserved2[15];
};

#define SNT_FIELD_AT(type, field, offset) \
	SNT_STATIC_ASSERT(offsetof(struct type, field) == (offset), #type "." #field " moved")
SNT_STATIC_ASSERT(sizeof(struct snt_request) == 64, "a request is one cache line");
SNT_FIELD_AT(snt_request, stamp, 0);
SNT_FIELD_AT(snt_request, tag, 8);
SNT_FIELD_AT(snt_request, deadline, 16);
SNT_FIELD_AT(snt_request, key, 24);
SNT_FIELD_AT(snt_request, op, 28);
SNT_FIELD_AT(snt_request, reserved, 29);
SNT_FIELD_AT(snt_request, digest, 32);
SNT_STATIC_ASSERT(sizeof(struct snt_response) == 128, "a response is two cache lines");
SNT_FIELD_AT(snt_response, stamp, 0);
SNT_FIELD_AT(snt_response, tag, 8);
SNT_FIELD_AT(snt_response, status, 16);
SNT_FIELD_AT(snt_response, op, 17);
SNT_FIELD_AT(snt_response, recovery_id, 18);
SNT_FIELD_AT(snt_response, reserved, 19);
SNT_FIELD_AT(snt_response, signature, 64);
SNT_STATIC_ASSERT(sizeof(struct snt_region_header) == 64, "the region's header is one cache line");
SNT_FIELD_AT(snt_region_header, magic, 0);
SNT_FIELD_AT(snt_region_header, version, 8);
SNT_FIELD_AT(snt_region_header, bytes, 16);
SNT_FIELD_AT(snt_region_header, request_offset, 24);
SNT_FIELD_AT(snt_region_header, response_offset, 28);
SNT_FIELD_AT(snt_region_header, capacity, 32);
SNT_FIELD_AT(snt_region_header, page_bytes, 36);
SNT_FIELD_AT(snt_region_header, ticks_per_s, 40);
SNT_STATIC_ASSERT(sizeof(struct snt_hello) == 32, "size of the hello");
SNT_FIELD_AT(snt_hello, version, 8);
SNT_FIELD_AT(snt_hello, capacity, 12);
SNT_STATIC_ASSERT(sizeof(struct snt_welcome) == 64, "size of the welcome");
SNT_FIELD_AT(snt_welcome, version, 8);
SNT_FIELD_AT(snt_welcome, status, 12);
SNT_FIELD_AT(snt_welcome, lane, 16);
SNT_FIELD_AT(snt_welcome, lane_cpu, 20);
SNT_FIELD_AT(snt_welcome, engine_pid, 24);
SNT_FIELD_AT(snt_welcome, keys, 28);
SNT_FIELD_AT(snt_welcome, link, 32);
SNT_FIELD_AT(snt_welcome, yields, 33);
SNT_STATIC_ASSERT(sizeof(struct snt_lookup) == 64, "size of a lookup");
SNT_STATIC_ASSERT(sizeof(struct snt_key_info) == 64, "size of a key's description");
SNT_FIELD_AT(snt_key_info, status, 0);
SNT_FIELD_AT(snt_key_info, key, 4);
SNT_FIELD_AT(snt_key_info, ops, 8);
SNT_FIELD_AT(snt_key_info, pubkey, 16);

#ifdef __cplusplus
}
#endif
#endif
