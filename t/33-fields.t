#!/bin/sh
# Text from outside ends in an error that names the field, or in the escape of a format: every field that ducc reads times
# every evil that a text can hold, through all tools, into a directory and into CernVM-FS. Nothing of another name suffers.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl jq
EVIL_STEP=${EVIL_STEP:-$(amount 8 1 12)} EVIL_FIRST=$(amount 0 0 5)
export EVIL_STEP EVIL_FIRST

evil=$tmp/evil
work=$tmp/work		# what this test itself writes
S=$tmp/in/store
cwd=$tmp/in/a/b/c/d	# so deep that ../../x stays in it
mkdir -p "$evil" "$work" "$cwd" "$tmp/in/outside"
echo alive >"$tmp/in/outside/canary"
NO_XATTR= # set where files cannot have them
export NO_XATTR
setfattr -n user.x -v x "$tmp/in/outside" 2>/dev/null || NO_XATTR=1
tab=$(printf '\t')

patience=$(amount 300 3000)
run() { timeout "$patience" "$@"; }

run_with() { # FILE COMMAND...
	run_input=$1
	shift
	run "$@" <"$run_input"
}

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
	case $stage_tool in
	several_fetches)
		stage_tool=ducc-fetch
		set -- several_fetches "$@"
		;;
	*) set -- run "$stage_tool" "$@" ;;
	esac
	(cd "$cwd" && "$@" -s "$S" -N "$work/events" <"$stage_in" >"$stage_out" 2>"$stage_out.err") ||
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
	jq -r '.image // empty' "$work/events" | sort -u >"$work/event-names"
	! grep -v '^localhost/evil/f[0-9]*-e[0-9]*:v1$' "$work/event-names" | grep -v '^localhost/\(victim\|second\)/app:v1$'
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
	# Removing thousands of trees takes the stand-in minutes.
	if [ "$kind" = directory ]; then : >"$W/wanted"; else grep -v "/evil/f...-e01:" "$W/everything" >"$W/wanted"; fi
	{ cat "$W/wanted"; printf 'localhost/%s/app:v1\n' victim second; } >"$W/list"
	ok "$kind: ducc-gc removes what nobody wants" run_with "$W/list" ducc-gc -f -g 0 -N "$work/events" -r "$to"
	check "$kind: ... and nothing of it is left" repository "$R" "$evil/images/cases" "$W/wanted" localhost/victim/app:v1 localhost/second/app:v1
	ok "$kind: ... Podman's lists have nothing else either" sound_podman "$W/wanted"
	ok "$kind: ... the schedule can be read" sound_schedule
	ok "$kind: nothing of another name is touched by all that" unharmed
	ok "$kind: each event is one object in a line of its own" sound_events
	ok "$kind: the store is sound" sound "$S"
}

# several_fetches OPTION...: since much of it is waiting before the next try.
several_fetches() {
	split -n r/12 - "$work/part."
	for part in "$work"/part.??; do
		(run ducc-fetch "$@" <"$part" || echo $? >"$part.status") &
		parts="${parts-} $!"
	done
	# shellcheck disable=SC2086 # a list of numbers
	wait $parts
	return "$(cat "$work"/part.*.status | sort -n | tail -1)"
}

# each_case DIR COMMAND...: once for each case, which is DIR/ID in $case, on its standard input.
each_case() {
	each_dir=$1
	shift
	for case in "$evil/$each_dir"/f*; do
		each_status=0
		(cd "$cwd" && "$@") <"$case" >"$work/$each_dir/${case##*/}.out" 2>"$work/$each_dir/${case##*/}.err" || each_status=$?
		echo $each_status >"$work/$each_dir/${case##*/}.status"
	done
}

