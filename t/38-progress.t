#!/bin/sh
# Progress on a terminal: the lines at its bottom, beside messages and records, and of several tools in a pipeline.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need docker-registry jq nginx perl script skopeo umoci
image_program=busybox
export TERM=xterm

start_registry open
open=$registry
for i in 1 2 3; do
	make_image "$tmp/oci" "app$i"
	mkdir "$tmp/layer$i"
	head -c $((i * 100000)) /dev/urandom >"$tmp/layer$i/random"
	add_layer "$tmp/oci:app$i" "$tmp/layer$i"
	push "$tmp/oci:app$i" "$registry/team/app$i:1.0"
done
slow_nginx() { # RATE: of each blob, after its first 20k
	start_nginx <<-END
		server {
			@LISTEN@
			location / { proxy_pass http://$open; proxy_set_header Host \$http_host; }
			location ~ /blobs/ {
				proxy_pass http://$open; proxy_set_header Host \$http_host;
				limit_rate_after 20k; limit_rate $1;
			}
		}
	END
}
slow_nginx 500k # the largest layer, which all images have, takes about two seconds
images="$nginx/team/app1:1.0 $nginx/team/app2:1.0 $nginx/team/app3:1.0"

# on_terminal COLUMNS COMMAND: run it with its standard output and error on a terminal of this width and 24 rows. What it
# has written is in $tmp/raw, what the terminal shows at the end in $tmp/screen, and what it showed in $tmp/shown.
on_terminal() {
	status=0
	script -qec "stty cols $1 rows 24; $2" /dev/null </dev/null >"$tmp/raw" 2>&1 || status=$?
	"$top/t/screen" "$1" 24 <"$tmp/raw" >"$tmp/screen"
	"$top/t/screen" -a "$1" 24 <"$tmp/raw" >"$tmp/shown"
}
# long_lines COLUMNS: of progress, those that reach the last column.
long_lines() {
	grep -E '^(ducc-[a-z]*: [0-9]+ of|  [a-z]+ing ) ' "$tmp/shown" | grep -cE "^.{$1}" || :
}
records() { # SCREEN: references of the records on it, without those parts that are wrapped
	sed -n "s,^http://\($nginx/team/app[0-9]:1.0\)@.*,\1,p" "$1" | sort | tr '\n' ' ' | sed 's/ $//'
}

on_terminal 80 "ducc-fetch -j 1 -s $tmp/fetched $nginx/team/none:1 $images"
is "an image that does not exist fails" "$status" 1
like "a line for the whole" "$(cat "$tmp/shown")" '^ducc-fetch: 1 of 4 images, [0-9]+ of [0-9]+ layers, [0-9.]+ of [0-9.]+ MB'
like "... with the rate and the time that is left" "$(cat "$tmp/shown")" '^ducc-fetch: .* MB, [0-9.]+ MB/s, [0-9]+:[0-9][0-9] left$'
like "... and one for each layer that comes" "$(cat "$tmp/shown")" '^  fetching   [0-9a-f]{12}  [ 0-9]{3} %  +[0-9.]+ of +[0-9.]+ MB  .*/team/app3:1.0$'
is "... none of which reaches the last column" "$(long_lines 80)" 0
is "at the end there are records" "$(records "$tmp/screen")" "$images"
is "... and the message, once" "$(grep -c '^ducc-fetch: ' "$tmp/screen")" 1
like "... which names the image" "$(cat "$tmp/screen")" "^ducc-fetch: $nginx/team/none:1: "
is "... and nothing of the progress" "$(grep -c -e ' %' -e ' of ' "$tmp/screen")" 0

long=a-very-long-name-of-a-repository
push "$tmp/oci:app3" "$open/team/$long:1.0"
on_terminal 80 "ducc-fetch -s $tmp/long http://$nginx/team/$long:1.0"
like "the end of a name that does not fit is left out last" "$(cat "$tmp/shown")" '^  fetching .* MB  a-very-long-name-of-[a-z-]*\.\.\.$'
is "... for no line to reach the last column" "$(long_lines 80)" 0

pinned="$nginx/team/app3@$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$open/team/app3:1.0")"
on_terminal 200 "ducc-fetch -s $tmp/wide $nginx/team/app1:1.0 $nginx/team/app2:1.0 $pinned"
like "on a wide terminal there are bars and whole names" "$(cat "$tmp/shown")" "^  fetching   [0-9a-f]{12}  [ 0-9]{3} %  +[0-9.]+ of +[0-9.]+ MB  \[=* *\]  $nginx/team/app2:1.0$"
like "... without digests" "$(cat "$tmp/shown")" "  $nginx/team/app3$"
is "... and no line reaches the last column" "$(long_lines 200)" 0
on_terminal 30 "ducc-fetch -s $tmp/narrow $nginx/team/app1:1.0 $nginx/team/app2:1.0"
like "on a narrow one there is less" "$(cat "$tmp/shown")" '^ducc-fetch: [0-9] of 2 images$'
is "... and no line reaches the last column" "$(long_lines 30)" 0
is "... and nothing is left" "$(grep -c -e ' %' -e ' of ' "$tmp/screen")" 0
rm -r "$tmp/narrow"
on_terminal 80 "stty rows 3; ducc-fetch -s $tmp/narrow $nginx/team/app1:1.0"
is "if it is flat, only the line for the whole" "$(grep -c '^  fetching' "$tmp/shown")" 0
for quiet in "TERM=dumb ducc-fetch" "ducc-fetch -q" "env -u TERM ducc-fetch"; do
	rm -r "$tmp/narrow"
	on_terminal 80 "$quiet -s $tmp/narrow $nginx/team/app3:1.0"
	is "with $quiet there is no progress" "$(tr -d '\r' <"$tmp/raw" | cut -d@ -f1)" "http://$nginx/team/app3:1.0"
