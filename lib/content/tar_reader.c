/* Reading tar archives: see tar_reader.h. */
#include "content/tar_reader.h"

#include <inttypes.h>

#include "base/file.h"
#include "content/tar_header.h"
#include "content/tar_number.h"
#include "content/tar_sparse.h"

#define BLOCK TAR_HEADER_SIZE
/* Read of a file after content is left out: most likely, only a header is wanted there, too. */
#define PIECE_MIN ((size_t)4 << 10)

struct tar_reader {
	struct tar_source source;
	struct pieces pieces; /* tar_reader_file() */
	const char *data;     /* not yet consumed */
	size_t left;
	uint64_t offset; /* in the archive, of data */
	uint64_t first;  /* the offset of the first header of the entry */

	union {
		char block[BLOCK];
		struct tar_header header;
	};
	size_t header_size; /* of the entry's headers so far */
	size_t header_limit;

	uint64_t stored; /* bytes of content left in the archive */
	size_t padding;  /* after it */
	struct sparse_map map;
	size_t extent; /* the next or current one of the map */
	uint64_t done; /* bytes of the sparse file before the next piece */

	struct pax pax;
	struct buffer name, link, long_name, long_link, lines;
	struct tar_entry entry;
};

/* Adds where the header is to the error in *err. */
static int in_header(const struct tar_reader *reader, ducc_error **err)
{
	return error_wrap(err, "tar header at byte %" PRIu64, reader->entry.offset);
}

static int malformed(const struct tar_reader *reader, const char *what, ducc_error **err)
{
	error_set(err, "%s", what);
	return in_header(reader, err);
}

static int truncated(ducc_error **err)
{
	return error_set(err, "truncated tar archive");
}

/* --- bytes ------------------------------------------------------------ */

/* Gets more data if there are none: 1, 0 at the end, or -1. */
static int fill(struct tar_reader *reader, ducc_error **err)
{
	while (!reader->left) {
		const void *data;
		int result = reader->source.read(reader->source.ctx, &data, &reader->left, err);

		if (result <= 0) {
			reader->left = 0;
			return result;
		}
		reader->data = data;
	}
	return 1;
}

/* Gets a piece of up to `most` bytes, which are consumed: 1, 0 at the end, or -1. */
static int take(struct tar_reader *reader, uint64_t most, const void **data, size_t *len,
		ducc_error **err)
{
	int result = fill(reader, err);

	if (result <= 0)
		return result;
	*data = reader->data;
	*len = reader->left < most ? reader->left : (size_t)most;
	reader->data += *len;
	reader->left -= *len;
	reader->offset += *len;
	return 1;
}

/* Copies up to `len` bytes; returns how many there were, or -1. */
static ssize_t take_all(struct tar_reader *reader, char *to, size_t len, ducc_error **err)
{
	size_t done = 0;

	while (done < len) {
		const void *data;
		size_t n;
		int result = take(reader, len - done, &data, &n, err);

		if (result < 0)
			return -1;
		if (!result)
			break;
		memcpy(to + done, data, n);
		done += n;
	}
	return (ssize_t)done;
}

/* Reads a block of a header: 1, 0 at the end, or -1. */
static int take_block(struct tar_reader *reader, ducc_error **err)
{
	ssize_t n = take_all(reader, reader->block, BLOCK, err);

	if (n == 0 || n == BLOCK)
		return n ? 1 : 0;
	if (n < 0)
		return -1;
	return reader->offset < BLOCK ? error_set(err, "not a tar archive") : truncated(err);
}

/* Leaves out `n` bytes of a file without reading them, unless some are read ahead; returns how many. */
static uint64_t leave_out(struct tar_reader *reader, uint64_t n)
{
	struct pieces *pieces = &reader->pieces;

	if (!pieces->data || reader->left || pieces->offset > INT64_MAX ||
	    n > INT64_MAX - pieces->offset)
		return 0;
	pieces->offset += n;
	pieces->most = PIECE_MIN;
	reader->offset += n;
	return n;
}

/* Skips `left` bytes: 1, 0 if the archive ends before, or -1. */
static int skip(struct tar_reader *reader, uint64_t left, ducc_error **err)
{
	while (left) {
		const void *data;
		size_t len;
		int result;

		left -= leave_out(reader, left - 1); /* the last byte shows that all are there */
		result = take(reader, left, &data, &len, err);
		if (result <= 0)
			return result;
		left -= len;
	}
	return 1;
}

