# SPDX-License-Identifier: GPL-2.0-or-later
"""Counted connections for 75-conn-limits.sh: PID LOG HELD RATED SILENT SHADOW PROXIED
UPSTREAM."""
import os
import select
import signal
import socket
import sys
import threading

from hello_peers import DEADLINE, log_line
from relay_peers import FIRST, Named, ask, run, same, wait_for

PID, LOG = int(sys.argv[1]), sys.argv[2]
HELD, RATED, SILENT, SHADOW, PROXIED, UPSTREAM = (int(p) for p in sys.argv[3:])
upstream = Named("up", ("127.0.0.1", UPSTREAM))


def count(text):
    with open(LOG, encoding="utf-8") as f:
        return f.read().count(text)


def held(port, source):
    """A connection that was let in."""
    sock, name, _ = ask(port, source)
    same("answer to " + source, "up", name)
    return sock


def refused(port, source, code, text):
    """A connection that was not, and why."""
    sock, name, address = ask(port, source)
    sock.close()
    same("answer to " + source, "", name)
    fields = log_line(LOG, address)
    same("log", (code, text), (fields.get("code"), fields.get("text")))


def held_again(port, source):
    """Until one is let in: the end of another takes its time."""
    got = []

    def attempt():
        sock, name, _ = ask(port, source)
        if name != "up":
            sock.close()
            return False
        got.append(sock)
        return True

    wait_for("room for " + source, attempt)
    return got[0]


def close(socks):
    for sock in socks:
        sock.close()
    socks.clear()


def one_too_many(*sources):
    """Clients that say nothing, of which one is refused: those left, and where that one came from.
    Which one is up to the workers, who do not accept in the order of connecting."""
    socks = [socket.create_connection(("127.0.0.1", SILENT), DEADLINE, (s, 0)) for s in sources]
    ended = select.select(socks, [], [], DEADLINE)[0]
    same("refused", 1, len(ended))
    address = ended[0].getsockname()
    same("answer", b"", ended[0].recv(1))
    ended[0].close()
    return [sock for sock in socks if sock is not ended[0]], address


def connections():
    """connections of one client and of all, whichever worker has them"""
    socks = [held(HELD, "127.0.0.9"), held(HELD, "127.0.0.9")]
    for _ in range(10):
        refused(HELD, "127.0.0.9", "limit-conns", "127.0.0.9/32: max_conns_per_client")
    socks += [held(HELD, "127.0.0.%d" % n) for n in (10, 11, 12)]
    refused(HELD, "127.0.0.13", "limit-conns", "max_conns")
    socks.pop().close()
    socks.append(held_again(HELD, "127.0.0.13"))
    close(socks)


def ends():
    """whatever the end of a connection is, it is counted once"""
    for n in range(60):
        sock = held_again(HELD, "127.0.0.20")
        if n % 3 == 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif n % 3 == 1:
            sock.shutdown(socket.SHUT_WR)
        sock.close()
    # Five fit, no more and no less: nothing is left over.
    wait_for("end of all", lambda: upstream.open == 0)
    socks = [held_again(HELD, "127.0.1.%d" % n) for n in range(5)]
    refused(HELD, "127.0.1.5", "limit-conns", "max_conns")
    close(socks)


def many_at_once():
    """of many that come at once exactly as many are let in as may be"""
    socks, names, lock = [], [], threading.Lock()

    def one(n):
        sock, name, _ = ask(HELD, "127.0.2.%d" % n)
        with lock:
            socks.append(sock)
            names.append(name)

    # Full with those of before; then room for as many as are let go.
    first = [held_again(HELD, "127.0.2.%d" % n) for n in range(201, 206)]
    sources = [sock.getsockname() for sock in first[:3]]
    close(first[:3])
    for source in sources:
        same("end", "client_fin", log_line(LOG, source).get("reason"))
    threads = [threading.Thread(target=one, args=(n,)) for n in range(1, 41)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same("let in", 3, names.count("up"))
    close(socks + first[3:])


def rate():
    """a network may come in a burst, then at its rate"""
    socks = [held(RATED, "127.0.3.%d" % n) for n in (1, 2, 3)]
    refused(RATED, "127.0.3.4", "limit-rate", "127.0.3.0/24: conn_rate_per_client")
    socks.append(held(RATED, "127.0.4.4"))
    close(socks)


def preread():
    """clients that say nothing, of one and of all"""
    (a, b), _ = one_too_many("127.0.0.30", "127.0.0.30", "127.0.0.30")
    others, address = one_too_many("127.0.0.31", "127.0.0.32", "127.0.0.33")
    fields = log_line(LOG, address)
    same(
        "log",
        ("on_accept", "limit-preread", "max_preread"),
        (fields.get("stage"), fields.get("code"), fields.get("text")),
    )
    # One speaks, one goes: both make room.
    a.sendall(FIRST)
    same("answer", b"up\n", a.recv(10))
    b.close()
    wait_for("room", lambda: held_or_not("127.0.0.34"))
    close([a] + others)


def held_or_not(source):
    sock, name, _ = ask(SILENT, source)
    sock.close()
    return name == "up"


def shadow():
    """what is not enforced lets everybody in and says so"""
    socks = [held(SHADOW, "127.0.0.40") for _ in range(3)]
    # The log is written by another thread.
    wait_for("two notes", lambda: count('"would be denied (not enforced)"') == 2)
    wait_for("two notes", lambda: count("stage=on_client_hello code=limit-conns") == 2)
    close(socks)


def proxied():
    """behind a balancer the client of the PROXY header is judged, the balancer is not"""

    def through(client):
        sock = socket.create_connection(("127.0.0.1", PROXIED), DEADLINE)
        sock.sendall(b"PROXY TCP4 %s 192.0.2.1 1234 443\r\n" % client + FIRST)
        return sock, sock.recv(10)

    first, answer = through(b"198.51.100.1")
    same("the first", b"up\n", answer)
    second, answer = through(b"198.51.100.1")
    same("one more of that client", b"", answer)
    other, answer = through(b"198.51.100.2")
    same("another", b"up\n", answer)
    wait_for("line", lambda: count('text="198.51.100.1/32: max_conns_per_client"') == 1)
    close([first, second, other])


def reload():
    """a reload forgets no connection"""
    wait_for("end of all", lambda: upstream.open == 0)
    socks = [held_again(HELD, "127.0.0.50"), held_again(HELD, "127.0.0.50")]
    before = count('msg="reloaded"')
    os.kill(PID, signal.SIGHUP)
    wait_for("reload", lambda: count('msg="reloaded"') > before)
    refused(HELD, "127.0.0.50", "limit-conns", "127.0.0.50/32: max_conns_per_client")
    refused(RATED, "127.0.3.5", "limit-rate", "127.0.3.0/24: conn_rate_per_client")
    # A connection of the old generation ends in the new one's count.
    socks.pop().close()
    socks.append(held_again(HELD, "127.0.0.50"))
    refused(HELD, "127.0.0.50", "limit-conns", "127.0.0.50/32: max_conns_per_client")
    close(socks)


sys.exit(run(connections, ends, many_at_once, rate, preread, shadow, proxied, reload))
