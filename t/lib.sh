# lib.sh: functions for all tests: paths, TAP, throw-away servers and images. Source it first.
#
# Sets $top (the source tree), $tmp (a directory of this test alone, removed at exit along with all
# servers and mounts), $out (the output of the last command that ok or fails ran). A command that
# fails outside of ok and fails ends the test.
# shellcheck shell=sh
# shellcheck disable=SC2034 # the tests use these variables

set -eu
umask 022
top=$(cd "$(dirname "$0")/.." && pwd)
bin=${DUCC_BIN:-$top/build}
case $bin in /*) ;; *) bin=$(cd "$bin" && pwd) ;; esac
PATH=$bin:$PATH:/usr/sbin:/sbin
export PATH

# Ignore the machine's own settings: no credentials, no proxies, no locale.
for v in $(env | sed -n 's/^\(DUCC_[A-Za-z0-9_]*\|XDG_[A-Z_]*\|[A-Za-z]*_[Pp][Rr][Oo][Xx][Yy]\)=.*/\1/p'); do
	unset "$v"
done
unset REGISTRY_AUTH_FILE DOCKER_CONFIG SOURCE_DATE_EPOCH CDPATH
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ducc-t.XXXXXX")
out=$tmp/.out
mkdir -p "$tmp/home/run"
HOME=$tmp/home XDG_RUNTIME_DIR=$tmp/home/run LC_ALL=C TZ=UTC
# Sanitizer findings count as crashes (128 and above), never as ordinary failures.
ASAN_OPTIONS=exitcode=134:${ASAN_OPTIONS-}
UBSAN_OPTIONS=exitcode=134:halt_on_error=1:print_stacktrace=1:${UBSAN_OPTIONS-}
LSAN_OPTIONS=exitcode=134:${LSAN_OPTIONS-}
TSAN_OPTIONS=exitcode=134:${TSAN_OPTIONS-}
export HOME XDG_RUNTIME_DIR LC_ALL TZ ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS

# Registries that are too busy are waited for no longer than others.
DUCC_PATIENCE=4
export DUCC_PATIENCE

# How much a test does
#
# All tests together are to take minutes. Where one tries the same thing again and again - kills, faults, days, similar
# cases - it does less of it, unless $SOAK is set, as scripts/soak does: then nothing is left out.

sanitized=0
case $bin in
*/san | */tsan) sanitized=1 ;;
esac

# amount CHECK SOAK [SANITIZED]: print how often: CHECK times, or SANITIZED times under the sanitizers, where all is
# slower, or with $SOAK, SOAK times.
amount() {
	if [ -n "${SOAK-}" ]; then
		echo "$2"
	elif [ $sanitized = 1 ]; then
		echo "${3:-$1}"
	else
		echo "$1"
	fi
}

# random_seed [NUMBER]: NUMBER if it is given, else a random one with $SOAK; else always the same, for what runs before
# each change must not fail by chance.
random_seed() {
	if [ -n "${1-}" ]; then
		echo "$1"
	elif [ -n "${SOAK-}" ]; then
		od -An -N2 -tu2 /dev/urandom | tr -d ' '
	else
		echo 1
	fi
}

# my_turn: whether to try the next one of many similar cases: every other one, or with $SOAK all. The tests under the
# sanitizers try those that the others leave out.
turn=0
my_turn() {
	turn=$((1 - turn))
	[ -n "${SOAK-}" ] || [ $turn = $sanitized ]
}

# only_in_soak WHY: skip the whole test, unless $SOAK is set.
only_in_soak() {
	[ -n "${SOAK-}" ] || skip_all "$1; with SOAK=1 it runs"
}

# Cleaning up

at_exit_commands=

# at_exit COMMAND: have the shell evaluate COMMAND at exit; the last registered comes first.
at_exit() {
	at_exit_commands="$1
$at_exit_commands"
}

