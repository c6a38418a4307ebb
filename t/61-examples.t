#!/bin/sh
# Each example of the manuals runs as it is printed there, but for the names of servers; those of ducc-recipe(5) and
# ducc-hook(1) have their place in the tests of wish lists and webhooks. Other hosts and daemons are stand-ins.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need bash busybox curl docker-registry jq nginx skopeo umoci unshare
image_program=busybox
[ $sanitized = 0 ] || only_in_soak "the tools have tests of their own"

stand_in
cvmfs_server mkfs unpacked.example.org
start_registry open
mkdir "$tmp/www" "$tmp/work"
start_nginx <<-END
	server { @LISTEN@ root $tmp/www; }
END
make_image "$tmp/layout" image
for name in library/alpine:3.19 library/alpine:3.20 library/debian:12 example/app:1.0 example/app:1.1 example/app:2.0; do
	push "$tmp/layout:image" "$registry/$name"
done
# Docker Hub is the registry on this machine.
cat >"$tmp/registries.conf" <<-END
	[[registry]]
	prefix = "registry.hub.docker.com"
	location = "$registry"
	insecure = true
END
CONTAINERS_REGISTRIES_CONF=$tmp/registries.conf DUCC_STORE=$tmp/store PATH=$PATH:$top/scripts
export CONTAINERS_REGISTRIES_CONF DUCC_STORE PATH
printf '%s\n' alpine:3.19 alpine:3.20 debian:12 | tee "$tmp/www/images.txt" >"$tmp/work/images.txt"
cat >"$tmp/work/recipe.yaml" <<-END
	version: 1
	user: ''
	cvmfs_repo: unpacked.example.org
	output_format: 'http://$registry/thin/\$(image)'
	input:
	    - 'https://registry.hub.docker.com/library/alpine:3.19'
	    - 'https://registry.hub.docker.com/library/alpine:3.20'
END
cp "$tmp/work/recipe.yaml" "$tmp/work/mine.yaml"
echo "https://registry.hub.docker.com/library/alpine:3.20" >"$tmp/work/pushed"

# What example() takes for one; the rest is output, files and crontabs.
blocks='/^\.Sh/ { section = $2 } /^\.Bd/ && (section == "EXAMPLES" || FILENAME ~ /\.7$/) { i++; on = 1 }'
area=$tmp # where /tmp and /mnt are
# example PAGE NUMBER: as a script
example() {
	awk -v n="$2" "$blocks"' /^\.Ed/ { on = 0 } on && i == n && !/^\.Bd/' "$top/man/$1" |
		sed "s/^\\\$ //; s/\\\\e/\\\\/g; s,https://example\\.org/,http://$nginx/,; s,registry\\.example\\.org,$registry,
			s,quay\\.io,$registry,; s,harbor\\.example\\.org,http://$registry,; s,\\([ =]\\)/tmp/,\\1$area/,g
			s, /mnt\$, $area/mnt,; s,/var/spool/ducc,$tmp/store,; /^http.*@sha256:\\.\\.\\./d"
}
# runs PAGE NUMBER [DIRECTORY]: that example
runs() {
	echo "$1 $2" >>"$tmp/run"
	example "$1" "$2" >"$tmp/script"
	[ -s "$tmp/script" ] && (cd "${3-$tmp/work}" && bash -e -o pipefail "$tmp/script" </dev/null)
}
published() { # REPOSITORY IMAGE...
	published_in=$1
	shift
	for i; do [ "$(cat "$published_in/registry.hub.docker.com/library/$i/app/name")" = image ] || return 1; done
}
R=$tmp/sys/cvmfs/unpacked.example.org

