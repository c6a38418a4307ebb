/*
 * Digests (OCI image specification, "Digests"): `sha256:` and 64 lower-case
 * hex digits.  Other algorithms are refused by digest_parse().
 */
#ifndef DUCC_DIGEST_H
#define DUCC_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define DIGEST_HEX_LEN 64

/* The hex digits, NUL-terminated; what files are called after.  Comparable with strcmp. */
struct digest {
	char hex[DIGEST_HEX_LEN + 1];
};

/* "sha256:%s" with the digest's hex digits. */
#define PRI_DIGEST "sha256:%s"

/* Reads `sha256:HEX`, nothing before or after; false if it is anything else. */
bool digest_parse(struct digest *digest, const char *text);

/* True for exactly 64 lower-case hex digits. */
bool digest_is_hex(const char *text);

bool digest_equal(const struct digest *a, const struct digest *b);

/* A set of digests: add, then sort, then ask. */
struct digest_set {
	struct digest *digests;
	size_t n, capacity;
};
void digest_set_add(struct digest_set *set, const struct digest *digest);
/* Sorts it, and leaves each digest in it once. */
void digest_set_sort(struct digest_set *set);
bool digest_set_has(const struct digest_set *set, const struct digest *digest);
void digest_set_free(struct digest_set *set);

/* A SHA-256 that takes its input piece by piece. */
struct hasher;
struct hasher *hasher_new(void);
void hasher_reset(struct hasher *hasher);
void hasher_update(struct hasher *hasher, const void *data, size_t len);
/* The digest of what came since the last reset; the hasher must be reset before reuse. */
void hasher_final(struct hasher *hasher, uint8_t sha256[SHA256_SIZE]);
void hasher_free(struct hasher *hasher);

void digest_from_bytes(struct digest *digest, const uint8_t sha256[SHA256_SIZE]);
/* The reverse, of hex digits as digest_is_hex() takes them. */
void digest_to_bytes(const char *hex, uint8_t sha256[SHA256_SIZE]);
struct digest digest_of(const void *data, size_t len);

#endif
