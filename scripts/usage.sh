# usage.sh: the answer of scripts to --help, and to wrong arguments.
# shellcheck shell=sh

# usage SYNOPSIS [ARGUMENT...]: print it, and exit: 0 if the first argument asks for that, otherwise 2.
usage() {
	case ${2-} in
	-h | --help)
		echo "usage: $1"
		exit
		;;
	esac
	echo "usage: $1" >&2
	exit 2
}
