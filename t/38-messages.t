#!/bin/sh
# What users get wrong, and what they are told then; where credentials are found.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry htpasswd jq nginx openssl setpriv skopeo umoci

S=$tmp/store
creds=$registry_user:$registry_password
make_image "$tmp/oci" app
cd "$tmp"
# says TITLE PATTERN COMMAND...: it fails, and says this in one line
says() {
	says_title=$1 says_pattern=$2
	shift 2
	fails "$says_title" "$@"
	like "... is explained" "$(cat "$out")" "$says_pattern"
	is "... in one line" "$(wc -l <"$out")" 1
}
wanted() { # IMAGE: what ducc-wish makes of it
	echo "$1" | ducc-wish - 2>&1
}

# Names
is "docker:// is a prefix" "$(wanted docker://alpine)" https://registry.hub.docker.com/library/alpine:latest
is "... with a registry, too" "$(wanted docker://localhost:5000/a/b:c)" http://localhost:5000/a/b:c
is "... and a repository on Docker Hub" "$(wanted docker://org/app:1)" https://registry.hub.docker.com/org/app:1
id=$(printf %064d 7)
touch app.tar
says "a repository in upper case" 'not a repository: Team/App \(must be lower case\)' ducc-fetch -s "$S" example.org/Team/App:1
says "an image ID" 'an image ID, not a name: use `podman save' ducc-fetch -s "$S" "$id"
says "a digest alone" 'an image ID, not a name: use `podman save' ducc-fetch -s "$S" "sha256:$id"
says "a file" 'a file, not an image: .* docker-archive:./app.tar or oci-archive:./app.tar' ducc-fetch -s "$S" ./app.tar
says "a file without a slash" 'a file, not an image: ' ducc-fetch -s "$S" app.tar
says "a directory" "a directory, not an image: .* oci:$tmp/oci" ducc-fetch -s "$S" "$tmp/oci"
mkdir plain-directory
printf 'example.org/app:1\n' | tee list.txt >recipe.yaml
says "a directory that is no layout" 'plain-directory: a directory, not an image$' ducc-fetch -s "$S" ./plain-directory
says "a list" 'list.txt: a file, not an image: for a list or recipe, use `ducc-wish list.txt \| ducc-fetch' ducc-fetch -s "$S" list.txt
says "a recipe" 'a file, not an image: .*`ducc-wish recipe.yaml \|' ducc-fetch -s "$S" recipe.yaml
rm -r plain-directory recipe.yaml list.txt
says "a registry" 'localhost:5000: a registry, not an image' ducc-fetch -s "$S" localhost:5000
says "... with a slash" 'localhost:5000/: a registry, not an image' ducc-fetch -s "$S" localhost:5000/
says "... with a domain" 'a registry, not an image' ducc-fetch -s "$S" registry.example.org:5000
says "a slash at the end" 'not a repository: org/app/ \(must not end with a slash\)' ducc-fetch -s "$S" quay.io/org/app/
says "docker: without slashes" 'docker: is not a prefix: write docker://localhost:5000/x' ducc-fetch -s "$S" docker:localhost:5000/x
is "... may be a host" "$(wanted docker:5000/a/b:c)" https://docker:5000/a/b:c
is "... or an image" "$(wanted docker:20)" https://registry.hub.docker.com/library/docker:20
says "a comment" 'a comment follows alpine:3.19 \(expand the list with ducc-wish\)' ducc-fetch -s "$S" "alpine:3.19  # the small one"
says "a blank before a field" 'a blank follows alpine:3.19: fields are separated by tabs' ducc-fetch -s "$S" "alpine:3.19 platform=linux/arm64"
fails "an image as a list" ducc-wish alpine:3.19
like "... is none" "$(cat "$out")" 'ducc-wish: alpine:3.19: a list is expected, not an image \(.*echo alpine:3.19 \| ducc-wish\)'
says "no file" 'a path, not an image: No such file' ducc-fetch -s "$S" ../nowhere/app.tgz
says "an image in Podman's store" 'podman save IMAGE \| ducc-fetch docker-archive:-' ducc-fetch -s "$S" containers-storage:app
says "an image of a Docker daemon" 'docker save IMAGE \| ducc-fetch docker-archive:-' ducc-fetch -s "$S" docker-daemon:app:1

# Standard input
given() { # FILE TOOL...
	given_file=$1
	shift
	"$@" <"$given_file"
}
: >empty.tar
head -c 10240 /dev/zero >zeros.tar
for archive in empty zeros; do
	for kind in docker oci; do
		says "$kind-archive of $archive" 'standard input: empty archive$' given $archive.tar ducc-fetch -s "$S" $kind-archive:-
	done
