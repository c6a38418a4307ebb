/* Alternative locations of a repository: see mirrors.h. */
#include "net/mirrors.h"

#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/home.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/strmap.h"
#include "format/json.h"
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

/* What a key belongs to: the beginning of the file, or the table before it. */
enum place_of_key { ROOT, REGISTRY, MIRROR, OTHER_TABLE };

struct mirrors {
	struct entry *entries;
	size_t n, capacity;
	/* Of the current file: */
	size_t first; /* entry */
	enum place_of_key table;
	char *spelling;     /* of `registry' in its headers */
	struct strset keys; /* of the table, as in known_keys */
};

/* --- reading registries.conf ------------------------------------------ */

/* Go's readers ignore the case of keys and tables: compare with json_compare_folded(). */
static const char *const known_keys[][8] = {
	[ROOT] = {"registry", "registries"},
	[REGISTRY] = {"prefix", "location", "insecure", "blocked", "mirror-by-digest-only",
		      "mirror"},
	[MIRROR] = {"location", "insecure", "pull-from-mirror"},
	[OTHER_TABLE] = {NULL},
};

/* The key, or the first part of a dotted one, as spelled in the table; NULL: unknown. */
static const char *find_key(enum place_of_key table, const char *name)
{
	AUTO_FREE char *part = xstrndup(name, strcspn(name, "."));
	const char *const *key = known_keys[table];

	while (*key && json_compare_folded(*key, part) != 0)
		key++;
	return *key;
}

static int refuse_version_1(ducc_error **err)
{
	return error_set(err, "version 1 of the file format is not supported");
}

/*
 * True if all headers of the file spell `registry' the same way: others would be two arrays,
 * of which Go's readers take either.
 */
static bool is_same_array(struct mirrors *mirrors, const char *name)
{
	AUTO_FREE char *spelling = xstrndup(name, strcspn(name, "."));

	if (mirrors->n == mirrors->first) {
		free(mirrors->spelling);
		mirrors->spelling = STEAL(spelling);
		return true;
	}
	return !strcmp(mirrors->spelling, spelling);
}

