/* Common code of the tools: see tool.h. */
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

#define MAX_OPTIONS 64
#define STANDARD_INPUT "standard input"

/* Held while something is printed or counted: several threads may work on images. */
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static bool pipe_ignored; /* SIGPIPE, by whoever has started the program */

/* The signal by which the program is to terminate after cleaning up. */
static volatile sig_atomic_t caught;

static void on_notice(void *ctx, enum ducc_level level, const char *text)
{
	const struct tool *tool = ctx;
	char *shown;

	if ((int)level > tool->verbosity)
		return;
	shown = ducc_printable(text);
	pthread_mutex_lock(&output);
	fprintf(stderr, "%s%s: %s%s\n", progress_pause(stderr), tool->name,
		level == DUCC_WARNING ? "warning: " : "", shown);
	progress_resume(stderr);
	pthread_mutex_unlock(&output);
	free(shown);
}

/* Reports a failure on standard error, and counts it. */
static void report(struct tool *tool, const char *what, const char *message)
{
	pthread_mutex_lock(&output);
	fprintf(stderr, "%s%s: %s%s%s\n", progress_pause(stderr), tool->name, what ? what : "",
		what ? ": " : "", message);
	progress_resume(stderr);
	tool->failed++;
	pthread_mutex_unlock(&output);
}

void tool_usage(const struct tool *tool)
{
	fprintf(stderr, "usage: %s %s\nTry `%s --help'.\n", tool->name, tool->usage, tool->name);
	exit(EXIT_USAGE);
}

bool tool_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

void *tool_allocated(void *pointer)
{
	if (pointer)
		return pointer;
	fprintf(stderr, "%s: out of memory\n", program_invocation_short_name);
	abort();
}

bool tool_parse_number(const char *text, unsigned max, unsigned *number)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < 1 || value > (long)max)
		return false;
	*number = (unsigned)value;
	return true;
}

bool tool_parse_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	unsigned shift = 0;

	errno = 0;
	*bytes = strtoull(text, &end, 10);
	if (errno || end == text || *text == '-')
		return false;
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (*end || !*bytes || *bytes > (uint64_t)INT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

/* Parses [NAME=]VALUE of that length. */
static bool parse_limit(struct ducc_limits *limits, const char *text, size_t len)
{
	char limit[64];
	char *value;
	uint64_t *member;

	if (len >= sizeof(limit))
		return false;
	memcpy(limit, text, len);
	limit[len] = '\0';
	value = strchr(limit, '=');
	if (value)
		*value++ = '\0';
	member = ducc_limit(limits, value ? limit : "layer");
	return member && tool_parse_size(value ? value : limit, member);
}

bool tool_parse_limits(struct tool *tool, const char *text)
{
	tool->limits.size = sizeof(tool->limits);
	tool->options.limits = &tool->limits;
	for (;; text++) {
		size_t len = strcspn(text, ",");

		if (!parse_limit(&tool->limits, text, len))
			return false;
		text += len;
		if (!*text)
			return true;
	}
}

/* --- options ---------------------------------------------------------- */

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
	exit(EXIT_SUCCESS);
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

/* At once: a confined tool cannot open files later. */
static void open_failures(struct tool *tool, const char *path)
{
	if (tool->failures)
		fclose(tool->failures);
	tool->failures = fopen(path, "ae");
	if (tool->failures) {
		setvbuf(tool->failures, NULL, _IOFBF, 1 << 16); /* more than a line */
		return;
	}
	fprintf(stderr, "%s: %s: %s\n", tool->name, path, strerror(errno));
	exit(EXIT_USAGE);
}

static void option(struct tool *tool, int letter)
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
	case TOOL_FAILED:
		open_failures(tool, optarg);
		break;
	case TOOL_WISHES:
		tool->options.wishes = optarg;
		break;
	case 'h':
		help(tool);
		break;
	case 'V':
		printf("%s %s\n", tool->name, DUCC_VERSION);
		exit(EXIT_SUCCESS);
	default:
		if (letter == '?' || tool->option(letter, optarg) < 0) {
			if (letter != '?')
				fprintf(stderr, "%s: --%s: invalid argument: %s\n", tool->name,
					option_name(tool, letter), optarg);
			tool_usage(tool);
		}
	}
}

