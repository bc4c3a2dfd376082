/* sentineld: the engine as a service. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "config.h"
#include "poller/engine.h"
#include "worker/signer.h"

enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2, EXIT_KEYS = 3, EXIT_SOCKET = 4 };

static struct snt_engine *engine;

static const char usage[] =
	"usage: sentineld [--config FILE] [--check]\n"
	"\n"
	"Serves signatures through shared memory, as FILE says.\n"
	"\n"
	"  --config FILE   configuration (default /etc/sentinel/sentinel.conf); see sentinel.conf(5)\n"
	"  --check         read the configuration and open every key, then exit\n"
	"  --help, --version\n"
	"\n"
	"exit status: 0 ended by SIGTERM or SIGINT, 1 runtime failure, 2 usage or configuration,\n"
	"             3 a key was refused, 4 the socket (another engine, or the path)\n";

static int complain(int status, const char *text)
{
	(void)fprintf(stderr, "sentineld: %s\n", text);
	return status;
}

static void log_line(void *context, const char *line)
{
	(void)context;
	(void)fprintf(stderr, "sentineld: %s\n", line);
}

static void on_signal(int number)
{
	(void)number;
	snt_engine_stop(engine);
}

/* Nothing of this process is dumped or traced, and nothing of it is swapped where the limit allows. */
static void harden(void)
{
	struct rlimit none = {0, 0}, lock;

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	/* With MCL_FUTURE a small limit would make later allocations fail, so it is all or nothing. */
	if (getrlimit(RLIMIT_MEMLOCK, &lock) < 0 || lock.rlim_cur != RLIM_INFINITY ||
	    mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		log_line(NULL, "only keys are locked in memory: RLIMIT_MEMLOCK is not unlimited (ulimit -l, LimitMEMLOCK=)");
}

static int exit_status(int rc)
{
	switch (rc) {
	case -EADDRINUSE:
	case -EADDRNOTAVAIL: return EXIT_SOCKET;
	case -EKEYREJECTED: return EXIT_KEYS;
	default: return EXIT_RUNTIME;
	}
}

static int check_keys(const struct snt_config *config, struct snt_error *error)
{
	struct snt_signer *signer;

	if (snt_signer_create(&signer, config, error) < 0)
		return complain(EXIT_KEYS, error->text);
	snt_signer_destroy(signer);
	(void)printf("%s: %u lanes, %u keys, all opened\n", config->path, config->lane_count, config->key_count);
	return 0;
}

static int serve(const struct snt_config *config, struct snt_error *error)
{
	struct sigaction action;
	int rc = snt_engine_create(&engine, config, log_line, NULL, error);

	if (rc < 0)
		return complain(exit_status(rc), error->text);
	memset(&action, 0, sizeof action);
	action.sa_handler = on_signal;
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	(void)fprintf(stderr, "sentineld: ready on %s with %u keys\n", config->socket, config->key_count);
	rc = snt_engine_run(engine);
	action.sa_handler = SIG_IGN; /* a second signal must not reach an engine that is being freed */
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	snt_engine_destroy(engine);
	return rc == 0 ? 0 : complain(EXIT_RUNTIME, strerror(-rc));
}

int main(int argc, char **argv)
{
	static const struct option known[] = {{"config", required_argument, NULL, 'c'},
					      {"check", no_argument, NULL, 'k'},
					      {"help", no_argument, NULL, 'h'},
					      {"version", no_argument, NULL, 'v'},
					      {NULL, 0, NULL, 0}};
	static struct snt_config config;
	const char *path = "/etc/sentinel/sentinel.conf";
	struct snt_error error;
	int option, check = 0;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'c': path = optarg; break;
		case 'k': check = 1; break;
		case 'h': (void)fputs(usage, stdout); return 0;
		case 'v': (void)puts("sentineld " SNT_VERSION); return 0;
		default: return EXIT_USAGE;
		}
	}
	if (optind != argc)
		return complain(EXIT_USAGE, "takes no arguments, only options; see --help");
	harden();
	if (snt_config_read(&config, path, &error) < 0)
		return complain(EXIT_USAGE, error.text);
	return check ? check_keys(&config, &error) : serve(&config, &error);
}
