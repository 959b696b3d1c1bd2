# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, two ports of the daemon, three of upstreams. Environment: POSTERNCTL."""
import grp
import json
import os
import re
import resource
import select
import socket
import subprocess
import sys
import threading

from control_peers import CTL, Control, read_all
from hello_peers import DEADLINE, Upstream, connect, hello, records
from relay_peers import listen, same, wait_for
from reload_peers import Daemon, guarded, module

FOLDER = sys.argv[1]
PORT, SECOND, ONE, TWO, IDLE = (int(a) for a in sys.argv[2:])
SOCKET = os.path.join(FOLDER, "control.sock")
SLOW = bool(os.environ.get("SANITIZERS") or os.environ.get("POSTERN_WRAP"))
MANY = 1500 if SLOW else 10000
FOLLOWERS = 4
CLIENTS = 16

one = Upstream("one", ("127.0.0.1", ONE))
settings = 'control = { socket = "%s"; };\ntimeouts = { drain = "60s"; };' % SOCKET
daemon = Daemon(FOLDER, workers=3, settings=settings)
ctl = Control(SOCKET)

LISTENER = 'name = "public"; address = "127.0.0.1:%d"; not_tls = "idle";' % PORT
EDGE_A = 'name = "a"; domains = [ "a.test", "*.a.test" ]; upstream = "127.0.0.1:%d"; modules = ( %s );' % (
    ONE, module("ip-restrictions", allow="127.0.0.0/8", enforce=False).replace(
        '"127.0.0.0/8"', '[ "127.0.0.0/8", "::1" ]'))
EDGE_B = 'name = "b"; domains = [ "b.test" ]; upstream = ( "127.0.0.1:%d", "127.0.0.1:%d" );' % (
    TWO, ONE)
EDGE_IDLE = 'name = "idle"; upstream = "127.0.0.1:%d";' % IDLE
EDGES = [EDGE_A, EDGE_B, EDGE_IDLE]
kept = []


def keep_all(sock):
    """An upstream that takes connections and never says anything."""
    while True:
        kept.append(sock.accept()[0])


def case(name):
    print("80-control: " + name)


def held(name, source=None):
    """A connection that the upstream has answered."""
    sock = socket.socket()
    sock.settimeout(DEADLINE)
    if source:
        sock.bind((source, 0))
    sock.connect(("127.0.0.1", PORT))
    sock.sendall(records(hello(name)))
    data = b""
    while not data.endswith(b"\n"):
        data += sock.recv(1)
    return sock


def ended(sock):
    """It was ended from the other side, within the deadline."""
    try:
        while sock.recv(4096):
            pass
    except ConnectionResetError:
        pass
    sock.close()
    return True


def client_of(sock):
    return "%s:%d" % sock.getsockname()


