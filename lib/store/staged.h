/*
 * Writing files of the store atomically.
 *
 * A file gets its final name only when complete: it is written under tmp/, synced
 * and renamed.  Its name under tmp/ is derived from the final one, and its writer
 * holds a lock on it, so that concurrent writers of one file take turns, and the
 * next writer reuses the file that a killed one left behind.
 */
#ifndef DUCC_STAGED_H
#define DUCC_STAGED_H

#include "store/store.h"

/* Writes a small blob under its digest, unless it exists. */
int store_write_blob(const struct store *store, const void *data, size_t len, struct digest *digest,
		     ducc_error **err);

/*
 * Removes files that killed processes left under tmp/: those that are not locked, except
 * recent downloads (seven days), which can be resumed.  Best effort: errors are ignored.
 */
void store_sweep(struct store *store);

/* A file being written. */
struct staged {
	int fd; /* open for reading and writing */
	char *temporary, *final;
	const struct store *store;
};

#define STAGED_NONE                                                                                \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/*
 * Begins writing `final`; waits for another writer of the same file.  Returns 0 with
 * an empty file at staged->fd, or -1; with keep_existing, 1 and nothing staged if
 * `final` exists.
 */
int staged_begin(struct staged *staged, const struct store *store, const char *final,
		 bool keep_existing, ducc_error **err);

/* The same with keep_existing, but keeps data that a previous writer left in the file. */
int staged_resume(struct staged *staged, const struct store *store, const char *final,
		  ducc_error **err);

/* Closes the file and keeps it for staged_resume(). */
void staged_leave(struct staged *staged);

/* Syncs the file and renames it to its final name. */
int staged_commit(struct staged *staged, ducc_error **err);

/* Removes the staged file; does nothing if it was committed or never begun. */
void staged_discard(struct staged *staged);

#define AUTO_STAGED __attribute__((cleanup(staged_discard))) struct staged

/* Writes a complete file, replacing an older one. */
int store_replace(const struct store *store, const char *final, const void *data, size_t len,
		  ducc_error **err);

#endif
