"""Runs of random kills, judged by what was seen from outside; `tests/campaign kills` and
`tests/campaign tasks` have more."""

import unittest

from e2e import case
from hosts import run_folder
from kills import trial

# More take longer than the rest of the tests together; the campaign has them.
_RUNS = 5


class KillRunsTest(unittest.TestCase):
    """Each run is a subtest of its own seed."""

    needs_root = True

    def _run(self, store, what="files"):
        for seed in range(case.seed(), case.seed() + _RUNS):
            with self.subTest(f"{what} {store} seed {seed}"):
                folder = run_folder.RunFolder("kills")
                self.addCleanup(folder.close)
                outcome = trial.trial(folder.path, seed, trial.options_of(seed, store, what))
                folder.close()
                self.assertIsNone(outcome.problem())

    def test_sqlite(self):
        self._run("sqlite")

    def test_postgresql(self):
        self._run("postgresql")

    def test_tasks_sqlite(self):
        self._run("sqlite", "tasks")

    def test_tasks_postgresql(self):
        self._run("postgresql", "tasks")