def commands():
    case("status, edges, upstreams, modules, plan")
    socks = [held(b"a.test"), held(b"x.a.test", "127.0.0.2"), held(b"b.test")]
    (status,) = ctl.rows("status")
    same("state", ("running", 3, 1, 1, 3, 1),
         tuple(status[k] for k in ("state", "workers", "generation", "listeners", "edges",
                                   "generations_alive")))
    same("pid", daemon.process.pid, status["pid"])
    same("connections", 3, status["connections"])
    a, b, _ = ctl.rows("edges")
    same("edge a", ("a", 2, 2, ["a.test", "*.a.test"], 1, 1),
         tuple(a[k] for k in ("edge", "connections", "total", "domains", "targets", "targets_up")))
    same("edge b", ("b", 1, 2), (b["edge"], b["connections"], b["targets"]))
    same("one edge", ["b"], [r["edge"] for r in ctl.rows("edges", "--edge", "b")])
    ups = ctl.rows("upstreams")
    same("targets", [("a", "127.0.0.1:%d" % ONE), ("b", "127.0.0.1:%d" % TWO),
                     ("b", "127.0.0.1:%d" % ONE), ("idle", "127.0.0.1:%d" % IDLE)], [(u["edge"], u["target"]) for u in ups])
    same("target of a", ("up", 2, 2, 0),
         tuple(ups[0][k] for k in ("state", "active", "connects", "failures")))
    same("dead target", (0, 1), (ups[1]["connects"], ups[1]["failures"]))
    same("modules", ["ip-restrictions"], [m["module"] for m in ctl.rows("modules")])
    plan = ctl.rows("plan")
    same("plan", [{"listener": "public"},
                  {"edge": "a", "stage": "on_admit", "modules": ["ip-restrictions"],
                   "not_enforced": ["ip-restrictions"]},
                  {"edge": "b"}, {"edge": "idle"}], plan)
    for command in ("status", "edges", "upstreams", "modules", "plan", "connections"):
        out, err = ctl.run(command)
        same("standard error of " + command, "", err)
        same("a table of " + command, True, len(out.splitlines()) > 1)
    out, _ = ctl.run("edges")
    same("header", ["EDGE", "NOW", "TOTAL", "IN", "OUT", "TARGETS", "UP", "DOMAINS"],
         out.splitlines()[0].split())

    case("connections and their filters")
    rows = ctl.rows("connections")
    same("clients", sorted(client_of(s) for s in socks), sorted(r["client"] for r in rows))
    row = next(r for r in rows if r["client"] == client_of(socks[1]))
    same("a row", ("x.a.test", "a", "public", "relay", "127.0.0.1:%d" % ONE, 1),
         tuple(row[k] for k in ("sni", "edge", "listener", "state", "upstream", "generation")))
    same("bytes of a row", (len(records(hello(b"x.a.test"))), len("one 1\n")),
         (row["bytes_in"], row["bytes_out"]))
    for want, args in ((2, ["-e", "a"]), (1, ["-e", "b"]), (0, ["-e", "c"]), (1, ["-n", "a.test"]),
                       (1, ["-n", "*.A.test"]), (0, ["-n", "*.b.test"]), (1, ["-C", "127.0.0.2"]),
                       (2, ["-C", "127.0.0.1"]), (3, ["-C", "127.0.0.0/8"]), (0, ["-C", "::1"]),
                       (1, ["-e", "a", "-C", "127.0.0.1"]), (0, ["-e", "b", "-n", "a.test"])):
        same("connections " + " ".join(args), want, len(ctl.rows("connections", *args)))
    silent = connect(PORT)
    wait_for("a connection that says nothing", lambda: "hello" in [
        r["state"] for r in ctl.rows("connections")])
    silent.close()
    wait_for("its end", lambda: len(ctl.rows("connections")) == 3)

    case("kill really ends them")
    same("killed", [{"killed": 1}], ctl.rows("kill", str(row["id"])))
    same("ended", True, ended(socks[1]))
    _, err = ctl.run("kill", str(row["id"]), status=1)
    same("killed twice", "posternctl: no such connection\n", err)
    ctl.run("kill", "1", status=1)
    ctl.run("kill", "1023", status=1)
    same("others live", 2, len(ctl.rows("connections")))
    same("by edge", [{"killed": 1}], ctl.rows("kill", "--edge", "b"))
    same("ended", True, ended(socks[2]))
    same("by client", [{"killed": 1}], ctl.rows("kill", "--client", "127.0.0.1/32"))
    same("ended", True, ended(socks[0]))
    same("nobody left", [{"killed": 0}], ctl.rows("kill", "--client", "127.0.0.0/8"))
    daemon.wait_log('msg="connection closed".* reason=killed', times=3)
    daemon.wait_log("msg=\"?control\"? request=.*kill edge=b.* uid=%d" % os.getuid())

    case("log-level")
    same("level", [{"level": "debug"}], ctl.rows("log-level"))
    same("set", "warning\n", ctl.run("log-level", "warning")[0])
    same("set", [{"level": "warning"}], ctl.rows("log-level"))
    ctl.run("log-level", "loud", status=1)
    same("set", "debug\n", ctl.run("log-level", "debug")[0])


