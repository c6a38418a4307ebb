/* Progress on a terminal: see progress.h. */
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "moves.h"
#include "tool.h"

#define TICK 200     /* milliseconds between two looks at what has changed */
#define MOST_LINES 8 /* for things that move */

#define CLEAR_LINE "\033[K" /* from the cursor on */
#define CLEAR "\r\033[J"    /* from the line of the cursor on */

static struct {
	const char *tool;
	bool possible, with_output; /* standard output is the same terminal */
	int fd;                     /* carries the lock; -1: none */
	bool locked;
	bool changed; /* since it was drawn */
	double drawn;
	bool started, stopping;
	pthread_t thread;
} display = {.fd = -1};

/* For the handler of signals, too: the lines are on the terminal. */
static atomic_bool shown;

/* A caller that has paused may exit. */
static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_cond_t stopped;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void progress_report(void *ctx, const struct ducc_progress *report)
{
	(void)ctx;
	pthread_mutex_lock(&mutex);
	moves_report(report, now());
	display.changed = true;
	pthread_mutex_unlock(&mutex);
}

void progress_begin_images(size_t n)
{
	pthread_mutex_lock(&mutex);
	moves_begin_images(n);
	display.changed = true;
	pthread_mutex_unlock(&mutex);
}

void progress_end_image(void)
{
	pthread_mutex_lock(&mutex);
	moves_end_image();
	display.changed = true;
	pthread_mutex_unlock(&mutex);
}

void progress_follow(size_t n, bool more)
{
	pthread_mutex_lock(&mutex);
	moves_follow(n, more);
	pthread_mutex_unlock(&mutex);
}

/* --- the terminal --------------------------------------------------------- */

static bool lock_terminal(void)
{
	if (!display.locked && display.fd >= 0)
		display.locked = !flock(display.fd, LOCK_EX | LOCK_NB);
	return display.locked || display.fd < 0;
}

static void unlock_terminal(void)
{
	if (display.locked)
		flock(display.fd, LOCK_UN);
	display.locked = false;
}

/* Without its lines, the tool works as well. */
static void write_terminal(const char *data, size_t len)
{
	ssize_t n = write(STDERR_FILENO, data, len);

	(void)n;
}

static void clear(void)
{
	if (shown)
		write_terminal(CLEAR, strlen(CLEAR));
	shown = false;
	unlock_terminal();
}

/* Adds a line, of which nothing may be wrapped, and frees it. */
static void add_line(FILE *out, char *line, int columns)
{
	size_t len = strlen(line);

	if (len > (size_t)columns)
		len = (size_t)columns;
	while (len && ((unsigned char)line[len] & 0xc0) == 0x80) /* in the middle of a character */
		len--;
	fprintf(out, "%.*s" CLEAR_LINE, (int)len, line);
	free(line);
}

/* Draws everything with one write, without clearing it first, which could flicker. */
static void draw(double time)
{
	struct winsize size = {.ws_row = 0};
	int columns, rows, n = 0;
	char *data = NULL, *line;
	size_t len;
	FILE *out = tool_allocated(open_memstream(&data, &len));

	ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
	columns = size.ws_col > 1 ? size.ws_col - 1 : 79;
	rows = (size.ws_row ? size.ws_row : 24) - 2;
	fputc('\r', out);
	add_line(out, moves_summary(display.tool, columns, time), columns);
	while (n < MOST_LINES && n + 1 < rows && (line = moves_line((size_t)n, columns, time))) {
		fputc('\n', out);
		add_line(out, line, columns);
		n++;
	}
	fputs("\033[J\r", out);
	if (n)
		fprintf(out, "\033[%dA", n);
	fclose(out);
	tool_allocated(data);
	shown = true;
	write_terminal(data, len);
	free(data);
	display.changed = false;
	display.drawn = time;
}

/* Clears the lines when nothing moves any more, and draws them when something has changed. */
static void update(double time)
{
	moves_sample(time);
	if (!moves_any())
		clear();
	else if ((display.changed || !shown || time - display.drawn >= 1) && lock_terminal())
		draw(time);
}

static void *run(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&mutex);
	while (!display.stopping) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (pthread_cond_timedwait(&stopped, &mutex, &until))
			update(now());
	}
	pthread_mutex_unlock(&mutex);
	return NULL;
}

/* --- output -------------------------------------------------------------- */

static bool goes_to_terminal(FILE *stream)
{
	return display.possible && (stream == stderr || display.with_output);
}

const char *progress_pause(FILE *stream)
{
	bool clean;

	if (!goes_to_terminal(stream))
		return "";
	pthread_mutex_lock(&mutex);
	clean = !shown && lock_terminal();
	shown = false;
	return clean ? "" : CLEAR;
}

void progress_resume(FILE *stream)
{
	if (!goes_to_terminal(stream))
		return;
	unlock_terminal();
	pthread_mutex_unlock(&mutex);
}

bool progress_possible(const char *tool)
{
	const char *type = getenv("TERM");
	struct stat error, output;

	if (!isatty(STDERR_FILENO) || !type || !*type || !strcmp(type, "dumb"))
		return false;
	display.tool = tool;
	display.possible = true;
	display.with_output = isatty(STDOUT_FILENO) && !fstat(STDERR_FILENO, &error) &&
			      !fstat(STDOUT_FILENO, &output) && error.st_rdev == output.st_rdev;
	/* Opened again: tools that have inherited the descriptor share its lock. */
	display.fd = open("/proc/self/fd/2", O_RDWR | O_NOCTTY | O_CLOEXEC);
	return true;
}

static void on_signal(int number)
{
	int code = errno;

	if (shown)
		write_terminal(CLEAR, strlen(CLEAR));
	errno = code;
	raise(number);
}

/* The program is killed by the signal nevertheless. */
static void clear_when_killed(void)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
	struct sigaction action = {.sa_handler = on_signal,
				   .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction old;

		if (!sigaction(signals[i], NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(signals[i], &action, NULL);
	}
}

/* The thread gets no signals: they are to interrupt the others. */
void progress_start(void)
{
	pthread_condattr_t attributes;
	sigset_t all, old;

	if (!display.possible || display.started)
		return;
	clear_when_killed();
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&stopped, &attributes);
	pthread_condattr_destroy(&attributes);
	moves_sample(now());
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	display.started = !pthread_create(&display.thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void progress_stop(void)
{
	if (!display.started)
		return;
	pthread_mutex_lock(&mutex);
	display.stopping = true;
	pthread_cond_signal(&stopped);
	pthread_mutex_unlock(&mutex);
	pthread_join(display.thread, NULL);
	display.started = false;
	clear();
	moves_end();
}