ok "ducc-wish(1): what a recipe wants is published" runs ducc-wish.1 1
ok "... into the repository that it names" published "$R" alpine:3.19 alpine:3.20
ok "... by repository" runs ducc-wish.1 2
like "... how many of each" "$(cat "$out")" "^ *2 https://registry.hub.docker.com/library/alpine$"
ok "... a recipe is right" runs ducc-wish.1 3
ok "... a list that others keep, into a directory" runs ducc-wish.1 4
ok "... indeed" published "$tmp/work/repo" alpine:3.19 alpine:3.20 debian:12
ok "... all versions 1, and one's own list" runs ducc-wish.1 5
is "... four images" "$(cut -f1 "$out" | sed 's,.*/,,' | sort)" "alpine:3.19
alpine:3.20
app:1.0
app:1.1"
ok "... what was pushed" runs ducc-wish.1 6
like "... is published" "$(cat "$out")" "alpine:3.20@.*state=unchanged"

ok "ducc-thin(1): an image is published and its thin image pushed" runs ducc-thin.1 1
ok "... where it is said" manifest_of "$registry/thin/alpine:3.19"
ok "... what would be pushed" runs ducc-thin.1 2
like "... refers to layers that are there" "$(cat "$out")" 'cvmfs://unpacked.example.org/.layers/'

before=$(cd "$R" && find . | sort)
ok "ducc-gc(1): what a cron job does" runs ducc-gc.1 1
ok "... what would it do" runs ducc-gc.1 2
like "... nothing" "$(cat "$out")" "0 of 2 images"
is "... and everything is still there" "$(cd "$R" && find . | sort)" "$before"
ok "... what has no name goes at once" runs ducc-gc.1 3
is "... nothing here" "$(cat "$out")" ""
ok "... one is removed" runs ducc-gc.1 4
is "... at once; its layers are those of the others" "$(cat "$out")" registry.hub.docker.com/library/debian:12
ok "... only some are kept" runs ducc-gc.1 5
is "... the others are scheduled, which are none" "$(cat "$out")" \
	"ducc-gc: warning: registry.hub.docker.com/library/debian:12*: not published"
ok "... the store is cleaned" runs ducc-gc.1 6

ok "ducc-ls(1): is an image there, and current" runs ducc-ls.1 1
like "... it is" "$(cat "$out")" "alpine:3.19	.*current=yes"
ok "... all of one name" runs ducc-ls.1 2
is "... are listed" "$(grep -o 'alpine:.*' "$out")" "alpine:3.19
alpine:3.20"
ok "... by size" runs ducc-ls.1 3
is "... they share it all" "$(cut -f1 "$out" | sort -u)" 0
ok "... published elsewhere" runs ducc-ls.1 4
is "... all of them" "$(cut -f1 "$out" | sed 's,.*/,,; s/@.*//' | sort)" "alpine:3.19
alpine:3.20"
rm -r "$tmp/work/other"
rm -r "$registry_dir/docker/registry/v2/repositories/library/alpine/_manifests/tags/3.20"
ok "... what is gone is removed" runs ducc-ls.1 5
is "... namely this" "$(grep -o 'alpine:.*' "$out")" "alpine:3.20"
push "$tmp/layout:image" "$registry/library/alpine:3.20"

ok "ducc-convert(1): a recipe" runs ducc-convert.1 1
like "... with a summary" "$(cat "$out")" "2 unchanged"
rm -r "$tmp/work/repo"
ok "... a plain list into a directory" runs ducc-convert.1 2
ok "... indeed" published "$tmp/work/repo" alpine:3.19 alpine:3.20 debian:12
ok "... what a recipe would do" runs ducc-convert.1 3
like "... nothing" "$(cat "$out")" "2 unchanged, 0 failed, 0 removed, 0 scheduled \(dry run\)"

ok "ducc-migrate(7): a part of the list" runs ducc-migrate.7 1
like "... is published" "$(cat "$out")" "^part: .* 0 failed, 0 removed"
ok "... all of it, elsewhere" runs ducc-migrate.7 2
is "... as it should be" "$(sed -n '/^PLATFORM/,$p' "$out" | sed 's/.*library.//')" "PLATFORM          SIZE MB  SINCE             IMAGE
alpine:3.19
alpine:3.20"
ok "... then in its repository" runs ducc-migrate.7 3
like "... after a dry run" "$(cat "$out")" "dry run"
ok "... and repaired, after going back" runs ducc-migrate.7 4
is "... which was not necessary" "$(grep -c '^http' "$out")" 0