int tool_options(struct tool *tool, int argc, char **argv)
{
	struct forms forms = {.n = 0};
	int letter;

	add_forms(&forms, tool->own);
	add_forms(&forms, common);
	while ((letter = getopt_long(argc, argv, forms.letters, forms.names, NULL)) != -1)
		option(tool, letter);
	tool->options.size = sizeof(tool->options);
	tool->options.notice = on_notice;
	if (tool->verbosity >= 0 && progress_possible(tool->name))
		tool->options.progress = progress_report;
	tool->options.ctx = tool;
	/* A closed pipe or a file size limit is an error like any other. */
	pipe_ignored = signal(SIGPIPE, SIG_IGN) == SIG_IGN;
	signal(SIGXFSZ, SIG_IGN);
	/* With SIGCHLD ignored, waitpid() loses exit statuses. */
	signal(SIGCHLD, SIG_DFL);
	return optind;
}

ducc_session *tool_session(struct tool *tool)
{
	ducc_error *err = NULL;
	ducc_session *session = ducc_open(&tool->options, &err);

	if (session)
		return session;
	fprintf(stderr, "%s: %s\n", tool->name, ducc_error_message(err));
	exit(EXIT_USAGE);
}

/* --- records in ------------------------------------------------------- */

struct input {
	struct tool *tool;
	char **operands; /* NULL: standard input */
	int n;
	char *data; /* read, but not yet consumed */
	size_t len, capacity;
	bool end;
	bool checked;  /* that it is a list of records */
	unsigned line; /* the number of the last one */
};

void tool_read_input(const struct tool *tool)
{
	if (!isatty(STDIN_FILENO))
		return;
	fprintf(stderr, "%s: no operands, and standard input is a terminal\n", tool->name);
	tool_usage(tool);
}

struct input *tool_input(struct tool *tool, char **operands, int n)
{
	struct input *input = tool_allocated(calloc(1, sizeof(*input)));

	if (!n)
		tool_read_input(tool);
	input->tool = tool;
	input->operands = n ? operands : NULL;
	input->n = n;
	return input;
}

void input_free(struct input *input)
{
	free(input->data);
	free(input);
}

/* The records in the lines that have been read, but not consumed. */
static size_t count_read(const struct input *input)
{
	const char *text = input->data, *end = text + input->len;
	size_t n = 0;

	for (const char *newline; text < end; text = newline + 1) {
		newline = memchr(text, '\n', (size_t)(end - text));
		if (!newline)
			break;
		n += *text != '\n' && *text != '#';
	}
	return n;
}

/* Tells how many images follow. */
static void count(const struct input *input)
{
	if (input->operands)
		progress_follow((size_t)input->n, false);
	else
		progress_follow(count_read(input), !input->end);
}

/* Reads available input; with wait, blocks for some.  False: nothing was read. */
static bool fill(struct input *input, bool wait)
{
	struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
	ssize_t n;

	if (input->end || (!wait && poll(&ready, 1, 0) <= 0))
		return false;
	if (input->capacity - input->len < 4096) {
		input->capacity = input->capacity * 2 + 8192;
		input->data = tool_allocated(realloc(input->data, input->capacity));
	}
	do
		n = read(STDIN_FILENO, input->data + input->len, input->capacity - input->len - 1);
	while (n < 0 && errno == EINTR && !caught);
	if (n < 0 && !caught) {
		report(input->tool, STANDARD_INPUT, strerror(errno));
	}
	if (n <= 0)
		input->end = true;
	else
		input->len += (size_t)n;
	count(input);
	return n > 0;
}

/* True for the beginning of an archive, or of a compressed one. */
static bool is_archive(const char *data, size_t len)
{
	static const char *const magics[] = {"\x1f\x8b", "\x28\xb5\x2f\xfd", "\3757zXZ", "BZh"};

	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (len >= strlen(magics[i]) && !memcmp(data, magics[i], strlen(magics[i])))
			return true;
	return len >= 512 && !memcmp(data + 257, "ustar", 5);
}