clean_up() {
	status=$?
	trap - EXIT
	trap '' HUP INT TERM
	set +e
	eval "$at_exit_commands"
	awk -v t="$tmp/" 'index($2, t) == 1 { print $2 }' /proc/self/mounts | sort -r |
		while read -r m; do umount -l "$m"; done
	chmod -R u+rwX "$tmp" 2>/dev/null
	rm -rf "$tmp"
	exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# TAP

tap_count=0
tap_failed=0
tap_note=

# note TEXT: what it takes to repeat this run, a seed for example; said again where a test fails.
note() {
	tap_note=$*
	echo "# $tap_note"
}

# Standard error is what prove shows.
tap() { # STATUS TITLE
	tap_count=$((tap_count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tap_count - $2"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_count - $2"
		echo "# ${0##*/}: not ok $tap_count - $2${tap_note:+ ($tap_note)}" >&2
	fi
}

diag() { # standard input, as comments
	sed -n '1,60s/^/# /p'
}

# The secrets: the registry's password, what Basic authentication makes of it, the identity token that stands for it, and
# how every signed token begins, one a line.
registry_user=user
registry_password="s3cret: \$word\"${tmp##*.}" # unlike any other, and quoting mistakes spoil it
identity_token=identity-${tmp##*.}
secrets_file=$tmp/.secrets
{
	printf '%s\n' "$registry_password" "$identity_token" eyJ0eXAiOiJKV1Qi
	printf %s "$registry_user:$registry_password" | base64 -w 0
	echo # tests append more
} >"$secrets_file"

# no_secret: none of them is in $out.
no_secret() {
	[ -s "$out" ] || [ ! -e "$out" ] || return 0 # as mostly, and greps are many
	grep -qFf "$secrets_file" "$out"
	[ $? = 1 ] # neither found, nor trouble
}

# ok TITLE COMMAND...: the command succeeds, and tells no secret.
ok() {
	tap_title=$1
	shift
	tap_status=0
	"$@" >"$out" 2>&1 || tap_status=$?
	no_secret || tap_status=secret
	tap $tap_status "$tap_title"
	[ $tap_status = 0 ] || { echo "exit status $tap_status of: $*"; cat "$out"; } | diag >&2
}

# fails TITLE COMMAND...: the command ran, and says that it failed; it does not crash, and tells no secret.
fails() {
	tap_title=$1
	shift
	tap_status=0
	"$@" >"$out" 2>&1 || tap_status=$?
	if [ $tap_status -gt 0 ] && [ $tap_status -lt 126 ] && no_secret; then
		tap 0 "$tap_title"
	else
		tap 1 "$tap_title"
		{ echo "exit status $tap_status of: $*"; cat "$out"; } | diag >&2
	fi
}

# is TITLE GOT WANT: two strings are the same.
is() {
	if [ "$2" = "$3" ]; then
		tap 0 "$1"
	else
		tap 1 "$1"
		printf '%s\n' "got:" "$2" "want:" "$3" | diag >&2
	fi
}

# like TITLE GOT PATTERN: some line of GOT matches the extended regular expression.
like() {
	if printf '%s\n' "$2" | grep -Eq -e "$3"; then
		tap 0 "$1"
	else
		tap 1 "$1"
		printf '%s\n' "got:" "$2" "wanted a match of:" "$3" | diag >&2
	fi
}

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

# where_secrets_are: the files in $tmp that hold one, but for those that must: users' own, and what servers
# keep and write down.
where_secrets_are() {
	find "$tmp" -xdev -type f -size -16M ! -name .secrets ! -name auth.json ! -name config.json ! -name 'env-*' \
		! -path "$tmp/helpers/*" ! -path "$tmp/tokens*" ! -name access.log ! -name 'tls-*.log' \
		-exec grep -slFf "$secrets_file" {} +
}

done_testing() {
	is "no secret was left anywhere" "$(where_secrets_are)" ""
	echo "1..$tap_count"
	[ "$tap_failed" = 0 ] || exit 1
}

# need PROGRAM...: skip the whole test where one of them isn't there. Stands at its top: after the first ok it is too late.
# What the functions here need is for the test to say, too: add_layer and make_image umoci, and busybox if that is
# $image_program; push and manifest_of skopeo; servers curl, and themselves.
need() {
	[ "$tap_count" = 0 ] || { echo 'Bail out! need stands at the top'; exit 1; }
	for p; do
		command -v "$p" >/dev/null || skip_all "$p is not installed"
	done
}

# wait_for COMMAND...: until it succeeds, for a minute at least: much longer than anything takes, on a machine that
# has other work to do.
wait_for() {
	tries=1200
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
}

# Servers: all on loopback, all die with the test, however it ends

servers=0
ports=
first_port=

# take_ports: reserve a row of ports for this test. They are below those that the kernel picks for others, and the
# row is taken by whoever has bound its first port. Nobody listens there: connections to it are refused.
take_ports() {
	mkfifo "$tmp/.ports"
	setpriv --pdeathsig KILL perl -MSocket -e '
		sub bound {
			my ($port, $reuse) = @_;
			socket my $s, PF_INET, SOCK_STREAM, 0 or die "socket: $!\n";
			setsockopt $s, SOL_SOCKET, SO_REUSEADDR, $reuse;
			return bind($s, sockaddr_in($port, INADDR_ANY)) ? $s : undef;
		}
		my ($low, $length, $first, $taken) = (10240, 64);
		my $rows = (32768 - $low) / $length;
		for (my $n = int rand $rows; !$taken; $n = ($n + 1) % $rows) {
			$first = $low + $n * $length;
			$taken = bound($first, 0);
		}
		print join(" ", $first, grep { bound($_, 1) } $first + 1 .. $first + $length - 1), " \n";
		close STDOUT;
		sleep' >"$tmp/.ports" &
	at_exit "kill $! 2>/dev/null"
	read -r first_port ports <"$tmp/.ports"
	rm "$tmp/.ports"
}

# new_port: set $port to a port for a server of this test.
new_port() {
	[ -n "$ports" ] || take_ports
	port=${ports%% *}
	ports=${ports#"$port"}
	ports=${ports# }
}

# dead_port: set $port to one on which nobody listens.
dead_port() {
	[ -n "$first_port" ] || take_ports
	port=$first_port
}

# settle: wait until the servers of this test have written down all that they were asked. They do so after the client
# has got its answer, but before they close the connection. Only for tests that have no client running.
settle() {
	[ -z "$first_port" ] || wait_for no_connections || give_up 'connections to a server stay open'
}
# give_up WHY: end the whole test, also from a command substitution, whose failure would go unseen.
give_up() {
	echo "${0##*/}: $1" >&2
	kill -s TERM $$
	exit 1
}
no_connections() { # established, or closed only by the client
	awk -v first="$(printf '%04X' "$first_port")" -v last="$(printf '%04X' $((first_port + 63)))" '
		{ port = substr($2, 10) "" }
		port >= first && port <= last && $4 ~ /^0[138]$/ { open = 1 }
		END { exit open }' /proc/net/tcp
}

# read_log LOG: print it when it is complete.
read_log() {
	settle
	cat "$1"
}

# clear_log LOG...: empty it, when all that belongs there is in it.
clear_log() {
	settle
	for log; do : >"$log"; done
}

server_answers() { # URL ID: it is ours that answers, not somebody else's on the same port
	curl -si -m 5 "$1" | grep -q "$2" || ! kill -0 "$server_pid" 2>/dev/null
}

# start_server LOG URL-PATH COMMAND...: start a server whose configuration function
# `configure_server PORT ID` must write and whose answer at URL-PATH must have ID in it.
# Sets $server to its address; tries other ports when one is taken.
start_server() {
	server_log=$1 server_path=$2
	shift 2
	for attempt in 1 2 3 4 5; do
		new_port
		server=127.0.0.1:$port
		server_id=ducc-${tmp##*.}-$servers-$attempt
		configure_server "$server" "$server_id"
		: >"$server_log"
		setpriv --pdeathsig KILL "$@" >>"$server_log" 2>&1 &
		server_pid=$!
		if wait_for server_answers "http://$server$server_path" "$server_id" &&
			kill -0 "$server_pid" 2>/dev/null; then
			at_exit "kill $server_pid 2>/dev/null; wait $server_pid 2>/dev/null"
			return 0
		fi
		kill "$server_pid" 2>/dev/null || :
		wait "$server_pid" 2>/dev/null || :
	done
	{ echo "no server: $*"; cat "$server_log"; } | diag >&2
	return 1
}

# stop_server: stop the one that was started last.
stop_server() {
	kill "$server_pid"
	wait "$server_pid" 2>/dev/null || :
}

# start_nginx: serve what standard input says, the inside of an http block with @LISTEN@ in a server
# block and @ADDRESS@ where its own HOST:PORT is wanted. Sets $nginx to HOST:PORT, and $nginx_log:
# one line per request, METHOD PATH STATUS "AUTHORIZATION".
start_nginx() {
	servers=$((servers + 1))
	nginx_dir=$tmp/nginx-$servers
	nginx_log=$nginx_dir/access.log
	mkdir -p "$nginx_dir"
	cat >"$nginx_dir/http.in"
	configure_server() {
		{
			echo "daemon off; master_process off; pid $nginx_dir/pid; error_log stderr;"
			echo "events { worker_connections 256; }"
			echo "http {"
			echo "log_format test '\$request_method \$request_uri \$status \"\$http_authorization\"';"
			echo "access_log $nginx_log test;"
			for p in client_body proxy fastcgi uwsgi scgi; do
				echo "${p}_temp_path $nginx_dir/$p;"
			done
			sed "s|@LISTEN@|listen $1; location = /.id { access_log off; return 200 $2; }|
				s|@ADDRESS@|$1|g" "$nginx_dir/http.in"
			echo "}"
		} >"$nginx_dir/nginx.conf"
	}
	start_server "$nginx_dir/error.log" /.id nginx -c "$nginx_dir/nginx.conf" -p "$nginx_dir" \
		-e stderr
	nginx=$server
}

# start_raw DIR: t/raw-server.pl, which answers with the files in DIR, as $server.
start_raw() {
	raw=$1
	configure_server() {
		mkdir -p "$raw"
		echo "${1#*:}" >"$raw/port"
		printf 'HTTP/1.1 200 OK\r\n\r\n%s' "$2" >"$raw/.id"
		printf 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n' >"$raw/404"
	}
	start_server "$raw.log" /.id perl "$top/t/raw-server.pl" "$raw"
}

# requests: those that nginx has got, as in $nginx_log.
requests() {
	[ -n "${nginx_log-}" ] || give_up 'no nginx was started'
	read_log "$nginx_log"
}

token_repositories='public/app private/app'

# start_registry [open|htpasswd|token|tokens]: a registry that sets $registry to HOST:PORT, and $registry_log.
# All but open want $registry_user and $registry_password, except that token and tokens let everybody pull
# public/*. token knows $token_repositories only, and its token server's requests are in $nginx_log;
# tokens has the token server t/token-server.pl, whose files are in $tokens.
# $registry_settings, if set, is more of its configuration.
start_registry() {
	registry_auth=
	case ${1:-open} in
	open) ;;
	htpasswd)
		make_htpasswd
		registry_auth="auth: { htpasswd: { realm: test, path: $tmp/htpasswd } }"
		;;
	token)
		start_token_server
		registry_auth="auth: { token: { realm: 'http://$nginx/token', service: test, issuer: test,
  rootcertbundle: $tmp/token.crt } }"
		;;
	tokens)
		start_tokens
		registry_auth="auth: { token: { realm: 'http://$server/token', service: test, issuer: test,
  rootcertbundle: $tokens/token.crt } }"
		;;
	*) return 2 ;;
	esac
	servers=$((servers + 1))
	registry_dir=$tmp/registry-$servers
	registry_log=$registry_dir/log
	mkdir -p "$registry_dir"
	configure_server() {
		cat >"$registry_dir/config.yml" <<-END
			version: 0.1
			log: { level: error }
			storage: { filesystem: { rootdirectory: $registry_dir }, delete: { enabled: true } }
			http: { addr: '$1', headers: { X-Id: [ $2 ] } }
			$registry_auth
			${registry_settings-}
		END
	}
	start_server "$registry_log" /v2/ docker-registry serve "$registry_dir/config.yml"
	registry=$server
}

