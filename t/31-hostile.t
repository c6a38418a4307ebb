#!/bin/sh
# An image that is wrong or means harm is refused, in one line that says which, where and why; or it is confined.
# Nothing beside the store, the repository and the directory of -x is ever touched, and the next image does not suffer.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
need jq zstd

corpus "$tmp/good.oci"
image good <<-'E'
	layer
	dir ./
	file fine data=x
E
corpus "$tmp/corpus"
zeros=sha256:$(repeat 64 0)
canary=$tmp/outside/canary
mkdir -p "$tmp/outside/directory" "$tmp/good"
echo alive >"$canary"

run() { timeout 300 "$@"; }

# through DIR SOURCE...: the pipe, a step at a time; what each said is in DIR/err, and how each ended in DIR/status.
through() {
	work=$1
	shift
	mkdir -p "$work"
	: >"$work/status"
	{
		run ducc-fetch -s "$work/store" "$@" >"$work/1" || echo "fetch $?" >>"$work/status"
		all_steps || return 0
		run ducc-unpack -s "$work/store" ${limit:+-l "$limit"} <"$work/1" >"$work/2" || echo "unpack $?" >>"$work/status"
		run ducc-publish -s "$work/store" -r "$work/repo" <"$work/2" >"$work/3" || echo "publish $?" >>"$work/status"
	} 2>"$work/err"
}

# all_steps: whether those behind ducc-fetch have something to do that they have not done before. Where it has refused the bad
# image, the good one is left to them: without $SOAK, they do it for every eighth of these only.
refused_early=0
all_steps() {
	[ -s "$work/status" ] && [ -z "${SOAK-}" ] || return 0
	refused_early=$((refused_early + 1))
	[ $((refused_early % 8)) = 1 ]
}

# What must be as it was: all in $tmp/outside.
outside() { find "$tmp/outside" -printf '%p %i %y %m %s %T@ %C@ %l\n' | sort; }

names() { (cd "$1" && find . | sort); }

# What a refusal is. Says what is amiss.
refusal() { # IMAGE LAYER CAUSE
	work=$tmp/case
	through "$work" "${source:-oci:$corpus:$1}" "oci:$tmp/good.oci:good"
	[ "$(sed 's/.* //' "$work/status")" = 1 ] || { echo 'not one step with status 1:'; cat "$work/status"; }
	[ "$(wc -l <"$work/err")" = 1 ] || { echo 'not one line of error:'; head -c 2000 "$work/err"; }
	[ "$(wc -c <"$work/err")" -lt 20000 ] || echo 'a line that nobody reads'
	grep -q "^ducc-$(sed 's/ .*//' "$work/status"): " "$work/err" || { echo 'does not name the tool:'; cat "$work/err"; }
	grep -qF -e "$1" "$work/err" || { echo "does not name $1:"; cat "$work/err"; }
	grep -qF -e "$2" "$work/err" || { echo "does not name layer $2:"; cat "$work/err"; }
	grep -qiE -e "$3" "$work/err" || { echo "does not say $3:"; cat "$work/err"; }
	! grep -q '[^ -~]' "$work/err" || { echo 'has control characters:'; cat -v "$work/err"; }
	[ -z "$(ls -A "$work/store/tmp")" ] || { echo 'debris:'; ls -A "$work/store/tmp"; }
	[ -z "$2" ] || ! [ -e "$work/store/layers/${2#sha256:}.tar" ] || echo 'half a layer has a final name'
	if [ -e "$work/3" ]; then
		cut -f 1 "$work/3" >"$work/4"
		cut -f 1 "$tmp/good/3" | cmp - "$work/4" || { echo 'published is not the good one alone:'; cat "$work/3"; }
		names "$work/repo" | diff "$tmp/good/names" - || echo 'which the repository should not have, or should'
		[ "$(listings "$work")" = "$(listings "$tmp/good")" ] || { echo 'listings:'; listings "$work"; }
	else
		cut -f 1 "$work/1" >"$work/4"
		cut -f 1 "$tmp/good/1" | cmp - "$work/4" || { echo 'fetched is not the good one alone:'; cat "$work/1"; }
	fi
	extraction "$1"
	outside | diff "$tmp/outside.before" - || echo 'was touched'
}

listings() { # DIR: those of the images in its store
	(cd "$1/store/images" && ls -- *.mtree)
}

