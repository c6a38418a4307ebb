/*
 * Notes about a repository, in the store (ducc-store(5), known/): files that are appended to, and
 * begin anew when they have become too large.  Without them, jobs take longer.
 */
#ifndef DUCC_NOTES_H
#define DUCC_NOTES_H

#include "repo/repository.h"
#include "store/store.h"

/* The path of a file of notes in the store, known/HEX with a suffix, which the caller frees. */
char *notes_path(const struct repository *repository, const char *suffix);

/*
 * Opens the file for reading and appending, and locks it; creates it if necessary, and empties it
 * if it has more than `max` bytes.  Returns -1 on failure.
 */
int notes_open(const struct store *store, const char *path, size_t max);

#endif