/* The first line that is not empty or a comment, if it is complete; else NULL. */
static const char *first_line(const struct input *input)
{
	const char *text = input->data, *end;

	for (;; text = end + 1) {
		end = strchr(text, '\n');
		if (*text && !strchr("#%\n", *text) && strncmp(text, "---", 3) != 0)
			return end || input->end ? text : NULL;
		if (!end)
			return NULL;
	}
}

/* True for a line of YAML, key: value.  The fields of a record begin with a tab. */
static bool is_yaml(const char *text)
{
	size_t len = strcspn(text, "\t\r\n");

	for (size_t i = 0; i < len; i++)
		if (text[i] == ':' && (i + 1 == len || text[i + 1] == ' '))
			return true;
	return false;
}

/* Consumes input that is not a list of records, and reports it once instead of line by line. */
static void check_input(struct input *input)
{
	static const char mark[] = "\xef\xbb\xbf"; /* a byte order mark */
	size_t n = sizeof(mark) - 1;
	const char *what = NULL, *first;

	if (input->len >= n && !memcmp(input->data, mark, n))
		memmove(input->data, input->data + n, input->len -= n);
	input->data[input->len] = '\0';
	first = first_line(input);
	input->checked = first || input->end;
	if (is_archive(input->data, input->len))
		what = "an archive, not a list of images (for its images: ducc-fetch "
		       "docker-archive:-)";
	else if (memchr(input->data, '\0', input->len))
		what = "binary data, not a list of images";
	else if (first && is_yaml(first))
		what = "a recipe, not a list of images (expand it with ducc-wish)";
	if (!what)
		return;
	report(input->tool, STANDARD_INPUT, what);
	input->len = 0;
	input->checked = input->end = true;
}

/* Reports the last line, which is no record; frees the error. */
static void fail_line(const struct input *input, ducc_error *err, const char *message)
{
	char where[sizeof(STANDARD_INPUT) + 32];

	snprintf(where, sizeof(where), STANDARD_INPUT ": line %u", input->line);
	report(input->tool, where, err ? ducc_error_message(err) : message);
	ducc_error_free(err);
}

/* The next line without its newline, allocated; NULL at the end, or if none is complete yet. */
static char *next_line(struct input *input, bool wait)
{
	for (;;) {
		char *newline, *text;
		size_t len;

		if (input->len && !input->checked)
			check_input(input);
		newline = input->len ? memchr(input->data, '\n', input->len) : NULL;
		len = newline ? (size_t)(newline - input->data) : input->len;
		if (!newline && !(input->end && input->len)) {
			if (!fill(input, wait) && !(input->end && input->len))
				return NULL;
			continue;
		}
		input->line++;
		if (memchr(input->data, '\0', len)) { /* not a record */
			fail_line(input, NULL, "record contains a NUL byte");
			len += newline != NULL;
			memmove(input->data, input->data + len, input->len - len);
			input->len -= len;
			continue;
		}
		text = tool_allocated(strndup(input->data, len));
		len += newline != NULL;
		memmove(input->data, input->data + len, input->len - len);
		input->len -= len;
		return text;
	}
}

