#!/bin/sh
# ducc-unpack with several images at once: they get the same as one after the other, read what they share once, and do not
# disturb each other. $ROUNDS is how often, by default 2, or 40 with $SOAK.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=corpus.sh
. "$top/t/corpus.sh"
need flock gzip jq zstd

rounds=${ROUNDS:-$(amount 2 40 1)}
F=$tmp/fetched
S=$tmp/store

# Images with layers of their own, and one that all share: its opaque directory gets whiteouts for what it hides in each.
images='1 2 3 4 5 6 7 8'
corpus "$tmp/corpus"
for i in $images; do
	image "app-$i" <<-END
		layer
		dir d
		file d/both
		file d/$i
		$(seq 500 | sed "s|.*|file own/$i/& data=$i|")
		layer
		dir d
		file d/.wh..wh..opq
		file d/new
		$(seq 500 | sed 's|.*|file many/&|')
		layer zstd
		file last mode=60$((i % 8))
	END
done
printf 'layer\nfile f\n' | image other
image liar '.rootfs.diff_ids[0] = "sha256:" + "0" * 64' <<'END'
layer
dir d
layer
file of/liar
END
jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' "$corpus/index.json" >"$tmp/names"
sed "s|^|oci:$corpus:|" "$tmp/names" | ducc-fetch -q -s "$F" >"$tmp/all"
grep -v liar "$tmp/all" >"$tmp/good"

