# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, the daemon's port, the upstream's port."""
import os
import re
import signal
import socket
import subprocess
import sys
import threading

from event_peers import check_envelope, parse
from hello_peers import DEADLINE, connect, hello, records
from relay_peers import same, wait_for
from reload_peers import Daemon, Load, guarded, module

FOLDER = sys.argv[1]
PORT, UPSTREAM = (int(p) for p in sys.argv[2:])
HELLO = records(hello(b"nobody.test"))

daemon = Daemon(FOLDER)


def path(name):
    return os.path.join(FOLDER, name)


def log(sink, **options):
    return module("event-logging", sink=sink, **options)


def configure(listener_modules, edges=(("a", ()),)):
    daemon.configure(
        ['name = "public"; address = "127.0.0.1:%d"; modules = ( %s );' % (
            PORT, ", ".join(listener_modules))],
        ['name = "%s"; domains = [ "%s.test" ]; upstream = "127.0.0.1:%d"; modules = ( %s );' % (
            name, name, UPSTREAM, ", ".join(modules)) for name, modules in edges])


def refused():
    """A connection that is over at once; its client's address."""
    sock = connect(PORT)
    source = sock.getsockname()
    sock.sendall(HELLO)
    while sock.recv(100):
        pass
    sock.close()
    return source


def lines(name):
    """All whole lines of a file, which must be events; none may be split."""
    with open(path(name), encoding="utf-8") as f:
        text = f.read()
    same("the last line of %s is whole" % name, True, text == "" or text.endswith("\n"))
    return [parse(line) for line in text.splitlines()]


def from_client(event, source):
    conn = event["object"].get("conn", {})
    return (conn.get("client_ip"), conn.get("client_port")) == source


def wait_line(name, source):
    return wait_for("event in " + name, lambda: os.path.exists(path(name)) and [
        e for e in map(parse, open(path(name), encoding="utf-8").read().split("\n")[:-1])
        if from_client(e, source)])[0]


def lost(events):
    return sum(e["object"]["count"] for e in events if e["event_type"] == "events_lost.v0")


def numbers(events):
    """Numbers of connections by worker: each worker counts from 1, so gaps and doubles show."""
    found = {}
    for e in events:
        if e["event_type"] == "tcp_connection_closed.v0":
            n = int(e["object"]["conn"]["id"])
            found.setdefault(n & 1023, []).append(n >> 10)
    return found


def complete(events, told=0):
    """Every connection has exactly one event, but for the lost ones. Answers how many there are."""
    have = 0
    made = 0
    for got in numbers(events).values():
        same("connections that are told twice", len(got), len(set(got)))
        have += len(got)
        made += max(got)
    same("gaps that are not told", True, made - have <= told)
    return have


def usr1(times=1):
    for _ in range(times):
        daemon.process.send_signal(signal.SIGUSR1)


# --- files -----------------------------------------------------------------------------------------


def rotation():
    """Rotated over and over while connections end: nothing is lost, split or twice."""
    configure([log("file:" + path("events"))])
    daemon.start()
    load = Load(8, UPSTREAM, PORT, ["a.test", "?nobody.test"], chaos=True)
    rotated = 0
    try:
        while rotated < 30:
            size = os.path.getsize(path("events")) if os.path.exists(path("events")) else 0
            wait_for("events", lambda: os.path.exists(path("events"))
                     and os.path.getsize(path("events")) > size)
            os.rename(path("events"), path("events.%d" % rotated))
            usr1()
            rotated += 1
    finally:
        done = load.finish()
    last = refused()
    wait_line("events", last)
    daemon.stop()
    all_events = []
    for i in range(rotated):
        all_events += lines("events.%d" % i)
    all_events += lines("events")
    n = complete(all_events)
    same("events", done["whole"] + done["cut"] + done["refused"] + 1, n)
    for e in all_events:
        check_envelope(e)
    return "%d events in %d files" % (n, rotated + 1)


def deleted():
    """A file that was deleted, and one whose folder is gone for a while."""
    os.mkdir(path("disk"))
    configure([log("file:" + path("disk/events"))])
    daemon.start()
    wait_line("disk/events", refused())
    os.unlink(path("disk/events"))
    wait_line("disk/events", refused())
    os.unlink(path("disk/events"))
    os.rename(path("disk"), path("gone"))
    since = daemon.mark()
    waiting = refused()
    daemon.wait_log("lines cannot be written.*error=ENOENT", since)
    refused()
    os.rename(path("gone"), path("disk"))
    wait_line("disk/events", waiting)
    daemon.wait_log("lines are written again", since)
    same("one complaint", 1, len(daemon.found("lines cannot be written", since)))
    usr1()
    wait_line("disk/events", refused())
    daemon.stop()


def full_disk():
    """A disk that takes nothing stops nobody; the next file says how many were lost."""
    os.symlink("/dev/full", path("full"))
    configure([log("file:" + path("full"), buffer="64k", overflow="block")])
    daemon.start()
    first = refused()
    daemon.wait_log("lines cannot be written.*error=ENOSPC")
    for _ in range(400):
        refused()
    os.unlink(path("full"))
    usr1()
    wait_line("full", first)
    last = refused()
    wait_line("full", last)
    daemon.stop()
    events = lines("full")
    told = lost(events)
    same("some were lost", True, told > 0)
    same("all is told", 402, complete(events, told) + told)
    return "%d lost and told" % told


