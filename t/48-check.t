#!/bin/sh
# ducc-check: a sound repository is quiet; of each fault that is planted it reports exactly that, and what it says is
# to be published again makes the repository what it was.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh

[ "$(id -u)" = 0 ] || { echo '1..0 # SKIP owners need root'; exit 0; }
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
KILLS=${KILLS:-$(amount 8 100 4)}
# shellcheck source=kill.sh
. "${0%/*}/kill.sh"
need jq setfattr setpriv umoci

stand_in
S=$tmp/store
L=$tmp/layout
C=$tmp/corpus
D=$tmp/directory
n=test.example.org
spool=$tmp/sys/var/spool/cvmfs/$n
for i in one two; do make_image "$L" $i; done
corpus "$C"
t=mtime=1700000000
image all <<-END
	layer
	dir ./ $t
	dir d/ $t
	dir lower/ $t
	file lower/a data=a $t
	file lower/b data=b $t
	file d/setuid data=setuid size=5000 mode=4755 $t
	file d/xattr data=xattr $t xattr.user.key=value
	file d/content data=content $t
	file d/with\\040blank\\011tab data=odd $t
	file d/empty $t
	file d/nsec data=nsec mtime=1700000000.5
	hard d/hard to=d/content
	sym d/link to=content $t
	chr d/device dev=5,6 $t mode=600
	fifo d/fifo $t uid=7 gid=8
	layer
	dir d/ $t
	file d/.wh.empty $t
	file lower/.wh..wh..opq $t
	file lower/c data=c $t
	hard d/below to=d/setuid
END
publish_all() { # REPOSITORY
	ducc-fetch -q -s "$S" "oci:$L:one" "oci:$L:two" "oci:$C:all" | ducc-unpack -q -s "$S" |
		ducc-publish -q -s "$S" -r "$1" >"$tmp/published"
}

