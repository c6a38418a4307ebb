/* Content codings: see inflate.h. */
#include "net/inflate.h"

#include <strings.h>

#include "base/gunzip.h"
#include "base/mem.h"

/* Appends what the body stands for. */
static int gunzip_all(struct gunzip *gunzip, const struct buffer *body, size_t limit,
		      struct buffer *to, ducc_error **err)
{
	const void *next = body->data;
	size_t left = body->len;
	char piece[16384];
	ssize_t n;

	while ((n = gunzip_step(gunzip, &next, &left, piece, sizeof(piece), NULL)) > 0) {
		buffer_add(to, piece, (size_t)n);
		if (to->len > limit)
			return error_set(err, "response of more than %zu bytes", limit);
	}
	return n < 0 || gunzip_end(gunzip, NULL) < 0
		       ? error_set_kind(err, DUCC_CORRUPT,
					"response is not gzip, as its header says")
		       : 0;
}

int inflate_body(struct buffer *body, const char *coding, size_t limit, ducc_error **err)
{
	AUTO_BUFFER plain = {0};
	struct gunzip *gunzip;
	int result;

	if (!coding || !body->len ||
	    (strcasecmp(coding, "gzip") != 0 && strcasecmp(coding, "x-gzip") != 0))
		return 0;
	gunzip = gunzip_new();
	result = gunzip_all(gunzip, body, limit, &plain, err);
	gunzip_free(gunzip);
	if (result < 0)
		return -1;
	buffer_free(body);
	*body = plain;
	plain = (struct buffer){0};
	return 0;
}
