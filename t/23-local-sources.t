#!/bin/sh
# Images that don't come from a registry: OCI layouts and docker-archive files.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need busybox jq skopeo umoci zstd
image_program=busybox

L=$tmp/layout
S=$tmp/store
make_image "$L" one
make_image "$L" two
digest() { # NAME
	jq -r --arg n "$1" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $n).digest' \
		"$L/index.json"
}
fetch() { # IMAGE...: the references printed, or what went wrong
	ducc-fetch -q -s "$S" "$@" 2>&1 | cut -f1
}
# refuses CAUSE IMAGE: status 1 and one line of error that names it and the cause
refuses() {
	status=0
	timeout 60 ducc-fetch -s "$S" "$2" >"$tmp/stdout" 2>"$tmp/stderr" || status=$?
	cat "$tmp/stdout" "$tmp/stderr"
	[ $status = 1 ] && [ ! -s "$tmp/stdout" ] && [ "$(wc -l <"$tmp/stderr")" = 1 ] &&
		grep -F "ducc-fetch: $2: " "$tmp/stderr" | grep -Eq "$1" && sound "$S"
}

# A new store is for its owner, as it may contain private images; others stay as they are.
(umask 0 && ducc-fetch -q -s "$tmp/new/store/" "oci:$L:one" >"$out")
is "a new store is accessible only for its owner" "$(stat -c %a "$tmp/new/store" "$tmp/new" | xargs)" "700 755"
mkdir "$tmp/shared"
chmod 2775 "$tmp/shared"
ducc-fetch -q -s "$tmp/shared" "oci:$L:one" >"$out"
is "... one that exists keeps its mode" "$(stat -c %a "$tmp/shared")" 2775

# Names
is "oci:DIR:REF takes that image" "$(fetch "oci:$L:two")" "http://localhost/two:latest@$(digest two)"
for name in latest foo:bar org/foo:bar quay.io/org/app:1 registry:5000/app 127.0.0.1:5000/a/b:c; do
	umoci tag --image "$L:one" "$name"
done
one=$(digest one)
is "a REF that is only a tag names localhost/TAG:latest" "$(fetch "oci:$L:latest")" "http://localhost/latest:latest@$one"
is "NAME:TAG becomes localhost/NAME:TAG" "$(fetch "oci:$L:foo:bar")" "http://localhost/foo:bar@$one"
is "... nested names too" "$(fetch "oci:$L:org/foo:bar")" "http://localhost/org/foo:bar@$one"
is "a name with a registry stays as it is" "$(fetch "oci:$L:quay.io/org/app:1")" "https://quay.io/org/app:1@$one"
is "... with a port, too" "$(fetch "oci:$L:registry:5000/app")" "https://registry:5000/app:latest@$one"
is "... on loopback, too" "$(fetch "oci:$L:127.0.0.1:5000/a/b:c")" "http://127.0.0.1:5000/a/b:c@$one"
is "a layout's directory may be relative" "$(cd "$tmp" && fetch oci:layout:one)" "http://localhost/one:latest@$one"
is "several at once" "$(fetch "oci:$L:one" "oci:$L:two" | tr '\n' ' ')" \
	"http://localhost/one:latest@$one http://localhost/two:latest@$(digest two) "
make_image "$tmp/single" single
like "without REF: the only image of the layout" "$(fetch "oci:$tmp/single")" "^http://localhost/single:latest@sha256:"
ok "without REF: several images are an error" refuses "more than one image" "oci:$L"
jq 'del(.manifests[0].annotations)' "$tmp/single/index.json" >"$tmp/index" && cp "$tmp/index" "$tmp/single/index.json"
like "an image without a name takes the layout's" "$(fetch "oci:$tmp/single")" "^http://localhost/single:latest@sha256:"
ok "a layout stays as it was" umoci list --layout "$L"
ok "the store is sound" sound "$S"
ok "... and names what it has as skopeo wants it" skopeo inspect "oci:$S:quay.io/org/app:1"

# An index within the index
make_image "$tmp/multi" amd64
umoci tag --image "$tmp/multi:amd64" arm64
umoci config --image "$tmp/multi:arm64" --architecture arm64
jq -c '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [.manifests[] |
	.platform = {os: "linux", architecture: .annotations["org.opencontainers.image.ref.name"]} |
	del(.annotations)]}' "$tmp/multi/index.json" >"$tmp/index"
