"""fs.inotify.max_queued_events for the moment in which a watcher makes its inotify instance."""

import contextlib
import fcntl
import os
import subprocess
import tempfile

_SYSCTL = "/proc/sys/fs/inotify/max_queued_events"
_LOCK = os.path.join(tempfile.gettempdir(), "closewrite-queue-limit.lock")

# Waits for the end of its standard input, which comes when we close it, and when we are killed.
_GUARD = 'read -r _; echo "$1" > "$2"'


def read():
    """The limit as it is."""
    with open(_SYSCTL, encoding="ascii") as file:
        return int(file.read())


def _write(events_max):
    with open(_SYSCTL, "w", encoding="ascii") as file:
        file.write(str(events_max))


@contextlib.contextmanager
def lowered(events_max):
    """The limit is `events_max` inside, for the whole machine; None leaves it. Needs root.

    It is read by inotify_init, so that it need not stay for longer than that. A process of its own
    restores it, also when this one is killed. One at a time has it.
    """
    if events_max is None:
        yield
        return
    with open(_LOCK, "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(["/bin/sh", "-c", _GUARD, "sh", str(read()), _SYSCTL],
                              stdin=subprocess.PIPE, start_new_session=True,
                              pass_fds=(lock.fileno(),)) as guard:
            try:
                _write(events_max)
                yield
            finally:
                guard.stdin.close()
                guard.wait()
