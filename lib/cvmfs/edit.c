/* A CernVM-FS transaction that changes files in place: see edit.h. */
#include "cvmfs/edit.h"

#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "cvmfs/metadata_copy.h"
#include "cvmfs/mount.h"
#include "cvmfs/newest.h"
#include "cvmfs/runner.h"

struct edit {
	struct context *context;
	const struct repository *repository;
	struct journal note;
	char *mount; /* writable during the transaction */
	bool open;
};

int edit_open_mount(const struct edit *edit, ducc_error **err)
{
	int fd = open(edit->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? error_errno(err, errno, "%s", edit->mount) : fd;
}

/*
 * One attempt: 1 if the transaction is open, 0 if the repository is busy.  The shell creates
 * a marker that our command has opened it, in case we are killed before we note that; if it cannot, as
 * on a full disk, the transaction is open nevertheless.
 */
static int try_edit(void *ctx, ducc_error **err)
{
	struct edit *edit = ctx;
	AUTO_FREE char *name = xstrdup(edit->repository->name);
	AUTO_FREE char *opened = journal_opened(edit->repository);
	char script[] = CVMFS_SERVER " transaction \"$1\" && { true >\"$2\"; true; }";
	char *const argv[] = {"sh", "-c", script, CVMFS_SERVER, name, opened, NULL};
	int result = runner_run(edit->context, edit->repository, &edit->note, argv, err);
	int newest = 1;

	if (result > 0)
		newest = journal_note_transaction(edit->repository, &edit->note, true, err) < 0
				 ? -1
				 : newest_is_mounted(edit->context, edit->repository, err);
	if (newest < 1) { /* based on an old revision */
		if (runner_clear_up(edit->context, edit->repository, &edit->note, err) < 0)
			newest = -1;
		free(STEAL(edit->note.transaction));
		return newest;
	}
	if (!result)
		journal_remove(edit->repository);
	else if (result < 0)
		runner_clear_up(edit->context, edit->repository, &edit->note, NULL);
	return result;
}

struct edit *edit_begin(struct context *context, const struct repository *repository,
			ducc_error **err)
{
	struct edit *edit = xcalloc(1, sizeof(*edit));

	edit->context = context;
	edit->repository = repository;
	edit->note.edit = true;
	edit->mount = mount_path(repository);
	edit->open = !runner_patiently(context, repository, try_edit, edit, err);
	if (edit->open && edit->note.transaction)
		return edit;
	if (edit->open)
		error_set(err, CVMFS_SERVER " transaction: no transaction is open");
	edit_free(edit);
	return NULL;
}

int edit_put(struct edit *edit, int fd, ducc_error **err)
{
	AUTO_CLOSE int root = edit_open_mount(edit, err);

	return root < 0 ? -1 : metadata_copy_put(root, fd, err);
}

int edit_remove(struct edit *edit, const char *path, ducc_error **err)
{
	AUTO_CLOSE int root = edit_open_mount(edit, err);

	if (root < 0)
		return -1;
	if (path_remove(root, path) < 0 || path_prune(root, path) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

int edit_finish(struct edit *edit, ducc_error **err)
{
	AUTO_FREE char *name = xstrdup(edit->repository->name);
	char *const argv[] = {CVMFS_SERVER, "publish", name, NULL};

	if (runner_run(edit->context, edit->repository, &edit->note, argv, err) < 0)
		return -1;
	edit->open = false;
	journal_remove(edit->repository);
	return 0;
}

void edit_free(struct edit *edit)
{
	ducc_error *err = NULL;

	if (!edit)
		return;
	if (edit->open && runner_clear_up(edit->context, edit->repository, &edit->note, &err) < 0)
		context_notice(edit->context, DUCC_WARNING, "%s: %s", edit->repository->name,
			       ducc_error_message(err));
	ducc_error_free(err);
	free(edit->note.transaction);
	free(edit->mount);
	free(edit);
}
