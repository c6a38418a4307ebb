#!/bin/sh
# Registries as they are: challenges, tokens, redirects and encodings in all the forms that clients put up with.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl jq nginx skopeo umoci

www=$tmp/www
make_image "$tmp/oci" app
mkdir -p "$www/good/manifests" "$www/good/blobs"
for b in "$tmp"/oci/blobs/sha256/*; do
	cp "$b" "$www/good/blobs/sha256:${b##*/}"
done
manifest=$(jq -r '.manifests[0].digest' "$tmp/oci/index.json")
cp "$www/good/blobs/$manifest" "$www/good/manifests/1"
cp "$www/good/blobs/$manifest" "$www/good/manifests/$manifest"
basic="Basic $(printf u:p | base64)"

# Each: name, the challenges of two headers, what is accepted (basic, bearer, or bearer for a scope), the token
sed 's/  */ /g; s/ *| */|/g' >"$tmp/quirks" <<'END2'
negotiate-basic   | Negotiate                     | Basic realm="r"  | basic  |
basic-negotiate   | Basic realm="r"               | Negotiate        | basic  |
ntlm-basic        | NTLM, Negotiate abc==, Digest realm="a, b", nonce="c" | Basic realm="r" | basic |
upper-case-basic  | BASIC realm="Nexus"           |                  | basic  |
one-line-basic    | Negotiate, Basic realm="r"    |                  | basic  |
negotiate-bearer  | Negotiate                     | Bearer @         | bearer | {"token":"good"}
basic-bearer      | Basic realm="r"               | Bearer @         | bearer | {"token":"good"}
one-line-bearer   | Basic realm="r", Bearer @     |                  | bearer | {"token":"good"}
bearer-basic      | Bearer @, Basic realm="r"     |                  | bearer | {"token":"good"}
lower-case        | bearer @                      |                  | bearer | {"token":"good"}
empty-token       | Bearer @                      |                  | bearer | {"token":"","access_token":"good"}
null-token        | Bearer @                      |                  | bearer | {"token":null,"access_token":"good"}
other-token       | Bearer @                      |                  | bearer | {"access_token":"good","expires_in":"300"}
empty-access      | Bearer @                      |                  | bearer | {"token":"good","access_token":""}
key-in-other-case | Bearer @                      |                  | bearer | {"Token":"good"}
own-scope         | Bearer @,scope="repository:up/app:pull" |        | scope  | {"token":"good"}
strange-scope     | Bearer scope="pull",@         |                  | scope  | {"token":"good"}
hidden404         | 404                           |                  | basic  |
hidden403         | 403                           |                  | basic  |
hidden401         | 401                           |                  | basic  |
END2
# maps VARIABLE FIELD: a map from quirks to what the field of the table says
maps() {
	printf 'map $quirk $%s {\n' "$1"
	awk -F '|' -v n="$2" '$n != "" && $n !~ /^40/ { gsub(/"/, "\\\"", $n); printf "\"%s\" \"%s\";\n", $1, $n }' "$tmp/quirks" |
		sed "s,@,realm=\\\\\"http://@ADDRESS@/token/\$quirk\\\\\"\\,service=\\\\\"s\\\\\",; s,\\\$quirk\\\\,\$quirk\\\\,"
	echo '}'
}
# shellcheck disable=SC2016 # nginx's variables
{
	echo 'map $uri $quirk { "~^/(v2|token)/(?<name>[^/]*)" $name; }'
	maps first 2
	maps second 3
	maps token 5
	cat <<-END2
		map "\$quirk:\$http_authorization" \$known {
			default "";
			"~^[^:]*:Bearer good\$" 1;
			"~^(negotiate-basic|basic-negotiate|ntlm-basic|upper-case-basic|one-line-basic|hidden...):$basic\$" 1;
			"~^:$basic\$" 1;
			"~^(good|gzip|forced|coding|nonsense|bomb|space|relative|moved)[:]" 1;
		}
		map \$known\$quirk \$hidden { hidden401 401; hidden403 403; hidden404 404; default ""; }
		map "\$quirk:\$args" \$granted {
			default \$token;
			"~^own-scope:(?!.*scope=repository%3Aup%2Fapp%3Apull)" '{"token":"bad"}';
			"~^strange-scope:(?!.*scope=pull&)" '{"token":"bad"}';
		}
		map \$known \$say_first { "" \$first; default ""; }
		map \$known \$say_second { "" \$second; default ""; }
		server {
			@LISTEN@
			default_type application/vnd.oci.image.manifest.v1+json;
			location = /v2/ {
				add_header WWW-Authenticate 'Basic realm="r"' always;
				if (\$known = "") { return 401 '{}'; }
				return 200 '{}';
			}
			location /token/ { return 200 \$granted; }
			location ~ ^/v2/forced/(?<rest>manifests/.*) {
				add_header Content-Encoding gzip;
				alias $www/gzip/\$rest;
			}
			location ~ ^/v2/coding/(?<rest>manifests/.*) {
				add_header Content-Encoding aws-chunked;
				alias $www/good/\$rest;
			}
			location ~ ^/v2/nonsense/(?<rest>manifests/.*) {
				add_header Content-Encoding gzip;
				alias $www/good/\$rest;
			}
			location ~ ^/v2/bomb/(?<rest>manifests/.*) {
				add_header Content-Encoding gzip;
				alias $www/bomb/\$rest;
			}
			location ~ ^/v2/space/(?<rest>blobs/.*) { return 307 "/elsewhere/a b/\$rest"; }
			location ~ ^/v2/relative/(?<rest>blobs/.*) { return 307 "../../../elsewhere/x/\$rest"; }
			location ~ ^/v2/moved/(?<rest>manifests/.*) { return 307 "/elsewhere/x/\$rest"; }
			location ~ ^/v2/[^/]+/(?<rest>.*) {
				add_header WWW-Authenticate \$say_first always;
				add_header WWW-Authenticate \$say_second always;
				if (\$hidden = 404) { return 404; }
				if (\$hidden = 403) { return 403; }
				if (\$known = "") { return 401 '{"errors":[{"code":"UNAUTHORIZED"}]}'; }
				alias $www/good/\$rest;
			}
			location ~ ^/elsewhere/[^/]*/(?<rest>.*) { alias $www/good/\$rest; }
		}
	END2
} >"$tmp/quirks.conf"
mkdir -p "$www/gzip/manifests"
for m in 1 "$manifest"; do gzip -c "$www/good/manifests/$m" >"$www/gzip/manifests/$m"; done
mkdir -p "$www/bomb/manifests"
head -c 5000000 /dev/zero | gzip -c >"$www/bomb/manifests/1"
start_nginx <"$tmp/quirks.conf"

