"""Writers, and what a contender made of what they wrote."""

import os
import subprocess
import sys
import time

from bench import contenders, measure
from hosts import process, run_folder

_WRITE_S_MAX = 600.0
_BYTES = 100


class Load:
    """What was written: `closed` is {file's name: nanoseconds just before its close()}."""

    def __init__(self, records):
        self.closed = {}
        self.began = min(parts[0][0] for parts in records)
        self.ended = max(parts[-1][0] for parts in records)
        for parts in records:
            self.closed.update((text, when) for when, text in parts[1:-1])

    @property
    def per_second(self):
        """Files a second, of all writers together."""
        return len(self.closed) * 1e9 / (self.ended - self.began)


def write(programs, folders, files, interval_us=0, tag=""):
    """Writers of `files` each, one a folder of a Place, which all begin in one moment. Returns the
    Load."""
    # Beside the root: a watcher would count their records as files.
    names = [os.path.join(folder, "..", "..", f"written-{tag}{number}")
             for number, folder in enumerate(folders)]
    gate, opener = os.pipe()
    popens = [subprocess.Popen(
        [os.path.join(programs, "writer"), folder, f"{contenders.MARK}{tag}{number}-", str(files),
         str(_BYTES), str(interval_us), record],
        stdin=gate, preexec_fn=process.die_with_parent)
        for number, (folder, record) in enumerate(zip(folders, names))]
    os.close(gate)
    os.close(opener)
    for popen in popens:
        if popen.wait(_WRITE_S_MAX) != 0:
            raise RuntimeError("a writer failed; see above")
    return Load([measure.read_records(record) for record in names])


def chosen(kinds, options):
    """Those that were asked for, and those that the others are compared with."""
    wanted = options.contenders
    return [kind for kind in kinds
            if not wanted or kind.reference or any(name in kind.name for name in wanted)]


def rotated(kinds, number):
    """The contenders of run `number`: nobody is always the first."""
    turn = number % len(kinds)
    return [*kinds[turn:], *kinds[:turn]]


class Place:
    """Folders for one contender's run: `root` where the files are, below `base` if that is given,
    and `folder` on the disk. Use it in a `with`.
    """

    def __init__(self, writers=1, base=None):
        self._run = run_folder.RunFolder("bench")
        self.folder = self._run.make("kept")
        self._outside = None
        if base is None:
            self.root = self._run.make("files", "root")
        else:
            self._outside = os.path.join(base, os.path.basename(self._run.path))
            self.root = os.path.join(self._outside, "root")
            os.makedirs(self.root)
        self.folders = [os.path.join(self.root, f"w{number}") for number in range(writers)]
        for each in self.folders:
            os.mkdir(each)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A million files take Python ten times as long.
        subprocess.run(["rm", "-rf", self._outside or self.root], check=False)
        self._run.close()


def delays_ms(closed, seen):
    """Milliseconds from close() to being seen, of those that were."""
    return [(seen[name] - when) / 1e6 for name, when in closed.items() if name in seen]


def progress(text):
    """What is being done; not a part of the result."""
    print(f"-- {text}", file=sys.stderr, flush=True)


def settle():
    """Lets what was written go to the disk, so that it does not slow down the next run."""
    os.sync()
    time.sleep(0.2)
