/* Listings: see listing.h. */
#include "listing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base64.h"
#include "mem.h"
#include "path.h"
#include "text.h"

#define FLUSH_SIZE 65536

char *layer_directory(const struct digest *layer)
{
	return format(".layers/%.2s/%s", layer->hex, layer->hex);
}

char *layer_listing(const struct digest *layer)
{
	return format(".layers/%.2s/%s/.metadata/layer.mtree", layer->hex, layer->hex);
}

char *layer_path(const struct digest *layer, const char *path)
{
	return format(".layers/%.2s/%s/layerfs%s%s", layer->hex, layer->hex, *path ? "/" : "",
		      path);
}

static const struct {
	const char *name;
	uint8_t flag;
} tags[] = {
	{"opaque", NODE_OPAQUE},
	{"implied", NODE_IMPLIED},
	{"void", NODE_VOID},
};

/* --- writing ---------------------------------------------------------- */

/* What mtree(5) gives a meaning is escaped too. */
static void add_encoded(struct buffer *out, const char *text)
{
	text_add_escaped(out, text, "#*?[");
}

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "dir";
	case S_IFLNK:
		return "link";
	case S_IFCHR:
		return "char";
	case S_IFBLK:
		return "block";
	case S_IFIFO:
		return "fifo";
	default:
		return "file";
	}
}

static void add_file(struct buffer *out, const struct file *file)
{
	buffer_addf(out, " type=%s mode=%04o uid=%" PRIu32 " gid=%" PRIu32, type_name(file->mode),
		    (unsigned)file->mode & 07777, file->uid, file->gid);
	buffer_addf(out, " time=%" PRId64 ".%09" PRIu32, file->mtime, file->mtime_nsec);
	if (!S_ISDIR(file->mode) && file->links > 1)
		buffer_addf(out, " nlink=%u", file->links);
	if (S_ISREG(file->mode)) {
		struct digest sha256;

		digest_from_bytes(&sha256, file->sha256);
		buffer_addf(out, " size=%" PRIu64 " sha256digest=%s", file->size, sha256.hex);
	}
	if (S_ISLNK(file->mode)) {
		buffer_adds(out, " link=");
		add_encoded(out, file->target);
	}
	if (S_ISCHR(file->mode) || S_ISBLK(file->mode))
		buffer_addf(out, " device=native,%" PRIu32 ",%" PRIu32, file->major, file->minor);
	for (const struct xattr *xattr = file->xattrs; xattr; xattr = xattr->next) {
		AUTO_FREE char *value = base64_encode(xattr->value, xattr->len);

		buffer_adds(out, " xattr.");
		add_encoded(out, xattr->name);
		buffer_addf(out, "=%s", value);
	}
	if (file->layer && !S_ISDIR(file->mode)) {
		AUTO_FREE char *contents = layer_path(file->layer, file->origin);

		buffer_adds(out, " contents=");
		add_encoded(out, contents);
	}
}

/* tags=A[,B], if the node has any. */
static void add_tags(struct buffer *out, const struct node *node)
{
	const char *before = " tags=";

	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		bool has = tags[i].flag == NODE_OPAQUE ? node_is_opaque(node)
						       : node->flags & tags[i].flag;

		if (!has)
			continue;
		buffer_addf(out, "%s%s", before, tags[i].name);
		before = ",";
	}
}

static void add_node(struct buffer *out, const struct node *node, struct buffer *path)
{
	node_path(node, path);
	buffer_addc(out, '.');
	if (path->len) {
		buffer_addc(out, '/');
		add_encoded(out, path->data);
	}
	if (node->file)
		add_file(out, node->file);
	else if (node_is_opaque(node))
		buffer_adds(out, " type=dir"); /* the rest is for the layers below to say */
	else if (!node->lower_link)
		buffer_adds(out, " type=char mode=0000 uid=0 gid=0 time=0.000000000"
				 " device=native,0,0");
	if (node->lower_link) {
		buffer_adds(out, node->file ? " hardlink=" : " type=file hardlink=");
		add_encoded(out, node->lower_link);
	}
	add_tags(out, node);
	buffer_addc(out, '\n');
}

int listing_write(int fd, const struct listing_head *head, struct tree *tree)
{
	AUTO_BUFFER out = {0};
	AUTO_BUFFER path = {0};
	struct node *root = tree_root(tree);

	buffer_adds(&out, "#mtree\n");
	if (head)
		buffer_addf(&out, "# layer=%s diff-id=%s size=%" PRIu64 " unpacked=%" PRIu64 "\n",
			    head->layer.hex, head->diff_id.hex, head->size, head->unpacked);
	for (const struct node *node = root; node; node = tree_next(root, node)) {
		/* A directory only implied, and not looked up below yet, is no entry. */
		if (node->file || node->lower_link || node_is_whiteout(node) ||
		    node_is_opaque(node))
			add_node(&out, node, &path);
		if (out.len < FLUSH_SIZE)
			continue;
		if (write_all(fd, out.data, out.len) < 0)
			return -1;
		buffer_reset(&out);
	}
	return write_all(fd, out.data, out.len);
}

