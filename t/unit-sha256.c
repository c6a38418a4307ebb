/* SHA-256 of one message and of two at once, in any pieces: the same as OpenSSL's. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/sha256.h"
#include "tap.h"

#define MOST 1000
#define ROUNDS 20000

static unsigned seed = 1;

static size_t below(size_t n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

struct message {
	struct sha256 hash;
	EVP_MD_CTX *oracle;
};

static void begin(struct message *message)
{
	sha256_begin(&message->hash);
	message->oracle = EVP_MD_CTX_new();
	EVP_DigestInit_ex(message->oracle, EVP_sha256(), NULL);
}

static void add(struct message *message, const unsigned char *data, size_t len)
{
	sha256_add(&message->hash, data, len);
	EVP_DigestUpdate(message->oracle, data, len);
}

static void add_both(struct message *one, struct message *other, const unsigned char *data,
		     size_t len)
{
	sha256_add_both(&one->hash, &other->hash, data, len);
	EVP_DigestUpdate(one->oracle, data, len);
	EVP_DigestUpdate(other->oracle, data, len);
}

static int end(struct message *message)
{
	uint8_t got[SHA256_SIZE], want[SHA256_SIZE];

	sha256_end(&message->hash, got);
	EVP_DigestFinal_ex(message->oracle, want, NULL);
	EVP_MD_CTX_free(message->oracle);
	return !memcmp(got, want, sizeof(want));
}

/* A stream, and the parts of it that have hashes of their own, mostly from a new block on. */
static unsigned try_stream(const unsigned char *data)
{
	struct message stream, part;
	unsigned wrong = 0;

	begin(&stream);
	for (size_t parts = below(4); parts; parts--) {
		size_t gap = below(2) ? below(MOST) : SHA256_BLOCK * below(4);

		add(&stream, data + below(MOST), gap);
		begin(&part);
		for (size_t pieces = below(4); pieces; pieces--)
			add_both(&stream, &part, data + below(MOST), below(below(2) ? MOST : 70));
		wrong += !end(&part);
	}
	return wrong + !end(&stream);
}

int main(void)
{
	unsigned char data[2 * MOST];
	struct message message;
	unsigned wrong = 0;

	if (!sha256_is_available()) {
		ok(1, "# skip: no instructions for it");
		return done_testing();
	}
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)below(256);
	for (size_t len = 0; len < MOST; len++) {
		begin(&message);
		add(&message, data, len);
		wrong += !end(&message);
	}
	ok(!wrong, "messages of each length");
	wrong = 0;
	for (int i = 0; i < ROUNDS; i++)
		wrong += try_stream(data);
	ok(!wrong, "streams and parts of them at once");
	return done_testing();
}
