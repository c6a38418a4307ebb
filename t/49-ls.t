#!/bin/sh
# ducc-ls: what it says about the images in a repository and a store, and in which forms.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry jq script setpriv skopeo umoci

S=$tmp/store
L=$tmp/layout
R=$tmp/repo
stand_in
start_registry open
DUCC_CLOCK=1800000000
export DUCC_CLOCK

field() { # KEY IMAGE
	ducc-ls -s "$S" -r "$R" "$2" | tr '\t' '\n' | sed -n "s/^$1=//p"
}
names() { # OPTION-OR-IMAGE...
	ducc-ls -s "$S" -r "$R" "$@" | sed 's/.*	name=\([^	]*\).*/\1/'
}
on_terminal() { # COMMAND
	script -qec "$1" /dev/null </dev/null | tr -d '\r'
}

# base is the lower part of app:1 and app:2; app:3 has nothing in common with them.
umoci init --layout "$L"
umoci new --image "$L:base"
mkdir "$tmp/base" "$tmp/one" "$tmp/two" "$tmp/three"
seq 3000 >"$tmp/base/numbers"
for i in one two three; do
	echo $i >"$tmp/$i/name"
done
add_layer "$L:base" "$tmp/base"
for i in one two; do
	umoci tag --image "$L:base" $i
	add_layer "$L:$i" "$tmp/$i"
done
umoci new --image "$L:three"
add_layer "$L:three" "$tmp/three"
add_layer "$L:three" "$tmp/three"
umoci config --image "$L:three" --architecture arm64
push "$L:one" "$registry/app:1"
push "$L:two" "$registry/app:2"
push "$L:three" "$registry/other:3"
images="$registry/app:1
$registry/app:2
$registry/other:3"
publish() { # IMAGE...
	ducc-fetch -q -s "$S" "$@" | ducc-unpack -q -s "$S" | ducc-publish -q -s "$S" -r "$R"
}
# shellcheck disable=SC2086
ok "three images are published" publish $images

# A repository
is "each is listed, sorted" "$(names)" "$images"
is "... with what it is for" "$(field platform '*')" "linux/amd64
linux/amd64
linux/arm64"
is "... and since when it is there" "$(field since "$registry/app:1")" \
	"$(date -u -r "$R/.metadata/$registry/app:1/manifest.json" +%FT%TZ)"
ducc-ls -r "$R" >"$tmp/records"
is "... pinned to its manifest" "$(grep -c . "$tmp/records") $(sed -n "s,^http://$registry/app:1@\\([^	]*\\).*,\\1,p" "$tmp/records")" \
	"3 $(digest_at "$registry/app:1")"
ok "the records are input for other tools" ducc-check -r "$R" "$(cut -f1 "$tmp/records" | head -n 1)"
ok "... which take them" ducc-fetch -q -s "$tmp/store2" <"$tmp/records"
is "... all" "$(cut -f1 "$out" | sort)" "$(cut -f1 "$tmp/records" | sort)"
ducc-ls -r "$R" --json >"$tmp/json"
jq -r '.[] | [.name, .size, .own, .layers] | @tsv' "$tmp/json" >"$tmp/sizes"
for image in $images; do
	manifest_of "$image" | jq -c --arg name "$image" '.layers | unique_by(.digest) | map({$name, digest, size})'
