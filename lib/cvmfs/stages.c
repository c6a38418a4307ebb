/* Publishing what is staged: see stages.h. */
#include "cvmfs/stages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/path.h"
#include "base/place.h"
#include "base/removal.h"
#include "base/text.h"
#include "content/extract.h"
#include "content/unpacked.h"
#include "cvmfs/edit.h"
#include "cvmfs/mount.h"
#include "cvmfs/newest.h"
#include "cvmfs/payload.h"
#include "format/repo_paths.h"

#define JOURNAL "ducc.staged"
#define JOURNAL_LIMIT ((size_t)64 << 20)

/* --- the journal ------------------------------------------------------ */

static int write_journal(const struct repository *repository, const struct strset *directories,
			 ducc_error **err)
{
	AUTO_FREE char *path = mount_spool(repository, JOURNAL);
	AUTO_BUFFER text = {0};

	for (size_t i = 0; i < directories->n; i++)
		buffer_addf(&text, "%s\n", directories->list[i]);
	if (directories->n ? file_replace(AT_FDCWD, path, text.data, text.len) < 0
			   : unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "%s", path);
	return 0;
}

/* Adds the directories in the journal. */
static int read_journal(const struct repository *repository, struct strset *directories,
			ducc_error **err)
{
	AUTO_FREE char *path = mount_spool(repository, JOURNAL), *text = NULL;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *rest = NULL;
	size_t len;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	if (read_file(fd, JOURNAL_LIMIT, &text, &len, err) < 0)
		return error_wrap(err, "%s", path);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		strset_add(directories, line);
	return 0;
}

/* Notes the trees before they are staged, with those that are still to be removed. */
static int note_trees(const struct staging *staging, ducc_error **err)
{
	AUTO_STRSET directories = {NULL};

	if (read_journal(staging->repository, &directories, err) < 0)
		return -1;
	for (size_t i = 0; i < staging->trees.keys.n; i++)
		strset_add(&directories, staging->trees.keys.list[i]);
	return write_journal(staging->repository, &directories, err);
}

int stages_done(const struct staging *staging, ducc_error **err)
{
	AUTO_STRSET noted = {NULL}, incomplete = {NULL};

	if (read_journal(staging->repository, &noted, err) < 0)
		return -1;
	for (size_t i = 0; i < noted.n; i++)
		if (!strset_has(staging->added, noted.list[i]))
			strset_add(&incomplete, noted.list[i]);
	return write_journal(staging->repository, &incomplete, err);
}

/*
 * Finds what there is to remove of a staged tree: a flat tree without its listing, or the content of a
 * layer that is not found there.  Whatever else there is of a layer, others have published since.
 * Returns 1 with *path set, which the caller frees, 0, or -1 with errno set: what cannot be looked at
 * may be published.
 */
static int find_leftover(const struct repository *repository, const char *directory, char **path)
{
	struct digest digest;
	enum repo_tree kind = repo_tree_at(directory, &digest);
	AUTO_FREE char *place = NULL, *found_by = NULL;
	int found;

	*path = NULL;
	if (kind == REPO_TREE_NONE)
		return 0;
	place = kind == REPO_TREE_LAYER ? layer_content(&digest) : xstrdup(directory);
	found = repository_find(repository, place);
	if (found <= 0)
		return found;
	found_by = kind == REPO_TREE_LAYER ? repository_layer_root(repository, &digest)
					   : flat_listing(&digest);
	if (!found_by)
		return -1;
	found = kind == REPO_TREE_LAYER ? !strcmp(found_by, place)
					: repository_find(repository, found_by);
	if (!found)
		*path = STEAL(place);
	return found < 0 ? -1 : !found;
}

/* Removes what is left, in the open transaction, whose mount has the newest revision. */
static int remove_leftovers(const struct repository *repository, const struct strset *directories,
			    struct edit *edit, ducc_error **err)
{
	int n = 0;

	for (size_t i = 0; i < directories->n; i++) {
		AUTO_FREE char *name = NULL;
		int found = find_leftover(repository, directories->list[i], &name);

		if (found < 0)
			return error_errno(err, errno, "%s", directories->list[i]);
		if (found && edit_remove(edit, name, err) < 0)
			return -1;
		n += found;
	}
	return n && edit_finish(edit, err) < 0 ? -1 : n;
}

/* Removes them in a transaction of its own, if they are incomplete; returns how many. */
static int remove_incomplete(struct context *context, const struct repository *repository,
			     const struct strset *directories, ducc_error **err)
{
	struct edit *edit = edit_begin(context, repository, err);
	int n = edit ? remove_leftovers(repository, directories, edit, err) : -1;

	edit_free(edit);
	return n;
}

