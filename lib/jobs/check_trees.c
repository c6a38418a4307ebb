/* Checking layers and flat trees: see check.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "content/layer_name.h"
#include "content/listing.h"
#include "format/json.h"
#include "format/repo_paths.h"
#include "jobs/check.h"
#include "repo/target.h"

/* One tree, while it is checked. */
struct job {
	struct check *check;
	struct checked_tree *tree;
	const char *object;   /* for reports */
	const char *root;     /* of the tree in the repository */
	struct beneath layer; /* of a flat tree: the layer that its files were last compared with */
	const struct digest *of;
};

static void differs(const struct job *job, const char *kind, const char *path, const char *expected,
		    const char *found)
{
	check_differs(job->check, &job->tree->broken, kind, job->object, path, expected, found);
}

static void error(const struct job *job, const char *path, ducc_error *err)
{
	check_error(job->check, &job->tree->broken, job->object, path, err);
}

static void check_document(const struct job *job, const char *path)
{
	check_attributes(job->check, &job->tree->broken, job->object, path);
}

static void absent(const struct job *job, const char *path, const char *expected)
{
	check_absent(job->check, &job->tree->broken, job->object, path, expected);
}

/* An entry could not be looked at. */
static void failed(const struct job *job, const char *path, int code)
{
	AUTO_FREE char *whole = format("%s%s%s", job->root, *path ? "/" : "", path);

	check_failed(job->check, job->object, whole, code);
}

static void on_failure(void *ctx, const char *path, int code)
{
	failed(ctx, path, code);
}

static void on_difference(void *ctx, const char *kind, const char *path, const struct node *node,
			  const char *expected, const char *found)
{
	const struct job *job = ctx;
	AUTO_FREE char *whole = format("%s%s%s", job->root, *path ? "/" : "", path);

	(void)node;
	differs(job, kind, whole, expected, found);
}

/* --- contents --------------------------------------------------------- */

/*
 * The layer whose file that of a flat tree is, so that its content has been compared; NULL if it is
 * a file of its own.
 */
static const struct checked_tree *find_compared(struct job *job, const struct file *file,
						const struct stat *st)
{
	const char *name;
	struct stat there;
	int parent;

	if (!job->of || !file->layer)
		return NULL;
	if (!digest_equal(job->of, file->layer)) {
		beneath_close(&job->layer);
		cleanup_close(&job->layer.root);
		job->layer.root = repository_open_layerfs(&job->check->repository, file->layer);
		job->of = file->layer;
	}
	parent = job->layer.root < 0 ? -1 : beneath_parent(&job->layer, file->origin, &name);
	return parent >= 0 && !fstatat(parent, name, &there, AT_SYMLINK_NOFOLLOW) &&
			       file_is_same(&there, st)
		       ? strmap_get(&job->check->layers, file->layer->hex)
		       : NULL;
}

/* How the kind of repository has stored the file. */
static int check_stored(const struct job *job, const char *path, const struct file *file,
			const char **kind, char **found)
{
	const struct repository *repository = &job->check->repository;
	AUTO_FREE char *whole = format("%s/%s", job->root, path);
	ducc_error *error = NULL;

	if (!repository->target->check_file ||
	    !repository->target->check_file(repository, whole, file->size, &error))
		return 0;
	if (error_is_failure(error)) {
		check_unread(job->check, job->object, error);
		return 0;
	}
	*kind = DIFFERS_UNREADABLE;
	*found = xstrdup(ducc_error_message(error));
	ducc_error_free(error);
	return -1;
}

/* Digests an open file, into `found`.  An I/O error is one of the content: a block is lost. */
static int digest_content(const struct job *job, int fd, const char *path, const struct file *file,
			  const char **kind, char **found)
{
	uint8_t sha256[SHA256_SIZE];
	struct digest digest;

	if (fd < 0 || digest_file(fd, file->size, sha256) < 0) {
		if (errno != EIO) {
			failed(job, path, errno);
			return 0;
		}
		*kind = DIFFERS_UNREADABLE;
		*found = xstrdup(strerror(errno));
		return -1;
	}
	if (!memcmp(sha256, file->sha256, sizeof(sha256)))
		return 0;
	digest_from_bytes(&digest, sha256);
	*kind = DIFFERS_CONTENT;
	*found = xstrdup(digest.hex);
	return -1;
}

static void note_wrong(struct strmap *map, const char *path, const char *kind, const char *found)
{
	struct wrong_content *wrong = xmalloc(sizeof(*wrong) + strlen(found) + 1);

	wrong->kind = kind;
	memcpy(wrong->found, found, strlen(found) + 1);
	free(strmap_put(map, path, wrong));
}

