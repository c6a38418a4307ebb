/* Recovering the list of images: see index_recovery.h. */
#include "store/index_recovery.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "format/image.h"
#include "store/staged.h"

#define NAME_LIMIT ((size_t)65536)

cJSON *index_entry(const struct digest *manifest, size_t len, const char *oci,
		   const struct platform *platform)
{
	struct digest listed = oci ? digest_of(oci, strlen(oci)) : *manifest;
	cJSON *entry = descriptor_to_json(MEDIA_OCI_MANIFEST, &listed, oci ? strlen(oci) : len);

	if (oci) {
		AUTO_FREE char *original = format(PRI_DIGEST, manifest->hex);
		cJSON *annotations = json_object();

		json_set_string(annotations, ANNOTATION_MANIFEST, original);
		json_set(entry, "annotations", annotations);
	}
	if (platform->os && platform->architecture)
		json_set(entry, "platform", platform_to_json(platform));
	return entry;
}

/* The entry for an image manifest in the store; NULL: it is something else, or not complete. */
static cJSON *entry_of(const struct store *store, const struct digest *digest)
{
	AUTO_FREE char *data = NULL, *config_data = NULL, *oci = NULL;
	AUTO_MANIFEST manifest = {.n = 0};
	AUTO_CONFIG config = {.n = 0};
	struct digest listed;
	size_t len, config_len;

	if (store_read_blob(store, digest, &data, &len, NULL) < 0 ||
	    manifest_parse(&manifest, data, len, NULL) < 0 ||
	    store_read_blob(store, &manifest.config.digest, &config_data, &config_len, NULL) < 0 ||
	    config_parse(&config, config_data, config_len, NULL) < 0)
		return NULL;
	oci = manifest_to_oci(data, len);
	if (oci && store_write_blob(store, oci, strlen(oci), &listed, NULL) < 0)
		return NULL;
	return index_entry(digest, len, oci, &config.platform);
}

char *recovery_read_name(int directory, const char *file, ducc_error **err)
{
	AUTO_FREE char *name = NULL;
	struct digest digest;
	size_t len;

	if (path_read(directory, file, NAME_LIMIT, &name, &len, err) < 0)
		return NULL;
	if (len >= 2 && name[len - 1] == '\n') {
		name[len - 1] = '\0';
		digest = digest_of(name, len - 1);
		if (!strcmp(digest.hex, file) && text_is_plain(name))
			return STEAL(name);
	}
	error_set_kind(err, DUCC_CORRUPT, "not the name of an image");
	return NULL;
}

static bool has_tag(const struct recovered *image)
{
	return !strchr(image->name, '@');
}

/* Adds the image under its names: under those with a digest only if there is no other. */
static void add_names(struct recovery *recovery, int directory, const cJSON *entry)
{
	AUTO_ENTRIES entries = entries_open(directory, "");
	size_t first = recovery->n, n = first;
	bool tagged = false;
	const char *file;

	while ((file = entries_next(&entries))) {
		struct recovered image = {.name = recovery_read_name(directory, file, NULL)};
		struct stat st;

		if (!image.name || fstatat(directory, file, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			free(image.name);
			continue;
		}
		image.fetched = st.st_mtime;
		image.entry = json_copy(entry);
		tagged |= has_tag(&image);
		GROW(recovery->images, recovery->n, recovery->capacity);
		recovery->images[recovery->n++] = image;
	}
	for (size_t i = first; i < recovery->n; i++) {
		struct recovered *image = &recovery->images[i];

		if (!tagged || has_tag(image)) {
			recovery->images[n++] = *image;
			continue;
		}
		free(image->name);
		cJSON_Delete(image->entry);
	}
	recovery->n = n;
}

static int by_time(const void *a, const void *b)
{
	const struct recovered *x = a, *y = b;

	if (x->fetched != y->fetched)
		return x->fetched < y->fetched ? -1 : 1;
	return strcmp(x->name, y->name);
}

void index_recover(const struct store *store, struct recovery *recovery)
{
	AUTO_ENTRIES entries = entries_open(store->fd, "images");
	const char *file;

	while ((file = entries_next(&entries))) {
		AUTO_CLOSE int directory = -1;
		AUTO_JSON *entry = NULL;
		struct digest manifest = {""};

		memcpy(manifest.hex, file, strnlen(file, DIGEST_HEX_LEN));
		if (!digest_is_hex(manifest.hex) || strcmp(file + DIGEST_HEX_LEN, ".names") != 0)
			continue;
		directory = path_open(entries.fd, file, O_RDONLY | O_DIRECTORY, 0);
		entry = directory < 0 ? NULL : entry_of(store, &manifest);
		if (entry)
			add_names(recovery, directory, entry);
	}
	if (recovery->n)
		qsort(recovery->images, recovery->n, sizeof(*recovery->images), by_time);
}

void recovery_free(struct recovery *recovery)
{
	for (size_t i = 0; i < recovery->n; i++) {
		free(recovery->images[i].name);
		cJSON_Delete(recovery->images[i].entry);
	}
	free(recovery->images);
}
