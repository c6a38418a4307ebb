/* The list of images in a store: see index.h. */
#include "store/index.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/context.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "format/image.h"
#include "store/index_list.h"
#include "store/staged.h"

/* The store's index.json has some hundred bytes per image. */
#define INDEX_LIMIT ((size_t)1 << 30)

#define NANOSECONDS 1000000000

cJSON *store_index_read(const struct store *store, cJSON **manifests, ducc_error **err)
{
	AUTO_CLOSE int fd = -1;
	AUTO_FREE char *data = NULL;
	AUTO_JSON *index = NULL;
	const cJSON *array;
	size_t len;

	fd = store_open_file(store, "index.json", err);
	if (fd < 0)
		return NULL;
	if (read_file(fd, INDEX_LIMIT, &data, &len, err) < 0) {
		error_wrap(err, "index.json");
		return NULL;
	}
	index = json_parse(data, len, "index.json", err);
	if (!index || json_get_array(index, "manifests", &array, err) < 0) {
		error_kind(err, DUCC_CORRUPT);
		return NULL;
	}
	*manifests = json_member(index, "manifests");
	return STEAL(index);
}

/* An entry that a thread waits for. */
struct addition {
	cJSON *entry; /* until it is in a list */
	const char *name;
	bool done;
	int result;
	ducc_error *error;
	struct addition *next;
};

/*
 * The whole file is written each time, so the time for many images would grow with the square of
 * their number.  A thread that is about to write it first waits for more images: for PAUSE times as
 * long as the last writing kept a processor busy, which is nothing for a short list, or until so many
 * wait that there may be no others to come.  But it does not if it was alone the last time.
 */
#define PAUSE 3
#define TOGETHER 32

struct store_index {
	pthread_mutex_t mutex; /* of the next six */
	pthread_cond_t written, enough;
	struct addition *first, **last; /* that nobody has taken yet ... */
	size_t waiting;                 /* ... and how many */
	bool writing;                   /* a thread adds those that it took: it has the rest */
	struct timespec next;           /* when the file may be written again; CLOCK_MONOTONIC */
	struct index_list list;         /* of the file with these attributes; json NULL: none */
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
};

struct store_index *store_index_new(void)
{
	struct store_index *index = xcalloc(1, sizeof(*index));
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&index->mutex, NULL);
	pthread_cond_init(&index->written, NULL);
	pthread_cond_init(&index->enough, &monotonic);
	pthread_condattr_destroy(&monotonic);
	index->last = &index->first;
	return index;
}

void store_index_free(struct store_index *index)
{
	if (!index)
		return;
	index_list_free(&index->list);
	pthread_cond_destroy(&index->enough);
	pthread_cond_destroy(&index->written);
	pthread_mutex_destroy(&index->mutex);
	free(index);
}

/* True if the file is still the one that the cache has. */
static bool is_current(const struct store_index *index, const struct store *store)
{
	struct stat st;

	return index->list.json && !fstatat(store->fd, "index.json", &st, AT_SYMLINK_NOFOLLOW) &&
	       st.st_ino == index->ino && st.st_dev == index->dev &&
	       st.st_mtim.tv_sec == index->mtime.tv_sec &&
	       st.st_mtim.tv_nsec == index->mtime.tv_nsec;
}

