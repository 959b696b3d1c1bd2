#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Handshakes that are broken off at every byte, by an end, a reset and silence, in each kind of
# handshake: others are served meanwhile, no upstream is dialled, and nothing is left of them. For
# the builds with sanitizers, and a short run under valgrind.
# STORM_STEP=1 breaks off at really every byte; more skips some, at random.

. "${top_srcdir:-.}/t/e2e/lib.sh"
. "${top_srcdir:-.}/t/e2e/tls_lib.sh"

need python3
free_ports PORT PATIENT UPSTREAM
export POSTERN MODULE_DIR DEADLINE
certificate storm ca "$EC_P256" "subjectAltName=DNS:ends.test,DNS:demands.test,DNS:narrow.test,DNS:served.test"

python_test 70-tls-storm.py "$WORK" "$CERTS" "$PORT" "$PATIENT" "$UPSTREAM" "${STORM_STEP:-7}"

[ -z "${SANITIZERS:-}${POSTERN_WRAP:-}" ] || exit 0
need_valgrind
export POSTERN_WRAP="valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite \
 --show-leak-kinds=definite --track-fds=yes --error-exitcode=99 --log-file=$WORK/valgrind.log"
LOGS+=("$WORK/valgrind.log")
DEADLINE=60
python_test 70-tls-storm.py "$WORK" "$CERTS" "$PORT" "$PATIENT" "$UPSTREAM" \
    "${STORM_VALGRIND_STEP:-97}"
assert_grep 'FILE DESCRIPTORS: ' "$WORK/valgrind.log"
LEFT=$(awk '/ Open /{open = $0; next} open != "" && !/inherited from parent/{print open}
    {open = ""}' "$WORK/valgrind.log")
assert_eq "" "$LEFT" "descriptors left open"
assert_no_grep 'definitely lost|Invalid|uninitialised' "$WORK/valgrind.log"
