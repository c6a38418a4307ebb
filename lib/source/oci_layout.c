/*
 * The sources oci:DIR[:REF] and oci-archive:FILE[:REF]: an OCI image layout in a directory,
 * or in a tar, which may be `-`, standard input.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "source/archive_members.h"
#include "source/source.h"
#include "store/index.h"

/* For directories, which may be stores; not for archives, where compression hides megabytes. */
#define INDEX_LIMIT ((size_t)64 << 20)

/* The full name of an image of which ANNOTATION_NAME has only the tag. */
#define ANNOTATION_FULL_NAME "io.containerd.image.name"

struct layout {
	int fd; /* the directory, or -1 */
	char *path;
	struct members members;     /* of a tar */
	struct descriptor manifest; /* or index, named by REF */
};

static int read_small(const struct layout *layout, const char *name, size_t limit, char **data,
		      size_t *len, ducc_error **err)
{
	const struct member *member;

	if (layout->fd >= 0)
		return path_read(layout->fd, name, limit, data, len, err);
	member = members_find(&layout->members, name);
	if (!member)
		return error_set(err, "%s: no %s, not an OCI image layout", layout->members.name,
				 name);
	return members_read(&layout->members, member, limit, data, len, err);
}

/* The name of an image: the full one, which BuildKit and containerd write, or NULL. */
static const char *recorded_name(const cJSON *entry)
{
	const char *full = json_annotation(entry, ANNOTATION_FULL_NAME);

	return full && *full ? full : json_annotation(entry, ANNOTATION_NAME);
}

static bool is_same_image(const char *a, const char *b)
{
	AUTO_REFERENCE left = {NULL}, right = {NULL};
	AUTO_FREE char *one = NULL, *other = NULL;

	if (reference_parse(&left, a, NULL) < 0 || reference_parse(&right, b, NULL) < 0)
		return false;
	one = reference_name(&left);
	other = reference_name(&right);
	return !strcmp(one, other);
}

/* True if REF is the entry's name, or its full name as users write it. */
static bool is_called(const cJSON *entry, const char *ref)
{
	const char *name = json_annotation(entry, ANNOTATION_NAME);
	const char *full = json_annotation(entry, ANNOTATION_FULL_NAME);

	return (name && !strcmp(name, ref)) || (full && is_same_image(full, ref));
}

/* Finds REF (NULL: the only image) among the descriptors of index.json. */
static int choose(struct layout *layout, const cJSON *manifests, const char *ref, const char **name,
		  ducc_error **err)
{
	const cJSON *entry, *chosen = NULL;

	cJSON_ArrayForEach(entry, manifests)
	{
		if (ref && !is_called(entry, ref))
			continue;
		if (chosen)
			return error_set(err, "more than one image: specify one (oci:DIR:REF)");
		chosen = entry;
	}
	if (!chosen)
		return ref ? error_set_kind(err, DUCC_NOT_FOUND, "no image named %s", ref)
			   : error_set_kind(err, DUCC_NOT_FOUND, "no image");
	if (descriptor_parse(&layout->manifest, chosen, err) < 0)
		return -1;
	if (!manifest_is_known_type(layout->manifest.media_type))
		return error_set(err, "neither a manifest nor an index: media type %s",
				 layout->manifest.media_type);
	*name = recorded_name(chosen);
	return 0;
}

static int open_layout(struct source *source, const char *ref, ducc_error **err)
{
	struct layout *layout = source->data;
	AUTO_FREE char *data = NULL;
	AUTO_JSON *index = NULL;
	const cJSON *manifests;
	const char *name = NULL;
	size_t len, limit = layout->fd >= 0 ? INDEX_LIMIT : JSON_LIMIT;

	if (read_small(layout, "index.json", limit, &data, &len, err) < 0)
		return -1;
	index = json_parse(data, len, "index.json", err);
	if (!index)
		return -1;
	if (json_get_array(index, "manifests", &manifests, err) < 0 ||
	    choose(layout, manifests, ref, &name, err) < 0)
		return error_wrap(err, "index.json");
	return source_set_local_name(source, name, layout->path, err);
}

