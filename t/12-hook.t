#!/bin/sh
# ducc-hook: what registries' notifications mean, hook.cgi, which takes them for a web server, and hook-publish.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry lighttpd openssl skopeo umoci

tab=$(printf '\t')
hex=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

example() { # NUMBER: of the manual
	awk -v n="$1" '/^\.Ed/ { on = 0 } on { print } /^\.Bd/ && ++i == n { on = 1 }' "$top/man/ducc-hook.1"
}

# hook ARGUMENT...: run it on standard input; leaves $tmp/records, $tmp/said and $status.
hook() {
	status=0
	ducc-hook "$@" >"$tmp/records" 2>"$tmp/said" || status=$?
}
told() { # TITLE RECORDS: of the notification on standard input
	hook
	is "$1" "$status $(tr '\t' ' ' <"$tmp/records")" "0 $2"
}

told "Distribution: a push" "https://registry.example.org:5000/group/app:1.0" <<END
{"events": [{
  "id": "320678d8-ca14-430f-8bb6-4ca139cd83f7", "timestamp": "2026-11-24T14:44:26Z", "action": "push",
  "target": {"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "size": 708,
    "digest": "sha256:$hex", "length": 708, "repository": "group/app", "tag": "1.0",
    "url": "http://10.0.0.1:5000/v2/group/app/manifests/sha256:$hex"},
  "request": {"id": "6df24a34", "addr": "192.0.2.1:42", "host": "registry.example.org:5000", "method": "PUT"},
  "actor": {"name": "me"}, "source": {"addr": "registry:5000"}
}]}
END
told "Distribution: several events; pulls, layers and images without a tag don't count" "\
https://h.org/a:1
https://h.org/b:2 event=delete
https://h.org/c@sha256:$hex event=delete" <<END
{"events": [
  {"action": "pull", "target": {"repository": "x", "tag": "1"}, "request": {"host": "h.org"}},
  {"action": "push", "target": {"repository": "x", "digest": "sha256:$hex"}, "request": {"host": "h.org"}},
  {"action": "push", "target": {"repository": "a", "tag": "1", "digest": "sha256:$hex"}, "request": {"host": "h.org"}},
  {"action": "mount", "target": {"repository": "x", "digest": "sha256:$hex"}, "request": {"host": "h.org"}},
  {"action": "delete", "target": {"repository": "b", "tag": "2"}, "request": {"host": "h.org"}},
  {"action": "delete", "target": {"repository": "c", "digest": "sha256:$hex"}, "request": {"host": "h.org"}},
  {"action": "delete", "target": {"repository": "d"}, "request": {"host": "h.org"}}
]}
END
told "Distribution: no event" "" <<END
{"events": []}
END
harbor() { # TYPE TAG [cloud]
	data='"data"'
	[ "${3-}" = cloud ] || data='"event_data"'
	[ "${3-}" = cloud ] && printf '{"specversion": "1.0", "id": "1", "source": "/projects/2/webhook/policies/15",'
	[ "${3-}" = cloud ] || printf '{"occur_at": 1680501893,'
	printf '"type": "%s", "operator": "robot", %s: {"resources": [{"digest": "sha256:%s", "tag": "%s",
		"resource_url": "harbor.example.org/library/alpine:%s"}], "repository": {"date_created": 1,
		"name": "alpine", "namespace": "library", "repo_full_name": "library/alpine", "repo_type": "private"}}}' \
		"$1" "$data" "$hex" "$2" "$2"
}
harbor PUSH_ARTIFACT 3.19 >"$tmp/n"
told "Harbor: a push" "https://harbor.example.org/library/alpine:3.19" <"$tmp/n"
harbor DELETE_ARTIFACT 3.19 >"$tmp/n"
told "Harbor: a deletion" "https://harbor.example.org/library/alpine:3.19 event=delete" <"$tmp/n"
harbor PUSH_ARTIFACT "sha256:$hex" >"$tmp/n"
told "Harbor: a push without a tag" "" <"$tmp/n"
harbor DELETE_ARTIFACT "sha256:$hex" >"$tmp/n"
told "Harbor: a deletion without a tag" "https://harbor.example.org/library/alpine@sha256:$hex event=delete" <"$tmp/n"
harbor SCANNING_COMPLETED 3.19 >"$tmp/n"
told "Harbor: anything else" "" <"$tmp/n"
harbor harbor.artifact.pushed 3.19 cloud >"$tmp/n"
told "Harbor: a push as CloudEvents" "https://harbor.example.org/library/alpine:3.19" <"$tmp/n"
harbor harbor.artifact.deleted 3.19 cloud >"$tmp/n"
told "Harbor: a deletion as CloudEvents" "https://harbor.example.org/library/alpine:3.19 event=delete" <"$tmp/n"
told "Quay: a push of two tags" "https://quay.io/group/app:1
https://quay.io/group/app:latest" <<END
{"name": "app", "repository": "group/app", "namespace": "group", "docker_url": "quay.io/group/app",
 "homepage": "https://quay.io/repository/group/app", "updated_tags": ["1", "latest"]}
