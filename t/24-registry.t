#!/bin/sh
# What the tools above ducc-fetch want of a registry: its tags, and to push to it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry htpasswd jq nginx openssl skopeo umoci

drive=$bin/t/drive-registry
[ -x "$drive" ] || skip_all "no $drive"
make_image "$tmp/oci" app
manifest=$tmp/oci/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' "$tmp/oci/index.json")
type=application/vnd.oci.image.manifest.v1+json

# Pushing
push_image() { # REFERENCE [MOUNT-FROM]
	for b in "$tmp"/oci/blobs/sha256/*; do
		[ "$b" = "$manifest" ] || "$drive" put "$1" "$b" ${2+"$2"} || return 1
	done
	"$drive" manifest "$1" "${1##*:}" "$type" "$manifest"
}
layer=$(jq -r '.layers[0].digest' "$manifest")
start_registry open
open=$registry open_log=$registry_log
is "a blob is not there before it was pushed" "$("$drive" has "$open/app" "$layer")" no
ok "an image is pushed" push_image "$open/app:1"
is "... byte by byte what it was" "$(manifest_of "$open/app:1" | sha256sum)" "$(sha256sum <"$manifest")"
is "... and its blob is there" "$("$drive" has "$open/app" "$layer")" yes
ok "... and all of it can be fetched" ducc-fetch -s "$tmp/store" "$open/app:1"
clear_log "$open_log"
ok "pushed again, no blob is uploaded" push_image "$open/app:2"
is "... as the registry has seen" "$(read_log "$open_log" | grep -c '"\(POST\|PATCH\) ')" 0
ok "another repository can give blobs" push_image "$open/other:1" app
is "... so that nothing is uploaded" "$(read_log "$open_log" | grep -c '"PUT /v2/other/blobs')" 0
ok "... nor does it fail when that one hasn't got them" push_image "$open/third:1" nothing/here
ok "a manifest may be put by its digest" "$drive" manifest "$open/app" "$(digest_of "$manifest")" "$type" "$manifest"
jq -c '.layers[0].digest = "sha256:" + "0" * 64' "$manifest" >"$tmp/unknown"
fails "one of a layer that the registry hasn't got is refused" "$drive" manifest "$open/app" 3 "$type" "$tmp/unknown"
like "... with the registry's words" "$(cat "$out")" '^manifest 3: the server answered 40.*: .*blob'

# A registry that takes blobs in chunks only, and has a bad moment now and then
start_nginx <<END
map \$request_method:\$http_content_length:\$uri \$whole { default ""; "~^PUT:[1-9].*/blobs/uploads/" 1; }
limit_req_zone \$request_method\$uri zone=moments:1m rate=30r/s;
limit_req_status 503;
server {
	@LISTEN@
	client_max_body_size 0;
	location / {
		if (\$whole) { return 405; }
		limit_req zone=moments;
		proxy_pass http://$open;
		proxy_set_header Host \$http_host;
	}
}
END
ok "a registry that wants chunks gets them" push_image "$nginx/chunks:1"
like "... which it had asked for" "$(requests)" 'PUT /v2/chunks/blobs/uploads/.* 405 '
is "... and the image is whole" "$(manifest_of "$open/chunks:1" | sha256sum)" "$(sha256sum <"$manifest")"
ok "... with all its blobs" ducc-fetch -s "$tmp/chunks" "$open/chunks:1"

# An upload that is to go elsewhere would take the credentials along
start_nginx <<END
server {
	@LISTEN@
	location ~ /blobs/uploads/ { add_header Location http://$open\$uri always; return 202; }
	location / { return 404; }
}
END
fails "an upload doesn't leave the registry" "$drive" put "$nginx/app" "$tmp/oci/oci-layout"
like "... and that is said" "$(cat "$out")" 'blob sha256:.*: registry redirects the upload to another host'

# Credentials
start_registry htpasswd
fails "Basic: pushing without credentials is an error" push_image "$registry/app:1"
like "Basic: ... that says so" "$(cat "$out")" 'the server answered 401'
export DRIVE_USER="$registry_user" DRIVE_PASSWORD="$registry_password"
ok "Basic: with those that are given it works" push_image "$registry/app:1"
DUCC_AUTH_REGISTRIES=r DUCC_r_IDENT=$registry DUCC_r_USER=$registry_user DUCC_r_PASS=wrong
export DUCC_AUTH_REGISTRIES DUCC_r_IDENT DUCC_r_USER DUCC_r_PASS
ok "Basic: ... which go before those that are configured" push_image "$registry/other:1"
unset DUCC_AUTH_REGISTRIES
start_registry tokens
ok "Bearer: a token to push is asked for" push_image "$registry/private/app:1"
is "Bearer: ... by its scope" "$(cut -d' ' -f2 "$tokens/log" | sort -u)" repository:private/app:pull,push
ok "Bearer: an image is pushed to another repository" push_image "$registry/public/app:1"
: >"$tokens/log"
clear_log "$registry_log"
ok "Bearer: mounting asks for both repositories" push_image "$registry/third:1" public/app
is "Bearer: ... in one token" "$(sort -u "$tokens/log")" \
	"$(printf '%s\n' 'GET repository:third:pull,push Basic 200 OK' \
		'GET repository:third:pull,push,repository:public/app:pull Basic 200 OK')"
is "Bearer: ... and nothing is uploaded" "$(read_log "$registry_log" | grep -c '"PUT /v2/third/blobs')" 0
unset DRIVE_USER DRIVE_PASSWORD
fails "Bearer: without credentials nothing is pushed" push_image "$registry/public/app:1"
like "Bearer: ... and that is said" "$(cat "$out")" 'the server answered 401'

# Tags: a registry that pages in no way
tags() { # REFERENCE: as one line
	"$drive" tags "$1" >"$tmp/tags" && LC_ALL=C sort "$tmp/tags" | tr '\n' ' '
}
is "tags are listed" "$(tags "$open/app")" "1 2 "
fails "those of a repository that isn't there are not" "$drive" tags "$open/nothing"
is "... and that is said" "$(cat "$out")" "tag list: no such repository (404)"
at=$(dirname "$open_log")/docker/registry/v2/repositories/app/_manifests/tags
add_tags() { # FIRST LAST
	seq -f "$at/v%.0f/current" "$1" "$2" | xargs mkdir -p
}
add_tags 1 998
ok "1,000 tags, as many as are asked for, are listed" tags "$open/app"
is "... each once" "$(sort -u "$tmp/tags" | wc -l) $(wc -l <"$tmp/tags")" "1000 1000"
add_tags 999 10000
clear_log "$open_log"
ok "10,000 tags are listed" tags "$open/app"
is "... each once" "$(sort -u "$tmp/tags" | wc -l) $(wc -l <"$tmp/tags")" "10002 10002"
is "... in one request, as the registry gave them all" "$(read_log "$open_log" | grep -c 'GET /v2/app/tags')" 1

# Registries that page: plain files, one for each page
www=$tmp/www/v2
page() { # NAME FIRST LAST: tags t1000000+FIRST ...
	mkdir -p "$www/${1%/*}"
	seq $((1000000 + $2)) $((1000000 + $3)) | jq -cR . | jq -cs '{name: "x", tags: map("t" + .)}' >"$www/$1"
}
for i in 0 1 2; do
	page "pages/$i" $((i * 1000)) $((i * 1000 + 999))
done
page pages/3 3000 3001
page pages/4 1 0
page short/0 1 100
page short/1 101 200
page short/2 1 0
page full/0 1 1000
page few/1000 1 1000
page few/1 1 1
page own/0 1 50
page over/0 1 1001
mkdir -p "$www/vast" "$www/null" "$www/bad" "$www/odd" "$www/error" "$www/both" "$www/none" "$www/nought"
echo '{"name":"x","tags":null}' >"$www/null/0"
echo '{"name":"x","tags":["a",7]}' >"$www/bad/0"
echo '{"errors":[{"code":"TOOMANYREQUESTS"}]}' >"$www/error/0"
echo '{"name":"x","tags":["a"],"Errors":[{"code":"UNKNOWN"}]}' >"$www/both/0"
echo '{"name":"x"}' >"$www/none/0"
echo '{"name":"x","Tags":["a"],"errors":[]}' >"$www/nought/0"
echo '{"name":"x","tags":["good","../../etc","a b","","-x",".x"]}' >"$www/odd/0"
start_nginx <<END
map \$arg_last \$after {
	default 4; "" 0; t1000999 1; t1001999 2; t1002999 3; t1003001 4;
	t1000100 1; t1000200 2;
}
map \$arg_p \$link {
	"" '</v2/links/tags/list?p=1&n=5>; rel="next"'; 1 '<http://example.org/v2/links/tags/list?p=2&n=5>; rel="next"';
	2 '<?p=3>; rel=next'; 3 '';
}
map \$arg_p \$p { "" 0; default \$arg_p; }
map \$arg_p \$round { "" 1; 1 2; 2 1; }
server {
	@LISTEN@
	default_type application/json;
	root $tmp/www/v2;
	location = /v2/last/tags/list { rewrite ^ /pages/\$after last; }
	location = /v2/short/tags/list { rewrite ^ /short/\$after last; }
	location = /v2/few/tags/list { rewrite ^ /few/\$arg_n last; }
	location = /v2/links/tags/list { add_header Link \$link; try_files /pages/\$p =404; }
	location = /v2/circle/tags/list { add_header Link '</v2/circle/tags/list?p=\$round>; rel="next"'; try_files /pages/\$p =404; }
	location = /v2/half/tags/list { add_header Link '</v2/error/tags/list?p=1>; rel="next"'; try_files /pages/0 =404; }
	location = /v2/still/tags/list { add_header Link '</v2/still/tags/list?p=1>; rel="next"'; try_files /null/0 =404; }
	location ~ ^/v2/(.*)/tags/list { try_files /\$1/0 =404; }
}
END
ok "pages by Link" tags "$nginx/links"
is "... are all there" "$(sort -u "$tmp/tags" | wc -l)" 3002
is "... from this registry, whatever it calls itself" "$(requests | grep -c links)" 4
ok "pages by n and last" tags "$nginx/last"
is "... are all there" "$(sort -u "$tmp/tags" | wc -l)" 3002
ok "pages smaller than asked for, without a Link" tags "$nginx/short"
is "... are all there" "$(sort -u "$tmp/tags" | wc -l)" 200
fails "links that go in circles are an error" "$drive" tags "$nginx/circle"
like "... that says so" "$(cat "$out")" 'pages link in a loop'
ok "one of exactly as many as were asked for, from a registry that gives them all, is whole" tags "$nginx/full"
is "... are all there" "$(sort -u "$tmp/tags" | wc -l)" 1000
fails "one from a registry that gives so many and no more is cut off" "$drive" tags "$nginx/few"
like "... which is said" "$(cat "$out")" 'truncated after 1000 tags'
ok "one of 50, whatever is asked for, is whole" tags "$nginx/own"
ok "... as is one of 1,001" tags "$nginx/over"
is "no tags at all" "$(tags "$nginx/null")" ""
seq -f 't%.0f' 600000 | jq -cRn '{name: "x", tags: [inputs]}' >"$www/vast/0"
fails "a page of more than 4 MiB is an error" "$drive" tags "$nginx/vast"
like "... that says so" "$(cat "$out")" 'tag list: response of more than 4194304 bytes'
fails "a tag that is a number is an error" "$drive" tags "$nginx/bad"
for page in error both none half; do
	fails "a page that is none, in a list: $page" "$drive" tags "$nginx/$page"
	like "... is not its end" "$(cat "$out")" 'tag list: (the server reports errors|"tags" is missing)'
done
is "a page that reports no errors" "$(tags "$nginx/nought")" "a "
fails "empty pages that link in circles are an error" "$drive" tags "$nginx/still"
like "... that says so" "$(cat "$out")" 'pages link in a loop'
is "... soon" "$(requests | grep -c /still/)" 2
is "what can't be a tag is left out" "$(tags "$nginx/odd")" "good "

done_testing
