/* The content of a repository: see inventory.h. */
#include "repo/inventory.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "format/json.h"
#include "format/repo_paths.h"

#define MULTIARCH REPO_MULTIARCH "/"
#define MANIFEST "manifest.json"
#define DEPTH_MAX 300 /* more directories than a name can have */

/* A walk through directories: visit() gets each entry; true to descend into a directory. */
struct walk {
	const char *from;
	bool (*visit)(struct walk *walk, const char *name, const char *path, unsigned char type);
	struct digest_set *trees; /* result of visit_trees() */
	struct inventory *inventory;
	const struct repository *repository;
	size_t n_known;  /* images known at the start */
	bool names_only; /* manifests are not read */
	size_t depth;
};

/* An open directory of the walk. */
struct level {
	struct entries entries;
	char *path; /* relative to the start of the walk */
};

/* Opens the directory `name` of `parent`; `path` is its path from the start of the walk. */
static int enter(struct level *levels, size_t *n, int parent, const char *name, const char *path,
		 ducc_error **err)
{
	if (*n == DEPTH_MAX)
		return error_errno(err, ELOOP, "%s", path);
	levels[(*n)++] = (struct level){entries_open(parent, name), xstrdup(path)};
	return 0;
}

static void leave(struct level *level)
{
	entries_close(&level->entries);
	free(level->path);
}

/* Visits one entry of the directory. */
static int look_at(struct walk *walk, struct level *levels, size_t *n, const char *name,
		   ducc_error **err)
{
	const struct level *level = &levels[*n - 1];
	unsigned char type = entries_type(&level->entries, name);
	AUTO_FREE char *below = format("%s%s%s", level->path, *level->path ? "/" : "", name);

	walk->depth = *n - 1;
	if (!walk->visit(walk, name, below, type) || type != DT_DIR)
		return 0;
	return enter(levels, n, level->entries.fd, name, below, err);
}

static int walk_directory(struct walk *walk, int root, ducc_error **err)
{
	AUTO_FREE struct level *levels = xcalloc(DEPTH_MAX, sizeof(*levels));
	size_t n = 0;
	int result = enter(levels, &n, root, walk->from, "", err);

	while (!result && n) {
		struct level *level = &levels[n - 1];
		const char *name = entries_next(&level->entries);

		if (name)
			result = look_at(walk, levels, &n, name, err);
		else if (level->entries.error && (n > 1 || level->entries.error != ENOENT))
			result = error_errno(err, level->entries.error, "%s",
					     n > 1 ? level->path : walk->from);
		else
			leave(&levels[--n]);
	}
	while (n)
		leave(&levels[--n]);
	return result;
}

