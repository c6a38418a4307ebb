/* Content codings: see inflate.h. */
#include "net/inflate.h"

#include <limits.h>
#include <strings.h>
#include <zlib.h>

#include "base/mem.h"

#define GZIP_WINDOW (15 + 16) /* the largest window; 16: gzip's header */

static void stream_end(z_stream *stream)
{
	inflateEnd(stream);
}

int inflate_body(struct buffer *body, const char *coding, size_t limit, ducc_error **err)
{
	CLEANUP(stream_end) z_stream stream = {.next_in = (Bytef *)body->data};
	AUTO_BUFFER plain = {0};
	unsigned char data[16384];
	int result = Z_OK;

	if (!coding || !body->len || body->len > UINT_MAX ||
	    (strcasecmp(coding, "gzip") != 0 && strcasecmp(coding, "x-gzip") != 0))
		return 0;
	stream.avail_in = (uInt)body->len;
	if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
		abort();
	while (result == Z_OK) {
		stream.next_out = data;
		stream.avail_out = sizeof(data);
		result = inflate(&stream, Z_NO_FLUSH);
		buffer_add(&plain, data, sizeof(data) - stream.avail_out);
		if (plain.len > limit)
			return error_set(err, "response of more than %zu bytes", limit);
	}
	if (result != Z_STREAM_END)
		return error_set_kind(err, DUCC_CORRUPT,
				      "response is not gzip, as its header says");
	buffer_free(body);
	*body = plain;
	plain = (struct buffer){0};
	return 0;
}
