#!/bin/sh
# Images as builders, archives and layouts really have them, read as Docker, Podman and containerd read them.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need jq skopeo umoci

L=$tmp/layout
S=$tmp/store
R=$tmp/repo
oci=application/vnd.oci.image
make_image "$L" one
umoci config --image "$L:one" --os linux --architecture arm64

blob() { # JQ-OPTION...: standard input, as a blob of the layout; prints its descriptor, of the media type in $type
	jq -c "$@" >"$tmp/blob"
	blob_digest=$(digest_of "$tmp/blob")
	cp "$tmp/blob" "$L/blobs/sha256/${blob_digest#*:}"
	descriptor "$type" "$tmp/blob" "$blob_digest"
}
tag() { # NAME: standard input, a descriptor, becomes NAME in the layout
	jq -c --arg n "$1" --slurpfile d /dev/stdin \
		'.manifests += ($d | map(.annotations["org.opencontainers.image.ref.name"] = $n))' "$L/index.json" >"$tmp/index"
	cp "$tmp/index" "$L/index.json"
}
file_of() { # DIGEST
	echo "$L/blobs/sha256/${1#*:}"
}
digest_named() { # NAME
	jq -r --arg n "$1" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $n).digest' "$L/index.json"
}
manifest=$(file_of "$(digest_named one)")
config=$(file_of "$(jq -r .config.digest "$manifest")")
image() { # CONFIG-FILTER MANIFEST-FILTER: the first image with another config and manifest; prints the descriptor
	type=$oci.config.v1+json
	image_config=
	[ "$1" = . ] || image_config=$(blob "$1" <"$config")
	type=$oci.manifest.v1+json
	blob --argjson c "${image_config:-null}" ".config = (\$c // .config) | $2" <"$manifest"
}

# all_steps NAME OPTION...: fetch with these options, unpack, publish; prints the last record
all_steps() {
	steps_name=$1
	shift
	ducc-fetch -q -s "$S" "$@" "oci:$L:$steps_name" | ducc-unpack -q -s "$S" -x "$tmp/x-$steps_name" |
		ducc-publish -q -s "$S" -r "$R"
}

# Keys of the config and the manifest in another case, as Go's decoder takes them
seed=$(random_seed "${DUCC_SEED-}")
note "DUCC_SEED=$seed"
spelled() { # NUMBER: the keys, each with another spelling of it, as a jq object
	awk -v seed="$((seed % 1000000 + $1))" 'BEGIN {
		srand(seed)
		n = split("architecture os variant config Env Entrypoint Cmd rootfs diff_ids layers digest size mediaType schemaVersion", keys, " ")
		for (i = 1; i <= n; i++) {
			text = ""
			for (k = 1; k <= length(keys[i]); k++) {
				c = substr(keys[i], k, 1)
				r = rand()
				if (r < 0.2 && tolower(c) == "s")
					c = "\305\277"
				else if (r < 0.4 && tolower(c) == "k")
					c = "\342\204\252"
				else if (r < 0.6)
					c = r < 0.3 ? toupper(c) : tolower(c)
				text = text c
			}
			printf "%s\"%s\":\"%s\"", i == 1 ? "{" : ",", keys[i], text
		}
		print "}"
	}'
}
respell='def respell: if type == "object" then with_entries(.key |= ($k[.] // .) | .value |= respell)
	elif type == "array" then map(respell) else . end; respell'
