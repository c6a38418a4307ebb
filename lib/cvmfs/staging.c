/* The second road into CernVM-FS: see staging.h. */
#include "cvmfs/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "base/buffer.h"
#include "base/path.h"
#include "base/removal.h"
#include "content/extract.h"
#include "cvmfs/chunking.h"
#include "cvmfs/edit.h"
#include "cvmfs/ingest.h"
#include "cvmfs/mount.h"
#include "format/repo_paths.h"

#define JOURNAL "ducc.staged"
#define JOURNAL_LIMIT ((size_t)64 << 20)
#define MARKER ".cvmfsgraft-"
#define NAME_LIMIT ((size_t)255)
/* Smaller published files are not in chunks, whatever the configuration was. */
#define CHUNKS_MIN ((uint64_t)64 << 10)
/* A graft costs as much as sending so many bytes, and a transaction as so many more. */
#define GRAFT_COST ((uint64_t)16 << 10)
#define TRANSACTION_COST ((uint64_t)64 << 20)

/* --- trees ------------------------------------------------------------ */

static void free_tree(void *value)
{
	struct staged_tree *staged = value;

	for (int stage = 0; stage < STAGES; stage++)
		tree_free(staged->stages[stage]);
	tree_free(staged->links);
	free(staged->directory);
	free(staged->root);
	free(staged);
}

/* A copy for another tree, without extended attributes, which CernVM-FS drops. */
static struct file *copy_file(struct tree *to, const struct file *file)
{
	struct file *copy = file_new(file->mode);

	copy->uid = file->uid;
	copy->gid = file->gid;
	copy->mtime = file->mtime;
	copy->mtime_nsec = file->mtime_nsec;
	if (S_ISREG(file->mode)) {
		copy->size = file->size;
		memcpy(copy->sha256, file->sha256, sizeof(copy->sha256));
		file_set_origin(copy, tree_intern(to, file->layer), file->origin);
	}
	return copy;
}

/* Adds a copy of the directory and its parents. */
static struct node *copy_directory(struct tree *to, const struct node *from)
{
	AUTO_FREE const struct node **path = NULL;
	size_t n = 0, capacity = 0;
	struct node *at = tree_root(to);

	for (; from; from = from->parent) {
		GROW(path, n, capacity);
		path[n++] = from;
	}
	while (n) {
		const struct node *node = path[--n];

		if (node->parent) {
			struct node *child = tree_child(to, at, node->name, node->name_len);

			at = child ? child : tree_add(to, at, node->name, node->name_len);
		}
		if (!at->file)
			node_set_file(at, copy_file(to, node->file));
	}
	return at;
}

/* Adds a copy of the node, a regular file, to *to, which may be created. */
static struct node *add_copy(struct tree **to, const struct node *from)
{
	struct node *parent, *node;

	if (!*to)
		*to = tree_new();
	parent = copy_directory(*to, from->parent);
	node = tree_add(*to, parent, from->name, from->name_len);
	node_set_file(node, copy_file(*to, from->file));
	return node;
}

/* True if a transaction would take the file for a marker. */
static bool is_marker(const struct node *node)
{
	return !strncmp(node->name, MARKER, strlen(MARKER));
}

static bool can_graft(const struct node *node)
{
	return node->name_len + strlen(MARKER) <= NAME_LIMIT && !is_marker(node);
}

/* The same for a file that becomes a hard link to `path`. */
static void add_link(struct tree **to, const struct node *from, const char *path)
{
	add_copy(to, from)->file->target = xstrdup(path);
}

/*
 * The same for a graft: an empty file without a layer, and its marker.  The content of the
 * marker is set by resolve(), when the content at `path` is published.
 */
static void add_graft(struct tree **to, const struct node *from, const char *path)
{
	AUTO_FREE char *marker = format(MARKER "%.*s", (int)from->name_len, from->name);
	struct node *node = add_copy(to, from);

	free(STEAL(node->file->origin));
	node->file->layer = NULL;
	node->file->text = xstrdup("");
	node->file->target = xstrdup(path);
	node = tree_add(*to, node->parent, marker, strlen(marker));
	node_set_file(node, file_new(S_IFREG | 0644));
}

