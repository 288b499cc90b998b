"""From a submission to the start of its job, in a worker that waits in another process."""

from bench import table
from bench.queues import meter, results, submit

SECTION = "latency"
IDLE = "idle, each 5 ms"
HALF = "half load"
_IDLE_JOBS = 400
_IDLE_US = 5000
_RATED_JOBS = 20_000
_HALF_SECONDS = 5.0
_HALF_SLOTS = 16


def once(bench, number):
    """One run of all contenders."""
    jobs = 40 if bench.quick else _IDLE_JOBS

    def measure(queue, found):
        with meter.Meter(queue.pids()) as measured:
            numbers = queue.submit_to_start(jobs, _IDLE_US)
        found.add(SECTION, queue.name, IDLE, results.rated(numbers, measured))
        if queue.ours:
            _half(bench, queue, found)

    kinds = [kind for kind in bench.kinds() if kind.latency]
    bench.each(SECTION, number, kinds, measure)


def _half(bench, queue, found):
    """Half of what it can submit and drain together, by what it can of each alone, just now."""
    jobs = 500 if bench.quick else _RATED_JOBS
    submitted = results.rated(queue.submit(submit.SIXTY_FOUR, jobs, 2.0))
    # Warming up has submitted some more.
    drained = results.rated(queue.drain(_HALF_SLOTS, submitted["jobs"], 10.0))
    queue.drain(256, 10 * jobs, 2.0)
    rate = 0.5 / (1 / submitted["rate"] + 1 / drained["rate"])
    count = max(10, int(rate * (0.2 if bench.quick else _HALF_SECONDS)))
    with meter.Meter(queue.pids()) as measured:
        numbers = queue.submit_to_start(count, max(1, int(1e6 / rate)), _HALF_SLOTS)
    found.add(SECTION, queue.name, HALF, {**results.rated(numbers, measured), "load": rate})


def text(bench):
    """Its table."""
    found = bench.results
    cells = []
    for kind in bench.kinds():
        for case in (IDLE, *((HALF,) if kind.ours else ())):
            why = found.missing(SECTION, kind.name)
            if not kind.latency or (why and case == HALF):
                continue
            value = {name: found.value(SECTION, kind.name, case, name)
                     for name in ("p50_us", "p99_us", "max_us", "load")}
            cells.append([kind.name, "yes" if kind.synced else "no", case,
                          table.number(value["load"]),
                          *[table.number(value[name], "{:.2f}", 1e-3)
                            for name in ("p50_us", "p99_us", "max_us")], why or ""])
    return table.render(
        f"latency: submission to start, ms, {bench.options.runs} runs",
        ["", "synced", "", "jobs/s", "p50", "p99", "max", ""], cells,
        ["half load: half of the jobs that it can both submit (64 in flight) and drain (16 slots) "
         "in a second"])
