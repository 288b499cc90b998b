"""A rolling update: services of two versions side by side, and no job notices.

CLOSEWRITE_OLD_PROGRAMS names a folder with the programs of the version before; without it both are
the same, and what is tested is that each service can be exchanged while all others work. `tests/
campaign upgrade` builds those of an earlier commit.
"""

import os

from e2e import case, coordinators_test, kills_test

_FILES_A_STEP = 12
_FINISH_S_MAX = 240.0
_LONG = b"long/job"


class RollingUpdateTest(case.FleetCase):
    """In the order that docs/upgrading.md has: coordinators, watchers, executors."""

    store = "postgresql"
    coordinators = 3
    session_ttl = "60s"
    # What runs is left to the next executor; a way to say so that earlier versions know, too.
    executor_settings = ("drain_timeout: 0s",)
    programs = os.environ.get("CLOSEWRITE_OLD_PROGRAMS")
    pipelines = """
pipelines:
  - name: transform
    on: {{volume: unenriched, match: ["**"], ignore: ["long/**"]}}
    run: {{command: ["{scripts}/transform.py", "{{input}}", "{{output}}", "0.5"]}}
    publish: {{volume: enriched}}
    retry: {{attempts: 1}}
  - name: long
    on: {{volume: unenriched, match: ["long/**"]}}
    run: {{command: [sh, -c, 'echo $$ >> "$3"; until [ -e "$2" ]; do sleep 0.1; done; cp "$1" "$4"',
                     sh, "{{input}}", "{folder}/release", "{folder}/started", "{{output}}"]}}
    publish: {{volume: enriched}}
    retry: {{attempts: 1}}
"""

    def setUp(self):
        super().setUp()
        self.load = coordinators_test.Load(self, self.run_folder.make("sources"))
        self.old_versions = self._versions()

    def _versions(self):
        """What programs say of themselves, by service; the commit is theirs, too."""
        return {service.name: service.host.check(
            [service.program(), "--version"]).decode() for service in self.fleet.services()}

    def _step(self):
        """Files have come, and have become results, since the step before."""
        files, results = self.load.count, len(self.results())
        self.until(lambda: self.load.count >= files + _FILES_A_STEP or not self.load.is_alive(),
                   "more files")
        self.assertTrue(self.load.is_alive())
        self.until(lambda: len(self.results()) > results, "more results", _FINISH_S_MAX)

    def _long_job(self):
        return next(job for job in self.fleet.jobs() if job.pipeline == "long")

    def test_a_job_lives_through_the_update_of_everything(self):
        """It runs once, and so does each of the others."""
        case.write(os.path.join(os.fsencode(self.home("unenriched")), _LONG), b"content")
        started = os.path.join(self.folder, "started")
        self.until(lambda: os.path.exists(started), "the long job runs")
        self.load.start()
        self.addCleanup(self.load.finish)
        for service in self.fleet.services():
            with self.subTest(service.name):
                self.assertEqual(service.stop(), 0)
                service.programs = None
                service.start()
                self.fleet.wait_ready()
                self._step()
        self.assertEqual(self._long_job().state, "running")
        case.write(os.path.join(self.folder, "release"), b"")
        self.load.finish()
        jobs = self.finished_jobs(self.load.count + 1, _FINISH_S_MAX)
        self.assertEqual({(job.state, job.row["attempts"]) for job in jobs}, {("succeeded", 1)})
        self.assertEqual(len(case.read(started).split()), 1, "the long command began once")
        monitor = kills_test.Monitor(self.home("enriched"),
                                     {**self.load.expected, _LONG: b"content"})
        monitor.look()
        self.assertEqual(monitor.problems, [])
        self.assertEqual(self.results(), sorted([*self.load.expected, _LONG]))
        print(f"-- updated: {sorted(set(self.old_versions.values()))} to "
              f"{sorted(set(self._versions().values()))}", flush=True)
