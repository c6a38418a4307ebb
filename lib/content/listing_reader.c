/*
 * Reading listings: see listing.h.
 *
 * A listing that anything else has modified is rejected as damaged rather than partially understood.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "content/listing.h"
#include "content/listing_line.h"

#define HEAD_SIZE 512 /* bytes that have the header of a layer */

/* Negative if path a precedes b: a directory's contents precede its next sibling. */
static int compare_paths(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a == '/' || *b == '/')
		return *a == '/' ? (*b ? -1 : 1) : (*a ? 1 : -1);
	return (unsigned char)*a - (unsigned char)*b;
}

struct reader {
	struct tree *tree;
	struct buffer last; /* the path of the previous line; empty buffer: none */
	FILE *stream;
	struct hasher *hasher; /* of all lines after the digest */
	struct digest digest;  /* empty: there is none */
	struct listing_head head;
	bool has_head;
	int error; /* why the last line could not be read, or 0 */
};

/* Parses an escaped ./PATH; NULL if it is not clean, or does not follow the previous one. */
static const char *read_path(struct reader *reader, char *name)
{
	const char *path = name[0] == '.' && name[1] == '/' ? name + 2 : "";

	if (!text_undo_escapes(name, LISTING_SPECIAL) ||
	    (*path ? !path_is_clean(path) : strcmp(name, ".") != 0) ||
	    (reader->last.data && compare_paths(reader->last.data, path) >= 0))
		return NULL;
	buffer_reset(&reader->last);
	buffer_adds(&reader->last, path);
	return path;
}

static bool parse_line(struct reader *reader, char *text)
{
	char *keywords = text, *name = strsep(&keywords, " ");
	const char *path = read_path(reader, name);

	return path && listing_line_parse(reader->tree, path, keywords, reader->has_head);
}

/* --- listings --------------------------------------------------------- */

/* A comment with a digest and nothing else. */
static bool parse_comment_digest(const char *line, const char *start, struct digest *digest)
{
	size_t len = strlen(start);

	if (strncmp(line, start, len) != 0 || !digest_is_hex(line + len))
		return false;
	memcpy(digest->hex, line + len, sizeof(digest->hex));
	return true;
}

static bool parse_image(const char *line, struct listing_image *image)
{
	AUTO_FREE char *again = NULL;

	if (sscanf(line, "# manifest=%64[0-9a-f] layers=%64[0-9a-f]", image->manifest.hex,
		   image->layers.hex) != 2 ||
	    !digest_is_hex(image->manifest.hex) || !digest_is_hex(image->layers.hex))
		return false;
	again = format(LISTING_IMAGE, image->manifest.hex, image->layers.hex, "");
	if (strncmp(again, line, strlen(again)) != 0)
		return false;
	line += strlen(again);
	image->exact = !strcmp(line, LISTING_EXACT);
	return image->exact || !*line;
}

static bool parse_head(const char *line, struct listing_head *head)
{
	AUTO_FREE char *again = NULL;

	if (sscanf(line,
		   "# layer=%64[0-9a-f] diff-id=%64[0-9a-f] size=%" SCNu64 " unpacked=%" SCNu64,
		   head->layer.hex, head->diff_id.hex, &head->size, &head->unpacked) != 4 ||
	    !digest_is_hex(head->layer.hex) || !digest_is_hex(head->diff_id.hex))
		return false;
	again = format(LISTING_HEAD, head->layer.hex, head->diff_id.hex, head->size,
		       head->unpacked);
	return !strcmp(again, line);
}

/* The line after the digest; NULL if there is no digest. */
static char *third_line(int fd)
{
	char line[HEAD_SIZE + 1] = "", *newline;
	struct digest id;

	if (!listing_id(fd, &id) || file_read_all(fd, line, HEAD_SIZE, LISTING_START) < 0)
		return NULL;
	newline = strchr(line, '\n');
	return newline ? xstrndup(line, (size_t)(newline - line)) : NULL;
}

bool listing_head_of(int fd, struct listing_head *head)
{
	AUTO_FREE char *line = third_line(fd);

	return line && parse_head(line, head);
}

bool listing_image_of(int fd, struct listing_image *image)
{
	AUTO_FREE char *line = third_line(fd);

	return line && parse_image(line, image);
}

bool listing_subject(int fd, struct digest *subject)
{
	AUTO_FREE char *line = third_line(fd);
	struct listing_image image;
	struct listing_head head;

	if (!line)
		return false;
	if (parse_head(line, &head))
		*subject = head.layer;
	else if (parse_image(line, &image))
		*subject = image.manifest;
	else
		return false;
	return true;
}

bool listing_is_intact(int fd)
{
	AUTO_PIECES pieces = pieces_of(fd, LISTING_START, TO_THE_END);
	struct hasher *hasher = hasher_new();
	struct digest id, actual;

	while (pieces_next(&pieces))
		hasher_update(hasher, pieces.data, pieces.len);
	actual = hasher_digest(hasher);
	hasher_free(hasher);
	errno = pieces.error;
	return !errno && listing_id(fd, &id) && digest_equal(&id, &actual);
}

