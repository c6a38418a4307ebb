/* Deciding how files are published: see staging.h. */
#include "cvmfs/staging.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/buffer.h"
#include "base/path.h"
#include "cvmfs/chunking.h"
#include "cvmfs/mount.h"
#include "format/repo_paths.h"

/* A graft costs as much as sending so many bytes, and a transaction as so many more. */
#define GRAFT_COST ((uint64_t)16 << 10)
#define TRANSACTION_COST ((uint64_t)64 << 20)
/* What a graft takes in the scratch space: one block, unless it has many chunks. */
#define GRAFT_SPACE ((uint64_t)4 << 10)
/* A second transaction for grafts costs more than to write so many of the smallest large files. */
#define FILES_PER_TRANSACTION 8

int staging_is_there(const struct repository *repository, const char *path, uint64_t size)
{
	AUTO_FREE char *file = format("%s/%s", repository->path, path);
	struct stat st;

	if (lstat(file, &st) < 0)
		return is_absence(errno) ? 0 : -1;
	return S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

/* Finds out how much space there is where transactions are written. */
static int find_room(struct staging *staging, ducc_error **err)
{
	AUTO_FREE char *scratch = mount_spool(staging->repository, "scratch");
	AUTO_FREE char *spool = mount_spool(staging->repository, "");
	struct statvfs space;

	if (statvfs(scratch, &space) < 0 && (!is_absence(errno) || statvfs(spool, &space) < 0))
		return error_errno(err, errno, "%s: its free space", scratch);
	staging->room = (uint64_t)space.f_bavail * space.f_frsize;
	return 0;
}

int staging_init(struct staging *staging, struct context *context, const struct store *store,
		 const struct repository *repository, const struct strset *added, uint64_t limit,
		 ducc_error **err)
{
	*staging = (struct staging){
		.context = context, .store = store, .repository = repository, .added = added};
	staging->limit = limit;
	/* Only root can write files of any owner. */
	staging->possible = !repository->metadata_only && !geteuid();
	complete_init(&staging->complete, store, repository);
	if (staging->possible && find_room(staging, err) < 0)
		return -1;
	return limit ? 0 : chunking_limit(repository, &staging->limit, err);
}

/* How a layer is published. */
struct layout {
	char *root; /* NULL: unknown, because of ... */
	int error;  /* ... this errno value */
	bool complete;
	uint64_t whole; /* smaller files are not in chunks */
};

static void layout_free(void *value)
{
	struct layout *layout = value;

	free(layout->root);
	free(layout);
}

/* Others may publish it, or something else in its place. */
static void forget_published(struct staging *staging)
{
	strmap_free_values(&staging->layouts, layout_free);
	strset_free(&staging->chunks);
	strset_free(&staging->wholes);
}

void staging_free(struct staging *staging)
{
	strmap_free_values(&staging->trees, staged_tree_free);
	forget_published(staging);
	complete_free(&staging->complete);
	strset_free(&staging->splits);
	strset_free(&staging->layers);
}

const struct staged_tree *staging_find(const struct staging *staging, const char *directory)
{
	return strmap_get(&staging->trees, directory);
}

/* Decides whether what the tree has in the second stage is written in the first one instead. */
static bool is_second_written(const struct staging *staging, const struct staged_tree *staged)
{
	uint64_t bytes = staged_second_bytes(staged), most = TRANSACTION_COST / 2;

	if (staging->limit < most / FILES_PER_TRANSACTION)
		most = staging->limit * FILES_PER_TRANSACTION;
	return bytes && !staging_is_pending(staging, 1) && staging->twice + bytes <= most &&
	       staging->bytes + staged->bytes + bytes <= staging->room;
}

/* Keeps the tree if there is something special about it. */
static const struct staged_tree *keep(struct staging *staging, struct staged_tree *staged)
{
	const struct digest *layer = &staged->layer;
	bool in_stages = false;

	if (is_second_written(staging, staged)) {
		staging->twice += staged_second_bytes(staged);
		staged_write_second(staged);
	}
	for (int stage = 0; stage < STAGES; stage++) {
		if (!staged->stages[stage])
			continue;
		tree_sort(staged->stages[stage]);
		in_stages = true;
	}
	if (!in_stages && !staged->links) {
		staged_tree_free(staged);
		return NULL;
	}
	staged->root = !layer->hex[0] ? xstrdup(staged->directory)
		       : in_stages    ? layer_content(layer)
				      : layer_path(layer, "");
	strmap_put(&staging->trees, staged->directory, staged);
	staging->bytes += staged->bytes;
	return staged;
}

/* How a layer is published, found out once. */
static const struct layout *layout_of(struct staging *staging, const struct digest *layer)
{
	struct layout *layout = strmap_get(&staging->layouts, layer->hex);

	if (!layout) {
		layout = xcalloc(1, sizeof(*layout));
		layout->root = repository_layer_root(staging->repository, layer);
		layout->error = layout->root ? 0 : errno;
		layout->complete = complete_has(&staging->complete, layer, &layout->whole);
		strmap_put(&staging->layouts, layer->hex, layout);
	}
	return layout;
}

/*
 * 1 if the published file is in chunks, 0 if not, found out once: the layer, the flat tree and its
 * entry need it, and each look is a request to the client of the mount; -1 with errno set if that is
 * unknown.  Files of its layer that are smaller than `whole` are not.
 */
static int is_in_chunks(struct staging *staging, const char *path, uint64_t size, uint64_t whole)
{
	int chunks;

	if (size < CHUNKING_MIN || strset_has(&staging->wholes, path))
		return 0;
	if (strset_has(&staging->chunks, path))
		return 1;
	chunks = size >= whole ? chunking_is_in_chunks(staging->repository, path, size) : 0;
	if (chunks >= 0)
		strset_add(chunks ? &staging->chunks : &staging->wholes, path);
	return chunks;
}

/* Finds out whether a published location is in chunks; if that is unknown, so is the location. */
static void look_at_chunks(struct staging *staging, struct location *location, uint64_t size,
			   uint64_t whole)
{
	int chunks = is_in_chunks(staging, location->path, size, whole);

	if (chunks > 0)
		location->kind = LOCATION_CHUNKS;
	if (chunks >= 0)
		return;
	location->error = errno;
	free(STEAL(location->path));
}

/* Where the content of a file of a layer to be staged is. */
static struct location locate_staged(struct staging *staging, const struct staged_tree *staged,
				     const char *path, uint64_t size)
{
	struct location location = {.kind = LOCATION_WHOLE};
	const struct file *file = staged_file_at(staged->links, path);

	if (file) {
		location.path = xstrdup(file->target);
		location.split = true;
		return location;
	}
	file = staged_file_at(staged->stages[0], path);
	if (file && file->target) {
		location.path = xstrdup(file->target);
		location.split = location.published = true;
		look_at_chunks(staging, &location, size, 0);
		if (!location.path || location.kind == LOCATION_CHUNKS)
			return location;
		free(location.path); /* it can be a hard link to the graft itself */
		location.published = false;
	} else if (file || (file = staged_file_at(staged->stages[1], path))) {
		location.kind = LOCATION_STAGED;
		if (file->target) {
			location.path = xstrdup(file->target);
			return location;
		}
	}
	location.path = format("%s/%s", staged->root, path);
	return location;
}

struct location staging_locate(struct staging *staging, const struct digest *layer,
			       const char *path, uint64_t size)
{
	AUTO_FREE char *directory = layer_directory(layer);
	bool is_new = strset_has(&staging->layers, directory);
	/* Others may have published what we have staged. */
	const struct staged_tree *staged = is_new ? staging_find(staging, directory) : NULL;
	struct location location = {.kind = LOCATION_WHOLE};
	const struct layout *layout;

	if (staged)
		return locate_staged(staging, staged, path, size);
	layout = layout_of(staging, layer);
	location.error = layout->error;
	if (!layout->root)
		return location;
	location.path = format("%s/%s", layout->root, path);
	location.published = !is_new;
	location.certain = layout->complete;
	location.split = !strcmp(strrchr(layout->root, '/') + 1, LAYER_CONTENT);
	if (location.published)
		look_at_chunks(staging, &location, size, layout->whole);
	return location;
}

bool staging_has_published(const struct staging *staging, const char *directory)
{
	return strset_find(&staging->trees.keys, directory) < staging->published;
}

/* Stages a file whose content is known, or is to be written. */
static void stage(struct staged_tree *staged, const struct node *node, const struct location *known)
{
	if (known && staged_can_graft(node)) {
		staged_add_graft(&staged->stages[known->kind == LOCATION_STAGED], node,
				 known->path);
		staged->bytes += GRAFT_SPACE;
		return;
	}
	staged_add_file(&staged->stages[0], node);
	staged->bytes += node->file->size;
}

static bool is_own_file(const struct node *node, const struct digest *layer)
{
	const struct file *file = node->file;

	return file && S_ISREG(file->mode) && file->layer && digest_equal(file->layer, layer);
}

/* Decides for a file that is one of another layer: a hard link is possible unless it is staged. */
static void decide_link(struct staging *staging, struct staged_tree *staged,
			const struct node *node)
{
	const struct file *file = node->file;
	struct location location = staging_locate(staging, file->layer, file->origin, file->size);

	if (!staged_is_marker(node) &&
	    (location.kind == LOCATION_STAGED ||
	     (location.kind == LOCATION_CHUNKS && staged_can_graft(node))))
		stage(staged, node, &location);
	free(location.path);
}

/* Finds published or added content that is the file's: 1; 0 if there is none. */
static bool find_known(struct staging *staging, const struct file *file, struct location *location)
{
	const struct known_file *known = file->known;

	*location = (struct location){.path = NULL};
	if (!known)
		return false;
	*location = staging_locate(staging, known->layer, known->path, file->size);
	if (!location->path)
		return false;
	return !location->published || location->certain ||
	       staging_is_there(staging->repository, location->path, file->size) > 0;
}

/* True if it can be grafted: not if it is itself a graft to be published, or a link to one. */
static bool can_be_grafted(const struct staging *staging, const struct location *known,
			   uint64_t size)
{
	return known->kind != LOCATION_WHOLE || known->published ||
	       staging_is_there(staging->repository, known->path, size) > 0;
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
		staged_add_link(&staged->links, node, known.path);
	} else if (large) {
		stage(staged, node,
		      is_known && as_should_be && can_be_grafted(staging, &known, file->size)
			      ? &known
			      : NULL);
	} else if (is_known && known.published && staging->possible && file->size > GRAFT_COST) {
		GROW(candidates->list, candidates->n, candidates->capacity);
		candidates->list[candidates->n++] = (struct candidate){node, known};
		candidates->saved += file->size - GRAFT_COST;
		return;
	}
	free(known.path);
}

