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

/* A directory that its owner could not read, search or write with the mode that it should have. */
struct closed_directory {
	char *path;
	mode_t mode; /* permissions */
};

struct extract_report {
	/*
	 * If `open` is set, such directories keep these permissions for their owner, and are listed,
	 * the contents of each before it.
	 */
	bool open;
	struct closed_directory *closed;
	size_t n_closed, closed_capacity;
	/* Counts of metadata that an unprivileged user could not set. */
	size_t owners, devices, xattrs, privileged_modes;
	/* Regular files from tars: with their content, or linked to known files. */
	struct amount sent, linked;
};

/*
 * Extracts the tree, which must be sorted, into the directory `root`, where only directories
 * of the tree may exist.  Void
 * whiteouts are omitted, others become character devices 0:0.  find() returns the
 * source of a layer; it is called once for each layer with files in the tree.
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
	    void *ctx, struct extract_report *report, ducc_error **err);

/* Creates an overlayfs whiteout, with the metadata as in listings; -1 with errno set. */
int make_whiteout(int parent, const char *name);

/*
 * Sets owner, mode, xattrs and time of an open file or directory from `file`.  Metadata
 * that may not be set is counted in the report.  -1 with errno set.
 */
int set_metadata(int fd, const struct file *file, struct extract_report *report);

void extract_report_free(struct extract_report *report);

#define AUTO_EXTRACT_REPORT __attribute__((cleanup(extract_report_free))) struct extract_report

/* "owner of 3 files, 1 device", or NULL if nothing was omitted; the caller frees it. */
char *extract_report_text(const struct extract_report *report);

#endif