seen_by_skopeo() { # NAME
	skopeo inspect --config "oci:$L:$1" | jq -Sc '[.architecture, .os, .config.Env, .config.Entrypoint, .config.Cmd, .rootfs]'
}
files_of() { # NAME
	(cd "$R/localhost/$1:latest" && find . -printf '%p %y %m %l\n' | sort && cat .singularity.d/runscript .singularity.d/env/*)
}
want=$(seen_by_skopeo one)
like "the image runs on another machine" "$(all_steps one)" 'platform=linux/arm64'
files_of one >"$tmp/want"
for i in $(seq "$(amount 6 100 3)"); do
	keys=$(spelled "$i")
	type=$oci.config.v1+json
	c=$(blob --argjson k "$keys" "$respell" <"$config")
	type=$oci.manifest.v1+json
	blob --argjson k "$keys" --argjson c "$c" ".config = \$c | $respell" <"$manifest" | tag "keys$i"
	is "keys $i: skopeo reads them" "$(seen_by_skopeo "keys$i")" "$want"
	like "keys $i: ... and so do we" "$(all_steps "keys$i")" '	platform=linux/arm64'
	files_of "keys$i" >"$tmp/got"
	ok "keys $i: ... the image has the same files, environment and command" cmp "$tmp/want" "$tmp/got"
	[ "$i" != 1 ] || ok "keys $i: ... it can be read again" ducc-gc -n -g 0 -r "$R" --keep "http://localhost/keys1:latest"
done
n=0
for filter in '. + {ROOTFS: .rootfs}' '.config = {ENV: ["LOST=1"], cmd: null} + .config' '.config += {ENV: ["A=1", "B=2"]}' \
	'{CONFIG: {Env: ["LOST=1"], Entrypoint: ["/kept"]}} + (.config.Entrypoint |= empty)' \
	'.config.Env = ["A=1", null, "B=2"]'; do
	n=$((n + 1))
	image "$filter" . | tag "twice$n"
	seen=$(seen_by_skopeo "twice$n" | jq -r '.[2][] | select(. != "")')
	like "a config with $filter is read" "$(all_steps "twice$n" -p linux/arm64)" '	platform=linux/arm64	'
	printf '%s\n' "$seen" | sort >"$tmp/want"
	(cd "$R/localhost/twice$n:latest" && env -i /bin/sh -c '. .singularity.d/env/10-docker2singularity.sh && /usr/bin/env') |
		grep -v '^PWD=\|^_=\|^SHLVL=\|^OLDPWD=' | sort >"$tmp/got"
	ok "... has the environment that skopeo sees" cmp "$tmp/want" "$tmp/got"
done
image . '.LAYERS = [{annotations: {a: "b"}}]' | tag twice
fails "layers twice, of which Go would make a mixture, are refused" ducc-fetch -s "$S" "oci:$L:twice"
like "... which is said" "$(cat "$out")" 'duplicate member "LAYERS"'
n=0
for filter in 'del(.schemaVersion)' '.schemaVersion = null' '.schemaVersion = 1' '.schemaVersion = 3' '.mediaType = ""'; do
	n=$((n + 1))
	image . "$filter" | tag "bare$n"
	like "a manifest with $filter is read" "$(all_steps "bare$n" -p linux/arm64)" '	platform=linux/arm64	'
	ok "... and umoci unpacks it" umoci --log=fatal raw unpack --image "$L:bare$n" "$tmp/bare$n"
done
image '.config.Labels = {a: "1", A: "2"}' . | tag labels
ok "... labels are not keys" ducc-fetch -s "$S" "oci:$L:labels"

# Config and index each say what an image is for, or neither
umoci config --image "$L:one" --os linux --architecture amd64
manifest=$(file_of "$(digest_named one)")
config=$(file_of "$(jq -r .config.digest "$manifest")")
entry() { # IN-CONFIG [IN-INDEX]: an image whose config and whose entry, which is printed, have these architectures
	image ".architecture = \"$1\" | .config.Env += [\"MACHINE=$1${2-}\"]" . |
		jq -c --arg a "${2-}" 'if $a == "" then . else .platform = {os: "linux", architecture: $a} end'
}
attestation() { # JQ-FILTER: an entry with an attestation, as BuildKit adds it to an index
	type=application/vnd.in-toto+json
	in_toto=$(echo '{"_type": "https://in-toto.io/Statement/v0.1"}' | blob .)
	type=$oci.config.v1+json
	c=$(echo '{"architecture": "unknown", "os": "unknown", "config": {}}' |
		blob --argjson l "$in_toto" '.rootfs = {type: "layers", diff_ids: [$l.digest]}')
	type=$oci.manifest.v1+json
	echo '{"schemaVersion": 2}' | blob --arg t "$type" --argjson c "$c" --argjson l "$in_toto" '. + {mediaType: $t, config: $c, layers: [$l]}' |
		jq -c '. + {annotations: {"vnd.docker.reference.type": "attestation-manifest"}, platform: {os: "unknown", architecture: "unknown"}}' |
		jq -c "$1"
}
index() { # NAME: standard input, entries
	type=$oci.index.v1+json
	jq -s . >"$tmp/entries"
	blob --arg t "$type" --slurpfile m "$tmp/entries" '{schemaVersion: 2, mediaType: $t, manifests: $m[0]}' <"$config" | tag "$1"
}
picks() { # NAME OPTION...: for what machine it is fetched, or what is said
	picks_name=$1
	shift
	ducc-fetch -q -s "$S" "$@" "oci:$L:$picks_name" 2>&1 | sed 's/.*	platform=linux.//; s/.*oci:[^ ]*: //' | tr '\n' ' '
}
attestation . >"$tmp/attestation"
{ entry amd64 amd64; cat "$tmp/attestation"; } | index attested
is "an attestation is no image" "$(picks attested -a)" "amd64 "
{ cat "$tmp/attestation"; entry amd64; } | index silent
is "... nor does it hide the only image" "$(picks silent) $(picks silent -a)" "amd64  amd64 "
like "... which is not for another machine" "$(picks silent -p linux/arm64)" 'the image is for linux/amd64, not for linux/arm64'
attestation 'del(.platform)' >"$tmp/attestation"
{ entry amd64 amd64; cat "$tmp/attestation"; } | index attested2
is "... nor without a platform" "$(picks attested2 -a)" "amd64 "
{ entry arm64; cat "$tmp/attestation"; entry amd64; entry s390x; } | index configs
is "platforms that only configs have" "$(picks configs -a)" "arm64 amd64 s390x "
is "... are found there" "$(picks configs -p linux/amd64) $(picks configs -p linux/s390x)" "amd64  s390x "
is "... or not" "$(picks configs -p linux/riscv64)" \
	"no image for platform linux/riscv64 (available: linux/arm64, linux/amd64, linux/s390x) "
ok "... -n reads them, too" ducc-fetch -n -s "$tmp/none" -p linux/amd64 "oci:$L:configs"
is "... and stores nothing" "$(find "$tmp/none" 2>/dev/null | wc -l)" 0
{ entry '' arm64; entry '' amd64; } | index indexed
is "platforms that only the index has" "$(picks indexed -a) $(picks indexed -p linux/arm64)" "arm64 amd64  arm64 "
like "... are those under which the image is published" "$(all_steps indexed -p linux/arm64)" '	platform=linux/arm64	'
image '.architecture = "" | .os = "" | .variant = ""' . | tag "empty"
like "an empty platform is none" "$(all_steps empty)" '	platform=unknown/unknown	'
is "... -p says what it is" "$(picks empty -p linux/arm64)" "arm64 "
ok "... and umoci unpacks it" umoci --log=fatal raw unpack --image "$L:empty" "$tmp/empty"

# Media types of configs
n=0
for t in '.mediaType = "application/octet-stream"' '.mediaType = "text/html"' '.mediaType = "application/vnd.acme+json"' \
	'.mediaType = ""' '.mediaType = null' 'del(.mediaType)'; do
	n=$((n + 1))
	image . ".config |= ($t)" | tag "typed$n"
	like "an image with this descriptor of its config: $t" "$(all_steps "typed$n" -p linux/amd64)" '	platform=linux/amd64	'
done
ok "... has the files that umoci unpacks" umoci --log=fatal raw unpack --image "$L:one" "$tmp/umoci"
ok "... the last one, too" diff -r --no-dereference "$tmp/umoci" "$tmp/x-typed$n"
skopeo copy -q --insecure-policy --format v2s2 "oci:$L:one" "dir:$tmp/docker"
jq -c '.config.mediaType = "application/octet-stream"' "$tmp/docker/manifest.json" >"$tmp/octets"
cp "$tmp/octets" "$L/blobs/sha256/$(digest_of "$tmp/octets" | cut -d: -f2)"
for b in "$tmp/docker"/????????????????????????????????????????????????????????????????; do cp "$b" "$L/blobs/sha256/"; done
jq -nc --arg d "$(digest_of "$tmp/octets")" --argjson s "$(wc -c <"$tmp/octets")" \
	'{mediaType: "application/vnd.docker.distribution.manifest.v2+json", digest: $d, size: $s}' | tag octets
like "one of Docker's format, as old ones are on Docker Hub" "$(all_steps octets)" '	platform=linux/amd64	'
ok "... others can read it from the store" skopeo inspect "oci:$S:localhost/octets:latest"

# Artifacts
no_image() { # NAME CAUSE
	fails "$1 is no image" ducc-fetch -s "$S" "oci:$L:$1"
	is "... which is said" "$(cat "$out")" "ducc-fetch: oci:$L:$1: $2"
}
a='an artifact, not a container image'
type=$oci.config.v1+json
blob . <"$tmp/attestation" >"$tmp/other"
image . '.artifactType = "application/x-sbom"' | tag sbom
no_image sbom "manifest: $a (artifactType is application/x-sbom)"
image . '.layers[].mediaType = "application/vnd.in-toto+json"' | tag in-toto
no_image in-toto "manifest: $a (layer is application/vnd.in-toto+json)"
image . '.layers[].mediaType = "application/x-7z" | .config.mediaType = "application/x-thing"' | tag thing
no_image thing "manifest: $a (config is application/x-thing)"
image . ".config = ($(cat "$tmp/other") | .mediaType = \"application/vnd.unknown.config.v1+json\")" | tag oras
no_image oras "$a (config is application/vnd.unknown.config.v1+json)"
image . ".config = ($(cat "$tmp/other") | del(.mediaType))" | tag untyped
no_image untyped "$a (config is of no type, without diff IDs)"
image . ".config = $(cat "$tmp/other")" | tag rootless
no_image rootless 'config: "rootfs" is missing'

# Archives without names, or without layers
skopeo copy -q --insecure-policy "oci:$L:one" "docker-archive:$tmp/named.tar:quay.io/org/app:1"
mkdir "$tmp/archive"
tar -C "$tmp/archive" -xf "$tmp/named.tar"
archive() { # NAME JQ-FILTER: the same with another manifest.json
	jq -c "$2" "$tmp/archive/manifest.json" >"$tmp/manifest.json"
	mkdir -p "$tmp/archives"
	tar -cf "$tmp/archives/$1" -C "$tmp/archive" --exclude ./manifest.json . -C "$tmp" manifest.json
}
fetched() { # SOURCE: the name that the image has then, or what is said
	ducc-fetch -q -s "$S" "$1" 2>&1 | sed 's/@sha256:.*//; s/^ducc-fetch: [a-z-]*://'
}
archive null.tar '.[0].RepoTags = null'
archive none.tar.gz 'del(.[0].RepoTags)'
archive empty.tgz '.[0].RepoTags = []'
archive Upper.tar '.[0].RepoTags = []'
archive "x=1.tar" '.[0].RepoTags = []'
archive two.tar '[.[0], .[0]] | .[0].RepoTags = [] | .[1].RepoTags = ["b:1", "c:1"]'
cd "$tmp/archives" || exit
for a in null.tar none.tar.gz empty.tgz; do
	ok "skopeo reads $a" skopeo copy -q --insecure-policy "docker-archive:$a" "dir:$tmp/from-$a"
	is "... it has the name of the file" "$(fetched "docker-archive:$a")" "http://localhost/${a%%.*}:latest"
	is "... or another" "$(fetched "docker-archive:$a=quay.io/org/app:2")" "https://quay.io/org/app:2"
done
is "a file that can't be a name needs one" "$(fetched docker-archive:Upper.tar)" \
	"Upper.tar: image has no name: append one, docker-archive:Upper.tar=NAME"
is "... standard input, too" "$(fetched docker-archive:- <null.tar)" "-: image has no name: append one, docker-archive:-=NAME"
is "... which it may have" "$(fetched docker-archive:-=a/b <null.tar) $(fetched docker-archive:-=localhost/c:d <null.tar)" \
	"http://localhost/a/b:latest http://localhost/c:d"
is "a name may be replaced" "$(fetched "docker-archive:$tmp/named.tar=b") $(fetched "docker-archive:two.tar:c:1=b")" \
	"http://localhost/b:latest http://localhost/b:latest"
is "... by one that is valid" "$(fetched docker-archive:null.tar=A)" "null.tar=A: not a repository: A (must be lower case)"
is "a file may have = in its name" "$(fetched docker-archive:x=1.tar=b) $(fetched docker-archive:x=1.tar)" \
	"http://localhost/b:latest x=1.tar: image has no name: append one, docker-archive:x=1.tar=NAME"
is "... with a REF behind it" "$(fetched docker-archive:x=1.tar:@0=b:2)" "http://localhost/b:2"
is "one of several images is named" "$(fetched docker-archive:two.tar:b:1) $(fetched docker-archive:two.tar:@0)" \
	"http://localhost/b:1 http://localhost/two:latest"
like "... or has to be" "$(fetched docker-archive:two.tar)" 'more than one image: specify one'
jq '.rootfs.diff_ids = [] | del(.config)' "$config" >"$tmp/archive/bare.json"
archive no-layers.tar '.[0] | [{Config: "bare.json", RepoTags: ["no:layers"], Layers: []}]'
archive null-layers.tar '.[0] | [{Config: "bare.json", RepoTags: ["null:layers"], Layers: null}]'
for a in no-layers null-layers; do
	ok "skopeo reads $a.tar" skopeo copy -q --insecure-policy "docker-archive:$a.tar" "dir:$tmp/from-$a"
	ok "... it is published" main_job "$S" "$R" "docker-archive:$a.tar"
	is "... and is empty" "$(find "$R/localhost/${a%-*}:layers/" -type f ! -path '*/.singularity.d/*' ! -path '*/etc/*')" ""
done
cd "$top" || exit

# Layouts as BuildKit writes them: the tag alone is the image's name there
cp -r "$L" "$tmp/buildx"
for n in docker.io/library/app:1 docker.io/org/tool:1 registry.example.org:5000/a/b:2; do
	jq -c --arg n "$n" '.manifests[0] | .annotations = {"io.containerd.image.name": $n, "org.opencontainers.image.ref.name": ($n / ":" | last)}' \
		"$L/index.json"
done >"$tmp/entries"
jq -c --slurpfile m "$tmp/entries" '.manifests = $m' "$L/index.json" >"$tmp/buildx/index.json"
for n in "app:1 https://registry.hub.docker.com/library/app:1" "docker.io/org/tool:1 https://registry.hub.docker.com/org/tool:1" \
	"2 https://registry.example.org:5000/a/b:2" "registry.example.org:5000/a/b:2 https://registry.example.org:5000/a/b:2"; do
	is "${n% *} is found in a layout" "$(fetched "oci:$tmp/buildx:${n% *}")" "${n#* }"
done
like "... a tag that several have is not" "$(fetched "oci:$tmp/buildx:1")" 'more than one image: specify one'
is "... a name may be given there, too" "$(fetched "oci:$tmp/buildx:2=mine:3")" "http://localhost/mine:3"
jq -c '.manifests |= [.[0]]' "$tmp/buildx/index.json" >"$tmp/index"
cp "$tmp/index" "$tmp/buildx/index.json"
tar -C "$tmp/buildx" -cf "$tmp/buildx.tar" .
is "a tar of one has the full name" "$(fetched "oci-archive:$tmp/buildx.tar")" "https://registry.hub.docker.com/library/app:1"

done_testing
