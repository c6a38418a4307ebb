# convert.sh: what the tests of ducc-convert share: a store, a repository and a registry, and a clock. Source it after lib.sh.
#
# Sets $S, $R and $L, an OCI layout that is still to be made, and starts $registry. What ducc-convert leaves in its temporary
# directory is in $TMPDIR.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # the tests use these variables; lib.sh sets those

S=$tmp/store
L=$tmp/layout
R=$tmp/repo
TMPDIR=$tmp/work DUCC_STORE=$S DUCC_REPO=$R
export TMPDIR DUCC_STORE DUCC_REPO
mkdir "$TMPDIR"
start_registry open

# hour NUMBER: it is that hour, of those since 2027-01-15T08:00:00Z.
hour() {
	DUCC_CLOCK=$((1800000000 + $1 * 3600))
	export DUCC_CLOCK
}

# converts STATUS ARGUMENT...: ducc-convert without thin images exits so; its output is in $tmp/said, its errors in $tmp/errors.
converts() {
	want=$1 status=0
	shift
	timeout 100 "$top/scripts/ducc-convert" -T "$@" >"$tmp/said" 2>"$tmp/errors" || status=$?
	[ $status = "$want" ] || { cat "$tmp/said" "$tmp/errors"; return 1; }
}
