# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that break off at every byte of the handshake, in every kind of it.

    70-tls-storm.py FOLDER CERTS PORT UPSTREAM STEP
        runs the daemon, a child for each kind, good clients, and reloads in between
    70-tls-storm.py KIND CERTS PORT STEP
        is such a child: breaks off after 0, STEP, 2 STEP... bytes until one handshake is whole
"""
import os
import random
import socket
import ssl
import subprocess
import sys
import threading

from relay_peers import listen, reset, same, wait_for
from reload_peers import Daemon, guarded, module
from tls_peers import Client, client_context

# kind: name of the edge, version, with a client certificate, resumed
KINDS = {
    "tls12": ("ends", "1.2", False, False),
    "tls13": ("ends", "1.3", False, False),
    "tls12-certificate": ("demands", "1.2", True, False),
    "tls13-certificate": ("demands", "1.3", True, False),
    "tls12-resumed": ("ends", "1.2", False, True),
    "tls13-resumed": ("ends", "1.3", False, True),
    "tls13-retry": ("narrow", "1.3", False, False),
}
MANNERS = ("fin", "rst", "stall")
# Stalled connections that a child holds at most; the daemon's deadline ends them.
STALLED = 100
SLOW = bool(os.environ.get("SANITIZERS") or os.environ.get("POSTERN_WRAP"))
HANDSHAKE = "10s" if SLOW else "2s"


# --- clients ----------------------------------------------------------------------------------------


class Cut(Exception):
    """So many bytes were sent, and no more are to be."""


def budget(n):
    """A shape for Client that stops after n bytes."""
    left = [n]

    def shape(data, sock):
        part = data[:left[0]]
        left[0] -= len(part)
        if part:
            sock.sendall(part)
        if len(part) < len(data):
            raise Cut

    return shape


def exchange(client):
    """A whole handshake must be good for an exchange."""
    client.shape = lambda data, sock: sock.sendall(data)
    client.write(b"question")
    same("answer", b"question", client.read_exactly(8))
    session = client.tls.session
    client.close_notify()
    same("end", (b"", "close_notify"), client.read_to_end())
    client.sock.close()
    return session


def drain(sock):
    """Until the daemon has ended it too."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        pass
    sock.close()


def broken_off(client, manner, stalled):
    if manner == "rst":
        reset(client.sock)
    elif manner == "fin":
        try:
            client.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        drain(client.sock)
    else:
        stalled.append(client.sock)
        if len(stalled) == STALLED:
            while stalled:
                drain(stalled.pop())


def storm(context, name, port, session, step, manner):
    """How many were broken off until one was whole."""
    at, done, stalled = random.randrange(step), 0, []
    while True:
        client = Client(port, name, context, session=session, shape=budget(at), handshake=False)
        try:
            client.drive(client.tls.do_handshake)
            break
        except Cut:
            broken_off(client, manner, stalled)
        at, done = at + step, done + 1
    same("resumed", session is not None, client.tls.session_reused)
    exchange(client)
    while stalled:
        drain(stalled.pop())
    return done


def clients(kind, certs, port, step):
    name, version, certificate, resumed = KINDS[kind]
    context = client_context(certs + "/ca.pem", version=version)
    if certificate:
        context.load_cert_chain(certs + "/client.pem", certs + "/client.key")
    session, whole, broken = None, 0, 0
    if resumed:
        session = exchange(Client(port, name + ".test", context))
        whole += 1
    for manner in MANNERS:
        broken += storm(context, name + ".test", port, session, step, manner)
        whole += 1
    print(whole, broken)


# --- the daemon and all of them ---------------------------------------------------------------------


class Echo:
    """The upstream; counts its connections."""

    def __init__(self, port):
        self.listener = listen(port, backlog=1024)
        self.served = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except socket.timeout:
                continue
            self.served += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    @staticmethod
    def serve(sock):
        with sock:
            while data := sock.recv(65536):
                sock.sendall(data)


def configure(daemon, certs, port, upstream):
    def edge(name, members="", *modules):
        first = module("tls-termination", terminate_at="edge")[:-1]
        first += 'certificates = ( { certificate = "%s/storm.pem"; key = "%s/storm.key"; } ); %s }' % (
            certs, certs, members)
        return 'name = "%s"; domains = [ "%s.test" ]; upstream = "127.0.0.1:%d"; modules = ( %s );' % (
            name, name, upstream, ", ".join((first,) + modules))

    daemon.configure(
        ['name = "public"; address = "127.0.0.1:%d"; timeouts = { hello = "%s"; };' % (port, HANDSHAKE)],
        [edge(name, members, *modules) + ' timeouts = { handshake = "%s"; };' % HANDSHAKE
         for name, members, *modules in (
             ("ends",), ("narrow", 'groups = [ "x25519" ];'),
             ("demands", "", '{ module = "mutual-tls"; ca = [ "%s/ca.pem" ]; }' % certs))
         for members in (members,)])
