/* A transaction of CernVM-FS: see ingest.h. */
#include "ingest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "buffer.h"
#include "lock.h"
#include "mem.h"
#include "path.h"
#include "process.h"

#define PROGRAM "cvmfs_server"
#define NOTE "ducc.transaction"
#define COPY_SIZE ((size_t)1 << 20)
#define TICK_SHORT 10 /* milliseconds */
#define PAUSE_MAX 60  /* seconds */

/* Aborts the transaction that is open. */
static int abort_transaction(ducc_session *session, const struct repository *repository,
			     ducc_error **err)
{
	char *const argv[] = {PROGRAM, "abort", "-f", repository->name, NULL};
	struct process process;
	int result = 0;

	if (process_start(&process, argv, false, err) < 0)
		return -1;
	while (!process_poll(&process, false))
		;
	if (process.status)
		result = process_error(&process, PROGRAM " abort", err);
	process_tell(&process, session);
	process_close(&process);
	return result;
}

/* --- the state of the repository -------------------------------------- */

static char *spool_path(const struct repository *repository, const char *name)
{
	return format("%s/%s", repository->spool, name);
}

/*
 * Tells the open transaction from all others, or NULL if none is open; to be freed.  The
 * flag is a file of its own for each: when it was born does not change when it is
 * written or renamed.
 */
static char *open_transaction(const struct repository *repository)
{
	AUTO_FREE char *path = spool_path(repository, "in_transaction.lock");
	struct statx st;

	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME | STATX_MTIME, &st) < 0)
		return NULL;
	if (!(st.stx_mask & STATX_BTIME)) /* the next best */
		st.stx_btime = st.stx_mtime;
	return format("%llu:%lld.%09u", (unsigned long long)st.stx_ino,
		      (long long)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
}

static bool is_in_transaction(const struct repository *repository)
{
	AUTO_FREE char *transaction = open_transaction(repository);

	return transaction != NULL;
}

/* What somebody has changed in an open transaction is in this directory; an ingest leaves it empty. */
static bool has_changes(const struct repository *repository)
{
	AUTO_FREE char *path = spool_path(repository, "scratch/current");
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && !path_is_empty(fd);
}

/* Tells this boot of the machine from others; process numbers begin anew. */
static char *boot_id(void)
{
	char id[64] = "";
	AUTO_CLOSE int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, id, sizeof(id) - 1);

	id[n > 0 ? strcspn(id, "\n") : 0] = '\0';
	return xstrdup(id);
}

/*
 * Notes which process group is about to have a transaction open, and, once it has,
 * which one ("-": not yet).
 */
