/* The names under which an image was fetched: see fetched.h. */
#include "store/fetched.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "store/index.h"
#include "store/staged.h"

static char *directory_of(const struct digest *manifest)
{
	return format("images/%s.names", manifest->hex);
}

/* The file that exists if the manifest was fetched under the name. */
static char *file_of(const struct digest *manifest, const char *name)
{
	struct digest digest = digest_of(name, strlen(name));

	return format("images/%s.names/%s", manifest->hex, digest.hex);
}

static bool has_line(const struct store *store, const char *file, const char *line)
{
	AUTO_FREE char *there = NULL;
	size_t len;

	return !path_read(store->fd, file, strlen(line), &there, &len, NULL) &&
	       !strcmp(there, line);
}

#define TRIES 5

/* Writes the file; whoever cleans the store may remove its new directory, even several do so in turn. */
static int write_line(struct store *store, const char *directory, const char *file,
		      const char *line, ducc_error **err)
{
	for (unsigned tries = 1;; tries++) {
		ducc_error *error = NULL;

		if (path_mkdirs(store->fd, directory) < 0)
			return error_errno(err, errno, "%s/%s", store->path, directory);
		if (!store_replace(store, file, line, strlen(line), &error))
			return 0;
		if (tries == TRIES || ducc_error_kind(error) != DUCC_NOT_FOUND)
			return error_give(err, error);
		ducc_error_free(error);
	}
}

static int add(struct store *store, const struct digest *manifest, const char *name,
	       ducc_error **err)
{
	AUTO_FREE char *directory = directory_of(manifest), *file = file_of(manifest, name);
	AUTO_FREE char *line = format("%s\n", name);

	return has_line(store, file, line) ? 0 : write_line(store, directory, file, line, err);
}

/* REGISTRY/REPOSITORY@DIGEST of the manifest: the name for references without a tag. */
static char *untagged_name(const struct reference *reference, const struct digest *manifest)
{
	struct reference untagged = *reference;

	untagged.tag = NULL;
	untagged.digest = *manifest;
	return reference_name(&untagged);
}

int fetched_add(struct store *store, const struct digest *manifest,
		const struct reference *reference, ducc_error **err)
{
	AUTO_FREE char *name = reference_name(reference);
	AUTO_FREE char *untagged = untagged_name(reference, manifest);

	return add(store, manifest, name, err) < 0 ? -1 : add(store, manifest, untagged, err);
}

bool fetched_under(const struct store *store, const struct digest *manifest,
		   const struct reference *reference)
{
	AUTO_FREE char *name =
		reference->tag ? reference_name(reference) : untagged_name(reference, manifest);
	AUTO_FREE char *file = file_of(manifest, name);
	AUTO_FREE char *line = format("%s\n", name);

	return has_line(store, file, line) || store_lists(store, reference, manifest);
}