make_htpasswd() {
	[ -e "$tmp/htpasswd" ] ||
		htpasswd -nbB -C 5 "$registry_user" "$registry_password" >"$tmp/htpasswd"
}

base64url() {
	openssl base64 -A | tr '+/' '-_' | tr -d =
}

# make_token ACCESS-JSON: a signed token, in the JSON that a token server answers.
make_token() {
	now=$(date +%s)
	x5c=$(openssl x509 -in "$tmp/token.crt" -outform DER | openssl base64 -A)
	head=$(printf '{"typ":"JWT","alg":"RS256","x5c":["%s"]}' "$x5c" | base64url)
	claims=$(printf '{"iss":"test","aud":"test","sub":"%s","jti":"%s","iat":%d,"nbf":%d,"exp":%d,"access":%s}' \
		"$registry_user" "$(openssl rand -hex 8)" "$now" $((now - 60)) $((now + 3600)) "$1" | base64url)
	signature=$(printf %s "$head.$claims" | openssl dgst -sha256 -sign "$tmp/token.key" | base64url)
	printf '{"token":"%s","expires_in":3600}\n' "$head.$claims.$signature"
}

access() { # REPOSITORY ACTIONS
	printf '[{"type":"repository","name":"%s","actions":[%s]}]' "$1" "$2"
}

