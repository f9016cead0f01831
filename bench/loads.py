"""Rates, and CPU a request: ratios within rounds in which the servers take turns."""

import json
import re
import statistics
import subprocess
import sys
import time

import machine
import servers as all_servers
from servers import Running
from tables import number, table


def http(servers, options):
    servers = [server for server in servers if server.routes != "none"]
    text = []
    for depth, reference in ((1, "hyper"), (16, "limit-tokio")):
        for name, fields in (("Host only", "host"), ("a browser's 15 fields", "browser")):
            load = ["--depth", depth, "--fields", fields]
            title = f"`GET /`, {name}, {options.connections} connections, {depth} at a time on each"
            text.append(compare(title, servers, reference, options, loaded("http", load, options)))
    return "\n".join(text)


def websocket(servers, options):
    text = []
    for size, depth, reference in ((20, 1, "hyper"), (20, 16, "actix-web"), (65536, 1, "hyper")):
        load = ["--depth", depth, "--size", size]
        title = f"WebSocket echoes, {size:,} bytes, {options.connections} connections, {depth} outstanding on each"
        text.append(compare(title, servers, reference, options, loaded("websocket", load, options)))
    return "\n".join(text)


def loaded(verb, load, options):
    """How to measure one server with our client."""

    def once(running):
        more = ["--connections", options.connections, "--seconds", options.seconds]
        command = all_servers.client(verb, "--port", running.port, *more, *load)
        found, run = measured(running, command, options)
        answer = json.loads(found)
        return {**run, "rate": answer["rate"], "replies": answer["replies"]}

    return once


def http2(servers, options):
    def once(running):
        command = ["h2load", "-t", 1, "-c", 8, "-m", 16, "-D", round(options.seconds), f"http://127.0.0.1:{running.port}/"]
        found, run = measured(running, list(map(str, command)), options)
        rate = float(re.search(r"finished in .*?, ([\d.]+) req/s", found)[1])
        done, failed = re.search(r"(\d+) succeeded, (\d+) failed", found).groups()
        if int(failed):
            raise RuntimeError(f"{running.name}: {failed} requests failed")
        return {**run, "rate": rate, "replies": int(done)}

    title = "`GET /` over HTTP/2, h2load, 8 connections, 16 streams at a time on each"
    return compare(title, servers, "hyper-http2", options, once)


def transfer(servers, options):
    """A gibibyte each way, beside blocking loops that copy it."""
    text = []
    size = 1 << 30
    for direction, name in (("down", "to the client"), ("up", "to the server")):

        def once(running):
            command = all_servers.client("transfer", "--port", running.port, "--direction", direction, "--bytes", size)
            found, run = measured(running, command, options)
            seconds = json.loads(found)["seconds"]
            # A reply is a mebibyte here: so much CPU a mebibyte, so many a second.
            return {**run, "rate": (size >> 20) / seconds, "replies": size >> 20}

        text.append(compare(f"1 GiB {name}, MiB", servers, "copy-loop", options, once, peak=True))
    return "\n".join(text)


def measured(running, command, options):
    """What a client printed, and the CPU that the server, the client and others took; taken again when others were loud."""
    best = None
    for _ in range(2):
        machine.quiet(options.noise)
        pids = running.tree()
        before = (*machine.used(pids), *machine.busy(), machine.used_by_children())
        start = time.monotonic()
        client = subprocess.run([*machine.CLIENT_CORE, *command], capture_output=True, text=True, timeout=300)
        seconds = time.monotonic() - start
        if client.returncode:
            raise RuntimeError(f"{running.name}: {' '.join(command)}: {client.stderr[-1000:]}")
        after = (*machine.used(pids), *machine.busy(), machine.used_by_children())
        cpu, user, system, all_cpu, stolen, clients = (now - then for now, then in zip(after, before))
        noise = max(0.0, all_cpu - cpu - clients) / seconds
        run = {"cpu": cpu, "user": user, "system": system, "noise": noise, "stolen": stolen / seconds}
        if best is None or noise < best[1]["noise"]:
            best = client.stdout, run
        if best[1]["noise"] < options.noise:
            break
    return best


def compare(title, servers, reference, options, once, peak=False):
    """Every server in turn, round after round; a ratio is the median of those to the reference in the same round."""
    machine.go_first()
    runs = {server.name: {} for server in servers}
    for round_ in range(options.rounds):
        for server in servers:
            with Running(server, below=machine.SERVER_CORE, first=machine.go_first) as running:
                try:
                    runs[server.name][round_] = once(running)
                    runs[server.name][round_]["peak"] = high_water(running)
                except (RuntimeError, subprocess.TimeoutExpired) as error:
                    print(f"!! round {round_}: {error}", file=sys.stderr, flush=True)
    head = ["server", "a second", f"to {reference}", "least-most", "CPU µs", f"to {reference}", "user µs", "kernel µs", "noise"]
    rows = [row(name, own, runs.get(reference, {})) for name, own in runs.items() if own]
    if peak:
        head.append("peak MiB")
        for cells, own in zip(rows, filter(None, runs.values())):
            cells.append(number(max(run["peak"] for run in own.values()) / 2**20, 1))
    return f"{title}:\n\n" + table(head, rows)


def row(name, own, base):
    """`own` and `base`: the runs of a server and of the reference, by round."""
    runs = own.values()
    rates = [run["rate"] for run in runs]

    def a_reply(run, what):
        return run[what] / run["replies"] * 1e6

    def ratio(value):
        ratios = [value(own[n]) / value(base[n]) for n in own if n in base]
        return number(statistics.median(ratios) if ratios else None, 2)

    return [
        name,
        number(statistics.median(rates)),
        ratio(lambda run: run["rate"]),
        f"{number(min(rates))}-{number(max(rates))}",
        number(statistics.median([a_reply(run, "cpu") for run in runs]), 2),
        ratio(lambda run: a_reply(run, "cpu")),
        number(statistics.median([a_reply(run, "user") for run in runs]), 2),
        number(statistics.median([a_reply(run, "system") for run in runs]), 2),
        f"{max(run['noise'] + run['stolen'] for run in runs) * 100:.0f} %",
    ]


def high_water(running):
    """The most memory that the server ever had."""
    status = open(f"/proc/{running.process.pid}/status").read()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024
