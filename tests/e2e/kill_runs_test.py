"""Runs of random kills, judged by an independent checker; `tests/campaign kills` has more."""

import unittest

from e2e import case
from hosts import run_folder
from kills import trial

# More take longer than the rest of the tests together; the campaign has them.
_RUNS = 5


class KillRunsTest(unittest.TestCase):
    """Each run is a subtest of its own seed."""

    needs_root = True

    def _run(self, store):
        for seed in range(case.seed(), case.seed() + _RUNS):
            with self.subTest(f"{store} seed {seed}"):
                folder = run_folder.RunFolder("kills")
                self.addCleanup(folder.close)
                outcome = trial.trial(folder.path, seed, trial.options_of(seed, store))
                folder.close()
                self.assertIsNone(outcome.problem())

    def test_sqlite(self):
        self._run("sqlite")

    def test_postgresql(self):
        self._run("postgresql")
