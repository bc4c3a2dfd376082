/* Reads the configuration file: its lines, its sections, and what must hold between them. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_keys.h"

/* Levenshtein's distance of two short strings; `b` is in lower case, capitals in `a` count as such. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[32], columns = (unsigned)strlen(b);

	if (strlen(a) >= 32 || columns >= 32)
		return UINT_MAX;
	for (unsigned j = 0; j <= columns; j++)
		row[j] = j;
	for (unsigned i = 0; a[i] != '\0'; i++) {
		unsigned diagonal = row[0];

		row[0] = i + 1;
		for (unsigned j = 0; j < columns; j++) {
			unsigned best = diagonal + (tolower((unsigned char)a[i]) != b[j]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j + 1] + 1 < best)
				best = row[j + 1] + 1;
			diagonal = row[j + 1];
			row[j + 1] = best;
		}
	}
	return row[columns];
}

static int name_check(const char *what, const char *name, struct snt_error *error)
{
	size_t length = strlen(name);

	if (length >= SNT_KEY_NAME_SIZE)
		return snt_fail(error, -ENAMETOOLONG, "the %s name \"%.20s...\" is %zu bytes long: give it at most %u",
				what, name, length, SNT_KEY_NAME_SIZE - 1);
	if (length == 0)
		return snt_fail(error, -EINVAL, "the %s name is empty: give it 1 to %u of a-z A-Z 0-9 . _ -", what,
				SNT_KEY_NAME_SIZE - 1);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)name[i];
		bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!alphanumeric && (i == 0 || strchr("._-", c) == NULL))
			return snt_fail(error, -EINVAL,
					"the %s name \"%s\" has a character that names may not have: use a-z A-Z 0-9 . "
					"_ - and begin with a letter or a digit",
					what, name);
	}
	return 0;
}

int snt_key_name_check(const char *name, struct snt_error *error)
{
	return name_check("key", name, error);
}

const char *snt_op_str(enum snt_op op)
{
	switch (op) {
	case SNT_OP_ECHO: return "echo";
	case SNT_OP_ECDSA: return op_names[0];
	case SNT_OP_ECDSA_RECOVERABLE: return op_names[1];
	case SNT_OP_SCHNORR: return op_names[2];
	case SNT_OP_END: break;
	}
	return "?";
}

static int unknown_key(struct snt_config_reader *r, const char *name)
{
	const char *nearest = NULL;
	unsigned best = 3; /* more edits than two are another word */

	for (unsigned i = 0; i < TABLE_ROWS; i++) {
		unsigned edits = distance(name, table[i].name);

		if (edits == 0 && table[i].section != r->section)
			return refuse(r, r->line, "key \"%s\" does not belong in %s: move it to %s", table[i].name,
				      section_titles[r->section], section_titles[table[i].section]);
		if (table[i].section == r->section && edits < best) {
			best = edits;
			nearest = table[i].name;
		}
	}
	if (nearest != NULL)
		return refuse(r, r->line, "unknown key \"%s\" in %s: did you mean \"%s\"?", name,
			      section_titles[r->section], nearest);
	return refuse(r, r->line, "unknown key \"%s\" in %s: remove it; sentinel.conf(5) lists the keys", name,
		      section_titles[r->section]);
}

static int take_key(struct snt_config_reader *r, const char *name, const char *value)
{
	unsigned row = 0;

	if (r->section == SECTION_NONE)
		return refuse(r, r->line, "\"%s\" stands before any section: begin with [engine]", name);
	while (row < TABLE_ROWS && (table[row].section != r->section || strcmp(table[row].name, name) != 0))
		row++;
	if (row == TABLE_ROWS)
		return unknown_key(r, name);
	if (r->set_line[row] != 0 && !table[row].repeats)
		return refuse(r, r->line, "\"%s\" was set in line %u already: remove one of them", name,
			      r->set_line[row]);
	if (value[0] == '\0')
		return refuse(r, r->line, "\"%s\" has no value: write one, or remove the line for the default", name);
	r->set_line[row] = r->line;
	return table[row].set(r, value);
}

/* inih's handler: 1 when the line was taken. */
static int on_key(void *context, const char *section, const char *name, const char *value)
{
	(void)section; /* cut short; see struct snt_config_reader */
	return take_key(context, name, value) == 0;
}

