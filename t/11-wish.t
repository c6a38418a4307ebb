#!/bin/sh
# ducc-wish: what recipes and plain lists mean, wildcards, and what becomes of them on a registry's bad day.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry htpasswd jq nginx openssl skopeo umoci

tab=$(printf '\t')
hub=https://registry.hub.docker.com
hex=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

# wish ARGUMENT...: run it; leaves $tmp/records, $tmp/said and $status.
wish() {
	status=0
	ducc-wish "$@" >"$tmp/records" 2>"$tmp/said" || status=$?
}
wished() { # the records, their fields separated by blanks
	tr '\t' ' ' <"$tmp/records"
}

# Recipes
cat >"$tmp/recipe.yaml" <<'END'
# Three images.
version: 1
user: cvmfsunpacker
cvmfs_repo: 'unpacked.example.org'
output_format: '$(scheme)://gitlab.example.org/unpacked/sync/$(image)'
input:
    - 'https://registry.hub.docker.com/library/centos:centos7'
    - "https://registry.example.org:5005/group/sub/htcondor-wn:latest"
    - alpine
    - 'docker.io/library/centos:centos7'   # the first one again
END
wish "$tmp/recipe.yaml"
is "a recipe: one record per image, in order, each once" "$(wished)" "\
$hub/library/centos:centos7 repo=unpacked.example.org thin=https://gitlab.example.org/unpacked/sync/library/centos:centos7 user=cvmfsunpacker
https://registry.example.org:5005/group/sub/htcondor-wn:latest repo=unpacked.example.org thin=https://gitlab.example.org/unpacked/sync/group/sub/htcondor-wn:latest user=cvmfsunpacker
$hub/library/alpine:latest repo=unpacked.example.org thin=https://gitlab.example.org/unpacked/sync/library/alpine:latest user=cvmfsunpacker"
is "... and nothing is said" "$status $(cat "$tmp/said")" "0 "
cp "$tmp/records" "$tmp/want"
wish <"$tmp/recipe.yaml"
ok "without operands it is standard input that counts" cmp "$tmp/records" "$tmp/want"
wish - <"$tmp/recipe.yaml"
ok "... which may be called -" cmp "$tmp/records" "$tmp/want"
mkfifo "$tmp/fifo"
cat "$tmp/recipe.yaml" >"$tmp/fifo" &
wish "$tmp/fifo"
wait $!
ok "... and a fifo will do" cmp "$tmp/records" "$tmp/want"
wish -r ./repo "$tmp/recipe.yaml"
is "-r overrides the repository" "$(grep -c "${tab}repo=./repo$tab" "$tmp/records")" 3
DUCC_REPO=elsewhere ducc-wish "$tmp/recipe.yaml" >"$tmp/records"
is "... and so does DUCC_REPO" "$(grep -c "${tab}repo=elsewhere$tab" "$tmp/records")" 3
wish "$tmp/recipe.yaml" "$tmp/recipe.yaml"
ok "an image of two lists comes once" cmp "$tmp/records" "$tmp/want"
printf 'version: 1\ncvmfs_repo: other\ninput: [alpine]\n' >"$tmp/other.yaml"
wish "$tmp/recipe.yaml" "$tmp/other.yaml"
is "... but once for each repository" "$(grep -c "^$hub/library/alpine:latest$tab" "$tmp/records")" 2

# Thin images
thin() { # FORMAT IMAGE: the thin image's name
	printf "version: 1\noutput_format: '%s'\ninput: ['%s']\n" "$1" "$2" >"$tmp/thin.yaml"
	wish "$tmp/thin.yaml"
	sed -n 's/.*\tthin=\([^\t]*\).*/\1/p' "$tmp/records"
}
image=http://example.org:80/a/b:1
x=http://thin.org/x
is "\$(scheme)" "$(thin '$(scheme)://thin.org/x:1' $image)" $x:1
is "\$(registry)" "$(thin 'http://$(registry)/x:1' $image)" http://example.org:80/x:1
is "\$(repository)" "$(thin 'http://thin.org/x/$(repository):1' $image)" $x/a/b:1
is "\$(tag)" "$(thin 'http://thin.org/x:$(tag)-thin' $image)" $x:1-thin
is "\$(reference)" "$(thin 'http://thin.org/x$(reference)' $image)" $x:1
is "\$(image)" "$(thin 'http://thin.org/x/$(image)' $image)" $x/a/b:1
is "\$(digest) is empty where there is none" "$(thin 'http://thin.org/x:1$(digest)' $image)" $x:1
is "all of them at once, and a dollar sign" "$(thin '$(scheme)://$(registry)/$(repository)/$(repository):$(tag)$(tag)' $image)" \
	http://example.org:80/a/b/a/b:11
is "a thin image has no digest of its image's" "$(thin 'http://thin.org/$(image)' "$image@sha256:$hex")" http://thin.org/a/b:1
is "... which is its tag if there is no other" "$(thin 'http://thin.org/$(image)' "http://example.org/a@sha256:$hex")" \
	"http://thin.org/a:sha256-$hex"
is "... as \$(tag) too" "$(thin 'http://thin.org/x:$(tag)' "http://example.org/a@sha256:$hex")" "$x:sha256-$hex"
printf 'version: 1\ninput: [quay.io/a/b:1]\n' >"$tmp/default.yaml"
wish "$tmp/default.yaml"
is "the default format" "$(wished)" "https://quay.io/a/b:1 thin=https://quay.io/a/b_thin:1"
is "a thin image that can't be called so is an error of that line" "$(thin 'http://thin.org/$(tag)/$(image)' quay.io/a:A_b)" ""
like "... which names it" "$(cat "$tmp/said")" "^ducc-wish: $tmp/thin.yaml: line 3: quay.io/a:A_b: thin image http://thin.org/A_b/a:A_b: not a repository"
for bad in '$(nonsense)' '$(tag' '$()'; do
	thin "http://thin.org/x:$bad" $image >/dev/null
	like "output_format with $bad is an error that names its line" "$status $(cat "$tmp/said")" \
		"^1 ducc-wish: $tmp/thin.yaml: line 2: output_format: .*variable"
done

# Thin images of a repository that is a directory, which means nothing on other hosts
printf 'version: 1\ncvmfs_repo: /srv/images\nuser: me\ninput: [quay.io/a/b:1]\n' >"$tmp/directory.yaml"
wish "$tmp/directory.yaml"
is "in a directory, there are no thin images" "$status $(wished)" "0 https://quay.io/a/b:1 repo=/srv/images"
wish -r unpacked.example.org "$tmp/directory.yaml"
is "... but in CernVM-FS" "$(wished)" "https://quay.io/a/b:1 repo=unpacked.example.org thin=https://quay.io/a/b_thin:1 user=me"
echo 'output_format: "http://thin.org/$(image)"' >>"$tmp/directory.yaml"
wish "$tmp/directory.yaml"
is "... unless the recipe has a name for them" "$(wished)" "https://quay.io/a/b:1 repo=/srv/images thin=http://thin.org/a/b:1 user=me"

