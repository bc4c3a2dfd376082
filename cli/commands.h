/* The subcommands of `sentinel`: a command is a file is a function. */
#ifndef SNT_COMMANDS_H
#define SNT_COMMANDS_H

/* What a command returns, and the program exits with. */
enum snt_exit {
	SNT_EXIT_OK = 0,
	SNT_EXIT_FAILED = 1,  /* something went wrong that another try may mend */
	SNT_EXIT_USAGE = 2,   /* the command line or the configuration */
	SNT_EXIT_REFUSED = 3, /* a key, the key directory or the seal key was refused, is missing, or exists already */
};

/* Each is called with its own name as argv[0]. */
int snt_cli_keys(int argc, char **argv);

#endif
