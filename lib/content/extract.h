/*
 * Putting a tree of files into a directory: for whoever wants to look, and for a
 * directory repository, whose flat trees are hard links onto its layers.
 *
 * Nothing outside of the directory is touched, whatever the tree holds: every
 * path is resolved beneath it and no symbolic link is followed.
 */
#ifndef DUCC_EXTRACT_H
#define DUCC_EXTRACT_H

#include "base/error.h"
#include "content/tree.h"

/* Where the files of one layer come from. */
struct extract_source {
	enum {
		EXTRACT_TAR,  /* fd is the layer's tar (store) */
		EXTRACT_COPY, /* fd is the layer's directory (layerfs): copy the content */
		EXTRACT_LINK, /* the same: link the files themselves */
	} how;
	int fd; /* closed by extract() */
};

/* What an unprivileged user had to leave out. */
struct extract_report {
	size_t owners, devices, xattrs, privileged_modes;
};

/*
 * Fills the empty directory `root` with the tree, which must be sorted.  Void
 * whiteouts are left out, other ones become character devices 0:0.  find()
 * names the source of a layer; it is called once for each that has files in the
 * tree.  Nothing is synced.
 */
int extract(int root, struct tree *tree,
	    int (*find)(void *ctx, const struct digest *layer, struct extract_source *source,
			ducc_error **err),
	    void *ctx, struct extract_report *report, ducc_error **err);

/* Makes a whiteout in overlayfs form, as listings have it; -1 with errno set. */
int make_whiteout(int parent, const char *name);

/*
 * Gives an open file or directory the metadata of `file`: owner, mode, xattrs and
 * time.  What is not permitted is counted.  -1 with errno set.
 */
int set_metadata(int fd, const struct file *file, struct extract_report *report);

/* "owner of 3 files, 1 device", or NULL if nothing was left out; the caller frees it. */
char *extract_report_text(const struct extract_report *report);

#endif
