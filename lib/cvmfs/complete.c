/* Layers that are complete: see complete.h. */
#include "cvmfs/complete.h"

#include <stdlib.h>
#include <sys/xattr.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/repo_paths.h"
#include "repo/notes.h"

#define FILE_MAX ((size_t)64 << 20) /* then it begins anew */
#define ATTRIBUTE "user.catalog_counters"

void complete_init(struct complete *complete, const struct store *store,
		   const struct repository *repository)
{
	*complete = (struct complete){.store = store,
				      .repository = repository,
				      .path = notes_path(repository, ".complete")};
}

void complete_free(struct complete *complete)
{
	free(complete->path);
	free(complete->text);
	*complete = (struct complete){NULL};
}

/*
 * The value after the key, with its separator, at the beginning of a line, which the caller frees;
 * NULL: there is none.
 */
static char *value_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line != '\0')
		if (!strncmp(line, key, len))
			return xstrndup(line + len, strcspn(line + len, "\n"));
	return NULL;
}

/* True if the catalog counts so many files in chunks, and no other catalog counts for it. */
static bool counts(const char *counters, uint64_t chunks)
{
	AUTO_FREE char *chunked = value_of(counters, "chunked,");
	AUTO_FREE char *nested = value_of(counters, "nested,");

	return chunked && nested && !strcmp(nested, "0") && *chunked >= '0' && *chunked <= '9' &&
	       strtoull(chunked, NULL, 10) == chunks;
}

/* "LAYER CATALOG" for the layer's own catalog, which the caller frees; NULL: it has none. */
static char *read_catalog(const struct repository *repository, const struct digest *layer,
			  struct buffer *counters)
{
	AUTO_FREE char *directory = layer_directory(layer);
	AUTO_FREE char *path = format("%s/%s", repository->path, directory);
	AUTO_FREE char *hash = NULL, *at = NULL;
	char text[4096];
	ssize_t n = lgetxattr(path, ATTRIBUTE, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	buffer_truncate(counters, 0);
	buffer_adds(counters, text);
	hash = value_of(text, "catalog_hash: ");
	at = value_of(text, "catalog_mountpoint: ");
	if (!hash || !at || *at != '/' || strcmp(at + 1, directory) != 0 || !*hash)
		return NULL;
	return format("%s %s", layer->hex, hash);
}

/* Parses the rest of a line, "[ SIZE]"; false if it was cut off, and perhaps continued by another. */
static bool parse_size(const char *rest, uint64_t *whole)
{
	char *end;

	*whole = 0;
	if (*rest == '\n')
		return true;
	if (rest[0] != ' ' || rest[1] < '0' || rest[1] > '9')
		return false;
	*whole = strtoull(rest, &end, 10);
	return *end == '\n';
}

bool complete_has(struct complete *complete, const struct digest *layer, uint64_t *whole)
{
	AUTO_BUFFER counters = {0};
	AUTO_FREE char *catalog = read_catalog(complete->repository, layer, &counters);
	size_t len;

	*whole = 0;
	if (!catalog)
		return false;
	if (!complete->text && path_read(complete->store->fd, complete->path, FILE_MAX,
					 &complete->text, &len, NULL) < 0)
		complete->text = xstrdup("");
	len = strlen(catalog);
	for (const char *line = complete->text; (line = strstr(line, catalog)); line += len)
		if (parse_size(line + len, whole))
			return true;
	*whole = 0;
	return false;
}

void complete_note(const struct complete *complete, const struct digest *layers,
		   const struct found_chunks *chunks, size_t n)
{
	AUTO_BUFFER lines = {0}, counters = {0};
	AUTO_CLOSE int fd = -1;

	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *catalog = read_catalog(complete->repository, &layers[i], &counters);

		if (catalog && counts(counters.data, chunks[i].n))
			buffer_addf(&lines, "%s %llu\n", catalog,
				    (unsigned long long)chunks[i].smallest);
		else if (catalog)
			buffer_addf(&lines, "%s\n", catalog);
	}
	if (!lines.len || lines.len > FILE_MAX)
		return;
	fd = notes_open(complete->store, complete->path, FILE_MAX - lines.len);
	if (fd >= 0)
		write_all(fd, lines.data, lines.len);
}