static int end_lane(struct snt_config_reader *r)
{
	const struct snt_config_lane *lane = this_lane(r);
	unsigned worker_line = set_line_of(r, set_worker_cpu);

	if (lane->link == SNT_LINK_DIRECT && worker_line != 0)
		return refuse(r, worker_line,
			      "worker_cpu is for lanes that have a worker, and \"%s\" is direct: remove it, or write "
			      "link=unix:PATH",
			      lane->name);
	if (lane->cpu != SNT_CPU_AUTO && lane->worker_cpu == lane->cpu)
		return refuse(r, worker_line,
			      "worker_cpu and cpu of lane \"%s\" are both %d: give each its own, or auto", lane->name,
			      lane->cpu);
	for (unsigned i = 0; i + 1 < r->config.lane_count; i++) {
		const struct snt_config_lane *other = &r->config.lanes[i];

		if (lane->cpu != SNT_CPU_AUTO && lane->cpu == other->cpu)
			return refuse(r, set_line_of(r, set_lane_cpu),
				      "cpu %d is lane \"%s\"'s already: give each lane its own, or auto", lane->cpu,
				      other->name);
		if (lane->link == SNT_LINK_UNIX && strcmp(lane->link_path, other->link_path) == 0)
			return refuse(r, set_line_of(r, set_link),
				      "\"%s\" is lane \"%s\"'s link already: give each lane its own path",
				      lane->link_path, other->name);
	}
	return 0;
}

static int end_key(struct snt_config_reader *r)
{
	struct snt_config_key *key = this_key(r);
	unsigned ops_line = set_line_of(r, set_ops);

	if (key->uid_count + key->gid_count == 0)
		return refuse(r, r->section_line,
			      "nobody may use key \"%s\": name users with uid= or groups with gid=", key->name);
	if (ops_line != 0 && key->ops == 0)
		return refuse(r, ops_line, "ops names no operation: write some, or remove the line to allow all");
	if (ops_line == 0)
		key->ops = 1u << SNT_OP_ECDSA | 1u << SNT_OP_ECDSA_RECOVERABLE | 1u << SNT_OP_SCHNORR;
	return 0;
}

/* What can be judged only when a section is complete. */
static int end_section(struct snt_config_reader *r)
{
	int rc = 0;

	if (r->section == SECTION_LANE)
		rc = end_lane(r);
	else if (r->section == SECTION_KEY)
		rc = end_key(r);
	memset(r->set_line, 0, sizeof r->set_line);
	return rc;
}

static int begin_lane(struct snt_config_reader *r, const char *name)
{
	struct snt_error error;

	if (name_check("lane", name, &error) < 0)
		return refuse(r, r->line, "%s", error.text);
	for (unsigned i = 0; i < r->config.lane_count; i++) {
		if (strcmp(r->config.lanes[i].name, name) == 0)
			return refuse(r, r->line, "[lane %s] is there already: give each lane its own name", name);
	}
	if (r->config.lane_count == SNT_LANES_MAX)
		return refuse(r, r->line, "more than %d lanes: remove [lane %s]", SNT_LANES_MAX, name);
	r->config.lane_count++;
	*this_lane(r) =
		(struct snt_config_lane){.cpu = SNT_CPU_AUTO, .worker_cpu = SNT_CPU_AUTO, .link = SNT_LINK_DIRECT};
	memcpy(this_lane(r)->name, name, strlen(name) + 1);
	return 0;
}

static int begin_key(struct snt_config_reader *r, const char *name)
{
	struct snt_error error;

	if (name_check("key", name, &error) < 0)
		return refuse(r, r->line, "%s", error.text);
	for (unsigned i = 0; i < r->config.key_count; i++) {
		if (strcmp(r->config.keys[i].name, name) == 0)
			return refuse(r, r->line, "[key %s] is there already: make one section of the two", name);
	}
	if (r->config.key_count == SNT_KEYS_MAX)
		return refuse(r, r->line, "more than %d keys: remove [key %s]", SNT_KEYS_MAX, name);
	if (r->config.key_count++ == 0)
		r->first_key_line = r->line;
	memcpy(this_key(r)->name, name, strlen(name) + 1);
	return 0;
}

/* Takes the text between [ and ] apart; changes it. */
static int begin_section(struct snt_config_reader *r, char *title)
{
	char *rest = NULL, *kind = strtok_r(title, " \t", &rest), *name = strtok_r(NULL, " \t", &rest);
	enum snt_config_section section = SECTION_NONE;

	if (end_section(r) < 0)
		return r->rc;
	kind = kind != NULL ? kind : title;
	if (strcmp(kind, "engine") == 0)
		section = SECTION_ENGINE;
	else if (strcmp(kind, "lane") == 0)
		section = SECTION_LANE;
	else if (strcmp(kind, "key") == 0)
		section = SECTION_KEY;
	if (section == SECTION_NONE) {
		const char *nearest = distance(kind, "engine") < 3 ? "; did you mean [engine]?"
				      : distance(kind, "lane") < 3 ? "; did you mean [lane NAME]?"
				      : distance(kind, "key") < 2  ? "; did you mean [key NAME]?"
								   : ": write [engine], [lane NAME] or [key NAME]";
		return refuse(r, r->line, "unknown section [%s]%s", kind, nearest);
	}
	if ((name != NULL) != (section != SECTION_ENGINE) || strtok_r(NULL, " \t", &rest) != NULL)
		return refuse(r, r->line, "a section of this kind is written %s: write it so", section_titles[section]);
	r->section = section;
	r->section_line = r->line;
	if (section == SECTION_LANE)
		return begin_lane(r, name);
	if (section == SECTION_KEY)
		return begin_key(r, name);
	if (r->engine_line != 0)
		return refuse(r, r->line, "[engine] is there already, in line %u: make one section of the two",
			      r->engine_line);
	r->engine_line = r->line;
	return 0;
}