int stages_clear_up(struct context *context, const struct repository *repository, ducc_error **err)
{
	AUTO_STRSET directories = {NULL}, none = {NULL};
	int n;

	/* Without the mount, there is no knowing what is left. */
	if (repository->metadata_only)
		return 0;
	if (read_journal(repository, &directories, err) < 0)
		return -1;
	if (!directories.n)
		return 0;
	n = remove_incomplete(context, repository, &directories, err);
	if (n > 0)
		context_notice(context, DUCC_WARNING,
			       "%s: removed %d incomplete tree%s of an interrupted publish",
			       repository->name, n, text_plural((uint64_t)n));
	return n < 0 ? -1 : write_journal(repository, &none, err);
}

/* --- publishing ------------------------------------------------------- */

static int check_published(const struct repository *repository, const struct staged_tree *staged,
			   struct tree *tree, ducc_error **err)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		AUTO_FREE char *name = NULL;
		int found;

		if (!node->file || !S_ISREG(node->file->mode) || staged_is_marker(node))
			continue;
		node_path(node, &path);
		name = format("%s/%s", staged->root, path.data);
		found = staging_is_there(repository, name, node->file->size);
		if (found < 0)
			return error_errno(err, errno, "%s", name);
		if (!found)
			return error_set(err, "%s: others have removed it meanwhile; try again",
					 name);
	}
	return 0;
}

int stages_check(const struct staging *staging, ducc_error **err)
{
	for (size_t i = 0; i < staging->published; i++) {
		const struct staged_tree *staged = staging->trees.values[i];

		for (int stage = 0; stage < STAGES; stage++)
			if (staged->stages[stage] &&
			    check_published(staging->repository, staged, staged->stages[stage],
					    err) < 0)
				return -1;
	}
	return 0;
}

/* A tree that is written into the open transaction. */
struct writing {
	const struct staging *staging;
	int mount;
	struct tree *tree;
};

/* True if all that the tree has of the layer is part of what the layer's stage has written before. */
static bool is_written(const struct writing *writing, const struct digest *layer,
		       const struct staged_tree *from)
{
	struct node *root = tree_root(writing->tree);

	for (const struct node *node = root; node; node = tree_next(root, node)) {
		const struct file *file = node->file, *there;

		if (!file || !file->layer || file->target || !digest_equal(file->layer, layer))
			continue;
		there = staged_file_at(from->stages[0], file->origin);
		if (!there || there->target)
			return false;
	}
	return true;
}

/* Where the files of a layer are: for a flat tree, perhaps where those of the layer are written. */
static int find_source(void *ctx, const struct digest *layer, struct extract_source *source,
		       ducc_error **err)
{
	const struct writing *writing = ctx;
	AUTO_FREE char *directory = layer_directory(layer);
	const struct staged_tree *from = staging_find(writing->staging, directory);

	if (from && from->stages[0] && from->stages[0] != writing->tree &&
	    is_written(writing, layer, from)) {
		source->how = EXTRACT_COPY;
		source->fd = path_open(writing->mount, from->root, O_RDONLY | O_DIRECTORY, 0);
		return source->fd < 0 ? error_errno(err, errno, "%s", from->root) : 0;
	}
	source->how = EXTRACT_TAR;
	source->fd = unpacked_open_tar(writing->staging->store, layer, err);
	return source->fd < 0 ? -1 : 0;
}

/* Opens the directory, creating it and its parents with mode 0755, regardless of the umask. */
static int make_root(int mount, const char *path, ducc_error **err)
{
	for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
		const char *next = strchr(slash + 1, '/'), *name;
		AUTO_FREE char *part = next ? xstrndup(path, (size_t)(next - path)) : xstrdup(path);
		AUTO_CLOSE int parent = path_open_parent(mount, part, &name);

		if (parent < 0 || path_mkdir(parent, name) < 0)
			return error_errno(err, errno, "%s", part);
	}
	AUTO_CLOSE int root = path_open(mount, path, O_RDONLY | O_DIRECTORY, 0);
	return root < 0 ? error_errno(err, errno, "%s", path) : steal_fd(&root);
}

/* Writes one staged tree into the open transaction. */
static int write_tree(const struct staging *staging, int mount, const struct staged_tree *staged,
		      struct tree *tree, ducc_error **err)
{
	struct extract_report report = {0};
	struct writing writing = {staging, mount, tree};
	AUTO_CLOSE int root = make_root(mount, staged->root, err);
	AUTO_FREE char *left_out = NULL;

	if (root < 0 || staged_resolve(tree, staging->repository, err) < 0 ||
	    extract(root, tree, find_source, &writing, 1, &report, err) < 0)
		return error_wrap(err, "%s", staged->directory);
	/* An ingest would set it, whoever runs it. */
	left_out = extract_report_text(&report);
	return left_out ? error_set(err, "%s: not permitted: %s", staged->directory, left_out) : 0;
}

