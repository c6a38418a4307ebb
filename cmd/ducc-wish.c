/* ducc-wish: read wish lists, and print the images that are wanted. */
#include <stdio.h>

#include "tool.h"

static struct tool tool;

static int option(int letter, const char *value)
{
	(void)letter;
	return tool_parse_number(value, 1000, &tool.options.jobs) ? 0 : -1;
}

static struct tool tool = {
	.name = "ducc-wish",
	.usage = "[-N file] [-r repo] [-j n] [-nqvhV] [list ...]",
	.letters = "j:",
	.option = option,
};

static void on_wanted(void *ctx, ducc_record *record, ducc_error *error)
{
	(void)ctx;
	if (error)
		tool_fail(&tool, NULL, error);
	if (record)
		tool_done(&tool, record);
	ducc_record_free(record);
}

int main(int argc, char **argv)
{
	static const char *const standard_input[] = {"-"};
	int first = tool_options(&tool, argc, argv);
	size_t n = (size_t)(argc - first);
	ducc_session *session = tool_session(&tool);
	const char *const *lists = n ? (const char *const *)(argv + first) : standard_input;

	/* For ducc-gc, which does not see the exit status. */
	if (ducc_wish(session, lists, n ? n : 1, on_wanted, NULL) < 0)
		puts("# incomplete: a wish list could not be read");
	ducc_close(session);
	return tool_status(&tool);
}
