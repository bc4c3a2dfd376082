/* Who may use which key for what: the configuration applied to a socket's peer. */
#ifndef SNT_ACCESS_H
#define SNT_ACCESS_H

#include <sys/types.h>

#include "../config.h"
#include "../keys.h"

enum { SNT_GROUPS_MAX = 256 };

/* A peer as the kernel vouches for it when it connects. */
struct snt_peer {
	pid_t pid;
	uid_t uid;
	gid_t gids[SNT_GROUPS_MAX]; /* its own, then the supplementary ones */
	unsigned gid_count;
};

/* Reads SO_PEERCRED and SO_PEERGROUPS. 0 or -errno. Source: unix(7), socket(7). */
int snt_peer_read(struct snt_peer *peer, int fd);

/* For each key of `keys`, which operations (bit n: operation n) this peer may ask for: those of the key whose [key]
 * section names its uid or one of its gids, and that the signer allows too. Returns how many keys it may use. */
unsigned snt_access_resolve(const struct snt_config *config, const struct snt_key_list *keys,
			    const struct snt_peer *peer, uint8_t ops[SNT_KEYS_MAX]);

#endif
