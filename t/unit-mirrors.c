/*
 * registries.conf: where else a repository is asked for (containers-registries.conf(5),
 * version 2), and DUCC_x_PROXY.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "net/mirrors.h"
#include "tap.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *directory;

static void write_file(const char *name, const char *data, size_t len)
{
	AUTO_FREE char *path = format("%s/%s", directory, name);
	FILE *file = fopen(path, "w");

	if (!file || fwrite(data, 1, len, file) != len || fclose(file))
		abort();
}

static void remove_file(const char *name)
{
	AUTO_FREE char *path = format("%s/%s", directory, name);

	remove(path);
}

static struct mirrors *load(const char *text, size_t len, ducc_error **err)
{
	AUTO_FREE char *path = format("%s/conf", directory);

	write_file("conf", text, len);
	setenv("CONTAINERS_REGISTRIES_CONF", path, 1);
	return mirrors_load(err);
}

/*
 * SCHEME://HOST/REPOSITORY of each place, with ! if it is insecure, @ if it takes digests only, and the credentials of
 * its proxy.
 */
static char *describe(const struct place *places, size_t n)
{
	struct buffer text = {0};

	for (size_t i = 0; i < n; i++) {
		buffer_addf(&text, "%s%s://%s/%s%s%s", i ? " " : "", places[i].reference.scheme,
			    places[i].reference.registry, places[i].reference.repository,
			    places[i].insecure ? "!" : "", places[i].digests_only ? "@" : "");
		if (places[i].user)
			buffer_addf(&text, "(%s:%s)", places[i].user, places[i].password);
	}
	return buffer_steal(&text);
}

static void asked(const struct mirrors *mirrors, const char *image, bool push, const char *want)
{
	AUTO_REFERENCE reference = {NULL};
	struct place *places;
	ducc_error *err = NULL;
	size_t n;
	char *got;

	if (reference_parse(&reference, image, NULL) < 0)
		abort();
	if (mirrors_find(mirrors, &reference, push, &places, &n, &err) < 0) {
		ok(false, "%s: %s", image, ducc_error_message(err));
		ducc_error_free(err);
		return;
	}
	got = describe(places, n);
	is_string(got, want, image);
	places_free(places, n);
	free(got);
}

static void no_place(const struct mirrors *mirrors, const char *image, bool push, const char *why)
{
	AUTO_REFERENCE reference = {NULL};
	struct place *places;
	ducc_error *err = NULL;
	size_t n;

	if (reference_parse(&reference, image, NULL) < 0)
		abort();
	ok(mirrors_find(mirrors, &reference, push, &places, &n, &err) < 0, "nobody is asked for %s",
	   image);
	says(&err, why, "... with the reason");
}

/* One question to one configuration. */
static void with(const char *conf, const char *image, const char *want)
{
	ducc_error *err = NULL;
	struct mirrors *mirrors = load(conf, strlen(conf), &err);

	if (!mirrors) {
		ok(false, "%s: %s", image, ducc_error_message(err));
		ducc_error_free(err);
		return;
	}
	asked(mirrors, image, false, want);
	mirrors_free(mirrors);
}

static void blocked(const char *conf, const char *image)
{
	struct mirrors *mirrors = load(conf, strlen(conf), NULL);

	no_place(mirrors, image, false, "blocked");
	no_place(mirrors, image, true, "blocked");
	mirrors_free(mirrors);
}

static void refused_bytes(const char *conf, size_t len, const char *why)
{
	ducc_error *err = NULL;
	AUTO_FREE char *text = xstrndup(conf, len), *title = ducc_printable(text);
	struct mirrors *mirrors = load(conf, len, &err);

	ok(!mirrors, "refused: %s", title);
	ok(err && strstr(ducc_error_message(err), "/conf: "), "... the file is named");
	says(&err, why, "... and the place");
	mirrors_free(mirrors);
}

static void refused(const char *conf, const char *why)
{
	refused_bytes(conf, strlen(conf), why);
}

#define R "[[registry]]\n"
#define M "[[registry.mirror]]\n"

