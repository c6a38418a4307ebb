#!/bin/sh
# kill -9 of ducc-publish, and of cvmfs_server under it, at random moments: nothing half-published is ever seen, and the
# next run clears up and goes on.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=kill.sh
. "${0%/*}/kill.sh"
need flock jq umoci

stand_in
S=$tmp/store
n=test.example.org
R=$tmp/sys/cvmfs/$n
spool=$tmp/sys/var/spool/cvmfs/$n

# A name moves from an older image to a new one, with a large file and many, and another arrives.
make_image "$tmp/oci" old
mkdir -p "$tmp/tree/many"
head -c 1000000 /dev/urandom >"$tmp/tree/large"
perl -e 'for (1 .. 150) { open my $f, ">", "$ARGV[0]/$_" or die; print $f "$_\n" x $_ }' "$tmp/tree/many"
umoci tag --image "$tmp/oci:old" new
add_layer "$tmp/oci:new" "$tmp/tree"
umoci tag --image "$tmp/oci:old" moving
ducc-fetch -q -s "$S" "oci:$tmp/oci:moving" | ducc-unpack -q -s "$S" >"$tmp/old"
umoci tag --image "$tmp/oci:new" moving
ducc-fetch -q -s "$S" "oci:$tmp/oci:moving" "oci:$tmp/oci:new" | ducc-unpack -q -s "$S" >"$tmp/new"
publish() {
	ducc-publish -q -s "$S" -r $n -w 60 <"$tmp/new"
}
cvmfs_server mkfs $n
ducc-publish -q -s "$S" -r $n <"$tmp/old" >"$tmp/published"
cp -a "$tmp/sys" "$tmp/base"

tree() { # what users see
	(cd "$R/" && find . ! -path '*/.log/*' \( -type d -printf '%p %y %m\n' \) -o ! -path '*/.log/*' -printf '%p %y %m %s %l\n' | sort)
}
base_repository() {
	wait_for rm -rf "$tmp/sys" 2>/dev/null # what was killed may have left somebody at work
	cp -a "$tmp/base" "$tmp/sys"
}
tree >"$tmp/tree.old"
# shellcheck disable=SC2046 # words
seconds=$(duration ducc-publish -q -s "$S" -r $n $(cut -f1 "$tmp/new"))
tree >"$tmp/tree.new"

# The old state or the new one.
whole_repository() {
	tree >"$tmp/got"
	cmp -s "$tmp/got" "$tmp/tree.old" || cmp -s "$tmp/got" "$tmp/tree.new" || diff "$tmp/tree.new" "$tmp/got"
}
publish_again() {
	publish >"$tmp/published" || return 1
	sed 's/	state=.*//' "$tmp/published" >"$tmp/record.again"
	cmp "$tmp/new" "$tmp/record.again" || return 1
	tree | diff "$tmp/tree.new" - || return 1
	cvmfs_server check $n || return 1
	[ ! -e "$spool/in_transaction.lock" ] && [ ! -e "$spool/ducc.transaction" ] || { ls "$spool"; return 1; }
}
half=$((kills / 4))
# shellcheck disable=SC2046 # words
wrecks "$seconds" $half base_repository whole_repository publish_again ducc-publish -q -s "$S" -r $n $(cut -f1 "$tmp/new")
is "ducc-publish: killed, run again, $killed times: all or nothing, and a sound repository" "$(cat "$wrong")" ""

# cvmfs_server is killed instead: ducc-publish fails, cleans up, and may publish each image by itself.
: >"$wrong"
struck=0
for i in $(seq $half); do
	base_repository
	# shellcheck disable=SC2046 # words
	kill_server "$seconds" ducc-publish -s "$S" -r $n -w 2 $(cut -f1 "$tmp/new")
	! grep -q 'killed by signal' "$tmp/struck" || struck=$((struck + 1))
	{ abort_if_told "$tmp/struck" && publish_again; } >"$out" 2>&1 || { echo "try $i, killed at $moment of $seconds s:"; cat "$tmp/struck" "$out"; } >>"$wrong"
