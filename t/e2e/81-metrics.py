# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, the daemon's port, that of its metrics, two of upstreams."""
import os
import re
import socket
import subprocess
import sys

from control_peers import Control, read_all
from hello_peers import DEADLINE, Client, Upstream, connect, hello, records
from relay_peers import same, wait_for
from reload_peers import Daemon, guarded, module

FOLDER = sys.argv[1]
PORT, METRICS, ONE, TWO = (int(a) for a in sys.argv[2:])
CONTROL = os.path.join(FOLDER, "control.sock")
PASSWORD = os.path.join(FOLDER, "password")
UNIX = os.path.join(FOLDER, "metrics.sock")
CLIENTS = 16

one = Upstream("one", ("127.0.0.1", ONE))
client = Client(PORT, [one])
daemon = Daemon(FOLDER, workers=2)
ctl = Control(CONTROL)

LISTENER = 'name = "public"; address = "127.0.0.1:%d";' % PORT
EDGES = [
    'name = "a"; domains = [ "a.test" ]; upstream = "127.0.0.1:%d"; modules = ( %s );' % (
        ONE, module("ip-restrictions", default="allow")),
    'name = "b"; domains = [ "b.test" ]; upstream = "127.0.0.1:%d";' % TWO,
    'name = "c"; domains = [ "c.test" ]; upstream = "127.0.0.1:%d"; modules = ( %s );' % (
        ONE, '{ module = "ip-restrictions"; allow = [ "192.0.2.1", "::2" ]; }'),
    'name = "unused"; domains = [ "unused.test" ]; upstream = "127.0.0.1:%d";' % ONE,
]


def case(name):
    print("81-metrics: " + name)


def configure(metrics):
    base = Daemon(FOLDER, workers=2).top
    daemon.top = base + 'control = { socket = "%s"; };\nmetrics = { %s };\n' % (CONTROL, metrics)
    daemon.configure([LISTENER], EDGES)


def curl(*args, path="/metrics", want="200"):
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "--max-time", str(DEADLINE), "-w", "\n%{http_code}",
         "http://127.0.0.1:%d%s" % (METRICS, path), *args],
        capture_output=True, encoding="utf-8", check=True)
    body, _, code = done.stdout.rpartition("\n")
    same("status of " + path, want, code)
    return body


def samples(body):
    found = {}
    for line in body.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            same("series once: " + name, False, name in found)
            found[name] = float(value)
    return found


def promtool(body):
    done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True,
                          encoding="utf-8", timeout=DEADLINE, check=False)
    same("promtool", (0, "", ""), (done.returncode, done.stdout, done.stderr))


def raw(request):
    with socket.create_connection(("127.0.0.1", METRICS), DEADLINE) as sock:
        sock.sendall(request)
        return read_all(sock)


