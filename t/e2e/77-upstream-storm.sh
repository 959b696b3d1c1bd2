#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The other side of 70-tls-storm.sh: upstreams that break off at every byte of their handshake.

. "${top_srcdir:-.}/t/e2e/lib.sh"
. "${top_srcdir:-.}/t/e2e/tls_lib.sh"

need python3
free_ports PORT A B C D NOBODY
NAMES=(tls12-fin tls12-rst tls13-fin tls13-rst)
PORTS=("$A" "$B" "$C" "$D")
certificate up ca "$EC_P256" "subjectAltName=DNS:up.test"
certificate server ca "$EC_P256" \
    "subjectAltName=$(printf 'DNS:%s.test,' "${NAMES[@]}")DNS:nobody.test"
AGAIN="module = \"upstream-tls\"; ca = [ \"$CERTS/ca.pem\" ]; server_name = \"up.test\";"
EDGES=("$(edge nobody "$NOBODY" "$(terminate server)")")
WHAT=()
for i in "${!NAMES[@]}"; do
    EDGES+=("$(edge "${NAMES[i]}" "${PORTS[i]}" "$(terminate server)" "$AGAIN")")
    WHAT+=("${NAMES[i]}:${PORTS[i]}")
done
SETTINGS="workers = 4;"
configure "$WORK/postern.conf" "${EDGES[@]}"
start_postern "$WORK/postern.conf"
python_test 77-upstream-storm.py "$POSTERN_PID" "$POSTERN_LOG" "$PORT" "$CERTS" \
    "${STORM_STEP:-7}" "${WHAT[@]}"
stop_postern
assert_no_grep 'level=error|reason=internal' "$POSTERN_LOG"