static void prefixes(void)
{
	with("", "h.org/a/x:1", "https://h.org/a/x");
	with(R "location = 'g.org'", "h.org/a/x:1", "https://h.org/a/x");
	with(R "prefix = 'h.org'\nlocation = 'g.org/m'", "h.org/a/x:1", "https://g.org/m/a/x");
	with(R "prefix = 'h.org/a'\nlocation = 'g.org'", "h.org/a/x:1", "https://g.org/x");
	with(R "prefix = 'h.org/a/x'\nlocation = 'g.org/y'", "h.org/a/x:1", "https://g.org/y");
	with(R "prefix = 'h.org:5000'\nlocation = 'g.org:1'", "h.org:5000/x", "https://g.org:1/x");
	/* What follows the prefix is a whole component. */
	with(R "prefix = 'h.org/a'\nlocation = 'g.org'", "h.org/ab/x:1", "https://h.org/ab/x");
	with(R "prefix = 'h.or'\nlocation = 'g.org'", "h.org/x:1", "https://h.org/x");
	with(R "prefix = 'h.org'\nlocation = 'g.org'", "h.org.uk/x:1", "https://h.org.uk/x");
	with(R "prefix = 'h.org'\nlocation = 'g.org'", "h.org:5000/x", "https://h.org:5000/x");
	with(R "prefix = 'h.org/a/x'\nlocation = 'g.org/y'", "h.org/a:1", "https://h.org/a");
	/* "The TOML table with the longest match is used", wherever it stands. */
	with(R "prefix = 'h.org/a'\nlocation = 'long.org'\n" R
	       "prefix = 'h.org'\nlocation = 'short.org'",
	     "h.org/a/x:1", "https://long.org/x");
	with(R "prefix = 'h.org'\nlocation = 'short.org'\n" R
	       "prefix = 'h.org/a'\nlocation = 'long.org'",
	     "h.org/a/x:1", "https://long.org/x");
	with(R "prefix = 'h.org'\nlocation = 'one.org'\nblocked = false\n" R
	       "prefix = 'h.org'\nlocation = 'two.org'",
	     "h.org/x:1", "https://two.org/x");
	/* Slashes at the end do not count, as for Podman. */
	with(R "prefix = 'h.org/'\nlocation = 'g.org/m//'", "h.org/a/x:1", "https://g.org/m/a/x");
	with(R "location = 'h.org'\n" M "location = 'g.org/'", "h.org/x:1",
	     "https://g.org/x https://h.org/x");
}

static void wildcards(void)
{
	with(R "prefix = '*.h.org'\nlocation = 'g.org'", "a.h.org/x:1", "https://g.org/x");
	with(R "prefix = '*.h.org'\nlocation = 'g.org'", "a.b.h.org/x:1", "https://g.org/x");
	with(R "prefix = '*.h.org'\nlocation = 'g.org'", "h.org/x:1", "https://h.org/x");
	with(R "prefix = '*.h.org'\nlocation = 'g.org'", "ah.org/x:1", "https://ah.org/x");
	with(R "prefix = '*.h.org'\nlocation = 'g.org'", "o.net/a.h.org:1",
	     "https://o.net/a.h.org");
	with(R "prefix = '*.h.org'\n" M "location = 'g.org/m'", "a.h.org/x:1",
	     "https://g.org/m/x https://a.h.org/x");
	with(R "prefix = 'a.h.org'\nlocation = 'g.org'\n" R
	       "prefix = '*.h.org'\nlocation = 'f.org'",
	     "a.h.org/x:1", "https://g.org/x");
	with(R "prefix = '*.b.h.org'\nlocation = 'g.org'\n" R
	       "prefix = '*.h.org'\nlocation = 'f.org'",
	     "a.b.h.org/x:1", "https://g.org/x");
}

static void several_mirrors(void)
{
	static const char two[] =
		R "location = 'h.org'\n" M "location = 'a.org'\ninsecure = true\n" M
		  "location = 'localhost:5000/b'\n";

	with(two, "h.org/x:1", "https://a.org/x! http://localhost:5000/b/x https://h.org/x");
	with(R "prefix = 'h.org/p'\nlocation = 'g.org'\ninsecure = true\n" M "location = 'a.org/q'",
	     "h.org/p/x:1", "https://a.org/q/x https://g.org/x!");
	with(R "location = 'h.org'\nmirror-by-digest-only = true\n" M "location = 'a.org'",
	     "h.org/x:1", "https://a.org/x@ https://h.org/x");
	with(R "location = 'h.org'\n" M "location = 'a.org'\npull-from-mirror = 'digest-only'\n" M
	       "location = 'b.org'\npull-from-mirror = 'all'",
	     "h.org/x:1", "https://a.org/x@ https://b.org/x https://h.org/x");
	with(R "location = 'h.org'\n" M "location = 'a.org'\npull-from-mirror = 'tag-only'",
	     "h.org/x:1", "https://a.org/x https://h.org/x");
	with(R "location = 'h.org'\n" M "location = 'a.org'\npull-from-mirror = 'tag-only'",
	     "h.org/x@sha256:" HEX, "https://h.org/x");
	with(R "location = 'docker.io'\n" M "location = 'a.org'", "alpine",
	     "https://a.org/library/alpine https://registry.hub.docker.com/library/alpine");
	/* A table in between does not end the registry. */
	with(R "location = 'h.org'\n[other]\nlocation = 'o.org'\n" M "location = 'a.org'",
	     "h.org/x:1", "https://a.org/x https://h.org/x");
	with("location = 'h.org'\n[aliases]\n'x' = 'y'\n", "h.org/x:1", "https://h.org/x");
	with(R "location = 'h.org'\nfuture = ['key']\n" M "location = 'a.org'\nfuture = true",
	     "h.org/x:1", "https://a.org/x https://h.org/x");
}

