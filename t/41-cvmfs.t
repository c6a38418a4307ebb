#!/bin/sh
# ducc-publish into CernVM-FS, or rather into a stand-in that has its habits: what arrives, in how many
# transactions, and what happens when somebody else is there, or something breaks.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh source=trees.sh
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
. "${0%/*}/trees.sh"
need jq umoci zstd

stand_in
L=$tmp/layout
S=$tmp/store
n=test.example.org
R=$tmp/sys/cvmfs/$n
spool=$tmp/sys/var/spool/cvmfs/$n

new_repository() {
	rm -rf "${tmp:?}/sys"
	mkdir "$tmp/sys"
	cvmfs_server mkfs $n
}
log() { # what was done with the repository so far
	[ ! -e "$spool/log" ] || cat "$spool/log"
}
forget_log() {
	rm -f "$spool/log"
}
ready() { # IMAGE...: fetched and unpacked, as records
	ducc-fetch -q -s "$S" "$@" | ducc-unpack -q -s "$S"
}
publish() { # RECORDS [OPTION...]
	publish_records=$1
	shift
	ducc-publish -s "$S" -r $n "$@" <"$publish_records"
}
sound_repository() { # consistent, nothing left open
	cvmfs_server check $n && [ ! -e "$spool/in_transaction.lock" ] && [ ! -e "$spool/ducc.transaction" ]
}
flat_of() { # NAME
	readlink -f "$R/localhost/$1:latest"
}
is_as_unpacked() { # NAME TREE: the flat tree, and the layers stacked, are what umoci unpacks
	same_flat -c -a .cvmfscatalog "$tmp/want/$2" "$R/localhost/$1:latest/"
}

# What arrives
for i in one two three; do make_image "$L" $i; done
mkdir "$tmp/want"
for i in one two three; do umoci raw unpack --image "$L:$i" "$tmp/want/$i" 2>/dev/null; done
new_repository
ready "oci:$L:one" "oci:$L:two" "oci:$L:three" >"$tmp/records"
ok "three images are published" publish "$tmp/records"
is "... their records are printed, and what was new" "$(cat "$out")" "$(sed "s/\$/$(printf '\t')state=added/" "$tmp/records")"
is "... in one transaction" "$(log)" ingest-ok
ok "... and the repository is sound" sound_repository
for i in one two three; do
	ok "... the flat image of $i is right" is_as_unpacked $i $i
	is "... under a relative link" "$(readlink "$R/localhost/$i:latest" | cut -c1-9)" ../.flat/
