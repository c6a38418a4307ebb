/*
 * The store: image state on disk, an OCI image layout with additions
 * (ducc-store(5)).
 *
 * Nothing half-written ever has a final name: files are written under tmp/,
 * synced and renamed.  The name under tmp/ follows from the final one and its
 * writer holds a lock on it, so two writers of one file take turns, and what a
 * killed one left is taken over by the next.
 */
#ifndef DUCC_STORE_H
#define DUCC_STORE_H

#include "format/digest.h"
#include "format/json.h"
#include "format/reference.h"

struct store {
	int fd;
	char *path;
	struct store_index *index; /* what is known of index.json already, or NULL */
};

/*
 * index.json as it was read or written last, so that a session with many images need not
 * read it again for each.  Used under the lock of the store.  Release with store_index_free().
 */
struct store_index *store_index_new(void);
void store_index_free(struct store_index *index);

/* Opens the store at `path`, creating it if need be. */
int store_open(struct store *store, const char *path, ducc_error **err);

/* The same for an OCI image layout that is to be no store: for blobs and names of images only. */
int store_open_layout(struct store *store, const char *path, ducc_error **err);

/* Opens a store that is there already; 0 if there is none, 1 if there is, -1 on error. */
int store_open_existing(struct store *store, const char *path, ducc_error **err);

/* Makes what is missing in one that is there: all of it can be removed while no tool runs. */
int store_complete(struct store *store, ducc_error **err);

void store_close(struct store *store);

/* Names beneath the store; the caller frees them. */
char *store_blob_name(const struct digest *digest);
char *store_layer_tar_name(const struct digest *layer);
char *store_layer_listing_name(const struct digest *layer);
char *store_image_listing_name(const struct digest *manifest);

bool store_has_blob(const struct store *store, const struct digest *digest);

/* Opens a blob for reading; -1 with *err set. */
int store_open_blob(const struct store *store, const struct digest *digest, ducc_error **err);

/* Reads a JSON blob of at most JSON_LIMIT bytes and verifies it; the caller frees *data. */
int store_read_blob(const struct store *store, const struct digest *digest, char **data,
		    size_t *len, ducc_error **err);

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
