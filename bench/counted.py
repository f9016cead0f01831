"""Measures that are exact: what is answered, instructions, allocations."""

import collections
import json
import os
import platform
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import instructions as valgrind
import machine
import servers as all_servers
from instructions import Program, Served
from servers import Running
from tables import number, table
from wire import FIELDS, Echoes, Requests, connect, exchange, request

# Requests that a client sends before it reads an answer, where it does not send one at a time.
DEPTH = 16


def machine_(servers, _):
    """What it was measured on, and which versions."""
    lock = (all_servers.BENCH / "peers/Cargo.lock").read_text()
    packages = "hyper axum actix-web ntex may_minihttp tokio-tungstenite fastwebsockets httparse".split()
    versions = dict(re.findall(r'name = "([\w-]+)"\nversion = "([^"]+)"', lock))
    cores = f"{os.cpu_count()} cores, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 30} GiB"
    valgrind_ = subprocess.run(["valgrind", "--version"], capture_output=True, text=True).stdout.strip()
    rows = [
        ["measured", time.strftime("%-d %B %Y")],
        ["processor", f"{machine.processor()}, {cores}, shared with other programs"],
        ["system", f"{platform.system()} {platform.release()}, {' '.join(platform.libc_ver())}; loopback only"],
        ["compiler", f"{machine.rustc()}; {valgrind_}"],
        ["peers", ", ".join(f"{name} {versions[name]}" for name in packages)],
    ]
    return table(["", ""], rows)


def check(servers, _):
    """Whether each server answers as all do; an error ends it."""
    rows = []
    for server in servers:
        kinds = [] if server.routes == "none" else [server.routes]
        kinds += ["websocket"] if server.websocket else []
        with Running(server) as running:
            for kind in kinds:
                command = all_servers.client("check", "--port", running.port, "--routes", kind)
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(f"{server.name}, {kind}: {done.stderr}")
        rows.append([server.name, ", ".join(kinds)])
    return table(["server", "answers as all do"], rows)


def instructions(servers, options):
    cases = {f"{name}, {n}": Requests(fields, n) for name, fields in FIELDS.items() for n in (1, 32)}
    table_ = counts(servers, cases, options.count)
    return f"User-space instructions of `GET /`, with so many requests at once:\n\n{table_}"


