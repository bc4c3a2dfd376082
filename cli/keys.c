/* sentinel keys: makes, imports, lists, shows and deletes the keys that the engine signs with. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <secp256k1.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "commands.h"
#include "config.h"
#include "keydir.h"
#include "keys_input.h"
#include "secret.h"

static const char default_config[] = "/etc/sentinel/sentinel.conf";

/* One page that is never swapped or dumped. */
struct hidden {
	uint8_t seal[SNT_SEAL_KEY_BYTES];
	uint8_t secret[SNT_SECRET_KEY_BYTES];
	unsigned char input[SNT_KEYS_INPUT_BYTES];
};

struct request {
	const char *config, *dir, *seal_key, *file, *json;
	bool yes;
	const char *name;
	struct hidden *hidden; /* the seal key is in it when the action needs it */
};

/* Says why on standard error. */
static int complain(int exit_code, const struct snt_error *error)
{
	fprintf(stderr, "sentinel keys: %s\n", error->text);
	return exit_code;
}

/* A refusal is a state of keys and files that someone has to look at; the rest may pass by itself. */
static int exit_of(int rc)
{
	switch (rc) {
	case 0: return SNT_EXIT_OK;
	case -EACCES:
	case -EBADMSG:
	case -EEXIST:
	case -EINVAL:
	case -ENOENT:
	case -ENOTDIR:
	case -EPERM: return SNT_EXIT_REFUSED;
	default: return SNT_EXIT_FAILED;
	}
}

static void to_hex(char hex[2 * SNT_PUBKEY_SIZE + 1], const uint8_t pubkey[SNT_PUBKEY_SIZE])
{
	(void)sodium_bin2hex(hex, 2 * SNT_PUBKEY_SIZE + 1, pubkey, SNT_PUBKEY_SIZE);
}

/* Names and hex need no escaping in JSON. The x-only key of BIP-340 is the compressed one without its first byte. */
static int write_json(const char *file, const struct snt_keydir_entry *entries, size_t count)
{
	FILE *to = strcmp(file, "-") == 0 ? stdout : fopen(file, "we");
	bool failed = to == NULL;

	if (!failed) {
		fputs("{\"keys\":[", to);
		for (size_t i = 0; i < count; i++) {
			char hex[2 * SNT_PUBKEY_SIZE + 1];

			to_hex(hex, entries[i].pubkey);
			fprintf(to, "%s{\"name\":\"%s\",\"public_key\":\"%s\",\"xonly_public_key\":\"%s\"}",
				i == 0 ? "" : ",", entries[i].name, hex, hex + 2);
		}
		fputs("]}\n", to);
		failed = fflush(to) != 0 || ferror(to) != 0;
		if (to != stdout)
			failed |= fclose(to) != 0;
	}
	if (!failed)
		return SNT_EXIT_OK;
	fprintf(stderr, "sentinel keys: %s cannot be written (%s): check the path given with --json\n", file,
		strerror(errno));
	return SNT_EXIT_FAILED;
}

static int store(const struct request *request, const char *done)
{
	struct snt_error error;
	uint8_t pubkey[SNT_PUBKEY_SIZE];
	char hex[2 * SNT_PUBKEY_SIZE + 1];
	int rc = snt_keydir_store(request->dir, request->name, request->hidden->secret, request->hidden->seal, pubkey,
				  &error);

	if (rc < 0)
		return complain(exit_of(rc), &error);
	to_hex(hex, pubkey);
	printf("%s %s: public key %s\n", done, request->name, hex);
	return SNT_EXIT_OK;
}

static int run_generate(const struct request *request)
{
	do
		randombytes_buf(request->hidden->secret, sizeof request->hidden->secret);
	while (!secp256k1_ec_seckey_verify(secp256k1_context_static, request->hidden->secret));
	return store(request, "generated");
}

static int run_import(const struct request *request)
{
	struct snt_error error;
	int rc = snt_keys_read_secret(request->file, request->hidden->input, request->hidden->secret, &error);

	if (rc < 0)
		return complain(rc == -EBADMSG ? SNT_EXIT_REFUSED : SNT_EXIT_FAILED, &error);
	return store(request, "imported");
}

static int run_list(const struct request *request)
{
	struct snt_keydir_entry *entries;
	struct snt_error error;
	size_t count;
	int width = (int)strlen("NAME"), code = SNT_EXIT_OK;
	int rc = snt_keydir_list(request->dir, &entries, &count, &error);

	if (rc < 0)
		return complain(exit_of(rc), &error);
	if (request->json != NULL)
		code = write_json(request->json, entries, count);
	if (code == SNT_EXIT_OK && (request->json == NULL || strcmp(request->json, "-") != 0)) {
		for (size_t i = 0; i < count; i++)
			if ((int)strlen(entries[i].name) > width)
				width = (int)strlen(entries[i].name);
		printf("%-*s  PUBLIC KEY\n", width, "NAME");
		for (size_t i = 0; i < count; i++) {
			char hex[2 * SNT_PUBKEY_SIZE + 1];

			to_hex(hex, entries[i].pubkey);
			printf("%-*s  %s\n", width, entries[i].name, hex);
		}
	}
	free(entries);
	return code;
}

