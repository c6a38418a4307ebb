/* Carrying out plans: see directory_run.h. */
#include "repo/directory_run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "content/listing.h"
#include "format/repo_paths.h"
#include "repo/directory_complete.h"

#define REPLACED DIRECTORY_TRANSACTION "/old"

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

/* Sets the mode of a directory, and of nothing to which somebody may have linked it meanwhile. */
static int set_mode(int parent, const char *name, mode_t mode)
{
	AUTO_CLOSE int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -1 : fchmod(fd, mode);
}

/* Moves an entry; a directory must be writable meanwhile, for others than root. */
static int move(int from, const char *name, int to, const char *new_name)
{
	struct stat st;
	int code;

	if (!renameat(from, name, to, new_name))
		return 0;
	code = errno;
	if (code == EACCES && !fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) &&
	    (st.st_mode & S_IRWXU) != S_IRWXU && !path_permit(from, name)) {
		if (!renameat(from, name, to, new_name))
			return path_chmod(to, new_name, st.st_mode & 07777);
		code = errno;
		if (path_chmod(from, name, st.st_mode & 07777) < 0)
			code = errno;
	}
	errno = code; /* of the rename: that it is somebody else's says less */
	return -1;
}

/* Copies a regular file to a path that appears only when the copy is complete and on disk. */
static int copy_file(int parent, const char *name, int repository, const char *to)
{
	AUTO_FREE char *draft = format("%s.new", to);
	AUTO_CLOSE int in = path_open_file(parent, name);
	AUTO_CLOSE int out =
		in < 0 ? -1 : path_open(repository, draft, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct stat st;

	if (out < 0 || fstat(in, &st) < 0 || file_copy(in, out, TO_THE_END) < 0 ||
	    fchmod(out, st.st_mode & 0777) < 0 || fsync(out) < 0)
		return -1;
	return renameat(repository, draft, repository, to);
}

/*
 * Gives an entry that is about to be replaced a second path, by a copy if somebody else owns it and
 * no hard link is permitted.  Returns 1 for a directory, which must be moved.
 */
static int keep(int parent, const char *name, int repository, const char *to)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t len;

	if (!linkat(parent, name, repository, to, 0) || errno == EEXIST)
		return 0;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (S_ISDIR(st.st_mode))
		return 1;
	if (!S_ISLNK(st.st_mode))
		return copy_file(parent, name, repository, to);
	len = readlinkat(parent, name, target, sizeof(target) - 1);
	if (len < 0)
		return -1;
	target[len] = '\0';
	return symlinkat(target, repository, to);
}

