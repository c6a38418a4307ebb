# year.pl: see year.sh. Prints what is wrong, a line each, and a summary at the end.
use strict;
use warnings;
use JSON::PP;
use File::Find;
use File::Path qw(remove_tree make_path);
use File::Copy qw(copy);
use POSIX ();

my %o = map { split /=/, $_, 2 } @ARGV;
my ($tmp, $path, $registry, $storage) = @o{qw(tmp path registry storage)};
my ($grace, $days, $start) = (30, 365, 4000000000); # later than all that is published
my $cvmfs = $o{repository} !~ m{/};
srand $o{seed};
$| = 1;
my $wrong = 0;
sub wrong { my ($day, $what) = @_; $wrong++; print "not ok: day $day: $what\n" }
sub slurp { my ($f) = @_; local $/; open my $h, '<', $f or return undef; return scalar <$h> }
sub spew { my ($f, $t) = @_; open my $h, '>', $f or die "$f: $!"; print $h $t; close $h or die "$f: $!" }
sub json { my ($f) = @_; my $t = slurp($f); return defined $t ? eval { decode_json($t) } : undef }

my %json;    # text and value of each file
sub json_again
{
	my ($f) = @_;
	my $t = slurp($f) // '';
	$json{$f} = [$t, json($f)] if !$json{$f} || $json{$f}[0] ne $t;
	return $json{$f}[1];
}

