#!/bin/sh
# ducc-gc: what nobody wants goes after the grace period, all of it and nothing else, whatever happens meanwhile; in
# directories and in CernVM-FS.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
KILLS=${KILLS:-$(amount 16 120 8)}
# shellcheck source=kill.sh
. "${0%/*}/kill.sh"
need busybox jq umoci
image_program=busybox

stand_in
S=$tmp/store
L=$tmp/layout
day=86400
start=$(($(date +%s) + 3600)) # later than all that is published

# Five images; `moved` is another one under the name of `one`, on the same first layers.
for i in one two three four five; do make_image "$L" $i; done
umoci tag --image "$L:one" moved
mkdir "$tmp/tree"
echo moved >"$tmp/tree/moved"
add_layer "$L:moved" "$tmp/tree"
ready() { # IMAGE...: fetched and unpacked, as records
	ducc-fetch -q -s "$S" "$@" | ducc-unpack -q -s "$S"
}
ready "oci:$L:one" "oci:$L:two" "oci:$L:three" "oci:$L:four" "oci:$L:five" >"$tmp/all"
cp -a "$L" "$tmp/later"
umoci tag --image "$tmp/later:moved" one
ready "oci:$tmp/later:one" >"$tmp/moved"
umoci tag --image "$tmp/later:two" other
ready "oci:$tmp/later:other" >"$tmp/other"

names() { # IMAGE...: records as a wish list has them
	printf 'localhost/%s:latest\n' "$@"
}
publish() { # RECORDS...
	cat "$@" | ducc-publish -q -s "$S" -r "$repo"
}
gc() { # DAY OPTION...: with the records on standard input
	gc_day=$1
	shift
	DUCC_CLOCK=$((start + gc_day * day)) ducc-gc -s "$S" -r "$repo" "$@"
}
content() { # what there is, without what tells the history, as do the numbers of Podman's layers
	(cd "$R" && find . ! -name .cvmfscatalog ! -path './.metadata/.log*' ! -path ./.metadata/remove-schedule.json \
		! -path './podmanStore/*.lock' ! -path './podmanStore/overlay-layers/*' ! -path './podmanStore/overlay/*/l[io]*' \
		! -path './podmanStore/overlay/l/*' ! -path ./podmanStore/ducc-links ! \( -type d \( -path './.[fl]*/??' -o -path './.metadata/.flat/??' \) \) \
		\( -type d -printf '%p %y %m\n' -o -printf '%p %y %m %s %l\n' \) | sort)
}
scheduled() {
	jq -r '.remove[] | select(.removing | not) | .path' "$R/.metadata/remove-schedule.json" | grep -v '^\.'
}
podman_names() {
	jq -r '.[].names[]?' "$R/podmanStore/overlay-images/images.json" | sort
}
twin() { # NAME COMPRESSION [MANIFEST]: an image, its layers compressed in that way
	printf 'layer %s\ndir ./\nfile twin data=same\n' "$2" | image "$1" . "${3-.}"
}
twins() {
	jq -c '.[].names' "$R/podmanStore/overlay-images/images.json" | sort
}
transactions() {
	[ ! -e "$spool/log" ] || cat "$spool/log"
}
sound_repository() {
	[ "$kind" = directory ] || { cvmfs_server check "$repo" && [ ! -e "$spool/in_transaction.lock" ]; }
}
new_repository() {
	wait_for rm -rf "${R:?}" "${tmp:?}/sys" 2>/dev/null # what was killed may have left somebody at work
	mkdir "$tmp/sys"
	[ "$kind" = directory ] || cvmfs_server mkfs "$repo"
}
publish_again() {
	publish "$tmp/all" | sed 's/	state=.*//' >"$tmp/record"
	cmp "$tmp/all" "$tmp/record"
}
# as_published RECORDS...: the repository is what it would be if only these had been published
as_published() {
	content >"$tmp/got"
	(
		kept=$R
		R=$tmp/fresh.$kind
		if [ "$kind" = directory ]; then
			repo=$R
		else
			DUCC_SYSROOT=$tmp/fresh.sys
			mkdir "$DUCC_SYSROOT"
			R=$DUCC_SYSROOT/cvmfs/$repo
			cvmfs_server mkfs "$repo"
		fi
		publish "$@" >"$tmp/fresh.records" || { echo "not published beside $kept"; exit 1; }
		content
	) >"$tmp/expected"
	chmod -R u+rwX "$tmp"/fresh.*
	rm -rf "$tmp"/fresh.*
	diff "$tmp/expected" "$tmp/got"
}

