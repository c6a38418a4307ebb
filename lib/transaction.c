/* A transaction on a directory repository: see transaction.h. */
#include "transaction.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "buffer.h"
#include "extract.h"
#include "mem.h"
#include "path.h"

#define DIRECTORY ".transaction"
#define STAGING DIRECTORY "/new"
#define REPLACED DIRECTORY "/old"
#define PLAN DIRECTORY "/plan"
#define PLAN_DRAFT DIRECTORY "/plan.draft"
#define PLAN_LIMIT ((size_t)1 << 30)

struct step {
	char *text; /* "rename FROM TO" or "complete FROM HEX"; no name in it has a blank */
	bool last;
};

struct transaction {
	int repository; /* a descriptor of our own: it carries the lock */
	int staging;    /* -1: not made yet */
	char *path;     /* of the repository, for messages */
	struct step *steps;
	size_t n, capacity;
};

/* --- carrying out a plan; every step may have been done before -------- */

/* Opens the directory that is to hold `path`, made if it is not there. */
static int make_parent(int repository, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *parent = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup("");

	if (slash && path_mkdirs(repository, parent) < 0)
		return -1;
	return path_open_parent(repository, path, name);
}

static int run_rename(int repository, const char *from_name, const char *to)
{
	AUTO_FREE char *from = format(STAGING "/%s", from_name);
	AUTO_FREE char *aside = format(REPLACED "/%s", from_name);
	const char *name;
	AUTO_CLOSE int parent = make_parent(repository, to, &name);

	if (parent < 0)
		return -1;
	if (!renameat(repository, from, parent, name))
		return 0;
	if (errno == ENOENT)
		return 0; /* done before */
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -1;
	/* A layer that is there, but is not what we know as published. */
	if (path_mkdirs(repository, REPLACED) < 0 || path_remove(repository, aside) < 0 ||
	    renameat(parent, name, repository, aside) < 0)
		return -1;
	return renameat(repository, from, parent, name);
}

/* Makes the whiteouts and implied directories of the listing that are not there. */
static int add_to_layer(int layerfs, struct tree *tree)
{
	struct node *root = tree_root(tree);
	struct extract_report report = {0};
	AUTO_BUFFER path = {0};

	for (struct node *node = tree_next(root, root); node; node = tree_next(root, node)) {
		bool whiteout = node_is_whiteout(node) && !(node->flags & NODE_VOID);
		const char *name;

		if (!whiteout && !(node->flags & NODE_IMPLIED && node_is_dir(node)))
			continue;
		node_path(node, &path);
		AUTO_CLOSE int parent = path_open_parent(layerfs, path.data, &name);
		if (parent < 0 ||
		    (whiteout ? make_whiteout(parent, name) : mkdirat(parent, name, 0700)) < 0) {
			if (parent < 0 || errno != EEXIST)
				return -1;
			continue;
		}
		node->used = node->parent->used = true;
	}
	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!node->used || !node_is_dir(node))
			continue;
		node_path(node, &path);
		AUTO_CLOSE int fd = path_open(layerfs, path.data, O_RDONLY | O_DIRECTORY, 0);
		if (fd < 0 || set_metadata(fd, node->file, &report) < 0)
			return -1;
	}
	return 0;
}

static int run_complete(int repository, const char *name, const char *hex, ducc_error **err)
{
	AUTO_FREE char *from = format(STAGING "/%s", name);
	AUTO_FREE char *layerfs = format(".layers/%.2s/%s/layerfs", hex, hex);
	AUTO_FREE char *to = format(".layers/%.2s/%s/.metadata/layer.mtree", hex, hex);
	AUTO_CLOSE int listing = path_open(repository, from, O_RDONLY, 0);
	AUTO_CLOSE int directory = path_open(repository, layerfs, O_RDONLY | O_DIRECTORY, 0);
	AUTO_TREE *tree = NULL;

	if (listing < 0 && errno == ENOENT)
		return 0; /* done before */
	if (listing < 0 || directory < 0)
		return error_errno(err, errno, "%s", layerfs);
	tree = listing_read(listing, NULL, err);
	if (!tree)
		return error_wrap(err, "%s", from);
	if (add_to_layer(directory, tree) < 0 || renameat(repository, from, repository, to) < 0)
		return error_errno(err, errno, "%s", layerfs);
	return 0;
}

static int run_step(int repository, char *step, ducc_error **err)
{
	char *rest = NULL;
	const char *verb = strtok_r(step, " ", &rest);
	const char *name = strtok_r(NULL, " ", &rest), *to = strtok_r(NULL, " ", &rest);

	if (!verb || !name || !to)
		return error_set(err, PLAN " is damaged");
	if (!strcmp(verb, "complete"))
		return run_complete(repository, name, to, err);
	if (run_rename(repository, name, to) < 0)
		return error_errno(err, errno, "%s", to);
	return 0;
}

