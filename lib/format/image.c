/* Image metadata: see image.h. */
#include "format/image.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "base/strset.h"
#include "base/text.h"

const char image_accept[] =
	MEDIA_OCI_MANIFEST ", " MEDIA_OCI_INDEX ", " MEDIA_DOCKER_MANIFEST ", " MEDIA_DOCKER_INDEX;

/* Docker's media types and their OCI equivalents. */
static const struct {
	const char *docker, *oci;
} equivalents[] = {
	{MEDIA_DOCKER_MANIFEST, MEDIA_OCI_MANIFEST},
	{MEDIA_DOCKER_CONFIG, MEDIA_OCI_CONFIG},
	{"application/vnd.docker.image.rootfs.diff.tar", MEDIA_OCI_LAYER},
	{MEDIA_DOCKER_LAYER, MEDIA_OCI_LAYER "+gzip"},
	{"application/vnd.docker.image.rootfs.diff.tar.zstd", MEDIA_OCI_LAYER "+zstd"},
};

/* The media types of non-distributable (foreign) layers. */
static const char *const foreign_types[] = {
	"application/vnd.docker.image.rootfs.foreign.diff.tar",
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
};

bool layer_is_foreign(const struct descriptor *layer)
{
	for (size_t i = 0; i < ARRAY_LEN(foreign_types); i++)
		if (!strcmp(layer->media_type, foreign_types[i]))
			return true;
	return false;
}

static const char *oci_media_type(const char *media_type)
{
	for (size_t i = 0; i < ARRAY_LEN(equivalents); i++)
		if (!strcmp(media_type, equivalents[i].docker))
			return equivalents[i].oci;
	return media_type;
}

/* Type or subtype of a media type: a restricted-name (RFC 6838, section 4.2). */
static bool is_restricted_name(const char *text, size_t len)
{
	if (!len || len > 127)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!text_is_alnum(text[i]) && (!i || !strchr("!#$&-^_.+", text[i])))
			return false;
	return true;
}

static bool is_media_type(const char *text)
{
	size_t slash = strcspn(text, "/");

	return text[slash] && is_restricted_name(text, slash) &&
	       is_restricted_name(text + slash + 1, strlen(text + slash + 1));
}

/* Reads a descriptor; a missing or empty media type becomes "". */
static int read_descriptor(struct descriptor *descriptor, const cJSON *json, ducc_error **err)
{
	const char *media_type, *digest, *url;

	if (!cJSON_IsObject(json))
		return error_set(err, "descriptor is not an object");
	if (json_find_string(json, "mediaType", &media_type, err) < 0 ||
	    json_get_string(json, "digest", &digest, err) < 0 ||
	    json_get_size(json, "size", &descriptor->size, err) < 0)
		return -1;
	media_type = media_type ? media_type : "";
	if (*media_type && !is_media_type(media_type))
		return error_set(err, "\"mediaType\" is not a media type: %s", media_type);
	if (!digest_parse(&descriptor->digest, digest))
		return error_set(err, "\"digest\" is not a sha256 digest: %s", digest);
	descriptor->media_type = xstrdup(media_type);
	url = cJSON_GetStringValue(cJSON_GetArrayItem(json_member(json, "urls"), 0));
	descriptor->url = url ? xstrdup(url) : NULL;
	return 0;
}

int descriptor_parse(struct descriptor *descriptor, const cJSON *json, ducc_error **err)
{
	if (read_descriptor(descriptor, json, err) < 0)
		return -1;
	if (*descriptor->media_type)
		return 0;
	descriptor_free(descriptor);
	return error_set(err, "\"mediaType\" is missing");
}

cJSON *descriptor_to_json(const char *media_type, const struct digest *digest, uint64_t size)
{
	AUTO_FREE char *text = format(PRI_DIGEST, digest->hex);
	cJSON *json = json_object();

	json_set_string(json, "mediaType", media_type);
	json_set_string(json, "digest", text);
	json_set_size(json, "size", size);
	return json;
}

void descriptor_free(struct descriptor *descriptor)
{
	free(descriptor->media_type);
	free(descriptor->url);
	descriptor->media_type = descriptor->url = NULL;
}

