# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, four ports of the daemon, the upstream's port.

Every connection is made, brought to its end in one way, and its event compared as a whole."""
import socket
import sys

from event_peers import Client, File, check_envelope
from hello_peers import hello, noise, record, records
from relay_peers import listen, read_exactly, read_to_end, reset, same, wait_for
from reload_peers import Daemon, guarded, module

FOLDER = sys.argv[1]
PUBLIC, RAW, HASTY, DENIES, UPSTREAM = (int(p) for p in sys.argv[2:])

LISTENER_STAGES = ("on_accept", "on_preface", "on_client_hello")
EDGE_STAGES = ("on_admit", "on_transport", "on_handshake_done", "on_upstream", "on_upstream_ready",
               "on_established")
DENIED = {"reason": "denied", "side": "proxy", "module": "live-ender", "code": "test-code",
          "text": "denied by a test"}

daemon = Daemon(FOLDER, settings="timeouts = { drain = \"200ms\"; connect = \"5s\"; };")
events = File(FOLDER + "/events.json")
upstream = listen(UPSTREAM)
Client.events, Client.upstream = events, UPSTREAM


def log(**options):
    return module("event-logging", sink="file:" + events.path, **options)


def ender(at, how="deny", **options):
    return module("live-ender", at=at, how=how, **options)


def edge(name, *modules, to=None, extra=""):
    return 'name = "%s"; domains = [ "%s.test" ]; upstream = "%s"; modules = ( %s ); %s' % (
        name, name, to or "127.0.0.1:%d" % UPSTREAM, ", ".join(modules), extra)


def listener(name, port, *modules, extra=""):
    return 'name = "%s"; address = "127.0.0.1:%d"; modules = ( %s ); %s' % (
        name, port, ", ".join((log(),) + modules), extra)


def configure():
    listeners = [
        listener("public", PUBLIC),
        listener("raw", RAW, extra='not_tls = "raw"; unknown_sni = "raw";'),
        listener("hasty", HASTY, extra='timeouts = { hello = "150ms"; };'),
    ]
    listeners += [listener(s, DENIES, ender(s)).replace("127.0.0.1:", "127.0.0.%d:" % (i + 2))
                  for i, s in enumerate(LISTENER_STAGES)]
    edges = [
        edge("raw"),
        edge("idle", extra='timeouts = { idle = "150ms"; };'),
        edge("half", extra='timeouts = { half_close = "150ms"; };'),
        # A port that other tests cannot get.
        edge("down", to="127.0.0.1:1"),
        edge("nothere", to="unix:" + FOLDER + "/nobody"),
        edge("badtls", ender("on_upstream_ready", "tls")),
        edge("kills", ender("on_admit", "kill")),
        edge("errs", ender("on_admit", "error")),
        edge("breaks", ender("on_established", "filter")),
        edge("pends", module("live-pending", mode="never"), extra="max_pending = 1;"),
        edge("waits", module("live-pending", mode="never"), extra='timeouts = { pending = "100ms"; };'),
        edge("shadow", ender("on_admit", enforce=False), ender("on_upstream", enforce=False)),
        edge("blocked", module("ip-restrictions", default="allow").replace(
            "}", 'deny = [ "127.0.0.0/8" ]; }')),
        edge("allowed", '{ module = "ip-restrictions"; allow = [ "127.0.0.0/8" ]; enforce = false; }'),
    ]
    edges += [edge(s.replace("_", "-"), ender(s)) for s in EDGE_STAGES]
    daemon.configure(listeners, edges)


# --- before an edge is known -----------------------------------------------------------------------


def refusals():
    refused = (
        ("no_sni", records(hello(None)), 112, None, {}),
        ("unknown_sni", records(hello(b"nobody.test")), 112, "nobody.test", {}),
        ("bad_hello", record(hello(), version=0x0200), 50, None,
         {"code": "bad-hello", "text": "record version is not TLS"}),
        ("hello_too_large", records(hello(size=65537)), 50, None, {"code": "hello-too-large"}),
        ("not_tls", b"GET / HTTP/1.0\r\n\r\n", None, None, {}),
    )
    for reason, wire, alert, sni, more in refused:
        c = Client(PUBLIC).send(wire)
        got, _ = c.end()
        same(reason + ": answer", b"" if alert is None else b"\x15\3\3\0\2\2" + bytes([alert]), got)
        close = dict({"reason": reason, "side": "proxy"}, **more)
        close["stage"] = "on_client_hello" if reason in ("no_sni", "unknown_sni", "not_tls") \
            else "on_accept"
        if alert is not None:
            close["alert_sent"] = alert
        known = close["stage"] == "on_client_hello"
        event = wait_for(reason, lambda: events.find(c.source))[0]
        if reason == "hello_too_large":  # the rest is read and dropped behind the event
            c.sent = event["object"]["conn"]["bytes_in"]
        close.pop("text", None) if reason == "hello_too_large" else None
        event["object"]["close"].pop("text", None) if reason == "hello_too_large" else None
        c.judge(reason, "public", None, close, len(got), sni=sni,
                timing=("hello_us",) if known else ())


def early_ends():
    c = Client(HASTY)
    same("hello timeout", (b"", "fin"), c.end())
    c.judge("hello_timeout", "hasty", None, {"reason": "hello_timeout", "side": "proxy",
            "stage": "on_accept", "code": "timeout"}, 0, timing=())
    c = Client(PUBLIC).send(records(hello())[:50])
    c.sock.shutdown(socket.SHUT_WR)
    same("half a hello", (b"", "fin"), c.end())
    c.judge("client_fin in the hello", "public", None, {"reason": "client_fin", "side": "client",
            "stage": "on_accept", "truncated": True}, 0, timing=())
    c = Client(PUBLIC).send(records(hello())[:50])
    reset(c.sock)
    c.judge("reset in the hello", "public", None, {"reason": "reset", "side": "client",
            "stage": "on_accept", "error": "ECONNRESET", "truncated": True}, 0, timing=())


def denials():
    for i, stage in enumerate(LISTENER_STAGES):
        c = Client(DENIES, "127.0.0.%d" % (i + 2))
        if stage != "on_accept":
            c.send(records(hello()))
        got, end = c.end()
        same(stage, b"", got)
        known = stage == "on_client_hello"
        c.judge("denied " + stage, stage, None, dict(DENIED, stage=stage), 0,
                sni="a.test" if known else None, timing=("hello_us",) if known else ())
    for stage in EDGE_STAGES:
        name = stage.replace("_", "-")
        c = Client(PUBLIC).send(records(hello(name.encode() + b".test")))
        same(stage, b"", c.end()[0])
        late = stage in ("on_upstream_ready", "on_established")
        c.judge("denied " + stage, "public", name, dict(DENIED, stage=stage), 0,
                sni=name + ".test", tries=1 if late else 0,
                timing=("hello_us", "connect_us") if late else ("hello_us",))
        if late:
            upstream.accept()[0].close()
    c = Client(PUBLIC).send(records(hello(b"errs.test")))
    same("error of a module", b"", c.end()[0])
    c.judge("denied by an error", "public", "errs", {"reason": "denied", "side": "proxy",
            "module": "live-ender", "stage": "on_admit", "code": "module-error"}, 0, sni="errs.test")
    c = Client(PUBLIC).send(records(hello(b"waits.test")))
    same("pending", b"", c.end()[0])
    c.judge("denied by the deadline", "public", "waits", {"reason": "denied", "side": "proxy",
            "module": "live-pending", "stage": "on_admit", "code": "pending-timeout",
            "text": "no verdict before the deadline"}, 0, sni="waits.test")
    c = Client(PUBLIC).send(records(hello(b"blocked.test")))
    same("blocked", b"", c.end()[0])
    c.judge("blocked by address", "public", "blocked", {"reason": "denied", "side": "proxy",
            "module": "ip-restrictions", "stage": "on_admit", "code": "ip-denied",
            "text": "%s matches deny 127.0.0.0/8 (deny[0])" % c.source[0]}, 0, sni="blocked.test",
            ip_policy={"decision": "block", "matched_cidr": "127.0.0.0/8", "enforced": True})


# --- relayed ---------------------------------------------------------------------------------------


class Pair(Client):
    """A client and its upstream, the hello through."""

    def __init__(self, name):
        super().__init__(PUBLIC)
        self.send(records(hello(name.encode() + b".test")))
        self.name = name
        self.up, _ = upstream.accept()
        self.up.settimeout(self.sock.gettimeout())
        read_exactly(self.up, self.sent)

    def answer(self, n):
        self.up.sendall(noise(n))
        read_exactly(self.sock, n)

    def judge_close(self, what, close, got, first_byte=True, **more):
        timing = ("hello_us", "connect_us") + (("first_byte_us",) if first_byte else ())
        self.up.close()
        self.judge(what, "public", self.name, dict({"stage": "on_established"}, **close), got,
                   sni=self.name + ".test", tries=1, timing=timing, **more)


def relayed():
    p = Pair("raw").send(noise(5000))
    read_exactly(p.up, 5000)
    p.answer(7000)
    p.sock.shutdown(socket.SHUT_WR)
    same("end", b"", p.up.recv(1))
    p.up.close()
    same("end", (b"", "fin"), p.end())
    p.judge_close("client_fin", {"reason": "client_fin", "side": "client"}, 7000)

    p = Pair("raw")
    p.answer(10)
    p.up.close()
    same("end", (b"", "fin"), p.end())
    p.judge_close("upstream_fin", {"reason": "upstream_fin", "side": "upstream"}, 10)

    p = Pair("idle")
    same("idle", (b"", "fin"), p.end())
    p.judge_close("idle", {"reason": "idle", "side": "proxy"}, 0, first_byte=False)

    p = Pair("half")
    p.sock.shutdown(socket.SHUT_WR)
    same("half", (b"", "fin"), p.end())
    p.judge_close("idle, half closed", {"reason": "idle", "side": "proxy",
                  "code": "half-close-timeout"}, 0, first_byte=False)

    p = Pair("raw")
    reset(p.sock)
    same("reset", "rst", read_to_end(p.up)[1])
    p.judge_close("reset by the client", {"reason": "reset", "side": "client", "truncated": True,
                  "error": "ECONNRESET"}, 0, first_byte=False)

    p = Pair("raw")
    p.answer(3)
    reset(p.up)
    same("reset", (b"", "rst"), p.end())
    p.judge_close("reset by the upstream", {"reason": "reset", "side": "upstream",
                  "truncated": True, "error": "ECONNRESET"}, 3)

    p = Pair("shadow")
    p.up.close()
    p.end()
    shadow = [{"module": "live-ender", "stage": s, "code": "test-code", "text": "denied by a test"}
              for s in ("on_admit", "on_upstream")]
    p.judge_close("not enforced", {"reason": "upstream_fin", "side": "upstream"}, 0,
                  first_byte=False, shadow=shadow)

    p = Pair("allowed")
    p.up.close()
    p.end()
    p.judge_close("allowed by address", {"reason": "upstream_fin", "side": "upstream"}, 0,
                  first_byte=False, ip_policy={"decision": "allow", "matched_cidr": "127.0.0.0/8",
                                               "enforced": False})


def lacking():
    """No upstream, no room, no life."""
    c = Client(PUBLIC).send(records(hello(b"down.test")))
    got, _ = c.end()
    c.judge("connect_failed", "public", "down", {"reason": "connect_failed", "side": "upstream",
            "stage": "on_upstream", "code": "connect-failed", "text": "no target could be reached",
            "error": "ECONNREFUSED", "alert_sent": 80}, 7, sni="down.test",
            upstream={"address": "127.0.0.1:1", "tries": 1})
    c = Client(PUBLIC).send(records(hello(b"nothere.test")))
    c.end()
    c.judge("connect_failed, unix", "public", "nothere", {"reason": "connect_failed",
            "side": "upstream", "stage": "on_upstream", "code": "connect-failed",
            "text": "no target could be reached", "error": "ENOENT", "alert_sent": 80}, 7,
            sni="nothere.test", upstream={"address": "unix:" + FOLDER + "/nobody", "tries": 1})
    c = Client(PUBLIC).send(records(hello(b"badtls.test")))
    got, _ = c.end()
    upstream.accept()[0].close()
    event = wait_for("event", lambda: events.find(c.source))[0]["object"]
    same("upstream_tls_failed", ("upstream_tls_failed", "upstream", "on_upstream_ready"),
         tuple(event["close"][k] for k in ("reason", "side", "stage")))
    print("  upstream_tls_failed", flush=True)
    c = Client(PUBLIC).send(records(hello(b"breaks.test")))
    # The upstream sees nothing of connections that end before a byte for it: the first one
    # takes the last ACK of the handshake along.
    same("broken filter", (b"", "rst"), c.end())
    c.judge("internal", "public", "breaks", {"reason": "internal", "side": "proxy",
            "stage": "on_established", "truncated": True}, 0, sni="breaks.test", tries=1,
            timing=("hello_us", "connect_us"))
    c = Client(PUBLIC).send(records(hello(b"kills.test")))
    same("killed", (b"", "rst"), c.end())
    event = wait_for("event", lambda: events.find(c.source))[0]["object"]
    same("killed", ("killed", "proxy", True),
         tuple(event["close"][k] for k in ("reason", "side", "truncated")))
    print("  killed by a module", flush=True)
    first = Client(PUBLIC).send(records(hello(b"pends.test")))
    daemon.wait_log("live-pending: cancelled")  # of waits.test: they suspend
    second = None

    def refused():
        nonlocal second
        second = Client(PUBLIC).send(records(hello(b"pends.test")))
        return wait_for("an end", lambda: events.find(second.source) or events.find(first.source))

    refused()
    loser, winner = (second, first) if events.find(second.source) else (first, second)
    same("overload", b"", loser.end()[0])
    loser.judge("overload", "public", "pends", {"reason": "overload", "side": "proxy",
                "module": "live-pending", "stage": "on_admit", "code": "max-pending",
                "text": "too many connections of this edge wait for a verdict"}, 0, sni="pends.test")
    reset(winner.sock)
    winner.judge("reset while it waits", "public", "pends", {"reason": "reset", "side": "client",
                 "stage": "on_admit", "error": "ECONNRESET", "truncated": True}, 0, sni="pends.test")


# --- the end of the daemon -------------------------------------------------------------------------


def stop_with(reason, signals):
    p = Pair("raw")
    for _ in range(signals):
        since = daemon.mark()
        daemon.process.terminate()
        daemon.wait_log("draining|stopping at once", since)
    same(reason, "rst", read_to_end(p.sock)[1])
    same("exit status", 0, daemon.process.wait(20))
    event = wait_for("event", lambda: events.find(p.source))[0]["object"]
    same(reason, (reason, "proxy", True, p.sent),
         tuple(event["close"][k] for k in ("reason", "side", "truncated"))
         + (event["conn"]["bytes_in"],))
    p.up.close()
    print("  " + reason, flush=True)


def all_reasons():
    """None is left out but those of TLS, and no event is twice."""
    reasons = {"client_fin", "upstream_fin", "idle", "denied", "hello_timeout", "bad_hello",
               "hello_too_large", "no_sni", "unknown_sni", "not_tls", "connect_failed",
               "upstream_tls_failed", "reset", "drained",
               "killed", "overload", "internal"}
    seen = [e["object"]["close"]["reason"] for e in events.read()]
    same("reasons", reasons, set(seen))
    ids = [e["event_id"] for e in events.events]
    same("ids that are there twice", len(ids), len(set(ids)))
    for e in events.events:
        check_envelope(e)
    print("  %d events, %d reasons" % (len(ids), len(reasons)))


def steps():
    configure()
    daemon.start()
    for part in (refusals, early_ends, denials, relayed, lacking):
        part()
    stop_with("drained", 1)
    daemon.start()
    stop_with("killed", 2)
    all_reasons()


guarded(daemon, steps)
