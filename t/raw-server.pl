#!/usr/bin/perl
# raw-server.pl DIR: on the port in DIR/port, answers GET /X with the bytes of DIR/X, headers and all.
use strict;
use warnings;
use IO::Socket::INET;

my ($dir) = @ARGV;
open my $config, '<', "$dir/port" or die "$dir/port: $!\n";
chomp(my $port = <$config>);
my $listener = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1', LocalPort => $port,
	ReuseAddr => 1) or die "port $port: $!\n";
$SIG{PIPE} = 'IGNORE';
while (my $client = $listener->accept) {
	my ($path) = (scalar <$client> // '') =~ m{^GET /(\S+)};
	while (defined(my $header = <$client>)) {
		last if $header =~ /^\r?\n$/;
	}
	$path = '404' if !defined $path || $path =~ /\.\./ || !-f "$dir/$path";
	if (open my $file, '<:raw', "$dir/$path") {
		local $/;
		print $client scalar <$file>;
	}
	shutdown $client, 1;
	close $client;
}
