/* From an image's name to its manifest: see resolve.h. */
#include "jobs/resolve.h"

#include <errno.h>
#include <inttypes.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/strset.h"
#include "store/fetched.h"

/* Manifests, indexes and configs to examine for one image, and their bytes. */
#define MAX_DOCUMENTS 64
#define MAX_DOCUMENTS_SIZE (4 * JSON_LIMIT)

static void document_free(struct document *document)
{
	free(document->data);
	*document = (struct document){NULL};
}

#define AUTO_DOCUMENT CLEANUP(document_free) struct document

void resolution_free(struct resolution *resolution)
{
	while (resolution->n_indexes)
		document_free(&resolution->indexes[--resolution->n_indexes]);
	document_free(&resolution->document);
	manifest_free(&resolution->manifest);
	platform_free(&resolution->platform);
}

/* --- documents -------------------------------------------------------- */

static int ask_source(struct resolution *resolution, const struct digest *digest,
		      struct document *document, ducc_error **err)
{
	struct source *source = resolution->source;

	if (source->kind->manifest(source, digest, &document->data, &document->len, err) < 0)
		return -1;
	document->digest = digest_of(document->data, document->len);
	return 0;
}

/* Gets a document from the store: 1, 0 if it is not there, or -1. */
static int read_stored(const struct resolution *resolution, const struct digest *digest,
		       struct document *document, ducc_error **err)
{
	int found = store_look_up(resolution->store, digest, &document->data, &document->len, err);

	document->digest = *digest;
	document->stored = found > 0;
	return found;
}

/* Gets a manifest or index by a digest from the source: from the store, if it has the blob. */
static int get_document(struct resolution *resolution, const struct digest *digest,
			struct document *document, ducc_error **err)
{
	int found = read_stored(resolution, digest, document, err);

	if (found)
		return found < 0 ? -1 : 0;
	return ask_source(resolution, digest, document, err);
}

/*
 * Gets the top-level document, from the source only if the store does not have it.  A blob
 * with the pinned digest is not enough: it may belong to another image, or be a layer.
 */
static int get_top(struct resolution *resolution, ducc_error **err)
{
	struct source *source = resolution->source;
	const struct reference *reference = &source->reference;
	struct document *document = &resolution->document;
	struct digest digest;

	if (reference_is_pinned(reference))
		return resolution->store->fd >= 0 && fetched_under(resolution->store,
								   &reference->digest, reference)
			       ? get_document(resolution, &reference->digest, document, err)
			       : ask_source(resolution, &reference->digest, document, err);
	if (source->kind->peek && source->kind->peek(source, &digest))
		return get_document(resolution, &digest, document, err);
	return ask_source(resolution, NULL, document, err);
}

static int get_config(struct resolution *resolution, const struct descriptor *descriptor,
		      struct document *document, ducc_error **err)
{
	int result = read_stored(resolution, &descriptor->digest, document, err);

	if (!result)
		result = source_read_config(resolution->source, descriptor, &document->data,
					    &document->len, err);
	return result < 0 ? error_wrap(err, "config " PRI_DIGEST, descriptor->digest.hex) : 0;
}

static int count_document(struct resolution *resolution, size_t size, ducc_error **err)
{
	resolution->documents_size += size;
	if (resolution->documents_size <= MAX_DOCUMENTS_SIZE)
		return 0;
	return error_set(err, "more than %zu bytes of manifests to examine", MAX_DOCUMENTS_SIZE);
}

static int get_entry(struct resolution *resolution, const struct descriptor *entry,
		     struct document *document, ducc_error **err)
{
	if (++resolution->n_documents > MAX_DOCUMENTS)
		return error_set(err, "more than %d manifests to examine", MAX_DOCUMENTS);
	if (get_document(resolution, &entry->digest, document, err) < 0)
		return -1;
	if (document->len != entry->size)
		return error_set(err,
				 "manifest " PRI_DIGEST ": size mismatch: %zu bytes "
				 "instead of %" PRIu64,
				 entry->digest.hex, document->len, entry->size);
	return count_document(resolution, document->len, err);
}

/* --- platforms -------------------------------------------------------- */