done
main_job "$S" "$tmp/directory" "oci:$L:one" "oci:$L:two" "oci:$L:three"
for layer in "$tmp"/directory/.layers/*/*/layerfs; do
	layer=${layer#"$tmp/directory/"}
	ok "... $(echo "$layer" | cut -c9-24)... is the layer that a directory has" \
		"$top/t/treecmp" -c "$tmp/directory/$layer" "$R/$layer"
done
is "... with its whiteout" "$(find "$R"/.layers/*/*/layerfs/doc/gone ! -type f -exec stat -c '%F %t:%T' {} +)" \
	"character special file 0:0"
is "nothing belongs to a user that was made up" "$(find "$R/" -user 65534 -o -group 65534)" ""
is "the log of the repository says what was published" \
	"$(grep -c '^\.flat/' "$R/.metadata/.log/last")" 3
forget_log
ok "publishing again" publish "$tmp/records"
is "... opens no transaction" "$(log)" ""

# What moves, and what is shared
umoci tag --image "$L:two" moving
umoci tag --image "$L:three" other
ready "oci:$L:moving" >"$tmp/moving"
ok "another name for an image" publish "$tmp/moving"
is "... is one transaction" "$(log)" ingest-ok
is "... and no other tree" "$(flat_of moving)" "$(flat_of two)"
umoci tag --image "$L:three" moving
ready "oci:$L:moving" >"$tmp/moving"
ok "the name moves to another image" publish "$tmp/moving"
is "... and is there" "$(flat_of moving)" "$(flat_of three)"
ok "... with its metadata" cmp "$R/.metadata/localhost/moving:latest/manifest.json" \
	"$R/.metadata/localhost/three:latest/manifest.json"
mkdir -p "$tmp/more/doc/new" "$tmp/more/data"
echo more >"$tmp/more/doc/new/file"
: >"$tmp/more/data/.wh.numbers"
umoci tag --image "$L:one" child
add_layer "$L:child" "$tmp/more"
umoci raw unpack --image "$L:child" "$tmp/want/child" 2>/dev/null
ready "oci:$L:child" >"$tmp/child"
forget_log
before=$(find "$R/.layers/" -name layers.json | wc -l)
ok "an image on top of published layers" publish "$tmp/child"
is "... is one transaction" "$(log)" ingest-ok
is "... with one more layer" "$(find "$R/.layers/" -name layers.json | wc -l)" $((before + 1))
ok "... the flat image is right" is_as_unpacked child child
ok "... the repository is sound" sound_repository
unshare -m true 2>/dev/null && {
	ok "... so are its layers, stacked by overlayfs" unshare -m sh -c '
		. "$1/t/trees.sh"; top=$1; same_stack "$2" "$3" "$4" -c "$5"' sh "$top" "$R" localhost/child:latest "$tmp/s" "$tmp/want/child"
}
rm -rf "$tmp/s"

# An image on top of published layers, from an empty store
umoci tag --image "$L:child" grandchild
mkdir "$tmp/last"
echo last >"$tmp/last/last"
add_layer "$L:grandchild" "$tmp/last"
forget_log
on_top() {
	ducc-fetch -q -s "$tmp/S2" -r $n "oci:$L:grandchild" | ducc-unpack -q -s "$tmp/S2" -r $n |
		ducc-publish -q -s "$tmp/S2" -r $n
}
ok "layers that only the repository has serve a new image" on_top
is "... in one transaction" "$(log)" ingest-ok
is "... of which nothing else was fetched" "$(find "$tmp/S2/layers" -name '*.tar' | wc -l)" 1
is "... and is right" "$(cat "$R/localhost/grandchild:latest/last" "$R/localhost/grandchild:latest/doc/new/file")" "last
more"
ok "... the repository is sound" sound_repository

# Another image stacks a published layer on another base: it needs one more whiteout.
mkdir -p "$tmp/base/etc/opq" "$tmp/base2/etc/opq" "$tmp/opaque/etc/opq"
echo 1 >"$tmp/base/etc/opq/a"
echo 2 >"$tmp/base2/etc/opq/b"
: >"$tmp/opaque/etc/opq/.wh..wh..opq"
for b in base base2; do
	umoci new --image "$L:$b"
	add_layer "$L:$b" "$tmp/$b"
	add_layer "$L:$b" "$tmp/opaque"
	ready "oci:$L:$b" >"$tmp/$b.record"
	ok "a layer that hides what is below, on $b" publish "$tmp/$b.record"
done
is "... hides both" "$(cd "$R"/.layers/*/*/layerfs/etc/opq/ 2>/dev/null; find "$R"/.layers/*/*/layerfs/etc/opq -type c -printf '%f\n' | sort | tr '\n' ' ')" "a b "
ok "... the repository is sound" sound_repository

# Batches
for i in 1 2 3 4 5; do make_image "$L" b$i; done
ready "oci:$L:b1" "oci:$L:b2" "oci:$L:b3" "oci:$L:b4" "oci:$L:b5" >"$tmp/batch"
for i in 1 2 3 4; do sed -n ${i}p "$tmp/batch" >"$tmp/r$i"; done
new_repository
ok "-b 2: five images" publish "$tmp/batch" -b 2
is "... in three transactions" "$(log | wc -l)" 3
new_repository
ok "-B 1: five images" publish "$tmp/batch" -B 1
is "... each that has more than this of new layers in its own" "$(log | wc -l)" 5
is "... are all there" "$(cat "$R"/localhost/b?:latest/app/name | tr '\n' ' ')" "b1 b2 b3 b4 b5 "
fails "-b 0 is no number of images" publish "$tmp/batch" -b 0
fails "-w x is no time" publish "$tmp/batch" -w x

# Somebody else's transaction
new_repository
cvmfs_server transaction $n
echo mine >"$R/file"
forget_log
impatient() {
	timeout 24 ducc-publish -s "$S" -r $n -w 5 <"$tmp/batch"
}
fails "somebody else has a transaction open for longer than -w, which counts for all images together" impatient
like "... which the error says" "$(cat "$out")" "^ducc-publish: http://localhost/b1:latest@.*: repository $n: another transaction is open"
is "... and theirs stays as it was" "$(cat "$R/file") $(log)" "mine "
publish "$tmp/batch" -w 60 >"$tmp/out" 2>&1 &
pid=$!
waiting() { grep -q 'waiting up to' "$tmp/out"; }
ok "a publish waits for it" wait_for waiting
cvmfs_server publish $n
ok "... and goes on when it is over" wait "$pid"
is "... with the changes of both" "$(cat "$R/file" "$R/localhost/b1:latest/app/name" | tr '\n' ' ')" "mine b1 "
ok "... the repository is sound" sound_repository

# What they do meanwhile is taken into account.
new_repository
ok "an image is published" publish "$tmp/r1"
cvmfs_server transaction $n
rm -rf "$R"/.layers/*
publish "$tmp/r2" -w 60 >"$tmp/out" 2>&1 &
pid=$!
ok "one that shares its layers waits" wait_for waiting
cvmfs_server publish $n
ok "... and is published, although they are gone now" wait "$pid"
umoci raw unpack --image "$L:b2" "$tmp/want/b2" 2>/dev/null
ok "... is right" is_as_unpacked b2 b2
ok "... and the repository is sound" sound_repository

# Many at once
new_repository
pids=
for i in 1 2 3 4; do
	publish "$tmp/r$i" >"$tmp/out.$i" 2>&1 &
	pids="$pids $!"
done
failed=
for pid in $pids; do
	wait "$pid" || failed="$failed $pid"
done
is "four publishers at once all succeed" "$failed" ""
is "... and all images are there" "$(cat "$R"/localhost/b?:latest/app/name | tr '\n' ' ')" "b1 b2 b3 b4 "
ok "... the repository is sound" sound_repository

# Hard links onto hard links, whose names come in an order that ingest would not see through; entries before
# their directories
new_repository
corpus "$tmp/corpus"
image chain <<-'E'
	layer
	file bin/su data=su mode=4755 uid=3
	dir bin mode=700 uid=7 gid=8
	hard bin/link to=bin/su
	hard bin/aaa to=bin/link
	hard aaa to=bin/link
E
umoci raw unpack --image "$tmp/corpus:chain" "$tmp/want/chain" 2>/dev/null
ready "oci:$tmp/corpus:chain" >"$tmp/chain.record"
ok "an image of hard links and late directories" publish "$tmp/chain.record"
ok "... is right" same_flat -c -i . "$tmp/want/chain" "$R/localhost/chain:latest/"
ok "... so is its layer" "$top/t/treecmp" -c -i . "$tmp/want/chain" "$(echo "$R"/.layers/*/*/layerfs)"
ok "... the repository is sound" sound_repository