# Two thin images of one name
cat >"$tmp/same.yaml" <<'END'
version: 1
output_format: 'https://thin.org/$(repository)'
input: [quay.io/a:2, quay.io/b:1, quay.io/a:1, quay.io/c:1, ghcr.io/b:1, quay.io/a:2, quay.io/a:1, 'http://quay.io/c:1']
END
wish "$tmp/same.yaml"
is "of images with the same name for their thin images, the first has one" "$status $(wished)" "1 \
https://quay.io/a:2 thin=https://thin.org/a:latest
https://quay.io/b:1 thin=https://thin.org/b:latest
https://quay.io/a:1
https://quay.io/c:1 thin=https://thin.org/c:latest
https://ghcr.io/b:1
http://quay.io/c:1 thin=https://thin.org/c:latest"
is "... the others are named, with it" "$(cat "$tmp/said")" "\
ducc-wish: $tmp/same.yaml: line 3: quay.io/a:1: no thin image: its name, thin.org/a:latest, is that of quay.io/a:2
ducc-wish: $tmp/same.yaml: line 3: ghcr.io/b:1: no thin image: its name, thin.org/b:latest, is that of quay.io/b:1
ducc-wish: $tmp/same.yaml: line 3: quay.io/a:1: no thin image: its name, thin.org/a:latest, is that of quay.io/a:2"
printf 'version: 1\ncvmfs_repo: %s\ninput: [quay.io/a:1]\n' one >"$tmp/one.yaml"
sed s/one/two/ "$tmp/one.yaml" >"$tmp/two.yaml"
wish "$tmp/one.yaml" "$tmp/two.yaml"
is "... as of one image in two repositories" "$status $(wished)" "1 https://quay.io/a:1 repo=one thin=https://quay.io/a_thin:1
https://quay.io/a:1 repo=two"
like "..." "$(cat "$tmp/said")" "quay.io/a:1 in two: no thin image: its name, quay.io/a_thin:1, is that of quay.io/a:1 in one$"
printf '%s\n' "quay.io/a:1${tab}thin=thin.org/x" "quay.io/a:2${tab}thin=https://thin.org/x:latest" >"$tmp/list"
wish "$tmp/list"
is "... and on a plain list" "$status $(wished)" "1 https://quay.io/a:1 thin=thin.org/x
https://quay.io/a:2"

# YAML
wish - <<'END'
%YAML 1.1
---
{version: 1, "cvmfs_repo": &r r, user: ~, input: [&a quay.io/a, quay.io/b, *a, 'quay.io/c:1'], comment: *r}
...
END
is "YAML in another style, with anchors" "$(cut -f1,2 "$tmp/records")" "https://quay.io/a:latest${tab}repo=r
https://quay.io/b:latest${tab}repo=r
https://quay.io/c:1${tab}repo=r"
is "... an unknown key is worth a warning" "$status $(cat "$tmp/said")" "0 ducc-wish: warning: standard input: line 3: unknown key comment"
# recipe_error TITLE PATTERN: the recipe on standard input fails as a whole.
recipe_error() {
	cat >"$tmp/bad.yaml"
	wish "$tmp/bad.yaml"
	is "refused: $1" "$status $(cat "$tmp/records")" "1 ?${tab}incomplete=yes"
	like "... with file and cause" "$(cat "$tmp/said")" "^ducc-wish: $tmp/bad.yaml: $2"
	is "... in one line" "$(wc -l <"$tmp/said")" 1
}
recipe_error "another version" 'line 1: unknown version 2$' <<'END'
version: 2
input: [alpine]
END
recipe_error "no version" 'version is missing$' <<'END'
input: [alpine]
END
recipe_error "a version that is none" 'line 1: version is not a number$' <<'END'
version: [1]
input: [alpine]
END
recipe_error "no input" 'input is missing$' <<'END'
version: 1
END
printf 'version: 1\ninputs: [alpine]\noutput_format: x\n' >"$tmp/bad.yaml"
wish "$tmp/bad.yaml"
is "a key that is misspelt is unknown, and missing" "$status $(cat "$tmp/said")" "1 ducc-wish: warning: $tmp/bad.yaml: line 2: unknown key inputs
ducc-wish: $tmp/bad.yaml: input is missing"
recipe_error "an input that is no list" 'line 2: input is not a list$' <<'END'
version: 1
input: alpine
END
recipe_error "an input with nothing but comments" 'line 2: input is not a list$' <<'END'
version: 1
input:
#    - alpine
END
recipe_error "a user that is no text" 'line 2: user is not a string$' <<'END'
version: 1
user: {name: me}
input: [alpine]
END
recipe_error "a repository that is two fields" 'line 2: cvmfs_repo is not a string$' <<'END'
version: 1
cvmfs_repo: "a\tthin=b"
input: [alpine]
END
recipe_error "a text with a NUL" 'line 2: output_format is not a string$' <<'END'
version: 1
output_format: "https://thin.org/$(image)\0x"
input: [alpine]
END
recipe_error "a key twice" 'line 3: input already set on line 2$' <<'END'
version: 1
input: [alpine]
input: [debian]
END
recipe_error "a list" 'line 1: expected a mapping$' <<'END'
- version: 1
- input: [alpine]
END
recipe_error "two documents" 'line 3: more than one document$' <<'END'
version: 1
input: [alpine]
---
version: 1
input: [debian]
END
recipe_error "what is not YAML" 'line 3: not YAML: ' <<'END'
version: 1
input:
	- alpine
