/* The configuration file: what is accepted, and that each refusal names file, line and remedy. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static struct snt_config config;
static struct snt_error error;
static char path[64];

/* Writes `bytes` bytes to a file and reads it as a configuration. */
static int read_bytes(const char *text, size_t bytes)
{
	int fd, rc;

	(void)snprintf(path, sizeof path, "/tmp/sentinel-test-config-XXXXXX");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, bytes), (ssize_t)bytes);
	(void)close(fd);
	memset(&config, 0xa5, sizeof config);
	memset(&error, 0, sizeof error);
	rc = snt_config_read(&config, path, &error);
	(void)unlink(path);
	return rc;
}

static int read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

static void accept_text(const char *text)
{
	cr_assert_eq(read_text(text), 0, "refused: %s\n%s", error.text, text);
}

/* Refused at `line`, with a sentence that has `part` in it; nothing written. */
static void refuse_bytes(const char *text, size_t bytes, unsigned line, const char *part)
{
	static struct snt_config untouched;
	char where[96];

	cr_expect_eq(read_bytes(text, bytes), -EINVAL, "accepted: %s", text);
	(void)snprintf(where, sizeof where, "%s:%u: ", path, line);
	cr_expect_eq(strncmp(error.text, where, strlen(where)), 0, "\"%s\" should begin with \"%s\"", error.text,
		     where);
	cr_expect_not_null(strstr(error.text, part), "\"%s\" should have \"%s\" in it", error.text, part);
	cr_expect(strchr(error.text, '\n') == NULL);
	memset(&untouched, 0xa5, sizeof untouched);
	cr_expect_eq(memcmp(&config, &untouched, sizeof config), 0, "written on failure: %s", text);
}

static void refuse_text(const char *text, unsigned line, const char *part)
{
	refuse_bytes(text, strlen(text), line, part);
}

Test(config, empty_file_is_the_defaults)
{
	accept_text("");
	cr_expect_str_eq(config.path, path);
	cr_expect_str_eq(config.socket, "/run/sentinel/sentinel.sock");
	cr_expect_str_eq(config.key_dir, "/var/lib/sentinel/keys");
	cr_expect_str_eq(config.seal_key, "");
	cr_expect_eq(config.sessions, 64);
	cr_expect_eq(config.capacity, 1024);
	cr_expect_eq(config.wait, SNT_WAIT_AUTO);
	cr_expect_eq(config.key_count, 0);
	cr_assert_eq(config.lane_count, 1);
	cr_expect_str_eq(config.lanes[0].name, "0");
	cr_expect_eq(config.lanes[0].link, SNT_LINK_DIRECT);
	cr_expect_eq(config.lanes[0].cpu, SNT_CPU_AUTO);
	cr_expect_eq(config.lanes[0].worker_cpu, SNT_CPU_AUTO);
}

Test(config, init_has_no_lane)
{
	memset(&config, 0xa5, sizeof config);
	snt_config_init(&config);
	cr_expect_eq(config.lane_count, 0);
	cr_expect_eq(config.key_count, 0);
	cr_expect_str_eq(config.path, "");
}

