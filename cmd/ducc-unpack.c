/* ducc-unpack: unpack the layers of fetched images, and merge their listings. */
#include <stddef.h>

#include "each.h"
#include "options.h"

/*
 * Images to work on at once, if layers are unpacked in parallel; the library bounds the rest.
 *
 * A layer may have hard links to files of the first image that was unpacked with it, which is then to
 * be published first.  So records are printed in order.
 */
#define AT_ONCE 16

static struct tool tool;
static const char *directory; /* -x */

static int option(int letter, const char *value)
{
	switch (letter) {
	case 'x':
		directory = value;
		return 0;
	case 'l':
		return tool_parse_limits(&tool, value);
	default:
		return -1;
	}
}

static const struct tool_option own[] = {
	TOOL_OPTION_FAILED,
	{'j', "jobs", "jobs", "number of layers to unpack in parallel"},
	{'l', "limit", "name=value,...", "refuse images that exceed the limit"},
	{'x', "extract", "directory", "also extract the root file system"},
	{0},
};

static struct tool tool = {
	.name = "ducc-unpack",
	.usage = "[option ...] [image ...]",
	.own = own,
	.option = option,
};

static int unpack(ducc_session *session, ducc_record *record, ducc_error **err)
{
	if (ducc_unpack(session, record, err) < 0)
		return -1;
	if (!directory || tool.options.dry_run)
		return 0;
	return ducc_extract(session, record, directory, err);
}

static int confine(ducc_session *session, ducc_error **err)
{
	return ducc_confine(session, DUCC_CONFINE_UNPACK, directory, err);
}

int main(int argc, char **argv)
{
	struct each each = {.work = unpack, .prepare = confine, .in_order = true};
	int first = tool_options(&tool, argc, argv);

	tool_raise_files(); /* two for each new layer until it is merged, and an image may have many */
	each.at_once = tool.options.jobs == 1 || directory ? 1 : AT_ONCE;
	return tool_each(&tool, &each, argv + first, argc - first);
}
