#!/bin/sh
# Events: what other programs are told, by which tool, and that writers do not disturb each other.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry jq skopeo umoci

L=$tmp/layout
S=$tmp/store
R=$tmp/repo
E=$tmp/events
tab=$(printf '\t')
make_image "$L" app
umoci tag --image "$L:app" quay.io/org/app:1
start_registry open

events() { # JQ-FILTER: of the events, raw, in one line
	jq -rs "$1" "$E" | tr '\n' ' '
}
paired() { # FILE: whatever begins ends once, with the same id, later
	jq -es 'map(select(.id)) | group_by(.id) | all(length == 2 and
		.[0].action == "start_" + .[0].action[6:] and .[1].action == "end_" + .[0].action[6:] and
		.[1].status and (.[1].time_elapsed_s | tonumber) >= 0)' "$1"
}
pipeline() { # REFERENCE...
	for r; do printf '%s\tthin=%s/org/app_thin:1\n' "$r" "$registry"; done | ducc-fetch -q -s "$S" |
		ducc-unpack -q -s "$S" | ducc-publish -q -s "$S" -r "$R" | ducc-thin -q -s "$S" -r "$R"
}

# One image through all tools
DUCC_NOTIFY=$E
export DUCC_NOTIFY
pipeline "oci:$L:quay.io/org/app:1" >"$tmp/records"
unset DUCC_NOTIFY
is "DUCC_NOTIFY names the file, and the image came through" "$(wc -l <"$tmp/records")" 1
ok "each line is an object of strings" jq -es 'all(type == "object" and all(.[]; type == "string"))' "$E"
ok "each has an action and a time" jq -es 'all(.action and (.time | fromdate))' "$E"
ok "what begins, ends" paired "$E"
is "every tool says that it begins" "$(events 'map(select(.action == "start_ducc" and .pid) | .program) | sort[]')" \
	"ducc-fetch ducc-publish ducc-thin ducc-unpack "
is "... and that it ends" "$(events 'map(select(.action == "end_ducc" and .time_elapsed_s) | .program) | sort[]')" \
	"ducc-fetch ducc-publish ducc-thin ducc-unpack "
layers=$(skopeo inspect --raw "oci:$L:app" | jq -r '.layers[] | "\(.digest[7:])=\(.size)"' | sort | tr '\n' ' ')
is "layers are fetched, with their sizes" \
	"$(events 'map(select(.action == "end_layer_fetch" and .status == "ok") | "\(.layer)=\(.size_bytes)") | sort[]')" "$layers"
is "... unpacked" \
	"$(events 'map(select(.action == "end_layer_conversion" and .status == "ok") | "\(.layer)=\(.size_bytes)") | sort[]')" "$layers"
is "... and published" \
	"$(events 'map(select(.action == "publish_layer") | .layer_digest) | sort[]')" "$(echo "$layers" | sed 's/=[0-9]*//g')"
for what in image_fetch image_unpack image_publish thin_image; do
	is "the image has its $what" "$(events ".[] | select(.action == \"end_$what\") | .image, .status")" "quay.io/org/app:1 ok "
done
is "what was asked for is told" "$(events '.[] | select(.action == "end_image_fetch") | .image_request')" "oci:$L:quay.io/org/app:1 "
is "the published path is told" "$(events '.[] | select(.action == "publish_flat_image") | .repository + "/" + .public_path')" "$R/quay.io/org/app:1 "
is "... and what it leads to" "$(events '.[] | select(.action == "publish_flat_image") | .repository + "/" + .private_path')" \
	"$(readlink -f "$R/quay.io/org/app:1") "
is "so is the thin image" "$(events '.[] | select(.action == "publish_thin_image") | .image, .thin_image')" \
	"quay.io/org/app:1 $registry/org/app_thin:1 "

# The same again
rm "$E"
pipeline "oci:$L:quay.io/org/app:1" >"$out"
is "without DUCC_NOTIFY nothing is written" "$(cat "$E" 2>/dev/null)" ""
ok "-N names the file" ducc-publish -N "$E" -s "$S" -r "$R" "$(cut -f1 "$tmp/records")"
is "... and what is published already is not told again" "$(events '.[].action')" \
	"start_ducc unchanged_image end_ducc "
is "... but once, by its name" "$(events '.[] | select(.action == "unchanged_image") | .repository + "/" + .image')" "$R/quay.io/org/app:1 "
: >"$E"
export DUCC_NOTIFY="$E"
pipeline "oci:$L:quay.io/org/app:1" >"$out"
is "an unchanged image is one event of the whole pipeline" "$(events 'map(.action | select(test("_ducc") | not))[]')" "unchanged_image "
: >"$E"
pipeline "oci:$L:quay.io/org/app:1=quay.io/org/app:2" >"$out"
is "another name of it is something to do for each" "$(events 'map(.action | select(test("_ducc") | not)) | sort | unique[]')" \
	"end_image_fetch end_image_publish end_thin_image publish_flat_image publish_thin_image start_image_fetch start_image_publish start_thin_image "
unset DUCC_NOTIFY
ok "... which begins, and ends" paired "$E"
: >"$E"
rm "$R/quay.io/org/app:2"
ok "a lost name" ducc-publish -N "$E" -s "$S" -r "$R" "$(sed 's/:1@/:2@/' "$tmp/records" | cut -f1)"
is "... is something to do, too" "$(events '.[].action')" "start_ducc start_image_publish end_image_publish end_ducc "
: >"$E"
ok "-n" ducc-publish -n -N "$E" -s "$S" -r "$R" "$(cut -f1 "$tmp/records")"
is "... tells nobody" "$(cat "$E")" ""