END
recipe_error "quotes that don't end" 'line [0-9]*: not YAML: ' <<'END'
version: 1
input: ['alpine]
END
printf 'version: 1\ninput: [\377\376]\n' >"$tmp/latin"
recipe_error "what is not Unicode" 'byte [0-9]*: ' <"$tmp/latin"
perl -e 'print "version: 1\ninput: ", "[" x 100000' >"$tmp/deep"
recipe_error "a tower of brackets" 'line 2: nested too deeply$' <"$tmp/deep"
perl -e 'print "version: 1\ninput:\n"; print "- &a$_ x\n" for 1 .. 200000' >"$tmp/anchors"
recipe_error "a sea of anchors" 'line [0-9]*: too many anchors$' <"$tmp/anchors"
perl -e 'print "version: 1\nx0: &x0 [a, a]\n"; print "x$_: &x$_ [*x", $_ - 1, ", *x", $_ - 1, "]\n" for 1 .. 60; print "input: *x60\n"' >"$tmp/laughs"
wish "$tmp/laughs"
is "a bomb of aliases is no list of images" "$status $(grep -c ': not a string$' "$tmp/said")" "1 2"
perl -e 'print "version: 1\ninput:\n", "- alpine\n" x 500000' >"$tmp/huge"
recipe_error "more than 4 MiB" 'more than 4194304 bytes$' <"$tmp/huge"
awk 'BEGIN { for (i = 0; i < 60000; i++) print "https://registry.example.org/group/project/build-job/app:" i "-0123456789abcdef" }' >"$tmp/pushes"
echo 'https://registry.example.org/group/wanted:1' | tee "$tmp/wanted" >>"$tmp/pushes"
ok "... which a file of pushes may have" [ "$(stat -c %s "$tmp/pushes")" -gt 4194304 ]
wish -m "$tmp/pushes" "$tmp/wanted"
is "... all of which count" "$status $(cat "$tmp/records" "$tmp/said")" "0 https://registry.example.org/group/wanted:1"
wish "$tmp/nowhere" "$tmp/other.yaml"
is "a list that isn't there doesn't hold up the others" "$status $(cut -f1 "$tmp/records" | tr '\n' ' ')" \
	"1 $hub/library/alpine:latest ? "
is "... and is named" "$(cat "$tmp/said")" "ducc-wish: $tmp/nowhere: No such file or directory"
: >"$tmp/empty"
recipe_error "nothing" 'empty list$' <"$tmp/empty"
wish - <<'END'
version: 1
input: []
END
is "... but none may be wanted" "$status $(cat "$tmp/records" "$tmp/said")" "0 "

# Lines that are bad by themselves
wish - <<END
version: 1
input:
    - alpine
    - quay.io/../x:1
    - {quay.io/a: 1}
    - "quay.io/a:1\\tthin=x"
    -
    - oci:/some/dir
    - quay.io/b
END
is "bad lines fail by themselves" "$status $(cut -f1 "$tmp/records" | tr '\n' ' ')" "1 $hub/library/alpine:latest https://quay.io/b:latest ? "
is "... each with its line and cause" "$(cat "$tmp/said")" "\
ducc-wish: standard input: line 4: quay.io/../x:1: not a repository: ../x
ducc-wish: standard input: line 5: not a string
ducc-wish: standard input: line 6: not a string
ducc-wish: standard input: line 7: not a string
ducc-wish: standard input: line 8: oci:/some/dir: not a registry: oci:"

# Plain lists
printf '%s\n' '' '# a comment' 'alpine' '  debian:12  # the current one' '#no' "quay.io/a/b:1${tab}platform=linux/arm64${tab}repo=mine" \
	'quay.io/Bad:1' "alpine@sha256:$hex" "nonsense${tab}field" >"$tmp/list"
printf 'ubuntu:22.04\r\nlast' >>"$tmp/list"
wish "$tmp/list"
is "a plain list" "$(wished)" "\
$hub/library/alpine:latest
$hub/library/debian:12
https://quay.io/a/b:1 platform=linux/arm64 repo=mine
$hub/library/alpine@sha256:$hex
$hub/library/ubuntu:22.04
$hub/library/last:latest
? incomplete=yes"
is "... its errors name file and line" "$status $(cat "$tmp/said")" "1 \
ducc-wish: $tmp/list: line 7: quay.io/Bad:1: not a repository: Bad (must be lower case)
ducc-wish: $tmp/list: line 9: nonsense: field: field is not key=value"
wish -r unpacked.example.org "$tmp/list"
is "... -r says where to" "$(grep -c "${tab}repo=unpacked.example.org$" "$tmp/records")" 6
printf '\357\273\277%s\n' alpine debian:12 | sed '2s/^...//' >"$tmp/marked"
wish "$tmp/marked"
is "... a byte order mark is no part of it" "$status $(cat "$tmp/records" "$tmp/said")" "0 $hub/library/alpine:latest
$hub/library/debian:12"
printf '\357\273\277version: 1\ninput: [alpine]\n' >"$tmp/marked"
wish "$tmp/marked"
is "... nor of a recipe" "$status $(cut -f1 "$tmp/records")" "0 $hub/library/alpine:latest"
printf 'alpine\0\n' >"$tmp/nul"
recipe_error "a list with a NUL" 'neither a recipe nor a list$' <"$tmp/nul"
awk 'BEGIN {
	for (i = 0; i < 20000; i++) {
		if (i % 7 == 0) print "# group " i
		if (i % 5 == 0) print "registry.example.org/group" i % 11 "/image" i
		else if (i % 5 == 1) print "org" i % 13 "/image" i ":v" i
		else if (i % 5 == 2) print "image" i ":latest # official"
		else if (i % 5 == 3) print "\tghcr.io/a/b/c/image" i ":1.0"
		else print "image" i - 2 
	}
}' >"$tmp/large"
awk -v hub=$hub 'BEGIN {
	for (i = 0; i < 20000; i++) {
		if (i % 5 == 0) print "https://registry.example.org/group" i % 11 "/image" i ":latest"
		if (i % 5 == 1) print hub "/org" i % 13 "/image" i ":v" i
		if (i % 5 == 2) print hub "/library/image" i ":latest"
		if (i % 5 == 3) print "https://ghcr.io/a/b/c/image" i ":1.0"
	}
}' >"$tmp/want"
wish "$tmp/large"
ok "a large list comes out as it should" cmp "$tmp/records" "$tmp/want"
perl -e 'print "registry.example.org/app:1\t", join "\t", map { sprintf "%x=", $_ } 1 .. 400000' >"$tmp/list"
sed '1s|^|https://|' "$tmp/list" >"$tmp/want"
echo >>"$tmp/want"
status=0
timeout 300 ducc-wish "$tmp/list" >"$tmp/records" || status=$?
is "a line with very many fields" "$status" 0
ok "... comes out as it should" cmp "$tmp/records" "$tmp/want"
printf '\t1=' >>"$tmp/list"
fails "... unless two are the same" timeout 300 ducc-wish "$tmp/list"
like "... which is said" "$(cat "$out")" "^ducc-wish: $tmp/list: line 1: .*duplicate field 1="

# Lists from a server: all of the list, or nothing
start_raw "$tmp/raw"
list_answers() { # NAME STATUS-LINE-AND-HEADERS BODY, both for printf
	printf "%b\r\n%b" "$2" "$3" >"$raw/$1"
}
length() { # BODY
	printf %b "$1" | wc -c
}
list='quay.io/org/app:1.0\nquay.io/org/app:1.1\n'
recipe='version: 1\ninput:\n- quay.io/org/app:1.0\n- quay.io/org/app:1.1\n'
list_answers length "HTTP/1.0 200 OK\r\nContent-Length: $(length "$list")\r\n" "$list"
list_answers bare "HTTP/1.1 200 OK\r\nContent-Length: $(length "${list%??}")\r\n" "${list%??}"
list_answers recipe "HTTP/1.1 200 OK\r\nContent-Length: $(length "$recipe")\r\n" "$recipe"
list_answers chunks 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n' '14\r\nquay.io/org/app:1.0\n\r\n14\r\nquay.io/org/app:1.1\n\r\n0\r\n\r\n'
for whole in length bare recipe chunks; do
	wish "http://$server/$whole"
	is "a whole list from a server: $whole" "$status $(cut -f 1 "$tmp/records" | tr '\n' ' ')" "0 https://quay.io/org/app:1.0 https://quay.io/org/app:1.1 "
done
list_answers word 'HTTP/1.0 200 OK\r\n' "${list%.1??}"
list_answers line 'HTTP/1.1 200 OK\r\nConnection: close\r\n' "$list"
list_answers mapping 'HTTP/1.1 200 OK\r\nConnection: close\r\n' "$recipe"
list_answers nothing 'HTTP/1.1 200 OK\r\nConnection: close\r\n' ''
printf 'HTTP/1.1 200 OK\r\nServer: x\r\n' >"$raw/header"
printf 'HTTP/1.1 200 OK\r\nContent-Length: 40\r\n' >"$raw/size"
list_answers chunk 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n' '14\r\nquay.io/org/app:1.0\n\r\n'
list_answers part 'HTTP/1.1 206 Partial Content\r\nContent-Length: 20\r\nContent-Range: bytes 0-19/40\r\n' 'quay.io/org/app:1.0\n'
list_answers none 'HTTP/1.1 204 No Content\r\n' ''
for cut in word line mapping nothing header size chunk part none; do
	wish "http://$server/$cut"
	is "a list that may be cut off: $cut" "$status $(wished)" "1 ? incomplete=yes"
	like "... is named" "$(cat "$tmp/said")" "^ducc-wish: http://$server/$cut: "
