/* What a publisher knows of the open transaction: whose it is, and that this can be unknown; and of what it sends. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "cvmfs/ingest.h"
#include "cvmfs/metadata_copy.h"
#include "cvmfs/mount.h"
#include "cvmfs/payload.h"
#include "cvmfs/runner.h"
#include "tap.h"

static char directory[] = "/tmp/ducc-journal-XXXXXX";
static char name[] = "test.example.org";
static struct repository repository = {.name = name};
static struct context context;
static int failing; /* the errno value with which statx(2) fails, or 0 */

int statx(int at, const char *restrict path, int flags, unsigned mask, struct statx *restrict st)
{
	if (!failing)
		return (int)syscall(SYS_statx, at, path, flags, mask, st);
	errno = failing;
	return -1;
}

/* Opens a transaction, as cvmfs_server does. */
static void open_one(void)
{
	AUTO_FREE char *flag = mount_spool(&repository, "in_transaction.lock");

	if (file_replace(AT_FDCWD, flag, "1", 1) < 0)
		abort();
}

static void close_one(void)
{
	AUTO_FREE char *flag = mount_spool(&repository, "in_transaction.lock");

	unlink(flag);
	journal_remove(&repository);
}

/* The error is about the flag file, and not that others have a transaction open.  Frees it. */
static void is_about_flag(ducc_error *err, const char *title)
{
	AUTO_FREE char *flag = mount_spool(&repository, "in_transaction.lock");
	const char *text = err ? ducc_error_message(err) : "";

	ok(strstr(text, flag) && ducc_error_kind(err) != DUCC_BUSY, "%s", title);
	ducc_error_free(err);
}

static int count(void *ctx, ducc_error **err)
{
	(void)err;
	++*(int *)ctx;
	return 1;
}

static void unknown(void)
{
	struct journal note = {.edit = true};
	ducc_error *err = NULL;
	int tries = 0;

	open_one();
	failing = EIO;
	ok(journal_note_transaction(&repository, &note, true, &err) < 0 && !note.transaction,
	   "our transaction, if its flag cannot be looked at, is not none");
	is_about_flag(STEAL(err), "... as the error says");
	ok(runner_patiently(&context, &repository, count, &tries, &err) < 0 && !tries,
	   "before one is opened, the flag of others cannot be looked at");
	is_about_flag(STEAL(err), "... as the error says");
	ok(journal_is_ours(&repository, &note, NULL) < 0, "... nor is it known whose it is");
	failing = 0;
	ok(!journal_note_transaction(&repository, &note, true, &err) && note.transaction,
	   "then it can, and the transaction is noted");
	ok(journal_is_ours(&repository, &note, &err) == 1, "... as ours");
	free(note.transaction);
	close_one();
}

/* The output of a failing command may have the words of one that found the repository busy. */
static void busy(void)
{
	char script[] = "echo 'a/lease busy/b: cannot be removed' >&2; exit 1";
	char *const argv[] = {"sh", "-c", script, NULL};
	struct journal note = {.edit = true};
	ducc_error *err = NULL;

	ok(!runner_run(&context, &repository, &note, argv, &err) && !err,
	   "a command that has opened no transaction, and says that one is open");
	open_one();
	ok(!journal_note_transaction(&repository, &note, true, &err) && note.transaction,
	   "one that has ...");
	ok(runner_run(&context, &repository, &note, argv, &err) < 0 && err &&
		   strstr(ducc_error_message(err), "cannot be removed"),
	   "... fails, and its transaction is not that of others");
	ducc_error_free(err);
	free(note.transaction);
	close_one();
}

/* Changes that others made in the transaction of an ingest are not lost because they cannot be looked at. */
static void changed(void)
{
	struct journal note = {.edit = false};
	AUTO_FREE char *scratch = mount_spool(&repository, "scratch");
	ducc_error *err = NULL;

	open_one();
	if (journal_note_transaction(&repository, &note, true, &err) < 0 ||
	    symlink("scratch", scratch) < 0)
		abort();
	ok(runner_clear_up(&context, &repository, &note, &err) < 0 &&
		   strstr(ducc_error_message(err), scratch),
	   "a transaction is not aborted if its changes cannot be looked at");
	ducc_error_free(err);
	unlink(scratch);
	free(note.transaction);
	close_one();
}

static void damaged(void)
{
	AUTO_FREE char *path = mount_spool(&repository, "ducc.transaction"),
		       *text = xmalloc(1 << 16);
	struct journal note;
	ducc_error *err = NULL;

	memset(text, '1', 1 << 16);
	if (file_replace(AT_FDCWD, path, text, 1 << 16) < 0)
		abort();
	ok(journal_read(&repository, &note, &err) == 1 && !note.group.id && !note.transaction,
	   "a note that is far too long is damaged, and read as empty");
	ducc_error_free(err);
	close_one();
}

/* The file that a publish sends has no name, but errors name it. */
static void unreadable(void)
{
	ducc_error *err = NULL;

	ok(ingest_copy(NULL, -1, 1, &err) < 0 && strstr(ducc_error_message(err), PAYLOAD ": "),
	   "a payload that cannot be read is named");
	ducc_error_free(STEAL(err));
	ok(metadata_copy_put(-1, -1, &err) < 0 && strstr(ducc_error_message(err), PAYLOAD ": "),
	   "... also in a transaction");
	ducc_error_free(err);
}

int main(void)
{
	AUTO_FREE char *spool = NULL;
	AUTO_CLOSE int fd = -1;

	if (!mkdtemp(directory) || setenv("DUCC_SYSROOT", directory, 1) < 0)
		abort();
	context_init(&context, &(struct ducc_options){.notice = NULL});
	context.wait = 0; /* gives up at once */
	spool = format("var/spool/cvmfs/%s", name);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || path_mkdirs(fd, spool) < 0)
		abort();
	unknown();
	busy();
	changed();
	damaged();
	unreadable();
	context_destroy(&context);
	path_remove(fd, "var");
	rmdir(directory);
	return done_testing();
}
