#!/bin/sh
# Dry runs of a whole pipeline.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need docker-registry jq skopeo umoci

S=$tmp/store
L=$tmp/layout
R=$tmp/repo
start_registry open
for i in one two; do
	make_image "$L" $i
	push "$L:$i" "$registry/app:$i"
done
images="http://$registry/app:one http://$registry/app:two"

dry() { # IMAGE...
	for image; do echo "$image"; done | ducc-fetch -n -s "$S" | ducc-unpack -n -s "$S" |
		ducc-publish -n -s "$S" -r "$R" | ducc-thin -n -s "$S" -r "$R"
}
real() { # IMAGE...
	for image; do printf '%s\tthin=http://%s/thin\n' "$image" "$registry"; done | ducc-fetch -q -s "$S" |
		ducc-unpack -q -s "$S" | ducc-publish -q -s "$S" -r "$R" | ducc-thin -q -s "$S" -r "$R"
}
states() { # RECORDS: names and states
	sed 's,.*/app:\([^@]*\)@.*	state=\([^	]*\).*,\1 \2,' "$1" | sort
}

# shellcheck disable=SC2086
ok "a dry run of everything, without a store" dry $images
cp "$out" "$tmp/dry"
is "... says on standard output what would be added" "$(grep state= "$tmp/dry" >"$tmp/records"; states "$tmp/records")" "one added
two added"
like "... and otherwise what each tool would do" "$(cat "$tmp/dry")" "^ducc-unpack: http://$registry/app:one@.*: would unpack it"
ok "... does nothing" test ! -e "$S" -a ! -e "$R"
# shellcheck disable=SC2086
real $images >"$tmp/real"
is "the real run" "$(states "$tmp/real")" "one added
two added"
is "... prints the same references" "$(cut -f1 "$tmp/real" | sort)" "$(cut -f1 "$tmp/records" | sort)"
# shellcheck disable=SC2086
dry $images 2>/dev/null >"$tmp/records"
is "then nothing has changed" "$(states "$tmp/records")" "one unchanged
two unchanged"
like "one of many is singular" "$(ducc-gc -n -r "$R" --remove "$registry/app:one" 2>&1)" \
	"$R: 1 of 2 images, 1 flat root file system and 1 layer of [0-9]+ bytes would be removed\$"
make_image "$L" three
push "$L:three" "$registry/app:two"
push "$L:three" "$registry/app:three"
# shellcheck disable=SC2086
dry $images "http://$registry/app:three" >"$tmp/records" 2>/dev/null
is "a tag has moved, and one is new" "$(states "$tmp/records")" "one unchanged
three added
two updated"
is "... which is still to be done" "$(ducc-ls -S -s "$S" "$registry/app:three" 2>&1 | sed 's/ in store.*//')" \
	"ducc-ls: $registry/app:three: not"
fails "only a dry run is content with an image that was not fetched" sh -c "
	ducc-fetch -q -n -s '$S' http://$registry/app:three | ducc-unpack -q -s '$S'"
fails "... and only if ducc-fetch would fetch it" ducc-unpack -n -s "$S" "$registry/app:three"

# A forgotten -n
ducc-fetch -n -q -s "$S" "http://$registry/app:one" | sed 's/$/	thin=x/' >"$tmp/dry"
refused='this record is of a dry run: use -n here, too'
for tool in unpack publish thin "gc --keep" "gc --remove"; do
	# shellcheck disable=SC2086 # a tool and an option
	fails "ducc-$tool without -n, of a dry run" ducc-${tool} -q -s "$S" -r "$tmp/forgotten" <"$tmp/dry"
	like "... refuses the record" "$(cat "$out")" "^ducc-${tool%% *}: .*$registry/app:one@[^ ]*: $refused"