END
told "Quay: as it was once" "https://quay.io/group/app:latest" <<END
{"docker_url": "quay.io/group/app", "updated_tags": {"latest": "$hex"}}
END
told "Quay: anything else" "" <<END
{"build_id": "296ec063", "docker_url": "quay.io/group/app", "docker_tags": ["master"]}
END
told "Docker Hub: a push" "https://registry.hub.docker.com/group/app:1" <<END
{"callback_url": "https://registry.hub.docker.com/u/group/app/hook/1/", "push_data": {"pushed_at": 1417566161, "tag": "1"},
 "repository": {"name": "app", "namespace": "group", "repo_name": "group/app"}}
END

push='{"events": [{"action": "push", "target": {"repository": "a/b", "tag": "1"}, "request": {"host": "internal"}}]}'
echo "$push" >"$tmp/push"
for h in registry.example.org=https://registry.example.org registry:5000=https://registry:5000 \
	127.0.0.1:5000=http://127.0.0.1:5000 http://registry=http://registry; do
	hook -H "${h%%=*}" <"$tmp/push"
	is "-H ${h%%=*}" "$status $(cat "$tmp/records")" "0 ${h#*=}/a/b:1"
done
hook -r unpacked.example.org <"$tmp/push"
is "-r says where to" "$(cat "$tmp/records")" "https://internal/a/b:1${tab}repo=unpacked.example.org"

# Bad notifications
bad() { # NAME: standard input is refused as a whole
	hook
	is "refused: $1" "$status $(cat "$tmp/records")" "1 "
	like "... with the reason: ${2-notification}" "$(cat "$tmp/said")" "^ducc-hook: notification: .*${2-}"
	is "... in one line" "$(wc -l <"$tmp/said")" 1
}
bad "nothing" </dev/null
echo '{"events": [' >"$tmp/n"
bad "half a notification" 'not valid JSON' <"$tmp/n"
echo '[]' >"$tmp/n"
bad "an array" 'not a JSON object' <"$tmp/n"
echo '{"hello": "world"}' >"$tmp/n"
bad "something else" 'unknown kind' <"$tmp/n"
echo '{"EVENTS": []}' >"$tmp/n"
bad "something similar" 'unknown kind' <"$tmp/n"
echo '{"events": {"action": "push"}}' >"$tmp/n"
bad "events that are no array" '"events" is not an array' <"$tmp/n"
echo '{"event_data": 1, "type": "PUSH_ARTIFACT"}' >"$tmp/n"
bad "event_data that is no object" '"event_data" is not an object' <"$tmp/n"
echo '{"docker_url": "quay.io", "updated_tags": ["1"]}' >"$tmp/n"
bad "a docker_url without a repository" 'has no repository' <"$tmp/n"
printf '{"events": []}\0' >"$tmp/n"
bad "a NUL" <"$tmp/n"
perl -e 'print "[" x 100000' >"$tmp/n"
bad "a tower of brackets" <"$tmp/n"
perl -e 'print "{\"events\": [" , "{}," x 2000000, "{}]}"' >"$tmp/n"
bad "more than 4 MiB" 'more than 4194304 bytes' <"$tmp/n"

hostile() { # REPOSITORY TAG HOST, as JSON: one event is refused, the others are not
	printf '{"events": [{"action": "push", "target": {"repository": %s, "tag": %s}, "request": {"host": %s}},
		{"action": "push", "target": {"repository": "good", "tag": "1"}, "request": {"host": "h.org"}}]}' \
		"$1" "$2" "$3" >"$tmp/n"
	hook <"$tmp/n"
	is "refused: $(printf %s "$1 $2 $3" | tr -d '\\')" "$status $(cat "$tmp/records") $(wc -l <"$tmp/said")" "1 https://h.org/good:1 1"
	like "... its event is named" "$(cat "$tmp/said")" "^ducc-hook: event 1: "
}
hostile '"../../x"' '"1"' '"h.org"'
hostile '"a//b"' '"1"' '"h.org"'
hostile '"a\nhttps://h.org/evil"' '"1"' '"h.org"'
hostile '"a"' '"1\tthin=https://evil.org/x:1"' '"h.org"'
hostile '"a"' '"*"' '"h.org"'
hostile '"a"' '"$(reboot)"' '"h.org"'
hostile '"a:1"' '"1"' '"h.org"'
hostile "\"a@sha256:$hex\"" '"1"' '"h.org"'
hostile '"a"' '"1"' '"h.org/b"'
hostile '"a"' '"1"' '"user@h.org"'
hostile '"a"' '"1"' '""'
hostile '"a"' '"1"' 'null'
hostile '"a"' '7' '"h.org"'
hostile '["a"]' '"1"' '"h.org"'
hostile 'null' '"1"' '"h.org"'
harbored() { # RESOURCE: between two others
	printf '{"type": "PUSH_ARTIFACT", "event_data": {"repository": {"repo_full_name": "p/a"}, "resources": [
		{"tag": "1", "resource_url": "h.org/p/a:1"}, %s, {"tag": "3", "resource_url": "h.org/p/a:3"}]}}' "$1"
}
quay() { # TAGS
	printf '{"docker_url": "quay.io/p/a", "updated_tags": %s}' "$1"
}
partly() { # TITLE RECORDS CAUSE: only the rest of standard input is understood
	hook
	is "refused: $1" "$status $(tr '\n' ' ' <"$tmp/records")" "1 $2 "
	like "... with the cause" "$(cat "$tmp/said")" "^ducc-hook: event 2: $3"
	is "... in one line" "$(wc -l <"$tmp/said")" 1
}
while IFS=$tab read -r resource cause; do
	harbored "$resource" >"$tmp/n"
	partly "Harbor: one of three resources, $resource" "https://h.org/p/a:1 https://h.org/p/a:3" "$cause" <"$tmp/n"