index=$(digest_of "$tmp/index")
cp "$tmp/index" "$tmp/multi/blobs/sha256/${index#*:}"
jq -c --arg d "$index" --argjson s "$(wc -c <"$tmp/index")" '{schemaVersion: 2, manifests: [{digest: $d, size: $s,
	mediaType: "application/vnd.oci.image.index.v1+json",
	annotations: {"org.opencontainers.image.ref.name": "multi:1"}}]}' "$tmp/index" >"$tmp/multi/index.json"
for arch in amd64 arm64; do
	is "a nested index gives the image for -p linux/$arch" "$(ducc-fetch -q -s "$S" -p linux/$arch "oci:$tmp/multi:multi:1")" \
		"http://localhost/multi:1@$(jq -r --arg a $arch '.manifests[] | select(.platform.architecture == $a).digest' "$tmp/index")	platform=linux/$arch"
done
fails "a platform that a nested index hasn't is an error" ducc-fetch -s "$S" -p linux/s390x "oci:$tmp/multi:multi:1"
like "... that names those there are" "$(cat "$out")" "linux/amd64.*linux/arm64"

# docker-archive
archive() { # FILE NAME
	skopeo copy -q --insecure-policy "oci:$L:one" "docker-archive:$1:$2"
}
archive "$tmp/named.tar" app:v2
archive "$tmp/full.tar" quay.io/org/app:v3
like "docker-archive:FILE takes its image under its name" "$(fetch "docker-archive:$tmp/named.tar")" \
	"^(http://localhost/app|https://registry.hub.docker.com/library/app):v2@sha256:"
like "... a name with a registry stays as it is" "$(fetch "docker-archive:$tmp/full.tar")" \
	"^https://quay.io/org/app:v3@sha256:"
is "... and is always pinned to the same digest" "$(fetch "docker-archive:$tmp/full.tar")" "$(fetch "docker-archive:$tmp/full.tar")"
like "docker-archive:FILE:REF takes that image" "$(fetch "docker-archive:$tmp/full.tar:quay.io/org/app:v3")" \
	"^https://quay.io/org/app:v3@sha256:"
ok "... an error if it isn't there" refuses "no image named" "docker-archive:$tmp/full.tar:quay.io/org/app:v4"
ok "skopeo reads the image from the store" skopeo inspect "oci:$S:quay.io/org/app:v3"
is "the config is the archive's own" "$(skopeo inspect --config --raw "oci:$S:quay.io/org/app:v3" | sha256sum)" \
	"$(tar -xOf "$tmp/full.tar" "$(tar -xOf "$tmp/full.tar" manifest.json | jq -r '.[0].Config')" | sha256sum)"

# As docker save wrote it for years: one directory per layer, a repeated layer as a symbolic link
mkdir -p "$tmp/save/a" "$tmp/save/b" "$tmp/save/c" "$tmp/tree"
echo hello >"$tmp/tree/hello"
tar -C "$tmp/tree" -cf "$tmp/save/a/layer.tar" hello
tar -cf "$tmp/save/b/layer.tar" -T /dev/null
ln -s ../b/layer.tar "$tmp/save/c/layer.tar"
id() {
	digest_of "$tmp/save/$1/layer.tar"
}
jq -nc --arg a "$(id a)" --arg b "$(id b)" '{os: "linux", architecture: "amd64", config: {},
	rootfs: {type: "layers", diff_ids: [$a, $b, $b]}}' >"$tmp/save/config.json"
echo '[{"Config":"config.json","RepoTags":["old:1","other/name:2"],"Layers":["a/layer.tar","b/layer.tar","c/layer.tar"]}]' \
	>"$tmp/save/manifest.json"
tar -C "$tmp/save" -cf "$tmp/old.tar" c b a config.json manifest.json
ducc-fetch -q -s "$S" "docker-archive:$tmp/old.tar:old:1" >"$tmp/old" || :
ok "an archive of docker save, where a repeated layer is a link" ducc-unpack -s "$S" -x "$tmp/x" "$(cut -f1 "$tmp/old")"
is "... unpacks" "$(cat "$tmp/x/hello")" hello
like "... under each of its names" "$(fetch "docker-archive:$tmp/old.tar:other/name:2")" "other/name:2@sha256:"

