/* The hot path on the parent: take, check, have signed, answer. */
#define _GNU_SOURCE
#include "lane.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../request.h"
#include "../worker/signer.h" /* the direct link: the signer is called, not reached */
#include "affinity.h"

/* Empty rounds after which a lane that may not spin stops yielding its core and sleeps; and how long a lane without a
 * session sleeps when it has a link to watch, and when it has not. */
enum { ROUNDS_BEFORE_NAP = 4096, WATCH_NS = 2000000, NO_SESSION_S = 10 };

/* Every how many rounds a lane with nothing on its link looks whether the link is still there. A power of two. */
enum { QUIET_ROUNDS = 256 };

/* Sleeps until the control thread posts a command, or a while: futex(2) on the low half of the little-endian counter. */
static void await_command(struct snt_lane *lane)
{
	struct timespec while_watching = {0, WATCH_NS}, unwatched = {NO_SESSION_S, 0};

	(void)syscall(SYS_futex, &lane->commands_posted, FUTEX_WAIT_PRIVATE, (uint32_t)lane->commands_done_here,
		      lane->stream != NULL ? &while_watching : &unwatched, NULL, 0);
}

static void refuse(const struct snt_lane_session *session, uint64_t sequence, const struct snt_request *request,
		   enum snt_status status)
{
	struct snt_response response;

	snt_response_refuse(&response, request, status);
	snt_ring_answer(&session->ring, sequence, &response);
}

/* What the parent decides: form, access and deadline. What the key may do is decided again by the signer. */
static enum snt_status admit(const struct snt_lane_session *session, const struct snt_request *request)
{
	if (!snt_request_well_formed(request))
		return SNT_BAD_REQUEST;
	if (request->op != SNT_OP_ECHO) {
		if (request->key >= session->key_count)
			return SNT_UNKNOWN_KEY;
		if (session->ops[request->key] == 0)
			return SNT_DENIED;
		if ((session->ops[request->key] >> request->op & 1) == 0)
			return SNT_OP_DENIED;
	}
	return snt_request_expired(request) ? SNT_EXPIRED : SNT_OK;
}

static void queue_on_link(struct snt_lane *lane, struct snt_lane_session *session, uint64_t sequence,
			  struct snt_request *request)
{
	struct snt_lane_flight *flight = &lane->flights[lane->link_sent % SNT_LINK_WINDOW];

	if (lane->link_sent == lane->link_answered)
		lane->link_heard = snt_ticks();
	*flight = (struct snt_lane_flight){session, sequence, request->tag, request->op};
	request->stamp = ++lane->link_sent;
	/* Never full: the window bounds what is unanswered, and the buffer holds a window. */
	memcpy(snt_stream_queue(lane->stream, sizeof *request), request, sizeof *request);
}

/* One request from each session at most, so that a busy one delays another by one request, not by its queue. False when
 * there was none. */
static bool sweep(struct snt_lane *lane)
{
	bool busy = false;

	for (unsigned i = 0; i < lane->session_count; i++) {
		struct snt_lane_session *session = lane->sessions[lane->turn];
		struct snt_request request;
		struct snt_response response;
		enum snt_status status;
		uint64_t sequence = session->cursor;

		if (lane->stream != NULL && lane->link_sent - lane->link_answered == SNT_LINK_WINDOW)
			break;
		lane->turn = lane->turn + 1 == lane->session_count ? 0 : lane->turn + 1;
		if (!snt_ring_take(&session->ring, sequence, &request))
			continue;
		busy = true;
		session->cursor++;
		status = admit(session, &request);
		if (status == SNT_OK && lane->signer != NULL) {
			snt_signer_sign(lane->signer, &request, &response);
			snt_ring_answer(&session->ring, sequence, &response);
		} else if (status == SNT_OK && lane->stream->fd >= 0) {
			queue_on_link(lane, session, sequence, &request);
		} else {
			refuse(session, sequence, &request, status == SNT_OK ? SNT_UNAVAILABLE : status);
		}
	}
	return busy;
}

/* The link is gone: whatever was on it is answered now, because nothing may be sent, let alone signed, twice. */
static void lose_link(struct snt_lane *lane)
{
	uint64_t one = 1;

	snt_stream_fini(lane->stream);
	while (lane->link_answered != lane->link_sent) {
		const struct snt_lane_flight *flight = &lane->flights[lane->link_answered++ % SNT_LINK_WINDOW];

		struct snt_request request = {.tag = flight->tag, .op = flight->op};

		if (flight->session != NULL)
			refuse(flight->session, flight->sequence, &request, SNT_UNAVAILABLE);
	}
	snt_store_relaxed(&lane->link_down, 1);
	if (write(lane->event_fd, &one, sizeof one) < 0)
		return; /* full: the control thread has a wake-up pending anyway */
}

