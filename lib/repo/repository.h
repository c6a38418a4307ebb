/*
 * A repository: where images are published, and how to read what is there
 * (ducc-repository(5)).
 *
 * A name with a slash in it is a plain directory; one without is a CernVM-FS
 * repository, of which this machine is a publisher.
 *
 * What is published is read by path, and nothing is kept open: a mount of
 * CernVM-FS that somebody holds open can't move on to the next revision.
 */
#ifndef DUCC_REPOSITORY_H
#define DUCC_REPOSITORY_H

#include <sys/types.h>

#include "format/digest.h"
#include "base/error.h"

struct repository {
	char *name;
	/* The directory where what is published can be read; NULL: there is none. */
	char *path;
	/* Of a CernVM-FS repository: the publisher's spool directory; else NULL. */
	char *spool;
	/* The same: only its metadata can be read, from a copy in the store. */
	bool copy;
};

/*
 * Opens a repository; 1 if it can be read, 0 if not (a directory that is not there
 * yet, a CernVM-FS repository that is not mounted and of whose metadata `store`, a
 * path, has no copy), -1 on error.
 */
int repository_open(struct repository *repository, const char *name, const char *store,
		    ducc_error **err);

/*
 * Finds where a CernVM-FS repository can be read: what the publisher's transactions are
 * based on; else the mount that everybody sees; else what the store knows of it.
 * While a transaction ends, there may be no mount.
 */
void repository_find(struct repository *repository, const char *store);

/* Where a CernVM-FS repository is mounted for everybody; the caller frees it. */
char *repository_mount(const struct repository *repository);

/* Makes the directory of a repository that is one. */
int repository_create(struct repository *repository, ducc_error **err);

void repository_close(struct repository *repository);

/* The directory repository->path, for a moment; -1 with errno set. */
int repository_root(const struct repository *repository);

/* True if the layer is published, whole and with our listing. */
bool repository_has_layer(const struct repository *repository, const struct digest *layer);

/* Opens the listing of a published layer; -1 with errno set. */
int repository_open_listing(const struct repository *repository, const struct digest *layer);

/* Opens the directory that is the published layer's root; -1 with errno set. */
int repository_open_layerfs(const struct repository *repository, const struct digest *layer);

/* True if there is something at `path`. */
bool repository_has(const struct repository *repository, const char *path);

/* True if there is a file at `path` with this content. */
bool repository_has_file(const struct repository *repository, const char *path, const void *data,
			 size_t len);

/*
 * The target of the symbolic link at `path`, which the caller frees; NULL if there is
 * none.  A client of CernVM-FS has put in what it knows for $(VARIABLE).
 */
char *repository_read_link(const struct repository *repository, const char *path);

/*
 * Refuses `path` if there is something of another type (S_IFMT bits) in its place, or
 * something else than a directory above it.
 */
int repository_check_type(const struct repository *repository, const char *path, mode_t type,
			  ducc_error **err);

#endif
