/* The keywords of a listing's line: see listing_line.h. */
#include "content/listing_line.h"

#include <errno.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "content/listing.h"

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

static bool parse_keywords(struct line *line, char *text)
{
	size_t keyword = 0;

	while (text)
		if (!parse_keyword(line, strsep(&text, " "), &keyword))
			return false;
	return line->seen & BIT(TYPE) && is_consistent(line);
}

static bool add_entry(struct line *line, const char *path)
{
	struct node *node;

	if (!*path && !S_ISDIR(line->file->mode))
		return false;
	node = tree_make(line->tree, path);
	if (node)
		set_node(node, line);
	return node;
}

bool listing_line_parse(struct tree *tree, const char *path, char *text, bool of_layer)
{
	struct line line = {.tree = tree, .file = file_new(0), .of_layer = of_layer};
	bool good = parse_keywords(&line, text) && add_entry(&line, path);

	file_unref(line.file);
	free(line.lower_link);
	free(line.through);
	free(line.links);
	free(line.name);
	return good;
}
