#!/bin/sh
# The second road into CernVM-FS, over the stand-in: large files, which transactions publish in chunks before the ingest, and
# content that the repository has already, which is linked or grafted. What comes out is what a directory has, whatever
# happens on the way.
# shellcheck source-path=SCRIPTDIR source=road.sh

# shellcheck source=inside.sh
. "${0%/*}/inside.sh"
. "${0%/*}/road.sh"

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

# Files of all kinds

image markers <<-'E'
	layer
	dir ./
	file large size=200000 data=large.
	hard .cvmfsgraft-large to=large
	layer
	file .cvmfsgraft-other size=200001 data=other.
	hard other to=.cvmfsgraft-other
E
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

first() { # IMAGE PATH: the file in its first layer
	layer_of "$1" 1
	echo "$R/$layer/layerfs/$2"
}
same_inode() { # IMAGE-A IMAGE-B PATH
	[ "$(stat -c %i "$(first "$1" "$3")")" = "$(stat -c %i "$(first "$2" "$3")")" ]
}
other_inode() { ! same_inode "$@"; }
chunk_list() { # IMAGE PATH: what the first layer's file is stored as
	perl -e 'require(shift); my ($file, $key, $value) = (@ARGV, "user.chunk_list", "\0" x 65536);
		my $got = syscall(&SYS_getxattr, $file, $key, $value, 65536);
		print $got > 0 ? substr $value, 0, $got : "none"' "$top/t/syscalls.pl" "$(first "$1" "$2")"
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
for field in uid gid mtime; do
	app $field
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

# One that is not in chunks is grafted, too; but not from what comes with it: a graft under another name, or a link to one.
image graft:1 <<-'E'
	layer
	dir ./
	file a size=100000 data=graft.
E
image graft:2 <<-'E'
	layer
	file b size=100000 data=graft. mtime=2
	layer
	file b size=100000 data=graft. mtime=3
	layer
	file c size=100000 data=graft. mtime=2
	layer
	file c size=100000 data=graft. mtime=4
E
new_repository
ready graft:1 >"$tmp/records"
publish_into_directory "$tmp/records"
ok "a large file that is not in chunks" publish "$tmp/records"
ready graft:2 >"$tmp/records"
publish_into_directory "$tmp/records"
ok "several layers with that content, but other times" publish "$tmp/records"
is "... graft it from where it is" "$(written | grep -c 'graft .layers')" 1
ok "... all is as it should be" agree

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

# It also counts the files in chunks: if those that should be are all of them, the others are not looked at.
pieced_layer() {
	many_layer
	echo 'file usr/piece size=65536 data=piece.'
	echo 'file usr/large size=300000 data=abcdefghijklm'
}
pieced_layer | image pieced:1
{ pieced_layer; echo 'file added data=x'; } | image pieced:2
{ pieced_layer | sed '/piece/s/$/ mtime=1700000001/'; echo 'file added data=y'; } | image pieced:3
seemingly_chunked() { # beside the catalog
	perl -e 'require(shift); my ($file, $key, $value) = (@ARGV, "user.chunks", "2"); exit(syscall(&SYS_setxattr, $file, $key, $value, 1, 0) != 0)' \
		"$top/t/syscalls.pl" "$(first pieced:1 usr/piece)"
}
start_with pieced:1
seemingly_chunked
ready pieced:3 >"$tmp/records"
ok "a rebuild of such a layer with a file in chunks" publish "$tmp/records"
is "... grafts the one with another time, only once" "$(written | grep piece)" 'graft .layers/content/usr/piece'
start_with pieced:1
seemingly_chunked
ready pieced:2 >"$tmp/records"
ok "another rebuild" publish "$tmp/records"
like "... does not look at those that are not in chunks" "$(cvmfs_server check $n 2>&1 || :)" '/usr/piece: a clone of a chunked file'
layer_of pieced:1 1
new_repository
echo "$layer/content/usr/piece" >"$spool/chunked"
publish "$tmp/first" >/dev/null
publish_into_directory "$tmp/records"
ok "the same, when a smaller file is in chunks" publish "$tmp/records"
layer_of pieced:2 1
ok "... has that" cmp "$D/$layer/layerfs/usr/piece" "$R/$layer/layerfs/usr/piece"
ok "... without a link to it" sound_repository

# A line that was cut off, as by a full disk, and continued by the next one says nothing.
start_with pieced:1
layer_of pieced:1 1
known=$(grep -l "^${layer##*/} [^ ]* [0-9]*$" "$S"/known/*.complete)
sed -i "s/^\(${layer##*/} [^ ]* [0-9]*\)$/\1$(repeat 9 1)${layer##*/} $(repeat 40 a) 65536/" "$known"
ready pieced:2 >"$tmp/records"
publish_into_directory "$tmp/records"
ok "a rebuild, when what is known of its layer was cut off" publish "$tmp/records"
whole='/\.metadata/layer\.mtree$'
ok "... all is as it should be" agree
whole=

# Invisible until the end

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
repository_that_splits false
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

# Files that this user may not read, in a layer that is published already
for upper in 1 2; do
	image closed:$upper <<-END
		layer
		dir ./
		file closed size=300000 data=closed. mode=4111
		layer
		file upper data=$upper
	END
done
new_repository
for upper in 1 2; do
	ready closed:$upper >"$tmp/records"
	publish_into_directory "$tmp/records"
	chown -R 65534:65534 "$tmp/sys" "$S"
	# shellcheck disable=SC2046 # words
	ok "... a file that this user may not read, in image $upper of 2" setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$bin/ducc-publish" -s "$S" -r $n $(cut -f1 "$tmp/records")
	chown -R 0:0 "$S"
done
is "... has one content" "$(find "$R/" -name closed -printf '%i\n' | sort | uniq -c | awk '{ print $1 }')" 3
ok "... in a sound repository" sound_repository

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
like "... is published whole, with a warning" "$(cat "$out")" 'warning: localhost/space:much: layer sha256:[0-9a-f]*: large files are not split into chunks, .*: that requires [23] MB in the scratch area'
is "... which concerns it alone" "$(grep -c '^http' "$out") $(grep warning: "$out" | sort -u | wc -l)" "3 1"
whole='/(much|more)$'
ok "... all is as it should be" agree
whole=
for i in 1 2; do
	{
		printf '%s\n' layer 'dir ./' "file large size=300000 data=large$i."
		seq 400 | sed "s/.*/file known-& size=17000 data=known-&. mtime=$i/"
	} | image grafts:$i
done
ready grafts:1 grafts:2 >"$tmp/records"
publish_into_directory "$tmp/records"
ready grafts:1 >"$tmp/one"
ok "files whose content is known, but not their times" publish "$tmp/one"
ready grafts:2 >"$tmp/one"
ok "... of which there are more than the scratch area has blocks" publish "$tmp/one"
like "... are sent, with a warning" "$(cat "$out")" ': large files are not split into chunks, nor is known content grafted: that requires 2 MB in '
whole='/(much|more|large)$'
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
is "... take three transactions, the first of which also adds catalogs" "$(log)" "$three"
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
			for my $path (sort keys %$l) {
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
				$_->{names} = one(0, 0, 0, 0, 1, 2) for grep { !exists $_->{names} } @{$layers[$i]}{sort keys %{$layers[$i]}};
				my (@below, @rest) = map { sort keys %$_ } @layers[0 .. $i - 1];
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
wrong=$tmp/wrong
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

# Content that is not what the repository says, as if a future cvmfs_server made other files of grafts

new_repository
image probe:1 <<-'E'
	layer
	dir ./
	file large size=1100000 data=probe. mtime=1600000001
E
image probe:2 <<-'E'
	layer
	dir ./
	file large size=1100000 data=probe. mtime=1600000002
	file larger size=2200000 data=new.
E
for tag in 1 2; do
	ready probe:$tag >"$tmp/probe.$tag"
done
ok "a large file" publish "$tmp/probe.1"
find "$spool/content" -type f -size +64k -exec sh -c 'for f; do printf X | dd of="$f" conv=notrunc 2>/dev/null; done' sh {} +
ok "an image with a graft of it, when its content has changed" publish "$tmp/probe.2"
is "... takes three transactions" "$(log)" "$three"
like "... which is read back" "$(cat "$out")" "warning: .flat/[^ ]*/large: cannot be read back"

done_testing
