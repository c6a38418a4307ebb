/* What a transaction adds: see additions.h. */
#include "cvmfs/additions.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "content/layer_tar.h"
#include "content/unpacked.h"
#include "cvmfs/names.h"
#include "format/repo_paths.h"

/* Of what is neither published nor needed, removes what CernVM-FS would refuse, from the bottom up. */
static void remove_refused(const struct repository *repository, const char *at, struct tree *tree,
			   const struct tree *published, const struct tree *needed)
{
	struct node *root = tree_root(tree), *next;
	AUTO_BUFFER path = {0};

	for (struct node *node = tree_bottom(root); node != root; node = next) {
		next = tree_next_up(root, node);
		node_path(node, &path);
		if (!tree_find(published, path.data) && !tree_find(needed, path.data) &&
		    names_accept(repository, at, node, NULL) < 0)
			tree_remove(tree, node);
	}
}

int cvmfs_complete(struct transaction *transaction, const struct listing_head *head,
		   struct tree *tree, const struct tree *published, const struct tree *needed,
		   ducc_error **err)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);
	struct node *root = tree_root(tree);
	AUTO_FREE char *at = repository_layer_root(transaction->repository, &head->layer);
	AUTO_BUFFER path = {0};

	if (!at)
		return error_errno(err, errno, "layer " PRI_DIGEST, head->layer.hex);
	remove_refused(transaction->repository, at, tree, published, needed);
	for (struct node *node = root; node; node = tree_next(root, node)) {
		bool whiteout = node_is_whiteout(node) && !(node->flags & NODE_VOID);
		AUTO_FREE char *name = NULL;
		int result;

		if (!whiteout && !(node->flags & NODE_IMPLIED && node_is_dir(node)))
			continue;
		node_path(node, &path);
		if (node_is_entry(tree_find(published, path.data)))
			continue;
		if (names_accept(transaction->repository, at, node, err) < 0)
			return -1;
		name = format("%s%s%s", at, path.len ? "/" : "", path.data);
		result = whiteout ? tarball_whiteout(cvmfs->payload.tarball, name, err)
				  : tarball_entry(cvmfs->payload.tarball, name, node->file, NULL,
						  err);
		if (result < 0)
			return error_wrap(err, "%s", name);
	}
	return payload_add_listing(&cvmfs->payload, head, tree, err);
}

/* Checks that the store has the tar, which the commit sends. */
static int check_layer_tar(const struct store *store, const struct digest *layer, ducc_error **err)
{
	AUTO_CLOSE int fd = unpacked_open_tar(store, layer, err);

	return fd < 0 ? -1 : 0;
}

/* Sends the content of a published file again. */
static int add_copy(struct cvmfs *cvmfs, const char *path, const struct file *file,
		    const char *from, ducc_error **err)
{
	AUTO_CLOSE int root = repository_root(cvmfs->base.repository);
	AUTO_CLOSE int fd = root < 0 ? -1 : path_open_file(root, from);
	AUTO_PIECES pieces = pieces_of(fd, 0, file->size);
	struct hasher *hasher = hasher_new();
	uint8_t sha256[SHA256_SIZE];
	int result = fd < 0 ? error_errno(err, errno, "%s", from)
			    : tarball_entry(cvmfs->payload.tarball, path, file, NULL, err);

	while (!result && pieces_next(&pieces)) {
		hasher_update(hasher, pieces.data, pieces.len);
		result = tarball_data(cvmfs->payload.tarball, pieces.data, pieces.len, err);
	}
	if (!result && pieces.error)
		result = error_errno(err, pieces.error, "%s", from);
	hasher_final(hasher, sha256);
	hasher_free(hasher);
	if (!result && memcmp(sha256, file->sha256, sizeof(sha256)) != 0)
		result = error_set(err, "%s: published content does not match the listing", from);
	return result;
}

