#!/bin/sh
# ducc-fetch against a registry: what arrives in the store, what is printed, and what isn't downloaded.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=paused.sh
. "${0%/*}/lib.sh"
. "${0%/*}/paused.sh"
need busybox curl docker-registry jq skopeo umoci
image_program=busybox

# Three images that share two layers, and one in Docker's own format.
make_image "$tmp/oci" one
umoci tag --image "$tmp/oci:one" two
mkdir "$tmp/more"
echo more >"$tmp/more/more"
add_layer "$tmp/oci:two" "$tmp/more"
start_registry open
push "$tmp/oci:one" "$registry/app:latest"
push "$tmp/oci:one" "$registry/deep/er/nested/app:v1.0_x"
push "$tmp/oci:two" "$registry/app:two"
push "$tmp/oci:one" "$registry/docker:v1" --format v2s2

blob_gets() { # the blobs that the registry was asked for
	read_log "$registry_log" | sed -n 's,.*"GET /v2/.*/blobs/\(sha256:[0-9a-f]*\) .*,\1,p'
}
layers() { # MANIFEST-FILE
	jq -r '.layers[].digest' "$1"
}
fetch() { # STORE ARGUMENT...: the reference that is printed
	fetch_store=$1
	shift
	ducc-fetch -q -s "$fetch_store" "$@" | cut -f1
}
one=$(digest_at "$registry/app:latest")
two=$(digest_at "$registry/app:two")
docker=$(digest_at "$registry/docker:v1")
S=$tmp/store

# References
is "a tag is pinned to its digest" "$(fetch "$S" "$registry/app:two")" "http://$registry/app:two@$two"
is "no tag means latest" "$(fetch "$S" "$registry/app")" "http://$registry/app:latest@$one"
is "a scheme may be given" "$(fetch "$S" "http://$registry/app:latest")" "http://$registry/app:latest@$one"
is "a repository may be nested" "$(fetch "$S" "$registry/deep/er/nested/app:v1.0_x")" \
	"http://$registry/deep/er/nested/app:v1.0_x@$one"
