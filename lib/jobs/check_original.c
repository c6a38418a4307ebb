/*
 * Judging what the original DUCC has published: see check.h.
 *
 * It leaves no listings, so contents cannot be compared.  But it describes a layer in layers.json
 * once it is complete, and publishes each file twice, in different ways: layers keep all bits of
 * the mode, and flat trees the owner.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "content/layer_name.h"
#include "format/json.h"
#include "format/repo_paths.h"
#include "jobs/check.h"

#define SPECIAL (S_ISUID | S_ISGID | S_ISVTX)

/* --- walking through a tree ------------------------------------------- */

struct walk {
	struct check *check;
	struct checked_tree *tree;
	const char *object; /* for reports */
	const char *at;     /* the path of the tree in the repository */
	void (*visit)(const struct walk *walk, const char *path, const struct stat *st);
	struct beneath *layers; /* of an image, the lowest first */
};

static void differs(const struct walk *walk, const char *kind, const char *path,
		    const char *expected, const char *found)
{
	AUTO_FREE char *whole = format("%s%s%s", walk->at, *path ? "/" : "", path);

	check_differs(walk->check, &walk->tree->broken, kind, walk->object, whole, expected, found);
}

static void failed(const struct walk *walk, const char *path, int error)
{
	AUTO_FREE char *whole = format("%s%s%s", walk->at, *path ? "/" : "", path);

	check_failed(walk->check, walk->object, whole, error);
}

static void walk_directory(const struct walk *walk, int root, struct strset *directories, size_t i)
{
	const char *directory = directories->list[i], *name;
	AUTO_ENTRIES entries = entries_open(root, directory);

	while ((name = entries_next(&entries))) {
		AUTO_FREE char *path = format("%s%s%s", directory, *directory ? "/" : "", name);
		struct stat st;

		if (fstatat(entries.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			failed(walk, path, errno);
			continue;
		}
		walk->visit(walk, path, &st);
		if (S_ISDIR(st.st_mode))
			strset_add(directories, path);
	}
	if (entries.error)
		failed(walk, directory, entries.error);
}

static void walk_tree(const struct walk *walk, int root)
{
	AUTO_STRSET directories = {NULL};

	strset_add(&directories, "");
	for (size_t i = 0; i < directories.n; i++)
		if (!context_cancelled(&walk->check->session->context))
			walk_directory(walk, root, &directories, i);
}

/* --- images and layers ------------------------------------------------ */

/*
 * Reads a document, an object or an array: *json is NULL if there is none.  -1 if that is unknown,
 * which is reported.
 */
static int read_document(struct check *check, const char *path, bool array, cJSON **json)
{
	AUTO_CLOSE int root = repository_root(&check->repository);
	AUTO_FREE char *data = NULL;
	ducc_error *error = NULL;
	bool broken;
	size_t len;

	*json = NULL;
	if (!path_read(root, path, JSON_LIMIT, &data, &len, &error)) {
		*json = array ? json_parse_array(data, len, path, NULL)
			      : json_parse(data, len, path, NULL);
		return 0;
	}
	if (error_is_failure(error)) {
		check_error(check, &broken, NULL, path, error);
		return -1;
	}
	ducc_error_free(error);
	return 0;
}

int check_original_image(struct check *check, const char *label)
{
	AUTO_FREE char *config = image_metadata(label, "config.json");
	AUTO_FREE char *listing = image_metadata(label, "rootfs.mtree");
	AUTO_FREE char *manifest = image_metadata(label, "manifest.json");
	AUTO_JSON *json = NULL;

	if (repository_has(&check->repository, config) ||
	    repository_has(&check->repository, listing))
		return 0;
	if (read_document(check, manifest, false, &json) < 0)
		return -1;
	return cJSON_GetObjectItemCaseSensitive(json, "SchemaVersion") != NULL;
}

/* 1 if the original has described the layer, which it does when the layer is published; 0, or -1. */
static int is_described(struct check *check, const struct digest *layer)
{
	AUTO_FREE char *path = layer_metadata(layer, "layers.json");
	AUTO_FREE char *digest = format(PRI_DIGEST, layer->hex);
	AUTO_JSON *json = NULL;
	const char *of;

	if (read_document(check, path, true, &json) < 0)
		return -1;
	of = json ? json_text(json->child, "compressed-diff-digest") : NULL;
	return of && !strcmp(of, digest);
}

static bool is_unlisted(const struct check *check, const char *listing)
{
	AUTO_CLOSE int root = repository_root(&check->repository);

	return path_is_absent(root, listing);
}

/* Finds whiteouts of AUFS. */
static void visit_layer(const struct walk *walk, const char *path, const struct stat *st)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (layer_name_is_whiteout(name, strlen(name)) && S_ISREG(st->st_mode))
		differs(walk, DIFFERS_WHITEOUT, path, NULL, "file");
}