# Refused with -x too, where the image comes that far.
extraction() {
	grep -vF /good: "$tmp/case/1" >"$tmp/case/record" || return 0
	run ducc-unpack -s "$tmp/case/store" -x "$tmp/case/x" ${limit:+-l "$limit"} <"$tmp/case/record" >"$tmp/case/5" 2>"$tmp/case/err"
	[ $? = 1 ] && [ ! -s "$tmp/case/5" ] || echo 'not refused with -x'
}

check_refusal() {
	set +e
	refusal "$@" >"$tmp/amiss" 2>&1
	set -e
	rm -rf "$tmp/case"
	[ ! -s "$tmp/amiss" ] || { cat "$tmp/amiss"; return 1; }
}

# refused TITLE IMAGE LAYER CAUSE: of IMAGE, the layer with the number LAYER (or -) is at fault.
refused() {
	bad=
	[ "$3" = - ] || bad=$(layer_digest "$3")
	ok "$1" check_refusal "$2" "$bad" "$4"
}

# bad_layer TITLE CAUSE [KIND] <SPEC: an image of one good layer and one that is at fault.
number=0
bad_layer() {
	my_turn || return 0
	number=$((number + 1))
	{ printf 'layer\ndir ./\ndir d\nfile d/lower data=x\nsym below to=%s\nlayer %s\n' "$tmp/outside" "${3-}"; cat; } |
		image "layer-$number"
	refused "$1" "layer-$number" 1 "$2"
}

check_confined() { # IMAGE PATH
	rm -rf "$tmp/case"
	through "$tmp/case" "oci:$corpus:$1"
	run ducc-unpack -s "$tmp/case/store" -x "$tmp/case/x" <"$tmp/case/1" >"$tmp/out" || return
	cat "$tmp/case/err" "$tmp/case/status"
	for tree in "$tmp/case/x" "$tmp/case/repo/localhost/$1:latest"; do
		[ -e "$tree$2" ] || [ -L "$tree$2" ] || { find "$tree"; return 1; }
	done
	outside | diff "$tmp/outside.before" - && [ ! -s "$tmp/case/status" ]
}

# confined_layer TITLE PATH <SPEC: the same with a layer that is not refused: it has PATH in the image, and nothing outside.
confined_layer() {
	my_turn || return 0
	number=$((number + 1))
	{ printf 'layer\ndir ./\ndir d\nfile d/lower data=x\nsym below to=%s\nlayer\n' "$tmp/outside"; cat; } |
		image "layer-$number"
	ok "$1" check_confined "layer-$number" "$2"
	rm -rf "$tmp/case"
}

# lies TITLE CAUSE LAYER [CONFIG [MANIFEST [DESCRIPTOR]]]: an image of which a part of the JSON, as jq filters say, lies.
lies() {
	my_turn || return 0
	number=$((number + 1))
	lie_title=$1 lie_cause=$2 lie_layer=$3
	shift 3
	printf 'layer\ndir ./\nlayer\nfile f data=x\n' | image "lie-$number" "$@"
	refused "$lie_title" "lie-$number" "$lie_layer" "$lie_cause"
	forget
}

limit=
through "$tmp/good" "oci:$tmp/good.oci:good"
names "$tmp/good/repo" >"$tmp/good/names"
outside >"$tmp/outside.before"
is 'the image that is to come through beside each bad one does' "$(cat "$tmp/good/status" "$tmp/good/err")" ''

# Names that would lead out stay in the image: its root is its own parent, as in containerd and umoci.
for name in ../canary ./../canary d/../../canary /../canary; do
	confined_layer "a file named $name is confined" /canary <<-E
		file $name data=dead
	E
done
for name in .. ../ d/../.. d/.. /..; do
	bad_layer "a file named $name is refused" 'root is not a directory' <<-E
		file $name data=dead
	E
done
confined_layer 'a .. in an absolute name is confined' /outside/canary <<-'E'
	file /../../outside/canary data=dead
E
confined_layer 'a directory named .. is confined' /outside <<-'E'
	dir .. mode=755
	dir ../outside mode=777
E
confined_layer 'a whiteout of something above the root is confined' /outside/kept <<-'E'
	file outside/kept data=x
	file ../outside/.wh.canary
E
confined_layer 'a symlink named ../x is confined' /x <<-'E'
	sym ../x to=canary
E
confined_layer 'a hard link to ../d/lower is confined' /h <<-'E'
	hard h to=../d/lower
