/* Podman's view of a repository: see podman.h. */
#include "podman/podman.h"

#include <regex.h>
#include <search.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "content/listing.h"
#include "format/reference.h"
#include "format/repo_paths.h"
#include "podman/go_json.h"

/* The kernel stacks no more. */
#define LAYERS_MAX 500

/* images.json or layers.json: an array of objects, each with an "id". */
struct list {
	cJSON *entries;
	void *by_id; /* tree of struct known */
	bool changed;
};

/* A file or a symbolic link to write, beside the lists. */
struct output {
	bool link;
	char *path, *data;
	size_t len;
};

struct podman {
	char *root; /* NULL: not known */
	struct list images, layers;
	void *by_name;  /* images; tree of struct known */
	cJSON *dropped; /* images and names that are not listed any more, but may be keys */
	struct output *outputs;
	size_t n, capacity;
};

/* --- trees, with tsearch(3) ------------------------------------------- */

struct known {
	const char *key; /* a string in the entry */
	cJSON *entry;    /* NULL: several that contradict each other */
	bool linked;     /* a layer that has its short name */
	bool forsaken;   /* an image of the original's that lost a name */
};

static int compare(const void *a, const void *b)
{
	const struct known *left = a, *right = b;

	return strcmp(left->key, right->key);
}

static struct known *find(void *const *tree, const char *key)
{
	struct known wanted = {.key = key};
	struct known **node = tfind(&wanted, tree, compare);

	return node ? *node : NULL;
}

/* Puts the entry in the place of one that has the key already; returns that one, or NULL. */
static cJSON *put(void **tree, const char *key, cJSON *entry)
{
	struct known *known = find(tree, key);
	cJSON *before = known ? known->entry : NULL;

	if (!known) {
		known = xcalloc(1, sizeof(*known));
		known->key = key;
		xalloc(tsearch(known, tree, compare));
	}
	known->key = key; /* the other one's may go */
	known->entry = entry;
	return before;
}

/* --- JSON ------------------------------------------------------------- */

static void set_digest(cJSON *object, const char *key, const struct digest *digest)
{
	AUTO_FREE char *value = format(PRI_DIGEST, digest->hex);

	json_set_string(object, key, value);
}

