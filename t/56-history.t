#!/bin/sh
# Whatever a repository and its store have been through: one more run of every tool makes them what a new repository
# would be. Images are published and published again, in two versions, repaired, scheduled and removed; files are
# damaged in between, in the store and in the repository; and tools are killed.
# HISTORY_SEED repeats a run, HISTORIES changes how many there are.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
need jq setpriv zstd
[ "$(id -u)" = 0 ] || skip_all 'owners and whiteouts need root'

seed=$(random_seed "${HISTORY_SEED-}")
histories=${HISTORIES:-$(amount 5 400 3)}
note "HISTORY_SEED=$seed HISTORIES=$histories"
tab=$(printf '\t')

# Two versions of three images. `shared' lies on other layers in each of them, and hides something else; `common' and
# `same' are the same everywhere, the first at the bottom.
images() {
	for i in a b c; do
		image $i <<-L
			layer
			dir d
			dir e mode=700
			file d/common data=common size=3000
			file e/gone data=gone
			layer
			file d/$i$version data=$i$version size=2000
			file d/$i data=$version mode=4755
			sym d/link to=$i
			layer
			dir d
			file d/.wh..wh..opq
			file d/new data=new
			file .wh.d.txt
			hard d/hard to=d/new
			layer
			file e/.wh.gone
			file e/same data=same size=4000
		L
	done
}
fetch() { # IMAGES VERSION [REPO]
	for i in $(echo "$1" | sed 's/./& /g'); do echo "oci:$tmp/oci$2:$i"; done | ducc-fetch -q -s "$S" -r "${3-$R}"
}
marked() { # HOW: the records, to be published in that way
	case $1 in
	again) sed "s/\$/${tab}repair=all/" ;;
	*) cat ;;
	esac
}
forced() {
	[ "$1" != force ] || echo -f
}
publish() { # IMAGES VERSION HOW
	# shellcheck disable=SC2046 # an option or none
	fetch "$1" "$2" | marked "$3" | ducc-unpack -q -s "$S" -r "$R" | ducc-publish -q $(forced "$3") -s "$S" -r "$R"
}
names() { # IMAGES
	echo "$1" | sed 's|.|localhost/&:latest\n|g' | sed '/^$/d'
}
keep() { # IMAGES DAYS
	names "$1" | ducc-gc -q --keep -f -s "$S" -r "$R" -g "$2"
}
drop() { # IMAGES DAYS
	names "$1" | ducc-gc -q --remove -f -s "$S" -r "$R" -g "$2"
}
repair() {
	ducc-check -q -d --repair -s "$S" -r "$R" | ducc-fetch -q -s "$S" -r "$R" | ducc-unpack -q -s "$S" -r "$R" |
		ducc-publish -q -s "$S" -r "$R"
}
clean() {
	ducc-gc -q --clean-store -g 0 -s "$S" -r "$R"
}
# damage DIR NUMBER HOW PLACE: change one of the files in there.
damage() {
	find "$1" -mindepth 1 -name .transaction -prune -o ! -type d -printf '%P\n' 2>/dev/null | LC_ALL=C sort >"$tmp/files"
	[ -s "$tmp/files" ] || return 0
	file=$1/$(sed -n "$(($2 % $(wc -l <"$tmp/files") + 1))p" "$tmp/files")
	case $3 in
	removed) rm "$file" ;;
	emptied) [ ! -f "$file" ] || [ -L "$file" ] || truncate -s 0 "$file" ;;
	flipped) [ ! -s "$file" ] || [ -L "$file" ] || flip "$file" $(($4 % $(stat -c %s "$file"))) ;;
	directory)
		case $file in
		*/layerfs/* | "$R"/.flat/* | "$S"/*) rm "$file" && mkdir "$file" && echo x >"$file/x" ;;
		esac
		;;
	mode)
		case $file in
		*/layerfs/* | "$R"/.flat/*) [ -L "$file" ] || chmod 600 "$file" ;;
		esac
		;;
	gone) rm -r "${file%/*}" ;;
	esac
}

# history SEED: its steps, a line each, with the moment at which it is killed, or -.
history() {
	perl -e 'srand shift;
		sub one { $_[rand @_] }
		sub images { one(qw(a b c ab bc ac abc abc)) }
		my @damage = qw(removed emptied flipped flipped directory mode gone);
		for (1 .. 4 + rand 5) {
			my $step = one(
				(sub { join " ", "publish", images, 1 + int rand 2, one(qw(plain plain force again)) }) x 5,
				(sub { join " ", "damage", one(qw($S $R $R)), int rand 1e6, one(@damage), int rand 1e6 }) x 4,
				sub { join " ", one(qw(keep drop)), images, one(0, 30) }, sub { "repair" }, sub { "clean" });
			my $line = $step->();
			print $line =~ /^damage/ || rand() < .6 ? "-" : sprintf("%.3f", .3 * rand), " $line\n";
		}' "$1"
}
# killed SECONDS COMMAND...: kill it and all that it has started after that time.
killed() {
	perl -e 'my $seconds = shift;
		defined(my $pid = fork) or die;
		if (!$pid) { setpgrp; exec @ARGV or exit 127 }
		select undef, undef, undef, $seconds;
		kill -9, $pid;
		waitpid $pid, 0' "$@"
}
live() { # SEED
	history "$1" >"$tmp/history"
	while read -r moment step; do
		case $moment in
		-) eval "$step" ;;
		*) TMPDIR=$tmp killed "$moment" "$0" "$tmp" "$step" ;;
		esac </dev/null >>"$tmp/said" 2>&1 || :
	done <"$tmp/history"
}

# What is published, without what depends on its past: Podman's short names, whiteouts that other images needed.
what() { # REPO
	(
		cd "$1"
		find . \( -type d -empty -o -path ./.metadata/.flat -o -path ./podmanStore -o -path ./.metadata/remove-schedule.json -o -name layer.mtree -o -name layers.json -o -type c \) -prune \
			-o -printf '%p %y %m %U %l\n' | sort
		find .layers/*/*/layerfs .flat ! -type c -path '*/*/*/*/?*' -printf '%p %T@\n' | sort
		find . \( -path ./.metadata/.flat -o -path ./podmanStore \) -prune -o -type f ! -name layer.mtree ! -name layers.json ! -name remove-schedule.json -exec sha256sum {} + | sort
		jq -r '.[].names[]' podmanStore/overlay-images/images.json | sort
	)
}
whiteouts() { # REPO
	(cd "$1" && find .layers -type c | sort)
}
# finish IMAGES VERSION: the last run; a damaged store may fail once.  The source of these images is not that of their
# names, so all that a repair may need is fetched before.
finish() {
	fetch "$1" "$2" "$tmp/none" >"$tmp/1" || fetch "$1" "$2" "$tmp/none" >"$tmp/1" || return 1
	repair >"$tmp/1" || :
	keep "$1" 0 || :
	publish "$1" "$2" plain >"$tmp/1" || :
	publish "$1" "$2" plain >"$tmp/1" || return 1
	[ "$(wc -l <"$tmp/1")" = ${#1} ] || { echo "published: $(cat "$tmp/1")"; return 1; }
	keep "$1" 0 && keep "$1" 0 && repair >"$tmp/2" || return 1
}
is_sound() { # IMAGES VERSION
	ducc-check -d -s "$S" -r "$R" >"$tmp/found" || [ -s "$tmp/found" ] || return 1
	# What Podman's lists no longer name, because they were damaged, stays; so do listings of trees that are gone.
	! grep -v -e "^[a-z]*${tab}-${tab}podmanStore/" -e "^orphan${tab}-${tab}.metadata/.flat/" "$tmp/found" || return 1
	what "$R" | diff "$tmp/new.$1.$2" - || return 1
	whiteouts "$R" | comm -13 - "$tmp/new.$1.$2.whiteouts" >"$tmp/less"
	[ ! -s "$tmp/less" ] || { echo 'missing whiteouts:'; cat "$tmp/less"; return 1; }
}
new() { # IMAGES VERSION: the same images in a new repository
	S=$tmp/new.store R=$tmp/new.repo
	rm -rf "$S" "$R"
	publish "$1" "$2" plain >"$tmp/1"
	what "$R" >"$tmp/new.$1.$2"
	whiteouts "$R" >"$tmp/new.$1.$2.whiteouts"
}

if [ $# = 2 ]; then # a step, to be killed
	tmp=$1 S=$1/store R=$1/repo
	trap - EXIT
	eval "$2"
	exit
fi

for version in 1 2; do
	corpus "$tmp/oci$version"
	images
done
: >"$tmp/wrong"
for i in $(seq "$histories"); do
	number=$((seed + i))
	images=$(perl -e 'srand shift; print((qw(a ab abc abc))[rand 4])' $number) version=$((number % 2 + 1))
	[ -e "$tmp/new.$images.$version" ] || new "$images" $version
	S=$tmp/store R=$tmp/repo
	rm -rf "$S" "$R"
	: >"$tmp/said"
	live $number
	{ finish "$images" $version && is_sound "$images" $version; } >"$out" 2>&1 ||
		{ echo "HISTORY_SEED=$((number - 1)) HISTORIES=1, then $images $version:"; cat "$tmp/history" "$out"; } >>"$tmp/wrong"
done
is "$histories histories of a repository: it is in the end what a new one is" "$(cat "$tmp/wrong")" ""

done_testing
