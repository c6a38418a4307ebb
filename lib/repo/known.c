/* Content that a repository has already: see known.h. */
#include "repo/known.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/siphash.h"
#include "base/strset.h"
#include "content/listing.h"
#include "format/repo_paths.h"
#include "repo/inventory.h"
#include "repo/samples.h"

#define IMAGES_MAX ((size_t)20)
#define SAMPLED_MAX ((size_t)8) /* layers to read because of their samples */
#define RECORDS_MAX ((size_t)1000000)
#define PATHS_MAX ((size_t)128 << 20)
#define BUCKETS ((size_t)1 << 18)
/* Entries of listings to read: 2 or 3 us each, when publishing a file takes 100 us and more. */
#define READ_AT_LEAST 50000
#define READ_FOR_EACH 20
#define ALL_SAME 7    /* metadata, path, and names of hard links */
#define STEPS_MAX 100 /* in a bucket, where an image can have any number of equal files */

/* A file of a candidate. */
struct record {
	uint8_t sha256[SHA256_SIZE];
	uint64_t metadata; /* a hash of it */
	uint32_t names;    /* a hash of the names, if there are several */
	uint32_t layer;    /* its index in known->layers */
	uint32_t path;     /* the offset in known->paths */
	uint32_t next;     /* the record before it in its bucket, from 1; 0: none */
};

/* Lengths to which known_restore() returns. */
struct lengths {
	size_t names, queue, read, layers, records, paths, samples;
};

struct known {
	struct context *context;
	const struct repository *repository;
	struct siphash_key key;
	struct strset names;     /* REGISTRY/REPOSITORY */
	struct strset queue;     /* layers of published images ... */
	size_t read;             /* ... the first of which have been read */
	int64_t budget;          /* entries that may still be read */
	struct strset layers;    /* those that records refer to */
	struct strset excluded;  /* those that they must not refer to as they are */
	struct samples *samples; /* of the layers in the repository */
	struct record *records;
	size_t n, capacity;
	uint32_t *buckets; /* the last record of each, from 1 */
	struct buffer paths;
	struct lengths saved;
};

struct known *known_new(struct context *context, const struct store *store,
			const struct repository *repository)
{
	struct known *known = xcalloc(1, sizeof(*known));

	known->context = context;
	known->repository = repository;
	known->budget = READ_AT_LEAST;
	known->samples = samples_new(store, repository);
	known->key = siphash_new_key();
	known->buckets = xcalloc(BUCKETS, sizeof(*known->buckets));
	return known;
}

void known_free(struct known *known)
{
	if (!known)
		return;
	strset_free(&known->names);
	strset_free(&known->queue);
	strset_free(&known->layers);
	strset_free(&known->excluded);
	samples_free(known->samples);
	free(known->records);
	free(known->buckets);
	buffer_free(&known->paths);
	free(known);
}

/* --- records ---------------------------------------------------------- */

static uint32_t *bucket_of(const struct known *known, const uint8_t sha256[SHA256_SIZE])
{
	return &known->buckets[siphash(&known->key, 0, sha256, SHA256_SIZE) % BUCKETS];
}

/* The hash of all metadata; of a file with several names, these are a part of it. */
static uint64_t hash_metadata(const struct known *known, const struct file *file)
{
	uint64_t fields[] = {file->mode,       file->uid,  file->gid,     (uint64_t)file->mtime,
			     file->mtime_nsec, file->size, file->n_xattrs};
	uint64_t hash = siphash(&known->key, 0, fields, sizeof(fields));

	for (size_t i = 0; i < file->n_xattrs; i++) {
		const struct xattr *xattr = &file->xattrs[i];

		hash = siphash(&known->key, hash, xattr->name, strlen(xattr->name));
		hash = siphash(&known->key, hash, xattr->value, xattr->len);
	}
	return hash;
}

/* The best candidate for the content of a file, of several the first; or NULL; *exact: all is the same. */
static const struct record *find(const struct known *known, const struct file *file,
				 uint64_t metadata, bool *exact)
{
	const struct record *best = NULL;
	uint32_t next = *bucket_of(known, file->sha256);
	int best_rank = -1;

	for (int step = 0; next && step < STEPS_MAX && best_rank < ALL_SAME; step++) {
		const struct record *record = &known->records[next - 1];
		int rank = 4 * (record->metadata == metadata) +
			   2 * !strcmp(known->paths.data + record->path, file->origin) +
			   (record->names == (uint32_t)file->data);

		next = record->next;
		if (rank < best_rank || memcmp(record->sha256, file->sha256, SHA256_SIZE) != 0)
			continue;
		best = record;
		best_rank = rank;
	}
	*exact = best_rank == ALL_SAME;
	return best;
}

