/* Alternative locations of a repository: see mirrors.h. */
#include "net/mirrors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/home.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/toml.h"
#include "net/own_registries.h"

#define CONF_LIMIT ((size_t)4 << 20)

struct mirror {
	char *location;
	bool insecure, digests_only, tags_only;
};

/* One [[registry]] with its [[registry.mirror]]s. */
struct entry {
	char *prefix, *location; /* NULL: same as the other one */
	bool insecure, blocked, digests_only;
	struct mirror *mirrors;
	size_t n, capacity;
};

struct mirrors {
	struct entry *entries;
	size_t n, capacity;
	size_t first;                                 /* entry of the current file */
	enum { OTHER_TABLE, REGISTRY, MIRROR } table; /* likewise */
};

/* --- reading registries.conf ------------------------------------------ */

static int on_table(void *ctx, const char *name, bool is_array, ducc_error **err)
{
	struct mirrors *mirrors = ctx;
	struct entry *entry;

	mirrors->table = OTHER_TABLE;
	if (!strncmp(name, "registries.", strlen("registries.")))
		return error_set(err, "[%s]: version 1 of the file format is not supported", name);
	if (!strcmp(name, "registry") && is_array) {
		GROW(mirrors->entries, mirrors->n, mirrors->capacity);
		mirrors->entries[mirrors->n++] = (struct entry){NULL};
		mirrors->table = REGISTRY;
	} else if (!strcmp(name, "registry.mirror") && is_array && mirrors->n > mirrors->first) {
		entry = &mirrors->entries[mirrors->n - 1];
		GROW(entry->mirrors, entry->n, entry->capacity);
		entry->mirrors[entry->n++] = (struct mirror){NULL};
		mirrors->table = MIRROR;
	} else if (!strncmp(name, "registry", strlen("registry"))) {
		return error_set(err, "[%s]: unexpected table", name);
	}
	return 0;
}

/* Trailing slashes are ignored, as by other readers of this file. */
static int set_text(char **slot, const char *text, ducc_error **err)
{
	size_t len = text ? strlen(text) : 0;

	while (len && text[len - 1] == '/')
		len--;
	if (!len)
		return error_set(err, "expected a nonempty string");
	free(*slot);
	*slot = xstrndup(text, len);
	return 0;
}

static int set_flag(bool *slot, const char *text, bool boolean, ducc_error **err)
{
	if (text)
		return error_set(err, "expected true or false");
	*slot = boolean;
	return 0;
}

static int set_pulls(struct mirror *mirror, const char *text, ducc_error **err)
{
	if (!text || (strcmp(text, "all") != 0 && strcmp(text, "digest-only") != 0 &&
		      strcmp(text, "tag-only") != 0))
		return error_set(err, "expected all, digest-only or tag-only");
	mirror->digests_only = !strcmp(text, "digest-only");
	mirror->tags_only = !strcmp(text, "tag-only");
	return 0;
}

static int set_of_mirror(struct mirror *mirror, const char *name, const char *text, bool boolean,
			 ducc_error **err)
{
	if (!strcmp(name, "location"))
		return set_text(&mirror->location, text, err);
	if (!strcmp(name, "insecure"))
		return set_flag(&mirror->insecure, text, boolean, err);
	if (!strcmp(name, "pull-from-mirror"))
		return set_pulls(mirror, text, err);
	return 0;
}

static int set_of_registry(struct entry *entry, const char *name, const char *text, bool boolean,
			   ducc_error **err)
{
	if (!strcmp(name, "prefix"))
		return set_text(&entry->prefix, text, err);
	if (!strcmp(name, "location"))
		return set_text(&entry->location, text, err);
	if (!strcmp(name, "insecure"))
		return set_flag(&entry->insecure, text, boolean, err);
	if (!strcmp(name, "blocked"))
		return set_flag(&entry->blocked, text, boolean, err);
	if (!strcmp(name, "mirror-by-digest-only"))
		return set_flag(&entry->digests_only, text, boolean, err);
	return 0;
}

static int on_key(void *ctx, const char *name, const char *text, bool boolean, ducc_error **err)
{
	struct mirrors *mirrors = ctx;
	struct entry *entry;
	int result;

	if (mirrors->table == OTHER_TABLE || !mirrors->n)
		return 0;
	entry = &mirrors->entries[mirrors->n - 1];
	if (mirrors->table == REGISTRY)
		result = set_of_registry(entry, name, text, boolean, err);
	else
		result = set_of_mirror(&entry->mirrors[entry->n - 1], name, text, boolean, err);
	return result < 0 ? error_wrap(err, "%s", name) : 0;
}

static int check(const struct mirrors *mirrors, ducc_error **err)
{
	for (size_t i = 0; i < mirrors->n; i++) {
		const struct entry *entry = &mirrors->entries[i];

		if (!entry->prefix && !entry->location)
			return error_set(err, "registry without prefix or location");
		for (size_t k = 0; k < entry->n; k++)
			if (!entry->mirrors[k].location)
				return error_set(err, "%s: mirror without a location",
						 entry->prefix ? entry->prefix : entry->location);
	}
	return 0;
}

