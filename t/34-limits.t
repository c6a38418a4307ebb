#!/bin/sh
# The resources of an image are limited: an image at a limit is unpacked, one beyond it is refused with an error that
# names the limit. The defaults refuse small images that expand to much, early and with little memory. Images with
# many entries, links, whiteouts or layers become the right tree.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=corpus.sh
. "${0%/*}/corpus.sh"
need docker-registry flock jq nginx skopeo time zstd

corpus "$tmp/corpus"
store=$tmp/store

# fetch IMAGE: into the store, where nothing of it is unpacked; its record is in $tmp/record.
fetch() {
	rm -rf "$store/layers" "$store/images"/*.mtree
	ducc-fetch -q -s "$store" "oci:$corpus:$1" >"$tmp/record"
}

unpack() { # [OPTION...]
	ducc-unpack -s "$store" "$@" <"$tmp/record"
}

# bounded TITLE IMAGE NAME N MESSAGE: with -l NAME=N the image is unpacked, with one less it is refused.
bounded() {
	fetch "$2"
	ok "$1: a limit of $4 admits the image" unpack -l "$3=$4"
	fetch "$2"
	fails "$1: a limit of $(($4 - 1)) refuses it" unpack -l "$3=$(($4 - 1))"
	like "$1: the error names the limit" "$(cat "$out")" "$5 .*\(raise it with -l $3=N\)\$"
	is "$1: nothing is left" \
		"$(find "$store/tmp" "$store/layers" -type f) $(find "$store/images" -name '*.mtree')" " "
}

numbers() { # FORMAT N [FROM]: lines with the numbers from FROM (1) to N in the place of each &
	seq "${3:-1}" "$2" | sed "s|.*|$1|"
}

# A registry, and a slow way to it.
start_registry open
start_nginx <<-END
	server {
		@LISTEN@
		location / { proxy_pass http://$registry; proxy_set_header Host \$http_host; }
		location ~ ^/v2/slow/blobs/ { proxy_pass http://$registry; proxy_set_header Host \$http_host; limit_rate 100; }
	}
END
image good <<-'E'
	layer
	dir ./
	file fine data=x
E

# Each limit, where it is.

image depth <<-'E'
	layer
	file a/b/c/d/e data=x
E
bounded 'components of a path' depth depth 5 'a/b/c/d/e.*path of more than 4 components'
image link-depth <<-'E'
	layer
	hard h to=./a//b/c
	layer
	file f data=x
E
fetch link-depth
fails 'components of what a hard link is onto' unpack -l depth=2
like '... are limited too' "$(cat "$out")" 'h: hard link: .*path of more than 2 components'

image path <<-E
	layer
	file a/$(repeat 200 b)/c data=x
E
bounded 'bytes of a path' path path 204 'a/b*\.\.\..*path of more than 203 bytes'

image entries <<-'E'
	layer
	file a/b/c data=x
	file a/b/d data=x
	file a/b/d data=y
	dir a
	sym s to=a
	hard h to=a/b/c
	file a/.wh.gone
E
bounded 'entries of a layer' entries entries 7 'more than 6 entries'
image image-entries <<-E
	layer
	$(numbers 'file a/&' 10)
	layer
	$(numbers 'file b/&' 10)
	layer
	$(numbers 'file a/&' 10)
E
bounded 'entries of an image' image-entries entries 22 'more than 21 entries in the whole image'

image layers <<-'E'
	layer
	file a
	layer
	file b
	layer
	file a
E
bounded 'layers' layers layers 3 'image of more than 2 layers'

# Sparse files and long names make the tar that is written larger than the one that is read: the larger one counts.
tars() { # bytes of the tars in the store
	find "$store/layers" -name '*.tar' -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}
for kind in gzip zstd plain; do
	image "layer-$kind" <<-E
		layer $kind
		dir ./
		file f size=300K
		file sparse sparse=gnu size=1M map=0+512
		file $(repeat 120 n)
	E
	fetch "layer-$kind"
	unpack >"$tmp/out"
	bounded "bytes of a layer ($kind)" "layer-$kind" layer "$(tars)" 'unpacks to more than [0-9]* bytes'
done
fetch layer-gzip
unpack >"$tmp/out"
tars=$(tars)
fetch layer-gzip
fails 'a number alone is the limit of a layer' unpack -l $((tars - 1))
like '... and the error names it' "$(cat "$out")" '-l layer=N'
image two <<-E
	layer
	dir ./
	file a size=200K
	layer zstd
	dir ./
	file b size=300K
	layer
	dir ./
	file a size=200K
E
fetch two
unpack >"$tmp/out"
bounded 'bytes of all layers, each once' two image "$(tars)" "the image's layers together unpack to more than [0-9]* bytes"

# A directory counts 256 bytes and its path, and is shorter in the listing.
image listing <<-E
	layer
	dir ./
	$(numbers 'dir &' 20 11)
	dir b/c/d
E
bounded 'bytes of a listing' listing listing $((256 + 10 * 258 + 257 + 259 + 261)) 'listing of more than [0-9]* bytes'
image octal <<-'E'
	layer
	dir ./
	dir \001\002
	dir \303\244
	dir abc
	dir abd
E
bounded '... as they are written' octal listing $((5 * 256 + 8 + 8 + 3 + 3)) 'listing of more than [0-9]* bytes'
image image-listing '.rootfs.diff_ids |= [range(40) as $i | .[]]' '.layers |= [range(40) as $i | .[]]' <<-E
	layer
	dir ./
	$(numbers 'file &' 20)
E
listing=$((21 * 256 + 2 * (9 + 2 * 11))) # each file's path counts twice: as its contents= too
fetch image-listing
ok 'a listing counts as often as the image has its layer' unpack -l listing=$((40 * listing))
fetch image-listing
fails '... and not once less' unpack -l listing=$((39 * listing))
like '... which is said' "$(cat "$out")" 'listings of more than [0-9]* bytes in the whole image \(raise it with -l listing=N\)$'

# The default for the bytes of a layer is a multiple of its compressed size.
image hole <<-'E'
	layer
	file f sparse=gnu size=1T map=1T+0
E
fetch hole
fails 'a layer with a large hole' unpack
like '... is refused' "$(cat "$out")" 'unpacks to more than 1073741824 bytes \(raise it with -l layer=N\)$'
size=$(jq '.layers[0].size' "$corpus/part/manifest")
fails '... with another ratio too' unpack -l ratio=20M
like '... beyond that' "$(cat "$out")" "unpacks to more than $((size * 20971520)) bytes"

# Of ducc-fetch: what an image has, according to its manifest.
fetch two
ok 'several limits' unpack -l layer=300M,image=1G,depth=5
image three <<-'E'
	layer
	file a
	layer
	file b
	layer
	file c
E
sizes=$(jq '[.layers[].size] | add' "$corpus/part/manifest")
rm -rf "$store"
fails "a limit of the layers' compressed bytes" ducc-fetch -s "$store" -l blobs=$((sizes - 1)) "oci:$corpus:three"
like '... is named' "$(cat "$out")" "layers of more than $((sizes - 1)) compressed bytes \(raise it with -l blobs=N\)\$"
fails 'a limit of their number' ducc-fetch -s "$store" -l layers=2 "oci:$corpus:three"
like '... is named' "$(cat "$out")" 'image of more than 2 layers \(raise it with -l layers=N\)$'
is '... and nothing of them is fetched' "$(find "$store/blobs" -type f | wc -l)" 0
fails 'a limit of the documents' ducc-fetch -s "$store" -l json=100 "oci:$corpus:three"
like '... is named' "$(cat "$out")" 'manifest or config of more than 100 bytes \(raise it with -l json=N\)$'
is '... and nothing of them is fetched' "$(find "$store/blobs" -type f | wc -l)" 0
manifest_size=$(stat -c %s "$corpus/part/manifest") # its config is smaller
fails '... even if only the manifest exceeds it' ducc-fetch -s "$store" -l json=$((manifest_size - 1)) "oci:$corpus:three"
is '... and nothing of them is fetched' "$(find "$store/blobs" -type f | wc -l)" 0
ok '... but not at that limit' ducc-fetch -n -s "$store" -l json="$manifest_size" "oci:$corpus:three"
ok 'at both limits' ducc-fetch -s "$store" -l "layers=3,blobs=$sizes" "oci:$corpus:three"
fails '... of the documents, when they are unpacked' ducc-unpack -s "$store" -l json=100 "$(cut -f1 "$out" | tail -n 1)"
like '... is named' "$(cat "$out")" 'manifest or config of more than 100 bytes \(raise it with -l json=N\)$'
ok 'what the store has does not count' ducc-fetch -s "$store" -l blobs=1 "oci:$corpus:three"

# Time: for a server that answers, but slowly; and for whatever else takes long.
push "$corpus:layer-plain" "$registry/slow:1"
rm -rf "$store"
fails 'an image that takes too long to fetch' ducc-fetch -s "$store" -l time=1 "http://$nginx/slow:1"
like '... fails' "$(cat "$out")" '^ducc-fetch: http://.*slow:1: (config|layer) sha256:[0-9a-f]*: .*takes more than 1 seconds \(raise it with -l time=N\)$'
push "$corpus:good" "$registry/quick:1"
ok '... while others are fetched' ducc-fetch -s "$store" -l time=100 "http://$nginx/quick:1"
fetch three
lock=$store/tmp/layers-$(jq -r '.layers[0].digest[7:]' "$corpus/part/manifest").tar
fails 'an image that takes too long to unpack' flock "$lock" ducc-unpack -s "$store" -l time=1 <"$tmp/record"
like '... fails' "$(cat "$out")" 'takes more than 1 seconds \(raise it with -l time=N\)$'
ok '... and is unpacked in more time' unpack

for bad in depht=3 'layer=1,' ',' layer=1,depth= time=1,x=2 depth= depth =3 depth=0 depth=-1 depth=x depth=3=4 layer=1X depth=99999999999999999999 '' ' '; do
	status=0
	ducc-unpack -s "$store" -l "$bad" x </dev/null >"$out" 2>&1 || status=$?
	is "-l '$bad' is wrong usage" $status 2
done

# Extended attributes beyond Linux's bounds.

number=0
xattr() { # NAMES-AND-VALUES
	number=$((number + 1))
	printf 'layer\nfile f %s\n' "$1" | image xattr-$number
	fetch xattr-$number
}
names() { # of 255 bytes each, numbers in a row
	seq -f "xattr.user.%0250.0f=" "$1" | paste -sd' '
}
xattr "xattr.user.$(repeat 250 n)=v"
ok 'an attribute with a name of 255 bytes is taken' unpack
xattr "xattr.user.$(repeat 251 n)=v"
fails '... with one of 256 bytes it is not' unpack
like '... which the error says' "$(cat "$out")" 'f: extended attribute user\.n*\.\.\.: name of more than 255 bytes'
xattr "xattr.user.x=$(repeat 65536 v)"
ok 'a value of 65536 bytes is taken' unpack
xattr "xattr.user.x=$(repeat 65537 v)"
fails '... one of 65537 bytes is not' unpack
like '... which the error says' "$(cat "$out")" 'f: extended attribute user\.x: value of more than 65536 bytes'
xattr "$(names 256)"
ok 'names of 65536 bytes together are taken' unpack
xattr "xattr.user.x=$(repeat 90 v)"
fails '... more than a lower limit are not' unpack -l xattrs=95
like '... which the error says' "$(cat "$out")" 'f: extended attributes of more than 95 bytes \(raise it with -l xattrs=N\)$'
ok '... at the limit they are' unpack -l xattrs=96
xattr "$(names 256) xattr.user.x=v"
fails '... more are not' unpack
like '... which the error says' "$(cat "$out")" 'f: extended attribute user\.x: .*more than 65536 bytes'
xattr 'xattr.user.b=1 xattr.user.c=2 xattr.user.a=3 xattr.trusted.overlay.opaque=y'
unpack >"$tmp/out"
is 'attributes are listed by name' "$(grep -o 'xattr[^ ]*' "$store"/layers/*.mtree | paste -sd' ')" \
	'xattr.user.a=Mw== xattr.user.b=MQ== xattr.user.c=Mg=='
xattr 'xattr.user.a=old pax.LIBARCHIVE.xattr.user.a=bmV3 xattr.user.b=b'
unpack >"$tmp/out"
is 'an attribute that occurs twice is listed once' "$(grep -o 'xattr[^ =]*' "$store"/layers/*.mtree | paste -sd' ')" \
	'xattr.user.a xattr.user.b'

# Small images that expand to much, with the default limits, and a good one in the same pipe.

peak=0
refused() { # TITLE IMAGE MESSAGE [LAYERS, which are good, and merged before the one at fault]
	rm -rf "$store"
	ducc-fetch -q -s "$store" -l layers=2000 "oci:$corpus:$2" "oci:$corpus:good" >"$tmp/record"
	fails "$1 is refused" command time -f %M -o "$tmp/peak" ducc-unpack -s "$store" <"$tmp/record"
	like '... by the name of the limit' "$(cat "$out")" "$3"
	is '... in a line that can be read' "$(grep -c '^ducc-unpack: ' "$out") $(awk 'length > 5000' "$out")" '1 '
	is '... and the other image goes on' "$(grep '^http' "$out" | cut -f 1)" "$(grep good "$tmp/record" | cut -f 1)"
	is '... and nothing else is in the store' "$(ls "$store/tmp") $(find "$store" -name '*.mtree' | wc -l)" " $((2 + ${4:-0}))"
	if [ "$(tail -n 1 "$tmp/peak")" -gt "$peak" ]; then peak=$(tail -n 1 "$tmp/peak"); fi
}
image bomb <<-E
	layer
	file $(repeat 60000 a | sed 's|aa|a/|g')/f
E
refused 'a path of 30,000 components' bomb 'components \(raise it with -l depth=N\)'
image deep <<-E
	layer
	$(numbers "file &/$(repeat 1900 a | sed 's|aa|a/|g')f" 100)
E
refused 'many deep paths' deep '-l listing=N'
image long <<-E
	layer
	$(numbers "dir &/$(for _ in $(seq 200); do repeat 255 a; printf /; done)b" 20)
E
refused 'many long paths' long '-l listing=N'
image implied <<-E
	layer
	$(numbers 'file &/b/c/d/e' 20000)
E
refused 'many directories that are only implied' implied '-l listing=N'
image whiteouts <<-E
	layer
	$(numbers 'file b/&/c/d/.wh.e' 20000)
E
refused 'many whiteouts' whiteouts '-l listing=N'
image symlinks <<-E
	layer zstd
	$(numbers "sym & to=$(repeat 4095 t)" 5000)
E
refused 'many symbolic links with long targets' symlinks '-l listing=N'
image links <<-E
	layer
	file f xattr.user.x=$(repeat 60000 v)
	$(numbers 'hard & to=f' 1000)
E
refused 'many hard links onto a file with large attributes' links '-l listing=N'
image links-below <<-E
	layer
	file f xattr.user.x=$(repeat 60000 v)
	layer
	$(numbers 'hard & to=f' 1000)
E
refused '... of a layer below' links-below 'whole image \(raise it with -l listing=N\)' 1
image inherited <<-E
	layer
	$(numbers "dir d& $(for i in $(seq 12); do printf ' xattr.user.%s=%s' "$i" "$(repeat 5000 v)"; done)" 14)
	$(for i in $(seq 40); do
		printf 'layer\n'
		numbers "file d&/f$i" 14
	done)
E
refused 'many directories that are only implied, with large attributes' inherited 'whole image \(raise it with -l listing=N\)' 29
image again '.rootfs.diff_ids |= [.[0], (range(90) as $i | .[1])]' '.layers |= [.[0], (range(90) as $i | .[1])]' <<-E
	layer
	$(numbers "dir d& $(for i in $(seq 12); do printf ' xattr.user.%s=%s' "$i" "$(repeat 3000 v)"; done)" 14)
	layer
	$(numbers "file d&/f" 14)
E
refused '... in many copies of one layer' again 'whole image \(raise it with -l listing=N\)' 1
image header <<-E
	layer
	file f pax.SCHILY.acl.access=$(numbers 'u:&:r' 50000 | paste -sd,)
E
refused 'a long access control list' header 'header of more than 131072 bytes'
image renamed <<-E
	layer
	file z
	$(numbers 'hard l& to=z' 5000)
	hard $(for _ in $(seq 15); do repeat 255 a; printf /; done)q to=z
	file dup
	file dup
	file z
E
refused 'a file with many names whose first, short one is replaced' renamed '-l listing=N'
image attributes <<-E
	layer
	$(numbers "file & xattr.user.x=$(repeat 60000 v)" 300)
E
refused 'many large attributes' attributes '-l listing=N'
image copies '.rootfs.diff_ids |= [range(500) as $i | .[]]' '.layers |= [range(500) as $i | .[]]' <<-E
	layer
	$(numbers 'file &' 1000)
E
refused 'many copies of a layer' copies 'whole image \(raise it with -l listing=N\)'
image thousands '.rootfs.diff_ids |= [range(1001) as $i | .[]]' '.layers |= [range(1001) as $i | .[]]' <<-'E'
	layer
	file f
E
refused 'an image of 1001 layers' thousands 'image of more than 1000 layers \(raise it with -l layers=N\)'

# Archives of images: what is in front of a good one.

archive=$tmp/archive
before() { # SPEC, for mktar
	{ echo 'cut 1024'; cat; } | "$mktar" >"$archive"
	tar -C "$corpus" -c index.json oci-layout blobs >>"$archive"
}
fetch_archive() {
	TMPDIR=$tmp ducc-fetch -q -s "$store" "oci-archive:$archive:good"
}
archive_refused() { # TITLE MESSAGE
	rm -rf "$store"
	fails "an archive with $1 is refused" env TMPDIR="$tmp" time -f %M -o "$tmp/peak" \
		ducc-fetch -q -s "$store" "oci-archive:$archive:good"
	like '... for that' "$(cat "$out")" "^ducc-fetch: oci-archive:$archive:good: $archive: $2\$"
	if [ "$(tail -n 1 "$tmp/peak")" -gt "$peak" ]; then peak=$(tail -n 1 "$tmp/peak"); fi
}
name=$(repeat 4095 n)
before <<-E
	file $name
	sym s to=$name
	hard h to=$name
E
ok 'an archive with names of 4095 bytes is taken' fetch_archive
before <<-E
	file n$name
E
archive_refused 'a longer name' 'n{64}\.\.\.: name of more than 4095 bytes'
for kind in sym hard; do
	before <<-E
		$kind s to=n$name
	E
	archive_refused "a longer target ($kind)" 's: target of more than 4095 bytes'
done
before <<-E
	sym $(repeat 2048 a)/s to=$(repeat 2048 b)
E
archive_refused 'a link to a longer name' 'a*\.\.\.a*/s: target of more than 4095 bytes'
before <<-E
	$(numbers "file &$name" 5000 | cut -c -4100)
E
archive_refused 'many long names' '[^ ]*: names of more than 16777216 bytes together'
before <<-'E'
	file GNUSparseFile.0/f pax.GNU.sparse.major=1 pax.GNU.sparse.minor=0 pax.GNU.sparse.name=f pax.GNU.sparse.realsize=0 data=0 size=4M
E
archive_refused 'a large map of a sparse file' 'tar header at byte [0-9]*: header of more than 131072 bytes'
gzip -f "$archive"
mv "$archive.gz" "$archive"
archive_refused 'such a map, compressed,' 'tar header at byte [0-9]*: header of more than 131072 bytes'
head -c 64M /dev/zero | zstd -q >"$archive"
archive_refused 'a large archive in some kilobytes' 'decompresses to more than 16777216 bytes; decompress it first'
is '... of which nothing is left' "$(find "$tmp" -maxdepth 1 -size +9M)" ''

case $bin in
*/san | */tsan) echo "# memory is not what it is without sanitizers" ;;
*) ok "none of them takes 64 MiB of memory (the most were $peak KiB)" [ "$peak" -lt 65536 ] ;;
esac

