/*
 * The source docker-archive:FILE[:REF]: the output of `docker save`.  FILE may be `-`, standard
 * input.  REF is a name of the image, or @N, its number in the archive, from 0, as in skopeo.
 *
 * Such an archive contains no image manifest.  It is generated here, from the
 * digests of the files.
 */
#include "base/buffer.h"
#include "base/mem.h"
#include "content/compression.h"
#include "source/archive_members.h"
#include "source/source.h"

#define MAX_LAYERS 10000 /* the generated manifest has no limit of its own */

struct docker_archive {
	struct members members;
	char *manifest; /* the generated one */
};

static const char *layer_media_type(const struct member *member)
{
	enum compression compression = compression_detect(member->magic, sizeof(member->magic));

	return compression == COMPRESSION_GZIP   ? MEDIA_OCI_LAYER "+gzip"
	       : compression == COMPRESSION_ZSTD ? MEDIA_OCI_LAYER "+zstd"
						 : MEDIA_OCI_LAYER;
}

static cJSON *describe(const struct member *member, const char *media_type)
{
	return descriptor_to_json(media_type, &member->digest, member->size);
}

/* Generates an OCI manifest for an image in manifest.json. */
static int make_manifest(struct docker_archive *docker, const cJSON *image, ducc_error **err)
{
	AUTO_JSON *manifest = json_object();
	const char *config_name;
	const struct member *config;
	const cJSON *names, *name;
	cJSON *layers = json_array();

	json_set_size(manifest, "schemaVersion", 2);
	json_set_string(manifest, "mediaType", MEDIA_OCI_MANIFEST);
	json_set(manifest, "layers", layers);
	if (json_get_string(image, "Config", &config_name, err) < 0 ||
	    json_find_array(image, "Layers", &names, err) < 0)
		return -1;
	config = members_find(&docker->members, config_name);
	if (!config)
		return error_set(err, "\"Config\": no member %s", config_name);
	if (cJSON_GetArraySize(names) > MAX_LAYERS)
		return error_set(err, "\"Layers\": more than %d", MAX_LAYERS);
	json_set(manifest, "config", describe(config, MEDIA_OCI_CONFIG));
	cJSON_ArrayForEach(name, names)
	{
		const char *text = cJSON_GetStringValue(name);
		const struct member *member = text ? members_find(&docker->members, text) : NULL;

		if (!member)
			return error_set(err, "\"Layers\": no member %s",
					 text ? text : "for a layer");
		json_append(layers, describe(member, layer_media_type(member)));
	}
	docker->manifest = json_print(manifest, false);
	return 0;
}

static int check_names(const cJSON *image, ducc_error **err)
{
	const cJSON *tags, *tag;

	if (json_find_array(image, "RepoTags", &tags, err) < 0)
		return -1;
	cJSON_ArrayForEach(tag, tags)
	{
		if (!cJSON_IsString(tag))
			return error_set(err, "\"RepoTags\": not a string");
	}
	return 0;
}

/* True if the image has the name, or number; *carried is its first name, or NULL. */
static bool carries(const cJSON *image, size_t number, const char *name, const char **carried)
{
	AUTO_FREE char *as_number = format("@%zu", number);

	const cJSON *tags = json_member(image, "RepoTags"), *tag;

	*carried = cJSON_GetStringValue(cJSON_GetArrayItem(tags, 0));
	if (!name || !strcmp(name, as_number))
		return true;
	cJSON_ArrayForEach(tag, tags)
	{
		if (strcmp(tag->valuestring, name) != 0)
			continue;
		*carried = tag->valuestring;
		return true;
	}
	return false;
}

static int choose(struct source *source, const char *path, const char *wanted, ducc_error **err)
{
	struct docker_archive *docker = source->data;
	const struct member *member = members_find(&docker->members, "manifest.json");
	AUTO_JSON *images = NULL;
	const cJSON *image, *chosen = NULL;
	const char *name = NULL;
	AUTO_FREE char *data = NULL;
	size_t len, number = 0;

	if (!member)
		return error_set(err, "%s: no manifest.json: not a docker save archive",
				 docker->members.name);
	if (members_read(&docker->members, member, JSON_LIMIT, &data, &len, err) < 0)
		return -1;
	images = json_parse_array(data, len, "manifest.json", err);
	if (!images)
		return error_wrap(err, "%s: incomplete, or not a docker save archive",
				  docker->members.name);
	cJSON_ArrayForEach(image, images)
	{
		const char *carried;

		if (check_names(image, err) < 0)
			return error_wrap(err, "%s: manifest.json", docker->members.name);
		if (!carries(image, number++, wanted, &carried))
			continue;
		if (chosen)
			return error_set(
				err,
				"%s: more than one image: specify one "
				"(docker-archive:FILE:NAME, or docker-archive:FILE:@NUMBER)",
				docker->members.name);
		chosen = image;
		name = carried;
	}
	if (!chosen)
		return error_set_kind(err, DUCC_NOT_FOUND, "%s: no image%s%s", docker->members.name,
				      wanted ? " named " : "", wanted ? wanted : "");
	if (make_manifest(docker, chosen, err) < 0)
		return error_wrap(err, "%s: manifest.json", docker->members.name);
	return source_set_local_name(source, name, path, err);
}

static int docker_open(struct source *source, const char *text, ducc_error **err)
{
	struct docker_archive *docker = source->data = xcalloc(1, sizeof(*docker));
	size_t len = strcspn(text, ":");
	AUTO_FREE char *path = xstrndup(text, len);

	if (members_open(&docker->members, path, source->input, err) < 0)
		return -1;
	return choose(source, path, text[len] ? text + len + 1 : NULL, err);
}

static void docker_close(struct source *source)
{
	struct docker_archive *docker = source->data;

	members_close(&docker->members);
	free(docker->manifest);
	free(docker);
}

static int docker_manifest(struct source *source, const struct digest *digest, char **data,
			   size_t *len, ducc_error **err)
{
	const struct docker_archive *docker = source->data;

	if (digest)
		return error_set(err, "no manifest " PRI_DIGEST, digest->hex);
	*data = xstrdup(docker->manifest);
	*len = strlen(*data);
	return 0;
}

static int docker_blob(struct source *source, struct blob *blob, ducc_error **err)
{
	const struct docker_archive *docker = source->data;
	const struct member *member =
		members_find_digest(&docker->members, &blob->descriptor->digest);

	if (!member)
		return error_set(err, "%s: not in the archive", docker->members.name);
	return members_copy(&docker->members, member, blob, err);
}

const struct source_kind source_docker_archive = {
	.prefix = "docker-archive:",
	.open = docker_open,
	.close = docker_close,
	.manifest = docker_manifest,
	.blob = docker_blob,
};