/* Nothing is pushed but to the registry itself. */
static void pushes(void)
{
	static const char conf[] = R "prefix = 'h.org'\nlocation = 'g.org'\ninsecure = true\n" M
				     "location = 'a.org'\n";
	struct mirrors *mirrors = load(conf, strlen(conf), NULL);

	asked(mirrors, "h.org/x:1", true, "https://h.org/x!");
	asked(mirrors, "h.org/x:1", false, "https://a.org/x https://g.org/x!");
	mirrors_free(mirrors);
}

static void blocks(void)
{
	blocked(R "location = 'h.org'\nblocked = true", "h.org/x:1");
	blocked(R "prefix = 'h.org/a'\nblocked = true", "h.org/a/x:1");
	blocked(R "prefix = 'h.org/a/'\nblocked = true", "h.org/a/x:1");
	blocked(R "prefix = '*.org'\nblocked = true", "h.org/a/x:1");
	blocked(R "prefix = '*.org'\nblocked = true", "h.org:5000/a/x:1");
	blocked(R "prefix = '*.org:5000'\nblocked = true", "h.org:5000/a/x:1");
	blocked(R "prefix = 'h.org'\nblocked = true", "h.org:5000/a/x:1");
	with(R "prefix = 'h.org:5000'\nblocked = true", "h.org/a/x:1", "https://h.org/a/x");
	with(R "prefix = 'h.or'\nblocked = true", "h.org:5000/x:1", "https://h.org:5000/x");
	with(R "prefix = 'h.org'\nblocked = true\n" R "location = 'h.org:5000'", "h.org:5000/x:1",
	     "https://h.org:5000/x");
	blocked(R "prefix = 'docker.io'\nblocked = true", "alpine");
	blocked(R "location = 'h.org'\nblocked = true\n" M "location = 'a.org'", "h.org/x:1");
	/* A prefix may name one image. */
	blocked(R "prefix = 'h.org/a:1'\nblocked = true", "h.org/a:1");
	blocked(R "prefix = 'h.org/a:1'\nblocked = true", "h.org/a:1@sha256:" HEX);
	blocked(R "prefix = 'h.org/a:latest'\nblocked = true", "h.org/a");
	blocked(R "prefix = 'h.org/a@sha256:" HEX "'\nblocked = true", "h.org/a@sha256:" HEX);
	blocked(R "prefix = 'docker.io/library/alpine:1'\nblocked = true", "alpine:1");
	with(R "prefix = 'h.org/a:1'\nblocked = true", "h.org/a:11", "https://h.org/a");
	with(R "prefix = 'h.org/a:1'\nblocked = true", "h.org/a/b:1", "https://h.org/a/b");
	with(R "prefix = 'h.org/a'\nblocked = true", "h.org/b:1", "https://h.org/b");
	with(R "prefix = 'h.org'\nblocked = true\n" R "prefix = 'h.org/a'\nlocation = 'h.org/a'",
	     "h.org/a:1", "https://h.org/a");
}

