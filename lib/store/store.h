/*
 * The store: image state on disk, an OCI image layout with additions
 * (ducc-store(5)).
 */
#ifndef DUCC_STORE_H
#define DUCC_STORE_H

#include "format/digest.h"
#include "format/image.h"
#include "format/reference.h"

struct context;
struct store_index;

struct store {
	int fd;
	char *path;
	/* Set these before opening it; the rest is zero. */
	struct store_index *index; /* index.h; may be NULL */
	struct context *context;   /* for warnings and waiting; may be NULL */
	bool keep;                 /* write nothing to recover it, remove no damaged files */
};

/* Opens the store at `path`; creates it, accessible only for its owner, if it does not exist. */
int store_open(struct store *store, const char *path, ducc_error **err);

/* The same for a plain OCI image layout: only blobs and image names, no additions. */
int store_open_layout(struct store *store, const char *path, ducc_error **err);

/*
 * Opens an existing store; returns 1, 0 if it does not exist, or -1 on error.  As with the others, a
 * directory that contains other files, but nothing of a store, is an error.
 */
int store_open_existing(struct store *store, const char *path, ducc_error **err);

/* Creates missing files and directories: users may remove any of them while no tool runs. */
int store_complete(struct store *store, ducc_error **err);

void store_close(struct store *store);

/* Fails if it lacks the file oci-layout, or that has no version. */
int store_check_layout(const struct store *store, ducc_error **err);

/* Locks the store's lists until the returned descriptor is closed; -1 with errno set. */
int store_lock(const struct store *store);

/* Names beneath the store; the caller frees them. */
char *store_blob_name(const struct digest *digest);
char *store_layer_tar_name(const struct digest *layer);
char *store_layer_listing_name(const struct digest *layer);
char *store_image_listing_name(const struct digest *manifest);

/*
 * Damaged files.  Whatever is in a store may have been removed, truncated, changed or replaced since
 * it was written, by users or by a failing disk.  Whoever finds a file that is not what it must be
 * discards it, and the tool that writes such files makes it anew.  A file that cannot be opened or
 * read for another reason, such as too little memory or an I/O error, is not damaged: that is an
 * error.
 */

/*
 * Removes a damaged file, with a warning that contains the reason.  `fd` is the file that was
 * read, or -1: if another has taken its place meanwhile, nothing is removed.
 */
void store_discard(const struct store *store, const char *name, int fd, const char *why);

/*
 * Opens a regular file for reading; -1 with *err set, of the kind DUCC_NOT_FOUND if it is missing.
 * Something else, or a file that its mode closes to its owner, is discarded: DUCC_DAMAGED.
 */
int store_open_file(const struct store *store, const char *name, ducc_error **err);

/* The same for a blob. */
int store_open_blob(const struct store *store, const struct digest *digest, ducc_error **err);

/* Reads a whole blob and checks its digest; discards it if it is damaged. */
int store_verify_blob(const struct store *store, const struct digest *digest, ducc_error **err);

/*
 * 1 if the store has the blob, 0 if not, -1 with *err set if that is unknown.  Its content is not
 * read, but its size must be right; else it is verified.
 */
int store_has_blob(const struct store *store, const struct descriptor *descriptor,
		   ducc_error **err);

/*
 * Reads a JSON blob of at most JSON_LIMIT bytes and verifies it; the caller frees *data.  Discards
 * it if it is damaged.
 */
int store_read_blob(const struct store *store, const struct digest *digest, char **data,
		    size_t *len, ducc_error **err);

/*
 * The same for a blob that can be had elsewhere: 1, 0 if the store does not have it, or it was
 * damaged, or -1.  The store may be none (fd -1).
 */
int store_look_up(const struct store *store, const struct digest *digest, char **data, size_t *len,
		  ducc_error **err);

#endif
