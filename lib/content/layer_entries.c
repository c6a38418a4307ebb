/* The entries of a layer: see layer_entries.h. */
#include "content/layer_entries.h"

#include <limits.h>

#include "base/mem.h"
#include "base/text.h"
#include "content/layer_file.h"
#include "content/layer_name.h"
#include "content/listing_size.h"
#include "content/placement.h"
#include "format/repo_paths.h"

/* --- limits ----------------------------------------------------------- */

int layer_charge_bytes(struct layer_reader *reader, ducc_error **err)
{
	uint64_t written = tarball_offset(reader->tarball);
	uint64_t cost = written > reader->unpacked ? written : reader->unpacked;
	uint64_t more = cost > reader->charged ? cost - reader->charged : 0;

	reader->charged += more;
	if (quota_take(&reader->bytes, more, err) < 0)
		return -1;
	return quota_take(reader->image, more, err);
}

int layer_charge_listing(struct layer_reader *reader, uint64_t size, ducc_error **err)
{
	if (quota_take(&reader->listing, size, err) < 0)
		return -1;
	return quota_take(reader->image_listing, size, err);
}

/* --- nodes ------------------------------------------------------------ */

/* True if the layer hides what the layers below have at the node. */
static bool is_hidden(const struct node *node)
{
	bool hidden = node->flags & NODE_WHITEOUT;

	while (!hidden && (node = node->parent))
		hidden = node->flags & (NODE_WHITEOUT | NODE_OPAQUE);
	return hidden;
}

/*
 * Call before an entry is put at the node, or what is below it is hidden: a link there would have led
 * what is in the node elsewhere.
 */
static void note_late(struct node *node)
{
	if (!node->file && (node->children || node->flags & NODE_OPAQUE) && !is_hidden(node))
		node->flags |= NODE_FIXED;
}

/* The same for everything beneath the node, before a whiteout or opaque marker hides that. */
static void note_late_beneath(struct node *node)
{
	struct node *next =
		node->flags & NODE_OPAQUE || is_hidden(node) ? NULL : tree_next(node, node);

	for (; next; next = tree_next(node, next))
		note_late(next);
}

/* Removes earlier content of the node; the tarball still has it and must be rewritten. */
static void drop(struct layer_reader *reader, struct node *node)
{
	if (node->file || node->children)
		reader->rewrite = true;
	note_late(node);
	tree_remove_children(reader->tree, node);
	node_set_file(node, NULL);
	free(node->lower_link);
	node->lower_link = NULL;
}

/* Finds or adds the child of that name; its path takes `size` bytes in a listing. */
static struct node *make_child(struct layer_reader *reader, struct node *parent, const char *name,
			       size_t len, uint64_t size, ducc_error **err)
{
	struct node *child = tree_child(reader->tree, parent, name, len);

	if (child)
		return child;
	if (quota_take(&reader->entries, 1, err) < 0 ||
	    layer_charge_listing(reader, LISTING_LINE + size, err) < 0)
		return NULL;
	return tree_add(reader->tree, parent, name, len);
}

/* Ends reading: the layers below must be known. */
static int stop_at_link(struct layer_reader *reader, ducc_error **err)
{
	reader->links = true;
	return error_set(err, "symbolic link as a parent directory");
}

/* True if something is or was in the node that a link of the layers below there would lead elsewhere. */
static bool depends_on_links(const struct node *node)
{
	bool directory = node->children || node->flags & NODE_OPAQUE;

	return (directory && !node->file) || node->flags & NODE_FIXED ||
	       (node->detour && (node->detour->through || node->detour->links));
}

/* True if the links at and beneath the node are noted already, there or above. */
static bool has_noted_links(const struct node *node)
{
	while (node && !(node->detour && node->detour->links))
		node = node->parent;
	return node;
}

/*
 * Call before what is in the node is dropped.  It may belong elsewhere: directories in there that the
 * layer does not list, or lists after their contents, may be links.
 */
static int check_contents(struct layer_reader *reader, struct node *node, ducc_error **err)
{
	const struct node *next = tree_next(node, node);
	AUTO_BUFFER path = {0};

	while (next && !depends_on_links(next))
		next = tree_next(node, next);
	if (!next)
		return 0;
	if (!reader->view.below)
		return stop_at_link(reader, err);
	if (has_noted_links(node))
		return 0;
	node_path(node, &path);
	node_detour(node)->links = placement_links(tree_find(reader->view.below, path.data));
	return layer_charge_listing(reader, LISTING_LINKS, err);
}

