# usable.pl: what is visible in a repository that is a directory, but cannot be used. `usable.pl REPOSITORY' prints it, and has
# status 1 if there is any; another program can `require' it and call unusable().
use strict;
use warnings;
use File::Find;
use JSON::PP;
use MIME::Base64;

sub json_of {
	my ($path) = @_;
	open my $file, '<', $path or return ();
	local $/;
	my $list = eval { decode_json(scalar <$file>) };
	return ref $list eq 'ARRAY' ? $list : ();
}

sub text_of {
	open my $file, '<', $_[0] or return undef;
	local $/;
	return scalar <$file>;
}

# What is wrong with the files of a layer in Podman's store; clients have a CernVM-FS repository elsewhere.
sub unusable_layer {
	my ($repo, $layer) = @_;
	my $overlay = "$repo/podmanStore/overlay";
	my $at = "$overlay/$layer->{id}";
	my $diff = readlink "$at/diff" // '';
	my $files = $diff =~ m{^/.*/(\.layers/.*)} ? "$repo/$1" : "$at/diff";
	return "$layer->{id}/diff" unless -d $files;
	my @names = (text_of("$at/link"), $layer->{parent} ? text_of("$at/lower") : ());
	return "$layer->{id}/link" if grep { !defined } @names;
	return map { m{([^/]+)$} && -l "$overlay/l/$1" ? () : "$layer->{id}: $_" } map { split /:/ } @names;
}

sub unusable_image {
	my ($repo, $image, $layers) = @_;
	my @bad;
	for my $key (@{$image->{'big-data-names'} // []}) {
		my $file = $key eq 'manifest' ? $key : '=' . encode_base64($key, '');
		push @bad, $key if (-s "$repo/podmanStore/overlay-images/$image->{id}/$file" // -1) != $image->{'big-data-sizes'}{$key};
	}
	for (my $id = $image->{layer}; $id; $id = $layers->{$id}{parent}) {
		return @bad, "layer $id is not listed" unless $layers->{$id};
		push @bad, unusable_layer($repo, $layers->{$id});
	}
	return @bad;
}

# The public names, which are links.
sub names_of {
	my ($repo) = @_;
	my @names;
	find({no_chdir => 1, wanted => sub {
		my $path = s{^\Q$repo\E/*}{}r;
		$File::Find::prune = $path =~ m{^(?:\.[^/]*|podmanStore)$};
		push @names, $path if -l && $path =~ m{/};
	}}, "$repo/") if -d $repo;
	return sort @names;
}

# Those for platforms. Directories of platforms have aliases, which are links, too.
sub names_for_platforms {
	my ($repo) = @_;
	return map { my $at = s{^\Q$repo\E/*}{}r; map { "$at/$_" } names_of($_) } grep { !-l } glob "\Q$repo\E/.multiarch/*";
}

sub unusable {
	my ($repo) = @_;
	my $store = "$repo/podmanStore";
	my @names = names_of($repo);
	my ($images, $layers) = map { json_of("$store/$_") } 'overlay-images/images.json', 'overlay-layers/layers.json';
	return @names ? "Podman's lists" : () unless $images && $layers;
	my %layers = map { $_->{id} => $_ } @$layers;
	my %listed = map { $_ => 1 } map { @{$_->{names} // []} } @$images;
	my @bad = map { "$_: not in Podman's lists" } grep { !$listed{$_} } @names;
	push @bad, map { "$_: leads nowhere" } grep { readlink("$repo/$_") !~ /\$\(/ && !-d "$repo/$_/" } @names, names_for_platforms($repo);
	for my $image (@$images) {
		push @bad, map { "Podman's @{$image->{names} // []}: $_" } unusable_image($repo, $image, \%layers);
	}
	return @bad;
}

unless (caller) {
	my @bad = unusable($ARGV[0]);
	print map { "$_\n" } @bad;
	exit(@bad > 0);
}
1;
