#!/bin/sh
# hook.cgi: receive notifications of registries on a web server, and store their records; see ducc-hook(1).
#
# Environment, from the configuration of the web server:
#   DUCC_HOOK_SECRET    the file that contains the secret
#   DUCC_HOOK_SPOOL     the directory for the files `records.TIME`, and for the lock file, `lock`
#   DUCC_HOOK_REGISTRY  the name of the registry, as for ducc-hook -H; optional

set -eu
umask 027
PATH=$PATH:$(dirname "$(readlink -f "$0")")/../../bin
limit=4194304

answer() { # STATUS: send it and exit
	case $1 in
	204*) printf 'Status: %s\r\n\r\n' "$1" ;;
	*) printf 'Status: %s\r\nContent-Type: text/plain\r\n\r\n%s\n' "$1" "$1" ;;
	esac
	exit 0
}

# Print the secret in the request: from the Authorization header, or from token= in the query, which
# is less safe because URLs are logged.
given() {
	case ${HTTP_AUTHORIZATION-} in
	'Bearer '*) printf %s "${HTTP_AUTHORIZATION#Bearer }" ;;
	?*) printf %s "$HTTP_AUTHORIZATION" ;;
	*) printf '&%s&' "${QUERY_STRING-}" | sed -n 's/.*&token=\([^&]*\)&.*/\1/p' ;;
	esac
}

# Compare unpredictable digests, so that timing does not reveal the secret.
same() { # TEXT TEXT
	nonce=$(head -c 32 /dev/urandom | sha256sum)
	[ "$(printf %s "$nonce$1" | sha256sum)" = "$(printf %s "$nonce$2" | sha256sum)" ]
}

# Keep the records in a file of their own, whose name sorts after those of earlier ones: all of them or none, and after the answer
# even if the machine crashes.
keep() { # RECORDS
	(
		flock 9 || exit 1
		printf '%s\n' "$1" >"$spool/writing" && sync "$spool/writing" &&
			mv "$spool/writing" "$spool/records.$(date +%s.%N)" && sync "$spool" || {
			rm -f "$spool/writing"
			exit 1
		}
	) 9>>"$spool/lock"
}

secret=$(cat "${DUCC_HOOK_SECRET:?}") && [ -n "$secret" ] || answer '500 Internal Server Error'
spool=${DUCC_HOOK_SPOOL:?}
export DUCC_STORE="$spool" # unused, but every tool requires a store

same "$(given)" "$secret" || answer '403 Forbidden'
[ "${REQUEST_METHOD-}" = POST ] || answer '405 Method Not Allowed'
case ${CONTENT_LENGTH-} in
'' | *[!0-9]*) answer '411 Length Required' ;;
esac
[ ${#CONTENT_LENGTH} -le 9 ] && [ "$CONTENT_LENGTH" -le $limit ] || answer '413 Content Too Large'

status=0
records=$(head -c "$CONTENT_LENGTH" |
	ducc-hook -q ${DUCC_HOOK_REGISTRY:+-H "$DUCC_HOOK_REGISTRY"}) || status=$?
# An invalid event must not hold up the others, which the registry would send again and again.
case $status${records:+ and some} in
0* | '1 and some') ;;
1) answer '400 Bad Request' ;;
*) answer '500 Internal Server Error' ;;
esac
# Anyone who may push can send the registry a request with a forged host name, so without a configured name
# ignore deletions.
[ -n "${DUCC_HOOK_REGISTRY-}${DUCC_HOOK_ANY-}" ] ||
	records=$(printf '%s' "$records" | sed '/	event=delete/d')
[ -z "$records" ] || keep "$records" || answer '500 Internal Server Error'
answer '204 No Content'
