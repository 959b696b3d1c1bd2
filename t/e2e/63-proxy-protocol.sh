#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# PROXY protocol: headers taken from named peers and from nobody else, whatever their pieces;
# headers sent first on the wire; haproxy, nginx and curl at both ends.

. "${top_srcdir:-.}/t/e2e/lib.sh"

STREAM=/usr/lib/nginx/modules/ngx_stream_module.so
need python3 openssl curl haproxy nginx
[ -e "$MODULE_DIR/proxy-protocol.so" ] || fail "no module proxy-protocol in $MODULE_DIR"
free_ports TAKES SPOOFED HASTY DUAL PLAIN A H HA_TLS HA_HTTP HA_SENDS NX_HTTP NX_TLS NX_SENDS INNER
[ -e "$STREAM" ] || skip "needs nginx's stream module"
make_certs

# What needs TLS that ends here is left out without wolfSSL.
TLS=0
[ ! -e "$MODULE_DIR/tls-termination.so" ] || TLS=1

# edge NAME UPSTREAM [MODULE...]: passed through unless a module says otherwise.
edge()
{
    local name=$1 upstream=$2 m all=""
    shift 2
    for m; do
        all="$all${all:+, }{ module = $m }"
    done
    printf '{ name = "%s"; domains = [ "%s.test" ]; upstream = "%s"; modules = ( %s ); }' \
        "$name" "$name" "$upstream" "$all"
}

