/*
 * SHA-256 (FIPS 180-4) with the processor's instructions for it, if it has such; format/digest has
 * another implementation for processors without.
 *
 * Two hashes of the same blocks take as long as one: each round waits for the result of the
 * previous one, which leaves time for those of another hash, and both have the same message
 * schedule.
 */
#ifndef DUCC_SHA256_H
#define DUCC_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define SHA256_BLOCK 64

struct sha256 {
	uint32_t state[8]; /* in the order of the instructions: F, E, B, A, H, G, D, C */
	uint64_t len;      /* bytes of the message so far */
	unsigned char block[SHA256_BLOCK]; /* len % SHA256_BLOCK bytes */
};

/* True if the processor has the instructions; the other functions need them. */
bool sha256_is_available(void);

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t len);
/* Adds the same data to two hashes; fast if both have the same bytes of an unfinished block. */
void sha256_add_both(struct sha256 *one, struct sha256 *other, const void *data, size_t len);
void sha256_end(struct sha256 *hash, uint8_t sha256[SHA256_SIZE]);

#endif