E
confined_layer 'a .. in a long name of pax is confined' /outside/canary <<-E
	file short pax.path=../outside/canary data=dead
E
confined_layer 'a .. in a long name of GNU tar is confined' /outside/canary <<-E
	file $(repeat 100 a)/../../outside/canary long=gnu data=dead
E
# Links of the image lead to places in the image (36-links.t), whatever is there on the host.
confined_layer "a symlink as parent, in the same layer, is confined" "$canary" <<-E
	sym out to=$tmp/outside
	file out/canary data=dead
E
confined_layer 'a relative symlink as parent is confined' /d/canary <<-'E'
	sym out to=d
	file out/canary data=dead
E
confined_layer 'a symlink up from the root is confined' "$canary" <<-E
	sym out to=../../../../../../../../..$tmp/outside
	file out/canary data=dead
E
confined_layer 'a symlink as parent, in a lower layer, is confined' "$canary" <<-'E'
	file below/canary data=dead
E
confined_layer 'a directory beneath a symlink is confined' "$tmp/outside/directory" <<-'E'
	dir below/directory mode=777
E
confined_layer 'a symlink beneath a symlink is confined' "$tmp/outside/link" <<-'E'
	sym below/link to=canary
E
confined_layer 'a whiteout through a symlink is confined' /d/lower <<-'E'
	file below/.wh.canary
E
confined_layer 'an opaque directory through a symlink is confined' /d/lower <<-'E'
	file below/.wh..wh..opq
E
confined_layer 'a hardlink through a symlink of the same layer is confined' /h <<-'E'
	sym out to=d
	hard h to=out/lower
E
confined_layer 'symlinks that are replaced are confined' /d/canary <<-E
	sym out to=$tmp/outside
	file out/canary data=dead
	sym out to=d
	file out/canary data=dead
E
confined_layer 'a chain of 40 symlinks is followed' /d/f <<-E
	$(seq 39 | awk '{ print "sym l" $1 " to=l" $1 + 1 }')
	sym l40 to=d
	file l1/f data=x
E
bad_layer 'a chain of 41 symlinks is refused' 'l1/f.*symbolic links' <<-E
	$(seq 40 | awk '{ print "sym l" $1 " to=l" $1 + 1 }')
	sym l41 to=d
	file l1/f data=x
E
bad_layer 'symlinks in a circle are refused' 'l1/f.*symbolic links' <<-'E'
	sym l1 to=l2
	sym l2 to=l1
	file l1/f data=x
E
bad_layer 'a symlink to itself is refused as a parent' 'l/.wh.f.*symbolic links' <<-'E'
	sym l to=l
	file l/.wh.f
E
bad_layer 'symlinks that multiply are refused' 'l5/f.*symbolic links' <<-E
	sym l0 to=$(repeat 500 d | sed 's|d|d/../|g')
	sym l1 to=l0/l0/l0
	sym l2 to=l1/l1/l1
	sym l3 to=l2/l2/l2
	sym l4 to=l3/l3/l3
	sym l5 to=l4/l4/l4
	file l5/f data=x
E
bad_layer 'a symlink to a long name is refused as a parent' 'l/f.*name of more than' <<-E
	sym l to=$(repeat 256 n)
	file l/f data=x
E
bad_layer 'a symlink to a whiteout is refused as a parent' 'l/f.*whiteout' <<-'E'
	sym l to=.wh.d
	file l/f data=x
E
bad_layer 'a symlink to a file is refused as a parent' 'l/f.*not a directory' <<-'E'
	file f data=x
	sym l to=f
	file l/f data=x
E
bad_layer 'a symlink to a file of a lower layer is refused as a parent' 'd/lower' <<-'E'
	sym l to=d/lower
	file l/f data=x
E
bad_layer 'a file as parent is refused' 'd/lower' <<-'E'
	file d/lower/f data=x
E
confined_layer 'a whiteout with a file as parent, in a lower layer, hides nothing' /d/lower <<-'E'
	file d/lower/.wh.f
E

# Hardlinks.
for target in ../canary d/../../canary "$canary" nowhere nowhere/f d . / below/canary h d/lower/f; do
	bad_layer "a hardlink onto $(echo "$target" | sed "s|$tmp|/somewhere|") is refused" 'h\b' <<-E
		hard h to=$target
	E
done
bad_layer 'two hardlinks onto one another are refused' 'h1' <<-'E'
	hard h1 to=h2
	hard h2 to=h1
