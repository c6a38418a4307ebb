/*
 * Process groups in which cvmfs_server runs, to be found again by the next publisher: it continues
 * if its publisher is killed.
 */
#ifndef DUCC_GROUP_H
#define DUCC_GROUP_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/buffer.h"

/* Numbers are reused: a leader that was started at another time leads another group. */
struct group {
	pid_t id;                   /* also its leader's; 0: none */
	unsigned long long started; /* the leader, in clock ticks since boot; 0: unknown */
};

/* The group that a child leads, which is not reaped yet. */
struct group group_of(pid_t leader);

/*
 * True if a process of the group exists, other than zombies, which may remain until the next boot.
 * Replaces *members with a list of such processes: "NAME (process ID, state LETTER)".
 */
bool group_is_alive(const struct group *group, struct buffer *members);

/* True if a process of the group is known to have that file open. */
bool group_has_open(const struct group *group, const char *path);

/*
 * Whether the process has the file at `path`, of which *file is the status, open: 1, 0, or -1 if its
 * descriptors cannot be read.
 */
int pid_has_open(const char *pid, const char *path, const struct stat *file);

#endif
