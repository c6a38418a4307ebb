/* podmanStore in a repository: see podman_store.h. */
#include "podman/podman_store.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/reference.h"
#include "repo/target.h"

#define HUB DOCKER_HUB "/"
#define DOCKER DOCKER_HUB_SHORT "/"
#define LIST_LIMIT ((size_t)1 << 30) /* bytes */

int podman_store_read(const struct repository *repository, const char *path, char **data,
		      size_t *len, ducc_error **err)
{
	AUTO_CLOSE int root = repository_root(repository);

	if (root < 0 || !path_exists(root, path))
		return 0;
	return path_read(root, path, LIST_LIMIT, data, len, err);
}

struct podman *podman_store_open(const struct repository *repository, ducc_error **err)
{
	/* Podman wants absolute links, if there is one path for all its users. */
	AUTO_FREE char *root = repository->target->root(repository);
	AUTO_FREE char *images = NULL, *layers = NULL;
	size_t images_len = 0, layers_len = 0;
	struct podman *podman = NULL;

	if (!podman_store_read(repository, PODMAN_IMAGES, &images, &images_len, err) &&
	    !podman_store_read(repository, PODMAN_LAYERS, &layers, &layers_len, err))
		podman = podman_new(root, images, images_len, layers, layers_len, err);
	if (!podman)
		error_wrap(err, "podmanStore");
	return podman;
}

/* Docker Hub's name here is not the one that Podman's users know. */
static char *other_name(const char *name)
{
	size_t len = strlen(HUB);

	return strncmp(name, HUB, len) != 0 ? NULL : format(DOCKER "%s", name + len);
}

char *podman_store_hub_name(const char *listed)
{
	size_t len = strlen(DOCKER);

	return strncmp(listed, DOCKER, len) != 0 ? NULL : format(HUB "%s", listed + len);
}

void podman_store_add(struct context *context, struct podman *podman, const char *name, bool named,
		      const struct podman_image *image)
{
	AUTO_FREE char *other = named ? other_name(name) : NULL;
	ducc_error *err = NULL;
	int result = podman_add(podman, named ? name : NULL, image, &err);

	if (!result && other)
		result = podman_add(podman, other, image, &err);
	if (result < 0 && named)
		podman_drop(podman, name, image);
	if (result < 0 && other)
		podman_drop(podman, other, image);
	if (result < 0)
		context_notice(context, DUCC_WARNING, "%s: not for Podman: %s", name,
			       ducc_error_message(err));
	else if (result)
		context_notice(context, DUCC_WARNING,
			       "%s: for Podman only by its digest: it would not take that name",
			       name);
	ducc_error_free(err);
}

static int save_file(void *ctx, const char *path, const void *data, size_t len, ducc_error **err)
{
	return transaction_add_file(ctx, path, data, len, err);
}

static int save_link(void *ctx, const char *path, const char *target, ducc_error **err)
{
	return transaction_add_symlink(ctx, path, target, err);
}

struct podman_target podman_store_target(struct transaction *transaction)
{
	return (struct podman_target){save_file, save_link, transaction};
}

int podman_store_save(const struct podman *podman, struct transaction *transaction,
		      ducc_error **err)
{
	struct podman_target target = podman_store_target(transaction);

	return podman_save(podman, &target, err);
}
