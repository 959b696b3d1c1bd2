# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of 22-halfclose.sh: arguments are the daemon's pid and log, then for each edge the port
of the daemon and that of the upstream: usual timeouts, a short half_close, a short idle."""
import ctypes
import os
import socket
import sys
import threading
import time

from hello_peers import noise
from relay_peers import Pair, listen, read_exactly, read_to_end, reset, run, same, unacknowledged, \
    wait_for

PID, LOG = int(sys.argv[1]), sys.argv[2]
PORTS = [int(p) for p in sys.argv[3:]]
USUAL, HALF, IDLE = ((PORTS[i], listen(PORTS[i + 1])) for i in (0, 2, 4))
# What 22-halfclose.sh configures.
HALF_CLOSE, IDLE_TIME = 1.5, 1.5

ANSWER = noise(3 * 1024 * 1024, 4)


def late_answer():
    """the client's FIN, and the answer 0.7 s later"""
    with Pair(*USUAL) as p:
        p.client.sendall(b"question")
        p.client.shutdown(socket.SHUT_WR)
        same("question", (b"question", "fin"), read_to_end(p.upstream))
        time.sleep(0.7)
        thread = threading.Thread(target=lambda: (p.upstream.sendall(ANSWER), p.upstream.close()))
        thread.start()
        data, end = read_to_end(p.client)
        thread.join()
        same("answer", (True, "fin"), (data == ANSWER, end))
        p.logged(LOG, reason="client_fin", side="client", truncated=None)


def upstream_first():
    """the upstream's FIN, and the client goes on sending"""
    with Pair(*USUAL) as p:
        p.upstream.sendall(b"enough")
        p.upstream.shutdown(socket.SHUT_WR)
        same("answer", (b"enough", "fin"), read_to_end(p.client))

        def send():
            p.client.sendall(ANSWER)
            p.client.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=send)
        thread.start()
        data, end = read_to_end(p.upstream)
        thread.join()
        same("upload", (True, "fin"), (data == ANSWER, end))
        p.logged(LOG, reason="upstream_fin", side="upstream", truncated=None)


def at_once():
    """FIN of both at the same time, each with data before it"""
    for _ in range(20):
        with Pair(*USUAL) as p:
            p.client.sendall(b"from the client")
            p.upstream.sendall(b"from the upstream")
            p.client.shutdown(socket.SHUT_WR)
            p.upstream.shutdown(socket.SHUT_WR)
            same("download", (b"from the upstream", "fin"), read_to_end(p.client))
            same("upload", (b"from the client", "fin"), read_to_end(p.upstream))
            reason = p.logged(LOG, truncated=None)["reason"]
            if reason not in ("client_fin", "upstream_fin"):
                raise AssertionError("reason %s" % reason)


def half_close_over():
    """the half_close timer ends a connection that is half over"""
    for first, second in (("client", "upstream"), ("upstream", "client")):
        with Pair(*HALF) as p:
            start = time.monotonic()
            getattr(p, first).shutdown(socket.SHUT_WR)
            same("half", (b"", "fin"), read_to_end(getattr(p, second)))
            same("the rest", b"", read_to_end(getattr(p, first))[0])
            if time.monotonic() - start < HALF_CLOSE * 0.9:
                raise AssertionError("after only %.3f s" % (time.monotonic() - start))
            p.logged(LOG, reason="idle", side="proxy", code="half-close-timeout")


def trickle(sender, receiver, timer):
    """A byte now and then, for twice as long as the timer."""
    end = time.monotonic() + 2 * timer
    while time.monotonic() < end:
        time.sleep(timer / 8)
        sender.sendall(b"x")
        same("byte", b"x", read_exactly(receiver, 1))


def half_close_busy():
    """the half_close timer leaves a connection alone on which bytes flow"""
    with Pair(*HALF) as p:
        p.client.shutdown(socket.SHUT_WR)
        same("half", (b"", "fin"), read_to_end(p.upstream))
        trickle(p.upstream, p.client, HALF_CLOSE)
        p.upstream.close()
        same("end", (b"", "fin"), read_to_end(p.client))
        p.logged(LOG, reason="client_fin", code=None)


