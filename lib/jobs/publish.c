/*
 * The job of ducc-publish: publishing unpacked images in a repository (ducc.h).
 *
 * Each image is prepared separately: what the repository lacks is added to a transaction.
 * If that fails, the additions for this image are dropped, and the other images continue.
 * Then one commit makes everything visible.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/strset.h"
#include "content/differences.h"
#include "content/listing.h"
#include "content/placement.h"
#include "content/settle.h"
#include "content/unpacked.h"
#include "format/image.h"
#include "format/repo_paths.h"
#include "jobs/events.h"
#include "jobs/image_layers.h"
#include "jobs/repair.h"
#include "jobs/session.h"
#include "jobs/stored_image.h"
#include "jobs/targets.h"
#include "podman/podman_add.h"
#include "repo/known.h"
#include "repo/public_names.h"
#include "repo/schedule.h"
#include "repo/singularity.h"
#include "repo/transaction.h"

#define DEFAULT_BATCH_BYTES ((uint64_t)32 << 30)

static const struct {
	const char *name, *files, *bytes; /* in notices, and in events */
} ways[N_WAYS] = {
	[SENT] = {"sent", "files_sent", "bytes_sent"},
	[LINKED] = {"linked", "files_linked", "bytes_linked"},
	[GRAFTED] = {"grafted", "files_grafted", "bytes_grafted"},
	[CHUNKED] = {"chunked", "files_chunked", "bytes_chunked"},
};

struct image {
	struct reference reference;
	char *name; /* REGISTRY/REPOSITORY:TAG */
	struct stored_image stored;
	struct platform platform;
	struct strset there;  /* labels under which its metadata is published */
	uint64_t *unpacked;   /* bytes of each layer; 0: unknown */
	bool *added;          /* for each layer: the transaction adds it */
	struct strmap *moved; /* for each layer: where files are published, if elsewhere */
	struct amount amounts[N_WAYS];
	const ducc_record *record;
	bool again;   /* it is published again, or parts of it */
	bool changed; /* the transaction adds something for it */
	bool known;   /* its name, for that platform, was published before */
	struct span span;
};

struct publish {
	ducc_session *session;
	struct store store;
	struct repository repository;
	struct transaction *transaction;
	struct known *known;
	ducc_record *const *records;
	struct image *images; /* one for each record processed */
	size_t n;
	ducc_error **errors;
	bool committing; /* all of them, in one commit */
};

/* --- layers ----------------------------------------------------------- */

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

/* True if the listing has entries that are not in the published one. */
static bool has_more(struct tree *tree, const struct tree *published)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!node_is_entry(node))
			continue;
		node_path(node, &path);
		if (!node_is_entry(tree_find(published, path.data)))
			return true;
	}
	return false;
}

/* Warns of implied directories that are published with the metadata of another image. */
static void report_differences(struct publish *publish, const struct digest *layer,
			       struct tree *tree, const struct tree *published)
{
	struct node *root = tree_root(tree);
	AUTO_FREE char *name = format("layer " PRI_DIGEST, layer->hex);
	AUTO_BUFFER path = {0};
	AUTO_DIFFERENCES differences = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		const struct node *there;

		if (!(node->flags & NODE_IMPLIED) || !node_is_dir(node))
			continue;
		node_path(node, &path);
		there = tree_find(published, path.data);
		if (node_is_dir(there) && !file_same_metadata(node->file, there->file))
			differences_add(&differences, DIFFERENT_METADATA, path.data);
	}
	differences_report(&differences, &publish->session->context, name, true);
}

/*
 * If the layer is published with entries where the symbolic links of another image lead them,
 * the flat tree has to take the files from there.
 */
static int find_moved(struct publish *publish, const struct digest *layer, struct tree *tree,
		      struct tree *published, struct strmap *moved, ducc_error **err)
{
	AUTO_FREE char *name = format("layer " PRI_DIGEST, layer->hex);
	AUTO_DIFFERENCES differences = {0};

	if (!placement_differs(tree, published, &differences))
		return 0;
	differences_report(&differences, &publish->session->context, name, true);
	return placement_map(tree, published, moved, err) < 0 ? -1 : 1;
}

/* Completes a published layer, which may need more whiteouts for this image. */
static int complete_layer(struct publish *publish, const struct listing_head *head,
			  struct tree *tree, struct strmap *moved, ducc_error **err)
{
	AUTO_CLOSE int fd = repository_open_listing(&publish->repository, &head->layer);
	AUTO_TREE *published = NULL, *complete = NULL;
	struct listing_head published_head;
	int result;

