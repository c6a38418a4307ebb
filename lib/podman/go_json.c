/* What Go's JSON decoder accepts: see go_json.h. */
#include "podman/go_json.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "format/image.h"
#include "podman/podman_list.h"

#define MEDIA_DOCKER_LAYER_PLAIN "application/vnd.docker.image.rootfs.diff.tar"

enum type {
	TEXT,
	TIME,
	BASE64,
	INTEGER,
	BOOLEAN,
	DIGEST, /* or an empty text */
	TEXTS,
	IDS,
	TEXT_MAP,    /* an object of texts */
	DIGEST_MAP,  /* the same; those of manifests are digests */
	INTEGER_MAP, /* an object of integers */
	SET,         /* an object of objects */
	OBJECT,
	OBJECTS,
};

struct field {
	const char *name;
	enum type type;
	const struct field *fields; /* of OBJECT and OBJECTS */
};

/* As in the OCI's image-spec/specs-go/v1, with the additional members of Docker's format. */
static const struct field platform[] = {
	{"architecture", TEXT, NULL}, {"os", TEXT, NULL},      {"os.version", TEXT, NULL},
	{"os.features", TEXTS, NULL}, {"variant", TEXT, NULL}, {"features", TEXTS, NULL},
	{NULL, TEXT, NULL},
};

static const struct field descriptor[] = {
	{"mediaType", TEXT, NULL},
	{"digest", TEXT, NULL},
	{"size", INTEGER, NULL},
	{"urls", TEXTS, NULL},
	{"data", BASE64, NULL},
	{"annotations", TEXT_MAP, NULL},
	{"platform", OBJECT, platform},
	{"artifactType", TEXT, NULL},
	{NULL, TEXT, NULL},
};

static const struct field manifest_fields[] = {
	{"schemaVersion", INTEGER, NULL}, {"mediaType", TEXT, NULL},
	{"artifactType", TEXT, NULL},     {"config", OBJECT, descriptor},
	{"layers", OBJECTS, descriptor},  {"subject", OBJECT, descriptor},
	{"annotations", TEXT_MAP, NULL},  {NULL, TEXT, NULL},
};

static const struct field healthcheck[] = {
	{"Test", TEXTS, NULL},
	{"Interval", INTEGER, NULL},
	{"Timeout", INTEGER, NULL},
	{"StartPeriod", INTEGER, NULL},
	{"StartInterval", INTEGER, NULL},
	{"Retries", INTEGER, NULL},
	{NULL, TEXT, NULL},
};

static const struct field container[] = {
	{"Hostname", TEXT, NULL},
	{"Domainname", TEXT, NULL},
	{"User", TEXT, NULL},
	{"AttachStdin", BOOLEAN, NULL},
	{"AttachStdout", BOOLEAN, NULL},
	{"AttachStderr", BOOLEAN, NULL},
	{"ExposedPorts", SET, NULL},
	{"Tty", BOOLEAN, NULL},
	{"OpenStdin", BOOLEAN, NULL},
	{"StdinOnce", BOOLEAN, NULL},
	{"Env", TEXTS, NULL},
	{"Cmd", TEXTS, NULL},
	{"ArgsEscaped", BOOLEAN, NULL},
	{"Healthcheck", OBJECT, healthcheck},
	{"Image", TEXT, NULL},
	{"Volumes", SET, NULL},
	{"WorkingDir", TEXT, NULL},
	{"Entrypoint", TEXTS, NULL},
	{"NetworkDisabled", BOOLEAN, NULL},
	{"MacAddress", TEXT, NULL},
	{"OnBuild", TEXTS, NULL},
	{"Labels", TEXT_MAP, NULL},
	{"StopSignal", TEXT, NULL},
	{"StopTimeout", INTEGER, NULL},
	{"Shell", TEXTS, NULL},
	{NULL, TEXT, NULL},
};

static const struct field rootfs[] = {
	{"type", TEXT, NULL},
	{"diff_ids", TEXTS, NULL},
	{NULL, TEXT, NULL},
};

static const struct field history[] = {
	{"created", TIME, NULL}, {"created_by", TEXT, NULL},     {"author", TEXT, NULL},
	{"comment", TEXT, NULL}, {"empty_layer", BOOLEAN, NULL}, {NULL, TEXT, NULL},
};

static const struct field config_fields[] = {
	{"id", TEXT, NULL},
	{"parent", TEXT, NULL},
	{"comment", TEXT, NULL},
	{"created", TIME, NULL},
	{"container", TEXT, NULL},
	{"container_config", OBJECT, container},
	{"docker_version", TEXT, NULL},
	{"author", TEXT, NULL},
	{"config", OBJECT, container},
	{"architecture", TEXT, NULL},
	{"variant", TEXT, NULL},
	{"os", TEXT, NULL},
	{"os.version", TEXT, NULL},
	{"os.features", TEXTS, NULL},
	{"Size", INTEGER, NULL},
	{"rootfs", OBJECT, rootfs},
	{"history", OBJECTS, history},
	{NULL, TEXT, NULL},
};

