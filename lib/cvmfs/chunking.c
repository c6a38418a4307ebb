/* Files in chunks: see chunking.h. */
#include "cvmfs/chunking.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/xattr.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "cvmfs/config.h"

#define HASH_DIGITS 40 /* of all algorithms; all but SHA-1 add their names: "-shake128" */
#define MIN_DEFAULT ((uint64_t)4 << 20) /* that of cvmfs_server */

int chunking_limit(const struct repository *repository, uint64_t *limit, ducc_error **err)
{
	AUTO_FREE char *text = NULL, *use = NULL, *min = NULL;
	int exists = config_read(repository, &text, err);
	uint64_t number;
	char *end;

	*limit = MIN_DEFAULT;
	if (exists <= 0)
		return exists;
	use = config_find(text, "CVMFS_USE_FILE_CHUNKING");
	min = config_find(text, "CVMFS_MIN_CHUNK_SIZE");
	number = min ? strtoull(min, &end, 10) : 0;
	if (!use || strcmp(use, "true") != 0)
		*limit = CHUNKING_NEVER;
	else if (number && !*end)
		*limit = number;
	return 0;
}

/* --- published files -------------------------------------------------- */

/*
 * An attribute of a file in a mount of CernVM-FS, which the caller frees; NULL with errno set, to 0
 * if the file certainly has none.
 */
static char *attribute(const char *file, const char *name)
{
	char small[4096];
	AUTO_FREE char *value = NULL;
	ssize_t len = lgetxattr(file, name, small, sizeof(small));

	if (len >= 0)
		return xstrndup(small, (size_t)len);
	len = errno == ERANGE ? lgetxattr(file, name, NULL, 0) : -1;
	if (len >= 0) {
		value = xmalloc((size_t)len + 1);
		len = lgetxattr(file, name, value, (size_t)len);
	}
	if (len < 0) {
		errno = errno == ENODATA || errno == ENOTSUP || is_absence(errno) ? 0 : errno;
		return NULL;
	}
	value[len] = '\0';
	return STEAL(value);
}

/* Of an unknown one, errno is set as by attribute(). */
static enum chunking chunking_of_file(const char *file)
{
	AUTO_FREE char *chunks = attribute(file, "user.chunks");

	if (!chunks)
		return CHUNKING_UNKNOWN;
	errno = 0;
	if (!*chunks)
		return CHUNKING_UNKNOWN;
	return strcmp(chunks, "1") != 0 ? CHUNKING_CHUNKS : CHUNKING_WHOLE;
}

enum chunking chunking_of(const struct repository *repository, const char *path)
{
	AUTO_FREE char *file = format("%s/%s", repository->path, path);

	return chunking_of_file(file);
}

/*
 * The counters of the catalog that a directory is in, and of those beneath it, which the caller frees;
 * NULL: unknown.  Of a catalog that a client cannot load, it says that all are 0, at "error: ...".
 */
static char *read_counters(const char *directory)
{
	static const char mountpoint[] = "catalog_mountpoint: ";
	AUTO_FREE char *counters = attribute(directory, "user.catalog_counters");
	const char *at = counters ? strstr(counters, mountpoint) : NULL;

	at = at ? at + strlen(mountpoint) : "";
	return *at == '/' || *at == '\n' ? STEAL(counters) : NULL;
}

/*
 * True if nothing is in chunks in the catalogs of the nearest directory that tells, and those beneath
 * it: this is known of a file, too, that this user may not read, and thus not ask about.
 */
static bool has_no_chunks(const struct repository *repository, const char *path)
{
	AUTO_FREE char *at = format("%s/./%s", repository->path, path);
	char *root = at + strlen(repository->path) + 1, *slash;
	AUTO_FREE char *counters = NULL;

	while (!counters && (slash = strrchr(root, '/'))) {
		*slash = '\0';
		counters = read_counters(at);
	}
	return counters && strstr(counters, "\nchunked,0\n");
}

int chunking_is_in_chunks(const struct repository *repository, const char *path, uint64_t size)
{
	enum chunking chunking =
		size < CHUNKING_MIN ? CHUNKING_WHOLE : chunking_of(repository, path);
	int code = chunking == CHUNKING_UNKNOWN ? errno : 0;

	if (!code)
		return chunking == CHUNKING_CHUNKS;
	if (code == EACCES && has_no_chunks(repository, path))
		return 0;
	errno = code;
	return -1;
}

struct chunks {
	struct buffer offsets, hashes;
	size_t n;
	uint64_t size; /* of all */
};

