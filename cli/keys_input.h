/* How `sentinel keys` gets a secret from a person, and keeps it from everyone else. */
#ifndef SNT_KEYS_INPUT_H
#define SNT_KEYS_INPUT_H

#include <stdbool.h>

#include "keydir.h"

/* Enough for "0x", 64 digits, "\r\n", and for seeing that there was more. */
enum { SNT_KEYS_INPUT_BYTES = 80 };

/* Is this word of a command line a secret key in hex: 64 digits, with or without 0x or --option= before them? */
bool snt_keys_is_secret(const char *word);

/* Reads a secret key from `file`, or from standard input when that is NULL (without echo, if it is a terminal): 32 raw
 * bytes, or 64 hex digits with an optional 0x and newline. `buffer` and `secret` are memory of a struct snt_secret.
 * Whether it is a valid key is for snt_keydir_store() to say. 0, -EBADMSG (something else was read), or -errno, with a
 * sentence. */
int snt_keys_read_secret(const char *file, unsigned char buffer[SNT_KEYS_INPUT_BYTES],
			 unsigned char secret[SNT_SECRET_KEY_BYTES], struct snt_error *error);

#endif
