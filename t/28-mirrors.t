#!/bin/sh
# Mirrors and proxies: who is asked instead of the registry, and when.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry jq nginx openssl skopeo socat tinyproxy umoci

make_image "$tmp/oci" app
start_registry open
push "$tmp/oci:app" "$registry/app:1"
push "$tmp/oci:app" "$registry/library/app:1"
push "$tmp/oci:app" "$registry/hub/library/app:1"
home=$registry home_log=$registry_log
start_registry open
push "$tmp/oci:app" "$registry/app:1"
push "$tmp/oci:app" "$registry/cache/team/app:1"
mirror=$registry mirror_log=$registry_log
# One that has nothing, and one that is not there
start_registry open
empty=$registry empty_log=$registry_log
dead_port
nobody=127.0.0.1:$port

conf() { # standard input: registries.conf
	cat >"$tmp/registries.conf"
}
fetch() { # ARGUMENT...: into a fresh store, with that configuration
	rm -rf "$tmp/store"
	clear_log "$home_log" "$mirror_log" "$empty_log"
	CONTAINERS_REGISTRIES_CONF=$tmp/registries.conf ducc-fetch -s "$tmp/store" "$@"
}
asked() { # who was, of home, mirror and empty
	settle
	for who in "home $home_log" "mirror $mirror_log" "empty $empty_log"; do
		! grep -q '"\(GET\|HEAD\) /v2/.*/' "${who#* }" || printf '%s ' "${who%% *}"
	done
}
image=$home/app:1
manifest=$(jq -r '.manifests[0].digest' "$tmp/oci/index.json")

# DUCC_x_PROXY
: | conf
ok "without mirrors the registry is asked" fetch "$image"
is "... alone" "$(asked)" "home "
export DUCC_AUTH_REGISTRIES=x DUCC_x_IDENT="$home" DUCC_x_PROXY="$mirror"
ok "with DUCC_x_PROXY another one is" fetch "$image"
is "... alone" "$(asked)" "mirror "
is "... but the image is what it was called" \
	"$(CONTAINERS_REGISTRIES_CONF=$tmp/registries.conf ducc-fetch -q -s "$tmp/store" "$image" | cut -f1)" "http://$image@$manifest"
DUCC_x_PROXY=$mirror/cache
ok "it may have a path" fetch "$home/team/app:1"
is "... which comes before the repository's" "$(asked)" "mirror "
DUCC_x_PROXY=http://$mirror/cache/
ok "... and a scheme" fetch "$home/team/app:1"
DUCC_x_IDENT=docker.io DUCC_x_PROXY=$home/hub
ok "Docker Hub can have one" fetch app:1
is "... that is asked alone" "$(asked)" "home "
unset DUCC_AUTH_REGISTRIES DUCC_x_IDENT DUCC_x_PROXY

# One host that is a proxy for several registries, with other credentials for each
start_nginx <<END
map \$http_authorization \$stranger { "" 1; }
server {
	@LISTEN@
	add_header WWW-Authenticate 'Basic realm="test"' always;
	location /v2/hub/ {
		if (\$stranger) { return 401; }
		proxy_pass http://$home/v2/;
	}
	location /v2/quay/ {
		if (\$stranger) { return 401; }
		proxy_pass http://$home/v2/;
	}
}
END
export DUCC_AUTH_REGISTRIES=hub,quay,bare \
	DUCC_hub_IDENT=docker.io DUCC_hub_PROXY="$nginx/hub" DUCC_hub_USER=hub DUCC_hub_PASS=of-hub \
	DUCC_quay_IDENT=quay.io DUCC_quay_PROXY="$nginx/quay" DUCC_quay_USER=quay DUCC_quay_PASS=of-quay \
	DUCC_bare_IDENT=bare.example.org DUCC_bare_PROXY="$nginx/hub"
who() { # IMAGE: fetch it; print which credentials were sent for it
	: >"$nginx_log"
	fetch -q "$1" >"$out" 2>&1 || :
	requests | sed -n 's/.*"Basic \([^"]*\)"$/\1/p' | sort -u | while read -r code; do
		printf '%s\n' "$code" | base64 -d
	done
}
is "of two registries with one proxy, the first has its credentials" "$(who app:1)" hub:of-hub
is "... and the second has its own" "$(who quay.io/app:1)" quay:of-quay
is "... and one without any has none" "$(who bare.example.org/app:1)" ""
is "... and they are not those of the proxy's host" "$(who "$nginx/hub/app:1")" ""
DUCC_AUTH_REGISTRIES=hub,quay,bare,own
export DUCC_own_IDENT="$nginx" DUCC_own_USER=own DUCC_own_PASS=of-own
is "... which may have some, too" "$(who "$nginx/hub/app:1")" own:of-own
is "... that are for a proxy there without any" "$(who bare.example.org/app:1)" own:of-own
is "... and not for one that has others" "$(who quay.io/app:1)" quay:of-quay
unset DUCC_AUTH_REGISTRIES

