#!/bin/sh
# Content that a directory has already: a rebuilt image takes the space of what changed, and is what it would be alone.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh source=trees.sh

[ "$(id -u)" = 0 ] || { echo '1..0 # SKIP owners need root'; exit 0; }
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
. "${0%/*}/trees.sh"
need jq umoci

S=$tmp/store
C=$tmp/corpus
corpus "$C"
app=quay.io/org/app

known=$S/known

# app TAG <SPEC: an image $app:TAG.
app() {
	image "$1"
	umoci tag --image "$C:$1" "$app:$1"
}
# publish REPO TAG...: all of them in one transaction; what -v says is in $tmp/log.
publish() {
	publish_repo=$1
	shift
	for tag; do echo "oci:$C:$app:$tag"; done >"$tmp/list"
	xargs ducc-fetch -q -s "$S" <"$tmp/list" | ducc-unpack -q -s "$S" >"$tmp/records"
	ducc-publish -v -N "$tmp/events" -s "$S" -r "$publish_repo" <"$tmp/records" >"$tmp/published" 2>"$tmp/log"
	[ "$(wc -l <"$tmp/published")" = $# ]
}
inode() { # TAG PATH
	stat -c %i "$R/$app:$1/$2"
}
right() { # TAG...: each is what umoci unpacks
	for tag; do
		[ -e "$tmp/want-$tag" ] || umoci raw unpack --image "$C:$tag" "$tmp/want-$tag" 2>/dev/null || return 1
		same_flat -i . -i dev "$tmp/want-$tag" "$R/$app:$tag" || return 1
	done
}
space() { # bytes on disk
	du -s -B1 "$R" | cut -f 1
}
files() { # what became of them, by the event of the image that was published last
	jq -rs 'map(select(.action == "publish_flat_image"))[-1] | "\(.files_sent) \(.bytes_sent) \(.files_linked) \(.bytes_linked)"' \
		"$tmp/events"
}

# Whether the file system can share the blocks of files.
echo >"$tmp/blocks"
blocks=0
cp --reflink=always "$tmp/blocks" "$tmp/blocks2" 2>/dev/null && blocks=1

# What makes a file the same
t=mtime=1700000000
app one <<-END
	layer
	dir ./ $t
	dir d/ $t
	file d/same data=same size=5000 $t mode=4755 uid=7 gid=8 xattr.user.a=b
	file d/content data=one size=5000 $t
	file d/size data=x size=5000 $t
	file d/mode data=mode size=5000 $t mode=644
	file d/uid data=uid size=5000 $t
	file d/gid data=gid size=5000 $t
	file d/mtime data=mtime size=5000 $t
	file d/nsec data=nsec size=5000 mtime=1700000000.000000001
	file d/xattr data=xattr size=5000 $t xattr.user.a=b
	file d/more data=more size=5000 $t
	file d/old-name data=name size=5000 $t
	file d/empty $t
	file d/twins data=twins size=5000 $t
	file d/a data=pair size=5000 $t
	hard d/b to=d/a
	file d/c data=trio size=5000 $t
	hard d/d to=d/c
	file d/alone data=alone size=5000 $t
	sym d/link to=same $t
END
app two <<-END
	layer
	dir ./ $t
	dir d/ $t mode=700
	file d/same data=same size=5000 $t mode=4755 uid=7 gid=8 xattr.user.a=b
	file d/content data=two size=5000 $t
	file d/size data=x size=5001 $t
	file d/mode data=mode size=5000 $t mode=640
	file d/uid data=uid size=5000 $t uid=1
	file d/gid data=gid size=5000 $t gid=1
	file d/mtime data=mtime size=5000 mtime=1700000001
	file d/nsec data=nsec size=5000 mtime=1700000000.000000002
	file d/xattr data=xattr size=5000 $t xattr.user.a=c
	file d/more data=more size=5000 $t xattr.user.a=b
	file d/new-name data=name size=5000 $t
	file d/empty $t
	file d/twins data=twins size=5000 $t
	file d/twin data=twins size=5000 $t
	file d/a data=pair size=5000 $t
	hard d/b to=d/a
	file d/c data=trio size=5000 $t
	hard d/e to=d/c
	file d/alone data=alone size=5000 $t
	hard d/together to=d/alone
	sym d/link to=same $t
END
R=$tmp/one
ok "an image" publish "$R" one
like "... is sent" "$(cat "$tmp/log")" "$app:one: publishing, 16 files sent \(0\.1 MB\)$"
ok "its rebuild" publish "$R" two
ok "both are what umoci unpacks" right one two
for f in same twins a; do
	is "$f is one file in both" "$(inode two d/$f)" "$(inode one d/$f)"
done
is "... as is its other name" "$(inode two d/b)" "$(inode one d/a)"
for f in content size mode uid gid mtime nsec xattr more c alone; do
	ok "$f is not" test "$(inode two d/$f)" != "$(inode one d/$f)"
done
if [ $blocks = 0 ]; then
	like "what is linked is told" "$(cat "$tmp/log")" "$app:two: publishing, 14 files sent \(0\.1 MB\), 3 linked \(0\.0 MB\)$"
	is "... and in events" "$(files)" "14 65001 3 15000"
else
	is "what shares blocks is told" "$(files)" "5 15001 12 60000"
fi

# What is not used, silently
app three <<-END
	layer
	dir ./ $t
	file missing data=missing size=5000 $t
	file short data=short size=5000 $t
	file touched data=touched size=5000 $t
	file owned data=owned size=5000 $t
	file link data=link size=5000 $t
	file good data=good size=5000 $t
END
app four <<-END
	layer
	dir ./ $t
	file missing data=missing size=5000 $t
	file short data=short size=5000 $t
	file touched data=touched size=5000 $t
	file owned data=owned size=5000 $t
	file link data=link size=5000 $t
	file good data=good size=5000 $t
	file more data=more size=5000 $t
END
R=$tmp/damaged
ok "an image that is damaged then" publish "$R" three
layer=$(echo "$R"/.layers/*/*/layerfs)
rm "$layer/missing" "$layer/link"
ln -s good "$layer/link"
echo short >"$layer/short"
touch -d @1700000000 "$layer/short"
touch "$layer/touched"
chown 1 "$layer/owned"
ok "its rebuild" publish "$R" four
is "... needs no word" "$(grep -v ' publishing, ' "$tmp/log")" ""
ok "... and is right" right four
is "only what is whole is used" "$(inode four good)" "$(stat -c %i "$layer/good")"
rm "$R"/.layers/*/*/.metadata/layer.mtree
app five <<-END
	layer
	dir ./ $t
	file good data=good size=5000 $t
	file five data=five $t
END
ok "layers without a listing" publish "$R" five
ok "... are not used" test "$(inode five good)" != "$(stat -c %i "$layer/good")"
ok "... and all is right" right five

# One image
app both <<-END
	layer
	dir ./ $t
	file a data=same size=5000 $t
	layer
	file b data=same size=5000 $t
	layer
	file a data=same size=5000 $t
	file c data=same size=5000 $t
	file d data=same size=5000 $t
END
R=$tmp/both
ok "equal files in an image" publish "$R" both
ok "... are not made hard links of each other" right both
is "the same file in two layers is there once" "$(find "$R/.layers" -type f -size 5000c -printf '%i\n' | sort -u | wc -l)" 4

# Several images
app left <<-END
	layer
	dir ./ $t
	file shared data=shared size=5000 $t
	file left data=left size=5000 $t
END
app right <<-END
	layer
	dir ./ $t
	file shared data=shared size=5000 $t
	file right data=right size=5000 $t
END
app failing <<-END
	layer
	dir ./ $t
	file shared data=shared size=5000 $t
	file failing data=failing size=5000 $t
	layer
	file other data=other $t
END
R=$tmp/batch
ok "two images at once" publish "$R" left right
is "... share a file" "$(inode right shared)" "$(inode left shared)"
ok "... and are right" right left right
R=$tmp/failing
publish "$tmp/elsewhere" failing
rm "$S/layers/$(jq -r '.layers[1].digest[7:]' "$tmp/elsewhere/.metadata/$app:failing/manifest.json").tar"
for tag in failing left right; do
	echo "oci:$C:$app:$tag"
done | xargs ducc-fetch -q -s "$S" >"$tmp/records"
fails "an image fails, two do not" ducc-publish -s "$S" -r "$R" <"$tmp/records"
ok "it is not there" test ! -e "$R/$app:failing"
ok "... and the others do not miss it" right left right
is "they share a file" "$(inode right shared)" "$(inode left shared)"

# The first of two goes
for tag in one two; do echo "oci:$C:$app:$tag"; done | xargs ducc-fetch -q -s "$S" >"$tmp/records"
R=$tmp/one
before=$(inode two d/same)
tail -n 1 "$tmp/records" | ducc-gc -q -g 0 -s "$S" -r "$R"
tail -n 1 "$tmp/records" | ducc-gc -q -g 0 -s "$S" -r "$R"
ok "an image is removed" test ! -e "$R/$app:one"
ok "... and its rebuild keeps all files" right two
is "... as they were" "$(inode two d/same)" "$before"

# Ten rebuilds
perl -e 'srand 1; print pack "L*", map { rand 2**32 } 1 .. 500000' >"$tmp/random"
R=$tmp/nightly
for night in 1 2 3 4 5 6 7 8 9 10; do
	rm -rf "$tmp/tree"
	mkdir "$tmp/tree"
	split -b 10000 -a 3 "$tmp/random" "$tmp/tree/file-"
	seq "$night" 20000 >"$tmp/tree/changed"
	find "$tmp/tree" -exec touch -d @1700000000 {} +
	umoci new --image "$C:night$night"
	add_layer "$C:night$night" "$tmp/tree"
	umoci tag --image "$C:night$night" "$app:night$night"
	publish "$R" "night$night" || tap 1 "night $night"
	[ "$night" != 1 ] || space >"$tmp/space"
done
ok "ten nights" right night1 night5 night10
first=$(cat "$tmp/space") all=$(space)
echo "# one image: $first bytes; ten: $all bytes"
# A night: what changed, a listing for the layer and one for the image, directories.
ok "... take the space of one, and of what changed" test $((all - first)) -lt $((9 * 500000))
is "... of which only that was sent" "$(files | cut -d ' ' -f 1,3)" "1 200"

# Images with other names
large() { # NAME TAG SPEC-LINE: an image with large files, as NAME:TAG
	image "$2" <<-END
		layer
		dir ./ $t
		file large data=large size=2M $t
		file small data=small size=5000 $t
		$3
	END
	umoci tag --image "$C:$2" "$1:$2"
}
publish_as() { # NAME TAG
	ducc-fetch -q -s "$S" "oci:$C:$1:$2" | ducc-unpack -q -s "$S" |
		ducc-publish -s "$S" -r "$R" >"$tmp/published"
	[ -s "$tmp/published" ]
}
of() { # NAME TAG PATH
	stat -c %i "$R/$1:$2/$3"
}
rm -rf "$known"
R=$tmp/named
large "$app" base "file base data=base size=5000 $t"
ok "a layer with a large file" publish_as "$app" base
is "... has its samples" "$(find "$known" -type f | wc -l)" 1
large quay.io/org/other derived "file derived data=derived size=5000 $t"
ok "one of an image with another name" publish_as quay.io/org/other derived
for f in large small; do
	is "... finds its $f file" "$(of quay.io/org/other derived $f)" "$(of "$app" base $f)"
done
for damage in 'rm "$f"' 'printf garbage >"$f"' 'truncate -s -3 "$f"' 'head -c 100000 "$tmp/random" >"$f"' 'rm "$f"; mkdir "$f"'; do
	f=$(find "$known" -mindepth 1)
	eval "$damage"
	tag=after$tap_count
	large quay.io/org/third "$tag" "file third data=$tag size=5000 $t"
	ok "$damage: an image is published" publish_as quay.io/org/third "$tag"
	umoci raw unpack --image "$C:$tag" "$tmp/want-$tag" 2>/dev/null
	ok "... and right" same_flat -i . -i dev "$tmp/want-$tag" "$R/quay.io/org/third:$tag"
done
rm -rf "$known"
ok "ducc-gc needs no samples" ducc-gc --clean-store -q -g 0 -s "$S"
large "$app" again "file again data=again size=5000 $t"
ok "they begin anew" publish_as "$app" again
is "... with each layer that was read" "$(($(wc -c <"$(find "$known" -type f)") >= 2 * 40))" 1
ok "... and ducc-gc removes them" ducc-gc --clean-store -q -g 0 -s "$S"
is "... with the rest" "$(find "$known" -type f)" ""

no_differences "$tmp/one" "$tmp/both" "$tmp/batch" "$tmp/nightly" "$tmp/named"

done_testing
