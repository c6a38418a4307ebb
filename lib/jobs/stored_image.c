/* The documents of an image: see stored_image.h. */
#include "jobs/stored_image.h"

#include <inttypes.h>

#include "base/mem.h"
#include "base/path.h"
#include "format/repo_paths.h"
#include "repo/inventory.h"

static int parse_config(struct stored_image *image, ducc_error **err)
{
	const struct descriptor *descriptor = &image->manifest.config;

	if (image->config_len != descriptor->size)
		return error_set_kind(err, DUCC_CORRUPT,
				      "config " PRI_DIGEST ": %zu bytes instead of %" PRIu64,
				      descriptor->digest.hex, image->config_len, descriptor->size);
	return config_check(&image->config, &image->manifest, image->config_json, image->config_len,
			    err);
}

int stored_image_take_config(struct stored_image *image, char *config, size_t len, ducc_error **err)
{
	image->config_json = config;
	image->config_len = len;
	return parse_config(image, err);
}

static int read_config(struct stored_image *image, const struct store *store, ducc_error **err)
{
	const struct digest *digest = &image->manifest.config.digest;

	if (store_read_blob(store, digest, &image->config_json, &image->config_len, err) < 0)
		return error_wrap(err, "config " PRI_DIGEST, digest->hex);
	return parse_config(image, err);
}

int stored_image_read(struct stored_image *image, const struct store *store,
		      const struct digest *digest, ducc_error **err)
{
	image->digest = *digest;
	if (store_read_blob(store, digest, &image->manifest_json, &image->manifest_len, err) < 0)
		return error_wrap(err, "manifest " PRI_DIGEST, digest->hex);
	if (manifest_parse(&image->manifest, image->manifest_json, image->manifest_len, err) < 0)
		return -1;
	return read_config(image, store, err);
}

int stored_image_read_published(struct stored_image *image, int root, const char *label,
				ducc_error **err)
{
	AUTO_FREE char *manifest = image_metadata(label, "manifest.json");
	AUTO_FREE char *config = image_metadata(label, "config.json");
	struct digest digest;

	if (path_read(root, manifest, JSON_LIMIT, &image->manifest_json, &image->manifest_len,
		      err) < 0)
		return -1;
	if (manifest_parse(&image->manifest, image->manifest_json, image->manifest_len, err) < 0)
		return error_wrap(err, "%s", manifest);
	if (path_read(root, config, JSON_LIMIT, &image->config_json, &image->config_len, err) < 0)
		return -1;
	image->digest = digest_of(image->manifest_json, image->manifest_len);
	digest = digest_of(image->config_json, image->config_len);
	if (!digest_equal(&digest, &image->manifest.config.digest))
		return error_set_kind(err, DUCC_CORRUPT,
				      "%s: digest mismatch: not the config of this image", config);
	if (parse_config(image, err) < 0)
		return -1;
	return published_read_platform(&image->config.platform, root, label, err) < 0 ? -1 : 0;
}

int stored_image_check_limits(const struct stored_image *image, const struct ducc_limits *limits,
			      ducc_error **err)
{
	uint64_t layers = limits_get(limits, LIMIT_LAYERS, 0);
	uint64_t json = limits_get(limits, LIMIT_JSON, 0);

	if (image->manifest.n > layers)
		return limits_exceeded(LIMIT_LAYERS, layers, err);
	if (image->manifest_len > json || image->manifest.config.size > json)
		return limits_exceeded(LIMIT_JSON, json, err);
	return 0;
}

void stored_image_free(struct stored_image *image)
{
	free(image->manifest_json);
	free(image->config_json);
	manifest_free(&image->manifest);
	config_free(&image->config);
	*image = (struct stored_image){.manifest_json = NULL};
}