/* The member, made if it isn't there. */
static cJSON *member(cJSON *object, const char *key, cJSON *(*make)(void))
{
	cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	if (item && !cJSON_IsNull(item))
		return item;
	json_set(object, key, make());
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* Returns the item that was added to the array, or NULL if the string is in there already. */
static cJSON *add_string(cJSON *array, const char *value)
{
	cJSON *item;

	if (podman_list_find_string(array, value))
		return NULL;
	item = xalloc(cJSON_CreateString(value));
	json_append(array, item);
	return item;
}

/* --- what Podman can read ---------------------------------------------- */

static bool matches(const char *value, const char *pattern)
{
	regex_t regex;
	bool match;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		abort();
	match = !regexec(&regex, value, 0, NULL, 0);
	regfree(&regex);
	return match;
}

/* True for a name that Podman can parse; any other makes `podman images` fail. */
static bool is_name(const char *value)
{
	static const char pattern[] =
		"^[a-z0-9]+(-+[a-z0-9]+)*(\\.[a-z0-9]+(-+[a-z0-9]+)*)*(:[0-9]+)?"
		"(/[a-z0-9]+((\\.|__?|-+)[a-z0-9]+)*)+"
		"(:[a-zA-Z0-9_][a-zA-Z0-9_.-]*)?(@sha256:[0-9a-f]{64})?$";
	size_t registry = strcspn(value, "/");

	return registry + strcspn(value + registry, ":@") <= 255 - strlen(DOCKER_HUB_SHORT "/") &&
	       matches(value, pattern);
}

/* Makes `name`, a string in the image's entry, that image's alone. */
static void claim_name(struct podman *podman, cJSON *image, const cJSON *name)
{
	cJSON *before = put(&podman->by_name, name->valuestring, image), *item;

	if (!before || before == image)
		return;
	while ((item = podman_list_find_string(podman_list_names(before), name->valuestring)))
		cJSON_Delete(cJSON_DetachItemViaPointer(podman_list_names(before), item));
	if (!podman_list_has_manifest(before))
		find(&podman->images.by_id, podman_list_text(before, "id"))->forsaken = true;
	podman->images.changed = true;
}

static bool is_layer(const cJSON *entry, const char *parent, const char *diff_id)
{
	return entry && !strcmp(podman_list_text(entry, "parent"), parent) &&
	       !strcmp(podman_list_text(entry, "diff-digest"), diff_id);
}

/* True if the layer's files are those of the blob; one of the original's does not say. */
static bool is_of_blob(const cJSON *entry, const struct digest *blob)
{
	const char *of = podman_list_text(entry, PODMAN_BLOB);

	return !*of || !strcmp(of, blob->hex);
}

static void index_lists(struct podman *podman)
{
	cJSON *entry;
	const cJSON *name;

	cJSON_ArrayForEach(entry, podman->images.entries)
	{
		put(&podman->images.by_id, podman_list_text(entry, "id"), entry);
		cJSON_ArrayForEach(name, podman_list_names(entry)) claim_name(podman, entry, name);
	}
	cJSON_ArrayForEach(entry, podman->layers.entries)
	{
		struct known *known = find(&podman->layers.by_id, podman_list_text(entry, "id"));

		/*
		 * The original ducc calls a layer after its diff ID whatever it lies on,
		 * and lists it for each: on what its files lie can't be known then.
		 */
		if (!known)
			put(&podman->layers.by_id, podman_list_text(entry, "id"), entry);
		else if (!is_layer(entry, podman_list_text(known->entry, "parent"),
				   podman_list_text(known->entry, "diff-digest")))
			known->entry = NULL;
	}
}

struct podman *podman_new(const char *root, const char *images_json, size_t images_len,
			  const char *layers_json, size_t layers_len, ducc_error **err)
{
	struct podman *podman = xcalloc(1, sizeof(*podman));

	podman->root = root ? xstrdup(root) : NULL;
	podman->dropped = json_array();
	podman->layers.changed = !layers_json;
	podman->images.entries = podman_list_read(images_json, images_len, "images.json", err);
	if (podman->images.entries)
		podman->layers.entries =
			podman_list_read(layers_json, layers_len, "layers.json", err);
	if (!podman->layers.entries) {
		podman_free(podman);
		return NULL;
	}
	index_lists(podman);
	return podman;
}

void podman_free(struct podman *podman)
{
	if (!podman)
		return;
	free(podman->root);
	tdestroy(podman->images.by_id, free);
	tdestroy(podman->layers.by_id, free);
	tdestroy(podman->by_name, free);
	cJSON_Delete(podman->images.entries);
	cJSON_Delete(podman->layers.entries);
	cJSON_Delete(podman->dropped);
	for (size_t i = 0; i < podman->n; i++) {
		free(podman->outputs[i].path);
		free(podman->outputs[i].data);
	}
	free(podman->outputs);
	free(podman);
}

/* --- output ----------------------------------------------------------- */

/* Takes ownership of path; a link's target comes with its NUL. */
static void add_output(struct podman *podman, bool link, char *path, const char *data, size_t len)
{
	GROW(podman->outputs, podman->n, podman->capacity);
	podman->outputs[podman->n++] = (struct output){link, path, xmemdup(data, len), len};
}

static void add_file(struct podman *podman, char *path, const char *data)
{
	add_output(podman, false, path, data, strlen(data));
}

static void add_link(struct podman *podman, char *path, const char *target)
{
	add_output(podman, true, path, target, strlen(target) + 1);
}

static int mend_manifests(const struct podman *podman, const struct podman_target *target,
			  ducc_error **err)
{
	const cJSON *image;

	cJSON_ArrayForEach(image, podman->images.entries)
	{
		struct known *known = find(&podman->images.by_id, podman_list_text(image, "id"));
		const char *name = podman_list_first_name(image);

		if (!known->forsaken || !name || !is_name(name))
			continue;
		if (podman_list_mend(image, target, err) < 0)
			return -1;
		known->forsaken = false;
	}
	return 0;
}

int podman_save(const struct podman *podman, const struct podman_target *target, ducc_error **err)
{
	if (!podman->images.changed)
		return 0;
	for (size_t i = 0; i < podman->n; i++) {
		const struct output *output = &podman->outputs[i];
		int result = output->link
				     ? target->link(target->ctx, output->path, output->data, err)
				     : target->file(target->ctx, output->path, output->data,
						    output->len, err);

		if (result < 0)
			return -1;
	}
	if (mend_manifests(podman, target, err) < 0 ||
	    (podman->layers.changed &&
	     podman_list_save_layers(podman->layers.entries, target, err) < 0))
		return -1;
	return podman_list_save_images(podman->images.entries, target, err);
}

/* --- layers ----------------------------------------------------------- */

/* As containers/image has it; parent is "" for the lowest layer. */
static struct digest chain_id(const char *parent, const struct digest *diff_id)
{
	AUTO_FREE char *chain = format("%s+%s", parent, diff_id->hex);

	return *parent ? digest_of(chain, strlen(chain)) : *diff_id;
}

/* "l/SHORT", a layer's name in `lower`: 130 bits, as many as containers/storage has. */
static char *short_name(const struct digest *id)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	struct hasher *hasher = hasher_new();
	uint8_t sha256[SHA256_SIZE];
	char name[] = "l/00000000000000000000000000";

	hasher_update(hasher, id->hex, DIGEST_HEX_LEN);
	hasher_final(hasher, sha256);
	hasher_free(hasher);
	for (size_t i = 0; name[i + 2]; i++)
		name[i + 2] = letters[sha256[i] % 32];
	return xstrdup(name);
}

