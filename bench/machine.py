"""The machine: who takes its CPUs, how to go first on it, and what it is."""

import ctypes
import os
import platform
import struct
import subprocess
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}.get(platform.machine())

# The server has one core, the client another: neither is counted for the other's work.
TWO_CORES = (os.cpu_count() or 1) >= 2
SERVER_CORE = ["taskset", "-c", "0"] if TWO_CORES else []
CLIENT_CORE = ["taskset", "-c", "1"] if TWO_CORES else []


def busy():
    """Seconds that the machine's CPUs worked and seconds that were stolen from it, since it started."""
    first = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, idle, wait, irq, softirq, steal = (int(field) / TICK for field in first[1:9])
    return user + nice + system + irq + softirq + steal, steal


def quiet(noise, patience=2):
    """Waits until other programs leave the CPUs, for so many seconds at most."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        before = busy()[0]
        time.sleep(0.25)
        if (busy()[0] - before) / 0.25 < noise:
            return


def used(pids):
    """Seconds that these processes ran, with all their threads, and of them in user space and in the kernel (sampled)."""
    ran = user = system = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            user += int(fields[11]) / TICK
            system += int(fields[12]) / TICK
            for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                ran += int(thread.read_text().split()[0]) / 1e9
        except (OSError, IndexError):
            pass  # A process that has ended is not missed.
    return ran, user, system


def used_by_children():
    """Seconds that ended child processes of this one ran."""
    times = os.times()
    return times.children_user + times.children_system


def memory(pids):
    """Bytes in use, shared pages counted in part."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def go_first(pid=0):
    """On a shared machine servers and clients go before other programs: as root, on Linux 6.12 and later.

    The short slice is what counts: whoever is woken takes the CPU at once from a program with a longer one.
    """
    nice, slice_ns = -15, 100_000
    attributes = struct.pack("IIQiIQQQ", 48, 0, 0, nice, 0, slice_ns, 0, 0)
    if SCHED_SETATTR:
        ctypes.CDLL(None).syscall(SCHED_SETATTR, pid, attributes, 0)
    try:
        # Niceness counts only inside a session where the kernel groups tasks by session.
        Path(f"/proc/{pid or os.getpid()}/autogroup").write_text(str(nice))
    except OSError:
        pass  # Not root, or no such grouping: then it is measured among equals.


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def rustc():
    return subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
