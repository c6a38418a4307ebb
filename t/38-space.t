#!/bin/sh
# Full disks and refused permissions: the message says where, on which file system, and what to do.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need bash busybox docker-registry flock jq perl setpriv skopeo umoci
image_program=busybox
[ "$(id -u)" = 0 ] || skip_all "mounting small file systems requires root"
mount -t tmpfs -o size=1m tmpfs "$tmp/home" 2>/dev/null || skip_all "mounting file systems is not permitted"
umount "$tmp/home"

S=$tmp/store
L=$tmp/layout
F=$tmp/full
make_image "$L" app
mkdir "$tmp/big" "$F"
head -c 3000000 /dev/urandom >"$tmp/big/random"
add_layer "$L:app" "$tmp/big"
ducc-fetch -q -s "$S" "oci:$L:app" >"$tmp/records"
cp -R "$S" "$tmp/fetched"
ducc-unpack -q -s "$S" <"$tmp/records" >"$out"

small() { # SIZE [FILE...]: a new file system, with these files
	umount "$F" 2>/dev/null || :
	mount -t tmpfs -o "size=$1" tmpfs "$F"
	shift
	[ $# = 0 ] || cp -R "$@" "$F"
}
fill() {
	cat /dev/zero >"$F/filler" 2>/dev/null || :
}
says() { # TITLE PATTERN COMMAND...: it fails, in one line that contains this
	says_title=$1 pattern=$2
	shift 2
	fails "$says_title" "$@" <"$tmp/records"
	like "... and says where and what to do" "$(cat "$out")" "$pattern"
	is "... in one line, which names no layer twice" "$(wc -l <"$out") $(grep -c 'layer sha256:.*layer sha256:' "$out")" "1 0"
}
here="on the file system mounted at $F"
of_store="No space left on device \\(store $F/[a-z]*, $here: free space with .ducc-gc --clean-store -g DAYS -s $F/[a-z]*', or use"

for size in 40k 1m; do
	small $size
	says "ducc-fetch into a store of $size" "(layer|config) sha256:[0-9a-f]*: .*$of_store" ducc-fetch -s "$F/store" "oci:$L:app"
	small $size
	says "ducc-unpack into a directory of $size" \
		": $F/new: layer sha256:[0-9a-f]*: .*: No space left on device \\(directory $F/new, $here: use one with more" \
		ducc-unpack -s "$S" -x "$F/new"
	small $size
	says "ducc-publish into a repository of $size" \
		": layer sha256:[0-9a-f]*: .*: No space left on device \\(repository $F/repo, $here: free space there" \
		ducc-publish -s "$S" -r "$F/repo"
done
# Space, but no inodes for files
few='on the file system mounted at '$F', [0-9]+ of whose'
small "20m,nr_inodes=8"
says "ducc-fetch into a store without inodes" "No space left on device \\(store $F/store, $few 8 inodes are free: free space" \
	ducc-fetch -s "$F/store" "oci:$L:app"
small "20m,nr_inodes=40"
says "ducc-publish into a repository without inodes" "No space left on device \\(repository $F/repo, $few 40 inodes are free: free space" \
	ducc-publish -s "$S" -r "$F/repo"
small 5m "$tmp/fetched"
says "ducc-unpack into a full store" "layer sha256:[0-9a-f]*: .*$of_store" ducc-unpack -s "$F/fetched"
small 8k
says "a copy of an archive" "tar.gz.*: No space left on device \\(temporary files $F, $here: set TMPDIR" sh -c \
	'tar -C "$2" -c . | gzip -1 >"$1.tar.gz" && TMPDIR=$3 ducc-fetch -s "$1" "oci-archive:$1.tar.gz:app"' \
	- "$tmp/other" "$L" "$F"
ok "publish" ducc-publish -q -s "$S" -r "$tmp/repo" <"$tmp/records"
small 8k
sed "s,\$,	thin=localhost/thin/app," "$tmp/records" >"$tmp/thin"
fails "ducc-thin into a small image layout" ducc-thin -r "$tmp/repo" -o "$F/thin" <"$tmp/thin"
like "... says so" "$(cat "$out")" "No space left on device \\(image layout $F/thin, $here"
small 20m "$tmp/repo"
fill
fails "ducc-gc in a full repository" ducc-gc -m 100 -r "$F/repo" --keep localhost/none
like "... says so" "$(cat "$out")" "remove-schedule.json: write: No space left on device \\(repository $F/repo, $here: free space there"
unscheduled() {
	ducc-gc -v -m 100 -r "$F/repo" --keep localhost/none 2>"$tmp/err" || ! grep scheduled "$tmp/err"
}
ok "... and not that anything was scheduled" unscheduled

# Nor does an image that must be taken down; others stay whole until there is space.
make_image "$L" other
ducc-fetch -q -s "$S" "oci:$L:other" | ducc-unpack -q -s "$S" | ducc-publish -q -s "$S" -r "$tmp/repo" >"$tmp/other-record"
small 20m
cp -a "$tmp/repo" "$F"
fill
fails "what is only unwanted is not removed" ducc-gc -m 100 -g 0 -r "$F/repo" --keep localhost/other
ok "... nor damaged" ducc-check -r "$F/repo"
is "..." "$(cat "$out")" ""
ok "an image can be removed from a full repository" ducc-gc -r "$F/repo" --remove localhost/app
is "... with all paths" "$(sed 's/[0-9a-f]\{64\}/HEX/; s,/[0-9a-f][0-9a-f]/,/,' "$out" | sort | uniq -c | tr -s ' ')" " 1 .flat/HEX
 2 .layers/HEX
 1 localhost/app:latest"
is "... which leaves the others" "$(ducc-ls -r "$F/repo" | cut -f 1 | cut -d @ -f 1)" http://localhost/other:latest
ok "... as they were" ducc-check -r "$F/repo"
is "... and nothing else" "$(cat "$out")" ""
small 20m
cp -a "$tmp/repo" "$F"
flat=$(readlink -f "$F/repo/localhost/app:latest")
hex=$(basename "$flat")
rm "$F/repo/.metadata/.flat/$(echo "$hex" | cut -c 1-2)/$hex.mtree"
find "$F/repo/.layers" -type f -name random | sed "s,$F/repo/\(.layers/../[^/]*\)/.*,\1," >"$tmp/layer"
rm -r "$flat" "$F/repo/$(cat "$tmp/layer")"
ok "... and if that is interrupted, again" ducc-gc -q -r "$F/repo" --remove localhost/app
ok "... as well" ducc-check -r "$F/repo"
is "..." "$(cat "$out")" ""

small 20m
cp -a "$tmp/repo" "$F"
flat=$(readlink -f "$F/repo/localhost/app:latest")
rm -r "$flat" "$F/repo/.metadata/.flat"
fill
ok "... and if its root file system frees no space" ducc-gc -v -r "$F/repo" --remove localhost/app
like "... after its layers" "$(cat "$out")" "full: layers are removed first"
is "... all of it" "$(ducc-ls -r "$F/repo" | cut -f 1 | cut -d @ -f 1)" http://localhost/other:latest

# Killed meanwhile, whatever has a name has its files; images for two platforms have it.
mkdir "$tmp/two"
cp -a "$tmp/repo" "$tmp/two"
cp -R "$L" "$tmp/arm"
umoci config --image "$tmp/arm:app" --architecture arm64
ducc-fetch -q -s "$S" -p linux/arm64 "oci:$tmp/arm:app" | ducc-unpack -q -s "$S" | ducc-publish -q -s "$S" -r "$tmp/two/repo" >"$out"
like "an image for a second platform" "$(cat "$out")" "localhost/app:latest@.*state=added"
removed_from_full() { # FAULT [COUNTS]
	small 20m
	cp -a "$tmp/two/repo" "$F"
	fill
	FAULT=$1 FAULT_COUNTS=${2-} LD_PRELOAD=$bin/t/preload-faults.so ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS \
		ducc-gc -q -r "$F/repo" --remove localhost/app >"$tmp/said" 2>&1
}
killed_in_full() { # KIND NUMBER
	! (removed_from_full "$1 $2 -9 1") 2>"$tmp/err" || echo "$1 $2: not killed"
	perl "$top/t/usable.pl" "$F/repo" | sed "s/^/$1 $2: /"
	[ ! -L "$F/repo/localhost/app:latest" ] ||
		diff -r --no-dereference "$tmp/two/repo/localhost/app:latest/" "$F/repo/localhost/app:latest/" || :
	ducc-gc -q -r "$F/repo" --remove localhost/app >"$tmp/said" 2>&1 || grep -v 'not published' "$tmp/said" || :
	[ ! -e "$F/repo/localhost/app:latest" ] && ducc-check -r "$F/repo" || echo "$1 $2: not completed"
}
ok "an image is removed from a full repository" removed_from_full '' "$tmp/counts"
for kind in unlink rename; do
	step=$(amount 9 1 20)
	[ $kind = unlink ] || step=1
	for i in $(seq 1 "$step" "$(sed -n "s/^$kind //p" "$tmp/counts")"); do
		killed_in_full $kind "$i"
	done
done >"$tmp/wrong" 2>&1
is "... killed at any step: what has a name is whole, and the next run completes it" "$(cat "$tmp/wrong")" ""

# However full the repository is, only what is new fails, not what is there already and shares its transaction.
make_image "$L" fresh
ducc-fetch -q -s "$S" "oci:$L:fresh" | ducc-unpack -q -s "$S" | cat "$tmp/records" "$tmp/other-record" - >"$tmp/three"
failed_at=
only_the_fresh_one() { # PAGES: that are free
	small 20m
	cp -a "$tmp/repo" "$F"
	fill
	truncate -s "-$(($1 * 4096))" "$F/filler"
	status=0
	ducc-publish -q -s "$S" -r "$F/repo" <"$tmp/three" >"$tmp/published" 2>"$tmp/err" || status=$?
	failed_at="$failed_at $(sed -n 's,^ducc-publish: http://localhost/fresh:[^ ]*: \([.a-z]*\).*: No space left.*,\1,p' "$tmp/err")"
	case $status:$(grep -vc /fresh: "$tmp/published"):$(wc -l <"$tmp/published"):$(grep -c '^ducc-publish: http' "$tmp/err") in
	0:2:3:0 | 1:2:2:1) ;;
	*) cat "$tmp/published" "$tmp/err"; return 1 ;;
	esac
}
for pages in $(seq 0 "$(amount 6 3)" 60); do
	ok "a repository with $((pages * 4)) KiB free" only_the_fresh_one "$pages"
