#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Calls that fail, one after the other: at the start, in a reload, in every kind of connection. What
# fails in passing costs at most the connection it happens to, and that one tells what became of it.
# TEST_LONG=1: really every call, not a sample.

. "${top_srcdir:-.}/t/e2e/lib.sh"

[ -e "$MODULE_DIR/tls-termination.so" ] || skip "built without wolfSSL"
[[ "${SANITIZERS:-}" != *thread* ]] || skip "the thread sanitizer allows no library before it"
[ -z "${POSTERN_WRAP:-}" ] || skip "the daemon is wrapped already"
need python3 openssl
export POSTERN MODULE_DIR TOOLS_DIR top_builddir POSTERNCTL=$top_builddir/posternctl
make_certs
free_ports PUBLIC PROXIED PLAIN TLS METRICS
python_test 94-faults.py "$WORK" "$CERTS" "$PUBLIC" "$PROXIED" "$PLAIN" "$TLS" "$METRICS"
