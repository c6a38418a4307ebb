/* The current listings of an image's layers: see image_layers.h. */
#include "jobs/image_layers.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "content/entry.h"
#include "content/merge.h"
#include "content/placement.h"
#include "content/settle.h"
#include "content/unpacked.h"
#include "format/repo_paths.h"

int image_layers_open(const struct image_layers *layers, const struct digest *layer, bool *in_store,
		      ducc_error **err)
{
	AUTO_FREE char *name = store_layer_listing_name(layer);
	ducc_error *error = NULL;
	int fd = unpacked_open_listing(layers->store, name, &error);

	*in_store = fd >= 0;
	if (fd >= 0)
		return fd;
	if (error_pass_failure(err, error) < 0)
		return -1;
	fd = repository_open_listing(layers->repository, layer);
	return fd < 0 ? error_errno(err, errno, "listing of layer " PRI_DIGEST, layer->hex) : fd;
}

/* A search through the files of a published layer. */
struct search {
	struct tree *found;       /* whiteouts, in the directories that have some */
	const struct tree *layer; /* as it is going to be published */
	bool strict;              /* what may be needed must not be out of sight */
	bool elsewhere;           /* there are entries in other places than in that */
};

/* Looks for an entry, or the directory itself if the name is empty. */
static void check_place(struct search *search, const struct node *directory, const char *name)
{
	AUTO_BUFFER path = {0};

	node_path(directory, &path);
	buffer_addf(&path, "%s%s", path.len && *name ? "/" : "", name);
	search->elsewhere |= !node_is_entry(tree_find(search->layer, path.data));
}

/* Adds an entry of a published directory if it is a whiteout or a directory. */
static int add_entry(struct search *search, struct node *directory, const struct entries *entries,
		     const char *name)
{
	unsigned char type = entries_type(entries, name);
	bool read = type == DT_DIR || type == DT_CHR || type == DT_UNKNOWN;
	struct stat st = {.st_mode = S_IFREG};
	struct file *file = read ? entry_read(entries->fd, name, &st) : NULL;
	bool whiteout = S_ISCHR(st.st_mode) && !st.st_rdev;
	struct node *node;

	if (read && !file)
		return -1;
	if (S_ISDIR(st.st_mode) || whiteout) {
		node = tree_add(search->found, directory, name, strlen(name));
		node->flags = whiteout ? NODE_IMPLIED | NODE_WHITEOUT : NODE_IMPLIED;
		node_set_file(node, whiteout ? NULL : file_ref(file));
	} else if (strcmp(name, CATALOG_MARKER) != 0) { /* of a large layer in CernVM-FS */
		check_place(search, directory, name);
	}
	file_unref(file);
	return 0;
}

/* What the layer has where the node is in another tree; NULL: nothing. */
static const struct node *find_own(const struct tree *layer, const struct node *node)
{
	AUTO_BUFFER path = {0};

	node_path(node, &path);
	return tree_find(layer, path.data);
}

/* True in and beneath an opaque directory of the layer, with `node` as the directory in another tree. */
static bool is_in_opaque(const struct tree *layer, const struct node *node)
{
	for (; node; node = node->parent) {
		const struct node *own = find_own(layer, node);

		if (own && node_is_opaque(own))
			return true;
	}
	return false;
}

/*
 * One that the layer has itself hides nothing in some images, but something in others.  Any other
 * whiteout an image can need only in and beneath an opaque directory.
 */
static bool can_be_needed(const struct tree *layer, const struct node *whiteout)
{
	const struct node *own = find_own(layer, whiteout);

	return (own && node_is_whiteout(own)) || is_in_opaque(layer, whiteout->parent);
}

/* True if such whiteouts can be in or beneath the directory. */
static bool can_have_needed(const struct tree *layer, const struct node *directory)
{
	const struct node *own = find_own(layer, directory);

	for (const struct node *node = own; node; node = tree_next(own, node))
		if (node_is_whiteout(node) || node_is_opaque(node))
			return true;
	return is_in_opaque(layer, directory);
}

/* True if a directory that cannot be read has nothing for us: it is not there, or only for others. */
static bool is_void(const struct search *search, const struct node *directory, int error)
{
	return is_absence(error) || is_wrong_type(error) ||
	       (error == EACCES && !(search->strict && can_have_needed(search->layer, directory)));
}

/* Adds the whiteouts in a published directory, and the directories. */
static int add_entries(struct search *search, struct node *node, int root, const char *path,
		       ducc_error **err)
{
	AUTO_ENTRIES entries = entries_open(root, path);
	const char *name;

	while ((name = entries_next(&entries)))
		if (add_entry(search, node, &entries, name) < 0)
			return error_errno(err, errno, "%s/%s", path, name);
	return entries.error && !is_void(search, node, entries.error)
		       ? error_errno(err, entries.error, "%s", path)
		       : 0;
}

/* True for a directory that the layer does not list, for whiteouts that hide nothing in this image. */
static bool is_unlisted(const struct tree *layer, const struct node *directory)
{
	const struct node *own = find_own(layer, directory);

	return own && !node_is_entry(own) && node_is_possible_parent(own);
}

/*
 * Removes whiteouts and directories that no image can need, if the layer's entries are in the same
 * places, or that the layer has anyway.
 */
static void remove_rest(struct search *search)
{
	struct node *root = tree_root(search->found), *next;

	for (struct node *node = tree_bottom(root); node != root; node = next) {
		next = tree_next_up(root, node);
		if (node->children || (node_is_whiteout(node) ? can_be_needed(search->layer, node)
							      : is_unlisted(search->layer, node)))
			continue;
		if (node->file)
			check_place(search, node, "");
		else
			search->elsewhere = true;
		tree_remove(search->found, node);
	}
}

