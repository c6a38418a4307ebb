#!/bin/sh
# A damaged store: who throws away what, and that other images are not held up.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh source=paused.sh
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
. "${0%/*}/paused.sh"
need jq umoci zstd

stand_in
S=$tmp/store
corpus "$tmp/oci"
# image2 NAME: of two layers, the first different for each NAME.
image2() {
	{ printf 'layer\nfile name data=%s\nfile %s data=%s size=5000\n' "$1" "$1" "$1"; cat; } | image "$1"
}
for i in one two three; do image2 $i </dev/null; done
ready() { # NAME...: fetched and unpacked, as records
	for i; do echo "oci:$tmp/oci:$i"; done | ducc-fetch -q -s "$S" | ducc-unpack -q -s "$S"
}
layer_of() { # NAME NUMBER: the digest of that layer, in hex
	jq -r --arg n "$1" '.manifests[] | select(.annotations[] == $n).digest[7:]' "$tmp/oci/index.json" | head -1 |
		(read -r hex; jq -r ".layers[$2].digest[7:]" "$tmp/oci/blobs/sha256/$hex")
}
spoil() { # FILE TEXT: change it in there
	perl -0777 -i -pe 'BEGIN { $t = pop } s/\Q$t\E/\U$t/ or die "nothing to spoil\n"' "$1" "$2"
}

