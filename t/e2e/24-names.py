# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of 24-names.sh: arguments are dnsmasq, a folder, the daemon's log, and the ports of the
name server, of the daemon and of the targets."""
import os
import signal
import subprocess
import sys

from hello_peers import log_line
from relay_peers import Named, ask, asked, run, same, wait_for

DNSMASQ, FOLDER, LOG = sys.argv[1:4]
DNS, PORT, TARGET = (int(a) for a in sys.argv[4:])
HOSTS = os.path.join(FOLDER, "hosts")


def write_hosts(addresses):
    with open(HOSTS, "w", encoding="ascii") as f:
        f.writelines("%s app.test\n" % a for a in addresses)


class NameServer:
    """dnsmasq, which knows what is in HOSTS."""

    def __init__(self, *addresses):
        write_hosts(addresses)
        with open(os.path.join(FOLDER, "dnsmasq.log"), "ab") as log:
            self.process = self.start(log)

    @staticmethod
    def start(log):
        return subprocess.Popen(
            [DNSMASQ, "--keep-in-foreground", "--conf-file=/dev/null", "--port=%d" % DNS]
            + ["--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts"]
            + ["--addn-hosts=" + HOSTS, "--local-ttl=1", "--pid-file=", "--log-facility=-"]
            + (["--user=root", "--group="] if os.getuid() == 0 else []),
            stdin=subprocess.DEVNULL,
            stderr=log,
        )

    def tell(self, *addresses):
        """New answers. Not before it has given one: until then SIGHUP would kill it."""
        write_hosts(addresses)
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        self.process.terminate()
        self.process.wait()


one, two = (Named(name, ("127.0.0.%d" % n, TARGET)) for name, n in (("one", 2), ("two", 3)))


def count(text):
    with open(LOG, encoding="utf-8") as f:
        return f.read().count(text)


def who(n=6):
    return {asked(PORT) for _ in range(n)}


def no_name_server():
    """the start does not wait for names; without an address the connection fails"""
    sock, name, source = ask(PORT)
    sock.close()
    fields = log_line(LOG, source)
    same("answer", ("", "connect_failed"), (name, fields.get("reason")))
    same("text", "no target has an address", fields.get("text"))


def name_server_comes():
    """the name is found once there is a name server"""
    servers.append(NameServer("127.0.0.2"))
    wait_for("address", lambda: asked(PORT) == "one")
    same("all", {"one"}, who())


def held_and_changed():
    """a change moves new connections, those that are open stay"""
    sock, name, _ = ask(PORT)
    servers[0].tell("127.0.0.3")
    wait_for("new address", lambda: asked(PORT) == "two")
    same("all", {"two"}, who())
    same("answered by", "one", name)
    # The others, which are closed, are forgotten one by one.
    wait_for("the one that is still open", lambda: one.open <= 1)
    same("still open", 1, one.open)
    sock.close()


def two_addresses():
    """all addresses of a name are used, and one that refuses is passed over"""
    servers[0].tell("127.0.0.2", "127.0.0.3")
    wait_for("both", lambda: who(4) == {"one", "two"})
    got = [asked(PORT) for _ in range(10)]
    same("shares", (5, 5), (got.count("one"), got.count("two")))
    servers[0].tell("127.0.0.4", "127.0.0.3")
    wait_for("new pair", lambda: "one" not in who(4))
    same("all", {"two"}, who())


def name_server_goes():
    """without its name server the last answer goes on being used"""
    servers[0].tell("127.0.0.2")
    wait_for("address", lambda: asked(PORT) == "one")
    servers[0].stop()
    before = count("cannot resolve upstream name")
    wait_for("failed round", lambda: count("cannot resolve upstream name") > before)
    same("all", {"one"}, who())
    servers.append(NameServer("127.0.0.3"))
    wait_for("new address", lambda: asked(PORT) == "two")


def not_there_any_more():
    """a name that is gone keeps its last answer, too"""
    before = count("cannot resolve upstream name")
    servers[1].tell()
    wait_for("failed round", lambda: count("cannot resolve upstream name") > before)
    same("all", {"two"}, who())


servers = []
try:
    sys.exit(
        run(
            no_name_server,
            name_server_comes,
            held_and_changed,
            two_addresses,
            name_server_goes,
            not_there_any_more,
        )
    )
finally:
    for server in servers:
        server.stop()
