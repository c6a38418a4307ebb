/* A CernVM-FS transaction that adds files: see ingest.h. */
#include "cvmfs/ingest.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "cvmfs/newest.h"
#include "cvmfs/payload.h"
#include "cvmfs/runner.h"

#define TICK_SHORT 2 /* milliseconds, until the transaction is noted: see runner.c */
#define REMOVALS_AT_A_TIME ((size_t)100)

struct ingest {
	struct context *context;
	const struct repository *repository;
	struct process process;
	struct journal note;
	const void *head; /* the beginning of the tar */
	size_t head_len;
};

/* The process has exited, or was killed, before it got all input. */
static int ended(struct ingest *ingest, ducc_error **err)
{
	process_error(&ingest->process, CVMFS_SERVER " ingest", err);
	process_tell(&ingest->process, ingest->context);
	return -1;
}

int ingest_write(struct ingest *ingest, const void *data, size_t len, ducc_error **err)
{
	struct process *process = &ingest->process;
	const char *p = data;

	while (len) {
		ssize_t n = write(process->in, p, len);

		if (n > 0) {
			p += n;
			len -= (size_t)n;
			continue;
		}
		if (n < 0 && errno == EPIPE) {
			/* It reads no more, but may still write messages. */
			while (!process_poll(process, false))
				;
			return ended(ingest, err);
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return error_errno(err, errno, CVMFS_SERVER " ingest: write");
		if (process_poll(process, true))
			return ended(ingest, err);
		if (context_cancelled(ingest->context))
			return context_interrupted(err);
	}
	return 0;
}

int ingest_copy(struct ingest *ingest, int fd, uint64_t size, ducc_error **err)
{
	AUTO_PIECES pieces = pieces_of(fd, 0, size);

	while (pieces_next(&pieces))
		if (ingest_write(ingest, pieces.data, pieces.len, err) < 0)
			return -1;
	return pieces.error ? error_errno(err, pieces.error, PAYLOAD) : 0;
}

/* Writes the head and waits until it is read: 1 if it was, 0 if the repository is busy. */
static int feed_head(struct ingest *ingest, ducc_error **err)
{
	struct process *process = &ingest->process;
	int left = 1;

	/* It fits into the pipe, so it is written completely or not at all. */
	if (write(process->in, ingest->head, ingest->head_len) != (ssize_t)ingest->head_len &&
	    errno != EPIPE)
		return error_errno(err, errno, CVMFS_SERVER " ingest: write");
	process->tick = TICK_SHORT;
	while (!process_poll(process, false)) {
		if (ioctl(process->in, FIONREAD, &left) < 0)
			return error_errno(err, errno, CVMFS_SERVER " ingest: pipe");
		if (journal_note_transaction(ingest->repository, &ingest->note, !left, err) < 0)
			return -1;
		if (!left) {
			process->tick = PROCESS_TICK;
			return 1;
		}
		if (context_cancelled(ingest->context))
			return context_interrupted(err);
	}
	if (runner_is_busy(process, &ingest->note))
		return 0;
	return ended(ingest, err);
}

/* Ends the process and, if necessary, its children, and aborts its transaction, if it has one. */
static int end(struct ingest *ingest, ducc_error **err)
{
	struct process *process = &ingest->process;
	struct journal *note = &ingest->note;
	bool busy;
	int result = 0;

	process_dismiss(process);
	cleanup_close(&process->in);
	process->in = -1;
	while (!process_poll(process, false))
		;
	busy = runner_is_busy(process, note);
	process_tell(process, ingest->context);
	if (busy) {
		journal_remove(ingest->repository);
	} else {
		/* If the script was killed, its children are still running. */
		if (WIFSIGNALED(process->status)) {
			journal_note_transaction(ingest->repository, note, false, NULL);
			kill(-note->group.id, SIGKILL);
		}
		result = runner_clear_up(ingest->context, ingest->repository, note, err);
	}
	free(STEAL(note->transaction));
	process_close(process);
	return result;
}

/* One attempt: 1 if the transaction is open, 0 if the repository is busy. */
static int try_ingest(void *ctx, ducc_error **err)
{
	struct ingest *ingest = ctx;
	char *const argv[] = {
		CVMFS_SERVER, "ingest", "-k", "-t", "-", "-b", "/", ingest->repository->name, NULL};
	int result;

	ingest->note.group = (struct group){0};
	if (journal_write(ingest->repository, &ingest->note, err) < 0)
		return -1;
	if (process_hold(&ingest->process, argv, true, err) < 0) {
		journal_remove(ingest->repository);
		return -1;
	}
	ingest->note.group = group_of(ingest->process.pid);
	result = journal_write(ingest->repository, &ingest->note, err);
	if (!result) {
		process_release(&ingest->process);
		result = feed_head(ingest, err);
	}
	if (result == 1)
		result = newest_is_mounted(ingest->context, ingest->repository, err);
	if (result != 1 && end(ingest, err) < 0)
		result = -1;
	return result;
}

struct ingest *ingest_begin(struct context *context, const struct repository *repository,
			    const void *head, size_t len, ducc_error **err)
{
	struct ingest *ingest = xcalloc(1, sizeof(*ingest));

	ingest->context = context;
	ingest->repository = repository;
	ingest->head = head;
	ingest->head_len = len;
	if (!runner_patiently(context, repository, try_ingest, ingest, err))
		return ingest;
	free(ingest);
	return NULL;
}

int ingest_finish(struct ingest *ingest, ducc_error **err)
{
	struct process *process = &ingest->process;

	cleanup_close(&process->in);
	process->in = -1;
	/* It can no longer be cancelled: it may have published already. */
	while (!process_poll(process, false))
		;
	if (process->status)
		return ended(ingest, err);
	journal_remove(ingest->repository);
	process_tell(process, ingest->context);
	free(STEAL(ingest->note.transaction));
	process_close(process);
	return 0;
}

void ingest_free(struct ingest *ingest)
{
	ducc_error *err = NULL;

	if (!ingest)
		return;
	if (ingest->process.out >= 0 && end(ingest, &err) < 0)
		context_notice(ingest->context, DUCC_WARNING, "%s: %s", ingest->repository->name,
			       ducc_error_message(err));
	ducc_error_free(err);
	free(ingest);
}

/* --- removing --------------------------------------------------------- */

struct removal {
	struct context *context;
	const struct repository *repository;
	char **argv;
};

/* One attempt: 1 if it is done, 0 if the repository is busy. */
static int try_remove(void *ctx, ducc_error **err)
{
	const struct removal *removal = ctx;
	struct journal note = {0};
	int result = runner_run(removal->context, removal->repository, &note, removal->argv, err);

	if (result >= 0)
		journal_remove(removal->repository);
	else
		runner_clear_up(removal->context, removal->repository, &note, NULL);
	free(note.transaction);
	return result;
}

/* In one transaction. */
static int ingest_remove(struct context *context, const struct repository *repository,
			 const char *const *paths, size_t n, ducc_error **err)
{
	struct removal removal = {context, repository, xcalloc(2 * n + 4, sizeof(char *))};
	size_t argc = 0;
	int result;

	removal.argv[argc++] = xstrdup(CVMFS_SERVER);
	removal.argv[argc++] = xstrdup("ingest");
	for (size_t i = 0; i < n; i++) {
		removal.argv[argc++] = xstrdup("-d");
		removal.argv[argc++] = xstrdup(paths[i]);
	}
	removal.argv[argc] = xstrdup(repository->name);
	result = runner_patiently(context, repository, try_remove, &removal, err);
	for (size_t i = 0; i <= argc; i++)
		free(removal.argv[i]);
	free(removal.argv);
	return result;
}

int ingest_remove_all(struct context *context, const struct repository *repository,
		      const char *const *paths, size_t n, ducc_error **err)
{
	size_t most = repository->shared ? 1 : REMOVALS_AT_A_TIME;

	for (size_t done = 0, now; done < n; done += now) {
		now = n - done < most ? n - done : most;
		if (context_cancelled(context))
			return context_interrupted(err);
		if (ingest_remove(context, repository, paths + done, now, err) < 0)
			return -1;
	}
	return 0;
}
