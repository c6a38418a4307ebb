/* A tree of files in memory: see tree.h. */
#include "content/tree.h"

#include <endian.h>

#include "base/mem.h"
#include "base/siphash.h"
#include "base/strmap.h"
#include "base/text.h"

#define FIRST_BUCKETS 1024

struct tree {
	struct node *root;
	struct node **buckets; /* children of all directories, by parent and name */
	size_t n_buckets, n_nodes;
	struct siphash_key key;
	struct strmap digests;            /* by their hex digits */
	const struct digest *last_digest; /* the last one looked up, or NULL */
};

struct file *file_new(mode_t mode)
{
	struct file *file = xcalloc(1, sizeof(*file));

	file->mode = (uint16_t)mode;
	file->refs = 1;
	return file;
}

struct file *file_ref(struct file *file)
{
	file->refs++;
	return file;
}

void file_unref(struct file *file)
{
	if (!file || --file->refs)
		return;
	for (size_t i = 0; i < file->n_xattrs; i++)
		free(file->xattrs[i].name);
	free(file->xattrs);
	free(file->target);
	free(file->text);
	free(file->origin);
	free(file->known);
	free(file);
}

void file_add_xattr(struct file *file, const char *name, const void *value, size_t len)
{
	size_t n = file->n_xattrs, name_size = strlen(name) + 1;
	struct xattr *xattr;

	/* Most files have at most one: capacity 1, 2, 4... */
	if (!(n & (n - 1)))
		file->xattrs = xreallocarray(file->xattrs, n ? 2 * n : 1, sizeof(*file->xattrs));
	xattr = &file->xattrs[file->n_xattrs++];
	xattr->name = xmalloc(name_size + len);
	xattr->value = xattr->name + name_size;
	xattr->len = len;
	memcpy(xattr->name, name, name_size);
	if (len)
		memcpy(xattr->value, value, len);
}

/* qsort(3) is not stable: the rank preserves the order of duplicates. */
struct ranked {
	struct xattr xattr;
	size_t rank;
};

static int by_name_and_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int order = strcmp(x->xattr.name, y->xattr.name);

	return order ? order : (x->rank > y->rank) - (x->rank < y->rank);
}

void file_sort_xattrs(struct file *file)
{
	AUTO_FREE struct ranked *ranked = NULL;
	size_t n = file->n_xattrs;

	if (n < 2)
		return;
	ranked = xcalloc(n, sizeof(*ranked));
	for (size_t i = 0; i < n; i++)
		ranked[i] = (struct ranked){file->xattrs[i], i};
	qsort(ranked, n, sizeof(*ranked), by_name_and_rank);
	file->n_xattrs = 0;
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && !strcmp(ranked[i].xattr.name, ranked[i + 1].xattr.name))
			free(ranked[i].xattr.name);
		else
			file->xattrs[file->n_xattrs++] = ranked[i].xattr;
	}
}

void file_set_origin(struct file *file, const struct digest *layer, const char *path)
{
	file->layer = layer;
	free(file->origin);
	file->origin = xstrdup(path);
}

static bool same_xattrs(const struct file *a, const struct file *b)
{
	if (a->n_xattrs != b->n_xattrs)
		return false;
	for (size_t i = 0; i < a->n_xattrs; i++) {
		const struct xattr *x = &a->xattrs[i], *y = &b->xattrs[i];

		if (strcmp(x->name, y->name) != 0 || x->len != y->len ||
		    memcmp(x->value, y->value, x->len) != 0)
			return false;
	}
	return true;
}