static int walk_from(struct walk *walk, ducc_error **err)
{
	AUTO_CLOSE int root = repository_root(walk->repository);

	if (root < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", walk->from);
	return walk_directory(walk, root, err);
}

/* --- images ----------------------------------------------------------- */

/* The public name in a label, which may be .multiarch/PLATFORM/NAME. */
static const char *name_in(const char *label)
{
	const char *slash;

	if (strncmp(label, MULTIARCH, strlen(MULTIARCH)) != 0)
		return label;
	slash = strchr(label + strlen(MULTIARCH), '/');
	return slash ? slash + 1 : label;
}

/*
 * The flat tree that a public link points to: its last component, if that is a digest.  False
 * if the link cannot be read.
 */
static bool read_link(const struct repository *repository, const char *label, struct digest *flat)
{
	AUTO_FREE char *target = repository_read_link(repository, label);
	const char *last = target ? strrchr(target, '/') : NULL;

	*flat = (struct digest){""};
	if (last && strstr(target, REPO_FLAT "/") && digest_is_hex(last + 1))
		memcpy(flat->hex, last + 1, DIGEST_HEX_LEN);
	return target;
}

/* The digest of a descriptor, of any media type: the original ducc does not restrict them. */
static bool read_digest(const cJSON *descriptor, struct digest *digest)
{
	const char *text = json_text(descriptor, "digest");

	return text && digest_parse(digest, text);
}

/* Sets flat and layers from a manifest; false if it is damaged. */
static bool parse_manifest(struct published *image, const char *data, size_t len)
{
	AUTO_JSON *json = json_parse(data, len, MANIFEST, NULL);
	const cJSON *layers = json_member(json, "layers"), *layer;

	if (!cJSON_IsArray(layers) || !read_digest(json_member(json, "config"), &image->flat))
		return false;
	image->layers = xcalloc((size_t)cJSON_GetArraySize(layers), sizeof(*image->layers));
	image->sizes = xcalloc((size_t)cJSON_GetArraySize(layers), sizeof(*image->sizes));
	cJSON_ArrayForEach(layer, layers)
	{
		size_t i = image->n_layers++;

		json_get_size(layer, "size", &image->sizes[i], NULL);
		if (!read_digest(layer, &image->layers[i]))
			return false;
	}
	return true;
}

int published_read(struct published *image, const struct repository *repository, const char *label,
		   ducc_error **err)
{
	AUTO_FREE char *path = image_metadata(label, MANIFEST), *data = NULL;
	ducc_error *error = NULL;
	size_t len;
	int found = repository_read(repository, path, JSON_LIMIT, &data, &len, &error);

	if (found > 0) {
		image->manifest = digest_of(data, len);
		return parse_manifest(image, data, len);
	}
	if (found < 0 && ducc_error_kind(error) != DUCC_OTHER)
		return error_give(err, error);
	ducc_error_free(error); /* too large, or no regular file */
	return 0;
}

bool published_has_manifest(const struct repository *repository, const char *label,
			    const char *manifest, size_t len)
{
	AUTO_FREE char *path = image_metadata(label, MANIFEST);

	return repository_has_file(repository, path, manifest, len);
}

int published_read_platform(struct platform *platform, int root, const char *label,
			    ducc_error **err)
{
	AUTO_FREE char *path = image_metadata(label, PLATFORM_FILE), *data = NULL;
	struct platform read = {NULL};
	AUTO_JSON *json = NULL;
	size_t len;
	int result;

	if (path_is_absent(root, path))
		return 0;
	if (path_read(root, path, JSON_LIMIT, &data, &len, err) < 0)
		return -1;
	json = json_parse(data, len, path, err);
	if (!json)
		return -1;
	result = platform_from_json(&read, json, err);
	if (!result && (!read.os || !read.architecture))
		result = error_set_kind(err, DUCC_CORRUPT, "no platform");
	if (result < 0) {
		platform_free(&read);
		return error_wrap(err, "%s", path);
	}
	platform_free(platform);
	*platform = read;
	return 1;
}

/* True for a name as we or the original ducc publish it: other files may be there too. */
static bool is_label(const char *label)
{
	const char *last = strrchr(label, '/');

	return last && strpbrk(last, ":@") && text_is_plain(label) && !strchr(label, ' ');
}

/* A link without metadata to a flat tree that does not exist: nothing is needed for it. */
static bool is_dangling(const struct repository *repository, const char *label)
{
	AUTO_FREE char *target = repository_read_link(repository, label);
	const char *flat = target ? strstr(target, REPO_FLAT "/") : NULL;

	return flat && !repository->metadata_only && repository_lacks(repository, flat);
}

static void set_unclear(struct inventory *inventory, const struct published *image)
{
	if (!inventory->unclear)
		inventory->unclear = xstrdup(image->label);
	inventory->unclear_flat |= !*image->linked.hex;
}

static void add_image(struct walk *walk, const char *label, bool with_manifest)
{
	struct inventory *inventory = walk->inventory;
	struct published image = {NULL};
	ducc_error *error = NULL;

	if (!is_label(label))
		return;
	image.name = xstrdup(name_in(label));
	image.label = xstrdup(label);
	if (!read_link(walk->repository, label, &image.linked) && errno != EINVAL &&
	    !is_absence(errno))
		error_errno(&image.failure, errno, "%s", label);
	if (!walk->names_only &&
	    (!with_manifest || published_read(&image, walk->repository, label, &error) <= 0)) {
		if (error && !image.failure)
			image.failure = error_copy(error);
		if (!inventory->unread)
			inventory->unread = STEAL(error);
		if (with_manifest || !is_dangling(walk->repository, label))
			set_unclear(inventory, &image);
		image.n_layers = 0;
		image.flat = image.manifest = (struct digest){""};
	}
	ducc_error_free(error);
	GROW(inventory->images, inventory->n_images, inventory->images_capacity);
	inventory->images[inventory->n_images++] = image;
	strset_add(&inventory->names, image.name);
}

/* In .metadata: a directory with a manifest is an image, unless its name begins with a dot. */
static bool visit_metadata(struct walk *walk, const char *name, const char *path,
			   unsigned char type)
{
	if (type == DT_DIR && is_label(name_in(path)) &&
	    strncmp(name_in(path), MULTIARCH, strlen(MULTIARCH)) != 0)
		strset_add(&walk->inventory->labels, path);
	if (type == DT_REG && !strcmp(name, MANIFEST)) {
		AUTO_FREE char *label = xstrndup(path, strlen(path) - strlen(MANIFEST));

		if (*label) {
			label[strlen(label) - 1] = '\0';
			add_image(walk, label, true);
		}
	}
	return name[0] != '.' || !strcmp(path, REPO_MULTIARCH) || walk->depth;
}

static int compare_images(const void *a, const void *b)
{
	const struct published *left = a, *right = b;

	return strcmp(left->label, right->label);
}

const struct published *inventory_find(const struct inventory *inventory, const char *label)
{
	AUTO_FREE char *copy = xstrdup(label);
	struct published image = {.label = copy};

	if (!inventory->n_images)
		return NULL;
	return bsearch(&image, inventory->images, inventory->n_images, sizeof(image),
		       compare_images);
}

bool inventory_has_name(const struct inventory *inventory, const char *name)
{
	return strset_has(&inventory->names, name);
}

/* Adds an image for a link to a flat tree, existing or not, without a manifest in .metadata. */
static void add_link(struct walk *walk, const char *label)
{
	const struct inventory *inventory = walk->inventory;
	struct published image = {.label = xstrdup(label)};
	AUTO_FREE char *own = image.label;

	if (walk->n_known &&
	    bsearch(&image, inventory->images, walk->n_known, sizeof(image), compare_images))
		return;
	if (!read_link(walk->repository, label, &image.flat) || *image.flat.hex ||
	    is_dangling(walk->repository, label))
		add_image(walk, label, false);
}

static bool visit_links(struct walk *walk, const char *name, const char *path, unsigned char type)
{
	if (type == DT_LNK && walk->depth)
		add_link(walk, path);
	return walk->depth || (!entries_is_incidental(name) && strcmp(name, REPO_PODMAN) != 0);
}

/*
 * Links for platforms lead to images with the plain name as well: only with something in .metadata is
 * one an image that has lost its manifest.
 */
static void add_platforms(struct walk *walk)
{
	const struct strset *labels = &walk->inventory->labels;

	for (size_t i = 0; i < labels->n; i++)
		if (name_in(labels->list[i]) != labels->list[i] &&
		    repository_find(walk->repository, labels->list[i]))
			add_link(walk, labels->list[i]);
}

/* --- flat trees and layers -------------------------------------------- */

/* xx/HEX */
static bool visit_trees(struct walk *walk, const char *name, const char *path, unsigned char type)
{
	struct digest digest;

	(void)path;
	if (walk->depth && type == DT_DIR && digest_is_hex(name)) {
		memcpy(digest.hex, name, sizeof(digest.hex));
		digest_set_add(walk->trees, &digest);
	}
	return !walk->depth;
}

static int take_walks(struct walk *walks, size_t n, struct inventory *inventory,
		      const struct repository *repository, ducc_error **err)
{
	*inventory = (struct inventory){NULL};
	for (size_t i = 0; repository->path && i < n; i++) {
		walks[i].inventory = inventory;
		walks[i].repository = repository;
		walks[i].n_known = inventory->n_images;
		if (walks[i].visit == visit_links)
			add_platforms(&walks[i]);
		if (walk_from(&walks[i], err) < 0)
			return error_wrap(err, "repository %s", repository->name);
		if (inventory->n_images)
			qsort(inventory->images, inventory->n_images, sizeof(*inventory->images),
			      compare_images);
	}
	digest_set_sort(&inventory->flats);
	digest_set_sort(&inventory->layers);
	return 0;
}

int inventory_read(struct inventory *inventory, const struct repository *repository,
		   ducc_error **err)
{
	struct walk walks[] = {
		{.from = REPO_METADATA, .visit = visit_metadata},
		{.from = "", .visit = visit_links},
		{.from = REPO_FLAT, .visit = visit_trees, .trees = &inventory->flats},
		{.from = REPO_LAYERS, .visit = visit_trees, .trees = &inventory->layers},
	};

	return take_walks(walks, ARRAY_LEN(walks), inventory, repository, err);
}

int inventory_read_names(struct inventory *inventory, const struct repository *repository,
			 ducc_error **err)
{
	struct walk walks[] = {
		{.from = REPO_METADATA, .visit = visit_metadata, .names_only = true},
		{.from = "", .visit = visit_links, .names_only = true},
	};

	return take_walks(walks, ARRAY_LEN(walks), inventory, repository, err);
}

void published_free(struct published *image)
{
	free(image->name);
	free(image->label);
	free(image->layers);
	free(image->sizes);
	ducc_error_free(image->failure);
}

void inventory_free(struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->n_images; i++)
		published_free(&inventory->images[i]);
	free(inventory->images);
	digest_set_free(&inventory->flats);
	digest_set_free(&inventory->layers);
	strset_free(&inventory->names);
	strset_free(&inventory->labels);
	free(inventory->unclear);
	ducc_error_free(inventory->unread);
	*inventory = (struct inventory){NULL};
}
