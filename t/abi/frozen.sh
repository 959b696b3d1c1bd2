#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Modules of 1.0, compiled against the headers of 1.0, do in today's host what they did then.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$top_builddir/t/abi/run_frozen" "$MODULE_DIR" >"$tmp/transcript"
diff -u "$top_srcdir/t/abi/frozen/1.0/transcript.expected" "$tmp/transcript"