# Publishing, into a directory and into CernVM-FS: one image of three is damaged in the store.
n=test.example.org
for R in "$tmp/repo" $n; do
	case $R in
	"$n") where=$tmp/sys/cvmfs/$n ;;
	*) where=$R ;;
	esac
	for damage in 'spoil "$tar" twotwo' 'truncate -s -600 "$tar"' 'rm "$tar"' 'rm "$tar"; mkdir "$tar"' 'spoil "$listing" mode' \
		'truncate -s -90 "$listing"' 'rm "$image"' 'truncate -s -20 "$image"'; do
		my_turn || continue
		rm -rf "$S" "$tmp/repo" "$tmp/sys"
		mkdir "$tmp/sys"
		cvmfs_server mkfs $n
		ready one two three >"$tmp/records"
		layer=$(layer_of two 0)
		tar=$S/layers/$layer.tar listing=$S/layers/$layer.mtree
		image=$S/images/$(pinned "$(sed -n 2p "$tmp/records")").mtree
		case $damage in
		*image*) file=${image##*/} ;;
		*listing*) file=${listing##*/} ;;
		*) file=${tar##*/} ;;
		esac
		eval "$damage"
		fails "$R: $damage: that image fails" ducc-publish -s "$S" -r "$R" <"$tmp/records"
		is "... alone" "$(cd "$where/localhost" && echo *)" "one:latest three:latest"
		is "... others are right" "$(cat "$where/localhost/one:latest/name" "$where/localhost/three:latest/name")" onethree
		is "... its layer is not there" "$(find "$where/.layers" -name "$layer")" ""
		like "... the file is named" "$(cat "$out")" "$file"
		ok "... unpacked again" ready one two three
		ok "... it is published" ducc-publish -s "$S" -r "$R" <"$tmp/records"
		is "... and right" "$(cat "$where/localhost/two:latest/name")" two
	done
done

# A layer whose blob is damaged: it is thrown away, if it is really that.
rm -rf "$S"
ducc-fetch -q -s "$S" "oci:$tmp/oci:one" "oci:$tmp/oci:two" >"$tmp/records"
blob=$S/blobs/sha256/$(layer_of one 0)
flip "$blob" 40
fails "a damaged blob fails its image" ducc-unpack -s "$S" <"$tmp/records"
like "... and is named, with what to do" "$(cat "$out")" "one.*$(layer_of one 0) is damaged: digest mismatch .run ducc-fetch again"
like "... by a warning, too" "$(cat "$out")" "warning: .*$(layer_of one 0) is damaged: digest mismatch; removed"
ok "... it is removed" test ! -e "$blob"
is "... and the other image is unpacked" "$(find "$S/layers" -name '*.tar' | wc -l)" 1
ok "... the next run succeeds" ready one two
image liar '.rootfs.diff_ids[0] = "sha256:'"$(layer_of one 0)"'"' <<-'L'
	layer
	file liar data=liar
L
ducc-fetch -q -s "$S" "oci:$tmp/oci:liar" >"$tmp/liar"
fails "an image that is wrong by itself" ducc-unpack -s "$S" <"$tmp/liar"
like "... is refused for that" "$(cat "$out")" "diff ID mismatch"
ok "... its blob stays" test -e "$S/blobs/sha256/$(layer_of liar 0)"
image small . '.layers[0].size = 5' <<-'L'
	layer
	file name data=one
	file one data=one size=5000
L
fails "an image that is wrong about the size of another's blob" ready small
ok "... which stays" test -e "$S/blobs/sha256/$(layer_of one 0)"

# index.json
entries() { jq -S '.manifests | sort_by(.annotations | tostring)' "$S/index.json"; }
rm -rf "$S"
ready one two >"$out"
for i in 1 2; do
	sleep 0.01
	ducc-fetch -q -s "$S" "oci:$tmp/oci:three" >"$out"
done
entries >"$tmp/entries"
for damage in 'rm "$S/index.json"' 'truncate -s -5 "$S/index.json"' ': >"$S/index.json"' 'rm "$S/index.json" "$S/oci-layout"' \
	'rm "$S/index.json"; mkdir "$S/index.json"' 'echo "[]" >"$S/index.json"'; do
	eval "$damage"
	ok "$damage: an image is found" ducc-unpack -s "$S" localhost/two:latest
	like "... and it is told" "$(cat "$out")" "index.json.*: recovered with 3 images"
	entries >"$tmp/now"
	is "... it is as it was" "$(diff "$tmp/entries" "$tmp/now")" ""
done
# A dry run knows what would be recovered, and leaves that to others.
rm "$S/index.json"
ok "a dry run without index.json: an image is found" ducc-unpack -n -s "$S" localhost/two:latest
ok "... as what may be removed" ducc-gc --clean-store -n -g 0 -s "$S"
is "... all that was fetched" "$(sed -n 's/^ducc-gc: \(localhost.*\): would be removed$/\1/p' "$out" | sort | tr '\n' ' ')" \
	"localhost/one:latest localhost/three:latest localhost/two:latest "
ok "... nothing is written" test ! -e "$S/index.json"
ok "... and it is recovered later" ducc-unpack -s "$S" localhost/two:latest
entries >"$tmp/now"
is "... as it was" "$(diff "$tmp/entries" "$tmp/now")" ""
docker=application/vnd.docker
image docker . "
	.mediaType = \"$docker.distribution.manifest.v2+json\" | .config.mediaType = \"$docker.container.image.v1+json\" |
	.layers[].mediaType = \"$docker.image.rootfs.diff.tar\"" <<-'L'
	layer
	file docker data=docker
L
ready docker >"$out"
converted=$(jq -r '.manifests[] | select(.annotations | tostring | test("docker")).digest[7:]' "$S/index.json")
rm "$S/index.json" "$S/blobs/sha256/$converted"
find "$S" | sort >"$tmp/before"
ok "a dry run that would convert a manifest of Docker's" ducc-gc --clean-store -n -g 0 -s "$S"
like "... lists the image" "$(cat "$out")" "localhost/docker:latest: would be removed"
is "... and writes nothing, either" "$(find "$S" | sort | diff "$tmp/before" -)" ""
mkdir "$tmp/empty"
ok "an empty directory is a store of nothing" ducc-gc --clean-store -g 0 -s "$tmp/empty"
is "... which is told" "$(cat "$out")" "ducc-gc: nothing in the store can be removed"
ok "... and in a dry run" ducc-gc --clean-store -n -s "$tmp/empty"
is "... as well" "$(cat "$out")" "ducc-gc: $tmp/empty: 0 of 0 bytes would be removed"
printf x >"$S/oci-layout"
ok "a damaged oci-layout" ready one
ok "... is made anew" jq -e .imageLayoutVersion "$S/oci-layout"

# ducc-check
ok "nothing is wrong in the store" ducc-check --check-store -s "$S"
is "... which is said with silence" "$(cat "$out")" ""
flip "$S/layers/$(layer_of one 0).tar" 1100
rm "$S/blobs/sha256/$(pinned "$(ready two)")"
echo x >"$S/layers/stray"
ready three >"$out"
truncate -s -1024 "$S/layers/$(layer_of three 0).tar" # the zeros at its end
fails "four things are" ducc-check --check-store -s "$S"
is "... which are found" "$(cut -f1,3 "$out" | sort | tr '\t' ' ')" "$(sort <<-END
	damaged layers/$(layer_of one 0).tar
	damaged layers/$(layer_of three 0).tar
	missing blobs/sha256/$(pinned "$(sed -n 2p "$tmp/records")")
	orphan layers/stray
END
)"
fails "images cannot be given" ducc-check --check-store -s "$S" one

# ... as it is while an image is fetched
rm -rf "$S"
ready one >"$out"
rm -r "$S/layers" "$S/images"
echo '{"schemaVersion":2,"manifests":[]}' >"$S/index.json"
ok "blobs may be those of an image that is not listed yet" ducc-check --check-store -s "$S"
is "... which is no difference" "$(cat "$out")" ""
find "$S/blobs" -type f -exec touch -d '25 hours ago' {} +
fails "... but no more after a day" ducc-check --check-store -s "$S"
is "... when they are orphans" "$(cut -f1,3 "$out" | sort | tr '\t' ' ')" "$(cd "$S" && find blobs -type f | sort | sed 's/^/orphan /')"

# A thing in the way in tmp
rm -rf "$S"
mkdir -p "$S/blobs" "$S/tmp/blobs-sha256-$(layer_of one 0)/x" "$S/tmp/layers-$(layer_of one 0).tar"
ln -s nowhere "$S/tmp/layers-$(layer_of one 0).mtree"
ok "directories and links in the place of files being written" ready one
is "... go away" "$(ls "$S/tmp")" ""

