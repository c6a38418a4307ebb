/*
 * The journal of a CernVM-FS publisher: a note about our transaction in the spool directory,
 * ducc.transaction, so that the next publisher can abort it if this one is killed.
 *
 * That none was open before our command began does not make an open transaction ours: somebody else
 * may have been faster, and our command about to report that.  There has to be proof: `cvmfs_server
 * transaction' has succeeded, or an ingest has got past its beginning, and either opens the lock
 * of publishing or reads its input.
 */
#ifndef DUCC_JOURNAL_H
#define DUCC_JOURNAL_H

#include "cvmfs/group.h"
#include "repo/repository.h"

struct journal {
	struct group group; /* of the running processes; {0}: none can be running */
	bool edit;          /* files are changed in place: the changes are ours too */
	char *transaction;  /* identifies it, certainly ours; NULL: none, as far as is known */
};

/*
 * Reads the note of this boot, or of an earlier one, whose processes are gone.  A damaged note
 * is read as empty: no transaction is known to be ours.  Returns 1, 0 if there is none, or -1.
 */
int journal_read(const struct repository *repository, struct journal *journal, ducc_error **err);
int journal_write(const struct repository *repository, const struct journal *journal,
		  ducc_error **err);
void journal_remove(const struct repository *repository);

/*
 * 1 if a transaction is open, with an identifier of it in *id, which the caller frees; 0 if
 * none is; -1 if that is unknown.
 */
int journal_open_transaction(const struct repository *repository, char **id, ducc_error **err);

/*
 * Notes the open transaction, if there is one, and if it is ours: as the caller knows, or because
 * there is proof.  An ingest must still be running for that.  Fails if it is unknown whether one is
 * open, or if the note cannot be written; the transaction may be in *journal then.
 */
int journal_note_transaction(const struct repository *repository, struct journal *journal,
			     bool is_ours, ducc_error **err);

/* 1 if a transaction is open and certainly that of the note, 0 if not; -1 if that is unknown. */
int journal_is_ours(const struct repository *repository, const struct journal *journal,
		    ducc_error **err);

/*
 * The path of a marker file in the spool directory: the noted edit has opened its transaction before
 * it was written.  Removed with the note.  The caller frees the path.
 */
char *journal_opened(const struct repository *repository);

/* The path of the lock that cvmfs_server takes to publish; the caller frees it. */
char *journal_publishing_lock(const struct repository *repository);

#endif
