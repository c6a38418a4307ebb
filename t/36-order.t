#!/bin/sh
# Images that share layers on different bases, unpacked and published in any order, together or not, removed and published
# again: each is what umoci unpacks, whatever was first, in a directory and in CernVM-FS. $SETS is how many sets of images
# for each, from the seed $SEED on.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=corpus.sh source=trees.sh

# shellcheck source=inside.sh
. "${0%/*}/inside.sh"
. "${0%/*}/lib.sh"
. "${0%/*}/corpus.sh"
. "${0%/*}/trees.sh"
need jq umoci zstd

S=$tmp/store
n=test.example.org
stand_in
corpus=$tmp/corpus

# new_repository: $repository is its name, $R where it is, $kept how trees are compared.
new_repository() {
	rm -rf "$S" "$tmp/repo" "$tmp/sys"
	mkdir "$tmp/sys"
	kept=
	case $repository in
	"$n")
		R=$tmp/sys/cvmfs/$n
		kept=-c
		cvmfs_server mkfs "$n" ;;
	*)	R=$repository ;;
	esac
}

# make_images SEED: those of t/mkshared, with what umoci makes of each in $tmp/want, and $tmp/plan.
make_images() {
	rm -rf "$tmp/want" "$tmp/spec" "$tmp/chains"
	new_repository || return
	mkdir "$tmp/want" "$tmp/spec" "$tmp/chains"
	corpus "$corpus"
	"$top/t/mkshared" "$1" | awk -v dir="$tmp/spec/" -v plan="$tmp/plan" '
		$1 == "image" { out = dir $2; next }
		$1 == "plan" { out = plan; sub(/plan /, "") }
		{ print >out }'
	images=$(ls "$tmp/spec")
	for i in $images; do
		image "$i" <"$tmp/spec/$i"
		jq -r '.layers[].digest[7:]' "$corpus/part/manifest" >"$tmp/spec/$i.layers"
		umoci --log=fatal raw unpack --image "$corpus:$i" "$tmp/want/$i" || return
		# Directories that no layer names have the time of the day, from umoci: options for treecmp.
		(cd "$tmp/want/$i" && find . -type d -newermt @1710000000 -printf '-i %P\n' | sed 's/-i $/-i ./') >"$tmp/want/$i.implied"
	done
	for i in $images; do echo "oci:$corpus:$i"; done | ducc-fetch -q -s "$S" >"$tmp/records"
}

records() { for i; do grep "localhost/$i:" "$tmp/records"; done; }

is_published() { [ -L "$R/localhost/$1:latest" ]; }

# A layer directory is exactly what an image says if that was the first one published with it, and all others have had the
# same layers below it. $tmp/chains/LAYER has the layers up to this one of the first, or `several'.
forget_chains() { # of layers that are not published
	for chains in "$tmp/chains"/*; do
		layer=${chains##*/}
		[ -d "$R/.layers/${layer%"${layer#??}"}/$layer" ] || rm -f "$chains"
	done
}
note_chains() { # NUMBER
	chain=
	while read -r layer; do
		chain=$chain$layer
		chains=$tmp/chains/$layer
		[ ! -e "$chains" ] || [ "$(cat "$chains")" = "$chain" ] || chain_of=several
		echo "${chain_of-$chain}" >"$chains"
		unset chain_of
	done <"$tmp/spec/$1.layers"
}
is_exact() { # NUMBER
	chain=
	while read -r layer; do
		chain=$chain$layer
		[ "$(cat "$tmp/chains/$layer")" = "$chain" ] || return
	done <"$tmp/spec/$1.layers"
}

# What others have added hides nothing, and shows nothing that is hidden; but there may be directories in addition.
files_of() { find "$1" ! -type d ! -type c -printf '%P\n' | sort; }

check_stack() { # NUMBER
	if is_exact "$1"; then
		exact=$((exact + 1))
		# shellcheck disable=SC2046,SC2086 # options
		same_stack "$R" "localhost/$1:latest" "$tmp/s" $kept $(cat "$tmp/want/$1.implied") "$tmp/want/$1"
	else
		stack "$R" "localhost/$1:latest" "$tmp/s" || return
		files_of "$tmp/want/$1" >"$tmp/files"
		files_of "$tmp/s/stack" | diff "$tmp/files" -
	fi
}

check_image() { # NUMBER
	echo "image $1:"
	# shellcheck disable=SC2046,SC2086 # options
	same_flat $kept $(cat "$tmp/want/$1.implied") "$tmp/want/$1" "$R/localhost/$1:latest" || return
	check_stack "$1"
	status=$?
	umount "$tmp/s/stack" 2>/dev/null || :
	rm -rf "$tmp/s"
	return $status
}

do_step() { # publish|unpack|remove|forget [NUMBER...]
	step=$1
	shift
	case $step in
	unpack)
		# Without a look at the repository at times: then the layers are unpacked again.
		where=$repository
		[ $(($1 % 2)) = 0 ] || where=$tmp/none
		records "$@" | ducc-unpack -s "$S" -r "$where" ;;
	publish)
		forget_chains
		for i; do
			is_published "$i" || note_chains "$i"
		done
		records "$@" | ducc-publish -s "$S" -r "$repository" ;;
	remove)
		ducc-gc -r "$repository" --remove "localhost/$1:latest" ;;
	forget)
		rm -rf "$S/layers" ;;
	esac
}

check_all() {
	status=0
	for i in $images; do
		! is_published "$i" || check_image "$i" || status=1
	done
	return $status
}

[ -n "${SOAK-}" ] || SEED=${SEED-5}	# one in which layers of images that are not published matter
first=$(random_seed "${SEED-}")
sets=${SETS:-$(amount 1 100)}
exact=0
for seed in $(seq "$first" $((first + sets - 1))); do
	for repository in "$tmp/repo" $n; do
		note "t/mkshared $seed"
		ok "set $seed: images" make_images "$seed"
		while read -r step; do
			# shellcheck disable=SC2086 # words
			ok "set $seed: $step" do_step $step
			case $step in publish* | remove*) ok '... all are what umoci unpacks' check_all ;; esac
		done <"$tmp/plan"
		for i in $images; do is_published "$i" || echo "$i"; done >"$tmp/missing"
		is "set $seed: all are published" "$(cat "$tmp/missing")" ""
		no_differences "$repository"
	done
done
is 'layers that are exactly those of an image are stacked' "$([ $exact -gt 0 ] && echo yes)" yes
done_testing
