"""Counts the user-space instructions of one request, for the scripts beside this folder's programs.

A program answers 1,000 and then 2,000 requests of one keep-alive connection under callgrind; the difference is what 1,000
requests cost, whatever start-up and shutdown cost. Needs python3 and valgrind.
"""

import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUESTS = 1000

MINIMAL = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"
# What Chromium sends for a page: 15 fields.
BROWSER = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: keep-alive\r\nCache-Control: max-age=0\r\n"
    'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"\r\n'
    'sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\nUpgrade-Insecure-Requests: 1\r\n'
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
    "Safari/537.36\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\nSec-Fetch-Site: none\r\n"
    "Sec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n"
)


def build(folder, *what):
    """Builds a package in release mode, unless the script was called with --no-build."""
    if "--no-build" not in sys.argv[1:]:
        # Whatever the environment says of the target folder: what is measured is what was built.
        command = ["cargo", "build", "--release", "--target-dir", folder / "target", *what]
        subprocess.run(command, cwd=folder, check=True)


def instructions(command, request):
    """What one request costs a server that prints where it listens, and answers `Hello, world!`."""
    once, twice = (run(command, request, n * REQUESTS) for n in (1, 2))
    return (twice - once) / REQUESTS


def connect(server):
    """A connection to a server that prints where it listens."""
    port = int(re.search(r":(\d+) ", server.stdout.readline())[1])
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def ask(client, request, count):
    """Sends a request so many times, each after the answer to the last, which is `Hello, world!`."""
    for _ in range(count):
        client.sendall(request.encode())
        answer = b""
        while not answer.endswith(b"Hello, world!"):
            piece = client.recv(4096)
            if not piece:
                sys.exit(f"the server closed the connection after {answer!r}")
            answer += piece


def run(command, request, count):
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        server = subprocess.Popen(
            [*valgrind, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with connect(server) as client:
            ask(client, request, count)
        server.send_signal(signal.SIGTERM)
        log = server.communicate()[1]
        return int(re.search(r"Collected : (\d+)", log)[1])
