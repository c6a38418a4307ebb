#!/bin/sh
# The published failures: since when and why images are not updated, for users who have no store.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need bash docker-registry flock jq setpriv skopeo umoci

# shellcheck source=convert.sh
. "${0%/*}/convert.sh"
stand_in
make_image "$L" one
make_image "$L" two
make_image "$L" three
convert() { # ARGUMENT...: with the list of IMAGES
	"$top/scripts/ducc-convert" -q -T -r "$r" "$@" >"$tmp/said" 2>"$tmp/errors" || :
}
list() { # FILE TAG...
	list=$tmp/$1
	shift
	for tag; do echo "http://$app:$tag"; done >"$list"
}
# seen: what a user sees who has no store: the images that fail, with their state, and since when.
seen() {
	ducc-ls -s "$tmp/none" -r "$r" | awk -F '\t' '/\tfailing=/ {
		line = ""
		for (i = 2; i <= NF; i++)
			if ($i ~ /^(name|state|failing)=/) line = line " " substr($i, index($i, "=") + 1)
		print substr(line, 2)
	}' | sed "s,$app:,,"
}
revisions() {
	find "$R/.metadata/.log" -name "*Z-*" 2>/dev/null | grep -c . || :
}

failures_of() { # REPOSITORY WHERE-IT-IS: sets $r and $R, and $app, where the images come from
	r=$1 R=$2 app=$registry/${1##*/}/app
	rm -rf "$S" "$S.other"
	push "$L:one" "$app:one"
	hour 0
	list a one new
	convert "$list"
	ok "$r: published with a failure" test -L "$R/$app:one"
	is "... which is not known by then" "$(seen)" ""
	hour 1
	convert "$list"
	is "... nor a reason for a transaction" "$(revisions) $(seen)" "$([ -e "$R/.metadata/.log" ] && echo 1 || echo 0) "
	push "$L:two" "$app:two"
	list a one new two
	hour 2
	convert "$list"
	is "... but goes with the next one" "$(seen)" "new missing 2027-01-15T08:00:00Z"
	like "... with the cause" "$(cat "$R/.metadata/.failing")" "^http://$app:new	failing=2027-01-15T08:00:00Z	error=ducc-fetch: .*404"
	like "... which columns show" "$(ducc-ls -c -s "$tmp/none" -r "$r" '*:new')" \
		"$app:new  \(missing; failing since 2027-01-15 .*: ducc-fetch: .*404"
	fails "... also about an image alone, which is not there" ducc-ls -s "$tmp/none" -r "$r" "$app:new"
	like "... it is listed" "$(cat "$out")" '	state=missing	.*failing='
	ok "... and the repository is sound" ducc-check -r "$r"
	is "... " "$(cat "$out")" ""

	# Another publisher, with a store and images of its own
	list b other
	push "$L:three" "$app:three"
	hour 3
	convert -G -s "$S.other" "$list"
	list b other three
	convert -G -s "$S.other" "$list"
	is "another publisher adds to it" "$(seen)" "new missing 2027-01-15T08:00:00Z
other missing 2027-01-15T11:00:00Z"
	list b three
	convert -G -s "$S.other" "$list"
	list b three four
	push "$L:one" "$app:four"
	convert -G -s "$S.other" "$list"
	is "... and does not know who else wants what" "$(seen)" "new missing 2027-01-15T08:00:00Z
other missing 2027-01-15T11:00:00Z"

	# An image that is published, but no longer updated
	skopeo delete --tls-verify=false "docker://$app:two"
	list a one new two three other four
	hour 4
	convert "$list"
	list a one new two three other five
	push "$L:one" "$app:five"
	hour 5
	convert "$list"
	is "a published image that fails" "$(seen)" "new missing 2027-01-15T08:00:00Z
other missing 2027-01-15T12:00:00Z
two 2027-01-15T12:00:00Z"

	# The end of failures
	push "$L:two" "$app:new"
	hour 6
	convert "$list"
	is "what is published now does not fail" "$(seen)" "other missing 2027-01-15T12:00:00Z
two 2027-01-15T12:00:00Z"
	push "$L:two" "$app:two"
	convert "$list"
	is "... what works again stays" "$(seen | sed -n 2p)" "two 2027-01-15T12:00:00Z"
	list a one new two three five six
	push "$L:one" "$app:six"
	convert "$list"
	is "... until the next transaction" "$(seen)" "other missing 2027-01-15T12:00:00Z"
	list a one new two three six
	hour 7
	convert -G "$list"
	is "an image that nobody wants any more" "$(seen)" "other missing 2027-01-15T12:00:00Z"
	convert "$list"
	is "... goes when ducc-gc changes something" "$(seen)" ""
	ok "... and the repository is sound" ducc-check -r "$r"
	is "... " "$(cat "$out")" ""

	# Damage
	printf 'nonsense\n\tfailing=x\n%s\tfailing=never\terror=no\n' "http://$app:three" >"$tmp/nonsense"
	printf '%s\t%s\n' "http://$app:seven" "failing=2027-01-15T12:00:00Z" >>"$tmp/nonsense"
	mkdir -p "$(dirname "$(readlink -f "$R/.metadata")")"
	cp "$tmp/nonsense" "$(readlink -f "$R")/.metadata/.failing"
	is "nonsense is skipped" "$(seen)" "seven missing 2027-01-15T12:00:00Z"
	list a one new two three six eight
	push "$L:one" "$app:eight"
	convert -G "$list"
	is "... and not published again" "$(cat "$R/.metadata/.failing")" "http://$app:seven	failing=2027-01-15T12:00:00Z	error="
	rm -f "$(readlink -f "$R")/.metadata/.failing"
	mkdir "$(readlink -f "$R")/.metadata/.failing"
	list a one new two three six eight nine gone
	push "$L:one" "$app:nine"
	convert -G "$list"
	push "$L:one" "$app:ten"
	list a one new two three six eight nine ten gone
	convert -G "$list"
	is "a directory in its place" "$(seen | cut -d ' ' -f 1)" gone
	ok "... is replaced, and does not hinder publishing" test -L "$R/$app:nine" -a -L "$R/$app:ten"
}
failures_of "$tmp/repo" "$tmp/repo"

# What is published is for everybody
push "$L:two" "$app:nine"
printf '%s\tfailing=2027-01-15T12:00:00Z\terror=%s\n' "http://$app:ten" \
	"x: as user robot (credentials from /root/a.json): https://me:$identity_token@h/v2/x?sig=$identity_token: 403" \
	"http://$app:eleven" "x: as user robot (cred..." \
	"http://$app:twelve" "ducc-unpack: layer sha256:12: usr/bin/x: /srv/my store/layers/12.tar: Permission denied" >"$tmp/wishes"
ducc-fetch -q "http://$app:nine" | ducc-unpack -q >"$tmp/records"
ok "failures with secrets" ducc-publish --wishes "$tmp/wishes" -r "$r" <"$tmp/records"
is "... are published without them" "$(sed -n 's/.*app:\(eleven\|ten\|twelve\).*error=/\1 /p' "$R/.metadata/.failing")" "eleven x: (hidden)
ten x: https://h/v2/x?(hidden) 403
twelve ducc-unpack: layer sha256:12: usr/bin/x: (path): Permission denied"
rm "$tmp/wishes"
ducc-gc -q -r "$r" --remove "http://$app:nine"
ok "wishes that cannot be read" ducc-publish --wishes "$tmp/no" -r "$r" <"$tmp/records"
like "... are a warning" "$(cat "$out")" "^ducc-publish: warning: $tmp/no: "
is "... and change nothing" "$(grep -c 'app:\(ten\|eleven\)' "$R/.metadata/.failing")" 2
obeys_modes() { # COMMAND...: root does so without these
	if [ "$(id -u)" = 0 ]; then
		setpriv --bounding-set -dac_override,-dac_read_search "$@"
	else
		"$@"
	fi
}
ducc-gc -q -r "$r" --remove "http://$app:nine"
cp "$R/.metadata/.failing" "$tmp/before"
chmod 0 "$R/.metadata/.failing"
ok "failures that are published and cannot be read" obeys_modes ducc-publish -r "$r" <"$tmp/records"
like "... are a warning" "$(cat "$out")" "^ducc-publish: warning: repository $r: .metadata/.failing: Permission denied; left as it is"
chmod 644 "$R/.metadata/.failing"
is "... and stay" "$(cat "$R/.metadata/.failing")" "$(cat "$tmp/before")"

# Wildcards
list c one
echo "http://$registry/wild:*" >>"$list"
hour 8
convert -G "$list"
like "a wildcard that cannot be expanded is reported, and named once" "$(cat "$tmp/errors")" \
	"^ducc-convert: http://$registry/wild:[*]: ducc-wish: [^ ]*: line 2: not expanded: [^*]*$"
push "$L:three" "$app:last"
list c one last
echo "http://$registry/wild:*" >>"$list"
hour 9
convert -G -m 100 "$list"
failing_wildcards() {
	ducc-ls -s "$tmp/none" -r "$r" | grep -o '/wild:[*].*failing=[^	]*' | sed 's/	.*	/ /'
}
is "a wildcard that cannot be expanded" "$(failing_wildcards)" "/wild:* failing=2027-01-15T16:00:00Z"
convert -g 0 -m 100 "$list"
is "... still fails when something is removed" "$(failing_wildcards)" "/wild:* failing=2027-01-15T16:00:00Z"
push "$L:one" "$registry/wild:1"
convert -G "$list"
is "... until it selects an image" "$(failing_wildcards)" ""
is "... which is reported" "$(sed "s,$registry,REGISTRY," "$tmp/errors")" \
	"ducc-convert: http://REGISTRY/wild:*: no longer fails (it failed since 2027-01-15T16:00:00Z)"
convert -G "$list"
is "... once" "$(cat "$tmp/errors")" ""

cvmfs_server mkfs test.example.org
failures_of test.example.org "$tmp/sys/cvmfs/test.example.org"

done_testing
