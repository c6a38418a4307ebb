/*
 * The job of ducc-publish: unpacked images into a directory repository (ducc.h).
 *
 * Each image is prepared by itself: what the repository does not have is made in
 * the transaction's staging directory, and steps are added to its plan.  If that
 * fails, the steps are taken back, and the other images go on.  Then one commit
 * makes all of it visible.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>

#include "buffer.h"
#include "extract.h"
#include "image.h"
#include "listing.h"
#include "mem.h"
#include "path.h"
#include "repository.h"
#include "session.h"
#include "singularity.h"
#include "transaction.h"

struct publish {
	ducc_session *session;
	struct store store;
	struct repository repository;
	struct transaction *transaction;
	/* Names in the staging directory whose steps are in the plan. */
	char **staged;
	size_t n_staged, capacity;
};

struct image {
	struct reference reference;
	char *name; /* REGISTRY/REPOSITORY:TAG */
	struct digest digest;
	char *manifest_json, *config_json;
	size_t manifest_len, config_len;
	struct manifest manifest;
	struct config config;
	struct tree *tree; /* the flat image, with what Singularity needs */
	struct extract_report report;
};

/* --- what is staged --------------------------------------------------- */

static bool is_staged(const struct publish *publish, const char *name)
{
	for (size_t i = 0; i < publish->n_staged; i++)
		if (!strcmp(publish->staged[i], name))
			return true;
	return false;
}

static void note_staged(struct publish *publish, const char *name)
{
	GROW(publish->staged, publish->n_staged, publish->capacity);
	publish->staged[publish->n_staged++] = xstrdup(name);
}

/* The staging directory, rid of what an image that failed may have left under that name. */
static int clear_staging(struct publish *publish, const char *name, ducc_error **err)
{
	int staging = transaction_directory(publish->transaction, err);

	if (staging >= 0 && path_remove(staging, name) < 0)
		return error_errno(err, errno, "%s", name);
	return staging;
}