# Through the whole pipeline
R=$tmp/repo
ok "both kinds go through the pipeline" main_job "$S" "$R" "oci:$L:foo:bar" "docker-archive:$tmp/full.tar"
is "... to the same files" "$(cd "$R/quay.io/org/app:v3/" && find . | sort)" "$(cd "$R/localhost/foo:bar/" && find . | sort)"
is "... with the same contents" "$(sha256sum <"$R/quay.io/org/app:v3/data/numbers")" "$(seq 20000 | sha256sum)"
ok "... where what a layer removed is gone" test ! -e "$R/localhost/foo:bar/doc/gone"

# What isn't right
ok "oci: a directory that isn't there" refuses "No such file" "oci:$tmp/nowhere"
mkdir "$tmp/empty"
ok "oci: a directory that isn't a layout" refuses "." "oci:$tmp/empty"
ok "oci: a REF that isn't there" refuses "no image named none" "oci:$L:none"
cp -r "$L" "$tmp/flipped"
blob=$tmp/flipped/blobs/sha256/$(jq -r '.layers[0].digest' "$L/blobs/sha256/${one#*:}" | cut -d: -f2)
flip "$blob" 100
fails "oci: a blob that isn't what its name says" ducc-fetch -s "$tmp/S2" "oci:$tmp/flipped:one"
ok "oci: ... is not stored" test ! -e "$tmp/S2/blobs/sha256/${blob##*/}"
ok "oci: ... and leaves no trace" sound "$tmp/S2"
cp -r "$L" "$tmp/missing"
rm "$tmp/missing/blobs/sha256/${blob##*/}"
fails "oci: a blob that isn't there" ducc-fetch -s "$tmp/S3" "oci:$tmp/missing:one"
cp -r "$L" "$tmp/linked"
mv "$tmp/linked/blobs/sha256/${blob##*/}" "$tmp/elsewhere"
ln -s /dev/zero "$tmp/linked/blobs/sha256/${blob##*/}"
fails "oci: a blob that is a device" timeout 60 ducc-fetch -s "$tmp/S3" "oci:$tmp/linked:one"
for name in ../../../etc/x:1 /etc/x:1 quay.io/../../x:1 'a b:1'; do
	jq -c --arg n "$name" '.manifests |= [.[0] | .annotations["org.opencontainers.image.ref.name"] = $n]' \
		"$L/index.json" >"$tmp/index"
	cp "$tmp/index" "$tmp/missing/index.json"
	fails "oci: refuses an image that calls itself $name" ducc-fetch -s "$S" "oci:$tmp/missing"
done
for index in '' '{' '[]' '{}' '{"manifests":{}}' '{"manifests":[null]}' '{"manifests":[{"digest":7}]}'; do
	printf %s "$index" >"$tmp/missing/index.json"
	ok "oci: refuses an index.json of: $index" refuses . "oci:$tmp/missing"
done
{
	printf '{"manifests":[0'
	yes ',0' | head -n 250000 | tr -d '\n'
	printf ']}'
} >"$tmp/missing/index.json"
ok "oci: refuses an index.json that is many values in few bytes" refuses 'index.json: JSON with more than 200000 values' "oci:$tmp/missing"

# A large index.json is fine on disk, but not in an archive that may compress it to almost nothing
mkdir "$tmp/large"
cp -r "$L/." "$tmp/large"
head -c 5000000 /dev/zero | tr '\0' ' ' >>"$tmp/large/index.json"
tar -C "$tmp/large" -czf "$tmp/large.tar.gz" .
is "oci: an index.json of more than 4 MiB" "$(fetch "oci:$tmp/large:one")" "http://localhost/one:latest@$one"
ok "oci-archive: refuses it" refuses 'index.json: more than 4194304 bytes' "oci-archive:$tmp/large.tar.gz:one"

ok "docker-archive: a file that isn't there" refuses "No such file" "docker-archive:$tmp/nowhere.tar"
echo "not a tar" >"$tmp/not.tar"
ok "docker-archive: a file that isn't a tar" refuses "manifest.json|tar|archive|format" "docker-archive:$tmp/not.tar"
ok "docker-archive: a directory" refuses "." "docker-archive:$tmp/empty"
tar -C "$tmp" -cf "$tmp/none.tar" not.tar
ok "docker-archive: no manifest.json" refuses "manifest.json" "docker-archive:$tmp/none.tar"
head -c 100000 "$tmp/full.tar" >"$tmp/cut.tar"
ok "docker-archive: cut short" refuses . "docker-archive:$tmp/cut.tar"
n=0
while read -r filter; do
	n=$((n + 1))
	jq -c "$filter" "$tmp/save/manifest.json" >"$tmp/manifest"
	mkdir "$tmp/bad$n"
	cp -r "$tmp"/save/[abc]* "$tmp/manifest" "$tmp/bad$n"
	mv "$tmp/bad$n/manifest" "$tmp/bad$n/manifest.json"
	tar -C "$tmp/bad$n" -cf "$tmp/bad$n.tar" a b c config.json manifest.json
	ok "docker-archive: refuses a manifest.json with $filter" refuses . "docker-archive:$tmp/bad$n.tar"
