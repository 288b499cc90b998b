"""A copy of the store that is made while the coordinator works, and what becomes of it."""

import os

from e2e import case
from hosts import fleet


class BackupTest(case.FleetCase):
    """One coordinator on SQLite."""

    needs_root = False
    pipelines = """
pipelines:
  - name: copy
    on: {{volume: unenriched, match: ["**"]}}
    run: {{command: [cp, "{{input}}", "{{output}}"]}}
    publish: {{volume: enriched}}
"""

    def _write(self, names):
        for name in names:
            case.write(os.path.join(self.home("unenriched"), name), name.encode())

    def _back_up(self, coordinator, copy):
        return coordinator.host.run([fleet.program("coordinator"), "--config", coordinator.config,
                                     "--backup", copy])

    def test_the_copy_is_a_store_like_any_other(self):
        """It has what was committed when it was made, and work goes on with it."""
        coordinator = self.fleet.coordinators[0]
        store = os.path.join(coordinator.folder, "closewrite.db")
        copy = os.path.join(coordinator.folder, "copy.db")
        self._write([f"early {number}" for number in range(20)])
        early = self.finished_jobs(20)
        self._write([f"late {number}" for number in range(20)])
        done = self._back_up(coordinator, copy)
        self.assertEqual(done.returncode, 0, done.stderr)
        again = self._back_up(coordinator, copy)
        self.assertEqual(again.returncode, 125)
        self.assertIn(b"choose another name", again.stderr)
        self.finished_jobs(40)
        coordinator.kill()
        for name in (store, store + "-wal", store + "-shm"):
            if os.path.exists(name):
                os.remove(name)
        os.rename(copy, store)
        coordinator.start()
        self.fleet.wait_ready()
        known = {job.id: job for job in self.fleet.jobs()}
        for job in early:
            self.assertEqual(known[job.id], job)
        # Those that came since are not known, nor are their numbers given again.
        self._write(["after"])
        self.until(lambda: b"after" in self.results(), "work goes on")
