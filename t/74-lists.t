#!/bin/sh
# Several lists for one repository, each with a ducc-convert of its own: none removes what another wants, whatever is known of it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need bash curl docker-registry flock jq nginx skopeo umoci
[ $sanitized = 0 ] || only_in_soak "it runs a script a hundred times, whose tools have tests of their own"

# shellcheck source=convert.sh
. "${0%/*}/convert.sh"
make_image "$L" one
for i in one two three four five six; do push "$L:one" "$registry/app:$i"; done
a=$tmp/a b=$tmp/b c=$tmp/c d=$tmp/d
list() { # FILE TAG...
	file=$1
	shift
	for tag; do echo "http://$registry/app:$tag"; done >"$file"
}
# convert STATUS ARGUMENT...: its output is in $tmp/said, without the last line, and its errors are in $tmp/err.
convert() {
	converts "$@" -m 100 || return
	sed -i "\$d; s,$registry/app,REGISTRY,; s, on 20[0-9-]*,," "$tmp/said"
	sed "s,$registry/app,REGISTRY,g" "$tmp/errors" >"$tmp/err"
}
state_of() { # LIST...
	{ for list; do readlink -m "$list"; done; echo "repository://$(readlink -m "$R")"; } | head -c -1 | sha256sum | sed "s,^\(.\{16\}\).*,$S/wishes/\1,"
}
states() {
	find "$S/wishes" -type f ! -name '*.*' -printf '%f\n' | sort
}
scheduled() {
	ducc-ls -r "$R" 2>/dev/null | sed -n 's/.*\tname=[^\t]*:\([a-z]*\)\t.*\tunwanted=.*/\1/p' | sort | xargs
}

# One image each, and one that both want
list "$a" one two
list "$b" two three
ok "a list" convert 0 "$a"
ln -s a "$tmp/also"
ok "... named in three ways" convert 0 "$a" "$tmp/./a" "$tmp/also"
is "... is the same list" "$(states)" "$(basename "$(state_of "$a")")"
cp "$a" "$tmp/-n"
beside() { # STATUS ARGUMENT...: with the lists in the current directory
	(cd "$tmp" && converts "$@" </dev/null)
}
ok "a name like an option" beside 0 -G -- -n
is "... is that of a list" "$(cat "$tmp/said")" "-n: 0 added, 0 updated, 2 unchanged, 0 failed, 0 removed, 0 scheduled"
ok "... also to forget it" beside 0 --forget -- -n
ok "... and another one for the repository" convert 0 "$b"
is "... unschedules nothing" "$(grep -v ^added "$tmp/said")$(cat "$tmp/err")" ""
ok "... the first one again" convert 0 "$a"
is "... neither" "$(cat "$tmp/said" "$tmp/err")" ""
is "... nothing is scheduled" "$(scheduled)" ""
ok "... as ducc-gc says" convert 0 -v "$a"
like "..." "$(cat "$tmp/err")" "^ducc-gc: REGISTRY:three: not among those to keep, but wanted by $b$"
list "$a" one
ok "one leaves a list, says a dry run" convert 0 -n "$a"
is "... but not the other" "$(cat "$tmp/said")" "would be kept: REGISTRY:two (wanted by $b)"
ok "... and so it is" convert 0 "$a"
is "..." "$(cat "$tmp/said")" "kept: REGISTRY:two (wanted by $b)"
ok "... which is said" convert 0 "$a"
is "... once" "$(cat "$tmp/said")" ""
list "$b" three
ok "... when it leaves the other, too" convert 0 "$b"
is "... it is not wanted" "$(cat "$tmp/said")" "unwanted: REGISTRY:two (to be removed)"
ok "... by nobody" convert 0 "$a"
is "..." "$(cat "$tmp/said") $(scheduled)" " two"
list "$b" two three
ok "... until it is again" convert 0 "$b"
is "... by one of them" "$(cat "$tmp/said")" "wanted again: REGISTRY:two"
ducc-wish "$a" | ducc-gc -m 100 -v >"$tmp/out" 2>&1
like "without ducc-convert, it is the same" "$(cat "$tmp/out")" "app:two: not among those to keep, but wanted by $b$"
is "..." "$(scheduled)" ""
ok "other names of the repository are the same" convert 0 -r "$tmp/../${tmp##*/}/repo/" "$a"
is "..." "$(scheduled)" ""
list "$c" four
ok "... a relative one" sh -c 'cd "$1" && shift && exec "$@"' - "$tmp" "$top/scripts/ducc-convert" -q -T -m 100 -r ./repo "$c"
is "... is spared" "$(scheduled)" ""
ok "... and spares" convert 0 "$a"
is "..." "$(scheduled)" ""
rm "$(state_of "$c")"
list "$c" five
ok "another repository" convert 0 -r "$tmp/other" "$c"
ducc-fetch -q "http://$registry/app:five" | ducc-unpack -q | ducc-publish -q >"$tmp/out"
ok "... does not matter" convert 0 "$a"
is "... to this one" "$(scheduled)" "five four"

