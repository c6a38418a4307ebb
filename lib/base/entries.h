/*
 * Iterates over the entries of a directory, except `.` and `..`:
 *
 *	AUTO_ENTRIES entries = entries_open(root, path);
 *	while ((name = entries_next(&entries)))
 *		...
 *	if (entries.error)
 *		return error_errno(err, entries.error, ...);
 *
 * Entries may be removed during the iteration.
 */
#ifndef DUCC_ENTRIES_H
#define DUCC_ENTRIES_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct entries {
	DIR *stream;
	int fd;             /* the directory, valid until entries_close(); -1: open failed */
	int error;          /* errno value of a failed open or read; 0: no error */
	unsigned char type; /* of the last entry; DT_UNKNOWN if readdir(3) does not report it */
};

/* Takes ownership of an open directory; if fd < 0, errno holds the reason. */
struct entries entries_of(int fd);

/* Opens the directory `path` beneath root (path.h); root < 0: as above. */
struct entries entries_open(int root, const char *path);

/* The next entry's name, valid until the next call; NULL at the end or on error. */
const char *entries_next(struct entries *entries);

/* The type of the last entry, with fstatat(2) if necessary: DT_DIR, DT_LNK ... */
unsigned char entries_type(const struct entries *entries, const char *name);

void entries_close(struct entries *entries);

/* True if the directory `path` beneath root is empty; false on error. */
bool directory_is_empty(int root, const char *path);

/* True for a hidden file, and for what mkfs(8) makes: any directory of ours may contain them. */
bool entries_is_incidental(const char *name);

/*
 * The name of a file, allocated, in a directory of somebody else; NULL for one that contains any of
 * the n names, which are ours, and for one that can become ours: it has only incidental files.
 */
char *directory_find_foreign(int root, const char *const *ours, size_t n);

#define AUTO_ENTRIES CLEANUP(entries_close) struct entries

#endif
