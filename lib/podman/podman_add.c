/* Adding images to Podman's store: see podman_add.h. */
#include "podman/podman_add.h"

#include <errno.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "base/text.h"
#include "podman/go_json.h"
#include "podman/podman_name.h"

/* overlayfs cannot stack more. */
#define LAYERS_MAX 500

static void set_digest(cJSON *object, const char *key, const struct digest *digest)
{
	AUTO_FREE char *value = format(PRI_DIGEST, digest->hex);

	json_set_string(object, key, value);
}

/* The member, which is created if it does not exist. */
static cJSON *member(cJSON *object, const char *key, cJSON *(*make)(void))
{
	cJSON *item = json_member(object, key);

	if (item && !cJSON_IsNull(item))
		return item;
	json_set(object, key, make());
	return json_member(object, key);
}

/* Adds a string to the array; false if the array already contains it. */
static bool add_string(cJSON *array, const char *value)
{
	if (podman_list_find_string(array, value))
		return false;
	json_append(array, xalloc(cJSON_CreateString(value)));
	return true;
}

/*
 * Checks that Podman can use the image: one that it cannot decode makes `podman images` fail for
 * all images.  Sets *created to the creation time in the config; the caller frees it.
 */
static int check_image(const struct podman_image *image, char **created, ducc_error **err)
{
	AUTO_JSON *config = json_parse(image->config_json, image->config_len, "config", err);
	size_t n = image->manifest->n;
	const char *text;

	if (!config ||
	    go_json_check_config(config, image->config_json, image->config_len, err) < 0 ||
	    go_json_check_manifest(image->manifest_json, image->manifest_len, err) < 0)
		return -1;
	if (n != image->config->n)
		return error_set(err, "%zu layer%s, but %zu diff ID%s", n, text_plural(n),
				 image->config->n, text_plural(image->config->n));
	if (n > LAYERS_MAX)
		return error_set(err, "%zu layers: no more than %d can be stacked", n, LAYERS_MAX);
	text = podman_list_text(config, "created");
	*created = xstrdup(*text ? text : "1970-01-01T00:00:00Z");
	return 0;
}

/* The path that containers/storage uses for a document stored with an image. */
static char *data_path(const cJSON *image, const char *key)
{
	AUTO_FREE char *encoded = base64_encode(key, strlen(key));
	bool plain = !key[strspn(key, ".0123456789abcdefghijklmnopqrstuvwxyz")];

	return format(PODMAN_IMAGE_DIRECTORY "/%s/%s%s", podman_list_text(image, "id"),
		      plain ? "" : "=", plain ? key : encoded);
}

/* Lists a document in the image's entry; false if it is already listed. */
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

/*
 * Lists no document, beside these of the image itself, that does not exist: of one that is missing,
 * `podman images' fails for all images.
 */
static void forget_missing(struct podman *podman, cJSON *entry, const char *config,
			   const char *manifest)
{
	cJSON *names = json_member(entry, "big-data-names"), *next;

	for (cJSON *item = names ? names->child : NULL; item; item = next) {
		const char *key = item->valuestring;
		AUTO_FREE char *path = data_path(entry, key);
		int found = 1;

		next = item->next;
		if (strcmp(key, config) != 0 && strcmp(key, manifest) != 0 &&
		    strcmp(key, "manifest") != 0)
			found = repository_find(podman->repository, path);
		if (found < 0 && !podman->error)
			error_errno(&podman->error, errno, "%s", path);
		if (found)
			continue;
		cJSON_Delete(cJSON_DetachItemViaPointer(names, item));
		podman->images.changed = true;
	}
}

/* Stores manifest and config with the image, in addition to those it already has. */
static void add_documents(struct podman *podman, cJSON *entry, const struct podman_image *image,
			  bool new)
{
	const struct digest *id = &image->manifest->config.digest;
	AUTO_FREE char *config = format(PRI_DIGEST, id->hex);
	AUTO_FREE char *manifest = format("manifest-" PRI_DIGEST, image->digest->hex);
	size_t len = image->manifest_len;

	if (image->again)
		forget_missing(podman, entry, config, manifest);
	if (note_data(podman, entry, config, image->config_len, id) || image->again)
		podman_add_file(podman, data_path(entry, config), image->config_json,
				image->config_len);
	if (note_data(podman, entry, manifest, len, image->digest) || image->again)
		podman_add_file(podman, data_path(entry, manifest), image->manifest_json, len);
	if (!note_data(podman, entry, "manifest", len, image->digest)) {
		AUTO_FREE char *path = data_path(entry, "manifest");
		AUTO_FREE char *link = podman_read_link(podman, path);

		if (!image->again)
			return;
		new = !link;
	}
	if (new) {
		podman_add_file(podman, data_path(entry, "manifest"), image->manifest_json, len);
	} else {
		AUTO_FREE char *target = data_path(entry, manifest);

		podman_add_link(podman, data_path(entry, "manifest"), strrchr(target, '/') + 1);
	}
}

