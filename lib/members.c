/* The members of a tar archive: see members.h. */
#include "members.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>

#include "buffer.h"
#include "charset.h"
#include "mem.h"
#include "path.h"

#define READ_SIZE ((size_t)256 << 10)
#define MAX_MEMBERS 100000

static void archive_cleanup(struct archive **archive)
{
	if (*archive)
		archive_read_free(*archive);
}

#define AUTO_ARCHIVE CLEANUP(archive_cleanup) struct archive

static int open_archive(const struct members *members, struct archive **archive, ducc_error **err)
{
	*archive = xalloc(archive_read_new());
	archive_read_support_format_tar(*archive);
	archive_read_support_filter_gzip(*archive);
	archive_read_support_filter_zstd(*archive);
	if (archive_read_open_filename(*archive, members->path, READ_SIZE) == ARCHIVE_OK)
		return 0;
	if (archive_errno(*archive) == ENOENT || archive_errno(*archive) == EACCES)
		error_errno(err, archive_errno(*archive), "%s", members->name);
	else
		error_set(err, "%s: %s", members->name, archive_error_string(*archive));
	archive_read_free(*archive);
	*archive = NULL;
	return -1;
}

/* "a/../b/layer.tar" and "./b/layer.tar" are b/layer.tar; the caller frees it. */
static char *normalize(const char *name)
{
	struct buffer path = {0};

	while (*name) {
		size_t len = strcspn(name, "/");

		if (len == 2 && !strncmp(name, "..", 2)) {
			char *slash = path.len ? strrchr(path.data, '/') : NULL;

			buffer_truncate(&path, slash ? (size_t)(slash - path.data) : 0);
		} else if (len && !(len == 1 && *name == '.')) {
			if (path.len)
				buffer_addc(&path, '/');
			buffer_add(&path, name, len);
		}
		name += len + (name[len] == '/');
	}
	return buffer_steal(&path);
}

static int hash_member(struct archive *archive, struct member *member, ducc_error **err)
{
	struct hasher *hasher = hasher_new();
	uint8_t sha256[SHA256_SIZE];
	const void *block;
	la_int64_t offset;
	size_t len;
	int result;

	while ((result = archive_read_data_block(archive, &block, &len, &offset)) == ARCHIVE_OK) {
		for (size_t i = 0; member->size + i < sizeof(member->magic) && i < len; i++)
			member->magic[member->size + i] = ((const unsigned char *)block)[i];
		member->size += len;
		hasher_update(hasher, block, len);
	}
	hasher_final(hasher, sha256);
	hasher_free(hasher);
	digest_from_bytes(&member->digest, sha256);
	return result == ARCHIVE_EOF ? 0 : error_set(err, "%s", archive_error_string(archive));
}

static int by_name(const void *a, const void *b)
{
	const struct member *x = *(const struct member *const *)a;
	const struct member *y = *(const struct member *const *)b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x > y) - (x < y);
}

static int is_named(const void *name, const void *member)
{
	return strcmp(name, (*(const struct member *const *)member)->name);
}

static int by_digest(const void *a, const void *b)
{
	const struct member *x = *(const struct member *const *)a;
	const struct member *y = *(const struct member *const *)b;
	int order = strcmp(x->digest.hex, y->digest.hex);

	return order ? order : (x > y) - (x < y);
}

static int has_digest(const void *digest, const void *member)
{
	return strcmp(((const struct digest *)digest)->hex,
		      (*(const struct member *const *)member)->digest.hex);
}

/* Builds the sorted lists for members_find() and members_find_digest(). */
static void sort_members(struct members *members)
{
	const struct member **names = xcalloc(members->n, sizeof(const struct member *));
	const struct member **digests = xcalloc(members->n, sizeof(const struct member *));
	size_t n = 0;

	for (size_t i = 0; i < members->n; i++) {
		names[i] = &members->list[i];
		if (!members->list[i].link)
			digests[n++] = &members->list[i];
	}
	qsort(names, members->n, sizeof(*names), by_name);
	for (size_t i = 0; i < members->n; i++)
		if (i + 1 == members->n || strcmp(names[i]->name, names[i + 1]->name) != 0)
			names[members->n_names++] = names[i];
	qsort(digests, n, sizeof(*digests), by_digest);
	for (size_t i = 0; i < n; i++)
		if (!i ||
		    !digest_equal(&digests[members->n_digests - 1]->digest, &digests[i]->digest))
			digests[members->n_digests++] = digests[i];
	members->by_name = names;
	members->by_digest = digests;
}

static int scan(struct members *members, ducc_error **err)
{
	PLAIN_BYTES;
	AUTO_ARCHIVE *archive = NULL;
	struct archive_entry *entry;
	int result;

	if (open_archive(members, &archive, err) < 0)
		return -1;
	while ((result = archive_read_next_header(archive, &entry)) == ARCHIVE_OK ||
	       result == ARCHIVE_WARN) {
		const char *name = archive_entry_pathname(entry);
		const char *link = archive_entry_symlink(entry);
		struct member *member;

		if (!name || members->n == MAX_MEMBERS)
			return error_set(err, "%s: not an archive of an image", members->name);
		GROW(members->list, members->n, members->capacity);
		member = &members->list[members->n++];
		*member = (struct member){.name = normalize(name), .offset = -1};
		if (archive_filter_code(archive, 0) == ARCHIVE_FILTER_NONE)
			member->offset = archive_read_header_position(archive);
		if (link) { /* relative to its own directory */
			AUTO_FREE char *full = format("%s/../%s", member->name, link);

			member->link = normalize(full);
		} else if (archive_entry_hardlink(entry)) {
			member->link = normalize(archive_entry_hardlink(entry));
		} else if (archive_entry_filetype(entry) == S_IFREG &&
			   hash_member(archive, member, err) < 0) {
			return error_wrap(err, "%s: %s", members->name, member->name);
		}
	}
	if (result != ARCHIVE_EOF)
		return error_set(err, "%s: %s", members->name, archive_error_string(archive));
	sort_members(members);
	return 0;
}

