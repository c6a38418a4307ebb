/* References and records: what is understood, what is refused, what comes out again. */
#include <stdlib.h>

#include "reference.h"
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

static void records(void)
{
	ducc_error *err = NULL;
	ducc_record *record = ducc_record_parse("alpine\tx=1\trepo=a b\tempty=", &err);
	char *text;

	ok(record != NULL, "a record with fields");
	is_string(ducc_record_reference(record), "alpine", "its reference");
	is_string(ducc_record_get(record, "repo"), "a b", "a field");
	is_string(ducc_record_get(record, "empty"), "", "an empty field");
	is_string(ducc_record_get(record, "none"), NULL, "a field that is not there");
	ducc_record_set(record, "x", "2");
	ducc_record_set(record, "new", "3");
	text = ducc_record_format(record);
	is_string(text, "alpine\tx=2\trepo=a b\tempty=\tnew=3", "fields keep their order");
	free(text);
	ducc_record_free(record);
	ok(!ducc_record_parse("\tx=1", &err), "a record without a reference is refused");
	says(&err, "reference", "... with the reason");
	ok(!ducc_record_parse("alpine\tx", &err), "a field without = is refused");
	says(&err, "alpine: x", "... with the reason");
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
	refused("h.org/x:1.*", "tag");
	refused("h.org/x@sha256:12", "digest");
	refused("h.org/x@sha512:" HEX, "digest");
	refused("h.org:0/x", "registry");
	refused("h.org:99999/x", "registry");
	refused("../x.y/z", "registry");
	refused(".flat/x", "registry");
	refused("user@h.org/x", "registry");
	records();
	return done_testing();
}
