/* Sends and receives records over a non-blocking stream socket. */
#define _GNU_SOURCE
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void snt_stream_init(struct snt_stream *stream, int fd)
{
	stream->fd = fd;
	stream->in_begin = stream->in_end = 0;
	stream->out_begin = stream->out_end = 0;
}

void snt_stream_fini(struct snt_stream *stream)
{
	if (stream->fd >= 0)
		(void)close(stream->fd);
	stream->fd = -1;
}

void *snt_stream_queue(struct snt_stream *stream, size_t bytes)
{
	void *record;

	if (stream->out_end + bytes > sizeof stream->out) {
		if (stream->out_begin == 0)
			return NULL;
		memmove(stream->out, stream->out + stream->out_begin, stream->out_end - stream->out_begin);
		stream->out_end -= stream->out_begin;
		stream->out_begin = 0;
		if (stream->out_end + bytes > sizeof stream->out)
			return NULL;
	}
	record = stream->out + stream->out_end;
	stream->out_end += bytes;
	return record;
}

int snt_stream_send(struct snt_stream *stream)
{
	ssize_t n;

	if (stream->out_begin == stream->out_end)
		return 0;
	n = send(stream->fd, stream->out + stream->out_begin, stream->out_end - stream->out_begin,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	stream->out_begin += (size_t)n;
	if (stream->out_begin == stream->out_end)
		stream->out_begin = stream->out_end = 0;
	return 0;
}

int snt_stream_receive(struct snt_stream *stream)
{
	ssize_t n;

	if (stream->in_begin == stream->in_end) {
		stream->in_begin = stream->in_end = 0;
	} else if (stream->in_end == sizeof stream->in) {
		/* Only for a caller that leaves whole records: a split one never reaches the end, which is a multiple of
		 * every record's size. */
		memmove(stream->in, stream->in + stream->in_begin, stream->in_end - stream->in_begin);
		stream->in_end -= stream->in_begin;
		stream->in_begin = 0;
		if (stream->in_end == sizeof stream->in)
			return 0;
	}
	n = recv(stream->fd, stream->in + stream->in_end, sizeof stream->in - stream->in_end, MSG_DONTWAIT);
	if (n == 0)
		return -ECONNRESET;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	stream->in_end += (size_t)n;
	return (int)n;
}

const void *snt_stream_next(struct snt_stream *stream, size_t bytes)
{
	const void *record = stream->in + stream->in_begin;

	if (stream->in_end - stream->in_begin < bytes)
		return NULL;
	stream->in_begin += bytes;
	return record;
}
