#!/bin/sh
# TLS: whom ducc-fetch trusts, whom it shows a certificate, and when it does without.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry htpasswd nginx openssl skopeo umoci

make_image "$tmp/oci" app
start_registry open
push "$tmp/oci:app" "$registry/app:1"
open=$registry

cd "$tmp"
new_ca() { # NAME
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$1.key" -out "$1.crt" \
		-addext basicConstraints=critical,CA:TRUE 2>/dev/null
}
new_certificate() { # NAME CA SAN
	openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
	echo "subjectAltName=$3" >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 2 \
		-extfile "$1.ext" -out "$1.crt" 2>/dev/null
}
new_ca ca
new_ca other
new_certificate server ca IP:127.0.0.1,DNS:localhost
new_certificate stranger ca DNS:example.org
new_certificate client ca DNS:client

# start_tls CERTIFICATE: nginx with that certificate and what standard input has for the server; sets
# $tls to its HOST:PORT.
start_tls() {
	new_port
	tls_port=$port
	start_nginx <<-END
		log_format tls '\$server_protocol \$ssl_protocol \$request_method \$uri \$status "\$ssl_client_s_dn" "\$http_authorization"';
		server { @LISTEN@ }
		server {
			listen $tls_port ssl http2;
			access_log $tmp/tls-$tls_port.log tls;
			ssl_certificate $tmp/$1.crt; ssl_certificate_key $tmp/$1.key;
			$(cat)
		}
	END
	tls=127.0.0.1:$tls_port tls_log=$tmp/tls-$tls_port.log
}
pass="location / { proxy_pass http://$open; proxy_set_header Host \$http_host; }"
certs=$HOME/.config/containers/certs.d
trust() { # HOST:PORT CA
	mkdir -p "$certs/$1"
	cp "$tmp/$2.crt" "$certs/$1/"
}
fetch() { # IMAGE
	rm -rf "$tmp/store"
	ducc-fetch -s "$tmp/store" "$@"
}

