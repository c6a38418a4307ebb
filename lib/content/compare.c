/* Comparing a published tree with its listing, or two listings: see compare.h. */
#include "content/compare.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/strmap.h"
#include "content/entry.h"
#include "content/layer_name.h"
#include "content/listing.h"
#include "format/repo_paths.h"

/* A name in the tree with an inode, to find hard links. */
struct link {
	const struct node *node;
	ino_t inode;
};

struct compare {
	const struct comparison *rules;
	struct tree *tree;
	struct buffer directory; /* the path of the current directory ... */
	const char *name;        /* ... the name of the current entry in it, or NULL ... */
	struct buffer path;      /* ... and the path of both, see entry_path() */
	struct link *links;
	size_t n, capacity;
	bool moved; /* of two trees, a file has another origin */
};

static const char *entry_path(struct compare *compare)
{
	const struct buffer *directory = &compare->directory;

	buffer_reset(&compare->path);
	buffer_add(&compare->path, directory->data, directory->len);
	if (directory->len && compare->name)
		buffer_addc(&compare->path, '/');
	buffer_adds(&compare->path, compare->name ? compare->name : "");
	return compare->path.data;
}

static void differs(struct compare *compare, const char *kind, const struct node *node,
		    const char *expected, const char *found)
{
	compare->rules->differs(compare->rules->ctx, kind, entry_path(compare), node, expected,
				found);
}

/* The current entry could not be looked at. */
static void failed(struct compare *compare, int error)
{
	compare->rules->failed(compare->rules->ctx, entry_path(compare), error);
}

const char *differs_kind(int error)
{
	return is_absence(error)                   ? DIFFERS_MISSING
	       : error == EACCES || error == EPERM ? DIFFERS_UNREADABLE
						   : NULL;
}

const char *differs_kind_of(const ducc_error *error)
{
	switch (ducc_error_kind(error)) {
	case DUCC_NOT_FOUND:
		return DIFFERS_MISSING;
	case DUCC_DENIED:
		return DIFFERS_UNREADABLE;
	default:
		return error_is_failure(error) ? NULL : DIFFERS_DAMAGED;
	}
}

/* --- metadata --------------------------------------------------------- */

static char *owner_text(const struct file *file)
{
	return format("%" PRIu32 ":%" PRIu32, file->uid, file->gid);
}

static char *time_text(const struct file *file)
{
	return format("%" PRId64 ".%09" PRIu32, file->mtime, file->mtime_nsec);
}

static char *mode_text(const struct file *file)
{
	return format("%04o", (unsigned)file->mode & 07777);
}

static char *size_text(const struct file *file)
{
	return format("%" PRIu64, file->size);
}

static char *target_text(const struct file *file)
{
	return xstrdup(file->target);
}

static char *device_text(const struct file *file)
{
	return format("%" PRIu32 ",%" PRIu32, file->major, file->minor);
}

static const struct {
	unsigned member;
	const char *kind;
	char *(*text)(const struct file *file);
} members[] = {
	{FILE_MODE, DIFFERS_MODE, mode_text}, {FILE_OWNER, DIFFERS_OWNER, owner_text},
	{FILE_TIME, "time", time_text},       {FILE_SIZE, "size", size_text},
	{FILE_TARGET, "link", target_text},   {FILE_DEVICE, "device", device_text},
};

/* The differences that count, for that kind of repository and its publisher. */
static unsigned differences(const struct comparison *rules, const struct file *expected,
			    const struct file *found)
{
	unsigned members_ = file_differences(expected, found) & ~(unsigned)FILE_XATTRS;
	mode_t lost = S_ISDIR(expected->mode) ? 0 : S_ISUID | S_ISGID;

	if (S_ISLNK(expected->mode)) /* has no mode on Linux */
		members_ &= ~(unsigned)FILE_MODE;
	if (rules->reduced && expected->mtime == found->mtime)
		members_ &= ~(unsigned)FILE_TIME;
	if (!rules->owner || found->uid != rules->owner)
		return members_;
	if (found->mode == (expected->mode & ~lost))
		members_ &= ~(unsigned)FILE_MODE;
	return members_ & ~(unsigned)FILE_OWNER;
}

/* NAME=BASE64 */
static char *xattr_text(const struct xattr *xattr)
{
	AUTO_FREE char *value = xattr ? base64_encode(xattr->value, xattr->len) : NULL;

	return xattr ? format("%s=%s", xattr->name, value) : NULL;
}

