#!/bin/sh
# The stand-in for CernVM-FS, t/cvmfs_server: what it does where the tests of ducc-publish depend on it. All of it, but for
# what is said to be stricter, has been compared with the server and a client of 2.12.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need getfattr
[ $sanitized = 0 ] || skip_all "nothing that sanitizers could check takes part"

stand_in
n=test.example.org
R=$tmp/sys/cvmfs/$n
spool=$tmp/sys/var/spool/cvmfs/$n
C=$spool/rdonly
unknown=0123456789012345678901234567890123456789

: >"$tmp/probe"
setfattr -n user.probe -v 1 "$tmp/probe" 2>/dev/null || skip_all "$tmp has no extended attributes"

new_repository() {
	rm -rf "${tmp:?}/sys"
	mkdir "$tmp/sys"
	cvmfs_server mkfs $n
}
configure() { # LINE...: its server.conf
	mkdir -p "$tmp/sys/etc/cvmfs/repositories.d/$n"
	printf '%s\n' "$@" >"$tmp/sys/etc/cvmfs/repositories.d/$n/server.conf"
}
small_chunks() { # so that small files have some
	configure CVMFS_USE_FILE_CHUNKING=true CVMFS_MIN_CHUNK_SIZE=50000 CVMFS_AVG_CHUNK_SIZE=100000 CVMFS_MAX_CHUNK_SIZE=200000
}
random() { # NAME SIZE: a file in $tmp
	head -c "$2" /dev/urandom >"$tmp/$1"
}
xattr() { # KEY PATH
	getfattr --absolute-names --only-values -n "user.$1" "$C/$2" 2>/dev/null || echo none
}
names() { # DIR PATTERN
	find "$1" -mindepth 1 -maxdepth 1 -name "$2" -printf '%f\n' | sort | tr '\n' ' '
}
meta() { # PATH
	stat -c '%a %s %Y' "$C/$1"
}
meta_of_directory() { # PATH: its size depends on the file system
	stat -c '%a %Y' "$C/$1"
}
publish() {
	cvmfs_server publish $n
}
abort() {
	cvmfs_server abort -f $n
}
ingest() { # MEMBER...: of $tmp/in
	tar -C "$tmp/in" --no-recursion -cf - "$@" | cvmfs_server ingest -k -t - -b / $n
}
link_entry() { # NAME TARGET: published by ingest
	perl -e 'my ($name, $target) = @ARGV;
		my $h = pack "a100a8a8a8a12a12a8aa100a6a2a32a32a8a8a155x12", $name, "0000644", "0000000", "0000000",
			"00000000000", "14000000000", " " x 8, 1, $target, "ustar", "00", "", "", "0000000", "0000000", "";
		substr $h, 148, 8, sprintf "%06o\0 ", unpack "%32C*", $h;
		print $h, "\0" x 1024' "$1" "$2" | cvmfs_server ingest -k -t - -b / $n
}
marker() { # PATH LINE...: that of a graft
	marker_path=$1
	shift
	printf '%s\n' "$@" >"$R/$(dirname "$marker_path")/.cvmfsgraft-${marker_path##*/}"
}
graft() { # FROM TO: a graft of published content
	: >"$R/$2"
	size=$(stat -c %s "$C/$1")
	chunks=$(xattr chunk_list "$1" | tail -n +2)
	if [ "$(xattr chunks "$1")" = 1 ]; then
		marker "$2" '# from somewhere' '' "size=$size" "checksum=$(xattr hash "$1")"
	else
		marker "$2" "size=$size" "checksum=$(printf %040d 0)" "chunk_offsets=$(echo "$chunks" | cut -d, -f2 | paste -sd,)" \
			"chunk_checksums=$(echo "$chunks" | cut -d, -f1 | paste -sd,)"
	fi
}
open_transaction() { [ -e "$spool/in_transaction.lock" ]; }

# --- content

