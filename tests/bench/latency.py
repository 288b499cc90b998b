"""W2, W3, W4: from just before close() to whoever is told of it, one file at a time and under load.

All stamps are of CLOCK_REALTIME, which every program on this machine shares, and which the product
writes into its records.
"""

import contextlib

from bench import chain, contenders, load, measure, table

_IDLE = ("idle", 200, 50_000)          # files, microseconds from one to the next
_BUSY = ("1,000 files/s", 10_000, 1000)
_QUICK = ("idle", 20, 10_000)
_W2_MS = (1.5, 6.0)  # p50, p99

KINDS = (contenders.InotifyLoop, contenders.FanotifyLoop, contenders.Inotifywait,
         contenders.Fatrace, contenders.Watchman, contenders.ClosewriteStreamed)
QUICK = (contenders.InotifyLoop, contenders.ClosewriteStreamed)


def _summary(closed, seen):
    delays = load.delays_ms(closed, seen)
    return {"lost": len(closed) - len(delays), "p50": measure.percentile(delays, 0.5),
            "p99": measure.percentile(delays, 0.99), "max": max(delays, default=None)}


def _one(kind, programs, loads, base):
    """{(name of a load, name of a series): numbers} of one contender's run."""
    with load.Place(1, base) as place, kind(programs, place.root, place.folder) as contender:
        contender.start()
        written, cpu, files = {}, {}, 0
        for name, count, interval_us in loads:
            before = sum(measure.cpu_seconds(contender.pid()))
            written[name] = load.write(programs, place.folders, count, interval_us,
                                       tag=f"{len(written)}-")
            files += count
            contender.wait(files)
            cpu[name] = (sum(measure.cpu_seconds(contender.pid())) - before) * 1e6 / count
        series = contender.series()
    found = {}
    for name, each in written.items():
        for label, seen in series.items():
            found[name, label] = {**_summary(each.closed, seen), "cpu_us": cpu[name]}
    return found


def run(programs, options):
    """Runs it. Returns (text, whether nothing of ours was lost)."""
    kinds = load.chosen(QUICK if options.quick else KINDS, options)
    loads = [_QUICK] if options.quick else [_IDLE, _BUSY]
    runs = {}
    for number in range(options.runs):
        for kind in load.rotated(kinds, number):
            load.settle()
            load.progress(f"latency, run {number + 1}: {kind.name}")
            with contextlib.suppress(contenders.Blind):
                for key, numbers in _one(kind, programs, loads, options.base).items():
                    runs.setdefault(key, []).append(numbers)
    caught = all(numbers["lost"] == 0 for (_, name), each in runs.items() for numbers in each
                 if name.startswith("closewrite"))
    text = _table(runs, loads, options)
    chained, whole = chain.run(programs, options, loads[0])
    return text + "\n" + chained, caught and whole


def _table(runs, loads, options):
    cells, notes = [], ["floor: the bare inotify loop in the same runs; durable adds at least one "
                        "fdatasync (above) and a message to the coordinator and back"]
    for name, _, _ in loads:
        for (loaded, label), each in runs.items():
            if loaded != name:
                continue
            row = measure.medians(each)
            cells.append([name, label, table.number(max(one["lost"] for one in each)),
                          *[table.number(row[key], "{:.2f}") for key in ("p50", "p99", "max")],
                          table.number(row["cpu_us"], "{:.0f}")])
            if label.endswith("streamed") and name == loads[0][0]:
                notes.append(
                    f"W2, close() -> durable, idle: p50 {row['p50']:.2f} ms <= {_W2_MS[0]}: "
                    f"{table.verdict(row['p50'], _W2_MS[0])}; p99 {row['p99']:.2f} ms <= "
                    f"{_W2_MS[1]}: {table.verdict(row['p99'], _W2_MS[1])}")
    notes += ["`in the ledger`: the watcher's stamp when it judged the file, whose turn ends with "
              "the ledger's commit; `at the coordinator`: the coordinator's stamp before its "
              "commit; `durable, as streamed`: a line of `closewrite events -f` was read, which "
              "follows the commit, so that one more message and the printing are included"]
    return table.render(
        f"latency: from just before close(), ms, {options.where}, {options.runs} runs",
        ["load", "", "lost (worst run)", "p50", "p99", "max", "CPU us a file"], cells, notes)
