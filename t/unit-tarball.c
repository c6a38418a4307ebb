/* Tars as written: every field at its limits and beyond, read again by us and by libarchive, as CernVM-FS does. */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "content/tar_reader.h"
#include "content/tarball.h"
#include "tap.h"

#define SIZE_FIELD ((uint64_t)077777777777)
#define DIRECTORY ".layers/xx"

static char *name_of(size_t len, char c)
{
	AUTO_BUFFER name = {0};

	while (name.len < len)
		buffer_addc(&name, c);
	for (size_t i = 85; i + 1 < len; i += 90)
		name.data[i] = '/';
	return buffer_steal(&name);
}

/* Writes an entry without its content into a new file. */
static int write_entry(const char *path, const struct file *file, const char *link)
{
	int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	AUTO_TARBALL *tarball = tarball_new(fd, DIRECTORY);

	if (fd < 0 || tarball_entry(tarball, path, file, link, NULL) < 0)
		return -1;
	if (!file->size || link)
		return tarball_finish(tarball, NULL) < 0 ? -1 : fd;
	/* Enough of it that the header is written. */
	for (int i = 0; i < 1024; i++)
		if (tarball_data(tarball, (char[TAR_BLOCK]){0}, TAR_BLOCK, NULL) < 0)
			return -1;
	return fd;
}

static void read_by_libarchive(int fd, const struct tar_entry *want, const char *title)
{
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;

	archive_read_support_format_tar(archive);
	if (lseek(fd, 0, SEEK_SET) < 0 || archive_read_open_fd(archive, fd, TAR_BLOCK) ||
	    archive_read_next_header(archive, &entry)) {
		ok(0, "%s: libarchive can read it", title);
	} else {
		const char *link = want->is_hard_link ? archive_entry_hardlink(entry)
						      : archive_entry_symlink(entry);

		is_string(archive_entry_pathname(entry), want->name, title);
		is_string(link ? link : "", want->link ? want->link : "", "... its target");
		ok(archive_entry_uid(entry) == want->uid && archive_entry_gid(entry) == want->gid &&
			   archive_entry_size(entry) == (int64_t)want->size &&
			   archive_entry_mtime(entry) == want->mtime,
		   "... its numbers");
	}
	archive_read_free(archive);
}

/* Writes and reads it, and compares all that there is; libarchive takes times before 1970 for others. */
static void entry(const char *path, const struct file *file, const char *link, const char *title)
{
	AUTO_CLOSE int fd = write_entry(path, file, link);
	AUTO_TAR_READER *reader = tar_reader_file(fd, 0, TAR_HEADER_LIMIT);
	AUTO_FREE char *name = format(DIRECTORY "/%s%s", path, S_ISDIR(file->mode) ? "/" : "");
	const char *target = link ? link : file->target;
	const struct tar_entry *got;
	struct tar_entry copy;

	if (fd < 0 || tar_reader_next(reader, &got, NULL) != 1) {
		ok(0, "%s", title);
		return;
	}
	copy = *got;
	is_string(got->name, name, title);
	if (target)
		is_string(got->link, target, "... and its target");
	ok(got->uid == file->uid && got->gid == file->gid && got->mtime == file->mtime &&
		   got->mtime_nsec == file->mtime_nsec && got->is_hard_link == (link != NULL) &&
		   got->size == (link ? 0 : file->size) && (link || got->mode == file->mode) &&
		   got->major == file->major && got->minor == file->minor &&
		   got->n_xattrs == file->n_xattrs,
	   "... and all numbers");
	if (got->n_xattrs && file->xattrs)
		ok(!strcmp(got->xattrs[0].name, file->xattrs[0].name) &&
			   got->xattrs[0].len == file->xattrs[0].len &&
			   !memcmp(got->xattrs[0].value, file->xattrs[0].value,
				   file->xattrs[0].len),
		   "... and the attribute");
	if (file->mtime >= 0)
		read_by_libarchive(fd, &copy, "libarchive reads the same name");
}

