#!/bin/sh
# Credentials: where they come from, whom they are shown to, and what happens without.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry htpasswd jq nginx openssl script setsid skopeo umoci

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

make_token_of_server() { # REPOSITORY: one that may pull, from the token server that was started last
	curl -sS --user "$creds" "http://127.0.0.1:$(cat "$tokens/port")/token?scope=repository:$1:pull" | jq -r .token
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

# A login that stays
if command -v podman >/dev/null; then
	mkdir "$tmp/etc"
	sed -n 's/^# \(podman login\|echo REGISTRY_AUTH\)/\1/p' "$top/man/ducc-fetch.1" | sed "s,/etc/ducc,$tmp/etc,g; s,registry[.]example[.]org,$basic,
		s,login,& --tls-verify=false -u $registry_user --password-stdin," >"$tmp/login"
	ok "a login in a file of its own" sh -e "$tmp/login" <<-END
		$registry_password
	END
	ok "... is that of services" env -i PATH="$PATH" HOME="$tmp/home" "$(cat "$tmp/etc/environment")" \
		ducc-fetch -s "$tmp/store-login" "$image"
	is "... all of which read it" "$(grep -L '^EnvironmentFile=-/etc/ducc/environment$' "$top"/scripts/examples/*.service)" ""
fi

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
clear_log "$nginx_log"
ok "Bearer: a public repository wants no credentials" fetch -- "$registry/public/app:1"
is "Bearer: ... and one token is enough for the whole image" "$(requests | wc -l)" 1
fails "Bearer: a private one does" fetch -- "$registry/private/app:1"
like "Bearer: ... the error names image and cause" "$(cat "$out")" "^ducc-fetch: .*$registry/private/app:1.*: .*$denied"
fails "Bearer: a wrong password is an error" \
	fetch DUCC_AUTH_REGISTRIES=r "DUCC_r_IDENT=$registry" DUCC_r_USER=user DUCC_r_PASS=wrong -- "$registry/private/app:1"
like "Bearer: ... that names image and cause" "$(cat "$out")" "^ducc-fetch: .*$registry/private/app:1.*: .*$denied"
ok "Bearer: the right one opens it" fetch DUCC_AUTH_REGISTRIES=r "DUCC_r_IDENT=$registry" \
	"DUCC_r_USER=$registry_user" "DUCC_r_PASS=$registry_password" -- "$registry/private/app:1"
auths "$registry" "$creds" >"$tmp/auth.json"
clear_log "$nginx_log"
ok "Bearer: several repositories in one run" \
	fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" -- "$registry/public/app:1" "$registry/private/app:1"
is "Bearer: ... each with a token of its own" "$(requests | sed 's/.*scope=\([^& ]*\).*/\1/; s/%3A/:/g; s,%2F,/,g' | sort -u | tr '\n' ' ')" \
	"repository:private/app:pull repository:public/app:pull "

# What a token server grants, and for how long
start_registry tokens
push "$tmp/oci:app" "$registry/private/app:1" --dest-creds "$creds"
push "$tmp/oci:app" "$registry/public/app:1" --dest-creds "$creds"
: >"$tokens/log"
ok "an image of a token server that signs on demand" fetch "DUCC_AUTH_REGISTRIES=r" "DUCC_r_IDENT=$registry" \
	"DUCC_r_USER=$registry_user" "DUCC_r_PASS=$registry_password" -- "$registry/private/app:1"
is "... with one token for all that is transferred" "$(cat "$tokens/log")" \
	"GET repository:private/app:pull Basic 200 OK"
echo 1 >"$tokens/says"
: >"$tokens/log"
clear_log "$registry_log"
ok "tokens that are over at once" fetch "DUCC_AUTH_REGISTRIES=r" "DUCC_r_IDENT=$registry" \
	"DUCC_r_USER=$registry_user" "DUCC_r_PASS=$registry_password" -- "$registry/private/app:1"
ok "... are renewed" test "$(grep -c 'Basic 200 OK' "$tokens/log")" -gt 2
is "... before the registry refuses them" "$(read_log "$registry_log" | grep -c '" 401 ')" 1
rm "$tokens/says"

jq -nc --arg h "$registry" --arg t "$(cat "$tokens/identity")" \
	'{auths: {($h): {auth: ("<token>:" | @base64), identitytoken: $t}}}' >"$tmp/auth.json"
: >"$tokens/log"
ok "an identity token is exchanged for others" fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" -- "$registry/private/app:1"
is "... once, by POST" "$(cat "$tokens/log")" "POST repository:private/app:pull refresh_token 200 OK"
jq -nc --arg h "$registry" --arg t "$(make_token_of_server private/app)" \
	'{auths: {($h): {registrytoken: $t}}}' >"$tmp/auth.json"
: >"$tokens/log"
ok "a token for the registry is used as it is" fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" -- "$registry/private/app:1"
is "... without any other" "$(cat "$tokens/log")" ""

: >"$tokens/strict"
auths "$registry" "$registry_user:wrong" >"$tmp/auth.json"
: >"$tokens/log"
ok "a public image can be had though the credentials are wrong" \
	fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" -- "$registry/public/app:1"
like "... with a warning" "$(cat "$out")" "^ducc-fetch: warning: $registry/public/app:1: $registry/public/app: credentials refused; continuing anonymously"
is "... when the token server has refused them" "$(cut -d' ' -f3- "$tokens/log" | tr '\n' ' ')" "Basic 401 Unauthorized - 200 OK "
fails "... but no private one" fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" -- "$registry/private/app:1"

# Credential helpers
mkdir -p "$tmp/helpers"
cat >"$tmp/helpers/docker-credential-test" <<END
#!/bin/sh
read -r server
echo "\$1 \$server" >>"$tmp/helpers/log"
case \$server in
"$registry") printf '{"ServerURL":"%s","Username":"%s","Secret":"%s"}\n' "\$server" "$registry_user" "\$(cat "$tmp/helpers/secret")" ;;
*) echo "credentials not found in native keychain"; exit 1 ;;
esac
END
cat >"$tmp/helpers/docker-credential-token" <<END
#!/bin/sh
printf '{"Username":"<token>","Secret":"%s"}\n' "\$(cat "$tokens/identity")"
END
printf '#!/bin/sh\necho no idea\nexit 1\n' >"$tmp/helpers/docker-credential-broken"
chmod +x "$tmp"/helpers/docker-credential-*
printf %s "$registry_password" | jq -Rsr 'tojson[1:-1]' >"$tmp/helpers/secret"
helped() { # JSON ARGUMENT...: fetch with that as the file with credentials
	printf '%s\n' "$1" >"$tmp/auth.json"
	shift
	fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" "PATH=$tmp/helpers:$PATH" -- "$@"
}
ok "a helper for one registry is asked" helped '{"credHelpers":{"'"$registry"'":"test"}}' \
	"$registry/private/app:1" "$registry/public/app:1"
