/* The records of a pax extended header: see pax.h. */
#include "content/pax.h"

#include <string.h>

#include "base/mem.h"
#include "content/tar_number.h"

#define XATTR "SCHILY.xattr."

static const char *const keys[PAX_KEYS] = {
	[PAX_PATH] = "path",
	[PAX_LINKPATH] = "linkpath",
	[PAX_UNAME] = "uname",
	[PAX_GNAME] = "gname",
	[PAX_UID] = "uid",
	[PAX_GID] = "gid",
	[PAX_SIZE] = "size",
	[PAX_MTIME] = "mtime",
	[PAX_ATIME] = "atime",
	[PAX_CTIME] = "ctime",
	[PAX_SPARSE_MAJOR] = "GNU.sparse.major",
	[PAX_SPARSE_MINOR] = "GNU.sparse.minor",
	[PAX_SPARSE_NAME] = "GNU.sparse.name",
	[PAX_SPARSE_SIZE] = "GNU.sparse.size",
	[PAX_SPARSE_REALSIZE] = "GNU.sparse.realsize",
	[PAX_SPARSE_NUMBLOCKS] = "GNU.sparse.numblocks",
	[PAX_SPARSE_MAP] = "GNU.sparse.map",
	[PAX_SPARSE_OFFSET] = "GNU.sparse.offset",
	[PAX_SPARSE_NUMBYTES] = "GNU.sparse.numbytes",
};

static enum pax_key find_key(const char *key)
{
	enum pax_key k = 0;

	while (k < PAX_KEYS && strcmp(keys[k], key) != 0)
		k++;
	return k;
}

/* In format 0.0 each piece has two records, in this order. */
static int add_piece(struct pax *pax, enum pax_key key, const char *value, ducc_error **err)
{
	if (key != (pax->numbers % 2 ? PAX_SPARSE_NUMBYTES : PAX_SPARSE_OFFSET) ||
	    strchr(value, ','))
		return error_set(err, "sparse file: pieces out of order");
	if (pax->numbers++)
		buffer_addc(&pax->map, ',');
	buffer_adds(&pax->map, value);
	return 0;
}

static int add_record(struct pax *pax, const char *key, const char *value, size_t len,
		      ducc_error **err)
{
	enum pax_key k = find_key(key);

	if (k < PAX_KEYS) {
		if (strlen(value) != len)
			return error_set(err, "extended header: %s with a NUL", key);
		if (k == PAX_SPARSE_OFFSET || k == PAX_SPARSE_NUMBYTES)
			return add_piece(pax, k, value, err);
		pax->values[k] = len ? value : NULL;
	} else if (!strncmp(key, XATTR, strlen(XATTR))) {
		GROW(pax->xattrs, pax->n_xattrs, pax->capacity);
		pax->xattrs[pax->n_xattrs++] = (struct pax_xattr){key + strlen(XATTR), value, len};
	}
	return 0;
}

/* Parses the record at `text`, "LENGTH KEY=VALUE\n", where `left` bytes are; returns its length. */
static int64_t parse_record(struct pax *pax, char *text, size_t left, ducc_error **err)
{
	char *blank = memchr(text, ' ', left), *equals;
	size_t digits = blank ? (size_t)(blank - text) : left, len;
	int64_t n;

	if (!blank || !tar_number_decimal(text, digits, &n) || n < 5 || (uint64_t)n > left ||
	    (size_t)n <= digits + 1 || text[n - 1] != '\n')
		return error_set(err, "extended header: malformed record");
	len = (size_t)n - digits - 2;
	equals = memchr(blank + 1, '=', len);
	if (!equals || equals == blank + 1 || memchr(blank + 1, '\0', (size_t)(equals - blank) - 1))
		return error_set(err, "extended header: record without a key");
	text[n - 1] = *equals = '\0';
	len -= (size_t)(equals - blank);
	return add_record(pax, blank + 1, equals + 1, len, err) < 0 ? -1 : n;
}

int pax_parse(struct pax *pax, ducc_error **err)
{
	char *text = pax->text.data;
	size_t left = pax->text.len;

	while (left) {
		int64_t n = parse_record(pax, text, left, err);

		if (n < 0)
			return -1;
		text += n;
		left -= (size_t)n;
	}
	if (pax->numbers)
		pax->values[PAX_SPARSE_MAP] = pax->map.len ? pax->map.data : NULL;
	return 0;
}

void pax_reset(struct pax *pax)
{
	memset(pax->values, 0, sizeof(pax->values));
	pax->n_xattrs = pax->numbers = 0;
	buffer_reset(&pax->text);
	buffer_reset(&pax->map);
}

void pax_free(struct pax *pax)
{
	buffer_free(&pax->text);
	buffer_free(&pax->map);
	free(pax->xattrs);
}
