/*
 * The entries of a directory, one after the other, without `.` and `..`:
 *
 *	AUTO_ENTRIES entries = entries_open(root, path);
 *	while ((name = entries_next(&entries)))
 *		...
 *	if (entries.error)
 *		return error_errno(err, entries.error, ...);
 *
 * Entries may be removed meanwhile.
 */
#ifndef DUCC_ENTRIES_H
#define DUCC_ENTRIES_H

#include <dirent.h>
#include <stdbool.h>

#include "base/mem.h"

struct entries {
	DIR *stream;
	int fd;    /* the directory, as long as the entries are open; -1: it could not be opened */
	int error; /* why it could not be opened, or not be read to the end; 0: nothing is wrong */
	unsigned char type; /* of the last entry, DT_UNKNOWN if the file system does not say */
};

/* Of an open directory, which is closed with the entries; fd < 0: errno says why it isn't open. */
struct entries entries_of(int fd);

/* Of the directory `path` beneath root (path.h); root < 0: as above. */
struct entries entries_open(int root, const char *path);

/* The name of the next entry, until the one after that; NULL: none is left, or an error. */
const char *entries_next(struct entries *entries);

/* The type of the last entry, from the file system if need be: DT_DIR, DT_LNK or another. */
unsigned char entries_type(const struct entries *entries, const char *name);

void entries_close(struct entries *entries);

/* True if the directory `path` beneath root holds nothing; false if that can not be told. */
bool directory_is_empty(int root, const char *path);

#define AUTO_ENTRIES CLEANUP(entries_close) struct entries

#endif
