#!/bin/sh
# Directories of an image may have permissions that keep their owner out. Who is not root publishes, updates and removes
# such images all the same; and a transaction that cannot be completed is taken back.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
need jq perl zstd
[ "$(id -u)" = 0 ] && need setpriv

# user COMMAND...: run it as somebody who is not root.
user() {
	[ "$(id -u)" = 0 ] || { "$@"; return; }
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}
user test -x "$bin/ducc-fetch" || skip_all 'only root can reach the programs'
user sh -c '[ "$(id -u)" != 0 ]' || skip_all 'there is no other user than root'

corpus=$tmp/corpus
corpus "$corpus"
image root <<-'E'
	layer
	dir ./ mode=555
	file f data=x
E
image read-only <<-'E'
	layer
	dir ./
	dir ro mode=555
	file ro/f data=x
	dir ro/sub mode=500
	file ro/sub/g data=x mode=0
E
image read-only-two <<-'E'
	layer
	dir ./
	dir ro mode=555
	file ro/f data=x
	dir ro/sub mode=500
	file ro/sub/g data=x mode=0
	layer
	file ro/.wh.f
	file ro/sub/new data=x
E
image unsearchable <<-'E'
	layer
	dir ./
	dir nosearch mode=644
	file nosearch/i data=x
E
image unreadable <<-'E'
	layer
	dir ./
	dir wx mode=300
	file wx/j data=x
E
nothing='dir ./
dir none mode=0
dir none/in mode=0
file none/in/h data=x mode=0
file none/in/i data=y'
printf 'layer\n%s\n' "$nothing" | image nothing
printf 'layer\n%s\nlayer\nfile new data=x\n' "$nothing" | image nothing-two
printf 'layer\n%s\nlayer\nfile none/in/.wh..wh..opq\nfile none/in/j data=x\n' "$nothing" | image nothing-three
printf 'layer\ndir ./\ndir none mode=0\ndir none/in mode=0\nfile none/in/k data=x\nlayer\nfile none/in/.wh..wh..opq\nfile none/in/j data=x\n' |
	image nothing-four
image devices <<-'E'
	layer
	dir ./
	chr null dev=1,3
	hard null2 to=null
	file f data=x
	hard null3 to=null
	layer
	hard null4 to=null
	hard null5 to=null2
	file g data=x
E
image good <<-'E'
	layer
	dir ./
	file g data=x
E
chmod 755 "$tmp"
mkdir "$tmp/u"
[ "$(id -u)" != 0 ] || chown 65534:65534 "$tmp/u" "$tmp/home"
S=$tmp/u/store

