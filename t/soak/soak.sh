#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# All that happens to a daemon in years, in SOAK_SECONDS: reloads good and broken, certificates that
# are replaced, upstreams that come and go, clients of all manners, commands, scrapes, rotations, an
# upgrade. At its end nothing may be lost or left. Prints a table of figures.

. "${top_srcdir:-.}/t/e2e/lib.sh"

[ -e "$MODULE_DIR/tls-termination.so" ] || skip "built without wolfSSL"
need python3 openssl nginx
[ -z "${POSTERN_WRAP:-}" ] || skip "an upgrade runs the daemon as it is"
export POSTERN MODULE_DIR TOOLS_DIR POSTERNCTL=$top_builddir/posternctl
make_certs
for name in one two; do
    (cd "$CERTS" && umask 077 && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -subj "/CN=$name" -keyout "$name.key" -out "$name.csr" &&
        openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
            -out "$name.pem" -extfile <(printf 'subjectAltName=%s' \
            "$(printf 'DNS:*.%s.test,' term mutual again gone nginx)DNS:upstream.test")) \
        >"$WORK/certs.log" 2>&1 || fail "no certificate $name"
done
free_ports PORT METRICS PASS PLAIN TLS RUDE FLAP NGINX
PYTHONPATH=$top_srcdir/t/e2e python_test ../soak/soak.py "$WORK" "$CERTS" "${SOAK_SECONDS:-1800}" \
    "$PORT" "$METRICS" "$PASS" "$PLAIN" "$TLS" "$RUDE" "$FLAP" "$NGINX"
