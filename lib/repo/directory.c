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
#include "base/entries.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "format/repo_paths.h"
#include "repo/directory_run.h"
#include "repo/directory_stage.h"

/* --- a transaction ---------------------------------------------------- */

/* Carries out the plan of a process that was killed, or takes it back. */
static int finish_plan(struct directory *directory, ducc_error **err)
{
	ducc_error *cause = NULL;
	int result = directory_run(directory->root, &cause, err);

	if (!result && cause)
		context_notice(directory->base.context, DUCC_WARNING,
			       "%s: an interrupted transaction cannot be completed and was taken "
			       "back: %s",
			       directory->base.repository->name, ducc_error_message(cause));
	ducc_error_free(cause);
	return result;
}

/*
 * Opens and locks the repository with one of lock.h's functions.  Fails if its name, under which it is
 * read, means another directory by now: what was found out about that one is not known to hold.
 */
static int open_locked(const struct repository *repository, struct context *context,
		       int (*wait)(struct context *, int, const char *, ducc_error **),
		       ducc_error **err)
{
	AUTO_CLOSE int root = repository_root(repository);
	struct stat locked, named;

	if (root < 0)
		return error_errno(err, errno, "open");
	if (wait(context, root, repository->name, err) < 0)
		return -1;
	if (fstat(root, &locked) < 0 || stat(repository->path, &named) < 0)
		return error_errno(err, errno, "open");
	if (!file_is_same(&locked, &named))
		return error_set_kind(err, DUCC_BUSY, "it was replaced meanwhile; try again");
	return steal_fd(&root);
}

static int lock(struct directory *directory, ducc_error **err)
{
	directory->root =
		open_locked(directory->base.repository, directory->base.context, lock_wait, err);
	if (directory->root < 0)
		return -1;
	if (directory_has_plan(directory->root))
		return finish_plan(directory, err);
	return directory_clear(directory->root, err);
}

/* The lock is held since begin(). */
static int open_transaction(struct transaction *transaction, ducc_error **err)
{
	(void)transaction;
	(void)err;
	return 0;
}

static int discard(struct transaction *transaction, const struct strset *paths, ducc_error **err)
{
	struct directory *directory = directory_of(transaction);

	for (size_t i = 0; i < paths->n; i++)
		if (path_remove(directory->root, paths->list[i]) < 0 ||
		    path_prune(directory->root, paths->list[i]) < 0)
			return error_errno(err, errno, "%s", paths->list[i]);
	return syncfs(directory->root) < 0 ? error_errno(err, errno, "sync") : 0;
}

static int commit(struct transaction *transaction, ducc_error **err)
{
	struct directory *directory = directory_of(transaction);
	ducc_error *cause = NULL;

	/* Staged files must reach the disk before the plan that renames them. */
	if (directory_sync(directory, err) < 0)
		return -1;
	if (directory_write_plan(directory, err) < 0)
		return -1;
	if (syncfs(directory->root) < 0)
		return error_errno(err, errno, DIRECTORY_PLAN);
	if (directory_run(directory->root, &cause, err) < 0) {
		error_give(err, cause);
		return error_wrap(err, "the next transaction will try again");
	}
	if (cause)
		return error_give(err, cause);
	directory_tell_left_out(directory, DUCC_WARNING, directory->base.repository->name,
				&directory->left_out);
	return 0;
}

static void end(struct transaction *transaction)
{
	struct directory *directory = directory_of(transaction);

	directory_end_sync(directory);
	if (directory->root >= 0 && !directory_has_plan(directory->root))
		directory_clear(directory->root, NULL);
	strset_free(&directory->cleared);
	strset_free(&directory->partial);
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

	if (path_mkdirs_named(repository->name, 0755, err) < 0)
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

/* Among the files of something else, the public names of images would be lost. */
static char *find_foreign(int root)
{
	static const char *const ours[] = {REPO_LAYERS, REPO_FLAT, REPO_METADATA,
					   DIRECTORY_TRANSACTION};

	return directory_find_foreign(root, ours, ARRAY_LEN(ours));
}

static int find(struct repository *repository, const char *store, ducc_error **err)
{
	AUTO_CLOSE int root = open(repository->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FREE char *foreign = NULL;

	(void)store;
	if (root < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "open");
	foreign = find_foreign(root);
	if (foreign)
		return error_set_kind(err, DUCC_NOT_FOUND,
				      "not a repository: contains other files, such as %s",
				      foreign);
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

static int hold(const struct repository *repository, struct context *context, ducc_error **err)
{
	AUTO_CLOSE int root = open_locked(repository, context, lock_wait_shared, err);

	if (root < 0)
		return -1;
	if (directory_has_plan(root))
		context_notice(context, DUCC_WARNING,
			       "%s: a transaction was interrupted, which the next one completes",
			       repository->name);
	return steal_fd(&root);
}

const struct target directory_target = {
	.is_name = is_name,
	.find = find,
	.url = url,
	.root = root,
	.hold = hold,
	.created = true,
	.begin = begin,
	.tree = directory_add_tree,
	.complete = directory_add_completion,
	.entry = directory_add_entry,
	.open_directory = directory_add_mode,
	.remove = directory_add_removal,
	.discard = discard,
	.clear = directory_add_clearing,
	.save = directory_save,
	.restore = directory_restore,
	.open = open_transaction,
	.commit = commit,
	.end = end,
};