E
bad_layer 'a hardlink onto what comes later only is refused' 'h\b' <<-'E'
	hard h to=later
	file later data=x
E
image hardlink-onto-what-is-gone <<-'E'
	layer
	dir ./
	file f data=x
	layer
	file .wh.f
	layer
	hard h to=f
E
refused 'a hardlink onto what a layer in between removed is refused' hardlink-onto-what-is-gone 2 'h\b'

# Names and numbers that can't be.
for name in .wh. .wh.. .wh... d/.wh. d/.wh.. d/.wh... /.wh. ./.wh..; do
	bad_layer "a whiteout named $name is refused" '\.wh\.' <<-E
		file $name
	E
done
for entry in 'file .' 'file ./.' 'sym . to=/tmp' 'sym / to=/tmp' 'hard . to=d/lower' 'fifo .' 'chr / dev=1,3'; do
	bad_layer "a root that is a $entry is refused" 'layer' <<-E
		$entry
	E
done
bad_layer 'a name of 256 bytes is refused' 'name|long|large|bytes' <<-E
	file $(repeat 256 n)
E
bad_layer 'a name of a mebibyte is refused' 'header of more than' <<-E
	file $(repeat 1048576 n) data=x
E
bad_layer 'a path of a mebibyte is refused' 'header of more than' <<-E
	file $(repeat 1048576 n | sed 's/nn/n\//g')n data=x
E
bad_layer 'a symlink target of 4096 bytes is refused' 'target|long|bytes' <<-E
	sym s to=$(repeat 4096 n)
E
bad_layer 'device numbers that Linux does not have are refused' 'c\b.*device' <<-'E'
	chr c dev=4294967295,4294967295 long=gnu
E
bad_layer 'an owner beyond 32 bits is refused' 'f\b' <<-'E'
	file f data=x uid=99999999999
E
bad_layer 'a sparse file of 8 TiB is refused' 'f\b.*(large|limit|more than)' <<-'E'
	file f sparse=gnu size=8T map=8T+0
E
bad_layer 'a pax sparse file of 8 TiB is refused' 'f\b.*(large|limit|more than)' <<-'E'
	file f sparse=pax size=8T map=8T+0
E
bad_layer 'a sparse file whose data lie behind its end is refused' 'layer' <<-'E'
	file f sparse=gnu size=1K map=1M+512
E
bad_layer 'a sparse file whose map is not in order is refused' 'layer' <<-'E'
	file f sparse=gnu size=1M map=8192+512,0+512,1M+0
E
bad_layer 'a negative size is refused' 'layer' <<-'E'
	file f data=x pax.size=-1
E
bad_layer 'a size that is no number is refused' 'layer' <<-'E'
	file f data=x pax.size=many
E

# Archives that are broken.
bad_layer 'a truncated gzip stream is refused' 'truncated|unexpected end|ends' truncated <<-'E'
	file f size=100K
E
bad_layer 'garbage after a gzip stream is refused' 'garbage|trailing|gzip|after' trailing <<-'E'
	file f data=x
E
bad_layer 'a layer compressed twice is refused' 'not a tar archive' twice <<-'E'
	dir ./
	file f data=x
E
bad_layer 'a truncated tar is refused' 'truncated|unexpected end|ends' <<-'E'
	file f size=100K
	cut 51200
E
bad_layer 'a tar that lacks the last byte of a file is refused' 'truncated|unexpected end|ends' <<-'E'
	file f data=xx
	cut 1535
E
bad_layer 'a tar truncated in a header is refused' 'truncated|unexpected end|ends' <<-'E'
	file f data=x
	file g data=x
	cut 1836
E
bad_layer 'a tar header with a wrong checksum is refused' 'checksum|damaged|header' <<-'E'
	file f data=x
	file g data=x sum=bad
	file h data=x
E
bad_layer 'a zero block between entries is refused' 'byte 1536: preceded by a lone zero block' <<-E
	file f data=x
	raw $(seq 512 | sed 's/.*/\\000/' | tr -d '\n')
	file g data=x
E
bad_layer 'an extended header without an entry is refused' 'end after an extended header' <<-'E'
	file f data=x
	file PaxHeaders/x flag=x data=30\smtime=1700000000.123456789\n
E
bad_layer 'an extended header before a global one is refused' 'extended header before a global one' <<-'E'
	file PaxHeaders/x flag=x data=30\smtime=1700000000.123456789\n
	file pax_global_header flag=g data=21\scomment=something\n
	file f data=x