new_repository
random small 1000
random large 450000
mkdir -p "$tmp/in/dir"
cp "$tmp/small" "$tmp/large" "$tmp/in/dir"
ln -s small "$tmp/in/dir/link"
touch -d @1400000000 "$tmp/in/dir/large" "$tmp/in/dir"
small_chunks
ok "an ingest" ingest dir dir/small dir/large dir/link
is "... keeps large files in one piece" "$(xattr chunks dir/large)" 1
like "... which has a hash" "$(xattr hash dir/large)" '^[0-9a-f]{40}$'
is "... in the list, too" "$(xattr chunk_list dir/large)" "hash,offset,size
$(xattr hash dir/large),0,450000"
is "... that is not the content's own" "$(xattr hash dir/large | grep -c "$(sha1sum <"$tmp/large" | cut -d' ' -f1)")" 0
is "links and directories have none" "$(for k in hash chunks chunk_list; do xattr $k dir; done | tr '\n' ' ')" "none none none "
cvmfs_server transaction $n
mkdir "$R/tx"
cp "$tmp/small" "$tmp/large" "$R/tx"
random boundary 100000
cp "$tmp/boundary" "$R/tx"
ok "a publish" publish
is "... keeps small files in one piece" "$(xattr chunks tx/small) $(xattr hash tx/small)" "1 $(xattr hash dir/small)"
is "... also one of just the average size" "$(xattr chunks tx/boundary)" 1
is "... and has large ones in chunks" "$(xattr chunks tx/large)" 5
is "... without a hash of the whole" "$(xattr hash tx/large)" none
is "... listed in order, with offset and size" "$(xattr chunk_list tx/large | cut -d, -f2-)" "offset,size
0,100000
100000,100000
200000,100000
300000,100000
400000,50000"
is "... each with a hash" "$(xattr chunk_list tx/large | grep -cE '^[0-9a-f]{40},')" 5
ok "... which can be read" cmp "$tmp/large" "$C/tx/large"
is "... nothing becomes of what it left alone" "$(xattr chunks dir/large)" 1
cvmfs_server transaction $n
chmod 600 "$R/dir/large"
ok "a publish that only changes the mode of a file" publish
is "... has it in chunks" "$(xattr chunks dir/large) $(xattr hash dir/large) $(meta dir/large)" "5 none 600 450000 1400000000"

CVMFS_STANDIN_PAGE=150
export CVMFS_STANDIN_PAGE
cvmfs_server transaction $n
cp "$tmp/large" "$R/paged"
ok "a file with more chunks than a client shows at once" publish
unset CVMFS_STANDIN_PAGE
is "... has them in pages" "$(xattr chunk_list paged | wc -l) $(xattr chunk_list~1 paged | wc -l) $(xattr chunk_list~2 paged)" \
	"4 3 none"
is "... all the same" "$(xattr chunk_list paged; xattr chunk_list~1 paged | tail -n +2)" "$(xattr chunk_list tx/large)"

configure CVMFS_USE_FILE_CHUNKING=false
cvmfs_server transaction $n
cp "$tmp/large" "$R/unchunked"
ok "a publish where chunking is off" publish
is "... keeps it in one piece" "$(xattr chunks unchunked)" 1
configure CVMFS_USE_FILE_CHUNKING=true CVMFS_MIN_CHUNK_SIZE=200 CVMFS_AVG_CHUNK_SIZE=100 CVMFS_MAX_CHUNK_SIZE=400
cvmfs_server transaction $n
fails "sizes that make no sense" publish
ok "... leave the transaction open" open_transaction
abort
new_repository
cvmfs_server transaction $n
for i in 4M 9M 17M; do truncate -s $i "$R/$i"; done
ok "a publish with the usual sizes" publish
is "... never has chunks up to 4 MiB, and always from 16 MiB on" "$(xattr chunks 4M) $(xattr chunks 9M) $(xattr chunks 17M)" "1 2 3"
ok "the repository is sound" cvmfs_server check $n

# --- hard link entries of an ingest