done

# Wildcards
make_image "$tmp/oci" app
start_registry open
push "$tmp/oci:app" "$registry/team/app:1.0"
manifest_of "$registry/team/app:1.0" >"$tmp/manifest"
tags='1.1 1.10 2.0 2.0-rc1 latest stable-1'
for t in $tags; do
	put_manifest "$registry" team/app "$t" application/vnd.oci.image.manifest.v1+json "$tmp/manifest"
done
# Line ends of other systems
for list in "$registry/team/app:1.0" "$registry/team/app:1.1	platform=linux/amd64" "# both" ""; do
	printf '%s\r\n' "$list"
done >"$tmp/crlf"
wish "$tmp/crlf"
is "a list with CRLF" "$status $(wished)" "0 http://$registry/team/app:1.0
http://$registry/team/app:1.1 platform=linux/amd64"
wish -m "$tmp/crlf" "$tmp/crlf"
is "... of news, too" "$status $(wished)" "0 http://$registry/team/app:1.0
http://$registry/team/app:1.1 platform=linux/amd64"
is "... and as records" "$(ducc-fetch -q -n -s "$tmp/no-store" <"$tmp/crlf" 2>"$tmp/said" | cut -f 1 | cut -d @ -f 1 | sort)" "
# both
http://$registry/team/app:1.0
http://$registry/team/app:1.1"
{ printf 'version: 1\r\nuser: |-\r\n  me\r\ncvmfs_repo: r\r\noutput_format: "https://thin.org/$(image)"\r\ninput:\r\n'; sed '3,$d; s/^/  - /; s/[	].*/\r/' "$tmp/crlf"; } >"$tmp/crlf.yaml"
wish "$tmp/crlf.yaml"
is "... a recipe" "$status $(wished | head -n 1)" "0 http://$registry/team/app:1.0 repo=r thin=https://thin.org/team/app:1.0 user=me"
printf '%s\r' "$registry/team/app:1.0" "$registry/team/app:1.1" >"$tmp/cr"
wish "$tmp/cr"
like "... with nothing but carriage returns" "$status $(cat "$tmp/said")" "^1 ducc-wish: $tmp/cr: line 1: .*carriage return"

app=team/app
expands() { # PATTERN TAGS...: in the repository $app
	pattern=$1
	shift
	echo "$registry/$app:$pattern" >"$tmp/list"
	wish "$tmp/list"
	is "$pattern means $*" "$(sed "s,http://$registry/$app:,,; s,${tab}wildcard=yes$,," "$tmp/records" | sort | tr '\n' ' ')" \
		"$(printf '%s\n' "$@" | sort | tr '\n' ' ')"
}
expands '1.*' 1.0 1.1 1.10
expands '1.1*' 1.1 1.10
expands '*-*' 2.0-rc1 stable-1
expands '*' 1.0 1.1 1.10 2.0 2.0-rc1 latest stable-1
expands '2*0' 2.0
expands 'la*test' latest
echo "$registry/team/app:3.*" >"$tmp/list"
wish "$tmp/list"
is "a wildcard without a match wants nothing" "$status $(cat "$tmp/records")" "0 "
is "... which is worth a warning" "$(cat "$tmp/said")" \
	"ducc-wish: warning: $tmp/list: line 1: $registry/team/app:3.*: no tag matches"
cat >"$tmp/wild.yaml" <<END
version: 1
cvmfs_repo: r
user: me
output_format: 'https://thin.org/\$(image)'
input:
    - $registry/team/app:1.1*
    - $registry/team/app:latest
    - $registry/team/app:*1
END
wish "$tmp/wild.yaml"
is "in a recipe each tag has its thin image; none comes twice" "$(wished)" "\
http://$registry/team/app:1.1 repo=r thin=https://thin.org/team/app:1.1 user=me wildcard=yes
http://$registry/team/app:1.10 repo=r thin=https://thin.org/team/app:1.10 user=me wildcard=yes
http://$registry/team/app:latest repo=r thin=https://thin.org/team/app:latest user=me
http://$registry/team/app:2.0-rc1 repo=r thin=https://thin.org/team/app:2.0-rc1 user=me wildcard=yes
http://$registry/team/app:stable-1 repo=r thin=https://thin.org/team/app:stable-1 user=me wildcard=yes"
clear_log "$registry_log"
wish -n "$tmp/wild.yaml"
is "-n expands nothing" "$status $(cut -f1 "$tmp/records" | tr '\n' ' ')" \
	"0 http://$registry/team/app:1.1* http://$registry/team/app:latest http://$registry/team/app:*1 "
is "... asks nobody" "$(read_log "$registry_log")" ""
is "... and says so" "$(sort -u "$tmp/said")" "ducc-wish: would list the tags of $registry/team/app"

# Exclusions
cat >"$tmp/without" <<END
!$registry/team/app:*-*    # release candidates and the like
$registry/team/app:*
! docker://$registry/team/app:1.1
alpine
debian:12
!debian:12
!http://$registry/team/app:9
END
wish -v "$tmp/without"
tags() {
	cut -f1 "$tmp/records" | sed 's/.*://' | xargs
}
is "excluded images are not wanted" "$status $(tags)" "0 1.0 1.10 2.0 latest latest"
is "... which -v says" "$(sed -n "s,.*/without: line \\([0-9]*\\) excludes .*:,\\1 ,p" "$tmp/said" | sort)" "1 2.0-rc1
1 stable-1
3 1.1
6 12"
is "... and which exclusion does nothing" "$(sed -n "s,.*/without: line \\([0-9]*\\) excludes no .*,\\1,p" "$tmp/said")" 7
printf 'version: 1\ninput:\n    - "!%s:1.*"\n    - "%s:*0"\n' "$registry/team/app" "$registry/team/app" >"$tmp/without.yaml"
wish "$tmp/without.yaml"
is "... nor in a recipe" "$status $(tags)" "0 2.0"
echo "$registry/team/app:1.1" >"$tmp/other"
wish "$tmp/without.yaml" "$tmp/other"
is "... but in another list" "$status $(tags)" "0 2.0 1.1"
sed "s,^\([^!]\),http://\1," "$tmp/other" >"$tmp/pushed"
wish -m "$tmp/pushed" "$tmp/without"
is "... nor when they are pushed" "$status $(cat "$tmp/records")" "0 "