done | jq -rs 'add as $all | .[] | [.[0].name, (map(.size) | add),
	(map(select(.digest as $d | [$all[] | select(.digest == $d)] | length == 1).size) | add // 0), length] | @tsv' >"$tmp/expected"
is "sizes are those of the layers, each once, in all and alone" "$(cat "$tmp/sizes")" "$(cat "$tmp/expected")"
is "JSON is an array of objects, with numbers" "$(jq -r 'type, (.[0] | .size, .layers | type)' "$tmp/json" | xargs)" \
	"array number number"
is "... also of none" "$(mkdir -p "$tmp/empty/.metadata" && ducc-ls -r "$tmp/empty" --json | jq -c .)" "[]"
is "... a line for each" "$(grep -c '^{' "$tmp/json")" 3
is "... with what the records say" "$(jq -r '.[].reference' "$tmp/json")" "$(cut -f1 "$tmp/records")"
is "the size that others share is in -l" "$(ducc-ls -l -r "$R" "$registry/app:1" | tr '\t' '\n' | sed -n 's/^own=//p')" \
	"$(sed -n "s,^$registry/app:1	[0-9]*	\\([0-9]*\\)	.*,\\1,p" "$tmp/expected")"

# Selection
is "one image" "$(names "$registry/app:2")" "$registry/app:2"
is "... with a scheme" "$(names "http://$registry/app:2")" "$registry/app:2"
is "by tag" "$(names "$registry/app:*")" "$registry/app:1
$registry/app:2"
is "by any part of the name" "$(names '*ther*')" "$registry/other:3"
is "by several" "$(names '*:1' '*:3')" "$registry/app:1
$registry/other:3"
fails "what is not there" ducc-ls -r "$R" "$registry/app:1" "$registry/none:1"
like "... is named" "$(cat "$out")" "^ducc-ls: $registry/none:1: not in repository $R\$"
like "... and the others are listed" "$(cat "$out")" "name=$registry/app:1	"
fails "a part of a name" ducc-ls -r "$R" other
like "... which needs a pattern" "$(cat "$out")" \
	"/library/other:latest: not in repository $R \\(for the names that contain it, use '\*other\*'\\)\$"
fails "what is no reference" ducc-ls -r "$R" 'A b'
fails "a repository that is not there" ducc-ls -r "$tmp/none"
is "... is named" "$(cat "$out")" "ducc-ls: repository $tmp/none does not exist"
fails "no repository" ducc-ls
like "... how to name one" "$(cat "$out")" 'use -r'

# Columns
find "$R/.metadata" -name manifest.json -exec touch -d "@$DUCC_CLOCK" {} +
TZ=UTC ducc-ls -c -r "$R" >"$tmp/columns"
is "columns for people" "$(sed "s,$registry,REGISTRY," "$tmp/columns" | sed -n '1p;$p')" \
	"PLATFORM          SIZE MB  SINCE             IMAGE
linux/arm64           0.0  2027-01-15 08:00  REGISTRY/other:3"
is "... in their time zone" "$(TZ=Europe/Zurich ducc-ls -c -r "$R" | grep -c ' 2027-01-15 09:00 ')" 3
is "... on a terminal without being asked" "$(on_terminal "ducc-ls -r '$R'")" "$(cat "$tmp/columns")"
like "... with -l more of them" "$(ducc-ls -lc -r "$R")" '^DIGEST        PLATFORM .* OWN MB  LAYERS  SINCE             IMAGE$'
like "... the digest shortened" "$(ducc-ls -lc -r "$R")" "^$(digest_at "$registry/app:1" | cut -c 8-19)  linux/amd64 .* 2  2027.*app:1\$"

# Removal
ok "an image is no longer wanted" ducc-gc -r "$R" --keep -m 100 "$registry/app:1" "$registry/app:2"
is "an image on the schedule" "$(names '*') $(field unwanted '*') $(field remove '*')" \
	"$images 2027-01-15T08:00:00Z 2027-02-14T08:00:00Z"
like "... in columns" "$(ducc-ls -c -g 7 -r "$R")" 'other:3  \(unwanted since 2027-01-15, to be removed on 2027-01-22\)$'

# Whoever can read, can list
chmod 755 "$tmp"
chmod 700 "$R/.layers" "$R/.flat"
ok "by any user, who need not see the files, and has no store" setpriv --reuid 65534 --regid 65534 --clear-groups \
	env -u HOME ducc-ls -r "$R"
is "... the same" "$(cut -f 1-3 "$out")" "$(cut -f 1-3 "$tmp/records")"
chmod 755 "$R/.layers" "$R/.flat"

# The registry
is "what the registry has" "$(names --remote) $(ducc-ls -r "$R" --remote | grep -c '	current=yes')" "$images 3"
# Names have no scheme, but what a list says has one.
for scheme in http https; do
	mkdir -p "$tmp/$scheme/wishes" "$tmp/$scheme/blobs"
	printf '%s\t%s\t%s\n' "$scheme://$registry/app:1" "repo=$R" list=/list >"$tmp/$scheme/wishes/x"
done
is "the scheme of the image on a list is that of its registry" \
	"$(for s in http https; do ducc-ls -s "$tmp/$s" -r "$R" --remote "$registry/app:1" 2>/dev/null | tr '\t' '\n' | sed -n 's/^current=//p'; done | xargs)" \
	"yes unknown"
is "... and in the record" "$(for s in http https; do ducc-ls -s "$tmp/$s" -r "$R" "$registry/app:1" | sed 's,/.*,,'; done | xargs)" "http: https:"
push "$L:three" "$registry/app:2"
skopeo delete --tls-verify=false "docker://$registry/other:3"
current() {
	ducc-ls -r "$R" --remote "$@" | tr '\t' '\n' | sed -n 's/^current=//p' | xargs
}
is "one has moved, one is gone" "$(current)" "yes no gone"
like "... in columns" "$(ducc-ls -c -r "$R" --remote)" 'app:2  \(outdated\)$'
umoci new --image "$L:index"
skopeo copy -q --insecure-policy --dest-tls-verify=false --format v2s2 "oci:$L:one" "docker://$registry/list:amd"
curl -fsS -o "$tmp/amd" -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "http://$registry/v2/list/manifests/amd"
jq -n --arg digest "$(digest_of "$tmp/amd")" --argjson size "$(wc -c <"$tmp/amd")" '{schemaVersion: 2,
	mediaType: "application/vnd.docker.distribution.manifest.list.v2+json", manifests: [{$digest, $size,
	mediaType: "application/vnd.docker.distribution.manifest.v2+json", platform: {os: "linux", architecture: "amd64"}}]}' >"$tmp/list"
