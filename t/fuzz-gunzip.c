/*
 * Decompression: whatever zlib compresses comes out again, in pieces of any size, and whatever it
 * can decompress has the same result; what is cut is an error.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <zlib.h>

#include "base/gunzip.h"

#define OUTPUT_LIMIT ((size_t)4 << 20)

static const char *const seeds[] = {
	"\1\1\1\1 text text text text",
	"\6\77\7\3 several members, in pieces of a few bytes",
	"\11\377\1\1 a header with all fields, byte by byte",
	"\211\17\100\7 a damaged byte",
	"\37\213\10 a header that goes on and on",
};

static const char *const words[] = {"\1",  "\377", "\37\213", "\37\213\10\10", "aaaaaaaaaaaaaaaa",
				    "\200"};

/* What shapes a case: the first bytes of an input. */
struct shape {
	bool damaged;
	int level, strategy, header;
	size_t members, piece, room;
};

static struct shape shape_of(const uint8_t *data)
{
	return (struct shape){
		.damaged = data[0] & 0x80,
		.level = data[0] % 10,
		.strategy = data[1] % 5,
		.header = data[1] >> 3 & 15,
		.members = 1 + (data[2] & 3),
		.piece = data[2] >> 2 ? data[2] >> 2 : OUTPUT_LIMIT,
		.room = data[3] ? data[3] : 1 << 16,
	};
}

static void add_member(struct buffer *to, const struct shape *shape, const void *data, size_t len)
{
	static Bytef name[] = "name", comment[] = "comment", extra[] = "ex\4\0tra.";
	z_stream stream = {.next_in = (Bytef *)data, .avail_in = (uInt)len};
	gz_header header = {.name = shape->header & 1 ? name : NULL,
			    .comment = shape->header & 2 ? comment : NULL,
			    .extra = shape->header & 4 ? extra : NULL,
			    .extra_len = sizeof(extra) - 1,
			    .hcrc = shape->header & 8};
	Bytef out[4096];
	int result;

	FUZZ_CHECK(deflateInit2(&stream, shape->level, Z_DEFLATED, 31, 8, shape->strategy) == Z_OK);
	FUZZ_CHECK(deflateSetHeader(&stream, &header) == Z_OK);
	do {
		stream.next_out = out;
		stream.avail_out = sizeof(out);
		result = deflate(&stream, Z_FINISH);
		buffer_add(to, (char *)out, sizeof(out) - stream.avail_out);
	} while (result == Z_OK);
	FUZZ_CHECK(result == Z_STREAM_END);
	deflateEnd(&stream);
}

/* Returns 0, or -1 if it is corrupt. */
static int inflate_by_zlib(const void *data, size_t len, struct buffer *to)
{
	z_stream stream = {.next_in = (Bytef *)data, .avail_in = (uInt)len};
	Bytef out[4096];
	int result = Z_STREAM_END;

	FUZZ_CHECK(inflateInit2(&stream, 31) == Z_OK);
	while ((result == Z_OK || result == Z_STREAM_END) && to->len < OUTPUT_LIMIT) {
		if (result == Z_STREAM_END) {
			if (!stream.avail_in)
				break;
			inflateReset(&stream);
		}
		stream.next_out = out;
		stream.avail_out = sizeof(out);
		result = inflate(&stream, Z_NO_FLUSH);
		buffer_add(to, (char *)out, sizeof(out) - stream.avail_out);
	}
	inflateEnd(&stream);
	return result == Z_STREAM_END ? 0 : -1;
}

static int gunzip_all(const struct shape *shape, const void *data, size_t len, struct buffer *to)
{
	struct gunzip *gunzip = gunzip_new();
	AUTO_FREE char *out = xmalloc(shape->room);
	ducc_error *err = NULL;
	const char *at = data, *end = at + len;
	ssize_t n = 0;

	while (n >= 0 && to->len < OUTPUT_LIMIT) {
		size_t piece =
			(size_t)(end - at) < shape->piece ? (size_t)(end - at) : shape->piece;
		size_t left = piece;
		AUTO_FREE char *copy = xmemdup(at, piece);
		const void *next = copy;

		n = gunzip_step(gunzip, &next, &left, out, shape->room, &err);
		FUZZ_CHECK(n <= (ssize_t)shape->room && left <= piece);
		FUZZ_CHECK(n || !left);
		at += piece - left;
		buffer_add(to, out, n > 0 ? (size_t)n : 0);
		if (!n && at == end)
			break;
	}
	n = n < 0 ? -1 : gunzip_end(gunzip, &err);
	FUZZ_CHECK((n < 0) == (err != NULL));
	fuzz_message(&err);
	gunzip_free(gunzip);
	return n < 0 ? -1 : 0;
}

static bool same(const struct buffer *a, const struct buffer *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len));
}

static void as_good_as_zlib(const struct shape *shape, const void *data, size_t len)
{
	AUTO_BUFFER want = {0}, got = {0};
	int wanted = inflate_by_zlib(data, len, &want);
	int inflated;

	if (want.len >= OUTPUT_LIMIT)
		return;
	inflated = gunzip_all(shape, data, len, &got);
	/* ISA-L takes incomplete codes that zlib refuses, if the checksum is right all the same. */
	FUZZ_CHECK(wanted || (!inflated && same(&got, &want)));
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	AUTO_BUFFER zipped = {0}, text = {0}, got = {0};
	struct shape shape;
	size_t at;

	if (len < 8)
		return;
	shape = shape_of(data);
	as_good_as_zlib(&shape, data, len);
	for (size_t i = 0; i < shape.members; i++) {
		const char *part = (const char *)data + len * i / shape.members;

		buffer_reset(&got);
		for (int j = 0; j < 1 << data[4] % 8; j++)
			buffer_add(&got, part, len / shape.members);
		buffer_add(&text, got.data, got.len);
		add_member(&zipped, &shape, got.data, got.len);
	}
	buffer_reset(&got);
	FUZZ_CHECK(!gunzip_all(&shape, zipped.data, zipped.len, &got));
	FUZZ_CHECK(same(&got, &text));
	at = (data[5] << 8 | data[6]) % zipped.len;
	buffer_reset(&got);
	FUZZ_CHECK(gunzip_all(&shape, zipped.data, at, &got) || !at || shape.members > 1);
	as_good_as_zlib(&shape, zipped.data, at);
	if (shape.damaged) {
		zipped.data[at] = (char)(zipped.data[at] ^ (data[7] ? data[7] : 1));
		as_good_as_zlib(&shape, zipped.data, zipped.len);
	}
}

FUZZ_MAIN(seeds, words, 10000)
