#!/bin/sh
# System calls that fail, each in turn: full disks, broken ones, too many files, interruptions, short reads and
# writes. The result is right or an error is reported, nothing half-done is visible, and the next run sets all right.
# $FAULTS is the number of faults, by default 60, or 6000 with $SOAK; 0 is all. FAULT_SEED repeats a choice; FAULT_ONLY is
# a pattern for the names of the scenarios to try.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=corpus.sh
. "${0%/*}/corpus.sh"
# shellcheck source=trees.sh
. "${0%/*}/trees.sh"
need curl docker-registry jq perl skopeo umoci

seed=$(random_seed "${FAULT_SEED-}")
faults=${FAULTS:-$(amount 60 6000 40)}
note "FAULT_SEED=$seed FAULTS=$faults"
DUCC_CLOCK=$(($(date +%s) + 86400)) # the same for all, and later than all files
ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS
PRELOADS=$bin/t/preload-faults.so
[ $sanitized = 1 ] || PRELOADS="$PRELOADS $bin/t/preload-memory.so"
export DUCC_CLOCK ASAN_OPTIONS PRELOADS

# Two images that share a layer, with all that makes an image interesting, in a few hundred bytes. They are the same each
# time, and so are the faults that are chosen.
corpus "$tmp/other"
image app '.architecture = "s390x"' <<-'L'
	layer
	file three data=three
L
corpus "$tmp/oci"
shared='layer
dir dir
dir dir/sub
dir opaque
file dir/file data=one mode=4755
hard dir/sub/linked to=dir/file
sym dir/link to=file
file dir/gone data=gone
file opaque/hidden data=hidden
fifo fifo'
image old <<-L
	$shared
L
image app <<-L
	$shared
	layer
	dir opaque
	file opaque/.wh..wh..opq
	dir dir
	file dir/.wh.gone
	dir more
	file more/two data=two\n
	layer
	file three data=three
L

# scenario NAME BEFORE COMMAND...: BEFORE is a directory, or nothing.
work=$tmp/scenarios/work
scenario() {
	mkdir -p "$tmp/scenarios/$1"
	if [ -n "$2" ]; then
		cp -a "$2" "$tmp/scenarios/$1/before"
	else
		mkdir "$tmp/scenarios/$1/before"
	fi
	shift_name=$1
	shift 2
	printf '%s\n' "$@" >"$tmp/scenarios/$shift_name/command"
}
S=$work/store R=$work/repo
between() { # SCENARIO LAYOUT: at first, an image layout has an empty index
	mkdir -p "$tmp/scenarios/$1/between/$2"
	printf '{"schemaVersion":2,"manifests":[]}\n' >"$tmp/scenarios/$1/between/$2/index.json"
}
state() { # NAME: keep what $work is now
	cp -a "$work" "$tmp/$1"
}
mkdir -p "$work"
start_registry open
push "$tmp/oci:app" "$registry/app:1"
scenario pull '' ducc-fetch -q -s "$S" "$registry/app:1"
printf '%s\n' 'version: 1' "cvmfs_repo: 'r.example.org'" 'user: u' "output_format: '\$(scheme)://\$(registry)/thin/\$(image)'" \
	'input:' "  - 'http://$registry/app:*'" >"$tmp/recipe.yaml"
scenario wish '' ducc-wish -q "$tmp/recipe.yaml"
scenario hook '' ducc-hook -q
printf '{"events":[{"action":"push","target":{"repository":"app","tag":"1"},"request":{"host":"%s"}}]}\n' "$registry" \
	>"$tmp/scenarios/hook/input"
