/*
 * Challenges: whatever a server sends, a parameter is of a scheme that is offered, what follows
 * does not change it, and any value comes out of its quotes as it went in.
 */
#include "fuzz.h"
#include "net/challenge.h"

static const char *const seeds[] = {
	"Bearer realm=\"https://auth.example/token\",service=\"r.example\",scope=\"a:b:pull,push\"",
	"Basic realm=\"simple\", Bearer realm=\"https://a/t\", service=s",
	"Negotiate YWJj==, Basic realm=\"a \\\"b\\\" \\\\\"",
	"Digest realm = x , nonce=\"\",, Bearer",
};

static const char *const words[] = {
	"Bearer ", "Basic ",  "Negotiate", "realm=",    "realm",     "service=", "\"",
	"\\",      "\\\"",    "=",         "==",        ",",         ", ",       " ",
	"\t",      "YWJj==,", "Bearer,",   ", Basic x", "realm=\"x", "\xff",     "bearer realm=y",
};

static const char *const schemes[] = {"Bearer", "Basic", "Digest", "Negotiate", "realm", ""};
static const char *const names[] = {"realm", "service", "Bearer", "", "x"};

static void try_parameter(const char *header, const char *scheme, const char *name)
{
	AUTO_FREE char *value = challenge_parameter(header, scheme, name), *again = NULL;
	AUTO_FREE char *longer = format("%s, Other %s=other, x=\"", header, name);

	if (!value)
		return;
	FUZZ_CHECK(challenge_offers(header, scheme));
	FUZZ_CHECK(strlen(value) < strlen(header));
	again = challenge_parameter(longer, scheme, name);
	FUZZ_CHECK(again && !strcmp(again, value));
}

static void try_value(const char *text)
{
	AUTO_BUFFER header = {0};
	AUTO_FREE char *basic = NULL, *bearer = NULL, *service = NULL, *none = NULL;

	buffer_adds(&header, "Negotiate YWJj==, Basic realm=no, Bearer realm=\"");
	for (const char *p = text; *p; p++)
		buffer_addf(&header, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
	buffer_adds(&header, "\", service=yes");
	basic = challenge_parameter(header.data, "Basic", "realm");
	bearer = challenge_parameter(header.data, "Bearer", "realm");
	service = challenge_parameter(header.data, "Bearer", "service");
	none = challenge_parameter(header.data, "Basic", "service");
	FUZZ_CHECK(!none && basic && !strcmp(basic, "no"));
	FUZZ_CHECK(bearer && !strcmp(bearer, text));
	FUZZ_CHECK(service && !strcmp(service, "yes"));
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = fuzz_string(data, len);

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		for (size_t k = 0; k < ARRAY_LEN(names); k++)
			try_parameter(text, schemes[i], names[k]);
	try_value(text);
}

FUZZ_MAIN(seeds, words, 15000)
