#!/bin/sh
# ducc-thin: what is in a thin image, that it points at what is there, and how it gets to a registry.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry htpasswd jq nginx openssl skopeo umoci

stand_in
L=$tmp/layout
S=$tmp/store
n=test.example.org
R=$tmp/sys/cvmfs/$n
tab=$(printf '\t')
cvmfs_server mkfs $n

# ready RECORD...: unpacked, with their further fields
ready() {
	printf '%s\n' "$@" | ducc-fetch -q -s "$S" | ducc-unpack -q -s "$S"
}
publish() { # RECORDS: with what it prints in $tmp/published
	ducc-publish -q -s "$S" -r $n <"$1" >"$tmp/published"
}
thin() { # RECORDS [OPTION...]
	thin_records=$1
	shift
	ducc-thin -s "$S" -r $n "$@" <"$thin_records"
}
# points_at_what_is_there FILE: every layer of thin.json is published, in its place.
points_at_what_is_there() {
	jq -r '.layers[] | "\(.digest) \(.url)"' "$1" >"$tmp/urls"
	[ -s "$tmp/urls" ] || return 1
	while read -r digest url; do
		[ "$url" = "cvmfs://$n/.layers/$(echo "$digest" | cut -c1-2)/$digest/layerfs" ] &&
			[ -d "$tmp/sys/cvmfs/${url#cvmfs://}" ] || return 1
	done <"$tmp/urls"
}
reads_and_writes() { # LOG: how many requests were to read, and how many to write
	settle
	echo "$(grep -c '"\(GET\|HEAD\) /v2/' "$1") $(grep -c '"\(PUT\|POST\|PATCH\) /v2/' "$1")"
}

make_image "$L" app
umoci config --image "$L:app" --config.user 7:8 --config.env CVMFS_IMAGE=false --config.env CVMFS_IMAGES=2
ready "oci:$L:app${tab}thin=quay.io/org/app_thin:1" >"$tmp/app"

# What is not published
fails "what is not published is refused" thin "$tmp/app" -o "$tmp/thin"
like "... by name, and with the cause" "$(cat "$out")" "^ducc-thin: http://localhost/app:latest@sha256:.*: not published in $n \(run ducc-publish first\)$"
is "... in one line" "$(wc -l <"$out")" 1
ok "... and nothing is written" test ! -e "$tmp/thin"

# What a thin image is
ok "when it is published" publish "$tmp/app"
ok "... there is a thin image of it" thin "$tmp/app" -o "$tmp/thin"
is "... and the record is passed on" "$(cat "$out")" "$(cat "$tmp/app")"
thin=$tmp/thin:quay.io/org/app_thin:1
ok "umoci can read it" umoci raw unpack --image "$thin" "$tmp/unpacked"
ok "skopeo can read it" skopeo inspect "oci:$thin"
is "it holds one file" "$(find "$tmp/unpacked" -mindepth 1 -printf '%P %m %T@\n')" "thin.json 644 0.0000000000"
ok "... that points at the layers" points_at_what_is_there "$tmp/unpacked/thin.json"
is "... at all of them, in order" "$(jq -c '[.layers[].digest]' "$tmp/unpacked/thin.json")" \
	"$(skopeo inspect --raw "oci:$L:app" | jq -c '[.layers[].digest[7:]]')"
is "... says where the image is from" "$(jq -r '.version + " " + .origin' "$tmp/unpacked/thin.json")" \
	"1.0 http://localhost/app:latest"
skopeo inspect --raw --config "oci:$L:app" >"$tmp/config"
skopeo inspect --raw --config "oci:$thin" >"$tmp/thin-config"
is "the config is the image's, but for layers, history and a variable" \
	"$(jq -cS 'del(.rootfs, .history)' "$tmp/thin-config")" \
	"$(jq -cS 'del(.rootfs, .history) | .config.Env |= map(select(startswith("CVMFS_IMAGE=") | not)) + ["CVMFS_IMAGE=true"]' "$tmp/config")"
for key in Env Entrypoint Cmd User Labels WorkingDir; do
	ok "... which has $key" jq -e ".config.$key" "$tmp/thin-config"
