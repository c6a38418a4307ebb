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

static const struct tool_option own[] = {
	TOOL_OPTION_FAILED,
	{'o', "output", "directory", "write an OCI image layout instead"},
	{0},
};

static struct tool tool = {
	.name = "ducc-thin",
	.usage = "[option ...] [image ...]",
	.own = own,
	.option = option,
};

static int thin(ducc_session *session, ducc_record *record, ducc_error **err)
{
	return ducc_thin(session, record, layout, err);
}

int main(int argc, char **argv)
{
	int first = tool_options(&tool, argc, argv);

	tool_keep_secrets();
	return tool_each(&tool, argv + first, argc - first, thin);
}
