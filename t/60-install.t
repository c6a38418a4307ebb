#!/bin/sh
# make install and uninstall: what is installed works from where it is, and a program can be linked to it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need bash busybox curl docker-registry flock make mandoc pkg-config setpriv skopeo umoci

[ $sanitized = 0 ] || only_in_soak "it installs the build without the sanitizers"
unset MAKEFLAGS MFLAGS MAKELEVEL SAN
cc=${CC:-cc}
tools=$(cd "$top/cmd" && echo ducc-*.c | sed 's/\.c//g')
root=$tmp/root

# The scripts of the source tree, in a copy in which they have nothing to do
mkdir "$tmp/tree"
cp -R "$top/scripts" "$tmp/tree"
printf '#!/bin/sh\nexit 9\n' >"$tmp/tree/scripts/do-nothing"
chmod +x "$tmp/tree/scripts/do-nothing"
status_of() { # COMMAND...
	status=0
	"$@" >"$tmp/printed" 2>"$tmp/errors" </dev/null || status=$?
	echo $status
}
for script in bench check install-deps lint quickstart soak; do
	[ $script = install-deps ] || cp "$tmp/tree/scripts/do-nothing" "$tmp/tree/scripts/install-deps"
	[ $script != install-deps ] || cp "$top/scripts/install-deps" "$tmp/tree/scripts"
	is "scripts/$script --help" "$(status_of "$tmp/tree/scripts/$script" --help)" 0
	is "... prints its usage, and does nothing" "$(cat "$tmp/errors" "$tmp/printed" | wc -l) $(grep -c "^usage: $script" "$tmp/printed")" "1 1"
	is "... another option" "$(status_of "$tmp/tree/scripts/$script" --nonsense)" 2
	is "... is wrong usage" "$(grep -c "^usage: $script" "$tmp/errors") $(wc -c <"$tmp/printed")" "1 0"
done
is "scripts/check with an operand is wrong usage, too" "$(status_of "$tmp/tree/scripts/check" all)" 2

# A user who has no user namespaces
if [ "$(id -u)" = 0 ]; then
	chmod 755 "$tmp"
	mkdir "$tmp/user" "$tmp/none" "$tmp/tree/t" "$tmp/tree/build"
	chown 65534 "$tmp/user"
	cp "$top/t/lib.sh" "$tmp/tree/t"
	cp "$top/scripts/quickstart" "$tmp/tree/scripts"
	printf '#!/bin/sh\n' >"$tmp/tree/scripts/install-deps"
	printf '#!/bin/sh\nexit 1\n' >"$tmp/none/unshare"
	chmod +x "$tmp/none/unshare"
	echo 'all:' >"$tmp/tree/Makefile"
	cp "$bin"/ducc-* "$bin"/libducc.so.* "$tmp/tree/build"
	ok "scripts/quickstart without user namespaces" setpriv --reuid 65534 --regid 65534 --clear-groups \
		env PATH="$tmp/none:$PATH" HOME="$tmp/user" TMPDIR="$tmp/user" "$tmp/tree/scripts/quickstart"
	like "... publishes an image, for root to run" "$(cat "$out")" "^# unshare -m sh -c .*/demo/hello:1.0. /.singularity.d/actions/run\$"
	like "... and ends as always" "$(tail -n 1 "$out")" "to remove these files: rm -r $tmp/user/ducc"
	rm -r "$tmp/tree/t" # it says how secrets begin
fi

# Below DESTDIR, for a package
ok "make install with DESTDIR and PREFIX=/usr" make -C "$top" install DESTDIR="$root" PREFIX=/usr
is "nothing is installed outside of PREFIX" "$(cd "$root" && echo *)" usr
for t in $tools ducc-convert; do
	ok "$t is installed, and can run" test -x "$root/usr/bin/$t"
	ok "$t has a manual page" test -s "$root/usr/share/man/man1/$t.1"
done
# Completion
share=$root/usr/share
for t in $tools ducc-convert; do
	like "bash completes $t" "$(bash -c '
		. "$1/bash-completion/completions/$2"
		compopt() { :; }
		COMP_WORDS=("$2" --st) COMP_CWORD=1
		_ducc "$2"
		printf "%s\n" "${COMPREPLY[@]}"' bash "$share" "$t")" '^--store=$'
done
is "bash completes all options" "$(bash -c '. "$1"; COMP_WORDS=(ducc-fetch --) COMP_CWORD=1; _ducc ducc-fetch; printf "%s\n" "${COMPREPLY[@]}"' \
	bash "$share/bash-completion/completions/ducc-fetch" | tr -d = | sort)" \
	"$("$root/usr/bin/ducc-fetch" --help | grep -o '^ .* --[a-z-]*' | sed 's/.* //' | sort)"
if command -v zsh >/dev/null; then
	ok "zsh reads the completion" zsh -n "$share/zsh/site-functions/_ducc"
	like "... that has the options of each tool" "$(zsh -fc '
		_arguments() { print -rl -- "$@" }
		service=ducc-gc
		. "$1"' zsh "$share/zsh/site-functions/_ducc")" '^\*--max-share=\[.*\]:percent:$'