static bool is_layer(const struct descriptor *layer)
{
	static const char *const compressions[] = {"", "+gzip", "+zstd"};
	const char *oci = oci_media_type(layer->media_type);

	if (layer_is_foreign(layer))
		return true;
	if (!strncmp(oci, MEDIA_OCI_LAYER, strlen(MEDIA_OCI_LAYER)))
		for (size_t i = 0; i < ARRAY_LEN(compressions); i++)
			if (!strcmp(oci + strlen(MEDIA_OCI_LAYER), compressions[i]))
				return true;
	return false;
}

static bool is_config_type(const char *media_type)
{
	return !strcmp(oci_media_type(media_type), MEDIA_OCI_CONFIG);
}

bool manifest_is_of_image(const struct manifest *manifest)
{
	return is_config_type(manifest->config.media_type);
}

static int artifact(ducc_error **err, const char *what, const char *type)
{
	return error_set_kind(err, DUCC_ARTIFACT, "an artifact, not a container image (%s is %s)",
			      what, type && *type ? type : "of no type, without diff IDs");
}

bool manifest_is_known_type(const char *media_type)
{
	static const char *const types[] = {MEDIA_OCI_MANIFEST, MEDIA_OCI_INDEX,
					    MEDIA_DOCKER_MANIFEST, MEDIA_DOCKER_INDEX};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (!strcmp(media_type, types[i]))
			return true;
	return false;
}

bool manifest_is_index(const cJSON *json)
{
	return json_has_folded(json, "manifests");
}

/* Reads the layers; *strange is the first that is none of a file system, of n_strange. */
static int read_layers(struct manifest *manifest, const cJSON *layers,
		       const struct descriptor **strange, size_t *n_strange, ducc_error **err)
{
	const cJSON *layer;

	manifest->layers = xcalloc((size_t)cJSON_GetArraySize(layers), sizeof(*manifest->layers));
	cJSON_ArrayForEach(layer, layers)
	{
		struct descriptor *descriptor = &manifest->layers[manifest->n];

		if (descriptor_parse(descriptor, layer, err) < 0)
			return error_wrap(err, "layer %zu", manifest->n + 1);
		manifest->n++;
		if (!is_layer(descriptor) && !(*n_strange)++)
			*strange = descriptor;
	}
	return 0;
}

/* An artifact has no layers of a file system. */
static int check_layers(const struct manifest *manifest, const struct descriptor *strange,
			size_t n_strange, ducc_error **err)
{
	const char *type = manifest->config.media_type;

	if (!strange)
		return 0;
	if (n_strange < manifest->n)
		return error_set(err, "layer " PRI_DIGEST ": unknown media type %s",
				 strange->digest.hex, strange->media_type);
	return is_config_type(type) ? artifact(err, "layer", strange->media_type)
				    : artifact(err, "config", type);
}

/*
 * Refuses what is not a manifest of version 2.  As in containerd, its members decide that, and not
 * the number.
 */
static int check_manifest(const cJSON *json, ducc_error **err)
{
	const char *type;
	uint64_t version = 0;

	if (json_member(json, "schemaVersion") &&
	    json_get_size(json, "schemaVersion", &version, err) < 0)
		return -1;
	if (json_has_folded(json, "fsLayers") || (version == 1 && !json_has_folded(json, "config")))
		return error_set(err, "schema version 1 is not supported: push the image again");
	if (json_find_string(json, "mediaType", &type, err) < 0)
		return -1;
	if (type && *type && !manifest_is_known_type(type))
		return error_set(err, "unknown \"mediaType\": %s", type);
	/* A document that can be parsed both ways is an attack (CVE-2021-41190). */
	if (manifest_is_index(json))
		return error_set(err, "\"manifests\" is only valid in an index");
	return 0;
}

