/* Reads a secret key from a file, a pipe or a terminal. */
#define _GNU_SOURCE
#include "keys_input.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const char digits[] = "0123456789abcdefABCDEF";

bool snt_keys_is_secret(const char *word)
{
	const char *value = strchr(word, '=');

	value = value != NULL ? value + 1 : word;
	if (value[0] == '0' && (value[1] == 'x' || value[1] == 'X'))
		value += 2;
	return strlen(value) == 64 && strspn(value, digits) == 64;
}

/* Up to `room` bytes, to the end of the input; a terminal's input ends with the line. How many, or -errno. */
static ssize_t read_input(int fd, unsigned char *to, size_t room, bool line)
{
	size_t got = 0;

	while (got < room) {
		ssize_t n = read(fd, to + got, room - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		got += (size_t)n;
		if (n == 0 || (line && to[got - 1] == '\n'))
			break;
	}
	return (ssize_t)got;
}

static ssize_t read_terminal(unsigned char *to, size_t room)
{
	struct termios shown, hidden;
	ssize_t got;

	if (tcgetattr(STDIN_FILENO, &shown) < 0)
		return -errno;
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	fputs("Secret key, 64 hex digits (not shown): ", stderr);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) < 0)
		return -errno;
	got = read_input(STDIN_FILENO, to, room, true);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	fputc('\n', stderr);
	return got;
}

/* Is it 64 hex digits, or 32 raw bytes? 0 or -EBADMSG. */
static int decode(const unsigned char *input, size_t bytes, unsigned char secret[SNT_SECRET_KEY_BYTES])
{
	const char *text = (const char *)input;
	size_t length = bytes, decoded = 0;

	if (bytes == SNT_SECRET_KEY_BYTES) {
		/* 32 bytes that are all hex digits are half of a key, not one drawn at random */
		for (size_t i = 0; i < bytes; i++) {
			if (input[i] == '\0' || strchr(digits, input[i]) == NULL) {
				memcpy(secret, input, bytes);
				return 0;
			}
		}
		return -EBADMSG;
	}
	if (length > 0 && text[length - 1] == '\n')
		length--;
	if (length > 0 && text[length - 1] == '\r')
		length--;
	if (length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		text += 2;
		length -= 2;
	}
	if (length != 64 || sodium_hex2bin(secret, SNT_SECRET_KEY_BYTES, text, length, NULL, &decoded, NULL) != 0)
		return -EBADMSG;
	return decoded == SNT_SECRET_KEY_BYTES ? 0 : -EBADMSG;
}

int snt_keys_read_secret(const char *file, unsigned char buffer[SNT_KEYS_INPUT_BYTES],
			 unsigned char secret[SNT_SECRET_KEY_BYTES], struct snt_error *error)
{
	const char *from = file != NULL ? file : "standard input";
	ssize_t got;

	if (file == NULL && isatty(STDIN_FILENO)) {
		got = read_terminal(buffer, SNT_KEYS_INPUT_BYTES);
	} else {
		int fd = file != NULL ? open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;

		if (fd < 0)
			return snt_fail(error, -errno, "%s cannot be opened (%s): check the path given with --file",
					from, strerror(errno));
		got = read_input(fd, buffer, SNT_KEYS_INPUT_BYTES, false);
		if (file != NULL)
			(void)close(fd);
	}
	if (got < 0)
		return snt_fail(error, (int)got, "%s cannot be read (%s): check what it is", from, strerror((int)-got));
	if (decode(buffer, (size_t)got, secret) < 0)
		return snt_fail(error, -EBADMSG,
				"%s holds no secret key: give 32 raw bytes, or 64 hex digits, and nothing else (%s%zd "
				"bytes were read)",
				from, got == SNT_KEYS_INPUT_BYTES ? "at least " : "", got);
	return 0;
}