is "... once" "$(cat "$tmp/helpers/log")" "get $registry"
ok "a helper for all is asked" helped '{"credsStore":"test"}' "$registry/private/app:1"
ok "a helper comes before what is in the file" \
	helped "$(auths "$registry" user:wrong | jq -c --arg h "$registry" '.credHelpers[$h] = "test"')" "$registry/private/app:1"
ok "what is in the file comes before a helper for all" \
	helped "$(auths "$registry" "$creds" | jq -c '.credsStore = "broken"')" "$registry/private/app:1"
ok "a helper may have an identity token" helped '{"credsStore":"token"}' "$registry/private/app:1"
ok "a helper that has nothing is no error" helped '{"credsStore":"test"}' "localhost:${registry#*:}/public/app:1"
cat >"$tmp/helpers/docker-credential-env" <<'END'
#!/bin/sh
env >"${0%/*}/environment"
exec "${0%-env}-test" "$@"
END
chmod +x "$tmp/helpers/docker-credential-env"
ok "a helper sees the environment" helped '{"credsStore":"env"}' "$registry/private/app:1"
like "... as it is" "$(cat "$tmp/helpers/environment")" "^HOME=$HOME"
printf '%s\n' '{"credsStore":"env"}' >"$tmp/auth.json"
ok "... but for passwords that are not its own" fetch "REGISTRY_AUTH_FILE=$tmp/auth.json" "PATH=$tmp/helpers:$PATH" DUCC_AUTH_REGISTRIES=o \
	DUCC_o_IDENT=example.org DUCC_o_USER=x "DUCC_o_PASS=$registry_password" "DUCC_OUTPUT_REGISTRY_PASS=$registry_password" -- "$registry/private/app:1"
