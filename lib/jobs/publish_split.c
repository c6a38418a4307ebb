/* Splitting large files of published images: see publish.h. */
#include <inttypes.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "content/listing.h"
#include "format/repo_paths.h"
#include "jobs/publish.h"

/* Splits what is published of the tree with that listing; without it, nothing is known. */
static void split_tree(struct publish *publish, const char *listing, const char *root,
		       bool is_layer)
{
	AUTO_CLOSE int at = repository_root(&publish->repository);
	AUTO_CLOSE int fd = at < 0 ? -1 : path_open_file(at, listing);
	AUTO_TREE *tree = NULL;
	struct listing_head head;

	if (fd >= 0)
		tree = listing_read(fd, is_layer ? &head : NULL, NULL);
	if (tree)
		transaction_split(publish->transaction, root, tree);
}

/* Publishes large files again that are published, but not split. */
static void split_image(struct publish *publish, const struct publish_image *image)
{
	const struct amount before = publish->transaction->amounts.by[CHUNKED];
	struct amount now;
	const struct digest *config = &image->stored.manifest.config.digest;
	AUTO_FREE char *flat = flat_directory(config), *listing = flat_listing(config);

	for (size_t i = 0; i < image->stored.manifest.n; i++) {
		const struct digest *layer = &image->stored.manifest.layers[i].digest;
		AUTO_FREE char *layer_root = repository_layer_root(&publish->repository, layer);
		AUTO_FREE char *of_layer = layer_listing(layer);

		if (layer_root)
			split_tree(publish, of_layer, layer_root, true);
	}
	split_tree(publish, listing, flat, false);
	now = publish->transaction->amounts.by[CHUNKED];
	if (now.files > before.files)
		context_notice(&publish->session->context, DUCC_INFO,
			       "%s: splitting %" PRIu64 " file%s (%.1f MB)", image->name,
			       now.files - before.files, text_plural(now.files - before.files),
			       (double)(now.bytes - before.bytes) / 1e6);
}

struct splitting {
	struct publish *publish;
	size_t first, n; /* records */
};

/* Splits what the images have published; those that fail here fail again when published. */
static int split_records(void *ctx, ducc_error **err)
{
	struct splitting *splitting = ctx;
	struct publish *publish = splitting->publish;

	(void)err;
	for (size_t i = 0; i < splitting->n; i++) {
		struct publish_image image = {.name = NULL};
		ducc_error *error = NULL;

		transaction_save(publish->transaction);
		if (!publish_read_image(publish, publish->records[splitting->first + i], &image,
					&error))
			split_image(publish, &image);
		if (i && publish->transaction->crowded) {
			transaction_restore(publish->transaction);
			splitting->n = i;
		}
		ducc_error_free(error);
		publish_image_end(&image);
	}
	return 0;
}

int publish_split(struct publish *publish, size_t n, ducc_error **err)
{
	struct splitting splitting = {.publish = publish};
	int result = 0;

	for (; !result && splitting.first < n; splitting.first += splitting.n) {
		splitting.n = n - splitting.first;
		publish->transaction = transaction_begin(
			&publish->session->context, &publish->store, &publish->repository, err);
		if (!publish->transaction)
			return -1;
		split_records(&splitting, err);
		if (!transaction_is_empty(publish->transaction) &&
		    (transaction_open(publish->transaction, split_records, &splitting, err) < 0 ||
		     (!transaction_is_empty(publish->transaction) &&
		      transaction_commit(publish->transaction, err) < 0)))
			result = -1;
		transaction_end(publish->transaction);
		publish->transaction = NULL;
	}
	return result;
}
