/* Publishing the flat root file system of an image: see publish.h. */
#include "base/mem.h"
#include "content/listing.h"
#include "content/unpacked.h"
#include "format/repo_paths.h"
#include "jobs/publish.h"
#include "repo/singularity.h"

/* Sets the location of files that are published elsewhere. */
static void follow_moved(const struct publish_image *image, struct tree *tree)
{
	struct node *root = tree_root(tree);

	for (size_t i = 0; i < image->stored.manifest.n; i++) {
		const struct strmap *moved = &image->moved[i];
		const struct digest *layer = &image->stored.manifest.layers[i].digest;

		for (struct node *node = root; node && moved->keys.n;
		     node = tree_next(root, node)) {
			struct file *file = node->file;
			const char *place;

			if (!file || !file->layer || !digest_equal(file->layer, layer))
				continue;
			place = strmap_get(moved, file->origin);
			if (place)
				file_set_origin(file, file->layer, place);
		}
	}
}

/* The root file system from the store, with the files for Singularity. */
static struct tree *read_tree(struct publish *publish, const struct publish_image *image,
			      ducc_error **err)
{
	AUTO_FREE char *name = store_image_listing_name(&image->stored.digest);
	struct tree *tree = unpacked_read_listing(&publish->store, name, NULL, err);

	if (!tree)
		return NULL;
	follow_moved(image, tree);
	singularity_add(tree, &image->stored.config);
	tree_count_links(tree);
	return tree;
}

int publish_flat(struct publish *publish, const struct publish_image *image, ducc_error **err)
{
	const struct digest *config = &image->stored.manifest.config.digest;
	AUTO_FREE char *directory = flat_directory(config), *path = flat_listing(config);
	AUTO_FREE char *listing = NULL;
	AUTO_TREE *tree = NULL;
	size_t len;
	int found = publish_wants_again(publish, image, config)
			    ? 0
			    : repository_find_flat(&publish->repository, config, err);

	if (found || transaction_adds(publish->transaction, directory))
		return found < 0 ? -1 : 0;
	tree = read_tree(publish, image, err);
	if (!tree || transaction_add_flat(publish->transaction, directory, tree, err) < 0 ||
	    listing_print(NULL, tree, &listing, &len, err) < 0)
		return -1;
	return transaction_add_file(publish->transaction, path, listing, len, err);
}