def figures():
    case("before the first connection")
    promtool(curl())
    before = samples(curl())
    same("connections", 0, before['postern_listener_connections_total{listener="public"}'])
    same("target", 1, before['postern_upstream_up{edge="a",target="127.0.0.1:%d"}' % ONE])
    same("edges without traffic", [], [k for k in before if k.startswith("postern_edge_")])

    case("what happened is counted, once")
    for _ in range(5):
        same("a", "one", client.ask(records(hello(b"a.test"))))
    for _ in range(3):
        same("b", "alert 80", client.ask(records(hello(b"b.test"))))
    same("c", "closed", client.ask(records(hello(b"c.test"))).split(",")[0])
    same("nobody", "alert 112", client.ask(records(hello(b"nobody.test"))))
    sock = connect(PORT)
    sock.sendall(records(hello(b"a.test")))
    sock.recv(100)
    body = wait_for("the last connection", lambda: counted(curl()))
    promtool(body)
    got = samples(body)
    for name, want in (
            ('postern_listener_connections_total{listener="public"}', 11),
            ('postern_listener_connections{listener="public"}', 1),
            ('postern_edge_connections_total{edge="a"}', 6),
            ('postern_edge_connections{edge="a"}', 1),
            ('postern_edge_connections_closed_total{edge="a",outcome="relayed",reason="client_fin"}', 5),
            ('postern_edge_connections_closed_total{edge="b",outcome="failed",reason="connect_failed"}',
             3),
            ('postern_edge_connections_closed_total{edge="c",outcome="denied",reason="denied"}', 1),
            ('postern_listener_connections_closed_total{listener="public",outcome="refused",'
             'reason="unknown_sni"}', 1),
            ('postern_upstream_connects_total{edge="a",target="127.0.0.1:%d",result="connected"}' % ONE,
             6),
            ('postern_upstream_connects_total{edge="b",target="127.0.0.1:%d",result="failed"}' % TWO, 3),
            ('postern_upstream_up{edge="b",target="127.0.0.1:%d"}' % TWO, 0),
            ('postern_upstream_connections{edge="a",target="127.0.0.1:%d"}' % ONE, 1),
            ('postern_ip_restrictions_allowed_total', 6), ('postern_ip_restrictions_denied_total', 1),
            ('postern_phase_seconds_count{phase="hello"}', 10),
            ('postern_phase_seconds_count{phase="connect"}', 5),
            ('postern_phase_seconds_count{phase="first_byte"}', 5),
            ('postern_phase_seconds_count{phase="handshake"}', 0),
            ('postern_connection_duration_seconds_count', 10),
            ('postern_build_info{version="%s"}' % ctl.rows("status")[0]["version"], 1),
            ('postern_generation', 1), ('postern_generations', 1), ('postern_connections', 1),
            ('postern_workers', 2), ('postern_log_lines_dropped_total', 0),
            ('postern_last_reload_successful', 1)):
        same(name, want, got.get(name))
    one_a = len(records(hello(b"a.test"))) + 3000 + 5000
    same("bytes in", 5 * one_a, got['postern_edge_received_bytes_total{edge="a"}'])
    same("edges without traffic", [], [k for k in got if "unused" in k and "upstream" not in k])
    for family in ("hello", "connect"):
        buckets = [v for k, v in got.items()
                   if k.startswith('postern_phase_seconds_bucket{phase="%s"' % family)]
        same("buckets grow", sorted(buckets), buckets)
        same("all in +Inf", got['postern_phase_seconds_count{phase="%s"}' % family], buckets[-1])
    same("descriptors", True, 10 < got["process_open_fds"] < got["process_max_fds"])
    same("memory", True, got["process_resident_memory_bytes"] > 1 << 20)
    same("CPU", True, got["process_cpu_seconds_total"] > 0)
    wait_for("loop lag", lambda: samples(curl())["postern_worker_loop_lag_seconds_count"] >= 4)

    case("counters go on over a reload")
    daemon.reload()
    same("a", "one", client.ask(records(hello(b"a.test"))))
    got = samples(wait_for("the last one", lambda: counted(curl(), 6)))
    same("total", 7, got['postern_edge_connections_total{edge="a"}'])
    same("now", 1, got['postern_edge_connections{edge="a"}'])
    same("generations", (2, 2), (got["postern_generation"], got["postern_generations"]))
    same("reloads", 1, got['postern_reloads_total{result="good"}'])
    sock.close()
    wait_for("the end of the first generation",
             lambda: samples(curl())["postern_generations"] == 1)

    case("posternctl metrics says the same")
    text, _ = ctl.run("metrics")
    promtool(text)
    wobbly = re.compile("process_|lag_seconds|open_fds")
    same("series", [k for k in samples(curl()) if not wobbly.match(k)],
         [k for k in samples(text) if not wobbly.match(k)])
    rows = ctl.rows("metrics")
    same("a row", {"name": "postern_generation", "labels": "", "value": "2"},
         next(r for r in rows if r.get("name") == "postern_generation"))
    same("a family", "gauge", next(r for r in rows if r.get("family") == "postern_generation")["type"])


def counted(body, n=5):
    got = samples(body)
    key = 'postern_edge_connections_closed_total{edge="a",outcome="relayed",reason="client_fin"}'
    return body if got.get(key, 0) >= n and got["postern_connections"] <= 1 else None


