# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of 31-limits.sh, one for each run: 31-limits.py CASE PID LOG PORT HASTY UPSTREAM."""
import os
import resource
import select
import sys
import time

from hello_peers import connect, hello, log_line, read_answer, records
from relay_peers import FIRST, cpu_seconds, listen, memory, run, same, wait_for

CASE = sys.argv[1]
PID, LOG = int(sys.argv[2]), sys.argv[3]
PORT, HASTY, UPSTREAM = (int(a) for a in sys.argv[4:])
listener = listen(UPSTREAM, backlog=4096)


def count(text):
    with open(LOG, encoding="utf-8") as f:
        return f.read().count(text)


def client():
    sock = connect(PORT)
    sock.sendall(FIRST)
    return sock


def accepted():
    """The upstream accepts the next connection and answers."""
    upstream, _ = listener.accept()
    same("first byte", FIRST, upstream.recv(1))
    upstream.sendall(b"!")
    return upstream


def served(sock):
    """The same, and the client reads it."""
    upstream = accepted()
    same("answer", b"!", sock.recv(1))
    return sock, upstream


def nobody_comes(seconds):
    """Nobody is let through to the upstream for a while, and waiting costs no CPU time."""
    before, start = cpu_seconds(PID), time.monotonic()
    ready, _, _ = select.select([listener], [], [], seconds)
    used = (cpu_seconds(PID) - before) / (time.monotonic() - start)
    if ready:
        raise AssertionError("one more was let through")
    if used > 0.3:
        raise AssertionError("%d %% of a CPU while it waits" % (used * 100))
    return "%d %% of a CPU while it waits" % (used * 100)


def leave_descriptors(n):
    """So many more descriptors may the daemon open; the limits it had."""
    used = {int(name) for name in os.listdir("/proc/%d/fd" % PID)}
    limit = 0
    while n >= 0:
        n -= limit not in used
        limit += 1
    limits = resource.prlimit(PID, resource.RLIMIT_NOFILE)
    resource.prlimit(PID, resource.RLIMIT_NOFILE, (limit - 1, limits[1]))
    return limits


def max_connections():
    """above max_connections clients wait, and are served when others leave"""
    pairs = [served(client()) for _ in range(8)]
    waiting = [client() for _ in range(5)]
    note = nobody_comes(1)
    same("paused", True, count("accepting is paused") > 0)
    for left in waiting:
        for sock in pairs.pop(0):
            sock.close()
        pairs.append((left, accepted()))
    # Workers take from their own queues: in which order they were served is open.
    for sock in waiting:
        same("answer", b"!", sock.recv(1))
    for pair in pairs:
        for sock in pair:
            sock.close()
    for _ in range(20):
        for sock in served(client()):
            sock.close()
    return note


def descriptors():
    """without descriptors accepting pauses, and goes on when there are some again"""
    pairs = [served(client()) for _ in range(10)]
    limits = leave_descriptors(0)
    waiting = [client() for _ in range(4)]
    note = nobody_comes(1)
    wait_for("line in the log", lambda: count('"accepting is paused" reason=EMFILE') > 0)
    # Those who are connected notice nothing.
    for sock, upstream in pairs:
        sock.sendall(b"?")
        same("relayed", b"?", upstream.recv(1))
    resource.prlimit(PID, resource.RLIMIT_NOFILE, limits)
    for _ in waiting:
        pairs.append((None, accepted()))
    for sock in waiting:
        same("answer", b"!", sock.recv(1))
    # One descriptor short: accept works, connecting to the upstream does not.
    pairs += [(sock, None) for sock in waiting]
    leave_descriptors(1)
    for _ in range(4):
        with connect(PORT) as sock:
            source = sock.getsockname()
            sock.sendall(records(hello(b"a.test")))
            same("answer", "alert 80", read_answer(sock))
        fields = log_line(LOG, source)
        same("log", ("overload", "EMFILE"), (fields.get("reason"), fields.get("error")))
    same("the target is blamed", 0, count("upstream target is out"))
    resource.prlimit(PID, resource.RLIMIT_NOFILE, limits)
    pairs.append(served(client()))
    for pair in pairs:
        for sock in pair:
            if sock:
                sock.close()
    return note


def slowloris():
    """a ClientHello that comes byte by byte is cut at its deadline"""
    wire = records(hello(b"a.test"))
    start = time.monotonic()
    slow = [connect(HASTY) for _ in range(20)]
    silent = connect(HASTY)
    silent_source, source = silent.getsockname(), slow[0].getsockname()
    ended = {}
    for i, byte in enumerate(wire):
        for sock in slow:
            if sock in ended:
                continue
            if select.select([sock], [], [], 0)[0]:
                ended[sock] = time.monotonic() - start
                continue
            try:
                sock.send(bytes([byte]))
            except OSError:
                ended[sock] = time.monotonic() - start
        if len(ended) == len(slow):
            break
        time.sleep(0.1)
    same("cut", len(slow), len(ended))
    # The deadline is 1 s (see 31-limits.sh), however steadily bytes come.
    first, last = min(ended.values()), max(ended.values())
    if not 0.8 < first <= last < 10:
        raise AssertionError("cut after %.2f to %.2f s" % (first, last))
    same("reason", "hello_timeout", log_line(LOG, source).get("reason"))
    same("silent", b"", silent.recv(1))
    same("reason", "hello_timeout", log_line(LOG, silent_source).get("reason"))
    for sock in slow + [silent]:
        sock.close()
    for sock in served(client()):
        sock.close()


def idle_memory():
    """memory of idle connections"""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n = min(2000, (hard - 100) // 2, (resource.prlimit(PID, resource.RLIMIT_NOFILE)[0] - 500) // 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # What is set up once for all is not counted.
    pairs = [served(client()) for _ in range(50)]
    before = memory(PID)
    for _ in range(n):
        pairs.append(served(client()))
    each = (memory(PID) - before) / n
    for sock, upstream in pairs[-50:]:
        sock.sendall(b"?")
        same("relayed", b"?", upstream.recv(1))
    for pair in pairs:
        for sock in pair:
            sock.close()
    if each > 4096 and not os.environ.get("SANITIZERS"):
        raise AssertionError("%d bytes for each of %d connections" % (each, n))
    return "%d connections, %d bytes for each" % (n, each)


def full_listen_queue():
    """many at once are all served"""
    clients = [client() for _ in range(500)]
    upstreams = [accepted() for _ in clients]
    same("answers", [b"!"] * len(clients), [sock.recv(1) for sock in clients])
    for sock in clients + upstreams:
        sock.close()


CASES = {
    "max_connections": [max_connections],
    "descriptors": [descriptors],
    "others": [slowloris, full_listen_queue, idle_memory],
}
sys.exit(run(*CASES[CASE]))
