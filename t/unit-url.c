/* URLs as registries hand them out: whose they are, and what becomes of them. */
#include <stdlib.h>

#include "format/url.h"
#include "tap.h"

#define PATH "/v2/a%2Fb%C3%A9/"

static void is_moved(const char *url, const char *base, const char *want)
{
	char *got = url_moved(url, base);

	is_string(got, want, url);
	free(got);
}

static void free_is(char *got, const char *want)
{
	is_string(got, want, want ? want : "not a URL");
	free(got);
}

static void hides(const char *text, const char *want)
{
	char *got = url_hide_secrets(text);

	is_string(got, want, text);
	free(got);
}

int main(void)
{
	ok(url_same_origin("https://h/a", "https://H:443/b"), "the default port may be said");
	ok(!url_same_origin("https://h/a", "http://h/a"), "another scheme is another origin");
	ok(url_same_host("https://h/a", "http://H/b"), "but the same host");
	ok(url_same_host("https://h:443/a", "http://h:80/b"), "whose ports may be said");
	ok(!url_same_host("https://h:80/a", "http://h/b"), "if they are each scheme's own");
	ok(!url_same_host("https://h:5000/a", "http://h/b"), "another port is another host");
	ok(url_same_host("https://h:5000/a", "http://h:5000/b"), "the same is not");
	ok(!url_same_host("https://h.example/a", "https://h/b"), "nor is another name");
	ok(url_same_host("https://[::1]:5000/a", "http://[::1]:5000/b"), "addresses of IPv6");

	is_moved("http://h/v2/x?_state=ab%2Bc%3D%3D&n", "https://h:443/v2/y",
		 "https://h:443/v2/x?_state=ab%2Bc%3D%3D&n");
	is_moved("http://user:word@h" PATH, "https://[::1]:5000/v2/y", "https://[::1]:5000" PATH);
	is_moved("http://h", "https://g/v2/y", "https://g/");
	free_is(url_resolve("http://h/a/b?c", "/d e?f=\"g h\""), "http://h/d%20e?f=\"g%20h\"");
	free_is(url_resolve("http://h/a/b?c", "?d"), "http://h/a/b?d");
	free_is(url_resolve("http://h/a", "http://:/"), NULL);
	hides("https://u:p@h:5000/v2/x?sig=abc%2F: 403", "https://h:5000/v2/x?(hidden) 403");
	hides("get \"http://u:p%40q@h?a\" and http://a@b@c/d@e",
	      "get \"http://h?(hidden)\" and http://c/d@e");
	hides("redirect to /v2/x?token=1 refused", "redirect to /v2/x?(hidden) refused");
	hides("https://quay.io/a/b@sha256:00: what? nothing?",
	      "https://quay.io/a/b@sha256:00: what? nothing?");
	hides("http://u:p/q@h/a?b", "http://h/a?(hidden)");
	hides("://", "://");
	hides("https://u:p@", "https://");
	hides("", "");
	free_is(url_hide_own_secrets("https://u:p\"<q r@h/a?b c\"d"), "https://h/a?(hidden)");
	free_is(url_hide_own_secrets("https://u:p/q r@h/a b"), "https://h/a b");
	is_moved("nonsense://", "https://g/v2/y", NULL);
	return done_testing();
}
