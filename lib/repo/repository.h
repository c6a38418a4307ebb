/*
 * A repository: where images are published, and how to read what is there
 * (ducc-repository(5)).
 *
 * What is published is read by path, and nothing is kept open: a mount of
 * CernVM-FS that somebody holds open can't move on to the next revision.
 */
#ifndef DUCC_REPOSITORY_H
#define DUCC_REPOSITORY_H

#include <sys/types.h>

#include "base/error.h"
#include "format/digest.h"

struct repository {
	const struct target *target; /* its kind: target.h */
	char *name;
	/* The directory where what is published can be read; NULL: there is none. */
	char *path;
	/* Only its metadata is there, not the files of layers and flat trees. */
	bool metadata_only;
};

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
