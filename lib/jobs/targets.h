/*
 * The kinds of repositories.
 */
#ifndef DUCC_TARGETS_H
#define DUCC_TARGETS_H

#include "jobs/session.h"
#include "repo/repository.h"

/*
 * Opens a repository, of the kind determined by its name; 1 if it can be read, 0 if not, -1
 * on error.  `store` is the path of the store, which may have a copy of the repository's
 * metadata.  Release with repository_close() in any case.
 */
int targets_open(struct repository *repository, const char *name, const char *store,
		 ducc_error **err);

/*
 * For an error of a job that writes to the repository or to the store: if one is full, adds how to
 * free space.  For other places that it writes to, the kind of repository does so itself.
 */
void targets_advise(const struct repository *repository, const ducc_session *session,
		    ducc_error **err);

/*
 * Fails with DUCC_NOT_FOUND if a directory does not exist, or nothing has ever been published in the repository: where its
 * file system is not mounted, nothing would differ, and nothing be wanted.
 */
int targets_need_published(const struct repository *repository, ducc_error **err);

/* The error of a CernVM-FS repository that cannot be read here, and may be meant as a directory. */
int targets_unmounted(const char *name, ducc_error **err);

#endif
