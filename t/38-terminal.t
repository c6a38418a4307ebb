#!/bin/sh
# Without operands, on a terminal: nobody will type records, so the tools print their usage.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need script

# on_terminal COMMAND: with its three standard streams on a terminal. Its output is in $tmp/said.
on_terminal() {
	status=0
	script -qec "$1" /dev/null </dev/null >"$tmp/raw" 2>&1 || status=$?
	tr -d '\r' <"$tmp/raw" >"$tmp/said"
}

S=$tmp/store
for tool in "fetch" "unpack" "publish -r $tmp/r" "thin -r $tmp/r" "wish" "hook" "gc -r $tmp/r" "gc -r $tmp/r --keep"; do
	on_terminal "timeout 60 ducc-$tool -s $S"
	is "ducc-$tool does not wait for records" "$status" 2
	like "... but says why" "$(head -n 1 "$tmp/said")" "^ducc-${tool%% *}: no operands, and standard input is a terminal"
	like "... and prints its usage" "$(cat "$tmp/said")" "^usage: ducc-${tool%% *} "
done
ok "... and has created nothing" test ! -e "$S" -a ! -e "$tmp/r"
on_terminal "timeout 60 ducc-fetch -s $S oci:$tmp/none"
is "with operands the terminal is not read" "$status" 1
on_terminal "timeout 60 ducc-fetch -s $S </dev/null"
is "... nor if standard input is something else" "$status" 0
on_terminal "echo | timeout 60 ducc-fetch -s $S"
is "... such as a pipe" "$status" 0
on_terminal "echo 'alpine:3.19' | timeout 60 ducc-wish -n -r x -"
like "a list from standard input" "$(cat "$tmp/said")" "library/alpine:3.19"

done_testing
