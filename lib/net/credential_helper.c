/* Credential helpers: see credential_helper.h. */
#include "net/credential_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/process.h"

#define ANSWER_LIMIT ((size_t)1 << 20)

extern char **environ;

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

/*
 * Starts the helper; *out is its standard output.  It inherits standard error, so that it can
 * print messages and prompts for the user.
 */
static int start(pid_t *pid, char *program, const char *server, int *out, ducc_error **err)
{
	char *const argv[] = {program, "get", NULL};
	AUTO_FREE char **environment = helper_environment();
	AUTO_CLOSE int in = make_input(server);
	int pipe[2], result;

	if (in < 0 || pipe2(pipe, O_CLOEXEC) < 0)
		return error_errno(err, errno, "%s", program);
	result = process_spawn(pid, &(struct child){.argv = argv,
						    .environment = environment,
						    .in = in,
						    .out = pipe[1],
						    .err = -1,
						    .gate = -1});
	close(pipe[1]);
	*out = pipe[0];
	return result ? error_errno(err, result, "%s", program) : 0;
}

static void read_answer(int fd, struct buffer *answer)
{
	char data[4096];
	ssize_t n;

	while ((n = file_read(fd, data, sizeof(data), -1)) > 0)
		if (answer->len < ANSWER_LIMIT)
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
	AUTO_CLOSE int out = -1;
	int status = 0;
	pid_t pid;

	if (!is_program_name(name))
		return error_set(err, "invalid credential helper name: %s", name);
	if (start(&pid, program, server, &out, err) < 0)
		return -1;
	read_answer(out, answer);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 1;
	/* The protocol has no better indication. */
	if (WIFEXITED(status) && answer->len && strstr(answer->data, "not found"))
		return 0;
	if (WIFSIGNALED(status))
		return error_set(err, "%s: killed by signal %d", program, WTERMSIG(status));
	return error_set(err, "%s: exit status %d", program, WEXITSTATUS(status));
}