# What fails
new_repository
find "$R/" | sort >"$tmp/before"
for how in after-read full; do
	forget_log
	fails "an ingest that fails ($how)" env CVMFS_STANDIN_FAIL=$how ducc-publish -s "$S" -r $n -b 2 \
		"$(sed -n '1s/\t.*//p' "$tmp/batch")" "$(sed -n '2s/\t.*//p' "$tmp/batch")"
	is "... has a line for each image" "$(grep -c '^ducc-publish: http://localhost/b[12]:latest@.*: repository .*: cvmfs_server ingest: ' "$out")" 2
	is "... after each was tried by itself" "$(log | grep -c ingest-failed)" 3
	ok "... and the repository is sound" sound_repository
	is "... and has nothing new" "$(find "$R/" | sort)" "$(cat "$tmp/before")"
done
ok "the next publish succeeds" publish "$tmp/batch"

new_repository
cat >"$tmp/bin/fake" <<-'END'
	#!/bin/sh
	[ "$1" = ingest ] || exit 0
	head -c 3000 >/dev/null
	exec <&-
	sleep 0.5
	echo 'No space left on device'
	exit 1
END
chmod 755 "$tmp/bin/fake"
mkdir "$tmp/fake"
ln -s "$tmp/bin/fake" "$tmp/fake/cvmfs_server"
fails "a server that stops reading, and says why later" env PATH="$tmp/fake:$PATH" ducc-publish -s "$S" -r $n "$(cut -f1 "$tmp/r4")"
like "... is listened to" "$(cat "$out")" "cvmfs_server ingest: No space left on device"
rm -f "$spool/ducc.transaction"
ok "a parent that ignores what becomes of its children does no harm" perl -e '$SIG{CHLD} = "IGNORE"; exec @ARGV' \
	timeout 60 ducc-publish -s "$S" -r $n "$(cut -f1 "$tmp/r4")"

