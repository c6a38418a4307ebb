#!/bin/sh
# Text from outside ends in an error that names the field, or in the escape of a format: every field that ducc reads times
# every evil that a text can hold, through all tools, into a directory and into CernVM-FS. Nothing of another name suffers.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need jq nginx

evil=$tmp/evil
work=$tmp/work		# what this test itself writes
S=$tmp/in/store
cwd=$tmp/in/a/b/c/d	# so deep that ../../x stays in it
mkdir -p "$evil" "$work" "$cwd" "$tmp/in/outside"
echo alive >"$tmp/in/outside/canary"
tab=$(printf '\t')

run() { timeout 300 "$@"; }

# silent COMMAND...: it says nothing but comments, and succeeds.
silent() {
	"$@" >"$work/amiss" 2>&1 || { cat "$work/amiss"; return 1; }
	grep '^#' "$work/amiss" || :
}

# check TITLE COMMAND...: of check-evil; what it counts is said.
check() {
	check_title=$1
	shift
	ok "$check_title" silent "$top/t/check-evil" "$@"
	grep '^#' "$out" || :
}

# stage TOOL CASES IN OUT [OPTION...]: run a tool of the pipeline on all records at once. $all may be `all`.
all=
stage() {
	stage_tool=$1 stage_cases=$2 stage_in=$3 stage_out=$4
	shift 4
	stage_status=0
	(cd "$cwd" && run "$stage_tool" -s "$S" -N "$work/events" "$@" <"$stage_in" >"$stage_out" 2>"$stage_out.err") ||
		stage_status=$?
	check "$kind: $stage_tool${all:+ -a}: a record or an error for each${all:+ platform}" stage "$stage_tool" "$stage_cases" \
		"$stage_in" "$stage_out" "$stage_out.err" $stage_status $all
}

