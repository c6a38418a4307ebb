#!/bin/sh
# What is published runs: podman starts containers from the store in a repository, and from flat trees.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh source=podman.sh
# shellcheck disable=SC2016 # for a shell in the container
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
. "${0%/*}/podman.sh"
need busybox flock jq podman skopeo umoci zstd
image_program=busybox
[ $sanitized = 0 ] || only_in_soak "podman takes most of the time"
need_podman

L=$tmp/layout
S=$tmp/store
R=$tmp/repo
P=$R/podmanStore
publish() { # IMAGE...
	main_job "$S" "$R" "$@"
}
says() { # TITLE IMAGE WANT COMMAND...: a container of the image prints WANT
	says_title=$1 says_image=$2 says_want=$3
	shift 3
	is "$says_title" "$(podman_run "$P" "$says_image" "$@" 2>"$tmp/err" || sed 's/^/# /' "$tmp/err")" "$says_want"
}

make_image "$L" one
mkdir -p "$tmp/owned/owned"
echo mine >"$tmp/owned/owned/file"
tar -C "$tmp/owned" --numeric-owner --owner=1234 --group=567 --mtime=@1700000000 -cf "$tmp/layer.tar" owned
umoci raw add-layer --image "$L:one" "$tmp/layer.tar"
umoci tag --image "$L:one" two
mkdir "$tmp/more"
echo more >"$tmp/more/more"
add_layer "$L:two" "$tmp/more"
umoci tag --image "$L:one" quay.io/org/sub/app:1
ok "images are published" publish "oci:$L:one" "oci:$L:two" "oci:$L:quay.io/org/sub/app:1"

ok "podman lists them" podman_on "$P" images --format '{{.Repository}}:{{.Tag}} {{.ReadOnly}}'
is "... by their names, read-only" "$(sort "$out")" "localhost/one:latest true
localhost/two:latest true
quay.io/org/sub/app:1 true"
says "podman runs one: what a layer removed is gone, a setuid file is one, owners are right, the environment is set" \
	localhost/one:latest "one
kept
linked
4755
1234:567
it's \"so\"" /bin/sh -c 'busybox cat /app/name; busybox ls /doc; busybox stat -c %a /usr/bin/tool
	busybox stat -c %u:%g /owned/file; echo "$QUOTES"'
is "... entry point and command" "$(podman_on "$P" run --rm --pull never localhost/one:latest 2>&1)" "<it's>
<two words>
<"'"$HOME" \n `id`>'
says "another name for it" quay.io/org/sub/app:1 one /bin/busybox cat /app/name
says "an image on top of it" localhost/two:latest more /bin/busybox cat /more
says "an image by its ID" "$(jq -r '.[] | select(.names[0] == "localhost/two:latest").id' "$P/overlay-images/images.json")" more \
	/bin/busybox cat /more
is "there is one image for two names" "$(jq length "$P/overlay-images/images.json")" 2
is "a layer of two images is there once" "$(jq length "$P/overlay-layers/layers.json")" 5

# Again, and on
before=$(find "$P" -printf '%p %T@ %i\n' | sort)
ok "published again" publish "oci:$L:one" "oci:$L:two"
is "... nothing changes" "$(find "$P" -printf '%p %T@ %i\n' | sort)" "$before"
umoci tag --image "$L:two" one
ok "a name moves to another image" publish "oci:$L:one"
says "... which runs then" localhost/one:latest more /bin/busybox cat /more
says "... the image that had it is still there under the other" quay.io/org/sub/app:1 one /bin/busybox cat /app/name
make_image "$L" base
umoci tag --image "$L:base" twice
tar -C "$tmp/more" --mtime=@1700000000 -cf "$tmp/layer.tar" .
umoci raw add-layer --image "$L:twice" "$tmp/layer.tar"
umoci raw add-layer --image "$L:twice" "$tmp/layer.tar"
ok "an image that has a layer twice" publish "oci:$L:twice"
says "... runs" localhost/twice:latest more /bin/busybox cat /more

