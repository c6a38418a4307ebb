#!/bin/sh
# Images as builders, archives and layouts really have them, read as Docker, Podman and containerd read them.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need busybox jq skopeo umoci

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
	jq -nc --arg t "$type" --arg d "$blob_digest" --argjson s "$(wc -c <"$tmp/blob")" '{mediaType: $t, digest: $d, size: $s}'
}
tag() { # NAME: standard input, a descriptor, becomes NAME in the layout
	jq -c --arg n "$1" '.annotations["org.opencontainers.image.ref.name"] = $n' >"$tmp/descriptor"
	jq -c --slurpfile d "$tmp/descriptor" '.manifests += $d' "$L/index.json" >"$tmp/index"
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
	image_config=$(blob "$1" <"$config")
	type=$oci.manifest.v1+json
	jq -c --argjson c "$image_config" '.config = $c' "$manifest" | blob "$2"
}

# all_steps NAME OPTION...: fetch with these options, unpack, publish; prints the last record
all_steps() {
	steps_name=$1
	shift
	ducc-fetch -q -s "$S" "$@" "oci:$L:$steps_name" | ducc-unpack -q -s "$S" -x "$tmp/x-$steps_name" |
		ducc-publish -q -s "$S" -r "$R"
}

# Keys of the config and the manifest in another case, as Go's decoder takes them
seed=${DUCC_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
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
				text = text (r < 0.2 && tolower(c) == "s" ? "\305\277" : r < 0.4 && tolower(c) == "k" ? "\342\204\252" :
					r < 0.3 ? toupper(c) : r < 0.6 ? tolower(c) : c)
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
	jq --argjson c "$c" '.config = $c' "$manifest" | blob --argjson k "$keys" "$respell" | tag "keys$i"
	is "keys $i: skopeo reads them" "$(seen_by_skopeo "keys$i")" "$want"
	like "keys $i: ... and so do we" "$(all_steps "keys$i")" '	platform=linux/arm64'
	files_of "keys$i" >"$tmp/got"
	ok "keys $i: ... the image has the same files, environment and command" cmp "$tmp/want" "$tmp/got"
	[ "$i" != 1 ] || ok "keys $i: ... it can be read again" ducc-gc -n -g 0 -r "$R" "http://localhost/keys1:latest"
done
image '. + {ROOTFS: .rootfs}' . | tag twice
fails "a key twice is refused" ducc-fetch -s "$S" "oci:$L:twice"
like "... which is said" "$(cat "$out")" 'duplicate member "ROOTFS"'
image '.config.Labels = {a: "1", A: "2"}' . | tag labels
ok "... labels are not keys" ducc-fetch -s "$S" "oci:$L:labels"

done_testing