/* Reads the platform of an image whose index does not specify it from its config. */
static int ask_config(struct resolution *resolution, struct entry *entry, ducc_error **err)
{
	AUTO_DOCUMENT manifest = {NULL}, text = {NULL};
	AUTO_MANIFEST parsed = {.n = 0};
	AUTO_CONFIG config = {.n = 0};

	if (get_entry(resolution, &entry->descriptor, &manifest, err) < 0 ||
	    manifest_parse(&parsed, manifest.data, manifest.len, err) < 0 ||
	    get_config(resolution, &parsed.config, &text, err) < 0 ||
	    count_document(resolution, text.len, err) < 0 ||
	    config_check(&config, &parsed, text.data, text.len, err) < 0)
		return -1;
	entry->platform = config.platform;
	config.platform = (struct platform){NULL};
	return 0;
}

static bool is_silent(const struct entry *entry)
{
	return !entry->is_index && !entry_has_platform(entry);
}

/*
 * Notes an error that may hide an image for exactly the platform: what cannot be read now may be
 * readable later.
 */
static void note_unclear(struct resolution *resolution, const ducc_error *error)
{
	enum ducc_error_kind kind = ducc_error_kind(error);

	if (resolution->exact && !resolution->unclear &&
	    (kind == DUCC_TRANSIENT || kind == DUCC_CANCELLED || error_is_failure(error)))
		resolution->unclear = error_copy(error);
}

/*
 * Reads the platforms that the index does not specify from configs.  Entries that are no image
 * are skipped; another error is returned only if `all` are needed, or no platform could be read.
 */
static int ask_configs(struct resolution *resolution, struct index *index, bool all,
		       ducc_error **err)
{
	ducc_error *first = NULL;
	size_t known = 0;

	for (size_t i = 0; i < index->n; i++) {
		ducc_error *error = NULL;

		if (!is_silent(&index->entries[i]))
			continue;
		if (!ask_config(resolution, &index->entries[i], &error)) {
			known++;
			continue;
		}
		note_unclear(resolution, error);
		if (!first && ducc_error_kind(error) != DUCC_ARTIFACT)
			first = STEAL(error);
		ducc_error_free(error);
	}
	if (first && (all || !known))
		return error_give(err, first);
	ducc_error_free(first);
	return 0;
}

/* The number of the best entry for the platform; index->n: none. */
static size_t find_best(const struct index *index, const struct platform *platform)
{
	size_t best = index->n;
	unsigned highest = 0;

	for (size_t i = 0; i < index->n; i++) {
		unsigned rank = platform_rank(platform, &index->entries[i].platform);

		if (rank > highest) {
			highest = rank;
			best = i;
		}
	}
	return best;
}

/* True if no other image can match the platform better. */
static bool is_exact(const struct index *index, size_t i, const struct platform *platform)
{
	return i < index->n && platform_rank(platform, &index->entries[i].platform) ==
				       platform_rank(platform, platform);
}

/* Adds the platforms of the images; attestations and similar entries are unknown/unknown. */
static void list_platforms(const struct index *index, struct strset *platforms)
{
	for (size_t i = 0; i < index->n; i++) {
		const struct entry *entry = &index->entries[i];
		AUTO_FREE char *text = platform_format(&entry->platform);

		if (entry_has_platform(entry) && strncmp(text, "unknown/", strlen("unknown/")) != 0)
			strset_add(platforms, text);
	}
}

/* The number of the only image, if the index specifies no platform at all; index->n: none. */
static size_t find_only(const struct index *index)
{
	AUTO_STRSET platforms = {NULL};
	size_t only = index->n;

	list_platforms(index, &platforms);
	if (platforms.n)
		return index->n;
	for (size_t i = 0; i < index->n; i++) {
		if (entry_has_platform(&index->entries[i]))
			continue;
		if (only < index->n || index->entries[i].is_index)
			return index->n;
		only = i;
	}
	return only;
}

static int no_image(const struct index *index, const struct platform *platform, ducc_error **err)
{
	AUTO_FREE char *wanted = platform_format(platform);
	AUTO_STRSET platforms = {NULL};
	AUTO_BUFFER others = {0};

	list_platforms(index, &platforms);
	for (size_t i = 0; i < platforms.n; i++)
		buffer_addf(&others, "%s%s", i ? ", " : "", platforms.list[i]);
	return error_set(err, "no image for platform %s (available: %s)", wanted,
			 platforms.n ? others.data : "none");
}

/* --- descending ------------------------------------------------------- */