publish() { # REPO IMAGE...
	repo=$1
	shift
	printf "oci:$corpus:%s\n" "$@" | user xargs ducc-fetch -q -s "$S" >"$tmp/1" &&
		user ducc-unpack -q -s "$S" <"$tmp/1" >"$tmp/2" &&
		user ducc-publish -q -s "$S" -r "$repo" <"$tmp/2" >"$tmp/3" &&
		[ "$(wc -l <"$tmp/3")" = $# ]
}
extract() { # IMAGE
	user ducc-fetch -q -s "$S" "oci:$corpus:$1" >"$tmp/1" && user ducc-unpack -q -s "$S" -x "$tmp/u/x" <"$tmp/1" >"$tmp/2" &&
		[ -n "$(ls "$tmp/u/x")" ] && rm -rf "$tmp/u/x"
}
modes() { # DIR: what the image has there
	(cd "$1/" && find . -mindepth 1 \( -name .singularity.d -o -name dev -o -name proc -o -name sys -o -name tmp -o -name var \
		-o -name root -o -name home -o -name etc -o -name singularity -o -name environment -o -name '.[ters]*' \) -prune \
		-o -printf '%P %m ' | tr ' ' '\n' | paste - - | sort | tr '\t\n' '  ')
}
layer_of() { # IMAGE N: where its layer is in the repository
	jq -r --argjson n "$2" '.layers[$n].digest' "$R/.metadata/localhost/$1:latest/manifest.json" |
		sed "s|sha256:\(..\)\(.*\)|$R/.layers/\1/\1\2/layerfs|"
}

# As root we see all of it; as somebody else, only that it is there.
see() { # TITLE DIR WANT
	[ "$(id -u)" != 0 ] || is "$1" "$(modes "$2")" "$3"
}

while read -r name want; do
	R=$tmp/u/$name
	ok "$name: is published" publish "$R" "$name"
	see "... as it is" "$R/localhost/$name:latest" "$want "
	see "... its layer, too" "$(layer_of "$name" 0)" "$want "
	ok "... and another image after it" publish "$R" good
	ok "... and it is extracted" extract "$name"
done <<'E'
root f 644
read-only ro 555 ro/f 644 ro/sub 500 ro/sub/g 0
unsearchable nosearch 644 nosearch/i 644
unreadable wx 300 wx/j 644
nothing none 0 none/in 0 none/in/h 0 none/in/i 644
E
R=$tmp/u/root
is 'a root that is not writable stays so' "$(stat -Lc %a "$R/localhost/root:latest")" 555

R=$tmp/u/read-only
ok 'a layer on top of such directories' publish "$R" read-only-two
see '... is published' "$R/localhost/read-only-two:latest" 'ro 555 ro/sub 500 ro/sub/g 0 ro/sub/new 644 '
R=$tmp/u/nothing
ok 'an image on a published layer with closed directories' publish "$R" nothing-two
see '... is published' "$R/localhost/nothing-two:latest" 'new 644 none 0 none/in 0 none/in/h 0 none/in/i 644 '
see '... the layer stays as it was' "$(layer_of nothing 0)" 'none 0 none/in 0 none/in/h 0 none/in/i 644 '
ok 'a published layer gets whiteouts in closed directories' publish "$R" nothing-three nothing-four
see '... which it has' "$(layer_of nothing-three 1)" 'none 0 none/in 0 none/in/h 0 none/in/i 0 none/in/j 644 none/in/k 0 '
see '... and nothing else' "$R/localhost/nothing-four:latest" 'none 0 none/in 0 none/in/j 644 '

R=$tmp/u/devices
ok 'hard links to a device that may not be created' publish "$R" devices good
is '... are left out as it is' "$(cd "$R/localhost/devices:latest/" && cat f g && find . -name 'null*')" xx
ok '... and when it is extracted' extract devices

# Who was killed with directories open: the next transaction closes them.
R=$tmp/u/nothing
chmod 700 "$(layer_of nothing 0)/none"
user mkdir "$R/.transaction"
layer=$(layer_of nothing 0)
printf 'chmod 0000 %s/none\n' "${layer#"$R/"}" | user tee "$R/.transaction/opened" >"$tmp/log"
ok 'a transaction that was killed with directories open' publish "$R" good
is '... they are closed' "$(stat -c %a "$layer/none")" 0

# A transaction that cannot be completed
user mkdir "$R/obstacle.org" "$R/.transaction" "$R/.transaction/new"
chmod 755 "$R/obstacle.org"
user sh -c "echo x >'$R/file'; echo new >'$R/.transaction/new/0'; echo other >'$R/.transaction/new/1'; echo b >'$R/replaced'
	echo c >'$R/.transaction/new/2'; echo removed >'$R/removed'
	printf 'rename 0 there/new\nrename 2 replaced\nremove 4 removed\nrename 1 file/below\n' >'$R/.transaction/plan'"
ok 'a transaction that was interrupted and cannot be completed' publish "$R" good root
user ducc-publish -s "$S" -r "$R" <"$tmp/2" >"$tmp/3" 2>"$tmp/err"
is '... is taken back' "$(cd "$R" && cat replaced removed && ls -d there .transaction 2>&1)" "b
removed
ls: cannot access 'there': No such file or directory
ls: cannot access '.transaction': No such file or directory"

# One that replaces a tree, by exchanging it; before, or after that is done
for done in no yes; do
	user sh -c 'rm -rf "$0/tree" && mkdir -p "$0/.transaction/new/staged" "$0/tree" && cd "$0/.transaction/new" &&
		echo old >"$0/tree/old" && echo new >staged/new && name=0$(printf "%020d" "$(stat -c %i staged)") &&
		mv staged "$name" && echo x >1 && printf "rename %s tree\nrename 1 file/below\n" "$name" >../plan && if [ $1 = yes ]; then
		mv "$0/tree" "$0/other"; mv "$name" "$0/tree"; mv "$0/other" "$name"; chmod 555 "$name"; else chmod 555 "$0/tree"; fi' "$R" $done
	ok "a transaction that replaces a tree cannot be completed; exchanged already: $done" publish "$R" good
	is '... the old tree is there' "$(cd "$R" && ls tree; ls -d .transaction 2>&1)" "old
ls: cannot access '.transaction': No such file or directory"
	is '... as it was' "$(stat -c %a "$R/tree")" 555
	chmod 755 "$R/tree"
done
for step in 1 2; do
	user sh -c 'mkdir -p "$0/.transaction/new/staged" && cd "$0/.transaction/new" && echo '$step' >staged/'$step' &&
		name=0$(printf "%020d" "$(stat -c %i staged)") && mv staged "$name" && echo x >1 &&
		printf "rename %s tree\nrename 1 there/below\n" "$name" >../plan' "$R"
	[ $step = 1 ] || user sh -c 'cd "$0" && mv tree other && mv .transaction/new/0* tree && mv other .transaction/new/$1' \
		"$R" "$(user ls "$R/.transaction/new" | grep ^0)"
	ok "one that can be completed, after $((step - 1)) of its steps" publish "$R" good
	is '... is' "$(ls "$R/tree" "$R/there")" "$(printf '%s\n' "$R/there:" below "" "$R/tree:" $step)"
done

# A manifest that cannot be read is not one that is not there.
R=$tmp/u/unread
ok 'a repository' publish "$R" good nothing
manifest=$R/.metadata/localhost/good:latest/manifest.json
before=$(cd "$R" && find . | sort)
corpus "$tmp/other"
image good '.architecture = "arm64"' <<-'E'
	layer
	file h data=x
E
other() {
	corpus=$tmp/other
	publish "$R" good
}
chmod 0 "$manifest"
fails 'with a manifest that cannot be read, nothing is removed' user ducc-gc --keep -f -g 0 -s "$S" -r "$R" localhost/nothing:latest
like '... as the error says' "$(cat "$out")" 'good:latest/manifest.json: Permission denied'
fails '... no image for another platform takes its name' other
is '... and all is as before' "$(cd "$R" && find . | sort)" "$before"
fails '... ducc-check' user ducc-check -r "$R"
like '... reports it' "$(cat "$out")" '^unreadable.*good:latest/manifest.json.*Permission.*denied'
chmod 644 "$manifest"
ok '... when it can be read, the image is published' other
ok '... beside the other one' test -d "$R/.multiarch/amd64/localhost/good:latest/" -a -d "$R/.multiarch/arm64:v8/localhost/good:latest/"
corpus=$tmp/corpus

# The names of one registry cannot be written; the others can.
user mkdir -p "$tmp/u/o"
R=$tmp/u/o
ok 'a repository' publish "$R" good
before=$(cd "$R" && find . | sort)
if [ "$(id -u)" = 0 ]; then
	chown 0 "$R/localhost"
	fails 'a name that cannot be published' publish "$R" nothing
	is '... leaves nothing' "$(cd "$R" && find . | sort)" "$before"
	chown 65534 "$R/localhost"
	ok '... and is published when it can be' publish "$R" nothing
fi

chmod 0 "$S/oci-layout"
ok 'a store whose oci-layout is closed' publish "$R" good
ok '... gets a new one' user test -r "$S/oci-layout"

# Who cannot read a directory of a layer does not see what other images need there. If its listing, which has that, is
# damaged, a new image does not replace it.
for i in a b; do
	image hidden-$i <<-E
		layer
		dir d
		file d/$i data=$i
		layer
		dir d mode=300
		file d/.wh..wh..opq
		file d/new data=new
	E
done
R=$tmp/u/hidden
ok 'a layer that hides something in a directory that only root can read' publish "$R" hidden-a
layer=$(layer_of hidden-a 1)
before=$(find "$layer" -printf '%P %y %i\n' | sort)
cp "${layer%/layerfs}/.metadata/layer.mtree" "$tmp/u/listing"
: >"${layer%/layerfs}/.metadata/layer.mtree"
rm -rf "$S"
echo "oci:$corpus:hidden-b" | user ducc-fetch -q -s "$S" -r "$R" | user ducc-unpack -q -s "$S" -r "$R" >"$tmp/b"
if user ls "$layer/d" >"$out" 2>&1; then
	echo '# all directories can be read here'
else
	fails '... and whose listing is damaged' user ducc-publish -q -s "$S" -r "$R" <"$tmp/b"
	like '... is not replaced' "$(cat "$out")" "layerfs/d: Permission denied$"
	is '... but stays as it is' "$(find "$layer" -printf '%P %y %i\n' | sort)" "$before"
fi
user cp "$tmp/u/listing" "${layer%/layerfs}/.metadata/layer.mtree"
ok '... until it is repaired' user ducc-publish -q -s "$S" -r "$R" <"$tmp/b"
no_differences "$R"

# Two publish into one repository: who cannot remove what belongs to the other leaves everything as it is.
two_publishers() {
	mkdir "$tmp/u/shared"
	chown 65534 "$tmp/u/shared"
	R=$tmp/u/shared
	mkdir -m 700 "$R/lost+found" # which belongs to root
	ok 'a repository at the root of a file system' publish "$R" good root
	for tool in ls check 'gc -an'; do
		# shellcheck disable=SC2086
		ok "... is read by ducc-$tool" user ducc-$tool -q -r "$R"
	done
	ok '... into which root publishes, too' main_job "$tmp/store" "$R" "oci:$corpus:read-only-two"
	content >"$tmp/both"
	cp -a "$R" "$tmp/u/base"
	fails 'who cannot remove an image of root' user ducc-gc -q -r "$R" --remove localhost/read-only-two
	like '... gets an error' "$(cat "$out")" '^ducc-gc: repository [^:]*: [^:]*/[^:]*: Permission denied$'
	is "... and leaves all as it was" "$(content | diff "$tmp/both" -)" ""
	no_differences "$R"
	ok '... can remove one of theirs' user ducc-gc -q -r "$R" --remove localhost/root
	no_differences "$R"
	ok '... root can remove any' ducc-gc -q -r "$R" --remove localhost/good localhost/read-only-two
	again
	ducc-gc -q -r "$R" --remove localhost/read-only-two >"$out"
	content >"$tmp/one"
	again
	user touch "$tmp/u/counts"
	remove_with '' >"$out" 2>&1 || :
	steps=$(sed -n 's/^rename //p' "$tmp/u/counts")
	for step in $(seq "$steps"); do
		for how in '-9 1' '5 1' '5 1000000'; do
			! my_turn || broken_off "rename $step $how"
		done
	done >"$tmp/wrong" 2>&1
	is "... killed before each of $steps steps, or if that fails: whatever is visible is whole, and root can complete it" \
		"$(cat "$tmp/wrong")" ""
	ok '... there are steps forward and back' test "$steps" -gt 10
}
again() {
	rm -rf "$R"
	cp -a "$tmp/u/base" "$R"
}
content() { # of the repository, but not its history
	(
		cd "$R"
		find . ! -path './.metadata/.log*' ! -path ./.metadata/remove-schedule.json -printf '%p %y %m %l\n' | sort
		find . -type f ! -path './.metadata/.log*' ! -path ./.metadata/remove-schedule.json -exec sha256sum {} + | sort
	)
}
remove_with() { # FAULT
	FAULT=$1 FAULT_COUNTS=$tmp/u/counts LD_PRELOAD=$bin/t/preload-faults.so \
		ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS user ducc-gc -q -r "$R" --remove localhost/read-only-two
}
broken_off() { # FAULT
	again
	! (remove_with "$1") >"$tmp/said" 2>&1 || echo "$1: no error"
	perl "$top/t/usable.pl" "$R" | sed "s/^/$1: /"
	# What was begun is completed by whatever comes next.
	ducc-gc -q -r "$R" --remove localhost/read-only-two >"$tmp/said" 2>&1 || grep -v 'not published' "$tmp/said" || :
	content | diff "$tmp/one" - || echo "$1: not completed"
}
[ "$(id -u)" != 0 ] || two_publishers

for name in root read-only unsearchable unreadable nothing; do
	R=$tmp/u/$name
	ok "$name: is removed" user ducc-gc --keep -q -f -g 0 -s "$S" -r "$R" http://localhost/good:latest
	is "... entirely" "$(find "$R/.flat" "$R/.layers" -mindepth 2 -maxdepth 2 | wc -l) $(ls -d "$R/.transaction" 2>/dev/null)" '2 '
done

done_testing