# The images in the layout: manifest, config, layers; each number is the image that says "image NUMBER".
my (%image, %by_config);
for my $entry (@{json("$tmp/layout/index.json")->{manifests}}) {
	my $n = $entry->{annotations}{'org.opencontainers.image.ref.name'};
	next if $n =~ /^base/;
	my $digest = slurp("$storage/docker/registry/v2/repositories/all/_manifests/tags/$n/current/link") =~ s/\n\z//r;
	my ($hex) = $digest =~ /sha256:(\w+)/;
	my $manifest = json("$storage/docker/registry/v2/blobs/sha256/" . substr($hex, 0, 2) . "/$hex/data");
	$image{$n} = {
		digest => $digest,
		config => $manifest->{config}{digest} =~ s/^sha256://r,
		layers => [map { $_->{digest} =~ s/^sha256://r } @{$manifest->{layers}}],
	};
	$by_config{$image{$n}{config}} = $n;
}

# What the registry has: links in its storage, as it makes them itself.
my $repositories = "$storage/docker/registry/v2/repositories";
my %tags;    # REPOSITORY:TAG => image
sub set_tag
{
	my ($repository, $tag, $n) = @_;
	if (!-d "$repositories/$repository") {
		make_path("$repositories/$repository" =~ s{/[^/]*\z}{}r);
		system('cp', '-a', "$repositories/all", "$repositories/$repository") == 0 or die;
		remove_tree("$repositories/$repository/_manifests/tags");
		make_path("$repositories/$repository/_manifests/tags");
	}
	my $dir = "$repositories/$repository/_manifests/tags/$tag";
	make_path("$dir/current", "$dir/index/sha256/" . $image{$n}{digest} =~ s/^sha256://r);
	spew("$dir/current/link", $image{$n}{digest});
	spew("$dir/index/sha256/" . ($image{$n}{digest} =~ s/^sha256://r) . '/link', $image{$n}{digest});
	$tags{"$repository:$tag"} = $n;
}
sub remove_tag
{
	my ($repository, $tag) = @_;
	remove_tree("$repositories/$repository/_manifests/tags/$tag");
	delete $tags{"$repository:$tag"};
}

# The wish list: lines of single images, and a pattern.
my %lines;
sub write_recipe
{
	spew("$tmp/recipe.yaml", "version: 1\nuser: ''\ncvmfs_repo: '$o{repository}'\n"
			. "output_format: '\$(scheme)://$registry/thin/\$(image)'\ninput:\n"
			. join('', map { "    - 'http://$registry/$_'\n" } 'pattern/app:v*', sort keys %lines));
}
sub wanted { return (keys %lines, grep { /^pattern\/app:v/ } keys %tags) }
sub any { return $_[rand @_] }

# One thing happens between two runs, or none.
sub happen
{
	my $what = int rand 9;
	my @pattern = grep { /^pattern/ } keys %tags;
	my @single = grep { /^single/ } keys %tags;
	my $n = any(keys %image);
	if ($what == 0 && @pattern < 7) { set_tag('pattern/app', 'v' . int(rand 30), $n) }
	elsif ($what == 1 && @pattern > 3) { remove_tag(split /:/, any(sort @pattern)) }
	elsif ($what == 2) { set_tag((split /:/, any(sort @pattern)), $n) }
	elsif ($what == 3 && @single) { set_tag((split /:/, any(sort @single)), $n) }
	elsif ($what == 4 && keys %lines < 5) {
		my $r = 'single/r' . int rand 12;
		set_tag($r, 'latest', $n);
		$lines{"$r:latest"} = 1;
	}
	elsif ($what == 5 && keys %lines > 2) { delete $lines{any(sort keys %lines)} }
	elsif ($what == 6 && @single > 4) { remove_tag(split /:/, any(sort @single)) }
}

# The jobs of a day, as cron would run them.
sub jobs
{
	my ($day, %env) = @_;
	local %ENV = (%ENV, DUCC_CLOCK => $start + $day * 86400, %env);
	my $pid = fork // die;
	if (!$pid) {
		POSIX::setsid();
		open STDOUT, '>', "$tmp/jobs.out";
		open STDERR, '>&', \*STDOUT;
		my $limit = delete $ENV{YEAR_LIMIT};
		exec 'sh', '-c', 'ulimit -f "$1"; shift; exec "$@"', 'sh', $limit // 'unlimited', $o{convert},
			"$tmp/recipe.yaml" or POSIX::_exit(127);
	}
	return $pid;
}
sub ended { my ($pid) = @_; waitpid $pid, 0; return $? }

my %count; # of days, by kind

# Killed in the moment between its opening and the note of it, a transaction is nobody's for ducc, which would wait
# for its end: somebody has a look, and aborts it (ducc-publish(1), BUGS).
sub look_at_transaction
{
	my $spool = "$ENV{DUCC_SYSROOT}/var/spool/cvmfs/$o{repository}";
	my $note = slurp("$spool/ducc.transaction") // '';
	return if !-e "$spool/in_transaction.lock" || -e "$spool/ducc.opened" || $note !~ /^\d+ \S+ - /;
	system("cvmfs_server abort -f $o{repository} >$tmp/abort.out 2>&1") == 0 or die "can't abort";
	$count{'aborted'}++;
}

# The account. A name, tree or layer (by digest) was last wanted on a day, and the first good day after that puts it on
# the schedule: it must not go before that many days after the former, and must have gone after the latter.
my (%published, %last_wanted, %scheduled);
sub account
{
	my ($day, $good, $what, $is_wanted) = @_;
	if ($is_wanted) { $last_wanted{$what} = $day; delete $scheduled{$what} }
	elsif ($good) { $scheduled{$what} //= $day }
}
sub is_overdue { my ($day, $what) = @_; return defined $scheduled{$what} && $day - $scheduled{$what} >= $grace }
sub is_too_early { my ($day, $what) = @_; return defined $last_wanted{$what} && $day - $last_wanted{$what} < $grace }

# On a bad day the jobs may not have got so far as to see that something is wanted: what ducc-publish has reported
# since the last check, or is not on the schedule, they have.
my $events_read = 0;
sub reported
{
	my %reported;
	open my $events, '<', "$tmp/events" or return %reported;
	seek $events, $events_read, 0;
	while (<$events>) {
		my $event = eval { decode_json($_) } // next;	# killed in the middle of a line
		$reported{$event->{image} =~ s{^\Q$registry/}{}r} = 1
			if $event->{action} eq 'end_image_publish' && $event->{status} eq 'ok';
	}
	$events_read = tell $events;
	return %reported;
}

sub links
{
	my %found;
	my $root = "$path/$registry";
	return %found if !-d $root;
	find({no_chdir => 1, wanted => sub { $found{substr $_, length($root) + 1} = readlink if -l }}, $root);
	return %found;
}

sub check
{
	my ($day, $good) = @_;
	my %links = links();
	my $podman = json_again("$path/podmanStore/overlay-images/images.json") // [];
	my %podman = map { my $i = $_; map { $_ => $i } @{$i->{names} // []} } @$podman;
	my %layers = map { $_->{id} => $_ } @{json_again("$path/podmanStore/overlay-layers/layers.json") // []};
	my (%trees, %used);
	my %reported = reported();
	my %on_schedule = map { $_->{path} => 1 } @{(json("$path/.metadata/remove-schedule.json") // {})->{remove} // []};

	# What is wanted is there, whole, and the newest that could be had.
	for my $name (wanted()) {
		my $n = $tags{$name} // $published{$name};
		$published{$name} = $n if $good && defined $tags{$name};
		next if !defined $published{$name} && !exists $links{$name};
		my $target = $links{$name};
		if (!defined $target) { wrong($day, "$name is wanted and not there"); next }
		my ($id) = $target =~ m{\.flat/../(\w{64})\z};
		my $says = slurp("$path/$registry/$name/app/name") // 'nothing';
		my $is = $by_config{$id // ''} // 'unknown';
		wrong($day, "$name leads to image $is, but says $says") if $says ne "image $is\n";
		wrong($day, "$name is image $is instead of $n") if $good && defined $n && $is ne $n;
		# A bad day may have published a tag that is gone on the next.
		$published{$name} = $is if defined $tags{$name} && $is eq $tags{$name};
		my $listed = $podman{"$registry/$name"};
		if (!$listed || $listed->{id} ne ($id // '')) {
			# Podman's list comes first, then the names; what was killed in between, the next run finishes.
			wrong($day, "Podman does not list $name") if $good || !-e "$path/.transaction/plan";
			next;
		}
		for (my $layer = $listed->{layer}; $layer; $layer = $layers{$layer}{parent}) {
			if (!$layers{$layer}) { wrong($day, "Podman misses a layer of $name"); last }
			my $diff = readlink "$path/podmanStore/overlay/$layer/diff" // '';
			my ($hex) = $diff =~ m{\.layers/../(\w{64})/layerfs\z};
			wrong($day, "$name: no files for a layer") if !$hex || !-d "$path/.layers/" . substr($hex, 0, 2) . "/$hex/layerfs";
		}
	}
	# Nothing else outlives its time, and nothing goes before it.
	my %wanted = map { $_ => 1 } wanted();
	for my $name (keys %links) {
		my $manifest = slurp("$path/.metadata/$registry/$name/manifest.json") // '';
		my ($config, @layers) = $manifest =~ /"digest":\s*"sha256:(\w{64})"/g;
		if (!@layers) { wrong($day, "$name has no manifest"); next }
		for my $tree ($config, @layers) {
			$used{$tree} = 1;
			$trees{$tree}{$name} = 1 if $wanted{$name};
		}
		for my $d (@layers) {
			wrong($day, "$name has a layer that is not there") if !-e "$path/.layers/" . substr($d, 0, 2) . "/$d/.metadata/layer.mtree";
		}
		account($day, $good, $name, $wanted{$name} && ($good || $reported{$name} || !$on_schedule{"$registry/$name"}));
		wrong($day, "$name has not been wanted since day $last_wanted{$name}") if $good && is_overdue($day, $name);
	}
	for my $name (grep { /:/ && !exists $links{$_} } keys %last_wanted) {
		wrong($day, "$name is gone, and was wanted on day $last_wanted{$name}") if is_too_early($day, $name);
		delete $_->{$name} for \%last_wanted, \%scheduled, \%published;
	}
	my %there = map { m{(\.\w+/../(\w{64}))\z} ? ($2 => $1) : () } glob("$path/.flat/??/*"), glob("$path/.layers/??/*");
	for my $tree (keys %there) {
		my @names = keys %{$trees{$tree} // {}};
		account($day, $good, $tree, @names && ($good || !$on_schedule{$there{$tree}} || grep { $reported{$_} } @names));
		wrong($day, "$tree: nothing has it since day " . ($last_wanted{$tree} // '?')) if $good && !$used{$tree} && is_overdue($day, $tree);
	}
	for my $tree (grep { !/:/ && !$there{$_} } keys %last_wanted) {
		wrong($day, "$tree is gone, and was wanted on day $last_wanted{$tree}") if is_too_early($day, $tree);
		delete $_->{$tree} for \%last_wanted, \%scheduled;
	}
	if ($cvmfs && (!$good || $day % 7 == 0)) {
		wrong($day, "cvmfs_server check: " . `cat $tmp/check`) if system("cvmfs_server check $o{repository} >$tmp/check 2>&1");
		wrong($day, 'a transaction is open') if $good && -e "$ENV{DUCC_SYSROOT}/var/spool/cvmfs/$o{repository}/in_transaction.lock";
	}
	elsif ($good) { wrong($day, 'a transaction is not finished') if -e "$path/.transaction" }
}

sub wanted_now { return join ' ', sort grep { -l "$path/$registry/$_" } wanted() }

set_tag('pattern/app', "v$_", 1 + $_) for 1 .. 4;
for my $r (1 .. 4) { set_tag("single/r$r", 'latest', 4 + $r); $lines{"single/r$r:latest"} = 1 }
my %bad = (40 => 'registry', 41 => 'registry', 90 => 'kill', 91 => 'kill', 140 => 'full', 200 => 'kill', 201 => 'registry', 260 => 'full', 300 => 'kill', 301 => 'kill', 330 => 'registry');
my $runs = 0;
my $seconds = 0.5;
my @steps = split /,/, $o{steps};
for (my $day = 0; $day < $days; $day += $steps[0], push @steps, shift @steps) {
	happen();
	write_recipe();
	my ($kind) = map { $bad{$_} } grep { $bad{$_} } $day .. $day + $steps[0] - 1;
	$kind //= '';
	my $status;
	if ($kind eq 'registry') {
		spew("$tmp/bad", '');
		$status = ended(jobs($day));
		unlink "$tmp/bad";
	}
	elsif ($kind eq 'kill') {
		my $pid = jobs($day);
		select undef, undef, undef, rand($seconds);
		1 while system('pkill', '-9', '-r', 'RSDT', '-s', $pid) == 0;	# all of it, as when the machine goes down
		$status = ended($pid);
		look_at_transaction() if $cvmfs;
	}
	elsif ($kind eq 'full') {
		$status = ended(jobs($day, $cvmfs ? (CVMFS_STANDIN_FAIL => 'full') : (YEAR_LIMIT => 1 + int rand 30)));
	}
	else {
		$status = ended(jobs($day));
		my $said = slurp("$tmp/jobs.out") // '';
		# Too many at once after some bad days: somebody has a look, and finds that it is all right.
		if ($said =~ /images (are not among those to keep|would be removed), more than/) {
			local $ENV{DUCC_CLOCK} = $start + $day * 86400;
			$status = system("ducc-wish -q $tmp/recipe.yaml | ducc-gc -q -f >$tmp/gc.out 2>&1");
			$said =~ s/^ducc-convert: ducc-gc: .* more than.*\n//m;
			$count{'looked after'}++;
		}
		# A tag that is wanted and has vanished is no fault of theirs.
		my @faults = grep { /^ducc-(?!convert)|^ducc-convert: ducc-gc: (?!works again)/ && !/: warning: / && !/answered 404, not found/ } split /\n/, $said;
		my $missing = grep { !defined $tags{$_} } keys %lines;
		wrong($day, "the jobs failed ($status): " . join ' | ', @faults) if @faults || $status && !$missing;
	}
	$count{$kind || 'good'}++;
	$runs++;
	check($day, !$kind);
	system('ducc-gc', '--clean-store', '-q', '-r', $o{repository}, '-g', 1) if $day % 28 == 0;
}
print 'images ', wanted_now(), "\n";
print "$runs days: ", join(', ', map { "$count{$_} $_" } sort keys %count), "; ", scalar(keys %by_config), " images\n";
print $wrong ? "$wrong wrong\n" : "all is well\n";
exit($wrong ? 1 : 0);
