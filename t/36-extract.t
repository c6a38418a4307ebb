#!/bin/sh
# ducc-unpack -x gives files their owners and modes, whatever those of new files would be.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=corpus.sh
. "$top/t/corpus.sh"
need gzip jq
[ "$(id -u)" = 0 ] || skip_all 'owners require root'

S=$tmp/store
corpus "$tmp/corpus"
image modes <<'END'
layer
file 644 mode=644
file 755 mode=755
file 600 mode=600
file 666 mode=666
file 400 mode=400
file 0 mode=0
file 6755 mode=6755
file 4711 mode=4711 uid=0 gid=0
file other mode=640 uid=1000 gid=1001
file group mode=644 gid=1001
dir open mode=777
file open/f mode=644
dir shared mode=2775 gid=1001
file shared/f mode=644
dir shared/d mode=755
file shared/d/f mode=644
dir sticky mode=1777
END
image pipe <<'END'
layer
fifo pipe mode=640 uid=1000 gid=1001
END
ducc-fetch -q -s "$S" "oci:$corpus:modes" | ducc-unpack -q -s "$S" >"$tmp/record"

extract() { # UMASK: print what is extracted into $tmp/x
	rm -rf "$tmp/x/"*
	(umask "$1" && exec ducc-unpack -q -s "$S" -x "$tmp/x" <"$tmp/record" >"$out")
	find "$tmp/x" -mindepth 1 -printf '%m %U %G %P\n' | sort
}
mkdir "$tmp/x"
extract 022 >"$tmp/usual"
is 'owners and modes' "$(cat "$tmp/usual")" "0 0 0 0
1777 0 0 sticky
2775 0 1001 shared
400 0 0 400
4711 0 0 4711
600 0 0 600
640 1000 1001 other
644 0 0 644
644 0 0 open/f
644 0 0 shared/d/f
644 0 0 shared/f
644 0 1001 group
666 0 0 666
6755 0 0 6755
755 0 0 755
755 0 0 shared/d
777 0 0 open"
for mask in 0 027 077 0777; do
	is "with umask $mask" "$(extract $mask)" "$(cat "$tmp/usual")"
done
chgrp 1002 "$tmp/x"
chmod 2777 "$tmp/x"
is 'in a directory that gives files its group' "$(extract 022)" "$(cat "$tmp/usual")"

# A FIFO is never opened, so its mode is set in another way than a file's
without_proc() {
	ducc-fetch -q -s "$S" "oci:$corpus:pipe" | ducc-unpack -q -s "$S" >"$tmp/pipe"
	# shellcheck disable=SC2016 # for the inner shell
	LD_LIBRARY_PATH=$bin unshare -m sh -c 'mount -t tmpfs none /proc && exec ducc-unpack -q -s "$1" -x "$2" <"$3"' \
		sh "$S" "$tmp/p" "$tmp/pipe"
}
# Sanitizers require /proc themselves
if [ $sanitized = 0 ] && unshare -m true 2>/dev/null; then
	if perl -e 'my $path = ""; exit !(syscall(452, -1, $path, 0, 0) < 0 && $!{ENOSYS})'; then
		fails "a FIFO without /proc, with an old kernel" without_proc
		like "... of which that is required" "$(cat "$out")" "pipe: .* (/proc is required)"
	else
		ok "a FIFO without /proc" without_proc
		is "... has owner and mode" "$(stat -c '%F %a %u %g' "$tmp/p/pipe")" "fifo 640 1000 1001"
	fi
fi
done_testing