/* Skips what is left of the content and its padding; 0 if the archive ends in the padding. */
static int skip_content(struct tar_reader *reader, ducc_error **err)
{
	int result = skip(reader, reader->stored, err);

	if (!result)
		return truncated(err);
	if (result > 0)
		result = skip(reader, reader->padding, err);
	reader->stored = reader->padding = 0;
	return result;
}

/* --- a header --------------------------------------------------------- */

/* Links, devices, directories and FIFOs are headers without content. */
static bool is_header_only(char type)
{
	return type >= '1' && type <= '6';
}

static int set_size(struct tar_reader *reader, int64_t size, ducc_error **err)
{
	if (is_header_only(reader->header.type))
		size = 0;
	if (size < 0)
		return malformed(reader, "negative size", err);
	reader->stored = reader->entry.size = (uint64_t)size;
	reader->padding = (size_t)(-size & (BLOCK - 1));
	return 0;
}

/* Decodes the header in the block. */
static int decode_header(struct tar_reader *reader, ducc_error **err)
{
	struct tar_numbers numbers;

	if (!tar_header_has_checksum(&reader->header))
		return reader->offset == BLOCK ? error_set(err, "not a tar archive")
					       : malformed(reader, "wrong checksum", err);
	if (!tar_header_numbers(&reader->header, &numbers))
		return malformed(reader, "malformed number", err);
	tar_header_name(&reader->header, &reader->name);
	tar_header_link(&reader->header, &reader->link);
	reader->entry = (struct tar_entry){.name = reader->name.data,
					   .link = reader->link.data,
					   .mode = (mode_t)numbers.mode & 07777,
					   .uid = numbers.uid,
					   .gid = numbers.gid,
					   .mtime = numbers.mtime,
					   .major = numbers.major,
					   .minor = numbers.minor,
					   .offset = reader->entry.offset};
	return set_size(reader, numbers.size, err);
}

static int charge_header(struct tar_reader *reader, uint64_t size, ducc_error **err)
{
	if (size > reader->header_limit - reader->header_size)
		return error_set(err, "header of more than %zu bytes", reader->header_limit);
	reader->header_size += (size_t)size;
	return 0;
}

/* Reads and decodes a header: 1, 0 at the end of the archive, or -1. */
static int read_header(struct tar_reader *reader, ducc_error **err)
{
	int result = take_block(reader, err);

	if (result <= 0)
		return result;
	if (tar_header_is_zero(&reader->header)) {
		result = take_block(reader, err);
		if (result <= 0 || tar_header_is_zero(&reader->header))
			return result < 0 ? -1 : 0;
		reader->entry.offset += BLOCK;
		return malformed(reader, "preceded by a lone zero block", err);
	}
	if (charge_header(reader, BLOCK, err) < 0 || decode_header(reader, err) < 0)
		return -1;
	return 1;
}

/* --- headers before that of an entry ---------------------------------- */

/* Reads the whole content of such a header. */
static int read_text(struct tar_reader *reader, struct buffer *text, ducc_error **err)
{
	size_t len = (size_t)reader->stored;
	ssize_t n;

	if (charge_header(reader, reader->stored, err) < 0)
		return -1;
	buffer_reset(text);
	n = take_all(reader, buffer_extend(text, len), len, err);
	reader->stored = 0;
	if (n < 0)
		return -1;
	return (size_t)n == len ? 0 : truncated(err);
}

static int read_pax(struct tar_reader *reader, ducc_error **err)
{
	pax_reset(&reader->pax);
	if (read_text(reader, &reader->pax.text, err) < 0)
		return -1;
	return pax_parse(&reader->pax, err) < 0 ? in_header(reader, err) : 0;
}

/* A global header must be well-formed, and has no effect. */
static int ignore_global(struct tar_reader *reader, bool extended, ducc_error **err)
{
	if (extended)
		return malformed(reader, "extended header before a global one", err);
	if (read_pax(reader, err) < 0)
		return -1;
	pax_reset(&reader->pax);
	return 0;
}