int listing_print(const struct listing_head *head, struct tree *tree, char **text, size_t *len,
		  ducc_error **err)
{
	AUTO_CLOSE int fd = memfd_create("listing", MFD_CLOEXEC);

	if (fd < 0 || listing_write(fd, head, tree) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "listing");
	return read_file(fd, SIZE_MAX, text, len, err);
}

/* --- reading ---------------------------------------------------------- */

static bool parse_u64(const char *text, int base, uint64_t max, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, base);
	return *text >= '0' && *text <= '9' && !*end && !errno && *value <= max;
}

static bool parse_u32(const char *text, int base, uint64_t max, uint32_t *value)
{
	uint64_t wide;

	if (!parse_u64(text, base, max, &wide))
		return false;
	*value = (uint32_t)wide;
	return true;
}

static bool parse_time(char *text, struct file *file)
{
	char *dot = strchr(text, '.'), *end;

	if (!dot)
		return false;
	*dot++ = '\0';
	errno = 0;
	file->mtime = strtoll(text, &end, 10);
	return !errno && !*end && end != text && parse_u32(dot, 10, 999999999, &file->mtime_nsec);
}

static bool parse_device(char *text, struct file *file)
{
	char *comma;

	if (strncmp(text, "native,", 7) != 0)
		return false;
	text += 7;
	comma = strchr(text, ',');
	if (!comma)
		return false;
	*comma++ = '\0';
	return parse_u32(text, 10, UINT32_MAX, &file->major) &&
	       parse_u32(comma, 10, UINT32_MAX, &file->minor);
}

static bool parse_sha256(const char *text, struct file *file)
{
	if (!digest_is_hex(text))
		return false;
	for (size_t i = 0; i < SHA256_SIZE; i++) {
		unsigned byte;

		sscanf(text + 2 * i, "%2x", &byte);
		file->sha256[i] = (uint8_t)byte;
	}
	return true;
}

static bool parse_type(const char *text, struct file *file)
{
	static const mode_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(text, type_name(types[i])) != 0)
			continue;
		file->mode = (file->mode & 07777) | types[i];
		return true;
	}
	return false;
}

static bool parse_contents(struct tree *tree, char *text, struct file *file)
{
	struct digest layer;
	char *rest;

	/* .layers/xx/HEX/layerfs/PATH */
	if (!text_undo_escapes(text) || strlen(text) < 11 + DIGEST_HEX_LEN + 9 ||
	    strncmp(text, ".layers/", 8) != 0 || text[10] != '/')
		return false;
	memcpy(layer.hex, text + 11, DIGEST_HEX_LEN);
	layer.hex[DIGEST_HEX_LEN] = '\0';
	rest = text + 11 + DIGEST_HEX_LEN;
	if (!digest_is_hex(layer.hex) || strncmp(rest, "/layerfs/", 9) != 0)
		return false;
	file->layer = tree_intern(tree, &layer);
	free(file->origin);
	file->origin = xstrdup(rest + 9);
	return true;
}

static bool parse_xattr(char *key, const char *value, struct file *file)
{
	size_t len;
	AUTO_FREE unsigned char *data = base64_decode(value, &len);

	if (!text_undo_escapes(key) || !data)
		return false;
	file_set_xattr(file, key, data, len);
	return true;
}

