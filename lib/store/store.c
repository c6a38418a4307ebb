/* The store: see store.h. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/context.h"
#include "base/entries.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "format/image.h"

#define LAYOUT_LIMIT ((size_t)4096) /* bytes of oci-layout */

static const char empty_index[] = "{\"schemaVersion\":2,\"manifests\":[]}\n";
static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}\n";

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

int store_check_layout(const struct store *store, ducc_error **err)
{
	AUTO_FREE char *data = NULL;
	AUTO_JSON *json = NULL;
	const char *version;
	size_t len;

	if (path_read(store->fd, "oci-layout", LAYOUT_LIMIT, &data, &len, err) < 0)
		return -1;
	json = json_parse(data, len, "oci-layout", err);
	return json ? json_get_string(json, "imageLayoutVersion", &version, err) : -1;
}

/* True if the mode of a file that is ours prevents that we read it. */
static bool is_closed(const struct store *store, const char *name)
{
	AUTO_CLOSE int fd = path_open(store->fd, name, O_PATH, 0);
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && st.st_uid == geteuid() && !(st.st_mode & S_IRUSR);
}

/* 1 if the file is that of an image layout, 0 if it is missing or damaged, -1 if that is unknown. */
static int has_layout(const struct store *store, ducc_error **err)
{
	ducc_error *error = NULL;

	if (!store_check_layout(store, &error))
		return 1;
	if (store->keep || !is_closed(store, "oci-layout"))
		return error_pass_failure(err, error);
	ducc_error_free(error);
	return 0;
}

/* Writes the files of a new image layout; oci-layout, which others look for, comes last. */
static int write_layout(const struct store *store)
{
	int there = path_find(store->fd, "index.json");

	if (there < 0)
		return -1;
	/* If there are images, index.json is recovered (index.h). */
	if (!there && directory_is_empty(store->fd, "blobs/sha256") &&
	    file_replace(store->fd, "index.json", empty_index, sizeof(empty_index) - 1) < 0)
		return -1;
	if (fsync(store->fd) < 0 ||
	    file_replace(store->fd, "oci-layout", layout, sizeof(layout) - 1) < 0)
		return -1;
	return fsync(store->fd);
}

static int prepare(struct store *store, size_t n, ducc_error **err)
{
	int found;

	for (size_t i = 0; i < n; i++)
		if (path_mkdirs(store->fd, directories[i]) < 0)
			return error_errno(err, errno, "%s/%s", store->path, directories[i]);
	found = has_layout(store, err);
	if (found)
		return found < 0 ? error_wrap(err, "%s", store->path) : 0;
	AUTO_CLOSE int lock = store_lock(store);
	if (lock < 0)
		return error_errno(err, errno, "%s: lock", store->path);
	/* While we waited for the lock; and what others have written stays. */
	found = has_layout(store, err);
	if (found < 0)
		return error_wrap(err, "%s", store->path);
	if (found || (store->keep && path_exists(store->fd, "oci-layout")))
		return 0;
	if (path_exists(store->fd, "oci-layout"))
		store_discard(store, "oci-layout", -1, "cannot be read as that of an image layout");
	return write_layout(store) < 0 ? error_errno(err, errno, "%s/oci-layout", store->path) : 0;
}

/* Files in tmp are removed, for example: nobody else's directory must be taken for a store. */
static int check_is_ours(const struct store *store, const char *path, ducc_error **err)
{
	static const char *const ours[] = {"oci-layout", "blobs", "layers", "wishes", "locks"};
	AUTO_FREE char *foreign = directory_find_foreign(store->fd, ours, ARRAY_LEN(ours));

	return foreign ? error_set_kind(err, DUCC_NOT_FOUND,
					"%s is not %s: contains other files, such as %s", path,
					store->keep ? "an image layout" : "a store", foreign)
		       : 0;
}

static int open_existing(struct store *store, const char *path, ducc_error **err)
{
	store->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", path);
	if (check_is_ours(store, path, err) < 0) {
		cleanup_close(&store->fd);
		return -1;
	}
	store->path = xstrdup(path);
	return 1;
}

int store_open_existing(struct store *store, const char *path, ducc_error **err)
{
	int found = open_existing(store, path, err);

	return found < 0 ? error_wrap(err, "store") : found;
}

static int make(struct store *store, const char *path, mode_t mode, size_t n, ducc_error **err)
{
	store->fd = -1;
	if (path_mkdirs_named(path, mode, err) < 0 || open_existing(store, path, err) < 0 ||
	    prepare(store, n, err) < 0) {
		store_close(store);
		return -1;
	}
	return 0;
}

int store_open(struct store *store, const char *path, ducc_error **err)
{
	/* It also contains private images, whose files have the modes of any file. */
	return make(store, path, 0700, ARRAY_LEN(directories), err) < 0 ? error_wrap(err, "store")
									: 0;
}

int store_complete(struct store *store, ducc_error **err)
{
	return prepare(store, ARRAY_LEN(directories), err) < 0 ? error_wrap(err, "store") : 0;
}