static int check_content(void *ctx, int directory, const char *name, const char *path,
			 const struct file *file, const struct stat *st, const char **kind,
			 char **found)
{
	struct job *job = ctx;
	const struct checked_tree *layer;
	const struct wrong_content *wrong;

	if (check_stored(job, path, file, kind, found) < 0)
		return -1;
	if (!job->check->options.contents)
		return 0;
	layer = find_compared(job, file, st);
	if (layer) {
		wrong = strmap_get(&layer->wrong, file->origin);
		if (!wrong)
			return 0;
		*kind = wrong->kind;
		*found = xstrdup(wrong->found);
		return -1;
	}
	AUTO_CLOSE int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (!digest_content(job, fd, path, file, kind, found))
		return 0;
	if (!job->of)
		note_wrong(&job->tree->wrong, path, *kind, *found);
	return -1;
}

/* --- trees ------------------------------------------------------------ */

/* Compares the open directory `root`; if it could not be opened, errno holds the reason. */
static void compare(struct job *job, int root, struct tree *tree, bool layer)
{
	const struct check *check = job->check;
	bool contents = check->options.contents || check->repository.target->check_file;
	struct comparison comparison = {.context = &check->session->context,
					.reduced = check->repository.target->reduces,
					.owner = check->owner,
					.layer = layer,
					.content = contents ? check_content : NULL,
					.differs = on_difference,
					.failed = on_failure,
					.ctx = job};

	if (root < 0 && errno == ENOTDIR && repository_has(&check->repository, job->root))
		differs(job, DIFFERS_TYPE, job->root, "dir", NULL);
	else if (root < 0)
		absent(job, job->root, "dir");
	else
		compare_tree(&comparison, root, tree);
	cleanup_close(&root);
	beneath_close(&job->layer);
	cleanup_close(&job->layer.root);
}

/* True for an entry of a layer's directory that ducc has published. */
static bool is_part(const struct job *job, const char *name)
{
	const char *content = strrchr(job->root, '/') + 1;

	return !strcmp(name, "layerfs") || !strcmp(name, ".metadata") || !strcmp(name, content) ||
	       (job->check->repository.target->reduces && !strcmp(name, CATALOG_MARKER));
}

static void check_directory(const struct job *job, const char *directory)
{
	AUTO_CLOSE int root = repository_root(&job->check->repository);
	AUTO_ENTRIES entries = entries_open(root, directory);
	const char *name;

	while ((name = entries_next(&entries))) {
		AUTO_FREE char *path = format("%s/%s", directory, name);

		if (!is_part(job, name))
			differs(job, DIFFERS_EXTRA, path, NULL, NULL);
	}
	errno = entries.error;
	if (errno)
		absent(job, directory, "dir");
}

static bool has_text(const cJSON *json, const char *key, const char *text)
{
	const char *value = json_text(json, key);

	return value && !strcmp(value, text);
}

static bool has_size(const cJSON *json, const char *key, uint64_t size)
{
	uint64_t value;

	return !json_get_size(json, key, &value, NULL) && value == size;
}

/* layers.json must agree with the head of the listing. */
static void check_layer_json(const struct job *job, const struct listing_head *head)
{
	AUTO_CLOSE int root = repository_root(&job->check->repository);
	AUTO_FREE char *path = layer_metadata(&head->layer, "layers.json"), *data = NULL;
	AUTO_FREE char *digest = format(PRI_DIGEST, head->layer.hex);
	AUTO_FREE char *diff_id = format(PRI_DIGEST, head->diff_id.hex);
	AUTO_JSON *json = NULL;
	ducc_error *err = NULL;
	size_t len;

	if (path_read(root, path, JSON_LIMIT, &data, &len, &err) < 0) {
		error(job, path, err);
		return;
	}
	json = json_parse(data, len, path, NULL);
	if (!json || !has_text(json, "digest", digest) || !has_text(json, "diffID", diff_id) ||
	    !has_size(json, "size", head->size) || !has_size(json, "unpackedSize", head->unpacked))
		differs(job, DIFFERS_DAMAGED, path, NULL, NULL);
	check_document(job, path);
}

/* Reads the listing of a tree; NULL, with what is wrong reported, if that is not possible. */
static struct tree *read_listing(const struct job *job, const char *path, const char *directory,
				 struct listing_head *head)
{
	AUTO_CLOSE int root = repository_root(&job->check->repository);
	AUTO_CLOSE int fd = path_open_file(root, path);
	struct tree *tree;
	ducc_error *err = NULL;

