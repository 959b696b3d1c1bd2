#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Much data both ways through each kind of edge keeps its SHA-256: records, segments and reads of
# random sizes, ends of one direction while the other goes on, readers that are slow.
# BULK_BYTES=1073741824 for a gibibyte each way, four times for each edge.

. "${top_srcdir:-.}/t/e2e/lib.sh"
. "${top_srcdir:-.}/t/e2e/tls_lib.sh"

need python3
free_ports PORT PLAIN TLS
BULK_BYTES=${BULK_BYTES:-$((8 << 20))}
certificate bulk ca "$EC_P256" \
    "subjectAltName=DNS:through.test,DNS:ends.test,DNS:demands.test,DNS:again.test"

MUTUAL="module = \"mutual-tls\"; ca = [ \"$CERTS/ca.pem\" ];"
AGAIN="module = \"upstream-tls\"; ca = [ \"$CERTS/ca.pem\" ]; server_name = \"again.test\";"
EDGES=("$(edge through "$TLS" 'module = "tls-termination"; terminate_at = "upstream";')"
    "$(edge ends "$PLAIN" "$(terminate bulk)")"
    "$(edge demands "$PLAIN" "$(terminate bulk)" "$MUTUAL")"
    "$(edge again "$TLS" "$(terminate bulk)" "$AGAIN")")
configure "$WORK/postern.conf" "${EDGES[@]}"
start_postern "$WORK/postern.conf"
python_test 69-tls-bulk.py "$PORT" "$POSTERN_LOG" "$CERTS" "$PLAIN" "$TLS" "$BULK_BYTES" \
    through:tls ends:plain demands:plain again:tls
stop_postern
assert_no_grep 'level=(error|warning)' "$POSTERN_LOG"