# --- sockets ---------------------------------------------------------------------------------------


class Receiver:
    """A unix socket that keeps what it gets."""

    def __init__(self, name, kind):
        self.name = path(name)
        self.kind = kind
        self.got = []
        self.ended = threading.Event()
        self.sock = socket.socket(socket.AF_UNIX, kind)
        self.sock.bind(self.name)
        if kind == socket.SOCK_STREAM:
            self.sock.listen(5)
        self.conn = None
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        if self.kind == socket.SOCK_DGRAM:
            while True:
                data = self.sock.recv(100000)
                if not data:
                    return
                self.got.append(data)
        self.conn, _ = self.sock.accept()
        with self.conn.makefile("rb") as f:
            for line in f:
                self.got.append(line)
        self.ended.set()

    def events(self):
        return [parse(line.decode()) for line in list(self.got)]

    def wait(self, source):
        return wait_for("event", lambda: [e for e in self.events() if from_client(e, source)])[0]

    def stop(self):
        os.unlink(self.name)
        if self.conn is not None:
            self.conn.shutdown(socket.SHUT_RDWR)
            self.conn.close()
        elif self.kind == socket.SOCK_DGRAM:
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def sockets():
    """Datagrams and streams; nobody there at first, then somebody, who goes and comes back."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        name = "socket-%d" % kind
        configure([log("unix:" + path(name))])
        daemon.start()
        early = refused()
        daemon.wait_log("lines cannot be written.*error=ENOENT")
        there = Receiver(name, kind)
        there.wait(early)
        for _ in range(300):
            refused()
        # The writer empties one worker's ring after the other: the last connection's event does
        # not come last.
        wait_for("event of each connection", lambda: len(there.got) >= 301)
        same("events", 301, complete(there.events()))
        if kind == socket.SOCK_DGRAM:
            same("newlines in datagrams", [], [x for x in there.got if b"\n" in x])
        since = daemon.mark()
        there.stop()

        def again():
            # What the kernel took for the one that went is lost with it.
            refused()
            return daemon.found("lines cannot be written", since) or daemon.found(
                "lines cannot be written")[1:] or len(daemon.read_log()) - since > 2

        wait_for("an error", again)
        back = Receiver(name, kind)
        back.wait(refused())
        daemon.stop()
        back.stop()


MESSAGE = re.compile(r"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S+) postern (\d+) - - (.*)",
                     re.DOTALL)


def syslog():
    """Messages of RFC 5424 to a socket like /dev/log."""
    there = Receiver("devlog", socket.SOCK_DGRAM)
    configure([log("syslog:" + path("devlog"))])
    daemon.start()
    source = refused()
    message = wait_for("message", lambda: list(there.got))[0].decode()
    pri, _, host, pid, text = MESSAGE.fullmatch(message).groups()
    same("facility and severity", 3 * 8 + 6, int(pri))
    same("host", socket.gethostname(), host)
    same("process", daemon.process.pid, int(pid))
    same("event", True, from_client(parse(text), source))
    daemon.stop()
    there.stop()


# --- full buffers ----------------------------------------------------------------------------------


def overflow():
    """A reader that sleeps: a full buffer loses and tells, or blocks and loses nothing."""
    os.mkfifo(path("fifo"))
    for how in ("drop", "block"):
        fd = os.open(path("fifo"), os.O_RDONLY | os.O_NONBLOCK)
        configure([log("file:" + path("fifo"), buffer="64k", overflow=how)])
        daemon.start()
        n = 600
        data = bytearray()
        done, hurry = threading.Event(), threading.Event()

        def slowly():
            while not done.is_set():
                try:
                    data.extend(os.read(fd, 65536 if hurry.is_set() else 4096))
                except BlockingIOError:
                    pass
                done.wait(0.001 if hurry.is_set() else 0.005 if how == "block" else 0.05)

        reader = threading.Thread(target=slowly, daemon=True)
        if how == "block":
            reader.start()
        for _ in range(n):
            last = refused()
        if how == "drop":
            reader.start()
        wait_for("the last event", lambda: ('"client_ip":"%s","client_port":%d' % last).encode()
                 in bytes(data) or how == "drop" and b"events_lost" in bytes(data))
        hurry.set()  # who stops waits for two seconds
        daemon.stop()
        done.set()
        reader.join()
        os.set_blocking(fd, False)
        while True:
            part = os.read(fd, 65536)
            if not part:
                break
            data += part
        os.close(fd)
        events = [parse(line) for line in data.decode().split("\n")[:-1]]
        told = lost(events)
        same("lost with overflow = %s" % how, how == "drop", told > 0)
        have = sum(map(len, numbers(events).values()))
        same("events and lost ones", n, have + told)


# --- who logs --------------------------------------------------------------------------------------


def relayed(name):
    """A connection through an edge, ended by the client."""
    sock = connect(PORT)
    source = sock.getsockname()
    sock.sendall(records(hello(name.encode() + b".test")))
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(65536):
        pass
    sock.close()
    return source


def inheritance(echo):
    """An edge that has the module replaces the listener's; one that has not inherits it."""
    events = "file:" + path("both")
    configure([log(events, account_id="listener")],
              [("a", [log(events, account_id="edge")]), ("b", []),
               ("c", ['{ module = "event-logging"; sink = "%s"; events = [ ]; }' % events]),
               ("d", ['{ module = "event-logging"; sink = "%s"; fields = [ "conn.client_ip", '
                      '"conn.client_port", "close.reason", "tls.offered" ]; events = '
                      '[ "tcp_connection_opened.v0", "tcp_connection_closed.v0" ]; }' % events])])
    daemon.start()
    made = {name: relayed(name) for name in "abcd"}
    made["none"] = refused()
    wait_line("both", made["none"])
    daemon.stop()
    found = lines("both")

    def about(name):
        return [e for e in found if from_client(e, made[name])]

    same("edge", ["edge"], [e["account_id"] for e in about("a")])
    same("inherited", ["listener"], [e["account_id"] for e in about("b")])
    same("switched off", [], about("c"))
    same("refused", ["listener"], [e["account_id"] for e in about("none")])
    opened, closed = about("d")
    same("opened", ("tcp_connection_opened.v0", {"conn", "tls"}),
         (opened["event_type"], set(opened["object"])))
    same("closed", {"conn": {"client_ip": made["d"][0], "client_port": made["d"][1]},
                    "tls": {"offered": {"versions": ["TLSv1.3", "TLSv1.2"], "ech": False}},
                    "close": {"reason": "client_fin"}}, closed["object"])
    check_envelope(opened, "tcp_connection_opened.v0")
    same("order", True, opened["event_id"] < closed["event_id"])
    echo.clear()