# The layer that two images have on different ones has what both need, even if it was made anew for one of them.
upper='layer
dir d
file d/.wh..wh..opq
file d/new data=new'
for i in a b c; do
	image on-$i <<-L
		layer
		dir d
		file d/$i data=$i
		$upper
	L
done
whiteouts() { # REPO: those in the upper layer
	find "$1/.layers" -name "$upper_layer" -exec find {}/layerfs/d -type c -printf '%f ' \; | tr ' ' '\n' | sort | tr -d '\n'
}
anew() {
	rm -rf "$S" "$tmp/repo"
	ready on-a on-b >"$tmp/records"
	sed -n 1p "$tmp/records" >"$tmp/a"
	sed -n 2p "$tmp/records" >"$tmp/b"
}
upper_layer=$(layer_of on-a 1)
anew
ok "a layer on two others" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/records"
is "... hides what both have" "$(whiteouts "$tmp/repo")" ab
for lost in tar mtree; do
	anew
	rm "$S/layers/$upper_layer.$lost"
	ok "its $lost is lost, and one is unpacked again" ducc-unpack -s "$S" <"$tmp/a"
	ok "... the other can be published nevertheless" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/b"
	is "... with what it needs" "$(whiteouts "$tmp/repo")" b
	ok "... and the first one" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/a"
	is "... the layer hides what both have" "$(whiteouts "$tmp/repo")" ab
done
no_differences "$tmp/repo"
anew
ok "both are published" ducc-publish -q -s "$S" -r "$tmp/repo" <"$tmp/records"
ok "both again, which the listings of both have then seen" ready on-a on-b
find "$S" -type f -printf '%p %i %T@\n' | sort >"$tmp/before"
ok "... once more" ready on-a on-b
find "$S" -type f -printf '%p %i %T@\n' | sort | diff "$tmp/before" - >"$tmp/diff" || :
is "... nothing is written" "$(cat "$tmp/diff")" ""
rm -r "$S/layers"
ok "the layers are published, and removed from the store" ducc-unpack -v -s "$S" -r "$tmp/repo" <"$tmp/records"
is "... nothing is unpacked" "$(grep -c 'unpacking 0 of 2 layers' "$out")" 2
find "$S/images" "$S/blobs" -type f -printf '%p %i %T@\n' | sort >"$tmp/after"
is "... or written" "$(grep -e /images/ -e /blobs/ "$tmp/before" | diff - "$tmp/after")" ""

# It is published for one, then for the other.
rm -rf "$S" "$tmp/repo"
for i in a b; do
	ready on-$i >"$tmp/$i"
	ok "the layer is published for $i" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/$i"
done
no_differences "$tmp/repo"

# It is published, and its tar is damaged in the store when another image needs more in it: the damage is not passed on.
for damage in ': >"$tar"' 'truncate -s -600 "$tar"' 'printf x >>"$tar"' 'truncate -s -600 "$tar"; rm "$listing"'; do
	rm -rf "$S" "$tmp/repo" "$tmp/other"
	ready on-a >"$tmp/a"
	ok "$damage: the layer is published" ducc-publish -q -s "$S" -r "$tmp/repo" <"$tmp/a"
	tar=$S/layers/$upper_layer.tar listing=$S/layers/$upper_layer.mtree
	eval "$damage"
	echo "oci:$tmp/oci:on-b" | ducc-fetch -q -s "$S" -r "$tmp/repo" >"$tmp/fetched"
	ok "... then another image is unpacked" ducc-unpack -s "$S" -r "$tmp/repo" <"$tmp/fetched"
	ok "... and published" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/fetched"
	is "... the layer hides what both have" "$(whiteouts "$tmp/repo")" ab
	no_differences "$tmp/repo"
	ok "... another repository unpacks it again" ducc-unpack -s "$S" -r "$tmp/other" <"$tmp/fetched"
	ok "... and gets it" ducc-publish -s "$S" -r "$tmp/other" <"$tmp/fetched"
	no_differences "$tmp/other"
	ok "... no damage is left in the store" ducc-check --check-store -s "$S"
done

# ... nor if the tar cannot be removed.
for i in 1 2 3 4; do
	rm -rf "$S" "$tmp/repo" "$tmp/other"
	ready on-a | ducc-publish -q -s "$S" -r "$tmp/repo" >"$out"
	truncate -s -600 "$S/layers/$upper_layer.tar"
	echo "oci:$tmp/oci:on-b" | ducc-fetch -q -s "$S" -r "$tmp/repo" >"$tmp/fetched"
	FAULT="unlink $i 5 1" LD_PRELOAD=$bin/t/preload-faults.so ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS \
		"$bin/ducc-unpack" -s "$S" -r "$tmp/repo" <"$tmp/fetched" >"$out" 2>&1 || :
	ok "removal $i fails: another repository unpacks the layer again" ducc-unpack -s "$S" -r "$tmp/other" <"$tmp/fetched"
	ok "... and gets it" ducc-publish -s "$S" -r "$tmp/other" <"$tmp/fetched"
