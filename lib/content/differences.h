/*
 * Directories that a layer implies, and that were different on the layers it was settled on
 * before.  The layer keeps the earlier ones; what is counted here is for a warning.
 */
#ifndef DUCC_DIFFERENCES_H
#define DUCC_DIFFERENCES_H

#include <stddef.h>

/* Begins as {0}. */
struct differences {
	size_t n;
	char *first; /* its path, "/" for the root; NULL if there is none */
};

/* Counts the directory at `path`. */
void differences_add(struct differences *differences, const char *path);

void differences_free(struct differences *differences);

#define AUTO_DIFFERENCES __attribute__((cleanup(differences_free))) struct differences

#endif