is "localhost means http" "$(fetch "$S" "localhost:${registry#*:}/app:two")" \
	"http://localhost:${registry#*:}/app:two@$two"
is "a digest without a tag stays so" "$(fetch "$tmp/S1" "$registry/app@$two")" "http://$registry/app@$two"
is "with tag and digest it is the digest that counts" "$(fetch "$tmp/S2" "$registry/app:latest@$two")" \
	"http://$registry/app:latest@$two"
ok "every blob is what its name says, and tmp/ is empty" sound "$S"
is "a digest is fetched like a tag" "$(cd "$tmp/S1/blobs/sha256" && ls "${two#*:}")" "${two#*:}"

# Records
tab=$(printf '\t')
printf '%s\n' "# a comment" "" "$registry/app:two${tab}thin=https://x/y:z${tab}what=ever it=is" \
	"$registry/app@$one${tab}repo=./r" | ducc-fetch -s "$S" >"$tmp/records" 2>"$tmp/err"
is "comments and empty lines pass, in order" "$(grep -n '^#\|^$' "$tmp/records" | tr '\n' ' ')" \
	"1:# a comment 2: "
is "unknown fields are carried through" "$(grep '/app:two@' "$tmp/records" | tr '\t' '\n' | sed 1d | grep -v platform= | tr '\n' ' ')" \
	"thin=https://x/y:z what=ever it=is "
like "the platform is told" "$(cat "$tmp/records")" "${tab}platform=linux/[a-z0-9]+"
is "nothing is said when all goes well" "$(cat "$tmp/err")" ""
status=0
ducc-fetch -s "$S" "$registry/app:two" "$registry/app:none" "$registry/none:x" "$registry/app" \
	>"$tmp/records" 2>"$tmp/err" || status=$?
is "an image that fails doesn't stop the others, and is told by status 1" \
	"$status $(cut -f1 "$tmp/records" | sort | tr '\n' ' ')" \
	"1 http://$registry/app:latest@$one http://$registry/app:two@$two "
is "one line of error for each image that failed" \
	"$(grep -c "^ducc-fetch: .*$registry/\(app:none\|none:x\): " "$tmp/err") $(wc -l <"$tmp/err")" "2 2"
dead_port
fails "a registry that isn't there is an error" ducc-fetch -s "$S" "127.0.0.1:$port/app"
like "... which names the image and the cause" "$(cat "$out")" "127.0.0.1:$port/app.*: .*[Cc]onnect"

# One record at a time: the second image is asked for when the first one's record has been read.
mkfifo "$tmp/in" "$tmp/out"
timeout 60 ducc-fetch -s "$tmp/S3" <"$tmp/in" >"$tmp/out" 2>"$tmp/err" &
pid=$!
exec 3>"$tmp/in" 4<"$tmp/out"
echo "$registry/app:latest" >&3
IFS= read -r first <&4 || first=
echo "$registry/app:two" >&3
IFS= read -r second <&4 || second=
exec 3>&- 4<&-
wait "$pid" || :
is "a record is printed as soon as its image is done" "$(pinned "$first" "$second" | tr '\n' ' ')" \
	"${one#*:} ${two#*:} "

# The store is an OCI image layout
fetch "$S" "$registry/docker:v1" >"$tmp/docker"
is "a Docker schema 2 image is pinned to its own manifest" "$(cat "$tmp/docker")" "http://$registry/docker:v1@$docker"
ok "... which is kept as it is" test -e "$S/blobs/sha256/${docker#*:}"
for name in app:latest app:two deep/er/nested/app:v1.0_x docker:v1; do
	manifest_of "$registry/$name" >"$tmp/manifest"
	ok "skopeo inspects $name in the store" skopeo inspect "oci:$S:$registry/$name"
	ok "umoci unpacks $name from the store" \
		umoci unpack --rootless --image "$S:$registry/$name" "$tmp/bundle"
	ok "... and finds the image in it" test -x "$tmp/bundle/rootfs/bin/busybox"
	rm -rf "$tmp/bundle"
	ok "skopeo copies $name out of the store" \
		skopeo copy -q --insecure-policy "oci:$S:$registry/$name" "dir:$tmp/dir"
	is "... with the same layers" "$(layers "$tmp/dir/manifest.json")" "$(layers "$tmp/manifest")"
	rm -rf "$tmp/dir"
done
ducc-fetch -q -s "$tmp/S2" "$registry/app" >"$tmp/records"
is "a name in the store follows its tag" \
	"$(jq -r --arg n "$registry/app:latest" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $n).digest' "$tmp/S2/index.json")" "$one"

# What isn't downloaded
before=$(blob_gets | wc -l)
ok "an image can be fetched again" ducc-fetch -s "$S" "$registry/app" "$registry/app:two" "$registry/docker:v1"
is "the second time no blob is downloaded" "$(blob_gets | wc -l)" "$before"
ok "-n succeeds" ducc-fetch -n -s "$tmp/S4" "$registry/app"
is "-n downloads nothing" "$(blob_gets | wc -l) $(find "$tmp/S4" -type f 2>/dev/null | wc -l)" "$before 0"
ducc-fetch -q -s "$tmp/S5" "$registry/app" "$registry/app:two" >"$tmp/records"
is "a layer of two images is downloaded once" \
	"$(blob_gets | sed "1,${before}d" | sort | uniq -d)" ""

pids=
clear_log "$registry_log"
for i in 1 2 3 4 5; do
	ducc-fetch -s "$tmp/S6" "$registry/app:two" >"$tmp/fetch.$i" 2>&1 &
	pids="$pids $!"
done
failed=
for pid in $pids; do
	wait "$pid" || failed="$failed $pid"
done
is "five at once on one store all succeed" "$failed $(sort -u "$tmp"/fetch.? | cut -f1)" " http://$registry/app:two@$two"
is "... and download each blob once" "$(blob_gets | sort | uniq -d)" ""
ok "... and leave a sound store" sound "$tmp/S6"

# One that was killed has left a file, of which only the name is still there when another removes such files.
: >"$S/tmp/left"
start_faulty 'lock 1 -19 1' ducc-fetch -q -s "$S" "$registry/app"
ok "a tool that removes what others left behind" paused
rm "$S/tmp/left"
: >"$S/tmp/left"
kill -CONT "$pid"
ok "... goes on" wait "$pid"
ok "... and removes no file that another is writing by now" rm "$S/tmp/left"

ducc-fetch -q -s "$S" "$registry/app" | ducc-unpack -q -s "$S" | ducc-publish -q -s "$S" -r "$tmp/repo" >"$tmp/records"
clear_log "$registry_log"
ok "-r looks into the repository" ducc-fetch -s "$tmp/S7" -r "$tmp/repo" "$registry/app:two"
manifest_of "$registry/app:latest" >"$tmp/manifest"
is "-r skips the layers that the repository has" \
	"$(layers "$tmp/manifest" | while read -r l; do blob_gets | grep "$l" || :; done)" ""
manifest_of "$registry/app:two" >"$tmp/manifest"
is "... and downloads the one that it hasn't" "$(blob_gets | grep -c "$(layers "$tmp/manifest" | tail -n 1)")" 1

# Platforms
case $(uname -m) in
x86_64) host=amd64 other=arm64 ;;
aarch64) host=arm64 other=amd64 ;;
*) host=unknown ;;
esac
entries=
add_platform() { # FORMAT MANIFEST-TYPE ARCHITECTURE VARIANT
	name=$3$4
	umoci tag --image "$tmp/oci:one" "$name"
	umoci config --image "$tmp/oci:$name" --architecture "$3" --os linux
	push "$tmp/oci:$name" "$registry/multi:$1-$name" --format "$1"
	manifest_of "$registry/multi:$1-$name" >"$tmp/manifest"
	entries="$entries
	$(jq -nc --arg t "$2" --arg d "$(digest_of "$tmp/manifest")" --arg a "$3" --arg v "$4" \
		--argjson s "$(wc -c <"$tmp/manifest")" '{mediaType: $t, digest: $d, size: $s,
		platform: ({os: "linux", architecture: $a} + if $v == "" then {} else {variant: $v} end)}')"
}
multi() { # FORMAT INDEX-TYPE MANIFEST-TYPE
	entries=
	for p in "s390x " "amd64 " "arm v6" "arm v7" "arm64 v8"; do
		add_platform "$1" "$3" "${p% *}" "${p#* }"
	done
	echo "$entries" | jq -sc --arg t "$2" '{schemaVersion: 2, mediaType: $t, manifests: .}' >"$tmp/index"
	put_manifest "$registry" multi "$1" "$2" "$tmp/index"
	for p in amd64 arm/v6 arm/v7 arm64 arm64/v8 s390x; do
		a=$(echo "$p" | tr -d /)
		case $p in arm64) a=arm64v8 ;; esac
		ducc-fetch -q -s "$S" -p "linux/$p" "$registry/multi:$1" >"$tmp/records" || :
		is "$1: -p linux/$p picks its image" "$(cut -f1 "$tmp/records")" \
			"http://$registry/multi:$1@$(digest_at "$registry/multi:$1-$a")"
		like "$1: ... and says so" "$(cat "$tmp/records")" "${tab}platform=linux/${p%/v*}"
	done
	fails "$1: a platform that isn't there is an error" ducc-fetch -s "$S" -p linux/riscv64 "$registry/multi:$1"
	like "$1: ... that names those there are" "$(cat "$out")" \
		"$registry/multi:$1: .*linux/amd64.*linux/arm/v6.*linux/arm/v7.*linux/arm64"
	[ $host = unknown ] || like "$1: the host's platform is the default" \
		"$(ducc-fetch -q -s "$S" "$registry/multi:$1" 2>&1)" "platform=linux/$host"
	fails "$1: a variant that isn't there is an error" ducc-fetch -s "$S" -p linux/arm/v5 "$registry/multi:$1"
	is "$1: a digest of the index is pinned to the image" \
		"$(fetch "$S" -p linux/s390x "$registry/multi@$(digest_of "$tmp/index")")" \
		"http://$registry/multi@$(digest_at "$registry/multi:$1-s390x")"
}
multi oci application/vnd.oci.image.index.v1+json application/vnd.oci.image.manifest.v1+json
multi v2s2 application/vnd.docker.distribution.manifest.list.v2+json \
	application/vnd.docker.distribution.manifest.v2+json
