/*
 * Reading listings: see listing.h.
 *
 * A line must have exactly the keywords of its type, in the order in which listing_write()
 * writes them, each at most once.  A listing that anything else has modified is rejected as
 * damaged rather than partially understood.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "content/listing.h"

#define HEAD_SIZE 512 /* bytes that have the header of a layer */

struct line {
	struct tree *tree;
	struct file *file;
	char *lower_link, *through, *links, *name;
	uint8_t flags;
	unsigned seen; /* bits of enum keyword */
	bool of_layer; /* whose files are all in layers; an image also has some of its own */
};

/* --- values ----------------------------------------------------------- */

/* Digits as printf(3) writes them, without leading zeros. */
static bool parse_number(const char *text, uint64_t max, uint64_t *value)
{
	size_t len = strspn(text, "0123456789");
	char *end;

	if (!len || text[len] || (len > 1 && text[0] == '0'))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && *value <= max;
}

static bool parse_u32(const char *text, uint64_t max, uint32_t *value)
{
	uint64_t wide;

	if (!parse_number(text, max, &wide))
		return false;
	*value = (uint32_t)wide;
	return true;
}

static bool parse_type(struct line *line, char *value)
{
	static const mode_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(value, listing_type(types[i])) != 0)
			continue;
		line->file->mode = types[i];
		return true;
	}
	return false;
}

static bool parse_mode(struct line *line, char *value)
{
	if (strspn(value, "01234567") != 4 || value[4])
		return false;
	line->file->mode |= (mode_t)strtoul(value, NULL, 8);
	return true;
}

static bool parse_uid(struct line *line, char *value)
{
	return parse_u32(value, UINT32_MAX, &line->file->uid);
}

static bool parse_gid(struct line *line, char *value)
{
	return parse_u32(value, UINT32_MAX, &line->file->gid);
}

/* SECONDS.NANOSECONDS: nine digits of nanoseconds, added to the seconds. */
static bool parse_time(struct line *line, char *value)
{
	char *dot = strchr(value, '.');
	bool negative = *value == '-';
	uint64_t seconds;

	if (!dot || strspn(dot + 1, "0123456789") != 9 || dot[10])
		return false;
	*dot = '\0';
	if (!parse_number(value + negative, (uint64_t)INT64_MAX + negative, &seconds) ||
	    (negative && !seconds))
		return false;
	line->file->mtime = (int64_t)(negative ? -seconds : seconds);
	line->file->mtime_nsec = (uint32_t)strtoul(dot + 1, NULL, 10);
	return true;
}

/* The value is not stored: it follows from the tree. */
static bool parse_nlink(struct line *line, char *value)
{
	uint64_t links;

	(void)line;
	return parse_number(value, UINT32_MAX, &links) && links > 1;
}

static bool parse_size(struct line *line, char *value)
{
	return parse_number(value, INT64_MAX, &line->file->size);
}

static bool parse_sha256(struct line *line, char *value)
{
	if (!digest_is_hex(value))
		return false;
	digest_to_bytes(value, line->file->sha256);
	return true;
}

static bool parse_link(struct line *line, char *value)
{
	if (!text_undo_escapes(value, LISTING_SPECIAL) || !*value)
		return false;
	line->file->target = xstrdup(value);
	return true;
}

/* native,MAJOR,MINOR */
static bool parse_device(struct line *line, char *value)
{
	char *major = value + strlen("native,"), *comma;

	if (strncmp(value, "native,", strlen("native,")) != 0)
		return false;
	comma = strchr(major, ',');
	if (!comma)
		return false;
	*comma = '\0';
	return parse_u32(major, UINT32_MAX, &line->file->major) &&
	       parse_u32(comma + 1, UINT32_MAX, &line->file->minor);
}

/* Extended attributes must be in order of their names. */
static bool parse_xattr(struct line *line, char *name, const char *value)
{
	struct file *file = line->file;
	size_t len;
	AUTO_FREE unsigned char *data = base64_decode(value, &len);
	AUTO_FREE char *again = data ? base64_encode(data, len) : NULL;

	if (!again || strcmp(again, value) != 0 || file->n_xattrs == FILE_XATTRS_MAX ||
	    !text_undo_escapes(name, LISTING_SPECIAL "=") || !*name ||
	    (file->n_xattrs && strcmp(file->xattrs[file->n_xattrs - 1].name, name) >= 0))
		return false;
	file_add_xattr(file, name, data, len);
	return true;
}

