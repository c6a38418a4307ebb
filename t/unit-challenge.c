/*
 * Challenges, as WWW-Authenticate has them (RFC 9110, sections 11.2, 11.3 and 11.6.1), and the
 * answers that need no server: Basic (RFC 7617), and refusing a token server.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "net/auth.h"
#include "net/challenge.h"
#include "tap.h"

static void has(const char *header, const char *scheme, const char *name, const char *want)
{
	AUTO_FREE char *got = challenge_parameter(header, scheme, name);
	AUTO_FREE char *title = ducc_printable(header);
	AUTO_FREE char *shown = xstrndup(title, 70);

	is_string(got, want, shown);
}

static void offers(const char *header, const char *scheme, bool want)
{
	ok(challenge_offers(header, scheme) == want, "%s %s %s", header,
	   want ? "offers" : "does not offer", scheme);
}

static void schemes(void)
{
	offers("Bearer", "Bearer", true);
	offers("bEARER realm=\"x\"", "Bearer", true);
	offers(" ,, Bearer realm=\"x\"", "Bearer", true);
	offers("", "Bearer", false);
	offers(" ,\t,", "Bearer", false);
	offers("BearerX realm=\"x\"", "Bearer", false);
	offers("Bear realm=\"x\"", "Bearer", false);
	offers("Bearer=x", "Bearer", false);
	offers("Bearer = \"x\"", "Bearer", false);
	offers("Basic realm=\"x\", Bearer realm=\"y\"", "Bearer", true);
	offers("Basic realm=\"x\", Bearer realm=\"y\"", "Basic", true);
	offers("Negotiate, Basic realm=\"x\"", "Basic", true);
	offers("Negotiate YWJj==, Basic realm=\"x\"", "Basic", true);
	offers("Negotiate YWJj/+, Basic", "Basic", true);
	offers("Negotiate Basic", "Basic", false);
	offers("Digest realm=\"Basic\", Newauth x=\"a, Basic realm=b\"", "Basic", false);
	offers("Digest realm=\"a\\\", Basic realm=b\"", "Basic", false);
	/* Section 11.6.1 has this as one that needs care. */
	offers("Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to "
	       "\\\"apps\\\"\"",
	       "Newauth", true);
}

#define DOCKER                                                                                     \
	"Bearer "                                                                                  \
	"realm=\"https://auth.example/token\",service=\"r.example\",scope=\"a:b:pull,push\""
#define BOTH "Basic realm=\"simple\", Bearer realm=\"https://a/t\", service=s"

static void parameters(void)
{
	has(DOCKER, "Bearer", "realm", "https://auth.example/token");
	has(DOCKER, "Bearer", "service", "r.example");
	has(DOCKER, "bearer", "SCOPE", "a:b:pull,push");
	has(DOCKER, "Bearer", "error", NULL);
	has(DOCKER, "Bearer", "real", NULL);
	has(DOCKER, "Bearer", "realms", NULL);
	has(DOCKER, "Basic", "realm", NULL);
	has("Bearer realm = \"x\" ,\tservice\t=\ty", "Bearer", "realm", "x");
	has("Bearer realm = \"x\" ,\tservice\t=\ty", "Bearer", "service", "y");
	has("Bearer realm=\"a b\\\"c\\\\d\\e\"", "Bearer", "realm", "a b\"c\\de");
	has("Bearer realm=\"\"", "Bearer", "realm", "");
	has("Bearer realm=", "Bearer", "realm", "");
	has("Bearer realm", "Bearer", "realm", NULL);
	has("Bearer,realm=x", "Bearer", "realm", "x");
	has("Bearer ,,, realm=x,,", "Bearer", "realm", "x");
	has("Bearer x=\"realm=no\",realm=yes", "Bearer", "realm", "yes");
	has("Bearer realm=https://a/t?x=y,service=s", "Bearer", "realm", "https://a/t?x=y");
	has("Bearer realm=\"\xc3\xa4\xff\"", "Bearer", "realm", "\xc3\xa4\xff");
	has("Bearer realm=a,realm=b", "Bearer", "realm", "a");
	has("", "Bearer", "realm", NULL);
}

/* Each scheme has its own parameters. */
static void lists(void)
{
	has(BOTH, "Bearer", "realm", "https://a/t");
	has(BOTH, "Bearer", "service", "s");
	has(BOTH, "Basic", "realm", "simple");
	has(BOTH, "Basic", "service", NULL);
	has("Bearer service=s, Basic realm=\"password, please\"", "Bearer", "realm", NULL);
	has("Bearer realm=a, Bearer realm=b", "Bearer", "realm", "a");
	has("Bearer service=a, Bearer realm=b", "Bearer", "realm", NULL);
	has("Negotiate YWJj==, Bearer realm=a", "Bearer", "realm", "a");
	has("Bearer realm=\"x, Basic realm=y\"", "Basic", "realm", NULL);
}

