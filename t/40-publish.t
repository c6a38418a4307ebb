#!/bin/sh
# ducc-publish into a directory: the layout, what is shared, what a second publish does, and
# what makes a flat image run under Singularity.
# shellcheck disable=SC2016,SC1003 # what the shell must not touch is what is tested here
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=corpus.sh
. "${0%/*}/corpus.sh"
need busybox flock jq umoci zstd
image_program=busybox

L=$tmp/layout
S=$tmp/store
R=$tmp/repo
tab=$(printf '\t')
publish() { # IMAGE...
	main_job "$S" "$R" "$@"
}
everything() { # DIR: what there is, and whether it was touched
	find "$1" -printf '%P %i %y %m %u %g %s %n %l %T@ %C@\n' | sort
}
blob_of() { # DIGEST
	echo "$S/blobs/sha256/${1#*:}"
}
flat_of() { # MANIFEST-HEX
	config=$(jq -r .config.digest "$(blob_of "$1")")
	config=${config#*:}
	echo ".flat/$(echo "$config" | cut -c1-2)/$config"
}

# Layout
make_image "$L" one
umoci tag --image "$L:one" quay.io/org/sub/app:1
umoci tag --image "$L:one" two
mkdir "$tmp/more"
echo more >"$tmp/more/more"
add_layer "$L:two" "$tmp/more"
ok "an image is published into a repository that wasn't there" publish "oci:$L:quay.io/org/sub/app:1"
hex=$(pinned "$(cat "$tmp/published")")
flat=$(flat_of "$hex")
is "the public name is a relative link to the flat image" \
	"$(readlink "$R/quay.io/org/sub/app:1")" "../../../$flat"
is "... that is called after the config" "$(readlink -f "$R/quay.io/org/sub/app:1")" "$R/$flat"
ok "... in which the image's files are" test -x "$R/quay.io/org/sub/app:1/bin/busybox"
is "... with their modes" "$(stat -c %a "$R/$flat/usr/bin/tool")" 4755
is "... without what a layer removed" "$(cd "$R/$flat/doc" && echo *)" "kept linked"
is "there is one directory for each layer" \
	"$(find "$R/.layers" -mindepth 2 -maxdepth 2 -printf '%P\n' | sort)" \
	"$(jq -r '.layers[].digest' "$(blob_of "$hex")" | sed 's/.*:\(..\)\(.*\)/\1\/\1\2/' | sort)"
for layer in $(jq -r '.layers[].digest' "$(blob_of "$hex")" | cut -d: -f2); do
	dir=$R/.layers/$(echo "$layer" | cut -c1-2)/$layer
	ok "layer $layer: files, listing and what it is" \
		test -d "$dir/layerfs" -a -s "$dir/.metadata/layer.mtree" -a -s "$dir/.metadata/layers.json"
	ok "... in JSON" jq -e . "$dir/.metadata/layers.json"
done
whiteout=$(find "$R/.layers" ! -type f -path '*/layerfs/doc/gone')
[ "$(id -u)" != 0 ] || is "a whiteout is character device 0:0" "$(stat -c '%F %t:%T' "$whiteout")" "character special file 0:0"
is "a flat file is its layer's file" "$(stat -c %i "$R/$flat/data/numbers")" \
	"$(stat -c %i "$R"/.layers/*/*/layerfs/data/numbers)"
meta=$R/.metadata/quay.io/org/sub/app:1
is "the manifest is published as it is" "$(digest_of "$meta/manifest.json")" "sha256:$hex"
is "the config is published as it is" "$(digest_of "$meta/config.json")" "sha256:${flat##*/}"
ok "the listing of the root file system is published" grep -q '^\./data/numbers .*size=108894' "$meta/rootfs.mtree"
ok "no transaction is left open" test ! -e "$R/.transaction"

everything "$R" >"$tmp/before"
ok "it can be published again" publish "oci:$L:quay.io/org/sub/app:1"
everything "$R" | diff "$tmp/before" - >"$tmp/diff" || :
is "... which doesn't touch a thing" "$(cat "$tmp/diff")" ""
like "... and is told by the record" "$(cat "$tmp/published")" "${tab}state=unchanged\$"

# Several images
make_image "$L" three
ok "several images at once" publish "oci:$L:one" "oci:$L:two" "oci:$L:three"
is "... each record tells that it is new" "$(grep -c "${tab}state=added\$" "$tmp/published")" 3
for name in one two three; do
	is "$name arrived" "$(cat "$R/localhost/$name:latest/app/name")" "$(echo $name | sed s/two/one/)"
done
is "two names of an image share the flat image" \
	"$(readlink -f "$R/localhost/one:latest")" "$(readlink -f "$R/quay.io/org/sub/app:1")"
is "a layer of two images is there once" "$(stat -c %i "$R/localhost/one:latest/data/numbers")" \
	"$(stat -c %i "$R/localhost/two:latest/data/numbers")"
is "... which only its own directory holds" \
	"$(find "$R/.layers" -type f -path '*/layerfs/app/name' | wc -l)" 2
everything "$R" >"$tmp/before"
ok "all of them again" publish "oci:$L:one" "oci:$L:two" "oci:$L:three" "oci:$L:quay.io/org/sub/app:1"
everything "$R" | diff "$tmp/before" - >"$tmp/diff" || :
is "... doesn't touch a thing" "$(cat "$tmp/diff")" ""

# A tag that moves
old=$(readlink -f "$R/localhost/three:latest")
umoci tag --image "$L:two" three
ok "a tag moves to another image" publish "oci:$L:three"
is "... and the link with it" "$(cat "$R/localhost/three:latest/more")" more
like "... and is told by the record" "$(cat "$tmp/published")" "${tab}state=updated\$"
is "... the flat image it pointed to stays" "$(cat "$old/app/name")" three
is "... the metadata is the new image's" "$(digest_of "$R/.metadata/localhost/three:latest/manifest.json")" \
	"sha256:$(pinned "$(cat "$tmp/published")")"

# What is lost is restored, which is no update.
state() { # of the last publish
	sed 's/.*state=//' "$tmp/published" | xargs
}
podman_drop() { # JQ: edit Podman's list of images
	jq -c "$1" "$R/podmanStore/overlay-images/images.json" >"$tmp/images.json"
	cat "$tmp/images.json" >"$R/podmanStore/overlay-images/images.json"
}
for lost in 'rm "$R/localhost/one:latest"' 'ln -sfn ../.flat "$R/localhost/one:latest"' \
	'podman_drop "map(.names -= [\"localhost/one:latest\"])"' 'podman_drop "map(select(.names | index(\"localhost/one:latest\") | not))"' \
	'rm "$R/.metadata/localhost/one:latest/config.json"' 'rm "$R/.metadata/localhost/one:latest/rootfs.mtree"' \
	'rm -r "$(readlink -f "$R/localhost/one:latest")"'; do
	eval "$lost"
	ok "after $lost" publish "oci:$L:one" "oci:$L:two"
	is "... the image is restored" "$(state)" "restored unchanged"
	ok "... again" publish "oci:$L:one" "oci:$L:two"
	is "... there is nothing to do" "$(state)" "unchanged unchanged"
done
publish "oci:$L:quay.io/org/sub/app:1"
is "... for each name of an image" "$(state)" restored
no_differences "$R"
publish "oci:$L:three"

# Records
record=$(ducc-fetch -q -s "$S" "oci:$L:one" | ducc-unpack -q -s "$S")
printf '%s\trepo=%s\tx=y\n' "$record" "$tmp/repo2/" >"$tmp/record"
publish_record() {
	ducc-publish -s "$S" <"$tmp/record"
}
ok "repo= in a record names the repository" publish_record
like "... and fields are carried through" "$(cat "$out")" "^http://localhost/one:latest@sha256:.*${tab}x=y"
ok "... that has the image" test -x "$tmp/repo2/localhost/one:latest/bin/busybox"
ok "-r takes precedence" ducc-publish -s "$S" -r "$tmp/precedent" <"$tmp/record"
is "... and is what the record then names" "$(tr '\t' '\n' <"$out" | grep ^repo=)" "repo=$tmp/precedent"
ok "DUCC_REPO and DUCC_STORE are the defaults" env DUCC_REPO="$tmp/repo3/" DUCC_STORE="$S" ducc-publish "${record%%"$tab"*}"
ok "... as -r would have it" test -x "$tmp/repo3/localhost/one:latest/bin/busybox"
status=0
ducc-publish -s "$S" "${record%%"$tab"*}" >"$out" 2>&1 || status=$?
# A umask for private files
(umask 077 && ducc-publish -q -s "$S" -r "$tmp/masked" "$(cut -f 1 "$tmp/published")" >/dev/null)
is "all users can enter a repository, whatever the umask" \
	"$(find "$tmp/masked" -type d ! -path '*/layerfs/*' ! -path '*/.flat/*/*/*' ! -path '*/podmanStore/*' ! -perm -055)" ""

ok "without any repository nothing is published" test $status -gt 0 -a $status -lt 128
ok "-n succeeds" ducc-publish -n -s "$S" -r "$tmp/repo4" "${record%%"$tab"*}"
ok "... and writes nothing" test ! -e "$tmp/repo4"
ducc-fetch -q -s "$S" "oci:$L:one" "oci:$L:two" | ducc-unpack -q -s "$S" |
	ducc-publish -q -s "$S" -r "$tmp/repo5" | cut -f1 | while IFS= read -r ref; do
		name=${ref#*://}
		test -x "$tmp/repo5/${name%@*}/bin/busybox" && echo "$name"
	done >"$tmp/seen"
is "a record is printed when the public link is there, not before" "$(wc -l <"$tmp/seen")" 2

record=$(ducc-fetch -q -s "$tmp/S2" "oci:$L:one")
fails "an image that isn't unpacked is an error" ducc-publish -s "$tmp/S2" -r "$tmp/repo6" "${record%%"$tab"*}"
like "... that names the image and says so" "$(cat "$out")" "^ducc-publish: http://localhost/one:latest@.*: .*unpack"
is "... in one line" "$(wc -l <"$out")" 1
is "... and leaves no public name" "$(find "$tmp/repo6" -name 'one*' 2>/dev/null)" ""
good=$(ducc-fetch -q -s "$tmp/S2" "oci:$L:two" | ducc-unpack -q -s "$tmp/S2")
status=0
printf '%s\n%s\n' "$record" "$good" | ducc-publish -q -s "$tmp/S2" -r "$tmp/repo6" >"$out" 2>"$tmp/err" || status=$?
is "... and doesn't hold up the others" "$status $(cut -f1 "$out")" "1 $(echo "$good" | cut -f1)"

# Two at a time
for i in 1 2 3 4; do
	make_image "$L" "p$i"
	ducc-fetch -q -s "$S" "oci:$L:p$i" | ducc-unpack -q -s "$S" >"$tmp/p$i"
done
pids=
for i in 1 2 3 4; do
	ducc-publish -q -s "$S" -r "$tmp/repo7" <"$tmp/p$i" >"$tmp/done.$i" 2>&1 &
	pids="$pids $!"
done
failed=
for pid in $pids; do
	wait "$pid" || failed="$failed $pid"
done
is "four publishes at once all succeed" "$failed$(cat "$tmp"/done.?)" \
	"$(sed "s/\$/${tab}state=added/" "$tmp"/p?)"
is "... and all images arrive" "$(cat "$tmp"/repo7/localhost/p?:latest/app/name | tr '\n' ' ')" "p1 p2 p3 p4 "
ok "... and no transaction is left open" test ! -e "$tmp/repo7/.transaction"

# A lock that somebody holds
mkdir "$tmp/locked"
flock -o "$tmp/locked" setpriv --pdeathsig KILL sleep 600 &
holder=$!
locked() { ! flock -n "$tmp/locked" true; }
wait_for locked
ducc-publish -v -s "$S" -r "$tmp/locked" <"$tmp/p1" >"$tmp/lock.out" 2>&1 &
pid=$!
waits() { grep -q 'waiting for another process' "$tmp/lock.out"; }
ok "somebody else's lock is waited for" wait_for waits
kill $pid
status=0
wait $pid 2>/dev/null || status=$?
is "... until a signal comes" $status 143
rm "$tmp/lock.out"
ducc-publish -v -s "$S" -r "$tmp/locked" <"$tmp/p1" >"$tmp/lock.out" 2>&1 &
pid=$!
ok "... in which a repository can be moved" wait_for waits
mv "$tmp/locked" "$tmp/locked.old"
mkdir "$tmp/locked"
kill $holder
wait $holder 2>/dev/null || :
status=0
wait $pid || status=$?
is "... so that publishing fails" $status 1
like "... with an error that says so" "$(cat "$tmp/lock.out")" "repository $tmp/locked: it was replaced meanwhile; try again"
is "... and nothing is done in either" "$(find "$tmp/locked" "$tmp/locked.old" -mindepth 1)" ""
ok "... but in the new one when tried again" ducc-publish -q -s "$S" -r "$tmp/locked" <"$tmp/p1"

# What is not ours stays
mkdir -p "$tmp/repo8/.metadata" "$tmp/repo8/localhost/p1:latest"
echo precious | tee "$tmp/repo8/localhost/p1:latest/file" >"$tmp/repo8/quay.io"
umoci tag --image "$L:p2" quay.io/p2:1
p2=$(ducc-fetch -q -s "$S" "oci:$L:quay.io/p2:1" | ducc-unpack -q -s "$S" | cut -f1)
for ref in "$(cut -f1 "$tmp/p1")" "$p2"; do
	fails "something else in the place of an image's name is an error" ducc-publish -s "$S" -r "$tmp/repo8" "$ref"
	like "... that names the image" "$(cat "$out")" "^ducc-publish: $ref: "
done
is "... and stays as it was" "$(cat "$tmp/repo8/localhost/p1:latest/file" "$tmp/repo8/quay.io")" "precious
precious"
ok "... and doesn't hold up other images" ducc-publish -s "$S" -r "$tmp/repo8" "$(cut -f1 "$tmp/p3")"

# A name that no file can have
long=localhost/$(printf %0200d 0):$(printf %0100d 0)
umoci tag --image "$L:p2" "$long"
ducc-fetch -q -s "$S" "oci:$L:$long" | ducc-unpack -q -s "$S" >"$tmp/long"
is "an image with a long name" "$(cut -d @ -f 1 "$tmp/long")" "http://$long"
cat "$tmp/long" "$tmp/p3" >"$tmp/long-and-p3"
fails "... cannot be published" ducc-publish -s "$S" -r "$tmp/repo9" <"$tmp/long-and-p3"
is "... which alone is reported" "$(sed "s/@sha256:[0-9a-f]*//; s,$long,LONG," "$out" | cut -f 1)" \
	"ducc-publish: http://LONG: name too long: more than 255 bytes between slashes
$(cut -d @ -f 1 "$tmp/p3")"

# A full disk
mkdir "$tmp/small"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=1500k tmpfs "$tmp/small" 2>/dev/null; then
	ref=$(cut -f1 "$tmp/p1")
	fails "a full disk is an error" ducc-publish -s "$S" -r "$tmp/small/repo" "$ref"
	like "... that names layer and cause" "$(cat "$out")" "$ref: layer sha256:.*No space left"
	is "... and leaves nothing public" "$(find "$tmp/small/repo" -name "p1:*")" ""
	mount -o remount,size=20M "$tmp/small"
	ok "... with more room it is published" ducc-publish -s "$S" -r "$tmp/small/repo" "$ref"
	ok "... without a trace of the first try" test ! -e "$tmp/small/repo/.transaction"
fi

# An image on top of published layers, from an empty store
publish_on_top() { # IMAGE
	ducc-fetch -q -s "$tmp/S3" -r "$tmp/repo2" "$1" | ducc-unpack -q -s "$tmp/S3" -r "$tmp/repo2" |
		ducc-publish -q -s "$tmp/S3" -r "$tmp/repo2"
}
ok "layers that only the repository has" publish_on_top "oci:$L:two"
is "... serve a new image too" "$(cat "$tmp/repo2/localhost/two:latest/more" "$tmp/repo2/localhost/two:latest/data/numbers" | wc -l)" 20001

# Singularity
F=$R/localhost/one:latest
is "env is in Singularity's order" "$(cd "$F/.singularity.d/env" && echo *)" \
	"01-base.sh 10-docker2singularity.sh 90-environment.sh 95-apps.sh 99-base.sh"
is "actions are there, and can run" "$(find "$F/.singularity.d/actions/" -perm -755 -type f -printf '%f\n' | sort | tr '\n' ' ')" \
	"exec run shell start test "
for l in .exec:actions/exec .run:actions/run .shell:actions/shell .test:actions/test \
	singularity:runscript environment:env/90-environment.sh; do
	is "/${l%:*} is a link" "$(readlink "$F/${l%:*}")" ".singularity.d/${l#*:}"
done
for d in dev proc sys tmp var/tmp root home etc; do
	ok "/$d is there to mount over" test -d "$F/$d" -a ! -L "$F/$d"
done
for f in etc/hosts etc/resolv.conf; do
	ok "/$f is there to mount over" test -f "$F/$f"
done
is "/tmp and /var/tmp are open to all" "$(stat -c %a "$F/tmp" "$F/var/tmp" | tr '\n' ' ')" "1777 1777 "
like "a layer has none of this" "$(find "$R/.layers" -name .singularity.d | wc -l)" '^0$'

if [ "$(id -u)" = 0 ]; then
	chroot=$(command -v chroot)
	ok "the runscript runs" env -i "$chroot" "$F/" /.singularity.d/runscript
	is "... Entrypoint and Cmd" "$(cat "$out")" "<it's>
<two words>
<"'"$HOME" \n `id`>'
	nl='a
b'
	set -- 'a b' "it's" '"$HOME"' '\n\\' '`id`' '' '*' "$nl" '!' '-x' "trailing$nl
"
	ok "the runscript takes arguments" env -i "$chroot" "$F/" /.singularity.d/runscript "$@"
	is "... in place of Cmd, byte for byte" "$(cat "$out")" "$(printf '<%s>\n' "it's" "$@")"
	ok "so does /.run" env -i "$chroot" "$F/" /.singularity.d/actions/run "$@"
	is "... byte for byte" "$(cat "$out")" "$(printf '<%s>\n' "it's" "$@")"
	ok "/.exec runs a command" env -i "$chroot" "$F/" /.singularity.d/actions/exec /app/args "$@"
	is "... with its arguments byte for byte" "$(cat "$out")" "$(printf '<%s>\n' "$@")"

	# A variable's value with everything in it; an image with Cmd only, one with Entrypoint only, with neither
	value='a b it'"'"'s "so" $HOME ${HOME} `id` $(id) \n \\ ! * ; & | # %s
next'
	umoci tag --image "$L:one" env
	umoci config --image "$L:env" --config.env "TRICKY=$value" --config.env "EMPTY=" --config.env "EQUALS=a=b=c" \
		--config.env 'NOT.A.NAME=x' --config.env 'a;touch /evil;b=x' --config.env '$(touch /evil)=x'
	umoci tag --image "$L:env" cmd
	umoci config --image "$L:cmd" --clear config.entrypoint --clear config.cmd --config.cmd /app/args --config.cmd "it's"
	umoci tag --image "$L:env" entry
	umoci config --image "$L:entry" --clear config.entrypoint --clear config.cmd --config.entrypoint /app/args
	umoci tag --image "$L:env" neither
	umoci config --image "$L:neither" --clear config.entrypoint --clear config.cmd
	ok "more images to run" publish "oci:$L:env" "oci:$L:cmd" "oci:$L:entry" "oci:$L:neither"
	in_image() { # NAME COMMAND...
		in_image=$R/localhost/$1:latest/
		shift
		env -i "$chroot" "$in_image" "$@"
	}
	is "the image's variables come through byte for byte" \
		"$(in_image env /.singularity.d/actions/exec /bin/sh -c 'echo "$TRICKY"; echo "$QUOTES"; echo "$DOLLAR"; echo "$EQUALS"')" \
		"$value
it's \"so\"
"'$HOME `id` \n
a=b=c'
	is "... an empty one is set" "$(in_image env /.singularity.d/actions/exec /bin/sh -c 'echo "${EMPTY-unset}"')" ""
	is "... one that the user has set stays" "$(env -i TRICKY=mine "$chroot" "$R/localhost/env:latest/" \
		/.singularity.d/actions/exec /bin/sh -c 'echo "$TRICKY"')" mine
	ok "... one whose name the shell would run does nothing" test ! -e "$R/localhost/env:latest/evil"
	is "without Entrypoint: Cmd" "$(in_image cmd /.singularity.d/runscript)" "<it's>"
	is "... and arguments in place of it" "$(in_image cmd /.singularity.d/runscript /app/args x)" "<x>"
	is "without Cmd: Entrypoint" "$(in_image entry /.singularity.d/runscript)" ""
	is "... and its arguments" "$(in_image entry /.singularity.d/runscript 'x y')" "<x y>"
	is "without both: the arguments" "$(in_image neither /.singularity.d/runscript /app/args 'x y')" "<x y>"
	is "without anything: a shell" "$(echo 'echo in the shell' | in_image neither /.singularity.d/runscript)" "in the shell"
fi

# What the image has stays its own
mkdir -p "$tmp/own/.singularity.d/env" "$tmp/own/etc" "$tmp/own/data/hosts"
echo mine | tee "$tmp/own/singularity" "$tmp/own/.singularity.d/runscript" "$tmp/own/dev" \
	"$tmp/own/.singularity.d/env/01-base.sh" >"$tmp/own/.run"
chmod 600 "$tmp/own/.run"
ln -s ../data/hosts "$tmp/own/etc/hosts"
ln -s nowhere "$tmp/own/etc/resolv.conf"
ln -s /var/scratch "$tmp/own/tmp"
ln -s . "$tmp/own/.exec"
mkdir -m 700 "$tmp/own/root"
umoci new --image "$L:own"
add_layer "$L:own" "$tmp/own"
ok "an image with Singularity files of its own" publish "oci:$L:own"
F=$R/localhost/own:latest
(cd "$tmp/own" && find . \( -type l -printf '%P %y %l\n' \) -o \( ! -type d -printf '%P %y %m %s\n' \) | sort) >"$tmp/want"
(cd "$tmp/own" && find . ! -type d -printf '%P\n') | (cd "$F/" && xargs -I{} find {} \( -type l -printf '%p %y %l\n' \) -o \
	-printf '%p %y %m %s\n') | sort >"$tmp/got"
is "... keeps each of them" "$(cat "$tmp/got")" "$(cat "$tmp/want")"
is "... and its directories' modes" "$(stat -c %a "$F/root")" 700
is "... and gets the others" "$(cd "$F/.singularity.d/env" && echo *)" \
	"01-base.sh 10-docker2singularity.sh 90-environment.sh 95-apps.sh 99-base.sh"
ok "... its layer doesn't" test ! -e "$R"/.layers/*/*/layerfs/.singularity.d/env/99-base.sh

# Links that lead out of the image
outside=$tmp/outside
mkdir -p "$outside/s" "$outside/e" "$outside/v" "$tmp/out"
everything "$outside" >"$tmp/before"
n=0
for where in "$outside" ../../../../outside; do
	n=$((n + 1))
	rm -rf "$tmp/out"
	mkdir "$tmp/out"
	ln -s "$where/s" "$tmp/out/.singularity.d"
	ln -s "$where/e" "$tmp/out/etc"
	ln -s "$where/v" "$tmp/out/var"
	umoci new --image "$L:out$n"
	add_layer "$L:out$n" "$tmp/out"
	ok "an image whose directories are links to $where" publish "oci:$L:out$n"
	is "... keeps its links" "$(cd "$R/localhost/out$n:latest/" && readlink .singularity.d etc var | tr '\n' ' ')" \
		"$where/s $where/e $where/v "
done
everything "$outside" | diff "$tmp/before" - >"$tmp/diff" || :
is "no link out of an image is followed" "$(cat "$tmp/diff")" ""

# A name that would take the place of something of the repository's own
umoci tag --image "$L:p2" remove-schedule.json/app:1
ducc-fetch -q -s "$S" "oci:$L:remove-schedule.json/app:1" | ducc-unpack -q -s "$S" >"$tmp/reserved"
fails "a name in the place of the schedule is refused" ducc-publish -s "$S" -r "$tmp/reserved-repo" "$(cut -f1 "$tmp/reserved")"
like "... which the error says" "$(cat "$out")" "would replace .metadata/remove-schedule.json"
ok "... and nothing is there" test ! -e "$tmp/reserved-repo/.metadata/remove-schedule.json"

# What is published of a layer stays when another image brings it along on another base.
corpus "$tmp/shared"
upper() {
	printf 'layer\nfile etc/y data=y\nfile etc/sub/.wh.foo\n'
}
{ printf 'layer\ndir ./\ndir etc mode=755\n'; upper; } | image good
{ printf 'layer\ndir ./ mode=777\ndir etc mode=777 uid=1000\ndir etc/sub mode=777\nfile etc/sub/foo data=x\n'; upper; } | image evil
R9=$tmp/repo9
ok "an image is published" main_job "$tmp/s9" "$R9" "oci:$tmp/shared:good"
layerfs=$(echo "$R9"/.layers/*/"$(jq -r '.layers[1].digest[7:]' "$corpus/part/manifest")"/layerfs)
before=$(stat -c '%a %u %Y' "$layerfs" "$layerfs/etc")
rm -rf "$tmp/s9/layers" "$tmp/s9/images"/*.mtree
ducc-fetch -q -s "$tmp/s9" "oci:$tmp/shared:evil" | ducc-unpack -q -s "$tmp/s9" >"$tmp/evil"
ok "one with the same layer on another base" ducc-publish -s "$tmp/s9" -r "$R9" "$(cut -f1 "$tmp/evil")"
is "... leaves the layer's directories as they were" "$(stat -c '%a %u %Y' "$layerfs" "$layerfs/etc")" "$before"
like "... which is said" "$(cat "$out")" "layer sha256:[0-9a-f]*: / and 1 more: another owner, mode or time than in the image for which the layer was published"
is "... and has its own flat tree" "$(stat -c '%a %u' "$R9/localhost/evil:latest/etc")" "777 1000"

# As an ordinary user
if [ "$(id -u)" = 0 ]; then
	U=$tmp/user
	mkdir -p "$tmp/tree/etc"
	echo hi >"$tmp/tree/file"
	chmod 4750 "$tmp/tree/file"
	mknod "$tmp/tree/null" c 1 3
	umoci new --image "$L:user"
	tar -C "$tmp/tree" --numeric-owner --owner=12 --group=34 -cf "$tmp/layer.tar" .
	umoci raw add-layer --image "$L:user" "$tmp/layer.tar"
	chmod -R a+rX "$L"
	chmod 755 "$tmp"
	mkdir "$U"
	chown 65534:65534 "$U"
	as_user() {
		HOME=$U setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
	}
	if as_user ducc-fetch -V >/dev/null 2>&1; then
		ok "a user fetches" as_user ducc-fetch -s "$U/s" "oci:$L:user" "oci:$L:one"
		cp "$out" "$tmp/records"
		ref=$(cut -f1 "$tmp/records" | head -n 1)
		ok "... unpacks" as_user ducc-unpack -s "$U/s" "$ref" "$(cut -f1 "$tmp/records" | tail -n 1)"
		tar -tvf "$U/s/layers/$(jq -r '.layers[0].digest' "$U/s/blobs/sha256/$(pinned "$ref")" | cut -d: -f2).tar" >"$tmp/list" 2>/dev/null || :
		ok "... nothing is lost in a layer's archive" grep "^c.*12/34.*null" "$tmp/list"
		ok "... extracts" as_user ducc-unpack -s "$U/s" -x "$U/x" "$ref"
		like "... and is told what was left out" "$(cat "$out")" "owner|device"
		is "... all that a user can have is there" "$(cat "$U/x/file")" hi
		ok "... publishes" as_user ducc-publish -s "$U/s" -r "$U/r" "$ref" "$(cut -f1 "$tmp/records" | tail -n 1)"
		is "... and is told once what was left out" "$(sed -n 's/ [0-9][0-9]* / N /g; /^ducc-publish:/p' "$out")" \
			"ducc-publish: warning: $U/r: left out, not permitted: N owners, N devices, N setuid or setgid bits"
		is "... all that a user can have is published" "$(cat "$U/r/localhost/user:latest/file")" hi
		everything "$U/r" >"$tmp/before"
		ok "... again" as_user ducc-publish -s "$U/s" -r "$U/r" "$ref" "$(cut -f1 "$tmp/records" | tail -n 1)"
		everything "$U/r" | diff "$tmp/before" - >"$tmp/diff" || :
		is "... which doesn't touch a thing" "$(cat "$tmp/diff")" ""
	else
		echo "# the tools are where an ordinary user can't run them"
	fi
fi

# A file system that cannot exchange directories: trees are replaced there, too, whatever becomes of one of the renames.
X=$tmp/exchange
main_job "$S" "$X" "oci:$L:one"
cp "$tmp/published" "$tmp/records"
tree() {
	stat -L -c %i "$X.now/localhost/one:latest/"
}
faulty() { # FAULT: publishes it again with that, in a copy of the repository
	rm -rf "$X.now"
	cp -a "$X" "$X.now"
	old_tree=$(tree)
	NO_EXCHANGE=1 FAULT=$1 FAULT_COUNTS=$tmp/counts LD_PRELOAD=$bin/t/preload-faults.so \
		ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS ducc-publish -q -f -s "$S" -r "$X.now" <"$tmp/records"
}
content() { # DIR: what there is, whether it is new or not
	find "$1" -mindepth 1 \( ! -type d -printf '%P %y %m %U %G %s %l\n' -o -printf '%P %y %m\n' \) | sort
}
is_as_before() {
	content "$X.now" | diff "$tmp/before" -
}
content "$X" >"$tmp/before"
faulty 'none 0 0 0' >"$tmp/said" || cat "$tmp/said"
ok "without exchanges, an image is published again" is_as_before
ok "... its flat tree is another one" test "$(tree)" != "$old_tree"
steps=$(sed -n 's/^rename //p' "$tmp/counts") wrong=
ok "... which takes two renames for each of four trees, and more" test "$steps" -gt 8
for fault in $(seq -f '%g:5' "$steps") $(seq -f '%g:-9' "$steps"); do
	status=0
	faulty "rename ${fault%:*} ${fault#*:} 1" >"$tmp/said" 2>&1 || status=$?
	case $status in
	0 | 1) is_as_before ;;
	137) NO_EXCHANGE=1 LD_PRELOAD=$bin/t/preload-faults.so ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS ducc-publish -q -s "$S" -r "$X.now" <"$tmp/records" && is_as_before ;;
	*) false ;;
	esac >"$tmp/diff" 2>&1 || wrong="$wrong rename $fault, status $status: $(cat "$tmp/said" "$tmp/diff")"
done
is "... a rename that fails, or at which it is killed, does not matter" "$wrong" ""

# What an overlay file system refuses
mkdir -p "$tmp/overlay/lower" "$tmp/overlay/fs" "$tmp/overlay/m"
cat >"$tmp/overlay/run" <<'END'
	mount -t tmpfs none fs && mkdir fs/up fs/work && mount -t overlay -o lowerdir=lower,upperdir=fs/up,workdir=fs/work none m || exit 77
	exec ducc-publish -q -s "$store" -r m/repo "$image"
END
if unshare -m true 2>/dev/null; then
	ducc-fetch -q -s "$tmp/overlay/store" "oci:$L:two" | ducc-unpack -q -s "$tmp/overlay/store" >"$tmp/record"
	status=0
	(cd "$tmp/overlay" && store=$tmp/overlay/store image=$(cut -f1 "$tmp/record") unshare -m sh run) >"$out" 2>&1 || status=$?
	if [ $status != 77 ]; then
		is "whiteouts on an overlay file system: an error" $status 1
		like "... that says so" "$(cat "$out")" 'an overlay file system takes no whiteouts: .*: Operation not permitted'
	fi
fi

no_differences "$tmp/repo"

done_testing
