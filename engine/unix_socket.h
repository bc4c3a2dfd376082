/* UNIX sockets that one process at a time may listen on. */
#ifndef SNT_UNIX_SOCKET_H
#define SNT_UNIX_SOCKET_H

#include <sys/types.h>

#include "error.h"

struct snt_listener {
	int fd;      /* listening, non-blocking, close-on-exec; -1 when closed */
	int lock_fd; /* holds PATH.lock for as long as the listener lives */
	char path[108];
};

/* Listens on `path` with `type` (SOCK_SEQPACKET or SOCK_STREAM) and file mode `mode`. PATH.lock is locked first, so a
 * socket file that a killed process left is replaced and a living one's never is. 0, or -errno with a sentence:
 * -EADDRINUSE (another process serves it), -EACCES, -ENOENT, -EROFS and the like (the path). */
int snt_listener_open(struct snt_listener *listener, const char *path, int type, mode_t mode, struct snt_error *error);

/* Closes and removes the socket, not PATH.lock; harmless when closed. */
void snt_listener_close(struct snt_listener *listener);

/* Connects a stream socket to `path`, close-on-exec. The descriptor, or -errno; waits a second at most. */
int snt_unix_connect(const char *path);

#endif
