/* Credential helpers: see credential_helper.h. */
#include "net/credential_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "net/http.h"

#define ANSWER_LIMIT ((size_t)1 << 20)
#define GRACE 1000                /* milliseconds between SIGTERM and SIGKILL */
#define AGENT (STDERR_FILENO + 1) /* the agent's descriptor */

/* --- a helper --------------------------------------------------------- */

struct helper {
	pid_t pid;
	int pidfd;
	int out;    /* its standard output, nonblocking */
	bool leads; /* a process group of its own */
};

static void helper_close(struct helper *helper)
{
	cleanup_close(&helper->pidfd);
	cleanup_close(&helper->out);
}

/* The environment without our other passwords; the caller frees the array. */
static char **helper_environment(void)
{
	size_t n = 0, kept = 0;
	char **copy;

	while (environ[n])
		n++;
	copy = xcalloc(n + 1, sizeof(char *));
	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(environ[i], "=");

		if (strncmp(environ[i], "DUCC_", 5) != 0 || len < 5 ||
		    strncmp(environ[i] + len - 5, "_PASS", 5) != 0)
			copy[kept++] = environ[i];
	}
	return copy;
}

/* A file in memory for the helper to read, or -1 with errno set. */
static int make_input(const char *text)
{
	AUTO_CLOSE int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0 || write_all(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return steal_fd(&fd);
}

/* True if a helper can prompt there: only the process group in the foreground may read. */
static bool has_terminal(void)
{
	AUTO_CLOSE int terminal = open("/dev/tty", O_RDONLY | O_CLOEXEC);

	return terminal >= 0 && tcgetpgrp(terminal) == getpgrp();
}

/* Starts it.  It inherits standard error, so that it can print messages and prompts for the user. */
static int start(struct helper *helper, char *program, const char *server, ducc_error **err)
{
	char *const argv[] = {program, "get", NULL};
	AUTO_FREE char **environment = helper_environment();
	AUTO_CLOSE int in = make_input(server);
	int pipe[2], result;

	if (in < 0 || pipe2(pipe, O_CLOEXEC) < 0)
		return error_errno(err, errno, "%s", program);
	fcntl(pipe[0], F_SETFL, O_NONBLOCK);
	helper->out = pipe[0];
	helper->leads = !has_terminal();
	result = process_spawn(&helper->pid, &(struct child){.argv = argv,
							     .environment = environment,
							     .in = in,
							     .out = pipe[1],
							     .err = -1,
							     .gate = -1,
							     .own_group = helper->leads});
	close(pipe[1]);
	if (result)
		return error_errno(err, result, "%s", program);
	helper->pidfd = (int)syscall(SYS_pidfd_open, helper->pid, 0);
	return 0;
}

/* Ends it with all that it has started, as far as that is known; it may restore the terminal first. */
static void end(const struct helper *helper)
{
	pid_t whom = helper->leads ? -helper->pid : helper->pid;

	kill(whom, SIGTERM);
	poll(&(struct pollfd){.fd = helper->pidfd, .events = POLLIN}, 1, GRACE);
	kill(whom, SIGKILL);
}

/* Reads what there is, and drops what is too much; false at the end. */
static bool read_answer(int fd, struct buffer *answer)
{
	char data[4096];
	ssize_t n;

	while ((n = file_read(fd, data, sizeof(data), -1)) > 0 && answer->len < ANSWER_LIMIT)
		buffer_add(answer, data, (size_t)n);
	explicit_bzero(data, sizeof(data));
	return n != 0;
}

/* Reads until it has exited; ends it as soon as there is something to read from `stop`. */
static int attend(const struct helper *helper, int stop, struct buffer *answer)
{
	struct pollfd fds[] = {{.fd = stop, .events = POLLIN},
			       {.fd = helper->pidfd, .events = POLLIN},
			       {.fd = helper->out, .events = POLLIN}};
	pid_t exited = 0;
	int status = 0;

	while (!exited) {
		poll(fds, ARRAY_LEN(fds), PROCESS_TICK);
		if (fds[0].revents)
			end(helper);
		exited = waitpid(helper->pid, &status, fds[0].revents ? 0 : WNOHANG);
		if (!read_answer(helper->out, answer))
			fds[2].fd = -1;
	}
	return status;
}

static bool is_program_name(const char *name)
{
	return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789._-")];
}

static char *program_of(const char *name)
{
	return format("docker-credential-%s", name);
}

static int run(const char *name, const char *server, struct buffer *answer, ducc_error **err)
{
	CLEANUP(helper_close) struct helper helper = {.pidfd = -1, .out = -1};
	AUTO_FREE char *program = program_of(name);
	int status;

	if (start(&helper, program, server, err) < 0)
		return -1;
	status = attend(&helper, AGENT, answer);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 1;
	/* The protocol has no better indication. */
	if (WIFEXITED(status) && answer->len && strstr(answer->data, "not found"))
		return 0;
	if (WIFSIGNALED(status))
		return error_set(err, "%s: killed by signal %d", program, WTERMSIG(status));
	return error_set(err, "%s: exit status %d", program, WEXITSTATUS(status));
}

/* --- the agent -------------------------------------------------------- */

/*
 * A request is two texts, the helper's name and the server.  A reply is its result, and a text:
 * the answer, or the message of the error, and its kind.  The request ends with a byte, when there
 * is a reply or nobody waits for it any more.
 */
struct helper_agent {
	pid_t pid;
	int socket;
};

struct reply {
	int result;
	enum ducc_error_kind kind;
};

static int receive(int fd, void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = file_read(fd, p, len, -1);

		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int send_text(int fd, const char *text, size_t len)
{
	return write_all(fd, &len, sizeof(len)) < 0 ? -1 : write_all(fd, text, len);
}

static int receive_text(int fd, struct buffer *text)
{
	size_t len;

	if (receive(fd, &len, sizeof(len)) < 0 || len > 2 * ANSWER_LIMIT)
		return -1;
	buffer_adds(text, "");
	return receive(fd, buffer_extend(text, len), len);
}

static void wipe(struct buffer *text)
{
	if (text->data)
		explicit_bzero(text->data, text->len);
	buffer_free(text);
}

/* Answers one request; returns -1 when there will be no more. */
static int serve(int fd)
{
	char last;
	AUTO_BUFFER name = {0}, server = {0};
	CLEANUP(wipe) struct buffer answer = {0};
	struct reply reply = {.result = -1};
	ducc_error *err = NULL;

	if (receive_text(fd, &name) < 0 || receive_text(fd, &server) < 0)
		return -1;
	reply.result = run(name.data, server.data, &answer, &err);
	if (reply.result < 0) {
		reply.kind = ducc_error_kind(err);
		buffer_reset(&answer);
		buffer_adds(&answer, ducc_error_message(err));
	}
	ducc_error_free(err);
	if (write_all(fd, &reply, sizeof(reply)) < 0 ||
	    send_text(fd, answer.data ? answer.data : "", answer.len) < 0)
		return -1;
	return receive(fd, &last, 1);
}

/*
 * The agent keeps standard error, on which helpers prompt, but nothing else of its parent.  It
 * ignores signals, and outlives its parent for as long as it takes to end a helper.
 */
static void be_agent(int socket)
{
	sigset_t signals;
	int away = fcntl(socket, F_DUPFD_CLOEXEC, AGENT + 1); /* it may have any number */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	sigfillset(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup3(away, AGENT, O_CLOEXEC) < 0)
		return;
	syscall(SYS_close_range, AGENT + 1, ~0U, 0);
	while (!serve(AGENT))
		;
}

struct helper_agent *helper_agent_start(ducc_error **err)
{
	struct helper_agent *agent;
	int sockets[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
		error_errno(err, errno, "credential helpers");
		return NULL;
	}
	pid = fork();
	if (!pid) {
		be_agent(sockets[1]);
		_exit(0);
	}
	close(sockets[1]);
	if (pid < 0) {
		error_errno(err, errno, "credential helpers");
		close(sockets[0]);
		return NULL;
	}
	agent = xcalloc(1, sizeof(*agent));
	*agent = (struct helper_agent){.pid = pid, .socket = sockets[0]};
	return agent;
}

void helper_agent_stop(struct helper_agent *agent)
{
	if (!agent)
		return;
	close(agent->socket);
	while (waitpid(agent->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(agent);
}

static int wait_for_reply(const struct helper_agent *agent, struct context *context,
			  ducc_error **err)
{
	struct pollfd fd = {.fd = agent->socket, .events = POLLIN};
	long seconds = http_stall_time();
	double start = clock_monotonic();

	while (poll(&fd, 1, PROCESS_TICK) <= 0) {
		if (context && context_check(context, err) < 0)
			return -1;
		if (clock_monotonic() - start >= (double)seconds)
			return error_set_kind(err, DUCC_TRANSIENT,
					      "takes more than %ld seconds (raise it with "
					      "DUCC_TIMEOUT=N)",
					      seconds);
	}
	return 0;
}

static int ask(const struct helper_agent *agent, struct context *context, const char *name,
	       const char *server, struct buffer *answer, ducc_error **err)
{
	struct reply reply;
	int waited;

	if (context && context_check(context, err) < 0) /* since it waits for its turn */
		return error_wrap(err, "no answer for %s", server);
	if (send_text(agent->socket, name, strlen(name)) < 0 ||
	    send_text(agent->socket, server, strlen(server)) < 0)
		return error_set(err, "the process that runs it has died");
	waited = wait_for_reply(agent, context, err);
	if (waited < 0)
		error_wrap(err, "no answer for %s", server);
	if (write_all(agent->socket, "", 1) < 0 ||
	    receive(agent->socket, &reply, sizeof(reply)) < 0 ||
	    receive_text(agent->socket, answer) < 0)
		return error_set(err, "the process that runs it has died");
	if (!waited && reply.result < 0)
		error_set_kind(err, reply.kind, "%s", answer->data);
	return waited < 0 ? waited : reply.result;
}

int credential_helper_get(const struct helper_agent *agent, struct context *context,
			  const char *name, const char *server, struct buffer *answer,
			  ducc_error **err)
{
	AUTO_FREE char *program = program_of(name);
	int result;

	if (!is_program_name(name))
		return error_set(err, "invalid credential helper name: %s", name);
	result = ask(agent, context, name, server, answer, err);
	return result < 0 ? error_wrap(err, "%s", program) : result;
}
