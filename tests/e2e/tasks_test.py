"""Tasks: for ever, on a schedule, by hand, from the command line."""

import json
import os

from e2e import case


class TasksTest(case.FleetCase):
    """One fleet on one machine is enough."""

    needs_root = False
    executors = (("cw-b-1", 4), ("cw-b-2", 4))

    def setUp(self):
        super().setUp()
        self.journal = os.path.join(self.folder, "journal")
        self.lock = os.path.join(self.folder, "lock")

    def _add(self, name, *options, command=("true",)):
        return self.fleet.must("task", "add", name, *options, "--", *command)

    def _lonely(self, *seconds):
        return [os.path.join(case.SCRIPTS, "lonely.py"), self.lock, self.journal, *seconds]

    def _notes(self, word):
        """Lines of the journal that begin with the word, in order, split."""
        if not os.path.exists(self.journal):
            return []
        lines = [line.split() for line in case.read(self.journal).decode().splitlines()]
        return [line for line in lines if line[0] == word]

    def _task(self, name):
        return json.loads(self.fleet.must("task", "show", name, "-o", "json"))

    def test_a_forever_task_runs_once_wherever_its_executors_die(self):
        self._add("feed", "--forever", "--backoff", "10ms", command=self._lonely())
        self.fleet.must("task", "start", "--all")
        for deaths in range(1, 4):
            self.until(lambda: len(self._notes("begin")) == deaths, f"run {deaths}")
            row = self.until(lambda: next((row for row in self.fleet.rows("executors")
                                           if row["leases"] > 0), None), "who runs it")
            executor = self.fleet.executors[row["name"]]
            executor.kill()
            executor.start()
        self.until(lambda: len(self._notes("begin")) == 4, "the last run")
        self.fleet.must("task", "stop", "feed")
        self.until(lambda: self._task("feed")["last_run"]["state"] == "cancelled", "its end")
        self.assertEqual(self._notes("twice"), [])
        self.assertFalse(self._task("feed")["started"])

    def test_a_forever_task_that_fails_is_seen_to_crash_in_a_loop(self):
        self._add("broken", "--forever", "--backoff", "1ms",
                  command=("sh", "-c", "echo no; exit 3"))
        self.fleet.must("task", "start", "broken")
        self.until(lambda: self._task("broken")["crash_loop"], "a crash loop")
        self.assertIn("crash loop", self.fleet.must("task", "list"))
        self.fleet.must("task", "stop", "broken")
        runs = self.fleet.rows("task", "history", "broken")
        self.assertGreaterEqual(len(runs), 5)
        # The log of a run before the newest stays readable.
        self.assertEqual(self.fleet.must("task", "logs", "broken", "--run", str(runs[-1]["id"])),
                         "no\n")

    def test_a_period(self):
        self._add("often", "--period", "1 second", command=self._lonely("0.1"))
        self.fleet.must("task", "start", "often")
        self.until(lambda: len(self._notes("end")) >= 3, "three runs")
        self.fleet.must("task", "stop", "often")
        self.assertEqual(self._notes("twice"), [])
        jobs = [line[1] for line in self._notes("begin")]
        self.assertEqual(len(set(jobs)), len(jobs))
        # Each second is a due time, and nobody is early.
        due = [row["due_at"] for row in self.fleet.rows("task", "history", "often")]
        self.assertTrue(all(time.endswith(".000Z") for time in due), due)
        self.assertEqual(len(set(due)), len(due))

    def test_run_waits_and_passes_the_code(self):
        self._add("once", command=("sh", "-c", "echo $WHAT; exit $CODE"))
        self.assertEqual(self.fleet.cli("task", "run", "once", "--wait").returncode, 0)
        self._add("told", "--env", "WHAT=hello", "--env", "CODE=5",
                  command=("sh", "-c", "echo $WHAT; exit $CODE"))
        self.assertEqual(self.fleet.cli("task", "run", "told", "--wait").returncode, 5)
        self.assertEqual(self.fleet.must("task", "logs", "told"), "hello\n")
        self.assertEqual(self.fleet.must("task", "logs", "told", "-f", "--tail", "1"), "hello\n")

    def test_names_are_unique(self):
        self._add("same")
        again = self.fleet.cli("task", "add", "same", "--", "true")
        self.assertEqual((again.returncode, again.stderr.decode().strip()),
                         (6, "Skipping same: a task of that name exists"))
        kept = self.fleet.cli("task", "add", "same", "--if-absent", "--", "true")
        self.assertEqual(kept.returncode, 0)
        self.fleet.must("task", "remove", "same")
        self.assertEqual(self.fleet.cli("task", "show", "same").returncode, 1)
        self._add("same")

    def test_a_file_of_tasks(self):
        path = os.path.join(self.folder, "tasks.yaml")
        case.write(path, b"""
tasks:
  - name: noon
    run: {command: [Rscript, /opt/noon.R], labels: [r], env: {REGION: eu}}
    cron: "50 12 * * 1-5"
    tz: America/New_York
    overlap: queue
  - name: by-hand
    run: {command: ["true"]}
""")
        self.assertIn("noon created", self.fleet.must("task", "apply", "-f", path, "--dry-run"))
        self.assertEqual(self.fleet.rows("task", "list"), [])
        self.assertIn("noon created", self.fleet.must("task", "apply", "-f", path))
        self.assertIn("noon unchanged", self.fleet.must("task", "apply", "-f", path))
        self.assertEqual(len(self._task("noon")["next_runs"]), 5)

    def test_bad_input_says_what_would_be_right(self):
        for options, words in (
                (["--cron", "61 * * * *"], ["61", "0", "59"]),
                (["--period", "day", "--tz", "Atlantis/Center"], ["Atlantis/Center", "tz"]),
                (["--period", "-2 min"], ["period"]),
                (["--period", "day", "--start", "2027-02-30"], ["start"]),
                (["--period", "day", "--forever"], ["forever", "period"]),
                (["--restart", "always"], ["restart", "forever"]),
                (["--overlap", "sometimes"], ["skip, queue, replace"])):
            with self.subTest(options=options):
                done = self.fleet.cli("task", "add", "bad", *options, "--", "true")
                self.assertIn(done.returncode, (1, 2))
                for word in words:
                    self.assertIn(word, done.stderr.decode())
        relative = self.fleet.cli("task", "add", "bad", "--script", "feed.R")
        self.assertEqual(relative.returncode, 2)
        self.assertIn("absolute", relative.stderr.decode())
        self.assertEqual(self.fleet.rows("task", "list"), [])

    def test_a_script_that_is_missing_says_so(self):
        self.fleet.must("task", "add", "gone", "--script", "/nowhere/feed.sh")
        self.assertNotEqual(self.fleet.cli("task", "run", "gone", "--wait").returncode, 0)
        self.assertIn("/nowhere/feed.sh", self.fleet.must("task", "logs", "gone"))