Test(config, every_key)
{
	accept_text("\xef\xbb\xbf[engine]\r\n"
		    "  socket = /s.sock ; comment\r\n"
		    "\tkey_dir=/k\n"
		    "seal_key=credential:seal\n"
		    "sessions=512\n"
		    "capacity=8192\n"
		    "wait=yield\n"
		    "# comment\n"
		    "[lane a]\n"
		    "cpu=3\n"
		    "link=unix:/a.sock\n"
		    "worker_cpu=4\n"
		    "[ lane  b.1 ]\n"
		    "[key desk-1]\n"
		    "ops=ecdsa ecdsa-recoverable,schnorr\n"
		    "uid=0, root 4294967294\n"
		    "uid=7\n"
		    "gid=root,9\n"
		    "schnorr_aux=00112233445566778899aAbBcCdDeEfF00112233445566778899aabbccddeeff\n"
		    "[key desk-2]\n"
		    "gid=5\n"
		    "ops=schnorr\n"
		    "[key desk-3]\n"
		    "gid=5");
	cr_expect_str_eq(config.socket, "/s.sock");
	cr_expect_str_eq(config.key_dir, "/k");
	cr_expect_str_eq(config.seal_key, "credential:seal");
	cr_expect_eq(config.sessions, 512);
	cr_expect_eq(config.capacity, 8192);
	cr_expect_eq(config.wait, SNT_WAIT_YIELD);
	cr_assert_eq(config.lane_count, 2);
	cr_expect_str_eq(config.lanes[0].name, "a");
	cr_expect_eq(config.lanes[0].cpu, 3);
	cr_expect_eq(config.lanes[0].link, SNT_LINK_UNIX);
	cr_expect_str_eq(config.lanes[0].link_path, "/a.sock");
	cr_expect_eq(config.lanes[0].worker_cpu, 4);
	cr_expect_str_eq(config.lanes[1].name, "b.1");
	cr_expect_eq(config.lanes[1].link, SNT_LINK_DIRECT);
	cr_assert_eq(config.key_count, 3);
	cr_expect_str_eq(config.keys[0].name, "desk-1");
	cr_expect_eq(config.keys[0].ops, 1u << SNT_OP_ECDSA | 1u << SNT_OP_ECDSA_RECOVERABLE | 1u << SNT_OP_SCHNORR);
	cr_assert_eq(config.keys[0].uid_count, 4);
	cr_expect_eq(config.keys[0].uids[2], 4294967294u);
	cr_expect_eq(config.keys[0].uids[3], 7);
	cr_assert_eq(config.keys[0].gid_count, 2);
	cr_expect_eq(config.keys[0].gids[1], 9);
	cr_expect_eq(config.keys[0].schnorr_aux[1], 0x11);
	cr_expect_eq(config.keys[0].schnorr_aux[10], 0xaa);
	cr_expect_eq(config.keys[0].schnorr_aux[31], 0xff);
	cr_expect_eq(config.keys[1].ops, 1u << SNT_OP_SCHNORR);
	cr_expect_eq(config.keys[2].ops, config.keys[0].ops, "without ops= all three are allowed");
	cr_expect_eq(config.keys[2].uid_count, 0);
}

Test(config, shipped_example_parses)
{
	cr_assert_eq(snt_config_read(&config, EXAMPLE, &error), 0, "%s", error.text);
	cr_expect_eq(config.key_count, 1);
	cr_expect_eq(config.lane_count, 1);
}

Test(config, misspellings_get_a_suggestion)
{
	refuse_text("[engine]\n\nsoket=/s\n", 3, "unknown key \"soket\" in [engine]: did you mean \"socket\"?");
	refuse_text("[engine]\nSOCKET=/s\n", 2, "did you mean \"socket\"?");
	refuse_text("[lane 0]\nworkercpu=1\n", 2, "did you mean \"worker_cpu\"?");
	refuse_text("[key a]\nuids=1\n", 2, "did you mean \"uid\"?");
	refuse_text("[engine]\ncpu=1\n", 2, "key \"cpu\" does not belong in [engine]: move it to [lane NAME]");
	refuse_text("[engine]\ncompletely_different=1\n", 2, "remove it");
	refuse_text("[engin]\n", 1, "did you mean [engine]?");
	refuse_text("[lanes 0]\n", 1, "did you mean [lane NAME]?");
	refuse_text("[keys a]\n", 1, "did you mean [key NAME]?");
	refuse_text("[sentinel]\n", 1, "write [engine], [lane NAME] or [key NAME]");
}

