"""Which servers there are, how they are built, and one of them running."""

import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
OURS = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PEERS = BENCH / "peers/target"


class Server(NamedTuple):
    """`routes`: which of the paths it has, as the client's `check` calls them; `added`: on the command line."""

    name: str
    command: str
    routes: str = "all"
    websocket: bool = False
    http2: str = ""
    callgrind: bool = True
    added: bool = False


def ours(name, flags, **more):
    command = "{ours}/release/bench-app --bind 127.0.0.1:{port} --workers 1 " + flags
    return Server(name, command, websocket=True, http2="the same", **more)


def peer(name, program, *more, mode=None, **what):
    mode = f" --mode {mode}" if mode else ""
    return Server(name, "{peers}/release/" + program + " --port {port} --workers 1" + mode, *more, **what)


SERVERS = [
    peer("limit-epoll", "peer-limit", "any", mode="epoll"),
    peer("limit-tokio", "peer-limit", "any", mode="tokio"),
    peer("limit-parse", "peer-limit", "few", mode="parse"),
    ours("server-raw", "--server raw --access-log off"),
    ours("server-hyper", "--server hyper --access-log off"),
    ours("server-raw-log", "--server raw"),
    ours("server-hyper-log", "--server hyper"),
    peer("hyper-held", "hyper-held", "few"),
    peer("hyper", "peer-hyper", mode="http1", websocket=True),
    peer("axum", "peer-axum", websocket=True),
    peer("actix-web", "peer-actix", websocket=True),
    peer("ntex", "peer-ntex", websocket=True),
    peer("may_minihttp", "peer-may", "few"),
    peer("tokio-tungstenite", "peer-tungstenite", "none", websocket=True),
    peer("hyper-http2", "peer-hyper", "none", mode="http2", http2="alone"),
    peer("copy-loop", "peer-limit", "none", mode="copy"),
    Server("nginx", str(BENCH / "peers/nginx/nginx.sh") + " {port} 1", "few", callgrind=False),
]

# One application of axum's, by its own server and by ours.
AXUM = {
    app: [
        Server(name, "{ours}/release/bench-axum " + f"{program} {app} " + "{port}")
        for name, program in (
            ("`axum::serve`", "axum"),
            ("`from_service` on server-raw", "raw"),
            ("`from_service` on server-hyper", "hyper"),
        )
    ]
    for app in ("bare", "layers")
}

# One answer by the worker, at `/`, and by a thread of the synchronous pool, at `/sync`.
SYNC = Server("server-raw", "{ours}/release/bench-sync --server raw --access-log off --workers 1 --bind 127.0.0.1:{port}")


def added(text):
    """A server from `NAME=COMMAND`; it is taken for one that has everything."""
    name, _, command = text.partition("=")
    return Server(name.strip(), command.strip(), websocket=True, http2="the same", added=True)


def build(packages, servers):
    """Builds these packages of ours, and the peers if one of them is among the servers."""
    # One command each: built together, they would have the features of all.
    for package in sorted({*packages, "bench-client"}):
        cargo(ROOT, OURS, "-p", package)
    if any("{peers}" in server.command for server in servers):
        cargo(BENCH / "peers", PEERS)


def cargo(folder, target, *what):
    command = ["cargo", "build", "--release", "--locked", "--target-dir", target, *what]
    subprocess.run(command, cwd=folder, check=True)


def client(*arguments):
    return [str(OURS / "release/bench-client"), *map(str, arguments)]


class Running:
    """One server, in a process group of its own, alive inside a `with`."""

    def __init__(self, server, below=(), first=None):
        """`below` stands before the server's command; `first` is called with the new process's id."""
        self.name = server.name
        self.port = free_port()
        line = server.command.format(port=self.port, ours=OURS, peers=PEERS)
        # A file: a full pipe would stop the server, and its log is wanted if it does not start.
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*below, *shlex.split(line)],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        if first:
            first(self.process.pid)

    def __enter__(self):
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop(signal.SIGKILL)
                    self.log.seek(0)
                    raise RuntimeError(f"{self.name} did not start: {self.log.read()[-2000:].decode()}") from None
                time.sleep(0.02)

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)

    def stop(self, how=signal.SIGTERM):
        """Ends this server's own group and nothing else."""
        for signal_ in (how, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, signal_)
            except ProcessLookupError:
                pass
            try:
                self.process.wait(60)
                return
            except subprocess.TimeoutExpired:
                continue

    def tree(self):
        """The process and its descendants."""
        found, left = [], [self.process.pid]
        while left:
            pid = left.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    left += map(int, children.read_text().split())
                except OSError:
                    pass
        return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