/* Opens the key, so that what it shows is proven and not only what a file says. */
static int run_show(const struct request *request)
{
	struct snt_keydir_entry entry;
	struct snt_error error;
	char hex[2 * SNT_PUBKEY_SIZE + 1];
	int code = SNT_EXIT_OK;
	int rc = snt_keydir_load(request->dir, request->name, request->hidden->seal, request->hidden->secret,
				 entry.pubkey, &error);

	if (rc < 0)
		return complain(exit_of(rc), &error);
	(void)snprintf(entry.name, sizeof entry.name, "%s", request->name);
	if (request->json != NULL)
		code = write_json(request->json, &entry, 1);
	if (code == SNT_EXIT_OK && (request->json == NULL || strcmp(request->json, "-") != 0)) {
		to_hex(hex, entry.pubkey);
		printf("name               %s\npublic key         %s\nx-only public key  %s\n", entry.name, hex,
		       hex + 2);
	}
	return code;
}

/* True when the person at the terminal writes the key's name once more. */
static bool confirm(const struct request *request)
{
	char answer[SNT_KEY_NAME_SIZE + 1] = "";

	fprintf(stderr, "Deleting key %s from %s cannot be undone. Write its name to go on: ", request->name,
		request->dir);
	if (fgets(answer, sizeof answer, stdin) == NULL)
		return false;
	answer[strcspn(answer, "\n")] = '\0';
	return strcmp(answer, request->name) == 0;
}

static int run_delete(const struct request *request)
{
	struct snt_error error;
	int rc;

	if (!request->yes && !isatty(STDIN_FILENO)) {
		fprintf(stderr,
			"sentinel keys: deleting key %s cannot be undone: say --yes when nobody is at a terminal\n",
			request->name);
		return SNT_EXIT_USAGE;
	}
	if (!request->yes && !confirm(request)) {
		fprintf(stderr, "sentinel keys: key %s was left as it is: write its name, or say --yes, to delete it\n",
			request->name);
		return SNT_EXIT_FAILED;
	}
	rc = snt_keydir_delete(request->dir, request->name, &error);
	if (rc < 0)
		return complain(exit_of(rc), &error);
	printf("deleted %s\n", request->name);
	return SNT_EXIT_OK;
}

enum { TAKES_NAME = 1, TAKES_FILE = 2, TAKES_JSON = 4, TAKES_YES = 8, NEEDS_SEAL = 16 };

static const struct action {
	const char *name;
	int (*run)(const struct request *request);
	unsigned flags;
} actions[] = {
	{"generate", run_generate, TAKES_NAME | NEEDS_SEAL},
	{"import", run_import, TAKES_NAME | TAKES_FILE | NEEDS_SEAL},
	{"list", run_list, TAKES_JSON},
	{"show", run_show, TAKES_NAME | TAKES_JSON | NEEDS_SEAL},
	{"delete", run_delete, TAKES_NAME | TAKES_YES},
};

static const char help[] =
	"Usage: sentinel keys generate NAME             draw a new key\n"
	"       sentinel keys import NAME [--file FILE] take a key: 32 raw bytes or 64 hex digits, on standard\n"
	"                                               input unless a FILE is given, never as an argument\n"
	"       sentinel keys list [--json FILE]        names and public keys; needs no seal key\n"
	"       sentinel keys show NAME [--json FILE]   open one key and show its public keys\n"
	"       sentinel keys delete NAME [--yes]       remove a key for ever\n\n"
	"Options:\n"
	"  --config FILE    read key_dir and seal_key from here (/etc/sentinel/sentinel.conf)\n"
	"  --dir DIR        the key directory, instead of key_dir\n"
	"  --seal-key KEY   what the keys are sealed with, instead of seal_key: a file's path, or credential:NAME\n"
	"  --file FILE      import: read the secret from FILE\n"
	"  --json FILE      list, show: write JSON to FILE; - is standard output, in place of the table\n"
	"  --yes            delete: do not ask\n"
	"  --help           this text\n\n"
	"A seal key is made with `(umask 077; head -c 32 /dev/urandom > seal.key)`, a key directory with\n"
	"`install -d -m 700 DIR`. Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 a key was\n"
	"refused (modes, seal key, missing, truncated, exists). See sentinel(1).\n";

__attribute__((format(printf, 1, 2))) static int misused(const char *format, ...)
{
	va_list arguments;

	fputs("sentinel keys: ", stderr);
	va_start(arguments, format);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs(" (`sentinel keys --help` tells more)\n", stderr);
	return SNT_EXIT_USAGE;
}

