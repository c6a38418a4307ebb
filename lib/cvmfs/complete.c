/* Layers that are complete: see complete.h. */
#include "cvmfs/complete.h"

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

/* The value after "KEY: " at the beginning of a line, which the caller frees; NULL: there is none. */
static char *value_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line != '\0')
		if (!strncmp(line, key, len) && !strncmp(line + len, ": ", 2))
			return xstrndup(line + len + 2, strcspn(line + len + 2, "\n"));
	return NULL;
}

/* The line for the layer and its own catalog, which the caller frees; NULL: it has none. */
static char *line_of(const struct repository *repository, const struct digest *layer)
{
	AUTO_FREE char *directory = layer_directory(layer);
	AUTO_FREE char *path = format("%s/%s", repository->path, directory);
	AUTO_FREE char *hash = NULL, *at = NULL;
	char text[4096];
	ssize_t n = lgetxattr(path, ATTRIBUTE, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	hash = value_of(text, "catalog_hash");
	at = value_of(text, "catalog_mountpoint");
	if (!hash || !at || *at != '/' || strcmp(at + 1, directory) != 0 || !*hash)
		return NULL;
	return format("%s %s\n", layer->hex, hash);
}

bool complete_has(struct complete *complete, const struct digest *layer)
{
	AUTO_FREE char *line = line_of(complete->repository, layer);
	size_t len;

	if (!line)
		return false;
	if (!complete->text && path_read(complete->store->fd, complete->path, FILE_MAX,
					 &complete->text, &len, NULL) < 0)
		complete->text = xstrdup("");
	return strstr(complete->text, line);
}

void complete_note(const struct complete *complete, const struct digest *layers, size_t n)
{
	AUTO_BUFFER lines = {0};
	AUTO_CLOSE int fd = -1;

	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *line = line_of(complete->repository, &layers[i]);

		if (line)
			buffer_addf(&lines, "%s", line);
	}
	if (!lines.len || lines.len > FILE_MAX)
		return;
	fd = notes_open(complete->store, complete->path, FILE_MAX - lines.len);
	if (fd >= 0)
		write_all(fd, lines.data, lines.len);
}