done

# Both are published, and only what the other one needs is in the store.
anew
ok "both are published" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/records"
rm "$S/layers/$upper_layer.mtree"
ok "... the layer is lost in the store, and one is unpacked again" ducc-unpack -s "$S" <"$tmp/a"
ok "... the other is published again" ducc-publish -f -s "$S" -r "$tmp/repo" <"$tmp/b"
is "... its layer still hides what both have" "$(whiteouts "$tmp/repo")" ab
no_differences "$tmp/repo"

# A published listing is damaged, and links of the published image lead the layer's entries elsewhere than in a new one.
image moved-a <<-'L'
	layer
	dir usr
	dir usr/lib
	sym lib to=usr/lib
	layer
	file lib/x data=x
L
image moved-b <<-'L'
	layer
	dir lib
	file lib/y data=y
	layer
	file lib/x data=x
L
moved=$(layer_of moved-a 1)
for R in "$tmp/repo" $n; do
	rm -rf "$S" "$tmp/repo" "$tmp/sys"
	mkdir "$tmp/sys"
	cvmfs_server mkfs $n
	case $R in
	"$n") where=$tmp/sys/cvmfs/$n ;;
	*) where=$R ;;
	esac
	ready moved-a | ducc-publish -q -s "$S" -r "$R" >"$out"
	rm -rf "$S"
	listing=$(find "$where/.layers" -path "*$moved*" -name '*.mtree')
	[ "$R" != $n ] || cvmfs_server transaction $n
	: >"$listing"
	[ "$R" != $n ] || cvmfs_server publish $n
	echo "oci:$tmp/oci:moved-b" | ducc-fetch -q -s "$S" -r "$R" | ducc-unpack -q -s "$S" -r "$R" >"$tmp/b"
	fails "$R: a layer with a damaged listing, and entries elsewhere than in a new image" ducc-publish -s "$S" -r "$R" <"$tmp/b"
	like "... must be repaired by others" "$(cat "$out")" "$moved.*must be repaired .run ducc-check --repair.: the layer has entries elsewhere"
	is "... and stays as it is" "$(find "$where/.layers" -path "*$moved/layerfs/*" -type f -printf '%P ')" "$(echo "$moved" | sed 's,^\(..\).*,\1/&/layerfs/usr/lib/x ,')"
	ready moved-a >"$out"
	ducc-check -q --repair -r "$R" 2>"$tmp/err" | grep repair= >"$tmp/records"
	ok "... which they do" sh -c "sed 's,^[^@]*localhost/moved-a:latest[^	]*,oci:$tmp/oci:moved-a,' '$tmp/records' | ducc-fetch -q -s '$S' -r '$R' | ducc-unpack -q -s '$S' -r '$R' | ducc-publish -q -s '$S' -r '$R'"
	ok "... then it is" ducc-publish -s "$S" -r "$R" <"$tmp/b"
	no_differences "$R"
done

# ... also if all that is elsewhere is a whiteout, in a directory that both have.
image hidden-a <<-'L'
	layer
	dir usr
	dir usr/lib
	file usr/lib/x data=x
	sym lib to=usr/lib
	layer
	file lib/.wh.x
	file usr/lib/y data=y
L
image hidden-b <<-'L'
	layer
	dir usr
	dir usr/lib
	dir lib
	file lib/x data=x
	layer
	file lib/.wh.x
	file usr/lib/y data=y
L
rm -rf "$S" "$tmp/repo"
ready hidden-a | ducc-publish -q -s "$S" -r "$tmp/repo" >"$out"
rm -rf "$S"
moved=$(layer_of hidden-a 1)
: >"$(find "$tmp/repo/.layers" -path "*$moved*" -name '*.mtree')"
echo "oci:$tmp/oci:hidden-b" | ducc-fetch -q -s "$S" -r "$tmp/repo" | ducc-unpack -q -s "$S" -r "$tmp/repo" >"$tmp/b"
fails "a layer with a damaged listing, and a whiteout elsewhere than in a new image" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/b"
is "... stays as it is" "$(find "$tmp/repo/.layers" -path "*$moved/layerfs/*" ! -type d -printf '%P\n' | sed 's,.*layerfs/,,' | sort | xargs)" \
	"usr/lib/x usr/lib/y"

# Its listing is read, then another image is unpacked, then its tar is read.
for R in "$tmp/repo" $n; do
	rm -rf "$S" "$tmp/repo" "$tmp/sys"
	mkdir "$tmp/sys"
	cvmfs_server mkfs $n
	ready on-a >"$tmp/a"
	cp "$S/layers/$upper_layer.mtree" "$tmp/read"
	ready on-b >"$tmp/b"
	mv "$tmp/read" "$S/layers/$upper_layer.mtree"
	ok "$R: a layer, while it is unpacked for another image" ducc-publish -s "$S" -r "$R" <"$tmp/a"
	case $R in
	"$n") where=$tmp/sys/cvmfs/$n ;;
	*) where=$R ;;
	esac
	is "... hides what is listed" "$(whiteouts "$where")" a
	no_differences "$R"
done

# A listing that is sound, but that of something else: with layers that are published, it would be published
rm -rf "$S" "$tmp/repo"
ready one two >"$tmp/records"
ok "two images" ducc-publish -q -s "$S" -r "$tmp/repo" <"$tmp/records"
one=$(pinned "$(sed -n 1p "$tmp/records")") two=$(pinned "$(sed -n 2p "$tmp/records")")
rm -r "$tmp/repo"
cp "$S/images/$two.mtree" "$S/images/$one.mtree"
fails "the listing of another image" ducc-check --check-store -s "$S"
is "... is found" "$(cut -f1,3 "$out" | tr '\t' ' ')" "damaged images/$one.mtree"
ok "... while that one is published" sh -c "grep '/two:' '$tmp/records' | ducc-publish -q -s '$S' -r '$tmp/repo'"
fails "... is not published" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/records"
like "... but named" "$(cat "$out")" "images/$one.mtree is damaged: it names another layer or image"
ok "... and made anew" ready one
ok "... to be published" ducc-publish -q -s "$S" -r "$tmp/repo" <"$tmp/records"
is "... rightly" "$(cat "$tmp/repo/localhost/one:latest/name")" one
cp "$S/layers/$(layer_of two 0).mtree" "$S/layers/$(layer_of one 0).mtree"
fails "that of another layer" ducc-check --check-store -s "$S"
like "... is found" "$(cat "$out")" "^damaged	.*layers/$(layer_of one 0).mtree	-	it.040names.040another"
ok "... and made anew" ready one
ok "... so that all is well" ducc-check --check-store -s "$S"

# A published listing is damaged, on which another image is built: the layer is published again with that, but keeps what
# the other one needs, which is in no store and in no registry any more.
for R in "$tmp/repo" $n; do
	case $R in
	"$n") where=$tmp/sys/cvmfs/$n ;;
	*) where=$R ;;
	esac
	for damage in 'flip "$listing" 300' ': >"$listing"' 'truncate -s -20 "$listing"' 'rm "$listing"'; do
		rm -rf "$S" "$tmp/repo" "$tmp/sys"
		mkdir "$tmp/sys"
		cvmfs_server mkfs $n
		ready on-a | ducc-publish -q -s "$S" -r "$R" >"$out"
		rm -rf "$S"
		listing=$(find "$where/.layers" -path "*$upper_layer*" -name '*.mtree')
		if [ "$R" = $n ]; then
			cvmfs_server transaction $n
			: >"${listing%/.metadata/*}/layerfs/d/.cvmfscatalog" # as in a large layer
		fi
		eval "$damage"
		[ "$R" != $n ] || cvmfs_server publish $n
		ok "$R, $damage: another image is fetched" sh -c "ducc-fetch -s '$S' -r '$R' 'oci:$tmp/oci:on-b' >'$tmp/b'"
		ok "... unpacked" ducc-unpack -s "$S" -r "$R" <"$tmp/b"
		ok "... and published" ducc-publish -s "$S" -r "$R" <"$tmp/b"
		is "... the layer hides what both have" "$(whiteouts "$where")" ab
		no_differences "$R"
		echo "oci:$tmp/oci:on-b" | ducc-fetch -s "$S" -r "$R" >"$tmp/b" 2>"$tmp/err"
		is "... and is not published again" "$(grep -c repair= "$tmp/b"; cat "$tmp/err")" 0
	done
done
# The same with whiteouts of the layer's own, which hide something only in the other image.
upper='layer
dir d
file d/.wh.b
file d/new data=new
file e/.wh.b'
for i in hides-a hides-c; do
	printf 'layer\nfile name data=%s\n%s\n' $i "$upper" | image $i
done
image hides-b <<-L
	layer
	dir d
	file d/b data=b
	dir e
	file e/b data=b
	$upper
L
own_layer=$(layer_of hides-a 1)
hidden() { find "$1/.layers" -path "*$own_layer/layerfs/*" -type c -printf '%P\n' | sed 's,.*layerfs/,,' | sort | xargs; }
for damage in ': >"$layer/.metadata/layer.mtree"' 'rm "$layer/layerfs/d/new"'; do
	rm -rf "$S" "$tmp/repo"
	for i in a b; do ready hides-$i | ducc-publish -q -s "$S" -r "$tmp/repo" >"$out"; done
	is "a layer whose whiteouts hide something in one of two images" "$(hidden "$tmp/repo")" "d/b e/b"
	layer=$(find "$tmp/repo/.layers" -name "$own_layer")
	eval "$damage"
	rm -rf "$S"
	case $damage in
	:*) echo "oci:$tmp/oci:hides-c" ;;
	*) echo "oci:$tmp/oci:hides-a	repair=$own_layer" ;;
	esac | ducc-fetch -q -s "$S" -r "$tmp/repo" | ducc-unpack -q -s "$S" -r "$tmp/repo" >"$tmp/c"
	ok "$damage: it is published again, with another image" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/c"
	is "... and still has them" "$(hidden "$tmp/repo")" "d/b e/b"
	no_differences "$tmp/repo"
done
# ... also with layers that t/mkhides makes, on bases of which each needs something else in them.
visible() { # REPO: what its layers have
	(cd "$1/.layers" && find . -path '*/layerfs/*' -printf '%P %y %m %l\n' | sort)
}
for seed in $(seq "$(amount 1 60 1)"); do
	note "t/mkhides $seed"
	for i in 1 2 3; do "$top/t/mkhides" "$seed" $i | image "on-$seed-$i"; done
	rm -rf "$S" "$tmp/both"
	for i in 1 2; do ready "on-$seed-$i" | ducc-publish -q -s "$S" -r "$tmp/both" >"$out"; done
	layer=$(layer_of "on-$seed-1" 1)
	for damage in ': >"$listing"' 'rm "$listing"' 'again="	repair=$layer"'; do
		rm -rf "$S" "$tmp/repo"
		cp -a "$tmp/both" "$tmp/repo"
		again=
		listing=$(find "$tmp/repo/.layers" -path "*$layer*" -name '*.mtree')
		eval "$damage"
		echo "oci:$tmp/oci:on-$seed-3$again" | ducc-fetch -q -s "$S" -r "$tmp/repo" | ducc-unpack -q -s "$S" -r "$tmp/repo" >"$tmp/c"
		ok "$damage: a new image on any layer" ducc-publish -q -s "$S" -r "$tmp/repo" <"$tmp/c"
		is "... takes nothing from others" "$(visible "$tmp/repo" >"$tmp/now"; visible "$tmp/both" | comm -23 - "$tmp/now")" ""
		no_differences "$tmp/repo"
	done
done
tap_note=
# That is no repair of anything else: what is in the way of the new image's name stays, and Podman's lists keep all others.
rm -rf "$S" "$tmp/repo"
ready on-a one | ducc-publish -q -s "$S" -r "$tmp/repo" >"$out"
listing=$(find "$tmp/repo/.layers" -path "*$upper_layer*" -name '*.mtree')
: >"$listing"
images=$tmp/repo/podmanStore/overlay-images/images.json
cp "$images" "$tmp/images"
echo damaged >"$images"
mkdir "$tmp/repo/localhost/on-b:latest"
echo precious >"$tmp/repo/localhost/on-b:latest/file"
for i in b c; do
	echo "oci:$tmp/oci:on-$i" | ducc-fetch -q -s "$S" -r "$tmp/repo" | ducc-unpack -q -s "$S" -r "$tmp/repo" >"$tmp/$i"
done
like "a layer with a damaged listing is to be published again" "$(cat "$tmp/b")" "repair=layers,$upper_layer"
fails "... while something else has the name" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/b"
is "... which stays" "$(cat "$tmp/repo/localhost/on-b:latest/file")" precious
rm -r "$tmp/repo/localhost/on-b:latest"
fails "... and Podman's lists are damaged" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/b"
like "... which is said, with what to do" "$(cat "$out")" "Podman's lists cannot be read .try ducc-check --repair"
is "... and these stay, too" "$(cat "$images")" damaged
cp "$tmp/images" "$images"
ok "... otherwise it is" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/b"
is "... and all are listed" "$(jq -r '.[].names[]' "$images" | sort | xargs)" "localhost/on-a:latest localhost/on-b:latest localhost/one:latest"
no_differences "$tmp/repo"
new=$(find "$tmp/repo/.layers" -path "*$upper_layer*/d/new" -printf %i)
ok "... once" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/c"
is "... for all images that need it" "$(find "$tmp/repo/.layers" -path "*$upper_layer*/d/new" -printf %i)" "$new"
no_differences "$tmp/repo"

