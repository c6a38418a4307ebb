/* The store: see store.h. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/entries.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "format/image.h"
#include "base/mem.h"
#include "base/path.h"

static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}\n";
static const char empty_index[] = "{\"schemaVersion\":2,\"manifests\":[]}\n";

/* Our own index.json, some hundred bytes an image. */
#define INDEX_LIMIT ((size_t)1 << 30)

#define DOWNLOAD_LIFE (7 * 86400) /* seconds that what came of a blob is kept */

static int lock_directory(int fd)
{
	/* A descriptor of its own: locks belong to open file descriptions. */
	int lock = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

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
#define N_OF_LAYOUT 2 /* of them */

static int prepare(struct store *store, size_t n, ducc_error **err)
{
	for (size_t i = 0; i < n; i++)
		if (path_mkdirs(store->fd, directories[i]) < 0)
			return error_errno(err, errno, "%s/%s", store->path, directories[i]);
	if (path_exists(store->fd, "oci-layout"))
		return 0;
	AUTO_CLOSE int lock = lock_directory(store->fd);
	if (lock < 0)
		return error_errno(err, errno, "%s: lock", store->path);
	if (!path_exists(store->fd, "index.json") &&
	    store_replace(store, "index.json", empty_index, sizeof(empty_index) - 1, err) < 0)
		return -1;
	return store_replace(store, "oci-layout", layout, sizeof(layout) - 1, err);
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
		return error_set_kind(err, DUCC_NOT_FOUND,
				      "not in the store %s (ducc-fetch brings it)", store->path);
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
		return error_set_kind(err, DUCC_NOT_FOUND,
				      "not in the store %s (ducc-fetch brings it)", store->path);
	if (path_read(store->fd, name, JSON_LIMIT, data, len, err) < 0)
		return -1;
	actual = digest_of(*data, *len);
	if (digest_equal(&actual, digest))
		return 0;
	free(STEAL(*data));
	return error_set(err, "%s/%s is damaged: remove it and fetch again", store->path, name);
}

int store_write_blob(struct store *store, const void *data, size_t len, struct digest *digest,
		     ducc_error **err)
{
	AUTO_FREE char *name = NULL;
	AUTO_STAGED staged = STAGED_NONE;
	int begun;

	*digest = digest_of(data, len);
	name = store_blob_name(digest);
	begun = staged_begin(&staged, store, name, true, err);
	if (begun != 0)
		return begun < 0 ? -1 : 0;
	if (write_all(staged.fd, data, len) < 0)
		return error_errno(err, errno, "%s/%s", store->path, staged.temporary);
	return staged_commit(&staged, err);
}

/* tmp/ and the final name with its slashes replaced. */
static char *temporary_name(const char *final)
{
	char *name = format("tmp/%s", final);

	for (char *p = name + strlen("tmp/"); *p; p++)
		if (*p == '/')
			*p = '-';
	return name;
}

static int begin(struct staged *staged, const struct store *store, const char *final,
		 bool keep_existing, bool resume, ducc_error **err)
{
	AUTO_FREE char *temporary = temporary_name(final);

	for (;;) {
		AUTO_CLOSE int fd = -1, named = -1;
		struct stat ours, there;

		if (keep_existing && path_exists(store->fd, final))
			return 1;
		fd = path_open(store->fd, temporary, O_RDWR | O_CREAT, 0644);
		if (fd < 0)
			return error_errno(err, errno, "%s/%s", store->path, temporary);
		while (flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return error_errno(err, errno, "%s/%s: lock", store->path,
						   temporary);
		/* While we waited, its writer may have renamed or removed the file. */
		named = path_open(store->fd, temporary, O_PATH, 0);
		if (named < 0 || fstat(fd, &ours) < 0 || fstat(named, &there) < 0 ||
		    ours.st_ino != there.st_ino || ours.st_dev != there.st_dev)
			continue;
		if (keep_existing && path_exists(store->fd, final)) {
			unlinkat(store->fd, temporary, 0);
			return 1;
		}
		if (!resume && ftruncate(fd, 0) < 0)
			return error_errno(err, errno, "%s/%s", store->path, temporary);
		*staged = (struct staged){.fd = steal_fd(&fd),
					  .temporary = STEAL(temporary),
					  .final = xstrdup(final),
					  .store = store};
		return 0;
	}
}

int staged_begin(struct staged *staged, const struct store *store, const char *final,
		 bool keep_existing, ducc_error **err)
{
	return begin(staged, store, final, keep_existing, false, err);
}

int staged_resume(struct staged *staged, const struct store *store, const char *final,
		  ducc_error **err)
{
	return begin(staged, store, final, true, true, err);
}

/* True for what is left of a download that may be resumed. */
static bool is_resumable(int fd, const char *name)
{
	struct stat st;

	return !strncmp(name, "blobs-", 6) && !fstat(fd, &st) && st.st_size > 0 &&
	       st.st_mtime > clock_now().tv_sec - DOWNLOAD_LIFE;
}

void store_sweep(struct store *store)
{
	AUTO_ENTRIES entries = entries_open(store->fd, "tmp");
	const char *name;

	while ((name = entries_next(&entries))) {
		AUTO_CLOSE int file = path_open_file(entries.fd, name);

		/* Its writer checks, once it has the lock, that the name is still there. */
		if (file >= 0 && !flock(file, LOCK_EX | LOCK_NB) && !is_resumable(file, name))
			unlinkat(entries.fd, name, 0);
	}
}

static int sync_parent(int root, const char *path)
{
	const char *name;
	AUTO_CLOSE int parent = path_open_parent(root, path, &name);

	return parent < 0 ? -1 : fsync(parent);
}

static void staged_end(struct staged *staged)
{
	cleanup_close(&staged->fd);
	free(staged->temporary);
	free(staged->final);
	*staged = (struct staged)STAGED_NONE;
}

int staged_commit(struct staged *staged, ducc_error **err)
{
	int root = staged->store->fd;

	if (fsync(staged->fd) < 0 || renameat(root, staged->temporary, root, staged->final) < 0 ||
	    sync_parent(root, staged->final) < 0) {
		error_errno(err, errno, "%s/%s", staged->store->path, staged->final);
		staged_discard(staged);
		return -1;
	}
	staged_end(staged);
	return 0;
}

void staged_leave(struct staged *staged)
{
	staged_end(staged);
}

void staged_discard(struct staged *staged)
{
	if (staged->fd < 0)
		return;
	unlinkat(staged->store->fd, staged->temporary, 0);
	staged_end(staged);
}

int store_replace(struct store *store, const char *final, const void *data, size_t len,
		  ducc_error **err)
{
	AUTO_STAGED staged = STAGED_NONE;

	if (staged_begin(&staged, store, final, false, err) < 0)
		return -1;
	if (write_all(staged.fd, data, len) < 0)
		return error_errno(err, errno, "%s/%s", store->path, staged.temporary);
	return staged_commit(&staged, err);
}

static cJSON *read_index(const struct store *store, cJSON **manifests, ducc_error **err)
{
	AUTO_FREE char *data = NULL;
	AUTO_JSON *index = NULL;
	const cJSON *array;
	size_t len;

	if (path_read(store->fd, "index.json", INDEX_LIMIT, &data, &len, err) < 0)
		return NULL;
	index = json_parse(data, len, "index.json", err);
	if (!index || json_get_array(index, "manifests", &array, err) < 0)
		return NULL;
	*manifests = cJSON_GetObjectItemCaseSensitive(index, "manifests");
	return STEAL(index);
}

struct store_index {
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	cJSON *json;
};

struct store_index *store_index_new(void)
{
	return xcalloc(1, sizeof(struct store_index));
}

void store_index_free(struct store_index *index)
{
	if (!index)
		return;
	cJSON_Delete(index->json);
	free(index);
}

static int stat_index(const struct store *store, struct stat *st)
{
	AUTO_CLOSE int fd = path_open(store->fd, "index.json", O_PATH, 0);

	return fd < 0 ? -1 : fstat(fd, st);
}

/* Takes what is remembered of index.json, if that is what the file is now. */
static cJSON *recall_index(const struct store *store, cJSON **manifests)
{
	struct store_index *index = store->index;
	cJSON *json;
	struct stat st;

	if (!index || !index->json)
		return NULL;
	json = STEAL(index->json);
	if (stat_index(store, &st) < 0 || st.st_ino != index->ino || st.st_dev != index->dev ||
	    st.st_mtim.tv_sec != index->mtime.tv_sec ||
	    st.st_mtim.tv_nsec != index->mtime.tv_nsec) {
		cJSON_Delete(json);
		return NULL;
	}
	*manifests = cJSON_GetObjectItemCaseSensitive(json, "manifests");
	return json;
}

static void remember_index(const struct store *store, cJSON **json)
{
	struct store_index *index = store->index;
	struct stat st;

	if (!index || stat_index(store, &st) < 0)
		return;
	index->dev = st.st_dev;
	index->ino = st.st_ino;
	index->mtime = st.st_mtim;
	index->json = STEAL(*json);
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Removes the entries that `entry` is to replace; true if it is there already. */
static bool make_room(cJSON *manifests, const cJSON *entry, const char *name)
{
	AUTO_FREE char *platform = platform_of_descriptor(entry);
	cJSON *next;

	for (cJSON *other = manifests->child; other; other = next) {
		AUTO_FREE char *other_platform = NULL;

		next = other->next;
		if (!same(json_annotation(other, ANNOTATION_NAME), name))
			continue;
		if (cJSON_Compare(other, entry, true))
			return true;
		other_platform = platform_of_descriptor(other);
		if (same(other_platform, platform))
			cJSON_Delete(cJSON_DetachItemViaPointer(manifests, other));
	}
	return false;
}

int store_tag(struct store *store, const char *name, const cJSON *descriptor, ducc_error **err)
{
	AUTO_JSON *index = NULL, *entry = json_copy(descriptor);
	AUTO_FREE char *text = NULL;
	cJSON *manifests, *annotations;
	AUTO_CLOSE int lock = lock_directory(store->fd);

	if (lock < 0)
		return error_errno(err, errno, "%s: lock", store->path);
	index = recall_index(store, &manifests);
	if (!index)
		index = read_index(store, &manifests, err);
	if (!index)
		return error_wrap(err, "store %s", store->path);
	annotations = cJSON_GetObjectItemCaseSensitive(entry, "annotations");
	if (!annotations) {
		annotations = json_object();
		json_set(entry, "annotations", annotations);
	}
	json_set_string(annotations, ANNOTATION_NAME, name);
	if (!make_room(manifests, entry, name)) {
		json_append(manifests, STEAL(entry));
		text = json_print(index, true);
		if (store_replace(store, "index.json", text, strlen(text), err) < 0)
			return -1;
	}
	remember_index(store, &index);
	return 0;
}

/* The manifest that the registry has, of an entry of index.json. */
static int entry_manifest(const struct store *store, const cJSON *entry, struct digest *manifest,
			  ducc_error **err)
{
	const char *text = json_annotation(entry, ANNOTATION_MANIFEST);

	if (!text && json_get_string(entry, "digest", &text, err) < 0)
		return error_wrap(err, "store %s: index.json", store->path);
	if (!digest_parse(manifest, text))
		return error_set(err, "store %s: index.json: not a digest: %s", store->path, text);
	return 0;
}

int store_find(const struct store *store, const char *name, const char *platform,
	       struct digest *manifest, ducc_error **err)
{
	AUTO_JSON *index = NULL;
	cJSON *manifests, *entry;
	size_t found = 0;

	index = read_index(store, &manifests, err);
	if (!index)
		return error_wrap(err, "store %s", store->path);
	cJSON_ArrayForEach(entry, manifests)
	{
		AUTO_FREE char *of_entry = platform_of_descriptor(entry);

		if (!same(json_annotation(entry, ANNOTATION_NAME), name) ||
		    (platform && !same(of_entry, platform)))
			continue;
		if (entry_manifest(store, entry, manifest, err) < 0)
			return -1;
		found++;
	}
	if (!found)
		return error_set_kind(err, DUCC_NOT_FOUND,
				      "not in the store %s (ducc-fetch brings it)", store->path);
	if (found > 1)
		return error_set(err, "several platforms in the store %s: name it by its digest",
				 store->path);
	return 0;
}

/* True if `name` is what the reference asks for; without a tag, any name of its repository is. */
static bool is_asked_for(const struct reference *reference, const char *name)
{
	return name && (reference->tag ? reference_matches(reference, name)
				       : reference_has_repository_of(reference, name));
}

bool store_lists(const struct store *store, const struct reference *reference,
		 const struct digest *manifest)
{
	AUTO_JSON *index = NULL;
	cJSON *manifests, *entry;
	struct digest listed;

	index = read_index(store, &manifests, NULL);
	if (!index)
		return false;
	cJSON_ArrayForEach(entry, manifests)
	{
		if (!entry_manifest(store, entry, &listed, NULL) &&
		    digest_equal(&listed, manifest) &&
		    is_asked_for(reference, json_annotation(entry, ANNOTATION_NAME)))
			return true;
	}
	return false;
}

int store_filter(struct store *store, bool (*keep)(void *ctx, const cJSON *entry), void *ctx,
		 ducc_error **err)
{
	AUTO_CLOSE int lock = lock_directory(store->fd);
	AUTO_JSON *index = NULL;
	AUTO_FREE char *text = NULL;
	cJSON *manifests, *next;
	bool changed = false;

	if (lock < 0)
		return error_errno(err, errno, "%s: lock", store->path);
	index = read_index(store, &manifests, err);
	if (!index)
		return error_wrap(err, "store %s", store->path);
	for (cJSON *entry = manifests->child; entry; entry = next) {
		next = entry->next;
		if (keep(ctx, entry))
			continue;
		cJSON_Delete(cJSON_DetachItemViaPointer(manifests, entry));
		changed = true;
	}
	if (!changed)
		return 0;
	text = json_print(index, true);
	return store_replace(store, "index.json", text, strlen(text), err);
}
