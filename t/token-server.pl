#!/usr/bin/perl
# token-server.pl DIR: a token server on port DIR/port that signs what it grants with DIR/token.key, for
# DIR/life seconds. DIR/user is USER:PASSWORD, DIR/identity an identity token that stands for it; everybody may
# pull from public/*. With DIR/strict, who comes with wrong credentials gets nothing at all. DIR/log has
# one line per request: METHOD SCOPES AUTHORIZATION-KIND STATUS.
use strict;
use warnings;
use IO::Socket::INET;
use MIME::Base64;

my ($dir) = @ARGV;

sub value {
	my ($name) = @_;
	open my $file, '<:raw', "$dir/$name" or return '';
	local $/;
	my $text = <$file>;
	chomp $text;
	return $text;
}

sub url64 {
	my $text = encode_base64($_[0], '');
	$text =~ tr{+/}{-_};
	$text =~ s/=//g;
	return $text;
}

sub sign {
	my ($access) = @_;
	my $now = time;
	my $x5c = join '', grep { !/-----/ } split /\n/, value('token.crt');
	my $head = url64(qq({"typ":"JWT","alg":"RS256","x5c":["$x5c"]}));
	my $claims = url64(sprintf '{"iss":"test","aud":"test","sub":"x","jti":"%d-%d","iat":%d,"nbf":%d,"exp":%d,"access":[%s]}',
		$$, rand 1e9, $now, $now - 60, $now + value('life'), $access);
	open my $text, '>', "$dir/text" or die;
	print $text "$head.$claims";
	close $text;
	my $signature = `openssl dgst -sha256 -sign '$dir/token.key' '$dir/text'`;
	return "$head.$claims." . url64($signature);
}

sub unescape {
	my ($text) = @_;
	$text =~ tr/+/ /;
	$text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
	return $text;
}

sub answer {
	my ($client, $status, $body) = @_;
	print $client "HTTP/1.1 $status\r\nContent-Type: application/json\r\nContent-Length: ", length $body,
		"\r\nConnection: close\r\n\r\n$body";
}

my $listener = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1', LocalPort => value('port'),
	ReuseAddr => 1) or die "listen: $!\n";
$SIG{PIPE} = 'IGNORE';
while (my $client = $listener->accept) {
	my ($method, $path) = (scalar <$client> // '') =~ m{^(\S+) (\S+)};
	my ($authorization, $length) = ('', 0);
	while (defined(my $header = <$client>)) {
		last if $header =~ /^\r?\n$/;
		$authorization = $1 if $header =~ /^authorization: *(.*?)\r?\n/i;
		$length = $1 if $header =~ /^content-length: *(\d+)/i;
	}
	next if !defined $path;
	if ($path eq '/.id') {
		answer($client, '200 OK', value('id'));
		next;
	}
	my $query = $path =~ /\?(.*)/ ? $1 : '';
	read $client, $query, $length if $length;
	my (@scopes, %form);
	for (split /&/, $query) {
		my ($name, $text) = map { unescape($_) } split /=/, $_, 2;
		$form{$name} = $text;
		push @scopes, split / /, $text if $name eq 'scope';
	}
	my ($kind) = $authorization =~ /^(\S+)/;
	$kind = 'refresh_token' if $form{refresh_token};
	my $known = $authorization eq 'Basic ' . encode_base64(value('user'), '') ||
		($form{refresh_token} && $form{refresh_token} eq value('identity'));
	my $status = !$known && $kind && -e "$dir/strict" ? '401 Unauthorized' : '200 OK';
	my @access;
	for (@scopes) {
		my ($name, $actions) = /^repository:(.*):(.*)$/ or next;
		my @granted = grep { $known || ($_ eq 'pull' && $name =~ m{^public/}) } split /,/, $actions;
		push @access, sprintf '{"type":"repository","name":"%s","actions":[%s]}', $name,
			join ',', map { "\"$_\"" } @granted;
	}
	open my $log, '>>', "$dir/log";
	print $log join(' ', $method, join(',', @scopes), $kind // '-', $status), "\n";
	close $log;
	answer($client, $status, $status =~ /^200/
		? sprintf('{"token":"%s","expires_in":%d}', sign(join ',', @access), value('says') || value('life'))
		: '{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}');
}
