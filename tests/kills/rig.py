"""A fleet whose commands keep journals, and what is around it: recorder, writer, submitter,
programs that share a lock with the jobs."""

import os
import subprocess
import threading
import zlib

from hosts import fleet, host, pair, process
from kills import checker, programs

_HERE = os.path.dirname(os.path.realpath(__file__))
_COMPILE_S_MAX = 60.0
_START_S_MAX = 30.0
_STOP_S_MAX = 60.0
_WRITE_S = 5.0
_WRITE_S_MAX = 120.0
_FINISH_S_MAX = 90.0
_SUBMIT_S_MAX = 120.0
_SUBMIT_PAUSE_S = 0.1
_BYTES_MAX = 20_000
_TEMPORARY_SHARE = 0.08
_SLOW_SHARE = 0.08
_ASKED_SHARE = 0.12
_FINAL = ("succeeded", "failed", "cancelled")
_FOLDERS = ("plain", "locked", "both", "asked")

# Locks are of capacity 1. No file matches `asked`: its jobs are made by submit alone.
_PIPELINES = """\
pipelines:
  - name: plain
    on: {{volume: unenriched, match: ["plain/**"]}}
    run: {{command: ["{command}", "{evidence}", "800"]}}
    publish: {{volume: enriched}}
    retry: &retry
      {{attempts: 1000, backoff: 50ms, backoff_max: 500ms, crash_attempts: 1000}}
  - name: locked
    on: {{volume: unenriched, match: ["locked/**"], when: rename}}
    run: {{command: ["{command}", "{evidence}", "100", "picky"]}}
    publish: {{volume: enriched}}
    locks: [picky]
    retry: *retry
  - name: both
    on: {{volume: unenriched, match: ["both/**"]}}
    run: {{command: ["{command}", "{evidence}", "100", "other", "picky"]}}
    publish: {{volume: enriched}}
    locks: [picky, other]
    retry: *retry
  - name: asked
    on: {{volume: unenriched, match: ["nothing"]}}
    run: {{command: ["{command}", "{evidence}", "800"]}}
    publish: {{volume: enriched}}
    retry: *retry
"""


class Plan:
    """Which files come when: `lines` for the writer, `contents` by path, `asked` to be submitted.

    Everything comes from a random.Random. The folders stand before anything is watched, so that the
    recorder misses no name.
    """

    def __init__(self, chance, files, seconds):
        self.lines = []
        self.contents = {}
        self.asked = []
        for number in range(files):
            content = chance.randbytes(chance.randrange(_BYTES_MAX))
            kind = "asked" if chance.random() < _ASKED_SHARE else "file"
            folder = "asked" if kind == "asked" else chance.choice(
                ("plain", "plain", "plain", "plain", "locked", "both"))
            mode = "plain"
            if folder in ("plain", "asked"):
                mode = chance.choices(("temporary", "slow", "plain"), (
                    _TEMPORARY_SHARE, _SLOW_SHARE, 1 - _TEMPORARY_SHARE - _SLOW_SHARE))[0]
            path = f"{folder}/{zlib.crc32(content):08x}-{len(content)}-{mode}-{number}"
            way = "rename" if folder == "locked" else chance.choice(("pieces", "rename"))
            self.contents[path] = content
            self.lines.append(f"{chance.uniform(0, 2 * seconds / files):.4f} {way} {kind} {path}\n")
            if kind == "asked":
                self.asked.append(path)