/* Not everybody can see these, or could set them. */
static bool is_privileged(const struct comparison *rules, const char *name)
{
	bool trusted = !strncmp(name, "trusted.", strlen("trusted."));

	return (trusted && geteuid() != 0) ||
	       (rules->owner && strncmp(name, "user.", strlen("user.")) != 0);
}

/* One of both may be NULL. */
static void compare_xattr(struct compare *compare, const struct node *node, const char *name,
			  const struct xattr *expected, const struct xattr *found)
{
	AUTO_FREE char *expected_text = xattr_text(expected), *found_text = xattr_text(found);

	if ((expected && found && expected->len == found->len &&
	     !memcmp(expected->value, found->value, found->len)) ||
	    (!found && is_privileged(compare->rules, name)))
		return;
	differs(compare, "xattr", node, expected_text, found_text);
}

static const struct xattr *xattr_at(const struct file *file, size_t i)
{
	return i < file->n_xattrs ? &file->xattrs[i] : NULL;
}

/* Both are sorted by name. */
static void compare_xattrs(struct compare *compare, const struct node *node,
			   const struct file *found)
{
	const struct file *expected = node->file;
	size_t i = 0, j = 0;

	for (;;) {
		const struct xattr *x = xattr_at(expected, i), *y = xattr_at(found, j);
		int order;

		if (!x && !y)
			return;
		order = !y ? -1 : !x ? 1 : strcmp(x->name, y->name);
		compare_xattr(compare, node, order <= 0 ? x->name : y->name, order <= 0 ? x : NULL,
			      order >= 0 ? y : NULL);
		i += order <= 0;
		j += order >= 0;
	}
}

/* --- entries ---------------------------------------------------------- */

static const char *type_of(const struct node *node)
{
	return node->file ? listing_type(node->file->mode) : "whiteout";
}

/* Reports which members of the metadata differ, apart from xattrs, and returns them. */
static unsigned compare_members(struct compare *compare, const struct node *node,
				const struct file *found)
{
	unsigned wrong = differences(compare->rules, node->file, found);

	if (wrong & FILE_TYPE)
		differs(compare, DIFFERS_TYPE, node, type_of(node), listing_type(found->mode));
	for (size_t i = 0; !(wrong & FILE_TYPE) && i < ARRAY_LEN(members); i++) {
		if (!(wrong & members[i].member))
			continue;
		AUTO_FREE char *expected = members[i].text(node->file);
		AUTO_FREE char *text = members[i].text(found);
		differs(compare, members[i].kind, node, expected, text);
	}
	return wrong;
}

static void add_link(struct compare *compare, const struct node *node, ino_t inode)
{
	GROW(compare->links, compare->n, compare->capacity);
	compare->links[compare->n++] = (struct link){node, inode};
}

static void compare_content(struct compare *compare, const struct node *node, int directory,
			    const char *name, const struct stat *st)
{
	const struct comparison *rules = compare->rules;
	AUTO_FREE char *found = NULL;
	struct digest expected;
	const char *kind;

	if (!rules->content || !rules->content(rules->ctx, directory, name, entry_path(compare),
					       node->file, st, &kind, &found))
		return;
	digest_from_bytes(&expected, node->file->sha256);
	differs(compare, kind, node, expected.hex, found);
}

static void compare_file(struct compare *compare, const struct node *node, int directory,
			 const char *name, struct file *found, const struct stat *st)
{
	const struct comparison *rules = compare->rules;
	unsigned wrong = compare_members(compare, node, found);

	if (wrong & FILE_TYPE)
		return;
	if (!rules->reduced && entry_read_xattrs(found, directory, name) < 0)
		failed(compare, errno);
	else if (!rules->reduced)
		compare_xattrs(compare, node, found);
	if (S_ISREG(found->mode) && !(wrong & FILE_SIZE))
		compare_content(compare, node, directory, name, st);
	if (!rules->reduced && !S_ISDIR(found->mode) && node->file->layer)
		add_link(compare, node, st->st_ino);
}

static void compare_whiteout(struct compare *compare, const struct node *node,
			     const struct file *found)
{
	if (!S_ISCHR(found->mode) || found->major || found->minor)
		differs(compare, DIFFERS_WHITEOUT, node, "whiteout", listing_type(found->mode));
}

