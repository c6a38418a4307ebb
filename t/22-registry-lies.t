#!/bin/sh
# Registries that lie, break or mislead: each gives one line of error, and nothing wrong is stored.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl htpasswd jq nginx umoci

# A registry of plain files: $www/v2/NAME/{manifests,blobs}/..., the image always at the tag `tag`.
www=$tmp/www/v2
store=$tmp/store
mkdir -p "$www/good/manifests"
make_image "$tmp/oci" good
manifest=$(jq -r '.manifests[0].digest' "$tmp/oci/index.json")
cp -r "$tmp/oci/blobs" "$tmp/blobs"
blob() { # DIGEST: where the good blob is
	echo "$tmp/blobs/sha256/${1#*:}"
}
mkdir "$www/good/blobs"
for b in "$tmp"/blobs/sha256/*; do
	cp "$b" "$www/good/blobs/sha256:${b##*/}"
done
cp "$(blob "$manifest")" "$www/good/manifests/tag"
cp "$(blob "$manifest")" "$www/good/manifests/$manifest"
config=$(jq -r .config.digest "$www/good/manifests/tag")
layer=$(jq -r '.layers[1].digest' "$www/good/manifests/tag")
oci=application/vnd.oci.image

start_nginx <<END
server {
	@LISTEN@
	root $tmp/www;
	location / { default_type application/octet-stream; }
	location = /back { return 307 http://\$arg_to; }
}
END
elsewhere=$nginx elsewhere_log=$nginx_log

make_htpasswd
cat >"$tmp/lies.conf" <<END
map "\$uri:\$http_authorization" \$challenge { "~^/v2/bearer/.*:Bearer t0ken\$" ""; "~^/v2/bearer/" 1; default ""; }
map \$uri \$good { "~^/v2/back/(?<rest>.*)" /v2/good/\$rest; }
server {
	@LISTEN@
	root $tmp/www;
	default_type application/octet-stream;
	location ~ /manifests/ { default_type $oci.manifest.v1+json; }
	location ^~ /v2/header/manifests/ {
		default_type $oci.manifest.v1+json;
		add_header Docker-Content-Digest sha256:$(printf %064d 0);
	}
	location ^~ /v2/html/manifests/ { default_type text/html; }
	location ^~ /v2/html200/manifests/ { default_type $oci.manifest.v1+json; }
	location ^~ /v2/error500/manifests/ { return 500; }
	location ^~ /v2/error500blob/blobs/ { return 500; }
	location ^~ /v2/error401/ { return 401; }
	location ^~ /v2/error403/ { return 403; }
	location ^~ /v2/error429/ { return 429; }
	location ^~ /v2/loop/blobs/ { return 302 \$uri; }
	location ~ ^/v2/tofile/blobs/(?<blob>.*) { return 302 file://$www/good/blobs/\$blob; }
	location ^~ /v2/nowhere/blobs/ { return 302; }
	location ^~ /v2/redirect/blobs/ { return 307 http://$elsewhere\$request_uri; }
	location ^~ /v2/secret/ {
		auth_basic test;
		auth_basic_user_file $tmp/htpasswd;
		location ~ /blobs/ { try_files /nowhere @elsewhere; }
		location ~ /manifests/ { default_type $oci.manifest.v1+json; }
	}
	location ^~ /v2/back/ {
		auth_basic test;
		auth_basic_user_file $tmp/htpasswd;
		location ~ /blobs/ { try_files /nowhere @back; }
		location ~ /manifests/ { default_type $oci.manifest.v1+json; }
	}
	location @back { return 307 http://$elsewhere/back?to=@ADDRESS@\$good; }
	error_page 418 = @challenge;
	if (\$challenge) { return 418; }
	location ^~ /v2/bearer/blobs/ { return 307 http://$elsewhere\$request_uri; }
	location @elsewhere { return 307 http://$elsewhere\$request_uri; }
	location @challenge {
		add_header WWW-Authenticate 'Bearer realm="http://@ADDRESS@/token",service="test"' always;
		return 401;
	}
	location = /token { return 200 '{"token":"t0ken"}'; }
	location ^~ /v2/notoken/ {
		add_header WWW-Authenticate 'Bearer realm="http://@ADDRESS@/v2/good/manifests/tag",service="test"' always;
		return 401;
	}
	location = /login { default_type text/html; return 200 '\n<!DOCTYPE html><title>log in</title>'; }
	location ^~ /v2/login/ { return 302 /login?password=x; }
	location ^~ /v2/pagetoken/ {
		add_header WWW-Authenticate 'Bearer realm="http://@ADDRESS@/login",service="test"' always;
		return 401;
	}
	location ^~ /v2/realmfile/ {
		add_header WWW-Authenticate 'Bearer realm="file://$tmp/token",service="test"' always;
		return 401;
	}
	location ^~ /v2/norealm/ { add_header WWW-Authenticate 'Bearer' always; return 401; }
	location ^~ /v2/digestauth/ { add_header WWW-Authenticate 'Digest realm="x", nonce="y"' always; return 401; }
}
END
start_nginx <"$tmp/lies.conf"
echo '{"token":"t0ken"}' >"$tmp/token"

lie() { # NAME: a copy of the good image to spoil
	rm -rf "${www:?}/$1"
	cp -r "$www/good" "$www/$1"
}
edit() { # NAME JQ-FILTER: a good copy with another manifest
	lie "$1"
	jq -c "$2" "$www/good/manifests/tag" >"$www/$1/manifests/tag"
}
# refuses NAME CAUSE [REFERENCE-SUFFIX]: status 1, nothing printed, one line with image and cause.
refuses() {
	image=$nginx/$1${3-:tag}
	rm -rf "$store"
	status=0
	timeout 60 ducc-fetch -s "$store" "$image" >"$tmp/stdout" 2>"$tmp/stderr" || status=$?
	cat "$tmp/stdout" "$tmp/stderr"
	echo "status $status, wanted one line with: $image: ... $2"
	[ $status = 1 ] && [ ! -s "$tmp/stdout" ] && [ "$(wc -l <"$tmp/stderr")" = 1 ] &&
		grep -Eq "^ducc-fetch: (http://)?$image: .*($2)" "$tmp/stderr" &&
		sound "$store" && ! grep -q "$1" "$store/index.json" 2>/dev/null
}
http='HTTP|status|answer|respon'

ok "the good image can be fetched" ducc-fetch -s "$tmp/good" "$nginx/good:tag"

# Manifests
lie header
cp "$(blob "$manifest")" "$www/header/manifests/sha256:$(printf %064d 0)"
ok "a Docker-Content-Digest that isn't the manifest's" refuses header 'digest'
lie swapped
jq . "$www/good/manifests/tag" >"$www/swapped/manifests/$manifest"
ok "a manifest that isn't the one asked for" refuses swapped 'digest' ":tag@$manifest"
lie html
lie html200
echo '<html><body>log in here</body></html>' | tee "$www/html/manifests/tag" >"$www/html200/manifests/tag"
page='this is not a registry: a web page answered, '
ok "HTML for a manifest" refuses html "${page}http://$nginx/v2/html/manifests/tag \(text/html\)\$"
ok "HTML that says it is a manifest" refuses html200 "${page}http://$nginx/v2/html200/manifests/tag \(application/vnd.oci.*json\)\$"
ok "a redirect to a page to log in" refuses login "${page}http://$nginx/login\?\(hidden\) \(text/html\)\$"
ok "a page for a token" refuses pagetoken "token.*: ${page}http://$nginx/login(\?\(hidden\))? \(text/html\)\$"
echo "$nginx/login:*" >"$tmp/tags"
fails "a page for a list of tags" ducc-wish -r r "$tmp/tags"
like "... is named" "$(cat "$out")" "${page}http://$nginx/login\?\(hidden\) \(text/html\)\$"
lie big
perl -pe 's/^\{/"{\"padding\":\"" . "x" x (5 << 20) . "\","/e' "$www/good/manifests/tag" >"$www/big/manifests/tag"
ok "a manifest of 5 MiB" refuses big 'large|big|limit|more than|long'
lie empty
: >"$www/empty/manifests/tag"
ok "an empty manifest" refuses empty 'manifest|JSON|empty'
lie cut
head -c 100 "$www/good/manifests/tag" >"$www/cut/manifests/tag"
ok "a manifest cut short" refuses cut 'manifest|JSON'
lie trailing
echo '{}' >>"$www/trailing/manifests/tag"
ok "a manifest with something behind it" refuses trailing 'manifest|JSON'
lie deep
perl -e 'print "[" x 10000, "]" x 10000' >"$www/deep/manifests/tag"
ok "JSON nested 10,000 levels deep" refuses deep 'manifest|JSON'
lie deeper
perl -e 'print "{\"a\":" x 10000, "1", "}" x 10000' >"$www/deeper/manifests/tag"
ok "JSON objects nested 10,000 levels deep" refuses deeper 'manifest|JSON'
n=0
while read -r filter; do
	n=$((n + 1))
	edit "json$n" "$filter"
	ok "a manifest with $filter" refuses "json$n" 'manifest|JSON|layer|config|digest|size|schema|media'
done <<'END'
.layers = "none"
.layers = {}
.layers = [null]
.layers = [[]]
.layers = [7]
del(.layers)
.config = []
del(.config)
.schemaVersion = 1 | del(.config)
.schemaVersion = "2"
.layers[0].digest = 7
.layers[0].digest = null
.layers[0].digest = "sha256:../../../../etc/passwd"
.layers[0].digest = "../../../../etc/passwd"
.layers[0].digest = "sha256:"
.layers[0].digest |= .[:70]
.layers[0].digest |= . + "0"
.layers[0].digest |= "md5:" + .[7:39]
.layers[0].size = -1
.layers[0].size = "12"
.layers[0].size = 1.5
.layers[0].size = 1e300
.layers[0].size = null
del(.layers[0].size)
.layers[0].mediaType = 7
.layers[0].mediaType = "application/x-something-else"
.config.digest = "sha256:../x"
.config.size = {}
.mediaType = "application/vnd.docker.distribution.manifest.v1+json"
.manifests = []
[.]
null
"manifest"
END
edit nested '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [
	{mediaType: "application/vnd.oci.image.index.v1+json", size: 1, digest: .config.digest}]}'
ok "an index that leads nowhere" refuses nested 'index|manifest|platform|digest|size'

# Seventy indexes in one, none of which says what it is for, nor has the image
lie bomb
jq -nc --arg t $oci 'range(70) | {schemaVersion: 2, mediaType: "\($t).index.v1+json", annotations: {i: "\(.)"}, manifests: [
	{mediaType: "\($t).manifest.v1+json", size: 1, digest: ("sha256:" + "0" * 64), platform: {os: "plan9", architecture: "mips"}}]}' |
	while read -r inner; do
		printf '%s\n' "$inner" >"$tmp/inner"
		cp "$tmp/inner" "$www/bomb/manifests/$(digest_of "$tmp/inner")"
		descriptor $oci.index.v1+json "$tmp/inner"
	done | jq -sc --arg t $oci '{schemaVersion: 2, mediaType: "\($t).index.v1+json", manifests: .}' >"$www/bomb/manifests/tag"
ok "an index of seventy indexes" refuses bomb 'more than 64 manifests to examine'
is "... is not looked at to its end" "$(requests | grep -c 'GET /v2/bomb/manifests/sha256')" 64

# Blobs
lie flipped
flip "$www/flipped/blobs/$layer" 8
ok "a blob with a flipped byte" refuses flipped "layer $layer: .*digest"
lie short
truncate -s -1 "$www/short/blobs/$layer"
ok "a blob that is too short" refuses short "layer $layer: .*(short|size|bytes|digest|length)"
lie long
echo >>"$www/long/blobs/$layer"
ok "a blob that is too long" refuses long "layer $layer: .*(long|size|bytes|digest|length|more)"
edit less '.layers[1].size -= 1'
ok "a size that is too small" refuses less "layer $layer: .*(long|size|bytes|length|more)"
edit more '.layers[1].size += 1'
ok "a size that is too large" refuses more "layer $layer: .*(short|size|bytes|length)"
edit huge '.layers[1].size = 9007199254740991'
ok "a size beyond any disk" refuses huge "layers of more than .* compressed bytes"
lie noconfig
printf '{}' >"$www/noconfig/blobs/$config"
ok "another config" refuses noconfig "$config: .*(digest|size|short)"
edit bigconfig '.config.size = 1000000000000'
ok "a config of 1 TB" refuses bigconfig "config.*(large|big|limit|more than|size|long)"
lie gone
rm "$www/gone/blobs/$layer"
ok "a layer that isn't there" refuses gone "layer $layer: .*404"

# Status codes and redirects
lie error500
lie error500blob
ok "404" refuses nothing-here 404
ok "500 for the manifest" refuses error500 500
ok "500 for a blob" refuses error500blob "sha256:.*500"
ok "401 without a challenge" refuses error401 401
ok "401 with a challenge of an unknown kind" refuses digestauth '401|Digest|authentic'
ok "a Bearer challenge without a realm" refuses norealm '401|realm|challenge|token|authentic'
ok "a token server without a token" refuses notoken 'token'
ok "a token server that is a file" refuses realmfile 'realm|token|protocol|scheme|URL'
ok "403" refuses error403 '403|[Dd]enied'
ok "429" refuses error429 '429|[Tt]oo many'
lie loop
ok "a redirect that comes back to itself" refuses loop '[Rr]edirect'
lie nowhere
ok "a redirect to nowhere" refuses nowhere "sha256:.*($http|302|[Rr]edirect)"
lie tofile
ok "a redirect to a local file" refuses tofile '[Rr]edirect|[Pp]rotocol|scheme|302'

lie redirect
ok "a redirect to another port is followed" ducc-fetch -s "$tmp/redirect" "$nginx/redirect:tag"
like "... as that server has seen" "$(read_log "$elsewhere_log")" "GET /v2/redirect/blobs/$layer 200"
lie secret
export DUCC_AUTH_REGISTRIES=r DUCC_r_IDENT="$nginx" DUCC_r_USER="$registry_user" DUCC_r_PASS="$registry_password"
ok "a redirect of a registry with a password is followed" ducc-fetch -s "$tmp/secret" "$nginx/secret:tag"
lie bearer
ok "a redirect of a registry with tokens is followed" ducc-fetch -s "$tmp/bearer" "$nginx/bearer:tag"
lie back
ok "a redirect that another server leads back is followed" ducc-fetch -s "$tmp/back" "$nginx/back:tag"
unset DUCC_AUTH_REGISTRIES DUCC_r_IDENT DUCC_r_USER DUCC_r_PASS
is "... without the password to the address that this one chose" "$(requests | sed -n 's;^GET /v2/good/blobs/.* 200 ;;p' | sort -u)" '"-"'
like "... with the password" "$(requests)" 'GET /v2/secret/blobs/.* 307 "Basic '
like "... with the token" "$(requests)" 'GET /v2/bearer/blobs/.* 307 "Bearer t0ken"'
is "... but neither is shown to the other server" "$(read_log "$elsewhere_log" | grep -v '"-"$')" ""
is "... which gave the blobs" "$(read_log "$elsewhere_log" | grep -c 'GET /v2/\(secret\|bearer\)/blobs/.* 200 ')" 8

# What only a server without manners does
answer() { # FILE STATUS [HEADER...]: the file as an answer
	printf 'HTTP/1.1 %s\r\nConnection: close\r\n' "$2"
	answer_file=$1
	shift 2
	for h; do
		printf '%s\r\n' "$h"
	done
	printf '\r\n'
	cat "$answer_file"
}
rude() { # NAME [HEADER...]: the good image with other headers, or none at all, for one layer
	mkdir -p "$raw/v2/$1/manifests" "$raw/v2/$1/blobs"
	for f in manifests/tag $(cd "$www/good" && echo blobs/*); do
		answer "$www/good/$f" '200 OK' "Content-Length: $(wc -c <"$www/good/$f")" >"$raw/v2/$1/$f"
	done
	rude_layer=$raw/v2/$1/blobs/$layer
	shift
	answer "$(blob "$layer")" '200 OK' "$@" >"$rude_layer"
}
start_raw "$tmp/raw"
nginx=$server
size=$(wc -c <"$(blob "$layer")")

rude none
ok "an answer without a length, up to the end of the connection" ducc-fetch -s "$tmp/none" "$nginx/none:tag"
rude encoding "Content-Length: $size" "Content-Encoding: gzip"
ok "a layer whose encoding the server tells too" ducc-fetch -s "$tmp/encoding" "$nginx/encoding:tag"
rude larger "Content-Length: $((size + 1))"
ok "a Content-Length larger than what comes" refuses larger "layer $layer: "
rude smaller "Content-Length: $((size - 1))"
ok "a Content-Length smaller than the layer" refuses smaller "layer $layer: .*(short|size|bytes|length)"
for lie in $((size + 1)) $((size - 1)); do
	rude "once$lie" "Content-Length: $size"
	answer "$(blob "$layer")" '200 OK' "Content-Length: $lie" >"$rude_layer.once"
	ok "... which was wrong only once ($lie of $size)" ducc-fetch -v -s "$tmp/once$lie" "$nginx/once$lie:tag"
	like "... is told with -v" "$(cat "$out")" "$layer: size mismatch: $lie bytes instead of $size; retrying"
done
rude chunked "Transfer-Encoding: chunked"
ok "chunks that aren't" refuses chunked "layer $layer: "
rude garbage
echo 'what?' >"$rude_layer"
ok "an answer that isn't HTTP" refuses garbage "layer $layer: "
rude silence
: >"$rude_layer"
ok "no answer at all" refuses silence "layer $layer: "

# Headers: the last ones of the final response count
wrong=sha256:$(printf %064d 0)
document=$www/good/manifests/tag
rude hints "Content-Length: $size"
{
	printf 'HTTP/1.1 103 Early Hints\r\nDocker-Content-Digest: %s\r\n\r\n' "$wrong"
	answer "$document" '200 OK' "Content-Length: $(wc -c <"$document")"
} >"$raw/v2/hints/manifests/tag"
ok "an informational response" ducc-fetch -s "$tmp/hints" "$nginx/hints:tag"
rude trailers "Content-Length: $size"
{
	answer /dev/null '200 OK' "Transfer-Encoding: chunked" "X-Empty:"
	printf '%x\r\n' "$(wc -c <"$document")"
	cat "$document"
	printf '\r\n0\r\nDocker-Content-Digest: %s\r\n\r\n' "$wrong"
} >"$raw/v2/trailers/manifests/tag"
ok "trailers" ducc-fetch -s "$tmp/trailers" "$nginx/trailers:tag"
rude repeated "Content-Length: $size"
printf 'HTTP/1.1 307 Moved\r\nlocation: /x\r\nLOCATION: \t /v2/hints/manifests/tag \r\nContent-Length: 0\r\n\r\n' \
	>"$raw/v2/repeated/manifests/tag"
ok "repeated headers" ducc-fetch -s "$tmp/repeated" "$nginx/repeated:tag"
rude digest "Content-Length: $size"
answer "$document" '200 OK' "Content-Length: $(wc -c <"$document")" "docker-content-digest:  $wrong " >"$raw/v2/digest/manifests/tag"
ok "another digest" refuses digest "manifest: .*digest"
rude long "Content-Length: $size"
answer "$document" '200 OK' "$(yes 'X-Long: 0123456789012345678901234567890123456789' | head -n 9000)" >"$raw/v2/long/manifests/tag"
ok "endless headers" refuses long "manifest: "
answer "$document" '200 OK' "X-Long: $(yes 0123456789012345678901234567890123456789 | head -n 9000 | tr -d '\n')" \
	>"$raw/v2/long/manifests/tag"
ok "an endless header" refuses long "manifest: .*header"

# What passes is tried again, what can't get better is not
for s in 408 425 429 500 502 503 504 522 529; do
	rude "s$s" "Content-Length: $size"
	answer /dev/null "$s What" "Content-Length: 0" | tee "$raw/v2/s$s/manifests/tag.once" >"$rude_layer.once"
	ok "$s passes" ducc-fetch -s "$tmp/passes" "$nginx/s$s:tag"
	is "... and had been answered" "$(find "$raw/v2/s$s" -name '*.once')" ""
	rm -r "$tmp/passes"
done
for s in 400 403 404 405 410 451 501 505; do
	rude "s$s" "Content-Length: $size"
	answer /dev/null "$s What" "Content-Length: 0" >"$rude_layer.once"
	ok "$s does not" refuses "s$s" "layer $layer: .*$s"
done
rude reset "Content-Length: $size"
head -c 300 "$rude_layer" >"$rude_layer.reset"
ok "a connection that is reset in the middle" ducc-fetch -s "$tmp/passes" "$nginx/reset:tag"
is "... as it was" "$(find "$raw/v2/reset" -name '*.reset')" ""
rude cut "Content-Length: $size"
truncate -s -1000 "$rude_layer"
answer /dev/null '416 Range Not Satisfiable' 'Content-Length: 0' >"$rude_layer.range"
ok "a layer that never comes to its end, nor can go on" refuses cut "layer $layer: "
rude elsewhere "Content-Length: $size"
truncate -s -1000 "$rude_layer"
answer "$(blob "$layer")" '206 Partial Content' "Content-Length: $size" "Content-Range: bytes 0-$((size - 1))/$size" >"$rude_layer.range"
ok "... nor where it was asked for" refuses elsewhere "layer $layer: "

# What was spoiled on the way is right the second time
rude spoiled "Content-Length: $size"
cp "$www/good/manifests/tag" "$tmp/spoiled"
flip "$tmp/spoiled" 100
answer "$tmp/spoiled" '200 OK' "Docker-Content-Digest: $manifest" >"$raw/v2/spoiled/manifests/tag.once"
ok "a manifest that is spoiled on the way" ducc-fetch -v -s "$tmp/passes" "$nginx/spoiled:tag"
like "... is asked for again" "$(cat "$out")" 'digest mismatch: .*; retrying'

# What a registry says is shown without what terminals obey
rude escapes
printf '{"errors":[{"code":"X","message":"\\u001b[31mred\\u0007\\n\\u009b2J"}]}' >"$tmp/body"
answer "$tmp/body" '403 Forbidden' "Content-Length: $(wc -c <"$tmp/body")" >"$raw/v2/escapes/manifests/tag"
ok "an error with escape sequences" refuses escapes '403.*red'
is "... is shown without them" "$(LC_ALL=C tr -d '\n\40-\176' <"$tmp/stderr" | wc -c)" 0

done_testing