done
echo "# $struck of $half were killed"
is "cvmfs_server: killed, run again, $half times: a sound repository" "$(cat "$wrong")" ""

# Both at once, as when the machine goes down: the transaction is still open then.
base_repository
ok "an ingest is about to commit" publish_paused "$tmp/new"
kill_publish
ok "... when everything is killed the transaction stays open" test -e "$spool/in_transaction.lock"
ok "... nothing is seen of it" whole_repository
mkdir -p "$spool/scratch/wastebin" # the moment at which it has moved scratch/current to there
ok "... the next run aborts it and succeeds" publish_again
is "... with the scratch area that was missing" "$(stat -c %a,%u "$spool/scratch/current")" "755,$(stat -c %u "$spool/scratch")"

# Only ducc-publish is killed: its server continues, however long it takes.
base_repository
publish_paused "$tmp/new"
group=$(cut -d' ' -f1 "$spool/ducc.transaction")
kill -9 "$pid"
wait "$pid" 2>/dev/null || :
# shellcheck disable=SC2046 # words
fails "the server of a killed publisher is still running" ducc-publish -s "$S" -r $n -w 1 $(cut -f1 "$tmp/new")
like "... the message names it" "$(cat "$out")" "still running: .*\(process $group, state [A-Z]\).*kill -9 -- -$group'"
kill -9 "-$group"
ok "... when it is killed the next run succeeds" publish_again

# Its number becomes that of another group: that is not waited for.
for note in new old; do
	base_repository
	publish_paused "$tmp/new"
	kill_publish
	setsid sleep 300 &
	other=$!
	# shellcheck disable=SC2016 # for the shell
	wait_for sh -c '[ "$(ps -o pgid= -p "$1" | tr -d " ")" = "$1" ]' sh $other
	sed "s/^[0-9]* /$other /" "$spool/ducc.transaction" >"$tmp/note"
	[ $note = new ] || sed -i 's/ingest .*/ingest/' "$tmp/note"
	cp "$tmp/note" "$spool/ducc.transaction"
	# shellcheck disable=SC2046 # words
	if [ $note = new ]; then
		ok "the number of a killed group is used again" ducc-publish -q -s "$S" -r $n -w 1 $(cut -f1 "$tmp/new")
	else
		fails "... without the time at which its leader started" ducc-publish -s "$S" -r $n -w 1 $(cut -f1 "$tmp/new")
		like "... it is waited for" "$(cat "$out")" "still running: sleep \(process $other, state S\)"
	fi
	kill $other
	wait $other 2>/dev/null || :
	ok "... and the repository is sound" publish_again
done

# Without systemd, a client that a killed cvmfs_server has mounted holds its lock, for good.
hold() { # NAME: a process of this name holds it
	ln -sf "$(command -v sleep)" "$tmp/$1"
	(
		exec 9>>"$spool/is_publishing.lock"
		flock 9 && exec "$tmp/$1" 300
	) &
	holder=$!
	# shellcheck disable=SC2016 # for the shell
	wait_for sh -c '[ "$(cat /proc/$1/comm)" = "$2" ]' sh $holder "$1"
}
for open in yes no; do
	base_repository
	publish_paused "$tmp/new"
	kill_publish
	if [ $open = yes ]; then
		hold somebody
		# shellcheck disable=SC2046 # words
		fails "somebody else holds the lock of a killed publish" ducc-publish -s "$S" -r $n -w 1 $(cut -f1 "$tmp/new")
		like "... is waited for" "$(cat "$out")" "another abort of the transaction is still running"
		kill $holder
		wait $holder 2>/dev/null || :
	else
		rm "$spool/in_transaction.lock"
	fi
	hold cvmfs2
	ok "a client holds it, its transaction open: $open" publish_again
	kill $holder
	wait $holder 2>/dev/null || :
done

