/* Checking images, apart from their trees: documents, names, Podman's lists: see check.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/repo_paths.h"
#include "jobs/check.h"
#include "podman/podman_check.h"
#include "repo/public_names.h"

static void image_differs(struct check *check, struct checked_image *image, const char *kind,
			  const char *path, const char *expected, const char *found)
{
	check_differs(check, &image->broken, kind, image->published->label, path, expected, found);
}

static void image_error(struct check *check, struct checked_image *image, const char *path,
			ducc_error *error)
{
	check_error(check, &image->broken, image->published->label, path, error);
}

static void image_absent(struct check *check, struct checked_image *image, const char *path,
			 const char *expected)
{
	check_absent(check, &image->broken, image->published->label, path, expected);
}

/* --- documents -------------------------------------------------------- */

/* Reports a document that does not exist, or has another mode or owner; returns whether it exists. */
static bool has_document(struct check *check, struct checked_image *image, const char *path)
{
	if (!repository_has(&check->repository, path)) {
		image_absent(check, image, path, "file");
		return false;
	}
	check_attributes(check, &image->broken, image->published->label, path);
	return true;
}

/* A failure counts; a difference is reported where the file itself is checked.  Frees the error. */
static void keep_failure(struct check *check, ducc_error *error)
{
	if (error && !differs_kind_of(error))
		failures_add(&check->failures, error);
	else
		ducc_error_free(error);
}

/*
 * Finds the digest of the manifest, for publishing it again.  That of an image without a listing of
 * ours may be another one than in the registry: the original ducc has written it.
 */
static void find_manifest(struct check *check, struct checked_image *image, const char *path)
{
	AUTO_CLOSE int root = repository_root(&check->repository);
	AUTO_FREE char *listing = image_metadata(image->published->label, "rootfs.mtree");
	AUTO_FREE char *data = NULL;
	ducc_error *err = NULL;
	size_t len;
	int found;

	if (image->readable)
		image->manifest = image->stored.digest;
	if (image->readable || !*image->published->flat.hex)
		return;
	found = repository_find(&check->repository, listing);
	if (found < 0)
		error_errno(&err, errno, "%s", listing);
	else if (found && !path_read(root, path, JSON_LIMIT, &data, &len, &err))
		image->manifest = digest_of(data, len);
	keep_failure(check, err);
}

/*
 * An image of the original DUCC: its name leads to its flat tree.  It has no config, which would
 * say for which platform it is.
 */
static void check_link_of_original(struct check *check, struct checked_image *image)
{
	const struct published *published = image->published;
	AUTO_FREE char *directory = flat_directory(&published->flat);
	AUTO_FREE char *found = repository_read_link(&check->repository, published->label);

	if (!found && errno != EINVAL)
		image_absent(check, image, published->label, directory);
	else if (!digest_equal(&published->linked, &published->flat))
		image_differs(check, image, DIFFERS_LINK, published->label, directory, found);
}

/* The platform.json of an image: 1 if it can be read, 0 if there is none, or -1. */
static int find_platform(struct check *check, struct checked_image *image, const char *path,
			 int root)
{
	struct platform platform = {NULL};
	int found = published_read_platform(&platform, root, image->published->label, NULL);

	platform_free(&platform);
	if (found > 0)
		has_document(check, image, path);
	return found;
}

bool check_platform_is_lost(const struct checked_image *image)
{
	AUTO_FREE char *platform = names_platform(&image->stored.config.platform);
	AUTO_FREE char *label = platform_label(platform, image->published->name);

	return strcmp(image->published->label, image->published->name) != 0 &&
	       strcmp(image->published->label, label) != 0;
}

/* Reads the manifest and the config, which must have the digest in the manifest. */
static void read_documents(struct check *check, struct checked_image *image)
{
	const char *label = image->published->label;
	AUTO_CLOSE int root = repository_root(&check->repository);
	AUTO_FREE char *manifest = image_metadata(label, "manifest.json");
	AUTO_FREE char *config = image_metadata(label, "config.json");
	bool has_manifest = has_document(check, image, manifest);
	bool both = has_document(check, image, config) && has_manifest; /* reports each */
	AUTO_FREE char *platform = image_metadata(label, PLATFORM_FILE);
	int found = find_platform(check, image, platform, root);
	ducc_error *err = NULL;

	if (both && !stored_image_read_published(&image->stored, root, label, &err))
		image->readable = true;
	else if (both)
		image_error(check, image,
			    !image->stored.manifest.config.media_type ? manifest
			    : found < 0                               ? platform
								      : config,
			    err);
	if (image->readable && check_platform_is_lost(image)) {
		if (found)
			image_differs(check, image, DIFFERS_CONTENT, platform, NULL, NULL);
		else
			image_absent(check, image, platform, "file");
	}
	find_manifest(check, image, manifest);
}