done
like "... is too small for a layer, or for documents" "$failed_at" "layer .*[.]metadata"

# What was staged of an image that does not fit leaves room for the next one.
make_image "$L" few
mkdir "$tmp/fewer"
head -c 1000000 /dev/urandom >"$tmp/fewer/random"
add_layer "$L:few" "$tmp/fewer"
ducc-fetch -q -s "$S" "oci:$L:few" | ducc-unpack -q -s "$S" >"$tmp/few"
ok "a smaller image is published alone" ducc-publish -q -s "$S" -r "$tmp/alone" <"$tmp/few"
small "$(($(du -sk "$tmp/alone" | cut -f 1) + 1000))k"
cat "$tmp/records" "$tmp/few" >"$tmp/both"
fails "... after one for which there is no space" ducc-publish -q -s "$S" -r "$F/repo" <"$tmp/both"
is "... which fails alone" "$(grep -c '^ducc-publish: http' "$out") $(ducc-ls -r "$F/repo" | cut -d @ -f 1)" "1 http://localhost/few:latest"
ok "... and damages nothing" ducc-check -r "$F/repo"

# The remedy needs no space itself.
small 20m "$S"
find "$F/store" -exec touch -h -d 2020-01-01 {} +
fill
ok "a full store can be cleaned" ducc-gc -q --clean-store -s "$F/store"
is "... of its images" "$(ducc-ls -Ss "$F/store")" ""
is "... and all their files" "$(find "$F/store/blobs" "$F/store/layers" "$F/store/images" -type f)" ""
ok "... and used again" ducc-fetch -q -s "$F/store" "oci:$L:app"
# The files that ducc-convert needs itself: a round is whole, or nothing is remembered and it fails.
start_registry open
push "$L:app" "$registry/app:1"
digest=$(digest_at "$registry/app:1")
for i in $(seq 60); do echo "http://$registry/app:t$i@$digest"; done >"$tmp/images"
convert() { # TMPDIR
	TMPDIR=$1 "$top/scripts/ducc-convert" -T -s "$tmp/many" -r "$tmp/converted" "$tmp/images" >"$tmp/said" 2>"$tmp/err"
}
what() {
	sed '/^# success=/d' "$tmp"/many/wishes/*
	(cd "$tmp/converted" && find . ! -type d ! -path './.metadata/.log/*' | sort)
}
ok "ducc-convert with enough space" convert "$tmp"
what >"$tmp/before"
: >"$tmp/results"
: >"$tmp/wrong"
for size in $(seq 8 "$(amount 12 4 20)" 68) 1000; do
	small "${size}k"
	status=0
	convert "$F" || status=$?
	case $status:$(tail -n 1 "$tmp/said"):$(tail -n 1 "$tmp/err") in
	0:*' 60 unchanged, 0 failed, 0 removed, 0 scheduled:') echo whole >>"$tmp/results" ;;
	1:*"ducc-convert: $F/ducc-convert."*': cannot be written'*', so nothing is remembered or removed (TMPDIR names another directory)')
		echo void >>"$tmp/results"
		;;
	*) { echo "${size}k: status $status"; cat "$tmp/said" "$tmp/err"; } >>"$tmp/wrong" ;;
	esac
	what | diff "$tmp/before" - >>"$tmp/wrong" || echo "${size}k: that has changed" >>"$tmp/wrong"
done
is "... is right or fails with little space" "$(cat "$tmp/wrong")" ""
is "... one or the other" "$(sort -u "$tmp/results" | xargs)" "void whole"
umount "$F"

# Permissions
mkdir -m 755 "$tmp/closed"
chmod 755 "$tmp"
chmod -R a+rX "$S" "$L" "$tmp/repo"
nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups env -u HOME "$@"
}
denied() { # TITLE MESSAGE COMMAND...
	denied_title=$1 message=$2
	shift 2
	fails "$denied_title" nobody "$@" <"$tmp/records"
	like "... is reported once, with its path" "$(cat "$out")" ": $message: Permission denied( \\(user nobody .*\\))?\$"
}
chmod 700 "$S"
denied "a store" "store: $S" ducc-unpack -s "$S"
chmod 755 "$S"
denied "a directory" "$tmp/closed/new" ducc-unpack -s "$S" -x "$tmp/closed/new"
denied "a repository" "repository $tmp/closed/new: $tmp/closed/new" ducc-publish -s "$S" -r "$tmp/closed/new"
echo alpine >"$tmp/list"
chmod 600 "$tmp/list"
fails "a list" nobody ducc-wish "$tmp/list"
like "... is named once" "$(cat "$out")" "^ducc-wish: $tmp/list: Permission denied\$"

small 20m "$tmp/repo"
mount -o remount,ro "$F"
says "publishing on a read-only file system" "Read-only file system \\(the file system at $F is mounted read-only\\)\$" \
	ducc-publish -s "$S" -r "$F/repo"
umount "$F"

# Permissions of a repository: who may not, where, and who may
mkdir "$tmp/theirs"
cp -R "$S" "$tmp/nobody"
chown -R 65534 "$tmp/nobody"
advice="Permission denied \\(user nobody may not"
says "publishing in somebody else's directory" "$advice write in $tmp/theirs, which belongs to root and has mode 0755: run as root\\)$" \
	nobody ducc-publish -s "$tmp/nobody" -r "$tmp/theirs"
says "... removing from it" "$advice write in $tmp/repo, which" nobody ducc-gc -s "$tmp/nobody" -r "$tmp/repo" --remove localhost/app
says "... beginning one there" "$advice write in $tmp, which" nobody ducc-publish -s "$tmp/nobody" -r "$tmp/mine/repo"
chmod 711 "$tmp/repo"
for tool in ls check "gc -an"; do
	# shellcheck disable=SC2086
	says "reading one: ducc-$tool" "$advice read $tmp/repo, which belongs to root and has mode 0711: run as root\\)$" \
		nobody ducc-$tool -s "$tmp/nobody" -r "$tmp/repo"
done

done_testing
