/*
 * SipHash-1-3, a hash for tables with untrusted keys: without the secret key, an attacker
 * cannot choose names that collide.
 *
 * J.-P. Aumasson, D. J. Bernstein: SipHash, a fast short-input PRF (2012), with one round
 * per word and three at the end.
 */
#ifndef DUCC_SIPHASH_H
#define DUCC_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k[2];
};

/* A random key.  Aborts if getrandom(2) fails. */
struct siphash_key siphash_new_key(void);

/* The hash of eight bytes, `first` in little-endian order, and the len bytes at `data`. */
uint64_t siphash(const struct siphash_key *key, uint64_t first, const void *data, size_t len);

#endif
