#!/bin/sh
# kill -9 at random moments: nothing half-done is ever seen, and the next run sets things right.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=kill.sh
. "${0%/*}/kill.sh"
need curl docker-registry jq skopeo umoci

third=$((kills / 3))

# An image of some megabytes and many files, and one that shares layers with it.
make_image "$tmp/oci" old
mkdir -p "$tmp/tree/many"
head -c 1000000 /dev/urandom >"$tmp/tree/large"
perl -e 'for (1 .. 150) { open my $f, ">", "$ARGV[0]/$_" or die; print $f "$_\n" x $_ }' "$tmp/tree/many"
umoci tag --image "$tmp/oci:old" new
add_layer "$tmp/oci:new" "$tmp/tree"
mkdir -p "$tmp/more/many"
echo other >"$tmp/more/many/7"
add_layer "$tmp/oci:new" "$tmp/more"
umoci new --image "$tmp/oci:other"
add_layer "$tmp/oci:other" "$tmp/home"
start_registry open
push "$tmp/oci:new" "$registry/new:1"

# leave_something DIR PREPARE SECONDS COMMAND...: kill the command, until something is left in the directory.
leave_something() {
	l_dir=$1 l_prepare=$2 l_tries=50
	shift 2
	while [ $l_tries -gt 0 ]; do
		l_tries=$((l_tries - 1))
		$l_prepare
		if strike "$@" && [ -n "$(find "$l_dir" -type f 2>/dev/null)" ]; then
			return
		fi
	done
	echo "# nothing was ever left in ${l_dir##*/}"
}
same() { # FILE FILE
	diff "$1" "$2"
}

# ducc-fetch
S=$tmp/store
reference=$tmp/reference
index() { # STORE
	jq -S '.manifests | sort_by(.digest)' "$1/index.json"
}
no_store() {
	rm -rf "$S"
}
fetch_again() {
	ducc-fetch -q -s "$S" "$registry/new:1" >"$tmp/record.again" || return 1
	same "$tmp/record" "$tmp/record.again" && sound "$S" &&
		[ "$(ls "$S/blobs/sha256")" = "$(ls "$reference/blobs/sha256")" ] &&
		[ "$(index "$S")" = "$(index "$reference")" ]
}
seconds=$(duration ducc-fetch -q -s "$reference" "$registry/new:1")
ducc-fetch -q -s "$reference" "$registry/new:1" >"$tmp/record"
wrecks "$seconds" $((kills - 2 * third)) no_store "whole $S" fetch_again ducc-fetch -q -s "$S" "$registry/new:1"
is "ducc-fetch: killed, run again, $killed times: right blobs, right index, no debris" "$(cat "$wrong")" ""
leave_something "$S/tmp" no_store "$seconds" ducc-fetch -q -s "$S" "$registry/new:1"
ducc-fetch -q -s "$S" "oci:$tmp/oci:other" >"$out"
is "... what it left goes away although the next run fetches something else" \
	"$(find "$S/tmp" -type f ! -name 'blobs-*')" ""
find "$S/tmp" -type f -exec touch -d '8 days ago' {} +
ducc-fetch -q -s "$S" "oci:$tmp/oci:other" >"$out"
is "... parts of blobs, from which a download can go on, after a week" "$(find "$S/tmp" -type f)" ""

# ducc-unpack
ref=$(cut -f1 "$tmp/record")
cp -a "$reference" "$tmp/fetched"
sums() { # STORE
	(cd "$1" && find layers images -type f -exec sha256sum {} + 2>/dev/null | sort)
}
fetched_store() {
	rm -rf "$S"
	cp -a "$tmp/fetched" "$S"
}
# What has its final name is whole.
unpacked_is_whole() {
	sums "$S" | comm -23 - "$tmp/sums" >"$tmp/half"
	[ ! -s "$tmp/half" ] || { cat "$tmp/half"; return 1; }
}
unpack_again() {
	ducc-unpack -q -s "$S" "$ref" >"$tmp/record.again" && sound "$S" && sums "$S" | same "$tmp/sums" -
}
seconds=$(duration ducc-unpack -q -s "$reference" "$ref")
sums "$reference" >"$tmp/sums"
wrecks "$seconds" $third fetched_store unpacked_is_whole unpack_again ducc-unpack -q -s "$S" "$ref"
is "ducc-unpack: killed, run again, $killed times: right listings and archives, no debris" "$(cat "$wrong")" ""
leave_something "$S/tmp" fetched_store "$seconds" ducc-unpack -q -s "$S" "$ref"
ducc-fetch -q -s "$S" "oci:$tmp/oci:other" | ducc-unpack -q -s "$S" >"$out"
is "... what it left goes away although the next run unpacks something else" "$(find "$S/tmp" -type f)" ""