/* Gives inih one line, with what it would misread taken out: indentation (a continuation, to inih), comments, which
 * may be of any length, and lines longer than its buffer, whose tail it would take for a line of its own. */
static char *next_line(char *line, int size, void *context)
{
	static const unsigned char bom[] = {0xef, 0xbb, 0xbf};
	struct snt_config_reader *r = context;
	size_t limit = size - 2 < SNT_CONFIG_LINE_MAX ? (size_t)size - 2 : SNT_CONFIG_LINE_MAX, length = 0, matched = 0;
	bool comment = false;
	char *end;
	int c;

	if (r->rc < 0)
		return NULL;
	r->line++;
	while ((c = getc(r->file)) != EOF && c != '\n') {
		if (r->line == 1 && matched < sizeof bom && length == 0 && c == bom[matched]) {
			matched++;
			continue;
		}
		if (comment || (length == 0 && (c == ' ' || c == '\t' || c == '\r')))
			continue;
		if (length == 0 && (c == '#' || c == ';')) {
			comment = true;
			continue;
		}
		if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f) {
			(void)refuse(r, r->line, "the line has a control character (byte %d): remove it", c);
			return NULL;
		}
		if (length == limit) {
			(void)refuse(r, r->line, "the line is longer than %zu bytes: shorten it; lists may be repeated",
				     limit);
			return NULL;
		}
		line[length++] = (char)c;
	}
	if (c == EOF && ferror(r->file)) {
		r->rc = errno != 0 ? -errno : -EIO;
		(void)snt_fail(r->error, r->rc, "%s: cannot be read: %s", r->path, strerror(-r->rc));
		return NULL;
	}
	if (c == EOF && length == 0)
		return NULL;
	line[length] = '\0';
	if (line[0] != '[')
		return line;
	end = strchr(line, ']');
	if (end == NULL || end[1 + strspn(end + 1, " \t\r")] != '\0') {
		(void)refuse(r, r->line,
			     "a section is [engine], [lane NAME] or [key NAME], alone in its line: write it so");
		return NULL;
	}
	*end = '\0';
	if (begin_section(r, line + 1) < 0)
		return NULL;
	line[0] = '\0'; /* done with; an empty line to inih */
	return line;
}

void snt_config_init(struct snt_config *config)
{
	memset(config, 0, sizeof *config);
	(void)strcpy(config->socket, "/run/sentinel/sentinel.sock");
	(void)strcpy(config->key_dir, "/var/lib/sentinel/keys");
	config->sessions = 64;
	config->capacity = 1024;
	config->wait = SNT_WAIT_AUTO;
}

/* Reads all of `file` into r->config; r is zeroed but for path, file and error. */
static int read_file(struct snt_config_reader *r)
{
	int line;

	snt_config_init(&r->config);
	errno = 0;
	line = ini_parse_stream(next_line, r, on_key, r);
	if (line == -2)
		return snt_fail(r->error, -ENOMEM, "%s: out of memory", r->path);
	/* inih tells the first line it could not take, its own complaint or ours; ours stops at once, so an earlier
	 * one is its own */
	if (line > 0 && (r->rc == 0 || (unsigned)line < r->line))
		return refuse(r, (unsigned)line,
			      "neither a [section], nor key=value, nor a # comment: write one of them");
	if (r->rc < 0 || end_section(r) < 0)
		return r->rc;
	if (r->config.key_count != 0 && r->config.seal_key[0] == '\0')
		return refuse(r, r->first_key_line,
			      "[key %s] needs the key that its file is sealed with: write seal_key=PATH or "
			      "seal_key=credential:NAME into [engine]",
			      r->config.keys[0].name);
	if (r->config.lane_count == 0)
		return begin_lane(r, "0");
	return 0;
}

int snt_config_read(struct snt_config *config, const char *path, struct snt_error *error)
{
	struct snt_config_reader *r;
	int rc;

	if (strlen(path) >= sizeof r->config.path)
		return snt_fail(error, -ENAMETOOLONG, "the configuration's path is %zu bytes long: use at most %zu",
				strlen(path), sizeof r->config.path - 1);
	r = calloc(1, sizeof *r);
	if (r == NULL)
		return snt_fail(error, -ENOMEM, "%s: out of memory", path);
	r->path = path;
	r->error = error;
	r->file = fopen(path, "re");
	if (r->file == NULL) {
		rc = -errno;
		(void)snt_fail(error, rc,
			       "%s: cannot be opened: %s; create it, see sentinel.conf(5), or name another file", path,
			       strerror(-rc));
	} else {
		rc = read_file(r);
		(void)fclose(r->file);
	}
	if (rc == 0) {
		*config = r->config;
		memcpy(config->path, path, strlen(path) + 1);
	}
	free(r);
	return rc;
}