done
fails "ducc-unpack -x, of a dry run" ducc-unpack -q -s "$S" -x "$tmp/extracted" <"$tmp/dry"
fails "ducc-publish -C, of a dry run" ducc-publish -C -q -s "$S" -r "$tmp/forgotten" <"$tmp/dry"
is "... which publish and extract nothing" "$(ls "$tmp/extracted")$(ls -d "$tmp/forgotten" 2>&1 >"$tmp/out" | sed 's/.*: //')" "No such file or directory"
ok "ducc-fetch fetches it" ducc-fetch -q -s "$S" <"$tmp/dry"
is "... and says so" "$(tr '\t' ' ' <"$out")" "$(cut -f1 "$tmp/dry") thin=x platform=linux/amd64"

# Each message names its image
for v in -v -vv; do
	rm -rf "$tmp/S2" "$tmp/R2"
	ducc-wish $v - <<-END 2>"$tmp/err" | ducc-fetch $v -s "$tmp/S2" 2>>"$tmp/err" | ducc-unpack $v -s "$tmp/S2" 2>>"$tmp/err" |
		http://$registry/app:on*
	END
		ducc-publish $v -s "$tmp/S2" -r "$tmp/R2" 2>>"$tmp/err" | ducc-thin $v -s "$tmp/S2" -r "$tmp/R2" -o "$tmp/thin" 2>>"$tmp/err" >"$tmp/records"
	ducc-ls $v -r "$tmp/R2" --remote 2>>"$tmp/err" >"$tmp/records"
	is "with $v, each message names its image" "$(grep -v ": confined\|$registry/app\(:one\|: [<>] \)" "$tmp/err")" ""
	is "... of each tool" "$(sed 's/:.*//' "$tmp/err" | grep -vx 'ducc-ls\|ducc-wish' | sort -u | xargs)" "ducc-fetch ducc-publish ducc-thin ducc-unpack"
done
is "... also of those that only ask registries" "$(grep -o '^ducc-\(ls\|wish\): [^ ]*: >' "$tmp/err" | sort -u)" "ducc-ls: $registry/app:one: >
ducc-wish: http://$registry/app: >"

# For several platforms
for p in amd64 arm64; do
	umoci tag --image "$L:one" $p
	umoci config --image "$L:$p" --architecture $p
	push "$L:$p" "$registry/multi:$p"
	manifest_of "$registry/multi:$p" >"$tmp/$p"
done
index() { # PLATFORM...: push an index of these
	for p; do
		jq -n --arg digest "$(digest_of "$tmp/$p")" --argjson size "$(wc -c <"$tmp/$p")" --arg p "$p" '{$digest, $size,
			mediaType: "application/vnd.oci.image.manifest.v1+json", platform: {os: "linux", architecture: $p}}'
	done | jq -s '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: .}' >"$tmp/index"
	put_manifest "$registry" multi 1 application/vnd.oci.image.index.v1+json "$tmp/index"
}
index amd64 arm64
platforms() { # OPTION
	ducc-fetch "$1" -q -a -s "$S" "http://$registry/multi:1" | ducc-unpack "$1" -q -s "$S" | ducc-publish "$1" -q -s "$S" -r "$R"
}
platforms -n >"$tmp/records"
is "several platforms" "$(grep -o 'state=.*' "$tmp/records" | xargs)" "state=added state=added"
ducc-fetch -q -p linux/arm64 -s "$S" "http://$registry/multi:1" | ducc-unpack -q -s "$S" | ducc-publish -q -s "$S" -r "$R" >"$tmp/real"
platforms -n >"$tmp/records"
is "... of which one is published" "$(sed 's/.*platform=\([^	]*\).*state=/\1 /' "$tmp/records")" "linux/amd64 added
linux/arm64 unchanged"
platforms -q >"$tmp/real"
is "... as the real run finds" "$(cut -f1 "$tmp/real") $(sed 's/.*state=//' "$tmp/real" | xargs)" \
	"$(cut -f1 "$tmp/records") added unchanged"
platforms -n >"$tmp/records"
is "... all of them, then" "$(sed 's/.*state=//' "$tmp/records" | xargs)" "unchanged unchanged"

done_testing
