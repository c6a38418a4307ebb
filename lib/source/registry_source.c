/* Registries as a source (source.h). */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/context.h"
#include "base/mem.h"
#include "net/registry.h"
#include "source/source.h"

#define SHORT_ID 12 /* digits of an image ID that tools show */

/* What other tools accept, and what to do instead. */
static const struct {
	const char *prefix, *advice;
} others[] = {
	{"containers-storage:", "podman save IMAGE | ducc-fetch docker-archive:-"},
	{"docker-daemon:", "docker save IMAGE | ducc-fetch docker-archive:-"},
	{"dir:", "skopeo copy dir:DIR oci:LAYOUT:NAME, then ducc-fetch oci:LAYOUT:NAME"},
};

static bool is_tar(const char *path)
{
	return strstr(path, ".tar") || strstr(path, ".tgz");
}

/*
 * A file with a dot in its name is certainly meant.  Without one, it may just have the name of an
 * image.
 */
static bool looks_like_path(const char *text)
{
	static const char *const beginnings[] = {"/", "./", "../", "~"};
	const char *dot = strchr(text, '.');
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(beginnings); i++)
		if (!strncmp(text, beginnings[i], strlen(beginnings[i])))
			return true;
	return dot && !stat(text, &st) && (S_ISREG(st.st_mode) || is_tar(text));
}

/* What to write instead of the path, allocated; NULL: nothing is known. */
static char *advice_on(const char *path)
{
	AUTO_FREE char *layout = format("%s/oci-layout", path);
	struct stat st;

	if (stat(path, &st) < 0)
		return NULL;
	if (S_ISDIR(st.st_mode))
		return access(layout, F_OK) ? NULL
					    : format("for the OCI layout, write oci:%s", path);
	return is_tar(path) ? format("for an archive, write docker-archive:%s or oci-archive:%s",
				     path, path)
			    : format("for a list or recipe, use `ducc-wish %s | ducc-fetch'", path);
}

static int refuse_path(const char *path, ducc_error **err)
{
	AUTO_FREE char *advice = NULL;
	struct stat st;

	if (stat(path, &st) < 0)
		return error_errno(err, errno, "a path, not an image");
	advice = advice_on(path);
	return error_set(err, "a %s, not an image%s%s", S_ISDIR(st.st_mode) ? "directory" : "file",
			 advice ? ": " : "", advice ? advice : "");
}

/* Refuses what is not the name of an image in a registry, but something else. */
static int check_kind(const char *text, ducc_error **err)
{
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (!strncmp(text, others[i].prefix, strlen(others[i].prefix)))
			return error_set(err, "%s is not supported: use %s", others[i].prefix,
					 others[i].advice);
	return looks_like_path(text) ? refuse_path(text, err) : 0;
}

static int remote_open(struct source *source, const char *text, ducc_error **err)
{
	static const struct login login = {.push = false};

	if (check_kind(text, err) < 0)
		return error_kind(err, DUCC_USAGE);
	if (reference_parse(&source->reference, text, err) < 0)
		return -1;
	source->data = network_registry(source->network, &source->reference, &login, err);
	return source->data ? 0 : -1;
}

static void remote_close(struct source *source)
{
	(void)source; /* the session keeps the registry for later images */
}

/* How to ask for a manifest: by that digest, else by the tag, else by the digest of the reference. */
static char *manifest_name(const struct source *source, const struct digest *digest)
{
	const struct reference *reference = &source->reference;

	if (!digest && reference->tag)
		return xstrdup(reference->tag);
	return format(PRI_DIGEST, digest ? digest->hex : reference->digest.hex);
}

static bool remote_peek(struct source *source, struct digest *digest)
{
	struct network *network = source->network;
	struct http *http = network_take(network);
	AUTO_FREE char *name = manifest_name(source, NULL);
	bool known = registry_head_manifest(source->data, http, name, digest) > 0;

	network_give(network, http);
	return known;
}

/* True for a name without a registry that has the form of an image ID. */
static bool looks_like_id(const struct reference *reference)
{
	const char *name = strrchr(reference->repository, '/');

	return !strcmp(reference->registry, DOCKER_HUB) && name && strlen(++name) >= SHORT_ID &&
	       !name[strspn(name, "0123456789abcdef")];
}

/* The reference without its scheme. */
static const char *after_scheme(const char *reference)
{
	const char *colon = strstr(reference, "://");

	return colon ? colon + strlen("://") : reference;
}

/* True if the user has named the image in full, with which every message begins. */
static bool is_named_in_full(const char *full)
{
	const struct subject *subject = context_subject();

	return subject && subject->name && !strcmp(after_scheme(subject->name), after_scheme(full));
}

/*
 * Names an image that does not exist in full, if defaults have completed its name.  Docker Hub
 * denies access instead.
 */
static int explain_missing(const struct reference *reference, ducc_error **err)
{
	const struct subject *subject = context_subject();
	enum ducc_error_kind kind = ducc_error_kind(*err);
	AUTO_FREE char *full = reference_format(reference), *advice = NULL;

	if (kind == DUCC_NOT_FOUND && is_named_in_full(full))
		error_wrap(err, "does not exist");
	else if (kind == DUCC_NOT_FOUND)
		error_wrap(err, "there is no %s", full);
	if (kind != DUCC_NOT_FOUND && kind != DUCC_DENIED)
		return -1;
	if (looks_like_id(reference))
		error_wrap(err, "for an image ID, use `podman save ID | ducc-fetch "
				"docker-archive:-=NAME'");
	if (subject && subject->name)
		advice = advice_on(subject->name);
	return advice ? error_wrap(err, "%s", advice) : -1;
}

static int remote_manifest(struct source *source, const struct digest *digest, char **data,
			   size_t *len, ducc_error **err)
{
	struct network *network = source->network;
	struct http *http = network_take(network);
	AUTO_FREE char *name = manifest_name(source, digest);
	int result = registry_get_manifest(source->data, http, name, digest, data, len, err);

	network_give(network, http);
	if (result < 0 && err && *err && !digest)
		return explain_missing(&source->reference, err);
	return result;
}

static int remote_blob(struct source *source, struct blob *blob, ducc_error **err)
{
	struct network *network = source->network;
	struct http *http = network_take(network);
	int result = registry_get_blob(source->data, http, blob, err);

	network_give(network, http);
	return result;
}

const struct source_kind source_registry = {
	.prefix = "",
	.open = remote_open,
	.close = remote_close,
	.peek = remote_peek,
	.manifest = remote_manifest,
	.blob = remote_blob,
};
