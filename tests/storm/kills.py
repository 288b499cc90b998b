"""kill -9 of the watcher at random moments of a flood, also inside the commits of its ledger."""

import collections
import math
import os
import random
import subprocess
import time

from hosts import process
from storm import flood, rig as rigs, verdict

_COMPILE_S_MAX = 60.0
_CALL_S_MAX = 3.0  # A call to the ledger that does not come within this is not waited for.
_CALLS_MAX = 3000
_MOMENT_S_MAX = 2.5
_SOURCE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "dies_at_write.c")

# `when` None: after `at` seconds. Otherwise before, half through or after the ledger's call `at`.
Point = collections.namedtuple("Point", "when at")


def points(seed, count):
    """Where the watcher is killed."""
    chance = random.Random(f"kills/{seed}")
    return [_point(chance) for _ in range(count)]


def _point(chance):
    if chance.random() < 0.4:
        return Point(None, chance.uniform(0, chance.choice((0.1, 0.5, _MOMENT_S_MAX))))
    # Early calls, which are those of opening and recovery, as often as late ones.
    return Point(chance.choice(("before", "half", "after")),
                 int(math.exp(chance.uniform(0, math.log(_CALLS_MAX)))))


def library(folder):
    """Compiles the library that kills inside of calls. Returns its path."""
    path = os.path.join(folder, "dies_at_write.so")
    subprocess.run(["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", path, _SOURCE, "-ldl"],
                   check=True, timeout=_COMPILE_S_MAX)
    return path


def killed(folder, seed, size, kills, backend=None):
    """One flood of a flood.Size with `kills` kills; everything lies in `folder`. Returns numbers
    for people; verdict.Wrong."""
    with rigs.Rig(folder, backend) as rig, verdict.kept(rig, f"kills-{seed}"):
        preload = library(folder)
        rig.start_coordinator()
        rig.apply_pipeline()
        started = time.monotonic()
        writers = flood.Flood(rig, seed, size)
        inside = 0
        try:
            for number, point in enumerate(points(seed, kills)):
                done, wanted = (writers.steps * each // kills for each in (number, number + 1))
                inside += _kill_once(rig, point, preload, lambda: writers.let_go(wanted - done))
            writers.finish()
        finally:
            writers.kill()
        took = time.monotonic() - started
        rig.start_watcher()
        return {**verdict.compare(rig), "kills": kills, "inside_calls": inside,
                "kills_s": round(took, 1)}


def _kill_once(rig, point, preload, let_go):
    """Starts the watcher, lets the writers go, and kills it. True when it died inside a call."""
    env = None
    if point.when is not None:
        env = {"LD_PRELOAD": preload, "STORM_DIE_WHEN": point.when, "STORM_DIE_AT": str(point.at)}
    rig.start_watcher(env=env)
    let_go()
    if point.when is None:
        time.sleep(point.at)  # The moment is what is random.
    else:
        try:
            process.until(lambda: not rig.watcher.alive(), _CALL_S_MAX, "its last call")
        except TimeoutError:
            pass  # The ledger had not so much to do.
    inside = not rig.watcher.alive()
    if rig.watcher.kill() != -9:
        raise RuntimeError("the watcher has ended by itself; its log is " + rig.log("watcher"))
    if point.when is None and inside:
        raise RuntimeError("the watcher was dead before it was killed")
    return inside
