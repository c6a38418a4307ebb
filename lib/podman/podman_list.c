/* The lists of Podman's store: see podman_list.h. */
#include "podman/podman_list.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "format/digest.h"

#define LIST_LIMIT ((size_t)1 << 30) /* bytes */

const char *podman_list_text(const cJSON *object, const char *key)
{
	const char *value = json_text(object, key);

	return value ? value : "";
}

cJSON *podman_list_find_string(const cJSON *array, const char *value)
{
	cJSON *item = array ? array->child : NULL;

	while (item && strcmp(item->valuestring, value) != 0)
		item = item->next;
	return item;
}

static int check_strings(const cJSON *entry, const char *key, ducc_error **err)
{
	const cJSON *array, *item;

	if (json_find_array(entry, key, &array, err) < 0)
		return -1;
	cJSON_ArrayForEach(item, array)
	{
		if (!cJSON_IsString(item))
			return error_set(err, "\"%s\" contains an element that is not a string",
					 key);
	}
	return 0;
}

/* Checks the types of all members of images and layers that are used here. */
static int check_entry(const cJSON *entry, ducc_error **err)
{
	static const char *const strings[] = {"layer", "parent", "diff-digest", PODMAN_BLOB,
					      PODMAN_LINK};
	const cJSON *object;
	const char *value;

	if (!cJSON_IsObject(entry))
		return error_set(err, "not an object");
	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		if (json_find_string(entry, strings[i], &value, err) < 0)
			return -1;
	if (json_get_string(entry, "id", &value, err) < 0 ||
	    json_find_object(entry, "big-data-sizes", &object, err) < 0 ||
	    json_find_object(entry, "big-data-digests", &object, err) < 0 ||
	    check_strings(entry, "big-data-names", err) < 0)
		return -1;
	return check_strings(entry, "names", err);
}

cJSON *podman_list_read(const struct repository *repository, const char *path, ducc_error **err)
{
	const char *what = strrchr(path, '/') + 1;
	AUTO_FREE char *data = NULL;
	AUTO_JSON *list = NULL;
	const cJSON *entry;
	size_t len = 0, n = 0;

	if (repository_read(repository, path, LIST_LIMIT, &data, &len, err) < 0)
		return NULL;
	list = len ? json_parse_array(data, len, what, err) : json_array();
	cJSON_ArrayForEach(entry, list)
	{
		n++;
		if (check_entry(entry, err) < 0) {
			error_wrap(err, "%s: entry %zu", what, n);
			return NULL;
		}
	}
	return STEAL(list);
}

cJSON *podman_list_names(const cJSON *image)
{
	return json_member(image, "names");
}

const char *podman_list_first_name(const cJSON *image)
{
	const cJSON *names = podman_list_names(image);

	return names && names->child ? names->child->valuestring : NULL;
}

const char *podman_list_config(const cJSON *image)
{
	const cJSON *names = json_member(image, "big-data-names"), *name;

	cJSON_ArrayForEach(name, names)
	{
		struct digest digest;

		if (digest_parse(&digest, name->valuestring))
			return name->valuestring + strlen(name->valuestring) - DIGEST_HEX_LEN;
	}
	return podman_list_text(image, "id");
}

bool podman_list_has_manifest(const cJSON *image)
{
	return podman_list_find_string(json_member(image, "big-data-names"), "manifest");
}

const char *podman_list_manifest(const cJSON *image)
{
	return podman_list_text(json_member(image, "big-data-digests"), "manifest");
}

int podman_list_mend(const cJSON *image, struct transaction *transaction, ducc_error **err)
{
	const char *id = podman_list_text(image, "id"), *name = podman_list_first_name(image);
	AUTO_FREE char *path = NULL, *manifest = NULL;

	if (podman_list_has_manifest(image) || !digest_is_hex(id) || !name)
		return 0;
	path = format(PODMAN_IMAGE_DIRECTORY "/%s/manifest", id);
	manifest = format("../../../.metadata/%s/manifest.json", name);
	return transaction_add_symlink(transaction, path, manifest, err);
}

static int save(const cJSON *entries, bool images, const char *path, const char *lock_path,
		struct transaction *transaction, ducc_error **err)
{
	AUTO_BUFFER json = {0};
	struct digest digest;
	const cJSON *entry;

	cJSON_ArrayForEach(entry, entries)
	{
		AUTO_FREE char *line = json_print(entry, false);

		/* an image of the original ducc has no manifest without a name */
		if (!images || podman_list_first_name(entry) || podman_list_has_manifest(entry))
			buffer_addf(&json, "%s%s", json.len ? ",\n" : "[\n", line);
	}
	buffer_adds(&json, json.len ? "\n]\n" : "[]\n");
	digest = digest_of(json.data, json.len);
	if (transaction_add_file(transaction, path, json.data, json.len, err) < 0)
		return -1;
	return transaction_add_file(transaction, lock_path, digest.hex, DIGEST_HEX_LEN, err);
}

int podman_list_save_images(const cJSON *images, struct transaction *transaction, ducc_error **err)
{
	return save(images, true, PODMAN_IMAGES, PODMAN_IMAGES_LOCK, transaction, err);
}

int podman_list_save_layers(const cJSON *layers, struct transaction *transaction, ducc_error **err)
{
	return save(layers, false, PODMAN_LAYERS, PODMAN_LAYERS_LOCK, transaction, err);
}

char *podman_layer_of_link(const char *target)
{
	const char *id = target && !strncmp(target, "../", 3) ? target + 3 : "";

	return xstrndup(id, strcspn(id, "/"));
}
