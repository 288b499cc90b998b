"""Coordinators come and go under load, and nobody notices: neither a file nor a running job.

With PostgreSQL there are three of them, and the database is killed as well. The same test is passed
by one coordinator with SQLite.
"""

import hashlib
import os
import random
import threading

from e2e import case, kills_test, transform

_BYTES_MAX = 50_000
_FILES_A_STEP = 12
_TERMINATIONS = 6
_FINISH_S_MAX = 240.0


class Load(threading.Thread):
    """Files come, in all ways, until it is told to end."""

    def __init__(self, test, sources):
        super().__init__(daemon=True)
        self._test = test
        self._sources = sources
        self._chance = random.Random(f"load/{test.seed}")
        self._ended = threading.Event()
        self.count = 0
        self.expected = {}  # path of the result: content

    def run(self):
        ways = sorted(kills_test.WAYS)
        mount = self._test.hosts.path(self._test.hosts.a, "unenriched")
        while not self._ended.is_set():
            size = self._chance.randrange(_BYTES_MAX)
            content = self._chance.randbytes(size)
            way = ways[self.count % len(ways)]
            name = f"{hashlib.sha256(content).hexdigest()[:16]}-{way}-{self.count}"
            source = os.path.join(self._sources, name)
            case.write(source, content)
            path = f"{way}/{name}"
            self.expected[path.encode()] = transform.transformed(content)
            self._test.hosts.a.check(
                ["sh", "-c", 'mkdir -p "${2%/*}" && ' + kills_test.WAYS[way], "sh", source,
                 os.path.join(mount, path), str(size)])
            self.count += 1

    def finish(self):
        """Ends it."""
        self._ended.set()
        self.join()


class OneCoordinatorTest(case.FleetCase):
    """SQLite."""

    # No executor dies here, so nothing has to be noticed by silence; and a lease outlives whatever
    # happens to the coordinators, on a busy machine too.
    session_ttl = "60s"
    pipelines = """
pipelines:
  - name: transform
    on: {{volume: unenriched, match: ["**"]}}
    run: {{command: ["{scripts}/transform.py", "{{input}}", "{{output}}", "0.5"]}}
    publish: {{volume: enriched}}
    retry: {{attempts: 1}}
"""

    def setUp(self):
        super().setUp()
        self.load = Load(self, self.run_folder.make("sources"))

    def _step(self):
        """Under load means that files have come, and have become results, since the step before."""
        files, results = self.load.count, len(self.results())
        self.until(lambda: self.load.count >= files + _FILES_A_STEP or not self.load.is_alive(),
                   "more files")
        self.assertTrue(self.load.is_alive())
        self.until(lambda: len(self.results()) > results, "more results")

    def _until_whole(self):
        """Each coordinator knows of the whole fleet."""
        known = []
        def whole():
            known[:] = [self._fleet_of(each) for each in self.fleet.coordinators]
            return all(each == ({"cw-b-1", "cw-b-2"}, {"enriched", "unenriched"})
                       for each in known)
        try:
            self.until(whole, "every coordinator knows the whole fleet", _FINISH_S_MAX)
        except TimeoutError:
            self.fail(f"what each coordinator knows of the fleet: {known}")

    def _fleet_of(self, coordinator):
        """(names of executors, live volumes) that are connected, as one coordinator has it."""
        executors = {row["name"] for row in self.fleet.rows("executors", ask=coordinator)
                     if row["connected"]}
        volumes = {volume["volume"] for row in self.fleet.rows("watchers", ask=coordinator)
                   if row["connected"] for volume in row["volumes"] if volume["state"] == "live"}
        return executors, volumes

    def _roll(self):
        """SIGTERM, one after the other."""
        for coordinator in self.fleet.coordinators:
            self.assertEqual(coordinator.stop(), 0)
            self._step_without(coordinator)
            coordinator.start()
            self._until_whole()
            self._step()

    def _step_without(self, coordinator):
        """The others, if there are, do the work alone meanwhile."""
        if len(self.fleet.coordinators) > 1:
            self.assertFalse(coordinator.process.alive())
            self._step()

    def _kill(self):
        for coordinator in self.fleet.coordinators:
            coordinator.kill()
            self._step_without(coordinator)
            coordinator.start()
            self._until_whole()
            self._step()

    def _break_database(self):
        for kill in (False, True, False):
            if kill:
                self.fleet.postgres.restart()
            else:
                for _ in range(_TERMINATIONS):
                    self.fleet.postgres.terminate_backends(self.random)
            self._until_whole()
            self._step()

    def _stop_without_database(self):
        """Calls wait for commits that cannot be: nobody waits for those in vain for long."""
        self.fleet.postgres.kill()
        # The watcher's events wait by now, and reports of running attempts.
        files = self.load.count
        self.until(lambda: self.load.count >= files + _FILES_A_STEP, "more files")
        for coordinator in self.fleet.coordinators:
            self.assertEqual(coordinator.stop(), 0)
        self.fleet.postgres.start()
        self.fleet.postgres.wait_ready()
        for coordinator in self.fleet.coordinators:
            coordinator.start()
        self._until_whole()
        self._step()

    def test_every_result_once(self):
        """A rolling restart, kills, and what can happen to a database."""
        monitor = kills_test.Monitor(self.home("enriched"), self.load.expected)
        monitor.start()
        self.addCleanup(monitor.finish)
        self.load.start()
        self.addCleanup(self.load.finish)
        self._step()
        self._roll()
        self._kill()
        if self.fleet.postgres is not None:
            self._break_database()
            self._stop_without_database()
        self.load.finish()
        jobs = self.finished_jobs(self.load.count, _FINISH_S_MAX)
        monitor.finish()
        self.assertEqual(monitor.problems, [])
        self.assertEqual(self.results(), sorted(self.load.expected))
        for path, content in self.load.expected.items():
            self.assertEqual(self.read_result(path), content, path)
        self.assertEqual(sorted(job.path for job in jobs), sorted(self.load.expected))
        self.assertEqual({job.state for job in jobs}, {"succeeded"})
        self._check_one_view(jobs)
        for service in [*self.fleet.watchers.values(), *self.fleet.executors.values()]:
            self.assertTrue(service.process.alive(), service.name)
            self.assertEqual(service.stop(), 0, service.name)

    def _check_one_view(self, jobs):
        """Whoever is asked says the same."""
        self._until_whole()
        for coordinator in self.fleet.coordinators:
            rows = self.fleet.rows("jobs", "--limit", "0", ask=coordinator)
            self.assertEqual(sorted(int(row["id"]) for row in rows), sorted(job.id for job in jobs))
            # One attempt of each: no running job has noticed anything.
            self.assertEqual({(row["state"], row["attempts"]) for row in rows}, {("succeeded", 1)})


class ThreeCoordinatorsTest(OneCoordinatorTest):
    """The same with one PostgreSQL."""

    store = "postgresql"
    coordinators = 3