/* An entry that the listing does not have. */
static void report_extra(struct compare *compare, const char *name, const struct file *found)
{
	const struct comparison *rules = compare->rules;
	bool whiteout = rules->layer && layer_name_is_whiteout(name, strlen(name));

	if (rules->reduced && S_ISREG(found->mode) && !strcmp(name, CATALOG_MARKER))
		return;
	differs(compare, whiteout ? DIFFERS_WHITEOUT : DIFFERS_EXTRA, NULL, NULL,
		listing_type(found->mode));
}

/* Nodes that are found are `used'; directories among them, in which to look, `stored'. */
static void compare_entry(struct compare *compare, const struct node *directory, int fd,
			  const char *name)
{
	struct node *node = tree_child(compare->tree, directory, name, strlen(name));
	struct stat st;
	struct file *found = entry_read(fd, name, &st);

	compare->name = name;
	if (!found)
		failed(compare, errno);
	else if (!node || node->flags & NODE_VOID)
		report_extra(compare, name, found);
	else if (node_is_whiteout(node))
		compare_whiteout(compare, node, found);
	else if (node->file)
		compare_file(compare, node, fd, name, found, &st);
	if (node) {
		node->used = true;
		node->stored = found && S_ISDIR(found->mode);
	}
	file_unref(found);
}

/* Devices may be missing where only root could create them. */
static bool may_be_missing(const struct compare *compare, const struct node *node)
{
	const struct file *file = node->file;

	return !node_is_entry(node) ||
	       (compare->rules->owner && file && (S_ISCHR(file->mode) || S_ISBLK(file->mode)));
}

/* Reports the entries of a directory that were not found. */
static void report_missing(struct compare *compare, const struct node *directory)
{
	for (const struct node *node = directory->children; node; node = node->next) {
		if (node->used || may_be_missing(compare, node))
			continue;
		compare->name = node->name;
		differs(compare, node->file ? DIFFERS_MISSING : DIFFERS_WHITEOUT, node,
			type_of(node), NULL);
	}
}

static void compare_directory(struct compare *compare, int root, const struct node *node)
{
	AUTO_ENTRIES entries = {.stream = NULL};
	const char *name;

	node_path(node, &compare->directory);
	entries = entries_open(root, compare->directory.data);
	while ((name = entries_next(&entries)))
		compare_entry(compare, node, entries.fd, name);
	compare->name = NULL;
	if (entries.error)
		failed(compare, entries.error);
	else
		report_missing(compare, node);
}

/* --- hard links ------------------------------------------------------- */

static int order_of_origins(const struct file *x, const struct file *y)
{
	int order = x == y ? 0 : strcmp(x->layer->hex, y->layer->hex);

	return x == y || order ? order : strcmp(x->origin, y->origin);
}

static int compare_origins(const void *a, const void *b)
{
	return order_of_origins(((const struct link *)a)->node->file,
				((const struct link *)b)->node->file);
}

