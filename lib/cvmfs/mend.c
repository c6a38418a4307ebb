/* Mending published trees: see mend.h. */
#include "cvmfs/mend.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "content/compare.h"
#include "content/extract.h"
#include "content/layer_name.h"
#include "cvmfs/edit.h"
#include "cvmfs/ingest.h"
#include "format/repo_paths.h"

struct look {
	struct mending *mending;
	const char *root;
	struct tree *tree;
	ducc_error *failure;
};

static char *path_in(const char *root, const char *path)
{
	return format("%s%s%s", root, *path ? "/" : "", path);
}

static bool is_of_aufs(const char *name)
{
	return !strncmp(name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX));
}

/* Adds a whiteout of AUFS.  As an ingest removes no path with a colon, its directory may go, too. */
static void add_whiteout(struct strset *whiteouts, const char *path)
{
	const char *colon = strchr(path, ':');
	AUTO_FREE char *before = xstrndup(path, colon ? (size_t)(colon - path) : strlen(path));

	if (colon)
		*strrchr(before, '/') = '\0';
	strset_add(whiteouts, before);
}

/* Notes the directory, whose metadata a removal may change. */
static void add_directory(struct look *look, const char *path)
{
	const struct node *node = tree_find(look->tree, path);
	AUTO_FREE char *name = path_in(look->root, path);

	if (node_is_dir(node) && !strmap_get(&look->mending->directories, name))
		strmap_put(&look->mending->directories, name, file_ref(node->file));
}

/* Notes the directory that contains the entry; with a colon in the path, all that do. */
static void add_parents(struct look *look, const char *path)
{
	AUTO_FREE char *parent = xstrdup(path);
	char *slash;

	do {
		slash = strrchr(parent, '/');
		*(slash ? slash : parent) = '\0';
		add_directory(look, parent);
	} while (slash && strchr(path, ':'));
}

/* Adds an entry to be removed. */
static void add_removal(struct look *look, const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *name = path_in(look->root, path);

	if (is_of_aufs(slash ? slash + 1 : path))
		add_whiteout(&look->mending->whiteouts, name);
	else
		strset_add(&look->mending->removals, name);
	add_parents(look, path);
}

static void on_difference(void *ctx, const char *kind, const char *path, const struct node *node,
			  const char *expected, const char *found)
{
	struct look *look = ctx;
	bool other_type = !strcmp(kind, DIFFERS_TYPE) || (!strcmp(kind, DIFFERS_WHITEOUT) && found);

	(void)expected;
	if (!node || other_type)
		add_removal(look, path);
	else if (node_is_dir(node) && found)
		add_directory(look, path);
}

static void on_failure(void *ctx, const char *path, int error)
{
	struct look *look = ctx;
	AUTO_FREE char *name = path_in(look->root, path);

	error_errno(&look->failure, error, "%s", name);
}

/* Compares what is at `root` with the tree that is to be there. */
static int compare(struct mending *mending, struct context *context,
		   const struct repository *repository, const char *root, struct tree *tree,
		   ducc_error **err)
{
	struct look look = {mending, root, tree, NULL};
	struct comparison comparison = {.context = context,
					.reduced = true,
					.differs = on_difference,
					.failed = on_failure,
					.ctx = &look};
	AUTO_CLOSE int top = repository_root(repository);
	AUTO_CLOSE int fd = top < 0 ? -1 : path_open(top, root, O_RDONLY | O_DIRECTORY, 0);

	if (fd >= 0)
		compare_tree(&comparison, fd, tree);
	else if (errno == ENOTDIR || errno == ELOOP)
		strset_add(&mending->removals, root);
	else if (errno != ENOENT)
		return error_errno(err, errno, "%s", root);
	return look.failure ? error_give(err, look.failure) : 0;
}

/* Whether the entry of a layer's directory is part of the layer with that root. */
static bool is_part(const char *name, const char *root)
{
	return !strcmp(name, "layerfs") || !strcmp(name, strrchr(root, '/') + 1) ||
	       !strcmp(name, ".metadata") || !strcmp(name, CATALOG_MARKER);
}

/* Content that was staged for a layer, but is not where it is found, is removed. */
static int remove_strangers(struct mending *mending, const struct repository *repository,
			    const char *directory, const char *root, ducc_error **err)
{
	AUTO_CLOSE int top = repository_root(repository);
	AUTO_ENTRIES entries = entries_open(top, directory);
	const char *name;

	while ((name = entries_next(&entries))) {
		AUTO_FREE char *path = format("%s/%s", directory, name);

		if (!is_part(name, root))
			strset_add(&mending->removals, path);
	}
	if (entries.error && !is_absence(entries.error))
		return error_errno(err, entries.error, "%s", directory);
	return 0;
}

/* What is in the way of a layer's documents is removed. */
static int remove_obstacles(struct mending *mending, const struct repository *repository,
			    const char *directory, ducc_error **err)
{
	static const char *const documents[] = {"layer.mtree", "layers.json"};

	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		AUTO_FREE char *path = format("%s/.metadata/%s", directory, documents[i]);
		AUTO_FREE char *obstacle = NULL;

		if (repository_find_obstacle(repository, path, S_IFREG, &obstacle, err) < 0)
			return -1;
		if (obstacle)
			strset_add(&mending->removals, obstacle);
	}
	return 0;
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

