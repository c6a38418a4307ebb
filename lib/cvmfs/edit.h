/*
 * A CernVM-FS transaction that changes files in place: `cvmfs_server transaction', changes
 * under /cvmfs/NAME, `cvmfs_server publish'.  Unlike an ingest, it can remove names that
 * contain a colon.  The caller holds the lock of the spool directory (runner.h).
 *
 * It copies all changes, so large ones are slow: remove whole trees with ingest_remove().
 */
#ifndef DUCC_EDIT_H
#define DUCC_EDIT_H

#include "base/context.h"
#include "repo/repository.h"

struct edit;

/*
 * Opens a transaction, retrying while another one is open.  NULL with *err set: it could
 * not be opened, or not within context->wait.
 */
struct edit *edit_begin(struct context *context, const struct repository *repository,
			ducc_error **err);

/* Opens the root of the repository, to be written; it must be closed before edit_finish(). */
int edit_open_mount(const struct edit *edit, ducc_error **err);

/* Extracts the tar at `fd` into the repository. */
int edit_put(struct edit *edit, int fd, ducc_error **err);

/* Removes `path` recursively, if it exists, and its parent directories that are then empty. */
int edit_remove(struct edit *edit, const char *path, ducc_error **err);

/* Publishes the changes.  After a failure, nothing is published. */
int edit_finish(struct edit *edit, ducc_error **err);

/* Aborts the transaction unless it is finished.  NULL is allowed. */
void edit_free(struct edit *edit);

#endif
