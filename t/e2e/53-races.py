# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, the daemon's ports, the upstream's port, for how many seconds, and after how
many reloads at the earliest (1)."""
import random
import sys

from relay_peers import same, wait_for
from reload_peers import Daemon, Load, fussy, guarded, module, until

FOLDER = sys.argv[1]
PORT, INNER, UPSTREAM, TIME = (int(a) for a in sys.argv[2:6])
AT_LEAST = int(sys.argv[6]) if len(sys.argv) > 6 else 1

CLIENTS = 24
NAMES = ["a.test", "any.test", "resume.test", "unknown.test", "?late.test", "?never.test",
         "?deny.test", "?sometimes.test"]

daemon = Daemon(FOLDER, workers=4)


def pending(mode, delay="1ms"):
    return module("live-pending", mode=mode, delay=delay)


def configure(i, broken=False):
    def edge(name, *modules, extra=""):
        return ('name = "%s"; domains = [ "%s.test" ]; upstream = "127.0.0.1:%d"; modules = ( %s ); %s'
                % (name, name, UPSTREAM, ", ".join(modules), extra))

    short = 'timeouts = { pending = "60ms"; };'

    edges = [
        edge("a", fussy("g%d" % i, fail="worker_init" if broken else "never")),
        edge("any", *[pending("any")] * (1 + i % 2)),
        edge("resume", pending("resume"), pending("any")),
        edge("late", pending("late", "%dms" % (50 + i % 20)), extra=short),
        edge("never", pending("never"), extra=short),
        edge("deny", pending("any"), pending("deny")),
        'name = "tunnel"; modules = ( %s );' % module(
            "live-tunnel", into="inner"),
        'name = "far"; upstream = "127.0.0.1:%d";' % UPSTREAM,
    ]
    if i % 2:
        edges.append(edge("sometimes", pending("any")))
    daemon.configure(
        ['name = "public"; address = "127.0.0.1:%d"; unknown_sni = "tunnel";' % PORT,
         'name = "inner"; address = "127.0.0.1:%d"; unknown_sni = "far"; modules = ( %s );' % (
             INNER, fussy("i%d" % i))],
        edges)


def steps():
    configure(0)
    daemon.start()
    listening = daemon.sockets()
    threads = daemon.threads()
    load = Load(CLIENTS, UPSTREAM, PORT, NAMES, chaos=True, seed=random.randrange(1 << 30))
    try:
        goes_on = until(TIME)
        i = 0
        while goes_on() or i < AT_LEAST:
            i += 1
            configure(i, broken=i % 5 == 0)
            daemon.reload(good=i % 5 != 0)
    finally:
        done = load.finish()
    same("whole, cut and refused connections", True,
         min(done["whole"], done["cut"], done["refused"]) > 10)
    wait_for("single generation", lambda: len(daemon.alive()) == 1)
    wait_for("end of all connections", lambda: daemon.sockets() == listening)
    # Helper threads are started when there is work for them.
    same("threads", True, daemon.threads() - threads <= 4)
    print("  %d reloads, %d KiB" % (i, daemon.rss_kib()))
    daemon.stop()


guarded(daemon, steps)
