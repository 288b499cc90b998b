"""Floods of files while the watcher is stopped again and again, with short kernel queues."""

import math
import random
import time

from storm import flood, rig as rigs, verdict

_STOPPED_S_MAX = 3.0
_RUNNING_S_MAX = 1.0


def storm(folder, seed, size, queued_events_max, slices=24, backend=None):
    """One storm of a flood.Size; everything lies in `folder`. The writers' steps are let go in
    `slices` parts. Returns numbers for people; verdict.Wrong."""
    chance = random.Random(seed)
    with rigs.Rig(folder, backend) as rig, verdict.kept(rig, f"storm-{seed}"):
        rig.start_coordinator()
        rig.apply_pipeline()
        rig.start_watcher(queued_events_max)
        rig.until_live()
        started = time.monotonic()
        writers = flood.Flood(rig, seed, size)
        try:
            stopped = _blow(chance, rig, writers, slices)
        finally:
            writers.kill()
        took = time.monotonic() - started
        return {**verdict.compare(rig), "storm_s": round(took, 1), "stopped_s": round(stopped, 1)}


def _blow(chance, rig, writers, slices):
    """Lets the writers go while the watcher runs, and while it is stopped. Returns how long it was
    stopped. What is random are the moments; nothing is waited for."""
    stopped = 0.0
    weights = [chance.random() ** 4 for _ in range(slices)]  # Mostly small, some large.
    for weight in weights:
        writers.let_go(math.ceil(writers.steps * weight / sum(weights)))
        pause = chance.uniform(0, _STOPPED_S_MAX)
        if weight == max(weights):
            pause = _STOPPED_S_MAX  # So that the kernel's own limit is reached as well.
        if chance.random() < 0.5 or pause == _STOPPED_S_MAX:
            rig.watcher.freeze()
            time.sleep(pause)
            rig.watcher.thaw()
            stopped += pause
        time.sleep(chance.uniform(0, _RUNNING_S_MAX))
    writers.finish()
    return stopped
