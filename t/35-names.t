#!/bin/sh
# Names: a manifest is unpacked and published under the names that it was fetched under, whatever a record says.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry jq skopeo umoci

tab=$(printf '\t')
S=$tmp/store
R=$tmp/repo
make_image "$tmp/oci" one
umoci tag --image "$tmp/oci:one" two
mkdir "$tmp/more"
echo more >"$tmp/more/more"
add_layer "$tmp/oci:two" "$tmp/more"
start_registry open
push "$tmp/oci:one" "$registry/org/app:v1"
push "$tmp/oci:two" "$registry/org/other:v1"
push "$tmp/oci:one" "$registry/org/docker:v1" --format v2s2

unpack() { # RECORD
	printf '%s\n' "$1" | ducc-unpack -q -s "$S"
}
publish() { # RECORD
	printf '%s\n' "$1" | ducc-publish -q -s "$S" -r "$R"
}
refused() { # TITLE RECORD: by both tools, and nothing is published
	for tool in unpack publish; do
		fails "$1: ducc-$tool refuses it" $tool "$2"
		like "... as not fetched under this name" "$(cat "$out")" "was not fetched under this name"
	done
	name=${2#*://}
	ok "... and nothing has that name" test ! -e "$R/${name%%@*}"
}
accepted() { # TITLE RECORD
	for tool in unpack publish; do ok "$1: ducc-$tool takes it" $tool "$2"; done
}

one=$(digest_at "$registry/org/app:v1")
two=$(digest_at "$registry/org/other:v1")
record=$(ducc-fetch -q -s "$S" "$registry/org/app:v1")
ducc-fetch -q -s "$S" "$registry/org/other:v1" "$registry/org/docker:v1" >"$tmp/records"
layer=$(jq -r '.layers[0].digest' "$S/blobs/sha256/${one#*:}")
config=$(jq -r '.config.digest' "$S/blobs/sha256/${one#*:}")

refused "another image's digest" "http://$registry/org/app:v1@$two"
refused "another tag" "http://$registry/org/app:v2@$one"
refused "another repository" "http://$registry/org/apps:v1@$one"
refused "the beginning of a repository" "http://$registry/org/ap:v1@$one"
refused "another registry" "registry.hub.docker.com/org/app:v1@$one"
refused "a digest of another repository, without a tag" "http://$registry/org/app@$two"
refused "the digest of a layer" "http://$registry/org/app:v1@$layer"
refused "the digest of a config" "http://$registry/org/app:v1@$config"
refused "a digest that nobody has" "http://$registry/org/app:v1@sha256:$(printf '%064d' 0)"
accepted "the record as ducc-fetch has printed it" "$record"
accepted "its digest without the tag" "http://$registry/org/app@$one"
accepted "an image in Docker's format" "$(grep "/docker:" "$tmp/records")"

# A digest that the store has under another name
fails "ducc-fetch asks the registry" ducc-fetch -s "$S" "$registry/org/other:v1@$one"
like "... which does not have it" "$(cat "$out")" "answered 404"
refused "... and it is still not fetched" "http://$registry/org/other:v1@$one"
push "$tmp/oci:one" "$registry/org/other:v2"
ok "... until it has" ducc-fetch -q -s "$S" "$registry/org/other:v1@$one"
accepted "... and then it is" "http://$registry/org/other:v1@$one"

# The tag moves
push "$tmp/oci:two" "$registry/org/app:v1"
new=$(ducc-fetch -q -s "$S" "$registry/org/app:v1")
is "after the tag has moved, the record has another digest" "${new#*@}" "$two${tab}platform=linux/amd64"
accepted "the old record" "$record"
is "... is about the image that it was made for" "$(readlink "$R/$registry/org/app:v1" | sed 's,.*/,,')" "${config#*:}"
accepted "the new one" "$new"

# An index by its digest, which then is the name
push "$tmp/oci:one" "$registry/org/multi:v1"
manifest_of "$registry/org/multi:v1" >"$tmp/manifest"
jq -c --arg d "$one" --argjson s "$(wc -c <"$tmp/manifest")" '{schemaVersion: 2,
	mediaType: "application/vnd.oci.image.index.v1+json",
	manifests: [{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: $s}]}' -n >"$tmp/index"
index=$(digest_of "$tmp/index")
put_manifest "$registry" org/multi "$index" application/vnd.oci.image.index.v1+json "$tmp/index"
ducc-fetch -q -s "$S" "$registry/org/multi@$index" >>"$tmp/records"

# A store without these names: what index.json lists counts
rm -r "$S/images" "$S/layers" "$S/tmp"
accepted "with index.json alone, the record of the last fetch" "$new"
accepted "... of an image in Docker's format" "$(grep "/docker:" "$tmp/records")"
accepted "... its digest without the tag" "http://$registry/org/app@$two"
accepted "... that of an image in Docker's format" "$(grep "/docker:" "$tmp/records" | sed 's/:v1@/@/')"
accepted "... that of a manifest that an index has led to" "http://$registry/org/multi@$one"
refused "... but no other image's digest" "http://$registry/org/multi@$two"
refused "... nor another tag" "http://$registry/org/app:v2@$two"
refused "... nor another repository, without a tag" "http://$registry/org/apps@$two"
refused "... nor the beginning of a repository" "http://$registry/org/ap@$two"
refused "... nor another registry" "registry.hub.docker.com/org/app@$two"
fails "... nor an older record" unpack "http://$registry/org/app:v1@$one"
rm "$S/blobs/sha256/${one#*:}"
push "$tmp/oci:one" "$registry/org/app:v1"
ok "... which can be fetched again" ducc-fetch -q -s "$S" "$record"
accepted "... and then is accepted" "$record"

# A platform that is not the image's
fails "a record with another platform is refused" publish "${record%%"$tab"*}${tab}platform=linux/arm64"
like "... and told so" "$(cat "$out")" "the image is for linux/amd64, not for platform=linux/arm64"
ok "... and nothing is published for it" test ! -e "$R/.multiarch"

done_testing
