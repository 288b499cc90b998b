"""From the moment when a command prints a line to `closewrite logs -f`, which shows it."""

import os
import subprocess
import time

from bench import load, measure, rig, table
from hosts import process

_GOAL_MS = 200.0
_LINES = 400
_LINES_QUICK = 40
_EVERY_S = 0.025
_DONE_S_MAX = 120.0

_PIPELINES = """\
pipelines:
  - name: talk
    on: {{volume: {volume}, match: ["w0/*"], when: close_write}}
    run: {{command: [/usr/bin/python3, -c, "{script}", "{lines}", "{every}"]}}
"""
# A line says when it was printed; they alternate between the streams.
_SCRIPT = ("import os, sys, time\\n"
           "time.sleep(1)\\n"
           "for i in range(int(sys.argv[1])):\\n"
           "  os.write(1 + i % 2, b'%d line %d\\\\n' % (time.time_ns(), i))\\n"
           "  time.sleep(float(sys.argv[2]))\\n")


def _follow(running, job, lines):
    """{line: milliseconds} between its printing and its reading."""
    with subprocess.Popen(running.cli("logs", "-f", str(job)), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, preexec_fn=process.die_with_parent) as reader:
        delays = []
        for line in reader.stdout:
            now = time.time_ns()
            printed, word, _ = line.split(maxsplit=2)
            if word == b"line":
                delays.append((now - int(printed)) / 1e6)
            if len(delays) == lines:
                break
        reader.terminate()
    return delays


def _one(lines, base):
    """The delays of one run."""
    with load.Place(1, base) as place:
        results = os.path.join(os.path.dirname(place.root), "results")
        os.mkdir(results)
        with rig.Rig(place.folder, place.root, results) as running:
            running.start_coordinator()
            running.start_watcher()
            running.until_live()
            running.start_executor()
            running.apply(_PIPELINES.format(volume=rig.VOLUME, script=_SCRIPT, lines=lines,
                                            every=_EVERY_S))
            with open(os.path.join(place.folders[0], "begin"), "wb") as file:
                file.write(b"x")
            jobs = process.until(lambda: [row for row in running.rows("jobs")
                                          if row["state"] == "running"], _DONE_S_MAX, "the job")
            return _follow(running, jobs[0]["id"], lines)


def run(_programs, options):
    """Runs it. Returns (text, whether nothing of ours was lost)."""
    lines = _LINES_QUICK if options.quick else _LINES
    runs = []
    for number in range(options.runs):
        load.settle()
        load.progress(f"logs, run {number + 1}")
        delays = _one(lines, options.base)
        runs.append({"lost": lines - len(delays), "p50": measure.percentile(delays, 0.5),
                     "p99": measure.percentile(delays, 0.99), "max": max(delays, default=None)})
    row = measure.medians(runs)
    cells = [["closewrite", table.number(max(one["lost"] for one in runs)),
              *[table.number(row[key], "{:.1f}") for key in ("p50", "p99", "max")]]]
    notes = [f"printed -> shown by `closewrite logs -f`: max <= {_GOAL_MS:.0f} ms: "
             f"{table.verdict(row['max'], _GOAL_MS)}",
             "command, executor, coordinator and reader on one machine; each line is durable "
             "before it is shown"]
    text = table.render(
        f"logs: a line of a command every {_EVERY_S * 1000:.0f} ms, ms, {options.where}, "
        f"{options.runs} runs", ["", "lost", "p50", "p99", "max"], cells, notes)
    return text, all(one["lost"] == 0 for one in runs)
