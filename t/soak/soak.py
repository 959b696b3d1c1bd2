# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, that of certificates, seconds, the daemon's port, that of its metrics, ports of
upstreams: PASS PLAIN TLS RUDE FLAP NGINX. Environment: POSTERNCTL."""
import collections
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from hello_peers import DEADLINE
from peers import Clients, Echo
from relay_peers import same, wait_for
from reload_peers import Daemon, guarded, module

FOLDER, CERTS = sys.argv[1:3]
SECONDS = float(sys.argv[3])
PORT, METRICS, PASS, PLAIN, TLS, RUDE, FLAP, NGINX = (int(a) for a in sys.argv[4:])
SOCKET = os.path.join(FOLDER, "control.sock")
EVENTS = os.path.join(FOLDER, "events.json")
LIVE = os.path.join(FOLDER, "live")  # the certificate that is replaced
# Every so many seconds; a short run has to come to all of it, too.
RELOAD, FLAPS, ROTATE = (5, 7, 20) if SECONDS >= 120 else (0.5, 1.5, 3)
PROCESSES, THREADS = 2, 8
# What RSS may be above that of a process that has just begun to serve, and grow in the second half.
RSS_MORE_KIB, RSS_GROWS_KIB = 16384, 2048
SLOW = bool(os.environ.get("SANITIZERS"))

settings = """control = { socket = "%s"; };
metrics = { address = "127.0.0.1:%d"; };
sandbox = { writable = [ "%s" ]; };
timeouts = { drain = "60s"; };""" % (SOCKET, METRICS, FOLDER)


class Soaked(Daemon):
    """One that is upgraded: `pid` is who serves now."""

    pid = 0

    def started(self):
        self.pid = self.process.pid

    def fd_kinds(self):
        kinds = collections.Counter()
        folder = "/proc/%d/fd" % self.pid
        for fd in os.listdir(folder):
            try:
                kinds[os.readlink(os.path.join(folder, fd)).split(":")[0].split("[")[0]] += 1
            except FileNotFoundError:
                pass
        pipes = kinds.pop("pipe", 0)
        return sum(kinds.values()), pipes

    def threads_now(self):
        return len(os.listdir("/proc/%d/task" % self.pid))

    def rss(self):
        with open("/proc/%d/status" % self.pid, encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


daemon = Soaked(FOLDER, level="notice", workers=2, settings=settings)
counts = collections.Counter()
problems = []


def configure(good=True):
    log = module("event-logging", sink="file:" + EVENTS)
    limits = '{ module = "conn-limits"; max_conns_per_client = 10000; }'
    terminate = ('{ module = "tls-termination"; terminate_at = "edge"; '
                 'certificates = ( { certificate = "%s.pem"; key = "%s.key"; } ); }' % (LIVE, LIVE))
    mutual = '{ module = "mutual-tls"; ca = [ "%s/ca.pem" ]; }' % CERTS
    again = '{ module = "upstream-tls"; server_name = "upstream.test"; ca = [ "%s/ca.pem" ]; }' % CERTS

    def edge(name, port, *modules):
        return ('name = "%s"; domains = [ "*.%s.test" ]; upstream = { targets = ( "127.0.0.1:%d" ); '
                'max_fails = 0; }; modules = ( %s );' % (name, name, port, ", ".join(modules)))

    daemon.configure(
        ['name = "public"; address = "127.0.0.1:%d"; backlog = 1024; modules = ( %s, %s );' % (
            PORT, limits, log)],
        [edge("pass", PASS), edge("term", PLAIN, terminate), edge("mutual", PLAIN, terminate, mutual),
         edge("again", TLS, terminate, again), edge("rude", RUDE), edge("gone", PLAIN, terminate),
         edge("nginx", NGINX, terminate), edge("flap", FLAP)]
        + ([] if good else ['name = "broken"; upstream = "nowhere";']))


def problem(text):
    problems.append(text)
    print("  " + text, flush=True)


def replace_certificate(n):
    for kind in ("key", "pem"):
        shutil.copy("%s/%s.%s" % (CERTS, ("one", "two")[n % 2], kind), LIVE + ".new")
        os.rename(LIVE + ".new", "%s.%s" % (LIVE, kind))


# --- what goes on meanwhile ---------------------------------------------------------------------


class Every(threading.Thread):
    """do() every so many seconds, until `over` is set."""

    over = threading.Event()
    pause = threading.Lock()  # held while the daemon is exchanged

    def __init__(self, seconds, do):
        super().__init__(daemon=True)
        self.seconds, self.do = seconds, do
        self.start()

    def run(self):
        while not self.over.wait(self.seconds):
            with self.pause:
                try:
                    self.do()
                except Exception as e:  # whatever it is, the run has failed
                    problem("%s: %s: %s" % (self.do.__name__, type(e).__name__, e))


def ctl(*args, status=0):
    done = subprocess.run([os.environ["POSTERNCTL"], "-j", "-s", SOCKET, *args], capture_output=True,
                          encoding="utf-8", timeout=DEADLINE * 2, check=False)
    if done.returncode != status:
        problem("posternctl %s: %d %s" % (" ".join(args), done.returncode, done.stderr))
    counts["commands"] += 1
    return [json.loads(line) for line in done.stdout.splitlines()]


def reload():
    good = counts["reloads"] % 2 == 0
    counts["reloads"] += 1
    if good:
        counts["certificates"] += 1
        replace_certificate(counts["certificates"])
    configure(good)
    ctl("reload", status=0 if good else 1)


def poll():
    ctl(random.choice(("status", "connections", "edges", "upstreams", "modules", "plan", "metrics")))


def scrape():
    with socket.create_connection(("127.0.0.1", METRICS), DEADLINE) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        data = b""
        while True:
            part = sock.recv(65536)
            if not part:
                break
            data += part
    counts["scrapes"] += 1
    if not data.startswith(b"HTTP/1.1 200") or not data.endswith(b"\r\n0\r\n\r\n"):
        problem("metrics: %r" % data[:80])


def rotate():
    os.rename(EVENTS, "%s.%d" % (EVENTS, counts["rotations"]))
    counts["rotations"] += 1
    os.kill(daemon.pid, signal.SIGUSR1)
    if daemon.process.poll() is None and daemon.process.pid != daemon.pid:
        daemon.process.send_signal(signal.SIGUSR1)


class Nginx:
    def __init__(self):
        folder = os.path.join(FOLDER, "nginx")
        os.mkdir(folder)
        self.conf = folder + "/conf"
        paths = " ".join("%s_temp_path %s/%s;" % (k, folder, k) for k in (
            "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(self.conf, "w", encoding="ascii") as f:
            f.write('daemon off; master_process off; pid %s/pid; error_log %s/error.log; events { }\n'
                    'http { access_log off; %s server { listen 127.0.0.1:%d;\n'
                    'location / { return 200 "nginx\\n"; } } }\n' % (folder, folder, paths, NGINX))
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["nginx", "-e", self.conf + ".log", "-c", self.conf],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self):
        self.process.kill()
        self.process.wait()


flapping = [Echo(FLAP), Nginx()]


def flap():
    it = flapping[counts["flaps"] % 2]
    counts["flaps"] += 1
    it.kill()
    time.sleep(0.2)
    it.start()


def upgrade():
    before = daemon.pid
    with Every.pause:
        configure()
        daemon.process.send_signal(signal.SIGUSR2)
        daemon.wait_log('msg="upgraded: ')
        line = daemon.found('msg="upgraded: ')[-1]
        daemon.pid = int(re.search(r"pid=(\d+)", line).group(1))
        # Until the old one has gone, a rotation is told to both.
    assert daemon.pid != before
    counts["upgrades"] += 1


# --- the end ------------------------------------------------------------------------------------


def all_events():
    for n in range(counts["rotations"]):
        yield "%s.%d" % (EVENTS, n)
    yield EVENTS


def read_events():
    named, nameless = collections.defaultdict(list), 0
    for path in all_events():
        with open(path, encoding="utf-8") as f:
            for line in f:
                event = json.loads(line)["object"]
                name = event.get("conn", {}).get("server_name")
                if name:
                    named[name].append(event)
                else:
                    nameless += 1
    return named, nameless


def judge_events(rows):
    """One for each connection, with its bytes."""
    made = [r for r in rows if r["made"]]
    total = len(made)
    wait_for("event of each of %d connections" % total, lambda: sum(
        sum(1 for _ in open(p, encoding="utf-8")) for p in all_events() if os.path.exists(p)) >= total)
    named, nameless = read_events()
    twice = [n for n, e in named.items() if len(e) > 1]
    same("names with several events", [], twice[:5])
    strange = sorted(set(named) - {r["name"] for r in made})
    same("events about nobody", [], strange[:5])
    same("events", total, len(named) + nameless)
    sums = collections.Counter()
    for r in made:
        if r["ok"] and r["kind"] not in ("rude", "mute"):
            conn = named[r["name"]][0]["conn"]
            if (conn["bytes_in"], conn["bytes_out"]) != (r["sent"], r["got"]):
                problem("bytes of %s: the client has %d and %d, its event %d and %d" % (
                    r["name"], r["sent"], r["got"], conn["bytes_in"], conn["bytes_out"]))
            sums["in"] += r["sent"]
            sums["out"] += r["got"]
    # What passed through untouched is the same on the other side.
    for r in made:
        if r["edge"] == "pass" and named.get(r["name"]):
            sums["pass"] += named[r["name"]][0]["conn"]["bytes_in"] if r["kind"] != "mute" else 0
    return total, sums


def quarter(samples, n):
    part = samples[len(samples) * n // 4:len(samples) * (n + 1) // 4]
    return sum(part) // max(1, len(part))


def table(rows):
    print("\n| what | figure |\n|---|---|")
    for what, figure in rows:
        print("| %s | %s |" % (what, figure))
    print(flush=True)


def steps():
    replace_certificate(0)
    configure()
    echoes = [Echo(PASS), Echo(PLAIN), Echo(TLS, CERTS + "/one"), Echo(RUDE)]
    for it in echoes + flapping:
        it.start()
    daemon.start()
    daemon.started()
    status = ctl("status")[0]
    same("state", "running", status["state"])
    scrape()
    base_fds, _ = daemon.fd_kinds()
    base_threads, base_rss = daemon.threads_now(), daemon.rss()
    began = time.monotonic()
    clients = [Clients(i, THREADS, PORT, CERTS, FOLDER) for i in range(PROCESSES)]
    try:
        samples = disturb(began)
    finally:
        Every.over.set()
        for c in clients:
            c.stop()
    rows = [r for c in clients for r in c.results()]
    finish(rows, echoes, (base_fds, base_threads, base_rss), samples, time.monotonic() - began)


def disturb(began):
    """Until the time is over; samples of RSS since the upgrade."""
    tasks = [Every(RELOAD, reload), Every(1, poll), Every(1, scrape), Every(FLAPS, flap),
             Every(ROTATE, rotate)]
    samples = []
    while time.monotonic() - began < SECONDS:
        if counts["upgrades"] == 0 and time.monotonic() - began > SECONDS / 3:
            upgrade()
        if counts["upgrades"] > 0:
            samples.append(daemon.rss())
        time.sleep(0.5)
    Every.over.set()
    for t in tasks:
        t.join(DEADLINE * 2)
    return samples


def finish(rows, echoes, base, samples, took):
    wait_for("end of all connections", lambda: ctl("status")[0]["connections"] == 0)
    same("exit status of the one before the upgrade", 0, daemon.process.wait(DEADLINE))
    wait_for("one generation", lambda: ctl("status")[0]["generations_alive"] == 1)
    total, sums = judge_events(rows)
    lost = [r for r in rows if r["must"] and not r["ok"]]
    for r in lost[:10]:
        problem("lost: %s" % r)
    for echo in echoes[:1]:
        same("bytes of passthrough", sums["pass"], echo.received.value)
        same("bytes back", echo.received.value, echo.sent.value)
    try:
        wait_for("descriptors as in the beginning", lambda: daemon.fd_kinds()[0] <= base[0])
    except TimeoutError:
        folder = "/proc/%d/fd" % daemon.pid
        problem("descriptors: %d in the beginning, now %s" % (base[0], sorted(
            os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder))))
    fds, pipes = daemon.fd_kinds()
    rss, third, fourth = daemon.rss(), quarter(samples, 2), quarter(samples, 3)
    table((
        ("seconds", "%.0f" % took), ("connections", total), ("events", total),
        ("replies asked for", sum(r["must"] for r in rows)), ("of them lost", len(lost)),
        ("upstream killed under them (may fail)", "%d, failed %d" % (
            sum(r["edge"] in ("flap", "nginx") for r in rows),
            sum(r["edge"] in ("flap", "nginx") and not r["ok"] for r in rows))),
        ("reset or broken off by the client", sum(r["kind"] in ("rude", "mute") for r in rows)),
        ("bytes in, out (whole connections)", "%d, %d" % (sums["in"], sums["out"])),
        ("reloads, certificates replaced", "%d, %d" % (counts["reloads"], counts["certificates"])),
        ("upstreams killed", counts["flaps"]), ("rotations", counts["rotations"]),
        ("commands, scrapes", "%d, %d" % (counts["commands"], counts["scrapes"])),
        ("upgrades", counts["upgrades"]), ("generations at the end", 1),
        ("descriptors without pipes, begin and end", "%d, %d" % (base[0], fds)),
        ("pooled pipes at the end", pipes // 2),
        ("threads, begin and end", "%d, %d" % (base[1], daemon.threads_now())),
        ("RSS in KiB: begin, third and fourth quarter, end", "%d, %d, %d, %d" % (
            base[2], third, fourth, rss)),
    ))
    same("threads", base[1], daemon.threads_now())
    if not SLOW:
        same("RSS is back", True, rss <= base[2] + RSS_MORE_KIB)
        same("RSS does not grow", True, fourth <= third + RSS_GROWS_KIB)
    os.kill(daemon.pid, signal.SIGTERM)
    wait_for("end", lambda: not os.path.exists("/proc/%d" % daemon.pid) or open(
        "/proc/%d/stat" % daemon.pid, encoding="ascii").read().rsplit(")", 1)[1].split()[0] == "Z")
    same("sanitizers", [], daemon.found(r"Sanitizer|runtime error:"))
    same("problems", [], problems[:10])


try:
    guarded(daemon, steps)
finally:
    if daemon.pid:
        try:
            os.kill(daemon.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for upstream in flapping:
        if upstream.process:
            upstream.process.kill()
