#!/bin/sh
# Indexes in indexes, platforms and their variants, foreign layers, artifacts.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry htpasswd jq nginx skopeo umoci

index_type=application/vnd.oci.image.index.v1+json
type=application/vnd.oci.image.manifest.v1+json
registry_settings='validation: { manifests: { urls: { allow: [ "^http://" ] } } }'
start_registry open
make_image "$tmp/oci" one
platforms='amd64 amd64/v2 amd64/v3 arm/v5 arm/v6 arm/v7 arm64 s390x'
for p in $platforms; do
	name=$(echo "$p" | tr -d /)
	umoci tag --image "$tmp/oci:one" "$name"
	umoci config --image "$tmp/oci:$name" --os linux --architecture "${p%/*}"
	push "$tmp/oci:$name" "$registry/multi:$name"
	manifest_of "$registry/multi:$name" >"$tmp/manifest-$name"
	echo "$p $(digest_of "$tmp/manifest-$name")" >>"$tmp/digests"
done

for_platform() { # ARCHITECTURE[/VARIANT]: standard input, an entry, with this platform
	jq -c --arg p "$1" '($p / "/") as [$a, $v] | .platform = {os: "linux", architecture: $a} + if $v then {variant: $v} else {} end'
}
entry() { # PLATFORM: its entry in an index
	descriptor $type "$tmp/manifest-$(echo "$1" | tr -d /)" | for_platform "$1"
}
index() { # TAG: standard input, entries, as an index; prints the entry that leads to it
	jq -sc --arg t $index_type '{schemaVersion: 2, mediaType: $t, manifests: .}' >"$tmp/index"
	put_manifest "$registry" multi "$1" $index_type "$tmp/index"
	descriptor $index_type "$tmp/index"
}
picks() { # PLATFORM TAG: the tag of the image that is picked
	picked=$(pinned "$(ducc-fetch -q -s "$tmp/store" -p "linux/$1" "$registry/multi:$2" 2>"$out")") || {
		grep -v 'no image for platform' "$out" || :
		return 0
	}
	sed -n "s/ sha256:$picked\$//p" "$tmp/digests"
}

# Variants, as containerd has them
for p in $platforms; do entry "$p"; done | index all >"$tmp/all"
for p in $platforms; do
	is "linux/$p is what it says" "$(picks "$p" all)" "$p"
done
is "arm means arm/v7" "$(picks arm all)" arm/v7
is "arm64/v8 means arm64" "$(picks arm64/v8 all)" arm64
for p in amd64/v3 arm/v6 arm/v5 amd64/v2; do entry "$p"; done | index some >"$tmp/some"
is "an older variant will do" "$(picks arm/v7 some)" arm/v6
is "... the newest of them" "$(picks amd64/v4 some)" amd64/v3
is "... but no newer one" "$(picks amd64 some)" ""
is "... of no architecture" "$(picks arm/v4 some)" ""
is "... and no other architecture" "$(picks 386 some)$(picks arm64 some)" ""
is "names that distributions have for an architecture will do" \
	"$(picks x86_64 all) $(picks aarch64 all) $(picks armhf all)" "amd64 arm64 arm/v7"

# All of them
ducc-fetch -q --all-platforms -s "$tmp/store" "$registry/multi:all" >"$tmp/records"
is "-a fetches all platforms" "$(sed -n 's/.*platform=linux.//p' "$tmp/records" | tr '\n' ' ')" \
	"$(for p in $platforms; do printf '%s ' "${p%/v7}"; done)"
is "... which their records keep, though the configs name no variants" "$(ducc-fetch -q -s "$tmp/other" <"$tmp/records" | cut -f1,2 | sort)" \
	"$(cut -f1,2 "$tmp/records" | sort)"
is "... each pinned to its own image" "$(cut -f1 "$tmp/records" | sort -u | wc -l)" 8
is "... and a single image as it is" "$(ducc-fetch -q -a -s "$tmp/store" "$registry/multi:s390x" | wc -l)" 1
status=0
ducc-fetch -a -p linux/amd64 -s "$tmp/store" "$registry/multi:all" >"$out" 2>&1 || status=$?
is "-a with -p is wrong usage" $status 2

