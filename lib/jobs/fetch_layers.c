/* Choosing the layers of an image that are to be fetched: see fetch.h. */
#include <errno.h>

#include "base/mem.h"
#include "base/path.h"
#include "content/listing.h"
#include "format/repo_paths.h"
#include "jobs/fetch.h"
#include "jobs/repair.h"
#include "repo/inventory.h"
#include "repo/public_names.h"

/* True if exactly this image is published under its name. */
static bool is_published(const struct fetch *fetch)
{
	const struct repository *repository = &fetch->repository;
	const struct document *manifest = &fetch->resolution.document;
	AUTO_FREE char *name = reference_name(&fetch->source.reference);
	AUTO_FREE char *platform = names_platform(&fetch->resolution.platform);
	AUTO_FREE char *label = platform_label(platform, name);

	return published_has_manifest(repository, name, manifest->data, manifest->len) ||
	       published_has_manifest(repository, label, manifest->data, manifest->len);
}

/* True if the listing has its first lines, which tell whether an image was merged from it. */
static bool has_id(const struct fetch *fetch, const struct digest *layer)
{
	AUTO_CLOSE int fd = repository_open_listing(&fetch->repository, layer);
	struct digest id;

	return fd < 0 || listing_id(fd, &id) || errno;
}

/*
 * True if the repository has the layer, and it need not be published again.  If the image is to be
 * merged, it is built on the listing: if that is damaged, the layer is published again, whichever
 * images have it.
 */
static bool has_layer(struct fetch *fetch, const ducc_record *record, const struct digest *layer,
		      bool merge)
{
	if (!repository_has_layer(&fetch->repository, layer) || repair_has(record, layer))
		return false;
	if ((!merge && has_id(fetch, layer)) || !repair_is_needed(&fetch->repository, layer))
		return true;
	context_notice(&fetch->session->context, DUCC_WARNING,
		       "layer " PRI_DIGEST
		       ": its listing in repository %s is damaged; it is published again",
		       layer->hex, fetch->repository.name);
	strset_add(&fetch->damaged, layer->hex);
	return false;
}

/* True if the image is new in the repository, or the store no longer has its root file system. */
static bool is_to_be_merged(const struct fetch *fetch)
{
	AUTO_FREE char *listing = store_image_listing_name(&fetch->resolution.document.digest);

	return fetch->repository.path && (!is_published(fetch) || fetch->store.fd < 0 ||
					  path_is_absent(fetch->store.fd, listing));
}

int fetch_choose_layers(struct fetch *fetch, const ducc_record *record, ducc_error **err)
{
	const struct manifest *manifest = &fetch->image.manifest;
	bool merge = is_to_be_merged(fetch), published;
	AUTO_STRSET known = {NULL};

	fetch->wanted = xcalloc(manifest->n, sizeof(*fetch->wanted));
	for (size_t i = 0; i < manifest->n; i++) {
		const struct descriptor *layer = &manifest->layers[i];
		int found;

		if (!strset_add(&known, layer->digest.hex))
			continue;
		found = fetch->store.fd < 0 ? 0 : store_has_blob(&fetch->store, layer, err);
		if (found < 0)
			return -1;
		published = (!found || merge) && has_layer(fetch, record, &layer->digest, merge);
		if (!found && !published)
			fetch->wanted[fetch->n_wanted++] = i;
	}
	return 0;
}