# A failure to read it is no damage.
rm -rf "$S" "$tmp/repo"
ready on-a | ducc-publish -q -s "$S" -r "$tmp/repo" >"$out"
failures=0
: >"$tmp/fetched"
for i in $(seq 40); do
	rm -rf "$S"
	echo "oci:$tmp/oci:on-b" | FAULT="read $i 5 1" LD_PRELOAD=$bin/t/preload-faults.so \
		ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS "$bin/ducc-fetch" -s "$S" -r "$tmp/repo" >>"$tmp/fetched" 2>"$tmp/err" ||
		failures=$((failures + 1))
done
ok "a read fails, each one in turn, and $failures times the image" [ $failures -gt 0 ]
is "... nothing is published again for that" "$(grep repair= "$tmp/fetched")" ""
# If it is damaged, what the other image needs shows in the files of the layer, unless they cannot be read.
listing=$(find "$tmp/repo/.layers" -path "*$upper_layer*" -name '*.mtree')
: >"$listing"
rm -rf "$S"
echo "oci:$tmp/oci:on-b" | ducc-fetch -q -s "$S" -r "$tmp/repo" | ducc-unpack -q -s "$S" -r "$tmp/repo" >"$tmp/b"
failures=0
: >"$tmp/hidden"
for i in $(seq 40); do
	for kind in readlink directory; do
		rm -rf "$tmp/copy"
		cp -a "$tmp/repo" "$tmp/copy"
		if FAULT="$kind $i 5 1" LD_PRELOAD=$bin/t/preload-faults.so ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS \
			"$bin/ducc-publish" -q -s "$S" -r "$tmp/copy" <"$tmp/b" >"$out" 2>"$tmp/err"; then
			whiteouts "$tmp/copy" >>"$tmp/hidden"
			echo >>"$tmp/hidden"
		else
			failures=$((failures + 1))
		fi
	done