static const struct field id_map_fields[] = {
	{"container_id", INTEGER, NULL},
	{"host_id", INTEGER, NULL},
	{"size", INTEGER, NULL},
	{NULL, TEXT, NULL},
};

/* Of any types. */
static const struct field flag_fields[] = {
	{NULL, TEXT, NULL},
};

/* As in containers/storage's Image and Layer; it validates the digests of all images. */
static const struct field listed_fields[] = {
	{"id", TEXT, NULL},
	{"digest", DIGEST, NULL},
	{"names", TEXTS, NULL},
	{"names-history", TEXTS, NULL},
	{"layer", TEXT, NULL},
	{"mapped-layers", TEXTS, NULL},
	{"metadata", TEXT, NULL},
	{"big-data-names", TEXTS, NULL},
	{"big-data-sizes", INTEGER_MAP, NULL},
	{"big-data-digests", DIGEST_MAP, NULL},
	{"created", TIME, NULL},
	{"parent", TEXT, NULL},
	{"mountlabel", TEXT, NULL},
	{"compressed-diff-digest", TEXT, NULL},
	{"compressed-size", INTEGER, NULL},
	{"diff-digest", TEXT, NULL},
	{"diff-size", INTEGER, NULL},
	{"toc-digest", TEXT, NULL},
	{"compression", INTEGER, NULL},
	{"uidset", IDS, NULL},
	{"gidset", IDS, NULL},
	{"flags", OBJECT, flag_fields},
	{"uidmap", OBJECTS, id_map_fields},
	{"gidmap", OBJECTS, id_map_fields},
	{NULL, TEXT, NULL},
};

/* True if the text begins with the form, in which 0 stands for any digit. */
static bool has_form(const char *text, const char *form)
{
	while (*form && (*form == '0' ? isdigit((unsigned char)*text) : *text == *form)) {
		form++;
		text++;
	}
	return !*form;
}

/* True for a time zone such as +02:00. */
static bool is_offset(const char *text)
{
	return (*text == '+' || *text == '-') && has_form(text + 1, "00:00") && !text[6] &&
	       strtol(text + 1, NULL, 10) < 24 && text[4] < '6';
}

/* True for an RFC 3339 time that Go accepts. */
static bool is_time(const char *value)
{
	struct tm tm = {0};
	size_t digits;
	int day;

	if (!has_form(value, "0000-00-00T00:00:00") || !strptime(value, "%Y-%m-%dT%H:%M:%S", &tm) ||
	    tm.tm_sec > 59)
		return false;
	day = tm.tm_mday;
	timegm(&tm); /* turns 31 February into a day in March */
	if (tm.tm_mday != day)
		return false;
	value += strlen("0000-00-00T00:00:00");
	if (*value == '.') {
		digits = strspn(++value, "0123456789");
		if (digits < 1 || digits > 9)
			return false;
		value += digits;
	}
	return !strcmp(value, "Z") || is_offset(value);
}

static bool is_base64(const char *value)
{
	size_t n =
		strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	size_t padding = strspn(value + n, "=");

	return !value[n + padding] && padding < 3 && (n + padding) % 4 == 0;
}

static cJSON_bool is_integer(const cJSON *item)
{
	return cJSON_IsNumber(item) && fabs(item->valuedouble) <= 9007199254740992.0 &&
	       item->valuedouble == floor(item->valuedouble);
}

static cJSON_bool is_id(const cJSON *item)
{
	return is_integer(item) && item->valuedouble >= 0 && item->valuedouble <= UINT32_MAX;
}

/* True for a digest of one of the algorithms that Go's go-digest knows. */
static bool is_digest(const char *value)
{
	static const struct {
		const char *name;
		size_t digits;
	} algorithms[] = {{"sha256:", 64}, {"sha384:", 96}, {"sha512:", 128}};

	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		const char *hex = value + strlen(algorithms[i].name);

		if (!strncmp(value, algorithms[i].name, strlen(algorithms[i].name)))
			return strspn(hex, "0123456789abcdef") == algorithms[i].digits &&
			       !hex[algorithms[i].digits];
	}
	return false;
}

/* True for an object of texts in which whatever belongs to a manifest is a digest. */
static bool has_digests(const cJSON *items)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, items)
	{
		bool is_manifest = !strncmp(item->string, "manifest", strlen("manifest"));

		if (cJSON_IsString(item) ? is_manifest && !is_digest(item->valuestring)
					 : is_manifest || !cJSON_IsNull(item))
			return false;
	}
	return true;
}

