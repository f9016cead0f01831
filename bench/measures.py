"""Every measure by its name, in the order of `all`."""

from typing import Callable, NamedTuple

import accepting
import counted
import held
import loads
import routed


class Measure(NamedTuple):
    """`servers`: which of the chosen ones it is about; `run`: measures them and gives Markdown; `package`: what it needs.

    `of_all`: whether it is part of `all`.
    """

    servers: Callable
    run: Callable
    package: str = "bench-app"
    of_all: bool = True


def named(*names):
    return lambda servers: [server for server in servers if server.name in names or server.added]


def able(has, without_logs=True):
    """Those that have what is measured; a log that is switched on is measured by instructions and HTTP alone."""
    return lambda servers: [s for s in servers if has(s) and not (without_logs and s.name.endswith("-log"))]


OURS = ("server-raw", "server-hyper")
MEASURES = {
    "machine": Measure(named(), counted.machine_),
    "check": Measure(able(lambda server: server.routes != "none" or server.websocket), counted.check),
    "instructions": Measure(able(lambda server: server.callgrind and server.routes != "none", False), counted.instructions),
    "pipelined-instructions": Measure(
        able(lambda server: server.callgrind and server.routes != "none"), counted.pipelined_instructions
    ),
    "websocket-instructions": Measure(able(lambda server: server.websocket), counted.websocket_instructions),
    "profile": Measure(named(*OURS, "hyper-held"), counted.profile),
    "functions": Measure(able(lambda server: server.callgrind and server.routes != "none"), counted.functions, of_all=False),
    "allocations": Measure(able(lambda server: server.callgrind and server.routes in ("all", "few")), counted.allocations),
    "syscalls": Measure(able(lambda server: server.routes != "none"), counted.syscalls),
    "http": Measure(able(lambda server: server.routes != "none", False), loads.http),
    "websocket": Measure(able(lambda server: server.websocket), loads.websocket),
    "http2": Measure(able(lambda server: server.http2), loads.http2),
    "transfer": Measure(named(*OURS, "copy-loop"), loads.transfer),
    "memory": Measure(able(lambda server: server.routes != "none" or server.websocket), held.memory),
    "axum": Measure(named(), counted.axum, package="bench-axum"),
    "switches": Measure(named(), counted.switches, package="bench-sync"),
    "contract": Measure(named(), counted.contract, package="bench-contract"),
    "micro": Measure(named(), counted.micro, package="bench-micro"),
    "router": Measure(named(), routed.router, package="bench-router"),
    "accepting": Measure(named(), accepting.accepting),
    "besieged": Measure(named(*OURS), held.besieged),
    "crowd": Measure(named(*OURS), held.crowd),
}