# Each exclusion excludes just what it says, or nothing of the list is wanted: an image that was taken down must not come back.
# excludes WANTED WHAT: of three images, by $tmp/list; none: the list is refused.
excludes() {
	wish "$tmp/list"
	if [ "$1" = none ]; then
		is "refused: $2" "$status $(cut -f 1 "$tmp/records")" "1 ?"
		like "... which names the line" "$(cat "$tmp/said")" "^ducc-wish: $tmp/list: (line|byte) [0-9]+: "
		is "... only that" "$(wc -l <"$tmp/said")" 1
	else
		is "obeyed: $2" "$status $(tags)" "0 $1"
	fi
}
three() { # BEFORE
	printf "$1%s\n" quay.io/a/b:1 quay.io/a/b:2 alpine
}
# shellcheck disable=SC2059 # escapes
while IFS='|' read -r wanted what; do
	{ three '' && printf "$what\n"; } >"$tmp/list"
	excludes "$wanted" "$what"
	sed -i 's/$/\r/' "$tmp/list"
	excludes "$wanted" "$what, with CRLF"
	{ printf "\357\273\277$what\n" && three ''; } >"$tmp/list"
	excludes "$wanted" "$what, after a byte order mark"
done <<'END'
2 latest|!quay.io/a/b:1
2 latest|! quay.io/a/b:1
2 latest|!\tquay.io/a/b:1
2 latest|  !quay.io/a/b:1 \t
2 latest|!quay.io/a/b:1  # taken down
2 latest|!docker://quay.io/a/b:1
2 latest|!https://quay.io/a/b:1
2 latest|!http://quay.io/a/b:1
2 latest|!QUAY.IO/a/b:1
2 latest|!quay.io/a/b:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
2 latest|!quay.io/a/b:1\tplatform=linux/arm64
latest|!quay.io/a/b:*
latest|!quay.io/a/b:*\n!quay.io/a/b:1
1 2 latest|!quay.io/a/b:3*
1 2 latest|!quay.io/a/b
1 2|!alpine
1 2|!docker.io/library/alpine:latest
1 2|!index.docker.io/library/alpine
1 2 latest|# !quay.io/a/b:1
none|!
none|! \t
none|!#quay.io/a/b:1
none|! # quay.io/a/b:1
none|!!quay.io/a/b:1
none|! !quay.io/a/b:1
none|!!str quay.io/a/b:1
none|x !quay.io/a/b:1
none|x!quay.io/a/b:1
none|(!quay.io/a/b:1)
none|!'quay.io/a/b:1'
none|quay.io/a/b:1!
none|not quay.io/a/b:1!
none|!quay.io/a/B:1
none|!quay.io/A/b:1
none|!quay.io/*/b:1
none|!quay.io/a/*
none|!quay.io/a/*:1
none|!*
none|!*:1
none|!quay.io/a/b:1:2
none|!quay.io/a/b:1,2
none|!quay.io/a/b:[12]
none|!quay.io/a/b:1?
none|!quay.io/a/b:1 quay.io/a/b:2
none|!quay.io/a/b:1;
none|!quay.io/a/b@sha256:0123
none|!quay.io/a/b/
none|!quay.io/
none|!quay.io/a/b:1\tfield
none|!docker:quay.io/a/b:1
none|!oci:/some/dir
none|!quay.io/a/b:1\r!quay.io/a/b:2
none|quay.io/a/c\r!quay.io/a/b:1
none|\302\240!quay.io/a/b:1
none|!\302\240quay.io/a/b:1
END
# shellcheck disable=SC2059
while IFS='|' read -r wanted what; do
	{ printf 'version: 1\ninput:\n' && three '  - ' && printf "  - $what\n"; } >"$tmp/list"
	excludes "$wanted" "$what"
	sed -i 's/$/\r/' "$tmp/list"
	excludes "$wanted" "$what, with CRLF"
	{ printf '\357\273\277version: 1\ninput:\n' && printf "  - $what\n" && three '  - '; } >"$tmp/list"
	excludes "$wanted" "$what, at the beginning"
done <<'END'
2 latest|'!quay.io/a/b:1'
2 latest|"!quay.io/a/b:1"
2 latest|"! quay.io/a/b:1"
2 latest|'!quay.io/a/b:1'  # taken down
2 latest|"\\x21quay.io/a/b:1"
2 latest|'!quay.io/a/b:1' \t
2 latest|>-\n    !quay.io/a/b:1
2 latest|"!quay.io/\\\n    a/b:1"
latest|'!quay.io/a/b:*'
1 2 latest|quay.io/a/b:1 #!quay.io/a/b:1
none|!quay.io/a/b:1
none|! quay.io/a/b:1
none|! 'quay.io/a/b:1'
none|!'quay.io/a/b:1'
none|!
none|!x quay.io/a/b:1
none|!!str quay.io/a/b:1
none|!!str '!quay.io/a/b:1'
none|!<x> quay.io/a/b:1
none|!quay.io/a/b:*
none|!quay.io/a/b:1 # taken down
none|[!quay.io/a/b:1]
none|['!quay.io/a/b:1']
none|{!quay.io/a/b:1}
none|{'!quay.io/a/b:1'}
none|'!quay.io/a/b:1':
none|'!quay.io/a/b:1': taken down
none|!quay.io/a/b:1: taken down
none|&a !quay.io/a/b:1
none|!x &a quay.io/a/b:1
none|- '!quay.io/a/b:1'
none|quay.io/a/c\n    !quay.io/a/b:1
none|"quay.io/a/c !quay.io/a/b:1"
none|' !quay.io/a/b:1'
none|'!quay.io/a/b:1 '
none|"!quay.io/a/b:1\\n"
none|"!quay.io/a/b:1\\t"
none|"\\t!quay.io/a/b:1"
none|"!quay.io/a/b:1\\0"
none|"\\0!quay.io/a/b:1"
none|'!'
none|'! '
none|'!!quay.io/a/b:1'
none|'!quay.io/a/B:1'
none|'!quay.io/*:1'
none|'!docker:quay.io/a/b:1'
none|'!quay.io/a/b:1' '!quay.io/a/b:2'
none|'!quay.io/a/b:1
END
printf 'version: 1\ninput:\n    - !quay.io/a:1\n' >"$tmp/list"
wish "$tmp/list"
is "a tag in a recipe, with the remedy" "$(cat "$tmp/said")" \
	"ducc-wish: $tmp/list: line 3: !quay.io/a:1 is a tag: to exclude an image, quote it: '!NAME'"

# What lies beside images is not selected, unless it is spelled out; what is no image is skipped.
aside="sha256-$hex sha256-$hex.sig sha256-$hex.att sha256-$hex.sbom 1.1.sig"
jq -c '.config.mediaType = "application/vnd.cncf.helm.config.v1+json" | .layers[].mediaType = "application/x-helm"' "$tmp/manifest" >"$tmp/chart"
app=team/aside
push "$tmp/oci:app" "$registry/$app:1.1"
push "$tmp/oci:app" "$registry/$app:1.10"
for t in $aside 1.1-chart; do
	put_manifest "$registry" $app "$t" application/vnd.oci.image.manifest.v1+json "$tmp/chart"
done
expands '*' 1.1 1.1-chart 1.10
expands '1.1*' 1.1 1.1-chart 1.10
expands 'sha256-*' "sha256-$hex" "sha256-$hex.sig" "sha256-$hex.att" "sha256-$hex.sbom"
expands '*.sig' "sha256-$hex.sig" 1.1.sig
echo "$registry/$app:1.1*" >"$tmp/list"
status=0
ducc-wish "$tmp/list" | ducc-fetch -s "$tmp/store" >"$tmp/records" 2>"$tmp/said" || status=$?
is "what is no image among the tags of a wildcard is skipped" "$status $(sed 's/@.*//' "$tmp/records" | sort | tr '\n' ' ')" \
	"0 # not an image: http://$registry/$app:1.1-chart http://$registry/$app:1.1 http://$registry/$app:1.10 "
