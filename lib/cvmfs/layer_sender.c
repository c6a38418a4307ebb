/* Sending a layer: see layer_sender.h. */
#include "cvmfs/layer_sender.h"

#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/path.h"
#include "content/layer_tar.h"
#include "content/tarball.h"
#include "content/unpacked.h"
#include "format/repo_paths.h"

struct sender {
	struct layer_tar tar;
	struct tarball *to;
	struct staging *staging;
	const char *root; /* of the layer in the repository */
	const struct staged_tree *staged;
};

static int write_to_ingest(void *ctx, const void *data, size_t len, ducc_error **err)
{
	return ingest_write(ctx, data, len, err);
}

static int send_entry(struct sender *sender, const char *path, const struct file *file,
		      ducc_error **err)
{
	AUTO_FREE char *link = NULL;

	if (sender->tar.entry->is_hard_link)
		link = format("%s/%s", sender->root, file->origin);
	if (tarball_entry(sender->to, path, file, link, err) < 0)
		return -1;
	if (!sender->tar.has_content)
		return 0;
	return layer_tar_copy(&sender->tar, file, tarball_sink, sender->to, err);
}

static int send_entries(struct sender *sender, struct tree *tree, ducc_error **err)
{
	const char *path;
	int result;

	while ((result = layer_tar_next(&sender->tar, &path, err)) > 0) {
		struct node *node;
		int found = layer_tar_node(&sender->tar, tree, path, &node, err);

		if (found < 0)
			return error_wrap(err, "%s", path);
		if (!found || !node->file || node_is_dir(node) || node->lower_link ||
		    staged_special(sender->staged, path))
			continue;
		if (send_entry(sender, path, node->file, err) < 0)
			return error_wrap(err, "%s", path);
	}
	return result;
}

static int send_tar(struct sender *sender, int fd, const struct digest *layer, struct tree *tree,
		    ducc_error **err)
{
	layer_tar_open(&sender->tar, fd, layer);
	layer_tar_report(&sender->tar, sender->staging->context, DUCC_PUBLISHING);
	if (send_entries(sender, tree, err) < 0 || layer_tar_check_end(tree, err) < 0)
		return -1;
	return tarball_flush(sender->to, err);
}

struct tree *layer_send_listing(const struct staging *staging, const struct digest *layer,
				ducc_error **err)
{
	AUTO_FREE char *name = store_layer_listing_name(layer);
	struct listing_head head;
	struct tree *tree = unpacked_read_listing(staging->store, name, &head, err);

	if (!tree)
		error_wrap(err, "layer " PRI_DIGEST, layer->hex);
	return tree;
}

int layer_send(struct ingest *ingest, struct staging *staging, const struct digest *layer,
	       struct tree *tree, ducc_error **err)
{
	AUTO_FREE char *directory = layer_directory(layer);
	const struct staged_tree *staged = staging_find(staging, directory);
	AUTO_FREE char *root =
		staged ? xstrdup(staged->root) : repository_layer_root(staging->repository, layer);
	AUTO_CLOSE int fd = -1;
	struct sender sender = {.staging = staging, .root = root, .staged = staged};
	int result;

	if (!root)
		return error_errno(err, errno, "%s", directory);
	fd = unpacked_open_tar(staging->store, layer, err);
	if (fd < 0)
		return -1;
	sender.to = tarball_to(write_to_ingest, ingest, root);
	result = send_tar(&sender, fd, layer, tree, err);
	layer_tar_close(&sender.tar);
	tarball_free(sender.to);
	return result < 0 ? error_wrap(err, "layer " PRI_DIGEST, layer->hex) : 0;
}
