/* A stream socket that carries records: what is there is sent, what arrives is cast. Both ends use it.
 *
 * Driver `poll`: non-blocking send(2) and recv(2) in the caller's spin loop. One thread. Records keep their order; one
 * that arrives in pieces is put together in the buffer it was received into, without being moved. */
#ifndef SNT_STREAM_H
#define SNT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sentinel_abi.h"

/* Requests that may be on one link unanswered. It bounds the bytes in flight each way (4 KiB and 8 KiB), so neither
 * end's socket buffer can fill while the other's is full too, and how long one session's requests can keep another's
 * waiting in the worker. */
enum { SNT_LINK_WINDOW = 64 };

enum { SNT_STREAM_BUFFER = SNT_LINK_WINDOW * (int)sizeof(struct snt_response) };

struct snt_stream {
	int fd; /* -1 when closed */
	size_t in_begin, in_end;
	size_t out_begin, out_end;
	_Alignas(64) uint8_t in[SNT_STREAM_BUFFER];
	_Alignas(64) uint8_t out[SNT_STREAM_BUFFER];
};

/* Takes over `fd` with empty buffers; it may be a blocking one, as it is used with MSG_DONTWAIT. */
void snt_stream_init(struct snt_stream *stream, int fd);

/* Closes the descriptor; harmless when closed. */
void snt_stream_fini(struct snt_stream *stream);

/* Room for one record of `bytes` bytes (a multiple of 64) at the end of what will be sent; NULL when the buffer is
 * full. It counts as queued at once: fill it before the next snt_stream_send(). */
void *snt_stream_queue(struct snt_stream *stream, size_t bytes);

/* Sends what is queued, as far as the socket takes it. 0 (also when nothing was queued or the socket is full), or
 * -errno when the connection is lost. */
int snt_stream_send(struct snt_stream *stream);

/* Receives what is there. Bytes received, 0 when nothing was, or -errno when the connection is lost (-ECONNRESET at its
 * end). */
int snt_stream_receive(struct snt_stream *stream);

/* The next whole record of `bytes` bytes, valid until the next snt_stream_receive(); NULL when none is whole yet. */
const void *snt_stream_next(struct snt_stream *stream, size_t bytes);

#endif
