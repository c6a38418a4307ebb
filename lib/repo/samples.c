/* Samples of the layers of a repository: see samples.h. */
#include "repo/samples.h"

#include <fcntl.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/strset.h"
#include "repo/notes.h"

#define FILE_MAX ((size_t)256 << 20) /* then it begins anew */
#define LARGE ((uint64_t)1 << 20)
#define ONE_IN 64
#define TRIES 64 /* layers that are looked for in the repository */
#define FILTER_BITS 16

/* A layer in the file: n samples follow. */
struct block {
	uint8_t layer[SHA256_SIZE];
	uint32_t n;
};

struct samples {
	const struct store *store;
	const struct repository *repository;
	char *path;         /* in the store */
	struct buffer file; /* its content, once read */
	bool read;
	struct buffer added; /* blocks for the file */
	size_t last;         /* the offset of the last block in it */
};

struct samples *samples_new(const struct store *store, const struct repository *repository)
{
	struct samples *samples = xcalloc(1, sizeof(*samples));

	samples->store = store;
	samples->repository = repository;
	samples->path = notes_path(repository, "");
	return samples;
}

void samples_free(struct samples *samples)
{
	free(samples->path);
	buffer_free(&samples->file);
	buffer_free(&samples->added);
	free(samples);
}

/* --- samples ---------------------------------------------------------- */

static bool is_sampled(const struct file *file)
{
	return file->size >= LARGE || file->sha256[0] < 256 / ONE_IN;
}

/* The first byte is not random. */
static uint32_t sample_of(const struct file *file)
{
	uint32_t sample;

	memcpy(&sample, file->sha256 + 4, sizeof(sample));
	return sample;
}

/* The block at *offset, which becomes the next one's; false at the end, or if it is cut off. */
static bool next_block(const struct buffer *blocks, size_t *offset, struct block *block,
		       const char **samples)
{
	size_t left = blocks->len - *offset;

	if (left < sizeof(*block))
		return false;
	memcpy(block, blocks->data + *offset, sizeof(*block));
	if (block->n > (left - sizeof(*block)) / sizeof(uint32_t))
		return false;
	*samples = blocks->data + *offset + sizeof(*block);
	*offset += sizeof(*block) + block->n * sizeof(uint32_t);
	return true;
}

void samples_add(struct samples *samples, const struct digest *layer, const struct file *file)
{
	struct buffer *added = &samples->added;
	uint32_t sample = sample_of(file);
	struct block block = {.n = 0};

	if (!is_sampled(file))
		return;
	digest_to_bytes(layer->hex, block.layer);
	if (!added->len || memcmp(added->data + samples->last, block.layer, SHA256_SIZE) != 0) {
		samples->last = added->len;
		buffer_add(added, &block, sizeof(block));
	}
	buffer_add(added, &sample, sizeof(sample));
	memcpy(&block, added->data + samples->last, sizeof(block));
	block.n++;
	memcpy(added->data + samples->last, &block, sizeof(block));
}

size_t samples_mark(const struct samples *samples)
{
	return samples->added.len;
}

void samples_cut(struct samples *samples, size_t mark)
{
	size_t end = 0;
	struct block block;
	const char *list;

	buffer_truncate(&samples->added, mark);
	for (size_t last = 0; next_block(&samples->added, &end, &block, &list); last = end)
		samples->last = last;
}

/* --- the file --------------------------------------------------------- */

/* Reads it once; a file that cannot be read is an empty one. */
static void read_samples(struct samples *samples, int fd)
{
	char *data;
	size_t len;

	if (!samples->read && fd >= 0 && !read_file(fd, FILE_MAX, &data, &len, NULL))
		samples->file = (struct buffer){data, len, len + 1};
	samples->read = true;
}

