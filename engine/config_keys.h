/* The keys of the configuration file: one table of them, and how each value is taken. Private to config.c. */
#ifndef SNT_CONFIG_KEYS_H
#define SNT_CONFIG_KEYS_H

#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	SNT_CPU_MAX = 1023,        /* what a cpu_set_t holds */
	SNT_CONFIG_LINE_MAX = 197, /* bytes; what inih's buffer holds as it is built by default */
};

enum snt_config_section { SECTION_NONE, SECTION_ENGINE, SECTION_LANE, SECTION_KEY };

static const char *const section_titles[] = {"", "[engine]", "[lane NAME]", "[key NAME]"};
static const char *const op_names[] = {"ecdsa", "ecdsa-recoverable", "schnorr"};

/* The file being read. inih keeps only 49 bytes of a section's name and does not tell of a section without keys, so
 * sections are followed here. */
struct snt_config_reader {
	struct snt_config config;
	FILE *file;
	const char *path;
	struct snt_error *error;
	int rc;        /* the first failure; nothing is read after it */
	unsigned line; /* of what inih was given last */
	enum snt_config_section section;
	unsigned section_line;
	unsigned engine_line; /* 0: no [engine] yet */
	unsigned first_key_line;
	unsigned set_line[16]; /* per row of the table: where this section set it, 0 if it did not */
};

/* Fails with "PATH:LINE: " before the sentence; of a long path, its end. */
__attribute__((format(printf, 3, 4))) static int refuse(struct snt_config_reader *r, unsigned line, const char *format,
							...)
{
	size_t length = strlen(r->path);
	char sentence[400];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	r->rc = snt_fail(r->error, -EINVAL, "%s:%u: %s", r->path + (length > 100 ? length - 100 : 0), line, sentence);
	return r->rc;
}

/* Decimal digits and nothing else. */
static bool parse_number(const char *text, unsigned long max, unsigned long *out)
{
	unsigned long n = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (unsigned long)(*text - '0');
		if (n > max)
			return false;
	}
	*out = n;
	return true;
}

static int set_path(struct snt_config_reader *r, const char *key, const char *value, char *out, size_t size)
{
	if (value[0] != '/')
		return refuse(r, r->line, "%s \"%s\" is not an absolute path: begin it with /", key, value);
	if (strlen(value) >= size)
		return refuse(r, r->line, "%s \"%.40s...\" is %zu bytes long: choose a path of at most %zu", key, value,
			      strlen(value), size - 1);
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

static int set_socket(struct snt_config_reader *r, const char *value)
{
	return set_path(r, "socket", value, r->config.socket, sizeof r->config.socket);
}

static int set_key_dir(struct snt_config_reader *r, const char *value)
{
	return set_path(r, "key_dir", value, r->config.key_dir, sizeof r->config.key_dir);
}

static int set_seal_key(struct snt_config_reader *r, const char *value)
{
	static const char prefix[] = "credential:";
	const char *name = value + sizeof prefix - 1;

	if (strncmp(value, prefix, sizeof prefix - 1) != 0)
		return set_path(r, "seal_key", value, r->config.seal_key, sizeof r->config.seal_key);
	if (*name == '\0' || *name == '.' || strchr(name, '/') != NULL)
		return refuse(r, r->line,
			      "seal_key \"%s\" names no credential: write credential:NAME with the NAME of the unit's "
			      "LoadCredential=",
			      value);
	memcpy(r->config.seal_key, value, strlen(value) + 1);
	return 0;
}

static int set_sessions(struct snt_config_reader *r, const char *value)
{
	unsigned long n;

	if (!parse_number(value, SNT_SESSIONS_MAX, &n) || n == 0)
		return refuse(r, r->line, "sessions \"%s\" is out of range: write a number from 1 to %d", value,
			      SNT_SESSIONS_MAX);
	r->config.sessions = (unsigned)n;
	return 0;
}

static int set_capacity(struct snt_config_reader *r, const char *value)
{
	unsigned long n;

	if (!parse_number(value, SNT_CAPACITY_MAX, &n) || n < SNT_CAPACITY_MIN || (n & (n - 1)) != 0)
		return refuse(r, r->line, "capacity \"%s\" is out of range: write a power of two from %u to %u", value,
			      SNT_CAPACITY_MIN, SNT_CAPACITY_MAX);
	r->config.capacity = (uint32_t)n;
	return 0;
}

static int set_wait(struct snt_config_reader *r, const char *value)
{
	static const char *const names[] = {
		[SNT_WAIT_AUTO] = "auto", [SNT_WAIT_SPIN] = "spin", [SNT_WAIT_YIELD] = "yield"};

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(value, names[i]) == 0) {
			r->config.wait = (enum snt_wait)i;
			return 0;
		}
	}
	return refuse(r, r->line, "wait \"%s\" is unknown: write auto, spin or yield", value);
}

