# corpus.sh: images made byte by byte in an OCI layout, and the corpus of those that a container may be.
# Sourced after lib.sh; needs jq, gzip, zstd.
# shellcheck shell=sh
# shellcheck disable=SC2094,SC2154 # a blob is read twice, never written; lib.sh sets what is not set here
#
# corpus DIR                        begin an empty OCI layout; what follows goes there
# image NAME [CONFIG [MANIFEST [DESCRIPTOR]]] <SPEC
#                                   add an image; the arguments are jq filters on its JSON, to make it lie.
# SPEC is read line by line:
#     layer [gzip|members|plain|zstd|twice|truncated|trailing]    a layer begins; the lines that follow are for mktar
#     want                          the lines that follow, for mktar, are what the image is to unpack to, where umoci can't
#                                   be the judge: becomes an image NAME.want for it
#     implied PATH                  a directory that no layer names: umoci gives it the time of the day
# judge NAME                        the image whose tree as umoci unpacks it is what NAME is to be
# layer_digest N                    the digest of the layer with the number N, from 0, of the last image, before the filters
# forget                            take the last image out of the index
# corpus_images                     all images that a container may be; their names are printed, one a line

mktar=$top/t/mktar

corpus() {
	corpus=$1
	mkdir -p "$corpus/blobs/sha256" "$corpus/part"
	printf '{"imageLayoutVersion": "1.0.0"}\n' >"$corpus/oci-layout"
	: >"$corpus/entries"
	write_index
}

# Copy FILE among the blobs and print its descriptor.
blob() {
	_digest=$(digest_of "$1")
	cp "$1" "$corpus/blobs/sha256/${_digest#sha256:}"
	descriptor "application/vnd.oci.image.$2" "$1" "$_digest"
}

# Compress standard input as a layer and print its descriptor and diff id as a JSON pair.
compress() {
	cat >"$corpus/tar"
	_diff_id=$(digest_of "$corpus/tar")
	_type=layer.v1.tar+gzip
	case $1 in
	gzip)		gzip -1n ;;
	members)	head -c 700 | gzip -1n; tail -c +701 "$corpus/tar" | gzip -9n; gzip -n </dev/null ;;
	truncated)	gzip -1n | head -c -20 ;;
	twice)		gzip -1n | zstd -q ;;
	trailing)	gzip -1n; echo 'something else' ;;
	plain)		_type=layer.v1.tar; cat ;;
	zstd)		_type=layer.v1.tar+zstd; zstd -q ;;
	esac <"$corpus/tar" >"$corpus/blob"
	printf '[%s, "%s"]\n' "$(blob "$corpus/blob" "$_type")" "$_diff_id"
}

# The index is written from its entries, one a line, without jq, which takes long to start. What others have done to it
# since is read first.
write_index() {
	printf '{"schemaVersion": 2, "manifests": [%s]}\n' "$(paste -sd, "$corpus/entries")" >"$corpus/index.json"
	cp "$corpus/index.json" "$corpus/index.written"
}
read_index() {
	cmp -s "$corpus/index.json" "$corpus/index.written" || jq -c '.manifests[]' "$corpus/index.json" >"$corpus/entries"
}

# Add the manifest FILE to the index as NAME, its descriptor changed by FILTER.
manifest() {
	read_index
	_descriptor=$(blob "$2" manifest.v1+json)
	printf '%s, "annotations": {"org.opencontainers.image.ref.name": "%s"}}\n' "${_descriptor%\}}" "$1" |
		changed "${3:-.}" >>"$corpus/entries"
	write_index
}

forget() {
	read_index
	sed -i '$d' "$corpus/entries"
	write_index
}

image() {
	rm -rf "$corpus/part"
	mkdir "$corpus/part"
	: >"$corpus/$1.implied"
	awk -v part="$corpus/part" -v implied="$corpus/$1.implied" '
		$1 == "layer" { out = sprintf("%s/%04d.%s", part, ++n, $2 ? $2 : "gzip"); printf "" >out; next }
		$1 == "want" { out = part "/want"; next }
		$1 == "implied" { print $2 >implied; next }
		{ print >out }'
	for _spec in "$corpus/part"/[0-9]*; do
		[ -e "$_spec" ] || continue
		"$mktar" <"$_spec" | compress "${_spec##*.}"
	done | layers "$@"
	if [ -e "$corpus/part/want" ]; then
		mv "$corpus/part/want" "$corpus/want"
		echo "$1.want" >"$corpus/$1.judge"
		{ echo layer; cat "$corpus/want"; } | image "$1.want"
	fi
}