/* Reads the header if it extends the next one: 1, 0 if it is that of an entry, or -1. */
static int read_extension(struct tar_reader *reader, bool *extended, ducc_error **err)
{
	int result;

	switch (reader->header.type) {
	case 'x':
		result = read_pax(reader, err);
		break;
	case 'L':
		result = read_text(reader, &reader->long_name, err);
		break;
	case 'K':
		result = read_text(reader, &reader->long_link, err);
		break;
	case 'g':
		return ignore_global(reader, *extended, err) < 0 ? -1 : 1;
	default:
		return 0;
	}
	*extended = true;
	return result < 0 ? -1 : 1;
}

/* --- sparse files ----------------------------------------------------- */

/* Adds the pieces in the header, and in the blocks after it that continue it. */
static int read_gnu_map(struct tar_reader *reader, ducc_error **err)
{
	const char *fields = reader->header.gnu.sparse, *more = &reader->header.gnu.extended;
	size_t n = SPARSE_FIELDS;
	const char *real = reader->header.gnu.size;
	int64_t size;

	if (tar_header_format(&reader->header) != TAR_GNU ||
	    !tar_number_field(real, sizeof(reader->header.gnu.size), &size) || size < 0)
		return error_set(err, "malformed number");
	reader->entry.size = (uint64_t)size;
	for (;;) {
		int result;

		if (sparse_add_fields(&reader->map, fields, n, err) < 0)
			return -1;
		if (!*more)
			return 0;
		if (charge_header(reader, BLOCK, err) < 0)
			return -1;
		result = take_block(reader, err);
		if (result <= 0)
			return result < 0 ? -1 : truncated(err);
		fields = reader->block;
		n = SPARSE_FIELDS_MORE;
		more = fields + n * SPARSE_FIELD_SIZE;
	}
}

/* Takes the next number of a map that precedes the content, in lines; *done bytes are parsed. */
static int take_line(struct tar_reader *reader, size_t *done, int64_t *value, ducc_error **err)
{
	struct buffer *lines = &reader->lines;
	size_t len = 0;

	for (;;) {
		const char *line = lines->data + *done, *end;
		ssize_t n;

		end = memchr(line + len, '\n', lines->len - *done - len);
		if (end) {
			*done += (size_t)(end - line) + 1;
			return tar_number_decimal(line, (size_t)(end - line), value)
				       ? 0
				       : error_set(err, "sparse file: malformed map");
		}
		len = lines->len - *done;
		if (reader->stored < BLOCK)
			return error_set(err, "sparse file: malformed map");
		if (charge_header(reader, BLOCK, err) < 0)
			return -1;
		n = take_all(reader, buffer_extend(lines, BLOCK), BLOCK, err);
		if (n < BLOCK)
			return n < 0 ? -1 : truncated(err);
		reader->stored -= BLOCK;
	}
}

/* Reads the map of pax's format 1.0, which begins the content and takes whole blocks. */
static int read_lines_map(struct tar_reader *reader, ducc_error **err)
{
	size_t done = 0;
	int64_t n, offset, len;

	buffer_reset(&reader->lines);
	buffer_adds(&reader->lines, "");
	if (take_line(reader, &done, &n, err) < 0)
		return -1;
	if (n < 0)
		return error_set(err, "sparse file: malformed map");
	for (; n; n--)
		if (take_line(reader, &done, &offset, err) < 0 ||
		    take_line(reader, &done, &len, err) < 0 ||
		    sparse_add(&reader->map, offset, len, err) < 0)
			return -1;
	return 0;
}

/* Reads the map that the pax header describes, and its size and name. */
static int read_pax_map(struct tar_reader *reader, bool lines, ducc_error **err)
{
	const char *const *values = reader->pax.values;
	const char *text =
		values[PAX_SPARSE_SIZE] ? values[PAX_SPARSE_SIZE] : values[PAX_SPARSE_REALSIZE];
	int64_t size;

	if (values[PAX_SPARSE_NAME])
		reader->entry.name = values[PAX_SPARSE_NAME];
	if (text && (!tar_number_decimal(text, strlen(text), &size) || size < 0))
		return error_set(err, "malformed number");
	if (text)
		reader->entry.size = (uint64_t)size;
	return lines ? read_lines_map(reader, err)
		     : sparse_add_list(&reader->map, values[PAX_SPARSE_NUMBLOCKS],
				       values[PAX_SPARSE_MAP], err);
}

