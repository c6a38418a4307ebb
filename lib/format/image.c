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

int descriptor_parse(struct descriptor *descriptor, const cJSON *json, ducc_error **err)
{
	const char *media_type, *digest, *url;

	if (!cJSON_IsObject(json))
		return error_set(err, "descriptor is not an object");
	if (json_get_string(json, "mediaType", &media_type, err) < 0 ||
	    json_get_string(json, "digest", &digest, err) < 0 ||
	    json_get_size(json, "size", &descriptor->size, err) < 0)
		return -1;
	if (!is_media_type(media_type))
		return error_set(err, "\"mediaType\" is not a media type: %s", media_type);
	if (!digest_parse(&descriptor->digest, digest))
		return error_set(err, "\"digest\" is not a sha256 digest: %s", digest);
	descriptor->media_type = xstrdup(media_type);
	url = cJSON_GetStringValue(cJSON_GetArrayItem(json_member(json, "urls"), 0));
	descriptor->url = url ? xstrdup(url) : NULL;
	return 0;
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

static int check_layer_type(const struct descriptor *layer, ducc_error **err)
{
	const char *media_type = layer->media_type;
	static const char *const compressions[] = {"", "+gzip", "+zstd"};
	const char *oci = oci_media_type(media_type);

	if (layer_is_foreign(layer))
		return 0;
	if (!strncmp(oci, MEDIA_OCI_LAYER, strlen(MEDIA_OCI_LAYER)))
		for (size_t i = 0; i < ARRAY_LEN(compressions); i++)
			if (!strcmp(oci + strlen(MEDIA_OCI_LAYER), compressions[i]))
				return 0;
	return error_set(err, "unknown media type %s", media_type);
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

static int manifest_from_json(struct manifest *manifest, const cJSON *json, ducc_error **err)
{
	const cJSON *config, *layers, *layer;
	const char *type;
	uint64_t version;

	if (json_get_size(json, "schemaVersion", &version, err) < 0)
		return -1;
	if (version == 1 || json_has_folded(json, "fsLayers"))
		return error_set(err, "schema version 1 is not supported: push the image again");
	if (version != 2)
		return error_set(err, "unknown schema version");
	if (json_find_string(json, "mediaType", &type, err) < 0)
		return -1;
	if (type && !manifest_is_known_type(type))
		return error_set(err, "unknown \"mediaType\": %s", type);
	/* A document that can be parsed both ways is an attack (CVE-2021-41190). */
	if (manifest_is_index(json))
		return error_set(err, "\"manifests\" is only valid in an index");
	if (json_get_object(json, "config", &config, err) < 0 ||
	    json_get_array(json, "layers", &layers, err) < 0)
		return -1;
	if (descriptor_parse(&manifest->config, config, err) < 0)
		return error_wrap(err, "config");
	type = manifest->config.media_type;
	if (strcmp(oci_media_type(type), MEDIA_OCI_CONFIG) != 0)
		return error_set(err, "an artifact, not a container image (config is %s)", type);
	if (manifest->config.size > JSON_LIMIT)
		return error_set(err, "config of more than %zu bytes", JSON_LIMIT);
	manifest->layers = xcalloc((size_t)cJSON_GetArraySize(layers), sizeof(*manifest->layers));
	cJSON_ArrayForEach(layer, layers)
	{
		struct descriptor *descriptor = &manifest->layers[manifest->n];

		if (descriptor_parse(descriptor, layer, err) < 0)
			return error_wrap(err, "layer %zu", manifest->n + 1);
		manifest->n++;
		if (check_layer_type(descriptor, err) < 0)
			return error_wrap(err, "layer " PRI_DIGEST, descriptor->digest.hex);
	}
	return 0;
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

/* The rank of an index entry; 0 also if it specifies no platform. */
static int rank_entry(const cJSON *entry, const struct platform *platform, unsigned *rank,
		      struct buffer *others, ducc_error **err)
{
	struct platform have = {0};
	const cJSON *json;
	int result = json_find_object(entry, "platform", &json, err);

	if (!result && json)
		result = platform_from_json(&have, json, err);
	*rank = !result && json ? platform_rank(platform, &have) : 0;
	if (!result && json && !*rank) {
		AUTO_FREE char *text = platform_format(&have);

		buffer_addf(others, "%s%s", others->len ? ", " : "", text);
	}
	platform_free(&have);
	return result;
}

static bool is_index_type(const cJSON *entry)
{
	const char *type = json_text(entry, "mediaType");

	return type && (!strcmp(type, MEDIA_OCI_INDEX) || !strcmp(type, MEDIA_DOCKER_INDEX));
}

/* Selects entries without a platform: indexes, or a manifest that is the only entry. */
static int select_silent(const cJSON *manifests, struct descriptor *found, size_t *n,
			 ducc_error **err)
{
	bool alone = cJSON_GetArraySize(manifests) == 1;
	const cJSON *entry;

	cJSON_ArrayForEach(entry, manifests)
	{
		if (json_member(entry, "platform") || !(alone || is_index_type(entry)))
			continue;
		if (descriptor_parse(&found[*n], entry, err) < 0)
			return -1;
		(*n)++;
	}
	return 0;
}

static int select_entries(const cJSON *manifests, const struct platform *platform,
			  struct descriptor *found, size_t *n, ducc_error **err)
{
	AUTO_FREE char *wanted = platform_format(platform);
	AUTO_BUFFER others = {0};
	const cJSON *entry, *best = NULL;
	unsigned highest = 0;

	cJSON_ArrayForEach(entry, manifests)
	{
		unsigned rank;

		if (rank_entry(entry, platform, &rank, &others, err) < 0)
			return -1;
		if (rank > highest) {
			highest = rank;
			best = entry;
		}
	}
	if (best) {
		if (descriptor_parse(found, best, err) < 0)
			return -1;
		*n = 1;
		return 0;
	}
	if (select_silent(manifests, found, n, err) < 0)
		return -1;
	return *n ? 0
		  : error_set(err, "no image for platform %s (available: %s)", wanted,
			      others.len ? others.data : "none");
}

int index_select(const cJSON *index, const struct platform *platform, struct descriptor **found,
		 size_t *n, ducc_error **err)
{
	const cJSON *manifests;

	if (json_has_folded(index, "layers"))
		return error_set(err, "index: \"layers\" is only valid in an image manifest");
	if (json_get_array(index, "manifests", &manifests, err) < 0)
		return error_wrap(err, "index");
	*n = 0;
	*found = xcalloc((size_t)cJSON_GetArraySize(manifests), sizeof(**found));
	if (!select_entries(manifests, platform, *found, n, err))
		return 0;
	while (*n)
		descriptor_free(&(*found)[--*n]);
	free(*found);
	return -1;
}

/* Adds the platform of an entry, unless it has none or unknown/unknown. */
static int add_platform(struct strset *platforms, const cJSON *entry, ducc_error **err)
{
	struct platform platform = {NULL};
	AUTO_FREE char *text = NULL;
	const cJSON *json;
	int result = json_find_object(entry, "platform", &json, err);

	if (!result && json)
		result = platform_from_json(&platform, json, err);
	text = platform_format(&platform);
	platform_free(&platform);
	/* Attestations and similar entries have the platform unknown/unknown. */
	if (!result && strncmp(text, "unknown/", strlen("unknown/")) != 0)
		strset_add(platforms, text);
	return result;
}

char **index_platforms(const cJSON *index, ducc_error **err)
{
	const cJSON *manifests = json_member(index, "manifests"), *entry;
	struct strset platforms = {NULL};
	char **list = NULL;
	int result = 0;

	cJSON_ArrayForEach(entry, manifests)
	{
		if (!result)
			result = add_platform(&platforms, entry, err);
	}
	if (result < 0)
		error_wrap(err, "index");
	else
		list = xcalloc(platforms.n + 1, sizeof(*list));
	for (size_t i = 0; list && i < platforms.n; i++)
		list[i] = xstrdup(platforms.list[i]);
	strset_free(&platforms);
	return list;
}

static char **strings(const cJSON *array)
{
	char **list = xcalloc((size_t)cJSON_GetArraySize(array) + 1, sizeof(*list));
	size_t n = 0;
	const cJSON *item;

	cJSON_ArrayForEach(item, array) list[n++] = xstrdup(item->valuestring);
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
		if (!cJSON_IsString(item))
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
	translate(json_member(json, "config"));
	cJSON_ArrayForEach(layer, json_member(json, "layers")) translate(layer);
	return json_print(json, false);
}
