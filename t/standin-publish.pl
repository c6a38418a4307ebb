# standin-publish.pl: the command publish of the stand-in for CernVM-FS (cvmfs_server).
use strict;
our ($name, $spool, $view, $fail, $tree, $faults, %dirs);

# The size of pieces that publish makes, 0: none.
sub chunking
{
	my %conf = configuration();
	return 0 if ($conf{CVMFS_USE_FILE_CHUNKING} // '') ne 'true';
	my ($min, $avg, $max) = map { ($conf{"CVMFS_${_}_CHUNK_SIZE"} // '') =~ /^(\d+)\z/ ? $1 : 0 } qw(MIN AVG MAX);
	die "file chunk size values are not sane\n" if $min < 32 || $min >= $avg || $avg >= $max;
	return $avg;
}

# Grafts

sub is_hash { return $_[0] =~ /^(?:[0-9a-f]{32}|[0-9a-f]{40}(?:-rmd160|-shake128)?)\z/ }

# What the marker FILE says, or nothing if that is not enough: size, hash, chunks.
sub read_graft
{
	my ($file) = @_;
	my ($compression, %graft, @offsets, @hashes) = ('zlib');
	my $number = sub { return $_[0] =~ /^[ \t]*\+?(\d{1,18})\z/ ? $1 : undef };
	my $list = sub { return length $_[0] ? split /,/, $_[0], -1 : '' };
	for my $line (map { s/^[ \t]+|[ \t]+\z//gr } lines($file)) {
		next if $line =~ /^(?:#|\z)/;
		my ($key, $value) = $line =~ /^([^=]*?)[ \t]*=[ \t]*(.*)\z/ or die "PANIC: Invalid line in graft file: $line\n";
		if ($key eq 'size') { $graft{size} = $number->($value) // $graft{size} }
		elsif ($key eq 'checksum') { $graft{hash} = $value if is_hash($value) }
		elsif ($key eq 'compression') { $compression = $value }
		elsif ($key eq 'chunk_offsets') { push @offsets, map { $number->($_) } $list->($value) }
		elsif ($key eq 'chunk_checksums') { push @hashes, $list->($value) }
	}
	die "PANIC: unknown compression algorithms: $compression\n" if $compression !~ /^(?:default|zlib|none)\z/;
	return if !defined $graft{size} || !defined $graft{hash} || @offsets != @hashes;
	return if grep { !defined } @offsets or grep { !is_hash($_) } @hashes;
	return if @offsets && ($offsets[0] != 0 || $offsets[-1] >= $graft{size});
	return if grep { $offsets[$_ - 1] >= $offsets[$_] } 1 .. $#offsets;
	my @ends = (@offsets[1 .. $#offsets], $graft{size});
	$graft{chunks} = [map { [$hashes[$_], $offsets[$_], $ends[$_] - $offsets[$_]] } 0 .. $#offsets];
	$graft{plain} = $compression eq 'none';
	return \%graft;
}

# Make BASE in the working directory the file that a graft describes, and return what is wrong with it.
sub make_graft
{
	my ($base, $graft) = @_;
	my @faults = $graft->{plain} ? ('content is compressed, but its graft says it is not') : ();
	open my $fh, '>:raw', $base or die "$base: $!\n";
	for my $chunk (@{$graft->{chunks}}) {
		my ($file, $offset, $size) = split / /, readlink("$spool/content/chunk/$chunk->[0]") // '';
		push @faults, "data chunk $chunk->[0]P missing" and last if !defined $file;
		push @faults, "data chunk $chunk->[0]P is of $size bytes, not $chunk->[2]" and last if $size != $chunk->[2];
		copy_piece("$spool/content/chunked/$file", $offset, $size, $fh) or push @faults, "data chunk $chunk->[0]P missing";
	}
	if (!@{$graft->{chunks}}) {
		my $file = "$spool/content/whole/$graft->{hash}";
		my $size = (stat $file)[7];
		if (!defined $size) { push @faults, "data chunk $graft->{hash} missing" }
		elsif ($size != $graft->{size}) { push @faults, "content is of $size bytes, not $graft->{size}" }
		else { copy_piece($file, 0, $size, $fh) or push @faults, "$graft->{hash} cannot be read" }
	}
	close $fh or die "$base: $!\n";
	truncate $base, 0 if @faults;
	truncate $base, $graft->{size} or die "$base: $!\n";
	show_content($base, $graft->{size}, $graft->{hash}, @{$graft->{chunks}});
	return @faults;
}

# Whether somebody can still write to a file below DIR.
sub is_written_to
{
	enter($_[0], '');
	my $dir = readlink('/proc/self/cwd') . '/';
	for my $process (map { "/proc/$_" } grep { /^\d/ } entries('/proc')) {
		for my $fd (entries("$process/fd")) {
			next if index(readlink("$process/fd/$fd") // '', $dir) != 0;
			return 1 if grep { /^flags:\s*\d*[12]\z/ } lines("$process/fdinfo/$fd");
		}
	}
	return 0;
}

sub publish
{
	my $n = following();
	fail("Repository $name: this transaction is that of an ingest") if readlink($view) =~ m{/rdonly\z};
	fail("Open writable file descriptors on $name") if is_written_to(work($n));
	lock_publishing();
	if (!eval { build_from_work($n); 1 }) {
		append("$spool/log", 'publish-failed');
		fail("${@}Synchronization failed");
	}
	commit($n, 'publish', work($n));
}

# The files .wh.X in the trees BEFORE or FROM that are not the same in both, if the directory is in both.
sub touched_whiteouts
{
	my ($before, $from, $opened) = @_;
	my %paths = map { $_ => 1 } split /\0/, output('find', $before, $from, qw(-name .wh.?* ! -type d -printf %P\\0));
	-d "$from/" . (split_path($_))[0] or die "Killed: $_ is in a directory that was removed\n" for keys %paths;
	return grep {
		my $parent = (split_path($_))[0];
		my @was = lstat "$before/$_";
		my @s = lstat "$from/$_";
		-d "$before/$parent" && -d "$from/$parent" && (!@was || !@s || changed_at("$from/$_") >= $opened);
	} keys %paths;
}

# Make the next revision's tree of what users have made of their copy, which stays as it is until that is committed.
sub build_from_work
{
	my ($n) = @_;
	my ($from, $before, $gateway, $piece) = (work($n), tree(current()), has_gateway(), chunking());
	my $opened = changed_at(revision($n) . '/opened');
	my ($last, $new, $old, @stored, @grafts) = ("\0");
	($tree, $faults) = (tree($n), faults_of($n));
	remove($tree);
	unlink $faults;
	append($faults, lines(faults_of(current())));
	mkdir $tree, 0700 or die "$tree: $!\n";
	$dirs{''} = meta_of(stat $from);
	my @whiteouts = touched_whiteouts($before, $from, $opened);
	my %ignored = map { $_ => 1 } @whiteouts;
	my %hidden = map { s{(^|/)\.wh\.([^/]+)\z}{$1$2}r => 1 } @whiteouts;
	my $is_new = sub {
		my ($base, @s) = @_;
		my @was = $old ? lstat '/proc/self/fd/' . fileno($old) . "/$base" : ();
		return 1 if !@was || S_IFMT($was[2]) != S_IFMT($s[2]);
		return 0 if S_ISDIR($s[2]);
		return $was[7] != $s[7] || $was[9] != $s[9] || changed_at($base) >= $opened;
	};
	walk($from, sub {
		my ($parent, $base, $path, @s) = @_;
		my $type = S_IFMT($s[2]);
		if ($parent ne $last) {
			$old = undef;
			eval { enter($before, $parent); opendir $old, '.' };
			enter($tree, $parent);
			opendir $new, '.' or die "$path: $!\n";
			enter($from, $parent);
			$last = $parent;
		}
		my $changed = $is_new->($base, @s);
		return 0 if $ignored{$path} || $hidden{$path} && !$changed;
		if ($changed) {
			die "PANIC: invalid attempt to modify $path\n" if $path =~ m{^\.cvmfs(?:/|\z)};
			return 0 if $base =~ /^\.cvmfsgraft-/;
			if ($base eq '.cvmfscatalog') {
				die "PANIC: Error: '$path' is not a regular file.\n" if $type != S_IFREG;
				die "PANIC: Error: nested catalog marker in root directory\n" if $parent eq '';
			}
			if ($type == S_IFCHR && $s[6] == 0) {
				print STDERR "Warning: '$path' should be deleted, but was not found in repository.\n";
				return 0;
			}
			return 0 if $gateway && ($type == S_IFCHR || $type == S_IFBLK) && !is_kept($n, $path);
		}
		if ($type == S_IFDIR) {
			call($path, &SYS_mkdirat, fileno $new, $base, 0700);
			$dirs{$path} = meta_of(@s);
			return 1;
		}
		if ($changed && $type == S_IFREG) {
			my $marker = ".cvmfsgraft-$base";
			my @m = lstat $marker;
			if (@m && $is_new->($marker, @m)) {
				my $graft = read_graft($marker) // die "PANIC: Encountered a grafted file ($path) with invalid " .
					"grafting information; check contents of .cvmfsgraft-* file.  Aborting publish.\n";
				append("$spool/written", "content of the graft $path") if $s[7]; # in vain
				push @grafts, [$path, $graft, meta_of(@s)];
				return 0;
			}
			push @stored, [$path, store($base, $piece)];
		}
		call($path, &SYS_linkat, $changed ? AT_FDCWD : fileno $old, $base, fileno $new, $base, 0);
		set_meta($base, $type, meta_of(@s)) if $changed;	# times lose their fraction
		return 0;
	});
	for my $path (@whiteouts) {
		my ($parent, $base) = split_path($path);
		link "$before/$path", "$tree/$path" or die "$path: $!\n" if $dirs{$parent} && lstat "$before/$path";
	}
	die "failing after reading, as told\n" if $fail eq 'publish';
	# Only now is it certain that this is not written to any more.
	for (@stored) {
		my ($path, @names) = @$_;
		my ($parent, $base) = split_path($path);
		enter($tree, $parent);
		keep($base, @names);
		append("$spool/written", "file $path");
	}
	for (@grafts) {
		my ($path, $graft, $meta) = @$_;
		my ($parent, $base) = split_path($path);
		enter($tree, $parent);
		append($faults, map { "$path: $_" } make_graft($base, $graft));
		append("$spool/written", "graft $path");
		set_meta($base, S_IFREG, $meta);
	}
	finish_dirs();
	pause('CVMFS_STANDIN_PAUSE_PUBLISH');
}
1;