/* The regular file at a path of a staged tree, but not a marker, which is no file of the image. */
static const struct file *file_at(const struct tree *tree, const char *path)
{
	const struct node *node = tree ? tree_find(tree, path) : NULL;

	return node && node->file && S_ISREG(node->file->mode) && !is_marker(node) ? node->file
										   : NULL;
}

/* --- decisions -------------------------------------------------------- */

void staging_init(struct staging *staging, struct context *context, const struct store *store,
		  const struct repository *repository, const struct strset *added, uint64_t limit)
{
	AUTO_FREE char *scratch = mount_spool(repository, "scratch");
	AUTO_FREE char *spool = mount_spool(repository, "");
	struct statvfs space;

	*staging = (struct staging){
		.context = context, .store = store, .repository = repository, .added = added};
	staging->limit = limit ? limit : chunking_limit(repository);
	/* Only root can write files of any owner. */
	staging->possible = !repository->metadata_only && !geteuid();
	if (!statvfs(scratch, &space) || !statvfs(spool, &space))
		staging->room = (uint64_t)space.f_bavail * space.f_frsize;
}

void staging_free(struct staging *staging)
{
	strmap_free_values(&staging->trees, free_tree);
	strmap_free_values(&staging->roots, free);
	strset_free(&staging->splits);
}

const struct staged_tree *staging_find(const struct staging *staging, const char *directory)
{
	return strmap_get(&staging->trees, directory);
}

static struct staged_tree *new_tree(const char *directory, const struct digest *layer)
{
	struct staged_tree *staged = xcalloc(1, sizeof(*staged));

	staged->directory = xstrdup(directory);
	if (layer)
		staged->layer = *layer;
	return staged;
}

/* Keeps the tree if there is something special about it. */
static const struct staged_tree *keep(struct staging *staging, struct staged_tree *staged)
{
	const struct digest *layer = &staged->layer;
	bool in_stages = false;

	for (int stage = 0; stage < STAGES; stage++) {
		if (!staged->stages[stage])
			continue;
		tree_sort(staged->stages[stage]);
		in_stages = true;
	}
	if (!in_stages && !staged->links) {
		free_tree(staged);
		return NULL;
	}
	staged->root = !layer->hex[0] ? xstrdup(staged->directory)
		       : in_stages    ? layer_content(layer, "")
				      : layer_path(layer, "");
	strmap_put(&staging->trees, staged->directory, staged);
	staging->bytes += staged->bytes;
	return staged;
}

/* The root of a published layer, read once. */
static const char *published_root(struct staging *staging, const struct digest *layer)
{
	char *root = strmap_get(&staging->roots, layer->hex);

	if (!root) {
		root = repository_layer_root(staging->repository, layer);
		strmap_put(&staging->roots, layer->hex, root);
	}
	return root;
}

static bool is_in_chunks(const struct repository *repository, const char *path, uint64_t size)
{
	return size >= CHUNKS_MIN && chunking_of(repository, path) == CHUNKING_CHUNKS;
}

struct location staging_locate(struct staging *staging, const struct digest *layer,
			       const char *path, uint64_t size)
{
	AUTO_FREE char *directory = layer_directory(layer);
	const struct staged_tree *staged = staging_find(staging, directory);
	struct location location = {.kind = LOCATION_WHOLE};
	const struct file *file;

	if (!staged) {
		const char *root = published_root(staging, layer);

		location.path = format("%s/%s", root, path);
		location.published = !strset_has(staging->added, directory);
		location.split = !strcmp(strrchr(root, '/') + 1, LAYER_CONTENT);
		if (location.published && is_in_chunks(staging->repository, location.path, size))
			location.kind = LOCATION_CHUNKS;
		return location;
	}
	if ((file = file_at(staged->links, path))) {
		location.path = xstrdup(file->target);
		location.split = true;
	} else if ((file = file_at(staged->stages[0], path)) && file->target) {
		location.split = true;
		if (is_in_chunks(staging->repository, file->target, size)) {
			location.path = xstrdup(file->target);
			location.kind = LOCATION_CHUNKS;
			location.published = true;
		} else {
			location.path = format("%s/%s", staged->root, path);
		}
	} else if (file || (file = file_at(staged->stages[1], path))) {
		location.path =
			file->target ? xstrdup(file->target) : format("%s/%s", staged->root, path);
		location.kind = LOCATION_STAGED;
	} else {
		location.path = format("%s/%s", staged->root, path);
	}
	return location;
}

