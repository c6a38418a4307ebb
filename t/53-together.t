#!/bin/sh
# Two of every tool at the same time, on the same images, store and repository: all succeed, and the result is the
# same as that of one after the other. $ROUNDS is how often, by default 3, or 150 with $SOAK.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need jq skopeo umoci

rounds=${ROUNDS:-$(amount 3 150 2)}
make_image "$tmp/oci" one
umoci tag --image "$tmp/oci:one" two
mkdir -p "$tmp/more/doc" "$tmp/more/many"
: >"$tmp/more/doc/.wh.kept"
perl -e 'for (1 .. 100) { open my $f, ">", "$ARGV[0]/$_" or die; print $f "$_\n" x $_ }' "$tmp/more/many"
add_layer "$tmp/oci:two" "$tmp/more"
one=oci:$tmp/oci:one two=oci:$tmp/oci:two
S=$tmp/store R=$tmp/repo

# what REPO: names, types, modes, owners, sizes, targets and link counts; times of what is in images; contents.
what() (
	cd "$1"
	rm -f .metadata/remove-schedule.json # an empty one stays
	# The order of what Podman lists is that of the publishing.
	jq -S 'sort_by(.id)' podmanStore/overlay-images/images.json podmanStore/overlay-layers/layers.json
	find . \( -type d -printf '%p %y %m %U %G\n' \) -o -printf '%p %y %m %U %G %s %l %n\n' | sort
	find .layers/*/*/layerfs .flat/*/* ! -type d -printf '%p %T@\n' | sort
	find . -type f ! -path './podmanStore/*.json' ! -path './podmanStore/*.lock' -exec sha256sum {} + | sort
)
listings() { # STORE
	(cd "$1" && find layers images blobs -type f -exec sha256sum {} + | sort)
}
DUCC_CLOCK=$(date +%s) # the same for all
export DUCC_CLOCK
main_job "$tmp/reference" "$tmp/repo.two" "$one" "$two"
what "$tmp/repo.two" >"$tmp/both"
cp -a "$tmp/repo.two" "$tmp/copy"
refs=$(cut -f1 "$tmp/published" | tr '\n' ' ')
first=${refs%% *}
ducc-gc --keep -f -g 0 -m 0 -s "$tmp/reference" -r "$tmp/copy" "$first" >"$out"
what "$tmp/copy" >"$tmp/one"
listings "$tmp/reference" >"$tmp/listings"

# together COMMANDS...: each is a shell function, run twice at the same time with the others; in $tmp/wrong, what they say.
together() {
	pids=
	for command; do
		for n in 1 2; do
			"$command" "$tmp/$command.$n" >"$tmp/$command.$n.log" 2>&1 || echo "status $?" >>"$tmp/$command.$n.log" &
			pids="$pids $!"
		done
	done
	# shellcheck disable=SC2086 # a list of numbers
	wait $pids
	for command; do
		for n in 1 2; do
			sed "s/^/round $round: $command: /" "$tmp/$command.$n.log" >>"$tmp/wrong"
			rm -rf "$tmp/$command.$n"
		done
	done
}
same() { # WHAT FILE: standard input is the same
	diff "$2" - >"$tmp/differences" || { echo "round $round: $1:"; cat "$tmp/differences"; } >>"$tmp/wrong"
}
pipe() {
	ducc-fetch -q -j 3 -s "$S" "$one" "$two" | ducc-unpack -q -j 3 -s "$S" | ducc-publish -q -s "$S" -r "$R" >"$1.out"
	[ "$(wc -l <"$1.out")" = 2 ] || echo "not both were published"
}
pipe_back() {
	ducc-fetch -q -j 3 -s "$S" "$two" "$one" | ducc-unpack -q -j 3 -s "$S" | ducc-publish -q -b 1 -s "$S" -r "$R" >"$1.out"
	[ "$(wc -l <"$1.out")" = 2 ] || echo "not both were published"
}
extract() {
	ducc-fetch -q -s "$S" "$two" | ducc-unpack -q -s "$S" -x "$1" >"$1.out" && [ -e "$1/many/100" ]
}
collect() {
	# shellcheck disable=SC2086 # two references
	ducc-gc --keep -q -s "$S" -r "$R" $refs
}
clean() {
	wait_for test -e "$S/oci-layout" # others make the store
	ducc-gc --clean-store -q -g 1 -s "$S" -r "$R"
}
thin() {
	ducc-fetch -q -s "$S" "$one" | ducc-thin -q -s "$tmp/reference" -r "$tmp/repo.two" -o "$tmp/thin" >"$1.out"
}
publish_first() {
	ducc-publish -q -s "$S" -r "$R" "$first" >"$1.out"
}
remove_second() {
	ducc-gc --keep -f -g 0 -m 0 -s "$S" -r "$R" "$first" >"$1.out"
}

: >"$tmp/wrong"
mkdir -p "$R/.metadata" # ducc-gc refuses an empty directory
for round in $(seq "$rounds"); do
	together pipe pipe_back extract collect clean thin
	what "$R" | same "repository" "$tmp/both"
	listings "$S" | same "store" "$tmp/listings"
	sound "$S" >>"$tmp/wrong" 2>&1
	together publish_first remove_second
	what "$R" | same "repository after removal" "$tmp/one"
	# On from nothing, or from one image
	[ $((round % 2)) = 0 ] || rm -rf "$S" "$R" "$tmp/thin"
	mkdir -p "$R/.metadata"
done
is "$rounds rounds of two of every tool at once: no errors, and always the same result" "$(cat "$tmp/wrong")" ""

done_testing
