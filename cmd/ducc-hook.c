/* ducc-hook: read a registry's notification, and print what was pushed and deleted. */
#include <unistd.h>

#include "tool.h"

static struct tool tool;
static const char *registry; /* -H */

static int option(int letter, const char *value)
{
	(void)letter;
	registry = value;
	return *value ? 0 : -1;
}

static struct tool tool = {
	.name = "ducc-hook",
	.usage = "[-N file] [-r repo] [-H registry] [-nqvhV]",
	.letters = "H:",
	.option = option,
};

static void on_event(void *ctx, ducc_record *record, ducc_error *error)
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
	ducc_session *session;
	ducc_error *err = NULL;

	if (tool_options(&tool, argc, argv) < argc)
		tool_usage(&tool);
	session = tool_session(&tool);
	if (ducc_hook(session, STDIN_FILENO, registry, on_event, NULL, &err) < 0)
		tool_fail(&tool, NULL, err);
	ducc_close(session);
	return tool_status(&tool);
}
