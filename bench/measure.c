/* The loops whose time is quoted. */
#include "measure.h"

#include "wait.h"

static void keep(struct snt_verify_answer *answer, const struct snt_completion *done)
{
	memcpy(answer->signature, done->signature, sizeof answer->signature);
	answer->status = (uint8_t)done->status;
	answer->recovery_id = done->recovery_id;
}

/* What a program without the engine would do: sign and serialise. */
static void sign_here(const struct snt_target *target, const uint8_t digest[32], struct snt_completion *done)
{
	secp256k1_ecdsa_signature signature;

	done->status = SNT_SIGN_FAILED;
	done->recovery_id = 0;
	if (secp256k1_ecdsa_sign(target->context, &signature, digest, target->secret, NULL, NULL) &&
	    secp256k1_ecdsa_signature_serialize_compact(target->context, done->signature, &signature))
		done->status = SNT_OK;
}

/* Sends one request and waits for its answer. */
static inline int exchange(const struct snt_target *target, const uint8_t digest[32], struct snt_completion *done)
{
	struct snt_waiter waiter = {0};
	int rc = 0;

	if (snt_submit(target->session, target->key, target->op, digest, 0, 0) != SNT_OK)
		return -ECONNRESET;
	while (rc == 0 && snt_poll(target->session, done, 1) == 0)
		rc = snt_wait_turn(&waiter);
	return rc;
}

int snt_measure_closed(const struct snt_target *target, struct snt_block *block)
{
	uint64_t start = snt_ticks();

	for (uint32_t i = 0; i < block->count; i++) {
		struct snt_completion done;
		uint8_t digest[32];
		uint64_t began;
		int rc = 0;

		snt_verify_digest(digest, block->first + i);
		/* keep() stores to memory that is in no cache; those stores leave the processor in order, so the request's
		 * stamp would queue behind them and the archive's cost be charged to the ring. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		began = snt_ticks();
		if (target->session == NULL)
			sign_here(target, digest, &done);
		else
			rc = exchange(target, digest, &done);
		block->latency_ticks[i] = snt_ticks() - began;
		if (rc == 0 && snt_wait_stopped() != 0)
			rc = -EINTR;
		if (rc != 0)
			return rc;
		keep(&block->answers[i], &done);
	}
	block->elapsed_ticks = snt_ticks() - start;
	return 0;
}

/* One at a time in a single thread, but each timed from the moment it was due. */
static int open_here(const struct snt_target *target, struct snt_block *block, double interval_ticks)
{
	uint64_t start = snt_ticks();

	for (uint32_t i = 0; i < block->count; i++) {
		uint64_t due = start + (uint64_t)(i * interval_ticks);
		struct snt_completion done;
		uint8_t digest[32];

		snt_verify_digest(digest, block->first + i);
		while ((int64_t)(snt_ticks() - due) < 0)
			if (snt_wait_stopped() != 0)
				return -EINTR;
		sign_here(target, digest, &done);
		block->latency_ticks[i] = snt_ticks() - due;
		keep(&block->answers[i], &done);
	}
	block->elapsed_ticks = snt_ticks() - start;
	return 0;
}

int snt_measure_open(const struct snt_target *target, struct snt_block *block, double rate, uint64_t ticks_per_s)
{
	double interval_ticks = (double)ticks_per_s / rate;
	struct snt_waiter waiter = {0};
	uint32_t sent = 0, back = 0;
	uint8_t digest[32];
	uint64_t start;

	if (target->session == NULL)
		return open_here(target, block, interval_ticks);
	snt_verify_digest(digest, block->first);
	start = snt_ticks();
	while (back < block->count) {
		struct snt_completion done;
		int rc;

		if (sent < block->count && snt_ticks() - start >= (uint64_t)(sent * interval_ticks)) {
			enum snt_status status = snt_submit(target->session, target->key, target->op, digest, 0, sent);

			if (status == SNT_UNAVAILABLE)
				return -ECONNRESET;
			/* a full ring delays the request; its clock runs on */
			if (status == SNT_OK && ++sent < block->count)
				snt_verify_digest(digest, block->first + sent);
		}
		if (snt_poll(target->session, &done, 1) != 0) {
			block->latency_ticks[done.tag] =
				snt_ticks() - start - (uint64_t)((double)done.tag * interval_ticks);
			keep(&block->answers[done.tag], &done);
			back++;
			waiter = (struct snt_waiter){0};
			continue;
		}
		if (sent == back) /* nothing is due from the engine: only the clock is waited for */
			waiter.since_s = 0;
		rc = snt_wait_turn(&waiter);
		if (rc != 0)
			return rc;
	}
	block->elapsed_ticks = snt_ticks() - start;
	return 0;
}

int snt_measure_flood(const struct snt_target *target, struct snt_block *block)
{
	struct snt_session *s = target->session;
	struct snt_waiter waiter = {0};
	uint32_t sent = 0, back = 0;
	uint64_t start = snt_ticks();

	if (s == NULL)
		return snt_measure_closed(target, block);
	while (back < block->count) {
		struct snt_completion done[16];
		unsigned n;
		int rc;

		/* a few sendings between two readings keep both rings moving */
		for (int k = 0; k < 16 && sent < block->count && snt_in_flight(s) < SNT_FLOOD_WINDOW; k++) {
			uint8_t digest[32];

			snt_verify_digest(digest, block->first + sent);
			if (snt_submit(s, target->key, target->op, digest, 0, sent) != SNT_OK)
				break;
			sent++;
		}
		n = snt_poll(s, done, 16);
		for (unsigned k = 0; k < n; k++)
			keep(&block->answers[done[k].tag], &done[k]);
		back += n;
		if (n != 0) {
			waiter = (struct snt_waiter){0};
			continue;
		}
		if (s->engine_gone)
			return -ECONNRESET;
		rc = snt_wait_turn(&waiter);
		if (rc != 0)
			return rc;
	}
	block->elapsed_ticks = snt_ticks() - start;
	return 0;
}
