/* ducc-gc: remove images that are no longer wanted from a repository. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

#define DAY 86400u
#define DEFAULT_DAYS 30u
#define DEFAULT_SHARE 10u /* percent */

static struct tool tool;
static unsigned days = DEFAULT_DAYS;
static struct ducc_gc_options options = {.size = sizeof(options), .share = DEFAULT_SHARE};
static struct ducc_clean_options clean_options = {.size = sizeof(clean_options)};
static bool clean; /* the store, instead of a repository */

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
		days = 0;
		return !strcmp(value, "0") || tool_parse_number(value, 36500, &days) ? 0 : -1;
	case 'm':
		options.share = 0;
		return !strcmp(value, "0") || tool_parse_number(value, 100, &options.share) ? 0
											    : -1;
	case 'M':
		return tool_parse_size(value, &clean_options.limit) ? 0 : -1;
	case 'S':
		clean = true;
		break;
	default:
		return tool_parse_number(value, 31536000, &tool.options.wait) ? 0 : -1;
	}
	return 0;
}

static const struct tool_option own[] = {
	{'a', "all", NULL, "keep every image that has a name"},
	{'C', "collect", NULL, "run `cvmfs_server gc' afterwards"},
	{'f', "force", NULL, "remove however many images"},
	{'g', "grace", "days", "the grace period"},
	{'M', "max-size", "bytes", "with -S: the maximum size of the store"},
	{'m', "max-share", "percent", "refuse to remove more at once"},
	{'S', "clean-store", NULL, "clean the store instead"},
	{'w', "wait", "seconds", "how long to wait for other transactions"},
	{0},
};

static struct tool tool = {
	.name = "ducc-gc",
	.usage = "[option ...] [image ...]\n"
		 "       ducc-gc --clean-store [option ...]",
	.own = own,
	.option = option,
};

static void on_removed(void *ctx, const char *path)
{
	(void)ctx;
	puts(path);
}

/* Reads all records: an image that is not among them is not wanted. */
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
		struct input *input = tool_input(&tool, operands, n_operands);

		records = read_all(input, &n);
		input_free(input);
	}
	options.wanted = records;
	options.n_wanted = n;
	options.grace = (uint64_t)days * DAY;
	options.removed = on_removed;
	/* With a malformed record, the set of wanted images is incomplete. */
	if (!tool.failed && !tool_is_cancelled() && ducc_gc(session, &options, &err) < 0)
		tool_fail(&tool, NULL, err);
	for (size_t i = 0; i < n; i++)
		ducc_record_free(records[i]);
	free(records);
}

static void clean_store(ducc_session *session)
{
	ducc_error *err = NULL;

	clean_options.grace = (uint64_t)days * DAY;
	clean_options.removed = on_removed;
	if (ducc_clean(session, &clean_options, &err) < 0)
		tool_fail(&tool, NULL, err);
}

int main(int argc, char **argv)
{
	int first = tool_options(&tool, argc, argv);
	ducc_session *session;

	tool_catch_signals(&tool);
	session = tool_session(&tool);
	if (clean)
		clean_store(session);
	else
		collect(session, argv + first, argc - first);
	ducc_close(session);
	return tool_status(&tool);
}
