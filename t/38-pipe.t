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

# ducc-convert does what it has to, and remembers it.
start_registry open
for i in 1 2; do push "$tmp/oci:app" "$registry/app:$i"; done
printf '%s\n' "$registry/app:1" "$registry/app:2" >"$tmp/list"
unread DEFAULT "$top/scripts/ducc-convert" -T -G -s "$S" -r "$tmp/new" "$tmp/list"
is "ducc-convert says so at the end" "$status $(tail -n 1 "$tmp/stderr")" "1 ducc-convert: standard output: Broken pipe"
is "... and has published all" "$(cd "$tmp/new/$registry" && echo *)" "app:1 app:2"
is "... of which none fails" "$(grep -c failing= "$S"/wishes/*)" 0

done_testing