is "... of which it sees nothing" "$(grep -c _PASS= "$tmp/helpers/environment") $(grep -c _USER= "$tmp/helpers/environment")" "0 1"
fails "a helper that fails is one" helped '{"credsStore":"broken"}' "$registry/private/app:1"
like "... that says so" "$(cat "$out")" 'private/app:1: .*docker-credential-broken: exit status 1'
fails "one that isn't there, too" helped '{"credsStore":"nowhere"}' "$registry/private/app:1"
like "... that says so" "$(cat "$out")" 'docker-credential-nowhere: No such file'
is "... which does not mean that the image does not exist" "$(grep -c 'app:1: does not exist' "$out")" 0
env "DUCC_AUTH_REGISTRIES=r" "DUCC_r_IDENT=$registry" "DUCC_r_USER=$registry_user" "DUCC_r_PASS=$registry_password" \
	ducc-fetch -q -s "$tmp/kept" "$registry/private/app:1" >"$tmp/out"
fails "... is not gone if its registry cannot be asked" env "REGISTRY_AUTH_FILE=$tmp/auth.json" \
	ducc-ls -S -s "$tmp/kept" --remote "$registry/private/app:1"
like "... but unknown" "$(cat "$out")" '	current=unknown'
fails "a helper is no path" helped '{"credsStore":"/../../bin/sh"}' "$registry/private/app:1"
like "... which is said" "$(cat "$out")" 'invalid credential helper name'

# A helper that never answers, and the processes that it starts
cat >"$tmp/helpers/docker-credential-hanging" <<END
#!/bin/sh
echo asked >>"$tmp/helpers/hung"
echo \$\$ >>"$tmp/helpers/pids"
sleep 1000 &
echo \$! >>"$tmp/helpers/pids"
wait
END
# One that closes its output, and one that does not react to SIGTERM
cat >"$tmp/helpers/docker-credential-closing" <<END
#!/bin/sh
exec >&-
. "$tmp/helpers/docker-credential-hanging"
END
cat >"$tmp/helpers/docker-credential-deaf" <<END
#!/bin/sh
trap '' TERM
. "$tmp/helpers/docker-credential-hanging"
END
chmod +x "$tmp"/helpers/docker-credential-*
helpers_gone() { # all that a helper has started
	while read -r helper_pid; do
		case $(sed 's/.*) //; s/ .*//' "/proc/$helper_pid/stat" 2>/dev/null) in
		'' | Z) ;;
		*) return 1 ;;
		esac
	done <"$tmp/helpers/pids"
}
helper_runs() {
	[ "$(wc -l <"$tmp/helpers/pids")" = 2 ]
}
silent() { # HELPER COMMAND...: with that helper for all registries, and without a terminal
	printf '{"credsStore":"%s"}\n' "$1" >"$tmp/auth.json"
	: >"$tmp/helpers/hung"
	: >"$tmp/helpers/pids"
	shift
	env "REGISTRY_AUTH_FILE=$tmp/auth.json" "PATH=$tmp/helpers:$PATH" setsid -w timeout -k 1 30 "$@"
}
for helper in hanging closing deaf; do
	fails "a helper that never answers ($helper) is waited for as long as the image may take" \
		silent "$helper" ducc-fetch -l time=5 -s "$tmp/hung" "$registry/private/app:1"
	like "... and named" "$(cat "$out")" \
		"^ducc-fetch: warning: $registry/private/app:1: docker-credential-$helper: no answer for $registry: .*-l time=N"
	ok "... and ended" wait_for helpers_gone
done
fails "... but not longer than for a transfer that stalls" \
	silent hanging env DUCC_TIMEOUT=3 ducc-fetch -s "$tmp/hung" "$registry/private/app:1" "$registry/public/app:1"
like "... which is said" "$(cat "$out")" \
	"^ducc-fetch: $registry/private/app:1: .*docker-credential-hanging: no answer for $registry: .*DUCC_TIMEOUT"
