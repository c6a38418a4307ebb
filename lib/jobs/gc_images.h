/*
 * The images that a garbage collection is given, to keep or to remove, and which published
 * images they mean.
 */
#ifndef DUCC_GC_IMAGES_H
#define DUCC_GC_IMAGES_H

#include "base/strset.h"
#include "ducc.h"
#include "format/reference.h"
#include "jobs/gc_plan.h"

/* Zero-initialised, it is empty. */
struct gc_images {
	struct reference *references;
	size_t n;
	bool all;                       /* every image is wanted */
	bool some;                      /* only images to remove are given */
	bool find;                      /* they are to be found in the repository */
	struct strset wanted, unwanted; /* names; among those wanted, patterns */
	struct strset missing;          /* images to remove that are not published */
	struct strset shared;           /* names that stay: also those of other images */
};

/* Fails for a malformed reference, and if no image is wanted. */
int gc_images_read(struct gc_images *images, const struct ducc_gc_options *options,
		   ducc_error **err);
void gc_images_free(struct gc_images *images);

/* Finds the images to remove in the repository, again after it has changed. */
void gc_images_find(struct gc_images *images, const struct inventory *inventory);

/* Adds those to keep that mean no published image. */
void gc_images_unpublished(const struct gc_images *images, const struct inventory *inventory,
			   struct strset *unpublished);

/* Whether the published image with that name is wanted. */
enum gc_wanted gc_images_wanted(const struct gc_images *images, const char *name);

/* The first names as text, "a, b, c and 9 others", which the caller frees. */
char *gc_images_list(const struct strset *names);

#endif
