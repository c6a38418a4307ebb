/* SHA-256 with the processor's instructions: see sha256.h. */
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

#define LENGTH_SIZE 8 /* of the message, at the end of the last block */

/* ThreadSanitizer's build uses the other implementation: so tests run with both. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#include <cpuid.h>
#include <immintrin.h>

#define ROUNDS 64
#define ROUNDS_AT_ONCE 4
#define STEPS (ROUNDS / ROUNDS_AT_ONCE)
#define WORDS 4 /* of the message schedule, each a vector */

#define WITH_SHA __attribute__((target("sha,sse4.1")))
#define INLINE_WITH_SHA static inline __attribute__((always_inline)) WITH_SHA

static const uint32_t constants[ROUNDS] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2};

bool sha256_is_available(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1))
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_SHA;
}

struct state {
	__m128i abef, cdgh;
};

INLINE_WITH_SHA struct state load(const struct sha256 *hash)
{
	const __m128i *halves = (const __m128i *)hash->state;

	return (struct state){_mm_loadu_si128(halves), _mm_loadu_si128(halves + 1)};
}

INLINE_WITH_SHA void store(struct sha256 *hash, const struct state *state)
{
	__m128i *halves = (__m128i *)hash->state;

	_mm_storeu_si128(halves, state->abef);
	_mm_storeu_si128(halves + 1, state->cdgh);
}

/* The first words of the schedule: the block, whose words are big-endian. */
INLINE_WITH_SHA void load_words(__m128i words[WORDS], const unsigned char *block)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

	for (int i = 0; i < WORDS; i++)
		words[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)block + i), swap);
}

/* Replaces the words of a step by those that are used WORDS steps later. */
INLINE_WITH_SHA void schedule(__m128i words[WORDS], int step)
{
	__m128i *word = &words[step % WORDS], last = words[(step + 3) % WORDS];
	__m128i seventh = _mm_alignr_epi8(last, words[(step + 2) % WORDS], 4);

	*word = _mm_add_epi32(_mm_sha256msg1_epu32(*word, words[(step + 1) % WORDS]), seventh);
	*word = _mm_sha256msg2_epu32(*word, last);
}

INLINE_WITH_SHA void four_rounds(struct state *state, __m128i words)
{
	state->cdgh = _mm_sha256rnds2_epu32(state->cdgh, state->abef, words);
	words = _mm_shuffle_epi32(words, 0x0e);
	state->abef = _mm_sha256rnds2_epu32(state->abef, state->cdgh, words);
}

INLINE_WITH_SHA void add_state(struct state *to, const struct state *state)
{
	to->abef = _mm_add_epi32(to->abef, state->abef);
	to->cdgh = _mm_add_epi32(to->cdgh, state->cdgh);
}

/* Adds a block to one or, unless that is NULL, to two. */
INLINE_WITH_SHA void add_block(struct state *one, struct state *other, const unsigned char *block)
{
	struct state a = *one, b = *(other ? other : one);
	__m128i words[WORDS];

	load_words(words, block);
#pragma GCC unroll 16
	for (int step = 0; step < STEPS; step++) {
		const __m128i *constant = (const __m128i *)constants + step;
		__m128i sum = _mm_add_epi32(words[step % WORDS], _mm_loadu_si128(constant));

		four_rounds(&a, sum);
		if (other)
			four_rounds(&b, sum);
		if (step + WORDS < STEPS)
			schedule(words, step);
	}
	add_state(one, &a);
	if (other)
		add_state(other, &b);
}

WITH_SHA static void add_blocks(struct sha256 *hash, const unsigned char *data, size_t n)
{
	struct state state = load(hash);

	for (; n; n--, data += SHA256_BLOCK)
		add_block(&state, NULL, data);
	store(hash, &state);
}

WITH_SHA static void add_blocks_both(struct sha256 *one, struct sha256 *other,
				     const unsigned char *data, size_t n)
{
	struct state a = load(one), b = load(other);

	for (; n; n--, data += SHA256_BLOCK)
		add_block(&a, &b, data);
	store(one, &a);
	store(other, &b);
}

#else

bool sha256_is_available(void)
{
	return false;
}

static void add_blocks(struct sha256 *hash, const unsigned char *data, size_t n)
{
	(void)hash;
	(void)data;
	(void)n;
	abort();
}

static void add_blocks_both(struct sha256 *one, struct sha256 *other, const unsigned char *data,
			    size_t n)
{
	(void)other;
	add_blocks(one, data, n);
}

#endif

/* --- messages --------------------------------------------------------- */

void sha256_begin(struct sha256 *hash)
{
	static const struct sha256 initial = {.state = {0x9b05688c, 0x510e527f, 0xbb67ae85,
							0x6a09e667, 0x5be0cd19, 0x1f83d9ab,
							0xa54ff53a, 0x3c6ef372}};

	*hash = initial;
}

static void add_to(struct sha256 *one, struct sha256 *other, const unsigned char *data, size_t n)
{
	if (other)
		add_blocks_both(one, other, data, n);
	else
		add_blocks(one, data, n);
}

/* Keeps the bytes of an unfinished block. */
static void keep(struct sha256 *hash, const unsigned char *data, size_t len)
{
	if (len)
		memcpy(hash->block + hash->len % SHA256_BLOCK, data, len);
	hash->len += len;
}

/* `other` is NULL, or has the same bytes of an unfinished block. */
static void add(struct sha256 *one, struct sha256 *other, const unsigned char *data, size_t len)
{
	size_t begun = one->len % SHA256_BLOCK, whole;

	if (begun && begun + len >= SHA256_BLOCK) {
		size_t rest = SHA256_BLOCK - begun;

		keep(one, data, rest);
		if (other)
			other->len += rest;
		add_to(one, other, one->block, 1);
		data += rest;
		len -= rest;
		begun = 0;
	}
	whole = begun ? 0 : len / SHA256_BLOCK * SHA256_BLOCK;
	add_to(one, other, data, whole / SHA256_BLOCK);
	one->len += whole;
	keep(one, data + whole, len - whole);
	if (other) {
		other->len += whole;
		keep(other, data + whole, len - whole);
	}
}

void sha256_add(struct sha256 *hash, const void *data, size_t len)
{
	add(hash, NULL, data, len);
}

void sha256_add_both(struct sha256 *one, struct sha256 *other, const void *data, size_t len)
{
	size_t begun = one->len % SHA256_BLOCK;

	if (begun == other->len % SHA256_BLOCK && !memcmp(one->block, other->block, begun)) {
		add(one, other, data, len);
	} else {
		add(one, NULL, data, len);
		add(other, NULL, data, len);
	}
}

static void put_big_endian(unsigned char *to, uint64_t value, size_t size)
{
	for (; size; size--, value >>= 8)
		to[size - 1] = (unsigned char)value;
}

void sha256_end(struct sha256 *hash, uint8_t sha256[SHA256_SIZE])
{
	static const unsigned char order[] = {3, 2, 7, 6, 1, 0, 5, 4};
	unsigned char padding[SHA256_BLOCK + LENGTH_SIZE] = {0x80};
	size_t size = SHA256_BLOCK - (hash->len + LENGTH_SIZE) % SHA256_BLOCK;

	put_big_endian(padding + size, hash->len * 8, LENGTH_SIZE);
	sha256_add(hash, padding, size + LENGTH_SIZE);
	for (size_t i = 0; i < sizeof(order); i++)
		put_big_endian(sha256 + 4 * i, hash->state[order[i]], 4);
}
