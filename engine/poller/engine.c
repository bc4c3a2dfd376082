/* Puts lanes, workers and the control socket together and runs the control thread. */
#define _GNU_SOURCE
#include "engine.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "affinity.h"
#include "control.h"
#include "lane.h"
#include "region.h"
#include "supervisor.h"

/* Of sentinel-worker(8). */
enum { WORKER_EXIT_KEYS = 3, WORKER_EXIT_SOCKET = 4 };

enum { TICK_IDLE_MS = 1000, TICK_LINK_DOWN_MS = 5, WORKERS_UP_MS = 10000, START_FAILURES_MAX = 3 };

struct snt_engine {
	struct snt_config config;
	struct snt_control control;
	struct snt_lane *lanes[SNT_LANES_MAX];
	struct snt_worker workers[SNT_LANES_MAX]; /* of lanes that have one */
	struct snt_key_list keys;
	bool keys_known;
	enum snt_wait wait;
	int cpus[SNT_LANES_MAX], worker_cpus[SNT_LANES_MAX];
	int stop_fd, link_fd; /* eventfds: told to stop; a lane lost its link */
	snt_log_fn *log;
	void *log_context;
	uint64_t housekept_ms;
};

static bool has_worker(const struct snt_engine *engine, unsigned lane)
{
	return engine->config.lanes[lane].link != SNT_LINK_DIRECT;
}

static void say(const struct snt_engine *engine, const struct snt_error *line)
{
	if (engine->log != NULL)
		engine->log(engine->log_context, line->text);
}

/* Spins only when every spinning thread, one client among them, can have a core of its own. */
static void decide_wait(struct snt_engine *engine)
{
	unsigned spinners = engine->config.lane_count + 1;
	unsigned cores = snt_cores_usable();
	struct snt_error line;

	for (unsigned i = 0; i < engine->config.lane_count; i++)
		spinners += has_worker(engine, i);
	engine->wait = engine->config.wait;
	if (engine->wait == SNT_WAIT_AUTO)
		engine->wait = spinners <= cores ? SNT_WAIT_SPIN : SNT_WAIT_YIELD;
	(void)snt_fail(&line, 0, "%u threads want to spin (one client counted) on %u cores: idle ones %s%s", spinners, cores,
		       engine->wait == SNT_WAIT_SPIN ? "spin" : "yield",
		       engine->config.wait == SNT_WAIT_AUTO ? "" : ", as configured");
	say(engine, &line);
}

/* Threads that spin get cores of their own. Where cores are short they share all but one, which is left to the client:
 * a thread that yields to its neighbour is quick, one that waits for a client to be preempted is not. */
static int place_threads(struct snt_engine *engine, struct snt_error *error)
{
	int *wanted[2 * SNT_LANES_MAX];
	int taken[2 * SNT_LANES_MAX], chosen[2 * SNT_LANES_MAX];
	unsigned wanted_count = 0, taken_count = 0, distinct, cores = snt_cores_usable();
	int rc;

	for (unsigned i = 0; i < engine->config.lane_count; i++) {
		int *places[] = {&engine->cpus[i], &engine->worker_cpus[i]};

		engine->cpus[i] = engine->config.lanes[i].cpu;
		engine->worker_cpus[i] = engine->config.lanes[i].worker_cpu;
		for (unsigned j = 0; j < 1u + has_worker(engine, i); j++) {
			if (*places[j] == SNT_CPU_AUTO)
				wanted[wanted_count++] = places[j];
			else
				taken[taken_count++] = *places[j];
		}
	}
	if (wanted_count == 0)
		return 0;
	distinct = wanted_count;
	if (engine->wait == SNT_WAIT_YIELD && distinct >= cores)
		distinct = cores > 1 ? cores - 1 : 1;
	rc = snt_cores_choose(chosen, distinct, taken, taken_count);
	if (rc < 0)
		return snt_fail(error, rc, "cannot read the machine's topology: %s; set cpu= in each [lane]", strerror(-rc));
	for (unsigned i = 0; i < wanted_count; i++)
		*wanted[i] = chosen[i % distinct];
	return 0;
}

static int start_lanes(struct snt_engine *engine, struct snt_error *error)
{
	for (unsigned i = 0; i < engine->config.lane_count; i++) {
		const struct snt_config_lane *lane = &engine->config.lanes[i];
		const struct snt_lane_place place = {engine->cpus[i], engine->wait, engine->link_fd,
						     engine->control.ticks_per_s};
		const struct snt_key_list *keys;
		struct snt_error line;
		int rc = snt_lane_start(&engine->lanes[i], &engine->config, i, &place, error);

		if (rc < 0)
			return rc;
		keys = snt_lane_keys(engine->lanes[i]);
		if (keys != NULL) {
			engine->keys = *keys;
			engine->keys_known = true;
		}
		if (engine->cpus[i] >= 0)
			(void)snt_fail(&line, 0, "lane %s: %s link, processor %d", lane->name,
				       has_worker(engine, i) ? "unix" : "direct", engine->cpus[i]);
		else
			(void)snt_fail(&line, 0, "lane %s: %s link, not pinned", lane->name,
				       has_worker(engine, i) ? "unix" : "direct");
		say(engine, &line);
		engine->workers[i] = (struct snt_worker){.config = &engine->config,
							 .lane_config = lane,
							 .lane = engine->lanes[i],
							 .cpu = engine->worker_cpus[i],
							 .wait = engine->wait,
							 .pid_fd = -1};
	}
	return 0;
}

