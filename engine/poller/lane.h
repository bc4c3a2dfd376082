/* A lane: one pinned thread that polls its sessions and has their requests signed.
 *
 * Functions here are the control thread's side; each waits until the lane has done what it asks. The lane itself makes
 * no system call while there is work, takes no lock and allocates nothing. */
#ifndef SNT_LANE_H
#define SNT_LANE_H

#include <pthread.h>

#include "../config.h"
#include "../keys.h"
#include "../link/stream.h"
#include "ring.h"

struct snt_signer;

/* A session as its lane sees it; owned by the control thread, private to the lane while attached. */
struct snt_lane_session {
	struct snt_ring ring;
	uint64_t cursor;           /* sequence of the next request to take; the engine's own, never read from the ring */
	unsigned key_count;
	uint8_t ops[SNT_KEYS_MAX]; /* per key: bit n allows operation n to this caller */
};

/* A request that is on the link. */
struct snt_lane_flight {
	struct snt_lane_session *session; /* NULL when it was detached meanwhile: the answer is dropped */
	uint64_t sequence;
	uint64_t tag;
	uint8_t op;
};

enum snt_lane_command {
	SNT_LANE_ATTACH,
	SNT_LANE_DETACH,
	SNT_LANE_LINK_UP,
	SNT_LANE_STOP,
};

struct snt_lane {
	/* The lane's own. */
	struct snt_signer *signer; /* link = direct, else NULL */
	struct snt_stream *stream; /* other links, else NULL; closed while the link is down */
	uint64_t link_sent, link_answered;
	uint64_t link_heard, link_patience_ticks; /* when the worker was last heard of; how long it may be silent */
	unsigned quiet_rounds;
	struct snt_lane_flight *flights; /* SNT_LINK_WINDOW of them, by link number */
	unsigned session_count, turn;
	struct snt_lane_session *sessions[SNT_SESSIONS_MAX];
	uint64_t commands_done_here;
	enum snt_wait wait;
	int cpu; /* SNT_CPU_AUTO: not pinned */
	unsigned number;
	pthread_t thread;

	/* Control thread to lane: written once a command. */
	_Alignas(SNT_CACHE_LINE) uint64_t commands_posted;
	enum snt_lane_command command;
	struct snt_lane_session *command_session;
	int command_fd;

	/* Lane to control thread. */
	_Alignas(SNT_CACHE_LINE) uint64_t commands_done;
	uint64_t link_down; /* 1 while the lane has no link */
	int event_fd;       /* written (a system call, on a cold path) when the link is lost */
};

/* A worker that owes an answer and says nothing for so long has lost its link: what it owes is answered unavailable. */
enum { SNT_LINK_PATIENCE_S = 2 };

/* What the engine decided for one lane. */
struct snt_lane_place {
	int cpu; /* SNT_CPU_AUTO: not pinned */
	enum snt_wait wait;
	int event_fd; /* an eventfd, not owned, that the lane writes when its link is lost */
	uint64_t ticks_per_s;
};

/* Starts a lane for `config->lanes[number]`. With link = direct it loads the keys. 0, or -errno with a sentence
 * (-EKEYREJECTED: the signer's). */
int snt_lane_start(struct snt_lane **lane, const struct snt_config *config, unsigned number,
		   const struct snt_lane_place *place, struct snt_error *error);

/* Stops the thread, wipes keys, closes the link; NULL is fine. Requests not taken stay unanswered in their rings: the
 * control thread then closes the sockets, by which clients know. */
void snt_lane_stop(struct snt_lane *lane);

/* The keys of a direct lane; NULL for other links. */
const struct snt_key_list *snt_lane_keys(const struct snt_lane *lane);

void snt_lane_attach(struct snt_lane *lane, struct snt_lane_session *session);

/* After this returns the lane touches neither the session nor its ring. */
void snt_lane_detach(struct snt_lane *lane, struct snt_lane_session *session);

/* Hands the lane a connected link that has been greeted. */
void snt_lane_link_up(struct snt_lane *lane, int fd);

/* True while a lane that needs a link has none. */
bool snt_lane_link_is_down(const struct snt_lane *lane);

#endif
