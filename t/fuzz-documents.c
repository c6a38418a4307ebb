/*
 * JSON that others write: manifests, indexes, configs and notifications.  What is accepted has
 * words in the grammar of each, and what is made of it is accepted again.
 *
 * The first byte of an input says which of them the rest is.
 */
#include "format/image.h"
#include "format/record.h"
#include "format/reference.h"
#include "fuzz.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "\"digest\":\"sha256:" HEX "\",\"size\":7"
#define OCI "\"mediaType\":\"application/vnd.oci.image."
#define DOCKER "\"mediaType\":\"application/vnd.docker."

static const char *const seeds[] = {
	"m{\"schemaVersion\":2," OCI "manifest.v1+json\",\"config\":{" OCI
	"config.v1+json\"," DIGEST "},\"layers\":[{" OCI "layer.v1.tar+gzip\"," DIGEST "}]}",
	"m{\"schemaVersion\":2," DOCKER "distribution.manifest.v2+json\",\"config\":{" DOCKER
	"container.image.v1+json\"," DIGEST "},\"layers\":[{" DOCKER
	"image.rootfs.diff.tar.gzip\"," DIGEST ",\"urls\":[\"https://h.org/x\"]}]}",
	"i{\"schemaVersion\":2," OCI "index.v1+json\",\"manifests\":[{" OCI
	"manifest.v1+json\"," DIGEST
	",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\"}},{" OCI
	"index.v1+json\"," DIGEST ",\"annotations\":{\"a\":\"b\"}}]}",
	"c{\"architecture\":\"amd64\",\"os\":\"linux\",\"variant\":\"v1\",\"rootfs\":{\"type\":"
	"\"layers\","
	"\"diff_ids\":[\"sha256:" HEX "\"]},\"config\":{\"Env\":[\"A=b\"],\"Cmd\":[\"sh\"],"
	"\"Entrypoint\":null}}",
	"h{\"events\":[{\"action\":\"push\",\"target\":{\"repository\":\"a\",\"tag\":\"1\"},"
	"\"request\":{\"host\":\"h.org\"}}]}",
	"h{\"type\":\"PUSH_ARTIFACT\",\"event_data\":{\"resources\":[{\"digest\":\"sha256:" HEX
	"\",\"tag\":\"1\",\"resource_url\":\"h.org/l/"
	"a:1\"}],\"repository\":{\"repo_full_name\":\"l/a\"}}}",
	"h{\"docker_url\":\"quay.io/o/a\",\"updated_tags\":[\"1\"]}",
	"h{\"push_data\":{\"tag\":\"1\"},\"repository\":{\"repo_name\":\"o/a\"}}",
};

static const char *const words[] = {
	"\"",          ":",
	",",           "{",
	"}",           "[",
	"]",           "null",
	"true",        "-1",
	"1e309",       "18446744073709551616",
	"\\u0000",     "\\n",
	"\\u001b",     "\xff",
	"sha256:",     "sha512:",
	"../",         "*",
	"\"size\":",   "windows",
	"linux/",      "\"platform\":",
	"\"layers\":", "\"diff_ids\":",
	"\"tag\":",    "\"action\":",
	"delete",      "@",
	" ",           "[[[[[[[[[[",
};

static void is_plain(const char *text)
{
	for (; text && *text; text++)
		FUZZ_CHECK((unsigned char)*text > ' ' && *text != 0x7f);
}

static void is_platform(const struct platform *platform)
{
	is_plain(platform->os);
	is_plain(platform->architecture);
	is_plain(platform->variant);
}

static void try_manifest(const char *data, size_t len, ducc_error **err)
{
	AUTO_MANIFEST manifest = {.n = 0};
	AUTO_MANIFEST again = {.n = 0};
	AUTO_FREE char *oci = NULL;

	if (manifest_parse(&manifest, data, len, err) < 0)
		return;
	for (size_t i = 0; i < manifest.n; i++) {
		FUZZ_CHECK(digest_is_hex(manifest.layers[i].digest.hex));
		is_plain(manifest.layers[i].media_type);
	}
	oci = manifest_to_oci(data, len);
	if (!oci)
		return;
	FUZZ_CHECK(!manifest_parse(&again, oci, strlen(oci), NULL) && again.n == manifest.n);
	FUZZ_CHECK(digest_equal(&again.config.digest, &manifest.config.digest));
	for (size_t i = 0; i < manifest.n; i++)
		FUZZ_CHECK(digest_equal(&again.layers[i].digest, &manifest.layers[i].digest) &&
			   again.layers[i].size == manifest.layers[i].size);
}

static void try_index(const char *data, size_t len, ducc_error **err)
{
	AUTO_JSON *json = json_parse(data, len, "index", err);
	AUTO_INDEX index = {.n = 0};

	if (!json || index_parse(&index, json, err) < 0)
		return;
	for (size_t i = 0; i < index.n; i++) {
		FUZZ_CHECK(digest_is_hex(index.entries[i].descriptor.digest.hex));
		is_platform(&index.entries[i].platform);
	}
}

static void try_config(const char *data, size_t len, ducc_error **err)
{
	AUTO_CONFIG config = {.n = 0};
	AUTO_FREE char *text = NULL;
	struct platform again = {NULL};

	if (config_parse(&config, data, len, err) < 0)
		return;
	for (size_t i = 0; i < config.n; i++)
		FUZZ_CHECK(digest_is_hex(config.diff_ids[i].hex));
	is_platform(&config.platform);
	if (!config.platform.os || !config.platform.architecture)
		return;
	text = platform_format(&config.platform);
	FUZZ_CHECK(!platform_parse(&again, text, NULL));
	platform_free(&again);
}

/* What a notification names can be parsed again, and has no wildcard. */
static bool on_event(void *ctx, ducc_record *record, ducc_error *err)
{
	AUTO_FREE char *line = NULL;
	AUTO_REFERENCE reference = {NULL};

	(void)ctx;
	FUZZ_CHECK(!record == (err != NULL));
	fuzz_message(&err);
	if (!record)
		return true;
	FUZZ_CHECK(!reference_parse(&reference, ducc_record_reference(record), NULL));
	line = ducc_record_format(record);
	FUZZ_CHECK(!strpbrk(line, "\n*"));
	ducc_record_free(record);
	return true;
}

static void try_notification(const char *data, size_t len, ducc_error **err)
{
	const struct ducc_options options = {.size = sizeof(options), .store = "/nowhere"};
	ducc_session *session = ducc_open(&options, NULL);
	int fd = fuzz_file(data, len);
	int result = ducc_hook(session, fd, NULL, on_event, NULL, err);

	FUZZ_CHECK((result < 0) == (*err != NULL));
	close(fd);
	ducc_close(session);
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = xmalloc(len + 1);
	ducc_error *err = NULL;

	memcpy(text, data, len);
	text[len] = '\0';
	if (len && *text == 'm')
		try_manifest(text + 1, len - 1, &err);
	else if (len && *text == 'i')
		try_index(text + 1, len - 1, &err);
	else if (len && *text == 'c')
		try_config(text + 1, len - 1, &err);
	else if (len)
		try_notification(text + 1, len - 1, &err);
	fuzz_message(&err);
}

FUZZ_MAIN(seeds, words, 10000)