/*
 * What lies below layer i, the uppermost first.  Where the same layer is there
 * twice only the upper one counts: it hides all of the other, and overlayfs does
 * not take a directory twice.
 */
static char *lower_text(const struct podman_image *image, size_t i, const struct digest *ids)
{
	const struct digest *diff_ids = image->config->diff_ids;
	struct buffer lower = {0};

	for (size_t j = i; j-- > 0;) {
		AUTO_FREE char *name = short_name(&ids[j]);
		size_t above = j + 1;

		while (above <= i && !digest_equal(&diff_ids[above], &diff_ids[j]))
			above++;
		if (above > i)
			buffer_addf(&lower, "%s%s", lower.len ? ":" : "", name);
	}
	return buffer_steal(&lower);
}

/* The ID of layer i; one that something else has already is chained once more. */
static struct digest choose_id(const struct podman *podman, const char *parent,
			       const struct digest *diff_id, const struct digest *blob)
{
	AUTO_FREE char *diff_digest = format(PRI_DIGEST, diff_id->hex);
	struct digest id = chain_id(parent, diff_id);
	const struct known *known;

	while ((known = find(&podman->layers.by_id, id.hex)) &&
	       !(is_layer(known->entry, parent, diff_digest) && is_of_blob(known->entry, blob)))
		id = chain_id(id.hex, diff_id);
	return id;
}

/*
 * Lists a layer.  Its compressed digest is not told to Podman, which would use the files
 * for that blob on any other base, but they are what it is on this one (whiteouts
 * stand for opaque directories); PODMAN_BLOB is for ourselves.
 */
static void list_layer(struct podman *podman, const struct podman_image *image, size_t i,
		       const struct digest *ids, const char *created)
{
	cJSON *entry = json_object();

	json_set_string(entry, "id", ids[i].hex);
	if (i)
		json_set_string(entry, "parent", ids[i - 1].hex);
	json_set_string(entry, "created", created);
	set_digest(entry, "diff-digest", &image->config->diff_ids[i]);
	json_set_string(entry, PODMAN_BLOB, image->manifest->layers[i].digest.hex);
	if (image->unpacked && image->unpacked[i])
		json_set_size(entry, "diff-size", image->unpacked[i]);
	json_append(podman->layers.entries, entry);
	put(&podman->layers.by_id, podman_list_text(entry, "id"), entry);
	podman->layers.changed = true;
}

