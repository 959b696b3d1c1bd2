# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of 82-upgrade.sh: CASE PID-OR-PROGRAM PORT QUEUE ECHO; folder and log in the environment."""
import os
import re
import signal
import socket
import sys

from hello_peers import DEADLINE
from relay_peers import FIRST, Pair, listen, read_exactly, run, same, wait_for

CASE, WHO = sys.argv[1:3]
PORT, QUEUE, ECHO = (int(a) for a in sys.argv[3:])
WORK = os.environ["WORK"]
LOG = os.environ["POSTERN_LOG"]
CONF = os.path.join(WORK, "postern.conf")
UNIX = os.path.join(WORK, "public.sock")

upstream = listen(ECHO)


def ended(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def log():
    with open(LOG, encoding="utf-8") as f:
        return f.read()


def upgrade(pid):
    """The process that has taken over."""
    before = log().count('msg="upgraded: ')
    os.kill(pid, signal.SIGUSR2)
    wait_for("upgrade", lambda: log().count('msg="upgraded: ') > before)
    return int(re.findall(r'msg="upgraded: [^"]*" pid=(\d+)', log())[-1])


def through(pair):
    """Bytes both ways."""
    pair.client.sendall(b"ping")
    same("to the upstream", b"ping", read_exactly(pair.upstream, 4))
    pair.upstream.sendall(b"pong")
    same("to the client", b"pong", read_exactly(pair.client, 4))


def configure(**settings):
    with open(CONF, encoding="ascii") as f:
        text = f.read()
    for key, value in settings.items():
        text = re.sub(r"(?m)^%s = .*\n" % key, "", text)
        text += "%s = %s;\n" % (key, value) if value else ""
    with open(CONF, "w", encoding="ascii") as f:
        f.write(text)


def waiting_clients():
    """what waits in the queues and what is open goes on"""
    first = int(WHO)
    # Four may be open: the queues of both workers fill behind them.
    configure(max_connections=4)
    second = upgrade(first)
    wait_for("end", lambda: ended(first))
    pairs = [Pair(PORT, upstream) for _ in range(4)]
    queued = [socket.create_connection(("127.0.0.1", QUEUE), DEADLINE) for _ in range(40)]
    for sock in queued:
        sock.sendall(FIRST)
    configure(max_connections="", workers=3)
    third = upgrade(second)
    for _ in queued:
        sock, _ = upstream.accept()
        sock.settimeout(DEADLINE)
        same("first byte", FIRST, read_exactly(sock, 1))
        sock.sendall(b"!")
        sock.close()
    for sock in queued:
        same("answer", b"!", sock.recv(1))
        sock.close()
    # The process that they began with is there for them.
    same("ended", False, ended(second))
    for pair in pairs:
        through(pair)
        pair.__exit__()
    wait_for("end", lambda: ended(second))
    # The file of the unix socket is the last one's.
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(DEADLINE)
        sock.connect(UNIX)
        sock.sendall(FIRST)
        peer, _ = upstream.accept()
        same("first byte", FIRST, read_exactly(peer, 1))
        peer.close()
    with open(os.path.join(WORK, "pid"), "w", encoding="ascii") as f:
        f.write("%d\n" % third)


def serves():
    """the old process serves on"""
    same("ended", False, ended(int(WHO)))
    for _ in range(10):
        with Pair(PORT, upstream) as pair:
            through(pair)


class Manager:
    """A service manager: one socket that it keeps, and a place for notifications."""

    def __init__(self, **env):
        self.env = env
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(DEADLINE)
        self.path = os.path.join(WORK, "notify")
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.sock.bind(self.path)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", QUEUE))
        self.listener.listen(64)
        self.pid = os.fork()
        if self.pid == 0:
            self.become()

    def become(self):
        try:
            env = dict(os.environ, NOTIFY_SOCKET=self.path, LISTEN_FDS="1")
            env.update(LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="postern.socket", **self.env)
            if "WATCHDOG_USEC" in env:
                env.update(WATCHDOG_PID=str(os.getpid()))
            fd = os.dup2(self.listener.fileno(), 100)
            with open(LOG, "ab") as out:
                os.dup2(out.fileno(), 2)
            os.dup2(fd, 3)
            os.execve(WHO, [WHO, "-c", CONF], env)
        finally:
            os._exit(99)

    def hear(self):
        return self.sock.recv(4096).decode().split("\n")


def managed():
    """the service manager hears who the service is now, and keeps its socket"""
    m = Manager()
    same("start", "READY=1", m.hear()[0])
    pids = [m.pid]
    for _ in range(3):
        with Pair(QUEUE, upstream) as pair:
            through(pair)
        new = upgrade(pids[-1])
        # Both may speak: what the new one says is heard once it is the main process.
        heard = [m.hear() for _ in range(2)]
        if ["MAINPID=%d" % new, "READY=1"] not in heard:
            raise AssertionError("heard %r" % heard)
        pids.append(new)
        with Pair(QUEUE, upstream) as pair:
            through(pair)
    _, status = os.waitpid(m.pid, 0)
    same("exit status of the first", 0, os.waitstatus_to_exitcode(status))
    wait_for("end of the others", lambda: all(ended(pid) for pid in pids[:-1]))
    os.kill(pids[-1], signal.SIGTERM)
    # The old ones left without a word.
    same("notification", ["STOPPING=1"], m.hear())
    wait_for("end", lambda: ended(pids[-1]))
    # Its socket still listens.
    socket.create_connection(("127.0.0.1", QUEUE), DEADLINE).close()


def watchdog():
    """the watchdog hears of the daemon only while all workers answer, and of the new one next"""
    fifo = os.path.join(WORK, "fifo")
    os.mkfifo(fifo)
    m = Manager(WATCHDOG_USEC="600000")
    same("start", "READY=1", m.hear()[0])
    for _ in range(3):
        same("sign of life", ["WATCHDOG=1"], m.hear())
    client = socket.create_connection(("127.0.0.1", QUEUE), DEADLINE)
    client.sendall(FIRST)
    silent = 'msg="a worker does not answer; the watchdog is not told"'
    wait_for("line in the log", lambda: log().count(silent) >= 1)
    m.sock.setblocking(False)
    # A busy machine can be late once, too: what counts is that it stays so.
    for _ in range(2):
        try:
            while True:
                same("sign of life", ["WATCHDOG=1"], m.hear())
        except BlockingIOError:
            pass
        seen = log().count(silent)
        wait_for("more of them", lambda n=seen: log().count(silent) >= n + 2)
    try:
        raise AssertionError("heard %r" % m.hear())
    except BlockingIOError:
        pass
    m.sock.settimeout(DEADLINE)
    with open(fifo, "wb"):
        same("sign of life", ["WATCHDOG=1"], m.hear())
    client.close()
    new = upgrade(m.pid)
    wait_for("word of the new one", lambda: m.hear() == ["MAINPID=%d" % new, "READY=1"])
    os.waitpid(m.pid, 0)
    wait_for("sign of life of the new one", lambda: m.hear() == ["WATCHDOG=1"])
    os.kill(new, signal.SIGTERM)
    wait_for("end", lambda: ended(new))


sys.exit(run({"open": waiting_clients, "serves": serves, "managed": managed,
              "watchdog": watchdog}[CASE]))