/* Without room, nothing is staged but what must be. */
static struct staged_tree *plan_layer(struct staging *staging, const char *directory,
				      struct tree *tree, const struct digest *layer, bool room)
{
	uint64_t limit = room && staging->possible ? staging->limit : CHUNKING_NEVER;
	struct staged_tree *staged = staged_tree_new(directory, layer);
	struct node *root = tree_root(tree);
	struct candidates candidates = {NULL};
	bool graft;

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (is_own_file(node, layer))
			decide(staging, staged, node, node->file->size > limit, &candidates);
		else if (staging->possible && node->file && S_ISREG(node->file->mode) &&
			 node->file->layer)
			decide_link(staging, staged, node);
	}
	graft = room && (staged->stages[0] || staging_is_pending(staging, 0) ||
			 staging_is_pending(staging, 1) || candidates.saved > TRANSACTION_COST);
	for (size_t i = 0; i < candidates.n; i++) {
		if (graft)
			stage(staged, candidates.list[i].node, &candidates.list[i].location);
		free(candidates.list[i].location.path);
	}
	free(candidates.list);
	return staged;
}

/* Says, once, that this machine cannot stage the large files that the layer has. */
static void say_impossible(struct staging *staging, struct tree *tree)
{
	struct node *root = tree_root(tree);

	for (struct node *node = root; node && !staging->told; node = tree_next(root, node)) {
		if (!node->file || !S_ISREG(node->file->mode) || node->file->size <= staging->limit)
			continue;
		context_notice(staging->context, DUCC_INFO,
			       "%s: large files are not split into chunks: that requires the "
			       "repository's mount, and root",
			       staging->repository->name);
		staging->told = true;
	}
}

