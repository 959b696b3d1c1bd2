# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of 23-upstreams.sh: arguments are the daemon's log, a folder, and NAME=PORT pairs."""
import os
import socket
import sys
import time

from hello_peers import connect, hello, log_line, read_answer, records
from relay_peers import Named, ask, asked, read_to_end, run, same, wait_for

LOG, FOLDER = sys.argv[1:3]
FAIL_TIMEOUT = 2  # of the edge "health"
PORTS = {k: int(v) for k, v in (a.split("=") for a in sys.argv[3:])}


def target(name):
    return Named(name, ("127.0.0.1", PORTS[name]))


def logged(port):
    """One connection there; who answered, and the line in the log about it."""
    sock, name, source = ask(PORTS[port])
    sock.close()
    return name, log_line(LOG, source)


def tries(port):
    name, fields = logged(port)
    return name, int(fields.get("tries", -1))


# Those that are up all the time.
A, B, C = (target(name) for name in ("A", "B", "C"))


def weights():
    """connections are dealt out exactly by weight"""
    got = [asked(PORTS["weights"]) for _ in range(60)]
    same("answers", {"A": 30, "B": 10, "C": 20}, {name: got.count(name) for name in "ABC"})
    # Smooth: the heavy one does not get all of its share in a row.
    if "AAAA" in "".join(got):
        raise AssertionError("in a row: %s" % "".join(got))


def backup():
    """a backup is used while the primaries refuse, and not after"""
    same("all primaries down", {("C", 3)}, {tries("backup") for _ in range(4)})
    primary = target("late1")
    same("a primary is back", {"late1"}, {asked(PORTS["backup"]) for _ in range(6)})
    primary.stop()
    same("down again", {"C"}, {asked(PORTS["backup"]) for _ in range(4)})


def next_target():
    """a refused connect leads to the next target"""
    got = [tries("next") for _ in range(10)]
    same("answers", {"A"}, {name for name, _ in got})
    same("tries", [1] * 5 + [2] * 5, sorted(n for _, n in got))
    once = [logged("once") for _ in range(6)]
    same("with one try only", ["", "", "", "A", "A", "A"], sorted(name for name, _ in once))
    same("tries", {"1"}, {fields.get("tries") for _, fields in once})


def passive_health():
    """a dead target is left alone after max_fails, probed after fail_timeout, and comes back"""
    # Each fail_timeout that goes by meanwhile lets one more try it.
    start = time.monotonic()
    got = [tries("health") for _ in range(20)]
    more = (time.monotonic() - start) / FAIL_TIMEOUT
    same("answers", {"A"}, {name for name, _ in got})
    dead = [n for _, n in got].count(2)
    same("%d connections tried the dead one" % dead, True, 2 <= dead <= 2 + more)
    # Once fail_timeout is over a single failure is enough to leave it alone again.
    wait_for("probe", lambda: tries("health")[1] == 2)
    start = time.monotonic()
    dead = [tries("health")[1] for _ in range(10)].count(2)
    more = (time.monotonic() - start) / FAIL_TIMEOUT
    same("%d tried it after the probe" % dead, True, dead <= more)
    late = target("late2")
    wait_for("target that is back", lambda: asked(PORTS["health"]) == "late2")
    got = [asked(PORTS["health"]) for _ in range(10)]
    same("back", (5, 5), (got.count("A"), got.count("late2")))
    late.stop()


def least_conn():
    """least-conn looks at what is open"""
    held = [ask(PORTS["least"]) for _ in range(8)]
    names = [name for _, name, _ in held]
    same("dealt out", (4, 4), (names.count("A"), names.count("B")))
    for sock, name, source in held:
        if name == "A":
            sock.close()
            log_line(LOG, source)
    more = [ask(PORTS["least"]) for _ in range(4)]
    same("to the idle one", ["A"] * 4, [name for _, name, _ in more])
    for sock, _, _ in held + more:
        sock.close()


def source_hash():
    """source-hash keeps a client's address at its target"""
    first = {i: asked(PORTS["hash"], "127.0.1.%d" % i) for i in range(1, 31)}
    same("targets in use", {"A", "B", "C"}, set(first.values()))
    for _ in range(2):
        same("again", first, {i: asked(PORTS["hash"], "127.0.1.%d" % i) for i in first})


def black_hole():
    """a target that does not answer is given up after the connect timeout"""
    hole = socket.socket()
    hole.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    hole.bind(("127.0.0.1", PORTS["hole"]))
    hole.listen(0)
    # Nobody accepts: with a full queue SYNs are dropped.
    fillers = []
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", PORTS["hole"]))
        fillers.append(s)
    wait_for("full queue", lambda: queue_full(PORTS["hole"]))
    got = [logged("blackhole") for _ in range(2)]
    same("answers", ["A", "A"], [name for name, _ in got])
    slow = [int(f["ms"]) for _, f in got if f["tries"] == "2"]
    same("connections that tried the hole", 1, len(slow))
    if not 290 <= slow[0] < 5000:
        raise AssertionError("it took %d ms, the connect timeout is 300 ms" % slow[0])
    for s in fillers:
        s.close()
    hole.close()


def queue_full(port):
    """More waits to be accepted there than a backlog of 0 admits."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f][1:]
    here = "0100007F:%04X" % port
    return any(r[1] == here and r[3] == "0A" and int(r[4].split(":")[1], 16) > 0 for r in rows)


def all_dead():
    """without any target a TLS client reads internal_error"""
    with connect(PORTS["dead"]) as sock:
        source = sock.getsockname()
        sock.sendall(records(hello(b"dead.test")))
        same("answer", "alert 80", read_answer(sock))
    fields = log_line(LOG, source)
    want = {"reason": "connect_failed", "side": "upstream", "alert": "80", "tries": "2"}
    want["error"] = "ECONNREFUSED"
    same("log", want, {k: fields.get(k) for k in want})
    # Bytes that are no TLS get no alert.
    sock, name, source = ask(PORTS["dead"])
    same("not TLS", ("", (b"", "fin")), (name, read_to_end(sock)))
    same("log", "connect_failed", log_line(LOG, source).get("reason"))


def unix_socket():
    """a unix socket as target, and one that is not there"""
    server = Named("unix", os.path.join(FOLDER, "target.sock"))
    same("answers", {"unix"}, {asked(PORTS["unix"]) for _ in range(4)})
    server.stop()
    os.unlink(os.path.join(FOLDER, "target.sock"))
    name, fields = logged("unix")
    want = {"reason": "connect_failed", "error": "ENOENT"}
    same("not there", ("", want), (name, {k: fields.get(k) for k in want}))


def ipv6():
    """a target that is an IPv6 address"""
    server = socket.create_server(("::1", PORTS["v6"]), family=socket.AF_INET6)
    sock = connect(PORTS["six"])
    sock.sendall(b"D")
    upstream, _ = server.accept()
    upstream.sendall(b"six")
    upstream.close()
    same("answer", b"six", sock.recv(10))
    sock.close()
    server.close()


if __name__ == "__main__":
    tests = [weights, backup, next_target, passive_health, least_conn, source_hash, black_hole]
    tests += [all_dead, unix_socket]
    if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"):
        tests.append(ipv6)
    sys.exit(run(*tests))