# What is in the way
new_repository
cvmfs_server transaction $n
mkdir "$R/.metadata"
echo strange >"$R/.metadata/.log"
cvmfs_server publish $n
fails "a file in the place of the log is an error" publish "$tmp/r1"
like "... that names it" "$(cat "$out")" "\.metadata/\.log: exists and is not a directory"
ok "... the repository is sound" sound_repository
new_repository
cvmfs_server transaction $n
mkdir -p "$R/localhost/b1:latest" "$R/quay.io"
echo precious | tee "$R/localhost/b1:latest/file" >"$R/quay.io/org"
cvmfs_server publish $n
fails "a directory in the place of an image's name is an error" publish "$tmp/r1"
like "... that names it" "$(cat "$out")" "localhost/b1:latest: exists and is not a symbolic link \(run ducc-check --repair, or remove it\)"
ok "... other images are not held up" publish "$tmp/r2"
is "... it stays as it was" "$(cat "$R/localhost/b1:latest/file")" precious
ok "... the repository is sound" sound_repository

# Layers and flat trees of others, whose whiteouts are of another kind
new_repository
layers=$(jq -r '.layers[].digest' "$S/blobs/sha256/$(pinned "$(cat "$tmp/r1")")" | cut -d: -f2)
flat=$(jq -r .config.digest "$S/blobs/sha256/$(pinned "$(cat "$tmp/r1")")" | cut -d: -f2)
cvmfs_server transaction $n
for l in $layers; do
	mkdir -p "$R/.layers/$(echo "$l" | cut -c1-2)/$l/layerfs/doc"
	: >"$R/.layers/$(echo "$l" | cut -c1-2)/$l/layerfs/doc/.wh.gone"
done
mkdir -p "$R/.flat/$(echo "$flat" | cut -c1-2)/$flat/usr/bin" "$R/localhost"
echo theirs >"$R/.flat/$(echo "$flat" | cut -c1-2)/$flat/theirs"
ln -s "../.flat/$(echo "$flat" | cut -c1-2)/$flat" "$R/localhost/b1:latest"
cvmfs_server publish $n
if [ "$(id -u)" = 0 ]; then # with a directory whose owner cannot be set: EPERM for one attribute after the other, until it is that
	cvmfs_server transaction $n
	chown 7 "$R/.flat/$(echo "$flat" | cut -c1-2)/$flat/usr"
	cvmfs_server publish $n
	cp -a "$tmp/sys" "$tmp/wrong-owner"
	i=10 wrong=
	while
		FAULT="attributes $i 1 1" LD_PRELOAD=$bin/t/preload-faults.so ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS \
			publish "$tmp/r1" >"$tmp/said" 2>&1 && [ "$(stat -c %u "$R/localhost/b1:latest/usr")" != 0 ] && wrong=$i
		rm -r "$tmp/sys"
		cp -a "$tmp/wrong-owner" "$tmp/sys"
		[ -z "$wrong" ] && ! grep -q ': owner: ' "$tmp/said" && [ $i -lt 30 ]
	do i=$((i + 1)); done
	is "an image with a directory of the wrong owner is not published" "$wrong" ""
	like "... as the error says" "$(cat "$tmp/said")" "localhost/b1:latest.*: \.flat/../$flat/usr: owner: Operation not permitted"