Test(config, lines_that_are_none)
{
	refuse_text("\nsocket=/s\n", 2, "begin with [engine]");
	refuse_text("[engine]\nsocket\n", 2, "neither a [section], nor key=value");
	refuse_text("[engine]\nsocket\nsoket=1\n", 2, "neither");
	refuse_text("[engine]\nsocket", 2, "neither");
	refuse_text("[engine\n", 1, "alone in its line");
	refuse_text("[engine] socket=/s\n", 1, "alone in its line");
	refuse_text("[engine extra]\n", 1, "is written [engine]");
	refuse_text("[lane]\n", 1, "is written [lane NAME]");
	refuse_text("[lane a b]\n", 1, "is written [lane NAME]");
	refuse_text("[key]\n", 1, "is written [key NAME]");
	refuse_text("[]\n", 1, "write [engine]");
	refuse_text("[engine]\nsocket=\n", 2, "has no value: write one");
	refuse_bytes("[engine]\nwait=\0spin\n", 20, 2, "control character (byte 0): remove it");
	refuse_text("[engine]\nsocket=/\033[2J\n", 2, "control character (byte 27): remove it");
}

/* inih would take the tail of a long line for a line of its own, and cut a section's name after 49 bytes. */
Test(config, long_lines)
{
	char text[2048], name[80];

	(void)snprintf(text, sizeof text, "#%0500d\n[engine]\n;%0500d\nsessions=7\n", 0, 0);
	accept_text(text);
	cr_expect_eq(config.sessions, 7);
	(void)snprintf(text, sizeof text, "[engine]\nkey_dir=/%0188d\n", 0);
	accept_text(text);
	cr_expect_eq(strlen(config.key_dir), 189);
	(void)snprintf(text, sizeof text, "[engine]\nkey_dir=/%0189d\n", 0);
	refuse_text(text, 2, "longer than 197 bytes: shorten it");
	(void)snprintf(text, sizeof text, "[engine]\nkey_dir=/%0200dsessions=9\n", 0);
	refuse_text(text, 2, "longer than 197 bytes");
	(void)snprintf(name, sizeof name, "k%062d", 0);
	(void)snprintf(text, sizeof text, "[engine]\nseal_key=/s\n[key %s]\nuid=0\n", name);
	accept_text(text);
	cr_expect_str_eq(config.keys[0].name, name);
	(void)snprintf(text, sizeof text, "[key %s0]\nuid=0\n", name);
	refuse_text(text, 1, "is 64 bytes long: give it at most 63");
	(void)snprintf(text, sizeof text, "[lane %s0]\n", name);
	refuse_text(text, 1, "is 64 bytes long: give it at most 63");
}

Test(config, duplicates)
{
	refuse_text("[engine]\nsocket=/s\nsocket=/t\n", 3, "set in line 2 already: remove one");
	refuse_text("[engine]\n[lane 0]\n[engine]\n", 3, "[engine] is there already, in line 1");
	refuse_text("[lane 0]\n[lane 0]\n", 2, "give each lane its own name");
	refuse_text("[key a]\nuid=1\n[key a]\nuid=1\n", 3, "make one section of the two");
	refuse_text("[lane 0]\ncpu=1\ncpu=1\n", 3, "set in line 2 already");
	refuse_text("[key a]\nschnorr_aux=0000000000000000000000000000000000000000000000000000000000000000\n"
		    "schnorr_aux=0\n",
		    3, "set in line 2 already");
	accept_text("[lane 0]\ncpu=1\n[lane 1]\ncpu=2\n");
}

Test(config, values_out_of_range)
{
	static const char *const bad[] = {
		"sessions=0", "sessions=513", "sessions=-1",    "sessions=1x",  "sessions=99999999999999999999",
		"capacity=1", "capacity=3",   "capacity=16384", "capacity=two", "capacity=0",
	};
	char text[128];

	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		(void)snprintf(text, sizeof text, "[engine]\n%s\n", bad[i]);
		refuse_text(text, 2,
			    bad[i][0] == 's' ? "write a number from 1 to 512" : "write a power of two from 2 to 8192");
	}
	refuse_text("[engine]\nwait=sleep\n", 2, "write auto, spin or yield");
	refuse_text("[engine]\nwait=spin # always\n", 2, "write auto, spin or yield");
	refuse_text("[lane 0]\ncpu=1024\n", 2, "write auto or a number from 0 to 1023");
	refuse_text("[lane 0]\nlink=unix:/a\nworker_cpu=first\n", 3, "write auto or a number");
	refuse_text("[lane 0]\nlink=vsock:3\n", 2, "write direct or unix:PATH");
	refuse_text("[key a]\nschnorr_aux=00\n", 2, "write 64 hex digits");
	refuse_text("[key a]\nschnorr_aux=000000000000000000000000000000000000000000000000000000000000000g\n", 2,
		    "write 64 hex digits");
}

