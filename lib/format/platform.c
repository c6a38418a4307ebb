/* Platforms: see platform.h. */
#include "format/platform.h"

#include <stdio.h>
#include <sys/utsname.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/text.h"

#define PART_LIMIT 64 /* bytes */

const struct machine_name machine_names[MACHINE_NAMES] = {
	{"x86_64", "amd64", NULL},  {"x86-64", "amd64", NULL}, {"arm64", "arm64", NULL},
	{"aarch64", "arm64", NULL}, {"arm", "arm", NULL},      {"armhf", "arm", "v7"},
	{"armv7l", "arm", "v7"},    {"armel", "arm", "v6"},    {"armv6l", "arm", "v6"},
	{"i386", "386", NULL},      {"i686", "386", NULL},
};

/* Architectures whose newer variants run code for the older ones. */
static const struct {
	const char *name;
	unsigned of_none;  /* variant number assumed if there is none */
	const char *usual; /* its name, if it is ever written */
} ordered[] = {{"amd64", 1, NULL}, {"arm", 7, "v7"}, {"arm64", 8, "v8"}};

/* Replaces aliases of the architecture, and adds the `v` that a numeric variant lacks. */
static void normalize(struct platform *platform)
{
	char *variant = platform->variant;

	for (size_t i = 0; platform->architecture && i < MACHINE_NAMES; i++) {
		const struct machine_name *machine = &machine_names[i];

		if (strcmp(platform->architecture, machine->name) != 0)
			continue;
		free(platform->architecture);
		platform->architecture = xstrdup(machine->architecture);
		if (!platform->variant && machine->variant)
			platform->variant = xstrdup(machine->variant);
		break;
	}
	if (variant && *variant >= '0' && *variant <= '9') {
		platform->variant = format("v%s", variant);
		free(variant);
	}
}

static void platform_of_host(struct platform *platform)
{
	struct utsname host;

	if (uname(&host) < 0)
		abort();
	platform->os = xstrdup("linux");
	platform->architecture = xstrdup(host.machine);
}

/*
 * True for a part of a platform: letters, digits, and `.`, `_` and `-` within it.
 * It is used in directory names and records.
 */
