/*
 * A plain directory as a repository (target.h): its name contains a slash.
 *
 * New files are staged under .transaction/new.  A commit writes a list of renames,
 * .transaction/plan.  Once that file has its name, the transaction will be carried out:
 * if its process is killed, the next transaction does so first.  If a step fails, those
 * before are taken back.  Without a plan, the content of .transaction is debris, and the next
 * transaction removes it.
 *
 * For users other than root, the permissions of an image's directories could prevent that
 * they are moved, or files in them linked.  So directories are staged with all permissions for
 * the owner, and get their own by the plan.  Published ones get all permissions until the end
 * of the transaction; .transaction/opened, a plan, has those that they should have.
 *
 * The repository is locked from begin to end.
 */
#include "repo/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "content/extract.h"
#include "content/unpacked.h"
#include "format/repo_paths.h"
#include "repo/directory_plan.h"
#include "repo/transaction.h"

#define DIRECTORY ".transaction"
#define STAGING DIRECTORY "/new"
#define REPLACED DIRECTORY "/old"
#define PLAN DIRECTORY "/plan"
#define INODE_DIGITS 20 /* of an ino_t */
#define OPENED DIRECTORY "/opened"
#define PLAN_LIMIT ((size_t)1 << 30)

/* The order of steps: modes that would hinder others, names after their targets, removals. */
enum order { FIRST, MODES, NAMES, LAST, N_ORDERS };

struct directory {
	struct transaction base;
	int root;           /* of the repository; it carries the lock */
	int staging;        /* -1: not created yet */
	struct plan opened; /* published directories to be closed again */
	struct plan plan;   /* in the order of the calls ... */
	enum order *orders; /* ... and for each step, when it is carried out */
	size_t orders_capacity;
	size_t next_name;
	size_t saved; /* steps of the plan */
	size_t tree;  /* the step that a tree was staged for last, from 1; 0: none */
};

/* --- carrying out a plan; every step may have been done before -------- */

/* Opens the parent directory of `path`, creating it if necessary. */
static int make_parent(int repository, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *parent = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup("");

	if (slash && path_mkdirs(repository, parent) < 0)
		return -1;
	return path_open_parent(repository, path, name);
}

/* Gives the owner of the directory all permissions. */
static int open_directory(int at, const char *path)
{
	AUTO_FREE char *proc_path = NULL;
	AUTO_CLOSE int fd = path_open(at, path, O_PATH | O_DIRECTORY, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if ((st.st_mode & S_IRWXU) == S_IRWXU)
		return 0;
	proc_path = format("/proc/self/fd/%d", fd);
	return chmod(proc_path, (st.st_mode & 07777) | S_IRWXU);
}

/* Moves an entry; a directory only if its owner can write in it, which others than root need. */
static int move(int from, const char *name, int to, const char *new_name)
{
	struct stat st;

	if (!renameat(from, name, to, new_name))
		return 0;
	if (errno != EACCES || fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode) || fchmodat(from, name, (st.st_mode & 07777) | S_IRWXU, 0) < 0)
		return -1;
	return renameat(from, name, to, new_name);
}

/* The same for two directories that change places. */
static int swap(int a_parent, const char *a, int b_parent, const char *b)
{
	if (!renameat2(a_parent, a, b_parent, b, RENAME_EXCHANGE))
		return 0;
	if (errno != EACCES || open_directory(a_parent, a) < 0 || open_directory(b_parent, b) < 0)
		return -1;
	return renameat2(a_parent, a, b_parent, b, RENAME_EXCHANGE);
}

/* True if the directory is the staged one, whose name ends in its inode number (make_tree()). */
static bool is_tree(const char *staged, int parent, const char *name)
{
	size_t len = strlen(staged);
	struct stat st;

	return len > INODE_DIGITS && !fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) &&
	       strtoull(staged + len - INODE_DIGITS, NULL, 10) == st.st_ino;
}

