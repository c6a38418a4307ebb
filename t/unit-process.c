/* Children that wait until they are released, whatever happens to us. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/process.h"
#include "tap.h"

/* A descriptor of our parent's: it has no close-on-exec flag. */
#define INHERITED 20

static char script[] = "echo \"$0 $1\"; cat; : >\"$1\"; sleep 0; "
		       "readlink /proc/self/fd/3 /proc/self/fd/20";

static bool run(char *file, bool release)
{
	char *const argv[] = {"sh", "-c", script, "it", file, NULL};
	struct process process;
	bool exited;

	if (process_hold(&process, argv, true, NULL) < 0)
		abort();
	if (write(process.in, "input\n", 6) != 6)
		abort();
	exited = process_poll(&process, false);
	ok(!exited && access(file, F_OK) < 0, "it waits");
	if (release)
		process_release(&process);
	else
		process_dismiss(&process);
	close(process.in);
	process.in = -1;
	while (!process_poll(&process, false))
		;
	if (release) {
		AUTO_FREE char *want = format("it %s\ninput\n", file);

		is_string(process.output.data, want, "it has its arguments, input, and no more");
	}
	exited = WIFEXITED(process.status);
	process_close(&process);
	return exited;
}

/* A failure with that output, which printf(1) reads, is explained so. */
static void explains(const char *output, const char *want)
{
	AUTO_FREE char *text = xstrdup(output);
	char print[] = "printf \"$0\"; exit 1";
	char *const argv[] = {"sh", "-c", print, text, NULL};
	struct process process;
	ducc_error *err = NULL;

	if (process_start(&process, argv, false, NULL) < 0)
		abort();
	while (!process_poll(&process, false))
		;
	process_error(&process, "it", &err);
	says(&err, want, "the cause of a failure");
	process_close(&process);
}

static void causes(void)
{
	explains("", "it: no message (exit status 1)");
	explains("one\\ntwo\\n", "it: two (exit status 1)");
	explains("one\\nan error\\nfatal\\n", "it: an error (exit status 1)");
	explains("an error\\nno space left\\n", "it: no space left (exit status 1)");
	explains("PANIC: it\\n  why\\nan error\\n", "it: why (exit status 1)");
	explains("HTTP Uploader - Could not open session token file.\\n",
		 "it: HTTP Uploader - Could not open session token file. (exit status 1)");
	explains("HTTP Uploader - Could not open session token file.\\nError: gateway\\n",
		 "it: Error: gateway (exit status 1)");
}

/* A process that is killed between starting a child and releasing it; the child's group. */
static pid_t killed(char *file)
{
	char *const argv[] = {"sh", "-c", script, "it", file, NULL};
	int pipe_fds[2];
	pid_t parent, child = 0;

	if (pipe(pipe_fds) < 0)
		abort();
	parent = fork();
	if (!parent) {
		struct process process;

		if (process_hold(&process, argv, false, NULL) < 0 ||
		    write(pipe_fds[1], &process.pid, sizeof(process.pid)) < 0)
			abort();
		raise(SIGKILL);
	}
	close(pipe_fds[1]);
	if (read(pipe_fds[0], &child, sizeof(child)) != sizeof(child))
		abort();
	waitpid(parent, NULL, 0);
	close(pipe_fds[0]);
	return child;
}

static void is_started_without_ours(void)
{
	static char list[] = "[ ! -e /dev/fd/20 ] && [ ! -e /dev/fd/3 ] && echo none";
	char *const argv[] = {"sh", "-c", list, NULL};
	struct process process;

	if (process_start(&process, argv, false, NULL) < 0)
		abort();
	while (!process_poll(&process, false))
		;
	is_string(process.output.data, "none\n", "it inherits no descriptors");
	process_close(&process);
}

int main(void)
{
	char directory[] = "/tmp/ducc-unit.XXXXXX";
	AUTO_FREE char *file = mkdtemp(directory) ? format("%s/file", directory) : NULL;
	pid_t group;

	if (!file)
		abort();
	if (dup2(STDERR_FILENO, INHERITED) < 0)
		abort();
	is_started_without_ours();
	ok(run(file, false) && access(file, F_OK) < 0, "dismissed, it does nothing");
	ok(run(file, true) && !access(file, F_OK), "released, it runs");
	unlink(file);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	group = killed(file);
	waitpid(group, NULL, 0);
	ok(access(file, F_OK) < 0, "if we are killed before, it does nothing");
	unlink(file);
	rmdir(directory);
	causes();
	return done_testing();
}
