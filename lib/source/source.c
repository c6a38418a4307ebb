/* Sources of images: see source.h. */
#include "source/source.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/context.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/json.h"

static const struct source_kind *const kinds[] = {
	&source_oci, &source_oci_archive, &source_docker_archive,
	&source_registry, /* its prefix is empty: last */
};

/*
 * The end of a local source's FILE[:REF] in the text, at the last `=`, which a name cannot
 * contain; the end of the text if there is none, or if it belongs to the name of the file.
 */
static size_t name_begins(const char *text)
{
	AUTO_FREE char *path = xstrndup(text, strcspn(text, ":"));
	const char *equals = strrchr(text, '=');

	return equals && (equals > text + strlen(path) || access(path, F_OK) < 0)
		       ? (size_t)(equals - text)
		       : strlen(text);
}

static int open_local(struct source *source, const char *text, ducc_error **err)
{
	size_t len = name_begins(text);
	AUTO_FREE char *rest = xstrndup(text, len);
	int result;

	source->name = text[len] ? text + len + 1 : NULL;
	result = source->kind->open(source, rest, err);
	source->name = NULL; /* the caller's */
	return result;
}

/* Other tools write oci://DIR, or mean it: the names of files are no URLs. */
static void advise_of_url(const struct source_kind *kind, const char *rest, ducc_error **err)
{
	if (*kind->prefix && !strncmp(rest, "//", 2) && err && *err &&
	    ducc_error_kind(*err) == DUCC_NOT_FOUND)
		error_advise(err, "this is not a URL: write %s%s", kind->prefix, rest + 2);
}

static int open_kind(struct source *source, const char *text, ducc_error **err)
{
	return *source->kind->prefix ? open_local(source, text, err)
				     : source->kind->open(source, text, err);
}

static const struct source_kind *kind_of(const char *text)
{
	size_t i = 0;

	while (strncmp(text, kinds[i]->prefix, strlen(kinds[i]->prefix)) != 0)
		i++;
	return kinds[i];
}

bool source_is_local(const char *text)
{
	return kind_of(text) != &source_registry;
}

int source_open(struct source *source, struct network *network, int *input, const char *text,
		ducc_error **err)
{
	*source = (struct source){.kind = kind_of(text), .network = network, .input = input};
	if (!open_kind(source, text + strlen(source->kind->prefix), err))
		return 0;
	advise_of_url(source->kind, text + strlen(source->kind->prefix), err);
	source_close(source);
	return -1;
}

int source_read_config(struct source *source, const struct descriptor *config, char **data,
		       size_t *len, ducc_error **err)
{
	AUTO_CLOSE int fd = memfd_create("config", MFD_CLOEXEC);
	struct blob blob;
	int result;

	if (fd < 0)
		return error_errno(err, errno, "memfd");
	blob_begin(&blob, config, fd);
	result = source->kind->blob(source, &blob, err);
	blob_end(&blob);
	if (result < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "seek");
	return read_file(fd, JSON_LIMIT, data, len, err);
}

void source_close(struct source *source)
{
	if (!source->kind)
		return;
	source->kind->close(source);
	reference_free(&source->reference);
	source->kind = NULL;
}

/* The last component of the path, without the suffixes of a tar; the caller frees it. */
static char *name_of_path(const char *path)
{
	size_t len = strlen(path), start;
	char *name, *suffix;

	while (len && path[len - 1] == '/')
		len--;
	for (start = len; start && path[start - 1] != '/'; start--)
		;
	name = xstrndup(path + start, len - start);
	suffix = strstr(name, ".tar");
	if (!suffix)
		suffix = strstr(name, ".tgz");
	if (suffix && suffix != name)
		*suffix = '\0';
	return name;
}

static int set_name(struct source *source, const char *name, ducc_error **err)
{
	size_t first = strcspn(name, "/");
	AUTO_FREE char *local = NULL;

	if (!name[first] || (!memchr(name, '.', first) && !memchr(name, ':', first) &&
			     strncmp(name, "localhost/", 10) != 0))
		local = format("localhost/%s", name);
	return reference_parse(&source->reference, local ? local : name, err);
}

/* True for a name like 1.0, v2 or latest, which some tools record without that of the image. */
static bool is_only_tag(const char *name)
{
	const char *digit = name + (*name == 'v');

	return !strcmp(name, "latest") ||
	       (*digit >= '0' && *digit <= '9' && !name[strcspn(name, "/:")]);
}

static void warn_of_tag(const struct source *source, const char *tag)
{
	AUTO_FREE char *name = reference_name(&source->reference);

	context_notice(network_context(source->network), DUCC_WARNING,
		       "the source names the image only %s, so it becomes %s: append =NAME to give "
		       "it another name",
		       tag, name);
}

int source_set_local_name(struct source *source, const char *recorded, const char *path,
			  ducc_error **err)
{
	AUTO_FREE char *base = NULL;

	if (source->name)
		return set_name(source, source->name, err);
	if (recorded && set_name(source, recorded, err) < 0)
		return -1;
	if (recorded && is_only_tag(recorded))
		warn_of_tag(source, recorded);
	if (recorded)
		return 0;
	base = name_of_path(path);
	if (strcmp(path, "-") != 0 && !set_name(source, base, NULL))
		return 0;
	return error_set_kind(err, DUCC_USAGE, "image has no name: append one, %s%s=NAME",
			      source->kind->prefix, path);
}
