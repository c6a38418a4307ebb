/* Platforms: the names they go by, and which runs what. */
#include <stdlib.h>

#include "base/mem.h"
#include "format/platform.h"
#include "tap.h"

static void is_called(const char *text, const char *want)
{
	struct platform platform;
	char *got = NULL;

	if (!platform_parse(&platform, text, NULL))
		got = platform_format(&platform);
	is_string(got, want, text);
	platform_free(&platform);
	free(got);
}

/* Of all these, the one that is taken for `wanted`. */
static void takes(const char *wanted, const char *all, const char *want)
{
	struct platform asked, have;
	char *list = xstrdup(all), *rest = NULL, *got = NULL;
	unsigned best = 0;

	platform_parse(&asked, wanted, NULL);
	for (char *text = strtok_r(list, " ", &rest); text; text = strtok_r(NULL, " ", &rest)) {
		unsigned rank;

		platform_parse(&have, text, NULL);
		rank = platform_rank(&asked, &have);
		if (rank > best) {
			best = rank;
			got = text;
		}
		platform_free(&have);
	}
	is_string(got, want, wanted);
	platform_free(&asked);
	free(list);
}

#define ARM64 "linux/arm64/v8.1 linux/arm64/v9 linux/arm64/v8.6 linux/arm64/v9.1 "
#define ARM "linux/arm/v5 linux/arm/v8 linux/arm/v6 "
#define AMD64 "linux/amd64/v3 linux/amd64/v2 "

/* A config or descriptor that says this of its platform is refused, and the member named. */
static void refuses(const char *json_text, const char *member)
{
	AUTO_JSON *json = cJSON_Parse(json_text);
	struct platform platform = {NULL};
	ducc_error *err = NULL;

	ok(platform_from_json(&platform, json, &err) < 0, "refused: %s", member);
	says(&err, member, "... by its name");
	platform_free(&platform);
}

static void from_outside(void)
{
	AUTO_JSON *json = cJSON_Parse("{\"os\":\"\",\"architecture\":\"s390x\",\"variant\":\"\"}");
	struct platform platform = {NULL};
	char *text;

	ok(!platform_from_json(&platform, json, NULL), "what is empty is not said");
	text = platform_format(&platform);
	is_string(text, "unknown/s390x", "... and unknown");
	free(text);
	platform_free(&platform);
	refuses("{\"architecture\":\"amd64\\nremove 9 x\"}", "\"architecture\"");
	refuses("{\"architecture\":\"amd64\\trepo=x\"}", "\"architecture\"");
	refuses("{\"os\":\"linux\\u001b[2J\"}", "\"os\"");
	refuses("{\"variant\":\"../v8\"}", "\"variant\"");
	refuses("{\"variant\":\".v8\"}", "\"variant\"");
	refuses("{\"os\":\"a/b\"}", "\"os\"");
	refuses("{\"os\":\"linux \"}", "\"os\"");
	refuses("{\"os\":7}", "\"os\"");
	refuses("{\"architecture\":"
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
		"\"architecture\"");
}

/* An image with this platform in its config, chosen for another one, is for `want`. */
static void chosen_for(const char *config, const char *index, const char *want, bool agree)
{
	struct platform platform = {NULL}, by;
	char *text;

	if (*config)
		platform_parse(&platform, config, NULL);
	platform_parse(&by, index, NULL);
	ok(platform_overrule(&platform, &by) == agree, "\"%s\" %s %s", config,
	   agree ? "agrees with" : "contradicts", index);
	text = platform_format(&platform);
	is_string(text, want, "... and this is its platform");
	free(text);
	platform_free(&platform);
	platform_free(&by);
}

