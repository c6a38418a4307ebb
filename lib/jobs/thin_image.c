/* Thin images: see thin_image.h. */
#include "jobs/thin_image.h"

#include <errno.h>
#include <sys/mman.h>
#include <zlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "content/listing.h"
#include "content/tarball.h"
#include "format/repo_paths.h"

#define FILE_NAME "thin.json"
#define FILE_VERSION "1.0"
#define MARK "CVMFS_IMAGE="
#define GZIP_WINDOW (MAX_WBITS + 16)
#define OS_UNKNOWN 255

static void set_part(struct thin_part *part, char *data, size_t len)
{
	*part = (struct thin_part){.data = data, .len = len, .digest = digest_of(data, len)};
}

static void set_text(struct thin_part *part, char *text)
{
	set_part(part, text, strlen(text));
}

void thin_part_free(struct thin_part *part)
{
	free(part->data);
	*part = (struct thin_part){.data = NULL};
}

void thin_free(struct thin *thin)
{
	thin_part_free(&thin->layer);
	thin_part_free(&thin->config);
	thin_part_free(&thin->manifest);
	platform_free(&thin->platform);
}

/* The digest last, as in Docker and in all earlier thin images, to keep their digests. */
static cJSON *descriptor(const char *media_type, const struct thin_part *part)
{
	cJSON *json = descriptor_to_json(media_type, &part->digest, part->len);

	json_set(json, "digest", cJSON_DetachItemFromObjectCaseSensitive(json, "digest"));
	return json;
}

/* --- the layer -------------------------------------------------------- */

static char *thin_json(const struct thin_source *source)
{
	AUTO_JSON *json = json_object();
	cJSON *layers = json_array();

	json_set_string(json, "version", FILE_VERSION);
	json_set_string(json, "origin", source->origin);
	for (size_t i = 0; i < source->manifest->n; i++) {
		const struct digest *digest = &source->manifest->layers[i].digest;
		AUTO_FREE char *path = layer_path(digest, "");
		AUTO_FREE char *url = format("%s/%s", source->base, path);
		cJSON *layer = json_object();

		json_set_string(layer, "digest", digest->hex);
		json_set_string(layer, "url", url);
		json_append(layers, layer);
	}
	json_set(json, "layers", layers);
	return json_print(json, true);
}

static int write_tar(int fd, const char *text, ducc_error **err)
{
	AUTO_TARBALL *tarball = tarball_new(fd, "");
	struct file file = {.mode = S_IFREG | 0644, .size = strlen(text)};

	if (tarball_entry(tarball, FILE_NAME, &file, NULL, err) < 0 ||
	    tarball_data(tarball, text, file.size, err) < 0)
		return -1;
	return tarball_finish(tarball, err);
}

/* A tar with thin.json in it; the caller frees *tar. */
static int make_tar(const struct thin_source *source, char **tar, size_t *len, ducc_error **err)
{
	AUTO_FREE char *text = thin_json(source);
	AUTO_CLOSE int fd = memfd_create(FILE_NAME, MFD_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "memfd");
	if (write_tar(fd, text, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "seek");
	return read_file(fd, SIZE_MAX, tar, len, err);
}

/* gzip without name, time and system, for reproducible output. */
static char *compress_all(const char *data, size_t len, size_t *compressed)
{
	gz_header header = {.os = OS_UNKNOWN};
	z_stream stream = {.next_in = (z_const Bytef *)data, .avail_in = (uInt)len};
	char *out;

	if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, MAX_MEM_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK ||
	    deflateSetHeader(&stream, &header) != Z_OK)
		out_of_memory();
	stream.avail_out = (uInt)deflateBound(&stream, len);
	out = xmalloc(stream.avail_out);
	stream.next_out = (Bytef *)out;
	if (deflate(&stream, Z_FINISH) != Z_STREAM_END)
		abort();
	*compressed = stream.total_out;
	deflateEnd(&stream);
	return out;
}

static int build_layer(struct thin *thin, const struct thin_source *source, struct digest *diff_id,
		       ducc_error **err)
{
	AUTO_FREE char *tar = NULL;
	size_t len, compressed;
	char *data;

	if (make_tar(source, &tar, &len, err) < 0)
		return -1;
	*diff_id = digest_of(tar, len);
	data = compress_all(tar, len, &compressed);
	set_part(&thin->layer, data, compressed);
	return 0;
}

/* --- the config ------------------------------------------------------- */