/* .layers/xx/HEX/layerfs/PATH */
static bool parse_contents(struct line *line, char *value)
{
	static const char top[] = ".layers/", inside[] = "/layerfs/";
	const char *xx, *hex, *rest;
	struct digest layer = {""};

	if (!text_undo_escapes(value, LISTING_SPECIAL) || strncmp(value, top, strlen(top)) != 0 ||
	    strlen(value) < strlen(top) + strlen("xx/") + DIGEST_HEX_LEN)
		return false;
	xx = value + strlen(top);
	hex = xx + strlen("xx/");
	memcpy(layer.hex, hex, DIGEST_HEX_LEN);
	rest = hex + DIGEST_HEX_LEN;
	if (!digest_is_hex(layer.hex) || strncmp(xx, hex, 2) != 0 || xx[2] != '/' ||
	    strncmp(rest, inside, strlen(inside)) != 0 || !path_is_clean(rest + strlen(inside)))
		return false;
	file_set_origin(line->file, tree_intern(line->tree, &layer), rest + strlen(inside));
	return true;
}

static bool parse_path(char **path, char *value)
{
	if (!text_undo_escapes(value, LISTING_SPECIAL) || !path_is_clean(value))
		return false;
	*path = xstrdup(value);
	return true;
}

static bool parse_hardlink(struct line *line, char *value)
{
	return parse_path(&line->lower_link, value);
}

static bool parse_through(struct line *line, char *value)
{
	if (!text_undo_escapes(value, LISTING_SPECIAL) || !*value)
		return false;
	line->through = xstrdup(value);
	return true;
}

static bool parse_links(struct line *line, char *value)
{
	line->links = xstrdup(value);
	return digest_is_hex(value);
}

static bool parse_name(struct line *line, char *value)
{
	return parse_path(&line->name, value);
}

static bool parse_tags(struct line *line, char *value)
{
	size_t i = 0;

	for (char *name = value, *next; name; name = next) {
		next = strchr(name, ',');
		if (next)
			*next++ = '\0';
		while (i < LISTING_TAGS && strcmp(name, listing_tags[i].name) != 0)
			i++;
		if (i == LISTING_TAGS)
			return false;
		line->flags |= listing_tags[i++].flag;
	}
	return true;
}

/* --- lines ------------------------------------------------------------ */

/* In the order of listing_write(). */
enum keyword {
	TYPE,
	MODE,
	UID,
	GID,
	TIME,
	NLINK,
	SIZE,
	SHA256,
	LINK,
	DEVICE,
	XATTR,
	CONTENTS,
	HARDLINK,
	THROUGH,
	LINKS,
	NAME,
	TAGS
};

static const struct {
	const char *name;
	bool (*parse)(struct line *line, char *value);
} keywords[] = {
	[TYPE] = {"type", parse_type},
	[MODE] = {"mode", parse_mode},
	[UID] = {"uid", parse_uid},
	[GID] = {"gid", parse_gid},
	[TIME] = {"time", parse_time},
	[NLINK] = {"nlink", parse_nlink},
	[SIZE] = {"size", parse_size},
	[SHA256] = {"sha256digest", parse_sha256},
	[LINK] = {"link", parse_link},
	[DEVICE] = {"device", parse_device},
	[XATTR] = {"xattr", NULL},
	[CONTENTS] = {"contents", parse_contents},
	[HARDLINK] = {"hardlink", parse_hardlink},
	[THROUGH] = {"through", parse_through},
	[LINKS] = {"links", parse_links},
	[NAME] = {"name", parse_name},
	[TAGS] = {"tags", parse_tags},
};

#define BIT(keyword) (1U << (keyword))
#define PASSAGE (BIT(THROUGH) | BIT(LINKS))
#define DETOUR (PASSAGE | BIT(NAME))
#define METADATA (BIT(MODE) | BIT(UID) | BIT(GID) | BIT(TIME))