def completion():
    case("completion asks the daemon")
    script = (". %s; PATH=%s:$PATH; COMP_WORDS=(posternctl -s %s edges -e ''); COMP_CWORD=5; "
              "_posternctl; echo ${COMPREPLY[*]}" % (
                  os.path.join(os.environ["top_srcdir"], "etc/posternctl.bash"),
                  os.path.dirname(CTL), SOCKET))
    done = subprocess.run(["bash", "-c", script], capture_output=True, encoding="utf-8",
                          timeout=DEADLINE, check=True)
    same("edges", ("a b idle\n", ""), (done.stdout, done.stderr))


def reloads():
    case("reload, good and broken")
    out, err = ctl.run("reload")
    same("reload", ("generation 2 is in force\n", ""), (out, err))
    with open(daemon.conf, encoding="ascii") as f:
        good = f.read()
    daemon.write(good + "colour = 3;\nsize = 4;\n")
    out, err = ctl.run("reload", status=1)
    same("problems", 2, len(re.findall(r"posternctl: error: .*postern\.conf:\d+: \w+: unknown", err)))
    same("refused", True, "the configuration is wrong; the old one serves on" in err)
    rows = ctl.rows("reload", status=1)
    same("rows", ["error", "error", None], [r.get("problem") for r in rows])
    same("generation", 2, rows[2]["generation"])
    (status,) = ctl.rows("status")
    same("status", (1, 2, False, 2), tuple(status[k] for k in (
        "reloads", "reloads_refused", "last_reload_good", "generation")))
    daemon.write(good)
    case("several reloads at once all get an answer")
    running = [ctl.start("reload") for _ in range(6)]
    for r in running:
        out, err = r.communicate(timeout=DEADLINE * 2)
        same("reload", 0, r.returncode)
        same("reload", True, out.startswith("generation "))
    (status,) = ctl.rows("status")
    same("status", (True, 1), (status["last_reload_good"], status["generations_alive"]))


def follower():
    """One that follows, or None when it is one too many."""
    running = ctl.start("--json", "events")
    line = running.stdout.readline()
    if line:
        same("first line", {"following": True}, json.loads(line))
        return running
    same("why", "posternctl: too many follow already\n", running.communicate()[1])
    same("exit status", 1, running.returncode)
    return None


def leave(running):
    running.kill()
    running.communicate()


def refused():
    """A connection that is refused for its name; its address."""
    sock = connect(PORT)
    sock.sendall(records(hello(b"nobody.test")))
    client = client_of(sock)
    same("ended", True, ended(sock))
    return client


def events():
    case("events")
    following = [follower() for _ in range(FOLLOWERS)]
    same("followers", True, all(following))
    same("one too many", None, follower())
    for _ in range(3):
        sock = held(b"a.test")
        client = client_of(sock)
        sock.shutdown(socket.SHUT_WR)
        same("ended", True, ended(sock))
        nobody = refused()
        for r in following:
            rows = [json.loads(r.stdout.readline()) for _ in range(2)]
            rows.sort(key=lambda x: x["client"] == nobody)
            same("events", [(client, "a", "a.test", "relayed"),
                            (nobody, None, "nobody.test", "refused")],
                 [(x["client"], x.get("edge"), x["sni"], x["outcome"]) for x in rows])
            same("reason", "unknown_sni", rows[1]["reason"])
            same("bytes", len(records(hello(b"a.test"))), rows[0]["bytes_in"])
        leave(following.pop())
        following.append(wait_for("room for another follower", follower))
    for r in following:
        leave(r)

    case("events as a table")
    table = wait_for("room for another follower", lambda: started_table() or None)
    # It says nothing before the first event, so there are events until it has seen one.
    seen = []
    thread = threading.Thread(target=lambda: seen.append(table.stdout.readline()))
    thread.start()
    wait_for("a line", lambda: refused() and seen)
    thread.join()
    same("a line", ["refused", "unknown_sni"], seen[0].split()[4:6])
    leave(table)


def started_table():
    """The followers that have left are forgotten when something is written to them."""
    probe = follower()
    if probe:
        leave(probe)
        return ctl.start("events")
    return None