# registries.conf
conf <<END
# a comment
unqualified-search-registries = ["example.org", # another
	'example.com',
]
short-name-mode = "enforcing"
[aliases]
"x" = "example.org/x"

[[registry]]
location = "$home" # the registry
[[registry.mirror]]
location = "$mirror"
END
ok "a mirror is asked first" fetch "$image"
is "... and if it has the image, alone" "$(asked)" "mirror "
ok "what it hasn't got is asked of the registry" fetch "$home/library/app:1"
is "... after it" "$(asked)" "home mirror "
conf <<END
[[registry]]
prefix = "$home"
location = "$home"
[[registry.mirror]]
location = "$nobody"
[[registry.mirror]]
location = '$empty/there'
insecure = true
[[registry.mirror]]
location = "$mirror"
insecure = true
END
ok "of several, one after the other" fetch "$image"
is "... until the image is found" "$(asked)" "mirror empty "
like "... and a broken one is told of" "$(cat "$out")" "^ducc-fetch: warning: [^ ]*: mirror http://$nobody/v2/app: .*[Cc]onnect"
is "... once" "$(grep -c "warning: .*mirror http://$nobody" "$out")" 1
conf <<END
[[registry]]
location = "$nobody"
[[registry.mirror]]
location = "$empty/there"
END
fails "a mirror without the image, and a registry that is away" fetch "$nobody/app:1"
like "... are both told of" "$(cat "$out")" "manifest: mirror http://$empty/v2/there/app: the server answered 404, not found.*; the registry: .*[Cc]onnect"
conf <<END
[[registry]]
location = "$home"
mirror-by-digest-only = true
[[registry.mirror]]
location = "$mirror"
END
ok "mirrors for digests only" fetch "$image"
is "... are not asked what a tag is" "$(read_log "$mirror_log" | grep -c 'manifests/1 ')" 0
is "... but for the rest" "$(asked)" "home mirror "
conf <<END
[[registry]]
location = "$home"
[[registry.mirror]]
location = "$mirror"
pull-from-mirror = "digest-only"
END
ok "... as each mirror may say" fetch "$image"
is "... of itself" "$(read_log "$mirror_log" | grep -c 'manifests/1 ') $(asked)" "0 home mirror "
conf <<END
[[registry]]
location = "$home"
[[registry.mirror]]
location = "$mirror"
pull-from-mirror = "tag-only"
END
ok "mirrors for tags only" fetch "$home/app@$manifest"
is "... are not asked for digests" "$(asked)" "home "

conf <<END
[[registry]]
prefix = "registry.invalid/team"
location = "$mirror/cache/team"
insecure = true
[[registry]]
prefix = "registry.invalid"
blocked = true
[[registry]]
prefix = "*.example.invalid"
location = "$mirror"
insecure = true
[[registry]]
prefix = "docker.io"
location = "$home"
insecure = true
END
ok "a location stands for a prefix" fetch registry.invalid/team/app:1
is "... the longest one" "$(asked)" "mirror "
fails "what is blocked is not fetched" fetch registry.invalid/teamwork/app:1
like "... and that is said" "$(cat "$out")" 'teamwork/app:1: registry.invalid is blocked by registries.conf'
ok "docker.io means Docker Hub" fetch library/app:1
is "... whatever it is called" "$(asked)" "home "

# One that has a bad moment when it is asked what a tag is may be asked for the rest
start_nginx <<END
server {
	@LISTEN@
	location / {
		if (\$request_method = HEAD) { return 503; }
		proxy_pass http://$mirror; proxy_set_header Host \$http_host;
	}
}
END
conf <<END
[[registry]]
location = "$home"
[[registry.mirror]]
location = "$nginx"
END
ok "a mirror with a bad moment" fetch "$image"
is "... is asked again" "$(requests | grep -c 'GET .*/\(manifests\|blobs\)/sha256:[0-9a-f]* 200') $(read_log "$home_log" | grep -c '"GET ')" "5 0"

# Whoever writes a password where it does not belong is told so without it
conf <<END
[[registry]]
location = "$home"
[[registry.mirror]]
location = "user:pr1vate@example.org"
END
fails "a mirror with a password in its name" fetch "$image"
is "... which is not shown" "$(grep -c pr1vate "$out")" 0

n=0
while IFS= read -r broken; do
	n=$((n + 1))
	printf %b "$broken" | conf
	fails "a mistake in registries.conf, $n" fetch "$image"
	like "... is not understood" "$(cat "$out")" "app:1: $tmp/registries.conf: .*"
