/*
 * Paths beneath a directory descriptor.
 *
 * A path here is relative, its components separated by single slashes, without
 * "." or ".."; "" is the directory itself.  It may be longer than PATH_MAX.
 * Symbolic links are never followed, in no component: an image can plant them.
 *
 * Functions return -1 with errno set where they have no err argument.
 */
#ifndef DUCC_PATH_H
#define DUCC_PATH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/file.h"

/* True for a path as above that is not "": of names of at most 255 bytes. */
bool path_is_clean(const char *path);

/* Opens `path` beneath `root` (openat2, RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS). */
int path_open(int root, const char *path, int flags, mode_t mode);

/* Opens a regular file for reading; anything else is EINVAL, and a fifo does not block. */
int path_open_file(int root, const char *path);

/* Opens the directory that holds `path`; *name is its last component, within path. */
int path_open_parent(int root, const char *path, const char **name);

/*
 * The same for many paths in a row: remembers the last parent.  Zero-initialise
 * with BENEATH(root); release with beneath_close().
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

/* The descriptor stays the property of `beneath`. */
int beneath_parent(struct beneath *beneath, const char *path, const char **name);
void beneath_close(struct beneath *beneath);

/* Makes `path` and what is missing above it, with mode 0755 less the umask. */
int path_mkdirs(int root, const char *path);

/* Makes a directory by its name in the file system, and those above it. */
int path_mkdirs_named(const char *path, ducc_error **err);

/* True if `path` exists beneath root, whatever it is. */
bool path_exists(int root, const char *path);

/* Reads a whole regular file, as read_file() does (file.h). */
int path_read(int root, const char *path, size_t limit, char **data, size_t *len, ducc_error **err);

#endif