E
bad_layer 'an entry of an unknown type is refused' 'f\b.*type' <<-'E'
	file f data=x flag=V
E
bad_layer 'a number that is none is refused' 'malformed number' <<-'E'
	file f data=x pax.atime=now
E
bad_layer 'a malformed extended header is refused' 'malformed record' <<-'E'
	file PaxHeaders/x flag=x data=31\smtime=1700000000.123456789\n
	file f data=x
E
bad_layer 'a hard link onto a file of AUFS that is not there is refused' 'h\b.*plnk' <<-'E'
	file .wh..wh.plnk/1.2 data=x
	hard h to=.wh..wh.plnk/1.3
E
bad_layer 'an owner that is none is refused of a directory' 'd\b.*uid -1' <<-'E'
	dir d pax.uid=-1
E
bad_layer 'what is no tar is refused' 'tar|archive|format|checksum|header' <<-E
	raw $(repeat 2048 x)
E

# one_layer NAME FILE KIND DIFF-ID: an image whose layer is the file, as it is.
one_layer() {
	printf '[%s, "%s"]\n' "$(blob "$2" "layer.v1.tar+$3")" "$4" | layers "$1"
}

# Bombs.
limit=1M
bad_layer 'a layer beyond -l is refused' 'large|limit|more than' <<-'E'
	file f size=4M data=\000
E
bad_layer 'a layer of many small files beyond -l is refused' 'large|limit|more than' <<-E
	$(seq 3000 | sed 's/.*/file f& data=x/')
E
bad_layer 'a zstd layer beyond -l is refused' 'large|limit|more than' zstd <<-'E'
	file f size=4M data=\000
E
bad_layer 'a pax header beyond -l is refused' 'layer' <<-E
	file f xattr.user.x=$(repeat 2000000 x)
E
limit=
bomb() { # KIND COMPRESSOR...: 1.5 GiB of zeros, as members of 64 MiB each
	bomb_kind=$1
	shift
	{
		echo 'file f size=1536M' | "$top/t/mktar" | head -c 512 | "$@"
		head -c 64M /dev/zero | "$@" >"$tmp/member"
		for _ in $(seq 24); do cat "$tmp/member"; done
		head -c 1024 /dev/zero | "$@"
	} >"$tmp/bomb"
	one_layer "bomb-$bomb_kind" "$tmp/bomb" "$bomb_kind" "$zeros"
}
bomb gzip gzip -1n
refused 'a gzip bomb is refused without -l too' bomb-gzip 0 'large|limit|more than'
bomb zstd zstd -q
refused 'a zstd bomb is refused without -l too' bomb-zstd 0 'large|limit|more than'

# Digests and sizes that lie.
spoiled() { # TITLE CAUSE LAYER JQ-PATH COMMAND...: an image one of whose blobs COMMAND spoils
	my_turn || return 0
	number=$((number + 1))
	printf 'layer\ndir ./\nlayer\nfile f data=%s\n' "$number" | image "spoiled-$number" ".author = \"$number\""
	spoiled_title=$1 spoiled_cause=$2 spoiled_layer=$3
	spoiled_blob=$(jq -r "$4.digest" "$corpus/part/manifest")
	shift 4
	"$@" "$corpus/blobs/sha256/${spoiled_blob#sha256:}"
	refused "$spoiled_title" "spoiled-$number" "$spoiled_layer" "$spoiled_cause"
}
alter() { printf X | dd of="$1" bs=1 seek=20 conv=notrunc status=none; }
lengthen() { echo >>"$1"; }
shorten() { truncate -s -1 "$1"; }
make_directory() { rm "$1" && mkdir "$1"; }
make_fifo() { rm "$1" && mkfifo "$1"; }
spoiled 'a layer with another digest is refused' digest 1 '.layers[1]' alter
spoiled 'a layer that is longer than its size is refused' 'size|digest|bytes' 1 '.layers[1]' lengthen
spoiled 'a layer that is shorter than its size is refused' 'size|digest|bytes' 1 '.layers[1]' shorten
spoiled 'a layer that is not there is refused' 'no such' 1 '.layers[1]' rm
spoiled 'a layer that is a directory is refused' 'directory|regular|not a file' 1 '.layers[1]' make_directory
spoiled 'a layer that is a fifo is refused' 'fifo|regular|not a file' 1 '.layers[1]' make_fifo
spoiled 'a config with another digest is refused' digest - .config alter
spoiled 'a config that is longer than its size is refused' 'size|digest|bytes' - .config lengthen
spoiled 'a config that is shorter than its size is refused' 'size|digest|bytes' - .config shorten
lies 'a layer larger than it says is refused' 'size|bytes' 1 . '.layers[1].size -= 1'
lies 'a layer smaller than it says is refused' 'size|bytes' 1 . '.layers[1].size += 1'
lies 'a layer that says it is empty is refused' 'size|bytes' 1 . '.layers[1].size = 0'
lies 'a config larger than it says is refused' 'size|bytes' - . '.config.size -= 1'
lies 'a config smaller than it says is refused' 'size|bytes' - . '.config.size += 1'
lies 'a manifest larger than it says is refused' 'size|bytes' - . . '.size -= 1'
lies 'a manifest smaller than it says is refused' 'size|bytes' - . . '.size += 1'
lies 'a manifest of a terabyte is refused' 'size|bytes|large' - . . '.size = 1099511627776'
lies 'a diff id that lies is refused' 'diff.?id' 1 ".rootfs.diff_ids[1] = \"$zeros\""
lies 'one diff id too many is refused' 'diff.?id' - '.rootfs.diff_ids += [.rootfs.diff_ids[0]]'
lies 'one diff id too few is refused' 'diff.?id' - 'del(.rootfs.diff_ids[1])'
lies 'no diff ids at all are refused' 'diff.?id' - '.rootfs.diff_ids = []'

