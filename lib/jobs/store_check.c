/*
 * Checking a store: every blob against its digest, every layer against its listing, and index.json
 * against the manifests (ducc.h).
 *
 * Nothing is locked: what other tools remove or replace meanwhile is not reported.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "content/compare.h"
#include "content/unpacked.h"
#include "format/image.h"
#include "jobs/failures.h"
#include "jobs/session.h"
#include "store/index.h"

#define YOUNG 86400 /* seconds: by default, no image takes longer to be fetched */

struct store_check {
	ducc_session *session;
	struct ducc_store_check_options options;
	struct store store;
	struct digest_set blobs, layers, images; /* that an image needs */
	bool unclear;                            /* what an image needs is unknown */
	struct task *tasks;
	size_t n, capacity;
	struct failures failures;
	pthread_mutex_t mutex;
	atomic_bool stopped; /* by the callback */
};

/* A file to check. */
struct task {
	void (*check)(struct store_check *check, const struct task *task);
	struct digest digest;
	char *path; /* in the store */
};

static void differs(struct store_check *check, const char *kind, const char *object,
		    const char *path, const char *expected, const char *found)
{
	const struct ducc_difference difference = {kind, object, path, expected, found};

	pthread_mutex_lock(&check->mutex);
	if (!check->stopped && check->options.difference)
		check->stopped = !check->options.difference(check->options.ctx, &difference);
	pthread_mutex_unlock(&check->mutex);
}

/* Reports what could not be looked at, unless it is gone. */
static void failed(struct store_check *check, const char *path, int code)
{
	if (is_absence(code))
		return;
	if (differs_kind(code))
		differs(check, DIFFERS_UNREADABLE, NULL, path, NULL, strerror(code));
	else
		failures_add_errno(&check->failures, code, path);
}

/* Opens a file that should be regular; -1: it was reported, or is gone. */
static int open_file(struct store_check *check, const char *path)
{
	int fd = path_open_file(check->store.fd, path);

	if (fd >= 0)
		return fd;
	if (is_wrong_type(errno))
		differs(check, DIFFERS_TYPE, NULL, path, "file", NULL);
	else
		failed(check, path, errno);
	return -1;
}

/* 1 if the file exists, 0 if not; -1 if that is unknown, which is reported. */
static int find_file(struct store_check *check, const char *path)
{
	int found = path_find(check->store.fd, path);

	if (found < 0)
		failed(check, path, errno);
	return found;
}

/* Reports an error of reading a file, which may be damage; takes ownership of it. */
static void blame(struct store_check *check, const char *object, const char *path,
		  ducc_error *error)
{
	const char *kind = differs_kind_of(error);

	if (!kind) {
		failures_add(&check->failures, error);
		return;
	}
	differs(check, kind, object, path, NULL, ducc_error_message(error));
	ducc_error_free(error);
}

/* --- files ------------------------------------------------------------ */

static void check_blob(struct store_check *check, const struct task *task)
{
	AUTO_CLOSE int fd = open_file(check, task->path);
	AUTO_FREE char *expected = format(PRI_DIGEST, task->digest.hex), *found = NULL;
	uint8_t sha256[SHA256_SIZE];
	struct digest actual;

	if (fd < 0)
		return;
	if (digest_file(fd, TO_THE_END, sha256) < 0) {
		failed(check, task->path, errno);
		return;
	}
	digest_from_bytes(&actual, sha256);
	found = format(PRI_DIGEST, actual.hex);
	if (!digest_equal(&actual, &task->digest))
		differs(check, DIFFERS_CONTENT, expected, task->path, expected, found);
}

/* Reads a listing and reports damage; NULL: there is some, or it is gone. */
static struct tree *read_listing(struct store_check *check, const struct task *task,
				 struct listing_head *head)
{
	AUTO_CLOSE int fd = open_file(check, task->path);
	ducc_error *err = NULL;
	struct digest id, subject = {""};
	AUTO_TREE *tree = NULL;

