#!/bin/sh
# Whatever a container image may be, what is published of it is what umoci unpacks.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh source=trees.sh

# shellcheck source=inside.sh
. "${0%/*}/inside.sh"
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
. "${0%/*}/trees.sh"
need jq mtree umoci zstd

# deep_tree DIR: what the image of paths over 4096 bytes is to be. umoci can't: it uses whole paths.
deep_tree() {
	perl -MTime::HiRes=utime -e '
		my $name = "d" x 250;
		my $root = shift;
		sub put { my ($f, $text) = @_; open my $h, ">", $f or die "$f: $!"; print $h $text }
		mkdir $root and chdir $root or die "$root: $!";
		for (1 .. 20) { mkdir $name and chdir $name or die "mkdir: $!" }
		put("f", "x");
		put("g", "y");
		utime 1600000000.5, 1600000000.5, "f";
		utime 1700000000, 1700000000, "g";
		link "f", "$root/h" or die "link: $!";
		for (reverse 1 .. 20) { my $t = "16000000$_"; utime $t, $t, "." and chdir ".." or die $! }
		utime 1700000000, 1700000000, ".";' "$1"
}

# want NAME: the tree that the image is to become.
want() {
	case $1 in
	paths-over-4096-bytes)	deep_tree "$tmp/want/$1" ;;
	*)			umoci raw unpack --image "$tmp/corpus:$(judge "$1")" "$tmp/want/$1" ;;
	esac
}

# together: all images of the corpus at once, into one repository.
together() {
	dir=$tmp/together
	mkdir "$dir"
	sed "s|^|oci:$tmp/corpus:|" "$tmp/names" | xargs ducc-fetch -s "$dir/store" >"$dir/fetched"
	cp -a "$dir/store" "$dir/one-job"
	ducc-unpack -s "$dir/store" -j 8 <"$dir/fetched" | ducc-publish -s "$dir/store" -r "$dir/repo" >"$dir/published"
	[ "$(wc -l <"$dir/published")" = "$(wc -l <"$tmp/names")" ]
}

# thin: each of them has a thin image.
thin() {
	ducc-thin -r "$dir/repo" -o "$dir/thin" <"$dir/published" >"$dir/thinned"
	cmp "$dir/published" "$dir/thinned"
}

# same_bytes: one job makes the tars and listings that many make.
same_bytes() {
	ducc-unpack -q -s "$dir/one-job" -j 1 <"$dir/fetched" >/dev/null
	diff -r "$dir/store/layers" "$dir/one-job/layers" && diff -r "$dir/store/images" "$dir/one-job/images"
}

corpus "$tmp/corpus"
mkdir "$tmp/want"
corpus_images >"$tmp/names"

while read -r image; do
	my_turn || continue
	want "$image" >"$tmp/log" 2>&1 || { diag <"$tmp/log" >&2; exit 1; }
	set --
	while read -r path; do set -- "$@" -i "$path"; done <"$tmp/corpus/$image.implied"
	compare "$image" "oci:$tmp/corpus:$image" "$tmp/want/$image" "$tmp/$image" "$@"
	umount "$tmp/$image/stack" 2>/dev/null || :
	rm -rf "${tmp:?}/$image"
done <"$tmp/names"

ok 'all of them at once: go through' together
ok '... and one job makes the same tars and listings' same_bytes
ok '... they have thin images' thin
while read -r image; do
	[ -e "$tmp/want/$image" ] || continue
	set --
	while read -r path; do set -- "$@" -i "$path"; done <"$tmp/corpus/$image.implied"
	ok "all of them at once: $image is what umoci unpacks" \
		same_flat "$@" "$tmp/want/$image" "$tmp/together/repo/localhost/$image:latest"
done <"$tmp/names"

done_testing