# Lists that Podman cannot read, ducc-check does not take for sound either.
has_image() { podman_on "$P" images --format '{{.Repository}}' | grep -x localhost/two; }
while read -r list filter; do
	cp "$P/overlay-$list/$list.json" "$tmp/list"
	jq -c "$filter" "$tmp/list" >"$P/overlay-$list/$list.json"
	fails "$list.json with $filter: podman cannot read it" has_image
	fails "... which is found" ducc-check -q --repair -s "$S" -r "$R"
	cp "$out" "$tmp/again"
	ok "... and repaired" sh -c 'grep ^http "$3" | ducc-unpack -q -s "$1" | ducc-publish -q -s "$1" -r "$2"' sh "$S" "$R" "$tmp/again"
	ok "... then podman reads it" has_image
done <<'E'
images .[0]."big-data-sizes"[] = "x"
images .[0].flags = 5
images .[0].digest = "sha256:0"
images .[0]."big-data-digests"."manifest-other" = "none"
images .[0]."big-data-names" += ["none"]
images .[0]."big-data-names" += ["manifest-none"]
images . + [.[0]]
layers .[0].created = "yesterday"
layers .[0].uidset = ["x"]
layers .[0].uidset = [4294967296]
layers .[0].gidmap = [{"size": "x"}]
E

# From Docker Hub, as Podman calls it
cp -a "$L" "$tmp/hub"
umoci tag --image "$tmp/hub:base" registry.hub.docker.com/library/base:1
ok "an image that is called as on Docker Hub" publish "oci:$tmp/hub:registry.hub.docker.com/library/base:1"
says "... runs by that name" registry.hub.docker.com/library/base:1 base /bin/busybox cat /app/name
says "... and by the one that Podman has for it" docker.io/library/base:1 base /bin/busybox cat /app/name

# What Podman can't have
corpus "$tmp/corpus"
image strange '.created = "yesterday"' <<-'E'
	layer
	file f data=hello
E
ducc-fetch -q -s "$S" "oci:$tmp/corpus:strange" | ducc-unpack -q -s "$S" | cut -f1 >"$tmp/strange"
ok "an image that Podman can't have" ducc-publish -s "$S" -r "$R" "$(cat "$tmp/strange")"
like "... is published with a warning" "$(cat "$out")" "warning: localhost/strange:latest: not available in Podman"
ok "... and does not keep podman from the others" podman_on "$P" images

# A layer that has bin/new, on a base where bin is a symbolic link
umoci init --layout "$tmp/merged"
umoci new --image "$tmp/merged:new"
mkdir -p "$tmp/below/usr/bin" "$tmp/above/bin"
cp "$(command -v busybox)" "$tmp/below/usr/bin/busybox"
ln -s usr/bin "$tmp/below/bin"
printf '#!/bin/busybox sh\necho "new $0"\n' >"$tmp/above/bin/new"
chmod +x "$tmp/above/bin/new"
for part in 'below usr bin' 'above bin/new'; do
	# shellcheck disable=SC2086 # names
	tar --mtime=@1700000000 -cf "$tmp/layer.tar" -C "$tmp/"$part
	umoci raw add-layer --image "$tmp/merged:new" "$tmp/layer.tar"
done
ok "a layer with an entry beneath a symbolic link of its base" publish "oci:$tmp/merged:new"
says "... podman runs it through the link" localhost/new:latest 'new /bin/new' /bin/new
says "... and where it is" localhost/new:latest 'new /usr/bin/new' /usr/bin/new
says "... the link stays one" localhost/new:latest usr/bin /usr/bin/busybox readlink /bin

# The flat tree
is "podman runs a flat tree" "$(podman_on "$P" run --rm --rootfs "$R/localhost/twice:latest/:O" /bin/busybox cat /app/name 2>&1)" base
is "... without what a layer removed" "$(podman_on "$P" run --rm --rootfs "$R/localhost/twice:latest/:O" /bin/busybox ls /doc 2>&1)" "kept
linked"

# One image never stops Podman from having the others: of any type that Go would not take, it is not listed.
corpus "$tmp/odd"
n=0
odd() { # CONFIG MANIFEST: jq filters; the image has a config of its own
	n=$((n + 1))
	printf 'layer\ndir ./\nfile odd data=%s\n' $n | image "odd$n" "$1" "$2"
}
while read -r filter; do
	odd "$filter" .