done <<'END'
.[0].Config = "nothing.json"
.[0].Config = 7
.[0].Config = "a/layer.tar"
.[0].Layers = "a/layer.tar"
.[0].Layers[0] = "nothing.tar"
.[0].Layers[0] = "../../../etc/passwd"
.[0].Layers = [null]
.[0].Layers |= .[:2]
.[0].RepoTags = ["../../x:1"]
.[0].RepoTags = 7
[]
{}
END
rm "$tmp/save/a/layer.tar"
ln -s /etc/passwd "$tmp/save/a/layer.tar"
tar -C "$tmp/save" -cf "$tmp/passwd.tar" c b a config.json manifest.json
ok "docker-archive: a layer that is a link out of the archive" refuses . "docker-archive:$tmp/passwd.tar"
rm "$tmp/save/b/layer.tar"
ln -s ../c/layer.tar "$tmp/save/b/layer.tar"
tar -C "$tmp/save" -cf "$tmp/loop.tar" c b a config.json manifest.json
ok "docker-archive: layers that are links to each other" refuses . "docker-archive:$tmp/loop.tar"

# Tars of layouts, and standard input
skopeo copy -q --insecure-policy "oci:$L:two" "oci-archive:$tmp/two.tar:org/two:1"
two=$(tar -xOf "$tmp/two.tar" index.json | jq -r '.manifests[0].digest')
S=$tmp/from-tar
is "oci-archive:FILE takes the only image" "$(fetch "oci-archive:$tmp/two.tar")" "http://localhost/org/two:1@$two"
ok "... all of it" ducc-unpack -s "$S" "localhost/org/two:1"
tar -C "$L" -czf "$tmp/layout.tar.gz" .
is "... a compressed one of several by name" "$(fetch "oci-archive:$tmp/layout.tar.gz:one")" "http://localhost/one:latest@$one"
ok "oci-archive: several without a name" refuses 'specify one' "oci-archive:$tmp/layout.tar.gz"
ok "oci-archive: no such name" refuses 'no image named x' "oci-archive:$tmp/layout.tar.gz:x"
tar -C "$L" -cf "$tmp/part.tar" index.json oci-layout blobs/sha256/"${one#*:}"
S=$tmp/from-part
ok "oci-archive: blobs that are missing" refuses 'no blobs/sha256' "oci-archive:$tmp/part.tar:one"
tar -C "$tmp" -cf "$tmp/none.tar" two.tar
ok "oci-archive: something else" refuses 'no index.json, not an OCI image layout' "oci-archive:$tmp/none.tar"
head -c 100000 "$tmp/two.tar" >"$tmp/cut.tar"
ok "oci-archive: cut off" refuses . "oci-archive:$tmp/cut.tar"
mkdir "$tmp/wrong"
tar -C "$tmp/wrong" -xf "$tmp/two.tar"
flip "$tmp/wrong/blobs/sha256/$(jq -r '.layers[1].digest[7:]' "$tmp/wrong/blobs/sha256/${two#*:}")" 100
tar -C "$tmp/wrong" -cf "$tmp/wrong.tar" .
S=$tmp/from-wrong
ok "oci-archive: a blob that is not what its name says" refuses 'digest mismatch' "oci-archive:$tmp/wrong.tar"
S=$tmp/from-input
is "oci-archive:- is standard input" "$(fetch oci-archive:- <"$tmp/two.tar")" "http://localhost/org/two:1@$two"
is "... also if it is a pipe" "$(gzip -c "$tmp/layout.tar.gz" | gzip -dc | fetch oci-archive:-:one)" "http://localhost/one:latest@$one"
skopeo copy -q --insecure-policy "oci:$L:two" "docker-archive:$tmp/two-docker.tar:org/docker:1"
like "docker-archive:- is standard input" "$(fetch docker-archive:- <"$tmp/two-docker.tar")" "^https://registry.hub.docker.com/org/docker:1@"
is "several images of one archive on standard input" "$(gzip -dc "$tmp/layout.tar.gz" | fetch oci-archive:-:one oci-archive:-:two | sort -u | wc -l)" 2
is "... or all platforms of one" \
	"$(tar -C "$tmp/multi" -c . | ducc-fetch -q -a -s "$S" oci-archive:-:multi:1 | sed 's/.*platform=//' | tr '\n' ' ')" "linux/amd64 linux/arm64 "
ok "docker-archive:- that is none" refuses 'standard input: ' docker-archive:- </dev/null

# An archive that is compressed or comes through a pipe is copied, decompressed, into TMPDIR.
gzip -dc "$tmp/layout.tar.gz" >"$tmp/layout.tar"
{ head -c 3000 "$tmp/layout.tar" | gzip; tail -c +3001 "$tmp/layout.tar" | gzip; } >"$tmp/layout.tar.gzz"
zstd -q "$tmp/layout.tar"
mkfifo "$tmp/fifo"
S=$tmp/from-copies
blobs() { # ARCHIVE: the digests of the blobs of its image two
	rm -rf "$S"
	timeout 100 ducc-fetch -q -s "$S" "oci-archive:$1:two" >"$tmp/out" 2>&1 && sound "$S" && ls "$S/blobs/sha256" || echo "not $1"
}
all=$(blobs "$tmp/layout.tar")
for kind in gz gzz zst; do
	is "an archive compressed as $kind has the same blobs" "$(blobs "$tmp/layout.tar.$kind")" "$all"
done
for kind in tar tar.gz tar.zst; do
	timeout 100 dd status=none if="$tmp/layout.$kind" of="$tmp/fifo" &
	is "... so has a $kind from a FIFO" "$(blobs "$tmp/fifo")" "$all"
	is "... and from a pipe of the shell" "$(dd status=none if="$tmp/layout.$kind" | blobs /dev/fd/0)" "$all"
done
is "several images of a compressed one on standard input" \
	"$(fetch oci-archive:-:one oci-archive:-:two <"$tmp/layout.tar.zst" | sort -u | wc -l)" 2
skopeo copy -q --insecure-policy "oci:$L:two" "docker-archive:$tmp/docker.tar:org/docker:1"
gzip -k "$tmp/docker.tar"
is "a compressed docker-archive has the same manifest" "$(fetch "docker-archive:$tmp/docker.tar.gz")" "$(fetch "docker-archive:$tmp/docker.tar")"
is "a copy leaves nothing in TMPDIR" \
	"$(mkdir "$tmp/copies" && TMPDIR=$tmp/copies blobs "$tmp/layout.tar.gz" >"$tmp/out" && ls -A "$tmp/copies")" ""
TMPDIR=$tmp/nowhere
export TMPDIR
ok "without TMPDIR there is no copy" refuses "$tmp/nowhere: No such file" "oci-archive:$tmp/layout.tar.gz:two"
is "... but a file that is not compressed needs none" "$(fetch "oci-archive:$tmp/layout.tar:two")" "http://localhost/two:latest@$(digest two)"
unset TMPDIR
full() { # IMAGE: as with a disk that is full after 8 KiB
	(trap '' XFSZ; ulimit -f 16; TMPDIR=$tmp/copies exec ducc-fetch -s "$S" "$1")
}
fails "a copy that cannot be written is an error" full "oci-archive:$tmp/layout.tar.gz:two"
is "... that names the directory" "$(sed 's/, on the file system .*:/,/' "$out")" \
	"ducc-fetch: oci-archive:$tmp/layout.tar.gz:two: $tmp/copies: File too large (temporary files $tmp/copies, set TMPDIR to a directory with more space)"
head -c 100000 "$tmp/layout.tar.gz" >"$tmp/cut.tar.gz"
ok "a compressed archive that is cut short names itself" refuses "$tmp/cut.tar.gz: truncated gzip input" "oci-archive:$tmp/cut.tar.gz:two"
gzip -c "$tmp/layout.tar.gz" >"$tmp/layout.twice"
ok "one that is compressed twice is refused" refuses "not a tar archive" "oci-archive:$tmp/layout.twice:two"

# Names of files are no URLs.
for form in oci oci-archive docker-archive; do
	for path in nowhere/image /nowhere/image; do
		fails "$form://$path" ducc-fetch -s "$S" "$form://$path"
		like "... is told how to write it" "$(cat "$out")" "No such file or directory \\(this is not a URL: write $form:$path\\)\$"
	done
done

ok "in the end the stores are sound" sound "$S"
ok "... all of them" sound "$tmp/store"

done_testing
