#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A network that loses packets: one in twenty, all towards an upstream, all of a connection that
# stood. In a network namespace of its own, so that nobody else is disturbed.

if [ -z "${IN_NAMESPACE:-}" ]; then
    for tool in unshare nft ip; do
        PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || {
            echo "96-network.sh: skipped: needs $tool" >&2
            exit 77
        }
    done
    unshare --net true 2>/dev/null || {
        echo "96-network.sh: skipped: needs root, for a network namespace" >&2
        exit 77
    }
    IN_NAMESPACE=1 exec unshare --net "$BASH" "$0"
fi

. "${top_srcdir:-.}/t/e2e/lib.sh"
PATH=$PATH:/usr/sbin:/sbin

need python3 nft ip
ip link set lo up || skip "no loopback in a namespace"
nft -f - <<'EOC' || skip "nftables do not work here"
table inet t {
    set black { type inet_service; }
    set lossy { type inet_service; }
    chain in {
        type filter hook input priority 0;
        tcp dport @black drop
        tcp sport @black drop
        tcp dport @lossy numgen random mod 100 < 5 drop
        tcp sport @lossy numgen random mod 100 < 5 drop
    }
}
EOC
export POSTERN MODULE_DIR TOOLS_DIR
free_ports PORT UPSTREAM BLACK
python_test 96-network.py "$WORK" "$PORT" "$UPSTREAM" "$BLACK"