/* Go's readers ignore the case of keys and tables, but not that of values. */
static void cases(void)
{
	blocked("[[Registry]]\nLocation = 'h.org'\nBLOCKED = true", "h.org/x:1");
	blocked("[[\"regi\xc5\xbftry\"]]\nPrefix = 'h.org'\n\"bloc\xe2\x84\xaa"
		"ed\" = true",
		"h.org/x:1");
	with("[[rEgistry]]\nLocation = 'h.org'\nInsecure = true\nMirror-By-Digest-Only = true\n"
	     "[[rEgistry.Mirror]]\nLOCATION = 'a.org'\nInsecure = true\n"
	     "Pull-From-Mirror = 'tag-only'",
	     "h.org/x:1", "https://a.org/x!@ https://h.org/x!");
	with(R "location = 'h.org'\n[[mirror]]\nlocation = 'a.org'\n[registryx]\nblocked = 'x'",
	     "h.org/x:1", "https://h.org/x");
	refused(R "location = 'h.org'\nblocked = true\nBlocked = false", "line 4: Blocked");
	refused(R "location = 'h.org'\n" M "location = 'a.org'\nLocation = 'b.org'",
		"line 5: Location");
	/* Two arrays: readers take either. */
	refused(R "location = 'h.org'\nblocked = true\n[[Registry]]\nlocation = 'g.org'",
		"line 4: [Registry]");
	refused(R "location = 'h.org'\n[[Registry.mirror]]\nlocation = 'g.org'",
		"line 3: [Registry.mirror]");
	refused("[[Registry]]\nlocation = 'h.org'\nBlocked = 'true'", "line 3: Blocked");
	refused("[Registries.block]\nregistries = ['h.org']", "line 1: [Registries.block]");
}

/* Other types than those of the keys, some of which have the same meaning as what is refused elsewhere. */
static void types(void)
{
	refused("registries.block.registries = ['h.org']", "line 1: registries.block.registries");
	refused("[registries]\nblock.registries = ['h.org']", "line 1: [registries]");
	refused("registry = 'h.org'", "line 1: registry");
	refused("registry.blocked = true", "line 1: registry.blocked");
	refused(R "location = 'h.org'\nblocked = ['true']", "line 3: blocked");
	refused(R "location = 'h.org'\nblocked.x = true", "line 3: blocked.x");
	refused(R "location = ['h.org']", "line 2: location");
	refused(R "location = 'h.org'\nmirror = 'a.org'", "line 3: mirror");
	refused(R "location = 'h.org'\nmirror.location = 'a.org'", "line 3: mirror.location");
	refused(R "location = 'h.org'\n[registry.blocked]", "line 3: [registry.blocked]");
	refused(R "location = 'h.org'\n" M "location = 'a.org'\npull-from-mirror = []",
		"line 5: pull-from-mirror");
	with("registry = []\n", "h.org/x:1", "https://h.org/x");
	with(R "location = 'h.org'\nmirror = []\nx.blocked = true", "h.org/x:1", "https://h.org/x");
}

/* What cannot match does not block either. */
static void odd_prefixes(void)
{
	refused(R "prefix = 'http://h.org'\nblocked = true", "line 2: prefix");
	refused(R "location = 'https://h.org'\nblocked = true", "line 2: location");
	refused(R "location = 'h.org'\n" M "location = 'http://a.org'", "line 4: location");
	refused(R "prefix = '*.h.org/a'\nlocation = 'g.org'", "*.h.org/a: prefix");
	refused(R "prefix = 'a.*.org'\nlocation = 'g.org'", "a.*.org: prefix");
	refused(R "prefix = '*'\nblocked = true", "*: prefix");
	refused(R "prefix = ' h.org'\nblocked = true", " h.org: prefix");
	refused(R "location = '/h.org'\nblocked = true", "/h.org: prefix");
	refused(R "prefix = 'u:p@h.org'\nblocked = true", "conf: prefix must not");
}

/* Readers differ in which of them they take. */
static void conflicts(void)
{
	refused(R "location = 'h.org'\nblocked = true\n" R "location = 'h.org'",
		"prefix h.org occurs twice, with different values of blocked");
	refused(R "location = 'h.org'\n" R "location = 'h.org/'\nblocked = true",
		"prefix h.org occurs twice, with different values of blocked");
	refused(R "prefix = 'h.org'\nlocation = 'a.org'\n" R
		  "prefix = 'h.org'\nlocation = 'b.org'\ninsecure = true",
		"prefix h.org occurs twice, with different values of insecure");
	refused(R "prefix = 'a.org'\nlocation = 'h.org'\n" R "location = 'h.org'\nblocked = true",
		"location h.org occurs twice, with different values of blocked");
	blocked(R "location = 'h.org'\nblocked = true\n" R "prefix = 'h.org'\nblocked = true",
		"h.org/x:1");
}

