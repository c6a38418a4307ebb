#!/bin/sh
# Image references: what each form means, and which ones are refused before anybody is asked.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl nginx umoci

store=$tmp/store
make_image "$tmp/oci" app
record=$(ducc-fetch -q -s "$store" "oci:$tmp/oci:app")
hex=$(pinned "$record")
digest=sha256:$hex

# ducc-wish asks no registry: the forms can be seen as they are.
means() { # REFERENCE FULL-REFERENCE
	got=$(printf '%s\n' "$1@$digest" | ducc-wish 2>&1) || :
	is "$1 means $2" "${got%%	*}" "$2@$digest"
}
hub=https://registry.hub.docker.com
means alpine $hub/library/alpine
means alpine:3.19 $hub/library/alpine:3.19
means user/app:1 $hub/user/app:1
means docker.io/library/alpine:1 $hub/library/alpine:1
means docker.io/user/app:1 $hub/user/app:1
means registry.hub.docker.com/alpine:1 $hub/library/alpine:1
means quay.io/org/app:v1 https://quay.io/org/app:v1
means example.org:8080/a/b/c/d/e:1 https://example.org:8080/a/b/c/d/e:1
means registry:5000/app:1 https://registry:5000/app:1
means https://registry/app:1 https://registry/app:1
means http://example.org/app:1 http://example.org/app:1
means localhost/app:1 http://localhost/app:1
means localhost:5000/app:1 http://localhost:5000/app:1
means 127.0.0.1:5000/a/b:1 http://127.0.0.1:5000/a/b:1
means 127.1.2.3/app:1 http://127.1.2.3/app:1
means '[::1]:5000/app:1' 'http://[::1]:5000/app:1'
means https://127.0.0.1:5000/app:1 https://127.0.0.1:5000/app:1
means 127.0.0.1.example.org/app:1 https://127.0.0.1.example.org/app:1
means localhost.example.org/app:1 https://localhost.example.org/app:1
means Example.ORG/app:1 https://example.org/app:1
means example.org/a.b_c__d---e/f1:A_b.c-9 https://example.org/a.b_c__d---e/f1:A_b.c-9
long=$(printf '%0128d' 0)
means "example.org/app:$long" "https://example.org/app:$long"

start_nginx <<'END'
server { @LISTEN@ location / { return 404; } }
END
# Refused: status 1, one line on standard error that names it, nothing printed.
refused() { # REFERENCE
	status=0
	ducc-fetch -s "$store" "$1" >"$tmp/stdout" 2>"$tmp/stderr" || status=$?
	cat "$tmp/stdout" "$tmp/stderr"
	[ $status = 1 ] && [ ! -s "$tmp/stdout" ] && [ "$(wc -l <"$tmp/stderr")" = 1 ] &&
		grep -q '^ducc-fetch: ' "$tmp/stderr" && ! grep -q '[[:cntrl:]]' "$tmp/stderr"
}
tab=$(printf '\t')
r=$nginx
while IFS= read -r bad; do
	bad=$(printf '%b' "$bad")
	ok "refused: $(printf %s "$bad" | tr '\n\t\033' '?' | cut -c1-60)" refused "$bad"
done <<END
$r
$r/
$r//app
$r/app/
$r/app:
$r/app:tag:tag
$r/app:.tag
$r/app:-tag
$r/app:t ag
$r/app:t/ag
$r/app:${long}0
$r/App
$r/-app
$r/app_
$r/a..b
$r/a___b
$r/./app
$r/../app
$r/a/../b
$r/.flat/app
$r/..%2f..%2fapp
$r/app?x=y
$r/app#x
$r/app\nnext
$r/app\033[31m
$r/app@
$r/app@sha256:
$r/app@sha256:abc
$r/app@sha256:${hex}0
$r/app@sha256:A${hex#?}
$r/app@sha512:$hex
$r/app@$digest@$digest
$r/app@../../x
user@$r/app
http://user:password@$r/app
ftp://$r/app
file://$r/app
HTTP://
http://
http:///app
http://app
127.0.0.1:0/app
127.0.0.1:99999/app
127.0.0.1:port/app
127.0.0.1:/app
:5000/app
[::1/app
../app
/app
-
oci:
docker-archive:
END
ok "refused: an empty reference" refused ""
is "no registry was asked about a reference that isn't one" "$(requests)" ""

status=0
printf '%s\n' "$r/../x" "localhost/app@$digest${tab}key=value" "no${tab}equals sign" "" "# a comment" |
	ducc-fetch -s "$store" >"$tmp/stdout" 2>"$tmp/stderr" || status=$?
is "a bad record on standard input fails by itself" \
	"$status $(grep -c ^ducc-fetch: "$tmp/stderr") $(grep -c "$digest.*key=value" "$tmp/stdout")" "1 2 1"

for tool in ducc-fetch ducc-unpack ducc-publish; do
	repo=
	[ $tool = ducc-publish ] && repo="-r $tmp/repo"
	status=0
	# shellcheck disable=SC2086
	$tool -s "$store" $repo "$r/../../x@$digest" >"$out" 2>&1 || status=$?
	is "$tool refuses a reference that would escape when used as a path" "$status" 1
	status=0
	$tool -Z >"$out" 2>&1 || status=$?
	is "$tool: an unknown option is wrong usage" "$status" 2
	like "$tool: wrong usage shows the synopsis" "$(cat "$out")" "^usage: $tool "
	ok "$tool -h helps" $tool -h
	ok "$tool -V tells the version" $tool -V
	like "$tool -V names the tool" "$(cat "$out")" "^$tool [0-9]"
done

# Options: those of --help are those of the manual
PATH=$PATH:$top/scripts
for tool in ducc-convert $(cd "$top/cmd" && echo ducc-*.c | sed 's/\.c//g'); do
	ok "$tool --help helps" sh -c '"$1" --help 2>"$2"' - "$(command -v "$tool")" "$tmp/stderr"
	is "... on standard output" "$(head -n 1 "$out" | cut -d' ' -f-2)$(cat "$tmp/stderr")" "usage: $tool"
	is "... with the options of its manual" \
		"$(sed -nE 's/^  (-(.),)? +--([a-z-]+)(=[^ ]+)?( .*|$)/\2 \3 \4/p' "$out" | sed 's/=.*/=/' | sort)" \
		"$(sed -nE 's/^\.It (Fl (.) , )?Fl -([a-z-]+)( .*)?$/\2 \3 \4/p' "$top/man/$tool.1" | sed 's/  .*/ =/' | sort)"
	is "... in lines that fit on a terminal" "$(grep -cE '.{81}' "$out")" 0
	sed -nE 's/^  (-(.),)? +--([a-z-]+).*/\3 \2/p' "$out" >>"$tmp/options"
	is "... as --version says what it is" "$("$tool" --version | sed 's/ [0-9].*//')" "$tool"
	fails "$tool with another option" "$tool" --nonsense
	like "... names it" "$(cat "$out")" "^$tool: .*option '--nonsense'"
	fails "... that has a letter only" "$tool" -Z
	like "... names it, too" "$(cat "$out")" "^$tool: .*option -- 'Z'"
done
is "an option has the same letter in all tools" "$(sort -u "$tmp/options" | cut -d' ' -f1 | uniq -d)" ""
is "nothing was made outside of store and repository" "$(find "$tmp" -name x)" ""

done_testing
