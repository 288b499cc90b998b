"""Tasks: for ever, on a schedule, by hand, from the command line."""

import json
import os

from e2e import case


class TasksTest(case.FleetCase):
    """One fleet on one machine is enough."""

    needs_root = False
    executors = (("cw-b-1", 4), ("cw-b-2", 4))
    metrics = True

    def setUp(self):
        super().setUp()
        self.journal = os.path.join(self.folder, "journal")
        self.lock = os.path.join(self.folder, "lock")

    def _add(self, name, *options, command=("true",)):
        return self.fleet.must("task", "add", name, *options, "--", *command)

    def _lonely(self, *seconds):
        return [os.path.join(case.SCRIPTS, "lonely.py"), self.lock, self.journal, *seconds]

    def _crash_loops(self):
        return {name.partition("crash_loop")[2].lstrip("s"): value
                for name, value in self.numbers().items() if "crash_loop" in name}

    def _notes(self, word):
        """Lines of the journal that begin with the word, in order, split."""
        if not os.path.exists(self.journal):
            return []
        lines = [line.split() for line in case.read(self.journal).decode().splitlines()]
        return [line for line in lines if line[0] == word]

    def _task(self, name):
        return json.loads(self.fleet.must("task", "show", name, "-o", "json"))

    def _log(self, name):
        done = self.fleet.cli("task", "logs", name)
        return done.stdout.decode() if done.returncode == 0 else None

    def _ended(self, name, state):
        """The newest run, when it is in the state."""
        run = self._task(name).get("last_run")
        return run if run and run["state"] == state else None

    def test_a_forever_task_runs_once_wherever_its_executors_die(self):
        self._add("feed", "--forever", "--backoff", "10ms", command=self._lonely())
        self.fleet.must("task", "start", "--all")
        for deaths in range(1, 4):
            self.until(lambda: len(self._notes("begin")) == deaths, f"run {deaths}")
            row = self.until(lambda: next((row for row in self.fleet.rows("executors")
                                           if row["leases"] > 0), None), "who runs it")
            executor = self.fleet.executors[row["name"]]
            # Before anybody else may have it, it must be dead.
            executor.kill()
            self.until(lambda count=deaths: len(self._notes("begin")) > count, "another run")
            executor.start()
        self.until(lambda: len(self._notes("begin")) == 4, "the last run")
        self.fleet.must("task", "stop", "feed")
        self.until(lambda: self._ended("feed", "cancelled"), "its end")
        self.assertEqual(self._notes("twice"), [])
        self.assertFalse(self._task("feed")["started"])

    def test_a_run_outlives_its_executor_with_its_log(self):
        go = os.path.join(self.folder, "go")
        self._add("long", command=("sh", "-c", f"echo one; while ! [ -e {go} ]; do sleep 0.05; done"
                                   "; echo two"))
        self.fleet.must("task", "start", "long")
        self.until(lambda: self._log("long") == "one\n", "its first line")
        row = next(row for row in self.fleet.rows("executors") if row["leases"] > 0)
        self.fleet.executors[row["name"]].kill()
        self.fleet.executors[row["name"]].start()
        case.write(go, b"")
        run = self.until(lambda: self._ended("long", "succeeded"), "its end")
        self.assertEqual(self._log("long"), "one\ntwo\n")
        self.assertEqual(run["token"], 1)

    def test_a_command_that_is_stopped_may_end_in_good_order(self):
        self._add("polite", "--forever", command=(
            "sh", "-c", "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.05; done"))
        self.fleet.must("task", "start", "polite")
        self.until(lambda: self._log("polite") == "hello\n", "its first line")
        self.fleet.must("task", "stop", "polite")
        self.until(lambda: self._ended("polite", "cancelled"), "its end")
        # On stderr its shell says that the sleep was terminated: the whole group is told.
        self.assertEqual(self.fleet.must("task", "logs", "polite", "--stdout"), "hello\nbye\n")

    def test_a_follow_goes_on_with_the_next_runs(self):
        self._add("ticks", "--forever", "--backoff", "10ms",
                  command=("sh", "-c", "echo run $CLOSEWRITE_JOB; sleep 0.2"))
        self.fleet.must("task", "start", "ticks")
        self.until(lambda: self._log("ticks"), "its first line")
        path = os.path.join(self.folder, "followed")
        reader = self.hosts.b.spawn(self.fleet.command("task", "logs", "ticks", "-f"), path)
        self.until(lambda: case.read(path).count(b"\nrun ") >= 3, "three more runs")
        runs = [int(line.split()[1]) for line in case.read(path).decode().splitlines()
                if line.startswith("run ")]
        self.assertEqual(runs, sorted(set(runs)))
        self.fleet.must("task", "stop", "ticks")
        self.until(lambda: not reader.alive(), "the end of the follow")
        self.assertEqual(reader.exit_code(), 0)

    def test_the_list_tells_how_runs_ended(self):
        for name, script in (("good", "exit 0"), ("bad", "exit 3"), ("shot", "kill -9 $$")):
            self._add(name, command=("sh", "-c", script))
            self.fleet.cli("task", "run", name, "--wait")
        self._add("absent", command=("/nonexistent/program",))
        self.fleet.cli("task", "run", "absent", "--wait")
        exits = {line.split()[0]: line.split()[-1]
                 for line in self.fleet.must("task", "list").splitlines()[1:]}
        self.assertEqual(exits, {"good": "0", "bad": "3", "shot": "failed", "absent": "failed"})
        self.assertIn("ended by signal 9", self.fleet.must("task", "history", "shot"))

    def test_a_limit_of_memory_is_kept_or_the_run_is_refused(self):
        self._add("big", "--memory", "64MiB",
                  command=("sh", "-c", "head -c 200M /dev/zero | tail -n 1 | wc -c; exit 4"))
        self.fleet.cli("task", "run", "big", "--wait")
        run = self._ended("big", "failed")
        self.assertRegex(run["message"], "limits.memory")
        self.assertNotIn("209715200", self._log("big"))

    def test_the_run_that_runs_is_shown_though_others_wait(self):
        self._add("line", "--overlap", "queue", command=("sleep", "100"))
        for _ in range(2):
            self.fleet.must("task", "run", "line")
        self.until(lambda: self._ended("line", "running"), "the first one to run")
        self.assertIn("line", self.fleet.must("task", "list", "--running"))
        self.fleet.must("task", "stop", "line")

    def test_a_forever_task_that_fails_is_seen_to_crash_in_a_loop(self):
        self._add("broken", "--forever", "--backoff", "1ms",
                  command=("sh", "-c", "echo no; exit 3"))
        self.fleet.must("task", "start", "broken")
        self.until(lambda: self._task("broken")["crash_loop"], "a crash loop")
        self.assertIn("crash loop", self.fleet.must("task", "list"))
        self.assertEqual(self._crash_loops(), {"": 1, '{task="broken"}': 1})
        self.fleet.must("task", "stop", "broken")
        self.assertEqual(self._crash_loops(), {"": 0})
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
        due = [row["observed_at"] for row in self.fleet.rows("task", "history", "often")]
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
