# SPDX-License-Identifier: GPL-2.0-or-later
"""Authorisation servers that give no answer: silent, hangup, garbage. Argument: their folder."""
import socket
import sys
import threading


def silent(sock, question):
    sock.recv(1)
    print("gone", question, flush=True)


def hangup(_sock, _question):
    pass


def garbage(sock, _question):
    sock.sendall(b'{"allow":true}\n{"allow":true}\n')


def serve(conn, what):
    with conn:
        question = conn.makefile().readline().strip()
        print(what.__name__, question, flush=True)
        what(conn, question)


def accept(sock, what):
    while True:
        conn, _ = sock.accept()
        threading.Thread(target=serve, args=(conn, what), daemon=True).start()


THREADS = []
for behaviour in (silent, hangup, garbage):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("%s/%s" % (sys.argv[1], behaviour.__name__))
    listener.listen(64)
    THREADS.append(threading.Thread(target=accept, args=(listener, behaviour)))
    THREADS[-1].start()
print("listening", flush=True)
