/*
 * Setting the metadata of extracted files, and counting what an unprivileged user could not set.
 */
#ifndef DUCC_METADATA_H
#define DUCC_METADATA_H

#include "content/tree.h"

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

/* Sets the metadata of a file that cannot be opened: a symbolic link, a device, a FIFO. */
int set_metadata_at(int directory, const char *name, const struct file *file,
		    struct extract_report *report);

/* True for an errno value that says that this user may not do that here. */
bool not_permitted(int code);

/* Creates an overlayfs whiteout, with the metadata as in listings; -1 with errno set. */
int make_whiteout(int parent, const char *name);

/*
 * Sets owner, mode, xattrs and time of an open file or directory from `file`.  Metadata
 * that may not be set is counted in the report.  -1 with errno set.
 */
int set_metadata(int fd, const struct file *file, struct extract_report *report);

/* Adds what another thread has counted. */
void extract_report_add(struct extract_report *report, const struct extract_report *other);

void extract_report_free(struct extract_report *report);

#define AUTO_EXTRACT_REPORT __attribute__((cleanup(extract_report_free))) struct extract_report

/* "3 owners, 1 device", or NULL if nothing was omitted; the caller frees it. */
char *extract_report_text(const struct extract_report *report);

#endif