done
mkdir other
echo '{}' >other/manifest.json
tar -cf other.tar -C other manifest.json
says "what docker save does not write" 'other.tar: incomplete, or not a docker save archive: ' ducc-fetch -s "$S" docker-archive:other.tar
umoci init --layout tags
umoci new --image tags:1.0
umoci new --image tags:version
ok "an image with the name of a tag" ducc-fetch -s "$S" oci:tags:1.0
like "... is suspected" "$(cat "$out")" 'oci:tags:1.0: the source names the image only 1.0, so it becomes localhost/1.0:latest: append =NAME'
ok "... one with a name is not" ducc-fetch -s "$S" oci:tags:1.0=app:1.0
ok "... nor any other" ducc-fetch -s "$S" oci:tags:version
is "... so nothing is said" "$(grep -c warning "$out")" 0
rm app.tar
skopeo copy -q --insecure-policy "oci:$tmp/oci:app" "docker-archive:$tmp/app.tar:app:1"
gzip -c app.tar >app.tar.gz
printf '\n# wanted\n---\nversion: 1\ninput:\n  - alpine\n  - debian\n' >recipe.yaml
grep -v '^$\|^#' recipe.yaml >recipe
for tool in ducc-fetch ducc-unpack ducc-publish ducc-gc; do
	says "$tool of an archive" 'standard input: an archive, not a list of images' given app.tar $tool -s "$S" -r ./repo
	says "$tool of a recipe" 'standard input: a recipe, not a list of images .*ducc-wish' given recipe $tool -s "$S" -r ./repo
done
says "a compressed one" 'standard input: an archive' given app.tar.gz ducc-fetch -s "$S"
printf '\177ELF\0\nalpine\na\0b\n' >binary
fails "binary data" given binary ducc-fetch -s "$S"
is "... are reported once" "$(cat "$out")" "ducc-fetch: standard input: binary data, not a list of images"
fails "a recipe that begins with a comment" given recipe.yaml ducc-fetch -s "$S"
is "... is noticed, too" "$(grep -c '^ducc-fetch: standard input: a recipe' "$out")" 1
printf '\357\273\277oci:%s:app\tnote=a: b\n' "$tmp/oci" >list
ok "a list with a byte order mark is none of that" given list ducc-fetch -s "$S"

# Two images for one directory
umoci tag --image "$tmp/oci:app" other
both() {
	ducc-fetch -q -s "$S" "oci:$tmp/oci:app=app:1" "oci:$tmp/oci:other=app:2" | ducc-unpack -q -s "$S" -x both
}
fails "two images for one directory" both
like "... the second one is refused" "$(cat "$out")" ': both is not empty: each image needs a directory of its own$'
is "... the first one is extracted" "$(grep -c '^http' "$out")" 1

# Repositories
says "a path below /cvmfs" 'repository /cvmfs/unpacked.example.org: .* write unpacked.example.org' \
	ducc-gc -a -r /cvmfs/unpacked.example.org
is "... is not made" "$(ls -d /cvmfs/unpacked.example.org 2>/dev/null)" ""
says "a subdirectory of a CernVM-FS repository" 'repository unpacked.example.org/team: subdirectories .* write ./unpacked.example.org/team' \
	ducc-gc -a -r unpacked.example.org/team
given_record() { # TOOL...
	printf 'oci:%s:app\trepo=unpacked.example.org/team\n' "$tmp/oci" | "$@"
}
says "... in a field" 'repository unpacked.example.org/team: subdirectories' given_record ducc-fetch -s "$S"
says "... that ducc-publish reads" 'repository unpacked.example.org/team: subdirectories' given_record ducc-publish -s "$S"
is "... is not made" "$(ls -d unpacked.example.org 2>/dev/null)" ""
publish_in() { # REPOSITORY
	ducc-fetch -q -s "$S" "oci:$tmp/oci:app" | ducc-unpack -q -s "$S" | ducc-publish -q -s "$S" -r "$1"
}
ok "./ makes it a directory" publish_in ./unpacked.example.org/team
ok "... and a dot that begins a name" publish_in .hidden.d/team
ok "a directory is none" publish_in plain/team
mkdir -p web/.well-known new/lost+found nothing
echo hello >web/index.html
for tool in check ls "gc -a"; do
	# shellcheck disable=SC2086
	says "ducc-$tool of other files" 'repository ./web: not a repository: contains other files, such as index.html$' ducc-$tool -r ./web
	is "... no wrong usage" "$tap_status" 1
