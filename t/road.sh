# What the tests of the second road into CernVM-FS share: a repository of the stand-in, beside a directory with the same images;
# images; cvmfs_server failing on demand. To be sourced in a mount namespace.
# shellcheck shell=sh source-path=SCRIPTDIR source=lib.sh source=corpus.sh source=trees.sh

. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
. "${0%/*}/trees.sh"
need flock jq perl umoci zstd

stand_in
corpus "$tmp/corpus"
S=$tmp/store
D=$tmp/directory
n=test.example.org
R=$tmp/sys/cvmfs/$n
spool=$tmp/sys/var/spool/cvmfs/$n
conf=$tmp/sys/etc/cvmfs/repositories.d/$n/server.conf
average=131072 # larger files are in chunks; those of more than half of it are staged

repository_that_splits() { # BOOLEAN: an empty repository and directory, to compare with
	rm -rf "${tmp:?}/sys" "$D"
	mkdir -p "${conf%/*}"
	printf 'CVMFS_USE_FILE_CHUNKING=%s\nCVMFS_MIN_CHUNK_SIZE=65536\nCVMFS_AVG_CHUNK_SIZE=%s\nCVMFS_MAX_CHUNK_SIZE=262144\n' \
		"$1" $average >"$conf"
	cvmfs_server mkfs $n
}
new_repository() {
	repository_that_splits true
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

# stored AVERAGE: what is in chunks but should not be, and the other way round. $whole, if set, is a pattern of what may be whole.
stored() {
	perl -MFile::Find -e 'require(shift);
		my ($root, $average, $whole, $key) = (@ARGV, "user.chunks");
		find({ no_chdir => 1, wanted => sub {
			my @s = lstat;
			return if !-f _;
			my $value = "\0" x 64;
			my $got = syscall(&SYS_lgetxattr, $_, $key, $value, 64);
			my $chunks = $got > 0 ? substr $value, 0, $got : 0;
			return if $chunks > 1 == $s[7] > $average && $chunks || $chunks == 1 && $whole ne "" && m{$whole};
			print "$_: $s[7] bytes, $chunks chunks\n";
		} }, grep { -e } map { "$root/$_" } ".layers", ".flat")' "$top/t/syscalls.pl" "$R" "$1" "${whole-}"
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
	[ -z "$(stored $average)" ] || { stored $average; a_status=1; }
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
	layer=$(perl -e 'local $/; print((<STDIN> =~ /sha256:(\w+)/g)[shift])' "$2" <"$R/.metadata/localhost/$1/manifest.json") # after the config
	layer=.layers/${layer%"${layer#??}"}/$layer
}
# The log of a publish that stages in two transactions, and in one
# shellcheck disable=SC2034 # used by the tests
three='transaction publish transaction publish ingest-ok '
# shellcheck disable=SC2034
two='transaction publish ingest-ok '

# So many large files that a second transaction is worthwhile: those of a flat tree are grafts.
image bulk:1 <<-'E'
	layer
	dir ./
	file a size=300000 data=bulk.
	file b size=300000 data=more.bulk.
E

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
want edges:1 edges:2 edges:3

# An image, and its rebuilds: with something else in its layer, and with other metadata
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
app() { # FIELD
	{
		base_layer | sed "/usr.large/s/\$/ $1=1700/; /usr.medium /{ s/ mtime=.*//; s/\$/ $1=1701/; }"
		echo "file fresh size=150000 data=$1."
	} | image "app:$1"
}
app mode

# One without anything large
little_layer() {
	base_layer | sed '/large/d'
}
little_layer | image little:1

start_with() { # IMAGE: a repository with it, and a directory; its record is in $tmp/first
	if [ -e "$tmp/start/$1" ]; then
		rm -rf "${tmp:?}/sys" "$D"
		cp -a "$tmp/start/$1"/* "$tmp"
		return
	fi
	new_repository
	ready "$1" >"$tmp/first"
	publish_into_directory "$tmp/first"
	publish "$tmp/first" >"$tmp/out" 2>&1 || cat "$tmp/out"
	mkdir -p "$tmp/start/$1"
	cp -a "$tmp/sys" "$D" "$tmp/first" "$tmp/start/$1"
}
visible() { # what is to be seen of images and of complete trees
	(cd "$spool/rdonly/" && find . ! -type d ! -path './.flat/*' ! -path './.layers/*/*/content/*' ! -path '*/.log/*' | sort)
}
existing() { # the same, and what is not complete
	(cd "$spool/rdonly/" && find . \( ! -type d -o -path './.flat/*/*' -o -path './.layers/*/*' \) ! -path '*/.log/*' | sort)
}

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
