/*
 * A repository: where images are published (ducc-repository(5)).
 *
 * A name with a slash in it is a plain directory.
 */
#ifndef DUCC_REPOSITORY_H
#define DUCC_REPOSITORY_H

#include "digest.h"
#include "error.h"

struct repository {
	int fd;
	char *path;
};

/* Opens the repository `name`, creating the directory if need be. */
int repository_open(struct repository *repository, const char *name, ducc_error **err);

/* Opens one that is there already; 0 if there is none (fd is -1), 1 if there is, -1 on error. */
int repository_open_existing(struct repository *repository, const char *name, ducc_error **err);

void repository_close(struct repository *repository);

/* True if the layer is published, whole and with our listing. */
bool repository_has_layer(const struct repository *repository, const struct digest *layer);

/* Opens the listing of a published layer; -1 with errno set. */
int repository_open_listing(const struct repository *repository, const struct digest *layer);

/* Opens the directory that is the published layer's root; -1 with errno set. */
int repository_open_layerfs(const struct repository *repository, const struct digest *layer);

#endif