/* True for a nested index that has to be read to know what it is for. */
static bool is_silent_index(const struct entry *entry)
{
	return entry->is_index && !entry_has_platform(entry);
}

/* Reads an index, which is the document of this level, of which there are MAX_INDEX_DEPTH. */
static int read_index(const struct resolution *resolution, const cJSON *json, struct index *index,
		      ducc_error **err)
{
	if (resolution->n_indexes == MAX_INDEX_DEPTH)
		return error_set(err, "indexes nested too deeply");
	return index_parse(index, json, err);
}

/* Goes back to the level above. */
static void leave(struct resolution *resolution)
{
	document_free(&resolution->document);
	resolution->document = resolution->indexes[--resolution->n_indexes];
}

/* Goes one level down; on failure, it stays on this one. */
static int enter(struct resolution *resolution, const struct entry *entry, ducc_error **err)
{
	resolution->indexes[resolution->n_indexes++] = resolution->document;
	resolution->document = (struct document){NULL};
	if (!get_entry(resolution, &entry->descriptor, &resolution->document, err))
		return 0;
	leave(resolution);
	return -1;
}

static int descend(struct resolution *resolution, const struct entry *entry,
		   const struct platform *platform, ducc_error **err);

/* Looks for the image in nested indexes that do not specify a platform. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static int search_nested(struct resolution *resolution, const struct index *index,
			 const struct platform *platform, ducc_error **err)
{
	ducc_error *error = NULL;
	int result = -1;

	no_image(index, platform, &error);
	for (size_t i = 0; i < index->n && result < 0; i++) {
		const struct entry *entry = &index->entries[i];

		if (!is_silent_index(entry) || resolution->n_documents > MAX_DOCUMENTS)
			continue;
		ducc_error_free(STEAL(error));
		result = descend(resolution, entry, platform, &error);
	}
	return result < 0 ? error_give(err, error) : 0;
}

/* Descends to an entry that is for the platform, and keeps what it specifies, if the image is there. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static int take_best(struct resolution *resolution, const struct entry *entry,
		     const struct platform *platform, ducc_error **err)
{
	bool first = !resolution->platform.os;

	platform_complete(&resolution->platform, &entry->platform);
	if (!descend(resolution, entry, platform, err))
		return 0;
	if (first)
		platform_free(&resolution->platform);
	return -1;
}

/*
 * Looks for an image for exactly the platform among those for which the index specifies none, and
 * in nested indexes.  On failure, nothing has changed.
 */
/* NOLINTNEXTLINE(misc-no-recursion) */
static int take_exact(struct resolution *resolution, struct index *index,
		      const struct platform *platform, ducc_error **err)
{
	size_t i = find_best(index, platform);

	if (!is_exact(index, i, platform)) {
		if (ask_configs(resolution, index, false, err) < 0)
			return -1;
		i = find_best(index, platform);
	}
	return is_exact(index, i, platform)
		       ? take_best(resolution, &index->entries[i], platform, err)
		       : search_nested(resolution, index, platform, err);
}

/*
 * 1 if an image for exactly the platform was found in the outer index or a nested one, 0, or -1 if
 * that cannot be told now.
 */
