"""A folder for one build, and the cache that builds share."""

import os
import shutil
import tempfile


class WorkFolder:
    """A new temporary folder, for a `with`. /var/tmp: roots of hundreds of megabytes are unpacked
    in it, and /tmp may be memory."""

    def __init__(self):
        self._path = None

    def __enter__(self):
        self._path = tempfile.mkdtemp(prefix="closewrite-images-", dir="/var/tmp")
        return self._path

    def __exit__(self, *_):
        shutil.rmtree(self._path)


def cache(*names):
    """A folder below the user's cache, made where it is missing."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(base, "closewrite", "images", *names)
    os.makedirs(path, exist_ok=True)
    return path
