/*
 * podmanStore in a repository, as a part of a transaction: see podman.h for what it is.
 */
#ifndef DUCC_PODMAN_STORE_H
#define DUCC_PODMAN_STORE_H

#include "base/context.h"
#include "podman/podman.h"
#include "repo/transaction.h"

/* Reads one of the lists as it is published; NULL if it is not there.  The caller frees *data. */
int podman_store_read(const struct repository *repository, const char *path, char **data,
		      size_t *len, ducc_error **err);

/* The transaction as a place to write to. */
struct podman_target podman_store_target(struct transaction *transaction);

/* The name that an image listed as docker.io/... has here, allocated; NULL for other names. */
char *podman_store_hub_name(const char *listed);

/* Reads the store as it is published; to be released with podman_free(). */
struct podman *podman_store_open(const struct repository *repository, ducc_error **err);

/*
 * Lists an image, under its name (REGISTRY/REPOSITORY:TAG) if it is `named`; one of
 * Docker Hub also as Podman calls it.  What Podman can't have is warned of and left out.
 */
void podman_store_add(struct context *context, struct podman *podman, const char *name, bool named,
		      const struct podman_image *image);

/* Adds what is new to the transaction. */
int podman_store_save(const struct podman *podman, struct transaction *transaction,
		      ducc_error **err);

#endif