put_manifest "$registry" list 1 application/vnd.docker.distribution.manifest.list.v2+json "$tmp/list"
ok "an image from an index" publish "$registry/list:1"
is "... is current" "$(current "$registry/list:1")" yes
rm "$R/.metadata/$registry/list:1/rootfs.mtree" "$R/.metadata/$registry/list:1/config.json"
jq '.mediaType = ""' "$R/.metadata/$registry/list:1/manifest.json" >"$tmp/manifest"
size=$(field size "$registry/list:1")
mv "$tmp/manifest" "$R/.metadata/$registry/list:1/manifest.json"
is "... also if the original has published it" "$(current "$registry/list:1") $(ducc-ls -r "$R" "$registry/list:1" | cut -f1)" \
	"yes http://$registry/list:1"
is "... which leaves some fields out" "$(field layers "$registry/list:1") $(field size "$registry/list:1")$(field platform "$registry/list:1")$(field damaged '*')" "2 $size"
untagged=$registry/app@$(digest_at "$registry/app:2")
ok "an image published by its digest only" publish "$untagged"
is "... is current" "$(current "$untagged") $(ducc-ls -S -s "$S" --remote "$untagged" | grep -c '	current=yes')" "yes 1"
skopeo delete --tls-verify=false "docker://$untagged"
is "... as long as the registry has it" "$(current "$untagged")" gone
ok "... and removed" ducc-gc -r "$R" --remove "$untagged"
stop_server
start_nginx <<END
server { @LISTEN@ }
END
umoci tag --image "$L:one" "$nginx/app:1"
ducc-fetch -q -s "$tmp/moved" "oci:$L:$nginx/app:1" >"$tmp/record"
fails "a web server that is no registry" ducc-ls -S -s "$tmp/moved" --remote
like "... does not know what exists" "$(cat "$out")" '	current=unknown'
like "... which is reported" "$(cat "$out")" "^ducc-ls: .*$nginx/app:1: .*404"
fails "without the registry" ducc-ls -r "$R" --remote "$registry/app:1"
like "... the cause" "$(cat "$out")" "^ducc-ls: $registry/app:1: manifest: Failed to connect"
like "... the image is listed" "$(cat "$out")" 'current=unknown'
fails "... in columns" ducc-ls -c -r "$R" --remote "$registry/app:1"
like "... it is not known" "$(cat "$out")" 'app:1  \(not known: the registry could not be asked\)$'

# What is wrong
is "nothing is damaged" "$(field damaged '*')" ""
echo '{' >"$R/.metadata/$registry/app:1/manifest.json"
rm "$R/$registry/app:2"
like "a damaged manifest" "$(field damaged '*:1')" 'manifest.json'
is "a missing name" "$(field damaged '*:2')" "the name is missing"
ln -s "$(readlink "$R/$registry/other:3")" "$R/$registry/app:2"
is "a wrong one" "$(field damaged '*:2')" "the name leads to another image"
rm -r "$R/.metadata/$registry/app:1"
like "one without metadata" "$(field damaged '*app:1')" 'manifest.json is missing or damaged'
is "... has none" "$(field size '*app:1')$(field since '*app:1')" ""

