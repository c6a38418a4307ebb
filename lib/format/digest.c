/* Digests: see digest.h. */
#include "format/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

struct hasher {
	struct sha256 sha256;
	EVP_MD_CTX *context; /* instead, without the instructions for it; or NULL */
};

static void check(int result)
{
	/* SHA-256 fails only without a provider or memory: nothing can be verified. */
	if (result != 1)
		out_of_memory();
}

struct hasher *hasher_new(void)
{
	struct hasher *hasher = xcalloc(1, sizeof(*hasher));

	if (sha256_is_available()) {
		sha256_begin(&hasher->sha256);
		return hasher;
	}
	hasher->context = xalloc(EVP_MD_CTX_new());
	check(EVP_DigestInit_ex(hasher->context, EVP_sha256(), NULL));
	return hasher;
}

void hasher_reset(struct hasher *hasher)
{
	if (hasher->context) /* reuses the algorithm without another lookup */
		check(EVP_DigestInit_ex(hasher->context, NULL, NULL));
	else
		sha256_begin(&hasher->sha256);
}

void hasher_update(struct hasher *hasher, const void *data, size_t len)
{
	if (hasher->context)
		check(EVP_DigestUpdate(hasher->context, data, len));
	else
		sha256_add(&hasher->sha256, data, len);
}

void hasher_update_both(struct hasher *one, struct hasher *other, const void *data, size_t len)
{
	if (!one->context) {
		sha256_add_both(&one->sha256, &other->sha256, data, len);
		return;
	}
	hasher_update(one, data, len);
	hasher_update(other, data, len);
}

bool hasher_is_paired(const struct hasher *hasher)
{
	return !hasher->context;
}

void hasher_final(struct hasher *hasher, uint8_t sha256[SHA256_SIZE])
{
	if (hasher->context)
		check(EVP_DigestFinal_ex(hasher->context, sha256, NULL));
	else
		sha256_end(&hasher->sha256, sha256);
}

struct digest hasher_digest(struct hasher *hasher)
{
	uint8_t sha256[SHA256_SIZE];
	struct digest digest;

	hasher_final(hasher, sha256);
	digest_from_bytes(&digest, sha256);
	return digest;
}

void hasher_free(struct hasher *hasher)
{
	if (!hasher)
		return;
	EVP_MD_CTX_free(hasher->context);
	free(hasher);
}

bool digest_is_hex(const char *text)
{
	return strspn(text, "0123456789abcdef") == DIGEST_HEX_LEN && !text[DIGEST_HEX_LEN];
}

bool digest_parse(struct digest *digest, const char *text)
{
	if (strncmp(text, "sha256:", 7) != 0 || !digest_is_hex(text + 7))
		return false;
	memcpy(digest->hex, text + 7, sizeof(digest->hex));
	return true;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return !strcmp(a->hex, b->hex);
}

static int compare(const void *a, const void *b)
{
	const struct digest *left = a, *right = b;

	return strcmp(left->hex, right->hex);
}

void digest_set_add(struct digest_set *set, const struct digest *digest)
{
	GROW(set->digests, set->n, set->capacity);
	set->digests[set->n++] = *digest;
}

void digest_set_sort(struct digest_set *set)
{
	size_t n = 0;

	if (!set->n)
		return;
	qsort(set->digests, set->n, sizeof(*set->digests), compare);
	for (size_t i = 0; i < set->n; i++)
		if (!n || compare(&set->digests[n - 1], &set->digests[i]) != 0)
			set->digests[n++] = set->digests[i];
	set->n = n;
}

bool digest_set_has(const struct digest_set *set, const struct digest *digest)
{
	return set->n && bsearch(digest, set->digests, set->n, sizeof(*digest), compare);
}

void digest_set_free(struct digest_set *set)
{
	free(set->digests);
	*set = (struct digest_set){NULL};
}

void digest_from_bytes(struct digest *digest, const uint8_t sha256[SHA256_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA256_SIZE; i++) {
		digest->hex[2 * i] = digits[sha256[i] >> 4];
		digest->hex[2 * i + 1] = digits[sha256[i] & 15];
	}
	digest->hex[DIGEST_HEX_LEN] = '\0';
}

static unsigned digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

void digest_to_bytes(const char *hex, uint8_t sha256[SHA256_SIZE])
{
	for (size_t i = 0; i < SHA256_SIZE; i++)
		sha256[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
}

struct digest digest_of(const void *data, size_t len)
{
	uint8_t sha256[SHA256_SIZE];
	struct digest digest;

	check(EVP_Digest(data, len, sha256, NULL, EVP_sha256(), NULL));
	digest_from_bytes(&digest, sha256);
	return digest;
}

int digest_file(int fd, uint64_t size, uint8_t sha256[SHA256_SIZE])
{
	AUTO_PIECES pieces = pieces_of(fd, 0, size);
	struct hasher *hasher = hasher_new();

	while (pieces_next(&pieces))
		hasher_update(hasher, pieces.data, pieces.len);
	hasher_final(hasher, sha256);
	hasher_free(hasher);
	errno = pieces.error;
	return pieces.error ? -1 : 0;
}