/* A missing file counts as empty. */
static int read_conf(struct mirrors *mirrors, const char *path, ducc_error **err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct toml_reader reader = {.table = on_table, .key = on_key, .ctx = mirrors};
	AUTO_FREE char *data = NULL;
	size_t len;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0
							   : error_errno(err, errno, "%s", path);
	mirrors->table = OTHER_TABLE;
	mirrors->first = mirrors->n;
	if (read_file(fd, CONF_LIMIT, &data, &len, err) < 0 ||
	    toml_read(data, len, &reader, err) < 0 || check(mirrors, err) < 0)
		return error_wrap(err, "%s", path);
	return 0;
}

static int is_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && !strcmp(entry->d_name + len - 5, ".conf");
}

/* Reads the files of a directory, which may be missing, in order of their names. */
static int read_directory(struct mirrors *mirrors, const char *directory, ducc_error **err)
{
	struct dirent **names;
	int n = scandir(directory, &names, is_conf, alphasort), result = 0;

	if (n < 0)
		return 0;
	for (int i = 0; i < n; i++) {
		AUTO_FREE char *path = format("%s/%s", directory, names[i]->d_name);

		if (!result)
			result = read_conf(mirrors, path, err);
		free(names[i]);
	}
	free(names);
	return result;
}

static int read_all(struct mirrors *mirrors, ducc_error **err)
{
	const char *named = getenv("CONTAINERS_REGISTRIES_CONF");
	const char *config = getenv("XDG_CONFIG_HOME");
	AUTO_FREE char *home = home_directory();
	AUTO_FREE char *own = config && *config ? format("%s/containers/registries.conf", config)
						: format("%s/.config/containers/registries.conf",
							 home ? home : "");
	AUTO_FREE char *own_directory = format("%s.d", own);

	if (named && *named)
		return read_conf(mirrors, named, err);
	if (read_conf(mirrors, access(own, F_OK) ? "/etc/containers/registries.conf" : own, err) <
	    0)
		return -1;
	return read_directory(mirrors, "/etc/containers/registries.conf.d", err) < 0 ||
			       read_directory(mirrors, own_directory, err) < 0
		       ? -1
		       : 0;
}

struct mirrors *mirrors_load(ducc_error **err)
{
	struct mirrors *mirrors = xcalloc(1, sizeof(*mirrors));

	if (!read_all(mirrors, err))
		return mirrors;
	mirrors_free(mirrors);
	return NULL;
}

void mirrors_free(struct mirrors *mirrors)
{
	if (!mirrors)
		return;
	for (size_t i = 0; i < mirrors->n; i++) {
		struct entry *entry = &mirrors->entries[i];

		for (size_t k = 0; k < entry->n; k++)
			free(entry->mirrors[k].location);
		free(entry->mirrors);
		free(entry->prefix);
		free(entry->location);
	}
	free(mirrors->entries);
	free(mirrors);
}

/* --- finding the entry, and rewriting a name -------------------------- */

static const char *prefix_of(const struct entry *entry)
{
	return entry->prefix ? entry->prefix : entry->location;
}

/* The length of the prefix in the name HOST/REPOSITORY[:TAG][@DIGEST]; 0: no match. */
static size_t match(const char *prefix, const char *name)
{
	size_t len = strlen(prefix), host = strcspn(name, "/");

	if (!strncmp(prefix, "*.", 2)) { /* any subdomain */
		len--;
		return !strchr(prefix, '/') && host > len &&
				       !strncmp(name + host - len, prefix + 1, len)
			       ? host
			       : 0;
	}
	if (strncmp(name, prefix, len) != 0 || (len < host && name[len]))
		return 0;
	return strchr("/:@", name[len]) ? len : 0;
}

/*
 * The entry with the longest matching prefix, a host before a wildcard; among equals, the
 * last one read.
 */
static const struct entry *find_entry(const struct mirrors *mirrors, const char *name,
				      size_t *covered)
{
	const struct entry *found = NULL;
	size_t longest = 0;

	*covered = 0;
	for (size_t i = 0; i < mirrors->n; i++) {
		const struct entry *entry = &mirrors->entries[i];
		size_t len = match(prefix_of(entry), name);
		bool wild = !strncmp(prefix_of(entry), "*.", 2);
		size_t weight = wild && len ? strlen(prefix_of(entry)) - 1 : len;

		if (!len || weight < longest)
			continue;
		longest = weight;
		*covered = len;
		found = entry;
	}
	return found;
}

static int add_place(struct place **places, size_t *n, const char *scheme, const char *name,
		     bool insecure, bool digests_only, ducc_error **err)
{
	AUTO_FREE char *host = xstrndup(name, strcspn(name, "/"));
	AUTO_FREE char *text = NULL;
	struct place place = {.insecure = insecure, .digests_only = digests_only};

	if (!scheme)
		scheme = registry_is_loopback(host) ? "http" : "https";
	text = strstr(name, "://") ? xstrdup(name) : format("%s://%s", scheme, name);
	if (reference_parse(&place.reference, text, err) < 0)
		return strchr(name, '@') ? -1 : error_wrap(err, "%s", name);
	*places = xreallocarray(*places, *n + 1, sizeof(**places));
	(*places)[(*n)++] = place;
	return 0;
}

