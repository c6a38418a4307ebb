/* The numbers in tar archives: see tar_number.h. */
#include "content/tar_number.h"

#include <string.h>

#define NANOSECONDS 1000000000

static bool is_padding(char c)
{
	return c == ' ' || c == '\0';
}

bool tar_number_octal(const char *field, size_t len, int64_t *value)
{
	uint64_t n = 0;

	while (len && is_padding(*field)) {
		field++;
		len--;
	}
	while (len && is_padding(field[len - 1]))
		len--;
	/* What follows a NUL does not count. */
	len = strnlen(field, len);
	for (size_t i = 0; i < len; i++) {
		if (field[i] < '0' || field[i] > '7' || n >> 60)
			return false;
		n = n << 3 | (uint64_t)(field[i] - '0');
	}
	*value = (int64_t)n;
	return true;
}

static bool binary(const unsigned char *field, size_t len, int64_t *value)
{
	unsigned char sign = field[0] & 0x40 ? 0xff : 0;
	uint64_t n = (field[0] ^ sign) & 0x3f;

	for (size_t i = 1; i < len; i++) {
		if (n >> 55)
			return false;
		n = n << 8 | (field[i] ^ sign);
	}
	*value = sign ? -(int64_t)n - 1 : (int64_t)n;
	return true;
}

bool tar_number_field(const char *field, size_t len, int64_t *value)
{
	if (len && (unsigned char)field[0] & 0x80)
		return binary((const unsigned char *)field, len, value);
	return tar_number_octal(field, len, value);
}

bool tar_number_decimal(const char *text, size_t len, int64_t *value)
{
	bool minus = len && *text == '-';
	uint64_t n = 0, most = (uint64_t)INT64_MAX + minus;

	if (len && (*text == '-' || *text == '+')) {
		text++;
		len--;
	}
	if (!len)
		return false;
	for (; len; text++, len--) {
		unsigned digit = (unsigned)(*text - '0');

		if (*text < '0' || digit > 9 || n > (most - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*value = minus ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

/* Up to nine digits; more count for nothing. */
static bool fraction(const char *digits, uint32_t *nanoseconds)
{
	uint32_t unit = NANOSECONDS;

	*nanoseconds = 0;
	for (; *digits; digits++) {
		if (*digits < '0' || *digits > '9')
			return false;
		unit /= 10;
		*nanoseconds += unit * (uint32_t)(*digits - '0');
	}
	return true;
}

bool tar_number_time(const char *text, int64_t *seconds, uint32_t *nanoseconds)
{
	size_t len = strcspn(text, ".");

	if (!tar_number_decimal(text, len, seconds) ||
	    !fraction(text + len + (text[len] == '.'), nanoseconds))
		return false;
	if (*text != '-' || !*nanoseconds)
		return true;
	if (*seconds == INT64_MIN)
		return false;
	*nanoseconds = NANOSECONDS - *nanoseconds;
	--*seconds;
	return true;
}
