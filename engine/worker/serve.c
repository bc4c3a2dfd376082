/* Signs what comes in over a link. */
#include "serve.h"

#include <poll.h>
#include <sched.h>
#include <string.h>

#include "../request.h"

/* An answer waits for at most this many others before it is sent, so that the first of a batch is not held back by the
 * arithmetic of the last. Empty rounds after which a worker that may not spin stops yielding its core and sleeps. */
enum { ANSWERS_PER_SEND = 4, ROUNDS_BEFORE_SLEEP = 4096, SLEEP_MS = 100 };

/* Answers what has arrived. False when the parent broke a rule or went away. */
static bool answer_all(struct snt_stream *stream, struct snt_signer *signer, uint64_t *served)
{
	const struct snt_request *arrived;
	unsigned unsent = 0;

	while ((arrived = snt_stream_next(stream, sizeof *arrived)) != NULL) {
		struct snt_request request = *arrived;
		struct snt_response *response = snt_stream_queue(stream, sizeof *response);

		/* Its answers have nowhere to go: the parent does not take them, or keeps more in flight than agreed. */
		if (response == NULL || request.stamp != *served + 1)
			return false;
		/* Asked again, because the request may have waited behind a window of others; the ticks are this host's. */
		if (snt_request_expired(&request))
			snt_response_refuse(response, &request, SNT_EXPIRED);
		else
			snt_signer_sign(signer, &request, response);
		response->stamp = ++*served;
		if (++unsent == ANSWERS_PER_SEND) {
			if (snt_stream_send(stream) < 0)
				return false;
			unsent = 0;
		}
	}
	return true;
}

static void idle(const struct snt_stream *stream, bool yields, unsigned *rounds)
{
	/* Answers that the socket did not take yet are due as soon as it does. */
	struct pollfd wait = {.fd = stream->fd, .events = POLLIN};

	if (stream->out_begin != stream->out_end)
		wait.events = POLLIN | POLLOUT;
	if (!yields)
		snt_pause();
	else if (++*rounds < ROUNDS_BEFORE_SLEEP)
		(void)sched_yield();
	else
		(void)poll(&wait, 1, SLEEP_MS);
}

void snt_serve(struct snt_stream *stream, struct snt_signer *signer, bool yields, const volatile sig_atomic_t *stop)
{
	uint64_t served = 0;
	unsigned rounds = 0;

	while (!*stop) {
		int received = snt_stream_receive(stream);

		if (received < 0 || !answer_all(stream, signer, &served) || snt_stream_send(stream) < 0)
			return;
		if (received > 0)
			rounds = 0;
		else
			idle(stream, yields, &rounds);
	}
}
