/* The configuration file: one INI read by sentineld, sentinel-worker and sentinel.
 *
 * docs/configuration.md is the reference, systemd/sentinel.conf an annotated example. Cold: allocates, blocks. */
#ifndef SNT_CONFIG_H
#define SNT_CONFIG_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#include "error.h"
#include "sentinel_abi.h"

enum {
	SNT_LANES_MAX = 16,
	SNT_KEYS_MAX = 256,
	SNT_SESSIONS_MAX = 512,
	SNT_PRINCIPALS_MAX = 32,
	SNT_CPU_AUTO = -1, /* let the engine choose */
};

/* How a thread with nothing to do waits. */
enum snt_wait {
	SNT_WAIT_AUTO,  /* spin if every spinning thread can have a core, else yield; which one is reported */
	SNT_WAIT_SPIN,  /* never leave the core */
	SNT_WAIT_YIELD, /* sched_yield() after a while, for machines with fewer cores than spinning threads */
};

/* [lane NAME] */
struct snt_config_lane {
	char name[SNT_KEY_NAME_SIZE];
	int cpu;        /* poller; SNT_CPU_AUTO, or a processor number */
	int worker_cpu; /* worker, for links that have one */
	enum snt_link_kind link;
	char link_path[sizeof((struct sockaddr_un *)0)->sun_path]; /* of unix:PATH */
};

/* [key NAME] */
struct snt_config_key {
	char name[SNT_KEY_NAME_SIZE];
	uint32_t ops; /* bit n: operation n of enum snt_op */
	uid_t uids[SNT_PRINCIPALS_MAX];
	gid_t gids[SNT_PRINCIPALS_MAX];
	unsigned uid_count, gid_count;
	uint8_t schnorr_aux[32]; /* BIP-340's auxiliary data; zeros unless configured */
};

struct snt_config {
	char path[4096]; /* the file this came from; "" when built in memory */
	char socket[sizeof((struct sockaddr_un *)0)->sun_path];
	char key_dir[4096];
	char seal_key[4096]; /* a path, or credential:NAME */
	unsigned sessions;   /* at once, over all lanes */
	uint32_t capacity;   /* slots of a session that does not ask for a number */
	enum snt_wait wait;
	struct snt_config_lane lanes[SNT_LANES_MAX];
	unsigned lane_count;
	struct snt_config_key keys[SNT_KEYS_MAX];
	unsigned key_count;
};

/* Every default, no lane and no key. */
void snt_config_init(struct snt_config *config);

/* Reads and checks `path`. 0, or -errno with a sentence that names file, line and remedy (-EINVAL for what the file
 * says, else why it could not be read). `config` is written only on success; a file without a [lane] gets one, named
 * "0", direct. */
int snt_config_read(struct snt_config *config, const char *path, struct snt_error *error);

/* A key's name: 1 to 63 of a-z A-Z 0-9 . _ -, beginning with a letter or a digit. 0, or -EINVAL or -ENAMETOOLONG. */
int snt_key_name_check(const char *name, struct snt_error *error);

/* "ecdsa-recoverable" and the like; "?" for what is no operation. Never NULL. */
const char *snt_op_str(enum snt_op op);

#endif
