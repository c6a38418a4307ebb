/* ducc-check: compare a repository with its manifests and listings, or check the store. */
#include <stdio.h>
#include <stdlib.h>

#include "options.h"
#include "output.h"

static struct tool tool;
static struct ducc_check_options options = {.size = sizeof(options)};
static struct ducc_store_check_options store_options = {.size = sizeof(store_options)};
static bool repair, check_store;

static int option(int letter, const char *value)
{
	(void)value;
	switch (letter) {
	case 'd':
		options.contents = true;
		return 0;
	case 'R':
		repair = true;
		return 0;
	case 'S':
		check_store = true;
		return 0;
	default:
		return -1;
	}
}

static const struct tool_option own[] = {
	{'d', "digest", NULL, "also compare the contents of files"},
	{'j', "jobs", "jobs", "number of layers or files to check in parallel"},
	{'R', "repair", NULL, "print records of what must be published again"},
	{'S', "check-store", NULL, "check the store instead"},
	{0},
};

static struct tool tool = {
	.name = "ducc-check",
	.usage = "[option ...] [image ...]\n"
		 "       ducc-check --check-store [option ...]",
	.own = own,
	.option = option,
};

/* In place of the differences, --repair prints records: then they are messages. */
static bool on_difference(void *ctx, const struct ducc_difference *difference)
{
	char *line = ducc_difference_format(difference);
	bool more = true;

	(void)ctx;
	tool.failed++;
	if (!repair) {
		puts(line);
		more = tool_printed(&tool);
	} else if (tool.verbosity >= 0)
		fprintf(stderr, "%s: %s\n", tool.name, line);
	free(line);
	return more;
}

static bool on_broken(void *ctx, ducc_record *record)
{
	(void)ctx;
	tool_done(&tool, record);
	ducc_record_free(record);
	return true;
}

static int check(ducc_session *session, ducc_error **err)
{
	return check_store ? ducc_store_check(session, &store_options, err)
			   : ducc_check(session, &options, err);
}

int main(int argc, char **argv)
{
	int first = tool_options(&tool, argc, argv);
	ducc_session *session;
	ducc_error *err = NULL;

	if (check_store && (argc > first || repair || options.contents))
		tool_usage(&tool);
	store_options.difference = on_difference;
	options.images = (const char *const *)(argv + first);
	options.n_images = (size_t)(argc - first);
	options.difference = on_difference;
	options.broken = repair ? on_broken : NULL;
	tool_catch_signals(&tool);
	session = tool_session(&tool);
	if (check(session, &err) < 0)
		tool_fail_all(&tool, err);
	ducc_close(session);
	return tool_status(&tool);
}