done <<END
{"tag": 5, "resource_url": "h.org/p/a:2"}	"tag" is not a string
{"tag": "2", "resource_url": {}}	"resource_url" is not a string
{"tag": "-", "resource_url": "h.org/p/a:2"}	not a tag: -
{"tag": "2"}	the notification does not name the registry
{"resource_url": "h.org/p/a:2"}	resource without tag and digest
"h.org/p/a:2"	resource is not an object
["tag"]	resource is not an object
null	resource is not an object
END
for tag in 5 null '{"name": "2"}' '[]'; do
	quay "[\"1\", $tag, \"3\"]" >"$tmp/n"
	partly "Quay: one of three tags, $tag" "https://quay.io/p/a:1 https://quay.io/p/a:3" 'tag is not a string' <"$tmp/n"
done
for tags in '"1"' 1 true; do
	quay "$tags" >"$tmp/n"
	bad "Quay: tags that are $tags" '"updated_tags" is not an array' <"$tmp/n"
done
for arguments in operand '-H' '-Z' '-H ftp://h.org' '-H h.org/a' '-H h.org:' '-H https://' '-H user@h.org'; do
	status=0
	# shellcheck disable=SC2086
	ducc-hook $arguments <"$tmp/push" >"$out" 2>&1 || status=$?
	is "$arguments is wrong usage" "$status" 2
done
hook -H "https://user:pr1vate@h.org" <"$tmp/push"
is "... and a password is not shown" "$status $(cat "$tmp/said")" "2 ducc-hook: registry must not contain a user name"
hook -H ftp://h.org </dev/null
is "... whatever the notification" "$status" 2

