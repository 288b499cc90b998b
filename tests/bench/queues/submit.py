"""Jobs a second until they are durable."""

from bench import table
from bench.queues import contender, meter, results

SECTION = "submit"
ONE = contender.Shape("one at a time", 1, 1, 1)
SIXTEEN = contender.Shape("16 in flight", 1, 16, 1)
SIXTY_FOUR = contender.Shape("64 in flight", 1, 64, 1)
BATCH = contender.Shape("512 a call", 1, 1, 512)
THOUSAND = contender.Shape("1,000 a call", 1, 1, 1000)
SHAPES = (ONE, SIXTEEN, SIXTY_FOUR, BATCH, THOUSAND)
_CLIENTS = 16


def _many(shape):
    return contender.Shape(f"{_CLIENTS} clients, {shape.label}", _CLIENTS, *shape[2:])


MANY = tuple(_many(shape) for shape in SHAPES)


def _jobs(bench, shape):
    """How many are submitted at most."""
    if bench.quick:
        return max(200, 4 * shape.per_call) * shape.streams
    if shape.per_call > 1:
        return 400_000
    return 10_000 if shape.in_flight == 1 and shape.streams == 1 else 100_000


def once(bench, number):
    """One run of all contenders."""
    seconds = 1.0 if bench.quick else 4.0

    def measure(queue, found):
        for shape in [*SHAPES, *(MANY if queue.streams_max >= _CLIENTS else ())]:
            with meter.Meter(queue.pids()) as measured:
                numbers = queue.submit(shape, _jobs(bench, shape), seconds)
            found.add(SECTION, queue.name, shape.label, results.rated(numbers, measured))

    bench.each(SECTION, number, _kinds(bench), measure)


def _kinds(bench):
    return [kind for kind in bench.kinds() if kind.submits]


def text(bench):
    """Its tables."""
    found = bench.results
    reference = next((kind.name for kind in bench.kinds() if kind.ours), None)
    cells, many = [], []
    for kind in _kinds(bench):
        name, why = kind.name, found.missing(SECTION, kind.name)
        rates = {shape.label: found.value(SECTION, name, shape.label, "rate")
                 for shape in (*SHAPES, *MANY)}
        ahead = [table.ratio(found.value(SECTION, reference, shape.label, "rate"),
                             rates[shape.label]) for shape in (SIXTY_FOUR, THOUSAND)]
        cells.append([name, "yes" if kind.synced else "no",
                      *[table.number(rates[shape.label]) for shape in SHAPES],
                      table.number(found.value(SECTION, name, ONE.label, "p50_us")),
                      *ahead, why or ""])
        if kind.streams_max >= _CLIENTS and why is None:
            many.append([name, *[table.number(rates[shape.label]) for shape in MANY]])
    first = table.render(
        f"submit: jobs/s until durable, {bench.options.runs} runs",
        ["", "synced", *[shape.label for shape in SHAPES], "p50 us, one at a time",
         "ours / this, 64 in flight", "ours / this, 1,000 a call", ""], cells,
        [f"ours: {reference}",
         "a message of ours carries 512 events at most: 1,000 a call are two messages",
         "our files' names are in " + ("order" if bench.options.ordered_names else
                                       "no order, as those of uploads")
         + "; other queues number their jobs"])
    if not many:
        return first
    return first + "\n" + table.render(
        f"submit: {_CLIENTS} clients at once, each with a stream and a ledger of its own",
        ["", *[shape.label for shape in SHAPES]], many)