class Rig:
    """Everything lies in one folder. Close it, or use it in a `with`."""

    kinds = checker.KINDS

    def __init__(self, folder, chance, options):
        self.folder = folder
        self.evidence = os.path.join(folder, "evidence")
        os.makedirs(os.path.join(self.evidence, "alive"))
        self._plan = Plan(chance, options.files, _WRITE_S)
        self._machine = host.LocalHost("machine", folder)
        self._submitting = threading.Event()  # set when it is to end early
        self._threads = []
        self._programs = []
        self.command = os.path.join(folder, "command")
        self._writer = None
        self.hosts = pair.Pair(folder, namespaced=options.namespaced, sshfs=options.sshfs)
        try:
            self._make_folders()
            self.published = self.hosts.path(self.hosts.a, "enriched")
            self._recorder = self._machine.spawn(
                [os.path.join(_HERE, "recorder"), self.evidence, self.published],
                os.path.join(folder, "recorder.log"))
            self.fleet = fleet.Fleet(
                self.hosts, session_ttl=f"{options.ttl_ms}ms", store=options.store,
                coordinators=options.coordinators, tls=options.tls)
            for on, name, outlive in ((self.hosts.b, "cw-b-1", True),
                                      (self.hosts.b, "cw-b-2", False),
                                      (self.hosts.a, "cw-a-1", True)):
                self.fleet.add_executor(on, name, slots=2, env={"KILLS_EXECUTOR": name},
                                        outlive=outlive)
            self._programs = [programs.Programs(self, on, number, chance.random(),
                                                options.ttl_ms / 1000)
                              for number, on in enumerate((self.hosts.a, self.hosts.b))]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends all that runs."""
        self._submitting.set()
        for each in self._threads:
            each.join()
        self.hosts.close()
        self._machine.close()

    def _make_folders(self):
        for volume, home in (("unenriched", self.hosts.b), ("enriched", self.hosts.a)):
            for name in _FOLDERS:
                os.mkdir(os.path.join(self.hosts.path(home, volume), name))
        sources = os.path.join(self.folder, "sources")
        for name in _FOLDERS:
            os.makedirs(os.path.join(sources, name))
        for path, content in self._plan.contents.items():
            with open(os.path.join(sources, path), "wb") as file:
                file.write(content)
        with open(os.path.join(self.folder, "plan"), "w", encoding="ascii") as file:
            file.writelines(self._plan.lines)

    def start(self):
        """Starts recorder and fleet, and applies the pipelines. Waits until all are ready."""
        subprocess.run(["gcc", "-O2", "-Wall", "-o", self.command,
                        os.path.join(_HERE, "command.c")], check=True, timeout=_COMPILE_S_MAX)
        process.until(lambda: os.path.exists(os.path.join(self.evidence, "recorder")),
                      _START_S_MAX, "the recorder")
        self.fleet.start()
        self.fleet.apply(_PIPELINES.format(command=self.command, evidence=self.evidence))

    def begin(self):
        """Files begin to come, and to be submitted."""
        self._writer = self.hosts.a.spawn(
            [os.path.join(_HERE, "writer"), os.path.join(self.folder, "plan"),
             os.path.join(self.folder, "sources"), self.hosts.path(self.hosts.a, "unenriched"),
             self.evidence], os.path.join(self.folder, "writer.log"))
        self._threads = [threading.Thread(target=self._submit_all)]
        # With `temporary` nothing but a job's second attempt would come to an end.
        paths = sorted(path for path in self._plan.contents if "-temporary-" not in path)
        for each in self._programs:
            self._threads.append(threading.Thread(target=each.run, args=(
                lambda: self._writer.alive() and not self._submitting.is_set(),
                os.path.join(self.folder, "sources"), paths)))
        for each in self._threads:
            each.start()

    def busy(self):
        """Whether files still come."""
        return self._writer.alive() or any(each.is_alive() for each in self._threads)

    def finish(self):
        """Waits until all files are there and submitted, or RuntimeError, and all results, too,
        whatever there is to judge then. Returns what went wrong, a line each."""
        if self._writer.wait(_WRITE_S_MAX) != 0:
            raise RuntimeError("the writer failed: "
                               + self._writer.read_log().decode(errors="replace"))
        for each in self._threads:
            each.join(_SUBMIT_S_MAX)
            if each.is_alive():
                raise RuntimeError("what was to be submitted was not accepted in time, or a "
                                   "program has not ended")
        wrong = [text for each in self._programs for text in each.wrong]
        try:
            process.until(self._done, _FINISH_S_MAX, "all results")
        except TimeoutError:
            wrong.append(f"not all was done within {_FINISH_S_MAX:g} s")
        return wrong + [f"job {job.id} {job.state}: {job.message}" for job in self.fleet.jobs()
                        if job.state != "succeeded"]

    def pause(self, seconds):
        """Sleeps; ends early when all is to end."""
        self._submitting.wait(seconds)

    def _done(self):
        if self._results() < len(self._plan.contents):
            return False
        jobs = self.fleet.jobs()
        return bool(jobs) and all(job.state in _FINAL for job in jobs)

    def _submit_all(self):
        with open(os.path.join(self.evidence, "submitted"), "a", encoding="ascii",
                  buffering=1) as notes:
            for path in self._plan.asked:
                job = self._submit(path)
                if job is None:
                    return
                notes.write(f"JOB job={job} path={path}\n")

    def _submit(self, path):
        """Asks until the fleet says yes. Returns the job's number; None when it is to end."""
        while not self._submitting.wait(_SUBMIT_PAUSE_S):
            done = self.fleet.cli("submit", "--pipeline", "asked", f"unenriched:{path}")
            if done.returncode == 0:
                return int(done.stdout)
        return None

    def _results(self):
        return sum(len(names) for folder, _, names in os.walk(self.published)
                   if ".closewrite" not in folder)

    def stop(self):
        """Ends the fleet cleanly, then the recorder. Returns what went wrong, a line each."""
        wrong = stop_fleet(self.fleet)
        if self._recorder.terminate(_STOP_S_MAX) != 0:
            wrong.append("the recorder failed: "
                         + self._recorder.read_log().decode(errors="replace"))
        return wrong

    def check(self):
        """(findings, numbers) of what was seen."""
        findings, numbers = checker.check(self.evidence, self.published)
        for each in self._programs:
            for name, count in each.counts.items():
                numbers[name] = numbers.get(name, 0) + count
        return findings, numbers


def stop_fleet(services):
    """Ends a Fleet cleanly. Returns what went wrong, a line each."""
    wrong = []
    for service in reversed(services.services()):
        code = service.stop()
        if code != 0:
            wrong.append(f"{service.name} ended with {code}")
    if services.postgres is not None and services.postgres.stop() != 0:
        wrong.append("PostgreSQL did not stop cleanly")
    return wrong
