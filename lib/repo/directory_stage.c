/* What a transaction of a directory stages, and its steps: see directory_stage.h. */
#include "repo/directory_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "content/unpacked.h"
#include "format/repo_paths.h"
#include "repo/directory_open.h"

/* --- steps ------------------------------------------------------------ */

/* The staging directory, created on first use. */
static int staging(struct directory *directory, ducc_error **err)
{
	if (directory->staging >= 0)
		return directory->staging;
	if (path_mkdirs(directory->root, DIRECTORY_STAGING) == 0)
		directory->staging =
			path_open(directory->root, DIRECTORY_STAGING, O_RDONLY | O_DIRECTORY, 0);
	if (directory->staging < 0)
		return error_errno(err, errno, "%s/" DIRECTORY_STAGING,
				   directory->base.repository->path);
	return directory->staging;
}

static void add_step(struct directory *directory, enum plan_verb verb, enum order order,
		     const char *name, const char *path)
{
	size_t n = directory->plan.n;

	GROW(directory->orders, n, directory->orders_capacity);
	directory->orders[n] = n && directory->orders[n - 1] == LAST ? LAST : order;
	plan_add(&directory->plan, verb, name, path);
}

/* A name not used in the staging directory. */
static char *new_name(struct directory *directory)
{
	return format("%zu", directory->next_name++);
}

/* Notes what was staged only in part, and so is in no step, for directory_restore().  Returns -1. */
static int fail_staging(struct directory *directory, const char *name)
{
	strset_add(&directory->partial, name);
	return -1;
}

static int write_file(int directory, const char *path, const void *data, size_t len,
		      ducc_error **err)
{
	AUTO_CLOSE int fd = path_open(directory, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || fchmod(fd, 0644) < 0 || write_all(fd, data, len) < 0)
		return error_errno(err, errno, "write");
	return 0;
}

