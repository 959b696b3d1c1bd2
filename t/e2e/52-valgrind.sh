#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A short run of everything under valgrind: no errors, no leaks, no descriptors left over.

. "${top_srcdir:-.}/t/e2e/lib.sh"

[ -z "${SANITIZERS:-}${POSTERN_WRAP:-}" ] || skip "the build has its own checks"
need python3
need_valgrind
free_ports PORT INNER UPSTREAM
export POSTERN MODULE_DIR TOOLS_DIR
export POSTERN_WRAP="valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite \
 --show-leak-kinds=definite --track-fds=yes --error-exitcode=99 --log-file=$WORK/valgrind.log"
LOGS+=("$WORK/valgrind.log")
DEADLINE=60
python_test 53-races.py "$WORK" "$PORT" "$INNER" "$UPSTREAM" 8 20
assert_grep 'FILE DESCRIPTORS: ' "$WORK/valgrind.log"
# What we did not open ourselves says so in the next line: the log of valgrind, pipes of make.
LEFT=$(awk '/ Open /{open = $0; next} open != "" && !/inherited from parent/{print open}
    {open = ""}' "$WORK/valgrind.log")
assert_eq "" "$LEFT" "descriptors left open"
assert_no_grep 'definitely lost|Invalid|uninitialised' "$WORK/valgrind.log"
