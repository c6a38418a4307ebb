/* The names of thin images: see thin_name.h. */
#include "format/thin_name.h"

#include "base/buffer.h"
#include "base/mem.h"

static char *digest_as_tag(const struct digest *digest)
{
	return format("sha256-%s", digest->hex);
}

static void add_tag(struct buffer *text, const struct reference *image)
{
	AUTO_FREE char *tag = image->tag ? xstrdup(image->tag) : digest_as_tag(&image->digest);

	buffer_adds(text, tag);
}

static void add_reference(struct buffer *text, const struct reference *image)
{
	if (image->tag)
		buffer_addf(text, ":%s", image->tag);
	if (reference_is_pinned(image))
		buffer_addf(text, "@" PRI_DIGEST, image->digest.hex);
}

/* Appends the value of a variable; false if the name is unknown. */
static bool add_variable(struct buffer *text, const char *name, const struct reference *image)
{
	if (!strcmp(name, "scheme")) {
		buffer_adds(text, image->scheme);
	} else if (!strcmp(name, "registry")) {
		buffer_adds(text, image->registry);
	} else if (!strcmp(name, "repository")) {
		buffer_adds(text, image->repository);
	} else if (!strcmp(name, "tag")) {
		add_tag(text, image);
	} else if (!strcmp(name, "digest")) {
		if (reference_is_pinned(image))
			buffer_addf(text, PRI_DIGEST, image->digest.hex);
	} else if (!strcmp(name, "reference")) {
		add_reference(text, image);
	} else if (!strcmp(name, "image")) {
		buffer_adds(text, image->repository);
		add_reference(text, image);
	} else {
		return false;
	}
	return true;
}

static int expand(struct buffer *text, const char *format, const struct reference *image,
		  ducc_error **err)
{
	while (*format) {
		AUTO_FREE char *name = NULL;
		size_t len;

		if (strncmp(format, "$(", 2) != 0) {
			buffer_addc(text, *format++);
			continue;
		}
		len = strcspn(format, ")");
		if (!format[len])
			return error_set(err, "unterminated variable: %s", format);
		name = xstrndup(format + 2, len - 2);
		if (!add_variable(text, name, image))
			return error_set(err, "unknown variable $(%s)", name);
		format += len + 1;
	}
	return 0;
}

int thin_name_check(const char *format, ducc_error **err)
{
	static char scheme[] = "https", registry[] = "example.org", repository[] = "image";
	static char tag[] = "latest";
	const struct reference image = {
		.scheme = scheme, .registry = registry, .repository = repository, .tag = tag};
	AUTO_BUFFER text = {0};

	return expand(&text, format, &image, err);
}

char *thin_name_format(const char *format, const struct reference *image, ducc_error **err)
{
	AUTO_BUFFER text = {0};
	AUTO_REFERENCE thin = {0};

	if (expand(&text, format, image, err) < 0)
		return NULL;
	if (reference_parse(&thin, text.len ? text.data : "", err) < 0) {
		error_wrap(err, "thin image %s", text.len ? text.data : "");
		return NULL;
	}
	if (!thin.tag)
		thin.tag = digest_as_tag(&thin.digest);
	thin.digest = (struct digest){""};
	return reference_format(&thin);
}
