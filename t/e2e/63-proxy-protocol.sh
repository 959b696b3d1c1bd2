#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# PROXY protocol: headers taken from named peers and from nobody else, whatever their pieces;
# headers sent first on the wire; haproxy, nginx and curl at both ends.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3 openssl curl haproxy nginx
[ -e "$MODULE_DIR/proxy-protocol.so" ] || fail "no module proxy-protocol in $MODULE_DIR"
free_ports TAKES SPOOFED HASTY DUAL PLAIN A H HA_TLS HA_HTTP HA_SENDS NX_HTTP NX_TLS NX_SENDS
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
    certificates = ( { certificate = \"$CERTS/term.pem\"; key = \"$CERTS/term.key\"; } );"
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
    edge haterm1 "127.0.0.1:$HA_HTTP" "$TERM_HERE" '"proxy-protocol"; send = 1;'
    printf ',\n'
    edge nxterm1 "127.0.0.1:$NX_HTTP" "$TERM_HERE" '"proxy-protocol"; send = 1;'
    printf ',\n'
    edge nxterm2 "127.0.0.1:$NX_HTTP" "$TERM_HERE" '"proxy-protocol"; send = 2;'
}

(
    cd "$CERTS" && umask 077
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=term" \
        -keyout term.key -out term.csr &&
        openssl x509 -req -in term.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
            -out term.pem -extfile <(printf 'subjectAltName=DNS:%s.test,DNS:%s.test,DNS:%s.test,DNS:%s.test,DNS:%s.test\n' \
                term haterm haterm1 nxterm1 nxterm2) &&
        cat term.pem term.key >both.pem
) >"$WORK/certs.log" 2>&1 || fail "no certificate"

cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
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
start_postern "$WORK/postern.conf"
TERM_CERTS=-
[ "$TLS" = 0 ] || TERM_CERTS=$CERTS
python_test 63-proxy-protocol.py "$POSTERN_LOG" "$TERM_CERTS" "$WORK/in.sock" "$WORK/out.sock" \
    "$TAKES" "$SPOOFED" "$HASTY" "$DUAL" "$PLAIN" "$A" "$H"
