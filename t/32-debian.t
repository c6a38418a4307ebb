#!/bin/sh
# Real Debian root file systems of several layers are published as what umoci unpacks.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh source=trees.sh

# shellcheck source=inside.sh
. "${0%/*}/inside.sh"
proxy=${http_proxy-}
. "${0%/*}/lib.sh"
. "${0%/*}/trees.sh"
need debootstrap dpkg-deb getfattr jq mtree setfattr umoci useradd
[ $sanitized = 0 ] || only_in_soak "making the image takes most of the time"

# Debian from where this machine's apt has it.
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
# shellcheck disable=SC2016 # apt's variables
mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' |
	awk -v c="$codename" '$1 == c && $2 == "main" { sub("/$", "", $3); print $3; exit }')
eval "$(apt-config shell proxy Acquire::http::Proxy)"
[ -z "$proxy" ] || export http_proxy="$proxy"
[ -n "$mirror" ] || skip_all "apt has no source for Debian $codename"

bundle=$tmp/bundle
root=$bundle/rootfs
layout=$tmp/oci

# inside COMMAND...: run it in the root file system, with the /proc that packages want.
inside() {
	mount -t proc proc "$root/proc" &&
		DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
	inside_status=$?
	umount "$root/proc" && return "$inside_status"
}

# tree_becomes_layer: what changed in the root file system since the last layer is the next one.
tree_becomes_layer() { umoci repack --refresh-bundle --image "$layout:$suite" "$bundle"; }

# With $SOAK, debootstrap installs Debian, and apt in it: most of the time goes into scripts of packages.
installed_1() {
	debootstrap --variant=minbase "$suite" "$root" "$mirror" &&
		echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
}
installed_2() {
	inside apt-get -o Acquire::Retries=3 install -qy --no-install-recommends adduser libcap2-bin iputils-ping sudo busybox less &&
		inside adduser --quiet --disabled-password --gecos '' someone
}
installed_3() { inside apt-get purge -qy busybox less; }

# Otherwise packages are unpacked, and the little that their scripts would do is done here.
packages='base-files base-passwd bash dash e2fsprogs libc6 libc-bin login mount passwd perl-base tzdata'
more_packages='iputils-ping sudo less'
download() { # PACKAGE...: into $tmp/packages
	mkdir "$tmp/packages" && cd "$tmp/packages" &&
		apt-get -o APT::Sandbox::User=root -o Acquire::Retries=3 download "$@"
}
unpack() { # PACKAGE...
	for package; do
		dpkg-deb --fsys-tarfile "$tmp/packages/${package}_"*.deb >"$tmp/package.tar" &&
			tar -C "$root" --keep-directory-symlink -xpf "$tmp/package.tar" || return
	done
}
# shellcheck disable=SC2086 # lists
unpacked_1() {
	mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/usr/lib64" "$root/usr/sbin" "$root/usr/local/bin" "$root/dev" "$root/etc" "$root/srv" &&
		ln -s usr/bin usr/lib usr/lib64 usr/sbin "$root" &&
		(download $packages $more_packages) && unpack $packages &&
		cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd" &&
		cp "$root/usr/share/base-passwd/group.master" "$root/etc/group" &&
		echo welcome >"$root/etc/motd" && mkdir -p "$root/var/lib/apt/lists/partial" &&
		mknod -m 666 "$root/dev/null" c 1 3 && mknod -m 666 "$root/dev/tty" c 5 0 && chown :5 "$root/dev/tty" && mkdir "$root/dev/pts"
}
# shellcheck disable=SC2086
unpacked_2() {
	unpack $more_packages && # cap_net_raw=ep
		setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 "$root/bin/ping" &&
		useradd --prefix "$root" --create-home someone
}
unpacked_3() {
	dpkg-deb --fsys-tarfile "$tmp/packages/less_"*.deb | tar -t | (cd "$root" && while read -r f; do [ -d "$f" ] || rm "$f" || exit; done) &&
		[ ! -e "$root/usr/bin/less" ]
}

first_layer() {
	umoci new --image "$layout:$suite" &&
		umoci unpack --image "$layout:$suite" "$bundle" &&
		"${how}_1" &&
		tree_becomes_layer
}

# Files with capabilities and setuid bits, new users.
second_layer() {
	"${how}_2" &&
		getcap_of ping && [ -u "$root/usr/bin/sudo" ] && grep -q ^someone: "$root/etc/passwd" &&
		tree_becomes_layer
}
getcap_of() { getfattr -h -n security.capability "$root/bin/$1"; }

# Directories that go or become links, a file that becomes a directory, hardlinks onto what lower layers have.
# (A directory with something in it must not become a link: umoci then writes whiteouts beneath the link and follows it.)
third_layer() {
	"${how}_3" &&
		rm -r "$root/usr/share/doc" "$root/var/lib/apt/lists" &&
		rmdir "$root/srv" && ln -s home "$root/srv" &&
		rm "$root/etc/motd" && mkdir "$root/etc/motd" && echo hello >"$root/etc/motd/file" &&
		ln "$root/bin/bash" "$root/usr/local/bin/link" && ln "$root/usr/bin/perl" "$root/usr/local/bin/perl" &&
		tree_becomes_layer
}

# has SUITE: the archive has it, and debootstrap knows it.
has() {
	[ -e "/usr/share/debootstrap/scripts/$1" ] &&
		/usr/lib/apt/apt-helper download-file "$mirror/dists/$1/Release" "$tmp/Release" >"$tmp/log" 2>&1
}
# build: the image $suite.
build() {
	for step in first_layer second_layer third_layer; do
		! $step >"$tmp/log" 2>&1 || continue
		{ echo "$suite: $step"; cat "$tmp/log"; } | diag >&2
		return 1
	done
	umoci raw unpack --image "$layout:$suite" "$tmp/want" >"$tmp/log" 2>&1
}
# no_debian: says why there is no test.
no_debian() {
	! grep -qE "^[EW]: (Failed to fetch|Couldn't download)|Could not (resolve|connect)" "$tmp/log" ||
		skip_all "the Debian archive has ceased to answer"
	echo "Bail out! $codename cannot be built"
	exit 1
}

has "$codename" || skip_all "no Debian archive at the address that apt has"
umoci init --layout "$layout"
how=installed
# Without lists of packages, apt cannot tell what to download.
[ -n "${SOAK-}" ] || ! apt-cache show base-files >"$tmp/log" 2>&1 || how=unpacked
# Other releases have other versions of dpkg and tar, and /usr that is merged in another way.
for suite in $codename $(amount '' 'bullseye bookworm trixie'); do
	[ ! -e "$tmp/$suite" ] && has "$suite" || continue
	if build; then
		compare "$suite" "oci:$layout:$suite" "$tmp/want" "$tmp/$suite"
	elif [ "$suite" = "$codename" ]; then
		no_debian
	fi
	umount "$tmp/$suite/stack" 2>/dev/null || :
	rm -rf "$bundle" "$tmp/want"
done
done_testing
