#!/bin/sh
# ducc-hook: what registries' notifications mean, and hook.cgi, which takes them for a web server.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need busybox curl docker-registry lighttpd openssl skopeo umoci

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
for arguments in operand '-H' '-Z'; do
	status=0
	# shellcheck disable=SC2086
	ducc-hook $arguments <"$tmp/push" >"$out" 2>&1 || status=$?
	is "$arguments is wrong usage" "$status" 2
done

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
				s|/var/spool/ducc-hook|$spool|; s|\"DUCC_HOOK_SECRET\"|\"PATH\" => \"$PATH\", \"DUCC_HOOK_ANY\" => \"1\", &|")
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
	cat "$spool/records" 2>/dev/null || :
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
rm "$spool/records"
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
is "... lose no record, and spoil none" "$(grep -c '^https://h.org/image[0-9]*:[0-9]*$' "$spool/records") $(wc -l <"$spool/records")" \
	"10000 10000"
is "... and each comes as one piece" "$(cut -d: -f3 "$spool/records" | uniq | wc -l)" 20
rm "$spool/records"

# What does not depend on the web server
cgi() { # FILE
	REQUEST_METHOD=POST CONTENT_LENGTH=$(wc -c <"$1") HTTP_AUTHORIZATION="Bearer $secret" DUCC_HOOK_SECRET=$tmp/secret \
		DUCC_HOOK_SPOOL=$spool "$top/scripts/hook.cgi" <"$1" 2>"$tmp/said" | sed -n 's/^Status: \([0-9]*\).*/\1/p'
}
cat >"$tmp/n" <<-END
	{"events": [{"action": "delete", "target": {"repository": "a/b", "tag": "1"}, "request": {"host": "h.org"}},
		{"action": "push", "target": {"repository": "a/b", "tag": "2"}, "request": {"host": "-bad_.x."}},
		{"action": "push", "target": {"repository": "a/b", "tag": "3"}, "request": {"host": "h.org"}}]}
END
is "hook.cgi: one bad event of three" "$(cgi "$tmp/n")" 204
is "... and a deletion by nobody knows which registry" "$(spooled)" "https://h.org/a/b:3"
rm "$spool/records"
is "... which counts if the registry is told" "$(export DUCC_HOOK_REGISTRY=r.org; cgi "$tmp/n") $(spooled | head -n 1)" \
	"204 https://r.org/a/b:1	event=delete"
rm "$spool/records"

# A registry that notifies it
registry_settings=$(example 3 | sed "s|https://publisher.example.org|http://$web|; s/SECRET/$secret/")
make_image "$tmp/oci" app
start_registry open
push "$tmp/oci:app" "$registry/team/app:1.0"
ok "a push to a registry arrives" wait_for test -s "$spool/records"
is "... as one record" "$(spooled)" "http://$registry/team/app:1.0"
manifest_of "$registry/team/app:1.0" >"$tmp/manifest"
digest=$(digest_of "$tmp/manifest")
curl -fsS -X DELETE "http://$registry/v2/team/app/manifests/$digest"
deletions_arrive() {
	[ "$(grep -c "${tab}event=delete" "$spool/records")" = 2 ]
}
ok "a deletion arrives" wait_for deletions_arrive
is "... as one of the digest, and one of the tag" "$(sed 1d "$spool/records" | sort)" \
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
ok "all pushes arrive" wait_for grep -q /unwanted/app:2.0 "$spool/records"
example 4 | sed "s|/var/spool/ducc-hook|$spool|; s|recipe.yaml|$tmp/&|; s|ducc-[fup][a-z]*|& -q -s $tmp/store|g" >"$tmp/job"
ok "the job in the manual runs" sh -e "$tmp/job"
is "... publishes what is wanted of what was pushed" "$(cd "$tmp/repo/$registry" && echo */*)" team/app:2.0
is "... remembers what was deleted" "$(sort "$spool/deleted")" "http://$registry/team/app:1.0${tab}event=delete
http://$registry/team/app@$digest${tab}event=delete"
is "... and leaves nothing else behind" "$(cd "$spool" && echo *)" "deleted lock"
ok "... nor minds if nothing was pushed" sh -e "$tmp/job"
collect() {
	example 5 | sed "s|^\\$ ||; s|/var/spool/ducc-hook|$spool|; s|recipe.yaml|$tmp/&|; s|ducc-gc|& -q -s $tmp/store -g 0 -f|" >"$tmp/collect"
	sh -e "$tmp/collect"
}
ok "ducc-gc knows of no name that was deleted" collect
is "... and removes none" "$(cd "$tmp/repo/$registry" && echo */*)" team/app:2.0
deletion() { # TAG ACTION
	printf '{"events": [{"action": "%s", "target": {"repository": "team/app", "tag": "%s"}, "request": {"host": "%s"}}]}' \
		"$2" "$1" "$registry" >"$tmp/n"
	post "$tmp/n" /hook -H "$auth"
}
is "another registry tells the tag" "$(deletion 2.0 delete) $(deletion 2.1 delete) $(deletion 2.1 push)" "204 204 204"
ok "... the job runs" sh "$tmp/job"
is "... what was pushed again isn't deleted any more" "$(grep -c /app:2 "$spool/deleted") $(grep -c "/app:2[.]0" "$spool/deleted")" "1 1"
ok "... and what was is removed" collect
is "... although it is wanted" "$(find "$tmp/repo" -name 'app:*' -type l)" ""
like "the example in the manual is what is printed" "$(example 1 | sed -n '$p')" \
	"^https://[a-z./]*:[0-9.]*${tab}event=delete$"

done_testing