with_variable() { # of which the case says the value
	field=$(sed -n "s/^${case##*/}$tab\([^$tab]*\).*/\1/p" "$evil/environment/cases")
	value=$(cat "$case"; echo x)
	case $field in
	DUCC_REPO) echo 'http://localhost/evil/x:v1' | env "$field=${value%x}" ducc-wish ;;
	DUCC_STORE) env "$field=${value%x}" ducc-fetch "oci:$evil/second" ;;
	DUCC_OUTPUT_REGISTRY_USER)
		echo "http://localhost/second/app:v1${tab}thin=http://$server/thin/x:v1" |
			env "$field=${value%x}" DUCC_OUTPUT_REGISTRY_PASS=x ducc-thin -r "$tmp/in/repo"
		;;
	*) echo '{"events":[]}' | env "$field=${value%x}" ducc-hook ;;
	esac
}

for i in images notifications lists records repositories environment good spoof; do
	"$top/t/mkevil" $i "$evil/$i"
done
mv "$evil/good/victim" "$evil/good/second" "$evil/"
sed -n "s|^\(f[^${tab}]*\)${tab}docker-archive.*|docker-archive:$evil/images/\1.tar${tab}case=\1|p
	s|^\(f[^${tab}]*\)${tab}.*|oci:$evil/images/\1${tab}case=\1|p" "$evil/images/cases" | awk -F '\t' '!seen[$2]++' >"$work/images"
awk -F '\t' 'FNR == NR { if ($2 ~ /^index /) wanted["case=" $1] = 1; next } $2 in wanted' "$evil/images/cases" "$work/images" >"$work/indexes"

whole_pipeline directory "$tmp/in/repo" "$tmp/in/repo"
to=$tmp/in/repo
kind=directory

# Answers
start_raw "$tmp/raw"
outside >"$work/outside.before"
"$top/t/mkevil" answers "$raw" "$server"
mv "$raw/cases" "$evil/answers"
sed -n "s|^\(f[^$tab]*\)$tab.*|http://$server/evil/\1:v1${tab}case=\1|p" "$evil/answers" >"$work/answers"
kind=answers
stage several_fetches "$evil/answers" "$work/answers" "$work/answers.fetched"
check 'answers: each image comes, or is refused' outcome "$evil/answers" "$work/answers.fetched" "$work/answers.fetched.refused"
"$top/t/mkevil" tags "$raw" "$server"
sed -n "s|^\(f[^$tab]*\)$tab.*|http://$server/evil/\1:*${tab}case=\1|p" "$raw/cases" >"$work/tags"
tags_status=0
run ducc-wish <"$work/tags" >"$work/tags.out" 2>"$work/tags.err" || tags_status=$?
is 'tags: ducc-wish fails where it does not know them' $tags_status 1
check 'tags: ... in lines that can be shown' errors "$work/tags.err"
is 'tags: ... and wants nothing that was not asked for' \
	"$(grep -v "^http://$server/evil/\(f...-e..\):\(good\|\*\)${tab}case=\1\(${tab}wildcard=yes\)\?\$" "$work/tags.out")" ""
is 'tags: ... but something for each' "$(cut -f 2 "$work/tags.out" | sort -u | wc -l)" "$(wc -l <"$work/tags")"

# Notifications and lists
mkdir "$work/notifications" "$work/lists" "$work/repositories" "$work/environment"
each_case notifications run ducc-hook
check 'notifications: a record or an error for each' answer "$evil/notifications/cases" "$work/notifications"
each_case lists run ducc-wish
check 'lists: records or errors for each' answer "$evil/lists/cases" "$work/lists"

# Records
cat "$evil/records"/f* >"$work/records"
for tool in ducc-unpack ducc-publish ducc-thin ducc-gc; do
	tool_status=0
	(cd "$cwd" && run "$tool" -s "$S" -r "$to" <"$work/records" >"$work/records.out" 2>"$work/records.err") || tool_status=$?
	is "records: $tool fails" $tool_status 1
	is "records: ... and passes on only what it was given" "$(grep -avxFf "$work/records" "$work/records.out")" ""
	[ $tool = ducc-thin ] || is "records: ... of that no image" "$(grep -a '^[^#]' "$work/records.out")" ""
	check 'records: ... in lines that can be shown' errors "$work/records.err"
