#!/bin/sh
# Transfers: what is resumed, tried again or given up, and how long that takes.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need curl docker-registry htpasswd jq nginx skopeo umoci

make_image "$tmp/oci" app
mkdir "$tmp/big"
head -c 6000000 /dev/urandom >"$tmp/big/random"
add_layer "$tmp/oci:app" "$tmp/big"
manifest=$tmp/oci/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' "$tmp/oci/index.json")
layer=$(jq -r '.layers[-1].digest' "$manifest")
size=$(jq -r '.layers[-1].size' "$manifest")
start_registry open
push "$tmp/oci:app" "$registry/app:1"
open=$registry

ranges() { # of the layer, as nginx has seen them
	requests | sed -n "s,^GET /v2/[^ ]*/blobs/$layer \([0-9]*\) .* range=\(.*\),\1 \2,p"
}
start_proxy() { # standard input: what goes into the server block; the log tells ranges
	{
		cat
		cat <<-END
			location / { proxy_pass http://$open; proxy_set_header Host \$http_host; proxy_buffering off; }
		END
	} >"$tmp/server.conf"
	{
		echo 'log_format ranges "$request_method $request_uri $status $time_iso8601 range=$http_range";'
		echo "server { @LISTEN@ access_log @LOG@ ranges;"
		cat "$tmp/server.conf"
		echo "}"
	} | sed "s,@LOG@,$tmp/nginx-$((servers + 1))/access.log," >"$tmp/nginx.in"
	start_nginx <"$tmp/nginx.in"
}

# Killed in the middle, and gone on from there. The rest of a layer comes so slowly that there is time.
start_proxy <<END
location ~ /slow/blobs/ {
	rewrite ^/v2/slow/(.*) /v2/app/\$1 break;
	proxy_pass http://$open; proxy_set_header Host \$http_host;
	limit_rate_after 4m; limit_rate 100k;
}
rewrite ^/v2/slow/manifests/(.*) /v2/app/manifests/\$1;
END
partial=$tmp/store/tmp/blobs-sha256-${layer#*:}
half_there() {
	[ "$(stat -c %s "$partial" 2>/dev/null || echo 0)" -gt $((size / 4)) ]
}
ducc-fetch -q -s "$tmp/store" "$nginx/slow:1" >"$out" 2>&1 &
pid=$!
wait_for half_there
kill -9 $pid
wait $pid 2>/dev/null || :
had=$(stat -c %s "$partial")
ok "after kill -9 in the middle of a layer, the image can be fetched" ducc-fetch -v -s "$tmp/store" "$nginx/slow:1"
like "... from where it was" "$(ranges)" "^206 bytes=$had-"
like "... which is said" "$(cat "$out")" "$layer: $had of $size bytes already fetched"
ok "... and the store is sound" sound "$tmp/store"
is "... with nothing left" "$(find "$tmp/store/tmp" -type f)" ""

# What is there is not trusted
rm "$tmp/store/blobs/sha256/${layer#*:}"
head -c 100000 /dev/zero >"$partial"
clear_log "$nginx_log"
ok "what is there may be wrong" ducc-fetch -v -s "$tmp/store" "$nginx/app:1"
is "... then the layer is downloaded anew" "$(ranges | tr '\n' ' ')" "206 bytes=100000- 200 - "
like "... which is said" "$(cat "$out")" "$layer: digest mismatch: .*; retrying"
ok "... and the store is sound" sound "$tmp/store"
rm "$tmp/store/blobs/sha256/${layer#*:}"
head -c $((size + 1)) /dev/zero >"$partial"
ok "... or too long" ducc-fetch -q -s "$tmp/store" "$nginx/app:1"
rm "$tmp/store/blobs/sha256/${layer#*:}"
cp "$tmp/oci/blobs/sha256/${layer#*:}" "$partial"
clear_log "$nginx_log"
ok "... or all of it" ducc-fetch -q -s "$tmp/store" "$nginx/app:1"
is "... when nothing is downloaded" "$(ranges)" ""
head -c 100000 /dev/zero >"$tmp/store/tmp/blobs-sha256-$(printf %064d 0)"
touch -d '10 days ago' "$tmp/store/tmp/blobs-sha256-$(printf %064d 0)"
ok "what nobody has resumed for days" ducc-fetch -q -s "$tmp/store" "$nginx/app:1"
is "... is removed" "$(find "$tmp/store/tmp" -type f)" ""

# Registries that can't do ranges, or think they can
start_proxy <<END
location ~ /none/blobs/ {
	rewrite ^/v2/none/(.*) /v2/app/\$1 break;
	proxy_pass http://$open; proxy_set_header Host \$http_host; proxy_set_header Range "";
}
rewrite ^/v2/none/manifests/(.*) /v2/app/manifests/\$1;
location ~ /bad/blobs/$layer {
	if (\$http_range = "") { rewrite ^/v2/bad/(.*) /v2/app/\$1 last; }
	add_header Content-Range "bytes 0-99/$size";
	return 206 "wrong";
}
location ~ /unsatisfiable/blobs/$layer {
	if (\$http_range = "") { rewrite ^/v2/unsatisfiable/(.*) /v2/app/\$1 last; }
	return 416;
}
rewrite ^/v2/(bad|unsatisfiable)/manifests/(.*) /v2/app/manifests/\$2;
rewrite ^/v2/(bad|unsatisfiable)/blobs/(?!$layer)(.*) /v2/app/blobs/\$2;
END
for kind in none bad unsatisfiable; do
	rm -f "$tmp/store/blobs/sha256/${layer#*:}"
	head -c 100000 "$tmp/oci/blobs/sha256/${layer#*:}" >"$partial"
	ok "a registry whose ranges are $kind" ducc-fetch -q -s "$tmp/store" "$nginx/$kind:1"
	ok "... and the store is sound" sound "$tmp/store"
done
is "... as they have shown" "$(requests | sed -n "s,.*/v2/\([a-z]*\)/blobs/$layer \(206\|416\) .*,\1 \2,p" | tr '\n' ' ')" \
	"bad 206 unsatisfiable 416 "

# When to come back is for the registry to say
start_proxy <<END
location /v2/busy/ {
	if (-f $tmp/is-busy) { return 429; }
	error_page 429 = @busy;
	rewrite ^/v2/busy/(.*) /v2/app/\$1 break;
	proxy_pass http://$open; proxy_set_header Host \$http_host;
	add_header RateLimit-Limit "100;w=21600";
	add_header RateLimit-Remaining "42;w=21600";
}
location @busy { add_header Retry-After 2 always; return 429; }
location /v2/later/ {
	add_header Retry-After 100000 always;
	add_header RateLimit-Limit "100;w=21600" always;
	add_header RateLimit-Remaining "0;w=21600" always;
	return 429;
}
location /v2/gone/ { return 410; }
location /v2/teapot/ { return 503; }
END
restart_nginx() {
	kill "$server_pid"
	wait "$server_pid" 2>/dev/null || :
	setpriv --pdeathsig KILL nginx -c "$nginx_dir/nginx.conf" -p "$nginx_dir" -e stderr 2>>"$nginx_dir/error.log" &
	server_pid=$!
	at_exit "kill $server_pid 2>/dev/null"
	wait_for curl -sf "http://$nginx/.id" >"$out"
}
: >"$tmp/is-busy"
start=$(date +%s%N)
ducc-fetch -v -s "$tmp/busy" "$nginx/busy:1" >"$tmp/busy.said" 2>&1 &
pid=$!
wait_for grep -q '^GET /v2/busy/manifests/.* 429 ' "$nginx_log"
rm "$tmp/is-busy"
ok "429 with Retry-After is waited for" wait $pid
said=$(cat "$tmp/busy.said")
ok "... as long as it says" test $(($(date +%s%N) - start)) -ge 2000000000
like "... and is told" "$said" 'the server answered 429, too many requests.*; trying again in 2\.[0-9] s'
like "Docker Hub's limits are shown with -v" "$said" 'rate limit: 100;w=21600, remaining 42;w=21600'
fails "who says to come back tomorrow is not waited for" ducc-fetch -s "$tmp/later" "$nginx/later:1"
said=$(cat "$out")
is "... not at all" "$(requests | grep -c '^GET /v2/later/')" 1
like "... and that is said" "$said" '429, too many requests \(limit 100;w=21600, remaining 0;w=21600\); try again in 100000 seconds'
DUCC_PATIENCE=30 ducc-fetch -v -s "$tmp/busy" "$nginx/teapot:1" >"$tmp/patient" 2>&1 &
pid=$!
wait_for grep -qs 'trying again' "$tmp/patient"
kill $pid
wait $pid 2>/dev/null || :
like "503 without Retry-After is waited for, as long as users want" "$(cat "$tmp/patient")" 'the server answered 503; trying again in [12]\.[0-9] s \(1 of 4\)'
clear_log "$nginx_log"
fails "503 for ever is an error" ducc-fetch -v -s "$tmp/busy" "$nginx/teapot:1"
is "... after four more tries" "$(requests | grep -c 'GET /v2/teapot/manifests/1 503')" 5
fails "what can't get better is not tried again" ducc-fetch -v -s "$tmp/busy" "$nginx/gone:1"
is "... but given up at once" "$(requests | grep -c 'GET /v2/gone/manifests/1 410')" 1

# A registry that restarts while a layer comes, and then wants another token
mkdir "$tmp/valid"
echo '{"token":"first"}' >"$tmp/token"
: >"$tmp/valid/first"
start_nginx <<END
map \$http_authorization \$token { default none; "~^Bearer (?<t>[a-z]+)\$" \$t; }
log_format ranges '\$request_method \$uri \$status range=\$http_range \$token';
server {
	@LISTEN@
	access_log $tmp/tokens.log ranges;
	location = /token { root $tmp; default_type application/json; }
	location /v2/ {
		if (!-e $tmp/valid/\$token) { return 401; }
		error_page 401 = @challenge;
		proxy_pass http://$open; proxy_set_header Host \$http_host; proxy_set_header Authorization "";
		limit_rate_after 4m; limit_rate 200k;
	}
	location @challenge { add_header WWW-Authenticate 'Bearer realm="http://@ADDRESS@/token",service="x"' always; return 401; }
}
END
partial=$tmp/again/tmp/blobs-sha256-${layer#*:}
ducc-fetch -v -s "$tmp/again" "$nginx/app:1" >"$out" 2>&1 &
pid=$!
wait_for half_there
echo '{"token":"second"}' >"$tmp/token"
mv "$tmp/valid/first" "$tmp/valid/second"
restart_nginx
ok "a registry that restarts and wants another token" wait $pid
# (by the first request that is refused, which may be for another blob)
like "... is asked for it" "$(read_log "$tmp/tokens.log")" "/blobs/sha256:[0-9a-f]* 401 range=[^ ]* first"
like "... and the layer goes on where it was" "$(read_log "$tmp/tokens.log")" "/blobs/$layer 206 range=bytes=[0-9]+- second"
ok "... and the store is sound" sound "$tmp/again"

# No more transfers at a time than -j says, and the terminal is told how far they are
umoci tag --image "$tmp/oci:app" many
for i in 1 2 3 4 5 6; do
	mkdir "$tmp/big/$i"
	head -c 400000 /dev/urandom >"$tmp/big/$i/random"
	add_layer "$tmp/oci:many" "$tmp/big/$i"
done
push "$tmp/oci:many" "$open/app:many"
manifest_of "$open/app:1" >"$tmp/manifest"
manifest_type=$(jq -r '.mediaType // "application/vnd.oci.image.manifest.v1+json"' "$tmp/manifest")
start_nginx <<END
limit_conn_zone \$server_addr zone=all:1m;
server {
	@LISTEN@
	location / { proxy_pass http://$open; proxy_set_header Host \$http_host; }
	location ~ ^/v2/(tags|alone)/blobs/ {
		rewrite ^/v2/[a-z]*/(.*) /v2/app/\$1 break;
		proxy_pass http://$open; proxy_set_header Host \$http_host;
	}
	location ~ /crawl/blobs/ {
		limit_conn all 2; limit_conn_status 503;
		rewrite ^/v2/crawl/(.*) /v2/app/\$1 break;
		proxy_pass http://$open; proxy_set_header Host \$http_host; limit_rate 10k;
	}
	location ~ /slow/blobs/ {
		rewrite ^/v2/slow/(.*) /v2/app/\$1 break;
		proxy_pass http://$open; proxy_set_header Host \$http_host; limit_rate 2k;
	}
	location ~ /blobs/ {
		limit_conn all 2; limit_conn_status 503;
		proxy_pass http://$open; proxy_set_header Host \$http_host; limit_rate 2m;
	}
	location ~ /tags/manifests/ {
		limit_conn all 16; limit_conn_status 503;
		rewrite ^/v2/tags/(.*) /v2/app/\$1 break;
		proxy_pass http://$open; proxy_set_header Host \$http_host; limit_rate 5k;
	}
	location ~ /alone/manifests/ {
		limit_conn all 1; limit_conn_status 503;
		rewrite ^/v2/alone/(.*) /v2/app/\$1 break;
		proxy_pass http://$open; proxy_set_header Host \$http_host; limit_rate 1k;
	}
	rewrite ^/v2/(crawl|slow)/manifests/(.*) /v2/app/manifests/\$2;
}
END
# 40 images at once, but no more than 16 requests at a time to one registry
for i in $(seq 40); do
	put_manifest "$open" app "t$i" "$manifest_type" "$tmp/manifest"
	echo "$nginx/tags:t$i" >>"$tmp/forty"
	echo "$nginx/alone:t$i" >>"$tmp/forty-alone"
done
ok "forty images" ducc-fetch -q -s "$tmp/forty.store" <"$tmp/forty"
is "... are fetched, each once" "$(cut -d@ -f1 "$out" | sort)" "$(sed 's,^,http://,' "$tmp/forty" | sort)"
is "... by no more requests at a time than are good for a registry" "$(requests | grep -c ' 503 ')" 0
ducc-fetch -s "$tmp/forty.store" <"$tmp/forty-alone" >"$tmp/forty.said" 2>&1 &
pid=$!
ok "... but by several at a time" wait_for grep -q 'alone.* 503 ' "$nginx_log"
kill $pid
wait $pid 2>/dev/null || :
ok "with -j 1" ducc-fetch -q -j 1 -s "$tmp/forty.store" <"$tmp/forty"
is "... one is fetched after the other" "$(cut -d@ -f1 "$out")" "$(sed 's,^,http://,' "$tmp/forty")"

ok "two at a time" ducc-fetch -j 2 -s "$tmp/two" "$nginx/app:many"
is "... were never more" "$(requests | grep -c 'app/blobs.* 503 ')" 0
ducc-fetch -s "$tmp/six" "$nginx/crawl:many" >"$tmp/six.said" 2>&1 &
pid=$!
ok "six at a time were" wait_for grep -q 'crawl.* 503 ' "$nginx_log"
kill $pid
wait $pid 2>/dev/null || :
rm -r "$tmp/two"

# Registries share the transfers, also when one that sends slowly has them all
make_image "$tmp/oci" other
push "$tmp/oci:other" "$open/other:1"
ducc-fetch -q -s "$tmp/shared" "$open/app:1" >"$out"
mkfifo "$tmp/images"
ducc-fetch -N "$tmp/shared.events" -s "$tmp/shared" <"$tmp/images" >"$tmp/shared.said" 2>&1 &
pid=$!
exec 9>"$tmp/images"
echo "$nginx/slow:many" >&9
six_begun() {
	[ "$(grep -c '"start_layer_fetch"' "$tmp/shared.events")" = 6 ]
}
ok "six layers of a slow registry are in transfer" wait_for six_begun
echo "$open/other:1" >&9
ok "... and an image of another registry is fetched" wait_for grep -q "^http://$open/other:1@" "$tmp/shared.said"
is "... meanwhile" "$(grep -c '"end_layer_fetch"' "$tmp/shared.events") $(grep -c slow:many@ "$tmp/shared.said")" "1 0"
exec 9>&-
kill $pid
wait $pid 2>/dev/null || :
is "without a terminal there is no progress" "$(ducc-fetch -j 1 -s "$tmp/two" "$nginx/app:many" 2>&1 >"$out")" ""

# A redirect to a signed URL: nothing of it is shown, and the registry's credentials are not
start_nginx <<END
server { @LISTEN@ location / { proxy_pass http://$open; proxy_set_header Host \$http_host; } }
END
elsewhere=$nginx elsewhere_log=$nginx_log
make_htpasswd
start_proxy <<END
auth_basic test; auth_basic_user_file $tmp/htpasswd;
location ~ /blobs/ { return 307 http://$elsewhere\$uri?X-Signature=s1gned; }
END
export DUCC_AUTH_REGISTRIES=r DUCC_r_IDENT="$nginx" DUCC_r_USER="$registry_user" DUCC_r_PASS="$registry_password"
ok "a redirect to a signed URL is followed" ducc-fetch -v -v -s "$tmp/signed" "$nginx/app:1"
like "... with -v -v the heads are shown" "$(cat "$out")" '> Authorization: Basic \(hidden\)'
like "... and where it goes" "$(cat "$out")" "< Location: http://$elsewhere/v2/app/blobs/sha256:[0-9a-f]*\?\(hidden\)"
like "... and that is asked" "$(cat "$out")" '> GET /v2/app/blobs/sha256:[0-9a-f]*\?\(hidden\) HTTP/1.1'
is "... but no signature" "$(grep -c s1gned "$out")" 0
is "... and no password" "$(grep -c -F -e "$registry_password" -e "$(printf %s "$registry_user:$registry_password" | base64 -w 0)" "$out")" 0
like "... while the other server has seen the signature" "$(read_log "$elsewhere_log")" 'X-Signature=s1gned 200 "-"'
is "... and no credentials" "$(read_log "$elsewhere_log" | grep -v '"-"$')" ""

# A server that a blob is redirected to asks for a token: that is not for us to get
start_nginx <<END
server { @LISTEN@ location = /token { return 200 '{"token":"x"}'; }
	location / { add_header WWW-Authenticate 'Bearer realm="http://@ADDRESS@/token",service="x"' always; return 401; } }
END
elsewhere=$nginx elsewhere_log=$nginx_log
start_proxy <<END
auth_basic test; auth_basic_user_file $tmp/htpasswd;
location ~ /blobs/ { return 307 http://$elsewhere\$uri; }
END
export DUCC_r_IDENT="$nginx"
fails "another server's demand for a token" ducc-fetch -s "$tmp/foreign" "$nginx/app:1"
like "... is an answer like any other" "$(cat "$out")" "answered 401"
is "... it was asked for nothing but the blob" "$(read_log "$elsewhere_log" | grep -v '/blobs/.* 401 "-"$')" ""

# The body of an error that never ends
cat >"$tmp/endless" <<'END'
	use IO::Socket::INET;
	$SIG{PIPE} = "IGNORE";
	my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => $ARGV[0], ReuseAddr => 1) or die;
	while (my $c = $s->accept) {
		my $first = <$c> // "";
		1 while defined($_ = <$c>) && !/^\r?$/;
		print $c "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n";
		1 while $first =~ /^GET/ && print $c "x" x 4096;
	}
END
new_port
endless_port=$port
setpriv --pdeathsig KILL perl "$tmp/endless" "$endless_port" &
at_exit "kill $! 2>/dev/null"
is_up() {
	[ "$(curl -s -I -m 5 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$endless_port/")" = 404 ]
}
wait_for is_up
fails "an error whose text has no end" timeout 60 ducc-fetch -s "$tmp/endless.store" "127.0.0.1:$endless_port/app:1"
like "... is an error" "$(cat "$out")" "answered 404, not found"

# The config, side by side with the layers, and before them if they may not be wanted
config=$(jq -r .config.digest "$manifest")
start_proxy <<END
location = /v2/app/blobs/$config { proxy_pass http://$open; proxy_set_header Host \$http_host; limit_rate 1; }
END
layer_there() {
	[ -e "$tmp/beside/blobs/sha256/${layer#*:}" ]
}
ducc-fetch -q -s "$tmp/beside" "$nginx/app:1" >"$out" 2>&1 &
pid=$!
ok "layers do not wait for a slow config" wait_for layer_there
ok "... which is not there yet" [ ! -e "$tmp/beside/blobs/sha256/${config#*:}" ]
kill $pid
wait $pid 2>/dev/null || :
start_proxy </dev/null
fails "an image for another platform" ducc-fetch -s "$tmp/other" -p linux/s390x "$nginx/app:1"
is "... of which no layer is requested" "$(ranges)" ""

# What is damaged in the store
ducc-fetch -q -s "$tmp/damaged" "$open/app:1" >"$tmp/record"
echo >>"$tmp/damaged/blobs/sha256/$(pinned "$(cat "$tmp/record")")"
ok "a damaged manifest in the store is downloaded again" ducc-fetch -s "$tmp/damaged" "$open/app:1"
like "... and named" "$(cat "$out")" "is damaged: digest mismatch; removed"
echo >>"$tmp/damaged/blobs/sha256/$(pinned "$(cat "$tmp/record")")"
fails "... but not by the next tool" ducc-unpack -s "$tmp/damaged" "$(cut -f1 "$tmp/record")"
like "... which says so" "$(cat "$out")" "is damaged: digest mismatch .run ducc-fetch again"

done_testing