/* Replaces a directory by a staged one.  The old one is deleted with that of the transaction. */
static int exchange(int repository, const char *from, int parent, const char *name)
{
	AUTO_FREE char *aside = NULL;

	if (is_tree(from, parent, name))
		return 0; /* done before */
	if (!swap(repository, from, parent, name))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* The file system cannot exchange them. */
	aside = format(REPLACED "/%s", strrchr(from, '/') + 1);
	if (path_mkdirs(repository, REPLACED) < 0 || path_remove(repository, aside) < 0 ||
	    move(parent, name, repository, aside) < 0)
		return -1;
	return move(repository, from, parent, name);
}

static int run_rename(int repository, const char *from_name, const char *to)
{
	AUTO_FREE char *from = format(STAGING "/%s", from_name);
	AUTO_FREE char *aside = format(REPLACED "/%s", from_name);
	const char *name;
	AUTO_CLOSE int parent = make_parent(repository, to, &name);

	if (parent < 0)
		return -1;
	if (!path_exists(repository, from))
		return 0; /* done before */
	/* What is replaced can be put back. */
	if (path_exists(parent, name) &&
	    (path_mkdirs(repository, REPLACED) < 0 ||
	     (linkat(parent, name, repository, aside, 0) < 0 && errno != EEXIST && errno != EPERM)))
		return -1;
	if (!move(repository, from, parent, name))
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -1;
	return exchange(repository, from, parent, name);
}

/* Opens the directory and those above it, from the root on, and marks them as used. */
static int open_directories(int layerfs, struct node *node)
{
	AUTO_BUFFER path = {0};
	AUTO_FREE struct node **directories = NULL;
	size_t n = 0, capacity = 0;

	for (; node && !node->used; node = node->parent) {
		GROW(directories, n, capacity);
		directories[n++] = node;
		node->used = true;
	}
	while (n) {
		node_path(directories[--n], &path);
		if (open_directory(layerfs, path.data) < 0)
			return -1;
	}
	return 0;
}

/* Sets the metadata of the directories that were used, their contents first. */
static int close_directories(int layerfs, struct node *root)
{
	AUTO_FREE struct node **directories = NULL;
	struct extract_report report = {0};
	size_t n = 0, capacity = 0;
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!node->used || !node_is_dir(node))
			continue;
		GROW(directories, n, capacity);
		directories[n++] = node;
	}
	while (n) {
		const struct node *node = directories[--n];

		node_path(node, &path);
		AUTO_CLOSE int fd = path_open(layerfs, path.data, O_RDONLY | O_DIRECTORY, 0);
		if (fd < 0 || set_metadata(fd, node->file, &report) < 0)
			return -1;
	}
	return 0;
}

/* Creates the whiteouts and implied directories of the listing that are missing. */
static int add_to_layer(int layerfs, struct tree *tree)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = tree_next(root, root); node; node = tree_next(root, node)) {
		bool whiteout = node_is_whiteout(node) && !(node->flags & NODE_VOID);
		const char *name;

		if (!whiteout && !(node->flags & NODE_IMPLIED && node_is_dir(node)))
			continue;
		node_path(node, &path);
		if (open_directories(layerfs, node->parent) < 0)
			return -1;
		AUTO_CLOSE int parent = path_open_parent(layerfs, path.data, &name);
		if (parent < 0 ||
		    ((whiteout ? make_whiteout(parent, name) : mkdirat(parent, name, 0700)) < 0 &&
		     errno != EEXIST) ||
		    (!whiteout && open_directories(layerfs, node) < 0))
			return -1;
	}
	return close_directories(layerfs, root);
}

static int run_complete(int repository, const char *name, const char *hex, ducc_error **err)
{
	AUTO_FREE char *from = format(STAGING "/%s", name);
	AUTO_FREE char *layerfs = NULL, *to = NULL;
	AUTO_CLOSE int listing = path_open(repository, from, O_RDONLY, 0);
	AUTO_CLOSE int directory = -1;
	AUTO_TREE *tree = NULL;
	struct listing_head head;
	struct digest layer;

	if (listing < 0 && errno == ENOENT)
		return 0; /* done before */
	if (!digest_is_hex(hex))
		return error_set(err, PLAN ": invalid layer digest: %s", hex);
	memcpy(layer.hex, hex, sizeof(layer.hex));
	layerfs = layer_path(&layer, "");
	to = layer_listing(&layer);
	directory = path_open(repository, layerfs, O_RDONLY | O_DIRECTORY, 0);
	if (listing < 0 || directory < 0)
		return error_errno(err, errno, "%s", layerfs);
	tree = listing_read(listing, &head, err);
	if (!tree)
		return error_wrap(err, "%s", from);
	if (add_to_layer(directory, tree) < 0 || renameat(repository, from, repository, to) < 0)
		return error_errno(err, errno, "%s", layerfs);
	return 0;
}