# Behind a web server
secret=$(openssl rand -hex 20)
spool=$tmp/spool
mkdir "$spool" "$tmp/lighttpd"
echo "$secret" >"$tmp/secret"
start_lighttpd() {
	servers=$((servers + 1))
	configure_server() {
		echo "$2" >"$tmp/lighttpd/id"
		cat >"$tmp/lighttpd/conf" <<-END
			server.bind = "${1%:*}"
			server.port = ${1#*:}
			server.document-root = "$tmp/lighttpd"
			server.breakagelog = "$tmp/lighttpd/stderr"
			alias.url = ("/.id" => "$tmp/lighttpd/id")
			$(example 2 | sed "s|/usr/local/lib/ducc|$top/scripts|; s|/etc/ducc/hook.secret|$tmp/secret|
				s|/var/spool/ducc-hook/NAME|$spool|; s|\"DUCC_HOOK_SECRET\"|\"PATH\" => \"$PATH\", \"DUCC_HOOK_ANY\" => \"1\", &|")
		END
	}
	start_server "$tmp/lighttpd/log" /.id lighttpd -D -f "$tmp/lighttpd/conf"
	web=$server
}
start_lighttpd
post() { # FILE PATH [CURL-OPTION...]: the status
	post_file=$1 post_path=$2
	shift 2
	curl -s -m 60 -o "$tmp/answer" -w '%{http_code}' -H 'Content-Type: application/json' \
		--data-binary "@$post_file" "$@" "http://$web$post_path"
}
auth="Authorization: Bearer $secret"
spooled() {
	cat "$spool"/records.* 2>/dev/null || :
}
forget_spooled() {
	rm "$spool"/records.*
}
is "hook.cgi: without the secret" "$(post "$tmp/push" /hook) $(spooled)" "403 "
is "hook.cgi: with another" "$(post "$tmp/push" /hook -H "Authorization: Bearer ${secret%?}x") $(spooled)" "403 "
is "hook.cgi: with half of it" "$(post "$tmp/push" /hook -H "Authorization: Bearer ${secret%?}") $(spooled)" "403 "
is "hook.cgi: with an empty one" "$(post "$tmp/push" '/hook?token=' -H 'Authorization;') $(spooled)" "403 "
is "hook.cgi: in another parameter" "$(post "$tmp/push" "/hook?mytoken=$secret") $(spooled)" "403 "
is "hook.cgi: with the secret" "$(post "$tmp/push" /hook -H "$auth") $(spooled)" "204 https://internal/a/b:1"
is "hook.cgi: ... as Harbor sends it" "$(post "$tmp/push" /hook -H "Authorization: $secret")" 204
is "hook.cgi: ... in the URL" "$(post "$tmp/push" "/hook?x=y&token=$secret")" 204
is "... the records are kept in order" "$(spooled | tr '\n' ' ')" \
	"https://internal/a/b:1 https://internal/a/b:1 https://internal/a/b:1 "
forget_spooled
is "hook.cgi: GET" "$(curl -s -o "$tmp/answer" -w '%{http_code}' -H "$auth" "http://$web/hook")" 405
echo '{"events": [' >"$tmp/n"
is "hook.cgi: what is no notification" "$(post "$tmp/n" /hook -H "$auth")" 400
perl -e 'print " " x 5000000' >"$tmp/n"
is "hook.cgi: more than 4 MiB" "$(post "$tmp/n" /hook -H "$auth")" 413
harbor SCANNING_COMPLETED 3.19 >"$tmp/n"
is "hook.cgi: nothing that counts" "$(post "$tmp/n" /hook -H "$auth") $(spooled)" "204 "
mv "$tmp/secret" "$tmp/secret.not"
is "hook.cgi: when there is no secret" "$(post "$tmp/push" /hook -H "$auth")" 500
: >"$tmp/secret"
is "hook.cgi: when it is empty" "$(post "$tmp/push" /hook -H "$auth") $(post "$tmp/push" '/hook?token=')" "500 500"
mv "$tmp/secret.not" "$tmp/secret"
mv "$spool" "$spool.not"
is "hook.cgi: when there is no spool" "$(post "$tmp/push" /hook -H "$auth")" 500
mv "$spool.not" "$spool"

pids=
for i in $(seq 20); do
	perl -e 'print "{\"events\": [", join(",", map { "{\"action\": \"push\", \"target\": {\"repository\": \"image$_\",
		\"tag\": \"'"$i"'\"}, \"request\": {\"host\": \"h.org\"}}" } 1 .. 500), "]}"' >"$tmp/n$i"
	{ post "$tmp/n$i" /hook -H "$auth" >"$tmp/status$i"; } &
	pids="$pids $!"
done
for p in $pids; do
	wait "$p"
done
is "hook.cgi: twenty at a time" "$(cat "$tmp"/status* | sed 's/204/./g')" ....................
is "... lose no record, and spoil none" "$(spooled | grep -c '^https://h.org/image[0-9]*:[0-9]*$') $(spooled | wc -l)" \
	"10000 10000"
is "... and each comes as one piece" "$(spooled | cut -d: -f3 | uniq | wc -l)" 20
forget_spooled

# What does not depend on the web server
cgi() { # FILE
	REQUEST_METHOD=POST CONTENT_LENGTH=$(wc -c <"$1") HTTP_AUTHORIZATION="Bearer $secret" DUCC_HOOK_SECRET=$tmp/secret \
		DUCC_HOOK_SPOOL=$spool "$top/scripts/hook.cgi" <"$1" 2>"$tmp/said" | sed -n 's/^Status: \([0-9]*\).*/\1/p'
}
cgi_of() { # REGISTRY FILE
	(export DUCC_HOOK_REGISTRY="$1" && cgi "$2")
}
cat >"$tmp/n" <<-END
	{"events": [{"action": "delete", "target": {"repository": "a/b", "tag": "1"}, "request": {"host": "h.org"}},
		{"action": "push", "target": {"repository": "a/b", "tag": "2"}, "request": {"host": "-bad_.x."}},
		{"action": "push", "target": {"repository": "a/b", "tag": "3"}, "request": {"host": "h.org"}}]}
END
is "hook.cgi: a registry that is none" "$(cgi_of ftp://r.org "$tmp/n") $(spooled)" "500 "
is "hook.cgi: one bad event of three" "$(cgi "$tmp/n")" 204
is "... and a deletion by nobody knows which registry" "$(spooled)" "https://h.org/a/b:3"
forget_spooled
is "... which counts if the registry is told" "$(cgi_of r.org "$tmp/n") $(spooled | head -n 1)" \
	"204 https://r.org/a/b:1	event=delete"
forget_spooled

