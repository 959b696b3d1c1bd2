# SPDX-License-Identifier: GPL-2.0-or-later
"""How Postern's cost grows with edges, certificates and connections: run --growth."""
import json
import os
import signal
import subprocess
import time

import proxies

EDGES = (10, 1000, 100000)
CERTIFICATES = (10, 1000, 10000)
CONNECTIONS = (1000, 10000, 50000)


def config(b, port, upstream, edges):
    """A file with these edges, each a name and its modules."""
    text = "".join(f'{"," if i else ""}{{ name = "{n}"; domains = [ "{n}" ]; modules = ( {m} ); '
                   f'upstream = "127.0.0.1:{upstream}"; }}\n' for i, (n, m) in enumerate(edges))
    path = os.path.join(b.work, "growth.conf")
    with open(path, "w", encoding="ascii") as f:
        f.write(f'''workers = 1;
module_dir = "{os.path.abspath(b.o.build)}/t/modules-1";
timeouts = {{ hello = "30s"; handshake = "60s"; }};
log = {{ target = "{b.work}/growth.log"; level = "notice"; }};
listeners = ( {{ name = "l"; address = "127.0.0.1:{port}"; }} );
edges = ( {text} );
''')
    return path


def reloads(b):
    with open(os.path.join(b.work, "growth.log"), encoding="utf-8") as f:
        return sum("reloaded" in line for line in f)


def cpu_of(pid):
    """Seconds of CPU time that a process has used: clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


class Daemon:
    """Postern with a configuration; how long it took to serve."""

    def __init__(self, b, conf, port):
        cpus = b.cpus(1)[0]
        log = os.path.join(b.work, "growth.log")
        if os.path.exists(log):
            os.unlink(log)
        began = time.monotonic()
        self.process = subprocess.Popen(["taskset", "-c", cpus, b.postern, "-c", conf])
        pid = self.process.pid
        while not proxies.listening(port):
            if self.process.poll() is not None:
                raise RuntimeError("postern does not start")
            time.sleep(0.005)
        self.start = (cpu_of(pid), time.monotonic() - began)
        self.port = port

    def memory(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as f:
            return sum(int(x.split()[1]) / 1024 for x in f if x.startswith("Pss:"))

    def reload(self, b):
        """CPU and wall seconds from the signal to the line that says it is done."""
        pid = self.process.pid
        before, used, began = reloads(b), cpu_of(pid), time.monotonic()
        self.process.send_signal(signal.SIGHUP)
        while reloads(b) == before:
            if time.monotonic() > began + 120:
                raise RuntimeError("no reload")
            time.sleep(0.01)
        return cpu_of(pid) - used, time.monotonic() - began

    def stop(self):
        self.process.kill()
        self.process.wait()
        while proxies.listening(self.port):
            time.sleep(0.01)


def load(b, daemon, upstream, *arguments):
    """One run of the load generator; microseconds of CPU per unit, or None."""
    cpus = b.cpus(1)[1]
    out = subprocess.run(["taskset", "-c", cpus, b.load, "--port", str(daemon.port),
                          "--upstream-port", str(upstream), "--pid", str(daemon.process.pid),
                          "--warm", str(b.o.warm), "--window", str(b.o.window), *arguments],
                         capture_output=True, text=True, check=False)
    if out.returncode != 0:
        return None
    r = json.loads(out.stdout.splitlines()[-1])
    return r["cpu_ns"] / 1e3 / max(r["units"], 1)


def row(b, n, edges, port, upstream, *arguments):
    """Start, memory, cost of a connection, reload with these edges."""
    d = Daemon(b, config(b, port, upstream, edges), port)
    try:
        memory = d.memory()
        costs = [load(b, d, upstream, "--mode", "conn", "--names", str(n), "--warm", "3000",
                      *arguments)
                 for _ in range(b.o.rounds)]
        good = sorted(c for c in costs if c is not None)
        reload_s = d.reload(b)
        after = d.memory()
    finally:
        d.stop()
    cost = f"{good[len(good) // 2]:.1f}" if good else "void"
    print(f"growth {n}: start {d.start[1]:.2f} s, {memory:.1f} MiB, {cost} us", flush=True)
    times = [f"{cpu:.2f} ({wall:.2f})" for cpu, wall in (d.start, reload_s)]
    return (f"| {n:,} | {times[0]} | {times[1]} | {memory:.1f} ({after:.1f} after reload) | "
            f"{cost} |"), memory


def edges_table(b, port, upstream):
    rows = ["| edges | start, s CPU (wall) | reload, s CPU (wall) | memory, MiB | new connection, us |", "|---" * 5 + "|"]
    for n in EDGES:
        edges = [(f"n{i:06}.bench.test", "") for i in range(n)]
        rows.append(row(b, n, edges, port, upstream)[0])
    return rows


def certificates_table(b, port, upstream):
    folder = os.path.join(b.work, "many")
    os.mkdir(folder)
    subprocess.run([os.path.join(b.o.build, "t/bench/certs"), folder, str(CERTIFICATES[-1])],
                   check=True)
    rows = ["| certificates | start, s CPU (wall) | reload, s CPU (wall) | memory, MiB | full handshake, us |",
            "|---" * 5 + "|"]
    base = 0
    for n in CERTIFICATES:
        names = [f"n{i:06}.bench.test" for i in range(n)]
        tls = ('{{ module = "tls-termination"; terminate_at = "edge"; certificates = ( '
               '{{ certificate = "{0}/{1}.crt"; key = "{0}/{1}.key"; }} ); }}')
        edges = [(x, tls.format(folder, x)) for x in names]
        text, memory = row(b, n, edges, port, upstream, "--conns", "32", "--tls", "1.3",
                           "--groups", "X25519", "--suites", "TLS_AES_128_GCM_SHA256")
        rows.append(text)
        base = base or memory
    each = (memory - base) * 1024 / (CERTIFICATES[-1] - CERTIFICATES[0])
    return rows + ["", f"Each certificate, with its edge: {each:.1f} KiB."]


def idle_memory(b, d, n, upstream):
    """KiB per idle connection."""
    before = d.memory()
    p = subprocess.Popen([b.load, "--mode", "idle", "--conns", str(n), "--port", str(d.port),
                          "--upstream-port", str(upstream)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    ready = p.stdout.readline() == "ready\n"
    after = d.memory()
    p.communicate("go\n")
    return f"{(after - before) * 1024 / n:.2f}" if ready and p.returncode == 0 else "void"


def connections_table(b, port, upstream):
    rows = ["| connections | memory of an idle one, KiB | 64-byte round trip, us |",
            "|---" * 3 + "|"]
    for n in sorted({*CONNECTIONS, b.quiet}):
        if n > b.files * 2 // 5:
            rows.append(f"| {n:,} | not measured: {b.files:,} open files at most | |")
            continue
        d = Daemon(b, config(b, port, upstream, [("n000000.bench.test", "")]), port)
        try:
            memory = idle_memory(b, d, n, upstream)
            cost = load(b, d, upstream, "--mode", "ping", "--conns", str(n), "--warm", "4000")
        finally:
            d.stop()
        rows.append(f"| {n:,} | {memory} | {cost:.2f} |" if cost else f"| {n:,} | {memory} | void |")
    return rows


def report(b, port, upstream):
    """All three tables, as Markdown."""
    out = []
    for table in (edges_table, connections_table, certificates_table):
        out += table(b, port, upstream) + [""]
    return "\n".join(out)