static void mistakes(void)
{
	refused(R, "without");
	refused(R "blocked = true", "without");
	refused(R "location = 'h.org'\n" M, "h.org");
	refused(R "prefix = 'p.org'\n" M "insecure = true", "p.org");
	refused(R "location = ''", "line 2: location");
	refused(R "location = '/'", "line 2: location");
	refused(R "\nlocation = true", "line 3: location");
	refused(R "location = 'h.org'\nprefix = false", "line 3: prefix");
	refused(R "location = 'h.org'\nblocked = 'true'", "line 3: blocked");
	refused(R "location = 'h.org'\ninsecure = 'no'", "line 3: insecure");
	refused(R "location = 'h.org'\nmirror-by-digest-only = ''",
		"line 3: mirror-by-digest-only");
	refused(R "location = 'h.org'\nlocation = 'g.org'", "line 3: ");
	refused(R "location = 'h.org'\n" M "pull-from-mirror = 'digests'",
		"line 4: pull-from-mirror");
	refused(R "location = 'h.org'\n" M "pull-from-mirror = true", "line 4: pull-from-mirror");
	refused(R "location = 'h.org'\n" M "insecure = ''", "line 4: insecure");
	refused(M "location = 'a.org'", "line 1: [registry.mirror]");
	refused("[registry]\nlocation = 'h.org'", "line 1: [registry]");
	refused(R "location = 'h.org'\n[registry.mirror]", "line 3: [registry.mirror]");
	refused("[registries.search]\nregistries = ['h.org']", "line 1: [registries.search]");
	refused(R "location = 'h.org", "line 2: ");
	refused_bytes("\n" R "location = 'h\0.org'", sizeof("\n" R "location = 'h\0.org'") - 1,
		      "line 3: ");
}

/* A location that no image can be asked for at fails for the images that it is about. */
static void bad_locations(void)
{
	static const char conf[] = R "location = 'h.org'\n" M "location = 'a.org/../b'\n" R
				     "location = 'g.org'\n" M "location = 'user:secret@a.org'";
	struct mirrors *mirrors = load(conf, strlen(conf), NULL);
	AUTO_REFERENCE reference = {NULL};
	struct place *places;
	ducc_error *err = NULL;
	size_t n;

	no_place(mirrors, "h.org/x:1", false, "a.org/../b/x");
	asked(mirrors, "i.org/x:1", false, "https://i.org/x");
	ok(!reference_parse(&reference, "g.org/x:1", NULL) &&
		   mirrors_find(mirrors, &reference, false, &places, &n, &err) < 0 &&
		   !strstr(ducc_error_message(err), "secret"),
	   "a password in a location is not shown");
	ducc_error_free(err);
	mirrors_free(mirrors);
}

static void proxies(void)
{
	struct mirrors *mirrors = load(R "prefix = 'h.org'\nblocked = true",
				       strlen(R "prefix = 'h.org'\nblocked = true"), NULL);

	setenv("DUCC_AUTH_REGISTRIES", "a, b,,c", 1);
	setenv("DUCC_a_IDENT", "other.org", 1);
	setenv("DUCC_a_PROXY", "wrong.org", 1);
	setenv("DUCC_b_IDENT", "https://g.org/v2/", 1);
	setenv("DUCC_b_PROXY", "p.org/cache//", 1);
	setenv("DUCC_c_IDENT", "docker.io", 1);
	setenv("DUCC_c_PROXY", "http://p.org:1", 1);
	asked(mirrors, "g.org/a/x:1", false, "https://p.org/cache/a/x");
	setenv("DUCC_c_USER", "c", 1);
	setenv("DUCC_c_PASS", "c1", 1);
	asked(mirrors, "g.org/a/x:1", false, "https://p.org/cache/a/x");
	setenv("DUCC_b_USER", "b", 1);
	setenv("DUCC_b_PASS", "b1", 1);
	asked(mirrors, "g.org/a/x:1", false, "https://p.org/cache/a/x(b:b1)");
	asked(mirrors, "alpine", false, "http://p.org:1/library/alpine(c:c1)");
	asked(mirrors, "p.org/a/x:1", false, "https://p.org/a/x");
	asked(mirrors, "g.org/a/x:1", true, "https://g.org/a/x");
	asked(mirrors, "g.org:5000/x:1", false, "https://g.org:5000/x");
	no_place(mirrors, "h.org/x:1", false, "blocked");
	setenv("DUCC_b_PROXY", "", 1);
	asked(mirrors, "g.org/a/x:1", false, "https://g.org/a/x");
	setenv("DUCC_b_PROXY", "p.org/../x", 1);
	no_place(mirrors, "g.org/a/x:1", false, "p.org/../x/a/x");
	unsetenv("DUCC_AUTH_REGISTRIES");
	mirrors_free(mirrors);
}