bool check_original_layer(struct check *check, struct checked_tree *tree,
			  const struct digest *layer, const char *root, const char *object)
{
	AUTO_FREE char *listing = layer_listing(layer);
	struct walk walk = {check, tree, object, root, visit_layer, NULL};
	AUTO_CLOSE int fd = -1;
	int described = is_unlisted(check, listing) ? is_described(check, layer) : 0;

	if (described <= 0)
		return described < 0;
	fd = repository_open_layerfs(&check->repository, layer);
	if (fd < 0 && is_absence(errno))
		return false;
	if (fd < 0) {
		failed(&walk, "", errno);
		return true;
	}
	tree->original = true;
	walk_tree(&walk, fd);
	return true;
}

/* --- flat trees ------------------------------------------------------- */

/* Finds the entry in the uppermost layer that has it; returns the layer, or -1, also if unknown. */
static int find_in_layers(const struct walk *walk, const char *path, struct stat *st)
{
	for (size_t i = walk->tree->image->n_layers; i-- > 0;) {
		const char *name;
		int parent;

		if (walk->layers[i].root < 0)
			continue; /* reported with the layer */
		parent = beneath_parent(&walk->layers[i], path, &name);
		if (parent >= 0 && !fstatat(parent, name, st, AT_SYMLINK_NOFOLLOW))
			return (int)i;
		if (!is_absence(errno)) {
			failed(walk, path, errno);
			return -1;
		}
	}
	return -1;
}

/* True if this difference of a layer has not been reported for another image. */
static bool is_new(const struct walk *walk, struct checked_tree *layer, const char *path)
{
	bool new;

	pthread_mutex_lock(&walk->check->mutex);
	new = strset_add(&layer->owners, path);
	pthread_mutex_unlock(&walk->check->mutex);
	return new;
}

static char *owner_text(const struct stat *st)
{
	return format("%" PRIu32 ":%" PRIu32, (uint32_t)st->st_uid, (uint32_t)st->st_gid);
}

/* Layers belong to the owner of the repository. */
static void check_owner(const struct walk *walk, size_t i, const char *path, const struct stat *st,
			const struct stat *there)
{
	const struct digest *digest = &walk->tree->image->layers[i];
	struct checked_tree *layer = strmap_get(&walk->check->layers, digest->hex);
	AUTO_FREE char *expected = owner_text(st), *found = owner_text(there);
	AUTO_FREE char *object = format(PRI_DIGEST, digest->hex);
	AUTO_FREE char *at = repository_layer_root(&walk->check->repository, digest);
	const struct walk of_layer = {walk->check, layer, object, at, NULL, NULL};

	if (!at)
		check_failed(walk->check, object, path, errno);
	else if (layer->original && strcmp(expected, found) != 0 && is_new(walk, layer, path))
		differs(&of_layer, "owner", path, expected, found);
}

static char *mode_text(const struct stat *st)
{
	return format("%04o", st->st_mode & 07777);
}

/* Flat trees lack the setuid, setgid and sticky bits. */
static void check_mode(const struct walk *walk, const char *path, const struct stat *st,
		       const struct stat *there)
{
	AUTO_FREE char *expected = mode_text(there), *found = mode_text(st);

	if (there->st_mode & SPECIAL & ~st->st_mode)
		differs(walk, "mode", path, expected, found);
}

static void visit_flat(const struct walk *walk, const char *path, const struct stat *st)
{
	struct stat there;
	int i = S_ISLNK(st->st_mode) ? -1 : find_in_layers(walk, path, &there);

	if (i < 0 || (st->st_mode & S_IFMT) != (there.st_mode & S_IFMT))
		return;
	check_mode(walk, path, st, &there);
	check_owner(walk, (size_t)i, path, st, &there);
}

/* The files for Singularity are written last: 1 if they are there, 0 if not, or -1. */
static int is_complete(struct check *check, const char *directory)
{
	AUTO_FREE char *path = format("%s/.singularity.d/runscript", directory);
	int found = repository_find(&check->repository, path);

	if (found < 0)
		check_failed(check, NULL, path, errno);
	return found;
}

bool check_original_flat(struct check *check, struct checked_tree *tree,
			 const struct digest *config, const char *object)
{
	AUTO_FREE char *listing = flat_listing(config), *directory = flat_directory(config);
	AUTO_CLOSE int top = repository_root(&check->repository), root = -1;
	size_t n = tree->image->n_layers;
	AUTO_FREE struct beneath *layers = NULL;
	struct walk walk = {check, tree, object, directory, visit_flat, NULL};
	int original = 0;

	if (tree->image->n_layers && is_unlisted(check, listing))
		original = is_complete(check, directory);
	if (original > 0)
		original = check_original_image(check, tree->image->label);
	if (original <= 0)
		return original < 0;
	root = path_open(top, directory, O_RDONLY | O_DIRECTORY, 0);
	layers = xcalloc(n, sizeof(*layers));
	for (size_t i = 0; i < n; i++)
		layers[i] = (struct beneath)BENEATH(
			repository_open_layerfs(&check->repository, &tree->image->layers[i]));
	walk.layers = layers;
	tree->original = true;
	walk_tree(&walk, root);
	for (size_t i = 0; i < n; i++) {
		beneath_close(&layers[i]);
		cleanup_close(&layers[i].root);
	}
	return true;
}
