#!/usr/bin/perl
# faults.pl SCENARIOS SEED COUNT [ONLY]: make system calls of the tools fail, or kill the tools at them, one run each, and see
# that the result is right, or an error that names what failed; that nothing half-done is visible, not in Podman's lists either;
# and that the next run sets all right.
#
# SCENARIOS is a directory with one for each scenario, in which `before' is what the tool finds, copied to
# SCENARIOS/work, and `command' its arguments, one a line; `input' may be its standard input, `between' may have what is
# also right when it has failed, and `remove' names what the next run must not find. COUNT faults are chosen at random, or with COUNT 0 all are tried.
# ONLY is a pattern for the names of scenarios. Prints what is wrong, and at last how many faults were tried.
use strict;
use warnings;
use Digest::MD5;
use Errno qw(:POSIX);
use File::Find;
use FindBin;
use POSIX qw(:sys_wait_h);
require "$FindBin::Bin/usable.pl";

$| = 1;
my ($dir, $seed, $count, $only) = (@ARGV, '');
my $work = "$dir/work";
my $SHORT = -1;
my $KILL = -9;
my $TIME = 60;    # seconds, after which a run hangs

# What each kind of call can fail with.
my %codes = (
	open => [EMFILE, ENOMEM, EIO, EACCES],
	read => [EIO, EINTR, $SHORT],
	write => [ENOSPC, EDQUOT, EIO, EINTR, $SHORT],
	fsync => [EIO, ENOSPC, EINTR],
	truncate => [EIO, ENOSPC],
	seek => [EIO],
	close => [EIO, ENOSPC, EINTR],
	stat => [EIO, ENOMEM],
	rename => [EIO, ENOSPC, EXDEV, EACCES],
	link => [EMLINK, EXDEV, EIO, EPERM, ENOSPC],
	symlink => [ENOSPC, EIO],
	mkdir => [ENOSPC, EMLINK, EACCES],
	mknod => [EPERM, ENOSPC],
	unlink => [EIO, EACCES, EBUSY],
	readlink => [EIO, ENOMEM],
	directory => [EIO, ENOMEM],
	lock => [EINTR, ENOLCK],
	attributes => [EPERM, EIO, EOPNOTSUPP],
	copy => [EIO, ENOSPC, EXDEV, EINTR, $SHORT],
	thread => [EAGAIN],
	pipe => [EMFILE, ENFILE],
	spawn => [EAGAIN, ENOMEM],
	wait => [EINTR],
	poll => [EINTR, ENOMEM],
	socket => [ECONNRESET, ETIMEDOUT],
	random => [],    # does not fail
	locale => [ENOMEM],
	confine => [ENOSYS, EPERM, E2BIG],
	memory => [ENOMEM],
);
my %passing = map { $_ => 1 } EINTR, $SHORT, $KILL;

# What changes something: before such a call, a tool is killed. What stands in for CernVM-FS would survive it.
my %changing = map { $_ => 1 } qw(write fsync truncate rename link symlink mkdir mknod unlink attributes);
sub codes {
	my ($name, $kind) = @_;
	return (@{$codes{$kind} or die "$kind?\n"}, $changing{$kind} && $name !~ /^cvmfs/ ? $KILL : ());
}

sub title {
	my ($code) = @_;
	local $! = abs $code;
	return $code == $SHORT ? 'fails with one byte' : $code == $KILL ? 'kills it' : "fails with $!";
}

sub command {
	open my $file, '<', "$_[0]/command" or die "$_[0]/command: $!\n";
	chomp(my @command = <$file>);
	return @command;
}

sub restore {
	system('rm', '-rf', $work) == 0 && system('cp', '-a', "$_[0]/before", $work) == 0 or die "restore\n";
}

# Runs the command with more variables in its environment; returns its wait status, or -1 if it hangs.
sub run {
	my ($name, $variables) = @_;
	my @command = command("$dir/$name");
	my $input = "$dir/$name/input";
	defined(my $pid = fork) or die "fork: $!\n";
	if (!$pid) {
		setpgrp;
		open STDIN, '<', -e $input ? $input : '/dev/null';
		open STDOUT, '>', "$dir/out";
		open STDERR, '>', "$dir/err";
		%ENV = (%ENV, %$variables);
		exec @command or exit 127;
	}
	my $hung = 0;
	local $SIG{ALRM} = sub { $hung = 1; kill KILL => -$pid };
	alarm $TIME;
	waitpid $pid, 0;
	alarm 0;
	return $hung ? -1 : $?;
}

sub slurp {
	open my $file, '<', $_[0] or return '';
	local $/;
	return scalar <$file>;
}