int store_open_layout(struct store *store, const char *path, ducc_error **err)
{
	store->keep = true;
	return make(store, path, 0755, N_OF_LAYOUT, err) < 0 ? error_wrap(err, "image layout") : 0;
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

/* --- damaged files ---------------------------------------------------- */

static bool is_replaced(const struct store *store, const char *name, int fd)
{
	AUTO_CLOSE int now = path_open(store->fd, name, O_PATH, 0);
	struct stat read, there;

	return fd >= 0 && (now < 0 || fstat(now, &there) < 0 || fstat(fd, &read) < 0 ||
			   !file_is_same(&there, &read));
}

void store_discard(const struct store *store, const char *name, int fd, const char *why)
{
	bool removed;

	if (store->keep || is_replaced(store, name, fd))
		return;
	removed = !path_remove(store->fd, name);
	if (store->context)
		context_notice(store->context, DUCC_WARNING, "%s/%s is damaged: %s; %s%s",
			       store->path, name, why, removed ? "removed" : "cannot be removed: ",
			       removed ? "" : strerror(errno));
}

/* How to get a file that is missing; the caller frees it. */
static char *advice(const char *name, const char *when)
{
	if (!strncmp(name, "blobs/", strlen("blobs/")))
		return format(" (run ducc-fetch %s)", when);
	if (strcmp(name, "index.json") != 0)
		return format(" (run ducc-unpack %s)", when);
	return xstrdup("");
}

static int damaged(const struct store *store, const char *name, int fd, const char *why,
		   ducc_error **err)
{
	AUTO_FREE char *again = advice(name, "again");

	store_discard(store, name, fd, why);
	return error_set_kind(err, store->keep ? DUCC_CORRUPT : DUCC_DAMAGED,
			      "%s/%s is damaged: %s%s", store->path, name, why, again);
}

int store_open_file(const struct store *store, const char *name, ducc_error **err)
{
	AUTO_FREE char *first = advice(name, "first");
	int fd = path_open_file(store->fd, name), code = errno;

	if (fd >= 0)
		return fd;
	if (is_absence(code))
		return error_set_kind(err, DUCC_NOT_FOUND, "%s: not in store %s%s", name,
				      store->path, first);
	if (is_wrong_type(code))
		return damaged(store, name, -1, "not a regular file", err);
	if (code == EACCES && !store->keep && is_closed(store, name))
		return damaged(store, name, -1, "cannot be read", err);
	return error_errno(err, code, "%s/%s", store->path, name);
}

int store_open_blob(const struct store *store, const struct digest *digest, ducc_error **err)
{
	AUTO_FREE char *name = store_blob_name(digest);

	return store_open_file(store, name, err);
}

static int verify(const struct store *store, const struct digest *digest, int fd, ducc_error **err)
{
	AUTO_FREE char *name = store_blob_name(digest);
	uint8_t sha256[SHA256_SIZE];
	struct digest actual;

	if (digest_file(fd, TO_THE_END, sha256) < 0)
		return error_errno(err, errno, "%s/%s", store->path, name);
	digest_from_bytes(&actual, sha256);
	return digest_equal(&actual, digest) ? 0 : damaged(store, name, fd, "digest mismatch", err);
}

int store_verify_blob(const struct store *store, const struct digest *digest, ducc_error **err)
{
	AUTO_CLOSE int fd = store_open_blob(store, digest, err);

	return fd < 0 ? -1 : verify(store, digest, fd, err);
}

/* What an error means that was met while a file was looked for: 0, it is missing or damaged; or -1. */
static int is_lost(ducc_error *error, ducc_error **err)
{
	enum ducc_error_kind kind = ducc_error_kind(error);

	if (kind != DUCC_NOT_FOUND && kind != DUCC_CORRUPT && kind != DUCC_DAMAGED)
		return error_give(err, error);
	ducc_error_free(error);
	return 0;
}

int store_has_blob(const struct store *store, const struct descriptor *descriptor, ducc_error **err)
{
	ducc_error *error = NULL;
	AUTO_CLOSE int fd = store_open_blob(store, &descriptor->digest, &error);
	struct stat st;

	if (fd < 0)
		return is_lost(error, err);
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "blob " PRI_DIGEST, descriptor->digest.hex);
	/* It may be the manifest that is wrong about the size. */
	if ((uint64_t)st.st_size == descriptor->size ||
	    !verify(store, &descriptor->digest, fd, &error))
		return 1;
	return is_lost(error, err);
}

int store_read_blob(const struct store *store, const struct digest *digest, char **data,
		    size_t *len, ducc_error **err)
{
	AUTO_CLOSE int fd = store_open_blob(store, digest, err);
	ducc_error *error = NULL;
	struct digest actual;

	if (fd < 0)
		return -1;
	if (!read_file(fd, JSON_LIMIT, data, len, &error)) {
		actual = digest_of(*data, *len);
		if (digest_equal(&actual, digest))
			return 0;
		free(STEAL(*data));
	}
	if (verify(store, digest, fd, err) < 0) {
		ducc_error_free(error);
		return -1;
	}
	if (!error)
		return error_set(err, "changed while being read");
	error_give(err, error);
	return error_wrap(err, "blob " PRI_DIGEST, digest->hex);
}

int store_look_up(const struct store *store, const struct digest *digest, char **data, size_t *len,
		  ducc_error **err)
{
	ducc_error *error = NULL;

	if (store->fd < 0)
		return 0;
	return store_read_blob(store, digest, data, len, &error) < 0 ? is_lost(error, err) : 1;
}
