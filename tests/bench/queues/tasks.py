"""Tasks that are due: how late they are given to an executor that waits."""

import time

from bench import table
from bench.queues import client, contender, meter, ours, results

SECTION = "tasks"
IDLE = "1 due"
BURST = "1,000 of 10,000 due at once"
_ROUNDS = 10
_TASKS, _DUE = 10_000, 1000
_TASKS_QUICK, _DUE_QUICK = 300, 30
_AHEAD_S = 2
_REGISTER_S = 15
_PATIENCE_S = 60.0


def kinds(bench):
    """Ours alone: the others have no tasks."""
    return [kind for kind in bench.kinds() if kind.ours and kind is not ours.TwoCoordinators]


def once(bench, number):
    """One run of all contenders."""
    tasks, due = (_TASKS_QUICK, _DUE_QUICK) if bench.quick else (_TASKS, _DUE)

    def measure(queue, found):
        rounds = 1 if bench.quick else _ROUNDS
        for round_ in range(rounds):
            found.add(SECTION, queue.name, IDLE, _fire(queue, f"idle-{number}-{round_}", 1, 1,
                                                       _AHEAD_S))
        # With those, which are still there, as many as there may be.
        found.add(SECTION, queue.name, BURST, _fire(
            queue, f"burst-{number}", tasks - rounds, due,
            _AHEAD_S if bench.quick else _REGISTER_S))

    bench.each(SECTION, number, kinds(bench), measure)


def _fire(queue, prefix, tasks, due, ahead_s):
    at = int(time.time()) + ahead_s
    client.run(queue.command("tasks", "--prefix", prefix, "--count", tasks, "--due", due, "--at",
                             at), contender.CLIENT_S_MAX)
    if time.time() > at - 0.5:
        raise client.ClientError(f"{tasks:,} tasks took longer than {ahead_s} s to register")
    with queue.attend(due, "--jobs", due, "--seconds", _PATIENCE_S, "--due-at",
                      at) as attending:
        time.sleep(max(0.0, at - 0.2 - time.time()))
        with meter.Meter(queue.pids()) as measured:
            fired = attending.last(contender.CLIENT_S_MAX)
    if fired["jobs"] != due or fired["rerun"]:
        raise client.ClientError(f"{fired['jobs']} of {due} tasks fired, {fired['rerun']} twice")
    return results.rated(fired, measured)


def text(bench):
    """Its table."""
    found = bench.results
    cells = []
    for kind in kinds(bench):
        for case in (IDLE, BURST):
            value = {name: found.value(SECTION, kind.name, case, name)
                     for name in ("p50_us", "p99_us", "max_us", "server_us")}
            cells.append([kind.name, case, *[table.number(value[name], "{:.1f}", 1e-3)
                                             for name in ("p50_us", "p99_us", "max_us")],
                          table.number(value["server_us"]),
                          found.missing(SECTION, kind.name) or ""])
    return table.render(
        "tasks: due time to the executor's receipt, ms", ["", "", "p50", "p99", "max",
                                                         "server us a run", ""], cells,
        ["all fire once; an executor with a slot for each waits"])
