/* podmanStore in a repository: see podmanstore.h. */
#include "podmanstore.h"

#include "buffer.h"
#include "mem.h"
#include "path.h"

#define LIST_LIMIT ((size_t)1 << 30) /* bytes */

/* One of the lists, as it is published; NULL if it is not there yet. */
static int read_list(const struct repository *repository, const char *path, char **data,
		     size_t *len, ducc_error **err)
{
	AUTO_CLOSE int root = repository_root(repository);

	if (root < 0 || !path_exists(root, path))
		return 0;
	return path_read(root, path, LIST_LIMIT, data, len, err);
}

struct podman *podmanstore_open(const struct repository *repository, ducc_error **err)
{
	AUTO_FREE char *images = NULL, *layers = NULL, *root = NULL;
	size_t images_len = 0, layers_len = 0;
	struct podman *podman = NULL;

	/* Podman wants absolute links; but a directory may be moved. */
	if (repository->spool)
		root = format("/cvmfs/%s", repository->name);
	if (!read_list(repository, PODMAN_IMAGES, &images, &images_len, err) &&
	    !read_list(repository, PODMAN_LAYERS, &layers, &layers_len, err))
		podman = podman_new(root, images, images_len, layers, layers_len, err);
	if (!podman)
		error_wrap(err, "podmanStore");
	return podman;
}

/* Docker Hub's name here is not the one that Podman's users know. */
static char *other_name(const char *name)
{
	static const char hub[] = "registry.hub.docker.com/";
	size_t len = strlen(hub);

	return strncmp(name, hub, len) != 0 ? NULL : format("docker.io/%s", name + len);
}

void podmanstore_add(ducc_session *session, struct podman *podman, const char *name, bool named,
		     const struct podman_image *image)
{
	AUTO_FREE char *other = named ? other_name(name) : NULL;
	ducc_error *err = NULL;
	int result = podman_add(podman, named ? name : NULL, image, &err);

	if (!result && other)
		result = podman_add(podman, other, image, &err);
	if (result < 0)
		session_notice(session, DUCC_WARNING, "%s: not for Podman: %s", name,
			       ducc_error_message(err));
	else if (result)
		session_notice(session, DUCC_WARNING,
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

int podmanstore_save(const struct podman *podman, struct transaction *transaction, ducc_error **err)
{
	struct podman_target target = {save_file, save_link, transaction};

	return podman_save(podman, &target, err);
}
