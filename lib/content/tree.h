/*
 * A tree of files in memory: the content of a layer, or of a whole image.
 *
 * Nodes are names, like directory entries; files are like inodes.  Nodes that share a
 * file are hard links.  A node belongs to its tree.  Files are reference-counted and
 * may be shared between trees.
 *
 * Nothing here recurses: paths may have any depth.
 */
#ifndef DUCC_TREE_H
#define DUCC_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "format/digest.h"

struct xattr {
	char *name;  /* value is in the same allocation */
	char *value; /* len bytes */
	size_t len;
};

/* Files and the bytes of their content. */
struct amount {
	uint64_t files, bytes;
};

static inline void amount_add(struct amount *amount, struct amount more)
{
	amount->files += more.files;
	amount->bytes += more.bytes;
}

/* A regular file of a published or added layer, whose content equals that of another file. */
struct known_file {
	const struct digest *layer; /* interned in the other file's tree */
	const char *path;           /* in that layer; in the same allocation */
	bool same;                  /* the metadata are equal, too ... */
	bool same_names;            /* ... and the names of hard links to it, if it has any */
};

/* A layer has many files; keep this small. */
struct file {
	uint16_t mode;     /* type and permissions, as st_mode */
	uint16_t n_xattrs; /* at most FILE_XATTRS_MAX */
	uint32_t uid, gid;
	uint32_t mtime_nsec; /* added to mtime */
	int64_t mtime;       /* seconds since 1970 */
	uint64_t size;       /* bytes; regular files only */
	uint32_t major, minor;
	char *target;                /* of a symbolic link */
	char *text;                  /* content of a file that is in no layer */
	struct xattr *xattrs;        /* sorted by name, see file_sort_xattrs() */
	uint8_t sha256[SHA256_SIZE]; /* of the content of a regular file */

	/* The file's location: the layer (its compressed digest) and the path in it. */
	const struct digest *layer;
	char *origin;
	/* Set by known_match() (repo/known.h), owned by the file; NULL: unknown content. */
	struct known_file *known;

	unsigned refs;
	unsigned links; /* set by tree_count_links() */
	/* While a layer is read, the offset of the content in its tar; then free for any use. */
	uint64_t data;
};

/* More than can be in the headers of a tar, or the names of which Linux can list. */
#define FILE_XATTRS_MAX UINT16_MAX

struct file *file_new(mode_t mode);
struct file *file_ref(struct file *file);
void file_unref(struct file *file);

/*
 * Adds an extended attribute; copies `name` and the len bytes at `value`.  Call
 * file_sort_xattrs() after the last one.
 */
void file_add_xattr(struct file *file, const char *name, const void *value, size_t len);

/* Sorts the extended attributes by name.  Of duplicates, the last one added is kept. */
void file_sort_xattrs(struct file *file);

/* Sets the file's location: the layer, whose digest is interned, and the path in it. */
void file_set_origin(struct file *file, const struct digest *layer, const char *path);

/* Members in which two files may differ. */
enum file_member {
	FILE_TYPE = 1, /* then nothing else is compared */
	FILE_MODE = 2,
	FILE_OWNER = 4,
	FILE_TIME = 8,
	FILE_SIZE = 16, /* of regular files */
	FILE_TARGET = 32,
	FILE_DEVICE = 64,
	FILE_XATTRS = 128,
};

/* The members in which the files differ, but not whether their contents do. */
unsigned file_differences(const struct file *a, const struct file *b);

/* True if type, mode, owner, time, target, device and xattrs agree (not the content). */
static inline bool file_same_metadata(const struct file *a, const struct file *b)
{
	return !(file_differences(a, b) & ~(unsigned)FILE_SIZE);
}

/* True for the same metadata and content. */
static inline bool file_same(const struct file *a, const struct file *b)
{
	return !file_differences(a, b) &&
	       (!S_ISREG(a->mode) || !memcmp(a->sha256, b->sha256, sizeof(a->sha256)));
}

enum node_flags {
	/* A whiteout: hides the entry of this name in lower layers. */
	NODE_WHITEOUT = 1,
	/* A directory that hides the contents of the directory below. */
	NODE_OPAQUE = 2,
	/* Not listed in the layer; derived from the layers below. */
	NODE_IMPLIED = 4,
	/* A whiteout in a directory that the layers below do not have: overlayfs would show it. */
	NODE_VOID = 8,
	/*
	 * The root: the entries of the layer cannot be placed anew (placement.h), others interfere.
	 * Anything else: not where the layers below have a link, which it replaces, but only after
	 * entries beneath it that the link would have led elsewhere.
	 */
	NODE_FIXED = 16,
	/* The same for a directory.  In earlier versions it was fixed, also if nothing came before it. */
	NODE_LATE = 32,
};

