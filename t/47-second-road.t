#!/bin/sh
# The second road into CernVM-FS, over the stand-in: large files, which transactions publish in chunks before the ingest, and
# content that the repository has already, which is linked or grafted. What comes out is what a directory has, whatever
# happens on the way.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh source=trees.sh

unshare -m true 2>/dev/null || { echo '1..0 # SKIP owners, devices and mounts need root'; exit 0; }
[ "${1-}" = inside ] || exec unshare -m "$0" inside		# no mount outlives the test
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
. "${0%/*}/trees.sh"
need jq perl umoci zstd

stand_in
corpus "$tmp/corpus"
S=$tmp/store
D=$tmp/directory
n=test.example.org
R=$tmp/sys/cvmfs/$n
spool=$tmp/sys/var/spool/cvmfs/$n
conf=$tmp/sys/etc/cvmfs/repositories.d/$n/server.conf
average=131072 # larger files are in chunks; those of more than half of it are staged

new_repository() { # and an empty directory, to compare with
	rm -rf "${tmp:?}/sys" "$D"
	mkdir -p "${conf%/*}"
	printf 'CVMFS_USE_FILE_CHUNKING=%s\nCVMFS_MIN_CHUNK_SIZE=65536\nCVMFS_AVG_CHUNK_SIZE=%s\nCVMFS_MAX_CHUNK_SIZE=262144\n' \
		"${1:-true}" $average >"$conf"
	cvmfs_server mkfs $n
}
written() { # what the transactions found new, without the digests in its path
	[ ! -e "$spool/written" ] || sed 's|/[0-9a-f]*/[0-9a-f]*/|/|' "$spool/written" | sort
}
log() { # what was done with the repository, in one line
	[ ! -e "$spool/log" ] || tr '\n' ' ' <"$spool/log"
}
read_bytes() { # by the ingests so far
	awk '{ n += $1 } END { print n + 0 }' "$spool/read" 2>/dev/null
}
forget_log() {
	rm -f "$spool/log" "$spool/read" "$spool/written"
}
ready() { # IMAGE...: as records
	for r_image; do
		set -- "$@" "oci:$tmp/corpus:$r_image"
		shift
	done
	ducc-fetch -q -s "$S" "$@" | ducc-unpack -q -s "$S"
}
publish() { # RECORDS [OPTION...]
	publish_records=$1
	shift
	forget_log
	ducc-publish -s "$S" -r $n "$@" <"$publish_records"
}
publish_into_directory() { # RECORDS
	ducc-publish -q -s "$S" -r "$D" <"$1" >"$tmp/published"
}
want() { # IMAGE...: what umoci unpacks
	for w_image; do
		umoci raw unpack --image "$tmp/corpus:$w_image" "$tmp/want/$w_image" >"$tmp/umoci" 2>&1 || { cat "$tmp/umoci"; return 1; }
	done
}
mkdir "$tmp/want"

