"""What takes long to make and is kept outside the repository, for the next time."""

import fcntl
import os


def folder(name):
    """A folder of that name in the user's cache, made when it is missing."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(base, "closewrite", name)
    os.makedirs(path, exist_ok=True)
    return path


def filled(name, fill):
    """The folder, once `fill(path)` has filled it; others wait meanwhile. Where `fill` raises, it
    is called again next time, and finds what it has left."""
    path = folder(name)
    complete = os.path.join(path, "complete")
    with open(os.path.join(path, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(complete):
            fill(path)
            with open(complete, "w", encoding="ascii"):
                pass
    return path
