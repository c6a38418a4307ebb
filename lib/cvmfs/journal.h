/*
 * The journal of a publisher of CernVM-FS: a note in the spool directory, ducc.transaction,
 * of the transaction that is ours, so that the next publisher can undo it if this one is
 * killed.
 */
#ifndef DUCC_JOURNAL_H
#define DUCC_JOURNAL_H

#include "repo/repository.h"

struct journal {
	pid_t group;       /* of the processes at work; 0: there can't be any */
	bool edit;         /* files are changed by hand: what was changed is ours too */
	char *transaction; /* which one it is; NULL: none yet, as far as we know */
};

/*
 * Reads the note of this boot, or of an earlier one, whose processes are gone; false if there
 * is none.  A damaged one says nothing: no transaction is known to be ours.
 */
bool journal_read(const struct repository *repository, struct journal *journal);
int journal_write(const struct repository *repository, const struct journal *journal,
		  ducc_error **err);
void journal_remove(const struct repository *repository);

/* Identifies the open transaction; NULL if none is open; the caller frees it. */
char *journal_open_transaction(const struct repository *repository);

/*
 * Notes the transaction that is open, as soon as there is one: none was, when our
 * process began, and if somebody else was faster, it will say so.
 */
int journal_note_transaction(const struct repository *repository, struct journal *journal,
			     ducc_error **err);

/* True if the transaction that is open now is that of the note. */
bool journal_is_ours(const struct repository *repository, const struct journal *journal);

/*
 * The path of a file in the spool directory: if it is there, the transaction that is open
 * was opened for an edit that is noted.  Removed with the note.  The caller frees the path.
 */
char *journal_opened(const struct repository *repository);

#endif
