/* What a publish sends beside layers: see parcel.h. */
#include "parcel.h"

#include <errno.h>
#include <fcntl.h>

#include "buffer.h"
#include "catalogs.h"
#include "clock.h"
#include "mem.h"
#include "path.h"

/* A file without a name, which not every file system can make in one go. */
static int open_temporary(const struct store *store)
{
	AUTO_FREE char *name = format("tmp/parcel-%ld", (long)getpid());
	int fd = path_open(store->fd, "tmp", O_RDWR | O_TMPFILE, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	fd = path_open(store->fd, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd >= 0)
		unlinkat(store->fd, name, 0);
	return fd;
}

int parcel_open(struct parcel *parcel, struct context *context, const struct store *store,
		const struct repository *repository, ducc_error **err)
{
	*parcel = (struct parcel){.context = context,
				  .repository = repository,
				  .now = clock_now().tv_sec,
				  .fd = open_temporary(store)};
	if (parcel->fd < 0)
		return error_errno(err, errno, "%s/tmp", store->path);
	parcel->tarball = tarball_new(parcel->fd, "");
	return 0;
}

void parcel_close(struct parcel *parcel)
{
	tarball_free(parcel->tarball);
	cleanup_close(&parcel->fd);
	strset_free(&parcel->names);
}

struct parcel_mark parcel_mark(struct parcel *parcel)
{
	if (tarball_flush(parcel->tarball, NULL) < 0)
		parcel->broken = true;
	return (struct parcel_mark){parcel->names.n, tarball_offset(parcel->tarball)};
}

void parcel_reset(struct parcel *parcel, struct parcel_mark mark)
{
	tarball_free(parcel->tarball);
	strset_cut(&parcel->names, mark.names);
	parcel->tarball = tarball_resume(parcel->fd, "", mark.offset, NULL);
	if (parcel->tarball)
		return;
	parcel->broken = true;
	parcel->tarball = tarball_new(parcel->fd, "");
}

int parcel_finish(struct parcel *parcel, uint64_t *size, ducc_error **err)
{
	if (parcel->broken)
		return error_set(err, "no room for what is to be published");
	if (tarball_flush(parcel->tarball, err) < 0)
		return -1;
	*size = tarball_offset(parcel->tarball);
	return 0;
}

/* --- entries ---------------------------------------------------------- */

int parcel_add_data(struct parcel *parcel, const char *path, const struct file *file,
		    const void *data, ducc_error **err)
{
	if (tarball_entry(parcel->tarball, path, file, NULL, err) < 0 ||
	    (file->size && tarball_data(parcel->tarball, data, file->size, err) < 0))
		return error_wrap(err, "%s", path);
	return 0;
}

/* A file of our own, in a directory that is named. */
static int add_own(struct parcel *parcel, const char *path, const void *data, size_t len,
		   ducc_error **err)
{
	struct file file = {.mode = S_IFREG | 0644, .mtime = parcel->now, .size = len};

	return parcel_add_data(parcel, path, &file, data, err);
}

/* Ingest would make up an owner for them. */
static int add_directories(struct parcel *parcel, const char *path, ducc_error **err)
{
	struct file file = {.mode = S_IFDIR | 0755, .mtime = parcel->now};

	for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
		AUTO_FREE char *parent = xstrndup(path, (size_t)(slash - path));

		if (!strset_add(&parcel->names, parent))
			continue;
		if (tarball_entry(parcel->tarball, parent, &file, NULL, err) < 0)
			return error_wrap(err, "%s", parent);
	}
	return 0;
}

/* True if the directory has a catalog, or gets one in this parcel. */
static bool has_catalog(const struct parcel *parcel, const char *directory)
{
	AUTO_FREE char *marker = format("%s/" CATALOG_MARKER, directory);

	return strset_has(&parcel->names, marker) || repository_has(parcel->repository, marker);
}

/* Begins a catalog at a directory, whose entry is in the tar, unless one does already. */
static int add_catalog(struct parcel *parcel, const char *directory, ducc_error **err)
{
	AUTO_FREE char *marker = format("%s/" CATALOG_MARKER, directory);

	if (has_catalog(parcel, directory))
		return 0;
	strset_add(&parcel->names, marker);
	return add_own(parcel, marker, "", 0, err);
}