# Indexes in indexes
entry s390x | index inner1 >"$tmp/inner1"
entry arm/v7 | index inner2 >"$tmp/inner2"
cat "$tmp/inner1" "$tmp/inner2" | index nested >"$tmp/nested"
is "the second of two inner indexes has the image" "$(picks arm/v7 nested)" arm/v7
is "... the first another" "$(picks s390x nested)" s390x
is "... neither a third" "$(picks amd64 nested)" ""
like "... which is said" "$(cat "$out")" 'multi:nested: .*no image for platform linux/amd64'
index nested2 <"$tmp/nested" >"$tmp/nested2"
is "an index in an index in an index" "$(picks arm/v7 nested2)" arm/v7
all_of() { # TAG
	ducc-fetch -q -a -s "$tmp/store" "$registry/multi:$1" 2>"$out" | sed -n 's/.*platform=linux.//p' | xargs
}
{ cat "$tmp/inner1" && entry amd64 && cat "$tmp/nested"; } | index mixed >"$tmp/mixed"
is "-a finds the images of all" "$(all_of nested2)" "s390x arm"
is "... beside those of the outer one" "$(all_of mixed)" "amd64 s390x arm"
# A better match is further inside.
inner() {
	entry "$1" | index older
}
for p in arm/v6,arm/v7,entry amd64,amd64/v3,entry arm/v6,arm/v7,inner; do
	outer=${p##*,} p=${p%,*}
	older=${p%,*} newer=${p#*,}
	entry "$newer" | index newer >"$tmp/newer"
	index deeper <"$tmp/newer" >"$tmp/deeper"
	entry "$newer" | jq -c 'del(.platform)' >"$tmp/silent"
	for i in newer deeper; do
		{ "$outer" "$older" && cat "$tmp/$i"; } | index "with-$i" >"$tmp/with"
		is "$i: the $newer in a nested index is preferred to $older ($outer)" "$(picks "$newer" "with-$i") $(picks "$older" "with-$i")" "$newer $older"
		ducc-fetch -q -a -s "$tmp/store" "$registry/multi:with-$i" >"$tmp/records"
		is "... and -a fetches each" "$(sed 's/.*@//; s/	.*//' "$tmp/records" | grep -F -f - "$tmp/digests" | cut -d' ' -f1 | xargs)" "$older $newer"
	done
done
is "... which is no match for another" "$(picks arm/v5 with-deeper)$(picks arm64 with-deeper)" ""
{ entry arm/v6 && entry arm/v7 | jq -c 'del(.platform)'; } | index with-silent >"$tmp/with"
is "a better match is one whose config says so, too" "$(picks arm/v7 with-silent) $(picks arm/v6 with-silent)" "arm/v7 arm/v6"
{ entry arm/v5 && entry arm/v7 | jq -c 'del(.platform)'; } | index with-newer >"$tmp/with"
is "... as is the newest of those that will do" "$(picks arm/v8 with-newer)" arm/v7
{ entry arm/v6 && entry s390x | jq -c --arg t $index_type 'del(.platform) | .mediaType = $t'; } | index with-false >"$tmp/with"
is "... but nothing that is no index" "$(picks arm/v7 with-false)" arm/v6
entry arm64 | jq -c 'del(.platform)' | index silent >"$tmp/silent"
is "a single image need not say what it is for" "$(picks arm64 silent)" arm64

entry s390x | jq -c 'del(.platform)' | index silent2 >"$tmp/silent2"
cat "$tmp/silent2" "$tmp/silent" | index silents >"$tmp/silents"
is "... but each of several must" "$(picks arm64 silents)" arm64
is "... or none is found" "$(picks amd64 silents) $(all_of silents)" " s390x arm64"
for p in arm/v6 arm64; do
	# The configs are for arm and amd64.
	entry "$(echo $p | sed 's/arm64/amd64/')" | jq -c 'del(.platform)' | index in >"$tmp/in"
	index deep <"$tmp/in" >"$tmp/deep"
	for i in in deep; do
		{ for_platform $p <"$tmp/$i" && entry s390x; } | index "for-$i" >"$tmp/for"
		is "$i: the platform of a nested index is that of the only image in it" "$(picks $p "for-$i")" "$(echo $p | sed 's/arm64/amd64/')"
		is "... also for -a" "$(all_of "for-$i")" "$p s390x"
	done
done
damaged() { # sizes of entries
	jq -c '.size += 1'
}
{ entry amd64 && { entry arm64 | damaged && entry s390x; } | jq -c 'del(.platform)'; } | index doubt >"$tmp/doubt"
{ entry amd64 && damaged <"$tmp/inner1"; } | index nested_doubt >"$tmp/nested_doubt"
for i in doubt nested_doubt; do
	is "$i: for one of its images, others do not matter" "$(picks amd64 $i)" amd64
	is "... to -a they do" "$(all_of $i)" ""
	like "... which fails" "$(cat "$out")" "^ducc-fetch: $registry/multi:$i: manifest sha256:[0-9a-f]{64}: size mismatch"
done
entry arm/v7 | damaged | index broken >"$tmp/broken"
entry arm/v6 | index whole >"$tmp/whole"
cat "$tmp/broken" "$tmp/whole" | index second >"$tmp/second"
is "the platform of an image that could not be read is forgotten" \
	"$(ducc-fetch -n -q -s "$tmp/none" -p linux/arm "$registry/multi:second" | sed 's/.*platform=//; s/\t.*//')" linux/arm/v6

# What cannot be read now may be what matches best.
entry arm/v7 | index newer >"$tmp/newer"
entry s390x | index another >"$tmp/another"
silent=$(digest_of "$tmp/manifest-armv7")
newer=$(jq -r .digest "$tmp/newer")
start_nginx <<END
server {
	@LISTEN@
	location /v2/multi/manifests/$newer { return 503; }
	location /v2/multi/manifests/$silent { return 503; }
	location / { proxy_pass http://$registry; proxy_set_header Host \$http_host; }
}
END
{ entry arm/v6 && cat "$tmp/newer" "$tmp/another"; } | index unclear-index >"$tmp/with"
{ entry arm/v6 && { entry arm/v7 && entry s390x; } | jq -c 'del(.platform)'; } | index unclear-image >"$tmp/with"
for i in unclear-index unclear-image; do
	fails "$i: one that the registry does not give now may be a better match" \
		ducc-fetch -n -q -s "$tmp/none" -p linux/arm/v7 "$nginx/multi:$i"
	like "... which is said" "$(cat "$out")" "multi:$i: manifest.*503"
	is "... and is no matter if there is none" "$(pinned "$(ducc-fetch -n -q -s "$tmp/none" -p linux/arm/v6 "$nginx/multi:$i")")" \
		"$(sed -n 's,^arm/v6 sha256:,,p' "$tmp/digests")"
done
{ entry amd64 && entry arm/v7; } | jq -c 'del(.platform)' | index unclear-all >"$tmp/with"
fails "an index that names no platforms: one that is not given now may be a better match" \
	ducc-fetch -n -q -s "$tmp/none" -p linux/amd64/v2 "$nginx/multi:unclear-all"
like "... which is said" "$(cat "$out")" "multi:unclear-all: manifest.*503"
is "... and is no matter if there is none" "$(pinned "$(ducc-fetch -n -q -s "$tmp/none" -p linux/amd64 "$nginx/multi:unclear-all")")" \
	"$(sed -n 's,^amd64 sha256:,,p' "$tmp/digests")"

# Foreign layers
umoci tag --image "$tmp/oci:one" foreign
mkdir "$tmp/foreign"
echo foreign >"$tmp/foreign/foreign"
add_layer "$tmp/oci:foreign" "$tmp/foreign"
push "$tmp/oci:foreign" "$registry/source:1"
manifest_of "$registry/source:1" >"$tmp/manifest"
layer=$(jq -r '.layers[-1].digest' "$tmp/manifest")
mkdir "$tmp/www"
cp "$tmp/oci/blobs/sha256/${layer#*:}" "$tmp/www/layer"
make_htpasswd
start_nginx <<END
server { @LISTEN@ root $tmp/www; }
END
foreign_log=$nginx_log
jq -c --arg u "http://$nginx/layer" '.layers[-1] += {urls: [$u],
	mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"}' "$tmp/manifest" >"$tmp/foreign.json"
put_manifest "$registry" source foreign $type "$tmp/foreign.json"
fails "a foreign layer is not fetched" ducc-fetch -s "$tmp/none" "$registry/source:foreign"
like "... which is said, and how it would be" "$(cat "$out")" "source:foreign: layer $layer: non-distributable .*-F"
is "... before anything is downloaded" "$(find "$tmp/none/blobs" -type f | wc -l)" 0
ok "with -F it is" ducc-fetch -F -s "$tmp/F" "$registry/source:foreign"
like "... from where it is" "$(read_log "$foreign_log")" '^GET /layer 200 "-"'
ok "... and the store is sound" sound "$tmp/F"
ok "... and it can be unpacked" ducc-unpack -s "$tmp/F" "$registry/source:foreign"
echo wrong >"$tmp/www/layer"
ok "what is wrong there may be right in the registry" ducc-fetch -F -s "$tmp/F2" "$registry/source:foreign"
ok "... and the store is sound" sound "$tmp/F2"

# Layers of zstd, and of zstd:chunked, which has a table of contents in frames that others skip. Skopeo 1.9 loses
# what tar fills the last record up with, and then no diff ID is right: here are none to fill up.
umoci new --image "$tmp/oci:zstd"
for l in 1 2; do
	mkdir -p "$tmp/zstd/dir"
	seq $((l * 20000)) >"$tmp/zstd/dir/numbers$l"
	ln "$tmp/zstd/dir/numbers$l" "$tmp/zstd/linked$l"
	tar -C "$tmp/zstd" -b 1 -cf "$tmp/layer.tar" .
	umoci raw add-layer --image "$tmp/oci:zstd" "$tmp/layer.tar"
	rm -r "$tmp/zstd"
done
umoci unpack --image "$tmp/oci:zstd" "$tmp/bundle" >"$out" 2>&1
skopeo copy -q --insecure-policy --dest-decompress "oci:$tmp/oci:zstd" "dir:$tmp/plain"
other=$registry
for c in zstd zstd:chunked; do
	name=as-${c#*:}
	start_registry open # one that has no layers yet, which skopeo would take
	skopeo copy -q --insecure-policy --dest-tls-verify=false --format oci --dest-compress-format $c \
		"dir:$tmp/plain" "docker://$registry/$name:1"
	manifest_of "$registry/$name:1" >"$tmp/$name"
	is "an image of $c" "$(jq -r '.layers[].mediaType' "$tmp/$name" | sort -u)" application/vnd.oci.image.layer.v1.tar+zstd
	ok "... can be fetched" ducc-fetch -s "$tmp/from-$name" "$registry/$name:1"
	ok "... and unpacked" ducc-unpack -s "$tmp/from-$name" -x "$tmp/x-$name" "$registry/$name:1"
	is "... to what it was" "$(cd "$tmp/x-$name" && find . -type f -exec sha256sum {} + | sort)" \
		"$(cd "$tmp/bundle/rootfs" && find . -type f -exec sha256sum {} + | sort)"
done
registry=$other
like "zstd:chunked has that table" "$(cat "$tmp/as-chunked")" io.containers.zstd-chunked.manifest-checksum

# What is no image
artifact() { # NAME JQ-FILTER CAUSE
	jq -c "$2" "$tmp/manifest" >"$tmp/artifact"
	put_manifest "$registry" source "$1" $type "$tmp/artifact"
	fails "$1 is refused" ducc-fetch -s "$tmp/none" "$registry/source:$1"
	like "... which is said" "$(cat "$out")" "source:$1: manifest: $3"
	is "... before anything is downloaded" "$(find "$tmp/none/blobs" -type f | wc -l)" 0
}
manifest_of "$registry/source:1" >"$tmp/manifest"
artifact chart '.config.mediaType = "application/vnd.cncf.helm.config.v1+json" |
	.layers[].mediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"' 'an artifact, not a container image .*helm'
artifact artifact '.artifactType = "application/x-sbom" | .config.mediaType = "application/vnd.oci.empty.v1+json"' 'an artifact'
artifact strange '.layers[0].mediaType = "application/x-7z"' 'layer sha256:.*: unknown media type application/x-7z'

done_testing