	if (fd < 0 && !is_absence(errno)) {
		absent(job, path, NULL);
	} else if (fd < 0 && path_find(root, directory) <= 0) {
		absent(job, directory, "dir");
	} else if (fd < 0) {
		differs(job, DIFFERS_UNLISTED, directory, path, NULL);
	} else {
		tree = listing_read(fd, head, &err);
		if (tree) {
			check_document(job, path);
			return tree;
		}
		error(job, path, err);
	}
	return NULL;
}

static void check_layer(struct job *job, const struct digest *layer)
{
	AUTO_FREE char *directory = layer_directory(layer), *path = layer_listing(layer);
	AUTO_FREE char *root = repository_layer_root(&job->check->repository, layer);
	struct listing_head head;
	AUTO_TREE *tree = NULL;

	if (!root) {
		check_failed(job->check, job->object, directory, errno);
		return;
	}
	job->root = root;
	if (check_original_layer(job->check, job->tree, layer, root, job->object))
		return;
	tree = read_listing(job, path, directory, &head);
	if (!tree)
		return;
	job->tree->listed = true;
	if (!digest_equal(&head.layer, layer) ||
	    (job->tree->diff_id && strcmp(head.diff_id.hex, job->tree->diff_id) != 0))
		differs(job, DIFFERS_DAMAGED, path, job->tree->diff_id, head.diff_id.hex);
	check_directory(job, directory);
	check_layer_json(job, &head);
	compare(job, repository_open_layerfs(&job->check->repository, layer), tree, true);
}

static void check_flat(struct job *job, const struct digest *config)
{
	AUTO_CLOSE int root = repository_root(&job->check->repository);
	AUTO_FREE char *directory = flat_directory(config), *path = flat_listing(config);
	AUTO_TREE *tree = NULL;
	static const struct digest none = {""};

	if (check_original_flat(job->check, job->tree, config, job->object))
		return;
	tree = read_listing(job, path, directory, NULL);
	if (!tree)
		return;
	job->root = directory;
	job->of = &none;
	if (!job->tree->unstacked)
		compare(job, path_open(root, directory, O_RDONLY | O_DIRECTORY, 0), tree, false);
	if (!job->tree->broken)
		check_stacks(job->check, job->tree, directory, tree);
}

/* --- all of them ------------------------------------------------------ */

struct batch {
	struct check *check;
	const struct strmap *trees;
	bool layers;
};

/* What names the tree in reports; the caller frees it. */
static char *object_of(const struct batch *batch, const char *hex, const struct checked_tree *tree)
{
	return batch->layers ? format(PRI_DIGEST, hex) : xstrdup(tree->image->label);
}

/* True if the look before has found nothing in the tree. */
static bool was_sound(const struct batch *batch, const char *hex, struct checked_tree *tree)
{
	const struct check *before = batch->check->before;
	const struct checked_tree *then = NULL;
	AUTO_FREE char *object = NULL;

	if (before)
		then = strmap_get(batch->layers ? &before->layers : &before->flats, hex);
	if (!then || !then->compared || then->broken)
		return false;
	object = object_of(batch, hex, then);
	tree->original = then->original;
	if (strset_has(&before->suspects, object))
		return false;
	tree->listed = then->listed;
	tree->unstacked = then->unstacked;
	return true;
}

static int check_one(void *ctx, size_t i, ducc_error **err)
{
	const struct batch *batch = ctx;
	struct checked_tree *tree = batch->trees->values[i];
	const char *hex = batch->trees->keys.list[i];
	struct digest digest;
	AUTO_FREE char *object = NULL;
	struct job job = {.check = batch->check, .tree = tree, .layer = BENEATH(-1)};

	if (context_cancelled(&batch->check->session->context))
		return context_interrupted(err);
	if (check_is_stopped(batch->check))
		return 0;
	memcpy(digest.hex, hex, sizeof(digest.hex));
	object = object_of(batch, hex, tree);
	job.object = object;
	if (was_sound(batch, hex, tree) && !tree->unstacked)
		;
	else if (batch->layers)
		check_layer(&job, &digest);
	else
		check_flat(&job, &digest);
	tree->compared = !context_cancelled(&batch->check->session->context);
	return 0;
}

/* Layers first: their contents need not be compared again in flat trees. */
int check_trees(struct check *check, ducc_error **err)
{
	struct batch layers = {check, &check->layers, true}, flats = {check, &check->flats, false};
	unsigned jobs = check->session->jobs;

	if (parallel_run(check->layers.keys.n, jobs, check_one, &layers, err) < 0)
		return -1;
	return parallel_run(check->flats.keys.n, jobs, check_one, &flats, err);
}