static void add_record(struct known *known, size_t layer, const struct file *file,
		       uint64_t metadata)
{
	uint32_t *bucket = bucket_of(known, file->sha256);
	struct record *record;

	if (known->n == RECORDS_MAX || known->paths.len > PATHS_MAX)
		return;
	GROW(known->records, known->n, known->capacity);
	record = &known->records[known->n++];
	*record = (struct record){.metadata = metadata,
				  .names = (uint32_t)file->data,
				  .layer = (uint32_t)layer,
				  .path = (uint32_t)known->paths.len,
				  .next = *bucket};
	memcpy(record->sha256, file->sha256, SHA256_SIZE);
	buffer_add(&known->paths, file->origin, strlen(file->origin) + 1);
	*bucket = (uint32_t)known->n;
}

/* --- layers ----------------------------------------------------------- */

/* A file that the layer itself has, and content worth looking for. */
static bool is_own(const struct file *file, const struct digest *layer)
{
	return file && S_ISREG(file->mode) && file->size && file->layer &&
	       digest_equal(file->layer, layer);
}

/* Hashes the names of files with more than one into their data member. */
static void hash_names(const struct known *known, struct tree *tree)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	tree_count_links(tree);
	for (struct node *node = root; node; node = tree_next(root, node))
		if (node->file)
			node->file->data = 0;
	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!node->file || node->file->links < 2)
			continue;
		node_path(node, &path);
		node->file->data += siphash(&known->key, 1, path.data, path.len);
	}
}

static void set_known(const struct known *known, struct file *file, struct tree *tree)
{
	uint64_t metadata = hash_metadata(known, file);
	const struct record *record = find(known, file, metadata, &(bool){false});
	struct digest layer;
	const char *path;
	size_t size;

	if (!record)
		return;
	path = known->paths.data + record->path;
	size = strlen(path) + 1;
	memcpy(layer.hex, known->layers.list[record->layer], sizeof(layer.hex));
	file->known = xmalloc(sizeof(*file->known) + size);
	*file->known = (struct known_file){.layer = tree_intern(tree, &layer),
					   .path = memcpy(file->known + 1, path, size),
					   .same = record->metadata == metadata,
					   .same_names = record->names == (uint32_t)file->data};
}

/* Adds the files of a layer, unless they are known with the same metadata and path. */
static void add_layer(struct known *known, const struct digest *layer, struct tree *tree)
{
	struct node *root = tree_root(tree);
	size_t index;

	strset_add(&known->layers, layer->hex);
	index = strset_find(&known->layers, layer->hex);
	for (struct node *node = root; node; node = tree_next(root, node)) {
		uint64_t metadata;
		bool exact;

		if (!is_own(node->file, layer))
			continue;
		samples_add(known->samples, layer, node->file);
		metadata = hash_metadata(known, node->file);
		find(known, node->file, metadata, &exact);
		if (!exact)
			add_record(known, index, node->file, metadata);
	}
}

void known_exclude(struct known *known, const struct digest *layer)
{
	strset_add(&known->excluded, layer->hex);
}

/* Adds the files of a published layer, if it is one of ours. */
static void read_layer(struct known *known, const struct digest *layer)
{
	AUTO_CLOSE int fd = -1;
	AUTO_TREE *tree = NULL;
	struct listing_head head;

	if (strset_has(&known->layers, layer->hex) || strset_has(&known->excluded, layer->hex))
		return;
	fd = repository_open_listing(known->repository, layer);
	tree = fd < 0 ? NULL : listing_read(fd, &head, NULL);
	if (!tree || !digest_equal(&head.layer, layer))
		return;
	known->budget -= (int64_t)tree_count(tree);
	hash_names(known, tree);
	add_layer(known, layer, tree);
}

/* Reads the layers of images that are published under the same names. */
static void read_queue(struct known *known)
{
	while (known->read < known->queue.n && known->budget > 0 &&
	       !context_cancelled(known->context)) {
		struct digest layer;

		memcpy(layer.hex, known->queue.list[known->read++], sizeof(layer.hex));
		read_layer(known, &layer);
	}
}

/* Reads other layers that have files of a new layer. */
static bool read_sampled(struct known *known, struct wants *wants)
{
	struct digest layers[SAMPLED_MAX];
	size_t n = samples_find(known->samples, wants, layers, SAMPLED_MAX);

	for (size_t i = 0; i < n; i++)
		read_layer(known, &layers[i]);
	return n != 0;
}

/* Sets the `known` member of the layer's files; the others are wanted. */
static void match(struct known *known, const struct digest *layer, struct tree *tree,
		  struct wants *wants)
{
	struct node *root = tree_root(tree);

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!is_own(node->file, layer) || node->file->known)
			continue;
		set_known(known, node->file, tree);
		if (!node->file->known)
			wants_add(wants, node->file);
	}
}

