#!/bin/sh
# The second road into CernVM-FS, over the stand-in, when something fails: cvmfs_server, an image of several, ducc-publish, or
# all of them; and when others change the repository on the way.
# shellcheck source-path=SCRIPTDIR source=road.sh

# shellcheck source=inside.sh
. "${0%/*}/inside.sh"
. "${0%/*}/road.sh"

ready edges:1 edges:2 edges:3 >"$tmp/edges"

# What fails

ready edges:1 >"$tmp/records"
start_with little:1
existing >"$tmp/existing"
for strike in 'transaction 1 transaction' 'transaction 2 transaction' 'publish 1 publish' 'publish 2 publish' 'ingest 1 after-read' \
	'ingest 1 full'; do
	# shellcheck disable=SC2086 # words
	set -- $strike
	status=0
	strike_at "$1" "$2" "$3" "$tmp/records" >"$tmp/out" 2>&1 || status=$?
	is "a failure ($strike)" $status 1
	like "... is reported" "$(cat "$tmp/out")" "^ducc-publish: http://localhost/edges:1@.*: repository $n: (layer sha256:[0-9a-f]*: )?cvmfs_server( ingest)?: "
	is "... nothing of it is left" "$(existing)" "$(cat "$tmp/existing")"
	ok "... the repository is sound" sound_repository
done
publish_into_directory "$tmp/records"
ok "... the next run succeeds" publish "$tmp/records"
ok "... all is as it should be" agree

# If the marker cannot be written that an open transaction is ducc's, it is not left open.
start_with little:1
ready app:1 >"$tmp/records"
publish_into_directory "$tmp/records"
mkdir "$spool/ducc.opened"
ok "a publish that cannot mark its transactions" publish "$tmp/records" -w 1
rmdir "$spool/ducc.opened"
is "... takes those that it should" "$(log)" "$two"
ok "... all is as it should be" agree

# What cannot be looked at is not what it seems to be: each of the attributes that are read or set, one at a time, and the first
# of the files and of the space that are looked at.
faulty() { # FAULT
	rm -r "${tmp:?}/sys"
	cp -a "$tmp/before" "$tmp/sys"
	FAULT=$1 FAULT_COUNTS=$tmp/counts LD_PRELOAD=$bin/t/preload-faults.so ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS \
		ducc-publish -q -s "$S" -r $n <"$tmp/records" >"$tmp/struck" 2>&1
}
start_with app:1
existing >"$tmp/existing"
cp -a "$tmp/sys" "$tmp/before"
{ base_layer; echo 'file owned size=150000 data=owned. mode=4755 uid=7'; } | image app:owned
ready app:owned >"$tmp/records"
publish_into_directory "$tmp/records"
ok "a rebuild" faulty 'none 0 0 0'
calls=$(awk '$1 == "attributes" { print $2 }' "$tmp/counts") wrong=
{
	seq -f 'attributes %g 1' 1 "$(amount 3 1 7)" "$calls" # EPERM
	seq -f 'stat %g 5' 1 12                               # EIO; later, there are as many as it takes to wait
} >"$tmp/faults"
while read -r fault; do
	status=0
	faulty "$fault 1" </dev/null || status=$?
	case $status in
	0) agree ;;
	1) sound_repository && [ "$(existing)" = "$(cat "$tmp/existing")" ] ;;
	*) false ;;
	esac >"$out" 2>&1 || wrong="$wrong $fault, status $status: $(cat "$tmp/struck" "$out")"
done <"$tmp/faults"
rm -r "$tmp/before"
is "an attribute ($calls of them), file or space that cannot be read or set: all is right, or nothing is there" "$wrong" ""

# -C: what was published whole is split, also while new images come to use it.
for base in 1 2; do
	image split:$base <<-END
		layer
		dir ./
		file big size=300000 data=abcdefghijklm mode=4755 uid=3 mtime=1000000000
		hard big2 to=big
		file small size=3000 data=s
		layer
		file f data=$base
	END
	want split:$base
done
new_repository
ready split:1 >"$tmp/records"
publish_into_directory "$tmp/records"
ok "published whole" publish "$tmp/records" -c off
ready split:2 >>"$tmp/records"
publish_into_directory "$tmp/records"
forget_log
ok "-C, with another image on that layer" publish "$tmp/records" -C
ok "... large files are chunked" agree
ok "... and what they were" is_as_unpacked split:1 split:2
forget_log
ok "again" publish "$tmp/records" -C
is "... there is nothing to do" "$(log)" ''

