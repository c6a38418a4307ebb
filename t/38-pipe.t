#!/bin/sh
# Nobody reads what a tool prints any more, as after head(1): it ends by SIGPIPE without a word, like other tools; if
# that signal is ignored, with an error.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry jq skopeo umoci

S=$tmp/store
R=$tmp/repo
make_image "$tmp/oci" app
main_job "$S" "$R" "oci:$tmp/oci:app"
cut -f 1 "$tmp/published" >"$tmp/records"
cp -a "$R" "$tmp/broken"
rm "$tmp/broken/localhost/app:latest"

unread() { # DISPOSITION COMMAND...: its standard output is a pipe that has no reader
	status=0
	perl -e '$SIG{PIPE} = shift; pipe my $r, my $w or die; close $r; open STDOUT, ">&", $w or die; close $w; exec @ARGV' \
		"$@" <"$tmp/records" >"$tmp/stdout" 2>"$tmp/stderr" || status=$?
}
ends() { # COMMAND...
	unread DEFAULT "$@"
	is "$*: ends by SIGPIPE, without a word" "$status $(cat "$tmp/stderr")" "141 "
	unread IGNORE "$@"
	is "... or with an error" "$status $(cat "$tmp/stderr")" "1 $1: standard output: Broken pipe"
}
echo localhost/app:latest >"$tmp/list"
ends ducc-wish -r "$R" "$tmp/list"
ends ducc-fetch -s "$S" "oci:$tmp/oci:app"
ends ducc-unpack -s "$S"
ends ducc-publish -s "$S" -r "$R"
ends ducc-thin -s "$S" -r "$R"
for form in '' -c --json; do
	# shellcheck disable=SC2086
	ends ducc-ls $form -s "$S" -r "$R"
done
ends ducc-check -r "$tmp/broken"
ends ducc-check --repair -q -r "$tmp/broken"
perl -pi -e 's/.*/localhost\/app:latest/' "$tmp/records"
cp -a "$R" "$tmp/removed"
unread DEFAULT ducc-gc -s "$S" -r "$tmp/removed" --remove -g 0
is "ducc-gc ends by SIGPIPE" "$status $(cat "$tmp/stderr")" "141 "
ok "... but not before its work is done" test ! -e "$tmp/removed/.flat"

# The number of a standard descriptor that is closed is not that of another file.
closed() { # SCRIPT COMMAND...: with redirections of the script
	status=0
	sh -c "exec \"\$@\" $1" "$@" 2>"$tmp/stderr" || status=$?
}
closed '>&-' ducc-fetch -q -s "$S" --failed "$tmp/failed" -N "$tmp/events" "oci:$tmp/oci:app"
is "without standard output" "$status $(cat "$tmp/stderr")" "1 ducc-fetch: standard output: Bad file descriptor"
is "... nothing is printed into a file" "$(cat "$tmp/failed") $(grep -c '^http' "$tmp/events")" " 0"
closed '<&-' ducc-fetch -q -s "$S" -N "$tmp/events"
is "without standard input" "$status $(cat "$tmp/stderr")" "1 ducc-fetch: standard input: Bad file descriptor"
ducc-fetch -q -s "$tmp/quiet" "oci:$tmp/oci:app" >"$out"
closed '>&- 2>&-' ducc-unpack -vv -s "$tmp/quiet" "$(cut -f 1 "$out")"
is "without standard error, there is a status" "$status" 1
is "... and no message in a file of the store" "$(grep -rla 'ducc-unpack: ' "$tmp/quiet" | sed "s|^$tmp/||")" ""

# What was done before a signal is printed.
stand_in
cvmfs_server mkfs t.example.org >"$out"
main_job "$S" t.example.org "oci:$tmp/oci:app"
mkdir "$tmp/signals"
printf '%s\n' '#!/bin/sh' "'$tmp/bin/cvmfs_server' \"\$@\" || exit" 'case $1 in ingest | publish) kill -TERM $PPID ;; esac' \
	>"$tmp/signals/cvmfs_server"
chmod +x "$tmp/signals/cvmfs_server"
status=0
PATH=$tmp/signals:$PATH ducc-gc --remove -g 0 -q -r t.example.org localhost/app:latest >"$tmp/list" 2>"$tmp/stderr" || status=$?
is "a signal after something was removed" "$status" 143
is "... which is printed" "$(cat "$tmp/list")" localhost/app:latest
ok "... and has been" test ! -e "$tmp/sys/cvmfs/t.example.org/localhost"

# ducc-convert does what it has to, and remembers it.
start_registry open
for i in 1 2; do push "$tmp/oci:app" "$registry/app:$i"; done
printf '%s\n' "$registry/app:1" "$registry/app:2" >"$tmp/list"
unread DEFAULT "$top/scripts/ducc-convert" -T -G -s "$S" -r "$tmp/new" "$tmp/list"
is "ducc-convert says so at the end" "$status $(tail -n 1 "$tmp/stderr")" "1 ducc-convert: standard output: Broken pipe"
is "... and has published all" "$(cd "$tmp/new/$registry" && echo *)" "app:1 app:2"
is "... of which none fails" "$(grep -c failing= "$S"/wishes/*)" 0

done_testing