/* The link that `lower` names.  A layer that is listed may have another one, not by us. */
static void link_layer(struct podman *podman, const struct digest *id)
{
	struct known *known = find(&podman->layers.by_id, id->hex);
	AUTO_FREE char *name = short_name(id);
	AUTO_FREE char *target = format("../%s/diff", id->hex);

	if (!known->linked)
		add_link(podman, format(REPO_PODMAN "/overlay/%s", name), target);
	known->linked = true;
}

static void add_layer_files(struct podman *podman, const struct podman_image *image, size_t i,
			    const struct digest *ids)
{
	const char *root = podman->root ? podman->root : "../../..";
	AUTO_FREE char *directory = format(REPO_PODMAN "/overlay/%s", ids[i].hex);
	AUTO_FREE char *layerfs = layer_path(&image->manifest->layers[i].digest, "");
	AUTO_FREE char *target = format("%s/%s", root, layerfs);
	AUTO_FREE char *name = short_name(&ids[i]);
	AUTO_FREE char *lower = lower_text(image, i, ids);

	add_link(podman, format("%s/diff", directory), target);
	add_file(podman, format("%s/link", directory), name + strlen("l/"));
	if (*lower)
		add_file(podman, format("%s/lower", directory), lower);
}

/* Adds all layers of an image that has some; returns the ID of the top one. */
static struct digest add_layers(struct podman *podman, const struct podman_image *image,
				const char *created)
{
	AUTO_FREE struct digest *ids = xcalloc(image->manifest->n, sizeof(*ids));

	for (size_t i = 0; i < image->manifest->n; i++) {
		const char *parent = i ? ids[i - 1].hex : "";

		ids[i] = choose_id(podman, parent, &image->config->diff_ids[i],
				   &image->manifest->layers[i].digest);
		if (!find(&podman->layers.by_id, ids[i].hex)) {
			list_layer(podman, image, i, ids, created);
			add_layer_files(podman, image, i, ids);
		}
		link_layer(podman, &ids[i]);
	}
	return ids[image->manifest->n - 1];
}

/* --- images ----------------------------------------------------------- */

/*
 * Checks that Podman can read the image: one that it can't read makes `podman images` fail for
 * all.  Sets *created to when it was made, as its config says; the caller frees it.
 */
static int check_image(const struct podman_image *image, char **created, ducc_error **err)
{
	AUTO_JSON *config = json_parse(image->config_json, image->config_len, "config", err);
	const char *text;

	if (!config ||
	    go_json_check_config(config, image->config_json, image->config_len, err) < 0 ||
	    go_json_check_manifest(image->manifest_json, image->manifest_len, err) < 0)
		return -1;
	text = podman_list_text(config, "created");
	*created = xstrdup(*text ? text : "1970-01-01T00:00:00Z");
	return 0;
}

/* What containers/storage calls the file of a document that is kept with an image. */
static char *data_path(const cJSON *image, const char *key)
{
	AUTO_FREE char *encoded = base64_encode(key, strlen(key));
	bool plain = !strcmp(key, "manifest");

	return format(PODMAN_IMAGE_DIRECTORY "/%s/%s%s", podman_list_text(image, "id"),
		      plain ? "" : "=", plain ? key : encoded);
}

/* Notes that there is a document; false if it is noted already. */
static bool note_data(struct podman *podman, cJSON *image, const char *key, size_t len,
		      const struct digest *digest)
{
	if (!add_string(member(image, "big-data-names", json_array), key))
		return false;
	json_set_size(member(image, "big-data-sizes", json_object), key, len);
	set_digest(member(image, "big-data-digests", json_object), key, digest);
	podman->images.changed = true;
	return true;
}

