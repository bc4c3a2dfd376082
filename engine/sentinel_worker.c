/* sentinel-worker: holds the keys in a process of its own and signs for the lane that started it. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "affinity.h"
#include "config.h"
#include "link/hello.h"
#include "unix_socket.h"
#include "worker/sandbox.h"
#include "worker/serve.h"

enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2, EXIT_KEYS = 3, EXIT_SOCKET = 4 };

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static const char usage[] =
	"usage: sentinel-worker --config FILE --lane NAME [--cpu N|auto] [--wait spin|yield]\n"
	"\n"
	"Holds the keys of FILE and signs for the lane NAME, whose link is unix:PATH.\n"
	"sentineld starts and supervises it; see sentinel-worker(8).\n"
	"\n"
	"  --config FILE   the engine's configuration\n"
	"  --lane NAME     the [lane] whose link to serve\n"
	"  --cpu N         pin to processor N (default auto: not pinned)\n"
	"  --wait MODE     spin (default) or yield while there is nothing to do\n"
	"  --help, --version\n";

struct options {
	const char *config, *lane;
	int cpu;
	bool yields;
};

static int complain(int status, const char *text)
{
	(void)fprintf(stderr, "sentinel-worker: %s\n", text);
	return status;
}

/* 0 when the options are good, else -1, or 1 when it was --help or --version and all is said. */
static int parse(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {{"config", required_argument, NULL, 'c'}, {"lane", required_argument, NULL, 'l'},
					      {"cpu", required_argument, NULL, 'p'},    {"wait", required_argument, NULL, 'w'},
					      {"help", no_argument, NULL, 'h'},         {"version", no_argument, NULL, 'v'},
					      {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		char *end = NULL;

		switch (option) {
		case 'c': options->config = optarg; break;
		case 'l': options->lane = optarg; break;
		case 'p':
			options->cpu = strcmp(optarg, "auto") == 0 ? SNT_CPU_AUTO : (int)strtol(optarg, &end, 10);
			if (end != NULL && (*end != 0 || end == optarg || options->cpu < 0))
				return -1;
			break;
		case 'w':
			options->yields = strcmp(optarg, "yield") == 0;
			if (!options->yields && strcmp(optarg, "spin") != 0)
				return -1;
			break;
		case 'h': (void)fputs(usage, stdout); return 1;
		case 'v': (void)puts("sentinel-worker " SNT_VERSION); return 1;
		default: return -1;
		}
	}
	return options->config != NULL && options->lane != NULL && optind == argc ? 0 : -1;
}

static const struct snt_config_lane *find_lane(const struct snt_config *config, const char *name)
{
	for (unsigned i = 0; i < config->lane_count; i++)
		if (strcmp(config->lanes[i].name, name) == 0)
			return &config->lanes[i];
	return NULL;
}

/* Before any key is read: nothing of this process is dumped or traced, and it ends with the engine that started it. */
static void harden(void)
{
	struct rlimit none = {0, 0};
	struct sigaction action;

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	memset(&action, 0, sizeof action);
	action.sa_handler = on_signal;
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
}

/* Serves one connection after the other: the engine reconnects after an error, and only its own user may. */
static void accept_and_serve(int listener, uid_t own, struct snt_signer *signer, struct snt_stream *stream, bool yields)
{
	while (!stop) {
		struct pollfd wait = {.fd = listener, .events = POLLIN};
		struct ucred peer;
		socklen_t size = sizeof peer;
		int fd;

		if (poll(&wait, 1, 1000) <= 0)
			continue;
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || (peer.uid != own && peer.uid != 0) ||
		    snt_hello_accept(fd, snt_signer_keys(signer)) < 0) {
			(void)close(fd);
			continue;
		}
		snt_stream_init(stream, fd);
		snt_serve(stream, signer, yields, &stop);
		snt_stream_fini(stream);
	}
}

int main(int argc, char **argv)
{
	static struct snt_config config;
	static struct snt_stream stream;
	struct options options = {.cpu = SNT_CPU_AUTO};
	const struct snt_config_lane *lane;
	uid_t own = geteuid(); /* asked now: the sandbox has no such call */
	struct snt_listener listener = {.fd = -1};
	struct snt_signer *signer = NULL;
	struct snt_error error;
	int rc = parse(&options, argc, argv);

	if (rc != 0)
		return rc > 0 ? 0 : complain(EXIT_USAGE, "--config FILE and --lane NAME are needed; see --help");
	harden();
	if (snt_config_read(&config, options.config, &error) < 0)
		return complain(EXIT_USAGE, error.text);
	lane = find_lane(&config, options.lane);
	if (lane == NULL || lane->link != SNT_LINK_UNIX)
		return complain(EXIT_USAGE, "no [lane] of that name has link = unix:PATH");
	/* Keys first: who can connect finds a worker that can sign. */
	if (snt_signer_create(&signer, &config, &error) < 0)
		return complain(EXIT_KEYS, error.text);
	if (snt_listener_open(&listener, lane->link_path, SOCK_STREAM, 0600, &error) < 0) {
		snt_signer_destroy(signer);
		return complain(EXIT_SOCKET, error.text);
	}
	if (options.cpu >= 0)
		(void)snt_pin_self(options.cpu);
	/* Touched and locked now, so that no request waits for a page. Fails under a small RLIMIT_MEMLOCK; keys are locked
	 * in any case. */
	(void)mlockall(MCL_CURRENT);
	rc = snt_sandbox_enter(&error);
	if (rc == 0)
		accept_and_serve(listener.fd, own, signer, &stream, options.yields);
	snt_signer_destroy(signer);
	return rc == 0 ? 0 : complain(EXIT_RUNTIME, error.text);
}
