/*
 * A repository, in which images are published, and how to read it
 * (ducc-repository(5)).
 *
 * Published files are read by path, and nothing is kept open: a CernVM-FS mount with
 * open files cannot switch to the next revision.
 */
#ifndef DUCC_REPOSITORY_H
#define DUCC_REPOSITORY_H

#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"
#include "format/digest.h"

struct repository {
	const struct target *target; /* its kind: target.h */
	char *name;
	/* The directory where it can be read; NULL: there is none. */
	char *path;
	/* The directory has only metadata, no files of layers and flat trees. */
	bool metadata_only;
	/*
	 * Publishers on other machines change it as well, which see nothing of this one but
	 * its transactions.
	 */
	bool shared;
	/* Options for publishing: see chunk_bytes in ducc.h. */
	uint64_t chunk_bytes;
};

void repository_close(struct repository *repository);

/* Opens the directory repository->path, to be closed soon; -1 with errno set. */
int repository_root(const struct repository *repository);

/* 1 if the layer is published, complete and with our listing; 0 if not; or -1. */
int repository_find_layer(const struct repository *repository, const struct digest *layer,
			  ducc_error **err);
/* The same for a flat tree, by the digest of its config. */
int repository_find_flat(const struct repository *repository, const struct digest *config,
			 ducc_error **err);
/* True if the layer certainly is; for callers that at worst do needless work otherwise. */
bool repository_has_layer(const struct repository *repository, const struct digest *layer);

/* Opens the listing of a published layer; -1 with errno set. */
int repository_open_listing(const struct repository *repository, const struct digest *layer);

/* Names that listing in an error of reading it, and how to repair it; returns -1. */
int repository_blame(const struct repository *repository, const struct digest *layer,
		     ducc_error **err);

/*
 * The path of the published layer's root, without symbolic links, which the caller frees; for a
 * layer that is not published, that of new ones.  NULL with errno set if that is unknown.
 */
char *repository_layer_root(const struct repository *repository, const struct digest *layer);
/* Opens it; -1 with errno set. */
int repository_open_layerfs(const struct repository *repository, const struct digest *layer);

/* 1 if `path` exists, whatever its type; 0 if not; -1 with errno set if that is unknown. */
int repository_find(const struct repository *repository, const char *path);

/* True if `path` certainly exists, and if it certainly does not: see path_exists() (path.h). */
bool repository_has(const struct repository *repository, const char *path);
bool repository_lacks(const struct repository *repository, const char *path);

/* Reads a whole file, as path_read() does.  Returns 1, 0 if there is none, or -1. */
int repository_read(const struct repository *repository, const char *path, size_t limit,
		    char **data, size_t *len, ducc_error **err);

/* True if `path` is a file with this content; else errno is set, to 0 if it is something else. */
bool repository_has_file(const struct repository *repository, const char *path, const void *data,
			 size_t len);

/* The mode of published files outside images; they belong to root or to the owner of .layers. */
#define REPO_FILE_MODE 0644

/* Gets the metadata of the entry at `path`; -1 with errno set. */
int repository_stat(const struct repository *repository, const char *path, struct stat *st);

/* True if there is a file at `path` with another mode or owner. */
bool repository_is_altered(const struct repository *repository, const char *path);

/*
 * The target of the symbolic link at `path`, which the caller frees; NULL with errno set if
 * there is none, to EINVAL for something else.  A CernVM-FS client has already expanded
 * $(VARIABLE) in it.
 */
char *repository_read_link(const struct repository *repository, const char *path);

/* Compares the target of a link with one in which $(VARIABLE) matches any text. */
bool link_matches(const char *there, const char *target);

/* True if `path` is a symbolic link whose target matches. */
bool repository_has_link(const struct repository *repository, const char *path, const char *target);

/*
 * Finds what is in the way of an addition: `path`, if it exists and is of another type (S_IFMT
 * bits), or a parent of it that is not a directory.  Returns 1 with *obstacle set to its path, which
 * the caller frees, 0 if there is none, or -1.
 */
int repository_find_obstacle(const struct repository *repository, const char *path, mode_t type,
			     char **obstacle, ducc_error **err);

/*
 * Fails if `path` exists and is of another type (S_IFMT bits), or if a parent of it exists
 * and is not a directory.
 */
int repository_check_type(const struct repository *repository, const char *path, mode_t type,
			  ducc_error **err);

#endif