/* Moves the path aside; it is deleted with the directory of the transaction. */
static int run_remove(int repository, const char *from, const char *path)
{
	AUTO_FREE char *aside = format(REPLACED "/%s", from);
	const char *name;
	AUTO_CLOSE int parent = path_open_parent(repository, path, &name);

	if (parent < 0)
		return errno == ENOENT ? 0 : -1; /* done before */
	if (path_mkdirs(repository, REPLACED) < 0)
		return -1;
	if (move(parent, name, repository, aside) < 0 && errno != ENOENT)
		return -1;
	return path_prune(repository, path);
}

static int run_chmod(int repository, const char *mode, const char *path)
{
	const char *name;
	AUTO_CLOSE int parent = path_open_parent(repository, path, &name);

	if (parent >= 0 && !fchmodat(parent, name, (mode_t)strtoul(mode, NULL, 8), 0))
		return 0;
	/* Done before: a directory comes before those above it; or it is gone. */
	return errno == EACCES || errno == ENOENT ? 0 : -1;
}

static int run_step(int repository, const struct plan_step *step, ducc_error **err)
{
	int result = 0;

	switch (step->verb) {
	case PLAN_COMPLETE:
		return run_complete(repository, step->name, step->path, err);
	case PLAN_RENAME:
		result = run_rename(repository, step->name, step->path);
		break;
	case PLAN_REMOVE:
		result = run_remove(repository, step->name, step->path);
		break;
	case PLAN_CHMOD:
		result = run_chmod(repository, step->name, step->path);
		break;
	}
	return result < 0 ? error_errno(err, errno, "%s", step->path) : 0;
}

/* --- taking a plan back; every step may have been taken back before --- */

