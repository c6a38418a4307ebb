/* ducc-fetch: download and verify images, and pin their references. */
#include <stdlib.h>

#include "each.h"
#include "options.h"
#include "output.h"
#include "progress.h"

/*
 * Images to work on at once.  Most of them wait for their registry, and few have anything to
 * download; the library bounds the rest.
 */
#define AT_ONCE 48

static struct tool tool;
static bool all_platforms;

static int option(int letter, const char *value)
{
	if (letter == 'a')
		all_platforms = true;
	else if (letter == 'F')
		tool.options.foreign = true;
	else if (letter == 'l')
		return tool_parse_limits(&tool, value);
	else if (letter == 'p')
		tool.options.platform = value;
	else
		return -1;
	return 0;
}

static const struct tool_option own[] = {
	{'a', "all-platforms", NULL, "fetch the image for all its platforms"},
	TOOL_OPTION_FAILED,
	{'F', "foreign", NULL, "fetch non-distributable layers"},
	{'j', "jobs", "jobs", "number of layers to transfer in parallel"},
	{'l', "limit", "name=value,...", "refuse images that exceed the limit"},
	{'p', "platform", "platform", "choose the image for this platform"},
	{0},
};

static struct tool tool = {
	.name = "ducc-fetch",
	.usage = "[option ...] [image ...]",
	.own = own,
	.option = option,
};

/* Fetches the image, and prints its record, or a comment if it is skipped.  Returns 1. */
static int fetch_one(ducc_session *session, ducc_record *record)
{
	ducc_error *err = NULL;
	int result = ducc_fetch(session, record, &err);

	if (result < 0)
		tool_fail_record(&tool, record, err);
	else if (result)
		tool_skip(&tool, record);
	else
		tool_done(&tool, record);
	return 1;
}

/* Fetches the image, or a copy of the record for each platform of the image. */
static int fetch(ducc_session *session, ducc_record *record, ducc_error **err)
{
	char **platforms;

	if (!all_platforms)
		return fetch_one(session, record);
	platforms = ducc_platforms(session, record, err);
	if (!platforms)
		return -1;
	if (!*platforms)
		fetch_one(session, record);
	for (size_t i = 1; *platforms && platforms[i]; i++)
		progress_begin_images(1);
	for (char **platform = platforms; *platform; platform++) {
		ducc_record *copy = ducc_record_copy(record);
		ducc_error *error = NULL;

		if (ducc_record_set(copy, "platform", *platform, &error) < 0)
			tool_fail_record(&tool, record, error);
		else
			fetch_one(session, copy);
		ducc_record_free(copy);
		free(*platform);
	}
	free(platforms);
	return 1;
}

static int confine(ducc_session *session, ducc_error **err)
{
	return ducc_confine(session, DUCC_CONFINE_FETCH, NULL, err);
}

int main(int argc, char **argv)
{
	struct each each = {.work = fetch, .prepare = confine};
	int first = tool_options(&tool, argc, argv);

	if (all_platforms && tool.options.platform)
		tool_usage(&tool);
	tool_keep_secrets();
	tool_raise_files(); /* one for each layer that waits to be transferred, of many images */
	each.at_once = tool.options.jobs == 1 ? 1 : AT_ONCE;
	return tool_each(&tool, &each, argv + first, argc - first);
}