# layers NAME [CONFIG [MANIFEST [DESCRIPTOR]]]: an image of the layers on standard input, as compress prints them.
layers() {
	cat >"$corpus/part/layers"
	_layers='' _diff_ids=''
	while read -r _pair; do
		_pair=${_pair#?} _pair=${_pair%?}
		_layers="$_layers, ${_pair%, *}" _diff_ids="$_diff_ids, ${_pair##*, }"
	done <"$corpus/part/layers"
	printf '{"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]}, "rootfs": {"type": "layers", "diff_ids": [%s]}}\n' \
		"${_diff_ids#, }" | changed "${2:-.}" >"$corpus/part/config"
	printf '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": %s, "layers": [%s]}\n' \
		"$(blob "$corpus/part/config" config.v1+json)" "${_layers#, }" | changed "${3:-.}" >"$corpus/part/manifest"
	manifest "$1" "$corpus/part/manifest" "${4:-.}"
}

layer_digest() { sed -n "$(($1 + 1))s/.*\"digest\": \"\([^\"]*\)\".*/\1/p" "$corpus/part/layers"; }

# changed FILTER: the JSON on standard input, changed by jq, in a line.
changed() { if [ "$1" = . ]; then cat; else jq -c "$1"; fi }

judge() { cat "$corpus/$1.judge" 2>/dev/null || echo "$1"; }

# LENGTH times CHARACTER.
repeat() { printf "%0$1d" 0 | tr 0 "$2"; }

corpus_images() {
	image plain <<-'E'
		layer plain
		dir ./ mode=700 uid=7 gid=8 mtime=1600000000
		dir d mtime=1600000001
		file d/f data=hello mtime=1600000002 uid=1 gid=2 mode=640
		file d/empty
		file big size=3M mtime=1600000003
		sym link to=d/f mtime=1600000004 uid=3 gid=4
		sym dangling to=/no/such
	E
	for _how in gzip members zstd; do
		image "$_how" <<-E
			layer $_how
			dir ./
			dir d
			file d/f data=hello
			file big size=3M
			file bigger size=5M data=abcdefg
			layer $_how
			file d/g data=second
			file .wh.big
		E
	done
	echo gzip >"$corpus/zstd.judge"			# umoci does not read zstd
	image no-layers </dev/null
	# null is an empty string, as in Go
	image null-strings '.config |= (.Env = [null, "A=1"] | .Cmd = [null] | .Entrypoint = [null])' <<-'E'
		layer
		file f data=null
	E
	image empty-layers <<-'E'
		layer
		layer
		dir ./
		file f data=x
		layer
		layer plain
		cut 1024
		layer
		cut 1024
	E
	image unfilled-record <<-'E'
		layer
		dir ./
		file f data=one
		file g data=all,but,the,zeros,after,it
		cut 1510
		layer plain
		file h size=1000
		cut 1048
		layer
		file i size=300K data=ab
	E
	image no-end-of-archive <<-'E'
		layer
		dir ./
		file f data=x
		cut 1024
		layer
		file g data=x
		cut 512
	E

	# Whiteouts.
	image whiteout-file <<-'E'
		layer
		dir ./
		file a data=x
		file b data=y
		dir d mtime=1600000000
		file d/a data=x
		file d/b data=y
		layer
		file .wh.a
		dir d mtime=1600000001
		file d/.wh.b
		layer
		file .wh.never-there
	E
	image whiteout-directory <<-'E'
		layer
		dir ./
		dir d
		dir d/e
		file d/e/f data=x
		dir d/g
		file d/g/h data=x
		dir k
		layer
		file .wh.d
		layer
		dir d mode=711
		file d/new data=x
	E
	image whiteout-symlink <<-'E'
		layer
		dir ./
		dir d
		file d/f data=x
		sym to-dir to=d
		sym to-file to=d/f
		sym dangling to=nowhere
		layer
		file .wh.to-dir
		file .wh.to-file
		file .wh.dangling
	E
	image whiteout-in-unnamed-directory <<-'E'
		layer
		dir ./
		dir d mode=2750 uid=5 gid=6 mtime=1600000000
		dir d/e mode=1777 uid=7 mtime=1600000001
		file d/e/a data=x
		file d/e/b data=x
		layer
		file d/e/.wh.a
	E
	image whiteouts-beneath-files <<-'E'
		layer
		dir ./
		file plain data=x
		file other data=x
		sym link to=plain
		layer
		file plain/.wh.x
		file plain/d/e/.wh.y
		file plain/d/.wh..wh..opq
		file link/.wh.z
		file other/.wh..wh..opq
		file new data=y
		layer
		file plain/.wh.x
		file other/.wh.x
		dir other
		file other/x data=z
	E
	image names-with-dots <<-'E'
		layer
		dir ./
		dir d
		sym link to=d
		file d/../f data=x
		file d/../nowhere/../d/./../d/g data=x
		file link/../h data=x
		file f/../i data=x
		file /../j data=x
		dir /../../d/../e/ mode=700
		sym d/../s to=../x
		hard hard to=nowhere/../d/g
		hard hard2 to=/../link/../h
		layer
		file d/../.wh.f
		file .wh.d/../k data=x
		dir d/.. mode=750
		file e/../d/../d/.wh.g
	E
	image whiteout-of-hardlink <<-'E'
		layer
		dir ./
		file a data=x
		hard b to=a
		hard c to=a
		layer
		file .wh.a
	E
	image whiteout-and-added-again-later <<-'E'
		layer
		dir ./
		file a data=x
		layer
		file .wh.a
		layer
		file a data=y
		layer
		file .wh.a
		layer
		dir a
		file a/b data=z
	E
	image opaque <<-'E'
		layer
		dir ./
		dir d
		file d/a data=x
		file d/b data=x
		layer
		dir d mode=700
		file d/.wh..wh..opq
	E
	image opaque-and-removed <<-'E'
		layer
		dir ./
		dir d uid=2
		file d/a data=x
		dir e uid=2
		file e/a data=x
		layer
		file .wh.d
		file d/.wh..wh..opq
		file e/.wh..wh..opq
		file .wh.e
	E
	image opaque-children-added-again <<-'E'
		layer
		dir ./
		dir d
		file d/a data=x
		file d/b data=x
		dir d/e
		file d/e/f data=x
		layer
		dir d
		file d/b data=y
		file d/.wh..wh..opq
		file d/c data=y
		dir d/e mode=711
		file d/e/g data=y
	E
	image opaque-nested <<-'E'
		layer
		dir ./
		dir d
		dir d/1
		dir d/1/2
		dir d/1/2/3
		file d/1/2/3/a data=x
		sym d/1/2/up to=..
		file d/1/b data=x
		layer
		file d/1/2/c data=y
		file d/1/.wh.b
		dir d/4
		file d/4/e data=y
		layer
		dir d
		file d/.wh..wh..opq
		dir d/1
		dir d/1/2
		file d/1/2/new data=z
	E
	image opaque-twice <<-'E'
		layer
		dir ./
		dir d
		file d/a data=x
		layer
		dir d
		file d/.wh..wh..opq
		file d/b data=y
		layer
		file d/.wh..wh..opq
		file d/c data=z
	E
	image opaque-around-whiteouts <<-'E'
		layer
		dir ./
		dir d
		dir d/sub
		file d/sub/a data=x
		file d/sub/b data=x
		layer
		dir d
		file d/.wh..wh..opq
		file d/sub/.wh.a
		file d/new data=y
	E
	image opaque-over-nothing <<-'E'
		layer
		dir ./
		layer
		dir d
		file d/.wh..wh..opq
		file d/a data=x
	E
	image opaque-root <<-'E'
		layer
		dir ./
		file a data=x
		dir d
		file d/e data=x
		layer
		dir ./ mode=711
		file .wh..wh..opq
		file f data=y
	E
	image whiteout-and-file-of-one-name <<-'E'
		layer
		dir ./
		file a data=x
		file b data=x
		layer
		file .wh.a
		file a data=y mode=600
		file b data=y mode=600
		file .wh.b
	E
	# umoci gives e the time of the whiteout.
	image whiteout-and-directory-of-one-name <<-'E'
		layer
		dir ./
		dir d
		file d/a data=x
		dir d/sub
		file d/sub/c data=x
		dir e
		file e/a data=x
		layer
		file .wh.d
		dir d mode=711
		file d/b data=y
		dir d/sub mode=700
		dir e mode=711
		file e/b data=y
		file .wh.e
		want
		dir ./
		dir d mode=711
		file d/b data=y
		dir d/sub mode=700
		dir e mode=711
		file e/b data=y
	E
	image whiteout-and-unnamed-directory-of-one-name <<-'E'
		implied .
		implied d
		layer
		dir ./
		dir d mode=2711 uid=5 gid=6
		file d/a data=x
		layer
		file .wh.d
		file d/b data=y
	E
	image opaque-with-other-kinds <<-'E'
		layer
		dir ./
		dir d
		file d/file data=x
		dir d/dir
		file d/dir/f data=x
		sym d/link to=dir
		layer
		dir d
		file d/.wh..wh..opq
		dir d/file
		file d/file/g data=y
		file d/dir data=y
		dir d/link
	E
	# umoci unpacks some of these.
	image remains-of-aufs <<-'E'
		layer
		dir ./
		file f data=x
		file .wh..wh.aufs mode=444
		dir .wh..wh.plnk mode=700
		file .wh..wh.plnk/123.456 data=linked mode=4711 uid=3
		file .wh..wh.plnk/123.457 data=unused
		dir .wh..wh.orph mode=700
		hard h to=.wh..wh.plnk/123.456
		dir d
		hard d/k to=/.wh..wh.plnk/123.456
		layer
		dir .wh..wh.plnk mode=700
		file g data=y
		hard i to=d/k
		want
		dir ./
		file f data=x
		file h data=linked mode=4711 uid=3
		dir d
		hard d/k to=h
		hard i to=h
		file g data=y
	E

	# One kind of file over another.
	image directory-over-file <<-'E'
		layer
		dir ./
		file a data=x
		fifo b
		layer
		dir a
		file a/f data=y
		dir b
	E
	image file-over-directory <<-'E'
		layer
		dir ./
		dir a
		file a/f data=x
		dir b
		file b/f data=x
		layer
		file a data=y
		fifo b
	E
	image symlink-over-directory <<-'E'
		layer
		dir ./
		dir a
		file a/f data=x
		dir real
		layer
		sym a to=real
	E
	image directory-over-symlink <<-'E'
		layer
		dir ./
		dir real
		file real/f data=x
		sym a to=real
		sym b to=nowhere
		layer
		dir a mode=711
		file a/g data=y
		dir b
	E
	image file-over-directory-and-back <<-'E'
		layer
		dir ./
		dir a
		file a/f data=x
		dir a/d
		file a/d/f data=x
		layer
		file a data=y
		layer
		dir a
		dir a/d
		file a/d/g data=z
		layer
		sym a to=b
		layer
		file .wh.a
		layer
		dir a
		file a/h data=x
	E
	image file-over-file <<-'E'
		layer
		dir ./
		file a data=x
		hard b to=a
		sym c to=a
		chr d dev=1,3
		file e data=x
		layer
		file a data=longer mode=600 uid=5
		file c data=y
		file d data=y
		sym e to=a
	E
	image directory-over-directory <<-'E'
		layer
		dir ./
		dir d mode=711 uid=1 mtime=1600000000 xattr.user.old=1
		file d/f data=x
		layer
		dir d mode=1777 uid=2 mtime=1600000001 xattr.user.new=2
	E

	# The same path twice in a layer.
	image twice-file-file <<-'E'
		layer
		dir ./
		file a data=first
		file a data=2nd mode=600 uid=3
		sym b to=first
		sym b to=second
	E
	image twice-file-directory <<-'E'
		layer
		dir ./
		file a data=first
		dir a
		file a/f data=x
	E
	image twice-directory-file <<-'E'
		layer
		dir ./
		dir a
		file a/f data=x
		dir a/d
		file a/d/f data=x
		file a data=second
	E
	image twice-directory-directory <<-'E'
		layer
		dir ./
		dir a mode=700 xattr.user.k=v
		file a/f data=x
		dir a mode=711 uid=3 mtime=1600000000 xattr.user.l=w
	E
	image twice-with-hardlink-to-the-first <<-'E'
		layer
		dir ./
		file a data=first uid=3
		hard b to=a
		file a data=second
		hard c to=a
	E
	image twice-in-lower-and-upper-layer <<-'E'
		layer
		dir ./
		dir a
		file a/lower data=x
		layer
		file a data=first
		dir a mode=711
		file a/upper data=y
	E

	# Hardlinks.
	image hardlinks <<-'E'
		layer
		dir ./
		dir d
		file d/a data=x mode=4755 uid=3 xattr.user.k=v
		hard d/b to=d/a
		hard c to=./d/b
		hard e to=/d/a
		fifo p
		hard q to=p
		chr n dev=1,3
		hard m to=n
		file z1 data=z
		layer
		hard d/a2 to=d/a mode=600
	E
	image hardlink-onto-lower-layer <<-'E'
		layer
		dir ./
		dir d mode=2755 uid=3
		file d/a data=x mode=750 uid=3 mtime=1600000000.5
		file other data=x
		layer
		file z data=x
		layer
		hard d/b to=d/a
		hard c to=d/b
		file own data=x
		hard own2 to=own
	E
	image hardlink-onto-what-the-layer-replaces <<-'E'
		layer
		dir ./
		file a data=old
		file b data=old
		file c data=old
		layer
		hard a2 to=a
		file a data=new
		file b data=new
		hard b2 to=b
		hard c2 to=c
		file .wh.c
	E
	image hardlink-onto-symlink <<-'E'
		layer
		dir ./
		sym s to=nowhere mtime=1600000000 uid=4
		hard t to=s
		dir d
		sym to-d to=d
		layer
		hard u to=s
		hard v to=to-d
	E
	image hardlink-whose-target-goes-later <<-'E'
		layer
		dir ./
		file a data=x
		hard b to=a
		file c data=x
		layer
		hard d to=c
		layer
		file .wh.a
		file .wh.c
	E
	image hardlink-whose-target-is-replaced-later <<-'E'
		layer
		dir ./
		file a data=x
		hard b to=a
		layer
		file a data=y
		hard c to=a
		hard e to=b
	E
	image hardlink-replaces-directory <<-'E'
		layer
		dir ./
		file a data=x
		dir b
		file b/c data=x
		file d data=y
		layer
		hard b to=a
		hard d to=a
	E

	# Directories that an entry needs and no entry names.
	image unnamed-directories-that-are-below <<-'E'
		layer
		dir ./ mode=711 uid=9 mtime=1500000000
		dir d mode=2770 uid=5 gid=6 mtime=1600000000.123 xattr.user.k=v
		dir d/e mode=1777 uid=7 gid=8 mtime=1600000001
		layer
		file d/e/f data=x
		layer
		sym d/e/g to=f
		file d/h data=x
	E
	image unnamed-directories-that-are-nowhere <<-'E'
		implied .
		implied a
		implied a/b
		implied c
		layer
		file a/b/f data=x
		layer
		dir c/d mode=700
		file a/b/g data=y
	E
	image directory-named-after-its-children <<-'E'
		layer
		dir ./
		file d/e/f data=x
		dir d/e mode=711 mtime=1600000000
		dir d mode=700 uid=4 mtime=1600000001
		dir ./ mode=711
	E
	image names-of-all-forms <<-'E'
		layer
		dir .
		dir ./a/
		file a//b data=x
		file ./a/./c data=x
		file /d data=x
		dir /e/
		file //e/f data=x
		hard g to=/e//f
		sym h to=/../e
	E

	# Modes, owners, times, xattrs, kinds.
	image modes <<-'E'
		implied setgid-dir
		layer
		dir ./ mode=1755
		file setuid mode=4755 data=x uid=3
		file setgid mode=2755 data=x gid=3
		file sticky mode=1644 data=x
		file all mode=7777 data=x uid=4 gid=5
		file none mode=0 data=x
		dir setgid-dir mode=2775 gid=3
		file setgid-dir/f data=x
		dir setgid-dir/d
		dir sticky-dir mode=1777
		dir none-dir mode=0
		file none-dir/f mode=0 data=x
		file world mode=666 data=x
		layer
		file setgid-dir/unnamed/f data=x
		dir setgid-dir/unnamed mode=700
	E
	image devices-and-fifos <<-'E'
		layer
		dir ./
		dir dev
		chr dev/null dev=1,3 mode=666
		chr dev/large dev=300,70000 mode=600 uid=1
		blk dev/sda dev=8,0 mode=660 gid=6
		fifo dev/pipe mode=620 uid=3
		layer
		chr dev/tty dev=5,0
		blk dev/null dev=7,1
	E
	image owners-that-do-not-exist <<-'E'
		layer
		dir ./
		file a data=x uid=3000000 gid=2097152
		file b data=x uid=4294967294 gid=4294967294
		file c data=x uid=2147483648 gid=3 long=gnu
		dir d uid=1234567 gid=7654321
		sym s to=x uid=3000001 gid=3000002
	E
	image times <<-'E'
		layer
		dir ./ mtime=-3
		file zero data=x mtime=0
		file before data=x mtime=-1
		file half-before data=x mtime=-1.25
		file just-before data=x mtime=-0.25
		file gnu-before data=x mtime=-86400 long=gnu
		file nano data=x mtime=1700000000.123456789
		file nano1 data=x mtime=1700000000.000000001
		file tail-of-zeros data=x mtime=1700000000.100000000
		file long-ago data=x mtime=-2000000000
		file far data=x mtime=5000000000.999999999
		dir d mtime=1234567890.987654321
		sym s to=x mtime=-86399.5
		fifo p mtime=4.75
		layer
		file d/f data=x mtime=-1.5
	E
	image xattrs <<-'E'
		layer
		dir ./
		file a data=x xattr.user.text=value xattr.user.binary=\000\377\n=
		file ping data=x mode=755 uid=3 xattr.security.capability=\001\000\000\002\000\040\000\000\000\000\000\000\000\000\000\000\000\000\000\000
		dir d xattr.user.k=v xattr.trusted.k=v
		sym s to=x xattr.trusted.k=v
		hard h to=a
		layer
		file d/f data=x
	E
	# Those of an overlay mount by a user are no more a part of the image than those by root.
	image xattrs-of-overlayfs <<-'E'
		layer
		dir ./
		dir d
		file d/f data=x
		layer
		dir d xattr.trusted.overlay.opaque=y xattr.user.overlay.opaque=y xattr.user.k=v
		file d/g data=x xattr.trusted.overlay.metacopy=x xattr.trusted.overlay.redirect=/etc/passwd
		want
		dir ./
		dir d xattr.user.k=v
		file d/f data=x
		file d/g data=x
	E
	image sparse <<-'E'
		layer
		dir ./
		file some sparse=pax size=1M map=4096+512,16384+4096,1M+0
		file hole sparse=pax size=3M map=3M+0
		file many sparse=pax size=64K map=512+512,1536+512,2560+512,3584+512,4608+512,5632+512,6656+512,7680+512,64K+0
		file to-the-end sparse=pax size=10000 map=8192+1808
		file after data=x
		hard link to=some
	E
	# umoci does not know the old GNU kind.
	image sparse-gnu <<-'E'
		layer
		dir ./
		file some sparse=gnu size=1M map=0+512,8192+1024,1M+0
		file hole sparse=gnu size=3M map=3M+0
		file large sparse=gnu size=20M map=1M+4096,15M+512,20M+0
		file to-the-end sparse=gnu size=10000 map=8192+1808
		file after data=x
		want
		dir ./
		file some sparse=pax size=1M map=0+512,8192+1024,1M+0
		file hole sparse=pax size=3M map=3M+0
		file large sparse=pax size=20M map=1M+4096,15M+512,20M+0
		file to-the-end sparse=pax size=10000 map=8192+1808
		file after data=x
	E
	# umoci does not know pax global headers.
	image kinds-of-old <<-'E'
		layer
		file pax_global_header flag=g data=21\scomment=something\n
		dir ./
		file v7 flag=\000 data=x
		file v7dir/ flag=\000 mode=755
		file contiguous flag=7 data=x
		want
		dir ./
		file v7 data=x
		dir v7dir
		file contiguous data=x
	E

	image sizes-of-what-has-no-content <<-'E'
		layer
		dir ./ pax.size=1024
		file secret data=x
		layer
		file short pax.path=long data=x
		file a size=700
		hard b to=a pax.size=700
		file .wh.secret
		dir d pax.size=512
		sym s to=a pax.size=512
		fifo p pax.size=512
		chr n dev=1,3 pax.size=512
		file last data=x
	E
	image access-control-lists <<-'E'
		layer
		dir ./
		dir d mode=2775 pax.SCHILY.acl.access=user::rwx,group::r-x,mask::r-x,other::r-x
		file f mode=640 data=x pax.SCHILY.acl.access=user::rw-,user:u:rw-:5,group::---,mask::rw-,other::---
	E
	image attributes-of-libarchive <<-'E'
		layer
		dir ./
		file f data=x pax.LIBARCHIVE.xattr.user.a%3Db=dmFsdWU xattr.user.plain=a=b=c
	E
	image regular-files-with-a-slash <<-'E'
		layer
		dir ./
		file f/ data=x
		file g/ data=y pax.path=long/
	E

	# Names.
	_n255=$(repeat 255 n)
	_n250=$(repeat 250 d)
	_deep=$_n250/$_n250/$_n250/$_n250/$_n250/$_n250/$_n250/$_n250/$_n250/$_n250
	image names-of-255-bytes <<-E
		layer
		dir ./
		file $_n255 data=x
		dir $(repeat 255 d)
		file $(repeat 255 d)/$_n255 data=y
		file $(repeat 255 g) data=gnu long=gnu
		hard h to=$_n255
		hard k to=$(repeat 255 g) long=gnu
		sym s to=$(repeat 4095 t)
		sym t to=$(repeat 4000 t) long=gnu
		layer
		file .wh.$(repeat 251 w)
		file .wh.$(repeat 255 g)
	E
	image paths-over-4096-bytes <<-E
		layer
		dir ./
		$(_path=; for _i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
			_path=$_path$_n250/
			echo "dir $_path mtime=16000000$_i"
		done)
		file $_deep/$_deep/f data=x mtime=1600000000.5
		file $_deep/$_deep/gone data=x
		hard h to=$_deep/$_deep/f
		layer
		file $_deep/$_deep/g data=y long=gnu
		file $_deep/$_deep/.wh.gone
	E
	image names-of-odd-bytes <<-'E'
		layer
		dir ./
		file new\nline data=x
		file \n data=x
		file tab\t data=x
		file back\\slash data=x
		file \\012 data=x
		file \s data=x
		file \sspaces\s\s data=x
		file # data=x
		file #hash data=x
		file *?[a]{b}~$HOME`;|&<>()!'" data=x
		file latin1-\351\377\376 data=x
		file \200 data=x
		file utf8-\303\251\342\202\254 data=x
		file esc\033[31m\007\177 data=x
		file -rf data=x
		file --help data=x
		file = data=x
		file a=b data=x
		file ... data=x
		file ..a data=x
		file %s%n data=x
		file /set data=x
		file type=file data=x
		dir d\n\ne
		file d\n\ne/.\n. data=x
		sym s\n to=\377\n\t\\
		hard h\\ to=new\nline
		layer
		file .wh.tab\t
		file .wh.\351
		file d\n\ne/new\n data=y
	E
	image names-like-whiteouts <<-'E'
		layer
		dir ./
		file .whx data=x
		file .wh data=x
		file a.wh.b data=x
		file wh.c data=x
		file .WH.d data=x
		file .w data=x
		dir .whdir
		file .whdir/.whiteout data=x
		layer
		file .wh..whx
		file .wh..w
	E
	image one-layer-several-times <<-'E'
		layer
		dir ./
		dir d
		file d/x data=x
		file x data=x
		layer
		dir d
		file d/.wh..wh..opq
		file d/a data=y
		file .wh.x
		file y data=y
		layer
		file d/b data=x
		file .wh.y
		file x data=x
		layer
		dir d
		file d/.wh..wh..opq
		file d/a data=y
		file .wh.x
		file y data=y
	E
	image files-that-singularity-wants <<-'E'
		layer
		dir ./
		dir .singularity.d mode=700 uid=3 mtime=1600000000
		dir .singularity.d/env mtime=1600000001
		file .singularity.d/env/10-docker2singularity.sh data=x
		file .singularity.d/runscript data=x mode=600
		file singularity data=x
		sym .run to=nowhere
		file tmp data=x
		sym var to=/var/elsewhere
		fifo dev
		sym home to=..
		dir etc mode=700 mtime=1600000002
		sym etc/hosts to=nowhere
		dir root mode=500
	E
	image links-where-singularity-wants-directories <<-'E'
		layer
		dir ./
		dir usr
		dir usr/etc mtime=1600000000
		dir usr/var mtime=1600000001
		sym etc to=usr/etc
		sym var to=/usr/var
		sym .singularity.d to=usr
		sym environment to=/etc/environment
		sym tmp to=var/tmp
	E
	image fifty-layers <<-E
		layer
		dir ./
		dir d
		$(for _i in $(seq 2 50); do cat <<-F
			layer
			file d/$_i data=$_i
			file same data=$_i mtime=16000000$_i
			dir d mtime=16000000$_i
			file d/.wh.$((_i - 3))
			hard link-$_i to=d/$_i
		F
		done)
	E
	jq -r '.manifests[].annotations[] | select(endswith(".want") | not)' "$corpus/index.json"
}