	if (fd < 0)
		return NULL;
	if (listing_id(fd, &id))
		tree = listing_read(fd, head, &err);
	else if (!errno)
		error_set_kind(&err, DUCC_CORRUPT, "does not begin with its digest");
	else
		error_errno(&err, errno, "%s", task->path);
	if (tree && !listing_subject(fd, &subject) && errno)
		error_errno(&err, errno, "%s", task->path);
	else if (tree && !digest_equal(&subject, &task->digest))
		error_set_kind(&err, DUCC_CORRUPT,
			       "it names another layer or image, or an earlier version wrote it");
	if (!err)
		return STEAL(tree);
	blame(check, NULL, task->path, err);
	return NULL;
}

static void check_image(struct store_check *check, const struct task *task)
{
	tree_free(read_listing(check, task, NULL));
}

/* Compares the tar of a layer, which a published one need not have, with its listing. */
static int compare_tar(struct store_check *check, const struct task *task, const char *tar,
		       ducc_error **err)
{
	struct listing_head head;
	AUTO_TREE *tree = read_listing(check, task, &head);
	AUTO_CLOSE int fd = tree ? open_file(check, tar) : -1;

	return fd < 0 ? 0 : unpacked_compare(fd, &head, tree, err);
}

/* Checks a layer.  If it fails, again: ducc-unpack may just be replacing both files. */
static void check_layer(struct store_check *check, const struct task *task)
{
	AUTO_FREE char *layer = format(PRI_DIGEST, task->digest.hex);
	AUTO_FREE char *tar = store_layer_tar_name(&task->digest);
	ducc_error *err = NULL;

	if (!compare_tar(check, task, tar, NULL) || !compare_tar(check, task, tar, &err))
		return;
	blame(check, layer, tar, err);
}

/* --- what images need ------------------------------------------------- */

/* The listing of a layer must have the diff ID that the config has. */
static void check_diff_id(struct store_check *check, const struct digest *layer,
			  const struct digest *diff_id)
{
	AUTO_FREE char *path = store_layer_listing_name(layer);
	AUTO_FREE char *object = format(PRI_DIGEST, layer->hex);
	AUTO_CLOSE int fd = open_file(check, path);
	struct listing_head head;

	if (fd < 0)
		return;
	if (listing_head_of(fd, &head)) {
		if (!digest_equal(&head.diff_id, diff_id))
			differs(check, DIFFERS_CONTENT, object, path, diff_id->hex,
				head.diff_id.hex);
	} else if (errno) { /* else it is damaged, which is reported with the layer */
		failed(check, path, errno);
	}
}

static void need_layers(struct store_check *check, const struct manifest *manifest,
			const struct config *config)
{
	for (size_t i = 0; i < manifest->n; i++) {
		const struct digest *layer = &manifest->layers[i].digest;

		digest_set_add(&check->blobs, layer);
		digest_set_add(&check->layers, layer);
		if (config->n == manifest->n)
			check_diff_id(check, layer, &config->diff_ids[i]);
	}
}

/*
 * Reads a document of an image; a missing one is reported if an image is listed, as `name`.
 * Damage is reported with the blob.
 */
static bool read_document(struct store_check *check, const struct digest *digest, const char *name,
			  char **data, size_t *len)
{
	AUTO_FREE char *path = store_blob_name(digest);
	ducc_error *err = NULL;
	bool missing;

	digest_set_add(&check->blobs, digest);
	if (!store_read_blob(&check->store, digest, data, len, &err))
		return true;
	missing = ducc_error_kind(err) == DUCC_NOT_FOUND;
	check->unclear |= !missing || name;
	if (missing && name)
		differs(check, DIFFERS_MISSING, name, path, "file", NULL);
	if (error_is_failure(err))
		blame(check, name, path, err);
	else
		ducc_error_free(err);
	return false;
}

/* Adds what an image needs; name NULL: it is not listed, but was fetched. */
static void need_image(struct store_check *check, const struct digest *digest, const char *name)
{
	AUTO_FREE char *data = NULL, *config_data = NULL, *oci = NULL;
	AUTO_MANIFEST manifest = {.n = 0};
	AUTO_CONFIG config = {.n = 0};
	size_t len, config_len;

	if (!read_document(check, digest, name, &data, &len) ||
	    manifest_parse(&manifest, data, len, NULL) < 0)
		return; /* or an index of several images, which were fetched separately */
	digest_set_add(&check->images, digest);
	if (read_document(check, &manifest.config.digest, name, &config_data, &config_len))
		config_parse(&config, config_data, config_len, NULL);
	need_layers(check, &manifest, &config);
	oci = manifest_to_oci(data, len);
	if (oci) {
		struct digest listed = digest_of(oci, strlen(oci));

		digest_set_add(&check->blobs, &listed);
	}
}