static bool has_manifest(const cJSON *entry, const struct digest *manifest)
{
	AUTO_FREE char *own = format(PRI_DIGEST, manifest->hex);

	return !strcmp(podman_list_manifest(entry), own);
}

/* True if the entry has a different manifest; those of the original ducc have none. */
static bool is_other_image(const cJSON *entry, const struct digest *manifest)
{
	return *podman_list_manifest(entry) && !has_manifest(entry, manifest);
}

/*
 * The ID of an image: the digest of its config, as in Podman.  Another manifest with the same
 * config may differ in ways that matter, also to containers, so it is another image: its ID is
 * chained until no other image has it.  An image that is listed keeps its ID.
 */
static struct digest image_id(const struct podman *podman, const struct podman_image *image)
{
	struct digest id = image->manifest->config.digest;
	const struct listed_image *listed;

	for (int i = 0; i < PODMAN_CHAINED; i++) {
		if ((listed = strmap_get(&podman->images.by_id, id.hex)) && listed->entry &&
		    has_manifest(listed->entry, image->digest))
			return id;
		id = podman_chain_id(id.hex, image->digest);
	}
	id = image->manifest->config.digest;
	while ((listed = strmap_get(&podman->images.by_id, id.hex)) &&
	       is_other_image(listed->entry, image->digest))
		id = podman_chain_id(id.hex, image->digest);
	return id;
}

/* Lists a new image, still without layers and documents. */
static cJSON *new_image(struct podman *podman, const struct podman_image *image,
			const struct digest *id, const char *created)
{
	cJSON *entry = json_object();

	json_set_string(entry, "id", id->hex);
	set_digest(entry, "digest", image->digest);
	json_set_string(entry, "created", created);
	podman_append_image(podman, entry);
	return entry;
}

/* Lists the image without a name; returns its entry, or NULL with nothing changed. */
static cJSON *add_image(struct podman *podman, const struct podman_image *image, ducc_error **err)
{
	const struct digest id = image_id(podman, image);
	const struct listed_image *listed = strmap_get(&podman->images.by_id, id.hex);
	cJSON *entry = listed ? listed->entry : NULL;
	const char *layer;
	bool new = !entry;
	AUTO_FREE char *created = NULL;

	if (check_image(image, &created, err) < 0)
		return NULL;
	if (new)
		entry = new_image(podman, image, &id, created);
	layer = podman_list_text(entry, "layer");
	if (image->manifest->n && (!strmap_get(&podman->layers.by_id, layer) ||
				   (image->again && !podman_has_layers(podman, image, layer)))) {
		const struct digest top = podman_add_layers(podman, image, created);

		if (strcmp(layer, top.hex) != 0) {
			json_set_string(entry, "layer", top.hex);
			podman->images.changed = true;
		}
	}
	add_documents(podman, entry, image, new);
	return entry;
}

/* Gives the image a name; false if Podman cannot parse the name. */
static bool add_name(struct podman *podman, cJSON *entry, const char *name)
{
	if (!podman_name_is_valid(name))
		return false;
	if (add_string(member(entry, "names", json_array), name)) {
		podman_claim_name(podman, entry, name);
		podman->images.changed = true;
	}
	return true;
}

/* Removes the image from the list, if it is listed. */
static void drop_image(struct podman *podman, const struct podman_image *image)
{
	const struct digest id = image_id(podman, image);
	const struct listed_image *listed = strmap_get(&podman->images.by_id, id.hex);

	if (listed && listed->entry)
		podman_detach_image(podman, listed->entry);
}

static void add(struct context *context, struct podman *podman, const char *name, bool named,
		const struct podman_image *image)
{
	AUTO_FREE char *other = podman_name_to_podman(name);
	ducc_error *err = NULL;
	cJSON *entry = add_image(podman, image, &err);

	podman->again |= image->again;
	if (!entry)
		context_notice(context, DUCC_WARNING, "%s: not available in Podman: %s", name,
			       ducc_error_message(err));
	ducc_error_free(err);
	if (!named)
		return;
	if (!entry) {
		podman_drop_name(podman, name);
		if (other)
			podman_drop_name(podman, other);
		drop_image(podman, image);
	} else if (!add_name(podman, entry, name) || (other && !add_name(podman, entry, other))) {
		context_notice(
			context, DUCC_WARNING,
			"%s: available in Podman only by digest: Podman does not accept this name",
			name);
	}
}

bool podman_add(struct context *context, struct podman *podman, const char *name, bool named,
		const struct podman_image *image)
{
	bool images = podman->images.changed, layers = podman->layers.changed, changed;

	podman->images.changed = podman->layers.changed = false;
	add(context, podman, name, named, image);
	changed = podman->images.changed || podman->layers.changed;
	podman->images.changed |= images;
	podman->layers.changed |= layers;
	return changed;
}
