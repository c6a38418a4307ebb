/* The members of a tar archive: see archive_members.h. */
#include "source/archive_members.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <limits.h>

#include "base/buffer.h"
#include "content/tar_reader.h"
#include "source/archive_copy.h"

#define MAX_MEMBERS 100000
#define NAMES_LIMIT ((size_t)16 << 20) /* bytes of all names and targets */

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

static int hash_member(struct tar_reader *tar, struct member *member, ducc_error **err)
{
	struct hasher *hasher = hasher_new();
	const void *piece;
	size_t len;
	int result;

	while ((result = tar_reader_data(tar, &piece, &len, err)) > 0) {
		for (size_t i = 0; member->size + i < sizeof(member->magic) && i < len; i++)
			member->magic[member->size + i] = ((const unsigned char *)piece)[i];
		member->size += len;
		hasher_update(hasher, piece, len);
	}
	member->digest = hasher_digest(hasher);
	hasher_free(hasher);
	return result;
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
static int set_link(struct members *members, struct member *member, const struct tar_entry *entry,
		    ducc_error **err)
{
	AUTO_FREE char *full = NULL;

	if (!entry->is_hard_link && !S_ISLNK(entry->mode))
		return 0;
	if (charge_name(members, entry->link, "target", err) < 0)
		return -1;
	/* A symbolic link is relative to its own directory. */
	full = entry->is_hard_link ? xstrdup(entry->link)
				   : format("%s/../%s", member->name, entry->link);
	member->link = normalize(full);
	return check_length(member->link, "target", err);
}

static int add_member(struct members *members, struct tar_reader *tar,
		      const struct tar_entry *entry, ducc_error **err)
{
	struct member *member;

	if (charge_name(members, entry->name, "name", err) < 0)
		return -1;
	GROW(members->list, members->n, members->capacity);
	member = &members->list[members->n++];
	*member = (struct member){.name = normalize(entry->name), .offset = entry->offset};
	if (set_link(members, member, entry, err) < 0)
		return -1;
	if (member->link || !S_ISREG(entry->mode))
		return 0;
	/* Nobody writes them, and to hash one could take for ever. */
	if (entry->is_sparse)
		return error_set(err, "sparse file");
	return hash_member(tar, member, err);
}

static int scan(struct members *members, ducc_error **err)
{
	AUTO_TAR_READER *tar = tar_reader_file(members->fd, 0, TAR_HEADER_LIMIT);
	const struct tar_entry *entry;
	int result;

	while ((result = tar_reader_next(tar, &entry, err)) > 0) {
		if (members->n == MAX_MEMBERS)
			return error_set(err, "not an image archive");
		if (add_member(members, tar, entry, err) < 0)
			return error_wrap(err, strlen(entry->name) < PATH_MAX ? "%s" : "%.64s...",
					  entry->name);
	}
	if (!result)
		index_members(members);
	return result;
}

/*
 * Standard input can be read only once: *input is its copy, for all images in it, which
 * several threads may open.
 */
static int open_input(int *input, ducc_error **err)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	int copy, fd;

	pthread_mutex_lock(&mutex);
	if (*input < 0)
		*input = archive_copy_input(err);
	copy = *input;
	pthread_mutex_unlock(&mutex);
	if (copy < 0)
		return -1;
	fd = fcntl(copy, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? error_errno(err, errno, STANDARD_INPUT) : fd;
}

int members_open(struct members *members, const char *path, int *input, ducc_error **err)
{
	bool is_input = !strcmp(path, "-");

	*members = (struct members){.name = xstrdup(is_input ? STANDARD_INPUT : path)};
	members->fd = is_input ? open_input(input, err) : archive_copy_file(path, err);
	if (members->fd < 0)
		return -1;
	if (scan(members, err) == 0 && members->n)
		return 0;
	error_set(err, "empty archive"); /* unless the scan failed */
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

/* Passes the member's content to write(). */
static int copy_member(const struct members *members, const struct member *member,
		       int (*write)(void *ctx, const void *data, size_t len, ducc_error **err),
		       void *ctx, ducc_error **err)
{
	AUTO_TAR_READER *tar = tar_reader_file(members->fd, member->offset, TAR_HEADER_LIMIT);
	const struct tar_entry *entry;
	int result = tar_reader_next(tar, &entry, err);

	if (result < 0)
		return error_wrap(err, "%s", members->name);
	if (!result || entry->size != member->size)
		return error_set(err, "%s changed while being read", members->name);
	return tar_reader_copy(tar, write, ctx, err);
}

static int append(void *ctx, const void *data, size_t len, ducc_error **err)
{
	(void)err;
	buffer_add(ctx, data, len);
	return 0;
}

int members_read(const struct members *members, const struct member *member, size_t limit,
		 char **data, size_t *len, ducc_error **err)
{
	AUTO_BUFFER text = {0};

	if (member->size > limit)
		return error_set(err, "%s: more than %zu bytes", member->name, limit);
	if (copy_member(members, member, append, &text, err) < 0)
		return -1;
	*len = text.len;
	*data = buffer_steal(&text);
	return 0;
}

static int write_blob(void *ctx, const void *data, size_t len, ducc_error **err)
{
	return blob_write(ctx, data, len, err);
}

int members_copy(const struct members *members, const struct member *member, struct blob *blob,
		 ducc_error **err)
{
	if (blob_restart(blob, err) < 0 || copy_member(members, member, write_blob, blob, err) < 0)
		return -1;
	return blob_verify(blob, err);
}