unsigned file_differences(const struct file *a, const struct file *b)
{
	unsigned members = 0;

	if ((a->mode ^ b->mode) & S_IFMT)
		return FILE_TYPE;
	members |= a->mode != b->mode ? FILE_MODE : 0;
	members |= a->uid != b->uid || a->gid != b->gid ? FILE_OWNER : 0;
	members |= a->mtime != b->mtime || a->mtime_nsec != b->mtime_nsec ? FILE_TIME : 0;
	members |= S_ISREG(a->mode) && a->size != b->size ? FILE_SIZE : 0;
	members |= !text_equal(a->target, b->target) ? FILE_TARGET : 0;
	members |= a->major != b->major || a->minor != b->minor ? FILE_DEVICE : 0;
	members |= !same_xattrs(a, b) ? FILE_XATTRS : 0;
	return members;
}

struct tree *tree_new(void)
{
	struct tree *tree = xcalloc(1, sizeof(*tree));

	tree->n_buckets = FIRST_BUCKETS;
	tree->buckets = xcalloc(tree->n_buckets, sizeof(*tree->buckets));
	tree->key = siphash_new_key();
	tree->root = xcalloc(1, sizeof(*tree->root) + 1);
	return tree;
}

static void detour_free(struct detour *detour)
{
	if (!detour)
		return;
	free(detour->name);
	free(detour->through);
	free(detour->links);
	file_unref(detour->file);
	free(detour);
}

static void node_free(struct node *node)
{
	file_unref(node->file);
	free(node->lower_link);
	detour_free(node->detour);
	free(node);
}

/* Frees the root and all descendants, leaves first, ignoring the hash table. */
static void free_nodes(struct node *root)
{
	struct node *node = root;

	while (node) {
		struct node *parent = node->parent;

		if (node->children) {
			node = node->children;
			continue;
		}
		if (parent)
			parent->children = node->next;
		node_free(node);
		node = parent;
	}
}

void tree_free(struct tree *tree)
{
	if (!tree)
		return;
	free_nodes(tree->root);
	strmap_free_values(&tree->digests, free);
	free(tree->buckets);
	free(tree);
}

struct node *tree_root(struct tree *tree)
{
	return tree->root;
}

static uint32_t hash_name(const struct tree *tree, const struct node *parent, const char *name,
			  size_t len)
{
	return (uint32_t)siphash(&tree->key, (uintptr_t)parent, name, len);
}

struct node *tree_child(const struct tree *tree, const struct node *parent, const char *name,
			size_t len)
{
	uint32_t hash = hash_name(tree, parent, name, len);
	struct node *node = tree->buckets[hash % tree->n_buckets];

	while (node && (node->hash != hash || node->parent != parent || node->name_len != len ||
			memcmp(node->name, name, len) != 0))
		node = node->chain;
	return node;
}

static void grow(struct tree *tree)
{
	size_t n = tree->n_buckets * 4;
	struct node **buckets = xcalloc(n, sizeof(*buckets));

	for (size_t i = 0; i < tree->n_buckets; i++) {
		struct node *node = tree->buckets[i];

		while (node) {
			struct node *chain = node->chain;

			node->chain = buckets[node->hash % n];
			buckets[node->hash % n] = node;
			node = chain;
		}
	}
	free(tree->buckets);
	tree->buckets = buckets;
	tree->n_buckets = n;
}

static void link_child(struct tree *tree, struct node *parent, struct node *node)
{
	struct node **bucket;

	if (++tree->n_nodes > tree->n_buckets)
		grow(tree);
	node->hash = hash_name(tree, parent, node->name, node->name_len);
	node->parent = parent;
	node->previous = NULL;
	node->next = parent->children;
	if (node->next)
		node->next->previous = node;
	parent->children = node;
	bucket = &tree->buckets[node->hash % tree->n_buckets];
	node->chain = *bucket;
	*bucket = node;
}

struct node *tree_add(struct tree *tree, struct node *parent, const char *name, size_t len)
{
	struct node *node = xcalloc(1, sizeof(*node) + len + 1);

	memcpy(node->name, name, len);
	node->name_len = (uint8_t)len;
	link_child(tree, parent, node);
	return node;
}

