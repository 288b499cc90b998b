"""The main promise: every finished file becomes one result, whatever is killed in between."""

import hashlib
import os
import threading
import time

from e2e import case, transform

_FILES_A_WAY = 80
_BYTES_MAX = 200_000
_KILLS_A_SERVICE_MIN = 3
_FINISH_S_MAX = 240.0

# How a file is written: $1 is the finished source of $3 bytes, $2 the target in the mount.
WAYS = {
    "cp": 'cp "$1" "$2"',
    "mv": 'cp "$1" "$2.part" && mv "$2.part" "$2"',
    "rsync": 'rsync "$1" "$2"',
    "append": '{ for i in 1 2 3 4; do head -c $((i * $3 / 4)) "$1" | tail -c +$(((i - 1) * $3 / 4 '
              '+ 1)); sleep 0.05; done; } >> "$2"',
}


class Monitor(threading.Thread):
    """Looks at every result as soon as it shows: it must be whole then, and never change again."""

    def __init__(self, root, expected):
        super().__init__(daemon=True)
        self._root = os.fsencode(root)
        self._expected = expected
        self._ended = threading.Event()
        self.seen = {}  # path: (inode, mtime)
        self.problems = []

    def run(self):
        while not self._ended.wait(0.02):
            self.look()

    def look(self):
        """Reads what is new, and compares what is not."""
        for path in case.tree(self._root):
            full = os.path.join(self._root, path)
            status = os.stat(full)
            version = (status.st_ino, status.st_mtime_ns)
            if path not in self.seen:
                self.seen[path] = version
                if case.read(full) != self._expected.get(path):
                    self.problems.append(f"{path!r} was not what it should be when it showed")
            elif self.seen[path] != version:
                self.problems.append(f"{path!r} was published twice")
                self.seen[path] = version

    def finish(self):
        """Ends the thread and looks once more."""
        self._ended.set()
        self.join()
        self.look()


class KillsTest(case.FleetCase):
    """Watcher, coordinator, publisher and an executor are killed while files keep coming."""

    pipelines = """
pipelines:
  - name: transform
    on: {{volume: unenriched, match: ["**"]}}
    run: {{command: ["{scripts}/transform.py", "{{input}}", "{{output}}", "0.3"]}}
    publish: {{volume: enriched}}
    retry: {{attempts: 20, backoff: 100ms, backoff_max: 1s, crash_attempts: 50}}
"""

    def setUp(self):
        super().setUp()
        self.sources = self.run_folder.make("sources")
        self.expected = {}  # path of the result: content
        self.plans = {way: [self._plan(way, number) for number in range(_FILES_A_WAY)]
                      for way in WAYS}

    def _plan(self, way, number):
        size = 0 if number == 0 else self.random.randrange(1, _BYTES_MAX)
        content = self.random.randbytes(size)
        name = f"{hashlib.sha256(content).hexdigest()[:16]}-{way}-{number}"
        source = os.path.join(self.sources, name)
        case.write(source, content)
        path = f"{way}/{number % 7}/{name}"
        self.expected[path.encode()] = transform.transformed(content)
        return source, path, size

    def _write_all(self, way):
        mount = self.hosts.path(self.hosts.a, "unenriched")
        for source, path, size in self.plans[way]:
            self.hosts.a.check(["sh", "-c", 'mkdir -p "${2%/*}" && ' + WAYS[way], "sh", source,
                                os.path.join(mount, path), str(size)])

    def _kill_at_random(self, writers):
        """Kills and restarts services until the writers are done and each was killed often."""
        victims = [self.fleet.coordinator, self.fleet.watchers["unenriched"],
                   self.fleet.watchers["enriched"], self.fleet.executors["cw-b-1"]]
        kills = {victim.log: 0 for victim in victims}
        while any(writer.is_alive() for writer in writers) or (
                min(kills.values()) < _KILLS_A_SERVICE_MIN):
            victim = self.random.choice(victims)
            # The moments are what is random here; nothing is waited for.
            time.sleep(self.random.uniform(0, 0.8))
            victim.kill()
            time.sleep(self.random.choice((0, 0, self.random.uniform(0, 1.5))))
            victim.start()
            kills[victim.log] += 1
        return sum(kills.values())

    def test_every_result_once(self):
        monitor = Monitor(self.home("enriched"), self.expected)
        monitor.start()
        self.addCleanup(monitor.finish)
        writers = [threading.Thread(target=self._write_all, args=(way,)) for way in WAYS]
        for writer in writers:
            writer.start()
        kills = self._kill_at_random(writers)
        for writer in writers:
            writer.join()
        self.assertEqual(case.tree(self.home("unenriched")), sorted(self.expected))
        waited = self.fleet.cli(
            "wait", "--volume", "enriched", "--match", "**", "--count", str(len(self.expected)),
            "--timeout", f"{_FINISH_S_MAX:g}s", seconds_max=_FINISH_S_MAX + 60)
        self.assertEqual(waited.returncode, 0, waited.stderr)
        jobs = self.finished_jobs(len(self.expected), _FINISH_S_MAX)
        monitor.finish()
        self.assertEqual(monitor.problems, [])
        self.assertEqual(self.results(), sorted(self.expected))
        for path, content in self.expected.items():
            self.assertEqual(self.read_result(path), content, path)
        self.assertEqual(sorted(job.path for job in jobs), sorted(self.expected))
        self.assertEqual({job.state for job in jobs}, {"succeeded"})
        self.assertGreaterEqual(kills, 4 * _KILLS_A_SERVICE_MIN)
