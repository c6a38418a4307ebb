/* ducc-wish: read wish lists, and print the wanted images. */
#include "input.h"
#include "options.h"
#include "output.h"

static struct tool tool;
static const char *news; /* -m */

static int option(int letter, const char *value)
{
	(void)letter;
	news = value;
	return 0;
}

static const struct tool_option own[] = {
	{'j', "jobs", "registries", "number of registries to query in parallel"},
	{'m', "match", "records", "print only images that occur in records"},
	{0},
};

static struct tool tool = {
	.name = "ducc-wish",
	.usage = "[option ...] [list ...]",
	.own = own,
	.option = option,
};

/* Readers of the records do not see the exit status, but fail on this record. */
static void print_incomplete(void)
{
	ducc_record *record = ducc_record_parse("?\tincomplete=yes", NULL);

	tool_done(&tool, record);
	ducc_record_free(record);
}

/* Readers would take a part of the list for the whole: what follows is printed after a signal, too. */
static bool take(void *ctx, ducc_record *record, ducc_error *err)
{
	tool_hold_signals();
	return tool_take(ctx, record, err);
}

int main(int argc, char **argv)
{
	static const char *const standard_input[] = {"-"};
	int first = tool_options(&tool, argc, argv);
	size_t n = (size_t)(argc - first);
	ducc_session *session;
	const char *const *lists = n ? (const char *const *)(argv + first) : standard_input;

	if (!n)
		input_refuse_terminal(&tool);
	tool_keep_secrets();
	tool_allow_cancel(&tool);
	session = tool_session(&tool);
	if (ducc_wish(session, lists, n ? n : 1, news, take, &tool) < 0)
		print_incomplete();
	ducc_close(session);
	return tool_status(&tool);
}