is "... of every image, after one wait" "$(grep -c DUCC_TIMEOUT "$out") $(wc -l <"$tmp/helpers/hung")" "2 1"
ok "... and ended, too" wait_for helpers_gone
silent hanging env DUCC_TIMEOUT=3 ducc-ls --remote -S -s "$tmp/kept" "$registry/private/app:1" >"$out" 2>&1 || :
like "... by every tool" "$(cat "$out")" "docker-credential-hanging: no answer for $registry: .*DUCC_TIMEOUT"
for signal in TERM KILL; do
	: >"$tmp/helpers/hung"
	: >"$tmp/helpers/pids"
	REGISTRY_AUTH_FILE=$tmp/auth.json PATH=$tmp/helpers:$PATH \
		setsid ducc-fetch -s "$tmp/hung" "$registry/private/app:1" >"$tmp/out" 2>&1 &
	ok "a helper is asked" wait_for helper_runs
	kill "-$signal" "$!"
	wait "$!" || :
	ok "... and does not survive SIG$signal of ducc-fetch" wait_for helpers_gone
done
cat >"$tmp/helpers/docker-credential-asking" <<END
#!/bin/sh
read -r password </dev/tty
printf '{"Username":"%s","Secret":"%s"}\n' "$registry_user" "\$(cat "$tmp/helpers/\$password")"
END
chmod +x "$tmp/helpers/docker-credential-asking"
echo '{"credsStore":"asking"}' >"$tmp/auth.json"
tmp=$tmp registry=$registry ok "a helper can ask the user" sh -c 'echo secret | REGISTRY_AUTH_FILE="$tmp/auth.json" PATH="$tmp/helpers:$PATH" \
	script -qec "ducc-fetch -q -s $tmp/asked $registry/private/app:1" /dev/null'

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
# The server waits until the command line of the tool can be seen.
nginx_pid=$(cat "${nginx_log%/*}/pid")
kill -STOP "$nginx_pid"
REGISTRY_AUTH_FILE=$tmp/auth.json ducc-fetch -v -v -s "$tmp/store" "$nginx/team/app:1" \
	"$registry/private/app:1" >"$tmp/said" 2>&1 &
pid=$!
wait_for grep -q '^ducc-fetch' "/proc/$pid/cmdline" || :
tr '\0' ' ' <"/proc/$pid/cmdline" >"$tmp/cmdlines"
kill -CONT "$nginx_pid"
while kill -0 $pid 2>/dev/null; do
	cat /proc/[0-9]*/cmdline 2>/dev/null || :
done | tr "\0" " " >>"$tmp/cmdlines"
ok "a run with -v -v succeeds" wait $pid
# So much of a token has a part of the certificate, which nobody else's has.
secrets=$(printf '%s\n' "$registry_password" "$(printf %s "$creds" | base64 -w 0)" "$(make_token_of_server private/app | cut -c1-200)")
is "no secret is in what it says" "$(grep -c -F "$secrets" "$tmp/said")" 0
is "... nor in any command line" "$(grep -c -F "$secrets" "$tmp/cmdlines")" 0
ok "... where the tool itself was seen" grep -q "ducc-fetch.*$nginx/team/app" "$tmp/cmdlines"
rm "$tmp/cmdlines" # it has the command lines of other tests as well
is "... nor in the store" "$(grep -r -l -F "$secrets" "$tmp/store" | wc -l)" 0

# Nor in a core: what dies in the middle of a transfer leaves none, where others do.
cat >"$tmp/dies.pl" <<'END'
# dies.pl COMMAND...: start it, and when it has copied a comment and waits for more, kill it by a signal that leaves a
# core, and tell whether it did.
use IPC::Open2;
my $pid = open2(my $from, my $to, @ARGV);
print $to "# comment\n";
$to->flush;
<$from> eq "# comment\n" or die;
kill 'ABRT', $pid;
waitpid $pid, 0;
print $? & 128 ? "core\n" : "no core\n";
END
dies() {
	(cd "$tmp" && prlimit --core=unlimited perl "$tmp/dies.pl" "$@" 2>/dev/null)
}
if [ "$(dies cat)" = core ]; then
	is "it leaves no core" "$(dies ducc-fetch -s "$tmp/store")" "no core"
fi

# A fragment, which is for nobody but a browser, is not part of what is requested from a token server
start_nginx <<END
server {
	@LISTEN@
	location / {
		proxy_pass http://$registry;
		proxy_hide_header WWW-Authenticate;
		add_header WWW-Authenticate 'Bearer realm="http://127.0.0.1:$(cat "$tokens/port")/token#part",service="test"' always;
	}
}
END
: >"$tokens/log"
ok "a token server with a fragment is asked" fetch -- "$nginx/public/app:1"

done_testing
