# trees.sh: send an image through the whole pipe and compare the trees that come out with a given one.
# Sourced after lib.sh, inside a mount namespace.
# shellcheck shell=sh
# shellcheck disable=SC2154 # lib.sh sets what is not set here

# convert SOURCE DIR TREE: SOURCE into the repository DIR/repo and the directory DIR/TREE, with more jobs than it has layers. Sets $name, what the
# repository calls it, and $hex, its digest.
convert() {
	ducc-fetch -s "$2/store" "$1" >"$2/fetched" &&
		ducc-unpack -j 8 -s "$2/store" -x "$2/$3" <"$2/fetched" >"$2/unpacked" &&
		ducc-publish -s "$2/store" -r "$2/repo" <"$2/unpacked" >"$2/published" &&
		name_of "$(cut -f 1 "$2/published")"
}

# name_of PINNED-REFERENCE: sets $name and $hex.
name_of() {
	hex=${1##*:}
	name=${1#*://}
	name=${name%@*}
	[ -n "$name" ] || { echo 'no image came out of the pipe'; return 1; }
}

# stack REPO NAME DIR: an overlay mount of the layers that the repository has for an image, at DIR/stack.
stack() {
	mkdir -p "$3/stack" "$3/lower/e" "$3/lower/f"		# overlayfs wants two directories at least
	touch -d @0 "$3/lower/e" "$3/lower/f"
	repo_path=$(realpath "$1")
	lower=
	for layer in $(jq -r '.layers[].digest' "$1/.metadata/$2/manifest.json" | tac | awk '!seen[$0]++'); do
		layer=${layer#sha256:}
		lower=$lower${layer%"${layer#????????????}"}:	# short names: the options of a mount fit a page
		ln -s "$repo_path/.layers/${layer%"${layer#??}"}/$layer/layerfs" "$3/lower/${layer%"${layer#????????????}"}"
	done
	(cd "$3/lower" && mount -t overlay -o "ro,lowerdir=${lower}e:f" overlay ../stack)
}

# same_flat [-i PATH]... WANT FLAT: the same but for what Singularity wants, which the flat tree may have in addition.
same_flat() {
	"$top/t/treecmp" -a .singularity.d -a '.singularity.d/*' -a singularity -a environment -a .exec -a .run -a .shell \
		-a .test -a dev -a proc -a sys -a tmp -a var -a var/tmp -a root -a home -a etc -a etc/hosts -a etc/resolv.conf "$@"
}

same() { "$top/t/treecmp" "$@"; }

# same_stack REPO NAME DIR [-i PATH]... WANT: the layers, stacked, are WANT.
same_stack() {
	stack "$1" "$2" "$3" || return
	stacked=$3/stack
	shift 3
	"$top/t/treecmp" "$@" "$stacked"
}

# What the publishing of an image again must not change.
state() { find "$1/store" "$1/repo" -printf '%p %i %n %m %s %T@ %C@ %l\n' | sort; }

unchanged() {
	state "$2" >"$2/before"
	convert "$1" "$2" tree2 || return
	state "$2" >"$2/after"
	diff "$2/before" "$2/after"
}

# described LISTING TREE: mtree(8) finds TREE as LISTING has it; it does not know the keywords of ducc.
described() { sed 's/ contents=[^ ]*//; s/ xattr\.[^ ]*//g' "$1" | mtree -p "$2"; }

# compare TITLE SOURCE WANT DIR [-i PATH]...: what becomes of SOURCE in DIR.
compare() {
	title=$1 source=$2 want=$3 dir=$4
	shift 4
	mkdir -p "$dir"
	name='' hex=''
	ok "$title: goes through" convert "$source" "$dir" tree
	[ -n "$name" ] || return 0
	ok "$title: unpacked with -x it is what umoci unpacks" same "$@" "$want" "$dir/tree"
	ok "$title: so is its flat tree" same_flat "$@" "$want" "$dir/repo/$name"
	ok "$title: so are its layers, stacked by overlayfs" same_stack "$dir/repo" "$name" "$dir" "$@" "$want"
	ok "$title: its listing describes it" same "$dir/store/images/$hex.mtree" "$dir/tree"
	ok "$title: and mtree reads the listing" described "$dir/store/images/$hex.mtree" "$dir/tree"
	ok "$title: published again, nothing changes" unchanged "$source" "$dir"
}