# stored: what is in chunks but should not be, and the other way round. $whole, if set, is a pattern of what may be whole.
stored() {
	perl -MFile::Find -e 'require "syscall.ph";
		my ($root, $average, $whole, $key) = (@ARGV, "user.chunks");
		find({ no_chdir => 1, wanted => sub {
			my @s = lstat;
			return if !-f _;
			my $value = "\0" x 64;
			my $got = syscall(&SYS_lgetxattr, $_, $key, $value, 64);
			my $chunks = $got > 0 ? substr $value, 0, $got : 0;
			return if $chunks > 1 == $s[7] > $average && $chunks || $chunks == 1 && $whole ne "" && m{$whole};
			print "$_: $s[7] bytes, $chunks chunks\n";
		} }, grep { -e } map { "$root/$_" } ".layers", ".flat")' "$R" "${1-$average}" "${whole-}"
}
trees_of() { # ROOT: which layers and flat trees it has, and names of images
	(cd "$1/" && find .layers .flat -mindepth 2 -maxdepth 2 -type d | sort && find localhost -type l -printf '%p %l\n' | sort)
}
sound_repository() { # consistent, nothing left open, nor behind
	cvmfs_server check $n || return
	for left in in_transaction.lock ducc.transaction ducc.staged; do
		[ ! -e "$spool/$left" ] || { echo "$left is left"; return 1; }
	done
	[ -z "$(find "$R/" -name '.cvmfsgraft-*' ! -path '*/names/*' ! -name '*large' ! -name '*other' -print -quit)" ] || { echo 'a graft marker was published'; return 1; }
}
# agree: the repository has what the directory has, as it should have it.
agree() {
	a_status=0
	trees_of "$D" >"$tmp/trees.want"
	trees_of "$R" | diff "$tmp/trees.want" - || return
	while read -r a_tree rest; do
		case $a_tree in
		.layers/*) "$top/t/treecmp" -c "$D/$a_tree/layerfs" "$R/$a_tree/layerfs" || a_status=1 ;;
		.flat/*) "$top/t/treecmp" -c -a .cvmfscatalog -a '*/.cvmfscatalog' "$D/$a_tree" "$R/$a_tree" || a_status=1 ;;
		esac
	done <"$tmp/trees.want"
	[ -z "$(stored)" ] || { stored; a_status=1; }
	sound_repository || a_status=1
	return $a_status
}
is_as_unpacked() { # IMAGE...
	for u_image; do
		same_flat -c -a .cvmfscatalog -i . "$tmp/want/$u_image" "$R/localhost/$u_image/" || return
	done
}
has_content() { # IMAGE LAYER-NUMBER: true if some of the layer was staged
	layer_of "$1" "$2"
	[ "$(readlink "$R/$layer/layerfs")" = content ]
}
layer_of() { # IMAGE NUMBER: sets $layer, a path
	layer=$(jq -r ".layers[$2 - 1].digest" "$R/.metadata/localhost/$1/manifest.json")
	layer=${layer#sha256:}
	layer=.layers/${layer%"${layer#??}"}/$layer
}
three='transaction publish transaction publish ingest-ok '
two='transaction publish ingest-ok '

# So many large files that a second transaction is worthwhile: those of a flat tree are grafts.
image bulk:1 <<-'E'
	layer
	dir ./
	file a size=300000 data=bulk.
	file b size=300000 data=more.bulk.
E

# Which files are large

for size in 65535 65536 65537; do
	image size:$size <<-E
		layer
		dir ./
		file f size=$size data=abcdefghijklm
	E
done
new_repository
for size in 65535 65536; do
	ready size:$size >"$tmp/records"
	publish_into_directory "$tmp/records"
	ok "a file of $size bytes" publish "$tmp/records"
	is "... is not large" "$(log)" 'ingest-ok '
done
ready size:65537 >"$tmp/records"
publish_into_directory "$tmp/records"
ok "one of 65537 bytes" publish "$tmp/records"
is "... is, and is written twice" "$(log)" "$two"
ok "... whose layer has a name when it is complete" has_content size:65537 1
ok "... all is as it should be" agree

# Files of all kinds, in directories of all kinds

long=$(repeat 243 n)
edges_1() {
	cat <<-E
		layer
		dir ./ mtime=1600000000
		dir a
		file a/below size=65535 data=below.
		file a/at size=65536 data=at.
		file a/above size=65537 data=above.
		file a/average size=131072 data=averages.
		file a/two size=131073 data=two..
		file a/big size=300001 data=abcdefghijklm mode=4755 uid=7 gid=8 mtime=1000000001
		file a/empty
		hard b/again to=a/big
		hard again to=b/again
		dir b mode=1777 uid=3 mtime=1400000000
		dir c mode=500 uid=1000 gid=1001 mtime=1500000000
		file c/private size=200000 data=private mode=600 uid=1000 gid=1001 mtime=1
		dir c/deep mode=2710 uid=5 gid=6 mtime=1500000001
		file c/deep/x size=150000 data=deep. mode=2755 uid=70000 gid=70001 mtime=1700000000.75
		file c/deep/y data=small
		dir c/deep/empty mode=700
		sym c/link to=../a/big mtime=1500000002
		hard c/private2 to=c/private
		fifo c/fifo mode=600
		file sparse sparse=pax size=1M map=4096+4096,500000+100 data=sparse.
		file zeros size=400000 data=\\000
		dir names
		file names/${long} size=140001 data=243.
		file names/${long}4 size=140002 data=244.
		file names/${long}567890123456 size=140003 data=255.
		file names/two\\swords\\s size=140004 data=words.
		file names/two\\nlines size=140005 data=lines.
		file names/\\xff\\xfe\\x80 size=140006 data=bytes.
		file names/back\\\\slash,=\\x23 size=140007 data=signs.
		file names/small\\nlines data=small
		file names/not size=140008 data=not.
		file .wh.never-there
	E
}
edges_1 | image edges:1
{
	edges_1
	cat <<-E
		layer
		file a/big data=small
		file a/at size=400000 data=larger.
		sym a/two to=big
		file b/.wh.again
		dir c/deep mode=750
		file c/deep/.wh..wh..opq
		file c/deep/z size=100000 data=opaque.
		dir names
		file names/.wh.${long}
		file names/new size=140009 data=new.
	E
} | image edges:2
{
	edges_1
	cat <<-E
		layer
		file d/e/f size=100003 data=late. mode=444
		dir d/e mode=555 uid=9 gid=10 mtime=1300000000
		hard d/e/g to=d/e/f
		dir d mode=111 uid=11 gid=12 mtime=1300000001
		layer
		dir names
		file names/.cvmfsgraft-not data=nothing
		hard names/.cvmfsgraft-again to=names/.cvmfsgraft-not
	E
} | image edges:3
image markers <<-'E'
	layer
	dir ./
	file large size=200000 data=large.
	hard .cvmfsgraft-large to=large
	layer
	file .cvmfsgraft-other size=200001 data=other.
	hard other to=.cvmfsgraft-other
E
want edges:1 edges:2 edges:3
ready edges:1 >"$tmp/edges.1"
ready edges:2 edges:3 >"$tmp/edges.2"
ready edges:1 edges:2 edges:3 >"$tmp/edges"

new_repository
publish_into_directory "$tmp/edges.1"
ok "large files of all kinds" publish "$tmp/edges.1"
is "... take three transactions" "$(log)" "$three"
ok "... are what a directory has" agree
ok "... and umoci" is_as_unpacked edges:1
publish_into_directory "$tmp/edges.2"
ok "two images on top of that layer" publish "$tmp/edges.2"
is "... take as many" "$(log)" "$three"
# Their content is only in the repository, as far as anybody knows who has no tar of the layer.
whole="/.flat/.*/names/${long}(4|567890123456)\$"
ok "... are what a directory has" agree
whole=
ok "... and umoci" is_as_unpacked edges:1 edges:2 edges:3

new_repository
publish_into_directory "$tmp/edges"
ok "all three at once" publish "$tmp/edges"
is "... take as many" "$(log)" "$three"
ok "... are what a directory has, however long names are" agree
ok "... and umoci" is_as_unpacked edges:1 edges:2 edges:3
ready markers >"$tmp/records"
publish_into_directory "$tmp/records"
ok "large files that a transaction would take for something else" publish "$tmp/records"
is "... are published without one" "$(log)" 'ingest-ok '
whole='(large|other)$'
ok "... as a directory has them" agree
whole=
ok "published again" publish "$tmp/edges"
is "... opens no transaction" "$(log)" ''

# A rebuild under another tag: what is equal is linked, what is equal but for its metadata is an entry of its own

base_layer() {
	cat <<-'E'
		layer
		dir ./
		dir usr mtime=1500000000
		file usr/large size=300000 data=abcdefghijklm mode=755
		file usr/medium size=60000 data=medium. mtime=1600000000
		file usr/small data=small
		hard usr/medium2 to=usr/medium
		file usr/tiny data=t
		sym usr/link to=large
	E
}
base_layer | image app:1
# Another layer, as anything else in it differs.
{ base_layer; echo 'file added data=x'; } | image app:same
first() { # IMAGE PATH: the file in its first layer
	layer_of "$1" 1
	echo "$R/$layer/layerfs/$2"
}
same_inode() { # IMAGE-A IMAGE-B PATH
	[ "$(stat -c %i "$(first "$1" "$3")")" = "$(stat -c %i "$(first "$2" "$3")")" ]
}
other_inode() { ! same_inode "$@"; }
chunk_list() { # IMAGE PATH: what the first layer's file is stored as
	perl -e 'require "syscall.ph"; my ($file, $key, $value) = (@ARGV, "user.chunk_list", "\0" x 65536);
		my $got = syscall(&SYS_getxattr, $file, $key, $value, 65536);
		print $got > 0 ? substr $value, 0, $got : "none"' "$(first "$1" "$2")"
}
start_with() { # IMAGE: a repository with it
	new_repository
	ready "$1" >"$tmp/first"
	publish_into_directory "$tmp/first"
	publish "$tmp/first" >"$tmp/out" 2>&1 || cat "$tmp/out"
}
base_layer | image app:again
start_with app:1
ready app:again >"$tmp/records"
publish_into_directory "$tmp/records"
ok "the same image under another tag" publish "$tmp/records"
is "... is a name more" "$(log)" 'ingest-ok '
ok "... and sends no content" test "$(read_bytes)" -lt 60000
ready app:same >"$tmp/records"
publish_into_directory "$tmp/records"
ok "a rebuild, with a large file that is in chunks" publish "$tmp/records"
is "... takes two transactions" "$(log)" "$two"
ok "... all is as it should be" agree
ok "... a small file is not sent again" same_inode app:1 app:same usr/small
ok "... neither is one of two names" same_inode app:1 app:same usr/medium2
is "... the large one is grafted" "$(written)" 'graft .flat/usr/large
graft .layers/content/usr/large'
is "... as the same chunks" "$(chunk_list app:same usr/large)" "$(chunk_list app:1 usr/large)"
ok "... nor is anything else of it" test "$(read_bytes)" -lt 100000

# Without anything large, it is one ingest, whatever differs.
little_layer() {
	base_layer | sed '/large/d'
}
little_layer | image little:1
little() { # TAG SED-SCRIPT: a rebuild
	{ little_layer | sed "$2"; echo "file added data=$1"; } | image "little:$1"
}
little same ''
little mode '/usr.tiny/s/$/ mode=600/; /usr.medium /s/$/ mode=600/'
little setuid '/usr.tiny/s/$/ mode=4644/; /usr.medium /s/$/ mode=4644/'
little uid '/usr.tiny/s/$/ uid=1/; /usr.medium /s/$/ uid=1/'
little gid '/usr.tiny/s/$/ gid=1/; /usr.medium /s/$/ gid=1/'
little mtime '/usr.tiny/s/$/ mtime=1700000001/; /usr.medium /s/mtime=1600000000/mtime=1600000001/'
little content 's/data=t$/data=u/; s/data=medium\./data=Medium./'
little name 's|usr/tiny|usr/renamed|'
little names '/^hard/s|^.*$|&\nhard usr/medium3 to=usr/medium|'
little type 's|^file usr/tiny.*|sym usr/tiny to=small|; s|^file usr/medium .*|dir usr/medium|; /^hard/d'
start_with little:1
is "an image of small files is one ingest" "$(log)" 'ingest-ok '
ready little:same >"$tmp/records"
publish_into_directory "$tmp/records"
ok "so is its rebuild" publish "$tmp/records"
is "... really" "$(log)" 'ingest-ok '
ok "... a file is not sent again" same_inode little:1 little:same usr/medium
sent=$(read_bytes)
for field in mode setuid uid gid mtime content name names type; do
	my_turn || [ $field = mtime ] || continue
	ready little:$field >"$tmp/records"
	publish_into_directory "$tmp/records"
	ok "a rebuild that changes the $field of files" publish "$tmp/records"
	is "... is one ingest" "$(log)" 'ingest-ok '
	case $field in
	type) ;;
	names) ok "... of no content" test "$(read_bytes)" -lt $((sent + 16384)) ;;
	name)
		is "... has the same file" "$(stat -c %i "$(first little:name usr/renamed)")" "$(stat -c %i "$(first little:1 usr/tiny)")"
		ok "... and sends nothing" test "$(read_bytes)" -lt $((sent + 10240))
		;;
	*)
		ok "... has a file of its own" other_inode little:1 little:$field usr/medium
		ok "... whose content is sent" test "$(read_bytes)" -ge $((sent + 60000))
		;;
	esac
	ok "... the others are linked" same_inode little:1 little:$field usr/small
