/* Which names an image was fetched under: see fetched.h. */
#include "fetched.h"

#include <errno.h>

#include "buffer.h"
#include "mem.h"
#include "path.h"

#define NAMES_LIMIT ((size_t)16 << 20) /* bytes */

static char *file_name(const struct digest *manifest)
{
	return format("images/%s.names", manifest->hex);
}

/* The lines of the file, or "" if there is none, or none that is well-formed; to be freed. */
static char *read_names(const struct store *store, const struct digest *manifest)
{
	AUTO_FREE char *file = file_name(manifest), *data = NULL;
	size_t len;

	if (path_read(store->fd, file, NAMES_LIMIT, &data, &len, NULL) < 0 || strlen(data) != len ||
	    (len && data[len - 1] != '\n'))
		return xstrdup("");
	return STEAL(data);
}

static bool is_line(const char *lines, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = lines; *line; line = strchr(line, '\n') + 1)
		if (!strncmp(line, name, len) && line[len] == '\n')
			return true;
	return false;
}

static bool is_in_repository(const char *lines, const struct reference *reference)
{
	AUTO_FREE char *name = format("%s/%s", reference->registry, reference->repository);
	size_t len = strlen(name);

	for (const char *line = lines; *line; line = strchr(line, '\n') + 1)
		if (!strncmp(line, name, len) && (line[len] == ':' || line[len] == '@'))
			return true;
	return false;
}

bool fetched_under(const struct store *store, const struct digest *manifest,
		   const struct reference *reference)
{
	AUTO_FREE char *lines = read_names(store, manifest), *name = reference_name(reference);

	return is_line(lines, name) || (!reference->tag && is_in_repository(lines, reference));
}

int fetched_add(struct store *store, const struct digest *manifest,
		const struct reference *reference, ducc_error **err)
{
	AUTO_FREE char *file = file_name(manifest), *name = reference_name(reference);
	AUTO_FREE char *lines = read_names(store, manifest);
	AUTO_STAGED staged = STAGED_NONE;
	AUTO_BUFFER text = {0};

	if (is_line(lines, name))
		return 0;
	if (staged_begin(&staged, store, file, false, err) < 0)
		return -1;
	/* Now that we have the lock: as it is at this moment. */
	free(lines);
	lines = read_names(store, manifest);
	if (is_line(lines, name))
		return 0;
	buffer_addf(&text, "%s%s\n", lines, name);
	if (write_all(staged.fd, text.data, text.len) < 0)
		return error_errno(err, errno, "%s/%s", store->path, file);
	return staged_commit(&staged, err);
}
