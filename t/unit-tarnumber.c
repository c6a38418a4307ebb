/* Numbers in tars: what is one, and what it is. */
#include <inttypes.h>

#include "base/mem.h"
#include "content/tar_number.h"
#include "tap.h"

/* A literal with its length, NULs included. */
#define BYTES(literal) literal, sizeof(literal) - 1

static void field(const char *bytes, size_t len, int64_t want, const char *title)
{
	int64_t got = 0;

	ok(tar_number_field(bytes, len, &got) && got == want, "%s", title);
}

static void no_field(const char *bytes, size_t len, const char *title)
{
	int64_t got;

	ok(!tar_number_field(bytes, len, &got), "%s", title);
}

static void octal(void)
{
	field(BYTES("0000644\0"), 0644, "octal, and a NUL");
	field(BYTES("0000644 "), 0644, "octal, and a blank");
	field(BYTES("   644 \0"), 0644, "octal between blanks");
	field(BYTES("\0\000644\0\0"), 0644, "octal between NULs");
	field(BYTES("77777777"), 077777777, "octal in all of the field");
	field(BYTES("644\0junk"), 0644, "what follows a NUL does not count");
	field(BYTES("\0\0\0\0"), 0, "NULs are 0");
	field(BYTES("    "), 0, "blanks are 0");
	field("", 0, 0, "nothing is 0");
	no_field(BYTES("00000648"), "8 is no octal digit");
	no_field(BYTES("12 34\0"), "a blank between digits is none");
	no_field(BYTES("-1\0"), "nor is a sign");
	no_field(BYTES("0x1\0"), "nor is x");
}

static void binary(void)
{
	field(BYTES("\x80\0\0\0\0\0\x01\x02"), 0x102, "base 256");
	field(BYTES("\xff\xff\xff\xff\xff\xff\xff\xfe"), -2, "negative, in base 256");
	field(BYTES("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"), INT64_MAX, "the largest one");
	field(BYTES("\xff\xff\xff\xff\x80\0\0\0\0\0\0\0"), INT64_MIN, "the smallest one");
	no_field(BYTES("\x80\0\0\0\x80\0\0\0\0\0\0\0"), "one that is too large");
	no_field(BYTES("\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff"), "one too small");
	no_field(BYTES("\x81\0\0\0\0\0\0\0\0\0\0\0"), "one much too large");
}

static void decimal(const char *text, bool good, int64_t want)
{
	AUTO_FREE char *printable = ducc_printable(text);
	int64_t got = 0;

	ok(tar_number_decimal(text, strlen(text), &got) == good && got == want, "decimal: '%s'",
	   printable);
}

static void decimals(void)
{
	decimal("0", true, 0);
	decimal("007", true, 7);
	decimal("+5", true, 5);
	decimal("-0", true, 0);
	decimal("-5", true, -5);
	decimal("9223372036854775807", true, INT64_MAX);
	decimal("-9223372036854775808", true, INT64_MIN);
	decimal("9223372036854775808", false, 0);
	decimal("-9223372036854775809", false, 0);
	decimal("99999999999999999999", false, 0);
	decimal("", false, 0);
	decimal("-", false, 0);
	decimal(" 1", false, 0);
	decimal("1 ", false, 0);
	decimal("1.5", false, 0);
	decimal("0x1", false, 0);
}

static void time_is(const char *text, int64_t seconds, uint32_t nanoseconds)
{
	int64_t s;
	uint32_t ns;

	ok(tar_number_time(text, &s, &ns) && s == seconds && ns == nanoseconds, "time: '%s'", text);
}

static void no_time(const char *text)
{
	int64_t s;
	uint32_t ns;

	ok(!tar_number_time(text, &s, &ns), "no time: '%s'", text);
}

static void times(void)
{
	time_is("1700000000", 1700000000, 0);
	time_is("1.5", 1, 500000000);
	time_is("5.", 5, 0);
	time_is("0.000000001", 0, 1);
	time_is("1.1234567899", 1, 123456789);
	time_is("+1.5", 1, 500000000);
	time_is("-1", -1, 0);
	time_is("-1.25", -2, 750000000);
	time_is("-0.25", -1, 750000000);
	time_is("-0.0000000001", 0, 0);
	time_is("9223372036854775807.9", INT64_MAX, 900000000);
	no_time("");
	no_time(".5");
	no_time("1.2.3");
	no_time("1.-2");
	no_time("now");
	no_time("1e9");
	no_time("-9223372036854775808.5");
}

int main(void)
{
	octal();
	binary();
	decimals();
	times();
	return done_testing();
}
