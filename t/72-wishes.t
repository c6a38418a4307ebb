#!/bin/sh
# ducc-convert: what it reports about failures, remembers, and would do; and its metrics.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need bash docker-registry flock jq skopeo umoci
[ $sanitized = 0 ] || only_in_soak "it is about a script, whose tools have tests of their own"

# shellcheck source=convert.sh
. "${0%/*}/convert.sh"
list=$tmp/images
for i in one two three; do
	make_image "$L" $i
	push "$L:$i" "$registry/app:$i"
done
# convert STATUS ARGUMENT...: with the list; its errors are in $tmp/err, without times.
convert() {
	converts "$@" "$list" || return
	sed "s,$registry,REGISTRY,; s/ 404.*unknown/ 404/" "$tmp/errors" >"$tmp/err"
}
no_failures() { # LIST
	list=$1 convert 0 -G -r "$R.back"
}
no_repository() { # LIST
	list=$1 convert 2
}
wish() { # FIELD
	sed -n 's/.*	'"$1"'=\([^	]*\).*/\1/p' "$S"/wishes/*
}

# Failures
hour 0
printf '%s\n' "http://$registry/app:one" "http://$registry/app:new" >"$list"
ok "a new failure" convert 1
like "... is reported, with the cause" "$(cat "$tmp/err")" "^ducc-convert: http://REGISTRY/app:new: ducc-fetch: .*404"
is "... once" "$(wc -l <"$tmp/err")" 1
first=$(cat "$tmp/err")
hour 1
ok "the same an hour later" convert 1 -G --failed "$tmp/left"
is "... its record is that of ducc-wish, for who asks for it" "$(cat "$tmp/left")" "$(ducc-wish -q "$list" | grep app:new)"
is "... is not" "$(cat "$tmp/err")" ""
like "... but counted, as known" "$(cat "$tmp/said")" " 1 unchanged, 1 failed, .* \\(1 reported before; --remind 0 reports all\\)$"
hour 23
ok "... nor before a day" convert 1 -q -G
is "... has passed" "$(cat "$tmp/err" "$tmp/said")" ""
hour 24
ok "... but after it, also with -q" convert 1 -q -G
is "... and since when" "$(cat "$tmp/err")" "$first (failing since 2027-01-15T08:00:00Z)"
hour 47
ok "... then not for another" convert 1 -G
is "... day" "$(cat "$tmp/err")" ""
ok "... unless --remind says so" convert 1 -G --remind 08
is "... as before" "$(cat "$tmp/err")" "$first (failing since 2027-01-15T08:00:00Z)"
is "ducc-ls knows it" "$(ducc-ls "$registry/app:new" 2>"$tmp/err" | tr '\t' '\n' | sed -n 's/^state=//p; s/^failing=//p; s/^list=//p' | xargs)" \
	"missing $list 2027-01-15T08:00:00Z"
put_manifest "$registry" app new application/vnd.oci.image.manifest.v1+json "$(manifest_of "$registry/app:one" |
	jq -c '.artifactType = "application/x-chart"' >"$tmp/chart"; echo "$tmp/chart")"
hour 48
ok "another cause" convert 1 -G
like "... is reported" "$(cat "$tmp/err")" "app:new: ducc-fetch: .*artifact.* \(failing since 2027-01-15T08:00:00Z\)$"
push "$L:two" "$registry/app:new"
ok "a failure that ends" convert 0 -G --failed "$tmp/left"
is "... is reported" "$(cat "$tmp/err")" "ducc-convert: http://REGISTRY/app:new: works again (it failed since 2027-01-15T08:00:00Z)"
is "... and forgotten" "$(wish failing)" ""
is "... and leaves no record" "$(wc -c <"$tmp/left")" 0
echo unknown >"$tmp/left"
ok "while a list cannot be read" converts 1 -G -s "$tmp/store-none" --failed "$tmp/left" "$list" "$tmp/none"
is "... it is unknown what fails" "$(cat "$tmp/left")" unknown
ok "... for good" convert 0 -G
is "... then nothing is said" "$(cat "$tmp/err")" ""
is "the lists that want an image are noted" "$(wish list)" "$list
$list"
printf '%s\n' "http://$registry/app:one" "http://$registry/none:*" 'not an image' >"$list"
ok "wildcards and lines fail likewise" convert 1
like "... and nothing is scheduled, for a line may mean any image" "$(cat "$tmp/said")" ", 0 removed, 0 scheduled"
is "... each once" "$(wc -l <"$tmp/err")" 2
like "... the wildcard" "$(cat "$tmp/err")" "^ducc-convert: http://REGISTRY/none:\\*: ducc-wish: "
like "... the line" "$(cat "$tmp/err")" "^ducc-convert: ducc-wish: $list: line 3: "
ok "... not again" convert 1
is "... " "$(cat "$tmp/err")" ""
like "... but counted, as known" "$(cat "$tmp/said")" " 2 failed, .* \\(2 reported before; --remind 0 reports all\\)$"
printf '%s\n' "$registry/none:*" "docker://$registry/app:*-none" "http://$registry/none:1*" >"$list"
ok "wildcards whose names the list abbreviates" convert 1 -G --remind 0
is "... fail once each, too" "$(sed -n 's/^ducc-convert: \(http.*\): ducc-wish: .*/\1/p' "$tmp/err")" \
	"http://REGISTRY/none:*
http://REGISTRY/none:1*"
like "... as counted" "$(cat "$tmp/said")" " 2 failed, "
printf '%s\n' "http://$registry/app:one" "http://$registry/none:*" 'not an image' >"$list"
convert 1 --remind 0
printf '%s\n' "http://$registry/app:one" >"$list"
ok "... until they end" convert 0
is "... or are no longer wanted, by lists that can be read" "$(sed 's/: line.*: no longer/: no longer/' "$tmp/err" | sort)" \
	"$(printf "ducc-convert: %s: no longer fails (it failed since $(date -u -d "@$DUCC_CLOCK" +%FT%TZ))\n" \
		"ducc-wish: $list" "http://REGISTRY/none:*" "http://REGISTRY/none:1*")"
printf '%s\n' "http://$registry/app:one" "http://$registry/app:other" >"$list"
ok "a failure before the list" convert 1 -G
mv "$list" "$list.away"
ok "... cannot be read" convert 1
like "... which is a failure" "$(cat "$tmp/err")" "^ducc-convert: ducc-wish: $list: "
: >"$list"
ok "... and is empty then" convert 1
like "... which is another failure" "$(cat "$tmp/err")" "^ducc-convert: ducc-wish: $list: empty list"
is "... in place of the former" "$(cat "$S"/wishes/* | grep -c '^ducc-wish: ')" 1
mv "$list.away" "$list"
ok "... is not forgotten" convert 1 -G
like "... and only the list is read again" "$(cat "$tmp/err")" "^ducc-convert: ducc-wish: $list: works again"
is "... nothing else" "$(wc -l <"$tmp/err")" 1
dead_port
down=127.0.0.1:$port
printf '%s\n' "http://$down/app:one" "http://$down/app:other" >"$list"
hour 60
ok "a registry that is down fails all its images" convert 1 -G
is "... each" "$(grep -c 'app:.*connect' "$tmp/err")" 2
ok "... once, though the messages have times" convert 1 -G
is "... and ports" "$(cat "$tmp/err")" ""
for i in a b c d e f g h i j k l; do echo "http://$down/app:$i"; done >>"$list"
printf '%s\n' "http://$down/wild:*" 'http://127.0.0.1:1/other:1' >>"$list"
ok "many images with the same cause" convert 1
is "... are one line, others their own" "$(sed "s,$down,REGISTRY,g; s/: ducc-.*[Cc]onnect[^:]*: Connection refused/: (cause)/" "$tmp/err")" \
	"ducc-convert: 12 of REGISTRY: (cause): $(for i in a b c d e f g h i; do printf 'http://REGISTRY/app:%s, ' $i; done)http://REGISTRY/app:j and 2 more, which -v names
ducc-convert: http://REGISTRY/wild:*: (cause)
ducc-convert: http://127.0.0.1:1/other:1: (cause)"
is "... which are remembered one by one" "$(grep -c failing= "$S"/wishes/*)" 16
printf '%s\n' 'not /an image' 'nor /this' 'nor /that' 'nor /these' >>"$list"
ok "many lines that are wrong" convert 1
is "... are a line each" "$(sed 's/: not.*//; s/.*: line/line/' "$tmp/err" | cut -d : -f 1 | xargs)" "line 17 line 18 line 19 line 20"
sed -i '/ /d' "$list"
ok "... which is also said of their end" convert 1
is "..." "$(grep -c 'ducc-wish: .*: line [0-9]*: .*: no longer fails (it failed since [^ ]*)$' "$tmp/err") $(wc -l <"$tmp/err")" "4 4"
ok "... and each named with -v" convert 1 -v --remind 0
is "..." "$(grep -c "^ducc-convert: http://.*[Cc]onnect" "$tmp/err")" 16
head -n 2 "$list" >"$list.short"
mv "$list.short" "$list"
mv "$S/wishes" "$S/wishes.away"
: >"$S/wishes"
ok "a state that cannot be written" convert 1 -G
like "... is a failure" "$(cat "$tmp/err")" "wishes"
rm "$S/wishes"
mv "$S/wishes.away" "$S/wishes"

# A dry run
for i in a b c d e; do push "$L:one" "$registry/back:$i"; done
for i in a b c d e; do echo "http://$registry/back:$i"; done >"$list.back"
sed "s/\(back:.\)/\1-/" "$list.back" >"$list.gone"
list=$list.gone convert 1 -G -r "$R.back"
mv "$list.back" "$list.gone"
sed -i 's/-\t/\t/' "$S"/wishes/*
ok "many images that work again" no_failures "$list.gone"
like "... are one line, too" "$(cat "$tmp/err")" \
	"^ducc-convert: 5 of REGISTRY: works again \\(it failed since [^ ]*\\): (http://[^ ]*/back:[a-d], ){4}http://[^ ]*/back:e$"
