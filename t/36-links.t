#!/bin/sh
# Paths of layers may lead through symbolic links, of the layers below or of the same layer: what is published is what umoci
# makes of them, one layer on top of the other; and an image with the same layers on another base is right as well.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh source=trees.sh

# shellcheck source=inside.sh
. "${0%/*}/inside.sh"
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
. "${0%/*}/trees.sh"
need jq umoci zstd

S=$tmp/store
R=$tmp/repo
corpus=$tmp/corpus
corpus "$corpus"

# through NAME...: images through the whole pipe together; the records of those published are in $tmp/published, and
# what was said in $tmp/err.
through() {
	printf "oci:$corpus:%s\n" "$@" | xargs ducc-fetch -q -s "$S" >"$tmp/fetched" 2>"$tmp/err"
	{ ducc-unpack -s "$S" <"$tmp/fetched" || :; } 2>>"$tmp/err" | ducc-publish -s "$S" -r "$R" >"$tmp/published" 2>>"$tmp/err"
}

# through_other NAME...: the same with another store, into which the images are unpacked without a look at the repository.
through_other() {
	rm -rf "$S"
	mkdir -p "$tmp/none"
	printf "oci:$corpus:%s\n" "$@" | xargs ducc-fetch -q -s "$S" | ducc-unpack -q -s "$S" -r "$tmp/none" >"$tmp/unpacked"
	ducc-publish -s "$S" -r "$R" <"$tmp/unpacked" >"$tmp/published" 2>"$tmp/err"
}

# implied TREE: directories that no layer names have the time of the day, from umoci; options for treecmp.
implied() {
	(cd "$1" && find . -type d -newermt @1710000000 -printf '-i %P\n' | sed 's/-i $/-i ./')
}

# matches NAME [flat]: what becomes of the image is what umoci unpacks; it is refused where umoci refuses it.
matches() {
	record=$(grep "^http://localhost/$1:" "$tmp/published" || :)
	if ! umoci --log=fatal raw unpack --image "$corpus:$1" "$tmp/want" >"$tmp/log" 2>&1; then
		rm -rf "$tmp/want"
		refused=$((refused + 1))
		# A hard link to a file of a lower layer that this layer removes: whiteouts are for the layers below.
		[ -z "$record" ] || grep -q 'h[0-9]: link: no such file' "$tmp/log" || { echo "umoci refuses it: $(tail -n 1 "$tmp/log")"; return 1; }
		return 0
	fi
	[ -n "$record" ] || { echo "not published"; grep "/$1:" "$tmp/err"; return 1; }
	# shellcheck disable=SC2046 # options
	set -- "$1" "${2-}" $(implied "$tmp/want")
	name=$1 how=$2
	shift 2
	same_flat "$@" "$tmp/want" "$R/localhost/$name:latest" || return
	[ -z "$how" ] || return 0
	echo "$record" | ducc-unpack -q -s "$S" -x "$tmp/x" >"$tmp/log" || return
	same "$@" "$tmp/want" "$tmp/x" || return
	same_stack "$R" "localhost/$name:latest" "$tmp/s" "$@" "$tmp/want"
}

check() { # NAME [flat]
	rm -rf "$tmp/want" "$tmp/x"
	status=0
	matches "$@" || status=1
	umount "$tmp/s/stack" 2>/dev/null || :
	rm -rf "$tmp/s"
	return $status
}

# elsewhere NAME: the same layers on another base. The flat tree is right; what is refused depends on links in ways that
# were not kept, and says so.
elsewhere() {
	grep -q "^http://localhost/$1:" "$tmp/published" || ! grep -q "/$1:.*\( other entries of the layer interfere\|: not in the published layer\)" "$tmp/err" ||
		return 0
	check "$1" flat
}

