"""Who changed what: each change by the command line is in the audit, once, and stays there."""

import json
import os
import re

from e2e import case

_CALL_S_MAX = 60
_LOCK = "picky-api"
_PIPELINES = """\
pipelines:
  - name: endless
    on: {volume: unenriched, match: ["**"]}
    run: {command: [sleep, "1000"], env: {PASSWORD: hunter2}}
"""


class AuditTest(case.FleetCase):
    """One fleet on one machine is enough."""

    needs_root = False
    executors = (("cw-b-1", 4),)

    def _entries(self, *options):
        """Oldest first, as the JSON of the command line."""
        return list(reversed(self.fleet.rows("audit", *options)))

    def _hold_lock(self):
        """Starts a program that has the lock, and waits until it has."""
        holder = self.hosts.a.spawn(
            self.fleet.command("lock", "run", _LOCK, "--", "sleep", "1000", role="program"),
            os.path.join(self.folder, "holder.log"))
        self.until(lambda: any(row["holders"] for row in self.fleet.rows("lock", "list")),
                   "the lock to be held")
        return holder

    def _set_lock(self, request_id):
        """Calls LockService.SetLock with an id of the test's choice; the command line has its
        own."""
        request = {"requestId": request_id, "lock": _LOCK, "capacity": 2}
        self.hosts.a.check(self.buf_curl(f"{self.fleet.address}/closewrite.v1.LockService/SetLock",
                                         "--data", json.dumps(request)), timeout=_CALL_S_MAX)

    def _change_things(self):
        """A change of each kind, by the command line. Returns calls and what they named."""
        self.fleet.apply(_PIPELINES)
        self.fleet.must("task", "add", "feed", "--forever", "--", "sleep", "1000")
        self.fleet.must("task", "start", "feed")
        case.write(os.path.join(self.home("unenriched"), "a.csv"), b"a")
        job = self.until(lambda: next((job for job in self.fleet.jobs()
                                       if job.pipeline == "endless"), None), "a job of the file")
        self.fleet.must("cancel", str(job.id), "--reason", "a wrong file")
        holder = self._hold_lock()
        self.fleet.must("lock", "release", _LOCK, "--force", "--reason", "it hangs", "--yes")
        self.until(lambda: not holder.alive(), "who had the lock to end")
        self.fleet.must("drain", "cw-b")
        return [("PipelineService.ApplyPipelines", "pipelines endless"),
                ("TaskService.ApplyTasks", "tasks feed; must_be_new"),
                ("TaskService.StartTasks", "names feed"),
                ("JobService.CancelJobs", f"job_ids {job.id}; reason a wrong file"),
                ("LockService.BreakLock", f"lock {_LOCK}; reason it hangs"),
                ("FleetService.DrainExecutors", "names cw-b")]

    def test_changes_by_the_command_line_are_listed_in_order(self):
        """With who, what and the request's id; also after a restart of the coordinator."""
        self.assertEqual(self._entries(), [])
        wanted = self._change_things()
        entries = self._entries()
        # Who takes a lock away is told with the reason, by the names that this machine has.
        subjects = [re.sub(r"reason .*: it hangs$", "reason it hangs", entry["subject"])
                    for entry in entries]
        self.assertEqual(list(zip([entry["method"] for entry in entries], subjects)), wanted)
        role, name = ("admin", "admin") if self.fleet.authority else ("anybody", "")
        self.assertEqual({(entry["role"], entry["name"]) for entry in entries}, {(role, name)})
        self.assertTrue(all(entry["peer"].rpartition(":")[2].isdigit() for entry in entries))
        self.assertEqual(len({entry["request_id"] for entry in entries}), len(wanted))
        self.assertNotIn("", {entry["request_id"] for entry in entries})
        self.assertEqual(sorted(entry["id"] for entry in entries),
                         [entry["id"] for entry in entries])
        self.assertNotIn("hunter2", json.dumps(entries))
        table = self.fleet.must("audit", "--method", "CancelJobs", "-o", "wide").splitlines()
        self.assertEqual(table[0].split(), ["AT", "WHO", "CALL", "REQUEST", "ID", "PEER",
                                            "SUBJECT"])
        self.assertEqual(len(table), 2)
        who = f"{role} {name}" if name else f"{role} {entries[3]['peer']}"
        self.assertIn(who, table[1])
        self.assertEqual(self._entries("--since", "2100-01-01"), [])
        self.assertEqual(self._entries("--method", "BreakLock"), [entries[4]])
        self.fleet.coordinator.kill()
        self.fleet.coordinator.start()
        self.until(lambda: self._entries() == entries, "the same entries after the restart")

    def test_a_repeated_request_is_one_change(self):
        """The answer of a repeat comes from the record, and so does its entry."""
        for request_id in ("once", "once", "another"):
            self._set_lock(request_id)
        self.assertEqual([entry["request_id"] for entry in self._entries()], ["once", "another"])
        self.assertEqual(self._entries()[0]["subject"], f"lock {_LOCK}; capacity 2")

    def test_a_refused_change_is_none(self):
        """And a question that names no call is refused, with the one that may be meant."""
        self.assertNotEqual(self.fleet.cli("cancel", "4711").returncode, 0)
        self.assertEqual(self._entries(), [])
        done = self.fleet.cli("audit", "--method", "CancelJob")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b'did you mean "CancelJobs"?', done.stderr)
