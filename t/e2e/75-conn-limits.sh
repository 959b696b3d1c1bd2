#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# conn-limits with several workers: connections, rates, silent clients, failing handshakes, shadow
# mode, and a reload while connections are counted.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3 curl openssl nginx
free_ports HELD RATED SILENT PENALTY SHADOW PROXIED A UPSTREAM
start_nginx_tls one "$A" a

TERMINATED=
if [ -e "$MODULE_DIR/tls-termination.so" ]; then
    TERMINATED=",
  { name = \"new\"; domains = [ \"b.test\" ]; upstream = \"127.0.0.1:$A\";
    modules = (
      { module = \"tls-termination\"; terminate_at = \"edge\"; min_version = \"1.3\";
        certificates = ( { certificate = \"certs/b.pem\"; key = \"certs/b.key\"; } ); },
      { module = \"conn-limits\"; max_failures = \"2/1h\"; penalty = \"1h\"; } ); }"
fi

cat >"$WORK/postern.conf" <<EOC
workers = 3;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
timeouts = { hello = "60s"; };
listeners = (
  { name = "held"; address = "127.0.0.1:$HELD"; not_tls = "held"; },
  { name = "rated"; address = "127.0.0.1:$RATED"; not_tls = "rated"; },
  { name = "silent"; address = "127.0.0.1:$SILENT"; not_tls = "free";
    modules = ( { module = "conn-limits"; max_preread = 4; max_preread_per_client = 2; } ); },
  { name = "penalty"; address = "127.0.0.1:$PENALTY";
    modules = ( { module = "conn-limits"; max_failures = "3/1m"; penalty = "8s"; } ); },
  { name = "shadow"; address = "127.0.0.1:$SHADOW"; not_tls = "free";
    modules = ( { module = "conn-limits"; enforce = false; max_conns = 1; } ); },
  { name = "proxied"; address = "127.0.0.1:$PROXIED"; not_tls = "free";
    modules = ( { module = "proxy-protocol"; accept = [ "127.0.0.0/8" ]; },
                { module = "conn-limits"; max_conns_per_client = 1; max_failures = "1/1h";
                  exempt = [ "127.0.0.0/8" ]; } ); }
);
edges = (
  { name = "held"; upstream = "127.0.0.1:$UPSTREAM";
    modules = ( { module = "conn-limits"; max_conns_per_client = 2; max_conns = 5; } ); },
  { name = "rated"; upstream = "127.0.0.1:$UPSTREAM";
    modules = ( { module = "conn-limits"; conn_rate_per_client = "100/1h"; burst_per_client = 3;
                  ipv4_prefix = 24; } ); },
  { name = "free"; upstream = "127.0.0.1:$UPSTREAM"; },
  { name = "a"; domains = [ "a.test" ]; upstream = "127.0.0.1:$A"; }$TERMINATED
);
EOC
start_postern "$WORK/postern.conf"
python_test 75-conn-limits.py "$POSTERN_PID" "$POSTERN_LOG" \
    "$HELD" "$RATED" "$SILENT" "$SHADOW" "$PROXIED" "$UPSTREAM"

# visit ADDRESS: curl from there; true when nginx answered.
visit()
{
    [ "$(curl_to "$PENALTY" a.test / --interface "$1" 2>/dev/null)" = "one a.test /" ]
}

# hello_to PORT NAME [OPTION...]: an openssl client from 127.0.0.1, whatever comes of it.
hello_to()
{
    timeout "$DEADLINE" openssl s_client -connect "127.0.0.1:$1" -bind 127.0.0.1:0 \
        -servername "$2" "${@:3}" </dev/null >"$WORK/said" 2>&1 || true
}

say "penalty after names that nobody has"
visit 127.0.0.1 || fail "no answer before the penalty"
for i in 1 2 3; do
    hello_to "$PENALTY" "nobody$i.test"
    assert_grep 'unrecognized name' "$WORK/said"
done
visit 127.0.0.1 || fail "no answer within max_failures"
hello_to "$PENALTY" nobody4.test
wait_for_log 'too many failed handshakes: 127\.0\.0\.1/32 is refused for 8000 ms' "$POSTERN_LOG"
visit 127.0.0.1 && fail "an answer under penalty"
wait_for_log 'client=127\.0\.0\.1:.* stage=on_accept module=conn-limits code=limit-penalty' \
    "$POSTERN_LOG"
visit 127.0.0.2 || fail "no answer to somebody else"
wait_until "$DEADLINE" visit 127.0.0.1 || fail "the penalty does not end"

if [ -n "$TERMINATED" ]; then
    say "penalty after handshakes that fail"
    for i in 1 2 3; do
        hello_to "$PENALTY" b.test -tls1_2
        assert_grep 'protocol version' "$WORK/said"
    done
    wait_for_log 'is refused for 3600000 ms' "$POSTERN_LOG"
    hello_to "$PENALTY" b.test -tls1_3
    assert_grep 'no peer certificate available' "$WORK/said"
    wait_for_log 'edge=new .* stage=on_admit module=conn-limits code=limit-penalty' "$POSTERN_LOG"
    # The penalty is that edge's.
    wait_until "$DEADLINE" visit 127.0.0.1 || fail "no answer by another edge"
fi
stop_postern

say "what the configuration may not say"
sed 's/max_conns_per_client = 2/max_preread = 7/' "$WORK/postern.conf" >"$WORK/bad.conf"
assert_status 1 "$POSTERN" -t -c "$WORK/bad.conf"
assert_grep 'edges\[0\]\.modules\[0\]\.max_preread: ' "$WORK/out"
sed 's/max_conns_per_client = 2/conn_rate = "5 a day"/' "$WORK/postern.conf" >"$WORK/bad.conf"
assert_status 1 "$POSTERN" -t -c "$WORK/bad.conf"
assert_grep 'edges\[0\]\.modules\[0\]\.conn_rate: "5 a day" is not a rate' "$WORK/out"