/* Sends the content of a file that is not published yet, from its layer's tar. */
static int add_from_tar(struct cvmfs *cvmfs, const char *path, const struct file *file,
			ducc_error **err)
{
	AUTO_CLOSE int fd = unpacked_open_tar(cvmfs->base.store, file->layer, err);
	AUTO_LAYER_TAR tar = {.reader = NULL};
	const char *there;
	int result = 1;

	if (fd < 0)
		return -1;
	layer_tar_open(&tar, fd, file->layer);
	while (result > 0 && (result = layer_tar_next(&tar, &there, err)) > 0)
		if (tar.has_content && !strcmp(there, file->origin))
			break;
	if (!result)
		return error_set_kind(err, DUCC_CORRUPT, "%s: missing from the layer's tar",
				      file->origin);
	if (result < 0 || tarball_entry(cvmfs->payload.tarball, path, file, NULL, err) < 0)
		return -1;
	return layer_tar_copy(&tar, file, tarball_sink, cvmfs->payload.tarball, err);
}

/* Adds an entry of a flat tree with the content of a layer's file. */
static int add_published(struct cvmfs *cvmfs, const char *path, const struct file *file,
			 ducc_error **err)
{
	struct location location =
		staging_locate(&cvmfs->staging, file->layer, file->origin, file->size);
	AUTO_FREE char *from = location.path;

	if (!from)
		return error_errno(err, location.error, "layer " PRI_DIGEST, file->layer->hex);
	/* Hard links to files in chunks are impossible. */
	if (location.kind == LOCATION_STAGED)
		return add_from_tar(cvmfs, path, file, err);
	if (location.kind == LOCATION_CHUNKS)
		return add_copy(cvmfs, path, file, from, err);
	return tarball_entry(cvmfs->payload.tarball, path, file, from, err);
}

/*
 * Adds one entry of a tree, unless it is staged.  The tar of a layer contains its files; but it may
 * have directories after their content, which ingest would create with made-up metadata, and more
 * whiteouts than the listing that is published, or the hard links of another image into lower layers.
 */
static int add_node(struct cvmfs *cvmfs, const char *path, const struct node *node,
		    const struct digest *own, const struct file *special, ducc_error **err)
{
	const struct file *file = node->file;
	AUTO_CONTENT content = {.kind = CONTENT_NONE};

	if (special)
		return special->target && !special->text
			       ? tarball_entry(cvmfs->payload.tarball, path, file, special->target,
					       err)
			       : 0;
	if (node->lower_link && S_ISREG(file->mode))
		return add_published(cvmfs, path, file, err);
	if (own && !node_is_dir(node) && !node->lower_link)
		return node_is_whiteout(node) && node_is_entry(node)
			       ? tarball_whiteout(cvmfs->payload.tarball, path, err)
			       : 0;
	content = content_of(file, own);
	switch (content.kind) {
	case CONTENT_DATA:
		return payload_add_data(&cvmfs->payload, path, file, content.data, err);
	case CONTENT_PUBLISHED:
		if (S_ISREG(file->mode))
			return add_published(cvmfs, path, file, err);
		break;
	case CONTENT_LAYER:
	case CONTENT_NONE:
		break;
	}
	return tarball_entry(cvmfs->payload.tarball, path, file, content.path, err);
}

/* Counts a file of a new layer. */
static void count(struct transaction *transaction, const struct file *file,
		  const struct file *special)
{
	enum way way = !special           ? SENT
		       : !special->target ? CHUNKED
		       : special->text    ? GRAFTED
					  : LINKED;

	amount_add(&transaction->amounts.by[way], (struct amount){1, file->size});
}

static int add_nodes(struct cvmfs *cvmfs, const char *at, struct tree *tree,
		     const struct digest *own, const struct staged_tree *staged, ducc_error **err)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		AUTO_FREE char *name = NULL;
		const struct file *special;

		node_path(node, &path);
		special = staged_special(staged, path.data);
		name = format("%s%s%s", at, path.len ? "/" : "", path.data);
		if (add_node(cvmfs, name, node, own, special, err) < 0)
			return error_wrap(err, "%s", name);
		if (own && node->file && S_ISREG(node->file->mode))
			count(&cvmfs->base, node->file, special);
	}
	return 0;
}

