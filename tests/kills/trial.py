"""One run: files come or tasks run, everything is killed at random, then the run is judged."""

import collections
import os
import random
import shutil
import tempfile
import time

from kills import killer, rig, task_rig

_ACTIONS_MIN = 15
_ACTIONS_MAX = 30
_TTL_MS = (1000, 1500, 2000, 3000)
_RIGS = {"files": rig.Rig, "tasks": task_rig.TaskRig}

# `what`: `files` or `tasks`. `namespaced`: two real hosts, which needs root; None: where possible.
# `tls`: everybody has a certificate.
Options = collections.namedtuple(
    "Options", "what store coordinators files sshfs namespaced tls ttl_ms")


def options_of(seed, store, what="files", files=80, sshfs=False, namespaced=None, tls=False):
    """The Options of the run with this seed."""
    return Options(what, store, 3 if store == "postgresql" else 1, files, sshfs, namespaced, tls,
                   random.Random(f"ttl/{seed}").choice(_TTL_MS))


def kinds_of(what):
    """Kind of a finding: what it means, for people."""
    return _RIGS[what].kinds


class Outcome:
    """Of one run: `findings` of the checker, `wrong` that the run itself has met, `numbers`."""

    def __init__(self, kinds, findings, wrong, numbers):
        self._kinds = kinds
        self.findings = findings
        self.wrong = wrong
        self.numbers = numbers
        self.kept = None  # a copy of everything

    def problem(self):
        """Lines for people; None when all is well."""
        lines = [f"{self._kinds[each.kind]}: {each.text}" for each in self.findings] + self.wrong
        if lines and self.kept:
            lines.append(f"kept: {self.kept}")
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
    started = time.monotonic()
    with _RIGS[options.what](folder, chance, options) as rigged, open(
            os.path.join(rigged.evidence, "actions"), "w", encoding="ascii") as log:
        try:
            outcome = _run(rigged, chance, options, log)
        except Exception as error:  # pylint: disable=broad-except
            outcome = Outcome({}, [], [f"{type(error).__name__}: {error}"], {})
        outcome.numbers["seconds"] = round(time.monotonic() - started, 1)
        if outcome.problem():
            outcome.kept = _keep(folder, seed)
        return outcome


def _run(rigged, chance, options, log):
    clock = Clock()
    rigged.start()
    clock.tell("start_s")
    kills = killer.Killer(chance, rigged.fleet, options.ttl_ms / 1000, log)
    rigged.begin()
    kills.run(rigged.busy, _ACTIONS_MIN, _ACTIONS_MAX)
    clock.tell("kills_s")
    kills.end()
    rigged.fleet.wait_ready()
    wrong = kills.wrong + rigged.finish() + rigged.stop()
    clock.tell("end_s")
    findings, numbers = rigged.check()
    numbers.update(kills.counts)
    numbers.update(clock.took)
    return Outcome(rigged.kinds, findings, wrong, numbers)


def _keep(folder, seed):
    """Copies logs, databases and evidence. Returns where they are."""
    kept = tempfile.mkdtemp(prefix=f"kills-failed-{seed}-")
    shutil.copytree(folder, kept, dirs_exist_ok=True, symlinks=True,
                    ignore=shutil.ignore_patterns("sources", "mnt", "sockets", "recorder"))
    return kept