rm "$list.gone"
push "$L:one" "$registry/app:four"
unset DUCC_CLOCK
rm -rf "$R" "$S"
printf '%s\n' "http://$registry/app:one" "http://$registry/app:two" "http://$registry/app:four" >"$list"
said() {
	sed "s,$registry,REGISTRY,; s,^$list: ,~," "$tmp/said" | sort
}
ok "a dry run of all" convert 0 -n
is "... names each image" "$(said)" "would be added: http://REGISTRY/app:four
would be added: http://REGISTRY/app:one
would be added: http://REGISTRY/app:two
would be created: repository $R
~3 added, 0 updated, 0 unchanged, 0 failed, 0 removed, 0 scheduled (dry run)"
is "... and does nothing" "$(cat "$tmp/err")$(ls -d "$S" "$R" 2>/dev/null)" ""
ok "the real run" convert 0
is "... is the same" "$(said)" "added: http://REGISTRY/app:four
added: http://REGISTRY/app:one
added: http://REGISTRY/app:two
created: repository $R
~3 added, 0 updated, 0 unchanged, 0 failed, 0 removed, 0 scheduled"
push "$L:three" "$registry/app:two"
printf '%s\n' "http://$registry/app:two" "http://$registry/app:one" "http://$registry/app:none" >"$list"
before=$(cd "$R" && find . | sort)
ok "what has changed, without a grace period" convert 1 -n -g 0
is "... is told" "$(said)" "would be removed: REGISTRY/app:four
would be updated: http://REGISTRY/app:two
~0 added, 1 updated, 1 unchanged, 1 failed, 1 removed, 0 scheduled (dry run)"
like "... with what fails" "$(cat "$tmp/err")" "app:none: ducc-fetch: .*404"
is "... and not done" "$(cd "$R" && find . | sort)" "$before"

