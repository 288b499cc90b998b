"""What many waiting jobs cost: memory, disk, time of each, and the way back after a kill."""

import os
import time

from bench import table
from bench.queues import by_hand, client, contender, meter, ours, results, workbench

SECTION = "growth"
SMALL = 1000
_SIZES = (SMALL, 100_000, 1_000_000, 5_000_000)
_SIZES_QUICK = (SMALL, 3000)
_DRAINED = 20_000
_DRAINED_QUICK = 500
_DRAIN_S_MAX = 60.0
_ROUNDS = 3
_SLOTS = 16
_PEERS = (by_hand.RowLock, by_hand.BeanstalkdUnsynced)


def sizes(bench):
    """How many jobs wait, step by step."""
    if bench.quick:
        return list(_SIZES_QUICK)
    largest = int(bench.options.millions * 1_000_000)
    return sorted({*(size for size in _SIZES if size < largest), SMALL, largest})


def _kinds(bench):
    return [kind for kind in bench.kinds() if kind.ours and kind is not ours.TwoCoordinators]


def _cost_us(queue, jobs):
    """Microseconds a job of draining `jobs`, which are added before: as many wait afterwards."""
    queue.load(jobs)
    with meter.Meter(queue.pids()) as measured:
        drained = queue.drain(_SLOTS, jobs, _DRAIN_S_MAX)
    numbers = results.rated(drained, measured)
    missing = jobs - numbers["jobs"]
    if missing > 0:
        queue.drain(_SLOTS, missing, _DRAIN_S_MAX)
    return numbers["seconds"] * 1e6 / numbers["jobs"], numbers


def _grow(bench, queue, found):
    """One store, filled further and further. A second one of the same kind always holds few jobs,
    and takes turns with it: nothing else would tell the machine's moods from the queue's.
    """
    drained = _DRAINED_QUICK if bench.quick else _DRAINED
    waiting = 0
    with type(queue)(bench, os.path.join(bench.folder, "small")) as small:
        small.load(SMALL)
        empty_memory = meter.resident_bytes(queue.coordinator.pid)
        empty_disk = meter.disk_bytes(queue.data_folder())
        for size in sizes(bench):
            workbench.progress(f"growth: {queue.name}, {size:,} waiting")
            began = time.monotonic()
            queue.load(size - waiting)
            numbers = {"load_s": time.monotonic() - began,
                       "memory": meter.resident_bytes(queue.coordinator.pid) - empty_memory,
                       "disk": meter.disk_bytes(queue.data_folder()) - empty_disk}
            found.add(SECTION, queue.name, size, numbers)
            waiting = size
            for _ in range(1 if bench.quick else _ROUNDS):
                beside, _ = _cost_us(small, drained)
                cost, measured = _cost_us(queue, drained)
                found.add(SECTION, queue.name, ("cost", size), {
                    "cost_us": cost, "ratio": cost / beside, "server_us": measured["server_us"],
                    "strangers": measured["strangers"]})
    _restart(queue, found)


def _restart(queue, found):
    """The coordinator is killed with all of them waiting: until it takes and gives jobs again."""
    queue.coordinator.kill()
    began = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    queue.coordinator.start()
    with queue.attend(1, "--jobs", 1, "--seconds", contender.CLIENT_S_MAX) as attending:
        submitted = client.run(queue.command("submit", "--calls", 1), contender.CLIENT_S_MAX)
        given = attending.last(contender.CLIENT_S_MAX)
    found.add(SECTION, queue.name, "restart", {
        "accepts_s": (submitted["ended_at"] - began) / 1e9,
        "dispatches_s": (given["first_at"] - began) / 1e9})


def _weigh(bench, queue, found):
    """Memory and disk of another queue with as many jobs as the largest size of ours, scaled."""
    jobs = min(sizes(bench)[-1], 200_000)
    folder = queue.data_folder()
    memory, disk = meter.resident_bytes(queue.pids()[0]), meter.disk_bytes(folder)
    queue.load(jobs)
    found.add(SECTION, queue.name, "weight", {
        "memory": (meter.resident_bytes(queue.pids()[0]) - memory) / jobs,
        "disk": (meter.disk_bytes(folder) - disk) / jobs})


def once(bench, number):
    """The first run alone: it takes long, and compares within itself."""
    if number > 0:
        return
    bench.each(SECTION, 0, _kinds(bench), lambda queue, found: _grow(bench, queue, found))
    bench.forget_postgres()  # or the logs of other sections would hide those of this one
    kinds = [kind for kind in _PEERS if kind in bench.kinds()]
    bench.each(SECTION, 0, kinds, lambda queue, found: _weigh(bench, queue, found))


def text(bench):
    """Its tables."""
    found = bench.results
    cells = []
    for kind in _kinds(bench):
        if found.missing(SECTION, kind.name):
            cells.append([kind.name, *["-"] * 7, found.missing(SECTION, kind.name)])
            continue
        for size in sizes(bench):
            weight = {name: found.value(SECTION, kind.name, size, name)
                      for name in ("memory", "disk", "load_s")}
            cost = {name: found.value(SECTION, kind.name, ("cost", size), name)
                    for name in ("cost_us", "ratio", "server_us")}
            cells.append([kind.name, f"{size:,}", table.number(weight["load_s"], "{:.1f}"),
                          table.number(weight["memory"], "{:,.0f}", 1 / size),
                          table.number(weight["disk"], "{:,.0f}", 1 / size),
                          table.number(cost["cost_us"], "{:.1f}"),
                          table.number(cost["ratio"], "{:.2f}x"),
                          table.number(cost["server_us"], "{:.1f}"), ""])
    for kind in [kind for kind in _PEERS if kind in bench.kinds()]:
        weight = {name: found.value(SECTION, kind.name, "weight", name)
                  for name in ("memory", "disk")}
        memory = None if kind is by_hand.RowLock else weight["memory"]
        cells.append([kind.name, "", "-", table.number(memory), table.number(weight["disk"]),
                      "-", "-", "-", found.missing(SECTION, kind.name) or ""])
    return table.render(
        "growth: a job among many that wait", ["", "waiting", "s to load", "bytes of memory a job",
                                               "bytes of disk a job", "us a job drained",
                                               f"of its cost beside, at {SMALL:,}",
                                               "server us a job", ""], cells, _notes(bench))


def _notes(bench):
    found = bench.results
    notes = ["memory and disk: what was there before the first job is taken off; disk includes "
             "logs that are written ahead",
             f"drained by {_SLOTS} slots, in turns with a small queue"]
    for kind in _kinds(bench):
        accepts, dispatches = (found.value(SECTION, kind.name, "restart", name)
                               for name in ("accepts_s", "dispatches_s"))
        if accepts is not None:
            notes.append(f"{kind.name}: killed with {sizes(bench)[-1]:,} waiting and started: "
                         f"the first job was durable after {accepts:.2f} s, the first was given "
                         f"to an executor after {dispatches:.2f} s")
    return notes