def hostile():
    case("garbage")
    same("unknown", 'no such command: "foo"', ctl.error(b"foo\n"))
    same("empty", 'no such command: ""', ctl.error(b"\n"))
    same("control characters", True, "a character" in ctl.error(b"status\x1b[2J\n"))
    same("bytes", True, "a character" in ctl.error(b"\xff\xfe\x00\n"))
    same("twice", True, "not twice" in ctl.error(b"connections edge=a edge=b\n"))
    same("not its argument", True, "does not take" in ctl.error(b"status edge=a\n"))
    same("host bits", True, "not an address" in ctl.error(b"kill client=10.0.0.1/8\n"))
    same("kill all", True, "which connections" in ctl.error(b"kill\n"))
    same("too long", "the request is too long", ctl.error(b"x" * 5000))
    same("what follows is dropped", 2, len(ctl.ask(b"status\nstatus\nkill edge=a\n")))
    with ctl.open() as sock:
        sock.sendall(b"status\n")
        sock.shutdown(socket.SHUT_WR)
        same("half-closed", True, b'"end":true,"ok":true' in read_all(sock))
    with ctl.open() as sock:
        sock.sendall(b"stat")
        sock.shutdown(socket.SHUT_WR)
        same("given up", b"", read_all(sock))

    case("a client that says nothing, and too many of them")
    silent = [ctl.open() for _ in range(CLIENTS)]
    wait_for("a client turned away", lambda: ctl.ask(b"status\n")[-1].get("error") ==
             "too many clients")
    for sock in silent:
        same("silence", True, b"no request came" in read_all(sock))
        sock.close()
    wait_for("room again", lambda: ctl.ask(b"status\n")[-1]["ok"])