# A registry that notifies it
has_spooled() { # IMAGE
	spooled | grep -q "/$1$"
}
registry_settings=$(example 3 | sed "s|https://publisher.example.org|http://$web|; s/SECRET/$secret/")
make_image "$tmp/oci" app
start_registry open
push "$tmp/oci:app" "$registry/team/app:1.0"
ok "a push to a registry arrives" wait_for has_spooled team/app:1.0
is "... as one record" "$(spooled)" "http://$registry/team/app:1.0"
manifest_of "$registry/team/app:1.0" >"$tmp/manifest"
digest=$(digest_of "$tmp/manifest")
curl -fsS -X DELETE "http://$registry/v2/team/app/manifests/$digest"
deletions_arrive() {
	[ "$(spooled | grep -c "${tab}event=delete")" = 2 ]
}
ok "a deletion arrives" wait_for deletions_arrive
is "... as one of the digest, and one of the tag" "$(spooled | sed 1d | sort)" \
	"http://$registry/team/app:1.0${tab}event=delete
http://$registry/team/app@$digest${tab}event=delete"

# ... and what comes of it
cat >"$tmp/recipe.yaml" <<END
version: 1
cvmfs_repo: $tmp/repo
input: ['http://$registry/team/app:2.*', 'http://$registry/team/other:1']
END
push "$tmp/oci:app" "$registry/team/app:2.0"
push "$tmp/oci:app" "$registry/unwanted/app:2.0"
ok "all pushes arrive" wait_for has_spooled unwanted/app:2.0
state=$tmp/state
PATH=$PATH:$top/scripts
example 5 | sed "s|^# /usr/local/lib/ducc|$top/scripts|; s|/var/spool/ducc-hook/NAME|$spool|; s|/var/lib/ducc-hook/NAME|$state|
	s|/etc/ducc/NAME.yaml|$tmp/recipe.yaml|; s|\\\\e|\\\\|" >"$tmp/job"
DUCC_OPTIONS="-T --metrics $tmp/metrics" DUCC_STORE=$tmp/store
export DUCC_OPTIONS DUCC_STORE
cat "$spool"/records.* >"$tmp/records"
ok "the command in the manual runs" sh -e "$tmp/job"
is "... publishes what is wanted of what was pushed" "$(cd "$tmp/repo/$registry" && echo */*)" team/app:2.0
is "... remembers what was deleted" "$(sort "$state/deleted")" "http://$registry/team/app:1.0${tab}event=delete
http://$registry/team/app@$digest${tab}event=delete"
is "... and leaves nothing else behind" "$(cd "$spool" && echo *) $(cd "$state" && echo *)" "lock deleted lock"
is "... nor wishes, which would outlast those of the list" "$(ls "$tmp/store/wishes")" ""
ok "... nor minds if nothing was pushed" sh -e "$tmp/job"
is "... whose metrics are not those of all images" "$(ls "$tmp/metrics" 2>&1)" "ls: cannot access '$tmp/metrics': No such file or directory"
example 6 | sed "s|^\\$ ||; s|recipe.yaml|$tmp/&|; s| records| $tmp/records|; s|ducc-[fup][a-z]*|& -q|g" >"$tmp/pipeline"
ok "so does the pipeline" sh -e "$tmp/pipeline"
like "... with the same images" "$(cat "$out")" "^http://$registry/team/app:2[.]0@.*state=unchanged"
is "... and no others" "$(wc -l <"$out")" 1
collect() {
	example 7 | sed "s|^\\$ ||; s|recipe.yaml|$tmp/&|; s|cat deleted|cat $state/deleted|; s|ducc-gc|& -q -g 0 -f|" >"$tmp/collect"
	sh -e "$tmp/collect"
}
ok "ducc-gc knows of no name that was deleted" collect
is "... and removes none" "$(cd "$tmp/repo/$registry" && echo */*)" team/app:2.0
tell() { # TAG ACTION [REPOSITORY]
	printf '{"events": [{"action": "%s", "target": {"repository": "%s", "tag": "%s"}, "request": {"host": "%s"}}]}' \
		"$2" "${3-team/app}" "$1" "$registry" >"$tmp/n"
	post "$tmp/n" /hook -H "$auth"
}

# Images that fail stay until they do not.
pending() {
	cut -f 1 "$state/pending" | sed 's,.*/,,' | xargs
}
is "a push of what is not there, and of what is" "$(tell 2.9 push) $(tell 2.0 push) $(tell 1 push team/other)" "204 204 204"
fails "... fails" sh "$tmp/job"
like "... says so" "$(cat "$out")" "^ducc-convert: http://$registry/team/other:1: ducc-fetch: "
is "... and keeps it, but nothing else" "$(pending) $(cd "$spool" && echo *)" "app:2.9 other:1 lock"
is "... with its wishes" "$(sed -n 's/^# name=//p' "$tmp/store/wishes"/*)" "$state/wanted"
fails "... and tries again" sh "$tmp/job"
is "... about which everything was said" "$(grep -c '^ducc-convert: ' "$out")" 0
is "... a deletion is news" "$(tell 2.9 delete)" 204
push "$tmp/oci:app" "$registry/team/other:1"
ok "... what is left is published" wait_for has_spooled team/other:1
mv "$tmp/recipe.yaml" "$tmp/recipe.not"
fails "... unless the list cannot be read" sh "$tmp/job"
is "... when all is kept" "$(pending)" "other:1"
mv "$tmp/recipe.not" "$tmp/recipe.yaml"
ok "... then it is" sh "$tmp/job"
is "... all" "$(cd "$tmp/repo/$registry" && echo */*) $(cd "$state" && echo *) $(ls "$tmp/store/wishes")" \
	"team/app:2.0 team/other:1 deleted lock "