static bool is_hash(const char *text, size_t len)
{
	return len >= HASH_DIGITS && strspn(text, "0123456789abcdef") >= HASH_DIGITS &&
	       strcspn(text, ",\n =") >= len;
}

/* Adds the lines "HASH,OFFSET,SIZE" that follow a heading; false if they are not those. */
static bool add_chunks(struct chunks *chunks, const char *list)
{
	for (const char *line = strchr(list, '\n'); line && line[1]; line = strchr(line, '\n')) {
		size_t len = strcspn(++line, ",");
		unsigned long long offset, size;

		if (!is_hash(line, len) || sscanf(line + len, ",%llu,%llu", &offset, &size) != 2 ||
		    offset != chunks->size || !size)
			return false;
		buffer_addf(&chunks->offsets, "%s%llu", chunks->n ? "," : "", offset);
		buffer_addf(&chunks->hashes, "%s%.*s", chunks->n ? "," : "", (int)len, line);
		chunks->size += size;
		chunks->n++;
	}
	return true;
}

/*
 * Reads all pages of user.chunk_list; a whole file is listed as one chunk.  False with errno set, to
 * 0 if they are not those of the file.
 */
static bool read_chunks(struct chunks *chunks, const char *file, uint64_t size)
{
	for (unsigned page = 0; chunks->size < size; page++) {
		AUTO_FREE char *name =
			page ? format("user.chunk_list~%u", page) : xstrdup("user.chunk_list");
		AUTO_FREE char *list = attribute(file, name);
		uint64_t before = chunks->size;

		if (!list)
			return false;
		errno = 0;
		if (!add_chunks(chunks, list) || chunks->size == before)
			return false;
	}
	errno = 0;
	return chunks->size == size && chunks->n;
}

char *chunking_graft(const struct repository *repository, const char *path, uint64_t size,
		     ducc_error **err)
{
	AUTO_FREE char *file = format("%s/%s", repository->path, path);
	AUTO_FREE char *compression = attribute(file, "user.compression");
	int failure = compression ? 0 : errno;
	struct chunks chunks = {.n = 0};
	AUTO_BUFFER text = {0};

	if (!failure && read_chunks(&chunks, file, size)) {
		const char *algorithm = chunks.hashes.data + HASH_DIGITS;

		buffer_addf(&text, "size=%llu\n", (unsigned long long)size);
		if (compression && *compression)
			buffer_addf(&text, "compression=%s\n", compression);
		if (chunks.n == 1)
			buffer_addf(&text, "checksum=%s\n", chunks.hashes.data);
		else /* no checksum, but the algorithm is that of the chunks */
			buffer_addf(&text,
				    "checksum=%040d%.*s\nchunk_offsets=%s\nchunk_checksums=%s\n", 0,
				    (int)strcspn(algorithm, ","), algorithm, chunks.offsets.data,
				    chunks.hashes.data);
	} else if (failure || errno) {
		error_errno(err, failure ? failure : errno, "%s: extended attributes", path);
	} else {
		error_set(err, "%s: CernVM-FS does not say what its content is stored as", path);
	}
	buffer_free(&chunks.offsets);
	buffer_free(&chunks.hashes);
	return text.len ? buffer_steal(&text) : NULL;
}

/* True for a mount of CernVM-FS, where each file has the attribute that chunking_of() reads. */
static bool is_mount(const struct repository *repository)
{
	return getxattr(repository->path, "user.root_hash", NULL, 0) > 0;
}

int chunking_check(const struct repository *repository, const char *path, uint64_t size,
		   ducc_error **err)
{
	AUTO_FREE char *file = format("%s/%s", repository->path, path);
	enum chunking chunking = size < CHUNKING_MIN ? CHUNKING_WHOLE : chunking_of_file(file);
	struct chunks chunks = {.n = 0};
	int failure = chunking == CHUNKING_UNKNOWN ? errno : 0;
	bool good = chunking == CHUNKING_WHOLE;

	if (chunking == CHUNKING_CHUNKS) {
		good = read_chunks(&chunks, file, size);
		failure = good ? 0 : errno;
	} else if (chunking == CHUNKING_UNKNOWN && !failure) {
		good = !is_mount(repository);
	}
	buffer_free(&chunks.offsets);
	buffer_free(&chunks.hashes);
	if (failure)
		return error_errno(err, failure, "%s: extended attributes", path);
	return good ? 0 : error_set(err, "its chunks do not add up to its size");
}