const struct staged_tree *staging_add_layer(struct staging *staging, const char *directory,
					    struct tree *tree, const struct digest *layer)
{
	struct staged_tree *staged = strmap_get(&staging->trees, directory);

	strset_add(&staging->layers, directory);
	if (staged || staged_has_markers(tree))
		return staged;
	if (!staging->possible)
		say_impossible(staging, tree);
	staged = plan_layer(staging, directory, tree, layer, true);
	if (staging->bytes + staged->bytes > staging->room) {
		staging->crowded = true;
		/* If other images are the reason, this one is left to the next transaction. */
		if (!staging->before ||
		    staging->bytes - staging->before + staged->bytes > staging->room)
			context_notice(
				staging->context, DUCC_WARNING,
				"layer " PRI_DIGEST
				": large files are not split into chunks, nor is known content "
				"grafted: that requires %llu MB in the scratch area",
				layer->hex, (unsigned long long)staged->bytes / 1000000 + 1);
		staged_tree_free(staged);
		staged = plan_layer(staging, directory, tree, layer, false);
	}
	return keep(staging, staged);
}

const struct staged_tree *staging_add_flat(struct staging *staging, const char *directory,
					   struct tree *tree)
{
	struct staged_tree *staged = strmap_get(&staging->trees, directory);
	struct node *root = tree_root(tree);

