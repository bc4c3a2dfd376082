/* The worker's loop: requests from a link, each signed and answered in order. */
#ifndef SNT_SERVE_H
#define SNT_SERVE_H

#include <signal.h>
#include <stdbool.h>

#include "../link/stream.h"
#include "signer.h"

/* Serves one greeted connection until its end, a broken rule (a request out of order, an answer the parent does not
 * take), or `*stop`. Spins, or yields when `yields`. One thread. `stream` was initialised with the connection. */
void snt_serve(struct snt_stream *stream, struct snt_signer *signer, bool yields, const volatile sig_atomic_t *stop);

#endif
