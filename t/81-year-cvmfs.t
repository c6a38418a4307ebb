#!/bin/sh
# A year of cron jobs that publish into CernVM-FS, or rather into a stand-in that has its habits.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=year.sh
. "${0%/*}/lib.sh"
. "${0%/*}/year.sh"

need busybox curl docker-registry jq nginx pkill skopeo umoci
[ $sanitized = 0 ] || only_in_soak "t/80-year-directory.t lives through the same year"

stand_in
cvmfs_server mkfs year.example.org
live_through year.example.org "$tmp/sys/cvmfs/year.example.org"
is_a_good_year "$tmp/sys/cvmfs/year.example.org"

done_testing
