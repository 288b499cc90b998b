"""Tools from npm, installed once per package.json outside the repository."""

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess

from style import source

_INSTALL_S_MAX = 600
_FOLDER = os.path.join(source.ROOT, "tests")


@functools.lru_cache(maxsize=None)
def _modules():
    """(folder, why it could not be filled); asked for once, since npm tries for minutes."""
    try:
        return _install(), None
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        return None, str(error)


def modules():
    """Folder `node_modules` with what tests/package.json pins; installed when it is missing."""
    folder, problem = _modules()
    if problem is not None:
        raise RuntimeError(problem)
    return folder


def _install():
    with open(os.path.join(_FOLDER, "package.json"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:16]
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(cache, "closewrite", f"npm-{digest}")
    os.makedirs(folder, exist_ok=True)
    done = os.path.join(folder, "complete")
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(done):
            shutil.copy(os.path.join(_FOLDER, "package.json"), folder)
            # Peers that are needed are listed themselves; one that is not has 160 MB.
            installed = subprocess.run(
                ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund",
                 "--legacy-peer-deps", "--loglevel=error"], cwd=folder, check=False,
                timeout=_INSTALL_S_MAX, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            if installed.returncode != 0:
                raise RuntimeError("npm install of tests/package.json failed: "
                                   + installed.stdout.decode(errors="replace"))
            with open(done, "w", encoding="ascii"):
                pass
    return os.path.join(folder, "node_modules")


def tool(name):
    """Path of a program from npm."""
    return os.path.join(modules(), ".bin", name)
