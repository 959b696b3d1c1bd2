# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, the daemon's port, the upstream's port, the number of reloads."""
import os
import sys

from relay_peers import same, wait_for
from reload_peers import Daemon, Load, fussy, guarded, module

FOLDER = sys.argv[1]
PORT, UPSTREAM, RELOADS = (int(a) for a in sys.argv[2:])
TARGET = 'upstream = "127.0.0.1:%d";' % UPSTREAM

MEMORY = not os.environ.get("SANITIZERS") and not os.environ.get("POSTERN_WRAP")

daemon = Daemon(FOLDER)


def configure(i):
    """Alternating modules, edges and settings; a.test and b.test are always served."""
    mods = [
        fussy("g%d" % i),
        module("live-pending", mode="any"),
        '{ module = "ip-restrictions"; default = "allow"; deny = [ "192.0.2.%d" ]; }' % (i % 250),
    ]
    some = mods[i % 3:]
    listener = 'name = "public"; address = "127.0.0.1:%d"; modules = ( %s );' % (
        PORT, mods[2] if i % 2 else "")
    edges = ['name = "a"; domains = [ "a.test" ]; %s modules = ( %s );' % (TARGET, ", ".join(some)),
             'name = "b%d"; domains = [ "b.test" ]; %s' % (i % 4, TARGET)]
    edges += ['name = "more%d"; domains = [ "more%d.test" ]; %s' % (n, n, TARGET)
              for n in range(i % 5)]
    daemon.configure([listener], edges)


def reload_all(times):
    for i in range(1, times + 1):
        configure(i)
        if i % 10 == 0:
            with open(daemon.conf, encoding="ascii") as f:
                good = f.read()
            broken = (good.replace("b.test", "a.test"), good[:-5],
                      good.replace('tag = "g', 'fail = "worker_init"; tag = "g'),
                      good.replace('tag = "g', 'fail = "link"; tag = "g'))[i // 10 % 4]
            daemon.write(broken)
            daemon.reload(good=broken == good)
        else:
            daemon.reload()
    configure(0)
    daemon.reload()


def figures_after(times):
    """Reload that often under load; descriptors, threads and KiB once all is quiet."""
    load = Load(8, UPSTREAM, PORT, ["a.test", "b.test", "?more1.test", "?nobody.test"])
    try:
        reload_all(times)
    finally:
        done = load.finish()
    same("connections were made", True, done["whole"] > 50)
    wait_for("single generation", lambda: len(daemon.alive()) == 1)
    wait_for("end of all connections", lambda: daemon.sockets() == daemon.listening)
    now = daemon.fds(), daemon.threads(), daemon.rss_kib()
    print("  after %d reloads: %d descriptors, %d threads, %d KiB" % ((times,) + now))
    return now


def steps():
    configure(0)
    daemon.start()
    daemon.listening = daemon.sockets()
    # The first round brings caches, pools and the allocator to their size.
    fds, threads, rss = figures_after(max(RELOADS // 5, 20))
    after = figures_after(RELOADS)
    same("descriptors", fds, after[0])
    # Of the two threads for jobs that block the second is made when the first happens to be busy.
    same("threads", True, after[1] <= threads + 1)
    # Allocators of the sanitizers hold freed memory back.
    if MEMORY:
        same("growth below 4 MiB", True, after[2] - rss < 4096)
    daemon.stop()


guarded(daemon, steps)
