/* Paths in a repository: see repo_paths.h. */
#include "format/repo_paths.h"

#include "base/buffer.h"
#include "base/mem.h"

char *layer_directory(const struct digest *layer)
{
	return format(REPO_LAYERS "/%.2s/%s", layer->hex, layer->hex);
}

char *layer_path(const struct digest *layer, const char *path)
{
	return format(REPO_LAYERS "/%.2s/%s/layerfs%s%s", layer->hex, layer->hex, *path ? "/" : "",
		      path);
}

char *layer_content(const struct digest *layer)
{
	return format(REPO_LAYERS "/%.2s/%s/" LAYER_CONTENT, layer->hex, layer->hex);
}

char *layer_metadata(const struct digest *layer, const char *file)
{
	return format(REPO_LAYERS "/%.2s/%s/.metadata/%s", layer->hex, layer->hex, file);
}

char *layer_listing(const struct digest *layer)
{
	return layer_metadata(layer, "layer.mtree");
}

char *flat_directory(const struct digest *config)
{
	return format(REPO_FLAT "/%.2s/%s", config->hex, config->hex);
}

char *flat_listing(const struct digest *config)
{
	return format(REPO_METADATA "/.flat/%.2s/%s.mtree", config->hex, config->hex);
}

char *image_metadata(const char *label, const char *file)
{
	return format(REPO_METADATA "/%s/%s", label, file);
}

char *platform_label(const char *platform, const char *name)
{
	return format(REPO_MULTIARCH "/%s/%s", platform, name);
}

enum repo_tree repo_tree_at(const char *path, struct digest *digest)
{
	const char *last = strrchr(path, '/');
	AUTO_FREE char *layer = NULL, *flat = NULL;

	if (!last || !digest_is_hex(last + 1))
		return REPO_TREE_NONE;
	memcpy(digest->hex, last + 1, sizeof(digest->hex));
	layer = layer_directory(digest);
	flat = flat_directory(digest);
	return !strcmp(path, layer)  ? REPO_TREE_LAYER
	       : !strcmp(path, flat) ? REPO_TREE_FLAT
				     : REPO_TREE_NONE;
}

char *repo_tree_directory(enum repo_tree kind, const struct digest *digest)
{
	return kind == REPO_TREE_FLAT ? flat_directory(digest) : layer_directory(digest);
}

char *repo_tree_listing(enum repo_tree kind, const struct digest *digest)
{
	return kind == REPO_TREE_FLAT ? flat_listing(digest) : layer_listing(digest);
}