	if (fd < 0)
		return error_errno(err, errno, "published listing");
	published = listing_read(fd, &published_head, err);
	if (!published)
		return error_wrap(err, "published listing");
	result = find_moved(publish, &head->layer, tree, published, moved, err);
	if (result)
		return result < 0 ? -1 : 0;
	report_differences(publish, &head->layer, tree, published);
	if (!has_more(tree, published))
		return 0;
	/* Published entries stay as they are, whatever the store's listing has now. */
	if (lseek(fd, 0, SEEK_SET) == 0)
		complete = listing_read(fd, &published_head, err);
	if (!complete)
		return error_wrap(err, "published listing");
	settle_add_missing(complete, tree);
	tree_count_links(complete);
	return transaction_complete_layer(publish->transaction, head, complete, published, err);
}

/*
 * Reads a layer's listing in the store.  1, 0 if there is none and the layer is published, which
 * then needs nothing more, or -1.
 */
static int read_layer(struct publish *publish, const struct digest *layer, bool published,
		      struct listing_head *head, struct tree **tree, ducc_error **err)
{
	AUTO_FREE char *name = store_layer_listing_name(layer);
	ducc_error *error = NULL;

	*tree = unpacked_read_listing(&publish->store, name, head, &error);
	if (*tree)
		return 1;
	if (ducc_error_kind(error) != DUCC_NOT_FOUND)
		return error_give(err, error);
	ducc_error_free(error);
	return published ? 0
			 : error_set_kind(err, DUCC_NOT_FOUND,
					  "not unpacked (run ducc-unpack first)");
}

/* A tree in a repository, as a key; the caller frees it. */
static char *repaired_key(const struct publish *publish, const struct digest *tree)
{
	return format("%s %s", tree->hex, publish->repository.name);
}

static bool is_listed_again(const struct publish *publish, const struct image *image,
			    const struct digest *tree)
{
	return publish->session->again || (image->again && repair_has(image->record, tree));
}

/*
 * True if the layer or flat tree is to be published again, although it is published, and this
 * session has not done that for another image.
 */
static bool is_wanted_again(const struct publish *publish, const struct image *image,
			    const struct digest *tree)
{
	AUTO_FREE char *key = repaired_key(publish, tree);

	return is_listed_again(publish, image, tree) &&
	       !strset_has(&publish->session->repaired, key);
}

/*
 * Keeps the whiteouts and implied directories of the published layer that other images need.  They
 * are not in the layer's tar, as `used' says.
 */
static void keep_additions(struct publish *publish, const struct listing_head *head,
			   struct tree *tree)
{
	AUTO_CLOSE int fd = repository_open_listing(&publish->repository, &head->layer);
	struct listing_head there;
	AUTO_TREE *published = fd < 0 ? NULL : listing_read(fd, &there, NULL);
	struct node *root = tree_root(tree), *other;

	if (!published || !digest_equal(&there.diff_id, &head->diff_id))
		return;
	other = tree_root(published);
	for (struct node *node = other; node; node = tree_next(other, node))
		node->stored = !node_is_whiteout(node) && !(node->flags & NODE_IMPLIED);
	for (struct node *node = root; node; node = tree_next(root, node))
		node->needed = node_is_entry(node);
	settle_add_missing(tree, published);
	for (struct node *node = root; node; node = tree_next(root, node))
		node->used = node->needed = node_is_entry(node) && !node->needed;
}

static int prepare_layer(struct publish *publish, struct image *image, size_t i, ducc_error **err)
{
	const struct descriptor *descriptor = &image->stored.manifest.layers[i];
	const struct digest *layer = &descriptor->digest;
	bool published = repository_has_layer(&publish->repository, layer) &&
			 !is_wanted_again(publish, image, layer);
	AUTO_FREE char *directory = layer_directory(layer), *json = NULL;
	AUTO_TREE *tree = NULL;
	struct listing_head head;
	int found;

	if (transaction_adds(publish->transaction, directory))
		return 0;
	found = read_layer(publish, layer, published, &head, &tree, err);
	if (found <= 0)
		return found;
	image->unpacked[i] = head.unpacked;
	if (published)
		return complete_layer(publish, &head, tree, &image->moved[i], err);
	keep_additions(publish, &head, tree);
	context_notice(&publish->session->context, DUCC_DEBUG, "layer " PRI_DIGEST, layer->hex);
	json = layer_json(&head, descriptor->media_type);
	image->added[i] = true;
	known_consider(publish->known, image->name);
	known_match(publish->known, layer, tree);
	return transaction_add_layer(publish->transaction, &head, tree, json, err);
}

/* --- the flat image and its metadata ---------------------------------- */

/*
 * Sets the platform of the published image: from its config, if that names one, which the
 * record must then match; else from the record.
 */
