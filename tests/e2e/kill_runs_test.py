"""Runs of random kills, judged by what was seen from outside; `tests/campaign kills` and
`tests/campaign tasks` have more."""

import concurrent.futures
import unittest

from e2e import case
from hosts import run_folder
from kills import trial

# More take longer than the rest of the tests together; the campaign has them.
_RUNS = 5
_AT_ONCE = 2  # most of a run is waiting


class KillRunsTest(unittest.TestCase):
    """Each run is a subtest of its own seed."""

    needs_root = True

    def _run(self, store, what="files"):
        seeds = range(case.seed(), case.seed() + _RUNS)
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            problems = list(pool.map(lambda seed: _problem_of(seed, store, what), seeds))
        for seed, problem in zip(seeds, problems):
            with self.subTest(f"{what} {store} seed {seed}"):
                self.assertIsNone(problem)

    def test_sqlite(self):
        self._run("sqlite")

    def test_postgresql(self):
        self._run("postgresql")

    def test_tasks_sqlite(self):
        self._run("sqlite", "tasks")

    def test_tasks_postgresql(self):
        self._run("postgresql", "tasks")


def _problem_of(seed, store, what):
    folder = run_folder.RunFolder("kills")
    try:
        options = trial.options_of(seed, store, what, tls=case.tls())
        return trial.trial(folder.path, seed, options).problem()
    finally:
        folder.close()