void known_match(struct known *known, const struct digest *layer, struct tree *tree)
{
	struct wants wants = {NULL};

	known->budget += READ_FOR_EACH * (int64_t)tree_count(tree);
	read_queue(known);
	hash_names(known, tree);
	match(known, layer, tree, &wants);
	if (read_sampled(known, &wants))
		match(known, layer, tree, &wants);
	free(wants.list);
	/* Only now: equal files of one layer stay separate. */
	add_layer(known, layer, tree);
}

void known_published(struct known *known)
{
	samples_save(known->samples);
}

void known_save(struct known *known)
{
	known->saved = (struct lengths){.names = known->names.n,
					.queue = known->queue.n,
					.read = known->read,
					.layers = known->layers.n,
					.records = known->n,
					.paths = known->paths.len,
					.samples = samples_mark(known->samples)};
}

void known_restore(struct known *known)
{
	const struct lengths *saved = &known->saved;

	strset_cut(&known->names, saved->names);
	strset_cut(&known->queue, saved->queue);
	known->read = saved->read;
	strset_cut(&known->layers, saved->layers);
	while (known->n > saved->records) {
		const struct record *last = &known->records[--known->n];

		*bucket_of(known, last->sha256) = last->next;
	}
	buffer_truncate(&known->paths, saved->paths);
	samples_cut(known->samples, saved->samples);
}

/* --- images ----------------------------------------------------------- */

struct candidate {
	char *label;
	struct timespec time; /* of its publication */
};

struct candidates {
	struct candidate *list;
	size_t n, capacity;
};

/* Newest first. */
static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->time.tv_sec != y->time.tv_sec)
		return x->time.tv_sec < y->time.tv_sec ? 1 : -1;
	if (x->time.tv_nsec != y->time.tv_nsec)
		return x->time.tv_nsec < y->time.tv_nsec ? 1 : -1;
	return strcmp(x->label, y->label);
}

/* Finds images in .metadata; name: REGISTRY/REPOSITORY, perhaps of .multiarch/PLATFORM. */
static void find_images(const struct known *known, const char *name, struct candidates *candidates)
{
	AUTO_CLOSE int root = repository_root(known->repository);
	const char *last = strrchr(name, '/') + 1, *entry;
	AUTO_FREE char *parent = format(REPO_METADATA "/%.*s", (int)(last - 1 - name), name);
	AUTO_ENTRIES entries = entries_open(root, parent);
	size_t len = strlen(last);

	while ((entry = entries_next(&entries))) {
		AUTO_FREE char *manifest = format("%s/manifest.json", entry);
		struct stat st;

		if (strncmp(entry, last, len) != 0 || !strchr(":@", entry[len]) ||
		    fstatat(entries.fd, manifest, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		GROW(candidates->list, candidates->n, candidates->capacity);
		candidates->list[candidates->n++] = (struct candidate){
			format("%.*s%s", (int)(last - name), name, entry), st.st_mtim};
	}
}

/* Finds the images for other platforms, which are in .multiarch. */
static void find_others(const struct known *known, const char *name, struct candidates *candidates)
{
	AUTO_CLOSE int root = repository_root(known->repository);
	AUTO_ENTRIES entries = entries_open(root, REPO_METADATA "/" REPO_MULTIARCH);
	const char *platform;

	while ((platform = entries_next(&entries))) {
		AUTO_FREE char *label = platform_label(platform, name);

		find_images(known, label, candidates);
	}
}

static void add_image(struct known *known, const char *label)
{
	struct published image = {NULL};

	/* The upper layers are the ones that a rebuild replaces. */
	if (published_read(&image, known->repository, label, NULL) > 0)
		for (size_t i = image.n_layers; i > 0; i--)
			strset_add(&known->queue, image.layers[i - 1].hex);
	published_free(&image);
}

void known_consider(struct known *known, const char *name)
{
	const char *slash = strrchr(name, '/');
	AUTO_FREE char *repository = NULL;
	struct candidates candidates = {NULL};

	if (!slash)
		return;
	repository = xstrndup(name, (size_t)(slash - name) + strcspn(slash, ":@"));
	if (!strset_add(&known->names, repository))
		return;
	find_images(known, repository, &candidates);
	find_others(known, repository, &candidates);
	if (candidates.n)
		qsort(candidates.list, candidates.n, sizeof(*candidates.list), compare_candidates);
	for (size_t i = 0; i < candidates.n; i++) {
		if (i < IMAGES_MAX)
			add_image(known, candidates.list[i].label);
		free(candidates.list[i].label);
	}
	free(candidates.list);
}