done <<'E'
.author = 5
.comment = []
.created = "yesterday"
.CREATED = "yesterday"
.created = "2024-01-01T00:00:00+24:00"
.created = "2024-01-01T00:00:00+02:60"
.created = "2024-01-01T00:00:00+2:00"
.docker_version = 5
."os.features" = "x"
.Size = "x"
.history = "x"
.HISTORY = [{created: "x"}]
.history = [{Created: "x"}]
.history = [{empty_layer: 1}]
.history = [5]
.container_config = 5
.config.Labels = 5
.config.labels = {a: 1}
.config.User = 5
.config.Volumes = {"/x": 1}
.config.ExposedPorts = ["1"]
.config.Healthcheck = {Interval: "x"}
.config.StopTimeout = "x"
.rootfs.type = 5
.Size = 1.5
.["hi\u017ftory"] = 5
.config["Wor\u212aingDir"] = 5
E
while read -r filter; do
	odd . "$filter"
done <<'E'
.annotations = 5
.annotations = {a: 1}
.subject = "x"
.artifactType = 5
.config.annotations = "x"
.layers[0].urls = "x"
.layers[0].platform = {os: 1}
.layers[0].data = "!"
.history = []
.mediaType = "application/vnd.oci.image.index.v1+json"
.MediaType = "application/vnd.oci.image.index.v1+json" | del(.mediaType)
.config.mediaType = "application/vnd.docker.container.image.v1+json"
.mediaType = "application/vnd.docker.distribution.manifest.v2+json"
E
odd '.created = "2024-02-29T23:59:59.123456789+02:00" | .history = [{created: "2024-02-29T00:00:00-11:30"}, null]' .
odd '.author = null | .history = null | .Author2 = 5 | .config.Labels = {A: "1", a: "2"}' '.annotations = null'
seq $n | sed "s|.*|oci:$tmp/odd:odd&|" | xargs ducc-fetch -q -s "$S" "oci:$L:two" | ducc-unpack -q -s "$S" |
	ducc-publish -s "$S" -r "$R" >"$tmp/published" 2>"$tmp/err" || :
is "images with members of other types are published" "$(wc -l <"$tmp/published")" $((n + 1))
is "... but not available in Podman, with a warning" "$(grep -c 'not available in Podman: \(config\|manifest\): ' "$tmp/err")" $((n - 2))
ok "... and podman lists the others" podman_on "$P" images --format '{{.Repository}}'
is "... and those that have a time of another zone, or odd members of no type" "$(grep odd "$out" | sort)" "localhost/odd$((n - 1))
localhost/odd$n"

# A manifest with another one's config: what it says is its own.
printf 'layer\ndir ./\nfile twin\n' | image attacker . '.annotations = {evil: "1"}'
printf 'layer\ndir ./\nfile twin\n' | image victim
ok "two manifests of one config" publish "oci:$tmp/odd:attacker" "oci:$tmp/odd:victim"
inspect() {
	podman_on "$P" image inspect --format '{{.Digest}} {{json .Annotations}} {{.RepoDigests}}' "localhost/$1:latest" 2>&1
}
digest=$(jq -r '.manifests[] | select(.annotations[] == "victim").digest' "$tmp/odd/index.json")
is "... are two images" "$(inspect victim)" "$digest {} [localhost/victim@$digest]"
like "... of which one has what it says" "$(inspect attacker)" '"evil":"1"'
before=$(cat "$P/overlay-images/images.json")
ok "... published again" publish "oci:$tmp/odd:victim" "oci:$tmp/odd:attacker"
is "... they stay as they are" "$(cat "$P/overlay-images/images.json")" "$before"

# A name that goes to an image that Podman can't have is not left to the one before.
odd '.author = 6' .
cp "$tmp/odd/index.json" "$tmp/index.json"
jq --arg n odd$n '.manifests |= map(select(.annotations[] != "victim"))
	| (.manifests[] | select(.annotations[] == $n).annotations[]) = "victim"' "$tmp/index.json" >"$tmp/odd/index.json"