# What links do is what umoci does, and containerd where it unpacks into one directory, but for this: containerd reduces
# the target of a link, as "b/../c", by its text, and so ends elsewhere than the kernel if b is a link itself; and it takes
# up to 255 links where the kernel takes 40.
merged() { # NAME [CONFIG] <SPEC of the layers on top: an image with a merged /usr
	{
		cat <<-'E'
			layer
			dir ./
			dir usr
			dir usr/bin uid=1
			file usr/bin/sh data=x
			file usr/bin/old data=x
			dir run
			dir var
			sym bin to=usr/bin
			sym var/run to=/run
			sym opt to=/srv/opt
		E
		cat
	} | image "$@"
}
split() { # NAME [CONFIG] <SPEC of the layers on top: the same with directories
	{
		cat <<-'E'
			layer
			dir ./
			dir bin uid=2
			file bin/old data=y
			dir var
			dir var/run
			dir opt
			dir usr
			dir usr/bin
			file usr/bin/old data=z
		E
		cat
	} | image "$@"
}
upper='layer
file bin/new data=new
hard bin/newer to=bin/old
file var/run/pid data=1
file opt/x/y data=y
layer
file bin/.wh.old
dir usr/bin/d
sym link to=bin/d
file link/f data=f
'
echo "$upper" | merged merged
echo "$upper" | split split
echo "$upper" | split again '.author = "other"'
merged replaced <<-'E'
	layer
	file bin/new data=x
	dir bin uid=7
	file bin/newer data=x
E
merged opaque <<-'E'
	layer
	file bin/.wh..wh..opq
	file bin/new data=x
E

ok 'entries beneath links of the base: go through' through merged replaced opaque
ok '... are what umoci unpacks' check merged
is '... where the links lead' "$(cd "$R/localhost/merged:latest/" && cat usr/bin/new run/pid srv/opt/x/y usr/bin/d/f && readlink bin)" 'new1yfusr/bin'
ok 'a directory replaces a link' check replaced
ok 'an opaque directory through a link' check opaque
find "$R" -printf '%p %i %m %T@\n' | sort >"$tmp/before"
ok 'published again' through merged replaced opaque
is '... nothing changes' "$(find "$R" -printf '%p %i %m %T@\n' | sort | diff "$tmp/before" -)" ''
ok 'the same layers on a base with directories' through split
like '... are not where they are published, which is said' "$(cat "$tmp/err")" \
	'^ducc-unpack: warning: http://localhost/split:[^ ]*: layer sha256:[0-9a-f]*: .* and [0-9] more: symbolic links lead elsewhere'
ok '... the flat tree is what umoci unpacks' check split flat
ok 'with another store' through_other again
like '... it is said as well' "$(cat "$tmp/err")" '^ducc-publish: warning: localhost/again:latest: layer sha256:[0-9a-f]*: .*symbolic links lead elsewhere.* published'
ok '... the flat tree is what umoci unpacks' check again flat
rm -rf "$R"
ok 'the other way round' through split merged
ok '... the first is what umoci unpacks' check split
ok '... the flat tree of the second, too' check merged flat