def pipelined_instructions(servers, options):
    cases = {f"{name}, {DEPTH} at a time": Requests(fields, depth=DEPTH) for name, fields in FIELDS.items()}
    table_ = counts(servers, cases, options.count // DEPTH * DEPTH)
    return f"User-space instructions of one of {DEPTH} times `GET /` that come together:\n\n{table_}"


def websocket_instructions(servers, options):
    cases = {f"{size:,} bytes": Echoes(size) for size in (20, 1024, 65536)}
    table_ = counts(servers, cases, options.count)
    return f"User-space instructions of a WebSocket echo, one at a time:\n\n{table_}"


def counts(servers, cases, count):
    valgrind.need_valgrind()
    rows = []
    for server in servers:
        cells = [number(valgrind.instructions(Served(server, load), count // load.slow)) for load in cases.values()]
        rows.append([server.name, *cells])
    return table(["server", *cases], rows)


def profile(servers, options):
    """Whose code the instructions of one request are in, inlined code where it comes from."""
    places = profiles(servers, options)
    owners = {case: collections.Counter() for case in places}
    for case, costs in places.items():
        for (file, _), cost in costs.items():
            owners[case][valgrind.owner(file)] += cost
    total = sum(owners.values(), collections.Counter())
    rows = [[name, *(number(costs[name]) for costs in owners.values())] for name, cost in total.most_common() if cost >= 1]
    return table(["whose code", *owners], [*rows, ["all", *(number(costs.total()) for costs in owners.values())]])


def functions(servers, options, most=40):
    """The functions that most instructions of one request are in, with what is inlined into them."""
    text = []
    for case, costs in profiles(servers, options).items():
        by_name = collections.Counter()
        for (_, function), cost in costs.items():
            by_name[function] += cost
        rows = [[f"`{function}`", number(cost)] for function, cost in by_name.most_common(most)]
        text.append(table([case, "instructions"], rows))
    return "\n".join(text)


def profiles(servers, options):
    valgrind.need_valgrind()
    return {
        f"{server.name}, {name}": valgrind.profile_of_one(Served(server, Requests(fields)), options.count)
        for server in servers
        for name, fields in FIELDS.items()
    }


def allocations(servers, options):
    valgrind.need_valgrind()
    rows = []
    for server in servers:
        cells = [valgrind.allocations(Served(server, Requests(fields)), options.count) for fields in FIELDS.values()]
        rows.append([server.name, *(number(cell, 2) for cell in cells)])
    return "Allocations of `GET /`:\n\n" + table(["server", *FIELDS], rows)


def syscalls(servers, options):
    rows = []
    for server in servers:
        cells = []
        for depth in (1, DEPTH):
            calls = calls_a_request(server, depth, options)
            named = ", ".join(f"{name} {count:.2f}" for name, count in calls.most_common() if count >= 0.01)
            cells += [number(calls.total(), 2), named]
        rows.append([server.name, *cells])
    head = ["server", "one at a time", "each", "16 at a time", "each"]
    return f"System calls of `GET /`, {options.connections} connections:\n\n" + table(head, rows)


def calls_a_request(server, depth, options):
    """By strace: those of a long run less those of a short one, so that neither start nor connecting is in it."""
    short, long = (traced(server, depth, options, seconds) for seconds in (0.2, 0.2 + options.seconds))
    requests = long.pop("requests") - short.pop("requests")
    long.subtract(short)
    return collections.Counter({name: count / requests for name, count in long.items() if count > 0})


def traced(server, depth, options, seconds):
    """The system calls of a run, and how many `requests` it had."""
    load = ["http", "--connections", options.connections, "--seconds", seconds, "--depth", depth]
    with tempfile.TemporaryDirectory() as folder:
        below = ["strace", "-f", "-c", "-U", "name,calls", "-o", f"{folder}/calls"]
        with Running(server, below=below) as running:
            command = all_servers.client(*load, "--port", running.port)
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            # strace writes its table once all that it follows have ended.
            for pid in running.tree()[1:]:
                os.kill(pid, signal.SIGTERM)
            running.process.wait(60)
        lines = re.findall(r"^\s*(\w+)\s+(\d+)\s*$", Path(f"{folder}/calls").read_text(), re.MULTILINE)
    calls = collections.Counter({name: int(count) for name, count in lines if name != "total"})
    calls["requests"] = json.loads(done.stdout)["replies"]
    return calls


def axum(_, options):
    """One application by axum's own server and by ours; in brackets, how many times what `axum::serve` takes."""
    valgrind.need_valgrind()
    rows = []
    for app, label in (("bare", "bare"), ("layers", "with Compression and Trace")):
        costs = {
            server.name: [valgrind.instructions(Served(server, Requests(fields)), options.count) for fields in FIELDS.values()]
            for server in all_servers.AXUM[app]
        }
        own = costs["`axum::serve`"]
        for name, row in costs.items():
            rows.append([f"{name}, {label}", *(f"{cost:,.0f} ({cost / than:.3f})" for cost, than in zip(row, own))])
    return "User-space instructions of `GET /` of an axum application:\n\n" + table(["server", *FIELDS], rows)


def switches(_, options, rounds=9):
    """Context switches of one answer, by a worker and by a thread of the synchronous pool; the round with the fewest."""
    paths = {"by the worker": "/", "by a thread of the pool": "/sync"}
    with Running(all_servers.SYNC) as running:
        counted = [[switches_a_request(running, path, options.count * 20) for path in paths.values()] for _ in range(rounds)]
    rows = []
    for name, of_path in zip(paths, zip(*counted)):
        voluntary, others = min(of_path, key=sum)
        rows.append([name, number(voluntary + others, 2), number(voluntary, 2)])
    return "Context switches of one answer:\n\n" + table(["answered", "switches", "of them voluntary"], rows)


def switches_a_request(running, path, count):
    """Voluntary and other switches of all of the server's threads, a request."""
    with connect(running.port) as client:
        message = request("", path)
        exchange(client, message)
        before = switches_so_far(running.process.pid)
        for _ in range(count):
            exchange(client, message)
        after = switches_so_far(running.process.pid)
    return [(b - a) / count for a, b in zip(before, after)]


def switches_so_far(pid):
    both = [0, 0]
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text()
        both[0] += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)[1])
        both[1] += int(re.search(r"^nonvoluntary_ctxt_switches:\s+(\d+)", status, re.M)[1])
    return both


def contract(_, options):
    """The contract alone: `events` of the transport, whose own instructions are taken off."""
    events = {"transport": 1, "plain": 1, "header": 1, "boxed": 1, "stream": 12}
    costs = {case: valgrind.instructions(Program("bench-contract", case), options.count) for case in events}
    rows = []
    for case, cost in costs.items():
        net = None if case == "transport" else cost - events[case] * costs["transport"]
        allocations_ = valgrind.allocations(Program("bench-contract", case), options.count)
        rows.append([case, number(cost), number(net), number(allocations_)])
    return "The contract alone, a call:\n\n" + table(["case", "instructions", "less the transport's own", "allocations"], rows)


def micro(_, options):
    """Each part by itself."""
    listed = subprocess.run([all_servers.OURS / "release/bench-micro"], capture_output=True, text=True, check=True)
    rows = []
    for case in listed.stdout.splitlines():
        program = Program("bench-micro", case)
        counts_ = valgrind.instructions(program, options.count), valgrind.allocations(program, options.count)
        rows.append([case, number(counts_[0]), number(counts_[1], 2)])
    return "The parts by themselves:\n\n" + table(["case", "instructions", "allocations"], rows)
