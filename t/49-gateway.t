#!/bin/sh
# Two publishers of a repository, on machines of their own, behind a gateway: ducc-gc on one does not take away what
# ducc-publish on the other needs, whatever each does between two steps of the other.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl jq nginx umoci

stand_in
L=$tmp/layout
n=test.example.org
plain_path=$PATH

start_nginx <<-EOF
	server {
		@LISTEN@
		location /$n/ { if (\$http_cache_control != no-cache) { return 412; } alias $tmp/sys1/var/spool/cvmfs/$n/revisions/; }
		location /cached/ { alias $tmp/cached/; }
	}
EOF

# `stays` and `goes` share two of their three layers; `heir` is `goes` and a layer more.
make_image "$L" stays
make_image "$L" goes
umoci tag --image "$L:goes" heir
mkdir "$tmp/tree"
echo heir >"$tmp/tree/heir"
add_layer "$L:heir" "$tmp/tree"
for machine in 1 2; do
	for image in stays goes heir; do
		ducc-fetch -q -s "$tmp/store$machine" "oci:$L:$image" | ducc-unpack -q -s "$tmp/store$machine" >"$tmp/$image.$machine"
	done
done

# The server of a machine does something before its call number $HOOK_AT: $tmp/hook.
mkdir "$tmp/hooked"
cat >"$tmp/hooked/cvmfs_server" <<-EOF
	#!/bin/sh
	call=\$(wc -l <"$tmp/calls")
	echo "\$*" >>"$tmp/calls"
	[ \$call != "\$HOOK_AT" ] || HOOK_AT= PATH=\${PATH#*:} sh "$tmp/hook" >"$tmp/hook.out" 2>&1 </dev/null
	exec "$top/t/cvmfs_server" "\$@"
EOF
chmod 755 "$tmp/hooked/cvmfs_server"

# on MACHINE COMMAND...
on() {
	on_machine=$1
	shift
	(
		DUCC_SYSROOT=$tmp/sys$on_machine DUCC_STORE=$tmp/store$on_machine DUCC_REPO=$n
		export DUCC_SYSROOT DUCC_STORE DUCC_REPO
		"$@"
	)
}
publish() { # RECORDS
	ducc-publish -q -w 1 <"$1"
}
remove_one() {
	ducc-gc -q -w 1 --remove localhost/goes:latest
}
# hooked N COMMAND...: do $tmp/hook before call N of the server, counted from 0
hooked() {
	: >"$tmp/calls"
	: >"$tmp/hook.out"
	(
		HOOK_AT=$1 PATH=$tmp/hooked:$plain_path
		export HOOK_AT
		shift
		"$@"
	)
}
newest() {
	newest_in=$tmp/sys1/var/spool/cvmfs/$n/revisions
	echo "$newest_in/$(readlink "$newest_in/newest")/tree"
}
content() { # ROOT: without what tells the history, as do the numbers of Podman's layers
	(
		cd "$1"
		find . ! -name .cvmfscatalog ! -path './.metadata/.log*' ! -path ./.metadata/remove-schedule.json \
			! -path './podmanStore/*.lock' ! -path './podmanStore/overlay-*/*s.json' ! -path './podmanStore/overlay/*/l[io]*' \
			! -path './podmanStore/overlay/l/*' ! -path ./podmanStore/ducc-links \
			! \( -type d \( -path './.[fl]*/??' -o -path './.metadata/.flat/??' \) \) \
			\( -type d -printf '%p %y %m\n' -o -printf '%p %y %m %s %l\n' \) | sort
		jq -r '.[] | .id, .names[]?' podmanStore/overlay-*/*s.json | sort
	)
}
expected() { # IMAGE...: what a repository has of them
	expected_in=$tmp/expected.$(echo "$*" | tr ' ' .)
	[ -e "$expected_in" ] || (
		rm -rf "$tmp/fresh"
		DUCC_SYSROOT=$tmp/fresh DUCC_STORE=$tmp/store1 DUCC_REPO=$n
		export DUCC_STORE DUCC_REPO
		mkdir "$DUCC_SYSROOT"
		for image; do cat "$tmp/$image.1"; done >"$tmp/records"
		cvmfs_server mkfs $n
		publish "$tmp/records" >/dev/null
		content "$tmp/fresh/cvmfs/$n" >"$expected_in"
	)
	cat "$expected_in"
}
# is_complete: it has all of the images that have a name, and nothing else
is_complete() {
	# shellcheck disable=SC2046 # words
	expected $(cd "$(newest)/localhost" && printf '%s\n' * | sed 's/:.*//') >"$tmp/want"
	content "$(newest)" | diff "$tmp/want" -
}
has() { # IMAGE
	[ -e "$(newest)/localhost/$1:latest/app/name" ]
}
# start: `stays` and `goes` are published, and both machines know it.
start() {
	rm -rf "${tmp:?}/sys" "$tmp/sys1" "$tmp/sys2"
	mkdir "$tmp/sys1"
	DUCC_SYSROOT=$tmp/sys1
	cvmfs_server mkfs $n
	through_gateway $n "http://$nginx/$n"
	another_machine $n "$tmp/sys2" "http://$nginx/$n"
	on 1 publish "$tmp/stays.1" >/dev/null
	on 2 publish "$tmp/goes.2" >/dev/null
	on 1 publish "$tmp/goes.1" >/dev/null
}

start
ok "two machines publish in turn" is_complete
on 2 publish "$tmp/heir.2" >/dev/null
ok "what another machine has published" on 1 publish "$tmp/heir.1"
like "... is known to be unchanged" "$(cat "$out")" state=unchanged

# Of the manifest that names the newest revision, part would fit others
manifest=$tmp/sys1/var/spool/cvmfs/$n/revisions/.cvmfspublished
cp "$manifest" "$tmp/manifest"
for cut in 1 9 "$(head -n 1 "$tmp/manifest" | wc -c)"; do
	head -c "$cut" "$tmp/manifest" >"$manifest"
	fails "the first $cut bytes of the manifest" on 1 remove_one
	like "... are none" "$(cat "$out")" "ducc-gc: .*http://$nginx/$n/.cvmfspublished: no manifest of CernVM-FS"
done
cp "$tmp/manifest" "$manifest"

start
ok "what one has removed" on 1 remove_one
ok "... is gone" is_complete
ok "... which the other knows" on 2 publish "$tmp/goes.2"
like "... and publishes it again" "$(cat "$out")" state=added
ok "... completely" is_complete
ok "... which the first knows" on 1 remove_one
ok "... and removes it again" is_complete
ok "... the other publishes again, from an older view" on 2 publish "$tmp/heir.2"
ok "... completely" is_complete
ok "... and the repository is sound" on 1 cvmfs_server check $n

# ducc-gc is at work, and the other machine publishes
start
on 1 hooked none remove_one >/dev/null
calls=$(wc -l <"$tmp/calls")
is "a removal is two transactions" "$(cut -d' ' -f1 "$tmp/calls" | tr '\n' ' ')" "transaction publish transaction publish "
for image in heir goes; do
	echo "DUCC_SYSROOT=$tmp/sys2 ducc-publish -q -w 1 -s '$tmp/store2' -r $n <'$tmp/$image.2'" >"$tmp/hook"
	for call in $(seq 0 $((calls - 1))); do
		my_turn || continue
		start
		ok "$image is published before call $((call + 1)) of ducc-gc" on 1 hooked "$call" remove_one
		like "... or finds the repository busy" "$(cat "$tmp/hook.out")" "/$image:latest.*(state=|another transaction is open)"
		ok "... what is published is complete" is_complete
		grep -q 'state=\(added\|updated\)' "$tmp/hook.out" && ok "... and is there" has $image
		ok "... the next publish succeeds" on 1 publish "$tmp/$image.1"
		ok "... it is there" has $image
		ok "... completely" is_complete
		ok "... and the repository is sound" on 1 cvmfs_server check $n
	done
done

# A publish is at work, and ducc-gc on the other machine
start
on 2 hooked none publish "$tmp/heir.2" >/dev/null
calls=$(wc -l <"$tmp/calls")
echo "DUCC_SYSROOT=$tmp/sys1 ducc-gc -q -w 1 -s '$tmp/store1' -r $n --remove localhost/goes:latest" >"$tmp/hook"
for call in $(seq 0 $((calls - 1))); do
	my_turn || continue
	start
	ok "something is removed before call $((call + 1)) of ducc-publish" on 2 hooked "$call" publish "$tmp/heir.2"
	ok "... it is published" has heir
	ok "... completely" is_complete
	ok "... and the repository is sound" on 2 cvmfs_server check $n
done

# Between the server's look for the newest revision and its lease, the other machine publishes
start
echo "PATH=$plain_path DUCC_SYSROOT=$tmp/sys2 ducc-publish -q -w 1 -s '$tmp/store2' -r $n <'$tmp/heir.2'" \
	>"$tmp/sys1/var/spool/cvmfs/$n/before-lease"
ok "ducc-gc gets the lease for an old revision" on 1 ducc-gc -q -w 9 --remove localhost/goes:latest
like "... since there is a newer one" "$(cat "$tmp/sys1/var/spool/cvmfs/$n/between.out")" state=added
ok "... which is not lost" has heir
ok "... and complete" is_complete
start
mkdir "$tmp/sys1/var/spool/cvmfs/$n/ducc.opened"
echo "PATH=$plain_path DUCC_SYSROOT=$tmp/sys2 ducc-publish -q -w 1 -s '$tmp/store2' -r $n <'$tmp/heir.2'" \
	>"$tmp/sys1/var/spool/cvmfs/$n/before-lease"
ok "... and so when it cannot mark its transactions: it aborts the one with the old revision" \
	on 1 ducc-gc -q -w 9 --remove localhost/goes:latest
rmdir "$tmp/sys1/var/spool/cvmfs/$n/ducc.opened"
like "... since there is a newer one" "$(cat "$tmp/sys1/var/spool/cvmfs/$n/between.out")" state=added
ok "... which is not lost" has heir
start
cat >"$tmp/sys1/var/spool/cvmfs/$n/before-lease" <<-END
	setsid flock -o '$tmp/sys1/var/spool/cvmfs/$n/is_publishing.lock' sh -c 'echo \$\$ >"$tmp/holder"; exec sleep 600' &
	until [ -s '$tmp/holder' ]; do :; done
	PATH=$plain_path DUCC_SYSROOT=$tmp/sys2 ducc-publish -q -w 1 -s '$tmp/store2' -r $n <'$tmp/heir.2'
END
fails "... and if that cannot be aborted" on 1 ducc-gc -q -w 1 --remove localhost/goes:latest
like "... it is not taken for that of others" "$(cat "$out")" 'cannot abort an interrupted transaction: .* could not acquire lock'
kill "$(cat "$tmp/holder")"
ok "... the next run aborts it" on 1 ducc-gc -q -w 9 --remove localhost/goes:latest
ok "... and has the newer revision, too" has heir
start
echo "PATH=$plain_path DUCC_SYSROOT=$tmp/sys1 ducc-gc -q -w 1 -s '$tmp/store1' -r $n --remove localhost/goes:latest" \
	>"$tmp/sys2/var/spool/cvmfs/$n/before-lease"
ok "ducc-publish gets the lease for an old revision" on 2 ducc-publish -q -w 9 "$(cat "$tmp/heir.2")"
like "... since there is a newer one" "$(cat "$tmp/sys2/var/spool/cvmfs/$n/between.out")" goes:latest
ok "... which is not lost" test ! -e "$(newest)/localhost/goes:latest"
ok "... and what it publishes is complete" is_complete

# The same, when one of the things that tell this cannot be read
start
for machine in 1 2; do cp -a "$tmp/sys$machine" "$tmp/before$machine"; done
faulty() { # FAULT
	for machine in 1 2; do
		rm -rf "$tmp/sys$machine"
		cp -a "$tmp/before$machine" "$tmp/sys$machine"
	done
	echo "FAULT= LD_PRELOAD= PATH=$plain_path DUCC_SYSROOT=$tmp/sys1 ducc-gc -q -w 1 -s '$tmp/store1' -r $n --remove localhost/goes:latest" \
		>"$tmp/sys2/var/spool/cvmfs/$n/before-lease"
	FAULT=$1 FAULT_COUNTS=$tmp/counts LD_PRELOAD=$bin/t/preload-faults.so ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS \
		on 2 ducc-publish -q -w 9 "$(cat "$tmp/heir.2")" >"$tmp/said" 2>&1
}
ok "the same again" faulty 'none 0 0 0'
attributes=$(awk '$1 == "attributes" { print $2 }' "$tmp/counts") wrong=
for fault in $(seq -f 'read-%g' 6) $(seq -f 'attributes-%g' 1 "$(amount 4 1 9)" "$attributes"); do
	status=0
	faulty "${fault%-*} ${fault#*-} 5 1" || status=$?
	removed=$(grep goes:latest "$tmp/sys2/var/spool/cvmfs/$n/between.out" 2>/dev/null || :)
	[ $status -le 1 ] && { [ -z "$removed" ] || [ ! -e "$(newest)/localhost/goes:latest" ]; } && is_complete >"$tmp/differs" 2>&1 ||
		wrong="$wrong $fault, status $status: $(cat "$tmp/said" "$tmp/differs")"
done
is "... when something cannot be read ($attributes attributes): nothing is lost" "$wrong" ""
rm -r "$tmp/before1" "$tmp/before2"

# What another machine is about to complete
start
staged=.layers/aa/$(printf 'aa%062d' 0)
on 1 cvmfs_server transaction $n
mkdir -p "$tmp/sys1/cvmfs/$n/$staged/content"
on 1 cvmfs_server publish $n
ok "a tree without a listing" on 1 ducc-gc -q -a -g 0
ok "... stays, since it may be completed" test -e "$(newest)/$staged"
DUCC_CLOCK=$(($(date +%s) + 90000))
export DUCC_CLOCK
ok "... but not longer than a day" on 1 ducc-gc -q -a -g 0
ok "... if it is left alone" test ! -e "$(newest)/$staged"
unset DUCC_CLOCK

# A third machine, without a mount: its store has a copy of the metadata.
start
mkdir -p "$tmp/sys3/var/spool/cvmfs/$n" "$tmp/sys3/etc/cvmfs/repositories.d" "$tmp/blind"
cp -a "$tmp/sys1/etc/cvmfs/repositories.d/$n" "$tmp/sys3/etc/cvmfs/repositories.d"
cat >"$tmp/blind/cvmfs_server" <<-EOF
	#!/bin/sh
	DUCC_SYSROOT=$tmp/sys1 "$top/t/cvmfs_server" "\$@" || exit
	[ ! -e "$tmp/afterwards" ] || PATH=$plain_path sh "$tmp/afterwards" >"$tmp/afterwards.out" 2>&1 </dev/null
EOF
chmod 755 "$tmp/blind/cvmfs_server"
for image in stays goes heir; do
	ducc-fetch -q -s "$tmp/store3" "oci:$L:$image" | ducc-unpack -q -s "$tmp/store3" >"$tmp/$image.3"
done
copy=$tmp/store3/repositories/$n
copy_from_client() {
	rm -rf "$copy"
	mkdir -p "$copy"
	(cd "$(newest)" && tar -cf - .metadata podmanStore .layers/*/*/.metadata) | tar -xf - -C "$copy"
}
blind() { # RECORDS
	PATH=$tmp/blind:$plain_path on 3 publish "$1"
}
blind_aloud() { # RECORDS
	PATH=$tmp/blind:$plain_path on 3 ducc-publish -w 3600 <"$1"
}
copy_from_client
ok "a machine without a mount publishes" blind "$tmp/heir.3"
ok "... completely" is_complete
ok "... and again" blind "$tmp/heir.3"
like "... without need" "$(cat "$out")" state=unchanged
on 1 remove_one >/dev/null
fails "... but not when another machine has published since" blind "$tmp/goes.3"
like "... which it could not know" "$(cat "$out")" "the copy of its metadata is not of the revision that is published; either mount it .* replace the directory $copy "
ok "... nothing was changed" is_complete
copy_from_client
ok "... with another copy it can" blind "$tmp/goes.3"
like "... and sees what was removed" "$(cat "$out")" state=added
ok "... completely" is_complete
on 1 remove_one >/dev/null
copy_from_client
echo "DUCC_SYSROOT=$tmp/sys2 ducc-gc -q -w 1 -s '$tmp/store2' -r $n --remove localhost/heir:latest" >"$tmp/afterwards"
ok "another machine comes between its transaction and the look at the result" \
	env PATH="$tmp/blind:$plain_path" DUCC_SYSROOT="$tmp/sys3" sh -c 'ducc-publish -w 1 -s "$1/store3" -r $2 <"$1/goes.3"' - "$tmp" $n
like "... this is said" "$(cat "$out")" "warning: $copy: copy of the metadata: others have published in the meantime"
ok "... which removes another image" test ! -e "$(newest)/localhost/heir:latest"
rm "$tmp/afterwards"
fails "... and the copy is not used again" blind "$tmp/heir.3"
ok "... all is complete" is_complete

# A cache that names the newest revision only when that is fetched
mkdir "$tmp/cached"
fetch() {
	cp "$tmp/sys1/var/spool/cvmfs/$n/revisions/.cvmfspublished" "$tmp/cached/.new"
	mv "$tmp/cached/.new" "$tmp/cached/.cvmfspublished"
}
start
sed -i "s|^CVMFS_STRATUM0=.*|CVMFS_STRATUM0=http://$nginx/cached|" "$tmp/sys3/etc/cvmfs/repositories.d/$n/server.conf"
copy_from_client
fetch
ok "behind a cache, what is published becomes known later" blind_aloud "$tmp/heir.3"
is "... which is no reason for a warning" "$(grep warning "$out")" ''
ok "... it is complete" is_complete
blind_aloud "$tmp/heir.3" >"$tmp/patient.out" 2>"$tmp/patient.err" &
patient=$!
ok "the next transaction waits" wait_for grep 'names an earlier revision than that of the copy .*; waiting' "$tmp/patient.err"
fetch
ok "... until it is known" wait $patient
like "... and finds nothing to do" "$(cat "$tmp/patient.out")" state=unchanged
ok "... as do others" blind "$tmp/heir.3"
start
copy_from_client
fetch
ok "before that, too," blind "$tmp/heir.3"
on 1 remove_one >/dev/null
fetch
fails "... another machine may publish something" blind "$tmp/heir.3"
like "... which the copy lacks" "$(cat "$out")" "the copy of its metadata is not of the revision that is published"
ok "... all is complete" is_complete

done_testing
