/* ducc-fetch: download and verify images, and pin their references. */
#include <stdlib.h>

#include "tool.h"

static struct tool tool;
static bool all_platforms;

static int option(int letter, const char *value)
{
	if (letter == 'a')
		all_platforms = true;
	else if (letter == 'F')
		tool.options.foreign = true;
	else if (letter == 'p')
		tool.options.platform = value;
	else if (letter == 'j' && !tool_parse_number(value, 1000, &tool.options.jobs))
		return -1;
	return 0;
}

static const struct option long_options[] = {
	{"all-platforms", no_argument, NULL, 'a'},
	{NULL, 0, NULL, 0},
};

static struct tool tool = {
	.name = "ducc-fetch",
	.usage = "[-FhnqvV] [-j jobs] [-N file] [-p platform | -a]\n"
		 "                  [-r repository] [-s store] [image ...]",
	.letters = "aFj:p:",
	.long_options = long_options,
	.option = option,
};

static void fetch(ducc_session *session, ducc_record *record)
{
	ducc_error *err = NULL;

	if (ducc_fetch(session, record, &err) < 0)
		tool_fail(&tool, ducc_record_reference(record), err);
	else
		tool_done(&tool, record);
}

/* Fetches a copy of the record for each platform of the image. */
static void fetch_all(ducc_session *session, ducc_record *record)
{
	ducc_error *err = NULL;
	char **platforms;

	platforms = ducc_platforms(session, record, &err);
	if (!platforms) {
		tool_fail(&tool, ducc_record_reference(record), err);
		return;
	}
	if (!*platforms)
		fetch(session, record);
	for (char **platform = platforms; *platform; platform++) {
		ducc_record *copy = ducc_record_copy(record);

		if (ducc_record_set(copy, "platform", *platform, &err) < 0) {
			tool_fail(&tool, ducc_record_reference(record), err);
			err = NULL;
		} else {
			fetch(session, copy);
		}
		ducc_record_free(copy);
		free(*platform);
	}
	free(platforms);
}

int main(int argc, char **argv)
{
	int first = tool_options(&tool, argc, argv);
	ducc_session *session;
	struct input *input;
	ducc_record *record;

	if (all_platforms && tool.options.platform)
		tool_usage(&tool);
	tool_keep_secrets();
	session = tool_session(&tool);
	input = tool_input(&tool, argv + first, argc - first);
	while ((record = input_next(input, true))) {
		if (all_platforms)
			fetch_all(session, record);
		else
			fetch(session, record);
		ducc_record_free(record);
	}
	input_free(input);
	ducc_close(session);
	return tool_status(&tool);
}