static void need_entry(struct store_check *check, const cJSON *entry)
{
	const char *name = json_annotation(entry, ANNOTATION_NAME);
	AUTO_FREE char *path = NULL;
	struct digest listed, manifest;

	if (!index_digests(entry, &listed, &manifest)) {
		differs(check, DIFFERS_DAMAGED, name, "index.json", NULL,
			"an entry without a digest");
		return;
	}
	path = store_blob_name(&listed);
	if (!digest_equal(&listed, &manifest) && find_file(check, path) == 0)
		differs(check, DIFFERS_MISSING, name, path, "file", NULL);
	digest_set_add(&check->blobs, &listed);
	need_image(check, &manifest, name ? name : listed.hex);
}

static void check_index(struct store_check *check)
{
	ducc_error *err = NULL;
	cJSON *manifests, *entry;
	AUTO_JSON *index = store_index_read(&check->store, &manifests, &err);

	if (!index) {
		blame(check, NULL, "index.json", err);
		return;
	}
	cJSON_ArrayForEach(entry, manifests) need_entry(check, entry);
}

/* --- directories ------------------------------------------------------ */

static void add_task(struct store_check *check,
		     void (*function)(struct store_check *check, const struct task *task),
		     const struct digest *digest, const char *path)
{
	GROW(check->tasks, check->n, check->capacity);
	check->tasks[check->n++] = (struct task){function, *digest, xstrdup(path)};
}

/* Splits HEX and the rest of a name; NULL: it is something else. */
static const char *split_name(const char *name, struct digest *digest)
{
	*digest = (struct digest){""};
	memcpy(digest->hex, name, strnlen(name, DIGEST_HEX_LEN));
	return digest_is_hex(digest->hex) ? name + DIGEST_HEX_LEN : NULL;
}

static void check_names(struct store_check *check, const struct digest *manifest, const char *path)
{
	AUTO_ENTRIES entries = entries_open(check->store.fd, path);
	const char *name;

	while ((name = entries_next(&entries))) {
		AUTO_FREE char *file = format("%s/%s", path, name);
		ducc_error *err = NULL;
		AUTO_FREE char *text = recovery_read_name(entries.fd, name, &err);

		if (!text && ducc_error_kind(err) != DUCC_NOT_FOUND)
			blame(check, NULL, file, err);
		else
			ducc_error_free(err);
	}
	if (entries.error)
		failed(check, path, entries.error);
	need_image(check, manifest, NULL);
}

/* The kinds of files in the store, by directory and what follows the digest in their names. */
static const struct kind {
	const char *directory, *suffix;
	void (*check)(struct store_check *check, const struct task *task);
	size_t needed; /* offset of the set of those that are needed */
} kinds[] = {
	{"blobs/sha256", "", check_blob, offsetof(struct store_check, blobs)},
	{"layers", ".mtree", check_layer, offsetof(struct store_check, layers)},
	{"layers", ".tar", NULL, offsetof(struct store_check, layers)},
	{"images", ".mtree", check_image, offsetof(struct store_check, images)},
	{"images", ".names", NULL, offsetof(struct store_check, blobs)},
};

static const struct kind *kind_of(const char *directory, const char *suffix)
{
	for (size_t i = 0; suffix && i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].directory, directory) && !strcmp(kinds[i].suffix, suffix))
			return &kinds[i];
	return NULL;
}

static bool is_needed(const struct store_check *check, const struct kind *kind,
		      const struct digest *digest)
{
	const void *set = (const char *)check + kind->needed;

	return check->unclear || digest_set_has(set, digest);
}

/* A tar without a listing is of no use. */
static bool is_lone_tar(struct store_check *check, const struct kind *kind,
			const struct digest *digest)
{
	AUTO_FREE char *listing = store_layer_listing_name(digest);

	return !strcmp(kind->suffix, ".tar") && find_file(check, listing) == 0;
}

