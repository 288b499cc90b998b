"""One run: files come, everything is killed at random, then the run is judged."""

import collections
import os
import random
import shutil
import tempfile
import time

from hosts import process
from kills import checker, killer, rig as rigs

_WRITE_S = 5.0
_ACTIONS_MIN = 15
_ACTIONS_MAX = 30
_FINISH_S_MAX = 90.0
_TTL_MS = (1000, 1500, 2000, 3000)
_FINAL = ("succeeded", "failed", "cancelled")

# `namespaced`: two real hosts, which needs root; None: where possible. `kept`: where the folder of
# a run that failed is copied to; None: a new one that the report names.
Options = collections.namedtuple("Options", "store coordinators files sshfs namespaced ttl_ms")


def options_of(seed, store, files=80, sshfs=False, namespaced=None):
    """The Options of the run with this seed."""
    return Options(store, 3 if store == "postgresql" else 1, files, sshfs, namespaced,
                   random.Random(f"ttl/{seed}").choice(_TTL_MS))


class Outcome:
    """Of one run: `findings` of the checker, `wrong` that the run itself has met, `numbers`."""

    def __init__(self, findings, wrong, numbers):
        self.findings = findings
        self.wrong = wrong
        self.numbers = numbers

    def problem(self):
        """Lines for people; None when all is well."""
        lines = [f"{checker.KINDS[each.kind]}: {each.text}" for each in self.findings] + self.wrong
        return "\n".join(lines) if lines else None

    def count(self, kind):
        """How many findings of a kind there are."""
        return sum(each.kind == kind for each in self.findings)


class Clock:
    """How long the parts of a run took, for people."""

    def __init__(self):
        self._last = time.monotonic()
        self.took = {}

    def tell(self, name):
        """A part is over."""
        now = time.monotonic()
        self.took[name] = round(now - self._last, 1)
        self._last = now


def trial(folder, seed, options):
    """Runs once; everything lies in `folder`. A copy of it is kept when something is wrong."""
    chance = random.Random(seed)
    plan = rigs.Plan(chance, options.files, _WRITE_S)
    started = time.monotonic()
    with rigs.Rig(folder, plan, options) as rig, open(
            os.path.join(rig.evidence, "actions"), "w", encoding="ascii") as log:
        try:
            outcome = _run(rig, chance, options, log)
        except Exception as error:  # pylint: disable=broad-except
            outcome = Outcome([], [f"{type(error).__name__}: {error}"], {})
        outcome.numbers["seconds"] = round(time.monotonic() - started, 1)
        if outcome.problem():
            outcome.wrong.append(f"kept: {_keep(folder, seed)}")
        return outcome


def _run(rig, chance, options, log):
    clock = Clock()
    rig.start()
    clock.tell("start_s")
    kills = killer.Killer(chance, rig.fleet, options.ttl_ms / 1000, log)
    rig.begin()
    kills.run(rig.busy, _ACTIONS_MIN, _ACTIONS_MAX)
    clock.tell("kills_s")
    kills.end()
    rig.fleet.wait_ready()
    rig.finish()
    wrong = kills.wrong + _wait_for_end(rig, options.files) + rig.stop()
    clock.tell("end_s")
    findings, numbers = checker.check(rig.evidence, rig.published)
    numbers.update(kills.counts)
    numbers.update(clock.took)
    return Outcome(findings, wrong, numbers)


def _wait_for_end(rig, results):
    """Waits until all results are there and all jobs are final, whatever there is to judge then."""
    def done():
        if rig.results() < results:
            return False
        jobs = rig.fleet.jobs()
        return bool(jobs) and all(job.state in _FINAL for job in jobs)
    wrong = []
    try:
        process.until(done, _FINISH_S_MAX, "all results")
    except TimeoutError:
        wrong.append(f"not all was done within {_FINISH_S_MAX:g} s")
    return wrong + [f"job {job.id} {job.state}: {job.message}" for job in rig.fleet.jobs()
                    if job.state != "succeeded"]


def _keep(folder, seed):
    """Copies logs, databases and evidence. Returns where they are."""
    kept = tempfile.mkdtemp(prefix=f"kills-failed-{seed}-")
    shutil.copytree(folder, kept, dirs_exist_ok=True, symlinks=True,
                    ignore=shutil.ignore_patterns("sources", "mnt", "sockets", "recorder"))
    return kept
