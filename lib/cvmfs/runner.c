/* Running cvmfs_server: see runner.h. */
#include "cvmfs/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/entries.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "cvmfs/mount.h"
#include "cvmfs/recovery.h"

#define TICK_SHORT 2 /* milliseconds, until the transaction is noted */
#define PAUSE_MAX 60 /* seconds */

/* 1 if a transaction is open, 0 if not, or -1. */
static int is_in_transaction(const struct repository *repository, ducc_error **err)
{
	AUTO_FREE char *transaction = NULL;

	return journal_open_transaction(repository, &transaction, err);
}

/* 1 if an open transaction has changes in the scratch area, which an ingest leaves empty, 0 if not; -1. */
static int has_changes(const struct repository *repository, ducc_error **err)
{
	AUTO_FREE char *path = mount_spool(repository, "scratch/current");
	AUTO_ENTRIES entries = entries_of(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	bool any = entries_next(&entries);

	if (entries.error && !is_absence(entries.error))
		return error_errno(err, entries.error, "%s", path);
	return any;
}

/* --- waiting ---------------------------------------------------------- */

int runner_pause(struct context *context, struct patience *patience, const char *what,
		 ducc_error **err)
{
	double now = clock_monotonic(), until;

	if (!patience->until) {
		patience->until = now + context->wait;
		patience->pause = 1;
	}
	if (now >= patience->until)
		return 1;
	if (!patience->told)
		context_notice(context, DUCC_WARNING, "%s; waiting up to %u second%s", what,
			       context->wait, text_plural(context->wait));
	patience->told = true;
	until = now + patience->pause < patience->until ? now + patience->pause : patience->until;
	patience->pause = patience->pause * 2 < PAUSE_MAX ? patience->pause * 2 : PAUSE_MAX;
	while (clock_monotonic() < until) {
		if (context_cancelled(context))
			return context_interrupted(err);
		poll(NULL, 0, PROCESS_TICK);
	}
	return 0;
}

/* --- clearing up ------------------------------------------------------ */

/* What hangs, such as an upload to a server that does not answer, is not ours to kill. */
static int wait_for_group(struct context *context, const struct group *group, ducc_error **err)
{
	struct patience patience = {0};
	AUTO_BUFFER members = {0};

	while (group_is_alive(group, &members)) {
		AUTO_FREE char *what = format(
			"processes of a killed publisher are still running: %s", members.data);
		int waited = runner_pause(context, &patience, what, err);

		if (waited)
			return waited < 0 ? -1
					  : error_set_kind(err, DUCC_BUSY,
							   "%s; if they hang: `kill -9 -- -%ld'",
							   what, (long)group->id);
	}
	return 0;
}

/*
 * Aborts the open transaction, which is that of the note.  The note then contains the
 * process group of the abort, which continues if we are killed.
 */
static int abort_transaction(struct context *context, const struct repository *repository,
			     const struct journal *note, ducc_error **err)
{
	char *const argv[] = {CVMFS_SERVER, "abort", "-f", repository->name, NULL};
	struct journal aborting = *note;
	struct process process;

	if (process_hold(&process, argv, false, err) < 0)
		return -1;
	aborting.group = group_of(process.pid);
	journal_write(repository, &aborting, NULL);
	process_release(&process);
	return process_finish(&process, CVMFS_SERVER " abort", context, err);
}

/*
 * The same, repeated until the transaction is aborted: by us, or by the abort of a publisher
 * that was killed before it could note it.
 */
static int abort_patiently(struct context *context, const struct repository *repository,
			   const struct journal *note, ducc_error **err)
{
	static const char what[] = "another abort of the transaction is still running";
	struct patience patience = {0};

	for (;;) {
		ducc_error *error = NULL;
		int ours;

		recover_scratch(repository, NULL); /* if that fails, the abort says why */
		recover_mount(repository);
		recover_publishing_lock(repository);
		if (!abort_transaction(context, repository, note, &error))
			return 0;
		ours = journal_is_ours(repository, note, NULL);
		if (!ours) {
			ducc_error_free(error);
			return 0;
		}
		/* Another abort is running, or the client of the last mount has not ended yet. */
		if (ours < 0 ||
		    (!strstr(ducc_error_message(error), "acquire lock") &&
		     !strstr(ducc_error_message(error), "Trying to mount")) ||
		    runner_pause(context, &patience, what, NULL))
			return error_give(err, error);
		ducc_error_free(error);
	}
}

/*
 * The transaction of the note is not open; another one may be.  If what was killed may have opened
 * that, but was not seen to do so, it could as well be somebody else's: the note remains.
 */
static void leave(struct context *context, const struct repository *repository,
		  const struct journal *note)
{
	bool open = is_in_transaction(repository, NULL) != 0;

	if (!open)
		recover_publishing_lock(repository);
	if (!open || note->transaction) {
		journal_remove(repository);
		return;
	}
	context_notice(context, DUCC_WARNING,
		       "%s: the open transaction may be that of an interrupted ducc, or somebody "
		       "else's: if nobody uses it, run `" CVMFS_SERVER " abort -f %s'",
		       repository->name, repository->name);
}

int runner_clear_up(struct context *context, const struct repository *repository,
		    const struct journal *note, ducc_error **err)
{
	int ours, changes;

	if (wait_for_group(context, &note->group, err) < 0)
		return -1;
	ours = journal_is_ours(repository, note, err);
	if (ours < 0)
		return -1;
	if (!ours) {
		leave(context, repository, note);
		return 0;
	}
	changes = note->edit ? 0 : has_changes(repository, err);
	if (changes < 0)
		return -1;
	if (changes)
		return error_set(err,
				 "an interrupted transaction of ducc has been changed by others: "
				 "check the changes, then run `" CVMFS_SERVER " abort %s'",
				 repository->name);
	if (abort_patiently(context, repository, note, err) < 0)
		return error_wrap(err, "cannot abort an interrupted transaction");
	journal_remove(repository);
	return 0;
}

int runner_lock(struct context *context, const struct repository *repository, ducc_error **err)
{
	AUTO_FREE char *spool = mount_spool(repository, "");
	AUTO_CLOSE int lock = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct journal note;
	int result = 0;

	if (lock < 0 && errno == ENOENT)
		return error_set_kind(
			err, DUCC_NOT_FOUND,
			"this machine cannot publish to it: %s does not exist (the name "
			"of a directory contains a slash: ./%s)",
			spool, repository->name);
	if (lock < 0)
		return error_errno(err, errno, "%s", spool);
	if (lock_wait(context, lock, repository->name, err) < 0)
		return -1;
	result = journal_read(repository, &note, err);
	if (result > 0) {
		if (journal_is_ours(repository, &note, NULL) > 0)
			context_notice(context, DUCC_WARNING,
				       "%s: aborting an interrupted transaction", repository->name);
		result = runner_clear_up(context, repository, &note, err);
	}
	free(note.transaction);
	return result < 0 ? -1 : steal_fd(&lock);
}

int runner_hold(const struct repository *repository, struct context *context, ducc_error **err)
{
	AUTO_FREE char *spool = mount_spool(repository, "");
	AUTO_CLOSE int lock = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (lock < 0)
		return error_errno(err, errno, "%s", spool);
	return lock_wait_shared(context, lock, repository->name, err) < 0 ? -1 : steal_fd(&lock);
}

/* --- running ---------------------------------------------------------- */

bool runner_is_busy(const struct process *process, const struct journal *note)
{
	static const char *const words[] = {"already open", "path busy", "lease busy",
					    "currently publishing"};

	if (note->transaction || !process->output.data)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasestr(process->output.data, words[i]))
			return true;
	return false;
}

