# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, two ports of the daemon, two ports of upstreams."""
import os
import socket
import sys

from hello_peers import (DEADLINE, Client, Upstream, connect, hello, noise,
                         read_answer, records)
from relay_peers import same, wait_for
from reload_peers import Daemon, fussy, guarded, module

FOLDER = sys.argv[1]
PORT, SECOND, ONE, TWO = (int(a) for a in sys.argv[2:])
WORKERS = 2
LIST = os.path.join(FOLDER, "denied")

one = Upstream("one", ("127.0.0.1", ONE))
two = Upstream("two", ("127.0.0.1", TWO))
first = Client(PORT, [one, two])
second = Client(SECOND, [one, two])

notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notified.settimeout(DEADLINE)
notified.bind(os.path.join(FOLDER, "notify"))
daemon = Daemon(FOLDER, workers=WORKERS, notify=notified.getsockname())


def listener(name, port, *modules):
    return 'name = "%s"; address = "127.0.0.1:%d"; modules = ( %s );' % (
        name, port, ", ".join(modules))


def edge(name, port, *modules):
    return 'name = "%s"; domains = [ "%s.test" ]; upstream = "127.0.0.1:%d"; modules = ( %s );' % (
        name, name, port, ", ".join(modules))


def asks(client, name):
    return client.ask(records(hello(name.encode() + b".test")))


def hear():
    return notified.recv(4096).decode().split("\n")


class Held:
    """A connection that lives over reloads."""

    def __init__(self, name):
        self.sent = records(hello(name.encode() + b".test"))
        self.sock = connect(PORT)
        self.sock.sendall(self.sent)
        marker, number = read_line(self.sock).split(" ")
        self.upstream = {"one": one, "two": two}[marker]
        self.number = int(number)
        self.more()

    def more(self):
        """More bytes, and they arrive where the first ones did."""
        part = noise(5000, len(self.sent))
        self.sock.sendall(part)
        self.sent += part
        data, _ = self.upstream.got[self.number]
        wait_for("bytes on the old connection", lambda: len(data) >= len(self.sent))
        same("bytes on the old connection", True, data == self.sent)

    def end(self):
        self.more()
        self.sock.shutdown(socket.SHUT_WR)
        same("end of the old connection", "end", read_answer(self.sock))
        same("all bytes", True, self.upstream.received(self.number) == self.sent)
        self.sock.close()


def read_line(sock):
    data = b""
    while not data.endswith(b"\n"):
        part = sock.recv(1)
        if not part:
            raise EOFError("an end after %r" % data)
        data += part
    return data[:-1].decode()


def case(name):
    print("50-reload: " + name)


# --- configuration --------------------------------------------------------------------------------


def changes():
    case("new connections get the new configuration, old ones go on")
    daemon.configure([listener("public", PORT)], [edge("a", ONE), edge("b", ONE)])
    daemon.start()
    same("notification", "READY=1", hear()[0])
    old = Held("a")
    gone = Held("b")
    same("a before", "one", asks(first, "a"))
    daemon.configure([listener("public", PORT), listener("other", SECOND)], [edge("a", TWO)])
    daemon.reload()
    same("notification", "RELOADING=1", hear()[0])
    same("notification", ["READY=1", "STATUS=serving 1 edges on 2 listeners"], hear())
    same("a after", "two", asks(first, "a"))
    same("a on the added listener", "two", asks(second, "a"))
    same("b after", "alert 112", asks(first, "b"))
    old.more()
    gone.more()
    same("generations", [1, 2], daemon.alive())

    case("a bad file changes nothing")
    with open(daemon.conf, encoding="ascii") as f:
        good = f.read()
    for bad, why in ((good + "colour = 3;\n", r"postern\.conf:10: colour: unknown key"),
                     (good.replace("edges = (", "edges = (("), r"postern\.conf:\d+: syntax error"),
                     (good.replace("a.test", "10.0.0.1"), r"postern\.conf:8: edges\[0\]\.domains")):
        daemon.write(bad)
        since = daemon.reload(good=False)
        same("explanation", 1, len(daemon.found(why, since)))
        same("notification", "RELOADING=1", hear()[0])
        same("notification", ["READY=1", "STATUS=reload refused: see the log"], hear())
        same("a after a bad file", "two", asks(first, "a"))
        same("a on the second listener", "two", asks(second, "a"))
        old.more()
    os.unlink(daemon.conf)
    since = daemon.reload(good=False)
    same("no file", 1, len(daemon.found("cannot be read: No such file", since)))
    same("generations", [1, 2], daemon.alive())

    case("a removed listener stops, also while an old connection lives")
    daemon.configure([listener("other", SECOND)], [edge("a", ONE)])
    daemon.reload()
    same("removed", True, wait_for("closed port", lambda: "refused" in asks(first, "a")))
    same("kept", "one", asks(second, "a"))
    old.end()
    gone.end()
    wait_for("single generation", lambda: len(daemon.alive()) == 1)

    case("and comes back")
    daemon.configure([listener("public", PORT)], [edge("a", ONE)])
    daemon.reload()
    same("added", "one", asks(first, "a"))
    daemon.stop()
    daemon.notify = None