# What belongs to others in the repository: types, modes, contents, targets and times.
of_others() {
	(
		cd "$R"
		for name in localhost/victim localhost/second; do
			config=$(digest_of ".metadata/$name/app:v1/config.json")
			config=${config#sha256:}
			xx=$(echo "$config" | cut -c-2)
			set -- "$@" $name ".metadata/$name" ".flat/$xx/$config" ".metadata/.flat/$xx/$config.mtree" \
				"podmanStore/overlay-images/$config"
			for layer in $(jq -r '.layers[].digest[7:]' ".metadata/$name/app:v1/manifest.json"); do
				set -- "$@" ".layers/$(echo "$layer" | cut -c-2)/$layer"
			done
		done
		find "$@" -printf '%p %y %m %U %G %s %T@ %l\n' | sort
		find "$@" -type f -exec sha256sum {} + | sort
	)
}

# Everything beside store, repository, and what this test writes.
outside() {
	find "$tmp" -path "$S" -prune -o -path "$tmp/in/repo" -prune -o -path "$tmp/sys" -prune -o -path "$work" -prune -o -path "$evil" -prune -o \
		-path "$tmp/nginx*" -prune -o -path "$tmp/raw*" -prune -o ! -name .out ! -path "$tmp" ! -name .secrets -printf '%p %y %m %s %T@ %l\n' | sort
}

unharmed() {
	of_others >"$work/others"
	diff "$work/others.before" "$work/others" || return 1
	outside >"$work/outside"
	diff "$work/outside.before" "$work/outside"
}

sound_events() {
	[ "$(wc -l <"$work/events")" = "$(jq -c 'select(type == "object" and all(.[]; type == "string"))' "$work/events" | wc -l)" ] || return 1
	jq -r '.image // empty' "$work/events" | sort -u | grep -vE '^[a-z0-9.:]+/[a-z0-9/._-]+:[A-Za-z0-9._-]+$' && return 1
	! grep -q intruder "$work/events"
}

sound_schedule() {
	[ ! -e "$R/.metadata/remove-schedule.json" ] ||
		jq -e '.version == 1 and (.remove | type == "array")' "$R/.metadata/remove-schedule.json"
}

# Podman reads all of its lists or none.
sound_podman() {
	jq -r '.[].names[]' "$R/podmanStore/overlay-images/images.json" | sort -u >"$work/podman"
	{ cut -f 1 "$@" | sed 's|^[a-z]*://||; s|@.*||'; printf 'localhost/%s/app:v1\n' victim second; } | sort -u | comm -23 "$work/podman" - |
		grep . && return 1
	jq -e 'all(.created | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$"))' "$R/podmanStore/overlay-images/images.json"
}

# pass FROM TO: records FROM unpacked and published as TO.
pass() {
	stage ducc-unpack "$evil/images/cases" "$1" "$2.unpacked" -r "$to"
	stage ducc-publish "$evil/images/cases" "$2.unpacked" "$2" -r "$to" -b 100000
}

# whole_pipeline KIND REPOSITORY DIRECTORY: all images into it.
whole_pipeline() {
	kind=$1 to=$2 R=$3
	W=$work/$kind
	mkdir "$W"
	rm -rf "$S" "$work/events"
	ok "$kind: what must not suffer is published" main_job "$S" "$to" "oci:$evil/victim" "oci:$evil/second"
	sed -n 's/^\(f[^	]*\)	\([^	]*\) of the second platform	.*/oci:\1.first/p' "$evil/images/cases" | sed "s|:|:$evil/images/|" >"$W/first"
	run ducc-fetch -s "$S" <"$W/first" | run ducc-unpack -s "$S" | run ducc-publish -s "$S" -r "$to" -b 1000 >"$W/first.published"
	is "$kind: ... and what has a name for another platform" "$(wc -l <"$W/first.published")" "$(wc -l <"$W/first")"
	of_others >"$work/others.before"
	outside >"$work/outside.before"

	stage ducc-fetch "$evil/images/cases" "$work/images" "$W/fetched"
	pass "$W/fetched" "$W/published"
	check "$kind: each image is published, or refused" outcome "$evil/images/cases" "$W/published" \
		"$W/fetched.refused" "$W/published.unpacked.refused" "$W/published.refused"
	all=all
	stage ducc-fetch "$evil/images/cases" "$work/indexes" "$W/platforms" -a
	pass "$W/platforms" "$W/platforms.published"
	all=
	cat "$W/published" "$W/platforms.published" "$W/first.published" >"$W/everything"
	check "$kind: the repository holds what was published, and nothing else" repository "$R" "$evil/images/cases" "$W/everything" \
		localhost/victim/app:v1 localhost/second/app:v1
	ok "$kind: ... Podman's lists too" sound_podman "$W/everything"
	ok "$kind: nothing of another name is touched" unharmed

	stage ducc-thin "$evil/images/cases" "$W/published" "$W/thin" -r "$to" -o "$W/thin.layout"
	# The field thin is the name there, but nobody set one.
	{ cut -f 1 "$W/everything" | sed 's|^[a-z]*://||; s|@.*||'; } | sort -u >"$W/names"
	is "$kind: thin images have the names of what they are made of" \
		"$(jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' "$W/thin.layout/index.json" | sort -u | comm -23 - "$W/names")" ""

	ok "$kind: ducc-gc -a finds all that is wanted" run ducc-gc -a -g 0 -N "$work/events" -r "$to"
	is "$kind: ... and removes nothing that has a name" "$(grep -v '^\.layers/\|^\.flat/' "$out" || :)" ""
	ok "$kind: ... the schedule can be read" sound_schedule
	check "$kind: ... the repository holds what it held" repository "$R" "$evil/images/cases" "$W/everything" \
		localhost/victim/app:v1 localhost/second/app:v1
	ok "$kind: ducc-gc removes all but the good ones" run ducc-gc -f -g 0 -N "$work/events" -r "$to" localhost/victim/app:v1 localhost/second/app:v1
	: >"$work/nothing"
	check "$kind: ... of the others nothing is left" repository "$R" "" "$work/nothing" localhost/victim/app:v1 localhost/second/app:v1
	ok "$kind: ... Podman's lists have nothing else either" sound_podman "$work/nothing"
	ok "$kind: ... the schedule can be read" sound_schedule
	ok "$kind: nothing of another name is touched by all that" unharmed
	ok "$kind: each event is one object in a line of its own" sound_events
	ok "$kind: the store is sound" sound "$S"
}

for i in images notifications lists records environment good spoof; do
	"$top/t/mkevil" $i "$evil/$i"
done
mv "$evil/good/victim" "$evil/good/second" "$evil/"
sed -n "s|^\(f[^${tab}]*\)${tab}docker-archive.*|docker-archive:$evil/images/\1.tar${tab}case=\1|p
	s|^\(f[^${tab}]*\)${tab}.*|oci:$evil/images/\1${tab}case=\1|p" "$evil/images/cases" | awk -F '\t' '!seen[$2]++' >"$work/images"
awk -F '\t' 'FNR == NR { if ($2 ~ /^index /) wanted["case=" $1] = 1; next } $2 in wanted' "$evil/images/cases" "$work/images" >"$work/indexes"

whole_pipeline directory "$tmp/in/repo" "$tmp/in/repo"
stand_in
cvmfs_server mkfs evil.example.org
NO_XATTR=1
export NO_XATTR
whole_pipeline CernVM-FS evil.example.org "$tmp/sys/cvmfs/evil.example.org"

done_testing
