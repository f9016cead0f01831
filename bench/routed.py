"""What app-router costs above the contract, step by step, alone and over a socket beside axum."""

import servers as all_servers
from instructions import Program, Served, instructions, need_valgrind
from servers import Server
from tables import number, table
from wire import Asked

# What each step asks for besides what the one before does, down to the one that the goal is about.
STEPS = {
    "contract": "the contract alone",
    "routing": "a route",
    "path": "+ a number of the path",
    "query": "+ a number of the query",
    "json": "+ the answer as JSON",
    "body": "+ a body of JSON",
    "dependency": "+ a dependency",
}
ROUTES = (10, 100, 10_000)

# As `bench/router` has them.
PATH = "/shop/r00007/7?page=2"
BODY = '{"name":"tea","price":3}'


def router(_, options):
    need_valgrind()
    all_servers.cargo(all_servers.BENCH / "peers", all_servers.PEERS, "-p", "peer-axum", "-p", "peer-hyper")
    return f"{alone(options.count)}\n{over_a_socket(options.count)}"


def alone(count):
    """Over the transport of `bench/contract`, in how many routes; in brackets, less the contract alone."""
    rows = []
    for step, label in STEPS.items():
        costs = [instructions(Program("bench-router", f"{step} {routes}"), count) for routes in ROUTES]
        if step == "contract":
            floor = costs[0]
            rows.append([label, *(number(cost) for cost in costs)])
        else:
            rows.append([label, *(f"{cost:,.0f} ({cost - floor:,.0f})" for cost in costs)])
    head = ["a call", *(f"{routes:,} routes" for routes in ROUTES)]
    return "Instructions of one call, in brackets less those of the contract alone:\n\n" + table(head, rows)


def over_a_socket(count):
    """A router's request less one that is answered without it, on the same server."""
    rows = []
    for name, floor, routed in SERVED:
        least, *costs = (instructions(Served(server, load), count) for server, load in [floor, *routed])
        rows.append([name, number(least), *(f"{cost:,.0f} ({cost - least:,.0f})" for cost in costs)])
    head = ["server", "without a router", *(f"{label}, {routes:,} routes" for label, routes in SERVED_COLUMNS)]
    return "The same over a socket:\n\n" + table(head, rows)


def asked(step, path=PATH):
    """The request of a step."""
    method, more = ("POST", f"Content-Type: application/json\nContent-Length: {len(BODY)}\n") if step == "body" else ("GET", "")
    head = f"{method} {path} HTTP/1.1\nHost: 127.0.0.1:8000\n{more}\n".replace("\n", "\r\n")
    return Asked((head + (BODY if step == "body" else "")).encode())


def ours(server, step, routes):
    flags = f"--server {server} --access-log off --workers 1 " + "--bind 127.0.0.1:{port}"
    return Server(f"server-{server}", "{ours}/release/bench-router-served " + f"{step} {routes} {flags}"), asked(step)


def axum(step, routes):
    """On the server of axum's own; hyper alone is what it is built on."""
    return Server("axum", "{peers}/release/peer-axum --port {port} --workers 1 --mode " + f"{step}-{routes}"), asked(step)


HYPER = Server("hyper", "{peers}/release/peer-hyper --port {port} --workers 1 --mode http1"), asked("contract", "/json")
SERVED_COLUMNS = [("path, query and JSON", 10), ("path, query and JSON", 10_000), ("with a body of JSON", 10)]
SERVED = [
    ("server-raw", ours("raw", "contract", 0), [ours("raw", "json", 10), ours("raw", "json", 10_000), ours("raw", "body", 10)]),
    ("server-hyper", ours("hyper", "contract", 0), [ours("hyper", "json", 10), ours("hyper", "json", 10_000), ours("hyper", "body", 10)]),
    ("axum, on hyper", HYPER, [axum("json", 10), axum("json", 10_000), axum("body", 10)]),
]
