#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What scanners find on an edge that ends TLS: nothing but what is configured.

. "${top_srcdir:-.}/t/e2e/lib.sh"

[ -e "$MODULE_DIR/tls-termination.so" ] || skip "built without wolfSSL"
need faketime openssl sslscan
free_ports PORT HTTP
make_certs
start_nginx_plain plain "$HTTP"

# edge NAME MEMBERS
edge()
{
    printf '{ name = "%s"; domains = [ "%s.test" ]; upstream = "127.0.0.1:%s";\n' "$1" "$1" "$HTTP"
    printf '  modules = ( { module = "tls-termination"; terminate_at = "edge"; %s\n' "$2"
    printf '    certificates = ( { certificate = "%s/a.pem"; key = "%s/a.key"; } ); } ); }' \
        "$CERTS" "$CERTS"
}

cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; } );
edges = (
$(edge a ''),
$(edge new 'min_version = "1.3"; ciphersuites = [ "TLS_AES_256_GCM_SHA384" ]; groups = [ "P-384" ];'),
$(edge old 'max_version = "1.2"; ciphers = [ "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-SHA384" ];')
);
EOC
start_postern "$WORK/postern.conf"

# scan NAME: versions, suites and groups that sslscan finds, into $WORK/found. It invents X25519 keys
# from the second that it runs in; wolfSSL refuses those with the highest bit set, which no client
# makes. In the second that it is given here they are good ones.
scan()
{
    TZ=UTC timeout "$DEADLINE" faketime -f '2026-01-01 00:00:00' \
        sslscan --no-colour --timeout=20 --sni-name="$1" "127.0.0.1:$PORT" >"$WORK/out" 2>&1 ||
        { cat "$WORK/out"; fail "sslscan $1"; }
    sed -nE -e 's/^(SSLv2|SSLv3|TLSv1\.[0-3]) +enabled$/\1/p' \
        -e 's/^(Preferred|Accepted) +(TLS[^ ]*) +[0-9]+ bits +([^ ]+).*/\2 \3/p' \
        -e 's/^(TLSv1\.[0-3]) +[0-9]+ bits +([^ ]+).*/\1 \2/p' "$WORK/out" |
        sort -u >"$WORK/found"
}

# expect_found NAME: what stands on stdin, and nothing else. Debian's own library refuses hellos as
# long as some of sslscan's: then less is found.
expect_found()
{
    sort >"$WORK/expected"
    scan "$1"
    assert_eq "" "$(comm -13 "$WORK/expected" "$WORK/found")" "$1: found beside what is configured"
    grep -q 'more cipher suites than' "$POSTERN_LOG" ||
        assert_eq "" "$(comm -23 "$WORK/expected" "$WORK/found")" "$1: configured, but not found"
}

expect_found a.test <<'EOC'
TLSv1.2
TLSv1.3
TLSv1.3 TLS_AES_128_GCM_SHA256
TLSv1.3 TLS_AES_256_GCM_SHA384
TLSv1.3 TLS_CHACHA20_POLY1305_SHA256
TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256
TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384
TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305
TLSv1.3 secp256r1
TLSv1.3 secp384r1
TLSv1.3 x25519
TLSv1.2 secp256r1
TLSv1.2 secp384r1
TLSv1.2 x25519
EOC
assert_grep 'Session renegotiation not supported|Secure session renegotiation supported' "$WORK/out"
assert_no_grep '[^t] vulnerable to heartbleed' "$WORK/out"

expect_found new.test <<'EOC'
TLSv1.3
TLSv1.3 TLS_AES_256_GCM_SHA384
TLSv1.3 secp384r1
EOC

expect_found old.test <<'EOC'
TLSv1.2
TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256
TLSv1.2 ECDHE-ECDSA-AES256-SHA384
TLSv1.2 secp256r1
TLSv1.2 secp384r1
TLSv1.2 x25519
EOC
stop_postern