cp -a "$R/.flat" "$tmp/flat"
field damaged '*' >"$tmp/damaged"
rm -r "$(readlink -f "$R/$registry/list:1")"
is "one without its files" "$(field damaged "$registry/list:1")" "the name leads to files that do not exist"
like "... in columns" "$(ducc-ls -c -r "$R" "$registry/list:1")" 'list:1  \(damaged: the name leads to files'
rm -r "$R/.flat" && mv "$tmp/flat" "$R/.flat"
is "... not with them" "$(field damaged '*')" "$(cat "$tmp/damaged")"
mkdir "$R/$registry/org"
ln -s ../../.flat/xx/nothing "$R/$registry/org/ghost:1"
like "a name that leads to nothing" "$(field damaged '*ghost:1')" .
fails "... is a fault" ducc-check -r "$R"
like "... and missing" "$(cat "$out")" "^missing	$registry/org/ghost:1	"
ok "... and removed like an image" ducc-gc -r "$R" --remove "$registry/org/ghost:1"
ok "... completely" test ! -L "$R/$registry/org/ghost:1"
cp "$R/.metadata/remove-schedule.json" "$tmp/schedule"
echo '{' >"$R/.metadata/remove-schedule.json"
fails "a damaged schedule" ducc-ls -r "$R"
like "... is reported" "$(cat "$out")" "^ducc-ls: repository $R: .metadata/remove-schedule.json is damaged"
is "... and all images are listed" "$(grep -c '	name=' "$out")" 4
mv "$tmp/schedule" "$R/.metadata/remove-schedule.json"
touch "$R/.metadata/.failing"
chmod 600 "$R/.metadata/.failing"
ok "a list of failures that this user cannot read" setpriv --reuid 65534 --regid 65534 --clear-groups env -u HOME ducc-ls -r "$R"
like "... is warned of" "$(cat "$out")" \
	"^ducc-ls: warning: repository $R: .metadata/.failing: Permission denied; failing images are unknown"
is "... and all images are listed" "$(grep -c '	name=' "$out")" 4
rm "$R/.metadata/.failing"
chmod 600 "$R/.metadata/remove-schedule.json"
fails "a schedule that this user cannot read" setpriv --reuid 65534 --regid 65534 --clear-groups env -u HOME ducc-ls -r "$R"
like "... is reported" "$(cat "$out")" \
	"^ducc-ls: repository $R: .metadata/remove-schedule.json: Permission denied \\(images to be removed are unknown\\)"
is "... and all images are listed" "$(grep -c '	name=' "$out")" 4
chmod 644 "$R/.metadata/remove-schedule.json"

# CernVM-FS, and a name for several platforms
cvmfs_server mkfs test.example.org
for p in amd64 arm64; do
	umoci config --image "$L:one" --architecture $p
	umoci tag --image "$L:one" quay.io/org/app:1
	ducc-fetch -q -s "$S" "oci:$L:quay.io/org/app:1" | ducc-unpack -q -s "$S" | ducc-publish -q -s "$S" -r test.example.org
done >"$tmp/published"
is "CernVM-FS: each platform" "$(ducc-ls -r test.example.org | sed 's/.*	name=\([^	]*\)	platform=\([^	]*\)	.*/\1 \2/')" \
	"quay.io/org/app:1 linux/amd64
quay.io/org/app:1 linux/arm64"
is "... is whole" "$(ducc-ls -r test.example.org | grep -c damaged=)" 0
is "... and since when" "$(ducc-ls -r test.example.org | grep -c '	since=2027-01-15T08:00:00Z')" 2
fails "CernVM-FS: not mounted" ducc-ls -r other.example.org
like "... which is said" "$(cat "$out")" 'repository other.example.org is not mounted'

