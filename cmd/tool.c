/* What all tools share: see tool.h. */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "output.h"
#include "progress.h"

/* The signal by which the program is to terminate after cleaning up. */
static volatile sig_atomic_t caught;

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

ducc_session *tool_session(struct tool *tool)
{
	ducc_error *err = NULL;
	ducc_session *session;

	tool_start_output(tool);
	/* With SIGCHLD ignored, waitpid() loses exit statuses. */
	signal(SIGCHLD, SIG_DFL);
	session = ducc_open(&tool->options, &err);
	if (session)
		return session;
	fprintf(stderr, "%s: %s\n", tool->name, ducc_error_message(err));
	exit(EXIT_USAGE);
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

static void catch_signals(int flags)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction old;

		/* Under nohup(1) it stays ignored. */
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

void tool_catch_signals(struct tool *tool)
{
	catch_signals(0); /* no SA_RESTART: interrupt reads */
	tool_allow_cancel(tool);
}

void tool_allow_cancel(struct tool *tool)
{
	tool->options.cancelled = on_cancelled;
}

void tool_hold_signals(void)
{
	static bool held;

	if (!held)
		catch_signals(SA_RESTART); /* do not interrupt writes */
	held = true;
}

void tool_occupy_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(EXIT_FAILED);
}

int tool_status(const struct tool *tool)
{
	progress_stop();
	if (caught) {
		fflush(stdout); /* what was done before */
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

void tool_raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}