static int write_file(int directory, const char *path, const void *data, size_t len,
		      ducc_error **err)
{
	AUTO_CLOSE int fd = path_open(directory, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || fchmod(fd, 0644) < 0 || write_all(fd, data, len) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

/* Makes a directory with the mode that users need, whatever the umask. */
static int make_directory(int directory, const char *path, ducc_error **err)
{
	if (path_mkdirs(directory, path) < 0)
		return error_errno(err, errno, "%s", path);
	AUTO_CLOSE int fd = path_open(directory, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 || fchmod(fd, 0755) < 0)
		return error_errno(err, errno, "%s", path);
	return fd < 0 ? -1 : 0;
}

/* --- layers ----------------------------------------------------------- */

static char *staged_layer_name(const struct digest *layer)
{
	return format("layer-%s", layer->hex);
}

/* A layer's directory, where it is now: staged or published. */
static int open_layerfs(struct publish *publish, const struct digest *layer, ducc_error **err)
{
	AUTO_FREE char *staged = staged_layer_name(layer);
	int fd;

	if (is_staged(publish, staged)) {
		AUTO_FREE char *path = format("%s/layerfs", staged);
		int staging = transaction_directory(publish->transaction, err);

		fd = staging < 0 ? -1 : path_open(staging, path, O_RDONLY | O_DIRECTORY, 0);
	} else {
		fd = repository_open_layerfs(&publish->repository, layer);
	}
	return fd < 0 ? error_errno(err, errno, "layerfs") : fd;
}

struct layer_context {
	struct publish *publish;
	const struct digest *layer; /* the one being made: its files are in its tar */
};

static int find_source(void *ctx, const struct digest *layer, struct extract_source *source,
		       ducc_error **err)
{
	const struct layer_context *context = ctx;

	if (context->layer && digest_equal(context->layer, layer)) {
		AUTO_FREE char *tar = store_layer_tar_name(layer);

		source->how = EXTRACT_TAR;
		source->fd = path_open(context->publish->store.fd, tar, O_RDONLY, 0);
		return source->fd < 0 ? error_errno(err, errno, "%s", tar) : 0;
	}
	source->how = EXTRACT_LINK;
	source->fd = open_layerfs(context->publish, layer, err);
	return source->fd < 0 ? -1 : 0;
}

static char *layer_json(const struct listing_head *head, const char *media_type)
{
	AUTO_JSON *json = json_object();
	AUTO_FREE char *digest = format(PRI_DIGEST, head->layer.hex);
	AUTO_FREE char *diff_id = format(PRI_DIGEST, head->diff_id.hex);

	json_set_string(json, "mediaType", media_type);
	json_set_string(json, "digest", digest);
	json_set_string(json, "diffID", diff_id);
	json_set_size(json, "size", head->size);
	json_set_size(json, "unpackedSize", head->unpacked);
	return json_print(json, true);
}

/* Makes a layer's directory in the staging directory. */
static int stage_layer(struct publish *publish, const char *name, struct tree *tree,
		       const struct listing_head *head, const char *media_type,
		       struct extract_report *report, ducc_error **err)
{
	struct layer_context context = {publish, &head->layer};
	AUTO_FREE char *layerfs = format("%s/layerfs", name);
	AUTO_FREE char *metadata = format("%s/.metadata", name);
	AUTO_FREE char *listing_path = format("%s/layer.mtree", metadata);
	AUTO_FREE char *json_path = format("%s/layers.json", metadata);
	AUTO_FREE char *json = layer_json(head, media_type);
	AUTO_CLOSE int root = -1, listing = -1;
	int staging = clear_staging(publish, name, err);

	if (staging < 0 || make_directory(staging, name, err) < 0 ||
	    make_directory(staging, metadata, err) < 0 || make_directory(staging, layerfs, err) < 0)
		return -1;
	root = path_open(staging, layerfs, O_RDONLY | O_DIRECTORY, 0);
	if (root < 0)
		return error_errno(err, errno, "%s", layerfs);
	if (extract(root, tree, find_source, &context, report, err) < 0 ||
	    write_file(staging, json_path, json, strlen(json), err) < 0 ||
	    write_file(staging, listing_path, "", 0, err) < 0)
		return -1;
	listing = path_open(staging, listing_path, O_WRONLY, 0);
	tree_count_links(tree);
	if (listing < 0 || listing_write(listing, head, tree) < 0)
		return error_errno(err, errno, "%s", listing_path);
	return 0;
}

/* True if the listing names something that the published one does not. */
static bool has_more(struct tree *tree, const struct tree *published)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		const struct node *there;

		if (node->flags & NODE_VOID || (!node->file && !node_is_whiteout(node)))
			continue;
		node_path(node, &path);
		there = tree_find(published, path.data);
		if (!there || there->flags & NODE_VOID ||
		    (!there->file && !node_is_whiteout(there)))
			return true;
	}
	return false;
}

/* A layer that is published may need more whiteouts for this image. */
static int complete_layer(struct publish *publish, const struct digest *layer, struct tree *tree,
			  const struct listing_head *head, ducc_error **err)
{
	AUTO_FREE char *name = format("listing-%s", layer->hex);
	AUTO_CLOSE int published = repository_open_listing(&publish->repository, layer);
	AUTO_CLOSE int listing = -1;
	AUTO_TREE *there = NULL;
	int staging;

	if (published < 0)
		return error_errno(err, errno, "published listing");
	there = listing_read(published, NULL, err);
	if (!there)
		return error_wrap(err, "published listing");
	if (is_staged(publish, name) || !has_more(tree, there))
		return 0;
	staging = transaction_directory(publish->transaction, err);
	if (staging < 0 || write_file(staging, name, "", 0, err) < 0)
		return -1;
	listing = path_open(staging, name, O_WRONLY, 0);
	tree_count_links(tree);
	if (listing < 0 || listing_write(listing, head, tree) < 0)
		return error_errno(err, errno, "%s", name);
	transaction_complete_layer(publish->transaction, name, layer);
	note_staged(publish, name);
	return 0;
}