# An image that failed may no longer be on the list when it is to be tried again.
is "a push of what is not there" "$(tell 2.8 push)" 204
fails "... fails" sh "$tmp/job"
sed "s/2[.][*]/3.*/" "$tmp/recipe.yaml" >"$tmp/recipe.3"
cp "$tmp/recipe.yaml" "$tmp/recipe.2"
cp "$tmp/recipe.3" "$tmp/recipe.yaml"
ok "... which no list names any more" sh "$tmp/job"
is "... is forgotten" "$(cd "$state" && echo *) $(ls "$tmp/store/wishes")" "deleted lock "
: >"$state/converted"
cp "$tmp/records" "$spool/records.1"
ok "... even by one who was killed after that" sh "$tmp/job"
is "... who leaves nothing else behind" "$(cd "$state" && echo *) $(ls "$tmp/store/wishes")" "deleted lock "
: >"$state/converted"
ok "... even if nothing is pending any more" sh "$tmp/job"
is "... likewise" "$(cd "$state" && echo *)" "deleted lock"
cp "$tmp/recipe.2" "$tmp/recipe.yaml"

is "a push of what is not there" "$(tell 2.8 push)" 204
fails "... fails" sh "$tmp/job"
is "... until it is deleted" "$(tell 2.8 delete)" 204
ok "... then nothing is to be published" sh "$tmp/job"
is "... nor remembered" "$(cd "$state" && echo *) $(ls "$tmp/store/wishes")" "deleted lock "
sed -i '/app:2[.]8/d' "$state/deleted"

# The spool directory is the web server's: a line that is no record, or is taken for more than one, holds up no other.
odd() { # TITLE FORMAT: what is printed is in the spool directory, before a push
	# shellcheck disable=SC2059
	printf "$2" >"$spool/records.1"
	echo "https://$registry/team/app:2.0" >"$spool/records.2"
	mv "$tmp/repo/$registry/team/app:2.0" "$tmp/away"
	ok "$1" sh "$tmp/job"
	like "... is reported" "$(cat "$out")" '^hook-publish: not a record, ignored: '
	is "... once" "$(grep -c '^hook-publish: ' "$out")" 1
	ok "... and no push is lost" test -e "$tmp/repo/$registry/team/app:2.0"
	is "... nor remains" "$(cd "$state" && echo *)" "deleted lock"
}
odd 'a line that is no record' 'not a record\n'
odd 'a line like the first one of a recipe' 'a: b\n'
odd 'a key of a recipe' "https://$registry/team/app:\n"
odd 'an exclusion' "https://$registry/a!b:1\n"
odd 'a carriage return' 'https://h.org/a\rb:1\n'
odd 'a NUL' 'https://h.org/a\0b:1\n'
odd 'a field without a value' 'https://h.org/a:1\tx\n'
odd 'what is not ASCII' 'https://h.org/\303\244:1\n'
odd 'a password' "https://user:$registry_password@h.org/a:1\tevent=delete\n"
odd 'a user' "https://user:secret@h.org/a:1\tevent=delete\n"
is "... neither of which is deleted" "$(grep -c user "$state/deleted")" 0
printf 'https://h.org/../x:1\nhttps://%s/team/app:2.0\n' "$registry" >"$spool/records.1"
fails "what is no image" sh "$tmp/job"
like "... is a failure" "$(cat "$out")" "^ducc-wish: $state/pending: line 1: https://h.org/[.][.]/x:1: "
is "... but not for ever" "$(cd "$state" && echo *)" "deleted lock"
awk -v h="$registry" 'BEGIN { for (i = 0; i < 60000; i++) print "https://" h "/group/project/build-job/app:" i "-0123456789abcdef" }' \
	>"$spool/records.1"
{ echo "https://$registry/team/app:2.0"; echo "https://$registry/team/app:2.9"; } >"$spool/records.2"
fails "any number of pushes, and one that fails" sh "$tmp/job"
is "... leave only that" "$(pending)" app:2.9
is "... which is deleted" "$(tell 2.9 delete)" 204
ok "..." sh "$tmp/job"
mkdir "$tmp/dash"
cp "$tmp/recipe.yaml" "$tmp/dash/-q"
echo "https://$registry/team/app:2.0" >"$spool/records.1"
rm "$tmp/repo/$registry/team/app:2.0"
ok "a list whose name begins with a dash" sh -c 'cd "$1" && exec "$2" "$3" "$4" -q' sh "$tmp/dash" "$top/scripts/hook-publish" "$spool" "$state"
ok "... is one" test -e "$tmp/repo/$registry/team/app:2.0"

