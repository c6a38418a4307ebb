/* ducc-ls: list the images in a repository or a store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "options.h"
#include "output.h"

#define DAY 86400u
#define DEFAULT_DAYS 30u /* as in ducc-gc */
#define SHORT_DIGEST 12  /* digits */
#define DATE 10          /* characters of a time, YYYY-MM-DD hh:mm, to print */
#define MINUTE 16

enum { JSON = TOOL_LONG, REMOTE };

static struct tool tool;
static struct ducc_list_options options = {.size = sizeof(options)};
static unsigned days = DEFAULT_DAYS;
static bool detailed, columns, json;
static size_t n_images; /* printed so far */

static int option(int letter, const char *value)
{
	switch (letter) {
	case 'c':
		columns = true;
		return 0;
	case 'g':
		return tool_parse_number(value, 36500, &days);
	case 'l':
		detailed = true;
		return 0;
	case 'S':
		options.store = true;
		return 0;
	case JSON:
		json = true;
		return 0;
	case REMOTE:
		options.remote = true;
		return 0;
	default:
		return -1;
	}
}

static const struct tool_option own[] = {
	{'c', "columns", NULL, "print columns, even if not on a terminal"},
	{'g', "grace", "days", "the grace period of ducc-gc"},
	{'j', "jobs", "jobs", "number of images to read in parallel"},
	{JSON, "json", NULL, "print JSON"},
	{'l', "long", NULL, "print more about each image"},
	{REMOTE, "remote", NULL, "ask the registries if the images are current"},
	{'S', "list-store", NULL, "list the store instead"},
	{0},
};

static struct tool tool = {
	.name = "ducc-ls",
	.usage = "[option ...] [image ...]",
	.own = own,
	.option = option,
};

/* --- JSON -------------------------------------------------------------- */

static void print_string(const char *text)
{
	char *shown = ducc_printable(text);

	putchar('"');
	for (const char *p = shown; *p; p++) {
		if (*p == '"' || *p == '\\')
			putchar('\\');
		putchar(*p);
	}
	putchar('"');
	free(shown);
}

static bool is_number(const char *key)
{
	return !strcmp(key, "size") || !strcmp(key, "own") || !strcmp(key, "layers");
}

static const char *digest_in(const ducc_record *record)
{
	const char *at = strrchr(ducc_record_reference(record), '@');

	return at ? at + 1 : NULL;
}

static void print_object(const ducc_record *record)
{
	const char *key, *value, *digest = digest_in(record);

	fputs(n_images ? ",\n{\"reference\":" : "[\n{\"reference\":", stdout);
	print_string(ducc_record_reference(record));
	if (digest) {
		fputs(",\"digest\":", stdout);
		print_string(digest);
	}
	for (size_t i = 0; ducc_record_field(record, i, &key, &value); i++) {
		putchar(',');
		print_string(key);
		putchar(':');
		if (is_number(key))
			fputs(value, stdout);
		else
			print_string(value);
	}
	putchar('}');
}

/* --- columns ------------------------------------------------------------ */

/* Prints a time of a record, in the local time zone, in `width` characters. */
static void print_time(const char *text, int width)
{
	struct tm tm = {.tm_isdst = 0};
	char shown[32] = "-";
	time_t when;

	if (text && strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm)) {
		when = timegm(&tm);
		localtime_r(&when, &tm);
		strftime(shown, sizeof(shown), "%Y-%m-%d %H:%M", &tm);
	}
	printf("%-*.*s", width, width, shown);
}

static void print_megabytes(const char *bytes)
{
	if (bytes)
		printf("  %9.1f", (double)strtoull(bytes, NULL, 10) / 1e6);
	else
		printf("  %9s", "-");
}

/* What is remarkable about the image follows its name, in parentheses. */
static bool remarked;

static void remark(const char *label, const char *text)
{
	char *shown = ducc_printable(text);

	printf("%s%s%s", remarked ? "; " : "  (", label, shown);
	remarked = true;
	free(shown);
}

