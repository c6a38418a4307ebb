/* Child processes: see process.h. */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/mem.h"

#define PIPE_SIZE (1 << 20)
#define EXIT_UNKNOWN 127
#define GATE 3 /* descriptor */
#define OUTPUT_LIMIT ((size_t)64 << 10)

void process_close(struct process *process)
{
	cleanup_close(&process->pidfd);
	cleanup_close(&process->in);
	cleanup_close(&process->out);
	cleanup_close(&process->gate);
	buffer_free(&process->output);
	process->pidfd = process->in = process->out = process->gate = -1;
}

/* Before glibc 2.34, the child inherits what is not close-on-exec. */
static void close_from(posix_spawn_file_actions_t *actions, int first)
{
#if __GLIBC_PREREQ(2, 34)
	posix_spawn_file_actions_addclosefrom_np(actions, first);
#else
	(void)actions;
	(void)first;
#endif
}

int process_spawn(pid_t *pid, const struct child *child)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t signals;
	int result;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	sigemptyset(&signals);
	posix_spawnattr_setsigmask(&attributes, &signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGPIPE);
	sigaddset(&signals, SIGXFSZ);
	posix_spawnattr_setsigdefault(&attributes, &signals);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes,
				 child->own_group ? POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
							    POSIX_SPAWN_SETSIGMASK
						  : POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	if (child->in < 0)
		posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	else
		posix_spawn_file_actions_adddup2(&actions, child->in, STDIN_FILENO);
	if (child->out >= 0)
		posix_spawn_file_actions_adddup2(&actions, child->out, STDOUT_FILENO);
	if (child->err >= 0)
		posix_spawn_file_actions_adddup2(&actions, child->err, STDERR_FILENO);
	if (child->gate >= 0) /* last: it may take the place of one of the others */
		posix_spawn_file_actions_adddup2(&actions, child->gate, GATE);
	close_from(&actions, child->gate >= 0 ? GATE + 1 : GATE);
	result = posix_spawnp(pid, child->argv[0], &actions, &attributes, child->argv,
			      child->environment ? child->environment : environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return result;
}

/* Starts argv; gate: -1, or the descriptor that becomes its GATE. */
static int start(struct process *process, char *const *argv, bool with_input, int gate,
		 ducc_error **err)
{
	int in[2] = {-1, -1};
	int result;

	process->pidfd = process->in = -1;
	process->tick = PROCESS_TICK;
	process->out = memfd_create("output", MFD_CLOEXEC);
	if (process->out < 0 || (with_input && pipe2(in, O_CLOEXEC) < 0)) {
		result = errno;
		process_close(process);
		return error_errno(err, result, "%s", process->name);
	}
	result = process_spawn(&process->pid, &(struct child){.argv = argv,
							      .in = in[0],
							      .out = process->out,
							      .err = process->out,
							      .gate = gate,
							      .own_group = true});
	cleanup_close(&in[0]);
	process->in = in[1];
	if (with_input) {
		fcntl(in[1], F_SETPIPE_SZ, PIPE_SIZE);
		fcntl(in[1], F_SETFL, O_NONBLOCK);
	}
	if (!result) {
		process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
		return 0;
	}
	process->pid = 0;
	process_close(process);
	return error_errno(err, result, "%s", process->name);
}

int process_start(struct process *process, char *const *argv, bool with_input, ducc_error **err)
{
	*process = (struct process){.name = argv[0], .gate = -1};
	return start(process, argv, with_input, -1, err);
}

/* The shell waits at the gate; if it is closed instead of opened, we have been killed. */
int process_hold(struct process *process, char *const *argv, bool with_input, ducc_error **err)
{
	static char sh[] = "sh", c[] = "-c", script[] = "read -r go <&3 && exec \"$@\" 3<&-";
	AUTO_FREE char **held = NULL;
	size_t n = 0;
	int gate[2];

	*process = (struct process){.name = argv[0], .gate = -1};
	if (pipe2(gate, O_CLOEXEC) < 0)
		return error_errno(err, errno, "%s", argv[0]);
	while (argv[n])
		n++;
	held = xcalloc(n + 5, sizeof(char *));
	held[0] = sh;
	held[1] = c;
	held[2] = script;
	held[3] = sh;
	memcpy(held + 4, argv, n * sizeof(char *));
	process->gate = gate[1];
	if (start(process, held, with_input, gate[0], err) < 0) {
		close(gate[0]);
		return -1;
	}
	close(gate[0]);
	return 0;
}

