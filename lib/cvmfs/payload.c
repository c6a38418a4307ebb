/* The data that a publish sends in addition to layers: see payload.h. */
#include "cvmfs/payload.h"

#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "cvmfs/catalogs.h"
#include "format/repo_paths.h"

/* An unnamed file; not every file system supports O_TMPFILE. */
static int open_temporary(const struct store *store)
{
	AUTO_FREE char *name = format("tmp/payload-%ld", (long)getpid());
	int fd = path_open(store->fd, "tmp", O_RDWR | O_TMPFILE, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	/* One that was killed may have left it; one in another container needs its name no more. */
	for (int tries = 0; fd < 0 && tries < 3; tries++) {
		fd = path_open(store->fd, name, O_RDWR | O_CREAT | O_EXCL, 0600);
		if (fd < 0 && errno != EEXIST)
			break;
		unlinkat(store->fd, name, 0);
	}
	return fd;
}

int payload_open(struct payload *payload, struct context *context, const struct store *store,
		 const struct repository *repository, ducc_error **err)
{
	*payload = (struct payload){.context = context,
				    .repository = repository,
				    .now = clock_now().tv_sec,
				    .fd = open_temporary(store)};
	if (payload->fd < 0)
		return error_errno(err, errno, "%s/tmp", store->path);
	payload->tarball = tarball_new(payload->fd, "");
	return 0;
}

void payload_close(struct payload *payload)
{
	tarball_free(payload->tarball);
	cleanup_close(&payload->fd);
	strset_free(&payload->names);
}

struct payload_mark payload_mark(struct payload *payload)
{
	if (tarball_flush(payload->tarball, NULL) < 0)
		payload->broken = true;
	return (struct payload_mark){payload->names.n, tarball_offset(payload->tarball)};
}

void payload_reset(struct payload *payload, struct payload_mark mark)
{
	tarball_free(payload->tarball);
	strset_cut(&payload->names, mark.names);
	payload->tarball = tarball_resume(payload->fd, "", mark.offset, NULL);
	if (payload->tarball)
		return;
	payload->broken = true;
	payload->tarball = tarball_new(payload->fd, "");
}

int payload_finish(struct payload *payload, uint64_t *size, ducc_error **err)
{
	if (payload->broken)
		return error_set_kind(err, DUCC_NO_SPACE, "no space for the data to be published");
	if (tarball_flush(payload->tarball, err) < 0)
		return -1;
	*size = tarball_offset(payload->tarball);
	return 0;
}

/* --- entries ---------------------------------------------------------- */

int payload_add_data(struct payload *payload, const char *path, const struct file *file,
		     const void *data, ducc_error **err)
{
	if (tarball_entry(payload->tarball, path, file, NULL, err) < 0 ||
	    (file->size && tarball_data(payload->tarball, data, file->size, err) < 0))
		return error_wrap(err, "%s", path);
	return 0;
}

/* Adds a file that is not part of an image; its directory must be in the tar. */
static int add_own(struct payload *payload, const char *path, const void *data, size_t len,
		   ducc_error **err)
{
	struct file file = {.mode = S_IFREG | 0644, .mtime = payload->now, .size = len};

	return payload_add_data(payload, path, &file, data, err);
}

/* Adds the parent directories, to which ingest would give an arbitrary owner. */
static int add_directories(struct payload *payload, const char *path, ducc_error **err)
{
	struct file file = {.mode = S_IFDIR | 0755, .mtime = payload->now};

	for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
		AUTO_FREE char *parent = xstrndup(path, (size_t)(slash - path));

		if (!strset_add(&payload->names, parent))
			continue;
		if (tarball_entry(payload->tarball, parent, &file, NULL, err) < 0)
			return error_wrap(err, "%s", parent);
	}
	return 0;
}

/* True if a catalog begins at the directory, or will with this payload. */
static bool has_catalog(const struct payload *payload, const char *directory)
{
	AUTO_FREE char *marker = format("%s/" CATALOG_MARKER, directory);

	return strset_has(&payload->names, marker) || repository_has(payload->repository, marker);
}

/* Begins a catalog at a directory, whose entry is in the tar, unless it has one. */
static int add_catalog(struct payload *payload, const char *directory, ducc_error **err)
{
	AUTO_FREE char *marker = format("%s/" CATALOG_MARKER, directory);

	if (has_catalog(payload, directory))
		return 0;
	strset_add(&payload->names, marker);
	return add_own(payload, marker, "", 0, err);
}

/*
 * The large top-level directories have catalogs, so that the root catalog, which every
 * client loads and every publish changes, stays small.
 */
static int add_top_catalog(struct payload *payload, const char *path, ducc_error **err)
{
	static const char *const tops[] = {REPO_LAYERS, REPO_FLAT, REPO_METADATA, REPO_PODMAN};
	size_t len = strcspn(path, "/");

	for (size_t i = 0; i < ARRAY_LEN(tops); i++)
		if (strlen(tops[i]) == len && !strncmp(path, tops[i], len))
			return add_catalog(payload, tops[i], err);
	return 0;
}

int payload_add_parents(struct payload *payload, const char *path, ducc_error **err)
{
	if (add_directories(payload, path, err) < 0)
		return -1;
	return add_top_catalog(payload, path, err);
}

int payload_add_listing(struct payload *payload, const struct listing_head *head, struct tree *tree,
			ducc_error **err)
{
	AUTO_FREE char *path = layer_listing(&head->layer), *text = NULL;
	size_t len;

	tree_count_links(tree);
	if (listing_print(head, tree, &text, &len, err) < 0)
		return error_wrap(err, "%s", path);
	if (payload_add_parents(payload, path, err) < 0)
		return -1;
	return add_own(payload, path, text, len, err);
}

/* --- catalogs within layers and flat trees ---------------------------- */

struct placing {
	struct payload *payload;
	const char *directory; /* of the tree in the repository */
	struct tree *tree;
	struct buffer path;
	ducc_error **err;
};

static int place_catalog(void *ctx, const struct node *node)
{
	struct placing *placing = ctx;
	AUTO_FREE char *path = NULL;

	/* A file of that name in the image has the same effect. */
	if (tree_child(placing->tree, node, CATALOG_MARKER, strlen(CATALOG_MARKER)))
		return 0;
	node_path(node, &placing->path);
	path = format("%s/%s/" CATALOG_MARKER, placing->directory, placing->path.data);
	return add_own(placing->payload, path, "", 0, placing->err);
}

int payload_add_catalogs(struct payload *payload, const char *directory, const char *inside,
			 struct tree *tree, enum repo_tree kind, ducc_error **err)
{
	struct placing placing = {payload, inside, tree, {NULL}, err};
	int64_t entries = catalogs_place(tree, place_catalog, &placing);
	AUTO_FREE char *above = xstrndup(directory, (size_t)(strrchr(directory, '/') - directory));

	buffer_free(&placing.path);
	if (entries < 0)
		return -1;
	if (entries > CATALOG_LIMIT)
		context_notice(payload->context, DUCC_WARNING,
			       "%s: one directory requires a catalog of %lld entries", inside,
			       (long long)entries);
	if (entries >= CATALOG_MIN)
		return add_catalog(payload, directory, err);
	/* Counting reads every listing beneath the directory, so only if the result matters. */
	if (has_catalog(payload, above))
		return 0;
	if (catalogs_count_small(payload->repository, above, kind) + (uint64_t)entries >=
	    CATALOG_MIN)
		return add_catalog(payload, above, err);
	return 0;
}
