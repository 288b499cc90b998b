"""What is measured of processes, and numbers made of many."""

import os
import statistics
import struct

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """(user, system) seconds that all threads of a process have used so far."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[11]) / _TICKS_PER_S, int(fields[12]) / _TICKS_PER_S


def resident_bytes(pid):
    """(now, at most so far) of a process's resident memory."""
    found = {}
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in ("VmRSS", "VmHWM"):
                found[name] = int(value.split()[0]) * 1024
    return found["VmRSS"], found["VmHWM"]


def count(records):
    """How many records a program of ours holds by now (see record.h)."""
    try:
        with open(records + ".count", "rb") as file:
            return struct.unpack("q", file.read(8))[0]
    except (OSError, struct.error):
        return 0


def read_records(records):
    """[(nanoseconds, text)] of a program of ours that has ended."""
    found = []
    with open(records, "rb") as file:
        for line in file:
            when, _, text = line.rstrip(b"\n").partition(b" ")
            found.append((int(when), text))
    return found


def median(values):
    """The median of those that are not None; None when there are none."""
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def percentile(values, part):
    """The smallest value that `part` of all are not over; None of none."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, max(0, -(-int(part * len(ordered) * 1000) // 1000) - 1))]


def medians(runs):
    """One dictionary of the medians of many."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: median([run.get(name) for run in runs]) for name in names}