/* True for a link, or a hard link into lower layers, which may be one. */
static bool may_be_link(const struct node *node)
{
	return node->lower_link || node_link(node);
}

/*
 * The node of the parent of `path`; adds missing directories.  Whiteouts used as
 * directories and parents that are not directories are refused; except that
 * *hidden is set for a whiteout beneath such a parent, which hides the path
 * anyway (umoci writes those).
 */
static struct node *parent_node(struct layer_reader *reader, const char *path, bool *hidden,
				ducc_error **err)
{
	struct node *node = tree_root(reader->tree);
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	bool whiteout = layer_name_is_whiteout(name, strlen(name));
	uint64_t size = 0;

	for (;;) {
		size_t len = strcspn(path, "/");
		struct node *child;

		if (!path[len])
			return node;
		if (layer_name_is_whiteout(path, len)) {
			error_set(err, "whiteout used as a directory");
			return NULL;
		}
		size += listing_text_size(path, len);
		child = make_child(reader, node, path, len, size, err);
		if (!child)
			return NULL;
		if (may_be_link(child) && !reader->view.below) {
			stop_at_link(reader, err);
			return NULL;
		}
		if (child->lower_link || (child->file && !node_is_dir(child))) {
			*hidden = whiteout;
			if (!whiteout)
				error_set(err, "parent %.*s is not a directory but a file",
					  (int)len, path);
			return NULL;
		}
		node = child;
		path += len + 1;
		size++;
	}
}

/* --- symbolic links --------------------------------------------------- */

/* Where an entry belongs. */
struct place {
	const char *path;
	const char *name; /* its path in the downloaded layer, if links lead from it; or NULL */
};

/* Keeps what the place of an entry depends on in the layers below. */
static int add_passage(struct layer_reader *reader, const struct passage *passage, ducc_error **err)
{
	const char *path = passage->path, *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	bool hidden;
	struct node *parent = parent_node(reader, path, &hidden, err), *node;

	if (!parent)
		return -1;
	node = make_child(reader, parent, name, strlen(name), listing_text_size(path, strlen(path)),
			  err);
	if (!node)
		return -1;
	if (node->detour && node->detour->through)
		return 0;
	node_detour(node)->through = xstrdup(passage->target);
	return layer_charge_listing(
		reader, listing_text_size(passage->target, strlen(passage->target)), err);
}

/* Follows links (follow.h), if the layers below are known. */
static int follow_links(struct layer_reader *reader, const char *path, struct followed *followed,
			ducc_error **err)
{
	if (!reader->view.below)
		return 0;
	if (follow(&reader->view, path, followed, err) < 0)
		return -1;
	for (size_t i = 0; i < followed->n; i++)
		if (add_passage(reader, &followed->passages[i], err) < 0)
			return -1;
	reader->detours |= followed->path != NULL;
	reader->fixed |= followed->detoured;
	return 0;
}

/*
 * Call before an entry or whiteout is put at the node: keeps its name, if links lead from there
 * to the node; else it is NULL.  On other layers than these, the names lead elsewhere; an
 * entry that has replaced another one, or a link that was followed, could not tell where.  A whiteout
 * does not replace an entry of its own layer, which keeps its name.
 */
static int keep_name(struct layer_reader *reader, struct node *node, const char *name,
		     bool whiteout, ducc_error **err)
{
	struct detour *detour = node->detour;
	const char *before = detour ? detour->name : NULL;
	bool entry = node->file || node->lower_link;

	if (((entry || node->flags) && !text_equal(name, before)) || (detour && detour->through))
		reader->fixed = true;
	if (text_equal(name, before) || (whiteout && entry))
		return 0;
	detour = node_detour(node);
	free(detour->name);
	detour->name = name ? xstrdup(name) : NULL;
	return name ? layer_charge_listing(reader, listing_text_size(name, strlen(name)), err) : 0;
}

/* --- entries ---------------------------------------------------------- */

