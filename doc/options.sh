#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# options.sh POSTERN MODULE.so PAGE: print the manual page with its table of options as the module
# declares them. The table stands between two comments, ".\" options" and ".\" end of options".

set -euo pipefail

table=$("$1" --options "$2" | awk -F '  +' '
    function quoted(s) {
        gsub(/\\/, "\\e", s)
        gsub(/-/, "\\-", s)
        gsub(/\|/, " | ", s)
        return s
    }
    BEGIN { print ".TS\nlb lb lb\nl lx l." }
    NR == 1 { print "Option\tValues\tDefault"; next }
    { printf "%s\tT{\n%s\nT}\t%s\n", quoted($1), quoted($2), $3 == "-" ? "" : quoted($3) }
    END { print ".TE" }')

TABLE=$table awk '
    /^\.\\" end of options$/ { inside = 0; found++ }
    !inside { print }
    /^\.\\" options$/ { print ENVIRON["TABLE"]; inside = 1; found++ }
    END { exit found == 2 ? 0 : 1 }' "$3" || {
    echo "$3: needs the comments .\\\" options and .\\\" end of options" >&2
    exit 1
}