scenario fetch '' ducc-fetch -q -s "$S" "oci:$tmp/oci:app"
old=$(ducc-fetch -q -s "$S" "oci:$tmp/oci:old" | ducc-unpack -q -s "$S" | cut -f1)
state old
scenario fetch-more "$tmp/old" ducc-fetch -q -j 2 -s "$S" "oci:$tmp/oci:app"
app=$(ducc-fetch -q -s "$S" "oci:$tmp/oci:app" | cut -f1)
state fetched
scenario unpack "$tmp/fetched" ducc-unpack -q -j 2 -s "$S" "$app"
ducc-unpack -q -s "$S" "$app" >"$out"
state unpacked
scenario publish "$tmp/unpacked" ducc-publish -q -s "$S" -r "$R" "$app"
ducc-publish -q -s "$S" -r "$R" "$old" >"$out"
state published-old
scenario publish-more "$tmp/published-old" ducc-publish -q -s "$S" -r "$R" "$app"
ducc-publish -q -s "$S" -r "$R" "$app" >"$out"
state published
other=$(ducc-fetch -q -s "$S" "oci:$tmp/other:app" | ducc-unpack -q -s "$S" | cut -f1)
state both
scenario publish-platform "$tmp/both" ducc-publish -q -s "$S" -r "$R" "$other"
ducc-publish -q -s "$S" -r "$R" "$other" >"$out"
state published-both
scenario thin-platforms "$tmp/published-both" ducc-thin -q -s "$S" -r "$R" -o "$work/thin" "$app"
scenario gc-platform "$tmp/published-both" ducc-gc --keep -f -g 0 -m 0 -r "$R" "$old" "$app"
scenario gc "$tmp/published" ducc-gc --keep -f -g 0 -m 0 -r "$R" "$old"
scenario clean "$tmp/published" ducc-gc --clean-store -g 0 -s "$S"
scenario thin "$tmp/published" ducc-thin -q -s "$S" -r "$R" -o "$work/thin" "$app"
scenario thin-push "$tmp/published" ducc-thin -q -s "$S" -r "$R"
printf '%s\tthin=http://%s/thin:1\n' "$app" "$registry" >"$tmp/scenarios/thin-push/input"
scenario extract "$tmp/unpacked" ducc-unpack -s "$S" -x "$work/root" "$app"
printf root >"$tmp/scenarios/extract/remove"
scenario check "$tmp/published-both" ducc-check -q -d -j 2 -r "$R"
scenario check-store "$tmp/published-both" ducc-check -q --check-store -j 2 -s "$S"
(
	cd "$R"
	flat=$(readlink -f localhost/old:latest)
	rm "$flat/dir/gone"
	chmod u-s "$flat/dir/file"
	ln -sfn ../.flat/00/none localhost/old:latest
	rm .layers/*/*/layerfs/opaque/hidden
	printf 'TWO\n' >"$(echo .layers/*/*/layerfs/more/two)"
	touch -d @1700000000 .layers/*/*/layerfs/more/two
	mkdir -p ".layers/00/$(printf %064d 0)"
	jq 'map(del(.names))' podmanStore/overlay-images/images.json >images.new
	mv images.new podmanStore/overlay-images/images.json
)
flip "$(ls -d "$S"/blobs/sha256/* | head -n 1)" 9
for tar in "$S"/layers/*.tar; do flip "$tar" 1000; done
rm "$(ls -d "$S"/images/*.mtree | head -n 1)"
: >"$S/layers/stray"
state damaged
scenario check-damaged "$tmp/damaged" ducc-check -d -r "$R"
scenario check-repair "$tmp/damaged" ducc-check --repair -r "$R"
scenario check-damaged-store "$tmp/damaged" ducc-check --check-store -s "$S"
between pull store
between fetch store
between thin thin
between thin-platforms thin
rm -r "$work"

# What is sound stays that, whatever cannot be looked at.
cp -a "$tmp/published" "$work"
fault() { # KIND NUMBER COMMAND...: that call fails with an I/O error
	FAULT="$1 $2 5 1" LD_PRELOAD=${PRELOADS%% *}
	export FAULT LD_PRELOAD
	shift 2
	"$@"
}
for i in records differences damage; do : >"$tmp/$i"; done
for kind in open read stat directory readlink; do
	for i in $(seq 1 "$(amount 13 1 20)" 90); do
		(fault $kind "$i" ducc-check --repair -r "$R") >>"$tmp/records" 2>"$tmp/err" || :
		grep "$(printf '\t')" "$tmp/err" | sed "s/^/$kind $i: /" >>"$tmp/differences" || :
		(fault $kind "$i" ducc-gc -q --clean-store -g 9999 -s "$S") 2>"$tmp/err" || :
		grep damaged "$tmp/err" >>"$tmp/damage" || :
	done
done
is "what cannot be looked at is no difference" "$(cat "$tmp/differences")" ""
is "... and need not be published again" "$(cat "$tmp/records")" ""
is "what cannot be read in the store is not damaged" "$(cat "$tmp/damage")" ""
is "... and stays" "$(cd "$S" && find . -type f | sort)" "$(cd "$tmp/published/store" && find . -type f | sort)"
cp -a "$S" "$tmp/sound"
: >"$tmp/removed"
for kind in open read stat; do
	for i in $(seq 1 "$(amount 2 1 3)" 10); do
		rm -r "$S"
		cp -a "$tmp/sound" "$S"
		(fault $kind "$i" ducc-gc -q --clean-store -g 0 -s "$S") >"$out" 2>"$tmp/err" || :
		! grep -q 'nothing is removed' "$tmp/err" || echo "$kind $i" >>"$tmp/said"
		! grep -q 'nothing is removed' "$tmp/err" || diff -r "$tmp/sound" "$S" >>"$tmp/removed" || :
	done
done
ok "an image that cannot be looked at is an error of ducc-gc --clean-store" test -s "$tmp/said"
is "... which then removes nothing" "$(cat "$tmp/removed")" ""
rm -r "$work"

# CernVM-FS
stand_in
DUCC_SYSROOT=$work/sys
cp -a "$tmp/unpacked" "$work"
mkdir "$work/sys"
cvmfs_server mkfs t.example.org >"$out"
ln -s sys/cvmfs/t.example.org "$work/repo"
state cvmfs
scenario cvmfs "$tmp/cvmfs" ducc-publish -q -w 9 -s "$S" -r t.example.org "$old"
ducc-publish -q -s "$S" -r t.example.org "$old" >"$out"
state cvmfs-old
scenario cvmfs-more "$tmp/cvmfs-old" ducc-publish -q -w 9 -s "$S" -r t.example.org "$app"
ducc-publish -q -s "$S" -r t.example.org "$app" >"$out"
state cvmfs-both
scenario cvmfs-gc "$tmp/cvmfs-both" ducc-gc --keep -w 9 -f -g 0 -m 0 -r t.example.org "$old"
scenario cvmfs-check "$tmp/cvmfs-both" ducc-check -q -d -r t.example.org
rm -r "$work"

# The reference for all is what an undisturbed run leaves; that is right, too.
ducc-fetch -q -s "$tmp/store" "oci:$tmp/oci:app" | ducc-unpack -q -s "$tmp/store" | ducc-publish -q -s "$tmp/store" -r "$tmp/repo" >"$out"
umoci unpack --image "$tmp/oci:app" "$tmp/bundle" 2>"$out"
ok "without faults, what is published equals what umoci unpacks" \
	same_flat -i . "$tmp/bundle/rootfs" "$tmp/repo/localhost/app:latest/"

"$top/t/faults.pl" "$tmp/scenarios" "$seed" "$faults" "${FAULT_ONLY-}" >"$tmp/result" 2>&1 || echo "status $?" >>"$tmp/result"
sed -n '$s/^/# /p' "$tmp/result"
is "no fault has a wrong result, or leaves one" "$(sed '$d' "$tmp/result")" ""
like "... and many were tried" "$(tail -1 "$tmp/result")" '^tried [0-9]+, of which [0-9]+ failed$'

done_testing
