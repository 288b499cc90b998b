"""Jobs whose commands are run by a real executor, with and without monitoring, in turns."""

import datetime
import os
import re

from bench import table
from bench.queues import built, client, contender, meter, ours, results, servers, watched
from hosts import process

SECTION = "commands"
SLOTS = 16
_COMMAND = "/bin/true"
_JOBS = 4000
_JOBS_QUICK = 50
_PER_CALL = 500
_DONE_S_MAX = 120.0
_BEGUN = re.compile(r"^(\S+) info +executor: attempt job=", re.M)
_ENDED = re.compile(r"^(\S+) info +executor: attempt ended job=\d+ .*SUCCEEDED", re.M)


def _seconds(first, last):
    began, ended = (datetime.datetime.fromisoformat(each.rstrip("Z")) for each in (first, last))
    return (ended - began).total_seconds()


def once(bench, number):
    """One run of each."""
    if "ours" not in bench.options.sides or bench.options.store == "postgresql":
        return
    jobs = _JOBS_QUICK if bench.quick else _JOBS

    def measure(queue, found):
        if not built.has_executor():
            found.miss(SECTION, queue.name, "there is no executor among the programs")
            return
        client.run(queue.command("prepare", "--create", "--run", _COMMAND), contender.CLIENT_S_MAX)
        per_call = min(jobs, _PER_CALL)
        client.run(queue.submitting("--create", "--in-flight", 1, "--per-call", per_call,
                                    "--calls", jobs // per_call), contender.CLIENT_S_MAX)
        beside = queue.beside() if isinstance(queue, ours.Scraped) else []
        with meter.Meter(queue.pids(), beside) as measured, servers.Executor(
                os.path.join(queue.folder, "executor"), 0, queue.coordinator.address,
                SLOTS) as executor:
            executor.start(queue.coordinator)

            process.until(lambda: executor.process.read_log().count(b"attempt ended") >= jobs,
                          _DONE_S_MAX, "the commands to have run")
            said = executor.process.read_log().decode()
        ended = _ENDED.findall(said)
        if len(ended) != jobs:
            raise RuntimeError(f"{jobs - len(ended)} of {jobs} commands have failed")
        seconds = _seconds(_BEGUN.findall(said)[0], ended[-1])
        found.add(SECTION, queue.name, SLOTS, results.rated(
            {"jobs": jobs, "seconds": seconds, "latency": {}}, measured))

    bench.each(SECTION, number, watched.KINDS, measure)


def text(bench):
    """Its table."""
    found = bench.results
    cells = []
    for kind in watched.KINDS:
        plain, rate, server, beside = (
            found.value(SECTION, name, SLOTS, what)
            for name, what in ((watched.KINDS[0].name, "rate"), (kind.name, "rate"),
                               (kind.name, "server_us"), (kind.name, "beside_us")))
        cells.append([kind.name, table.number(rate),
                      table.number(watched.part(rate, plain), "{:.3f}x"),
                      table.number(server, "{:.1f}"), table.number(beside, "{:.1f}"),
                      found.missing(SECTION, kind.name) or ""])
    jobs = _JOBS_QUICK if bench.quick else _JOBS
    return table.render(
        f"commands: jobs/s of {jobs:,}, each of which runs {_COMMAND}, {bench.options.runs} runs "
        "in turns",
        ["", f"{SLOTS} slots", "of unwatched", "coordinator us a job", "others us a job", ""],
        cells,
        ["an executor on the same machine; from the first command's lease to the last one's end",
         "metrics, points, InfluxDB, others: as in `watched`"])
