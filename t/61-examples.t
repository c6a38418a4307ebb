#!/bin/sh
# The examples of the manuals run as they are printed there, but for the names of servers; those of ducc-recipe(5) and
# ducc-hook(1) have their place in the tests of wish lists and webhooks.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need bash busybox curl docker-registry jq nginx skopeo umoci

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

# example PAGE NUMBER: as a script
example() {
	awk -v n="$2" '/^\.Sh/ { section = $2 } /^\.Ed/ { on = 0 } on { print }
		/^\.Bd/ && (section == "EXAMPLES" || FILENAME ~ /migrate/) && ++i == n { on = 1 }' "$top/man/$1" |
		sed "s/^\\\$ //; s/\\\\e/\\\\/g; s,https://example\\.org/,http://$nginx/,; s,registry\\.example\\.org,$registry,
			s,quay\\.io,$registry,"
}
# runs PAGE NUMBER: that example
runs() {
	example "$1" "$2" >"$tmp/script"
	[ -s "$tmp/script" ] && (cd "$tmp/work" && bash -e -o pipefail "$tmp/script")
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
is "... these are all" "$(example ducc-wish.1 7)" ""

ok "ducc-thin(1): an image is published and its thin image pushed" runs ducc-thin.1 1
ok "... where it is said" manifest_of "$registry/thin/alpine:3.19"
ok "... what would be pushed" runs ducc-thin.1 2
like "... refers to layers that are there" "$(cat "$out")" 'cvmfs://unpacked.example.org/.layers/'
is "... these are all" "$(example ducc-thin.1 3)" ""

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
is "... the others are scheduled, which are none" "$(cat "$out")" ""
ok "... the store is cleaned" runs ducc-gc.1 6
is "... these are all" "$(example ducc-gc.1 7)" ""

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
is "... these are all" "$(example ducc-ls.1 6)" ""
push "$tmp/layout:image" "$registry/library/alpine:3.20"

ok "ducc-convert(1): a recipe" runs ducc-convert.1 1
like "... with a summary" "$(cat "$out")" "2 unchanged"
rm -r "$tmp/work/repo"
ok "... a plain list into a directory" runs ducc-convert.1 2
ok "... indeed" published "$tmp/work/repo" alpine:3.19 alpine:3.20 debian:12
ok "... what a recipe would do" runs ducc-convert.1 3
like "... nothing" "$(cat "$out")" "2 unchanged, 0 failed, 0 removed \(dry run\)"

ok "ducc-migrate(7): a part of the list" runs ducc-migrate.7 1
like "... is published" "$(cat "$out")" "^part: .* 0 failed, 0 removed"
ok "... all of it, elsewhere" runs ducc-migrate.7 2
is "... as it should be" "$(sed -n '/^PLATFORM/,$p' "$out" | sed 's/.*library.//')" "PLATFORM          SIZE MB  SINCE             IMAGE
alpine:3.19
alpine:3.20"
ok "... then in its repository" runs ducc-migrate.7 3
like "... after a dry run" "$(cat "$out")" "dry run"
is "... these are all" "$(example ducc-migrate.7 4)" ""

done_testing