for kind in directory cvmfs; do
	case $kind in
	directory) repo=$tmp/repo R=$tmp/repo spool=$tmp/none ;;
	*) repo=test.example.org R=$tmp/sys/cvmfs/test.example.org spool=$tmp/sys/var/spool/cvmfs/test.example.org ;;
	esac
	note "$kind, KILL_SEED=$seed"
	new_repository
	publish "$tmp/all" >"$tmp/record"

	# What must not empty a repository
	content >"$tmp/before"
	: >"$tmp/none"
	fails "nothing is wanted" gc 0 -g 0 <"$tmp/none"
	is "... is refused" "$(cat "$out")" "ducc-gc: no image to keep is given: nothing is changed"
	names one two three >"$tmp/three"
	fails "two of five are not wanted" gc 0 -g 0 <"$tmp/three"
	like "... is refused, by name" "$(cat "$out")" \
		"^ducc-gc: repository $repo: 2 of 5 images are not among those to keep, more than 10 percent: localhost/five:latest, localhost/four:latest; nothing is changed \(if no other list wants them, use -m 40\)$"
	fails "a typing error" gc 0 -g 0 -m 1 --keep localhost/one:latset 'localhost/two:l*' localhost/three:latest
	is "... is reported" "$(grep warning: "$out")" "ducc-gc: warning: localhost/one:latset: not published"
	fails "images that are neither to be kept nor to be removed" gc 0 -f -g 0 localhost/one:latest
	like "... could be either" "$(cat "$out")" "localhost/one:latest: use --remove to remove it, or --keep"
	{ names one two three four five; echo 'not a reference'; } >"$tmp/bad"
	fails "a record that can't be read" gc 0 -g 0 -f <"$tmp/bad"
	like "... is named" "$(cat "$out")" "^ducc-gc: .*: not a reference$"
	is "... and nothing was done" "$(content)" "$(cat "$tmp/before")"
	ok "-n tells the plan" gc 0 -n -f -g 0 <"$tmp/three"
	like "... with the size of a layer" "$(cat "$out")" "^ducc-gc: \.layers/.*: would be removed, not wanted since .*, [0-9]+ bytes"
	is "... and nothing was done" "$(content)" "$(cat "$tmp/before")"

	# A flat tree that is gone by itself
	names one two three four >"$tmp/four"
	flat=$(readlink "$R/localhost/five:latest")
	mv "$R/.flat/${flat#*.flat/}" "$tmp/flat"
	ok "an image without its flat root file system is removed" gc 0 -f -g 0 <"$tmp/four"
	grep -v /five: "$tmp/all" >"$tmp/records"
	ok "... with all that is left of it" as_published "$tmp/records"
	rm -rf "$tmp/flat"
	new_repository
	publish "$tmp/all" >"$tmp/record"

	# A public name that is gone by itself
	rm "$R/localhost/five:latest"
	ok "an image without its public name is scheduled" gc 0 <"$tmp/four"
	ok "... once" gc 1 <"$tmp/four"
	is "... and for all" "$(cat "$out")" ""
	ok "... and is wanted again" gc 2 -a
	is "... which is said" "$(cat "$out")" "ducc-gc: warning: localhost/five:latest: wanted again"
	ok "... or not" gc 3 <"$tmp/four"
	ok "... it is removed in its time" gc 33 <"$tmp/four"
	ok "... with all that is left of it" as_published "$tmp/records"
	new_repository
	publish "$tmp/all" >"$tmp/record"

	# The schedule
	ok "two of five are scheduled with -f" gc 0 -f <"$tmp/three"
	is "... which is said of each path" \
		"$(sed -n 's/^ducc-gc: \(.*\): no longer wanted, scheduled to be removed on [-0-9]*$/\1/p' "$out" | sort)" \
		"$(jq -r '.remove[].path' "$R/.metadata/remove-schedule.json" | sort)"
	is "... they are on the schedule" "$(scheduled)" "$(names four five | sort)"
	is "... and still there" "$(content)" "$(cat "$tmp/before")"
	before=$(transactions)
	ok "the next day" gc 1 <"$tmp/three"
	is "... is no transaction" "$(transactions)" "$before"
	ok "one is wanted again" gc 29 <"$tmp/four"
	is "... and taken off the schedule" "$(scheduled)" "$(names five)"
	ok "a day before its time" gc 29 -v <"$tmp/four"
	is "... the other is still there" "$(content)" "$(cat "$tmp/before")"
	before=$(transactions)
	ok "after the grace period" gc 30 <"$tmp/four"
	like "... it is removed, and its name printed" "$(cat "$out")" "^localhost/five:latest$"
	grep -v /five: "$tmp/all" >"$tmp/records"
	ok "... all of it, and nothing else" as_published "$tmp/records"
	is "... from Podman's list too" "$(podman_names)" "$(names one two three four | sort)"
	[ $kind = directory ] ||
		is "... in two transactions" "$(transactions | tail -n +$(($(echo "$before" | wc -l) + 1)))" "transaction