static void cannot_read(const char *name, const char *why)
{
	ducc_error *err = NULL;
	struct mirrors *mirrors = mirrors_load(&err);

	ok(!mirrors, "what cannot be read may block: %s", name);
	says(&err, why, "... and is named");
	mirrors_free(mirrors);
}

/* Drop-in files come after the main one, in the order of their names. */
static void drop_ins(void)
{
	static const char a[] = R "location = 'h.ducc.test'\n" M "location = 'a.org'";
	static const char b[] = R "location = 'h.ducc.test'\n" M "location = 'b.org'";
	static const char mirror[] = M "location = 'c.org'";
	static const char block[] = R "location = 'h.ducc.test'\nblocked = true";
	struct mirrors *mirrors;
	ducc_error *err = NULL;

	unsetenv("CONTAINERS_REGISTRIES_CONF");
	write_file("containers/registries.conf", a, strlen(a));
	write_file("containers/registries.conf.d/2.conf", b, strlen(b));
	write_file("containers/registries.conf.d/1.conf", a, strlen(a));
	write_file("containers/registries.conf.d/3.conf.old", "=", 1);
	mirrors = mirrors_load(&err);
	ok(mirrors && !err, "what is not called .conf is not read");
	asked(mirrors, "h.ducc.test/x:1", false, "https://b.org/x https://h.ducc.test/x");
	mirrors_free(mirrors);
	write_file("containers/registries.conf.d/3.conf", mirror, strlen(mirror));
	mirrors = mirrors_load(&err);
	ok(!mirrors, "a mirror belongs to a registry of its own file");
	says(&err, "3.conf: line 1: [registry.mirror]", "... which is said");
	write_file("containers/registries.conf.d/3.conf", block, strlen(block));
	mirrors = mirrors_load(&err);
	ok(mirrors && !err, "a later file replaces an earlier one's entry");
	no_place(mirrors, "h.ducc.test/x:1", false, "blocked");
	mirrors_free(mirrors);
	mirrors = load("", 0, &err);
	ok(mirrors && !err, "they also come after a file that is named");
	no_place(mirrors, "h.ducc.test/x:1", false, "blocked");
	mirrors_free(mirrors);
	remove_file("conf");
	cannot_read("a file that is named", "/conf: No such file");
	unsetenv("CONTAINERS_REGISTRIES_CONF");
	remove_file("containers/registries.conf.d/1.conf");
	remove_file("containers/registries.conf.d/2.conf");
	remove_file("containers/registries.conf.d/3.conf");
	remove_file("containers/registries.conf.d/3.conf.old");
	remove_file("containers/registries.conf");
}

/* Links in a loop stand for all that exists, but cannot be read: not even by root. */
static void unreadable(void)
{
	AUTO_FREE char *loop = format("%s/loop", directory);
	AUTO_FREE char *link = format("%s/containers/registries.conf.d/4.conf", directory);
	AUTO_FREE char *drop_in = format("%s/containers/registries.conf.d", directory);

	if (symlink("loop", loop) < 0 || symlink("nowhere", link) < 0)
		abort();
	cannot_read("a link to nowhere", "registries.conf.d/4.conf: No such file");
	remove(link);
	if (rmdir(drop_in) < 0 || symlink("registries.conf.d", drop_in) < 0)
		abort();
	cannot_read("registries.conf.d", "registries.conf.d: ");
	remove(drop_in);
	setenv("XDG_CONFIG_HOME", loop, 1);
	cannot_read("its directory", "loop/containers/registries.conf: ");
	mkdir(drop_in, 0700);
	remove(loop);
}

int main(void)
{
	static const char *const directories[] = {"containers", "containers/registries.conf.d"};

	directory = format("%s/ducc-mirrors-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	unsetenv("DUCC_AUTH_REGISTRIES");
	if (!mkdtemp(directory))
		abort();
	setenv("XDG_CONFIG_HOME", directory, 1);
	for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
		AUTO_FREE char *path = format("%s/%s", directory, directories[i]);

		mkdir(path, 0700);
	}
	prefixes();
	wildcards();
	several_mirrors();
	pushes();
	blocks();
	cases();
	types();
	odd_prefixes();
	conflicts();
	mistakes();
	bad_locations();
	proxies();
	drop_ins();
	unreadable();
	remove_file("conf");
	for (size_t i = ARRAY_LEN(directories); i--;)
		remove_file(directories[i]);
	remove(directory);
	free(directory);
	return done_testing();
}