/* Has the cache forget its list, or keep the one that the file now has. */
static void keep_list(struct store_index *index, const struct store *store, struct index_list *list)
{
	struct stat st;

	index_list_free(&index->list);
	if (fstatat(store->fd, "index.json", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	index->list = *list;
	*list = (struct index_list){.json = NULL};
	index->dev = st.st_dev;
	index->ino = st.st_ino;
	index->mtime = st.st_mtim;
}

static int write_index(const struct store *store, struct index_list *list, ducc_error **err)
{
	const struct buffer *text = index_list_text(list);

	return store_replace(store, "index.json", text->data, text->len, err);
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

/* A list of what the store has: the newest image for each name and platform. */
static int make_list(const struct store *store, struct index_list *list, ducc_error **err)
{
	AUTO_RECOVERY recovery = {NULL};
	cJSON *json, *manifests;

	if (index_recover(store, &recovery, err) < 0)
		return -1;
	json = json_object();
	manifests = json_array();
	json_set_size(json, "schemaVersion", 2);
	json_set(json, "manifests", manifests);
	index_list_take(list, json, manifests);
	for (size_t i = 0; i < recovery.n; i++) {
		cJSON *entry = json_copy(recovery.images[i].entry);

		set_name(entry, recovery.images[i].name);
		index_list_put(list, entry, recovery.images[i].name);
	}
	return 0;
}

/* True if the index can be recovered; if nothing damaged is to be replaced, only if there is none. */
static bool is_recoverable(const struct store *store, const ducc_error *error)
{
	enum ducc_error_kind kind = ducc_error_kind(error);

	return kind == DUCC_NOT_FOUND ||
	       ((kind == DUCC_CORRUPT || kind == DUCC_DAMAGED) && !store->keep);
}

/*
 * Reads index.json; recovers it if it is missing or damaged.  The caller has locked the store, unless that
 * keeps what it has: then nothing is written.
 */
static int read_list(const struct store *store, struct index_list *list, ducc_error **err)
{
	ducc_error *error = NULL;
	cJSON *manifests, *json = store_index_read(store, &manifests, &error);
	bool write;
	int n;

	if (json) {
		index_list_take(list, json, manifests);
		return 0;
	}
	if (!is_recoverable(store, error))
		return error_give(err, error);
	if (make_list(store, list, err) < 0) {
		ducc_error_free(error);
		return -1;
	}
	n = cJSON_GetArraySize(list->manifests);
	write = !store->keep && (n || ducc_error_kind(error) != DUCC_NOT_FOUND);
	if (write && store->context)
		context_notice(store->context, DUCC_WARNING,
			       "store %s: %s: recovered with %d image%s", store->path,
			       ducc_error_message(error), n, text_plural((uint64_t)n));
	ducc_error_free(error);
	return write ? write_index(store, list, err) : 0;
}

cJSON *store_index_get(const struct store *store, cJSON **manifests, ducc_error **err)
{
	ducc_error *error = NULL;
	cJSON *index = store_index_read(store, manifests, &error);
	AUTO_INDEX_LIST list = {.json = NULL};

	if (!index && is_recoverable(store, error)) {
		AUTO_CLOSE int lock = store->keep ? -1 : store_lock(store);

		ducc_error_free(STEAL(error));
		if (lock < 0 && !store->keep)
			error_errno(&error, errno, "lock");
		else if (!read_list(store, &list, &error))
			index = STEAL(list.json);
		*manifests = list.manifests;
	}
	if (!index) {
		error_give(err, error);
		error_wrap(err, "store %s", store->path);
	}
	return index;
}

/* True if the cache is current and has them all. */
static bool has_all(const struct store_index *index, const struct store *store,
		    const struct addition *additions)
{
	if (!is_current(index, store))
		return false;
	for (; additions; additions = additions->next)
		if (!index_list_has(&index->list, additions->entry, additions->name))
			return false;
	return true;
}

/* Adds them to the list, if it does not have them: true if it has changed. */
static bool put_all(struct index_list *list, struct addition *additions)
{
	bool changed = false;

	for (; additions; additions = additions->next) {
		if (index_list_has(list, additions->entry, additions->name))
			continue;
		index_list_put(list, STEAL(additions->entry), additions->name);
		changed = true;
	}
	return changed;
}

/* Adds entries to index.json, under the lock of the store. */
static int add_all(const struct store *store, struct store_index *index, struct addition *additions,
		   ducc_error **err)
{
	AUTO_CLOSE int lock = -1;
	AUTO_INDEX_LIST list = {.json = NULL};

	if (has_all(index, store, additions))
		return 0;
	lock = store_lock(store);
	if (lock < 0)
		return error_errno(err, errno, "%s: lock", store->path);
	if (is_current(index, store)) {
		list = index->list;
		index->list = (struct index_list){.json = NULL};
	} else if (read_list(store, &list, err) < 0) {
		return error_wrap(err, "store %s", store->path);
	}
	if (put_all(&list, additions) && write_index(store, &list, err) < 0)
		return -1;
	keep_list(index, store, &list);
	return 0;
}

static struct addition *take_waiting(struct store_index *index)
{
	struct addition *additions;

	while (index->waiting < TOGETHER &&
	       !pthread_cond_timedwait(&index->enough, &index->mutex, &index->next))
		;
	additions = index->first;
	index->first = NULL;
	index->last = &index->first;
	index->waiting = 0;
	return additions;
}

/* When the file may be written again, after a thread was busy from then on. */
static struct timespec next_time(const struct timespec *from)
{
	struct timespec to, next;
	int64_t pause;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	clock_gettime(CLOCK_MONOTONIC, &next);
	pause = PAUSE *
		((int64_t)(to.tv_sec - from->tv_sec) * NANOSECONDS + to.tv_nsec - from->tv_nsec);
	pause += next.tv_nsec;
	return (struct timespec){next.tv_sec + pause / NANOSECONDS, pause % NANOSECONDS};
}

/* Adds all entries that threads wait for; the caller holds the mutex. */
static void add_waiting(const struct store *store, struct store_index *index)
{
	struct addition *additions, *next;
	ducc_error *error = NULL;
	struct timespec begun, next_write;
	int result;

	index->writing = true;
	additions = take_waiting(index);
	pthread_mutex_unlock(&index->mutex);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
	result = add_all(store, index, additions, &error);
	next_write = next_time(&begun);
	pthread_mutex_lock(&index->mutex);
	index->next = additions->next ? next_write : (struct timespec){0};
	index->writing = false;
	for (; additions; additions = next) {
		next = additions->next;
		additions->result = result;
		additions->error = error ? error_copy(error) : NULL;
		additions->done = true;
	}
	ducc_error_free(error);
	pthread_cond_broadcast(&index->written);
}

/*
 * As long as a thread writes the file, others wait; then one of them adds the entries of all, since
 * the whole file is written each time.
 */
int store_tag(struct store *store, const char *name, const cJSON *descriptor, ducc_error **err)
{
	struct store_index *own = store->index ? NULL : store_index_new();
	struct store_index *index = own ? own : store->index;
	struct addition addition = {.entry = json_copy(descriptor), .name = name};
	bool added;

	set_name(addition.entry, name);
	pthread_mutex_lock(&index->mutex);
	*index->last = &addition;
	index->last = &addition.next;
	if (++index->waiting == TOGETHER)
		pthread_cond_signal(&index->enough);
	while (!addition.done) {
		if (index->writing)
			pthread_cond_wait(&index->written, &index->mutex);
		else
			add_waiting(store, index);
	}
	pthread_mutex_unlock(&index->mutex);
	added = !addition.entry;
	cJSON_Delete(addition.entry);
	store_index_free(own);
	return addition.result < 0 ? error_give(err, addition.error) : added;
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

	index = store_index_get(store, &manifests, err);
	if (!index)
		return -1;
	cJSON_ArrayForEach(entry, manifests)
	{
		AUTO_FREE char *of_entry = platform_of_descriptor(entry);

		if (!text_equal(json_annotation(entry, ANNOTATION_NAME), name) ||
		    (platform && !text_equal(of_entry, platform)))
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

/* True if the entry is this manifest, with a name for which the reference asks. */
static bool is_listed(const cJSON *entry, const struct reference *reference,
		      const struct digest *manifest)
{
	struct digest listed, original;

	return index_digests(entry, &listed, &original) && digest_equal(&original, manifest) &&
	       is_asked_for(reference, json_annotation(entry, ANNOTATION_NAME));
}

bool store_lists(const struct store *store, const struct reference *reference,
		 const struct digest *manifest)
{
	cJSON *manifests = NULL;
	AUTO_JSON *index = store_index_get(store, &manifests, NULL);
	const cJSON *entry;

	cJSON_ArrayForEach(entry, manifests)
	{
		if (is_listed(entry, reference, manifest))
			return true;
	}
	return false;
}

static bool is_platform(const char *text, const struct platform *wanted)
{
	struct platform platform;
	bool same;

	if (platform_parse(&platform, text, NULL) < 0)
		return false;
	same = platform_same(&platform, wanted);
	platform_free(&platform);
	return same;
}

char *store_platform(const struct store *store, const struct reference *reference,
		     const struct digest *manifest, const struct platform *wanted)
{
	cJSON *manifests = NULL;
	AUTO_JSON *index = store_index_get(store, &manifests, NULL);
	const cJSON *entry;

	cJSON_ArrayForEach(entry, manifests)
	{
		AUTO_FREE char *platform = NULL;

		if (!is_listed(entry, reference, manifest))
			continue;
		platform = platform_of_descriptor(entry);
		if (platform && (!wanted || is_platform(platform, wanted)))
			return STEAL(platform);
	}
	return NULL;
}

int store_filter(struct store *store, keep_entry_fn *keep, void *ctx, ducc_error **err)
{
	AUTO_CLOSE int lock = store_lock(store);
	AUTO_INDEX_LIST list = {.json = NULL};
	bool changed = false;
	cJSON *next;

	if (lock < 0)
		return error_errno(err, errno, "%s: lock", store->path);
	if (read_list(store, &list, err) < 0)
		return error_wrap(err, "store %s", store->path);
	for (cJSON *entry = list.manifests->child; entry; entry = next) {
		int kept = keep(ctx, entry, err);

		next = entry->next;
		if (kept < 0)
			return -1;
		if (kept)
			continue;
		index_list_remove(&list, entry);
		changed = true;
	}
	return changed ? write_index(store, &list, err) : 0;
}
