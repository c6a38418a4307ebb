/*
 * The journal of a CernVM-FS publisher: a note about our transaction in the spool directory,
 * ducc.transaction, so that the next publisher can abort it if this one is killed.
 */
#ifndef DUCC_JOURNAL_H
#define DUCC_JOURNAL_H

#include "cvmfs/group.h"
#include "repo/repository.h"

struct journal {
	struct group group; /* of the running processes; {0}: none can be running */
	bool edit;          /* files are changed in place: the changes are ours too */
	char *transaction;  /* identifies it; NULL: none yet, as far as is known */
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
 * none is; -1 with errno set if that is unknown.
 */
int journal_open_transaction(const struct repository *repository, char **id);

/*
 * Notes the open transaction, if there is one, as ours: none was open before our process
 * began, and that process reports if another one has opened a transaction first.
 */
int journal_note_transaction(const struct repository *repository, struct journal *journal,
			     ducc_error **err);

/* 1 if a transaction is open and is that of the note, 0 if not; -1 with errno set if unknown. */
int journal_is_ours(const struct repository *repository, const struct journal *journal);

/*
 * The path of a marker file in the spool directory: if it exists, the open transaction
 * belongs to the noted edit.  Removed with the note.  The caller frees the path.
 */
char *journal_opened(const struct repository *repository);

#endif
