/* The command line of a tool: see options.h. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

#define MAX_OPTIONS 64

static const struct tool_option common[] = {
	{'h', "help", NULL, "print this help and exit"},
	{'N', "notify", "file", "append events to file"},
	{'n', "dry-run", NULL, "report what would be done, without doing it"},
	{'q', "quiet", NULL, "report only errors"},
	{'r', "repository", "repository", "use this repository"},
	{'s', "store", "directory", "use this store"},
	{'V', "version", NULL, "print the version and exit"},
	{'v', "verbose", NULL, "be verbose; twice: print more detail"},
	{0},
};

static void print_options(const struct tool_option *options)
{
	for (; options && options->name; options++) {
		const char *argument = options->argument ? options->argument : "";
		char letter[] = "-x,";

		letter[1] = (char)options->letter;
		printf("  %3s --%s%s%-*s  %s\n", options->letter < TOOL_LONG ? letter : "",
		       options->name, *argument ? "=" : "",
		       (int)(22 - strlen(options->name) - (*argument != '\0')), argument,
		       options->help);
	}
}

static void help(const struct tool *tool)
{
	printf("usage: %s %s\n\n", tool->name, tool->usage);
	print_options(tool->own);
	print_options(common);
	printf("\nSee %s(1) for details.\n", tool->name);
}

void tool_usage(const struct tool *tool)
{
	fprintf(stderr, "usage: %s %s\nTry `%s --help'.\n", tool->name, tool->usage, tool->name);
	exit(EXIT_USAGE);
}

/* The forms of the options that getopt_long(3) takes. */
struct forms {
	char letters[2 * MAX_OPTIONS + 1];
	struct option names[MAX_OPTIONS + 1];
	size_t n_letters, n;
};

static void add_forms(struct forms *forms, const struct tool_option *options)
{
	for (; options && options->name; options++) {
		if (forms->n == MAX_OPTIONS)
			abort();
		forms->names[forms->n++] = (struct option){
			.name = options->name,
			.has_arg = options->argument ? required_argument : no_argument,
			.val = options->letter};
		if (options->letter >= TOOL_LONG)
			continue;
		forms->letters[forms->n_letters++] = (char)options->letter;
		if (options->argument)
			forms->letters[forms->n_letters++] = ':';
	}
}

static const char *option_name(const struct tool *tool, int letter)
{
	const struct tool_option *option = tool->own;

	while (option->letter != letter)
		option++;
	return option->name;
}

/* Returns -1 for a bad value. */
static int option(struct tool *tool, int letter)
{
	switch (letter) {
	case 's':
		tool->options.store = optarg;
		break;
	case 'N':
		tool->options.notify = optarg;
		break;
	case 'r':
		tool->options.repository = optarg;
		break;
	case 'n':
		tool->options.dry_run = true;
		if (tool->verbosity < 1)
			tool->verbosity = 1;
		break;
	case 'q':
		tool->verbosity = -1;
		break;
	case 'v':
		tool->verbosity++;
		break;
	case 'j':
		return tool_parse_number(optarg, 1000, &tool->options.jobs);
	case 'w':
		return tool_parse_number(optarg, 31536000, &tool->options.wait);
	case TOOL_FAILED:
		tool_keep_failures(tool, optarg);
		break;
	case TOOL_WISHES:
		tool->options.wishes = optarg;
		break;
	case 'h':
		help(tool);
		tool_flush(tool);
		exit(EXIT_SUCCESS);
	case 'V':
		printf("%s %s\n", tool->name, DUCC_VERSION);
		tool_flush(tool);
		exit(EXIT_SUCCESS);
	default:
		return tool->option(letter, optarg);
	}
	return 0;
}

int tool_options(struct tool *tool, int argc, char **argv)
{
	struct forms forms = {.n = 0};
	int letter;

	tool_occupy_standard();
	add_forms(&forms, tool->own);
	add_forms(&forms, common);
	while ((letter = getopt_long(argc, argv, forms.letters, forms.names, NULL)) != -1) {
		if (letter == '?')
			tool_usage(tool);
		if (option(tool, letter) == 0)
			continue;
		fprintf(stderr, "%s: --%s: invalid argument: %s\n", tool->name,
			option_name(tool, letter), optarg);
		tool_usage(tool);
	}
	tool->options.size = sizeof(tool->options);
	return optind;
}

/* --- values ----------------------------------------------------------------- */

/* strtol(3) and strtoull(3) accept blanks and a sign, the latter also that of a negative number. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int tool_parse_number(const char *text, unsigned max, unsigned *number)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || !is_digit(*text) || *end || value < 1 || value > (long)max)
		return -1;
	*number = (unsigned)value;
	return 0;
}

int tool_parse_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	unsigned shift = 0;

	errno = 0;
	*bytes = strtoull(text, &end, 10);
	if (errno || !is_digit(*text))
		return -1;
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (*end || !*bytes || *bytes > (uint64_t)INT64_MAX >> shift)
		return -1;
	*bytes <<= shift;
	return 0;
}

/* Parses [NAME=]VALUE of that length. */
static int parse_limit(struct ducc_limits *limits, const char *text, size_t len)
{
	char limit[64];
	char *value;
	uint64_t *member;

	if (len >= sizeof(limit))
		return -1;
	memcpy(limit, text, len);
	limit[len] = '\0';
	value = strchr(limit, '=');
	if (value)
		*value++ = '\0';
	member = ducc_limit(limits, value ? limit : "layer");
	return member ? tool_parse_size(value ? value : limit, member) : -1;
}

int tool_parse_limits(struct tool *tool, const char *text)
{
	tool->limits.size = sizeof(tool->limits);
	tool->options.limits = &tool->limits;
	for (;; text++) {
		size_t len = strcspn(text, ",");

		if (parse_limit(&tool->limits, text, len) < 0)
			return -1;
		text += len;
		if (!*text)
			return 0;
	}
}