static struct snt_config_lane *this_lane(struct snt_config_reader *r)
{
	return &r->config.lanes[r->config.lane_count - 1];
}

static struct snt_config_key *this_key(struct snt_config_reader *r)
{
	return &r->config.keys[r->config.key_count - 1];
}

static int set_cpu(struct snt_config_reader *r, const char *key, const char *value, int *out)
{
	unsigned long n;

	if (strcmp(value, "auto") == 0) {
		*out = SNT_CPU_AUTO;
		return 0;
	}
	if (!parse_number(value, SNT_CPU_MAX, &n))
		return refuse(r, r->line, "%s \"%s\" is no processor: write auto or a number from 0 to %d", key, value,
			      SNT_CPU_MAX);
	*out = (int)n;
	return 0;
}

static int set_lane_cpu(struct snt_config_reader *r, const char *value)
{
	return set_cpu(r, "cpu", value, &this_lane(r)->cpu);
}

static int set_worker_cpu(struct snt_config_reader *r, const char *value)
{
	return set_cpu(r, "worker_cpu", value, &this_lane(r)->worker_cpu);
}

static int set_link(struct snt_config_reader *r, const char *value)
{
	struct snt_config_lane *lane = this_lane(r);

	if (strcmp(value, "direct") == 0) {
		lane->link = SNT_LINK_DIRECT;
		return 0;
	}
	if (strncmp(value, "unix:", 5) != 0)
		return refuse(r, r->line, "link \"%s\" is unknown: write direct or unix:PATH", value);
	lane->link = SNT_LINK_UNIX;
	return set_path(r, "the path of link=unix:", value + 5, lane->link_path, sizeof lane->link_path);
}

/* Calls `add` for each word of a list whose separators are commas and white space. */
static int each_word(struct snt_config_reader *r, const char *value,
		     int (*add)(struct snt_config_reader *r, const char *word))
{
	char words[SNT_CONFIG_LINE_MAX + 1], *rest = NULL;

	memcpy(words, value, strlen(value) + 1);
	for (char *word = strtok_r(words, ", \t", &rest); word != NULL; word = strtok_r(NULL, ", \t", &rest)) {
		if (add(r, word) < 0)
			return r->rc;
	}
	return 0;
}

static int add_op(struct snt_config_reader *r, const char *word)
{
	for (unsigned i = 0; i < sizeof op_names / sizeof *op_names; i++) {
		if (strcmp(word, op_names[i]) == 0) {
			this_key(r)->ops |= 1u << (SNT_OP_ECDSA + i);
			return 0;
		}
	}
	return refuse(r, r->line, "ops has an unknown operation \"%s\": write any of ecdsa, ecdsa-recoverable, schnorr",
		      word);
}