# Hard links into a layer below, whose content may be staged, or known
hard_link() { # IMAGE FILE-SIZE
	image "$1" <<-END
		layer
		dir ./
		file f size=$2 data=abcdefghijklm mode=755
		file other size=3000 data=s
		layer
		hard link.$2 to=f
		hard other2 to=other
	END
	want "$1"
	new_repository
	ready "$1" >"$tmp/records"
	publish_into_directory "$tmp/records"
	ok "a hard link into a layer below ($2 bytes)" publish "$tmp/records"
	ok "... is that file" is_as_unpacked "$1"
	ok "... in its layer, too" agree
}
hard_link lower:1 3000
hard_link lower:2 300000

# One whose name only an ingest can publish: it gets the content of a staged file from the tar.
image lower:3 <<-'END'
	layer
	dir ./
	file f size=300000 data=abcdefghijklm mode=4755 uid=3 mtime=1000000000
	file x size=300000 data=nopqrstuvwxyz
	layer
	hard .cvmfsgraft-other to=x
END
want lower:3
new_repository
ready lower:3 >"$tmp/records"
publish_into_directory "$tmp/records"
ok "a hard link to a large file, with the name of a marker" publish "$tmp/records"
is "... is not staged" "$(written | grep -c cvmfsgraft)" 0
ok "... has the content" is_as_unpacked lower:3
whole=/.cvmfsgraft-other
ok "... all is as it should be" agree
whole=

# What is published of a layer is not judged again when it gets more whiteouts.
over() { # NAME FILE SPEC: an image with the file in a directory, which the second layer hides, and has another entry
	image "$1" <<-END
		layer
		dir ./
		dir d
		file d/$2
		layer
		dir d
		file d/.wh..wh..opq
		$3
	END
}
for base in 1 2; do over judged:$base $base 'sym d/expanded to=$(x)'; done
new_repository
ready judged:1 >"$tmp/records"
ok "a layer with a symbolic link that clients expand" publish "$tmp/records"
like "... which is said" "$(cat "$out")" 'warning: .*/d/expanded: symbolic link to \$\(x\): clients of CernVM-FS expand'
ready judged:2 >"$tmp/records"
ok "... which needs another whiteout for another image" publish "$tmp/records"
is "... is not said again of the layer" "$(grep -c 'layers/.*expanded: symbolic link' "$out")" 0
layer_of judged:1 2
is "... has both" "$(cd "$R/$layer/layerfs/d" && find . -type c | sort | tr '\n' ' ')" './1 ./2 '

# A published layer that would get a whiteout of a name that CernVM-FS takes for something else
for base in x .cvmfscatalog z; do over "marked:${base#.}" $base 'file d/y data=y'; done
new_repository
ready marked:x >"$tmp/records"
ok "a layer" publish "$tmp/records"
ready marked:cvmfscatalog >"$tmp/records"
fails "... which needs a whiteout of a catalog's marker for another image" publish "$tmp/records"
like "... is an error that names it" "$(cat "$out")" '^ducc-publish: .*layer sha256:[0-9a-f]*: d/\.cvmfscatalog: CernVM-FS requires this to be a regular file$'
is "... before anything is done" "$(log)" ''
ready marked:z >"$tmp/records"
ok "... which does not keep the layer from a whiteout that a third image needs" publish "$tmp/records"
layer_of marked:z 2
is "... it gets that, and no other" "$(cd "$R/$layer/layerfs/d" && find . -type c | sort | tr '\n' ' ')" './x ./z '
is "... as its listing says" "$(grep -c cvmfscatalog "$R/$layer/.metadata/layer.mtree")" 0

# A published layer that gets more whiteouts is still a published one.
for base in 1 2; do
	image more:$base <<-END
		layer
		dir ./
		dir d
		file d/$base data=x
		layer
		dir d
		file d/.wh..wh..opq
		file d/big size=300000 data=abcdefghijklm mode=755
	END
	want more:$base
done
new_repository
for base in 1 2; do
	ready more:$base >"$tmp/records"
	publish_into_directory "$tmp/records"
	ok "a layer on base $base" publish "$tmp/records"
done
ok "... large files are chunked in both flat trees" is_as_unpacked more:1 more:2
ok "... all is as it should be" agree

# Killed while the ingest reads: the next run, of another image, removes what was staged.
start_with little:1
existing >"$tmp/existing"
publish_paused "$tmp/records"
kill_publish
ok "killed during the ingest: there are staged trees" test -e "$spool/ducc.staged"
ready app:1 >"$tmp/next"
publish_into_directory "$tmp/next"
ok "... the next run succeeds" publish "$tmp/next"
like "... and removes them" "$(cat "$out")" "warning: .*removed 2 incomplete trees"
ok "... of which nothing is noted" test ! -e "$spool/ducc.staged"
ok "... all is as it should be" agree