void process_release(struct process *process)
{
	write_all(process->gate, "\n", 1); /* if it was killed, process_poll() will see that */
	process_dismiss(process);
}

void process_dismiss(struct process *process)
{
	cleanup_close(&process->gate);
	process->gate = -1;
}

static void read_output(struct process *process)
{
	char data[4096];
	ssize_t n;

	while ((n = pread(process->out, data, sizeof(data), process->heard)) > 0) {
		size_t excess;

		process->heard += n;
		buffer_add(&process->output, data, (size_t)n);
		if (process->output.len <= 2 * OUTPUT_LIMIT)
			continue;
		excess = process->output.len - OUTPUT_LIMIT;
		memmove(process->output.data, process->output.data + excess, OUTPUT_LIMIT);
		buffer_truncate(&process->output, OUTPUT_LIMIT);
	}
}

/* Waits at most a tick for an event; true if the process has exited. */
bool process_poll(struct process *process, bool to_write)
{
	struct pollfd fds[2] = {
		{.fd = process->pidfd, .events = POLLIN},
		{.fd = to_write ? process->in : -1, .events = POLLOUT},
	};

	pid_t pid;

	if (!process->pid)
		return true;
	poll(fds, 2, process->tick);
	read_output(process);
	pid = waitpid(process->pid, &process->status, WNOHANG);
	if (!pid)
		return false;
	if (pid < 0) /* reaped elsewhere: its status is lost */
		process->status = W_EXITCODE(EXIT_UNKNOWN, 0);
	process->pid = 0;
	read_output(process);
	return true;
}

/* Lines of cvmfs_server that explain nothing: a bug in the script itself; and what only follows. */
static bool is_noise(const char *line)
{
	return !*line || strstr(line, "[[: not found") ||
	       strstr(line, "Could not open session token file");
}

/*
 * The line of output that explains a failure: a full disk, else the first line that
 * looks like an error, else the last line.
 */
static char *cause(const struct process *process)
{
	static const char *const words[] = {"error",   "fatal",      "fail",
					    "cannot",  "could not",  "panic",
					    "what():", "impossible", "not found"};
	AUTO_FREE char *text = xstrdup(process->output.data ? process->output.data : "");
	const char *first = NULL, *last = NULL, *any = "no message";
	bool panic = false; /* its cause is on the next line */
	char *rest = NULL;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		line += strspn(line, " .");
		any = *line ? line : any;
		if (is_noise(line))
			continue;
		last = line;
		if (strcasestr(line, "no space") || panic)
			return xstrdup(line);
		panic = strstr(line, "PANIC:") != NULL;
		for (size_t i = 0; !first && i < ARRAY_LEN(words); i++)
			if (strcasestr(line, words[i]))
				first = line;
	}
	return xstrdup(first ? first : last ? last : any);
}

int process_error(const struct process *process, const char *what, ducc_error **err)
{
	AUTO_FREE char *text = cause(process);

	if (WIFSIGNALED(process->status))
		return error_set(err, "%s: killed by signal %d", what, WTERMSIG(process->status));
	return error_set(err, "%s: %s (exit status %d)", what, text, WEXITSTATUS(process->status));
}

void process_tell(struct process *process, struct context *context)
{
	char *rest = NULL;

	if (!process->output.data)
		return;
	for (char *line = strtok_r(process->output.data, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		context_notice(context, DUCC_DEBUG, "%s: %s", process->name, line);
	buffer_reset(&process->output);
}

int process_finish(struct process *process, const char *what, struct context *context,
		   ducc_error **err)
{
	int result;

	while (!process_poll(process, false))
		;
	result = process->status ? process_error(process, what, err) : 0;
	process_tell(process, context);
	process_close(process);
	return result;
}
