/* Brings an engine up inside this process, from a configuration file like any other, and takes it down. */
#define _GNU_SOURCE
#include "embedded.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/keydir.h"

/* Writes a new file that only this user can read. */
static int write_file(int dir, const char *name, const void *bytes, size_t length)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, bytes, length) != (ssize_t)length)
		rc = errno != 0 ? -errno : -EIO;
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

/* Seals a key that nobody has seen; it is worth nothing, and is still treated as if it were. */
static int make_key(const struct snt_embedded *e, int dir, struct snt_error *error)
{
	uint8_t seal[SNT_SEAL_KEY_BYTES], secret[SNT_SECRET_KEY_BYTES];
	char keys[80];
	int rc;

	(void)snprintf(keys, sizeof keys, "%s/keys", e->dir);
	if (getrandom(seal, sizeof seal, 0) != (ssize_t)sizeof seal ||
	    getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret)
		return snt_fail(error, -EIO, "the kernel gave no random bytes");
	secret[0] &= 0x7f; /* below the curve's order */
	rc = mkdirat(dir, "keys", 0700) != 0 ? -errno : write_file(dir, "seal-key", seal, sizeof seal);
	if (rc != 0)
		(void)snt_fail(error, rc, "%s: %s", e->dir, strerror(-rc));
	else
		rc = snt_keydir_store(keys, SNT_EMBEDDED_KEY, secret, seal, NULL, error);
	explicit_bzero(secret, sizeof secret);
	explicit_bzero(seal, sizeof seal);
	return rc;
}

static int make_config(struct snt_embedded *e, int dir, enum snt_link_kind link, struct snt_error *error)
{
	char text[1024], path[96], lane[96];
	int length, rc;

	if (link == SNT_LINK_UNIX)
		(void)snprintf(lane, sizeof lane, "unix:%s/worker.sock", e->dir);
	else
		(void)snprintf(lane, sizeof lane, "direct");
	length = snprintf(text, sizeof text,
			  "[engine]\nsocket=%s\nkey_dir=%s/keys\nseal_key=%s/seal-key\nsessions=4\n"
			  "[lane 0]\nlink=%s\n[key " SNT_EMBEDDED_KEY "]\nuid=%u\n",
			  e->socket, e->dir, e->dir, lane, (unsigned)geteuid());
	rc = write_file(dir, "sentinel.conf", text, (size_t)length);
	if (rc != 0)
		return snt_fail(error, rc, "%s/sentinel.conf: %s", e->dir, strerror(-rc));
	(void)snprintf(path, sizeof path, "%s/sentinel.conf", e->dir);
	return snt_config_read(&e->config, path, error);
}

/* Empties a directory of ours and removes it; one level of subdirectories. */
static void remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char below[512];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		(void)snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
		if (unlink(below) != 0 && errno == EISDIR)
			remove_dir(below);
	}
	if (dir != NULL)
		(void)closedir(dir);
	(void)rmdir(path);
}

/* What the engine chose is in the welcome that each session gets; ringbench reports that. */
static void ignore_line(void *context, const char *line)
{
	(void)context;
	(void)line;
}

static void *control_thread(void *argument)
{
	struct snt_embedded *e = argument;

	e->rc = snt_engine_create(&e->engine, &e->config, ignore_line, NULL, &e->error);
	(void)sem_post(&e->started);
	if (e->rc == 0) {
		(void)snt_engine_run(e->engine);
		snt_engine_destroy(e->engine);
	}
	return NULL;
}

static int start_engine(struct snt_embedded *e, struct snt_error *error)
{
	int rc;

	if (sem_init(&e->started, 0, 0) != 0)
		return snt_fail(error, -errno, "no semaphore: %s", strerror(errno));
	rc = -pthread_create(&e->thread, NULL, control_thread, e);
	if (rc != 0) {
		(void)sem_destroy(&e->started);
		return snt_fail(error, rc, "no thread for the engine: %s", strerror(-rc));
	}
	while (sem_wait(&e->started) != 0)
		;
	if (e->rc != 0) {
		(void)pthread_join(e->thread, NULL);
		(void)sem_destroy(&e->started);
		*error = e->error;
	}
	return e->rc;
}

int snt_embedded_start(struct snt_embedded *e, enum snt_link_kind link, struct snt_error *error)
{
	const char *tmp = getenv("TMPDIR");
	int dir = -1, rc = 0;

	memset(e, 0, sizeof *e);
	if (tmp == NULL || tmp[0] != '/')
		tmp = "/tmp";
	if (snprintf(e->dir, sizeof e->dir, "%s/ringbench-XXXXXX", tmp) >= (int)sizeof e->dir)
		return snt_fail(error, -ENAMETOOLONG, "TMPDIR is too long a path for a socket; set TMPDIR=/tmp");
	if (mkdtemp(e->dir) == NULL)
		return snt_fail(error, -errno, "%s: no directory can be made there: %s; set TMPDIR", tmp,
				strerror(errno));
	(void)snprintf(e->socket, sizeof e->socket, "%s/sentinel.sock", e->dir);
	dir = open(e->dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (dir < 0)
		rc = snt_fail(error, -errno, "%s: %s", e->dir, strerror(errno));
	if (rc == 0)
		rc = make_key(e, dir, error);
	if (rc == 0)
		rc = make_config(e, dir, link, error);
	if (dir >= 0)
		(void)close(dir);
	if (rc == 0)
		rc = start_engine(e, error);
	if (rc != 0)
		remove_dir(e->dir);
	return rc;
}

void snt_embedded_stop(struct snt_embedded *e)
{
	snt_engine_stop(e->engine);
	(void)pthread_join(e->thread, NULL);
	(void)sem_destroy(&e->started);
	remove_dir(e->dir);
}