Test(config, relative_and_long_paths)
{
	char text[256];

	refuse_text("[engine]\nsocket=s.sock\n", 2, "socket \"s.sock\" is not an absolute path: begin it with /");
	refuse_text("[engine]\nkey_dir=./keys\n", 2, "begin it with /");
	refuse_text("[engine]\nseal_key=seal\n", 2, "begin it with /");
	refuse_text("[engine]\nseal_key=credential:\n", 2, "write credential:NAME");
	refuse_text("[engine]\nseal_key=credential:../x\n", 2, "write credential:NAME");
	refuse_text("[lane 0]\nlink=unix:a\n", 2, "begin it with /");
	refuse_text("[lane 0]\nlink=unix:\n", 2, "begin it with /");
	(void)snprintf(text, sizeof text, "[engine]\nsocket=/%0106d\n", 0);
	accept_text(text);
	(void)snprintf(text, sizeof text, "[engine]\nsocket=/%0107d\n", 0);
	refuse_text(text, 2, "is 108 bytes long: choose a path of at most 107");
	(void)snprintf(text, sizeof text, "[lane 0]\nlink=unix:/%0107d\n", 0);
	refuse_text(text, 2, "choose a path of at most 107");
}

Test(config, lanes_share_nothing)
{
	refuse_text("[lane 0]\nworker_cpu=1\nlink=direct\n", 2, "remove it, or write link=unix:PATH");
	refuse_text("[lane 0]\nworker_cpu=auto\n", 2, "remove it, or write link=unix:PATH");
	refuse_text("[lane 0]\nworker_cpu=1\n[lane 1]\n", 2, "remove it, or write link=unix:PATH");
	refuse_text("[lane 0]\nlink=unix:/a\n[lane 1]\nlink=unix:/a\n", 4, "give each lane its own path");
	refuse_text("[lane 0]\ncpu=2\n[lane 1]\ncpu=2\n", 4, "give each lane its own, or auto");
	refuse_text("[lane 0]\nlink=unix:/a\ncpu=2\nworker_cpu=2\n", 4, "give each its own, or auto");
	accept_text("[lane 0]\nworker_cpu=1\nlink=unix:/a\n[lane 1]\nlink=unix:/b\n");
}

Test(config, keys_need_a_user_and_a_seal)
{
	refuse_text("[key a]\n\nops=ecdsa\n", 1, "nobody may use key \"a\": name users with uid= or groups with gid=");
	refuse_text("[key a]\n[key b]\nuid=1\n", 1, "nobody may use key \"a\"");
	refuse_text("[key a]\nuid=,\n", 1, "nobody may use key \"a\"");
	refuse_text("[engine]\n[key a]\nuid=1\n", 2, "write seal_key=PATH or seal_key=credential:NAME into [engine]");
	refuse_text("[key a]\nuid=1\nops=,\n", 3, "ops names no operation: write some");
	refuse_text("[key a]\nops=ecdsa_recoverable\n", 2, "write any of ecdsa, ecdsa-recoverable, schnorr");
	refuse_text("[key a]\nops=echo\n", 2, "write any of");
	refuse_text("[key a]\nuid=no-such-user\n", 2, "there is no user \"no-such-user\": create it");
	refuse_text("[key a]\ngid=no-such-group\n", 2, "there is no group \"no-such-group\": create it");
	refuse_text("[key a]\nuid=4294967295\n", 2, "there is no user");
	refuse_text("[key a]\nuid=-1\n", 2, "there is no user");
	refuse_text("[key a]\ngid=18446744073709551616\n", 2, "there is no group");
	accept_text("[key a]\nuid=1\n[engine]\nseal_key=/seal\n");
}

