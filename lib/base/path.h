/*
 * Paths beneath a directory descriptor.
 *
 * A path here is relative, its components separated by single slashes, without
 * "." or ".."; "" is the directory itself.  It may be longer than PATH_MAX.
 * Symbolic links are not followed in any component: an image can plant them.
 *
 * Functions without an err argument return -1 and set errno.
 */
#ifndef DUCC_PATH_H
#define DUCC_PATH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/file.h"

/* Fails, with an explanation, if this process cannot use openat2(2), on which all of this relies. */
int path_available(ducc_error **err);

/* True for a nonempty path as above with components of at most 255 bytes. */
bool path_is_clean(const char *path);

/* Opens `path` beneath `root` (openat2, RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS). */
int path_open(int root, const char *path, int flags, mode_t mode);

/* Opens a regular file for reading; other types fail with EINVAL, FIFOs without blocking. */
int path_open_file(int root, const char *path);

/* Opens the parent directory of `path`; *name points to the last component within path. */
int path_open_parent(int root, const char *path, const char **name);

/*
 * The same for a sequence of paths: caches the last parent.  Initialise with
 * BENEATH(root); release with beneath_close().
 */
struct beneath {
	int root;
	int parent;
	char *parent_path;
};

#define BENEATH(fd)                                                                                \
	{                                                                                          \
		.root = (fd), .parent = -1                                                         \
	}

/* `beneath` owns the returned descriptor, which is open for lookups only (O_PATH). */
int beneath_parent(struct beneath *beneath, const char *path, const char **name);
void beneath_close(struct beneath *beneath);

/* Creates the directory `path` and its missing parents, with mode 0755 less the umask. */
int path_mkdirs(int root, const char *path);

/* Creates a directory with `mode`, and its parents; `path` is an ordinary path, as for mkdir(2). */
int path_mkdirs_named(const char *path, mode_t mode, ducc_error **err);

/* fchmodat2(2), since Linux 6.6: the same number everywhere. */
#define CALL_FCHMODAT2 452

/*
 * Sets the mode of `path`, whatever its type.  Unlike fchmodat(2), it does not follow a symbolic link,
 * with which somebody may have replaced the file meanwhile: ELOOP.  Where fchmodat2(2) is missing, it
 * needs /proc: else ENOSYS, or EPERM from a filter of system calls.
 */
int path_chmod(int root, const char *path, mode_t mode);

/*
 * Creates a directory in the open directory `parent`, with mode 0755 whatever the umask; one that
 * exists stays as it is.
 */
int path_mkdir(int parent, const char *name);

/* Gives the owner of the directory `path` all permissions, if any is missing. */
int path_permit(int root, const char *path);

/* The same, and takes those of all others. */
int path_seclude(int root, const char *path);

/* True for the errno value of a path that does not exist. */
bool is_absence(int error);

/* True for the errno value with which path_open_file() fails for anything but a regular file. */
bool is_wrong_type(int error);

/* 1 if `path` exists beneath root, whatever its type; 0 if not; -1 with errno set if unknown. */
int path_find(int root, const char *path);

/*
 * True if `path` certainly exists, and if it certainly does not.  An error, such as too many
 * open files, proves neither: decide so that its cause then comes up.
 */
bool path_exists(int root, const char *path);
bool path_is_absent(int root, const char *path);

/* Reads a whole regular file, as read_file() does (file.h). */
int path_read(int root, const char *path, size_t limit, char **data, size_t *len, ducc_error **err);

#endif