int runner_patiently(struct context *context, const struct repository *repository,
		     int (*try)(void *ctx, ducc_error **err), void *ctx, ducc_error **err)
{
	static const char what[] = "another transaction is open";
	struct patience patience = {0};
	int result;

	for (;;) {
		int open = is_in_transaction(repository, err);

		if (open < 0)
			return -1;
		result = open ? 0 : try(ctx, err);
		if (result)
			return result < 0 ? -1 : 0;
		result = runner_pause(context, &patience, what, err);
		if (result < 0)
			return -1;
		if (result)
			return error_set_kind(
				err, DUCC_BUSY,
				"%s, for more than %u second%s (if it is stale: `" CVMFS_SERVER
				" abort %s')",
				what, context->wait, text_plural(context->wait), repository->name);
	}
}

int runner_run(struct context *context, const struct repository *repository, struct journal *note,
	       char *const *argv, ducc_error **err)
{
	struct process process;
	int result;

	note->group = (struct group){0};
	if (journal_write(repository, note, err) < 0 ||
	    process_hold(&process, argv, false, err) < 0)
		return -1;
	note->group = group_of(process.pid);
	process.tick = TICK_SHORT;
	result = journal_write(repository, note, err);
	if (result < 0)
		process_dismiss(&process);
	else
		process_release(&process);
	while (!process_poll(&process, false)) {
		if (!result)
			result = journal_note_transaction(repository, note, false, err);
		process.tick = note->transaction ? PROCESS_TICK : TICK_SHORT;
	}
	if (WIFSIGNALED(process.status)) {
		/* Its children are still running, and its transaction is still open. */
		journal_note_transaction(repository, note, false, NULL);
		kill(-note->group.id, SIGKILL);
	}
	if (!result)
		result = !process.status ? 1
			 : runner_is_busy(&process, note)
				 ? 0
				 : process_error(&process, CVMFS_SERVER, err);
	process_tell(&process, context);
	process_close(&process);
	return result;
}
