"""Measures that are exact: what is answered, instructions, allocations."""

import collections
import subprocess

import instructions as valgrind
import servers as all_servers
from servers import Running
from tables import number, table
from wire import FIELDS, Echoes, Requests


def checkable(servers):
    return [server for server in servers if server.routes != "none" or server.websocket]


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


def countable(servers):
    return [server for server in servers if server.callgrind and (server.routes != "none" or server.websocket)]


def instructions(servers, options):
    valgrind.need_valgrind()
    cases = {f"{name}, {n}": Requests(fields, n) for name, fields in FIELDS.items() for n in (1, 32)}
    http = [server for server in servers if server.routes != "none"]
    sockets = [server for server in servers if server.websocket]
    echoes = {f"{size:,} bytes": Echoes(size) for size in (20, 1024, 65536)}
    return (
        "User-space instructions of `GET /`, with so many requests at once:\n\n"
        + counts(http, cases, options.count)
        + "\nOf a WebSocket echo, one at a time:\n\n"
        + counts(sockets, echoes, options.count)
    )


def counts(servers, cases, count):
    rows = []
    for server in servers:
        cells = [number(valgrind.instructions(server, load, count)) for load in cases.values()]
        rows.append([server.name, *cells])
    return table(["server", *cases], rows)


def profilable(servers):
    return [server for server in servers if server.name in ("server-raw", "server-hyper", "hyper-held")]


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
        f"{server.name}, {name}": valgrind.profile_of_one(server, Requests(fields), options.count)
        for server in servers
        for name, fields in FIELDS.items()
    }


def fast_path(servers):
    return [server for server in countable(servers) if server.routes != "none" and "limit" not in server.name]


def allocations(servers, options):
    valgrind.need_valgrind()
    rows = []
    for server in servers:
        cells = [valgrind.allocations(server, Requests(fields), options.count) for fields in FIELDS.values()]
        rows.append([server.name, *(number(cell, 2) for cell in cells)])
    return "Allocations of `GET /`:\n\n" + table(["server", *FIELDS], rows)
