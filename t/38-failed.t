#!/bin/sh
# --failed: the records of the images that failed.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need docker-registry skopeo umoci

S=$tmp/store
R=$tmp/repo
start_registry open
make_image "$tmp/layout" one
push "$tmp/layout:one" "$registry/app:one"

failed=$tmp/failed
: >"$failed"
fails "an image that fails" ducc-fetch --failed "$failed" -s "$S" "$registry/none:1" "$registry/app:one"
is "... is not reported" "$(cat "$out")" "$(ducc-fetch -q -s "$S" "$registry/app:one")"
like "... but in the file, with the cause" "$(cat "$failed")" "^$registry/none:1	tool=ducc-fetch	error=.*404"
for tool in unpack publish thin; do
	case $tool in thin) set -- -r "$R" ;; publish) set -- -r "$R" ;; *) set -- ;; esac
	fails "ducc-$tool, too" sh -c 'printf "%s\n" "$1" | "$2" --failed "$3" -s "$4" $5 $6' sh \
		"http://$registry/none:$tool	thin=http://$registry/x:1	x=y" "ducc-$tool" "$failed" "$S" "$@"
	is "... says nothing" "$(cat "$out")" ""
	like "... and keeps the other fields" "$(tail -n 1 "$failed")" "none:$tool	thin=.*	x=y	tool=ducc-$tool	error="
done
is "... each one line" "$(wc -l <"$failed")" 4
fails "the records can be tried again" ducc-fetch -s "$S" --failed "$tmp/again" <"$failed"
is "... all" "$(wc -l <"$tmp/again")" 4

# A password where none belongs: no tool tells it, in whatever it prints or writes.
printf '%s\n' word-in-reference >>"$secrets_file"
printf '%s\n' https://user:word-in-reference@h.invalid/app:1 \
	"http://$registry/none:2	thin=https://user:word-in-reference@h.invalid/thin:1" |
	cat >"$tmp/config.json" # whose name lets it have secrets
secret() { # TOOL OPTION...: what it prints is in $out
	DUCC_NOTIFY=$tmp/events "$@" <"$tmp/config.json"
}
for tool in wish fetch unpack publish thin; do
	case $tool in wish) set -- ;; publish | thin) set -- -s "$S" -r "$R" ;; *) set -- -s "$S" ;; esac
	fails "ducc-$tool, a reference with a password" secret "ducc-$tool" "$@"
	like "... names it without" "$(cat "$out")" '^ducc-.*https://\(hidden\)@h\.invalid/app:1: registry must not'
	[ $tool = wish ] || fails "... in a record, too" secret "ducc-$tool" --failed "$tmp/secret" "$@"
done
is "... which is no other's" "$(cut -f 1,2 "$tmp/secret" | sort -u)" \
	"http://$registry/none:2	thin=https://(hidden)@h.invalid/thin:1
https://(hidden)@h.invalid/app:1	tool=ducc-fetch
https://(hidden)@h.invalid/app:1	tool=ducc-publish
https://(hidden)@h.invalid/app:1	tool=ducc-thin
https://(hidden)@h.invalid/app:1	tool=ducc-unpack"
fails "... and can be tried again in vain" ducc-fetch -n <"$tmp/secret"
is "... for that very reason" "$(grep -c 'registry must not' "$out")" 4

fails "nor does ducc-gc" ducc-gc -s "$S" -r "$R" https://user:word-in-reference@h.invalid/app:1
fails "... or ducc-thin" ducc-thin -s "$S" -r "$R" https://user:word-in-reference@h.invalid/app:1

# What --failed has added is of that failure only.
fields="tool=ducc-publish	error=old	damaged=store"
fails "one that failed for another reason before" ducc-fetch --failed "$tmp/other" -s "$S" "http://$registry/none:3	$fields"
like "... has this one's" "$(cat "$tmp/other")" "^http://$registry/none:3	tool=ducc-fetch	error=[^	]*404[^	]*$"
ok "one that does not fail again" ducc-fetch -q -s "$S" "http://$registry/app:one	$fields	x=y"
like "... has none" "$(cat "$out")" "^[^	]*	x=y	platform=[^	=]*$"

fails "a file that cannot be written" ducc-fetch --failed "$tmp/no/where" -s "$S" "$registry/app:one"
is "... is named" "$(cat "$out")" "ducc-fetch: $tmp/no/where: No such file or directory"
fails "a full disk" ducc-fetch --failed /dev/full -s "$S" "$registry/none:1"
like "... is no reason to say nothing" "$(cat "$out")" "^ducc-fetch: $registry/none:1: "

done_testing
