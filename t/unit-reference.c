/* References and records: what is understood, what is refused, what comes out again. */
#include <stdlib.h>

#include "format/reference.h"
#include "tap.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void parses(const char *text, const char *full, const char *name)
{
	AUTO_REFERENCE reference = {0};
	ducc_error *err = NULL;
	char *formatted = NULL, *named = NULL;

	ok(!reference_parse(&reference, text, &err), "%s is a reference", text);
	if (err) {
		printf("# %s\n", ducc_error_message(err));
		ducc_error_free(err);
		return;
	}
	formatted = reference_format(&reference);
	named = reference_name(&reference);
	is_string(formatted, full, "... in full");
	is_string(named, name, "... by name");
	free(formatted);
	free(named);
}

static void refused(const char *text, const char *why)
{
	AUTO_REFERENCE reference = {0};
	ducc_error *err = NULL;

	ok(reference_parse(&reference, text, &err) < 0, "'%.60s' is refused", text);
	says(&err, why, "... with the reason");
}

static void pattern(const char *text, const char *full)
{
	AUTO_REFERENCE reference = {0};
	ducc_error *err = NULL;
	char *formatted;

	ok(!reference_parse_pattern(&reference, text, &err), "%s is a pattern", text);
	ok(reference_is_pattern(&reference), "... and known as one");
	formatted = reference_format(&reference);
	is_string(formatted, full, "... in full");
	free(formatted);
}

static void no_pattern(const char *text, const char *why)
{
	AUTO_REFERENCE reference = {0};
	ducc_error *err = NULL;

	ok(reference_parse_pattern(&reference, text, &err) < 0, "'%.60s' is no pattern", text);
	says(&err, why, "... with the reason");
}

static void matches(const char *text, const char *name, bool want)
{
	AUTO_REFERENCE reference = {0};
	ducc_error *err = NULL;

	ok(!reference_parse_pattern(&reference, text, &err) &&
		   reference_matches(&reference, name) == want,
	   "%s %s %s", text, want ? "is about" : "is not about", name);
	ducc_error_free(err);
}

static void of_repository(const char *text, const char *name, bool want)
{
	AUTO_REFERENCE reference = {0};
	int result = reference_parse(&reference, text, NULL);

	ok(!result && reference_has_repository_of(&reference, name) == want, "%s %s %s", name,
	   want ? "is in the repository of" : "is not in the repository of", text);
}

static void repositories(void)
{
	of_repository("h.org/a/x:1", "h.org/a/x:2", true);
	of_repository("h.org/a/x:1", "h.org/a/x@sha256:0", true);
	of_repository("h.org:5000/x:1", "h.org:5000/x:1", true);
	of_repository("h.org/a/x:1", "h.org/a/xy:1", false);
	of_repository("h.org/a/x:1", "h.org/a/x/y:1", false);
	of_repository("h.org/a/x:1", "h.org/a/x", false);
	of_repository("h.org/a/x:1", "h.org/a:1", false);
	of_repository("h.org/x:1", "h.org:5000/x:1", false);
	of_repository("h.org/x:1", "h.or/x:1", false);
	of_repository("h.org/x:1", "h.org.uk/x:1", false);
	of_repository("h.org/x:1", "", false);
}

static void patterns(void)
{
	AUTO_REFERENCE reference = {0};
	char stars[129] = "", tag[129] = "";

	pattern("atlas/base:21.2.1*", "https://registry.hub.docker.com/atlas/base:21.2.1*");
	pattern("h.org/x:*", "https://h.org/x:*");
	pattern("h.org/x:*-a*.b*", "https://h.org/x:*-a*.b*");
	ok(!reference_parse_pattern(&reference, "h.org/x:1", NULL), "a reference is a pattern");
	ok(!reference_is_pattern(&reference), "... that stands for one image");
	no_pattern("h.org/x*:1", "repository");
	no_pattern("h*.org/x:1", "registry");
	no_pattern("h.org/x:-*", "tag");
	no_pattern("h.org/x:a?", "tag");
	no_pattern("h.org/x:[a]*", "tag");
	no_pattern("h.org/x:1*@sha256:" HEX, "digest");

	matches("h.org/x:1.*", "h.org/x:1.2", true);
	matches("http://h.org/x:1.*", "h.org/x:1.", true);
	matches("h.org/x:1.*", "h.org/x:1", false);
	matches("h.org/x:1.*", "h.org/x:11", false);
	matches("h.org/x:*", "h.org/x:latest", true);
	matches("h.org/x:*", "h.org/x:sha256-0123", false);
	matches("h.org/x:*5*", "h.org/x:sha256-0123.sig", false);
	matches("h.org/x:sha256-*", "h.org/x:sha256-0123.sig", true);
	matches("h.org/x:*.sig", "h.org/x:sha256-0123.sig", true);
	matches("h.org/x:*.s*", "h.org/x:1.sbom", false);
	matches("h.org/x:sha256-0123", "h.org/x:sha256-0123", true);
	matches("h.org/x:*", "h.org/x:sig", true);
	matches("h.org/x:*", "h.org/x/y:latest", false);
	matches("h.org/x:*", "h.org/xy:latest", false);
	matches("h.org/x:*", "h.org:1/x:latest", false);
	matches("h.org/x:*", "h.org/x:1/y", false);
	matches("h.org/x:*", "h.org/x:", false);
	matches("h.org/x:*", "h.org/x@sha256:" HEX, false);
	matches("h.org/x:*b*c", "h.org/x:abcbc", true);
	matches("h.org/x:*b*c", "h.org/x:abcb", false);
	matches("h.org/x:a*b*b", "h.org/x:ab", false);
	matches("h.org/x:a**b", "h.org/x:ab", true);
	matches("h.org/x", "h.org/x:latest", true);
	matches("h.org/x:1", "h.org/x:1", true);
	matches("h.org/x:1", "h.org/x:11", false);
	matches("h.org/x:1@sha256:" HEX, "h.org/x:1", true);
	matches("h.org/x@sha256:" HEX, "h.org/x@sha256:" HEX, true);

	for (size_t i = 0; i + 2 < sizeof(stars); i += 2)
		memcpy(stars + i, "*a", 3);
	memset(tag, 'a', sizeof(tag) - 1);
	memcpy(stars + 126, "*b", 3);
	ok(!tag_matches(stars, tag), "a pattern made to be slow is not");
	ok(!tag_matches("*", "a\tthin=x"), "what is no tag matches nothing");
}