static int prepare_layer(struct publish *publish, struct image *image,
			 const struct descriptor *descriptor, ducc_error **err)
{
	const struct digest *layer = &descriptor->digest;
	bool published = repository_has_layer(&publish->repository, layer);
	AUTO_FREE char *name = staged_layer_name(layer);
	AUTO_FREE char *to = layer_directory(layer);
	AUTO_FREE char *listing_name = store_layer_listing_name(layer);
	AUTO_CLOSE int listing = path_open(publish->store.fd, listing_name, O_RDONLY, 0);
	AUTO_TREE *tree = NULL;
	struct listing_head head;

	if (is_staged(publish, name) || (published && listing < 0))
		return 0;
	if (listing < 0 && errno == ENOENT)
		return error_set(err, "layer " PRI_DIGEST ": not unpacked (ducc-unpack does that)",
				 layer->hex);
	if (listing < 0)
		return error_errno(err, errno, "%s", listing_name);
	tree = listing_read(listing, &head, err);
	if (!tree)
		return error_wrap(err, "%s", listing_name);
	if (published)
		return complete_layer(publish, layer, tree, &head, err) < 0
			       ? error_wrap(err, "layer " PRI_DIGEST, layer->hex)
			       : 0;
	if (stage_layer(publish, name, tree, &head, descriptor->media_type, &image->report, err) <
	    0)
		return -1;
	if (transaction_rename(publish->transaction, name, to, err) < 0)
		return -1;
	note_staged(publish, name);
	session_notice(publish->session, DUCC_DEBUG, "layer " PRI_DIGEST, layer->hex);
	return 0;
}

/* --- the flat image and its metadata ---------------------------------- */

/* Reads what the store has of the image. */
static int read_image(struct publish *publish, const ducc_record *record, struct image *image,
		      ducc_error **err)
{
	AUTO_FREE char *listing_name = NULL;
	AUTO_CLOSE int listing = -1;

	if (session_find_image(publish->session, &publish->store, record, &image->reference,
			       &image->digest, err) < 0)
		return -1;
	image->name = reference_name(&image->reference);
	if (store_read_blob(&publish->store, &image->digest, &image->manifest_json,
			    &image->manifest_len, err) < 0)
		return error_wrap(err, "manifest " PRI_DIGEST, image->digest.hex);
	if (manifest_parse(&image->manifest, image->manifest_json, image->manifest_len, err) < 0)
		return -1;
	if (store_read_blob(&publish->store, &image->manifest.config.digest, &image->config_json,
			    &image->config_len, err) < 0)
		return error_wrap(err, "config " PRI_DIGEST, image->manifest.config.digest.hex);
	if (config_parse(&image->config, image->config_json, image->config_len, err) < 0)
		return -1;
	listing_name = store_image_listing_name(&image->digest);
	listing = path_open(publish->store.fd, listing_name, O_RDONLY, 0);
	if (listing < 0 && errno == ENOENT)
		return error_set(err, "not unpacked (ducc-unpack does that)");
	if (listing < 0)
		return error_errno(err, errno, "%s", listing_name);
	image->tree = listing_read(listing, NULL, err);
	if (!image->tree)
		return error_wrap(err, "%s", listing_name);
	singularity_add(image->tree, &image->config);
	tree_count_links(image->tree);
	return 0;
}

static void image_end(struct image *image)
{
	reference_free(&image->reference);
	free(image->name);
	free(image->manifest_json);
	free(image->config_json);
	manifest_free(&image->manifest);
	config_free(&image->config);
	tree_free(image->tree);
}

/* The flat image is called after its config. */
static char *flat_directory(const struct image *image)
{
	const char *hex = image->manifest.config.digest.hex;

	return format(".flat/%.2s/%s", hex, hex);
}

