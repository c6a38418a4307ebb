/* Listings: see listing.h. */
#include "content/listing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "format/repo_paths.h"

#define FLUSH_SIZE 65536

const struct listing_tag listing_tags[LISTING_TAGS] = {
	{"opaque", NODE_OPAQUE}, {"implied", NODE_IMPLIED}, {"void", NODE_VOID},
	{"fixed", NODE_FIXED},   {"late", NODE_LATE},
};

static void add_encoded(struct buffer *out, const char *text)
{
	text_add_escaped(out, text, LISTING_SPECIAL);
}

const char *listing_type(mode_t mode)
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
	case S_IFSOCK:
		return "socket";
	default:
		return "file";
	}
}

static void add_file(struct buffer *out, const struct file *file)
{
	buffer_addf(out,
		    " type=%s mode=%04o uid=%" PRIu32 " gid=%" PRIu32 " time=%" PRId64
		    ".%09" PRIu32,
		    listing_type(file->mode), (unsigned)file->mode & 07777, file->uid, file->gid,
		    file->mtime, file->mtime_nsec);
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
	for (size_t i = 0; i < file->n_xattrs; i++) {
		const struct xattr *xattr = &file->xattrs[i];
		AUTO_FREE char *value = base64_encode(xattr->value, xattr->len);

		buffer_adds(out, " xattr.");
		text_add_escaped(out, xattr->name, LISTING_SPECIAL "=");
		buffer_addf(out, "=%s", value);
	}
	if (file->layer && !S_ISDIR(file->mode)) {
		AUTO_FREE char *contents = layer_path(file->layer, file->origin);

		buffer_adds(out, " contents=");
		add_encoded(out, contents);
	}
}

/* Adds tags=A[,B] if the node has tags. */
static void add_tags(struct buffer *out, const struct node *node)
{
	const char *before = " tags=";

	for (size_t i = 0; i < LISTING_TAGS; i++) {
		uint8_t flag = listing_tags[i].flag;
		bool has = flag == NODE_OPAQUE ? node_is_opaque(node) : node->flags & flag;

		if (!has)
			continue;
		buffer_addf(out, "%s%s", before, listing_tags[i].name);
		before = ",";
	}
}

static void add_detour(struct buffer *out, const struct detour *detour)
{
	if (detour->through) {
		buffer_adds(out, " through=");
		add_encoded(out, detour->through);
	}
	if (detour->links)
		buffer_addf(out, " links=%s", detour->links);
	if (detour->name) {
		buffer_adds(out, " name=");
		add_encoded(out, detour->name);
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
		buffer_adds(out, " type=dir"); /* lower layers have the rest */
	else if (node_is_passage(node))
		buffer_adds(out, " type=link");
	else if (!node->lower_link)
		buffer_adds(out, " type=char mode=0000 uid=0 gid=0 time=0.000000000"
				 " device=native,0,0");
	if (node->lower_link) {
		buffer_adds(out, node->file ? " hardlink=" : " type=file hardlink=");
		add_encoded(out, node->lower_link);
	}
	if (node->detour)
		add_detour(out, node->detour);
	add_tags(out, node);
	buffer_addc(out, '\n');
}

/* Hashes and writes the text in the buffer. */
static int flush(int fd, struct hasher *hasher, struct buffer *out)
{
	hasher_update(hasher, out->data, out->len);
	if (write_all(fd, out->data, out->len) < 0)
		return -1;
	buffer_reset(out);
	return 0;
}

/* Writes all that follows the digest: the header, and a line for each entry. */
static int write_body(int fd, struct hasher *hasher, const char *head, struct tree *tree)
{
	AUTO_BUFFER out = {0};
	AUTO_BUFFER path = {0};
	struct node *root = tree_root(tree);

	buffer_adds(&out, head);
	for (const struct node *node = root; node; node = tree_next(root, node)) {
		/* An implied directory that is not resolved yet is not an entry. */
		if (node->file || node->lower_link || node_is_whiteout(node) ||
		    node_is_opaque(node) || node_is_passage(node))
			add_node(&out, node, &path);
		if (out.len >= FLUSH_SIZE && flush(fd, hasher, &out) < 0)
			return -1;
	}
	return flush(fd, hasher, &out);
}

/* Writes the first two lines; before the digest is known, they take the same space. */
static int write_start(int fd, const uint8_t sha256[SHA256_SIZE])
{
	char start[LISTING_START + 1];
	struct digest digest;

	digest_from_bytes(&digest, sha256);
	snprintf(start, sizeof(start), LISTING_MAGIC "\n" LISTING_DIGEST "%s\n", digest.hex);
	return pwrite(fd, start, LISTING_START, 0) == (ssize_t)LISTING_START ? 0 : -1;
}

static int write_listing(int fd, const char *head, struct tree *tree)
{
	struct hasher *hasher = hasher_new();
	uint8_t sha256[SHA256_SIZE] = {0};
	int result = -1;

	if (!write_start(fd, sha256) && lseek(fd, (off_t)LISTING_START, SEEK_SET) >= 0)
		result = write_body(fd, hasher, head, tree);
	hasher_final(hasher, sha256);
	hasher_free(hasher);
	return result < 0 ? -1 : write_start(fd, sha256);
}

int listing_write(int fd, const struct listing_head *head, struct tree *tree)
{
	AUTO_FREE char *text = head ? format(LISTING_HEAD "\n", head->layer.hex, head->diff_id.hex,
					     head->size, head->unpacked)
				    : xstrdup("");

	return write_listing(fd, text, tree);
}

int listing_write_image(int fd, const struct listing_image *image, struct tree *tree)
{
	AUTO_FREE char *text = format(LISTING_IMAGE "\n", image->manifest.hex, image->layers.hex,
				      image->exact ? LISTING_EXACT : "");

	return write_listing(fd, text, tree);
}

bool listing_id(int fd, struct digest *id)
{
	char start[LISTING_START + 1] = "";

	errno = 0;
	return file_read_all(fd, start, LISTING_START, 0) == (ssize_t)LISTING_START &&
	       start[LISTING_START - 1] == '\n' &&
	       sscanf(start, LISTING_MAGIC "\n" LISTING_DIGEST "%64[0-9a-f]", id->hex) == 1 &&
	       digest_is_hex(id->hex);
}

bool listing_is_old(int fd)
{
	static const char *const starts[] = {LISTING_MAGIC "\n# layer=", LISTING_MAGIC "\n. type="};
	static const char without_manifest[] = "# layers=";
	char start[LISTING_START + sizeof(without_manifest)] = "";

	errno = 0;
	if (file_read_all(fd, start, sizeof(start) - 1, 0) < 0)
		return false;
	if (!strcmp(start + LISTING_START, without_manifest))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (!strncmp(start, starts[i], strlen(starts[i])))
			return true;
	return false;
}

int listing_print(const struct listing_head *head, struct tree *tree, char **text, size_t *len,
		  ducc_error **err)
{
	AUTO_CLOSE int fd = memfd_create("listing", MFD_CLOEXEC);

	if (fd < 0 || listing_write(fd, head, tree) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "listing");
	return read_file(fd, SIZE_MAX, text, len, err);
}
