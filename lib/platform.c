/* What an image runs on: see platform.h. */
#include "platform.h"

#include <sys/utsname.h>

#include "buffer.h"
#include "mem.h"

/* What the kernel calls a machine, and what images call it. */
static const struct {
	const char *machine, *architecture, *variant;
} machines[] = {
	{"x86_64", "amd64", NULL},    {"aarch64", "arm64", NULL}, {"armv7l", "arm", "v7"},
	{"armv6l", "arm", "v6"},      {"i686", "386", NULL},      {"i386", "386", NULL},
	{"ppc64le", "ppc64le", NULL}, {"s390x", "s390x", NULL},   {"riscv64", "riscv64", NULL},
};

static void platform_of_host(struct platform *platform)
{
	struct utsname host;

	if (uname(&host) < 0)
		abort();
	platform->os = xstrdup("linux");
	for (size_t i = 0; i < ARRAY_LEN(machines); i++) {
		if (strcmp(host.machine, machines[i].machine) != 0)
			continue;
		platform->architecture = xstrdup(machines[i].architecture);
		if (machines[i].variant)
			platform->variant = xstrdup(machines[i].variant);
		return;
	}
	platform->architecture = xstrdup(host.machine);
}

int platform_parse(struct platform *platform, const char *text, ducc_error **err)
{
	size_t os, architecture;
	const char *rest;

	*platform = (struct platform){0};
	if (!text) {
		platform_of_host(platform);
		return 0;
	}
	os = strcspn(text, "/");
	rest = text[os] ? text + os + 1 : "";
	architecture = strcspn(rest, "/");
	if (!os || !architecture || (rest[architecture] && !rest[architecture + 1]) ||
	    strchr(rest + architecture + (rest[architecture] != '\0'), '/') ||
	    text[strspn(text,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")])
		return error_set(err, "not a platform (OS/ARCH[/VARIANT]): %s", text);
	platform->os = xstrndup(text, os);
	platform->architecture = xstrndup(rest, architecture);
	if (rest[architecture])
		platform->variant = xstrdup(rest + architecture + 1);
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

int platform_from_json(struct platform *platform, const cJSON *json, ducc_error **err)
{
	const char *os, *architecture, *variant;

	if (json_find_string(json, "os", &os, err) < 0 ||
	    json_find_string(json, "architecture", &architecture, err) < 0 ||
	    json_find_string(json, "variant", &variant, err) < 0)
		return -1;
	platform->os = os ? xstrdup(os) : NULL;
	platform->architecture = architecture ? xstrdup(architecture) : NULL;
	platform->variant = variant && *variant ? xstrdup(variant) : NULL;
	return 0;
}

char *platform_of_descriptor(const cJSON *descriptor)
{
	const cJSON *json = cJSON_GetObjectItemCaseSensitive(descriptor, "platform");
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

/* The number in vN, or that of no variant; 0: something else. */
static unsigned level(const char *variant, unsigned of_none)
{
	char *end;
	unsigned long number;

	if (!variant || !*variant)
		return of_none;
	number = variant[0] == 'v' ? strtoul(variant + 1, &end, 10) : 0;
	return number && number < 100 && !*end ? (unsigned)number : 0;
}

unsigned platform_rank(const struct platform *wanted, const struct platform *have)
{
	static const struct {
		const char *architecture;
		unsigned of_none;
	} ordered[] = {{"amd64", 1}, {"arm", 7}, {"arm64", 8}};

	if (!same(wanted->os, have->os) || !same(wanted->architecture, have->architecture))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(ordered); i++) {
		unsigned limit, is;

		if (strcmp(wanted->architecture, ordered[i].architecture) != 0)
			continue;
		limit = level(wanted->variant, ordered[i].of_none);
		is = level(have->variant, ordered[i].of_none);
		if (limit && is)
			return is <= limit ? is : 0;
	}
	return !wanted->variant || same(wanted->variant, have->variant);
}
