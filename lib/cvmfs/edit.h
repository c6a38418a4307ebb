/*
 * A transaction of CernVM-FS in which files are changed by hand: `cvmfs_server
 * transaction', changes under /cvmfs/NAME, `cvmfs_server publish'.  It does what an
 * ingest can't: remove names with a colon in them.  The caller has the lock of the
 * spool directory (runner.h).
 *
 * It copies what is changed, and takes long where much is: whole trees are for
 * ingest_remove().
 */
#ifndef DUCC_EDIT_H
#define DUCC_EDIT_H

#include "base/context.h"
#include "repo/repository.h"

struct edit;

/*
 * Opens a transaction, trying again while somebody else has one.  NULL with *err set:
 * it could not be opened, or not within context->wait.
 */
struct edit *edit_begin(struct context *context, const struct repository *repository,
			ducc_error **err);

/* Puts what is in the tar at `fd` into the repository. */
int edit_put(struct edit *edit, int fd, ducc_error **err);

/* Removes `path` with what is beneath it, if it is there, and directories that are empty then. */
int edit_remove(struct edit *edit, const char *path, ducc_error **err);

/* Publishes what was changed.  After a failure, nothing is. */
int edit_finish(struct edit *edit, ducc_error **err);

/* Undoes what is not finished.  NULL is allowed. */
void edit_free(struct edit *edit);

#endif
