#!/bin/sh
# ducc-check while others change the repository: it reports what differs, and nothing that only a commit made it see.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=paused.sh
. "${0%/*}/lib.sh"
. "${0%/*}/paused.sh"
need jq umoci

stand_in
S=$tmp/store
n=test.example.org
make_image "$tmp/oci" old
make_image "$tmp/oci" new
umoci tag --image "$tmp/oci:old" moving
references() { # IMAGE...: pinned, and in the store
	for image; do ducc-fetch -q -s "$S" "oci:$tmp/oci:$image"; done | ducc-unpack -q -s "$S" | cut -f1
}
before=$(references moving)
umoci tag --image "$tmp/oci:new" moving
after=$(references moving)
other=$(references old)

waits_or_ended() {
	grep -q 'waiting for another process' "$tmp/check" || ! kill -0 "$check" 2>/dev/null || grep -qs '^State:.Z' "/proc/$check/status"
}

# A publisher that stands still at a rename, a link or a symlink of its commit
check_beside_each() { # KIND
	step=0
	while :; do
		step=$((step + 1))
		rm -rf "$R"
		cp -a "$tmp/repo.before" "$R"
		start_faulty "$1 $step -19 1" ducc-publish -q -s "$S" -r "$R" "$after"
		if ! paused; then
			wait "$pid" || echo "$1 $step: not published"
			return
		fi
		if ! my_turn; then
			kill -KILL "$pid"
			wait "$pid" 2>/dev/null || :
			continue
		fi
		steps=$((steps + 1))
		: >"$tmp/check" # not what an earlier one said
		ducc-check -v -r "$R" >"$tmp/check.out" 2>"$tmp/check" &
		check=$!
		wait_for waits_or_ended || echo "$1 $step: it does nothing"
		kill -CONT "$pid"
		wait "$pid" || echo "$1 $step: not published"
		wait $check || echo "$1 $step: failed"
		sed "s/^/$1 $step: /" "$tmp/check.out"
	done
}
R=$tmp/repo
for reference in $before $other; do ducc-publish -q -s "$S" -r "$R" "$reference" >"$out"; done
cp -a "$R" "$tmp/repo.before"
steps=0
for kind in rename unlink attributes; do check_beside_each $kind; done >"$tmp/wrong"
is "at each step of a commit, nothing differs that does not" "$(cat "$tmp/wrong")" ""
is "... at many" "$((steps > 8))" 1

# A check that stands still, anywhere, while an image is removed and another one published
change() {
	ducc-gc -q -s "$S" -r "$repo" --remove "${other%@*}" >"$out" && ducc-publish -q -s "$S" -r "$repo" "$after" >"$out"
}
check_around_changes() {
	calls=$(FAULT_COUNTS=$tmp/counts LD_PRELOAD=$bin/t/preload-faults.so ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS \
		ducc-check -j 1 -r "$repo" >"$out" && sed -n 's/^open //p' "$tmp/counts")
	i=0
	while [ "$i" -lt "$moments" ]; do
		i=$((i + 1))
		$restore
		start_faulty "open $((calls * i / (moments + 1))) -19 1" ducc-check -j 1 -r "$repo"
		paused || echo "$i: it does not stop"
		change || { echo "$i: no change"; cat "$out"; }
		kill -CONT "$pid"
		wait "$pid" || echo "$i of $calls: failed"
		sed "s/^/$i: /" "$tmp/faulty"
	done
}
moments=$(amount 8 40 4)
directory() {
	rm -rf "$R"
	cp -a "$tmp/repo.before" "$R"
}
cvmfs() {
	rm -rf "$tmp/sys"
	cp -a "$tmp/sys.before" "$tmp/sys"
}
repo=$R restore=directory
directory
check_around_changes >"$tmp/wrong"
is "in a directory, nothing differs that was removed or replaced meanwhile" "$(cat "$tmp/wrong")" ""

# A flat tree and its listing, as an earlier version wrote it, lack a file of the layers; these can be stacked only in the
# second look, when the publisher is done that the first one has found at work on a layer.
directory
flat=$(cd -P "$R/localhost/old:latest" && pwd)
listing=$R/.metadata/.flat/${flat#*/.flat/}.mtree
touch -r "$flat/etc" "$tmp/time"
rm "$flat/etc/passwd"
touch -r "$tmp/time" "$flat/etc"
sed '/^# sha256=/d; /^[.]\/etc\/passwd /d' "$listing" >"$tmp/listing"
cat "$tmp/listing" >"$listing"
for layer in "$R"/.layers/*/*/.metadata/layer.mtree; do break; done
cp "$layer" "$tmp/layer"
echo x >>"$layer"
exec 9<"$R"
flock 9
ducc-check -v -r "$R" >"$tmp/check.out" 2>"$tmp/check" 9<&- &
check=$!
ok "a layer that is being replaced: the check waits" wait_for waits_or_ended
cat "$tmp/layer" >"$layer"
exec 9<&-
wait $check || :
is "... and then compares it with the flat tree" "$(cut -f1,4,5 "$tmp/check.out" | sort -u)" "stack	type=file	-"

repo=$n restore=cvmfs
cvmfs_server mkfs $n
for reference in $before $other; do ducc-publish -q -s "$S" -r $n "$reference" >"$out"; done
cp -a "$tmp/sys" "$tmp/sys.before"
check_around_changes >"$tmp/wrong"
is "... nor in CernVM-FS" "$(cat "$tmp/wrong")" ""

# What differs is reported, whatever changes meanwhile.
directory
flat=$(readlink -f "$R/localhost/moving:latest")
rm -r "${flat:?}/etc"
expected=$(ducc-check -r "$R" | sort)
for i in 1 2 3; do
	rm -rf "$R.now"
	cp -a "$R" "$R.now"
	start_faulty "open $((calls * i / 4)) -19 1" ducc-check -j 1 -r "$R.now"
	paused || :
	ducc-gc -q -s "$S" -r "$R.now" --remove "${other%@*}" >"$out"
	kill -CONT "$pid"
	wait "$pid" || :
	sort "$tmp/faulty"
done >"$tmp/got"
like "a fault" "$expected" '^missing	'
is "... is reported once, whatever else changes meanwhile" "$(cat "$tmp/got")" "$(printf '%s\n' "$expected" "$expected" "$expected")"

done_testing