start_tls server <<END
$pass
END
fails "a certificate of an unknown authority is refused" fetch "https://$tls/app:1"
like "... which is said" "$(cat "$out")" "app:1: manifest: .*certificate"
is "... at once" "$(read_log "$tls_log")" ""
trust "$tls" other
fails "... also if another authority is trusted for the registry" fetch "https://$tls/app:1"
like "... which is not the one that is missing" "$(cat "$out")" ": no certificate in $certs/$tls/\*.crt verifies it\$"
rm "$certs/$tls"/*
fails "... or none" fetch "https://$tls/app:1"
like "... where its certificate belongs" "$(cat "$out")" "add the certificate as $certs/$tls/ca.crt\$"
trust "$tls" ca
ok "the authority in certs.d is trusted" fetch "https://$tls/app:1"
is "HTTP/2 is spoken" "$(read_log "$tls_log" | cut -d' ' -f1 | sort -u)" HTTP/2.0
ok "... over TLS 1.2 or later" test "$(read_log "$tls_log" | cut -d' ' -f2 | sort -u | grep -cv 'TLSv1\.[23]')" = 0
fails "... for that registry alone" fetch "https://localhost:$tls_port/app:1"
fails "another authority that does not exist is reported" env SSL_CERT_FILE="$tmp/none.crt" ducc-fetch -s "$tmp/new" "https://$tls/app:1"
like "... and is not taken for the image" "$(cat "$out")" "app:1: manifest: .*none.crt: No such file"
rm -r "$certs"
SSL_CERT_FILE=$tmp/ca.crt
export SSL_CERT_FILE
ok "SSL_CERT_FILE is trusted for all" fetch "https://localhost:$tls_port/app:1"
fails "TLS is not spoken to those who don't" fetch "https://$open/app:1"
fails "nor is it left out" fetch "http://$tls/app:1"

start_tls stranger <<END
$pass
END
fails "a certificate for another host is refused" fetch "https://$tls/app:1"
like "... which is said" "$(cat "$out")" "app:1: manifest: .*(subject|name|match)"
is "... without advice on its authority, which is known" "$(grep -c 'authority\|[*a]\.crt' "$out")" 0

# Client certificates
start_tls server <<END
ssl_client_certificate $tmp/ca.crt; ssl_verify_client on;
$pass
END
fails "who wants a client certificate gets none by default" fetch "https://$tls/app:1"
mkdir -p "$certs/$tls"
cp client.crt "$certs/$tls/client.cert"
fails "a client certificate without a key is an error" fetch "https://$tls/app:1"
like "... that says so" "$(cat "$out")" "$certs/$tls/client.key: "
cp client.key "$certs/$tls/client.key"
clear_log "$tls_log"
ok "a client certificate in certs.d is shown" fetch "https://$tls/app:1"
is "... for all that is asked" "$(read_log "$tls_log" | cut -d' ' -f6 | sort -u)" '"CN=client"'

# Redirects
start_tls server <<END
ssl_client_certificate $tmp/ca.crt; ssl_verify_client optional;
$pass
END
elsewhere=$tls elsewhere_log=$tls_log
start_tls server <<END
ssl_client_certificate $tmp/ca.crt; ssl_verify_client optional;
location ~ /blobs/ { return 307 https://$elsewhere\$uri; }
$pass
END
mkdir -p "$certs/$tls"
cp client.crt "$certs/$tls/client.cert"
cp client.key "$certs/$tls/client.key"
ok "a redirect to another host is followed" fetch "https://$tls/app:1"
like "... from one that is shown the certificate" "$(read_log "$tls_log")" '/manifests/.* "CN=client"'
is "... to one that isn't" "$(read_log "$elsewhere_log" | cut -d' ' -f6 | sort -u)" '"-"'

start_tls server <<END
location ~ /blobs/ { return 307 http://$open\$uri; }
$pass
END
fails "a redirect from https to http is not" fetch "https://$tls/app:1"
like "... and that is said" "$(cat "$out")" 'sha256:.*: redirect from https to http'
for scheme in https HTTPS; do
	fails "... nor of a list, $scheme" ducc-wish "$scheme://$tls/blobs/list"
	like "... said" "$(cat "$out")" ': redirect from https to http$'
done

# A registry with TLS and a password of its own
make_htpasswd
registry_auth="auth: { htpasswd: { realm: test, path: $tmp/htpasswd } }"
servers=$((servers + 1))
registry_dir=$tmp/registry-$servers
mkdir "$registry_dir"
new_port
tls_port=$port
cat >"$registry_dir/config.yml" <<END
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $registry_dir } }
http: { addr: '127.0.0.1:$tls_port', tls: { certificate: $tmp/server.crt, key: $tmp/server.key } }
$registry_auth
END
setpriv --pdeathsig KILL docker-registry serve "$registry_dir/config.yml" >"$registry_dir/log" 2>&1 &
at_exit "kill $! 2>/dev/null"
wait_for curl -s --cacert "$tmp/ca.crt" "https://127.0.0.1:$tls_port/v2/" -o "$out"
tls=127.0.0.1:$tls_port
skopeo copy -q --insecure-policy --dest-tls-verify=false --dest-creds "$registry_user:$registry_password" \
	"oci:$tmp/oci:app" "docker://$tls/app:1" 2>"$out" || diag <"$out"
export DUCC_AUTH_REGISTRIES=r DUCC_r_IDENT="$tls" DUCC_r_USER="$registry_user" DUCC_r_PASS="$registry_password"
ok "docker-registry with TLS and a password" fetch "https://$tls/app:1"
ok "... gives what is right" sound "$tmp/store"
unset DUCC_AUTH_REGISTRIES DUCC_r_IDENT DUCC_r_USER DUCC_r_PASS

# What registries.conf calls insecure: TLS with any certificate, and if there is none, without
drive=$bin/t/drive-registry
conf() { # HOST:PORT KEY
	printf '[[registry]]\nlocation = "%s"\n%s = true\n' "$1" "$2" >"$tmp/registries.conf"
}
CONTAINERS_REGISTRIES_CONF=$tmp/registries.conf
export CONTAINERS_REGISTRIES_CONF
unset SSL_CERT_FILE
rm -rf "$certs"
start_tls server <<END
client_max_body_size 0;
$pass
END
conf "$tls" insecure
ok "an insecure registry is pulled from" fetch "https://$tls/app:1"
ok "... and pushed to" "$drive" put "https://$tls/pushed" "$tmp/oci/oci-layout"
like "... by TLS" "$(read_log "$tls_log")" '^HTTP/2.0 TLS.* PUT /v2/pushed/blobs/uploads/.* 201 '
is "... and nothing else" "$(read_log "$nginx_log")" ""
ok "... its tags are listed" "$drive" tags "https://$tls/app"
conf "$open" insecure
ok "one without TLS is pulled from" fetch "https://$open/app:1"
ok "... and pushed to" "$drive" put "https://$open/elsewhere" "$tmp/oci/oci-layout"
is "... which it has" "$("$drive" has "http://$open/elsewhere" "$(digest_of "$tmp/oci/oci-layout")")" yes
ok "... its tags are listed" "$drive" tags "https://$open/app"
make_htpasswd
start_tls server <<END
auth_basic test; auth_basic_user_file $tmp/htpasswd;
location = /v2/ { return 401; }
location / { return 404 '{"errors":[{"code":"NAME_UNKNOWN","message":"unknown name"}]}'; }
END
conf "$tls" insecure
export DRIVE_USER="$registry_user" DRIVE_PASSWORD="$registry_password"
fails "what an insecure registry hasn't got" "$drive" tags "https://$tls/missing"
fails "... or is asked to pull" env DUCC_AUTH_REGISTRIES=r "DUCC_r_IDENT=$tls" "DUCC_r_USER=$registry_user" \
	"DUCC_r_PASS=$registry_password" ducc-fetch -s "$tmp/store" "https://$tls/missing:1"
like "... is missing" "$(cat "$out")" 'missing:1: does not exist: manifest: the server answered 404'
is "... and not asked for without TLS" "$(read_log "$tls_log" | grep -v ' TLSv1')" ""
unset DRIVE_USER DRIVE_PASSWORD
conf "$tls" blocked
fails "a blocked one is not pushed to" "$drive" put "https://$tls/blocked" "$tmp/oci/oci-layout"
like "... which is said" "$(cat "$out")" "^$tls is blocked by registries.conf"
conf example.org insecure
fails "others are as secure as ever" "$drive" put "https://$tls/other" "$tmp/oci/oci-layout"
fails "... with TLS" "$drive" put "https://$open/other" "$tmp/oci/oci-layout"
is "... nothing came to them" "$("$drive" has "http://$open/other" "$(digest_of "$tmp/oci/oci-layout")")" no

done_testing
