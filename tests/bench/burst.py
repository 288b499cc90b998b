"""W1, W6: two writers make files as fast as they can."""

import contextlib
import os
import time

from bench import contenders, load, measure, table

FILES = 25_000  # a writer
WRITERS = 2
_W1_WRITERS = 0.9
_W6_CPU = 3.0

KINDS = (contenders.InotifyLoop, contenders.GatheringLoop, contenders.FanotifyLoop,
         contenders.Inotifywait, contenders.Fatrace, contenders.Watchman, contenders.Closewrite,
         contenders.ClosewriteAlone)
QUICK = (contenders.InotifyLoop, contenders.Closewrite)


def _one(kind, programs, files, base):
    """{name of a row: numbers} of one contender's run."""
    with load.Place(WRITERS, base) as place, kind(programs, place.root, place.folder) as contender:
        contender.start()
        user, system = measure.cpu_seconds(contender.pid())
        written = load.write(programs, place.folders, files)
        all_at = contender.wait(WRITERS * files) or time.time_ns()
        user_after, system_after = measure.cpu_seconds(contender.pid())
        resident = measure.resident_bytes(contender.pid())[1]
        series = contender.series()
    count = len(written.closed)
    last = max(written.closed.values())
    numbers = {"per_second": written.per_second,
               "cpu_us": (user_after - user + system_after - system) * 1e6 / count,
               "user_us": (user_after - user) * 1e6 / count, "rss": resident / (1 << 20)}
    rows = {}
    for name, seen in series.items():
        caught = [seen[file] for file in written.closed if file in seen]
        rows[name] = {**numbers, "lost": count - len(caught),
                      "lag_ms": (max(caught) - last) / 1e6 if caught else None}
        numbers = {"per_second": written.per_second}  # of the process, said once
    if isinstance(contender, contenders.Closewrite):
        rows[next(reversed(rows))]["durable_ms"] = (
            None if isinstance(contender, contenders.ClosewriteAlone) else (all_at - last) / 1e6)
        rows = {f"{kind.name}{name.removeprefix('closewrite')}": row for name, row in rows.items()}
    return rows


def run(programs, options):
    """Runs it. Returns (text, whether everything of ours was caught)."""
    kinds = load.chosen(QUICK if options.quick else KINDS, options)
    files = options.files or (1000 if options.quick else FILES)
    alone, runs = [], {}
    for number in range(options.runs):
        load.settle()
        with load.Place(WRITERS, options.base) as place:
            alone.append(load.write(programs, place.folders, files).per_second)
        for kind in load.rotated(kinds, number):
            load.settle()
            load.progress(f"burst, run {number + 1}: {kind.name}")
            with contextlib.suppress(contenders.Blind):
                for name, numbers in _one(kind, programs, files, options.base).items():
                    runs.setdefault(name, []).append(numbers)
    rows = {name: measure.medians(each) for name, each in runs.items()}
    ours = [name for name in rows if name.startswith("closewrite")]
    caught = all(numbers["lost"] == 0 for name in ours for numbers in runs[name])
    return _table(rows, measure.median(alone), files, options, runs), caught


def _table(rows, alone, files, options, runs):
    bare = rows[contenders.InotifyLoop.name]
    cells = [["nobody watches", "", table.number(alone), table.ratio(alone, bare["per_second"]),
              "", "", "", "", "", ""]]
    for name, row in rows.items():
        lost = max(numbers["lost"] for numbers in runs[name])
        cells.append([
            name, table.number(lost), table.number(row["per_second"]),
            table.ratio(row["per_second"], bare["per_second"]),
            table.number(row["lag_ms"], "{:,.1f}"), table.number(row.get("durable_ms"), "{:,.0f}"),
            table.number(row.get("cpu_us"), "{:.1f}"), table.number(row.get("user_us"), "{:.1f}"),
            table.ratio(row.get("cpu_us"), bare["cpu_us"]), table.number(row.get("rss"), "{:.0f}")])
    return table.render(
        f"burst: {WRITERS} writers, {WRITERS * files:,} files of 100 bytes, {options.where}, "
        f"{options.runs} runs",
        ["", "lost (worst run)", "files/s of the writers", "beside the loop",
         "last close() -> last seen, ms", "-> all durable, ms", "CPU us a file", "of it user",
         "beside the loop", "RSS MiB"], cells, _notes(rows, bare))


def _notes(rows, bare):
    ours = next((row for name, row in rows.items() if name.startswith("closewrite: in")), None)
    notes = ["floor: the bare inotify loop, in the same runs"]
    if ours:
        speed = ours["per_second"] / bare["per_second"]
        cpu = ours["cpu_us"] / bare["cpu_us"] if bare["cpu_us"] else None
        away = rows.get(f"{contenders.ClosewriteAlone.name}: in the ledger")
        beside = f", and {away['per_second'] / bare['per_second']:.2f}x without it" if away else ""
        notes += [f"W1, writers at >= {_W1_WRITERS}x of the loop's: {speed:.2f}x with a "
                  f"coordinator on these {os.cpu_count()} cores{beside}, "
                  + table.verdict(speed, _W1_WRITERS, at_most=False),
                  f"W6, CPU a file <= {_W6_CPU:.0f}x of the loop's: {table.ratio(cpu, 1)}, "
                  + table.verdict(cpu, _W6_CPU)]
    return notes