publish
ingest-ok"
	ok "... and the repository is sound" sound_repository
	before=$(transactions)
	ok "the next run" gc 31 <"$tmp/four"
	is "... has nothing to do" "$(cat "$out")$(transactions)" "$before"
	publish "$tmp/all" >"$tmp/record"
	ok "it can be published again" as_published "$tmp/all"

	# Published between two runs of ducc-gc
	ok "one is scheduled" gc 32 -f <"$tmp/four"
	is "... by name, and what only it has" "$(scheduled)" "$(names five)"
	grep /five: "$tmp/all" | publish - >"$tmp/record"
	is "... published again, it is unchanged" "$(cut -f 2- "$tmp/record" | grep -o 'state=.*')" "state=unchanged	wanted=again"
	publish - <"$tmp/record" >"$tmp/again"
	is "... and on no schedule" "$(cut -f 2- "$tmp/again" | grep -o 'state=.*')" state=unchanged
	is "... and off the schedule" "$(jq -c .remove "$R/.metadata/remove-schedule.json")" "[]"
	before=$(transactions)
	publish "$tmp/all" >"$tmp/record"
	is "... once more, it is no transaction" "$(transactions)" "$before"
	ok "... not wanted again, some days later" gc 35 <"$tmp/four"
	ok "... its grace period" gc 64 <"$tmp/four"
	is "... counts from then" "$(cat "$out")$(content)" "$(cat "$tmp/before")"
	publish "$tmp/all" >"$tmp/record"

	# A clock that is wrong
	early() { # OPTION...
		DUCC_CLOCK=100000000 ducc-gc -s "$S" -r "$repo" "$@"
	}
	fails "the clock is decades slow" early <"$tmp/four"
	like "... which is an error" "$(cat "$out")" \
		"^ducc-gc: repository $repo: the clock, 1973-03-03T09:46:40Z, is earlier than the publication of localhost/[a-z]*:latest, 20.*; nothing is changed"
	is "... none is scheduled" "$(scheduled)" ""
	ok "... then the clock is right" gc 0 <"$tmp/four"
	ok "... twice" gc 0 <"$tmp/three"
	is "... nothing is removed" "$(scheduled)$(content)" "$(names five four | sort)$(cat "$tmp/before")"
	fails "... with a schedule, the clock is slow again" early <"$tmp/three"
	is "... the schedule stays" "$(scheduled)" "$(names five four | sort)"
	fails "... a far leap forward" gc 1000 <"$tmp/three"
	like "... removes no more than a share" "$(cat "$out")" "^ducc-gc: repository $repo: 2 of 5 images would be removed, more than 10 percent: "
	ok "... all is wanted" gc 0 -a
	is "... which is said" "$(sort "$out")" "ducc-gc: warning: localhost/five:latest: wanted again
