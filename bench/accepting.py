"""Who accepts: a listener for each worker, or one thread that hands connections to the worker that has the fewest.

Both are the same program with another flag, with two workers, taking turns; ratios are within a round.
"""

import re
import statistics
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from servers import Running, Server
from tables import number, table

COMMAND = "{ours}/release/bench-app --server raw --access-log off --workers 2 --bind 127.0.0.1:{port} --accept "
MODES = [Server(mode, COMMAND + mode) for mode in ("per-worker", "hand-off")]

# A held worker is held for 50 ms: who meets one waits for half of that on average.
LONG = """
function done(summary, latency)
  local share = 0
  for permille = 1, 999 do
    if latency:percentile(permille / 10) > 25000 then share = 1000 - permille; break end
  end
  print("long " .. share)
end
"""

# wrk has one thread: more than cores would measure the client.
SHORT = ["-c", "32", "-H", "connection: close"]


def accepting(_servers, options):
    text = []
    for title, once in (
        ("A connection for each request, 32 at a time, and nothing else", short),
        ("The same, while another connection holds its worker for 50 ms with each request, and never rests", held),
        ("16 connections that are kept and never rest", kept),
    ):
        rounds = [{mode.name: once(mode, options) for mode in turn(number_)} for number_ in range(2 * options.rounds)]
        text += [f"{title}:", "", compared(rounds), ""]
    return "\n".join(text)


def turn(number_):
    """Who is first changes from round to round."""
    return MODES if number_ % 2 == 0 else MODES[::-1]


def compared(rounds):
    rows = []
    for mode in MODES:
        ratios = {
            what: statistics.median(round_[mode.name][what] / round_["per-worker"][what] for round_ in rounds)
            for what in ("rate", "median")
        }
        shares = {what: statistics.median(round_[mode.name][what] for round_ in rounds) for what in ("long", "busiest")}
        rows.append([mode.name, *(number(ratios[what], 2) for what in ratios), *(number(share, 3) for share in shares.values())])
    return table(["accept", "rate", "median latency", "of requests, over 25 ms", "of the work, on the busier worker"], rows)


def short(mode, options):
    with Running(mode) as server:
        return loaded(server, SHORT, options)


def held(mode, options):
    with Running(mode) as server:
        holding = wrk(server, ["-c", "1"], options.seconds + 1, "/hold/50")
        with subprocess.Popen(holding, stdout=subprocess.DEVNULL) as holder:
            try:
                return loaded(server, SHORT, options)
            finally:
                holder.kill()


def kept(mode, options):
    with Running(mode) as server:
        return loaded(server, ["-c", "16"], options)


def loaded(server, flags, options):
    # A first answer: it listens before its workers are there.
    urllib.request.urlopen(f"http://127.0.0.1:{server.port}/").read()
    before = workers(server)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LONG)
        script.flush()
        command = wrk(server, [*flags, "-s", script.name], options.seconds, "/")
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    worked = [after - before_ for before_, after in zip(before, workers(server))]
    if "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
        raise RuntimeError(f"{server.name}: {done.stdout}")
    median = re.search(r"50%\s+([\d.]+\w+)", done.stdout)[1]
    return {
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1]),
        "median": seconds(median),
        "long": int(re.search(r"^long (\d+)", done.stdout, re.MULTILINE)[1]) / 1000,
        "busiest": max(worked) / max(sum(worked), 1),
    }


def wrk(server, flags, length, path):
    length = f"{max(1, round(length))}s"
    return ["wrk", "-t", "1", "-d", length, "--latency", *flags, f"http://127.0.0.1:{server.port}{path}"]


def seconds(text):
    value, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()
    return float(value) * {"us": 1e-6, "ms": 1e-3, "s": 1}[unit]


def workers(server):
    """Ticks that each worker's thread has run."""
    ticks = []
    for task in sorted(Path(f"/proc/{server.process.pid}/task").iterdir()):
        if (task / "comm").read_text().startswith("worker-"):
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            ticks.append(int(fields[11]) + int(fields[12]))
    return ticks