# Metrics: some awks read and print numbers as the locale has them.
german() { # COMMAND...: where there is a locale with a decimal comma
	mkdir -p "$tmp/locales"
	localedef -i de_DE -f UTF-8 "$tmp/locales/de_DE.UTF-8" 2>/dev/null || :
	LOCPATH=$tmp/locales LC_ALL=de_DE.UTF-8
	export LOCPATH
	german_status=0
	"$@" || german_status=$?
	unset LOCPATH
	LC_ALL=C
	return $german_status
}
ok "metrics" german convert 1 -g 0 --metrics "$tmp/ducc.prom" -N "$tmp/first"
cat >"$tmp/syntax" <<'END'
# The text format of Prometheus: each metric has its help and type, once and before its samples, which are distinct.
/^# HELP [a-z_]+ ./ { if ($3 in help) bad(); help[$3]; next }
/^# TYPE [a-z_]+ gauge$/ { if (!($3 in help) || $3 in type) bad(); type[$3]; last = $3; next }
/^[a-z_]+\{[a-z]+="([^"\\\n]|\\\\|\\"|\\n)*"(,[a-z]+="([^"\\\n]|\\\\|\\"|\\n)*")*\} [0-9]+(\.[0-9]+)?(e[+-][0-9]+)?$/ {
	name = substr($0, 1, index($0, "{") - 1)
	line = $0
	sub(/ [^ ]*$/, "", line)
	if (name != last || line in seen) bad()
	seen[line]
	samples++
	next
}
{ bad() }
function bad() { print "line " NR ": " $0; wrong = 1 }
END
echo 'END { exit wrong || samples < 10 }' >>"$tmp/syntax"
ok "... have the form of Prometheus" awk -f "$tmp/syntax" "$tmp/ducc.prom"
if command -v promtool >/dev/null; then
	ok "... as Prometheus finds" promtool check metrics <"$tmp/ducc.prom"
	is "... without a remark" "$(cat "$out")" ""