static int choose_platform(struct image *image, const char *of_record, ducc_error **err)
{
	const struct platform *of_config = &image->stored.config.platform;
	AUTO_FREE char *own = platform_format(of_config), *normalized = NULL;
	bool known = of_config->os && of_config->architecture;

	if (of_record && platform_normalize(of_record, &normalized, err) < 0)
		return -1;
	if (normalized && known && strcmp(normalized, own) != 0)
		return error_set(err, "the image is for %s, not for platform=%s", own, of_record);
	return platform_parse(&image->platform, normalized && !known ? normalized : own, err);
}

/* Reads the manifest and config of the image from the store. */
static int read_image(struct publish *publish, const ducc_record *record, struct image *image,
		      ducc_error **err)
{
	struct digest digest;

	if (session_find_image(publish->session, &publish->store, record, &image->reference,
			       &digest, err) < 0)
		return -1;
	image->name = reference_name(&image->reference);
	image->record = record;
	image->again = publish->session->again || ducc_record_get(record, REPAIR_FIELD);
	if (stored_image_read(&image->stored, &publish->store, &digest, err) < 0)
		return -1;
	image->unpacked = xcalloc(image->stored.manifest.n, sizeof(*image->unpacked));
	image->added = xcalloc(image->stored.manifest.n, sizeof(*image->added));
	image->moved = xcalloc(image->stored.manifest.n, sizeof(*image->moved));
	return choose_platform(image, ducc_record_get(record, "platform"), err);
}

static void forget_moved(struct image *image)
{
	for (size_t i = 0; image->moved && i < image->stored.manifest.n; i++)
		strmap_free_values(&image->moved[i], free);
}

static void image_end(struct image *image)
{
	forget_moved(image);
	free(image->moved);
	reference_free(&image->reference);
	free(image->name);
	stored_image_free(&image->stored);
	platform_free(&image->platform);
	strset_free(&image->there);
	free(image->unpacked);
	free(image->added);
	*image = (struct image){.name = NULL};
}

/* Sets the location of files that are published elsewhere. */
static void follow_moved(const struct image *image, struct tree *tree)
{
	struct node *root = tree_root(tree);

	for (size_t i = 0; i < image->stored.manifest.n; i++) {
		const struct strmap *moved = &image->moved[i];
		const struct digest *layer = &image->stored.manifest.layers[i].digest;

		for (struct node *node = root; node && moved->keys.n;
		     node = tree_next(root, node)) {
			struct file *file = node->file;
			const char *place;

			if (!file || !file->layer || !digest_equal(file->layer, layer))
				continue;
			place = strmap_get(moved, file->origin);
			if (place)
				file_set_origin(file, file->layer, place);
		}
	}
}

/* The root file system from the store, with the files for Singularity. */
static struct tree *read_tree(struct publish *publish, const struct image *image, ducc_error **err)
{
	AUTO_FREE char *name = store_image_listing_name(&image->stored.digest);
	struct tree *tree = unpacked_read_listing(&publish->store, name, NULL, err);

	if (!tree)
		return NULL;
	follow_moved(image, tree);
	singularity_add(tree, &image->stored.config);
	tree_count_links(tree);
	return tree;
}

static int prepare_flat(struct publish *publish, const struct image *image, ducc_error **err)
{
	const struct digest *config = &image->stored.manifest.config.digest;
	AUTO_FREE char *directory = flat_directory(config), *path = flat_listing(config);
	AUTO_FREE char *listing = NULL;
	AUTO_TREE *tree = NULL;
	size_t len;

	if ((repository_has_flat(&publish->repository, config) &&
	     !is_wanted_again(publish, image, config)) ||
	    transaction_adds(publish->transaction, directory))
		return 0;
	tree = read_tree(publish, image, err);
	if (!tree || transaction_add_flat(publish->transaction, directory, tree, err) < 0 ||
	    listing_print(NULL, tree, &listing, &len, err) < 0)
		return -1;
	return transaction_add_file(publish->transaction, path, listing, len, err);
}

/* True if the repository has this image's metadata under that label. */
static bool has_metadata(struct publish *publish, const struct image *image, const char *label)
{
	AUTO_FREE char *manifest = image_metadata(label, "manifest.json");
	AUTO_FREE char *config = image_metadata(label, "config.json");
	AUTO_FREE char *listing = image_metadata(label, "rootfs.mtree");

	return repository_has_file(&publish->repository, manifest, image->stored.manifest_json,
				   image->stored.manifest_len) &&
	       repository_has_file(&publish->repository, config, image->stored.config_json,
				   image->stored.config_len) &&
	       repository_has(&publish->repository, listing);
}