static bool is_version(const char *const *values, const char *major, const char *minor)
{
	return values[PAX_SPARSE_MAJOR] && !strcmp(values[PAX_SPARSE_MAJOR], major) &&
	       values[PAX_SPARSE_MINOR] && !strcmp(values[PAX_SPARSE_MINOR], minor);
}

/* Reads the map if the file is sparse; files in unknown formats are taken as they are. */
static int read_map(struct tar_reader *reader, ducc_error **err)
{
	const char *const *values = reader->pax.values;
	bool is_1_0 = is_version(values, "1", "0");
	bool is_0 =
		is_version(values, "0", "0") || is_version(values, "0", "1") ||
		(!values[PAX_SPARSE_MAJOR] && !values[PAX_SPARSE_MINOR] && values[PAX_SPARSE_MAP]);
	int result;

	reader->map.n = reader->extent = 0;
	reader->map.end = reader->done = 0;
	if (reader->header.type != 'S' && !is_1_0 && !is_0)
		return 0;
	if (is_header_only(reader->header.type))
		return malformed(reader, "sparse file without content", err);
	reader->entry.is_sparse = true;
	result = reader->header.type == 'S' ? read_gnu_map(reader, err)
					    : read_pax_map(reader, is_1_0, err);
	if (result < 0 || sparse_check(&reader->map, reader->entry.size, err) < 0)
		return in_header(reader, err);
	return 0;
}

/* --- entries ---------------------------------------------------------- */

static bool set_number(const char *text, int64_t *value)
{
	return !text || tar_number_decimal(text, strlen(text), value);
}

static bool set_time(const char *text, int64_t *seconds, uint32_t *nanoseconds)
{
	return !text || tar_number_time(text, seconds, nanoseconds);
}

/* Applies the pax header, and long names of GNU's. */
static int apply_extensions(struct tar_reader *reader, ducc_error **err)
{
	const char *const *values = reader->pax.values;
	struct tar_entry *entry = &reader->entry;
	int64_t size = (int64_t)reader->stored, unused;
	uint32_t unused_nsec;

	if (!set_number(values[PAX_UID], &entry->uid) ||
	    !set_number(values[PAX_GID], &entry->gid) ||
	    !set_time(values[PAX_MTIME], &entry->mtime, &entry->mtime_nsec) ||
	    !set_time(values[PAX_ATIME], &unused, &unused_nsec) ||
	    !set_time(values[PAX_CTIME], &unused, &unused_nsec) ||
	    !set_number(values[PAX_SIZE], &size))
		return malformed(reader, "malformed number", err);
	if (values[PAX_PATH])
		entry->name = values[PAX_PATH];
	if (values[PAX_LINKPATH])
		entry->link = values[PAX_LINKPATH];
	if (reader->long_name.len && *reader->long_name.data)
		entry->name = reader->long_name.data;
	if (reader->long_link.len && *reader->long_link.data)
		entry->link = reader->long_link.data;
	entry->xattrs = reader->pax.xattrs;
	entry->n_xattrs = reader->pax.n_xattrs;
	/* Old archives have directories whose names end with a slash. */
	if (!reader->header.type && *entry->name && entry->name[strlen(entry->name) - 1] == '/')
		reader->header.type = '5';
	return set_size(reader, size, err);
}

static mode_t file_type(char type)
{
	static const char types[] = "0\0007S123456";
	static const mode_t modes[] = {S_IFREG, S_IFREG, S_IFREG, S_IFREG, S_IFREG,
				       S_IFLNK, S_IFCHR, S_IFBLK, S_IFDIR, S_IFIFO};
	const char *at = memchr(types, type, sizeof(types) - 1);

	return at ? modes[at - types] : 0;
}

static void forget_extensions(struct tar_reader *reader)
{
	pax_reset(&reader->pax);
	buffer_reset(&reader->long_name);
	buffer_reset(&reader->long_link);
	reader->header_size = 0;
}

/* Reads the headers of the next entry: 1, 0 at the end of the archive, or -1. */
static int read_headers(struct tar_reader *reader, ducc_error **err)
{
	bool extended = false;
	int result;

	do {
		result = skip_content(reader, err);
		reader->entry.offset = reader->offset;
		if (!extended)
			reader->first = reader->offset;
		if (result > 0)
			result = read_header(reader, err);
		if (!result && extended)
			return malformed(reader, "end after an extended header", err);
		if (result <= 0)
			return result;
		result = read_extension(reader, &extended, err);
	} while (result > 0);
	return result < 0 ? -1 : 1;
}