/* Does what is due for every worker; false while a link is down. */
static bool supervise(struct snt_engine *engine, struct snt_error *last)
{
	bool up = true;

	for (unsigned i = 0; i < engine->config.lane_count; i++) {
		if (!has_worker(engine, i))
			continue;
		if (snt_worker_supervise(&engine->workers[i], &engine->keys, &engine->keys_known, last))
			say(engine, last);
		up = up && !snt_lane_link_is_down(engine->lanes[i]);
	}
	return up;
}

static int await_workers(struct snt_engine *engine, struct snt_error *error)
{
	uint64_t deadline = snt_now_ms() + WORKERS_UP_MS;
	struct snt_error last = {"nothing was heard of it"};
	struct timespec nap = {0, 1000000};

	while (!supervise(engine, &last)) {
		bool hopeless = snt_now_ms() > deadline;
		int rc = -ETIMEDOUT;

		for (unsigned i = 0; i < engine->config.lane_count; i++) {
			hopeless = hopeless || engine->workers[i].failures >= START_FAILURES_MAX;
			if (engine->workers[i].exit_status == WORKER_EXIT_KEYS)
				rc = -EKEYREJECTED;
			else if (engine->workers[i].exit_status == WORKER_EXIT_SOCKET)
				rc = -EADDRNOTAVAIL;
		}
		if (hopeless)
			return snt_fail(error, rc, "no worker comes up; its own message is above. Last, %s", last.text);
		(void)nanosleep(&nap, NULL);
	}
	return 0;
}

static int assemble(struct snt_engine *engine, struct snt_error *error)
{
	int rc;

	if (engine->stop_fd < 0 || engine->link_fd < 0)
		return snt_fail(error, -EMFILE, "no file descriptor is free: raise RLIMIT_NOFILE");
	rc = snt_region_guard();
	if (rc < 0)
		return snt_fail(error, rc, "cannot handle SIGBUS: %s", strerror(-rc));
	decide_wait(engine);
	rc = place_threads(engine, error);
	/* The socket first: it is the lock that keeps a second engine away from the first one's workers. */
	engine->control = (struct snt_control){.config = &engine->config,
					       .keys = &engine->keys,
					       .lanes = engine->lanes,
					       .lane_count = engine->config.lane_count,
					       .ticks_per_s = snt_ticks_per_s(),
					       .log = engine->log,
					       .log_context = engine->log_context};
	if (rc == 0)
		rc = snt_control_open(&engine->control, error);
	if (rc == 0)
		rc = start_lanes(engine, error);
	if (rc == 0)
		rc = await_workers(engine, error);
	return rc;
}

int snt_engine_create(struct snt_engine **out, const struct snt_config *config, snt_log_fn *log, void *log_context,
		      struct snt_error *error)
{
	struct snt_engine *engine = calloc(1, sizeof *engine);
	int rc;

	if (engine == NULL)
		return snt_fail(error, -ENOMEM, "no memory for the engine");
	engine->config = *config;
	engine->log = log;
	engine->log_context = log_context;
	engine->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	engine->link_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = assemble(engine, error);
	if (rc < 0) {
		snt_engine_destroy(engine);
		return rc;
	}
	*out = engine;
	return 0;
}

int snt_engine_run(struct snt_engine *engine)
{
	struct pollfd *set = calloc(engine->control.client_max + 1 + 2 + SNT_LANES_MAX, sizeof *set);
	struct snt_error line;
	int rc = set == NULL ? -ENOMEM : 0;

	while (rc == 0) {
		bool up = supervise(engine, &line);
		unsigned fixed = 0, n;
		uint64_t count;

		set[fixed++] = (struct pollfd){.fd = engine->stop_fd, .events = POLLIN};
		set[fixed++] = (struct pollfd){.fd = engine->link_fd, .events = POLLIN};
		for (unsigned i = 0; i < engine->config.lane_count; i++)
			if (engine->workers[i].pid > 0)
				set[fixed++] = (struct pollfd){.fd = engine->workers[i].pid_fd, .events = POLLIN};
		n = snt_control_poll_set(&engine->control, &set[fixed]);
		if (poll(set, fixed + n, up ? TICK_IDLE_MS : TICK_LINK_DOWN_MS) < 0) {
			rc = errno == EINTR ? 0 : -errno;
			continue;
		}
		if (set[0].revents != 0)
			break;
		if (set[1].revents != 0 && read(engine->link_fd, &count, sizeof count) < 0)
			rc = errno == EAGAIN ? 0 : -errno;
		snt_control_handle(&engine->control, &set[fixed]);
		if (snt_now_ms() - engine->housekept_ms >= TICK_IDLE_MS) {
			snt_control_housekeep(&engine->control);
			engine->housekept_ms = snt_now_ms();
		}
	}
	free(set);
	return rc;
}

void snt_engine_stop(struct snt_engine *engine)
{
	int saved = errno;
	uint64_t one = 1;

	if (write(engine->stop_fd, &one, sizeof one) < 0)
		errno = saved; /* full: the stop is pending already */
	errno = saved;
}

void snt_engine_destroy(struct snt_engine *engine)
{
	if (engine == NULL)
		return;
	snt_control_close(&engine->control);
	for (unsigned i = 0; i < engine->config.lane_count; i++) {
		snt_lane_stop(engine->lanes[i]);
		snt_worker_end(&engine->workers[i]);
	}
	if (engine->stop_fd >= 0)
		(void)close(engine->stop_fd);
	if (engine->link_fd >= 0)
		(void)close(engine->link_fd);
	free(engine);
}
