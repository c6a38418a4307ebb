/* Writing a plain tar: see tarball.h. */
#include "content/tarball.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "content/tar_header.h"

#define BUFFER_SIZE ((size_t)256 << 10)
#define NANOSECONDS 1000000000

struct tarball {
	int fd; /* unless write() is given */
	int (*write)(void *ctx, const void *data, size_t len, ducc_error **err);
	void *ctx;
	char *directory;  /* prefix of all names, with a trailing slash; or "" */
	uint64_t offset;  /* of the next byte, including buffered ones */
	uint64_t written; /* bytes written from the buffer */
	uint64_t left;    /* bytes of content that must follow */
	char *buffer;
	size_t len;
	struct buffer name, records; /* of the current entry; records: its pax header */
};

/* --- output ----------------------------------------------------------- */

static int put(struct tarball *tarball, const void *data, size_t len, ducc_error **err)
{
	if (tarball->write)
		return len ? tarball->write(tarball->ctx, data, len, err) : 0;
	if (write_all(tarball->fd, data, len) < 0)
		return error_errno(err, errno, "write");
	write_behind(tarball->fd, tarball->written, tarball->written + len);
	tarball->written += len;
	return 0;
}

static int flush_buffer(struct tarball *tarball, ducc_error **err)
{
	if (put(tarball, tarball->buffer, tarball->len, err) < 0)
		return -1;
	tarball->len = 0;
	return 0;
}

static int add(struct tarball *tarball, const void *data, size_t len, ducc_error **err)
{
	if (tarball->len + len > BUFFER_SIZE && flush_buffer(tarball, err) < 0)
		return -1;
	if (len >= BUFFER_SIZE / 2) {
		if (flush_buffer(tarball, err) < 0 || put(tarball, data, len, err) < 0)
			return -1;
	} else if (len) {
		memcpy(tarball->buffer + tarball->len, data, len);
		tarball->len += len;
	}
	tarball->offset += len;
	return 0;
}

/* Fills the last block of `size` bytes. */
static int add_padding(struct tarball *tarball, uint64_t size, ducc_error **err)
{
	static const char zeros[TAR_BLOCK];

	return add(tarball, zeros, (size_t)(-size % TAR_BLOCK), err);
}

/* --- headers ---------------------------------------------------------- */

/* A record of the extended header: "LENGTH KEY=VALUE\n", where the length includes itself. */
static void add_record(struct tarball *tarball, const char *key, const char *value, size_t len)
{
	size_t rest = strlen(key) + len + strlen(" =\n"), digits = 1;

	for (size_t limit = 10; rest + digits >= limit; limit *= 10)
		digits++;
	buffer_addf(&tarball->records, "%zu %s=", rest + digits, key);
	buffer_add(&tarball->records, value, len);
	buffer_addc(&tarball->records, '\n');
}

/* The same for a name, which need not be UTF-8. */
static void add_name_record(struct tarball *tarball, const char *key, const char *name, size_t len)
{
	static const char charset[] = "hdrcharset", binary[] = "BINARY";
	size_t i = 0;

	while (i < len && !(name[i] & 0x80))
		i++;
	if (i < len)
		add_record(tarball, charset, binary, strlen(binary));
	add_record(tarball, key, name, len);
}

/* Sets an octal field; false if the number does not fit. */
static bool set_octal(char *field, size_t len, uint64_t number)
{
	for (size_t i = len - 1; i--; number >>= 3)
		field[i] = (char)('0' + (number & 7));
	return !number;
}

#define SET_OCTAL(field, number) set_octal(field, sizeof(field), number)

/* The same, with a record for a number that does not fit. */
static void set_number(struct tarball *tarball, char *field, size_t len, const char *key,
		       uint64_t number)
{
	AUTO_FREE char *text = NULL;

	if (set_octal(field, len, number))
		return;
	set_octal(field, len, 0);
	text = format("%" PRIu64, number);
	add_record(tarball, key, text, strlen(text));
}

