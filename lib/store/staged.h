/*
 * Files of the store that are being written.
 *
 * Nothing half-written ever has a final name: files are written under tmp/,
 * synced and renamed.  The name under tmp/ follows from the final one and its
 * writer holds a lock on it, so two writers of one file take turns, and what a
 * killed one left is taken over by the next.
 */
#ifndef DUCC_STAGED_H
#define DUCC_STAGED_H

#include "store/store.h"

/* Writes a small blob under its digest, unless it is there. */
int store_write_blob(struct store *store, const void *data, size_t len, struct digest *digest,
		     ducc_error **err);

/*
 * Removes what killed processes left under tmp/: all that nobody holds a lock on, save
 * downloads of the last days, which can be resumed.  Best effort; what can't be removed
 * stays.
 */
void store_sweep(struct store *store);

/* A file that is being written. */
struct staged {
	int fd; /* open for reading and writing, empty */
	char *temporary, *final;
	const struct store *store;
};

#define STAGED_NONE                                                                                \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/*
 * Begins to write `final`.  Waits for another writer of the same file.  With
 * keep_existing: returns 1, with nothing staged, if the file is there.  Returns
 * 0 with an empty file at staged->fd, or -1.
 */
int staged_begin(struct staged *staged, const struct store *store, const char *final,
		 bool keep_existing, ducc_error **err);

/* The same with keep_existing, but what another writer has left of the file stays in it. */
int staged_resume(struct staged *staged, const struct store *store, const char *final,
		  ducc_error **err);

/* Leaves it for staged_resume(). */
void staged_leave(struct staged *staged);

/* Syncs the file and gives it its final name. */
int staged_commit(struct staged *staged, ducc_error **err);

/* Removes what is staged; does nothing if it was committed or never begun. */
void staged_discard(struct staged *staged);

#define AUTO_STAGED __attribute__((cleanup(staged_discard))) struct staged

/* Writes a whole file that replaces an older one. */
int store_replace(struct store *store, const char *final, const void *data, size_t len,
		  ducc_error **err);

#endif