ducc-gc: warning: localhost/four:latest: wanted again"
	is "... nothing is scheduled" "$(scheduled)" ""
	ok "... one, when the clock is fast" gc 999 <"$tmp/four"
	ok "... that is right again" gc 1 <"$tmp/four"
	ok "... a month later" gc 30 <"$tmp/four"
	is "... begins its grace period then" "$(scheduled)$(content)" "$(names five)$(cat "$tmp/before")"
	ok "... and ends it" gc 40 -a

	# Patterns
	printf 'localhost/%s:l*\n' one two three four five >"$tmp/patterns"
	ok "what a pattern matches is wanted" gc 40 -g 0 <"$tmp/patterns"
	is "... nothing is removed" "$(cat "$out")" ""
	ok "one is scheduled" gc 40 <"$tmp/four"
	ok "... and is matched by a pattern when its time has come" gc 70 <"$tmp/patterns"
	is "... it is not removed" "$(cat "$out")" ""
	is "... and still on the schedule" "$(scheduled)" "$(names five)"
	ok "... from which it is taken" gc 70 -a
	ok "only a pattern to keep" gc 70 -f -g 0 --keep 'localhost/one:l*'
	is "... keeps all others, too, which is said" "$(cat "$out")" \
		"ducc-gc: warning: only wildcards are to be kept: all other images stay as they are"

	# A tag that moves
	publish "$tmp/moved" >"$tmp/record"
	cat "$tmp/moved" "$tmp/records" "$tmp/all" | grep -v '^$' | awk -F'[/@]' '!seen[$4]++' >"$tmp/now"
	ok "a tag has moved: -a" gc 120 -a
	content >"$tmp/before"
	ok "... its old tree is there for a while" gc 149 -a
	is "... nothing has changed" "$(content)" "$(cat "$tmp/before")"
	ok "... and then it goes" gc 150 -a
	is "... its layers are the new one's as well" "$(sed 's,/.*,,' "$out")" .flat
	ok "... all of it, and nothing else" as_published "$tmp/now"
	ok "... and the repository is sound" sound_repository

	# Two names of one image
	publish "$tmp/other" >"$tmp/record"
	names one other three four five >"$tmp/wanted"
	ok "one of two names is not wanted" gc 160 -g 0 <"$tmp/wanted"
	is "... only that goes" "$(cat "$out")" "$(names two)"
	grep -v /two: "$tmp/now" | cat - "$tmp/other" >"$tmp/records"
	is "... also from Podman's list" "$(podman_names)" "$(names one other three four five | sort)"
	ok "... and the image stays" test -e "$R/localhost/other:latest/app/name"

	# Deleted in its registry
	names one other three four five >"$tmp/wanted"
	printf 'localhost/other:*\nlocalhost/other:latest\tevent=delete\n' >>"$tmp/wanted"
	ok "one is wanted, but was deleted in its registry" gc 161 -g 0 <"$tmp/wanted"
	is "... it goes" "$(head -n 1 "$out")" "$(names other)"

	# Only some
	publish "$tmp/all" >"$tmp/record"
	new_repository
	publish "$tmp/all" >"$tmp/record"
	content >"$tmp/before"
	printf 'localhost/five:latest\tevent=delete\n' >"$tmp/event"
	ok "only one that was deleted is listed: it is scheduled" gc 0 <"$tmp/event"
	is "... and no other" "$(scheduled)" "$(names five)"
	printf 'localhost/five:latest\tevent=remove\n' >"$tmp/typo"
	fails "another event is not taken for an image to keep" gc 0 -f -g 0 <"$tmp/typo"
	like "... but refused" "$(cat "$out")" '^ducc-gc: localhost/five:latest: unknown event: remove$'
	ok "-n tells what would be removed" gc 1 -n --remove localhost/four:latest
	like "... that one" "$(cat "$out")" "localhost/four:latest: would be removed"
	fails "an image to remove has another digest" gc 1 --remove "localhost/four:latest@sha256:$(pinned "$(cat "$tmp/moved")")"
	like "... and is not there" "$(cat "$out")" "not published: http://localhost/four:latest@sha256:"
	is "... nothing was removed" "$(content)" "$(cat "$tmp/before")"
	fails "too many to remove" gc 1 --remove <"$tmp/three"
	is "... are refused, by name" "$(cat "$out")" \
		"ducc-gc: repository $repo: 3 of 5 images would be removed, more than 10 percent: localhost/one:latest, localhost/three:latest, localhost/two:latest; nothing is changed (if that is intended, use -m 60)"
	fails "... in a dry run, too" gc 1 -n --remove <"$tmp/three"
	is "... which names them before" "$(sed -n 's/: would be removed, not wanted.*//p' "$out" | grep -v ' \.')" \
		"$(printf 'ducc-gc: localhost/%s:latest\n' one three two)"
	like "... and that it would be refused" "$(tail -n 1 "$out")" \
		" more than 10 percent: .*; nothing would be changed \(if that is intended, use -m 60\)$"
	ok "with a grace period, one to remove" gc 1 -g 7 --remove localhost/three:latest
	is "... is scheduled" "$(scheduled)" "$(names five three)"
	is "... and stays" "$(content)" "$(cat "$tmp/before")"
	names two three five >"$tmp/more"
	fails "another one and those on the schedule are too many" gc 2 -m 40 --remove <"$tmp/more"
	like "... to be removed at once" "$(cat "$out")" "3 of 5 images would be removed, more than 40 percent: .*; nothing is changed .*use -m 60\)$"
	fails "... also if they are only not to be kept" gc 2 -g 0 -m 20 --keep localhost/one:latest localhost/two:latest localhost/four:latest
	like "... whether they are on the schedule or not" "$(cat "$out")" "2 of 5 images would be removed, more than 20 percent"
	is "... and all stay" "$(content)" "$(cat "$tmp/before")"
	fails "two are removed, and one that is not there" gc 2 --remove localhost/two:latest localhost/none:latest localhost/four:latest
	like "... which is said" "$(cat "$out")" "not published: http://localhost/none:latest$"
	grep -v '/two:\|/four:' "$tmp/all" >"$tmp/records"
	ok "... all of them, and nothing else" as_published "$tmp/records"
	is "... the others stay on the schedule" "$(scheduled)" "$(names five three)"
	ok "... and the repository is sound" sound_repository
	ok "... after its grace period" gc 8 -g 7 --remove localhost/three:latest
	grep -v '/two:\|/four:\|/three:' "$tmp/all" >"$tmp/records"
	ok "... goes" as_published "$tmp/records"
	ok "one that was deleted goes in its time" gc 30 <"$tmp/event"
	grep '/one:' "$tmp/all" >"$tmp/records"
	ok "... too" as_published "$tmp/records"
	ok "the last one" gc 30 --remove localhost/one:latest
	is "... leaves nothing" "$(cd "$R" && ls)$(scheduled)" podmanStore
	grep -v /two: "$tmp/all" | publish - >"$tmp/record"
	publish "$tmp/other" >"$tmp/record"

	# An image of the original's: no listings
	base=$(readlink -f "$R")
	find "$base/.layers" "$base/.metadata" -name '*.mtree' -exec rm {} +
	ok "images of the original ducc: scheduled" gc 100 -f <"$tmp/three"
	ok "... and removed" gc 130 -f <"$tmp/three"
	is "... by name" "$(grep -c '^localhost' "$out")" 3
	ok "... what is wanted is there" test -e "$R/localhost/one:latest/app/name" -a -e "$R/localhost/three:latest/app/name"
	is "... and their metadata" "$(ls "$R/.metadata/localhost")" "one:latest