#define SET_NUMBER(tarball, header, field, number)                                                 \
	set_number(tarball, (header)->field, sizeof((header)->field), #field, number)

/* Nanoseconds count forward, also before 1970. */
static void set_time(struct tarball *tarball, struct tar_header *header, int64_t seconds,
		     uint32_t nanoseconds)
{
	bool back = seconds < 0 && nanoseconds;
	AUTO_FREE char *text = NULL;

	if (seconds >= 0 && !nanoseconds && SET_OCTAL(header->mtime, (uint64_t)seconds))
		return;
	if (seconds < 0 || !SET_OCTAL(header->mtime, (uint64_t)seconds))
		SET_OCTAL(header->mtime, 0);
	if (back) {
		seconds++;
		nanoseconds = NANOSECONDS - nanoseconds;
	}
	text = format("%s%" PRId64 ".%09" PRIu32, back && !seconds ? "-" : "", seconds,
		      nanoseconds);
	if (!nanoseconds)
		*strchr(text, '.') = '\0';
	add_record(tarball, "mtime", text, strlen(text));
}

/* The name may be divided at a slash, into the fields `prefix' and `name'. */
static bool set_name(struct tar_header *header, const char *name, size_t len)
{
	size_t least = len > sizeof(header->name) ? len - sizeof(header->name) - 1 : 0;
	const char *slash;

	if (len <= sizeof(header->name)) {
		memcpy(header->name, name, len);
		return true;
	}
	slash = least > sizeof(header->prefix)
			? NULL
			: memchr(name + least, '/', sizeof(header->prefix) + 1 - least);
	if (!slash || slash >= name + len - 1)
		return false;
	memcpy(header->prefix, name, (size_t)(slash - name));
	memcpy(header->name, slash + 1, (size_t)(name + len - slash - 1));
	return true;
}

/* Sets a name, or the beginning of a longer one, for which there is a record. */
static void set_names(struct tarball *tarball, struct tar_header *header, const char *link)
{
	const struct buffer *name = &tarball->name;
	size_t len = link ? strlen(link) : 0;

	if (!set_name(header, name->data, name->len)) {
		memcpy(header->name, name->data, sizeof(header->name));
		add_name_record(tarball, "path", name->data, name->len);
	}
	if (len > sizeof(header->link))
		add_name_record(tarball, "linkpath", link, len);
	if (len)
		memcpy(header->link, link, len < sizeof(header->link) ? len : sizeof(header->link));
}

static char type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFLNK:
		return '2';
	case S_IFCHR:
		return '3';
	case S_IFBLK:
		return '4';
	case S_IFDIR:
		return '5';
	case S_IFIFO:
		return '6';
	default:
		return '0';
	}
}

static int add_header(struct tarball *tarball, struct tar_header *header, ducc_error **err)
{
	const unsigned char *bytes = (const unsigned char *)header;
	unsigned sum = 0;

	memcpy(header->magic,
	       "ustar\0"
	       "00",
	       sizeof(header->magic));
	memset(header->checksum, ' ', sizeof(header->checksum));
	for (size_t i = 0; i < sizeof(*header); i++)
		sum += bytes[i];
	set_octal(header->checksum, sizeof(header->checksum) - 1, sum);
	header->checksum[sizeof(header->checksum) - 2] = '\0';
	return add(tarball, header, sizeof(*header), err);
}

/* Adds the extended header, if there are records for one. */
static int add_records(struct tarball *tarball, ducc_error **err)
{
	const struct buffer *records = &tarball->records;
	struct tar_header header = {.name = "././@PaxHeader", .type = 'x'};

	if (!records->len)
		return 0;
	SET_OCTAL(header.mode, 0644);
	SET_OCTAL(header.uid, 0);
	SET_OCTAL(header.gid, 0);
	SET_OCTAL(header.mtime, 0);
	SET_OCTAL(header.size, records->len); /* far below its limit */
	if (add_header(tarball, &header, err) < 0 ||
	    add(tarball, records->data, records->len, err) < 0)
		return -1;
	return add_padding(tarball, records->len, err);
}

