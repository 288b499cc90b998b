"""What is no file, in what commands leave and in watched folders: it leads nowhere."""

import os
import socket
import stat

from e2e import case

_FLUSH_TIMEOUT = "30s"
_SECRET = b"nobody's business"
_PIPELINES = """
pipelines:
  - name: leave
    on: {{volume: unenriched, match: ["leave/*"]}}
    run: {{command: [/usr/bin/python3, {scripts}/leaves.py, "{{name}}", "{{output_dir}}",
                     {folder}/outside]}}
    publish: {{volume: enriched}}
    retry: {{attempts: 1}}
  - name: copy
    on: {{volume: unenriched, match: ["in/**"]}}
    run: {{command: [cp, "{{input}}", "{{output}}"]}}
    publish: {{volume: enriched}}
"""
# What staging.cc calls it.
_LINK = "a symbolic link; only regular files can be published"
_LEFT = {
    "symlink": ("symlink", _LINK),
    "relative": ("relative", _LINK),
    "folder": ("folder", _LINK),
    "deep": ("a/b/deep", _LINK),
    "pipe": ("pipe", "a named pipe; only regular files can be published"),
    "socket": ("socket", "a socket; only regular files can be published"),
    "device": ("device", "a device; only regular files can be published"),
    "hardlink": ("hardlink", "a hard link to a file that has another name, too"),
}


class EscapesTest(case.FleetCase):
    """Both hosts are this machine: a mount over the network has no pipes, sockets or devices."""

    needs_root = False
    two_hosts = False
    executors = (("cw-b-1", 4),)
    pipelines = _PIPELINES

    def setUp(self):
        super().setUp()
        self.outside = os.path.join(self.folder, "outside")
        self.secret = os.path.join(self.outside, "secret")
        case.write(self.secret, _SECRET)

    def tearDown(self):
        # Whatever was tried.
        self.assertEqual(os.listdir(self.outside), ["secret"])
        self.assertEqual(case.read(self.secret), _SECRET)
        super().tearDown()

    def _in(self, path):
        return os.path.join(self.home("unenriched"), path)

    def _may_make_devices(self):
        trial = os.path.join(self.folder, "device")
        try:
            os.mknod(trial, stat.S_IFCHR | 0o600, os.makedev(1, 7))
        except OSError:
            return False  # Not root, or root of a container.
        os.remove(trial)
        return True

    def test_what_commands_leave_is_published_only_if_it_is_files(self):
        kinds = [kind for kind in _LEFT if kind != "device" or self._may_make_devices()]
        for kind in kinds:
            case.write(self._in(f"leave/{kind}"), b"x")
        jobs = {os.path.basename(job.path).decode(): job for job in self.finished_jobs(len(kinds))}
        self.assertEqual(sorted(jobs), sorted(kinds))
        for kind in kinds:
            with self.subTest(kind):
                entry, words = _LEFT[kind]
                self.assertEqual(jobs[kind].state, "failed")
                told = self.fleet.must("explain", str(jobs[kind].id))
                self.assertIn(f"the command left `{entry}`, {words}", told)
        self.assertEqual(self.results(), [])
        # Whoever takes this one has taken those, too.
        case.write(self._in("leave/good"), b"x")
        self.until(lambda: self.results() == [b"beside-good"], "the next good one is published")
        self.assertEqual(self.read_result(b"beside-good"), b"good")
        staged = os.path.join(self.home("enriched"), ".closewrite", "staging")
        self.until(lambda: not [name for _, folders, names in os.walk(staged)
                                for name in names + folders if name in _LEFT],
                   "nothing of it is left in staging")

    def _make_traps(self):
        """What leads out of the volume, or would hold up whoever opens it."""
        os.makedirs(self._in("in/d"))
        os.symlink("/etc/passwd", self._in("in/passwd.csv"))
        os.symlink("/etc", self._in("in/etc"))
        os.symlink(self.secret, self._in("in/d/secret.csv"))
        os.symlink(self.outside, self._in("in/d/outside"))
        os.symlink("../../../../outside/secret", self._in("in/d/relative.csv"))
        os.symlink("nowhere", self._in("in/dangling.csv"))
        os.symlink("loop", self._in("in/loop"))
        os.symlink("..", self._in("in/d/up"))
        for name in ("in/pipe.csv", "in/d/pipe.csv"):
            os.mkfifo(self._in(name))
        self._make_socket("in/d")
        if self._may_make_devices():
            os.mknod(self._in("in/device.csv"), stat.S_IFCHR | 0o600, os.makedev(1, 7))

    def _make_socket(self, folder):
        with socket.socket(socket.AF_UNIX) as listener:
            # The whole path may be longer than an address can be.
            directory = os.open(self._in(folder), os.O_PATH)
            try:
                listener.bind(f"/proc/self/fd/{directory}/socket.csv")
            finally:
                os.close(directory)

    def _check(self, good):
        """These files went through, and nothing else was taken for one."""
        self.fleet.must("flush", "unenriched", "--timeout", _FLUSH_TIMEOUT)
        jobs = self.finished_jobs(len(good))
        self.assertEqual(sorted(job.path for job in jobs), sorted(path.encode() for path in good))
        self.assertEqual({job.state for job in jobs}, {"succeeded"})
        self.assertEqual(self.results(), sorted(path.encode() for path in good))
        for path in good:
            self.assertEqual(self.read_result(path.encode()), path.encode())

    def _write(self, path):
        case.write(self._in(path), path.encode())
        return path

    def test_what_lies_in_a_volume_and_is_no_file_makes_no_jobs(self):
        self._make_traps()
        good = [self._write(path) for path in ("in/good.csv", "in/d/good.csv")]
        self._check(good)
        # A whole folder of such at once, and what is renamed into place.
        aside = os.path.join(self.folder, "aside")
        os.makedirs(aside)
        os.mkfifo(os.path.join(aside, "pipe.csv"))
        os.symlink(self.secret, os.path.join(aside, "secret.csv"))
        case.write(os.path.join(aside, "moved.csv"), b"in/moved/moved.csv")
        os.rename(aside, self._in("in/moved"))
        good.append("in/moved/moved.csv")
        self._check(good)
        # A scan finds them all again.
        watcher = self.fleet.watchers["unenriched"]
        watcher.kill()
        good.append(self._write("in/d/later.csv"))
        os.mkfifo(self._in("in/later.csv"))
        watcher.start()
        self._check(good)
        self.assertEqual(watcher.stop(), 0)