new_repository
small_chunks
cvmfs_server transaction $n
cp "$tmp/small" "$tmp/large" "$R"
publish
ok "a hard link to a file in one piece" link_entry clone small
ok "... is like it" cmp "$tmp/small" "$C/clone"
is "... has its xattrs" "$(xattr chunks clone) $(xattr hash clone)" "1 $(xattr hash small)"
cvmfs_server transaction $n
echo more >>"$R/clone"
ok "writing to one of them" publish
ok "... leaves the other alone" cmp "$tmp/small" "$C/small"
ok "... and the repository is sound" cvmfs_server check $n
cp -a "$tmp/sys" "$tmp/sound"
ok "a hard link to a file in chunks succeeds" link_entry broken large
fails "... but is not that file" cmp "$tmp/large" "$C/broken"
is "... nor has chunks, but a size" "$(xattr chunks broken) $(xattr hash broken) $(stat -c %s "$C/broken")" "none none 450000"
fails "... which a check finds" cvmfs_server check $n
like "... and names" "$(cat "$out")" '^broken: a clone of a chunked file'
rm -r "$tmp/sys"
mv "$tmp/sound" "$tmp/sys"
cvmfs_server transaction $n
graft large grafted
publish
ok "so does one to a graft of such a file" link_entry broken grafted
fails "... found, too" cvmfs_server check $n

# --- grafts

new_repository
small_chunks
ok "content for grafts: by ingest, in one piece" ingest dir dir/large
cvmfs_server transaction $n
mkdir "$R/from" "$R/to"
cp "$tmp/small" "$tmp/large" "$R/from"
: >"$R/from/empty"
publish
cvmfs_server transaction $n
for i in small large empty; do graft from/$i to/$i; done
graft dir/large to/whole
chmod 4755 "$R/to/large"
touch -d @1600000000 "$R/to/large" "$R/to/small"
touch -d @1500000000 "$R/to"
ok "grafts" publish
for i in small large; do ok "... of the file $i have its content" cmp "$tmp/$i" "$C/to/$i"; done
ok "... of one in one piece, too" cmp "$tmp/large" "$C/to/whole"
is "... as it was stored" "$(xattr chunks to/small) $(xattr chunks to/large) $(xattr chunks to/empty) $(xattr chunks to/whole)" "1 5 1 1"
is "... under the same names" "$(xattr chunk_list to/large) $(xattr hash to/small)" "$(xattr chunk_list from/large) $(xattr hash from/small)"
is "... with metadata of their own" "$(meta to/large), $(meta to/small)" "4755 450000 1600000000, 644 1000 1600000000"
is "... and that of the directory" "$(stat -c %Y "$C/to")" 1500000000
is "... their markers are not published" "$(find "$C/" -name '.cvmfsgraft-*')" ""
ok "... and the repository is sound" cvmfs_server check $n

cvmfs_server transaction $n
rm -r "$R/from" "$R/dir"
publish
cvmfs_server transaction $n
graft to/large again
graft to/whole whole
cp "$tmp/boundary" "$R/boundary"
publish
ok "what is grafted from may be removed" cmp "$tmp/large" "$C/again"
cvmfs_server transaction $n
hash=$(xattr hash boundary)
rm "$R/boundary"
publish
cvmfs_server transaction $n
: >"$R/back"
marker back size=100000 "checksum=$hash"
publish
ok "... also when nothing else has the content" cmp "$tmp/boundary" "$C/back"

cvmfs_server transaction $n
marker nobody size=1 checksum=$unknown
mkdir "$R/.cvmfsgraft-directory"
: >"$R/.cvmfsgraft-directory/file"
ln -s nowhere "$R/link"
marker link size=1 checksum=$unknown
graft to/small full
echo something >"$R/full"
marker to/large size=1 checksum=$unknown
graft to/small again
ok "markers of nothing, of a link, of a file that is not empty, of one left alone, and of another's replacement" publish
is "... none is published" "$(find "$C/" -name '.cvmfsgraft-*')" ""
ok "... a link stays one" test -L "$C/link"
ok "... a file is replaced though it is not empty" cmp "$tmp/small" "$C/full"
ok "... one that was not touched is not" cmp "$tmp/large" "$C/to/large"
ok "... one that was is" cmp "$tmp/small" "$C/again"
ok "... and the repository is sound" cvmfs_server check $n

