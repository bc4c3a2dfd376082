/* Alternates floor and row blocks, verifies every answer, and collects what the report prints. */
#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "affinity.h"
#include "floor.h"
#include "measure.h"
#include "wait.h"

const double snt_quantiles[SNT_QUANTILES] = {50, 90, 99, 99.9, 99.99, 100};

/* Not timed: the first requests of a session wake the lane and warm both sides' caches. */
enum { WARMUP = 128, DOZE_MS = 5 };

static const struct {
	const char *name, *nonce;
	enum snt_op op;
} kinds[SNT_ROW_COUNT] = {
	[SNT_ROW_FLOOR] = {"floor", "none", 0},
	[SNT_ROW_ECHO] = {"echo", "none", SNT_OP_ECHO},
	[SNT_ROW_ECDSA] = {"ecdsa", "rfc6979", SNT_OP_ECDSA},
	[SNT_ROW_RECOVERABLE] = {"ecdsa-recoverable", "rfc6979", SNT_OP_ECDSA_RECOVERABLE},
	[SNT_ROW_SCHNORR] = {"schnorr", "bip340", SNT_OP_SCHNORR},
	[SNT_ROW_INPROCESS] = {"inprocess", "rfc6979", SNT_OP_ECDSA},
};

/* All that a run needs and the report does not. */
struct run {
	const struct snt_rows_options *options;
	struct snt_host *host;
	struct snt_rows *rows;
	struct snt_error *error;
	struct snt_verify engine_key, own_key;
	secp256k1_context *signing;
	uint8_t secret[32];
	uint64_t *ticks;
	struct snt_verify_answer *answers;
	struct snt_histogram block;
	uint64_t next_number;
	uint32_t key_ops; /* what the key may be used for */
	uint32_t blocks_done, blocks_total;
};