Test(config, as_many_as_fit)
{
	char *text = malloc(1 << 20), *end = text;
	unsigned i;

	for (i = 0; i < SNT_LANES_MAX; i++)
		end += sprintf(end, "[lane %u]\n", i);
	accept_text(text);
	cr_expect_eq(config.lane_count, SNT_LANES_MAX);
	(void)sprintf(end, "[lane %u]\n", i);
	refuse_text(text, SNT_LANES_MAX + 1, "more than 16 lanes: remove [lane 16]");

	end = text + sprintf(text, "[engine]\nseal_key=/s\n");
	for (i = 0; i < SNT_KEYS_MAX; i++)
		end += sprintf(end, "[key k%u]\nuid=%u\n", i, i);
	accept_text(text);
	cr_expect_eq(config.key_count, SNT_KEYS_MAX);
	(void)sprintf(end, "[key k%u]\n", i);
	refuse_text(text, 2 * SNT_KEYS_MAX + 3, "more than 256 keys: remove [key k256]");

	end = text + sprintf(text, "[engine]\nseal_key=/s\n[key a]\n");
	for (i = 0; i < SNT_PRINCIPALS_MAX; i++)
		end += sprintf(end, "uid=%u\ngid=%u\n", i, i);
	accept_text(text);
	cr_expect_eq(config.keys[0].uid_count, SNT_PRINCIPALS_MAX);
	(void)sprintf(end, "uid=%u\n", i);
	refuse_text(text, 2 * SNT_PRINCIPALS_MAX + 4, "write gid=");
	(void)sprintf(end, "gid=%u\n", i);
	refuse_text(text, 2 * SNT_PRINCIPALS_MAX + 4, "put their users into one group");
	free(text);
}

Test(config, unreadable)
{
	char longer[5000];

	cr_expect_eq(snt_config_read(&config, "/nonexistent/sentinel.conf", &error), -ENOENT);
	cr_expect_not_null(strstr(error.text, "/nonexistent/sentinel.conf: cannot be opened"));
	cr_expect_not_null(strstr(error.text, "create it"));
	cr_expect_eq(snt_config_read(&config, "/", &error), -EISDIR);
	cr_expect_not_null(strstr(error.text, "/: cannot be read: "));
	memset(longer, '/', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	cr_expect_eq(snt_config_read(&config, longer, &error), -ENAMETOOLONG);
	cr_expect_eq(snt_config_read(&config, "/nonexistent", NULL), -ENOENT, "error may be NULL");
}

Test(config, key_names)
{
	static const char *const bad[] = {"", ".a", "-a", "_a", "a/b", "a b", "..", "\xc3\xa9", "a\n"};
	static const char *const good[] = {"a", "0", "desk-1", "A.b_c-9"};

	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_eq(snt_key_name_check(bad[i], &error), -EINVAL, "\"%s\"", bad[i]);
	for (unsigned i = 0; i < sizeof good / sizeof *good; i++)
		cr_expect_eq(snt_key_name_check(good[i], &error), 0, "\"%s\"", good[i]);
	cr_expect_eq(snt_key_name_check("0123456789012345678901234567890123456789012345678901234567890123", &error),
		     -ENAMETOOLONG);
}

Test(config, operation_names)
{
	cr_expect_str_eq(snt_op_str(SNT_OP_ECHO), "echo");
	cr_expect_str_eq(snt_op_str(SNT_OP_ECDSA), "ecdsa");
	cr_expect_str_eq(snt_op_str(SNT_OP_ECDSA_RECOVERABLE), "ecdsa-recoverable");
	cr_expect_str_eq(snt_op_str(SNT_OP_SCHNORR), "schnorr");
	cr_expect_str_eq(snt_op_str(SNT_OP_END), "?");
	cr_expect_str_eq(snt_op_str((enum snt_op)200), "?");
}
