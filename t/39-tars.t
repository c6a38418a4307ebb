#!/bin/sh
# What ducc sees in a tar is what umoci sees, which reads it with Go's archive/tar as containerd, Docker and Podman do; or
# both refuse it; or ducc refuses it, for a reason that is known.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need jq umoci
[ "$(id -u)" = 0 ] || skip_all 'umoci needs root for owners and devices'

# Where ducc is stricter: extended headers that belong to no entry, numbers that do not fit.
strict='end after an extended header|extended header before a global one|[a-z]* with a NUL'
strict="$strict|malformed number|[ug]id -?[0-9]+ out of range"

# judge IMAGE: what umoci makes of it, in $tmp/want.
judge() {
	rm -rf "$tmp/want"
	touch -d '2 seconds ago' "$tmp/begin"
	umoci --log=fatal raw unpack --image "$tmp/tars:$1.judge" "$tmp/want" >"$tmp/judgement" 2>&1 || return
	touch "$tmp/end"
}

# implied: the directories of $tmp/want that have the time of the day, as those have that no tar names, and those above them.
implied() {
	find "$tmp/want" -type d -newer "$tmp/begin" ! -newer "$tmp/end" -printf '%P\0' |
		perl -0ne 'chomp; s/([^!-\[\]-~])/sprintf "\\%03o", ord $1/ge; print length $_ ? "$_\n" : ".\n"'
}

# same RECORD: the listing is that of umoci's tree, but for such times.
same() {
	implied >"$tmp/implied"
	listing=$tmp/store/images/$(pinned "$1").mtree
	set --
	while read -r path; do set -- "$@" -i "$path"; done <"$tmp/implied"
	"$top/t/treecmp" "$@" "$tmp/want" "$listing"
}

# agree IMAGE
agree() {
	record=$(grep "/$1:latest@" "$tmp/unpacked") || record=
	reason=$(grep -F "/$1:latest@" "$tmp/errors") || reason=
	if judge "$1"; then
		[ -n "$record" ] || { printf '%s\n' "$reason" | grep -qE "$strict" || { echo "$reason"; return 1; }; return 0; }
		same "$record"
	else
		[ -z "$record" ] || { echo "umoci refuses $1:"; cat "$tmp/judgement"; return 1; }
	fi
}

# all_agree: says which do not.
all_agree() {
	while read -r name; do
		agree "$name" >"$tmp/says" 2>&1 || { echo "$name:"; cat "$tmp/says"; }
	done <"$tmp/names" >"$tmp/disagreements"
	cat "$tmp/disagreements"
	[ ! -s "$tmp/disagreements" ]
}

# A fixed sequence of seeds: the test never fails by chance.
first=${MKTARS_SEED:-1}
for seed in $(seq "$first" $((first + $(amount 1 40) - 1))); do
	note "MKTARS_SEED=$seed"
	rm -rf "$tmp/tars" "$tmp/store"
	"$top/t/mktars" "$seed" "$(amount 500 500 100)" "$tmp/tars"
	jq -r '.manifests[].annotations[] | select(endswith(".judge") | not)' "$tmp/tars/index.json" >"$tmp/names"
	sed "s|^|oci:$tmp/tars:|" "$tmp/names" | xargs ducc-fetch -q -s "$tmp/store" >"$tmp/fetched"
	ducc-unpack -q -s "$tmp/store" <"$tmp/fetched" >"$tmp/unpacked" 2>"$tmp/errors" || :
	ok "seed $seed: tars are what umoci sees in them" all_agree
	ok '... most of them are good' test "$(grep -c /sound- "$tmp/unpacked")" = "$(grep -c sound- "$tmp/names")"
done

done_testing