fi
ok "an image that something else has published before" publish "$tmp/r1"
like "... is replaced, with a warning" "$(cat "$out")" "warning: .*not published by ducc"
is "... nothing of it is left" "$(find "$R/" -name theirs -o -name '.wh.*')" ""
umoci raw unpack --image "$L:b1" "$tmp/want/b1" 2>/dev/null
ok "... and is right" is_as_unpacked b1 b1
ok "... the repository is sound" sound_repository

# Those of others that cannot be looked at: nothing is known about what an ingest could not replace.
if [ "$(id -u)" = 0 ] && setpriv --reuid 65534 --regid 65534 --clear-groups "$bin/ducc-publish" -V >/dev/null 2>&1; then
	other_user='setpriv --reuid 65534 --regid 65534 --clear-groups'
else
	other_user=
fi
chmod 755 "$tmp"
if [ "$(id -u)" != 0 ] || [ -n "$other_user" ]; then
	new_repository
	cvmfs_server transaction $n
	layer=$(echo "$layers" | head -n 1)
	layer=.layers/$(echo "$layer" | cut -c1-2)/$layer
	mkdir -p "$R/$layer/layerfs/doc/kept"
	chmod 0 "$R/$layer/layerfs/doc"
	cvmfs_server publish $n
	[ -z "$other_user" ] || chown -R 65534:65534 "$tmp/sys" "$S"
	forget_log
	# shellcheck disable=SC2086 # words
	fails "a layer of others with a directory that cannot be read" $other_user "$bin/ducc-publish" -s "$S" -r $n <"$tmp/r1"
	like "... is an error" "$(cat "$out")" "^ducc-publish: .*: $layer/layerfs/doc: Permission denied"
	is "... before anything is done" "$(log)" ""
	[ -z "$other_user" ] || chown -R 0:0 "$tmp/sys" "$S"
fi

# Names that CernVM-FS takes for something else
mkdir -p "$tmp/marker/dir/.cvmfscatalog"
umoci new --image "$L:marker"
add_layer "$L:marker" "$tmp/marker"
ready "oci:$L:marker" >"$tmp/marker.record"
fails "an image that CernVM-FS can't publish" publish "$tmp/marker.record"
like "... has an error that says so" "$(cat "$out")" "layer sha256:.*dir/.cvmfscatalog: CernVM-FS requires"
mkdir -p "$tmp/bundles/dir"
: >"$tmp/bundles/dir/.cvmfsbundles"
umoci new --image "$L:bundles"
add_layer "$L:bundles" "$tmp/bundles"
deep=$(repeat 15 . | sed "s|.|$(repeat 250 d)/|g")
image deep <<-E
	layer
	file $deep$(repeat 240 d)/f data=x
E
image less-deep <<-E
	layer
	file $deep$(repeat 20 d)/f data=x
E
ready "oci:$L:bundles" "oci:$tmp/corpus:deep" "oci:$tmp/corpus:less-deep" >"$tmp/names.records"
forget_log
fails "images with a reserved name, and with a path that is too long" publish "$tmp/names.records"
like "... which the errors say" "$(cat "$out")" "bundles:latest.*layer sha256:.*dir/.cvmfsbundles: CernVM-FS reserves this name"
like "... of both" "$(cat "$out")" "deep:latest.*layer sha256:.*d{64}\.\.\.: path of 4005 bytes; CernVM-FS accepts 3[0-9]* here"
is "... do not make ingest fail" "$(log)" ingest-ok
ok "... and the image with a path not quite as long is published" test -L "$R/localhost/less-deep:latest"
mkdir "$tmp/variant"
ln -s '$(HOME)' "$tmp/variant/link"
umoci new --image "$L:variant"
add_layer "$L:variant" "$tmp/variant"
ready "oci:$L:variant" >"$tmp/variant.record"
ok "a symbolic link with a variable of CernVM-FS" publish "$tmp/variant.record"
like "... is warned of" "$(cat "$out")" 'warning: .*link: symbolic link to \$\(HOME\)'

