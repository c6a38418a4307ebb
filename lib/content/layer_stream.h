/*
 * The tar of a layer: its blob, decompressed, and hashed for the diff ID.  Both are stages
 * (base/stage.h), which run in threads of their own if there are slots to spare.
 *
 * But if two hashes of the same data take as long as one (format/digest), a piece is hashed while
 * it is used: its contents of files are hashed twice, and both times at once.  Contents begin at
 * multiples of 512 bytes, thus with a new block of either hash.
 */
#ifndef DUCC_LAYER_STREAM_H
#define DUCC_LAYER_STREAM_H

#include "base/slots.h"
#include "base/stage.h"
#include "content/compression.h"
#include "format/digest.h"

#define LAYER_STREAM_STAGES 2
#define LAYER_STREAM_PIECES (LAYER_STREAM_STAGES * STAGE_AHEAD + 1)

struct layer_stream {
	struct inflation blob;
	char *pieces[LAYER_STREAM_PIECES]; /* a ring */
	size_t next;
	bool ahead; /* pieces are used one after the other, not only the first */
	struct hasher *hasher;
	struct stage inflate, hash;
	const char *unhashed, *end; /* what is left of the current piece; NULL: it is hashed */
	struct slots *slots;        /* spare ones are used; may be NULL */
	int (*progress)(void *ctx, uint64_t done, ducc_error **err);
	void *ctx;
};

/*
 * Opens the blob; the caller closes it after layer_stream_end().  progress, which may be NULL, is
 * called with the bytes of it that are decompressed, by one thread at a time.
 */
int layer_stream_open(struct layer_stream *stream, int blob, struct slots *slots,
		      int (*progress)(void *ctx, uint64_t done, ducc_error **err), void *ctx,
		      ducc_error **err);

/* Gets the next piece, valid until the next call: 1, 0 at the end, or -1 with *err set. */
int layer_stream_next(struct layer_stream *stream, const void **data, size_t *len,
		      ducc_error **err);

/*
 * Hashes some content of a file with `content`.  It is the next in the current piece; or it is not
 * in the tar, as holes are not.
 */
void layer_stream_hash(struct layer_stream *stream, struct hasher *content, const void *data,
		       size_t len);

/* Ends the threads; then tells how much of the blob was decompressed, and what of it hashed. */
void layer_stream_end(struct layer_stream *stream);
uint64_t layer_stream_consumed(const struct layer_stream *stream);
struct digest layer_stream_digest(struct layer_stream *stream);

void layer_stream_close(struct layer_stream *stream);

#endif