# The same, but then somebody who knows nothing of that, such as the original, publishes one of the layers.
start_with little:1
ready app:1 >"$tmp/records"
publish_paused "$tmp/records"
kill_publish
layer=$(cd "$spool/rdonly/" && echo .layers/*/*/content)
layer=${layer%/content}
ok "killed during the ingest: a layer is staged" test -d "$spool/rdonly/$layer/content"
cvmfs_server abort -f $n
cvmfs_server transaction $n
mkdir "$R/$layer/layerfs"
echo theirs >"$R/$layer/layerfs/theirs"
cvmfs_server publish $n
ready edges:1 >"$tmp/next"
ok "... others publish it, and then we something else" publish "$tmp/next"
is "... their layer is still there, alone" "$(cd "$R/$layer/" && find . -type f)" ./layerfs/theirs
publish_into_directory "$tmp/records"
publish_into_directory "$tmp/next"
ok "... it is replaced, in place and so whole, when that image is published" publish "$tmp/records"
whole=large
ok "... all is as it should be" agree
whole=

# One image of several is damaged.
damage() { # IMAGE: the tar of its first layer, in the content of a large file
	layer=$(jq -r '.layers[0].digest' "$S/blobs/sha256/$(pinned "$(ready "$1")")" | cut -d: -f2)
	d_tar=$(find "$S/layers" -name "*$layer*.tar")
	perl -0777 -ne 'print index $_, shift' "$d_tar" >/dev/null
	perl -0777 -i -pe 's/damaged[.]damaged[.]/damaged,damaged./ or die "nothing to damage\n"' "$d_tar"
}
for size in 60000 300000; do
	{ base_layer; echo "file victim size=$size data=damaged."; } | image victim:$size
	ready edges:3 victim:$size app:1 >"$tmp/batch"
	damage victim:$size
	start_with little:1
	fails "a batch with a damaged file of $size bytes" publish "$tmp/batch"
	is "... which alone is reported" "$(grep -c '^ducc-publish: http' "$out") $(grep -c "^ducc-publish: http://localhost/victim:$size@" "$out")" "1 1"
	ready edges:3 app:1 >"$tmp/others"
	publish_into_directory "$tmp/others"
	ok "... the others are there" agree
done

# Others change the repository between our transactions.

# meanwhile WHAT COMMAND: it runs after the first publish, or the second, when the repository's root is $0.
meanwhile() { # TITLE COMMAND RECORDS NUMBER
	rm -f "$tmp/strike/publish"
	forget_log
	# shellcheck disable=SC2046 # words
	ok "after publish $4: $1" env STRIKE="publish $4" MEANWHILE="$2" PATH="$tmp/strike:$PATH" "$bin/ducc-publish" -s "$S" -r $n -w 60 \
		$(cut -f1 "$3")
}
# shellcheck disable=SC2016 # for the shell that is run then
for number in 1 2; do
	ready bulk:1 app:mode app:same >"$tmp/records"
	start_with app:1
	publish_into_directory "$tmp/records"
	meanwhile 'somebody adds a file' "cvmfs_server transaction $n; echo theirs >\$0/theirs; cvmfs_server publish $n" "$tmp/records" $number
	ok "... all is as it should be" agree
	is "... theirs too" "$(cat "$R/theirs")" theirs

	# What was to be linked or grafted is gone: it was complete when it was found, and can only be sent again.
	layer_of app:1 1
	start_with app:1
	publish_into_directory "$tmp/records"
	meanwhile 'somebody removes a layer' "cvmfs_server ingest -d $layer $n" "$tmp/records" $number
	for image in app:mode app:same; do
		layer_of $image 1
		ok "... $image has its layer" "$top/t/treecmp" -c "$D/$layer/layerfs" "$R/$layer/layerfs"
		ok "... and its flat tree" "$top/t/treecmp" -c -a .cvmfscatalog "$D/localhost/$image/" "$R/localhost/$image/"
	done
	ok "... the repository is sound" sound_repository

	start_with app:1
	publish_into_directory "$tmp/records"
	meanwhile 'somebody removes what is staged' 'cvmfs_server ingest -d "$(cd "$0/" && echo .layers/*/*/content | cut -d" " -f1 | xargs dirname)" '$n \
		"$tmp/records" $number
	ok "... all is as it should be" agree
done

# So is one that they make while the first transaction waits for theirs.
start_with app:1
ready app:mode >"$tmp/records"
publish_into_directory "$tmp/records"
layer_of app:1 1
cvmfs_server transaction $n
rm -r "${R:?}/$layer"
publish "$tmp/records" -w 60 >"$tmp/out" 2>&1 &
pid=$!
waiting() { grep -q 'waiting up to' "$tmp/out"; }
ok "a publish waits for somebody who removes a layer" wait_for waiting
cvmfs_server publish $n
ok "... and succeeds" wait $pid
layer_of app:mode 1
ok "... its layer is complete" "$top/t/treecmp" -c "$D/$layer/layerfs" "$R/$layer/layerfs"
ok "... so is its flat tree" "$top/t/treecmp" -c -a .cvmfscatalog "$D/localhost/app:mode/" "$R/localhost/app:mode/"
ok "... the repository is sound" sound_repository