done <<'END'
[[registry]\nlocation = "a"
[[registry]]\nlocation = a
[[registry]]\nlocation = "a
[[registry]]\nlocation = "a" "b"
[[registry]]\ninsecure = "yes"\nlocation = "a"
[[registry]]\nlocation = true
[[registry]]\nblocked = true
[[registry]]\nlocation = "a"\n[[registry.mirror]]\ninsecure = true
[[registry]]\nlocation = "a"\nmirror = [{location = "b"}]
[registry]\nlocation = "a"
[registries.insecure]\nregistries = ["a"]
[[registry]]\nlocation = "a\\q"
= "a"
x = 07
END

# Files of a user's own
export XDG_CONFIG_HOME="$tmp/config"
mkdir -p "$tmp/config/containers/registries.conf.d"
printf '[[registry]]\nlocation = "%s"\n[[registry.mirror]]\nlocation = "%s"\n' "$home" "$mirror" \
	>"$tmp/config/containers/registries.conf.d/mirror.conf"
clear_log "$home_log" "$mirror_log"
ok "registries.conf.d of the user is read" ducc-fetch -s "$tmp/own" "$image"
is "... and holds" "$(asked)" "mirror "
unset XDG_CONFIG_HOME

# Proxies for HTTP: one that wants a password, and one before it that is spoken to by TLS
proxy_password=pr0xy-${tmp##*.}
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1 \
	-keyout "$tmp/tls.key" -out "$tmp/tls.crt" 2>/dev/null
new_port
tls=127.0.0.1:$port
start_nginx <<END
server { @LISTEN@ }
server {
	listen $tls ssl http2;
	ssl_certificate $tmp/tls.crt; ssl_certificate_key $tmp/tls.key;
	location / { proxy_pass http://$home; proxy_set_header Host \$http_host; }
}
END
configure_server() {
	echo "$2" >"$tmp/tinyproxy.html"
	cat >"$tmp/tinyproxy.conf" <<-END
		Listen 127.0.0.1
		Port ${1#*:}
		BasicAuth proxyuser $proxy_password
		DefaultErrorFile "$tmp/tinyproxy.html"
		LogFile "$tmp/tinyproxy.log"
		LogLevel Connect
	END
}
start_server "$tmp/tinyproxy.err" / tinyproxy -d -c "$tmp/tinyproxy.conf"
proxy=$server
new_port
tls_proxy=127.0.0.1:$port
setpriv --pdeathsig KILL socat \
	"OPENSSL-LISTEN:${tls_proxy#*:},bind=127.0.0.1,fork,reuseaddr,verify=0,cert=$tmp/tls.crt,key=$tmp/tls.key" \
	"TCP:$proxy" 2>"$tmp/socat.err" &
at_exit "kill $! 2>/dev/null"
wait_for curl -s -k "https://$tls_proxy/" -o "$out"
proxied() { # VARIABLE=VALUE IMAGE: fetch through that proxy; what it was asked for is in $tmp/tinyproxy.log
	rm -rf "$tmp/proxied"
	: >"$tmp/tinyproxy.log"
	env "$1" ducc-fetch -v -v -s "$tmp/proxied" "$2"
}
asked_for() { # of the proxy: METHOD and host, each once
	sed -n 's;.*Request .*: \([A-Z]*\) \(http://\)*\([0-9.:]*\).*;\1 \3;p' "$tmp/tinyproxy.log" | sort -u | tr '\n' ' '
}
ok "http_proxy is used, with its password" proxied "http_proxy=http://proxyuser:$proxy_password@$proxy" "$image"
is "... which is not shown" "$(grep -c -F -e "$proxy_password" -e "$(printf %s "proxyuser:$proxy_password" | base64 -w 0)" "$out")" 0
is "... for all" "$(asked_for)" "GET $home HEAD $home "
fails "a proxy without its password" proxied "http_proxy=http://$proxy" "$image"
like "... wants one, which is said" "$(cat "$out")" 'app:1: manifest: the proxy answered 407, authentication required'
is "... once" "$(grep -c 'trying again' "$out")" 0
ok "no_proxy tells for whom not" env no_proxy=127.0.0.1 "http_proxy=http://$proxy" ducc-fetch -s "$tmp/unproxied" "$image"

SSL_CERT_FILE=$tmp/tls.crt
export SSL_CERT_FILE
ok "https_proxy is used for https" proxied "https_proxy=http://proxyuser:$proxy_password@$proxy" "https://$tls/app:1"
is "... by a tunnel" "$(asked_for)" "CONNECT $tls "
is "... and its password is not shown" "$(grep -c -F -e "$proxy_password" -e "$(printf %s "proxyuser:$proxy_password" | base64 -w 0)" "$out")" 0
fails "a tunnel without the password" proxied "https_proxy=http://$proxy" "https://$tls/app:1"
like "... is refused, which is said" "$(cat "$out")" 'app:1: manifest: the proxy answered 407, authentication required'
is "... once" "$(grep -c 'trying again' "$out")" 0
ok "a proxy may be spoken to by TLS" proxied "https_proxy=https://proxyuser:$proxy_password@$tls_proxy" "https://$tls/app:1"
is "... and make a tunnel" "$(asked_for)" "CONNECT $tls "
unset SSL_CERT_FILE
fails "... if its certificate is right" proxied "http_proxy=https://proxyuser:$proxy_password@$tls_proxy" "$image"
like "... which is said" "$(cat "$out")" 'app:1: manifest: .*certificate'
fails "a proxy that is not there" proxied "http_proxy=http://$nobody" "$image"
like "... is named" "$(cat "$out")" "app:1: manifest: .*${nobody#*:}"

done_testing
