/* ringbench: how long a signature takes through the ring, how much of that is the machine, and that every one is right.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "embedded.h"
#include "report.h"
#include "rings.h"
#include "wait.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { COUNT_DEFAULT = 10000, COUNT_MAX = 1000000, ROUNDS_DEFAULT = 9, RINGS_ROUNDS_DEFAULT = 31 };

static const char help[] =
	"usage: ringbench [--count N] [--rounds N] [--rate N] [--only ROW,...] [--link direct|unix]\n"
	"                 [--hgrm FILE] [--json FILE]\n"
	"       ringbench --connect SOCKET --key NAME [the same but --link]\n"
	"       ringbench --rings [--count N] [--rounds N] [--json FILE]\n"
	"\n"
	"Measures the way of a request to the engine and back, and verifies every answer.\n"
	"Without arguments it brings up an engine of its own and takes about 20 seconds.\n"
	"\n"
	"  --count N         timed requests a block (default 10000; with --rate at most half a second's)\n"
	"  --rounds N        blocks of each row (default 9; with --rings 31)\n"
	"  --rate N          open loop: N requests a second, each timed from when it was due\n"
	"  --only ROW,...    of echo, ecdsa, ecdsa-recoverable, schnorr, inprocess\n"
	"  --link LINK       the embedded engine's link: direct (default), or unix: a worker process\n"
	"  --connect SOCKET  measure the engine that runs at SOCKET\n"
	"  --key NAME        the key to sign with there\n"
	"  --rings           compare the ring with ck_ring and rte_ring: 64-byte messages one way\n"
	"                    (ours through snt_submit() and snt_ring_take(), room handed back once a\n"
	"                    quarter of the ring) and round trips (ours with its 128-byte answer);\n"
	"                    docs/benchmarking.md has every detail\n"
	"  --hgrm FILE       write each row's HdrHistogram percentile file: FILE-ROW.EXT, or FILE\n"
	"                    itself when --only names one row\n"
	"  --json FILE       write the results as JSON; - is standard output, instead of the table\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 measured and all verified, 1 a wrong answer or no engine, 2 usage.\n"
	"The method is in docs/benchmarking.md, the rest in ringbench(1).\n";

struct options {
	struct snt_rows_options rows;
	enum snt_link_kind link;
	bool rings, link_given;
	const char *hgrm, *json;
};

__attribute__((format(printf, 1, 2), noreturn)) static void usage(const char *format, ...)
{
	va_list arguments;

	(void)fprintf(stderr, "ringbench: ");
	va_start(arguments, format);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
	(void)fprintf(stderr, "\nringbench --help lists the options.\n");
	exit(EXIT_USAGE);
}

static uint32_t parse_number(const char *option, const char *text, uint32_t max)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' || n < 1 || n > max)
		usage("%s \"%s\": write a whole number from 1 to %u", option, text, max);
	return (uint32_t)n;
}

static unsigned parse_only(char *list)
{
	unsigned only = 0;

	for (char *name = strtok(list, ","); name != NULL; name = strtok(NULL, ",")) {
		int row = snt_row_find(name);

		if (row < 0)
			usage("--only \"%s\": there is no such row; name echo, ecdsa, ecdsa-recoverable, schnorr or "
			      "inprocess",
			      name);
		only |= 1u << row;
	}
	/* the floor accompanies every other row, and is nothing by itself */
	if ((only & ~(1u << SNT_ROW_FLOOR)) == 0)
		usage("--only names no row to measure (the floor is measured beside each)");
	return only;
}

static void check(struct options *o, bool count_given, bool rounds_given)
{
	if (o->rings && (o->rows.socket != NULL || o->rows.key != NULL || o->rows.rate > 0 || o->hgrm != NULL ||
			 o->link_given || o->rows.only != (1u << SNT_ROW_COUNT) - 1))
		usage("--rings compares rings without an engine: only --count, --rounds and --json go with it");
	if ((o->rows.socket == NULL) != (o->rows.key == NULL))
		usage("--connect SOCKET and --key NAME go together: which engine, and which of its keys to sign with");
	if (o->rows.socket != NULL && o->link_given)
		usage("--link chooses the embedded engine's link; the one at %s has its own", o->rows.socket);
	if (!rounds_given && o->rings)
		o->rows.rounds = RINGS_ROUNDS_DEFAULT;
	if (!count_given && o->rows.rate > 0 && o->rows.rate / 2 < COUNT_DEFAULT)
		o->rows.count = o->rows.rate < 2 ? 1 : (uint32_t)(o->rows.rate / 2);
}