/* The path in the downloaded layer that the whiteout hides; NULL for NULL. */
static char *hidden_path(const char *path, const char *name)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (!slash)
		return NULL;
	return *name ? format("%.*s/%s", (int)(slash - path), path, name)
		     : xstrndup(path, (size_t)(slash - path));
}

static int add_whiteout(struct layer_reader *reader, struct node *parent, const struct place *place,
			const char *name, ducc_error **err)
{
	bool opaque = !strcmp(name, WHITEOUT_OPAQUE);
	AUTO_FREE char *hidden = NULL;
	struct node *node = parent;

	name += opaque ? strlen(WHITEOUT_OPAQUE) : strlen(WHITEOUT_PREFIX);
	hidden = hidden_path(place->name, name);
	if (!opaque) {
		if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
			return error_set(err, "whiteout without a name");
		node = make_child(reader, parent, name, strlen(name),
				  listing_text_size(place->path, strlen(place->path)), err);
	}
	if (!node || keep_name(reader, node, hidden, true, err) < 0)
		return -1;
	note_late_beneath(node);
	if (!opaque)
		note_late(node);
	node->flags |= opaque ? NODE_OPAQUE : NODE_WHITEOUT;
	return 0;
}

static int copy_content(struct layer_reader *reader, struct file *file, ducc_error **err)
{
	const void *data;
	size_t len;
	int result;

	if (quota_check(&reader->bytes, file->size, err) < 0 ||
	    quota_check(reader->image, file->size, err) < 0)
		return -1;
	file->data = tarball_offset(reader->tarball);
	hasher_reset(reader->content);
	while ((result = tar_reader_data(reader->tar, &data, &len, err)) > 0) {
		layer_stream_hash(&reader->stream, reader->content, data, len);
		if (tarball_data(reader->tarball, data, len, err) < 0 ||
		    layer_charge_bytes(reader, err) < 0)
			return -1;
	}
	hasher_final(reader->content, file->sha256);
	return result;
}

/* A repeated or previously implied directory keeps its contents. */
static int add_directory(struct layer_reader *reader, struct node *node, const char *path,
			 struct file *file, ducc_error **err)
{
	bool again = node_is_dir(node);

	if (node->lower_link || (node->file && !again))
		drop(reader, node);
	if (again && file_same_metadata(node->file, file)) {
		file_unref(file);
		return 0;
	}
	if (again)
		reader->rewrite = true;
	node_set_file(node, file);
	return again ? 0 : tarball_entry(reader->tarball, path, file, NULL, err);
}

/* Sets `used` for entries other than whiteouts, and the directories that contain such. */
static void mark_used(struct tree *tree)
{
	struct node *root = tree_root(tree);

	for (struct node *node = root; node; node = tree_next(root, node))
		for (struct node *n = node; (node->file || node->lower_link) && n && !n->used;
		     n = n->parent)
			n->used = true;
}

/* True if links lead entries to places beneath the node. */
static bool has_detours(const struct node *node)
{
	const struct node *next = tree_next(node, node);

	while (next && !node_has_detour(next))
		next = tree_next(node, next);
	return next;
}

/*
 * True for a directory in place of a link of the layers below that an earlier whiteout, or opaque
 * marker, of this layer hides: entries did not go through it.  It must be listed to be known as one.
 */
static bool hides_link(const struct layer_reader *reader, const struct node *node)
{
	AUTO_BUFFER path = {0};

	if (!reader->view.below || !node->used || !node->children)
		return false;
	node_path(node, &path);
	return node_link(tree_find(reader->view.below, path.data));
}

