"""W3, W4: from close() to the first instruction of a job's command, and to its published result."""

import os
import subprocess

from bench import contenders, load, measure, rig, table
from hosts import process

_W3_MS = (3.0, 12.0)  # p50, p99
_W4_MS = 8.0
_DONE_S_MAX = 120.0

_PIPELINES = """\
pipelines:
  - name: stamp
    on: {{volume: {volume}, match: ["w0/*"], when: close_write}}
    run: {{command: [{programs}/stamp, {stamps}, "{{name}}"]}}
  - name: copy
    on: {{volume: {volume}, match: ["w1/*"], when: close_write}}
    run: {{command: [cp, "{{input}}", "{{output}}"]}}
    publish: {{volume: {results}}}
"""

# What people write by hand: one command a line, in this very order, on this machine.
_SHELL_LOOP = """\
inotifywait -m -q -e close_write --format %f "$1/w0" | while read -r name; do
  "$2" "$3" "$name"
done &
exec inotifywait -m -q -e close_write --format %f "$1/w1" | while read -r name; do
  cp "$1/w1/$name" "$4/.$name" && mv "$4/.$name" "$4/$name"
done
"""


def _stamps(path):
    """{name: nanoseconds} that commands have written so far."""
    try:
        return {text: when for when, text in reversed(measure.read_records(path))}
    except FileNotFoundError:
        return {}


class _Published:
    """Records when files appear under their final names in a folder."""

    def __init__(self, programs, folder, results):
        self._records = os.path.join(folder, "published")
        self._popen = subprocess.Popen(
            [os.path.join(programs, "inotify_loop"), results, self._records, "0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=process.die_with_parent)
        self._popen.stdout.readline()

    def seen(self):
        """{name: nanoseconds}; ends it."""
        contenders.end(self._popen)
        # A name is written before it is final, for those that copy in place.
        return {text: when for when, text in measure.read_records(self._records)}

    def stop(self):
        """Ends it."""
        contenders.end(self._popen)


class _ShellLoop:
    """inotifywait and a shell."""

    name = "inotifywait and a shell loop, local, nothing durable"

    def __init__(self, programs, place, stamps, results):
        self._popen = subprocess.Popen(
            ["/bin/sh", "-c", _SHELL_LOOP, "sh", place.root, os.path.join(programs, "stamp"),
             stamps, results], stdin=subprocess.DEVNULL, preexec_fn=process.die_with_parent,
            start_new_session=True)

    def stop(self):
        """Ends it and what it started."""
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, 15)
        self._popen.wait()


class _Closewrite:
    """Watcher, coordinator and executor."""

    name = "closewrite"

    def __init__(self, programs, place, stamps, results):
        self._rig = rig.Rig(place.folder, place.root, results)
        self._rig.start_coordinator()
        self._rig.start_watcher()
        self._rig.until_live()
        self._rig.start_executor()
        self._rig.apply(_PIPELINES.format(programs=programs, stamps=stamps, volume=rig.VOLUME,
                                          results=rig.RESULTS))

    def stop(self):
        """Ends it."""
        self._rig.__exit__()


def _one(kind, programs, paced, base):
    """{goal: milliseconds of each file} of one run, and how many there should be."""
    _, files, interval_us = paced
    with load.Place(2, base) as place:
        stamps = os.path.join(place.folder, "stamps")
        results = os.path.join(os.path.dirname(place.root), "results")
        os.mkdir(results)
        contender = kind(programs, place, stamps, results)
        published = None
        try:
            _warm(place, stamps, results)
            published = _Published(programs, place.folder, results)
            first = load.write(programs, place.folders[:1], files, interval_us, tag="a")
            second = load.write(programs, place.folders[1:], files, interval_us, tag="b")
            made = os.path.join(results, "w1") if kind is _Closewrite else results
            _until(lambda: len(_stamps(stamps)) > files and len(os.listdir(made)) > files)
            return {"W3": load.delays_ms(first.closed, _stamps(stamps)),
                    "W4": load.delays_ms(second.closed, published.seen())}
        finally:
            contender.stop()
            if published:
                published.stop()


def _until(condition):
    try:
        process.until(condition, _DONE_S_MAX, "all is done")
    except TimeoutError:
        pass  # What is missing is said in the table.


def _warm(place, stamps, results):
    """One file through each, so that everybody listens."""
    def works(number):
        for folder in place.folders:
            with open(os.path.join(folder, f"{contenders.MARK}warm-{number}"), "wb") as file:
                file.write(b"x")
        return _stamps(stamps) and any(names for _, _, names in os.walk(results))
    process.until(lambda: works(0), _DONE_S_MAX, "the first command runs")


def run(programs, options, paced):
    """Runs it. Returns (text, whether nothing of ours was lost)."""
    kinds = [_Closewrite] if options.quick else [_ShellLoop, _Closewrite]
    runs = {}
    for number in range(options.runs):
        for kind in load.rotated(kinds, number):
            load.settle()
            load.progress(f"chain, run {number + 1}: {kind.name}")
            for goal, delays in _one(kind, programs, paced, options.base).items():
                runs.setdefault((goal, kind.name), []).append({
                    "lost": paced[1] - len(delays), "p50": measure.percentile(delays, 0.5),
                    "p99": measure.percentile(delays, 0.99), "max": max(delays, default=None)})
    rows = {key: measure.medians(each) for key, each in runs.items()}
    whole = all(one["lost"] == 0 for (_, name), each in runs.items() for one in each
                if name == _Closewrite.name)
    return _table(rows, paced, options), whole


def _table(rows, paced, options):
    said = {"W3": "close() -> first instruction of the command",
            "W4": "close() -> result published, `cp`"}
    cells = [[said[goal], name, table.number(row["lost"]),
              *[table.number(row[key], "{:.2f}") for key in ("p50", "p99", "max")]]
             for (goal, name), row in sorted(rows.items())]
    w3, w4 = rows["W3", _Closewrite.name], rows["W4", _Closewrite.name]
    notes = [f"W3: p50 <= {_W3_MS[0]:.0f} ms: {table.verdict(w3['p50'], _W3_MS[0])}; p99 <= "
             f"{_W3_MS[1]:.0f} ms: {table.verdict(w3['p99'], _W3_MS[1])}",
             f"W4: p50 <= {_W4_MS:.0f} ms: {table.verdict(w4['p50'], _W4_MS)}",
             "watcher, coordinator and executor on one machine; the shell loop keeps nothing, "
             "syncs nothing and forgets what fails"]
    return table.render(
        f"chain: ms, one file each {paced[2] / 1000:.0f} ms, {options.where}, {options.runs} runs",
        ["", "", "lost", "p50", "p99", "max"], cells, notes)
