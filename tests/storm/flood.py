"""The four writers of a storm."""

import collections
import os
import subprocess

from hosts import process
from storm import writer

WRITERS = 4
_WRITE_S_MAX = 1800.0
# A tree has 1 to 4 directories, 2.5 on average, so this many steps make one directory.
_STEPS_A_FOLDER = writer.STEPS_A_TREE / 2.5

# About so many files are made by all writers together, and so many in each directory. The fewer in
# a directory, the more is moved and changed for each file.
Size = collections.namedtuple("Size", "files files_a_folder", defaults=(50,))


class Flood:
    """Writers that make files and directories while they move and change them. They wait until
    they are let go."""

    def __init__(self, rig, seed, size):
        self.steps = max(writer.STEPS_A_TREE, round(
            size.files / WRITERS / size.files_a_folder * _STEPS_A_FOLDER))  # of each writer
        for number in range(writer.COMMON_FOLDERS):
            os.makedirs(os.path.join(rig.volume, "common", str(number)))
        folder = os.path.join(rig.folder, "writers")
        os.makedirs(folder)
        self._log = os.path.join(folder, "errors")
        self._writers = [self._start(rig, seed, size.files // WRITERS, number, folder)
                         for number in range(WRITERS)]

    def _start(self, rig, seed, files, number, folder):
        outside = os.path.join(rig.outside, str(number))
        os.makedirs(outside)
        with open(self._log, "ab") as log:
            return subprocess.Popen(
                ["/usr/bin/python3", os.path.realpath(writer.__file__), "--number", str(number),
                 "--seed", str(seed), "--steps", str(self.steps), "--files", str(files),
                 "--volume", rig.volume, "--outside", outside,
                 "--log", os.path.join(folder, f"actions-{number}")],
                stdin=subprocess.PIPE, stdout=log, stderr=log,
                preexec_fn=process.die_with_parent)

    def let_go(self, steps):
        """Lets each writer make this many steps more."""
        for each in self._writers:
            try:
                each.stdin.write(b"%d\n" % steps)
                each.stdin.flush()
            except BrokenPipeError:
                pass  # It has made all its steps, or has failed; finish() tells.

    def finish(self):
        """Lets the writers make the rest of their steps, and waits for them."""
        for each in self._writers:
            try:
                each.stdin.close()
            except BrokenPipeError:
                pass
        for each in self._writers:
            if each.wait(_WRITE_S_MAX) != 0:
                with open(self._log, encoding="utf-8", errors="replace") as log:
                    raise RuntimeError(f"a writer has failed: {log.read()[-2000:]}")

    def kill(self):
        """Ends those that still write."""
        for each in self._writers:
            each.kill()
            each.wait()
