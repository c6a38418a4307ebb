#!/bin/sh
# ducc-fetch and ducc-unpack confine themselves: what they need they can do, and code that an image might
# smuggle in could do nothing else.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need docker-registry jq skopeo umoci

S=$tmp/store
make_image "$tmp/oci" app
ducc-fetch -q -s "$S" "oci:$tmp/oci:app" >"$tmp/record"
ducc-unpack -vv -n -s "$S" <"$tmp/record" >"$out" 2>&1
grep -Eq '^ducc-unpack: confined: files \(Landlock ([6-9]|[1-9][0-9])\), system calls \(seccomp\)$' "$out" ||
	skip_all 'the kernel lacks Landlock 6 or seccomp'

# escape TOOL-AND-OPTIONS...: run it with the attempts of preload-escape; sets $attempts.
escape() {
	rm -rf "$tmp/outside"
	mkdir -p "$tmp/outside/empty"
	echo victim >"$tmp/outside/victim"
	chmod 600 "$tmp/outside/victim"
	ls -lAR --full-time "$tmp/outside" >"$tmp/before"
	ESCAPE=$tmp/outside ESCAPE_STORE=$S ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS \
		LD_PRELOAD=$bin/t/preload-escape.so "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	attempts=$(grep -c '^escape: ' "$tmp/err" || :)
	return $status
}
succeeded() {
	grep '^escape: ' "$tmp/err" | grep -Ev ': (EPERM|EACCES)$' || :
}
unharmed() {
	ls -lAR --full-time "$tmp/outside" | diff "$tmp/before" - && [ "$(cat "$tmp/outside/victim")" = victim ]
}

# What is attempted is possible, if nothing prevents it.
cp -a "$S" "$tmp/kept"
ESCAPE_NOW=1 escape ducc-publish -n -s "$S" -r "$tmp/repo" "$(cut -f1 "$tmp/record")" || :
is "without confinement, all attempts succeed" \
	"$(succeeded | grep -cE ': (write|append|truncate|create|unnamed|mkdir|symlink|rename in|exec|kill|TCP|unix): done')" 12
all=$attempts
rm -r "$S"
mv "$tmp/kept" "$S"

ok "ducc-unpack unpacks while something in it tries to escape" escape ducc-unpack -q -j 3 -s "$S" "$(cut -f1 "$tmp/record")"
is "... in no way" "$(succeeded)" ""
is "... from any thread" "$((attempts % all)) $((attempts > all))" '0 1'
ok "... and nothing outside of the store has changed" unharmed
ok "... which has all" ducc-unpack -q -s "$S" -x "$tmp/reference" "$(cut -f1 "$tmp/record")"

export ESCAPE_ATTRIBUTES=1
ok "ducc-unpack -x" escape ducc-unpack -q -s "$S" -x "$tmp/x" "$(cut -f1 "$tmp/record")"
is "... cannot write elsewhere, either" "$(succeeded)" ""
ok "... tried" test "$attempts" -gt 20
ok "... nor has it" unharmed
ok "... but extracts the image" diff -r "$tmp/reference" "$tmp/x"
unset ESCAPE_ATTRIBUTES

# ducc-fetch, which may talk to the internet, and runs credential helpers
export ESCAPE_INTERNET=1 TMPDIR="$tmp/temporary"
mkdir "$TMPDIR"
start_registry htpasswd
tar -C "$tmp/oci" -cf "$tmp/app.tar" .
push "$tmp/oci:app" "$registry/app:1" --dest-creds "$registry_user:$registry_password"
mkdir -p "$tmp/helpers" "$HOME/.docker"
cat >"$tmp/helpers/docker-credential-mine" <<END
#!/bin/sh
echo asked >>"$tmp/asked"
echo note >&2
cat >/dev/null
printf '{"Username":"%s","Secret":"%s"}' '$registry_user' '$(echo "$registry_password" | sed 's/[\\"]/\\&/g')'
END
chmod 755 "$tmp/helpers/docker-credential-mine"
printf '{"credHelpers":{"%s":"mine"}}' "$registry" >"$HOME/.docker/config.json"
PATH=$tmp/helpers:$PATH
rm -r "$S"
ok "ducc-fetch fetches, with a credential helper" escape ducc-fetch -q -s "$S" "$registry/app:1"
is "... while nothing in it can escape" "$(succeeded)" ""
is "... from any thread" "$((attempts > all))" 1
ok "... and nothing outside of the store has changed" unharmed
is "... but for what the helper wrote" "$(cat "$tmp/asked")" asked
is "... which can print, too" "$(grep -c '^note$' "$tmp/err")" 1
ok "what was fetched is right" sound "$S"
gzip -c <"$tmp/app.tar" >"$tmp/app.tar.gz"
ok "a compressed archive finds room in \$TMPDIR" ducc-fetch -q -s "$S" "oci-archive:$tmp/app.tar.gz"
like "-v tells what is enforced" "$(ducc-fetch -v -s "$S" "$registry/app:1" 2>&1)" \
	'^ducc-fetch: confined: files \(Landlock [0-9]+\), system calls \(seccomp\)$'

is "... which a dry run does not" "$(ducc-fetch -n -s "$S" "$registry/app:1" 2>&1 | grep -c confined)" 0

# A kernel that cannot do it
without() { # CALLS: of those that confine
	FAULT="confine 1 38 $1" LD_PRELOAD=$bin/t/preload-faults.so ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS \
		ducc-unpack -v -s "$S" localhost/app:latest 2>&1
}
like "without Landlock the tools work, and say so" "$(without 1)" \
	'^ducc-unpack: confined: system calls \(seccomp\); not supported by the kernel: files \(Landlock\)$'
like "... and so without both" "$(without 9)" '^ducc-unpack: not confined: the kernel supports neither Landlock nor seccomp$'
like "... and do their job" "$(without 9)" '^localhost/app:latest$'

# ... not even openat2(2): ENOSYS from an old kernel, EPERM from an old system call filter of a container
for code in 38 1; do
	fails "without openat2 nothing is done (error $code)" env FAULT="open 1 $code 999" \
		LD_PRELOAD="$bin/t/preload-faults.so" ASAN_OPTIONS="verify_asan_link_order=0:$ASAN_OPTIONS" \
		ducc-unpack -s "$S" localhost/app:latest
	is "... and the message tells why" "$(cat "$out")" "ducc-unpack: system call openat2 is not available: \
it requires Linux 5.6 or later, and a container whose system call filter allows it"
done

done_testing