int tar_reader_next(struct tar_reader *reader, const struct tar_entry **entry, ducc_error **err)
{
	int result;

	forget_extensions(reader);
	*entry = &reader->entry;
	result = read_headers(reader, err);
	if (result <= 0)
		return result;
	if (apply_extensions(reader, err) < 0)
		return -1;
	reader->entry.mode |= file_type(reader->header.type);
	reader->entry.is_hard_link = reader->header.type == '1';
	if (read_map(reader, err) < 0)
		return -1;
	reader->entry.offset = reader->first;
	return 1;
}

/* --- content ---------------------------------------------------------- */

/* The bytes of the sparse file up to where the current hole or piece of data ends. */
static uint64_t piece_left(struct tar_reader *reader, bool *hole)
{
	const struct sparse_map *map = &reader->map;
	const struct extent *extent;

	while (reader->extent < map->n &&
	       reader->done >= map->list[reader->extent].offset + map->list[reader->extent].len)
		reader->extent++;
	extent = reader->extent < map->n ? &map->list[reader->extent] : NULL;
	*hole = !extent || reader->done < extent->offset;
	if (!extent)
		return reader->entry.size - reader->done;
	return extent->offset + (*hole ? 0 : extent->len) - reader->done;
}

static int sparse_data(struct tar_reader *reader, const void **data, size_t *len, ducc_error **err)
{
	static const char zeros[65536];
	bool hole;
	uint64_t left = piece_left(reader, &hole);
	int result = 1;

	if (!left)
		return reader->stored ? error_set(err, "sparse file: more data than in its map")
				      : 0;
	if (hole) {
		*data = zeros;
		*len = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);
	} else {
		if (left > reader->stored)
			left = reader->stored;
		if (!left)
			return error_set(err, "sparse file: less data than in its map");
		result = take(reader, left, data, len, err);
		if (result <= 0)
			return result < 0 ? -1 : truncated(err);
		reader->stored -= *len;
	}
	reader->done += *len;
	return result;
}

int tar_reader_data(struct tar_reader *reader, const void **data, size_t *len, ducc_error **err)
{
	int result;

	if (reader->entry.is_sparse)
		return sparse_data(reader, data, len, err);
	if (!reader->stored)
		return 0;
	result = take(reader, reader->stored, data, len, err);
	if (result <= 0)
		return result < 0 ? -1 : truncated(err);
	reader->stored -= *len;
	return 1;
}

int tar_reader_copy(struct tar_reader *reader,
		    int (*write)(void *ctx, const void *data, size_t len, ducc_error **err),
		    void *ctx, ducc_error **err)
{
	const void *data;
	size_t len;
	int result;

	while ((result = tar_reader_data(reader, &data, &len, err)) > 0)
		if (write(ctx, data, len, err) < 0)
			return -1;
	return result;
}

/* --- the reader ------------------------------------------------------- */

struct tar_reader *tar_reader_new(struct tar_source source, size_t header_limit)
{
	struct tar_reader *reader = xcalloc(1, sizeof(*reader));

	reader->source = source;
	reader->header_limit = header_limit;
	return reader;
}

static int read_piece(void *ctx, const void **data, size_t *len, ducc_error **err)
{
	struct pieces *pieces = ctx;

	if (!pieces_next(pieces))
		return pieces->error ? error_errno(err, pieces->error, "read") : 0;
	if (pieces->most < PIECE_SIZE)
		pieces->most *= 2;
	*data = pieces->data;
	*len = pieces->len;
	return 1;
}

struct tar_reader *tar_reader_file(int fd, uint64_t offset, size_t header_limit)
{
	struct tar_source source = {.read = read_piece};
	struct tar_reader *reader = tar_reader_new(source, header_limit);

	reader->pieces = pieces_of(fd, offset, TO_THE_END);
	reader->source.ctx = &reader->pieces;
	reader->offset = offset;
	return reader;
}

void tar_reader_free(struct tar_reader *reader)
{
	if (!reader)
		return;
	pieces_free(&reader->pieces);
	pax_free(&reader->pax);
	buffer_free(&reader->name);
	buffer_free(&reader->link);
	buffer_free(&reader->long_name);
	buffer_free(&reader->long_link);
	buffer_free(&reader->lines);
	free(reader->map.list);
	free(reader);
}
