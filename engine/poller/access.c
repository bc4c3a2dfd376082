/* Resolves a peer's rights once, when its session opens. */
#define _GNU_SOURCE
#include "access.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

int snt_peer_read(struct snt_peer *peer, int fd)
{
	struct ucred credentials;
	socklen_t size = sizeof credentials;
	gid_t groups[SNT_GROUPS_MAX - 1];
	socklen_t groups_size = sizeof groups;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
		return -errno;
	/* A peer in more groups than fit (ERANGE) is judged by its uid and own group alone: never by a part of the list. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_size) < 0)
		groups_size = 0;
	peer->pid = credentials.pid;
	peer->uid = credentials.uid;
	peer->gids[0] = credentials.gid;
	memcpy(&peer->gids[1], groups, groups_size);
	peer->gid_count = 1 + (unsigned)(groups_size / sizeof groups[0]);
	return 0;
}

static bool key_admits(const struct snt_config_key *key, const struct snt_peer *peer)
{
	for (unsigned i = 0; i < key->uid_count; i++)
		if (key->uids[i] == peer->uid)
			return true;
	for (unsigned i = 0; i < key->gid_count; i++)
		for (unsigned j = 0; j < peer->gid_count; j++)
			if (key->gids[i] == peer->gids[j])
				return true;
	return false;
}

unsigned snt_access_resolve(const struct snt_config *config, const struct snt_key_list *keys,
			    const struct snt_peer *peer, uint8_t ops[SNT_KEYS_MAX])
{
	unsigned usable = 0;

	memset(ops, 0, SNT_KEYS_MAX);
	for (unsigned i = 0; i < keys->count; i++) {
		for (unsigned j = 0; j < config->key_count; j++) {
			if (strcmp(config->keys[j].name, keys->keys[i].name) == 0 && key_admits(&config->keys[j], peer))
				ops[i] = (uint8_t)(config->keys[j].ops & keys->keys[i].ops);
		}
		usable += ops[i] != 0;
	}
	return usable;
}
