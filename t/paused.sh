# paused.sh: tools that stop at a system call, as if they were slow there. Source it after lib.sh.
# shellcheck shell=sh
# shellcheck disable=SC2154 # lib.sh sets what is not set here

# start_faulty FAULT COMMAND...: run it in the background, as $pid, with that fault (inject.h); its output is in $tmp/faulty.
start_faulty() {
	fault=$1
	shift
	env FAULT="$fault" LD_PRELOAD="$bin/t/preload-faults.so" ASAN_OPTIONS="verify_asan_link_order=0:$ASAN_OPTIONS" \
		"$@" >"$tmp/faulty" 2>&1 &
	pid=$!
}
state_of_process() { # of $pid; nothing if it has ended
	cut -d ' ' -f 3 "/proc/$pid/stat" 2>/dev/null || :
}
paused_or_ended() {
	case $(state_of_process) in T | Z | '') ;; *) false ;; esac
}

# paused: wait until $pid stops at its fault, or ends, which is no success.
paused() {
	wait_for paused_or_ended
	[ "$(state_of_process)" = T ]
}