done
ok "... all of them are as they should be" agree

# With something large, all can be grafted.
start_with app:1
for field in mode uid gid mtime; do
	{
		base_layer | sed "/usr.large/s/\$/ $field=1700/; /usr.medium /{ s/ mtime=.*//; s/\$/ $field=1701/; }"
		echo "file fresh size=150000 data=$field."
	} | image app:$field
done
ready app:mode app:uid app:gid app:mtime >"$tmp/records"
publish_into_directory "$tmp/records"
ok "rebuilds with other metadata and other large files" publish "$tmp/records"
is "... take three transactions together" "$(log)" "$three"
ok "... all is as it should be" agree
for field in mode uid gid mtime; do
	is "... a large file is grafted ($field)" "$(chunk_list app:$field usr/large)" "$(chunk_list app:1 usr/large)"
	ok "... not linked ($field)" other_inode app:1 app:$field usr/large
	is "... so is the one of 60000 bytes ($field)" "$(chunk_list app:$field usr/medium)" "$(chunk_list app:1 usr/medium)"
done
is "... nothing else is" "$(written | grep layers | uniq -c | sed 's/^ *//')" "4 file .layers/content/fresh
4 graft .layers/content/usr/large
4 graft .layers/content/usr/medium
4 graft .layers/content/usr/medium2"
ok "... nothing of either is sent" test "$(read_bytes)" -lt 300000