three:latest"
	echo '[{"tag":"x"}]' >"$(readlink -f "$R")/.metadata/remove-schedule.json"
	ok "a schedule of the original's is no obstacle" gc 131 -v <"$tmp/three"
	like "... and said to be none of ours" "$(cat "$out")" "not written by ducc"
	echo '{}' >"$(readlink -f "$R")/.metadata/localhost/three:latest/manifest.json"
	ok "a manifest that can't be read" gc 132 -f -g 0 -v --keep localhost/one:latest localhost/two:latest
	like "... keeps all layers" "$(cat "$out")" "no layer is removed"
	is "... indeed" "$(grep -c '^\.layers' "$out")" 0

	# What is left in Podman's store
	new_repository
	publish "$tmp/all" >"$tmp/record"
	base=$(readlink -f "$R")
	orphans() {
		ducc-check -r "$repo" | grep '^orphan' | cut -f 3 | sort
	}
	in_store() {
		(cd "$R" && ls -d podmanStore/overlay-images/* podmanStore/overlay/* podmanStore/overlay/l/* | sort)
	}
	rm "$base/podmanStore/overlay-images/images.json" "$base/podmanStore/overlay-layers/layers.json"
	in_store >"$tmp/before"
	ok "Podman's lists are lost" gc 0 -a
	is "... nothing goes" "$(in_store)" "$(cat "$tmp/before")"
	publish "$tmp/moved" >"$tmp/record"
	is "... they are begun anew" "$(podman_names)" "$(names one)"
	ok "an image that is not there any longer is removed" gc 0 --remove localhost/two:latest
	# Podman makes directories before it lists them.
	base=$(readlink -f "$R")
	other=overlay/$(printf %064d 7)
	mkdir -p "$base/podmanStore/$other/diff" "$base/podmanStore/overlay-images/other"
	ln -s "../${other#*/}/diff" "$base/podmanStore/overlay/l/OTHER"
	orphans >"$tmp/orphans"
	grep -v '/other$\|/OTHER$\|/0*7$' "$tmp/orphans" >"$tmp/remains"
	in_store | comm -23 - "$tmp/remains" >"$tmp/stay"
	like "... what is left of it is reported" "$(cat "$tmp/orphans")" "^podmanStore/overlay-images/[0-9a-f]{64}$"
	is "... once" "$(uniq -d "$tmp/orphans")" ""
	gc 0 --remove localhost/none:latest >"$out" 2>&1 || :
	is "... and stays when others are to be removed" "$(orphans)" "$(cat "$tmp/orphans")"
	ok "... -n says that it would go" gc 0 -n -a -v
	like "... how much" "$(cat "$out")" "ducc-gc: $repo: [0-9]+ paths in podmanStore that are in no list would be removed"
	ok "... it goes" gc 0 -a -v
	like "... as is said" "$(cat "$out")" "ducc-gc: $repo: removing [0-9]+ paths in podmanStore that are in no list"
	is "... but nothing else: what is published, and not listed again yet; another program's" "$(in_store)" "$(cat "$tmp/stay")"
	base=$(readlink -f "$R")
	rm -r "$base/podmanStore/$other" "$base/podmanStore/overlay-images/other" "$base/podmanStore/overlay/l/OTHER"
	grep -v '/one:\|/two:' "$tmp/all" | cat "$tmp/moved" - >"$tmp/now"
	ok "... which is repaired" ducc-publish -q -f -s "$S" -r "$repo" <"$tmp/now"
	(
		cd "$(readlink -f "$R")"
		flat=$(readlink localhost/five:latest | sed 's,.*[.]flat/,,')
		rm -r localhost/five:latest .metadata/localhost/five:latest ".flat/$flat" ".metadata/.flat/$flat.mtree"
	)
	ok "an image whose files and documents are lost" gc 0 -a -g 0
	is "... leaves the list" "$(podman_names)" "$(names four one three)"
	is "... and no remains" "$(orphans)" ""
	grep -v '/five:' "$tmp/now" >"$tmp/records"
	ok "... at all" as_published "$tmp/records"
	base=$(readlink -f "$R")
	flat=$(readlink "$base/localhost/four:latest" | sed 's,.*[.]flat/,,')
	rm -r "$base/.metadata/localhost/four:latest/manifest.json" "$base/.flat/$flat"
	ok "an image whose manifest and flat tree are lost" gc 0 --remove localhost/four:latest
	is "... goes with its documents" "$(cd "$R/" && find .metadata localhost -path '*four*' -o -path "*$flat*")" ""

	# Several manifests of one config
	new_repository
	corpus "$tmp/twins"
	twin gzip gzip
	twin zstd zstd
	twin annotated gzip '.annotations = {a: "1"}'
	ready "oci:$tmp/twins:gzip" "oci:$tmp/twins:zstd" "oci:$tmp/twins:annotated" >"$tmp/twins.records"
	publish "$tmp/twins.records" >"$tmp/record"
	is "manifests of one config are images of their own" "$(twins)" "[\"localhost/annotated:latest\"]
[\"localhost/gzip:latest\"]
[\"localhost/zstd:latest\"]"
	ok "one goes, another has its layers" gc 0 --remove localhost/gzip:latest
	is "... it leaves Podman's list" "$(twins)" "[\"localhost/annotated:latest\"]
[\"localhost/zstd:latest\"]"
	no_differences "$repo"
	ok "the other one goes, with these layers" gc 0 --remove localhost/annotated:latest
	is "... it leaves Podman's list" "$(twins)" '["localhost/zstd:latest"]'
	no_differences "$repo"
	corpus "$tmp/twins"
	twin zstd gzip
	ready "oci:$tmp/twins:zstd" | publish - >"$tmp/record"
	ok "a tag is pushed again, compressed in another way" gc 0 -a
	is "... what it was is there without a name" "$(twins)" '["localhost/zstd:latest"]
[]'
	no_differences "$repo"
	base=$(readlink -f "$R")
	lost=$(jq -r '.remove[].path' "$base/.metadata/remove-schedule.json")
	cp -a "$base" "$tmp/earlier"
	ok "... for its grace period" gc 30 -a
	is "... then it goes" "$(cat "$out") $(twins)" "$lost [\"localhost/zstd:latest\"]"
	no_differences "$repo"
	# Earlier versions removed the layers only.
	base=$(readlink -f "$R")
	chmod -R u+w "$base" "$tmp/earlier"
	rm -r "$base"
	mv "$tmp/earlier" "$base"
	rm -r "${base:?}/$lost"
	ok "an image of Podman's without its layers" gc 1 -a
	is "... goes, too" "$(twins)" '["localhost/zstd:latest"]'
	no_differences "$repo"
	publish "$tmp/twins.records" >"$tmp/record"
	base=$(readlink -f "$R")/podmanStore
	for list in overlay-images/images overlay-layers/layers; do
		jq -c '.[-1:]' "$base/$list.json" >"$tmp/list"
		cp "$tmp/list" "$base/$list.json"
	done
	(cd "$base" && find overlay | sort) >"$tmp/before"
	ok "one is listed, others of its config are not" gc 1 -a
	is "... what belongs to these stays" "$(cd "$R/podmanStore" && find overlay | sort)" "$(cat "$tmp/before")"

	# Broken off
	new_repository
	publish "$tmp/all" >"$tmp/record"
	gc 0 -q -f <"$tmp/three"
	cp -a "$tmp/sys" "$tmp/base"
	[ $kind = cvmfs ] || cp -a "$R" "$tmp/base.directory"
	rewind() {
		wait_for rm -rf "${tmp:?}/sys" 2>/dev/null
		cp -a "$tmp/base" "$tmp/sys"
		[ $kind = cvmfs ] || { chmod -R u+rwX "$R"; rm -rf "$R"; cp -a "$tmp/base.directory" "$R"; }
	}
	finish() {
		gc 40 -m 40 <"$tmp/three" && sound_repository && as_published "$tmp/remaining"
	}
	anything() {
		[ -e "$R/localhost/one:latest/app/name" ] && [ -e "$R/localhost/three:latest/app/name" ]
	}
	grep -v '/f[a-z]*:' "$tmp/all" >"$tmp/remaining"
	# shellcheck disable=SC2046 # words
	seconds=$(DUCC_CLOCK=$((start + 40 * day)) duration ducc-gc -s "$S" -r "$repo" -q -m 40 --keep $(cat "$tmp/three"))
	ok "two are removed" as_published "$tmp/remaining"
	# shellcheck disable=SC2046 # words
	wrecks "$seconds" $((kills / 4)) rewind anything finish env DUCC_CLOCK=$((start + 40 * day)) \
		ducc-gc -s "$S" -r "$repo" -q -m 40 --keep $(cat "$tmp/three")
	is "ducc-gc: killed, run again, $killed times: all is removed" "$(cat "$wrong")" ""
	if [ $kind = cvmfs ]; then
		rewind
		CVMFS_STANDIN_FAIL=full fails "no room to remove the trees" gc 40 -m 40 <"$tmp/three"
		like "... is said" "$(cat "$out")" "[Nn]o space left"
		ok "... the names are gone" test ! -L "$R/localhost/four:latest"
		ok "... and the next run finishes" finish
		rewind
		cvmfs_server transaction "$repo"
		fails "somebody else has a transaction open" gc 40 -m 40 -w 1 <"$tmp/three"
		like "... is said" "$(cat "$out")" "another transaction is open"
		cvmfs_server abort -f "$repo"
		through_gateway "$repo"
		ok "through a gateway" finish
	fi

	# At the same time: what is published has all that it needs
	: >"$wrong"
	for i in $(seq $((kills / 8))); do
		rewind
		# -f: if it comes second, much is wanted no longer that was published just now.
		gc 40 -f <"$tmp/three" >"$tmp/gc.out" 2>&1 &
		gc_pid=$!
		read -r moment <&5
		perl -e 'select undef, undef, undef, shift' "$(echo "$moment $seconds" | awk '{ print $1 * $2 }')"
		publish_again >"$out" 2>&1 || cat "$out" >>"$wrong"
		wait $gc_pid || cat "$tmp/gc.out" >>"$wrong"
		publish_again >"$out" 2>&1 || cat "$out" >>"$wrong"
		as_published "$tmp/all" >>"$wrong" || echo "try $i, at $moment" >>"$wrong"
		sound_repository >>"$wrong" 2>&1 || echo "try $i, at $moment: not sound" >>"$wrong"
	done
	is "published while they are removed: all of it is there" "$(cat "$wrong")" ""
	rm -rf "$tmp"/base*
done

# The store
repo=$tmp/repo R=$tmp/repo kind=directory
new_repository
cat "$tmp/all" "$tmp/moved" | publish - >"$tmp/record"
now=$(date +%s)
clean() { # DAYS-FROM-NOW OPTION...
	clean_day=$1
	shift
	DUCC_CLOCK=$((now + clean_day * day)) ducc-gc --clean-store -s "$S" -r "$repo" "$@"
}
stored() {
	(cd "$S" && find blobs layers images -type f | sort)
}
ducc-fetch -q -s "$S" "oci:$tmp/later:moved" >"$tmp/waiting"
stored >"$tmp/before"
ok "the store: what is young" clean 10
is "... stays" "$(stored)" "$(cat "$tmp/before")"
is "... and why" "$(cat "$out")" "ducc-gc: nothing that can be removed from the store is older than 30 days (see -g)"
is "... or another number of days" "$(clean 0 -g 1 2>&1)" "ducc-gc: nothing that can be removed from the store is older than 1 day (see -g)"
is "... which -q leaves out" "$(clean 10 -q 2>&1)" ""
ok "-n says what would go" clean 31 -n -g 30
like "... with its size" "$(cat "$out")" "[0-9]+ of [0-9]+ bytes would be removed"
is "... and nothing goes" "$(stored)" "$(cat "$tmp/before")"
touch -d "@$((now + 20 * day))" "$S"/blobs/sha256/"$(pinned "$(cat "$tmp/waiting")")"
ok "what is published and old goes" clean 31
is "... all layers but those that wait to be published" "$(find "$S/layers" -type f | wc -l)" "$(
	ducc-unpack -n -s "$S" <"$tmp/waiting" >/dev/null 2>&1
	find "$S/layers" -type f | wc -l
)"
ok "... which can be" sh -c 'ducc-unpack -q -s "$1" <"$2" | ducc-publish -q -s "$1" -r "$3"' - "$S" "$tmp/waiting" "$repo"
ok "... the store is sound" sound "$S"
stored >"$tmp/before"
mkdir "$tmp/hollow"
for absent in nowhere.example.org "$tmp/nowhere" "$tmp/hollow"; do
	fails "a repository that cannot be found, $absent" ducc-gc --clean-store -g 0 -s "$S" -r "$absent"
	like "... is named" "$(cat "$out")" "^ducc-gc: repository $absent( is not mounted here | does not exist$|: nothing is published in it)"
done
is "... nothing goes" "$(stored)" "$(cat "$tmp/before")"
grep -v /one: "$tmp/all" >"$tmp/records"
ok "what is published is still known not to have changed" publish "$tmp/records"
is "... by its manifest" "$(cat "$out")" "$(sed 's/$/	state=unchanged/' "$tmp/records")"
is "... there are layers" "$(find "$S/layers" "$S/blobs" -type f -size +60k | wc -l)" 3
ok "a store that is too large" clean 1 -M 1K
is "... loses them" "$(find "$S/layers" "$S/blobs" -type f -size +60k | wc -l)" 0
like "... and says what is left" "$(cat "$out")" "warning: .*still [0-9]+ bytes"
rm -rf "${repo:?}" "$S/tmp"
mkdir -p "$repo/.metadata" # on purpose
ok "what is not published goes when it is old" clean 400 -g 365
is "... all of it" "$(stored)" ""
ok "... from index.json too" jq -e '.manifests == []' "$S/index.json"
ok "it can be fetched and published again" main_job "$S" "$repo" "oci:$L:one" "oci:$L:two"

no_differences "$repo"

done_testing