static bool parse_tags(char *value, uint8_t *flags)
{
	char *rest = NULL;

	for (char *name = strtok_r(value, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
		size_t i = 0;

		while (i < ARRAY_LEN(tags) && strcmp(name, tags[i].name) != 0)
			i++;
		if (i == ARRAY_LEN(tags))
			return false;
		*flags |= tags[i].flag;
	}
	return true;
}

struct line {
	struct file *file;
	char *lower_link;
	uint8_t flags;
	bool has_mode;
};

static bool parse_keyword(struct tree *tree, char *key, char *value, struct line *line)
{
	struct file *file = line->file;

	if (!strcmp(key, "type"))
		return parse_type(value, file);
	if (!strcmp(key, "mode")) {
		uint32_t mode;

		if (!parse_u32(value, 8, 07777, &mode))
			return false;
		file->mode = (file->mode & S_IFMT) | mode;
		line->has_mode = true;
		return true;
	}
	if (!strcmp(key, "uid"))
		return parse_u32(value, 10, UINT32_MAX, &file->uid);
	if (!strcmp(key, "gid"))
		return parse_u32(value, 10, UINT32_MAX, &file->gid);
	if (!strcmp(key, "time"))
		return parse_time(value, file);
	if (!strcmp(key, "size"))
		return parse_u64(value, 10, INT64_MAX, &file->size);
	if (!strcmp(key, "sha256digest"))
		return parse_sha256(value, file);
	if (!strcmp(key, "device"))
		return parse_device(value, file);
	if (!strcmp(key, "contents"))
		return parse_contents(tree, value, file);
	if (!strcmp(key, "tags"))
		return parse_tags(value, &line->flags);
	if (!strncmp(key, "xattr.", 6))
		return parse_xattr(key + 6, value, file);
	if (!strcmp(key, "link")) {
		free(file->target);
		file->target = xstrdup(value);
		return text_undo_escapes(file->target);
	}
	if (!strcmp(key, "hardlink")) {
		free(line->lower_link);
		line->lower_link = xstrdup(value);
		return text_undo_escapes(line->lower_link);
	}
	return true; /* nlink follows from the tree; others are not ours */
}

/* Finds or makes the node of a decoded path; NULL if the path is not clean. */
static struct node *make_node(struct tree *tree, const char *path)
{
	struct node *node = tree_root(tree);

	while (*path) {
		size_t len = strcspn(path, "/");
		struct node *child;

		if (!len || len > 255 || (path[len] && !path[len + 1]) ||
		    (path[0] == '.' && (len == 1 || (len == 2 && path[1] == '.'))))
			return NULL;
		child = tree_child(tree, node, path, len);
		if (!child)
			child = tree_add(tree, node, path, len);
		node = child;
		path += len + (path[len] == '/');
	}
	return node;
}

/* Hard links are lines with the same contents: they share the file of the one it is named after. */
static void share_files(struct tree *tree, const struct digest *layer)
{
	struct node *root = tree_root(tree);

	for (struct node *node = root; node; node = tree_next(root, node)) {
		const struct file *file = node->file;
		const struct node *first;

		if (!file || !file->layer || !digest_equal(file->layer, layer))
			continue;
		first = tree_find(tree, file->origin);
		if (first && first != node && first->file && first->file->layer == file->layer &&
		    !strcmp(first->file->origin, file->origin))
			node_set_file(node, file_ref(first->file));
	}
}

static bool is_whiteout(const struct file *file)
{
	return S_ISCHR(file->mode) && !file->major && !file->minor;
}

static bool parse_line(struct tree *tree, char *text)
{
	char *rest = NULL, *name = strtok_r(text, " ", &rest);
	struct line line = {.file = file_new(0)};
	struct node *node = NULL;
	bool good = name && name[0] == '.' && (!name[1] || name[1] == '/') && text_undo_escapes(name);

	for (char *word; good && (word = strtok_r(NULL, " ", &rest));) {
		char *value = strchr(word, '=');

		if (value) {
			*value++ = '\0';
			good = parse_keyword(tree, word, value, &line);
		}
	}
	if (good)
		node = make_node(tree, name[1] ? name + 2 : "");
	good = good && node && !node->file && line.file->mode & S_IFMT &&
	       (!S_ISLNK(line.file->mode) || line.file->target) &&
	       (!node->children || S_ISDIR(line.file->mode));
	if (good) {
		node->flags = line.flags;
		node->lower_link = line.lower_link;
		line.lower_link = NULL;
		if (is_whiteout(line.file))
			node->flags |= NODE_WHITEOUT;
		else if (line.has_mode)
			node_set_file(node, file_ref(line.file));
	}
	file_unref(line.file);
	free(line.lower_link);
	return good;
}

static bool parse_head(const char *line, struct listing_head *head)
{
	return sscanf(line,
		      "# layer=%64[0-9a-f] diff-id=%64[0-9a-f] size=%" SCNu64 " unpacked=%" SCNu64,
		      head->layer.hex, head->diff_id.hex, &head->size, &head->unpacked) == 4 &&
	       digest_is_hex(head->layer.hex) && digest_is_hex(head->diff_id.hex);
}

struct tree *listing_read(int fd, struct listing_head *head, ducc_error **err)
{
	struct listing_head parsed = {.size = 0};
	AUTO_TREE *tree = tree_new();
	AUTO_FREE char *line = NULL;
	bool has_head = false;
	size_t capacity = 0, number = 0;
	ssize_t len;
	int copy = dup(fd);
	FILE *stream = copy < 0 ? NULL : fdopen(copy, "r");

	if (!stream) {
		cleanup_close(&copy);
		error_errno(err, errno, "listing");
		return NULL;
	}
	rewind(stream);
	while ((len = getline(&line, &capacity, stream)) > 0) {
		number++;
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (parse_head(line, &parsed))
			has_head = true;
		if (line[0] == '#' || !line[0])
			continue;
		if (!parse_line(tree, line)) {
			fclose(stream);
			error_set(err, "listing is damaged: line %zu", number);
			return NULL;
		}
	}
	if (ferror(stream) || (head && !has_head)) {
		error_set(err, "listing is damaged: %s", has_head ? "read error" : "no head");
		fclose(stream);
		return NULL;
	}
	fclose(stream);
	tree_sort(tree);
	if (has_head)
		share_files(tree, &parsed.layer);
	if (head)
		*head = parsed;
	return STEAL(tree);
}
