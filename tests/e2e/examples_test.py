"""The examples of deploy/examples, with real R."""

import json
import math
import os

from e2e import case

_EXAMPLES = os.path.realpath(os.path.join(case.SCRIPTS, "..", "..", "deploy", "examples"))
_VALUES = 24


class ExamplesTest(case.HostsCase):
    """What a reader is told to try."""

    needs_root = False

    def setUp(self):
        super().setUp()
        for name in ("cw-b-1", "cw-b-2", "cw-b-3"):
            self.fleet.add_executor(self.hosts.b, name, slots=1, labels=["r"])
        self.fleet.start()

    def _apply(self, what, example, name):
        """Applies a file of an example whose script lies where it is here."""
        folder = os.path.join(_EXAMPLES, example)
        path = os.path.join(self.folder, name)
        content = case.read(os.path.join(folder, name))
        self.assertIn(b"/opt/closewrite/", content)
        case.write(path, content.replace(b"/opt/closewrite/", os.fsencode(folder) + b"/"))
        self.fleet.must(what, "apply", "-f", path)

    def _states(self, task):
        return [row["state"] for row in self.fleet.rows("task", "history", task)]

    def test_one_script_as_three_tasks(self):
        self._apply("task", "tasks", "tasks.yaml")
        self.fleet.must("task", "start", "--all")
        self.until(lambda: self.fleet.cli("task", "logs", "source-stream").stdout.count(
            b"reading stream") >= 2, "two lines of the one that runs for ever")
        self.until(lambda: self._states("source-often").count("succeeded") >= 2,
                   "two runs of the one that runs every two seconds")
        self.assertIn("reading often", self.fleet.must("task", "logs", "source-often", "--run", str(
            self.fleet.rows("task", "history", "source-often")[-1]["id"])))
        daily = json.loads(self.fleet.must("task", "show", "source-daily", "-o", "json"))
        self.assertEqual(daily["next_runs"][:2],
                         ["2027-02-27T17:50:00.000Z", "2027-02-28T17:50:00.000Z"])
        self.assertEqual(self.fleet.cli("task", "run", "source-daily", "--wait").returncode, 0)
        self.assertIn("reading daily", self.fleet.must("task", "logs", "source-daily"))
        running = self.fleet.must("task", "list", "--running")
        self.assertIn("source-stream", running)
        self.assertNotIn("source-daily", running)
        self.fleet.must("task", "stop", "--all")

    def test_a_pool_of_workers(self):
        self._apply("pipeline", "square-roots", "pipelines.yaml")
        for value in range(_VALUES):
            case.write(os.path.join(self.home("unenriched"), "values", f"{value}.txt"),
                       f"{value}\n".encode())
        self.until(lambda: len(self.results()) >= _VALUES // 4, "the first results")
        busy = self.until(lambda: next((row["name"] for row in self.fleet.rows("executors")
                                        if row["leases"] > 0), None), "a worker at work")
        self.fleet.executors[busy].kill()
        jobs = self.finished_jobs(_VALUES)
        self.assertEqual(len(jobs), _VALUES)
        self.assertEqual({job.state for job in jobs}, {"succeeded"})
        self.assertEqual(len(self.results()), _VALUES)
        for value in range(_VALUES):
            self.assertAlmostEqual(float(self.read_result(f"values/{value}.txt".encode())),
                                   math.sqrt(value))
        self.fleet.must("drain", "cw-b", "--wait")
        for name, executor in self.fleet.executors.items():
            if name != busy:
                self.until(lambda executor=executor: not executor.process.alive(), f"{name}'s end")
                self.assertEqual(executor.process.exit_code(), 0)
        nobody = self.fleet.cli("drain", "nobody")
        self.assertEqual(nobody.returncode, 1)
        self.assertIn("no executor nobody", nobody.stderr.decode())