/* True if the listing under that label is that of the flat tree, as published. */
static bool has_listing(struct publish *publish, const struct image *image, const char *path)
{
	const struct digest *config = &image->stored.manifest.config.digest;
	AUTO_FREE char *directory = flat_directory(config), *flat = flat_listing(config);
	AUTO_FREE char *data = NULL;
	AUTO_CLOSE int root = repository_root(&publish->repository);
	size_t len;

	return !transaction_adds(publish->transaction, directory) && root >= 0 &&
	       !path_read(root, flat, SIZE_MAX, &data, &len, NULL) &&
	       repository_has_file(&publish->repository, path, data, len);
}

static int prepare_metadata(struct publish *publish, const struct image *image, const char *label,
			    ducc_error **err)
{
	AUTO_FREE char *manifest = image_metadata(label, "manifest.json");
	AUTO_FREE char *config = image_metadata(label, "config.json");
	AUTO_FREE char *listing = image_metadata(label, "rootfs.mtree");
	AUTO_FREE char *flat = flat_listing(&image->stored.manifest.config.digest);

	if (strset_has(&image->there, label))
		return 0;
	if (transaction_add_file(publish->transaction, manifest, image->stored.manifest_json,
				 image->stored.manifest_len, err) < 0 ||
	    transaction_add_file(publish->transaction, config, image->stored.config_json,
				 image->stored.config_len, err) < 0)
		return -1;
	if (image->again && has_listing(publish, image, listing))
		return 0;
	return transaction_add_hardlink(publish->transaction, listing, flat, err);
}

/* --- images ----------------------------------------------------------- */

static struct naming naming_of(const struct image *image)
{
	return (struct naming){.name = image->name,
			       .platform = names_platform(&image->platform),
			       .config = &image->stored.manifest.config.digest};
}

/*
 * True if exactly this image is published under its name: then its layers are complete for
 * it.  If nothing has changed, no more than this is read.
 */
static bool is_published(struct publish *publish, struct image *image, const struct naming *naming)
{
	AUTO_FREE char *other = platform_label(naming->platform, naming->name);

	strset_free(&image->there);
	if (image->again)
		return false;
	if (has_metadata(publish, image, naming->name))
		strset_add(&image->there, naming->name);
	if (has_metadata(publish, image, other))
		strset_add(&image->there, other);
	if (!image->there.n)
		return false;
	for (size_t i = 0; i < image->stored.manifest.n; i++)
		if (!repository_has_layer(&publish->repository,
					  &image->stored.manifest.layers[i].digest))
			return false;
	return repository_has_flat(&publish->repository, naming->config);
}

/* Adds the layers of an image, each once. */
static int prepare_layers(struct publish *publish, struct image *image, ducc_error **err)
{
	const struct image_layers layers = {&publish->store, &publish->repository};
	AUTO_FREE char *name = store_image_listing_name(&image->stored.digest);
	AUTO_STRSET seen = {NULL};

	for (size_t i = 0; i < image->stored.manifest.n; i++)
		if (is_wanted_again(publish, image, &image->stored.manifest.layers[i].digest))
			known_exclude(publish->known, &image->stored.manifest.layers[i].digest);
	for (size_t i = 0; i < image->stored.manifest.n; i++) {
		const struct digest *layer = &image->stored.manifest.layers[i].digest;

		if (context_cancelled(&publish->session->context))
			return context_interrupted(err);
		if (strset_add(&seen, layer->hex) && prepare_layer(publish, image, i, err) < 0)
			return error_wrap(err, "layer " PRI_DIGEST, layer->hex);
	}
	return image_layers_check(&layers, &image->stored.manifest, name, err);
}

/* Adds the layers and the flat tree of an image, but not its names. */
static int prepare_content(struct publish *publish, struct image *image, ducc_error **err)
{
	struct naming naming = naming_of(image);
	int result = names_check(&publish->repository, &naming, err);
	bool published = !result && is_published(publish, image, &naming);

	free(naming.platform);
	memset(image->added, 0, image->stored.manifest.n * sizeof(*image->added));
	forget_moved(image);
	if (published)
		return 0;
	if (result < 0 || prepare_layers(publish, image, err) < 0)
		return -1;
	return prepare_flat(publish, image, err);
}

/* Sets the amounts of an image: what the transaction has added since it was saved. */
static void set_amounts(struct image *image, const struct transaction *transaction)
{
	const struct amount *now = transaction->amounts.by, *before = transaction->saved.amounts.by;

	for (size_t i = 0; i < N_WAYS; i++) {
		image->amounts[i].files = now[i].files - before[i].files;
		image->amounts[i].bytes = now[i].bytes - before[i].bytes;
	}
}

