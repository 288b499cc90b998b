"""Mounts cache names, absence and attributes: no command may read a short, old or missing input.

The executor is on cw-a and reads through sshfs with its default caches, while files are written and
overwritten on cw-b, where they live. A prober on cw-a keeps the caches filled with what was true a
moment ago.
"""

import collections
import json
import os

from e2e import case

_FILES = 12
_VERSIONS = 4

# What a command saw, one JSON object a line; see witness.py.
Sight = collections.namedtuple("Sight", "job name version length problem")


class CacheTest(case.HostsCase):
    """One executor on the far side of the mount."""

    def setUp(self):
        super().setUp()
        self.sights = os.path.join(self.folder, "sights")
        self.fleet.add_executor(self.hosts.a, "cw-a-1", slots=2)
        self.fleet.start()
        self.fleet.apply(f"""
pipelines:
  - name: witness
    on: {{volume: unenriched, match: ["**/*.dat"]}}
    run: {{command: ["{self.script('witness.py')}", "{{input}}", "{{output}}", "{self.sights}"]}}
    publish: {{volume: enriched}}
    retry: {{attempts: 5, backoff: 100ms}}
""")

    def _probe(self):
        """Fills the mount's caches over and over: absence, names, attributes."""
        mount = self.hosts.path(self.hosts.a, "unenriched")
        return self.hosts.a.spawn(
            ["sh", "-c", 'cd "$0" && while :; do for i in $(seq 0 20); do stat "f$i.dat" '
             '"d/f$i.dat" >/dev/null 2>&1; done; ls -lR . >/dev/null 2>&1; done', mount],
            os.path.join(self.folder, "prober.log"))

    def _content(self, name, version):
        """Content that proves what it is: name, version, random filling, its length at the end."""
        filling = self.random.randbytes(self.random.randrange(0, 3000)).hex()
        head = f"{name} {version} {filling} "
        return (head + f"{len(head) + 8:08d}").encode()

    def _sights(self):
        if not os.path.exists(self.sights):
            return []
        return [Sight(**json.loads(line)) for line in case.read(self.sights).splitlines()]

    def _check_sights(self):
        problems = [sight for sight in self._sights() if sight.problem]
        self.assertEqual(problems, [])

    def test_new_files(self):
        self._probe()
        home = self.home("unenriched")
        names = [f"f{i}.dat" for i in range(_FILES)] + [f"d/f{i}.dat" for i in range(_FILES)]
        for name in names:
            case.write(os.path.join(home, name), self._content(name, 1))
        jobs = self.finished_jobs(len(names), 120)
        self.assertEqual({job.state for job in jobs}, {"succeeded"})
        self.assertEqual(self.results(), sorted(name.encode() for name in names))
        self._check_sights()

    def test_overwritten_in_place(self):
        self._probe()
        home = self.home("unenriched")
        versions = {}  # (name, size, mtime): version
        names = [f"f{i}.dat" for i in range(_FILES)]
        for version in range(1, _VERSIONS + 1):
            for name in names:
                path = os.path.join(home, name)
                case.write(path, self._content(name, version))
                status = os.stat(path)
                versions[(name.encode(), status.st_size, str(status.st_mtime_ns))] = version
            # The former version's commands are not torn by the next one's writer.
            self.finished_jobs(version * len(names), 120)
        jobs = {job.id: job for job in self.fleet.jobs()}
        self._check_sights()
        for sight in self._sights():
            file = jobs[sight.job].row["input"]
            announced = versions[(jobs[sight.job].path, int(file["size"]), file["mtime_ns"])]
            self.assertGreaterEqual(sight.version, announced, sight)
        for name in names:
            result = json.loads(self.read_result(name.encode()))
            self.assertEqual((result["name"], result["version"]), (name, _VERSIONS))

    def test_appended_and_truncated(self):
        self._probe()
        path = os.path.join(self.home("unenriched"), "f0.dat")
        for version, size in enumerate((10, 100_000, 10, 300_000, 5_000), 1):
            head = f"f0.dat {version} {'x' * size} "
            case.write(path, (head + f"{len(head) + 8:08d}").encode())
            self.finished_jobs(version, 120)
        self._check_sights()
        self.assertEqual(json.loads(self.read_result(b"f0.dat"))["version"], 5)