# A layer that is published again from a store in which its entries are elsewhere; its additions are for the old places.
hides='layer
dir bin/d
file bin/d/.wh..wh..opq
file bin/d/x data=x
'
printf 'layer\ndir usr/bin/d\nfile usr/bin/d/old data=x\n%s' "$hides" | merged hides
echo "$hides" | split hides-too
published_again() { # [OPTION]: of the last image, with the field repair= without an option
	field=$(printf '\trepair=%s' "$(layer_digest 1 | sed 's/sha256://')")
	[ $# = 0 ] || field=
	rm -rf "$R"
	ok 'a layer with additions beneath a link' through_other hides
	rm -rf "$S"
	ducc-fetch -q -s "$S" "oci:$corpus:hides-too" | ducc-unpack -q -s "$S" -r "$tmp/none" | sed "s/\$/$field/" >"$tmp/unpacked"
	ok "... published again ${1-to be repaired}, with another image" \
		sh -c 'in=$1 out=$2 err=$3; shift 3; ducc-publish "$@" <"$in" >"$out" 2>"$err"' sh \
		"$tmp/unpacked" "$tmp/published" "$tmp/err" -s "$S" -r "$R" "$@"
	like '... which is reported' "$(cat "$tmp/err")" \
		'^ducc-publish: warning: localhost/hides-too:latest: layer sha256:[0-9a-f]*: published again with entries elsewhere'
	ok '... is what umoci unpacks' check hides-too
	is '... and the flat tree of the first stays' "$(cat "$R/localhost/hides:latest/bin/d/"*)" x
	no_differences "$R"
}
published_again -f
published_again

# A layer without files, too, is where the links of another image lead; in the layer of that one, a directory would hide
# its link. The layer is unpacked for the second image before it is published for the first.
bare='layer
dir bin/d
file bin/.wh.old
'
echo "$bare" | merged bare
echo "$bare" | split bare-too
rm -rf "$R"
ok 'a layer without files beneath a link: goes through' through bare
layer=$R/.layers/$(layer_digest 1 | sed 's/sha256:\(..\)/\1\/\1/')/layerfs
find "$layer" -printf '%P %y %i %m %T@\n' | sort >"$tmp/before"
ok 'with directories below, from another store' through_other bare-too
like '... it is not where it is published, which is reported' "$(cat "$tmp/err")" 'layer sha256:[0-9a-f]*: bin.* symbolic links lead elsewhere'
ok '... the flat tree is what umoci unpacks' check bare-too flat
is '... the published layer stays as it is' "$(find "$layer" -printf '%P %y %i %m %T@\n' | sort | diff "$tmp/before" -)" ''
no_differences "$R"

# Where the order of a layer's entries matters on the other base, and is not known, the layer is refused there; everywhere
# else it is placed. A layer of each kind is published with one base, and then needed on the other.
kinds=$tmp/kinds
both() { # NAME SPLIT MERGED <SPEC of a layer: what becomes of it on that base, with the layer published on the other one
	cat >"$tmp/layer"
	merged "$1-merged" <"$tmp/layer"
	split "$1-split" <"$tmp/layer"
	echo "$@" >>"$kinds"
}
both marker placed placed <<-'E'
	layer
	file bin/.wh..wh..opq
	file bin/marker data=x
	dir var/run/d
	file var/run/d/.wh..wh..opq
E
both directory refused refused <<-'E'
	layer
	file bin/late data=x
	dir bin uid=7
E
both whiteout refused refused <<-'E'
	layer
	file bin/.wh.old
	file .wh.bin
E
both replacement refused refused <<-'E'
	layer
	file bin/replaced data=x
	file bin data=x
E
both first placed placed <<-'E'
	layer
	file .wh.bin
	file bin/first data=x
E
both whiteouts refused refused <<-'E'
	layer
	file usr/.wh.bin
	file bin/.wh.old
E
both elsewhere placed placed <<-'E'
	layer
	file bin/elsewhere data=x
	file new/f data=x
	dir new uid=7
	file usr/bin/.wh.sh
	dir usr uid=7
E
both one-place refused refused <<-'E'
	layer
	file bin/x data=bin
	file usr/bin/x data=usr/bin
E
both link refused refused <<-'E'
	layer
	file bin/old data=own
	hard h to=usr/bin/old
E
both link-before placed refused <<-'E'
	layer
	hard h to=usr/bin/old
	file bin/old data=own-too
E
both link-through placed refused <<-'E'
	layer
	hard h to=bin/old
	file usr/bin/old data=usr
E
both link-after refused refused <<-'E'
	layer
	file usr/bin/old data=usr-too
	hard h to=bin/old
E
both implied refused refused <<-'E'
	layer
	file opt/.wh.x
	file srv/opt/x/f data=x
E
both beneath refused refused <<-'E'
	layer
	file var/run/beneath data=x
	file var data=x
E
both beneath-replaced refused refused <<-'E'
	layer
	file var/run/beneath data=replaced
	file var/run data=x
	file var data=x
E
both beneath-late refused refused <<-'E'
	layer
	file var/run/beneath data=late
	dir var/run
	file var data=x
E
both beneath-whiteout refused refused <<-'E'
	layer
	file run/older data=x
	layer
	file var/run/.wh.older
	file .wh.var
E
both beneath-opaque refused refused <<-'E'
	layer
	file run/old data=x
	layer
	file var/run/.wh..wh..opq
	file var data=x
E
both hidden-late refused refused <<-'E'
	layer
	file run/hidden data=base
	layer
	file var/run/hidden data=x
	file var/.wh..wh..opq
	dir var/run
E
both deleted-late refused refused <<-'E'
	layer
	file run/deleted data=base
	layer
	file var/run/.wh.deleted
	file .wh.var
	dir var/run
E
both opaque-late refused refused <<-'E'
	layer
	file run/shown data=base
	layer
	file var/run/.wh..wh..opq
	dir var/run
E
both no-links placed refused <<-'E'
	layer
	file var/lib/d/f data=x
	layer
	file var/lib/d/.wh.f
	file .wh.var
E
both nested placed refused <<-'E'
	layer
	file run/old data=x
	layer
	file var/run/.wh..wh..opq
	file var/.wh..wh..opq
E
merged linked <<-'E'
	layer
	file bin/f data=x
	hard h to=bin
E
ok 'a hard link to a link that entries are beneath' through linked
ok '... is what umoci unpacks' check linked
verdict() { # NAME SAYS: that, or what is wrong
	case $2 in
	placed)		check "$1" flat && echo placed ;;
	refused)	! grep "^http://localhost/$1:" "$tmp/published" && grep "/$1:.* other entries of the layer interfere" "$tmp/err" >/dev/null && echo refused ;;
	esac || sed 's/^/# /' "$tmp/err"
}
for order in 'merged split' 'split merged'; do
	rm -rf "$S" "$R"
	# shellcheck disable=SC2046 # names
	ok "layers on the base called ${order% *}" through $(sed "s/ .*/-${order% *}/" "$kinds")
	# shellcheck disable=SC2046 # names
	through $(sed "s/ .*/-${order#* }/" "$kinds") || : # but for those that are refused
	while read -r kind on_split on_merged; do
		says=$on_split
		[ "${order#* }" = split ] || says=$on_merged
		is "... on the one called ${order#* }: $kind" "$(verdict "$kind-${order#* }" "$says")" "$says"
	done <"$kinds"
done

# Entries of the layer that are beneath what it replaces may be elsewhere, through a link in there.
merged dropped <<-'E'
	layer
	file run/old data=x
	layer
	file var/run/pid data=1
	file var/run/.wh.old
	file var data=x
E
merged dropped-whiteout <<-'E'
	layer
	file run/old data=x
	layer
	file var/run/.wh.old
	file .wh.var
E
image dropped-alone <<-'E'
	layer
	file var/run/pid data=1
	file var data=x
E
ok 'links in a directory that the layer replaces afterwards' through dropped dropped-whiteout dropped-alone
for name in dropped dropped-whiteout dropped-alone; do
	ok "... are followed as umoci does: $name" check $name
done

# A directory of the layer hides a link of the layers below before there is anything in it, here by an opaque marker.
hiding='layer
file var/.wh..wh..opq
file var/run/d/f data=x
'
echo "$hiding" | merged hiding
echo "$hiding" | merged hiding-again '.author = "other"'
echo "$hiding" | split hiding-split
ok 'a directory in place of a link that is hidden' through hiding
ok '... is what umoci unpacks' check hiding
ok '... also in another image on the same base' through hiding-again
ok '... ... as well' check hiding-again
ok '... and on one with a directory' through hiding-split
ok '... ... as well' check hiding-split

# What replaces a directory that was already in place of the link, which thus led nothing elsewhere.
n=0
for first in 'dir bin' 'file .wh.bin'; do
	for last in 'file bin data=last' 'sym bin to=usr/bin' 'hard bin to=usr/bin/old'; do
		n=$((n + 1))
		printf 'layer\n%s\nfile bin/between data=x\n%s\n' "$first" "$last" >"$tmp/layer"
		merged "between$n" <"$tmp/layer"
		merged "between-again$n" '.author = "other"' <"$tmp/layer"
		ok "a directory in place of a link, and then another entry: $first, $last" through "between$n"
		ok '... is what umoci unpacks' check "between$n"
		ok '... also in another image on the same base' through "between-again$n"
		ok '... ... as well' check "between-again$n"
	done
done

# The links beneath what a layer deletes are gone where it is stacked again.
merged twice <<-'E'
	layer
	file var/lib/e/f data=x
	layer
	file var/lib/e/.wh.f
	file .wh.var
	layer
	file between data=x
	layer
	file var/lib/e/.wh.f
	file .wh.var
E
ok 'a layer that deletes a directory with links, twice' through twice
ok '... is what umoci unpacks' check twice

# Entries that this image does not have, as links led them into what the layer replaces.
for base in merged split; do
	$base "gone-$base" <<-'E'
		layer
		file usr/bin/kept data=x
		layer
		file bin/.wh.kept
		file .wh.bin
	E
done
rm -rf "$S" "$R"
ok 'a whiteout that a link leads somewhere' through gone-merged
ok '... is not needed by an image unpacked in another store' through_other gone-split
ok '... which has no such whiteout' check gone-split flat
like '... but the layer has, which is reported' "$(cat "$tmp/err")" 'layer sha256:[0-9a-f]*: .*symbolic links lead elsewhere'

# Links of the two bases lead to the same place, but by other links: in the layer, a directory is in place of one of them.
routes='layer
file c/c/.wh.x
file routes data=x
'
printf 'layer\ndir a\ndir a/c\nfile a/c/x data=x\ndir c\nsym c/c to=../a/c\n%s' "$routes" | image routes
printf 'layer\ndir a\ndir a/c\nfile a/c/x data=x\nsym c to=a\n%s' "$routes" | image routes-too
ok 'a link that others replace' through routes
ok '... on the way to where they lead as well' through routes-too
ok '... the flat tree is what umoci unpacks' check routes-too flat
like '... a directory hides it in the layer, which is reported' "$(cat "$tmp/err")" 'layer sha256:[0-9a-f]*: c: symbolic links lead elsewhere'

# Earlier versions called a directory fixed even if a whiteout before its contents replaces it.
merged first-too <<-'E'
	layer
	file .wh.bin
	file bin/first data=x
	layer
	file too data=x
E
rm -rf "$S" "$R"
ok 'an image with a directory that replaces a link' through first-merged
find "$S" "$R" -type f -exec grep -l '^\./bin type=dir .* tags=opaque$' {} + >"$tmp/listings"
is '... has two listings' "$(wc -l <"$tmp/listings")" 2
while read -r listing; do
	sed -e 1,2d -e '/^\.\/bin type=dir .* tags=opaque$/s/$/,fixed/' "$listing" >"$tmp/rest"
	{ printf '#mtree\n# sha256=%s\n' "$(sha256sum <"$tmp/rest" | cut -d ' ' -f 1)"; cat "$tmp/rest"; } >"$listing"
done <"$tmp/listings"
ok '... with the listing of an earlier version' through first-too
ok '... is what umoci unpacks' check first-too

# Of two entries that links lead to one place, the last one is there, and is looked for in the published layer.
for base in merged split; do
	$base "names-$base" <<-'E'
		layer
		file bin/y data=first
		file usr/bin/y data=last
		file bin/z data=first
		file usr/bin/z data=last
		file bin/.wh.z
	E
done
rm -rf "$S" "$R"
ok 'entries of names that lead to one place elsewhere' through names-split
ok '... lead there, from another store' through_other names-merged
ok '... the last one is there' check names-merged flat

# Entries that the layer drops where another image has their directory, and would not where a third one has a link.
dropping='layer
dir a
file a/b/.wh.f
file a/.wh..wh..opq
file a/g data=x
'
printf '%s' "$dropping" | image dropping
printf 'layer\ndir a\ndir a/b\nfile a/b/f data=x\n%s' "$dropping" | image dropping-directory
printf 'layer\ndir c\nfile c/f data=x\ndir a\nsym a/b to=../c\n%s' "$dropping" | image dropping-link
for way in through through_other; do
	rm -rf "$S" "$R"
	ok "a layer on nothing, $way" $way dropping
	ok '... is what umoci unpacks' check dropping
	ok '... on a directory that it fills and hides' $way dropping-directory
	ok '... too' check dropping-directory flat
	$way dropping-link || :
	ok '... and on a link, or is refused' elsewhere dropping-link
	ok '... but not where it was' $way dropping
	ok '... nor does it change there' check dropping flat
done

# If one name was led to two places, the published layer does not tell which entry is which.
for base in merged split; do
	$base "twice-$base" <<-'E'
		layer
		file bin/twice data=first
		dir bin
		file bin/twice data=last
	E
done
ok 'a name that a link leads elsewhere, but only once' through twice-merged
ok '... is what umoci unpacks' check twice-merged
fails '... is not in that layer without the link, from another store' through_other twice-split
like '... which is reported' "$(cat "$tmp/err")" 'twice: not in the published layer'

# stacked NAME: what is in the image's stack of layers, a line for each name.
stacked() {
	stack "$R" "localhost/$1:latest" "$tmp/s" &&
		(cd "$tmp/s/stack" && find . -type d -printf '%p d %m %U\n' -o -type f -exec sha256sum {} + -printf '%p %m %U %T@\n' -o -printf '%p %y %l\n' | sort)
	umount "$tmp/s/stack" || :
	rm -rf "$tmp/s"
}
# stays NAME: the stack has the same as before, but for directories of others that hide nothing.
stays() {
	[ -e "$tmp/stacks/$1" ] || return 0	# it was not published
	[ -s "$tmp/stacks/$1" ] || return
	stacked "$1" | diff "$tmp/stacks/$1" - | grep '^[<>]' | grep -v '^> .* d [0-7]* [0-9]*$' >"$tmp/changes" || :
	cat "$tmp/changes"
	[ ! -s "$tmp/changes" ]
}

# Random stacks, each on a second base too, unpacked in another store, and then once more on the first one.
first=${SEED:-1}
last=$((first + ${STACKS:-$(amount 12 400 6)} - 1))
refused=0
for seed in $(seq "$first" "$last"); do
	"$top/t/mkstack" "$seed" | image "stack-$seed"
	"$top/t/mkstack" "$seed" 1 | image "other-$seed"
	"$top/t/mkstack" "$seed" | image "again-$seed" '.author = "other"'
done
# shellcheck disable=SC2046 # names
ok 'stacks of layers with links everywhere: go through' through $(seq -f 'stack-%.0f' "$first" "$last")
for seed in $(seq "$first" "$last"); do
	note "t/mkstack $seed"
	ok "stack $seed is what umoci unpacks" check "stack-$seed"
done
echo "# $refused of them are refused, by umoci too"
mkdir "$tmp/stacks"
sed -n 's/^http:..localhost.\(stack-[0-9]*\):.*/\1/p' "$tmp/published" >"$tmp/stacks/names"
while read -r name; do stacked "$name" >"$tmp/stacks/$name"; done <"$tmp/stacks/names"
rm -rf "$S"
# shellcheck disable=SC2046 # names
through $(seq -f 'other-%.0f' "$first" "$last") || : # but for those that are refused
for seed in $(seq "$first" "$last"); do
	note "t/mkstack $seed 1"
	ok "stack $seed on another base is what umoci unpacks" elsewhere "other-$seed"
	ok "... the first one stays as it is" stays "stack-$seed"
done
rm -rf "$S"
# shellcheck disable=SC2046 # names
ok 'with the first base, in another image' through $(seq -f 'again-%.0f' "$first" "$last")
for seed in $(seq "$first" "$last"); do
	ok "stack $seed is what umoci unpacks there, too" check "again-$seed" flat
done

done_testing
