/* ducc-thin: build thin images of published images, and push them to a registry. */
#include <stddef.h>
#include <stdio.h>

#include "each.h"
#include "options.h"
#include "output.h"

static struct tool tool;
static const char *layout; /* -o */
static bool operands;
static bool passed, named; /* records without a thin image, and with one */

static int option(int letter, const char *value)
{
	(void)letter;
	layout = value;
	return *value ? 0 : -1;
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

/* In a pipeline, images without a thin one pass; who names an image wants one. */
static int thin(ducc_session *session, ducc_record *record, ducc_error **err)
{
	bool has_name = layout || ducc_record_get(record, "thin");

	passed |= !has_name;
	named |= has_name;
	if (operands && !has_name) {
		tool_report(&tool, ducc_record_reference(record),
			    "nowhere to push it: use -o, or a record with thin=");
		return 1;
	}
	return ducc_thin(session, record, layout, err);
}

int main(int argc, char **argv)
{
	static const struct each each = {.work = thin};
	int first = tool_options(&tool, argc, argv), status;

	operands = first < argc;
	tool_keep_secrets();
	status = tool_each(&tool, &each, argv + first, argc - first);
	if (passed && !named && !operands && tool.verbosity >= 0)
		fprintf(stderr,
			"%s: warning: no record names a thin image (thin=), so none was pushed\n",
			tool.name);
	return status;
}
