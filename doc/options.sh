#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# options.sh POSTERN MODULE.so PAGE: print the manual page with its tables of options as the module
# declares them; the word postern.conf instead of a module: the keys of the core.
#
# A table stands between two comments, ".\" options" and ".\" end of options". ".\" options a.b c.d"
# has the members of these groups, each once, and the table without a group has what no other has.

set -euo pipefail

"$1" --options "$2" | awk -F '  +' '
    function quoted(s) {
        gsub(/\\/, "\\e", s)
        gsub(/-/, "\\-", s)
        gsub(/\|/, " | ", s)
        return s
    }
    # The longest of the groups with tables that the option is in.
    function group_of(name,    g) {
        for (g = name; sub(/\.?[^.]*$/, "", g) && g != ""; )
            if (g in tables) return g
        return ""
    }
    function print_table(groups,    i, n, name, one, seen, list) {
        print ".TS\nlb lb lb\nl lx l.\nOption\tValues\tDefault"
        n = split(groups, list, " ")
        if (n == 0) list[n = 1] = ""
        for (one = 1; one <= n; one++)
            for (i = 1; i <= rows; i++)
                if (group[i] == list[one] && !seen[own[i]]++)
                    printf "%s\tT{\n%s\nT}\t%s\n", own[i], values[i], defaults[i]
        print ".TE"
    }
    # The page, first for the groups in it, then for printing.
    FNR == 1 { file++ }
    file == 1 && /^\.\\" options/ {
        for (i = 3; i <= split($0, words, " "); i++) tables[words[i]] = 1
    }
    file == 2 && FNR > 1 {
        group[++rows] = group_of($1)
        own[rows] = quoted(substr($1, group[rows] == "" ? 1 : length(group[rows]) + 2))
        values[rows] = quoted($2)
        defaults[rows] = $3 == "-" ? "" : quoted($3)
    }
    file == 3 && /^\.\\" end of options$/ { inside = 0; found++ }
    file == 3 && !inside { print }
    file == 3 && /^\.\\" options/ {
        sub(/^\.\\" options ?/, "")
        print_table($0)
        inside = 1
        found++
    }
    END { exit found >= 2 && found % 2 == 0 ? 0 : 1 }' "$3" - "$3" || {
    echo "$3: needs the comments .\\\" options and .\\\" end of options" >&2
    exit 1
}
