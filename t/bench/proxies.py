# SPDX-License-Identifier: GPL-2.0-or-later
"""The proxies: a configuration of each for a scenario, equivalent and tuned; start and stop.

A configuration function gets a Setup and answers the text of the file, or None when the proxy
cannot do what the scenario asks.
"""
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field

GROUPS = "X25519:prime256v1"
SUITES12 = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"


@dataclass
class Setup:
    """What a proxy shall do in one run."""
    work: str
    port: int
    upstream: int
    workers: int
    names: int = 1
    cert: str = ""            # PEM file with certificate and key; "": pass through
    client_ca: str = ""
    proxy_out: bool = False
    modules: list = field(default_factory=list)
    module_dir: str = ""
    files: int = 20000

    def path(self, name):
        return os.path.join(self.work, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as f:
            f.write(text)
        return self.path(name)

    def all_names(self):
        return [f"n{i:06}.bench.test" for i in range(self.names)]


def postern(s, _variant):
    modules = list(s.modules)
    if s.cert:
        modules.append('{ module = "tls-termination"; terminate_at = "edge"; '
                       f'certificates = ( {{ certificate = "{s.cert[:-4]}.crt"; '
                       f'key = "{s.cert[:-4]}.key"; }} ); '
                       'groups = [ "x25519", "secp256r1" ]; }')
    if s.client_ca:
        modules.append('{ module = "mutual-tls"; mode = "require-and-verify"; '
                       f'ca = [ "{s.client_ca}" ]; }}')
    if s.proxy_out:
        modules.append('{ module = "proxy-protocol"; send = 2; }')
    domains = ", ".join(f'"{n}"' for n in s.all_names())
    return f'''workers = {s.workers};
module_dir = "{s.module_dir}";
timeouts = {{ hello = "30s"; handshake = "60s"; }};
log = {{ target = "{s.path("postern.log")}"; level = "error"; }};
listeners = ( {{ name = "bench"; address = "127.0.0.1:{s.port}"; }} );
edges = ( {{ name = "bench"; domains = [ {domains} ];
  modules = ( {", ".join(modules)} );
  upstream = "127.0.0.1:{s.upstream}"; }} );
'''


def haproxy(s, variant):
    tune = {"splice": "tune.pipesize 1048576\n maxpipes 256", "64k": "tune.bufsize 65536"}
    splice = "option splice-request\n option splice-response" if variant == "splice" else ""
    shards = "shards by-thread" if s.workers > 1 else ""
    verify = f"ca-file {s.client_ca} verify required" if s.client_ca else ""
    tls = (f"ssl crt {s.cert} curves {GROUPS.replace('prime256v1', 'P-256')} {verify}"
           if s.cert else "")
    s.write("names.map", "".join(f"{n} up\n" for n in s.all_names()))
    choose = f'''tcp-request inspect-delay 5s
 tcp-request content accept if {{ req.ssl_hello_type 1 }}
 use_backend %[req.ssl_sni,lower,map_str({s.path("names.map")})]'''
    return f'''global
 nbthread {s.workers}
 maxconn {s.files // 2 - (400 if variant == 'splice' else 60)}
 tune.ssl.cachesize 0
 ssl-default-bind-ciphers {SUITES12}
 ssl-default-bind-options ssl-min-ver TLSv1.2
 {tune.get(variant, "")}
defaults
 mode tcp
 timeout connect 5s
 timeout client 300s
 timeout server 300s
 option tcp-smart-accept
 option tcp-smart-connect
 {splice}
frontend bench
 bind 127.0.0.1:{s.port} backlog 4096 {shards} {tls}
 {"default_backend up" if s.cert else choose}
backend up
 server s 127.0.0.1:{s.upstream} {"send-proxy-v2" if s.proxy_out else ""}
'''


def nginx(s, variant):
    if s.cert:
        verify = (f"ssl_client_certificate {s.client_ca}; ssl_verify_client on;"
                  if s.client_ca else "")
        server = f'''listen 127.0.0.1:{s.port} ssl backlog=4096 {"reuseport" if s.workers > 1 else ""};
  ssl_certificate {s.cert}; ssl_certificate_key {s.cert};
  ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {SUITES12}; ssl_ecdh_curve {GROUPS};
  ssl_session_cache off; ssl_session_tickets on; {verify}
  proxy_pass up;'''
    else:
        server = f'''listen 127.0.0.1:{s.port} backlog=4096 {"reuseport" if s.workers > 1 else ""};
  ssl_preread on; proxy_pass $up;'''
    names = "".join(f" {n} up;\n" for n in s.all_names())
    return f'''load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; pid {s.path("nginx.pid")}; error_log {s.path("nginx.log")} crit;
worker_processes {s.workers}; worker_rlimit_nofile {s.files};
events {{ worker_connections {s.files - 100}; accept_mutex off; }}
stream {{
 access_log off;
 map_hash_bucket_size 128; map_hash_max_size 262144;
 map $ssl_preread_server_name $up {{
{names} }}
 upstream up {{ server 127.0.0.1:{s.upstream}; }}
 server {{
  {server}
  proxy_buffer_size {"256k" if variant == "256k" else "16k"};
  {"proxy_protocol on;" if s.proxy_out else ""}
 }}
}}
'''


def sniproxy(s, _variant):
    if s.cert:
        return None
    out = " proxy_protocol" if s.proxy_out else ""
    names = "".join(f" {n.replace('.', '[.]')} 127.0.0.1:{s.upstream}{out}\n"
                    for n in s.all_names())
    return f'''error_log {{ filename {s.path("sniproxy.log")} priority error }}
listener 127.0.0.1:{s.port} {{
 protocol tls
 table t
 reuseport {"yes" if s.workers > 1 else "no"}
}}
table t {{
{names}}}
'''


def hitch(s, _variant):
    if not s.cert:
        return None
    verify = (f'client-verify = required\nclient-verify-ca = "{s.client_ca}"'
              if s.client_ca else "")
    return f'''frontend = "[127.0.0.1]:{s.port}"
backend = "[127.0.0.1]:{s.upstream}"
pem-file = "{s.cert}"
workers = {s.workers}
backlog = 4096
tls-protos = TLSv1.2 TLSv1.3
ciphers = "{SUITES12}"
ecdh-curve = "{GROUPS}"
log-level = 0
daemon = off
user = "nobody"
{verify}
'''


def stunnel(s, _variant):
    if not s.cert:
        return None
    verify = f"CAfile = {s.client_ca}\nverifyChain = yes" if s.client_ca else ""
    return f'''foreground = yes
pid =
debug = 0
syslog = no
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[bench]
accept = 127.0.0.1:{s.port}
connect = 127.0.0.1:{s.upstream}
cert = {s.cert}
ciphers = {SUITES12}
curves = X25519:P-256
sslVersionMin = TLSv1.2
libwrap = no
{verify}
'''


def bare(s, _variant):
    """No proxy, but the least that a relay can do: t/bench/bare.c."""
    return None if s.cert or s.proxy_out else ""


# name: configuration, command line, processes per worker (sniproxy has a single thread)
KINDS = {
    "postern": (postern, ["{postern}", "-c", "{conf}"]),
    "haproxy": (haproxy, ["haproxy", "-db", "-f", "{conf}"]),
    "nginx": (nginx, ["nginx", "-e", "stderr", "-c", "{conf}"]),
    "sniproxy": (sniproxy, ["sniproxy", "-f", "-n", "{files}", "-c", "{conf}"]),
    "hitch": (hitch, ["hitch", "--config={conf}"]),
    "stunnel": (stunnel, ["stunnel4", "{conf}"]),
    "bare": (bare, ["{bare}", "{port}", "{upstream}", "{workers}"]),
}


OURS = ("postern", "bare")   # in the build, not from packages


def installed(name):
    """Is this proxy ("haproxy:splice") here?"""
    kind = name.split(":")[0]
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return kind in OURS or shutil.which(KINDS[kind][1][0], path=path) is not None


def version(kind):
    """One line, for the report."""
    option = {"haproxy": "-v", "nginx": "-v", "sniproxy": "-V", "hitch": "-V",
              "stunnel": "-version"}[kind]
    out = subprocess.run([KINDS[kind][1][0], option], capture_output=True, text=True, check=False,
                         env={"PATH": os.environ["PATH"] + ":/usr/sbin"})
    lines = [x for x in (out.stdout + out.stderr).splitlines() if any(c.isdigit() for c in x)]
    return lines[0].strip() if lines else kind


def listening(port):
    """Is there a listening socket in this network namespace? Asked without connecting."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
                   for line in list(f)[1:])


def family(pid):
    """The process and all that descend from it."""
    found = [pid]
    for p in found:
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/children", encoding="ascii") as f:
                    found += [int(x) for x in f.read().split()]
        except OSError:
            pass
    return found


class Proxy:
    """A running proxy."""

    def __init__(self, name, setup, cpus, postern_path):
        kind, _, variant = name.partition(":")
        config, command = KINDS[kind]
        text = config(setup, variant)
        if text is None:
            raise ValueError(f"{name} cannot do this")
        self.setup = setup
        self.log = setup.path(f"{kind}.out")
        conf = setup.write(f"{kind}.conf", text)
        argv = [a.format(conf=conf, files=setup.files, postern=postern_path, port=setup.port,
                         upstream=setup.upstream, workers=setup.workers,
                         bare=os.path.join(os.path.dirname(postern_path), "t/bench/bare"))
                for a in command]
        copies = setup.workers if kind == "sniproxy" else 1
        env = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        argv = ["taskset", "-c", cpus] + argv
        with open(self.log, "wb") as out:
            self.processes = [subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out,
                                               stderr=out, env=env, cwd=setup.work)
                              for _ in range(copies)]
        self._await(name)
        self.pids = [p for top in self.processes for p in family(top.pid)]
        if kind == "hitch":   # it chooses CPUs itself
            for p in self.pids:
                subprocess.run(["taskset", "-apc", cpus, str(p)], check=True, capture_output=True)

    def _await(self, name):
        end = time.monotonic() + 60
        while not listening(self.setup.port):
            if time.monotonic() > end or any(p.poll() is not None for p in self.processes):
                with open(self.log, encoding="utf-8", errors="replace") as f:
                    text = f.read()[-2000:]
                self.stop()
                raise RuntimeError(f"{name} does not start: {text}")
            time.sleep(0.02)
        time.sleep(0.2)   # workers of a master that listens itself

    def memory(self):
        """Proportional share of user memory, bytes: every process, nothing counted twice."""
        total = 0
        for p in [p for top in self.processes for p in family(top.pid)]:
            with open(f"/proc/{p}/smaps_rollup", encoding="ascii") as f:
                total += sum(int(x.split()[1]) * 1024 for x in f if x.startswith("Pss:"))
        return total

    def stop(self):
        """End it. Nothing of it is wanted any more: no draining."""
        for p in [p for top in self.processes for p in family(top.pid)]:
            try:
                os.kill(p, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for p in self.processes:
            p.wait()
        while listening(self.setup.port):   # children of a master end after it
            time.sleep(0.01)
