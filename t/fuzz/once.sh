#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Run a test; one that is linked with libFuzzer runs its seeds once instead of for ever.
set -eu

case $1 in
*/fuzz_* | fuzz_*)
    exec "$1" -runs=0 "${top_srcdir:-.}/t/fuzz/seeds/${1##*fuzz_}"
    ;;
*)
    exec "$@"
    ;;
esac