static int write_note(const struct repository *repository, pid_t group, const char *transaction,
		      ducc_error **err)
{
	AUTO_FREE char *path = spool_path(repository, NOTE), *draft = format("%s.new", path);
	AUTO_FREE char *boot = boot_id();
	AUTO_FREE char *text = format("%ld %s %s\n", (long)group, boot, transaction);
	AUTO_CLOSE int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write_all(fd, text, strlen(text)) < 0 || fsync(fd) < 0 ||
	    rename(draft, path) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

static void remove_note(const struct repository *repository)
{
	AUTO_FREE char *path = spool_path(repository, NOTE);

	unlink(path);
}

struct note {
	pid_t group;       /* 0: its processes can't be there any more */
	char *transaction; /* NULL: not known */
};

/* False if there is none. */
static bool read_note(const struct repository *repository, struct note *note)
{
	AUTO_FREE char *path = spool_path(repository, NOTE), *boot = boot_id(), *text = NULL;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *rest = NULL, *group, *of_boot, *transaction;
	size_t len;

	*note = (struct note){0};
	if (fd < 0)
		return false;
	if (read_file(fd, 4096, &text, &len, NULL) < 0)
		return true;
	group = strtok_r(text, " \n", &rest);
	of_boot = strtok_r(NULL, " \n", &rest);
	transaction = strtok_r(NULL, " \n", &rest);
	if (of_boot && !strcmp(of_boot, boot) && atol(group) > 1)
		note->group = (pid_t)atol(group);
	if (transaction && strcmp(transaction, "-") != 0)
		note->transaction = xstrdup(transaction);
	return true;
}

/* True if /proc/PID/stat speaks of a process of the group that is not a zombie. */
static bool is_in_group(const char *pid, pid_t group)
{
	AUTO_FREE char *path = format("/proc/%s/stat", pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[1024], state;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *after;
	long of;

	text[n > 0 ? n : 0] = '\0';
	after = strrchr(text, ')'); /* the name before it may hold anything */
	return after && sscanf(after, ") %c %*d %ld", &state, &of) == 2 && of == group &&
	       state != 'Z' && state != 'X';
}

/* kill(2) would find zombies too, which may stay as long as the machine is up. */
static bool group_is_alive(pid_t group)
{
	DIR *proc = group && !kill(-group, 0) ? opendir("/proc") : NULL;
	const struct dirent *entry;
	bool alive = false;

	if (!proc)
		return false;
	while (!alive && (entry = readdir(proc)))
		alive = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
			is_in_group(entry->d_name, group);
	closedir(proc);
	return alive;
}

/* --- waiting ---------------------------------------------------------- */

static uint64_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

static int interrupted(ducc_error **err)
{
	return error_set(err, "interrupted");
}

struct patience {
	uint64_t until;
	unsigned pause; /* seconds */
	bool told;
};

/* A pause, longer each time; 0 if it is over, 1 if patience is, -1 if interrupted. */
static int be_patient(ducc_session *session, struct patience *patience, const char *what,
		      ducc_error **err)
{
	uint64_t now = seconds(), until;

	if (!patience->until) {
		patience->until = now + session->wait;
		patience->pause = 1;
	}
	if (now >= patience->until)
		return 1;
	if (!patience->told)
		session_notice(session, DUCC_WARNING, "%s; waiting for up to %u seconds", what,
			       session->wait);
	patience->told = true;
	until = now + patience->pause < patience->until ? now + patience->pause : patience->until;
	patience->pause = patience->pause * 2 < PAUSE_MAX ? patience->pause * 2 : PAUSE_MAX;
	while (seconds() < until) {
		if (session_cancelled(session))
			return interrupted(err);
		poll(NULL, 0, PROCESS_TICK);
	}
	return 0;
}

/* --- clearing up ------------------------------------------------------ */

static int wait_for_group(ducc_session *session, pid_t group, ducc_error **err)
{
	static const char what[] = "an ingest of a publisher that was killed still runs";
	struct patience patience = {0};

	while (group_is_alive(group)) {
		int waited = be_patient(session, &patience, what, err);

		if (waited)
			return waited < 0
				       ? -1
				       : error_set(err, "%s, process group %ld", what, (long)group);
	}
	return 0;
}

/*
 * Undoes the transaction that was noted, if it is still open.  Any other is somebody
 * else's, and none of our business.
 */
static int clear_up(ducc_session *session, const struct repository *repository,
		    const struct note *note, ducc_error **err)
{
	AUTO_FREE char *transaction = NULL;

	if (wait_for_group(session, note->group, err) < 0)
		return -1;
	transaction = open_transaction(repository);
	if (!transaction || !note->transaction || strcmp(transaction, note->transaction) != 0) {
		remove_note(repository);
		return 0;
	}
	if (has_changes(repository))
		return error_set(err,
				 "a transaction of ours was broken off, and something was changed "
				 "in it since: see to it, then run `" PROGRAM " abort %s'",
				 repository->name);
	session_notice(session, DUCC_WARNING, "%s: aborting a transaction that was broken off",
		       repository->name);
	if (abort_transaction(session, repository, err) < 0)
		return error_wrap(err, "a transaction of ours was broken off and must be aborted");
	remove_note(repository);
	return 0;
}

int ingest_lock(ducc_session *session, const struct repository *repository, ducc_error **err)
{
	AUTO_CLOSE int lock = open(repository->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct note note;
	int result = 0;

	if (lock < 0 && errno == ENOENT)
		return error_set(err, "this machine is no publisher of it: there is no %s",
				 repository->spool);
	if (lock < 0)
		return error_errno(err, errno, "%s", repository->spool);
	if (lock_wait(session, lock, repository->name, err) < 0)
		return -1;
	if (read_note(repository, &note))
		result = clear_up(session, repository, &note, err);
	free(note.transaction);
	return result < 0 ? -1 : steal_fd(&lock);
}

/* --- an ingest -------------------------------------------------------- */

struct ingest {
	ducc_session *session;
	const struct repository *repository;
	struct process process;
	struct note note;
};

static bool is_busy(const struct process *process)
{
	static const char *const words[] = {"already open", "path busy", "lease busy",
					    "currently publishing"};

	for (size_t i = 0; process->output.data && i < ARRAY_LEN(words); i++)
		if (strcasestr(process->output.data, words[i]))
			return true;
	return false;
}

/* The process has ended by itself, or was killed, before we were done with it. */
static int ended(struct ingest *ingest, ducc_error **err)
{
	process_error(&ingest->process, PROGRAM " ingest", err);
	process_tell(&ingest->process, ingest->session);
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
			/* It reads no more, but may still have something to say. */
			while (!process_poll(process, false))
				;
			return ended(ingest, err);
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return error_errno(err, errno, PROGRAM " ingest: write");
		if (process_poll(process, true))
			return ended(ingest, err);
		if (session_cancelled(ingest->session))
			return interrupted(err);
	}
	return 0;
}

int ingest_copy(struct ingest *ingest, int fd, uint64_t size, ducc_error **err)
{
	AUTO_FREE char *buffer = xmalloc(COPY_SIZE);
	uint64_t done = 0;

	while (done < size) {
		size_t want = size - done < COPY_SIZE ? (size_t)(size - done) : COPY_SIZE;
		ssize_t n = pread(fd, buffer, want, (off_t)done);

		if (n < 0)
			return error_errno(err, errno, "read");
		if (!n)
			return error_set(err, "shorter than it was");
		if (ingest_write(ingest, buffer, (size_t)n, err) < 0)
			return -1;
		done += (uint64_t)n;
	}
	return 0;
}

/*
 * Notes the transaction as soon as it is there: none was, when the process began, and
 * if somebody else was faster, it will say so.
 */
static int note_transaction(struct ingest *ingest, ducc_error **err)
{
	struct note *note = &ingest->note;

	if (!note->transaction)
		note->transaction = open_transaction(ingest->repository);
	else
		return 0;
	return note->transaction
		       ? write_note(ingest->repository, note->group, note->transaction, err)
		       : 0;
}

/* Writes the head and waits until it is taken: 1 if it was, 0 if somebody else is at it. */
static int feed_head(struct ingest *ingest, const void *head, size_t len, ducc_error **err)
{
	struct process *process = &ingest->process;
	int left = 1;

	/* It fits into the pipe, so it is there whole or not at all. */
	if (write(process->in, head, len) != (ssize_t)len && errno != EPIPE)
		return error_errno(err, errno, PROGRAM " ingest: write");
	process->tick = TICK_SHORT;
	while (!process_poll(process, false)) {
		if (note_transaction(ingest, err) < 0)
			return -1;
		if (ioctl(process->in, FIONREAD, &left) < 0)
			return error_errno(err, errno, PROGRAM " ingest: pipe");
		if (!left) {
			process->tick = PROCESS_TICK;
			return 1;
		}
		if (session_cancelled(ingest->session))
			return interrupted(err);
	}
	if (is_busy(process))
		return 0;
	return ended(ingest, err);
}

/* Ends the process, if need be, with all that it has begun, and undoes its transaction. */
static int end(struct ingest *ingest, bool busy, ducc_error **err)
{
	struct process *process = &ingest->process;
	int result = 0;

	cleanup_close(&process->in);
	process->in = -1;
	while (!process_poll(process, false))
		;
	process_tell(process, ingest->session);
	if (busy) {
		remove_note(ingest->repository);
	} else {
		/* If the script was killed, what it has started goes on without an aim. */
		if (WIFSIGNALED(process->status))
			kill(-ingest->note.group, SIGKILL);
		/* Killed between opening the transaction and our next look: it is the one. */
		if (!ingest->note.transaction)
			ingest->note.transaction = open_transaction(ingest->repository);
		result = clear_up(ingest->session, ingest->repository, &ingest->note, err);
	}
	free(STEAL(ingest->note.transaction));
	process_close(process);
	return result;
}

/* One try: 1 if the transaction is open, 0 if somebody else is at it. */
static int try_ingest(struct ingest *ingest, const void *head, size_t len, ducc_error **err)
{
	char *const argv[] = {
		PROGRAM, "ingest", "-k", "-t", "-", "-b", "/", ingest->repository->name, NULL};
	int result;

	if (process_start(&ingest->process, argv, true, err) < 0) {
		remove_note(ingest->repository);
		return -1;
	}
	ingest->note.group = ingest->process.pid;
	result = write_note(ingest->repository, ingest->note.group, "-", err);
	if (!result)
		result = feed_head(ingest, head, len, err);
	if (result != 1)
		end(ingest, !result, err);
	return result;
}

/* One try to remove a path: 1 if it is done, 0 if somebody else is at it. */
static int try_remove(struct ingest *ingest, const void *path, size_t len, ducc_error **err)
{
	AUTO_FREE char *name = xstrndup(path, len);
	char *const argv[] = {PROGRAM, "ingest", "-d", name, ingest->repository->name, NULL};
	struct process *process = &ingest->process;
	bool busy;

	if (process_start(process, argv, false, err) < 0) {
		remove_note(ingest->repository);
		return -1;
	}
	ingest->note.group = process->pid;
	process->tick = TICK_SHORT;
	if (write_note(ingest->repository, ingest->note.group, "-", err) < 0) {
		end(ingest, false, err);
		return -1;
	}
	while (!process_poll(process, false))
		note_transaction(ingest, NULL);
	if (!process->status) {
		end(ingest, false, NULL);
		return 1;
	}
	busy = is_busy(process);
	if (!busy)
		ended(ingest, err);
	end(ingest, busy, err);
	return busy ? 0 : -1;
}

/* Tries until nobody else has a transaction open, or patience is over. */
static int try_patiently(struct ingest *ingest,
			 int (*try)(struct ingest *ingest, const void *data, size_t len,
				    ducc_error **err),
			 const void *data, size_t len, ducc_error **err)
{
	static const char what[] = "somebody else has a transaction open";
	struct patience patience = {0};
	int result;

	for (;;) {
		if (!is_in_transaction(ingest->repository)) {
			if (write_note(ingest->repository, 0, "-", err) < 0)
				return -1;
			result = try(ingest, data, len, err);
			if (result)
				return result < 0 ? -1 : 0;
		}
		result = be_patient(ingest->session, &patience, what, err);
		if (result < 0)
			return -1;
		if (result)
			return error_set(err,
					 "%s, for more than %u seconds (if nobody has: `" PROGRAM
					 " abort %s')",
					 what, ingest->session->wait, ingest->repository->name);
	}
}

struct ingest *ingest_begin(ducc_session *session, const struct repository *repository,
			    const void *head, size_t len, ducc_error **err)
{
	struct ingest *ingest = xcalloc(1, sizeof(*ingest));

	ingest->session = session;
	ingest->repository = repository;
	if (!try_patiently(ingest, try_ingest, head, len, err))
		return ingest;
	free(ingest);
	return NULL;
}

int ingest_finish(struct ingest *ingest, ducc_error **err)
{
	struct process *process = &ingest->process;

	cleanup_close(&process->in);
	process->in = -1;
	/* It can't be called back any more: what is published is published. */
	while (!process_poll(process, false))
		;
	if (process->status)
		return ended(ingest, err);
	remove_note(ingest->repository);
	process_tell(process, ingest->session);
	free(STEAL(ingest->note.transaction));
	process_close(process);
	return 0;
}

void ingest_free(struct ingest *ingest)
{
	ducc_error *err = NULL;

	if (!ingest)
		return;
	if (ingest->process.out >= 0 && end(ingest, false, &err) < 0)
		session_notice(ingest->session, DUCC_WARNING, "%s: %s", ingest->repository->name,
			       ducc_error_message(err));
	ducc_error_free(err);
	free(ingest);
}

int ingest_remove(ducc_session *session, const struct repository *repository, const char *path,
		  ducc_error **err)
{
	struct ingest ingest = {.session = session, .repository = repository};

	return try_patiently(&ingest, try_remove, path, strlen(path), err);
}