ok "a name moves to an image that is not available in Podman" publish "oci:$tmp/odd:victim"
fails "... and leads nowhere there" podman_on "$P" image inspect localhost/victim:latest

# Nor is one left that an earlier version has listed, though Podman can't have it.
odd '.author = 7' .
id=$(jq -r '.config.digest[7:]' "$tmp/odd/part/manifest")
mkdir "$P/overlay-images/$id"
cp "$tmp/odd/blobs/sha256/$id" "$P/overlay-images/$id/=$(printf 'sha256:%s' "$id" | base64 -w 0)"
cp "$tmp/odd/part/manifest" "$P/overlay-images/$id/manifest"
cp "$P/overlay-images/images.json" "$tmp/images.json"
jq -c --arg i "$id" --arg n "localhost/odd$n:latest" --arg d "$(digest_of "$tmp/odd/part/manifest")" '. + [{id: $i, digest: $d, names: [$n],
	created: "2020-01-01T00:00:00Z", "big-data-names": ["sha256:\($i)", "manifest"], "big-data-digests": {manifest: $d}}]' \
	"$tmp/images.json" >"$P/overlay-images/images.json"
fails "an image that an earlier version has listed keeps podman from all" podman_on "$P" images
ok "... until it is published again" publish "oci:$tmp/odd:odd$n"
ok "... then podman lists the others" podman_on "$P" images

# One layer, compressed twice: each image has its own, and keeps it when the other one goes.
for how in gzip zstd; do
	{
		echo "layer $how"
		printf 'dir ./\ndir bin\nfile name data=same\n'
	} | image $how ".author = \"$how\""
done
ok "two images of one layer that is compressed in two ways" publish "oci:$tmp/odd:gzip" "oci:$tmp/odd:zstd"
targets() { # what layers' links lead to, and is not there
	for link in "$P"/overlay/*/diff; do
		[ -d "$link/" ] || readlink "$link"
	done
}
is "... have it each" "$(for link in "$P"/overlay/*/diff; do [ ! -e "$link/name" ] || readlink "$link"; done | sort -u | wc -l)" 2
ok "one goes" ducc-gc -f -q -g 0 -s "$S" -r "$R" --keep http://localhost/zstd:latest
is "... and the other one has all that it had" "$(targets)" ""
ok "... the next time, what was in no list goes, too" ducc-gc -f -q -g 0 -s "$S" -r "$R" --keep http://localhost/zstd:latest

# The same through CernVM-FS, or what stands in for it
stand_in
n=test.example.org
cvmfs_server mkfs $n
ducc-fetch -q -s "$S" "oci:$L:two" "oci:$L:base" | ducc-unpack -q -s "$S" >"$tmp/records"
ok "images in a CernVM-FS repository" ducc-publish -q -s "$S" -r $n <"$tmp/records"
is "... lead podman to where clients mount it" "$(readlink "$tmp/sys/cvmfs/$n"/podmanStore/overlay/*/diff | grep -cv "^/cvmfs/$n/.layers/../[0-9a-f]*/layerfs$")" 0
ok "... the repository is sound" cvmfs_server check $n
# A client's mount point, which nobody else sees. It is made for that, by one test at a time.
exec 9</
flock 9
[ -d /cvmfs ] || { mkdir /cvmfs; at_exit "rmdir /cvmfs"; }
on_client() { # NAME IMAGE FILE..., or NAME - ARGUMENT...
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m --propagation private sh -ec '
		mount -t tmpfs tmpfs /cvmfs
		tree=$(readlink -f "$1") top=$2 tmp=$3 store=/cvmfs/$4/podmanStore image=$5
		mkdir "/cvmfs/$4"
		mount --bind "$tree" "/cvmfs/$4"
		. "$top/t/podman.sh"
		shift 5
		[ "$image" != - ] || { podman_on "$store" "$@"; exit; }
		podman_run "$store" "$image" /bin/busybox cat "$@"' \
		sh "$tmp/sys/cvmfs/$1" "$top" "$tmp" "$@"
}
is "... and podman runs them there" "$(on_client $n localhost/two:latest /more 2>&1)" more