/* Adds the missing parts of one image, or nothing on failure. */
static void prepare(struct publish *publish, size_t i)
{
	size_t before = publish->transaction->steps;
	struct image *image = &publish->images[i];

	transaction_save(publish->transaction);
	known_save(publish->known);
	if (prepare_content(publish, image, &publish->errors[i]) < 0) {
		transaction_restore(publish->transaction);
		known_restore(publish->known);
	}
	set_amounts(image, publish->transaction);
	image->changed = publish->transaction->steps != before;
}

/* Lists an image for Podman, under its name if it is the first of its platforms. */
static void add_to_podman(struct publish *publish, struct podman *podman, const struct image *image,
			  bool named)
{
	struct podman_image entry = {.manifest = &image->stored.manifest,
				     .manifest_json = image->stored.manifest_json,
				     .manifest_len = image->stored.manifest_len,
				     .digest = &image->stored.digest,
				     .config = &image->stored.config,
				     .config_json = image->stored.config_json,
				     .config_len = image->stored.config_len,
				     .unpacked = image->unpacked,
				     .again = image->again};

	podman_add(&publish->session->context, podman, image->name, named, &entry);
}

/* "NAME: publishing, 5 files sent (0.1 MB), 23 linked (1.5 MB)" */
static void report_plan(struct publish *publish, const struct image *image)
{
	const char *unit = " files";
	AUTO_BUFFER text = {0};

	buffer_adds(&text, image->changed ? "publishing" : "unchanged");
	for (size_t i = 0; i < N_WAYS; i++) {
		const struct amount *amount = &image->amounts[i];

		if (!amount->files)
			continue;
		buffer_addf(&text, ", %" PRIu64 "%s %s (%.1f MB)", amount->files, unit,
			    ways[i].name, (double)amount->bytes / 1e6);
		unit = "";
	}
	context_notice(&publish->session->context, DUCC_INFO, "%s: %s", image->name, text.data);
}

/* Podman's lists; if they are damaged, and images are published again, empty ones. */
static struct podman *open_podman(struct publish *publish, ducc_error **err)
{
	ducc_error *error = NULL;
	struct podman *podman = podman_open(&publish->repository, &error);
	bool again = false;

	for (size_t i = 0; i < publish->n; i++)
		again |= publish->images[i].again;
	if (podman || !again) {
		error_hand_over(err, error);
		return podman;
	}
	context_notice(&publish->session->context, DUCC_WARNING, "%s; it is written anew",
		       ducc_error_message(error));
	ducc_error_free(error);
	return podman_new(&publish->repository);
}

/* Adds the names and the metadata of the prepared images. */
static int prepare_names(struct publish *publish, ducc_error **err)
{
	AUTO_FREE struct naming *namings = xcalloc(publish->n, sizeof(*namings));
	AUTO_FREE struct image **images = xcalloc(publish->n, sizeof(struct image *));
	struct podman *podman = open_podman(publish, err);
	size_t n = 0;
	int result;

	if (!podman)
		return -1;
	for (size_t i = 0; i < publish->n; i++) {
		if (publish->errors[i])
			continue;
		images[n] = &publish->images[i];
		namings[n++] = naming_of(&publish->images[i]);
	}
	result = names_add(publish->transaction, namings, n, err);
	for (size_t i = 0; !result && i < n; i++) {
		size_t before = publish->transaction->steps;

		if (namings[i].label) {
			AUTO_FREE char *there = image_metadata(namings[i].label, "manifest.json");

			images[i]->known = repository_has(&publish->repository, there);
			result = prepare_metadata(publish, images[i], namings[i].label, err);
		}
		if (!result && namings[i].label)
			add_to_podman(publish, podman, images[i],
				      !strcmp(namings[i].label, namings[i].name));
		images[i]->changed |= publish->transaction->steps != before;
		report_plan(publish, images[i]);
	}
	if (!result)
		result = podman_save(podman, publish->transaction, err);
	podman_free(podman);
	for (size_t i = 0; i < n; i++) {
		free(namings[i].platform);
		free(namings[i].label);
	}
	return result;
}

static bool take(struct schedule *schedule, char *path)
{
	bool taken = schedule_take(schedule, path);

	free(path);
	return taken;
}

/*
 * Takes the images and their trees off the schedule: they are wanted now, so their grace
 * period begins anew even if they are unwanted again when ducc-gc next runs.
 */
