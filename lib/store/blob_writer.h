/*
 * Writing a blob to a file: hashed while it is written, and verified against its
 * descriptor when complete.
 */
#ifndef DUCC_BLOB_WRITER_H
#define DUCC_BLOB_WRITER_H

#include "format/image.h"

struct blob {
	const struct descriptor *descriptor;
	int fd;
	struct hasher *hasher;
	uint64_t done; /* bytes received */
	char *buffer;  /* of them, those neither hashed nor written yet */
	size_t buffered;
	bool wrong;      /* the data does not match the descriptor */
	bool unwritable; /* writing the file failed */
	/* Called after each write; returns -1 with *err set to stop; may be NULL. */
	int (*progress)(void *ctx, uint64_t done, ducc_error **err);
	void *ctx;
};

/* The file must be empty.  Release the blob with blob_end(). */
void blob_begin(struct blob *blob, const struct descriptor *descriptor, int fd);
void blob_end(struct blob *blob);

/* Resumes with the file's present contents, which are hashed like new data. */
int blob_resume(struct blob *blob, ducc_error **err);

/* Writes buffered data to the file, so that another process can resume. */
int blob_flush(struct blob *blob, ducc_error **err);

/* Truncates the file and starts over. */
int blob_restart(struct blob *blob, ducc_error **err);

/* Appends data; exceeding the descriptor's size is an error. */
int blob_write(struct blob *blob, const void *data, size_t len, ducc_error **err);

/* Verifies the size and digest of the data. */
int blob_verify(struct blob *blob, ducc_error **err);

#endif
