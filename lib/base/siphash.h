/*
 * SipHash-1-3, a hash for tables with keys from outside: who does not know the key cannot
 * choose names that collide.
 *
 * J.-P. Aumasson, D. J. Bernstein: SipHash, a fast short-input PRF (2012), with one round
 * for a word and three at the end.
 */
#ifndef DUCC_SIPHASH_H
#define DUCC_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k[2];
};

/* A key that nobody can know.  Aborts if the kernel has none. */
struct siphash_key siphash_new_key(void);

/* The hash of eight bytes, `first` in little-endian order, and the len bytes at `data`. */
uint64_t siphash(const struct siphash_key *key, uint64_t first, const void *data, size_t len);

#endif
