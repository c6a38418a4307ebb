/* ducc-fetch: download and verify images, and pin their references. */
#include "tool.h"

static struct tool tool;

static int option(int letter, const char *value)
{
	if (letter == 'p')
		tool.options.platform = value;
	else if (letter == 'j' && !tool_parse_number(value, 1000, &tool.options.jobs))
		return -1;
	return 0;
}

static struct tool tool = {
	.name = "ducc-fetch",
	.usage = "[-N file] [-s store] [-r repo] [-j n] [-p platform] [-nqvhV] [image ...]",
	.letters = "j:p:",
	.option = option,
};

int main(int argc, char **argv)
{
	int first = tool_options(&tool, argc, argv);
	ducc_session *session = tool_session(&tool);
	struct input *input = tool_input(&tool, argv + first, argc - first);
	ducc_record *record;

	while ((record = input_next(input, true))) {
		ducc_error *err = NULL;

		/* The record may be pinned before something fails: name it as it came. */
		if (ducc_fetch(session, record, &err) < 0)
			tool_fail(&tool, ducc_record_reference(record), err);
		else
			tool_done(&tool, record);
		ducc_record_free(record);
	}
	input_free(input);
	ducc_close(session);
	return tool_status(&tool);
}
