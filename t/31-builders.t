#!/bin/sh
# Images as real programs make them: archivers, builders, and what converts images. What is published of each is what umoci
# unpacks.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh source=trees.sh source=podman.sh

# shellcheck source=inside.sh
. "${0%/*}/inside.sh"
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
. "${0%/*}/trees.sh"
. "${0%/*}/podman.sh"
need bsdtar buildah busybox jq python3 setfacl setfattr skopeo umoci zstd
need_podman
[ $sanitized = 0 ] || only_in_soak "the builders take most of the time"

L=$tmp/oci
export BUILDAH_ISOLATION=chroot
buildah() { command buildah --storage-driver vfs --root "$tmp/buildah" --runroot "$tmp/buildah-run" "$@" </dev/null >>"$tmp/log" 2>&1; }
podman() { podman_on "$tmp/none/store" "$@" >>"$tmp/log" 2>&1; }

# want NAME [JUDGE]: the image NAME of the layout is compared with what umoci makes of JUDGE, which is the same by default. Lines
# of $tmp/wanted are: the source, the name, the judge.
want() { echo "oci:$L:$1 $1 ${2-$1}" >>"$tmp/wanted"; }

# --- archivers ---

# archive [-l] NAME COMMAND...: an image of two layers, which the command writes of the directory that it is in; -l: the format
# has not all types of files, or long names.
archive() {
	archive_trees=$tmp/trees/
	[ "$1" != -l ] || { archive_trees=$tmp/trees/plain-; shift; }
	archive_name=$1
	shift
	umoci new --image "$L:$archive_name"
	for tree in 1 2; do
		# bsdtar says with 1 that it warned.
		(cd "$archive_trees$tree" && "$@") >"$tmp/layer.tar" 2>>"$tmp/log" || [ "$1 $?" = "bsdtar 1" ] || return 1
		umoci raw add-layer --image "$L:$archive_name" "$tmp/layer.tar"
	done
	# umoci does not know global headers.
	case $archive_name in *global) want "$archive_name" pax-plain ;; *) want "$archive_name" ;; esac
}
# What all formats can hold: names of ASCII, at most 100 bytes in all, no files but regular ones, links and directories.
plain_trees() {
	mkdir "$tmp/trees/plain-1" "$tmp/trees/plain-2"
	(cd "$tmp/trees/plain-1" && mkdir -m 2775 d && mkdir d/opaque && echo a >d/a && ln d/a d/b && ln -s a d/link && echo x >d/opaque/x &&
		echo gone >gone && chmod 4750 gone && chown 1:2 d/a)
	(cd "$tmp/trees/plain-2" && mkdir -p d/opaque && : >d/opaque/.wh..wh..opq && : >.wh.gone && echo new >d/a && echo y >d/opaque/y && ln d/opaque/y z)
	find "$tmp/trees/" -path '*/plain-*' -exec touch -hd @1700000000 {} +
}
trees() { # SEED
	rm -rf "$tmp/trees"
	mkdir -p "$tmp/trees/1" "$tmp/trees/2"
	"$top/t/mkfiles" "$1" "$tmp/trees/1"
	"$top/t/mkfiles" "$1" "$tmp/trees/2" 1
	plain_trees
}
python_tar() { # FORMAT
	python3 -c 'import sys, tarfile
with tarfile.open(mode="w|", fileobj=sys.stdout.buffer, format=getattr(tarfile, sys.argv[1] + "_FORMAT")) as t: t.add(".")' "$1"
}
python_shuffled() { # every entry on its own, in an order of its own, parents too
	python3 -c 'import os, random, sys, tarfile
names = ["."]
for top, dirs, files in os.walk("."): names += [os.path.join(top, n) for n in dirs + files]
random.Random(1).shuffle(names)
with tarfile.open(mode="w|", fileobj=sys.stdout.buffer, format=tarfile.PAX_FORMAT) as t:
    for n in names: t.add(n, recursive=False)'
}
# The archivers, one a line: whether the format is limited, a name, the command.
archivers() {
	cat <<-'E'
		. gnu tar --format=gnu -cf - .
		. gnu-sparse tar --format=gnu --sparse --xattrs --acls -cf - .
		-l oldgnu tar --format=oldgnu -cf - .
		. pax tar --format=pax --xattrs --xattrs-include=* --acls --sparse -cf - .
		. pax-sparse-0.0 tar --format=pax --sparse --sparse-version=0.0 --xattrs -cf - .
		. pax-sparse-0.1 tar --format=pax --sparse --sparse-version=0.1 --hole-detection=raw -cf - .
		. pax-plain tar --format=pax -cf - .
		. pax-named tar --format=pax --pax-option=exthdr.name=%d/%f.%p,delete=atime,delete=ctime --xattrs -cf - .
		. pax-global tar --format=pax --pax-option=globexthdr.name=g,comment=made -cf - .
		-l ustar tar --format=ustar -cf - .
		-l v7 tar --format=v7 -cf - .
		. blocks tar --format=gnu -b 1 -cf - .
		. absolute tar --format=gnu -P --transform=s,^\./*,/, -cf - .
		. dots tar --format=pax --transform=s,^\./,././/, -cf - .
		. owners tar --format=pax --numeric-owner --owner=2097152 --group=7 --mode=go-w,a+rX -cf - .
		. bsd-pax bsdtar --format=pax --acls --xattrs --fflags -cf - .
		. bsd-restricted bsdtar --format=paxr --xattrs -cf - .
		. bsd-gnutar bsdtar --format=gnutar -cf - .
		-l bsd-ustar bsdtar --format=ustar -cf - .
		-l bsd-v7 bsdtar --format=v7tar -cf - .
		. python-gnu python_tar GNU
		. python-pax python_tar PAX
		-l python-ustar python_tar USTAR
		-l python-shuffled python_shuffled
		-l busybox busybox tar -cf - .
	E
}
all_archivers() {
	set -f
	archivers | while read -r archiver; do
		case $archiver in
		'. gnu '* | '. pax '* | '. pax-plain '*) ;;
		*) my_turn || continue ;;
		esac
		# shellcheck disable=SC2086 # words
		archive ${archiver#. } || { echo "failed: $archiver"; exit 1; }
	done
	archivers_status=$?
	set +f
	return $archivers_status
}

# --- what builders do ---

# layers_by_umoci: files, trees, and their removal, put into an image that is there.
layers_by_umoci() {
	umoci tag --image "$L:pax" insert
	umoci insert --image "$L:insert" "$tmp/trees/plain-1" /put &&
		umoci insert --image "$L:insert" "$tmp/trees/plain-1/d/a" /put/d/c &&
		umoci insert --image "$L:insert" --whiteout /put/gone &&
		umoci insert --image "$L:insert" --opaque "$tmp/trees/plain-2/d" /put/d &&
		want insert
	umoci unpack --image "$L:pax" "$tmp/bundle" >>"$tmp/log" 2>&1 &&
		(cd "$tmp/bundle/rootfs" && rm -rf ./a* && mkdir -p new/d && echo x >new/d/f && ln new/d/f new/h && touch -hd @1600000000.25 new/d/f) &&
		umoci repack --image "$L:repacked" "$tmp/bundle" &&
		want repacked
}

# How BuildKit, buildah, kaniko and others are used: stages, copies with other owners, archives that are unpacked, files and
# directories that go and come back as others.
context() {
	mkdir "$tmp/context"
	cp -a "$tmp/trees/plain-1" "$tmp/context/plain"
	cp -a "$tmp/trees/1" "$tmp/context/tree"
	cp "$(command -v busybox)" "$tmp/context/busybox"
	tar -C "$tmp/trees/plain-1" -czf "$tmp/context/plain.tgz" .
	cat >"$tmp/context/Containerfile" <<-'E'
		FROM scratch AS first
		COPY busybox /usr/bin/busybox
		RUN ["/usr/bin/busybox", "ln", "-s", "usr/bin", "/bin"]
		RUN ["/bin/busybox", "--install", "-s", "/bin"]
		RUN mkdir -p /work/a/b /tmp /etc && echo x >/work/a/b/f && ln /work/a/b/f /work/hard && chmod 4711 /work/hard && mkfifo /work/p
		FROM first
		ENV A=1
		ADD plain.tgz /unpacked/
		COPY --chown=7:8 plain /copied/plain
		COPY --chmod=0600 busybox /bin/other
		COPY --from=first /work /work
		WORKDIR /made/here
		RUN rm -r /work/a && mkdir /work/a && echo y >/work/a/g && rm /copied/plain/gone && mv /unpacked/d /unpacked/e
		RUN rm /work/a/g && ln -s /unpacked /work/a/g && touch /work/a/g/through && chown -R 3:4 /work/a && rm -r /copied/plain && echo z >/copied/plain
		COPY busybox /bin/new
		CMD ["sh"]
	E
}
# builds OPTION...: with buildah and its options, as the image that the last of them names.
built() { # NAME OPTION...
	built_name=$1
	shift
	buildah bud -f "$tmp/context/Containerfile" "$@" -t "oci:$L:$built_name" "$tmp/context" && want "$built_name"
}
layers_by_buildah() {
	built stages --layers=false &&
		{ [ -z "${SOAK-}" ] || { built layered --layers && built squashed --squash && built old --timestamp 0; }; } &&
		buildah from --name work scratch &&
		buildah copy work "$tmp/context/plain" / &&
		buildah add --chown 5:6 work "$tmp/context/plain.tgz" /added &&
		buildah commit --disable-compression work "oci:$L:committed" && want committed &&
		buildah commit --squash --rm work "docker-archive:$tmp/committed.tar:localhost/by-docker:latest" &&
		skopeo copy -q --insecure-policy "docker-archive:$tmp/committed.tar" "oci:$L:judge" >>"$tmp/log" 2>&1 &&
		echo "docker-archive:$tmp/committed.tar by-docker judge" >>"$tmp/wanted"
}
layers_by_podman() {
	podman build --isolation chroot --layers=false -f "$tmp/context/Containerfile" -t localhost/podman-built "$tmp/context" &&
		podman run -d --name c localhost/podman-built sh -c 'rm /bin/new; mkdir /bin/new; echo 1 >/bin/new/1; mv /work/hard /work/moved' &&
		podman wait c && podman commit -q c localhost/podman-committed &&
		podman push -q localhost/podman-built "oci:$L:podman-built" && want podman-built &&
		podman push -q localhost/podman-committed "oci:$L:podman-committed" && want podman-committed &&
		podman tag localhost/podman-committed localhost/saved localhost/saved-oci &&
		podman save -q -o "$tmp/saved.tar" localhost/saved &&
		echo "docker-archive:$tmp/saved.tar saved podman-committed" >>"$tmp/wanted" &&
		podman save -q --format oci-archive -o "$tmp/saved-oci.tar" localhost/saved-oci &&
		echo "oci-archive:$tmp/saved-oci.tar saved-oci podman-committed" >>"$tmp/wanted"
}

# --- what converts them ---

copied() { # NAME JUDGE SOURCE DESTINATION OPTION...
	copied_name=$1 copied_judge=$2 copied_from=$3 copied_to=$4
	shift 4
	skopeo copy -q --insecure-policy "$@" "$copied_from" "$copied_to" >>"$tmp/log" 2>&1 &&
		echo "${copied_to%":localhost/$copied_name:latest"} $copied_name $copied_judge" >>"$tmp/wanted"
}
converters() {
	copied chunked pax "oci:$L:pax" "oci:$L:chunked" --dest-compress-format zstd:chunked &&
		copied zstd gnu "oci:$L:gnu" "oci:$L:zstd" --dest-compress-format zstd &&
		copied archived pax "oci:$L:pax" "docker-archive:$tmp/archived.tar:localhost/archived:latest" &&
		copied schema2 pax "oci:$L:pax" "oci:$L:schema2" --format v2s2
}

# estargz: each file is a gzip member of its own, and so is a table of contents, which is a file of the layer as well.
estargz() {
	tar -C "$tmp/trees/1" --format=pax -cf "$tmp/layer.tar" .
	python3 -c 'import gzip, io, json, sys, tarfile
tar, raw = tarfile.open(sys.argv[1]), open(sys.argv[1], "rb").read()
entries = [(m.name, m.offset) for m in tar]
text = json.dumps({"version": 1, "entries": [{"name": n, "offset": o} for n, o in entries]}, ensure_ascii=True).encode()
last = io.BytesIO()
with tarfile.open(mode="w", fileobj=last) as t:
    index = tarfile.TarInfo("stargz.index.json")
    index.size = len(text)
    t.addfile(index, io.BytesIO(text))
starts = [o for n, o in entries] + [tar.offset]
parts = [raw[a:b] for a, b in zip(starts, starts[1:])] + [last.getvalue()]
footer = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff\x1a\x00SG\x16\x00" + b"%016xSTARGZ" % 7 + b"\x01\x00\x00\xff\xff" + bytes(8)
open(sys.argv[2], "wb").write(b"".join(parts))
open(sys.argv[3], "wb").write(b"".join(gzip.compress(p, mtime=0) for p in parts) + footer)' "$tmp/layer.tar" "$tmp/whole.tar" "$tmp/blob"
	printf '[%s, "%s"]\n' "$(blob "$tmp/blob" layer.v1.tar+gzip)" "$(digest_of "$tmp/whole.tar")" | layers estargz
	want estargz
}

# --- the comparison ---

publish_all() {
	cut -d' ' -f1 "$tmp/wanted" | xargs ducc-fetch -s "$tmp/store" | ducc-unpack -s "$tmp/store" >"$tmp/unpacked" &&
		ducc-publish -s "$tmp/store" -r "$tmp/repo" <"$tmp/unpacked" >"$tmp/published"
}
# of_today DIR: directories to which umoci gives the time of the day, since it removed something in them.
of_today() {
	(cd "$1" && find . -type d -newermt @1710000000 ! -newermt @4000000000 -printf '%P\0') |
		perl -0ne 'chomp; s/([^!-\[\]-~])/sprintf "\\%03o", ord $1/ge; print length $_ ? "$_\n" : ".\n"'
}
compare_image() { # NAME JUDGE
	image_name=$1
	umoci raw unpack --image "$L:$2" "$tmp/want" >"$tmp/judgement" 2>&1 || { cat "$tmp/judgement"; return 1; }
	grep "^http://localhost/$1:" "$tmp/unpacked" >"$tmp/record"
	of_today "$tmp/want" >"$tmp/today"
	set --
	while read -r path; do set -- "$@" -i "$path"; done <"$tmp/today"
	ducc-unpack -q -s "$tmp/store" -x "$tmp/x" <"$tmp/record" >"$tmp/extracted" && same "$@" "$tmp/want" "$tmp/x" &&
		same_flat "$@" "$tmp/want" "$tmp/repo/localhost/$image_name:latest" &&
		same_stack "$tmp/repo" "localhost/$image_name:latest" "$tmp/s" "$@" "$tmp/want"
}
compare_all() {
	ok 'all of them are published' publish_all
	while read -r _ name judge; do
		ok "$name: it is what umoci unpacks" compare_image "$name" "$judge"
		umount "$tmp/s/stack" 2>/dev/null || :
		rm -rf "$tmp/s" "$tmp/want" "$tmp/x"
	done <"$tmp/wanted"
}

# begin SEED: an empty layout, and other trees.
begin() {
	note "SEED=$1"
	rm -rf "$L" "$tmp/store" "$tmp/repo"
	corpus "$L"
	: >"$tmp/wanted"
	trees "$1"
}

seed=$(random_seed "${SEED-}")
begin "$seed"
context
ok 'archivers' all_archivers
ok 'umoci' layers_by_umoci
ok 'buildah' layers_by_buildah
ok 'podman' layers_by_podman
ok 'skopeo' converters
ok 'estargz' estargz
compare_all
for more in $(seq 1 "$(amount 0 20)"); do
	begin $((seed + more))
	ok 'archivers' all_archivers
	compare_all
done
done_testing