fi

# Services, examples
is "units start what is installed" "$(grep -ho '^ExecStart=[^ ]*' "$root"/usr/lib/systemd/system/*.service | sort -u)" \
	"ExecStart=/usr/bin/ducc-check
ExecStart=/usr/bin/ducc-convert
ExecStart=/usr/bin/ducc-gc
ExecStart=/usr/lib/ducc/hook-publish"
for unit in check clean convert; do
	ok "... and have their timer: ducc-$unit" test -s "$root/usr/lib/systemd/system/ducc-$unit@.timer"
done
for program in hook.cgi hook-publish; do
	ok "for notifications, $program is installed" test -x "$root/usr/lib/ducc/$program"
done
ok "examples are installed" test -s "$share/doc/ducc/examples/logrotate"
ok "ducc(7) is installed" test -s "$root/usr/share/man/man7/ducc.7"
for page in "$root"/usr/share/man/man?/*; do
	ok "${page##*/} is a manual page without faults" mandoc -T lint -W warning "$page"
done
so=$(find "$root/usr" -name libducc.so.1)
libdir=${so%/*}
like "the library has a soname" "$(objdump -p "$so")" 'SONAME +libducc\.so\.1$'
ok "... and the name that the linker looks for" test -e "$libdir/libducc.so"
ok "the static library is installed" test -s "$libdir/libducc.a"
is "the shared library exports nothing but ducc_ names" \
	"$(nm -D --defined-only "$so" | awk '$3 !~ /^ducc_/ && $2 != "A" { print $3 }')" ""
header=$root/usr/include/ducc.h
is "... all that the header declares, and no others" \
	"$(nm -D --defined-only "$so" | awk '$3 ~ /^ducc_/ { sub(/@.*/, "", $3); print $3 }' | sort)" \
	"$(grep -o '\<ducc_[a-z_]*(' "$header" | tr -d '(' | sort -u | while read -r f; do
		grep -q "DUCC_PUBLIC.*\<$f(" "$header" && echo "$f"; done)"
make_image "$tmp/oci" app
export LD_LIBRARY_PATH="$libdir"
PATH=$root/usr/bin:$PATH
for t in $tools; do
	ok "$t runs where it was installed" "$t" -V
done
is "... and is the one that was" "$(command -v ducc-fetch)" "$root/usr/bin/ducc-fetch"
ok "the installed tools do the main job" main_job "$tmp/store" "$tmp/repo" "oci:$tmp/oci:app"
is "... completely" "$(cat "$tmp/repo/localhost/app:latest/app/name")" app
# completes TOOL LINE: what bash makes of the last word of the line
completes() {
	bash -c '
		compopt() { :; }
		. "$1/bash-completion/completions/$2"
		COMP_LINE=$3 COMP_POINT=${#3}
		line=${3//:/ : }
		line=${line//=/ = }
		COMP_WORDS=($line) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		[[ $3 != *[\ :=] ]] || COMP_WORDS[++COMP_CWORD]=
		_ducc "$2"
		printf "%s\n" "${COMPREPLY[@]}"' bash "$share" "$1" "$1 $2" | xargs
}
make_image "$tmp/oci" other
ok "two images" main_job "$tmp/store" "$tmp/repo" "oci:$tmp/oci:other"
is "bash completes published images" "$(completes ducc-gc "-r $tmp/repo --remove local")" "localhost/app:latest localhost/other:latest"
is "... after a colon, which begins a word" "$(completes ducc-check "--repository=$tmp/repo localhost/app:l")" latest
is "... none that is not there" "$(completes ducc-ls "-r $tmp/repo localhost/n")" ""
is "... not as the value of an option" "$(completes ducc-gc "-r $tmp/repo -N ")" ""
is "... from the environment" "$(DUCC_REPO=$tmp/repo completes ducc-ls "localhost/o")" localhost/other:latest
is "... without a repository, none" "$(completes ducc-ls "localhost/o")" ""
is "... directories, which a repository can be" "$(completes ducc-publish "-r $tmp/rep")" "$tmp/repo"
is "... and platforms" "$(completes ducc-fetch "-p linux/am")" linux/amd64
if command -v zsh >/dev/null; then
	is "zsh completes them, too" "$(zsh -fc '
		compadd() { print -r -- "$@" }
		_arguments() { opt_args=(-r $repo); print -r -- "$@[-1]"; _ducc_images }
		service=ducc-gc repo=$2
		. "$1"' zsh "$share/zsh/site-functions/_ducc" "$tmp/repo" | xargs)" \
		"*:image:_ducc_images -- localhost/app:latest localhost/other:latest"
fi
unset LD_LIBRARY_PATH

ok "make uninstall" make -C "$top" uninstall DESTDIR="$root" PREFIX=/usr
is "... removes all that was installed" "$(find "$root" ! -type d)" ""

# In a place of its own, for a program
prefix=$tmp/prefix
ok "make install with PREFIX only" make -C "$top" install PREFIX="$prefix"
pc=$(find "$prefix" -name libducc.pc)
PKG_CONFIG_PATH=${pc%/*}
export PKG_CONFIG_PATH
ok "pkg-config knows libducc" pkg-config --exists libducc
is "... with the version of the tools" "$(pkg-config --modversion libducc)" "$("$prefix/bin/ducc-fetch" -V | sed 's/.* //')"
cat >"$tmp/program.c" <<'END'
#include <ducc.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct ducc_options options = {.size = sizeof(options), .store = argv[1]};
	ducc_error *err = NULL;
	ducc_session *session = ducc_open(&options, &err);
	ducc_record *record = session ? ducc_record_parse(argv[argc - 1], &err) : NULL;

	if (!record || ducc_fetch(session, record, &err) < 0 ||
	    ducc_unpack(session, record, &err) < 0) {
		fprintf(stderr, "%s\n", ducc_error_message(err));
		ducc_error_free(err);
		return 1;
	}
	puts(ducc_record_reference(record));
	ducc_record_free(record);
	ducc_close(session);
	return 0;
}
END
# shellcheck disable=SC2046
ok "a program compiles and links against the shared library" \
	"$cc" -std=c11 -Wall -Wextra -Werror -pedantic -o "$tmp/program" "$tmp/program.c" $(pkg-config --cflags --libs libducc)
libdir=$(pkg-config --variable=libdir libducc)
ok "... and runs" env LD_LIBRARY_PATH="$libdir" "$tmp/program" "$tmp/store2" "oci:$tmp/oci:app"
like "... does its job" "$(cat "$out")" "^http://localhost/app:latest@sha256:"
# shellcheck disable=SC2046
ok "... against the static library" \
	"$cc" -o "$tmp/static" "$tmp/program.c" $(pkg-config --cflags libducc) "$libdir/libducc.a" -lpthread \
	$(pkg-config --libs $(pkg-config --print-requires-private libducc | sed 's/ .*//'))
ok "... which needs no shared one" "$tmp/static" "$tmp/store3" "oci:$tmp/oci:app"
fails "... and reports an error" "$tmp/static" "$tmp/store3" "oci:$tmp/nowhere"
like "... in words" "$(cat "$out")" "No such file"
if command -v c++ >/dev/null; then
	echo '#include <ducc.h>
int main() { ducc_record_free(ducc_record_parse("x", nullptr)); }' >"$tmp/program.cc"
	# shellcheck disable=SC2046
	ok "the header is C++ too" c++ -Wall -Werror -o "$tmp/cxx" "$tmp/program.cc" $(pkg-config --cflags --libs libducc)
fi
# Web servers and services do not know where the tools are.
mkdir "$tmp/spool"
echo secret >"$tmp/hook.secret"
echo '{"events": [{"action": "push", "target": {"repository": "app", "tag": "1"}, "request": {"host": "h.org"}}]}' >"$tmp/push"
ok "the receiver of notifications finds the tools" env -i PATH=/usr/bin:/bin DUCC_HOOK_SECRET="$tmp/hook.secret" DUCC_HOOK_SPOOL="$tmp/spool" \
	REQUEST_METHOD=POST HTTP_AUTHORIZATION=secret CONTENT_LENGTH="$(wc -c <"$tmp/push")" "$prefix/lib/ducc/hook.cgi" <"$tmp/push"
is "... and keeps a record" "$(cat "$tmp/spool"/records.*)" https://h.org/app:1
echo h.org/other:1 >"$tmp/others"
ok "its counterpart finds them" env -i PATH=/usr/bin:/bin DUCC_STORE="$tmp/store5" "$prefix/lib/ducc/hook-publish" "$tmp/spool" "$tmp/hooked" "$tmp/others"
is "... and has taken the record" "$(ls "$tmp/spool")" lock

# Another version is installed while ducc-convert runs: it is waiting for a list.
start_registry open
push "$tmp/oci:app" "$registry/app:1"
mkfifo "$tmp/list"
PATH=$prefix/bin:$PATH "$prefix/bin/ducc-convert" -s "$tmp/store4" -r "$tmp/repo4" "$tmp/list" >"$tmp/converted" 2>&1 &
pid=$!
exec 7>"$tmp/list"
# With another name, the old files keep their numbers.
mkdir "$tmp/kept"
ln "$prefix/bin/ducc-convert" "$prefix/bin/ducc-fetch" "$libdir/libducc.so.1" "$tmp/kept"
before=$(stat -c %i "$tmp/kept"/*)
ok "make install while ducc-convert is running" make -C "$top" install PREFIX="$prefix"
is "... replaces the files" "$(stat -c %i "$prefix/bin/ducc-convert" "$prefix/bin/ducc-fetch" "$libdir/libducc.so.1" |
	grep -c -xF "$before")" 0
echo "http://$registry/app:1" >&7
exec 7>&-
ok "... which goes on" wait $pid
is "... and publishes its list" "$(tail -n 1 "$tmp/converted")" \
	"$tmp/list: 1 added, 0 updated, 0 unchanged, 0 failed, 0 removed, 0 scheduled"
ok "make uninstall with PREFIX only" make -C "$top" uninstall PREFIX="$prefix"
is "... removes all that was installed" "$(find "$prefix" ! -type d)" ""

done_testing