list "$c" six
ok "one list for two repositories" convert 0 -r "$R" "$c"
ok "... each of which has it" convert 0 -r "$tmp/other" "$c"
ok "... is wanted in the first one, too" convert 0 "$a"
is "..." "$(scheduled)" "five four"
for r in "$R" "$tmp/other"; do ducc-gc --remove -q -r "$r" "$registry/app:six"; done
"$top/scripts/ducc-convert" --forget "$c"

# Before the first round is over
mkdir "$tmp/slow"
cat >"$tmp/slow/ducc-fetch" <<END
#!/bin/sh
cp "$S"/wishes/* "$tmp/seen"
exec "$bin/ducc-fetch" "\$@"
END
chmod +x "$tmp/slow/ducc-fetch"
mkdir "$tmp/seen"
list "$c" six
ok "a list that is new" env PATH="$tmp/slow:$PATH" "$top/scripts/ducc-convert" -q -T -G "$c"
like "... is known before anything is published" "$(cat "$tmp/seen/$(basename "$(state_of "$c")")")" \
	"^http://$registry/app:six	repo=$R	list=$c$"
ok "... by all" convert 0 "$a"
is "..." "$(scheduled)" "five four"

# A list that names a further directory, in which others publish, before that round is over
in_directories() { # PATH-PREFIX: its directories are relative to $tmp
	(cd "$tmp" && env -u DUCC_REPO PATH="$1$PATH" "$top/scripts/ducc-convert" -q -T -G "$d")
}
echo "http://$registry/app:five	repo=./other" >"$d"
ok "a list for a directory" in_directories ''
rm "$tmp/seen"/*
echo "http://$registry/app:five	repo=./repo" >>"$d"
ok "... and for another one" in_directories "$tmp/slow:"
cp "$tmp/seen"/* "$S/wishes"
ok "... spares what it wants there" convert 0 "$a"
is "..." "$(scheduled)" four
"$top/scripts/ducc-convert" --forget "$d"
ok "... as long as it is not forgotten" convert 0 "$a"
is "..." "$(scheduled)" "five four"

# What is not known of another list
ducc-gc --remove -q "$registry/app:five" "$registry/app:four"
list "$a" one five
convert 0 "$a"
list "$a" one
refused() { # WHAT PATTERN COMMAND: it spoils $state, and nothing is scheduled.
	mv "$state" "$tmp/state"
	eval "$3"
	ok "$1" convert 1 --remind 0 "$a"
	like "... is the reason" "$(cat "$tmp/err")" \
		"^ducc-convert: ducc-gc: repository $R: nothing is removed or scheduled, because it is unknown which images other lists want: $2"
	is "... why nothing is scheduled" "$(scheduled)" ""
	rm -rf "$state"
	mv "$tmp/state" "$state"
}
state=$(state_of "$b")
refused "a state that cannot be read" "$S/wishes: $(basename "$state"): " 'mkdir "$state"'
refused "an empty one" "$state is damaged .*: not a state of ducc-convert" ': >"$state"'
refused "a damaged one" "$state is damaged .*ducc-convert --forget $b\): " \
	'{ cat "$tmp/state"; printf "App\trepo=%s\n" "$R"; } >"$state"'
refused "one that is cut off" "$state is damaged .*: not a state of ducc-convert" 'head -c -9 "$tmp/state" >"$state"'
refused "one with a NUL" "$state is damaged .*: not a state of ducc-convert" \
	'{ sed 2q "$tmp/state"; printf "\000"; sed "1,2d" "$tmp/state"; } >"$state"'
for round in once twice; do # it is not obsolete: it may have been one of more lists than it names
	[ $round = twice ] || cp "$state" "$tmp/whole"
	{ sed 1q "$tmp/whole"; echo "# name=$a"; printf '# nam'; } >"$tmp/cut"
	[ $round = twice ] || cp "$tmp/cut" "$state"
	ok "one that is cut off between its lists, $round" convert 1 --remind 0 "$a"
	like "... is the reason" "$(cat "$tmp/err")" "$state is damaged .*; if not: rm $state\): not a state of ducc-convert"
	is "... why nothing is scheduled" "$(scheduled)" ""
	ok "... and stays" cmp "$tmp/cut" "$state"
done
mv "$tmp/whole" "$state"
ok "then it goes on" convert 0 "$a"
is "..." "$(scheduled)" five
list "$b" two
echo 'not an image' >>"$b"
ok "a list with a line that cannot be read" convert 1 "$b"
ducc-gc --remove -q "$registry/app:six"
list "$a" one six
convert 0 -G "$a"
list "$a" one
ok "... may want any image" convert 1 "$a"
like "..." "$(cat "$tmp/err")" "another list could not be read, .* \(if it is no longer used: ducc-convert --forget $b\)$"
is "..." "$(scheduled)" five
mv "$b" "$b.away"
ok "... as one that cannot be read" convert 1 "$b"
ok "... at all" convert 1 --remind 0 "$a"
is "..." "$(scheduled)" five
mv "$b.away" "$b"
list "$b" two
convert 0 "$b"
ok "... until it can be" convert 0 "$a"
is "..." "$(scheduled)" "five three"
ok "a list that never could be read" convert 1 "$tmp/never"
ok "... wants nothing" convert 0 "$a"
touch "$state.new"
ok "what an earlier version left behind neither" convert 0 "$a"

: >"$S/tmp/wishes-0123456789abcdef"
ok "... nor a killed one, whose file" convert 0 "$a"
is "... is removed" "$(ls "$S/tmp")" ""

# Lists that are retired
rm "$b"
ok "a list that is gone" convert 0 "$a"
is "... protects its images" "$(scheduled)" "five three"
fails "a list that is not known cannot be forgotten" "$top/scripts/ducc-convert" --forget "$tmp/unknown"
like "... the others are named" "$(cat "$out")" "^$b$"
ok "... which can" sh -c 'cd "$1" && exec "$2" --forget ./b' - "$tmp" "$top/scripts/ducc-convert"
ok "... then" convert 0 "$a"
is "... it does not" "$(cat "$tmp/said") $(scheduled)" "unwanted: REGISTRY:two (to be removed) five three two"
list "$b" two three
convert 0 "$b"
ok "lists together" convert 0 "$a" "$b" "$c"
is "... take the place of each" "$(states)" \
	"$(for s in "$(state_of "$a" "$b" "$c")" "$(state_of "$tmp/never")"; do basename "$s"; done | sort)"
list "$b" two
ok "... and of their wishes" convert 0 "$a" "$b" "$c"
is "..." "$(cat "$tmp/said")" "unwanted: REGISTRY:three (to be removed)"
list "$b" three
convert 0 "$b"
ok "sets that overlap" convert 0 "$a" "$b" "$c"
is "... are known anew" "$(cat "$tmp/said")" "unwanted: REGISTRY:two (to be removed)"
fails "one of a set is not forgotten" "$top/scripts/ducc-convert" --forget "$b"
like "... only all" "$(cat "$out")" "^$a $b $c$"
ok "... are" "$top/scripts/ducc-convert" --forget "$c" "$b" "$a"
is "... leaving no trace" "$(ls "$S/tmp")$(states)" "$(basename "$(state_of "$tmp/never")")"

# What fails is published, also a wildcard of another list
dead_port
published_failures() {
	ducc-ls -s "$tmp/none" -r "$R" | sed -n 's/	.*	failing=.*//p'
}
ducc-gc --remove -q "$registry/app:two"
list "$a" one
list "$b" one
echo "http://127.0.0.1:$port/app:x*" >>"$b"
ok "a wildcard that fails" convert 1 "$b"
echo "http://$registry/app:two" >>"$b"
ok "... is published with an image" convert 1 "$b"
is "..." "$(published_failures)" "127.0.0.1:$port/app:x*"
ok "... and stays when another list" convert 0 -g 0 "$a"
like "... removes one" "$(cat "$tmp/said")" '^removed: '
is "..." "$(published_failures)" "127.0.0.1:$port/app:x*"