done
ok "links and directories cannot be read, each in turn, and $failures times the image is not published" [ $failures -gt 0 ]
is "... else its layer hides what both have" "$(sort -u "$tmp/hidden")" ab

# An unchanged image, of which the store has too little to do without the listing
for R in "$tmp/repo" $n; do
	case $R in
	"$n") where=$tmp/sys/cvmfs/$n ;;
	*) where=$R ;;
	esac
	for damage in 'rm -r "$S"; flip "$listing" 300' 'rm -r "$S"; : >"$listing"' \
		'ducc-gc -q --clean-store -g 0 -s "$S" -r "$R" >"$out"; : >"$listing"'; do
		rm -rf "$S" "$tmp/repo" "$tmp/sys"
		mkdir "$tmp/sys"
		cvmfs_server mkfs $n
		ready on-a | ducc-publish -q -s "$S" -r "$R" >"$out"
		listing=$(find "$where/.layers" -path "*$upper_layer*" -name '*.mtree')
		[ "$R" != $n ] || cvmfs_server transaction $n
		eval "$damage"
		[ "$R" != $n ] || cvmfs_server publish $n
		echo "oci:$tmp/oci:on-a" | ducc-fetch -q -s "$S" -r "$R" | ducc-unpack -q -s "$S" -r "$R" |
			ducc-publish -q -s "$S" -r "$R" >"$tmp/a" 2>&1 || :
		like "$R, $damage: an unchanged image" "$(cat "$tmp/a")" "^http://localhost/on-a:latest@.*repair=layers,$upper_layer"
		no_differences "$R"
	done
