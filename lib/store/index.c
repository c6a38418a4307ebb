/* The list of images in a store: see index.h. */
#include "store/index.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/context.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/image.h"
#include "store/staged.h"

/* The store's index.json has some hundred bytes per image. */
#define INDEX_LIMIT ((size_t)1 << 30)

cJSON *store_index_read(const struct store *store, cJSON **manifests, ducc_error **err)
{
	AUTO_CLOSE int fd = -1;
	AUTO_FREE char *data = NULL;
	AUTO_JSON *index = NULL;
	const cJSON *array;
	size_t len;

	fd = store_open_file(store, "index.json", err);
	if (fd < 0 || read_file(fd, INDEX_LIMIT, &data, &len, err) < 0)
		return NULL;
	index = json_parse(data, len, "index.json", err);
	if (!index || json_get_array(index, "manifests", &array, err) < 0) {
		error_kind(err, DUCC_CORRUPT);
		return NULL;
	}
	*manifests = json_member(index, "manifests");
	return STEAL(index);
}

struct store_index {
	pthread_mutex_t mutex; /* the lock of the store protects it too, but nobody sees that */
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	cJSON *json;
};

struct store_index *store_index_new(void)
{
	struct store_index *index = xcalloc(1, sizeof(*index));

	pthread_mutex_init(&index->mutex, NULL);
	return index;
}

void store_index_free(struct store_index *index)
{
	if (!index)
		return;
	cJSON_Delete(index->json);
	pthread_mutex_destroy(&index->mutex);
	free(index);
}

static int stat_index(const struct store *store, struct stat *st)
{
	AUTO_CLOSE int fd = path_open(store->fd, "index.json", O_PATH, 0);

	return fd < 0 ? -1 : fstat(fd, st);
}

/* Takes the cached index.json, if the file has not changed since. */
static cJSON *recall_index(const struct store *store, cJSON **manifests)
{
	struct store_index *index = store->index;
	AUTO_JSON *json = NULL;
	bool current = false;
	struct stat st;

	if (!index)
		return NULL;
	pthread_mutex_lock(&index->mutex);
	json = STEAL(index->json);
	current = json && !stat_index(store, &st) && st.st_ino == index->ino &&
		  st.st_dev == index->dev && st.st_mtim.tv_sec == index->mtime.tv_sec &&
		  st.st_mtim.tv_nsec == index->mtime.tv_nsec;
	pthread_mutex_unlock(&index->mutex);
	if (!current)
		return NULL;
	*manifests = json_member(json, "manifests");
	return STEAL(json);
}