static int on_table(void *ctx, const char *name, bool is_array, ducc_error **err)
{
	struct mirrors *mirrors = ctx;
	const char *key = find_key(ROOT, name);
	struct entry *entry;

	mirrors->table = OTHER_TABLE;
	strset_cut(&mirrors->keys, 0);
	if (!key)
		return 0;
	if (!strcmp(key, "registries")) {
		refuse_version_1(err);
		return error_wrap(err, "[%s]", name);
	}
	if (!is_array || !is_same_array(mirrors, name))
		return error_set(err, "[%s]: unexpected table", name);
	if (!strchr(name, '.')) {
		GROW(mirrors->entries, mirrors->n, mirrors->capacity);
		mirrors->entries[mirrors->n++] = (struct entry){NULL};
		mirrors->table = REGISTRY;
	} else if (!json_compare_folded(name, "registry.mirror") && mirrors->n > mirrors->first) {
		entry = &mirrors->entries[mirrors->n - 1];
		GROW(entry->mirrors, entry->n, entry->capacity);
		entry->mirrors[entry->n++] = (struct mirror){NULL};
		mirrors->table = MIRROR;
	} else {
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
	if (strstr(text, "://"))
		return error_set(err, "expected a name without a scheme");
	*slot = xstrndup(text, len);
	return 0;
}

static int set_flag(bool *slot, const bool *boolean, ducc_error **err)
{
	if (!boolean)
		return error_set(err, "expected true or false");
	*slot = *boolean;
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

/* An array of tables may be given as an array; as all that toml.h knows, it is empty. */
static int set_nothing(const char *text, const bool *boolean, ducc_error **err)
{
	return text || boolean ? error_set(err, "expected tables") : 0;
}

static int set_of_mirror(struct mirror *mirror, const char *key, const char *text,
			 const bool *boolean, ducc_error **err)
{
	if (!strcmp(key, "location"))
		return set_text(&mirror->location, text, err);
	if (!strcmp(key, "insecure"))
		return set_flag(&mirror->insecure, boolean, err);
	return set_pulls(mirror, text, err);
}

static int set_of_registry(struct entry *entry, const char *key, const char *text,
			   const bool *boolean, ducc_error **err)
{
	if (!strcmp(key, "prefix"))
		return set_text(&entry->prefix, text, err);
	if (!strcmp(key, "location"))
		return set_text(&entry->location, text, err);
	if (!strcmp(key, "insecure"))
		return set_flag(&entry->insecure, boolean, err);
	if (!strcmp(key, "blocked"))
		return set_flag(&entry->blocked, boolean, err);
	if (!strcmp(key, "mirror-by-digest-only"))
		return set_flag(&entry->digests_only, boolean, err);
	return set_nothing(text, boolean, err);
}

static int set(struct mirrors *mirrors, const char *key, const char *text, const bool *boolean,
	       ducc_error **err)
{
	struct entry *entry;

	if (mirrors->table == ROOT || !mirrors->n)
		return set_nothing(text, boolean, err);
	entry = &mirrors->entries[mirrors->n - 1];
	if (mirrors->table == REGISTRY)
		return set_of_registry(entry, key, text, boolean, err);
	return set_of_mirror(&entry->mirrors[entry->n - 1], key, text, boolean, err);
}

static int on_key(void *ctx, const char *name, const char *text, const bool *boolean,
		  ducc_error **err)
{
	struct mirrors *mirrors = ctx;
	const char *key = find_key(mirrors->table, name);
	int result;

	if (!key)
		return 0;
	if (!strcmp(key, "registries"))
		result = refuse_version_1(err);
	else if (strchr(name, '.'))
		result = error_set(err, "unexpected table");
	else if (!strset_add(&mirrors->keys, key))
		result = error_set(err, "duplicate key");
	else
		result = set(mirrors, key, text, boolean, err);
	return result < 0 ? error_wrap(err, "%s", name) : 0;
}

static const char *prefix_of(const struct entry *entry)
{
	return entry->prefix ? entry->prefix : entry->location;
}

static bool is_wildcard(const char *prefix)
{
	return !strncmp(prefix, "*.", 2);
}

/* A prefix that cannot match would silently not block. */
static int check_prefix(const char *prefix, ducc_error **err)
{
	const char *text = is_wildcard(prefix) ? prefix + 2 : prefix;
	AUTO_FREE char *host = xstrndup(text, strcspn(text, "/"));

	if (registry_is_valid(host) && (text == prefix || !strchr(text, '/')))
		return 0;
	if (strchr(host, '@')) /* may contain a password: do not print it */
		return error_set(err, "prefix must not contain a user name");
	return error_set(err, "%s: prefix that matches no image", prefix);
}

/* Checks that entries of one file that have the value in common, or that prefix, agree. */
static int check_conflict(struct strmap *entries, const char *what, const char *value,
			  struct entry *entry, ducc_error **err)
{
	AUTO_FREE char *key = format("%s %s", what, value);
	const struct entry *other = strmap_get(entries, key);

	if (!other)
		strmap_put(entries, key, entry);
	else if (other->blocked != entry->blocked || other->insecure != entry->insecure)
		return error_set(err, "%s %s occurs twice, with different values of %s", what,
				 value, other->blocked != entry->blocked ? "blocked" : "insecure");
	return 0;
}

static int check_entry(struct entry *entry, struct strmap *entries, ducc_error **err)
{
	if (!entry->prefix && !entry->location)
		return error_set(err, "registry without prefix or location");
	for (size_t i = 0; i < entry->n; i++)
		if (!entry->mirrors[i].location)
			return error_set(err, "%s: mirror without a location", prefix_of(entry));
	if (check_prefix(prefix_of(entry), err) < 0 ||
	    check_conflict(entries, "prefix", prefix_of(entry), entry, err) < 0)
		return -1;
	return entry->location ? check_conflict(entries, "location", entry->location, entry, err)
			       : 0;
}

/* Checks the entries of the current file. */
static int check(const struct mirrors *mirrors, ducc_error **err)
{
	struct strmap entries = {.values = NULL};
	int result = 0;

	for (size_t i = mirrors->first; !result && i < mirrors->n; i++)
		result = check_entry(&mirrors->entries[i], &entries, err);
	strmap_free(&entries);
	return result;
}

static int read_open(struct mirrors *mirrors, int fd, const char *path, ducc_error **err)
{
	struct toml_reader reader = {.table = on_table, .key = on_key, .ctx = mirrors};
	AUTO_FREE char *data = NULL;
	size_t len;

	mirrors->table = ROOT;
	mirrors->first = mirrors->n;
	strset_cut(&mirrors->keys, 0);
	if (read_file(fd, CONF_LIMIT, &data, &len, err) < 0 ||
	    toml_read(data, len, &reader, err) < 0 || check(mirrors, err) < 0)
		return error_wrap(err, "%s", path);
	return 0;
}

/* Returns 1, or 0 if the file does not exist. */
static int read_conf(struct mirrors *mirrors, const char *path, ducc_error **err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return is_absence(errno) ? 0 : error_errno(err, errno, "%s", path);
	return read_open(mirrors, fd, path, err) < 0 ? -1 : 1;
}

/* The same, but it is an error if the file does not exist. */
static int must_read_conf(struct mirrors *mirrors, const char *path, ducc_error **err)
{
	int result = read_conf(mirrors, path, err);

	return result ? result : error_errno(err, ENOENT, "%s", path);
}

static bool is_conf(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && !strcmp(name + len - 5, ".conf");
}

/* Adds the paths of a directory's files, which may be missing, in order of their names. */
static int list_directory(struct strset *paths, const char *directory, ducc_error **err)
{
	AUTO_ENTRIES entries = entries_of(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const char *name;

	while ((name = entries_next(&entries))) {
		AUTO_FREE char *path = format("%s/%s", directory, name);

		if (is_conf(name))
			strset_add(paths, path);
	}
	strset_sort(paths);
	return entries.error && !is_absence(entries.error)
		       ? error_errno(err, entries.error, "%s", directory)
		       : 0;
}

static int read_directory(struct mirrors *mirrors, const char *directory, ducc_error **err)
{
	AUTO_STRSET paths = {NULL};

	if (list_directory(&paths, directory, err) < 0)
		return -1;
	for (size_t i = 0; i < paths.n; i++)
		if (must_read_conf(mirrors, paths.list[i], err) < 0) /* or a link to nowhere */
			return -1;
	return 0;
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
	int result;

	if (named && *named)
		result = must_read_conf(mirrors, named, err);
	else
		result = read_conf(mirrors, own, err);
	if (!result)
		result = read_conf(mirrors, "/etc/containers/registries.conf", err);
	if (result < 0 || read_directory(mirrors, "/etc/containers/registries.conf.d", err) < 0)
		return -1;
	return read_directory(mirrors, own_directory, err);
}

struct mirrors *mirrors_load(ducc_error **err)
{
	struct mirrors *mirrors = xcalloc(1, sizeof(*mirrors));

	if (read_all(mirrors, err) >= 0)
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
	free(mirrors->spelling);
	strset_free(&mirrors->keys);
	free(mirrors);
}

/* --- finding the entry, and rewriting a name -------------------------- */

/*
 * The length of the prefix in the name HOST/REPOSITORY[:TAG][@DIGEST], which begins with `host` bytes;
 * 0: no match.
 */
static size_t match(const char *prefix, const char *name, size_t host)
{
	size_t len = strlen(prefix);

	if (is_wildcard(prefix)) { /* any subdomain */
		len--;
		return host > len && !strncmp(name + host - len, prefix + 1, len) ? host : 0;
	}
	if (strncmp(name, prefix, len) != 0 || (len < host && name[len]))
		return 0;
	return strchr("/:@", name[len]) ? len : 0;
}

/* The same for an entry.  A host that is blocked is blocked at all ports, as by other readers. */
static size_t match_entry(const struct entry *entry, const char *name)
{
	size_t len = match(prefix_of(entry), name, strcspn(name, "/"));

	return len || !entry->blocked ? len : match(prefix_of(entry), name, strcspn(name, ":/"));
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
		size_t len = match_entry(entry, name);
		bool wild = is_wildcard(prefix_of(entry));
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
