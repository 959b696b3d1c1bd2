# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, the daemon's port, the upstream's port, how many connections at least."""
import collections
import os
import random
import signal
import sys
import time

from event_peers import check_envelope, parse
from relay_peers import same, wait_for
from reload_peers import Daemon, Load, guarded, module

FOLDER = sys.argv[1]
PORT, UPSTREAM, CONNECTIONS = (int(a) for a in sys.argv[2:])
CLIENTS = 32
NAMES = ["a.test", "b.test", "any.test", "?deny.test", "?ender.test", "?nobody.test", "?down.test"]

daemon = Daemon(FOLDER, workers=4, level="notice")
current = os.path.join(FOLDER, "events.json")


def configure(i):
    """Some edges have a module of their own for the same file, in some generations."""
    log = module("event-logging", sink="file:" + current)

    def edge(name, *modules, to=UPSTREAM):
        return 'name = "%s"; domains = [ "%s.test" ]; upstream = "127.0.0.1:%d"; modules = ( %s );' % (
            name, name, to, ", ".join(modules))

    own = [log] if i % 3 == 0 else []
    daemon.configure(
        ['name = "public"; address = "127.0.0.1:%d"; modules = ( %s );' % (PORT, log)],
        [edge("a", *own), edge("b", module("live-pending", mode="any"), *own),
         edge("any", *(own + [module("live-pending", mode="any")] * (i % 3))),
         edge("deny", module("live-pending", mode="deny", delay="1ms"), *own),
         edge("ender", module("live-ender", at="on_established"), *own),
         edge("down", *own, to=1)])


class Tally:
    """What the files of events say, which are read and removed one after the other."""

    def __init__(self):
        self.seen = collections.defaultdict(set)  # numbers of connections by worker
        self.n = 0
        self.reasons = collections.Counter()
        self.rotated = []

    def rotate(self):
        if not os.path.exists(current):
            return
        name = "%s.%d" % (current, len(self.rotated))
        os.rename(current, name)
        self.rotated.append(name)
        daemon.process.send_signal(signal.SIGUSR1)

    def read(self, name):
        with open(name, encoding="utf-8") as f:
            text = f.read()
        same("the last line of a file is whole", True, text == "" or text.endswith("\n"))
        for line in text.splitlines():
            event = parse(line)
            check_envelope(event)
            o = event["object"]
            number = int(o["conn"]["id"])
            same("told twice", False, number >> 10 in self.seen[number & 1023])
            self.seen[number & 1023].add(number >> 10)
            same("worker", number & 1023, o["worker"])
            self.n += 1
            self.reasons[o["close"]["reason"]] += 1
        os.unlink(name)

    def finish(self):
        for name in self.rotated:
            self.read(name)
        self.read(current)
        # Each worker numbers its connections from 1: a gap is a connection without an event.
        for worker, numbers in self.seen.items():
            same("numbers of worker %d" % worker, len(numbers), max(numbers))


def steps():
    tally = Tally()
    configure(0)
    daemon.start()
    load = Load(CLIENTS, UPSTREAM, PORT, NAMES, chaos=True, seed=random.randrange(1 << 30))
    reloads = 0
    size = 0
    begin = time.monotonic()
    try:
        # A line has about 800 bytes; what is too little is seen at the end.
        while size < CONNECTIONS * 900:
            reloads += 1
            configure(reloads)
            daemon.reload()
            if reloads % 2:
                before = os.path.getsize(current) if os.path.exists(current) else 0
                wait_for("events", lambda: os.path.exists(current)
                         and os.path.getsize(current) > max(before, 1000))
                size += os.path.getsize(current)
                tally.rotate()
    finally:
        done = load.finish()
    wait_for("a new file", lambda: os.path.exists(current))
    daemon.stop()
    tally.finish()
    total = sum(done[k] for k in ("whole", "cut", "refused", "failed"))
    print("  %d connections, %d events, %d reloads, %d rotations, %d s" % (
        total, tally.n, reloads, len(tally.rotated), time.monotonic() - begin))
    print("  " + ", ".join("%s %d" % x for x in tally.reasons.most_common()))
    same("events", total, tally.n)
    same("enough of them", True, tally.n >= CONNECTIONS)


guarded(daemon, steps)
