/*
 * Dry runs of a pipeline: the record of an image that ducc-fetch would fetch has the field
 * dry-run=yes, by which the next tools know that it need not be in the store, yet.
 */
#ifndef DUCC_DRY_RUN_H
#define DUCC_DRY_RUN_H

#include "jobs/session.h"
#include "repo/repository.h"

/* Marks the record of an image that was not fetched. */
int dry_run_mark(ducc_record *record, ducc_error **err);
/* Removes the mark: the image is really fetched now. */
void dry_run_unmark(ducc_record *record);

/*
 * Refuses a marked record unless this is a dry run, too: whoever has forgotten -n in one tool of a
 * pipeline wants no changes.
 */
int dry_run_check(const ducc_session *session, const ducc_record *record, ducc_error **err);

/*
 * True if a job failed only because it is a dry run of a whole pipeline: then the error is freed, and
 * a notice says what the job `would` do with its subject (context.h).
 */
bool dry_run_excuses(ducc_session *session, const ducc_record *record, const char *would,
		     ducc_error **error);

/*
 * What publishing the image would change, as in the field state of ducc_publish().  `manifest` is
 * its digest; hex "": that in the record.
 */
const char *dry_run_state(const struct repository *repository, const ducc_record *record,
			  const struct digest *manifest);

#endif
