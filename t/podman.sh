# podman.sh: run real containers with podman from a published store. Sourced after lib.sh.
# shellcheck shell=sh
# shellcheck disable=SC2154 # lib.sh sets what is not set here

# podman_on STORE ARGUMENT...: root's podman with STORE as its only additional image store. All of
# its own state is in $tmp/podman, or where the file $podman_storage, if set, has it; the repository that STORE is in is mounted read-only, as
# CernVM-FS is. Networks, cgroups, limits and events are those that a sandbox permits.
podman_on() {
	podman_store=$1
	shift
	podman_state=$tmp/podman
	mkdir -p "$podman_state"
	if [ -n "${podman_storage-}" ]; then
		cp "$podman_storage" "$podman_state/storage.conf"
	else
		cat >"$podman_state/storage.conf" <<-END
			[storage]
			driver = "overlay"
			graphroot = "$podman_state/root"
			runroot = "$podman_state/run"
			[storage.options]
			additionalimagestores = ["$podman_store"]
		END
	fi
	cat >"$podman_state/containers.conf" <<-END
		[containers]
		cgroups = "disabled"
		netns = "none"
		default_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]
		log_driver = "k8s-file"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "none"
		lock_type = "file"
		runtime = "crun"
		tmp_dir = "$podman_state/tmp"
	END
	# The name of the repository is the store's without its last component.
	# shellcheck disable=SC2016 # for the inner shell
	CONTAINERS_STORAGE_CONF=$podman_state/storage.conf CONTAINERS_CONF=$podman_state/containers.conf \
		unshare -m --propagation private sh -ec '
		repo=$1
		shift
		while umount /sys/fs/cgroup 2>/dev/null; do :; done
		mount -t cgroup2 cgroup2 /sys/fs/cgroup
		mkdir -p /var/lib/containers /run/containers
		mount -t tmpfs tmpfs /var/lib/containers # for the cache of blobs, which no option moves
		mount -t tmpfs tmpfs /run/containers
		mount --bind "$repo" "$repo"
		mount -o remount,bind,ro "$repo"
		[ "$1 $2" = "run --rm" ] || exec podman "$@"
		shift 2
		# What a container prints just before it ends may be lost on its way to whoever is attached, but not in its log.
		id=$(podman run -d "$@")
		status=$(podman wait "$id")
		podman logs "$id"
		podman rm "$id" >/dev/null
		exit "$status"' sh "${podman_store%/*}" "$@"
}

# podman_run STORE IMAGE COMMAND...: the command, in a container that goes away with it.
podman_run() {
	podman_run_store=$1
	shift
	podman_on "$podman_run_store" run --rm --pull never --entrypoint '[]' "$@"
}

# need_podman: skip the whole test where podman can't run a container at all.
need_podman() {
	need podman crun unshare busybox
	[ "$(id -u)" = 0 ] || skip_all "not root"
	mkdir -p "$tmp/none/store/overlay-images" "$tmp/none/store/overlay-layers" "$tmp/none/root/bin"
	: >"$tmp/none/store/overlay-images/images.lock"
	: >"$tmp/none/store/overlay-layers/layers.lock"
	cp "$(command -v busybox)" "$tmp/none/root/bin/true"
	podman_on "$tmp/none/store" run --rm --rootfs "$tmp/none/root:O" /bin/true >"$out" 2>&1 ||
		skip_all "podman doesn't run here: $(tail -n 1 "$out")"
}