/* Fills `request` from the words after the action. -1 to go on, else the exit code. */
static int parse(int argc, char **argv, const struct action *action, struct request *request)
{
	enum { CONFIG = 256, DIR_, SEAL_KEY, FILE_, JSON, YES, HELP };
	static const struct option options[] = {
		{"config", required_argument, NULL, CONFIG},
		{"dir", required_argument, NULL, DIR_},
		{"seal-key", required_argument, NULL, SEAL_KEY},
		{"file", required_argument, NULL, FILE_},
		{"json", required_argument, NULL, JSON},
		{"yes", no_argument, NULL, YES},
		{"help", no_argument, NULL, HELP},
		{NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (option) {
		case CONFIG: request->config = optarg; break;
		case DIR_: request->dir = optarg; break;
		case SEAL_KEY: request->seal_key = optarg; break;
		case FILE_: request->file = optarg; break;
		case JSON: request->json = optarg; break;
		case YES: request->yes = true; break;
		case 'h':
		case HELP: fputs(help, stdout); return SNT_EXIT_OK;
		case ':': return misused("%s needs a value after it", argv[optind - 1]);
		default: return misused("%s is no option of %s", argv[optind - 1], action->name);
		}
	}
	if (request->file != NULL && (action->flags & TAKES_FILE) == 0)
		return misused("%s takes no --file: only import reads a secret", action->name);
	if (request->json != NULL && (action->flags & TAKES_JSON) == 0)
		return misused("%s takes no --json: only list and show write it", action->name);
	if (request->yes && (action->flags & TAKES_YES) == 0)
		return misused("%s takes no --yes: only delete asks", action->name);
	if ((action->flags & TAKES_NAME) != 0) {
		if (optind == argc)
			return misused("%s needs the key's NAME after it", action->name);
		request->name = argv[optind++];
	}
	if (optind < argc)
		return misused("%s takes no further argument: leave out \"%s\"", action->name, argv[optind]);
	return -1;
}

/* Completes what the command line leaves open from the configuration. 0, or an exit code after a complaint. */
static int configure(struct request *request, bool needs_seal)
{
	static struct snt_config config; /* too large for a stack */
	const char *path = request->config;
	struct snt_error error;

	snt_config_init(&config);
	if (path == NULL && (request->dir == NULL || (needs_seal && request->seal_key == NULL)) &&
	    access(default_config, F_OK) == 0)
		path = default_config;
	if (path != NULL && snt_config_read(&config, path, &error) < 0)
		return complain(SNT_EXIT_USAGE, &error);
	if (request->dir == NULL)
		request->dir = config.key_dir;
	if (request->seal_key == NULL)
		request->seal_key = config.seal_key;
	if (request->dir[0] == '\0')
		return misused("no key directory is named: give --dir DIR, or key_dir under [engine] in %s",
			       path != NULL ? path : default_config);
	if (needs_seal && request->seal_key[0] == '\0')
		return misused("no seal key is named: give --seal-key KEY, or seal_key under [engine] in %s",
			       path != NULL ? path : default_config);
	return 0;
}

static int run(const struct action *action, struct request *request)
{
	struct snt_secret memory = {0};
	struct snt_error error;
	int code, rc;

	if ((action->flags & TAKES_NAME) != 0 && snt_key_name_check(request->name, &error) < 0)
		return complain(SNT_EXIT_USAGE, &error);
	code = configure(request, (action->flags & NEEDS_SEAL) != 0);
	if (code != 0)
		return code;
	if ((action->flags & NEEDS_SEAL) == 0)
		return action->run(request);
	if (snt_secret_create(&memory, sizeof *request->hidden, &error) < 0)
		return complain(SNT_EXIT_FAILED, &error);
	request->hidden = memory.base;
	rc = snt_seal_key_read(request->hidden->seal, request->seal_key, &error);
	code = rc < 0 ? complain(exit_of(rc), &error) : action->run(request);
	snt_secret_destroy(&memory);
	return code;
}

int snt_cli_keys(int argc, char **argv)
{
	static const struct rlimit no_core = {0, 0};
	struct request request = {0};
	int code;

	if (setrlimit(RLIMIT_CORE, &no_core) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 || sodium_init() < 0) {
		fputs("sentinel keys: core dumps cannot be turned off, or libsodium cannot start: "
		      "see that this process may call setrlimit, prctl and getrandom\n",
		      stderr);
		return SNT_EXIT_FAILED;
	}
	for (int i = 1; i < argc; i++) {
		if (!snt_keys_is_secret(argv[i]))
			continue;
		/* never repeated: what is printed may be logged */
		sodium_memzero(argv[i], strlen(argv[i]));
		return misused(
			"an argument looks like a secret key: arguments can be read by every process (ps) and stay in "
			"the shell's history; treat that key as known to others, and give one to `sentinel keys "
			"import NAME` on standard input or with --file FILE");
	}
	if (argc < 2) {
		fputs(help, stderr);
		return SNT_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(help, stdout);
		return SNT_EXIT_OK;
	}
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		if (strcmp(argv[1], actions[i].name) != 0)
			continue;
		code = parse(argc - 1, argv + 1, &actions[i], &request);
		if (code < 0)
			code = run(&actions[i], &request);
		if (fflush(stdout) != 0 && code == SNT_EXIT_OK) {
			fprintf(stderr, "sentinel keys: standard output cannot be written (%s)\n", strerror(errno));
			code = SNT_EXIT_FAILED;
		}
		return code;
	}
	return misused("there is no \"%s\": generate, import, list, show or delete", argv[1]);
}
