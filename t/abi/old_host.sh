#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Today's modules in a host whose table ends where that of 1.0 ended; see old_host.c.
set -eu
set --
for so in "$MODULE_DIR"/*.so; do
    case ${so##*/} in
    tm-*) ;; # test modules, some of them none on purpose
    *) set -- "$@" "$so" ;;
    esac
done
exec "$top_builddir/t/abi/old_host" "$@"
