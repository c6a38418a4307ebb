#!/bin/sh
# ducc-convert: what it counts and how it exits, that it works alone, and what a signal does to it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need bash busybox curl docker-registry flock jq nginx skopeo umoci
image_program=busybox
[ $sanitized = 0 ] || only_in_soak "it is about a script, whose tools have tests of their own"

stand_in
convert=$top/scripts/ducc-convert
S=$tmp/store
L=$tmp/layout
n=test.example.org
R=$tmp/sys/cvmfs/$n
spool=$tmp/sys/var/spool/cvmfs/$n
list=$tmp/recipe.yaml
TMPDIR=$tmp/work DUCC_STORE=$S
export TMPDIR DUCC_STORE
mkdir "$TMPDIR"
cvmfs_server mkfs $n
start_registry open

recipe() { # IMAGE...: a wish list of them
	printf "version: 1\nuser: me\ncvmfs_repo: $n\noutput_format: 'http://%s/thin/\$(image)'\ninput:\n" "$registry"
	printf "    - '%s'\n" "$@"
}
# run STATUS SUMMARY ARGUMENT...: it exits so, and says so in its last line on standard output.
run() {
	want="$1 $2"
	shift 2
	status=0
	timeout 100 "$convert" "$@" >"$tmp/said" 2>"$tmp/err" || status=$?
	[ "$status $(tail -n 1 "$tmp/said")" = "$want" ] || { echo "want: $want"; echo "got: $status $(cat "$tmp/said")"; cat "$tmp/err"; return 1; }
}
begin_anew() { # REPOSITORY
	rm -r "$1"
	mkdir -p "$1/.metadata"
}
counts() { # ADDED UPDATED UNCHANGED FAILED REMOVED [SCHEDULED]
	echo "$list: $1 added, $2 updated, $3 unchanged, $4 failed, $5 removed, ${6:-0} scheduled"
}
convert_died() { # STATUS: the one in the background
	died=0
	wait "$pid" 2>/dev/null || died=$?
	[ $died = "$1" ] || { echo "exit status $died"; return 1; }
}

for i in one two three; do
	make_image "$L" $i
	push "$L:$i" "$registry/app:$i"
done

# What it says
recipe "http://$registry/app:one" "http://$registry/app:t*" >"$list"
ok "a dry run" run 0 "$(counts 3 0 0 0 0) (dry run)" -n "$list"
is "... names each thin image" "$(sed -n 's/^would be pushed: //p' "$tmp/said" | sort)" "$(printf "$registry/thin/app:%s\n" one three two)"
ok "... unless none are wanted" run 0 "$(counts 3 0 0 0 0) (dry run)" -n -T "$list"
is "..." "$(grep -c pushed "$tmp/said")" 0
ok "what is wanted is published" run 0 "$(counts 3 0 0 0 0)" "$list"
for i in one two three; do
	is "... $i" "$(cat "$R/$registry/app:$i/app/name")" $i
	ok "... and its thin image is pushed" manifest_of "$registry/thin/app:$i"
done
is "... without a word on standard error" "$(cat "$tmp/err")" ""
is "... but each with a line" "$(head -n -1 "$tmp/said" | sort)" "added: http://$registry/app:one
added: http://$registry/app:three
added: http://$registry/app:two"
ok "again, there is nothing to do" run 0 "$(counts 0 0 3 0 0)" "$list"
push "$L:one" "$registry/app:two"
push "$L:three" "$registry/app:t4"
ok "a tag has moved, and one is new" run 0 "$(counts 1 1 2 0 0)" "$list"
is "... which are named" "$(head -n -1 "$tmp/said" | sort)" "added: http://$registry/app:t4
updated: http://$registry/app:two"
recipe "http://$registry/app:one" "http://$registry/app:none-*" >"$list"
ok "a warning is no failure" run 0 "$(counts 0 0 1 0 0)" -G "$list"
like "... but a line" "$(cat "$tmp/err")" '^ducc-wish: warning: .*app:none-'
ok "-q says nothing" run 0 "" -q -G "$list"
is "... not even that" "$(cat "$tmp/err")" ""
recipe "http://$registry/app:one" "http://$registry/app:t*" "http://$registry/no/such:1" "http://$registry/nothing:*" \
	'not an image' >"$list"
