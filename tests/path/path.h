/* A real sentineld with its own directory, keys and socket, for tests of the whole path. */
#ifndef PATH_H
#define PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "sentinel.h"

/* Says what failed and ends the test with status 1; the engine is taken down on the way out. */
#define PATH_CHECK(condition, ...)                                                              \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			(void)fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);   \
			(void)fprintf(stderr, __VA_ARGS__);                                     \
			(void)fputc('\n', stderr);                                              \
			exit(1);                                                                \
		}                                                                               \
	} while (0)

enum { PATH_SKIPPED = 77 };

struct path_engine {
	char dir[32];     /* holds everything below; removed at exit */
	char socket[96];
	char config[96];
	char log[96];     /* standard error of sentineld and its workers */
	pid_t pid;        /* 0: not running */
};

/* Makes the directory with a seal key and an empty key directory. `lanes_and_keys` is the configuration from the first
 * [lane] on; each "@" in it becomes the directory. Reads the program's path from the environment variable SENTINELD. */
void path_init(struct path_engine *engine, const char *lanes_and_keys);

/* Seals a key; before path_start(). */
void path_add_key(const struct path_engine *engine, const char *name, const uint8_t secret[32]);

/* Starts sentineld and waits until it accepts sessions; fails the test after 10 s. */
void path_start(struct path_engine *engine);

/* Ends it with SIGTERM and checks that it leaves with status 0 within 10 s. */
void path_stop(struct path_engine *engine);

/* Ends it with SIGKILL. */
void path_kill(struct path_engine *engine);

/* The process id of the worker that the engine started; 0 when there is none. */
pid_t path_worker_pid(const struct path_engine *engine);

/* Waits until the engine has a worker other than `old`; fails the test after 20 s. */
pid_t path_next_worker(const struct path_engine *engine, pid_t old);

/* Stops every thread of the engine, or lets them go on; when this returns it is so. */
void path_freeze(const struct path_engine *engine);
void path_thaw(const struct path_engine *engine);

void path_nap_ms(unsigned ms);

/* Ends the test with status 1 after so many seconds: one that hangs has failed. Starts anew at each call. */
void path_time_limit(unsigned seconds);

/* A digest that tells its number: 32 bytes derived from it. */
void path_digest(uint8_t digest[32], uint64_t number);

/* Opens a session, failing the test if that fails. */
void path_open(const struct path_engine *engine, struct snt_session *session, uint32_t capacity);

/* Looks a key up, failing the test if that fails. */
struct snt_key path_key(struct snt_session *session, const char *name);

/* Two hexadecimal digits a byte; fails the test on anything else. */
void path_unhex(uint8_t *bytes, size_t count, const char *hex);

/* True when libsecp256k1 accepts the completion as a signature of `digest` by `pubkey`. */
bool path_verify(const struct snt_completion *done, const uint8_t digest[32], const uint8_t pubkey[33]);

#endif