# What is listed but is not there, or is something else, is sent.
start_with app:1
layer_of app:1 1
cvmfs_server transaction $n
rm "$R/$layer/layerfs/usr/large"
echo other >"$R/$layer/layerfs/usr/medium"
cvmfs_server publish $n
ready app:same >"$tmp/records"
ok "a rebuild, when what it shares is gone" publish "$tmp/records"
publish_into_directory "$tmp/records"
layer_of app:same 1
ok "... is complete" "$top/t/treecmp" -c "$D/$layer/layerfs" "$R/$layer/layerfs"
ok "... sound" sound_repository

# A large layer has a catalog, which says that all of it is there as it was published.
many_layer() {
	base_layer | sed '/large/d'
	for i in $(seq 1000); do echo "file usr/$i"; done
}
many_layer | image many:1
{ many_layer; echo 'file added data=x'; } | image many:2
{ many_layer; echo 'file added data=y'; } | image many:3
start_with many:1
layer_of many:1 1
size=$(stat -c %s "$(first many:1 usr/small)")
echo other >"$R/$layer/layerfs/usr/small" # beside the catalog
ready many:2 >"$tmp/records"
ok "a rebuild of a layer with a catalog" publish "$tmp/records"
is "... is one ingest" "$(log)" 'ingest-ok '
ok "... that does not look for each file" same_inode many:1 many:2 usr/small
truncate -s "$size" "$R/$layer/layerfs/usr/small"
layer_of many:2 1
for layer in "$layer" "$(layer_of many:1 1; echo "$layer")"; do
	cvmfs_server transaction $n
	rm "$R/$layer/layerfs/usr/medium"
	cvmfs_server publish $n
done
ready many:3 >"$tmp/records"
publish_into_directory "$tmp/records"
ok "another one, when a file is gone from both" publish "$tmp/records"
layer_of many:3 1
ok "... has it" cmp "$D/$layer/layerfs/usr/medium" "$R/$layer/layerfs/usr/medium"
ok "... sound" sound_repository

# Invisible until the end

visible() { # what is to be seen of images and of complete trees
	(cd "$spool/rdonly/" && find . ! -type d ! -path './.flat/*' ! -path './.layers/*/*/content/*' ! -path '*/.log/*' | sort)
}
existing() { # the same, and what is not complete
	(cd "$spool/rdonly/" && find . \( ! -type d -o -path './.flat/*/*' -o -path './.layers/*/*' \) ! -path '*/.log/*' | sort)
}
start_with little:1
visible >"$tmp/visible"
publish_into_directory "$tmp/edges"
forget_log
CVMFS_STANDIN_PAUSE_TRANSACTION=60 CVMFS_STANDIN_PAUSE_PUBLISH=60 CVMFS_STANDIN_PAUSE=60 ducc-publish -q -s "$S" -r $n <"$tmp/edges" \
	>"$tmp/out" 2>&1 &
pid=$!
for moment in 'the first transaction is open' 'it is being published' 'the second one is open' 'it is being published' 'the ingest waits'; do
	ok "$moment" wait_for test -e "$spool/paused"
	is "... nothing new is to be seen" "$(visible)" "$(cat "$tmp/visible")"
	rm "$spool/paused"
done
ok "... then all is over" wait $pid
is "... as it should be" "$(log)" "$three"
ok "... and all is there at once" agree

# What fails