image capable <<-'E'
	layer
	dir ./
	file ping data=x mode=755 xattr.security.capability=\001\000\000\002\000\040\000\000\000\000\000\000\000\000\000\000\000\000\000\000
	file other data=x xattr.user.k=v
	file ping6 data=y mode=755 xattr.security.capability=\001\000\000\002\000\040\000\000\000\000\000\000\000\000\000\000\000\000\000\000
E
ready "oci:$tmp/corpus:capable" >"$tmp/capable.record"
ok "files with capabilities" publish "$tmp/capable.record"
is "... are warned of, once" "$(grep -c 'warning: .*layer sha256:[0-9a-f]*: ping and 1 more: CernVM-FS drops file capabilities$' "$out")" 1

# Chunked files
new_repository
umoci new --image "$L:large"
mkdir -p "$tmp/large"
head -c 3000000 /dev/urandom >"$tmp/large/large"
add_layer "$L:large" "$tmp/large"
umoci tag --image "$L:large" chunked
add_layer "$L:chunked" "$tmp/more"
ready "oci:$L:large" >"$tmp/large.record"
ok "an image with a large file" publish "$tmp/large.record"
(cd "$R/" && find .layers -name large) >"$spool/chunked"
cvmfs_server transaction $n
cvmfs_server publish $n
ready "oci:$L:chunked" >"$tmp/chunked.record"
ok "an image on top, when that file is in chunks" publish "$tmp/chunked.record"
ok "... has its content" cmp "$tmp/large/large" "$R/localhost/chunked:latest/large"
ok "... the repository is sound" sound_repository

new_repository
ok "an ingest that does chunk" env CVMFS_STANDIN_CHUNK=1000000 "$bin/ducc-publish" -s "$S" -r $n "$(cut -f1 "$tmp/large.record")"
like "... is found out" "$(cat "$out")" "warning: .flat/.*/large: cannot be read back"

# Catalogs
new_repository
mkdir -p "$tmp/many/usr/share"
perl -e 'for (1 .. 1500) { open my $f, ">", "$ARGV[0]/usr/share/$_" or die }' "$tmp/many"
umoci new --image "$L:many"
add_layer "$L:many" "$tmp/many"
ready "oci:$L:many" >"$tmp/many.record"
ok "an image of 1,500 files" publish "$tmp/many.record"
is "... has catalogs of its own for layer and flat tree" \
	"$(cvmfs_server list-catalogs $n | awk '$1 >= 1500 { print $2 }' | cut -d/ -f1)" ".flat
.layers"
is "... beside those at the top" "$(cvmfs_server list-catalogs $n | awk '$2 !~ "/" { print $2 }' | sort | tr '\n' ' ')" \
	" .flat .layers .metadata podmanStore "
is "... its layer holds what it should" "$(find "$R"/.layers/*/*/layerfs/ -name .cvmfscatalog)" ""
if [ "$(amount 0 1)" = 1 ]; then
	mkdir -p "$tmp/huge/a/b" "$tmp/huge/c"
	perl -e 'for my $d ("a/b", "c") { for (1 .. 60000) { open my $f, ">", "$ARGV[0]/$d/$_" or die } }' "$tmp/huge"
	umoci new --image "$L:huge"
	add_layer "$L:huge" "$tmp/huge"
	ready "oci:$L:huge" >"$tmp/huge.record"
	ok "an image of 120,000 files" publish "$tmp/huge.record"
	is "... has catalogs within its layer and flat tree" \
		"$(cvmfs_server list-catalogs $n | awk '$1 >= 60000 { print $2 }' | sed -E 's,/[^/]*/[0-9a-f]{64}(/layerfs)?,,' | sort | xargs)" \
		".flat .flat/a .layers .layers/a"
	ok "... and is sound" sound_repository
fi

