/* Image references: see reference.h. */
#include "format/reference.h"

#include <ctype.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/text.h"

/* How skopeo and others mark the names of images in registries. */
#define TRANSPORT "docker://"

static bool is_lower_alnum(char c)
{
	return text_is_alnum(c) && !(c >= 'A' && c <= 'Z');
}

/* The length of the host in HOST[:PORT], including the brackets of an IPv6 address. */
static size_t host_len(const char *registry)
{
	return registry[0] == '[' ? strcspn(registry, "]") + 1 : strcspn(registry, ":");
}

bool registry_is_valid(const char *text)
{
	size_t len = strlen(text), host = host_len(text);

	if (!len || len > 255 || host > len)
		return false;
	if (text[0] == '[') {
		if (host < 4 || strspn(text + 1, "0123456789abcdefABCDEF:.") != host - 2)
			return false;
	} else {
		if (!text_is_alnum(text[0]) || !text_is_alnum(text[host - 1]))
			return false;
		for (size_t i = 0; i < host; i++)
			if (!text_is_alnum(text[i]) && text[i] != '-' && text[i] != '_' &&
			    (text[i] != '.' || text[i + 1] == '.'))
				return false;
	}
	if (text[host] == '\0')
		return true;
	/* a port */
	len = strspn(text + host + 1, "0123456789");
	return text[host] == ':' && len >= 1 && len <= 5 && !text[host + 1 + len] &&
	       atoi(text + host + 1) >= 1 && atoi(text + host + 1) <= 65535;
}

int registry_check(const char *text, ducc_error **err)
{
	if (strchr(text, '@'))
		return error_set(err, "registry must not contain a user name");
	return registry_is_valid(text) ? 0 : error_set(err, "not a registry: %s", text);
}

/* One component: alphanumerics joined by one of `.`, `_`, `__` or any number of `-`. */
static bool valid_component(const char *text, size_t len)
{
	size_t i = 0;

	for (;;) {
		size_t start = i;

		while (i < len && is_lower_alnum(text[i]))
			i++;
		if (i == start)
			return false;
		if (i == len)
			return true;
		if (text[i] == '-')
			while (i < len && text[i] == '-')
				i++;
		else if (text[i] == '_')
			i += i + 1 < len && text[i + 1] == '_' ? 2 : 1;
		else if (text[i] == '.')
			i++;
		else
			return false;
	}
}

