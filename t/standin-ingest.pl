# standin-ingest.pl: the command ingest of the stand-in for CernVM-FS (cvmfs_server).
use strict;
our ($name, $spool, $fail, $tree, $faults, %dirs);

# Reading a tar, as libarchive does

my %type_of = ("\0" => S_IFREG, 0 => S_IFREG, 7 => S_IFREG, 1 => HARDLINK, 2 => S_IFLNK, 3 => S_IFCHR, 4 => S_IFBLK,
	5 => S_IFDIR, 6 => S_IFIFO);
my ($buffer, $total) = ('', 0);

# The next N bytes; fewer only at the end.
sub take
{
	my ($n) = @_;
	while (length $buffer < $n) {
		die "No space left on device\n" if $fail eq 'full' && $total >= 65536;
		my $got = sysread STDIN, $buffer, 65536, length $buffer;
		last if defined $got && $got == 0;
		$total += $got // die "standard input: $!\n";
	}
	return substr $buffer, 0, $n, '';
}

# Hand the SIZE bytes of an entry to USE in pieces, and skip the padding.
sub content
{
	my ($size, $use) = @_;
	for (my $left = $size; $left > 0;) {
		my $piece = take($left < 65536 ? $left : 65536);
		die "PANIC: Truncated tar archive\n" if $piece eq '';
		$left -= length $piece;
		$use->($piece);
	}
	die "PANIC: Truncated tar archive\n" if length take(-$size % 512) != -$size % 512;
}

sub number
{
	my ($field) = @_;
	my ($first, @rest) = unpack 'C*', $field;
	local $^W = 0;		# more than 32 bits
	return oct($field =~ /^[ \0]*([0-7]+)/ ? $1 : 0) if $first < 128;
	my $n = ($first & 63) - ($first & 64);
	$n = $n * 256 + $_ for @rest;
	return $n;
}

