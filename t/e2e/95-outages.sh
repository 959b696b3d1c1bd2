#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What runs out or goes away around the daemon: descriptors, the disk, the time of day, name servers,
# upstreams that are killed or stopped. And posternctl whose output cannot be written.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3 prlimit
[[ "${SANITIZERS:-}" != *thread* ]] || skip "the thread sanitizer allows no library before it"
[ -z "${POSTERN_WRAP:-}" ] || skip "the daemon is wrapped already"
export POSTERN MODULE_DIR TOOLS_DIR top_builddir POSTERNCTL=$top_builddir/posternctl
make_certs
free_ports PORT UPSTREAM BLACK
if [ "$(id -u)" -ne 0 ] || ! mkdir "$WORK/disk" || ! mount -t tmpfs -o size=64k none "$WORK/disk"; then
    say "without a full disk: that needs root"
    DISK=
else
    DISK=$WORK/disk
fi
status=0
DEADLINE=$DEADLINE PYTHONDONTWRITEBYTECODE=1 python3 "$top_srcdir/t/e2e/95-outages.py" "$WORK" "$PORT" \
    "$UPSTREAM" "$BLACK" "$DISK" "$CERTS" || status=$?
[ -z "$DISK" ] || umount -l "$DISK"
[ "$status" -eq 0 ] || fail "see what is wrong above"
