#!/usr/bin/perl
# fault-proxy.pl DIR: passes connections on port DIR/port to the server DIR/upstream, and spoils some
# of what comes back, as DIR/faults says: SEED CUT STALL CORRUPT SPAN, chances in percent that a connection is
# cut, stalls, or has a bit flipped at a random one of its first SPAN bytes. For each connection, DIR/log
# gets a line FATE BYTES.
use strict;
use warnings;
use IO::Socket::INET;
use IO::Select;

my ($dir) = @ARGV;

sub value {
	my ($name) = @_;
	open my $file, '<', "$dir/$name" or die "$dir/$name: $!\n";
	chomp(my $line = <$file>);
	return $line;
}

my $listener = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1', LocalPort => value('port'),
	ReuseAddr => 1) or die "listen: $!\n";
my ($seed, $cut, $stall, $corrupt, $span) = split ' ', value('faults');
srand $seed;
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';

sub choose_fate {
	my $n = rand 100;
	return 'cut' if $n < $cut;
	return 'stall' if $n < $cut + $stall;
	return 'corrupt' if $n < $cut + $stall + $corrupt;
	return 'fine';
}

sub record {
	my ($fate, $bytes) = @_;
	open my $log, '>>', "$dir/log" or return;
	syswrite $log, "$fate $bytes\n";
}

sub pass_on {
	my ($client, $fate, $where) = @_;
	my $server = IO::Socket::INET->new(value('upstream')) or return;
	my $select = IO::Select->new($client, $server);
	my $sent = 0;
	while (my @ready = $select->can_read) {
		for my $from (@ready) {
			my $n = sysread $from, my $data, 65536;
			return record($fate, $sent) if !$n;
			if ($from == $client) {
				syswrite $server, $data or return record($fate, $sent);
				next;
			}
			my $hit = $fate ne 'fine' && $sent + $n > $where;
			if ($hit && $fate eq 'corrupt') {
				substr($data, $where - $sent, 1) ^= chr(1 << ($where % 8)) if $where >= $sent;
			} elsif ($hit) {
				substr($data, $where - $sent) = '';
			}
			for (my $done = 0; $done < length $data;) {
				my $written = syswrite $client, $data, length($data) - $done, $done;
				return record($fate, $sent) if !$written;
				$done += $written;
				$sent += $written;
			}
			next if !$hit || $fate eq 'corrupt';
			sysread $client, $data, 1 if $fate eq 'stall'; # until the client is tired of it
			return record($fate, $sent);
		}
	}
}

while (1) {
	my $client = $listener->accept or next;
	my ($fate, $where) = (choose_fate(), int rand $span);
	defined(my $pid = fork) or next;
	if (!$pid) {
		pass_on($client, $fate, $where);
		exit;
	}
	close $client;
}
