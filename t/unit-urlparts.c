/* URLs (RFC 3986): what they mean where they stand, who they belong to, and what may be shown. */
#include <stdlib.h>

#include "base/mem.h"
#include "format/url.h"
#include "tap.h"

#define BASE "https://h.org/a/b/c?d"

/* Takes `got`. */
static void becomes(char *got, const char *want, const char *title)
{
	AUTO_FREE char *printable = ducc_printable(title);

	is_string(got, want, printable);
	free(got);
}

static void resolves(const char *base, const char *reference, const char *want)
{
	becomes(url_resolve(base, reference), want, reference);
}

/* Section 5.4's examples, as far as registries have them in Location and Link. */
static void relative(void)
{
	resolves(BASE, "https://g.org/x", "https://g.org/x");
	resolves(BASE, "http://g.org:80/x?y=z", "http://g.org:80/x?y=z");
	resolves(BASE, "/x", "https://h.org/x");
	resolves(BASE, "x", "https://h.org/a/b/x");
	resolves(BASE, "./x", "https://h.org/a/b/x");
	resolves(BASE, "../x", "https://h.org/a/x");
	resolves(BASE, "../../x", "https://h.org/x");
	resolves(BASE, "/a/../x", "https://h.org/x");
	resolves(BASE, "//g.org/x", "https://g.org/x");
	resolves(BASE, "?e", "https://h.org/a/b/c?e");
	resolves(BASE, "/v2/?last=a%2Fb&n=1", "https://h.org/v2/?last=a%2Fb&n=1");
	resolves("https://[::1]:5000/a", "/x", "https://[::1]:5000/x");
	resolves("nonsense", "/x", NULL);
	resolves(BASE, "https://", NULL);
	resolves(BASE, "http://g.org:99999/", NULL);
	resolves(BASE, "http://g .org/", NULL);
}

static void kinds(void)
{
	ok(url_is_http("http://h/x"), "http is");
	ok(url_is_http("HTTPS://h"), "https is, in whatever case");
	ok(!url_is_http("ftp://h/x"), "ftp is not");
	ok(!url_is_http("file:///etc/passwd"), "a file is not");
	ok(!url_is_http("javascript:alert(1)"), "a script is not");
	ok(!url_is_http("httpx://h/"), "a longer name is not");
	ok(!url_is_http("/token"), "nor a path");
	ok(!url_is_http(""), "nor nothing");
	ok(!url_is_http("http://"), "nor no host");
	ok(!url_same_origin("nonsense://", "nonsense://"), "what is no URL has no origin");
	ok(!url_same_origin("https://h/", "https://h:444/"), "a port makes an origin");
	ok(!url_same_origin("https://h@g/", "https://h/"), "a user is no host");
	ok(!url_same_host("", ""), "nothing has no host");
}

static void authorities(void)
{
	becomes(url_authority("https://h.org/x"), "h.org", "a host");
	becomes(url_authority("https://h.org:443/x"), "h.org:443", "with the port that it has");
	becomes(url_authority("http://user:word@h.org:1/x"), "h.org:1", "without a user");
	becomes(url_authority("http://localhost@h.org/"), "h.org", "whatever it is called");
	becomes(url_authority("http://[::1]:5000/"), "[::1]:5000", "an address");
	becomes(url_authority("http://h.org#@g.org/"), "h.org", "a fragment ends it");
	becomes(url_authority("http://h.org?@g.org/"), "h.org", "... and a query");
	becomes(url_authority("nonsense"), NULL, "none");
}

/* "A query can hold a signature or a token, user info a password." */
static void shown(void)
{
	becomes(url_public("https://h.org/a?X-Signature=secret"), "https://h.org/a?(hidden)",
		"a query");
	becomes(url_public("https://user:secret@h.org:1/a"), "https://h.org:1/a", "a password");
	becomes(url_public("https://secret@h.org/a"), "https://h.org/a", "a token as the user");
	becomes(url_public("https://h.org/a#secret"), "https://h.org/a", "a fragment");
	becomes(url_public("https://h.org"), "https://h.org/", "nothing to hide");
	becomes(url_public("user:secret@h.org"), NULL, "no URL");
	becomes(url_public("https://user:secret@h.org:port/"), NULL, "none, with a password");
}

static void escaped(void)
{
	char all[256];
	AUTO_FREE char *text = NULL;

	becomes(url_escape("AZaz09-._~"), "AZaz09-._~", "unreserved characters stay");
	becomes(url_escape("repository:a/b:pull,push"), "repository%3Aa%2Fb%3Apull%2Cpush",
		"reserved ones do not");
	becomes(url_escape("a b+c&d=e%20\n"), "a%20b%2Bc%26d%3De%2520%0A", "nor what ends a value");
	becomes(url_escape("\xc3\xa4\xff"), "%C3%A4%FF", "bytes are bytes");
	becomes(url_escape(""), "", "nothing");
	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	text = url_escape(all);
	ok(strlen(text) == 66 + 3 * (255 - 66) &&
		   strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij"
				"klmnopqrstuvwxyz0123456789-._~%") == strlen(text),
	   "66 characters are unreserved (section 2.3)");
}

int main(void)
{
	relative();
	kinds();
	authorities();
	shown();
	escaped();
	return done_testing();
}