static int prepare_schedule(struct publish *publish, ducc_error **err)
{
	struct schedule schedule;
	AUTO_FREE char *json = NULL;
	bool changed = false;

	if (schedule_read(&schedule, &publish->repository, err) < 0)
		return -1;
	for (size_t i = 0; i < publish->n && schedule.n; i++) {
		const struct image *image = &publish->images[i];

		if (publish->errors[i])
			continue;
		if (schedule_take(&schedule, image->name)) {
			context_notice(&publish->session->context, DUCC_INFO, "%s: wanted again",
				       image->name);
			changed = true;
		}
		changed |= take(&schedule, flat_directory(&image->stored.manifest.config.digest));
		for (size_t k = 0; k < image->stored.manifest.n; k++)
			changed |= take(&schedule,
					layer_directory(&image->stored.manifest.layers[k].digest));
	}
	json = changed ? schedule_print(&schedule, err) : NULL;
	schedule_free(&schedule);
	if (!json)
		return changed ? -1 : 0;
	return transaction_add_file(publish->transaction, REPO_SCHEDULE, json, strlen(json), err);
}

/* After all images are prepared: adds their names, and updates the schedule. */
static int prepare_rest(struct publish *publish, ducc_error **err)
{
	return prepare_names(publish, err) < 0 ? -1 : prepare_schedule(publish, err);
}

/* For a dry run: reports what publishing the image would add. */
static void say_what_is_missing(struct publish *publish, const struct image *image)
{
	const struct repository *repository = &publish->repository;
	const struct digest *config = &image->stored.manifest.config.digest;
	size_t layers = 0;

	for (size_t i = 0; i < image->stored.manifest.n; i++)
		layers += !repository_has_layer(repository,
						&image->stored.manifest.layers[i].digest) ||
			  is_wanted_again(publish, image, &image->stored.manifest.layers[i].digest);
	context_notice(
		&publish->session->context, DUCC_INFO, "%s: would publish %zu of %zu layers%s",
		image->name, layers, image->stored.manifest.n,
		repository_has_flat(repository, config) && !is_wanted_again(publish, image, config)
			? ""
			: " and the flat root file system");
}

/* The image prepared last is left to the next transaction. */
static void leave_last(struct publish *publish)
{
	publish->n--;
	transaction_restore(publish->transaction);
	known_restore(publish->known);
	ducc_error_free(publish->errors[publish->n]);
	publish->errors[publish->n] = NULL;
	span_drop(&publish->images[publish->n].span);
	image_end(&publish->images[publish->n]);
}

/* Reads and prepares the records that fit into one transaction, at least one. */
static int prepare_all(struct publish *publish, size_t n, ducc_error **err)
{
	uint64_t limit =
		publish->session->batch_bytes ? publish->session->batch_bytes : DEFAULT_BATCH_BYTES;

	while (publish->n < n && (!publish->n || publish->transaction->bytes < limit)) {
		size_t i = publish->n++;

		span_begin(&publish->images[i].span, publish->session->events, "image_publish",
			   ducc_record_reference(publish->records[i]), NULL);
		if (read_image(publish, publish->records[i], &publish->images[i],
			       &publish->errors[i]) < 0)
			continue;
		prepare(publish, i);
		if (i && publish->transaction->crowded) {
			leave_last(publish);
			break;
		}
	}
	return prepare_rest(publish, err);
}

/* Repeats this for a repository that others have changed in the meantime. */
static int prepare_again(void *ctx, ducc_error **err)
{
	struct publish *publish = ctx;

	known_free(publish->known);
	publish->known =
		known_new(&publish->session->context, &publish->store, &publish->repository);
	for (size_t i = 0; i < publish->n; i++)
		if (!publish->errors[i])
			prepare(publish, i);
	return prepare_rest(publish, err);
}

static void note_tree(struct publish *publish, const struct image *image, const struct digest *tree)
{
	AUTO_FREE char *key = repaired_key(publish, tree);

	if (is_listed_again(publish, image, tree))
		strset_add(&publish->session->repaired, key);
}

/* Remembers what was published again, once for all images that need it. */
static void note_repaired(struct publish *publish)
{
	for (size_t i = 0; i < publish->n; i++) {
		const struct image *image = &publish->images[i];
		const struct manifest *manifest = &image->stored.manifest;

		if (publish->errors[i] || !image->again)
			continue;
		for (size_t k = 0; k < manifest->n; k++)
			note_tree(publish, image, &manifest->layers[k].digest);
		note_tree(publish, image, &manifest->config.digest);
	}
}

static int commit(struct publish *publish, ducc_error **err)
{
	ducc_error *error = NULL;

	if (transaction_is_empty(publish->transaction))
		return 0;
	if (transaction_open(publish->transaction, prepare_again, publish, &error) < 0) {
		/* What comes before the last step may fail because of one image. */
		publish->committing = ducc_error_kind(error) != DUCC_BUSY;
		return error_give(err, error);
	}
	if (transaction_is_empty(publish->transaction))
		return 0;
	publish->committing = true;
	if (transaction_commit(publish->transaction, err) < 0)
		return -1;
	known_published(publish->known);
	note_repaired(publish);
	return 0;
}

