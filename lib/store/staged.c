/* Writing files of the store atomically: see staged.h. */
#include "store/staged.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/entries.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/image.h"

#define DOWNLOAD_LIFE (7 * 86400) /* seconds for which a partial download is kept */

int store_write_blob(const struct store *store, const void *data, size_t len, struct digest *digest,
		     ducc_error **err)
{
	AUTO_FREE char *name = NULL;
	AUTO_STAGED staged = STAGED_NONE;
	AUTO_FREE char *there = NULL;
	size_t there_len;
	int begun;

	*digest = digest_of(data, len);
	if (!store_read_blob(store, digest, &there, &there_len, NULL))
		return 0;
	name = store_blob_name(digest);
	begun = staged_begin(&staged, store, name, true, err);
	if (begun != 0)
		return begun < 0 ? -1 : 0;
	if (write_all(staged.fd, data, len) < 0)
		return error_errno(err, errno, "%s/%s", store->path, staged.temporary);
	return staged_commit(&staged, err);
}

/* tmp/ and the final name, with its slashes replaced. */
static char *temporary_name(const char *final)
{
	char *name = format("tmp/%s", final);

	for (char *p = name + strlen("tmp/"); *p; p++)
		if (*p == '/')
			*p = '-';
	return name;
}

/* Opens the temporary file, in the place of anything else that has its name. */
static int open_temporary(const struct store *store, const char *name)
{
	int fd = path_open(store->fd, name, O_RDWR | O_CREAT, 0644);

	if (fd < 0 && errno == ENOENT && !path_mkdirs(store->fd, "tmp"))
		fd = path_open(store->fd, name, O_RDWR | O_CREAT, 0644);
	if (fd >= 0 || (errno != EISDIR && errno != ELOOP && errno != EACCES))
		return fd;
	store_discard(store, name, -1, "not a file that can be written");
	return path_open(store->fd, name, O_RDWR | O_CREAT, 0644);
}

/*
 * 1 if the file that was opened still has its name, 0 if another writer has renamed it, or -1
 * with errno set.
 */
static int is_current(const struct store *store, const char *name, int fd)
{
	AUTO_CLOSE int named = path_open(store->fd, name, O_PATH, 0);
	struct stat ours, there;

	if (named < 0)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &ours) < 0 || fstat(named, &there) < 0)
		return -1;
	return file_is_same(&ours, &there);
}

/* Waits for whoever is writing the file. */
static int lock_file(const struct store *store, const char *temporary, int fd, ducc_error **err)
{
	if (store->context)
		return lock_wait(store->context, fd, temporary, err);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "lock");
	return 0;
}

static int begin(struct staged *staged, const struct store *store, const char *final,
		 bool keep_existing, bool resume, ducc_error **err)
{
	AUTO_FREE char *temporary = temporary_name(final);

	for (;;) {
		AUTO_CLOSE int fd = -1;
		int current;

		if (keep_existing && path_exists(store->fd, final))
			return 1;
		fd = open_temporary(store, temporary);
		if (fd < 0)
			return error_errno(err, errno, "%s/%s", store->path, temporary);
		if (lock_file(store, temporary, fd, err) < 0)
			return error_wrap(err, "%s/%s", store->path, temporary);
		current = is_current(store, temporary, fd);
		if (current < 0)
			return error_errno(err, errno, "%s/%s", store->path, temporary);
		if (!current)
			continue;
		if (keep_existing && path_exists(store->fd, final)) {
			unlinkat(store->fd, temporary, 0);
			return 1;
		}
		if (!resume && ftruncate(fd, 0) < 0)
			return error_errno(err, errno, "%s/%s", store->path, temporary);
		*staged = (struct staged){.fd = steal_fd(&fd),
					  .temporary = STEAL(temporary),
					  .final = xstrdup(final),
					  .store = store};
		return 0;
	}
}

int staged_begin(struct staged *staged, const struct store *store, const char *final,
		 bool keep_existing, ducc_error **err)
{
	return begin(staged, store, final, keep_existing, false, err);
}

int staged_resume(struct staged *staged, const struct store *store, const char *final,
		  ducc_error **err)
{
	return begin(staged, store, final, true, true, err);
}

/* True for a partial download that may be resumed. */
static bool is_resumable(int fd, const char *name)
{
	struct stat st;

	return !strncmp(name, "blobs-", 6) && !fstat(fd, &st) && st.st_size > 0 &&
	       st.st_mtime > clock_now().tv_sec - DOWNLOAD_LIFE;
}

void store_sweep(struct store *store)
{
	AUTO_ENTRIES entries = entries_open(store->fd, "tmp");
	const char *name;

	while ((name = entries_next(&entries))) {
		AUTO_FREE char *path = format("tmp/%s", name);
		AUTO_CLOSE int file = path_open_file(store->fd, path);

		/* Once it holds the lock, a writer checks that the file still has its name: so do we. */
		if (file >= 0 && !flock(file, LOCK_EX | LOCK_NB) &&
		    is_current(store, path, file) > 0 && !is_resumable(file, name))
			unlinkat(store->fd, path, 0);
	}
}

static int sync_parent(int root, const char *path)
{
	const char *name;
	AUTO_CLOSE int parent = path_open_parent(root, path, &name);

	return parent < 0 ? -1 : fsync(parent);
}

static void staged_end(struct staged *staged)
{
	cleanup_close(&staged->fd);
	free(staged->temporary);
	free(staged->final);
	*staged = (struct staged)STAGED_NONE;
}

/* Gives the file its final name, in the place of anything that has it. */
static int rename_staged(const struct staged *staged)
{
	int root = staged->store->fd;

	if (!renameat(root, staged->temporary, root, staged->final))
		return 0;
	if (errno != EISDIR)
		return -1;
	store_discard(staged->store, staged->final, -1, "not a regular file");
	return renameat(root, staged->temporary, root, staged->final);
}

int staged_commit(struct staged *staged, ducc_error **err)
{
	bool renamed = !fsync(staged->fd) && !rename_staged(staged);
	int result = renamed ? sync_parent(staged->store->fd, staged->final) : -1;

	if (result < 0)
		error_errno(err, errno, "%s/%s", staged->store->path, staged->final);
	if (renamed) /* the name in tmp/ may be that of the next writer's file by now */
		staged_end(staged);
	else
		staged_discard(staged);
	return result;
}

void staged_leave(struct staged *staged)
{
	staged_end(staged);
}

void staged_discard(struct staged *staged)
{
	if (staged->fd < 0)
		return;
	unlinkat(staged->store->fd, staged->temporary, 0);
	staged_end(staged);
}

int store_replace(const struct store *store, const char *final, const void *data, size_t len,
		  ducc_error **err)
{
	AUTO_STAGED staged = STAGED_NONE;

	if (staged_begin(&staged, store, final, false, err) < 0)
		return -1;
	if (write_all(staged.fd, data, len) < 0)
		return error_errno(err, errno, "%s/%s", store->path, staged.temporary);
	return staged_commit(&staged, err);
}
