/*
 * Cleaning the store: removing old files that can be recreated (ducc.h).
 *
 * Files that an image in index.json needs are removed only if that image is old or
 * published.  A tool that needs a removed file all the same fails with its image, and
 * succeeds after the image is fetched or unpacked again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "base/strset.h"
#include "base/text.h"
#include "format/image.h"
#include "format/repo_paths.h"
#include "jobs/session.h"
#include "jobs/targets.h"
#include "repo/target.h"
#include "repo/public_names.h"
#include "repo/repository.h"
#include "store/index.h"
#include "store/staged.h"

#define YOUNG 3600 /* seconds: a tool may be using the file */

struct candidate {
	char *path; /* in the store */
	uint64_t size;
	time_t changed;
};

struct clean {
	ducc_session *session;
	struct ducc_clean_options options;
	struct store store;
	struct repository repository;
	struct digest_set blobs, layers, images; /* to keep, in each directory */
	struct candidate *files;                 /* that may be removed */
	size_t n, capacity;
	uint64_t total;     /* bytes of all files */
	struct strset gone; /* images that are removed from index.json */
	time_t now;
};

/* When the file was changed: never if it does not exist, now if that is unknown. */
static time_t changed(const struct clean *clean, const char *path)
{
	AUTO_CLOSE int fd = path_open(clean->store.fd, path, O_PATH, 0);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : clean->now;
	return fstat(fd, &st) < 0 ? clean->now : st.st_mtime;
}

static bool is_older(const struct clean *clean, time_t when, uint64_t seconds)
{
	return clean->now >= when && (uint64_t)(clean->now - when) >= seconds;
}

/* Reports that a file or image is removed, or would be. */
static void tell(const struct clean *clean, const char *what)
{
	if (clean->session->dry_run)
		context_notice(&clean->session->context, DUCC_INFO, "%s: would be removed", what);
	else if (clean->options.removed)
		clean->options.removed(clean->options.ctx, what);
}

/* --- images ----------------------------------------------------------- */

/* 1 if the manifest is published under the label, 0 if not, or -1. */
static int has_manifest(const struct clean *clean, const char *label, const char *data, size_t len,
			ducc_error **err)
{
	AUTO_FREE char *path = image_metadata(label, "manifest.json");
	bool same = repository_has_file(&clean->repository, path, data, len);

	if (same || !errno || is_absence(errno))
		return same;
	return error_errno(err, errno, "repository %s: %s", clean->repository.name, path);
}

/* 1 if the image is published under its name, for all platforms or for its own; 0 if not, or -1. */
static int is_published(const struct clean *clean, const char *name, const char *data, size_t len,
			const cJSON *entry, ducc_error **err)
{
	AUTO_FREE char *text = platform_of_descriptor(entry), *label = NULL, *architecture = NULL;
	struct platform platform;
	int found;

	if (!clean->repository.path || !name)
		return 0;
	found = has_manifest(clean, name, data, len, err);
	if (found || !text || platform_parse(&platform, text, NULL) < 0)
		return found;
	architecture = names_platform(&platform);
	platform_free(&platform);
	label = platform_label(architecture, name);
	return has_manifest(clean, label, data, len, err);
}

enum found { FOUND, GONE, UNCLEAR };

/* Reads the manifest of an image; GONE: it is missing or damaged, so that the entry is useless. */
static enum found read_manifest(struct clean *clean, const struct digest *digest, char **data,
				size_t *len, struct manifest *manifest, ducc_error **err)
{
	int result = store_look_up(&clean->store, digest, data, len, err);

	if (!result)
		return GONE;
	return result < 0 || manifest_parse(manifest, *data, *len, err) < 0 ? UNCLEAR : FOUND;
}

/* Keeps the files that the image needs. */
static void keep_files(struct clean *clean, const struct digest *listed,
		       const struct digest *manifest, const struct manifest *parsed, bool published)
{
	digest_set_add(&clean->blobs, listed);
	digest_set_add(&clean->blobs, manifest);
	digest_set_add(&clean->blobs, &parsed->config.digest);
	digest_set_add(&clean->images, manifest);
	for (size_t i = 0; i < parsed->n && !published; i++) {
		digest_set_add(&clean->blobs, &parsed->layers[i].digest);
		digest_set_add(&clean->layers, &parsed->layers[i].digest);
	}
}

static bool is_old(const struct clean *clean, const struct digest *manifest)
{
	AUTO_FREE char *blob = store_blob_name(manifest);
	AUTO_FREE char *listing = store_image_listing_name(manifest);

	return is_older(clean, changed(clean, blob), clean->options.grace) &&
	       is_older(clean, changed(clean, listing), clean->options.grace);
}

static int keep_entry(void *ctx, const cJSON *entry, ducc_error **err)
{
	struct clean *clean = ctx;
	const char *name = json_annotation(entry, ANNOTATION_NAME);
	AUTO_FREE char *data = NULL;
	AUTO_MANIFEST parsed = {.n = 0};
	struct digest listed, manifest;
	enum found found;
	int published = 0;
	size_t len;

	if (!index_digests(entry, &listed, &manifest) || (name && !text_is_plain(name)))
		return 1; /* not written by ducc */
	found = read_manifest(clean, &manifest, &data, &len, &parsed, err);
	if (found == FOUND)
		published = is_published(clean, name, data, len, entry, err);
	if (found == UNCLEAR || published < 0) /* it may need any blob */
		return error_wrap(err, "nothing is removed: %s", name ? name : listed.hex);
	if (found == GONE || (!published && is_old(clean, &manifest))) {
		strset_add(&clean->gone, name ? name : listed.hex);
		return clean->session->dry_run;
	}
	keep_files(clean, &listed, &manifest, &parsed, published);
	return 1;
}

