"""Jobs a second that do nothing, each claimed and acknowledged."""

from bench import table
from bench.queues import meter, results

SECTION = "drain"
SLOTS = (4, 16, 256)
_JOBS = 50_000
_JOBS_QUICK = 1000


def once(bench, number):
    """One run of all contenders."""
    seconds = 10.0

    def measure(queue, found):
        jobs = min(queue.jobs_max or _JOBS, _JOBS_QUICK if bench.quick else _JOBS)
        missing = jobs
        for slots in queue.slots:
            queue.load(missing)
            with meter.Meter(queue.pids()) as measured:
                numbers = queue.drain(slots, jobs, seconds)
            found.add(SECTION, queue.name, slots, results.rated(numbers, measured))
            missing = numbers["jobs"] or jobs

    bench.each(SECTION, number, bench.kinds(), measure)


def text(bench):
    """Its table."""
    found = bench.results
    reference = next((kind.name for kind in bench.kinds() if kind.ours), None)
    cells = []
    for kind in bench.kinds():
        name = kind.name
        rates = [found.value(SECTION, name, slots, "rate") for slots in SLOTS]
        ours = found.value(SECTION, reference, 16, "rate")
        cells.append([name, "yes" if kind.synced else "no",
                      *[table.number(rate) for rate in rates], table.ratio(ours, rates[1]),
                      *[table.number(found.value(SECTION, name, slots, "server_us"), "{:.1f}")
                        for slots in SLOTS], found.missing(SECTION, name) or ""])
    jobs = _JOBS_QUICK if bench.quick else _JOBS
    return table.render(
        f"drain: jobs/s over {jobs:,} waiting, {bench.options.runs} runs",
        ["", "synced", *[f"{slots} slots" for slots in SLOTS], "ours / this, 16 slots",
         *[f"server us a job, {slots}" for slots in SLOTS], ""], cells,
        [f"ours: {reference}",
         "slots: jobs that one client has at once; those of PostgreSQL by hand and of beanstalkd "
         "are connections",
         "server us: user and system time of the server's processes alone"])
