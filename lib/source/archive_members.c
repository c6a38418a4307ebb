/* The members of a tar archive: see archive_members.h. */
#include "source/archive_members.h"

#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "base/buffer.h"
#include "content/archive_file.h"
#include "content/c_locale.h"
#include "source/archive_copy.h"

#define MAX_MEMBERS 100000
#define NAMES_LIMIT ((size_t)16 << 20) /* bytes of all names and targets */

static int open_tar(const struct members *members, struct archive_file *file, int64_t offset)
{
	archive_file_init(file, members->fd, offset);
	archive_read_support_format_tar(file->archive);
	return archive_file_open(file);
}

/* libarchive warns if a name is not in the locale's encoding; names are bytes. */
static bool is_entry(int result)
{
	return result == ARCHIVE_OK || result == ARCHIVE_WARN;
}

/* Normalises "a/../b/layer.tar" and "./b/layer.tar" to b/layer.tar; the caller frees it. */
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

static int hash_member(const struct archive_file *file, struct member *member, ducc_error **err)
{
	struct hasher *hasher = hasher_new();
	uint8_t sha256[SHA256_SIZE];
	const void *block;
	la_int64_t offset;
	size_t len;
	int result;

	while ((result = archive_read_data_block(file->archive, &block, &len, &offset)) ==
	       ARCHIVE_OK) {
		for (size_t i = 0; member->size + i < sizeof(member->magic) && i < len; i++)
			member->magic[member->size + i] = ((const unsigned char *)block)[i];
		member->size += len;
		hasher_update(hasher, block, len);
	}
	hasher_final(hasher, sha256);
	hasher_free(hasher);
	digest_from_bytes(&member->digest, sha256);
	return result == ARCHIVE_EOF ? 0 : archive_file_fail(file, err);
}

static void index_members(struct members *members)
{
	for (size_t i = 0; i < members->n; i++) {
		struct member *member = &members->list[i];

		strmap_put(&members->by_name, member->name, member);
		if (!member->link && !strmap_get(&members->by_digest, member->digest.hex))
			strmap_put(&members->by_digest, member->digest.hex, member);
	}
}

static int check_length(const char *name, const char *what, ducc_error **err)
{
	if (strlen(name) < PATH_MAX)
		return 0;
	return error_set(err, "%s of more than %d bytes", what, PATH_MAX - 1);
}

/* Checks a name and charges it to the limit for all names. */
static int charge_name(struct members *members, const char *name, const char *what,
		       ducc_error **err)
{
	if (check_length(name, what, err) < 0)
		return -1;
	members->names_size += strlen(name);
	if (members->names_size <= NAMES_LIMIT)
		return 0;
	return error_set(err, "names of more than %zu bytes together", NAMES_LIMIT);
}

/* Sets member->link if the entry is a link. */
static int set_link(struct members *members, struct member *member, struct archive_entry *entry,
		    ducc_error **err)
{
	const char *symlink = archive_entry_symlink(entry);
	const char *link = symlink ? symlink : archive_entry_hardlink(entry);
	AUTO_FREE char *full = NULL;

	if (!link)
		return 0;
	if (charge_name(members, link, "target", err) < 0)
		return -1;
	/* A symbolic link is relative to its own directory. */
	full = symlink ? format("%s/../%s", member->name, symlink) : xstrdup(link);
	member->link = normalize(full);
	return check_length(member->link, "target", err);
}

static int add_member(struct members *members, const struct archive_file *file, const char *name,
		      struct archive_entry *entry, ducc_error **err)
{
	struct member *member;

	if (charge_name(members, name, "name", err) < 0)
		return -1;
	GROW(members->list, members->n, members->capacity);
	member = &members->list[members->n++];
	*member = (struct member){.name = normalize(name),
				  .offset = archive_read_header_position(file->archive)};
	if (set_link(members, member, entry, err) < 0)
		return -1;
	if (member->link || archive_entry_filetype(entry) != S_IFREG)
		return 0;
	return hash_member(file, member, err);
}

static int read_members(struct members *members, struct archive_file *file, ducc_error **err)
{
	struct archive_entry *entry;
	int result;

	while (is_entry(result = tar_header_next(&file->header, file->archive, &entry))) {
		const char *name = archive_entry_pathname(entry);

		if (!name || members->n == MAX_MEMBERS)
			return error_set(err, "not an image archive");
		if (add_member(members, file, name, entry, err) < 0)
			return error_wrap(err, strlen(name) < PATH_MAX ? "%s" : "%.64s...", name);
	}
	return result == ARCHIVE_EOF ? 0 : archive_file_fail(file, err);
}