static void names(void)
{
	struct file regular = {.mode = S_IFREG | 06755}, directory = {.mode = S_IFDIR | 01777};
	/* The name is in one field, divided, in a record; so is the target of a link. */
	size_t lengths[] = {1, 88, 89, 90, 91, 144, 145, 174, 175, 176, 200, 244, 245, 246, 4000};

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		AUTO_FREE char *name = name_of(lengths[i], 'n'), *link = name_of(lengths[i], 'l');
		AUTO_FREE char *bytes = name_of(lengths[i], '\xfe');
		AUTO_FREE char *title = format("a name of %zu bytes", lengths[i]);

		entry(name, &regular, NULL, title);
		entry(name, &directory, NULL, "... a directory");
		entry(name, &regular, link, "... a hard link");
		entry(name, &(struct file){.mode = S_IFLNK | 0777, .target = link}, NULL,
		      "... a symbolic link");
		entry(bytes, &regular, bytes, "... none of it UTF-8");
	}
}

static void numbers(void)
{
	char value[] = "a\0\n=";
	struct xattr xattr = {"user.\xfe", value, sizeof(value) - 1};
	int64_t times[] = {0, 1, (int64_t)SIZE_FIELD, (int64_t)SIZE_FIELD + 1, -1, -2, -123456789};
	uint32_t fractions[] = {0, 1, 250000000, 999999999};

	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		for (size_t k = 0; k < ARRAY_LEN(fractions); k++) {
			AUTO_FREE char *title = format("the time %" PRId64 " s and %" PRIu32 " ns",
						       times[i], fractions[k]);

			entry("f",
			      &(struct file){.mode = S_IFREG | 0600,
					     .mtime = times[i],
					     .mtime_nsec = fractions[k]},
			      NULL, title);
		}
	entry("f", &(struct file){.mode = S_IFREG, .uid = 07777777, .gid = 07777777}, NULL,
	      "the largest owner in a header");
	entry("f", &(struct file){.mode = S_IFREG, .uid = 010000000, .gid = UINT32_MAX}, NULL,
	      "larger ones");
	entry("f", &(struct file){.mode = S_IFREG, .size = SIZE_FIELD}, NULL,
	      "the largest size in a header");
	entry("f", &(struct file){.mode = S_IFREG, .size = SIZE_FIELD + 1}, NULL, "a larger one");
	entry("d", &(struct file){.mode = S_IFBLK | 0660, .major = 0xfff, .minor = 0xfffff}, NULL,
	      "a device");
	entry("p", &(struct file){.mode = S_IFIFO | 0600}, NULL, "a FIFO");
	entry("f", &(struct file){.mode = S_IFREG, .xattrs = &xattr, .n_xattrs = 1}, NULL,
	      "an extended attribute of any bytes");
}

/* The length of a record includes its own digits. */
static void records(void)
{
	for (size_t len = 70; len<1100; len += len> 110 && len < 970 ? 430 : 1) {
		AUTO_FREE char *value = name_of(len, 'v');
		struct xattr xattr = {"user.v", value, len};
		struct file file = {.mode = S_IFREG, .xattrs = &xattr, .n_xattrs = 1};
		AUTO_CLOSE int fd = write_entry("f", &file, NULL);
		AUTO_TAR_READER *reader = tar_reader_file(fd, 0, TAR_HEADER_LIMIT);
		const struct tar_entry *got;

		ok(tar_reader_next(reader, &got, NULL) == 1 && got->n_xattrs == 1 &&
			   got->xattrs[0].len == len,
		   "an attribute of %zu bytes", len);
	}
}

static void incomplete(void)
{
	struct file file = {.mode = S_IFREG, .size = 3};
	AUTO_CLOSE int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	AUTO_TARBALL *tarball = tarball_new(fd, DIRECTORY);

	ok(!tarball_entry(tarball, "f", &file, NULL, NULL) && !tarball_data(tarball, "ab", 2, NULL),
	   "a part of the content");
	ok(tarball_flush(tarball, NULL) < 0 && tarball_finish(tarball, NULL) < 0 &&
		   tarball_entry(tarball, "g", &file, NULL, NULL) < 0,
	   "... is not the end of the entry");
	ok(tarball_data(tarball, "cd", 2, NULL) < 0, "... and more than its size is refused");
	ok(!tarball_data(tarball, "c", 1, NULL) && !tarball_flush(tarball, NULL) &&
		   lseek(fd, 0, SEEK_END) == 2 * TAR_BLOCK,
	   "the rest completes it, to whole blocks");
}

int main(void)
{
	names();
	numbers();
	records();
	incomplete();
	return done_testing();
}
