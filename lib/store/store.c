/* The store: see store.h. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/image.h"

static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}\n";
static const char empty_index[] = "{\"schemaVersion\":2,\"manifests\":[]}\n";

int store_lock(const struct store *store)
{
	/* A separate descriptor: flock(2) locks belong to open file descriptions. */
	int lock = openat(store->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (lock < 0)
		return -1;
	while (flock(lock, LOCK_EX) < 0) {
		if (errno != EINTR) {
			close(lock);
			return -1;
		}
	}
	return lock;
}

static const char *const directories[] = {"blobs/sha256", "tmp", "layers", "images"};
#define N_OF_LAYOUT 2 /* those of an OCI image layout */

static int prepare(struct store *store, size_t n, ducc_error **err)
{
	for (size_t i = 0; i < n; i++)
		if (path_mkdirs(store->fd, directories[i]) < 0)
			return error_errno(err, errno, "%s/%s", store->path, directories[i]);
	if (path_exists(store->fd, "oci-layout"))
		return 0;
	AUTO_CLOSE int lock = store_lock(store);
	if (lock < 0)
		return error_errno(err, errno, "%s: lock", store->path);
	if (!path_exists(store->fd, "index.json") &&
	    file_replace(store->fd, "index.json", empty_index, sizeof(empty_index) - 1) < 0)
		return error_errno(err, errno, "%s/index.json", store->path);
	/* Whoever finds oci-layout relies on the rest. */
	if (fsync(store->fd) < 0 ||
	    file_replace(store->fd, "oci-layout", layout, sizeof(layout) - 1) < 0 ||
	    fsync(store->fd) < 0)
		return error_errno(err, errno, "%s/oci-layout", store->path);
	return 0;
}

int store_open_existing(struct store *store, const char *path, ducc_error **err)
{
	*store = (struct store){.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	if (store->fd < 0) {
		if (errno == ENOENT)
			return 0;
		return error_errno(err, errno, "store %s", path);
	}
	store->path = xstrdup(path);
	return 1;
}

static int make(struct store *store, const char *path, size_t n, ducc_error **err)
{
	*store = (struct store){.fd = -1};
	if (path_mkdirs_named(path, err) < 0 || store_open_existing(store, path, err) < 0 ||
	    prepare(store, n, err) < 0) {
		store_close(store);
		return -1;
	}
	return 0;
}

int store_open(struct store *store, const char *path, ducc_error **err)
{
	return make(store, path, ARRAY_LEN(directories), err) < 0 ? error_wrap(err, "store") : 0;
}

int store_complete(struct store *store, ducc_error **err)
{
	return prepare(store, ARRAY_LEN(directories), err) < 0 ? error_wrap(err, "store") : 0;
}

int store_open_layout(struct store *store, const char *path, ducc_error **err)
{
	return make(store, path, N_OF_LAYOUT, err) < 0 ? error_wrap(err, "image layout") : 0;
}

void store_close(struct store *store)
{
	cleanup_close(&store->fd);
	free(store->path);
	*store = (struct store){.fd = -1};
}

char *store_blob_name(const struct digest *digest)
{
	return format("blobs/sha256/%s", digest->hex);
}

char *store_layer_tar_name(const struct digest *layer)
{
	return format("layers/%s.tar", layer->hex);
}

char *store_layer_listing_name(const struct digest *layer)
{
	return format("layers/%s.mtree", layer->hex);
}

char *store_image_listing_name(const struct digest *manifest)
{
	return format("images/%s.mtree", manifest->hex);
}

bool store_has_blob(const struct store *store, const struct digest *digest)
{
	AUTO_FREE char *name = store_blob_name(digest);

	return path_exists(store->fd, name);
}

int store_open_blob(const struct store *store, const struct digest *digest, ducc_error **err)
{
	AUTO_FREE char *name = store_blob_name(digest);
	int fd = path_open(store->fd, name, O_RDONLY, 0);

	if (fd < 0 && errno == ENOENT)
		return error_set_kind(err, DUCC_NOT_FOUND, "not in store %s (run ducc-fetch first)",
				      store->path);
	if (fd < 0)
		return error_errno(err, errno, "%s/%s", store->path, name);
	return fd;
}

int store_read_blob(const struct store *store, const struct digest *digest, char **data,
		    size_t *len, ducc_error **err)
{
	AUTO_FREE char *name = store_blob_name(digest);
	struct digest actual;

	if (!path_exists(store->fd, name))
		return error_set_kind(err, DUCC_NOT_FOUND, "not in store %s (run ducc-fetch first)",
				      store->path);
	if (path_read(store->fd, name, JSON_LIMIT, data, len, err) < 0)
		return -1;
	actual = digest_of(*data, *len);
	if (digest_equal(&actual, digest))
		return 0;
	free(STEAL(*data));
	return error_set_kind(err, DUCC_CORRUPT, "%s/%s is damaged: remove it and fetch again",
			      store->path, name);
}
