/* The journal of a publisher of CernVM-FS: see journal.h. */
#include "cvmfs/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "cvmfs/mount.h"

#define NOTE "ducc.transaction"
#define EDIT "edit"
#define INGEST "ingest"
#define NOTE_LIMIT ((size_t)4096)

/*
 * Each transaction has a new flag file; writes and renames do not change its birth time.  Returns 1, 0
 * if there is none, or -1.
 */
static int read_flag(const struct repository *repository, struct statx *st, ducc_error **err)
{
	AUTO_FREE char *path = mount_spool(repository, "in_transaction.lock");

	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME | STATX_MTIME, st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", path);
	if (!(st->stx_mask & STATX_BTIME)) /* the next best */
		st->stx_btime = st->stx_mtime;
	return 1;
}

int journal_open_transaction(const struct repository *repository, char **id, ducc_error **err)
{
	struct statx st;
	int open = read_flag(repository, &st, err);

	*id = NULL;
	if (open <= 0)
		return open;
	*id = format("%llu:%lld.%09u", (unsigned long long)st.stx_ino,
		     (long long)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
	return 1;
}

char *journal_opened(const struct repository *repository)
{
	return mount_spool(repository, "ducc.opened");
}

char *journal_publishing_lock(const struct repository *repository)
{
	return mount_spool(repository, "is_publishing.lock");
}

/* True if the marker is not older than the open transaction: others may have opened one since. */
static bool is_marked(const struct repository *repository)
{
	AUTO_FREE char *path = journal_opened(repository);
	struct stat opened;
	struct statx flag;

	if (stat(path, &opened) < 0 || read_flag(repository, &flag, NULL) <= 0)
		return false;
	return opened.st_mtim.tv_sec != flag.stx_btime.tv_sec
		       ? opened.st_mtim.tv_sec > flag.stx_btime.tv_sec
		       : opened.st_mtim.tv_nsec >= (long)flag.stx_btime.tv_nsec;
}

/* True if there is proof that the open transaction is that of our command. */
static bool is_proved(const struct repository *repository, const struct journal *note)
{
	AUTO_FREE char *lock = journal_publishing_lock(repository);

	return note->edit ? is_marked(repository) : group_has_open(&note->group, lock);
}

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* Identifies this boot of the machine: after a reboot, process IDs are reused. */
static char *boot_id(ducc_error **err)
{
	AUTO_BUFFER id = {0};
	AUTO_CLOSE int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		error_errno(err, errno, BOOT_ID);
		return NULL;
	}
	if (read_stream(fd, NOTE_LIMIT, &id, err) < 0) {
		error_wrap(err, BOOT_ID);
		return NULL;
	}
	buffer_adds(&id, "");
	return xstrndup(id.data, strcspn(id.data, "\n"));
}

void journal_remove(const struct repository *repository)
{
	AUTO_FREE char *path = mount_spool(repository, NOTE), *opened = journal_opened(repository);

	unlink(opened);
	unlink(path);
}

/* "GROUP BOOT TRANSACTION ingest|edit[ STARTED]", with "-" for an unknown transaction. */
static char *print_note(const struct journal *note, const char *boot)
{
	unsigned long long started = note->group.started;
	AUTO_FREE char *leader = started ? format(" %llu", started) : xstrdup("");

	return format("%ld %s %s %s%s\n", (long)note->group.id, boot,
		      note->transaction ? note->transaction : "-", note->edit ? EDIT : INGEST,
		      leader);
}

int journal_write(const struct repository *repository, const struct journal *note, ducc_error **err)
{
	AUTO_FREE char *path = mount_spool(repository, NOTE);
	AUTO_FREE char *boot = boot_id(err), *text = boot ? print_note(note, boot) : NULL;

	if (!text)
		return -1;
	if (file_replace(AT_FDCWD, path, text, strlen(text)) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

/*
 * Parses a note of this boot, or of an earlier one, whose processes are gone.  Text that
 * print_note() would not produce leaves the note empty.
 */
static void parse_note(struct journal *note, const char *text, const char *boot)
{
	AUTO_FREE char *copy = xstrdup(text), *again = NULL;
	char *next = copy;
	const char *group = strsep(&next, " "), *of_boot = strsep(&next, " ");
	const char *transaction = strsep(&next, " "), *kind = strsep(&next, " \n");

	if (!kind)
		return;
	note->group.id = (pid_t)atol(group);
	note->group.started = next ? strtoull(next, NULL, 10) : 0;
	note->edit = !strcmp(kind, EDIT);
	note->transaction = strcmp(transaction, "-") != 0 ? xstrdup(transaction) : NULL;
	again = print_note(note, of_boot);
	if (strcmp(again, text) != 0 || note->group.id < 0 || note->group.id == 1) {
		free(STEAL(note->transaction));
		*note = (struct journal){0};
	} else if (strcmp(of_boot, boot) != 0) {
		note->group = (struct group){0};
	}
}

int journal_read(const struct repository *repository, struct journal *note, ducc_error **err)
{
	AUTO_FREE char *path = mount_spool(repository, NOTE), *boot = NULL, *text = NULL;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ducc_error *error = NULL;
	size_t len;

	*note = (struct journal){0};
	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", path);
	boot = boot_id(err);
	if (!boot)
		return -1;
	if (read_file(fd, NOTE_LIMIT, &text, &len, &error) < 0)
		return error_pass_failure(err, error) < 0 ? error_wrap(err, "%s", path) : 1;
	parse_note(note, text, boot);
	return 1;
}

int journal_note_transaction(const struct repository *repository, struct journal *note,
			     bool is_ours, ducc_error **err)
{
	AUTO_FREE char *transaction = NULL;
	int open = note->transaction ? 0 : journal_open_transaction(repository, &transaction, err);

	if (open <= 0)
		return open;
	if (!is_ours && !is_proved(repository, note))
		return 0;
	note->transaction = STEAL(transaction);
	return journal_write(repository, note, err);
}

int journal_is_ours(const struct repository *repository, const struct journal *note,
		    ducc_error **err)
{
	AUTO_FREE char *transaction = NULL;
	int open = journal_open_transaction(repository, &transaction, err);

	if (open <= 0)
		return open;
	return note->transaction ? !strcmp(transaction, note->transaction)
				 : note->edit && is_marked(repository);
}