/* Moves what was put at the path back to the staging directory, or links it, if it is replaced. */
static int unput(int repository, const char *path, const char *staged, bool replaced)
{
	const char *name;
	AUTO_CLOSE int parent = path_open_parent(repository, path, &name);

	if (parent < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	if (path_exists(repository, staged))
		return is_tree(staged, parent, name) ? swap(repository, staged, parent, name) : 0;
	if (replaced && !linkat(parent, name, repository, staged, 0))
		return 0;
	return move(parent, name, repository, staged) < 0 && errno != ENOENT ? -1 : 0;
}

static int put_back(int repository, const char *aside, const char *path)
{
	const char *name;
	AUTO_CLOSE int parent = make_parent(repository, path, &name);

	return parent < 0 ? -1 : move(repository, aside, parent, name);
}

/* What a layer was completed with stays: it hides nothing that is there. */
static int undo_step(int repository, const struct plan_step *step)
{
	AUTO_FREE char *staged = format(STAGING "/%s", step->name);
	AUTO_FREE char *aside = format(REPLACED "/%s", step->name);
	bool replaced = path_exists(repository, aside);

	if (step->verb != PLAN_RENAME && step->verb != PLAN_REMOVE)
		return 0;
	if (step->verb == PLAN_RENAME && unput(repository, step->path, staged, replaced) < 0)
		return -1;
	if (replaced)
		return put_back(repository, aside, step->path);
	/* Empty directories that remain are harmless. */
	path_prune(repository, step->path);
	return 0;
}

/* Takes back the first n steps of a plan that cannot be carried out. */
static int undo_plan(int repository, const struct plan *plan, size_t n, ducc_error **err)
{
	while (n--)
		if (undo_step(repository, &plan->steps[n]) < 0)
			return error_errno(err, errno, "take back: %s", plan->steps[n].path);
	return 0;
}

/* --- the plan on disk ------------------------------------------------- */

static int read_plan(int repository, const char *path, struct plan *plan, ducc_error **err)
{
	AUTO_FREE char *text = NULL;
	size_t len;

	if (path_read(repository, path, PLAN_LIMIT, &text, &len, err) < 0)
		return -1;
	return plan_parse(plan, text, len, err) < 0 ? error_wrap(err, "%s", path) : 0;
}

/* Removes the directory of the transaction, after directories that it opened are closed. */
static int clear(int repository, ducc_error **err)
{
	AUTO_PLAN opened = {NULL};

	if (!path_is_absent(repository, OPENED) && read_plan(repository, OPENED, &opened, err) < 0)
		return -1;
	for (size_t i = 0; i < opened.n; i++)
		if (run_step(repository, &opened.steps[i], err) < 0)
			return -1;
	return path_remove(repository, DIRECTORY) < 0 ? error_errno(err, errno, DIRECTORY) : 0;
}

static int end_plan(int repository, ducc_error **err)
{
	if (syncfs(repository) < 0)
		return error_errno(err, errno, "sync");
	/* The plan first: without the staged files it must not run again. */
	if (path_remove(repository, PLAN) < 0)
		return error_errno(err, errno, PLAN);
	return clear(repository, err);
}

/*
 * Carries out the plan on disk, which ends the transaction.  If that is not possible, takes
 * it back, which ends the transaction, too, and sets *cause.
 */
static int run_plan(int repository, ducc_error **cause, ducc_error **err)
{
	AUTO_PLAN plan = {NULL};
	size_t i;

	if (read_plan(repository, PLAN, &plan, err) < 0)
		return -1;
	for (i = 0; i < plan.n; i++)
		if (run_step(repository, &plan.steps[i], cause) < 0)
			break;
	/* A step that failed may have been done in part. */
	if (i < plan.n && undo_plan(repository, &plan, i + 1, err) < 0)
		return -1;
	return end_plan(repository, err);
}

/* --- steps ------------------------------------------------------------ */

static struct directory *directory_of(struct transaction *transaction)
{
	return (struct directory *)transaction;
}

/* The staging directory, created on first use. */
static int staging(struct directory *directory, ducc_error **err)
{
	if (directory->staging >= 0)
		return directory->staging;
	if (path_mkdirs(directory->root, STAGING) == 0)
		directory->staging = path_open(directory->root, STAGING, O_RDONLY | O_DIRECTORY, 0);
	if (directory->staging < 0)
		return error_errno(err, errno, "%s/" STAGING, directory->base.repository->path);
	return directory->staging;
}

static void add_step(struct directory *directory, enum plan_verb verb, enum order order,
		     const char *name, const char *path)
{
	GROW(directory->orders, directory->plan.n, directory->orders_capacity);
	directory->orders[directory->plan.n] = order;
	plan_add(&directory->plan, verb, name, path);
}

/* A name not used in the staging directory. */
static char *new_name(struct directory *directory)
{
	return format("%zu", directory->next_name++);
}

static int write_file(int directory, const char *path, const void *data, size_t len,
		      ducc_error **err)
{
	AUTO_CLOSE int fd = path_open(directory, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || fchmod(fd, 0644) < 0 || write_all(fd, data, len) < 0)
		return error_errno(err, errno, "%s", path);
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
	return fd < 0 ? -1 : 0;
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
		final = format("%s%0*ju", name, INODE_DIGITS, (uintmax_t)st.st_ino);
		if (!renameat(at, name, at, final))
			return STEAL(final);
	}
	error_errno(err, errno, "%s", name);
	return NULL;
}

/* --- layers and flat trees -------------------------------------------- */

/* The current path of the entry for `to`: staged, or in the repository. */
static char *place_of(const struct directory *directory, const char *to)
{
	for (size_t i = 0; i < directory->plan.n; i++) {
		const struct plan_step *step = &directory->plan.steps[i];

		if (step->verb == PLAN_RENAME && !strcmp(step->path, to))
			return format(STAGING "/%s", step->name);
	}
	return xstrdup(to);
}

static int write_plan(int root, const char *path, const char *text)
{
	const char *name;
	AUTO_CLOSE int parent = path_open_parent(root, path, &name);

	return parent < 0 ? -1 : file_replace(parent, name, text, strlen(text));
}