/* Parses KEY=VALUE; `*next` is the first keyword that may still occur. */
static bool parse_keyword(struct line *line, char *key, size_t *next)
{
	char *value = strchr(key, '=');

	if (!value)
		return false;
	*value++ = '\0';
	if (!strncmp(key, "xattr.", strlen("xattr."))) {
		if (*next > XATTR + 1)
			return false;
		*next = XATTR + 1;
		line->seen |= BIT(XATTR);
		return parse_xattr(line, key + strlen("xattr."), value);
	}
	while (*next < ARRAY_LEN(keywords) && strcmp(key, keywords[*next].name) != 0)
		++*next;
	if (*next == ARRAY_LEN(keywords) || !keywords[*next].parse)
		return false;
	line->seen |= BIT(*next);
	return keywords[(*next)++].parse(line, value);
}

static bool is_whiteout(const struct file *file)
{
	return S_ISCHR(file->mode) && !file->major && !file->minor;
}

/* True if a line with metadata has exactly the keywords of its type. */
static bool is_whole(const struct line *line)
{
	unsigned must = BIT(TYPE) | METADATA, may = BIT(XATTR) | BIT(TAGS) | DETOUR;

	switch (line->file->mode & S_IFMT) {
	case S_IFREG:
		must |= BIT(SIZE) | BIT(SHA256) | (line->of_layer ? BIT(CONTENTS) : 0);
		break;
	case S_IFLNK:
		must |= BIT(LINK);
		break;
	case S_IFCHR:
	case S_IFBLK:
		must |= BIT(DEVICE);
		break;
	default:
		break;
	}
	if (!S_ISDIR(line->file->mode))
		may |= BIT(NLINK) | BIT(CONTENTS) | BIT(HARDLINK);
	return (line->seen & must) == must && !(line->seen & ~(must | may));
}

static bool is_consistent(const struct line *line)
{
	const struct file *file = line->file;
	unsigned essence = line->seen & ~(BIT(TAGS) | DETOUR);
	bool directory = S_ISDIR(file->mode);

	if (is_whiteout(file) && line->seen & BIT(DEVICE))
		return essence == (BIT(TYPE) | METADATA | BIT(DEVICE)) && file->mode == S_IFCHR &&
		       !file->uid && !file->gid && !file->mtime && !file->mtime_nsec &&
		       !(line->flags & (NODE_OPAQUE | NODE_LATE));
	if (line->flags & NODE_VOID || (line->flags & ~NODE_FIXED && !directory))
		return false;
	if (line->seen & METADATA)
		return is_whole(line);
	if (line->seen & PASSAGE && !(line->seen & ~(BIT(TYPE) | PASSAGE)))
		return S_ISLNK(file->mode);
	/* A directory or link whose metadata only lower layers have. */
	return directory ? essence == BIT(TYPE) && line->flags & NODE_OPAQUE
			 : essence == (BIT(TYPE) | BIT(HARDLINK)) && S_ISREG(file->mode);
}

static void set_node(struct node *node, struct line *line)
{
	node->flags = line->flags;
	node->lower_link = STEAL(line->lower_link);
	if (line->seen & DETOUR) {
		struct detour *detour = node_detour(node);

		detour->through = STEAL(line->through);
		detour->links = STEAL(line->links);
		detour->name = STEAL(line->name);
	}
	if (is_whiteout(line->file) && line->seen & BIT(DEVICE))
		node->flags |= NODE_WHITEOUT;
	else if (line->seen & METADATA)
		node_set_file(node, STEAL(line->file));
}

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

static bool parse_words(struct reader *reader, struct line *line, char *text)
{
	char *next = text, *name = strsep(&next, " ");
	const char *path = read_path(reader, name);
	size_t keyword = 0;
	struct node *node;

	while (path && next)
		if (!parse_keyword(line, strsep(&next, " "), &keyword))
			return false;
	if (!path || !(line->seen & BIT(TYPE)) || !is_consistent(line))
		return false;
	if (!*path && !S_ISDIR(line->file->mode))
		return false;
	node = tree_make(reader->tree, path);
	if (!node)
		return false;
	set_node(node, line);
	return true;
}

static bool parse_line(struct reader *reader, char *text)
{
	struct line line = {
		.tree = reader->tree, .file = file_new(0), .of_layer = reader->has_head};
	bool good = parse_words(reader, &line, text);

	file_unref(line.file);
	free(line.lower_link);
	free(line.through);
	free(line.links);
	free(line.name);
	return good;
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
		if (!file_same_metadata(file, first->file) || file->size != first->file->size ||
		    memcmp(file->sha256, first->file->sha256, SHA256_SIZE) != 0)
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