int layer_add_replaced_directories(struct layer_reader *reader, ducc_error **err)
{
	struct node *root = tree_root(reader->tree);
	AUTO_BUFFER path = {0};

	mark_used(reader->tree);
	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (node->file || node->lower_link ||
		    !(node->flags & NODE_WHITEOUT || hides_link(reader, node)))
			continue;
		/* On other layers, what is here could be elsewhere, and not in one place. */
		reader->fixed |= has_detours(node) || (node->used && node_has_detour(node));
		if (!node->used) {
			if (check_contents(reader, node, err) < 0)
				return -1;
			tree_remove_children(reader->tree, node);
			node->flags &= (uint8_t)~NODE_OPAQUE;
			continue;
		}
		node_path(node, &path);
		node_set_file(node, file_new(S_IFDIR | 0755));
		if (tarball_entry(reader->tarball, path.data, node->file, NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* True if a parent of `path` may be a link of this layer. */
static bool meets_link(const struct tree *tree, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		AUTO_FREE char *parent = xstrndup(path, (size_t)(slash - path));
		const struct node *node = tree_find(tree, parent);

		if (!node || may_be_link(node))
			return node != NULL;
	}
	return false;
}

/* Sets *where to the target of the hard link `path`, its links followed. */
static int follow_hardlink(struct layer_reader *reader, const char *path, const char *target,
			   struct followed *followed, const char **where, ducc_error **err)
{
	const struct node *other;

	*where = target;
	if (layer_name_is_aufs_link(target))
		return 0;
	if (!reader->view.below && meets_link(reader->tree, target))
		return stop_at_link(reader, err);
	if (follow_links(reader, target, followed, err) < 0)
		return error_wrap(err, "hard link to %s", target);
	if (followed->path)
		*where = followed->path;
	if (!strcmp(*where, path))
		return error_set(err, "hard link to itself");
	other = tree_find(reader->tree, *where);
	if (other && !other->file && other->children && !reader->view.below)
		return stop_at_link(reader, err); /* perhaps */
	if (other && (node_is_dir(other) || (!other->file && other->children) ||
		      other == tree_root(reader->tree)))
		return error_set(err, "hard link to the directory %s", target);
	return 0;
}

static int add_hardlink(struct layer_reader *reader, struct node *node, const char *path,
			const struct tar_entry *entry, ducc_error **err)
{
	AUTO_FREE char *target = layer_name_clean(entry->link, reader->limits, err);
	AUTO_FREE char *name = NULL;
	AUTO_FOLLOWED followed = {NULL};
	const struct node *other;
	const char *where;
	struct file *file;

	if (!target)
		return error_wrap(err, "hard link");
	if (follow_hardlink(reader, path, target, &followed, &where, err) < 0)
		return -1;
	other = tree_find(reader->tree, where);
	if (other && node->file && node->file == other->file)
		return 0;
	drop(reader, node);
	node->flags |= NODE_WHITEOUT;
	/* The target may have been beneath the node that the link replaced. */
	other = tree_find(reader->tree, where);
	/* On other layers it could be another file. */
	reader->fixed |= followed.own || followed.hidden ||
			 (other && (followed.path || node_has_detour(other)));
	file = other ? other->file : strmap_get(&reader->aufs, where);
	if (file) {
		if (layer_charge_listing(reader, listing_file_size(file), err) < 0)
			return -1;
		node_set_file(node, file_ref(file));
		/* Link to the first name, never to another hard link. */
		name = layer_path(reader->layer, file->origin);
		return tarball_entry(reader->tarball, path, file, name, err);
	}
	/* Links of the layers below are followed again when the layer is merged onto them. */
	if (!followed.own && !followed.hidden)
		where = target;
	node->lower_link = xstrdup(other && other->lower_link ? other->lower_link : where);
	return layer_charge_listing(
		reader, listing_text_size(node->lower_link, strlen(node->lower_link)), err);
}

static int check_xattrs(const struct layer_reader *reader, const struct file *file,
			ducc_error **err)
{
	uint64_t most = limits_get(reader->limits, LIMIT_XATTRS, 0), size = 0;

	for (size_t i = 0; i < file->n_xattrs; i++)
		size += strlen(file->xattrs[i].name) + file->xattrs[i].len;
	return size > most ? limits_exceeded(LIMIT_XATTRS, most, err) : 0;
}

/* Creates the file of an entry and charges its line in the listing; NULL on failure. */
static struct file *charged_file(struct layer_reader *reader, const char *path,
				 const struct tar_entry *entry, ducc_error **err)
{
	struct file *file = layer_file_new(entry, err);

	if (!file)
		return NULL;
	if (!S_ISDIR(file->mode))
		file_set_origin(file, tree_intern(reader->tree, reader->layer), path);
	if (!check_xattrs(reader, file, err) &&
	    !layer_charge_listing(reader, listing_file_size(file), err))
		return file;
	file_unref(file);
	return NULL;
}

/*
 * Drops one of AUFS's entries, but keeps the file if hard links may be to it: until the tarball is
 * rewritten, it is in there under its own name.
 */
static int add_aufs(struct layer_reader *reader, const char *path, const struct tar_entry *entry,
		    ducc_error **err)
{
	struct file *file;

	if (!layer_name_is_aufs_link(path) || entry->is_hard_link || !S_ISREG(entry->mode))
		return 0;
	if (quota_take(&reader->entries, 1, err) < 0)
		return -1;
	file = charged_file(reader, path, entry, err);
	if (!file)
		return -1;
	reader->rewrite = true;
	file_unref(strmap_put(&reader->aufs, path, file));
	if (tarball_entry(reader->tarball, path, file, NULL, err) < 0)
		return -1;
	return copy_content(reader, file, err);
}

static int add_root(struct layer_reader *reader, const struct tar_entry *entry, ducc_error **err)
{
	struct file *file;

	if (!S_ISDIR(entry->mode))
		return error_set(err, "root is not a directory");
	file = charged_file(reader, "", entry, err);
	if (!file || keep_name(reader, tree_root(reader->tree), NULL, false, err) < 0)
		return -1;
	return add_directory(reader, tree_root(reader->tree), "", file, err);
}

/* Adds anything but a whiteout. */
static int add_file(struct layer_reader *reader, struct node *node, const char *path,
		    const struct tar_entry *entry, ducc_error **err)
{
	struct file *file;

	if ((entry->is_hard_link || !S_ISDIR(entry->mode)) && check_contents(reader, node, err) < 0)
		return -1;
	if (entry->is_hard_link)
		return add_hardlink(reader, node, path, entry, err);
	file = charged_file(reader, path, entry, err);
	if (!file)
		return -1;
	if (S_ISDIR(file->mode)) {
		note_late(node);
		return add_directory(reader, node, path, file, err);
	}
	/* A directory below stays hidden, whatever replaces this entry later in the layer. */
	drop(reader, node);
	node->flags |= NODE_WHITEOUT;
	if (S_ISCHR(file->mode) && !file->major && !file->minor) {
		/* To overlayfs this is a whiteout, thus to every runtime. */
		file_unref(file);
		return 0;
	}
	node_set_file(node, file);
	if (tarball_entry(reader->tarball, path, file, NULL, err) < 0)
		return -1;
	return S_ISREG(file->mode) ? copy_content(reader, file, err) : 0;
}

static int add_at(struct layer_reader *reader, const struct place *place,
		  const struct tar_entry *entry, ducc_error **err)
{
	const char *path = place->path, *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	struct node *parent, *node;
	bool hidden = false;

	parent = parent_node(reader, path, &hidden, err);
	if (!parent)
		return hidden ? 0 : -1;
	if (layer_name_is_whiteout(name, strlen(name)))
		return add_whiteout(reader, parent, place, name, err);
	node = make_child(reader, parent, name, strlen(name), listing_text_size(path, strlen(path)),
			  err);
	if (!node || keep_name(reader, node, place->name, false, err) < 0)
		return -1;
	return add_file(reader, node, path, entry, err);
}

static int add_entry(struct layer_reader *reader, const char *path, const struct tar_entry *entry,
		     ducc_error **err)
{
	AUTO_FOLLOWED followed = {NULL};
	struct place place = {.path = path};

	if (!*path)
		return add_root(reader, entry, err);
	if (layer_name_is_aufs(path))
		return add_aufs(reader, path, entry, err);
	if (follow_links(reader, path, &followed, err) < 0)
		return -1;
	if (followed.path)
		place = (struct place){.path = followed.path, .name = path};
	return add_at(reader, &place, entry, err);
}

int layer_read_entries(struct layer_reader *reader, ducc_error **err)
{
	const struct tar_entry *entry;
	int result;

	while ((result = tar_reader_next(reader->tar, &entry, err)) > 0) {
		AUTO_FREE char *path = layer_name_clean(entry->name, reader->limits, err);

		if (!path)
			return -1;
		if (add_entry(reader, path, entry, err) < 0)
			return error_wrap(err, strlen(path) < PATH_MAX ? "%s" : "%.64s...",
					  *path ? path : "/");
	}
	return result;
}