# The tools one by one, with an image in which more can be run
rm -rf "$tmp/store" "$tmp/work/repo"
mkdir -p "$tmp/files/etc" "$tmp/files/bin" "$tmp/mnt"
echo 3.19 >"$tmp/files/etc/alpine-release"
ln -s busybox "$tmp/files/bin/cat"
ln -s busybox "$tmp/files/bin/true"
umoci tag --image "$tmp/layout:image" more
add_layer "$tmp/layout:more" "$tmp/files"
umoci config --image "$tmp/layout:more" --config.cmd /bin/true --clear config.entrypoint
umoci tag --image "$tmp/layout:more" arm64
umoci config --image "$tmp/layout:arm64" --architecture arm64
for name in library/alpine:3.19 library/alpine:latest podman/hello:latest org/app:1 team/app:1 hub-cache/library/alpine:latest; do
	push "$tmp/layout:more" "$registry/$name"
done
for arch in amd64=more arm64=arm64; do
	push "$tmp/layout:${arch#*=}" "$registry/library/debian:${arch%=*}"
	manifest_of "$registry/library/debian:${arch%=*}" >"$tmp/one"
	jq -c --arg d "$(digest_of "$tmp/one")" --argjson s "$(wc -c <"$tmp/one")" --arg a "${arch%=*}" \
		'{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: $s, platform: {os: "linux", architecture: $a}}' \
		-n
done | jq -cs '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: .}' >"$tmp/index"
for name in debian alpine; do
	for arch in more arm64; do push "$tmp/layout:$arch" "$registry/library/$name:$arch"; done
	put_manifest "$registry" library/$name "$([ $name = debian ] && echo 12 || echo latest)" application/vnd.oci.image.index.v1+json "$tmp/index"
done
skopeo copy -q --insecure-policy "oci:$tmp/layout:more" "oci:$tmp/work/layout:app:v1"
echo secret >"$tmp/work/secret"
printf '%s\n' alpine:3.19 debian:12 >"$tmp/work/images"
# Others save an image; a user is root in a namespace.
for saver in ssh=:app:v1 podman=; do
	printf '#!/bin/sh\nskopeo copy -q --insecure-policy oci:%s/layout:more docker-archive:%s/saved%s >&2 && cat %s/saved && rm %s/saved\n' \
		"$tmp" "$tmp" "${saver#*=}" "$tmp" "$tmp" >"$tmp/bin/${saver%%=*}"
done
printf '#!/bin/sh\nexec %s -r "$@"\n' "$(command -v unshare)" >"$tmp/bin/unshare"
[ "$(id -u)" = 0 ] && rm "$tmp/bin/unshare" || :
chmod +x "$tmp/bin"/*

ok "ducc-fetch(1): an image" runs ducc-fetch.1 1
like "... is pinned" "$(cat "$out")" "^http://$registry/podman/hello:latest@sha256:.*platform=linux/"
ok "... can be inspected, and copied" runs ducc-fetch.1 2
ok "... to an archive" test -s "$tmp/work/hello.tar"
ok "... for several platforms" runs ducc-fetch.1 3
is "... one by one and all" "$(sed -n 's/.*platform=//p' "$out" | xargs)" "linux/amd64 linux/arm64 linux/amd64 linux/arm64"
ok "... with a password" runs ducc-fetch.1 4
ok "... from a layout" runs ducc-fetch.1 5
ok "... from another host" runs ducc-fetch.1 6
ok "... from Podman, without a name" runs ducc-fetch.1 7
is "... all these are one" "$(cut -f1 "$out" | sed 's/@.*//')" http://localhost/app:v1
ok "... through a cache" runs ducc-fetch.1 8
like "... for its own name" "$(cat "$out")" "^https://registry.hub.docker.com/library/alpine:latest@"

