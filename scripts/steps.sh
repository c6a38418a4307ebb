# steps.sh: the common part of scripts/check and scripts/soak: runs steps, each of which may fail without preventing
# the others, and prints a summary at the end. Sourced in the source tree.
# shellcheck shell=sh

steps_tmp=$(mktemp -d)
steps_start=$(date +%s)
steps_failed=
steps_beside=
steps_pid=
trap '[ -z "$steps_pid" ] || kill "$steps_pid"; rm -rf "$steps_tmp"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The awk of a new Debian, which accepts less than others that may be installed.
mkdir "$steps_tmp/bin"
[ ! -x /usr/bin/mawk ] || ln -s /usr/bin/mawk "$steps_tmp/bin/awk"
PATH=$steps_tmp/bin:$PATH

failed() { # COMMAND
	steps_failed="$steps_failed
	$1"
}

# step COMMAND...: run it, and save the times that prove prints.
step() {
	echo
	echo "=== $*"
	rm -f "$steps_tmp/failed"
	{ "$@" || : >"$steps_tmp/failed"; } | tee "$steps_tmp/out"
	awk -v step="$*" '/^\[/ { for (i = 3; i < NF; i++) if ($(i + 1) == "ms") print $i, $2, "(" step ")" }' \
		"$steps_tmp/out" >>"$steps_tmp/times"
	[ ! -e "$steps_tmp/failed" ] || failed "$*"
}

# in_memory COMMAND...: a step whose temporary files are in memory, where creating and removing them takes a third of the
# time, if there is a file system for that, with room and extended attributes.
in_memory() {
	memory=/dev/shm
	room=$(df -k --output=avail "$memory" 2>/dev/null | tail -n 1)
	if [ "${room:-0}" -gt 6000000 ] && [ "$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)" -gt 8000000 ] &&
		: >"$memory/ducc.$$" && setfattr -n user.test "$memory/ducc.$$" 2>/dev/null; then
		rm "$memory/ducc.$$"
		step env TMPDIR="$memory" "$@"
	else
		rm -f "$memory/ducc.$$"
		step "$@"
	fi
}

# beside COMMAND: run it at low priority, in parallel with the following steps.
beside() {
	steps_beside=$1
	nice "$1" >"$steps_tmp/beside" 2>&1 &
	steps_pid=$!
}

# build_all: both builds; warnings are errors. Without them, there is nothing to test.
build_all() {
	step make -s -B -j "$(nproc)" WERROR=1
	step make -s -j "$(nproc)" WERROR=1 SAN=1
	[ -z "$steps_failed" ] || finish
}

# finish: print the slowest tests and the failed steps, and exit.
finish() {
	if [ -n "$steps_beside" ]; then
		echo
		echo "=== $steps_beside"
		wait "$steps_pid" || failed "$steps_beside"
		steps_pid=
		cat "$steps_tmp/beside"
	fi
	echo
	echo '=== The slowest tests, in seconds'
	sort -rn "$steps_tmp/times" | head -n 10 | while read -r steps_ms steps_test; do
		printf '%5d  %s\n' $((steps_ms / 1000)) "$steps_test"
	done
	echo
	steps_took=$(($(date +%s) - steps_start))
	echo "It took $((steps_took / 60)) min $((steps_took % 60)) s."
	if [ -n "$steps_failed" ]; then
		echo "failed:$steps_failed"
		exit 1
	fi
	echo 'all is well'
	exit 0
}
