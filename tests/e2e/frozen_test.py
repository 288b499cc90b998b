"""An executor that was frozen past its lease is too late: its command dies unpublished."""

import os

from e2e import case

_LEASE_LOST_S_MAX = 60.0
_KILLED_S_MAX = 30.0


class FrozenTest(case.HostsCase):
    """Two executors; the one that gets the job first is frozen."""

    def setUp(self):
        super().setUp()
        self.fleet.add_executor(self.hosts.b, "cw-b-first", slots=1)
        self.fleet.start()
        # Each attempt says that it has begun, and ends when its own token is released.
        self.fleet.apply(f"""
pipelines:
  - name: slow
    on: {{volume: unenriched, match: ["**"]}}
    run:
      command: ["{self.script('patient.sh')}", "{{output}}", "{{token}}", "{self.folder}"]
      kill_after: 1s
    publish: {{volume: enriched}}
    retry: {{attempts: 5, backoff: 100ms}}
""")

    def _release(self, token):
        case.write(os.path.join(self.folder, f"release-{token}"), b"")

    def _begun(self, token):
        return os.path.exists(os.path.join(self.folder, f"begun-{token}"))

    def _commands(self, token):
        """Living commands of the attempt with this token."""
        return [pid for pid, words in self.hosts.b.processes()
                if any(word.endswith(b"patient.sh") for word in words[:2])
                and str(token).encode() in words]

    def _freeze_and_overtake(self):
        """The first executor is frozen with attempt 1; attempt 2 runs on the second."""
        case.write(os.path.join(self.home("unenriched"), "file"), b"x")
        self.until(lambda: self._begun(1), "the first attempt")
        self.assertTrue(self._commands(1))
        frozen = self.fleet.executors["cw-b-first"].process
        frozen.freeze()
        self.fleet.add_executor(self.hosts.b, "cw-b-second", slots=1).start()
        self.until(lambda: self._begun(2), "the second attempt", _LEASE_LOST_S_MAX)
        return frozen

    def _published(self):
        self.finished_jobs(1)
        status = os.stat(os.path.join(self.home("enriched"), "file"))
        self.assertEqual(self.read_result(b"file"), b"by token 2\n")
        return status.st_ino, status.st_mtime_ns

    def _check_nothing_more(self, version):
        """What was published stays, and the job tells of one success."""
        self.until(lambda: not self._commands(1), "the frozen executor's command to be dead",
                   _KILLED_S_MAX)
        # The thawed executor works again: it takes the next job, so it has been heard and answered.
        self.fleet.executors["cw-b-second"].stop()
        self.fleet.executors.pop("cw-b-second")
        case.write(os.path.join(self.home("unenriched"), "next"), b"y")
        for token in range(1, 8):
            self._release(token)
        jobs = self.finished_jobs(2, _LEASE_LOST_S_MAX)
        self.assertEqual({job.state for job in jobs}, {"succeeded"})
        status = os.stat(os.path.join(self.home("enriched"), "file"))
        self.assertEqual((status.st_ino, status.st_mtime_ns), version)
        self.assertEqual(self.read_result(b"file"), b"by token 2\n")
        self.assertEqual(self.results(), [b"file", b"next"])

    def test_thawed_while_its_command_would_still_run(self):
        frozen = self._freeze_and_overtake()
        self._release(2)
        version = self._published()
        frozen.thaw()
        self._check_nothing_more(version)

    def test_thawed_before_the_second_attempt_ends(self):
        frozen = self._freeze_and_overtake()
        frozen.thaw()
        self.until(lambda: not self._commands(1), "the frozen executor's command to be dead",
                   _KILLED_S_MAX)
        self.assertEqual(self.results(), [])
        self._release(2)
        self._check_nothing_more(self._published())

    def test_its_command_ends_while_it_is_frozen(self):
        frozen = self._freeze_and_overtake()
        self._release(1)
        self.until(lambda: not self._commands(1), "the first command to end", _KILLED_S_MAX)
        frozen.thaw()
        self._release(2)
        self._check_nothing_more(self._published())
