/* The configuration reader on arbitrary bytes: no crash, and what it accepts keeps config.h's promises. */
#include "config.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct snt_error error = {""};
	struct snt_config_reader *r = calloc(1, sizeof *r);
	uint8_t *copy = malloc(size + 1); /* fmemopen() refuses no bytes, and wants them writable */

	if (r == NULL || copy == NULL)
		abort();
	memcpy(copy, data, size);
	copy[size] = '\n';
	r->path = "fuzz";
	r->error = &error;
	r->file = fmemopen(copy, size + 1, "r");
	if (r->file == NULL)
		abort();
	if (read_file(r) < 0) {
		if (strncmp(error.text, "fuzz:", 5) != 0 || strchr(error.text, '\n') != NULL)
			abort();
	} else {
		const struct snt_config *c = &r->config;

		if (c->socket[0] != '/' || c->sessions - 1 >= SNT_SESSIONS_MAX ||
		    (c->capacity & (c->capacity - 1)) != 0 || c->lane_count - 1 >= SNT_LANES_MAX ||
		    c->key_count > SNT_KEYS_MAX || (c->key_count != 0 && c->seal_key[0] == '\0'))
			abort();
		for (unsigned i = 0; i < c->key_count; i++) {
			const struct snt_config_key *key = &c->keys[i];

			if (snt_key_name_check(key->name, NULL) < 0 || key->uid_count + key->gid_count == 0 ||
			    key->uid_count > SNT_PRINCIPALS_MAX || key->gid_count > SNT_PRINCIPALS_MAX || key->ops == 0)
				abort();
		}
	}
	(void)fclose(r->file);
	free(copy);
	free(r);
	return 0;
}
