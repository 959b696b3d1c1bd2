#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# packages.sh FOLDER: builds the release archive and Debian's packages in FOLDER, and tests them:
# two archives of one tree are the same, lintian has nothing to say, they install, upgrade a daemon
# that runs, go away without a trace, and pass debian/tests/. With REBUILD in the environment two
# builds of the packages have to be the same, too.
#
# Installing needs root, for a throw-away view of this machine: what is written into it is in memory,
# and it has a network and processes of its own.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SELF=${BASH_SOURCE[0]##*/}

say()
{
    printf '%s\n' "$*"
}

fail()
{
    say "FAILED: $*" >&2
    exit 1
}

# --- the archive ------------------------------------------------------------------------------

# The same files at another path, in another time zone, with another umask, and made from the clone
# of a repository where this is one.
second_archive()
{
    local dir=$1/elsewhere
    rm -rf "$dir"
    if [ -e "$TOP/.git" ]; then
        git clone -q "$TOP" "$dir"
        git -C "$TOP" ls-files -z | (cd "$TOP" && tar -cf - --null -T -) | tar -C "$dir" -xf -
    else
        mkdir "$dir"
        tar -C "$dir" --strip-components=1 -xf "$1"/postern_*.orig.tar.xz
    fi
    (
        umask 002
        export TZ=Pacific/Auckland LC_ALL=C.UTF-8
        cd "$dir"
        ./bootstrap autotools
        mkdir -p build
        cd build
        ../configure -q --without-wolfssl
        make -s dist
    )
    cmp "$dir"/build/postern-*.tar.xz "$1"/postern_*.orig.tar.xz || fail "two archives differ"
    rm -rf "$dir"
}

# --- a view of this machine to throw away -------------------------------------------------------

# thrown_away FOLDER PART: run that part of this script as root there, FOLDER being /mnt.
thrown_away()
{
    # shellcheck disable=SC2016 # expanded inside
    unshare --mount --net --pid --fork --kill-child bash -euc '
        mount -t tmpfs none /mnt
        mkdir /mnt/upper /mnt/work /mnt/root
        mount -t overlay none -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
        [ -x /mnt/root/usr/bin/dpkg ] && [ -e /mnt/root/var/lib/dpkg/status ] || exit 1
        [ "$2" != possible ] || exit 0
        root=/mnt/root
        mount -t proc none $root/proc
        mount --rbind /dev $root/dev
        mount -t tmpfs none $root/run
        mount -t tmpfs none $root/tmp
        chmod 1777 $root/tmp
        mount --rbind "$1" $root/mnt
        cp "$3" $root/run/packages.sh
        ip link set lo up
        chroot $root bash /run/packages.sh --inside "$2"
        [ "$2" != life ] || find /mnt/upper -mindepth 1 -printf "%P\n" >"$1/written"
    ' bash "$1" "$2" "$TOP/t/$SELF"
}

# traces FILE: what was written there and is ours. The rest are lists and logs of the system, the user,
# and folders that the machine has.
traces()
{
    local path
    grep -vE '^(var/lib/(dpkg|systemd)|var/cache/(man|ldconfig|debconf)|var/log/dpkg\.log)' "$1" |
        grep -vE '^etc/((passwd|group|shadow|gshadow|subuid|subgid)-?|\.pwd\.lock)$' |
        while read -r path; do
            [ -d "/$path" ] || printf '%s\n' "$path"
        done
}

# --- inside -----------------------------------------------------------------------------------

pid()
{
    posternctl --json status 2>/dev/null | sed -n 's/.*"pid":\([0-9]*\).*/\1/p'
}

within()
{
    local end=$((SECONDS + 30))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "still not: $*"
        sleep 0.1
    done
}

# The package again, as the version after it.
next_version()
{
    dpkg-deb --raw-extract /mnt/postern_*.deb /tmp/next
    sed -i 's/^Version: .*/&+next/' /tmp/next/DEBIAN/control
    dpkg-deb -Zgzip -z1 --root-owner-group --build /tmp/next /tmp/next.deb
}

life()
{
    local before
    next_version
    dpkg --install /mnt/postern_*.deb /mnt/postern-dev_*.deb
    postern -t
    postern &
    within pid >/dev/null
    before=$(pid)
    dpkg --install /tmp/next.deb
    [ "$(pid)" -ne "$before" ] || fail "the daemon was not upgraded"
    posternctl stop
    rm /etc/postern/conf.d/example.conf
    dpkg --install /mnt/postern_*.deb
    [ ! -e /etc/postern/conf.d/example.conf ] || fail "the example came back"
    dpkg --remove postern postern-dev
    [ -e /etc/postern/postern.conf ] || fail "no configuration left by remove"
    [ ! -e /usr/sbin/postern ] || fail "the program is left"
    dpkg --purge postern postern-dev
}

tests()
{
    autopkgtest /mnt/postern_*.changes -- null
}

# --- the whole --------------------------------------------------------------------------------

case ${1:-} in
--inside)
    "$2"
    exit 0
    ;;
'')
    say "usage: $SELF FOLDER" >&2
    exit 2
    ;;
esac
rm -rf "$1"
mkdir -p "$1"
OUT=$(cd "$1" && pwd)

say "=== packages"
DEB_BUILD_OPTIONS="nocheck noautodbgsym ${DEB_BUILD_OPTIONS:-}" bash "$TOP/contrib/build-packages.sh" "$OUT"
say "=== a second archive"
second_archive "$OUT"
say "=== lintian"
lintian --fail-on warning,error --allow-root "$OUT"/postern_*.changes
if [ -n "${REBUILD:-}" ]; then
    say "=== the packages again"
    DEB_BUILD_OPTIONS="nocheck noautodbgsym ${DEB_BUILD_OPTIONS:-}" bash "$TOP/contrib/build-packages.sh" "$OUT/again"
    for file in "$OUT"/*.deb "$OUT"/*.dsc; do
        cmp "$file" "$OUT/again/${file##*/}" || fail "two builds of ${file##*/} differ"
    done
fi
if [ "$(id -u)" -ne 0 ] || ! thrown_away "$OUT" possible; then
    say "skipped: packages are not installed: that needs root and mounts"
    exit 0
fi
say "=== install, upgrade, remove, purge"
thrown_away "$OUT" life
traces "$OUT/written" >"$OUT/traces"
[ ! -s "$OUT/traces" ] || fail "left behind: $(tr '\n' ' ' <"$OUT/traces")"
say "=== autopkgtest"
thrown_away "$OUT" tests
