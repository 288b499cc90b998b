"""The command line's exit codes and outputs, which people's scripts rely on."""

import json
import os
import time

from e2e import case
from hosts import fleet

_PIPELINES = """
pipelines:
  - name: copy
    on: {{volume: unenriched, match: ["copy/**"]}}
    run: {{command: [cp, "--", "{{input}}", "{{output}}"]}}
    publish: {{volume: enriched}}
  - name: fail
    on: {{volume: unenriched, match: ["fail/**"]}}
    run: {{command: [sh, -c, "echo told; exit 7"]}}
    retry: {{attempts: 1}}
  - name: by-hand
    on: {{volume: unenriched, match: ["nothing-matches-this"]}}
    run: {{command: [sh, -c, "exit 3"]}}
    retry: {{attempts: 1}}
  - name: stuck
    on: {{volume: unenriched, match: ["stuck/**"]}}
    run: {{command: ["true"], labels: [nobody-has-this]}}
  - name: stubborn
    on: {{volume: unenriched, match: ["stubborn/**"]}}
    run:
      command: [flock, -n, -E, "9", "{folder}", sh, -c, "trap : TERM; sleep 60; sleep 60"]
      kill_after: 1s
    locks: [one]
    retry: {{attempts: 1}}
"""


class CommandLineTest(case.FleetCase):
    """One fleet on one machine is enough."""

    needs_root = False
    executors = (("cw-b-1", 2),)
    pipelines = _PIPELINES

    def _write(self, path, content=b"x"):
        case.write(os.path.join(self.home("unenriched"), path), content)

    def _code(self, *args, **options):
        return self.fleet.cli(*args, **options).returncode

    def _job(self, path):
        """The job of a file, once it is there."""
        return self.until(lambda: next((job for job in self.fleet.jobs()
                                        if job.path == path.encode()), None), f"job of {path}")

    def test_wait(self):
        self._write("copy/a")
        self.assertEqual(self._code("wait", "--volume", "enriched", "--match", "copy/a"), 0)
        self.assertEqual(self.read_result(b"copy/a"), b"x")
        begun = time.monotonic()
        self.assertEqual(self._code("wait", "--volume", "enriched", "--match", "never",
                                    "--timeout", "300ms"), 124)
        self.assertLess(time.monotonic() - begun, 20)
        job = self._job("copy/a")
        self.assertEqual(self._code("wait", str(job.id)), 0)

    def test_wait_for_a_job_passes_the_commands_code(self):
        self._write("fail/a")
        self.assertEqual(self._code("wait", str(self._job("fail/a").id)), 7)

    def test_wait_that_times_out_still_prints_the_job(self):
        self._write("stuck/a")
        job = self._job("stuck/a")
        done = self.fleet.cli("wait", str(job.id), "--timeout", "300ms")
        self.assertEqual(done.returncode, 124)
        self.assertIn(str(job.id).encode(), done.stdout + done.stderr)

    def test_run_and_submit(self):
        self._write("other/a")
        self.until(lambda: self.fleet.rows("events"), "the event")
        file = "unenriched:other/a"
        self.assertEqual(self._code("run", "--wait", "--pipeline", "by-hand", file), 3)
        self.assertEqual(self._code("submit", "--pipeline", "no-such", file), 1)
        self.assertEqual(self._code("submit", "--pipeline", "by-hand", "unenriched:none"), 1)

    def test_usage_is_2(self):
        for args in (["no-such-command"], ["jobs", "--no-such-option"], ["job"], ["job", "x"],
                     ["jobs", "--state", "sleeping"], ["jobs", "-o", "xml"],
                     ["explain", "unenriched:../up"], ["wait"]):
            with self.subTest(args=args):
                done = self.fleet.cli(*args)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertTrue(done.stderr)
                self.assertEqual(done.stdout, b"")

    def test_refused_is_1(self):
        for args in (["job", "999999"], ["logs", "999999"], ["cancel", "999999"],
                     ["retry", "999999"], ["pipeline", "delete", "no-such"]):
            with self.subTest(args=args):
                done = self.fleet.cli(*args)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertTrue(done.stderr)

    def test_no_coordinator_is_125(self):
        done = self.hosts.a.run([fleet.program("cli"), "--coordinator", "127.0.0.1:1",
                                 "--connect-timeout", "1s", "jobs"])
        self.assertEqual(done.returncode, 125, done.stderr)
        self.assertIn(b"127.0.0.1:1", done.stderr)

    def test_bad_pipelines_are_refused_whole(self):
        before = self.fleet.rows("pipeline", "list")
        path = os.path.join(self.hosts.a.folder, "bad.yaml")
        good = "  - name: good\n    on: {volume: v, match: [x]}\n    run: {command: [x]}\n"
        for bad, words in ((
                "  - name: b\n    on: {volume: v, match: [x], when: IN_CREATED}\n"
                "    run: {command: [x]}\n", ["IN_CREATED"]), (
                    "  - name: b\n    on: {volume: v, mach: [x]}\n    run: {command: [x]}\n",
                    ["mach", "match", "bad.yaml:"]), (
                        "  - name: b\n    on: {volume: v, match: ['[']}\n"
                        "    run: {command: [x]}\n", ["match"]), (
                            "  - name: b\n    on: {volume: v, match: [x]}\n", ["command"])):
            with self.subTest(bad=bad):
                case.write(path, f"pipelines:\n{good}{bad}".encode())
                done = self.fleet.cli("pipeline", "apply", "-f", path)
                self.assertIn(done.returncode, (1, 2), done.stderr)
                for word in words:
                    self.assertIn(word, done.stderr.decode())
        self.assertEqual(self.fleet.rows("pipeline", "list"), before)

    def test_waiting_job_says_why(self):
        self._write("stuck/a")
        job = self._job("stuck/a")
        self.assertIn("nobody-has-this", job.row["waiting"]["message"])
        self.assertIn("nobody-has-this", self.fleet.must("explain", "unenriched:stuck/a"))
        self.assertEqual(self._code("cancel", str(job.id)), 0)
        self.assertEqual(self._job("stuck/a").state, "cancelled")

    def test_a_cancelled_job_holds_its_lock_until_its_command_is_dead(self):
        self._write("stubborn/a")
        first = self._job("stubborn/a")
        self.until(lambda: self._job("stubborn/a").state == "running", "the first to run")
        self._write("stubborn/b")
        second = self._job("stubborn/b")
        self.assertEqual(second.state, "available")
        self.assertIn(b"cancelling", self.fleet.cli("cancel", str(first.id)).stdout)
        self.until(lambda: self._job("stubborn/b").state != "available", "the second to run")
        self.assertEqual(self._job("stubborn/a").state, "cancelled")
        # The command itself says by exit code 9 that another one holds the lock.
        self.assertEqual(self._code("wait", str(second.id), "--timeout", "2s"), 124)
        self.assertEqual(self._code("cancel", str(second.id)), 0)

    def test_logs_and_retry(self):
        self._write("fail/a")
        job = self.finished_jobs(1)[0]
        self.assertEqual((job.state, job.row["exit_code"]), ("failed", 7))
        self.assertEqual(self.fleet.cli("logs", str(job.id)).stdout, b"told\n")
        self.assertEqual(self.fleet.cli("logs", "-f", str(job.id)).stdout, b"told\n")
        self.assertEqual(self._code("retry", str(job.id)), 0)
        self.until(lambda: self._job("fail/a").token == 2, "the second attempt")
        again = self.finished_jobs(1)[0]
        self.assertEqual((again.state, again.token), ("failed", 2))

    def test_each_program_says_its_version_and_commit(self):
        for program in ("cli", "coordinator", "watcher", "executor", "portal"):
            with self.subTest(program):
                said = self.hosts.a.check([fleet.program(program), "--version"]).decode()
                self.assertRegex(said, r"^closewrite(-[a-z]+)? \d+\.\d+\.\d+ "
                                       r"\(commit ([0-9a-f]{12}\+?|unknown)\)\n$")

    def test_output_is_for_programs_when_asked(self):
        self._write("copy/a")
        self.finished_jobs(1)
        for args in (["jobs"], ["events"], ["executors"], ["watchers"], ["pipeline", "list"],
                     ["version"]):
            with self.subTest(args=args):
                done = self.fleet.cli(*args, "-o", "json")
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                for line in done.stdout.splitlines():
                    self.assertIsInstance(json.loads(line), dict)
                self.assertTrue(done.stdout)
                self.assertNotIn(b"\x1b", self.fleet.cli(*args).stdout)
