/*
 * A tree of files in memory: the content of a layer, or of a whole image.
 *
 * Nodes are names, files are what they name; several nodes that share a file
 * are hard links of each other.  A node belongs to its tree.  Files are counted
 * references and may be shared between trees.
 *
 * Nothing here recurses: a path may be as deep as it is long.
 */
#ifndef DUCC_TREE_H
#define DUCC_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "format/digest.h"

struct xattr {
	char *name;  /* value is in the same allocation */
	char *value; /* len bytes */
	size_t len;
};

struct file {
	mode_t mode; /* type and permissions, as st_mode */
	uint32_t uid, gid;
	int64_t mtime;       /* seconds since 1970 */
	uint32_t mtime_nsec; /* always forward from mtime */
	uint64_t size;       /* bytes; regular files only */
	uint32_t major, minor;
	char *target;         /* of a symbolic link */
	char *text;           /* content of a file that is not in any layer */
	struct xattr *xattrs; /* sorted by name, see file_sort_xattrs() */
	size_t n_xattrs;
	uint8_t sha256[SHA256_SIZE]; /* of the content of a regular file */

	/* Where the file is: the layer (its compressed digest) and the path in it. */
	const struct digest *layer;
	char *origin;

	unsigned refs;
	unsigned links; /* set by tree_count_links() */
	uint64_t data;  /* while a layer is read: where in the spool the content begins */
};

struct file *file_new(mode_t mode);
struct file *file_ref(struct file *file);
void file_unref(struct file *file);

/*
 * Adds an extended attribute: copies of `name` and of the len bytes at `value`.  Call
 * file_sort_xattrs() after the last one.
 */
void file_add_xattr(struct file *file, const char *name, const void *value, size_t len);

/* Sorts the extended attributes by name.  The last one added of each name stays. */
void file_sort_xattrs(struct file *file);

/* Says where the file is: in the layer, whose digest is interned, at that path. */
void file_set_origin(struct file *file, const struct digest *layer, const char *path);

/* True if type, mode, owner, time, target, device and xattrs agree (not the content). */
bool file_same_metadata(const struct file *a, const struct file *b);

enum node_flags {
	/* A whiteout: what lay below under this name is gone. */
	NODE_WHITEOUT = 1,
	/* A directory that hides what the directory below it holds. */
	NODE_OPAQUE = 2,
	/* Not said by the layer; follows from the layers below. */
	NODE_IMPLIED = 4,
	/* A whiteout in a directory that neither the layer nor those below have. */
	NODE_VOID = 8,
};

struct node {
	struct node *parent, *children;
	struct node *next, *previous; /* siblings; the first has no previous one */
	struct node *chain;           /* in the tree's hash table */
	struct file *file; /* NULL: nothing here, a whiteout or a directory only implied */
	char *lower_link;  /* a hard link to this path in the layers below, not found yet */
	struct node *peer, *hidden; /* for merging, see merge.c */
	uint32_t hash;
	uint32_t entries; /* for catalogs.c: in the catalog that the node is in */
	uint8_t flags;
	bool used;   /* for merging: holds more than whiteouts */
	bool needed; /* merged: follows from the layers below in this image, not just in others */
	bool stored; /* for unpacking: the layer's tar has it */
	uint8_t name_len;
	char name[];
};

struct tree;

struct tree *tree_new(void);
void tree_free(struct tree *tree);

static inline void tree_cleanup(struct tree **tree)
{
	tree_free(*tree);
}

#define AUTO_TREE __attribute__((cleanup(tree_cleanup))) struct tree

/* The root directory: a node without a name, without a file at first. */
struct node *tree_root(struct tree *tree);

/* The child of that name (at most 255 bytes, not NUL-terminated), or NULL. */
struct node *tree_child(const struct tree *tree, const struct node *parent, const char *name,
			size_t len);

/* Adds a child, which must not be there yet. */
struct node *tree_add(struct tree *tree, struct node *parent, const char *name, size_t len);

/* The node at `path` (see path.h), or NULL. */
struct node *tree_find(const struct tree *tree, const char *path);

/* Gives the node another file (or none); takes over the caller's reference. */
void node_set_file(struct node *node, struct file *file);

/* True if the node has a file and it is a directory.  NULL is none. */
static inline bool node_is_dir(const struct node *node)
{
	return node && node->file && S_ISDIR(node->file->mode);
}

/* True if the node is nothing but a whiteout. */
bool node_is_whiteout(const struct node *node);
/* True if a published layer has something there.  NULL is nothing. */
static inline bool node_is_entry(const struct node *node)
{
	return node && !(node->flags & NODE_VOID) && (node->file || node_is_whiteout(node));
}
/* True for a directory that hides what is below, be it by its marker or by a whiteout. */
bool node_is_opaque(const struct node *node);

/*
 * Takes a node with all beneath it out of the tree, without freeing it.  The caller may
 * use its `next`.
 */
void tree_detach(struct tree *tree, struct node *node);
/* Frees what was detached, and leaves it out of the tree. */
void tree_remove(struct tree *tree, struct node *node);
void tree_remove_children(struct tree *tree, struct node *node);
/* Moves all children of one node to another that has none of their names. */
void tree_move_children(struct tree *tree, struct node *from, struct node *to);
void tree_free_detached(struct tree *tree, struct node *node);

/* Sorts all directories by name, in byte order. */
void tree_sort(struct tree *tree);

/* The next node in preorder beneath (and not including) root, or NULL; start with root. */
struct node *tree_next(const struct node *root, const struct node *node);
/* The same, leaving out what is beneath `node`. */
struct node *tree_skip(const struct node *root, const struct node *node);

/* The path of the node from the root of its tree; "" for the root. */
void node_path(const struct node *node, struct buffer *path);

/* Sets the links member of every file to the number of nodes of this tree that have it. */
void tree_count_links(struct tree *tree);

/* The number of nodes in the tree, without its root. */
size_t tree_count(const struct tree *tree);

/* The one copy of this digest that lives as long as the tree. */
const struct digest *tree_intern(struct tree *tree, const struct digest *digest);

#endif
