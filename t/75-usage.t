#!/bin/sh
# ducc-convert with wrong usage and unusable places: the cause is named, and nothing is left that says an image fails.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need setpriv

S=$tmp/store
list=$tmp/list
echo http://127.0.0.1:1/none >"$list"
convert() { # STATUS ARGUMENT...
	want=$1 status=0
	shift
	"$top/scripts/ducc-convert" -T "$@" >"$out" 2>&1 || status=$?
	[ $status = "$want" ]
}
misused() { # CAUSE ARGUMENT...
	cause=$1
	shift
	ok "wrong usage: $*" convert 2 -s "$S" "$@" "$list"
	"$top/scripts/ducc-convert" -T -s "$S" "$@" "$list" >"$tmp/said" 2>&1 || :
	like "... is named" "$(head -n 1 "$tmp/said")" "^ducc-convert: $cause"
	ok "... and leaves nothing" test ! -e "$S"
}
misused '--limit: invalid argument: TYPO$' -r "$tmp/repo" -l TYPO
misused '--limit: invalid argument: layers=many$' -r "$tmp/repo" -l depth=9 -l layers=many
misused '--grace: invalid argument: long$' -r "$tmp/repo" -g long
misused '--max-share: invalid argument: 101$' -r "$tmp/repo" -m 101
misused 'repository a.b/c: subdirectories of CernVM-FS repositories' -r a.b/c
misused 'repository /cvmfs/x: CernVM-FS is written by name' -r /cvmfs/x
misused 'repository a b: neither a directory' -r 'a b'

# What cannot be written is named with the cause.
unusable() { # PATH CAUSE COMMAND...
	path=$1 cause=$2
	shift 2
	fails "$path cannot be used" "$@"
	like "... for that reason" "$(cat "$out")" "^ducc-convert: (store: )?$path: $cause"
}
: >"$tmp/file"
unusable "$tmp/file" 'not a directory' "$top/scripts/ducc-convert" -r "$tmp/repo" -s "$tmp/file/store" "$list"
for name in locks wishes; do
	rm -rf "$S"
	mkdir "$S"
	: >"$S/$name"
	[ $name = locks ] || mkdir "$S/locks"
	unusable "$S/$name" 'File exists' "$top/scripts/ducc-convert" -r "$tmp/repo" -s "$S" "$list"
done
rm -rf "$S"
unusable "$tmp/no" 'No such file or directory' env TMPDIR="$tmp/no" "$top/scripts/ducc-convert" -r "$tmp/repo" -s "$S" "$list"
if [ "$(id -u)" = 0 ]; then
	chmod 755 "$tmp"
	mkdir -p "$S/locks" "$S/wishes"
	chmod -R 755 "$S"
	unusable "$S/locks/$(readlink -m "$list" | head -c -1 | sha256sum | cut -c 1-16)" 'Permission denied' \
		setpriv --reuid 12345 --regid 12345 --clear-groups "$top/scripts/ducc-convert" -r "$tmp/repo" -s "$S" "$list"
fi

done_testing
