#!/bin/sh
# Credentials: where they come from, whom they are shown to, and what happens without.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"

make_image "$tmp/oci" app
creds=$registry_user:$registry_password
fetches=0
fetch() { # [VARIABLE=VALUE...] -- ARGUMENT...: fetch into a fresh store
	fetches=$((fetches + 1))
	fetch_env=$tmp/env-$fetches
	: >"$fetch_env"
	while [ "$1" != -- ]; do
		printf 'export %s\n' "$(printf %s "$1" | sed "s/'/'\\\\''/g; s/=/='/; s/\$/'/")" >>"$fetch_env"
		shift
	done
	shift
	(
		# shellcheck source=/dev/null
		. "$fetch_env"
		exec ducc-fetch -s "$tmp/store-$fetches" "$@"
	)
}
auths() { # HOST[/PATH] USER:PASSWORD ...: the JSON that container tools keep
	auths_json='{"auths":{}}'
	while [ $# -gt 0 ]; do
		auths_json=$(printf %s "$auths_json" |
			jq -c --arg h "$1" --arg c "$2" '.auths[$h] = {auth: ($c | @base64)}')
		shift 2
	done
	printf '%s\n' "$auths_json"
}

# Basic
start_registry htpasswd
basic=$registry
push "$tmp/oci:app" "$basic/team/app:1" --dest-creds "$creds"
push "$tmp/oci:app" "$basic/other/app:1" --dest-creds "$creds"
image=$basic/team/app:1
denied='(401|[Uu]nauthori[sz]ed|[Cc]redentials|[Dd]enied)'

fails "Basic: no credentials is an error" fetch -- "$image"
like "Basic: ... that names image and cause" "$(cat "$out")" "^ducc-fetch: .*$image.*: .*$denied"
is "Basic: ... in one line" "$(wc -l <"$out")" 1
fails "Basic: a wrong password is an error" \
	fetch DUCC_AUTH_REGISTRIES=r "DUCC_r_IDENT=$basic" DUCC_r_USER=user DUCC_r_PASS=wrong -- "$image"
like "Basic: ... that names image and cause" "$(cat "$out")" "^ducc-fetch: .*$image.*: .*$denied"
ok "DUCC_AUTH_REGISTRIES tells user and password" fetch DUCC_AUTH_REGISTRIES=r \
	"DUCC_r_IDENT=$basic" "DUCC_r_USER=$registry_user" "DUCC_r_PASS=$registry_password" -- "$image"
ok "... for the registry that IDENT names, of several" fetch DUCC_AUTH_REGISTRIES=a,b,c \
	DUCC_a_IDENT=example.org DUCC_a_USER=x DUCC_a_PASS=y \
	"DUCC_b_IDENT=$basic" "DUCC_b_USER=$registry_user" "DUCC_b_PASS=$registry_password" \
	DUCC_c_IDENT=example.com DUCC_c_USER=x DUCC_c_PASS=y -- "$image"
fails "... but not for another port of the same host" fetch DUCC_AUTH_REGISTRIES=r \
	"DUCC_r_IDENT=${basic%:*}:1" "DUCC_r_USER=$registry_user" "DUCC_r_PASS=$registry_password" -- "$image"
fails "... nor for a host whose name only begins the same" fetch DUCC_AUTH_REGISTRIES=r \
	"DUCC_r_IDENT=${basic%?}" "DUCC_r_USER=$registry_user" "DUCC_r_PASS=$registry_password" -- "$image"

auths "$basic" "$creds" >"$tmp/auth.json"
ok "REGISTRY_AUTH_FILE is read" fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" -- "$image"
mkdir -p "$tmp/run/containers" "$tmp/docker" "$HOME/.docker"
cp "$tmp/auth.json" "$tmp/run/containers/auth.json"
ok "XDG_RUNTIME_DIR/containers/auth.json is read" fetch "XDG_RUNTIME_DIR=$tmp/run" -- "$image"
cp "$tmp/auth.json" "$tmp/docker/config.json"
ok "DOCKER_CONFIG/config.json is read" fetch "DOCKER_CONFIG=$tmp/docker" -- "$image"
cp "$tmp/auth.json" "$HOME/.docker/config.json"
ok "HOME/.docker/config.json is read" fetch -- "$image"
rm "$HOME/.docker/config.json"
auths "http://$basic/v2/" "$creds" >"$tmp/auth.json"
ok "a registry may be written as a URL there" fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" -- "$image"

auths "$basic" user:wrong "$basic/team" "$creds" >"$tmp/auth.json"
ok "the entry of a path comes before the registry's" fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" -- "$image"
fails "... and holds for that path only" fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" -- "$basic/other/app:1"
auths "$basic/team" user:wrong "$basic/team/app" "$creds" >"$tmp/auth.json"
ok "... the longest path first" fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" -- "$image"
auths "$basic/te" "$creds" >"$tmp/auth.json"
fails "... whole components of it" fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" -- "$image"

for broken in '' '{' '[]' '{"auths":[]}' '{"auths":{"'"$basic"'":7}}' '{"auths":{"'"$basic"'":{"auth":7}}}' \
	'{"auths":{"'"$basic"'":{"auth":"@@@"}}}' '{"auths":{"'"$basic"'":{"auth":"bm9jb2xvbg=="}}}'; do
	printf %s "$broken" >"$tmp/auth.json"
	fails "no credentials in a file of: $broken" fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" -- "$image"
done

# Bearer
start_registry token
push "$tmp/oci:app" "$registry/public/app:1" --dest-creds "$creds"
push "$tmp/oci:app" "$registry/private/app:1" --dest-creds "$creds" 2>"$out"
: >"$nginx_log"
ok "Bearer: a public repository wants no credentials" fetch -- "$registry/public/app:1"
is "Bearer: ... and one token is enough for the whole image" "$(wc -l <"$nginx_log")" 1
fails "Bearer: a private one does" fetch -- "$registry/private/app:1"
like "Bearer: ... the error names image and cause" "$(cat "$out")" "^ducc-fetch: .*$registry/private/app:1.*: .*$denied"
fails "Bearer: a wrong password is an error" \
	fetch DUCC_AUTH_REGISTRIES=r "DUCC_r_IDENT=$registry" DUCC_r_USER=user DUCC_r_PASS=wrong -- "$registry/private/app:1"
like "Bearer: ... that names image and cause" "$(cat "$out")" "^ducc-fetch: .*$registry/private/app:1.*: .*$denied"
ok "Bearer: the right one opens it" fetch DUCC_AUTH_REGISTRIES=r "DUCC_r_IDENT=$registry" \
	"DUCC_r_USER=$registry_user" "DUCC_r_PASS=$registry_password" -- "$registry/private/app:1"
auths "$registry" "$creds" >"$tmp/auth.json"
: >"$nginx_log"
ok "Bearer: several repositories in one run" \
	fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" -- "$registry/public/app:1" "$registry/private/app:1"
is "Bearer: ... each with a token of its own" "$(sed 's/.*scope=\([^& ]*\).*/\1/; s/%3A/:/g; s,%2F,/,g' "$nginx_log" | sort -u | tr '\n' ' ')" \
	"repository:private/app:pull repository:public/app:pull "

# Secrets stay secret. Through a slow proxy, so that there is time to look at the command lines.
start_nginx <<END
server {
	@LISTEN@
	location / {
		proxy_pass http://$basic;
		proxy_set_header Host \$http_host;
		limit_rate 1m;
	}
}
END
auths "$nginx" "$creds" "$registry" "$creds" >"$tmp/auth.json"
REGISTRY_AUTH_FILE=$tmp/auth.json ducc-fetch -v -v -s "$tmp/store" "$nginx/team/app:1" \
	"$registry/private/app:1" >"$tmp/said" 2>&1 &
pid=$!
while kill -0 $pid 2>/dev/null; do
	cat /proc/[0-9]*/cmdline 2>/dev/null || :
done | tr "\0" " " >"$tmp/cmdlines"
ok "a run with -v -v succeeds" wait $pid
token=$(jq -r .token "$tmp/tokens/user/private_app")
secrets=$(printf '%s\n' "$registry_password" "$(printf %s "$creds" | base64 -w 0)" "$token")
is "no secret is in what it says" "$(grep -c -F "$secrets" "$tmp/said")" 0
is "... nor in any command line" "$(grep -c -F "$secrets" "$tmp/cmdlines")" 0
ok "... where the tool itself was seen" grep -q "ducc-fetch.*$nginx/team/app" "$tmp/cmdlines"
is "... nor in the store" "$(grep -r -l -F "$secrets" "$tmp/store" | wc -l)" 0

done_testing