fi
metric() { # NAME-AND-LABELS
	sed "s/list=\"[^\"]*\",*//; s/{}//" "$tmp/ducc.prom" | sed -n "s/^ducc_$1 //p"
}
is "... count images" "$(for s in added updated unchanged failed; do metric "images{state=\"$s\"}"; done | xargs)" "0 1 1 1"
is "... by registry" "$(metric "failures{registry=\"$registry\"}")" 1
is "... and what was removed" "$(metric removed_names)" 1
is "... the bytes that were fetched" "$(metric 'step_bytes{step="fetch"}')" \
	"$(manifest_of "$registry/app:three" | jq '.layers[-1].size')"
like "... and the seconds" "$(metric 'step_seconds{step="publish"}')" '^[0-9.]+$'
is "... which are those of the events" "$(metric 'step_seconds{step="unpack"}')" "$(jq -rs '[.[] | select(.action == "end_image_unpack") |
	.time_elapsed_s | tonumber] | add' "$tmp/first" | awk '{ print $1 + 0 }')"
like "... with others that fail, the last success is an earlier one" "$(metric success_timestamp_seconds)" '^[0-9]{10}$'
DUCC_CLOCK=1900000000
export DUCC_CLOCK
printf '%s\n' "http://$registry/app:one" >"$list"
ok "... with events for others, too" convert 0 -G --metrics "$tmp/ducc.prom" -N "$tmp/events"
is "... as without metrics" "$(jq -r 'select(.action == "end_ducc").program' "$tmp/events" | sort -u | xargs)" \
	"ducc-fetch ducc-publish ducc-unpack ducc-wish"
is "... a success" "$(metric success_timestamp_seconds)" 1900000000
is "... nothing is left" "$(ls "$TMPDIR")" ""
list=$tmp/'a "quoted\ list'
printf '%s\n' "http://$registry/app:one" >"$list"
ok "... of a list with an odd name" convert 0 -G --metrics "$tmp/ducc.prom"
ok "... have the form of Prometheus" awk -f "$tmp/syntax" "$tmp/ducc.prom"
if command -v promtool >/dev/null; then
	ok "... as it finds" promtool check metrics <"$tmp/ducc.prom"
fi
ok "metrics that cannot be written" convert 1 -G --metrics "$tmp/no/file"
is "... are reported" "$(cat "$tmp/err")" "ducc-convert: $tmp/no/file: not written: No such file or directory"
mkdir "$tmp/collector"
ok "... nor to a directory" convert 1 -G --metrics "$tmp/collector" --failed "$tmp/collector"
is "... either" "$(cat "$tmp/err")" "ducc-convert: $tmp/collector: not written: Is a directory
ducc-convert: $tmp/collector: not written: Is a directory"
is "... which remains as it is" "$(ls -A "$tmp/collector"; ls -d "$tmp"/collector*)" "$tmp/collector"
for file in "$tmp/no/file: No such file or directory" /dev/full; do
	ok "events that cannot be written: $file" convert 0 -q -G -N "${file%%: *}"
	is "... are reported" "$(cat "$tmp/err")" "ducc-convert: warning: ${file%%: *}: not written${file#"${file%%: *}"}, so events are lost"
done
nowhere() {
	status=0
	"$top/scripts/ducc-convert" -T -G "$list" 2>"$tmp/errors" >/dev/full || status=$?
	[ $status = 1 ]
}
ok "a summary that cannot be written" nowhere
is "... is reported" "$(cat "$tmp/errors")" "ducc-convert: standard output: No space left on device"

