/* ducc-unpack: unpack fetched images, layer by layer, and merge them. */
#include <stddef.h>

#include "tool.h"

static struct tool tool;
static const char *directory; /* -x */

static int option(int letter, const char *value)
{
	switch (letter) {
	case 'x':
		directory = value;
		return 0;
	case 'l':
		return tool_parse_size(value, &tool.options.layer_limit) ? 0 : -1;
	default:
		return tool_parse_number(value, 1000, &tool.options.jobs) ? 0 : -1;
	}
}

static struct tool tool = {
	.name = "ducc-unpack",
	.usage = "[-N file] [-s store] [-r repo] [-j n] [-x dir] [-l limit] [-nqvhV] [image ...]",
	.letters = "j:x:l:",
	.option = option,
};

static int unpack(ducc_session *session, const ducc_record *record, ducc_error **err)
{
	if (ducc_unpack(session, record, err) < 0)
		return -1;
	if (!directory || tool.options.dry_run)
		return 0;
	return ducc_extract(session, record, directory, err);
}

int main(int argc, char **argv)
{
	int first = tool_options(&tool, argc, argv);
	ducc_session *session = tool_session(&tool);
	struct input *input = tool_input(&tool, argv + first, argc - first);
	ducc_record *record;

	while ((record = input_next(input, true))) {
		ducc_error *err = NULL;

		if (unpack(session, record, &err) < 0)
			tool_fail(&tool, ducc_record_reference(record), err);
		else
			tool_done(&tool, record);
		ducc_record_free(record);
	}
	input_free(input);
	ducc_close(session);
	return tool_status(&tool);
}
