# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, that of certificates, the daemon's ports PUBLIC PROXIED, the upstreams' PLAIN
TLS, the port of metrics. Environment: POSTERNCTL."""
import collections
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

from event_peers import File, check_envelope
from fault_peers import ALL, SHORT, Faulty, settle
from hello_peers import DEADLINE, hello, noise, records
from proxy_peers import header
from relay_peers import listen, memory, read_exactly, same, wait_for
from reload_peers import guarded, module

FOLDER, CERTS = sys.argv[1:3]
PUBLIC, PROXIED, PLAIN, TLS, METRICS = (int(a) for a in sys.argv[3:])
CTL = os.environ["POSTERNCTL"]
SOCKET = os.path.join(FOLDER, "control.sock")
SLOW = bool(os.environ.get("SANITIZERS"))
# Tries of one sweep; the calls between them are left out.
TRIES = ALL if os.environ.get("TEST_LONG") else 12 if SLOW else 30
BODY = noise(20000, 5)

settings = """control = { socket = "%s"; };
metrics = { address = "127.0.0.1:%d"; };
resolver = { nameservers = [ "127.0.0.1:1" ]; };
sandbox = { writable = [ "%s" ]; };""" % (SOCKET, METRICS, FOLDER)
daemon = Faulty(FOLDER, level="debug", workers=1, settings=settings)
faults = daemon.faults
events = File(os.path.join(FOLDER, "events.json"))


# --- peers ------------------------------------------------------------------------------------


def serve(sock, context):
    """Send back what comes, until the end."""
    try:
        if context:
            sock = context.wrap_socket(sock, server_side=True)
        while True:
            data = sock.recv(65536)
            if not data:
                break
            sock.sendall(data)
    except OSError:
        pass
    sock.close()


def echo(port, context=None):
    server = listen(port)
    server.settimeout(None)

    def accept():
        while True:
            sock, _ = server.accept()
            sock.settimeout(DEADLINE)
            threading.Thread(target=serve, args=(sock, context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def context(certificate=None):
    c = ssl.create_default_context(cafile=CERTS + "/ca.pem")
    c.check_hostname = False
    if certificate:
        c.load_cert_chain("%s/%s.pem" % (CERTS, certificate), "%s/%s.key" % (CERTS, certificate))
    return c


class Refused(Exception):
    pass


def exchange(sock, data):
    """All of it comes back, or the connection ends."""
    try:
        sock.sendall(data)
        read_exactly(sock, len(data))
    except TimeoutError:
        raise AssertionError("neither an answer nor an end") from None
    except (OSError, EOFError):
        raise Refused from None


def connected(port, first=b""):
    try:
        sock = socket.create_connection(("127.0.0.1", port), DEADLINE)
        sock.sendall(first)
    except TimeoutError:
        raise AssertionError("neither a connection nor a refusal") from None
    except OSError:
        raise Refused from None
    return sock


def raw(name, port=PUBLIC, first=b""):
    with connected(port, first) as sock:
        exchange(sock, records(hello(name + b".test")) + BODY)


def tls(name, ctx, port=PUBLIC, first=b""):
    with connected(port, first) as sock:
        try:
            wrapped = ctx.wrap_socket(sock, server_hostname=name + ".test")
        except TimeoutError:
            raise AssertionError("neither a handshake nor an end") from None
        except OSError:
            raise Refused from None
        with wrapped:
            exchange(wrapped, BODY)


def control():
    done = subprocess.run([CTL, "-s", SOCKET, "-t", "1", "connections"], capture_output=True,
                          timeout=DEADLINE, check=False)
    if done.returncode != 0:
        same("it says why", True, done.stderr.startswith(b"posternctl: "))
        raise Refused


def metrics():
    with connected(METRICS) as sock:
        data = b""
        try:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            while True:
                part = sock.recv(65536)
                if not part:
                    break
                data += part
        except TimeoutError:
            raise AssertionError("neither figures nor an end") from None
        except OSError:
            raise Refused from None
    if not data.startswith(b"HTTP/1.1 200") or not data.endswith(b"\r\n0\r\n\r\n"):
        raise Refused


PLAINLY, KNOWN = context(), context("client")
PROXY = header(src=("198.51.100.7", 4711), dst=("203.0.113.1", 443))
CONNECTIONS = {
    "passthrough": lambda: raw(b"pass"),
    "termination": lambda: tls("term", PLAINLY),
    "mutual": lambda: tls("mutual", KNOWN),
    "re-encryption": lambda: tls("again", PLAINLY),
    "proxy-protocol": lambda: tls("proxy", PLAINLY, PROXIED, PROXY),
}
OTHERS = {"control": control, "metrics": metrics}


# --- the daemon -------------------------------------------------------------------------------


def terminate():
    return ('{ module = "tls-termination"; terminate_at = "edge"; '
            'certificates = ( { certificate = "%s/a.pem"; key = "%s/a.key"; } ); }' % (CERTS, CERTS))


def edge(name, *modules, to=PLAIN, scheme=""):
    return ('name = "%s"; domains = [ "%s.test" ]; upstream = "%s127.0.0.1:%d"; '
            'timeouts = { connect = "1s"; handshake = "2s"; idle = "5s"; half_close = "2s"; }; '
            'modules = ( %s );' % (name, name, scheme, to, ", ".join(modules)))


def configure(generation):
    log = module("event-logging", sink="file:" + events.path)
    limits = '{ module = "conn-limits"; max_conns_per_client = 1000; max_failures = "100000/1s"; }'
    near = '{ module = "ip-restrictions"; allow = [ "127.0.0.0/8", "198.51.100.0/24" ]; }'
    ca = 'ca = [ "%s/ca.pem" ];' % CERTS
    listener = 'name = "%s"; address = "127.0.0.1:%d"; timeouts = { hello = "2s"; }; modules = ( %s );'
    daemon.configure(
        [listener % ("public", PUBLIC, ", ".join([near, limits, log])),
         listener % ("proxied", PROXIED, ", ".join(
             ['{ module = "proxy-protocol"; accept = [ "127.0.0.0/8" ]; }', near, log]))],
        [edge("pass", near), edge("term", terminate()),
         edge("mutual", terminate(), '{ module = "mutual-tls"; %s }' % ca),
         edge("again", terminate(), '{ module = "upstream-tls"; server_name = "a.test"; %s }' % ca, to=TLS,
              scheme="tls://"),
         edge("proxy", terminate(), '{ module = "proxy-protocol"; send = 2; }'),
         edge("n%d" % generation)])


def spread(total):
    """Calls from the first to one that does not come any more."""
    return range(1, total + 2, max(1, -(-total // TRIES)))


def calls(kind, do):
    """How many of a kind there are when nothing fails."""
    faults.arm(kind, "EIO", first=ALL)
    do()
    faults.off()
    return faults.seen()


# --- sweeps -----------------------------------------------------------------------------------


wrong = []


def judge(what, good):
    """The rest of the matrix is gone through, too."""
    if not good:
        wrong.append(what)
        print("  WRONG  " + what, flush=True)


def outcome(attempt):
    try:
        attempt()
        return "served"
    except Refused:
        return "refused"


def sweep(name, attempt, kind, err):
    """One connection per call that fails, and what became of them."""
    fds = daemon.fds()
    became = collections.Counter()
    began = time.monotonic()
    for n in spread(calls(kind, attempt)):
        faults.arm(kind, err, first=n)
        try:
            became[outcome(attempt)] += 1
        except AssertionError as e:
            judge("%s, call %d of %s fails with %s: %s" % (name, n, kind, err, e), False)
        if err in IN_PASSING and became["refused"]:
            judge("%s is served when call %d of %s fails with %s" % (name, n, kind, err), False)
        faults.off()
        if daemon.process.poll() is not None:
            raise AssertionError("%s: the daemon ends when call %d of %s fails" % (name, n, kind))
    try:
        settle(daemon, fds)
    except AssertionError as e:
        judge("%s after %s fails with %s: %s" % (name, kind, err, e), False)
    judge("%s is served after %s" % (name, kind), outcome(attempt) == "served")
    print("  %-15s %-8s %-12s %-24s %.1f s" % (name, kind, err if err != SHORT else "short", ", ".join(
        "%s %d" % pair for pair in sorted(became.items())), time.monotonic() - began), flush=True)


# Nobody is to notice these. Reads are not cut short: that none got less than there was is what
# epoll(7) promises, and tells that a socket is empty.
IN_PASSING = (SHORT, "EAGAIN", "EINTR", "ECONNABORTED", "ENFILE")
EACH = (("malloc", "ENOMEM"), ("send", SHORT), ("send", "EAGAIN"), ("send", "EINTR"), ("send", "EIO"),
        ("read", "EINTR"), ("read", "EIO"), ("accept", "EMFILE"),
        ("accept", "ECONNABORTED"), ("accept", "ENOMEM"), ("socket", "EMFILE"), ("connect", "EADDRNOTAVAIL"),
        ("connect", "ENETUNREACH"), ("pipe", "ENFILE"), ("splice", SHORT), ("splice", "EIO"),
        ("epoll", "ENOMEM"), ("random", "EIO"), ("sockopt", "ENOBUFS"))


def connections():
    for name, attempt in CONNECTIONS.items():
        attempt()  # what is made once is made
        for kind, err in EACH:
            sweep(name, attempt, kind, err)
    for name, attempt in OTHERS.items():
        attempt()
        for kind in ("malloc", "send", "read", "accept"):
            sweep(name, attempt, kind, {"malloc": "ENOMEM", "accept": "EMFILE"}.get(kind, "EIO"))


def one_event_each():
    """Each worker numbers its connections from 1: a gap is a connection without an event."""
    CONNECTIONS["passthrough"]()
    numbers = []

    def complete():
        numbers[:] = [int(e["object"]["conn"]["id"]) >> 10 for e in events.read() if "conn" in e["object"]]
        return numbers and len(set(numbers)) == max(numbers)

    try:
        wait_for("event of every connection", complete)
    except TimeoutError:
        missing = sorted(set(range(1, max(numbers))) - set(numbers))
        raise AssertionError("no event of connections %s" % missing[:20]) from None
    same("events of connections", len(set(numbers)), len(numbers))
    for e in events.events:
        if "conn" in e["object"]:
            check_envelope(e)
    print("  %d connections, %d events" % (max(numbers), len(numbers)), flush=True)


def reloads():
    """Refused or in force, never between; whichever it is all edges serve."""
    def reload(n):
        configure(n)
        since = daemon.mark()
        daemon.hup()
        wait_for("answer to a reload", lambda: daemon.found(r'msg="?reload(ed| refused)', since)
                 or daemon.process.poll() is not None)
        return since

    number = [1]

    def accepted():
        number[0] += 1
        reload(number[0])

    for kind, err in (("malloc", "ENOMEM"), ("open", "EMFILE"), ("epoll", "ENOMEM"), ("random", "EIO")):
        became = collections.Counter()
        accepted()
        for n in spread(calls(kind, accepted)):
            now = number[0]
            number[0] += 1
            faults.arm(kind, err, first=n)
            since = reload(number[0])
            faults.off()
            same("daemon", None, daemon.process.poll())
            refused = bool(daemon.found(r'msg="?reload refused', since))
            became["refused" if refused else "in force"] += 1
            if refused:
                judge("call %d of %s fails in a reload: it says why" % (n, kind), daemon.found(
                    'msg="?configuration|a module failed', since))
                number[0] = now
            judge("call %d of %s fails in a reload: what is in force serves" % (n, kind),
                  outcome(lambda: raw(b"n%d" % number[0])) == "served")
        print("  reload          %-8s %-12s %s" % (kind, err, ", ".join(
            "%s %d" % pair for pair in sorted(became.items()))), flush=True)
    wait_for("end of old generations", lambda: len(daemon.alive()) == 1)
    for name, attempt in CONNECTIONS.items():
        same(name, "served", outcome(attempt))


def starts():
    """It starts, or says why not and ends with status 1."""
    def start(*args):
        with open(os.path.join(FOLDER, "start.log"), "w+b") as log:
            process = subprocess.Popen(
                faults.wrap.split(" ") + [os.environ["POSTERN"], *args, "-c", daemon.conf],
                stderr=log, stdout=subprocess.DEVNULL)

            def said():
                log.seek(0)
                return log.read().decode(errors="replace")

            try:
                wait_for("start", lambda: process.poll() is not None
                         or re.search('msg="?ready', said()))
                faults.off()
                process.terminate()
                return process.wait(DEADLINE), said()
            except (TimeoutError, subprocess.TimeoutExpired):
                process.kill()
                return process.wait(), said() + "neither ready nor ended"

    def good(done):
        same("exit status of a start, which said " + done[1], 0, done[0])

    for args in (("-t",), ()):
        for kind, err in (("malloc", "ENOMEM"), ("open", "EMFILE"), ("epoll", "ENOMEM"),
                          ("socket", "EMFILE"), ("thread", "EAGAIN"), ("random", "EIO")):
            became = collections.Counter()
            for n in spread(calls(kind, lambda a=args: good(start(*a)))):
                faults.arm(kind, err, first=n)
                status, said = start(*args)
                what = "start %s, call %d of %s fails: " % (" ".join(args), n, kind)
                judge(what + "status %d: %s" % (status, said[-3000:]), status in (0, 1) and not
                      re.search("Sanitizer|runtime error:", said))
                judge(what + "it says why: " + said, status == 0 or
                      re.search("postern: error|level=error", said))
                became["works" if status == 0 else "says why not"] += 1
            print("  start %-9s %-8s %-12s %s" % (" ".join(args), kind, err, ", ".join(
                "%s %d" % pair for pair in sorted(became.items()))), flush=True)


def steps():
    echo(PLAIN)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTS + "/a.pem", CERTS + "/a.key")
    echo(TLS, server)
    configure(0)
    starts()
    os.unlink(events.path)
    configure(1)
    daemon.start()
    for attempt in CONNECTIONS.values():
        attempt()
    before = memory(daemon.process.pid)
    began = time.monotonic()
    connections()
    reloads()
    one_event_each()
    grown = (memory(daemon.process.pid) - before) / 1048576
    print("  %.0f s, %.1f MiB more" % (time.monotonic() - began, grown), flush=True)
    same("memory", True, SLOW or grown < 8)
    daemon.stop()
    same("wrong", [], wrong)


guarded(daemon, steps)