is "... with a warning" "$(cat "$tmp/said")" \
	"ducc-fetch: warning: http://$registry/$app:1.1-chart: skipped: manifest: an artifact, not a container image (config is application/vnd.cncf.helm.config.v1+json)"
fails "... by itself it is an error" ducc-fetch -s "$tmp/store" "$registry/$app:1.1-chart"

# Thin images beside their images
app=team/beside
push "$tmp/oci:app" "$registry/$app:1"
for t in 2 thin-1 thin-2 thin-thin-1 thin-3 x-7; do
	put_manifest "$registry" $app $t application/vnd.oci.image.manifest.v1+json "$tmp/manifest"
done
beside() { # FORMAT IMAGE...: the tags that are selected
	printf "version: 1\noutput_format: 'http://$registry/%s'\ninput:\n" "$1" >"$tmp/beside.yaml"
	shift
	printf "    - '%s'\n" "$@" >>"$tmp/beside.yaml"
	wish "$tmp/beside.yaml"
	echo "$status $(tags)"
}
is "thin images that the recipe names are not selected" "$(beside '$(repository):thin-$(tag)' "$registry/$app:*")" "0 1 2 thin-3 x-7"
is "... nor those of excluded images" "$(beside '$(repository):thin-$(tag)' "$registry/$app:*" "!$registry/$app:1")" "0 2 thin-3 x-7"
is "... or of images on another line" "$(beside 'team/beside:x-$(tag)' "$registry/$app:*-*" "$registry/other:7")" "0 thin-1 thin-2 thin-3 thin-thin-1 7"
is "... but those that are named" "$(beside '$(repository):thin-$(tag)' "$registry/$app:thin-1")" "0 thin-1"
is "a thin image that has the name of its image does not hide it" "$(beside '$(image)' "$registry/$app:*")" "0 1 2 thin-1 thin-2 thin-3 thin-thin-1 x-7"

# News: only images that records tell of
printf '%s\n' "http://$registry/team/app:1.7" "https://$registry/team/app:latest${tab}from=hook" "http://$registry/team/app:1.8${tab}event=delete" \
	"http://$registry/team/app:3.0" "http://$registry/team/other:1.1" "quay.io/a/b:1" "http://$registry/team/app@sha256:$hex" \
	"http://$registry/team/app:pinned" >"$tmp/news"
cp "$tmp/wild.yaml" "$tmp/newswild.yaml"
echo "    - $registry/team/app:pinned@sha256:$hex" >>"$tmp/newswild.yaml"
sed -i 's/1\.1\*/1.*/' "$tmp/newswild.yaml"
clear_log "$registry_log"
wish -m "$tmp/news" "$tmp/newswild.yaml"
is "-m: of the images in the records, those that are wished for" "$status $(wished)" "0 \
http://$registry/team/app:1.7 repo=r thin=https://thin.org/team/app:1.7 user=me wildcard=yes
http://$registry/team/app:latest repo=r thin=https://thin.org/team/app:latest user=me"
is "... no registry is asked" "$(read_log "$registry_log")" ""
wish -m - "$tmp/newswild.yaml" </dev/null
is "... there may be no news" "$status $(cat "$tmp/records" "$tmp/said")" "0 "
printf '%s\n' "quay.io/a/b:*" "$registry/team/app:latest" >"$tmp/news"
wish -m "$tmp/news" "$tmp/newswild.yaml"
is "... a bad record fails by itself" "$status $(cut -f1 "$tmp/records")" "1 http://$registry/team/app:latest"
like "... and is named" "$(cat "$tmp/said")" "^ducc-wish: $tmp/news: line 1: quay.io/a/b:\*: "
seq 60000 | sed 's|.*|https://registry.example.org/a&:1|' >"$tmp/news"
sed '0~2s|1$|*|' "$tmp/news" >"$tmp/list"
sed "0~2s|\$|${tab}wildcard=yes|" "$tmp/news" >"$tmp/want"
status=0
timeout 300 ducc-wish -m "$tmp/news" "$tmp/list" >"$tmp/records" || status=$?
is "... there may be many, and many wishes" "$status" 0
ok "... which are matched in the order of the wishes" cmp "$tmp/records" "$tmp/want"
wish -m "$tmp/nowhere" "$tmp/newswild.yaml"
is "... without the file nothing is new" "$status $(cut -f1 "$tmp/records")" "1 ?"

# A list in two pages, whose links to the next page have all the forms that registries give them, and none that can't be
# read is taken for the end: what is missing would be removed.
cat >"$tmp/forms" <<'END'
plain	</v2/plain/tags/list?p=2>; rel="next"
relative	<?p=2>; rel=next
absolute	<http://@ADDRESS@/v2/absolute/tags/list?p=2>;rel="next"
proxied	<https://registry.internal:8443/v2/proxied/tags/list?p=2>; rel="next"
list	</v2/list/tags/list?p=2>; rel="last next"
blanks	</v2/blanks/tags/list?p=2> ; rel = "next"
case	</v2/case/tags/list?p=2>; REL="NEXT"
several	</v2/several/tags/list?p=1>; rel="first", </v2/several/tags/list?p=2>; title="a, <b>"; rel="next"
comma	</v2/comma/tags/list?q=a,b&p=2>; rel=next; title="c"
bare	/v2/bare/tags/list?p=2; rel="next"
space	</v2/space/tags/list?q=a b&p=2>; rel="next"
END
cat >"$tmp/broken" <<'END'
unclosed	</v2/unclosed/tags/list?p=2; rel="next"
unquoted	</v2/unquoted/tags/list?p=2>; rel="next
nowhere	<http://:/>; rel="next"
END
{
	printf 'map $arg_p:$uri $link {\n'
	cat "$tmp/forms" "$tmp/broken" | sed "s,^\([^$tab]*\)$tab\(.*\),:/v2/\1/tags/list '\2';,"
	cat <<-'END'
		}
		map $arg_p $tags { 2 '"2","10"'; default '"3","1"'; }
		server {
			@LISTEN@
			default_type application/json;
			add_header Link $link;
			location /v2/ { return 200 '{"name":"x","tags":[$tags]}'; }
		}
	END
} >"$tmp/pages"
start_nginx <"$tmp/pages"
cut -f1 "$tmp/forms" | sed "s,.*,$nginx/&:*," >"$tmp/list"
wish "$tmp/list"
while read -r form link; do
	is "the next page is found, and tags are in order: $link" \
		"$(cut -f1 "$tmp/records" | sed -n "s,^http://$nginx/$form:,,p" | tr '\n' ' ')" "1 10 2 3 "
done <"$tmp/forms"
cut -f1 "$tmp/broken" | sed "s,.*,$nginx/&:*," >"$tmp/list"
wish "$tmp/list"
is "... or the wildcard stays" "$status $(sed "s,http://$nginx/,," "$tmp/records" | tr '\n' ' ')" "1 unclosed:* unquoted:* nowhere:* "
is "... and says why" "$(grep -c 'not expanded: tag list: malformed Link header: the list may be truncated' "$tmp/said")" 3

