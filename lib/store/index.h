/*
 * The images that a store lists, in its index.json (OCI image layout).
 */
#ifndef DUCC_INDEX_H
#define DUCC_INDEX_H

#include "format/json.h"
#include "store/store.h"

/*
 * index.json as it was read or written last, so that a session with many images need not
 * read it again for each.  Used under the lock of the store.  Release with store_index_free().
 */
struct store_index *store_index_new(void);
void store_index_free(struct store_index *index);

/*
 * Lists an image in index.json under `name`, in place of an earlier one of the
 * same name and platform.  `descriptor` is the JSON descriptor without the name.
 */
int store_tag(struct store *store, const char *name, const cJSON *descriptor, ducc_error **err);

/*
 * The image manifest that index.json has under `name`, for `platform` (NULL:
 * the only one there is).
 */
int store_find(const struct store *store, const char *name, const char *platform,
	       struct digest *manifest, ducc_error **err);

/*
 * True if index.json has this manifest under the name of the reference, for whatever platform;
 * without a tag, under any name of its repository.
 */
bool store_lists(const struct store *store, const struct reference *reference,
		 const struct digest *manifest);

/*
 * Shows each entry of index.json to keep(), and drops those that it does not want.
 * Nobody else can list an image meanwhile.
 */
int store_filter(struct store *store, bool (*keep)(void *ctx, const cJSON *entry), void *ctx,
		 ducc_error **err);

/* Annotations of our own in index.json's descriptors. */
#define ANNOTATION_NAME "org.opencontainers.image.ref.name"
/* The manifest that the registry has, where index.json lists its OCI form. */
#define ANNOTATION_MANIFEST "org.ducc.manifest"

#endif
