"""Programs outside of the fleet that take a lock by `closewrite lock run`, and are killed."""

import os
import random

# Jobs have smaller numbers: the journals' `job` of a program.
_NUMBER_MIN = 1_000_000
_UNTOUCHED_S_MAX = 0.5
_END_S_MAX = 120.0
_LOST = 125  # exit code of `lock run` that lost the lock, or never had it


class Programs:
    """One after the other on a host, each with the same command as the jobs'. Runs in a thread."""

    def __init__(self, rig, on, number, seed, ttl_s):
        self._rig = rig
        self._host = on
        self._number = _NUMBER_MIN * (number + 1)
        self._chance = random.Random(seed)
        self._ttl_s = ttl_s
        self.counts = {"programs": 0, "programs_killed": 0, "programs_frozen": 0}
        self.wrong = []

    def run(self, busy, sources, paths):
        """Goes on while busy(); `paths` below `sources` are what they work on."""
        while busy():
            self._number += 1
            self.counts["programs"] += 1
            self._one(os.path.join(sources, self._chance.choice(paths)))

    def _one(self, source):
        log = os.path.join(self._rig.folder, f"program-{self._number}.log")
        name = os.path.basename(source)
        facts = {"JOB": self._number, "ATTEMPT": 1, "INPUT": source, "OUTPUT": "/dev/null",
                 "NAME": name, "PATH": f"program/{name}"}
        # The token is the lock's.
        started = self._host.spawn(
            self._rig.fleet.command(
                "lock", "run", "picky", "--", "/usr/bin/env",
                *(f"CLOSEWRITE_{key}={value}" for key, value in facts.items()),
                "KILLS_EXECUTOR=program", self._rig.command, self._rig.evidence, "100", "picky",
                role="program"), log)
        what = self._chance.choice(("nothing", "nothing", "kill", "freeze"))
        if what != "nothing":
            try:
                started.wait(self._chance.uniform(0, _UNTOUCHED_S_MAX))
            except TimeoutError:
                pass
        if what == "kill" and started.alive():
            self.counts["programs_killed"] += 1
            started.kill()
            return
        if what == "freeze" and started.alive():
            self.counts["programs_frozen"] += 1
            started.freeze()
            self._rig.pause(self._chance.uniform(1.0, 2.0) * self._ttl_s)
            started.thaw()
        code = started.wait(_END_S_MAX)
        if code not in (0, _LOST):
            said = started.read_log()[-500:].decode(errors="replace")
            self.wrong.append(f"program {self._number} ended with {code}: {said}")