# The client of the publisher's mount is killed too: the mount is there, but dead.
without_client() { # COMMAND...: run it when that is so
	# shellcheck disable=SC2016 # for perl
	unshare -m perl -e 'require(shift);
		my ($where, @command) = @ARGV;
		open my $fuse, "+<", "/dev/fuse" or exit 99;
		my ($type, $options) = ("fuse", "fd=" . fileno($fuse) . ",rootmode=40000,user_id=0,group_id=0");
		syscall(&SYS_mount, $type, $where, $type, 0, $options) == 0 or exit 99;
		close $fuse;
		exec @command or exit 127' "$top/t/syscalls.pl" "$(readlink -f "$spool/rdonly")" "$@"
}
probe=0
without_client true 2>"$out" || probe=$?
if [ $probe = 99 ] || ! unshare -m true 2>/dev/null; then
	echo "# no dead mounts here: not root, or no FUSE"
else
	base_repository
	publish_paused "$tmp/new"
	kill_publish
	# shellcheck disable=SC2046 # words
	ok "the client of the publisher's mount is dead" without_client "$bin/ducc-publish" -q -s "$S" -r $n $(cut -f1 "$tmp/new")
	ok "... and the repository is sound" publish_again
fi

# A transaction of somebody else's, after ours was killed: it is not for us to abort.
for change in no yes; do
	base_repository
	publish_paused "$tmp/new"
	kill_publish
	cvmfs_server abort -f $n
	cvmfs_server transaction $n
	[ $change = no ] || { mkdir -p "$spool/scratch/current"; : >"$spool/scratch/current/changed"; }
	# shellcheck disable=SC2046 # words
	fails "somebody else's transaction, with changes in it: $change" ducc-publish -s "$S" -r $n -w 1 $(cut -f1 "$tmp/new")
	like "... is waited for" "$(cat "$out")" "another transaction is open"
	ok "... and is still open" test -e "$spool/in_transaction.lock"
done

# It opens one while our command starts, which is about to report that.
for command in 'ducc-publish' 'ducc-gc --remove'; do
	for signal in TERM KILL; do
		base_repository
		cut -f1 "$tmp/$([ "$command" = ducc-publish ] && echo new || echo old)" >"$tmp/references"
		# shellcheck disable=SC2046,SC2086 # words
		CVMFS_STANDIN_PAUSE_OPEN=60 $command -s "$S" -r $n $(cat "$tmp/references") >"$tmp/said" 2>&1 &
		pid=$!
		ok "$command begins" wait_for test -e "$spool/paused"
		cvmfs_server transaction $n
		echo precious >"$R/precious"
		if [ $signal = TERM ]; then
			kill $pid
			rm "$spool/paused"
			wait $pid 2>/dev/null || :
			fails "... is not in doubt" grep 'may be that of an interrupted' "$tmp/said"
		else
			kill_publish
		fi
		# shellcheck disable=SC2046 # words
		fails "... SIG$signal: the transaction of somebody else" ducc-publish -s "$S" -r $n -w 1 $(cut -f1 "$tmp/new")
		like "... is waited for" "$(cat "$out")" "another transaction is open"
		ok "... and can be published" cvmfs_server publish $n
		is "... with what was done in it" "$(cat "$R/precious")" precious
		# shellcheck disable=SC2046 # words
		ok "... after which ducc continues" ducc-publish -q -s "$S" -r $n -w 60 $(cut -f1 "$tmp/new")
	done
done

# The removal of trees is killed, with its server: it is known to be ours although it reads no input.
base_repository
# shellcheck disable=SC2046 # words
CVMFS_STANDIN_PAUSE=60 ducc-gc -q -s "$S" -r $n --remove $(cut -f1 "$tmp/old") >"$tmp/said" 2>&1 &
pid=$!
ok "trees are being removed" wait_for test -e "$spool/paused"
ok "... in a transaction of ducc" wait_for noted
kill_publish
ok "... when all is killed it stays open" test -e "$spool/in_transaction.lock"
ok "... the next run aborts it and succeeds" publish
ok "... and the repository is sound" cvmfs_server check $n
ok "... with no transaction open" test ! -e "$spool/in_transaction.lock"

done_testing