done
says "an image layout" "repository $tmp/oci: not a repository" ducc-check -r "$tmp/oci"
says "publishing among other files" 'repository ./web: not a repository: .* \(a new repository needs an empty directory\)' publish_in ./web
is "... changes nothing" "$(find web -mindepth 1 | sort | xargs)" "web/.well-known web/index.html"
ok "a file system of its own" publish_in ./new
ok "... is a repository with other files, too" sh -c 'touch new/index.html && ducc-check -r ./new'
for tool in "check -q" "ls -q" "gc -q -a" "gc -q --remove" "gc -q -S -g 0 -s $S"; do
	# shellcheck disable=SC2086
	says "ducc-$tool of an empty directory, as of one that is not mounted" \
		'repository ./nothing: nothing is published in it: is its file system mounted\?$' ducc-$tool -r ./nothing </dev/null
	is "... fails" "$tap_status" 1
done
is "... and writes nothing there" "$(find nothing -mindepth 1)" ""
says "cleaning the store after a repository that does not exist" 'repository ./typo does not exist$' ducc-gc -q -S -g 0 -s "$S" -r ./typo
mkdir nothing/.metadata
for tool in check ls "gc -a"; do
	# shellcheck disable=SC2086
	ok "... ducc-$tool of an empty repository does not" ducc-$tool -q -r ./nothing
done
if [ "$(id -u)" = 0 ]; then
	chmod 755 "$tmp"
	mkdir -m 755 closed
	says "a store that cannot be made" 'store: closed/store: Permission denied' setpriv --reuid 65534 --regid 65534 --clear-groups \
		ducc-fetch -s closed/store "oci:$tmp/oci:app"
fi

# status STATUS TITLE COMMAND...
status() {
	status_wanted=$1 status_got=0 status_title=$2
	shift 2
	"$@" >"$out" 2>&1 || status_got=$?
	is "$status_title is a usage error" $status_got "$status_wanted"
}
status 2 "no repository" ducc-ls
is "... names no field" "$(cat "$out")" 'ducc-ls: no repository: use -r or $DUCC_REPO'
status 2 "a repository as an image" ducc-ls new
like "... is suspected" "$(cat "$out")" 'did you mean -r ./new\?'
for tool in ls check; do
	says "ducc-$tool of a repository without a slash" 'repository new is not mounted here \(.* contains a slash: ./new\)' ducc-$tool -r new
done
status 2 "a repository as an image to keep" ducc-gc -a ./new
like "... is not one" "$(cat "$out")" './new: --all takes no images; a repository is given with -r'
status 2 "an image to clean the store of" ducc-gc -S app
like "... is too much" "$(cat "$out")" 'app: --clean-store takes no images'
for options in "-a -M 1K" "-S -C" "-S -f" "-S -m 1" "-S -w 1" "-S --wishes $tmp/none"; do
	# shellcheck disable=SC2086 # several words
	status 2 "ducc-gc $options, options of both forms" ducc-gc -s "$S" -r ./new $options
done
for number in ' -18446744073709551615' ' 1' +1 -1 ''; do
	status 2 "a size that is none: '$number'" ducc-gc -S -s "$S" -M "$number"
	status 2 "... as a limit" ducc-fetch -s "$S" -l "layers=$number" app
	status 2 "a number that is none: '$number'" ducc-fetch -s "$S" -j "$number" app
done
for option in --help --version; do
	fails "$option on a full disk" sh -c 'ducc-ls "$1" >/dev/full' - $option
	is "... says so" "$(cat "$out")" 'ducc-ls: standard output: No space left on device'
done
for tool in ls check; do
	says "ducc-$tool of an image that is not there" 'registry.hub.docker.com/sci/app:1.0: not in repository ./new' ducc-$tool -r ./new sci/app:1.0
done

# A registry that wants credentials, and one that hides behind TLS
start_registry htpasswd
push "$tmp/oci:app" "$registry/team/app:1" --dest-creds "$creds"
image=$registry/team/app:1
half() { # VARIABLE=VALUE...: with credentials in the environment, of which some may be missing
	env DUCC_AUTH_REGISTRIES=a,priv DUCC_a_IDENT=a.example.org DUCC_a_PROXY=b.example.org "$@" ducc-fetch -s "$S" "$image"
}
fails "credentials without a password" half DUCC_priv_IDENT="$registry" DUCC_priv_USER=me
like "... which variable is missing" "$(cat "$out")" 'warning: .*DUCC_AUTH_REGISTRIES: DUCC_priv_PASS is not set'
is "... once" "$(grep -c 'is not set' "$out")" 1
fails "... without a user" half DUCC_priv_IDENT="$registry" DUCC_priv_PASS=x
like "... nor that" "$(cat "$out")" 'DUCC_priv_USER is not set'
fails "... and for no registry" half DUCC_priv_USER=me DUCC_priv_PASS=x
like "... nor that" "$(cat "$out")" 'DUCC_priv_IDENT is not set'
says "no credentials" "no credentials for $registry \(use .podman login --tls-verify=false $registry.; -vv .*401, authentication required$" ducc-fetch -s "$S" "$image"
auth() { # PASSWORD: the file that `podman login' writes
	jq -nc --arg h "$registry" --arg c "$registry_user:$1" '{auths: {($h): {auth: ($c | @base64)}}}'
}
mkdir -p "$HOME/.docker"
auth wrong >"$HOME/.docker/config.json"
says "a wrong password" "as user $registry_user \(credentials from $HOME/.docker/config.json\): .*401" ducc-fetch -s "$S" "$image"
fails "-vv" ducc-fetch -v -v -s "$S" "$image"
is "... lists the files that were read" "$(sed -n "s|^ducc-fetch: $image: credentials for $registry/team/app: ||p" "$out" | tr '\n' ' ')" \
	"$HOME/run/containers/auth.json: no such file $HOME/.config/containers/auth.json: no such file $HOME/.docker/config.json: found "