# A token server: nginx hands out tokens signed in advance, one per repository; those that may
# pull and push want a password, those that may only pull from public/ don't.
start_token_server() {
	make_htpasswd
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -keyout "$tmp/token.key" \
		-out "$tmp/token.crt" 2>/dev/null
	mkdir -p "$tmp/tokens/anonymous" "$tmp/tokens/user"
	for who in anonymous user; do
		make_token '[]' >"$tmp/tokens/$who/none"
	done
	for r in $token_repositories; do
		f=$(echo "$r" | tr / _)
		make_token "$(access "$r" '"pull","push"')" >"$tmp/tokens/user/$f"
		case $r in
		public/*) make_token "$(access "$r" '"pull"')" >"$tmp/tokens/anonymous/$f" ;;
		*) make_token '[]' >"$tmp/tokens/anonymous/$f" ;;
		esac
	done
	# shellcheck disable=SC2016
	{
		echo 'map $http_authorization $who { "" anonymous; default user; }'
		echo 'map $args $file { default none;'
		for r in $token_repositories; do
			echo "\"~repository(:|%3A)$(echo "$r" | sed 's,/,(/|%2F),g')(:|%3A)\" $(echo "$r" | tr / _);"
		done
		cat <<-END
			}
			server {
				@LISTEN@
				default_type application/json;
				root $tmp/tokens;
				location = /token { rewrite ^ /\$who/\$file last; }
				location /anonymous/ { internal; }
				location /user/ { internal; auth_basic test; auth_basic_user_file $tmp/htpasswd; }
			}
		END
	} >"$tmp/tokens.conf"
	start_nginx <"$tmp/tokens.conf"
}

# start_tokens: a token server that signs what it is asked for; its files are in $tokens.
start_tokens() {
	servers=$((servers + 1))
	tokens=$tmp/tokens-$servers
	mkdir "$tokens"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -keyout "$tokens/token.key" \
		-out "$tokens/token.crt" 2>/dev/null
	printf %s "$registry_user:$registry_password" >"$tokens/user"
	printf %s "$identity_token" >"$tokens/identity"
	echo 3600 >"$tokens/life"
	: >"$tokens/log"
	configure_server() {
		echo "${1#*:}" >"$tokens/port"
		echo "$2" >"$tokens/id"
	}
	start_server "$tokens/err" /.id perl "$top/t/token-server.pl" "$tokens"
}

# CernVM-FS

# stand_in: from now on cvmfs_server is the stand-in of that name, with its repositories in $tmp/sys.
stand_in() {
	mkdir "$tmp/bin" "$tmp/sys"
	ln -s "$top/t/cvmfs_server" "$tmp/bin/cvmfs_server"
	PATH=$tmp/bin:$PATH
	DUCC_SYSROOT=$tmp/sys
	export PATH DUCC_SYSROOT
}
# through_gateway NAME [URL]: from now on, that repository is published through a gateway, and read from the URL.
through_gateway() {
	gateway_conf=$DUCC_SYSROOT/etc/cvmfs/repositories.d/$1/server.conf
	mkdir -p "${gateway_conf%/*}"
	[ -e "$gateway_conf" ] || printf 'CVMFS_%s\n' USE_FILE_CHUNKING=true MIN_CHUNK_SIZE=4194304 \
		AVG_CHUNK_SIZE=8388608 MAX_CHUNK_SIZE=16777216 >"$gateway_conf"
	echo CVMFS_UPSTREAM_STORAGE=gw,/srv/cvmfs/txn,http://localhost:4929/api/v1 >>"$gateway_conf"
	[ -z "${2-}" ] || echo "CVMFS_STRATUM0=$2" >>"$gateway_conf"
}
# another_machine NAME DIR [URL]: that is the sysroot of another publisher of the repository, through a gateway.
another_machine() {
	mkdir -p "$2/var/spool/cvmfs/$1" "$2/cvmfs"
	for link in revisions content; do
		ln -s "$DUCC_SYSROOT/var/spool/cvmfs/$1/$link" "$2/var/spool/cvmfs/$1/$link"
	done
	cp -a "$DUCC_SYSROOT/var/spool/cvmfs/$1/rdonly" "$2/var/spool/cvmfs/$1"
	ln -s "../var/spool/cvmfs/$1/rdonly" "$2/cvmfs/$1"
	(DUCC_SYSROOT=$2 && through_gateway "$1" "${3-}")
}
# publish_paused RECORDS: publish them from $S in $n, in the background as $pid; the ingest pauses before its commit.
# shellcheck disable=SC2154 # $n is the test's
publish_paused() {
	CVMFS_STANDIN_PAUSE=60 ducc-publish -q -s "$S" -r "$n" <"$1" >"$tmp/struck" 2>&1 &
	pid=$!
	wait_for test -e "$spool/paused" && wait_for noted
}
# noted: ducc has seen that the open transaction is its own.
# shellcheck disable=SC2154 # $spool is the test's
noted() {
	grep -q '^[0-9]* [^ ]* [0-9]*:' "$spool/ducc.transaction"
}
# kill_publish: kill $pid and the server that it runs, and wait until that has let go of its lock.
kill_publish() {
	kill -9 "$pid" "-$(cut -d' ' -f1 "$spool/ducc.transaction")"
	wait "$pid" 2>/dev/null || :
	flock -w 60 "$spool/is_publishing.lock" true
}

# Images

# push OCI-DIR:NAME HOST:PORT/REPOSITORY:TAG [SKOPEO-OPTION...]
push() {
	push_from=$1 push_to=$2
	shift 2
	skopeo copy -q --insecure-policy --dest-tls-verify=false "$@" "oci:$push_from" "docker://$push_to"
}

# put_manifest HOST:PORT REPOSITORY TAG-OR-DIGEST MEDIA-TYPE FILE: push a manifest as it is.
put_manifest() {
	curl -fsS -X PUT -H "Content-Type: $4" --data-binary "@$5" "http://$1/v2/$2/manifests/$3"
}

# manifest_of HOST:PORT/REPOSITORY:TAG [SKOPEO-OPTION...]: the manifest as the registry gives it.
manifest_of() {
	manifest_from=$1
	shift
	skopeo inspect --raw --tls-verify=false "$@" "docker://$manifest_from"
}

# digest_of FILE: sha256:HEX
digest_of() {
	digest_of=$(sha256sum <"$1")
	echo "sha256:${digest_of%% *}"
}

# descriptor MEDIA-TYPE FILE [DIGEST]: the descriptor of a blob that the file is.
descriptor() {
	printf '{"mediaType": "%s", "digest": "%s", "size": %s}\n' "$1" "${3:-$(digest_of "$2")}" "$(stat -c %s "$2")"
}

# digest_at HOST:PORT/REPOSITORY:TAG: the digest of the manifest that the registry gives, which is left in $tmp/manifest.
digest_at() {
	manifest_of "$1" >"$tmp/manifest"
	digest_of "$tmp/manifest"
}

# add_layer OCI-DIR:NAME DIR: DIR's contents become the image's next layer.
add_layer() {
	tar -C "$2" --sort=name --numeric-owner --owner=0 --group=0 --mtime=@1700000000 \
		-cf "$tmp/layer.tar" .
	umoci raw add-layer --image "$1" "$tmp/layer.tar"
	rm "$tmp/layer.tar"
}

# make_image OCI-DIR NAME: a small image of three layers, different for each NAME: with a whiteout, a setuid file, and an
# entry point, command and environment that need careful quoting. Its only program is $image_program, as /bin/busybox and
# /bin/sh: most tests need no more than a small file, those that run the image set it to busybox, of two megabytes.
image_program='env'
make_image() {
	[ -e "$1/oci-layout" ] || umoci init --layout "$1"
	umoci new --image "$1:$2"
	mi=$tmp/make_image
	mkdir -p "$mi/1/bin" "$mi/1/etc" "$mi/1/usr/bin" "$mi/1/doc" "$mi/2/doc" "$mi/2/data" "$mi/3/app"
	cp "$(command -v "$image_program")" "$mi/1/bin/busybox"
	ln -s busybox "$mi/1/bin/sh"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$mi/1/etc/passwd"
	echo gone >"$mi/1/doc/gone"
	echo kept >"$mi/1/doc/kept"
	printf '#!/bin/sh\nid\n' >"$mi/1/usr/bin/tool"
	chmod 4755 "$mi/1/usr/bin/tool"
	ln "$mi/1/doc/kept" "$mi/1/doc/linked"
	: >"$mi/2/doc/.wh.gone"
	seq 20000 >"$mi/2/data/numbers"
	echo "$2" >"$mi/3/app/name"
	cat >"$mi/3/app/args" <<-'END'
		#!/bin/sh
		for a; do printf '<%s>\n' "$a"; done
	END
	chmod 755 "$mi/3/app/args"
	for l in 1 2 3; do
		add_layer "$1:$2" "$mi/$l"
	done
	rm -r "$mi"
	# shellcheck disable=SC2016 # meant as they are
	umoci config --image "$1:$2" --author test --config.workingdir /app \
		--config.entrypoint /app/args --config.entrypoint "it's" \
		--config.cmd 'two words' --config.cmd '"$HOME" \n `id`' \
		--config.env 'PATH=/bin:/usr/bin' --config.env "QUOTES=it's \"so\"" \
		--config.env 'DOLLAR=$HOME `id` \n' --config.label "org.example.name=$2"
}

# What the tools leave behind

# pinned RECORD...: the digest that the record is pinned to, as bare hexadecimal digits.
pinned() {
	printf '%s\n' "$@" | sed -n 's/^[^	]*@sha256:\([0-9a-f]\{64\}\).*/\1/p'
}