const struct file *staging_special(const struct staged_tree *staged, const char *path)
{
	const struct file *file = staged ? file_at(staged->links, path) : NULL;

	for (int stage = 0; staged && !file && stage < STAGES; stage++)
		file = file_at(staged->stages[stage], path);
	return file;
}

bool staging_has_published(const struct staging *staging, const char *directory)
{
	return strset_find(&staging->trees.keys, directory) < staging->published;
}

/* True if the published regular file exists and has that size. */
static bool is_there(const struct repository *repository, const char *path, uint64_t size)
{
	AUTO_FREE char *file = format("%s/%s", repository->path, path);
	struct stat st;

	return !lstat(file, &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

/* True if the image has files that only an ingest can publish. */
static bool has_markers(struct tree *tree)
{
	struct node *root = tree_root(tree);

	for (const struct node *node = tree_next(root, root); node; node = tree_next(root, node))
		if (is_marker(node))
			return true;
	return false;
}

/* Stages a file whose content is known, or is to be written. */
static void stage(struct staged_tree *staged, const struct node *node, const struct location *known)
{
	if (known && can_graft(node)) {
		add_graft(&staged->stages[known->kind == LOCATION_STAGED], node, known->path);
		return;
	}
	add_copy(&staged->stages[0], node);
	staged->bytes += node->file->size;
}

static bool is_own_file(const struct node *node, const struct digest *layer)
{
	const struct file *file = node->file;

	return file && S_ISREG(file->mode) && file->layer && digest_equal(file->layer, layer);
}

/* True if this machine can stage files; else it says so, once. */
static bool is_possible(struct staging *staging)
{
	if (!staging->possible && !staging->told)
		context_notice(staging->context, DUCC_INFO,
			       "%s: large files are not split into chunks: that requires the "
			       "repository's mount, and root",
			       staging->repository->name);
	staging->told |= !staging->possible;
	return staging->possible;
}

/* True if the large files of the layer can be staged: the scratch space suffices for them. */
static bool has_room(struct staging *staging, struct tree *tree, const struct digest *layer)
{
	struct node *root = tree_root(tree);
	uint64_t bytes = 0;

	for (struct node *node = root; node; node = tree_next(root, node))
		if (is_own_file(node, layer) && node->file->size > staging->limit)
			bytes += node->file->size;
	if (!bytes)
		return staging->possible;
	if (!is_possible(staging))
		return false;
	if (staging->bytes + bytes <= staging->room)
		return true;
	staging->crowded = true;
	context_notice(staging->context, DUCC_WARNING,
		       "layer " PRI_DIGEST ": %llu MB of large files are not split into chunks: "
		       "there is no space for them in the scratch area",
		       layer->hex, (unsigned long long)bytes / 1000000);
	return false;
}

/* Finds published or added content that is the file's: 1; 0 if there is none. */
static bool find_known(struct staging *staging, const struct file *file, struct location *location)
{
	const struct known_file *known = file->known;

	*location = (struct location){.path = NULL};
	if (!known)
		return false;
	*location = staging_locate(staging, known->layer, known->path, file->size);
	return !location->published || is_there(staging->repository, location->path, file->size);
}

/* A file whose content is known, but whose metadata differ: a graft, if that is worthwhile. */
struct candidate {
	const struct node *node;
	struct location location;
};

struct candidates {
	struct candidate *list;
	size_t n, capacity;
	uint64_t saved; /* bytes, beyond those that cost as much as a graft */
};

/* Decides for one file, unless that depends on the others: then it becomes a candidate. */
static void decide(struct staging *staging, struct staged_tree *staged, const struct node *node,
		   bool large, struct candidates *candidates)
{
	const struct file *file = node->file;
	struct location known;
	bool is_known = find_known(staging, file, &known);
	/* A large file is split if it should be: not if it came by an ingest. */
	bool as_should_be = !large || known.kind != LOCATION_WHOLE || known.split;

	if (is_known && as_should_be && known.kind == LOCATION_WHOLE && file->known->same) {
		add_link(&staged->links, node, known.path);
	} else if (large) {
		stage(staged, node, is_known && as_should_be ? &known : NULL);
	} else if (is_known && known.published && staging->possible && file->size > GRAFT_COST) {
		GROW(candidates->list, candidates->n, candidates->capacity);
		candidates->list[candidates->n++] = (struct candidate){node, known};
		candidates->saved += file->size - GRAFT_COST;
		return;
	}
	free(known.path);
}

const struct staged_tree *staging_add_layer(struct staging *staging, const char *directory,
					    struct tree *tree, const struct digest *layer)
{
	struct staged_tree *staged = strmap_get(&staging->trees, directory);
	struct node *root = tree_root(tree);
	struct candidates candidates = {NULL};
	uint64_t limit;
	bool graft;

	if (staged || has_markers(tree))
		return staged;
	limit = has_room(staging, tree, layer) ? staging->limit : CHUNKING_NEVER;
	staged = new_tree(directory, layer);
	for (struct node *node = root; node; node = tree_next(root, node))
		if (is_own_file(node, layer))
			decide(staging, staged, node, node->file->size > limit, &candidates);
	graft = staged->stages[0] || staging_is_pending(staging) ||
		candidates.saved > TRANSACTION_COST;
	for (size_t i = 0; i < candidates.n; i++) {
		if (graft)
			stage(staged, candidates.list[i].node, &candidates.list[i].location);
		free(candidates.list[i].location.path);
	}
	free(candidates.list);
	return keep(staging, staged);
}

const struct staged_tree *staging_add_flat(struct staging *staging, const char *directory,
					   struct tree *tree)
{
	struct staged_tree *staged = strmap_get(&staging->trees, directory);
	struct node *root = tree_root(tree);

	if (staged || !staging->possible)
		return staged;
	staged = new_tree(directory, NULL);
	for (struct node *node = root; node; node = tree_next(root, node)) {
		const struct file *file = node->file;
		struct location location;

		if (!file || !S_ISREG(file->mode) || !file->layer)
			continue;
		location = staging_locate(staging, file->layer, file->origin, file->size);
		if (location.kind == LOCATION_STAGED ||
		    (location.kind == LOCATION_CHUNKS && can_graft(node)))
			stage(staged, node, &location);
		free(location.path);
	}
	return keep(staging, staged);
}

bool staging_add_split(struct staging *staging, const char *path, uint64_t size)
{
	if (size <= staging->limit || chunking_of(staging->repository, path) != CHUNKING_WHOLE ||
	    !is_possible(staging))
		return false;
	if (staging->bytes + size > staging->room) {
		staging->crowded = true;
		return false;
	}
	if (strset_add(&staging->splits, path))
		staging->bytes += size;
	return true;
}

struct staging_mark staging_mark(const struct staging *staging)
{
	return (struct staging_mark){staging->trees.keys.n, staging->splits.n, staging->bytes};
}

void staging_reset(struct staging *staging, struct staging_mark mark)
{
	size_t n = mark.trees > staging->published ? mark.trees : staging->published;

	for (size_t i = n; i < staging->trees.keys.n; i++)
		free_tree(staging->trees.values[i]);
	strset_cut(&staging->trees.keys, n);
	strset_cut(&staging->splits, mark.splits);
	staging->bytes = mark.bytes;
	staging->crowded = false;
}

/* --- the journal ------------------------------------------------------ */

static int write_journal(const struct staging *staging, ducc_error **err)
{
	AUTO_FREE char *path = mount_spool(staging->repository, JOURNAL);
	AUTO_BUFFER text = {0};

	if (!staging->trees.keys.n)
		return 0;
	for (size_t i = 0; i < staging->trees.keys.n; i++)
		buffer_addf(&text, "%s\n", staging->trees.keys.list[i]);
	if (file_replace(AT_FDCWD, path, text.data, text.len) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

static void remove_journal(const struct repository *repository)
{
	AUTO_FREE char *path = mount_spool(repository, JOURNAL);

	unlink(path);
}

void staging_done(const struct staging *staging)
{
	remove_journal(staging->repository);
}

/*
 * What there is to remove of a staged tree: its directory, if it is incomplete; or the staged
 * content of a layer that somebody else has published since.  The caller frees it.
 */
static char *leftover(const struct repository *repository, const char *directory)
{
	struct digest digest;
	enum repo_tree kind = repo_tree_at(directory, &digest);
	AUTO_FREE char *listing = NULL, *root = NULL, *content = NULL;

	if (kind == REPO_TREE_NONE || !repository_has(repository, directory))
		return NULL;
	listing = kind == REPO_TREE_LAYER ? layer_listing(&digest) : flat_listing(&digest);
	if (!repository_has(repository, listing))
		return xstrdup(directory);
	if (kind == REPO_TREE_FLAT)
		return NULL;
	content = layer_content(&digest, "");
	root = repository_layer_root(repository, &digest);
	return strcmp(root, content) != 0 && repository_has(repository, content) ? STEAL(content)
										 : NULL;
}

int staging_clear_up(struct context *context, const struct repository *repository, ducc_error **err)
{
	AUTO_FREE char *path = mount_spool(repository, JOURNAL), *text = NULL;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_STRSET leftovers = {NULL};
	char *rest = NULL;
	size_t len;

	/* Without the mount, there is no knowing what is left. */
	if (fd < 0 || repository->metadata_only)
		return 0;
	if (read_file(fd, JOURNAL_LIMIT, &text, &len, err) < 0)
		return error_wrap(err, "%s", path);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		AUTO_FREE char *name = leftover(repository, line);

		if (name)
			strset_add(&leftovers, name);
	}
	if (leftovers.n)
		context_notice(context, DUCC_WARNING,
			       "%s: removing %zu incomplete trees of an interrupted publish",
			       repository->name, leftovers.n);
	if (ingest_remove_all(context, repository, (const char *const *)leftovers.list, leftovers.n,
			      err) < 0)
		return -1;
	remove_journal(repository);
	return 0;
}

/* --- publishing ------------------------------------------------------- */

static int check_published(const struct repository *repository, const struct staged_tree *staged,
			   struct tree *tree, ducc_error **err)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		AUTO_FREE char *name = NULL;

		if (!node->file || !S_ISREG(node->file->mode) || is_marker(node))
			continue;
		node_path(node, &path);
		name = format("%s/%s", staged->root, path.data);
		if (!is_there(repository, name, node->file->size))
			return error_set(err, "%s: others have removed it meanwhile; try again",
					 name);
	}
	return 0;
}

int staging_check(const struct staging *staging, ducc_error **err)
{
	for (size_t i = 0; i < staging->published; i++) {
		const struct staged_tree *staged = staging->trees.values[i];

		for (int stage = 0; stage < STAGES; stage++)
			if (staged->stages[stage] &&
			    check_published(staging->repository, staged, staged->stages[stage],
					    err) < 0)
				return -1;
	}
	return 0;
}

char *staging_revision(const struct repository *repository)
{
	char value[256];
	ssize_t n = getxattr(repository->path, "user.root_hash", value, sizeof(value));

	return n < 0 ? NULL : xstrndup(value, (size_t)n);
}

static bool is_pending(const struct staging *staging, int stage)
{
	if (!stage && staging->splits.n)
		return true;
	for (size_t i = staging->published; i < staging->trees.keys.n; i++)
		if (((struct staged_tree *)staging->trees.values[i])->stages[stage])
			return true;
	return false;
}

bool staging_is_pending(const struct staging *staging)
{
	return is_pending(staging, 0) || is_pending(staging, 1);
}

/* Sets the content of the markers of all grafts, from what the repository has. */
static int resolve(const struct staging *staging, struct tree *tree, ducc_error **err)
{
	struct node *root = tree_root(tree);

	for (struct node *node = root; node; node = tree_next(root, node)) {
		AUTO_FREE char *name = NULL;
		struct node *marker;

		if (!node->file || !S_ISREG(node->file->mode) || !node->file->target)
			continue;
		name = format(MARKER "%.*s", (int)node->name_len, node->name);
		marker = tree_child(tree, node->parent, name, strlen(name));
		free(STEAL(marker->file->text));
		marker->file->text = chunking_graft(staging->repository, node->file->target,
						    node->file->size, err);
		if (!marker->file->text)
			return -1;
	}
	return 0;
}

static int find_tar(void *ctx, const struct digest *layer, struct extract_source *source,
		    ducc_error **err)
{
	const struct staging *staging = ctx;
	AUTO_FREE char *name = store_layer_tar_name(layer);

	source->how = EXTRACT_TAR;
	source->fd = path_open(staging->store->fd, name, O_RDONLY, 0);
	return source->fd < 0 ? error_errno(err, errno, "%s", name) : 0;
}

/* Opens the directory, creating it and its parents with mode 0755, regardless of the umask. */
static int make_root(int mount, const char *path, ducc_error **err)
{
	for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
		const char *next = strchr(slash + 1, '/'), *name;
		AUTO_FREE char *part = next ? xstrndup(path, (size_t)(next - path)) : xstrdup(path);
		AUTO_CLOSE int parent = path_open_parent(mount, part, &name);

		if (parent < 0 ||
		    (mkdirat(parent, name, 0755) < 0 ? errno != EEXIST
						     : fchmodat(parent, name, 0755, 0) < 0))
			return error_errno(err, errno, "%s", part);
	}
	AUTO_CLOSE int root = path_open(mount, path, O_RDONLY | O_DIRECTORY, 0);
	return root < 0 ? error_errno(err, errno, "%s", path) : steal_fd(&root);
}