auth "$registry_password" >"$HOME/.docker/config.json"
ok "the right one" ducc-fetch -s "$S" "$image"
cat >"$tmp/registries.conf" <<END
[[registry]]
prefix = "docker.io"
location = "$registry"
insecure = true
END
hub() { # IMAGE: of Docker Hub, which this registry is now
	CONTAINERS_REGISTRIES_CONF=$tmp/registries.conf ducc-fetch -s "$S" "$1"
}
says "an image ID as tools show it, if there is no such image" 'for an image ID, use `podman save ID \| ducc-fetch docker-archive:-=NAME.: ' \
	hub 3f5ef9003cef
touch images
says "the name of a list, too" 'for a list or recipe, use `ducc-wish images \| ducc-fetch.: ' hub images
rm images
says "... but not of no file" '^ducc-fetch: images: (there is no|manifest: )' hub images
says "no such tag" "there is no http://$registry/team/app:latest: .*404" ducc-fetch -s "$S" "$registry/team/app"
says "... that was given" "^ducc-fetch: $registry/team/app:2: does not exist: manifest: .*404" \
	ducc-fetch -s "$S" "$registry/team/app:2"

# Services have no $HOME: the passwd database has it. Root's Podman keeps credentials in /run/containers/0.
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	home=$(getent passwd 0 | cut -d: -f6)
	mkdir -p "$tmp/etc/.docker" "$tmp/runs/containers/0" "$tmp/runs/user/0/containers"
	# in_private MOUNT WHERE COMMAND...: with the directory MOUNT at WHERE
	in_private() {
		unshare -m sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' sh "$@"
	}
	cp "$HOME/.docker/config.json" "$tmp/etc/.docker"
	ok "without HOME, root's home directory counts" in_private "$tmp/etc" "$home" env -u HOME ducc-fetch -s "$tmp/s1" "$image"
	rm "$HOME/.docker/config.json"
	auth "$registry_password" >"$tmp/runs/containers/0/auth.json"
	ok "without XDG_RUNTIME_DIR, /run/containers/0 counts" in_private "$tmp/runs" /run env -u XDG_RUNTIME_DIR ducc-fetch -s "$tmp/s2" "$image"
	fails "... but not with it" in_private "$tmp/runs" /run ducc-fetch -s "$tmp/s3" "$image"
	mv "$tmp/runs/containers/0/auth.json" "$tmp/runs/user/0/containers"
	ok "... and /run/user/0, too" in_private "$tmp/runs" /run env -u XDG_RUNTIME_DIR ducc-fetch -s "$tmp/s4" "$image"
	ok "... where skopeo finds them" in_private "$tmp/runs" /run env XDG_RUNTIME_DIR=/run/user/0 \
		skopeo inspect --tls-verify=false "docker://$image"
fi

# TLS
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
	-keyout tls.key -out tls.crt 2>/dev/null
new_port
tls=127.0.0.1:$port
start_nginx <<END
server { listen $tls ssl; ssl_certificate $tmp/tls.crt; ssl_certificate_key $tmp/tls.key;
	location /v2/ { return 404 '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'; } }
server { @LISTEN@ location /v2/ { return 404; } }
END
says "https for a registry without TLS" "the server does not use TLS: write http://$nginx" ducc-fetch -q -s "$S" "https://$nginx/a"
says "http for one with TLS" 'the server uses TLS: write https://' ducc-fetch -q -s "$S" "http://$tls/a"
says "a certificate of nobody" "certificate.* add the certificate as /etc/containers/certs.d/$tls/ca.crt" ducc-fetch -q -s "$S" "https://$tls/a"
mkdir -p "$HOME/.config/containers/certs.d/$tls"
cp tls.crt "$HOME/.config/containers/certs.d/$tls/ca.crt"
says "... with it" "there is no https://$tls/a:latest" ducc-fetch -q -s "$S" "https://$tls/a"

done_testing
