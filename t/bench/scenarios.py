# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured. See doc/performance.md for what each means."""
from dataclasses import dataclass

PASS = ["haproxy", "nginx", "sniproxy", "bare"]
PASS_BULK = ["haproxy:splice", "haproxy:64k", "nginx:256k", "nginx", "sniproxy", "bare"]
TLS = ["haproxy", "nginx", "hitch", "stunnel"]
TLS_BULK = ["haproxy:64k", "nginx:256k", "nginx", "hitch", "stunnel"]


@dataclass
class Scenario:
    name: str
    title: str
    unit: str                   # what CPU time is divided by: conn, msg, GB; "mem": memory
    load: list                  # arguments of the load generator
    peers: list
    target: float = 1.0         # ratio to the best peer that is aimed at
    cert: str = ""              # "ecdsa", "rsa"; "": passed through
    names: int = 1
    client_cert: bool = False
    proxy_out: bool = False
    modules: str = ""           # what Postern has attached: see modules() in run
    against: str = ""           # compare with Postern in another scenario instead of peers
    half_of: str = ""           # at half the rate that the slowest proxy takes in this scenario


def _conn(conns=64):
    return ["--mode", "conn", "--conns", str(conns)]


def _ping(conns):
    return ["--mode", "ping", "--conns", str(conns)]


def _bulk(mode):
    return ["--mode", mode, "--conns", "8"]


def _tls(version="1.3", groups="X25519", *more):
    suites = ["--suites", "TLS_AES_128_GCM_SHA256"] if version == "1.3" else []
    return ["--tls", version, "--groups", groups, *suites, *more]


ALL = [
    Scenario("conn", "passthrough, new connection", "conn", _conn(), PASS, 0.95),
    Scenario("conn-pq", "same, hello of 1.7 KB (post-quantum key share)", "conn",
             _conn() + ["--hello", "1750", "--key-share", "1184"], PASS, 0.95),
    Scenario("conn-1k-names", "same, 1,000 names", "conn",
             _conn() + ["--names", "1000"], ["haproxy", "nginx"], 0.95, names=1000),
    Scenario("conn-proxy2", "same, PROXY header to the upstream (v2; nginx, sniproxy: v1)", "conn",
             _conn(), PASS[:-1], 0.95, proxy_out=True),
    Scenario("conn-rate", "same, at half the rate of saturation", "rate",
             _conn(512), PASS, 1.0, half_of="conn"),
    Scenario("ping", "passthrough, 64-byte round trip, 64 connections", "msg", _ping(64), PASS,
             0.95),
    Scenario("ping-1", "same, 1 connection", "msg", _ping(1), PASS, 0.95),
    Scenario("ping-1k", "same, 1,000 connections", "msg", _ping(1000), PASS, 0.95),
    Scenario("down", "passthrough, bulk to the client", "GB", _bulk("down"), PASS_BULK),
    Scenario("up", "passthrough, bulk to the upstream", "GB", _bulk("up"), PASS_BULK),
    Scenario("idle", "passthrough, memory of an idle connection", "mem", ["--mode", "idle"], PASS),

    Scenario("tls-full", "TLS 1.3 full handshake, ECDSA P-256, X25519", "conn",
             _conn(32) + _tls(), TLS, 0.72, cert="ecdsa"),
    Scenario("tls-rate", "same, at half the rate of saturation", "rate",
             _conn(512) + _tls(), TLS, 1.0, cert="ecdsa", half_of="tls-full"),
    Scenario("tls-full-p256", "same, P-256 group", "conn",
             _conn(32) + _tls(groups="P-256"), TLS, 0.65, cert="ecdsa"),
    Scenario("tls-full-rsa", "same, RSA-2048 certificate, X25519", "conn",
             _conn(32) + _tls(), TLS, 1.2, cert="rsa"),
    Scenario("tls-resumed", "TLS 1.3 resumed", "conn",
             _conn(32) + _tls() + ["--resume"], TLS, 0.75, cert="ecdsa"),
    Scenario("tls12-full", "TLS 1.2 full handshake, ECDSA P-256, X25519", "conn",
             _conn(32) + _tls("1.2", "X25519:P-256"), TLS, 0.75, cert="ecdsa"),
    Scenario("tls12-resumed", "TLS 1.2 resumed", "conn",
             _conn(32) + _tls("1.2", "X25519:P-256") + ["--resume"], TLS, 1.0, cert="ecdsa"),
    Scenario("tls-mutual", "TLS 1.3 full handshake with client certificate", "conn",
             _conn(32) + _tls(), TLS, 0.40, cert="ecdsa", client_cert=True),
    Scenario("tls-ping", "TLS 1.3, 64-byte round trip, 64 connections", "msg",
             _ping(64) + _tls(), TLS, 1.0, cert="ecdsa"),
    Scenario("tls-down", "TLS 1.3 AES-128-GCM, bulk to the client", "GB",
             _bulk("down") + _tls(), TLS_BULK, 0.95, cert="ecdsa"),
    Scenario("tls-up", "TLS 1.3 AES-128-GCM, bulk to the upstream", "GB",
             _bulk("up") + _tls(), TLS_BULK, 1.0, cert="ecdsa"),
    Scenario("tls-idle", "TLS 1.3, memory of an idle connection", "mem",
             ["--mode", "idle"] + _tls(), TLS[:3], 1.0, cert="ecdsa"),

    Scenario("ip-1", "passthrough, new connection, ip-restrictions with 1 rule", "conn",
             _conn(), [], 1.02, modules="ip:1", against="conn"),
    Scenario("ip-100k", "same, with 100,000 rules", "conn",
             _conn(), [], 1.05, modules="ip:100000", against="conn"),
    Scenario("modules", "passthrough, new connection, all modules attached", "conn",
             _conn(), [], 1.10, modules="all", against="conn"),
    Scenario("tls-modules", "TLS 1.3 with client certificate, all modules attached", "conn",
             _conn(32) + _tls(), [], 1.10, cert="ecdsa", client_cert=True, modules="all",
             against="tls-mutual"),
]

QUICK = ["conn", "conn-rate", "ping", "down", "up", "idle", "tls-full", "tls-rate", "tls-resumed",
         "tls-down", "tls-up", "tls-ping", "tls-idle"]
# Those that were best in some scenario.
QUICK_PEERS = ["haproxy", "haproxy:splice", "haproxy:64k", "nginx", "nginx:256k", "sniproxy",
               "hitch"]


def find(names):
    """Scenarios by name or shell pattern, in the order of the table."""
    from fnmatch import fnmatch
    wanted = [s for s in ALL if any(fnmatch(s.name, n) for n in names)]
    for n in names:
        if not any(fnmatch(s.name, n) for s in ALL):
            raise SystemExit(f"run: no scenario {n}; there are: " +
                             " ".join(s.name for s in ALL))
    return wanted


TWO_WORKERS = ["conn", "ping", "down", "up", "tls-full", "tls-down", "tls-up"]
