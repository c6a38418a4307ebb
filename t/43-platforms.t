#!/bin/sh
# Images of one name for several platforms, in whatever order they come.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need jq umoci

stand_in
L=$tmp/layout
S=$tmp/store
n=test.example.org
spool=$tmp/sys/var/spool/cvmfs/$n
name=quay.io/org/app:1

umoci init --layout "$L"
for p in amd64 arm64 386 riscv64 x86_64; do
	umoci new --image "$L:$p"
	mkdir -p "$tmp/$p"
	echo $p >"$tmp/$p/arch"
	add_layer "$L:$p" "$tmp/$p"
	umoci config --image "$L:$p" --architecture $p --os linux
	umoci tag --image "$L:$p" $name
	ducc-fetch -q -s "$S" "oci:$L:$name" | ducc-unpack -q -s "$S" >"$tmp/$p.record"
done
ok "the records tell the platform" grep -q 'platform=linux/riscv64' "$tmp/riscv64.record"

new_repository() { # KIND
	case $1 in
	directory)
		R=$tmp/repo repo=$tmp/repo
		rm -rf "$R"
		;;
	cvmfs)
		R=$tmp/sys/cvmfs/$n repo=$n
		rm -rf "${tmp:?}/sys"
		mkdir "$tmp/sys"
		cvmfs_server mkfs $n
		;;
	esac
}
publish() { # PLATFORM...
	# From a file: of a pipe only what has arrived goes into one transaction.
	for p; do cat "$tmp/$p.record"; done >"$tmp/publish"
	ducc-publish -q -s "$S" -r "$repo" <"$tmp/publish"
}
arch() { # PATH: which image is there
	cat "$R/$1/arch" 2>&1
}
expand() { # what a client of CernVM-FS makes of the public name, where $CVMFS_ARCH is $1
	expanded=$(readlink "$R/$name" | sed "s/\$(CVMFS_ARCH:-amd64)/${1:-amd64}/")
	cat "$R/quay.io/org/$expanded/arch" 2>&1
}