/* Other threads are not waited for. */
void tool_flush(const struct tool *tool)
{
	int code = fflush(stdout) ? errno : 0;

	if (!code && !ferror(stdout))
		return;
	if (tool->unwritten)
		code = tool->unwritten;
	if (code == EPIPE && !pipe_ignored) {
		progress_stop();
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	fprintf(stderr, "%s%s: standard output: %s\n", progress_pause(stderr), tool->name,
		strerror(code ? code : EIO));
	_exit(EXIT_FAILED);
}

bool tool_printed(struct tool *tool)
{
	if (ferror(stdout) && !tool->unwritten)
		tool->unwritten = errno;
	return !tool->unwritten;
}

/* Prints a line on standard output, at once. */
static void print_line(const struct tool *tool, const char *before, const char *text)
{
	pthread_mutex_lock(&output);
	printf("%s%s%s\n", progress_pause(stdout), before, text);
	tool_flush(tool);
	progress_resume(stdout);
	pthread_mutex_unlock(&output);
}

/* Lists may come from systems where lines end with CRLF. */
static void cut_return(char *line)
{
	size_t len = strlen(line);

	if (len && line[len - 1] == '\r')
		line[len - 1] = '\0';
}

ducc_record *input_next(struct input *input, bool wait)
{
	for (;;) {
		ducc_error *err = NULL;
		ducc_record *record;
		char *text = NULL;

		if (input->operands) {
			if (!input->n)
				return NULL;
			input->n--;
			text = tool_allocated(strdup(*input->operands++));
		} else {
			text = next_line(input, wait);
			if (!text)
				return NULL;
			cut_return(text);
			if (!*text || *text == '#') {
				print_line(input->tool, "", text);
				free(text);
				continue;
			}
		}
		record = ducc_record_parse(text, &err);
		if (record) {
			progress_begin_images(1);
			count(input);
			free(text);
			return record;
		}
		if (input->operands)
			tool_fail(input->tool, NULL, err);
		else
			fail_line(input, err, NULL);
		free(text);
	}
}

/* --- records out ------------------------------------------------------ */

void tool_done(struct tool *tool, const ducc_record *record)
{
	char *text = ducc_record_format(record);

	progress_end_image();
	print_line(tool, "", text);
	free(text);
}

void tool_skip(struct tool *tool, const ducc_record *record)
{
	progress_end_image();
	print_line(tool, "# not an image: ", ducc_record_reference(record));
}

void tool_fail(struct tool *tool, const char *what, ducc_error *err)
{
	char *shown = what ? ducc_printable(what) : NULL;

	report(tool, shown, ducc_error_message(err));
	free(shown);
	ducc_error_free(err);
}

void tool_fail_all(struct tool *tool, ducc_error *err)
{
	tool->misused = ducc_error_kind(err) == DUCC_USAGE;
	tool_fail(tool, NULL, err);
}

/* The lines of several tools do not mix: each is written at once. */
static bool write_failure(const struct tool *tool, const ducc_record *record, const ducc_error *err)
{
	ducc_record *copy = ducc_record_copy(record);
	bool damaged = ducc_error_kind(err) == DUCC_DAMAGED;
	bool written = !ducc_record_set(copy, "tool", tool->name, NULL) &&
		       (!damaged || !ducc_record_set(copy, "damaged", "store", NULL)) &&
		       !ducc_record_set(copy, "error", ducc_error_message(err), NULL);
	char *text = ducc_record_format(copy);

	written = written && fprintf(tool->failures, "%s\n", text) >= 0 &&
		  fflush(tool->failures) == 0;
	free(text);
	ducc_record_free(copy);
	return written;
}

void tool_fail_record(struct tool *tool, const ducc_record *record, ducc_error *err)
{
	bool written;

	progress_end_image();
	pthread_mutex_lock(&output);
	written = tool->failures && write_failure(tool, record, err);
	tool->failed += written;
	pthread_mutex_unlock(&output);
	if (written)
		ducc_error_free(err);
	else
		tool_fail(tool, ducc_record_reference(record), err);
}

bool tool_take(void *tool, ducc_record *record, ducc_error *err)
{
	if (err)
		tool_fail(tool, NULL, err);
	if (record)
		tool_done(tool, record);
	ducc_record_free(record);
	return true;
}

static void on_signal(int number)
{
	caught = number;
}

bool tool_is_cancelled(void)
{
	return caught != 0;
}

static bool on_cancelled(void *ctx)
{
	(void)ctx;
	return tool_is_cancelled();
}

void tool_catch_signals(struct tool *tool)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: interrupt reads */

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction old;

		/* Under nohup(1) it stays ignored. */
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
	tool->options.cancelled = on_cancelled;
}

int tool_status(const struct tool *tool)
{
	progress_stop();
	if (caught) {
		signal(caught, SIG_DFL);
		raise(caught);
	}
	tool_flush(tool);
	if (tool->misused)
		return EXIT_USAGE;
	return tool->failed ? EXIT_FAILED : EXIT_SUCCESS;
}

void tool_keep_secrets(void)
{
	prctl(PR_SET_DUMPABLE, 0);
}