/* What few nodes have: how symbolic links concern a path of a layer (placement.h), and more. */
struct detour {
	/* The path of the entry in the downloaded layer, if links lead from it to here. */
	char *name;
	/* The target of a link of the layers below at this path that entries were placed through. */
	char *through;
	/* The links of the layers below here and beneath (placement_links()), if dropped entries depend on them. */
	char *links;
	/* For merging: the file of a hard link, if it is another one than the layer has. */
	struct file *file;
	/* For merging: the directory of the layers below that this one hides. */
	struct node *hidden;
};

/* A tree has many nodes, and an image and its layer are in memory together: keep them small. */
struct node {
	struct node *parent, *children;
	struct node *next, *previous; /* siblings; the first has no previous one */
	struct node *chain;           /* in the tree's hash table */
	struct file *file;            /* NULL: absent, a whiteout or an implied directory */
	char *lower_link;             /* unresolved hard link to this path in the layers below */
	struct detour *detour;        /* or NULL */
	union {
		struct node *peer; /* for merging, see merge.c */
		uint32_t entries;  /* for catalogs.c: in the node's catalog */
	};
	uint32_t hash;
	uint8_t flags;
	bool used : 1;   /* for merging: contains more than whiteouts */
	bool alone : 1;  /* for merging: a directory where the layers below have none */
	bool needed : 1; /* merged: implied by the layers below in this image, not only in others */
	bool differs : 1; /* merged: the node, set before, has other metadata or another file here */
	bool stored : 1;  /* for unpacking: present in the layer's tar */
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

/* The root directory: a node without a name, and initially without a file. */
struct node *tree_root(struct tree *tree);

/* The child of that name (at most 255 bytes, not NUL-terminated), or NULL. */
struct node *tree_child(const struct tree *tree, const struct node *parent, const char *name,
			size_t len);

/* Adds a child, which must not exist yet. */
struct node *tree_add(struct tree *tree, struct node *parent, const char *name, size_t len);

/*
 * The node at `path`, which is added if it is missing, as are its parents; NULL if one of these is
 * not a directory.
 */
struct node *tree_make(struct tree *tree, const char *path);

/* The node at `path` (see path.h), or NULL. */
struct node *tree_find(const struct tree *tree, const char *path);

/* Replaces the node's file (NULL: none); takes ownership of the caller's reference. */
void node_set_file(struct node *node, struct file *file);

/* The detour of the node, added if it has none. */
struct detour *node_detour(struct node *node);

/* True if the node's file is a directory.  NULL: false. */
static inline bool node_is_dir(const struct node *node)
{
	return node && node->file && S_ISDIR(node->file->mode);
}

/* The node's file if that is a symbolic link, or NULL.  NULL: NULL. */
static inline const struct file *node_link(const struct node *node)
{
	return node && node->file && S_ISLNK(node->file->mode) ? node->file : NULL;
}

/* True if links lead from the path of the entry in the downloaded layer to the node. */
static inline bool node_has_detour(const struct node *node)
{
	return node->detour && node->detour->name;
}

/* True if the node is only a whiteout. */
bool node_is_whiteout(const struct node *node);
/* True if the node is an entry of the published layer.  NULL: false. */
static inline bool node_is_entry(const struct node *node)
{
	return node && !(node->flags & NODE_VOID) && (node->file || node_is_whiteout(node));
}
/* True if all that the node says is which links of the layers below entries depend on. */
bool node_is_passage(const struct node *node);
/* True for a directory, also one that the layer does not list. */
bool node_is_possible_parent(const struct node *node);
/* True for a directory that hides the one below, by an opaque marker or a whiteout. */
bool node_is_opaque(const struct node *node);

/*
 * Unlinks a node and its descendants from the tree, without freeing them.  The caller may
 * use its `next`.
 */
void tree_detach(struct tree *tree, struct node *node);
/* Unlinks and frees a node and its descendants. */
void tree_remove(struct tree *tree, struct node *node);
void tree_remove_children(struct tree *tree, struct node *node);
/* Moves all children of a node to another, which must not have children of those names. */
void tree_move_children(struct tree *tree, struct node *from, struct node *to);
void tree_free_detached(struct tree *tree, struct node *node);

/* Sorts all directories by name, in byte order. */
void tree_sort(struct tree *tree);

/* The next node in preorder beneath (and not including) root, or NULL; start with root. */
struct node *tree_next(const struct node *root, const struct node *node);
/* The same, skipping the descendants of `node`. */
struct node *tree_skip(const struct node *root, const struct node *node);

/*
 * The nodes beneath and including root in postorder, the contents of a directory before it: start with
 * tree_bottom(root), until NULL.
 */
struct node *tree_bottom(struct node *root);
struct node *tree_next_up(const struct node *root, const struct node *node);

/* The path of the node from the root of its tree; "" for the root. */
void node_path(const struct node *node, struct buffer *path);

/* Sets the links member of every file to the number of its nodes in this tree. */
void tree_count_links(struct tree *tree);

/* The number of nodes in the tree, without its root. */
size_t tree_count(const struct tree *tree);

/* The tree's own copy of the digest, valid as long as the tree. */
const struct digest *tree_intern(struct tree *tree, const struct digest *digest);

#endif