def idle_over():
    """the idle timer ends a silent connection"""
    start = time.monotonic()
    with Pair(*IDLE) as p:
        same("client", (b"", "fin"), read_to_end(p.client))
        same("upstream", (b"", "fin"), read_to_end(p.upstream))
        if time.monotonic() - start < IDLE_TIME * 0.8:
            raise AssertionError("after only %.3f s" % (time.monotonic() - start))
        p.logged(LOG, reason="idle", side="proxy", code=None)


def idle_busy():
    """the idle timer leaves a connection alone on which bytes flow in one direction"""
    for sender, receiver in (("client", "upstream"), ("upstream", "client")):
        with Pair(*IDLE) as p:
            trickle(getattr(p, sender), getattr(p, receiver), IDLE_TIME)
            p.client.shutdown(socket.SHUT_WR)
            p.upstream.shutdown(socket.SHUT_WR)
            p.logged(LOG, code=None)


def resets():
    """a reset is passed on to the other side, after the data before it"""
    said = ANSWER[:100000]
    for sender, receiver in (("upstream", "client"), ("client", "upstream")):
        for wait in (True, False):
            with Pair(*USUAL) as p:
                getattr(p, sender).sendall(said)
                # A reset discards what its own kernel has not sent yet.
                wait_for("acknowledgement", lambda: unacknowledged(getattr(p, sender)) == 0)
                if wait:
                    same("data", said, read_exactly(getattr(p, receiver), len(said)))
                reset(getattr(p, sender))
                want = (0 if wait else len(said), "rst")
                data, end = read_to_end(getattr(p, receiver))
                same("from the " + sender, want, (len(data), end))
                p.logged(LOG, reason="reset", side=sender, error="ECONNRESET", truncated="true")


def reset_while_half_closed():
    """a reset after a FIN, from either side"""
    for resetter in ("client", "upstream"):
        other = "upstream" if resetter == "client" else "client"
        with Pair(*USUAL) as p:
            getattr(p, other).shutdown(socket.SHUT_WR)
            same("half", (b"", "fin"), read_to_end(getattr(p, resetter)))
            reset(getattr(p, resetter))
            same("the rest", (b"", "rst"), read_to_end(getattr(p, other)))
            p.logged(LOG, reason="reset", side=resetter)


def daemons_socket(peer):
    """A duplicate of the daemon's socket whose other end has this address; None: not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(PID)
    try:
        for name in os.listdir("/proc/%d/fd" % PID):
            if not os.readlink("/proc/%d/fd/%s" % (PID, name)).startswith("socket:"):
                continue
            fd = libc.syscall(438, pidfd, int(name), 0)  # pidfd_getfd(2)
            if fd < 0:
                return None
            sock = socket.socket(fileno=fd)
            try:
                if sock.family == socket.AF_INET and sock.getpeername() == peer:
                    return sock
            except OSError:
                pass  # a listening socket has no peer
            sock.close()
    finally:
        os.close(pidfd)
    raise AssertionError("no such socket in the daemon")


def socket_options():
    """keepalive, user_timeout and TCP_NODELAY are set on both sockets"""
    options = (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    )
    with Pair(*USUAL) as p:
        # The upstream's TCP_NODELAY is set when there is a second write that could be delayed.
        for _ in range(2):
            p.client.sendall(b"x")
            same("the byte", b"x", read_exactly(p.upstream, 1))
        # The listener's and the edge's own values, see 22-halfclose.sh.
        for name, peer, want in (
            ("client", p.source, [1, 33, 44000, 1]),
            ("upstream", p.upstream.getsockname(), [1, 55, 66000, 1]),
        ):
            sock = daemons_socket(peer)
            if sock is None:
                return "not looked at: the kernel does not let us"
            with sock:
                same("options to the " + name, want, [sock.getsockopt(*o) for o in options])
    return None


sys.exit(
    run(
        late_answer,
        upstream_first,
        at_once,
        half_close_over,
        half_close_busy,
        idle_over,
        idle_busy,
        resets,
        reset_while_half_closed,
        socket_options,
    )
)