/* Keeps manifest and config with the image, beside those that there are. */
static void add_documents(struct podman *podman, cJSON *entry, const struct podman_image *image,
			  bool new)
{
	const struct digest *id = &image->manifest->config.digest;
	AUTO_FREE char *config = format(PRI_DIGEST, id->hex);
	AUTO_FREE char *manifest = format("manifest-" PRI_DIGEST, image->digest->hex);
	size_t len = image->manifest_len;

	if (note_data(podman, entry, config, image->config_len, id))
		add_output(podman, false, data_path(entry, config), image->config_json,
			   image->config_len);
	if (note_data(podman, entry, manifest, len, image->digest))
		add_output(podman, false, data_path(entry, manifest), image->manifest_json, len);
	if (!note_data(podman, entry, "manifest", len, image->digest))
		return;
	if (new) {
		add_output(podman, false, data_path(entry, "manifest"), image->manifest_json, len);
	} else {
		AUTO_FREE char *target = data_path(entry, manifest);

		add_link(podman, data_path(entry, "manifest"), strrchr(target, '/') + 1);
	}
}

/* True if the entry has a manifest, and another one: the original keeps none. */
static bool is_other_image(const cJSON *entry, const struct digest *manifest)
{
	const cJSON *digests = cJSON_GetObjectItemCaseSensitive(entry, "big-data-digests");
	const char *digest = podman_list_text(digests, "manifest");
	AUTO_FREE char *own = format(PRI_DIGEST, manifest->hex);

	return *digest && strcmp(digest, own) != 0;
}

/*
 * The ID of an image: the digest of its config, as Podman has it.  A manifest of the same config
 * may say other things, to containers too, so it is another image: chained as often as there is
 * one of that ID.
 */
static struct digest image_id(const struct podman *podman, const struct podman_image *image)
{
	struct digest id = image->manifest->config.digest;
	const struct known *known;

	while ((known = find(&podman->images.by_id, id.hex)) &&
	       is_other_image(known->entry, image->digest))
		id = chain_id(id.hex, image->digest);
	return id;
}

/* Lists a new image, as yet without layers and documents. */
static cJSON *new_image(struct podman *podman, const struct podman_image *image,
			const struct digest *id, const char *created)
{
	cJSON *entry = json_object();

	json_set_string(entry, "id", id->hex);
	set_digest(entry, "digest", image->digest);
	json_set_string(entry, "created", created);
	json_append(podman->images.entries, entry);
	put(&podman->images.by_id, podman_list_text(entry, "id"), entry);
	return entry;
}

int podman_add(struct podman *podman, const char *name, const struct podman_image *image,
	       ducc_error **err)
{
	const struct manifest *manifest = image->manifest;
	const struct digest id = image_id(podman, image);
	const struct known *known = find(&podman->images.by_id, id.hex);
	bool listed = known && known->entry;
	AUTO_FREE char *created = NULL;
	const cJSON *item;
	cJSON *entry;

	if (check_image(image, &created, err) < 0)
		return -1;
	if (manifest->n != image->config->n)
		return error_set(err, "%zu layers, but %zu diff IDs", manifest->n,
				 image->config->n);
	if (manifest->n > LAYERS_MAX)
		return error_set(err, "%zu layers: no more than %d can be stacked", manifest->n,
				 LAYERS_MAX);
	entry = listed ? known->entry : new_image(podman, image, &id, created);
	if (manifest->n && !find(&podman->layers.by_id, podman_list_text(entry, "layer"))) {
		json_set_string(entry, "layer", add_layers(podman, image, created).hex);
		podman->images.changed = true;
	}
	add_documents(podman, entry, image, !listed);
	if (!name)
		return 0;
	if (!is_name(name))
		return 1;
	item = add_string(member(entry, "names", json_array), name);
	if (item) {
		claim_name(podman, entry, item);
		podman->images.changed = true;
	}
	return 0;
}

void podman_drop(struct podman *podman, const char *name, const struct podman_image *image)
{
	const struct digest id = image_id(podman, image);
	struct known *known = find(&podman->images.by_id, id.hex);
	cJSON *item = xalloc(cJSON_CreateString(name));

	json_append(podman->dropped, item);
	if (find(&podman->by_name, name))
		claim_name(podman, NULL, item);
	if (!known || !known->entry)
		return;
	json_append(podman->dropped,
		    cJSON_DetachItemViaPointer(podman->images.entries, known->entry));
	known->entry = NULL;
	podman->images.changed = true;
}