static void parse(struct options *o, int argc, char **argv)
{
	enum { COUNT = 1000, ROUNDS, RATE, ONLY, LINK, CONNECT, KEY, RINGS, HGRM, JSON, HELP, VERSION };
	static const struct option table[] = {
		{"count", required_argument, NULL, COUNT},
		{"rounds", required_argument, NULL, ROUNDS},
		{"rate", required_argument, NULL, RATE},
		{"only", required_argument, NULL, ONLY},
		{"link", required_argument, NULL, LINK},
		{"connect", required_argument, NULL, CONNECT},
		{"key", required_argument, NULL, KEY},
		{"rings", no_argument, NULL, RINGS},
		{"hgrm", required_argument, NULL, HGRM},
		{"json", required_argument, NULL, JSON},
		{"help", no_argument, NULL, HELP},
		{"version", no_argument, NULL, VERSION},
		{NULL, 0, NULL, 0},
	};
	bool count_given = false, rounds_given = false;
	int c;

	*o = (struct options){.link = SNT_LINK_DIRECT};
	o->rows = (struct snt_rows_options){.count = COUNT_DEFAULT,
					    .rounds = ROUNDS_DEFAULT,
					    .only = (1u << SNT_ROW_COUNT) - 1,
					    .progress = isatty(STDERR_FILENO) == 1};
	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (c) {
		case COUNT:
			o->rows.count = parse_number("--count", optarg, COUNT_MAX);
			count_given = true;
			break;
		case ROUNDS:
			o->rows.rounds = parse_number("--rounds", optarg, SNT_ROUNDS_MAX);
			rounds_given = true;
			break;
		case RATE: o->rows.rate = parse_number("--rate", optarg, 100000000); break;
		case ONLY: o->rows.only = parse_only(optarg); break;
		case LINK:
			if (strcmp(optarg, "unix") != 0 && strcmp(optarg, "direct") != 0)
				usage("--link \"%s\": write direct or unix", optarg);
			o->link = strcmp(optarg, "unix") == 0 ? SNT_LINK_UNIX : SNT_LINK_DIRECT;
			o->link_given = true;
			break;
		case CONNECT: o->rows.socket = optarg; break;
		case KEY: o->rows.key = optarg; break;
		case RINGS: o->rings = true; break;
		case HGRM: o->hgrm = optarg; break;
		case JSON: o->json = optarg; break;
		case HELP: (void)fputs(help, stdout); exit(EXIT_SUCCESS);
		case VERSION: (void)puts("ringbench " SNT_VERSION); exit(EXIT_SUCCESS);
		default: (void)fprintf(stderr, "ringbench --help lists the options.\n"); exit(EXIT_USAGE);
		}
	}
	if (optind != argc)
		usage("\"%s\": ringbench takes options only", argv[optind]);
	check(o, count_given, rounds_given);
}

static void on_signal(int number)
{
	snt_wait_stop(number);
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
}

static int report(const struct options *o, const struct snt_rows *rows, const struct snt_host *host, FILE *json,
		  struct snt_error *error)
{
	if (json != stdout)
		snt_report_table(rows, &o->rows, host, stdout);
	if (json != NULL)
		snt_report_json(rows, &o->rows, host, json);
	return o->hgrm != NULL ? snt_report_hgrm(rows, &o->rows, o->hgrm, error) : 0;
}

static int run_rows(struct options *o, struct snt_host *host, FILE *json)
{
	static struct snt_embedded embedded; /* holds a whole configuration */
	struct snt_error error = {""};
	struct snt_rows rows;
	bool own = o->rows.socket == NULL;
	int rc = own ? snt_embedded_start(&embedded, o->link, &error) : 0;

	if (rc == 0) {
		if (own) {
			o->rows.socket = embedded.socket;
			o->rows.key = SNT_EMBEDDED_KEY;
		}
		rc = snt_rows_measure(&rows, &o->rows, host, &error);
		if (own)
			snt_embedded_stop(&embedded);
		if (rc == 0)
			rc = report(o, &rows, host, json, &error);
		snt_rows_fini(&rows);
	}
	if (rc != 0 && snt_wait_stopped() <= 0)
		(void)fprintf(stderr, "ringbench: %s\n", error.text);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o;
	struct snt_host host;
	FILE *json = NULL;
	int rc;

	parse(&o, argc, argv);
	if (o.json != NULL) {
		/* before the measurement: better to hear of a bad path now than in half a minute */
		json = strcmp(o.json, "-") == 0 ? stdout : fopen(o.json, "we");
		if (json == NULL) {
			(void)fprintf(stderr, "ringbench: %s: %s\n", o.json, strerror(errno));
			return EXIT_FAILED;
		}
	}
	catch_signals();
	snt_host_read(&host);
	if (o.rings) {
		struct snt_rings_options rings = {o.rows.count, o.rows.rounds, json != stdout ? stdout : NULL, json};

		rc = snt_rings_run(&rings, &host);
	} else {
		rc = run_rows(&o, &host, json);
	}
	if (json != NULL && (fflush(json) != 0 || ferror(json) || (json != stdout && fclose(json) != 0)) && rc == 0) {
		(void)fprintf(stderr, "ringbench: %s: could not be written in full\n", o.json);
		rc = -EIO;
	}
	if (snt_wait_stopped() > 0) {
		/* everything is cleaned up: die of the signal, so that the shell sees it */
		(void)signal(snt_wait_stopped(), SIG_DFL);
		(void)raise(snt_wait_stopped());
	}
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILED;
}