def reloads():
    """A sink lives over reloads; one that is no more is closed, one that is wrong refuses."""
    configure([log("file:" + path("kept"))])
    daemon.start()
    fds = daemon.fds()
    wait_line("kept", refused())
    inode = os.stat(path("kept")).st_ino
    os.rename(path("kept"), path("kept.1"))
    for _ in range(5):
        daemon.reload()
    wait_for("single generation", lambda: len(daemon.alive()) == 1)
    # A connection's descriptor may outlive its event for a moment.
    wait_for("end of all that was opened meanwhile", lambda: daemon.fds() == fds)
    wait_line("kept.1", refused())  # the file is still the one that was opened
    same("no other file", False, os.path.exists(path("kept")))
    same("file", inode, os.stat(path("kept.1")).st_ino)
    configure([log("file:" + path("absent/events"))])
    since = daemon.reload(good=False)
    daemon.wait_log("absent/events.*cannot be opened", since)
    configure([log("file:" + path("second"))])
    daemon.reload()
    wait_line("second", refused())
    wait_for("end of the first", lambda: path("kept.1") not in opened_files())
    configure([log("file:" + path("kept"))])
    daemon.reload()
    wait_line("kept", refused())
    daemon.stop()


def opened_files():
    folder = "/proc/%d/fd" % daemon.process.pid
    found = []
    for fd in os.listdir(folder):
        try:
            found.append(os.readlink(os.path.join(folder, fd)))
        except FileNotFoundError:
            pass
    return found


class Echo:
    """An upstream that sends back what it gets."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", UPSTREAM), backlog=64)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            conn.settimeout(DEADLINE)
            while conn.recv(65536):
                pass
            conn.close()

    def clear(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def wrong():
    """What cannot be is refused, with the reason."""
    for options, text in (
            ({"sink": "stderr"}, 'is no sink: write "stdout"'),
            ({"sink": "file:events"}, "with a path that begins with /"),
            ({"sink": "file:/absent/events"}, "cannot be opened: No such file"),
            ({"sink": "stdout", "overflow": "wait"}, "overflow"),
            ({"sink": "stdout", "buffer": "1k"}, "buffer")):
        configure([module("event-logging", **options)])
        refuse(text)
    for key, value, text in (("events", "tcp_connection_opened.v0", "only known at an edge"),
                             ("events", "http", 'there is no event "http"'),
                             ("fields", "conn.ip", "neither a field of events")):
        configure(['{ module = "event-logging"; sink = "stdout"; %s = [ "%s" ]; }' % (key, value)])
        refuse(text)


def refuse(text):
    r = subprocess.run([os.environ["POSTERN"], "-t", "-c", daemon.conf], capture_output=True,
                       encoding="utf-8", check=False)
    same("status of -t", 1, r.returncode)
    assert text in r.stderr, (text, r.stderr)


def steps():
    wrong()
    for step in (rotation, deleted, full_disk, sockets, syslog, overflow):
        note = step()
        print("  %s%s" % (step.__doc__, " " + note if note else ""), flush=True)
    inheritance(Echo())
    print("  " + inheritance.__doc__)
    reloads()
    print("  " + reloads.__doc__)


guarded(daemon, steps)
