/*
 * What ducc-convert has noted in a store about the images on its lists (ducc-store(5)): the list
 * that wants each image, and since when and why it fails.
 */
#ifndef DUCC_WISHES_H
#define DUCC_WISHES_H

#include "base/strmap.h"

/* What is known of a name; a string is NULL if there is nothing to say. */
struct wish {
	char *lists;   /* the lists that name the image */
	char *failing; /* the time since when, in the format of clock.h */
	char *error;
};

/*
 * Reads what concerns the repository into a map from REGISTRY/REPOSITORY:TAG to struct wish.
 * Whatever cannot be read is left out.
 */
void wishes_read(struct strmap *wishes, const char *store, const char *repository);
void wishes_free(struct strmap *wishes);

#endif
