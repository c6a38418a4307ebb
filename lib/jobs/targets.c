/* The kinds of repositories: see targets.h. */
#include "jobs/targets.h"

#include <errno.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/place.h"
#include "cvmfs/cvmfs.h"
#include "format/repo_paths.h"
#include "repo/directory.h"

/* The first one whose is_name() is true; a directory is any name with a slash. */
static const struct target *const targets[] = {
	&directory_target,
	&cvmfs_target,
};

#define MOUNTS "/cvmfs/"

/* The name of the CernVM-FS repository whose mount point the path is, or lies in; or NULL. */
static char *mounted_name(const char *path)
{
	size_t slashes = strspn(path, "/");

	if (!slashes || strncmp(path + slashes - 1, MOUNTS, strlen(MOUNTS)) != 0)
		return NULL;
	path += slashes - 1 + strlen(MOUNTS);
	path += strspn(path, "/");
	return *path ? xstrndup(path, strcspn(path, "/")) : NULL;
}

/*
 * True for NAME/PATH, with NAME like that of a CernVM-FS repository: for the original ducc that is a
 * subdirectory of it, and hardly a directory of that name is meant.
 */
static bool is_subdirectory(const char *name)
{
	size_t first = strcspn(name, "/");

	return *name != '.' && name[first] && memchr(name, '.', first);
}

static int check_name(const char *name, ducc_error **err)
{
	AUTO_FREE char *mounted = mounted_name(name);

	if (mounted)
		return error_set_kind(err, DUCC_USAGE,
				      "repository %s: CernVM-FS is written by name, not by path: "
				      "write %s",
				      name, mounted);
	if (is_subdirectory(name))
		return error_set_kind(err, DUCC_USAGE,
				      "repository %s: subdirectories of CernVM-FS repositories are "
				      "not supported (for a directory, write ./%s)",
				      name, name);
	return 0;
}

int targets_open(struct repository *repository, const char *name, const char *store,
		 ducc_error **err)
{
	*repository = (struct repository){.name = xstrdup(name)};
	if (check_name(name, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		int found;

		if (!targets[i]->is_name(name))
			continue;
		repository->target = targets[i];
		found = targets[i]->find(repository, store, err);
		if (found < 0 && targets[i]->created)
			place_advise_denied(err, name, false);
		return found < 0 ? error_wrap(err, "repository %s", name) : found;
	}
	return error_set_kind(
		err, DUCC_USAGE,
		"repository %s: neither a directory (its name must contain a slash: ./%s) nor "
		"the name of a CernVM-FS repository",
		name, name);
}

void targets_advise(const struct repository *repository, const ducc_session *session,
		    ducc_error **err)
{
	if (repository->target && repository->target->created) {
		place_advise_denied(err, repository->name, true);
		place_advise(err, "repository", repository->name,
			     "free space there, or remove an image with ducc-gc --remove");
	}
	session_advise(session, err);
}

int targets_need_published(const struct repository *repository, ducc_error **err)
{
	static const char *const parts[] = {REPO_METADATA, REPO_LAYERS, REPO_FLAT};
	AUTO_CLOSE int root = -1;

	if (!repository->path && repository->target->created)
		return error_set_kind(err, DUCC_NOT_FOUND, "repository %s does not exist",
				      repository->name);
	root = repository_root(repository);
	if (root < 0)
		return error_errno(err, errno, "repository %s", repository->name);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (!path_is_absent(root, parts[i]))
			return 0;
	return error_set_kind(err, DUCC_NOT_FOUND, "repository %s: nothing is published in it%s",
			      repository->name,
			      repository->target->created ? ": is its file system mounted?" : "");
}

int targets_unmounted(const char *name, ducc_error **err)
{
	return error_set_kind(err, DUCC_NOT_FOUND,
			      "repository %s is not mounted here (the name of a directory contains "
			      "a slash: ./%s)",
			      name, name);
}