/* Writes one staged tree into the open transaction. */
static int write_tree(const struct staging *staging, int mount, const struct staged_tree *staged,
		      struct tree *tree, ducc_error **err)
{
	struct extract_report report = {0};
	AUTO_CLOSE int root = make_root(mount, staged->root, err);

	if (root < 0 || resolve(staging, tree, err) < 0 ||
	    extract(root, tree, find_tar, (void *)staging, &report, err) < 0)
		return error_wrap(err, "%s", staged->directory);
	return 0;
}

/* Opening a file of the lower layer of an overlay to be written copies it, with its metadata. */
static int write_splits(const struct staging *staging, int mount, ducc_error **err)
{
	for (size_t i = 0; i < staging->splits.n; i++) {
		const char *path = staging->splits.list[i];
		AUTO_CLOSE int fd = path_open(mount, path, O_RDWR | O_NONBLOCK, 0);

		if (fd < 0)
			return error_errno(err, errno, "%s", path);
		if (context_cancelled(staging->context))
			return context_interrupted(err);
	}
	return 0;
}

static int write_stage(const struct staging *staging, struct edit *edit, int stage,
		       ducc_error **err)
{
	AUTO_CLOSE int mount = edit_open_mount(edit, err);

	if (mount < 0 || (!stage && write_splits(staging, mount, err) < 0))
		return -1;
	for (size_t i = staging->published; i < staging->trees.keys.n; i++) {
		const struct staged_tree *staged = staging->trees.values[i];

		if (context_cancelled(staging->context))
			return context_interrupted(err);
		if (staged->stages[stage] &&
		    write_tree(staging, mount, staged, staged->stages[stage], err) < 0)
			return -1;
	}
	return 0;
}

