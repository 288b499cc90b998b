"""What it costs that somebody looks: the same work with and without monitoring, in turns."""

from bench import table
from bench.queues import meter, ours, results

SECTION = "watched"
SLOTS = (16, 256)
KINDS = (ours.Closewrite, ours.Scraped, ours.WatchedElsewhere, ours.Watched)
_JOBS = 50_000
_JOBS_QUICK = 1000
_SECONDS = 20.0


def part(value, of):
    """How many times `of`; None when one is missing."""
    return value / of if value is not None and of else None


def once(bench, number):
    """One run of each."""
    if "ours" not in bench.options.sides or bench.options.store == "postgresql":
        return

    def measure(queue, found):
        jobs = _JOBS_QUICK if bench.quick else _JOBS
        beside = queue.beside() if isinstance(queue, ours.Scraped) else []
        for slots in SLOTS:
            queue.load(jobs)
            with meter.Meter(queue.pids(), beside) as measured:
                numbers = queue.drain(slots, jobs, _SECONDS)
            found.add(SECTION, queue.name, slots, results.rated(numbers, measured))

    bench.each(SECTION, number, KINDS, measure)


def text(bench):
    """Its table."""
    found = bench.results
    cells = []
    for kind in KINDS:
        row = [kind.name]
        for slots in SLOTS:
            plain, rate, server, beside = (
                found.value(SECTION, name, slots, what)
                for name, what in ((KINDS[0].name, "rate"), (kind.name, "rate"),
                                   (kind.name, "server_us"), (kind.name, "beside_us")))
            row += [table.number(rate), table.number(part(rate, plain), "{:.3f}x"),
                    table.number(server, "{:.1f}"), table.number(beside, "{:.1f}")]
        cells.append([*row, found.missing(SECTION, kind.name) or ""])
    heads = [head for slots in SLOTS for head in (
        f"{slots} slots", "of unwatched", "coordinator us a job", "others us a job")]
    jobs = _JOBS_QUICK if bench.quick else _JOBS
    return table.render(
        f"watched: jobs/s over {jobs:,} waiting, {bench.options.runs} runs in turns",
        ["", *heads, ""], cells,
        ["metrics: a Prometheus on the same machine scrapes each second",
         "points: two a job go to a server on the same machine that reads and forgets them",
         "InfluxDB: one on the same machine gets them, each of a series of its own",
         "others: user and system time of Prometheus and InfluxDB, which elsewhere is not taken "
         "from the coordinator"])
