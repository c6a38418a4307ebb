#!/bin/sh
# Whatever becomes of a file in the store, between any two tools: what is published is right, or nothing is and the file is
# named; and the next run mends the store and publishes it.
# DAMAGE_SEED repeats a run's choice, DAMAGES changes how many there are of them.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh source=trees.sh

if [ "$(id -u)" = 0 ]; then
	# shellcheck source=inside.sh
	. "${0%/*}/inside.sh"
fi
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
. "${0%/*}/trees.sh"
need docker-registry jq setpriv skopeo umoci zstd
[ "$(id -u)" = 0 ] || skip_all 'owners, devices and mounts need root'

seed=$(random_seed "${DAMAGE_SEED-}")
damages=${DAMAGES:-$(amount 24 9999 12)}
note "DAMAGE_SEED=$seed DAMAGES=$damages"
chmod 755 "$tmp"

# An index that leads to a manifest of Docker's, and layers with all that they may have of those below.
corpus "$tmp/oci"
image app <<-'L'
	layer
	dir d
	file d/x data=x
	file d/y data=y mode=4755
	dir e mode=700
	file e/old data=old
	file gone data=gone
	layer
	file d/.wh..wh..opq
	file d/z data=z
	file .wh.gone
	hard e/link to=e/old
	layer
	file e/f/new data=new
	sym e/s to=f/new
L
start_registry open
push "$tmp/oci:app" "$registry/app:plain" --format v2s2
plain=$(digest_at "$registry/app:plain")
jq -n --arg d "$plain" --argjson s "$(wc -c <"$tmp/manifest")" '{schemaVersion: 2,
	mediaType: "application/vnd.docker.distribution.manifest.list.v2+json", manifests: [{digest: $d, size: $s,
	mediaType: "application/vnd.docker.distribution.manifest.v2+json", platform: {os: "linux", architecture: "amd64"}}]}' \
	>"$tmp/index"
put_manifest "$registry" app 1 application/vnd.docker.distribution.manifest.list.v2+json "$tmp/index"
ref=$registry/app:1

# Everything runs as $user, 0 or another one, who needs a store and a repository of his own.
as_user() {
	if [ $user = 0 ]; then
		"$@"
	else
		setpriv --reuid $user --regid $user --clear-groups "$@"
	fi
}
fetch() { as_user "$bin/ducc-fetch" -s "$S" -p linux/amd64 "$ref"; }
unpack() { as_user "$bin/ducc-unpack" -s "$S"; }
publish() { as_user "$bin/ducc-publish" -s "$S" -r "$R"; }
thin() { as_user "$bin/ducc-thin" -s "$S" -r "$R" -o "$D/thin"; }
# succeeded: whether each of the last pipeline's tools did, which have written down their status.
step() { # COMMAND
	"$@" 2>>"$D/said" || echo "$1" >>"$D/failed"
}
start() {
	: >"$D/failed"
	: >"$D/said"
}
all() { start; step fetch | step unpack | step publish >"$D/done"; [ ! -s "$D/failed" ] && [ -s "$D/done" ]; }
from_unpack() { start; step unpack <"$base/record" | step publish >"$D/done"; [ ! -s "$D/failed" ] && [ -s "$D/done" ]; }
from_publish() { start; step publish <"$base/record" >"$D/done"; [ ! -s "$D/failed" ] && [ -s "$D/done" ]; }
from_thin() { start; step thin <"$base/published" >"$D/done"; [ ! -s "$D/failed" ] && [ -s "$D/done" ]; }

published() { # REPO: all that is there
	(
		cd "$1"
		find . \( -type d -printf '%p %y %m %U\n' \) -o -printf '%p %y %m %U %n %s %l\n' | sort
		find . -type f -exec sha256sum {} + | sort
	)
}
is_right() {
	published "$R" >"$D/got"
	diff "$base/want" "$D/got"
}
nothing_published() {
	[ -z "$(find "$R" -mindepth 1 ! -name '.transaction' 2>/dev/null)" ] || { find "$R"; return 1; }
}

# prepare DIR: a store that is fetched and unpacked, and what is published from it.
prepare() {
	base=$1
	mkdir -p "$base"
	chown $user "$base"
	D=$base S=$base/store R=$base/repo
	fetch 2>/dev/null | unpack 2>/dev/null >"$base/record"
	as_user cp -a "$S" "$base/unpacked"
	publish <"$base/record" 2>/dev/null >"$base/published"
	[ -s "$base/published" ] || give_up 'nothing is published'
	published "$R" >"$base/want"
}