static int search_files(struct search *search, const struct repository *repository,
			const struct digest *layer, ducc_error **err)
{
	AUTO_FREE char *base = repository_layer_root(repository, layer);
	AUTO_CLOSE int fd = base ? repository_root(repository) : -1;
	struct node *root = tree_root(search->found);
	AUTO_BUFFER path = {0};

	if (fd < 0)
		return repository->path ? error_errno(err, errno, "published files") : 0;
	for (struct node *node = root; node; node = tree_next(root, node)) {
		AUTO_FREE char *directory = NULL;

		node_path(node, &path);
		directory = format("%s%s%s", base, path.len ? "/" : "", path.data);
		if ((node == root || node->file) &&
		    add_entries(search, node, fd, directory, err) < 0)
			return -1;
	}
	remove_rest(search);
	return 0;
}

/* A failure to read the listing is no damage, but then the files show as much. */
int image_layers_keep(const struct image_layers *layers, const struct listing_head *head,
		      bool again, struct tree *tree, ducc_error **err)
{
	AUTO_CLOSE int fd = repository_open_listing(layers->repository, &head->layer);
	struct search search = {.layer = tree, .strict = fd >= 0 && !again};
	struct listing_head there;
	AUTO_TREE *published = fd < 0 ? NULL : listing_read(fd, &there, NULL);
	struct node *root;

	if (published && digest_equal(&there.diff_id, &head->diff_id)) {
		if (placement_differs(tree, published, NULL))
			return 0;
	} else {
		tree_free(published);
		published = search.found = tree_new();
		if (search_files(&search, layers->repository, &head->layer, err) < 0)
			return -1;
	}
	root = tree_root(published);
	for (struct node *node = root; node; node = tree_next(root, node))
		node->stored = node_is_whiteout(node) ? !can_be_needed(tree, node)
						      : !(node->flags & NODE_IMPLIED);
	/* Listings that do not fit are of a damaged repository, which this repairs. */
	settle_add_missing(tree, published, NULL);
	/* Without a listing, it may be a layer of the original ducc. */
	return fd < 0 || !search.elsewhere;
}

struct digest image_layers_id(const struct digest *ids, size_t n)
{
	struct hasher *hasher = hasher_new();
	struct digest id;

	for (size_t i = 0; i < n; i++)
		hasher_update(hasher, ids[i].hex, sizeof(ids[i].hex));
	id = hasher_digest(hasher);
	hasher_free(hasher);
	return id;
}

bool image_layers_are_exact(const struct image_layers *layers, const struct manifest *manifest,
			    const char *name)
{
	AUTO_FREE struct digest *ids = xcalloc(manifest->n, sizeof(*ids));
	AUTO_CLOSE int image = unpacked_open_listing(layers->store, name, NULL);
	struct listing_image recorded;
	struct digest now;

	if (image < 0 || !listing_image_of(image, &recorded) || !recorded.exact)
		return false;
	for (size_t i = 0; i < manifest->n; i++) {
		bool in_store;
		AUTO_CLOSE int fd =
			image_layers_open(layers, &manifest->layers[i].digest, &in_store, NULL);

		if (fd >= 0)
			listing_id(fd, &ids[i]);
	}
	now = image_layers_id(ids, manifest->n);
	return digest_equal(&recorded.layers, &now);
}

int image_layers_read(const struct image_layers *layers, const struct digest *layer,
		      struct listing_head *head, struct tree **tree, ducc_error **err)
{
	AUTO_FREE char *name = store_layer_listing_name(layer);
	ducc_error *error = NULL;

	*tree = unpacked_read_listing(layers->store, name, head, &error);
	if (*tree)
		return 1;
	if (ducc_error_kind(error) != DUCC_NOT_FOUND)
		return error_give(err, error);
	ducc_error_free(error);
	return 0;
}

/* Reads the listing in the store, else that in the repository. */
static struct tree *read_any(const struct image_layers *layers, const struct digest *layer,
			     struct listing_head *head, ducc_error **err)
{
	struct tree *tree;
	int found = image_layers_read(layers, layer, head, &tree, err);
	AUTO_CLOSE int fd = found ? -1 : repository_open_listing(layers->repository, layer);

	if (found)
		return tree;
	if (fd < 0) {
		error_set_kind(err, DUCC_NOT_FOUND, "not unpacked (run ducc-unpack first)");
		return NULL;
	}
	tree = listing_read(fd, head, err);
	if (!tree)
		repository_blame(layers->repository, layer, err);
	return tree;
}

/*
 * Another tree of the layer to be merged, if its own must stay as it was unpacked; NULL: there is none,
 * or -1.
 */
static int other_tree(const struct image_layers *layers, struct tree *below, struct tree *tree,
		      const struct digest *layer, bool repeated, struct tree **other,
		      ducc_error **err)
{
	struct listing_head head;

	if (!placement_holds(below, tree, false))
		*other = placement_anew(below, tree, NULL, err);
	else if (repeated)
		*other = read_any(layers, layer, &head, err);
	else
		return 0;
	if (!*other)
		return -1;
	settle_clear(*other);
	return 0;
}

struct tree *image_layers_settle(const struct image_layers *layers, struct tree *below,
				 const struct digest *layer, bool repeated,
				 struct listing_head *head, ducc_error **err)
{
	AUTO_TREE *tree = read_any(layers, layer, head, err), *other = NULL;

	if (!tree || other_tree(layers, below, tree, layer, repeated, &other, err) < 0)
		return NULL;
	if (!other) {
		settle_clear(tree);
	} else {
		settle_clear_links(tree);
		if (merge_resolve_links(below, tree, err) < 0)
			return NULL;
	}
	return merge_layer(below, other ? other : tree, err) < 0 ? NULL : STEAL(tree);
}
