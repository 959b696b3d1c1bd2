#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Events of connections whose TLS ends at the edge: what was negotiated, who showed which
# certificate, bytes on the wire, handshakes that fail.

. "${top_srcdir:-.}/t/e2e/lib.sh"

[ -e "$MODULE_DIR/tls-termination.so" ] || skip "built without wolfSSL"
need python3 openssl
export POSTERN MODULE_DIR TOOLS_DIR
make_certs
free_ports PUBLIC UPSTREAM
python_test 64-event-tls.py "$WORK" "$CERTS" "$PUBLIC" "$UPSTREAM"