# What an image needs is the same, whatever the store has of its layers.

needs() { # IMAGE LAYER,...: of two layers, of which the upper one gets a directory and a whiteout from the lower one
	image "$1" ".rootfs.diff_ids |= [.[$2]]" ".layers |= [.[$2]]" <<-'E'
		layer
		dir d xattr.user.a=b uid=3
		file d/e/below
		layer
		file d/e/.wh..wh..opq
		file d/e/f
	E
}
needs upper 1
needs both 0,1,0,1
admits() { # LIMIT [IMAGE...]: it admits the image "both", in a store that has unpacked the images given
	limit=$1
	shift
	rm -rf "$store"
	for name in "$@" both; do
		[ ! -e "$store" ] || unpack -q >"$tmp/out"
		ducc-fetch -q -s "$store" "oci:$corpus:$name" >"$tmp/record"
	done
	rm -f "$store"/images/*.mtree
	unpack -l "listing=$limit"
}
low=0 least=10000
while [ $((least - low)) -gt 1 ]; do
	middle=$(((low + least) / 2))
	if admits $middle >"$tmp/out" 2>&1; then least=$middle; else low=$middle; fi
done
like 'there is a least limit for an image' "$least" '^[0-9]{4}$'
for name in upper both; do
	ok "... which suffices where $name was unpacked before" admits "$least" $name
	fails '... and one less does not' admits $low $name
done

# A wrong size would raise the defaults.
printf 'layer\ndir ./\nfile lie data=x\n' | image honest
printf 'layer\ndir ./\nfile lie data=x\n' | image lie . '.layers[0].size = 1099511627776'
for when in fetched unpacked; do
	fetch honest
	[ $when = fetched ] || unpack >"$tmp/out"
	ducc-fetch -q -s "$store" "oci:$corpus:lie" >"$tmp/record"
	fails "another size than the layer has is refused where it is $when" unpack
	like '... as such' "$(cat "$out")" 'size mismatch: [0-9]* bytes instead of 1099511627776'
done

printf 'layer\ndir ./\nfile lie data=x\n' | image lie-config . '.config.size += 7'
fetch honest
fails 'another size than the config has is refused where the store has it' ducc-fetch -s "$store" "oci:$corpus:lie-config"
like '... as such' "$(cat "$out")" 'config sha256:[0-9a-f]*: [0-9]* bytes instead of [0-9]*$'

# Many entries, and the right tree.

extract() { # IMAGE
	fetch "$1"
	rm -rf "$tmp/x"
	unpack -x "$tmp/x" >"$tmp/out"
}
image replaced <<-E
	layer
	dir ./
	$(numbers 'file d/& mode=644' 3000)
	layer
	dir ./
	$(numbers 'file d/& mode=600 data=new' 3000)
E
extract replaced
is 'a directory whose files an upper layer replaces has those' \
	"$(find "$tmp/x" -type f | wc -l) $(find "$tmp/x/d" -type f -perm 600 -size 3c | wc -l)" '3000 3000'
image removed <<-E
	layer
	dir ./
	$(numbers 'file d/& data=x' 3000)
	layer
	dir ./
	$(numbers 'file d/.wh.&' 3000 2)
E
extract removed
is 'one whose files are removed has the others' "$(ls "$tmp/x/d")" 1
image hidden <<-E
	layer
	dir ./
	$(numbers 'file d/&/f data=x' 2000)
	layer
	dir ./
	$(numbers 'file d/&/.wh..wh..opq' 1000)
	$(numbers 'file d/&/new data=x' 2000 500)
E
extract hidden
is 'opaque directories hide what is below them' "$(find "$tmp/x" -name f | wc -l) $(find "$tmp/x" -name new | wc -l)" '1000 1501'
image linked <<-E
	layer
	dir ./
	file f data=x
	$(numbers 'hard d/& to=f' 2000)
	layer
	dir ./
	$(numbers 'hard e/& to=d/&' 2000)
E
extract linked
is 'hard links are of one file' "$(find "$tmp/x" -type f -printf '%i %n\n' | sort -u | wc -l) $(stat -c %h "$tmp/x/f")" '1 4001'
image far <<-E
	layer
	dir ./
	file $(repeat 1996 a | sed 's|aa|a/|g')f data=deep
	layer
	dir ./
	dir $(repeat 1000 a | sed 's|aa|a/|g')b
E
extract far
is 'a path of 999 components is there' "$(find "$tmp/x" -type f | wc -l) $(find "$tmp/x" | awk '{ print gsub("/", "") }' | sort -n | tail -n 1)" \
	"1 $((999 + $(echo "$tmp/x" | tr -dc / | wc -c)))"
chmod -R u+rwx "$tmp/x"

# A layer that occurs several times, each time with another file below that it hides.
restacked() {
	for i in 1 2 3 4; do
		printf 'layer\ndir ./\nfile d/%s data=x\n' "$i"
		printf 'layer\ndir ./\nfile d/.wh..wh..opq\nfile d/own data=own\nfile big size=64K\n'
	done
	printf 'layer\ndir ./\nfile d/last data=x\n'
}
restacked | image restacked
restacked | sed 1,3d | head -n 5 | image once
layer=$(jq -r '.layers[0].digest[7:]' "$corpus/part/manifest")
hidden() { # what the layer hides, in its tar and in its listing
	tar -tvf "$store/layers/$layer.tar" | sed -n 's|^c.*layerfs/d/||p' | sort | paste -sd' '
	sed -n 's|^\./d/\([0-9]*\) type=char.*|\1|p' "$store/layers/$layer.mtree" | sort | paste -sd' '
}
for when in fresh 'unpacked before'; do
	fetch restacked
	if [ "$when" != fresh ]; then
		cp "$tmp/record" "$tmp/record.restacked"
		fetch once
		unpack >"$tmp/out"
		is 'a layer by itself hides nothing' "$(hidden)" "$(printf '\n\n')"
		mv "$tmp/record.restacked" "$tmp/record"
	fi
	rm -rf "$tmp/x"
	ok "an image with a layer many times, $when, is unpacked" unpack -x "$tmp/x"
	is '... and has the right files' "$(cd "$tmp/x" && find . -type f | sort | paste -sd' ')" './big ./d/last ./d/own'
	is '... and the layer hides each of those below it, once' "$(hidden)" "$(printf '1 2 3 4\n1 2 3 4')"
	is '... in one copy of it' "$(find "$store/layers" "$store/tmp" -name "*$layer*" | wc -l)" 2
done

# A layer whose tree is too large to be kept in memory until it is merged (130 MiB of it are replaced again).
stacked() { # [LINE...]: of the second layer
	cat <<-'L'
		layer
		dir ./
		dir d uid=3
		file d/e/below data=below
		layer
		file d/f data=f
		file d/f/.wh.gone
		dir d/f mode=700
		file d/e/.wh..wh..opq
		file d/e/new data=new
		hard d/e/link to=d/e/new
		hard up to=d/e/below
		sym d/.wh.x to=x
	L
	printf '%s\n' "$@"
	cat <<-'L'
		file x data=x
		file y data=y
		layer
		file d/e/.wh.new
		file d/g/h data=h
	L
}
replaced="file x xattr.user.x=$(repeat 60000 v)
$(for _ in $(seq 1700); do printf 'hard y to=x\nfile y\n'; done)"
listings() { # without what follows from the digests of the layers
	for digest in $(jq -r '.layers[].digest[7:]' "$corpus/part/manifest"); do
		sed '/^# /d; s/ contents=[^ ]*layerfs/ contents=/' "$store/layers/$digest.mtree"
	done
	sed '/^# /d; s/ contents=[^ ]*layerfs/ contents=/' "$store"/images/*.mtree
}
stacked | image kept
fetch kept
unpack >"$tmp/out"
listings >"$tmp/kept"
stacked "$replaced" | image large
fetch large
ok 'a layer with a very large tree is unpacked' unpack -l listing=1G
listings >"$tmp/large"
like '... into listings' "$(cat "$tmp/large")" '^\./up .* hardlink=d/e/below'
ok '... which are those without what was replaced' diff "$tmp/kept" "$tmp/large"

done_testing