# A store
store() {
	ducc-ls -S -s "$S" "$@"
}
is "the store" "$(store | tr '\t' '\n' | sed -n 's/^name=//p' | grep -c .)" 7
store | grep -v "	name=$registry/app@" >"$tmp/listed"
mv "$S/index.json" "$tmp/index.json"
is "... of which only the list is missing: those with a tag" "$(store)" "$(cat "$tmp/listed")"
ok "... which is not written" test ! -e "$S/index.json"
mv "$tmp/index.json" "$S/index.json"
is "... what is unpacked" "$(store "$registry/app:1" | tr '\t' '\n' | grep ^state=)" state=unpacked
rm "$S"/images/*.mtree
is "... or only fetched" "$(store "$registry/app:1" | tr '\t' '\n' | grep ^state=)" state=fetched
rm "$S/blobs/sha256/$(manifest_layer=$(jq -r '.layers[0].digest' "$S/blobs/sha256/$(pinned "$(store "$registry/app:1")")"); echo "${manifest_layer#sha256:}")"
is "... or not even that" "$(store "$registry/app:1" | tr '\t' '\n' | grep ^state=)" state=partial
ok "... is left as it is" whole "$S"
echo '{' >"$S/blobs/sha256/$(pinned "$(store "$registry/app:1")")"
like "... what is damaged" "$(store "$registry/app:1")" 'damaged=manifest sha256:'
ok "... is not removed" test -e "$S/blobs/sha256/$(pinned "$(store "$registry/app:1")")"
mkdir "$tmp/none" "$tmp/begun" "$tmp/begun/blobs"
for i in none begun; do
	is "a store that has nothing yet: $i" "$(ducc-ls -S -s "$tmp/$i" 2>&1 && ls "$tmp/$i")" "$(ls "$tmp/$i")"
done
rmdir "$tmp/none"
mkdir "$tmp/one/tmp"
: >"$tmp/one/tmp/file"
PATH=$PATH:$top/scripts
for tool in "ls -S" "gc -S" "unpack x" "fetch oci:$L:one" "convert $tmp/records"; do
	# shellcheck disable=SC2086 # a tool and its options
	fails "ducc-${tool%% *} of a directory that is none" ducc-$tool -s "$tmp/one"
	like "... says so" "$(cat "$out")" "^ducc-${tool%% *}: .*$tmp/one is not a store: contains other files"
done
is "... and leaves it as it is" "$(cd "$tmp/one" && find . | sort | xargs)" ". ./name ./tmp ./tmp/file"
fails "a store that is not there" ducc-ls -S -s "$tmp/none"

# What ducc-convert has noted
mkdir "$S/wishes"
printf '%s\trepo=%s\tlist=%s\n' "http://$registry/app:2" "$R" /etc/ducc/a.yaml >"$S/wishes/a"
printf '%s\trepo=%s\tlist=%s\tfailing=%s\terror=%s\n' "http://$registry/new:1" "$R" b.yaml 2027-01-14T00:00:00Z \
	"ducc-fetch: no such image" >"$S/wishes/b"
printf '%s\trepo=%s\tlist=%s\n' "http://$registry/app:2" "$R" b.yaml "http://$registry/x:1" elsewhere b.yaml >>"$S/wishes/b"
is "which lists want it" "$(field list '*app:2')" "/etc/ducc/a.yaml, b.yaml"
is "an image that fails" "$(field state '*new:1') $(field failing '*new:1') $(field error '*new:1')" \
	"missing 2027-01-14T00:00:00Z ducc-fetch: no such image"
like "... in columns" "$(ducc-ls -c -s "$S" -r "$R")" \
	'^- +- +- +.*new:1  \(missing; failing since 2027-01-14 00:00: ducc-fetch: no such image\)$'
fails "... named exactly" ducc-ls -s "$S" -r "$R" "$registry/new:1"
like "... is not there" "$(cat "$out")" "^ducc-ls: $registry/new:1: not in repository $R\$"
like "... but listed" "$(cat "$out")" '	state=missing	'
ok "... but not by a wildcard, or in a list of everything" sh -c "ducc-ls -s '$S' -r '$R' '*new:1' && ducc-ls -s '$S' -r '$R'"
is "... not that of another repository" "$(names | grep -c x:1)" 0
printf '%s\trepo=%s\tlist=c.yaml\tfailing=2027-01-14T00:00:00Z\terror=x\n' "http://$registry/wild:*" "$R" >"$S/wishes/c"
like "a wildcard is no image that is missing" "$(ducc-ls -c -s "$S" -r "$R")" 'wild:\*  \(not expanded; failing since '
rm "$S/wishes/c"

done_testing