done
layer=$(skopeo inspect --raw "oci:$thin" | jq -r '.layers[0].digest[7:]')
is "the diff ID is that of the layer" "$(jq -r '.rootfs.diff_ids[]' "$tmp/thin-config")" \
	"sha256:$(gzip -dc "$tmp/thin/blobs/sha256/$layer" | sha256sum | cut -d' ' -f1)"
is "... which has a history of its own" "$(jq '.history | length' "$tmp/thin-config")" 1
ok "every blob is what its name says" whole "$tmp/thin"
ok "built again elsewhere" thin "$tmp/app" -o "$tmp/again"
ok "... it is the same to the byte" diff -r "$tmp/thin" "$tmp/again"
find "$tmp/thin" -type f -printf '%P %i %T@ %C@\n' | sort >"$tmp/before"
ok "built again in its place" thin "$tmp/app" -o "$tmp/thin"
is "... nothing is written" "$(find "$tmp/thin" -type f -printf '%P %i %T@ %C@\n' | sort)" "$(cat "$tmp/before")"
printf '%s\n' localhost/app >"$tmp/name"
ok "a name will do, too" thin "$tmp/name" -o "$tmp/named"
is "... which the thin image has then" "$(jq -r '.manifests[].annotations."org.opencontainers.image.ref.name"' "$tmp/named/index.json")" \
	localhost/app:latest
ok "a layout that is there already is added to" thin "$tmp/name" -o "$tmp/thin"
is "... and keeps what it has" "$(jq '.manifests | length' "$tmp/thin/index.json")" 2
ok "-n says what would be done" thin "$tmp/app" -n -o "$tmp/dry"
like "... in words" "$(cat "$out")" "would write quay.io/org/app_thin:1 in $tmp/dry"
ok "... and writes nothing" test ! -e "$tmp/dry"
mv "$R/.layers" "$tmp/layers"
fails "a layer that is missing is an error" thin "$tmp/app" -o "$tmp/missing"
like "... that names it" "$(cat "$out")" 'layer sha256:[0-9a-f]{64}: not published$'
mv "$tmp/layers" "$R/.layers"

# To a registry
start_registry open
open=$registry open_log=$registry_log
target=$open/org/app_thin:1
to() { # TARGET FILE: the records with another thin=
	sed "s,thin=[^$tab]*,thin=$1," "$2"
}
to "$target" "$tmp/app" >"$tmp/records"
clear_log "$open_log"
ok "-n asks the registry" thin "$tmp/records" -n
like "... says what would be pushed" "$(cat "$out")" "localhost/app:latest: would push $target"
is "... and sends nothing" "$(reads_and_writes "$open_log")" "1 0"
to http://localhost/app:latest "$tmp/app" >"$tmp/itself"
fails "a thin image in place of the image itself" thin "$tmp/itself" -n
like "... is refused" "$(cat "$out")" "the thin image would replace the image"
ok "a thin image is pushed" thin "$tmp/records"
is "... and its record passed on" "$(cat "$out")" "$(cat "$tmp/records")"
ok "... byte by byte what is built" test \
	"$(manifest_of "$target" | sha256sum)" = "$(skopeo inspect --raw "oci:$thin" | sha256sum)"
ok "... with all its blobs" skopeo copy -q --insecure-policy --src-tls-verify=false "docker://$target" "oci:$tmp/pulled:x"
is "... under its media type" "$(curl -fsSI -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
	"http://$open/v2/org/app_thin/manifests/1" | tr -d '\r' | sed -n 's/^Content-Type: //p')" \
	application/vnd.oci.image.manifest.v1+json