damage() { # FILE HOW
	case $2 in
	removed) rm "$1" ;;
	emptied) truncate -s 0 "$1" ;;
	halved) truncate -s $(($(stat -c %s "$1") / 2)) "$1" ;;
	flipped) flip "$1" $(($3 % $(stat -c %s "$1"))) ;;
	directory) rm "$1" && mkdir "$1" && echo x >"$1/x" && chown -R $user "$1" ;;
	link) rm "$1" && ln -s nowhere "$1" ;;
	unreadable) chmod 0 "$1" ;;
	esac
}

# is_visible FILE HOW: whether a check of the store must report that; layers and listings may be missing, a flipped bit
# may be in the padding of a tar or in a name, and samples are no promise.
is_visible() {
	case $1-$2 in
	known/* | *.tar-flipped | index.json-flipped | oci-layout-flipped | layers/*-removed | images/*-removed) return 1 ;;
	blobs/*-removed) jq -e 'has("manifests") | not' "$base/unpacked/$1" >/dev/null 2>&1 ;;
	esac
}
# is_reported FILE: and whether it does.
is_reported() {
	as_user "$bin/t/drive-api" check "$S" >"$D/differences" || return 1
	grep -qF "	$1	" "$D/differences" || { echo "not reported:"; cat "$D/differences"; return 1; }
}

# try FILE HOW BEFORE NUMBER: damage it before that tool, and run it and the rest.
try() {
	D=$tmp/try S=$tmp/try/store R=$tmp/try/repo
	rm -rf "$D"
	mkdir "$D"
	chown $user "$D"
	if [ "$3" = thin ]; then
		as_user cp -a "$base/store" "$base/repo" "$D"
	else
		as_user cp -a "$base/unpacked" "$S"
	fi
	[ -e "$S/$1" ] || return 0
	damage "$S/$1" "$2" "$4"
	if is_visible "$1" "$2"; then
		is_reported "$1" || return 1
	fi
	case $3 in
	fetch) run=all ;;
	*) run=from_$3 ;;
	esac
	if $run; then
		is_right || { echo "... is published"; return 1; }
			[ "$3" != thin ] || [ -e "$D/thin/index.json" ] || return 1
	else
		named=${1##*/}
		grep -qF "${named%.*}" "$D/said" || { echo "not named:"; cat "$D/said"; return 1; }
		nothing_published || { echo "... is published after:"; cat "$D/said"; return 1; }
	fi
	all || { echo "not mended:"; cat "$D/said"; return 1; }
	# What no tool had to read may still be damaged.
	! as_user "$bin/t/drive-api" check "$S" | grep -vF "	$1	" || { echo "... is wrong then"; return 1; }
	is_right || { echo "... is published then"; return 1; }
	[ -n "${SOAK-}" ] || return 0
	all || { echo "not the third time:"; cat "$D/said"; return 1; }
	! grep damaged "$D/said" || { echo "... the third time"; return 1; }
}

# tries HOW...: of each file, before each tool, or some of them.
tries() {
	(cd "$base/store" && find . -type f -printf '%P\n' | sort) | while read -r file; do
		for how; do
			for before in fetch unpack publish thin; do echo "$file $how $before"; done
		done
	done | perl -e 'srand shift; my @l = <STDIN>; my $n = 0;
		for (map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { [rand, $_] } @l) {
			last if $n++ >= $ARGV[0]; chomp; print $_, " ", int rand 1e6, "\n" }' "$seed" "$damages" >"$tmp/tries"
	: >"$tmp/wrong"
	tried=0
	while read -r file how before number; do
		tried=$((tried + 1))
		try "$file" "$how" "$before" "$number" >"$out" 2>&1 ||
			{ echo "$file, $how before ducc-$before ($number):"; cat "$out"; } >>"$tmp/wrong"
	done <"$tmp/tries"
}

user=0
prepare "$tmp/root"
umoci raw unpack --image "$tmp/oci:app" "$tmp/want" 2>/dev/null
ok "what is published is what umoci unpacks" same_flat -i e -i e/f "$tmp/want" "$R/$ref"
ok "... so are its layers, stacked" same_stack "$R" "$ref" "$base" -i e -i e/f "$tmp/want"
umount "$base/stack"
tries removed emptied halved flipped directory link
is "files removed, truncated, changed and replaced, $tried of them: what is published is right, and the next run succeeds" \
	"$(cat "$tmp/wrong")" ""

user=65534
damages=$(((damages + 3) / 4))
prepare "$tmp/user"
tries unreadable directory
is "files that cannot be read, $tried of them: the same" "$(cat "$tmp/wrong")" ""

done_testing
