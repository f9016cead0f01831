"""Every measure by its name, in the order of `all`."""

from typing import Callable, NamedTuple

import counted


class Measure(NamedTuple):
    """`servers`: which of the chosen ones it is about; `run`: measures them and gives Markdown; `of_all`: part of `all`."""

    servers: Callable
    run: Callable
    of_all: bool = True


MEASURES = {
    "check": Measure(counted.checkable, counted.check),
    "instructions": Measure(counted.countable, counted.instructions),
    "profile": Measure(counted.profilable, counted.profile),
    "functions": Measure(counted.profilable, counted.functions, of_all=False),
    "allocations": Measure(counted.fast_path, counted.allocations),
}