# A gateway
new_repository
through_gateway $n
ok "through a gateway" publish "$tmp/r1"
ok "... the flat image is right" is_as_unpacked b1 b1
is "... and so are whiteouts" "$(find "$R"/.layers/*/*/layerfs/doc -name gone -type c | wc -l) $(grep -c warning: "$out")" "1 0"
new_repository
through_gateway $n
CVMFS_STANDIN_FAIL=devices ok "through a gateway that drops whiteouts" publish "$tmp/r1"
like "... which is not kept silent" "$(cat "$out")" "warning: .*doc/gone: the repository lost this whiteout"
ok "... the flat image is right" is_as_unpacked b1 b1
: >"$spool/lease"
fails "a lease that somebody else has for longer than -w" publish "$tmp/r2" -w 1
publish "$tmp/r2" >"$tmp/out" 2>&1 &
pid=$!
ok "a publish waits for it" wait_for waiting
rm "$spool/lease"
ok "... and goes on" wait "$pid"

# Without a mount
new_repository
mkdir -p "$tmp/blind/var/spool/cvmfs/$n"
cat >"$tmp/blind/cvmfs_server" <<-END
	#!/bin/sh
	DUCC_SYSROOT=$tmp/sys exec $top/t/cvmfs_server "\$@"
END
chmod 755 "$tmp/blind/cvmfs_server"
blind() { # RECORDS
	PATH=$tmp/blind:$PATH DUCC_SYSROOT=$tmp/blind publish "$1"
}
fails "a repository that isn't mounted, of which nothing is known" blind "$tmp/r1"
like "... which the error says, and what to do" "$(cat "$out")" "not mounted .*create the directory $S/repositories/$n"
mkdir -p "$S/repositories/$n"
ok "... when that is done, it is published into" blind "$tmp/r1"
ok "... and is right" is_as_unpacked b1 b1
forget_log
ok "... again" blind "$tmp/r1"
is "... without a transaction" "$(log)" ""
ok "... and another image" blind "$tmp/r2"
is "... in one" "$(log)" ingest-ok
is "what the store knows of it is what is there" \
	"$(cd "$S/repositories/$n" && find .metadata .layers podmanStore localhost -type f ! -path '*/.log/*' -exec sha256sum {} + | sort -k2)" \
	"$(cd "$R/" && find .metadata .layers podmanStore localhost -type f ! -path '*/layerfs/*' ! -path '*/.log/*' -exec sha256sum {} + | sort -k2)"
ok "with a mount" publish "$tmp/r4"
fails "... and without it again, what the store knew of it is no longer used" blind "$tmp/r1"
like "... since that would be too little" "$(cat "$out")" "not mounted .*the store has no copy"
ok "... the repository is sound" sound_repository
no_differences $n
rmdir "$S/repositories"

# No publisher, no program, no name
fails "a repository of which this machine is no publisher" ducc-publish -s "$S" -r other.example.org "$(cut -f1 "$tmp/r1")"
like "... which the error says" "$(cat "$out")" "repository other.example.org: this machine cannot publish to it"
fails "no cvmfs_server" env PATH="$tmp/none" "$bin/ducc-publish" -s "$S" -r $n "$(sed -n '3s/\t.*//p' "$tmp/batch")"
like "... which the error says" "$(cat "$out")" "cvmfs_server: No such file"
ok "... the repository is sound" sound_repository
fails "a name that is none" ducc-publish -s "$S" -r '..' "$(cut -f1 "$tmp/r1")"

# Signals
new_repository
find "$R/" | sort >"$tmp/before"
for signal in INT:130 TERM:143; do
	: >"$spool/lease"
	forget_log
	: >"$tmp/out" # not what an earlier one said
	perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' ducc-publish -s "$S" -r $n -w 60 <"$tmp/batch" >"$tmp/out" 2>&1 &
	pid=$!
	ok "SIG${signal%:*} while it waits" wait_for waiting
	kill "-${signal%:*}" $pid
	status=0
	wait $pid 2>/dev/null || status=$?
	is "... ends it by that signal" "$status" "${signal#*:}"
	rm "$spool/lease"
	ok "... and nothing is left open" sound_repository
	is "... nor published" "$(find "$R/" | sort)" "$(cat "$tmp/before")"
done
ok "the next publish succeeds" publish "$tmp/batch"

no_differences $n

done_testing
