# SPDX-License-Identifier: GPL-2.0-or-later
"""Events as they come out of the daemon: read, awaited, checked for what every one must have."""
import datetime
import json
import re

from hello_peers import connect
from relay_peers import read_to_end, same, wait_for

ID = re.compile(r"ev_[0-9a-v]{27}\Z")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")


def parse(line):
    """One line as the object it must be."""
    assert "\r" not in line and "\0" not in line, line
    event = json.loads(line)
    same("type of a line", dict, type(event))
    return event


def stamp(text):
    """Seconds of a timestamp in the one form there is."""
    assert STAMP.match(text), text
    when = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    return when.replace(tzinfo=datetime.timezone.utc).timestamp()


def check_envelope(event, kind="tcp_connection_closed.v0"):
    same("type of the event", kind, event["event_type"])
    assert ID.match(event["event_id"]), event["event_id"]
    assert "principal" in event and event["principal"] is None, event
    assert set(event) <= {"event_id", "event_type", "event_timestamp", "account_id", "principal",
                          "object"}, event
    stamp(event["event_timestamp"])


def settled(event):
    """The object without what differs from run to run, once that was found to make sense."""
    check_envelope(event)
    o = json.loads(json.dumps(event["object"]))
    conn = o["conn"]
    assert int(conn.pop("id")) >= 1024, event
    start, end = stamp(conn.pop("start_ts")), stamp(conn.pop("end_ts"))
    same("time of the event", end, stamp(event["event_timestamp"]))
    timing = o.pop("timing")
    total = timing["total_us"]
    same("end - start", True, abs(end - start - total / 1e6) < 2e-6)
    for name, value in timing.items():
        assert type(value) is int and 0 <= value <= total, (name, timing)
    o["timing"] = sorted(set(timing) - {"total_us"})
    same("type of worker", int, type(o.pop("worker")))
    return o


class File:
    """A file of events that grows; also over a rotation, when follow() is told."""

    def __init__(self, path):
        self.path = path
        self.at = 0
        self.partial = ""
        self.events = []

    def read(self):
        try:
            with open(self.path, encoding="utf-8") as f:
                f.seek(self.at)
                self.partial += f.read()
                self.at = f.tell()
        except FileNotFoundError:
            return self.events
        whole = self.partial.split("\n")
        self.partial = whole.pop()
        self.events += [parse(line) for line in whole]
        return self.events

    def find(self, client):
        """All events about the connection from there: (address, port)."""
        return [e for e in self.read() if "conn" in e["object"]
                and e["object"]["conn"].get("client_ip") == client[0]
                and e["object"]["conn"].get("client_port") == client[1]]

    def wait(self, client):
        """The one event about that connection."""
        found = wait_for("event about %s:%d" % client, lambda: self.find(client))
        same("events about a connection", 1, len(found))
        return found[0]


OFFERED = {"versions": ["TLSv1.3", "TLSv1.2"], "ech": False}


def expect(sock, behind, listener, edge, close, sent, got, sni=None, timing=("hello_us",), tries=0, **more):
    """The whole object of a connection of ours. sni: it also sent a hello that could be read."""
    host, port = sock
    o = {
        "conn": {"client_ip": host[0], "client_port": host[1], "peer_ip": host[0],
                 "peer_port": host[1], "server_ip": port[0], "server_port": port[1],
                 "bytes_in": sent, "bytes_out": got},
        "listener": listener, "generation": 1, "timing": sorted(timing),
        "close": dict({"truncated": False}, **close),
    }
    if edge:
        o["edge"] = edge
    if sni:
        o["conn"]["server_name"] = sni
    if tries:
        o["upstream"] = {"address": "127.0.0.1:%d" % behind, "tries": tries}
    o.update(more)
    return o


def hello_fields(o, event):
    """What a hello leaves behind; its fingerprint is judged elsewhere."""
    ja4 = event["object"].pop("ja4_fingerprint", None)
    assert ja4 is None or ja4.startswith("t13"), ja4
    if ja4:
        o.setdefault("tls", {}).setdefault("offered", OFFERED)
    return event


class Client:
    """A connection to a port of the daemon. events: the File its event comes to."""

    events = None
    upstream = None  # its port

    def __init__(self, port, host="127.0.0.1"):
        self.sock = connect(port, host)
        self.source, self.to = self.sock.getsockname(), (host, port)
        self.sent = 0

    def send(self, data):
        self.sock.sendall(data)
        self.sent += len(data)
        return self

    def end(self):
        """What came until the end, and which end that was; ours follows."""
        got = read_to_end(self.sock)
        self.sock.close()
        return got

    def judge(self, what, listener, edge, close, got, **more):
        o = expect((self.source, self.to), self.upstream, listener, edge, close, self.sent, got, **more)
        event = hello_fields(o, self.events.wait(self.source))
        same(what, o, settled(event))
        print("  " + what, flush=True)
