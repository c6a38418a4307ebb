/*
 * From an image's name to its manifest: the documents are taken from the source or, by digest,
 * from the store; indexes are followed down to the manifest for a platform.
 *
 * An index may leave the platform of an image to its config, which is then read.
 */
#ifndef DUCC_RESOLVE_H
#define DUCC_RESOLVE_H

#include "format/image.h"
#include "source/source.h"
#include "store/store.h"

#define MAX_INDEX_DEPTH 4

struct document {
	char *data;
	size_t len;
	struct digest digest;
	bool stored; /* it was read from the store */
};

/* Begins as {.source, .store}; store->fd is -1 if there is no store. */
struct resolution {
	struct source *source;
	const struct store *store;
	struct document indexes[MAX_INDEX_DEPTH]; /* outermost first */
	size_t n_indexes;
	bool exact;          /* an image for another variant does not count: used by resolve() */
	ducc_error *unclear; /* meanwhile: why such an image may not have been found */
	size_t n_documents, documents_size; /* examined so far, and their bytes */
	struct document document;           /* the manifest */
	struct manifest manifest;           /* the same, parsed */
	struct platform platform;           /* as an index specifies it; all NULL: none does */
};

/*
 * Finds the manifest for `platform`: wherever it is, one for exactly that is preferred to one for
 * an older variant.  An image for another platform is found only if nothing says what it is for
 * but its own config.  Call resolution_free() even on failure.
 */
int resolve(struct resolution *resolution, const struct platform *platform, ducc_error **err);

/*
 * The distinct platforms of the images in the index and those nested in it, OS/ARCH[/VARIANT],
 * NULL-terminated; none for a single image.  Fails if one of them cannot be read.  The caller
 * frees each string and the array.
 */
char **resolve_platforms(struct resolution *resolution, ducc_error **err);

void resolution_free(struct resolution *resolution);

#endif