static void remark_state(const ducc_record *record)
{
	static const char *const words[][2] = {
		{"yes", "current"},
		{"no", "outdated"},
		{"gone", "no longer in the registry"},
		{"unknown", "not known: the registry could not be asked"}};
	const char *state = ducc_record_get(record, "state");
	const char *current = ducc_record_get(record, "current");
	const char *damaged = ducc_record_get(record, "damaged");

	if (state && strchr(ducc_record_reference(record), '*')) /* a wildcard is no image */
		remark("", "not expanded");
	else if (state)
		remark("", state);
	for (size_t i = 0; current && i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(current, words[i][0]))
			remark("", words[i][1]);
	if (damaged)
		remark("damaged: ", damaged);
}

static void remark_times(const ducc_record *record)
{
	const char *unwanted = ducc_record_get(record, "unwanted");
	const char *failing = ducc_record_get(record, "failing");
	const char *error = ducc_record_get(record, "error");

	if (unwanted) {
		remark("unwanted since ", "");
		print_time(unwanted, DATE);
		fputs(", to be removed on ", stdout);
		print_time(ducc_record_get(record, "remove"), DATE);
	}
	if (failing) {
		remark("failing since ", "");
		print_time(failing, MINUTE);
		if (error)
			printf(": %s", error);
	}
}

static void print_heading(void)
{
	if (detailed)
		printf("%-*s  ", SHORT_DIGEST, "DIGEST");
	printf("%-14s  %9s", "PLATFORM", "SIZE MB");
	if (detailed)
		printf("  %9s  %6s", "OWN MB", "LAYERS");
	printf("  %-*s  IMAGE\n", MINUTE, "SINCE");
}

static void print_columns(const ducc_record *record)
{
	const char *platform = ducc_record_get(record, "platform");
	const char *layers = ducc_record_get(record, "layers");
	const char *list = ducc_record_get(record, "list");
	const char *digest = digest_in(record);
	char *name = ducc_printable(ducc_record_get(record, "name"));

	if (!n_images)
		print_heading();
	if (detailed)
		printf("%-*.*s  ", SHORT_DIGEST, SHORT_DIGEST,
		       digest ? digest + strlen("sha256:") : "-");
	printf("%-14s", platform ? platform : "-");
	print_megabytes(ducc_record_get(record, "size"));
	if (detailed) {
		print_megabytes(ducc_record_get(record, "own"));
		printf("  %6s", layers ? layers : "-");
	}
	fputs("  ", stdout);
	print_time(ducc_record_get(record, "since"), MINUTE);
	printf("  %s", name);
	remarked = false;
	remark_state(record);
	if (detailed && list)
		remark("wanted by ", list);
	remark_times(record);
	puts(remarked ? ")" : "");
	free(name);
}

/* ----------------------------------------------------------------------- */

static bool on_image(void *ctx, ducc_record *record, ducc_error *error)
{
	(void)ctx;
	if (error)
		tool_fail(&tool, NULL, error);
	if (!record)
		return true;
	if (json)
		print_object(record);
	else if (columns)
		print_columns(record);
	else
		tool_done(&tool, record);
	n_images++;
	ducc_record_free(record);
	return tool_printed(&tool);
}

int main(int argc, char **argv)
{
	int first = tool_options(&tool, argc, argv);
	ducc_session *session;
	ducc_error *err = NULL;

	columns = columns || isatty(STDOUT_FILENO);
	options.images = (const char *const *)(argv + first);
	options.n_images = (size_t)(argc - first);
	options.own = detailed || json;
	options.grace = (uint64_t)days * DAY;
	options.image = on_image;
	if (options.remote)
		tool_keep_secrets();
	tool_catch_signals(&tool);
	session = tool_session(&tool);
	if (ducc_list(session, &options, &err) < 0)
		tool_fail_all(&tool, err);
	else if (json)
		puts(n_images ? "\n]" : "[]");
	ducc_close(session);
	return tool_status(&tool);
}
