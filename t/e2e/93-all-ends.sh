#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Connections that end in every way there is, reloads in between; afterwards nothing may be counted
# any more, neither by the daemon nor by conn-limits, and all limits can be used up again.

. "${top_srcdir:-.}/t/e2e/lib.sh"

[ -e "$MODULE_DIR/tls-termination.so" ] || skip "built without wolfSSL"
need python3 openssl
export POSTERN MODULE_DIR TOOLS_DIR POSTERNCTL=$top_builddir/posternctl
make_certs
free_ports PORT PROXIED METRICS ECHO PLAIN GONE
python_test 93-all-ends.py "$WORK" "$CERTS" "${STORM_ROUNDS:-6}" "$PORT" "$PROXIED" "$METRICS" \
    "$ECHO" "$PLAIN" "$GONE"
