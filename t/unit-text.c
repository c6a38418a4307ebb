/* Text in messages: comparing it, and hiding users, and paths of this machine. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "tap.h"

static void hides(const char *text, const char *want)
{
	AUTO_FREE char *hidden = text_hide_paths(text);

	is_string(hidden, want, text);
}

static void hides_user(const char *text, const char *want)
{
	AUTO_FREE char *hidden = text_hide_users(text);

	is_string(hidden, want, text);
}

int main(void)
{
	ok(text_equal("a", "a") && text_equal(NULL, NULL), "equal texts, and two that are missing");
	ok(!text_equal("a", "b") && !text_equal(NULL, "") && !text_equal("", NULL),
	   "other texts, and one that is missing");

	hides("/var/spool/ducc/tmp/x: No space left on device", "(path): No space left on device");
	hides("layer sha256:12: usr/bin/x: /srv/my store/12.tar: I/O error",
	      "layer sha256:12: usr/bin/x: (path): I/O error");
	hides("no space in /srv/a (remove something), nor in /srv/b, or \"/srv/c\"",
	      "no space in (path) (remove something), nor in (path), or \"(path)\"");
	hides("oci:/home/me/layout: no image", "oci:(path): no image");
	hides("(from /root/.docker/config.json): denied", "(from (path)): denied");
	hides("TMPDIR=/scratch/me", "TMPDIR=(path)");
	hides("h:5000/a/b:1: https://h/v2/a/b/manifests/1: the server answered 404, not found",
	      "h:5000/a/b:1: https://h/v2/a/b/manifests/1: the server answered 404, not found");
	hides("layer sha256:12: /: root is not a directory",
	      "layer sha256:12: /: root is not a directory");
	hides("layer sha256:12: ./a/../b: not allowed", "layer sha256:12: ./a/../b: not allowed");
	hides("very long ...spool/ducc/x: I/O error", "very long (path): I/O error");
	hides("aaaaaaaa...: whiteout without a name", "aaaaaaaa...: whiteout without a name");
	hides("and / or //", "and / or //");
	hides("/", "/");
	hides("", "");

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	hides_user("https://u:p@h.x/a: 404", "https://(hidden)@h.x/a: 404");
	hides_user("https://(hidden)@h.x/a", "https://(hidden)@h.x/a");
	hides_user("thin=http://u@h/a\tx=HTTPS://u:p@q@h:5000/b@c \"://u:@\"",
		   "thin=http://(hidden)@h/a\tx=HTTPS://(hidden)@h:5000/b@c \"://(hidden)@\"");
	hides_user("http://u:p/q@h/a http://u:x?q@h/a http://u:/p#q@h/a",
		   "http://(hidden)@h/a http://(hidden)@h/a http://(hidden)@h/a");
	hides_user("http://h:80/@scope/a http://[::1]/a@b",
		   "http://h:80/@scope/a http://[::1]/a@b");
	hides_user("docker://a:1@sha256:" HEX, "docker://a:1@sha256:" HEX);
	hides_user("docker://u:p@a@sha256:" HEX, "docker://(hidden)@a@sha256:" HEX);
	hides_user("https://h:x/a@sha256:" HEX " me@h", "https://h:x/a@sha256:" HEX " me@h");
	hides_user("h:80: a@b ://", "h:80: a@b ://");
	hides_user("", "");
	return done_testing();
}