# What the manual says about it
printf 'FROM localhost/two:latest\nRUN echo built >/built\n' >"$tmp/Dockerfile"
ok "an image is built on one in CernVM-FS" \
	on_client $n - build -q --isolation chroot -t localhost/built:1 -f "$tmp/Dockerfile" "$tmp/more"
ok "... that is compared with its base" on_client $n - image diff localhost/two:latest
fails "... one in a directory is not" podman_on "$P" image diff localhost/zstd:latest
like "... whose links are relative" "$(cat "$out")" "linkpath must be absolute"
awk '/^\.Ed/ { exit } on { print } /^\.Bd/ { on = 1 }' "$top/man/ducc-repository.5" >"$tmp/storage.conf"
m=$(sed -n 's,.*"/cvmfs/\([^/]*\)/podmanStore".*,\1,p' "$tmp/storage.conf")
cvmfs_server mkfs "$m"
ok "the repository of the manual" ducc-publish -q -s "$S" -r "$m" <"$tmp/records"
podman_storage=$tmp/storage.conf
export podman_storage
is "... podman runs its images with the configuration there" "$(on_client "$m" localhost/two:latest /more 2>&1)" more
unset podman_storage

# Podman up to 4.3 stacks no more than 128 layers, in one page of mount options.
{
	printf 'layer plain\ndir ./\ndir bin\nfile bin/busybox mode=0755 from=%s\n' "$(command -v busybox)"
	seq 127 | sed 's|.*|layer plain\nfile last data=&|'
} | image deep
ducc-fetch -q -s "$S" "oci:$tmp/odd:deep" | ducc-unpack -q -s "$S" >"$tmp/deep"
ok "an image of 128 layers" ducc-publish -q -s "$S" -r $n <"$tmp/deep"
is "... podman runs it as well" "$(on_client $n localhost/deep:latest /last 2>&1)" 127
no_differences $n

# Earlier versions gave longer names to layers.
perl -MDigest::SHA=sha256 -e '
	chdir shift or die;
	my %name;
	for my $id (map { m|([^/]{64})/link$| } glob "*/link") {
		my $letters = join "", "A" .. "Z", 2 .. 7;
		my $name = join "", map { substr $letters, $_ % 32, 1 } unpack "C26", sha256 $id;
		my ($old) = do { open my $f, "<", "$id/link" or die; <$f> =~ m|([^/]+)$| };
		$name{$old} = $name;
		rename "l/$old", "l/$name" or die;
		open my $f, ">", "$id/link" or die;
		print $f $name;
	}
	for my $file (glob "*/lower") {
		my $text = do { open my $f, "<", $file or die; <$f> };
		open my $f, ">", $file or die;
		print $f join ":", map { m|([^/]+)$|; "l/$name{$1}" } split /:/, $text;
	}' "$tmp/sys/cvmfs/$n/podmanStore/overlay"
(cd "$tmp/sys/cvmfs/$n" && rm .l podmanStore/ducc-links && sed -i 's/,"ducc-link":"[^"]*"//' podmanStore/overlay-layers/layers.json)
is "a store of an earlier version: podman runs what is there" "$(on_client $n localhost/two:latest /more 2>&1)" more
no_differences $n
umoci tag --image "$L:two" three
add_layer "$L:three" "$tmp/owned"
ducc-fetch -q -s "$S" "oci:$L:three" | ducc-unpack -q -s "$S" >"$tmp/three"
ok "... an image is published with layers of those" ducc-publish -q -s "$S" -r $n <"$tmp/three"
is "... and runs" "$(on_client $n localhost/three:latest /more /owned/file 2>&1)" "more
mine"
is "... podman still runs what was there" "$(on_client $n localhost/two:latest /more 2>&1)" more
is "... the new layer has a short name" "$(find "$tmp/sys/cvmfs/$n/podmanStore/overlay/l" -mindepth 1 -name "?" | wc -l)" 1
no_differences $n
ok "... images are removed" ducc-gc -f -q -g 0 -s "$S" -r $n --keep http://localhost/three:latest
no_differences $n
is "... with the names of their layers" "$(ls "$tmp/sys/cvmfs/$n/podmanStore/overlay/l" | wc -l)" 6

no_differences "$tmp/repo" $n

done_testing