for kind in directory cvmfs; do
	new_repository $kind
	ok "$kind: an image for one platform" publish arm64
	is "... has the plain name" "$(arch $name) $(readlink "$R/$name" | cut -c1-12)" "arm64 ../../.flat/"
	ok "... and no other" test ! -e "$R/.multiarch"
	ok "another for a second one" publish amd64
	like "... is told to be new" "$(cat "$out")" "state=added\$"
	is "... each has a name of its own" "$(arch ".multiarch/arm64:v8/$name") $(arch .multiarch/amd64/$name)" "arm64 amd64"
	is "... also by what uname(1) and others say" \
		"$(for a in aarch64 arm64 x86_64 x86-64; do arch ".multiarch/$a/$name"; done | tr '\n' ' ')" "arm64 arm64 amd64 amd64 "
	case $kind in
	directory) is "... the plain name stays" "$(arch $name)" arm64 ;;
	cvmfs)
		is "... the plain name is a variant link" "$(readlink "$R/$name")" \
			"../../.multiarch/\$(CVMFS_ARCH:-amd64)/$name"
		is "... to the right one, or amd64" "$(expand aarch64) $(expand arm64) $(expand x86_64) $(expand)" "arm64 arm64 amd64 amd64"
		;;
	esac
	is "... the metadata of each is there" \
		"$(jq -r .architecture "$R/.metadata/$name/config.json" "$R/.metadata/.multiarch/amd64/$name/config.json" | tr '\n' ' ')" \
		"arm64 amd64 "
	before=$(find "$R/" ! -path '*/.log*' -printf '%p %l %s\n' | sort)
	[ ! -e "$spool/log" ] || : >"$spool/log"
	ok "both again, in another order" publish amd64 arm64
	is "... are unchanged" "$(grep -o 'state=.*' "$out" | xargs)" "state=unchanged state=unchanged"
	is "... nothing changes" "$(find "$R/" ! -path '*/.log*' -printf '%p %l %s\n' | sort)" "$before"
	[ $kind != cvmfs ] || is "... and no transaction is opened" "$(cat "$spool/log")" ""
	for p in amd64 arm64; do
		fails "the image for $p is to be removed" ducc-gc -s "$S" -r "$repo" --remove <"$tmp/$p.record"
		like "... the other one has the same name" "$(cat "$out")" "not removed, because images for other platforms have the same name: $name \\(give"
	done
	is "... nothing changes" "$(find "$R/" ! -path '*/.log*' -printf '%p %l %s\n' | sort)" "$before"
	cat "$tmp/amd64.record" "$tmp/arm64.record" >"$tmp/both"
	ok "both are" ducc-gc -s "$S" -r "$repo" --remove <"$tmp/both"
	is "... and go, with all names" "$(find "$R/" -name "${name##*/}")" ""

	new_repository $kind
	ok "$kind: three at once" publish amd64 arm64 386
	is "... are all there" "$(for a in amd64 aarch64 i386 i686; do arch .multiarch/$a/$name; done | tr '\n' ' ')" "amd64 arm64 386 386 "
	[ $kind != cvmfs ] || is "... in one transaction" "$(cat "$spool/log")" ingest-ok
	[ $kind != cvmfs ] || ok "... the repository is sound" cvmfs_server check $n
	ok "a fourth" publish riscv64 amd64
	is "... restores nothing" "$(grep -o 'state=.*' "$out" | xargs)" "state=added state=unchanged"
	is "... too" "$(arch .multiarch/riscv64/$name)" riscv64
	is "Podman has the first by that name" \
		"$(jq -r '.[] | select(.names) | .names[]' "$R/podmanStore/overlay-images/images.json")" "$name"
	is "... and the others without" "$(jq length "$R/podmanStore/overlay-images/images.json")" 4
	# The tag moves for one of them.
	mkdir -p "$tmp/new"
	echo newer >"$tmp/new/arch"
	umoci tag --image "$L:amd64" newer
	add_layer "$L:newer" "$tmp/new"
	umoci tag --image "$L:newer" $name
	ducc-fetch -q -s "$S" "oci:$L:$name" | ducc-unpack -q -s "$S" >"$tmp/newer.record"
	ok "the name moves for one platform" publish newer
	is "... and for no other" "$(for a in amd64 aarch64 i386; do arch .multiarch/$a/$name; done | tr '\n' ' ')" "newer arm64 386 "
	[ $kind != cvmfs ] || is "... the plain name is still a variant link" "$(expand)" newer
	# What others call an architecture, an image may say of itself.
	new_repository $kind
	ok "$kind: an image that says x86_64" publish arm64 x86_64
	is "... is one for amd64" "$(arch .multiarch/amd64/$name) $(arch .multiarch/x86_64/$name)" "x86_64 x86_64"
	ok "... which another replaces" publish amd64
	is "... that says so" "$(arch .multiarch/x86_64/$name)" amd64
	# Two images of one name and platform in one batch: the last counts.
	new_repository $kind
	ok "$kind: the same name and platform twice" publish amd64 newer
	is "... the last one has it" "$(arch $name) $(find "$R/.multiarch" 2>/dev/null)" "newer "
	[ $kind != cvmfs ] || ok "... the repository is sound" cvmfs_server check $n
done

new_repository directory
sed 's,platform=[^	]*,platform=linux/..,' "$tmp/amd64.record" >"$tmp/dots.record"
fails "a platform that would lead elsewhere is refused" publish dots

# Images whose config does not name the platform for which they were chosen
N=$tmp/odd
umoci init --layout "$N"
put() { # standard input becomes a blob: its digest and size
	cat >"$tmp/blob"
	cp "$tmp/blob" "$N/blobs/sha256/$(sha256sum <"$tmp/blob" | cut -c1-64)"
	printf '{"digest":"sha256:%s","size":%d}' "$(sha256sum <"$tmp/blob" | cut -c1-64)" "$(stat -c %s "$tmp/blob")"
}
odd() { # WORD JQ-FILTER: an image with this file, and a config so changed; the descriptor of its manifest
	umoci new --image "$N:odd" >/dev/null 2>&1
	mkdir -p "$tmp/odd-$1"
	echo "$1" >"$tmp/odd-$1/arch"
	add_layer "$N:odd" "$tmp/odd-$1" >/dev/null 2>&1
	odd_manifest=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "odd") | .digest[7:]' "$N/index.json")
	odd_config=$(jq -r '.config.digest[7:]' "$N/blobs/sha256/$odd_manifest")
	odd_config=$(jq -c "$2" "$N/blobs/sha256/$odd_config" | put)
	jq -c --argjson c "$odd_config" '.config += $c' "$N/blobs/sha256/$odd_manifest" | put |
		jq -c '.mediaType = "application/vnd.oci.image.manifest.v1+json"'
}
for_platform() { # PLATFORM: standard input, a descriptor, as an entry of an index
	jq -c --arg p "$1" '($p / "/") as [$o, $a, $v] | .platform = {os: $o, architecture: $a} + if $v then {variant: $v} else {} end'
}
tag() { # standard input: the descriptor that gets the name, or several, of which an index does
	jq -sc . >"$tmp/entries"
	if [ "$(jq length "$tmp/entries")" -gt 1 ] || jq -e '.[0].platform' "$tmp/entries" >/dev/null; then
		jq -c '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: .}' "$tmp/entries" | put |
			jq -c '[.mediaType = "application/vnd.oci.image.index.v1+json"]' >"$tmp/top"
		mv "$tmp/top" "$tmp/entries"
	fi
	jq -c --arg n "$name" '{schemaVersion: 2, manifests: (.[0].annotations = {"org.opencontainers.image.ref.name": $n})}' \
		"$tmp/entries" >"$tmp/index.json"
	cp "$tmp/index.json" "$N/index.json"
}
fetch() { # RECORD PLATFORM...: what is fetched with -p
	record=$tmp/$1.record
	shift
	for p; do ducc-fetch -s "$S" -p "$p" "oci:$N:$name"; done 2>"$tmp/warnings" | ducc-unpack -q -s "$S" >"$record"
}
states() { # RECORD...
	publish "$@" | grep -o 'state=.*' | xargs
}
listed() {
	ducc-ls -r "$repo" | sed 's/.*	platform=\([^	]*\).*/\1/' | xargs
}
nothing='del(.os, .architecture)'
odd old "$nothing" | tag
fetch odd-old linux/arm64
odd new "$nothing" | tag
fetch odd-new linux/arm64
for kind in directory cvmfs; do
	new_repository $kind
	ok "$kind: an image whose config names no platform" publish odd-old
	is "... is listed with that of -p" "$(listed)" linux/arm64
	is "... is unchanged" "$(states odd-old)" state=unchanged
	sed 's/	.*//' "$tmp/odd-old.record" >"$tmp/bare.record"
	is "... also if the record names none" "$(states bare)" state=unchanged
	is "... and the only one of its name" "$(arch $name) $(find "$R/.multiarch" 2>/dev/null)" "old "
	is "when the tag moves, it is updated" "$(states odd-new)" state=updated
	is "... and has the plain name" "$(arch $name) $(readlink "$R/$name" | cut -c1-12) $(find "$R/.multiarch" 2>/dev/null)" \
		"new ../../.flat/ "
	no_differences "$repo"
	ok "for another platform" publish amd64
	is "... it is another image" "$(listed) $(arch ".multiarch/arm64:v8/$name") $(arch .multiarch/amd64/$name)" \
		"linux/amd64 linux/arm64 new amd64"
	no_differences "$repo"