/* --- files ------------------------------------------------------------ */

/* Lists the files of a directory that are named by a digest and may be removed. */
static int list_files(struct clean *clean, const char *directory, struct digest_set *stay,
		      ducc_error **err)
{
	AUTO_ENTRIES entries = entries_open(clean->store.fd, directory);
	const char *name;

	digest_set_sort(stay);
	while ((name = entries_next(&entries))) {
		struct digest digest = {""};
		struct stat st;

		memcpy(digest.hex, name, strnlen(name, DIGEST_HEX_LEN));
		if (!digest_is_hex(digest.hex))
			continue;
		if (fstatat(entries.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (is_absence(errno))
				continue;
			return error_errno(err, errno, "%s/%s/%s", clean->store.path, directory,
					   name);
		}
		clean->total += (uint64_t)st.st_size;
		if (digest_set_has(stay, &digest))
			continue;
		GROW(clean->files, clean->n, clean->capacity);
		clean->files[clean->n++] = (struct candidate){format("%s/%s", directory, name),
							      (uint64_t)st.st_size, st.st_mtime};
	}
	if (entries.error && entries.error != ENOENT)
		return error_errno(err, entries.error, "%s/%s", clean->store.path, directory);
	return 0;
}

static int compare_files(const void *a, const void *b)
{
	const struct candidate *left = a, *right = b;

	return (left->changed > right->changed) - (left->changed < right->changed);
}

static int remove_files(struct clean *clean, ducc_error **err)
{
	const struct ducc_clean_options *options = &clean->options;
	uint64_t removed = 0;

	if (clean->n)
		qsort(clean->files, clean->n, sizeof(*clean->files), compare_files);
	for (size_t i = 0; i < clean->n; i++) {
		const struct candidate *file = &clean->files[i];
		bool too_much = options->limit && clean->total - removed > options->limit &&
				is_older(clean, file->changed, YOUNG);

		if (!too_much && !is_older(clean, file->changed, options->grace))
			continue;
		if (!clean->session->dry_run && path_remove(clean->store.fd, file->path) < 0) {
			if (errno == ENOTEMPTY) /* another name of an image, fetched meanwhile */
				continue;
			return error_errno(err, errno, "%s/%s", clean->store.path, file->path);
		}
		removed += file->size;
		tell(clean, file->path);
	}
	context_notice(&clean->session->context, DUCC_INFO,
		       "%s: %" PRIu64 " of %" PRIu64 " bytes %sremoved", clean->store.path, removed,
		       clean->total, clean->session->dry_run ? "would be " : "");
	if (options->limit && clean->total - removed > options->limit)
		context_notice(&clean->session->context, DUCC_WARNING,
			       "%s: still %" PRIu64 " bytes: images are waiting to be published, "
			       "or are being fetched",
			       clean->store.path, clean->total - removed);
	return 0;
}

static int list_all(struct clean *clean, ducc_error **err)
{
	if (list_files(clean, "blobs/sha256", &clean->blobs, err) < 0 ||
	    list_files(clean, "layers", &clean->layers, err) < 0 ||
	    list_files(clean, "images", &clean->images, err) < 0)
		return -1;
	return list_files(clean, "known", &(struct digest_set){NULL}, err);
}

/*
 * Removes images from index.json; sets *full, and removes none, if there is no space to write it
 * again.
 */
static int remove_images(struct clean *clean, bool *full, ducc_error **err)
{
	ducc_error *error = NULL;

	*full = store_filter(&clean->store, keep_entry, clean, &error) < 0;
	if (!*full)
		return 0;
	if (ducc_error_kind(error) != DUCC_NO_SPACE)
		return error_give(err, error);
	ducc_error_free(error);
	return 0;
}

/* In a repository that is not there, or not mounted, all images would seem to be published no longer. */
static int open_repository(struct clean *clean, const char *name, ducc_error **err)
{
	struct repository *repository = &clean->repository;
	int found = targets_open(repository, name, clean->session->store_path, err);

	if (found < 0)
		return -1;
	if (repository->target->created)
		return targets_need_published(repository, err);
	return found ? 0 : targets_unmounted(name, err);
}

static int run(struct clean *clean, ducc_error **err)
{
	bool full = false;
	const char *name = clean->session->repository, *path = clean->session->store_path;
	int found = session_open_store(clean->session, &clean->store, false, err);

	if (found < 0)
		return -1;
	if (!found)
		return error_set_kind(err, DUCC_NOT_FOUND, "store %s does not exist", path);
	if (name && open_repository(clean, name, err) < 0)
		return -1;
	if (remove_images(clean, &full, err) < 0)
		return -1;
	if (!clean->session->dry_run)
		store_sweep(&clean->store);
	for (size_t i = 0; i < clean->gone.n; i++)
		tell(clean, clean->gone.list[i]);
	if (list_all(clean, err) < 0 || remove_files(clean, err) < 0)
		return -1;
	/* Their files are gone, so there is space now. */
	return full ? store_filter(&clean->store, keep_entry, clean, err) : 0;
}

int ducc_clean(ducc_session *session, const struct ducc_clean_options *options, ducc_error **err)
{
	struct clean clean = {.session = session, .store = {.fd = -1}, .now = clock_now().tv_sec};
	int result = options_take(&clean.options, sizeof(clean.options), options, err);

	if (!result)
		result = run(&clean, err);
	for (size_t i = 0; i < clean.n; i++)
		free(clean.files[i].path);
	free(clean.files);
	digest_set_free(&clean.blobs);
	digest_set_free(&clean.layers);
	digest_set_free(&clean.images);
	strset_free(&clean.gone);
	repository_close(&clean.repository);
	store_close(&clean.store);
	return result;
}