/* True if each value in the array or object is null or satisfies `is`. */
static bool all(const cJSON *items, cJSON_bool (*is)(const cJSON *))
{
	const cJSON *item;

	cJSON_ArrayForEach(item, items)
	{
		if (!is(item) && !cJSON_IsNull(item))
			return false;
	}
	return true;
}

static bool is_of_type(const cJSON *item, enum type type)
{
	switch (type) {
	case TEXT:
		return cJSON_IsString(item);
	case TIME:
		return cJSON_IsString(item) && is_time(item->valuestring);
	case BASE64:
		return cJSON_IsString(item) && is_base64(item->valuestring);
	case INTEGER:
		return is_integer(item);
	case BOOLEAN:
		return cJSON_IsBool(item);
	case DIGEST:
		return cJSON_IsString(item) &&
		       (!*item->valuestring || is_digest(item->valuestring));
	case TEXTS:
		return cJSON_IsArray(item) && all(item, cJSON_IsString);
	case IDS:
		return cJSON_IsArray(item) && all(item, is_id);
	case TEXT_MAP:
		return cJSON_IsObject(item) && all(item, cJSON_IsString);
	case DIGEST_MAP:
		return cJSON_IsObject(item) && has_digests(item);
	case INTEGER_MAP:
		return cJSON_IsObject(item) && all(item, is_integer);
	case SET:
		return cJSON_IsObject(item) && all(item, cJSON_IsObject);
	case OBJECT:
		return cJSON_IsObject(item);
	case OBJECTS:
		return cJSON_IsArray(item) && all(item, cJSON_IsObject);
	}
	return false;
}

static const struct field *find(const struct field *fields, const char *name)
{
	while (fields->name && json_compare_folded(fields->name, name) != 0)
		fields++;
	return fields->name ? fields : NULL;
}

static int check(const cJSON *object, const struct field *fields, ducc_error **err);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables are */
static int check_member(const cJSON *item, const struct field *field, ducc_error **err)
{
	const cJSON *object = field->type == OBJECTS ? item->child : NULL;

	if (!is_of_type(item, field->type))
		return error_set(err, "\"%s\" has a type or value that Podman cannot read",
				 item->string);
	if (field->type == OBJECT && check(item, field->fields, err) < 0)
		return error_wrap(err, "\"%s\"", item->string);
	for (; object; object = object->next)
		if (check(object, field->fields, err) < 0)
			return error_wrap(err, "\"%s\"", item->string);
	return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables are */
static int check(const cJSON *object, const struct field *fields, ducc_error **err)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object)
	{
		const struct field *field = find(fields, item->string);

		if (field && !cJSON_IsNull(item) && check_member(item, field, err) < 0)
			return -1;
	}
	return 0;
}

static int check_document(const cJSON *json, const struct field *fields, const char *text,
			  size_t len, ducc_error **err)
{
	if (json_has_fractions(text, len))
		return error_set(err, "contains a number that is not an integer");
	return check(json, fields, err);
}

/* Docker's format requires Docker's types throughout, OCI's an OCI config. */
static int check_media_types(const cJSON *manifest, ducc_error **err)
{
	const char *type = podman_list_text(manifest, "mediaType");
	const char *of_config = podman_list_text(json_member(manifest, "config"), "mediaType");
	const cJSON *layer;

	if (*type ? !strcmp(type, MEDIA_OCI_MANIFEST) : !json_has_folded(manifest, "mediaType"))
		return !strcmp(of_config, MEDIA_OCI_CONFIG)
			       ? 0
			       : error_set(err, "config has media type %s", of_config);
	if (strcmp(type, MEDIA_DOCKER_MANIFEST) != 0)
		return error_set(err, "unsupported \"mediaType\": %s", type);
	cJSON_ArrayForEach(layer, json_member(manifest, "layers"))
	{
		type = podman_list_text(layer, "mediaType");
		if (strcmp(type, MEDIA_DOCKER_LAYER) != 0 &&
		    strcmp(type, MEDIA_DOCKER_LAYER_PLAIN) != 0)
			return error_set(err, "layer of media type %s in a Docker manifest", type);
	}
	return 0;
}

int go_json_check_manifest(const char *text, size_t len, ducc_error **err)
{
	AUTO_JSON *manifest = json_parse(text, len, "manifest", err);

	if (!manifest)
		return -1;
	if (check_document(manifest, manifest_fields, text, len, err) < 0 ||
	    check_media_types(manifest, err) < 0)
		return error_wrap(err, "manifest");
	if (json_has_folded(manifest, "history"))
		return error_set(err, "manifest: contains \"history\"");
	return 0;
}

int go_json_check_config(const cJSON *config, const char *text, size_t len, ducc_error **err)
{
	if (check_document(config, config_fields, text, len, err) < 0)
		return error_wrap(err, "config");
	return 0;
}

int go_json_check_listed(const cJSON *entry, ducc_error **err)
{
	return check(entry, listed_fields, err);
}
