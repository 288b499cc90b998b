"""A folder for one run of a test or demonstration, removed afterwards whatever happened.

A run that was killed with SIGKILL can't remove its folder, so every new run removes what runs that
are no longer alive have left. Who is alive is told by process id and start time together, because
process ids are used again.
"""

import atexit
import os
import shutil
import signal
import sys
import tempfile

_PREFIX = "closewrite-"
_OWNER = "owner"


def start_time(pid):
    """Start of a process in clock ticks since boot (proc(5), field 22); None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _owner_alive(folder):
    try:
        with open(os.path.join(folder, _OWNER), encoding="ascii") as file:
            pid, started = map(int, file.read().split())
    except (OSError, ValueError):
        return True  # Being made right now, or not ours.
    return start_time(pid) == started


def sweep():
    """Removes the folders of runs that are no longer alive."""
    base = tempfile.gettempdir()
    for name in os.listdir(base):
        folder = os.path.join(base, name)
        if not name.startswith(_PREFIX) or not os.path.isfile(os.path.join(folder, _OWNER)):
            continue
        if os.stat(folder).st_uid == os.geteuid() and not _owner_alive(folder):
            shutil.rmtree(folder, ignore_errors=True)


def exit_on_signals():
    """Makes SIGTERM and SIGHUP leave through `finally` and atexit, as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


class RunFolder:
    """A new temporary folder. Not thread-safe."""

    def __init__(self, purpose):
        sweep()
        self.path = tempfile.mkdtemp(prefix=f"{_PREFIX}{purpose}-")
        # sshd and commands run by other users pass through it.
        os.chmod(self.path, 0o755)
        self._kept = False
        self.set_owner(os.getpid())
        atexit.register(self.close)

    def set_owner(self, pid):
        """The folder lives as long as process `pid`."""
        with open(os.path.join(self.path, _OWNER), "w", encoding="ascii") as file:
            file.write(f"{pid} {start_time(pid)}\n")

    def keep(self):
        """close() leaves the folder; the next run's sweep removes it once its owner is dead."""
        self._kept = True

    def make(self, *names):
        """Makes a folder below it and returns its path."""
        path = os.path.join(self.path, *names)
        os.makedirs(path, exist_ok=True)
        return path

    def close(self):
        """Removes the folder, unless it is kept. May be called any number of times."""
        if not self._kept:
            shutil.rmtree(self.path, ignore_errors=True)
