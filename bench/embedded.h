/* An engine of ringbench's own: fresh key, private directory, gone without a trace afterwards. */
#ifndef SNT_EMBEDDED_H
#define SNT_EMBEDDED_H

#include <pthread.h>
#include <semaphore.h>

#include "error.h"
#include "poller/engine.h"

#define SNT_EMBEDDED_KEY "bench"

struct snt_embedded {
	char dir[64];
	char socket[96];
	struct snt_config config;
	struct snt_engine *engine;
	pthread_t thread; /* control thread */
	sem_t started;
	int rc;
	struct snt_error error;
};

/* Makes the directory, a key for every operation and a configuration that lets this user use it, and starts an engine
 * with one lane. Call before the calling thread pins itself: the engine's threads inherit its processors. 0, or -errno
 * with a sentence; nothing is left behind then. */
int snt_embedded_start(struct snt_embedded *e, enum snt_link_kind link, struct snt_error *error);

/* Stops the engine and removes the directory. */
void snt_embedded_stop(struct snt_embedded *e);

#endif