/* Carries out the plan on disk, which ends the transaction. */
static int run_plan(int repository, ducc_error **err)
{
	AUTO_FREE char *plan = NULL;
	char *rest = NULL;
	size_t len;

	if (path_read(repository, PLAN, PLAN_LIMIT, &plan, &len, err) < 0)
		return -1;
	for (char *step = strtok_r(plan, "\n", &rest); step; step = strtok_r(NULL, "\n", &rest))
		if (run_step(repository, step, err) < 0)
			return -1;
	if (syncfs(repository) < 0)
		return error_errno(err, errno, "sync");
	/* First the plan, or it would be run again without what it speaks of. */
	if (path_remove(repository, PLAN) < 0 || path_remove(repository, DIRECTORY) < 0)
		return error_errno(err, errno, DIRECTORY);
	return 0;
}

/* --- a transaction ---------------------------------------------------- */

static int lock(struct transaction *transaction, const struct repository *repository,
		ducc_error **err)
{
	transaction->repository = openat(repository->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (transaction->repository < 0)
		return error_errno(err, errno, "open");
	while (flock(transaction->repository, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "lock");
	if (path_exists(transaction->repository, PLAN))
		return run_plan(transaction->repository, err);
	if (path_remove(transaction->repository, DIRECTORY) < 0)
		return error_errno(err, errno, DIRECTORY);
	return 0;
}

struct transaction *transaction_begin(const struct repository *repository, ducc_error **err)
{
	struct transaction *transaction = xcalloc(1, sizeof(*transaction));

	transaction->staging = -1;
	transaction->path = xstrdup(repository->path);
	if (lock(transaction, repository, err) < 0) {
		error_wrap(err, "repository %s", repository->path);
		cleanup_close(&transaction->repository);
		free(transaction->path);
		free(transaction);
		return NULL;
	}
	return transaction;
}

int transaction_directory(struct transaction *transaction, ducc_error **err)
{
	if (transaction->staging >= 0)
		return transaction->staging;
	if (path_mkdirs(transaction->repository, STAGING) == 0)
		transaction->staging =
			path_open(transaction->repository, STAGING, O_RDONLY | O_DIRECTORY, 0);
	if (transaction->staging < 0)
		return error_errno(err, errno, "%s/" STAGING, transaction->path);
	return transaction->staging;
}

static void add_step(struct transaction *transaction, char *text, bool last)
{
	GROW(transaction->steps, transaction->n, transaction->capacity);
	transaction->steps[transaction->n++] = (struct step){text, last};
}

/* What stands in the way of a rename must be seen before the plan is made, not after. */
static int check_target(int repository, const char *to, mode_t type, ducc_error **err)
{
	AUTO_FREE char *path = xstrdup(to);

	for (char *p = path;; p++) {
		bool last = !*p;
		char at = *p;
		const char *name;
		struct stat st;

		if (!last && at != '/')
			continue;
		*p = '\0';
		AUTO_CLOSE int parent = path_open_parent(repository, path, &name);
		if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : error_errno(err, errno, "%s", path);
		if ((st.st_mode & S_IFMT) != (last ? type : S_IFDIR))
			return error_set(err, "%s: there is something else of that name", path);
		if (last)
			return 0;
		*p = at;
	}
}

int transaction_rename(struct transaction *transaction, const char *name, const char *to,
		       ducc_error **err)
{
	struct stat st;

	if (fstatat(transaction->staging, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "%s", name);
	if (check_target(transaction->repository, to, st.st_mode & S_IFMT, err) < 0)
		return -1;
	add_step(transaction, format("rename %s %s\n", name, to), S_ISLNK(st.st_mode));
	return 0;
}

void transaction_complete_layer(struct transaction *transaction, const char *name,
				const struct digest *layer)
{
	add_step(transaction, format("complete %s %s\n", name, layer->hex), false);
}

size_t transaction_mark(const struct transaction *transaction)
{
	return transaction->n;
}

void transaction_reset(struct transaction *transaction, size_t mark)
{
	while (transaction->n > mark)
		free(transaction->steps[--transaction->n].text);
}

static int write_plan(struct transaction *transaction)
{
	AUTO_CLOSE int fd =
		path_open(transaction->repository, PLAN_DRAFT, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		return -1;
	for (int last = 0; last <= 1; last++) {
		for (size_t i = 0; i < transaction->n; i++) {
			const struct step *step = &transaction->steps[i];

			if (step->last == last && write_all(fd, step->text, strlen(step->text)) < 0)
				return -1;
		}
	}
	return 0;
}

int transaction_commit(struct transaction *transaction, ducc_error **err)
{
	int repository = transaction->repository;

	if (!transaction->n)
		return 0;
	/* All that was staged reaches the disk before the plan that speaks of it. */
	if (write_plan(transaction) < 0 || syncfs(repository) < 0 ||
	    renameat(repository, PLAN_DRAFT, repository, PLAN) < 0 || syncfs(repository) < 0) {
		error_errno(err, errno, PLAN);
		return error_wrap(err, "repository %s", transaction->path);
	}
	if (run_plan(repository, err) < 0)
		return error_wrap(err, "repository %s (the next publish will go on)",
				  transaction->path);
	return 0;
}

void transaction_end(struct transaction *transaction)
{
	if (!transaction)
		return;
	if (!path_exists(transaction->repository, PLAN))
		path_remove(transaction->repository, DIRECTORY);
	transaction_reset(transaction, 0);
	cleanup_close(&transaction->staging);
	cleanup_close(&transaction->repository);
	free(transaction->steps);
	free(transaction->path);
	free(transaction);
}