static int manifest_from_json(struct manifest *manifest, const cJSON *json, ducc_error **err)
{
	const char *type = json_text(json, "artifactType");
	const struct descriptor *strange = NULL;
	const cJSON *config, *layers;
	size_t n_strange = 0;

	if (check_manifest(json, err) < 0)
		return -1;
	if (type && *type && !is_config_type(type))
		return artifact(err, "artifactType", type);
	if (json_get_object(json, "config", &config, err) < 0 ||
	    json_get_array(json, "layers", &layers, err) < 0)
		return -1;
	if (read_descriptor(&manifest->config, config, err) < 0)
		return error_wrap(err, "config");
	if (manifest->config.size > JSON_LIMIT)
		return error_set(err, "config of more than %zu bytes", JSON_LIMIT);
	if (read_layers(manifest, layers, &strange, &n_strange, err) < 0)
		return -1;
	return check_layers(manifest, strange, n_strange, err);
}

int manifest_parse(struct manifest *manifest, const char *data, size_t len, ducc_error **err)
{
	AUTO_JSON *json = json_parse(data, len, "manifest", err);

	*manifest = (struct manifest){0};
	if (!json)
		return -1;
	if (manifest_from_json(manifest, json, err) < 0) {
		manifest_free(manifest);
		error_kind(err, DUCC_CORRUPT);
		return error_wrap(err, "manifest");
	}
	return 0;
}

void manifest_free(struct manifest *manifest)
{
	descriptor_free(&manifest->config);
	for (size_t i = 0; i < manifest->n; i++)
		descriptor_free(&manifest->layers[i]);
	free(manifest->layers);
	*manifest = (struct manifest){0};
}

/* True for an entry that is not an image, but describes one of the others, or is an artifact. */
static bool is_artifact(const cJSON *entry)
{
	const char *type = json_text(entry, "artifactType");

	return json_annotation(entry, "vnd.docker.reference.type") ||
	       (type && *type && !is_config_type(type));
}

static int read_entry(struct entry *entry, const cJSON *json, ducc_error **err)
{
	const cJSON *platform;

	if (json_find_object(json, "platform", &platform, err) < 0 ||
	    (platform && platform_from_json(&entry->platform, platform, err) < 0) ||
	    descriptor_parse(&entry->descriptor, json, err) < 0)
		return -1;
	if (platform) /* the platform of attestations, and of an empty object */
		platform_complete(&entry->platform,
				  &(struct platform){.os = (char[]){"unknown"},
						     .architecture = (char[]){"unknown"}});
	entry->is_index = !strcmp(entry->descriptor.media_type, MEDIA_OCI_INDEX) ||
			  !strcmp(entry->descriptor.media_type, MEDIA_DOCKER_INDEX);
	return 0;
}

static int read_entries(struct index *index, const cJSON *manifests, ducc_error **err)
{
	const cJSON *json;

	index->entries = xcalloc((size_t)cJSON_GetArraySize(manifests), sizeof(*index->entries));
	cJSON_ArrayForEach(json, manifests)
	{
		if (is_artifact(json))
			continue;
		if (read_entry(&index->entries[index->n++], json, err) < 0)
			return -1;
	}
	return 0;
}

int index_parse(struct index *index, const cJSON *json, ducc_error **err)
{
	const cJSON *manifests;

	*index = (struct index){NULL};
	if (json_has_folded(json, "layers"))
		return error_set(err, "index: \"layers\" is only valid in an image manifest");
	if (json_get_array(json, "manifests", &manifests, err) < 0 ||
	    read_entries(index, manifests, err) < 0) {
		index_free(index);
		return error_wrap(err, "index");
	}
	return 0;
}

void index_free(struct index *index)
{
	for (size_t i = 0; i < index->n; i++) {
		descriptor_free(&index->entries[i].descriptor);
		platform_free(&index->entries[i].platform);
	}
	free(index->entries);
	*index = (struct index){NULL};
}

bool entry_has_platform(const struct entry *entry)
{
	return entry->platform.os;
}

/* Null is an empty string, as in Go. */
static char **strings(const cJSON *array)
{
	char **list = xcalloc((size_t)cJSON_GetArraySize(array) + 1, sizeof(*list));
	size_t n = 0;
	const cJSON *item;

	cJSON_ArrayForEach(item, array) list[n++] =
		xstrdup(cJSON_IsNull(item) ? "" : item->valuestring);
	return list;
}