done
ready on-b >"$tmp/b"
rm -rf "$S/layers"
listing=$(find "$where/.layers" -path "*$upper_layer*" -name '*.mtree')
cp "$listing" "$tmp/listing"
cvmfs_server transaction $n
flip "$listing" 300
cvmfs_server publish $n
fails "it is damaged after another image was fetched" ducc-unpack -s "$S" -r "$n" <"$tmp/b"
like "... which is said, with what to do" "$(cat "$out")" \
	"repository $n: .*$upper_layer/.metadata/layer.mtree must be repaired \(run ducc-check --repair\): listing is damaged"

# Why a file cannot be removed is said, also of one in a directory that has its name.
cp -a "$S" "$tmp/kept"
stray=blobs/sha256/$(echo stray | sha256sum | cut -c1-64)
: >"$tmp/reasons"
for i in $(seq 12); do
	rm -rf "$S"
	cp -a "$tmp/kept" "$S"
	mkdir "$S/$stray"
	: >"$S/$stray/file"
	FAULT="unlink $i 28 1" LD_PRELOAD=$bin/t/preload-faults.so ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS \
		"$bin/ducc-gc" --clean-store -g 0 -s "$S" 2>&1 >"$out" | sed -n 's/^ducc-gc: .*: //p' >>"$tmp/reasons" || :
done
is "files that cannot be removed are reported with the cause" "$(grep -v removed "$tmp/reasons" | sort -u)" "No space left on device"
rm -rf "$S"
cp -a "$tmp/kept" "$S"