/* Marks the container as one of a thin image, in its environment. */
static void mark_environment(cJSON *run)
{
	const cJSON *old = json_member(run, "Env"), *item;
	cJSON *env = json_array();

	cJSON_ArrayForEach(item, old)
	{
		if (!cJSON_IsString(item) || strncmp(item->valuestring, MARK, strlen(MARK)) != 0)
			json_append(env, json_copy(item));
	}
	json_append(env, xalloc(cJSON_CreateString(MARK "true")));
	json_set(run, "Env", env);
}

bool is_thin_image(const struct manifest *manifest, const struct config *config)
{
	for (size_t i = 0; manifest->n == 1 && config->env && config->env[i]; i++)
		if (!strcmp(config->env[i], MARK "true"))
			return true;
	return false;
}

static void set_rootfs(cJSON *config, const struct digest *diff_id)
{
	AUTO_FREE char *text = format(PRI_DIGEST, diff_id->hex);
	cJSON *rootfs = json_object(), *diff_ids = json_array();

	json_append(diff_ids, xalloc(cJSON_CreateString(text)));
	json_set_string(rootfs, "type", "layers");
	json_set(rootfs, "diff_ids", diff_ids);
	json_set(config, "rootfs", rootfs);
}

/* The history must have one entry for each layer. */
static void set_history(cJSON *config, const char *origin)
{
	const cJSON *created = json_member(config, "created");
	cJSON *history = json_array(), *entry = json_object();

	if (cJSON_IsString(created))
		json_set_string(entry, "created", created->valuestring);
	json_set_string(entry, "created_by", "ducc-thin");
	json_set_string(entry, "comment", origin);
	json_append(history, entry);
	json_set(config, "history", history);
}

static int build_config(struct thin *thin, const struct thin_source *source,
			const struct digest *diff_id, ducc_error **err)
{
	AUTO_CONFIG parsed = {.n = 0};
	AUTO_JSON *json = NULL;
	cJSON *run;

	/* Checks the types of the members read below. */
	if (config_parse(&parsed, source->config_json, source->config_len, err) < 0)
		return -1;
	json = json_parse(source->config_json, source->config_len, "config", err);
	if (!json)
		return -1;
	platform_complete(&thin->platform, source->platform);
	run = json_member(json, "config");
	if (!cJSON_IsObject(run)) {
		run = json_object();
		json_set(json, "config", run);
	}
	mark_environment(run);
	set_rootfs(json, diff_id);
	set_history(json, source->origin);
	set_text(&thin->config, json_print(json, false));
	return 0;
}

/* --- manifest and index ----------------------------------------------- */

const char *thin_manifest_type(const struct thin *thin)
{
	return thin->oci ? MEDIA_OCI_MANIFEST : MEDIA_DOCKER_MANIFEST;
}

const char *thin_index_type(const struct thin *thin)
{
	return thin->oci ? MEDIA_OCI_INDEX : MEDIA_DOCKER_INDEX;
}

static void build_manifest(struct thin *thin)
{
	AUTO_JSON *json = json_object();
	cJSON *layers = json_array();
	char *docker;

	json_append(layers, descriptor(MEDIA_DOCKER_LAYER, &thin->layer));
	json_set_size(json, "schemaVersion", 2);
	json_set_string(json, "mediaType", MEDIA_DOCKER_MANIFEST);
	json_set(json, "config", descriptor(MEDIA_DOCKER_CONFIG, &thin->config));
	json_set(json, "layers", layers);
	docker = json_print(json, false);
	if (thin->oci) {
		set_text(&thin->manifest, manifest_to_oci(docker, strlen(docker)));
		free(docker);
	} else {
		set_text(&thin->manifest, docker);
	}
}

int thin_build(struct thin *thin, const struct thin_source *source, bool oci, ducc_error **err)
{
	struct digest diff_id;

	*thin = (struct thin){.oci = oci};
	if (build_layer(thin, source, &diff_id, err) < 0 ||
	    build_config(thin, source, &diff_id, err) < 0) {
		thin_free(thin);
		return error_wrap(err, "thin image");
	}
	build_manifest(thin);
	return 0;
}

void thin_build_index(struct thin_part *index, const struct thin *thins, size_t n)
{
	AUTO_JSON *json = json_object();
	cJSON *manifests = json_array();

	json_set_size(json, "schemaVersion", 2);
	json_set_string(json, "mediaType", thin_index_type(thins));
	for (size_t i = 0; i < n; i++) {
		cJSON *entry = descriptor(thin_manifest_type(&thins[i]), &thins[i].manifest);

		json_set(entry, "platform", platform_to_json(&thins[i].platform));
		json_append(manifests, entry);
	}
	json_set(json, "manifests", manifests);
	set_text(index, json_print(json, false));
}
