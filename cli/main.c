/* sentinel: finds the command and calls it. */
#include <stdio.h>
#include <string.h>

#include "commands.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"keys", snt_cli_keys, "make, import, list, show and delete the keys that the engine signs with"},
};

static void print_help(FILE *to)
{
	fputs("Usage: sentinel COMMAND [ARGUMENTS]\n\nCommands:\n", to);
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs("\nOptions:\n"
	      "  --help     this text; `sentinel COMMAND --help` says more of a command\n"
	      "  --version  the version\n\n"
	      "Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 a key was refused. See sentinel(1).\n",
	      to);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return SNT_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return SNT_EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("sentinel " SNT_VERSION);
		return SNT_EXIT_OK;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "sentinel: there is no command \"%s\": `sentinel --help` lists those there are\n", argv[1]);
	return SNT_EXIT_USAGE;
}
