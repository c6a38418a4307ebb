#!/bin/sh
# Lines that are no records: each tool reports each, with its number, and works on the others.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need jq umoci

S=$tmp/store
R=$tmp/repo
make_image "$tmp/oci" app
main_job "$S" "$R" "oci:$tmp/oci:app"
good=$(cut -f 1 "$tmp/published")
long() { # a line that is longer than any record, without its end
	head -c 3000000 /dev/zero | tr '\0' a
}
{
	printf '%s\n' "# comment" "" "$good"
	printf 'alpine\tx\n'
	printf 'alpine\tx=1\tx=2\n'
	printf '\tx=y\n'
	printf 'alp\001ine\n'
	printf 'alpine\tk=a\033b\n'
	printf '%s\n' "$good"
	printf 'https://\n'
	printf '//\n'
	printf 'x\0y\n'
	long
	echo
	printf '%s\n' "$good"
	printf 'alpine\tx'
} >"$tmp/input"
input() { # TOOL ARGUMENT...
	status=0
	"$@" -s "$S" -r "$R" <"$tmp/input" >"$tmp/stdout" 2>"$tmp/stderr" || status=$?
	cat "$tmp/stdout" "$tmp/stderr"
	[ $status = 1 ]
}
for tool in ducc-fetch ducc-unpack ducc-publish ducc-thin; do
	if [ $tool = ducc-fetch ]; then
		sed -i "s,^http://localhost/app.*,oci:$tmp/oci:app," "$tmp/input"
	else
		sed -i "s,^oci:.*,$good," "$tmp/input"
	fi
	ok "$tool: malformed lines" input $tool
	is "$tool: ... each by its number" "$(sed -n "s/^$tool: standard input: line \([0-9]*\): .*/\1/p" "$tmp/stderr" | xargs)" \
		"4 5 6 7 8 12 13 15"
	is "$tool: ... or its reference" "$(sed "/: line [0-9]*: /d; /: warning: /d; s/^$tool: //; s/: .*//" "$tmp/stderr" | sort | xargs)" "// https://"
	is "$tool: ... the others go on" "$(cut -f 1 "$tmp/stdout")" "# comment

$good
$good
$good"
done
ok "ducc-gc: malformed lines" input ducc-gc --keep
is "ducc-gc: ... each by its number" "$(sed -n "s/^ducc-gc: standard input: line \([0-9]*\): .*/\1/p" "$tmp/stderr" | xargs)" "4 5 6 7 8 12 13 15"
is "ducc-gc: ... it prints what it removes" "$(cat "$tmp/stdout")" ""
ok "... of which nothing is removed" test -e "$R/localhost/app:latest"

{ echo "$good"; long; } >"$tmp/input"
ok "a line that is too long, and has no end" input ducc-unpack
is "... it is reported once" "$(cat "$tmp/stdout" "$tmp/stderr")" "$good
ducc-unpack: standard input: line 2: record is too long"

done_testing