/* Creates a directory with mode 0755, regardless of the umask. */
static int make_directory(int directory, const char *path, ducc_error **err)
{
	if (path_mkdirs(directory, path) < 0)
		return error_errno(err, errno, "%s", path);
	AUTO_CLOSE int fd = path_open(directory, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 || fchmod(fd, 0755) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

/*
 * Makes a directory for a tree in the staging directory.  Its name, which the caller frees, ends in
 * its inode number, and is longer than other names: whoever carries out the plan recognises the
 * tree by that, wherever it is.
 */
static char *make_tree(struct directory *directory, int at, ducc_error **err)
{
	AUTO_FREE char *name = new_name(directory), *final = NULL;
	struct stat st;

	if (make_directory(at, name, err) < 0)
		return NULL;
	if (!fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW)) {
		final = format("%s%0*ju", name, DIRECTORY_INODE_DIGITS, (uintmax_t)st.st_ino);
		if (!renameat(at, name, at, final))
			return STEAL(final);
	}
	error_errno(err, errno, "%s", name);
	fail_staging(directory, name);
	return NULL;
}

/* --- syncing ---------------------------------------------------------- */

static void *sync_thread(void *data)
{
	struct directory *directory = data;

	/* An error is reported only once: the commit would not see it. */
	if (syncfs(directory->root) < 0)
		directory->sync_error = errno;
	atomic_store(&directory->synced, true);
	return NULL;
}

void directory_end_sync(struct directory *directory)
{
	if (directory->is_syncing)
		pthread_join(directory->syncing, NULL);
	directory->is_syncing = false;
}

/*
 * Starts to write to disk what is staged so far, while more is, so that the commit has little left
 * to wait for.
 */
static void begin_sync(struct directory *directory)
{
	if (directory->is_syncing && !atomic_load(&directory->synced))
		return;
	directory_end_sync(directory);
	atomic_store(&directory->synced, false);
	directory->is_syncing = !pthread_create(&directory->syncing, NULL, sync_thread, directory);
}

int directory_sync(struct directory *directory, ducc_error **err)
{
	directory_end_sync(directory);
	if (syncfs(directory->root) < 0)
		return error_errno(err, errno, "sync");
	return directory->sync_error ? error_errno(err, directory->sync_error, "sync") : 0;
}

/* --- layers and flat trees -------------------------------------------- */

/* The current path of the entry for `to`: staged, or in the repository. */
static char *place_of(const struct directory *directory, const char *to)
{
	for (size_t i = 0; i < directory->plan.n; i++) {
		const struct plan_step *step = &directory->plan.steps[i];

		if (step->verb == PLAN_RENAME && !strcmp(step->path, to))
			return format(DIRECTORY_STAGING "/%s", step->name);
	}
	return xstrdup(to);
}

struct layer_context {
	struct directory *directory;
	const struct digest *layer; /* the new layer: its files are in its tar */
	pthread_mutex_t mutex;      /* of the list of opened directories */
};

/* Opens the directories of a published layer; threads ask for layers at the same time. */
static int open_layer(struct layer_context *context, const struct digest *layer, ducc_error **err)
{
	struct directory *directory = context->directory;
	int result;

	pthread_mutex_lock(&context->mutex);
	result = directory_open_layer(directory->base.repository, directory->root,
				      &directory->opened, layer, err);
	pthread_mutex_unlock(&context->mutex);
	return result;
}

static int find_source(void *ctx, const struct digest *layer, struct extract_source *source,
		       ducc_error **err)
{
	struct layer_context *context = ctx;
	struct directory *directory = context->directory;
	AUTO_FREE char *to = layer_directory(layer), *place = NULL, *path = NULL;

	if (context->layer && digest_equal(context->layer, layer)) {
		source->how = EXTRACT_TAR;
		source->whole = true;
		source->context = directory->base.context;
		source->activity = DUCC_PUBLISHING;
		source->fd = unpacked_open_tar(directory->base.store, layer, err);
		return source->fd < 0 ? -1 : 0;
	}
	place = place_of(directory, to);
	path = format("%s/layerfs", place);
	/* To others than root, directories of the image could be closed. */
	if (geteuid() != 0 && !strcmp(place, to) && open_layer(context, layer, err) < 0)
		return -1;
	source->how = EXTRACT_LINK;
	source->fd = path_open(directory->root, path, O_RDONLY | O_DIRECTORY, 0);
	return source->fd < 0 ? error_errno(err, errno, "%s", path) : 0;
}

void directory_tell_left_out(const struct directory *directory, enum ducc_level level,
			     const char *what, const struct extract_report *report)
{
	AUTO_FREE char *left_out = extract_report_text(report);

	if (left_out)
		context_notice(directory->base.context, level, "%s: left out, not permitted: %s",
			       what, left_out);
}

/* Fills the directory `name` in the staging directory. */
static int fill(struct directory *directory, int at, const char *name, struct tree *tree,
		const struct digest *layer, struct extract_report *report, ducc_error **err)
{
	struct layer_context context = {directory, layer, PTHREAD_MUTEX_INITIALIZER};
	AUTO_CLOSE int root = path_open(at, name, O_RDONLY | O_DIRECTORY, 0);

	if (root < 0)
		return error_errno(err, errno, "%s", name);
	if (extract(root, tree, find_source, &context, 0, report, err) < 0)
		return -1;
	amount_add(&directory->base.amounts.by[SENT], report->sent);
	amount_add(&directory->base.amounts.by[LINKED], report->linked);
	return 0;
}

/* Adds steps that set the permissions of directories in the tree `root`. */
static void add_modes(struct directory *directory, const char *root,
		      const struct extract_report *report)
{
	for (size_t i = 0; i < report->n_closed; i++) {
		const struct closed_directory *closed = &report->closed[i];
		AUTO_FREE char *mode = format("%04o", (unsigned)closed->mode);
		AUTO_FREE char *path =
			*closed->path ? format("%s/%s", root, closed->path) : xstrdup(root);

		add_step(directory, PLAN_CHMOD, MODES, mode, path);
	}
}

int directory_add_tree(struct transaction *transaction, const char *to, const char *root,
		       struct tree *tree, const struct digest *own, ducc_error **err)
{
	struct directory *directory = directory_of(transaction);
	AUTO_EXTRACT_REPORT report = {.open = true};
	int at = staging(directory, err);
	AUTO_FREE char *name = at < 0 ? NULL : make_tree(directory, at, err);
	AUTO_FREE char *inside = name ? format("%s%s", name, root + strlen(to)) : NULL;

	if (!name)
		return -1;
	if (make_directory(at, inside, err) < 0 ||
	    fill(directory, at, inside, tree, own, &report, err) < 0)
		return fail_staging(directory, name);
	directory_tell_left_out(directory, DUCC_INFO, to, &report);
	extract_report_add(&directory->left_out, &report);
	add_modes(directory, root, &report);
	add_step(directory, PLAN_RENAME, FIRST, name, to);
	directory->tree = directory->plan.n;
	if (own)
		begin_sync(directory);
	return 0;
}

/* Writes a listing with mode 0644, regardless of the umask. */
static int write_listing(int directory, const char *path, const struct listing_head *head,
			 struct tree *tree, ducc_error **err)
{
	AUTO_CLOSE int fd = path_open(directory, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	tree_count_links(tree);
	if (fd < 0 || fchmod(fd, 0644) < 0 || listing_write(fd, head, tree) < 0)
		return error_errno(err, errno, "listing");
	return 0;
}

int directory_add_completion(struct transaction *transaction, const struct listing_head *head,
			     struct tree *tree, const struct tree *published,
			     const struct tree *needed, ducc_error **err)
{
	struct directory *directory = directory_of(transaction);
	AUTO_FREE char *name = new_name(directory);
	int at = staging(directory, err);

	(void)published; /* adding existing entries again is harmless */
	(void)needed;    /* a directory can have all */
	if (at < 0)
		return -1;
	if (write_listing(at, name, head, tree, err) < 0)
		return fail_staging(directory, name);
	add_step(directory, PLAN_COMPLETE, FIRST, name, head->layer.hex);
	return 0;
}

/* --- single entries ----------------------------------------------------- */

/* Creates the entry in the staging directory `at`. */
static int make_entry(struct directory *directory, int at, const char *name,
		      const struct file *file, const struct content *content, ducc_error **err)
{
	AUTO_FREE char *place = NULL;
	const char *last;

	if (content->kind == CONTENT_DATA)
		return write_file(at, name, content->data, file->size, err);
	if (content->kind == CONTENT_NONE)
		return symlinkat(file->target, at, name) < 0 ? error_errno(err, errno, "link") : 0;
	place = place_of(directory, content->path);
	AUTO_CLOSE int parent = path_open_parent(directory->root, place, &last);
	if (parent < 0 || linkat(parent, last, at, name, 0) < 0)
		return error_errno(err, errno, "%s", content->path);
	return 0;
}

/*
 * The staging path of an entry in the tree that was staged last, if nothing else was since;
 * NULL if it is not in there.
 */
static char *place_in_tree(const struct directory *directory, const char *path)
{
	const struct plan_step *step;
	size_t len;

	if (!directory->tree || directory->tree != directory->plan.n)
		return NULL;
	step = &directory->plan.steps[directory->tree - 1];
	len = strlen(step->path);
	return !strncmp(path, step->path, len) && path[len] == '/'
		       ? format("%s%s", step->name, path + len)
		       : NULL;
}

/* True for a link that is the name of an image.  Podman's must exist before its lists do. */
static bool is_public_name(const char *path, const struct file *file)
{
	return S_ISLNK(file->mode) && strcmp(path, REPO_PODMAN_LINKS) != 0 &&
	       strncmp(path, REPO_PODMAN "/", strlen(REPO_PODMAN "/")) != 0;
}

int directory_add_entry(struct transaction *transaction, const char *path, const struct file *file,
			const struct content *content, ducc_error **err)
{
	struct directory *directory = directory_of(transaction);
	AUTO_FREE char *inside = place_in_tree(directory, path), *name = NULL;
	int at = staging(directory, err);

	if (at < 0)
		return -1;
	if (inside) {
		AUTO_FREE char *parent = xstrndup(inside, (size_t)(strrchr(inside, '/') - inside));

		if (make_directory(at, parent, err) < 0)
			return -1;
		return make_entry(directory, at, inside, file, content, err) < 0
			       ? error_wrap(err, "%s", path)
			       : 0;
	}
	name = new_name(directory);
	if (make_entry(directory, at, name, file, content, err) < 0) {
		error_wrap(err, "%s", path);
		return fail_staging(directory, name);
	}
	add_step(directory, PLAN_RENAME, is_public_name(path, file) ? NAMES : FIRST, name, path);
	return 0;
}

int directory_add_mode(struct transaction *transaction, const char *path, mode_t mode,
		       ducc_error **err)
{
	struct directory *directory = directory_of(transaction);
	AUTO_FREE char *digits = format("%04o", (unsigned)mode);
	struct stat st;

	if (geteuid() != 0 && !repository_stat(transaction->repository, path, &st) &&
	    st.st_uid != geteuid()) {
		context_notice(transaction->context, DUCC_WARNING,
			       "%s: belongs to another user, and stays closed", path);
		return 0;
	}
	if (staging(directory, err) < 0)
		return -1;
	add_step(directory, PLAN_CHMOD, FIRST, digits, path);
	transaction->steps++;
	return 0;
}

int directory_add_removal(struct transaction *transaction, const char *path, ducc_error **err)
{
	struct directory *directory = directory_of(transaction);
	AUTO_FREE char *name = new_name(directory);

	if (staging(directory, err) < 0)
		return -1;
	add_step(directory, PLAN_REMOVE, LAST, name, path);
	return 0;
}

int directory_add_clearing(struct transaction *transaction, const char *path, ducc_error **err)
{
	struct directory *directory = directory_of(transaction);
	AUTO_FREE char *name = NULL;

	if (!strset_add(&directory->cleared, path))
		return 0;
	if (staging(directory, err) < 0)
		return -1;
	name = new_name(directory);
	add_step(directory, PLAN_REMOVE, FIRST, name, path);
	return 0;
}

/* --- the plan --------------------------------------------------------- */

void directory_save(struct transaction *transaction)
{
	struct directory *directory = directory_of(transaction);

	directory->saved = directory->plan.n;
	directory->saved_cleared = directory->cleared.n;
	directory->saved_left_out = directory->left_out;
}

void directory_restore(struct transaction *transaction, bool nothing)
{
	struct directory *directory = directory_of(transaction);

	if (nothing) {
		directory->saved = directory->saved_cleared = 0;
		directory->saved_left_out = (struct extract_report){.open = false};
	}
	directory->left_out = directory->saved_left_out;
	directory->tree = 0;
	strset_cut(&directory->cleared, directory->saved_cleared);
	/* What is removed frees space for the next image; whatever remains is removed at the end. */
	for (size_t i = 0; i < directory->partial.n; i++)
		path_remove(directory->staging, directory->partial.list[i]);
	strset_cut(&directory->partial, 0);
	while (directory->plan.n > directory->saved) {
		const struct plan_step *step = &directory->plan.steps[directory->plan.n - 1];

		if (step->verb != PLAN_CHMOD)
			path_remove(directory->staging, step->name);
		plan_drop(&directory->plan);
	}
}

int directory_write_plan(const struct directory *directory, ducc_error **err)
{
	AUTO_PLAN ordered = {NULL};

	for (int order = FIRST; order < N_ORDERS; order++) {
		for (size_t i = 0; i < directory->plan.n; i++) {
			const struct plan_step *step = &directory->plan.steps[i];

			if ((int)directory->orders[i] == order)
				plan_add(&ordered, step->verb, step->name, step->path);
		}
	}
	return plan_write(&ordered, directory->root, DIRECTORY_PLAN, err);
}