# What others remove meanwhile is removed, and what they add to stays
rm -rf "$S"
ducc-fetch -q -s "$S" "oci:$tmp/oci:on-b" >"$out"
mkdir -p "$S/$stray/one/two"
: >"$S/$stray/one/file"
: >"$S/$stray/one/two/file"
mv "$S" "$tmp/full"
clean_beside() { # COMMAND...: what is wrong if that is done at each of the removals of one that cleans the store
	stopped=1 i=0
	while [ $stopped = 1 ]; do
		i=$((i + 1))
		rm -rf "$S"
		cp -a "$tmp/full" "$S"
		start_faulty "unlink $i -19 1" ducc-gc --clean-store -q -g 0 -s "$S"
		paused || stopped=0
		"$@" >"$tmp/beside" 2>&1 || { echo "unlink $i: $1: status $?"; cat "$tmp/beside"; }
		[ $stopped = 0 ] || kill -CONT "$pid"
		wait "$pid" || { echo "unlink $i: status $?"; cat "$tmp/faulty"; }
		[ "$1" = ducc-fetch ] || find "$S/blobs" "$S/images" -mindepth 2
	done
	[ $i -gt 12 ] || echo "only $i removals"
}
is "two clean a store" "$(clean_beside ducc-gc --clean-store -q -g 0 -s "$S")" ""
is "an image is fetched while it is cleaned" "$(clean_beside ducc-fetch -q -s "$S" "oci:$tmp/oci:on-b=another")" ""
fetch_beside() { # what is wrong if a store is cleaned before each of the files that note a name is in place
	for i in 1 2; do
		rm -rf "$S"
		cp -a "$tmp/full" "$S"
		rm -r "$S"/images/*.names
		start_faulty "rename $i -19 1" ducc-fetch -q -s "$S" "oci:$tmp/oci:on-b"
		paused || echo "rename $i: not paused"
		ducc-gc --clean-store -q -g 0 -s "$S" >"$tmp/beside" 2>&1 || cat "$tmp/beside"
		[ -z "$(find "$S/images" -name '*.names')" ] || echo "rename $i: not cleaned"
		kill -CONT "$pid"
		wait "$pid" || { echo "rename $i: status $?"; cat "$tmp/faulty"; }
		ducc-unpack -q -s "$S" <"$tmp/faulty" >"$tmp/beside" 2>&1 || { echo "rename $i: incomplete"; cat "$tmp/beside"; }
	done
}
is "a store is cleaned while an image is fetched" "$(fetch_beside)" ""
rm -rf "$S"
cp -a "$tmp/kept" "$S"

# Images are reported as removed from the store when they are
mv "$S/tmp" "$tmp/aside"
: >"$S/tmp"
fails "a store that cannot be written is not cleaned" ducc-gc --clean-store -g 0 -s "$S"
is "... nor an image reported as removed" "$(grep -v '^ducc-gc:' "$out")" ""
rm "$S/tmp"
mv "$tmp/aside" "$S/tmp"
ok "... but later" ducc-gc --clean-store -g 0 -s "$S"
like "... when it is" "$(cat "$out")" '^localhost/on-b:latest$'

# What an earlier version has written: listings without digests
old_listings() { # DIR
	find "$1" -name '*.mtree' -exec sed -i '/^# sha256=/d; /^# manifest=/d' {} +
}
rm -rf "$S" "$tmp/repo"
ready one >"$tmp/records"
(cd "$S" && sha256sum layers/* images/*.mtree) >"$tmp/sums"
old_listings "$S"
fails "a store of an earlier version" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/records"
like "... has to be unpacked again" "$(cat "$out")" 'run ducc-unpack first'
ok "... is unpacked again" ducc-unpack -s "$S" <"$tmp/records"
is "... without a word" "$(grep -v ^http "$out")" ""
ok "... as if anew" sh -c "cd '$S' && sha256sum -c --quiet '$tmp/sums'"
ok "... and published" ducc-publish -s "$S" -r "$tmp/repo" <"$tmp/records"
old_listings "$tmp/repo"
rm -rf "$S"
mkdir "$tmp/more"
cp -r "$tmp/oci" "$tmp/oci2"
echo more >"$tmp/more/more"
umoci tag --image "$tmp/oci2:one" above
add_layer "$tmp/oci2:above" "$tmp/more"
above() {
	ducc-fetch -s "$S" -r "$tmp/repo" "oci:$tmp/oci2:above" | ducc-unpack -s "$S" -r "$tmp/repo" |
		ducc-publish -s "$S" -r "$tmp/repo"
}
ok "layers that an earlier version has published are built upon" above
is "... but not fetched again" "$(find "$S/layers" -name '*.tar' | wc -l)" 1
is "... and the image is right" "$(cat "$tmp/repo/localhost/above:latest/name" "$tmp/repo/localhost/above:latest/more")" onemore

# ... and, at first, without the places of symbolic links
base='layer\nfile f data=f\nsym l to=f\n'
# shellcheck disable=SC2059 # with its line ends
printf "$base" | image old
# shellcheck disable=SC2059
{ printf "$base"; printf 'layer\nhard h to=l\nhard g to=f\n'; } | image linked
rm -rf "$S" "$tmp/repo"
ready old | ducc-publish -q -s "$S" -r "$tmp/repo" >"$out"
old_listings "$tmp/repo"
find "$tmp/repo" -name layer.mtree -exec sed -i '/type=link/s/ contents=[^ ]*//' {} +
rm -rf "$S"
linked() {
	ducc-fetch -s "$S" -r "$tmp/repo" "oci:$tmp/oci:linked" | ducc-unpack -s "$S" -r "$tmp/repo" |
		ducc-publish -s "$S" -r "$tmp/repo"
}
ok "a hard link to one of these is published" linked
is "... as what it is" "$(cd "$tmp/repo/localhost/linked:latest" && readlink h l && cat g)" "f
f
f"
no_differences "$tmp/repo"

done_testing
