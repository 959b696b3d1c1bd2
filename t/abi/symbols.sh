#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A module defines exactly one dynamic symbol and needs none of the host; the daemon offers none,
# and holds no TLS library: that is the modules'.
set -eu
rc=0
n=0
fail()
{
    echo "symbols: $*" >&2
    rc=1
}

for so in "$MODULE_DIR"/*.so; do
    n=$((n + 1))
    defined=$(nm -D --defined-only "$so" | awk '{ print $NF }' | sed 's/@.*//' |
        grep -vE '^(__?asan_|__?ubsan_|__?tsan_|__?odr_asan|__sanitizer|__start_|__stop_|_init$|_fini$|__bss_start$|_edata$|_end$)' | tr '\n' ' ')
    # A test may need a file that is no module, or one of another ABI.
    case ${so##*/} in
    tm-none.so | tm-v2.so) continue ;;
    esac
    [ "$defined" = 'postern_module_v1 ' ] || fail "${so##*/} defines: $defined"
    if nm -D --undefined-only "$so" | grep ' pst_'; then
        fail "${so##*/} needs symbols of the host"
    fi
    if [ -z "${SANITIZERS:-}" ] && nm -D --undefined-only "$so" | grep -w __tls_get_addr; then
        fail "${so##*/}: libc ends the process when it has no memory for its thread-local variables"
    fi
    # A private wolfSSL lies in the folder above the modules: no other may be found instead.
    lib=$(ldd "$so" 2>/dev/null | sed -n 's/.*libwolfssl[^ ]* => \([^ ]*\).*/\1/p')
    private=$MODULE_DIR/../${lib##*/}
    [ -z "$lib" ] || [ ! -e "$private" ] || cmp -s "$lib" "$private" ||
        fail "${so##*/} would use $lib"
    # Of the same name, the system's library would be loaded whenever ours cannot be.
    if ls "$MODULE_DIR"/../libwolfssl-postern.so.* >/dev/null 2>&1 &&
        readelf -d "$so" | grep 'NEEDED.*libwolfssl\.so'; then
        fail "${so##*/} needs the system's wolfSSL"
    fi
done
[ $n -gt 0 ] || fail "no modules in $MODULE_DIR"

# Names of the core, taken from the archive it is built from.
[ -x "$POSTERN" ] && [ -f "$top_builddir/core/libcore.a" ] || exit $rc
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
nm -g --defined-only "$top_builddir/core/libcore.a" 2>/dev/null |
    awk 'NF == 3 { print $3 }' | sort -u >"$tmp/core"
nm -D --defined-only "$POSTERN" | awk '{ print $NF }' | sed 's/@.*//' | sort -u >"$tmp/daemon"
if [ -z "${SANITIZERS:-}" ] && comm -12 "$tmp/core" "$tmp/daemon" | grep .; then
    fail "the daemon exports the names above"
fi
if readelf -d "$POSTERN" | grep 'NEEDED.*wolfssl'; then
    fail "the daemon is linked with a TLS library"
fi
exit $rc
