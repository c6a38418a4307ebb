/*
 * Extracting a tree of files into a directory: for inspection, and for a directory
 * repository, whose flat trees are hard links to its layers.
 *
 * Nothing outside the directory is touched, whatever the tree contains: every
 * path is resolved beneath it and no symbolic link is followed.
 */
#ifndef DUCC_EXTRACT_H
#define DUCC_EXTRACT_H

#include "base/error.h"
#include "content/metadata.h"
#include "content/tree.h"

/* The source of a layer's files. */
struct extract_source {
	enum {
		EXTRACT_TAR,  /* fd is the layer's tar (store) */
		EXTRACT_COPY, /* fd is the layer's directory (layerfs): copy the content */
		EXTRACT_LINK, /* likewise, but hard-link the files */
	} how;
	int fd;                  /* closed by extract() */
	bool whole;              /* the tree is exactly this layer: the tar must agree with it */
	struct context *context; /* to which progress with a tar is reported, or NULL */
	enum ducc_activity activity;
};

/*
 * Extracts the tree, which must be sorted, into the directory `root`, where only directories
 * of the tree may exist.  Void whiteouts are omitted, others become character devices 0:0.
 *
 * find() returns the source of a layer: once for each layer with files in the tree, if `jobs` is
 * 1.  Up to that many threads (0: one for each processor) extract layers, or files of the same
 * layer, side by side; then it is called by several threads, and perhaps several times.
 *
 * Instead of a file in a tar, the known file (file->known) is used if it is there: a hard
 * link to it if it is the same, under the same path; else its blocks, if the file system can
 * share them.  find() returns the source of its layer, perhaps several times.
 *
 * Nothing is synced.
 */
int extract(int root, struct tree *tree,
	    int (*find)(void *ctx, const struct digest *layer, struct extract_source *source,
			ducc_error **err),
	    void *ctx, unsigned jobs, struct extract_report *report, ducc_error **err);

#endif