TERM_HERE="\"tls-termination\"; terminate_at = \"edge\"; alpn = [ \"http/1.1\" ];
    certificates = ( { certificate = \"$CERTS/all.pem\"; key = \"$CERTS/all.key\"; } );"
TLS_THERE="\"upstream-tls\"; ca = [ \"$CERTS/ca.pem\" ]; server_name = \"hapass.test\";"
CLIENT_CERTS="\"mutual-tls\"; mode = \"verify-if-given\"; ca = [ \"$CERTS/ca.pem\" ];"
ALL='tlvs = [ "authority", "alpn", "ssl", "ssl-client-cert", "unique-id", "crc32c" ];'
EVERY_TYPE='forward = [ "alpn", "authority", "unique-id", "ssl", "netns", "0xe0" ];'
# What is here as a network is the loopback of clients that this test starts.
ACCEPT='"proxy-protocol"; accept = [ "127.77.0.0/16", "127.0.0.9", "unix" ];'

term_edges()
{
    [ "$TLS" = 1 ] || return 0
    printf ',\n'
    edge term "127.0.0.1:$H" "$TERM_HERE" "$CLIENT_CERTS" "\"proxy-protocol\"; send = 2; $ALL"
    printf ',\n'
    edge haterm "127.0.0.1:$HA_HTTP" "$TERM_HERE" "\"proxy-protocol\"; send = 2; $ALL"
    printf ',\n'
    edge tunnel "127.0.0.1:$H" "$TERM_HERE" '"proxy-protocol"; send = 1;' \
        '"live-tunnel"; into = "inner";'
    printf ',\n'
    edge hatls "127.0.0.1:$HA_TLS" "$TERM_HERE" "$TLS_THERE" "\"proxy-protocol\"; send = 2; $ALL"
    printf ',\n'
    edge hatls1 "127.0.0.1:$HA_TLS" "$TERM_HERE" '"proxy-protocol"; send = 1;' "$TLS_THERE"
    printf ',\n'
    edge haterm1 "127.0.0.1:$HA_HTTP" "$TERM_HERE" '"proxy-protocol"; send = 1;'
    printf ',\n'
    edge nxterm1 "127.0.0.1:$NX_HTTP" "$TERM_HERE" '"proxy-protocol"; send = 1;'
    printf ',\n'
    edge nxterm2 "127.0.0.1:$NX_HTTP" "$TERM_HERE" '"proxy-protocol"; send = 2;'
}

(
    cd "$CERTS" && umask 077
    names=
    for name in term tunnel haterm haterm1 hatls hatls1 nxterm1 nxterm2 hapass hapass1 nxpass1 nxpass2; do
        names=$names${names:+,}DNS:$name.test
    done
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=all" \
        -keyout all.key -out all.csr &&
        openssl x509 -req -in all.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
            -out all.pem -extfile <(printf 'subjectAltName=%s\n' "$names") &&
        cat all.pem all.key >both.pem
) >"$WORK/certs.log" 2>&1 || fail "no certificate"

cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
timeouts = { hello = "60s"; };
listeners = (
    { name = "takes"; address = "127.0.0.1:$TAKES"; not_tls = "close"; modules = (
        { module = $ACCEPT },
        { module = "ip-restrictions"; deny = [ "198.51.100.66" ]; default = "allow"; } ); },
    { name = "spoofed"; address = "127.0.0.1:$SPOOFED"; not_tls = "close";
      modules = ( { module = "proxy-protocol"; accept = [ "10.0.0.0/8", "127.78.0.0/16" ]; } ); },
    { name = "hasty"; address = "127.0.0.1:$HASTY"; timeouts = { hello = "400ms"; };
      modules = ( { module = $ACCEPT } ); },
    { name = "dual"; address = "[::]:$DUAL"; modules = ( { module = $ACCEPT } ); },
    { name = "unix"; address = "unix:$WORK/in.sock"; modules = ( { module = $ACCEPT } ); },
    { name = "inner"; address = "127.0.0.1:$INNER"; not_tls = "v2";
      modules = ( { module = "proxy-protocol"; accept = [ "192.0.2.7" ]; } ); },
    { name = "plain"; address = "127.0.0.1:$PLAIN"; not_tls = "close"; }
);
edges = (
$(edge a "127.0.0.1:$A" '"ip-restrictions"; deny = [ "198.51.100.99" ];
    allow = [ "198.51.100.0/24", "127.77.0.0/16", "2001:db8::/32" ];'),
$(edge v1 "127.0.0.1:$H" '"proxy-protocol"; send = 1;'),
$(edge v2 "127.0.0.1:$H" '"proxy-protocol"; send = 2;'),
$(edge full "127.0.0.1:$H" "\"proxy-protocol\"; send = 2; $ALL"),
$(edge fwd "127.0.0.1:$H" '"proxy-protocol"; send = 2; tlvs = [ "authority", "unique-id" ];
    forward = [ "unique-id", "netns", "0xea" ];'),
$(edge every "127.0.0.1:$H" "\"proxy-protocol\"; send = 2; $EVERY_TYPE"),
$(edge unix "unix:$WORK/out.sock" '"proxy-protocol"; send = 2;'),
$(edge hapass "127.0.0.1:$HA_TLS" "\"proxy-protocol\"; send = 2; $ALL"),
$(edge hapass1 "127.0.0.1:$HA_TLS" '"proxy-protocol"; send = 1;'),
$(edge nxpass1 "127.0.0.1:$NX_TLS" '"proxy-protocol"; send = 1;'),
$(edge nxpass2 "127.0.0.1:$NX_TLS" '"proxy-protocol"; send = 2; tlvs = [ "authority" ];')
$(term_edges)
);
EOC
assert_status 0 "$POSTERN" -t -c "$WORK/postern.conf"

# One header is enough.
sed 's/accept = \[ "10.0.0.0\/8".*\]; }/& , { module = "proxy-protocol"; accept = [ "::1" ]; }/' \
    "$WORK/postern.conf" >"$WORK/twice.conf"
assert_status 1 "$POSTERN" -t -c "$WORK/twice.conf"
assert_grep 'listeners\[1\].modules\[0\].*cannot be used together' "$WORK/out"

start_postern "$WORK/postern.conf"
TERM_CERTS=-
[ "$TLS" = 0 ] || TERM_CERTS=$CERTS
python_test 63-proxy-protocol.py "$POSTERN_LOG" "$TERM_CERTS" "$WORK/in.sock" "$WORK/out.sock" \
    "$TAKES" "$SPOOFED" "$HASTY" "$DUAL" "$PLAIN" "$A" "$H"

# --- haproxy receives -------------------------------------------------------------------------

# It answers with what it has learned from the header, whose checksum it has verified. Logs of
# refused connections would go to stdout.
cat >"$WORK/haproxy.cfg" <<EOC
global
    log stdout format raw local0
defaults
    mode http
    log global
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend plain
    bind 127.0.0.1:$HA_HTTP accept-proxy
    http-request return status 200 content-type text/plain lf-string "haproxy src=%[src]:%[src_port] dst=%[dst]:%[dst_port] authority=%[fc_pp_authority] id=%[fc_pp_unique_id]\n"
frontend tls
    bind 127.0.0.1:$HA_TLS accept-proxy ssl crt $CERTS/both.pem
    http-request return status 200 content-type text/plain lf-string "haproxy src=%[src]:%[src_port] dst=%[dst]:%[dst_port] authority=%[fc_pp_authority] id=%[fc_pp_unique_id]\n"
frontend sends
    mode tcp
    bind 127.0.0.1:$HA_SENDS ssl crt $CERTS/both.pem ca-file $CERTS/ca.pem verify optional alpn http/1.1
    unique-id-format %[rand]-%pid
    default_backend postern
backend postern
    mode tcp
    retries 0
    source 127.0.0.9
    server v2 127.0.0.1:$TAKES send-proxy-v2-ssl-cn proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id ssl verify none sni str(every.test)
EOC

ASK=(--http1.1 --interface 127.0.0.7)
# asked NAME PORT [ARGUMENT...]: what NAME.test says to 127.0.0.7, in $WORK/out.
asked()
{
    local name=$1 port=$2
    shift 2
    curl_to "$port" "$name.test" / "${ASK[@]}" "$@" >"$WORK/out" 2>&1 ||
        { cat "$WORK/out"; fail "no answer from $name.test"; }
}

start_haproxy both "$WORK/haproxy.cfg" "$HA_HTTP"
wait_for_port "$HA_TLS"
asked hapass1 "$PLAIN"
assert_grep "^haproxy src=127.0.0.7:[0-9]+ dst=127.0.0.1:$PLAIN authority= id=\$" "$WORK/out"
asked hapass "$PLAIN"
assert_grep "^haproxy src=127.0.0.7:[0-9]+ dst=127.0.0.1:$PLAIN authority=hapass.test id=[0-9a-f]{16}-[0-9]+\$" \
    "$WORK/out"
if [ "$TLS" = 1 ]; then
    asked haterm1 "$PLAIN"
    assert_grep "^haproxy src=127.0.0.7:[0-9]+ dst=127.0.0.1:$PLAIN authority= id=\$" "$WORK/out"
    # The header goes before the TLS of ours, wherever the module stands in the list.
    asked hatls "$PLAIN"
    assert_grep "^haproxy src=127.0.0.7:[0-9]+ dst=127.0.0.1:$PLAIN authority=hatls.test id=." \
        "$WORK/out"
    asked hatls1 "$PLAIN"
    assert_grep "^haproxy src=127.0.0.7:[0-9]+ dst=127.0.0.1:$PLAIN authority= id=\$" "$WORK/out"
    asked haterm "$PLAIN" --cert "$CERTS/client.pem" --key "$CERTS/client.key"
    assert_grep "^haproxy src=127.0.0.7:[0-9]+ .* authority=haterm.test id=[0-9a-f]{16}-[0-9]+\$" \
        "$WORK/out"
fi

# --- nginx receives, and sends version 1 ------------------------------------------------------

mkdir -p "$WORK/nginx"
# shellcheck disable=SC2016 # the variables are nginx's
SAYS='default_type text/plain; location / { return 200 "nginx src=$proxy_protocol_addr:$proxy_protocol_port dst=$proxy_protocol_server_addr:$proxy_protocol_server_port\n"; }'
cat >"$WORK/nginx/nginx.conf" <<EOC
load_module $STREAM;
daemon off;
master_process off;
pid $WORK/nginx/pid;
error_log $WORK/nginx/error.log info;
events { }
http {
    access_log off;
    client_body_temp_path $WORK/nginx/body;
    proxy_temp_path $WORK/nginx/proxy;
    fastcgi_temp_path $WORK/nginx/fastcgi;
    uwsgi_temp_path $WORK/nginx/uwsgi;
    scgi_temp_path $WORK/nginx/scgi;
    server { listen 127.0.0.1:$NX_HTTP proxy_protocol; $SAYS }
    server { listen 127.0.0.1:$NX_TLS ssl proxy_protocol; $SAYS
        ssl_certificate $CERTS/both.pem; ssl_certificate_key $CERTS/both.pem; }
}
stream {
    server { listen 127.0.0.1:$NX_SENDS; proxy_pass 127.0.0.1:$TAKES; proxy_protocol on;
        proxy_bind 127.0.0.9; }
}
EOC
background nginx "$(PATH=$PATH:/usr/sbin command -v nginx)" -p "$WORK/nginx" \
    -e "$WORK/nginx/error.log" -c "$WORK/nginx/nginx.conf"
LOGS+=("$WORK/nginx/error.log")
wait_for_port "$NX_HTTP"
NX_SAYS="^nginx src=127.0.0.7:[0-9]+ dst=127.0.0.1:$PLAIN\$"
for version in 1 2; do
    asked nxpass$version "$PLAIN"
    assert_grep "$NX_SAYS" "$WORK/out"
    [ "$TLS" = 1 ] || continue
    asked nxterm$version "$PLAIN"
    assert_grep "$NX_SAYS" "$WORK/out"
done

# Through nginx, Postern and nginx: the client is seen by the last of them.
asked nxpass1 "$NX_SENDS"
assert_grep "^nginx src=127.0.0.7:[0-9]+ dst=127.0.0.1:$NX_SENDS\$" "$WORK/out"
asked hapass "$NX_SENDS"
assert_grep "^haproxy src=127.0.0.7:[0-9]+ dst=127.0.0.1:$NX_SENDS authority=hapass.test id=" \
    "$WORK/out"
wait_for_log 'listener=takes edge=hapass .* client=127.0.0.7:' "$POSTERN_LOG"

# --- haproxy sends all it can -----------------------------------------------------------------

# Every TLV goes on to an upstream that takes the header apart.
python_test 63-proxy-haproxy.py "$HA_SENDS" "$H" "$CERTS"
wait_for_log 'listener=takes edge=every .* client=127\.77\.' "$POSTERN_LOG"

# --- curl sends -------------------------------------------------------------------------------

ASK=(--http1.1 --interface 127.0.0.9)
asked hapass1 "$TAKES" --haproxy-protocol
assert_grep "^haproxy src=127.0.0.9:[0-9]+ dst=127.0.0.1:$TAKES " "$WORK/out"
# Who is named must send one; who is not, must not.
! curl_to "$TAKES" hapass1.test / "${ASK[@]}" >"$WORK/out" 2>&1 || fail "taken without a header"
wait_for_log 'listener=takes client=127.0.0.9:.* code=proxy-missing' "$POSTERN_LOG"
ASK=(--http1.1 --interface 127.0.0.8)
! curl_to "$SPOOFED" hapass1.test / "${ASK[@]}" --haproxy-protocol >"$WORK/out" 2>&1 ||
    fail "a header of nobody's taken"
wait_for_log 'listener=spoofed client=127.0.0.8:.* reason=not_tls' "$POSTERN_LOG"

# --- a reload takes peers in and out ----------------------------------------------------------

sed 's/"10.0.0.0\/8"/"127.0.0.8"/' "$WORK/postern.conf" >"$WORK/next.conf"
mv "$WORK/next.conf" "$WORK/postern.conf"
reload_postern
asked hapass1 "$SPOOFED" --haproxy-protocol
assert_grep "^haproxy src=127.0.0.8:" "$WORK/out"
stop_postern