/* Opened to be written and touched, a file is copied to the scratch area, with its metadata. */
static int write_split(int mount, const char *path)
{
	AUTO_CLOSE int fd = path_open(mount, path, O_RDWR | O_NONBLOCK, 0);
	struct timespec times[2];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	return futimens(fd, times);
}

static int write_splits(const struct staging *staging, int mount, ducc_error **err)
{
	for (size_t i = 0; i < staging->splits.n; i++) {
		if (context_cancelled(staging->context))
			return context_interrupted(err);
		if (write_split(mount, staging->splits.list[i]) < 0)
			return error_errno(err, errno, "%s", staging->splits.list[i]);
	}
	return 0;
}

static int write_stage(const struct staging *staging, struct edit *edit, int stage,
		       ducc_error **err)
{
	AUTO_CLOSE int mount = edit_open_mount(edit, err);

	if (mount < 0 || (!stage && write_splits(staging, mount, err) < 0))
		return -1;
	for (size_t i = staging->published; i < staging->trees.keys.n; i++) {
		const struct staged_tree *staged = staging->trees.values[i];

		if (context_cancelled(staging->context))
			return context_interrupted(err);
		if (staged->stages[stage] &&
		    write_tree(staging, mount, staged, staged->stages[stage], err) < 0)
			return -1;
	}
	return 0;
}

/* Frees the space of what was written: in a full scratch area, not even an abort succeeds. */
static void unwrite_stage(const struct staging *staging, const struct edit *edit)
{
	AUTO_CLOSE int mount = edit_open_mount(edit, NULL);

	for (size_t i = staging->published; mount >= 0 && i < staging->trees.keys.n; i++)
		path_remove(mount, ((struct staged_tree *)staging->trees.values[i])->root);
	for (size_t i = 0; mount >= 0 && i < staging->splits.n; i++)
		path_remove(mount, staging->splits.list[i]);
}

static void advise(const struct staging *staging, ducc_error **err)
{
	AUTO_FREE char *scratch = mount_spool(staging->repository, "scratch");

	place_advise(err, "scratch area", scratch, "free space there, or publish with -c off");
}

/* Puts the catalogs of all layers and of all flat trees into the open transaction. */
static int put_catalogs(const struct staging *staging, struct edit *edit, ducc_error **err)
{
	struct payload payload = {.fd = -1};
	uint64_t size;
	int result = -1;

	if (!payload_open(&payload, staging->context, staging->store, staging->repository, err) &&
	    !payload_add_parents(&payload, REPO_LAYERS "/", err) &&
	    !payload_add_parents(&payload, REPO_FLAT "/", err) &&
	    !payload_finish(&payload, &size, err))
		result = edit_put(edit, payload.fd, err);
	payload_close(&payload);
	return result;
}

/* Publishes one stage; 1: the first one, and others have changed the repository. */
static int publish_stage(struct staging *staging, int stage, bool catalogs, char **revision,
			 bool *changed, ducc_error **err)
{
	struct edit *edit = edit_begin(staging->context, staging->repository, err);
	AUTO_FREE char *now = NULL;
	unsigned long long number;
	int result = 0;

	if (!edit)
		return -1;
	if (newest_mounted(staging->repository, &now, err) < 0) {
		edit_free(edit);
		return -1;
	}
	number = newest_number(staging->repository);
	if (now && *revision && strcmp(now, *revision) != 0)
		*changed = true;
	if (*changed && !stage)
		result = 1;
	if (!result && ((catalogs && put_catalogs(staging, edit, err) < 0) ||
			write_stage(staging, edit, stage, err) < 0)) {
		advise(staging, err);
		unwrite_stage(staging, edit);
		result = -1;
	} else if (!result) {
		result = edit_finish(edit, err);
	}
	edit_free(edit);
	free(*revision);
	*revision = STEAL(now);
	if (result)
		return result;
	/* Others may have published right after us. */
	if (newest_number(staging->repository) != number + 1)
		*changed = true;
	free(STEAL(*revision));
	return newest_mounted(staging->repository, revision, err) < 0 ? -1 : 0;
}

int stages_publish(struct staging *staging, bool catalogs, char **revision, bool *changed,
		   ducc_error **err)
{
	int result = 0;

	*changed = false;
	if (note_trees(staging, err) < 0)
		return -1;
	for (int stage = 0; stage < STAGES && !result; stage++) {
		bool first = catalogs && !stage;

		if (first || staging_is_pending(staging, stage))
			result = publish_stage(staging, stage, first, revision, changed, err);
	}
	if (!result) {
		staging->published = staging->trees.keys.n;
		strset_free(&staging->splits);
		staging->bytes = staging->twice = 0;
	}
	return result;
}