/* Adds the closed directories of a published layer, the contents of each before it. */
static void add_closed(struct directory *directory, const struct digest *layer, struct tree *tree)
{
	struct node *root = tree_root(tree);
	AUTO_FREE struct node **directories = NULL;
	size_t n = 0, capacity = 0;
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!node_is_dir(node) || (node->file->mode & S_IRWXU) == S_IRWXU)
			continue;
		GROW(directories, n, capacity);
		directories[n++] = node;
	}
	while (n) {
		const struct node *node = directories[--n];
		AUTO_FREE char *mode = format("%04o", (unsigned)node->file->mode & 07777);
		AUTO_FREE char *place = NULL;

		node_path(node, &path);
		place = layer_path(layer, path.data);
		plan_add(&directory->opened, PLAN_CHMOD, mode, place);
	}
}

/* Gives their owner all permissions of the directories of a published layer, if there are any. */
static int open_layer(struct directory *directory, const struct digest *layer, ducc_error **err)
{
	AUTO_CLOSE int listing = repository_open_listing(directory->base.repository, layer);
	AUTO_TREE *tree = NULL;
	AUTO_FREE char *text = NULL;
	struct listing_head head;
	size_t before = directory->opened.n;

	if (listing < 0)
		return 0;
	tree = listing_read(listing, &head, err);
	if (!tree)
		return error_wrap(err, "published listing");
	add_closed(directory, layer, tree);
	if (directory->opened.n == before)
		return 0;
	text = plan_print(&directory->opened, err);
	if (!text)
		return -1;
	if (write_plan(directory->root, OPENED, text) < 0)
		return error_errno(err, errno, OPENED);
	for (size_t i = directory->opened.n; i > before; i--)
		if (open_directory(directory->root, directory->opened.steps[i - 1].path) < 0)
			return error_errno(err, errno, "%s", directory->opened.steps[i - 1].path);
	return 0;
}

struct layer_context {
	struct directory *directory;
	const struct digest *layer; /* the new layer: its files are in its tar */
};

static int find_source(void *ctx, const struct digest *layer, struct extract_source *source,
		       ducc_error **err)
{
	const struct layer_context *context = ctx;
	struct directory *directory = context->directory;
	AUTO_FREE char *to = layer_directory(layer), *place = NULL, *path = NULL;

	if (context->layer && digest_equal(context->layer, layer)) {
		source->how = EXTRACT_TAR;
		source->whole = true;
		source->fd = unpacked_open_tar(directory->base.store, layer, err);
		return source->fd < 0 ? -1 : 0;
	}
	place = place_of(directory, to);
	path = format("%s/layerfs", place);
	/* To others than root, directories of the image could be closed. */
	if (geteuid() != 0 && !strcmp(place, to) && open_layer(directory, layer, err) < 0)
		return -1;
	source->how = EXTRACT_LINK;
	source->fd = path_open(directory->root, path, O_RDONLY | O_DIRECTORY, 0);
	return source->fd < 0 ? error_errno(err, errno, "%s", path) : 0;
}

/* Warns of entries that an unprivileged user could not create. */
static void warn_of(struct directory *directory, const char *what,
		    const struct extract_report *report)
{
	AUTO_FREE char *left_out = extract_report_text(report);

	if (left_out)
		context_notice(directory->base.context, DUCC_WARNING,
			       "%s: left out, not permitted: %s", what, left_out);
}