	if (staged || !staging->possible)
		return staged;
	staged = staged_tree_new(directory, NULL);
	for (struct node *node = root; node; node = tree_next(root, node)) {
		const struct file *file = node->file;

		if (file && S_ISREG(file->mode) && file->layer)
			decide_link(staging, staged, node);
	}
	return keep(staging, staged);
}

const struct staged_tree *staging_add_whole(struct staging *staging, const char *directory)
{
	strset_add(&staging->layers, directory);
	return NULL;
}

bool staging_add_split(struct staging *staging, const char *path, uint64_t size)
{
	if (!staging->possible || size <= staging->limit ||
	    chunking_of(staging->repository, path) != CHUNKING_WHOLE)
		return false;
	if (staging->bytes + size > staging->room) {
		staging->crowded = true;
		return false;
	}
	if (strset_add(&staging->splits, path))
		staging->bytes += size;
	return true;
}

struct staging_mark staging_mark(struct staging *staging)
{
	staging->crowded = false;
	staging->before = staging->bytes;
	return (struct staging_mark){staging->trees.keys.n, staging->layers.n, staging->splits.n,
				     staging->bytes, staging->twice};
}

void staging_reset(struct staging *staging, struct staging_mark mark)
{
	size_t n = mark.trees > staging->published ? mark.trees : staging->published;

	for (size_t i = n; i < staging->trees.keys.n; i++)
		staged_tree_free(staging->trees.values[i]);
	strset_cut(&staging->trees.keys, n);
	strset_cut(&staging->layers, mark.layers);
	strset_cut(&staging->splits, mark.splits);
	forget_published(staging);
	staging->bytes = mark.bytes;
	staging->twice = mark.twice;
	staging->crowded = false;
}

/* Looks at the files of a published layer that are to be in chunks. */
static struct found_chunks find_chunks(const struct staging *staging, const struct digest *layer)
{
	AUTO_FREE char *directory = layer_directory(layer);
	const struct staged_tree *staged = staging_find(staging, directory);
	struct found_chunks found = {.smallest = UINT64_MAX};
	AUTO_BUFFER path = {0};

	for (int stage = 0; staged && stage < STAGES; stage++) {
		struct tree *tree = staged->stages[stage];
		struct node *root = tree ? tree_root(tree) : NULL;

		for (struct node *node = root; node; node = tree_next(root, node)) {
			AUTO_FREE char *name = NULL;

			if (!staged_is_file(node) || node->file->size <= staging->limit)
				continue;
			node_path(node, &path);
			name = format("%s/%s", staged->root, path.data);
			if (chunking_is_in_chunks(staging->repository, name, node->file->size) <= 0)
				continue;
			found.n++;
			if (node->file->size < found.smallest)
				found.smallest = node->file->size;
		}
	}
	return found;
}

void staging_note_complete(const struct staging *staging, const struct digest *layers, size_t n)
{
	AUTO_FREE struct found_chunks *chunks = xcalloc(n, sizeof(*chunks));

	for (size_t i = 0; i < n; i++)
		chunks[i] = find_chunks(staging, &layers[i]);
	complete_note(&staging->complete, layers, chunks, n);
}

bool staging_is_pending(const struct staging *staging, int stage)
{
	if (!stage && staging->splits.n)
		return true;
	for (size_t i = staging->published; i < staging->trees.keys.n; i++)
		if (((struct staged_tree *)staging->trees.values[i])->stages[stage])
			return true;
	return false;
}
