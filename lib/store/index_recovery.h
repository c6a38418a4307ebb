/*
 * Recovering the list of images in a store from its other files: the names under which images
 * were fetched (fetched.h), and their manifests and configs.
 */
#ifndef DUCC_INDEX_RECOVERY_H
#define DUCC_INDEX_RECOVERY_H

#include <time.h>

#include "format/json.h"
#include "store/store.h"

/* Annotations of descriptors in index.json. */
#define ANNOTATION_NAME "org.opencontainers.image.ref.name"
/* The digest of the registry's manifest, if index.json lists its OCI conversion. */
#define ANNOTATION_MANIFEST "org.ducc.manifest"

/*
 * The entry of index.json for an image, without its name.  `oci` is the OCI form of the manifest,
 * or NULL if it is OCI (manifest_to_oci()).
 */
cJSON *index_entry(const struct digest *manifest, size_t len, const char *oci,
		   const struct platform *platform);

/* Reads a name from images/HEX.names (fetched.h), which the caller frees; NULL with *err set. */
char *recovery_read_name(int directory, const char *file, ducc_error **err);

/* An image that was fetched under a name. */
struct recovered {
	char *name;
	time_t fetched; /* the first time */
	cJSON *entry;
};

struct recovery {
	struct recovered *images; /* in the order in which they were fetched */
	size_t n, capacity;
};

/*
 * Finds the images whose manifest and config are in the store.  -1 with *err set if something could
 * not be read: the index would lack an image.
 */
int index_recover(const struct store *store, struct recovery *recovery, ducc_error **err);
void recovery_free(struct recovery *recovery);

#define AUTO_RECOVERY CLEANUP(recovery_free) struct recovery

#endif