ok "ducc-unpack(1): the files of an image" runs ducc-unpack.1 1
is "... are there" "$(cat "$tmp/work/rootfs/app/name")" image
rm -r "$tmp/work/rootfs"
if unshare -r true 2>/dev/null; then
	ok "... also for users" runs ducc-unpack.1 2
	rm -r "$tmp/work/rootfs"
fi
ok "... in the store" runs ducc-unpack.1 3
skopeo copy -q --insecure-policy "oci:$tmp/layout:more" "oci:$tmp/work/layout:deep:1"
(cd "$tmp/work" && ducc-fetch -q oci:./layout:deep:1 >/dev/null)
ok "... with other limits" runs ducc-unpack.1 4
layer=$(basename "$(find "$tmp/store/layers" -name '*.tar' | head -n 1)")
example ducc-unpack.1 5 | sed "s/4abcf.*cd87.tar/$layer/" >"$tmp/script"
ok "... the contents of a layer" bash -e "$tmp/script"
like "... are listed" "$(cat "$out")" '^[-d]r.* root/root|^[-d]r.* 0/0'
echo "ducc-unpack.1 5" >>"$tmp/run"

# may_mount: root may, unless in some containers
may_mount() {
	unshare -m mount -B -o ro "$tmp/work" "$tmp/work" 2>/dev/null
}
if may_mount; then
	ok "ducc-publish(1): an image, in which a command runs" runs ducc-publish.1 1
	like "... from the image" "$(cat "$out")" '^3\.19$'
	ok "... its own" runs ducc-publish.1 3
else
	example ducc-publish.1 1 | sed -n 1p >"$tmp/script"
	ok "ducc-publish(1): an image" sh -c "cd '$tmp/work' && . '$tmp/script'"
fi
ok "... several, in CernVM-FS" runs ducc-publish.1 4
is "... all of them" "$(cut -f1 "$out" | sed 's,.*/,,; s/@.*//' | sort | xargs)" "alpine:3.19 debian:12"
ok "... for two platforms" runs ducc-publish.1 5
ok "... each" test -L "$R/.multiarch/arm64/registry.hub.docker.com/library/alpine:latest"
ok "... in two repositories" runs ducc-publish.1 6
is "... each" "$(cd "$tmp/work" && echo a/reg*/lib*/* b/reg*/lib*/*)" \
	"a/registry.hub.docker.com/library/alpine:3.19 b/registry.hub.docker.com/library/debian:12"

(cd "$tmp/work" && ducc-fetch -q "$registry/org/app:1" | ducc-unpack -q | ducc-publish -q -r ./repo >/dev/null)
ok "ducc-check(1): the contents of an image" runs ducc-check.1 2
is "... are right" "$(cat "$out")" ""
ok "... what differs" runs ducc-check.1 3
is "... is nothing" "$(cat "$out")" ""
ok "... an image again" runs ducc-check.1 4
like "... is published" "$(cat "$out")" "/org/app:1@.*state=restored"

id=$(ducc-fetch -q "$registry/podman/hello" | ducc-unpack -q | sed 's/.*@sha256:\([0-9a-f]*\).*/\1/')
export id
ok "ducc-store(5): its images" runs ducc-store.5 1 "$tmp/store"
like "... by name" "$(cat "$out")" "^$registry/podman/hello:latest$"
ok "... the largest files of one" runs ducc-store.5 2 "$tmp/store"
like "... with their sizes" "$(head -n 1 "$out")" '^[0-9]{6,} \./bin/busybox$'
if command -v mtree >/dev/null; then
	ok "... a directory is as the image" runs ducc-store.5 3 "$tmp/store"
fi
ok "... the unpacked layers are removed" runs ducc-store.5 4 "$tmp/store"
is "... all" "$(ls "$tmp/store/layers")" ""

