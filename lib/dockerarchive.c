/*
 * The source docker-archive:FILE[:NAME]: what `docker save` wrote.
 *
 * Such an archive has no manifest of the image.  One is made here, out of the
 * digests of the files in it, which a first pass over the archive computes; the
 * second pass takes the blobs.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "buffer.h"
#include "charset.h"
#include "mem.h"
#include "source.h"

#define READ_SIZE ((size_t)256 << 10)
#define MAX_MEMBERS 100000

struct member {
	char *name;
	char *link; /* another member that this one is a link to, or NULL */
	struct digest digest;
	uint64_t size;
	unsigned char magic[4]; /* its first bytes */
	char *data;             /* of manifest.json */
};

struct docker_archive {
	char *path;
	struct member *members;
	size_t n, capacity;
	char *manifest; /* the one made here */
};

static int open_archive(const struct docker_archive *docker, struct archive **archive,
			ducc_error **err)
{
	*archive = xalloc(archive_read_new());
	archive_read_support_format_tar(*archive);
	archive_read_support_filter_gzip(*archive);
	archive_read_support_filter_zstd(*archive);
	if (archive_read_open_filename(*archive, docker->path, READ_SIZE) == ARCHIVE_OK)
		return 0;
	if (archive_errno(*archive) == ENOENT || archive_errno(*archive) == EACCES)
		error_errno(err, archive_errno(*archive), "%s", docker->path);
	else
		error_set(err, "%s: %s", docker->path, archive_error_string(*archive));
	archive_read_free(*archive);
	*archive = NULL;
	return -1;
}

static void archive_cleanup(struct archive **archive)
{
	if (*archive)
		archive_read_free(*archive);
}

#define AUTO_ARCHIVE CLEANUP(archive_cleanup) struct archive

/* "a/../b/layer.tar" and "./b/layer.tar" are b/layer.tar; the caller frees it. */
static char *normalize(const char *name)
{
	struct buffer path = {0};

	while (*name) {
		size_t len = strcspn(name, "/");

		if (len == 2 && !strncmp(name, "..", 2)) {
			char *slash = path.len ? strrchr(path.data, '/') : NULL;

			buffer_truncate(&path, slash ? (size_t)(slash - path.data) : 0);
		} else if (len && !(len == 1 && *name == '.')) {
			if (path.len)
				buffer_addc(&path, '/');
			buffer_add(&path, name, len);
		}
		name += len + (name[len] == '/');
	}
	return buffer_steal(&path);
}

static int hash_member(struct archive *archive, struct member *member, ducc_error **err)
{
	struct hasher *hasher = hasher_new();
	bool keep = !strcmp(member->name, "manifest.json");
	AUTO_BUFFER data = {0};
	uint8_t sha256[SHA256_SIZE];
	int result = 0;

	for (;;) {
		const void *block;
		la_int64_t offset;
		size_t len;

		result = archive_read_data_block(archive, &block, &len, &offset);
		if (result != ARCHIVE_OK)
			break;
		for (size_t i = 0; member->size + i < sizeof(member->magic) && i < len; i++)
			member->magic[member->size + i] = ((const unsigned char *)block)[i];
		member->size += len;
		hasher_update(hasher, block, len);
		if (keep && data.len + len <= JSON_LIMIT)
			buffer_add(&data, block, len);
	}
	hasher_final(hasher, sha256);
	hasher_free(hasher);
	digest_from_bytes(&member->digest, sha256);
	if (result != ARCHIVE_EOF)
		return error_set(err, "%s", archive_error_string(archive));
	if (keep && data.len == member->size)
		member->data = buffer_steal(&data);
	return 0;
}

static int scan(struct docker_archive *docker, ducc_error **err)
{
	PLAIN_BYTES;
	AUTO_ARCHIVE *archive = NULL;
	struct archive_entry *entry;
	int result;

	if (open_archive(docker, &archive, err) < 0)
		return -1;
	while ((result = archive_read_next_header(archive, &entry)) == ARCHIVE_OK ||
	       result == ARCHIVE_WARN) {
		const char *name = archive_entry_pathname(entry);
		const char *link = archive_entry_symlink(entry);
		struct member *member;

		if (!name || docker->n == MAX_MEMBERS)
			return error_set(err, "%s: not an archive of docker save", docker->path);
		GROW(docker->members, docker->n, docker->capacity);
		member = &docker->members[docker->n++];
		*member = (struct member){.name = normalize(name)};
		if (link) { /* relative to its own directory */
			AUTO_FREE char *full = format("%s/../%s", member->name, link);

			member->link = normalize(full);
		} else if (archive_entry_hardlink(entry)) {
			member->link = normalize(archive_entry_hardlink(entry));
		} else if (archive_entry_filetype(entry) == S_IFREG &&
			   hash_member(archive, member, err) < 0) {
			return error_wrap(err, "%s: %s", docker->path, member->name);
		}
	}
	if (result != ARCHIVE_EOF)
		return error_set(err, "%s: %s", docker->path, archive_error_string(archive));
	return 0;
}

static const struct member *find_member(const struct docker_archive *docker, const char *name)
{
	AUTO_FREE char *wanted = normalize(name);

	for (int hops = 0; hops < 8; hops++) {
		const struct member *found = NULL;

		for (size_t i = 0; i < docker->n; i++)
			if (!strcmp(docker->members[i].name, wanted))
				found = &docker->members[i];
		if (!found || !found->link)
			return found;
		free(wanted);
		wanted = xstrdup(found->link);
	}
	return NULL;
}

