/* The tar of a layer: see layer_stream.h. */
#include "content/layer_stream.h"

#include "base/mem.h"

#define PIECE ((size_t)256 << 10)

/* Lets the stage run ahead if there is a slot for it. */
static void detach(struct layer_stream *stream, struct stage *stage)
{
	if (stage->detached || stage->ended || !stream->slots || !slots_try(stream->slots))
		return;
	stream->ahead = true;
	if (!stage_detach(stage))
		slots_give(stream->slots);
}

static int inflate_piece(void *ctx, const void **data, size_t *len, ducc_error **err)
{
	struct layer_stream *stream = ctx;
	char **piece = &stream->pieces[stream->next];
	ssize_t n;

	if (!*piece)
		*piece = xmalloc(PIECE);
	n = inflation_read(&stream->blob, *piece, PIECE, err);
	if (n <= 0)
		return (int)n;
	*data = *piece;
	*len = (size_t)n;
	stream->next = stream->ahead ? (stream->next + 1) % LAYER_STREAM_PIECES : 0;
	if (stream->progress &&
	    stream->progress(stream->ctx, inflation_consumed(&stream->blob), err) < 0)
		return -1;
	return 1;
}

static int hash_piece(void *ctx, const void **data, size_t *len, ducc_error **err)
{
	struct layer_stream *stream = ctx;
	int result;

	detach(stream, &stream->inflate);
	result = stage_next(&stream->inflate, data, len, err);
	if (result > 0)
		hasher_update(stream->hasher, *data, *len);
	return result;
}

/* Hashes the current piece up to there. */
static void hash_up_to(struct layer_stream *stream, const char *to)
{
	if (stream->unhashed < to)
		hasher_update(stream->hasher, stream->unhashed, (size_t)(to - stream->unhashed));
	stream->unhashed = to;
}

int layer_stream_open(struct layer_stream *stream, int blob, struct slots *slots,
		      int (*progress)(void *ctx, uint64_t done, ducc_error **err), void *ctx,
		      ducc_error **err)
{
	*stream = (struct layer_stream){.hasher = hasher_new(),
					.inflate = {.get = inflate_piece, .ctx = stream},
					.hash = {.get = hash_piece, .ctx = stream},
					.slots = slots,
					.progress = progress,
					.ctx = ctx};
	return inflation_open(&stream->blob, blob, 0, err);
}

int layer_stream_next(struct layer_stream *stream, const void **data, size_t *len, ducc_error **err)
{
	int result;

	if (!hasher_is_paired(stream->hasher)) {
		detach(stream, &stream->hash);
		return stage_next(&stream->hash, data, len, err);
	}
	hash_up_to(stream, stream->end);
	detach(stream, &stream->inflate);
	result = stage_next(&stream->inflate, data, len, err);
	stream->unhashed = result > 0 ? *data : NULL;
	stream->end = result > 0 ? stream->unhashed + *len : NULL;
	return result;
}

void layer_stream_hash(struct layer_stream *stream, struct hasher *content, const void *data,
		       size_t len)
{
	const char *from = data;

	if (from < stream->unhashed || from >= stream->end) {
		hasher_update(content, data, len);
		return;
	}
	hash_up_to(stream, from);
	hasher_update_both(stream->hasher, content, data, len);
	stream->unhashed = from + len;
}

void layer_stream_end(struct layer_stream *stream)
{
	struct stage *stages[] = {&stream->hash, &stream->inflate};

	for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
		if (!stages[i]->detached)
			continue;
		stage_end(stages[i]);
		slots_give(stream->slots);
	}
}

uint64_t layer_stream_consumed(const struct layer_stream *stream)
{
	return inflation_consumed(&stream->blob);
}

struct digest layer_stream_digest(struct layer_stream *stream)
{
	return hasher_digest(stream->hasher);
}

void layer_stream_close(struct layer_stream *stream)
{
	layer_stream_end(stream);
	inflation_close(&stream->blob);
	for (size_t i = 0; i < LAYER_STREAM_PIECES; i++)
		free(stream->pieces[i]);
	hasher_free(stream->hasher);
}