/* A tool at work may have written it, for an image that is not listed yet. */
static bool is_young(const struct store_check *check, const char *path)
{
	AUTO_CLOSE int fd = path_open(check->store.fd, path, O_PATH, 0);
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && st.st_mtime > clock_now().tv_sec - YOUNG;
}

static bool is_orphan(struct store_check *check, const struct kind *kind,
		      const struct digest *digest, const char *path)
{
	if (!kind)
		return true;
	return (!is_needed(check, kind, digest) || is_lone_tar(check, kind, digest)) &&
	       !is_young(check, path);
}

static void list_file(struct store_check *check, const char *directory, const char *name)
{
	AUTO_FREE char *path = format("%s/%s", directory, name);
	struct digest digest;
	const struct kind *kind = kind_of(directory, split_name(name, &digest));

	if (is_orphan(check, kind, &digest, path))
		differs(check, DIFFERS_ORPHAN, NULL, path, NULL, NULL);
	if (kind && kind->check)
		add_task(check, kind->check, &digest, path);
}

static int list_files(struct store_check *check, const char *directory,
		      void (*each)(struct store_check *check, const char *directory,
				   const char *name),
		      ducc_error **err)
{
	AUTO_ENTRIES entries = entries_open(check->store.fd, directory);
	const char *name;

	while ((name = entries_next(&entries)))
		each(check, directory, name);
	if (entries.error && entries.error != ENOENT)
		return error_errno(err, entries.error, "%s/%s", check->store.path, directory);
	return 0;
}

/* What was fetched is needed, even if another image has taken its name in index.json. */
static void need_fetched(struct store_check *check, const char *directory, const char *name)
{
	AUTO_FREE char *path = format("%s/%s", directory, name);
	struct digest digest;
	const char *suffix = split_name(name, &digest);

	if (suffix && !strcmp(suffix, ".names"))
		check_names(check, &digest, path);
}

static int run_task(void *ctx, size_t i, ducc_error **err)
{
	struct store_check *check = ctx;

	if (context_cancelled(&check->session->context))
		return context_interrupted(err);
	if (!check->stopped)
		check->tasks[i].check(check, &check->tasks[i]);
	return 0;
}

static int run(struct store_check *check, ducc_error **err)
{
	ducc_session *session = check->session;
	int found = session_open_store(session, &check->store, false, err);
	ducc_error *error = NULL;

	if (found < 0)
		return -1;
	if (!found)
		return error_set_kind(err, DUCC_NOT_FOUND, "store %s does not exist",
				      session->store_path);
	check->store.keep = true;
	if (store_check_layout(&check->store, &error) < 0)
		blame(check, NULL, "oci-layout", error);
	check_index(check);
	if (list_files(check, "images", need_fetched, err) < 0)
		return -1;
	digest_set_sort(&check->blobs);
	digest_set_sort(&check->layers);
	digest_set_sort(&check->images);
	if (list_files(check, "blobs/sha256", list_file, err) < 0 ||
	    list_files(check, "layers", list_file, err) < 0 ||
	    list_files(check, "images", list_file, err) < 0 ||
	    parallel_run(check->n, session->jobs, run_task, check, err) < 0)
		return -1;
	return check->stopped ? 1 : 0;
}

int ducc_store_check(ducc_session *session, const struct ducc_store_check_options *options,
		     ducc_error **err)
{
	struct store_check check = {.session = session,
				    .store = {.fd = -1},
				    .failures = FAILURES(&session->context),
				    .mutex = PTHREAD_MUTEX_INITIALIZER};
	int result = options_take(&check.options, sizeof(check.options), options, err);

	if (!result)
		result = run(&check, err);
	if (failures_end(&check.failures, err) < 0)
		result = error_wrap(err, "store %s", session->store_path);
	for (size_t i = 0; i < check.n; i++)
		free(check.tasks[i].path);
	free(check.tasks);
	digest_set_free(&check.blobs);
	digest_set_free(&check.layers);
	digest_set_free(&check.images);
	pthread_mutex_destroy(&check.mutex);
	store_close(&check.store);
	return result;
}