ok "what failed is counted, each once" run 1 "$(counts 0 0 4 3 0)" "$list"
is "... and each has its line" "$(wc -l <"$tmp/err")" 3
ok "-q says that, too" run 1 "" -q --remind 0 "$list"
is "... as before" "$(wc -l <"$tmp/err")" 3
printf 'version: 1\nuser: me\ncvmfs_repo: %s\noutput_format: "http://127.0.0.1:1/$(image)"\ninput: ["http://%s/app:one"]\n' \
	$n "$registry" >"$list"
ok "an image without its thin image has failed" run 1 "$(counts 0 0 1 1 0)" -G "$list"
like "... for a reason" "$(cat "$tmp/err")" "^ducc-convert: http://$registry/app:one: ducc-thin: .*[Cc]onnect"
is "... which is said once" "$(grep -c ducc-thin "$tmp/err")" 1
ok "... and not again" run 1 "" -q -G "$list"
is "... within a day" "$(cat "$tmp/err")" ""
ok "... unless none are wanted" run 0 "$(counts 0 0 1 0 0)" -G -T "$list"
ok "a list that is not there is a failure" run 1 "$tmp/no.yaml: 0 added, 0 updated, 0 unchanged, 1 failed, 0 removed, 0 scheduled" "$tmp/no.yaml"
ok "... and nothing is removed" test -e "$R/$registry/app:t4"
ok "so is a broken one" run 1 "$tmp/broken.yaml: 0 added, 0 updated, 0 unchanged, 1 failed, 0 removed, 0 scheduled" \
	"$(echo 'version: 7' >"$tmp/broken.yaml"; echo "$tmp/broken.yaml")"
for wrong in "" "-x $list" "-i soon $list" "--lop $list" "-g"; do
	# shellcheck disable=SC2086
	ok "wrong usage: $wrong" run 2 "" $wrong
done
echo "http://$registry/app:one" >"$tmp/plain"
ok "a plain list into a directory" run 0 "$tmp/plain: 1 added, 0 updated, 0 unchanged, 0 failed, 0 removed, 0 scheduled" \
	-N "$tmp/events" -r "$tmp/repo" -s "$tmp/store2" "$tmp/plain"
is "... with a store for its owner" "$(stat -c %a "$tmp/store2")" 700
is "... is there" "$(cat "$tmp/repo/$registry/app:one/app/name")" one
rm "$tmp/repo/$registry/app:one"
ok "a lost name" run 0 "$tmp/plain: 0 added, 0 updated, 1 restored, 0 unchanged, 0 failed, 0 removed, 0 scheduled" \
	-r "$tmp/repo" -s "$tmp/store2" --metrics "$tmp/restored.prom" "$tmp/plain"
is "... is restored" "$(head -n 1 "$tmp/said") $(cat "$tmp/repo/$registry/app:one/app/name")" "restored: http://$registry/app:one one"
like "... and counted" "$(cat "$tmp/restored.prom")" 'images.*state="restored".* 1$'
is "... and told to who listens" "$(jq -r 'select(.action == "end_ducc").program' "$tmp/events" | sort | tr '\n' ' ')" \
	"ducc-fetch ducc-gc ducc-publish ducc-unpack ducc-wish "
digest=$(manifest_of "$registry/app:one" >"$tmp/manifest"; digest_of "$tmp/manifest")
printf 'http://%s\n' "$registry/app@$digest" "$registry/app:one@$digest" >"$tmp/plain"
ok "an image without a tag" run 0 "$tmp/plain: 2 added, 0 updated, 0 unchanged, 0 failed, 0 removed, 0 scheduled" \
	-G -r "$tmp/repo5" -s "$tmp/store2" "$tmp/plain"
