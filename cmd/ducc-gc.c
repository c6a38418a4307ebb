/* ducc-gc: remove images from a repository: some, or all but some. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "input.h"
#include "options.h"
#include "output.h"

#define DAY 86400u
#define DEFAULT_DAYS 30u  /* unless images to remove are named */
#define DEFAULT_SHARE 10u /* percent */

enum { KEEP = TOOL_LONG, REMOVE };

static struct tool tool;
static const char *days;  /* -g */
static const char *share; /* -m */
static unsigned number_of_days = DEFAULT_DAYS;
static struct ducc_gc_options options = {.size = sizeof(options), .share = DEFAULT_SHARE};
static struct ducc_clean_options clean_options = {.size = sizeof(clean_options)};
static bool keep;  /* the operands */
static bool clean; /* the store, instead of a repository */
static size_t n_removed;

/* Like tool_parse_number(), but from 0. */
static int parse_number(const char *text, unsigned max, unsigned *number)
{
	*number = 0;
	return strcmp(text, "0") ? tool_parse_number(text, max, number) : 0;
}

static int option(int letter, const char *value)
{
	switch (letter) {
	case 'a':
		options.all = true;
		break;
	case 'C':
		options.collect = true;
		break;
	case 'f':
		options.force = true;
		break;
	case 'g':
		days = value;
		return parse_number(value, 36500, &number_of_days);
	case 'm':
		share = value;
		return parse_number(value, 100, &options.share);
	case KEEP:
		keep = true;
		break;
	case REMOVE:
		options.remove = true;
		break;
	case 'M':
		return tool_parse_size(value, &clean_options.limit);
	case 'S':
		clean = true;
		break;
	default:
		return -1;
	}
	return 0;
}

static const struct tool_option own[] = {
	{KEEP, "keep", NULL, "keep these images, and remove all others"},
	{REMOVE, "remove", NULL, "remove these images, and no others"},
	{'a', "all", NULL, "keep every image that has a name"},
	{'C', "collect", NULL, "run `cvmfs_server gc' afterwards"},
	{'f', "force", NULL, "remove however many images"},
	{'g', "grace", "days", "the grace period"},
	{'M', "max-size", "bytes", "with -S: the maximum size of the store"},
	{'m', "max-share", "percent", "refuse to remove more at once"},
	{'S', "clean-store", NULL, "clean the store instead"},
	{'w', "wait", "seconds", "how long to wait for other transactions"},
	TOOL_OPTION_WISHES,
	{0},
};

static struct tool tool = {
	.name = "ducc-gc",
	.usage = "[option ...] [--keep | --remove] [image ...]\n"
		 "       ducc-gc --clean-store [option ...]",
	.own = own,
	.option = option,
};

static void on_removed(void *ctx, const char *path)
{
	(void)ctx;
	n_removed++;
	puts(path);
	tool_printed(&tool);
}

/* Standard output is for what was removed. */
static void on_scheduled(void *ctx, const char *path, const char *day)
{
	(void)ctx;
	if (tool.verbosity >= 0)
		fprintf(stderr, "%s: %s: no longer wanted, scheduled to be removed on %s\n",
			tool.name, path, day);
}

/* Reads all records: without all of them, it is unknown what is to be kept. */
static ducc_record **read_all(struct input *input, size_t *n)
{
	ducc_record **records = NULL, *record;
	size_t capacity = 0;

	while ((record = input_next(input, true))) {
		if (*n == capacity) {
			capacity = capacity * 2 + 64;
			records = tool_allocated(reallocarray(records, capacity, sizeof(*records)));
		}
		records[(*n)++] = record;
	}
	return records;
}

static void collect(ducc_session *session, char **operands, int n_operands)
{
	ducc_record **records = NULL;
	ducc_error *err = NULL;
	size_t n = 0;

	if (!options.all || n_operands) {
		struct input *input = input_new(&tool, operands, n_operands, false);

		records = read_all(input, &n);
		input_free(input);
	}
	options.images = records;
	options.n_images = n;
	options.grace = (uint64_t)number_of_days * DAY;
	options.removed = on_removed;
	options.scheduled = on_scheduled;
	options.check = n_operands > 0;
	/* With a malformed record, the list of images is incomplete. */
	if (!tool.failed && !tool_is_cancelled() && ducc_gc(session, &options, &err) < 0)
		tool_fail_all(&tool, err);
	for (size_t i = 0; i < n; i++)
		ducc_record_free(records[i]);
	free(records);
}

/* Whoever wants space must know why there is no more of it.  In a dry run, notices tell. */
static void explain_nothing(void)
{
	if (n_removed || tool.options.dry_run || tool.verbosity < 0)
		return;
	if (number_of_days)
		fprintf(stderr,
			"%s: nothing that can be removed from the store is older than %u day%s "
			"(see -g)\n",
			tool.name, number_of_days, number_of_days == 1 ? "" : "s");
	else
		fprintf(stderr, "%s: nothing in the store can be removed\n", tool.name);
}

static void clean_store(ducc_session *session)
{
	ducc_error *err = NULL;

	clean_options.grace = (uint64_t)number_of_days * DAY;
	clean_options.removed = on_removed;
	if (ducc_clean(session, &clean_options, &err) < 0)
		tool_fail(&tool, NULL, err);
	else
		explain_nothing();
}

static void refuse(const char *operand, const char *why)
{
	tool_report(&tool, operand, why);
	tool_usage(&tool);
}

/* True for options that --clean-store does not have. */
static bool is_for_repository(void)
{
	return keep || options.remove || options.all || options.collect || options.force || share ||
	       tool.options.wait || tool.options.wishes;
}

/* Operands can be meant in two ways, and the wrong one would be a disaster. */
static void check_usage(char **operands, int n)
{
	if (clean && n)
		refuse(*operands, "--clean-store takes no images");
	if (clean ? is_for_repository()
		  : clean_options.limit || keep + options.remove + options.all > 1)
		tool_usage(&tool);
	if (options.all && n)
		refuse(*operands, "--all takes no images; a repository is given with -r");
	if (clean || !n || keep || options.remove)
		return;
	refuse(*operands, "use --remove to remove it, or --keep to keep it and remove all others");
}

/* Images to remove that are named go at once, and however many they are. */
static void set_defaults(char **operands, int n)
{
	bool named = n > 0;

	if (!options.remove)
		return;
	if (!days)
		number_of_days = 0;
	for (int i = 0; i < n; i++)
		named = named && !strchr(operands[i], '*');
	if (named && !share)
		options.share = 100;
}

int main(int argc, char **argv)
{
	int first = tool_options(&tool, argc, argv);
	ducc_session *session;

	check_usage(argv + first, argc - first);
	set_defaults(argv + first, argc - first);
	umask(S_IWGRP | S_IWOTH); /* a repository is for all users */
	tool_catch_signals(&tool);
	session = tool_session(&tool);
	if (clean)
		clean_store(session);
	else
		collect(session, argv + first, argc - first);
	ducc_close(session);
	return tool_status(&tool);
}
