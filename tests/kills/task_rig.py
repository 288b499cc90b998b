"""A fleet that runs tasks whose commands tell from outside what happens to them."""

import collections
import datetime
import fcntl
import json
import os
import time

from hosts import fleet, pair, process
from kills import rig
from kills.task_line import line_of

_HERE = os.path.dirname(os.path.realpath(__file__))
_RUN_S = 12.0
_AGAIN_S_MAX = 60.0
_END_S_MAX = 60.0
# What a command wrote longer ago than this is in its log, whatever died meanwhile.
_FLUSH_S = 1.0
_FINAL = ("succeeded", "failed", "cancelled")

# Name: (when it runs, seconds that its command lives at most, 0: for ever; its exit code).
_EVER = "forever: true, retry: {backoff: 50ms, backoff_max: 500ms}"
_RETRY = "retry: {attempts: 1000, backoff: 50ms, backoff_max: 500ms, crash_attempts: 1000}"
_TASKS = {
    "ever-1": (_EVER, "0", "0"),
    "ever-2": (_EVER, "0", "0"),
    "ever-ends": (_EVER, "1.5", "0"),
    "ever-fails": (_EVER + ", restart: on_failure", "0.4", "3"),
    "each-second": ('period: "1 second", overlap: queue, catch_up: all, catch_up_max: 100, '
                    + _RETRY, "0.1", "0"),
    "skips": ('period: "2 seconds", overlap: skip, ' + _RETRY, "0.5", "0"),
    "replaced": ('period: "3 seconds", overlap: replace, ' + _RETRY, "5", "0"),
}

Finding = collections.namedtuple("Finding", "kind text")