is "... is named by its digest, another by its tag" "$(head -n -1 "$tmp/said" | sort)" "added: http://$registry/app:one
added: http://$registry/app@$digest
created: repository $tmp/repo5"
push "$L:one" "$registry/mixed:1"
manifest_of "$registry/mixed:1" | jq -c '.artifactType = "application/x-chart"' >"$tmp/chart"
put_manifest "$registry" mixed 2 application/vnd.oci.image.manifest.v1+json "$tmp/chart"
echo "http://$registry/mixed:*" >"$tmp/plain"
ok "what is no image under a wildcard is no failure" run 0 "$tmp/plain: 1 added, 0 updated, 0 unchanged, 0 failed, 0 removed, 0 scheduled" \
	-G -r "$tmp/repo3" -s "$tmp/store2" "$tmp/plain"
is "... but a line" "$(sed 's/(.*//' "$tmp/err")" \
	"ducc-fetch: warning: http://$registry/mixed:2: skipped: manifest: an artifact, not a container image "
echo "http://$registry/app:one" >"$tmp/plain"

# An image that is damaged in the store is fetched again in the same run; one that is wrong is not.
echo "http://$registry/app:three" >"$tmp/plain"
added="$tmp/plain: 1 added, 0 updated, 0 unchanged, 0 failed, 0 removed, 0 scheduled"
largest() { # DIR
	ls -S "$1"/* | head -n 1
}
ducc-fetch -q -s "$tmp/store4" "http://$registry/app:three" >"$tmp/records"
for blob in $(ls -S "$tmp/store4/blobs/sha256" | head -n 2); do # of two layers
	flip "$tmp/store4/blobs/sha256/$blob" 20
done
ok "blobs damaged in the store" run 0 "$added" -G -r "$tmp/repo4" -s "$tmp/store4" "$tmp/plain"
is "... are reported" "$(grep -c '^ducc-unpack: warning: .*is damaged: digest mismatch; removed$' "$tmp/err")" 2
is "... and what is done" "$(grep ^ducc-convert: "$tmp/err")" "ducc-convert: 1 damaged in the store: fetching again"
is "... and the image is right" "$(cat "$tmp/repo4/$registry/app:three/app/name")" three
begin_anew "$tmp/repo4"
flip "$(largest "$tmp/store4/layers")" 1000000
ok "a tar damaged in the store" run 0 "" -q -G -r "$tmp/repo4" -s "$tmp/store4" "$tmp/plain"
is "... too" "$(cat "$tmp/repo4/$registry/app:three/app/name")" three
begin_anew "$tmp/repo4"
tar=$(largest "$tmp/store4/layers")
flip "$tar" 1000000
blob=$(manifest_of "$registry/app:three" | jq -r '.layers | max_by(.size).digest[7:]')
ducc-fetch -q -s "$tmp/store4" "http://$registry/app:three" >"$tmp/records"
flip "$tmp/store4/blobs/sha256/$blob" 20
ok "a tar and the blob that it was made from, both damaged in the store" run 0 "$added" -G -r "$tmp/repo4" -s "$tmp/store4" "$tmp/plain"
is "... are made anew, one after the other" "$(grep -c 'fetching again$' "$tmp/err") $(cat "$tmp/repo4/$registry/app:three/app/name")" "2 three"
manifest_of "$registry/app:three" | jq -c '.layers[0].size += 1' >"$tmp/wrong"
put_manifest "$registry" app wrong application/vnd.oci.image.manifest.v1+json "$tmp/wrong"
echo "http://$registry/app:wrong" >"$tmp/plain"
ok "an image that is wrong" run 1 "$tmp/plain: 0 added, 0 updated, 0 unchanged, 1 failed, 1 removed, 0 scheduled" -g 0 \
	-r "$tmp/repo4" -s "$tmp/store4" "$tmp/plain"
is "... fails once" "$(grep -c app:wrong "$tmp/err")" 1
ok "limits are passed on" run 1 "$tmp/plain: 0 added, 0 updated, 0 unchanged, 1 failed, 0 removed, 0 scheduled" -G -l layers=2,depth=9 \
	-r "$tmp/repo4" -s "$tmp/store4" "$tmp/plain"
like "... to ducc-fetch" "$(cat "$tmp/err")" 'image of more than 2 layers'
echo "http://$registry/app:one" >"$tmp/plain"

# What is not wanted any more
start=$(date +%s)
day() { # NUMBER
	DUCC_CLOCK=$((start + $1 * 86400))
	export DUCC_CLOCK
}
recipe "http://$registry/app:one" "http://$registry/app:t*" >"$list"
day 0
ok "all are wanted" run 0 "$(counts 0 0 4 0 0)" "$list"
recipe "http://$registry/app:one" "http://$registry/app:tw*" "http://$registry/app:three" >"$list"
ok "one is not, any more" run 0 "$(counts 0 0 3 0 0 1)" -g 7 "$list"
is "... which is said" "$(head -n -1 "$tmp/said")" "unwanted: $registry/app:t4 (to be removed on $(date -u -d "@$((start + 7 * 86400))" +%F))"
ok "... and stays" test -e "$R/$registry/app:t4"
day 6
ok "... for the grace period" run 0 "$(counts 0 0 3 0 0)" -g 7 "$list"
day 8
ok "... which -G prolongs" run 0 "$(counts 0 0 3 0 0)" -g 7 -G "$list"
ok "then it is removed" run 0 "$(counts 0 0 3 0 1)" -N "$tmp/gone" -g 7 "$list"
is "... as it says" "$(head -n 1 "$tmp/said")" "removed: $registry/app:t4"
ok "... which is an event, too" jq -es --arg p "$registry/app:t4" 'any(.action == "remove" and .path == $p)' "$tmp/gone"
ok "... and gone" test ! -L "$R/$registry/app:t4"
unset DUCC_CLOCK

# Alone
lock=$S/locks/$(printf %s "$list" | sha256sum | cut -c 1-16)
mkfifo "$tmp/fifo"
(
	exec 9>>"$lock"
	flock 9
	echo locked >"$tmp/fifo"
	read -r _ <"$tmp/fifo"
) &
holder=$!
read -r _ <"$tmp/fifo"
ok "another one at work on the list is not waited for" run 75 "" "$list"
like "... as it says" "$(cat "$tmp/err")" "^ducc-convert: $list: locked by another ducc-convert \\(processes [0-9 ]+\\)$"
ok "... unless with -q" run 75 "" -q "$list"
is "... which says nothing" "$(cat "$tmp/err")" ""
: >"$tmp/err"
ok "... also by another name of the list" run 75 "" "$tmp/work/../recipe.yaml"
ok "another list is free" run 0 "$tmp/plain: 0 added, 0 updated, 1 unchanged, 0 failed, 0 removed, 0 scheduled" -G -r $n "$tmp/plain"
ok "... but not together with that one" run 75 "" "$tmp/plain" "$list"
echo >"$tmp/fifo"
wait $holder
ok "then it is free again" run 0 "$(counts 0 0 3 0 0)" "$list"

# A signal while a layer comes slowly
start_nginx <<END
server {
	@LISTEN@
	location / {
		proxy_pass http://$registry;
		proxy_set_header Host \$http_host;
		limit_rate 2k;
	}
}
END
slow=$nginx
make_image "$L" slow
dd if=/dev/urandom of="$tmp/random" bs=1024 count=400 2>/dev/null
mkdir "$tmp/big"
mv "$tmp/random" "$tmp/big"
add_layer "$L:slow" "$tmp/big"
push "$L:slow" "$registry/slow:1"
is_fetching() {
	find "$S" -path "$S/tmp/*" -type f | grep -q .
}
is_free() {
	flock -n "$lock" true
}
recipe "http://$slow/slow:1" >"$list"
for signal in HUP=129 INT=130 TERM=143; do
	# A shell starts its background jobs without SIGINT, and under nohup all is without SIGHUP.
	perl -e '$SIG{INT} = $SIG{HUP} = "DEFAULT"; exec @ARGV' "$convert" -G "$list" >"$tmp/interrupted" 2>&1 &
	pid=$!
	wait_for is_fetching
	kill -s ${signal%=*} $pid
	ok "SIG${signal%=*} ends it, as such" convert_died ${signal#*=}
	like "... which it says" "$(cat "$tmp/interrupted")" " 0 failed, 0 removed, 0 scheduled, 1 not done \(interrupted\)$"
	ok "... with all that it had started" is_free
	is "... and nothing of it is left" "$(ls "$TMPDIR")" ""
	rm -rf "$S/tmp"
done
"$convert" -G "$list" >"$tmp/interrupted" 2>&1 &
pid=$!
wait_for is_fetching
ok "while it works, another list" run 0 "" -q -G -r $n "$tmp/plain"
is "... leaves its files alone" "$(find "$TMPDIR" -mindepth 1 -maxdepth 1 | wc -l)" 1
kill -9 $pid
wait $pid 2>/dev/null || :
ok "killed, its tools still have the lock, and no other one begins" run 75 "" "$list"
like "... which says who has it" "$(cat "$tmp/err")" \
	"locked by another ducc-convert \(process $pid, since 20[0-9TZ:-]*\), which was killed, but not its tools: processes [0-9]"
find /proc/[0-9]*/fd -lname "$lock" 2>/dev/null | cut -d / -f 3 | sort -u |
	xargs kill 2>/dev/null || : # some end by themselves, now that their reader is gone
ok "... until they have ended" wait_for is_free
is "its files are left" "$(find "$TMPDIR" -mindepth 1 -maxdepth 1 | wc -l)" 1
mkdir "$TMPDIR/ducc-convert.link"
ln -s "$L" "$TMPDIR/ducc-convert.linked"
ok "... to the next one" run 0 "" -q -G -r $n "$tmp/plain"
is "... which removes them, and nothing else" "$(ls "$TMPDIR") $(jq -r .imageLayoutVersion "$L/oci-layout")" \
	"ducc-convert.link
ducc-convert.linked 1.0.0"
rm -r "$TMPDIR"/ducc-convert.*

# A signal while it publishes, or pauses
recipe "http://$registry/app:one" "http://$registry/app:tw*" "http://$registry/app:three" "http://$registry/slow:1" >"$list"
CVMFS_STANDIN_PAUSE=8 "$convert" "$list" >"$tmp/interrupted" 2>&1 &
pid=$!
wait_for test -e "$spool/paused"
kill -s TERM $pid
ok "a transaction that is being committed is waited for" convert_died 143
ok "... is not open any more" test ! -e "$spool/in_transaction.lock"
is "... and has brought the image" "$(cat "$R/$registry/slow:1/app/name")" slow
ok "the next one pushes its thin image" run 0 "$(counts 0 0 4 0 0)" "$list"
ok "... which was missing" manifest_of "$registry/thin/slow:1"
sed -i '/slow:1/d' "$list"
CVMFS_STANDIN_PAUSE=8 "$convert" -g 0 -m 100 "$list" >"$tmp/interrupted" 2>&1 &
pid=$!
wait_for test -e "$spool/paused"
kill -s TERM $pid
ok "ducc-gc is waited for, too" convert_died 143
ok "... and has ended its transaction" test ! -e "$spool/in_transaction.lock"
"$convert" -G --loop -i 0 "$list" >"$tmp/loop" 2>&1 &
pid=$!
two_rounds() {
	[ "$(grep -c unchanged "$tmp/loop")" -ge 2 ]
}
ok "--loop goes on and on" wait_for two_rounds
kill -s TERM $pid
ok "... until there is a signal" convert_died 143
"$convert" -G --loop -i 1000 "$list" >"$tmp/pause" 2>&1 &
pid=$!
wait_for grep -qs unchanged "$tmp/pause"
kill -s TERM $pid
ok "... also in the pause" convert_died 143
ok "... with nothing left" is_free

# Examples
examples=$top/scripts/examples
if command -v systemd-analyze >/dev/null; then
	mkdir "$tmp/units"
	for unit in "$examples"/*.service "$examples"/*.timer; do
		sed "s,/usr/local/bin/ducc-convert,$convert,; s,/usr/local/bin/ducc-\(gc\|check\),${bin}/ducc-\1,
			s,/usr/local/lib/ducc,$top/scripts," "$unit" >"$tmp/units/$(basename "$unit" | sed 's/@/@x/')"
	done
	ok "systemd understands the units" systemd-analyze verify --man=no "$tmp/units"/*
	is "... without a complaint" "$(cat "$out")" ""
	cat "$tmp/units/ducc-convert@x.service" "$examples/directory.conf" >"$tmp/units/directory.service"
	for unit in "ducc-convert@x.service 60" "ducc-hook@x.service 60" "ducc-loop@x.service 60" "ducc-check@x.service 60" "ducc-clean@x.service 60" "directory.service 35"; do
		ok "... which confine what they start: ${unit% *}" \
			systemd-analyze security --offline=yes --threshold="${unit#* }" "$tmp/units/${unit% *}"
	done
fi
sed -n 's,^ExecStart=/usr/local/bin/,,p' "$examples/ducc-clean@.service" | sed "s,%I,$tmp/cleaned," >"$tmp/clean"
ducc-wish -r "$tmp/cleaned" "$list" | ducc-fetch -q -s "$tmp/clean-store" | ducc-unpack -q -s "$tmp/clean-store" |
	ducc-publish -q -s "$tmp/clean-store" >"$tmp/published"
before=$(cd "$tmp/cleaned" && find . | sort)
find "$tmp/clean-store" -type f -exec touch -d '2 days ago' {} +
ok "what cleans the store does" env DUCC_STORE="$tmp/clean-store" sh -e "$tmp/clean" </dev/null
is "... without the layers that are published" "$(ls "$tmp/clean-store/layers")" ""
is "... and removes nothing from the repository" "$(cd "$tmp/cleaned" && find . | sort)" "$before"
sed -n 's,^ExecStart=/usr/local/bin/,,p' "$examples/ducc-check@.service" | sed "s,%I,$tmp/cleaned," >"$tmp/check"
ok "what checks the repository" sh -e "$tmp/check"
is "... finds nothing" "$(cat "$out")" ""
chmod 700 "$tmp/cleaned/$registry/app:one/app"
fails "... but what is wrong" sh -e "$tmp/check"
is "... each time" "$(cut -f 1 "$out")" mode
if command -v logrotate >/dev/null; then
	mkdir "$tmp/log"
	sed "s,/var/log/ducc,$tmp/log," "$examples/logrotate" >"$tmp/logrotate"
	chmod 644 "$tmp/logrotate"
	for week in 1 2 3 4; do
		[ $week = 1 ] || logrotate -f -s "$tmp/logrotate.state" "$tmp/logrotate" || break
		if [ $week -lt 3 ]; then echo '{}' >>"$tmp/log/events"; else "$convert" -q -G -N "$tmp/log/events" "$list"; fi
	done
	is "the events are rotated weekly" "$(cd "$tmp/log" && echo *)" "events events.1 events.2.gz events.3.gz"
	is "... each with those of its week" "$(cat "$tmp/log/events" "$tmp/log/events.1" | grep -c '"action":"start_ducc"')" 10
fi
grep -o 'ducc-convert .*' "$examples/crontab" | sed "s,/etc/ducc/unpacked.yaml,$list," >"$tmp/command"
ok "the command in the crontab works" sh -c "PATH=$top/scripts:\$PATH; $(head -n 1 "$tmp/command")"

done_testing
