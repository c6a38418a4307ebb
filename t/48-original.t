#!/bin/sh
# A repository of the original DUCC: ducc-check blames what is wrong in it, and nothing else; ducc-publish publishes
# beside it, and replaces it; ducc-gc removes it.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh

[ "$(id -u)" = 0 ] || { echo '1..0 # SKIP owners need root'; exit 0; }
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
need jq umoci

stand_in
S=$tmp/store
L=$tmp/layout
C=$tmp/corpus
good=$tmp/good
O=$tmp/original
n=test.example.org
for i in one two; do make_image "$L" $i; done
corpus "$C"
t=mtime=1700000000
image plain <<-END
	layer
	dir ./ $t
	dir d/ $t
	file d/a data=a $t
	layer
	file d/b data=b $t
	sym d/link to=a $t
END
image owned <<-END
	layer
	dir ./ $t
	dir d/ $t mode=1777
	file d/a data=a $t uid=7 gid=8
	file d/c data=c $t
	file d/a:b data=colon $t
	dir lower/ $t
	file lower/x data=x $t
	layer
	file d/.wh.a:b $t
	file d/.wh.c $t
	file d/d data=d $t
	file lower/.wh..wh..opq $t
END
fetched() { # REPOSITORY NAME...
	repository=$1
	shift
	for i; do
		case $i in oci:*) ;; one | two) i=oci:$L:$i ;; *) i=oci:$C:$i ;; esac
		echo "$i"
	done | ducc-fetch -q -s "$S" -r "$repository" | ducc-unpack -q -s "$S" -r "$repository"
}
publish() { # REPOSITORY NAME...
	fetched "$@" | ducc-publish -q -s "$S" -r "$1" >"$tmp/published"
	[ "$(wc -l <"$tmp/published")" = $(($# - 1)) ]
}
publish "$good" one two plain owned

# What the original leaves of an image: a manifest as Go prints it and no config; layers with the whiteouts of AUFS, which
# belong to the repository's owner, and whose layers.json is a list; a flat tree without setuid, setgid and sticky bits, and
# with directories of today; Podman's store with diff IDs as IDs, and relative links.
metadata() { echo "$good/.metadata/localhost/$1:latest"; }
at() { # KIND HEX
	echo ".$1/${2%"${2#??}"}/$2"
}
# The digests of what an image has: jq is asked once.
for i in one two plain owned; do
	jq -r '.layers[].digest[7:]' "$(metadata $i)/manifest.json" >"$tmp/layers-$i"
	jq -r '.config.digest[7:]' "$(metadata $i)/manifest.json" >"$tmp/config-$i"
done
layers_of() { cat "$tmp/layers-$1"; }
config_of() { cat "$tmp/config-$1"; }
layer() { # IMAGE NUMBER
	at layers "$(layers_of "$1" | sed -n "$2p")"
}
flat() { at flat "$(config_of "$1")"; }
short() { # ID
	echo "$1" | tr 'a-f0-9' 'A-P' | cut -c1-26
}
append() { # FILE FILTER [OPTION...]: what the filter of jq, with these options, makes of nothing, to the list in the file
	[ -e "$1" ] || echo '[]' >"$1"
	append_to=$1 append_filter=$2
	shift 2
	jq -c "$@" ". + [null | $append_filter]" "$append_to" >"$tmp/list" && mv "$tmp/list" "$append_to"
}
original_layer() { # HEX DIFF-ID
	at=$(at layers "$1")
	[ ! -e "$O/$at" ] || return 0
	mkdir -p "$O/$at/layerfs" "$O/$at/.metadata"
	tar -C "$good/$at/layerfs" --owner=0 --group=0 -cf - . | tar -C "$O/$at/layerfs" -xpf -
	find "$O/$at/layerfs" -type c -printf '%h\t%f\n' | while IFS='	' read -r parent name; do
		rm "$parent/$name"
		echo >"$parent/.wh.$name"
	done
	find "$O/$at/layerfs" -type d -exec touch -d @1700000000 {} +
	jq -cn --arg d "sha256:$1" --arg i "$2" '[{id: $i, "compressed-diff-digest": $d, "diff-digest": "sha256:\($i)"}]' \
		>"$O/$at/.metadata/layers.json"
	echo '{"origin":[]}' >"$O/$at/.metadata/origin.json"
}
original_podman() { # IMAGE
	p=$O/podmanStore above='' lower=''
	mkdir -p "$p/overlay/l" "$p/overlay-images/$(config_of "$1")" "$p/overlay-layers"
	while read -r hex id; do
		append "$p/overlay-layers/layers.json" '{id: $i, parent: $p, created: "2020-01-01T00:00:00Z",
			"compressed-diff-digest": $d, "diff-digest": "sha256:\($i)"} | if .parent == "" then del(.parent) else . end' \
			--arg i "$id" --arg p "$above" --arg d "sha256:$hex"
		mkdir -p "$p/overlay/$id"
		ln -sfn "../../../$(at layers "$hex")/layerfs" "$p/overlay/$id/diff"
		short "$id" | tr -d '\n' >"$p/overlay/$id/link"
		[ -z "$lower" ] || printf %s "$lower" >"$p/overlay/$id/lower"
		ln -sfn "../$id/diff" "$p/overlay/l/$(short "$id")"
		lower=l/$(short "$id")${lower:+:$lower} above=$id
	done <"$tmp/pairs"
	append "$p/overlay-images/images.json" '{id: $i, names: [$n], layer: $l, created: "2020-01-01T00:00:00Z"}' \
		--arg i "$(config_of "$1")" --arg n "localhost/$1:latest" --arg l "$above"
	ln -s "../../../.metadata/localhost/$1:latest/manifest.json" "$p/overlay-images/$(config_of "$1")/manifest"
	cp "$(metadata "$1")/config.json" "$p/overlay-images/$(config_of "$1")/=$(printf 'sha256:%s' "$(config_of "$1")" | base64 -w 0)"
	touch "$p/overlay-images/images.lock" "$p/overlay-layers/layers.lock"
}
original() { # IMAGE
	mkdir -p "$O/.metadata/localhost/$1:latest" "$O/localhost" "$O/$(flat "$1")"
	jq -c '{SchemaVersion: 2, MediaType: "", Config: .config, Layers: .layers} |
		walk(if type == "object" then with_entries(.key |= (.[:1] | ascii_upcase) + .[1:]) else . end)' \
		"$(metadata "$1")/manifest.json" >"$O/.metadata/localhost/$1:latest/manifest.json"
	layers_of "$1" >"$tmp/hex"
	jq -r '.rootfs.diff_ids[][7:]' "$(metadata "$1")/config.json" | paste "$tmp/hex" - >"$tmp/pairs"
	while read -r hex diff_id; do original_layer "$hex" "$diff_id"; done <"$tmp/pairs"
	cp -a "$good/$(flat "$1")/." "$O/$(flat "$1")"
	find "$O/$(flat "$1")" ! -type l -perm /7000 -exec chmod u-s,g-s,a-t {} +
	ln -s "../$(flat "$1")" "$O/localhost/$1:latest"
	original_podman "$1"
}
for i in plain one owned; do original $i; done
mkdir -p "$O/.chains/00"
touch -d @1700000000 "$O/.chains/00"

# The same, with two images that have two names each.
cp -a "$O" "$tmp/named"
for i in plain owned; do
	cp -a "$tmp/named/.metadata/localhost/$i:latest" "$tmp/named/.metadata/localhost/$i-too:latest"
	cp -a "$tmp/named/localhost/$i:latest" "$tmp/named/localhost/$i-too:latest"
done
jq -c 'map(.names |= . + map(select(test("plain|owned")) | sub(":"; "-too:")))' "$O/podmanStore/overlay-images/images.json" \
	>"$tmp/named/podmanStore/overlay-images/images.json"

begin() {
	rm -rf "$tmp/directory" "$tmp/sys"
	[ $kind = cvmfs ] || { cp -a "$O" "$tmp/directory"; return; }
	mkdir "$tmp/sys"
	cvmfs_server mkfs $n
	(cd "$O" && find . -mindepth 1 -printf '%P\n' | sort | tar --no-recursion --hard-dereference -cf - -T -) |
		cvmfs_server ingest -k -t - -b / $n 2>"$out"
}
check() { ducc-check -r "$repo" "$@"; }
found() { cut -f1,3 "$out" | sort | tr '\t' ' '; }
for kind in directory cvmfs; do
	if [ $kind = directory ]; then repo=$tmp/directory R=$repo; else repo=$n R=$tmp/sys/cvmfs/$n; fi

	begin
	ok "$kind: a sound image of the original ducc" check localhost/plain:latest
	is "... is quiet" "$(cat "$out")" ""
	fails "what it has published" check
	is "... has the faults that it makes, and no others" "$(found)" "$(sort <<-END
		mode $(flat one)/usr/bin/tool
		mode $(flat owned)/d
		owner $(layer owned 1)/layerfs/d/a
		whiteout $(layer one 2)/layerfs/doc/.wh.gone
		whiteout $(layer owned 2)/layerfs/d/.wh.a:b
		whiteout $(layer owned 2)/layerfs/d/.wh.c
		whiteout $(layer owned 2)/layerfs/lower/.wh.x
	END
	)"
	is "... told as others are" "$(grep ^owner "$out" | cut -f4,5; grep '^mode.*tool' "$out" | cut -f4,5)" "7:8	0:0
4755	0755"
	check -q --repair >"$tmp/records" || :
	is "... two images of three are to be published again" "$(sed 's,^http://localhost/,,; s/:latest.*//' "$tmp/records" | sort | tr '\n' ' ')" \
		"one owned "
	like "with -v it says what it cannot compare" "$(check -v localhost/plain:latest 2>&1)" "2 layers and 1 root file system of the original"

	# What it leaves when it fails
	if [ $kind = directory ]; then rm "$R/$(layer plain 2)/.metadata/layers.json"
	else cvmfs_server ingest -d "$(layer plain 2)/.metadata/layers.json" $n 2>"$out"; fi
	fails "a layer that it has not completed" check localhost/plain:latest
	is "... is unlisted" "$(found)" "unlisted $(layer plain 2)"
	begin
	if [ $kind = directory ]; then rm -r "${R:?}/$(flat plain)"; else cvmfs_server ingest -d "$(flat plain)" $n 2>"$out"; fi
	fails "a missing flat tree" check localhost/plain:latest
	is "... is missing" "$(found)" "missing $(flat plain)"

	# Beside it
	begin
	ok "publishing the same images, and one that has layers of theirs" publish "$repo" one two owned
	ok "... replaces them" check -d
	is "... and is quiet, also about the third one, and Podman's lists" "$(cat "$out")" ""
	[ $kind = directory ] || ok "... for CernVM-FS, too" cvmfs_server check $n
	is "... without the whiteouts of AUFS" "$(cd "$R/.layers/" && find . -name '.wh.*')" ""
	for i in one two owned; do
		for k in 1 2; do
			ok "$i: layer $k is as if it had never been there" "$top/t/treecmp" -c -a '*.cvmfscatalog' "$good/$(layer $i $k)/layerfs/" \
				"$R/$(layer $i $k)/layerfs/"
		done
		ok "$i: so is the flat tree" "$top/t/treecmp" -c -a '*.cvmfscatalog' "$good/$(flat $i)/" "$R/$(flat $i)/"
	done
	ok "again" publish "$repo" one two owned
	is "... nothing changes" "$(cut -f3 "$tmp/published" | sort -u)" state=unchanged
	ok "an image of its own is removed" ducc-gc -q -s "$S" -r "$repo" --remove localhost/plain:latest
	ok "... with all that it needs" check -d
	is "... completely" "$(cd "$R/" && ls -d "$(layer plain 1)" "$(flat plain)" localhost/plain:latest podmanStore/overlay-images/"$(config_of plain)" 2>/dev/null)" ""
	ok "what replaced its images is removed" ducc-gc -q -s "$S" -r "$repo" --remove localhost/one:latest localhost/two:latest localhost/owned:latest
	ok "... completely" check -d
	is "... and no short names of Podman are left" "$(ls "$R/podmanStore/overlay/l" 2>/dev/null)" ""

	# The manifest in Podman's store is that of a name that the image still has.
	O=$tmp/named
	begin
	O=$tmp/original
	ok "$kind: a name goes to another image" publish "$repo" "oci:$L:two=localhost/plain:latest"
	ok "... another one is removed" ducc-gc -q -s "$S" -r "$repo" --remove localhost/owned:latest
	for i in plain owned; do
		is "... $i: Podman's list has the other name" "$(jq -c --arg i "$(config_of $i)" '.[] | select(.id == $i).names' \
			"$R/podmanStore/overlay-images/images.json")" "[\"localhost/$i-too:latest\"]"
		ok "... and its manifest" cmp "$R/podmanStore/overlay-images/$(config_of $i)/manifest" "$O/.metadata/localhost/$i:latest/manifest.json"
	done
	ok "... both are as they were" check localhost/plain-too:latest
	ok "$kind: the last name of one is removed" ducc-gc -q -s "$S" -r "$repo" --remove localhost/owned-too:latest
	is "... with the image" "$(jq -r '.[].names[]' "$R/podmanStore/overlay-images/images.json" | sort)" "localhost/one:latest
localhost/plain-too:latest
localhost/plain:latest"

	# Removing what it has published
	begin
	[ $kind = directory ] || through_gateway $n
	ok "images with whiteouts of AUFS are removed" ducc-gc -q -f -s "$S" -r "$repo" --remove localhost/one:latest localhost/owned:latest
	ok "... completely" check -d
	is "... and no others" "$(cd "$R/.layers" && ls -d ./??/*/layerfs | sort)" "$(for k in 1 2; do echo "$(layer plain $k)/layerfs"; done | sed 's/^.layers/./' | sort)"
done
done_testing