static int scan(struct members *members, ducc_error **err)
{
	PLAIN_BYTES;
	AUTO_ARCHIVE_FILE file;

	if (open_tar(members, &file, 0) != ARCHIVE_OK)
		return archive_file_fail(&file, err);
	if (read_members(members, &file, err) < 0)
		return -1;
	index_members(members);
	return 0;
}

/* Standard input can be read only once: *input is its copy, for all images in it. */
static int open_input(int *input, ducc_error **err)
{
	int fd;

	if (*input < 0)
		*input = archive_copy_input(err);
	if (*input < 0)
		return -1;
	fd = fcntl(*input, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? error_errno(err, errno, STANDARD_INPUT) : fd;
}

int members_open(struct members *members, const char *path, int *input, ducc_error **err)
{
	bool is_input = !strcmp(path, "-");

	*members = (struct members){.name = xstrdup(is_input ? STANDARD_INPUT : path)};
	members->fd = is_input ? open_input(input, err) : archive_copy_file(path, err);
	if (members->fd < 0)
		return -1;
	if (scan(members, err) == 0)
		return 0;
	error_kind(err, DUCC_CORRUPT);
	return error_wrap(err, "%s", members->name);
}

void members_close(struct members *members)
{
	for (size_t i = 0; i < members->n; i++) {
		free(members->list[i].name);
		free(members->list[i].link);
	}
	free(members->list);
	strmap_free(&members->by_name);
	strmap_free(&members->by_digest);
	if (members->name)
		cleanup_close(&members->fd);
	free(members->name);
	*members = (struct members){NULL};
}

const struct member *members_find(const struct members *members, const char *name)
{
	AUTO_FREE char *wanted = normalize(name);

	for (int hops = 0; hops < 8; hops++) {
		const struct member *found = strmap_get(&members->by_name, wanted);

		if (!found || !found->link)
			return found;
		free(wanted);
		wanted = xstrdup(found->link);
	}
	return NULL;
}

const struct member *members_find_digest(const struct members *members, const struct digest *digest)
{
	return strmap_get(&members->by_digest, digest->hex);
}

/* Opens the archive at the member's content; the caller closes *file even on failure. */
static int open_member(const struct members *members, const struct member *member,
		       struct archive_file *file, ducc_error **err)
{
	PLAIN_BYTES;
	struct archive_entry *entry;

	if (open_tar(members, file, member->offset) == ARCHIVE_OK &&
	    is_entry(tar_header_next(&file->header, file->archive, &entry)))
		return 0;
	if (!file->error)
		return error_set(err, "%s changed while being read", members->name);
	archive_file_fail(file, err);
	return error_wrap(err, "%s", members->name);
}

int members_read(const struct members *members, const struct member *member, size_t limit,
		 char **data, size_t *len, ducc_error **err)
{
	AUTO_ARCHIVE_FILE file = {NULL};
	AUTO_FREE char *text = NULL;
	la_ssize_t n;

	if (member->size > limit)
		return error_set(err, "%s: more than %zu bytes", member->name, limit);
	if (open_member(members, member, &file, err) < 0)
		return -1;
	text = xcalloc(member->size + 1, 1);
	n = archive_read_data(file.archive, text, member->size);
	if (n < 0 || (uint64_t)n != member->size)
		return error_set(err, "%s changed while being read", members->name);
	*len = member->size;
	*data = STEAL(text);
	return 0;
}

int members_copy(const struct members *members, const struct member *member, struct blob *blob,
		 ducc_error **err)
{
	AUTO_ARCHIVE_FILE file = {NULL};
	const void *data;
	la_int64_t offset;
	size_t len;
	int result;

	if (open_member(members, member, &file, err) < 0 || blob_restart(blob, err) < 0)
		return -1;
	while ((result = archive_read_data_block(file.archive, &data, &len, &offset)) == ARCHIVE_OK)
		if (blob_write(blob, data, len, err) < 0)
			return -1;
	if (result == ARCHIVE_EOF)
		return blob_verify(blob, err);
	archive_file_fail(&file, err);
	return error_wrap(err, "%s", members->name);
}
