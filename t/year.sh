# year.sh: a year of an unattended publisher. Sourced after lib.sh (and podman.sh) by the tests that say into which
# kind of repository. Tags appear, move and vanish in a real registry, lines come and go in the wish list, and each
# day the cron jobs run with the clock moved on; some days the registry fails half of its requests, the disk is full,
# or everything is killed. year.pl keeps the account of what there must be.
# YEAR_SEED repeats a run's events, YEAR_STEPS are the numbers of days from one run of the jobs to the next, in turn: some
# weeks, or one day with $SOAK. Twice two weeks are shorter than the grace period of 30 days, which is not to end too early.
# shellcheck shell=sh
# shellcheck disable=SC2154 # lib.sh sets what is not set here

# live_through REPOSITORY PATH: PATH is where it can be read
live_through() {
	start_registry open
	behind=$registry behind_dir=$registry_dir
	# Half of all requests fail on days when there is a file $tmp/bad.
	start_nginx <<-END
		split_clients "\$request_id" \$luck { 50% 1; * 0; }
		map "\$luck\$bad" \$fails { "11" 1; default 0; }
		server {
			@LISTEN@
			client_max_body_size 0;
			set \$bad 0;
			if (-f $tmp/bad) { set \$bad 1; }
			if (\$fails) { return 500; }
			location / { proxy_pass http://$behind; proxy_set_header Host \$http_host; }
		}
	END
	year_layout=$tmp/layout
	umoci init --layout "$year_layout"
	# Twelve images on two base layers; each has one more layer of its own.
	for i in 0 1; do
		mkdir -p "$tmp/base.$i/bin"
		cp "$(command -v busybox)" "$tmp/base.$i/bin/busybox"
		echo "base $i" >"$tmp/base.$i/base"
		umoci new --image "$year_layout:base.$i"
		add_layer "$year_layout:base.$i" "$tmp/base.$i"
		umoci config --image "$year_layout:base.$i" --config.cmd /bin/busybox
	done
	mkdir -p "$tmp/own/app"
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		umoci tag --image "$year_layout:base.$((i % 2))" "$i"
		echo "image $i" >"$tmp/own/app/name"
		: >"$tmp/own/app/file.$i"
		add_layer "$year_layout:$i" "$tmp/own"
		rm "$tmp/own/app/file.$i"
		push "$year_layout:$i" "$behind/all:$i"
	done
	year_seed=$(random_seed "${YEAR_SEED-}")
	year_steps=${YEAR_STEPS:-$(amount 14,14,35 1 14,14,56)}
	note "YEAR_SEED=$year_seed YEAR_STEPS=$year_steps"
	DUCC_STORE=$tmp/store DUCC_NOTIFY=$tmp/events TMPDIR=$tmp
	export DUCC_STORE DUCC_NOTIFY TMPDIR
	perl "$top/t/year.pl" "seed=$year_seed" "steps=$year_steps" "tmp=$tmp" "repository=$1" "path=$2" \
		"registry=$nginx" "storage=$behind_dir" "convert=${YEAR_CONVERT:-$top/scripts/ducc-convert}" >"$tmp/year.log" 2>&1 &
	year_pid=$!
	at_exit "kill $year_pid 2>/dev/null; wait $year_pid 2>/dev/null"
	wait $year_pid || :
}

# is_a_good_year PATH: nothing went wrong, and at its end all that is wanted runs
is_a_good_year() {
	is "nothing was wrong" "$(grep -v '^images ' "$tmp/year.log" | sed '$!{/ days: /d}')" "all is well"
	grep ' days: ' "$tmp/year.log" | diag
	# shellcheck disable=SC2013 # words
	for year_image in $(sed -n 's/^images //p' "$tmp/year.log"); do
		year_says=$(cat "$1/$nginx/$year_image/app/name")
		is "$year_image runs in its flat tree" "$(chroot "$1/$nginx/$year_image" /bin/busybox cat /app/name 2>&1)" "$year_says"
		# Podman's links lead to /cvmfs, where the stand-in is not.
		[ -z "${DUCC_SYSROOT-}" ] && my_turn || continue
		is "... and under podman" "$(podman_run "$1/podmanStore" "$nginx/$year_image" /bin/busybox cat /app/name 2>&1)" "$year_says"
	done
}
