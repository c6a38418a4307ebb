/* Process groups: see group.h. */
#include "cvmfs/group.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

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

bool group_is_alive(const struct group *group, struct buffer *members)
{
	AUTO_ENTRIES entries = {.stream = NULL};
	struct stat_line line;
	const char *pid;

	buffer_reset(members);
	if (!group->id || (kill(-group->id, 0) < 0 && errno == ESRCH) || is_reused(group))
		return false;
	entries = entries_of(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	while ((pid = entries_next(&entries)))
		if (pid[0] >= '1' && pid[0] <= '9' && read_stat(pid, &line) &&
		    line.group == group->id && line.state != 'Z' && line.state != 'X')
			buffer_addf(members, "%s%s (process %s, state %c)",
				    members->len ? ", " : "", line.name, pid, line.state);
	return members->len > 0;
}