done

# As an earlier version has published it
new_repository directory
publish odd-old >"$out"
rm -f "$R/.metadata/$name/platform.json"
is "where only the config was published, the platform is added" "$(states odd-old) $(listed)" "state=restored linux/arm64"
is "... once" "$(states odd-old)" state=unchanged
rm -f "$R/.metadata/$name/platform.json"
is "... and an image that is new replaces the other" "$(states odd-new) $(arch $name) $(find "$R/.multiarch" 2>/dev/null)" "state=updated new "
no_differences "$R"

# What has become of platform.json
new_repository directory
publish amd64 odd-new >"$out"
meta=.metadata/.multiarch/arm64:v8/$name
repaired() {
	ducc-check -q -R -r "$R" >"$tmp/repair.record"
	grep -q "platform=linux/arm64" "$tmp/repair.record" && publish repair | grep -q state=restored && ducc-check -q -r "$R"
}
for how in "rm -f $meta/platform.json" "echo '{}' >$meta/platform.json" "echo '{\"os\":\"linux\",\"architecture\":\"arm\"}' >$meta/platform.json"; do
	(cd "$R" && eval "$how")
	fails "$how: is found" ducc-check -q -r "$R"
	like "... and only that" "$(cut -f2- "$out")" "^\.multiarch/arm64:v8/$name	$meta/platform.json	"
	is "... once" "$(wc -l <"$out")" 1
	ok "... and repaired" repaired
done

# An image for one platform that has lost its manifest is still one.
new_repository directory
publish amd64 arm64 >"$out"
rm "$R/.metadata/.multiarch/arm64:v8/$name/manifest.json"
is "a manifest that is lost is found" "$(ducc-check -q -r "$R" | cut -f1,3)" \
	"$(printf 'missing\t.metadata/.multiarch/arm64:v8/%s/manifest.json' "$name")"
