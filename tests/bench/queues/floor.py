"""What the parts can do: the disk, SQLite, and a message there and back."""

import os

from bench import table
from bench.queues import client, meter, results, workbench

SECTION = "floor"
SYNC = "append 200 bytes, fdatasync"
INSERT = "bare SQLite WAL FULL, insert"
CLAIM = "bare SQLite WAL FULL, claim and acknowledge"
ECHO = "gRPC stream, there and back"
IDLE = "from idle"
_SYNC_GROUPS = (1, 64, 512)
_SQLITE_GROUPS = (1, 64, 512, 1000)
_SQLITE_JOBS = 300_000
_PAUSE_US = 5000
_CLIENT_S_MAX = 120.0


def once(bench, number):
    """One run."""
    workbench.progress(f"run {number + 1}, floor")
    folder = os.path.join(bench.folder, "parts")
    os.makedirs(folder, exist_ok=True)
    seconds = 0.2 if bench.quick else 2.0
    _sync(bench, folder, seconds)
    _sqlite(bench, folder, seconds)
    _echo(bench)


def _sync(bench, folder, seconds):
    path = os.path.join(folder, "records")
    for label, group, pause_us in [*((group, group, 0) for group in _SYNC_GROUPS),
                                   (IDLE, 1, _PAUSE_US)]:
        os.sync()
        with meter.Meter([]) as measured:
            numbers = client.run([bench.programs.path("floor"), "sync", path, group, seconds,
                                  pause_us], _CLIENT_S_MAX)
        bench.results.add(SECTION, SYNC, label, results.rated(numbers, measured))
        os.unlink(path)


def _sqlite(bench, folder, seconds):
    for group in _SQLITE_GROUPS:
        path = os.path.join(folder, f"{group}.db")
        os.sync()
        with meter.Meter([]) as measured:
            inserts, claims = client.run_lines(
                [bench.programs.path("floor"), "sqlite", path, group, _SQLITE_JOBS, seconds],
                _CLIENT_S_MAX, 2)
        bench.results.add(SECTION, INSERT, group, results.rated(inserts, measured))
        bench.results.add(SECTION, CLAIM, group, results.rated(claims, measured))
        for name in os.listdir(folder):
            if name.startswith(f"{group}.db"):
                os.unlink(os.path.join(folder, name))


def _echo(bench):
    rounds = 40 if bench.quick else 400
    program = bench.programs.path("queue_client")
    with client.Client([program, "echo-server"]) as echo:
        port = echo.numbers(_CLIENT_S_MAX)["port"]
        for label, interval_us, times in ((1, 0, 10), (IDLE, _PAUSE_US, 1)):
            with meter.Meter([echo.pid]) as measured:
                numbers = client.run(
                    [program, "--coordinator", f"127.0.0.1:{port}", "echo", "--rounds",
                     rounds * times, "--interval-us", interval_us], _CLIENT_S_MAX)
            bench.results.add(SECTION, ECHO, label, results.rated(numbers, measured))


def text(bench):
    """Its table."""
    found = bench.results
    cells = []
    for name in (SYNC, INSERT, CLAIM):
        groups = _SYNC_GROUPS if name == SYNC else _SQLITE_GROUPS
        for group in groups:
            cells.append([name, f"groups of {group}",
                          table.number(found.value(SECTION, name, group, "rate")),
                          table.number(found.value(SECTION, name, group, "p50_us"))])
    for name, label in ((SYNC, IDLE), (ECHO, 1), (ECHO, IDLE)):
        cells.append([name, label if label == IDLE else "one at a time", "-",
                      table.number(found.value(SECTION, name, label, "p50_us"))])
    return table.render("floor: what the parts can do", ["", "", "jobs/s", "p50 us"], cells, [
        "`from idle`: 5 ms after the one before, as a lone job finds the machine",
        "claim and acknowledge: two transactions a group; p50 is of both"])