def parameters():
    case("the file of a list, and parameters of modules")
    rules = '{ module = "ip-restrictions"; default = "allow"; deny_file = "%s"; }' % LIST

    def denied(text):
        with open(LIST, "w", encoding="ascii") as f:
            f.write(text)

    denied("192.0.2.0/24\n")
    daemon.configure([listener("public", PORT, rules)], [edge("a", ONE)])
    daemon.start()
    same("not denied", "one", asks(first, "a"))
    denied("127.0.0.0/8\n")
    same("not before the reload", "one", asks(first, "a"))
    daemon.reload()
    same("denied", "closed", asks(first, "a"))
    denied("300.0.0.0/8\n")
    since = daemon.reload(good=False)
    same("file and line", True, bool(daemon.found(r"denied:1", since)))
    same("still denied", "closed", asks(first, "a"))
    denied("")
    daemon.configure([listener("public", PORT, rules)],
                     [edge("a", ONE, module("live-pending", mode="deny", delay="1ms"))])
    daemon.reload()
    same("denied by another", "closed", asks(first, "a"))
    daemon.configure([listener("public", PORT, rules)],
                     [edge("a", ONE, module("live-pending", mode="resume", delay="1ms"))])
    daemon.reload()
    same("not denied with another mode", "one", asks(first, "a"))
    daemon.stop()


# The configuration is no longer there for adopt() and worker_init(): place without file and line.
EXPLAINED = {
    "init": r"postern\.conf:7: edges\[0\]\.modules\[0\].*init\(\) answered",
    "link": r"postern\.conf:7: edges\[0\]\.modules\[0\].*link\(\) answered",
    "adopt": r"edges\[0\]\.modules\[0\].*adopt\(\) answered",
    "worker_init": r'could not be started on a worker.*at="?edges\[0\]\.modules\[0\]',
}

# --- the life of a module -------------------------------------------------------------------------


def calls(since, *tags):
    """Calls of those instances, without those of connections."""
    return [c for c in daemon.transcript(since)
            if c[0] in tags and c[1] not in ("admit", "conn_fini")]


