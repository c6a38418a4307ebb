/*
 * Names of thin images: of whatever format and image, a full reference with a tag and no digest,
 * or an error; and a format that is refused makes no name of any image.
 */
#include "format/thin_name.h"
#include "fuzz.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char *const seeds[] = {
	THIN_NAME_DEFAULT,
	"https://t.org/thin/$(image)",
	"t.org/$(registry)/$(repository)$(reference)@$(digest)",
	"https://h.org:5000/a/b:1@" DIGEST,
};

static const char *const words[] = {
	"$(scheme)", "$(registry)", "$(repository)",
	"$(tag)",    "$(digest)",   "$(reference)",
	"$(image)",  "$(",          ")",
	"$",         "$()",         "://",
	"/",         ":",           "@",
	"..",        "*",           DIGEST,
	"\t",        "\n",          "\xff",
	"a",         "A",           "t.org/",
};

static const char *const images[] = {
	"alpine",
	"http://h.org:5000/a/b:1",
	"h.org/a@" DIGEST,
	"h.org/a:A.b-C_@" DIGEST,
};

static void is_sound(const char *name)
{
	AUTO_REFERENCE reference = {NULL};
	AUTO_FREE char *again = NULL;

	FUZZ_CHECK(!reference_parse(&reference, name, NULL));
	FUZZ_CHECK(reference.tag && !reference_is_pinned(&reference));
	again = reference_format(&reference);
	FUZZ_CHECK(!strcmp(again, name));
}

static void try_image(const char *output_format, const struct reference *image)
{
	ducc_error *err = NULL;
	AUTO_FREE char *name = thin_name_format(output_format, image, &err);

	FUZZ_CHECK(!name == (err != NULL));
	fuzz_message(&err);
	if (!name)
		return;
	FUZZ_CHECK(!thin_name_check(output_format, NULL));
	is_sound(name);
}

/* Without a variable, the image does not matter. */
static void try_constant(const char *text)
{
	AUTO_REFERENCE image = {NULL}, constant = {NULL};
	AUTO_FREE char *name = NULL;

	FUZZ_CHECK(!thin_name_check(text, NULL));
	FUZZ_CHECK(!reference_parse(&image, images[0], NULL));
	name = thin_name_format(text, &image, NULL);
	FUZZ_CHECK(!name == (reference_parse(&constant, text, NULL) < 0));
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = fuzz_string(data, len);
	AUTO_REFERENCE own = {NULL};
	ducc_error *err = NULL;

	FUZZ_CHECK((thin_name_check(text, &err) < 0) == (err != NULL));
	fuzz_message(&err);
	for (size_t i = 0; i < ARRAY_LEN(images); i++) {
		AUTO_REFERENCE image = {NULL};

		FUZZ_CHECK(!reference_parse(&image, images[i], NULL));
		try_image(text, &image);
	}
	if (!strstr(text, "$("))
		try_constant(text);
	/* The text as the image. */
	if (reference_parse(&own, text, NULL) < 0)
		return;
	try_image(THIN_NAME_DEFAULT, &own);
	try_image("t.org/$(image)", &own);
	try_image("t.org/x:$(tag)", &own);
}

FUZZ_MAIN(seeds, words, 25000)