/* The same for two directories that change places. */
static int swap(int a_parent, const char *a, int b_parent, const char *b)
{
	struct stat a_st, b_st;
	int code;

	if (!renameat2(a_parent, a, b_parent, b, RENAME_EXCHANGE))
		return 0;
	if (errno != EACCES || fstatat(a_parent, a, &a_st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(b_parent, b, &b_st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!path_permit(a_parent, a) && !path_permit(b_parent, b) &&
	    !renameat2(a_parent, a, b_parent, b, RENAME_EXCHANGE))
		return path_chmod(b_parent, b, a_st.st_mode & 07777) < 0
			       ? -1
			       : path_chmod(a_parent, a, b_st.st_mode & 07777);
	code = errno;
	path_chmod(a_parent, a, a_st.st_mode & 07777);
	path_chmod(b_parent, b, b_st.st_mode & 07777);
	errno = code;
	return -1;
}

/* True if the directory is the staged one, whose name ends in its inode number (make_tree()). */
static bool is_tree(const char *staged, int parent, const char *name)
{
	size_t len = strlen(staged);
	struct stat st;

	return len > DIRECTORY_INODE_DIGITS && !fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) &&
	       strtoull(staged + len - DIRECTORY_INODE_DIGITS, NULL, 10) == st.st_ino;
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
	AUTO_FREE char *from = format(DIRECTORY_STAGING "/%s", from_name);
	AUTO_FREE char *aside = format(REPLACED "/%s", from_name);
	const char *name;
	AUTO_CLOSE int parent = make_parent(repository, to, &name);

	if (parent < 0)
		return -1;
	if (path_is_absent(repository, from))
		return 0; /* done before */
	/* What is replaced can be put back. */
	if (!path_is_absent(parent, name) &&
	    (path_mkdirs(repository, REPLACED) < 0 || keep(parent, name, repository, aside) < 0))
		return -1;
	if (!move(repository, from, parent, name))
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -1;
	return exchange(repository, from, parent, name);
}

static int run_complete(int repository, const char *name, const char *hex, ducc_error **err)
{
	AUTO_FREE char *from = format(DIRECTORY_STAGING "/%s", name);
	AUTO_FREE char *layerfs = NULL, *to = NULL;
	AUTO_CLOSE int listing = path_open(repository, from, O_RDONLY, 0);
	AUTO_CLOSE int directory = -1;
	AUTO_TREE *tree = NULL;
	struct listing_head head;
	struct digest layer;

	if (listing < 0 && errno == ENOENT)
		return 0; /* done before */
	if (!digest_is_hex(hex))
		return error_set(err, DIRECTORY_PLAN ": invalid layer digest: %s", hex);
	memcpy(layer.hex, hex, sizeof(layer.hex));
	layerfs = layer_path(&layer, "");
	to = layer_listing(&layer);
	directory = path_open(repository, layerfs, O_RDONLY | O_DIRECTORY, 0);
	if (listing < 0 || directory < 0)
		return error_errno(err, errno, "%s", layerfs);
	tree = listing_read(listing, &head, err);
	if (!tree)
		return error_wrap(err, "%s", from);
	if (directory_complete(directory, tree) < 0 ||
	    renameat(repository, from, repository, to) < 0)
		return error_errno(err, errno, "%s", layerfs);
	return 0;
}

static int move_aside(int repository, const char *path, const char *aside)
{
	const char *name;
	AUTO_CLOSE int parent = path_open_parent(repository, path, &name);

	if (parent < 0 || path_mkdirs(repository, REPLACED) < 0 ||
	    move(parent, name, repository, aside) < 0)
		return errno == ENOENT ? 0 : -1; /* done before */
	return 0;
}

/* Moves the path aside; it is deleted with the directory of the transaction. */
static int run_remove(int repository, const char *from, const char *path)
{
	AUTO_FREE char *aside = format(REPLACED "/%s", from);
	int done = path_find(repository, aside); /* before; and perhaps it is replaced by now */

	if (done < 0 || (!done && move_aside(repository, path, aside) < 0))
		return -1;
	return path_prune(repository, path);
}

static int run_chmod(int repository, const char *mode, const char *path)
{
	const char *name;
	AUTO_CLOSE int parent = path_open_parent(repository, path, &name);

	if (parent >= 0 && !set_mode(parent, name, (mode_t)strtoul(mode, NULL, 8)))
		return 0;
	/* Done before: a directory comes before those above it; or it is gone. */
	return errno == EACCES || is_absence(errno) ? 0 : -1;
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
	int found;

	if (parent < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	found = path_find(repository, staged);
	if (found < 0)
		return -1;
	if (found)
		return is_tree(staged, parent, name) ? swap(repository, staged, parent, name) : 0;
	found = replaced ? keep(parent, name, repository, staged) : 1;
	if (found > 0)
		found = move(parent, name, repository, staged);
	return found < 0 && errno != ENOENT ? -1 : 0;
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
	AUTO_FREE char *staged = format(DIRECTORY_STAGING "/%s", step->name);
	AUTO_FREE char *aside = format(REPLACED "/%s", step->name);
	int replaced = path_find(repository, aside);

	if (replaced < 0)
		return -1;
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

int directory_clear(int repository, ducc_error **err)
{
	AUTO_PLAN opened = {NULL};

	if (!path_is_absent(repository, DIRECTORY_OPENED) &&
	    plan_read(&opened, repository, DIRECTORY_OPENED, err) < 0)
		return -1;
	for (size_t i = 0; i < opened.n; i++)
		if (run_step(repository, &opened.steps[i], err) < 0)
			return -1;
	return path_remove(repository, DIRECTORY_TRANSACTION) < 0
		       ? error_errno(err, errno, DIRECTORY_TRANSACTION)
		       : 0;
}

static int end_plan(int repository, ducc_error **err)
{
	if (syncfs(repository) < 0)
		return error_errno(err, errno, "sync");
	/* The plan first: without the staged files it must not run again. */
	if (path_remove(repository, DIRECTORY_PLAN) < 0)
		return error_errno(err, errno, DIRECTORY_PLAN);
	return directory_clear(repository, err);
}

bool directory_has_plan(int repository)
{
	return !path_is_absent(repository, DIRECTORY_PLAN);
}

int directory_run(int repository, ducc_error **cause, ducc_error **err)
{
	AUTO_PLAN plan = {NULL};
	size_t i;

	if (plan_read(&plan, repository, DIRECTORY_PLAN, err) < 0)
		return -1;
	for (i = 0; i < plan.n; i++)
		if (run_step(repository, &plan.steps[i], cause) < 0)
			break;
	/* A step that failed may have been done in part. */
	if (i < plan.n && undo_plan(repository, &plan, i + 1, err) < 0)
		return -1;
	return end_plan(repository, err);
}