printf 'size=1\nchecksum=%s\n' $unknown >"$tmp/in/.cvmfsgraft-file"
: >"$tmp/in/file"
ok "a marker in a tar" ingest .cvmfsgraft-file file
is "... is a file like others" "$(stat -c %s "$C/file") $(names "$C/" "*graft*")" "0 .cvmfsgraft-file "
cvmfs_server transaction $n
echo x >"$R/file"
ok "... even when its file is changed" publish
is "... by content" "$(cat "$C/file") $(names "$C/" "*graft*")" "x .cvmfsgraft-file "

invalid() { # TITLE LINE...
	invalid_title=$1
	shift
	cvmfs_server transaction $n
	: >"$R/bad"
	marker bad "$@"
	fails "a graft $invalid_title" publish
	ok "... which leaves the transaction open" open_transaction
	is "... and the files in it" "$(names "$R/" '*bad')" ".cvmfsgraft-bad bad "
}
for i in "without checksum:size=1" "without size:checksum=$unknown" "with an odd size:size=1k checksum=$unknown" \
	"with an odd checksum:size=1 checksum=${unknown}0" "with a checksum in capitals:size=1 checksum=A$(echo $unknown | cut -c2-)" \
	"with more offsets than chunks:size=9 checksum=$unknown chunk_offsets=0,4 chunk_checksums=$unknown" \
	"that begins late:size=9 checksum=$unknown chunk_offsets=1,4 chunk_checksums=$unknown,$unknown" \
	"out of order:size=9 checksum=$unknown chunk_offsets=0,4,4 chunk_checksums=$unknown,$unknown,$unknown" \
	"with an empty chunk:size=9 checksum=$unknown chunk_offsets=0,9 chunk_checksums=$unknown,$unknown" \
	"of an empty list:size=9 checksum=$unknown chunk_offsets= chunk_checksums="; do
	# shellcheck disable=SC2086 # words
	invalid "${i%%:*}" ${i#*:}
	like "... is said to be invalid" "$(publish 2>&1)" "Encountered a grafted file \(bad\) with invalid grafting information"
	abort
done
invalid "of an unknown compression" size=1 checksum=$unknown compression=lz4
abort
invalid "with a line that is none" size=1 checksum=$unknown nonsense
is "... nothing was published of all that" "$(names "$C/" '*bad')" ""
echo right >"$R/.cvmfsgraft-bad"
cp "$tmp/small" "$R/bad"
rm "$R/.cvmfsgraft-bad"
ok "... and when it is corrected it is" publish
ok "... as it is then" cmp "$tmp/small" "$C/bad"
ok "... and the repository is sound" cvmfs_server check $n

cp -a "$tmp/sys" "$tmp/sound"
lasting() { # TITLE SIZE HASH [OFFSETS HASHES]
	rm -r "$tmp/sys"
	cp -a "$tmp/sound" "$tmp/sys"
	cvmfs_server transaction $n
	: >"$R/bad"
	marker bad "size=$2" "checksum=$3" ${4+"chunk_offsets=$4" "chunk_checksums=$5"}
	ok "a graft of $1" publish
	is "... has the size that it says" "$(stat -c %s "$C/bad")" "$2"
	is "... and no content" "$(tr -d '\0' <"$C/bad" | wc -c)" 0
	fails "... which a check finds" cvmfs_server check $n
	like "... and names" "$(cat "$out")" '^bad: '
}
chunk=$(xattr chunk_list to/large | sed -n 's/,0,.*//p')
lasting "an unknown hash" 3 $unknown
lasting "unknown chunks" 9 "$(printf %040d 0)" 0,4 $unknown,$unknown
lasting "a whole file as a chunk" 1000 "$(printf %040d 0)" 0 "$(xattr hash to/small)"
lasting "a chunk as a whole file" 100000 "$chunk"
lasting "another size (where the real check finds nothing)" 999 "$(xattr hash to/small)"
lasting "a chunk of another size (where it finds nothing, either)" 99999 "$(printf %040d 0)" 0 "$chunk"
cvmfs_server transaction $n
rm "$R/bad"
publish
fails "... lasts (the real one is sound again when that is removed)" cvmfs_server check $n

# --- directories

new_repository
mkdir -p "$tmp/in/dir/sub"
touch -d @1400000000 "$tmp/in/dir"
ok "an ingest of a directory" ingest dir dir/sub
before=$(meta_of_directory dir)
mkdir -p "$tmp/in2/dir"
: >"$tmp/in2/dir/new"
chmod 700 "$tmp/in2/dir"
ok "an ingest with an entry for a directory that is there" sh -c '
	tar -C "$1/in2" --mtime=@1 -cf - dir | cvmfs_server ingest -k -t - -b / "$2"' sh "$tmp" $n
is "... leaves that as it is" "$(meta_of_directory dir)" "$before"
ok "... and adds to it" test -f "$C/dir/new"
cvmfs_server transaction $n
echo x >"$R/dir/newer"
publish
is "a publish does not set the time back" "$([ "$(meta_of_directory dir)" = "$before" ] && echo back)" ""
cvmfs_server transaction $n
echo x >"$R/dir/newest"
chmod 711 "$R/dir"
touch -d @1500000000 "$R/dir"
publish
is "... but takes what is there" "$(meta_of_directory dir)" "711 1500000000"
cvmfs_server transaction $n
graft dir/newest dir/grafted
touch -d @1500000000 "$R/dir"
publish
is "... also where a graft is made" "$(meta_of_directory dir)" "711 1500000000"

# --- what publish refuses

cvmfs_server transaction $n
mkdir -p "$R/dir/.cvmfscatalog"
fails "a catalog marker that is a directory" publish
rmdir "$R/dir/.cvmfscatalog"
: >"$R/.cvmfscatalog"
fails "one in the root" publish
rm "$R/.cvmfscatalog"
exec 7>"$R/dir/open"
fails "a file that somebody still writes to" publish
like "... is said" "$(cat "$out")" "Open writable file descriptors"
exec 7>&-
ok "... and when it is closed all is published" publish

# --- failures, waiting, and kills

published() { (cd "$C/" && find . -type f | sort | tr '\n' ' '); }
: >"$spool/log"
before=$(published)
fails "a transaction that fails, as told" env CVMFS_STANDIN_FAIL=transaction cvmfs_server transaction $n
is "... is not open" "$(open_transaction && echo open)" ""
cvmfs_server transaction $n
echo x >"$R/another"
fails "a publish that fails, as told" env CVMFS_STANDIN_FAIL=publish cvmfs_server publish $n
ok "... leaves the transaction open" open_transaction
is "... and shows nothing" "$(published)" "$before"
is "... the log says so" "$(tr '\n' ' ' <"$spool/log")" "transaction publish-failed "
CVMFS_STANDIN_PAUSE_PUBLISH=60 setsid "$top/t/cvmfs_server" publish $n &
pid=$!
ok "a publish about to commit" wait_for test -e "$spool/paused"
kill -9 $pid
wait $pid 2>/dev/null || :
is "... when killed has shown nothing" "$(published)" "$before"
ok "... it may be tried again" publish
is "... with all of it" "$(published)" "./another $before"
ok "... the repository is sound" cvmfs_server check $n
CVMFS_STANDIN_PAUSE_TRANSACTION=60 setsid "$top/t/cvmfs_server" transaction $n &
pid=$!
ok "a transaction that is open" wait_for test -e "$spool/paused"
kill -9 $pid
wait $pid 2>/dev/null || :
ok "... when killed stays so" open_transaction
ok "... and can be aborted" abort
is "... without traces" "$(published)$(names "$spool/" paused)$(names "$spool/" '*lock')" "./another ${before}is_publishing.lock "

# --- a gateway

mknod "$tmp/device" c 1 3 2>/dev/null && {
	through_gateway $n
	cvmfs_server transaction $n
	mknod "$R/null" c 1 3
	graft dir/newest grafted
	ok "a publish through a gateway" publish
	is "... loses devices" "$(names "$C/" null)" ""
	ok "... and makes grafts" cmp "$C/dir/newest" "$C/grafted"
	rm "$gateway_conf"
	cvmfs_server transaction $n
	mknod "$R/null" c 1 3
	ok "without one" publish
	ok "... they are there" test -c "$C/null"
}

done_testing
