/* Process groups: see group.h. */
#include "cvmfs/group.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/entries.h"
#include "base/file.h"
#include "base/mem.h"

/* Some fields of /proc/PID/stat, proc(5). */
struct stat_line {
	char text[1024];
	const char *name; /* in text */
	char state;
	long group;
	unsigned long long started;
};

/* False if the process is gone. */
static bool read_stat(const char *pid, struct stat_line *line)
{
	static const char fields[] = ") %c %*d %ld %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u"
				     " %*d %*d %*d %*d %*d %*d %llu";
	AUTO_FREE char *path = format("/proc/%s/stat", pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : file_read_all(fd, line->text, sizeof(line->text) - 1, 0);
	char *name, *after;

	line->text[n > 0 ? n : 0] = '\0';
	name = strchr(line->text, '(');
	after = strrchr(line->text, ')'); /* the name before it may contain anything */
	if (!name || !after ||
	    sscanf(after, fields, &line->state, &line->group, &line->started) != 3)
		return false;
	*after = '\0';
	line->name = name + 1;
	return true;
}

struct group group_of(pid_t leader)
{
	AUTO_FREE char *pid = format("%ld", (long)leader);
	struct stat_line line;

	return (struct group){leader, read_stat(pid, &line) ? line.started : 0};
}

/* True if the number of the group now is that of another one. */
static bool is_reused(const struct group *group)
{
	struct group now = group_of(group->id);

	return group->started && now.started && now.started != group->started;
}

/* The list of all processes; an empty one if the group has none. */
static struct entries processes(const struct group *group)
{
	if (!group->id || (kill(-group->id, 0) < 0 && errno == ESRCH) || is_reused(group))
		return (struct entries){.stream = NULL};
	return entries_of(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* The next process of the group; NULL at the end. */
static const char *next_member(struct entries *entries, const struct group *group,
			       struct stat_line *line)
{
	const char *pid;

	while ((pid = entries_next(entries)))
		if (pid[0] >= '1' && pid[0] <= '9' && read_stat(pid, line) &&
		    line->group == group->id && line->state != 'Z' && line->state != 'X')
			return pid;
	return NULL;
}

bool group_is_alive(const struct group *group, struct buffer *members)
{
	AUTO_ENTRIES entries = processes(group);
	struct stat_line line;
	const char *pid;

	buffer_reset(members);
	while ((pid = next_member(&entries, group, &line)))
		buffer_addf(members, "%s%s (process %s, state %c)", members->len ? ", " : "",
			    line.name, pid, line.state);
	return members->len > 0;
}

bool group_has_open(const struct group *group, const char *path)
{
	AUTO_ENTRIES entries = processes(group);
	struct stat_line line;
	struct stat st;
	const char *pid;

	if (stat(path, &st) < 0)
		return false;
	while ((pid = next_member(&entries, group, &line)))
		if (pid_has_open(pid, path, &st) > 0)
			return true;
	return false;
}

/* The name is looked at first: fstatat(2) of a file in a mount that hangs would hang as well. */
static bool is_file(int fds, const char *fd, const char *name, const struct stat *file)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(fds, fd, target, sizeof(target) - 1);
	struct stat st;

	target[n > 0 ? n : 0] = '\0';
	return strstr(target, name) && !fstatat(fds, fd, &st, 0) && file_is_same(&st, file);
}

int pid_has_open(const char *pid, const char *path, const struct stat *file)
{
	AUTO_FREE char *fds = format("/proc/%s/fd", pid);
	AUTO_ENTRIES entries = entries_of(open(fds, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const char *slash = strrchr(path, '/'), *fd;

	if (entries.error)
		return -1;
	while ((fd = entries_next(&entries)))
		if (is_file(entries.fd, fd, slash ? slash + 1 : path, file))
			return 1;
	return 0;
}