/* NOLINTNEXTLINE(misc-no-recursion) */
static int find_exact(struct resolution *resolution, struct index *index,
		      const struct platform *platform, ducc_error **err)
{
	size_t documents = resolution->n_documents, size = resolution->documents_size;
	ducc_error *error = NULL, *unclear;
	int result;

	resolution->exact = true;
	result = take_exact(resolution, index, platform, &error);
	resolution->exact = false;
	unclear = STEAL(resolution->unclear);
	if (result < 0 && !unclear &&
	    (resolution->n_documents > MAX_DOCUMENTS ||
	     resolution->documents_size > MAX_DOCUMENTS_SIZE))
		unclear = STEAL(error);
	ducc_error_free(error);
	if (result < 0 && unclear)
		return error_give(err, unclear);
	ducc_error_free(unclear);
	if (!result)
		return 1;
	resolution->n_documents = documents;
	resolution->documents_size = size;
	return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static int choose(struct resolution *resolution, struct index *index,
		  const struct platform *platform, ducc_error **err)
{
	size_t i = find_best(index, platform);
	bool chosen = resolution->platform.os;
	int found = 0;

	if (resolution->exact && !chosen)
		return take_exact(resolution, index, platform, err);
	if (!resolution->n_indexes && !is_exact(index, i, platform) && find_only(index) == index->n)
		found = find_exact(resolution, index, platform, err);
	if (found)
		return found < 0 ? -1 : 0;
	i = find_best(index, platform); /* configs are known by now */
	if (i < index->n)
		return take_best(resolution, &index->entries[i], platform, err);
	/*
	 * In a nested index that nothing has chosen for the platform, the config matters: another
	 * one may have an image for it.
	 */
	i = resolution->n_indexes && !chosen ? index->n : find_only(index);
	if (i == index->n) {
		if (ask_configs(resolution, index, false, err) < 0)
			return -1;
		i = find_best(index, platform);
	}
	if (i == index->n)
		i = find_only(index);
	return i < index->n ? descend(resolution, &index->entries[i], platform, err)
			    : search_nested(resolution, index, platform, err);
}

/*
 * Follows indexes from the document down to the image manifest for the platform, at most
 * MAX_INDEX_DEPTH of them.
 */
/* NOLINTNEXTLINE(misc-no-recursion) */
static int resolve_from(struct resolution *resolution, const struct platform *platform,
			ducc_error **err)
{
	const struct document *document = &resolution->document;
	AUTO_JSON *json = json_parse(document->data, document->len, "manifest", err);
	AUTO_INDEX index = {NULL};

	if (!json)
		return -1;
	if (!manifest_is_index(json) && resolution->exact && !resolution->platform.os)
		return error_set(err, "nested index: not an index");
	if (!manifest_is_index(json))
		return manifest_parse(&resolution->manifest, document->data, document->len, err);
	if (read_index(resolution, json, &index, err) < 0)
		return -1;
	return choose(resolution, &index, platform, err);
}

/* Goes one level down; returns to this level if no manifest is found there. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static int descend(struct resolution *resolution, const struct entry *entry,
		   const struct platform *platform, ducc_error **err)
{
	int result = enter(resolution, entry, err);

	if (!result) {
		result = resolve_from(resolution, platform, err);
		if (result < 0)
			leave(resolution);
	}
	if (result < 0 && resolution->exact) /* err is that of find_exact() or search_nested() */
		note_unclear(resolution, *err);
	return result;
}

int resolve(struct resolution *resolution, const struct platform *platform, ducc_error **err)
{
	if (get_top(resolution, err) < 0)
		return -1;
	return resolve_from(resolution, platform, err);
}

/* --- all platforms ---------------------------------------------------- */

static int list_from(struct resolution *resolution, struct strset *platforms, ducc_error **err);

/* NOLINTNEXTLINE(misc-no-recursion) */
static int list_nested(struct resolution *resolution, const struct entry *entry,
		       struct strset *platforms, ducc_error **err)
{
	int result;

	if (enter(resolution, entry, err) < 0)
		return -1;
	result = list_from(resolution, platforms, err);
	leave(resolution);
	return result;
}

/* Adds the platforms of all indexes in which resolve() looks. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static int list_from(struct resolution *resolution, struct strset *platforms, ducc_error **err)
{
	const struct document *document = &resolution->document;
	AUTO_JSON *json = json_parse(document->data, document->len, "manifest", err);
	AUTO_INDEX index = {NULL};

	if (!json)
		return -1;
	if (!manifest_is_index(json))
		return resolution->n_indexes ? error_set(err, "nested index: not an index") : 0;
	if (read_index(resolution, json, &index, err) < 0 ||
	    ask_configs(resolution, &index, true, err) < 0)
		return -1;
	list_platforms(&index, platforms);
	for (size_t i = 0; i < index.n; i++)
		if (is_silent_index(&index.entries[i]) &&
		    list_nested(resolution, &index.entries[i], platforms, err) < 0)
			return -1;
	return 0;
}

char **resolve_platforms(struct resolution *resolution, ducc_error **err)
{
	AUTO_STRSET platforms = {NULL};
	char **list;

	if (get_top(resolution, err) < 0 || list_from(resolution, &platforms, err) < 0)
		return NULL;
	list = xcalloc(platforms.n + 1, sizeof(*list));
	for (size_t i = 0; i < platforms.n; i++)
		list[i] = xstrdup(platforms.list[i]);
	return list;
}