fetch() { # NAME
	rm -rf "$tmp/store"
	DUCC_AUTH_REGISTRIES=r DUCC_r_IDENT=$nginx DUCC_r_USER=u DUCC_r_PASS=p \
		ducc-fetch -s "$tmp/store" "$nginx/$1:1"
}
while IFS='|' read -r quirk first second accepts token; do
	ok "$quirk: $first${second:+; $second} $accepts $token" fetch "$quirk"
done <"$tmp/quirks"
for quirk in forced coding space relative moved; do
	ok "$quirk: the image is fetched" fetch "$quirk"
	ok "... skopeo fetches it, too" skopeo copy -q --insecure-policy --src-tls-verify=false --src-creds u:p \
		"docker://$nginx/$quirk:1" "dir:$tmp/dir-$quirk"
done
ok "... the manifest is what the tag names" test -e "$tmp/store/blobs/sha256/${manifest#*:}"

fails "what is not gzip is refused" fetch nonsense
like "... which is said" "$(cat "$out")" 'nonsense:1: manifest: response is not gzip, as its header says'
fails "so is what grows too large" fetch bomb
like "... which is said" "$(cat "$out")" 'bomb:1: manifest: response of more than 4194304 bytes'

# No more requests than before where a registry has nothing to hide
clear_log "$nginx_log"
fails "an image that isn't there" ducc-fetch -s "$tmp/store" "$nginx/good:2"
is "... is not asked for at /v2/ without credentials" "$(requests | grep -c ' /v2/ ')" 0

done_testing