def many():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n = min(MANY, (hard - 600) // 2, ctl.rows("status")[0]["max_connections"] - 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    case("%d connections are listed, while others go on" % n)
    accepting = listen(IDLE, 4096)
    accepting.settimeout(None)
    threading.Thread(target=keep_all, args=(accepting,), daemon=True).start()
    idle = []
    for _ in range(n):
        sock = connect(PORT)
        sock.sendall(b"D")
        idle.append(sock)
    wait_for("all of them", lambda: ctl.rows("status")[0]["connections"] == n)
    slow = ctl.open()
    slow.sendall(b"connections\n")
    slow.recv(100)
    rows = ctl.rows("connections")
    same("listed", n, len({r["id"] for r in rows}))
    same("workers", {0, 1, 2}, {r["worker"] for r in rows})
    table, _ = ctl.run("connections")
    same("lines", n + 1, len(table.splitlines()))
    # One that comes and ends meanwhile does not disturb.
    running = ctl.start("--json", "connections")
    sock = held(b"b.test")
    out, _ = running.communicate(timeout=DEADLINE * 2)
    same("listed", True, n <= len(out.splitlines()) <= n + 1)
    sock.close()

    case("half of them end while they are listed")
    running = ctl.start("--json", "connections")
    for sock in idle[::2]:
        sock.close()
    out, err = running.communicate(timeout=DEADLINE * 2)
    same("listed", (0, ""), (running.returncode, err))
    ids = [json.loads(line)["id"] for line in out.splitlines()]
    same("once each", len(ids), len(set(ids)))
    same("enough", True, len(ids) >= n // 2)

    case("a reader that stops is cut off, and holds nobody up")
    same("status", "running", ctl.rows("status")[0]["state"])
    poll = select.poll()
    poll.register(slow, 0)
    wait_for("the end of the slow reader", lambda: poll.poll(0))
    same("its reply", False, b'"end":true' in read_all(slow))
    slow.close()
    case("all of them are killed")
    left = ctl.rows("status")[0]["connections"]
    killed = ctl.rows("kill", "--client", "127.0.0.0/8")[0]["killed"]
    same("killed", True, n // 2 <= killed <= left)
    wait_for("none left", lambda: ctl.rows("status")[0]["connections"] == 0)
    for sock in idle:
        sock.close()


def as_nobody(group=65534, groups=()):
    """The answer to a request of another user, or the name of what went wrong."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.setgroups(groups)
            os.setgid(group)
            os.setuid(65534)
            text = str(ctl.ask(b"status\n"))
        except OSError as e:
            text = type(e).__name__
        os.write(writer, text.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as f:
        text = f.read()
    os.waitpid(child, 0)
    return text


def others():
    if os.getuid() != 0:
        case("other users: skipped, not root")
        return
    case("other users are refused, by the file and by who they are")
    same("mode", 0o600, os.stat(SOCKET).st_mode & 0o777)
    same("connect", "PermissionError", as_nobody())
    os.chmod(SOCKET, 0o666)
    same("refused", True, "you may not control this daemon" in as_nobody())
    daemon.wait_log('msg="control refused" uid=65534')
    daemon.stop()
    group = next(g for g in grp.getgrall() if g.gr_gid not in (0, 65534))
    daemon.top = daemon.top.replace("control = {", 'control = { group = "%s";' % group.gr_name)
    daemon.configure([LISTENER], EDGES)
    daemon.start()
    same("mode", (0o660, group.gr_gid), (os.stat(SOCKET).st_mode & 0o777, os.stat(SOCKET).st_gid))
    same("a member", True, "'ok': True" in as_nobody(groups=[group.gr_gid]))
    same("its group", True, "'ok': True" in as_nobody(group=group.gr_gid))
    same("connect", "PermissionError", as_nobody())


def stale():
    case("a socket that was left over is replaced, one in use is not")
    daemon.process.kill()
    daemon.process.wait()
    same("left over", True, os.path.exists(SOCKET))
    daemon.start()
    same("status", "running", ctl.rows("status")[0]["state"])
    second = os.path.join(FOLDER, "second.conf")
    with open(daemon.conf, encoding="ascii") as f, open(second, "w", encoding="ascii") as g:
        g.write(f.read().replace(":%d" % PORT, ":%d" % SECOND))
    done = subprocess.run([os.environ["POSTERN"], "-c", second], capture_output=True,
                          encoding="utf-8", timeout=DEADLINE * 2, check=False)
    same("a second daemon", 1, done.returncode)
    same("why", True, "second.conf: control.socket: cannot listen on %s: Address already in use" %
         SOCKET in done.stderr)
    same("still the first's", daemon.process.pid, ctl.rows("status")[0]["pid"])


def ends():
    case("drain waits for the last connection, and for the end")
    sock = held(b"a.test")
    running = ctl.start("drain")
    daemon.wait_log("msg=\"?draining")
    (status,) = ctl.rows("status")
    same("state", ("draining", 1), (status["state"], status["connections"]))
    same("refused", "the daemon is about to end",
         ctl.error(b"reload\n"))
    same("refused", "no configuration is in force", ctl.error(b"edges\n"))
    same("still listed", 1, len(ctl.rows("connections")))
    same("waits", None, running.poll())
    sock.shutdown(socket.SHUT_WR)
    same("ended", True, ended(sock))
    out, err = running.communicate(timeout=DEADLINE * 2)
    same("drain", (0, "the daemon has ended\n", ""), (running.returncode, out, err))
    same("exit status", 0, daemon.process.wait(DEADLINE))
    same("the socket is gone", False, os.path.exists(SOCKET))
    ctl.run("status", status=3)

    case("stop does not wait for connections")
    daemon.start()
    sock = held(b"a.test")
    rows = ctl.rows("stop")
    same("rows", True, all("connections" in r for r in rows))
    same("ended", True, ended(sock))
    same("exit status", 0, daemon.process.wait(DEADLINE))

    case("a daemon that dies meanwhile")
    daemon.start()
    sock = held(b"a.test")
    running = ctl.start("drain")
    daemon.wait_log("msg=\"?draining")
    daemon.process.kill()
    daemon.process.wait()
    _, err = running.communicate(timeout=DEADLINE)
    same("drain", (1, True), (running.returncode, "the reply is not complete" in err))
    sock.close()
    same("sanitizers", [], daemon.found(r"Sanitizer|runtime error:"))


def steps():
    daemon.configure([LISTENER], EDGES)
    daemon.start()
    for part in (commands, completion, reloads, events, hostile, many, others, stale, ends):
        part()


assert CTL
guarded(daemon, steps)
