#!/bin/sh
# make deb and make rpm: what they build is in order, installs, works, and leaves nothing behind; and what packages
# ask of the source, to be built with other compilers and their checks.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"

only_in_soak "it builds everything several times"
[ $sanitized = 0 ] || skip_all "it builds without the sanitizers"
need busybox clang dh dpkg-buildpackage gcc lintian rpmbuild umoci unshare
[ "$(id -u)" = 0 ] || skip_all "installing packages requires root"
unset MAKEFLAGS MFLAGS MAKELEVEL

# A copy, for the packages are built below it.
src=$tmp/src
mkdir "$src"
(cd "$top" && cp -R COPYING Makefile README cmd lib man scripts t "$src")

for cc in gcc clang; do
	for level in 2 3; do
		ok "$cc builds with _FORTIFY_SOURCE=$level, without warnings" make -s -C "$src" WERROR=1 CC=$cc \
			B="build/$cc-$level" CFLAGS="-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$level"
	done
	ok "... and so the tools work" env PATH="$src/build/$cc-3:$PATH" ducc-ls --version
done
rm -r "$src/build"

# Debian
nobody() {
	env -u DEBFULLNAME -u DEBEMAIL HOME="$tmp/none" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null "$@"
}
fails "make deb without a maintainer" nobody make -s -C "$src" deb
like "... says how to name one" "$(cat "$out")" "set DEBFULLNAME and DEBEMAIL, or user.name and user.email of git"
DEBFULLNAME='A & B/C' DEBEMAIL=packages@packages.example
export DEBFULLNAME DEBEMAIL
ok "make deb" make -s -C "$src" deb
debs=$src/build/deb
version=$(ducc-ls -V | sed 's/.* //')
is "... builds the packages" "$(cd "$debs" && ls ./*.deb | sed 's/_.*//; s,./,,' | grep -v dbgsym)" "ducc
libducc-dev
libducc1"
is "... without a finding of lintian" "$(lintian --allow-root "$debs"/*.changes 2>&1)" ""
is "... whose library is named after its soname" \
	"$(dpkg-deb --fsys-tarfile "$debs"/libducc1_*.deb | tar -t | grep -o 'libducc.so.*')" libducc.so.1
is "... with their maintainer" "$(dpkg-deb -f "$debs"/ducc_*.deb Maintainer)" 'A & B/C <packages@packages.example>'
rm "$debs"/*-dbgsym_*.deb
for deb in "$debs"/*.deb; do
	dpkg-deb -R "$deb" "$tmp/deb"
	sed -i -e "/^Version/s/$/+next/" -e "s/(= $version)/(= $version+next)/" "$tmp/deb/DEBIAN/control"
	dpkg-deb -b "$tmp/deb" "$debs/next-${deb##*/}" >"$out"
	rm -r "$tmp/deb"
done

# On this machine, but for what is written.
make_image "$tmp/oci" app
mkdir "$tmp/layers"
cat >"$tmp/program.c" <<'END'
#include <ducc.h>

int main(void)
{
	ducc_record *record = ducc_record_parse("alpine", NULL);

	ducc_record_free(record);
	return record == NULL;
}
END
cat >"$tmp/in-root" <<'END'
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
export PATH HOME LC_ALL
dpkg -i /debs/[dl]*.deb >/dev/null
[ "$(stat -c %a /etc/ducc /var/log/ducc /var/spool/ducc | xargs)" = "755 755 700" ]
ducc-fetch -q oci:/oci:app | ducc-unpack -q | ducc-publish -q -r /repo/images
[ "$(cat /repo/images/localhost/app:latest/app/name)" = app ]
[ -e /var/spool/ducc/index.json ]
[ "$(ducc-fetch -V)" = "$(ducc-convert -V | sed s/convert/fetch/)" ]
cc -o /tmp/program /oci/program.c $(pkg-config --cflags --libs libducc)
/tmp/program
cc -o /tmp/static /oci/program.c -Wl,-Bstatic -lducc -Wl,-Bdynamic -lpthread \
	$(pkg-config --libs $(pkg-config --print-requires-private libducc | sed 's/ .*//'))