def life():
    case("the life of a module")

    def configure(n, **options):
        """A publisher before its consumer in edge a, a third one at the listener."""
        daemon.configure(
            [listener("public", PORT, fussy("l%d" % n))],
            [edge("a", ONE, fussy("p%d" % n, publish=True, **options), fussy("c%d" % n, find=True))])

    def tags(n):
        return "p%d" % n, "c%d" % n, "l%d" % n

    def start_of(n, over=None):
        """What is to happen in order, on the main thread."""
        p, c, l = tags(n)
        want = [(p, "init"), (c, "init"), (l, "init"), (p, "link"), (c, "found"), (c, "link"),
                (l, "link")]
        for tag in (p, c, l) if over is not None else ():
            want += [(tag, "adopts %s%d" % (tag[0], over)), (tag, "adopt")]
        return want

    def workers(call, order):
        return sorted((t, call) for t in order for _ in range(WORKERS))

    def end_of(n):
        p, c, l = tags(n)
        return [(l, "fini"), (c, "fini"), (p, "fini")]

    configure(1)
    daemon.start()
    head = start_of(1)
    got = calls(0, *tags(1))
    same("start", head, got[: len(head)])
    same("start on the workers", workers("worker_init", tags(1)), sorted(got[len(head):]))
    old = Held("a")
    same("admitted", 1, daemon.transcript().count(("p1", "admit")))

    since = daemon.mark()
    configure(2)
    daemon.reload()
    head = start_of(2, over=1)
    got = calls(since, *tags(2))
    same("reload", head, got[: len(head)])
    same("reload on the workers", workers("worker_init", tags(2)), sorted(got[len(head):]))
    # One worker is done with the old generation, the other one has a connection of it.
    wait_for("worker_fini", lambda: daemon.transcript(since).count(("p1", "worker_fini")) == 1)
    got = calls(since, *tags(1))
    same("retired", [(t, "retire") for t in sorted(tags(1))],
         sorted(c for c in got if c[1] == "retire"))
    same("no end while a connection lives", 0, sum(c[1] in ("fini", "conn_fini") for c in got))
    old.more()
    same("generations", [1, 2], daemon.alive())

    since_end = daemon.mark()
    old.end()
    daemon.wait_log("a generation is over", since_end)
    said = daemon.transcript(since_end)
    same("its last calls", [("c1", "conn_fini"), ("p1", "conn_fini"), ("l1", "conn_fini")],
         [c for c in said if c[1] == "conn_fini"])
    same("order of the ends", [("c1", "worker_fini"), ("p1", "worker_fini")],
         [c for c in said if c[1] == "worker_fini" and c[0] != "l1"])
    # Chains end in the reverse of the order they were made in.
    same("end", end_of(1), said[-3:])
    same("all ends", workers("worker_fini", tags(1)),
         sorted(c for c in calls(since, *tags(1)) if c[1] == "worker_fini"))
    same("generations", [2], daemon.alive())

    for n, call in enumerate(("init", "link", "adopt", "worker_init"), 3):
        case("a module that fails in " + call)
        since = daemon.mark()
        configure(n, fail=call)
        daemon.reload(good=False)
        p, c, l = tags(n)
        got = calls(since, p, c, l)
        same("calls", sorted(set(got)), sorted(set(got) & set(
            (t, w) for t in (p, c, l)
            for w in ("init", "link", "found", "adopt", "worker_init", "worker_fini", "fini",
                      "adopts %s2" % t[0]))))
        made = [t for t in (p, c, l) if not (call == "init" and t == p)]
        same("each that was made ends once", sorted((t, "fini") for t in made),
             sorted(x for x in got if x[1] == "fini"))
        began = got.count((c, "worker_init")) + got.count((l, "worker_init"))
        ended = got.count((c, "worker_fini")) + got.count((l, "worker_fini"))
        same("worker states", began, ended)
        same("the failed one has no worker state", 0, got.count((p, "worker_fini")))
        same("the old one is not retired", [], calls(since, *tags(2)))
        same("served by the old one", "one", asks(first, "a"))
        same("explained", 1 if call != "worker_init" else WORKERS,
             len(daemon.found(EXPLAINED[call], since)))
        same("generations", [2], daemon.alive())

    case("the end")
    since = daemon.mark()
    daemon.stop()
    got = calls(since, *tags(2))
    same("end", end_of(2), got[-3:])
    for call, times in (("retire", 1), ("worker_fini", WORKERS), ("fini", 1)):
        same(call + " at the end", sorted((t, call) for t in tags(2) for _ in range(times)),
             sorted(c for c in got if c[1] == call))


def steps():
    changes()
    parameters()
    life()


guarded(daemon, steps)