[ $host = unknown ] || is "platform= in a record asks for a platform" \
	"$(printf '%s\n' "$registry/multi:oci${tab}platform=linux/$other" | ducc-fetch -q -s "$S" | cut -f2)" \
	"platform=linux/$other"
ok "the store stays sound" sound "$S"
for p in linux linux/ /amd64 linux/amd64/v1/x 'linux/am d64'; do
	status=0
	ducc-fetch -s "$S" -p "$p" "$registry/app" >"$out" 2>&1 || status=$?
	is "-p '$p' is wrong usage" "$status" 2
done

# Nowhere to write
to_full() {
	ducc-fetch -s "$S" "$registry/app" >/dev/full
}
fails "a record that can't be printed is an error" to_full
mkdir "$tmp/small"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=600k tmpfs "$tmp/small" 2>/dev/null; then
	fails "a full disk is an error" ducc-fetch -s "$tmp/small/store" "$registry/app"
	like "... that names layer and cause" "$(cat "$out")" "$registry/app: layer sha256:[0-9a-f]*: .*No space left"
	ok "... and leaves nothing half-written" sound "$tmp/small/store"
fi

# Without any network
stop_server
is "a pinned image that is in the store needs no network" "$(fetch "$S" "http://$registry/app:two@$two")" \
	"http://$registry/app:two@$two"
is "... a Docker schema 2 image neither" "$(fetch "$S" "$registry/docker:v1@$docker")" "http://$registry/docker:v1@$docker"
rm "$S/blobs/sha256/$(jq -r '.layers[0].digest' "$S/blobs/sha256/${two#*:}" | cut -d: -f2)"
fails "... but it does when a layer is missing" ducc-fetch -s "$S" "http://$registry/app:two@$two"

done_testing
