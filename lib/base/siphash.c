/* SipHash-1-3: see siphash.h. */
#include "base/siphash.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct state {
	uint64_t a, b, c, d;
};

static inline uint64_t rotate(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void mix(struct state *v)
{
	v->a += v->b;
	v->c += v->d;
	v->b = rotate(v->b, 13) ^ v->a;
	v->d = rotate(v->d, 16) ^ v->c;
	v->a = rotate(v->a, 32);
	v->c += v->b;
	v->a += v->d;
	v->b = rotate(v->b, 17) ^ v->c;
	v->d = rotate(v->d, 21) ^ v->a;
	v->c = rotate(v->c, 32);
}

static inline void add_word(struct state *v, uint64_t word)
{
	v->d ^= word;
	mix(v);
	v->a ^= word;
}

/* Up to eight bytes as a little-endian number. */
static inline uint64_t load(const unsigned char *bytes, size_t n)
{
	uint64_t word = 0;

	if (n)
		memcpy(&word, bytes, n);
	return le64toh(word);
}

struct siphash_key siphash_new_key(void)
{
	struct siphash_key key;

	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		abort();
	return key;
}

uint64_t siphash(const struct siphash_key *key, uint64_t first, const void *data, size_t len)
{
	const unsigned char *bytes = data;
	size_t whole = len / 8 * 8;
	struct state v = {
		key->k[0] ^ 0x736f6d6570736575,
		key->k[1] ^ 0x646f72616e646f6d,
		key->k[0] ^ 0x6c7967656e657261,
		key->k[1] ^ 0x7465646279746573,
	};

	add_word(&v, first);
	for (size_t i = 0; i < whole; i += 8)
		add_word(&v, load(bytes + i, 8));
	add_word(&v, (uint64_t)(8 + len) << 56 | load(bytes + whole, len - whole));
	v.c ^= 0xff;
	mix(&v);
	mix(&v);
	mix(&v);
	return v.a ^ v.b ^ v.c ^ v.d;
}