void samples_save(struct samples *samples)
{
	AUTO_CLOSE int fd = -1;
	AUTO_STRSET layers = {NULL};
	struct block block;
	struct digest layer;
	const char *list;
	size_t end = 0, from = 0, to = 0;

	if (!samples->added.len)
		return;
	fd = notes_open(samples->store, samples->path, FILE_MAX);
	if (fd < 0)
		return;
	buffer_free(&samples->file);
	samples->read = false;
	read_samples(samples, fd);
	while (next_block(&samples->file, &end, &block, &list)) {
		digest_from_bytes(&layer, block.layer);
		strset_add(&layers, layer.hex);
	}
	/* Drops a block that was cut off. */
	if (ftruncate(fd, (off_t)end) < 0)
		return;
	for (; next_block(&samples->added, &to, &block, &list); from = to) {
		digest_from_bytes(&layer, block.layer);
		if (strset_add(&layers, layer.hex) &&
		    write_all(fd, samples->added.data + from, to - from) < 0)
			return;
	}
}

/* --- finding layers --------------------------------------------------- */

void wants_add(struct wants *wants, const struct file *file)
{
	if (!is_sampled(file))
		return;
	GROW(wants->list, wants->n, wants->capacity);
	wants->list[wants->n++] = (struct want){
		sample_of(file), file->size >= LARGE ? file->size : file->size * ONE_IN};
}

static int compare_wants(const void *a, const void *b)
{
	const struct want *x = a, *y = b;

	return (x->sample > y->sample) - (x->sample < y->sample);
}

struct search {
	struct wants *wants;                    /* sorted */
	uint8_t filter[(1 << FILTER_BITS) / 8]; /* low bits of the samples */
	struct hit {
		size_t block; /* its offset */
		uint64_t bytes;
	} * hits;
	size_t n, capacity;
};

/* The bytes that a block has of the wants; take: they are then no longer wanted. */
static uint64_t count_bytes(const struct search *search, const char *list, size_t n, bool take)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		struct want key = {.bytes = 0}, *want;
		unsigned low;

		memcpy(&key.sample, list + i * sizeof(key.sample), sizeof(key.sample));
		low = key.sample & ((1 << FILTER_BITS) - 1);
		if (!(search->filter[low / 8] & 1 << low % 8))
			continue;
		want = bsearch(&key, search->wants->list, search->wants->n, sizeof(key),
			       compare_wants);
		if (!want)
			continue;
		bytes += want->bytes;
		if (take)
			want->bytes = 0;
	}
	return bytes;
}

static int compare_hits(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return (x->block < y->block) - (x->block > y->block); /* the latest first */
}

static void find_hits(struct search *search, const struct buffer *file)
{
	size_t offset = 0, next = 0;
	struct block block;
	const char *list;

	for (; next_block(file, &next, &block, &list); offset = next) {
		uint64_t bytes = count_bytes(search, list, block.n, false);

		if (!bytes)
			continue;
		GROW(search->hits, search->n, search->capacity);
		search->hits[search->n++] = (struct hit){offset, bytes};
	}
	if (search->n)
		qsort(search->hits, search->n, sizeof(*search->hits), compare_hits);
}

size_t samples_find(struct samples *samples, struct wants *wants, struct digest *layers, size_t max)
{
	AUTO_CLOSE int fd = path_open(samples->store->fd, samples->path, O_RDONLY, 0);
	struct search search = {.wants = wants};
	size_t found = 0, tries = 0;

	if (!wants->n)
		return 0;
	read_samples(samples, fd);
	qsort(wants->list, wants->n, sizeof(*wants->list), compare_wants);
	for (size_t i = 0; i < wants->n; i++) {
		unsigned low = wants->list[i].sample & ((1 << FILTER_BITS) - 1);

		search.filter[low / 8] |= (uint8_t)(1 << low % 8);
	}
	find_hits(&search, &samples->file);
	for (size_t i = 0; i < search.n && found < max && tries < TRIES; i++) {
		size_t offset = search.hits[i].block;
		struct block block;
		const char *list;

		if (!next_block(&samples->file, &offset, &block, &list) ||
		    !count_bytes(&search, list, block.n, false))
			continue;
		tries++;
		digest_from_bytes(&layers[found], block.layer);
		if (!repository_has_layer(samples->repository, &layers[found]))
			continue;
		found++;
		count_bytes(&search, list, block.n, true);
	}
	free(search.hits);
	return found;
}