# JSON that is not what it should be.
lies 'a layer of an unknown media type is refused' 'type' 1 . '.layers[1].mediaType = "application/x-evil"'
lies 'a manifest of an unknown media type is refused' 'type' - . . '.mediaType = "application/x-evil"'
for digest in sha256:../../../outside/canary ../../../outside/canary sha256:abc "sha256:$(repeat 64 A)" "md5:$(repeat 32 a)" \
	"sha256:$(repeat 65 a)" "sha256:$(repeat 63 a)" "$zeros\\u0000" ''; do
	lies "a layer with the digest \"$(echo "$digest" | cut -c -40)\" is refused" "digest|NUL" - . ".layers[1].digest = \"$digest\""
	lies "a config with the digest \"$(echo "$digest" | cut -c -40)\" is refused" "digest|NUL" - . ".config.digest = \"$digest\""
	lies "a manifest with the digest \"$(echo "$digest" | cut -c -40)\" is refused" "digest|NUL" - . . ".digest = \"$digest\""
done

# What cannot be decompressed is not an empty layer, even if the config says that it is one.
nothing=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
for empty in gzip-body:'\037\213\10\0\0\0\0\0\0\3garbage' gzip-header:'\037\213\10\377\377\377\377\377\377\377\377\377' \
	gzip-cut:'\037\213\10\0\0\0\0\0\0\3' zstd-cut:'\050\265\057\375\044'; do
	# shellcheck disable=SC2059 # the escapes are meant
	printf "${empty#*:}" >"$tmp/empty"
	one_layer "empty-${empty%%:*}" "$tmp/empty" "${empty%%-*}" $nothing
	refused "a layer that cannot be decompressed (${empty%%:*})" "empty-${empty%%:*}" 0 'gzip|zstd|garbage|compressed'
done
{ printf '\037\213\10\10\0\0\0\0\0\3'; head -c 65M /dev/zero | tr '\0' x; } >"$tmp/barren"
one_layer barren "$tmp/barren" gzip $nothing
refused 'a gzip header without end' barren 0 'truncated gzip input'
rm "$tmp/barren"
for filter in '.layers = "x"' '.layers = {}' '.layers = null' 'del(.layers)' '.layers[1] = 5' '.layers[1] = null' '.layers[1] = []' \
	'.layers[1].size = "1"' '.layers[1].size = null' '.layers[1].size = -1' '.layers[1].size = 1e300' '.layers[1].size = 1.5' \
	'.layers[1].size = 9223372036854775808' 'del(.layers[1].size)' '.layers[1].digest = 5' '.layers[1].digest = null' \
	'del(.layers[1].digest)' '.layers[1].mediaType = 5' '.config = "x"' '.config = null' '.config = []' 'del(.config)' \
	'.config.digest = 5' 'del(.config.digest)' '.config.size = "1"' '.config.size = -1' '.schemaVersion = "2"' \
	'.schemaVersion = 1 | del(.config)' '.mediaType = 5' '[.]' '5' 'null' '"x"'; do
	lies "a manifest with $filter is refused" . - . "$filter"
