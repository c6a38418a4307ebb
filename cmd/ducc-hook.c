/* ducc-hook: read a notification of a registry, and print the images pushed or deleted. */
#include <unistd.h>

#include "input.h"
#include "options.h"
#include "output.h"

static struct tool tool;
static const char *registry; /* -H */

static int option(int letter, const char *value)
{
	(void)letter;
	registry = value;
	return *value ? 0 : -1;
}

static const struct tool_option own[] = {
	{'H', "registry", "registry", "the name of the registry"},
	{0},
};

static struct tool tool = {
	.name = "ducc-hook",
	.usage = "[option ...]",
	.own = own,
	.option = option,
};

int main(int argc, char **argv)
{
	ducc_session *session;
	ducc_error *err = NULL;

	if (tool_options(&tool, argc, argv) < argc)
		tool_usage(&tool);
	input_refuse_terminal(&tool);
	session = tool_session(&tool);
	if (ducc_hook(session, STDIN_FILENO, registry, tool_take, &tool, &err) < 0)
		tool_fail_all(&tool, err);
	ducc_close(session);
	return tool_status(&tool);
}
