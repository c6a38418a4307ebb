/*
 * A blob on its way into a file: hashed while it is written, and verified
 * against its descriptor when it is whole.
 */
#ifndef DUCC_BLOB_WRITER_H
#define DUCC_BLOB_WRITER_H

#include "format/image.h"

struct blob {
	const struct descriptor *descriptor;
	int fd;
	struct hasher *hasher;
	uint64_t done; /* bytes that came */
	char *buffer;  /* of them, what is neither hashed nor written yet */
	size_t buffered;
	bool wrong;                                 /* what came is not what the descriptor says */
	bool unwritable;                            /* the file can't take it */
	void (*progress)(void *ctx, uint64_t done); /* may be NULL */
	void *ctx;
};

/* The file must be empty; release with blob_end(). */
void blob_begin(struct blob *blob, const struct descriptor *descriptor, int fd);
void blob_end(struct blob *blob);

/* Goes on with what the file has already, and does not trust it more than what comes. */
int blob_resume(struct blob *blob, ducc_error **err);

/* Makes the file hold all that came, for somebody else to resume. */
int blob_flush(struct blob *blob, ducc_error **err);

/* Starts over with an empty file. */
int blob_restart(struct blob *blob, ducc_error **err);

/* Takes the next bytes; more than the descriptor's size is an error. */
int blob_write(struct blob *blob, const void *data, size_t len, ducc_error **err);

/* Checks size and digest of what came. */
int blob_verify(struct blob *blob, ducc_error **err);

#endif
