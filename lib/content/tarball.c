/* Writing a plain tar: see tarball.h. */
#include "content/tarball.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "content/c_locale.h"

#define BUFFER_SIZE ((size_t)256 << 10)

struct tarball {
	struct archive *archive;
	struct archive_entry *entry;
	int fd; /* unless write() is given */
	int (*write)(void *ctx, const void *data, size_t len, ducc_error **err);
	void *ctx;
	ducc_error *error; /* from write() */
	int code;          /* errno of a failed write */
	char *directory;   /* prefix of all names, with a trailing slash; or "" */
	uint64_t offset;   /* of the next byte, including buffered ones */
	uint64_t written;  /* bytes written from the buffer */
	char *buffer;
	size_t len;
	bool abandoned;
};

static int put(struct tarball *tarball, const void *data, size_t len)
{
	if (tarball->write)
		return len ? tarball->write(tarball->ctx, data, len, &tarball->error) : 0;
	if (write_all(tarball->fd, data, len) < 0)
		return -1;
	write_behind(tarball->fd, tarball->written, tarball->written + len);
	tarball->written += len;
	return 0;
}

static int flush_buffer(struct tarball *tarball)
{
	if (put(tarball, tarball->buffer, tarball->len) < 0)
		return -1;
	tarball->len = 0;
	return 0;
}

static la_ssize_t on_write(struct archive *archive, void *ctx, const void *data, size_t len)
{
	struct tarball *tarball = ctx;

	if (tarball->abandoned)
		return -1;
	if (tarball->len + len > BUFFER_SIZE && flush_buffer(tarball) < 0)
		goto failed;
	if (len >= BUFFER_SIZE / 2) {
		if (flush_buffer(tarball) < 0 || put(tarball, data, len) < 0)
			goto failed;
	} else {
		memcpy(tarball->buffer + tarball->len, data, len);
		tarball->len += len;
	}
	tarball->offset += len;
	return (la_ssize_t)len;
failed:
	tarball->code = errno;
	archive_set_error(archive, errno, "%s", strerror(errno));
	return -1;
}

static int failed(struct tarball *tarball, ducc_error **err)
{
	if (tarball->error)
		return error_give(err, STEAL(tarball->error));
	if (tarball->code)
		return error_errno(err, tarball->code, "write");
	return error_set(err, "write: %s", archive_error_string(tarball->archive));
}

struct tarball *tarball_new(int fd, const char *directory)
{
	struct tarball *tarball = xcalloc(1, sizeof(*tarball));

	tarball->fd = fd;
	tarball->directory = format("%s%s", directory, *directory ? "/" : "");
	tarball->buffer = xmalloc(BUFFER_SIZE);
	tarball->entry = xalloc(archive_entry_new());
	tarball->archive = xalloc(archive_write_new());
	/* Unblocked, so that offsets match the file. */
	if (archive_write_set_format_pax_restricted(tarball->archive) != ARCHIVE_OK ||
	    archive_write_set_options(tarball->archive, "xattrheader=SCHILY") != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(tarball->archive, 0) != ARCHIVE_OK ||
	    archive_write_open(tarball->archive, tarball, NULL, on_write, NULL) != ARCHIVE_OK)
		out_of_memory();
	return tarball;
}

struct tarball *tarball_to(int (*write)(void *ctx, const void *data, size_t len, ducc_error **err),
			   void *ctx, const char *directory)
{
	struct tarball *tarball = tarball_new(-1, directory);

	tarball->write = write;
	tarball->ctx = ctx;
	return tarball;
}

struct tarball *tarball_resume(int fd, const char *directory, uint64_t offset, ducc_error **err)
{
	struct tarball *tarball;

	if (ftruncate(fd, (off_t)offset) < 0 || lseek(fd, (off_t)offset, SEEK_SET) < 0) {
		error_errno(err, errno, "seek");
		return NULL;
	}
	tarball = tarball_new(fd, directory);
	tarball->offset = tarball->written = offset;
	return tarball;
}

struct tarball *tarball_append(int fd, const char *directory, ducc_error **err)
{
	off_t end = lseek(fd, -TAR_TRAILER, SEEK_END);

	if (end < 0) {
		error_errno(err, errno, "seek");
		return NULL;
	}
	return tarball_resume(fd, directory, (uint64_t)end, err);
}

int tarball_entry(struct tarball *tarball, const char *path, const struct file *file,
		  const char *hardlink, ducc_error **err)
{
	PLAIN_BYTES;
	AUTO_FREE char *name = format("%s%s", tarball->directory, path);
	struct archive_entry *entry = archive_entry_clear(tarball->entry);

	archive_entry_copy_pathname(entry, name);
	archive_entry_set_mode(entry, file->mode);
	archive_entry_set_uid(entry, file->uid);
	archive_entry_set_gid(entry, file->gid);
	archive_entry_set_mtime(entry, file->mtime, file->mtime_nsec);
	if (hardlink) {
		archive_entry_copy_hardlink(entry, hardlink);
	} else {
		if (S_ISREG(file->mode))
			archive_entry_set_size(entry, (la_int64_t)file->size);
		if (S_ISLNK(file->mode))
			archive_entry_copy_symlink(entry, file->target);
		if (S_ISCHR(file->mode) || S_ISBLK(file->mode)) {
			archive_entry_set_rdevmajor(entry, file->major);
			archive_entry_set_rdevminor(entry, file->minor);
		}
		for (size_t i = 0; i < file->n_xattrs; i++) {
			const struct xattr *xattr = &file->xattrs[i];

			archive_entry_xattr_add_entry(entry, xattr->name, xattr->value, xattr->len);
		}
	}
	/* ARCHIVE_WARN: the header was written, but not as plain ustar. */
	if (archive_write_header(tarball->archive, entry) < ARCHIVE_WARN)
		return failed(tarball, err);
	return 0;
}

int tarball_data(struct tarball *tarball, const void *data, size_t len, ducc_error **err)
{
	if (archive_write_data(tarball->archive, data, len) != (la_ssize_t)len)
		return failed(tarball, err);
	return 0;
}

int tarball_sink(void *ctx, const void *data, size_t len, ducc_error **err)
{
	return tarball_data(ctx, data, len, err);
}

int tarball_whiteout(struct tarball *tarball, const char *path, ducc_error **err)
{
	struct file whiteout = {.mode = S_IFCHR};

	return tarball_entry(tarball, path, &whiteout, NULL, err);
}

uint64_t tarball_offset(const struct tarball *tarball)
{
	return tarball->offset;
}

static int flush(struct tarball *tarball, ducc_error **err)
{
	if (!flush_buffer(tarball))
		return 0;
	return tarball->error ? failed(tarball, err) : error_errno(err, errno, "write");
}

int tarball_flush(struct tarball *tarball, ducc_error **err)
{
	/* libarchive pads an entry when the next one begins. */
	if (archive_write_finish_entry(tarball->archive) != ARCHIVE_OK)
		return failed(tarball, err);
	return flush(tarball, err);
}

int tarball_finish(struct tarball *tarball, ducc_error **err)
{
	if (archive_write_close(tarball->archive) != ARCHIVE_OK)
		return failed(tarball, err);
	return flush(tarball, err);
}

void tarball_free(struct tarball *tarball)
{
	if (!tarball)
		return;
	/* If the tar is not finished, libarchive would pad the last entry with zeros. */
	tarball->abandoned = true;
	archive_write_free(tarball->archive);
	archive_entry_free(tarball->entry);
	ducc_error_free(tarball->error);
	free(tarball->directory);
	free(tarball->buffer);
	free(tarball);
}
