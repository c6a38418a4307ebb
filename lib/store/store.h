/*
 * The store: image state on disk, an OCI image layout with additions
 * (ducc-store(5)).
 */
#ifndef DUCC_STORE_H
#define DUCC_STORE_H

#include "format/digest.h"
#include "format/json.h"
#include "format/reference.h"

struct store_index;

struct store {
	int fd;
	char *path;
	struct store_index *index; /* index.h; may be NULL */
};

/* Opens the store at `path`; creates it if it does not exist. */
int store_open(struct store *store, const char *path, ducc_error **err);

/* The same for a plain OCI image layout: only blobs and image names, no additions. */
int store_open_layout(struct store *store, const char *path, ducc_error **err);

/* Opens an existing store; returns 1, 0 if it does not exist, or -1 on error. */
int store_open_existing(struct store *store, const char *path, ducc_error **err);

/* Creates missing files and directories: users may remove any of them while no tool runs. */
int store_complete(struct store *store, ducc_error **err);

void store_close(struct store *store);

/* Locks the store's lists until the returned descriptor is closed; -1 with errno set. */
int store_lock(const struct store *store);

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

#endif
