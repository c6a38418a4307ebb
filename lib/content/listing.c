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
	{"opaque", NODE_OPAQUE},
	{"implied", NODE_IMPLIED},
	{"void", NODE_VOID},
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

	buffer_adds(&out, LISTING_MAGIC "\n");
	if (head)
		buffer_addf(&out, LISTING_HEAD "\n", head->layer.hex, head->diff_id.hex, head->size,
			    head->unpacked);
	for (const struct node *node = root; node; node = tree_next(root, node)) {
		/* An implied directory that is not resolved yet is not an entry. */
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
