/*
 * Publishing what is staged (staging.h), in one or two transactions, and the journal of it.
 */
#ifndef DUCC_STAGES_H
#define DUCC_STAGES_H

#include "cvmfs/staging.h"

/*
 * Publishes what is pending.  Returns 0; 1: others have changed the repository since
 * *revision, and nothing is published; -1.  *revision becomes that of our last transaction;
 * *changed: others have changed the repository between ours.
 */
int stages_publish(struct staging *staging, char **revision, bool *changed, ducc_error **err);

/* After others have changed the repository: fails if something of what we published is gone. */
int stages_check(const struct staging *staging, ducc_error **err);

/* All of it is complete: forgets the journal. */
void stages_done(const struct staging *staging);

/*
 * Removes whatever staged trees an earlier publisher left behind incomplete, or this one.  The
 * caller holds the lock of the spool directory, and no transaction is open.
 */
int stages_clear_up(struct context *context, const struct repository *repository, ducc_error **err);

/* The hash of the root catalog in the publisher's mount, which the caller frees; NULL: unknown. */
char *stages_revision(const struct repository *repository);

#endif