static int compare_inodes(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

/* Two files are hard links and should not be, or the other way round. */
static void report_link(struct compare *compare, const struct link *link, const struct link *other,
			bool expected)
{
	AUTO_BUFFER path = {0};

	node_path(other->node, &path);
	node_path(link->node, &compare->directory);
	compare->name = NULL;
	differs(compare, "hardlink", link->node, expected ? path.data : NULL,
		expected ? NULL : path.data);
}

/* Files of the same origin are hard links, and no others are. */
static void compare_links(struct compare *compare)
{
	struct link *links = compare->links;

	if (!compare->n)
		return;
	qsort(links, compare->n, sizeof(*links), compare_origins);
	for (size_t i = 1; i < compare->n; i++)
		if (!compare_origins(&links[i - 1], &links[i]) &&
		    links[i - 1].inode != links[i].inode)
			report_link(compare, &links[i], &links[i - 1], true);
	qsort(links, compare->n, sizeof(*links), compare_inodes);
	for (size_t i = 1; i < compare->n; i++)
		if (links[i - 1].inode == links[i].inode &&
		    compare_origins(&links[i - 1], &links[i]) != 0)
			report_link(compare, &links[i], &links[i - 1], false);
}

/* --- the tree --------------------------------------------------------- */

void compare_tree(const struct comparison *comparison, int root, struct tree *tree)
{
	struct compare compare = {.rules = comparison, .tree = tree};
	struct node *top = tree_root(tree), *node = top;
	struct stat st;
	struct file *found = entry_read(root, ".", &st);

	buffer_adds(&compare.directory, "");
	if (!found)
		failed(&compare, errno);
	else if (top->file)
		compare_file(&compare, top, root, ".", found, &st);
	file_unref(found);
	top->stored = true;
	while (node && !context_cancelled(comparison->context)) {
		if (node->stored)
			compare_directory(&compare, root, node);
		node = node->stored ? tree_next(top, node) : tree_skip(top, node);
	}
	compare_links(&compare);
	free(compare.links);
	buffer_free(&compare.directory);
	buffer_free(&compare.path);
}

/* --- two trees -------------------------------------------------------- */

static void compare_digests(struct compare *compare, const struct node *node,
			    const struct file *found)
{
	struct digest expected, other;

	if (!memcmp(node->file->sha256, found->sha256, SHA256_SIZE))
		return;
	digest_from_bytes(&expected, node->file->sha256);
	digest_from_bytes(&other, found->sha256);
	differs(compare, DIFFERS_CONTENT, node, expected.hex, other.hex);
}

/* Compares an entry that both trees have.  If both are directories, `other` becomes its peer. */
static void compare_nodes(struct compare *compare, struct node *node, struct node *other)
{
	const struct file *found = other->file;
	unsigned wrong;

	if (!found) {
		differs(compare, DIFFERS_TYPE, node, type_of(node), type_of(other));
		return;
	}
	if (!node->used && S_ISREG(node->file->mode) && S_ISREG(found->mode) && !found->layer)
		return;
	wrong = compare_members(compare, node, found);
	if (wrong & FILE_TYPE)
		return;
	compare_xattrs(compare, node, found);
	if (S_ISREG(found->mode) && !(wrong & FILE_SIZE))
		compare_digests(compare, node, found);
	if (S_ISDIR(found->mode))
		node->peer = other;
	else if (node->file->layer && found->layer)
		compare->moved |= order_of_origins(node->file, found) != 0;
}

/* Compares the entries of two directories, which are sorted. */
static void compare_children(struct compare *compare, const struct node *directory)
{
	struct node *a = directory->children, *b = directory->peer->children;

	node_path(directory, &compare->directory);
	while (a || b) {
		int order = !b ? -1 : !a ? 1 : strcmp(a->name, b->name);

		compare->name = order <= 0 ? a->name : b->name;
		if (!order)
			compare_nodes(compare, a, b);
		else if (order > 0)
			differs(compare, DIFFERS_EXTRA, NULL, NULL, type_of(b));
		else if (a->used)
			differs(compare, DIFFERS_MISSING, a, type_of(a), NULL);
		a = order <= 0 ? a->next : a;
		b = order >= 0 ? b->next : b;
	}
}

/* The first file with the same origin, instead of an inode. */
static ino_t inode_of(struct strmap *first, const struct file *file)
{
	AUTO_FREE char *origin = layer_path(file->layer, file->origin);
	const struct file *there = strmap_get(first, origin);

	if (!there)
		strmap_put(first, origin, (void *)(there = file));
	return (ino_t)(uintptr_t)there;
}

/* Files may have other origins, but must be hard links of the same names. */
static void compare_other_origins(struct compare *compare, struct tree *expected,
				  const struct tree *found)
{
	struct strmap first = {.values = NULL};
	struct node *root = tree_root(expected);

	for (const struct node *node = root; node; node = tree_next(root, node)) {
		const struct node *other;

		if (!node->file || !node->file->layer || S_ISDIR(node->file->mode))
			continue;
		node_path(node, &compare->directory);
		other = tree_find(found, compare->directory.data);
		if (other && other->file && other->file->layer && !S_ISDIR(other->file->mode))
			add_link(compare, node, inode_of(&first, other->file));
	}
	strmap_free(&first);
	compare_links(compare);
}

void compare_trees(const struct comparison *comparison, struct tree *expected, struct tree *found)
{
	struct compare compare = {.rules = comparison, .tree = expected};
	struct node *top = tree_root(expected), *node = tree_next(top, top);

	buffer_adds(&compare.directory, "");
	for (top->peer = NULL; node; node = tree_next(top, node))
		node->peer = NULL;
	compare_nodes(&compare, top, tree_root(found));
	for (node = top; node;) {
		if (node->peer)
			compare_children(&compare, node);
		node = node->peer ? tree_next(top, node) : tree_skip(top, node);
	}
	if (compare.moved)
		compare_other_origins(&compare, expected, found);
	free(compare.links);
	buffer_free(&compare.directory);
	buffer_free(&compare.path);
}
