"""Connections that stay: memory of thousands that are idle, what they are to others, and a crowd of WebSockets that hears and leaves."""

import json
import resource
import signal
import socket
import statistics
import struct
import subprocess
import threading
import time

import machine
import servers as all_servers
import wire
from servers import Running
from tables import number, table

MIB = 2**20


def http(port):
    client = wire.connect(port)
    wire.exchange(client, wire.request(""))
    return client


def websocket(port):
    client = wire.connect(port)
    wire.handshake(client)
    wire.echo(client, wire.frame(b"hello"))
    return client


def compressing(port):
    client = wire.connect(port)
    wire.handshake(client, wire.DEFLATE)
    # Long enough that the answer is compressed too.
    wire.echo(client, wire.compressed(b"hello, hello, hello, " * 10))
    return client


KINDS = {
    "HTTP": (http, lambda server: server.routes != "none"),
    "WebSocket": (websocket, lambda server: server.websocket),
    "WebSocket, compression without context takeover": (compressing, lambda server: server.name.startswith("server-") or server.added),
}


def memory(servers, options):
    """Of each idle connection, after one exchange on it."""
    text = []
    for kind, (open_one, able) in KINDS.items():
        rows = [memory_row(server, open_one, options.idle) for server in servers if able(server)]
        head = ["server", "before MiB", "held MiB", "after MiB", "bytes a connection"]
        text.append(f"{options.idle:,} idle connections, {kind}:\n\n" + table(head, rows))
    return "\n".join(text)


def memory_row(server, open_one, count):
    with Running(server) as running:
        # The first connections make what is made once.
        leave([open_one(running.port) for _ in range(8)])
        before = settled(running)
        clients = [open_one(running.port) for _ in range(count)]
        held = settled(running)
        leave(clients)
        after = settled(running)
    sizes = [number(bytes_ / MIB, 1) for bytes_ in (before, held, after)]
    return [server.name, *sizes, number((held - before) / count)]


def besieged(servers, options, slow=1_000):
    """One client that asks one thing at a time: alone, and beside idle connections and heads that never end."""
    rows = []
    for server in servers:
        with Running(server) as running:
            rounds = [besieged_round(running, options, slow) for _ in range(options.rounds)]
        ratios = [beside / alone for alone, beside in rounds]
        alone, beside = (statistics.median(rates) for rates in zip(*rounds))
        rows.append([server.name, number(alone), number(beside), number(statistics.median(ratios), 2)])
    head = ["server", "alone, a second", "besieged, a second", "ratio"]
    title = f"One connection, one request at a time, beside {options.idle:,} idle connections and {slow:,} heads that come a byte a second:"
    return f"{title}\n\n" + table(head, rows)


def besieged_round(running, options, slow):
    alone = rate_of_one(running, options)
    idle = [http(running.port) for _ in range(options.idle)]
    stop = threading.Event()
    heads = [wire.connect(running.port) for _ in range(slow)]
    dribble = threading.Thread(target=trickle, args=(heads, stop))
    dribble.start()
    try:
        beside = rate_of_one(running, options)
    finally:
        stop.set()
        dribble.join()
        leave(idle + heads)
    return alone, beside


def trickle(clients, stop):
    """A byte of a head to each, once a second; those that were given up are left out."""
    head = b"GET / HTTP/1.1\r\nx: " + b"y" * 1_000
    for at in range(len(head)):
        for client in clients:
            try:
                client.send(head[at : at + 1])
            except OSError:
                pass
        if stop.wait(1):
            return


def rate_of_one(running, options):
    load = ["http", "--port", running.port, "--connections", 1, "--seconds", options.seconds, "--depth", 1, "--fields", "host"]
    done = subprocess.run(all_servers.client(*load), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["rate"]


def settled(running):
    """The memory, once the server has had time to put away what it need not keep."""
    time.sleep(1.5)
    return machine.memory(running.tree())


def leave(clients):
    """Closes with a reset, so that thousands of connections leave nothing behind in the kernel."""
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()


class Crowd:
    """One client process: its WebSockets go to an address of their own."""

    def __init__(self, port, number_, count):
        command = all_servers.client("crowd", "--port", port, "--connections", count, "--address", f"127.0.0.{number_ + 1}")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def expect(self, word):
        line = self.process.stdout.readline().strip()
        if line != word:
            raise RuntimeError(f"a crowd's client said {line!r} and not {word!r}")

    def say(self):
        self.process.stdin.write("say\n")
        self.process.stdin.flush()

    def end(self):
        if self.process.wait(120):
            raise RuntimeError("a crowd's client failed")


def crowd(servers, options):
    """Many WebSockets on one process: all connect, all hear a message, all are told to leave."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100
    total = min(options.crowd, files)
    # Between two addresses the kernel finds free ports quickly while half of them are free.
    rows = [crowd_row(server, total, min(files, 10_000)) for server in servers]
    head = ["server", "connect s", "MiB", "bytes a connection", "broadcast s", "drain s"]
    return f"{total:,} WebSockets on one process (this machine allows {files + 100:,} open files a process):\n\n" + table(head, rows)


def crowd_row(server, total, most):
    # By default a worker has 16,384 connections at most, and the kernel deals them out about evenly.
    workers = f"--workers {max(2, total // 12_000 + 1)}"
    everywhere = server.command.replace("127.0.0.1", "0.0.0.0").replace("--workers 1", workers)
    with Running(server._replace(command=everywhere)) as running:
        before = settled(running)
        start = time.monotonic()
        counts = [min(most, total - at) for at in range(0, total, most)]
        crowds = [Crowd(running.port, n, count) for n, count in enumerate(counts)]
        for one in crowds:
            one.expect("open")
        connecting = time.monotonic() - start
        held = settled(running)
        hearing = broadcast(crowds)
        start = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        for one in crowds:
            one.end()
        running.process.wait(120)
        draining = time.monotonic() - start
    seconds = [number(connecting, 2), number(hearing, 2), number(draining, 2)]
    return [server.name, seconds[0], number(held / MIB, 1), number((held - before) / total), *seconds[1:]]


def broadcast(crowds):
    """Seconds until the last one has heard."""
    start = time.monotonic()
    crowds[0].say()
    for one in crowds:
        one.expect("heard")
    return time.monotonic() - start