/*
 * The directories at the top that hold the bulk have catalogs, so that the root's,
 * which every client loads and every publish changes, stays small.
 */
static int add_top_catalog(struct parcel *parcel, const char *path, ducc_error **err)
{
	static const char *const tops[] = {".layers", ".flat", ".metadata", "podmanStore"};
	size_t len = strcspn(path, "/");

	for (size_t i = 0; i < ARRAY_LEN(tops); i++)
		if (strlen(tops[i]) == len && !strncmp(path, tops[i], len))
			return add_catalog(parcel, tops[i], err);
	return 0;
}

int parcel_add_parents(struct parcel *parcel, const char *path, ducc_error **err)
{
	if (add_directories(parcel, path, err) < 0)
		return -1;
	return add_top_catalog(parcel, path, err);
}

int parcel_add_file(struct parcel *parcel, const char *path, const void *data, size_t len,
		    ducc_error **err)
{
	if (parcel_add_parents(parcel, path, err) < 0)
		return -1;
	return add_own(parcel, path, data, len, err);
}

int parcel_add_listing(struct parcel *parcel, const struct listing_head *head, struct tree *tree,
		       ducc_error **err)
{
	AUTO_FREE char *path = layer_listing(&head->layer), *text = NULL;
	size_t len;

	tree_count_links(tree);
	if (listing_print(head, tree, &text, &len, err) < 0)
		return error_wrap(err, "%s", path);
	return parcel_add_file(parcel, path, text, len, err);
}

int parcel_add_hardlink(struct parcel *parcel, const char *path, const char *to, ducc_error **err)
{
	struct file file = {.mode = S_IFREG | 0644, .mtime = parcel->now};

	if (parcel_add_parents(parcel, path, err) < 0 ||
	    tarball_entry(parcel->tarball, path, &file, to, err) < 0)
		return error_wrap(err, "%s", path);
	return 0;
}

int parcel_add_symlink(struct parcel *parcel, const char *path, const char *target,
		       ducc_error **err)
{
	AUTO_FREE char *copy = xstrdup(target);
	struct file file = {.mode = S_IFLNK | 0777, .mtime = parcel->now, .target = copy};

	if (parcel_add_parents(parcel, path, err) < 0 ||
	    tarball_entry(parcel->tarball, path, &file, NULL, err) < 0)
		return error_wrap(err, "%s", path);
	return 0;
}

/* --- catalogs within layers and flat trees ---------------------------- */

struct placing {
	struct parcel *parcel;
	const char *directory; /* of the tree in the repository */
	struct tree *tree;
	struct buffer path;
	ducc_error **err;
};

static int place_catalog(void *ctx, const struct node *node)
{
	struct placing *placing = ctx;
	AUTO_FREE char *path = NULL;

	/* An image may bring such a file; it does the same. */
	if (tree_child(placing->tree, node, CATALOG_MARKER, strlen(CATALOG_MARKER)))
		return 0;
	node_path(node, &placing->path);
	path = format("%s/%s/" CATALOG_MARKER, placing->directory, placing->path.data);
	return add_own(placing->parcel, path, "", 0, placing->err);
}

int parcel_add_catalogs(struct parcel *parcel, const char *directory, const char *inside,
			struct tree *tree, char *(*listing)(const struct digest *digest),
			ducc_error **err)
{
	struct placing placing = {parcel, inside, tree, {NULL}, err};
	int64_t entries = catalogs_place(tree, place_catalog, &placing);
	AUTO_FREE char *above = xstrndup(directory, (size_t)(strrchr(directory, '/') - directory));

	buffer_free(&placing.path);
	if (entries < 0)
		return -1;
	if (entries > CATALOG_LIMIT)
		context_notice(parcel->context, DUCC_WARNING,
			       "%s: a directory in it makes a catalog of %lld entries", inside,
			       (long long)entries);
	if (entries >= CATALOG_MIN)
		return add_catalog(parcel, directory, err);
	/* Counting reads every listing beneath the directory: only if the result matters. */
	if (has_catalog(parcel, above))
		return 0;
	if (catalogs_count_small(parcel->repository, above, listing) + (uint64_t)entries >=
	    CATALOG_MIN)
		return add_catalog(parcel, above, err);
	return 0;
}