int listing_check(int fd, ducc_error **err)
{
	if (listing_is_intact(fd))
		return 0;
	if (errno)
		return error_errno(err, errno, "listing");
	return error_set_kind(err, DUCC_CORRUPT, LISTING_DAMAGED "digest mismatch");
}

/*
 * Hard links are lines with the same contents=: they share the file of the line with that
 * path, and must agree with it.
 */
static bool share_files(struct tree *tree, const struct digest *layer)
{
	struct node *root = tree_root(tree);

	for (struct node *node = root; node; node = tree_next(root, node)) {
		const struct file *file = node->file;
		const struct node *first;

		if (!file || !file->layer || !digest_equal(file->layer, layer))
			continue;
		first = tree_find(tree, file->origin);
		if (!first || first == node || !first->file || first->file->layer != file->layer ||
		    strcmp(first->file->origin, file->origin) != 0)
			continue;
		if (!file_same(file, first->file))
			return false;
		node_set_file(node, file_ref(first->file));
	}
	return true;
}

/* Reads one line, without its newline; false: it is incomplete. */
static bool take_line(struct reader *reader, char **line, size_t *capacity, bool *end)
{
	ssize_t len = getline(line, capacity, reader->stream);

	if (len < 0 && errno == ENOMEM && !feof(reader->stream))
		out_of_memory();
	reader->error = len < 0 && ferror(reader->stream) ? errno : 0;
	*end = len < 0 && !reader->error;
	if (len <= 0 || (*line)[len - 1] != '\n')
		return *end;
	hasher_update(reader->hasher, *line, (size_t)len);
	(*line)[len - 1] = '\0';
	return strlen(*line) == (size_t)len - 1;
}

/* The first two lines, or a header. */
static bool parse_comment(struct reader *reader, const char *line, size_t number)
{
	struct listing_image image;

	if (number == 1)
		return !strcmp(line, LISTING_MAGIC);
	if (number == 2 && parse_comment_digest(line, LISTING_DIGEST, &reader->digest)) {
		hasher_reset(reader->hasher); /* it is of what follows */
		return true;
	}
	if (number == 3 && *reader->digest.hex && parse_image(line, &image))
		return true;
	reader->has_head =
		number == (*reader->digest.hex ? 3 : 2) && parse_head(line, &reader->head);
	return reader->has_head;
}

/* Returns false if line *number is damaged. */
static bool read_lines(struct reader *reader, size_t *number)
{
	AUTO_FREE char *line = NULL;
	size_t capacity = 0;
	bool end = false;

	for (*number = 1; take_line(reader, &line, &capacity, &end) && !end; ++*number)
		if (*number == 1 || line[0] == '#' ? !parse_comment(reader, line, *number)
						   : !parse_line(reader, line))
			return false;
	return end && *number > 1;
}

/* True if the listing has no digest, or that of what was read. */
static bool agrees_with_digest(struct reader *reader)
{
	struct digest digest = hasher_digest(reader->hasher);

	return !*reader->digest.hex || digest_equal(&digest, &reader->digest);
}

static FILE *open_stream(int fd)
{
	int copy = dup(fd);
	FILE *stream = copy < 0 ? NULL : fdopen(copy, "r");

	if (!stream)
		cleanup_close(&copy);
	else
		rewind(stream);
	return stream;
}

/* Reads all lines and checks them. */
static int read_all(struct reader *reader, bool has_head, ducc_error **err)
{
	size_t number;
	bool good = read_lines(reader, &number);

	if (reader->error)
		return error_errno(err, reader->error, "listing");
	if (!good)
		return error_set_kind(err, DUCC_CORRUPT, LISTING_DAMAGED "line %zu", number);
	if (!agrees_with_digest(reader))
		return error_set_kind(err, DUCC_CORRUPT, LISTING_DAMAGED "digest mismatch");
	if (reader->has_head != has_head)
		return error_set_kind(err, DUCC_CORRUPT, LISTING_DAMAGED "%s",
				      has_head ? "no layer header" : "unexpected layer header");
	if (has_head && !share_files(reader->tree, &reader->head.layer))
		return error_set_kind(err, DUCC_CORRUPT, LISTING_DAMAGED "hard links differ");
	return 0;
}

struct tree *listing_read(int fd, struct listing_head *head, ducc_error **err)
{
	AUTO_TREE *tree = tree_new();
	struct reader reader = {.tree = tree, .stream = open_stream(fd)};
	int result;

	if (!reader.stream) {
		error_errno(err, errno, "listing");
		return NULL;
	}
	reader.hasher = hasher_new();
	result = read_all(&reader, head != NULL, err);
	hasher_free(reader.hasher);
	buffer_free(&reader.last);
	fclose(reader.stream);
	if (result < 0)
		return NULL;
	tree_sort(tree);
	if (head)
		*head = reader.head;
	return STEAL(tree);
}

struct tree *listing_parse(const char *text, struct listing_head *head, ducc_error **err)
{
	AUTO_CLOSE int fd = memfd_create("listing", MFD_CLOEXEC);

	if (fd >= 0 && !write_all(fd, text, strlen(text)))
		return listing_read(fd, head, err);
	error_errno(err, errno, "listing");
	return NULL;
}
