/* Binds, guards and connects UNIX sockets. */
#define _GNU_SOURCE
#include "unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int fill_address(struct sockaddr_un *address, const char *path)
{
	if (strlen(path) >= sizeof address->sun_path)
		return -ENAMETOOLONG;
	memset(address, 0, sizeof *address);
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, strlen(path) + 1);
	return 0;
}

static int take_lock(const char *path, int *lock_fd, struct snt_error *error)
{
	char name[128];
	int fd;

	(void)snprintf(name, sizeof name, "%s.lock", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return snt_fail(error, -errno, "cannot create %s: %s; make its directory writable or set another path", name,
				strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int rc = -errno;

		(void)close(fd);
		if (rc == -EWOULDBLOCK)
			return snt_fail(error, -EADDRINUSE,
					"another process already serves %s (it holds %s): stop it, or set another path", path,
					name);
		return snt_fail(error, rc, "cannot lock %s: %s", name, strerror(-rc));
	}
	*lock_fd = fd;
	return 0;
}

int snt_listener_open(struct snt_listener *listener, const char *path, int type, mode_t mode, struct snt_error *error)
{
	struct sockaddr_un address;
	struct stat st;
	int lock_fd = -1, fd, rc;

	if (fill_address(&address, path) < 0)
		return snt_fail(error, -ENAMETOOLONG, "socket path %s is too long: 107 characters at most", path);
	rc = take_lock(path, &lock_fd, error);
	if (rc < 0)
		return rc;
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
		(void)close(lock_fd);
		return snt_fail(error, -EEXIST, "%s exists and is no socket: remove it or set another path", path);
	}
	(void)unlink(path);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 || chmod(path, mode) < 0 ||
	    listen(fd, 128) < 0) {
		rc = snt_fail(error, -errno, "cannot listen on %s: %s", path, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		(void)close(lock_fd);
		return rc;
	}
	listener->fd = fd;
	listener->lock_fd = lock_fd;
	memcpy(listener->path, address.sun_path, sizeof listener->path);
	return 0;
}

void snt_listener_close(struct snt_listener *listener)
{
	if (listener->fd < 0)
		return;
	(void)unlink(listener->path);
	/* The lock file stays: a process that has it open already must meet the next one on the same inode. */
	(void)close(listener->fd);
	(void)close(listener->lock_fd);
	listener->fd = listener->lock_fd = -1;
}

int snt_unix_connect(const char *path)
{
	struct sockaddr_un address;
	struct timeval second = {1, 0};
	int rc = fill_address(&address, path);
	int fd;

	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second); /* bounds connect() when the backlog is full */
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
		rc = -errno;
		(void)close(fd);
		return rc;
	}
	return fd;
}
