#!/bin/sh
# hook.cgi: takes notifications of registries for a web server, and keeps their records; see ducc-hook(1).
#
# In the environment, from the configuration of the web server:
#   DUCC_HOOK_SECRET    the file that holds the secret
#   DUCC_HOOK_SPOOL     the directory for the file `records`, and for `lock`, which guards it
#   DUCC_HOOK_REGISTRY  what the registry is called, as for ducc-hook -H; may be left out

set -eu
umask 027
limit=4194304

answer() { # STATUS: and that is all
	case $1 in
	204*) printf 'Status: %s\r\n\r\n' "$1" ;;
	*) printf 'Status: %s\r\nContent-Type: text/plain\r\n\r\n%s\n' "$1" "$1" ;;
	esac
	exit 0
}

# What the sender says is the secret: an Authorization header, or, less safe because URLs are
# logged, token= in the query.
given() {
	case ${HTTP_AUTHORIZATION-} in
	'Bearer '*) printf %s "${HTTP_AUTHORIZATION#Bearer }" ;;
	?*) printf %s "$HTTP_AUTHORIZATION" ;;
	*) printf '&%s&' "${QUERY_STRING-}" | sed -n 's/.*&token=\([^&]*\)&.*/\1/p' ;;
	esac
}

# Compares digests that nobody can foresee, so that the time it takes tells nothing.
same() { # TEXT TEXT
	nonce=$(head -c 32 /dev/urandom | sha256sum)
	[ "$(printf %s "$nonce$1" | sha256sum)" = "$(printf %s "$nonce$2" | sha256sum)" ]
}

# One writer at a time, and all or nothing of what it writes.
keep() { # RECORDS
	(
		flock 9 || exit 1
		size=$(stat -c %s "$spool/records" 2>/dev/null || echo 0)
		printf '%s\n' "$1" >>"$spool/records" || {
			truncate -s "$size" "$spool/records"
			exit 1
		}
	) 9>>"$spool/lock"
}

secret=$(cat "${DUCC_HOOK_SECRET:?}") && [ -n "$secret" ] || answer '500 Internal Server Error'
spool=${DUCC_HOOK_SPOOL:?}
export DUCC_STORE="$spool" # none is needed, but every tool wants to know one

same "$(given)" "$secret" || answer '403 Forbidden'
[ "${REQUEST_METHOD-}" = POST ] || answer '405 Method Not Allowed'
case ${CONTENT_LENGTH-} in
'' | *[!0-9]*) answer '411 Length Required' ;;
esac
[ ${#CONTENT_LENGTH} -le 9 ] && [ "$CONTENT_LENGTH" -le $limit ] || answer '413 Content Too Large'

status=0
records=$(head -c "$CONTENT_LENGTH" |
	ducc-hook -q ${DUCC_HOOK_REGISTRY:+-H "$DUCC_HOOK_REGISTRY"}) || status=$?
# One event that can't be read does not hold up the others, which the registry would send again and again.
case $status${records:+ and some} in
0* | '1 and some') ;;
1) answer '400 Bad Request' ;;
*) answer '500 Internal Server Error' ;;
esac
# Who may push to a registry may give it any name in his request: what that deletes is not his to say.
[ -n "${DUCC_HOOK_REGISTRY-}${DUCC_HOOK_ANY-}" ] ||
	records=$(printf '%s' "$records" | sed '/	event=delete/d')
[ -z "$records" ] || keep "$records" || answer '500 Internal Server Error'
answer '204 No Content'
