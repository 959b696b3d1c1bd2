#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The gauges of when certificates end: as openssl reads them, over reloads that are taken, refused,
# and taken while a connection keeps the configuration before alive.

. "${top_srcdir:-.}/t/e2e/lib.sh"
. "${top_srcdir:-.}/t/e2e/tls_lib.sh"

need promtool
free_ports PORT METRICS HTTP
start_nginx_plain plain "$HTTP"
SETTINGS="workers = 2; metrics = { address = \"127.0.0.1:$METRICS\"; };"

# renew NAME DAYS KEY SAN: $CERTS/NAME.pem, which is good for so long.
renew()
{
    (
        cd "$CERTS" && umask 077
        # shellcheck disable=SC2086 # KEY may be several arguments
        openssl req -x509 -newkey $3 -nodes -subj "/CN=$1" -days "$2" -keyout "$1.key" -out "$1.pem" \
            -addext "subjectAltName=$4"
    ) >"$WORK/certificate.log" 2>&1 || fail "no certificate $1: $(cat "$WORK/certificate.log")"
}

# ends NAME: when that certificate does, by openssl, in Unix time.
ends()
{
    date -d "$(openssl x509 -in "$CERTS/$1.pem" -noout -enddate | cut -d= -f2)" +%s
}

scrape()
{
    curl -sS --noproxy '*' "http://127.0.0.1:$METRICS/metrics" >"$WORK/figures" &&
        promtool check metrics <"$WORK/figures"
}

# shows VALUE LABELS [FAMILY]
shows()
{
    assert_eq "$1" "$(sed -n "s/^postern_tls_certificate_${3:-}not_after_seconds{$2} //p" "$WORK/figures")" \
        "the gauge $2"
}

own='module="tls-termination"'
renew one 10 "$EC_P256" IP:192.0.2.1,DNS:one.test,DNS:more.test
renew two 20 rsa:2048 'DNS:*.two.test'
renew nameless 30 "$EC_P256" IP:192.0.2.2
renew hello 5 "$EC_P256" DNS:hello.test
first=$(edge one "$HTTP" "$(terminate one)")
two=$(edge two "$HTTP" "$(terminate two)")
mutual=$(edge mutual "$HTTP" "$(terminate nameless)" \
    "module = \"upstream-tls\"; ca = [ \"$CERTS/ca.pem\" ]; server_name = \"b.test\";
     certificate = \"$CERTS/hello.pem\"; key = \"$CERTS/hello.key\";")

say "without certificates there are no gauges"
configure "$WORK/postern.conf" "$(edge none "$HTTP" 'module = "tls-termination"; terminate_at = "upstream";')"
start_postern "$WORK/postern.conf"
scrape
assert_eq 0 "$(grep -c not_after "$WORK/figures" || true)" "gauges"

say "each has one, and there is that of the first to end"
configure "$WORK/postern.conf" "$first" "$two" "$mutual"
reload_postern
scrape
shows "$(ends one)" "$own,name=\"one.test\",key=\"EC256\""
shows "$(ends two)" "$own,name=\"\*.two.test\",key=\"RSA2048\""
shows "$(ends nameless)" "$own,name=\"nameless\",key=\"EC256\""
shows "$(ends hello)" 'module="upstream-tls",name="hello.test",key="EC256"'
shows "$(ends one)" "$own" first_
shows "$(ends hello)" 'module="upstream-tls"' first_
before=$(ends one)

say "a reload that is refused changes nothing"
renew one 40 "$EC_P256" DNS:one.test
configure "$WORK/postern.conf" "$first" "$(edge two "$HTTP" "$(terminate missing)")"
reload_postern
scrape
shows "$before" "$own,name=\"one.test\",key=\"EC256\""
shows "$before" "$own" first_

say "a renewed one is seen, although a connection still has the one before"
mkfifo "$WORK/held"
openssl s_client -quiet -connect "127.0.0.1:$PORT" -servername two.test <"$WORK/held" >"$WORK/out" 2>&1 &
client=$!
exec 8>"$WORK/held"
printf 'GET / HTTP/1.1\r\nHost: two.test\r\n\r\n' >&8
wait_until "$DEADLINE" grep -q '^HTTP/1.1' "$WORK/out" || fail "no answer: $(cat "$WORK/out")"
configure "$WORK/postern.conf" "$first" "$mutual"
reload_postern
scrape
shows "$(ends one)" "$own,name=\"one.test\",key=\"EC256\""
shows 0 "$own,name=\"\*.two.test\",key=\"RSA2048\""
shows "$(ends nameless)" "$own" first_
kill -0 "$client" || fail "the connection has ended"
exec 8>&-
kill "$client" || true
wait "$client" || true

stop_postern