/* The symbolic link through which a layer with staged files is found. */
static int add_layer_link(struct cvmfs *cvmfs, const struct digest *layer, ducc_error **err)
{
	AUTO_FREE char *path = layer_path(layer, "");
	char target[] = LAYER_CONTENT;
	struct file link = {.mode = S_IFLNK | 0777, .mtime = cvmfs->payload.now, .target = target};

	return tarball_entry(cvmfs->payload.tarball, path, &link, NULL, err);
}

int cvmfs_add_tree(struct transaction *transaction, const char *directory, const char *root,
		   struct tree *tree, const struct digest *own, ducc_error **err)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);
	int found = repository_find(transaction->repository, directory);
	if (found < 0)
		return error_errno(err, errno, "%s", directory);
	bool replaces = found && !staging_has_published(&cvmfs->staging, directory);
	AUTO_FREE char *there =
		replaces && own ? repository_layer_root(transaction->repository, own) : NULL;
	const struct staged_tree *staged;

	if (replaces && own && !there)
		return error_errno(err, errno, "%s", directory);
	root = there ? there : root;
	if (replaces && mending_add(&cvmfs->mending, transaction->context, transaction->repository,
				    directory, root, tree, own, err) < 0)
		return -1;
	if (names_accepted(transaction->context, transaction->repository, root, tree, err) < 0 ||
	    (own && check_layer_tar(transaction->store, own, err) < 0))
		return -1;
	if (replaces) /* readers would see what is staged */
		staged = staging_add_whole(&cvmfs->staging, directory);
	else
		staged = own ? staging_add_layer(&cvmfs->staging, directory, tree, own)
			     : staging_add_flat(&cvmfs->staging, directory, tree);
	if (payload_add_parents(&cvmfs->payload, root, err) < 0 ||
	    (own && staged && strcmp(staged->root, root) != 0 &&
	     add_layer_link(cvmfs, own, err) < 0))
		return -1;
	transaction->crowded |= cvmfs->staging.crowded;
	root = staged ? staged->root : root;
	if (add_nodes(cvmfs, root, tree, own, staged, err) < 0)
		return -1;
	if (own) {
		names_warn_of_capabilities(transaction->context, own, tree);
		GROW(cvmfs->layers, cvmfs->n_layers, cvmfs->layers_capacity);
		cvmfs->layers[cvmfs->n_layers++] = *own;
		probes_add_layer(&cvmfs->probes, root, tree);
	} else {
		probes_add_flat(&cvmfs->probes, directory, tree, staged);
	}
	return payload_add_catalogs(&cvmfs->payload, directory, root, tree,
				    own ? REPO_TREE_LAYER : REPO_TREE_FLAT, err);
}

void cvmfs_split(struct transaction *transaction, const char *root, struct tree *tree)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);
	struct node *top = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = top; node; node = tree_next(top, node)) {
		const struct file *file = node->file;
		AUTO_FREE char *name = NULL;

		if (!file || !S_ISREG(file->mode) || file->size <= cvmfs->staging.limit)
			continue;
		node_path(node, &path);
		name = format("%s/%s", root, path.data);
		if (!staging_add_split(&cvmfs->staging, name, file->size))
			continue;
		transaction->bytes += file->size;
		amount_add(&transaction->amounts.by[CHUNKED], (struct amount){1, file->size});
		transaction->steps++;
		cvmfs->n_splits++;
	}
	if (cvmfs->staging.crowded)
		context_notice(transaction->context, DUCC_WARNING,
			       "%s: not all large files are split: there is no space for them in "
			       "the scratch area",
			       root);
	transaction->crowded |= cvmfs->staging.crowded;
}

int cvmfs_add_entry(struct transaction *transaction, const char *path, const struct file *file,
		    const struct content *content, ducc_error **err)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);

	if (payload_add_parents(&cvmfs->payload, path, err) < 0)
		return -1;
	if (content->kind == CONTENT_DATA)
		return payload_add_data(&cvmfs->payload, path, file, content->data, err);
	if (tarball_entry(cvmfs->payload.tarball, path, file, content->path, err) < 0)
		return error_wrap(err, "%s", path);
	return 0;
}
