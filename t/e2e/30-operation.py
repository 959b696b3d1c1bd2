# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of 30-operation.sh that need a service manager: arguments are the daemon, a folder, the
module folder, and two free ports."""
import os
import signal
import socket
import sys

from hello_peers import DEADLINE, connect
from relay_peers import Named, ask, run, same, wait_for

POSTERN, FOLDER, MODULES = sys.argv[1:4]
PORT, TARGET = (int(a) for a in sys.argv[4:])

CONF = os.path.join(FOLDER, "managed.conf")
UNIX = os.path.join(FOLDER, "managed.sock")
LOG = os.path.join(FOLDER, "managed.log")

Named("served", ("127.0.0.1", TARGET))


def configure(extra=""):
    with open(CONF, "w", encoding="ascii") as f:
        f.write(
            'workers = 2; module_dir = "%s"; log = { level = "debug"; };\n'
            'listeners = ( { name = "l"; address = [ "127.0.0.1:%d", "unix:%s" ];\n'
            '                not_tls = "e"; } );\n'
            'edges = ( { name = "e"; upstream = "127.0.0.1:%d"; } );\n%s'
            % (MODULES, PORT, UNIX, TARGET, extra)
        )


class Manager:
    """Starts the daemon with sockets and a place for its notifications."""

    def __init__(self, notify, sockets=(), pid_of=os.getpid):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(DEADLINE)
        self.sock.bind("\0" + notify[1:] if notify[0] == "@" else notify)
        env = dict(os.environ, NOTIFY_SOCKET=notify)
        with open(LOG, "wb") as log:
            self.pid = os.fork()
            if self.pid == 0:
                self.become(log.fileno(), sockets, env, pid_of)

    @staticmethod
    def become(log, sockets, env, pid_of):
        try:
            high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(sockets)]
            os.dup2(log, 2)
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)
                os.close(fd)
            if sockets:
                env.update(LISTEN_PID=str(pid_of()), LISTEN_FDS=str(len(sockets)))
            os.execve(POSTERN, [POSTERN, "-c", CONF], env)
        finally:
            os._exit(99)

    def hear(self):
        return self.sock.recv(4096).decode().split("\n")

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        same("notification", ["STOPPING=1"], self.hear())
        _, status = os.waitpid(self.pid, 0)
        self.sock.close()
        same("exit status", 0, os.waitstatus_to_exitcode(status))

    def log(self):
        with open(LOG, encoding="utf-8") as f:
            return f.read()


def served(address):
    if isinstance(address, int):
        sock, name, _ = ask(address)
    else:
        sock = connect(address)
        sock.sendall(b"D")
        name = sock.recv(100).decode().strip()
    sock.close()
    return name


def notifications():
    """READY, RELOADING, READY and STOPPING reach the service manager"""
    for notify in (os.path.join(FOLDER, "notify"), "@postern-test-%d" % os.getpid()):
        configure()
        m = Manager(notify)
        same("start", ["READY=1", "STATUS=serving 1 edges on 1 listeners"], m.hear())
        same("answer", "served", served(PORT))
        os.kill(m.pid, signal.SIGHUP)
        first, stamp = m.hear()
        same("reload", ("RELOADING=1", "MONOTONIC_USEC="), (first, stamp[:15]))
        if int(stamp[15:]) <= 0:
            raise AssertionError(stamp)
        same("reloaded", "READY=1", m.hear()[0])
        configure("nonsense = 1;\n")
        os.kill(m.pid, signal.SIGHUP)
        same("reload", "RELOADING=1", m.hear()[0])
        same("refused", ["READY=1", "STATUS=reload refused: see the log"], m.hear())
        same("answer", "served", served(PORT))
        m.stop()


def deaf():
    """a service manager that does not read cannot stop the daemon"""
    configure()
    m = Manager(os.path.join(FOLDER, "notify6"))
    same("start", "READY=1", m.hear()[0])
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.setblocking(False)
    try:
        while True:
            filler.sendto(b"x", m.sock.getsockname())
    except BlockingIOError:
        pass
    os.kill(m.pid, signal.SIGHUP)
    wait_for("answer to the reload", lambda: 'msg="reloaded"' in m.log())
    same("answer", "served", served(PORT))
    os.kill(m.pid, signal.SIGTERM)
    _, status = os.waitpid(m.pid, 0)
    same("exit status", 0, os.waitstatus_to_exitcode(status))
    filler.close()
    m.sock.close()


def bound(address):
    """A listening socket as a service manager would make it."""
    if isinstance(address, int):
        sock = socket.create_server(("127.0.0.1", address))
    else:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(address)
        sock.listen(100)
    return sock


def inherited():
    """listening sockets are taken from the service manager, and left to it"""
    configure()
    sockets = [bound(PORT), bound(UNIX), socket.create_server(("127.0.0.1", 0))]
    # They come before there is anyone to serve them.
    early = [connect(PORT), connect(UNIX)]
    for sock in early:
        sock.sendall(b"D")
    m = Manager(os.path.join(FOLDER, "notify2"), sockets)
    same("start", "READY=1", m.hear()[0])
    same("those who waited", [b"served\n"] * 2, [sock.recv(100) for sock in early])
    for sock in early:
        sock.close()
    same("answers", {"served"}, {served(a) for a in (PORT, UNIX) * 10})
    os.kill(m.pid, signal.SIGHUP)
    same("reload", ("RELOADING=1", "READY=1"), (m.hear()[0], m.hear()[0]))
    same("answers", {"served"}, {served(a) for a in (PORT, UNIX) * 10})
    m.stop()
    if "inherited sockets that no listener names were closed" not in m.log():
        raise AssertionError("nothing about the third socket in the log")
    # The manager still has them: the next process serves who comes meanwhile.
    between = connect(UNIX)
    between.sendall(b"D")
    m = Manager(os.path.join(FOLDER, "notify3"), sockets[:2])
    same("the one between", b"served\n", between.recv(100))
    between.close()
    same("start", "READY=1", m.hear()[0])
    m.stop()
    for sock in sockets:
        sock.close()
    os.unlink(UNIX)


def not_for_us():
    """LISTEN_FDS of another process is left alone"""
    configure()
    sock = socket.create_server(("127.0.0.1", 0))
    m = Manager(os.path.join(FOLDER, "notify4"), [sock], pid_of=os.getppid)
    same("start", "READY=1", m.hear()[0])
    same("answers", {"served"}, {served(PORT), served(UNIX)})
    m.stop()
    if "inherited sockets" in m.log():
        raise AssertionError("it was looked at")
    sock.close()


def never_ready():
    """a start that fails on a worker is never announced"""
    configure()
    with open(CONF, encoding="ascii") as f:
        text = f.read()
    module = 'modules = ( { module = "live-fussy"; tag = "t"; fail = "worker_init"; } ); upstream'
    with open(CONF, "w", encoding="ascii") as f:
        f.write(text.replace("upstream", module))
    m = Manager(os.path.join(FOLDER, "notify5"))
    same("notification", ["STOPPING=1"], m.hear())
    _, status = os.waitpid(m.pid, 0)
    m.sock.close()
    same("exit status", 1, os.waitstatus_to_exitcode(status))
    if "cannot start" not in m.log():
        raise AssertionError("nothing about it in the log")


sys.exit(run(notifications, deaf, inherited, not_for_us, never_ready))
