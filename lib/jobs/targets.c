/* The kinds of repositories: see targets.h. */
#include "jobs/targets.h"

#include "base/mem.h"
#include "cvmfs/cvmfs.h"
#include "repo/directory.h"

/* The first one whose is_name() is true; a directory is any name with a slash. */
static const struct target *const targets[] = {
	&directory_target,
	&cvmfs_target,
};

int targets_open(struct repository *repository, const char *name, const char *store,
		 ducc_error **err)
{
	*repository = (struct repository){.name = xstrdup(name)};
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		int found;

		if (!targets[i]->is_name(name))
			continue;
		repository->target = targets[i];
		found = targets[i]->find(repository, store, err);
		return found < 0 ? error_wrap(err, "repository %s", name) : found;
	}
	return error_set_kind(
		err, DUCC_USAGE,
		"repository %s: neither a directory (its name must contain a slash) nor "
		"the name of a CernVM-FS repository",
		name);
}