static int prepare_flat(struct publish *publish, struct image *image, ducc_error **err)
{
	struct layer_context context = {publish, NULL};
	AUTO_FREE char *to = flat_directory(image);
	AUTO_FREE char *name = format("flat-%s", image->manifest.config.digest.hex);
	AUTO_CLOSE int root = -1;
	int staging;

	if (path_exists(publish->repository.fd, to) || is_staged(publish, name))
		return 0;
	staging = clear_staging(publish, name, err);
	if (staging < 0 || make_directory(staging, name, err) < 0)
		return -1;
	root = path_open(staging, name, O_RDONLY | O_DIRECTORY, 0);
	if (root < 0)
		return error_errno(err, errno, "%s", name);
	if (extract(root, image->tree, find_source, &context, &image->report, err) < 0)
		return -1;
	if (transaction_rename(publish->transaction, name, to, err) < 0)
		return -1;
	note_staged(publish, name);
	return 0;
}

/* True if the repository has this file, with this content. */
static bool has_file(struct publish *publish, const char *path, const void *data, size_t len)
{
	AUTO_FREE char *there = NULL;
	size_t there_len;

	return !path_read(publish->repository.fd, path, len, &there, &there_len, NULL) &&
	       there_len == len && !memcmp(there, data, len);
}

/* Publishes a file of metadata, unless it is there. */
static int prepare_file(struct publish *publish, const struct image *image, const char *file,
			const void *data, size_t len, ducc_error **err)
{
	AUTO_FREE char *to = format(".metadata/%s/%s", image->name, file);
	AUTO_FREE char *name = NULL;
	int staging;

	if (has_file(publish, to, data, len))
		return 0;
	name = format("metadata-%zu", transaction_mark(publish->transaction));
	staging = transaction_directory(publish->transaction, err);
	if (staging < 0 || write_file(staging, name, data, len, err) < 0)
		return -1;
	return transaction_rename(publish->transaction, name, to, err);
}

/* The listing of the flat image, in memory, to compare it and to write it. */
static int print_listing(struct image *image, char **text, size_t *len, ducc_error **err)
{
	AUTO_CLOSE int fd = memfd_create("rootfs.mtree", MFD_CLOEXEC);

	if (fd < 0 || listing_write(fd, NULL, image->tree) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "rootfs.mtree");
	return read_file(fd, SIZE_MAX, text, len, err);
}

static int prepare_metadata(struct publish *publish, struct image *image, ducc_error **err)
{
	AUTO_FREE char *listing = NULL;
	size_t len;

	if (print_listing(image, &listing, &len, err) < 0 ||
	    prepare_file(publish, image, "manifest.json", image->manifest_json, image->manifest_len,
			 err) < 0 ||
	    prepare_file(publish, image, "config.json", image->config_json, image->config_len,
			 err) < 0)
		return -1;
	return prepare_file(publish, image, "rootfs.mtree", listing, len, err);
}

/* The public name: a relative symlink to the flat image. */
static int prepare_link(struct publish *publish, const struct image *image, ducc_error **err)
{
	AUTO_FREE char *flat = flat_directory(image), *name = NULL;
	AUTO_BUFFER target = {0};
	char there[PATH_MAX];
	const char *last;
	ssize_t len = -1;
	int staging;

	for (const char *p = image->name; (p = strchr(p, '/')); p++)
		buffer_adds(&target, "../");
	buffer_adds(&target, flat);
	AUTO_CLOSE int parent = path_open_parent(publish->repository.fd, image->name, &last);
	if (parent >= 0)
		len = readlinkat(parent, last, there, sizeof(there));
	if (len >= 0 && (size_t)len == target.len && !memcmp(there, target.data, target.len))
		return 0;
	staging = transaction_directory(publish->transaction, err);
	name = format("link-%zu", transaction_mark(publish->transaction));
	if (staging < 0 || path_remove(staging, name) < 0 ||
	    symlinkat(target.data, staging, name) < 0)
		return error_errno(err, errno, "%s", image->name);
	return transaction_rename(publish->transaction, name, image->name, err);
}

/* --- images ----------------------------------------------------------- */

