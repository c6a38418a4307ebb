#!/bin/sh
# ducc.h as a program sees it: kinds of errors, records, options, callbacks that stop, threads.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"

need docker-registry jq nginx
PATH=$PATH:$bin/t
store=$tmp/store repo=$tmp/repo
tab=$(printf '\t')
cd "$tmp"

# kind_is KIND LIMIT JOB IMAGE
kind_is() {
	is "$3 of $4: $1" "$(drive-api kind "$store" "$repo" "$2" "$3" "$4" 2>"$out")" "$1"
}
start_registry htpasswd
make_image "$tmp/oci" app
kind_is 'no error' 0 fetch "oci:$tmp/oci:app"
kind_is 'not found' 0 fetch "oci:$tmp/nowhere:app"
kind_is 'not found' 0 fetch "oci:$tmp/oci:other"
kind_is denied 0 fetch "http://$registry/library/app:1"
kind_is transient 0 fetch "http://127.0.0.1:1/library/app:1"
kind_is usage 0 fetch 'http://no/such:reference:1'
kind_is usage 0 fetch "$(printf 'a\001b')"
kind_is 'not found' 0 unpack localhost/never:1
kind_is 'not found' 0 publish localhost/app:latest
kind_is limit 1 unpack localhost/app:latest
kind_is cancelled 0 cancelled localhost/app:latest
kind_is 'no error' 0 unpack localhost/app:latest
kind_is 'not found' 0 thin localhost/app:latest
kind_is 'no error' 0 publish localhost/app:latest
repo='not a name'
kind_is usage 0 publish localhost/app:latest
repo=$tmp/repo
manifest=$store/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' "$store/index.json")
cp "$manifest" "$tmp/manifest"
printf x | dd of="$manifest" bs=1 seek=9 conv=notrunc 2>/dev/null
kind_is damaged 0 unpack localhost/app:latest
cp "$tmp/manifest" "$manifest"
cp "$store/index.json" "$tmp/index.json"
sed "s/sha256:..../sha256:/" "$tmp/index.json" >"$store/index.json"
kind_is corrupt 0 unpack localhost/app:latest
cp "$tmp/index.json" "$store/index.json"
cp -r "$tmp/oci" "$tmp/bad"
blob=$(find "$tmp/bad/blobs/sha256" -type f -size +0 -exec ls -S {} + | head -1)
printf x | dd of="$blob" bs=1 seek=3 conv=notrunc 2>/dev/null
store=$tmp/store2 repo=$tmp/repo2
kind_is corrupt 0 fetch "oci:$tmp/bad:app"
: >"$tmp/file"
store=$tmp/file
kind_is system 0 fetch "oci:$tmp/oci:app"

line="r.example/a:1${tab}b=2${tab}a=1=1"
is "a record made again, field by field" "$(drive-api record "$line")" "$line"
is "... which is none" "$(drive-api record "a${tab}b" 2>/dev/null)" usage
is "options without size, of an older program, of a newer one, and with one that we lack" \
	"$(drive-api options "$tmp/store" 2>"$out" | tr '\n' ' ')" 'usage no error no error usage '
like "... which is said" "$(cat "$out")" 'too old'

printf 'a/%s:1\n' 1 2 3 4 >"$tmp/list"
is "a callback can stop the wishes" "$(drive-api wish 2 "$tmp/list" | grep -c library)" 0
is "... after as many as it likes" "$(drive-api wish 2 "$tmp/list" | tail -1) $(drive-api wish 2 "$tmp/list" | wc -l)" '1 3'
is "... or take all" "$(drive-api wish 9 "$tmp/list" | tail -1) $(drive-api wish 9 "$tmp/list" | wc -l)" '0 5'
printf '{"events":[%s,%s,%s]}' '{"action":"push","target":{"repository":"a","tag":"1"},"request":{"host":"r.example"}}' \
	'{"action":"push","target":{"repository":"a","tag":"2"},"request":{"host":"r.example"}}' \
	'{"action":"push","target":{"repository":"a","tag":"3"},"request":{"host":"r.example"}}' >"$tmp/hook"
is "... and events" "$(drive-api hook 1 <"$tmp/hook" | tr '\n' ' ')" 'https://r.example/a:1 1 '

ok "sessions of several threads share a store and a repository" \
	drive-api threads 8 "$tmp/store3" "$tmp/repo3" "oci:$tmp/oci:app"
ok "... and the image is published" test -e "$tmp/repo3/localhost/app:latest/app/name"

done_testing