static int add_mirrors(const struct entry *entry, const struct reference *reference,
		       const char *rest, struct place **places, size_t *n, ducc_error **err)
{
	for (size_t i = 0; i < entry->n; i++) {
		const struct mirror *mirror = &entry->mirrors[i];
		AUTO_FREE char *name = format("%s%s", mirror->location, rest);
		bool digests_only = entry->digests_only || mirror->digests_only;

		if (mirror->tags_only && reference_is_pinned(reference))
			continue;
		if (add_place(places, n, NULL, name, mirror->insecure, digests_only, err) < 0)
			return error_wrap(err, "mirror");
	}
	return 0;
}

/* Finds the x with a DUCC_x_PROXY whose DUCC_x_IDENT is the registry. */
static bool find_proxy(const char *registry, struct own_registry *found)
{
	size_t n;
	AUTO_FREE struct own_registry *own = own_registries(&n);

	for (size_t i = 0; i < n; i++) {
		*found = own[i];
		if (found->ident && found->proxy && *found->proxy &&
		    registry_is_named(found->ident, registry))
			return true;
	}
	return false;
}

/* The proxy, which may be that of several registries: only this one's credentials are for it. */
static int add_proxy(const struct own_registry *own, const struct reference *reference,
		     struct place **places, size_t *n, ducc_error **err)
{
	AUTO_FREE char *name = NULL;
	size_t len = strlen(own->proxy);

	while (len && own->proxy[len - 1] == '/')
		len--;
	name = format("%.*s/%s", (int)len, own->proxy, reference->repository);
	if (add_place(places, n, NULL, name, false, false, err) < 0)
		return -1;
	(*places)[0].user = own->user;
	(*places)[0].password = own->password;
	return 0;
}

static char *full_name(const char *registry, const struct reference *reference)
{
	bool pinned = reference_is_pinned(reference);

	return format("%s/%s%s%s%s%s", registry, reference->repository, reference->tag ? ":" : "",
		      reference->tag ? reference->tag : "", pinned ? "@sha256:" : "",
		      pinned ? reference->digest.hex : "");
}

/*
 * The configuration of the reference's repository, or NULL, and in *rest its name after the
 * prefix; the caller frees that.  A blocked registry is an error.
 */
static int find_allowed(const struct mirrors *mirrors, const struct reference *reference,
			const struct entry **entry, char **rest, ducc_error **err)
{
	AUTO_FREE char *name = full_name(reference->registry, reference);
	size_t covered;

	*entry = find_entry(mirrors, name, &covered);
	if (!*entry && registry_is_named(DOCKER_HUB_SHORT, reference->registry)) {
		free(name);
		name = full_name(DOCKER_HUB_SHORT, reference);
		*entry = find_entry(mirrors, name, &covered);
	}
	if (*entry && (*entry)->blocked)
		return error_set(err, "%s is blocked by registries.conf", prefix_of(*entry));
	*rest = xstrndup(name + covered, strcspn(name + covered, ":@"));
	return 0;
}

/* The registry under its own name. */
static int add_home(const struct entry *entry, const struct reference *reference,
		    struct place **places, size_t *n, ducc_error **err)
{
	AUTO_FREE char *name = format("%s/%s", reference->registry, reference->repository);

	return add_place(places, n, reference->scheme, name, entry && entry->insecure, false, err);
}

static int find(const struct mirrors *mirrors, const struct reference *reference, bool push,
		struct place **places, size_t *n, ducc_error **err)
{
	AUTO_FREE char *rest = NULL, *rewritten = NULL;
	const struct entry *entry;
	struct own_registry own;

	if (!push && find_proxy(reference->registry, &own))
		return add_proxy(&own, reference, places, n, err);
	if (find_allowed(mirrors, reference, &entry, &rest, err) < 0 ||
	    (entry && !push && add_mirrors(entry, reference, rest, places, n, err) < 0))
		return -1;
	if (push || !entry || !entry->location || !entry->prefix ||
	    !strcmp(entry->location, entry->prefix))
		return add_home(entry, reference, places, n, err);
	rewritten = format("%s%s", entry->location, rest);
	return add_place(places, n, NULL, rewritten, entry->insecure, false, err);
}

int mirrors_find(const struct mirrors *mirrors, const struct reference *reference, bool push,
		 struct place **places, size_t *n, ducc_error **err)
{
	*places = NULL;
	*n = 0;
	if (!find(mirrors, reference, push, places, n, err))
		return 0;
	places_free(*places, *n);
	return -1;
}

void places_free(struct place *places, size_t n)
{
	for (size_t i = 0; i < n; i++)
		reference_free(&places[i].reference);
	free(places);
}