/* Of what is cut off nothing is made up: half a URL would be another server's. */
static void truncated(void)
{
	static const char whole[] = "Bearer realm=\"https://a.example\",service=\"s\"";
	size_t quoted = strlen("Bearer realm=\"https://a.example\"");

	has("Bearer realm=\"https://a.example", "Bearer", "realm", NULL);
	has("Bearer realm=\"https://a\\", "Bearer", "realm", NULL);
	has("Bearer realm=\"a\\\"", "Bearer", "realm", NULL);
	for (size_t len = 0; len < sizeof(whole); len++) {
		AUTO_FREE char *header = xstrndup(whole, len);
		AUTO_FREE char *realm = challenge_parameter(header, "Bearer", "realm");

		/* "realm=" alone is an empty one. */
		if (realm && *realm && (len < quoted || strcmp(realm, "https://a.example") != 0))
			ok(false, "cut after %zu bytes: %s", len, realm);
	}
}

static void large(void)
{
	AUTO_BUFFER header = {0};
	AUTO_FREE char *value = NULL;

	buffer_adds(&header, "Bearer ");
	for (int i = 0; i < 100000; i++)
		buffer_addf(&header, "a%d=\"\\x\",", i);
	buffer_adds(&header, "Basic x=1, realm=y");
	value = challenge_parameter(header.data, "Bearer", "a99999");
	is_string(value, "x", "a hundred thousand parameters");
	ok(challenge_offers(header.data, "Basic"), "... and what follows them");
}

/* --- answers ---------------------------------------------------------- */

/* The answer to a challenge, for user and password or (user NULL) with an empty keyring. */
static int answer(const char *image, const char *user, const char *password, const char *challenge,
		  char **header, ducc_error **err)
{
	AUTO_REFERENCE reference = {NULL};
	struct login login = {.user = user, .password = password};
	struct keyring *keyring = keyring_new(NULL);
	struct auth *auth;
	unsigned generation;
	bool transient = false;
	int result;

	if (reference_parse(&reference, image, NULL) < 0)
		abort();
	auth = auth_new(&reference, &login, keyring);
	*header = auth_header(auth, NULL, &generation);
	ok(!*header, "nothing is sent before it is asked for");
	result = auth_challenge(auth, NULL, challenge, generation, &transient, err);
	*header = auth_header(auth, NULL, &generation);
	auth_free(auth);
	keyring_free(keyring);
	return result;
}

static void basic(void)
{
	static const char *const challenges[] = {
		"Basic realm=\"WallyWorld\"",
		"basic",
		"Negotiate, Basic realm=\"x\", charset=\"UTF-8\"",
		"Negotiate YWJj==, BASIC realm=\"x\"",
	};
	ducc_error *err = NULL;
	char *header;

	for (size_t i = 0; i < ARRAY_LEN(challenges); i++) {
		ok(answer("h.example/x", "Aladdin", "open sesame", challenges[i], &header, &err) ==
			   1,
		   "answered: %s", challenges[i]);
		is_string(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "... as RFC 7617 has it");
		secret_free(header);
	}
	ok(!answer("h.example/x", "Aladdin", "open sesame", "Digest realm=\"x\"", &header, &err) &&
		   !header && !err,
	   "another scheme is not answered");
	ok(!answer("h.example/x", "Aladdin", "open sesame", NULL, &header, &err) && !header && !err,
	   "nor no scheme at all");
	ok(!answer("h.example/x", NULL, NULL, "Basic realm=\"x\"", &header, &err) && !header &&
		   !err,
	   "without credentials there is no answer");
}

static void no_server(const char *image, const char *challenge, const char *why)
{
	ducc_error *err = NULL;
	char *header;

	ok(answer(image, "Aladdin", "open sesame", challenge, &header, &err) == -1 && !header,
	   "refused: %s", challenge);
	says(&err, why, "... with the reason");
}

/* Nobody is asked for a token who was not named, or to whom a password would be sent in the clear. */
static void token_servers(void)
{
	no_server("h.example/x", "Bearer", "token");
	no_server("h.example/x", "Bearer service=\"s\"", "token");
	no_server("h.example/x", "Bearer service=\"s\", Basic realm=\"https://a/\"", "token");
	no_server("h.example/x", "Bearer realm=\"\"", "token");
	no_server("h.example/x", "Bearer realm=\"https://a.example", "token");
	no_server("h.example/x", "Bearer realm=\"file:///etc/passwd\"", "token");
	no_server("h.example/x", "Bearer realm=\"/token\"", "token");
	no_server("h.example/x", "Bearer realm=\"http://a.example/token\"", "https");
	no_server("h.example/x", "Bearer realm=\"HTTP://a.example/token\"", "https");
	no_server("h.example/x", "Bearer realm=\"http://localhost@a.example/token\"", "https");
	no_server("h.example/x", "Basic realm=\"x\", Bearer realm=\"http://a.example/\"", "https");
}

int main(void)
{
	static const char *const set[] = {"DUCC_AUTH_REGISTRIES", "REGISTRY_AUTH_FILE",
					  "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"};

	for (size_t i = 0; i < ARRAY_LEN(set); i++)
		unsetenv(set[i]);
	setenv("HOME", "/nonexistent", 1);
	schemes();
	parameters();
	lists();
	truncated();
	large();
	basic();
	token_servers();
	return done_testing();
}
