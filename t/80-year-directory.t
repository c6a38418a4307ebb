#!/bin/sh
# A year of cron jobs that publish into a directory.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=podman.sh source=year.sh
. "${0%/*}/lib.sh"
. "${0%/*}/podman.sh"
. "${0%/*}/year.sh"

need curl docker-registry jq nginx pkill skopeo umoci
need_podman
live_through "$tmp/repo" "$tmp/repo"
is_a_good_year "$tmp/repo"

done_testing
