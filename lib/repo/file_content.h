/*
 * The location of the content of a regular file that is added to a repository.
 */
#ifndef DUCC_FILE_CONTENT_H
#define DUCC_FILE_CONTENT_H

#include "content/tree.h"

struct content {
	enum content_kind {
		CONTENT_NONE,      /* not a regular file */
		CONTENT_DATA,      /* file->size bytes at `data` */
		CONTENT_LAYER,     /* the store's tar of the layer that the file is published in */
		CONTENT_PUBLISHED, /* the file at `path`, published or added: a hard link to it */
	} kind;
	const char *data;
	char *path; /* owned by the content */
};

/* The content of a file in a tree; own: the layer of the tree, or NULL if it is not a layer. */
struct content content_of(const struct file *file, const struct digest *own);
void content_free(struct content *content);

#define AUTO_CONTENT __attribute__((cleanup(content_free))) struct content

#endif