# One server with two names
printf 'http://%s:*\n' "localhost:${nginx#*:}/first" "$nginx/second" >"$tmp/list"
clear_log "$nginx_log"
wish -j 1 "$tmp/list"
is "registries are asked in the order of the list" "$(requests | cut -d/ -f3 | uniq | tr '\n' ' ')" "first second "

# Bad days: the wildcard stays in the list, the others go on.
good="$registry/team/app:1.1*"
dead_port
dead=127.0.0.1:$port
open_registry=$registry
start_registry htpasswd
denied=$registry
start_nginx <<'END'
server {
	@LISTEN@
	default_type application/json;
	location /v2/ { return 500; }
	location /v2/empty/ { return 200 '{"name":"empty","tags":[]}'; }
	location /v2/null/ { return 200 '{"name":"null","tags":null}'; }
	location /v2/html/ { return 200 '<html>maintenance</html>'; }
	location /v2/evil/ { return 200 '{"name":"evil","tags":["v1","v2\tthin=evil","v3\nevil/evil:1","v4/../..","v5 "]}'; }
}
END
cat >"$tmp/bad.yaml" <<END
version: 1
cvmfs_repo: r
input:
    - $dead/app:1*
    - $good
    - $denied/app:1*
    - $open_registry/team/none:*
    - $nginx/broken:1*
    - $nginx/empty:*
    - $nginx/null:v*
    - $nginx/html:v*
    - alpine
END
wish "$tmp/bad.yaml"
is "what can't be expanded stays as it is, with its repository; the others go on, in order" "$(cut -f1,2 "$tmp/records")" "\
http://$dead/app:1*${tab}repo=r
http://$open_registry/team/app:1.1${tab}repo=r
http://$open_registry/team/app:1.10${tab}repo=r
http://$denied/app:1*${tab}repo=r
http://$open_registry/team/none:*${tab}repo=r
http://$nginx/broken:1*${tab}repo=r
http://$nginx/empty:*${tab}repo=r
http://$nginx/null:v*${tab}repo=r
http://$nginx/html:v*${tab}repo=r
$hub/library/alpine:latest${tab}repo=r"
is "... without the name of a thin image that has a star in it" "$(grep -c 'thin=.*\*' "$tmp/records")" 0
is "... with status 1" "$status" 1
is "... and one line each, with its line" "$(sed 's/: not expanded: .*//' "$tmp/said")" "\
ducc-wish: $tmp/bad.yaml: line 4: $dead/app:1*
ducc-wish: $tmp/bad.yaml: line 6: $denied/app:1*
ducc-wish: $tmp/bad.yaml: line 7: $open_registry/team/none:*
ducc-wish: $tmp/bad.yaml: line 8: $nginx/broken:1*
ducc-wish: $tmp/bad.yaml: line 9: $nginx/empty:*
ducc-wish: $tmp/bad.yaml: line 10: $nginx/null:v*
ducc-wish: $tmp/bad.yaml: line 11: $nginx/html:v*"
for cause in 'line 4: .*[Cc]onnect' 'line 6: .*(401|[Uu]nauthori[sz]ed)' 'line 7: .*404' 'line 8: .*500' 'line 9: .*no tags' 'line 11: .*web page'; do
	like "... and the cause: $cause" "$(cat "$tmp/said")" "$cause"
done
echo "$nginx/evil:v*" >"$tmp/list"
wish "$tmp/list"
is "a registry can't smuggle in what is no tag" "$(grep -c 'evil:1\|thin=\|\.\.\|v5 ' "$tmp/records")" 0
ducc-wish -q "$tmp/bad.yaml" 2>"$tmp/said" | grep -v '/alpine:' | ducc-fetch -q -s "$tmp/store" >"$tmp/records" 2>>"$tmp/said" || :
is "downstream, the images that are known are fetched" "$(cut -f1 "$tmp/records" | sed 's/@.*//' | sort | tr '\n' ' ')" \
	"http://$open_registry/team/app:1.1 http://$open_registry/team/app:1.10 "
is "... and the wildcards are skipped" "$(grep -c '^ducc-fetch: .*ducc-wish' "$tmp/said") $(wc -l <"$tmp/said")" "7 14"

# Polite: one list per repository, one request at a time. nginx takes a second for each, and
# refuses a second one meanwhile.
mkdir "$tmp/polite"
printf '{"name":"x","tags":["1.0","1.1"],"padding":"%05000d"}' 0 >"$tmp/polite/tags"
start_nginx <<END
limit_conn_zone \$server_name zone=one:1m;
server {
	@LISTEN@
	default_type application/json;
	root $tmp/polite;
	location /v2/ { limit_conn one 1; limit_rate 4k; rewrite ^ /tags break; }
}
END
printf "$nginx/%s\n" 'a:1.*' 'b:1.*' 'a:*1' 'b:1.*' >"$tmp/list"
wish -j 8 "$tmp/list"
is "four wildcards in two repositories" "$status $(wc -l <"$tmp/records")" "0 4"
is "... are two lists" "$(requests | grep -v 'last=' | sed 's/?[^ ]*//' | cut -d' ' -f2 | tr '\n' ' ')" \
	"/v2/a/tags/list /v2/b/tags/list "
is "... and one request at a time" "$(requests | cut -d' ' -f3 | sort -u)" 200

# A registry that has ever more tags, one a page, slowly: it is left alone after a time, and the other lines go on
start_nginx <<END
server {
	@LISTEN@
	default_type application/json;
	root $tmp/polite;
	location /v2/ {
		limit_rate 4k;
		add_header Link '</v2/endless/tags/list?after=\$request_id>; rel="next"';
		sub_filter_types application/json; sub_filter_once off; sub_filter 1. t\$request_id;
		rewrite ^ /tags break;
	}
}
END
printf '%s\n' "$nginx/endless:*" quay.io/org/app:1 >"$tmp/list"
status=0
DUCC_TIMEOUT=1 timeout 300 ducc-wish "$tmp/list" >"$tmp/records" 2>"$tmp/said" || status=$?
is "tags without end" "$status $(cut -f1 "$tmp/records" | tr '\n' ' ')" \
	"1 http://$nginx/endless:* https://quay.io/org/app:1 "
like "... take too long" "$(cat "$tmp/said")" \
	"^ducc-wish: $tmp/list: line 1: $nginx/endless:\*: not expanded: .*takes more than 10 seconds \(raise it with DUCC_TIMEOUT, a tenth of it\)"

