/* What a tool prints: see output.h. */
#include "output.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"

/* Held while something is printed or counted: several threads may work on images. */
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static bool pipe_ignored; /* SIGPIPE, by whoever has started the program */

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

void tool_start_output(struct tool *tool)
{
	tool->options.notice = on_notice;
	if (tool->verbosity >= 0 && progress_possible(tool->name))
		tool->options.progress = progress_report;
	tool->options.ctx = tool;
	/* A closed pipe or a file size limit is an error like any other. */
	pipe_ignored = signal(SIGPIPE, SIG_IGN) == SIG_IGN;
	signal(SIGXFSZ, SIG_IGN);
}

/* --- standard output --------------------------------------------------- */

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

void tool_print(const struct tool *tool, const char *before, const char *text)
{
	pthread_mutex_lock(&output);
	printf("%s%s%s\n", progress_pause(stdout), before, text);
	tool_flush(tool);
	progress_resume(stdout);
	pthread_mutex_unlock(&output);
}

void tool_done(struct tool *tool, const ducc_record *record)
{
	char *text = ducc_record_format(record);

	progress_end_image();
	tool_print(tool, "", text);
	free(text);
}

void tool_skip(struct tool *tool, const ducc_record *record)
{
	progress_end_image();
	tool_print(tool, "# not an image: ", ducc_record_reference(record));
}

/* --- failures ------------------------------------------------------------ */

void tool_report(struct tool *tool, const char *what, const char *message)
{
	char *shown = what ? ducc_printable(what) : NULL;

	pthread_mutex_lock(&output);
	fprintf(stderr, "%s%s: %s%s%s\n", progress_pause(stderr), tool->name, shown ? shown : "",
		shown ? ": " : "", message);
	progress_resume(stderr);
	tool->failed++;
	pthread_mutex_unlock(&output);
	free(shown);
}

void tool_fail(struct tool *tool, const char *what, ducc_error *err)
{
	tool_report(tool, what, ducc_error_message(err));
	ducc_error_free(err);
}

void tool_fail_all(struct tool *tool, ducc_error *err)
{
	tool->misused = ducc_error_kind(err) == DUCC_USAGE;
	tool_fail(tool, NULL, err);
}

void tool_keep_failures(struct tool *tool, const char *path)
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

/* The lines of several tools do not mix: each is written at once. */
static bool write_failure(const struct tool *tool, const ducc_record *record, const ducc_error *err)
{
	ducc_record *copy = ducc_record_copy(record);
	bool damaged = ducc_error_kind(err) == DUCC_DAMAGED;
	bool written = !ducc_record_set(copy, "tool", tool->name, NULL) &&
		       !ducc_record_set(copy, "damaged", damaged ? "store" : NULL, NULL) &&
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