# What there is, without what tells the history; Podman's lists in any order.
content() {
	(cd "$R/" && find . ! -path './.metadata/.log*' ! -name '*.lock' ! -name .cvmfscatalog ! -path './podmanStore/*s.json' \
		! -path ./.metadata/remove-schedule.json ! -type d -printf '%p %y %m %U:%G %s %l\n' | sort
		find . -type f ! -path './.metadata/.log*' ! -name '*.lock' ! -path './podmanStore/*s.json' \
			! -path ./.metadata/remove-schedule.json -exec sha256sum {} + | sort
		podman_lists)
}
podman_lists() { # as read before, if they have these bytes: jq takes long to start
	lists=$tmp/lists-$(cat podmanStore/*/*s.json | sha256sum | cut -c -64)
	[ -e "$lists" ] || jq -S 'sort_by(.id)[]' podmanStore/*/*s.json >"$lists" || return
	cat "$lists"
}
check() {
	ducc-check -s "$S" -r "$repo" "$@"
}
repair() { # OPTION...
	check -q -d --repair "$@" >"$tmp/records" || :
	# In their order, on which Podman's lists depend.
	ducc-fetch -q -j 1 -s "$S" -r "$repo" <"$tmp/records" | ducc-unpack -q -s "$S" -r "$repo" |
		ducc-publish -s "$S" -r "$repo" >"$tmp/repaired" || return
	[ "$(wc -l <"$tmp/repaired")" = "$(wc -l <"$tmp/records")" ]
}
layer() { # IMAGE NUMBER: the path of its layer
	hex=$(jq -r ".layers[$2].digest[7:]" "$good/.metadata/localhost/$1/manifest.json")
	echo ".layers/${hex%"${hex#??}"}/$hex"
}
flat() { # IMAGE
	hex=$(jq -r '.config.digest[7:]' "$good/.metadata/localhost/$1/manifest.json")
	echo ".flat/${hex%"${hex#??}"}/$hex"
}
# Planting: a command in the root of the repository, after which the directories that it names are as old as they were.
begin_planting() {
	restore
	[ $kind = directory ] || cvmfs_server transaction $n >"$out"
}
end_planting() {
	[ $kind = directory ] || cvmfs_server publish $n >"$out"
}
restore() {
	if [ $kind = directory ]; then
		rm -rf "$R"
		cp -a "$good" "$R"
	else
		rm -rf "$tmp/sys"
		cp -a "$tmp/sys.good" "$tmp/sys"
	fi
}
# relist COMMAND LISTING...: change the lines of listings by a command of sed, and their digests with them.
relist() {
	lines=$1
	shift
	for listing; do
		sed "1,2d; $lines" "$listing" >"$tmp/lines"
		{ printf '#mtree\n# sha256=%s\n' "$(sha256sum <"$tmp/lines" | cut -c -64)"; cat "$tmp/lines"; } >"$tmp/listing"
		! cmp -s "$tmp/listing" "$listing" && cat "$tmp/listing" >"$listing" || return
	done
}
# fault TITLE KINDS PATHS COMMAND [DIRECTORY]: KINDS and PATHS are all that there are, sorted; PATHS is a pattern.
fault() {
	fault_number=$((fault_number + 1))
	[ -n "${SOAK-}" ] || [ $((fault_number % every)) = $sanitized ] || return 0
	title="$kind: $1" kinds=$2 paths=$3
	begin_planting
	(cd "$R/" && eval "$4" && { [ -z "${5-}" ] || touch -d @1700000000 "$5"; })
	end_planting
	fails "$title: is found" check -d
	cp "$out" "$tmp/found"
	is "$title: it alone" "$(cut -f1 "$tmp/found" | sort -u | tr '\n' ' ')" "$kinds "
	is "$title: where it is" "$(cut -f3 "$tmp/found" | grep -Evx "$paths")" ""
	ok "$title: is repaired" repair
	ok "$title: nothing is left of it" check -d
	is "$title: all is what it was" "$(content | diff "$tmp/content-$kind" -)" ""
	[ $kind = directory ] || ok "$title: CernVM-FS agrees" cvmfs_server check $n
}

fault_number=0
for kind in directory cvmfs; do
	if [ $kind = directory ]; then
		every=$(amount 2 1 4)
		repo=$D R=$D good=$tmp/directory.good
		publish_all "$repo"
		cp -a "$D" "$good"
	else
		every=$(amount 5 1 10)
		repo=$n R=$tmp/sys/cvmfs/$n
		cvmfs_server mkfs $n
		publish_all "$repo"
		rm -f "$spool/log"
		cp -a "$tmp/sys" "$tmp/sys.good"
	fi
	content >"$tmp/content-$kind"
	ok "$kind: a sound repository" check
	is "$kind: ... is quiet" "$(cat "$out")" ""
	ok "$kind: ... also with the contents of files" check -d -j 1
	is "$kind: ... is quiet" "$(cat "$out")" ""
	ok "$kind: nothing is to be repaired" check --repair
	is "$kind: ... which is no record" "$(cat "$out")" ""
	one=$(flat one:latest) all=$(flat all:latest)
	lower=$(layer all:latest 0) upper=$(layer all:latest 1) base=$(layer one:latest 0) mask=$(layer one:latest 1)

	# Entries of flat trees and layers
	fault "a missing file" missing "$all/d/nsec" "rm $all/d/nsec" "$all/d"
	fault "a missing directory" missing "$one/doc" "rm -r $one/doc" "$one"
	fault "a truncated file" size ".*/data/numbers" \
		"head -c 9 $mask/layerfs/data/numbers >x; touch -r $mask/layerfs/data/numbers x; mv x $mask/layerfs/data/numbers" \
		"$mask/layerfs/data"
	fault "changed content" content "$one/app/name" \
		"cp -a $one/app/name x; echo two >x; touch -d @1700000000 x; mv x $one/app/name" "$one/app"
	fault "another mode" mode "$one/app/args" "cp -a $one/app/args x; mv x $one/app/args; chmod 700 $one/app/args" "$one/app"
	fault "a lost setuid bit" mode "$one/usr/bin/tool" \
		"cp -a $one/usr/bin/tool x; mv x $one/usr/bin/tool; chmod u-s $one/usr/bin/tool" "$one/usr/bin"
	fault "another owner" owner ".*/d/fifo" "chown 9:9 $all/d/fifo"
	fault "another time" time "$lower/layerfs/d" "touch -d @5 $lower/layerfs/d"
	fault "a directory's mode" mode "$one/etc" "chmod 700 $one/etc"
	fault "another type" type "$one/etc/passwd" "rm $one/etc/passwd; mkdir $one/etc/passwd" "$one/etc"
	fault "a file for a directory" type "$one/doc" "rm -r $one/doc; echo >$one/doc" "$one"
	fault "another target" link "$all/d/link" "ln -sfn elsewhere $all/d/link; touch -hd @1700000000 $all/d/link" "$all/d"
	fault "a lost device" missing "$all/d/device" "rm $all/d/device" "$all/d"
	fault "another device" device "$all/d/device" \
		"rm $all/d/device; mknod -m 600 $all/d/device c 5 7; touch -d @1700000000 $all/d/device" "$all/d"
	fault "an extra file" extra "$one/extra" "echo >$one/extra" "$one"
	fault "an extra directory" extra "$one/etc/e" "mkdir -p $one/etc/e/f; echo >$one/etc/e/f/g" "$one/etc"
	fault "an odd name" missing "$all/d/with\\\\040blank\\\\011tab" "rm $all/d/with*" "$all/d"
	fault "a lost whiteout" whiteout "$mask/layerfs/doc/gone" "rm $mask/layerfs/doc/gone" "$mask/layerfs/doc"
	fault "a whiteout of AUFS" whiteout "$upper/layerfs/d/(.wh.)?empty" \
		"rm $upper/layerfs/d/empty; echo >$upper/layerfs/d/.wh.empty" "$upper/layerfs/d"
	if [ $kind = directory ]; then
		# CernVM-FS publishes no file of this name
		fault "an opaque directory of AUFS" whiteout "$upper/layerfs/lower/.wh..wh..opq" \
			"echo >$upper/layerfs/lower/.wh..wh..opq; touch -r $good/$upper/layerfs/lower $upper/layerfs/lower"
		fault "a lost attribute" xattr ".*/d/xattr" "setfattr -x user.key $all/d/xattr"
		fault "another attribute" xattr ".*/d/xattr" "setfattr -n user.more -v x $all/d/xattr"
		fault "a broken hard link" hardlink "$one/doc/(kept|linked)" "cp -a $one/doc/kept x; mv x $one/doc/kept" "$one/doc"
		fault "a fraction of a second" time "$all/d/nsec" "cp -a $all/d/nsec x; mv x $all/d/nsec
			touch -d @1700000000.25 $all/d/nsec" "$all/d"
		fault "content that a layer shares" content '.*/app/name' \
			"printf 'two\n' >$one/app/name; touch -d @1700000000 $one/app/name"
	fi

	if [ $kind = cvmfs ] && setfattr -n user.probe -v 1 "$tmp/content-cvmfs" 2>/dev/null; then
		restore # what becomes of a hard link to a file in chunks
		(cd "$(readlink -f "$R")" && setfattr -x user.chunks "$one/data/numbers")
		fails "a file whose chunks are not there" check
		is "... is found without reading it" "$(cut -f1,3 "$out" | grep "$one" | tr '\t' ' ')" "unreadable $one/data/numbers"
		ok "... is repaired" repair
		ok "... and can be read" check -d
	fi

	if [ $kind = directory ]; then
		restore
		echo '[' >"$R/podmanStore/overlay-images/images.json"
		umoci tag --image "$L:one" three
		ducc-fetch -q -s "$S" "oci:$L:three" | ducc-unpack -q -s "$S" >"$tmp/three"
		for tool in 'ducc-publish' 'ducc-gc --remove'; do
			fails "Podman's list is damaged: $tool" sh -c "$tool -q -s '$S' -r '$R' <'$tmp/three'"
			like "... names the remedy" "$(cat "$out")" "lists cannot be read \\(try ducc-check --repair\\): podmanStore: images.json"
			head -n 1 "$tmp/published" >"$tmp/three"
		done
	fi

	if [ $kind = cvmfs ]; then # only root can read it
		restore
		chmod 755 "$tmp"
		chmod 0 "$(readlink -f "$R")/podmanStore/ducc-links"
		fails "the number of short names, to other users" \
			setpriv --reuid 65534 --regid 65534 --clear-groups "$bin/ducc-check" -r "$n"
		is "... is unreadable" "$(cut -f1,3 "$out" | grep ducc-links | tr '\t' ' ')" "unreadable podmanStore/ducc-links"
	fi

	if [ $kind = cvmfs ]; then # an ingest leaves them; in a transaction, they remove what they are named after
		restore
		mkdir -p "$tmp/aufs/$upper/layerfs/d" "$tmp/aufs/$upper/layerfs/lower" "$tmp/aufs/$lower/layerfs/d"
		for i in "$upper/layerfs/d/.wh.empty" "$upper/layerfs/lower/.wh..wh..opq" "$lower/layerfs/d/.wh.setuid" \
			"$lower/layerfs/d/.wh.a:b"; do
			echo >"$tmp/aufs/$i"
		done
		(cd "$tmp/aufs" && find . -type f -printf '%P\n' | tar -cf - -T -) |
			cvmfs_server ingest -k -d "$upper/layerfs/d/empty" -t - -b / $n 2>"$out"
		fails "the whiteouts that the original ducc publishes" check -d
		is "... are found" "$(cut -f1,3 "$out" | sort | tr '\t' ' ')" "whiteout $lower/layerfs/d/.wh.a:b
whiteout $lower/layerfs/d/.wh.setuid
whiteout $upper/layerfs/d/.wh.empty
whiteout $upper/layerfs/d/empty
whiteout $upper/layerfs/lower/.wh..wh..opq"
		ok "... are replaced" repair
		ok "... completely" check -d
		is "... as if they had never been there" "$(content | diff "$tmp/content-$kind" -)" ""
		ok "... and CernVM-FS agrees" cvmfs_server check $n
	fi

	# Trees and listings that agree, but layers that contradict a flat tree
	listings=.metadata/$all.mtree
	[ $kind = directory ] || listings="$listings .metadata/localhost/all:latest/rootfs.mtree"
	fault "an entry that a flat tree lacks" stack "$all/d/nsec" "rm $all/d/nsec; relist '\\,^[.]/d/nsec ,d' $listings" "$all/d"
	fault "an entry that it has too many" stack "$all/lower/z" \
		"ln $all/lower/c $all/lower/z; relist '\\,^[.]/lower/c ,{p; s,^[.]/lower/c,./lower/z,}' $listings" "$all/lower"
	fault "another mode in both" stack "$all/lower" \
		"chmod 700 $all/lower; relist '\\,^[.]/lower ,s/mode=[0-7]*/mode=0700/' $listings"
	fault "a whiteout that a layer lacks" stack "$all/d/empty" \
		"rm $upper/layerfs/d/empty; relist '\\,^[.]/d/empty ,d' $upper/.metadata/layer.mtree" "$upper/layerfs/d"
	fault "one of an opaque directory" stack "$upper/layerfs/lower/b" \
		"rm $upper/layerfs/lower/b; relist '\\,^[.]/lower/b ,d' $upper/.metadata/layer.mtree" "$upper/layerfs/lower"
	fault "a file that is lost for a hard link in a layer above" stack "$upper/.metadata/layer.mtree" \
		"rm $lower/layerfs/d/setuid; relist '\\,^[.]/d/setuid ,d' $lower/.metadata/layer.mtree" "$lower/layerfs/d"
	fault "a hard link that is a file of its own" stack "$all/d/(content|hard)" \
		"cp -a $lower/layerfs/d/hard x; mv x $lower/layerfs/d/hard
		relist '\\,^[.]/d/hard ,s,/d/content,/d/hard,' $lower/.metadata/layer.mtree" "$lower/layerfs/d"

	[ $kind = cvmfs ] || # which publishes no such device
		fault "one that hides what it should not" stack "$all/d/nsec" \
			"mknod -m 0 $upper/layerfs/d/nsec c 0 0
			relist '\\,^[.]/d/empty ,{p; s,empty,nsec,; s/\$/ tags=implied/}' $upper/.metadata/layer.mtree" "$upper/layerfs/d"
	[ $kind = cvmfs ] ||
		fault "a whiteout that hides what it should not, in a layer without a listing" unlisted "$upper" \
			"mknod -m 0 $upper/layerfs/d/nsec c 0 0; rm $upper/.metadata/layer.mtree" "$upper/layerfs/d"

	# Trees, and what says what is in them
	fault "a missing flat tree" missing "$one" "rm -r $one"
	fault "a missing layer" missing "$base" "rm -r $base"
	fault "the files of a layer" missing "$base/layerfs" "rm -r $base/layerfs"
	fault "a layer without listing, as if half published" unlisted "$base" "rm $base/.metadata/layer.mtree"
	fault "a flat tree without listing" unlisted "$one" "rm .metadata/$one.mtree"
	fault "a damaged listing" damaged "$base/.metadata/layer.mtree" "echo x >>$base/.metadata/layer.mtree"
	fault "a listing of an earlier version, without digest, that was cut at a line" extra "$base/layerfs/.*" \
		"sed -i '/^# sha256=/d; \$d' $base/.metadata/layer.mtree"
	fault "a lost description of a layer" missing "$base/.metadata/layers.json" "rm $base/.metadata/layers.json"
	fault "another description" damaged "$base/.metadata/layers.json" \
		"jq '.size += 1' $base/.metadata/layers.json >x; mv x $base/.metadata/layers.json"

	# Names and documents
	meta=.metadata/localhost/one:latest
	fault "a name that leads nowhere" link localhost/one:latest "ln -sfn ../.flat/00/00 localhost/one:latest"
	fault "a name that leads to another image" link localhost/one:latest "ln -sfn ../$all localhost/one:latest"
	fault "a missing name" missing localhost/one:latest "rm localhost/one:latest"
	fault "a missing manifest" missing $meta/manifest.json "rm $meta/manifest.json"
	fault "a changed manifest" content $meta/manifest.json \
		"jq . $meta/manifest.json >x; mv x $meta/manifest.json"
	fault "a damaged manifest" damaged $meta/manifest.json "echo '{' >$meta/manifest.json"
	fault "a missing config" missing $meta/config.json "rm $meta/config.json"
	fault "a changed config" damaged $meta/config.json "jq . $meta/config.json >x; mv x $meta/config.json"
	fault "a config of another platform" damaged $meta/config.json \
		"sed 's/amd64/arm64/' $meta/config.json >x; mv x $meta/config.json"
	fault "a missing listing" missing $meta/rootfs.mtree "rm $meta/rootfs.mtree"
	fault "another listing" content $meta/rootfs.mtree "echo >x; mv x $meta/rootfs.mtree"

	# Something else in their place
	fault "a directory for a manifest" damaged $meta/manifest.json "rm $meta/manifest.json; mkdir -p $meta/manifest.json/x"
	fault "a directory for a config" damaged $meta/config.json "rm $meta/config.json; mkdir $meta/config.json"
	fault "a link for a listing" content $meta/rootfs.mtree "ln -sfn nowhere $meta/rootfs.mtree"
	fault "a file for an image's documents" missing "$meta/.*" "rm -r $meta; echo >$meta"
	fault "a directory for a public name" link localhost/one:latest "rm localhost/one:latest; mkdir -p localhost/one:latest/x/y"
	fault "a file for a public name" link localhost/one:latest "rm localhost/one:latest; echo >localhost/one:latest"
	fault "a file for a flat tree" type "$one" "rm -r $one; echo >$one"
	fault "a link for a flat tree" type "$one" "rm -r $one; ln -s nowhere $one"
	fault "a file for all flat trees" missing "${one%/*}/.*" "rm -r ${one%/*}; echo >${one%/*}"
	fault "a file for a layer" unlisted "$base" "rm -r $base; echo >$base"
	fault "a file for the files of a layer" type "$base/layerfs" "rm -r $base/layerfs; echo >$base/layerfs"
	fault "a directory for the listing of a layer" type "$base/.metadata/layer.mtree" \
		"rm $base/.metadata/layer.mtree; mkdir $base/.metadata/layer.mtree"
	fault "a directory for the description of a layer" damaged "$base/.metadata/layers.json" \
		"rm $base/.metadata/layers.json; mkdir $base/.metadata/layers.json"
	fault "a link for the listing of a flat tree" type ".metadata/$one.mtree" "ln -sfn nowhere .metadata/$one.mtree"
	schedule=.metadata/remove-schedule.json
	fault "a directory for the schedule" schedule $schedule "mkdir -p $schedule/x"
	fault "a link for the schedule" schedule $schedule "ln -s nowhere $schedule"
	fault "a damaged schedule" schedule $schedule "echo x >$schedule"

	# Other modes and owners of what is no part of an image
	fault "another mode of a manifest" mode $meta/manifest.json "chmod 600 $meta/manifest.json"
	fault "another owner of a config" owner $meta/config.json "chown 9 $meta/config.json"
	fault "another mode of an image's listing" mode "$meta/rootfs.mtree|.metadata/$one.mtree" \
		"cp $meta/rootfs.mtree x; mv x $meta/rootfs.mtree; chmod 666 $meta/rootfs.mtree"
	fault "another mode of a flat tree's listing" mode ".metadata/$one.mtree|$meta/rootfs.mtree" "chmod 0 .metadata/$one.mtree"
	fault "another owner of a layer's listing" owner "$base/.metadata/layer.mtree" "chown 9 $base/.metadata/layer.mtree"
	fault "another mode of a layer's description" mode "$base/.metadata/layers.json" "chmod 4644 $base/.metadata/layers.json"
	fault "another mode of the schedule" mode $schedule \
		"echo '{\"version\":1,\"remove\":[]}' >$schedule; chmod 666 $schedule"
	fault "another owner of the schedule" owner $schedule \
		"echo '{\"version\":1,\"remove\":[]}' >$schedule; chown 9 $schedule"
	fault "another mode of Podman's list" mode podmanStore/overlay-images/images.json \
		"chmod 600 podmanStore/overlay-images/images.json"
	fault "another owner of Podman's locks" owner "podmanStore/.*/(images|layers)[.]lock" \
		"chown 9 podmanStore/*/images.lock podmanStore/*/layers.lock"
	fault "another mode of what Podman stores with a layer" mode "podmanStore/overlay/.*/(link|lower)" \
		"chmod 755 podmanStore/overlay/*/link podmanStore/overlay/*/lower"
	fault "another mode of what it stores with an image" mode "podmanStore/overlay-images/.*/=.*" \
		"chmod 600 podmanStore/overlay-images/*/=*"

	# Podman's store
	p=podmanStore
	fault "a directory for Podman's list" list $p/overlay-images/images.json \
		"rm $p/overlay-images/images.json; mkdir $p/overlay-images/images.json"
	fault "a directory for Podman's link" "link" "$p/overlay/.*/diff" \
		"for i in $p/overlay/*/diff; do rm \$i; mkdir \$i; done"
	fault "Podman's list lacks an image" list $p/overlay-images/images.json \
		"jq 'map(select(.names[0] != \"localhost/one:latest\"))' $p/overlay-images/images.json >x
		mv x $p/overlay-images/images.json"
	fault "Podman's list lacks a name" list $p/overlay-images/images.json \
		"jq 'map(del(.names))' $p/overlay-images/images.json >x; mv x $p/overlay-images/images.json"
	fault "Podman's list lacks a layer" list $p/overlay-layers/layers.json \
		"jq 'del(.[0])' $p/overlay-layers/layers.json >x; mv x $p/overlay-layers/layers.json"
	fault "Podman's list is damaged" list $p/overlay-images/images.json "echo '[' >$p/overlay-images/images.json"
	fault "Podman lacks the short names" missing "$p/overlay/l/.*" "rm $p/overlay/l/*"
	fault "Podman lacks the way to them" missing .l "rm .l"
	[ $kind = directory ] || {
		fault "Podman lacks the number of them" missing $p/ducc-links "rm $p/ducc-links"
		fault "it is damaged" content $p/ducc-links "echo many >$p/ducc-links"
		fault "it has another mode" mode $p/ducc-links "chmod 600 $p/ducc-links"
	}
	fault "Podman lacks what is below a layer" missing "$p/overlay/.*/lower" "rm $p/overlay/*/lower"
	fault "Podman's layers are others" link "$p/overlay/.*/diff" "for i in $p/overlay/*/diff; do ln -sfn nowhere \$i; done"
	fault "Podman lacks a manifest" missing "$p/overlay-images/.*/manifest" "rm $p/overlay-images/*/manifest"
done

# Several at once
repo=$D R=$D kind=directory good=$tmp/directory.good
restore
chmod 700 "$D/$base/layerfs/etc"
rm "$D/$one/app/name" "$D/localhost/two:latest"
touch -d @1700000000 "$D/$one/app"
fails "several faults" check
is "... have a line each" "$(cut -f1,3 "$out" | sort | tr '\t' ' ')" "missing $one/app/name
missing localhost/two:latest
mode $base/layerfs/etc"
is "... with the layer or image" "$(cut -f2 "$out" | sort | tr '\n' ' ')" \
	"localhost/one:latest localhost/two:latest sha256:${base##*/} "
is "... with what there should be, and what there is" "$(grep mode "$out" | cut -f4,5)" "0755	0700"
fails "one image is checked" check localhost/two:latest
is "... with its layers" "$(cut -f1,3 "$out" | sort | tr '\t' ' ')" "missing localhost/two:latest
mode $base/layerfs/etc"
ok "another one" check localhost/all:latest
fails "a pattern that is none" check 'localhost/t*:*'
like "... is an error" "$(cat "$out")" 'not a repository'
fails "those whose tags match" check 'localhost/two:l*'
is "... are these" "$(grep -c . "$out")" 2
fails "an image that is not there" check localhost/three:latest
like "... is an error" "$(cat "$out")" 'localhost/three:latest: not in repository'
fails "a dry run of what is to be published again" check --repair
like "... names the trees" "$(grep '^http.*one:latest' "$out")" "repair=${base##*/},${one##*/}\$"
like "... or the names alone" "$(grep '^http.*two:latest' "$out")" "repair=${base##*/}\$"
ok "the repair of one image" repair localhost/two:latest
fails "... leaves the other" check
is "... with its own fault" "$(cut -f1,3 "$out" | tr '\t' ' ')" "missing $one/app/name"
ok "... and the repair of all" repair
ok "... nothing" check -d

# What other images need of a layer stays when it is published again for one of them.
image top <<-END
	layer
	dir ./ $t
	dir o/ $t
	file o/one data=1 $t
	layer
	file o/.wh..wh..opq $t
	file o/new data=new $t
END
image top2 <<-END
	layer
	dir ./ $t
	dir o/ $t
	file o/two data=2 $t
	layer
	file o/.wh..wh..opq $t
	file o/new data=new $t
END
for i in top top2; do
	ducc-fetch -q -s "$S" "oci:$C:$i" | ducc-unpack -q -s "$S" | ducc-publish -q -s "$S" -r "$D" >>"$tmp/published"
done
good=$D
upper=$(layer top2:latest 1)
is "a layer on two others hides the files of both" "$(cd "$D/$upper/layerfs/o" && echo *)" "new one two"
rm -rf "$S/layers" "$S/images"
chmod 700 "$D/$upper/layerfs/o/new"
check -q --repair localhost/top:latest >"$tmp/records" || :
ok "it is repaired for one of them" repair localhost/top:latest
is "... and still hides both" "$(cd "$D/$upper/layerfs/o" && echo *)" "new one two"
ok "the rest is repaired" repair
ok "... completely" check -d

# What publishing does not repair: remains, and the schedule.
good=$tmp/directory.good
restore
mkdir -p "$D/.layers/00/$(printf '%064d' 0)/layerfs" "$D/.flat/00/$(printf '%064d' 0)" "$D/.layers/stray" \
	"$D/.metadata/localhost/gone:1" "$D/podmanStore/overlay/$(printf '%064d' 0)" "$D/.metadata/.flat/11" "$D/.flat/11/x"
echo >"$D/.metadata/.flat/11/11$(printf '%062d' 0).mtree"
ln -s ../nowhere/diff "$D/podmanStore/overlay/l/AAAA"
rmdir "$D/.layers/stray"
fails "what no image needs" check
is "... is reported" "$(cut -f1,3 "$out" | sort | tr '\t' ' ')" "orphan .flat/00/$(printf '%064d' 0)
orphan .flat/11/x
orphan .layers/00/$(printf '%064d' 0)
orphan .metadata/.flat/11/11$(printf '%062d' 0).mtree
orphan .metadata/localhost/gone:1
orphan podmanStore/overlay/$(printf '%064d' 0)
orphan podmanStore/overlay/l/AAAA"
fails "... but needs no image again" check -q --repair
is "... so there is no record" "$(cat "$out")" ""
restore
rm "$D/localhost/two:latest"
rm -r "$D/.metadata/localhost/two:latest"
check >"$out" || :
is "complete trees without an image are left to ducc-gc" "$(cut -f1,3 "$out" | grep -v podman)" ""
for nonsense in 'x' '{"version": 7}' \
	'{"version": 1, "remove": [{"path": "localhost/none:1", "since": "2020-01-01T00:00:00Z"}]}' \
	'{"version": 1, "remove": [{"path": "localhost/one:latest", "since": "2920-01-01T00:00:00Z"}]}' \
	'{"version": 1, "remove": [{"path": "podmanStore", "since": "2020-01-01T00:00:00Z"}]}'; do
	restore
	echo "$nonsense" >"$D/.metadata/remove-schedule.json"
	fails "a schedule with nonsense" check
	is "... is reported, and nothing else" "$(cut -f1 "$out")" schedule
	[ "${nonsense#*podmanStore}" = "$nonsense" ] || continue
	ok "... ducc-gc mends it" ducc-gc -q -a -s "$S" -r "$D"
	ok "... completely" check
done
restore
rm "$D/localhost/two:latest"
ducc-gc --keep -q -f -s "$S" -r "$D" localhost/one:latest
check >"$out" || :
is "an image that has lost its public name may be on the schedule" "$(cut -f1,3 "$out")" "missing	localhost/two:latest"

# Podman's lists are damaged, and no image is published that could be published again.
all_but() { # IMAGE: remove all other images
	ducc-gc --keep -f -g 0 -s "$S" -r "$D" "$1"
}
ducc-fetch -q -s "$S" "oci:$L:one" | ducc-unpack -q -s "$S" >"$tmp/record"
for list in images layers; do
	rm -rf "$D"
	mkdir "$D"
	ducc-publish -q -s "$S" -r "$D" <"$tmp/record" >"$out"
	echo '[' >"$D/podmanStore/overlay-$list/$list.json"
	ok "Podman's $list.json is damaged, and the last image is removed" all_but localhost/none:1
	like "... with a warning" "$(cat "$out")" "warning: podmanStore: $list.json: .*; it is written anew"
	ok "... the next run removes its remains" all_but localhost/none:1
	ok "... nothing is wrong then" check -d
	is "... both lists are empty" "$(jq -c . "$D"/podmanStore/*/*s.json)" "[]
[]"
	echo '[' >"$D/podmanStore/overlay-$list/$list.json"
	fails "it is damaged when nothing is published" check --repair
	is "... which is found, without a record" "$(cut -f1-3 "$out" | tr '\t' ' ')" \
		"ducc-check: list - podmanStore/overlay-images/images.json"
	ok "... an image is published" ducc-publish -s "$S" -r "$D" <"$tmp/record"
	like "... with a warning" "$(cat "$out")" "warning: podmanStore: $list.json: .*; it is written anew"
	ok "... and nothing is wrong" check -d
done
restore

# Listings and configs are lost, and there are whiteouts of AUFS.
restore
rm -r "$D/podmanStore" "$D/.metadata/.flat" "$D"/.metadata/localhost/*/rootfs.mtree "$D"/.metadata/localhost/*/config.json \
	"$D"/.layers/*/*/.metadata "$D/$base/layerfs" "$D/localhost/two:latest"
rm "$D/$mask/layerfs/doc/gone"
echo >"$D/$mask/layerfs/doc/.wh.gone"
chmod u-s "$D/$one/usr/bin/tool"
fails "a repository without listings" check
is "... lacks documents, too" "$(cut -f1 "$out" | sort -u | tr '\n' ' ')" "missing unlisted "
is "... each layer and tree once" "$(grep ^unlisted "$out" | cut -f3 | sort)" "$(cd "$D" && ls -d .layers/*/* .flat/*/* | sort)"
fails "its images are to be published again" check --repair
is "... as they are now" "$(grep -c '^http://localhost/[a-z]*:latest	' "$out")" 3
ok "publishing them" publish_all "$D"
ok "... replaces everything" check -d
is "... as if it had been so from the beginning" "$(content | diff "$tmp/content-directory" -)" ""

# Publishing by itself
restore
rm -r "$S/layers" "$S/images"
rm -r "${D:?}/$one" "${D:?}/$base"
ducc-fetch -q -s "$S" -r "$D" "oci:$L:one" | ducc-unpack -q -s "$S" -r "$D" >"$tmp/one"
ok "a publish notices missing trees" ducc-publish -s "$S" -r "$D" <"$tmp/one"
like "... and says so" "$(cat "$out")" state=restored
ok "... which are there again" check -d
fails "a publish by force needs the layers in the store" ducc-publish -f -s "$S" -r "$D" <"$tmp/one"
like "... and says so" "$(cat "$out")" 'layer sha256:[0-9a-f]*: .*run ducc-unpack first'
sed "s/\$/$(printf '\t')repair=all/" "$tmp/one" | ducc-fetch -q -s "$S" -r "$D" | ducc-unpack -q -s "$S" -r "$D" |
	ducc-publish -s "$S" -r "$D" >"$tmp/again"
like "all of an image is published again" "$(cat "$tmp/again")" state=restored
ok "... and is sound" check -d
ok "a publish by force" ducc-publish -f -s "$S" -r "$D" <"$tmp/one"
like "... changes everything" "$(cat "$out")" state=restored
ok "... and nothing" check -d
is "... for readers" "$(content | diff "$tmp/content-directory" -)" ""

# Directories that other users cannot search, as an earlier version made them with a umask for private files
kind=directory repo=$D R=$D
restore
one=$(flat one:latest) base=$(layer one:latest 0)
set -- "${one%/*}" .flat .layers .metadata .metadata/localhost "$base" "$base/.metadata" localhost podmanStore/overlay-images
(cd "$D" && chmod 700 "$@")
mkdir -m 700 "$D/podmanStore/volumes" # which Podman itself makes
fails "directories that are closed to others" check
is "... are found, each once" "$(cut -f 1,3,4,5 "$out" | sort)" "$(printf 'mode\t%s\t0755\t0700\n' "$@" | sort)"
ok "... are repaired" repair
like "... which the record says" "$(cat "$tmp/repaired")" 'repair=names.*state=restored'
ok "... so that nothing is left" check
is "... for anybody" "$(cd "$D" && find "$@" -maxdepth 0 ! -perm 755)" ""
is "... except what is Podman's" "$(stat -c %a "$D/podmanStore/volumes")" 700
rmdir "$D/podmanStore/volumes"
chmod 700 "$D/localhost"
fails "one above a name" check localhost/two:latest
is "... concerns its images only" "$(cut -f 1-3 "$out")" "mode	-	localhost"
restore

# Killed while it publishes again: at every moment readers have a whole tree, the old or the new one.
quiet() {
	check -d
}
finish() {
	again && check -d && [ ! -e "$D/.transaction" ] && content | diff "$tmp/content-$kind" -
}
again() {
	ducc-publish -q -f -s "$S" -r "$repo" <"$tmp/one"
}
for kind in directory cvmfs; do
	[ $kind = directory ] || repo=$n R=$tmp/sys/cvmfs/$n
	restore
	seconds=$(duration ducc-publish -q -f -s "$S" -r "$repo" "$(cut -f1 "$tmp/one")")
	wrecks "$seconds" "$kills" restore quiet finish ducc-publish -q -f -s "$S" -r "$repo" "$(cut -f1 "$tmp/one")"
	is "$kind: killed $killed times while it publishes again, there is no moment without a tree" "$(cat "$wrong")" ""
done

fails "no repository" ducc-check -s "$S"
fails "one that does not exist" ducc-check -s "$S" -r "$tmp/nowhere/repo"
like "... is named" "$(cat "$out")" 'nowhere/repo does not exist'

done_testing