sed "s|^cvmfs_repo:.*|cvmfs_repo: '$tmp/a #b'|" "$tmp/recipe.yaml" >"$tmp/recipe.odd"
echo "https://$registry/team/app:2.0" >"$spool/records.1"
rm "$tmp/repo/$registry/team/app:2.0"
fails "a repository whose path has what begins a comment in lists" \
	"$top/scripts/hook-publish" "$spool" "$state" "$tmp/recipe.odd" "$tmp/recipe.yaml"
like "... is refused" "$(cat "$out")" "^hook-publish: $tmp/a #b: nothing is published there, "
ok "... and no other one is created" test ! -e "$tmp/a"
ok "... but that of another list has its image" test -e "$tmp/repo/$registry/team/app:2.0"
is "... which is tried again" "$(pending)" app:2.0
ok "... and its images are published in another one" sh "$tmp/job"

is "another registry tells the tag" "$(tell 2.0 delete) $(tell 2.1 delete) $(tell 2.1 push)" "204 204 204"
fails "... what was pushed is not there" sh "$tmp/job"
is "... what was pushed again isn't deleted any more" "$(grep -c /app:2 "$state/deleted") $(grep -c "/app:2[.][09]" "$state/deleted")" "2 2"
ok "... and what was is removed" collect
is "... although it is wanted" "$(find "$tmp/repo" -name 'app:*' -type l)" ""

# As a service
"$top/scripts/hook-publish" --loop "$spool" "$state" "$tmp/recipe.yaml" >"$tmp/loop" 2>&1 &
pid=$!
push "$tmp/oci:app" "$registry/team/app:2.2"
ok "a service publishes what is pushed" wait_for test -e "$tmp/repo/$registry/team/app:2.2"
status=0
sh "$tmp/job" >"$out" 2>&1 || status=$?
is "... it is the only one" "$status $(cat "$out")" "75 hook-publish: $state: locked by another hook-publish, or by what it has started"
kill "$pid"
status=0
wait "$pid" 2>/dev/null || status=$?
is "... and ends with its signal" $status 143
for arguments in '' "$spool" "$spool $state" "-x $spool $state list"; do
	status=0
	# shellcheck disable=SC2086
	"$top/scripts/hook-publish" $arguments >"$out" 2>&1 || status=$?
	is "wrong usage: hook-publish $arguments" "$status $(cut -c 1-19 "$out")" "2 usage: hook-publish"
done
mkdir "$tmp/evil"
ln -s "$tmp/secret" "$tmp/evil/records.1"
: >"$tmp/evil/lock"
ok "links in the spool directory" "$top/scripts/hook-publish" "$tmp/evil" "$tmp/evil-state" "$tmp/recipe.yaml"
is "... are not followed" "$(cd "$tmp/evil-state" && echo *)" lock