done
for filter in '.rootfs = "x"' '.rootfs = null' 'del(.rootfs)' '.rootfs.diff_ids = "x"' '.rootfs.diff_ids = null' \
	'.rootfs.diff_ids[1] = 5' '.rootfs.diff_ids[1] = null' '.rootfs.diff_ids[1] = "x"' '.config = "x"' '.config = [1]' \
	'.config.Env = "x"' '.config.Env = [1]' '.config.Cmd = "x"' '.config.Cmd = {}' '.config.Entrypoint = [[]]' \
	'.config.Entrypoint = 5' '.architecture = 5' '.os = []' '[.]' '5' 'null'; do
	lies "a config with $filter is refused" . - "$filter"
done
for filter in '.digest = 5' '.digest = null' 'del(.digest)' '.size = "1"' '.size = -1' '.size = null' '.mediaType = 5'; do
	lies "a descriptor with $filter is refused" . - . . "$filter"
done
nest() { printf '{"schemaVersion": 2, "x": '; repeat 10000 '['; repeat 10000 ']'; printf '}'; }
nest >"$tmp/nest"
manifest nested-manifest "$tmp/nest"
refused 'a manifest of 10,000 levels is refused' nested-manifest - 'nest|deep|JSON'
forget
nest >"$tmp/nest"
printf 'layer\ndir ./\n' | image nested-config . ".config = $(blob "$tmp/nest" config.v1+json)"
refused 'a config of 10,000 levels is refused' nested-config - 'nest|deep|JSON'
printf '{"schemaVersion": 2' >"$tmp/half"
manifest half-manifest "$tmp/half"
refused 'a manifest that breaks off is refused' half-manifest - 'JSON|parse'
forget
: >"$tmp/half"
manifest empty-manifest "$tmp/half"
refused 'an empty manifest is refused' empty-manifest - 'JSON|parse|empty'
forget

# Layouts whose index is wrong.
bad_index() { # TITLE INDEX
	my_turn || return 0
	number=$((number + 1))
	mkdir -p "$tmp/index-$number/blobs/sha256"
	cp "$corpus/oci-layout" "$tmp/index-$number"
	printf '%s' "$2" >"$tmp/index-$number/index.json"
	source=oci:$tmp/index-$number:x
	ok "$1" check_refusal "index-$number" '' .
	source=oci:$tmp/index-$number
	ok "$1, without a name too" check_refusal "index-$number" '' .
	source=
}
for index in '' '{' '5' 'null' '[]' '"x"' '{}' '{"schemaVersion": 2}' '{"schemaVersion": 2, "manifests": "x"}' \
	'{"schemaVersion": 2, "manifests": {}}' '{"schemaVersion": 2, "manifests": [5, null, "x", []]}' \
	'{"schemaVersion": 2, "manifests": [{"annotations": {"org.opencontainers.image.ref.name": "x"}}]}' \
	'{"schemaVersion": 2, "manifests": [{"annotations": "x"}]}' '{"schemaVersion": 2, "manifests": []}'; do
	bad_index "the index ${index:-(empty)} is refused" "$index"
done
bad_index 'an index of 10,000 levels is refused' "$(nest)"
for ref in ../../../etc/x:y ../x:y a/../../b:1 a/../b /etc/x:y 'x:y/z' 'x:..' 'x:../y' '..:x' 'a//b:c' 'x\ty:1' 'x:1\tthin=y' \
	'x:1\nhttp://localhost/y:1' 'x\u0000y:1' 'x y:1' '\u001b[31m:1'; do
	my_turn || continue
	jq --argjson ref "\"$ref\"" '.manifests[0].annotations |= map_values($ref)' "$tmp/good.oci/index.json" >"$tmp/index.json"
	number=$((number + 1))
	cp -r "$tmp/good.oci" "$tmp/ref-$number"
	mv "$tmp/index.json" "$tmp/ref-$number/index.json"
	source=oci:$tmp/ref-$number
	ok "an image that calls itself $ref is refused" check_refusal "ref-$number" '' .
	source=
done