static int open_all(struct publish *publish, ducc_error **err)
{
	const char *name = ducc_repository(publish->session, publish->records[0]);

	if (session_need_store(publish->session, &publish->store, err) < 0)
		return -1;
	if (!name)
		return session_no_repository(err);
	if (targets_open(&publish->repository, name, publish->session->store_path, err) < 0)
		return -1;
	publish->repository.chunk_bytes = publish->session->chunk_bytes;
	return 0;
}

/* Splits what is published of the tree with that listing; without it, nothing is known. */
static void split_tree(struct publish *publish, const char *listing, const char *root,
		       bool is_layer)
{
	AUTO_CLOSE int at = repository_root(&publish->repository);
	AUTO_CLOSE int fd = at < 0 ? -1 : path_open_file(at, listing);
	AUTO_TREE *tree = NULL;
	struct listing_head head;

	if (fd >= 0)
		tree = listing_read(fd, is_layer ? &head : NULL, NULL);
	if (tree)
		transaction_split(publish->transaction, root, tree);
}

/* Publishes large files again that are published, but not split, before new files refer to them. */
static void split_image(struct publish *publish, const struct image *image)
{
	const struct amount before = publish->transaction->amounts.by[CHUNKED];
	struct amount now;
	const struct digest *config = &image->stored.manifest.config.digest;
	AUTO_FREE char *flat = flat_directory(config), *listing = flat_listing(config);

	for (size_t i = 0; i < image->stored.manifest.n; i++) {
		const struct digest *layer = &image->stored.manifest.layers[i].digest;
		AUTO_FREE char *layer_root = repository_layer_root(&publish->repository, layer);
		AUTO_FREE char *of_layer = layer_listing(layer);

		split_tree(publish, of_layer, layer_root, true);
	}
	split_tree(publish, listing, flat, false);
	now = publish->transaction->amounts.by[CHUNKED];
	if (now.files > before.files)
		context_notice(&publish->session->context, DUCC_INFO,
			       "%s: splitting %" PRIu64 " files (%.1f MB)", image->name,
			       now.files - before.files, (double)(now.bytes - before.bytes) / 1e6);
}

struct splitting {
	struct publish *publish;
	size_t first, n; /* records */
};

/* Splits what the images have published; those that fail here fail again when published. */
static int split_records(void *ctx, ducc_error **err)
{
	struct splitting *splitting = ctx;
	struct publish *publish = splitting->publish;

	(void)err;
	for (size_t i = 0; i < splitting->n; i++) {
		struct image image = {.name = NULL};
		ducc_error *error = NULL;

		transaction_save(publish->transaction);
		if (!read_image(publish, publish->records[splitting->first + i], &image, &error))
			split_image(publish, &image);
		if (i && publish->transaction->crowded) {
			transaction_restore(publish->transaction);
			splitting->n = i;
		}
		ducc_error_free(error);
		image_end(&image);
	}
	return 0;
}

/* The same in as many transactions as the scratch space requires. */
static int split_all(struct publish *publish, size_t n, ducc_error **err)
{
	struct splitting splitting = {.publish = publish};
	int result = 0;

	for (; !result && splitting.first < n; splitting.first += splitting.n) {
		splitting.n = n - splitting.first;
		publish->transaction = transaction_begin(
			&publish->session->context, &publish->store, &publish->repository, err);
		if (!publish->transaction)
			return -1;
		split_records(&splitting, err);
		if (!transaction_is_empty(publish->transaction) &&
		    (transaction_open(publish->transaction, split_records, &splitting, err) < 0 ||
		     (!transaction_is_empty(publish->transaction) &&
		      transaction_commit(publish->transaction, err) < 0)))
			result = -1;
		transaction_end(publish->transaction);
		publish->transaction = NULL;
	}
	return result;
}

static int publish_batch(struct publish *publish, size_t n, ducc_error **err)
{
	if (open_all(publish, err) < 0)
		return -1;
	if (publish->session->dry_run) {
		for (; publish->n < n; publish->n++)
			if (!read_image(publish, publish->records[publish->n],
					&publish->images[publish->n], &publish->errors[publish->n]))
				say_what_is_missing(publish, &publish->images[publish->n]);
		return 0;
	}
	if (publish->session->split && split_all(publish, n, err) < 0)
		return -1;
	publish->transaction = transaction_begin(&publish->session->context, &publish->store,
						 &publish->repository, err);
	if (!publish->transaction)
		return -1;
	publish->known =
		known_new(&publish->session->context, &publish->store, &publish->repository);
	return prepare_all(publish, n, err) < 0 ? -1 : commit(publish, err);
}

