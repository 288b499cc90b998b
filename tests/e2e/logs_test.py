"""What commands print: kept by the coordinator, whatever it is and however much."""

import json
import os
import re

from bench import measure
from e2e import case, chatter

_PIPELINES = """
pipelines:
  - name: talk
    on: {{volume: unenriched, match: ["talk/**"]}}
    run: {{command: [sh, -c, "echo out 1; sleep 0.2; echo err 1 >&2; sleep 0.2; echo out 2"]}}
  - name: break
    on: {{volume: unenriched, match: ["break/**"]}}
    run: {{command: [sh, -c, "echo attempt $CLOSEWRITE_ATTEMPT; exit $((2 - CLOSEWRITE_ATTEMPT))"]}}
    retry: {{attempts: 2, backoff: 100ms}}
  - name: chatter-32
    on: {{volume: unenriched, match: ["chatter/32"]}}
    run: {{command: ["{scripts}/chatter.py", "32"]}}
    retry: {{attempts: 1}}
  - name: chatter-300
    on: {{volume: unenriched, match: ["chatter/300"]}}
    run: {{command: ["{scripts}/chatter.py", "300"]}}
    retry: {{attempts: 1}}
  - name: slow
    on: {{volume: unenriched, match: ["slow/**"]}}
    run:
      command: [sh, -c, "echo first; while ! [ -e {folder}/go ]; do sleep 0.1; done; echo last"]
"""
_MIB = 1024 * 1024
_KEPT_BYTES_MAX = 4 * _MIB + 3 * 256 * 1024
_RESIDENT_BYTES_MAX = 300 * _MIB
_LEFT_OUT = re.compile(rb"^\[\d+ bytes left out\]$", re.MULTILINE)


class LogsTest(case.FleetCase):
    """One executor; logs of 4 MiB at most."""

    needs_root = False
    executors = (("cw-b-1", 2),)
    pipelines = _PIPELINES
    coordinator_settings = ("logs: {attempt_max: 4MiB, total_max: 64MiB, retention: 1h}",)
    metrics = True

    def _run(self, path, state="succeeded"):
        """Writes a file; returns its job when that is finished."""
        case.write(os.path.join(self.home("unenriched"), path), b"x")
        return self.until(lambda: next((job for job in self.fleet.jobs()
                                        if job.path == path.encode() and job.state == state),
                                       None), f"{path} {state}", 300)

    def _logs(self, *args):
        done = self.fleet.cli("logs", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_attempts_have_logs_of_their_own(self):
        job = str(self._run("break/a").id)
        self.assertEqual(self._logs(job, "--attempt", "1"), b"attempt 1\n")
        self.assertEqual(self._logs(job), b"attempt 2\n")
        self.fleet.executors["cw-b-1"].kill()
        self.fleet.coordinator.restart()
        self.until(lambda: self.fleet.cli("logs", job).returncode == 0, "the coordinator")
        self.assertEqual(self._logs(job, "--attempt", "1"), b"attempt 1\n")

    def test_streams_are_told_apart(self):
        job = str(self._run("talk/a").id)
        self.assertEqual(self._logs(job, "--stdout"), b"out 1\nout 2\n")
        self.assertEqual(self._logs(job, "--stderr"), b"err 1\n")
        self.assertEqual(self._logs(job, "--stdout", "--tail", "1"), b"out 2\n")
        self.assertEqual(self._logs(job), b"out 1\nerr 1\nout 2\n")

    def test_lines_know_their_time(self):
        job = str(self._run("talk/a").id)
        rows = [json.loads(line) for line in self._logs(job, "-o", "json").splitlines()]
        self.assertEqual(sorted(row["text"] for row in rows), ["err 1", "out 1", "out 2"])
        times = {row["text"]: row["time"] for row in rows}
        self.assertLess(times["out 1"], times["out 2"])
        stamped = self._logs(job, "--timestamps").splitlines()
        self.assertRegex(stamped[0].decode(),
                         r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d) out 1$")

    def test_a_follow_shows_what_is_printed_and_ends_with_the_job(self):
        case.write(os.path.join(self.home("unenriched"), "slow/a"), b"x")
        job = self.until(lambda: next(iter(self.fleet.jobs()), None), "the job")
        log = os.path.join(self.folder, "followed")
        reader = self.hosts.b.spawn(self.fleet.command("logs", "-f", str(job.id)), log)
        self.until(lambda: case.read(log) == b"first\n", "the first line on another host")
        case.write(os.path.join(self.folder, "go"), b"")
        self.until(lambda: not reader.alive(), "the end of the log")
        self.assertEqual(reader.exit_code(), 0)
        self.assertEqual(case.read(log), b"first\nlast\n")

    def test_of_a_long_log_head_and_tail_are_kept(self):
        lines = 32 * _MIB // 1000
        job = str(self._run("chatter/32").id)
        log = self._logs(job)
        self.assertLess(len(log), _KEPT_BYTES_MAX)
        self.assertEqual(len(_LEFT_OUT.findall(log)), 1)
        head, _, tail = log.partition(_LEFT_OUT.search(log).group())
        self.assertGreater(len(head), _MIB // 4)
        self.assertGreater(len(tail), 3 * _MIB)
        self.assertTrue(log.startswith(chatter.line(1)) or log.startswith(chatter.line(0)))
        # The last ones, without a gap, byte by byte. Lines of one stream may split another's.
        outputs = (self._logs(job, "--stderr"), self._logs(job, "--stdout"))
        for number in range(lines - 1000, lines):
            self.assertIn(chatter.line(number), outputs[number % 3 > 0])

    def test_a_huge_log_hurts_nobody(self):
        job = str(self._run("chatter/300").id)
        log = self._logs(job)
        self.assertLess(len(log), _KEPT_BYTES_MAX)
        self.assertRegex(log[:100], rb"^line [01] ")
        self.assertTrue(_LEFT_OUT.search(log))
        _, most = measure.resident_bytes(self.fleet.coordinator.process.pid)
        self.assertLess(most, _RESIDENT_BYTES_MAX)
        # What is looked after is packed.
        self.until(lambda: 0 < self.numbers()["closewrite_coordinator_log_stored_bytes"]
                   < 3 * _MIB, "the log is packed")
        numbers = self.numbers()
        self.assertLess(numbers["closewrite_coordinator_log_rows"], 64)
        # The rest was left out on the way: a pipe waits for nobody.
        self.assertGreater(numbers["closewrite_coordinator_log_left_out_bytes_total"], 20 * _MIB)
        # Packing changes no byte; what was over the bound by less than a cut may be cut now.
        packed = self._logs(job)
        head = _LEFT_OUT.search(log).start()
        self.assertEqual(packed[:head], log[:head])
        self.assertEqual(packed[-3 * _MIB:], log[-3 * _MIB:])
        self.assertLessEqual(len(packed), len(log))