static void choices(void)
{
	chosen_for("", "linux/arm64", "linux/arm64", true);
	chosen_for("linux/amd64", "linux/amd64", "linux/amd64", true);
	chosen_for("linux/amd64", "linux/arm64", "linux/arm64", false);
	chosen_for("linux/arm64/v8", "linux/amd64", "linux/amd64", false);
	chosen_for("linux/amd64", "windows/amd64", "windows/amd64", false);
	chosen_for("linux/arm", "linux/arm/v6", "linux/arm/v6", true);
	chosen_for("linux/arm", "linux/arm/v7", "linux/arm", true);
	chosen_for("linux/arm64", "linux/arm64/v8", "linux/arm64", true);
	chosen_for("linux/arm64/v8", "linux/arm64", "linux/arm64/v8", true);
	chosen_for("linux/arm/v6", "linux/arm", "linux/arm/v6", true);
	chosen_for("linux/arm/v7", "linux/arm/v6", "linux/arm/v6", false);
	chosen_for("linux/amd64", "linux/amd64/v3", "linux/amd64/v3", true);
	chosen_for("linux/amd64/v3", "linux/amd64", "linux/amd64", false);
	chosen_for("linux/ppc64le/power9", "linux/ppc64le", "linux/ppc64le/power9", true);
}

int main(void)
{
	choices();
	from_outside();
	is_called("linux/x86_64", "linux/amd64");
	is_called("linux/aarch64", "linux/arm64");
	is_called("linux/armhf", "linux/arm/v7");
	is_called("linux/armel", "linux/arm/v6");
	is_called("linux/armhf/v8", "linux/arm/v8");
	is_called("linux/i686", "linux/386");
	is_called("linux/arm/6", "linux/arm/v6");
	is_called("linux/arm64/v8", "linux/arm64/v8");
	is_called("linux/mips64le", "linux/mips64le");
	is_called("linux", NULL);
	is_called("linux/", NULL);
	is_called("linux/arm/", NULL);
	is_called("linux/arm/v7/x", NULL);
	is_called("../x", NULL);
	is_called("linux/..", NULL);
	is_called("linux/arm/..", NULL);

	takes("linux/arm64", ARM64, NULL);
	takes("linux/arm64", ARM64 "linux/arm64", "linux/arm64");
	takes("linux/arm64/v8.5", ARM64, "linux/arm64/v8.1");
	takes("linux/arm64/v8.9", ARM64, "linux/arm64/v8.6");
	takes("linux/arm64/v9", ARM64, "linux/arm64/v9");
	takes("linux/arm64/v9", "linux/arm64/v8.6 linux/arm64/v8.5", "linux/arm64/v8.5");
	takes("linux/arm64/v9.1", "linux/arm64/v8.6 linux/arm64/v8.5", "linux/arm64/v8.6");
	takes("linux/arm64/v9.2", ARM64, "linux/arm64/v9.1");
	takes("linux/arm64/strange", ARM64 "linux/arm64/strange", "linux/arm64/strange");
	takes("linux/arm64/v8.x", ARM64 "linux/arm64", NULL);
	takes("linux/arm64/v-1", ARM64 "linux/arm64", NULL);
	takes("linux/arm64/v", ARM64 "linux/arm64", NULL);
	takes("linux/arm64", "linux/arm64/strange", "linux/arm64/strange");
	takes("linux/arm64", ARM, NULL);
	takes("linux/arm", ARM, "linux/arm/v6");
	takes("linux/arm/v8", ARM, "linux/arm/v8");
	takes("linux/arm/v4", ARM, NULL);
	takes("linux/amd64", AMD64 "linux/386", NULL);
	takes("linux/amd64/v4", AMD64 "linux/386 linux/amd64", "linux/amd64/v3");
	takes("linux/amd64/v1", AMD64 "linux/amd64", "linux/amd64");
	takes("linux/s390x", "linux/s390x/z13 linux/amd64", "linux/s390x/z13");
	takes("linux/s390x/z13", "linux/s390x", NULL);
	takes("windows/amd64", "linux/amd64", NULL);
	return done_testing();
}