struct tarball *tarball_new(int fd, const char *directory)
{
	struct tarball *tarball = xcalloc(1, sizeof(*tarball));

	tarball->fd = fd;
	tarball->directory = format("%s%s", directory, *directory ? "/" : "");
	tarball->buffer = xmalloc(BUFFER_SIZE);
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

/* Sets what the type of the entry requires: the numbers of a device, the size of a file. */
static void set_type(struct tarball *tarball, struct tar_header *header, const struct file *file)
{
	bool is_device = S_ISCHR(file->mode) || S_ISBLK(file->mode);

	header->type = type_of(file->mode);
	SET_OCTAL(header->major, is_device ? file->major : 0);
	SET_OCTAL(header->minor, is_device ? file->minor : 0);
	tarball->left = S_ISREG(file->mode) ? file->size : 0;
}

static void add_xattrs(struct tarball *tarball, const struct file *file)
{
	for (size_t i = 0; i < file->n_xattrs; i++) {
		const struct xattr *xattr = &file->xattrs[i];
		AUTO_FREE char *key = format("SCHILY.xattr.%s", xattr->name);

		add_record(tarball, key, xattr->value, xattr->len);
	}
}

int tarball_entry(struct tarball *tarball, const char *path, const struct file *file,
		  const char *hardlink, ducc_error **err)
{
	struct tar_header header = {.name = ""};
	struct buffer *name = &tarball->name;

	if (tarball->left)
		return error_set(err, "%s: the entry before it is incomplete", path);
	buffer_reset(name);
	buffer_reset(&tarball->records);
	buffer_adds(name, tarball->directory);
	buffer_adds(name, path);
	if (S_ISDIR(file->mode) && !hardlink && name->len && name->data[name->len - 1] != '/')
		buffer_addc(name, '/');
	set_names(tarball, &header,
		  hardlink              ? hardlink
		  : S_ISLNK(file->mode) ? file->target
					: NULL);
	if (hardlink)
		header.type = '1';
	else
		set_type(tarball, &header, file);
	SET_OCTAL(header.mode, file->mode & 07777);
	SET_NUMBER(tarball, &header, uid, file->uid);
	SET_NUMBER(tarball, &header, gid, file->gid);
	SET_NUMBER(tarball, &header, size, tarball->left);
	set_time(tarball, &header, file->mtime, file->mtime_nsec);
	if (!hardlink)
		add_xattrs(tarball, file);
	return add_records(tarball, err) < 0 ? -1 : add_header(tarball, &header, err);
}

int tarball_data(struct tarball *tarball, const void *data, size_t len, ducc_error **err)
{
	if (len > tarball->left)
		return error_set(err, "more content than its size");
	tarball->left -= len;
	if (add(tarball, data, len, err) < 0)
		return -1;
	return tarball->left ? 0 : add_padding(tarball, tarball->offset, err);
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

int tarball_flush(struct tarball *tarball, ducc_error **err)
{
	if (tarball->left)
		return error_set(err, "the last entry is incomplete");
	return flush_buffer(tarball, err);
}

int tarball_finish(struct tarball *tarball, ducc_error **err)
{
	static const char zeros[TAR_TRAILER];

	if (tarball->left)
		return error_set(err, "the last entry is incomplete");
	return add(tarball, zeros, sizeof(zeros), err) < 0 ? -1 : flush_buffer(tarball, err);
}

void tarball_free(struct tarball *tarball)
{
	if (!tarball)
		return;
	buffer_free(&tarball->name);
	buffer_free(&tarball->records);
	free(tarball->directory);
	free(tarball->buffer);
	free(tarball);
}
