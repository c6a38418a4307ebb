/*
 * The public names of images in a repository: symbolic links to flat trees.
 *
 * An image for one platform is REGISTRY/REPOSITORY:TAG.  If images for several
 * platforms have that name, each also has .multiarch/ARCH[:VARIANT]/REGISTRY/..., and
 * the plain name points to the one for the reader's machine if the repository supports
 * that ($(CVMFS_ARCH) in a symbolic link of CernVM-FS), else to the one that had the
 * name first.  Directories in .multiarch have the machine names of uname(1) as aliases.
 */
#ifndef DUCC_PUBLIC_NAMES_H
#define DUCC_PUBLIC_NAMES_H

#include "base/strset.h"
#include "format/image.h"
#include "repo/transaction.h"

struct naming {
	const char *name;            /* REGISTRY/REPOSITORY:TAG */
	char *platform;              /* from names_platform() */
	char *of_config;             /* the same of its config alone; NULL: does not matter */
	const struct digest *config; /* of the image */
	bool replaces;               /* whatever is in the way of the names */
	/*
	 * Set by names_each(), freed by the caller: the directory in .metadata for the image:
	 * `name` for the one that had it first, else .multiarch/PLATFORM/NAME.
	 */
	char *label;
	bool linked; /* set by names_add(): a link of this name was missing, or led elsewhere */
};

/* ARCH[:VARIANT], in one form for each platform; the caller frees it. */
char *names_platform(const struct platform *platform);

/* Rejects a name that is no path, or conflicts with other files, also in its form for the platform. */
int names_check(const struct repository *repository, const struct naming *naming, ducc_error **err);

/* What to do with the symbolic links. */
struct names {
	const struct repository *repository;
	int (*link)(void *ctx, const char *path, const char *target, ducc_error **err);
	int (*drop)(void *ctx, const char *path, ducc_error **err); /* or NULL */
	void *ctx;
	const size_t *steps; /* increases if link() has changed something; or NULL */
};

/*
 * Calls link() for each link that these images need, and drop() for those that lead to an image of
 * which one of these takes the place; of several with the same name and platform, the last one gets
 * the name, and the others have no label.
 */
int names_each(const struct names *names, struct naming *namings, size_t n, ducc_error **err);

/* Adds these links, and removes those. */
int names_add(struct transaction *transaction, struct naming *namings, size_t n, ducc_error **err);

/* Adds the paths that the public name has, or would have, for each platform in the repository. */
int names_for_platforms(const struct repository *repository, const char *name, struct strset *paths,
			ducc_error **err);

/* Removes the public names of an image, for all platforms. */
int names_remove(struct transaction *transaction, const char *name, ducc_error **err);

#endif