static const char *layer_media_type(const struct member *member)
{
	if (member->magic[0] == 0x1f && member->magic[1] == 0x8b)
		return MEDIA_OCI_LAYER "+gzip";
	if (!memcmp(member->magic, "\x28\xb5\x2f\xfd", 4))
		return MEDIA_OCI_LAYER "+zstd";
	return MEDIA_OCI_LAYER;
}

static cJSON *describe(const struct member *member, const char *media_type)
{
	cJSON *descriptor = json_object();
	AUTO_FREE char *digest = format(PRI_DIGEST, member->digest.hex);

	json_set_string(descriptor, "mediaType", media_type);
	json_set_string(descriptor, "digest", digest);
	json_set_size(descriptor, "size", member->size);
	return descriptor;
}

/* Makes an OCI manifest for one image of manifest.json. */
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
	    json_get_array(image, "Layers", &names, err) < 0)
		return -1;
	config = find_member(docker, config_name);
	if (!config)
		return error_set(err, "no member %s", config_name);
	json_set(manifest, "config", describe(config, MEDIA_OCI_CONFIG));
	cJSON_ArrayForEach(name, names)
	{
		const char *text = cJSON_GetStringValue(name);
		const struct member *member = text ? find_member(docker, text) : NULL;

		if (!member)
			return error_set(err, "no member %s", text ? text : "for a layer");
		json_append(layers, describe(member, layer_media_type(member)));
	}
	docker->manifest = json_print(manifest, false);
	return 0;
}

/* True if the image carries the name; *carried is its first one, or NULL. */
static bool carries(const cJSON *image, const char *name, const char **carried)
{
	const cJSON *tags = cJSON_GetObjectItemCaseSensitive(image, "RepoTags"), *tag;

	*carried = cJSON_GetStringValue(cJSON_GetArrayItem(tags, 0));
	if (!name)
		return true;
	cJSON_ArrayForEach(tag, tags)
	{
		const char *text = cJSON_GetStringValue(tag);

		if (!text || strcmp(text, name) != 0)
			continue;
		*carried = text;
		return true;
	}
	return false;
}

static int choose(struct source *source, const char *wanted, ducc_error **err)
{
	struct docker_archive *docker = source->data;
	const struct member *member = find_member(docker, "manifest.json");
	CLEANUP(json_free) cJSON *images = NULL;
	const cJSON *image, *chosen = NULL;
	const char *name = NULL;

	if (!member || !member->data)
		return error_set(err, "%s: no manifest.json, not an archive of docker save",
				 docker->path);
	images = cJSON_ParseWithLength(member->data, (size_t)member->size);
	if (!cJSON_IsArray(images))
		return error_set(err, "%s: manifest.json is not a JSON array", docker->path);
	cJSON_ArrayForEach(image, images)
	{
		const char *carried;

		if (!carries(image, wanted, &carried))
			continue;
		if (chosen)
			return error_set(err,
					 "%s: more than one image: say which "
					 "(docker-archive:FILE:NAME)",
					 docker->path);
		chosen = image;
		name = carried;
	}
	if (!chosen)
		return error_set(err, "%s: no image%s%s", docker->path, wanted ? " called " : "",
				 wanted ? wanted : "");
	if (!name)
		return error_set(err, "%s: the image carries no name", docker->path);
	if (make_manifest(docker, chosen, err) < 0)
		return error_wrap(err, "%s: manifest.json", docker->path);
	return source_set_local_name(source, name, err);
}

static int docker_open(struct source *source, const char *text, ducc_error **err)
{
	struct docker_archive *docker = source->data = xcalloc(1, sizeof(*docker));
	size_t len = strcspn(text, ":");

	docker->path = xstrndup(text, len);
	if (scan(docker, err) < 0)
		return -1;
	return choose(source, text[len] ? text + len + 1 : NULL, err);
}

static void docker_close(struct source *source)
{
	struct docker_archive *docker = source->data;

	for (size_t i = 0; i < docker->n; i++) {
		free(docker->members[i].name);
		free(docker->members[i].link);
		free(docker->members[i].data);
	}
	free(docker->members);
	free(docker->manifest);
	free(docker->path);
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

static int copy_member(struct archive *archive, struct blob *blob, ducc_error **err)
{
	const void *data;
	la_int64_t offset;
	size_t len;
	int result;

	if (blob_restart(blob, err) < 0)
		return -1;
	while ((result = archive_read_data_block(archive, &data, &len, &offset)) == ARCHIVE_OK)
		if (blob_write(blob, data, len, err) < 0)
			return -1;
	if (result != ARCHIVE_EOF)
		return error_set(err, "%s", archive_error_string(archive));
	return blob_verify(blob, err);
}

static int docker_blob(struct source *source, struct blob *blob, ducc_error **err)
{
	const struct docker_archive *docker = source->data;
	AUTO_ARCHIVE *archive = NULL;
	struct archive_entry *entry;
	int result;

	if (open_archive(docker, &archive, err) < 0)
		return -1;
	/* The members come in the order of the first pass. */
	for (size_t i = 0; i < docker->n; i++) {
		result = archive_read_next_header(archive, &entry);
		if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
			break;
		if (!docker->members[i].link &&
		    digest_equal(&docker->members[i].digest, &blob->descriptor->digest))
			return copy_member(archive, blob, err);
	}
	return error_set(err, "%s changed while it was read", docker->path);
}

const struct source_kind source_docker_archive = {
	.prefix = "docker-archive:",
	.open = docker_open,
	.close = docker_close,
	.manifest = docker_manifest,
	.blob = docker_blob,
};