void tree_move_children(struct tree *tree, struct node *from, struct node *to)
{
	while (from->children) {
		struct node *child = from->children;

		tree_detach(tree, child);
		link_child(tree, to, child);
	}
}

static bool may_have_children(const struct node *node)
{
	return !node->lower_link &&
	       (node->file ? node_is_dir(node) : !(node->flags & NODE_WHITEOUT));
}

struct node *tree_make(struct tree *tree, const char *path)
{
	struct node *node = tree_root(tree);

	while (*path) {
		size_t len = strcspn(path, "/");
		struct node *child = tree_child(tree, node, path, len);

		if (!may_have_children(node))
			return NULL;
		node = child ? child : tree_add(tree, node, path, len);
		path += len + (path[len] == '/');
	}
	return node;
}

struct node *tree_find(const struct tree *tree, const char *path)
{
	struct node *node = tree->root;

	while (node && *path) {
		size_t len = strcspn(path, "/");

		node = tree_child(tree, node, path, len);
		path += len + (path[len] == '/');
	}
	return node;
}

void node_set_file(struct node *node, struct file *file)
{
	file_unref(node->file);
	node->file = file;
}

struct detour *node_detour(struct node *node)
{
	if (!node->detour)
		node->detour = xcalloc(1, sizeof(*node->detour));
	return node->detour;
}

bool node_is_passage(const struct node *node)
{
	return node->detour && (node->detour->through || node->detour->links) && !node->file &&
	       !node->lower_link && !node->children &&
	       !(node->flags & (NODE_WHITEOUT | NODE_OPAQUE));
}

bool node_is_whiteout(const struct node *node)
{
	return node->flags & NODE_WHITEOUT && !(node->flags & NODE_OPAQUE) && !node->file &&
	       !node->lower_link && !node->children;
}

bool node_is_possible_parent(const struct node *node)
{
	return node->file ? node_is_dir(node) : !node->lower_link && !node_is_whiteout(node);
}

bool node_is_opaque(const struct node *node)
{
	return node->flags & (NODE_WHITEOUT | NODE_OPAQUE) && !node->lower_link &&
	       (node->file ? node_is_dir(node) : !node_is_whiteout(node));
}

static void unhash(struct tree *tree, struct node *node)
{
	struct node **slot = &tree->buckets[node->hash % tree->n_buckets];

	while (*slot != node)
		slot = &(*slot)->chain;
	*slot = node->chain;
	tree->n_nodes--;
}

void tree_detach(struct tree *tree, struct node *node)
{
	unhash(tree, node);
	if (node->previous)
		node->previous->next = node->next;
	else
		node->parent->children = node->next;
	if (node->next)
		node->next->previous = node->previous;
	node->next = node->previous = NULL;
}

void tree_remove_children(struct tree *tree, struct node *root)
{
	struct node *node = root;

	/* Leaves first: descend along first children, free, continue. */
	for (;;) {
		struct node *parent;

		while (node->children)
			node = node->children;
		if (node == root)
			return;
		parent = node->parent;
		tree_detach(tree, node);
		node_free(node);
		node = parent;
	}
}

void tree_free_detached(struct tree *tree, struct node *node)
{
	tree_remove_children(tree, node);
	node_free(node);
}

void tree_remove(struct tree *tree, struct node *node)
{
	tree_detach(tree, node);
	tree_free_detached(tree, node);
}

static bool precedes(const struct node *x, const struct node *y)
{
	size_t len = x->name_len < y->name_len ? x->name_len : y->name_len;
	int order = memcmp(x->name, y->name, len);

	return order ? order < 0 : x->name_len < y->name_len;
}

static struct node *reverse(struct node *list)
{
	struct node *first = NULL;

	while (list) {
		struct node *next = list->next;

		list->next = first;
		first = list;
		list = next;
	}
	return first;
}

static bool in_order(const struct node *list)
{
	while (list->next && precedes(list, list->next))
		list = list->next;
	return !list->next;
}

