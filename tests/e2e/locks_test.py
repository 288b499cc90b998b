"""Locks and rates: jobs, tasks and programs in one line before a third party."""

import json
import os
import time

from e2e import case
from hosts import fleet, picky

_LOCK = "picky-api"
_EXAMPLE = os.path.join(case.SCRIPTS, "..", "..", "deploy", "examples", "picky-api", "service.py")
_EXAMPLE_PORT = 8098
_ASK = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"
_JOBS = 50
_PROGRAMS = 10
_DISASTERS = 12
_CALL_S = 0.1
_END_S_MAX = 120.0
_PIPELINE = """\
pipelines:
  - name: enrich
    on: {{volume: unenriched, match: ["**"]}}
    run: {{command: {command}}}
    locks: [picky-api]
    retry: {{attempts: 50, backoff: 100ms, backoff_max: 1s, crash_attempts: 50}}
"""
_NAMES = """\
pipelines:
  - name: lock-files
    on: {{volume: unenriched, match: ["*.lock"], events: [CREATE, DELETE]}}
    run: {{command: [sh, -c, 'echo "$0 $1" >> "$2"', "{{event}}", "{{path}}", {journal}]}}
"""
_RATED = """\
pipelines:
  - name: rated
    on: {{volume: unenriched, match: ["rated/*"]}}
    run: {{command: [date, "+%s.%N"]}}
    rate: {{name: api-x, limit: 2, per: 2s}}
"""
_TASK = """\
tasks:
  - name: {name}
    run: {{command: {command}}}
    locks: [picky-api]
    retry: {{attempts: 50, backoff: 100ms, backoff_max: 1s, crash_attempts: 50}}
"""


