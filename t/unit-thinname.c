/* The names of thin images: the variables of output_format in ducc-recipe(5). */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "format/thin_name.h"
#include "tap.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *name(const char *output_format, const char *image, ducc_error **err)
{
	AUTO_REFERENCE reference = {NULL};

	if (reference_parse(&reference, image, NULL) < 0)
		abort();
	return thin_name_format(output_format, &reference, err);
}

static void is_called(const char *output_format, const char *image, const char *want)
{
	ducc_error *err = NULL;
	AUTO_FREE char *got = name(output_format, image, &err);
	AUTO_FREE char *title = format("%s of %s", output_format, image);

	ok(!thin_name_check(output_format, NULL), "%s is a format", output_format);
	if (err)
		printf("# %s\n", ducc_error_message(err));
	ducc_error_free(err);
	is_string(got, want, title);
}

/* A format that is right, but makes no name of this image. */
static void no_name(const char *output_format, const char *image, const char *why)
{
	ducc_error *err = NULL;
	AUTO_FREE char *got = name(output_format, image, &err);
	AUTO_FREE char *title = ducc_printable(output_format);

	ok(!thin_name_check(output_format, NULL), "'%s' is a format", title);
	ok(!got, "... that makes no name of %s", image);
	says(&err, why, "... which is said");
}

static void no_format(const char *output_format, const char *why)
{
	ducc_error *err = NULL;
	AUTO_FREE char *title = ducc_printable(output_format);
	AUTO_FREE char *got = NULL;

	ok(thin_name_check(output_format, &err) < 0, "no format: %.60s", title);
	says(&err, why, "... which is said");
	got = name(output_format, "h.org/a:1", &err);
	ok(!got, "... and it makes no name");
	says(&err, why, "... for the same reason");
}

#define IMAGE "http://h.org:5000/a/b:1"
#define PINNED "h.org/a@sha256:" HEX
#define BOTH "h.org/a:1@sha256:" HEX

static void variables(void)
{
	is_called("$(scheme)://t.org/x:1", IMAGE, "http://t.org/x:1");
	is_called("https://$(registry)/x:1", IMAGE, "https://h.org:5000/x:1");
	is_called("t.org/$(repository):1", IMAGE, "https://t.org/a/b:1");
	is_called("t.org/x:$(tag)", IMAGE, "https://t.org/x:1");
	is_called("t.org/x:$(tag)", "h.org/a", "https://t.org/x:latest");
	is_called("t.org/x:$(tag)", BOTH, "https://t.org/x:1");
	is_called("t.org/x:$(tag)", PINNED, "https://t.org/x:sha256-" HEX);
	is_called("t.org/x:1$(digest)", IMAGE, "https://t.org/x:1");
	is_called("t.org/x$(reference)", IMAGE, "https://t.org/x:1");
	is_called("t.org/x/$(image)", IMAGE, "https://t.org/x/a/b:1");
	is_called("t.org/$(repository)/$(repository):$(tag)$(tag)", IMAGE,
		  "https://t.org/a/b/a/b:11");
	is_called(THIN_NAME_DEFAULT, IMAGE, "http://h.org:5000/a/b_thin:1");
	is_called(THIN_NAME_DEFAULT, PINNED, "https://h.org/a_thin:sha256-" HEX);
	is_called(THIN_NAME_DEFAULT, "alpine",
		  "https://registry.hub.docker.com/library/alpine_thin:latest");
	is_called("t.org/x", IMAGE, "https://t.org/x:latest");
	is_called("thin", IMAGE, "https://registry.hub.docker.com/library/thin:latest");
}

/* "None may be in its name: it is left out, or becomes the tag if there is no other." */
static void digests(void)
{
	is_called("t.org/x@$(digest)", PINNED, "https://t.org/x:sha256-" HEX);
	is_called("t.org/x:2@$(digest)", PINNED, "https://t.org/x:2");
	is_called("t.org/x$(reference)", PINNED, "https://t.org/x:sha256-" HEX);
	is_called("t.org/x$(reference)", BOTH, "https://t.org/x:1");
	is_called("t.org/$(image)", PINNED, "https://t.org/a:sha256-" HEX);
	is_called("t.org/$(image)", BOTH, "https://t.org/a:1");
	is_called("t.org/x:1@sha256:" HEX, IMAGE, "https://t.org/x:1");
	no_name("t.org/x@$(digest)", IMAGE, "thin image t.org/x@");
}

static void formats(void)
{
	no_format("t.org/$(nonsense)", "$(nonsense)");
	no_format("t.org/$(Tag)", "$(Tag)");
	no_format("t.org/$( tag)", "$( tag)");
	no_format("t.org/$()", "$()");
	no_format("$(tag", "$(tag");
	no_format("t.org/$(image)$(", "$(");
	no_format("$(tag$(tag)", "$(tag$(tag)");
	no_format("$(a\nb)", "\\012");
	no_format("$(\xff)", "\\377");
}

/* Whatever is not a reference then is an error, not another image. */
static void unfit(void)
{
	no_name("", IMAGE, "thin image");
	no_name("$(digest)", IMAGE, "thin image");
	no_name("t.org/$(tag)/x", "h.org/a:A", "thin image t.org/A/x");
	no_name("t.org/x:$(repository)", IMAGE, "thin image t.org/x:a/b");
	no_name("t.org/$(registry)/x", IMAGE, "thin image t.org/h.org:5000/x");
	no_name("t.org/$$(tag)", IMAGE, "thin image t.org/$1");
	no_name("t.org/(tag)", IMAGE, "thin image t.org/(tag)");
	no_name("t.org/$tag", IMAGE, "thin image t.org/$tag");
	no_name("t.org/x:1\trepo=y", IMAGE, "thin image t.org/x:1");
	no_name("t.org/x:1\nh.org/y", IMAGE, "thin image t.org/x:1");
	no_name("t.org/../x:1", IMAGE, "thin image t.org/../x:1");
	no_name("$(scheme)$(scheme)://t.org/x", IMAGE, "thin image httphttp://t.org/x");
	no_name("t.org/x:*", IMAGE, "thin image t.org/x:*");
	no_name("t.org/x:\xff", IMAGE, "thin image t.org/x:\\377");
	no_name("oci:/tmp/x", IMAGE, "thin image oci:/tmp/x");
}

static void large(void)
{
	AUTO_BUFFER text = {0};
	ducc_error *err = NULL;
	AUTO_FREE char *got = NULL;

	for (int i = 0; i < 100000; i++)
		buffer_adds(&text, "$(tag)");
	ok(!thin_name_check(text.data, NULL), "a hundred thousand variables are a format");
	got = name(text.data, IMAGE, &err);
	ok(!got && strlen(ducc_error_message(err)) < 3000, "... whose error is not as long");
	says(&err, "thin image 1111", "... and names it");
}

int main(void)
{
	variables();
	digests();
	formats();
	unfit();
	large();
	return done_testing();
}
