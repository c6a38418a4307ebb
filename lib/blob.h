/*
 * A blob on its way into a file: hashed while it is written, and verified
 * against its descriptor when it is whole.
 */
#ifndef DUCC_BLOB_H
#define DUCC_BLOB_H

#include "image.h"

struct blob {
	const struct descriptor *descriptor;
	int fd;
	struct hasher *hasher;
	uint64_t done; /* bytes that came */
	char *buffer;  /* of them, what is neither hashed nor written yet */
	size_t buffered;
	void (*progress)(void *ctx, uint64_t done); /* may be NULL */
	void *ctx;
};

/* The file must be empty; release with blob_end(). */
void blob_begin(struct blob *blob, const struct descriptor *descriptor, int fd);
void blob_end(struct blob *blob);

/* Starts over with an empty file. */
int blob_restart(struct blob *blob, ducc_error **err);

/* Takes the next bytes; more than the descriptor's size is an error. */
int blob_write(struct blob *blob, const void *data, size_t len, ducc_error **err);

/* Checks size and digest of what came. */
int blob_verify(struct blob *blob, ducc_error **err);

#endif