class LocksCase(case.HostsCase):
    """A picky service on cw-a; whoever calls it has the lock."""

    session_ttl = "3s"

    def setUp(self):
        super().setUp()
        self.picky = picky.Picky(self.hosts.a)
        self.picky.start()
        for name in ("cw-b-1", "cw-b-2"):
            self.fleet.add_executor(self.hosts.b, name, slots=4)
        self.fleet.start()

    def run_under_lock(self, name, seconds, *options):
        """Starts `closewrite lock run`; its log is in the test's folder."""
        return self.spawn_under_lock(self.hosts.a, name, self.picky.command(name, seconds),
                                     *options)

    def spawn_under_lock(self, on, name, command, *options):
        """The same on a host, with any command."""
        return on.spawn(
            self.fleet.command("lock", "run", _LOCK, *options, "--", *command, role="program"),
            os.path.join(self.folder, f"{name}.log"))

    def lock(self):
        """As `lock list` has it; None while nobody uses it."""
        return next((row for row in self.fleet.rows("lock", "list") if row["name"] == _LOCK), None)

    def names(self):
        """Of those who have called and were served, in order."""
        return [call["name"] for call in self.picky.calls() if call["status"] == 200]

    def waiters(self):
        """How many wait in line."""
        return (self.lock() or {}).get("waiting", 0)

    def assert_one_at_a_time(self):
        """There was never a second caller."""
        self.assertEqual([call for call in self.picky.calls() if call["at_once"] > 1], [])

    def _disaster(self):
        # A coordinator that freezes for longer than a session lives costs programs their locks.
        coordinators = self.fleet.coordinators[1:]
        service = self.random.choice([*self.fleet.executors.values(), *coordinators])
        if not service.process.alive():
            return
        if service in coordinators or self.random.random() < 0.5:
            service.kill()
            time.sleep(self.random.uniform(0, 1))
            service.start()
        else:
            service.process.freeze()
            time.sleep(self.random.uniform(0, 4))
            service.process.thaw()

    def check_that_everybody_has_a_turn_and_nobody_two(self):
        """With disasters, before the service of deploy/examples/picky-api."""
        self.hosts.a.spawn([picky.PYTHON, _EXAMPLE, "--address", self.hosts.a.address, "--port",
                            str(_EXAMPLE_PORT), "--seconds", str(_CALL_S)],
                           os.path.join(self.folder, "service.log"))
        self.until(lambda: self.hosts.a.accepts(_EXAMPLE_PORT), "the service")
        service = f"http://{self.hosts.a.address}:{_EXAMPLE_PORT}"

        def ask(name):
            return [picky.PYTHON, "-c", _ASK, f"{service}/price/{name}"]
        self.fleet.apply(_PIPELINE.format(command=json.dumps(ask("{name}"))))
        path = os.path.join(self.folder, "tasks.yaml")
        tasks = ("task-1", "task-2")
        for name in tasks:
            fleet.write(path, _TASK.format(name=name, command=json.dumps(ask(name))))
            self.fleet.must("task", "apply", "-f", path)
        programs = []
        for number in range(_JOBS):
            case.write(os.path.join(self.home("unenriched"), f"job-{number}"), b"x")
            if number % (_JOBS // _PROGRAMS) == 0:
                on = self.hosts.a if number % 2 else self.hosts.b
                name = f"program-{number}"
                programs.append(self.spawn_under_lock(on, name, ask(name)))
        for name in tasks:
            self.fleet.must("task", "start", name)
        for _ in range(_DISASTERS):
            self._disaster()
        jobs = self.finished_jobs(_JOBS + len(tasks), 240)
        self.assertEqual({job.state for job in jobs}, {"succeeded"})
        self.assertEqual([program.wait(_END_S_MAX) for program in programs], [0] * _PROGRAMS)
        counted = json.loads(self.hosts.a.check(
            [picky.PYTHON, "-c", _ASK, f"{service}/calls"]))
        self.assertEqual((counted["at_once_max"], counted["refused"]), (1, 0))
        self.assertGreaterEqual(counted["calls"], _JOBS + _PROGRAMS + len(tasks))
        self.until(lambda: not (self.lock() or {}).get("holders"), "the lock to be free")


class LocksTest(LocksCase):
    """One coordinator, with SQLite."""

    def test_everybody_has_a_turn_and_nobody_two(self):
        self.check_that_everybody_has_a_turn_and_nobody_two()

    def test_first_come_first_served_by_priority(self):
        first = self.run_under_lock("first", 3)
        self.until(lambda: (self.lock() or {}).get("holders"), "the first one to hold it")
        programs = [first]
        for number, priority in enumerate((0, 0, 5, 0, -5, 5)):
            programs.append(self.run_under_lock(f"{number}", _CALL_S, "--priority", str(priority)))
            self.until(lambda count=number + 1: self.waiters() == count, "it to stand in line")
        self.assertEqual({program.wait(_END_S_MAX) for program in programs}, {0})
        self.assertEqual(self.names(), ["first", "2", "5", "0", "1", "3", "4"])
        self.assert_one_at_a_time()

    def test_the_lock_of_the_dead_is_free(self):
        dead = self.run_under_lock("dead", 60)
        self.until(lambda: self.picky.begun() == ["dead"], "its call")
        busy = self.fleet.cli("lock", "run", _LOCK, "--no-wait", "--", "true")
        self.assertEqual(busy.returncode, 75, busy.stderr)
        self.assertIn("held by", busy.stderr.decode())
        dead.kill()
        # What it ran is dead before anybody else may have the lock.
        self.until(lambda: [call["name"] for call in self.picky.calls()] == ["dead"], "its end")
        self.assertEqual(self.run_under_lock("next", _CALL_S).wait(_END_S_MAX), 0)
        self.assert_one_at_a_time()

    def test_one_that_is_frozen_loses_it_and_what_it_runs(self):
        frozen = self.run_under_lock("frozen", 60)
        self.until(lambda: self.picky.begun() == ["frozen"], "its call")
        frozen.freeze()
        self.assertEqual(self.run_under_lock("next", _CALL_S).wait(_END_S_MAX), 0)
        frozen.thaw()
        self.assertEqual(frozen.wait(_END_S_MAX), 125)
        self.assert_one_at_a_time()
        self.assertEqual(self.names(), ["next"])

    def test_names_come_and_go_as_incrontab_had_it(self):
        journal = os.path.join(self.folder, "journal")
        self.fleet.apply(_NAMES.format(journal=journal))
        path = os.path.join(self.home("unenriched"), "tool.lock")
        expected = ""
        for _ in range(3):
            for event in ("CREATE", "DELETE"):
                if event == "CREATE":
                    case.write(path, b"")
                else:
                    os.remove(path)
                expected += f"{event} tool.lock\n"
                self.until(lambda: os.path.exists(journal)
                           and case.read(journal).decode() == expected, "its job")

    def test_jobs_and_programs_share_a_rate(self):
        self.fleet.apply(_RATED.format())
        os.makedirs(os.path.join(self.home("unenriched"), "rated"))
        taken = self.fleet.must("rate", "take", "api-x")
        self.assertEqual(taken, "")
        for number in range(3):
            case.write(os.path.join(self.home("unenriched"), f"rated/{number}"), b"x")
        refused = self.fleet.cli("rate", "take", "api-x", "--n", "2", "--wait", "0s")
        self.assertEqual(refused.returncode, 75, refused.stderr)
        jobs = self.finished_jobs(3)
        begun = sorted(float(self.fleet.must("logs", str(job.id))) for job in jobs)
        # The calls that are left at first, then one a second.
        self.assertGreater(begun[2] - begun[0], 0.9)
        self.assertIn("api-x", self.fleet.must("rate", "list"))

    def test_a_coordinator_that_is_started_again_changes_nothing(self):
        holder = self.run_under_lock("holder", 6)
        self.until(lambda: (self.lock() or {}).get("holders"), "it to hold the lock")
        waiter = self.run_under_lock("waiter", _CALL_S)
        self.until(lambda: self.waiters() == 1, "the other one to wait")
        self.fleet.coordinator.restart()
        self.assertEqual((holder.wait(_END_S_MAX), waiter.wait(_END_S_MAX)), (0, 0))
        self.assertEqual(self.names(), ["holder", "waiter"])
        self.assert_one_at_a_time()


class SharedLocksTest(LocksCase):
    """Three coordinators, two of which are killed, share a PostgreSQL."""

    store = "postgresql"
    coordinators = 3

    def test_everybody_has_a_turn_and_nobody_two(self):
        self.check_that_everybody_has_a_turn_and_nobody_two()
