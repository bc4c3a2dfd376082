/* The engine: control socket, lanes, and the workers behind them. What sentineld runs and ringbench embeds. */
#ifndef SNT_ENGINE_H
#define SNT_ENGINE_H

#include "../config.h"

struct snt_engine;

/* Receives one finished line about what the engine chose or what befell it; called from the control thread only. */
typedef void snt_log_fn(void *context, const char *line);

/* Binds the socket, loads keys or starts workers, and starts the lanes; returns when the first client can be served.
 * 0, or -errno with a sentence: -EADDRINUSE (another engine has the socket), -EADDRNOTAVAIL (its path), -EKEYREJECTED
 * (a key or the seal key), -ETIMEDOUT (a worker did not come up). `config` is copied. */
int snt_engine_create(struct snt_engine **engine, const struct snt_config *config, snt_log_fn *log, void *log_context,
		      struct snt_error *error);

/* Serves the control socket and supervises workers until snt_engine_stop(). Call from one thread: the control thread,
 * which should have created the engine. 0 or -errno. */
int snt_engine_run(struct snt_engine *engine);

/* Makes snt_engine_run() return. Any thread, or a signal handler. */
void snt_engine_stop(struct snt_engine *engine);

/* Ends lanes and workers, wipes keys, removes the socket; NULL is fine. Not while snt_engine_run() runs. */
void snt_engine_destroy(struct snt_engine *engine);

#endif