int mending_add(struct mending *mending, struct context *context,
		const struct repository *repository, const char *directory, const char *root,
		struct tree *tree, bool is_layer, ducc_error **err)
{
	if (strset_add(&mending->trees, directory))
		say_replaced(context, repository, directory);
	if (is_layer && (remove_strangers(mending, repository, directory, root, err) < 0 ||
			 remove_obstacles(mending, repository, directory, err) < 0))
		return -1;
	return compare(mending, context, repository, root, tree, err);
}

bool mending_is_pending(const struct mending *mending)
{
	return mending->removals.n || mending->whiteouts.n ||
	       (mending->directories.keys.n && !mending->done);
}

static int set_directory(int mount, const char *path, const struct file *file, ducc_error **err)
{
	struct extract_report report = {0};
	AUTO_CLOSE int fd = path_open(mount, path, O_RDONLY | O_DIRECTORY, 0);

	/* It may have been in a directory that was removed. */
	if (fd < 0 ? errno != ENOENT : set_metadata(fd, file, &report) < 0)
		return error_errno(err, errno, "%s", path);
	/* An ingest would set it, whoever runs it. */
	return report.owners ? error_errno(err, EPERM, "%s: owner", path) : 0;
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

/* Finds the whiteouts of AUFS in one directory, and the directories in it. */
static int find_in_directory(int top, struct strset *directories, size_t i, struct strset *found,
			     ducc_error **err)
{
	const char *directory = directories->list[i], *name;
	AUTO_ENTRIES entries = entries_open(top, directory);

	while ((name = entries_next(&entries))) {
		AUTO_FREE char *path = path_in(directory, name);

		if (entries_type(&entries, name) == DT_DIR)
			strset_add(directories, path);
		else if (is_of_aufs(name))
			add_whiteout(found, path);
	}
	if (entries.error && !is_absence(entries.error) && entries.error != ELOOP)
		return error_errno(err, entries.error, "%s", directory);
	return 0;
}

/* Finds those beneath `path`, which need not be a directory. */
static int find_whiteouts(struct context *context, const struct repository *repository,
			  const char *path, struct strset *found, ducc_error **err)
{
	AUTO_CLOSE int top = repository_root(repository);
	AUTO_STRSET directories = {NULL};

	strset_add(&directories, path);
	for (size_t i = 0; i < directories.n; i++) {
		if (context_cancelled(context))
			return context_interrupted(err);
		if (find_in_directory(top, &directories, i, found, err) < 0)
			return -1;
	}
	return 0;
}

/* True if a directory above is in the set. */
static bool is_beneath(const struct strset *paths, const char *path)
{
	AUTO_FREE char *above = xstrdup(path);
	char *slash;

	while ((slash = strrchr(above, '/'))) {
		*slash = '\0';
		if (strset_has(paths, above))
			return true;
	}
	return false;
}

/* An ingest crashes if it is to remove a directory and what is in it. */
static int remove_whiteouts(struct context *context, const struct repository *repository,
			    const struct strset *paths, ducc_error **err)
{
	AUTO_FREE const char **outermost = xcalloc(paths->n, sizeof(*outermost));
	size_t n = 0;

	for (size_t i = 0; i < paths->n; i++)
		if (!is_beneath(paths, paths->list[i]))
			outermost[n++] = paths->list[i];
	return ingest_remove_all(context, repository, outermost, n, err);
}

int mending_prepare_removal(struct context *context, const struct repository *repository,
			    const char *path, ducc_error **err)
{
	AUTO_STRSET found = {NULL};

	if (find_whiteouts(context, repository, path, &found, err) < 0)
		return -1;
	if (!found.n)
		return 0;
	return remove_whiteouts(context, repository, &found, err) < 0 ? -1 : 1;
}

int mending_run(struct mending *mending, struct context *context,
		const struct repository *repository, ducc_error **err)
{
	struct edit *edit;
	int result;

	for (size_t i = 0; i < mending->removals.n; i++)
		if (find_whiteouts(context, repository, mending->removals.list[i],
				   &mending->whiteouts, err) < 0)
			return -1;
	if (remove_whiteouts(context, repository, &mending->whiteouts, err) < 0)
		return -1;
	edit = edit_begin(context, repository, err);
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
	return (struct mending_mark){mending->removals.n, mending->whiteouts.n,
				     mending->directories.keys.n};
}

void mending_reset(struct mending *mending, struct mending_mark mark)
{
	for (size_t i = mark.directories; i < mending->directories.keys.n; i++)
		file_unref(mending->directories.values[i]);
	strset_cut(&mending->removals, mark.removals);
	strset_cut(&mending->whiteouts, mark.whiteouts);
	strset_cut(&mending->directories.keys, mark.directories);
}

void mending_free(struct mending *mending)
{
	mending_reset(mending, (struct mending_mark){0});
	strset_free(&mending->trees);
	strset_free(&mending->removals);
	strset_free(&mending->whiteouts);
	strmap_free(&mending->directories);
}