int snt_row_find(const char *name)
{
	for (int i = 0; i < SNT_ROW_COUNT; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return i;
	return -1;
}

const char *snt_row_name(unsigned row)
{
	return kinds[row].name;
}

static void draw_progress(const struct run *r)
{
	enum { WIDTH = 40 };
	unsigned full = WIDTH * r->blocks_done / r->blocks_total;

	if (!r->options->progress)
		return;
	(void)fprintf(stderr, "\r[%.*s%*s] %3u %%", (int)full, "########################################",
		      (int)(WIDTH - full), "", 100 * r->blocks_done / r->blocks_total);
	if (r->blocks_done == r->blocks_total)
		(void)fprintf(stderr, "\r%*s\r", WIDTH + 8, "");
	(void)fflush(stderr);
}

static int init_row(struct snt_row *row, unsigned id, uint32_t blocks)
{
	row->name = kinds[id].name;
	row->nonce = kinds[id].nonce;
	row->link = "none";
	row->per_s = calloc(blocks, sizeof(double));
	row->times_floor = calloc(blocks, sizeof(double));
	if (row->per_s == NULL || row->times_floor == NULL)
		return -ENOMEM;
	for (unsigned q = 0; q < SNT_QUANTILES; q++) {
		row->quantile_ns[q] = calloc(blocks, sizeof(double));
		if (row->quantile_ns[q] == NULL)
			return -ENOMEM;
	}
	return snt_histogram_init(&row->all, SNT_HISTOGRAM_HOUR_NS);
}

void snt_rows_fini(struct snt_rows *rows)
{
	for (unsigned i = 0; i < SNT_ROW_COUNT; i++) {
		struct snt_row *row = &rows->row[i];

		snt_histogram_fini(&row->all);
		for (unsigned q = 0; q < SNT_QUANTILES; q++)
			free(row->quantile_ns[q]);
		free(row->per_s);
		free(row->times_floor);
	}
	memset(rows, 0, sizeof *rows);
}

/* Adds a block's ticks to its row; the conversion to nanoseconds is here, outside every loop that is timed. */
static void add_block(struct run *r, struct snt_row *row, const uint64_t *ticks, uint32_t count)
{
	snt_histogram_reset(&r->block);
	for (uint32_t i = 0; i < count; i++)
		snt_histogram_record(&r->block, snt_host_ns(r->host, ticks[i]));
	for (unsigned q = 0; q < SNT_QUANTILES; q++)
		row->quantile_ns[q][row->blocks] = (double)snt_histogram_percentile(&r->block, snt_quantiles[q]);
	snt_histogram_merge(&row->all, &r->block);
	row->timed += count;
	row->blocks++;
}

/* The floor just before a row's block: its p50 in *p50_ns, 0 when there is no floor here. */
static int floor_block(struct run *r, double *p50_ns)
{
	struct snt_row *row = &r->rows->row[SNT_ROW_FLOOR];
	uint32_t count = r->options->count;
	uint64_t sum = 0;
	int rc;

	*p50_ns = 0;
	if (row->unmeasured != NULL)
		return 0;
	rc = snt_floor_measure(r->ticks, count, WARMUP, r->host->lane_cpu);
	if (rc != 0)
		return snt_fail(r->error, rc, "the floor on processor %d: %s", r->host->lane_cpu, strerror(-rc));
	for (uint32_t i = 0; i < count; i++)
		sum += r->ticks[i];
	row->per_s[row->blocks] = (double)count / ((double)sum / (double)r->host->ticks_per_s);
	row->times_floor[row->blocks] = 1;
	add_block(r, row, r->ticks, count);
	row->count += count + WARMUP;
	row->verified += count + WARMUP;
	*p50_ns = row->quantile_ns[0][row->blocks - 1];
	return 0;
}

static int verify_block(struct run *r, struct snt_row *row, enum snt_op op, const struct snt_block *block)
{
	const struct snt_verify *key = row == &r->rows->row[SNT_ROW_INPROCESS] ? &r->own_key : &r->engine_key;

	row->count += block->count;
	for (uint32_t i = 0; i < block->count; i++) {
		uint8_t digest[32];
		const char *wrong;

		snt_verify_digest(digest, block->first + i);
		wrong = snt_verify_check(key, op, digest, &block->answers[i]);
		if (wrong != NULL)
			return snt_fail(r->error, block->answers[i].status == SNT_UNAVAILABLE ? -ECONNRESET : -EBADMSG,
					"%s: answer %u of a block of %u is wrong: %s", row->name, i, block->count,
					wrong);
		row->verified++;
		if ((i & 255) == 0 && snt_wait_stopped() != 0)
			return snt_fail(r->error, -EINTR, "interrupted");
	}
	return 0;
}

static int fail_block(struct run *r, const struct snt_row *row, int rc)
{
	if (rc == -ECONNRESET)
		return snt_fail(r->error, rc, "%s: the engine went away during the measurement", row->name);
	if (rc == -ETIMEDOUT)
		return snt_fail(r->error, rc, "%s: no answer for 10 s; is the engine's lane running?", row->name);
	return snt_fail(r->error, rc, "%s: %s", row->name, strerror(-rc));
}

/* Opens a session for one block. A lane without a session sleeps, so between blocks its core is the floor's. */
static int open_session(struct run *r, struct snt_session *s, struct snt_key *key)
{
	int rc = snt_open(s, r->options->socket, 0);

	if (rc == -EACCES)
		return snt_fail(r->error, rc, "%s: the engine refuses this user; allow it in a key's uid= or gid=",
				r->options->socket);
	if (rc == -EPROTONOSUPPORT)
		return snt_fail(r->error, rc, "%s: the engine speaks another ABI version; use its release's ringbench",
				r->options->socket);
	if (rc == -EUSERS)
		return snt_fail(r->error, rc,
				"%s: the engine has no free session; raise sessions=", r->options->socket);
	if (rc != 0)
		return snt_fail(r->error, rc, "%s: %s; is sentineld running there?", r->options->socket, strerror(-rc));
	rc = snt_key_find(s, r->options->key, key);
	if (rc != 0) {
		snt_close(s);
		return snt_fail(r->error, rc,
				rc == -ENOENT   ? "the engine has no key \"%s\"; sentinel keys lists them"
				: rc == -EACCES ? "this user may not use key \"%s\"; see its uid= and gid="
						: "key \"%s\": the engine did not answer",
				r->options->key);
	}
	return 0;
}

/* Throughput needs fewer requests than a tail does, and each signature costs its verification. */
static uint32_t flood_count(const struct run *r, unsigned id)
{
	uint32_t count = id == SNT_ROW_ECHO ? r->options->count : r->options->count / 4;

	if (r->options->rate > 0 || id == SNT_ROW_INPROCESS)
		return 0;
	return count > 0 ? count : 1;
}

static int row_block(struct run *r, unsigned id)
{
	struct snt_row *row = &r->rows->row[id];
	struct snt_session session = {.fd = -1};
	struct snt_target target = {.op = kinds[id].op, .context = r->signing, .secret = r->secret};
	struct snt_block warm = {r->next_number, WARMUP, r->ticks, r->answers, 0};
	struct snt_block timed = {warm.first + WARMUP, r->options->count, r->ticks, r->answers + WARMUP, 0};
	struct snt_block flood = {timed.first + timed.count, flood_count(r, id), r->ticks, timed.answers + timed.count,
				  0};
	struct timespec doze = {0, DOZE_MS * 1000000};
	const struct snt_block *rate_of = &timed;
	struct snt_key key = {0};
	double floor_ns;
	int rc = floor_block(r, &floor_ns);

	if (rc != 0)
		return rc;
	if (id != SNT_ROW_INPROCESS) {
		rc = open_session(r, &session, &key);
		if (rc != 0)
			return rc;
		target.session = &session;
		target.key = kinds[id].op == SNT_OP_ECHO ? 0 : key.id;
	}
	rc = snt_measure_closed(&target, &warm);
	if (rc == 0)
		rc = r->options->rate > 0 ? snt_measure_open(&target, &timed, r->options->rate, r->host->ticks_per_s)
					  : snt_measure_closed(&target, &timed);
	if (rc == 0 && flood.count != 0) {
		rc = snt_measure_flood(&target, &flood);
		rate_of = &flood;
	}
	if (target.session != NULL) {
		snt_close(&session);
		(void)nanosleep(&doze, NULL);
	}
	if (rc != 0)
		return fail_block(r, row, rc);
	row->per_s[row->blocks] = rate_of->count / ((double)rate_of->elapsed_ticks / (double)r->host->ticks_per_s);
	add_block(r, row, timed.latency_ticks, timed.count);
	row->times_floor[row->blocks - 1] = floor_ns > 0 ? row->quantile_ns[0][row->blocks - 1] / floor_ns : 0;
	r->next_number = flood.first + flood.count;
	rc = verify_block(r, row, kinds[id].op, &warm);
	if (rc == 0)
		rc = verify_block(r, row, kinds[id].op, &timed);
	if (rc == 0)
		rc = verify_block(r, row, kinds[id].op, &flood);
	return rc;
}

/* A key of our own for the row that signs here: the engine's never leaves it. */
static int init_own_key(struct run *r)
{
	secp256k1_pubkey pubkey;
	uint8_t bytes[SNT_PUBKEY_SIZE];
	size_t length = sizeof bytes;

	r->signing = secp256k1_context_create(SECP256K1_CONTEXT_SIGN);
	if (r->signing == NULL)
		return snt_fail(r->error, -ENOMEM, "out of memory for libsecp256k1");
	do
		if (getrandom(r->secret, sizeof r->secret, 0) != (ssize_t)sizeof r->secret)
			return snt_fail(r->error, -EIO, "the kernel gave no random bytes");
	while (!secp256k1_ec_pubkey_create(r->signing, &pubkey, r->secret));
	(void)secp256k1_ec_pubkey_serialize(r->signing, bytes, &length, &pubkey, SECP256K1_EC_COMPRESSED);
	if (snt_verify_init(&r->own_key, bytes) != 0)
		return snt_fail(r->error, -EINVAL, "libsecp256k1 refuses the key it made");
	return 0;
}

/* Learns from a first session where the lane runs, and takes a core beside it. */
static int look_round(struct run *r)
{
	struct snt_session session;
	struct snt_row *floor = &r->rows->row[SNT_ROW_FLOOR];
	struct snt_key key;
	int lane_cpu, client_cpu, rc, own;

	rc = open_session(r, &session, &key);
	if (rc != 0)
		return rc;
	r->key_ops = key.ops;
	r->host->page_bytes = session.page_bytes;
	r->host->link = session.engine.link == SNT_LINK_UNIX ? "unix" : "direct";
	lane_cpu = session.engine.lane_cpu == UINT32_MAX ? -1 : (int)session.engine.lane_cpu;
	snt_close(&session);
	rc = snt_verify_init(&r->engine_key, key.pubkey);
	if (rc != 0)
		return snt_fail(r->error, rc, "key \"%s\": the engine's public key is no point of the curve",
				r->options->key);
	own = snt_cores_choose(&client_cpu, 1, &lane_cpu, lane_cpu >= 0 ? 1 : 0);
	if (own < 0)
		return snt_fail(r->error, own, "the processors cannot be read: %s", strerror(-own));
	if (client_cpu < 0)
		client_cpu = lane_cpu >= 0 ? lane_cpu : 0;
	rc = snt_pin_self(client_cpu);
	if (rc != 0)
		return snt_fail(r->error, rc, "the client cannot be pinned to processor %d: %s", client_cpu,
				strerror(-rc));
	snt_host_place(r->host, client_cpu, lane_cpu);
	/* a lane that is not pinned may be on any core, this one too */
	snt_wait_set_yielding(own < 1 || client_cpu == lane_cpu || (lane_cpu < 0 && r->host->cores_usable < 2));
	if (lane_cpu < 0)
		floor->unmeasured = "the engine's lane is not pinned, so there is no core to measure to";
	else if (client_cpu == lane_cpu)
		floor->unmeasured = "client and lane share a core, so no line travels";
	return 0;
}

/* Which of the wanted rows this key and this engine allow. */
static void choose_rows(struct run *r)
{
	for (unsigned i = SNT_ROW_ECHO; i < SNT_ROW_COUNT; i++) {
		struct snt_row *row = &r->rows->row[i];

		if ((r->options->only & (1u << i)) == 0)
			row->unmeasured = "not asked for";
		else if (i != SNT_ROW_INPROCESS && i != SNT_ROW_ECHO && (r->key_ops & (1u << kinds[i].op)) == 0)
			row->unmeasured = "the key may not be used for it";
		else
			r->blocks_total += r->options->rounds;
		if (i != SNT_ROW_INPROCESS)
			row->link = r->host->link;
	}
}

static int prepare(struct run *r)
{
	uint32_t answers = WARMUP + 2 * r->options->count;
	int rc = 0;

	for (unsigned i = 0; i < SNT_ROW_COUNT && rc == 0; i++)
		rc = init_row(&r->rows->row[i], i, r->options->rounds * (i == SNT_ROW_FLOOR ? SNT_ROW_COUNT : 1));
	r->ticks = calloc(r->options->count + WARMUP, sizeof *r->ticks);
	r->answers = calloc(answers, sizeof *r->answers);
	if (rc == 0 && (r->ticks == NULL || r->answers == NULL))
		rc = -ENOMEM;
	if (rc == 0)
		rc = snt_histogram_init(&r->block, SNT_HISTOGRAM_HOUR_NS);
	if (rc != 0)
		return snt_fail(r->error, rc, "out of memory; lower --count or --rounds");
	/* present before the first block writes to it */
	memset(r->ticks, 1, (r->options->count + WARMUP) * sizeof *r->ticks);
	memset(r->answers, 1, answers * sizeof *r->answers);
	rc = look_round(r);
	if (rc == 0)
		rc = init_own_key(r);
	if (rc == 0)
		choose_rows(r);
	return rc;
}

int snt_rows_measure(struct snt_rows *rows, const struct snt_rows_options *options, struct snt_host *host,
		     struct snt_error *error)
{
	struct timespec doze = {0, DOZE_MS * 1000000};
	struct run r = {.options = options, .host = host, .rows = rows, .error = error};
	int rc;

	memset(rows, 0, sizeof *rows);
	rc = prepare(&r);
	(void)nanosleep(&doze, NULL);
	for (uint32_t round = 0; round < options->rounds && rc == 0; round++)
		for (unsigned i = SNT_ROW_ECHO; i < SNT_ROW_COUNT && rc == 0; i++) {
			if (rows->row[i].unmeasured != NULL)
				continue;
			draw_progress(&r);
			rc = row_block(&r, i);
			r.blocks_done++;
		}
	if (rc == 0)
		draw_progress(&r);
	else if (options->progress && r.blocks_done != 0)
		(void)fprintf(stderr, "\n");
	snt_verify_fini(&r.engine_key);
	snt_verify_fini(&r.own_key);
	if (r.signing != NULL)
		secp256k1_context_destroy(r.signing);
	snt_histogram_fini(&r.block);
	free(r.ticks);
	free(r.answers);
	return rc;
}