clear_log "$open_log"
ok "pushed again" thin "$tmp/records" -v
like "... there is nothing to do" "$(cat "$out")" "localhost/app:latest: unchanged in $target"
is "... but one question" "$(reads_and_writes "$open_log")" "1 0"
clear_log "$open_log"
to "$open/org/app_thin:2" "$tmp/app" >"$tmp/records"
ok "under another tag" thin "$tmp/records"
is "... no blob is sent again" "$(read_log "$open_log" | grep -c '"\(POST\|PATCH\|PUT\) /v2/.*/blobs/')" 0
is "... only the manifest" "$(reads_and_writes "$open_log" | cut -d' ' -f2)" 1
clear_log "$open_log"
{ to "$target" "$tmp/app"; to "$open/other/app_thin" "$tmp/app"; } >"$tmp/records"
ok "in another repository of the registry" thin "$tmp/records"
is "... blobs are mounted" "$(read_log "$open_log" | grep -c '"POST /v2/other/.*mount=')" 2
is "... not sent" "$(read_log "$open_log" | grep -c '"\(PATCH\|PUT\) /v2/.*/blobs/')" 0
ok "... and are there" skopeo copy -q --insecure-policy --src-tls-verify=false "docker://$open/other/app_thin:latest" "oci:$tmp/pulled:y"

# Whatever else has the name stays.
push "$L:app" "$open/taken:image"
skopeo copy -q --insecure-policy --dest-tls-verify=false --format v2s2 "oci:$L:app" "docker://$open/taken:docker"
manifest_of "$open/taken:image" >"$tmp/manifest"
jq -n --argjson d "$(descriptor application/vnd.oci.image.manifest.v1+json "$tmp/manifest")" \
	'{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [$d]}' >"$tmp/index"
put_manifest "$open" taken index application/vnd.oci.image.index.v1+json "$tmp/index"
jq -c '.config.mediaType = "application/vnd.example.config.v1+json"' "$tmp/manifest" >"$tmp/artifact"
put_manifest "$open" taken artifact application/vnd.oci.image.manifest.v1+json "$tmp/artifact"
jq -c '.annotations.gone = "yes"' "$tmp/manifest" >"$tmp/gone"
put_manifest "$open" taken gone application/vnd.oci.image.manifest.v1+json "$tmp/gone"
jq -n --argjson g "$(descriptor application/vnd.oci.image.manifest.v1+json "$tmp/gone")" \
	--argjson d "$(descriptor application/vnd.oci.image.manifest.v1+json "$tmp/manifest")" \
	'{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [$g, $d]}' >"$tmp/index"
put_manifest "$open" taken incomplete-index application/vnd.oci.image.index.v1+json "$tmp/index"
curl -fsS -X DELETE "http://$open/v2/taken/manifests/$(digest_of "$tmp/gone")"
to "$open/taken:thin" "$tmp/app" >"$tmp/records"
ok "a thin image beside them" thin "$tmp/records"
manifest_of "$open/taken:thin" >"$tmp/thin-manifest"
jq -n --argjson t "$(descriptor application/vnd.oci.image.manifest.v1+json "$tmp/thin-manifest")" \
	--argjson d "$(descriptor application/vnd.oci.image.manifest.v1+json "$tmp/manifest")" \
	'{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [$t, $d]}' >"$tmp/index"
put_manifest "$open" taken mixed-index application/vnd.oci.image.index.v1+json "$tmp/index"
for taken in image docker index incomplete-index mixed-index artifact; do
	before=$(digest_at "$open/taken:$taken")
	to "$open/taken:$taken" "$tmp/app" >"$tmp/records"
	for dry in '' -n; do
		# shellcheck disable=SC2086
		fails "a thin image in place of an $taken ${dry:+with }$dry" thin "$tmp/records" $dry
		like "... is refused" "$(cat "$out")" "^ducc-thin: .*: $open/taken:$taken: an image that is no thin image has this name"
	done
	is "... and that stays" "$(digest_at "$open/taken:$taken")" "$before"
done
before=$(digest_at "$open/taken:image")
for flaw in 'set $what "$request_method $uri"; if ($what ~ "^HEAD.*/manifests/") { return 503; }' 'proxy_hide_header Docker-Content-Digest;'; do
	start_nginx <<-END
		server {
			@LISTEN@
			location / {
				$flaw
				proxy_pass http://$open; proxy_set_header Host \$http_host;
			}
		}
	END
	to "$nginx/taken:image" "$tmp/app" >"$tmp/records"
	fails "... also if a HEAD request does not find it: $flaw" thin "$tmp/records"
	like "... is refused" "$(cat "$out")" "^ducc-thin: .*: $nginx/taken:image: an image that is no thin image has this name"
	is "... and that stays" "$(digest_at "$open/taken:image")" "$before"
	to "$nginx/taken:new-${flaw%% *}" "$tmp/app" >"$tmp/records"
	ok "... while a new name is taken" thin "$tmp/records"
	ok "... and the thin image replaced" thin "$tmp/records"
	ok "... by one that is there" skopeo inspect --tls-verify=false "docker://$open/taken:new-${flaw%% *}"