static int prepare_image(struct publish *publish, const ducc_record *record, struct image *image,
			 ducc_error **err)
{
	AUTO_FREE char *left_out = NULL;

	if (read_image(publish, record, image, err) < 0)
		return -1;
	if (publish->session->dry_run)
		return 0;
	for (size_t i = 0; i < image->manifest.n; i++)
		if (prepare_layer(publish, image, &image->manifest.layers[i], err) < 0)
			return -1;
	if (prepare_flat(publish, image, err) < 0 || prepare_metadata(publish, image, err) < 0 ||
	    prepare_link(publish, image, err) < 0)
		return -1;
	left_out = extract_report_text(&image->report);
	if (left_out)
		session_notice(publish->session, DUCC_WARNING, "%s: left out, not permitted: %s",
			       image->name, left_out);
	return 0;
}

/* For a dry run: what publishing the image would add. */
static void say_what_is_missing(struct publish *publish, const struct image *image)
{
	const struct repository *repository = &publish->repository;
	AUTO_FREE char *flat = flat_directory(image);
	size_t layers = 0;

	for (size_t i = 0; i < image->manifest.n; i++)
		layers += repository->fd < 0 ||
			  !repository_has_layer(repository, &image->manifest.layers[i].digest);
	session_notice(publish->session, DUCC_INFO, "%s: would publish %zu of %zu layers%s",
		       image->name, layers, image->manifest.n,
		       repository->fd >= 0 && path_exists(repository->fd, flat)
			       ? ""
			       : " and the flat image");
}

/* Prepares one image, or takes back what was prepared of it. */
static int prepare(struct publish *publish, const ducc_record *record, ducc_error **err)
{
	size_t steps = publish->transaction ? transaction_mark(publish->transaction) : 0;
	size_t staged = publish->n_staged;
	struct image image = {.name = NULL};
	int result = prepare_image(publish, record, &image, err);

	if (result < 0) {
		if (publish->transaction)
			transaction_reset(publish->transaction, steps);
		while (publish->n_staged > staged)
			free(publish->staged[--publish->n_staged]);
	} else if (publish->session->dry_run) {
		say_what_is_missing(publish, &image);
	} else if (transaction_mark(publish->transaction) == steps) {
		session_notice(publish->session, DUCC_INFO, "%s: unchanged", image.name);
	} else {
		session_notice(publish->session, DUCC_INFO, "%s: publishing", image.name);
	}
	image_end(&image);
	return result;
}

static int publish_all(struct publish *publish, ducc_record *const *records, size_t n,
		       ducc_error **errors, ducc_error **err)
{
	const char *name = ducc_repository(publish->session, records[0]);
	int found = store_open_existing(&publish->store, publish->session->store_path, err);

	if (!found)
		return error_set(err, "there is no store %s (ducc-fetch makes it)",
				 publish->session->store_path);
	if (!name)
		return error_set(err, "no repository: say -r, $DUCC_REPO or repo=");
	if (found < 0)
		return -1;
	if (publish->session->dry_run) {
		if (repository_open_existing(&publish->repository, name, err) < 0)
			return -1;
	} else {
		if (repository_open(&publish->repository, name, err) < 0)
			return -1;
		publish->transaction = transaction_begin(&publish->repository, err);
		if (!publish->transaction)
			return -1;
	}
	for (size_t i = 0; i < n; i++)
		prepare(publish, records[i], &errors[i]);
	return publish->session->dry_run ? 0 : transaction_commit(publish->transaction, err);
}

static void publish_end(struct publish *publish)
{
	transaction_end(publish->transaction);
	while (publish->n_staged)
		free(publish->staged[--publish->n_staged]);
	free(publish->staged);
	repository_close(&publish->repository);
	store_close(&publish->store);
}

size_t ducc_publish(ducc_session *session, ducc_record *const *records, size_t n,
		    ducc_error **errors)
{
	struct publish publish = {
		.session = session, .store = {.fd = -1}, .repository = {.fd = -1}};
	ducc_error *error = NULL;
	size_t failed = 0;

	if (n && publish_all(&publish, records, n, errors, &error) < 0)
		for (size_t i = 0; i < n; i++)
			if (!errors[i])
				errors[i] = error_copy(error);
	ducc_error_free(error);
	publish_end(&publish);
	for (size_t i = 0; i < n; i++)
		failed += errors[i] != NULL;
	return failed;
}