# What there is: for each path its type, mode, owner and content, and for what is in an image, its time and links.
sub look {
	my ($root) = @_;
	my %found;
	# A repository of the stand-in is reached by a link.
	my @from = ($root, -l "$root/repo" ? "$root/repo/" : ());
	find({no_chdir => 1, wanted => sub {
		my @st = lstat or return;
		my $path = substr($_, length $root) =~ s{//}{/}r;
		$File::Find::prune = $path eq '/sys';
		my $what = sprintf '%o %d %d', $st[2], $st[4], $st[5];
		if (-l _) {
			$what .= ' ' . readlink;
		} elsif (-f _) {
			open my $file, '<', $_ or die "$_: $!\n";
			$what .= ' ' . Digest::MD5->new->addfile($file)->hexdigest;
		}
		$what .= " $st[9]" if $path =~ m{^/repo/\.flat/../|/layerfs/} && !-d _;
		$found{$path} = $what;
	}}, @from);
	return \%found;
}

sub temporary { # what the next run removes, or has to
	return $_[0] =~ m{^/(?:store|thin)/tmp/|\.new$|/\.transaction(/|$)|^/root/} || ignored($_[0]);
}

sub ignored { # downloads that can be resumed, the inside of CernVM-FS, and what depends on the number of runs
	return $_[0] =~ m{^/(?:store|thin)/tmp/blobs-|^/sys/|/\.metadata/(?:\.log/|remove-schedule\.json$)};
}

sub differences {
	my ($got, $want) = @_;
	return grep { !ignored($_) && ($got->{$_} // '') ne ($want->{$_} // '') }
		sort keys %{{%$got, %$want}};
}

# Everything that a name in the repository leads to is there, and right.
sub incomplete {
	my ($now, $before, $after) = @_;
	my @bad;
	for my $name (grep { m{^/repo/(?!\.flat/|\.layers/|\.transaction)} && $now->{$_} =~ /^12/ } sort keys %$now) {
		my (undef, undef, undef, $target) = split / /, $now->{$name}, 4;
		my @path = split m{/}, $name;
		pop @path;
		for my $part (split m{/}, $target) {
			if ($part eq '..') { pop @path } else { push @path, $part }
		}
		my $tree = join '/', @path;
		next unless $tree =~ m{^/repo/\.(?:flat|layers)/};
		next if $before->{$name} && $before->{$name} eq $now->{$name} && !$before->{$tree};
		my $whole = $after->{$tree} ? $after : $before;
		push @bad, "$name -> $tree: missing" unless $now->{$tree};
		push @bad, map { "$name: $_" } grep { index("$_/", "$tree/") == 0 && ($now->{$_} // '') ne $whole->{$_} } sort keys %$whole;
	}
	return @bad;
}

# What a run says: records, paths, and differences, which ducc-check --repair has on standard error.
my $damaged = qr/: warning: [^\n]* is damaged: /; # what cannot be read in a store is thrown away
my $object = qr{[^\n]*[/:][^\n]*|standard input|repository \S+};
my $difference = qr/[a-z]+\t[^\t\n]*\t[^\t\n]*\t[^\t\n]*\t[^\t\n]*/;
sub said {
	my %said = map { $_ => 1 } split(/\n/, slurp("$dir/out")), slurp("$dir/err") =~ /^ducc-check: ($difference)$/mg;
	return \%said;
}

# What standard error has besides them.
sub complaints {
	return slurp("$dir/err") =~ s/^ducc-check: $difference\n//mgr;
}

# A record for publishing again: what comes before the list of what is broken, and that list.
sub broken {
	my ($image, $list) = $_[0] =~ /^(https?:[^\n]*\trepair=)([^\t\n]*)$/ or return;
	return ($image, split /,/, $list);
}

# Such a record lacks what could not be looked at; if that is everything, it is about names.
sub is_part {
	my ($line, $want) = @_;
	my ($image, @list) = broken($line) or return 0;
	my %whole = (names => 1);
	my $known = 0;
	for (keys %$want) {
		my ($other, @other) = broken($_) or next;
		next if $other ne $image;
		$known = 1;
		$whole{$_} = 1 for @other;
	}
	return $known && !grep { !$whole{$_} } @list;
}

# Whatever is said is so; only what cannot be read may be said in addition, and by ducc-wish that its list is not whole. Then,
# and after an error, less may be said.
sub untrue {
	my ($said, $want, $error) = @_;
	my $less = $error ne '' || grep { /^unreadable\t/ } keys %$said;
	return () if $error =~ $damaged; # the entry of the image goes with it
	return grep {
		!$want->{$_} && !/^unreadable\t|^\?\tincomplete=yes$|^[^\t]*\*\t/ && !($less && is_part($_, $want))
	} sort keys %$said;
}

# What is wrong after a run with a fault.
sub judge {
	my ($status, $reference, $before, $between, $after, $unusable, $memory) = @_;
	my ($error, $said) = (complaints(), said());
	my @untrue = untrue($said, $reference->{said}, $error);
	my $all = !grep { !$said->{$_} } keys %{$reference->{said}};
	my $unreadable = grep { /^unreadable\t/ } keys %$said;
	my $now = look($work);
	return 'hangs' if $status == -1;
	my @different = $status == 0 ? differences($now, $after) : ();
	# What may not be removed although nothing needs it, because something cannot be read, stays, with a warning.
	@different = grep { $after->{$_} || ($now->{$_} // '') ne ($before->{$_} // '') } @different if $error =~ /: warning: /;
	@different = grep { !m{^/store/} } @different if $error =~ $damaged;
	@different = grep { !m{^/root/} } @different if $error =~ /: warning: [^\n]* left out, not permitted: /;
	return "leaves a wrong result with status 0: @different ($error)" if @different;
	return "says what is not so: @untrue ($error)" if @untrue;
	my $killed = ($status & 127) == 9;
	return "does not say what is so" unless $all || $error ne '' || $unreadable || $killed;
	return "has status 0 in spite of differences" if $status == 0 && ($reference->{status} || $unreadable);
	if ($memory && ($status & 127) == 6) {
		return "aborts without a message: $error" unless $error =~ /: out of memory$/m;
	} elsif ($status != 0 && !$killed && !$unreadable && !($all && $status == $reference->{status})) {
		return sprintf 'ends with status 0x%x: %s', $status, $error if $status != 0x100;
		return "has an unclear message: $error" unless $error =~ m{^ducc-[a-z]+: (?!warning)(?:$object): [^\n:]+$}m;
	}
	my @wrong = grep {
		my $path = $_;
		my $goes = $before->{$path} && !$after->{$path};
		!temporary($path) && !$goes && !grep { $now->{$path} eq ($_->{$path} // '') } $before, $between, $after;
	} sort keys %$now;
	return "leaves what is neither old nor new: @wrong ($error)" if @wrong;
	my @bad = incomplete($now, $before, $after);
	# Only its publisher sees an open transaction.
	my %before = map { $_ => 1 } @$unusable;
	push @bad, grep { !$before{$_} } unusable("$work/repo") unless glob "$work/sys/var/spool/cvmfs/*/in_transaction.lock";
	return "shows half of something: @bad ($error)" if @bad;
	return '';
}

# The faults of each kind of call in each scenario: how often it is made, and how each can fail.
my (%before, %between, %after, %unusable, %reference, @groups);
opendir my $entries, $dir or die "$dir: $!\n";
for my $name (sort grep { -e "$dir/$_/command" && /$only/ } readdir $entries) {
	restore("$dir/$name");
	$before{$name} = look($work);
	$unusable{$name} = [unusable("$work/repo")];
	$between{$name} = -e "$dir/$name/between" ? look("$dir/$name/between") : {};
	for my $preload (split / /, $ENV{PRELOADS}) {
		restore("$dir/$name");
		unlink "$dir/counts";
		my $status = run($name, {FAULT_COUNTS => "$dir/counts", LD_PRELOAD => $preload});
		$reference{$name} = {status => $status, said => said()};
		die "$name: status $status: " . slurp("$dir/err") . "\n" if complaints() ne '' || ($status && !%{said()});
		for (split /\n/, slurp("$dir/counts")) {
			my ($kind, $calls) = split;
			my @how = map { $passing{$_} ? [$_, 1] : ([$_, 1], [$_, 1000000]) } codes($name, $kind);
			push @groups, [$name, $preload, $kind, $calls, \@how] if $calls && @how;
		}
	}
	$after{$name} = look($work);
}

my ($tried, $failed) = (0, 0);
sub try {
	my ($name, $preload, $kind, $n, $code, $times) = @_;
	my $title = sprintf '%s: %s call %d %s%s', $name, $kind, $n, title($code), $times > 1 ? ', and all after it' : '';
	restore("$dir/$name");
	my $status = run($name, {FAULT => "$kind $n $code $times", LD_PRELOAD => $preload});
	$tried++;
	$failed++ if $status != $reference{$name}{status};
	my $wrong = judge($status, $reference{$name}, $before{$name}, $between{$name}, $after{$name},
		$unusable{$name}, $kind =~ /^(?:memory|locale)$/);
	print "$title: it $wrong\n" if $wrong;
	return if $wrong =~ /^hangs/;
	# A file in the store that cannot be read is thrown away: earlier tools have to make it again.
	restore("$dir/$name") if slurp("$dir/err") =~ /is damaged|run ducc-/;
	system 'rm', '-rf', "$work/" . slurp("$dir/$name/remove") if -e "$dir/$name/remove";
	$status = run($name, {LD_PRELOAD => $preload});
	if ($status != $reference{$name}{status}) {
		print "$title: the next run fails: " . slurp("$dir/err") . "\n";
	} elsif (my @different = differences(look($work), $after{$name})) {
		print "$title: the next run leaves a wrong result: @different\n";
	}
}
srand $seed;
for (1 .. $count) {
	my ($name, $preload, $kind, $calls, $how) = @{$groups[rand @groups]};
	try($name, $preload, $kind, 1 + int rand $calls, @{$how->[rand @$how]});
}
for (@groups) {
	last if $count;
	my ($name, $preload, $kind, $calls, $how) = @$_;
	for my $n (1 .. $calls) {
		try($name, $preload, $kind, $n, @$_) for @$how;
	}
}
printf "tried %d, of which %d failed\n", $tried, $failed;