# It runs the server, and may have one of its calls fail, or somebody else change the repository after it:
# $STRIKE is COMMAND NUMBER [FAILURE], $MEANWHILE a command.
mkdir "$tmp/strike"
cat >"$tmp/strike/cvmfs_server" <<-END
	#!/bin/sh
	set -eu
	set -f
	command=\$1
	case "\$*" in *' -d '*) command=remove ;; esac
	echo >>"$tmp/strike/\$command"
	set -- "\$(wc -l <"$tmp/strike/\$command") \${STRIKE-none 0}" "\$command" "\$@"
	number=\${1%% *} rest=\${1#* } now=\$2
	shift 2
	wanted=\${rest%% *} rest=\${rest#* }
	if [ "\$wanted" = "\$now" ] && [ "\${rest%% *}" = "\$number" ]; then
		[ -n "\${MEANWHILE-}" ] || CVMFS_STANDIN_FAIL=\${rest#* } exec $top/t/cvmfs_server "\$@"
		$top/t/cvmfs_server "\$@"
		exec sh -euc "\$MEANWHILE" "$R"
	fi
	exec $top/t/cvmfs_server "\$@"
END
chmod 755 "$tmp/strike/cvmfs_server"
strike_at() { # COMMAND NUMBER FAILURE RECORDS [OPTION...]
	rm -f "$tmp/strike/transaction" "$tmp/strike/publish" "$tmp/strike/ingest" "$tmp/strike/remove" "$tmp/strike/abort"
	strike="$1 $2 $3" strike_records=$4
	shift 4
	forget_log
	STRIKE=$strike PATH=$tmp/strike:$PATH ducc-publish -s "$S" -r $n "$@" <"$strike_records"
}
ready edges:1 >"$tmp/records"
start_with little:1
existing >"$tmp/existing"
for strike in 'transaction 1 transaction' 'transaction 2 transaction' 'publish 1 publish' 'publish 2 publish' 'ingest 1 after-read' \
	'ingest 1 full'; do
	# shellcheck disable=SC2086 # words
	set -- $strike
	status=0
	strike_at "$1" "$2" "$3" "$tmp/records" >"$tmp/out" 2>&1 || status=$?
	is "a failure ($strike)" $status 1
	like "... is reported" "$(cat "$tmp/out")" "^ducc-publish: http://localhost/edges:1@.*: repository $n: cvmfs_server( ingest)?: "
	is "... nothing of it is left" "$(existing)" "$(cat "$tmp/existing")"
	ok "... the repository is sound" sound_repository
done
publish_into_directory "$tmp/records"
ok "... the next run succeeds" publish "$tmp/records"
ok "... all is as it should be" agree

# -C: what was published whole is split, also while new images come to use it.
for base in 1 2; do
	image split:$base <<-END
		layer
		dir ./
		file big size=300000 data=abcdefghijklm mode=4755 uid=3 mtime=1000000000
		hard big2 to=big
		file small size=3000 data=s
		layer
		file f data=$base
	END
	want split:$base
done
new_repository
ready split:1 >"$tmp/records"
publish_into_directory "$tmp/records"
ok "published whole" publish "$tmp/records" -c off
ready split:2 >>"$tmp/records"
publish_into_directory "$tmp/records"
forget_log
ok "-C, with another image on that layer" publish "$tmp/records" -C
ok "... large files are chunked" agree
ok "... and what they were" is_as_unpacked split:1 split:2
forget_log
ok "again" publish "$tmp/records" -C
is "... there is nothing to do" "$(log)" ''

# Hard links into a layer below, whose content may be staged, or known
hard_link() { # IMAGE FILE-SIZE
	image "$1" <<-END
		layer
		dir ./
		file f size=$2 data=abcdefghijklm mode=755
		file other size=3000 data=s
		layer
		hard link.$2 to=f
		hard other2 to=other
	END
	want "$1"
	new_repository
	ready "$1" >"$tmp/records"
	publish_into_directory "$tmp/records"
	ok "a hard link into a layer below ($2 bytes)" publish "$tmp/records"
	ok "... is that file" is_as_unpacked "$1"
	ok "... in its layer, too" agree
}
hard_link lower:1 3000
hard_link lower:2 300000

# A published layer that gets more whiteouts is still a published one.
for base in 1 2; do
	image more:$base <<-END
		layer
		dir ./
		dir d
		file d/$base data=x
		layer
		dir d
		file d/.wh..wh..opq
		file d/big size=300000 data=abcdefghijklm mode=755
	END
	want more:$base
done
new_repository
for base in 1 2; do
	ready more:$base >"$tmp/records"
	publish_into_directory "$tmp/records"
	ok "a layer on base $base" publish "$tmp/records"
done
ok "... large files are chunked in both flat trees" is_as_unpacked more:1 more:2
ok "... all is as it should be" agree

# Killed while the ingest reads: the next run, of another image, removes what was staged.
start_with little:1
existing >"$tmp/existing"
publish_paused "$tmp/records"
kill_publish
ok "killed during the ingest: there are staged trees" test -e "$spool/ducc.staged"
ready app:1 >"$tmp/next"
publish_into_directory "$tmp/next"
ok "... the next run succeeds" publish "$tmp/next"
like "... and removes them" "$(cat "$out")" "warning: .*removed 2 incomplete trees"
ok "... of which nothing is noted" test ! -e "$spool/ducc.staged"
ok "... all is as it should be" agree

# One image of several is damaged.
damage() { # IMAGE: the tar of its first layer, in the content of a large file
	layer=$(jq -r '.layers[0].digest' "$S/blobs/sha256/$(pinned "$(ready "$1")")" | cut -d: -f2)
	d_tar=$(find "$S/layers" -name "*$layer*.tar")
	perl -0777 -ne 'print index $_, shift' "$d_tar" >/dev/null
	perl -0777 -i -pe 's/damaged[.]damaged[.]/damaged,damaged./ or die "nothing to damage\n"' "$d_tar"
}
for size in 60000 300000; do
	{ base_layer; echo "file victim size=$size data=damaged."; } | image victim:$size
	ready edges:3 victim:$size app:1 >"$tmp/batch"
	damage victim:$size
	start_with little:1
	fails "a batch with a damaged file of $size bytes" publish "$tmp/batch"
	is "... which alone is reported" "$(grep -c '^ducc-publish: http' "$out") $(grep -c "^ducc-publish: http://localhost/victim:$size@" "$out")" "1 1"
	ready edges:3 app:1 >"$tmp/others"
	publish_into_directory "$tmp/others"
	ok "... the others are there" agree
done

# Others change the repository between our transactions.

# meanwhile WHAT COMMAND: it runs after the first publish, or the second, when the repository's root is $0.
meanwhile() { # TITLE COMMAND RECORDS NUMBER
	rm -f "$tmp/strike/publish"
	forget_log
	# shellcheck disable=SC2046 # words
	ok "after publish $4: $1" env STRIKE="publish $4" MEANWHILE="$2" PATH="$tmp/strike:$PATH" "$bin/ducc-publish" -s "$S" -r $n -w 60 \
		$(cut -f1 "$3")
}
# shellcheck disable=SC2016 # for the shell that is run then
for number in 1 2; do
	ready bulk:1 app:mode app:same >"$tmp/records"
	start_with app:1
	publish_into_directory "$tmp/records"
	meanwhile 'somebody adds a file' "cvmfs_server transaction $n; echo theirs >\$0/theirs; cvmfs_server publish $n" "$tmp/records" $number
	ok "... all is as it should be" agree
	is "... theirs too" "$(cat "$R/theirs")" theirs

	# What was to be linked or grafted is gone: it was complete when it was found, and can only be sent again.
	layer_of app:1 1
	start_with app:1
	publish_into_directory "$tmp/records"
	meanwhile 'somebody removes a layer' "cvmfs_server ingest -d $layer $n" "$tmp/records" $number
	for image in app:mode app:same; do
		layer_of $image 1
		ok "... $image has its layer" "$top/t/treecmp" -c "$D/$layer/layerfs" "$R/$layer/layerfs"
		ok "... and its flat tree" "$top/t/treecmp" -c -a .cvmfscatalog "$D/localhost/$image/" "$R/localhost/$image/"
	done
	ok "... the repository is sound" sound_repository

	start_with app:1
	publish_into_directory "$tmp/records"
	meanwhile 'somebody removes what is staged' 'cvmfs_server ingest -d "$(cd "$0/" && echo .layers/*/*/content | cut -d" " -f1 | xargs dirname)" '$n \
		"$tmp/records" $number
	ok "... all is as it should be" agree
done

# So is one that they make while the first transaction waits for theirs.
start_with app:1
ready app:mode >"$tmp/records"
publish_into_directory "$tmp/records"
layer_of app:1 1
cvmfs_server transaction $n
rm -r "${R:?}/$layer"
publish "$tmp/records" -w 60 >"$tmp/out" 2>&1 &
pid=$!
waiting() { grep -q 'waiting up to' "$tmp/out"; }
ok "a publish waits for somebody who removes a layer" wait_for waiting
cvmfs_server publish $n
ok "... and succeeds" wait $pid
layer_of app:mode 1
ok "... its layer is complete" "$top/t/treecmp" -c "$D/$layer/layerfs" "$R/$layer/layerfs"
ok "... so is its flat tree" "$top/t/treecmp" -c -a .cvmfscatalog "$D/localhost/app:mode/" "$R/localhost/app:mode/"
ok "... the repository is sound" sound_repository

# No mount, no root, no chunks

blind=$tmp/blind
new_repository
mkdir -p "$blind/var/spool/cvmfs/$n" "$blind/etc/cvmfs/repositories.d/$n" "$S/repositories/$n"
cp "$conf" "$blind/etc/cvmfs/repositories.d/$n/"
cat >"$blind/cvmfs_server" <<-END
	#!/bin/sh
	DUCC_SYSROOT=$tmp/sys exec $top/t/cvmfs_server "\$@"
END
chmod 755 "$blind/cvmfs_server"
ready edges:1 edges:2 edges:3 app:1 app:mode >"$tmp/records"
publish_into_directory "$tmp/records"
# shellcheck disable=SC2046 # words
ok "a publisher without a mount" env PATH="$blind:$PATH" DUCC_SYSROOT="$blind" "$bin/ducc-publish" -v -s "$S" -r $n $(cut -f1 "$tmp/records")
is "... says once that nothing is split" "$(grep -c 'large files are not split into chunks: that requires' "$out")" 1
is "... does with one ingest" "$(log)" 'ingest-ok '
whole=.
ok "... what is to be done" agree
whole=
rm -r "$S/repositories"

new_repository
publish_into_directory "$tmp/records"
ok "ducc-publish -c off" publish "$tmp/records" -c off
is "... is one ingest" "$(log)" 'ingest-ok '
whole=.
ok "... of everything" agree
whole=
new_repository false
publish_into_directory "$tmp/records"
ok "a repository that does not split files" publish "$tmp/records"
is "... is as quick" "$(log)" 'ingest-ok '
whole=.
ok "... and complete" agree
whole=
ready edges:2 >"$tmp/records"
new_repository
publish_into_directory "$tmp/records"
ok "-c 300001, a larger limit" publish "$tmp/records" -c 300001
is "... concerns what is larger" "$(written | grep -c '^file .*layers/content/.*')" 3
is "... and is in chunks, when nothing else is" "$(stored 300001)" ''
whole=.
ok "... all is as it should be" agree
whole=
new_repository
publish_into_directory "$tmp/records"
ok "-c 99, a smaller limit than that of the repository" publish "$tmp/records" -c 99
is "... has smaller files staged" "$(written | grep -c '^file .*layers/content/a/below$')" 1
ok "... to no other end" agree

# As somebody else

chmod 755 "$tmp"
new_repository
ready app:1 app:mode little:1 >"$tmp/records"
publish_into_directory "$tmp/records"
chown -R 65534:65534 "$tmp/sys" "$S"
forget_log
# shellcheck disable=SC2046 # words
ok "a publisher who is not root" setpriv --reuid 65534 --regid 65534 --clear-groups "$bin/ducc-publish" -v -s "$S" -r $n \
	$(cut -f1 "$tmp/records")
is "... says once that nothing is split" "$(grep -c 'large files are not split into chunks: that requires' "$out")" 1
is "... does with one ingest" "$(log)" 'ingest-ok '
chown -R 0:0 "$S"
is "... what is to be done" "$(cd "$D/localhost/app:mode/" && find . -type f -exec sha256sum {} + | sort)" \
	"$(cd "$R/localhost/app:mode/" && find . -type f ! -name .cvmfscatalog -exec sha256sum {} + | sort)"
ok "... soundly" sound_repository

# Little space for what the transactions write

for i in 1 2 3; do
	image space:$i <<-E
		layer
		dir ./
		file small data=$i
		file a size=300000 data=a$i.
		file b size=300000 data=b$i.
	E
done
image space:much <<-'E'
	layer
	dir ./
	file much size=1000000 data=much.
	hard more to=much
E
scratch() { # SIZE: a scratch area of that size
	mkdir "$spool/scratch"
	mount -t tmpfs -o "size=$1" none "$spool/scratch"
	mkdir "$spool/scratch/current"
}
ready space:1 space:2 space:3 >"$tmp/records"
new_repository
publish_into_directory "$tmp/records"
scratch 1500k
ok "three images, for two of which there is space" publish "$tmp/records"
is "... are published in two batches" "$(log)" "$three$three"
ok "... all is as it should be" agree
like "... silently" "$(grep -v '^http' "$out" || echo nothing)" '^nothing$'
ready app:1 space:much space:1 >"$tmp/records"
publish_into_directory "$tmp/records"
ok "an image for which there is none, and others" publish "$tmp/records"
like "... is published whole, with a warning" "$(cat "$out")" 'warning: layer sha256:[0-9a-f]*: [12] MB of large files are not split into chunks: '
is "... which concerns it alone" "$(grep -c '^http' "$out") $(grep warning: "$out" | sort -u | wc -l)" "3 1"
whole='/(much|more)$'
ok "... all is as it should be" agree
whole=
umount "$spool/scratch"
rm -r "$spool/scratch"

# Through a gateway

ready edges:1 app:1 app:mode >"$tmp/records"
new_repository
through_gateway $n
publish_into_directory "$tmp/records"
ok "large files through a gateway" publish "$tmp/records"
is "... take three transactions, after one for catalogs" "$(log)" "transaction publish $three"
ok "... all is as it should be" agree
new_repository
through_gateway $n
existing >"$tmp/existing"
publish_into_directory "$tmp/records"
for strike in 'publish 2 publish' 'ingest 1 after-read'; do
	# shellcheck disable=SC2086 # words
	set -- $strike
	sed -n 1p "$tmp/records" >"$tmp/one"
	fails "a failure there ($strike)" strike_at "$1" "$2" "$3" "$tmp/one"
	is "... leaves only catalogs behind" "$(existing | grep -vx '\./\.[a-z]*/\.cvmfscatalog')" "$(cat "$tmp/existing")"
	ok "... the repository is sound" sound_repository
done
ok "... the next publish succeeds" publish "$tmp/records"
ok "... all is as it should be" agree

# Kills

# shellcheck source=kill.sh
. "${0%/*}/kill.sh"
kills=${KILLS:-$(amount 2 80 1)}

base_repository() {
	wait_for rm -rf "$tmp/sys" 2>/dev/null # what was killed may have left somebody at work
	cp -a "$tmp/base" "$tmp/sys"
}
{ base_layer; echo "file victim size=60001 data=intact."; } | image intact:1
ready edges:2 app:mode intact:1 >"$tmp/records"
start_with app:1
cp -a "$tmp/sys" "$tmp/base"
publish_into_directory "$tmp/records"
visible >"$tmp/visible.old"
# shellcheck disable=SC2046 # words
seconds=$(duration ducc-publish -q -s "$S" -r $n $(cut -f1 "$tmp/records"))
visible >"$tmp/visible.new"
ok "an undisturbed run" agree
old_or_new() {
	visible >"$tmp/got"
	cmp -s "$tmp/got" "$tmp/visible.old" || diff "$tmp/visible.new" "$tmp/got"
}
publish_again() {
	ducc-publish -q -s "$S" -r $n -w 60 <"$tmp/records" >"$tmp/published" || return
	agree
}
# shellcheck disable=SC2046 # words
wrecks "$seconds" "$kills" base_repository old_or_new publish_again ducc-publish -q -s "$S" -r $n $(cut -f1 "$tmp/records")
is "ducc-publish: killed, run again, $killed times: all or nothing, and a sound repository" "$(cat "$wrong")" ""
: >"$wrong"
struck=0
for i in $(seq "$kills"); do
	base_repository
	# shellcheck disable=SC2046 # words
	kill_server "$seconds" ducc-publish -s "$S" -r $n -w 60 $(cut -f1 "$tmp/records")
	! grep -q 'killed by signal' "$tmp/struck" || struck=$((struck + 1))
	{ old_or_new && publish_again; } >"$out" 2>&1 || { echo "try $i, killed at $moment of $seconds s:"; cat "$tmp/struck" "$out"; } >>"$wrong"
done
echo "# $struck of $kills were killed"
is "cvmfs_server: killed, run again, $kills times: a sound repository" "$(cat "$wrong")" ""

# All at once, as when the machine goes down, at each of the moments at which something is half done.
wait_times() { # NUMBER: let it go on that often
	for _ in $(seq "$1"); do
		wait_for test -e "$spool/paused" || return
		rm "$spool/paused"
	done
	wait_for test -e "$spool/paused"
}
incomplete() { # trees without their listing
	(cd "$spool/rdonly/" && for i_tree in .layers/*/* .flat/*/*; do
		[ ! -d "$i_tree" ] || [ -e ".metadata/$i_tree.mtree" ] || [ -e "$i_tree/.metadata/layer.mtree" ] || echo "$i_tree"
	done)
}
ready little:1 >"$tmp/else"
for moment in 2 0 4 1 3; do
	my_turn || [ $moment = 2 ] || continue
	base_repository
	CVMFS_STANDIN_PAUSE_TRANSACTION=60 CVMFS_STANDIN_PAUSE_PUBLISH=60 CVMFS_STANDIN_PAUSE=60 ducc-publish -q -s "$S" -r $n \
		<"$tmp/records" >"$tmp/out" 2>&1 &
	pid=$!
	ok "moment $moment of a publish" wait_times $moment
	kill -9 $pid "-$(cut -d' ' -f1 "$spool/ducc.transaction")"
	wait $pid 2>/dev/null || :
	rm -f "$spool/paused"
	ok "... at which all is killed: nothing is to be seen" old_or_new
	case $moment in
	2 | 4)
		ok "... the next run publishes something else" publish "$tmp/else" -w 60
		is "... and removes what is incomplete" "$(incomplete)" ''
		cp -a "$D" "$tmp/kept"
		publish_into_directory "$tmp/else"
		;;
	esac
	ok "... the next run goes on" publish_again
	[ ! -e "$tmp/kept" ] || { rm -r "$D"; mv "$tmp/kept" "$D"; }
done

# Anything: random images and their rebuilds

# random_images NAME: the layers of an image and of its rebuilds, NAME:1 and so on, for the images of the corpus.
random_images() {
	perl -e '
		use strict; use warnings;
		my ($seed, $name, $n) = @ARGV;
		srand $seed;
		sub one { $_[rand @_] }
		my @sizes = (0, 1, 100, 16384, 16385, 40000, 65535, 65536, 65537, 131071, 131072, 131073, 262144, 262145, 300000);
		my @names = ("a" .. "h", "x" x 243, "y" x 244, "z" x 253, "two\\swords", "two\\nlines", "\\xff\\xfe", ".cvmfsgraft", "..data");
		my @times = (1, 1500000000, 1500000001, 1700000000, "1700000000.25");
		my $serial = 0;
		sub content { return { size => one(@sizes), data => one("abc", "defgh", "ij" . $serial++) . "." } }
		sub meta { return { mode => one(644, 644, 644, 755, 600, 4755, 2711, "000"), uid => one(0, 0, 0, 1000, 70000), gid => one(0, 0, 7),
			mtime => one(@times) } }
		sub file { return { %{content()}, %{meta()} } }
		sub path { return join "/", (map { "d$_" } map { int rand 3 } 1 .. rand 3), one(@names) }
		sub layer { return { map { (path() => file()) } 1 .. 3 + rand 12 } }
		sub change {
			my ($l) = @_;
			for my $path (keys %$l) {
				my $dice = rand 10;
				if ($dice < 0.7) { delete $l->{$path} }
				elsif ($dice < 1.5) { $l->{$path} = file() }
				elsif ($dice < 2.2) { $l->{$path} = { %{$l->{$path}}, %{content()} } }
				elsif ($dice < 4) { my $key = one(qw(mode uid gid mtime)); $l->{$path}{$key} = meta()->{$key} }
				elsif ($dice < 4.7) { $l->{path()} = delete $l->{$path} }
				elsif ($dice < 5.4) { $l->{path()} = { %{$l->{$path}} } }
			}
			$l->{path()} = file() for 1 .. rand 4;
		}
		# A file may have several names; it may come before its directory.
		sub spec {
			my ($l, $first, $rest) = @_;
			my (%dirs, @lines, @late);
			for my $path (sort keys %$l) {
				my $f = $l->{$path};
				$dirs{$1} = 1 while $path =~ m{/}g && substr($path, 0, $-[0]) =~ /(.*)/s;
				push @lines, join " ", "file", $path, map { "$_=$f->{$_}" } sort keys %$f;
				push @lines, "hard $path.$_ to=$path" . ($_ > 1 && rand() < 0.5 ? "." . ($_ - 1) : "") for 1 .. ($f->{names} // 0);
			}
			my @dirs = map { "dir $_ mode=" . one(755, 755, 500, 2750) . " uid=" . one(0, 0, 9) . " mtime=" . one(@times) } sort keys %dirs;
			my $late = rand() < 0.3;
			print join "\n", "layer", ($first ? "dir ./" : ()), ($late ? (@lines, @dirs) : (@dirs, @lines)), @$rest, "";
		}
		my @layers = map { layer() } 1 .. 1 + rand 3;
		for my $tag (1 .. $n) {
			open STDOUT, ">", "$ENV{tmp}/random.$tag" or die;
			for my $i (0 .. $#layers) {
				$_->{names} = one(0, 0, 0, 0, 1, 2) for grep { !exists $_->{names} } values %{$layers[$i]};
				my (@below, @rest) = map { keys %$_ } @layers[0 .. $i - 1];
				if ($i && @below && rand() < 0.6) {
					my $path = one(@below);
					push @rest, "file " . ($path =~ s{([^/]*)\z}{.wh.$1}r)
						if length($path) < 200 && !grep { index("$_/", "$path/") == 0 } keys %{$layers[$i]};
				}
				spec($layers[$i], !$i, \@rest);
			}
			close STDOUT;
			rand() < 0.2 or change($_) for @layers;
			push @layers, layer() if rand() < 0.2;
		}' "$1" random 3
}
base=$(random_seed "${RANDOM_SEED-}")
export tmp
for round in $(seq "$base" $((base + $(amount 3 100 2) - 1))); do
	note "RANDOM_SEED=$round"
	random_images "$round"
	new_repository
	: >"$wrong"
	for tag in 1 2 3; do
		image "random.$round:$tag" <"$tmp/random.$tag"
	done
	# In one batch, or one by one; some were published whole, or with other limits.
	case $((round % 4)) in
	0) set -- ":1 :2 :3" ;;
	1) set -- ":1 :2" ":3" ;;
	2) set -- ":1 -c_off" ":2" ":3" ;;
	3) set -- ":1" ":2 -c_150000" ":3" ;;
	esac
	for batch; do
		images='' options=''
		for word in $batch; do
			case $word in
			:*) images="$images random.$round$word" ;;
			*) options=$(echo "$word" | tr _ ' ') ;;
			esac
		done
		# shellcheck disable=SC2086 # words
		ready $images >"$tmp/records" && publish_into_directory "$tmp/records" && publish "$tmp/records" $options >"$tmp/out" 2>&1 ||
			{ echo "batch $batch:"; cat "$tmp/out"; } >>"$wrong"
		[ "$(log | wc -w)" -le 5 ] || { echo "batch $batch: $(log)"; } >>"$wrong"
	done
	[ $((round % 4)) -lt 2 ] && whole="/.flat/.*/(y{244}|z{253}|x{243}\.)[^/]*\$" || whole=.
	agree >"$out" 2>&1 || cat "$out" >>"$wrong"
	whole=
	is "random images, one after the other (seed $round)" "$(head -30 "$wrong")" ""
done
tap_note=

no_differences "$D" $n

done_testing
