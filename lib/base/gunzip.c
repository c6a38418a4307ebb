/* Decompression of gzip files: see gunzip.h. */
#include "base/gunzip.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"

/* Neither library takes more at once. */
#define PIECE ((size_t)1 << 30)

/* --- the engines ------------------------------------------------------ */

/*
 * Each has a struct engine, which decompresses one member including its header and trailer;
 * engine_step() advances as gunzip_step() does.
 */
enum status { ENGINE_MORE, ENGINE_END, ENGINE_CORRUPT };

#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>

#ifdef __x86_64__
#include <immintrin.h>

__attribute__((target("avx"))) static void zero_upper(void)
{
	_mm256_zeroupper();
}

/*
 * ISA-L leaves the upper parts of vector registers in use.  That makes SSE instructions slow: the
 * hashes of what was decompressed would take twice as long.
 */
static void release_vectors(void)
{
	if (__builtin_cpu_supports("avx"))
		zero_upper();
}
#else
static void release_vectors(void)
{
}
#endif

/* RFC 1952, section 2.3.1.2: "must give an error indication". */
#define RESERVED_FLAGS 0xe0

struct engine {
	struct inflate_state state;
	struct isal_gzip_header header;
	bool in_header;
};

static void engine_reset(struct engine *engine)
{
	isal_inflate_reset(&engine->state);
	isal_gzip_header_init(&engine->header);
	engine->in_header = true;
}

static void engine_init(struct engine *engine)
{
	isal_inflate_init(&engine->state);
	engine->state.crc_flag = ISAL_GZIP_NO_HDR_VER;
	engine_reset(engine);
}

static void engine_free(struct engine *engine)
{
	(void)engine;
}

/* isal_inflate() can read headers too, but not in pieces. */
static int inflate_state(struct engine *engine)
{
	if (engine->in_header) {
		int result = isal_read_gzip_header(&engine->state, &engine->header);

		if (result != ISAL_DECOMP_OK)
			return result;
		if (engine->header.flags & RESERVED_FLAGS)
			return ISAL_INVALID_WRAPPER;
		engine->in_header = false;
	}
	return isal_inflate(&engine->state);
}

static enum status engine_step(struct engine *engine, const uint8_t **in, size_t *in_len,
			       uint8_t *out, size_t *size)
{
	struct inflate_state *state = &engine->state;
	int result;

	state->next_in = (uint8_t *)*in;
	state->avail_in = (uint32_t)*in_len;
	state->next_out = out;
	state->avail_out = (uint32_t)*size;
	result = inflate_state(engine);
	release_vectors();
	*in = state->next_in;
	*in_len = state->avail_in;
	*size -= state->avail_out;
	if (result < 0 || result == ISAL_NEED_DICT)
		return ENGINE_CORRUPT;
	return state->block_state == ISAL_BLOCK_FINISH ? ENGINE_END : ENGINE_MORE;
}

#else
#include <zlib.h>

#define WINDOW_BITS 15
#define GZIP_WRAPPER 16

struct engine {
	z_stream stream;
};

static void engine_init(struct engine *engine)
{
	if (inflateInit2(&engine->stream, WINDOW_BITS + GZIP_WRAPPER) != Z_OK)
		out_of_memory();
}

static void engine_reset(struct engine *engine)
{
	inflateReset(&engine->stream);
}

static void engine_free(struct engine *engine)
{
	inflateEnd(&engine->stream);
}

static enum status engine_step(struct engine *engine, const uint8_t **in, size_t *in_len,
			       uint8_t *out, size_t *size)
{
	z_stream *stream = &engine->stream;
	int result;

	stream->next_in = (uint8_t *)*in;
	stream->avail_in = (uInt)*in_len;
	stream->next_out = out;
	stream->avail_out = (uInt)*size;
	result = inflate(stream, Z_NO_FLUSH);
	*in = stream->next_in;
	*in_len = stream->avail_in;
	*size -= stream->avail_out;
	if (result == Z_MEM_ERROR)
		out_of_memory();
	if (result == Z_STREAM_END)
		return ENGINE_END;
	return result == Z_OK || result == Z_BUF_ERROR ? ENGINE_MORE : ENGINE_CORRUPT;
}
#endif

/* --- members ---------------------------------------------------------- */

struct gunzip {
	struct engine engine;
	bool within; /* a member */
	bool any;    /* member has ended */
};

struct gunzip *gunzip_new(void)
{
	struct gunzip *gunzip = xcalloc(1, sizeof(*gunzip));

	engine_init(&gunzip->engine);
	return gunzip;
}

void gunzip_free(struct gunzip *gunzip)
{
	if (!gunzip)
		return;
	engine_free(&gunzip->engine);
	free(gunzip);
}

static int corrupt(const struct gunzip *gunzip, bool began, ducc_error **err)
{
	return error_set(err, began || !gunzip->any ? "corrupt gzip data"
						    : "garbage after the gzip data");
}

ssize_t gunzip_step(struct gunzip *gunzip, const void **in, size_t *in_len, void *out, size_t size,
		    ducc_error **err)
{
	const uint8_t *next = *in;
	size_t left = *in_len, n;

	do {
		bool began = gunzip->within;
		size_t piece = left < PIECE ? left : PIECE, rest = left - piece;
		enum status status;

		n = size < PIECE ? size : PIECE;
		gunzip->within |= left > 0;
		status = engine_step(&gunzip->engine, &next, &piece, out, &n);
		left = rest + piece;
		if (status == ENGINE_CORRUPT)
			return corrupt(gunzip, began, err);
		if (status == ENGINE_END) {
			engine_reset(&gunzip->engine);
			gunzip->any = true;
			gunzip->within = false;
		}
	} while (!n && left);
	*in = next;
	*in_len = left;
	return (ssize_t)n;
}

int gunzip_end(const struct gunzip *gunzip, ducc_error **err)
{
	return gunzip->within ? error_set(err, "truncated gzip input") : 0;
}