class TaskRig:
    """Everything lies in one folder. Close it, or use it in a `with`."""

    kinds = {
        "twice": "tasks that ran twice at once",
        "forgotten": "tasks or due times that were forgotten",
        "double": "due times that were run twice",
        "lines": "log lines that were lost, or are not as they were written",
        "left": "commands that were left behind",
    }

    def __init__(self, folder, _, options):
        self.folder = folder
        self.evidence = os.path.join(folder, "evidence")
        os.mkdir(self.evidence)
        self._until = 0.0
        self._stopped_at = 0.0
        self._findings = []
        self._logs = {}  # (job, token): text
        self._due = {}  # task: due times of its runs, in seconds since 1970
        self.hosts = pair.Pair(folder, namespaced=options.namespaced, sshfs=False)
        try:
            self.fleet = fleet.Fleet(
                self.hosts, session_ttl=f"{options.ttl_ms}ms", store=options.store,
                coordinators=options.coordinators, tls=options.tls)
            for on, name, outlive in ((self.hosts.b, "cw-b-1", True),
                                      (self.hosts.b, "cw-b-2", False),
                                      (self.hosts.a, "cw-a-1", True)):
                self.fleet.add_executor(on, name, slots=4, outlive=outlive)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends all that runs."""
        self.hosts.close()

    def start(self):
        """Starts the fleet and the tasks."""
        self.fleet.start()
        path = os.path.join(self.folder, "tasks.yaml")
        with open(path, "w", encoding="ascii") as file:
            file.write("tasks:\n")
            for name, (when, seconds, code) in _TASKS.items():
                command = [os.path.join(_HERE, "task"), self.evidence, name, seconds, code]
                file.write(f"  - {{name: {name}, run: {{command: {json.dumps(command)}, "
                           f"kill_after: 200ms}}, {when}}}\n")
        self.fleet.must("task", "apply", "-f", path)
        self.fleet.must("task", "start", "--all")

    def begin(self):
        """From now on things may be killed."""
        self._until = time.monotonic() + _RUN_S

    def busy(self):
        """Whether it is too early to end."""
        return time.monotonic() < self._until

    def finish(self):
        """Waits until all tasks have been seen to run again, stops them, and reads what the fleet
        knows of them. Returns what went wrong, a line each."""
        begin = time.time()
        for name in _TASKS:
            try:
                process.until(lambda name=name: any(note.time > begin for note in self._notes(name)
                                                    if note.word in ("BEGIN", "WROTE")),
                              _AGAIN_S_MAX, f"task {name}")
            except TimeoutError:
                self._find("forgotten", f"{name} did not run again within {_AGAIN_S_MAX:g} s")
        self._stopped_at = time.time()
        self.fleet.must("task", "stop", "--all")
        wrong = []
        try:
            process.until(lambda: all(job.state in _FINAL for job in self.fleet.jobs()), _END_S_MAX,
                          "the end of all runs")
        except TimeoutError:
            wrong.append(f"some runs did not end within {_END_S_MAX:g} s of `task stop`")
        # Executors whose sessions have expired tell what is left of their logs in the next one.
        try:
            process.until(lambda: all(row["connected"] for row in self.fleet.rows("executors")),
                          _AGAIN_S_MAX, "all executors")
        except TimeoutError:
            wrong.append(f"some executors are not connected within {_AGAIN_S_MAX:g} s")
        time.sleep(_FLUSH_S)
        for name in _TASKS:
            self._due[name] = [_seconds(row["observed_at"]) for row in
                               self.fleet.rows("task", "history", name, "--limit", "0")]
            for job, token in {(note.job, note.token) for note in self._notes(name)}:
                done = self.fleet.cli("logs", job, "--token", token)
                self._logs[job, token] = done.stdout if done.returncode == 0 else b""
        return wrong

    def stop(self):
        """Ends the fleet cleanly. Returns what went wrong, a line each."""
        return rig.stop_fleet(self.fleet)

    def check(self):
        """(findings, numbers) of what was seen."""
        numbers = collections.Counter()
        for name in _TASKS:
            notes = self._notes(name)
            for note in notes:
                if note.word == "TWICE":
                    self._find("twice", f"{name}: job {note.job}, token {note.token}")
            self._check_due(name)
            self._check_left(name)
            numbers["commands"] += sum(note.word == "BEGIN" for note in notes)
            numbers["written"] += sum(note.word == "WROTE" for note in notes)
            numbers["runs"] += len(self._due.get(name, ()))
            for lease in {(note.job, note.token) for note in notes}:
                self._check_log(name, lease, [note for note in notes if note.word == "WROTE"
                                                and (note.job, note.token) == lease])
        return self._findings, dict(numbers)

    def _find(self, kind, text):
        self._findings.append(Finding(kind, text))

    def _notes(self, name):
        return read_notes(os.path.join(self.evidence, name))

    def _check_due(self, name):
        if not name.startswith("ever"):
            for kind, text in judge_due(self._due.get(name, []), self._stopped_at,
                                        name == "each-second"):
                self._find(kind, f"{name}: {text}")

    def _check_left(self, name):
        with open(os.path.join(self.evidence, f"{name}.lock"), "ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._find("left", f"{name}: its lock is still held")

    def _check_log(self, name, lease, written):
        problem = judge_log(self._logs.get(lease, b""), written)
        if problem:
            self._find("lines", f"{name}: job {lease[0]}, token {lease[1]}: {problem}")


Note = collections.namedtuple("Note", "word job token number time")


def read_notes(path):
    """What a task's commands have noted, see the script `task`, in order."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii") as file:
        rows = [line.split() for line in file.read().splitlines()]
    return [Note(word, job, token, int(number), float(at))
            for word, job, token, number, at in rows]


def judge_due(due, stopped_at, complete):
    """(kind, text) of what is wrong with the due times of a task's runs. `complete`: each second
    must be there, up to when it was stopped."""
    counts = collections.Counter(due)
    found = [("double", f"{count} runs were due at {when:.0f}")
             for when, count in counts.items() if count > 1]
    if complete and due:
        # The second in which it was stopped may be missing.
        missing = set(range(int(min(due)), int(stopped_at))) - {int(when) for when in due}
        found += [("forgotten", f"no run was due at {when}") for when in sorted(missing)]
    if not due:
        found.append(("forgotten", "no run at all"))
    return found


def judge_log(text, written):
    """What is wrong with the log of an attempt, which noted `written` when it had written a line;
    None when all is well. Its last moments may be missing."""
    lines = text.decode("ascii", errors="replace").split("\n")
    whole, rest = lines[:-1], lines[-1]
    for number, line in enumerate(whole):
        if line != line_of(number):
            return f"line {number} is {line!r}"
    if not line_of(len(whole)).startswith(rest):
        return f"line {len(whole)} begins as {rest!r}"
    safe = [note.number for note in written if note.time < written[-1].time - _FLUSH_S]
    if safe and safe[-1] >= len(whole):
        return f"line {safe[-1]} was written, and the log ends after line {len(whole) - 1}"
    return None


def _seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