done
rm -r "$tmp/narrow"
on_terminal 80 "ducc-fetch -s $tmp/narrow $nginx/team/app1:1.0 2>$tmp/said"
is "nor if standard error is a file" "$(cat "$tmp/said")" ""
is "... whatever standard output is" "$(records "$tmp/screen")" "$nginx/team/app1:1.0"
is "... and nothing is cleared" "$(grep -c "$(printf '\033')" "$tmp/raw")" 0

# Three tools: the terminal shows the progress of one at a time, and at the end what they have printed.
rm -r "$tmp/narrow"
on_terminal 80 "printf '%s\n' $images $nginx/team/none:1 | ducc-fetch -s $tmp/narrow | ducc-unpack -s $tmp/narrow | ducc-publish -s $tmp/narrow -r $tmp/r"
is "a pipeline" "$status" 0
is "... shows one line for the whole at a time" \
	"$(awk '/^--$/ { if (n > 1) bad++; n = 0 } /^ducc-[a-z]+: [0-9]+ of / { n++ } END { print bad + 0 }' "$tmp/shown")" 0
like "... of fetching" "$(cat "$tmp/shown")" '^ducc-fetch: [0-9]+ of 4 images, '
is "... none of which reaches the last column" "$(long_lines 80)" 0
is "... and at the end the records" "$(records "$tmp/screen")" "$images"
is "... and the message" "$(grep -c '^ducc-[a-z]*: ' "$tmp/screen")" 1
is "... and nothing of the progress" "$(grep -c -e ' %' -e ' of ' "$tmp/screen")" 0

# Publishing in CernVM-FS, whose server pauses before its commit until the terminal shows that, and that all is sent.
stand_in
n=test.example.org
cvmfs_server mkfs $n
paused=$tmp/sys/var/spool/cvmfs/$n/paused
# shellcheck disable=SC2086
ducc-unpack -q -s "$tmp/fetched" $images >"$tmp/records"
: >"$tmp/raw"
(wait_for grep -qE 'images, ([0-9]+) of \1 layers, ([0-9.]+) of \2 MB' "$tmp/raw" &&
	wait_for grep -q "committing $n  [1-9]" "$tmp/raw" && : >"$tmp/narrower" &&
	{ wait_for grep -q 'of 3 images[^,]' "$tmp/raw" || :; } && wait_for rm "$paused") &
on_terminal 80 "CVMFS_STANDIN_PAUSE=60 ducc-publish -s $tmp/fetched -r $n <$tmp/records &
	until [ -e $tmp/narrower ] || ! kill -0 \$!; do sleep 0.1; done; stty cols 30; wait \$!"
wait $!
is "three images are published" "$status" 0
like "... a line for the whole" "$(cat "$tmp/shown")" '^ducc-publish: 0 of 3 images, ([0-9]+) of \1 layers, ([0-9.]+) of \2 MB'
like "... which changes its size with the window" "$(cat "$tmp/shown")" '^ducc-publish: 0 of 3 images$'
like "... one for the commit, with its time" "$(cat "$tmp/shown")" "^  committing $n +[0-9]+ s$"
is "... none of which reaches the last column" "$(long_lines 80)" 0
is "... and at the end the records" "$(sed -n 's/ *state=added$//p' "$tmp/screen" | xargs)" "$images"
is "... and nothing of the progress" "$(grep -c -e committing -e ' of ' "$tmp/screen")" 0

# Killed by the terminal's interrupt: the lines go as well.
slow_nginx 1k
: >"$tmp/raw"
(wait_for grep -q '  fetching ' "$tmp/raw" && kill -INT "$(cat "$tmp/pid")") &
# The test may have been started in the background, where a shell ignores the signal.
on_terminal 80 "echo \$\$ >$tmp/pid; exec perl -e '\$SIG{INT} = \"DEFAULT\"; exec @ARGV' ducc-fetch -s $tmp/killed $nginx/team/app1:1.0"
wait $!
is "interrupted" "$status" 130
like "... while there is progress" "$(cat "$tmp/shown")" '^  fetching '
is "... nothing of it is left" "$(grep -c -e ' %' -e ' of ' "$tmp/screen")" 0

done_testing
