"""User-space instructions and allocations, counted by valgrind; exact, whatever else the machine does.

A server answers n and then 2n requests, or a program does something so often; the difference is what n requests cost, whatever start-up and shutdown cost.
Callgrind counts every iteration of `rep movsb` and `rep stosb` as an instruction, so copies and clears of some KiB and more
count as bytes. The kernel is not counted.
"""

import collections
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from servers import OURS, Running, Server
from wire import Asked, Echoes, Requests

# Folders of this workspace; the longer name first where one ends like another.
PACKAGES = (
    "server-raw/http1 server-raw server-hyper server-host hosting gateway-spec gateway websocket adapters app-router bench/app"
).split()


def need_valgrind():
    if not shutil.which("valgrind"):
        sys.exit("valgrind is missing: apt-get install valgrind")


class Program(NamedTuple):
    """One of this workspace's that does a case n times: `PACKAGE CASE N`."""

    package: str
    case: str

    def run(self, count, below):
        command = [*below, OURS / "release" / self.package, self.case, str(count)]
        subprocess.run(command, check=True, capture_output=True)


class Served(NamedTuple):
    """A server and what is asked of it n times: `load.talk(port, n)`."""

    server: Server
    load: Requests | Asked | Echoes

    def run(self, count, below):
        with Running(self.server, below=below) as running:
            self.load.talk(running.port, count)
            running.stop()


def instructions(what, count):
    """Of one request, or of one time."""
    once, twice = (profile(what, n).total() for n in (count, 2 * count))
    return (twice - once) / count


def profile_of_one(what, count):
    """Of one request: (file, function) -> instructions."""
    once, twice = (profile(what, n) for n in (count, 2 * count))
    return {place: (twice[place] - once[place]) / count for place in twice}


def allocations(what, count):
    """Calls of malloc and its siblings, of one request."""
    once, twice = (all_allocations(what, n) for n in (count, 2 * count))
    return (twice - once) / count


def profile(what, count):
    """Of a whole run: (file, function) -> instructions, inlined code in the file that it comes from."""
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/out"
        what.run(count, ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"])
        return parse(Path(out).read_text())


def all_allocations(what, count):
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/log"
        what.run(count, ["valgrind", "--tool=memcheck", "--leak-check=no", "--undef-value-errors=no", f"--log-file={log}"])
        found = re.search(r"total heap usage: ([\d,]+) allocs", Path(log).read_text())
        return int(found[1].replace(",", ""))


def parse(text):
    """The self cost of each place in callgrind's format."""
    names = {}

    def name(kind, value):
        short = re.match(r"(\(\d+\))(?: (.*))?", value)
        if not short:
            return value
        if short[2] is not None:
            names[kind, short[1]] = short[2]
        return names[kind, short[1]]

    costs = collections.Counter()
    file = function = "???"
    calls = False
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if key in ("fl", "fi", "fe"):
            file = name("file", value)
        elif key == "fn":
            function = name("function", value)
        elif key in ("cfi", "cfl"):
            name("file", value)
        elif key == "cfn":
            name("function", value)
        elif key == "calls":
            calls = True  # The next line is the callee's cost.
        elif line[:1] in "0123456789+-*" and not equals and line:
            if not calls:
                costs[file, function] += int(line.split()[1])
            calls = False
    return costs


def owner(file):
    """Whose code it is: a package, or a library of the system."""
    if found := re.search(r"registry/src/[^/]+/(.+?)-\d+\.[^/]*/", file):
        return found[1]
    if found := re.search(r"/library/(core|alloc|std|hashbrown)/|/rustc/[^/]+/(?:/)?library/(\w+)/", file):
        return found[1] or found[2]
    if found := re.search(rf"(?:^|/)({'|'.join(PACKAGES)})/src/", file):
        return found[1]
    if re.search(r"malloc|arena", file):
        return "malloc"
    return "the C library" if file != "???" else "???"