def protocol():
    case("HTTP")
    curl(path="/metrics?x=1")
    curl(path="/", want="404")
    curl(path="/metricsx", want="404")
    curl("-X", "DELETE", want="405")
    curl("-d", "x" * 100000, want="405")
    head = raw(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    same("HEAD", True, head.startswith(b"HTTP/1.1 200 OK\r\n") and head.endswith(b"\r\n\r\n"))
    old = raw(b"GET /metrics HTTP/1.0\r\n\r\n")
    same("HTTP/1.0", (False, True), (b"chunked" in old, old.endswith(b"\n")))
    promtool(old.partition(b"\r\n\r\n")[2].decode())
    same("bare LF", True, raw(b"GET /metrics HTTP/1.1\nHost: x\n\n").startswith(b"HTTP/1.1 200"))
    for bad in (b"\r\n\r\n", b"GET\r\n\r\n", b"GET /metrics\r\n\r\n", b"GET  /metrics HTTP/1.1\r\n\r\n",
                b"GET /metrics HTTP/2.0\r\n\r\n", b"GET http://x/metrics HTTP/1.1\r\n\r\n",
                b"\x16\x03\x01\x00\x05hello\n", b"GET /met\x00rics HTTP/1.1\r\n\r\n",
                b"GET /metrics HTTP/1.1\r\nHost x\r\n\r\n", b"GET /metrics HTTP/1.1\r\n folded: x\r\n\r\n"):
        same("answer to %r" % bad, b"HTTP/1.1 400 Bad Request", raw(bad).partition(b"\r\n")[0])
    same("too long", b"HTTP/1.1 431", raw(b"GET /metrics HTTP/1.1\r\n" + b"X: " + b"y" * 9000)[:12])
    case("clients that say nothing, and too many of them")
    silent = [socket.create_connection(("127.0.0.1", METRICS), DEADLINE) for _ in range(CLIENTS)]
    same("one too many", b"HTTP/1.1 503", wait_for(
        "a client turned away",
        lambda: (lambda a: a if b"503" in a else None)(
            raw(b"GET /metrics HTTP/1.1\r\n\r\n")))[:12])
    for sock in silent:
        same("silence", b"HTTP/1.1 408", read_all(sock)[:12])
        sock.close()
    wait_for("room again", lambda: b"200 OK" in raw(b"GET /metrics HTTP/1.1\r\n\r\n"))


def who():
    case("user and password")
    daemon.stop()
    with open(PASSWORD, "w", encoding="ascii") as f:
        f.write("open sesame\nnot this\n")
    os.chmod(PASSWORD, 0o600)
    configure('address = "127.0.0.1:%d"; user = "prom"; password_file = "password";' % METRICS)
    daemon.start()
    curl(want="401")
    curl("-u", "prom:wrong", want="401")
    curl("-u", "prom:open sesam", want="401")
    curl("-u", "prom:open sesame ", want="401")
    curl("-u", "other:open sesame", want="401")
    curl("-u", "prom:open sesame", path="/other", want="404")
    promtool(curl("-u", "prom:open sesame"))
    both = b"GET /metrics HTTP/1.1\r\n" + b"Authorization: Basic cHJvbTpvcGVuIHNlc2FtZQ==\r\n"
    same("scheme of any case", b"HTTP/1.1 200",
         raw(both.replace(b"Basic", b"bAsIc") + b"\r\n")[:12])
    same("twice", b"HTTP/1.1 400", raw(both + both.partition(b"\r\n")[2] + b"\r\n")[:12])
    same("not in the log", [], daemon.found("sesame"))

    case("a unix socket")
    daemon.stop()
    configure('address = "unix:%s"; mode = "0600";' % UNIX)
    daemon.start()
    same("mode", 0o600, os.stat(UNIX).st_mode & 0o777)
    done = subprocess.run(["curl", "-sS", "--unix-socket", UNIX, "http://postern/metrics"],
                          capture_output=True, encoding="utf-8", check=True)
    promtool(done.stdout)
    daemon.stop()
    same("the socket is gone", False, os.path.exists(UNIX))


def wrong():
    case("a wrong configuration says so")
    for metrics, why in (
            ('address = "127.0.0.1:%d"; user = "x";' % METRICS, "user and password_file only go"),
            ('user = "x"; password_file = "password";', '"address" is missing'),
            ('address = "127.0.0.1:%d"; user = "a:b"; password_file = "password";' % METRICS,
             "without a colon"),
            ('address = "127.0.0.1:%d"; user = "x"; password_file = "none";' % METRICS,
             "cannot use .*/none: No such file"),
            ('address = "127.0.0.1:%d"; user = "x"; password_file = "open";' % METRICS,
             "others can read or write it"),
            ('address = "127.0.0.1:%d";' % PORT, "cannot listen on .*: Address already in use")):
        with open(os.path.join(FOLDER, "open"), "w", encoding="ascii") as f:
            f.write("x\n")
        os.chmod(os.path.join(FOLDER, "open"), 0o644)
        configure(metrics)
        done = subprocess.run([os.environ["POSTERN"], "-c", daemon.conf], capture_output=True,
                              encoding="utf-8", timeout=DEADLINE, check=False)
        same("start with " + metrics, 1, done.returncode)
        same("%s in %s" % (why, done.stderr), True, bool(re.search(why, done.stderr)))
    configure('address = "0.0.0.0:%d";' % METRICS)
    done = subprocess.run([os.environ["POSTERN"], "-t", "-c", daemon.conf], capture_output=True,
                          encoding="utf-8", timeout=DEADLINE, check=False)
    same("a warning", (0, True), (done.returncode, "whoever can reach" in done.stderr))


def steps():
    configure('address = "127.0.0.1:%d";' % METRICS)
    daemon.start()
    for part in (figures, protocol, who, wrong):
        part()


guarded(daemon, steps)
