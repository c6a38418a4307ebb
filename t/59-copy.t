#!/bin/sh
# A repository in a directory, and a store, on another disk or machine: the commands in the manual make a copy that is
# as good as the original, and no larger, and what happens without hard links.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need rsync umoci

make_image "$tmp/oci" one
umoci tag --image "$tmp/oci:one" two
mkdir -p "$tmp/more/dev"
seq 30000 >"$tmp/more/dev/numbers"
if [ "$(id -u)" = 0 ]; then
	mknod "$tmp/more/dev/null" c 1 3
	chown 1234:4321 "$tmp/more/dev/numbers"
fi
tar -C "$tmp/more" --numeric-owner -cf "$tmp/layer.tar" .
umoci raw add-layer --image "$tmp/oci:two" "$tmp/layer.tar"
umoci tag --image "$tmp/oci:two" three
umoci config --image "$tmp/oci:three" --config.user 1
S=$tmp/store
ok "images are published" main_job "$S" "$tmp/images" "oci:$tmp/oci:one" "oci:$tmp/oci:two"

# The command in the manual that begins so, with the directories of this test
command_with() { # PROGRAM FROM TO
	sed -n "s,^\\\$ \\($1 .*\\),\\1,p" "$top/man/ducc-repository.5" |
		sed "s,publisher2:/srv/images,$3,; s,/srv/images,$2,; s,/mnt/images,$3,"
}
files() { # DIRECTORY: how many there are, whatever the number of their names
	find "$1" -type f -printf '%D:%i\n' | sort -u | wc -l
}
listed() { # DIRECTORY
	(cd "$1" && find . ! -type d -printf '%p %y %m %U:%G %s %T@ %n %l\n' -o -printf '%p %m %U:%G\n') | sort
}
for program in cp rsync; do
	mkdir "$tmp/by-$program"
	command_with $program "$tmp/images" "$tmp/by-$program" >"$tmp/script"
	is "the manual has one command with $program" "$(wc -l <"$tmp/script")" 1
	ok "... which runs" sh -e "$tmp/script"
	is "... has copied everything" "$(listed "$tmp/by-$program")" "$(listed "$tmp/images")"
	is "... with the same files" "$(files "$tmp/by-$program")" "$(files "$tmp/images")"
	no_differences "$tmp/by-$program"
	is "... the same images" "$(ducc-ls -r "$tmp/by-$program" | sed 's/\trepo=[^\t]*//')" \
		"$(ducc-ls -r "$tmp/images" | sed 's/\trepo=[^\t]*//')"
	ok "... nothing is to be published" sh -c 'ducc-fetch -q -s "$1" "oci:$3:one" "oci:$3:two" | ducc-unpack -q -s "$1" |
		ducc-publish -q -s "$1" -r "$2"' sh "$tmp/new-$program" "$tmp/by-$program" "$tmp/oci"
	is "... indeed" "$(grep -c 'state=unchanged' "$out")" 2
done

# A copy goes on like the original.
for copy in "$tmp/images" "$tmp/by-rsync"; do
	ok "one more image in $copy" main_job "$S" "$copy" "oci:$tmp/oci:three"
	ok "... and one less" ducc-gc -q -s "$S" -r "$copy" --remove localhost/one:latest
done
is "... in both, the same is there" "$(files "$tmp/by-rsync")" "$(files "$tmp/images")"
no_differences "$tmp/by-rsync"

# Without hard links
rsync -aX --numeric-ids --modify-window=-1 "$tmp/images/" "$tmp/unlinked/"
ok "without hard links there are more files" test "$(files "$tmp/unlinked")" -gt "$(files "$tmp/images")"
fails "... of which the check" ducc-check -d -r "$tmp/unlinked"
is "... reports those that are links in the image" "$(cut -f 1 "$out" | sort -u)" hardlink
ok "... publishing everything again" sh -c 'ducc-fetch -q -s "$1" "oci:$3:two" "oci:$3:three" |
	ducc-unpack -q -s "$1" | ducc-publish -q -f -s "$1" -r "$2"' sh "$S" "$tmp/unlinked" "$tmp/oci"
is "... restores them" "$(files "$tmp/unlinked")" "$(files "$tmp/images")"
no_differences "$tmp/unlinked"

# The store
sh -c "$(sed -n 's,^\.Ql \(cp -a .*\) \,$,\1,p' "$top/man/ducc-store.5" | sed "s,/var/spool/ducc,$S,; s,/mnt/store,$tmp/store2,")"
rm -r "$tmp/oci"
ok "a copy of the store publishes what is in it" sh -c 'ducc-publish -q -s "$1" -r "$2" localhost/two:latest localhost/three:latest' \
	sh "$tmp/store2" "$tmp/other"
no_differences "$tmp/other"

done_testing
