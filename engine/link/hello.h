/* How a link begins: each side says what it speaks, and the worker which keys it holds.
 *
 * The parent sends struct snt_link_hello; the worker answers with its own and `keys` records of struct snt_key_public.
 * From then on requests go one way and responses the other; both carry the request's number on this link, from 1, in
 * their stamp. Cold: blocks, one second at most a step. */
#ifndef SNT_HELLO_H
#define SNT_HELLO_H

#include "../error.h"
#include "../keys.h"

#define SNT_LINK_MAGIC UINT64_C(0x314b4e4c544e5324) /* "$SNTLNK1" */

/* struct snt_link_hello, 64 bytes
 *
 *     offset  size  field
 *     0       8     magic     SNT_LINK_MAGIC
 *     8       4     version   SNT_ABI_VERSION
 *     12      4     keys      how many struct snt_key_public follow; 0 from the parent
 *     16      48    reserved  zero */
struct snt_link_hello {
	uint64_t magic;
	uint32_t version;
	uint32_t keys;
	uint8_t reserved[48];
};
_Static_assert(sizeof(struct snt_link_hello) == 64, "size of a link's hello");
_Static_assert(offsetof(struct snt_link_hello, version) == 8 && offsetof(struct snt_link_hello, keys) == 12,
	       "a field of the link's hello moved");

/* The parent's part. 0 and the worker's keys, or -errno with a sentence: -EPROTO (not a worker, or nonsense),
 * -EPROTONOSUPPORT (another version), -ETIMEDOUT, -ECONNRESET. */
int snt_hello_offer(int fd, struct snt_key_list *keys, struct snt_error *error);

/* The worker's part. 0, or -errno as above. */
int snt_hello_accept(int fd, const struct snt_key_list *keys);

#endif
