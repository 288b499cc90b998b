"""W6: CPU of whoever watches, a file: at once, and spread over time."""

import contextlib

from bench import contenders, load, measure, table

# Files, and microseconds from one to the next; one writer.
_LOADS = (("as fast as one writer can", 50_000, 0), ("1,000 files/s", 10_000, 1000),
          ("20 files/s", 200, 50_000))
_QUICK = (("as fast as one writer can", 1000, 0),)
_W6_CPU = 3.0

KINDS = (contenders.InotifyLoop, contenders.GatheringLoop, contenders.FanotifyLoop,
         contenders.Inotifywait, contenders.Watchman, contenders.Closewrite,
         contenders.ClosewriteAlone)
QUICK = (contenders.InotifyLoop, contenders.Closewrite)


def _one(kind, programs, paced, base):
    """Microseconds of CPU a file, and how many files were lost."""
    _, files, interval_us = paced
    with load.Place(1, base) as place, kind(programs, place.root, place.folder) as contender:
        contender.start()
        coordinator = (contender.rig.coordinator.pid if kind is contenders.Closewrite else None)
        before = measure.cpu_seconds(contender.pid())
        beside = measure.cpu_seconds(coordinator) if coordinator else (0, 0)
        written = load.write(programs, place.folders, files, interval_us)
        contender.wait(files)
        after = measure.cpu_seconds(contender.pid())
        beside_after = measure.cpu_seconds(coordinator) if coordinator else (0, 0)
        seen = next(iter(contender.series().values()))
    user, system = ((b - a) * 1e6 / files for a, b in zip(before, after))
    return {"user": user, "system": system, "all": user + system,
            "coordinator": (sum(beside_after) - sum(beside)) * 1e6 / files if coordinator else None,
            "lost": sum(name not in seen for name in written.closed)}


def run(programs, options):
    """Runs it. Returns (text, whether nothing of ours was lost)."""
    kinds = load.chosen(QUICK if options.quick else KINDS, options)
    loads = _QUICK if options.quick else _LOADS
    runs = {}
    for number in range(options.runs):
        for paced in loads:
            for kind in load.rotated(kinds, number):
                load.settle()
                load.progress(f"cpu, run {number + 1}, {paced[0]}: {kind.name}")
                with contextlib.suppress(contenders.Blind):
                    runs.setdefault((paced[0], kind.name), []).append(
                        _one(kind, programs, paced, options.base))
    caught = all(one["lost"] == 0 for (_, name), each in runs.items() for one in each
                 if name.startswith("closewrite"))
    return _table(runs, loads, options), caught


def _table(runs, loads, options):
    rows = {key: measure.medians(each) for key, each in runs.items()}
    cells = []
    notes = ["floor: the bare inotify loop, in the same runs; the kernel counts in steps of 10 ms, "
             "which is much for 200 files"]
    for load_name, _, _ in loads:
        bare = rows[load_name, contenders.InotifyLoop.name]["all"]
        for (loaded, name), row in rows.items():
            if loaded == load_name:
                cells.append([load_name, name, table.number(row["lost"]),
                              *[table.number(row[key], "{:.1f}")
                                for key in ("user", "system", "all")],
                              table.ratio(row["all"], bare),
                              table.number(row["coordinator"], "{:.1f}")])
        ours = rows.get((load_name, contenders.Closewrite.name))
        if ours and bare:
            times = ours["all"] / bare
            notes.append(f"W6, {load_name}, <= {_W6_CPU:.0f}x of the loop's: {times:.2f}x, "
                         + table.verdict(times, _W6_CPU))
    return table.render(
        f"cpu: us a file, one writer, {options.where}, {options.runs} runs",
        ["load", "", "lost", "user", "system", "together", "beside the loop",
         "the coordinator's"], cells, notes)