/* Frees the space of what was written: in a full scratch area, not even an abort succeeds. */
static void unwrite_stage(const struct staging *staging, const struct edit *edit)
{
	AUTO_CLOSE int mount = edit_open_mount(edit, NULL);

	for (size_t i = staging->published; mount >= 0 && i < staging->trees.keys.n; i++)
		path_remove(mount, ((struct staged_tree *)staging->trees.values[i])->root);
}

/* Publishes one stage; 1: the first one, and others have changed the repository. */
static int publish_stage(struct staging *staging, int stage, char **revision, bool *changed,
			 ducc_error **err)
{
	struct edit *edit = edit_begin(staging->context, staging->repository, err);
	AUTO_FREE char *now = NULL;
	int result = 0;

	if (!edit)
		return -1;
	now = staging_revision(staging->repository);
	if (now && *revision && strcmp(now, *revision) != 0)
		*changed = true;
	if (*changed && !stage)
		result = 1;
	if (!result && write_stage(staging, edit, stage, err) < 0) {
		unwrite_stage(staging, edit);
		result = -1;
	} else if (!result) {
		result = edit_finish(edit, err);
	}
	edit_free(edit);
	free(*revision);
	*revision = result ? STEAL(now) : staging_revision(staging->repository);
	return result;
}

int staging_publish(struct staging *staging, char **revision, bool *changed, ducc_error **err)
{
	int result = 0;

	*changed = false;
	if (write_journal(staging, err) < 0)
		return -1;
	for (int stage = 0; stage < STAGES && !result; stage++)
		if (is_pending(staging, stage))
			result = publish_stage(staging, stage, revision, changed, err);
	if (!result) {
		staging->published = staging->trees.keys.n;
		strset_free(&staging->splits);
		staging->bytes = 0;
	}
	return result;
}