/* What a worker may answer to a request that this lane let pass. */
static bool plausible(const struct snt_lane_flight *flight, const struct snt_response *response)
{
	static const uint8_t zero[sizeof response->reserved];

	return response->recovery_id <= (flight->op == SNT_OP_ECDSA_RECOVERABLE ? 3 : 0) &&
	       memcmp(response->reserved, zero, sizeof zero) == 0 && response->tag == flight->tag &&
	       response->op == flight->op &&
	       (response->status == SNT_OK || response->status == SNT_EXPIRED || response->status == SNT_UNKNOWN_KEY ||
		response->status == SNT_OP_DENIED || response->status == SNT_SIGN_FAILED);
}

static bool serve_link(struct snt_lane *lane)
{
	const struct snt_response *response;
	bool waiting = lane->link_sent != lane->link_answered;
	int received;

	/* With nothing on the link only its end can come, and that may be noticed a little later. */
	if (!waiting && lane->session_count > 0 && (++lane->quiet_rounds & (QUIET_ROUNDS - 1)) != 0)
		return false;
	if (snt_stream_send(lane->stream) < 0) {
		lose_link(lane);
		return true;
	}
	received = snt_stream_receive(lane->stream);
	while ((response = snt_stream_next(lane->stream, sizeof *response)) != NULL) {
		const struct snt_lane_flight *flight = &lane->flights[lane->link_answered % SNT_LINK_WINDOW];

		if (lane->link_answered == lane->link_sent || response->stamp != lane->link_answered + 1 ||
		    !plausible(flight, response)) {
			lose_link(lane);
			return true;
		}
		lane->link_answered++;
		if (flight->session != NULL)
			snt_ring_answer(&flight->session->ring, flight->sequence, response);
	}
	if (received > 0)
		lane->link_heard = snt_ticks();
	else if (received < 0 || (waiting && snt_ticks() - lane->link_heard > lane->link_patience_ticks))
		lose_link(lane);
	return received != 0;
}

static void drop_session(struct snt_lane *lane, const struct snt_lane_session *session)
{
	for (uint64_t n = lane->link_answered; n != lane->link_sent; n++)
		if (lane->flights[n % SNT_LINK_WINDOW].session == session)
			lane->flights[n % SNT_LINK_WINDOW].session = NULL;
	for (unsigned i = 0; i < lane->session_count; i++) {
		if (lane->sessions[i] == session) {
			lane->sessions[i] = lane->sessions[--lane->session_count];
			lane->turn = 0;
			break;
		}
	}
}

/* Carries out the control thread's command; false when it was to stop. */
static bool obey(struct snt_lane *lane)
{
	enum snt_lane_command command = lane->command;

	switch (command) {
	case SNT_LANE_ATTACH: lane->sessions[lane->session_count++] = lane->command_session; break;
	case SNT_LANE_DETACH: drop_session(lane, lane->command_session); break;
	case SNT_LANE_LINK_UP:
		snt_stream_fini(lane->stream);
		snt_stream_init(lane->stream, lane->command_fd);
		lane->link_sent = lane->link_answered = 0;
		snt_store_relaxed(&lane->link_down, 0);
		break;
	case SNT_LANE_STOP: break;
	}
	lane->commands_done_here++;
	/* done: pairs with the acquire in command_lane(); what the lane did before is visible to the control thread */
	snt_store_release(&lane->commands_done, lane->commands_done_here);
	return command != SNT_LANE_STOP;
}

/* Nothing to do: spins, unless there is no session (nobody to be fast for) or not a core for every spinner. */
static void idle(struct snt_lane *lane, unsigned *rounds)
{
	static const struct timespec nap = {0, 100000};

	if (lane->session_count == 0)
		await_command(lane);
	else if (lane->wait == SNT_WAIT_SPIN)
		snt_pause();
	else if (++*rounds < ROUNDS_BEFORE_NAP)
		(void)sched_yield();
	else
		(void)nanosleep(&nap, NULL);
}

static void *run(void *argument)
{
	struct snt_lane *lane = argument;
	unsigned rounds = 0;

	for (;;) {
		bool busy = false;

		/* command: pairs with the release in command_lane(); the command's words are visible after it */
		if (snt_load_acquire(&lane->commands_posted) != lane->commands_done_here && !obey(lane))
			return NULL;
		if (lane->stream == NULL) {
			busy = sweep(lane);
		} else {
			uint64_t sent;

			/* Natural batching: all that is there goes out in one send, nothing waits for more. A round in which
			 * requests were only refused ends it: a flood of those cannot keep the lane from its link. */
			do {
				sent = lane->link_sent;
				busy |= sweep(lane);
			} while (lane->link_sent != sent);
			if (lane->stream->fd >= 0)
				busy |= serve_link(lane);
		}
		if (busy)
			rounds = 0;
		else
			idle(lane, &rounds);
	}
}