# Kills

# shellcheck source=kill.sh
. "${0%/*}/kill.sh"
kills=${KILLS:-$(amount 2 80 1)}

base_repository() {
	wait_for rm -rf "$tmp/sys" 2>/dev/null # what was killed may have left somebody at work
	cp -a "$tmp/base" "$tmp/sys"
}
{ base_layer; echo "file victim size=60001 data=intact."; } | image intact:1
ready edges:2 app:mode intact:1 >"$tmp/records"
start_with app:1
cp -a "$tmp/sys" "$tmp/base"
publish_into_directory "$tmp/records"
visible >"$tmp/visible.old"
# shellcheck disable=SC2046 # words
seconds=$(duration ducc-publish -q -s "$S" -r $n $(cut -f1 "$tmp/records"))
visible >"$tmp/visible.new"
ok "an undisturbed run" agree
old_or_new() {
	visible >"$tmp/got"
	cmp -s "$tmp/got" "$tmp/visible.old" || diff "$tmp/visible.new" "$tmp/got"
}
publish_again() {
	ducc-publish -q -s "$S" -r $n -w 60 <"$tmp/records" >"$tmp/published" || return
	agree
}
# shellcheck disable=SC2046 # words
wrecks "$seconds" "$kills" base_repository old_or_new publish_again ducc-publish -q -s "$S" -r $n $(cut -f1 "$tmp/records")
is "ducc-publish: killed, run again, $killed times: all or nothing, and a sound repository" "$(cat "$wrong")" ""
: >"$wrong"
struck=0
for i in $(seq "$kills"); do
	base_repository
	# shellcheck disable=SC2046 # words
	kill_server "$seconds" ducc-publish -s "$S" -r $n -w 2 $(cut -f1 "$tmp/records")
	! grep -q 'killed by signal' "$tmp/struck" || struck=$((struck + 1))
	{ old_or_new && abort_if_told "$tmp/struck" && publish_again; } >"$out" 2>&1 || { echo "try $i, killed at $moment of $seconds s:"; cat "$tmp/struck" "$out"; } >>"$wrong"
done
echo "# $struck of $kills were killed"
is "cvmfs_server: killed, run again, $kills times: a sound repository" "$(cat "$wrong")" ""

# All at once, as when the machine goes down, at each of the moments at which something is half done. At the moments 0 and 2,
# a transaction is being opened: by then nobody can tell whose it is.
wait_times() { # NUMBER: let it go on that often
	for _ in $(seq "$1"); do
		wait_for test -e "$spool/paused" || return
		rm "$spool/paused"
	done
	wait_for test -e "$spool/paused"
}
incomplete() { # trees without their listing
	(cd "$spool/rdonly/" && for i_tree in .layers/*/* .flat/*/*; do
		[ ! -d "$i_tree" ] || [ -e ".metadata/$i_tree.mtree" ] || [ -e "$i_tree/.metadata/layer.mtree" ] || echo "$i_tree"
	done)
}
ready little:1 >"$tmp/else"
for moment in 2 0 4 1 3; do
	my_turn || [ $moment = 2 ] || continue
	base_repository
	CVMFS_STANDIN_PAUSE_TRANSACTION=60 CVMFS_STANDIN_PAUSE_PUBLISH=60 CVMFS_STANDIN_PAUSE=60 ducc-publish -q -s "$S" -r $n \
		<"$tmp/records" >"$tmp/out" 2>&1 &
	pid=$!
	ok "moment $moment of a publish" wait_times $moment
	kill_publish
	rm -f "$spool/paused"
	ok "... at which all is killed: nothing is to be seen" old_or_new
	case $moment in
	0 | 2)
		fails "... the next run does not abort a transaction that may be that of others" publish "$tmp/else" -w 1
		cp "$out" "$tmp/said"
		ok "... which is still open" test -e "$spool/in_transaction.lock"
		ok "... it tells what to do" abort_if_told "$tmp/said"
		ok "... which ends it" test ! -e "$spool/in_transaction.lock"
		;;
	esac
	case $moment in
	2 | 4)
		ok "... the next run publishes something else" publish "$tmp/else" -w 60
		is "... and removes what is incomplete" "$(incomplete)" ''
		cp -a "$D" "$tmp/kept"
		publish_into_directory "$tmp/else"
		;;
	esac
	ok "... the next run goes on" publish_again
	[ ! -e "$tmp/kept" ] || { rm -r "$D"; mv "$tmp/kept" "$D"; }
done

no_differences "$D" $n

done_testing