# What cannot be removed
unset DUCC_CLOCK
rm -rf "$R" "$S"
list=$tmp/images
printf '%s\n' "http://$registry/app:one" "http://$registry/app:two" "http://$registry/app:four" >"$list"
convert 0
printf '%s\n' "http://$registry/app:two" "http://$registry/app:one" "http://$registry/app:none" >"$list"
ok "one of three is not wanted any more" convert 1 --remind 0
like "... which is said, and until when it stays" "$(said)" "^unwanted: REGISTRY/app:four \\(to be removed on 20[0-9]{2}-[0-9]{2}-[0-9]{2}\\)
"
like "... and counted" "$(said)" "0 removed, 1 scheduled$"
ok "... once" convert 1
is "..." "$(said)" "~0 added, 0 updated, 2 unchanged, 1 failed, 0 removed, 0 scheduled (1 reported before; --remind 0 reports all)"
push "$L:one" "$registry/app:five"
push "$L:one" "$registry/app:six"
printf '%s\n' "http://$registry/app:five" "http://$registry/app:six" "http://$registry/app:one" >"$list"
ok "more images" convert 0
printf '%s\n' "http://$registry/app:one" >"$list"
ok "most are not wanted any more" convert 1 --metrics "$tmp/refused.prom"
refused="ducc-convert: ducc-gc: repository $R: 2 of 5 images are not among those to keep, more than 10 percent: "
refused="${refused}REGISTRY/app:five, $registry/app:six; nothing is changed (if no other list wants them, use -m 40)"
is "... which is refused" "$(cat "$tmp/err")" "$refused"
is "... counted" "$(said)" "~0 added, 0 updated, 1 unchanged, 1 failed, 0 removed, 0 scheduled"
is "... and measured" "$(sed -n 's/^ducc_removal_failed.* //p' "$tmp/refused.prom")" 1
ok "... again" convert 1
is "... without a word" "$(cat "$tmp/err")" ""
ok "... by a dry run, too" convert 1 -n
is "... with nothing else" "$(cat "$tmp/err")$(said)" "$(echo "$refused" | sed 's/is changed/would be changed/')~0 added, 0 updated, 1 unchanged, 1 failed, 0 removed, 0 scheduled (dry run)"
ok "... unless more is allowed" convert 0 -m 40 --metrics "$tmp/refused.prom"
like "... which works again" "$(cat "$tmp/err")" "^ducc-convert: ducc-gc: works again \\(it failed since [0-9TZ:-]*\\)$"
like "... and is told" "$(said)" "unwanted: REGISTRY/app:six" && like "... both" "$(said)" " 0 removed, 2 scheduled$"
is "... and measured" "$(sed -n 's/^ducc_removal_failed.* //p; s/^ducc_scheduled_names.* //p' "$tmp/refused.prom" | xargs)" "2 0"
cp "$list" "$list.before"
printf '%s\n' "http://$registry/app:one" "http://$registry/app:six" >"$list"
ok "one of them is wanted again, by a dry run" convert 0 -n
like "... which is told" "$(said)" "^would be wanted again: REGISTRY/app:six
"
ok "... and in truth" convert 0 -q
is "... also with -q" "$(said)" "wanted again: REGISTRY/app:six"
ok "... once" convert 0
is "..." "$(said)" "~0 added, 0 updated, 2 unchanged, 0 failed, 0 removed, 0 scheduled"
cp "$list" "$list.more"
mv "$list.before" "$list"
ok "... and not any more" convert 0 -q -m 40
like "... is said with -q, too" "$(said)" "^unwanted: REGISTRY/app:six \\(to be removed on [0-9-]*\\)$"
mv "$list.more" "$list"
ok "... but not" convert 0 -qq
is "... with another" "$(said)" ""
printf '%s\n' "http://$registry/app:one" >"$list"
convert 0 -m 40
success=$(head -n 1 "$S"/wishes/*)
printf 'version: 1\nuser: me\ncvmfs_repo: %s\noutput_format: ""\ninput: []\n' "$R" >"$list"
ok "a list of nothing" convert 1
is "... is refused" "$(cat "$tmp/err")" "ducc-convert: ducc-gc: no image to keep is given: nothing is changed"
is "... and no success" "$(head -n 1 "$S"/wishes/*)" "$success"
ok "... also in a dry run" convert 1 -n
printf '%s\n' "http://$registry/app:one" >"$list"
ok "then it works again" convert 0
ok "one on the list is removed" ducc-gc --remove "$registry/app:one"
is "... with a warning" "$(grep warning "$out")" \
	"ducc-gc: warning: $registry/app:one: still on the list $list: the next ducc-convert publishes it again"

# Wrong usage, and a state that is damaged
convert 0
unset DUCC_REPO
cp "$S"/wishes/* "$tmp/wishes"
echo "http://$registry/app:lost" >>"$list"
ok "no repository" convert 2
is "... is wrong usage" "$(cat "$tmp/err")" \
	"ducc-convert: $list: no repository for 2 of 2 images: use -r, \$DUCC_REPO, or a recipe that names it"
printf '%s\t%s\n' "http://$registry/app:one" thin=x "http://$registry/app:two" wildcard=yes \
	"http://$registry/app:three" "repo=$R" >"$list.fields"
ok "... also of images with other fields" no_repository "$list.fields"
like "... which is counted" "$(cat "$tmp/err")" "no repository for 2 of 3 images"
is "... and no failure of the images" "$(cat "$S"/wishes/*)" "$(cat "$tmp/wishes")"
DUCC_REPO=$R
export DUCC_REPO
printf '%s\n' garbage "http://$registry/app:none" "$registry/app:lost	failing=2027-01-15T08:00:00Z	error=x" \
	"$registry/app:lost	repo=$R	list=x	failing=never" >>"$(echo "$S"/wishes/*)"
ok "lines that are not of ducc-convert" ducc-ls
is "... are no images" "$(grep -c 'state=missing' "$out")" 0

# Lists that are gone
cp "$list" "$list.2"
sed -i '/lost/d' "$list.2"
ok "two lists" convert 1
mv "$list.2" "$list.gone"
echo "http://$registry/app:lost" >>"$list.gone"
list=$list.gone convert 1
is "... which name images" "$(ducc-ls "$registry/app:lost" 2>"$tmp/err" | tr '\t' '\n' | sed -n 's/^list=//p' | tr -d , | xargs -n 1 | sort)" "$list
$list.gone"
rm "$list.gone"
convert 1
is "a list that is gone is not forgotten" "$(ducc-ls "$registry/app:lost" 2>"$tmp/err" | tr '\t' '\n' | sed -n 's/^list=//p' | tr -d , | xargs -n 1 | sort)" "$list
$list.gone"
ok "... unless told to" "$top/scripts/ducc-convert" --forget "$list.gone"
is "..." "$(ducc-ls "$registry/app:lost" 2>"$tmp/err" | tr '\t' '\n' | sed -n 's/^list=//p')" "$list"

# Tools that are killed
list=$tmp/killing
mkdir "$tmp/killed"
printf '%s\n' "http://$registry/app:one" "http://$registry/app:two" >"$list"
# killed TOOL SIGNAL ARGUMENT...: it kills itself.
killed() {
	printf '#!/bin/sh\nkill -s %s $$\n' "$2" >"$tmp/killed/ducc-$1"
	chmod +x "$tmp/killed/ducc-$1"
	tool=ducc-$1
	shift 2
	PATH=$tmp/killed:$PATH convert 1 -r "$R" "$@"
	rm "$tmp/killed/$tool"
}
ok "ducc-publish is killed" killed publish KILL -G
is "... which is the cause" "$(grep ^ducc-convert: "$tmp/err")" "ducc-convert: http://REGISTRY/app:one: ducc-publish: killed by SIGKILL
ducc-convert: http://REGISTRY/app:two: ducc-publish: killed by SIGKILL"
like "... that is remembered" "$(wish error)" "ducc-publish: killed by SIGKILL"
ok "ducc-fetch crashes" killed fetch SEGV -G
like "... with the same consequence" "$(cat "$tmp/err")" "app:two: ducc-fetch: killed by SIGSEGV \\(failing since"
is "... without a word of the shell" "$(grep -c -v '^ducc-' "$tmp/err")" 0
ok "it works again" convert 0 -r "$R" -m 100
ok "ducc-gc is killed" killed gc KILL
is "... which is a failure" "$(cat "$tmp/err")" "ducc-convert: ducc-gc: killed by SIGKILL"
ok "so is ducc-wish" killed wish KILL
is "..." "$(cat "$tmp/err")" "ducc-convert: ducc-wish: killed by SIGKILL"
like "... and nothing is removed" "$(cat "$tmp/said")" " 0 unchanged, 2 failed, 0 removed"
cat >"$tmp/killed/awk" <<-END
	#!/bin/sh
	echo >>"$tmp/calls"
	[ "\$(wc -l <"$tmp/calls")" != \$AWK_KILLED ] || kill -s KILL \$\$
	exec "$(command -v awk)" "\$@"
END
chmod +x "$tmp/killed/awk"
assessed_without() { # NUMBER: of the awk that is killed
	: >"$tmp/calls"
	PATH=$tmp/killed:$PATH AWK_KILLED=$1 convert 1 -r "$R"
}
remembered() { # without notes on what is unknown
	grep -h -v '^?' "$S"/wishes/*
}
before=$(remembered)
for i in 1 2 3; do
	ok "so is awk $i" assessed_without $i
	like "... which makes the round void" "$(cat "$tmp/err")" "nothing is remembered"
	is "... nothing is forgotten" "$(remembered)" "$before"
	is "... and nothing left" "$(ls "$TMPDIR")" ""
done
rm "$tmp/killed/awk"
cat >"$tmp/killed/ducc-thin" <<-END
	#!/bin/sh
	trap 'sleep 1; : >"$tmp/thin-ended"; exit 1' TERM
	: >"$tmp/thin-runs"
	while :; do sleep 0.1; done
END
chmod +x "$tmp/killed/ducc-thin"
printf 'http://%s/app:one\tthin=http://%s/thin/app:one\n' "$registry" "$registry" >"$tmp/thin"
PATH=$tmp/killed:$PATH "$top/scripts/ducc-convert" -G -r "$R" "$tmp/thin" >"$tmp/said" 2>&1 &
pid=$!
wait_for test -e "$tmp/thin-runs"
kill -s TERM $pid
wait $pid 2>/dev/null || :
ok "after a signal it waits for ducc-thin" test -e "$tmp/thin-ended"
rm "$tmp/killed/ducc-thin"

# Which file does not fit into a repository that is full does not matter.
list=$tmp/full
for i in a b c d e; do echo "http://$registry/full:$i"; done >"$list"
full() { # DIRECTORY: each image fails with another file there
	cat >"$tmp/killed/ducc-fetch" <<-END
		#!/bin/sh
		while [ "\$1" != --failed ]; do shift; done
		while IFS= read -r record; do
			printf '%s\\ttool=ducc-publish\\terror=$1/%s: write: No space left on device (repository)\\n' "\$record" "\$((n = n + 1))" >>"\$2"
		done
		exit 1
	END
	chmod +x "$tmp/killed/ducc-fetch"
	PATH=$tmp/killed:$PATH convert 1 -G -r "$R"
	rm "$tmp/killed/ducc-fetch"
}
ok "a repository is full" full .flat
is "... which is said once" "$(sed "s,$registry,REGISTRY,g" "$tmp/errors")" "ducc-convert: 5 of REGISTRY: ducc-publish: No space left on device (repository): $(printf 'http://REGISTRY/full:%s, ' a b c d)http://REGISTRY/full:e"
ok "... also if other files do not fit later" full .layers
is "... which is nothing new" "$(cat "$tmp/err")" ""
list=$tmp/killing

# Directories cannot be locked in each file system
printf '#!/bin/sh\nfor fd; do :; done\n[ ! -d "/proc/self/fd/$fd" ] || exit 65\nexec %s "$@"\n' "$(command -v flock)" >"$tmp/killed/flock"
chmod +x "$tmp/killed/flock"
unlocked() {
	PATH=$tmp/killed:$PATH convert 0 -r "$R" -m 100
}
ok "temporary files where nothing can be locked" unlocked
is "... are removed" "$(grep -v "works again" "$tmp/errors" || :)$(ls "$TMPDIR")" ""

# A first round in which nothing is published
list=$tmp/first
echo "http://$registry/app:never" >"$list"
mkdir "$tmp/empty"
for first in empty absent; do
	ok "a first round without success, in a directory that is $first" convert 1 -r "$tmp/$first"
	like "... leaves nothing to remove, which is no failure" "$(cat "$tmp/said")" " 0 unchanged, 1 failed, 0 removed, 0 scheduled"
done

# A directory whose file system is not mounted
list=$tmp/mounted
mnt=$tmp/'mount point'
disk=$mnt/sub/repo
mkdir "$mnt"
echo "http://$registry/app:one" >"$list"
ok "a dry run of a new directory" convert 0 -n -r "$disk"
is "... names it" "$(grep -c -x "would be created: repository $disk" "$tmp/said")" 1
ok "a new directory" convert 0 -r "$disk"
is "... is named" "$(grep -c -x "created: repository $disk" "$tmp/said")" 1
mv "$mnt" "$mnt.away"
mkdir "$mnt"
for option in -q -n; do
	ok "... that has disappeared ($option)" convert 1 $option -r "$disk"
	like "... is named" "$(cat "$tmp/err")" \
		"^ducc-convert: repository $disk: has disappeared: .* file system of $(stat -c %m "$tmp"), so nothing is done \\(to begin anew: mkdir -p "
done
is "... and nothing is done" "$(find "$mnt" -mindepth 1)$(cat "$tmp/said")" ""
ducc-fetch -q "http://$registry/app:one" | ducc-unpack -q >"$tmp/unpacked"
for option in -q -n; do
	fails "... nor by ducc-publish ($option)" ducc-publish $option -r "$disk/" "$(cut -f 1 "$tmp/unpacked")"
	like "... which says so, too" "$(cat "$out")" "repository $disk/: has disappeared: is its file system mounted\\? "
done
is "... and does nothing" "$(find "$mnt" -mindepth 1)" ""
mkdir -p "$disk/lost+found"
fails "... nor in an empty directory" ducc-publish -q -r "$disk" <"$tmp/unpacked"
ok "... as if it is empty" convert 1 -r "$disk"
echo 'not an image' >"$list"
ok "... and if no image of the list is known" convert 1 -r "$disk"
mv "$list" "$list.away"
ok "... or the list cannot be read" convert 1 -r "$disk"
mv "$list.away" "$list"
echo "http://$registry/app:one" >"$list"
ok "... it is remembered" convert 1 -r "$disk"
like "..." "$(cat "$tmp/err")" "has disappeared"
ok "another directory is not concerned" convert 0 -r "$mnt/other"
rm -r "$mnt"
mv "$mnt.away" "$mnt"
ok "mounted again, all is well" convert 0 -r "$disk"
like "..." "$(cat "$tmp/said")" " 0 added, 0 updated, 1 unchanged, 0 failed"
mkdir "$tmp/unmounted"
cat >"$tmp/unmounted/ducc-fetch" <<-END
	#!/bin/sh
	mv "$mnt" "$mnt.away"
	mkdir "$mnt"
	exec "$bin/ducc-fetch" "\$@"
END
chmod +x "$tmp/unmounted/ducc-fetch"
echo "http://$registry/app:two" >>"$list"
disappearing() {
	PATH=$tmp/unmounted:$PATH convert 1 -r "$disk"
}
ok "if it disappears during a round" disappearing
ok "... the next one" convert 1 -r "$disk"
like "... remembers it" "$(cat "$tmp/err")" "has disappeared"
is "... and does nothing" "$(find "$mnt" -mindepth 1)$(cat "$tmp/said")" ""
rm -r "$mnt"
mv "$mnt.away" "$mnt"
echo "http://$registry/app:one" >"$list"
rm -r "$disk"
convert 1 -r "$disk"
sed -n 's/.*(to begin anew: \(.*\))$/\1/p' "$tmp/errors" >"$tmp/anew"
ok "removed on purpose, it can be begun" sh "$tmp/anew"
ok "... anew" convert 0 -r "$disk"
like "..." "$(cat "$tmp/said")" " 1 added"

# A round that ends too early has made a repository nevertheless.
mkdir "$tmp/ended"
cat >"$tmp/ended/ducc-publish" <<-END
	#!/bin/sh
	"$bin/ducc-publish" "\$@"
	kill -s \$ENDING "\$(cat "$tmp/pid")"
END
chmod +x "$tmp/ended/ducc-publish"
for signal in TERM KILL; do
	# shellcheck disable=SC2016
	PATH=$tmp/ended:$PATH ENDING=$signal sh -c 'echo $$ >"$1"; exec "$2" -q -T -r "$3" "$4"' - "$tmp/pid" "$top/scripts/ducc-convert" \
		"$mnt/$signal" "$list" >"$tmp/said" 2>&1 || :
	ok "a first round that SIG$signal ends" wait_for grep -rqxF "# repository=$mnt/$signal" "$S/wishes"
	mv "$mnt/$signal" "$mnt/$signal.away"
	ok "... if the directory then disappears" convert 1 -r "$mnt/$signal"
	like "... that is noticed" "$(cat "$tmp/err")" "repository $mnt/$signal: has disappeared"
done

done_testing