/* Fills the directory `name` in the staging directory. */
static int fill(struct directory *directory, int at, const char *name, struct tree *tree,
		const struct digest *layer, struct extract_report *report, ducc_error **err)
{
	struct layer_context context = {directory, layer};
	AUTO_CLOSE int root = path_open(at, name, O_RDONLY | O_DIRECTORY, 0);

	if (root < 0)
		return error_errno(err, errno, "%s", name);
	if (extract(root, tree, find_source, &context, report, err) < 0)
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

static int add_tree(struct transaction *transaction, const char *to, const char *root,
		    struct tree *tree, const struct digest *own, ducc_error **err)
{
	struct directory *directory = directory_of(transaction);
	AUTO_EXTRACT_REPORT report = {.open = true};
	int at = staging(directory, err);
	AUTO_FREE char *name = at < 0 ? NULL : make_tree(directory, at, err);
	AUTO_FREE char *inside = name ? format("%s%s", name, root + strlen(to)) : NULL;

	if (!name || make_directory(at, inside, err) < 0 ||
	    fill(directory, at, inside, tree, own, &report, err) < 0)
		return -1;
	warn_of(directory, to, &report);
	add_modes(directory, root, &report);
	add_step(directory, PLAN_RENAME, FIRST, name, to);
	directory->tree = directory->plan.n;
	return 0;
}

/* Writes a listing with mode 0644, regardless of the umask. */
static int write_listing(int directory, const char *path, const struct listing_head *head,
			 struct tree *tree, ducc_error **err)
{
	AUTO_CLOSE int fd = path_open(directory, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	tree_count_links(tree);
	if (fd < 0 || fchmod(fd, 0644) < 0 || listing_write(fd, head, tree) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

static int complete_layer(struct transaction *transaction, const struct listing_head *head,
			  struct tree *tree, const struct tree *published, ducc_error **err)
{
	struct directory *directory = directory_of(transaction);
	AUTO_FREE char *name = new_name(directory);
	int at = staging(directory, err);

	(void)published; /* adding existing entries again is harmless */
	if (at < 0 || write_listing(at, name, head, tree, err) < 0)
		return -1;
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
		return symlinkat(file->target, at, name) < 0 ? error_errno(err, errno, "%s", name)
							     : 0;
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

static int add_entry(struct transaction *transaction, const char *path, const struct file *file,
		     const struct content *content, ducc_error **err)
{
	struct directory *directory = directory_of(transaction);
	AUTO_FREE char *inside = place_in_tree(directory, path), *name = NULL;
	bool is_link = S_ISLNK(file->mode);
	int at = staging(directory, err);

	if (at < 0)
		return -1;
	if (inside) {
		AUTO_FREE char *parent = xstrndup(inside, (size_t)(strrchr(inside, '/') - inside));

		if (make_directory(at, parent, err) < 0)
			return -1;
		return make_entry(directory, at, inside, file, content, err);
	}
	name = new_name(directory);
	if (make_entry(directory, at, name, file, content, err) < 0)
		return error_wrap(err, "%s", path);
	/* Podman's links are not names: they must exist before its list of images does. */
	add_step(directory, PLAN_RENAME,
		 is_link && strncmp(path, REPO_PODMAN "/", strlen(REPO_PODMAN "/")) != 0 ? NAMES
											 : FIRST,
		 name, path);
	return 0;
}

static int remove_path(struct transaction *transaction, const char *path, ducc_error **err)
{
	struct directory *directory = directory_of(transaction);
	AUTO_FREE char *name = new_name(directory);

	if (staging(directory, err) < 0)
		return -1;
	add_step(directory, PLAN_REMOVE, LAST, name, path);
	return 0;
}

/* --- a transaction ---------------------------------------------------- */

static void save(struct transaction *transaction)
{
	struct directory *directory = directory_of(transaction);

	directory->saved = directory->plan.n;
}

static void restore(struct transaction *transaction, bool nothing)
{
	struct directory *directory = directory_of(transaction);

	if (nothing)
		directory->saved = 0;
	directory->tree = 0;
	while (directory->plan.n > directory->saved) {
		const struct plan_step *step = &directory->plan.steps[directory->plan.n - 1];

		/* Frees space; whatever remains is removed at the end. */
		if (step->verb != PLAN_CHMOD)
			path_remove(directory->staging, step->name);
		plan_drop(&directory->plan);
	}
}

/* Carries out the plan of a process that was killed, or takes it back. */
static int finish_plan(struct directory *directory, ducc_error **err)
{
	ducc_error *cause = NULL;
	int result = run_plan(directory->root, &cause, err);

	if (!result && cause)
		context_notice(directory->base.context, DUCC_WARNING,
			       "%s: an interrupted transaction cannot be completed and was taken "
			       "back: %s",
			       directory->base.repository->name, ducc_error_message(cause));
	ducc_error_free(cause);
	return result;
}

static int lock(struct directory *directory, ducc_error **err)
{
	directory->root = repository_root(directory->base.repository);
	if (directory->root < 0)
		return error_errno(err, errno, "open");
	if (lock_wait(directory->base.context, directory->root, directory->base.repository->name,
		      err) < 0)
		return -1;
	if (!path_is_absent(directory->root, PLAN))
		return finish_plan(directory, err);
	return clear(directory->root, err);
}

/* The lock is held since begin(). */
static int open_transaction(struct transaction *transaction, ducc_error **err)
{
	(void)transaction;
	(void)err;
	return 0;
}

/* The plan as text, with its steps in the order of execution. */
static char *print_plan(const struct directory *directory, ducc_error **err)
{
	AUTO_PLAN ordered = {NULL};

	for (int order = FIRST; order < N_ORDERS; order++) {
		for (size_t i = 0; i < directory->plan.n; i++) {
			const struct plan_step *step = &directory->plan.steps[i];

			if ((int)directory->orders[i] == order)
				plan_add(&ordered, step->verb, step->name, step->path);
		}
	}
	return plan_print(&ordered, err);
}

static int commit(struct transaction *transaction, ducc_error **err)
{
	struct directory *directory = directory_of(transaction);
	AUTO_FREE char *text = print_plan(directory, err);
	ducc_error *cause = NULL;
	int root = directory->root;

	if (!text)
		return -1;
	/* Staged files must reach the disk before the plan that renames them. */
	if (syncfs(root) < 0 || write_plan(root, PLAN, text) < 0 || syncfs(root) < 0)
		return error_errno(err, errno, PLAN);
	if (run_plan(root, &cause, err) < 0) {
		error_give(err, cause);
		return error_wrap(err, "the next transaction will try again");
	}
	return cause ? error_give(err, cause) : 0;
}

static void end(struct transaction *transaction)
{
	struct directory *directory = directory_of(transaction);

	if (directory->root >= 0 && path_is_absent(directory->root, PLAN))
		clear(directory->root, NULL);
	plan_free(&directory->opened);
	plan_free(&directory->plan);
	free(directory->orders);
	cleanup_close(&directory->staging);
	cleanup_close(&directory->root);
	free(directory);
}

static struct transaction *begin(struct context *context, const struct store *store,
				 struct repository *repository, ducc_error **err)
{
	struct directory *directory;

	if (path_mkdirs_named(repository->name, err) < 0)
		return NULL;
	if (!repository->path)
		repository->path = xstrdup(repository->name);
	directory = xcalloc(1, sizeof(*directory));
	directory->base = (struct transaction){.target = &directory_target,
					       .context = context,
					       .store = store,
					       .repository = repository};
	directory->staging = directory->root = -1;
	if (lock(directory, err) == 0)
		return &directory->base;
	/* Keeps an unfinished plan for the next transaction. */
	cleanup_close(&directory->root);
	free(directory);
	return NULL;
}

/* --- the repository ----------------------------------------------------- */

static bool is_name(const char *name)
{
	return strchr(name, '/') != NULL;
}

static int find(struct repository *repository, const char *store, ducc_error **err)
{
	AUTO_CLOSE int root = open(repository->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)store;
	if (root < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "open");
	repository->path = xstrdup(repository->name);
	return 1;
}

static char *url(const struct repository *repository, ducc_error **err)
{
	AUTO_FREE char *path = realpath(repository->path, NULL);

	if (path)
		return format("file://%s", path);
	error_errno(err, errno, "%s", repository->path);
	return NULL;
}

/* Not fixed: it may be moved, and other hosts may mount it elsewhere. */
static char *root(const struct repository *repository)
{
	(void)repository;
	return NULL;
}

const struct target directory_target = {
	.is_name = is_name,
	.find = find,
	.url = url,
	.root = root,
	.created = true,
	.begin = begin,
	.tree = add_tree,
	.complete = complete_layer,
	.entry = add_entry,
	.remove = remove_path,
	.save = save,
	.restore = restore,
	.open = open_transaction,
	.commit = commit,
	.end = end,
};