# Killed at any command that they run
mkdir "$tmp/killers" "$tmp/calm"
cat >"$tmp/killers/killer" <<'END'
#!/bin/sh
# Do as the program of this name, but kill the process group before or after that, when it is the turn.
PATH=${PATH#*:}
set -C
n=1
until { true >"$KILL_TURNS/$n"; } 2>/dev/null; do n=$((n + 1)); done
[ "$n" != "$KILL_BEFORE" ] || kill -s KILL 0
status=0
"${0##*/}" "$@" || status=$?
[ "$n" != "$KILL_AFTER" ] || kill -s KILL 0
exit $status
END
chmod +x "$tmp/killers/killer"
for program in awk cat cp cut date find flock mkdir mv rm sed sort sync touch xargs ducc-convert ducc-hook ducc-wish; do
	ln -s killer "$tmp/killers/$program"
done
# Of ducc-convert only that counts which it is asked for.
printf '#!/bin/sh\nfor list; do :; done\ncut -f 1 "$list" >>"%s/asked"\n' "$tmp" >"$tmp/calm/ducc-convert"
chmod +x "$tmp/calm/ducc-convert"
# killed BEFORE AFTER COMMAND...: run it, killed there; true if it was not
killed() {
	rm -rf "$tmp/turns"
	mkdir "$tmp/turns"
	kill_before=$1 kill_after=$2
	shift 2
	env KILL_TURNS="$tmp/turns" KILL_BEFORE="$kill_before" KILL_AFTER="$kill_after" PATH="$tmp/killers:$tmp/calm:$PATH" \
		setsid -w "$@" >"$tmp/said" 2>&1
}
# Before and after every other command is every point; before and after each fourth one, alternately, is every other point.
# With $SOAK, each is tried twice.
at_each_command() { # WHEN FUNCTION STEP: call it with what killed() takes, until it was not; true if it was, at least thrice
	first=1 hurt=0
	[ "$1" = before ] || first=$((($3 + 1) / 2))
	for turn in $(seq "$first" "$3" 200); do
		if [ "$1" = before ]; then set -- before "$2" "$3" "$turn" 0; else set -- after "$2" "$3" 0 "$turn"; fi
		if "$2" "$4" "$5"; then
			[ $hurt -ge 3 ]
			return
		fi
		hurt=$((hurt + 1))
	done
	return 1
}
pushes() { # TAG...: of team/app, and a deletion, in the spool directory
	for tag; do printf 'https://h.org/team/app:%s\n' "$tag"; done >"$tmp/spool2/records.1"
	printf 'https://h.org/team/app:%s\tevent=delete\n' gone >"$tmp/spool2/records.2"
}
printf 'h.org/team/app:*\n' >"$tmp/list"
publish_killed() { # BEFORE AFTER
	rm -rf "$tmp/spool2" "$tmp/state2" "$tmp/asked"
	mkdir "$tmp/spool2"
	pushes 1 2 gone
	unhurt=0
	killed "$1" "$2" "$top/scripts/hook-publish" "$tmp/spool2" "$tmp/state2" "$tmp/list" || unhurt=$?
	! [ -e "$tmp/state2/lock" ] || flock "$tmp/state2/lock" true # it may just be dying
	printf 'https://h.org/team/app:3\n' >"$tmp/spool2/records.3"
	PATH=$tmp/calm:$PATH "$top/scripts/hook-publish" "$tmp/spool2" "$tmp/state2" "$tmp/list" >"$tmp/said" 2>&1 &&
		[ "$(sort -u "$tmp/asked" | sed 's/.*://' | xargs)" = "1 2 3" ] &&
		[ "$(cat "$tmp/state2/deleted")" = "https://h.org/team/app:gone${tab}event=delete" ] &&
		[ "$(cd "$tmp/state2" && echo *)" = "deleted lock" ] || echo "killed $1 $2: $(cat "$tmp/asked" "$tmp/said")" >>"$tmp/lost"
	return $unhurt
}
cgi_killed() { # BEFORE AFTER
	rm -rf "$tmp/spool2"
	mkdir "$tmp/spool2"
	unhurt=0
	killed "$1" "$2" env REQUEST_METHOD=POST CONTENT_LENGTH="$(wc -c <"$tmp/push")" HTTP_AUTHORIZATION="Bearer $secret" \
		DUCC_HOOK_SECRET="$tmp/secret" DUCC_HOOK_SPOOL="$tmp/spool2" "$top/scripts/hook.cgi" <"$tmp/push" || unhurt=$?
	kept=$(cat "$tmp/spool2"/records.* 2>/dev/null || :)
	case $(sed -n 's/^Status: \([0-9]*\).*/\1/p' "$tmp/said")/$kept in
	204/https://internal/a/b:1 | */) ;;
	/https://internal/a/b:1) ;; # kept, but not answered: it is sent again
	*) echo "killed $1 $2: $kept $(cat "$tmp/said")" >>"$tmp/lost" ;;
	esac
	case $(sed -n 's/^Status: //p' "$tmp/said")/$kept in 204*/) echo "killed $1 $2: lost" >>"$tmp/lost" ;; esac
	return $unhurt
}
: >"$tmp/lost"
# Nothing that sanitizers could check takes part.
for when in $([ $sanitized = 1 ] || echo before after); do
	ok "hook-publish, killed $when each command" at_each_command "$when" publish_killed "$(amount 4 1)"
	ok "hook.cgi, killed $when each command" at_each_command "$when" cgi_killed "$(amount 2 1)"
done
is "... forget nothing" "$(cat "$tmp/lost")" ""
rm -rf "$tmp/spool2" "$tmp/state2"
mkdir "$tmp/spool2"
seq 2000 4999 | sed 's,.*,printf "https://h.org/team/other:&\\\\n" >records.1764000000.00000&0000000000000000,' | (cd "$tmp/spool2" && sh)
printf 'https://h.org/team/app:1\nhttps://h.org/team/app:2\tevent=delete\n' >"$tmp/spool2/records.1"
printf 'https://h.org/team/app:1\tevent=delete\nhttps://h.org/team/app:2\n' >"$tmp/spool2/records.9"
ok "thousands of records" env PATH="$tmp/calm:$PATH" "$top/scripts/hook-publish" "$tmp/spool2" "$tmp/state2" "$tmp/list"
is "... of which the last one of each image counts" "$(cat "$tmp/state2/deleted")" "https://h.org/team/app:1${tab}event=delete"
like "the example in the manual is what is printed" "$(example 1 | sed -n '$p')" \
	"^https://[a-z./]*:[0-9.]*${tab}event=delete$"

done_testing
