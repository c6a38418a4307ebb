/* Credential helpers: see credential_helper.h. */
#include "net/credential_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/path.h"

#define ANSWER_LIMIT ((size_t)1 << 20)

extern char **environ;

struct pipes {
	int to[2], from[2];
};

static void close_pipes(struct pipes *pipes)
{
	cleanup_close(&pipes->to[0]);
	cleanup_close(&pipes->to[1]);
	cleanup_close(&pipes->from[0]);
	cleanup_close(&pipes->from[1]);
}

/* The environment without other passwords of ours; the caller frees the array. */
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

/* Its standard error is ours: it may have something to tell the user, or to ask. */
static int spawn(pid_t *pid, char *program, const struct pipes *pipes)
{
	char *const argv[] = {program, "get", NULL};
	AUTO_FREE char **environment = helper_environment();
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t signals;
	int result;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	sigemptyset(&signals);
	sigaddset(&signals, SIGPIPE);
	sigaddset(&signals, SIGXFSZ);
	posix_spawnattr_setsigdefault(&attributes, &signals);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_adddup2(&actions, pipes->to[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, pipes->from[1], STDOUT_FILENO);
	result = posix_spawnp(pid, program, &actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return result;
}

static void read_answer(int fd, struct buffer *answer)
{
	char data[4096];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && answer->len < ANSWER_LIMIT)
			buffer_add(answer, data, (size_t)n);
	explicit_bzero(data, sizeof(data));
}

static bool is_program_name(const char *name)
{
	return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789._-")];
}

int credential_helper_get(const char *name, const char *server, struct buffer *answer,
			  ducc_error **err)
{
	AUTO_FREE char *program = format("docker-credential-%s", name);
	CLEANUP(close_pipes) struct pipes pipes = {{-1, -1}, {-1, -1}};
	pid_t pid;
	int status = 0, result;

	if (!is_program_name(name))
		return error_set(err, "not the name of a credential helper: %s", name);
	if (pipe2(pipes.to, O_CLOEXEC) < 0 || pipe2(pipes.from, O_CLOEXEC) < 0)
		return error_errno(err, errno, "%s", program);
	result = spawn(&pid, program, &pipes);
	if (result)
		return error_errno(err, result, "%s", program);
	close(pipes.to[0]);
	close(pipes.from[1]);
	pipes.to[0] = pipes.from[1] = -1;
	/* Less than a pipe holds; and if it does not want to know, its answer tells. */
	write_all(pipes.to[1], server, strlen(server));
	close(pipes.to[1]);
	pipes.to[1] = -1;
	read_answer(pipes.from[0], answer);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 1;
	/* The protocol has no better way to say it. */
	if (WIFEXITED(status) && answer->len && strstr(answer->data, "not found"))
		return 0;
	if (WIFSIGNALED(status))
		return error_set(err, "%s: killed by signal %d", program, WTERMSIG(status));
	return error_set(err, "%s: exit status %d", program, WEXITSTATUS(status));
}