/* To sort many nodes without looking at each again and again: they are all over the memory. */
struct sibling {
	uint64_t beginning; /* of its name, as a number that is in the order of names */
	struct node *node;
};

static int by_name(const void *a, const void *b)
{
	const struct sibling *x = a, *y = b;

	if (x->beginning != y->beginning)
		return x->beginning < y->beginning ? -1 : 1;
	return precedes(x->node, y->node) ? -1 : precedes(y->node, x->node);
}

static uint64_t beginning(const struct node *node)
{
	uint64_t text = 0;

	memcpy(&text, node->name, node->name_len < sizeof(text) ? node->name_len : sizeof(text));
	return be64toh(text);
}

static struct node *sort_siblings(struct node *list)
{
	AUTO_FREE struct sibling *siblings = NULL;
	struct node *first = NULL;
	size_t n = 0;

	for (const struct node *node = list; node; node = node->next)
		n++;
	siblings = xcalloc(n, sizeof(*siblings));
	n = 0;
	for (struct node *node = list; node; node = node->next)
		siblings[n++] = (struct sibling){beginning(node), node};
	qsort(siblings, n, sizeof(*siblings), by_name);
	while (n--) {
		siblings[n].node->next = first;
		first = siblings[n].node;
	}
	return first;
}

/*
 * Most are in order, or in reverse: those of an archive whose entries are in order, and of a copied
 * tree.
 */
static void sort_children(struct node *directory)
{
	struct node *list = directory->children, *previous = NULL;

	if (list->next && precedes(list->next, list))
		list = reverse(list);
	if (!in_order(list))
		list = sort_siblings(list);
	directory->children = list;
	for (struct node *child = list; child; child = child->next) {
		child->previous = previous;
		previous = child;
	}
}

void tree_sort(struct tree *tree)
{
	for (struct node *node = tree->root; node; node = tree_next(tree->root, node))
		if (node->children)
			sort_children(node);
}

struct node *tree_skip(const struct node *root, const struct node *node)
{
	while (node != root) {
		if (node->next)
			return node->next;
		node = node->parent;
	}
	return NULL;
}

struct node *tree_next(const struct node *root, const struct node *node)
{
	return node->children ? node->children : tree_skip(root, node);
}

struct node *tree_bottom(struct node *root)
{
	while (root->children)
		root = root->children;
	return root;
}

struct node *tree_next_up(const struct node *root, const struct node *node)
{
	if (node == root)
		return NULL;
	return node->next ? tree_bottom(node->next) : node->parent;
}

void node_path(const struct node *node, struct buffer *path)
{
	size_t len = 0;
	char *end;

	for (const struct node *n = node; n->parent; n = n->parent)
		len += n->name_len + (n->parent->parent != NULL);
	buffer_reset(path);
	end = buffer_extend(path, len) + len;
	for (const struct node *n = node; n->parent; n = n->parent) {
		end -= n->name_len;
		memcpy(end, n->name, n->name_len);
		if (n->parent->parent)
			*--end = '/';
	}
}

void tree_count_links(struct tree *tree)
{
	struct node *node;

	for (node = tree->root; node; node = tree_next(tree->root, node))
		if (node->file)
			node->file->links = 0;
	for (node = tree->root; node; node = tree_next(tree->root, node))
		if (node->file)
			node->file->links++;
}

size_t tree_count(const struct tree *tree)
{
	return tree->n_nodes;
}

const struct digest *tree_intern(struct tree *tree, const struct digest *digest)
{
	/* Most files are in the same layer as the previous one. */
	if (tree->last_digest && digest_equal(tree->last_digest, digest))
		return tree->last_digest;
	tree->last_digest = strmap_get(&tree->digests, digest->hex);
	if (!tree->last_digest) {
		struct digest *copy = xmemdup(digest, sizeof(*digest));

		strmap_put(&tree->digests, digest->hex, copy);
		tree->last_digest = copy;
	}
	return tree->last_digest;
}
