"""The command line on a terminal: progress bar, Ctrl-C and attaching again, the live screen."""

import os
import time

from e2e import case, terminal

_PIPELINES = """
pipelines:
  - name: steps
    on: {{volume: unenriched, match: ["steps/**"]}}
    run:
      command:
        - sh
        - -c
        - |
          for step in 1 2 3 4 5 6 7 8; do
            echo "::closewrite progress $step 8 rows"
            sleep 0.25
          done
          cp "$0" "$1"
        - "{{input}}"
        - "{{output}}"
    publish: {{volume: enriched}}
  - name: waits
    on: {{volume: unenriched, match: ["waits/**"]}}
    run:
      command: [sh, -c, "while ! test -e {folder}/go; do sleep 0.05; done; cp \\"$0\\" \\"$1\\"",
                "{{input}}", "{{output}}"]
    publish: {{volume: enriched}}
    locks: [picky-api]
  - name: by-hand
    on: {{volume: unenriched, match: ["none"]}}
    run: {{command: [sleep, "60"]}}
  - name: fails
    on: {{volume: unenriched, match: ["fails/**"]}}
    run: {{command: [sh, -c, "echo no such column >&2; exit 3"]}}
    retry: {{attempts: 1}}
"""

_ATTACH = r"Attach again: closewrite (?:--(?:coordinator|tls) \S+ )*wait (\d+)"


class TerminalTest(case.FleetCase):
    """One fleet on one machine, and somebody at a keyboard."""

    needs_root = False
    executors = (("cw-b-1", 4),)
    pipelines = _PIPELINES

    def _write(self, path):
        case.write(os.path.join(self.home("unenriched"), path), b"x")
        self.until(lambda: any(job.path == path.encode() for job in self.fleet.jobs()),
                   f"job of {path}")

    def _start(self, *args, **size):
        shown = terminal.Terminal(self.at_keyboard(self.fleet.command(*args)), **size)
        self.addCleanup(shown.close)
        return shown

    def _settle(self):
        """Nothing that can be seen tells that a quiet wait has begun."""
        time.sleep(0.5)

    def test_a_progress_bar_and_the_name_of_the_result(self):
        self._write("steps/a")
        shown = self._start("run", "--wait", "unenriched:steps/a")
        shown.expect(r"\d/8 rows")
        shown.expect(r"\[#+\.*\]")
        self.assertEqual(shown.wait(), 0)
        self.assertIn("enriched:steps/a", shown.text)

    def test_ctrl_c_detaches_and_says_how_to_attach_again(self):
        self._write("waits/a")
        first = self._start("run", "--wait", "unenriched:waits/a")
        self._settle()
        first.type("\x03")
        again = first.expect(_ATTACH)
        self.assertEqual(first.wait(), 130)
        second = self._start("wait", again.group(1))
        # A restart of the coordinator is not noticed.
        self.fleet.coordinators[0].restart()
        case.write(os.path.join(self.folder, "go"), b"")
        self.assertEqual(second.wait(), 0)
        self.assertNotIn("error", second.text.lower())

    def test_a_second_ctrl_c_cancels(self):
        case.write(os.path.join(self.home("unenriched"), "b"), b"x")
        self.until(lambda: self.fleet.rows("events"), "the event")
        shown = self._start("run", "--wait", "--pipeline", "by-hand", "unenriched:b")
        self.until(self.fleet.jobs, "its job")
        self._settle()
        shown.type("\x03")
        shown.expect(_ATTACH)
        shown.type("\x03")
        self.assertEqual(shown.wait(), 130)
        self.until(lambda: [job.state for job in self.fleet.jobs()] == ["cancelled"],
                   "the job is cancelled")

    def test_top(self):
        self._write("waits/c")
        self._write("fails/d")
        self.until(
            lambda: any(job.state == "failed" for job in self.fleet.jobs()), "the failure")
        shown = self._start("top", columns=100, rows=30)
        for words in ("waits", "picky-api", "cw-b-1", "fails/d"):
            shown.expect(words)
        self.assertIn(b"\x1b[?1049h", shown.raw)
        shown.resize(60, 15)
        self.fleet.coordinators[0].restart()
        shown.type("q")
        self.assertEqual(shown.wait(), 0)
        # The screen of before is there again, and the cursor.
        self.assertGreater(shown.raw.rfind(b"\x1b[?1049l"), shown.raw.rfind(b"\x1b[?1049h"))
        self.assertGreater(shown.raw.rfind(b"\x1b[?25h"), shown.raw.rfind(b"\x1b[?25l"))

    def test_top_without_a_terminal_prints_once(self):
        done = self.fleet.cli("top")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"cw-b-1", done.stdout)
        self.assertNotIn(b"\x1b", done.stdout)
