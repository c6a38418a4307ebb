/* The records that a tool reads: see input.h. */
#include "input.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "output.h"
#include "progress.h"

#define STANDARD_INPUT "standard input"
#define LINE_LIMIT ((size_t)1 << 20) /* bytes; see ducc(7) */

struct input {
	struct tool *tool;
	char **operands; /* NULL: standard input */
	int n;
	bool comments; /* are copied to standard output */
	char *buffer;
	char *data; /* in the buffer: read, but not yet consumed */
	size_t len, capacity;
	bool end;
	bool checked;  /* that it is a list of records */
	bool skipping; /* the rest of the last line, which is too long */
	unsigned line; /* the number of the last one */
};

void input_refuse_terminal(const struct tool *tool)
{
	if (!isatty(STDIN_FILENO))
		return;
	fprintf(stderr, "%s: no operands, and standard input is a terminal\n", tool->name);
	tool_usage(tool);
}

struct input *input_new(struct tool *tool, char **operands, int n, bool comments)
{
	struct input *input = tool_allocated(calloc(1, sizeof(*input)));

	if (!n)
		input_refuse_terminal(tool);
	input->tool = tool;
	input->operands = n ? operands : NULL;
	input->n = n;
	input->comments = comments;
	return input;
}

void input_free(struct input *input)
{
	free(input->buffer);
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

/* Makes room in the buffer, at its end. */
static void make_room(struct input *input)
{
	if (input->len)
		memmove(input->buffer, input->data, input->len);
	if (input->capacity - input->len < 4096) {
		input->capacity = input->capacity * 2 + 8192;
		input->buffer = tool_allocated(realloc(input->buffer, input->capacity));
	}
	input->data = input->buffer;
}

/* Reads available input; with wait, blocks for some.  False: nothing was read. */
static bool fill(struct input *input, bool wait)
{
	struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
	ssize_t n;

	if (input->end || (!wait && poll(&ready, 1, 0) <= 0))
		return false;
	make_room(input);
	do
		n = read(STDIN_FILENO, input->data + input->len, input->capacity - input->len - 1);
	while (n < 0 && errno == EINTR && !tool_is_cancelled());
	if (n < 0 && !tool_is_cancelled()) {
		tool_report(input->tool, STANDARD_INPUT, strerror(errno));
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

/* True for a NUL byte up to the end of the first line: further lines are records, good or bad. */
static bool is_binary(const struct input *input, const char *first)
{
	const char *end = first ? first + strcspn(first, "\n") : input->data;

	return memchr(end, '\0', first ? end < input->data + input->len : input->len);
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
	else if (is_binary(input, first))
		what = "binary data, not a list of images";
	else if (first && is_yaml(first))
		what = "a recipe, not a list of images (expand it with ducc-wish)";
	if (!what)
		return;
	tool_report(input->tool, STANDARD_INPUT, what);
	input->len = 0;
	input->checked = input->end = true;
}

/* Reports the last line, which is no record; frees the error. */
static void fail_line(const struct input *input, ducc_error *err, const char *message)
{
	char where[sizeof(STANDARD_INPUT) + 32];

	snprintf(where, sizeof(where), STANDARD_INPUT ": line %u", input->line);
	tool_report(input->tool, where, err ? ducc_error_message(err) : message);
	ducc_error_free(err);
}

/* Consumes a line, or the beginning of one, and its newline if there is one. */
static void consume(struct input *input, size_t len)
{
	len += len < input->len;
	input->data += len;
	input->len -= len;
}

/* Why a line of that length is not a record; NULL: it may be one. */
static const char *flaw(const struct input *input, size_t len)
{
	if (len > LINE_LIMIT)
		return "record is too long";
	return memchr(input->data, '\0', len) ? "record contains a NUL byte" : NULL;
}

/*
 * Consumes a line, or the beginning of one that is too long; returns it, allocated, or NULL if it is
 * no record.
 */
static char *take_line(struct input *input, size_t len, bool whole)
{
	const char *why = input->skipping ? NULL : flaw(input, len);
	char *text = NULL;

	input->line += !input->skipping;
	if (why)
		fail_line(input, NULL, why);
	else if (!input->skipping)
		text = tool_allocated(strndup(input->data, len));
	input->skipping = !whole;
	input->checked = true;
	consume(input, len);
	return text;
}

/* The next line without its newline, allocated; NULL at the end, or if none is complete yet. */
static char *next_line(struct input *input, bool wait)
{
	for (;;) {
		const char *newline = NULL;
		char *text;
		size_t len;

		if (input->len && !input->checked)
			check_input(input);
		if (input->len)
			newline = memchr(input->data, '\n', input->len);
		len = newline ? (size_t)(newline - input->data) : input->len;
		if (newline || (input->end && len) || len > LINE_LIMIT) {
			text = take_line(input, len, newline || input->end);
			if (text)
				return text;
		} else if (!fill(input, wait) && !(input->end && input->len)) {
			return NULL;
		}
	}
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
				if (input->comments)
					tool_print(input->tool, "", text);
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
