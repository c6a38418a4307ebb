/*
 * The list of images in a store: its index.json (OCI image layout).  If that is missing, or
 * cannot be read, it is recovered from the rest of the store (index_recovery.h).
 */
#ifndef DUCC_INDEX_H
#define DUCC_INDEX_H

#include "format/json.h"
#include "format/platform.h"
#include "store/index_recovery.h"
#include "store/store.h"

/*
 * A cache of index.json as last read or written, so that a session with many images does not
 * read it again for each, nor lock the store for those that are listed.  Threads may share it.
 * Release with store_index_free().
 */
struct store_index *store_index_new(void);
void store_index_free(struct store_index *index);

/* Reads index.json as it is, without recovering it.  *manifests is its list. */
cJSON *store_index_read(const struct store *store, cJSON **manifests, ducc_error **err);

/*
 * The same, with index.json recovered if it is missing or damaged; in a store that keeps what it has, if
 * it is missing, and without writing it.
 */
cJSON *store_index_get(const struct store *store, cJSON **manifests, ducc_error **err);

/*
 * The digests of an entry: the listed one, and that of the registry's manifest, of which the former
 * may be the OCI form.  False if they are not digests.
 */
bool index_digests(const cJSON *entry, struct digest *listed, struct digest *manifest);

/*
 * Adds an image to index.json under `name`, replacing an earlier one of the same
 * name and platform.  `descriptor` is the JSON descriptor without the name.
 * Returns 1, 0 if it was there already, or -1.
 */
int store_tag(struct store *store, const char *name, const cJSON *descriptor, ducc_error **err);

/*
 * Finds the image manifest that index.json lists under `name` for `platform`
 * (NULL: there must be only one).
 */
int store_find(const struct store *store, const char *name, const char *platform,
	       struct digest *manifest, ducc_error **err);

/*
 * True if index.json lists this manifest under the name of the reference, for any platform;
 * without a tag, under any name of its repository.
 */
bool store_lists(const struct store *store, const struct reference *reference,
		 const struct digest *manifest);

/*
 * The platform for which index.json lists this manifest, as store_lists() finds it; NULL if it does
 * not, or has none.  `wanted`, if not NULL, restricts it to that platform.  The caller frees it.
 */
char *store_platform(const struct store *store, const struct reference *reference,
		     const struct digest *manifest, const struct platform *wanted);

/* 1 if the entry stays in index.json, 0 if not, or -1. */
typedef int keep_entry_fn(void *ctx, const cJSON *entry, ducc_error **err);

/*
 * Removes the entries of index.json that are not to be kept: all of them, or none if a decision
 * fails.  The store is locked meanwhile.
 */
int store_filter(struct store *store, keep_entry_fn *keep, void *ctx, ducc_error **err);

#endif
