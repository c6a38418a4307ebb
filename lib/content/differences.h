/*
 * Implied directories of a layer whose metadata differ from those of the layers on which it
 * was settled before.  The layer keeps the earlier metadata; these are counted for a warning.
 */
#ifndef DUCC_DIFFERENCES_H
#define DUCC_DIFFERENCES_H

#include <stddef.h>

/* Initialise with {0}. */
struct differences {
	size_t n;
	char *first; /* path of the first one, "/" for the root; NULL: none */
};

/* Counts the directory at `path`. */
void differences_add(struct differences *differences, const char *path);

void differences_free(struct differences *differences);

#define AUTO_DIFFERENCES __attribute__((cleanup(differences_free))) struct differences

#endif