done
start_nginx <<-END
	server {
		@LISTEN@
		location /v2/taken/manifests/$before { return 500; }
		location / { proxy_pass http://$open; proxy_set_header Host \$http_host; }
	}
END
to "$nginx/taken:mixed-index" "$tmp/app" >"$tmp/records"
fails "... also if the registry fails to send one image of an index" thin "$tmp/records"
like "... is refused, with what can be done" "$(cat "$out")" "$nginx/taken:mixed-index: not replaced, because its image $before cannot be read .*delete it, or .*: manifest: .* 500\$"

clear_log "$open_log"
sed "s,${tab}thin=[^$tab]*,," "$tmp/app" >"$tmp/records"
ok "without thin= there is nothing to push" thin "$tmp/records"
is "... which is said" "$(cat "$out")" "$(cat "$tmp/records")
ducc-thin: warning: no record names a thin image (thin=), so none was pushed"
ok "... but not with -q" thin "$tmp/records" -q
is "... the record is passed on" "$(cat "$out")" "$(cat "$tmp/records")"
{ cat "$tmp/records"; to "$target" "$tmp/app"; } >"$tmp/both"
ok "... nor if another one names one" thin "$tmp/both"
is "... both are passed on" "$(grep -c '^http' "$out") $(grep -c 'names a thin' "$out")" "2 0"
clear_log "$open_log"
ok "... alone again" thin "$tmp/records" -q
is "... and no registry asked" "$(read_log "$open_log")" ""
fails "... but an operand names an image that is wanted" ducc-thin -s "$S" -r $n "$(cat "$tmp/records")"
like "... which is the error" "$(cat "$out")" '^ducc-thin: .*app:.*: nowhere to push it: use -o, or a record with thin=$'
to "$open/org/app_thin@sha256:$layer" "$tmp/app" >"$tmp/records"
fails "a digest is no name to push to" thin "$tmp/records"
for cannot in "$open/Org:1" "ftp://$open/a"; do
	to "$cannot" "$tmp/app" >"$tmp/records"
	fails "nor is $cannot" thin "$tmp/records"
	like "... as the error says" "$(cat "$out")" "^ducc-thin: http://localhost/app.*: thin=$cannot: "
done

# A Docker image stays one
push "$L:app" "$open/docker/app:1" --format v2s2
ready "$open/docker/app:1${tab}thin=$open/docker/app_thin:1" >"$tmp/docker"
publish "$tmp/docker"
ok "the thin image of a Docker image is pushed" thin "$tmp/docker"
manifest_of "$open/docker/app_thin:1" >"$tmp/manifest"
is "... as one of Docker's" "$(jq -r '.mediaType, .config.mediaType, .layers[].mediaType' "$tmp/manifest" | tr '\n' ' ')" \
	"application/vnd.docker.distribution.manifest.v2+json application/vnd.docker.container.image.v1+json application/vnd.docker.image.rootfs.diff.tar.gzip "
ok "... that skopeo can read" skopeo inspect --tls-verify=false "docker://$open/docker/app_thin:1"
ok "a layout holds the OCI form of it" thin "$tmp/docker" -o "$tmp/docker-thin"
ok "... that umoci can read" umoci raw unpack --image "$tmp/docker-thin:$open/docker/app_thin:1" "$tmp/docker-unpacked"
is "... with the name of the registry that it is from" "$(jq -r .origin "$tmp/docker-unpacked/thin.json")" "http://$open/docker/app:1"

# What clients make of it: they fetch the thin image, and stack the layers as it says
skopeo copy -q --src-tls-verify=false "docker://$open/docker/app_thin:1" "oci:$tmp/fetched-thin:thin"
umoci raw unpack --image "$tmp/fetched-thin:thin" "$tmp/fetched-unpacked" 2>/dev/null
umoci raw unpack --image "$L:app" "$tmp/app-unpacked" 2>/dev/null
stack_thin() { # THIN.JSON WANT
	mkdir "$tmp/stack" "$tmp/lower" "$tmp/lower/e"
	lower=e
	for url in $(jq -r '.layers[].url' "$1"); do
		name=$(basename "${url%/layerfs}" | cut -c1-12)
		ln -s "$tmp/sys/cvmfs/${url#cvmfs://}" "$tmp/lower/$name"
		lower=$name:$lower
	done
	unshare -m sh -ec 'cd "$1/lower" && mount -t overlay -o "ro,lowerdir=$2" overlay ../stack && "$3" -c "$4" ../stack' \
		sh "$tmp" "$lower" "$top/t/treecmp" "$2"
}
if unshare -m true 2>/dev/null; then
	ok "... its layers, stacked in its order, are the image" stack_thin "$tmp/fetched-unpacked/thin.json" "$tmp/app-unpacked"
else
	echo "# no mount namespaces: the layers are not stacked"
fi

# The tag moves
mkdir "$tmp/more"
echo more >"$tmp/more/more"
umoci tag --image "$L:app" moved
add_layer "$L:moved" "$tmp/more"
push "$L:moved" "$open/docker/app:1" --format v2s2
ready "$open/docker/app:1${tab}thin=$open/docker/app_thin:1" >"$tmp/moved"
fails "the next image of that name is not published yet" thin "$tmp/moved"
is "... so the thin image stays" "$(manifest_of "$open/docker/app_thin:1")" "$(cat "$tmp/manifest")"
publish "$tmp/moved"
ok "when it is, its thin image takes the place" thin "$tmp/moved"
ok "... that points at its layers" thin "$tmp/moved" -o "$tmp/moved-thin"
umoci raw unpack --image "$tmp/moved-thin:$open/docker/app_thin:1" "$tmp/moved-unpacked" 2>/dev/null
is "... of which it has one more" "$(jq '.layers | length' "$tmp/moved-unpacked/thin.json")" 4
ok "... which are there" points_at_what_is_there "$tmp/moved-unpacked/thin.json"
fails "the one before is not published under that name any more" thin "$tmp/docker"

# Several platforms
for p in amd64 arm64/v8 s390x; do
	umoci new --image "$L:${p%/*}"
	mkdir -p "$tmp/${p%/*}"
	echo "$p" >"$tmp/${p%/*}/arch"
	add_layer "$L:${p%/*}" "$tmp/${p%/*}"
	umoci config --image "$L:${p%/*}" --architecture "${p%/*}" --os linux
	umoci tag --image "$L:${p%/*}" quay.io/org/multi:1
	ready "oci:$L:quay.io/org/multi:1${tab}thin=$open/org/multi_thin:1" >"$tmp/${p%/*}.record"
done
publish "$tmp/s390x.record"
ok "of one platform" thin "$tmp/s390x.record"
is "... there is a plain image" "$(manifest_of "$open/org/multi_thin:1" | jq -c '[.layers | length]')" '[1]'
cat "$tmp/amd64.record" "$tmp/arm64.record" >"$tmp/both"
publish "$tmp/both"
clear_log "$open_log"
ok "of several" thin "$tmp/both"
manifest_of "$open/org/multi_thin:1" >"$tmp/index"
is "... an index of all that are published" "$(jq -c '[.manifests[].platform | "\(.os)/\(.architecture)"]' "$tmp/index")" \
	'["linux/amd64","linux/arm64","linux/s390x"]'
is "... of the OCI's kind" "$(jq -r .mediaType "$tmp/index")" application/vnd.oci.image.index.v1+json
is "... pushed once" "$(read_log "$open_log" | grep -c 'PUT /v2/org/multi_thin/manifests/1 ')" 1
for a in amd64 arm64 s390x; do
	ok "$a: its image can be had" skopeo copy -q --insecure-policy --src-tls-verify=false --override-arch $a \
		"docker://$open/org/multi_thin:1" "oci:$tmp/pulled:$a"
	ok "... and unpacked" umoci raw unpack --image "$tmp/pulled:$a" "$tmp/un-$a"
	ok "... and points at what is there" points_at_what_is_there "$tmp/un-$a/thin.json"
done
is "each points at other layers" "$(cat "$tmp"/un-*/thin.json | jq -r '.layers[].digest' | sort -u | wc -l)" 3
clear_log "$open_log"
ok "the first again" thin "$tmp/s390x.record"
is "... changes nothing" "$(reads_and_writes "$open_log")" "1 0"
ok "a layout has the index, too" thin "$tmp/s390x.record" -o "$tmp/multi-thin"
is "... under the name" "$(jq -r '.manifests[] | .mediaType + " " + .annotations."org.opencontainers.image.ref.name"' "$tmp/multi-thin/index.json")" \
	"application/vnd.oci.image.index.v1+json $open/org/multi_thin:1"
is "... the same one" "$(jq -r '.manifests[].digest' "$tmp/multi-thin/index.json")" "$(digest_of "$tmp/index")"
for a in amd64 arm64; do
	push "$L:$a" "$open/docker/multi:$a" --format v2s2
	manifest_of "$open/docker/multi:$a" >"$tmp/$a.json"
	jq -n --arg a $a --arg d "$(digest_of "$tmp/$a.json")" --argjson s "$(wc -c <"$tmp/$a.json")" \
		'{mediaType: "application/vnd.docker.distribution.manifest.v2+json", digest: $d, size: $s, platform: {os: "linux", architecture: $a}}'
done | jq -s '{schemaVersion: 2, mediaType: "application/vnd.docker.distribution.manifest.list.v2+json", manifests: .}' >"$tmp/list"
put_manifest "$open" docker/multi 1 application/vnd.docker.distribution.manifest.list.v2+json "$tmp/list"
for a in amd64 arm64; do
	ready "$open/docker/multi:1${tab}platform=linux/$a${tab}thin=$open/docker/multi_thin:1"
done >"$tmp/multi"
publish "$tmp/multi"
ok "of a list of Docker's" thin "$tmp/multi"
is "... there is one of thin images" "$(manifest_of "$open/docker/multi_thin:1" | jq -r '.mediaType, .manifests[].mediaType' | sort -u | sed 's/.*distribution.//' | tr '\n' ' ')" \
	"manifest.list.v2+json manifest.v2+json "

# Who may push
start_registry htpasswd
for r in "$registry" token; do
	if [ "$r" = token ]; then
		token_repositories='org/app_thin'
		start_registry token
		r=$registry
	fi
	to "$r/org/app_thin:1" "$tmp/app" >"$tmp/records"
	fails "without a password nothing is pushed" thin "$tmp/records"
	like "... as the error says" "$(cat "$out")" "^ducc-thin: http://localhost/app:latest@.*: $r/org/app_thin:1: .*401"
	fails "a password without a user is an error" env DUCC_OUTPUT_REGISTRY_PASS="$registry_password" \
		ducc-thin -s "$S" -r $n "$(cat "$tmp/records")"
	like "... that says so" "$(cat "$out")" 'DUCC_OUTPUT_REGISTRY_PASS without a user'
	fails "a wrong one is no use" env DUCC_OUTPUT_REGISTRY_PASS=wrong DUCC_OUTPUT_REGISTRY_USER="$registry_user" \
		ducc-thin -s "$S" -r $n "$(cat "$tmp/records")"
	ok "the right one is, with the user of the record" env DUCC_OUTPUT_REGISTRY_PASS="$registry_password" \
		DUCC_OUTPUT_REGISTRY_USER=nobody ducc-thin -v -s "$S" -r $n "$(cat "$tmp/records")${tab}user=$registry_user"
	is "... and is never said" "$(grep -c -F "$registry_password" "$out")" 0
	ok "... and can be pulled" skopeo inspect --creds "$registry_user:$registry_password" --tls-verify=false "docker://$r/org/app_thin:1"
	to "$r/org/app_thin:2" "$tmp/app" >"$tmp/records"
	ok "... or with that of the environment" env DUCC_OUTPUT_REGISTRY_PASS="$registry_password" \
		DUCC_OUTPUT_REGISTRY_USER="$registry_user" ducc-thin -s "$S" -r $n "$(cat "$tmp/records")"
	jq -n --arg r "$r" --arg c "$registry_user:$registry_password" '{auths: {($r): {auth: ($c | @base64)}}}' >"$tmp/auth.json"
	to "$r/org/app_thin:3" "$tmp/app" >"$tmp/records"
	ok "... or with what container tools know" env REGISTRY_AUTH_FILE="$tmp/auth.json" ducc-thin -s "$S" -r $n "$(cat "$tmp/records")"
done

# One that failed does not hold up the others
{ to 127.0.0.1:1/a:1 "$tmp/app"; to "$target" "$tmp/app"; } >"$tmp/records"
fails "a registry that is not there is an error" thin "$tmp/records"
is "... and does not hold up the others" "$(grep -c "^http.*thin=$target" "$out")" 1

# A directory
main_job "$S" "$tmp/repo" "oci:$L:app"
to "$open/org/directory_thin:1" "$tmp/app" >"$tmp/records"
ok "for a directory" ducc-thin -s "$S" -r "$tmp/repo" <"$tmp/records"
ok "... it is said who can use it" ducc-thin -s "$S" -r "$tmp/repo" "$(to "$open/org/directory_thin:2" "$tmp/app")"
like "... in a warning" "$(cat "$out")" "warning: .*$open/org/directory_thin:2: usable only on hosts with the directory $tmp/repo"
{ to "$open/org/directory_thin:3" "$tmp/app"; to "$open/org/directory_thin:4" "$tmp/app"; } >"$tmp/two"
ok "... of several images" sh -c "cd '$tmp' && ducc-thin -s '$S' -r ./repo <two"
is "... once, with its absolute path" "$(sed -n 's/.*warning: .*directory_thin:[34]: //p' "$out")" \
	"usable only on hosts with the directory $tmp/repo"
ducc-thin -s "$S" -r "$tmp/repo" -o "$tmp/directory-thin" <"$tmp/records" >"$tmp/published"
umoci raw unpack --image "$tmp/directory-thin:$open/org/directory_thin:1" "$tmp/directory-unpacked" 2>/dev/null
is "... it points at what is there" "$(jq -r '.layers[].url[7:]' "$tmp/directory-unpacked/thin.json" | xargs ls -d | wc -l)" 3
fails "nowhere is no layout" ducc-thin -s "$S" -r "$tmp/repo" -o '' <"$tmp/records"
like "... but wrong usage" "$(cat "$out")" '^ducc-thin: --output: invalid argument: $'
cp "$S/index.json" "$tmp/index.json"
for dry in '' -n; do
	fails "nor is the store, $dry" ducc-thin -s "$S" -r "$tmp/repo" $dry -o "$S/." <"$tmp/records"
	like "... which is named" "$(cat "$out")" "image layout $S/.: this is the store\$"
done
ok "... and does not change" cmp "$S/index.json" "$tmp/index.json"
mv "$tmp/repo/localhost/app:latest" "$tmp/link"
fails "an image without its public name" ducc-thin -s "$S" -r "$tmp/repo" <"$tmp/records"
like "... is not published" "$(cat "$out")" "not published in $tmp/repo \(run ducc-publish first\)"
mv "$tmp/link" "$tmp/repo/localhost/app:latest"
fails "without a repository" ducc-thin -s "$S" "$(cat "$tmp/records")"
like "... there is nothing to go by" "$(cat "$out")" 'no repository: use -r'
fails "one that is not there is an error" ducc-thin -s "$S" -r "$tmp/nowhere" "$(cat "$tmp/records")"

# Where a wildcard finds it
ok "a thin image that a wildcard selects" sh -c 'printf "%s\twildcard=yes\n" "$1" | ducc-fetch -s "$2"' - "http://$open/org/directory_thin:1" "$S"
is "... is none to fetch" "$(grep -v '^#' "$out")" "ducc-fetch: warning: http://$open/org/directory_thin:1: skipped: a thin image"
ok "... but one that is named" ducc-fetch -q -s "$S" "http://$open/org/directory_thin:1"

no_differences "$tmp/repo" $n

done_testing
