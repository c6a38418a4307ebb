/* Reading the tar of a layer: see layer_tar.h. */
#include "content/layer_tar.h"

#include "format/repo_paths.h"

#define NANOSECONDS 1000000000
#define HEADER_LIMIT (4 * TAR_HEADER_LIMIT) /* what was read from a layer, and longer paths */

void layer_tar_open(struct layer_tar *tar, int fd, const struct digest *layer)
{
	*tar = (struct layer_tar){.reader = tar_reader_file(fd, 0, HEADER_LIMIT),
				  .hasher = hasher_new(),
				  .fd = fd,
				  .layer = layer,
				  .prefix = layer_path(layer, "")};
}

void layer_tar_report(struct layer_tar *tar, struct context *context, enum ducc_activity activity)
{
	struct stat st = {.st_size = 0};

	fstat(tar->fd, &st);
	tar->name = format(PRI_DIGEST, tar->layer->hex);
	tar->progress = (struct progress){.context = context,
					  .activity = activity,
					  .what = tar->name,
					  .total = (uint64_t)st.st_size};
}

void layer_tar_close(struct layer_tar *tar)
{
	tar_reader_free(tar->reader);
	hasher_free(tar->hasher);
	free(tar->prefix);
	progress_end(&tar->progress);
	free(tar->name);
	*tar = (struct layer_tar){.reader = NULL};
}

int layer_tar_next(struct layer_tar *tar, const char **path, ducc_error **err)
{
	size_t len = strlen(tar->prefix);
	const char *name;
	int result = tar_reader_next(tar->reader, &tar->entry, err);

	if (result <= 0)
		return result < 0 ? error_kind(err, DUCC_CORRUPT) : 0;
	name = tar->entry->name;
	if (strncmp(name, tar->prefix, len) != 0 || (name[len] && name[len] != '/'))
		return error_set_kind(err, DUCC_CORRUPT, "%s: not an entry of this layer", name);
	*path = name + len + (name[len] == '/');
	tar->has_content = !tar->entry->is_hard_link && S_ISREG(tar->entry->mode);
	return progress_move(&tar->progress, tar->entry->offset, err) < 0 ? -1 : 1;
}

static bool is_device(mode_t mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

/*
 * True if that is the time of the file.  Earlier versions wrote the fraction only if the entry needed
 * a pax header for something else.
 */
static bool is_time(const struct file *file, int64_t mtime, uint32_t nsec)
{
	return mtime == file->mtime && (!nsec || nsec == file->mtime_nsec);
}

/* Earlier versions wrote -2.75 for two seconds before 1970 and 0.75 s forward, as some libarchives. */
static bool has_time(const struct tar_entry *entry, const struct file *file)
{
	return is_time(file, entry->mtime, entry->mtime_nsec) ||
	       (entry->mtime < 0 && entry->mtime_nsec &&
		is_time(file, entry->mtime + 1, NANOSECONDS - entry->mtime_nsec));
}

/* True if the entry has these metadata. */
static bool agrees(const struct tar_entry *entry, const struct file *file)
{
	if ((entry->mode & 07777) != (file->mode & 07777) || entry->uid != file->uid ||
	    entry->gid != file->gid || !has_time(entry, file))
		return false;
	if (entry->is_hard_link)
		return true;
	return (entry->mode & S_IFMT) == (file->mode & S_IFMT) &&
	       (!S_ISLNK(file->mode) || !strcmp(entry->link, file->target)) &&
	       (!is_device(file->mode) ||
		(entry->major == file->major && entry->minor == file->minor));
}

/* True for a whiteout or a directory, which images add to a layer. */
static bool may_be_added(const struct tar_entry *entry)
{
	static const struct file whiteout = {.mode = S_IFCHR};

	return !entry->is_hard_link &&
	       (S_ISDIR(entry->mode) || (S_ISCHR(entry->mode) && agrees(entry, &whiteout)));
}

/* True for what depends on the layers below, which the tar may have for another image. */
static bool is_added(const struct node *node)
{
	return node->flags & NODE_IMPLIED || node->lower_link;
}

int layer_tar_node(struct layer_tar *tar, struct tree *tree, const char *path, struct node **node,
		   ducc_error **err)
{
	static const struct file whiteout = {.mode = S_IFCHR};

	*node = tree_find(tree, path);
	if (!node_is_entry(*node))
		return may_be_added(tar->entry)
			       ? 0
			       : error_set_kind(err, DUCC_CORRUPT,
						"not in the layer's listing: the store is damaged");
	if (!is_added(*node) && !agrees(tar->entry, (*node)->file ? (*node)->file : &whiteout))
		return error_set_kind(
			err, DUCC_CORRUPT,
			"does not agree with the layer's listing: the store is damaged");
	(*node)->used = true;
	return 1;
}

int layer_tar_check_end(struct tree *tree, ducc_error **err)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (node->used || !node_is_entry(node) || node_is_whiteout(node) ||
		    node->flags & NODE_IMPLIED)
			continue;
		node_path(node, &path);
		return error_set_kind(err, DUCC_CORRUPT,
				      "%s: missing from the layer's tar: the store is damaged",
				      path.len ? path.data : "/");
	}
	return 0;
}

int layer_tar_copy(struct layer_tar *tar, const struct file *file,
		   int (*write)(void *ctx, const void *data, size_t len, ducc_error **err),
		   void *ctx, ducc_error **err)
{
	uint8_t sha256[SHA256_SIZE];
	uint64_t done = tar->entry->offset;
	const void *data;
	size_t len;
	int result;

	hasher_reset(tar->hasher);
	while ((result = tar_reader_data(tar->reader, &data, &len, err)) > 0) {
		hasher_update(tar->hasher, data, len);
		if (write(ctx, data, len, err) < 0 ||
		    progress_move(&tar->progress, done += len, err) < 0)
			return -1;
	}
	if (result < 0)
		return error_kind(err, DUCC_CORRUPT);
	hasher_final(tar->hasher, sha256);
	if (memcmp(sha256, file->sha256, sizeof(sha256)) != 0)
		return error_set_kind(
			err, DUCC_CORRUPT,
			"its content is not that of the listing: the store is damaged");
	return 0;
}
