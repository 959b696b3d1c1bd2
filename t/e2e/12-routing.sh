#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Which edge a name and a protocol lead to, over every kind of listener and to every kind of
# upstream: exact and wildcard names, "*", ALPN, IDN, include_dir, unix sockets, IPv6.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3 openssl nginx
free_ports MAIN EXTRA TWO DUAL ONLY6 LOOP6 ANYWAY REAL ACME_REAL
MARKERS=(A MIXED W DEEP EXACT INNER ACME ONLY ANY IDN IDNW ESZETT CONFD CONFD2 SIX)
free_ports "${MARKERS[@]}"
make_certs

V6=no
python3 -c 'import socket; socket.socket(socket.AF_INET6).bind(("::1", 0))' 2>/dev/null && V6=yes

# edge NAME MARKER DOMAINS [KEYS]: an edge to the upstream of that marker.
edge()
{
    printf '{ name = "%s"; domains = [ %s ]; upstream = "127.0.0.1:%s"; %s }' \
        "$1" "$3" "${!2}" "${4:-}"
}

mkdir "$WORK/conf.d"
cat >"$WORK/postern.conf" <<EOC
workers = 2;
log = { level = "debug"; };
timeouts = { hello = "60s"; };
include_dir = "conf.d";
listeners = (
    { name = "main"; address = "127.0.0.1:$MAIN"; },
    { name = "two"; address = [ "127.0.0.2:$TWO", "127.0.0.3:$TWO" ]; },
    { name = "unix"; address = "unix:$WORK/in.sock"; mode = "0600"; }
);
edges = (
    $(edge a A '"a.test"'),
    $(edge mixed MIXED '"MiXed.TEST."'),
    $(edge w W '"*.w.test"'),
    $(edge deep DEEP '"*.deep.w.test"'),
    $(edge exact EXACT '"x.deep.w.test"'),
    $(edge inner INNER '"inner.w.test", "*.other.test"'),
    $(edge acme ACME '"a.test", "*.w.test"' 'alpn = [ "acme-tls/1", "acme-tls/2" ];'),
    $(edge only ONLY '"only.w.test", "only.test"' 'alpn = [ "h2" ];'),
    $(edge any ANY '"*"' 'alpn = [ "any/1" ];'),
    $(edge idn IDN '"bücher.test"'),
    $(edge idn-wildcard IDNW '"*.München.test", "*.例え.test"'),
    $(edge eszett ESZETT '"faß.test"'),
    { name = "unix"; domains = [ "unix.test" ]; upstream = "unix:$WORK/out.sock"; },
    { name = "real"; domains = [ "real.test" ]; upstream = "127.0.0.1:$REAL"; },
    { name = "real-acme"; domains = [ "real.test" ]; alpn = [ "acme-tls/1" ];
      upstream = "127.0.0.1:$ACME_REAL"; }
);
EOC
cat >"$WORK/conf.d/10-first.conf" <<EOC
listeners = ( { name = "extra"; address = "127.0.0.1:$EXTRA"; unknown_sni = "second"; } );
edges = ( $(edge first CONFD '"first.test"') );
EOC
cat >"$WORK/conf.d/20-second.conf" <<EOC
edges = ( $(edge second CONFD2 '"second.test"') );
EOC
if [ "$V6" = yes ]; then
    # The last one keeps other tests from listening where nobody may answer.
    cat >"$WORK/conf.d/30-ipv6.conf" <<EOC
listeners = (
    { name = "dual"; address = "[::]:$DUAL"; },
    { name = "only6"; address = "[::]:$ONLY6"; dual_stack = false; },
    { name = "loop6"; address = "[::1]:$LOOP6"; },
    { name = "held"; address = [ "127.0.0.2:$ONLY6", "127.0.0.2:$LOOP6" ]; }
);
edges = ( { name = "six"; domains = [ "six.test" ]; upstream = "[::1]:$SIX"; } );
EOC
fi
# Neither is read.
echo 'nonsense' >"$WORK/conf.d/40-old.conf.bak"
echo 'nonsense' >"$WORK/conf.d/.hidden.conf"

# What somebody left behind is no obstacle.
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$WORK/in.sock"

# rows GROUP PORT...: those of 12-routing.py.
rows()
{
    local group=$1 upstreams=() m
    shift
    for m in "${MARKERS[@]}"; do
        upstreams+=("$m=${!m}")
    done
    DEADLINE=$DEADLINE PYTHONDONTWRITEBYTECODE=1 python3 "$top_srcdir/t/e2e/12-routing.py" \
        "$group" "$POSTERN_LOG" "$WORK" "$V6" "${upstreams[*]}" "$@" ||
        fail "wrong answers, see the table"
}

# served_by COMMON-NAME ALPN ARGUMENT...: s_client meets the server with that certificate.
served_by()
{
    local name=$1 alpn=$2
    shift 2
    assert_status 0 timeout "$DEADLINE" openssl s_client -connect "127.0.0.1:$MAIN" \
        -servername real.test "$@" </dev/null
    assert_grep "^subject=.*CN ?= ?$name" "$WORK/out"
    assert_grep "$alpn" "$WORK/out"
}

start_nginx_tls plain "$REAL" a
background s_server openssl s_server -accept "127.0.0.1:$ACME_REAL" -www -alpn acme-tls/1 \
    -cert "$CERTS/b.pem" -key "$CERTS/b.key"
wait_for_port "$ACME_REAL"

start_postern "$WORK/postern.conf"
rows names "$MAIN"
rows alpn "$MAIN"
rows places "$MAIN" "$EXTRA" "$TWO" "$DUAL" "$ONLY6" "$LOOP6"
served_by b.test '^ALPN protocol: acme-tls/1' -alpn acme-tls/1
served_by b.test '^ALPN protocol: acme-tls/1' -alpn acme-tls/1 -tls1_2
served_by b.test '^ALPN protocol: acme-tls/1' -alpn h2,acme-tls/1
served_by a.test '^ALPN protocol: http/1.1' -alpn http/1.1
served_by a.test '^No ALPN negotiated'
stop_postern
[ ! -e "$WORK/in.sock" ] || fail "the socket of a listener outlives its daemon"

# Two files must not fight over a name, however it is written.
cat >"$WORK/conf.d/50-clash.conf" <<EOC
edges = ( $(edge clash CONFD '"FIRST.test."') );
EOC
assert_status 1 "$POSTERN" -t -c "$WORK/postern.conf"
assert_grep '50-clash\.conf:1: .*"first\.test" is already served by edge "first"' "$WORK/out"

# Where "*" is served, every good name is known.
cat >"$WORK/any.conf" <<EOC
log = { level = "debug"; };
timeouts = { hello = "60s"; };
listeners = ( { name = "main"; address = "127.0.0.1:$ANYWAY"; } );
edges = (
    $(edge a A '"a.test"'),
    $(edge w W '"*.w.test"'),
    $(edge any ANY '"*"'),
    $(edge acme ACME '"*"' 'alpn = [ "acme-tls/1" ];')
);
EOC
start_postern "$WORK/any.conf"
rows any "$ANYWAY"
stop_postern
