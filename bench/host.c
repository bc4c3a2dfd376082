/* Reads the machine's description out of /proc and /sys and prints it. */
#define _GNU_SOURCE
#include "host.h"

#include <stdbool.h>
#include <string.h>
#include <sys/utsname.h>

#include "affinity.h"
#include "sentinel_atomic.h"

/* First line of a file, without its newline. */
static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool ok;

	if (file == NULL)
		return false;
	ok = fgets(line, (int)size, file) != NULL;
	(void)fclose(file);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

static void read_processor(char *model, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[512];

	(void)snprintf(model, size, "unknown");
	if (file == NULL)
		return;
	while (fgets(line, sizeof line, file) != NULL) {
		char *value = strchr(line, ':');

		if (value == NULL || strncmp(line, "model name", 10) != 0)
			continue;
		value += 1 + (value[1] == ' ');
		value[strcspn(value, "\n")] = '\0';
		(void)snprintf(model, size, "%s", value);
		break;
	}
	(void)fclose(file);
}

/* What two readings in a row differ by, most of the time: the counter's step, or what reading it costs. Latencies are
 * not known better than to this. The least of each hundred, and of those the greatest: single ones may be odd. */
static uint64_t measure_step(void)
{
	uint64_t step = 0;

	for (int i = 0; i < 100; i++) {
		uint64_t least = UINT64_MAX;

		for (int k = 0; k < 100; k++) {
			uint64_t before = snt_ticks(), difference = snt_ticks() - before;

			if (difference != 0 && difference < least)
				least = difference;
		}
		if (least != UINT64_MAX && least > step)
			step = least;
	}
	return step;
}

void snt_host_read(struct snt_host *host)
{
	struct utsname name;

	memset(host, 0, sizeof *host);
	read_processor(host->processor, sizeof host->processor);
	if (uname(&name) == 0)
		(void)snprintf(host->kernel, sizeof host->kernel, "%.32s %.90s", name.sysname, name.release);
	if (!read_line("/sys/devices/system/cpu/isolated", host->isolated, sizeof host->isolated) ||
	    host->isolated[0] == '\0')
		(void)snprintf(host->isolated, sizeof host->isolated, "none");
	host->cores_usable = snt_cores_usable();
	host->ticks_per_s = snt_ticks_per_s();
	host->tick_step = measure_step();
	host->client_cpu = host->lane_cpu = host->share_l3 = -1;
	host->link = "none";
}

static bool read_l3(int cpu, char *list, size_t size)
{
	char path[128];

	(void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index3/shared_cpu_list", cpu);
	return read_line(path, list, size);
}

void snt_host_place(struct snt_host *host, int client_cpu, int lane_cpu)
{
	char client[256], lane[256];

	host->client_cpu = client_cpu;
	host->lane_cpu = lane_cpu;
	host->share_l3 = -1;
	if (lane_cpu >= 0 && read_l3(client_cpu, client, sizeof client) && read_l3(lane_cpu, lane, sizeof lane))
		host->share_l3 = strcmp(client, lane) == 0;
}

void snt_host_print(const struct snt_host *host, FILE *to)
{
	(void)fprintf(to, "processor  %s, %u core%s usable, isolated: %s\n", host->processor, host->cores_usable,
		      host->cores_usable == 1 ? "" : "s", host->isolated);
	(void)fprintf(to, "kernel     %s\n", host->kernel);
	(void)fprintf(to, "clock      %.6f GHz, read to %.1f ns\n", (double)host->ticks_per_s / 1e9,
		      (double)host->tick_step * 1e9 / (double)host->ticks_per_s);
	(void)fprintf(to, "rings      %s\n",
		      host->page_bytes > 4096 ? "on a reserved huge page"
					      : "on 4 KiB pages: no huge page is reserved (vm.nr_hugepages)");
	if (host->lane_cpu < 0)
		(void)fprintf(to, "threads    client on processor %d, lane not pinned\n", host->client_cpu);
	else
		(void)fprintf(to, "threads    client on processor %d, lane on %d, %s\n", host->client_cpu,
			      host->lane_cpu,
			      host->client_cpu == host->lane_cpu ? "sharing a core: every wait yields"
			      : host->share_l3 > 0               ? "sharing a last-level cache (says the kernel)"
			      : host->share_l3 == 0              ? "last-level caches of their own"
								 : "caches unknown");
	if (strcmp(host->link, "none") != 0)
		(void)fprintf(to, "link       %s\n", host->link);
}

void snt_host_json_string(const char *text, FILE *to)
{
	(void)fputc('"', to);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			(void)fprintf(to, "\\%c", c);
		else if (c < 0x20)
			(void)fprintf(to, "\\u%04x", c);
		else
			(void)fputc(c, to);
	}
	(void)fputc('"', to);
}

void snt_host_json(const struct snt_host *host, FILE *to)
{
	(void)fprintf(to, "{\"processor\": ");
	snt_host_json_string(host->processor, to);
	(void)fprintf(to, ", \"cores_usable\": %u, \"kernel\": ", host->cores_usable);
	snt_host_json_string(host->kernel, to);
	(void)fprintf(to, ", \"isolated\": ");
	snt_host_json_string(host->isolated, to);
	(void)fprintf(to,
		      ", \"ticks_per_s\": %llu, \"tick_step\": %llu, \"page_bytes\": %u, \"client_cpu\": %d, "
		      "\"lane_cpu\": %d, \"share_l3\": %s, \"link\": \"%s\"}",
		      (unsigned long long)host->ticks_per_s, (unsigned long long)host->tick_step, host->page_bytes,
		      host->client_cpu, host->lane_cpu,
		      host->share_l3 < 0 ? "null" : (host->share_l3 ? "true" : "false"), host->link);
}