static bool valid_repository(const char *text)
{
	if (strlen(text) > 255)
		return false;
	for (;;) {
		size_t len = strcspn(text, "/");

		if (!valid_component(text, len))
			return false;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

static bool valid_tag(const char *text, bool pattern)
{
	size_t len = strlen(text);

	if (len < 1 || len > 128 || text[0] == '.' || text[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!text_is_alnum(text[i]) && !strchr(pattern ? "_.-*" : "_.-", text[i]))
			return false;
	return true;
}

bool tag_is_valid(const char *text)
{
	return valid_tag(text, false);
}

const char *const *registry_names(const char *registry, const char *own[2])
{
	static const char *const hub[] = {DOCKER_HUB, DOCKER_HUB_SHORT, DOCKER_HUB_INDEX,
					  "registry-1.docker.io", NULL};

	for (size_t i = 0; hub[i]; i++)
		if (!strcmp(registry, hub[i]))
			return hub;
	own[0] = registry;
	own[1] = NULL;
	return own;
}

bool registry_is_named(const char *ident, const char *registry)
{
	const char *separator = strstr(ident, "://"), *own[2];
	size_t len;

	if (separator)
		ident = separator + 3;
	len = strcspn(ident, "/");
	for (const char *const *name = registry_names(registry, own); *name; name++)
		if (strlen(*name) == len && !strncmp(ident, *name, len))
			return true;
	return false;
}

bool registry_is_loopback(const char *registry)
{
	size_t len = host_len(registry);

	return (len == 9 && !strncmp(registry, "localhost", 9)) ||
	       (len == 5 && !strncmp(registry, "[::1]", 5)) ||
	       (!strncmp(registry, "127.", 4) && strspn(registry, "0123456789.") == len);
}

/* Splits the registry off *text; returns NULL if the text has none. */
static char *take_registry(const char **text, bool explicit)
{
	size_t len = strcspn(*text, "/");
	char *registry;

	if ((*text)[len] != '/')
		return NULL;
	registry = xstrndup(*text, len);
	if (!explicit && !strpbrk(registry, ".:[") && strcmp(registry, "localhost") != 0) {
		free(registry);
		return NULL;
	}
	for (char *p = registry; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	*text += len + 1;
	return registry;
}

static bool begins(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* The names of images do not have 64 hexadecimal digits: those are IDs, of images or layers. */
static bool is_id(const struct reference *reference, const char *repository)
{
	return !strcmp(reference->registry, DOCKER_HUB) &&
	       (digest_is_hex(repository) ||
		(!strcmp(repository, "sha256") && reference->tag && digest_is_hex(reference->tag)));
}

/*
 * True for HOST:PORT without a repository.  The images of Docker Hub that have no owner have no dots
 * in their names.
 */
static bool is_registry(const struct reference *reference, const char *repository)
{
	const char *tag = reference->tag ? reference->tag : "";

	if (strcmp(reference->registry, DOCKER_HUB) != 0)
		return !*repository;
	return !strchr(repository, '/') && *tag && !tag[strspn(tag, "0123456789")] &&
	       (!strcmp(repository, "localhost") || strchr(repository, '.'));
}

/* What must be changed to make the text a repository; "" if that is unknown. */
static const char *cure_of(const char *repository)
{
	AUTO_FREE char *text = xstrdup(repository);
	size_t len = strlen(text);

	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (strcmp(text, repository) != 0 && valid_repository(text))
		return " (must be lower case)";
	if (len && text[len - 1] == '/')
		return " (must not end with a slash)";
	return "";
}

/* Checks the repository, as it was written. */
static int check_repository(const struct reference *reference, const char *repository,
			    ducc_error **err)
{
	if (is_id(reference, repository))
		return error_set(err, "an image ID, not a name: use `podman save ID | ducc-fetch "
				      "docker-archive:-=NAME'");
	if (is_registry(reference, repository))
		return error_set(err, "a registry, not an image: its repository is missing");
	if (valid_repository(reference->repository))
		return 0;
	return error_set(err, "not a repository: %s%s", repository, cure_of(repository));
}

/* Fails for what people write on one line with a reference, or in front of it. */
static int check_form(const char *text, ducc_error **err)
{
	const char *blank = strchr(text, ' '), *next;

	if (begins(text, "docker:") && !begins(text, TRANSPORT)) {
		const char *rest =
			text + strlen("docker:"); /* or the port of a host called docker */

		if (strchr(rest, '/') && rest[strspn(rest, "0123456789")] != '/')
			return error_set(err, "docker: is not a prefix: write docker://%s", rest);
	}
	if (!blank)
		return 0;
	next = blank + strspn(blank, " ");
	if (*next == '#')
		return error_set(err, "a comment follows %.*s (expand the list with ducc-wish)",
				 (int)(blank - text), text);
	if (strchr(next, '='))
		return error_set(err, "a blank follows %.*s: fields are separated by tabs",
				 (int)(blank - text), text);
	return 0;
}

/* Parses the scheme and the registry; *text becomes what follows them. */
static int parse_registry(struct reference *reference, const char **text, ducc_error **err)
{
	const char *separator = strstr(*text, "://");

	if (separator) {
		reference->scheme = xstrndup(*text, (size_t)(separator - *text));
		if (strcmp(reference->scheme, "http") != 0 &&
		    strcmp(reference->scheme, "https") != 0)
			return error_set(err, "unknown scheme %s://", reference->scheme);
		*text = separator + 3;
	}
	reference->registry = take_registry(text, separator != NULL);
	if (!reference->registry && separator)
		return error_set(err, "reference without a repository");
	if (!reference->registry || !strcmp(reference->registry, DOCKER_HUB_SHORT) ||
	    !strcmp(reference->registry, DOCKER_HUB_INDEX)) {
		free(reference->registry);
		reference->registry = xstrdup(DOCKER_HUB);
	}
	if (registry_check(reference->registry, err) < 0)
		return -1;
	if (!reference->scheme)
		reference->scheme =
			xstrdup(registry_is_loopback(reference->registry) ? "http" : "https");
	return 0;
}

static int check_tag(const char *tag, bool pattern, bool pinned, ducc_error **err)
{
	if (!valid_tag(tag, true))
		return error_set(err, "not a tag: %s", tag);
	if (!valid_tag(tag, pattern))
		return error_set(err, "tag %s is a wildcard: expand it with ducc-wish", tag);
	if (pinned && strchr(tag, '*'))
		return error_set(err, "wildcard tag %s cannot be combined with a digest", tag);
	return 0;
}

/* Cuts the tag and the digest off, and parses them. */
static int parse_version(struct reference *reference, char *text, bool pattern, ducc_error **err)
{
	char *at = strchr(text, '@'), *colon;

	if (at) {
		*at++ = '\0';
		if (!digest_parse(&reference->digest, at))
			return error_set(err, "not a sha256 digest: %s", at);
	}
	colon = strchr(text, ':');
	if (colon) {
		*colon++ = '\0';
		if (check_tag(colon, pattern, at != NULL, err) < 0)
			return -1;
		reference->tag = xstrdup(colon);
	} else if (!at) {
		reference->tag = xstrdup("latest");
	}
	return 0;
}

static int parse(struct reference *reference, const char *text, bool pattern, ducc_error **err)
{
	AUTO_FREE char *rest = NULL;

	if (check_form(text, err) < 0)
		return -1;
	if (begins(text, TRANSPORT))
		text += strlen(TRANSPORT);
	if (parse_registry(reference, &text, err) < 0)
		return -1;
	rest = xstrdup(text);
	if (parse_version(reference, rest, pattern, err) < 0)
		return -1;
	if (!strcmp(reference->registry, DOCKER_HUB) && !strchr(rest, '/'))
		reference->repository = format("library/%s", rest);
	else
		reference->repository = xstrdup(rest);
	return check_repository(reference, rest, err);
}

static int parse_or_free(struct reference *reference, const char *text, bool pattern,
			 ducc_error **err)
{
	*reference = (struct reference){0};
	if (parse(reference, text, pattern, err) < 0) {
		reference_free(reference);
		return error_kind(err, DUCC_USAGE);
	}
	return 0;
}

int reference_parse(struct reference *reference, const char *text, ducc_error **err)
{
	return parse_or_free(reference, text, false, err);
}

int reference_parse_pattern(struct reference *reference, const char *text, ducc_error **err)
{
	return parse_or_free(reference, text, true, err);
}

void reference_free(struct reference *reference)
{
	free(reference->scheme);
	free(reference->registry);
	free(reference->repository);
	free(reference->tag);
	*reference = (struct reference){0};
}

bool reference_is_pinned(const struct reference *reference)
{
	return reference->digest.hex[0] != '\0';
}

bool reference_is_pattern(const struct reference *reference)
{
	return reference->tag && strchr(reference->tag, '*');
}

/* Backtracks to the last `*` only: time is bounded by the product of both lengths. */
static bool matches(const char *pattern, const char *tag)
{
	const char *star = NULL, *resume = NULL;

	while (*tag) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = tag;
		} else if (*pattern == *tag) {
			pattern++;
			tag++;
		} else if (star) {
			pattern = star;
			tag = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static bool ends(const char *text, const char *suffix)
{
	size_t len = strlen(text), n = strlen(suffix);

	return len >= n && !strcmp(text + len - n, suffix);
}

/* True if the tag is that of a signature or the like, and the pattern spells out neither end. */
static bool is_aside(const char *pattern, const char *tag)
{
	static const char *const suffixes[] = {".sig", ".att", ".sbom"};
	bool aside = begins(tag, "sha256-");

	if (aside && begins(pattern, "sha256-"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		if (ends(tag, suffixes[i]))
			return !ends(pattern, suffixes[i]);
	return aside;
}

bool tag_matches(const char *pattern, const char *tag)
{
	return tag_is_valid(tag) && matches(pattern, tag) && !is_aside(pattern, tag);
}

/* The rest of a name after the reference's REGISTRY/REPOSITORY; NULL if they differ. */
static const char *after_repository(const struct reference *reference, const char *name)
{
	size_t registry = strlen(reference->registry), repository = strlen(reference->repository);

	if (strncmp(name, reference->registry, registry) != 0 || name[registry] != '/')
		return NULL;
	name += registry + 1;
	return strncmp(name, reference->repository, repository) ? NULL : name + repository;
}

bool reference_has_repository_of(const struct reference *reference, const char *name)
{
	const char *rest = after_repository(reference, name);

	return rest && (*rest == ':' || *rest == '@');
}

bool reference_matches(const struct reference *pattern, const char *name)
{
	AUTO_FREE char *exact = NULL;

	if (!reference_is_pattern(pattern)) {
		exact = reference_name(pattern);
		return !strcmp(exact, name);
	}
	name = after_repository(pattern, name);
	return name && *name == ':' && tag_matches(pattern->tag, name + 1);
}

static char *format_parts(const struct reference *reference, bool scheme, bool digest)
{
	struct buffer text = {0};

	if (scheme)
		buffer_addf(&text, "%s://", reference->scheme);
	buffer_addf(&text, "%s/%s", reference->registry, reference->repository);
	if (reference->tag)
		buffer_addf(&text, ":%s", reference->tag);
	if (digest && reference_is_pinned(reference))
		buffer_addf(&text, "@" PRI_DIGEST, reference->digest.hex);
	return buffer_steal(&text);
}

char *reference_format(const struct reference *reference)
{
	return format_parts(reference, true, true);
}

char *reference_name(const struct reference *reference)
{
	return format_parts(reference, false, !reference->tag);
}