static void remember_index(const struct store *store, cJSON **json)
{
	struct store_index *index = store->index;
	struct stat st;

	if (!index || stat_index(store, &st) < 0)
		return;
	pthread_mutex_lock(&index->mutex);
	index->dev = st.st_dev;
	index->ino = st.st_ino;
	index->mtime = st.st_mtim;
	index->json = STEAL(*json);
	pthread_mutex_unlock(&index->mutex);
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Removes the entries that `entry` replaces; true if it is already present. */
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

static int write_index(const struct store *store, const cJSON *index, ducc_error **err)
{
	AUTO_FREE char *text = json_print(index, true);

	return store_replace(store, "index.json", text, strlen(text), err);
}

static void set_name(cJSON *entry, const char *name)
{
	cJSON *annotations = json_member(entry, "annotations");

	if (!annotations) {
		annotations = json_object();
		json_set(entry, "annotations", annotations);
	}
	json_set_string(annotations, ANNOTATION_NAME, name);
}

/* An index of what the store has: the newest image for each name and platform. */
static cJSON *recover_index(const struct store *store, cJSON **manifests)
{
	AUTO_RECOVERY recovery = {NULL};
	cJSON *index = json_object();

	json_set_size(index, "schemaVersion", 2);
	*manifests = json_array();
	json_set(index, "manifests", *manifests);
	if (!store->keep)
		index_recover(store, &recovery);
	for (size_t i = 0; i < recovery.n; i++) {
		cJSON *entry = recovery.images[i].entry;

		set_name(entry, recovery.images[i].name);
		if (!make_room(*manifests, entry, recovery.images[i].name))
			json_append(*manifests, json_copy(entry));
	}
	return index;
}

/* True if the index can be recovered; if it is not that of our store, only if there is none. */
static bool is_recoverable(const struct store *store, const ducc_error *error)
{
	enum ducc_error_kind kind = ducc_error_kind(error);

	return kind == DUCC_NOT_FOUND ||
	       ((kind == DUCC_CORRUPT || kind == DUCC_DAMAGED) && !store->keep);
}

/* Reads index.json under the lock of the store; recovers it if it is missing or damaged. */
static cJSON *lock_index(const struct store *store, cJSON **manifests, ducc_error **err)
{
	ducc_error *error = NULL;
	cJSON *index = recall_index(store, manifests);

	if (!index)
		index = store_index_read(store, manifests, &error);
	if (index)
		return index;
	if (!is_recoverable(store, error)) {
		error_give(err, error);
		return NULL;
	}
	index = recover_index(store, manifests);
	if (store->context && ((*manifests)->child || ducc_error_kind(error) != DUCC_NOT_FOUND))
		context_notice(store->context, DUCC_WARNING,
			       "store %s: %s: recovered with %d images", store->path,
			       ducc_error_message(error), cJSON_GetArraySize(*manifests));
	ducc_error_free(error);
	if (write_index(store, index, err) == 0)
		return index;
	cJSON_Delete(index);
	return NULL;
}

/* The same for a reader who has not locked the store, and does not always need to. */
static cJSON *get_index(const struct store *store, cJSON **manifests, ducc_error **err)
{
	ducc_error *error = NULL;
	cJSON *index = store_index_read(store, manifests, &error);

	if (!index && !store->keep && is_recoverable(store, error)) {
		AUTO_CLOSE int lock = store_lock(store);

		ducc_error_free(STEAL(error));
		if (lock < 0)
			error_errno(&error, errno, "lock");
		else
			index = lock_index(store, manifests, &error);
	}
	if (!index) {
		error_give(err, error);
		error_wrap(err, "store %s", store->path);
	}
	return index;
}

int store_tag(struct store *store, const char *name, const cJSON *descriptor, ducc_error **err)
{
	AUTO_JSON *index = NULL, *entry = json_copy(descriptor);
	cJSON *manifests;
	AUTO_CLOSE int lock = store_lock(store);

	if (lock < 0)
		return error_errno(err, errno, "%s: lock", store->path);
	index = lock_index(store, &manifests, err);
	if (!index)
		return error_wrap(err, "store %s", store->path);
	set_name(entry, name);
	if (!make_room(manifests, entry, name)) {
		json_append(manifests, STEAL(entry));
		if (write_index(store, index, err) < 0)
			return -1;
	}
	remember_index(store, &index);
	return 0;
}

bool index_digests(const cJSON *entry, struct digest *listed, struct digest *manifest)
{
	const char *text = json_text(entry, "digest");
	const char *original = json_annotation(entry, ANNOTATION_MANIFEST);

	if (!text || !digest_parse(listed, text))
		return false;
	*manifest = *listed;
	return !original || digest_parse(manifest, original);
}

int store_find(const struct store *store, const char *name, const char *platform,
	       struct digest *manifest, ducc_error **err)
{
	AUTO_JSON *index = NULL;
	cJSON *manifests, *entry;
	struct digest listed;
	size_t found = 0;

	index = get_index(store, &manifests, err);
	if (!index)
		return -1;
	cJSON_ArrayForEach(entry, manifests)
	{
		AUTO_FREE char *of_entry = platform_of_descriptor(entry);

		if (!same(json_annotation(entry, ANNOTATION_NAME), name) ||
		    (platform && !same(of_entry, platform)))
			continue;
		if (!index_digests(entry, &listed, manifest))
			return error_set_kind(err, DUCC_CORRUPT,
					      "store %s: index.json: entry without a digest",
					      store->path);
		found++;
	}
	if (!found)
		return error_set_kind(err, DUCC_NOT_FOUND, "not in store %s (run ducc-fetch first)",
				      store->path);
	if (found > 1)
		return error_set(err, "several platforms in store %s: name the image by its digest",
				 store->path);
	return 0;
}

/* True if `name` matches the reference; without a tag, any name of its repository does. */
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
	struct digest listed, original;

	index = get_index(store, &manifests, NULL);
	if (!index)
		return false;
	cJSON_ArrayForEach(entry, manifests)
	{
		if (index_digests(entry, &listed, &original) && digest_equal(&original, manifest) &&
		    is_asked_for(reference, json_annotation(entry, ANNOTATION_NAME)))
			return true;
	}
	return false;
}

int store_filter(struct store *store, bool (*keep)(void *ctx, const cJSON *entry), void *ctx,
		 ducc_error **err)
{
	AUTO_CLOSE int lock = store_lock(store);
	AUTO_JSON *index = NULL;
	cJSON *manifests, *next;
	bool changed = false;

	if (lock < 0)
		return error_errno(err, errno, "%s: lock", store->path);
	index = lock_index(store, &manifests, err);
	if (!index)
		return error_wrap(err, "store %s", store->path);
	for (cJSON *entry = manifests->child; entry; entry = next) {
		next = entry->next;
		if (keep(ctx, entry))
			continue;
		cJSON_Delete(cJSON_DetachItemViaPointer(manifests, entry));
		changed = true;
	}
	return changed ? write_index(store, index, err) : 0;
}
