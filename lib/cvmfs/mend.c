/* Mending published trees: see mend.h. */
#include "cvmfs/mend.h"

#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "content/compare.h"
#include "content/extract.h"
#include "cvmfs/catalogs.h"
#include "cvmfs/edit.h"
#include "format/repo_paths.h"

struct look {
	struct mending *mending;
	const char *root;
	struct tree *tree;
};

static char *path_in(const char *root, const char *path)
{
	return format("%s%s%s", root, *path ? "/" : "", path);
}

/* Notes the directory, whose metadata a removal may change. */
static void add_directory(struct look *look, const char *path)
{
	const struct node *node = tree_find(look->tree, path);
	AUTO_FREE char *name = path_in(look->root, path);

	if (node_is_dir(node) && !strmap_get(&look->mending->directories, name))
		strmap_put(&look->mending->directories, name, file_ref(node->file));
}

static void on_difference(void *ctx, const char *kind, const char *path, const struct node *node,
			  const char *expected, const char *found)
{
	struct look *look = ctx;
	bool other_type = !strcmp(kind, DIFFERS_TYPE) || (!strcmp(kind, DIFFERS_WHITEOUT) && found);
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *parent = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	AUTO_FREE char *name = path_in(look->root, path);

	(void)expected;
	if (!node || other_type) {
		strset_add(&look->mending->removals, name);
		add_directory(look, parent);
	} else if (node_is_dir(node) && found) {
		add_directory(look, path);
	}
}

/* Compares what is at `root` with the tree that is to be there. */
static void compare(struct mending *mending, struct context *context,
		    const struct repository *repository, const char *root, struct tree *tree)
{
	struct look look = {mending, root, tree};
	struct comparison comparison = {
		.context = context, .reduced = true, .differs = on_difference, .ctx = &look};
	AUTO_CLOSE int top = repository_root(repository);
	AUTO_CLOSE int fd = top < 0 ? -1 : path_open(top, root, O_RDONLY | O_DIRECTORY, 0);

	if (fd >= 0)
		compare_tree(&comparison, fd, tree);
	else if (errno != ENOENT)
		strset_add(&mending->removals, root);
}

/* Whether the entry of a layer's directory is part of the layer with that root. */
static bool is_part(const char *name, const char *root)
{
	return !strcmp(name, "layerfs") || !strcmp(name, strrchr(root, '/') + 1) ||
	       !strcmp(name, ".metadata") || !strcmp(name, CATALOG_MARKER);
}

/* Content that was staged for a layer, but is not where it is found, is removed. */
static void remove_strangers(struct mending *mending, const struct repository *repository,
			     const char *directory, const char *root)
{
	AUTO_CLOSE int top = repository_root(repository);
	AUTO_ENTRIES entries = entries_open(top, directory);
	const char *name;

	while ((name = entries_next(&entries))) {
		AUTO_FREE char *path = format("%s/%s", directory, name);

		if (!is_part(name, root))
			strset_add(&mending->removals, path);
	}
}

static void say_replaced(struct context *context, const struct repository *repository,
			 const char *directory)
{
	struct digest digest;
	enum repo_tree kind = repo_tree_at(directory, &digest);
	AUTO_FREE char *listing = repo_tree_listing(kind, &digest);
	bool ours = repository_has(repository, listing);

	context_notice(context, ours ? DUCC_INFO : DUCC_WARNING, "%s: %sreplacing it", directory,
		       ours ? "" : "not published by ducc, or incomplete: ");
}

void mending_add(struct mending *mending, struct context *context,
		 const struct repository *repository, const char *directory, const char *root,
		 struct tree *tree, bool is_layer)
{
	if (strset_add(&mending->trees, directory))
		say_replaced(context, repository, directory);
	if (is_layer)
		remove_strangers(mending, repository, directory, root);
	compare(mending, context, repository, root, tree);
}

bool mending_is_pending(const struct mending *mending)
{
	return mending->removals.n || (mending->directories.keys.n && !mending->done);
}

static int set_directory(int mount, const char *path, const struct file *file, ducc_error **err)
{
	struct extract_report report = {0};
	AUTO_CLOSE int fd = path_open(mount, path, O_RDONLY | O_DIRECTORY, 0);

	/* It may have been in a directory that was removed. */
	if (fd < 0 ? errno != ENOENT : set_metadata(fd, file, &report) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

static int change(const struct mending *mending, const struct edit *edit, ducc_error **err)
{
	const struct strset *directories = &mending->directories.keys;
	AUTO_CLOSE int mount = edit_open_mount(edit, err);

	if (mount < 0)
		return -1;
	for (size_t i = 0; i < mending->removals.n; i++)
		if (path_remove(mount, mending->removals.list[i]) < 0)
			return error_errno(err, errno, "%s", mending->removals.list[i]);
	for (size_t i = 0; i < directories->n; i++)
		if (set_directory(mount, directories->list[i], mending->directories.values[i],
				  err) < 0)
			return -1;
	return 0;
}

int mending_run(struct mending *mending, struct context *context,
		const struct repository *repository, ducc_error **err)
{
	struct edit *edit = edit_begin(context, repository, err);
	int result;

	if (!edit)
		return -1;
	result = change(mending, edit, err) < 0 ? -1 : edit_finish(edit, err);
	edit_free(edit);
	mending_reset(mending, (struct mending_mark){0});
	mending->done |= !result;
	return result;
}

struct mending_mark mending_mark(const struct mending *mending)
{
	return (struct mending_mark){mending->removals.n, mending->directories.keys.n};
}

void mending_reset(struct mending *mending, struct mending_mark mark)
{
	for (size_t i = mark.directories; i < mending->directories.keys.n; i++)
		file_unref(mending->directories.values[i]);
	strset_cut(&mending->removals, mark.removals);
	strset_cut(&mending->directories.keys, mark.directories);
}

void mending_free(struct mending *mending)
{
	mending_reset(mending, (struct mending_mark){0});
	strset_free(&mending->trees);
	strset_free(&mending->removals);
	strmap_free(&mending->directories);
}
