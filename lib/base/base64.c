/* base64: see base64.h. */
#include "base/base64.h"

#include <openssl/evp.h>

#include "base/mem.h"

char *base64_encode(const void *data, size_t len)
{
	unsigned char *text = xmalloc((len + 2) / 3 * 4 + 1);

	EVP_EncodeBlock(text, data, (int)len);
	return (char *)text;
}

unsigned char *base64_decode(const char *text, size_t *len)
{
	size_t n = strlen(text), padding = 0;
	AUTO_FREE unsigned char *data = NULL;
	int decoded;

	if (n % 4 || n > (1 << 24))
		return NULL;
	while (padding < 2 && padding < n && text[n - 1 - padding] == '=')
		padding++;
	data = xcalloc(n / 4 * 3 + 1, 1);
	decoded = EVP_DecodeBlock(data, (const unsigned char *)text, (int)n);
	if (decoded < 0 || (size_t)decoded < padding)
		return NULL;
	*len = (size_t)decoded - padding;
	data[*len] = '\0';
	return STEAL(data);
}