# References that would lead out when used as a path.
bad_reference() { # REFERENCE TOOL [OPTION...]
	bad_ref=$1 bad_tool=$2
	shift 2
	mkdir "$tmp/case"
	status=0
	run "$bad_tool" -s "$tmp/case/store" "$@" "$bad_ref" </dev/null >"$tmp/case/out" 2>"$tmp/case/err" || status=$?
	{
		[ $status = 1 ] || echo "exit status $status"
		[ ! -s "$tmp/case/out" ] || cat "$tmp/case/out"
		[ "$(wc -l <"$tmp/case/err")" = 1 ] || { echo 'not one line:'; cat "$tmp/case/err"; }
		grep -qF -e "$bad_tool: $bad_ref: " "$tmp/case/err" || { echo 'does not name it:'; cat "$tmp/case/err"; }
		outside | diff "$tmp/outside.before" - || echo 'was touched'
	} >"$tmp/amiss"
	rm -rf "$tmp/case"
	[ ! -s "$tmp/amiss" ] || { cat "$tmp/amiss"; return 1; }
}
for reference in ../x a/../../b ./x 127.0.0.1:1/../x 127.0.0.1:1/a/../../b 127.0.0.1:1/a/.. 127.0.0.1:1/a:b/c 127.0.0.1:1/a:.. \
	127.0.0.1:1/a:../../b 127.0.0.1:1/.hidden:1 127.0.0.1:1/a//b 127.0.0.1:1//a http://../x:1 https://./x:1 http:///x:1 \
	127.0.0.1:1/a@sha256:../../b 127.0.0.1:1/a@sha256:abc 127.0.0.1:1/.layers/x:1 ftp://127.0.0.1:1/a /etc/passwd \
	127.0.0.1:1/ 127.0.0.1:x/a:1 127.0.0.1:99999999999/a:1; do
	ok "ducc-fetch refuses $reference" bad_reference "$reference" ducc-fetch
done
for reference in http://localhost/../x:y http://localhost/a/../../b:1 http://../x:1 http://.layers/x:1 http://localhost/x:../y \
	http://localhost/x:y/z; do
	ok "ducc-unpack refuses $reference" bad_reference "$reference@$(digest_of "$0")" ducc-unpack
	ok "ducc-publish refuses $reference" bad_reference "$reference@$(digest_of "$0")" ducc-publish -r "$tmp/case/repo"
done
for digest in sha256:../../x sha256:abc md5:00 ../x; do
	ok "ducc-unpack refuses the digest $digest" bad_reference "http://localhost/x:y@$digest" ducc-unpack
	ok "ducc-publish refuses the digest $digest" bad_reference "http://localhost/x:y@$digest" ducc-publish -r "$tmp/case/repo"
done

# What is confined: an absolute name is one beneath the image's root.
image confined <<-E
	layer
	dir /
	file $canary data=dead
	dir $tmp/outside/directory mode=777
	file /.wh..wh..opq
	sym out to=$tmp/outside
	file //etc/passwd data=x
	hard link to=$canary
	hard /link2 to=/$canary
	chr /dev/null dev=1,3
E
confined() {
	mkdir "$tmp/case"
	through "$tmp/case" "oci:$corpus:confined" && run ducc-unpack -s "$tmp/case/store" -x "$tmp/case/x" <"$tmp/case/1" >"$tmp/out" || return
	cat "$tmp/case/err" "$tmp/case/status"
	for tree in "$tmp/case/x" "$tmp/case/repo/localhost/confined:latest"; do
		[ "$(cat "$tree$canary")" = dead ] && [ "$(stat -c %i "$tree$canary" "$tree/link" "$tree/link2" | uniq | wc -l)" = 1 ] &&
			[ "$(cat "$tree/etc/passwd")" = x ] || return
	done
	outside | diff "$tmp/outside.before" -
}
ok 'absolute names stay beneath the root' confined

# Where Singularity's files would go.
image links-out <<-E
	layer
	dir ./
	sym .singularity.d to=$tmp/outside
	sym etc to=$tmp/outside
	sym root to=$tmp/outside/new
	sym var to=../../../../../../../../../../..$tmp/outside
	sym tmp to=$tmp/outside/new
	sym .run to=$canary
E
links_out() {
	rm -rf "$tmp/case"
	through "$tmp/case" "oci:$corpus:links-out"
	cat "$tmp/case/err" "$tmp/case/status"
	[ "$(readlink "$tmp/case/repo/localhost/links-out:latest/etc")" = "$tmp/outside" ] &&
		[ ! -s "$tmp/case/status" ] && outside | diff "$tmp/outside.before" -
}
ok 'no file for Singularity is made through a symlink of the image' links_out

done_testing
