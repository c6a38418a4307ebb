/* SipHash-1-3: known values, of a key of zeros as CPython computes them, and keys. */
#include <stdint.h>
#include <string.h>

#include "base/siphash.h"
#include "tap.h"

#define FIRST 0x0706050403020100 /* the bytes 0 to 7 */

int main(void)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} known[] = {
		{0, 0xead411e67ebe2eea}, {1, 0x75927f9d95124362}, {7, 0xf30eb725bb91c9ea},
		{8, 0x8972188433a5c5b7}, {9, 0x4883c49a2c009c1d}, {20, 0x8cd57fe8130d0ac7},
	};
	struct siphash_key zero = {{0}}, key = siphash_new_key(), other = siphash_new_key();
	unsigned char data[20];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(8 + i);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		ok(siphash(&zero, FIRST, data, known[i].len) == known[i].hash, "of 8 and %zu bytes",
		   known[i].len);
	ok(memcmp(&key, &other, sizeof(key)) != 0, "each key is another");
	ok(siphash(&key, FIRST, data, 20) != siphash(&other, FIRST, data, 20), "... and its hash");
	ok(siphash(&key, FIRST, data, 20) == siphash(&key, FIRST, data, 20),
	   "the same key gives the same hash");
	return done_testing();
}
