#!/usr/bin/perl
# raw-server.pl DIR: on the port in DIR/port, answers GET /X with the bytes of DIR/X, headers and all, or if they are
# there, with those of DIR/X.range if a range is asked for, or with DIR/X.once, once; DIR/X.reset is the
# same, and the connection is reset after it. HEAD /X is answered with DIR/X.head. What follows a `?` counts only
# if there is such a file.
use strict;
use warnings;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);

my ($dir) = @ARGV;
open my $config, '<', "$dir/port" or die "$dir/port: $!\n";
chomp(my $port = <$config>);
my $listener = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1', LocalPort => $port,
	ReuseAddr => 1) or die "port $port: $!\n";
$SIG{PIPE} = 'IGNORE';
while (my $client = $listener->accept) {
	my ($method, $path) = (scalar <$client> // '') =~ m{^(GET|HEAD) /(\S+)};
	my $range;
	while (defined(my $header = <$client>)) {
		last if $header =~ /^\r?\n$/;
		$range = 1 if $header =~ /^range:/i;
	}
	$path =~ s/\?.*// if defined $path && !-f "$dir/$path";
	$path .= '.head' if defined $path && $method eq 'HEAD';
	$path = '404' if !defined $path || $path =~ /\.\./ || !-f "$dir/$path";
	my ($kind) = grep { -f "$dir/$path.$_" } $range ? 'range' : (), 'once', 'reset';
	$path .= ".$kind" if $kind;
	if (open my $file, '<:raw', "$dir/$path") {
		local $/;
		print $client scalar <$file>;
	}
	unlink "$dir/$path" if $kind && $kind ne 'range';
	if ($kind && $kind eq 'reset') {
		$client->flush;
		setsockopt $client, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
	} else {
		shutdown $client, 1;
	}
	close $client;
}
