"""When a file counts as finished: jobs that must not come yet, and jobs that must."""

import os
import unittest

from hosts import process, run_folder
from storm import rig as rigs

_JOB_S_MAX = 60.0


class ClosesTest(unittest.TestCase):
    """Files are opened and closed in every order under a pipeline that takes all of them. No
    executor is there, so jobs are made and wait."""

    needs_root = False

    def setUp(self):
        folder = run_folder.RunFolder("closes")
        self.addCleanup(folder.close)
        self.rig = rigs.Rig(folder.path)
        self.addCleanup(self.rig.__exit__)

    def _start(self, settle="0s"):
        self.rig.start_coordinator()
        self.rig.apply_pipeline(settle)
        self.rig.start_watcher()
        self.rig.until_live()

    def _open(self, name, flags=os.O_TRUNC):
        return os.open(os.path.join(self.rig.volume, name), os.O_WRONLY | os.O_CREAT | flags, 0o644)

    def _write(self, name, data, flags=os.O_TRUNC):
        fd = self._open(name, flags)
        os.write(fd, data)
        os.close(fd)

    def _version(self, name):
        status = os.stat(os.path.join(self.rig.volume, name))
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _jobs(self, name):
        """[(state, version)], oldest first, after all that has happened is recorded."""
        self.rig.flush()
        return [(row["state"], tuple(int(row["input"][key]) for key in ("inode", "size",
                                                                        "mtime_ns")))
                for row in reversed(self.rig.rows("jobs", "--limit", "0"))
                if row["input"]["path"] == name]

    def _until_job(self, name):
        """The version that the only job of a file has, once it is available."""
        def only():
            jobs = self._jobs(name)
            return jobs if jobs and jobs[-1][0] == "available" else None
        return process.until(only, _JOB_S_MAX, f"an available job of {name}")

    def test_open_file_makes_no_job(self):
        self._start()
        fd = self._open("open")
        os.write(fd, b"half")
        self._write("witness-1", b"x")
        self.assertEqual(len(self._jobs("witness-1")), 1)
        self.assertEqual(self._jobs("open"), [])
        # The scan of a new start finds it, and that somebody writes.
        self.rig.watcher.kill()
        self.rig.start_watcher()
        self.rig.until_live()
        self._write("witness-2", b"x")
        self.assertEqual(len(self._jobs("witness-2")), 1)
        self.assertEqual(self._jobs("open"), [])
        os.write(fd, b" whole")
        os.close(fd)
        self.assertEqual(self._until_job("open"), [("available", self._version("open"))])

    def test_last_of_two_writers_decides(self):
        self._start()
        first, second = self._open("shared"), self._open("shared", os.O_APPEND)
        os.write(first, b"first")
        os.close(first)
        self._write("witness", b"x")
        self.assertEqual(len(self._jobs("witness")), 1)
        self.assertEqual(self._jobs("shared"), [])
        os.write(second, b" second")
        os.close(second)
        self.assertEqual(self._until_job("shared"), [("available", self._version("shared"))])

    def test_reopened_within_settle_makes_one_job(self):
        self._start(settle="2s")
        self._write("again", b"one")
        self._write("again", b", two", os.O_APPEND)
        self._write("again", b", three", os.O_APPEND)
        jobs = self._until_job("again")
        self.assertEqual(jobs[-1], ("available", self._version("again")))
        # Earlier versions that were announced have made way before they could run.
        self.assertEqual({state for state, _ in jobs[:-1]} - {"cancelled", "superseded"}, set())

    def test_open_file_that_is_renamed_makes_one_job(self):
        self._start()
        fd = self._open("before")
        os.write(fd, b"half")
        os.rename(os.path.join(self.rig.volume, "before"), os.path.join(self.rig.volume, "after"))
        self._write("witness", b"x")
        self.assertEqual(len(self._jobs("witness")), 1)
        self.assertEqual(self._jobs("after"), [])
        os.close(fd)
        self.assertEqual(self._until_job("after"), [("available", self._version("after"))])
        self.assertEqual(self._jobs("before"), [])