/* Initialises source->data; returns REF, or NULL if it is absent. */
static const char *new_layout(struct source *source, const char *text)
{
	struct layout *layout = source->data = xcalloc(1, sizeof(*layout));
	size_t len = strcspn(text, ":");

	layout->fd = -1;
	layout->path = xstrndup(text, len);
	return text[len] ? text + len + 1 : NULL;
}

static int layout_open(struct source *source, const char *text, ducc_error **err)
{
	const char *ref = new_layout(source, text);
	struct layout *layout = source->data;

	layout->fd = open(layout->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (layout->fd < 0)
		return error_errno(err, errno, "%s", layout->path);
	return open_layout(source, ref, err);
}

static int archive_open(struct source *source, const char *text, ducc_error **err)
{
	const char *ref = new_layout(source, text);
	struct layout *layout = source->data;

	if (members_open(&layout->members, layout->path, source->input, err) < 0)
		return -1;
	return open_layout(source, ref, err);
}

static void layout_close(struct source *source)
{
	struct layout *layout = source->data;

	cleanup_close(&layout->fd);
	members_close(&layout->members);
	descriptor_free(&layout->manifest);
	free(layout->path);
	free(layout);
}

static bool layout_peek(struct source *source, struct digest *digest)
{
	const struct layout *layout = source->data;

	*digest = layout->manifest.digest;
	return true;
}

static int layout_manifest(struct source *source, const struct digest *digest, char **data,
			   size_t *len, ducc_error **err)
{
	const struct layout *layout = source->data;
	const struct descriptor *top = &layout->manifest;
	const struct digest *wanted = digest ? digest : &top->digest;
	AUTO_FREE char *name = store_blob_name(wanted), *text = NULL;
	struct digest actual;

	if (read_small(layout, name, JSON_LIMIT, &text, len, err) < 0)
		return error_wrap(err, "manifest");
	if (digest_equal(wanted, &top->digest) && *len != top->size)
		return error_set_kind(err, DUCC_CORRUPT,
				      "manifest: size mismatch: %zu bytes instead of %" PRIu64,
				      *len, top->size);
	actual = digest_of(text, *len);
	if (!digest_equal(&actual, wanted))
		return error_set_kind(err, DUCC_CORRUPT,
				      "manifest: digest mismatch: %s is " PRI_DIGEST, name,
				      actual.hex);
	*data = STEAL(text);
	return 0;
}

static int layout_blob(struct source *source, struct blob *blob, ducc_error **err)
{
	const struct layout *layout = source->data;
	AUTO_FREE char *name = store_blob_name(&blob->descriptor->digest);
	AUTO_CLOSE int fd = path_open_file(layout->fd, name);

	if (fd < 0 && errno == EINVAL)
		return error_set(err, "%s: not a regular file", name);
	if (fd < 0)
		return error_errno(err, errno, "%s", name);
	if (blob_restart(blob, err) < 0)
		return -1;
	AUTO_PIECES pieces = pieces_of(fd, 0, TO_THE_END);
	while (pieces_next(&pieces))
		if (blob_write(blob, pieces.data, pieces.len, err) < 0)
			return -1;
	if (pieces.error)
		return error_errno(err, pieces.error, "%s", name);
	return blob_verify(blob, err);
}

static int archive_blob(struct source *source, struct blob *blob, ducc_error **err)
{
	const struct layout *layout = source->data;
	AUTO_FREE char *name = store_blob_name(&blob->descriptor->digest);
	const struct member *member = members_find(&layout->members, name);

	if (!member)
		return error_set(err, "%s: no %s", layout->members.name, name);
	return members_copy(&layout->members, member, blob, err);
}

const struct source_kind source_oci = {
	.prefix = "oci:",
	.open = layout_open,
	.close = layout_close,
	.peek = layout_peek,
	.manifest = layout_manifest,
	.blob = layout_blob,
};

const struct source_kind source_oci_archive = {
	.prefix = "oci-archive:",
	.open = archive_open,
	.close = layout_close,
	.peek = layout_peek,
	.manifest = layout_manifest,
	.blob = archive_blob,
};