/* The number as text, owned by the set. */
static const char *keep(struct strset *texts, uint64_t number)
{
	AUTO_FREE char *text = format("%" PRIu64, number);

	strset_add(texts, text);
	return texts->list[strset_find(texts, text)];
}

/* Reports the flat image, and the files of the layers that are published for it. */
static void report_flat(struct publish *publish, const struct image *image, const char *request)
{
	AUTO_FREE char *flat = flat_directory(&image->stored.manifest.config.digest);
	const char *pairs[10 + 4 * N_WAYS + 1] = {"repository",    publish->repository.name,
						  "image_request", request,
						  "image",         image->name,
						  "public_path",   image->name,
						  "private_path",  flat};
	AUTO_STRSET numbers = {NULL};
	size_t n = 10;

	for (size_t i = 0; i < N_WAYS; i++) {
		if (!image->amounts[i].files)
			continue;
		pairs[n++] = ways[i].files;
		pairs[n++] = keep(&numbers, image->amounts[i].files);
		pairs[n++] = ways[i].bytes;
		pairs[n++] = keep(&numbers, image->amounts[i].bytes);
	}
	event_send(publish->session->events, "publish_flat_image", pairs);
}

/* Reports the result in the record and in events. */
static void report(struct publish *publish, size_t i)
{
	struct image *image = &publish->images[i];
	const char *request = ducc_record_reference(publish->records[i]);

	ducc_record_set(publish->records[i], "state",
			!image->changed ? "unchanged"
			: image->known  ? "updated"
					: "added",
			NULL);
	for (size_t k = 0; k < image->stored.manifest.n; k++)
		if (image->added[k])
			event(publish->session->events, "publish_layer", "repository",
			      publish->repository.name, "image_request", request, "image",
			      image->name, "layer_digest",
			      image->stored.manifest.layers[k].digest.hex);
	if (image->changed)
		report_flat(publish, image, request);
}

static void end_image(struct publish *publish, size_t i)
{
	ducc_error *const *error = &publish->errors[i];

	if (i < publish->n && !*error && !publish->session->dry_run)
		report(publish, i);
	if (i >= publish->n) /* there is no repository or store: its span was not begun */
		span_begin(&publish->images[i].span, publish->session->events, "image_publish",
			   ducc_record_reference(publish->records[i]), NULL);
	span_end(&publish->images[i].span, *error ? -1 : 0, 0, error);
}

/* If an image failed because something of it in the store is damaged, discards that. */
static void discard_damaged(struct publish *publish, size_t i)
{
	if (publish->errors[i] && ducc_error_kind(publish->errors[i]) == DUCC_CORRUPT)
		unpacked_verify_all(&publish->store, &publish->images[i].stored.manifest);
}

/*
 * Publishes the first of the records, as ducc_publish() does; sets *shared if they failed
 * together.
 */
static size_t publish_some(ducc_session *session, ducc_record *const *records, size_t n,
			   ducc_error **errors, bool *shared)
{
	struct publish publish = {.session = session,
				  .store = {.fd = -1},
				  .records = records,
				  .images = xcalloc(n, sizeof(struct image)),
				  .errors = errors};
	ducc_error *error = NULL;
	size_t done;

	*shared = publish_batch(&publish, n, &error) < 0 && publish.committing;
	done = publish.n ? publish.n : n;
	for (size_t i = 0; error && i < done; i++)
		if (!errors[i])
			errors[i] = error_copy(error);
	ducc_error_free(error);
	for (size_t i = 0; i < publish.n && (!*shared || publish.n == 1); i++)
		discard_damaged(&publish, i);
	for (size_t i = 0; i < done; i++)
		end_image(&publish, i);
	known_free(publish.known);
	transaction_end(publish.transaction);
	for (size_t i = 0; i < publish.n; i++)
		image_end(&publish.images[i]);
	free(publish.images);
	repository_close(&publish.repository);
	store_close(&publish.store);
	return done;
}

size_t ducc_publish(ducc_session *session, ducc_record *const *records, size_t n,
		    ducc_error **errors)
{
	bool shared;
	size_t done = n ? publish_some(session, records, n, errors, &shared) : 0;

	if (done < 2 || !shared)
		return done;
	/* One image may have caused the failure of all: retry each separately. */
	for (size_t i = 0; i < done && !context_cancelled(&session->context); i++) {
		context_notice(&session->context, DUCC_WARNING, "%s: %s; retrying it separately",
			       ducc_record_reference(records[i]), ducc_error_message(errors[i]));
		ducc_error_free(errors[i]);
		errors[i] = NULL;
		publish_some(session, records + i, 1, errors + i, &shared);
	}
	return done;
}