# In parallel over registries: this one has two ports and answers neither before both were asked.
cat >"$tmp/pair.pl" <<'END'
use strict; use warnings; use IO::Select; use IO::Socket::INET;
my @listen = map { IO::Socket::INET->new(Listen => 4, LocalAddr => '127.0.0.1') } 1 .. 2;
my $body = '{"name":"x","tags":["both"]}';
sub request { my $c = shift->accept; while (defined(my $line = <$c>)) { last if $line =~ /^\r?$/ } $c }
sub answer {
	my $c = shift;
	printf $c "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		length $body, $body;
	close $c;
}
$| = 1;
print join(' ', map { $_->sockport } @listen), "\n";
alarm 60;
answer($_) for map { request($_) } @listen;
while (1) { answer(request($_)) for IO::Select->new(@listen)->can_read }
END
mkfifo "$tmp/ports"
setpriv --pdeathsig KILL perl "$tmp/pair.pl" >"$tmp/ports" &
pair=$!
at_exit "kill $pair 2>/dev/null"
read -r one two <"$tmp/ports"
printf '127.0.0.1:%s/x:b*\n' "$one" "$two" >"$tmp/list"
wish "$tmp/list"
is "two registries are asked at the same time" "$status $(cut -f1 "$tmp/records" | tr '\n' ' ')" \
	"0 http://127.0.0.1:$one/x:both http://127.0.0.1:$two/x:both "

# Lists from a web server
new_port
tls_port=$port
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout "$tmp/tls.key" -out "$tmp/tls.crt" 2>/dev/null
mkdir "$tmp/www"
cp "$tmp/recipe.yaml" "$tmp/huge" "$tmp/www"
start_nginx <<END
server { @LISTEN@ root $tmp/www; location = /moved { return 302 /recipe.yaml; } }
server { listen 127.0.0.1:$tls_port ssl; ssl_certificate $tmp/tls.crt; ssl_certificate_key $tmp/tls.key; root $tmp/www; }
END
wish "$tmp/recipe.yaml"
cp "$tmp/records" "$tmp/want"
wish "http://$nginx/recipe.yaml"
ok "a list may be a URL" cmp "$tmp/records" "$tmp/want"
wish "http://$nginx/moved"
ok "... that has moved" cmp "$tmp/records" "$tmp/want"
url_error() { # URL PATTERN
	wish "$1"
	is "an error: $1" "$status $(cat "$tmp/records")" "1 ?${tab}incomplete=yes"
	like "... with the cause" "$(cat "$tmp/said")" "^ducc-wish: $2"
}
url_error "http://$nginx/none.yaml" "http://$nginx/none.yaml: the server answered 404"
url_error "http://$nginx/huge" "http://$nginx/huge: .*more than 4194304 bytes"
url_error "http://$dead/recipe.yaml" "http://$dead/recipe.yaml: .*[Cc]onnect"
url_error "https://localhost:$tls_port/recipe.yaml" "https://localhost:$tls_port/recipe.yaml: .*certificate"
wish "http://user:s3cret@$nginx/none.yaml?token=s3cret"
is "no secret of a URL is in a message" "$status $(grep -c s3cret "$tmp/said")" "1 0"
for mark in '"' '<' '>' ' '; do
	wish "http://user:a${mark}s3cret@$nginx/none.yaml?token=a${mark}s3cret"
	is "... with $mark in it" "$status $(grep -c s3cret "$tmp/said")" "1 0"
done

# The examples of the manual
example() { # NUMBER: of ducc-recipe(5)
	awk -v n="$1" '/^\.Ed/ { on = 0 } on { print } /^\.Bd/ && ++i == n { on = 1 }' "$top/man/ducc-recipe.5" |
		sed 's/\\e/\\/g'
}
example 1 >"$tmp/recipe.yaml"
wish -n "$tmp/recipe.yaml"
is "the smallest recipe in the manual pushes a thin image, as described there" "$(cat "$tmp/records")" \
	"$hub/library/debian:12${tab}repo=unpacked.example.org${tab}thin=$hub/library/debian_thin:12"
example 2 >"$tmp/recipe.yaml"
wish -n "$tmp/recipe.yaml"
is "the recipe in the manual becomes the record there" "$(sed -n '1s/\t/\n    /gp' "$tmp/records")" "$(example 3)"
is "... and the others" "$status $(cut -f1 "$tmp/records" | sed 1d | tr '\n' ' ')" \
	"0 https://registry.example.org:5005/group/app:latest $hub/atlas/analysisbase:21.2.1* "
ok "a recipe that is right passes the check there" ducc-wish -nq "$tmp/recipe.yaml"
example 4 >"$tmp/list"
wish -n "$tmp/list"
is "the plain list there" "$status $(tr '\n' ' ' <"$tmp/records")" \
	"0 $hub/library/debian:12 $hub/library/almalinux:9 $hub/atlas/analysisbase:21.2.1* https://ghcr.io/example/group/app:latest "
example 5 | sed 's/^\$ //; s/ducc-wish/& -nq/' >"$tmp/script"
(cd "$tmp" && sh ./script) >"$tmp/records"
is "... for two platforms" "$(cut -f2 "$tmp/records" | sort | uniq -c | tr -s ' \n' ' ')" \
	" 4 platform=linux/amd64 4 platform=linux/arm64 "
echo "$open_registry/team/app:1.*" | ducc-wish | ducc-fetch -q -s "$tmp/store" -r "$tmp/repo" |
	ducc-unpack -q -s "$tmp/store" | ducc-publish -q -s "$tmp/store" -r "$tmp/repo" >"$tmp/records" 2>"$tmp/said" || :
is "a wildcard is published" "$(cd "$tmp/repo/$open_registry/team" && echo *)" "app:1.0 app:1.1 app:1.10"

ducc-wish "$tmp/nowhere" 2>"$tmp/said" | ducc-fetch -s "$tmp/store" >"$tmp/records" 2>>"$tmp/said" || :
is "that a list is incomplete can't be overlooked downstream" "$(cat "$tmp/records") $(grep -c '^ducc-fetch: ?: ' "$tmp/said")" " 1"

# Nor is it cut off by a signal once it has begun: a reader would take what there is for all.
setpriv --pdeathsig KILL perl -MIO::Socket::INET -e '
	$socket = IO::Socket::INET->new(Listen => 16, LocalAddr => "127.0.0.1") or die "socket: $!\n";
	$| = 1;
	print $socket->sockport, "\n";
	sleep' >"$tmp/silent" &
at_exit "kill $! 2>/dev/null"
wait_for test -s "$tmp/silent"
read -r silent <"$tmp/silent"
printf '%s\n' quay.io/a:1 "127.0.0.1:$silent/slow:*" quay.io/b:1 >"$tmp/list"
mkfifo "$tmp/pipe"
for signal in HUP TERM; do
	ducc-wish "$tmp/list" >"$tmp/pipe" 2>"$tmp/said" &
	wish_pid=$!
	{ read -r first; kill -s $signal $wish_pid; echo "$first"; cat; } <"$tmp/pipe" >"$tmp/records"
	status=0
	wait $wish_pid || status=$?
	is "a list during which SIG$signal comes is completed" "$(tr '\n' ' ' <"$tmp/records")" \
		"https://quay.io/a:1 http://127.0.0.1:$silent/slow:* https://quay.io/b:1 "
	is "... before that ends it" "$(kill -l $status)" $signal
done

# Usage
for arguments in '-Z' '-j 0' '-j x'; do
	status=0
	# shellcheck disable=SC2086
	ducc-wish $arguments "$tmp/recipe.yaml" >"$out" 2>&1 || status=$?
	is "$arguments is wrong usage" "$status" 2
done
to_full() {
	ducc-wish "$tmp/recipe.yaml" >/dev/full
}
fails "records that can't be printed are an error" to_full

done_testing