sub pax_records
{
	my ($text) = @_;
	my %pax;
	while (length $text) {
		my ($length) = $text =~ /^(\d+) /;
		substr($text, 0, $length // 0, '') =~ /^\d+ ([^=]+)=(.*)\n\z/s or die "PANIC: bad pax header\n";
		die "sparse files are more than this stand-in can do\n" if index($1, 'GNU.sparse.') == 0;
		$pax{$1} = $2;
	}
	return %pax;
}

# A header's block, or nothing at the end, which the two zero blocks need not mark.
sub header
{
	my $h = take(512);
	return if $h eq '' || $h eq "\0" x 512;
	die "PANIC: Truncated tar archive\n" if length $h < 512;
	my $sum = unpack('%32C*', $h) - unpack('%32C*', substr $h, 148, 8) + 8 * 32;
	die "PANIC: Damaged tar archive: bad checksum\n" if $sum != number(substr $h, 148, 8);
	return $h;
}

# The next entry, or nothing at the end. The content of a file is still to be read.
sub next_entry
{
	my %long;
	while (my $h = header()) {
		my %e;
		(@e{qw(path mode uid gid size mtime)}, undef, my $flag, $e{link}, my ($magic, $major, $minor, $prefix)) =
			unpack 'Z100a8a8a8a12a12a8aZ100a6x66a8a8Z155', $h;
		$_ = number($_) for @e{qw(mode uid gid size mtime)}, $major, $minor;
		die "PANIC: negative size\n" if $e{size} < 0;
		if ($flag =~ /[gxLK]/) {
			my $text = '';
			content($e{size}, sub { $text .= $_[0] });
			if ($flag eq 'x') { %long = (%long, pax_records($text)) }
			elsif ($flag ne 'g') { $long{$flag} = $text =~ s/\0.*//sr }
			next;
		}
		$e{path} = "$prefix/$e{path}" if $magic eq "ustar\0" && length $prefix;
		$e{path} = $long{path} // $long{L} // $e{path};
		$e{link} = $long{linkpath} // $long{K} // $e{link};
		$e{$_} = int $long{$_} for grep { length($long{$_} // '') } qw(uid gid size mtime);
		$e{type} = $type_of{$flag} // die "PANIC: $e{path}: entry of type $flag\n";
		$e{type} = S_IFDIR if $e{type} == S_IFREG && $e{path} =~ m{/\z};
		$e{dev} = $minor & 0xff | ($major & 0xfff) << 8 | ($minor & ~0xff) << 12;
		$e{mode} &= 07777;
		die "$e{path}: a hardlink with content\n" if $e{type} == HARDLINK && $e{size};
		return \%e;
	}
	die "PANIC: Truncated tar archive\n" if %long;
	return;
}

# What is known of the tree that is being built

my %fresh;		# what this tar has made
my %named;		# directories that have an entry in this tar => it
my %marked;		# those that have a .cvmfscatalog in this tar: they get their meta from it though they were there
my %clones;		# target => paths of hardlink entries
my %deleted;	# what was to be deleted => whether it was there
my %chunked;
my $now = time;

# The path that a tar means.
sub clean
{
	my ($path) = @_;
	$path =~ s{^(?:\./|/)}{};
	$path =~ s{/\z}{};
	$path = '' if $path eq '.';
	die "PANIC: $path: odd path\n" if $path =~ m{^/|//|(?:^|/)\.\.?(?:/|\z)};
	die "PANIC: invalid attempt to modify $path\n" if $path =~ m{^\.cvmfs(?:/|\z)};
	return $path;
}

# Begin as hardlinks onto the tree FROM, without what is to be deleted.
sub copy_tree
{
	my ($from) = @_;
	my ($last, $dh) = ("\0");
	mkdir $tree, 0700 or die "$tree: $!\n";
	$dirs{''} = meta_of(stat $from);
	walk($from, sub {
		my ($parent, $base, $path, @s) = @_;
		if (exists $deleted{$path}) { $deleted{$path} = 1; return 0 }
		if ($parent ne $last) {
			enter($tree, $parent);
			opendir $dh, '.' or die "$path: $!\n";
			enter($from, $parent);
			$last = $parent;
		}
		if (!S_ISDIR($s[2])) { call($path, &SYS_linkat, AT_FDCWD, $base, fileno $dh, $base, 0); return 0 }
		call($path, &SYS_mkdirat, fileno $dh, $base, 0700);
		$dirs{$path} = meta_of(@s);
		return 1;
	});
	print STDERR "Warning: '$_' cannot be deleted.\n" for grep { !$deleted{$_} } sort keys %deleted;
}

# Go to the directory of PATH, where something of TYPE shall be, and remove what is in the way.
sub make_way
{
	my ($path, $type) = @_;
	my ($parent, $base) = split_path($path);
	enter($tree, $parent);
	my @s = lstat $base or return $base;
	append($faults, "$path: replaced by an entry of another type") if S_IFMT($s[2]) != $type;
	if (!S_ISDIR($s[2])) { unlink $base or die "$path: $!\n"; return $base }
	remove("./$base");
	delete @dirs{grep { index("$_/", "$path/") == 0 } keys %dirs};
	return $base;
}

sub make_dir
{
	my ($path, $meta) = @_;
	return if $dirs{$path};
	die "PANIC: $path: twice in this tar\n" if $fresh{$path}++;
	mkdir make_way($path, S_IFDIR), 0700 or die "$path: $!\n";
	$dirs{$path} = $meta;
}

sub make_parents
{
	my ($path, $uid, $gid) = @_;
	return if $dirs{$path};
	make_dir(substr($path, 0, $-[0]), { mode => 0755, uid => $uid, gid => $gid, mtime => $now }) while $path =~ m{/|\z}g;
}

sub make_entry
{
	my ($path, $e) = @_;
	die "PANIC: $path: twice in this tar\n" if $fresh{$path}++;
	my $base = make_way($path, $e->{type});
	if ($e->{type} == S_IFREG) {
		sysopen my $fh, $base, O_WRONLY | O_CREAT | O_EXCL, 0600 or die "$path: $!\n";
		content($e->{size}, sub { (syswrite($fh, $_[0]) // 0) == length $_[0] or die "$path: $!\n" });
		close $fh or die "$path: $!\n";
		delete $chunked{$path};
		my $chunk = $e->{size} >= ($ENV{CVMFS_STANDIN_CHUNK} || 9e15);
		$chunked{$path} = 1 if $chunk;
		keep($base, store($base, $chunk ? int($e->{size} / 2) + 1 : 0));
	} elsif ($e->{type} == S_IFLNK) {
		symlink $e->{link}, $base or die "$path: $!\n";
	} elsif (syscall(&SYS_mknodat, AT_FDCWD, $base, $e->{type} | 0600, $e->{dev}) != 0) {
		die "$path: $!\n" if !$! == EPERM;
		return append("$spool/log", "skipped $path");
	}
	set_meta($base, $e->{type}, $e);
}

sub read_entry
{
	my ($e, $keep, $gateway) = @_;
	my ($path, $type) = (clean($e->{path}), $e->{type});
	my ($parent, $base) = split_path($path);
	die "PANIC: [WARNING] '$path' has an unsupported file type\n" if length("$spool/rdonly/$path") >= 4096;
	die "PANIC: Illegal name: .cvmfsbundles\n" if $base eq '.cvmfsbundles';
	@$e{qw(uid gid)} = ($>, (split ' ', $))[0] + 0) if !$keep;
	die "PANIC: $path: has been deleted by this ingest\n"
		if grep { $deleted{$_} && index("$path/", "$_/") == 0 } keys %deleted;
	make_parents($parent, $keep ? (NOBODY, NOBODY) : @$e{qw(uid gid)});
	if ($type == S_IFDIR) {
		make_dir($path, $e);
		$named{$path} = $e;
		return;
	}
	die "PANIC: the root must be a directory\n" if $path eq '';
	if ($base eq '.cvmfscatalog') {
		die "PANIC: $path: a catalog marker that is not a regular file\n" if $type != S_IFREG && $type != HARDLINK;
		die "PANIC: nested catalog marker in root directory\n" if $parent eq '';
		$marked{$parent} = 1;
	}
	if ($type == HARDLINK) { push @{$clones{clean($e->{link})}}, $path }
	elsif (!$gateway || $type != S_IFCHR && $type != S_IFBLK || is_kept($gateway, $path)) { make_entry($path, $e) }
}

sub make_clones
{
	my ($target) = @_;
	my ($parent, $base) = split_path($target);
	my $missing = "PANIC: catalog for file '$target' cannot be found, aborting\n";
	die $missing if !$dirs{$parent};
	enter($tree, $parent);
	my @s = lstat $base or die $missing;
	my $is_chunked = $chunked{$target} || S_ISREG($s[2]) && in_chunks($base);
	die "PANIC: Trying to clone a directory: '$target', aborting\n" if S_ISDIR($s[2]);
	opendir my $dh, '.' or die "$target: $!\n";
	for my $path (grep { $_ ne $target } @{$clones{$target}}) {
		my $to = make_way($path, S_IFMT($s[2]));
		if (!$is_chunked) { call($path, &SYS_linkat, fileno $dh, $base, AT_FDCWD, $to, 0); next }
		append($faults, "$path: a clone of a chunked file: chunks do not add up to its size");
		open my $fh, '>', $to or die "$path: $!\n";
		truncate $fh, $s[7] or die "$path: $!\n";
		set_meta($to, S_IFREG, meta_of(@s));
	}
}

sub build
{
	my ($n, $o) = @_;
	my $gateway = has_gateway() ? $n : 0;
	($tree, $faults) = (tree($n), faults_of($n));
	%deleted = map { clean($_) => 0 } map { split /:/ } @{$o->{d}};
	die "PANIC: the root cannot be deleted\n" if exists $deleted{''};
	for my $path (keys %deleted) {
		index("$path/", "$_/") == 0 && $_ ne $path && die "PANIC: $path: deleted with $_\n" for keys %deleted;
	}
	%chunked = map { $_ => 1 } lines("$spool/chunked");
	begin_revision($n);
	copy_tree(tree(current()));
	append($faults, map { "$_: a deleted device" } map { split /\n/, output('find', tree(current()) . "/$_", '-type', 'c') } @{$o->{d}})
		if $gateway;
	while ($o->{t} && (my $e = next_entry())) { read_entry($e, $o->{k}, $gateway) }
	make_clones($_) for sort keys %clones;
	$dirs{$_} = $named{$_} // die "PANIC: $_: a catalog marker, but no entry for the directory\n" for sort keys %marked;
	finish_dirs();
	die "No space left on device\n" if $fail eq 'full';
	die "failing after reading, as told\n" if $fail eq 'after-read';
	pause('CVMFS_STANDIN_PAUSE');
}

sub ingest
{
	my ($o) = @_;
	my @d = @{$o->{d}};
	print STDERR "$0: 9263: eval: [[: not found\n";	# as the real one under dash
	fail('Please provide some parameters') if !$o->{t} && !$o->{b} && !@d;
	fail('Please provide both the tarball and the base directory, or neither') if !$o->{t} != !$o->{b};
	if (has_gateway()) {
		fail('Could not delete multiple paths using a gateway in a single transaction.') if @d > 1;
		fail('Could not delete and add a file in the same transaction while using gateway.') if @d && $o->{t};
	}
	fail('Impossible to start a transaction') if open_transaction() != 0;
	lock_publishing();
	my $n = following();
	my $built = eval { build($n, $o); 1 };
	my $why = $@;
	fail("${why}The transaction is no longer ours") if ((lines("$spool/in_transaction.lock"))[0] // '') ne $$;
	append("$spool/read", $total) if $built;
	return commit($n, 'ingest-ok') if $built;
	abort('ingest-failed');
	fail("${why}Synchronization failed");
}
1;
