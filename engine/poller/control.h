/* The control socket: admits clients, hands out regions, looks keys up, and notices when clients go. Control thread
 * only. */
#ifndef SNT_CONTROL_H
#define SNT_CONTROL_H

#include <poll.h>

#include "../config.h"
#include "../keys.h"
#include "../unix_socket.h"
#include "engine.h"
#include "lane.h"

struct snt_client;

/* What the control socket needs of the engine; pointers are borrowed. */
struct snt_control {
	const struct snt_config *config;
	const struct snt_key_list *keys;
	struct snt_lane *const *lanes;
	unsigned lane_count;
	uint64_t ticks_per_s;
	snt_log_fn *log;
	void *log_context;
	bool told_small_pages;

	struct snt_listener listener;
	struct snt_client **clients; /* room for client_max */
	unsigned client_count, client_max;
};

/* Listens on `config->socket`. The fields above `listener` are set by the caller. 0, or, with a sentence,
 * -EADDRINUSE (another engine has it) or -EADDRNOTAVAIL (the path). */
int snt_control_open(struct snt_control *control, struct snt_error *error);

/* Ends every session and removes the socket. */
void snt_control_close(struct snt_control *control);

/* Writes what to poll(2) for, at most `client_max` + 1 entries; returns how many. */
unsigned snt_control_poll_set(const struct snt_control *control, struct pollfd *set);

/* Handles what poll(2) reported on that set. */
void snt_control_handle(struct snt_control *control, const struct pollfd *set);

/* Once a second or so: closes connections that never said hello, and sessions whose memory was taken away. */
void snt_control_housekeep(struct snt_control *control);

#endif