static bool is_part(const char *text, size_t len)
{
	static const char others[] = "._-";

	if (!len || len > PART_LIMIT || strchr(others, text[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!text_is_alnum(text[i]) && !strchr(others, text[i]))
			return false;
	return true;
}

int platform_parse(struct platform *platform, const char *text, ducc_error **err)
{
	const char *architecture, *variant;

	*platform = (struct platform){0};
	if (!text) {
		platform_of_host(platform);
		normalize(platform);
		return 0;
	}
	architecture = text + strcspn(text, "/");
	architecture += *architecture == '/';
	variant = architecture + strcspn(architecture, "/");
	if (!is_part(text, strcspn(text, "/")) ||
	    !is_part(architecture, strcspn(architecture, "/")) ||
	    (*variant && !is_part(variant + 1, strlen(variant + 1))))
		return error_set(err, "not a platform (OS/ARCH[/VARIANT]): %s", text);
	platform->os = xstrndup(text, strcspn(text, "/"));
	platform->architecture = xstrndup(architecture, strcspn(architecture, "/"));
	if (*variant)
		platform->variant = xstrdup(variant + 1);
	normalize(platform);
	return 0;
}

void platform_free(struct platform *platform)
{
	free(platform->os);
	free(platform->architecture);
	free(platform->variant);
	*platform = (struct platform){0};
}

char *platform_format(const struct platform *platform)
{
	return format("%s/%s%s%s", platform->os ? platform->os : "unknown",
		      platform->architecture ? platform->architecture : "unknown",
		      platform->variant ? "/" : "", platform->variant ? platform->variant : "");
}

int platform_normalize(const char *text, char **normalized, ducc_error **err)
{
	struct platform platform;

	if (platform_parse(&platform, text, err) < 0)
		return -1;
	*normalized = platform_format(&platform);
	platform_free(&platform);
	return 0;
}

/* Reads a part; an empty one counts as missing. */
static int take_part(const cJSON *json, const char *key, char **part, ducc_error **err)
{
	const char *text;

	if (json_find_string(json, key, &text, err) < 0)
		return -1;
	if (!text || !*text)
		return 0;
	if (!is_part(text, strlen(text)))
		return error_set(err, "invalid platform \"%s\": %s", key, text);
	*part = xstrdup(text);
	return 0;
}

int platform_from_json(struct platform *platform, const cJSON *json, ducc_error **err)
{
	if (take_part(json, "os", &platform->os, err) < 0 ||
	    take_part(json, "architecture", &platform->architecture, err) < 0 ||
	    take_part(json, "variant", &platform->variant, err) < 0)
		return -1;
	normalize(platform);
	return 0;
}

void platform_complete(struct platform *platform, const struct platform *from)
{
	if (!platform->os && from->os)
		platform->os = xstrdup(from->os);
	if (platform->architecture || !from->architecture)
		return;
	platform->architecture = xstrdup(from->architecture);
	free(platform->variant);
	platform->variant = from->variant ? xstrdup(from->variant) : NULL;
}

cJSON *platform_to_json(const struct platform *platform)
{
	cJSON *json = json_object();

	json_set_string(json, "os", platform->os ? platform->os : "unknown");
	json_set_string(json, "architecture",
			platform->architecture ? platform->architecture : "unknown");
	if (platform->variant)
		json_set_string(json, "variant", platform->variant);
	return json;
}

char *platform_of_descriptor(const cJSON *descriptor)
{
	const cJSON *json = json_member(descriptor, "platform");
	struct platform platform = {0};
	char *text = NULL;

	if (cJSON_IsObject(json) && !platform_from_json(&platform, json, NULL))
		text = platform_format(&platform);
	platform_free(&platform);
	return text;
}

static bool same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

/* The numbers in vMAJOR[.MINOR], or the default without a variant; false: malformed. */
static bool read_variant(const char *variant, unsigned of_none, unsigned *major, unsigned *minor)
{
	int end = 0;

	*major = of_none;
	*minor = 0;
	if (!variant)
		return true;
	if (variant[0] != 'v' || variant[1 + strspn(variant + 1, ".0123456789")])
		return false;
	if (sscanf(variant, "v%2u%n.%1u%n", major, &end, minor, &end) < 1)
		return false;
	return !variant[end];
}

static unsigned rank_variants(const struct platform *wanted, const struct platform *have,
			      unsigned of_none)
{
	unsigned limit, limit_minor, is, is_minor;

	if (!read_variant(wanted->variant, of_none, &limit, &limit_minor) ||
	    !read_variant(have->variant, of_none, &is, &is_minor))
		return !wanted->variant || same(wanted->variant, have->variant);
	if (is > limit || (is == limit && is_minor > limit_minor))
		return 0;
	/* ARMv9.0 is based on ARMv8.5. */
	if (limit == 9 && is == 8 && is_minor > limit_minor + 5)
		return 0;
	return is * 10 + is_minor + 1;
}

const char *platform_usual_variant(const char *architecture)
{
	for (size_t i = 0; i < ARRAY_LEN(ordered); i++)
		if (!strcmp(architecture, ordered[i].name))
			return ordered[i].usual;
	return NULL;
}

static const char *part_or(const char *part, const char *other)
{
	return part ? part : other ? other : "unknown";
}

static const char *effective_variant(const struct platform *platform)
{
	const char *usual = platform_usual_variant(part_or(platform->architecture, NULL));

	return part_or(platform->variant, usual);
}

bool platform_same(const struct platform *a, const struct platform *b)
{
	return !strcmp(part_or(a->os, NULL), part_or(b->os, NULL)) &&
	       !strcmp(part_or(a->architecture, NULL), part_or(b->architecture, NULL)) &&
	       !strcmp(effective_variant(a), effective_variant(b));
}

bool platform_overrule(struct platform *platform, const struct platform *by)
{
	struct platform config = *platform;
	bool agree;

	if (platform_same(platform, by))
		return true;
	*platform = (struct platform){NULL};
	platform_complete(platform, by);
	platform_complete(platform, &config);
	if (!platform->variant && config.variant && platform_rank(platform, &config))
		platform->variant = xstrdup(config.variant);
	agree = (!config.os || same(config.os, platform->os)) &&
		(!config.architecture || same(config.architecture, platform->architecture)) &&
		(!config.variant || same(config.variant, platform->variant));
	platform_free(&config);
	return agree;
}

unsigned platform_rank(const struct platform *wanted, const struct platform *have)
{
	if (!same(wanted->os, have->os) || !same(wanted->architecture, have->architecture))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(ordered); i++)
		if (!strcmp(wanted->architecture, ordered[i].name))
			return rank_variants(wanted, have, ordered[i].of_none);
	return !wanted->variant || same(wanted->variant, have->variant);
}