static void command_lane(struct snt_lane *lane, enum snt_lane_command command, struct snt_lane_session *session, int fd)
{
	struct timespec nap = {0, 20000};
	uint64_t number = lane->commands_posted + 1;

	lane->command = command;
	lane->command_session = session;
	lane->command_fd = fd;
	/* command: pairs with the acquire in run() */
	snt_store_release(&lane->commands_posted, number);
	(void)syscall(SYS_futex, &lane->commands_posted, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	while (snt_load_acquire(&lane->commands_done) != number) /* done: pairs with the release in obey() */
		(void)nanosleep(&nap, NULL);
}

static int start_thread(struct snt_lane *lane, struct snt_error *error)
{
	pthread_attr_t attributes;
	cpu_set_t set;
	char name[16];
	int rc;

	CPU_ZERO(&set);
	(void)pthread_attr_init(&attributes);
	if (lane->cpu >= 0) {
		CPU_SET((unsigned)lane->cpu, &set);
		(void)pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
	}
	rc = pthread_create(&lane->thread, &attributes, run, lane);
	(void)pthread_attr_destroy(&attributes);
	if (rc != 0)
		return snt_fail(error, -rc, "cannot start lane %u on processor %d: %s; set cpu= to one this process may use",
				lane->number, lane->cpu, strerror(rc));
	(void)snprintf(name, sizeof name, "snt-lane-%u", lane->number);
	(void)pthread_setname_np(lane->thread, name);
	return 0;
}

static void release(struct snt_lane *lane)
{
	snt_signer_destroy(lane->signer);
	if (lane->stream != NULL)
		snt_stream_fini(lane->stream);
	free(lane->stream);
	free(lane->flights);
	free(lane);
}

int snt_lane_start(struct snt_lane **out, const struct snt_config *config, unsigned number,
		   const struct snt_lane_place *place, struct snt_error *error)
{
	struct snt_lane *lane = aligned_alloc(SNT_CACHE_LINE, sizeof *lane);
	int rc = 0;

	if (lane == NULL)
		return snt_fail(error, -ENOMEM, "no memory for lane %u", number);
	memset(lane, 0, sizeof *lane);
	lane->number = number;
	lane->cpu = place->cpu;
	lane->wait = place->wait;
	lane->event_fd = place->event_fd;
	lane->link_patience_ticks = SNT_LINK_PATIENCE_S * place->ticks_per_s;
	if (config->lanes[number].link == SNT_LINK_DIRECT) {
		rc = snt_signer_create(&lane->signer, config, error) < 0 ? -EKEYREJECTED : 0;
	} else {
		lane->stream = aligned_alloc(SNT_CACHE_LINE, sizeof *lane->stream);
		lane->flights = calloc(SNT_LINK_WINDOW, sizeof *lane->flights);
		if (lane->stream == NULL || lane->flights == NULL)
			rc = snt_fail(error, -ENOMEM, "no memory for lane %u", number);
		else
			snt_stream_init(lane->stream, -1);
		snt_store_relaxed(&lane->link_down, 1);
	}
	if (rc == 0)
		rc = start_thread(lane, error);
	if (rc < 0) {
		release(lane);
		return rc;
	}
	*out = lane;
	return 0;
}

void snt_lane_stop(struct snt_lane *lane)
{
	if (lane == NULL)
		return;
	command_lane(lane, SNT_LANE_STOP, NULL, -1);
	(void)pthread_join(lane->thread, NULL);
	release(lane);
}

const struct snt_key_list *snt_lane_keys(const struct snt_lane *lane)
{
	return lane->signer != NULL ? snt_signer_keys(lane->signer) : NULL;
}

void snt_lane_attach(struct snt_lane *lane, struct snt_lane_session *session)
{
	command_lane(lane, SNT_LANE_ATTACH, session, -1);
}

void snt_lane_detach(struct snt_lane *lane, struct snt_lane_session *session)
{
	command_lane(lane, SNT_LANE_DETACH, session, -1);
}

void snt_lane_link_up(struct snt_lane *lane, int fd)
{
	command_lane(lane, SNT_LANE_LINK_UP, NULL, fd);
}

bool snt_lane_link_is_down(const struct snt_lane *lane)
{
	return snt_load_relaxed(&lane->link_down) != 0;
}