# The name of a list may have any characters
odd=$(printf '%s/\001 \302\205 \342\200\256' "$tmp")
list "$odd" three
ok "a list with an odd name" convert 0 "$odd"
ok "... is known" convert 0 --remind 0 -v "$a"
like "... to others" "$(cat "$tmp/err")" "REGISTRY:three: not among those to keep, but wanted by $tmp/\? \? \?\$"
state=$(state_of "$odd")
for name in "$odd" "$(printf '%s/\344 b' "$tmp")"; do
	printf '# success=1\n# name=%s\n?\nhttp://%s/app:three\trepo=%s\n' "$name" "$registry" "$R" >"$state"
	ok "if it cannot be read" convert 1 --remind 0 "$a"
	like "... it is named as it can be given" "$(cat "$tmp/err")" "\\(if it is no longer used: rm $state\\)"
done
rm "$state"

# Standard input cannot be locked: one has written its state, and another one comes before that has its place.
mkdir "$tmp/first" "$tmp/second"
mkfifo "$tmp/written" "$tmp/go"
cat >"$tmp/first/mv" <<END
#!/bin/sh
[ ! -p "$tmp/go" ] || { echo >"$tmp/written"; read -r _ <"$tmp/go"; rm "$tmp/go"; }
exec "$(command -v mv)" "\$@"
END
cat >"$tmp/second/flock" <<END
#!/bin/sh
[ \$# != 1 ] || : >"$tmp/waiting"
exec "$(command -v flock)" "\$@"
END
chmod +x "$tmp/first/mv" "$tmp/second/flock"
list "$a" one
from_stdin() { # DIRECTORY: of changed programs; in the background as $pid
	PATH=$tmp/$1:$PATH "$top/scripts/ducc-convert" -q -T -G - <"$a" >"$tmp/$1.said" 2>&1 &
	pid=$!
}
from_stdin first
first=$pid
read -r _ <"$tmp/written"
from_stdin second
ok "a list on standard input, and another one" wait_for test -e "$tmp/waiting"
is "... which spoils no state" "$(cut -f 1 "$S/tmp"/wishes-*)" "# success=
# name=-
# repository=$R
http://$registry/app:one"
echo >"$tmp/go"
ok "... both succeed" wait "$first"
ok "..." wait "$pid"
is "..." "$(cat "$tmp/first.said" "$tmp/second.said")" ""

# Secrets in URLs
printf '%s\n' word-in-url token-in-url >>"$secrets_file"
mkdir "$tmp/www"
start_nginx <<END
server { @LISTEN@ location = /list { root $tmp/www; try_files /\$arg_of =404; } }
END
url() {
	echo "http://user:word-in-url@$nginx/list?of=$1&private_token=token-in-url"
}
title_of() { # LIST: from the last line of a run
	tail -n 1 "$tmp/said" | sed -n "s|^\(http://$nginx/list?hidden=[0-9a-f]\{8\}\): $1\$|\1|p"
}
summary() {
	echo "$1 added, 0 updated, $2 unchanged, $3 failed, 0 removed, 0 scheduled"
}
hidden() { # STATUS ARGUMENT...
	converts "$@" --metrics "$tmp/hidden.prom" -r "$tmp/hidden" && ! grep -hFf "$secrets_file" "$tmp/said" "$tmp/errors"
}
list "$tmp/www/one" one
list "$tmp/www/two" two
ok "a list whose URL has secrets" hidden 0 "$(url one)"
one=$(title_of "$(summary 1 0 0)")
is "... is named without them" "${one%=*}" "http://$nginx/list?hidden"
is "... in metrics, too" "$(sed -n 's/^ducc_round_seconds{\(.*\)}.*/\1/p' "$tmp/hidden.prom")" "list=\"$one\""
is "... and files" "$(grep -rhF "$one" "$S/wishes" | wc -l) $(where_secrets_are)" "2 "
ok "another one from there" hidden 0 "$(url two)"
two=$(title_of "$(summary 1 0 0)")
is "... is not the same" "$([ "$one" = "$two" ] || grep -rlF -e "$one" -e "$two" "$S/wishes" | wc -l)" 2
rm "$tmp/www/one"
ok "one that cannot be read" hidden 1 "$(url one)"
is "... is reported" "$(cat "$tmp/errors")" "ducc-convert: ducc-wish: http://$nginx/list?(hidden): the server answered 404, not found"
printf '\0' >"$tmp/www/one"
ok "... for another reason" hidden 1 "$(url one)"
is "... that takes the place of the former" "$(grep -rh '^ducc-wish: http' "$S/wishes" | cut -f 1)" \
	"ducc-wish: http://$nginx/list?(hidden): neither a recipe nor a list"
list "$tmp/www/one" one
ok "... or no more" hidden 0 "$(url one)"
grep -rlF "$one" "$S/wishes" | xargs sed "s|^# name=.*|# name=$(url one | sed 's/&/\\&/')|" >"$S/wishes/0123456789abcdef"
ok "... once again" hidden 0 "$(url one)"
ok "... not even an empty query shows them" hidden 1 "http://user:word-in-url@$nginx/list?"
is "... what an earlier version knew of it is gone" "$(where_secrets_are)" ""
ok "... nor does a malformed URL, in a scheme of any case" hidden 1 "HTTP://user:s/word-in-url@$nginx/list"
like "... which is named" "$(cat "$tmp/errors")" "^ducc-convert: ducc-wish: HTTP://$nginx/list: "
echo "https://user:word-in-url@$nginx/app" >"$tmp/www/config.json" # whose name lets it have secrets
ok "... nor an image" hidden 1 "$tmp/www/config.json"
is "... in files" "$(where_secrets_are)" ""
ok "HTTP is http" hidden 0 "HTTP$(url one | cut -c 5-)"
ok "... both are forgotten" "$top/scripts/ducc-convert" --forget "HTTP://user:s/word-in-url@$nginx/list" "HTTP$(url one | cut -c 5-)"
ok "... this one is forgotten" "$top/scripts/ducc-convert" --forget "http://user:word-in-url@$nginx/list?"
ok "... one is forgotten by its URL" "$top/scripts/ducc-convert" --forget "$(url one)"
ok "... or by its name" "$top/scripts/ducc-convert" --forget "$two"
is "... for good" "$(grep -rl hidden= "$S/wishes")" ""

done_testing