cat "$tmp/amd64.record" "$tmp/arm64.record" >"$tmp/both"
ok "... what the image may need is not removed" ducc-gc -g 0 -s "$S" -r "$R" <"$tmp/both"
is "... so that it is still there" "$(arch ".multiarch/arm64:v8/$name")" arm64
# Its digest is not known, so that its platform shows what may take its place.
ducc-check -q -R -r "$R" 2>"$tmp/err" >"$tmp/repair.record" || :
is "... it is to be repaired" "$(cut -f1,2 "$tmp/repair.record")" "$(printf 'https://%s\tplatform=linux/arm64/v8' "$name")"
for p in amd64 arm64; do sed "s,^[^	]*,oci:$L:$p," "$tmp/repair.record" >"$tmp/moved-$p.record"; done
fails "... not with an image for another platform" sh -c 'ducc-fetch -q -s "$1" <"$2"' - "$S" "$tmp/moved-amd64.record"
like "... which is said" "$(cat "$out")" "the image is for linux/amd64, not for linux/arm64/v8$"
ok "... but with one for its own" sh -c 'ducc-fetch -q -s "$1" <"$2"' - "$S" "$tmp/moved-arm64.record"
sed 's/$/	repair=names/' "$tmp/arm64.record" >"$tmp/named.record"
is "... and then it is" "$(states named)" state=added
no_differences "$R"

# What is in the place of directories with links is no reason to check nothing.
new_repository directory
publish amd64 odd-new >"$out"
for place in .multiarch .multiarch/amd64; do
	for how in 'ln -s nowhere' touch; do
		rm -r "${R:?}/$place"
		(cd "$R" && $how $place)
		: >"$R/$name/extra"
		fails "$how $place: is found" ducc-check -q -r "$R"
		like "... as a link that is not there" "$(cut -f1,3 "$out")" "^(type|missing)	.multiarch/amd64/$name\$"
		like "... with all else" "$(cut -f1,3 "$out")" "^extra	.flat/.*/extra\$"
		rm "$R/$name/extra"
		ok "... and repaired" repaired
	done
done
for how in 'ln -s nowhere' touch; do
	new_repository directory
	publish amd64 >"$out"
	(cd "$R" && $how .multiarch)
	ok "$how .multiarch, which no image needs: the others are sound" ducc-check -q -r "$R"
	ok "... and can be removed" ducc-gc -q -s "$S" -r "$R" --remove <"$tmp/amd64.record"
	is "... with the name" "$(find "$R" -name app:1)" ""
done

# The config says something else than the index.
{
	odd one '.os = "linux" | .architecture = "amd64"' | for_platform linux/amd64
	odd two '.os = "linux" | .architecture = "amd64"' | for_platform linux/arm64
} | tag
fetch wrong linux/amd64 linux/arm64
is "an image is for the platform of its index" "$(grep -o 'platform=[^	]*' "$tmp/wrong.record" | xargs)" "platform=linux/amd64 platform=linux/arm64"
like "... with a warning if its config says another" "$(cat "$tmp/warnings")" \
	"^ducc-fetch: warning: .*: the image is for linux/arm64 according to the index, which counts, but for linux/amd64 according to its config\$"
is "... which the other does not get" "$(wc -l <"$tmp/warnings")" 1
{
	odd six '.os = "linux" | .architecture = "arm"' | for_platform linux/arm/v6
	odd seven '.os = "linux" | .architecture = "arm"' | for_platform linux/arm/v7
} | tag
fetch variants linux/arm/v6 linux/arm/v7
is "a config may leave the variant to the index" "$(grep -o 'platform=[^	]*' "$tmp/variants.record" | xargs) $(cat "$tmp/warnings")" \
	"platform=linux/arm/v6 platform=linux/arm "
odd same '.os = "linux" | .architecture = "amd64"' >"$tmp/descriptor"
{
	for_platform linux/riscv64 <"$tmp/descriptor"
	for_platform linux/s390x <"$tmp/descriptor"
} | tag
fetch shared linux/riscv64 linux/s390x
for kind in directory cvmfs; do
	new_repository $kind
	is "$kind: both are published" "$(states wrong)" "state=added state=added"
	is "... each for its platform" "$(arch .multiarch/amd64/$name) $(arch ".multiarch/arm64:v8/$name")" "one two"
	is "... and unchanged" "$(states wrong)" "state=unchanged state=unchanged"
	is "variants as well" "$(states variants)" "state=added state=added"
	is "... each for its platform" "$(arch ".multiarch/arm:v6/$name") $(arch ".multiarch/arm:v7/$name")" "six seven"
	is "... and unchanged" "$(states variants)" "state=unchanged state=unchanged"
	is "one image for two platforms has both names" "$(states shared) $(arch .multiarch/riscv64/$name) $(arch .multiarch/s390x/$name)" \
		"state=added state=added same same"
	is "... and is unchanged" "$(states shared)" "state=unchanged state=unchanged"
	is "all are listed" "$(listed)" "linux/amd64 linux/arm linux/arm/v6 linux/arm64 linux/riscv64 linux/s390x"
	no_differences "$repo"
