#!/bin/sh
# Downloads over a line that breaks, stalls and flips bits, anywhere: what ends in the store is right, or
# nothing is, and little is sent twice. $FAULTS is the number of images, by default 48, or 500 with $SOAK.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry jq skopeo umoci

downloads=${FAULTS:-$(amount 48 500 32)}
images=8 workers=16
umoci init --layout "$tmp/oci"
start_registry open
for i in $(seq $images); do
	umoci new --image "$tmp/oci:$i"
	for l in 1 2 3; do
		mkdir -p "$tmp/layer"
		head -c $((i * l * 40000 + 100000)) /dev/urandom >"$tmp/layer/$l"
		add_layer "$tmp/oci:$i" "$tmp/layer"
		rm -r "$tmp/layer"
	done
	push "$tmp/oci:$i" "$registry/app:$i"
done
jq -r '.manifests[] | "\(.annotations["org.opencontainers.image.ref.name"]) \(.digest[7:])"' "$tmp/oci/index.json" >"$tmp/digests"

faults() { # SEED CUT STALL CORRUPT SPAN: start a proxy that has them; sets $proxy to its address
	servers=$((servers + 1))
	proxy_dir=$tmp/proxy-$servers
	mkdir "$proxy_dir"
	echo "$registry" >"$proxy_dir/upstream"
	echo "$*" >"$proxy_dir/faults"
	: >"$proxy_dir/log"
	new_port
	echo "$port" >"$proxy_dir/port"
	proxy=127.0.0.1:$port
	setpriv --pdeathsig KILL perl "$top/t/fault-proxy.pl" "$proxy_dir" 2>"$proxy_dir/err" &
	at_exit "kill $! 2>/dev/null"
	wait_for proxy_is_up
}
proxy_is_up() {
	perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(shift)' "$proxy"
}
blob_bytes() { # STORE: of what was downloaded
	find "$1/blobs" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}

one_download() { # N DIR: into a store of its own; in DIR, what became of it
	image=$proxy/app:$(($1 % images + 1)) store=$2/store-$1
	if DUCC_TIMEOUT=8 ducc-fetch -q -s "$store" "$image" >"$2/record-$1" 2>"$2/err-$1"; then
		sound "$store" && grep -qx "$(($1 % images + 1)) $(pinned "$(cat "$2/record-$1")")" "$tmp/digests" ||
			echo "$image" >>"$2/wrong"
	else
		cat "$2/err-$1" >>"$2/errors"
		whole "$store" || echo "$image" >>"$2/wrong"
	fi
	blob_bytes "$store" >>"$2/wanted"
	rm -rf "$store"
}

# download: all, by several workers; sets $wanted (bytes), $failures and $wrong.
download() {
	: >"$proxy_dir/wrong"
	: >"$proxy_dir/errors"
	: >"$proxy_dir/wanted"
	pids=
	for w in $(seq $workers); do
		for n in $(seq "$w" $workers "$downloads"); do
			one_download "$n" "$proxy_dir"
		done &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086 # a list of numbers
	wait $pids
	wanted=$(awk '{ n += $1 } END { printf "%d", n }' "$proxy_dir/wanted")
	failures=$(wc -l <"$proxy_dir/errors") wrong=$(wc -l <"$proxy_dir/wrong")
}
sent() { # bytes that came out of the proxy
	awk '{ n += $2 } END { printf "%d", n }' "$proxy_dir/log"
}

# Connections that break anywhere in their first 300 kB, every other one; some stall.
faults 1 50 1 0 300000
download
echo "# cuts and stalls: $downloads downloads of $wanted bytes, $(sent) sent, $failures failed" \
	"($(cut -d' ' -f1 "$proxy_dir/log" | sort | uniq -c | tr -s '\n ' ' '))"
is "with connections that break, nothing wrong is stored" "$wrong" 0
is "... and every image comes in the end" "$(cat "$proxy_dir/errors")" ""
ok "... with at most 1.2 times the bytes" test "$(sent)" -le $((wanted * 12 / 10))

# Bits that flip too, in heads and bodies
faults 2 30 1 5 1000000
download
echo "# flipped bits, too: $downloads downloads of $wanted bytes, $(sent) sent, $failures failed" \
	"($(cut -d' ' -f1 "$proxy_dir/log" | sort | uniq -c | tr -s '\n ' ' '))"
diag <"$proxy_dir/errors"
is "with bits that flip, nothing wrong is stored" "$wrong" 0
is "... and what fails says why, in one line" "$(grep -c "^ducc-fetch: .*$proxy/app:[0-9]*: .*: ." "$proxy_dir/errors")" "$failures"
ok "... which is seldom" test "$failures" -le $((downloads / 20 + 1))
ok "... with at most 1.2 times the bytes" test "$(sent)" -le $((wanted * 12 / 10))

done_testing
