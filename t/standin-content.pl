# standin-content.pl: what the stand-in for CernVM-FS (cvmfs_server) does with content, and what a client sees of it.
use strict;
use Digest::SHA ();
our ($spool, $tree, %dirs);

sub meta_of { my (@s) = @_; return { mode => S_IMODE($s[2]), uid => $s[4], gid => $s[5], mtime => $s[9] } }

# Owner, mode and time of BASE in the working directory. Only root can give files away.
sub set_meta
{
	my ($base, $type, $m) = @_;
	my $times = pack 'q4', $m->{mtime}, 0, $m->{mtime}, 0;
	syscall(&SYS_fchownat, AT_FDCWD, $base, $m->{uid}, $m->{gid}, AT_SYMLINK_NOFOLLOW) == 0 or
		$! == EPERM || $! == EINVAL or die "$base: chown: $!\n";	# EINVAL: a user namespace does not know them
	$type == S_IFLNK || chmod $m->{mode}, $base or die "$base: chmod: $!\n";
	call($base, &SYS_utimensat, AT_FDCWD, $base, $times, AT_SYMLINK_NOFOLLOW);
}

# Content. A chunk is a hash, an offset and a size. Chunks have hashes of their own kind, as in the real one.

# Not the content's own SHA-1: the real one is that of what it has compressed.
sub hash_of { my ($kind, $data) = @_; return Digest::SHA::sha1_hex("$kind $data") }

# What a client shows of the file BASE in the working directory, which is of SIZE bytes: HASH, or the chunks it is made of.
sub show_content
{
	my ($base, $size, $hash, @chunks) = @_;
	syscall(&SYS_removexattr, $base, "user.$_") for qw(hash chunks chunk_list);
	set_xattr($base, 'chunks', '' . (@chunks || 1));	# a number would be passed as one
	set_xattr($base, 'hash', $hash) if $hash =~ /[^0]/;
	my @pages = ('');
	for my $line (map { join(',', @$_) . "\n" } @chunks ? @chunks : [$hash, 0, $size]) {
		$pages[-1] .= $line;
		push @pages, '' if length("hash,offset,size\n$pages[-1]") > ($ENV{CVMFS_STANDIN_PAGE} || 40_000);
	}
	pop @pages if $pages[-1] eq '';
	set_xattr($base, $_ ? "chunk_list~$_" : 'chunk_list', "hash,offset,size\n$pages[$_]") for 0 .. $#pages;
}

# Store the file BASE in the working directory, in pieces of PIECE bytes; without PIECE, or if it is not larger, as a whole.
# Return what KEEP needs to keep it.
sub store
{
	my ($base, $piece) = @_;
	my ($size, @chunks) = (-s $base);
	open my $fh, '<:raw', $base or die "failed to open $base: $!\n";
	if (!$piece || $size <= $piece) {
		my $hash = Digest::SHA->new(1)->add('whole ')->addfile($fh)->hexdigest;
		show_content($base, $size, $hash);
		return ('whole', $hash);
	}
	while (read $fh, my $data, $piece) {
		push @chunks, [hash_of('chunk', $data), @chunks ? $chunks[-1][1] + $piece : 0, length $data];
	}
	show_content($base, $size, '', @chunks);
	return ('chunked', hash_of('chunked', join ' ', map { $_->[0] } @chunks), @chunks);
}

# Append what SIZE bytes at OFFSET of the file FROM are to TO, and return whether they were there.
sub copy_piece
{
	my ($from, $offset, $size, $to) = @_;
	open my $fh, '<:raw', $from or return 0;
	seek $fh, $offset, 0;
	for (my $left = $size; $left > 0;) {
		my $got = read $fh, my $data, $left < 1 << 20 ? $left : 1 << 20 or return 0;
		print $to $data or die "$from: $!\n";
		$left -= $got;
	}
	return 1;
}

# Remember what BASE in the working directory has, under the names that STORE has given it. Only root can read the file
# later, whatever its mode: others need a copy.
sub keep
{
	my ($base, $kind, $hash, @chunks) = @_;
	my $to = "$spool/content/$kind/$hash";
	if (!-e $to && $> == 0) {
		link $base, $to or $! == EEXIST or die "$to: $!\n";
	} elsif (!-e $to) {
		open my $fh, '>:raw', "$spool/content/new" or die "$to: $!\n";
		copy_piece($base, 0, -s $base, $fh) && close $fh && rename "$spool/content/new", $to or die "$to: $!\n";
	}
	symlink "$hash $_->[1] $_->[2]", "$spool/content/chunk/$_->[0]" or $! == EEXIST or die "$to: $!\n" for @chunks;
}

sub show_chunked
{
	my ($root) = @_;
	for my $path (lines("$spool/chunked")) {
		my ($parent, $base) = split_path($path);
		eval { enter($root, $parent); 1 } or next;
		my @s = lstat $base;
		keep($base, store($base, int($s[7] / 3) + 1)) if @s && S_ISREG($s[2]) && !in_chunks($base);
	}
}

# What a client shows of the catalogs of layers, whose hash stands for everything in them, and which count it.
sub show_catalogs
{
	my ($tree) = @_;
	my @layers = map { my $dir = "$tree/.layers/$_"; map { "$dir/$_" } entries($dir) } entries("$tree/.layers");
	for my $layer (grep { -l "$_/.cvmfscatalog" || -e _ } @layers) {
		my %entries = split /\0/, output('find', $layer, '-printf', '%P\0%d %y %m %U %G %s %T@ %i %l\0');
		my $nested = grep { m{/\.cvmfscatalog\z} } keys %entries;
		my @chunked = grep { $entries{$_} =~ /^\d+ f/ && in_chunks("$layer/$_") } sort keys %entries;
		my $hash = hash_of('catalog', join "\n", @chunked, map { ($_, $entries{$_}) } sort keys %entries);
		set_xattr($layer, 'catalog_counters', "catalog_hash: $hash\ncatalog_mountpoint: " . substr($layer, length $tree) .
			"\nchunked," . @chunked . "\nnested,$nested\n");
	}
	# Those of all catalogs: what has ever been in chunks is still counted.
	set_xattr($tree, 'catalog_counters', "catalog_mountpoint: \nchunked," . (() = entries("$spool/content/chunk")) . "\n");
}

# Directories get their owners, modes and times when nothing is put into them any more.
sub finish_dirs
{
	for my $path (reverse sort keys %dirs) {
		my ($parent, $base) = split_path($path);
		enter($tree, $parent);
		set_meta(length $base ? $base : '.', S_IFDIR, $dirs{$path});
	}
}
1;