static int add_uid(struct snt_config_reader *r, const char *word)
{
	struct snt_config_key *key = this_key(r);
	const struct passwd *user;
	unsigned long n;

	if (key->uid_count == SNT_PRINCIPALS_MAX)
		return refuse(r, r->line,
			      "key \"%s\" has more than %d users: put them into a group and write gid=", key->name,
			      SNT_PRINCIPALS_MAX);
	/* UINT32_MAX is (uid_t)-1, which the kernel keeps for "no user" */
	if (!parse_number(word, UINT32_MAX - 1, &n)) {
		user = isdigit((unsigned char)word[0]) ? NULL : getpwnam(word);
		if (user == NULL)
			return refuse(r, r->line, "uid: there is no user \"%s\": create it, or write its number", word);
		n = user->pw_uid;
	}
	key->uids[key->uid_count++] = (uid_t)n;
	return 0;
}

static int add_gid(struct snt_config_reader *r, const char *word)
{
	struct snt_config_key *key = this_key(r);
	const struct group *group;
	unsigned long n;

	if (key->gid_count == SNT_PRINCIPALS_MAX)
		return refuse(r, r->line, "key \"%s\" has more than %d groups: put their users into one group",
			      key->name, SNT_PRINCIPALS_MAX);
	if (!parse_number(word, UINT32_MAX - 1, &n)) {
		group = isdigit((unsigned char)word[0]) ? NULL : getgrnam(word);
		if (group == NULL)
			return refuse(r, r->line, "gid: there is no group \"%s\": create it, or write its number",
				      word);
		n = group->gr_gid;
	}
	key->gids[key->gid_count++] = (gid_t)n;
	return 0;
}

static int set_ops(struct snt_config_reader *r, const char *value)
{
	return each_word(r, value, add_op);
}

static int set_uid(struct snt_config_reader *r, const char *value)
{
	return each_word(r, value, add_uid);
}

static int set_gid(struct snt_config_reader *r, const char *value)
{
	return each_word(r, value, add_gid);
}

static int set_schnorr_aux(struct snt_config_reader *r, const char *value)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t *aux = this_key(r)->schnorr_aux;

	if (strlen(value) != 64 || strspn(value, "0123456789abcdefABCDEF") != 64)
		return refuse(r, r->line, "schnorr_aux \"%.70s\" is not 32 bytes in hex: write 64 hex digits", value);
	for (unsigned i = 0; i < 64; i += 2) {
		long high = strchr(digits, tolower((unsigned char)value[i])) - digits;
		long low = strchr(digits, tolower((unsigned char)value[i + 1])) - digits;

		aux[i / 2] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

/* Every key there is. */
static const struct {
	enum snt_config_section section;
	const char *name;
	int (*set)(struct snt_config_reader *r, const char *value);
	bool repeats; /* a list: a second line adds to it */
} table[] = {
	{SECTION_ENGINE, "socket", set_socket, false},
	{SECTION_ENGINE, "key_dir", set_key_dir, false},
	{SECTION_ENGINE, "seal_key", set_seal_key, false},
	{SECTION_ENGINE, "sessions", set_sessions, false},
	{SECTION_ENGINE, "capacity", set_capacity, false},
	{SECTION_ENGINE, "wait", set_wait, false},
	{SECTION_LANE, "cpu", set_lane_cpu, false},
	{SECTION_LANE, "link", set_link, false},
	{SECTION_LANE, "worker_cpu", set_worker_cpu, false},
	{SECTION_KEY, "ops", set_ops, true},
	{SECTION_KEY, "uid", set_uid, true},
	{SECTION_KEY, "gid", set_gid, true},
	{SECTION_KEY, "schnorr_aux", set_schnorr_aux, false},
};
enum { TABLE_ROWS = sizeof table / sizeof *table };
_Static_assert(TABLE_ROWS <= sizeof((struct snt_config_reader *)0)->set_line / sizeof(unsigned),
	       "set_line is too short");

static unsigned set_line_of(const struct snt_config_reader *r, int (*set)(struct snt_config_reader *, const char *))
{
	unsigned row = 0;

	while (table[row].set != set)
		row++;
	return r->set_line[row];
}

#endif
