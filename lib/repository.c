/* A repository: see repository.h. */
#include "repository.h"

#include <errno.h>
#include <fcntl.h>

#include "buffer.h"
#include "listing.h"
#include "mem.h"
#include "path.h"

int repository_open_existing(struct repository *repository, const char *name, ducc_error **err)
{
	*repository = (struct repository){.fd = -1};
	if (!strchr(name, '/'))
		return error_set(err,
				 "repository %s: a name without a slash is a CernVM-FS repository, "
				 "which this version does not write (./%s is a directory)",
				 name, name);
	repository->fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (repository->fd < 0 && errno == ENOENT)
		return 0;
	if (repository->fd < 0)
		return error_errno(err, errno, "repository %s", name);
	repository->path = xstrdup(name);
	return 1;
}

int repository_open(struct repository *repository, const char *name, ducc_error **err)
{
	int found = repository_open_existing(repository, name, err);

	if (found)
		return found < 0 ? -1 : 0;
	if (path_mkdirs_named(name, err) < 0)
		return error_wrap(err, "repository");
	return repository_open_existing(repository, name, err) < 0 ? -1 : 0;
}

void repository_close(struct repository *repository)
{
	cleanup_close(&repository->fd);
	free(repository->path);
	*repository = (struct repository){.fd = -1};
}

int repository_open_listing(const struct repository *repository, const struct digest *layer)
{
	AUTO_FREE char *directory = layer_directory(layer);
	AUTO_FREE char *path = format("%s/.metadata/layer.mtree", directory);

	return path_open(repository->fd, path, O_RDONLY, 0);
}

bool repository_has_layer(const struct repository *repository, const struct digest *layer)
{
	AUTO_CLOSE int fd = repository_open_listing(repository, layer);

	return fd >= 0;
}

int repository_open_layerfs(const struct repository *repository, const struct digest *layer)
{
	AUTO_FREE char *path = layer_path(layer, "");

	return path_open(repository->fd, path, O_RDONLY | O_DIRECTORY, 0);
}