static int find_strings(const cJSON *object, const char *key, char ***list, ducc_error **err)
{
	const cJSON *array, *item;

	if (json_find_array(object, key, &array, err) < 0)
		return -1;
	if (!array)
		return 0;
	cJSON_ArrayForEach(item, array)
	{
		if (!cJSON_IsString(item) && !cJSON_IsNull(item))
			return error_set(err, "\"%s\" contains an element that is not a string",
					 key);
	}
	*list = strings(array);
	return 0;
}

static int config_from_json(struct config *config, const cJSON *json, ducc_error **err)
{
	const cJSON *rootfs, *diff_ids, *item, *run;

	if (platform_from_json(&config->platform, json, err) < 0 ||
	    json_get_object(json, "rootfs", &rootfs, err) < 0 ||
	    json_find_array(rootfs, "diff_ids", &diff_ids, err) < 0 ||
	    json_find_object(json, "config", &run, err) < 0)
		return -1;
	config->diff_ids = xcalloc((size_t)cJSON_GetArraySize(diff_ids), sizeof(*config->diff_ids));
	cJSON_ArrayForEach(item, diff_ids)
	{
		const char *text = cJSON_GetStringValue(item);

		if (!text || !digest_parse(&config->diff_ids[config->n], text))
			return error_set(err, "diff ID %zu (\"diff_ids\") is not a sha256 digest",
					 config->n + 1);
		config->n++;
	}
	if (!run)
		return 0;
	if (find_strings(run, "Env", &config->env, err) < 0 ||
	    find_strings(run, "Entrypoint", &config->entrypoint, err) < 0 ||
	    find_strings(run, "Cmd", &config->cmd, err) < 0)
		return -1;
	return 0;
}

int config_parse(struct config *config, const char *data, size_t len, ducc_error **err)
{
	AUTO_JSON *json = json_parse(data, len, "config", err);

	*config = (struct config){0};
	if (!json)
		return -1;
	if (config_from_json(config, json, err) < 0) {
		config_free(config);
		error_kind(err, DUCC_CORRUPT);
		return error_wrap(err, "config");
	}
	return 0;
}

int config_check(struct config *config, const struct manifest *manifest, const char *data,
		 size_t len, ducc_error **err)
{
	const char *type = manifest->config.media_type;
	ducc_error *error = NULL;
	int result = config_parse(config, data, len, &error);

	if (!is_config_type(type) && (result < 0 || (!config->n && manifest->n))) {
		ducc_error_free(error);
		config_free(config);
		return artifact(err, "config", type);
	}
	if (result < 0)
		return error_give(err, error);
	if (config->n == manifest->n)
		return 0;
	error_set_kind(err, DUCC_CORRUPT, "config has %zu diff ID%s for %zu layer%s", config->n,
		       text_plural(config->n), manifest->n, text_plural(manifest->n));
	config_free(config);
	return -1;
}

static void free_strings(char **list)
{
	for (char **item = list; item && *item; item++)
		free(*item);
	free(list);
}

void config_free(struct config *config)
{
	platform_free(&config->platform);
	free(config->diff_ids);
	free_strings(config->env);
	free_strings(config->entrypoint);
	free_strings(config->cmd);
	*config = (struct config){0};
}

static void translate(cJSON *descriptor)
{
	const char *type = json_text(descriptor, "mediaType");

	if (type)
		json_set_string(descriptor, "mediaType", oci_media_type(type));
}

char *manifest_to_oci(const char *data, size_t len)
{
	AUTO_JSON *json = json_parse(data, len, "manifest", NULL);
	const char *type = json_text(json, "mediaType");
	cJSON *layer;

	if (!type || strcmp(type, MEDIA_DOCKER_MANIFEST) != 0)
		return NULL;
	translate(json);
	/* Any media type; see config_check(). */
	json_set_string(json_member(json, "config"), "mediaType", MEDIA_OCI_CONFIG);
	cJSON_ArrayForEach(layer, json_member(json, "layers")) translate(layer);
	return json_print(json, false);
}