# Failures
: >"$E"
for tool in ducc-fetch ducc-unpack ducc-publish ducc-thin; do
	fails "$tool fails" $tool -N "$E" -s "$S" -r "$tmp/empty" "$registry/no/such${tab}thin=$registry/a"
	is "... and tells the error" "$(events 'map(select(.status == "error" and .image == "'"$registry"'/no/such:latest")) | last | .error')" \
		"$(sed "s,^$tool: $registry/no/such: ,," "$out") "
done
ok "what begins, ends" paired "$E"
flip "$L/blobs/sha256/$(echo "$layers" | sed 's/=.*//')" 100
: >"$E"
fails "a damaged layer" ducc-fetch -N "$E" -s "$tmp/store2" "oci:$L:quay.io/org/app:1"
like "... is told by its name" "$(events '.[] | select(.action == "end_layer_fetch" and .status == "error") | .layer, .error')" \
	"^$(echo "$layers" | sed 's/=.*//') .*mismatch"
ok "what begins, ends" paired "$E"
ok "a file that can't be opened" ducc-fetch -N "$tmp/no/file" -s "$S" "oci:$L:quay.io/org/app:1"
is "... is worth a warning" "$(grep -v '^https://quay.io/org/app:1@' "$out")" \
	"ducc-fetch: warning: events: $tmp/no/file: No such file or directory; no events will be written"
if [ -e /dev/full ]; then
	ok "a full disk" ducc-fetch -N /dev/full -s "$S" "oci:$L:quay.io/org/app:1"
	is "... as well" "$(grep -v '^https://quay.io/org/app:1@' "$out")" \
		'ducc-fetch: warning: events: /dev/full: No space left on device; no events will be written'
fi

# The file fills up while the tool works
: >"$E"
# shellcheck disable=SC2046
(
	ulimit -f 2
	exec ducc-publish -N "$E" -s "$S" -r "$R" $(yes "$(cut -f1 "$tmp/records")" | head -n 20)
) 2>&1 | cat >"$out"
is "when events can't be written any more, that is said once" \
	"$(grep -c 'warning: events: .*; no more events will be written' "$out")" 1
is "... and the work goes on" "$(grep -c '^http.*state=' "$out")" 20

# Bytes that are not UTF-8
make_image "$tmp/odd" "odd"
: >"$E"
fails "a name in whatever bytes" ducc-fetch -N "$E" -s "$S" "$(printf 'oci:%s/\377\303\244=' "$tmp")"
ok "... is told in JSON" jq -es 'any(.status == "error")' "$E"

# Many writers
rm -f "$E"
pids=
for i in 1 2 3 4 5 6 7 8; do
	# shellcheck disable=SC2046
	ducc-publish -q -N "$E" -s "$S" -r "$R" $(yes "$(cut -f1 "$tmp/records")" | head -n 50) >/dev/null 2>"$tmp/err.$i" &
	pids="$pids $!"
done
for pid in $pids; do wait "$pid" || :; done
is "of many writers none fails" "$(cat "$tmp"/err.*)" ""
is "... and no event is lost or torn" "$(events 'length')" "$((8 * 52)) "
ok "... each has its own" paired "$E"
mkfifo "$tmp/fifo"
ok "a FIFO that no program reads" timeout 60 ducc-publish -N "$tmp/fifo" -s "$S" -r "$R" "$(cut -f1 "$tmp/records")"
like "... is a warning" "$(cat "$out")" "warning: events: $tmp/fifo: no program reads it; no events will be written"
echo "oci:$L:quay.io/org/app:1" >"$tmp/list"
for i in 1 2; do
	fails "a wrong list, with the same FIFO: $i" timeout 60 "$top/scripts/ducc-convert" -T -G -N "$tmp/fifo" -s "$S" -r "$R" "$tmp/list"
	like "... is a warning" "$(cat "$out")" "ducc-convert: warning: $tmp/fifo: no program reads it, so no events are written"
done
exec 8<>"$tmp/fifo"
exec 9<"$tmp/fifo"
jq -c . >"$tmp/heard" <&9 8>&- &
pid=$!
exec 9<&-
ok "somebody may listen" ducc-publish -N "$tmp/fifo" -s "$S" -r "$R" "$(cut -f1 "$tmp/records")"
exec 8>&-
wait $pid
is "... and hears" "$(jq -rs '.[].action' "$tmp/heard" | tr '\n' ' ')" "start_ducc unchanged_image end_ducc "

# The longest name that there can be, in a request that is longer still
part=$(printf '%060d' 0)
path=$(printf '%0127d/%0127d' 0 0)
long=a.$part.$part.$part.$part.example/$path:$(printf '%0126d' 0)
rm "$E"
ducc-fetch -q -s "$S" "oci:$L:app=$long" | ducc-unpack -q -s "$S" | ducc-publish -q -N "$E" -s "$S" -r "$R" >"$tmp/records"
is "the longest name is not cut" "$(events 'map(select(.image) | .image) | unique[]')" "$long "
is "... nor is the request" "$(events 'map(select(.image) | .image_request) | unique[]')" "$(cut -f 1 "$tmp/records") "
ok "... and lines are not torn" test "$(wc -L <"$E")" -lt 4096
request=http://127.0.0.1:1/$(printf '%0900d' 0 | sed 's,0,a/",g')
fails "a reference that is longer is none" ducc-fetch -N "$E" -s "$S" "$request"
is "... and cut, with a sign" "$(tail -n 2 "$E" | jq -r 'select(.image_request) | .image_request[-3:]')" ...
ok "... so that lines are not torn" test "$(wc -L <"$E")" -lt 4096

done_testing
