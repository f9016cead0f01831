"""What is said to a server that is counted: requests and WebSocket messages, one at a time on each connection."""

import base64
import os
import re
import socket
import zlib
from pathlib import Path

HELLO = b"Hello, world!"
BROWSER = (Path(__file__).resolve().parent / "client/src/browser.txt").read_text()
FIELDS = {"Host only": "", "a browser's 15 fields": BROWSER}
DEFLATE = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"
PATIENCE = 120  # seconds: valgrind makes everything fifty times slower


def connect(port):
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def request(fields, path="/"):
    lines = f"GET {path} HTTP/1.1\nHost: 127.0.0.1:8000\n{fields}\n"
    return lines.replace("\n", "\r\n").encode()


def receive(client, whole):
    """What comes until it is `whole`."""
    answer = b""
    while not whole(answer):
        piece = client.recv(1 << 17)
        if not piece:
            raise ConnectionError(f"the server closed the connection after {answer!r}")
        answer += piece
    return answer


def whole(answer):
    """Whether an answer with a content-length has come."""
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
    return bool(end) and length is not None and len(body) >= int(length[1])


def exchange(client, message):
    client.sendall(message)
    return receive(client, lambda answer: answer.endswith(HELLO))


def handshake(client, extension=None):
    """Opens a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    offer = f"Sec-WebSocket-Extensions: {extension}\n" if extension else ""
    upgrade = f"Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: {key}\n{offer}"
    client.sendall(request(upgrade, "/ws"))
    head = receive(client, lambda answer: answer.endswith(b"\r\n\r\n"))
    if not head.startswith(b"HTTP/1.1 101") or (extension and b"permessage-deflate" not in head):
        raise ConnectionError(f"no such WebSocket: {head!r}")


def length(count):
    """The second part of a frame's head, without the bit that says whether there is a mask."""
    if count < 126:
        return bytes([count])
    if count < 1 << 16:
        return bytes([126]) + count.to_bytes(2, "big")
    return bytes([127]) + count.to_bytes(8, "big")


def frame(payload, first=0x82):
    """A client's frame. The mask is zero: to unmask costs the same, whatever the key."""
    head = length(len(payload))
    return bytes([first, head[0] | 0x80]) + head[1:] + bytes(4) + payload


def compressed(payload):
    """A client's frame of a compressed message (RFC 7692 §7.2.1)."""
    deflate = zlib.compressobj(wbits=-15)
    return frame((deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4], 0xC2)


def echo(client, sent):
    """Sends a frame with a short payload and reads one frame that is no longer than short."""
    client.sendall(sent)
    receive(client, lambda answer: len(answer) >= 2 and len(answer) >= 2 + answer[1])


class Requests:
    """So many `GET /` in all, spread over so many connections, of which each sends `depth` at a time."""

    def __init__(self, fields, connections=1, depth=1):
        self.message = request(fields)
        self.connections = connections
        self.depth = depth
        self.slow = 1

    def talk(self, port, count):
        clients = [connect(port) for _ in range(self.connections)]
        answers = [exchange(client, self.message) for client in clients]
        rounds(clients, self.message * self.depth, len(answers[0]) * self.depth, count // self.depth)


class Asked:
    """One request so many times, on one connection; an answer that is no success ends it."""

    def __init__(self, message):
        self.message = message

    def talk(self, port, count):
        client = connect(port)
        client.sendall(self.message)
        answer = receive(client, whole)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"not what is measured: {answer!r}")
        rounds([client], self.message, len(answer), count)


class Echoes:
    """So many WebSocket messages of so many bytes on one connection."""

    def __init__(self, size):
        self.size = size
        # How many times fewer of them are enough: what little comes from elsewhere is nothing beside large messages.
        self.slow = 10 if size > 10_000 else 1

    def talk(self, port, count):
        client = connect(port)
        handshake(client)
        payload = (b"abcdefghijklmnopqrstuvwxyz" * (self.size // 26 + 1))[: self.size]
        reply = 1 + len(length(self.size)) + self.size
        rounds([client], frame(payload), reply, count)


def rounds(clients, message, reply, count):
    """Sends the message on all connections, then reads the replies on all, until `count` were sent."""
    for _ in range(count // len(clients)):
        for client in clients:
            client.sendall(message)
        for client in clients:
            receive(client, lambda answer: len(answer) >= reply)
    for client in clients:
        client.close()