/* True if both paths are the same file. */
static bool is_same_file(int root, const char *path, const char *other)
{
	AUTO_CLOSE int fd = path_open(root, path, O_PATH, 0);
	AUTO_CLOSE int other_fd = path_open(root, other, O_PATH, 0);
	struct stat st, other_st;

	return fd >= 0 && other_fd >= 0 && !fstat(fd, &st) && !fstat(other_fd, &other_st) &&
	       file_is_same(&st, &other_st);
}

/* The listing with the image is that of its flat tree. */
static void check_listing(struct check *check, struct checked_image *image)
{
	AUTO_CLOSE int root = repository_root(&check->repository);
	AUTO_FREE char *path = image_metadata(image->published->label, "rootfs.mtree");
	AUTO_FREE char *flat = flat_listing(&image->stored.manifest.config.digest), *data = NULL;
	ducc_error *err = NULL;
	size_t len;

	if (!has_document(check, image, path) || repository_lacks(&check->repository, flat) ||
	    is_same_file(root, path, flat))
		return;
	if (path_read(root, flat, SIZE_MAX, &data, &len, &err) < 0) {
		keep_failure(check, err);
		return;
	}
	if (repository_has_file(&check->repository, path, data, len))
		return;
	else if (errno)
		image_absent(check, image, path, "file");
	else
		image_differs(check, image, DIFFERS_CONTENT, path, NULL, NULL);
}

static struct checked_tree *add_tree(struct strmap *trees, const struct published *image,
				     const struct digest *digest)
{
	struct checked_tree *tree = strmap_get(trees, digest->hex);

	if (tree)
		return tree;
	tree = xcalloc(1, sizeof(*tree));
	tree->image = image;
	strmap_put(trees, digest->hex, tree);
	return tree;
}

/* Images of several names may have the same manifest. */
static void add_stack(struct checked_tree *flat, struct checked_image *image)
{
	for (const struct checked_image *other = flat->stacks; other; other = other->next_stack)
		if (digest_equal(&other->stored.digest, &image->stored.digest))
			return;
	image->next_stack = flat->stacks;
	flat->stacks = image;
}

/* Adds the trees that the image needs, according to its manifest. */
static void add_trees(struct check *check, struct checked_image *image)
{
	const struct published *published = image->published;
	struct checked_tree *flat;

	for (size_t i = 0; i < published->n_layers; i++) {
		struct checked_tree *tree =
			add_tree(&check->layers, published, &published->layers[i]);

		if (image->readable)
			tree->diff_id = image->stored.config.diff_ids[i].hex;
	}
	if (!*published->flat.hex)
		return;
	flat = add_tree(&check->flats, published, &published->flat);
	if (image->readable)
		add_stack(flat, image);
}

int check_images(struct check *check, ducc_error **err)
{
	for (size_t i = 0; i < check->n; i++) {
		struct checked_image *image = &check->images[i];
		const struct published *published = image->published;
		int original;

		if (context_cancelled(&check->session->context))
			return context_interrupted(err);
		if (published->failure)
			image_error(check, image, published->label, error_copy(published->failure));
		if (published->failure && !*published->manifest.hex)
			continue; /* nothing else is known of it */
		original = check_original_image(check, published->label);
		if (original > 0)
			check_link_of_original(check, image);
		else if (!original)
			read_documents(check, image);
		if (image->readable)
			check_listing(check, image);
		add_trees(check, image);
	}
	return 0;
}

/* --- public names ----------------------------------------------------- */

/* The images of one name. */
struct name {
	struct check *check;
	struct checked_image **images;
	size_t n;
	struct strset links; /* that they need */
};

/* The image to which the link belongs. */
static struct checked_image *image_of(const struct name *name, const char *path)
{
	for (size_t i = 1; i < name->n; i++)
		if (!strcmp(path, name->images[i]->published->label))
			return name->images[i];
	return name->images[0];
}

static int check_link(void *ctx, const char *path, const char *target, ducc_error **err)
{
	struct name *name = ctx;
	const struct repository *repository = &name->check->repository;
	AUTO_FREE char *found = repository_read_link(repository, path);
	bool unknown = !found && errno != EINVAL;

	(void)err;
	strset_add(&name->links, path);
	if (unknown)
		image_absent(name->check, image_of(name, path), path, target);
	else if (!found || !link_matches(found, target))
		image_differs(name->check, image_of(name, path), DIFFERS_LINK, path, target, found);
	return 0;
}

