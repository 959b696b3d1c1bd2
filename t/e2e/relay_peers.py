# SPDX-License-Identifier: GPL-2.0-or-later
"""Both ends of relayed connections in one program, and what can be learnt about the daemon.

The daemon's listeners are to have not_tls = <edge>, so that bytes need not be TLS.
"""
import os
import socket
import struct
import termios
import threading
import time
from array import array
from fcntl import ioctl

from hello_peers import DEADLINE, connect, log_line

# Makes a connection that is not TLS, and the daemon look for its edge.
FIRST = b"D"


def wait_for(what, condition, seconds=DEADLINE):
    """Until condition() is true; its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError("no " + what)
        time.sleep(0.01)


def same(what, want, got):
    if want != got:
        raise AssertionError("%s: want %r, got %r" % (what, want, got))


def listen(port, backlog=128, rcvbuf=0):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if rcvbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    sock.bind(("127.0.0.1", port))
    sock.listen(backlog)
    sock.settimeout(DEADLINE)
    return sock


def read_exactly(sock, n):
    data = bytearray()
    while len(data) < n:
        part = sock.recv(min(n - len(data), 1 << 20))
        if not part:
            raise EOFError("an end after %d of %d bytes" % (len(data), n))
        data += part
    return bytes(data)


def read_to_end(sock):
    """What came, and how it ended: "fin" or "rst"."""
    data = bytearray()
    try:
        while True:
            part = sock.recv(1 << 20)
            if not part:
                return bytes(data), "fin"
            data += part
    except ConnectionResetError:
        return bytes(data), "rst"


def unacknowledged(sock):
    """Bytes of ours that the other end's kernel has not taken."""
    left = array("i", [0])
    ioctl(sock, termios.TIOCOUTQ, left)
    return left[0]


def without_room(sock):
    """Bytes of ours that the other end's kernel has no room for: none are on their way there."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
    packets = struct.unpack_from("=I", info, 24)[0]  # tcpi_unacked
    return unacknowledged(sock) if packets == 0 else 0


def until_stalled(sock):
    """Somebody sends on this socket: until the other end has stopped to read from it."""
    last, times = 0, 0

    def stalled():
        nonlocal last, times
        now = without_room(sock)
        times = times + 1 if now == last > 0 else 0
        last = now
        return times == 10

    wait_for("standstill", stalled)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Pair:
    """A client and the upstream's end of the same connection, the first byte through."""

    def __init__(self, port, listener):
        self.client = connect(port)
        self.source = self.client.getsockname()
        self.client.sendall(FIRST)
        self.upstream, _ = listener.accept()
        self.upstream.settimeout(DEADLINE)
        same("first byte", FIRST, read_exactly(self.upstream, 1))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.client.close()
        self.upstream.close()

    def logged(self, path, **want):
        """The line in the log about its end has these fields; all fields."""
        fields = log_line(path, self.source)
        same("log", want, {k: fields.get(k) for k in want})
        return fields


class Named:
    """A server that says its name to everybody, and counts."""

    def __init__(self, name, address):
        self.name = name
        self.lock = threading.Lock()
        self.served = 0
        self.open = 0
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.bind(address)
        else:
            self.sock = socket.socket()
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind(address)
        self.sock.listen(1024)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            with self.lock:
                self.served += 1
                self.open += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            sock.sendall(self.name.encode() + b"\n")
            while sock.recv(65536):
                pass
        except OSError:
            pass
        with self.lock:
            self.open -= 1
        sock.close()

    def stop(self):
        """Refuse connections from now on."""
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def ask(port, source=None):
    """A connection that is held, who answered it ("" when nobody did), its address."""
    if source is None:
        sock = connect(port)
    else:
        sock = socket.create_connection(("127.0.0.1", port), DEADLINE, (source, 0))
    address = sock.getsockname()
    data = b""
    try:
        sock.sendall(FIRST)
        while not data.endswith(b"\n"):
            part = sock.recv(4096)
            if not part:
                break
            data += part
    except ConnectionResetError:
        pass
    return sock, data.decode().strip(), address


def asked(port, source=None):
    """Who answers there."""
    sock, name, _ = ask(port, source)
    sock.close()
    return name


def memory(pid):
    """Bytes of memory of its own that a process uses."""
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        for line in f:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no RssAnon")


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(*tests):
    """Each function is a test; its documentation is its name. The exit status."""
    failed = 0
    for test in tests:
        try:
            note = test()
            print("right  %s%s" % (test.__doc__, ": %s" % note if note else ""), flush=True)
        except (AssertionError, OSError, EOFError, RuntimeError) as e:
            failed += 1
            print("WRONG  %s: %s: %s" % (test.__doc__, type(e).__name__, e), flush=True)
    return 1 if failed else 0