# ducc-publish: a tag moves from an older image to a new one, and another name arrives.
R=$tmp/repo
S=$reference
umoci tag --image "$tmp/oci:old" moving
main_job "$S" "$tmp/base" "oci:$tmp/oci:moving"
umoci tag --image "$tmp/oci:new" moving
ducc-fetch -q -s "$S" "oci:$tmp/oci:moving" "oci:$tmp/oci:new" | ducc-unpack -q -s "$S" | cut -f1 >"$tmp/refs"
moving=$(sed -n 1p "$tmp/refs")
new=$(sed -n 2p "$tmp/refs")
publish() { # REPO
	ducc-publish -q -s "$S" -r "$1" "$moving" "$new"
}
tree() { # DIR: names, types, modes, owners, sizes, links and contents
	(
		cd "$1"
		find . \( -type d -printf '%p %y %m %U %G\n' \) -o -printf '%p %y %m %U %G %s %l\n' | sort
		find . -type f -exec sha256sum {} + | sort
	)
}
repository() { # REPO: the same, and what hardlinks and times say
	tree "$1"
	(
		cd "$1"
		find . -type f -printf '%p %n\n' | sort
		find .layers/*/*/layerfs .flat/*/*/data .flat/*/*/many ! -type c -printf '%p %T@\n' | sort
	)
}
# Each public name is the older image or the new one, all of it.
published_is_whole() {
	for name in moving new; do
		link=$R/localhost/$name:latest
		[ -L "$link" ] || continue
		tree "$link/" >"$tmp/got" || return 1
		cmp -s "$tmp/got" "$tmp/tree.new" || cmp -s "$tmp/got" "$tmp/tree.old" ||
			{ echo "$name:"; same "$tmp/tree.new" "$tmp/got" || return 1; }
	done
	[ ! -d "$tmp/base.now" ] || [ -L "$R/localhost/moving:latest" ] || { echo "moving is gone"; return 1; }
}
base_repository() {
	rm -rf "$R"
	[ ! -d "$tmp/base.now" ] || cp -a "$tmp/base.now" "$R"
}
publish_again() {
	publish "$R" >"$tmp/record.again" || return 1
	[ "$(cut -f1 "$tmp/record.again" | sort)" = "$(sort "$tmp/refs")" ] || { cat "$tmp/record.again"; return 1; }
	[ ! -e "$R/.transaction" ] || { find "$R/.transaction"; return 1; }
	repository "$R" | same "$tmp/repository" -
}
# The commit takes milliseconds, which random moments hardly ever hit; its order matters at each of its renames.
faulty() { # FAULT [COUNTS]: publish with that
	FAULT=$1 FAULT_COUNTS=${2-} LD_PRELOAD=$bin/t/preload-faults.so ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS \
		ducc-publish -q -s "$S" -r "$R" "$moving" "$new"
}
publish_killed_at_each_step() {
	base_repository
	faulty '' "$tmp/counts" >"$tmp/out"
	steps=$(sed -n 's/^rename //p' "$tmp/counts")
	for step in $(seq "$steps"); do
		my_turn || continue
		base_repository
		status=0
		{ faulty "rename $step -9 1"; } >"$tmp/out" 2>&1 || status=$?
		[ $status = 137 ] || echo "step $step: status $status"
		published_is_whole || echo "step $step: that is not whole"
		publish_again || echo "step $step: not mended"
	done >"$tmp/wrong.steps" 2>&1
	[ "$steps" -gt 10 ] || echo "$steps steps are too few" >>"$tmp/wrong.steps"
}
tree "$tmp/base/localhost/moving:latest/" >"$tmp/tree.old"
for base in none older; do
	[ $base = none ] || mv "$tmp/base" "$tmp/base.now"
	base_repository
	seconds=$(duration ducc-publish -q -s "$S" -r "$R" "$moving" "$new")
	repository "$R" >"$tmp/repository"
	tree "$R/localhost/new:latest/" >"$tmp/tree.new"
	count=$((third / 2))
	[ $base = none ] || count=$((third - third / 2))
	wrecks "$seconds" $count base_repository published_is_whole publish_again \
		ducc-publish -q -s "$S" -r "$R" "$moving" "$new"
	is "ducc-publish, $base there before: killed, run again, $killed times: whole images only, no debris" "$(cat "$wrong")" ""
	publish_killed_at_each_step
	is "... before steps in which something appears, of $steps" "$(cat "$tmp/wrong.steps")" ""
done

leave_something "$R/.transaction" base_repository "$seconds" ducc-publish -q -s "$S" -r "$R" "$moving" "$new"
main_job "$S" "$R" "oci:$tmp/oci:other"
ok "... the next one clears its remains although it publishes something else" test ! -e "$R/.transaction"
ok "... and what is public is whole" published_is_whole
is "... so is each layer" "$(find "$R/.layers" -mindepth 2 -maxdepth 2 | wc -l)" \
	"$(find "$R/.layers" -name layers.json -size +0 | wc -l)"

done_testing