/* Links for platforms that no image with the name has. */
static int check_other_links(struct name *name, ducc_error **err)
{
	struct check *check = name->check;
	const struct published *first = name->images[0]->published;
	AUTO_STRSET paths = {NULL};
	bool broken; /* publishing an image again does not change it */

	if (names_for_platforms(&check->repository, first->name, &paths, err) < 0)
		return -1;
	for (size_t i = 0; i < paths.n; i++) {
		const char *path = paths.list[i];
		int found = strset_has(&name->links, path)
				    ? 0
				    : repository_find(&check->repository, path);

		if (found < 0)
			check_absent(check, &broken, first->label, path, NULL);
		else if (found)
			check_differs(check, &broken, DIFFERS_ORPHAN, first->label, path, NULL,
				      NULL);
	}
	return 0;
}

/* What cannot be looked at is a failure, and keeps nothing else from being checked. */
static void check_name(struct name *name)
{
	const struct names names = {&name->check->repository, check_link, NULL, name, NULL};
	AUTO_FREE struct naming *namings = xcalloc(name->n, sizeof(*namings));
	ducc_error *error = NULL;
	int result;

	for (size_t i = 0; i < name->n; i++) {
		const struct checked_image *image = name->images[i];

		namings[i].name = image->published->name;
		namings[i].platform = names_platform(&image->stored.config.platform);
		namings[i].config = &image->stored.manifest.config.digest;
	}
	result = names_each(&names, namings, name->n, &error);
	if (!result && !name->check->options.n_images)
		result = check_other_links(name, &error);
	if (result < 0)
		check_unread(name->check, name->images[0]->published->label, error);
	strset_free(&name->links);
	for (size_t i = 0; i < name->n; i++) {
		free(namings[i].platform);
		free(namings[i].label);
	}
}

static int by_name(const void *a, const void *b)
{
	const struct published *x = (*(struct checked_image *const *)a)->published;
	const struct published *y = (*(struct checked_image *const *)b)->published;
	int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->label, y->label);
}

void check_names(struct check *check)
{
	AUTO_FREE struct checked_image **images = xcalloc(check->n, sizeof(*images));
	size_t n = 0;

	for (; n < check->n; n++)
		images[n] = &check->images[n];
	if (n)
		qsort(images, n, sizeof(*images), by_name);
	for (size_t first = 0, end; first < n; first = end) {
		bool readable = true;

		for (end = first; end < n && !strcmp(images[end]->published->name,
						     images[first]->published->name);
		     end++)
			readable &= images[end]->readable && !check_platform_is_lost(images[end]);
		if (readable)
			check_name(&(struct name){check, images + first, end - first, {NULL}});
	}
}

/* --- Podman ----------------------------------------------------------- */

static void on_podman_failure(void *ctx, const char *path, ducc_error *error)
{
	struct check *check = ctx;
	bool broken;

	check_error(check, &broken, NULL, path, error);
}

static void on_podman_file(void *ctx, size_t i, const char *path)
{
	struct check *check = ctx;
	bool none = false;

	check_attributes(check, i < check->n ? &check->images[i].broken : &none,
			 i < check->n ? check->images[i].published->label : NULL, path);
}

static void on_podman(void *ctx, size_t i, const char *kind, const char *path, const char *expected,
		      const char *found)
{
	struct check *check = ctx;
	bool broken;

	if (i < check->n)
		image_differs(check, &check->images[i], kind, path, expected, found);
	else
		check_differs(check, &broken, kind, NULL, path, expected, found);
}

static struct podman_checked podman_image(const struct checked_image *image)
{
	const struct stored_image *stored = &image->stored;
	const char *name = image->published->name;

	return (struct podman_checked){
		.name = name,
		.named = !strcmp(name, image->published->label),
		.image = {.manifest = image->readable ? &stored->manifest : NULL,
			  .manifest_json = stored->manifest_json,
			  .manifest_len = stored->manifest_len,
			  .digest = &stored->digest,
			  .config = &stored->config,
			  .config_json = stored->config_json,
			  .config_len = stored->config_len}};
}

void check_podman(struct check *check)
{
	AUTO_FREE struct podman_checked *checked = xcalloc(check->n, sizeof(*checked));
	struct podman_check podman = {&check->repository, on_podman, on_podman_file,
				      on_podman_failure, check};

	for (size_t i = 0; i < check->n; i++)
		checked[i] = podman_image(&check->images[i]);
	podman_check(&podman, checked, check->n,
		     check->options.n_images ? NULL : &check->inventory);
	for (size_t i = 0; i < check->n; i++)
		if (*checked[i].listed.hex)
			check->images[i].manifest = checked[i].listed;
}