static void records(void)
{
	ducc_error *err = NULL;
	ducc_record *record = ducc_record_parse("alpine\tx=1\trepo=a b\tempty=", &err);
	static const char *const unfit[] = {"a\tthin=b", "a\nb", "a\r", "\x1b[2J", "\x7f"};
	static const char *const unfit_keys[] = {"", "a=b", "a b", "a\tb", "a\nb", "\xc3\xa4"};
	char *text;

	ok(record != NULL, "a record with fields");
	is_string(ducc_record_reference(record), "alpine", "its reference");
	is_string(ducc_record_get(record, "repo"), "a b", "a field");
	is_string(ducc_record_get(record, "empty"), "", "an empty field");
	is_string(ducc_record_get(record, "none"), NULL, "a field that is not there");
	ok(!ducc_record_set(record, "x", "2", &err) && !ducc_record_set(record, "new", "3", &err),
	   "fields are set");
	for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++) {
		ok(ducc_record_set(record, "x", unfit[i], &err) < 0, "unfit value %zu is refused",
		   i);
		says(&err, "field x=", "... and the field named");
	}
	for (size_t i = 0; i < sizeof(unfit_keys) / sizeof(unfit_keys[0]); i++) {
		ok(ducc_record_set(record, unfit_keys[i], "1", &err) < 0,
		   "unfit key %zu is refused", i);
		says(&err, "invalid field key", "... with the reason");
	}
	text = ducc_record_format(record);
	is_string(text, "alpine\tx=2\trepo=a b\tempty=\tnew=3",
		  "fields keep their order, and what was refused changes nothing");
	free(text);
	ducc_record_free(record);
	ok(!ducc_record_parse("\tx=1", &err), "a record without a reference is refused");
	says(&err, "reference", "... with the reason");
	ok(!ducc_record_parse("alpine\tx", &err), "a field without = is refused");
	says(&err, "alpine: x", "... with the reason");
	ok(!ducc_record_parse("alpine\tx=1\tx=2", &err), "a field that is there twice is refused");
	says(&err, "duplicate field x=", "... with the reason");
	ok(!ducc_record_parse("alpine\tx=1\r", &err), "a control character in a field is refused");
	says(&err, "x= contains a control character", "... with the reason");
	ok(!ducc_record_parse("alpine\r", &err), "and one in the reference");
	says(&err, "alpine\\015", "... with the reason");
	record = ducc_record_parse("alpine\t\tx=1\t", &err);
	text = record ? ducc_record_format(record) : NULL;
	is_string(text, "alpine\tx=1", "tabs that are too many are forgiven");
	free(text);
	ducc_record_free(record);
}

int main(void)
{
	parses("alpine", "https://registry.hub.docker.com/library/alpine:latest",
	       "registry.hub.docker.com/library/alpine:latest");
	parses("docker.io/atlas/base:1", "https://registry.hub.docker.com/atlas/base:1",
	       "registry.hub.docker.com/atlas/base:1");
	parses("quay.io/a/b/c", "https://quay.io/a/b/c:latest", "quay.io/a/b/c:latest");
	parses("localhost/x", "http://localhost/x:latest", "localhost/x:latest");
	parses("127.0.0.1:5000/x:y", "http://127.0.0.1:5000/x:y", "127.0.0.1:5000/x:y");
	parses("[::1]:5000/x", "http://[::1]:5000/x:latest", "[::1]:5000/x:latest");
	parses("https://Harbor/p/q@sha256:" HEX, "https://harbor/p/q@sha256:" HEX,
	       "harbor/p/q@sha256:" HEX);
	parses("h.org/p:t@sha256:" HEX, "https://h.org/p:t@sha256:" HEX, "h.org/p:t");
	parses("h.org/a__b/c---d.e_f:A.b-C_", "https://h.org/a__b/c---d.e_f:A.b-C_",
	       "h.org/a__b/c---d.e_f:A.b-C_");

	refused("", "repository");
	refused("ftp://h.org/x", "scheme");
	refused("https://h.org", "without a repository");
	refused("h.org/../x", "repository");
	refused("h.org/a//b", "repository");
	refused("h.org/A", "repository");
	refused("h.org/x:", "tag");
	refused("h.org/x:..", "tag");
	refused("h.org/x:a/b", "tag");
	refused("h.org/x:1.*", "ducc-wish");
	refused("h.org/x@sha256:12", "digest");
	refused("h.org/x@sha512:" HEX, "digest");
	refused("h.org:0/x", "registry");
	refused("h.org:99999/x", "registry");
	refused("../x.y/z", "registry");
	refused(".flat/x", "registry");
	refused("user@h.org/x", "registry");
	repositories();
	patterns();
	records();
	return done_testing();
}
