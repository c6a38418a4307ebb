/*
 * What is special about a layer or a flat tree that is added: the files that are staged
 * (staging.h), and those that are sent as hard links.
 */
#ifndef DUCC_STAGED_TREE_H
#define DUCC_STAGED_TREE_H

#include "content/tree.h"
#include "repo/repository.h"

/*
 * In the first stage, files are written, and published content is grafted; in the second, what
 * the first has published.
 */
enum { STAGES = 2 };

struct staged_tree {
	char *directory;     /* in the repository */
	char *root;          /* where its files are: in the directory, or the same */
	struct digest layer; /* "": it is a flat tree */
	/* The staged files with their parent directories, sorted; NULL: none. */
	struct tree *stages[STAGES];
	/* Files that are sent as hard links: file->target is the path they link to. */
	struct tree *links;
	uint64_t bytes; /* of files that the first stage writes */
};

/* layer: NULL for a flat tree.  Its root is still to be set. */
struct staged_tree *staged_tree_new(const char *directory, const struct digest *layer);
void staged_tree_free(void *staged);

/*
 * The file at a path in the tree, if there is something special about it: it is staged, or, if it
 * has a target but no text, to be sent as a hard link.  Else NULL.  The tree may be NULL.
 */
const struct file *staged_special(const struct staged_tree *staged, const char *path);

/* The same in one of its trees, which may be NULL. */
const struct file *staged_file_at(const struct tree *tree, const char *path);

/* True if a transaction would take the file for the marker of a graft. */
bool staged_is_marker(const struct node *node);
/* True if a tree has such files: only an ingest can publish them. */
bool staged_has_markers(struct tree *tree);
/* True for a staged regular file, which is no marker. */
bool staged_is_file(const struct node *node);
/* True if the file can be a graft: there is a name for its marker. */
bool staged_can_graft(const struct node *node);

/*
 * Add a copy of a regular file and its parent directories to *to, which may be NULL: with its
 * content, which is in its layer's tar; as a hard link to `path`; as a graft of the published
 * file `path`.
 */
struct node *staged_add_file(struct tree **to, const struct node *from);
void staged_add_link(struct tree **to, const struct node *from, const char *path);
void staged_add_graft(struct tree **to, const struct node *from, const char *path);

/* The bytes of files whose content is grafted in the second stage. */
uint64_t staged_second_bytes(const struct staged_tree *staged);
/* Lets the first stage write those files a second time instead. */
void staged_write_second(struct staged_tree *staged);

/* Writes the markers of all grafts in a tree, from what the repository has. */
int staged_resolve(struct tree *tree, const struct repository *repository, ducc_error **err);

#endif
