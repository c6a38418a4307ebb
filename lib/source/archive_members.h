/*
 * The members of a tar archive, found by name or by content: a first pass over the archive
 * computes their digests, later ones read their bytes.
 *
 * The archive may be compressed, and may come from standard input or another pipe: see
 * archive_copy.h.
 */
#ifndef DUCC_ARCHIVE_MEMBERS_H
#define DUCC_ARCHIVE_MEMBERS_H

#include "base/strmap.h"
#include "store/blob_writer.h"

struct member {
	char *name;
	char *link; /* the member that this one links to, or NULL */
	struct digest digest;
	uint64_t size;
	unsigned char magic[4]; /* the first bytes of its content */
	uint64_t offset;        /* of its header */
};

struct members {
	char *name; /* for messages */
	int fd;     /* the tar: the file itself, or a copy */
	struct member *list;
	size_t n, capacity;
	size_t names_size;       /* bytes of the names and targets, as stored in the tar */
	struct strmap by_name;   /* the last member of each name */
	struct strmap by_digest; /* the first member of each digest, without links */
};

/*
 * `path` "-" is standard input; *input, initially -1, is set to a copy of it on the first call
 * and reused later.  The caller closes *input after the last members_close().  Call
 * members_close() even on failure; it does nothing if *members is zero.
 */
int members_open(struct members *members, const char *path, int *input, ducc_error **err);
void members_close(struct members *members);

/* The member of that name, following links, or NULL. */
const struct member *members_find(const struct members *members, const char *name);

/* The first member with that digest, or NULL. */
const struct member *members_find_digest(const struct members *members,
					 const struct digest *digest);

/* Reads a member of at most `limit` bytes; the caller frees *data (NUL-terminated). */
int members_read(const struct members *members, const struct member *member, size_t limit,
		 char **data, size_t *len, ducc_error **err);

/* Writes a member into the blob's file and verifies it.  Safe to call from several threads. */
int members_copy(const struct members *members, const struct member *member, struct blob *blob,
		 ducc_error **err);

#endif