done
ok "an index of thin images" ducc-thin -r "$repo" -o "$tmp/thin" <"$tmp/wrong.record"
is "... names the same platforms" \
	"$(jq -r '.manifests[].platform | [.os, .architecture, .variant // empty] | join("/")' "$tmp/thin/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' "$tmp/thin/index.json")" | sort | xargs)" \
	"linux/amd64 linux/arm linux/arm/v6 linux/arm64 linux/riscv64 linux/s390x"

# An earlier version knew only the platforms of configs.
earlier() { # RECORD PLATFORM [RECORD]: publishes the first as for that platform
	sed "s,platform=[^	]*,platform=$2," "$tmp/$1.record" >"$tmp/earlier.record"
	publish earlier ${3:+"$3"} >"$out"
	find "$R/.metadata/" -name platform.json -delete
}
for platforms in 'arm arm/v6 arm:v6' 'amd64 arm64 arm64:v8'; do
	# shellcheck disable=SC2086
	set -- $platforms
	for i in before after; do
		odd $i ".os = \"linux\" | .architecture = \"$1\"" | for_platform "linux/$2" | tag
		fetch $i "linux/$2"
	done
	odd right ".os = \"linux\" | .architecture = \"$1\"" | for_platform "linux/$1" | tag
	fetch right "linux/$1"
	for kind in directory cvmfs; do
		new_repository $kind
		earlier before "linux/$1"
		is "$kind: an image for $2 that an earlier version published for $1 is updated" "$(states after)" state=updated
		is "... and has the plain name alone" "$(arch $name) $(find "$R/.multiarch" 2>/dev/null)" "after "
		is "... and its platform" "$(listed)" "linux/$2"
		no_differences "$repo"
		is "... and then one for $1 is another" "$(states right) $(arch ".multiarch/$3/$name")" "state=added after"
		new_repository $kind
		earlier before "linux/$1" riscv64
		is "$kind: beside an image for riscv64, it is updated as well" "$(states after)" state=updated
		is "... and has a name of its own" "$(arch ".multiarch/$3/$name") $(arch .multiarch/riscv64/$name)" "after riscv64"
		is "... and no other" "$(find "$R/.multiarch" -type l -name app:1 | wc -l)" 2
		if [ $kind = directory ]; then
			mkdir -p "$R/.multiarch/s390x/quay.io/org"
			cp -P "$R/.multiarch/riscv64/$name" "$R/.multiarch/s390x/$name"
			is "... one for a platform that no image has is found" "$(ducc-check -q -r "$repo" | cut -f1,3)" \
				"$(printf 'orphan\t.multiarch/s390x/%s' "$name")"
			rm -r "$R/.multiarch/s390x"
		fi
		case $kind in
		directory) is "... and the plain name" "$(arch $name)" after ;;
		cvmfs) is "... and the plain name a variant link" "$(expand riscv64)" riscv64 ;;
		esac
		no_differences "$repo"
		new_repository $kind
		earlier right "linux/$1"
		is "$kind: an image for $1 remains for $1" "$(states right after)" "state=unchanged state=added"
		is "... beside the other" "$(arch ".multiarch/$3/$name") $(listed)" "after $(printf 'linux/%s\n' "$1" "$2" | sort | xargs)"
		new_repository $kind
		states right >"$out"
		is "$kind: what this version has published for $1 is not replaced" "$(states after) $(arch ".multiarch/$3/$name")" "state=added after"
		is "... and is still there" "$(states right) $(arch ".multiarch/$1/$name")" "state=unchanged right"
	done
done

# An image that says nothing of its platform has the record's
new_repository directory
odd last "$nothing" | tag
ducc-fetch -q -s "$S" "oci:$N:$name" | ducc-unpack -q -s "$S" | sed 's,platform=[^	]*,platform=linux/amd64,' >"$tmp/nop.record"
state() {
	ducc-publish -q -s "$S" -r "$R" <"$tmp/nop.record" | grep -o 'state=[a-z]*'
}
is "an image without a platform gets the record's" "$(state)" state=added
state >/dev/null
is "... and is unchanged in the end" "$(state)" state=unchanged

no_differences "$R"

done_testing
