# kill.sh: kill -9 at random moments. Sourced after lib.sh.
# KILL_SEED repeats a run's moments, KILLS changes their number, 15, or 300 with $SOAK.
# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # lib.sh sets what is not set here, tests use what is not used

kills=${KILLS:-$(amount 15 300 12)}
seed=$(random_seed "${KILL_SEED-}")
note "KILL_SEED=$seed KILLS=$kills"
wrong=$tmp/wrong

# Each moment is a fraction of the time that an undisturbed run takes.
perl -e 'srand shift; printf "%.4f\n", rand for 1 .. 9999' "$seed" >"$tmp/moments"
exec 5<"$tmp/moments"
duration() { # COMMAND...: seconds
	perl -MTime::HiRes=time -e 'open my $out, ">&", \*STDOUT; open STDOUT, ">", "/dev/null";
		my $t = time; system(@ARGV) == 0 or exit 1; printf $out "%.4f\n", time - $t' "$@"
}
# strike SECONDS COMMAND...: start it, kill it at a random moment of the time given; false if it had ended
strike() {
	read -r moment <&5
	perl -e 'my ($moment, $duration) = splice @ARGV, 0, 2;
		defined(my $pid = fork) or die;
		if (!$pid) { exec @ARGV or exit 127 }
		select undef, undef, undef, $moment * $duration;
		kill 9, $pid;
		waitpid $pid, 0;
		exit(($? & 127) == 9 ? 0 : 1)' "$moment" "$@" >"$tmp/struck" 2>&1
}
# wrecks SECONDS COUNT PREPARE INSPECT FINISH COMMAND...: kill the command COUNT times; each time, PREPARE
# comes before, INSPECT looks at what is left and FINISH runs it again and looks at what comes out.
wrecks() {
	w_seconds=$1 w_count=$2 w_prepare=$3 w_inspect=$4 w_finish=$5
	shift 5
	: >"$wrong"
	killed=0 tried=0
	while [ $killed -lt "$w_count" ] && [ $tried -lt $((w_count * 5)) ]; do
		tried=$((tried + 1))
		$w_prepare
		if strike "$w_seconds" "$@"; then
			killed=$((killed + 1))
		fi
		$w_inspect >"$out" 2>&1 || { echo "try $tried, killed at $moment of $w_seconds s:"; cat "$out"; } >>"$wrong"
		$w_finish >"$out" 2>&1 || { echo "try $tried, killed at $moment of $w_seconds s, run again:"; cat "$out"; } >>"$wrong"
	done
	[ $killed = "$w_count" ] || echo "# only $killed of $tried were killed before they had ended"
}
# abort_if_told FILE: an operator reads this output of ducc, and does what it says about a transaction that is still open
abort_if_told() {
	! grep -q 'may be that of an interrupted ducc.*cvmfs_server abort -f' "$1" || cvmfs_server abort -f "$n"
}
# kill_server SECONDS COMMAND...: run it, and kill the server that it runs, with the note in $spool, at a random moment
kill_server() {
	read -r moment <&5
	k_seconds=$1
	shift
	perl -e 'my ($seconds, $spool, @command) = @ARGV;
		defined(my $pid = fork) or die;
		if (!$pid) { exec @command or exit 127 }
		select undef, undef, undef, $seconds;
		if (open my $note, "<", "$spool/ducc.transaction") {
			my ($group) = split / /, <$note> // "0";
			kill 9, $group if $group > 1;
		}
		waitpid $pid, 0;' "$(echo "$moment $k_seconds" | awk '{ print $1 * $2 }')" "$spool" "$@" >"$tmp/struck" 2>&1
}