ok "ducc-repository(5): its images" runs ducc-repository.5 1 "$tmp/work/repo"
is "... by name" "$(sed "s,$registry,REGISTRY," "$out" | sort)" "./REGISTRY/org/app:1
./registry.hub.docker.com/library/alpine:3.19"
ok "... the layer of a file" runs ducc-repository.5 2 "$tmp/work/repo"
like "... is said" "$(cat "$out")" 'contents=\S*\.layers/'
if unshare -rm mount -t tmpfs none "$tmp/mnt" 2>/dev/null; then
	area=$tmp/mnt
	example ducc-repository.5 3 >"$tmp/script"
	echo "cat $area/mnt/app/name; ls $area/mnt/doc" >>"$tmp/script"
	ok "... its layers are mounted" unshare -rm sh -c \
		"cd $tmp/work/repo && mount -t tmpfs none $area && mkdir $area/mnt && bash -e $tmp/script"
	is "... as the image is" "$(xargs <"$out")" "image kept linked"
	area=$tmp
fi
ok "... the last transactions" runs ducc-repository.5 4 "$R"
like "... and what they added" "$(cat "$out")" '\.layers/../[0-9a-f]{64}'
if command -v mtree >/dev/null; then
	ok "... nothing has changed" runs ducc-repository.5 5 "$tmp/work/repo"
fi

rm -rf "$tmp/store" "$tmp/work/repo" "$tmp/work/rootfs"
ducc-gc -q -r unpacked.example.org --remove alpine debian:12 >/dev/null
if may_mount; then
	ok "ducc(7): an image to look around in" runs ducc.7 4
	name=$tmp/work/repo/registry.hub.docker.com/library/alpine:3.19/app/name
	echo 'cat /app/name; echo changed >>/app/name' >"$tmp/input"
	sed '1d' "$tmp/script" >"$tmp/look"
	(cd "$tmp/work" && bash "$tmp/look" <"$tmp/input") >"$tmp/seen" 2>&1 || :
	like "... reads its files" "$(cat "$tmp/seen")" "^image$"
	is "... and cannot change them" "$(cat "$name")" image
fi
for n in 5 6 7 8 9 10 11 12; do
	ok "ducc(7): example $n" runs ducc.7 $n
done
is "... which has published" "$(cd "$tmp/work/repo" && echo reg*/lib*/*)" \
	"registry.hub.docker.com/library/alpine:3.19 registry.hub.docker.com/library/debian:12"
ok "... removes" runs ducc.7 13
is "... one" "$(cd "$tmp/work/repo" && echo reg*/lib*/*)" registry.hub.docker.com/library/debian:12
ok "... checks and repairs" runs ducc.7 14
ok "... extracts" runs ducc.7 15
is "... an image" "$(cat "$tmp/work/rootfs/app/name")" image
ok "... finds set-user-ID programs" runs ducc.7 16
like "... namely this" "$(cat "$out")" "^\./usr/bin/tool "

# Nothing is left out but what needs a program that is not here, or is in another test.
awk "$blocks"'
	FNR == 1 { i = 0; section = "" }
	/^\.Ed/ { on = 0 }
	on && /^\$ / { sub(".*/", "", FILENAME); print FILENAME, i; on = 0 }' "$top/man"/*.[157] |
	grep -v '^ducc-\(hook\.1\|recipe\.5\) ' | sort >"$tmp/all"
{
	echo "ducc-publish.1 2" # Apptainer
	may_mount || printf '%s\n' "ducc-publish.1 1" "ducc-publish.1 3" "ducc.7 4"
	echo "ducc-unpack.1 2"  # user namespaces
	command -v mtree >/dev/null || printf 'ducc-%s\n' "store.5 3" "repository.5 5"
	echo "ducc-repository.5 3" # as root of a namespace
	cat "$tmp/run"
} | sort -u >"$tmp/known"
is "each example has been run" "$(comm -23 "$tmp/all" "$tmp/known")" ""

done_testing
