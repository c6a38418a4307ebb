/*
 * Digests (OCI image specification, "Digests"): `sha256:` and 64 lower-case
 * hex digits.  digest_parse() refuses other algorithms.
 */
#ifndef DUCC_DIGEST_H
#define DUCC_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"

#define DIGEST_HEX_LEN 64

/* The hex digits, NUL-terminated; used as file names.  Comparable with strcmp(3). */
struct digest {
	char hex[DIGEST_HEX_LEN + 1];
};

/* "sha256:%s" with the digest's hex digits. */
#define PRI_DIGEST "sha256:%s"

/* Parses exactly `sha256:HEX`; returns false for any other text. */
bool digest_parse(struct digest *digest, const char *text);

/* True for exactly 64 lower-case hex digits. */
bool digest_is_hex(const char *text);

bool digest_equal(const struct digest *a, const struct digest *b);

/* A set of digests: add all, sort, then query. */
struct digest_set {
	struct digest *digests;
	size_t n, capacity;
};
void digest_set_add(struct digest_set *set, const struct digest *digest);
/* Sorts the set and removes duplicates. */
void digest_set_sort(struct digest_set *set);
bool digest_set_has(const struct digest_set *set, const struct digest *digest);
void digest_set_free(struct digest_set *set);

/* Incremental SHA-256. */
struct hasher;
struct hasher *hasher_new(void);
void hasher_reset(struct hasher *hasher);
void hasher_update(struct hasher *hasher, const void *data, size_t len);
/* Adds the same data to two hashers. */
void hasher_update_both(struct hasher *one, struct hasher *other, const void *data, size_t len);
/* True if that takes as long as hasher_update() of one of them, see sha256.h. */
bool hasher_is_paired(const struct hasher *hasher);
/* The digest of the input since the last reset; reset the hasher before reuse. */
void hasher_final(struct hasher *hasher, uint8_t sha256[SHA256_SIZE]);
struct digest hasher_digest(struct hasher *hasher);
void hasher_free(struct hasher *hasher);

void digest_from_bytes(struct digest *digest, const uint8_t sha256[SHA256_SIZE]);
/* The reverse; `hex` must satisfy digest_is_hex(). */
void digest_to_bytes(const char *hex, uint8_t sha256[SHA256_SIZE]);
struct digest digest_of(const void *data, size_t len);

/* The SHA-256 of the first `size` bytes of a file, or TO_THE_END (file.h); -1 with errno set. */
int digest_file(int fd, uint64_t size, uint8_t sha256[SHA256_SIZE]);

#endif
