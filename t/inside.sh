# inside.sh: run the test that sources it, before anything else, in a mount namespace of its own, so that no mount outlives
# it; or skip the test where there can be none: in most places, only root may have one.
# shellcheck shell=sh

if [ "${1-}" != inside ]; then
	if no_namespace=$(unshare -m true 2>&1); then
		exec unshare -m "$0" inside
	fi
	echo "1..0 # SKIP no mount namespace: $no_namespace"
	exit 0
fi
