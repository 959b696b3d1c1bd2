# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, the daemon's port, an upstream's, that of a name server that is silent, a small
file system or "", the folder of certificates. Environment: POSTERNCTL."""
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import time

from control_peers import Control
from event_peers import File
from fault_peers import Faulty
from hello_peers import DEADLINE, connect, noise
from relay_peers import FIRST, Pair, cpu_seconds, listen, read_exactly, read_to_end, same, wait_for
from reload_peers import guarded, module

FOLDER = sys.argv[1]
PORT, UPSTREAM, BLACK = (int(a) for a in sys.argv[2:5])
DISK, CERTS = sys.argv[5:7]
WITH_TLS = os.path.exists(os.environ["MODULE_DIR"] + "/upstream-tls.so")
SOCKET = os.path.join(FOLDER, "control.sock")
CTL = os.environ["POSTERNCTL"]
BODY = noise(100000, 3)

settings = """control = { socket = "%s"; };
resolver = { nameservers = [ "127.0.0.1:%d" ]; timeout = "1s"; };
sandbox = { writable = [ "%s"%s ]; };""" % (SOCKET, BLACK, FOLDER, ', "%s"' % DISK if DISK else "")
daemon = Faulty(FOLDER, level="debug", workers=1, settings=settings)
ctl = Control(SOCKET)


def configure(folder=FOLDER, upstream='"127.0.0.1:%d"' % UPSTREAM, log=True, idle="1m"):
    modules = module("event-logging", sink="file:%s/events.json" % folder) if log else ""
    daemon.configure(
        ['name = "public"; address = "127.0.0.1:%d"; not_tls = "all"; modules = ( %s );' % (PORT, modules)],
        ['name = "all"; upstream = %s; timeouts = { connect = "5s"; idle = "%s"; half_close = "2s"; };'
         % (upstream, idle)])


def case(name):
    print("  " + name, flush=True)


def echoes(upstream):
    with Pair(PORT, upstream) as pair:
        pair.client.sendall(BODY)
        same("bytes", True, read_exactly(pair.upstream, len(BODY)) == BODY)
        pair.upstream.sendall(BODY)
        same("bytes back", True, read_exactly(pair.client, len(BODY)) == BODY)


def limit(n):
    _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (n, hard))


# --- descriptors ------------------------------------------------------------------------------


def arrive(upstream, patience):
    """Two connections at once: "served" or "refused" each; whatever waits is let go."""
    clients = [connect(PORT) for _ in range(2)]
    for c in clients:
        c.sendall(FIRST)
        c.settimeout(patience)
    upstream.settimeout(patience / 4)
    held, became = [], []
    for c in clients:
        try:
            held.append(upstream.accept()[0])
            held[-1].sendall(b"!")
        except socket.timeout:
            pass
    for c in clients:
        try:
            became.append("served" if c.recv(1) == b"!" else "refused")
        except ConnectionResetError:
            became.append("refused")
        except socket.timeout:
            became.append("waits")
    for s in clients + held:
        s.close()
    upstream.settimeout(DEADLINE)
    return became


def descriptors(upstream):
    case("no descriptor is left at every step of a connection")
    echoes(upstream)
    wait_for("end of it", lambda: ctl.rows("status")[0]["connections"] == 0)
    used = {int(fd) for fd in os.listdir("/proc/%d/fd" % daemon.process.pid)}
    free = [n for n in range(len(used) + 20) if n not in used]
    before, _ = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
    seen = []
    events = File(os.path.join(FOLDER, "events.json"))
    told = 1
    for more in range(0, 9):
        limit(free[more])  # so that there are `more` left
        began, cpu = time.monotonic(), cpu_seconds(daemon.process.pid)
        # With the last number both are served, however long it takes.
        became = arrive(upstream, DEADLINE if more == 8 else 0.3)
        seen.append(became)
        spent = cpu_seconds(daemon.process.pid) - cpu
        same("CPU time of %.1f s with %d descriptors" % (time.monotonic() - began, more), True,
             spent < 0.3)
        limit(before)
        told += 2
        wait_for("one event each", lambda t=told: len(events.read()) == t)
        try:  # those that were accepted only now
            upstream.settimeout(0.01)
            while True:
                upstream.accept()[0].close()
        except socket.timeout:
            upstream.settimeout(DEADLINE)
        echoes(upstream)
        told += 1
    same("with none", True, "served" not in seen[0])
    same("with enough", ["served", "served"], seen[-1])
    print("    " + ", ".join("+%d %s" % (i, "/".join(s)) for i, s in enumerate(seen)), flush=True)


# --- disk ---------------------------------------------------------------------------------------


def disk(upstream):
    if not DISK:
        return
    case("a full disk: connections go on, events are told of when there is room")
    configure(DISK)
    daemon.reload()
    filler = os.path.join(DISK, "filler")
    fd = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(fd, bytes(4096))
    except OSError:
        os.close(fd)
    for _ in range(20):
        echoes(upstream)
    daemon.wait_log("No space left|ENOSPC")
    os.unlink(filler)
    # Events are about 500 bytes each: all 20 fit now.
    events = File(os.path.join(DISK, "events.json"))
    wait_for("events of before", lambda: len(events.read()) >= 20)
    echoes(upstream)
    wait_for("the next", lambda: len(events.read()) >= 21)
    ids = [e["object"]["conn"]["id"] for e in events.events]
    same("told twice", len(ids), len(set(ids)))
    configure()
    daemon.reload()


# --- clocks -------------------------------------------------------------------------------------


def clocks(upstream):
    case("jumps of the wall clock: no deadline follows, ages stay")
    configure(idle="1s")
    daemon.reload()
    for jump in (3600, -3600, 86400, -86400):
        uptime = ctl.rows("status")[0]["uptime_s"]
        with Pair(PORT, upstream) as pair:
            began = time.monotonic()
            daemon.faults.wall(jump)
            pair.client.sendall(b"x")
            same("still there", b"x", read_exactly(pair.upstream, 1))
            # The idle deadline of one second comes when it should.
            same("end", (b"", "fin"), read_to_end(pair.client))
            took = time.monotonic() - began
            same("idle end after %.1f s" % took, True, 0.7 < took < 6)
        same("uptime", True, 0 <= ctl.rows("status")[0]["uptime_s"] - uptime < 20)
        daemon.reload()
        same("age of the reload", True, ctl.rows("status")[0]["last_reload_s"] < 20)
        daemon.faults.wall(0)


# --- name servers -------------------------------------------------------------------------------


def names(upstream):
    case("name servers that are silent: a reload does not wait, connections end in time")
    black = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    black.bind(("127.0.0.1", BLACK))
    configure(upstream='"nowhere.test:1"')
    began = time.monotonic()
    daemon.reload()
    same("the reload takes no time", True, time.monotonic() - began < 5)
    with connect(PORT) as sock:
        sock.sendall(FIRST)
        same("no answer, an end", b"", read_to_end(sock)[0])
    daemon.wait_log("no target has an address")
    same("asked", True, len(black.recv(512)) > 0)
    black.close()
    configure()
    daemon.reload()
    echoes(upstream)


# --- upstreams ----------------------------------------------------------------------------------

CHILD = """
import os, socket, sys, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(5); print("up", flush=True)
c, _ = s.accept()
c.recv(65536)
while True: c.sendall(bytes(65536)); time.sleep(0.001)
"""


def child(port):
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(port)], stdout=subprocess.PIPE)
    same("child", b"up\n", process.stdout.readline())
    return process


def upstreams():
    case("an upstream is killed in the middle: the client hears of it at once")
    configure(upstream='"127.0.0.1:%d"' % BLACK, idle="2s")
    daemon.reload()
    for how in (signal.SIGKILL, signal.SIGSTOP):
        process = child(BLACK)
        with connect(PORT) as sock:
            sock.sendall(FIRST)
            read_exactly(sock, 1000000)
            process.send_signal(how)
            read_to_end(sock)
            source = sock.getsockname()
        event = File(os.path.join(FOLDER, "events.json")).wait(source)
        # A stopped one is cut by the idle deadline, a dead one before that.
        same("reason", how == signal.SIGSTOP, event["object"]["close"]["reason"] == "idle")
        process.kill()
        process.wait()


# --- TLS to upstreams ---------------------------------------------------------------------------


def tls_edge(targets, *modules):
    log = module("event-logging", sink="file:%s/events.json" % FOLDER)
    daemon.configure(
        ['name = "public"; address = "127.0.0.1:%d"; not_tls = "all"; modules = ( %s );' % (PORT, log)],
        ['name = "all"; upstream = { targets = ( %s ); max_fails = 0; }; modules = ( %s ); '
         'timeouts = { handshake = "4s"; connect = "5s"; };' % (targets, ", ".join(modules))])
    daemon.reload()


def fails():
    """The event of a connection that does not come through."""
    with connect(PORT) as sock:
        sock.sendall(FIRST)
        same("no answer", b"", read_to_end(sock)[0])
        return File(os.path.join(FOLDER, "events.json")).wait(sock.getsockname())["object"]


def tls_upstreams(upstream):
    if not WITH_TLS:
        return
    case("TLS to upstreams: what is kept of a target that failed")
    names = '{ module = "upstream-tls"; server_name = "a.test"; ca = [ "%s/ca.pem" ]; }' % CERTS
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTS + "/a.pem", CERTS + "/a.key")

    def resumed():
        with connect(PORT) as sock:
            sock.sendall(FIRST)
            with server.wrap_socket(upstream.accept()[0], server_side=True) as tls:
                tls.settimeout(DEADLINE)
                tls.sendall(tls.recv(1))
                same("answer", FIRST, read_exactly(sock, 1))
                return tls.session_reused

    # An upstream that hangs over a session: the next time it is asked for a whole handshake.
    tls_edge('"127.0.0.1:%d"' % UPSTREAM, names)
    same("first", False, resumed())
    same("second", True, resumed())
    same("hangs", "upstream_tls_failed", fails()["close"]["reason"])
    upstream.accept()[0].close()
    same("after that", False, resumed())
    # A hook behind the transport's does not take its reason away.
    tls_edge('"unix:%s/none.sock"' % FOLDER, '{ module = "upstream-tls"; ca = [ "%s/ca.pem" ]; }' % CERTS,
             '{ module = "proxy-protocol"; send = 2; }')
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(FOLDER + "/none.sock")
        nobody.listen()
        same("reason", "upstream-tls-name", fails()["close"]["code"])
    # The first fails in its handshake, the second in its connect: it was never connected.
    with subprocess.Popen([sys.executable, "-c", "import socket, sys\ns = socket.create_server(("
                           "'127.0.0.1', int(sys.argv[1])))\nprint('up', flush=True)\n"
                           "s.accept()[0].close()", str(BLACK)], stdout=subprocess.PIPE) as closes:
        closes.stdout.readline()
        tls_edge('"127.0.0.1:%d", { address = "127.0.0.1:1"; backup = true; }' % BLACK, names)
        o = fails()
        same("how", ("connect_failed", 2), (o["close"]["reason"], o["upstream"]["tries"]))
        same("timing", True, "connect_us" not in o["timing"])
    configure()
    daemon.reload()


# --- posternctl ---------------------------------------------------------------------------------


def output():
    case("posternctl whose output cannot be written fails")
    for args in (("status",), ("-j", "status"), ("metrics",), ("plan",)):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([CTL, "-s", SOCKET, *args], stdout=full, stderr=subprocess.PIPE,
                                  timeout=DEADLINE, check=False)
        same("status of %s" % (args,), 1, done.returncode)
        same("it says why", True, b"No space left" in done.stderr)


def steps():
    upstream = listen(UPSTREAM)
    configure()
    daemon.start()
    fds = daemon.fds()
    descriptors(upstream)
    disk(upstream)
    clocks(upstream)
    names(upstream)
    upstreams()
    tls_upstreams(upstream)
    output()
    wait_for("end of old generations", lambda: len(daemon.alive()) == 1)
    print("  descriptors at first %d, now %d" % (fds, daemon.fds()))
    daemon.stop()
    same("no assertion failed", [], daemon.found("Assertion"))


guarded(daemon, steps)
