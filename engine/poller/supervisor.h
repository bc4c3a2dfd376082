/* Starts a lane's worker process, connects to it, and starts it again when it ends. Control thread only. */
#ifndef SNT_SUPERVISOR_H
#define SNT_SUPERVISOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "../config.h"
#include "../keys.h"
#include "lane.h"

struct snt_worker {
	const struct snt_config *config;
	const struct snt_config_lane *lane_config;
	struct snt_lane *lane;
	int cpu; /* SNT_CPU_AUTO: not pinned */
	enum snt_wait wait;
	pid_t pid; /* 0: not running */
	int pid_fd;
	bool connected;       /* since it was started */
	int exit_status;      /* of the last one that ended by itself */
	uint64_t retry_at_ms; /* CLOCK_MONOTONIC; nothing is tried before */
	unsigned failures;    /* in a row */
};

/* Does what is due: reaps, starts, connects and greets, and hands the connection to the lane. A worker that lost its link
 * or cannot greet is killed: whatever it still holds can then not be signed after it was answered. `keys` must be what the
 * worker holds, unless `*keys_known` is false: then both are set. Returns 1 when something happened that is
 * worth a log line (in `event`), else 0. Blocks for a second or two at most when a worker does not speak. */
int snt_worker_supervise(struct snt_worker *worker, struct snt_key_list *keys, bool *keys_known,
			 struct snt_error *event);

/* Ends the worker: SIGTERM, after two seconds SIGKILL. */
void snt_worker_end(struct snt_worker *worker);

/* Milliseconds of CLOCK_MONOTONIC. */
uint64_t snt_now_ms(void);

#endif