/tmp/static
if command -v man >/dev/null; then man -w ducc ducc-fetch ducc-recipe; fi
bash -c '. /usr/share/bash-completion/completions/ducc-gc && complete -p ducc-gc'
grep -q -e 'ducc-gc).*--grace=' /usr/share/bash-completion/completions/ducc
[ -s /usr/share/zsh/vendor-completions/_ducc ]
grep '^ExecStart=/usr/bin/ducc-convert ' /lib/systemd/system/ducc-convert@.service
if grep -r /usr/local /usr/share/doc/ducc/README* /usr/share/man/man?/ducc*; then exit 1; fi
# A setting of the administrator survives an upgrade.
echo '# mine' >>/etc/logrotate.d/ducc
mkdir -p /etc/ducc /etc/systemd/system/timers.target.wants
echo mine >/etc/ducc/mine.yaml
ln -s /lib/systemd/system/ducc-convert@.timer /etc/systemd/system/timers.target.wants/ducc-convert@mine.timer
echo event >/var/log/ducc/events
# systemd seems to run.
rm -f /usr/sbin/policy-rc.d
mkdir -p /run/systemd/system
printf '#!/bin/sh\necho "$*" >>/oci/systemctl\n' >/oci/stub
chmod +x /oci/stub
mv /oci/stub /usr/bin/systemctl
dpkg -i /debs/next-*.deb >/dev/null
[ "$(grep -c -x -e '--system daemon-reload' -e 'try-restart ducc-hook@\* ducc-loop@\*' /oci/systemctl)" = 2 ]
grep '^# mine' /etc/logrotate.d/ducc
[ -e /var/spool/ducc/index.json ]
mkdir -p /var/lib/ducc-hook/mine
dpkg --remove ducc libducc-dev libducc1 >/dev/null
grep -x 'stop ducc-check@\* ducc-clean@\* ducc-convert@\* ducc-hook@\* ducc-loop@\*' /oci/systemctl
[ -e /var/spool/ducc/index.json ] && [ -e /var/log/ducc/events ] && [ -e /etc/logrotate.d/ducc ]
dpkg --purge ducc libducc-dev libducc1 >/dev/null
[ ! -e /var/lib/ducc-hook ]
if dpkg -l | grep ducc; then exit 1; fi
END
cp "$tmp/program.c" "$tmp/oci"
cat >"$tmp/as-root" <<'END'
set -eu
mount -t tmpfs tmpfs "$1/layers"
mkdir "$1/layers/upper" "$1/layers/work" "$1/layers/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/layers/upper,workdir=$1/layers/work" "$1/layers/root"
root=$1/layers/root
mkdir "$root/debs" "$root/oci" "$root/repo"
mount -t tmpfs tmpfs "$root/repo" # an overlay refuses whiteouts
mount --bind "$2" "$root/debs"
mount --bind "$1/oci" "$root/oci"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
chroot "$root" sh -x <"$1/in-root" 1>&2
umount -R "$root"
cd "$1/layers/upper"
find . ! -type d ! -type c >"$1/written"
END
ok "they install, work, can be upgraded, removed and purged" unshare -m --propagation private \
	sh "$tmp/as-root" "$tmp" "$debs"
is "... which leaves only the list of the administrator" \
	"$(grep -i -e ducc -e mine "$tmp/written")" ./etc/ducc/mine.yaml

# Enterprise Linux
ok "make rpm" make -s -C "$src" rpm
is "... with its directories" "$(rpm -qplv "$src"/build/rpm/RPMS/*/ducc-[0-9]*.rpm | awk '$1 ~ /^d/ && $NF ~ /^\/(etc|var)/ { print $1, $NF }' | sort -k 2)" \
	"drwxr-xr-x /etc/ducc
drwxr-xr-x /var/log/ducc
drwx------ /var/spool/ducc"
rm -r "$src" # it contains the secrets of other tests

done_testing
