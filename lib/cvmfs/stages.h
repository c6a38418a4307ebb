/*
 * Publishing what is staged (staging.h), in one or two transactions, and the journal of it.
 */
#ifndef DUCC_STAGES_H
#define DUCC_STAGES_H

#include "cvmfs/staging.h"

/*
 * Publishes what is pending and, if `catalogs` is set, those of all layers and of all flat trees with
 * it or, if nothing is pending, alone.  Returns 0; 1: others have changed the repository since
 * *revision, and nothing is published; -1.  *revision becomes that of our last transaction;
 * *changed: others have changed the repository between ours.
 */
int stages_publish(struct staging *staging, bool catalogs, char **revision, bool *changed,
		   ducc_error **err);

/* After others have changed the repository: fails if something of what we published is gone. */
int stages_check(const struct staging *staging, ducc_error **err);

/* After the ingest: the trees that the transaction has added are complete, and not noted any more. */
int stages_done(const struct staging *staging, ducc_error **err);

/*
 * Removes the staged trees in the journal that are incomplete, which this publisher or an
 * earlier one has left.  The caller holds the lock of the spool directory, and has no
 * transaction open.
 */
int stages_clear_up(struct context *context, const struct repository *repository, ducc_error **err);

#endif