done
ok 'answers, notifications, lists, records: nothing is touched' unharmed

each_case repositories run ducc-publish -s "$S"
check 'records: repo= is a directory, or refused' answer "$evil/repositories/cases" "$work/repositories"
is 'records: ... a directory has a slash' "$(find "$work/repositories" -name '*.out' -size +0 -exec sed -n 's/.*repo=\([^\t]*\).*/\1/p' {} + | grep -v /)" ""

# A name that a record gives to an image which came under another one.
spoof=$tmp/in/spoof
payload=$(cat "$evil/spoof/spoof.payload")
mkdir "$spoof"
refuses() { # TOOL RECORD
	refuses_status=0
	printf '%s\n' "$2" | run "$1" -s "$spoof/store" -r "$spoof/repo" >"$spoof/out" 2>"$spoof/err" || refuses_status=$?
	cat "$spoof/out" "$spoof/err"
	[ $refuses_status = 1 ] && [ ! -s "$spoof/out" ] && [ "$(wc -l <"$spoof/err")" = 1 ] &&
		grep -q "^$1: .*fetch" "$spoof/err" && [ ! -e "$spoof/repo/registry.hub.docker.com" ]
}
ok 'an image among whose layers another image is' ducc-fetch -s "$spoof/store" "oci:$evil/spoof/spoof"
ok '... whose blobs the store has now' test -e "$spoof/store/blobs/sha256/$payload"
for name in https://registry.hub.docker.com/library/debian:12 http://localhost/attacker/app:v1 http://localhost/attacker/app http://localhost/payload:latest; do
	for tool in ducc-unpack ducc-publish; do
		ok "$tool does not take that for $name" refuses $tool "$name@sha256:$payload${tab}platform=linux/amd64"
	done
done
ducc-fetch -q -s "$spoof/store" "oci:$evil/spoof/payload" | ducc-unpack -q -s "$spoof/store" >"$spoof/record"
is '... when it has come under its own name, that one is good' "$(cut -f 1 "$spoof/record")" "http://localhost/payload:latest@sha256:$payload"
for name in https://registry.hub.docker.com/library/debian:12 http://localhost/attacker/app:v1 http://localhost/payload:v2; do
	for tool in ducc-unpack ducc-publish; do
		ok "... and $name is not, to $tool" refuses $tool "$name@sha256:$payload${tab}platform=linux/amd64"
	done
done
ok '... which is published' ducc-publish -s "$spoof/store" -r "$spoof/repo" "$(cut -f 1 "$spoof/record")"
cp -r "$evil/victim" "$spoof/moving"
cp -r "$evil/second/blobs" "$spoof/moving/"
moving() { # IMAGE: the tag means that one from now on
	sed "s|$1/app:v1|moving/app:v1|" "$evil/$1/index.json" >"$spoof/moving/index.json"
	ducc-fetch -s "$spoof/store" "oci:$spoof/moving"
}
moving victim >"$spoof/kept"
moving second >"$spoof/newer"
is 'a tag moves' "$(cat "$spoof/kept" "$spoof/newer" | sort -u | wc -l)" 2
kept() { ducc-unpack -s "$spoof/store" <"$spoof/kept" | ducc-publish -s "$spoof/store" -r "$spoof/repo"; }
ok '... and a record that was kept is good still' kept
is '... for what it says' "$(cut -f 1 "$out")" "$(cut -f 1 "$spoof/kept")"

# Environment
each_case environment with_variable
check 'environment: a record or an error for each' answer "$evil/environment/cases" "$work/environment" 2
stop_server
stand_in
cvmfs_server mkfs evil.example.org
NO_XATTR=1 # which it does not keep

whole_pipeline CernVM-FS evil.example.org "$tmp/sys/cvmfs/evil.example.org"

done_testing