static int write_input(int fd, const char *directory, ducc_error **err)
{
	AUTO_FREE char *buffer = xmalloc(READ_SIZE);
	ssize_t n;

	while ((n = read(STDIN_FILENO, buffer, READ_SIZE)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && write_all(fd, buffer, (size_t)n) < 0)
			return error_errno(err, errno, "%s", directory);
	return n < 0 ? error_errno(err, errno, "standard input") : 0;
}

/* Standard input can be read but once; a file without a name goes when we go. */
static int copy_input(int *copy, ducc_error **err)
{
	const char *directory = getenv("TMPDIR");

	if (!directory || !*directory)
		directory = "/var/tmp";
	*copy = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*copy < 0)
		return error_errno(err, errno, "%s", directory);
	if (!write_input(*copy, directory, err))
		return 0;
	cleanup_close(copy);
	*copy = -1;
	return -1;
}

int members_open(struct members *members, const char *path, int *input, ducc_error **err)
{
	bool is_input = !strcmp(path, "-");

	*members = (struct members){.name = xstrdup(is_input ? "standard input" : path)};
	if (is_input && *input < 0 && copy_input(input, err) < 0)
		return -1;
	members->path = is_input ? format("/proc/self/fd/%d", *input) : xstrdup(path);
	return scan(members, err);
}

void members_close(struct members *members)
{
	for (size_t i = 0; i < members->n; i++) {
		free(members->list[i].name);
		free(members->list[i].link);
	}
	free(members->list);
	free(members->by_name);
	free(members->by_digest);
	free(members->path);
	free(members->name);
	*members = (struct members){NULL};
}

const struct member *members_find(const struct members *members, const char *name)
{
	AUTO_FREE char *wanted = normalize(name);

	for (int hops = 0; hops < 8; hops++) {
		const struct member *const *found =
			bsearch(wanted, members->by_name, members->n_names,
				sizeof(*members->by_name), is_named);

		if (!found)
			return NULL;
		if (!(*found)->link)
			return *found;
		free(wanted);
		wanted = xstrdup((*found)->link);
	}
	return NULL;
}

const struct member *members_find_digest(const struct members *members, const struct digest *digest)
{
	const struct member *const *found = bsearch(digest, members->by_digest, members->n_digests,
						    sizeof(*members->by_digest), has_digest);

	return found ? *found : NULL;
}

/* Opens the archive at the member's header.  The caller closes *fd after the archive. */
static struct archive *open_at(const struct members *members, const struct member *member, int *fd)
{
	struct archive *archive = xalloc(archive_read_new());
	struct archive_entry *entry;

	archive_read_support_format_tar(archive);
	*fd = open(members->path, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0 && lseek(*fd, (off_t)member->offset, SEEK_SET) == member->offset &&
	    archive_read_open_fd(archive, *fd, READ_SIZE) == ARCHIVE_OK &&
	    archive_read_next_header(archive, &entry) >= ARCHIVE_WARN)
		return archive;
	archive_read_free(archive);
	return NULL;
}

/*
 * Opens the archive with the member's bytes next.  A compressed archive must be read from
 * the beginning, in the order of the first pass.  The caller closes *fd after the archive.
 */
static struct archive *open_member(const struct members *members, const struct member *member,
				   int *fd, ducc_error **err)
{
	PLAIN_BYTES;
	struct archive *archive = member->offset < 0 ? NULL : open_at(members, member, fd);
	struct archive_entry *entry;

	if (archive)
		return archive;
	if (member->offset < 0 && open_archive(members, &archive, err) < 0)
		return NULL;
	for (size_t i = 0; archive && i < members->n; i++) {
		int result = archive_read_next_header(archive, &entry);

		if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
			break;
		if (&members->list[i] == member)
			return archive;
	}
	if (archive)
		archive_read_free(archive);
	error_set(err, "%s changed while it was read", members->name);
	return NULL;
}

int members_read(const struct members *members, const struct member *member, size_t limit,
		 char **data, size_t *len, ducc_error **err)
{
	AUTO_CLOSE int fd = -1;
	AUTO_ARCHIVE *archive = NULL;
	AUTO_FREE char *text = NULL;
	la_ssize_t n;

	if (member->size > limit)
		return error_set(err, "%s: more than %zu bytes", member->name, limit);
	archive = open_member(members, member, &fd, err);
	if (!archive)
		return -1;
	text = xcalloc(member->size + 1, 1);
	n = archive_read_data(archive, text, member->size);
	if (n < 0 || (uint64_t)n != member->size)
		return error_set(err, "%s changed while it was read", members->name);
	*len = member->size;
	*data = STEAL(text);
	return 0;
}

int members_copy(const struct members *members, const struct member *member, struct blob *blob,
		 ducc_error **err)
{
	AUTO_CLOSE int fd = -1;
	AUTO_ARCHIVE *archive = open_member(members, member, &fd, err);
	const void *data;
	la_int64_t offset;
	size_t len;
	int result;

	if (!archive || blob_restart(blob, err) < 0)
		return -1;
	while ((result = archive_read_data_block(archive, &data, &len, &offset)) == ARCHIVE_OK)
		if (blob_write(blob, data, len, err) < 0)
			return -1;
	if (result != ARCHIVE_EOF)
		return error_set(err, "%s", archive_error_string(archive));
	return blob_verify(blob, err);
}
