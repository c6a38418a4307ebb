/* Recovering the list of images: see index_recovery.h. */
#include "store/index_recovery.h"

#include <errno.h>
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

/* The entry for an image manifest in the store; NULL with *err set, also for something else. */
static cJSON *entry_of(const struct store *store, const struct digest *digest, ducc_error **err)
{
	AUTO_FREE char *data = NULL, *config_data = NULL, *oci = NULL;
	AUTO_MANIFEST manifest = {.n = 0};
	AUTO_CONFIG config = {.n = 0};
	struct digest listed;
	size_t len, config_len;

	if (store_read_blob(store, digest, &data, &len, err) < 0 ||
	    manifest_parse(&manifest, data, len, err) < 0 ||
	    store_read_blob(store, &manifest.config.digest, &config_data, &config_len, err) < 0 ||
	    config_parse(&config, config_data, config_len, err) < 0)
		return NULL;
	oci = manifest_to_oci(data, len);
	if (oci && !store->keep && store_write_blob(store, oci, strlen(oci), &listed, err) < 0)
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

static int add_name(struct recovery *recovery, int directory, const char *file, const cJSON *entry,
		    ducc_error **err)
{
	ducc_error *error = NULL;
	AUTO_FREE char *name = recovery_read_name(directory, file, &error);
	struct stat st;

	if (!name)
		return error_pass_failure(err, error);
	if (fstatat(directory, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return is_absence(errno) ? 0 : error_errno(err, errno, "%s", file);
	GROW(recovery->images, recovery->n, recovery->capacity);
	recovery->images[recovery->n++] =
		(struct recovered){STEAL(name), st.st_mtime, json_copy(entry)};
	return 0;
}

static bool has_tag(const struct recovered *image)
{
	return !strchr(image->name, '@');
}

/* Of the names from `first` on, those with a digest are dropped if there are others. */
static void choose_names(struct recovery *recovery, size_t first)
{
	size_t n = first;
	bool tagged = false;

	for (size_t i = first; i < recovery->n; i++)
		tagged |= has_tag(&recovery->images[i]);
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

/* Adds the image under the names in a directory. */
static int add_names(struct recovery *recovery, int directory, const cJSON *entry, ducc_error **err)
{
	AUTO_ENTRIES entries = entries_open(directory, "");
	size_t first = recovery->n;
	const char *file;

	while ((file = entries_next(&entries)))
		if (add_name(recovery, directory, file, entry, err) < 0)
			return -1;
	if (entries.error)
		return error_errno(err, entries.error, "names of an image");
	choose_names(recovery, first);
	return 0;
}

/* Adds the image to which images/HEX.names belongs. */
static int add_image(const struct store *store, struct recovery *recovery, int images,
		     const char *file, ducc_error **err)
{
	AUTO_CLOSE int directory = -1;
	AUTO_JSON *entry = NULL;
	struct digest manifest = {""};
	ducc_error *error = NULL;

	memcpy(manifest.hex, file, strnlen(file, DIGEST_HEX_LEN));
	if (!digest_is_hex(manifest.hex) || strcmp(file + DIGEST_HEX_LEN, ".names") != 0)
		return 0;
	directory = path_open(images, file, O_RDONLY | O_DIRECTORY, 0);
	if (directory < 0)
		return is_absence(errno) || is_wrong_type(errno)
			       ? 0
			       : error_errno(err, errno, "images/%s", file);
	entry = entry_of(store, &manifest, &error);
	return entry ? add_names(recovery, directory, entry, err) : error_pass_failure(err, error);
}

static int by_time(const void *a, const void *b)
{
	const struct recovered *x = a, *y = b;

	if (x->fetched != y->fetched)
		return x->fetched < y->fetched ? -1 : 1;
	return strcmp(x->name, y->name);
}

int index_recover(const struct store *store, struct recovery *recovery, ducc_error **err)
{
	AUTO_ENTRIES entries = entries_open(store->fd, "images");
	const char *file;

	while ((file = entries_next(&entries)))
		if (add_image(store, recovery, entries.fd, file, err) < 0)
			return -1;
	if (entries.error && !is_absence(entries.error))
		return error_errno(err, entries.error, "images");
	if (recovery->n)
		qsort(recovery->images, recovery->n, sizeof(*recovery->images), by_time);
	return 0;
}

void recovery_free(struct recovery *recovery)
{
	for (size_t i = 0; i < recovery->n; i++) {
		free(recovery->images[i].name);
		cJSON_Delete(recovery->images[i].entry);
	}
	free(recovery->images);
}