layer_of() { # IMAGE NUMBER: print its digest, in hexadecimal
	layer_manifest=$(jq -r --arg n "$1" \
		'.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $n).digest[7:]' "$corpus/index.json")
	jq -r --argjson n "$2" '.layers[$n].digest[7:]' "$corpus/blobs/sha256/$layer_manifest"
}
listings() { # STORE: of layers and images, once it is complete
	ducc-unpack -q -j1 -s "$1" <"$tmp/good" >"$out"
	(cd "$1" && sha256sum layers/*.mtree images/*.mtree)
}
cp -R "$F" "$S.one"
ducc-unpack -q -j1 -s "$S.one" <"$tmp/good" >"$tmp/unpacked"
is 'one after the other, records come in the order of the images' "$(cat "$tmp/unpacked")" "$(cat "$tmp/good")"
listings "$S.one" >"$tmp/listings"

round=0
while [ $round -lt "$rounds" ]; do
	round=$((round + 1))
	rm -rf "$S"
	cp -R "$F" "$S"
	status=0
	rm -f "$tmp/failed"
	ducc-unpack -vv -j6 -s "$S" --failed "$tmp/failed" <"$tmp/all" >"$tmp/unpacked" 2>"$tmp/log" || status=$?
	is 'of several at once, one fails' "$status $(sed 's/.*error=//; s/sha256:[0-9a-f]*/D/g' "$tmp/failed")" \
		'1 layer D: diff ID mismatch: content is D, config has D'
	is '... and the others do not, in their order' "$(cat "$tmp/unpacked")" "$(cat "$tmp/good")"
	is '... which read each layer that they share once' \
		"$(sed -n 's/.*: unpacked layer //p' "$tmp/log" | sort | uniq -d)" ''
	is '... and get what they get one after the other' "$(listings "$S")" "$(cat "$tmp/listings")"
done

rm -rf "$S"
cp -R "$F" "$S"
for n in 1 2 3; do
	ducc-unpack -q -j$n -s "$S" <"$tmp/good" >"$tmp/unpacked.$n" &
	pids="${pids-} $!"
done
status=0
for pid in $pids; do
	wait "$pid" || status=$?
done
is 'several processes do it at the same time' "$status $(sort "$tmp/unpacked.1" "$tmp/unpacked.2" "$tmp/unpacked.3")" \
	"0 $(cat "$tmp/good" "$tmp/good" "$tmp/good" | sort)"
is '... with the same result' "$(listings "$S")" "$(cat "$tmp/listings")"

# A record is printed when its image is done, whatever follows.
rm -rf "$S"
cp -R "$F" "$S"
mkfifo "$tmp/in" "$tmp/out"
ducc-unpack -q -j2 -s "$S" <"$tmp/in" >"$tmp/out" &
exec 3>"$tmp/in" 4<"$tmp/out"
answers=
while read -r record; do
	printf '%s\n' "$record" >&3
	read -r answer <&4
	[ "$answer" = "$record" ] || answers="$answers$answer
"
done <"$tmp/good"
exec 3>&-
wait $!
is 'each record is printed before the next one is read' "$answers" ''

# While an image waits for another process, others are unpacked.
rm -rf "$S"
cp -R "$F" "$S"
exec 9>"$S/tmp/layers-$(layer_of app-1 0).tar"
flock 9
sort "$tmp/all" | grep -e /app-1: -e /other: | ducc-unpack -q -j2 -s "$S" >"$tmp/unpacked" 9>&- &
other=$S/images/$(sed -n 's/.*other:.*@sha256:\([0-9a-f]*\).*/\1/p' "$tmp/good").mtree
ok 'an image that waits does not keep others from being unpacked' wait_for test -e "$other"
flock -u 9
wait $!
is '... which are printed after it' "$(cut -d: -f2 "$tmp/unpacked")" "//localhost/app-1
//localhost/other"

ok 'a dry run of several images' \
	sh -c 'ducc-unpack -n -s "$1" <"$2"' sh "$S" "$tmp/good"
sed 2q "$tmp/good" >"$tmp/two"
fails 'extracting two images into one directory' ducc-unpack -s "$S" -x "$tmp/x" <"$tmp/two"
like '... refuses the second' "$(cat "$out")" "is not empty: each image needs a directory of its own"
is '... and only that' "$(grep -c ducc-unpack: "$out") $(grep -cFx "$(sed 1q "$tmp/two")" "$out")" '1 1'
# Two processes may publish into different repositories, of which each has a layer that the other one is unpacking: whoever
# waits for a layer to complete it holds no other one.
hides='layer
dir d
file d/.wh..wh..opq'
image published <<END
layer
file d/1
$hides
END
image next <<END
layer
file d/2
$hides
layer
file e
END
mkdir "$tmp/repo"
echo "oci:$corpus:published" | ducc-fetch -q -s "$F" | ducc-unpack -q -s "$F" | ducc-publish -q -s "$F" -r "$tmp/repo" >"$out"
rm -rf "$S"
echo "oci:$corpus:next" | ducc-fetch -q -s "$S" >"$tmp/next"
hidden=$(layer_of next 1)
exec 9>"$S/tmp/layers-$hidden.tar"
flock 9
ducc-unpack -v -s "$S" -r "$tmp/repo" <"$tmp/next" >"$tmp/unpacked" 2>"$tmp/log" 9>&- &
ok 'a layer is complete while the process waits for another one, which is published' \
	wait_for test -e "$S/layers/$(layer_of next 2).mtree"
ok '... for which it waits' wait_for grep "tmp/layers-$hidden.tar: waiting for another process" "$tmp/log"
flock -u 9
wait $!
is '... which gets what this image hides' "$(cat "$tmp/unpacked") $(grep -c '^\./d/[12] .*type=char' "$S/layers/$hidden.mtree")" \
	"$(cat "$tmp/next") 2"

# While an image waits for a layer, to complete it, the unpacked layers are removed, and the layer is unpacked where links
# of other layers lead: the image is not what was merged before, and is unpacked from the beginning.
hides='layer
dir bin/d
file bin/d/.wh..wh..opq
file bin/d/x data=x'
linked='layer
dir usr
dir usr/bin
dir usr/bin/d
file usr/bin/d/old
sym bin to=usr/bin'
printf '%s\n' "$linked" "$hides" | image linked
printf '%s\n' "$linked" 'file usr/bin/d/older' "$hides" | image more
image split <<END
layer
dir bin
dir bin/d
file bin/d/other
$hides
END
others_unpack() { # NAME
	rm -rf "$tmp/others"
	cp -R "$F" "$tmp/others"
	rm -rf "$tmp/others"/layers/*
	echo "oci:$corpus:$1" | ducc-fetch -q -s "$tmp/others" | ducc-unpack -q -s "$tmp/others" >"$out" 9>&-
	cp "$tmp/others"/layers/* "$S/layers"
}
rm -rf "$S"
echo "oci:$corpus:linked" | ducc-fetch -q -s "$S" | ducc-unpack -q -s "$S" >"$out"
echo "oci:$corpus:more" | ducc-fetch -q -s "$S" >"$tmp/more"
hidden=$(layer_of more 1)
exec 9>"$S/tmp/layers-$hidden.tar"
flock 9
ducc-unpack -v -s "$S" <"$tmp/more" >"$tmp/unpacked" 2>"$tmp/log" 9>&- &
ok 'an image waits for a layer' wait_for grep "tmp/layers-$hidden.tar: waiting for another process" "$tmp/log"
rm -f "$S"/layers/*
others_unpack split
flock -u 9
ok '... which is unpacked for another one meanwhile' wait $!
is '... it is unpacked' "$(cat "$tmp/unpacked")" "$(cat "$tmp/more")"
ok '... and extracted' sh -c 'ducc-unpack -q -s "$1" -x "$2" <"$3"' sh "$S" "$tmp/x.more" "$tmp/more"
is '... as it is' "$(cd "$tmp/x.more" && find . | sort | tr '\n' ' ')" '. ./bin ./usr ./usr/bin ./usr/bin/d ./usr/bin/d/x '
is '... the layer has what the other image needs' "$(sed -n 's/^\.\(\/[^ ]*\) type=\([a-z]*\).*/\1 \2/p' "$S/layers/$hidden.mtree")" '/bin dir
/bin/d dir
/bin/d/other char
/bin/d/x file'
done_testing
