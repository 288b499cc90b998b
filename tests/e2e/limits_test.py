"""What runs short: inotify watches, and the disks of the ledger and of the store.

Nothing is missed, and it goes on by itself.
"""

import os
import subprocess

from e2e import case
from hosts import fleet

_PIPELINES = """
pipelines:
  - name: copy
    on: {{volume: unenriched, match: ["**"]}}
    run: {{command: [cp, "{{input}}", "{{output}}"]}}
    publish: {{volume: enriched}}
"""
_WATCHES_MAX = 20
_DIRECTORIES = 50
_STATE_BYTES = 4 << 20
_STORE_BYTES = 8 << 20


class LimitsTest(case.HostsCase):
    """A watcher whose limits are set low, in namespaces of its own."""

    def _start(self):
        self.fleet.add_executor(self.hosts.a, "cw-a-1", slots=2)
        self.fleet.start()
        self.fleet.apply(_PIPELINES.format())

    def _volume(self):
        for row in self.fleet.rows("watchers"):
            for volume in row["volumes"]:
                if volume["volume"] == "unenriched" and row["connected"]:
                    return volume
        return None

    def _write(self, name, content):
        case.write(os.path.join(self.home("unenriched"), name), content)

    def _restart(self, watcher, *before):
        """Starts the watcher behind a shell that does something first."""
        watcher.process.kill()
        script = "; ".join(before) + '; exec "$0" --config "$1"'
        watcher.process = watcher.host.spawn(
            ["unshare", "--user", "--map-root-user", "sh", "-c", script,
             fleet.program("watcher"), watcher.config], watcher.log)

    def test_too_few_watches(self):
        """What can't be watched is polled and said, until it can be."""
        for number in range(_DIRECTORIES):
            os.makedirs(os.path.join(self.home("unenriched"), f"d{number}"))
        self._start()
        watcher = self.fleet.watchers["unenriched"]
        limit = "/proc/sys/user/max_inotify_watches"
        self._restart(watcher, f"echo {_WATCHES_MAX} > {limit}")
        degraded = self.until(
            lambda: next(iter(v for v in [self._volume()] if v and v["state"] == "degraded"), None),
            "the watcher says that it has too few watches")
        # The root and the canary's folder are watched too.
        self.assertEqual(int(degraded["unwatched_directories"]),
                         _DIRECTORIES + 2 - _WATCHES_MAX, degraded)
        self.assertIn("sysctl -w fs.inotify.max_user_watches=", degraded["message"])
        for number in range(_DIRECTORIES):
            self._write(f"d{number}/file", f"content {number}".encode())
        self.finished_jobs(_DIRECTORIES)
        self.assertEqual(len(self.results()), _DIRECTORIES)
        self._raise_limit(watcher.process.pid, limit)
        live = self.until(
            lambda: next(iter(v for v in [self._volume()] if v and v["state"] == "live"), None),
            "the watcher watches everything")
        self.assertEqual(int(live.get("unwatched_directories", 0)), 0)
        self.assertEqual(int(live["watched_directories"]), _DIRECTORIES + 1)

    def _raise_limit(self, pid, limit):
        # The limit belongs to the user namespace of who writes it.
        done = subprocess.run(
            ["nsenter", "--target", str(pid), "--user", "sh", "-c", f"echo 100000 > {limit}"],
            check=False, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_full_disk_below_the_ledger(self):
        """Events wait, nothing is acknowledged that is not recorded, and it goes on by itself."""
        watcher = self.fleet.watchers["unenriched"]
        state = os.path.join(watcher.folder, "state")
        self.hosts.b.check(["mount", "-t", "tmpfs", "-o", f"size={_STATE_BYTES}", "state", state])
        self._start()
        self._write("before", b"1")
        self.finished_jobs(1)
        filler = os.path.join(state, "filler")
        self.hosts.b.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"])
        names = [f"file {number}" for number in range(300)]
        for name in names:
            self._write(name, name.encode())
        degraded = self.until(
            lambda: next(iter(v for v in [self._volume()] if v and v["state"] == "degraded"), None),
            "the watcher says that its disk is full")
        self.assertIn("full", degraded["message"])
        self.hosts.b.check(["rm", filler])
        jobs = self.finished_jobs(len(names) + 1)
        self.assertEqual(sorted(each.path for each in jobs),
                         sorted(name.encode() for name in [*names, "before"]))
        self.assertEqual({each.state for each in jobs}, {"succeeded"})

    def test_full_disk_below_the_store(self):
        """New work is refused and says why; what was acknowledged is there, and the rest comes."""
        coordinator = self.fleet.coordinators[0]
        disk = os.path.join(coordinator.folder, "disk")
        os.makedirs(disk)
        coordinator.host.check(["mount", "-t", "tmpfs", "-o", f"size={_STORE_BYTES}", "disk", disk])
        config = case.read(coordinator.config).decode()
        store = os.path.join(coordinator.folder, "closewrite.db")
        self.assertIn(store, config)
        fleet.write(coordinator.config, config.replace(store, os.path.join(disk, "closewrite.db")))
        self._start()
        self._write("before", b"1")
        before = self.finished_jobs(1)
        filler = os.path.join(disk, "filler")
        coordinator.host.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"])
        names = [f"file {number}" for number in range(300)]
        for name in names:
            self._write(name, name.encode())

        def refused():
            done = self.fleet.cli("submit", "--pipeline", "copy", "unenriched:before")
            return done if done.returncode else None
        # The log has some room of its own.
        done = self.until(refused, "a submission is refused")
        self.assertIn(b"disk is full", done.stderr)
        self.assertLess(len(self.fleet.jobs()), len(names) + 1)
        self.assertIn(before[0].id, [job.id for job in self.fleet.jobs()])
        coordinator.host.check(["rm", filler])
        jobs = self.finished_jobs(len(names) + 1)
        self.assertEqual(sorted(each.path for each in jobs),
                         sorted(name.encode() for name in [*names, "before"]))
        self.assertEqual({each.state for each in jobs}, {"succeeded"})
