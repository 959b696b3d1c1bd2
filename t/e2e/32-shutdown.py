# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of 32-shutdown.sh: arguments are the daemon, a folder, the module folder, the daemon's
port and the upstream's."""
import atexit
import os
import signal
import socket
import stat
import subprocess
import sys
import time

from hello_peers import DEADLINE, connect, log_line
from relay_peers import Pair, listen, read_exactly, read_to_end, run, same, wait_for

POSTERN, FOLDER, MODULES = sys.argv[1:4]
PORT, UPSTREAM = (int(a) for a in sys.argv[4:])
UNIX = os.path.join(FOLDER, "public.sock")
listener = listen(UPSTREAM)


class Daemon:
    runs = 0

    def __init__(self, drain="30s", path=UNIX):
        Daemon.runs += 1
        conf = os.path.join(FOLDER, "%d.conf" % Daemon.runs)
        self.log = os.path.join(FOLDER, "%d.log" % Daemon.runs)
        with open(conf, "w", encoding="ascii") as f:
            f.write(
                'workers = 2; module_dir = "%s"; log = { level = "debug"; };\n'
                'timeouts = { drain = "%s"; hello = "60s"; };\n'
                'listeners = ( { name = "l"; address = [ "127.0.0.1:%d", "unix:%s" ];\n'
                '                mode = "0600"; not_tls = "e"; } );\n'
                'edges = ( { name = "e"; upstream = "127.0.0.1:%d"; } );\n'
                % (MODULES, drain, PORT, path, UPSTREAM)
            )
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([POSTERN, "-c", conf], stderr=log)
        atexit.register(self.process.kill)
        wait_for("start", lambda: self.said('msg="ready"') or self.process.poll() is not None)

    def said(self, text):
        with open(self.log, encoding="utf-8") as f:
            return text in f.read()

    def tell(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)

    def drain(self, sig=signal.SIGTERM):
        """Returns when nobody listens any more."""
        self.tell(sig)
        wait_for("drain", lambda: self.said('msg="draining"'))
        wait_for("closed port", lambda: refused(PORT))
        wait_for("removed socket", lambda: not os.path.exists(UNIX))

    def ended(self, want=0):
        try:
            same("exit status", want, self.process.wait(DEADLINE))
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("it does not end") from None

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))


def refused(address):
    try:
        connect(address).close()
        return False
    except (ConnectionRefusedError, ConnectionResetError, FileNotFoundError):
        return True


def drains():
    """TERM and INT: nobody is let in, who is in may finish, then a clean end"""
    for sig in (signal.SIGTERM, signal.SIGINT):
        d = Daemon()
        before = d.descriptors()
        silent = connect(PORT)
        wait_for("accept", lambda: d.descriptors() > before)
        with Pair(PORT, listener) as p, Pair(UNIX, listener) as u:
            d.drain(sig)
            for pair in (p, u):
                for _ in range(3):
                    pair.upstream.sendall(bytes(300000))
                    same("download", bytes(300000), read_exactly(pair.client, 300000))
                    pair.client.sendall(b"more")
                    same("upload", b"more", read_exactly(pair.upstream, 4))
            # One that was accepted, but had not said anything.
            silent.sendall(b"D")
            late, _ = listener.accept()
            same("first byte", b"D", late.recv(1))
            late.sendall(b"late")
            late.close()
            same("late", (b"late", "fin"), read_to_end(silent))
            silent.close()
            same("refused", True, refused(PORT))
            same("still there", None, d.process.poll())
            p.client.close()
            same("end", (b"", "fin"), read_to_end(p.upstream))
            u.upstream.close()
            same("end", (b"", "fin"), read_to_end(u.client))
        d.ended()
        p.logged(d.log, reason="client_fin", truncated=None)
        same("stopped", True, d.said('msg="stopped"'))


def last_words():
    """a refused client that still talks can read its alert to the end"""
    d = Daemon()
    with connect(PORT) as client:
        start = time.monotonic()
        client.sendall(b"\x16\x03\x01\x00\x00")
        same("alert", b"\x15\x03\x03\x00\x02\x02\x32", read_exactly(client, 7))
        d.drain()
        try:
            client.sendall(bytes(1000))
            same("end", (b"", "fin"), read_to_end(client))
            client.sendall(bytes(1000))
            client.shutdown(socket.SHUT_WR)
            d.ended()
            same("reset", 0, client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        except (AssertionError, ConnectionError):
            # Two seconds are all it gets.
            if time.monotonic() - start < 2:
                raise
    d.ended()


def nothing_to_drain():
    """without connections the end comes at once"""
    d = Daemon()
    start = time.monotonic()
    d.tell()
    d.ended()
    if time.monotonic() - start > 10:
        raise AssertionError("it took %.1f s" % (time.monotonic() - start))


def deadline():
    """the drain deadline cuts the rest"""
    d = Daemon(drain="500ms")
    with Pair(PORT, listener) as p:
        start = time.monotonic()
        d.drain()
        same("client", (b"", "rst"), read_to_end(p.client))
        same("upstream", (b"", "rst"), read_to_end(p.upstream))
        took = time.monotonic() - start
        d.ended()
        fields = log_line(d.log, p.source)
        same("log", ("drained", "true"), (fields.get("reason"), fields.get("truncated")))
    if not 0.4 < took < 10:
        raise AssertionError("it took %.1f s" % took)


def second_signal():
    """a second TERM stops at once"""
    for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)):
        d = Daemon(drain="1h")
        with Pair(PORT, listener) as p:
            d.drain(first)
            d.tell(second)
            same("client", (b"", "rst"), read_to_end(p.client))
            same("upstream", (b"", "rst"), read_to_end(p.upstream))
            d.ended()
            same("log", "killed", log_line(d.log, p.source).get("reason"))


def signals_in_a_row():
    """two TERM and a HUP that come together are one end, too"""
    d = Daemon()
    for sig in (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
        d.tell(sig)
    d.ended()


def crash():
    """after kill -9 the next one takes over port and socket file"""
    d = Daemon()
    with Pair(UNIX, listener):
        d.tell(signal.SIGKILL)
        d.ended(-signal.SIGKILL)
    same("left over", True, stat.S_ISSOCK(os.stat(UNIX).st_mode))
    d = Daemon()
    same("mode", 0o600, stat.S_IMODE(os.stat(UNIX).st_mode))
    for address in (UNIX, PORT):
        with Pair(address, listener) as p:
            p.upstream.sendall(b"again")
            same("answer", b"again", read_exactly(p.client, 5))
    d.tell()
    d.ended()


def foreign_socket():
    """a socket file that is in use, and a file that is no socket, are not taken away"""
    path = os.path.join(FOLDER, "other.sock")
    other = socket.socket(socket.AF_UNIX)
    other.bind(path)
    other.listen(1)
    d = Daemon(path=path)
    d.ended(1)
    same("in use", True, d.said("cannot listen on unix:%s: Address already in use" % path))
    other.close()
    os.unlink(path)
    with open(path, "w", encoding="ascii") as f:
        f.write("somebody's work\n")
    d = Daemon(path=path)
    d.ended(1)
    same("no socket", True, d.said("cannot listen on unix:%s: File exists" % path))
    same("size", 16, os.stat(path).st_size)


sys.exit(
    run(
        drains,
        last_words,
        nothing_to_drain,
        deadline,
        second_signal,
        signals_in_a_row,
        crash,
        foreign_socket,
    )
)