# whole STORE: every blob is what its name says.
whole() {
	[ -d "$1/blobs/sha256" ] || return 0
	(cd "$1/blobs/sha256" && find . -type f -exec sha256sum {} +) |
		awk '"./" $1 != $2 { print "wrong blob: " $2; bad = 1 } END { exit bad }'
}

# readable_index FILE: it is JSON with manifests. What has been found of its bytes is not asked again: jq takes long to start.
readable_index() {
	index_seen=$tmp/.index-$(sha256sum <"$1" | cut -c -64)
	[ -e "$index_seen" ] || jq -e '.manifests | type == "array"' "$1" >/dev/null || return 1
	: >"$index_seen"
}

# sound STORE: so is it, its index can be read, and nothing half-done is left, save downloads that can be
# resumed.
sound() {
	[ -d "$1" ] || return 0
	whole "$1" || return 1
	[ ! -e "$1/index.json" ] || readable_index "$1/index.json" || return 1
	[ -z "$(find "$1/tmp" -mindepth 1 ! -name 'blobs-*' 2>/dev/null)" ] || { find "$1/tmp"; return 1; }
}

# main_job STORE REPO IMAGE...: all three tools; every image must come out at the end.
main_job() {
	job_store=$1 job_repo=$2
	shift 2
	ducc-fetch -q -s "$job_store" "$@" | ducc-unpack -q -s "$job_store" |
		ducc-publish -q -s "$job_store" -r "$job_repo" >"$tmp/published" || return 1
	[ "$(wc -l <"$tmp/published")" = $# ]
}

# no_differences REPO...: what is published there is what ducc-check expects, including the contents of files.
no_differences() {
	for nd_repo; do
		ok "$nd_repo can be checked" ducc-check -d -s "$tmp/none" -r "$nd_repo"
		is "... and is sound" "$(cat "$out")" ""
	done
}

# flip FILE OFFSET: change one bit.
flip() {
	perl -0777 -pi -e 'BEGIN { $o = pop } substr($_, $o, 1) ^= "\x01"' "$1" "$2"
}
