/* ducc-thin: build thin images of published images, and push them to a registry. */
#include "tool.h"

#include <stddef.h>

static struct tool tool;
static const char *layout; /* -o */

static int option(int letter, const char *value)
{
	(void)letter;
	layout = value;
	return 0;
}

static struct tool tool = {
	.name = "ducc-thin",
	.usage = "[-hnqvV] [-N file] [-o dir] [-r repository] [-s store]\n"
		 "                 [image ...]",
	.letters = "o:",
	.option = option,
};

int main(int argc, char **argv)
{
	int first = tool_options(&tool, argc, argv);
	ducc_session *session;
	struct input *input;
	ducc_record *record;

	tool_keep_secrets();
	session = tool_session(&tool);
	input = tool_input(&tool, argv + first, argc - first);
	while ((record = input_next(input, true))) {
		ducc_error *err = NULL;

		if (ducc_thin(session, record, layout, &err) < 0)
			tool_fail(&tool, ducc_record_reference(record), err);
		else
			tool_done(&tool, record);
		ducc_record_free(record);
	}
	input_free(input);
	ducc_close(session);
	return tool_status(&tool);
}
